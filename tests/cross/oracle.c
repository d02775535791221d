#include "oracle.h"

#include <openssl/err.h>

/* ---- BLAKE2b: RFC 7693 ---- */
static uint64_t
load64(const uint8_t *p)
{
	uint64_t v = 0;

	for (int i = 7; i >= 0; i--)
		v = v << 8 | p[i];
	return v;
}

static uint64_t
turn(uint64_t x, int n)
{
	return x >> n | x << (64 - n);
}

static void
blake2b_block(uint64_t h[8], const uint8_t block[128], uint64_t count, bool last)
{
	static const uint64_t iv[8] = {0x6a09e667f3bcc908u, 0xbb67ae8584caa73bu,
		0x3c6ef372fe94f82bu, 0xa54ff53a5f1d36f1u, 0x510e527fade682d1u,
		0x9b05688c2b3e6c1fu, 0x1f83d9abfb41bd6bu, 0x5be0cd19137e2179u};
	static const uint8_t sigma[10][16] = {
		{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
		{14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
		{11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4},
		{7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
		{9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13},
		{2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
		{12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11},
		{13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
		{6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5},
		{10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0},
	};
	static const uint8_t lanes[8][4] = {{0, 4, 8, 12}, {1, 5, 9, 13}, {2, 6, 10, 14},
		{3, 7, 11, 15}, {0, 5, 10, 15}, {1, 6, 11, 12}, {2, 7, 8, 13}, {3, 4, 9, 14}};
	uint64_t v[16];

	memcpy(v, h, 64);
	memcpy(v + 8, iv, 64);
	v[12] ^= count;
	if (last)
		v[14] = ~v[14];
	for (int round = 0; round < 12; round++)
		for (int g = 0; g < 8; g++) {
			const uint8_t *l = lanes[g], *s = sigma[round % 10];
			uint64_t *a = &v[l[0]], *b = &v[l[1]], *c = &v[l[2]], *d = &v[l[3]];

			*a += *b + load64(block + 8 * s[2 * g]);
			*d = turn(*d ^ *a, 32);
			*c += *d;
			*b = turn(*b ^ *c, 24);
			*a += *b + load64(block + 8 * s[2 * g + 1]);
			*d = turn(*d ^ *a, 16);
			*c += *d;
			*b = turn(*b ^ *c, 63);
		}
	for (int i = 0; i < 8; i++)
		h[i] ^= v[i] ^ v[i + 8];
}

struct blob
blake2b(size_t size, struct blob key, struct blob in)
{
	uint64_t h[8] = {0x6a09e667f3bcc908u, 0xbb67ae8584caa73bu, 0x3c6ef372fe94f82bu,
		0xa54ff53a5f1d36f1u, 0x510e527fade682d1u, 0x9b05688c2b3e6c1fu,
		0x1f83d9abfb41bd6bu, 0x5be0cd19137e2179u};
	struct blob padded = blob_new(128), out = blob_new(64), all;
	uint8_t block[128];
	size_t at = 0;

	if (key.len > 0)
		memcpy(padded.data, key.data, key.len);
	all = key.len > 0 ? blob_join(padded, in) : in;
	h[0] ^= 0x01010000u ^ key.len << 8 ^ size;
	while (all.len - at > 128) {
		blake2b_block(h, all.data + at, at + 128, false);
		at += 128;
	}
	memset(block, 0, sizeof(block));
	if (all.len > at)
		memcpy(block, all.data + at, all.len - at);
	blake2b_block(h, block, all.len, true);
	for (size_t i = 0; i < 64; i++)
		out.data[i] = (uint8_t)(h[i / 8] >> (8 * (i % 8)));
	out.len = size;
	return out;
}

/* ---- hashes and MACs ---- */
static size_t
blake2b_size(const char *name)
{
	return strncmp(name, "BLAKE2B-", 8) == 0 ? (size_t)atoi(name + 8) / 8 : 0;
}

size_t
oracle_hash_size(const char *name)
{
	EVP_MD *md;
	size_t n;

	if (blake2b_size(name) > 0)
		return blake2b_size(name);
	must_be((md = EVP_MD_fetch(NULL, name, NULL)) != NULL, name);
	n = (size_t)EVP_MD_get_size(md);
	EVP_MD_free(md);
	return n;
}

struct blob
oracle_hash(const char *name, struct blob in)
{
	struct blob out = blob_new(64);

	if (blake2b_size(name) > 0)
		return blake2b(blake2b_size(name), (struct blob){0}, in);
	must_be(EVP_Q_digest(NULL, name, NULL, in.data, in.len, out.data, &out.len) == 1, name);
	return out;
}

/* RFC 2104, over the hash above: OpenSSL's HMAC knows no short BLAKE2b. */
static struct blob
hmac_by_hand(const char *hash, size_t block, struct blob key, struct blob in)
{
	struct blob inner = blob_new(block), outer = blob_new(block);

	if (key.len > block)
		key = oracle_hash(hash, key);
	for (size_t i = 0; i < block; i++) {
		inner.data[i] = 0x36 ^ (i < key.len ? key.data[i] : 0);
		outer.data[i] = 0x5c ^ (i < key.len ? key.data[i] : 0);
	}
	return oracle_hash(hash, blob_join(outer, oracle_hash(hash, blob_join(inner, in))));
}

struct blob
oracle_hmac(const char *hash, struct blob key, struct blob in)
{
	struct blob out = blob_new(64);

	if (blake2b_size(hash) > 0)
		return hmac_by_hand(hash, 128, key, in);
	must_be(EVP_Q_mac(NULL, "HMAC", NULL, hash, NULL, key.data, key.len, in.data, in.len,
			out.data, 64, &out.len) != NULL,
		hash);
	return out;
}

struct blob
oracle_mac(const char *mac, const char *cipher, struct blob iv, struct blob key, struct blob in)
{
	struct blob out = blob_new(64);
	EVP_MAC *m = EVP_MAC_fetch(NULL, mac, NULL);
	EVP_MAC_CTX *c = EVP_MAC_CTX_new(m);
	OSSL_PARAM params[3], *q = params;

	if (cipher != NULL)
		*q++ = OSSL_PARAM_construct_utf8_string(
			OSSL_MAC_PARAM_CIPHER, (char *)cipher, 0);
	if (iv.data != NULL)
		*q++ = OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_IV, iv.data, iv.len);
	*q = OSSL_PARAM_construct_end();
	must_be(EVP_MAC_init(c, key.data, key.len, params) == 1 &&
			EVP_MAC_update(c, in.data, in.len) == 1 &&
			EVP_MAC_final(c, out.data, &out.len, 64) == 1,
		mac);
	EVP_MAC_CTX_free(c);
	EVP_MAC_free(m);
	return out;
}

/* ---- ciphers ---- */
struct blob
oracle_cipher(const char *name, struct blob key, struct blob iv, struct blob in, bool encrypt,
	bool pad)
{
	EVP_CIPHER *c = EVP_CIPHER_fetch(NULL, name, NULL);
	EVP_CIPHER_CTX *x = EVP_CIPHER_CTX_new();
	struct blob out = blob_new(in.len + 64);
	OSSL_PARAM cts[2] = {
		OSSL_PARAM_construct_utf8_string(OSSL_CIPHER_PARAM_CTS_MODE, (char *)"CS1", 0),
		OSSL_PARAM_construct_end()};
	int n = 0, last = 0;

	must_be(c != NULL && x != NULL, name);
	must_be((size_t)EVP_CIPHER_get_key_length(c) == key.len, "length of a cipher's key");
	EVP_CIPHER_CTX_set_flags(x, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
	must_be(EVP_CipherInit_ex2(x, c, key.data, iv.data, encrypt,
			strstr(name, "-CTS") ? cts : NULL) == 1,
		name);
	EVP_CIPHER_CTX_set_padding(x, pad);
	if ((in.len > 0 && EVP_CipherUpdate(x, out.data, &n, in.data, (int)in.len) != 1) ||
		EVP_CipherFinal_ex(x, out.data + n, &last) != 1)
		out = (struct blob){0};
	else
		out.len = (size_t)(n + last);
	EVP_CIPHER_CTX_free(x);
	EVP_CIPHER_free(c);
	ERR_clear_error();
	return out;
}

struct blob
oracle_aead(const char *name, struct blob key, struct blob iv, struct blob aad, size_t tag,
	struct blob in, bool encrypt)
{
	EVP_CIPHER *c = EVP_CIPHER_fetch(NULL, name, NULL);
	EVP_CIPHER_CTX *x = EVP_CIPHER_CTX_new();
	size_t text = encrypt ? in.len : in.len - tag;
	struct blob out = blob_new(in.len + 64);
	bool ccm = strstr(name, "CCM") != NULL;
	uint8_t none[16];
	int n = 0, last = 0;

	must_be(c != NULL && (encrypt || in.len >= tag), name);
	must_be(EVP_CipherInit_ex2(x, c, NULL, NULL, encrypt, NULL) == 1 &&
			EVP_CIPHER_CTX_ctrl(x, EVP_CTRL_AEAD_SET_IVLEN, (int)iv.len, NULL) == 1,
		name);
	if (ccm || !encrypt)
		must_be(EVP_CIPHER_CTX_ctrl(x, EVP_CTRL_AEAD_SET_TAG, (int)tag,
				encrypt ? NULL : in.data + text) == 1,
			"tag");
	must_be(EVP_CipherInit_ex2(x, NULL, key.data, iv.data, encrypt, NULL) == 1, name);
	if (ccm)
		must_be(EVP_CipherUpdate(x, NULL, &n, NULL, (int)text) == 1, "length");
	if (aad.len > 0)
		must_be(EVP_CipherUpdate(x, NULL, &n, aad.data, (int)aad.len) == 1,
			"additional data");
	n = 0;
	if ((text > 0 || ccm) &&
		EVP_CipherUpdate(x, out.data, &n, text > 0 ? in.data : none, (int)text) != 1)
		out = (struct blob){0};
	else if (!(ccm && !encrypt) && EVP_CipherFinal_ex(x, none, &last) != 1)
		out = (struct blob){0};
	if (out.data != NULL && encrypt)
		must_be(EVP_CIPHER_CTX_ctrl(
				x, EVP_CTRL_AEAD_GET_TAG, (int)tag, out.data + text) == 1,
			"tag");
	if (out.data != NULL)
		out.len = encrypt ? text + tag : text;
	EVP_CIPHER_CTX_free(x);
	EVP_CIPHER_free(c);
	ERR_clear_error();
	return out;
}

struct blob
oracle_kdf(const char *name, const OSSL_PARAM *params, size_t len)
{
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, name, NULL);
	EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(kdf);
	struct blob out = blob_new(len);

	must_be(ctx != NULL && EVP_KDF_derive(ctx, out.data, len, params) == 1, name);
	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(kdf);
	return out;
}

/* ---- names ---- */
const char *
cipher_name(const char *pattern, size_t bits)
{
	static char name[48];
	const char *at = strchr(pattern, '#');

	if (at == NULL)
		return pattern;
	snprintf(name, sizeof(name), "%.*s%zu%s", (int)(at - pattern), pattern, bits, at + 1);
	return name;
}

static const struct {
	CK_MECHANISM_TYPE digest;
	CK_ULONG mgf, kdf;
	const char *name;
} hashes[] = {
	/* PKCS#11 3.1 6.1.7 and 6.3.15: the numbers of mask generation and key derivation
	   functions */
	{CKM_SHA_1, 1, 2, "SHA1"},
	{CKM_SHA224, 5, 5, "SHA2-224"},
	{CKM_SHA256, 2, 6, "SHA2-256"},
	{CKM_SHA384, 3, 7, "SHA2-384"},
	{CKM_SHA512, 4, 8, "SHA2-512"},
	{CKM_SHA3_224, 6, 10, "SHA3-224"},
	{CKM_SHA3_256, 7, 11, "SHA3-256"},
	{CKM_SHA3_384, 8, 12, "SHA3-384"},
	{CKM_SHA3_512, 9, 13, "SHA3-512"},
	{CKM_SHA512_224, 0, 0, "SHA2-512/224"},
	{CKM_SHA512_256, 0, 0, "SHA2-512/256"},
};
#define COMMON_HASHES 9

const char *
hash_name(CK_MECHANISM_TYPE digest)
{
	for (size_t i = 0; i < NELEMS(hashes); i++)
		if (hashes[i].digest == digest)
			return hashes[i].name;
	return NULL;
}

const char *
hash_of_mgf(CK_ULONG mgf)
{
	for (size_t i = 0; i < COMMON_HASHES; i++)
		if (hashes[i].mgf == mgf)
			return hashes[i].name;
	return NULL;
}

const char *
hash_of_kdf(CK_ULONG kdf)
{
	for (size_t i = 0; i < COMMON_HASHES; i++)
		if (hashes[i].kdf == kdf)
			return hashes[i].name;
	return NULL;
}

CK_MECHANISM_TYPE
some_hash(void)
{
	return hashes[chance(COMMON_HASHES)].digest;
}
