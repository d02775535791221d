/* Which structure a parameter is, and flattening it. */
#include "param.h"

#include <string.h>

#include "attr.h"
#include "param_layout.h"

/* ---- which structure ----------------------------------------------------------------------- */

enum param_kind
param_kind(CK_MECHANISM_TYPE type)
{
	const struct ck_name *row = ck_name_row(NAMES_MECH, type);

	return row != NULL ? row->param : PARAM_RAW;
}

enum param_kind
param_kind_other(CK_MECHANISM_TYPE type)
{
	/* an IV alone in 2.40 to 3.1, this in 3.2 */
	return type == CKM_AES_GMAC ? PARAM_GCM : param_layouts[param_kind(type)].other;
}

enum param_kind
param_kind_of(const CK_MECHANISM *m)
{
	enum param_kind kind = param_kind(m->mechanism), other = param_kind_other(m->mechanism);

	return other != PARAM_NONE && m->ulParameterLen == param_layouts[other].size ? other : kind;
}

static const struct {
	CK_MECHANISM_TYPE type;
	enum param_kind kind;
} messages[] = {
	{CKM_AES_GCM, PARAM_GCM_MESSAGE},
	{CKM_AES_CCM, PARAM_CCM_MESSAGE},
	{CKM_CHACHA20_POLY1305, PARAM_CHACHA20_POLY1305_MESSAGE},
	{CKM_SALSA20_POLY1305, PARAM_CHACHA20_POLY1305_MESSAGE},
};
#define N_MESSAGES (sizeof(messages) / sizeof(messages[0]))
_Static_assert(sizeof(CK_GCM_MESSAGE_PARAMS) != sizeof(CK_CCM_MESSAGE_PARAMS), "told apart");
_Static_assert(sizeof(CK_GCM_MESSAGE_PARAMS) != sizeof(CK_SALSA20_CHACHA20_POLY1305_MSG_PARAMS), "told apart");
_Static_assert(sizeof(CK_CCM_MESSAGE_PARAMS) != sizeof(CK_SALSA20_CHACHA20_POLY1305_MSG_PARAMS), "told apart");

enum param_kind
message_param_kind(CK_MECHANISM_TYPE type)
{
	for (size_t i = 0; i < N_MESSAGES; i++)
		if (messages[i].type == type)
			return messages[i].kind;
	return PARAM_NONE;
}

enum param_kind
message_kind_of(CK_ULONG len)
{
	for (size_t i = 0; i < N_MESSAGES; i++)
		if (param_layouts[messages[i].kind].size == len)
			return messages[i].kind;
	return PARAM_NONE;
}

bool
message_param_fits(const CK_MECHANISM *m)
{
	return m->ulParameterLen == 0 || message_kind_of(m->ulParameterLen) == message_param_kind(m->mechanism);
}

/* ---- encoding ------------------------------------------------------------------------------ */

static CK_RV encode_fields(struct buf *b, const struct layout *l, const uint8_t *s, const uint8_t *above, bool sealing);

/* In CK_PKCS5_PBKD2_PARAMS a pointer stands where CK_PKCS5_PBKD2_PARAMS2 has the length, and both are as
 * long. No password has a million bytes, and no program's data lies below that address (linkers begin at 4 MiB,
 * valgrind loads at a little more than 1 MiB). */
#define LOWEST_ADDRESS 0x100000UL

static bool
password_length(CK_ULONG *len)
{
	if (*len >= LOWEST_ADDRESS && *len % sizeof(CK_ULONG) == 0)
		memcpy(len, (const void *)*len, sizeof(*len)); /* NOLINT: the pointer it is */
	return *len <= PARAM_MAX_BYTES;
}

static CK_RV
encode_data(struct buf *b, const struct field *f, const uint8_t *s, const uint8_t *above, bool sealing)
{
	const void *data = load_pointer(s + f->first);
	CK_ULONG len = field_length(f, s, above);
	bool room = f->type == FIELD_ROOM || (f->flow == FLOW_TAG && sealing);
	bool may_be_null = (f->type == FIELD_POINTED && f->flow != FLOW_TAG) || f->type == FIELD_ROOM;
	size_t n;

	if (f->type == FIELD_PASSWORD && !password_length(&len))
		return CKR_MECHANISM_PARAM_INVALID;
	n = field_bytes(f, len);
	if (n > PARAM_MAX_BYTES || (data == NULL && n > 0 && !may_be_null))
		return CKR_MECHANISM_PARAM_INVALID;
	if (field_length_travels(f, room))
		buf_put_ulong(b, len);
	if (f->type == FIELD_ROOM)
		buf_put_u8(b, data != NULL);
	else if (!room)
		buf_put_bytes(b, data, data != NULL ? n : 0);
	return CKR_OK;
}

static CK_RV
encode_template(struct buf *b, const CK_ATTRIBUTE *a, CK_ULONG n)
{
	struct attrs set = {0};
	CK_RV rv;

	if (a == NULL && n > 0)
		return CKR_MECHANISM_PARAM_INVALID;
	rv = attrs_from_array(&set, a, n);
	if (rv == CKR_OK)
		attrs_encode(b, &set);
	attrs_free(&set);
	return rv;
}

static CK_RV
encode_list(struct buf *b, const struct layout *l, const uint8_t *entries, CK_ULONG n, const uint8_t *above)
{
	CK_RV rv = CKR_OK;

	if (n > PARAM_MAX_LIST || (entries == NULL && n > 0))
		return CKR_MECHANISM_PARAM_INVALID;
	buf_put_u32(b, (uint32_t)n);
	for (CK_ULONG i = 0; rv == CKR_OK && i < n; i++)
		rv = encode_fields(b, l, entries + i * l->size, above, false);
	return rv;
}

static CK_RV
encode_formed(struct buf *b, const struct field *f, const uint8_t *s)
{
	const struct layout *form = field_form(f, s);
	const void *data = load_pointer(s + f->first);
	CK_ULONG len = load_ulong(s + f->second);

	if ((data == NULL && len > 0) || len > PARAM_MAX_BYTES)
		return CKR_MECHANISM_PARAM_INVALID;
	if (form == NULL) {
		buf_put_bytes(b, data, len);
		return CKR_OK;
	}
	buf_put_u8(b, len > 0);
	if (len == 0)
		return CKR_OK;
	return len == form->size ? encode_fields(b, form, data, s, false) : CKR_MECHANISM_PARAM_INVALID;
}

static CK_RV
encode_field(struct buf *b, const struct field *f, const uint8_t *s, const uint8_t *above, bool sealing)
{
	const void *pointed;

	switch (f->type) {
	case FIELD_END:
	case FIELD_RESULT:
		return CKR_OK;
	case FIELD_ULONG:
	case FIELD_HANDLE:
		buf_put_ulong(b, field_is_looked_at(f, s) ? load_ulong(s + f->first) : 0);
		return CKR_OK;
	case FIELD_BOOL:
		if (s[f->first] > CK_TRUE)
			return CKR_MECHANISM_PARAM_INVALID;
		buf_put_u8(b, s[f->first]);
		return CKR_OK;
	case FIELD_ARRAY:
		buf_put(b, s + f->first, f->second);
		return CKR_OK;
	case FIELD_DATA:
	case FIELD_PASSWORD:
	case FIELD_BITS:
	case FIELD_NONCE:
	case FIELD_POINTED:
	case FIELD_ROOM:
		if (field_is_looked_at(f, s))
			return encode_data(b, f, s, above, sealing);
		buf_put_bytes(b, NULL, 0);
		return CKR_OK;
	case FIELD_RESULT_AT:
		return load_pointer(s + f->first) != NULL ? CKR_OK : CKR_MECHANISM_PARAM_INVALID;
	case FIELD_STRUCT:
		pointed = load_pointer(s + f->first);
		return pointed != NULL ? encode_fields(b, f->inner, pointed, s, sealing) : CKR_MECHANISM_PARAM_INVALID;
	case FIELD_LIST:
		return encode_list(b, f->inner, load_pointer(s + f->first), load_ulong(s + f->second), s);
	case FIELD_TEMPLATE:
		return encode_template(b, load_pointer(s + f->first), load_ulong(s + f->second));
	case FIELD_FORMED:
		return encode_formed(b, f, s);
	}
	return CKR_GENERAL_ERROR;
}

static CK_RV
encode_fields(struct buf *b, const struct layout *l, const uint8_t *s, const uint8_t *above, bool sealing)
{
	CK_RV rv = CKR_OK;

	for (const struct field *f = l->fields; rv == CKR_OK && f->type != FIELD_END; f++)
		rv = encode_field(b, f, s, above, sealing);
	return rv;
}

/* What stands behind the kind. */
static CK_RV
encode_kind(struct buf *b, enum param_kind kind, const void *p, CK_ULONG len)
{
	const struct layout *l = &param_layouts[kind];

	switch (kind) {
	case PARAM_NONE:
		return len == 0 ? CKR_OK : CKR_MECHANISM_PARAM_INVALID;
	case PARAM_RAW:
		if (len > PARAM_MAX_BYTES)
			return CKR_MECHANISM_PARAM_INVALID;
		buf_put_bytes(b, len == 0 ? NULL : p, len);
		return CKR_OK;
	case PARAM_ULONG:
		if (len != sizeof(CK_ULONG))
			return CKR_MECHANISM_PARAM_INVALID;
		buf_put_ulong(b, load_ulong(p));
		return CKR_OK;
	default:
		if (len != l->size && !(len == 0 && l->optional))
			return CKR_MECHANISM_PARAM_INVALID;
		buf_put_u8(b, len > 0);
		return len > 0 ? encode_fields(b, l, p, NULL, false) : CKR_OK;
	}
}

static CK_RV
encoded(const struct buf *b, size_t start, CK_RV rv)
{
	if (rv == CKR_OK && buf_failed(b))
		return CKR_HOST_MEMORY;
	if (rv == CKR_OK && b->len - start > PARAM_MAX_TOTAL)
		return CKR_MECHANISM_PARAM_INVALID;
	return rv;
}

CK_RV
param_encode(struct buf *b, const CK_MECHANISM *m)
{
	enum param_kind kind = param_kind_of(m);
	size_t start = b->len;

	if (m->pParameter == NULL && m->ulParameterLen > 0)
		return CKR_MECHANISM_PARAM_INVALID;
	buf_put_ulong(b, m->mechanism);
	buf_put_u8(b, (uint8_t)kind);
	return encoded(b, start, encode_kind(b, kind, m->pParameter, m->ulParameterLen));
}

CK_RV
message_param_encode(struct buf *b, const void *p, CK_ULONG len, bool sealing)
{
	enum param_kind kind = message_kind_of(len);
	size_t start = b->len;

	if (len > 0 && (p == NULL || kind == PARAM_NONE))
		return CKR_MECHANISM_PARAM_INVALID;
	buf_put_u8(b, (uint8_t)kind);
	if (kind == PARAM_NONE)
		return encoded(b, start, CKR_OK);
	buf_put_u8(b, sealing);
	return encoded(b, start, encode_fields(b, &param_layouts[kind], p, NULL, sealing));
}
