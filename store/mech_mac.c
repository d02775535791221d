/*
 * HMAC (PKCS#11 3.1 6.20 to 6.26), with keys of any length as RFC 2104 has it; CMAC with AES (6.16) and triple DES
 * (6.19); GMAC (6.13.6); Poly1305 (6.60)
 *
 * The general variants take the length of the MAC as their parameter. GMAC and Poly1305 give their key away when a
 * nonce, or Poly1305's key, sees two messages: they sign no messages under one C_MessageSignInit.
 */
#include <openssl/core_names.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "aead.h"
#include "mech_des.h"
#include "mech_family.h"
#include "mech_variant.h"

#define MAC_BLOCK 16    /* AES; Poly1305 has as much */
#define GMAC_IV 12      /* the parameter of 2.40 to 3.1; 3.2 has CK_GCM_PARAMS */

static EVP_MAC *hmac, *cmac, *gmac, *poly1305;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void
fetch(void)
{
	hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	cmac = EVP_MAC_fetch(NULL, "CMAC", NULL);
	gmac = EVP_MAC_fetch(NULL, "GMAC", NULL);
	poly1305 = EVP_MAC_fetch(NULL, "POLY1305", NULL);
}

static EVP_MAC *
mac_of(int variant)
{
	pthread_once(&once, fetch);
	switch (variant) {
	case MAC_HMAC:
	case MAC_HMAC_GENERAL:
		return hmac;
	case MAC_GMAC:
		return gmac;
	case MAC_POLY1305:
		return poly1305;
	default:
		return cmac;
	}
}

static bool
mac_there(const struct mech *row)
{
	return mac_of(row->variant) != NULL && hash_there(row);
}

static bool
is_hmac(const struct op *op)
{
	return op->mech->variant == MAC_HMAC || op->mech->variant == MAC_HMAC_GENERAL;
}

static bool
is_general(const struct op *op)
{
	return op->mech->variant == MAC_HMAC_GENERAL || op->mech->variant == MAC_CMAC_GENERAL;
}

static bool
is_des(const struct op *op)
{
	return op->key->type == CKK_DES3 || op->key->type == CKK_DES2;
}

/* Makes op->actx with the key in it. */
static CK_RV
make_context(struct op *op, const OSSL_PARAM *more)
{
	OSSL_PARAM params[3] = {OSSL_PARAM_construct_end(), OSSL_PARAM_construct_end(), OSSL_PARAM_construct_end()};
	EVP_MAC *mac = mac_of(op->mech->variant);
	uint8_t des[DES_EDE_KEY];
	char cipher[16];
	bool ok;

	if (is_des(op)) {
		des_expand(op->key->value, op->key->len, des);
		snprintf(cipher, sizeof(cipher), "DES-EDE3-CBC");
	} else {
		snprintf(cipher, sizeof(cipher), "AES-%zu-%s", op->key->bits % 1000,
			op->mech->variant == MAC_GMAC ? "GCM" : "CBC");
	}
	if (is_hmac(op))
		params[0] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)op->hash->name, 0);
	else if (op->mech->variant != MAC_POLY1305)
		params[0] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_CIPHER, cipher, 0);
	if (more != NULL)
		params[1] = *more;
	ok = mac != NULL && (op->actx = EVP_MAC_CTX_new(mac)) != NULL &&
		EVP_MAC_init(op->actx, is_des(op) ? des : op->key->value, is_des(op) ? sizeof(des) : op->key->len,
			params) == 1;
	if (is_des(op))
		wipe(des, sizeof(des));
	return ok ? CKR_OK : mech_failed(CKR_FUNCTION_FAILED, "MAC");
}

static CK_RV
mac_start(struct op *op, const uint8_t *iv, size_t iv_len)
{
	bool again = op->mech->variant == MAC_POLY1305; /* OpenSSL wants its key anew */
	OSSL_PARAM params[2];
	int ok;

	params[0] = iv != NULL ? OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_IV, (void *)iv, iv_len) :
		OSSL_PARAM_construct_end();
	params[1] = OSSL_PARAM_construct_end();
	if (op->actx == NULL)
		return make_context(op, iv != NULL ? params : NULL);
	/* the key is in it: only start anew */
	ok = EVP_MAC_init(op->actx, again ? op->key->value : NULL, again ? op->key->len : 0,
		iv != NULL ? params : NULL);
	return ok == 1 ? CKR_OK : mech_failed(CKR_FUNCTION_FAILED, "MAC");
}

/* The IV, and the tag's length into op->size. What is signed comes with C_Sign, not with the parameter. */
static CK_RV
read_gmac(struct op *op, const CK_MECHANISM *m, const uint8_t **iv, size_t *iv_len)
{
	struct aead a;
	CK_RV rv;

	*iv_len = GMAC_IV;
	if (m->ulParameterLen != sizeof(CK_GCM_PARAMS))
		return (*iv = mech_param(m, GMAC_IV)) != NULL ? CKR_OK :
			mech_bad_param("an IV of 12 bytes or CK_GCM_PARAMS is needed");
	rv = aead_read(&a, AEAD_GCM, AEAD_PLAIN, m->pParameter, m->ulParameterLen);
	if (rv == CKR_OK && a.aad_len > 0)
		rv = mech_bad_param("GMAC's data is what is signed; the parameter has none");
	*iv = a.nonce;
	*iv_len = a.nonce_len;
	op->size = a.tag_len;
	return rv;
}

static CK_RV
mac_begin(struct op *op, const CK_MECHANISM *m)
{
	const CK_ULONG *wanted;
	const uint8_t *iv = NULL;
	size_t iv_len = 0;
	CK_RV rv;

	op->input = INPUT_STREAM;
	op->exact = true;
	op->hash = hash_named(op->mech->digest);
	op->size = is_hmac(op) ? op->hash->size : is_des(op) ? DES_BLOCK : MAC_BLOCK;
	if (op->mech->variant == MAC_GMAC) {
		if ((rv = read_gmac(op, m, &iv, &iv_len)) != CKR_OK)
			return rv;
	} else if (is_general(op)) {
		if ((wanted = mech_param(m, sizeof(*wanted))) == NULL || *wanted == 0 || *wanted > op->size)
			return mech_bad_param("the length of the MAC is not one the mechanism can give");
		op->size = *wanted;
	} else if (!mech_no_param(m)) {
		return mech_bad_param("the mechanism takes none");
	}
	return mac_start(op, iv, iv_len);
}

static uint64_t
mac_total(const struct op *op, uint64_t fed, bool final)
{
	(void)fed;
	return final ? op->size : 0;
}

static CK_RV
mac_update(struct op *op, const uint8_t *in, size_t n, uint8_t *out, size_t *out_len)
{
	(void)out;
	*out_len = 0;
	return n == 0 || EVP_MAC_update(op->actx, in, n) == 1 ? CKR_OK : mech_failed(CKR_FUNCTION_FAILED, "MAC");
}

static CK_RV
mac_final(struct op *op, uint8_t *out, size_t *out_len)
{
	uint8_t mac[MAC_MAX];
	size_t n;

	if (EVP_MAC_final(op->actx, mac, &n, sizeof(mac)) != 1 || n < op->size)
		return mech_failed(CKR_FUNCTION_FAILED, "MAC");
	memcpy(out, mac, op->size);
	*out_len = op->size;
	wipe(mac, sizeof(mac));
	return CKR_OK;
}

const struct mech_family family_mac = {
	.there = mac_there,
	.begin = mac_begin,
	.total = mac_total,
	.update = mac_update,
	.final = mac_final,
};

#define HMACS(type, name, key) \
	{type, SIGN, 1, SECRET_MAX, KEYS2(CKK_GENERIC_SECRET, key), name, MAC_HMAC, &family_mac}, \
	{type##_GENERAL, SIGN, 1, SECRET_MAX, KEYS2(CKK_GENERIC_SECRET, key), name, MAC_HMAC_GENERAL, &family_mac}
static const struct mech rows[] = {
	HMACS(CKM_SHA512_224_HMAC, "SHA2-512/224", CKK_SHA512_224_HMAC),
	HMACS(CKM_SHA512_256_HMAC, "SHA2-512/256", CKK_SHA512_256_HMAC),
	HMACS(CKM_SHA_1_HMAC, "SHA1", CKK_SHA_1_HMAC),
	HMACS(CKM_SHA256_HMAC, "SHA2-256", CKK_SHA256_HMAC),
	HMACS(CKM_SHA224_HMAC, "SHA2-224", CKK_SHA224_HMAC),
	HMACS(CKM_SHA384_HMAC, "SHA2-384", CKK_SHA384_HMAC),
	HMACS(CKM_SHA512_HMAC, "SHA2-512", CKK_SHA512_HMAC),
	HMACS(CKM_SHA3_256_HMAC, "SHA3-256", CKK_SHA3_256_HMAC),
	HMACS(CKM_SHA3_224_HMAC, "SHA3-224", CKK_SHA3_224_HMAC),
	HMACS(CKM_SHA3_384_HMAC, "SHA3-384", CKK_SHA3_384_HMAC),
	HMACS(CKM_SHA3_512_HMAC, "SHA3-512", CKK_SHA3_512_HMAC),
	HMACS(CKM_BLAKE2B_512_HMAC, "BLAKE2B-512", CKK_BLAKE2B_512_HMAC),
	{CKM_AES_GMAC, SIGN_ALONE, AES_KEYS, NULL, MAC_GMAC, &family_mac},
	{CKM_POLY1305_KEY_GEN, CKF_GENERATE, 32, 32, KEYS1(CKK_POLY1305), NULL, 0, &family_secret},
	/* the MAC of nothing is half of the key, two MACs give all of it */
	{CKM_POLY1305, SIGN_ALONE, 32, 32, KEYS1(CKK_POLY1305), NULL, MAC_POLY1305, &family_mac, MECH_COMPAT},
	{CKM_AES_CMAC, SIGN, AES_KEYS, NULL, MAC_CMAC, &family_mac},
	{CKM_AES_CMAC_GENERAL, SIGN, AES_KEYS, NULL, MAC_CMAC_GENERAL, &family_mac},
};
const struct mech_rows mech_mac_rows = {MECH_ROWS(rows)};
