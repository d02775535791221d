/* The table of mechanisms, and the calls that make keys by it. */
#include "mech.h"

#include <openssl/err.h>
#include <string.h>

#include "mech_family.h"
#include "mech_variant.h"
#include "why.h"

#define NONE CK_UNAVAILABLE_INFORMATION
#define KEYS1(a) {a, NONE, NONE}
#define KEYS2(a, b) {a, b, NONE}
#define NO_KEYS {NONE, NONE, NONE}

#define CRYPT (CKF_ENCRYPT | CKF_DECRYPT)
#define SIGN (CKF_SIGN | CKF_VERIFY)
#define RECOVER (CKF_SIGN_RECOVER | CKF_VERIFY_RECOVER)
#define WRAP (CKF_WRAP | CKF_UNWRAP)
#define CURVES (CKF_EC_F_P | CKF_EC_OID | CKF_EC_CURVENAME | CKF_EC_UNCOMPRESS)
#define NAMED (CKF_EC_OID | CKF_EC_CURVENAME)

#define RSA_KEYS RSA_USE_MIN, RSA_MAX, KEYS1(CKK_RSA)
#define RSA_USE_MIN 1024
#define RSA_GEN_MIN 2048
#define RSA_MAX 16384
#define EC_KEYS 224, 521, KEYS1(CKK_EC)
#define ED_KEYS 255, 448, KEYS1(CKK_EC_EDWARDS)
#define AES_KEYS 16, 32, KEYS1(CKK_AES)

/* Rows of one hash function each. */
#define DIGEST(type, name) {type, CKF_DIGEST, 0, 0, NO_KEYS, name, 0, &family_digest}
#define HMACS(type, name, key) \
	{type, SIGN, 1, SECRET_MAX, KEYS2(CKK_GENERIC_SECRET, key), name, MAC_HMAC, &family_mac}, \
	{type##_GENERAL, SIGN, 1, SECRET_MAX, KEYS2(CKK_GENERIC_SECRET, key), name, MAC_HMAC_GENERAL, &family_mac}
#define HMAC_GEN(type, key) {type, CKF_GENERATE, 1, SECRET_MAX, KEYS1(key), NULL, 0, &family_secret}
#define RSA_SIGN(type, name) {type, SIGN, RSA_KEYS, name, RSA_PKCS1, &family_rsa}
#define RSA_SIGN_PSS(type, name) {type, SIGN, RSA_KEYS, name, RSA_PSS, &family_rsa}
#define ECDSA(type, name) {type, SIGN | CURVES, EC_KEYS, name, 0, &family_ecdsa}

/* In the order of the numbers: mech_find halves. */
static const struct mech rows[] = {
	{CKM_RSA_PKCS_KEY_PAIR_GEN, CKF_GENERATE_KEY_PAIR, RSA_GEN_MIN, RSA_MAX, KEYS1(CKK_RSA), NULL, 0,
		&family_rsa_key},
	{CKM_RSA_PKCS, CRYPT | SIGN | RECOVER | WRAP, RSA_KEYS, NULL, RSA_PKCS1, &family_rsa},
	{CKM_RSA_X_509, CRYPT | SIGN | RECOVER, RSA_KEYS, NULL, RSA_RAW, &family_rsa},
	RSA_SIGN(CKM_SHA1_RSA_PKCS, "SHA1"),
	{CKM_RSA_PKCS_OAEP, CRYPT | WRAP, RSA_KEYS, NULL, RSA_OAEP, &family_rsa},
	{CKM_RSA_PKCS_PSS, SIGN, RSA_KEYS, NULL, RSA_PSS, &family_rsa},
	RSA_SIGN_PSS(CKM_SHA1_RSA_PKCS_PSS, "SHA1"),
	RSA_SIGN(CKM_SHA256_RSA_PKCS, "SHA2-256"),
	RSA_SIGN(CKM_SHA384_RSA_PKCS, "SHA2-384"),
	RSA_SIGN(CKM_SHA512_RSA_PKCS, "SHA2-512"),
	RSA_SIGN_PSS(CKM_SHA256_RSA_PKCS_PSS, "SHA2-256"),
	RSA_SIGN_PSS(CKM_SHA384_RSA_PKCS_PSS, "SHA2-384"),
	RSA_SIGN_PSS(CKM_SHA512_RSA_PKCS_PSS, "SHA2-512"),
	RSA_SIGN(CKM_SHA224_RSA_PKCS, "SHA2-224"),
	RSA_SIGN_PSS(CKM_SHA224_RSA_PKCS_PSS, "SHA2-224"),
	DIGEST(CKM_SHA512_224, "SHA2-512/224"),
	HMACS(CKM_SHA512_224_HMAC, "SHA2-512/224", CKK_SHA512_224_HMAC),
	DIGEST(CKM_SHA512_256, "SHA2-512/256"),
	HMACS(CKM_SHA512_256_HMAC, "SHA2-512/256", CKK_SHA512_256_HMAC),
	RSA_SIGN(CKM_SHA3_256_RSA_PKCS, "SHA3-256"),
	RSA_SIGN(CKM_SHA3_384_RSA_PKCS, "SHA3-384"),
	RSA_SIGN(CKM_SHA3_512_RSA_PKCS, "SHA3-512"),
	RSA_SIGN_PSS(CKM_SHA3_256_RSA_PKCS_PSS, "SHA3-256"),
	RSA_SIGN_PSS(CKM_SHA3_384_RSA_PKCS_PSS, "SHA3-384"),
	RSA_SIGN_PSS(CKM_SHA3_512_RSA_PKCS_PSS, "SHA3-512"),
	RSA_SIGN(CKM_SHA3_224_RSA_PKCS, "SHA3-224"),
	RSA_SIGN_PSS(CKM_SHA3_224_RSA_PKCS_PSS, "SHA3-224"),
	DIGEST(CKM_SHA_1, "SHA1"),
	HMACS(CKM_SHA_1_HMAC, "SHA1", CKK_SHA_1_HMAC),
	DIGEST(CKM_SHA256, "SHA2-256"),
	HMACS(CKM_SHA256_HMAC, "SHA2-256", CKK_SHA256_HMAC),
	DIGEST(CKM_SHA224, "SHA2-224"),
	HMACS(CKM_SHA224_HMAC, "SHA2-224", CKK_SHA224_HMAC),
	DIGEST(CKM_SHA384, "SHA2-384"),
	HMACS(CKM_SHA384_HMAC, "SHA2-384", CKK_SHA384_HMAC),
	DIGEST(CKM_SHA512, "SHA2-512"),
	HMACS(CKM_SHA512_HMAC, "SHA2-512", CKK_SHA512_HMAC),
	DIGEST(CKM_SHA3_256, "SHA3-256"),
	HMACS(CKM_SHA3_256_HMAC, "SHA3-256", CKK_SHA3_256_HMAC),
	HMAC_GEN(CKM_SHA3_256_KEY_GEN, CKK_SHA3_256_HMAC),
	DIGEST(CKM_SHA3_224, "SHA3-224"),
	HMACS(CKM_SHA3_224_HMAC, "SHA3-224", CKK_SHA3_224_HMAC),
	HMAC_GEN(CKM_SHA3_224_KEY_GEN, CKK_SHA3_224_HMAC),
	DIGEST(CKM_SHA3_384, "SHA3-384"),
	HMACS(CKM_SHA3_384_HMAC, "SHA3-384", CKK_SHA3_384_HMAC),
	HMAC_GEN(CKM_SHA3_384_KEY_GEN, CKK_SHA3_384_HMAC),
	DIGEST(CKM_SHA3_512, "SHA3-512"),
	HMACS(CKM_SHA3_512_HMAC, "SHA3-512", CKK_SHA3_512_HMAC),
	HMAC_GEN(CKM_SHA3_512_KEY_GEN, CKK_SHA3_512_HMAC),
	/* PKCS#11 3.1 6.8.2: sizes in bits */
	{CKM_GENERIC_SECRET_KEY_GEN, CKF_GENERATE, 8, 8 * SECRET_MAX, KEYS1(CKK_GENERIC_SECRET), NULL, 0,
		&family_secret},
	{CKM_EC_KEY_PAIR_GEN, CKF_GENERATE_KEY_PAIR | CURVES, EC_KEYS, NULL, 0, &family_ec_key},
	ECDSA(CKM_ECDSA, NULL),
	ECDSA(CKM_ECDSA_SHA1, "SHA1"),
	ECDSA(CKM_ECDSA_SHA224, "SHA2-224"),
	ECDSA(CKM_ECDSA_SHA256, "SHA2-256"),
	ECDSA(CKM_ECDSA_SHA384, "SHA2-384"),
	ECDSA(CKM_ECDSA_SHA512, "SHA2-512"),
	ECDSA(CKM_ECDSA_SHA3_224, "SHA3-224"),
	ECDSA(CKM_ECDSA_SHA3_256, "SHA3-256"),
	ECDSA(CKM_ECDSA_SHA3_384, "SHA3-384"),
	ECDSA(CKM_ECDSA_SHA3_512, "SHA3-512"),
	{CKM_ECDH1_DERIVE, CKF_DERIVE | CURVES, 224, 521, KEYS2(CKK_EC, CKK_EC_MONTGOMERY), NULL, ECDH_PLAIN,
		&family_ecdh},
	{CKM_ECDH1_COFACTOR_DERIVE, CKF_DERIVE | CURVES, EC_KEYS, NULL, ECDH_COFACTOR, &family_ecdh},
	{CKM_EC_EDWARDS_KEY_PAIR_GEN, CKF_GENERATE_KEY_PAIR | NAMED, ED_KEYS, NULL, 0, &family_ec_key},
	{CKM_EC_MONTGOMERY_KEY_PAIR_GEN, CKF_GENERATE_KEY_PAIR | NAMED, 255, 448, KEYS1(CKK_EC_MONTGOMERY),
		NULL, 0, &family_ec_key},
	/* GnuTLS generates with CKM_EDDSA itself */
	{CKM_EDDSA, SIGN | CKF_GENERATE_KEY_PAIR | NAMED, ED_KEYS, NULL, 0, &family_eddsa},
	{CKM_AES_KEY_GEN, CKF_GENERATE, AES_KEYS, NULL, 0, &family_secret},
	{CKM_AES_ECB, CRYPT, AES_KEYS, NULL, AES_ECB, &family_aes},
	{CKM_AES_CBC, CRYPT, AES_KEYS, NULL, AES_CBC, &family_aes},
	{CKM_AES_CBC_PAD, CRYPT | WRAP, AES_KEYS, NULL, AES_CBC_PAD, &family_aes},
	{CKM_AES_CTR, CRYPT, AES_KEYS, NULL, AES_CTR, &family_aes},
	{CKM_AES_GCM, CRYPT | WRAP, AES_KEYS, NULL, AES_GCM, &family_gcm},
	{CKM_AES_CMAC, SIGN, AES_KEYS, NULL, MAC_CMAC, &family_mac},
	{CKM_AES_CMAC_GENERAL, SIGN, AES_KEYS, NULL, MAC_CMAC_GENERAL, &family_mac},
	{CKM_AES_OFB, CRYPT, AES_KEYS, NULL, AES_OFB, &family_aes},
	{CKM_AES_CFB8, CRYPT, AES_KEYS, NULL, AES_CFB8, &family_aes},
	{CKM_AES_CFB128, CRYPT, AES_KEYS, NULL, AES_CFB128, &family_aes},
	{CKM_AES_KEY_WRAP, CRYPT | WRAP, AES_KEYS, NULL, AES_KW, &family_aes_wrap},
	{CKM_AES_KEY_WRAP_PAD, CRYPT | WRAP, AES_KEYS, NULL, AES_KW_PKCS7, &family_aes_wrap},
	{CKM_AES_KEY_WRAP_KWP, CRYPT | WRAP, AES_KEYS, NULL, AES_KWP, &family_aes_wrap},
	HMAC_GEN(CKM_SHA_1_KEY_GEN, CKK_SHA_1_HMAC),
	HMAC_GEN(CKM_SHA224_KEY_GEN, CKK_SHA224_HMAC),
	HMAC_GEN(CKM_SHA256_KEY_GEN, CKK_SHA256_HMAC),
	HMAC_GEN(CKM_SHA384_KEY_GEN, CKK_SHA384_HMAC),
	HMAC_GEN(CKM_SHA512_KEY_GEN, CKK_SHA512_HMAC),
	HMAC_GEN(CKM_SHA512_224_KEY_GEN, CKK_SHA512_224_HMAC),
	HMAC_GEN(CKM_SHA512_256_KEY_GEN, CKK_SHA512_256_HMAC),
};

size_t
mech_count(void)
{
	return sizeof(rows) / sizeof(rows[0]);
}

const struct mech *
mech_at(size_t i)
{
	return i < mech_count() ? &rows[i] : NULL;
}

const struct mech *
mech_find(CK_MECHANISM_TYPE type)
{
	size_t low = 0, high = mech_count(), mid;

	while (low < high) {
		mid = (low + high) / 2;
		if (rows[mid].type == type)
			return &rows[mid];
		if (rows[mid].type < type)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

const void *
mech_param(const CK_MECHANISM *m, size_t size)
{
	return m->pParameter != NULL && m->ulParameterLen == size ? m->pParameter : NULL;
}

bool
mech_no_param(const CK_MECHANISM *m)
{
	return m->pParameter == NULL || m->ulParameterLen == 0;
}

CK_RV
mech_bad_param(const char *what)
{
	return why(CKR_MECHANISM_PARAM_INVALID, "mechanism parameter: %s", what);
}

CK_RV
mech_failed(CK_RV rv, const char *what)
{
	unsigned long e = ERR_peek_last_error();
	const char *reason = e != 0 ? ERR_reason_error_string(e) : NULL;

	ERR_clear_error();
	return why(rv, "%s: %s", what, reason != NULL ? reason : "refused by OpenSSL");
}

/* The row of a mechanism that does what `flag` says. */
static CK_RV
row_with(const CK_MECHANISM *m, CK_FLAGS flag, const struct mech **row)
{
	if (m == NULL)
		return CKR_ARGUMENTS_BAD;
	if ((*row = mech_find(m->mechanism)) == NULL || ((*row)->flags & flag) == 0)
		return why(CKR_MECHANISM_INVALID, "mechanism 0x%lx is not there for this use", m->mechanism);
	return CKR_OK;
}

CK_RV
mech_generate_key(const CK_MECHANISM *m, struct attrs *key, struct cancel *c)
{
	const struct mech *row;
	CK_RV rv = row_with(m, CKF_GENERATE, &row);

	(void)c; /* no secret key takes long */
	return rv == CKR_OK ? row->family->generate(m, row, key) : rv;
}

CK_RV
mech_generate_pair(const CK_MECHANISM *m, struct attrs *pub, struct attrs *priv, struct cancel *c)
{
	const struct mech *row;
	CK_RV rv = row_with(m, CKF_GENERATE_KEY_PAIR, &row);

	return rv == CKR_OK ? row->family->generate_pair(m, row, pub, priv, c) : rv;
}

CK_RV
mech_derive(const CK_MECHANISM *m, struct object *base, struct attrs *key)
{
	const struct mech *row;
	CK_RV rv = row_with(m, CKF_DERIVE, &row);

	return rv == CKR_OK ? row->family->derive(m, row, base, key) : rv;
}

static CK_RV
imply(struct attrs *a, CK_OBJECT_CLASS class, CK_KEY_TYPE type)
{
	CK_RV rv = attrs_set_ulong(a, CKA_CLASS, class);

	return rv == CKR_OK ? attrs_set_ulong(a, CKA_KEY_TYPE, type) : rv;
}

CK_RV
mech_implies(const CK_MECHANISM *m, const struct attrs *templ, struct attrs *first, struct attrs *second)
{
	const struct mech *row;
	CK_KEY_TYPE type;
	CK_RV rv = row_with(m, second != NULL ? CKF_GENERATE_KEY_PAIR : CKF_GENERATE, &row);

	if (rv != CKR_OK)
		return rv;
	type = row->keys[0];
	if (second != NULL) {
		rv = imply(first, CKO_PUBLIC_KEY, type);
		return rv == CKR_OK ? imply(second, CKO_PRIVATE_KEY, type) : rv;
	}
	/* PKCS#11 3.1 6.8.2 makes generic secrets only; clients ask it for HMAC keys as well. */
	if (row->type == CKM_GENERIC_SECRET_KEY_GEN && templ != NULL &&
		hash_is_hmac_key(attrs_ulong(templ, CKA_KEY_TYPE, type)))
		type = attrs_ulong(templ, CKA_KEY_TYPE, type);
	return imply(first, CKO_SECRET_KEY, type);
}
