#include "mech_prf.h"

#include <openssl/core_names.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "mech_des.h"
#include "why.h"

static EVP_MAC *hmac, *cmac;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void
fetch(void)
{
	hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	cmac = EVP_MAC_fetch(NULL, "CMAC", NULL);
}

static CK_RV
begin(struct prf *p, EVP_MAC *mac, const char *param, const char *name, const uint8_t *key, size_t len)
{
	OSSL_PARAM params[2] = {OSSL_PARAM_construct_utf8_string(param, (char *)name, 0), OSSL_PARAM_construct_end()};

	p->rv = CKR_OK;
	EVP_MAC_CTX_free(p->ctx);
	p->ctx = mac != NULL ? EVP_MAC_CTX_new(mac) : NULL;
	/* an empty key is a key */
	if (p->ctx == NULL || EVP_MAC_init(p->ctx, len > 0 ? key : (const uint8_t *)"", len, params) != 1)
		return mech_failed(CKR_FUNCTION_FAILED, name);
	p->size = EVP_MAC_CTX_get_mac_size(p->ctx);
	return p->size >= 1 && p->size <= PRF_MAX ? CKR_OK : CKR_FUNCTION_FAILED;
}

CK_RV
prf_hmac(struct prf *p, const struct hash *h, const uint8_t *key, size_t len)
{
	pthread_once(&once, fetch);
	return begin(p, hmac, OSSL_MAC_PARAM_DIGEST, h->name, key, len);
}

CK_RV
prf_cmac(struct prf *p, CK_KEY_TYPE key_type, const uint8_t *key, size_t len)
{
	uint8_t des[DES_EDE_KEY];
	char cipher[16];
	CK_RV rv;

	pthread_once(&once, fetch);
	if (key_type == CKK_AES) {
		snprintf(cipher, sizeof(cipher), "AES-%zu-CBC", len * 8 % 1000);
		return begin(p, cmac, OSSL_MAC_PARAM_CIPHER, cipher, key, len);
	}
	des_expand(key, len, des);
	rv = begin(p, cmac, OSSL_MAC_PARAM_CIPHER, "DES-EDE3-CBC", des, sizeof(des));
	wipe(des, sizeof(des));
	return rv;
}

void
prf_add(struct prf *p, const void *data, size_t n)
{
	if (n > 0 && p->rv == CKR_OK && EVP_MAC_update(p->ctx, data, n) != 1)
		p->rv = mech_failed(CKR_FUNCTION_FAILED, "MAC");
}

CK_RV
prf_end(struct prf *p, uint8_t *out)
{
	CK_RV rv = p->rv;
	size_t n;

	if (rv == CKR_OK && (EVP_MAC_final(p->ctx, out, &n, p->size) != 1 || n != p->size))
		rv = mech_failed(CKR_FUNCTION_FAILED, "MAC");
	p->rv = CKR_OK;
	if (EVP_MAC_init(p->ctx, NULL, 0, NULL) != 1)
		p->rv = mech_failed(CKR_FUNCTION_FAILED, "MAC");
	return rv;
}

void
prf_free(struct prf *p)
{
	EVP_MAC_CTX_free(p->ctx);
	p->ctx = NULL;
}

CK_RV
prf_tls12(struct prf *p, const struct bytes *seed, uint8_t *out, size_t len)
{
	uint8_t a[PRF_MAX], block[PRF_MAX];
	size_t n;
	CK_RV rv;

	prf_add(p, seed->data, seed->len);
	rv = prf_end(p, a); /* A(1) */
	for (; rv == CKR_OK && len > 0; out += n, len -= n) {
		n = len < p->size ? len : p->size;
		prf_add(p, a, p->size);
		prf_add(p, seed->data, seed->len);
		rv = prf_end(p, block);
		if (rv != CKR_OK)
			break;
		memcpy(out, block, n);
		prf_add(p, a, p->size);
		rv = prf_end(p, a); /* A(i + 1) */
	}
	wipe(a, sizeof(a));
	wipe(block, sizeof(block));
	return rv;
}
