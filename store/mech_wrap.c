/*
 * C_WrapKey and C_UnwrapKey: a key's bytes through an encryption mechanism
 *
 * Secret keys travel as their value, private keys as PKCS #8 (PKCS#11 3.1 6.7). Whether the key may leave
 * is the rules' matter, not ours.
 */
#include <string.h>

#include "aead.h"
#include "der.h"
#include "key_material.h"
#include "mech_family.h"
#include "mech_variant.h"
#include "secret.h"
#include "why.h"

/* NIST SP 800-38D 8.2.2: random nonces; and as long a tag cannot be guessed. */
#define SAFE_BITS 96

static const uint8_t zeros[8];

/* What an encryption says of its key and data, in the words of wrapping. */
static CK_RV
as_wrap(CK_RV rv)
{
	switch (rv) {
	case CKR_KEY_TYPE_INCONSISTENT:
		return CKR_WRAPPING_KEY_TYPE_INCONSISTENT;
	case CKR_KEY_SIZE_RANGE:
		return CKR_WRAPPING_KEY_SIZE_RANGE;
	case CKR_DATA_LEN_RANGE:
	case CKR_DATA_INVALID:
		return CKR_KEY_SIZE_RANGE;
	default:
		return rv;
	}
}

/* Every fault of the blob is one and the same. */
static CK_RV
as_unwrap(CK_RV rv)
{
	switch (rv) {
	case CKR_KEY_TYPE_INCONSISTENT:
		return CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT;
	case CKR_KEY_SIZE_RANGE:
		return CKR_UNWRAPPING_KEY_SIZE_RANGE;
	case CKR_ENCRYPTED_DATA_INVALID:
	case CKR_ENCRYPTED_DATA_LEN_RANGE:
	case CKR_DATA_LEN_RANGE:
	case CKR_DATA_INVALID:
	case CKR_ATTRIBUTE_VALUE_INVALID:
	case CKR_CURVE_NOT_SUPPORTED:
	case CKR_DOMAIN_PARAMS_INVALID:
		return why(CKR_WRAPPED_KEY_INVALID, "the wrapped key is damaged, or not of this wrapping key");
	default:
		return rv;
	}
}

/* The bytes that stand for the key. */
static CK_RV
key_bytes(const struct mech *row, struct object *target, struct bytes *b)
{
	const struct attr *value;
	CK_RV rv;

	if (object_class(target) == CKO_SECRET_KEY) {
		if ((value = attrs_get(&target->attrs, CKA_VALUE)) == NULL)
			return CKR_KEY_NOT_WRAPPABLE;
		return bytes_add(b, value->value, value->len);
	}
	if (object_class(target) != CKO_PRIVATE_KEY || (row->keys[0] == CKK_RSA && row->family->wrap == NULL))
		return why(CKR_KEY_NOT_WRAPPABLE, "this mechanism does not wrap a key of this class");
	if ((rv = key_to_pkcs8(target, &b->data, &b->len)) == CKR_OK)
		b->cap = b->len;
	if (rv == CKR_OK && row->type == CKM_AES_KEY_WRAP && b->len % sizeof(zeros) != 0)
		rv = bytes_add(b, zeros, sizeof(zeros) - b->len % sizeof(zeros));
	return rv;
}

/* PKCS#11 3.1 6.14: CKM_AES_KEY_WRAP fills a private key up with zeros; SoftHSM does before it wraps by KWP too. */
static bool
may_be_filled(CK_MECHANISM_TYPE type)
{
	return type == CKM_AES_KEY_WRAP || type == CKM_AES_KEY_WRAP_KWP || type == CKM_RSA_AES_KEY_WRAP;
}

/* What is in front of the zeros. */
static size_t
unfilled(const struct bytes *b)
{
	const uint8_t *at = b->data, *end = b->data + b->len, *value;
	size_t len;

	if (!der_get(&at, end, DER_SEQUENCE, &value, &len) || (size_t)(end - at) >= sizeof(zeros) ||
		memcmp(at, zeros, (size_t)(end - at)) != 0)
		return b->len;
	return (size_t)(at - b->data);
}

/* Bytes to a blob by the row's mechanism, and back. */
static CK_RV
wrap_bytes(const CK_MECHANISM *m, const struct mech *row, struct object *wrapping, const struct bytes *b, uint8_t *out,
	size_t *len)
{
	if (row->family->wrap != NULL)
		return row->family->wrap(m, row, wrapping, b->data, b->len, out, len);
	return op_run(OP_ENCRYPT, m, wrapping, b->data, b->len, out, len);
}

static CK_RV
unwrap_bytes(const CK_MECHANISM *m, const struct mech *row, struct object *unwrapping, const uint8_t *in, size_t n,
	struct bytes *b)
{
	CK_RV rv;

	/* no mechanism gives out more than went in; RSA asks for the modulus' length, and gets it by its own
	 * length check */
	if ((rv = bytes_reserve(b, n)) != CKR_OK)
		return rv;
	b->len = n;
	if (row->family->unwrap != NULL)
		rv = row->family->unwrap(m, row, unwrapping, in, n, b->data, &b->len);
	else
		rv = op_run(OP_DECRYPT, m, unwrapping, in, n, b->data, &b->len);
	return rv == CKR_BUFFER_TOO_SMALL ? CKR_ENCRYPTED_DATA_LEN_RANGE : rv;
}

static CK_RV
check_template(const struct attrs *key)
{
	CK_OBJECT_CLASS class = attrs_ulong(key, CKA_CLASS, CK_UNAVAILABLE_INFORMATION);

	if (class != CKO_SECRET_KEY && class != CKO_PRIVATE_KEY)
		return why(CKR_TEMPLATE_INCONSISTENT, "only secret and private keys can be unwrapped");
	return CKR_OK;
}

/* The key that the bytes are, if there are any. */
static CK_RV
put_key(CK_RV rv, const struct mech *row, const struct bytes *b, struct attrs *key)
{
	if (rv == CKR_OK)
		rv = attrs_ulong(key, CKA_CLASS, CKO_SECRET_KEY) == CKO_SECRET_KEY ? secret_put(key, b->data, b->len) :
			key_from_pkcs8(b->data, may_be_filled(row->type) ? unfilled(b) : b->len, key);
	if (rv == CKR_TEMPLATE_INCONSISTENT)
		rv = CKR_ENCRYPTED_DATA_INVALID; /* a key of another length or type than asked for */
	return as_unwrap(rv);
}

CK_RV
mech_wrap(const CK_MECHANISM *m, struct object *wrapping, struct object *target, uint8_t *out, CK_ULONG *out_len)
{
	const struct mech *row;
	struct bytes b = {0};
	size_t len = out != NULL ? *out_len : 0;
	CK_RV rv;

	if ((rv = mech_row_with(m, CKF_WRAP, &row)) != CKR_OK)
		return rv;
	if ((rv = key_bytes(row, target, &b)) == CKR_OK) {
		rv = as_wrap(wrap_bytes(m, row, wrapping, &b, out, &len));
		*out_len = len;
	}
	bytes_free(&b);
	return rv;
}

CK_RV
mech_unwrap(const CK_MECHANISM *m, struct object *unwrapping, const uint8_t *in, size_t in_len, struct attrs *key)
{
	const struct mech *row;
	struct bytes b = {0};
	CK_RV rv;

	if ((rv = mech_row_with(m, CKF_UNWRAP, &row)) != CKR_OK || (rv = check_template(key)) != CKR_OK)
		return rv;
	if (in == NULL || in_len == 0)
		return CKR_WRAPPED_KEY_INVALID;
	rv = put_key(unwrap_bytes(m, row, unwrapping, in, in_len, &b), row, &b, key);
	bytes_free(&b);
	return rv;
}

/* ---- with additional data ---- */

/* The row of an authenticated cipher, and what the message parameter says. */
static CK_RV
read_authenticated(const CK_MECHANISM *m, CK_FLAGS flag, const uint8_t *aad, size_t aad_len, const struct mech **row,
	struct aead *a)
{
	CK_RV rv = mech_row_with(m, flag, row);

	if (rv != CKR_OK)
		return rv;
	if ((*row)->family != &family_aead)
		return why(CKR_MECHANISM_INVALID, "mechanism 0x%lx takes no additional data", m->mechanism);
	if ((aad == NULL && aad_len > 0) || aad_len > GATHER_MAX)
		return CKR_ARGUMENTS_BAD;
	if ((rv = aead_read(a, (*row)->variant, AEAD_MESSAGE, m->pParameter, m->ulParameterLen)) != CKR_OK)
		return rv;
	if (a->tag == NULL)
		return mech_bad_param("there is no room for the tag, or no tag");
	a->aad = aad;
	a->aad_len = aad_len;
	return CKR_OK;
}

CK_RV
mech_wrap_authenticated(const CK_MECHANISM *m, struct object *wrapping, struct object *target, const uint8_t *aad,
	size_t aad_len, uint8_t *out, CK_ULONG *out_len)
{
	const struct mech *row;
	struct bytes b = {0};
	struct aead a;
	size_t len = out != NULL ? *out_len : 0;
	CK_RV rv;

	if ((rv = read_authenticated(m, CKF_WRAP, aad, aad_len, &row, &a)) != CKR_OK)
		return rv;
	if ((rv = key_bytes(row, target, &b)) == CKR_OK) {
		rv = as_wrap(aead_wrap(row, wrapping, &a, b.data, b.len, out, &len));
		*out_len = len;
	}
	bytes_free(&b);
	return rv;
}

CK_RV
mech_unwrap_authenticated(const CK_MECHANISM *m, struct object *unwrapping, const uint8_t *aad, size_t aad_len,
	const uint8_t *in, size_t in_len, struct attrs *key)
{
	const struct mech *row;
	struct bytes b = {0};
	struct aead a;
	CK_RV rv;

	if ((rv = read_authenticated(m, CKF_UNWRAP, aad, aad_len, &row, &a)) != CKR_OK ||
		(rv = check_template(key)) != CKR_OK)
		return rv;
	if (in == NULL || in_len == 0)
		return CKR_WRAPPED_KEY_INVALID;
	if ((rv = bytes_reserve(&b, in_len)) == CKR_OK) {
		b.len = in_len;
		rv = put_key(aead_unwrap(row, unwrapping, &a, in, in_len, b.data, &b.len), row, &b, key);
	}
	bytes_free(&b);
	return rv;
}

CK_RV
mech_wrap_nonce(const CK_MECHANISM *m, bool authenticated, struct wrap_nonce *n)
{
	const struct mech *row = mech_find(m->mechanism);
	struct aead a;
	CK_RV rv;

	*n = (struct wrap_nonce){0};
	if (row == NULL || row->family != &family_aead)
		return CKR_OK;
	rv = aead_read(&a, row->variant, authenticated ? AEAD_MESSAGE : AEAD_WRAP, m->pParameter, m->ulParameterLen);
	if (rv != CKR_OK)
		return rv;
	n->present = true;
	n->own = a.generator != CKG_NO_GENERATE && 8 * a.nonce_len - a.fixed_bits >= SAFE_BITS;
	n->long_tag = 8 * a.tag_len >= SAFE_BITS;
	return CKR_OK;
}
