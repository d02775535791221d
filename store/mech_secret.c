/* Secret keys: their lengths, and how they are generated (a random CKA_VALUE of CKA_VALUE_LEN bytes). */
#include <openssl/rand.h>

#include "mech_family.h"
#include "why.h"

bool
secret_fits(CK_KEY_TYPE type, size_t len)
{
	switch (type) {
	case CKK_AES:
		return len == 16 || len == 24 || len == 32;
	case CKK_DES:
		return len == 8;
	case CKK_DES2:
		return len == 16;
	case CKK_DES3:
		return len == 24;
	default:
		return len >= 1 && len <= SECRET_MAX;
	}
}

bool
secret_has_length(CK_KEY_TYPE type)
{
	return type != CKK_DES && type != CKK_DES2 && type != CKK_DES3;
}

CK_RV
secret_put(struct attrs *key, const uint8_t *value, size_t len)
{
	CK_KEY_TYPE type = attrs_ulong(key, CKA_KEY_TYPE, CKK_GENERIC_SECRET);
	CK_RV rv;

	if (!secret_fits(type, len))
		return why(CKR_ATTRIBUTE_VALUE_INVALID, "a key of this type cannot have %zu bytes", len);
	if (attrs_ulong(key, CKA_VALUE_LEN, len) != len)
		return why(CKR_TEMPLATE_INCONSISTENT, "the key has %zu bytes, CKA_VALUE_LEN says %lu", len,
			attrs_ulong(key, CKA_VALUE_LEN, len));
	if (secret_has_length(type) && (rv = attrs_set_ulong(key, CKA_VALUE_LEN, len)) != CKR_OK)
		return rv;
	return attrs_set(key, CKA_VALUE, value, len);
}

static CK_RV
secret_generate(const CK_MECHANISM *m, const struct mech *row, struct attrs *key)
{
	CK_KEY_TYPE type = attrs_ulong(key, CKA_KEY_TYPE, row->keys[0]);
	struct bytes b = {0};
	CK_ULONG len;
	CK_RV rv;

	if (!mech_no_param(m))
		return mech_bad_param("key generation takes none");
	if (!attrs_has(key, CKA_VALUE_LEN))
		return why(CKR_TEMPLATE_INCOMPLETE, "CKA_VALUE_LEN is missing");
	len = attrs_ulong(key, CKA_VALUE_LEN, 0);
	if (!secret_fits(type, len))
		return why(CKR_ATTRIBUTE_VALUE_INVALID, "a key of this type cannot have %lu bytes", len);
	if ((rv = bytes_reserve(&b, len)) != CKR_OK)
		return rv;
	if (RAND_priv_bytes(b.data, (int)len) != 1)
		rv = mech_failed(CKR_FUNCTION_FAILED, "random numbers");
	else
		rv = secret_put(key, b.data, len);
	bytes_free(&b);
	return rv;
}

const struct mech_family family_secret = {.generate = secret_generate};

#define HMAC_GEN(type, key) {type, CKF_GENERATE, 1, SECRET_MAX, KEYS1(key), NULL, 0, &family_secret}
static const struct mech rows[] = {
	HMAC_GEN(CKM_SHA3_256_KEY_GEN, CKK_SHA3_256_HMAC),
	HMAC_GEN(CKM_SHA3_224_KEY_GEN, CKK_SHA3_224_HMAC),
	HMAC_GEN(CKM_SHA3_384_KEY_GEN, CKK_SHA3_384_HMAC),
	HMAC_GEN(CKM_SHA3_512_KEY_GEN, CKK_SHA3_512_HMAC),
	/* PKCS#11 3.1 6.8.2: sizes in bits */
	{CKM_GENERIC_SECRET_KEY_GEN, CKF_GENERATE, 8, 8 * SECRET_MAX, KEYS1(CKK_GENERIC_SECRET), NULL, 0,
		&family_secret},
	{CKM_AES_KEY_GEN, CKF_GENERATE, AES_KEYS, NULL, 0, &family_secret},
	HMAC_GEN(CKM_SHA_1_KEY_GEN, CKK_SHA_1_HMAC),
	HMAC_GEN(CKM_SHA224_KEY_GEN, CKK_SHA224_HMAC),
	HMAC_GEN(CKM_SHA256_KEY_GEN, CKK_SHA256_HMAC),
	HMAC_GEN(CKM_SHA384_KEY_GEN, CKK_SHA384_HMAC),
	HMAC_GEN(CKM_SHA512_KEY_GEN, CKK_SHA512_HMAC),
	HMAC_GEN(CKM_SHA512_224_KEY_GEN, CKK_SHA512_224_HMAC),
	HMAC_GEN(CKM_SHA512_256_KEY_GEN, CKK_SHA512_256_HMAC),
};
const struct mech_rows mech_secret_rows = {MECH_ROWS(rows)};
