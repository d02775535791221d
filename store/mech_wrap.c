/*
 * C_WrapKey and C_UnwrapKey: a key's bytes through an encryption mechanism
 *
 * Secret keys travel as their value, private keys as PKCS #8 (PKCS#11 3.1 6.7). Whether the key may leave
 * is the rules' matter, not ours.
 */
#include <string.h>

#include "key_material.h"
#include "mech_family.h"
#include "mech_variant.h"
#include "secret.h"
#include "why.h"

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

static CK_RV
row_of(const CK_MECHANISM *m, CK_FLAGS flag, const struct mech **row)
{
	if (m == NULL)
		return CKR_ARGUMENTS_BAD;
	if ((*row = mech_find(m->mechanism)) == NULL || ((*row)->flags & flag) == 0)
		return why(CKR_MECHANISM_INVALID, "mechanism 0x%lx does not wrap keys", m->mechanism);
	return CKR_OK;
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
	if (object_class(target) != CKO_PRIVATE_KEY || row->keys[0] == CKK_RSA)
		return why(CKR_KEY_NOT_WRAPPABLE, "this mechanism does not wrap a key of this class");
	if ((rv = key_to_pkcs8(target, &b->data, &b->len)) == CKR_OK)
		b->cap = b->len;
	return rv;
}

CK_RV
mech_wrap(const CK_MECHANISM *m, struct object *wrapping, struct object *target, uint8_t *out, CK_ULONG *out_len)
{
	const struct mech *row;
	struct bytes b = {0};
	size_t len = out != NULL ? *out_len : 0;
	CK_RV rv;

	if ((rv = row_of(m, CKF_WRAP, &row)) != CKR_OK)
		return rv;
	if ((rv = key_bytes(row, target, &b)) == CKR_OK) {
		rv = as_wrap(op_run(OP_ENCRYPT, m, wrapping, b.data, b.len, out, &len));
		*out_len = len;
	}
	bytes_free(&b);
	return rv;
}

CK_RV
mech_unwrap(const CK_MECHANISM *m, struct object *unwrapping, const uint8_t *in, size_t in_len, struct attrs *key)
{
	CK_OBJECT_CLASS class = attrs_ulong(key, CKA_CLASS, CK_UNAVAILABLE_INFORMATION);
	const struct mech *row;
	struct bytes b = {0};
	CK_RV rv;

	if ((rv = row_of(m, CKF_UNWRAP, &row)) != CKR_OK)
		return rv;
	if (class != CKO_SECRET_KEY && class != CKO_PRIVATE_KEY)
		return why(CKR_TEMPLATE_INCONSISTENT, "only secret and private keys can be unwrapped");
	if (in == NULL || in_len == 0)
		return CKR_WRAPPED_KEY_INVALID;
	/* no mechanism gives out more than went in; RSA asks for the modulus' length, and gets it by its own
	 * length check */
	if ((rv = bytes_reserve(&b, in_len)) != CKR_OK)
		return rv;
	b.len = in_len;
	rv = op_run(OP_DECRYPT, m, unwrapping, in, in_len, b.data, &b.len);
	if (rv == CKR_BUFFER_TOO_SMALL)
		rv = CKR_ENCRYPTED_DATA_LEN_RANGE;
	if (rv == CKR_OK)
		rv = class == CKO_SECRET_KEY ? secret_put(key, b.data, b.len) :
			key_from_pkcs8(b.data, b.len, key);
	if (rv == CKR_TEMPLATE_INCONSISTENT)
		rv = CKR_ENCRYPTED_DATA_INVALID; /* a key of another length or type than asked for */
	bytes_free(&b);
	return as_unwrap(rv);
}
