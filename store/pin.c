#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <string.h>

#include "header.h"
#include "why.h"

/* Key and nonce that wrap T: HKDF(scrypt(PIN, salt) || V, salt, role and token). */
struct wrap_key {
	uint8_t key[32], nonce[12];
};

static CK_RV
scrypt(uint8_t out[32], const struct pin_slot *s, const uint8_t *pin, size_t len)
{
	CK_RV rv = CKR_GENERAL_ERROR;
	uint64_t n = (uint64_t)1 << s->log_n;
	/* OpenSSL's own limit of 32 MiB refuses N = 2^15; this is what the parameters really need. */
	uint64_t maxmem = 128 * n * s->r + 128 * (uint64_t)s->r * s->p + (1u << 20);
	uint32_t r = s->r, p = s->p;
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_PASSWORD, (void *)pin, len),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, (void *)s->salt, sizeof(s->salt)),
		OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_N, &n),
		OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_SCRYPT_R, &r),
		OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_SCRYPT_P, &p),
		OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_MAXMEM, &maxmem),
		OSSL_PARAM_construct_end(),
	};
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, "SCRYPT", NULL);
	EVP_KDF_CTX *ctx = kdf != NULL ? EVP_KDF_CTX_new(kdf) : NULL;

	if (ctx != NULL && EVP_KDF_derive(ctx, out, 32, params) == 1)
		rv = CKR_OK;
	else
		why(rv, "scrypt failed (it needs %llu MiB)", (unsigned long long)(maxmem >> 20));
	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(kdf);
	return rv;
}

static CK_RV
derive(struct wrap_key *w, const struct pin_slot *s, enum pin_role role, const struct header *h,
	const uint8_t vault_key[KEY_LEN], const uint8_t *pin, size_t len)
{
	uint8_t ikm[32 + KEY_LEN], info[1 + SERIAL_LEN + 16];
	CK_RV rv = scrypt(ikm, s, pin, len);

	memcpy(ikm + 32, vault_key, KEY_LEN);
	info[0] = (uint8_t)role;
	memcpy(info + 1, h->serial, SERIAL_LEN);
	memcpy(info + 1 + SERIAL_LEN, h->key_id, 16);
	if (rv == CKR_OK)
		rv = kdf_hkdf((uint8_t *)w, sizeof(*w), ikm, sizeof(ikm), s->salt, sizeof(s->salt),
			"tokenfs pin 1", info, sizeof(info));
	wipe(ikm, sizeof(ikm));
	return rv;
}

CK_RV
pin_wrap(struct pin_slot *s, enum pin_role role, const struct header *h, const uint8_t vault_key[KEY_LEN],
	const uint8_t *pin, size_t len, const uint8_t token_key[KEY_LEN])
{
	struct pin_slot next = {.set = true, .log_n = SCRYPT_LOG_N, .r = SCRYPT_R, .p = SCRYPT_P};
	struct wrap_key w;
	EVP_CIPHER_CTX *ctx = NULL;
	int n = 0;
	CK_RV rv = kdf_random(next.salt, sizeof(next.salt));

	if (rv == CKR_OK)
		rv = derive(&w, &next, role, h, vault_key, pin, len);
	if (rv != CKR_OK)
		goto out;
	rv = CKR_GENERAL_ERROR;
	ctx = EVP_CIPHER_CTX_new();
	if (ctx == NULL || EVP_EncryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, w.key, w.nonce) != 1 ||
		EVP_EncryptUpdate(ctx, next.wrapped, &n, token_key, KEY_LEN) != 1 ||
		EVP_EncryptFinal_ex(ctx, next.wrapped + KEY_LEN, &n) != 1 ||
		EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, 16, next.wrapped + KEY_LEN) != 1)
		goto out;
	*s = next;
	rv = CKR_OK;
out:
	EVP_CIPHER_CTX_free(ctx);
	wipe(&w, sizeof(w));
	return rv;
}

CK_RV
pin_unwrap(uint8_t token_key[KEY_LEN], const struct pin_slot *s, enum pin_role role, const struct header *h,
	const uint8_t vault_key[KEY_LEN], const uint8_t *pin, size_t len)
{
	struct wrap_key w;
	EVP_CIPHER_CTX *ctx = NULL;
	int n = 0;
	CK_RV rv = derive(&w, s, role, h, vault_key, pin, len);

	if (rv != CKR_OK)
		goto out;
	rv = CKR_GENERAL_ERROR;
	ctx = EVP_CIPHER_CTX_new();
	if (ctx == NULL || EVP_DecryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, w.key, w.nonce) != 1 ||
		EVP_DecryptUpdate(ctx, token_key, &n, s->wrapped, KEY_LEN) != 1 ||
		EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, 16, (void *)(s->wrapped + KEY_LEN)) != 1)
		goto out;
	rv = EVP_DecryptFinal_ex(ctx, token_key + KEY_LEN, &n) == 1 ? CKR_OK : CKR_PIN_INCORRECT;
out:
	if (rv != CKR_OK)
		wipe(token_key, KEY_LEN);
	EVP_CIPHER_CTX_free(ctx);
	wipe(&w, sizeof(w));
	return rv;
}
