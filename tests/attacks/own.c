/* own.c - the attacker's own machine: OpenSSL */
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/param_build.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "own.h"

void
own_random(void *out, CK_ULONG len)
{
	if (RAND_bytes(out, (int)len) != 1)
		attack_need(CKR_GENERAL_ERROR, "RAND_bytes");
}

bool
own_sha256(const void *in, CK_ULONG len, CK_BYTE out[32])
{
	return EVP_Digest(in, len, out, NULL, EVP_sha256(), NULL) == 1;
}

bool
own_sha1(const void *in, CK_ULONG len, CK_BYTE out[20])
{
	return EVP_Digest(in, len, out, NULL, EVP_sha1(), NULL) == 1;
}

bool
own_hmac(const CK_BYTE *key, CK_ULONG key_len, const void *in, CK_ULONG len, CK_BYTE out[32])
{
	unsigned n = 32;

	return HMAC(EVP_sha256(), key, (int)key_len, in, len, out, &n) != NULL;
}

/* ---- symmetric ---- */

bool
own_cipher(const char *name, bool encrypt, const CK_BYTE *key, const CK_BYTE *iv, const CK_BYTE *in, CK_ULONG len,
	struct blob *out)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, name, NULL);
	static const CK_BYTE zeros[16];
	int n = 0, last = 0;
	bool good = false;

	if (ctx == NULL || cipher == NULL || len > BLOB_MAX - 32)
		goto out;
	if (EVP_CipherInit_ex2(ctx, cipher, key, iv != NULL ? iv : zeros, encrypt, NULL) != 1 ||
		EVP_CIPHER_CTX_set_padding(ctx, 0) != 1 || EVP_CipherUpdate(ctx, out->data, &n, in, (int)len) != 1 ||
		EVP_CipherFinal_ex(ctx, out->data + n, &last) != 1)
		goto out;
	out->len = (CK_ULONG)(n + last);
	good = true;
out:
	EVP_CIPHER_CTX_free(ctx);
	EVP_CIPHER_free(cipher);
	return good;
}

static bool
key_wrap_cipher(bool wrap, const CK_BYTE *key, CK_ULONG key_len, const char *kind, const CK_BYTE *in, CK_ULONG len,
	struct blob *out)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	EVP_CIPHER *cipher;
	char name[32];
	int n = 0;
	bool good = false;

	snprintf(name, sizeof(name), "AES-%u-WRAP%s", (unsigned)key_len * 8, kind);
	cipher = EVP_CIPHER_fetch(NULL, name, NULL);
	if (ctx == NULL || cipher == NULL)
		goto out;
	EVP_CIPHER_CTX_set_flags(ctx, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
	good = EVP_CipherInit_ex2(ctx, cipher, key, NULL, wrap, NULL) == 1 &&
		EVP_CipherUpdate(ctx, out->data, &n, in, (int)len) == 1;
	out->len = (CK_ULONG)n;
out:
	EVP_CIPHER_CTX_free(ctx);
	EVP_CIPHER_free(cipher);
	return good;
}

bool
own_key_unwrap(const CK_BYTE *key, CK_ULONG key_len, const struct blob *in, struct blob *out)
{
	return key_wrap_cipher(false, key, key_len, "", in->data, in->len, out);
}

bool
own_key_wrap(const CK_BYTE *key, CK_ULONG key_len, const CK_BYTE *in, CK_ULONG len, struct blob *out)
{
	return key_wrap_cipher(true, key, key_len, "", in, len, out);
}

bool
own_key_wrap_pad(const CK_BYTE *key, CK_ULONG key_len, const CK_BYTE *in, CK_ULONG len, struct blob *out)
{
	return key_wrap_cipher(true, key, key_len, "-PAD", in, len, out);
}

bool
own_open(CK_MECHANISM_TYPE type, const CK_BYTE *key, CK_ULONG key_len, const struct blob *in, struct blob *out)
{
	static const struct {
		CK_MECHANISM_TYPE type;
		const char *mode;
	} modes[] = {{CKM_AES_ECB, "ECB"}, {CKM_AES_CBC, "CBC"}, {CKM_AES_CBC_PAD, "CBC"}, {CKM_AES_CTR, "CTR"},
		{CKM_AES_OFB, "OFB"}};
	char name[32];

	if (type == CKM_AES_KEY_WRAP || type == CKM_AES_KEY_WRAP_PAD)
		return own_key_unwrap(key, key_len, in, out);
	if (type == CKM_AES_KEY_WRAP_KWP)
		return key_wrap_cipher(false, key, key_len, "-PAD", in->data, in->len, out);
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		if (modes[i].type == type) {
			snprintf(name, sizeof(name), "AES-%u-%s", (unsigned)key_len * 8, modes[i].mode);
			return own_cipher(name, false, key, NULL, in->data, in->len, out);
		}
	return false;
}

/* ---- RSA ---- */

struct own_rsa {
	EVP_PKEY *pkey;
};

static struct own_rsa *
own_rsa_hold(EVP_PKEY *pkey)
{
	struct own_rsa *k = calloc(1, sizeof(*k));

	if (k == NULL || pkey == NULL)
		attack_need(CKR_HOST_MEMORY, "OpenSSL key");
	k->pkey = pkey;
	return k;
}

struct own_rsa *
own_rsa_new(unsigned bits)
{
	return own_rsa_hold(EVP_RSA_gen(bits));
}

EVP_PKEY *
own_pkey(const struct blob *n, const struct blob *e)
{
	BIGNUM *bn_n = BN_bin2bn(n->data, (int)n->len, NULL), *bn_e = BN_bin2bn(e->data, (int)e->len, NULL);
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
	OSSL_PARAM *params = NULL;
	EVP_PKEY *pkey = NULL;

	OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, bn_n);
	OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, bn_e);
	params = OSSL_PARAM_BLD_to_param(build);
	if (EVP_PKEY_fromdata_init(ctx) != 1 || EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) != 1)
		pkey = NULL;
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(build);
	EVP_PKEY_CTX_free(ctx);
	BN_free(bn_n);
	BN_free(bn_e);
	return pkey;
}

struct own_rsa *
own_rsa_of(CK_OBJECT_HANDLE pub)
{
	struct blob n, e;

	NEED(key_read(pub, CKA_MODULUS, &n));
	NEED(key_read(pub, CKA_PUBLIC_EXPONENT, &e));
	return own_rsa_numbers(&n, &e);
}

struct own_rsa *
own_rsa_numbers(const struct blob *n, const struct blob *e)
{
	return own_rsa_hold(own_pkey(n, e));
}

void
own_rsa_modulus(struct own_rsa *k, struct blob *out)
{
	BIGNUM *n = NULL;

	if (EVP_PKEY_get_bn_param(k->pkey, OSSL_PKEY_PARAM_RSA_N, &n) != 1)
		attack_need(CKR_GENERAL_ERROR, "OpenSSL modulus");
	out->len = (CK_ULONG)BN_bn2bin(n, out->data);
	BN_free(n);
}

static int
padding_of(CK_MECHANISM_TYPE type)
{
	return type == CKM_RSA_PKCS ? RSA_PKCS1_PADDING :
		type == CKM_RSA_PKCS_OAEP ? RSA_PKCS1_OAEP_PADDING : RSA_NO_PADDING;
}

bool
own_rsa_encrypt(struct own_rsa *k, CK_MECHANISM_TYPE type, const void *in, CK_ULONG len, struct blob *out)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(k->pkey, NULL);
	size_t n = sizeof(out->data);
	bool good = EVP_PKEY_encrypt_init(ctx) == 1 && EVP_PKEY_CTX_set_rsa_padding(ctx, padding_of(type)) == 1 &&
		EVP_PKEY_encrypt(ctx, out->data, &n, in, len) == 1;

	out->len = n;
	EVP_PKEY_CTX_free(ctx);
	return good;
}

bool
own_rsa_decrypt(struct own_rsa *k, CK_MECHANISM_TYPE type, const struct blob *in, struct blob *out)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(k->pkey, NULL);
	size_t n = sizeof(out->data);
	bool good = EVP_PKEY_decrypt_init(ctx) == 1 && EVP_PKEY_CTX_set_rsa_padding(ctx, padding_of(type)) == 1 &&
		EVP_PKEY_decrypt(ctx, out->data, &n, in->data, in->len) == 1;

	out->len = n;
	EVP_PKEY_CTX_free(ctx);
	return good;
}

/* RFC 8017 B.2.1 with SHA-1: the mask of seed over out */
static void
unmask(CK_BYTE *out, CK_ULONG len, const CK_BYTE *seed, CK_ULONG seed_len)
{
	CK_BYTE block[20], in[BLOB_MAX + 4];

	memcpy(in, seed, seed_len);
	for (CK_ULONG i = 0; i < len; i++) {
		if (i % 20 == 0) {
			CK_ULONG c = i / 20;

			in[seed_len] = in[seed_len + 1] = 0;
			in[seed_len + 2] = (CK_BYTE)(c >> 8);
			in[seed_len + 3] = (CK_BYTE)c;
			EVP_Digest(in, seed_len + 4, block, NULL, EVP_sha1(), NULL);
		}
		out[i] ^= block[i % 20];
	}
}

bool
own_unpad(CK_MECHANISM_TYPE type, const struct blob *block, struct blob *out)
{
	struct blob b = *block;
	CK_ULONG at;

	if (b.len < 64 || b.data[0] != 0)
		return false;
	if (type == CKM_RSA_PKCS_OAEP) {
		unmask(b.data + 1, 20, b.data + 21, b.len - 21);
		unmask(b.data + 21, b.len - 21, b.data + 1, 20);
		for (at = 41; at < b.len && b.data[at] == 0; at++)
			;
		if (at >= b.len || b.data[at] != 1)
			return false;
	} else {
		for (at = 2; at < b.len && b.data[at] != 0; at++)
			;
		if (at >= b.len || b.data[1] != 2)
			return false;
	}
	out->len = b.len - at - 1;
	memcpy(out->data, b.data + at + 1, out->len);
	return true;
}

bool
own_root(const struct blob *in, unsigned e, struct blob *out)
{
	BN_CTX *ctx = BN_CTX_new();
	BIGNUM *c = BN_bin2bn(in->data, (int)in->len, NULL), *low = BN_new(), *high = BN_new(), *mid = BN_new(),
	       *power = BN_new(), *exponent = BN_new();
	bool found = false;

	/* between 0 and 2^(bits / e + 1), halved until it is found */
	BN_set_word(exponent, e);
	BN_zero(low);
	BN_one(high);
	BN_lshift(high, high, BN_num_bits(c) / (int)e + 1);
	while (!found && BN_cmp(low, high) <= 0) {
		BN_add(mid, low, high);
		BN_rshift1(mid, mid);
		BN_exp(power, mid, exponent, ctx);
		if (BN_cmp(power, c) == 0) {
			out->len = (CK_ULONG)BN_bn2bin(mid, out->data);
			found = true;
		} else if (BN_cmp(power, c) < 0) {
			BN_copy(low, mid);
			BN_add_word(low, 1);
		} else {
			BN_copy(high, mid);
			BN_sub_word(high, 1);
		}
	}
	BN_free(c);
	BN_free(low);
	BN_free(high);
	BN_free(mid);
	BN_free(power);
	BN_free(exponent);
	BN_CTX_free(ctx);
	return found;
}
