/*
 * node_object.c - an object as a directory: its name, its attributes, its formats
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../store/key.h"
#include "../store/secret.h"
#include "node.h"

/* ---- names ---- */

/* A class without a row is ".obj". */
static const struct {
	CK_OBJECT_CLASS class;
	const char *ext;
} extensions[] = {
	{CKO_CERTIFICATE, "cert"},
	{CKO_PUBLIC_KEY, "pub"},
	{CKO_PRIVATE_KEY, "key"},
	{CKO_SECRET_KEY, "secret"},
	{CKO_OTP_KEY, "otp"},
	{CKO_DATA, "data"},
	{CKO_DOMAIN_PARAMETERS, "param"},
};
#define N_EXTENSIONS (sizeof(extensions) / sizeof(extensions[0]))
#define EXT_OTHER "obj"
#define UNNAMED "unnamed"

static const char *
extension(CK_OBJECT_CLASS class)
{
	for (size_t i = 0; i < N_EXTENSIONS; i++)
		if (extensions[i].class == class)
			return extensions[i].ext;
	return EXT_OTHER;
}

static bool
hex_name(char *out, size_t max, const struct attr *id)
{
	bool whole = 2 * id->len < max;
	size_t n = whole ? id->len : (max - 1) / 2;

	for (size_t i = 0; i < n; i++)
		snprintf(out + 2 * i, 3, "%02x", id->value[i]);
	return whole;
}

void
node_object_name(const struct object *o, struct object_name *name)
{
	const struct attr *label = attrs_get(&o->attrs, CKA_LABEL), *id = attrs_get(&o->attrs, CKA_ID);

	name->ext = extension(object_class(o));
	name->cut = false;
	if (label && label->len)
		name->cut = !name_escape(name->base, sizeof(name->base), label->value, label->len);
	else if (id && id->len)
		name->cut = !hex_name(name->base, sizeof(name->base), id);
	else
		strcpy(name->base, UNNAMED);
}

void
node_object_format(const struct object_name *name, CK_OBJECT_HANDLE handle, bool with_handle,
	char out[NODE_NAME_MAX])
{
	if (with_handle || name->cut)
		snprintf(out, NODE_NAME_MAX, "%s~%lu.%s", name->base, handle, name->ext);
	else
		snprintf(out, NODE_NAME_MAX, "%s.%s", name->base, name->ext);
}

/* The parts of a name: base, "~handle" if has_handle, ext. */
struct parts {
	const char *base, *ext;
	size_t base_len;
	bool has_handle;
	CK_OBJECT_HANDLE handle;
};

static bool
split(const char *name, struct parts *p)
{
	const char *dot = strrchr(name, '.'), *tilde = strrchr(name, '~');
	char *end;

	if (!dot || dot == name)
		return false;
	p->base = name;
	p->ext = dot + 1;
	p->base_len = (size_t)(dot - name);
	p->has_handle = tilde != NULL; /* name_escape leaves no other */
	if (!tilde)
		return true;
	if (tilde > dot || tilde[1] < '1' || tilde[1] > '9')
		return false;
	p->handle = strtoul(tilde + 1, &end, 10);
	p->base_len = (size_t)(tilde - name);
	return end == dot && p->handle < HANDLE_SESSION;
}

/* Is this the object's name, but for the handle? */
static bool
is_called(const struct object *o, const struct parts *p)
{
	struct object_name name;

	node_object_name(o, &name);
	return strcmp(name.ext, p->ext) == 0 && strlen(name.base) == p->base_len &&
		memcmp(name.base, p->base, p->base_len) == 0 && (p->has_handle || !name.cut);
}

/* The lowest of the objects that match the template and have that name, if it is below *o's. */
static CK_RV
find_lowest(struct token *t, const struct attrs *templ, const struct parts *p, bool private,
	struct object **o)
{
	CK_OBJECT_HANDLE *handles = NULL;
	struct object *seen;
	size_t n = 0;
	CK_RV rv = token_find(t, templ, private, &handles, &n);

	for (size_t i = 0; i < n && rv == CKR_OK; i++) {
		if (*o && (*o)->handle <= handles[i])
			break;
		/* one that vanished or cannot be read has no name */
		if (token_object(t, handles[i], private, &seen) != CKR_OK)
			continue;
		if (seen->private == private && is_called(seen, p)) {
			object_put(*o);
			*o = seen;
			break;
		}
		object_put(seen);
	}
	free(handles);
	return rv;
}

static bool
hex_value(const char *name, size_t len, uint8_t *out)
{
	for (size_t i = 0; i < len; i++) {
		const char *digit = strchr("0123456789abcdef", name[i]);

		if (!digit || !name[i])
			return false;
		out[i / 2] = (uint8_t)((i % 2 ? out[i / 2] << 4 : 0) | (digit - "0123456789abcdef"));
	}
	return len > 0 && len % 2 == 0;
}

/* A search for what the name may come from: the label, or the id, or nothing but the class. */
static CK_RV
find_by(struct token *t, const struct parts *p, CK_ATTRIBUTE_TYPE type, const uint8_t *value, size_t len,
	bool private, struct object **o)
{
	struct attrs templ = {0};
	CK_RV rv = CKR_OK;

	for (size_t i = 0; i < N_EXTENSIONS && rv == CKR_OK; i++)
		if (strcmp(extensions[i].ext, p->ext) == 0)
			rv = attrs_set_ulong(&templ, CKA_CLASS, extensions[i].class);
	if (rv == CKR_OK && value)
		rv = attrs_set(&templ, type, value, len);
	if (rv == CKR_OK)
		rv = find_lowest(t, &templ, p, private, o);
	attrs_free(&templ);
	return rv;
}

CK_RV
node_object_find(struct token *t, const char *name, bool private, struct object **o)
{
	uint8_t value[NODE_NAME_MAX];
	struct parts p = {0};
	size_t len;
	CK_RV rv = CKR_OK;

	*o = NULL;
	if (strlen(name) >= NODE_NAME_MAX || !split(name, &p))
		return CKR_OBJECT_HANDLE_INVALID;
	if (p.has_handle) {
		rv = token_object(t, p.handle, private, o);
		if (rv != CKR_OK)
			return rv;
		if ((*o)->private == private && is_called(*o, &p))
			return CKR_OK;
		object_put(*o);
		*o = NULL;
		return CKR_OBJECT_HANDLE_INVALID;
	}
	if (name_unescape(p.base, p.base_len, value, sizeof(value), &len) && len)
		rv = find_by(t, &p, CKA_LABEL, value, len, private, o);
	if (rv == CKR_OK && hex_value(p.base, p.base_len, value))
		rv = find_by(t, &p, CKA_ID, value, p.base_len / 2, private, o);
	if (rv == CKR_OK && p.base_len == strlen(UNNAMED) && memcmp(p.base, UNNAMED, p.base_len) == 0)
		rv = find_by(t, &p, 0, NULL, 0, private, o);
	if (rv != CKR_OK) {
		object_put(*o);
		*o = NULL;
		return rv;
	}
	return *o ? CKR_OK : CKR_OBJECT_HANDLE_INVALID;
}

/* ---- attributes ---- */

/* Attributes whose number has a name, and numbers whose meaning is in a table. */
static const struct {
	CK_ATTRIBUTE_TYPE type;
	enum name_table table;
} symbols[] = {
	{CKA_CLASS, NAMES_CLASS},
	{CKA_KEY_TYPE, NAMES_KEY_TYPE},
	{CKA_CERTIFICATE_TYPE, NAMES_CERT_TYPE},
	{CKA_KEY_GEN_MECHANISM, NAMES_MECH},
	{CKA_MECHANISM_TYPE, NAMES_MECH},
	{CKA_ALLOWED_MECHANISMS, NAMES_MECH},
	{CKA_NAME_HASH_ALGORITHM, NAMES_MECH},
};

static void
show_ulong(struct text *t, CK_ATTRIBUTE_TYPE type, CK_ULONG v)
{
	const char *name = NULL;

	for (size_t i = 0; i < sizeof(symbols) / sizeof(symbols[0]); i++)
		if (symbols[i].type == type)
			name = ck_name(symbols[i].table, v);
	if (v == CK_UNAVAILABLE_INFORMATION)
		name = "CK_UNAVAILABLE_INFORMATION";
	if (name)
		text_printf(t, "%s", name);
	else
		text_printf(t, "%lu", v);
}

static void
show_name(struct text *t, CK_ATTRIBUTE_TYPE type)
{
	const struct attr_name *row = attr_name_find(type);

	if (row)
		text_printf(t, "%s", row->name);
	else
		text_printf(t, "0x%08lx", type);
}

static void
show_value(struct text *t, const struct attr *a)
{
	const struct attr_name *row = attr_name_find(a->type);
	enum attr_kind kind = row ? row->kind : ATTR_BYTES;
	CK_ULONG v;

	switch (kind) {
	case ATTR_BOOL:
		text_printf(t, "%s", a->len == 1 && a->value[0] ? "true" : "false");
		break;
	case ATTR_TEXT:
		text_quoted(t, a->value, a->len);
		break;
	case ATTR_DATE:
		if (a->len == 8)
			text_printf(t, "%.4s-%.2s-%.2s", a->value, a->value + 4, a->value + 6);
		break;
	case ATTR_ULONG:
	case ATTR_ULONGS:
		for (size_t i = 0; i + sizeof(v) <= a->len; i += sizeof(v)) {
			memcpy(&v, a->value + i, sizeof(v));
			if (i)
				text_put(t, ", ", 2);
			show_ulong(t, a->type, v);
		}
		break;
	case ATTR_TEMPLATE:
		text_put(t, "{", 1);
		for (size_t i = 0; i < a->sub->n; i++) {
			text_put(t, i ? ", " : " ", i ? 2 : 1);
			show_name(t, a->sub->v[i].type);
			text_put(t, " = ", 3);
			show_value(t, &a->sub->v[i]);
		}
		text_put(t, " }", 2);
		break;
	default:
		text_hex(t, a->value, a->len);
	}
}

static int
by_type(const void *a, const void *b)
{
	const struct attr *x = *(const struct attr *const *)a, *y = *(const struct attr *const *)b;

	return (x->type > y->type) - (x->type < y->type);
}

CK_RV
node_text_attributes(const struct look *l, struct text *t)
{
	const struct attr *sorted[ATTRS_MAX_COUNT], *a;
	const struct attrs *all = &l->object->attrs;
	size_t n = 0;

	for (size_t i = 0; i < all->n && n < ATTRS_MAX_COUNT; i++)
		if (!attr_internal(all->v[i].type))
			sorted[n++] = &all->v[i];
	qsort(sorted, n, sizeof(sorted[0]), by_type);
	for (size_t i = 0; i < n; i++) {
		CK_RV rv = object_read(l->object, sorted[i]->type, &a);

		if (rv != CKR_OK && rv != CKR_ATTRIBUTE_SENSITIVE)
			continue;
		show_name(t, sorted[i]->type);
		text_put(t, " = ", 3);
		if (rv == CKR_OK)
			show_value(t, a);
		else
			text_printf(t, "<sensitive>");
		text_put(t, "\n", 1);
	}
	return CKR_OK;
}

const struct attr *
node_attr(const struct object *o, const struct attr_name *row)
{
	const struct attr *a;

	if (!row || row->kind == ATTR_TEMPLATE || attr_internal(row->type))
		return NULL;
	return object_read(o, row->type, &a) == CKR_OK ? a : NULL;
}

CK_RV
node_text_attr(const struct look *l, struct text *t)
{
	const struct attr *a = l->node.sub ? node_attr(l->object, attr_name_at(l->node.sub - 1u)) : NULL;

	if (!a)
		return CKR_ATTRIBUTE_TYPE_INVALID;
	text_put(t, a->value, a->len);
	return CKR_OK;
}

/* ---- formats ---- */

static bool
is_x509(const struct object *o)
{
	return object_class(o) == CKO_CERTIFICATE &&
		attrs_ulong(&o->attrs, CKA_CERTIFICATE_TYPE, CKC_X_509) == CKC_X_509;
}

bool
node_has_public(const struct object *o)
{
	CK_OBJECT_CLASS class = object_class(o);

	return class == CKO_PUBLIC_KEY || class == CKO_PRIVATE_KEY || is_x509(o);
}

bool
node_has_certificate(const struct object *o)
{
	const struct attr *a;

	return is_x509(o) && object_read(o, CKA_VALUE, &a) == CKR_OK && a->len;
}

bool
node_has_value(const struct object *o)
{
	CK_OBJECT_CLASS class = object_class(o);
	const struct attr *a;

	return (class == CKO_DATA || class == CKO_SECRET_KEY) && object_read(o, CKA_VALUE, &a) == CKR_OK;
}

bool
node_has_private(const struct object *o)
{
	return object_class(o) == CKO_PRIVATE_KEY && !object_hides(o, CKA_VALUE) &&
		!object_hides(o, CKA_PRIVATE_EXPONENT);
}

static CK_RV
public_half(const struct look *l, struct text *t, enum key_format format)
{
	uint8_t *out = NULL;
	size_t len = 0;
	CK_RV rv = key_export_public(l->object, format, &out, &len);

	if (rv == CKR_OK)
		text_put(t, out, len);
	free(out);
	return rv;
}

CK_RV
node_text_public_pem(const struct look *l, struct text *t)
{
	return public_half(l, t, KEY_PEM);
}

CK_RV
node_text_public_der(const struct look *l, struct text *t)
{
	return public_half(l, t, KEY_DER);
}

CK_RV
node_text_public_ssh(const struct look *l, struct text *t)
{
	return public_half(l, t, KEY_SSH);
}

CK_RV
node_text_public_jwk(const struct look *l, struct text *t)
{
	return public_half(l, t, KEY_JWK);
}

CK_RV
node_text_value(const struct look *l, struct text *t)
{
	const struct attr *a;
	CK_RV rv = object_read(l->object, CKA_VALUE, &a);

	if (rv == CKR_OK)
		text_put(t, a->value, a->len);
	return rv;
}

CK_RV
node_text_certificate_pem(const struct look *l, struct text *t)
{
	const struct attr *a;
	CK_RV rv = object_read(l->object, CKA_VALUE, &a);

	if (rv == CKR_OK)
		text_pem(t, "CERTIFICATE", a->value, a->len);
	return rv;
}

CK_RV
node_text_private(const struct look *l, struct text *t)
{
	uint8_t *der = NULL;
	size_t len = 0;
	CK_RV rv;

	if (!node_has_private(l->object))
		return CKR_ATTRIBUTE_SENSITIVE;
	rv = key_to_pkcs8(l->object, &der, &len);
	if (rv == CKR_OK)
		text_pem(t, "PRIVATE KEY", der, len);
	secret_free(der);
	return rv;
}
