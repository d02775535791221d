/* Secret keys: their lengths, and how they are generated (a random CKA_VALUE of CKA_VALUE_LEN bytes). */
#include <openssl/rand.h>

#include "mech_family.h"
#include "why.h"

size_t
secret_length_of(CK_KEY_TYPE type)
{
	switch (type) {
	case CKK_DES:
		return 8;
	case CKK_DES2:
		return 16;
	case CKK_DES3:
		return 24;
	case CKK_CHACHA20:
	case CKK_POLY1305:
		return 32;
	default:
		return 0;
	}
}

bool
secret_fits(CK_KEY_TYPE type, size_t len)
{
	switch (type) {
	case CKK_AES:
		return len == 16 || len == 24 || len == 32;
	case CKK_AES_XTS: /* two keys in one */
		return len == 32 || len == 64;
	default:
		return secret_length_of(type) != 0 ? len == secret_length_of(type) : len >= 1 && len <= SECRET_MAX;
	}
}

/* ChaCha20's and Poly1305's keys have CKA_VALUE_LEN (PKCS#11 3.1 6.58.2, 6.60.2) although they could do without. */
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

CK_RV
secret_length(const struct attrs *key, size_t *len)
{
	CK_KEY_TYPE type = attrs_ulong(key, CKA_KEY_TYPE, CKK_GENERIC_SECRET);

	*len = attrs_ulong(key, CKA_VALUE_LEN, secret_length_of(type));
	if (*len == 0 && !attrs_has(key, CKA_VALUE_LEN))
		return why(CKR_TEMPLATE_INCOMPLETE, "CKA_VALUE_LEN is missing");
	if (!secret_fits(type, *len))
		return why(CKR_ATTRIBUTE_VALUE_INVALID, "a key of this type cannot have %zu bytes", *len);
	return CKR_OK;
}

/* PKCS#11 3.1 6.18: the bits of DES keys that no cipher looks at make the number of ones in each byte odd. */
void
secret_set_parity(uint8_t *p, size_t n)
{
	uint8_t ones;

	for (; n > 0; n--, p++) {
		ones = *p >> 1;
		ones ^= ones >> 4;
		ones ^= ones >> 2;
		ones ^= ones >> 1;
		*p = (uint8_t)((*p & 0xFE) | (~ones & 1));
	}
}

static CK_RV
secret_generate(const CK_MECHANISM *m, const struct mech *row, struct attrs *key, struct cancel *c)
{
	struct bytes b = {0};
	size_t len;
	CK_RV rv;

	(void)row;
	(void)c; /* takes no time */
	if (!mech_no_param(m))
		return mech_bad_param("key generation takes none");
	if ((rv = secret_length(key, &len)) != CKR_OK || (rv = bytes_reserve(&b, len)) != CKR_OK)
		return rv;
	if (RAND_priv_bytes(b.data, (int)len) != 1) {
		rv = mech_failed(CKR_FUNCTION_FAILED, "random numbers");
	} else {
		if (!secret_has_length(attrs_ulong(key, CKA_KEY_TYPE, CKK_GENERIC_SECRET)))
			secret_set_parity(b.data, len);
		rv = secret_put(key, b.data, len);
	}
	bytes_free(&b);
	return rv;
}

/* PKCS#11 3.1 6.8.2 makes generic secrets only; clients ask it for HMAC keys as well. */
static CK_RV
secret_imply(const struct mech *row, const struct attrs *templ, struct attrs *key)
{
	CK_KEY_TYPE type = row->keys[0], asked = templ != NULL ? attrs_ulong(templ, CKA_KEY_TYPE, type) : type;
	CK_RV rv = attrs_set_ulong(key, CKA_CLASS, CKO_SECRET_KEY);

	if (row->type == CKM_GENERIC_SECRET_KEY_GEN && hash_is_hmac_key(asked))
		type = asked;
	return rv == CKR_OK ? attrs_set_ulong(key, CKA_KEY_TYPE, type) : rv;
}

const struct mech_family family_secret = {.generate = secret_generate, .imply = secret_imply};

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
	{CKM_HKDF_KEY_GEN, CKF_GENERATE, 1, SECRET_MAX, KEYS1(CKK_HKDF), NULL, 0, &family_secret},
	HMAC_GEN(CKM_SHA_1_KEY_GEN, CKK_SHA_1_HMAC),
	HMAC_GEN(CKM_SHA224_KEY_GEN, CKK_SHA224_HMAC),
	HMAC_GEN(CKM_SHA256_KEY_GEN, CKK_SHA256_HMAC),
	HMAC_GEN(CKM_SHA384_KEY_GEN, CKK_SHA384_HMAC),
	HMAC_GEN(CKM_SHA512_KEY_GEN, CKK_SHA512_HMAC),
	HMAC_GEN(CKM_SHA512_224_KEY_GEN, CKK_SHA512_224_HMAC),
	HMAC_GEN(CKM_SHA512_256_KEY_GEN, CKK_SHA512_256_HMAC),
};
const struct mech_rows mech_secret_rows = {MECH_ROWS(rows)};
