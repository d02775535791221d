/*
 * cipher_help.h - random data, room for results, and OpenSSL by another way than the store's, for ciphers and MACs
 *
 * Use:        cipher_start(); openssl_cipher(..., ref); once(..., out, &n); CHECK(same(out, n, ref, want)); cipher_end()
 */
#ifndef TOKENFS_CIPHER_HELP_H
#define TOKENFS_CIPHER_HELP_H

#include <openssl/provider.h>

#include "crypto_help.h"

#define MANY (1u << 20)
static uint8_t data[BIG], *big, *out, *ref;
static OSSL_LIB_CTX *lib; /* another one than the store's, with the legacy provider where there is one */
static bool has_legacy;

/* One call of OpenSSL's own; pad 2: a mode that has neither padding nor an end. */
static inline size_t
openssl_cipher(const char *name, int encrypt, const uint8_t *key, const uint8_t *iv, int pad, const uint8_t *in,
	size_t n, uint8_t *to)
{
	EVP_CIPHER *c = EVP_CIPHER_fetch(lib, name, NULL);
	EVP_CIPHER_CTX *x = EVP_CIPHER_CTX_new();
	int a = 0, b = 0, ok;

	EVP_CIPHER_CTX_set_flags(x, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
	ok = c != NULL && EVP_CipherInit_ex(x, c, NULL, key, iv, encrypt) == 1 &&
		(pad == 2 || EVP_CIPHER_CTX_set_padding(x, pad) == 1) && EVP_CipherUpdate(x, to, &a, in, (int)n) == 1 &&
		(pad == 2 || EVP_CipherFinal_ex(x, to + a, &b) == 1);
	CHECK(ok);
	EVP_CIPHER_CTX_free(x);
	EVP_CIPHER_free(c);
	return (size_t)(a + b);
}

static inline void
cipher_start(void)
{
	CHECK_RV(CKR_OK, secret_start());
	lib = OSSL_LIB_CTX_new();
	CHECK(OSSL_PROVIDER_load(lib, "default") != NULL);
	has_legacy = OSSL_PROVIDER_load(lib, "legacy") != NULL;
	big = malloc(MANY);
	out = malloc(MANY + 64);
	ref = malloc(MANY + 64);
	RAND_bytes(data, sizeof(data));
	RAND_bytes(big, MANY);
}

static inline void
cipher_end(void)
{
	free(big);
	free(out);
	free(ref);
	OSSL_LIB_CTX_free(lib);
}

#endif
