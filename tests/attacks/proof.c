/* proof.c - OpenSSL as the judge */
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>

#include "proof.h"

static const CK_BYTE question[32] = "the same answer proves the key.";

bool
proof_aes(CK_OBJECT_HANDLE key, const CK_BYTE *value, CK_ULONG len)
{
	struct blob token, own;
	char name[32];

	if (len != 16 && len != 24 && len != 32)
		return false;
	snprintf(name, sizeof(name), "AES-%u-ECB", (unsigned)len * 8);
	return use_encrypt(mechanism(CKM_AES_ECB), key, question, 32, &token) == CKR_OK &&
		own_cipher(name, true, value, NULL, question, 32, &own) && token.len == own.len &&
		memcmp(token.data, own.data, own.len) == 0;
}

bool
proof_hmac(CK_OBJECT_HANDLE key, const CK_BYTE *value, CK_ULONG len)
{
	struct blob token;
	CK_BYTE own[32];

	return use_sign(mechanism(CKM_SHA256_HMAC), key, question, 32, &token) == CKR_OK && token.len == 32 &&
		own_hmac(value, len, question, 32, own) && memcmp(token.data, own, 32) == 0;
}

/* ---- private keys ---- */

static EVP_PKEY *
pkey_of_object(CK_OBJECT_HANDLE pub)
{
	struct blob n, e;
	EVP_PKEY *pkey = NULL;
	OSSL_PARAM params[3];
	EVP_PKEY_CTX *ctx;
	CK_ULONG at;

	if (key_read(pub, CKA_MODULUS, &n) == CKR_OK && n.len > 0 && key_read(pub, CKA_PUBLIC_EXPONENT, &e) == CKR_OK)
		return own_pkey(&n, &e);
	if (key_read(pub, CKA_EC_POINT, &n) != CKR_OK || n.len < 65)
		return NULL;
	at = n.len - 65; /* P-256, without the octet string around it */
	params[0] = OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, (char *)"P-256", 0);
	params[1] = OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, n.data + at, 65);
	params[2] = OSSL_PARAM_construct_end();
	ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	if (EVP_PKEY_fromdata_init(ctx) != 1 || EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) != 1)
		pkey = NULL;
	EVP_PKEY_CTX_free(ctx);
	return pkey;
}

static bool
verifies(EVP_PKEY *pkey, const void *data, CK_ULONG len, const CK_BYTE *sig, size_t sig_len)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool good = pkey != NULL && EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, pkey) == 1 &&
		EVP_DigestVerify(ctx, sig, sig_len, data, len) == 1;

	EVP_MD_CTX_free(ctx);
	return good;
}

bool
proof_private(CK_OBJECT_HANDLE pub, const CK_BYTE *der, CK_ULONG len)
{
	const unsigned char *p = der;
	EVP_PKEY *priv = d2i_AutoPrivateKey(NULL, &p, (long)len), *of_token = pkey_of_object(pub);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	CK_BYTE sig[1024];
	size_t n = sizeof(sig);
	bool good = priv != NULL && EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, priv) == 1 &&
		EVP_DigestSign(ctx, sig, &n, question, 32) == 1 && verifies(of_token, question, 32, sig, n);

	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(priv);
	EVP_PKEY_free(of_token);
	return good;
}

bool
proof_signature(CK_OBJECT_HANDLE pub, const void *data, CK_ULONG len, const struct blob *sig)
{
	EVP_PKEY *pkey = pkey_of_object(pub);
	bool good = verifies(pkey, data, len, sig->data, sig->len);

	EVP_PKEY_free(pkey);
	return good;
}
