#include "kdf.h"

#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/rand.h>
#include <string.h>

#include "why.h"

#define INFO_MAX 256

static CK_RV
crypto_failed(const char *what)
{
	return why(CKR_GENERAL_ERROR, "OpenSSL refuses %s", what);
}

CK_RV
kdf_hkdf(uint8_t *out, size_t out_len, const uint8_t *ikm, size_t ikm_len, const uint8_t *salt,
	size_t salt_len, const char *info, const void *more, size_t more_len)
{
	CK_RV rv = CKR_GENERAL_ERROR;
	uint8_t full[INFO_MAX];
	size_t info_len = strlen(info);
	OSSL_PARAM params[6], *p = params;
	EVP_KDF *kdf = NULL;
	EVP_KDF_CTX *ctx = NULL;

	if (info_len + more_len > sizeof(full))
		return CKR_GENERAL_ERROR;
	memcpy(full, info, info_len);
	if (more_len > 0)
		memcpy(full + info_len, more, more_len);
	*p++ = OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)"SHA256", 0);
	*p++ = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)ikm, ikm_len);
	if (salt_len > 0)
		*p++ = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, (void *)salt, salt_len);
	*p++ = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, full, info_len + more_len);
	*p = OSSL_PARAM_construct_end();
	kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	if (kdf == NULL || (ctx = EVP_KDF_CTX_new(kdf)) == NULL ||
		EVP_KDF_derive(ctx, out, out_len, params) != 1) {
		rv = crypto_failed("HKDF");
		goto out;
	}
	rv = CKR_OK;
out:
	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(kdf);
	return rv;
}

CK_RV
kdf_sha256(uint8_t out[32], const void *data, size_t len)
{
	if (EVP_Q_digest(NULL, "SHA256", NULL, data, len, out, NULL) != 1)
		return crypto_failed("SHA-256");
	return CKR_OK;
}

CK_RV
kdf_random(void *out, size_t len)
{
	if (len > INT32_MAX || RAND_bytes(out, (int)len) != 1)
		return crypto_failed("random bytes");
	return CKR_OK;
}

CK_RV
mac_init(struct mac *m, const uint8_t key[KEY_LEN])
{
	OSSL_PARAM params[2] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)"SHA256", 0),
		OSSL_PARAM_construct_end(),
	};
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_MAC_CTX *ctx = mac != NULL ? EVP_MAC_CTX_new(mac) : NULL;
	CK_RV rv = CKR_OK;

	EVP_MAC_free(mac);
	if (ctx == NULL || EVP_MAC_init(ctx, key, KEY_LEN, params) != 1) {
		EVP_MAC_CTX_free(ctx);
		ctx = NULL;
		rv = crypto_failed("HMAC");
	}
	pthread_mutex_lock(&m->lock);
	EVP_MAC_CTX_free(m->ctx);
	m->ctx = ctx;
	pthread_mutex_unlock(&m->lock);
	return rv;
}

void
mac_release(struct mac *m)
{
	pthread_mutex_lock(&m->lock);
	EVP_MAC_CTX_free(m->ctx);
	m->ctx = NULL;
	pthread_mutex_unlock(&m->lock);
}

CK_RV
mac_make(struct mac *m, uint8_t out[32], const void *a, size_t a_len, const void *b, size_t b_len)
{
	CK_RV rv = CKR_OK;
	size_t len = 0;

	pthread_mutex_lock(&m->lock);
	if (m->ctx == NULL)
		rv = why(CKR_USER_NOT_LOGGED_IN, "the key is not in memory");
	else if (EVP_MAC_init(m->ctx, NULL, 0, NULL) != 1 || EVP_MAC_update(m->ctx, a, a_len) != 1 ||
		(b_len != 0 && EVP_MAC_update(m->ctx, b, b_len) != 1) ||
		EVP_MAC_final(m->ctx, out, &len, 32) != 1 || len != 32)
		rv = crypto_failed("HMAC");
	pthread_mutex_unlock(&m->lock);
	return rv;
}
