#include "attr.h"

#include <stdlib.h>
#include <string.h>

static void *
plain_alloc(size_t len)
{
	return malloc(len);
}

static void
plain_release(void *p, size_t len)
{
	wipe(p, len);
	free(p);
}

static void *(*value_alloc)(size_t) = plain_alloc;
static void (*value_release)(void *, size_t) = plain_release;

void
attrs_allocator(void *(*alloc)(size_t), void (*release)(void *, size_t))
{
	value_alloc = alloc;
	value_release = release;
}

static enum attr_kind
kind_of(CK_ATTRIBUTE_TYPE type)
{
	const struct attr_name *row = attr_name_find(type);

	return row == NULL ? ATTR_BYTES : row->kind;
}

/* ---- one attribute ---------------------------------------------------------------------- */

static void
attr_clear(struct attr *a)
{
	if (a->value != NULL)
		value_release(a->value, a->len);
	if (a->sub != NULL) {
		attrs_free(a->sub);
		free(a->sub);
	}
	memset(a, 0, sizeof(*a));
}

static CK_RV
check_size(enum attr_kind kind, const uint8_t *value, size_t len)
{
	bool good = false;

	switch (kind) {
	case ATTR_BYTES:
	case ATTR_TEXT:
		good = true;
		break;
	case ATTR_BOOL:
		good = len == 1 && value[0] <= CK_TRUE;
		break;
	case ATTR_ULONG:
		good = len == sizeof(CK_ULONG);
		break;
	case ATTR_DATE:
		good = len == 0 || len == sizeof(CK_DATE);
		break;
	case ATTR_ULONGS:
		good = len % sizeof(CK_ULONG) == 0;
		break;
	case ATTR_TEMPLATE:
		good = len == 0;
		break;
	}
	return good && len <= ATTRS_MAX_VALUE ? CKR_OK : CKR_ATTRIBUTE_VALUE_INVALID;
}

/* Makes *a from plain bytes; *a is written on success only. */
static CK_RV
attr_make(struct attr *a, CK_ATTRIBUTE_TYPE type, const void *value, size_t len)
{
	enum attr_kind kind = kind_of(type);
	struct attr made = {.type = type, .len = len};
	CK_RV rv;

	if (type > UINT32_MAX)
		return CKR_ATTRIBUTE_TYPE_INVALID;
	if (value == NULL && len > 0)
		return CKR_ARGUMENTS_BAD;
	rv = check_size(kind, value, len);
	if (rv != CKR_OK)
		return rv;
	if (kind == ATTR_TEMPLATE) {
		made.sub = calloc(1, sizeof(*made.sub));
		if (made.sub == NULL)
			return CKR_HOST_MEMORY;
	} else if (len > 0) {
		made.value = value_alloc(len);
		if (made.value == NULL)
			return CKR_HOST_MEMORY;
		memcpy(made.value, value, len);
	}
	*a = made;
	return CKR_OK;
}

static CK_RV
attr_copy(struct attr *to, const struct attr *from)
{
	struct attr made;
	CK_RV rv;

	rv = attr_make(&made, from->type, from->value, from->len);
	if (rv != CKR_OK)
		return rv;
	if (from->sub != NULL) {
		rv = attrs_copy(made.sub, from->sub);
		if (rv != CKR_OK) {
			attr_clear(&made);
			return rv;
		}
	}
	*to = made;
	return CKR_OK;
}

bool
attr_equal(const struct attr *a, const struct attr *b)
{
	if (a->type != b->type || a->len != b->len || (a->sub == NULL) != (b->sub == NULL))
		return false;
	if (a->sub != NULL)
		return a->sub->n == b->sub->n && attrs_match(a->sub, b->sub);
	return a->len == 0 || memcmp(a->value, b->value, a->len) == 0;
}

/* ---- sets ------------------------------------------------------------------------------- */

void
attrs_free(struct attrs *s)
{
	for (size_t i = 0; i < s->n; i++)
		attr_clear(&s->v[i]);
	free(s->v);
	s->v = NULL;
	s->n = 0;
}

static struct attr *
find(const struct attrs *s, CK_ATTRIBUTE_TYPE type)
{
	for (size_t i = 0; i < s->n; i++) {
		if (s->v[i].type == type)
			return &s->v[i];
	}
	return NULL;
}

/* Puts *a into the set, in place of one of its type. The content of *a is taken over, on failure
 * freed. */
static CK_RV
place(struct attrs *s, struct attr *a)
{
	struct attr *there = find(s, a->type), *v;
	CK_RV rv = CKR_ARGUMENTS_BAD;

	if (there != NULL) {
		struct attr old = *there;

		*there = *a;
		attr_clear(&old);
		return CKR_OK;
	}
	if (s->n >= ATTRS_MAX_COUNT)
		goto fail;
	rv = CKR_HOST_MEMORY;
	v = realloc(s->v, (s->n + 1) * sizeof(*v));
	if (v == NULL)
		goto fail;
	s->v = v;
	s->v[s->n++] = *a;
	return CKR_OK;
fail:
	attr_clear(a);
	return rv;
}

CK_RV
attrs_set(struct attrs *s, CK_ATTRIBUTE_TYPE type, const void *value, size_t len)
{
	struct attr a;
	CK_RV rv = attr_make(&a, type, value, len);

	return rv == CKR_OK ? place(s, &a) : rv;
}

CK_RV
attrs_set_bool(struct attrs *s, CK_ATTRIBUTE_TYPE type, bool v)
{
	CK_BBOOL b = v ? CK_TRUE : CK_FALSE;

	return attrs_set(s, type, &b, sizeof(b));
}

CK_RV
attrs_set_ulong(struct attrs *s, CK_ATTRIBUTE_TYPE type, CK_ULONG v)
{
	return attrs_set(s, type, &v, sizeof(v));
}

/* Levels of nesting below a set: 0 when it holds no template. */
static unsigned
depth_of(const struct attrs *s)
{
	unsigned depth = 0;

	for (size_t i = 0; i < s->n; i++) {
		if (s->v[i].sub != NULL) {
			unsigned below = 1 + depth_of(s->v[i].sub);

			if (below > depth)
				depth = below;
		}
	}
	return depth;
}

CK_RV
attrs_set_template(struct attrs *s, CK_ATTRIBUTE_TYPE type, struct attrs *sub)
{
	struct attr a;
	CK_RV rv;

	if (kind_of(type) != ATTR_TEMPLATE || depth_of(sub) + 1 > ATTRS_MAX_DEPTH)
		return CKR_ATTRIBUTE_VALUE_INVALID;
	rv = attr_make(&a, type, NULL, 0);
	if (rv != CKR_OK)
		return rv;
	*a.sub = *sub;
	memset(sub, 0, sizeof(*sub)); /* transferred */
	rv = place(s, &a);
	return rv;
}

CK_RV
attrs_set_attr(struct attrs *s, const struct attr *a)
{
	struct attr copy;
	CK_RV rv = attr_copy(&copy, a);

	return rv == CKR_OK ? place(s, &copy) : rv;
}

void
attrs_remove(struct attrs *s, CK_ATTRIBUTE_TYPE type)
{
	struct attr *a = find(s, type);
	size_t after;

	if (a == NULL)
		return;
	attr_clear(a);
	after = (size_t)(s->v + s->n - (a + 1));
	memmove(a, a + 1, after * sizeof(*a));
	s->n--;
}

CK_RV
attrs_copy(struct attrs *to, const struct attrs *from)
{
	for (size_t i = 0; i < from->n; i++) {
		CK_RV rv = attrs_set_attr(to, &from->v[i]);

		if (rv != CKR_OK) {
			attrs_free(to);
			return rv;
		}
	}
	return CKR_OK;
}

const struct attr *
attrs_get(const struct attrs *s, CK_ATTRIBUTE_TYPE type)
{
	return find(s, type);
}

bool
attrs_has(const struct attrs *s, CK_ATTRIBUTE_TYPE type)
{
	return find(s, type) != NULL;
}

bool
attrs_bool(const struct attrs *s, CK_ATTRIBUTE_TYPE type, bool otherwise)
{
	const struct attr *a = find(s, type);

	return a != NULL && a->len == sizeof(CK_BBOOL) ? a->value[0] != CK_FALSE : otherwise;
}

CK_ULONG
attrs_ulong(const struct attrs *s, CK_ATTRIBUTE_TYPE type, CK_ULONG otherwise)
{
	const struct attr *a = find(s, type);
	CK_ULONG v;

	if (a == NULL || a->len != sizeof(v))
		return otherwise;
	memcpy(&v, a->value, sizeof(v));
	return v;
}

bool
attrs_match(const struct attrs *s, const struct attrs *templ)
{
	for (size_t i = 0; i < templ->n; i++) {
		const struct attr *a = find(s, templ->v[i].type);

		if (a == NULL || !attr_equal(a, &templ->v[i]))
			return false;
	}
	return true;
}

bool
attrs_has_internal(const struct attrs *s)
{
	for (size_t i = 0; i < s->n; i++) {
		if (attr_internal(s->v[i].type))
			return true;
		if (s->v[i].sub != NULL && attrs_has_internal(s->v[i].sub))
			return true;
	}
	return false;
}

/* ---- the caller's array ----------------------------------------------------------------- */

/* What may still be read of one template: nested arrays come from the caller's memory and may
 * point at themselves. */
struct budget {
	unsigned depth; /* levels of nesting left */
	unsigned total; /* attributes left, over all levels */
};

static CK_RV array_read(struct attrs *s, const CK_ATTRIBUTE *a, CK_ULONG n, struct budget *left);

static CK_RV
array_read_one(struct attr *out, const CK_ATTRIBUTE *a, struct budget *left)
{
	CK_RV rv;

	if (a->pValue == NULL && a->ulValueLen > 0)
		return CKR_ARGUMENTS_BAD;
	if (a->type > UINT32_MAX || kind_of(a->type) != ATTR_TEMPLATE)
		return attr_make(out, a->type, a->pValue, a->ulValueLen);

	if (a->ulValueLen % sizeof(CK_ATTRIBUTE) != 0 || left->depth == 0)
		return CKR_ATTRIBUTE_VALUE_INVALID;
	rv = attr_make(out, a->type, NULL, 0);
	if (rv != CKR_OK)
		return rv;
	left->depth--;
	rv = array_read(out->sub, a->pValue, a->ulValueLen / sizeof(CK_ATTRIBUTE), left);
	left->depth++;
	if (rv != CKR_OK)
		attr_clear(out);
	return rv;
}

static CK_RV
array_read(struct attrs *s, const CK_ATTRIBUTE *a, CK_ULONG n, struct budget *left)
{
	CK_RV rv = CKR_ARGUMENTS_BAD;

	if ((a == NULL && n > 0) || n > left->total)
		goto out;
	left->total -= (unsigned)n;
	for (CK_ULONG i = 0; i < n; i++) {
		const struct attr *before;
		struct attr one;

		rv = array_read_one(&one, &a[i], left);
		if (rv != CKR_OK)
			goto out;
		before = find(s, one.type);
		if (before != NULL) {
			bool same = attr_equal(before, &one);

			attr_clear(&one);
			rv = CKR_TEMPLATE_INCONSISTENT;
			if (!same)
				goto out;
			continue;
		}
		rv = place(s, &one);
		if (rv != CKR_OK)
			goto out;
	}
	rv = CKR_OK;
out:
	if (rv != CKR_OK)
		attrs_free(s);
	return rv;
}

CK_RV
attrs_from_array(struct attrs *s, const CK_ATTRIBUTE *a, CK_ULONG n)
{
	struct budget left = {.depth = ATTRS_MAX_DEPTH, .total = ATTRS_MAX_TOTAL};

	return array_read(s, a, n, &left);
}

/* ---- encoding --------------------------------------------------------------------------- */

static bool
encode_ulongs(struct buf *b, const uint8_t *value, size_t len)
{
	bool good = true;

	for (size_t at = 0; good && at < len; at += sizeof(CK_ULONG)) {
		CK_ULONG v;

		memcpy(&v, value + at, sizeof(v));
		good = buf_put_ulong(b, v);
	}
	return good;
}

bool
attr_encode_value(struct buf *b, const struct attr *a)
{
	switch (kind_of(a->type)) {
	case ATTR_ULONG:
	case ATTR_ULONGS:
		return encode_ulongs(b, a->value, a->len);
	case ATTR_TEMPLATE:
		return attrs_encode(b, a->sub);
	case ATTR_BOOL:
	case ATTR_BYTES:
	case ATTR_TEXT:
	case ATTR_DATE:
		break;
	}
	return buf_put(b, a->value, a->len);
}

bool
attrs_encode(struct buf *b, const struct attrs *s)
{
	buf_put_u32(b, (uint32_t)s->n);
	for (size_t i = 0; i < s->n; i++) {
		const struct attr *a = &s->v[i];
		enum attr_kind kind = kind_of(a->type);

		buf_put_u32(b, (uint32_t)a->type);
		buf_put_u8(b, (uint8_t)kind);
		if (kind == ATTR_BYTES || kind == ATTR_TEXT || kind == ATTR_DATE)
			buf_put_u32(b, (uint32_t)a->len);
		else if (kind == ATTR_ULONGS)
			buf_put_u32(b, (uint32_t)(a->len / sizeof(CK_ULONG)));
		attr_encode_value(b, a);
	}
	return !buf_failed(b);
}

size_t
attrs_encoded_size(const struct attrs *s)
{
	size_t size = 4;

	for (size_t i = 0; i < s->n; i++) {
		const struct attr *a = &s->v[i];

		size += 4 + 1;
		switch (kind_of(a->type)) {
		case ATTR_ULONG:
			size += 8;
			break;
		case ATTR_ULONGS:
			size += 4 + a->len / sizeof(CK_ULONG) * 8;
			break;
		case ATTR_TEMPLATE:
			size += attrs_encoded_size(a->sub);
			break;
		case ATTR_BOOL:
			size += 1;
			break;
		case ATTR_BYTES:
		case ATTR_TEXT:
		case ATTR_DATE:
			size += 4 + a->len;
			break;
		}
	}
	return size;
}

static CK_RV decode_set(struct buf *b, struct attrs *s, struct budget *left);

/* `n` numbers of 8 bytes become the native value of *a. */
static CK_RV
decode_ulongs(struct buf *b, struct attr *a, size_t n)
{
	size_t len = n * sizeof(CK_ULONG);

	if (n > ATTRS_MAX_VALUE / sizeof(CK_ULONG) || n > buf_left(b) / 8)
		return CKR_ARGUMENTS_BAD;
	if (n == 0)
		return CKR_OK;
	a->value = value_alloc(len);
	if (a->value == NULL)
		return CKR_HOST_MEMORY;
	a->len = len;
	for (size_t i = 0; i < n; i++) {
		CK_ULONG v;

		if (!buf_get_ulong(b, &v))
			return CKR_ATTRIBUTE_VALUE_INVALID;
		memcpy(a->value + i * sizeof(v), &v, sizeof(v));
	}
	return CKR_OK;
}

static CK_RV
decode_value(struct buf *b, struct attr *a, enum attr_kind kind, struct budget *left)
{
	const uint8_t *data;
	uint32_t n = 1;
	CK_RV rv;

	if (kind == ATTR_TEMPLATE) {
		if (left->depth == 0)
			return CKR_ARGUMENTS_BAD;
		rv = attr_make(a, a->type, NULL, 0);
		if (rv != CKR_OK)
			return rv;
		left->depth--;
		rv = decode_set(b, a->sub, left);
		left->depth++;
		return rv;
	}
	if (kind != ATTR_BOOL && kind != ATTR_ULONG && !buf_get_u32(b, &n))
		return CKR_ARGUMENTS_BAD;
	if (kind == ATTR_ULONG || kind == ATTR_ULONGS)
		return decode_ulongs(b, a, n);
	if (n > ATTRS_MAX_VALUE || !buf_get_view(b, &data, n))
		return CKR_ARGUMENTS_BAD;
	return attr_make(a, a->type, data, n);
}

static CK_RV
decode_one(struct buf *b, struct attr *a, struct budget *left)
{
	uint32_t type;
	uint8_t kind;
	CK_RV rv;

	memset(a, 0, sizeof(*a));
	if (!buf_get_u32(b, &type) || !buf_get_u8(b, &kind))
		return CKR_ARGUMENTS_BAD;
	a->type = type;
	if (kind != (uint8_t)kind_of(type))
		return CKR_ARGUMENTS_BAD;
	rv = decode_value(b, a, (enum attr_kind)kind, left);
	if (rv != CKR_OK)
		attr_clear(a);
	return rv;
}

static CK_RV
decode_set(struct buf *b, struct attrs *s, struct budget *left)
{
	CK_RV rv = CKR_ARGUMENTS_BAD;
	uint32_t n;

	if (!buf_get_u32(b, &n) || n > ATTRS_MAX_COUNT || n > left->total)
		goto out;
	left->total -= n;
	for (uint32_t i = 0; i < n; i++) {
		struct attr one;

		rv = decode_one(b, &one, left);
		if (rv != CKR_OK)
			goto out;
		if (find(s, one.type) != NULL) {
			attr_clear(&one);
			rv = CKR_ARGUMENTS_BAD;
			goto out;
		}
		rv = place(s, &one);
		if (rv != CKR_OK)
			goto out;
	}
	rv = CKR_OK;
out:
	if (rv != CKR_OK) {
		b->failed = true;
		attrs_free(s);
	}
	return rv;
}

CK_RV
attrs_decode(struct buf *b, struct attrs *s)
{
	struct budget left = {.depth = ATTRS_MAX_DEPTH, .total = ATTRS_MAX_TOTAL};

	return decode_set(b, s, &left);
}
