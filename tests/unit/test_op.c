/* Digests, MACs and ciphers against OpenSSL's one-shot calls; the rules of lengths, parts and ends. */
#include "crypto_help.h"

static uint8_t data[BIG], out[BIG + 64], ref[BIG + 64];

static const struct {
	CK_MECHANISM_TYPE digest, hmac;
	CK_KEY_TYPE key;
	const char *name;
	size_t size;
} hashes[] = {
	{CKM_SHA_1, CKM_SHA_1_HMAC, CKK_SHA_1_HMAC, "SHA1", 20},
	{CKM_SHA224, CKM_SHA224_HMAC, CKK_SHA224_HMAC, "SHA224", 28},
	{CKM_SHA256, CKM_SHA256_HMAC, CKK_SHA256_HMAC, "SHA256", 32},
	{CKM_SHA384, CKM_SHA384_HMAC, CKK_SHA384_HMAC, "SHA384", 48},
	{CKM_SHA512, CKM_SHA512_HMAC, CKK_SHA512_HMAC, "SHA512", 64},
	{CKM_SHA512_224, CKM_SHA512_224_HMAC, CKK_SHA512_224_HMAC, "SHA512-224", 28},
	{CKM_SHA512_256, CKM_SHA512_256_HMAC, CKK_SHA512_256_HMAC, "SHA512-256", 32},
	{CKM_SHA3_224, CKM_SHA3_224_HMAC, CKK_SHA3_224_HMAC, "SHA3-224", 28},
	{CKM_SHA3_256, CKM_SHA3_256_HMAC, CKK_SHA3_256_HMAC, "SHA3-256", 32},
	{CKM_SHA3_384, CKM_SHA3_384_HMAC, CKK_SHA3_384_HMAC, "SHA3-384", 48},
	{CKM_SHA3_512, CKM_SHA3_512_HMAC, CKK_SHA3_512_HMAC, "SHA3-512", 64},
};
#define HASHES (sizeof(hashes) / sizeof(hashes[0]))
static const size_t lengths[] = {0, 1, 15, 16, 17, 31, 32, 33, 55, 56, 63, 64, 65, 111, 127, 128, 129, 255, 256, 1000, 4096};
#define LENGTHS (sizeof(lengths) / sizeof(lengths[0]))

static void
test_digests(void)
{
	for (size_t h = 0; h < HASHES; h++)
		for (size_t i = 0; i < LENGTHS; i++) {
			CK_MECHANISM m = mechanism(hashes[h].digest, NULL, 0);
			size_t n = 64, want = 0;

			EVP_Q_digest(NULL, hashes[h].name, NULL, data, lengths[i], ref, &want);
			CHECK_RV(CKR_OK, once(OP_DIGEST, &m, NULL, data, lengths[i], out, &n));
			CHECK(same(out, n, ref, want) && n == hashes[h].size);
			CHECK_RV(CKR_OK, parts(OP_DIGEST, &m, NULL, data, lengths[i], out, &n));
			CHECK(same(out, n, ref, want));
		}
}

static void
test_lengths_and_ends(void)
{
	CK_MECHANISM m = mechanism(CKM_SHA256, NULL, 0), param = mechanism(CKM_SHA256, data, 3);
	struct op *op;
	CK_ULONG n = 99;

	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, op_begin(&op, OP_DIGEST, &param, NULL));
	CHECK(op == NULL);
	CHECK_RV(CKR_OK, op_begin(&op, OP_DIGEST, &m, NULL));
	CHECK_RV(CKR_OK, op_once(op, data, 3, NULL, &n));
	CHECK(n == 32 && op_active(op));
	n = 31;
	CHECK_RV(CKR_BUFFER_TOO_SMALL, op_once(op, data, 3, out, &n));
	CHECK(n == 32 && op_active(op));
	/* a length query has begun the one-shot use: parts are refused, and that ends it */
	CHECK_RV(CKR_OPERATION_ACTIVE, op_update(op, data, 3, NULL, NULL));
	CHECK(!op_active(op));
	CHECK_RV(CKR_OPERATION_NOT_INITIALIZED, op_once(op, data, 3, out, &n));
	op_end(op);

	CHECK_RV(CKR_OK, op_begin(&op, OP_DIGEST, &m, NULL));
	CHECK_RV(CKR_OK, op_update(op, data, 3, NULL, NULL));
	CHECK_RV(CKR_OPERATION_ACTIVE, op_once(op, data, 3, out, &n));
	CHECK(!op_active(op));
	op_end(op);

	CHECK_RV(CKR_OK, op_begin(&op, OP_DIGEST, &m, NULL));
	n = 5;
	CHECK_RV(CKR_BUFFER_TOO_SMALL, op_final(op, out, &n));
	CHECK(n == 32 && op_active(op));
	CHECK_RV(CKR_OK, op_final(op, out, &n));
	EVP_Q_digest(NULL, "SHA256", NULL, "", 0, ref, NULL);
	CHECK(same(out, n, ref, 32) && !op_active(op));
	op_end(op);
	op_end(NULL);

	CHECK_RV(CKR_MECHANISM_INVALID, op_begin(&op, OP_SIGN, &m, NULL));
	m.mechanism = 0x7FFFFFFF;
	CHECK_RV(CKR_MECHANISM_INVALID, op_begin(&op, OP_DIGEST, &m, NULL));
}

static void
test_state(void)
{
	CK_MECHANISM m = mechanism(CKM_SHA384, NULL, 0);
	uint8_t saved[256], key[16] = {1};
	struct object *k = secret_object(CKK_GENERIC_SECRET, key, 16);
	struct op *op, *again;
	CK_ULONG n = 0, len = 64;

	CHECK_RV(CKR_OK, op_begin(&op, OP_DIGEST, &m, NULL));
	CHECK_RV(CKR_OK, op_update(op, data, 100, NULL, NULL));
	CHECK_RV(CKR_OK, op_save(op, NULL, &n));
	CHECK(n > 100 && n <= sizeof(saved));
	CHECK_RV(CKR_OK, op_save(op, saved, &n));
	CHECK_RV(CKR_OK, op_restore(&again, saved, n));
	CHECK_RV(CKR_OK, op_update(again, data + 100, 50, NULL, NULL));
	CHECK_RV(CKR_OK, op_final(again, out, &len));
	EVP_Q_digest(NULL, "SHA384", NULL, data, 150, ref, NULL);
	CHECK(same(out, len, ref, 48));
	op_end(again);
	for (CK_ULONG cut = 0; cut < n; cut++) {
		CHECK_RV(CKR_SAVED_STATE_INVALID, op_restore(&again, saved, cut));
		CHECK(again == NULL);
	}
	/* a key in it, and it may not leave */
	CHECK_RV(CKR_OK, op_digest_key(op, k));
	CHECK_RV(CKR_STATE_UNSAVEABLE, op_save(op, NULL, &n));
	len = 64;
	CHECK_RV(CKR_OK, op_final(op, out, &len));
	memcpy(saved, data, 100);
	memcpy(saved + 100, key, 16);
	EVP_Q_digest(NULL, "SHA384", NULL, saved, 116, ref, NULL);
	CHECK(same(out, len, ref, 48));
	op_end(op);

	attrs_set_bool(&k->attrs, CKA_SENSITIVE, true);
	CHECK_RV(CKR_OK, op_begin(&op, OP_DIGEST, &m, NULL));
	CHECK_RV(CKR_KEY_INDIGESTIBLE, op_digest_key(op, k));
	CHECK(!op_active(op));
	op_end(op);

	m.mechanism = CKM_SHA256_HMAC;
	CHECK_RV(CKR_OK, op_begin(&op, OP_SIGN, &m, k));
	CHECK_RV(CKR_STATE_UNSAVEABLE, op_save(op, NULL, &n));
	op_end(op);
	object_put(k);
}

static void
test_hmac(void)
{
	static const size_t key_lens[] = {1, 16, 20, 32, 63, 64, 65, 128, 129, 300};

	for (size_t h = 0; h < HASHES; h++)
		for (size_t k = 0; k < sizeof(key_lens) / sizeof(key_lens[0]); k++) {
			CK_MECHANISM m = mechanism(hashes[h].hmac, NULL, 0), g;
			struct object *key = secret_object(k % 2 ? CKK_GENERIC_SECRET : hashes[h].key,
				data + 7, key_lens[k]);
			CK_ULONG mac_len = 4 + k, zero = 0, more = hashes[h].size + 1;
			size_t n = 64, want = 0, l = lengths[(h + k) % LENGTHS];

			EVP_Q_mac(NULL, "HMAC", NULL, hashes[h].name, NULL, data + 7, key_lens[k], data, l,
				ref, 64, &want);
			for (int twice = 0; twice < 2; twice++) { /* the second time with a ready context */
				n = 64;
				CHECK_RV(CKR_OK, once(OP_SIGN, &m, key, data, l, out, &n));
				CHECK(same(out, n, ref, want));
				CHECK_RV(CKR_OK, parts(OP_SIGN, &m, key, data, l, out, &n));
				CHECK(same(out, n, ref, want));
				CHECK_RV(CKR_OK, verify(&m, key, data, l, ref, want));
				CHECK_RV(CKR_OK, verify_parts(&m, key, data, l, ref, want));
			}
			CHECK_RV(CKR_SIGNATURE_LEN_RANGE, verify(&m, key, data, l, ref, want - 1));
			ref[want - 1] ^= 1;
			CHECK_RV(CKR_SIGNATURE_INVALID, verify(&m, key, data, l, ref, want));
			CHECK_RV(CKR_SIGNATURE_INVALID, verify_parts(&m, key, data, l, ref, want));
			ref[want - 1] ^= 1;

			g = mechanism(hashes[h].hmac + 1, &mac_len, sizeof(mac_len));
			n = 64;
			CHECK_RV(CKR_OK, once(OP_SIGN, &g, key, data, l, out, &n));
			CHECK(same(out, n, ref, mac_len));
			CHECK_RV(CKR_OK, verify(&g, key, data, l, out, n));
			g.pParameter = &zero;
			CHECK_RV(CKR_MECHANISM_PARAM_INVALID, verify(&g, key, data, l, out, n));
			g.pParameter = &more;
			CHECK_RV(CKR_MECHANISM_PARAM_INVALID, verify(&g, key, data, l, out, n));
			g.pParameter = NULL;
			CHECK_RV(CKR_MECHANISM_PARAM_INVALID, verify(&g, key, data, l, out, n));
			object_put(key);
		}
}

/* RFC 4231 4.3: key "Jefe", "what do ya want for nothing?" */
static void
test_hmac_vector(void)
{
	CK_MECHANISM m = mechanism(CKM_SHA256_HMAC, NULL, 0);
	struct object *key = secret_object(CKK_GENERIC_SECRET, (const uint8_t *)"Jefe", 4);
	size_t n = 64;

	unhex("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843", ref);
	CHECK_RV(CKR_OK, once(OP_SIGN, &m, key, (const uint8_t *)"what do ya want for nothing?", 28, out, &n));
	CHECK(same(out, n, ref, 32));
	object_put(key);
}

/* RFC 4493 4, examples 1 to 4; and OpenSSL for the other key sizes */
static void
test_cmac(void)
{
	static const struct {
		size_t len;
		const char *mac;
	} known[] = {{0, "bb1d6929e95937287fa37d129b756746"}, {16, "070a16b46b4d4144f79bdd9dd04a287c"},
		{40, "dfa66747de9ae63030ca32611497c827"}, {64, "51f0bebf7e3b9d92fc49741779363cfe"}};
	CK_MECHANISM m = mechanism(CKM_AES_CMAC, NULL, 0), g = mechanism(CKM_AES_CMAC_GENERAL, NULL, 0);
	CK_ULONG five = 5, many = 17;
	uint8_t key[16], text[64];
	struct object *k;
	char name[16];
	size_t n;

	unhex("2b7e151628aed2a6abf7158809cf4f3c", key);
	unhex("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
	      "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710", text);
	k = secret_object(CKK_AES, key, 16);
	for (size_t i = 0; i < 4; i++) {
		unhex(known[i].mac, ref);
		n = 16;
		CHECK_RV(CKR_OK, once(OP_SIGN, &m, k, text, known[i].len, out, &n));
		CHECK(same(out, n, ref, 16));
		CHECK_RV(CKR_OK, verify_parts(&m, k, text, known[i].len, ref, 16));
	}
	g.pParameter = &five;
	g.ulParameterLen = sizeof(five);
	n = 16;
	CHECK_RV(CKR_OK, once(OP_SIGN, &g, k, text, 64, out, &n));
	CHECK(same(out, n, ref, 5));
	g.pParameter = &many;
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, once(OP_SIGN, &g, k, text, 64, out, &n));
	object_put(k);
	for (size_t bits = 128; bits <= 256; bits += 64) {
		k = secret_object(CKK_AES, data, bits / 8);
		snprintf(name, sizeof(name), "AES-%zu-CBC", bits);
		for (size_t l = 0; l < 100; l++) {
			CHECK(EVP_Q_mac(NULL, "CMAC", NULL, name, NULL, data, bits / 8, data, l, ref, 64, &n) != NULL);
			CHECK_RV(CKR_OK, parts(OP_SIGN, &m, k, data, l, out, &n));
			CHECK(same(out, n, ref, 16));
		}
		object_put(k);
	}
}

/* ---- AES ---- */

static size_t
openssl_cipher(const char *name, int encrypt, const uint8_t *key, const uint8_t *iv, int pad, const uint8_t *in,
	size_t n, uint8_t *to)
{
	EVP_CIPHER *c = EVP_CIPHER_fetch(NULL, name, NULL);
	EVP_CIPHER_CTX *x = EVP_CIPHER_CTX_new();
	int a = 0, b = 0, ok;

	EVP_CIPHER_CTX_set_flags(x, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
	ok = EVP_CipherInit_ex(x, c, NULL, key, iv, encrypt) == 1 && EVP_CIPHER_CTX_set_padding(x, pad) == 1 &&
		EVP_CipherUpdate(x, to, &a, in, (int)n) == 1 && EVP_CipherFinal_ex(x, to + a, &b) == 1;
	CHECK(ok);
	EVP_CIPHER_CTX_free(x);
	EVP_CIPHER_free(c);
	return (size_t)(a + b);
}

static void
test_aes_modes(void)
{
	CK_AES_CTR_PARAMS ctr = {.ulCounterBits = 128};
	static const struct {
		CK_MECHANISM_TYPE type;
		const char *name;
		int pad;
		bool blocks;
	} modes[] = {
		{CKM_AES_ECB, "ECB", 0, true},
		{CKM_AES_CBC, "CBC", 0, true},
		{CKM_AES_CBC_PAD, "CBC", 1, false},
		{CKM_AES_OFB, "OFB", 0, false},
		{CKM_AES_CFB8, "CFB8", 0, false},
		{CKM_AES_CFB128, "CFB", 0, false},
		{CKM_AES_CTR, "CTR", 0, false},
	};
	char name[32];

	memcpy(ctr.cb, data + 100, 16);
	for (size_t i = 0; i < 7; i++)
		for (size_t bits = 128; bits <= 256; bits += 64) {
			struct object *key = secret_object(CKK_AES, data + bits, bits / 8);
			CK_MECHANISM m = mechanism(modes[i].type, NULL, 0);

			if (i == 6)
				m = mechanism(modes[i].type, &ctr, sizeof(ctr));
			else if (i > 0)
				m = mechanism(modes[i].type, data + 100, 16);
			snprintf(name, sizeof(name), "AES-%zu-%s", bits, modes[i].name);
			for (size_t len = 0; len <= 100; len += len < 70 ? 1 : 10) {
				size_t n = len + 16, want, back;

				if (modes[i].blocks && len % 16 != 0) {
					CHECK_RV(CKR_DATA_LEN_RANGE, once(OP_ENCRYPT, &m, key, data, len, out, &n));
					CHECK_RV(CKR_DATA_LEN_RANGE, parts(OP_ENCRYPT, &m, key, data, len, out, &n));
					CHECK_RV(CKR_ENCRYPTED_DATA_LEN_RANGE,
						once(OP_DECRYPT, &m, key, data, len, out, &n));
					continue;
				}
				want = openssl_cipher(name, 1, data + bits, data + 100, modes[i].pad, data, len, ref);
				n = want;
				CHECK_RV(CKR_OK, once(OP_ENCRYPT, &m, key, data, len, out, &n));
				CHECK(same(out, n, ref, want));
				CHECK_RV(CKR_OK, parts(OP_ENCRYPT, &m, key, data, len, out, &n));
				CHECK(same(out, n, ref, want));
				back = len; /* exactly enough, though less than the bound of CBC_PAD */
				CHECK_RV(CKR_OK, once(OP_DECRYPT, &m, key, ref, want, out, &back));
				CHECK(same(out, back, data, len));
				back = BIG;
				CHECK_RV(CKR_OK, parts(OP_DECRYPT, &m, key, ref, want, out, &back));
				CHECK(same(out, back, data, len));
			}
			object_put(key);
		}
}

static void
test_cbc_pad_refusals(void)
{
	CK_MECHANISM m = mechanism(CKM_AES_CBC_PAD, data, 16);
	struct object *key = secret_object(CKK_AES, data + 40, 16);
	struct op *op;
	CK_ULONG l;
	size_t n = 64, back = BIG;

	CHECK_RV(CKR_OK, once(OP_ENCRYPT, &m, key, data, 30, ref, &n));
	CHECK(n == 32);
	/* a wrong last block */
	memcpy(out, ref, 32);
	out[15] ^= 0x40;
	CHECK_RV(CKR_ENCRYPTED_DATA_INVALID, once(OP_DECRYPT, &m, key, out, 32, out + 64, &back));
	CHECK_RV(CKR_ENCRYPTED_DATA_LEN_RANGE, once(OP_DECRYPT, &m, key, ref, 31, out, &back));
	CHECK_RV(CKR_ENCRYPTED_DATA_LEN_RANGE, once(OP_DECRYPT, &m, key, ref, 0, out, &back));
	/* an answer that waits for room */
	CHECK_RV(CKR_OK, op_begin(&op, OP_DECRYPT, &m, key));
	l = 0;
	CHECK_RV(CKR_OK, op_once(op, ref, 32, NULL, &l));
	CHECK(l == 32);
	l = 29;
	CHECK_RV(CKR_BUFFER_TOO_SMALL, op_once(op, ref, 32, out, &l));
	CHECK(l == 30 && op_active(op));
	CHECK_RV(CKR_OK, op_once(op, ref, 32, out, &l));
	CHECK(same(out, l, data, 30) && !op_active(op));
	op_end(op);
	/* the same at the end of parts */
	CHECK_RV(CKR_OK, op_begin(&op, OP_DECRYPT, &m, key));
	l = 16;
	CHECK_RV(CKR_OK, op_update(op, ref, 32, out, &l));
	CHECK(l == 16);
	l = 13;
	CHECK_RV(CKR_BUFFER_TOO_SMALL, op_final(op, out + 16, &l));
	CHECK(l == 14 && op_active(op));
	CHECK_RV(CKR_OK, op_final(op, out + 16, &l));
	CHECK(same(out, 16 + l, data, 30));
	op_end(op);
	/* IVs */
	m.ulParameterLen = 15;
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, once(OP_ENCRYPT, &m, key, data, 30, out, &n));
	m.pParameter = NULL;
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, once(OP_ENCRYPT, &m, key, data, 30, out, &n));
	object_put(key);
}

static void
test_ctr_overflow(void)
{
	CK_AES_CTR_PARAMS p = {.ulCounterBits = 8};
	CK_MECHANISM m = mechanism(CKM_AES_CTR, &p, sizeof(p));
	struct object *key = secret_object(CKK_AES, data, 16);
	struct op *op;
	CK_ULONG l = BIG;
	size_t n = BIG;

	memset(p.cb, 0xFF, 16);
	p.cb[15] = 0xFD; /* three blocks are left */
	CHECK_RV(CKR_OK, once(OP_ENCRYPT, &m, key, data, 48, out, &n));
	n = BIG;
	CHECK_RV(CKR_DATA_LEN_RANGE, once(OP_ENCRYPT, &m, key, data, 49, out, &n));
	CHECK_RV(CKR_OK, op_begin(&op, OP_ENCRYPT, &m, key));
	CHECK_RV(CKR_OK, op_update(op, data, 40, out, &l));
	l = BIG;
	CHECK_RV(CKR_OK, op_update(op, data, 8, out, &l));
	l = BIG;
	CHECK_RV(CKR_DATA_LEN_RANGE, op_update(op, data, 1, out, &l));
	CHECK(!op_active(op));
	op_end(op);
	p.ulCounterBits = 128; /* the whole counter is at its last block but two */
	n = BIG;
	CHECK_RV(CKR_OK, once(OP_ENCRYPT, &m, key, data, 48, out, &n));
	n = BIG;
	CHECK_RV(CKR_DATA_LEN_RANGE, once(OP_ENCRYPT, &m, key, data, 64, out, &n));
	p.ulCounterBits = 0;
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, once(OP_ENCRYPT, &m, key, data, 16, out, &n));
	p.ulCounterBits = 129;
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, once(OP_ENCRYPT, &m, key, data, 16, out, &n));
	object_put(key);
}

static size_t
openssl_gcm(size_t bits, const uint8_t *key, const CK_GCM_PARAMS *p, const uint8_t *in, size_t n, uint8_t *to)
{
	EVP_CIPHER_CTX *x = EVP_CIPHER_CTX_new();
	int a = 0, b = 0;
	const EVP_CIPHER *c = bits == 128 ? EVP_aes_128_gcm() : bits == 192 ? EVP_aes_192_gcm() : EVP_aes_256_gcm();

	CHECK(EVP_EncryptInit_ex(x, c, NULL, NULL, NULL) == 1);
	CHECK(EVP_CIPHER_CTX_ctrl(x, EVP_CTRL_GCM_SET_IVLEN, (int)p->ulIvLen, NULL) == 1);
	CHECK(EVP_EncryptInit_ex(x, NULL, NULL, key, p->pIv) == 1);
	if (p->ulAADLen > 0)
		CHECK(EVP_EncryptUpdate(x, NULL, &a, p->pAAD, (int)p->ulAADLen) == 1);
	CHECK(EVP_EncryptUpdate(x, to, &a, in, (int)n) == 1);
	CHECK(EVP_EncryptFinal_ex(x, to + a, &b) == 1);
	CHECK(EVP_CIPHER_CTX_ctrl(x, EVP_CTRL_GCM_GET_TAG, (int)p->ulTagBits / 8, to + a + b) == 1);
	EVP_CIPHER_CTX_free(x);
	return (size_t)(a + b) + p->ulTagBits / 8;
}

static void
test_gcm(void)
{
	static const size_t ivs[] = {12, 1, 12, 16, 128}, tags[] = {128, 96, 32, 120, 64};

	for (size_t bits = 128; bits <= 256; bits += 64) {
		struct object *key = secret_object(CKK_AES, data + bits, bits / 8);

		for (size_t i = 0; i < LENGTHS; i++) {
			CK_GCM_PARAMS p = {.pIv = data + i, .ulIvLen = ivs[i % 5], .ulIvBits = i * 77,
				.pAAD = i % 3 ? data + 50 : NULL, .ulAADLen = i % 3 ? i * 5 : 0,
				.ulTagBits = tags[i % 5]};
			CK_MECHANISM m = mechanism(CKM_AES_GCM, &p, sizeof(p));
			size_t len = lengths[i], want, n, back;

			want = openssl_gcm(bits, data + bits, &p, data, len, ref);
			n = want;
			CHECK_RV(CKR_OK, once(OP_ENCRYPT, &m, key, data, len, out, &n));
			CHECK(same(out, n, ref, want));
			CHECK_RV(CKR_OK, parts(OP_ENCRYPT, &m, key, data, len, out, &n));
			CHECK(same(out, n, ref, want));
			back = len;
			CHECK_RV(CKR_OK, once(OP_DECRYPT, &m, key, ref, want, out, &back));
			CHECK(same(out, back, data, len));
			CHECK_RV(CKR_OK, parts(OP_DECRYPT, &m, key, ref, want, out, &back));
			CHECK(same(out, back, data, len));
			for (size_t bad = 0; bad < want; bad += 1 + want / 9) {
				ref[bad] ^= 0x10;
				back = BIG;
				memset(out, 0, BIG);
				CHECK_RV(CKR_ENCRYPTED_DATA_INVALID, once(OP_DECRYPT, &m, key, ref, want, out, &back));
				memset(out + BIG - len, 0, len);
				CHECK(len < 16 || memcmp(out, data, 16) != 0); /* nothing was released */
				CHECK_RV(CKR_ENCRYPTED_DATA_INVALID, parts(OP_DECRYPT, &m, key, ref, want, out, &back));
				ref[bad] ^= 0x10;
			}
			CHECK_RV(CKR_ENCRYPTED_DATA_LEN_RANGE, once(OP_DECRYPT, &m, key, ref, 3, out, &back));
		}
		object_put(key);
	}
}

/* McGrew and Viega, The Galois/Counter Mode of Operation, test case 4 */
static void
test_gcm_vector(void)
{
	uint8_t key[16], iv[12], aad[20], text[60];
	CK_GCM_PARAMS p = {.pIv = iv, .ulIvLen = 12, .pAAD = aad, .ulAADLen = 20, .ulTagBits = 128};
	CK_MECHANISM m = mechanism(CKM_AES_GCM, &p, sizeof(p));
	struct object *k;
	size_t n = BIG;

	unhex("feffe9928665731c6d6a8f9467308308", key);
	unhex("cafebabefacedbaddecaf888", iv);
	unhex("feedfacedeadbeeffeedfacedeadbeefabaddad2", aad);
	unhex("d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525"
	      "b16aedf5aa0de657ba637b39", text);
	unhex("42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa05"
	      "1ba30b396a0aac973d58e0915bc94fbc3221a5db94fae95ae7121a47", ref);
	k = secret_object(CKK_AES, key, 16);
	CHECK_RV(CKR_OK, once(OP_ENCRYPT, &m, k, text, 60, out, &n));
	CHECK(same(out, n, ref, 76));
	object_put(k);
}

static void
test_gcm_params(void)
{
	CK_GCM_PARAMS good = {.pIv = data, .ulIvLen = 12, .ulTagBits = 128}, p;
	CK_MECHANISM m = mechanism(CKM_AES_GCM, &p, sizeof(p));
	struct object *key = secret_object(CKK_AES, data, 16);
	static const CK_ULONG bad_tags[] = {0, 8, 31, 33, 127, 129, 136};
	size_t n = BIG;

	for (size_t i = 0; i < sizeof(bad_tags) / sizeof(bad_tags[0]); i++) {
		p = good;
		p.ulTagBits = bad_tags[i];
		CHECK_RV(CKR_MECHANISM_PARAM_INVALID, once(OP_ENCRYPT, &m, key, data, 1, out, &n));
	}
	p = good;
	p.ulIvLen = 0;
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, once(OP_ENCRYPT, &m, key, data, 1, out, &n));
	p.ulIvLen = 129;
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, once(OP_ENCRYPT, &m, key, data, 1, out, &n));
	p = good;
	p.ulAADLen = 5;
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, once(OP_ENCRYPT, &m, key, data, 1, out, &n));
	p = good;
	m.ulParameterLen--;
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, once(OP_ENCRYPT, &m, key, data, 1, out, &n));
	object_put(key);
}

static void
test_key_wrap(void)
{
	struct object *key = secret_object(CKK_AES, data, 32);
	CK_MECHANISM kw = mechanism(CKM_AES_KEY_WRAP, NULL, 0), pad = mechanism(CKM_AES_KEY_WRAP_PAD, NULL, 0);
	CK_MECHANISM kwp = mechanism(CKM_AES_KEY_WRAP_KWP, NULL, 0);
	uint8_t padded[BIG];
	size_t n, want, back, fill;

	for (size_t len = 0; len <= 100; len++) {
		n = back = BIG;
		if (len % 8 == 0 && len >= 16) {
			want = openssl_cipher("AES-256-WRAP", 1, data, NULL, 1, data, len, ref);
			CHECK_RV(CKR_OK, once(OP_ENCRYPT, &kw, key, data, len, out, &n));
			CHECK(same(out, n, ref, want));
			back = len;
			CHECK_RV(CKR_OK, once(OP_DECRYPT, &kw, key, ref, want, out, &back));
			CHECK(same(out, back, data, len));
		} else {
			CHECK_RV(CKR_DATA_LEN_RANGE, once(OP_ENCRYPT, &kw, key, data, len, out, &n));
		}
		n = BIG;
		if (len >= 1) {
			want = openssl_cipher("AES-256-WRAP-PAD", 1, data, NULL, 1, data, len, ref);
			CHECK_RV(CKR_OK, once(OP_ENCRYPT, &kwp, key, data, len, out, &n));
			CHECK(same(out, n, ref, want));
			back = len;
			CHECK_RV(CKR_OK, once(OP_DECRYPT, &kwp, key, ref, want, out, &back));
			CHECK(same(out, back, data, len));
			/* what other tokens made under the older reading of KEY_WRAP_PAD */
			back = len;
			CHECK_RV(CKR_OK, once(OP_DECRYPT, &pad, key, ref, want, out, &back));
			CHECK(same(out, back, data, len));
			ref[want / 2] ^= 1;
			back = BIG;
			CHECK_RV(CKR_ENCRYPTED_DATA_INVALID, once(OP_DECRYPT, &kwp, key, ref, want, out, &back));
			CHECK_RV(CKR_ENCRYPTED_DATA_INVALID, once(OP_DECRYPT, &pad, key, ref, want, out, &back));
		} else {
			CHECK_RV(CKR_DATA_LEN_RANGE, once(OP_ENCRYPT, &kwp, key, data, len, out, &n));
		}
		n = BIG;
		if (len >= 8) {
			fill = 8 - len % 8;
			memcpy(padded, data, len);
			memset(padded + len, (int)fill, fill);
			want = openssl_cipher("AES-256-WRAP", 1, data, NULL, 1, padded, len + fill, ref);
			CHECK_RV(CKR_OK, once(OP_ENCRYPT, &pad, key, data, len, out, &n));
			CHECK(same(out, n, ref, want));
			back = len;
			CHECK_RV(CKR_OK, once(OP_DECRYPT, &pad, key, ref, want, out, &back));
			CHECK(same(out, back, data, len));
		} else {
			CHECK_RV(CKR_DATA_LEN_RANGE, once(OP_ENCRYPT, &pad, key, data, len, out, &n));
		}
	}
	back = BIG;
	CHECK_RV(CKR_ENCRYPTED_DATA_LEN_RANGE, once(OP_DECRYPT, &kw, key, ref, 16, out, &back));
	CHECK_RV(CKR_ENCRYPTED_DATA_LEN_RANGE, once(OP_DECRYPT, &kw, key, ref, 25, out, &back));
	kw.pParameter = data;
	kw.ulParameterLen = 7;
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, once(OP_ENCRYPT, &kw, key, data, 16, out, &n));
	/* an IV of one's own, then none: the ready context must not keep it */
	kw.ulParameterLen = 8;
	n = BIG;
	CHECK_RV(CKR_OK, once(OP_ENCRYPT, &kw, key, data, 16, out, &n));
	want = openssl_cipher("AES-256-WRAP", 1, data, data, 1, data, 16, ref);
	CHECK(same(out, n, ref, want));
	kw.ulParameterLen = 0;
	n = BIG;
	CHECK_RV(CKR_OK, once(OP_ENCRYPT, &kw, key, data, 16, out, &n));
	want = openssl_cipher("AES-256-WRAP", 1, data, NULL, 1, data, 16, ref);
	CHECK(same(out, n, ref, want));
	object_put(key);
}

/* RFC 3394 4.1; RFC 5649 6, second example */
static void
test_key_wrap_vectors(void)
{
	CK_MECHANISM kw = mechanism(CKM_AES_KEY_WRAP, NULL, 0), kwp = mechanism(CKM_AES_KEY_WRAP_KWP, NULL, 0);
	uint8_t key[32], text[32];
	struct object *k;
	size_t n = BIG;

	unhex("000102030405060708090a0b0c0d0e0f", key);
	unhex("00112233445566778899aabbccddeeff", text);
	unhex("1fa68b0a8112b447aef34bd8fb5a7b829d3e862371d2cfe5", ref);
	k = secret_object(CKK_AES, key, 16);
	CHECK_RV(CKR_OK, once(OP_ENCRYPT, &kw, k, text, 16, out, &n));
	CHECK(same(out, n, ref, 24));
	object_put(k);
	unhex("5840df6e29b02af1ab493b705bf16ea1ae8338f4dcc176a8", key);
	unhex("466f7250617369", text);
	unhex("afbeb0f07dfbf5419200f2ccb50bb24f", ref);
	k = secret_object(CKK_AES, key, 24);
	n = BIG;
	CHECK_RV(CKR_OK, once(OP_ENCRYPT, &kwp, k, text, 7, out, &n));
	CHECK(same(out, n, ref, 16));
	object_put(k);
}

static void
test_wrong_keys(void)
{
	CK_MECHANISM m = mechanism(CKM_AES_ECB, NULL, 0);
	struct object *generic = secret_object(CKK_GENERIC_SECRET, data, 16);
	struct object *aes = secret_object(CKK_AES, data, 16);
	struct op *op;

	CHECK_RV(CKR_KEY_TYPE_INCONSISTENT, op_begin(&op, OP_ENCRYPT, &m, generic));
	CHECK(op == NULL);
	CHECK_RV(CKR_MECHANISM_INVALID, op_begin(&op, OP_SIGN, &m, aes));
	attrs_set_bool(&aes->attrs, CKA_ENCRYPT, false);
	CHECK_RV(CKR_KEY_FUNCTION_NOT_PERMITTED, op_begin(&op, OP_ENCRYPT, &m, aes));
	CHECK_RV(CKR_OK, op_begin(&op, OP_DECRYPT, &m, aes));
	CHECK(op_key(op) == aes && op_mechanism(op) == CKM_AES_ECB && !op_needs_context_login(op));
	op_end(op);
	attrs_set_bool(&aes->attrs, CKA_ALWAYS_AUTHENTICATE, true);
	CHECK_RV(CKR_OK, op_begin(&op, OP_DECRYPT, &m, aes));
	CHECK(op_needs_context_login(op));
	object_put(aes); /* the operation keeps its key */
	op_end(op);
	object_put(generic);
}

/* More operations at once with one key than are kept ready. */
static void
test_many_at_once(void)
{
	CK_MECHANISM m = mechanism(CKM_SHA256_HMAC, NULL, 0);
	struct object *key = secret_object(CKK_GENERIC_SECRET, data, 32);
	struct op *ops[20];
	CK_ULONG n;

	EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, data, 32, data, 100, ref, 64, NULL);
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 20; i++) {
			CHECK_RV(CKR_OK, op_begin(&ops[i], OP_SIGN, &m, key));
			CHECK_RV(CKR_OK, op_update(ops[i], data, (size_t)i, NULL, NULL));
		}
		for (int i = 0; i < 20; i++) {
			n = 32;
			CHECK_RV(CKR_OK, op_update(ops[i], data + i, 100 - (size_t)i, NULL, NULL));
			CHECK_RV(CKR_OK, op_final(ops[i], out, &n));
			CHECK(same(out, n, ref, 32));
			op_end(ops[i]);
		}
		CHECK_RV(CKR_OK, op_begin(&ops[0], OP_SIGN, &m, key)); /* given up half-way */
		CHECK_RV(CKR_OK, op_update(ops[0], data, 5, NULL, NULL));
		op_end(ops[0]);
	}
	object_put(key);
}

static void
test_random(void)
{
	uint8_t a[64] = {0}, b[64] = {0};

	CHECK_RV(CKR_OK, random_bytes(a, 64));
	CHECK_RV(CKR_OK, random_bytes(b, 64));
	CHECK(memcmp(a, b, 64) != 0);
	CHECK_RV(CKR_OK, random_bytes(NULL, 0));
}

int
main(void)
{
	CHECK_RV(CKR_OK, secret_start());
	RAND_bytes(data, sizeof(data));
	test_digests();
	test_lengths_and_ends();
	test_state();
	test_hmac();
	test_hmac_vector();
	test_cmac();
	test_aes_modes();
	test_cbc_pad_refusals();
	test_ctr_overflow();
	test_gcm();
	test_gcm_vector();
	test_gcm_params();
	test_key_wrap();
	test_key_wrap_vectors();
	test_wrong_keys();
	test_many_at_once();
	test_random();
	return unit_done("op");
}
