/* The flat form of attributes, docs/PROTOCOL.md: what travels, and what is sealed in the vault. */
#include "attr_inner.h"

#include <string.h>

/* ---- encoding ---- */

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
	switch (attr_kind_of(a->type)) {
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
		enum attr_kind kind = attr_kind_of(a->type);

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
		switch (attr_kind_of(a->type)) {
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

/* ---- decoding ---- */

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
	a->value = attr_value_alloc(len);
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
	if (kind != (uint8_t)attr_kind_of(type))
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
		if (attrs_get(s, one.type) != NULL) {
			attr_clear(&one);
			rv = CKR_ARGUMENTS_BAD;
			goto out;
		}
		rv = attrs_place(s, &one);
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
