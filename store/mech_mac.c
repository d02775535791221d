/*
 * HMAC (PKCS#11 3.1 6.20 to 6.26), with keys of any length as RFC 2104 has it, and AES-CMAC (6.16)
 *
 * The general variants take the length of the MAC as their parameter.
 */
#include <openssl/core_names.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "mech_family.h"
#include "mech_variant.h"

#define CMAC_SIZE 16

static EVP_MAC *hmac, *cmac;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void
fetch(void)
{
	hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	cmac = EVP_MAC_fetch(NULL, "CMAC", NULL);
}

static bool
is_hmac(const struct op *op)
{
	return op->mech->variant == MAC_HMAC || op->mech->variant == MAC_HMAC_GENERAL;
}

static CK_RV
mac_start(struct op *op)
{
	OSSL_PARAM params[2];
	char cipher[16];
	EVP_MAC *mac;
	int ok;

	pthread_once(&once, fetch);
	if (op->actx != NULL) { /* the key is in it: only start anew */
		ok = EVP_MAC_init(op->actx, NULL, 0, NULL);
		return ok == 1 ? CKR_OK : mech_failed(CKR_FUNCTION_FAILED, "MAC");
	}
	mac = is_hmac(op) ? hmac : cmac;
	snprintf(cipher, sizeof(cipher), "AES-%zu-CBC", op->key->bits % 1000);
	params[0] = is_hmac(op) ?
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)op->hash->name, 0) :
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_CIPHER, cipher, 0);
	params[1] = OSSL_PARAM_construct_end();
	ok = mac != NULL && (op->actx = EVP_MAC_CTX_new(mac)) != NULL &&
		EVP_MAC_init(op->actx, op->key->value, op->key->len, params) == 1;
	return ok == 1 ? CKR_OK : mech_failed(CKR_FUNCTION_FAILED, "MAC");
}

static CK_RV
mac_begin(struct op *op, const CK_MECHANISM *m)
{
	const CK_ULONG *wanted;

	op->input = INPUT_STREAM;
	op->exact = true;
	op->hash = hash_named(op->mech->digest);
	op->size = is_hmac(op) ? op->hash->size : CMAC_SIZE;
	if (op->mech->variant == MAC_HMAC_GENERAL || op->mech->variant == MAC_CMAC_GENERAL) {
		if ((wanted = mech_param(m, sizeof(*wanted))) == NULL || *wanted == 0 || *wanted > op->size)
			return mech_bad_param("the length of the MAC is not one the mechanism can give");
		op->size = *wanted;
	} else if (!mech_no_param(m)) {
		return mech_bad_param("the mechanism takes none");
	}
	return mac_start(op);
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
	{CKM_AES_CMAC, SIGN, AES_KEYS, NULL, MAC_CMAC, &family_mac},
	{CKM_AES_CMAC_GENERAL, SIGN, AES_KEYS, NULL, MAC_CMAC_GENERAL, &family_mac},
};
const struct mech_rows mech_mac_rows = {MECH_ROWS(rows)};
