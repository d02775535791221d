/*
 * HMAC (PKCS#11 3.1 6.20 to 6.26): keys of any length, as RFC 2104 has it
 *
 * Variant HMAC_GENERAL takes the length of the MAC as its parameter.
 */
#include <openssl/core_names.h>
#include <pthread.h>

#include "mech_family.h"
#include "mech_variant.h"

static EVP_MAC *hmac;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void
fetch(void)
{
	hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
}

static CK_RV
hmac_start(struct op *op)
{
	OSSL_PARAM params[2];
	int ok;

	pthread_once(&once, fetch);
	if (op->actx != NULL) { /* the key is in it: only start anew */
		ok = EVP_MAC_init(op->actx, NULL, 0, NULL);
	} else {
		params[0] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)op->hash->name, 0);
		params[1] = OSSL_PARAM_construct_end();
		ok = hmac != NULL && (op->actx = EVP_MAC_CTX_new(hmac)) != NULL &&
			EVP_MAC_init(op->actx, op->key->value, op->key->len, params) == 1;
	}
	return ok == 1 ? CKR_OK : mech_failed(CKR_FUNCTION_FAILED, "HMAC");
}

static CK_RV
hmac_begin(struct op *op, const CK_MECHANISM *m)
{
	const CK_ULONG *wanted;

	op->input = INPUT_STREAM;
	op->exact = true;
	op->hash = hash_named(op->mech->digest);
	op->size = op->hash->size;
	if (op->mech->variant == HMAC_GENERAL) {
		if ((wanted = mech_param(m, sizeof(*wanted))) == NULL || *wanted == 0 || *wanted > op->hash->size)
			return mech_bad_param("the length of the MAC is not one the hash can give");
		op->size = *wanted;
	} else if (!mech_no_param(m)) {
		return mech_bad_param("HMAC takes none");
	}
	return hmac_start(op);
}

static uint64_t
hmac_total(const struct op *op, uint64_t fed, bool final)
{
	(void)fed;
	return final ? op->size : 0;
}

static CK_RV
hmac_update(struct op *op, const uint8_t *in, size_t n, uint8_t *out, size_t *out_len)
{
	(void)out;
	*out_len = 0;
	return n == 0 || EVP_MAC_update(op->actx, in, n) == 1 ? CKR_OK :
		mech_failed(CKR_FUNCTION_FAILED, "HMAC");
}

static CK_RV
hmac_final(struct op *op, uint8_t *out, size_t *out_len)
{
	uint8_t mac[MAC_MAX];
	size_t n;

	if (EVP_MAC_final(op->actx, mac, &n, sizeof(mac)) != 1 || n < op->size)
		return mech_failed(CKR_FUNCTION_FAILED, "HMAC");
	for (n = 0; n < op->size; n++)
		out[n] = mac[n];
	*out_len = op->size;
	wipe(mac, sizeof(mac));
	return CKR_OK;
}

const struct mech_family family_hmac = {
	.begin = hmac_begin,
	.total = hmac_total,
	.update = hmac_update,
	.final = hmac_final,
};
