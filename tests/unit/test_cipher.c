/* XTS, ciphertext stealing, CFB1, ChaCha20, DES, MD5: against OpenSSL by other ways than the store takes, and published
 * answers. */
#include "cipher_help.h"

/* Both directions, at once and in parts; want bytes in ref. */
static void
both_ways(const CK_MECHANISM *m, struct object *key, const uint8_t *in, size_t n, size_t want)
{
	size_t have = want, back = n;

	CHECK_RV(CKR_OK, once(OP_ENCRYPT, m, key, in, n, out, &have));
	CHECK(same(out, have, ref, want));
	CHECK_RV(CKR_OK, once(OP_DECRYPT, m, key, ref, want, out, &back));
	CHECK(same(out, back, in, n));
	if (n > BIG)
		return;
	CHECK_RV(CKR_OK, parts(OP_ENCRYPT, m, key, in, n, out, &have));
	CHECK(same(out, have, ref, want));
	CHECK_RV(CKR_OK, parts(OP_DECRYPT, m, key, ref, want, out, &back));
	CHECK(same(out, back, in, n));
}

static void
test_xts(void)
{
	CK_MECHANISM m = mechanism(CKM_AES_XTS, data + 200, 16);
	struct object *key;
	size_t n = 15;
	struct attrs a = {0};

	for (size_t len = 32; len <= 64; len += 32) {
		key = secret_object(CKK_AES_XTS, data + len, len);
		for (size_t i = 16; i <= 4096; i += i < 70 ? 1 : 671) {
			openssl_cipher(len == 32 ? "AES-128-XTS" : "AES-256-XTS", 1, data + len, data + 200, 2, data, i, ref);
			both_ways(&m, key, data, i, i);
		}
		openssl_cipher(len == 32 ? "AES-128-XTS" : "AES-256-XTS", 1, data + len, data + 200, 2, big, MANY, ref);
		both_ways(&m, key, big, MANY, MANY);
		CHECK_RV(CKR_DATA_LEN_RANGE, once(OP_ENCRYPT, &m, key, data, 15, out, &n));
		CHECK_RV(CKR_ENCRYPTED_DATA_LEN_RANGE, once(OP_DECRYPT, &m, key, data, 0, out, &n));
		CHECK_RV(CKR_DATA_LEN_RANGE, parts(OP_ENCRYPT, &m, key, data, 15, out, &n));
		m.ulParameterLen = 15;
		CHECK_RV(CKR_MECHANISM_PARAM_INVALID, once(OP_ENCRYPT, &m, key, data, 32, out, &n));
		m.ulParameterLen = 16;
		object_put(key);
	}
	/* halves that are the same make XTS a weaker mode: no such key is made or used */
	memcpy(ref, data, 16);
	memcpy(ref + 16, data, 16);
	key = secret_object(CKK_AES_XTS, ref, 32);
	n = 64;
	CHECK_RV(CKR_ATTRIBUTE_VALUE_INVALID, once(OP_ENCRYPT, &m, key, data, 32, out, &n));
	object_put(key);
	attrs_set_ulong(&a, CKA_CLASS, CKO_SECRET_KEY);
	attrs_set_ulong(&a, CKA_KEY_TYPE, CKK_AES_XTS);
	attrs_set(&a, CKA_VALUE, ref, 32);
	CHECK_RV(CKR_ATTRIBUTE_VALUE_INVALID, key_check(&a));
	attrs_set(&a, CKA_VALUE, data, 48);
	CHECK_RV(CKR_ATTRIBUTE_VALUE_INVALID, key_check(&a));
	attrs_set(&a, CKA_VALUE, data, 64);
	CHECK_RV(CKR_OK, key_check(&a));
	attrs_free(&a);
}

/* IEEE 1619-2007, annex B, vectors 2 and 15 */
static void
test_xts_vectors(void)
{
	static const struct {
		const char *key, *unit, *text, *coded;
	} known[] = {
		{"1111111111111111111111111111111122222222222222222222222222222222", "33333333330000000000000000000000",
			"4444444444444444444444444444444444444444444444444444444444444444",
			"c454185e6a16936e39334038acef838bfb186fff7480adc4289382ecd6d394f0"},
		{"fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0bfbebdbcbbbab9b8b7b6b5b4b3b2b1b0", "9a785634120000000000000000000000",
			"000102030405060708090a0b0c0d0e0f10", "6c1625db4671522d3d7599601de7ca09ed"},
	};

	for (size_t i = 0; i < 2; i++) {
		uint8_t key[32], unit[16], text[32];
		CK_MECHANISM m = mechanism(CKM_AES_XTS, unit, 16);
		struct object *o;
		size_t n;

		unhex(known[i].key, key);
		unhex(known[i].unit, unit);
		n = unhex(known[i].text, text);
		unhex(known[i].coded, ref);
		o = secret_object(CKK_AES_XTS, key, 32);
		both_ways(&m, o, text, n, n);
		object_put(o);
	}
}

/* Ciphertext stealing put together from CBC: SP 800-38A addendum, CBC-CS1: the text padded by zeros is encrypted, and of the
 * last block but one only what the text was long goes out. */
static void
test_cts(void)
{
	uint8_t padded[BIG + 16], *c = ref + BIG + 64;
	CK_MECHANISM m = mechanism(CKM_AES_CTS, data + 100, 16);
	size_t n = 15;
	char name[16];

	for (size_t bits = 128; bits <= 256; bits += 64) {
		struct object *key = secret_object(CKK_AES, data + bits, bits / 8);

		snprintf(name, sizeof(name), "AES-%zu-CBC", bits);
		for (size_t len = 16; len < 200; len += len < 70 ? 1 : 13) {
			size_t rest = len % 16, full = len - rest;

			memset(padded, 0, sizeof(padded));
			memcpy(padded, data, len);
			openssl_cipher(name, 1, data + bits, data + 100, 0, padded, rest > 0 ? full + 16 : full, c);
			memcpy(ref, c, rest > 0 ? full - 16 + rest : full);
			if (rest > 0)
				memcpy(ref + full - 16 + rest, c + full, 16);
			both_ways(&m, key, data, len, len);
		}
		CHECK_RV(CKR_DATA_LEN_RANGE, once(OP_ENCRYPT, &m, key, data, 15, out, &n));
		object_put(key);
	}
}

/* RFC 3962 appendix B, second text; Kerberos has the last two blocks in the other order (CBC-CS3) */
static void
test_cts_vector(void)
{
	uint8_t iv[16] = {0}, text[17];
	CK_MECHANISM m = mechanism(CKM_AES_CTS, iv, 16);
	struct object *key = secret_object(CKK_AES, (const uint8_t *)"chicken teriyaki", 16);

	memcpy(text, "I would like the ", 17);
	unhex("97c6353568f2bf8cb4d8a580362da7ff7f", ref);
	both_ways(&m, key, text, 17, 17);
	object_put(key);
}

static void
test_cfb1(void)
{
	CK_MECHANISM m = mechanism(CKM_AES_CFB1, data + 100, 16);
	struct object *key = secret_object(CKK_AES, data, 16);

	for (size_t len = 0; len < 100; len++) {
		openssl_cipher("AES-128-CFB1", 1, data, data + 100, 0, data, len, ref);
		both_ways(&m, key, data, len, len);
	}
	object_put(key);
}

/* ---- ChaCha20 ---- */

/* Block after block by OpenSSL, with the counter made here. */
static void
chacha_blocks(const uint8_t *key, uint64_t counter, bool wide, const uint8_t *nonce, const uint8_t *in, size_t n, uint8_t *to)
{
	uint8_t iv[16];

	for (size_t at = 0; at < n; at += 64, counter++) {
		memcpy(iv, &counter, 8);
		memcpy(iv + (wide ? 8 : 4), nonce, wide ? 8 : 12);
		openssl_cipher("ChaCha20", 1, key, iv, 0, in + at, n - at < 64 ? n - at : 64, to + at);
	}
}

static void
test_chacha20(void)
{
	uint64_t counter = 7, late = 0xFFFFFFF0u, last = UINT64_MAX - 1;
	CK_CHACHA20_PARAMS p = {(uint8_t *)&counter, 32, data + 300, 96}, wide = {(uint8_t *)&late, 64, data + 300, 64};
	CK_MECHANISM m = mechanism(CKM_CHACHA20, &p, sizeof(p)), w = mechanism(CKM_CHACHA20, &wide, sizeof(wide));
	struct object *key = secret_object(CKK_CHACHA20, data + 9, 32);
	struct op *op;
	size_t n = BIG;
	CK_ULONG l;

	for (size_t len = 0; len < 5000; len += len < 200 ? 1 : 777) {
		chacha_blocks(data + 9, 7, false, data + 300, data, len, ref);
		both_ways(&m, key, data, len, len);
		chacha_blocks(data + 9, late, true, data + 300, data, len, ref); /* past 32 bits */
		both_ways(&w, key, data, len, len);
	}
	chacha_blocks(data + 9, 7, false, data + 300, big, MANY, ref);
	both_ways(&m, key, big, MANY, MANY);
	/* a counter of 32 bits does not come round, nor one of 64 */
	counter = 0xFFFFFFFE;
	CHECK_RV(CKR_OK, once(OP_ENCRYPT, &m, key, data, 128, out, &n));
	n = BIG;
	CHECK_RV(CKR_DATA_LEN_RANGE, once(OP_ENCRYPT, &m, key, data, 129, out, &n));
	CHECK_RV(CKR_OK, op_begin(&op, OP_DECRYPT, &m, key));
	l = BIG;
	CHECK_RV(CKR_OK, op_update(op, data, 100, out, &l));
	l = BIG;
	CHECK_RV(CKR_ENCRYPTED_DATA_LEN_RANGE, op_update(op, data, 29, out, &l));
	op_end(op);
	wide.pBlockCounter = (uint8_t *)&last;
	CHECK_RV(CKR_OK, once(OP_ENCRYPT, &w, key, data, 128, out, &n));
	n = BIG;
	CHECK_RV(CKR_DATA_LEN_RANGE, once(OP_ENCRYPT, &w, key, data, 129, out, &n));
	/* parameters */
	p.blockCounterBits = 64;
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, op_begin(&op, OP_ENCRYPT, &m, key));
	p.blockCounterBits = 32;
	p.ulNonceBits = 192;
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, op_begin(&op, OP_ENCRYPT, &m, key));
	p.ulNonceBits = 96;
	p.pNonce = NULL;
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, op_begin(&op, OP_ENCRYPT, &m, key));
	m.ulParameterLen = 12;
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, op_begin(&op, OP_ENCRYPT, &m, key));
	CHECK(op == NULL);
	object_put(key);
}

/* RFC 8439 2.4.2 */
static void
test_chacha20_vector(void)
{
	static const char text[] = "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the "
		"future, sunscreen would be it.";
	uint8_t key[32], nonce[12] = {0, 0, 0, 0, 0, 0, 0, 0x4A}, counter[4] = {1};
	CK_CHACHA20_PARAMS p = {counter, 32, nonce, 96};
	CK_MECHANISM m = mechanism(CKM_CHACHA20, &p, sizeof(p));
	struct object *o;
	size_t n;

	for (uint8_t i = 0; i < 32; i++)
		key[i] = i;
	o = secret_object(CKK_CHACHA20, key, 32);
	n = unhex("6e2e359a2568f98041ba0728dd0d6981e97e7aec1d4360c20a27afccfd9fae0bf91b65c5524733ab8f593dabcd62b3571639d624"
		"e65152ab8f530c359f0861d807ca0dbf500d6a6156a38e088a22b65e52bc514d16ccf806818ce91ab77937365af90bbf74a35be6b4"
		"0b8eedf2785e42874d", ref);
	both_ways(&m, o, (const uint8_t *)text, strlen(text), n);
	object_put(o);
}

/* ---- DES ---- */

static void
test_des3(void)
{
	static const struct {
		CK_MECHANISM_TYPE type;
		const char *three, *two;
		int pad;
	} modes[] = {
		{CKM_DES3_ECB, "DES-EDE3-ECB", "DES-EDE-ECB", 0},
		{CKM_DES3_CBC, "DES-EDE3-CBC", "DES-EDE-CBC", 0},
		{CKM_DES3_CBC_PAD, "DES-EDE3-CBC", "DES-EDE-CBC", 1},
	};

	for (size_t i = 0; i < 3; i++)
		for (size_t keys = 2; keys <= 3; keys++) {
			struct object *key = secret_object(keys == 3 ? CKK_DES3 : CKK_DES2, data + 11, 8 * keys);
			CK_MECHANISM m = mechanism(modes[i].type, i > 0 ? data + 60 : NULL, i > 0 ? 8 : 0);
			const char *name = keys == 3 ? modes[i].three : modes[i].two;
			size_t n = BIG, want;

			for (size_t len = 0; len < 100; len++) {
				if (modes[i].pad == 0 && len % 8 != 0) {
					n = BIG;
					CHECK_RV(CKR_DATA_LEN_RANGE, once(OP_ENCRYPT, &m, key, data, len, out, &n));
					CHECK_RV(CKR_ENCRYPTED_DATA_LEN_RANGE, parts(OP_DECRYPT, &m, key, data, len, out, &n));
					continue;
				}
				want = openssl_cipher(name, 1, data + 11, data + 60, modes[i].pad, data, len, ref);
				both_ways(&m, key, data, len, want);
			}
			want = openssl_cipher(name, 1, data + 11, data + 60, modes[i].pad, big, MANY, ref);
			both_ways(&m, key, big, MANY, want);
			m.ulParameterLen = 7;
			m.pParameter = data;
			CHECK_RV(CKR_MECHANISM_PARAM_INVALID, once(OP_ENCRYPT, &m, key, data, 8, out, &n));
			object_put(key);
		}
}

/* Single DES and MD5 are there only when they are asked for. FIPS 81, tables B1 and C1. */
static void
test_legacy(void)
{
	static const CK_MECHANISM_TYPE types[] = {CKM_DES_ECB, CKM_DES_CBC, CKM_DES_CBC_PAD, CKM_DES_KEY_GEN, CKM_MD5,
		CKM_MD5_HMAC, CKM_MD5_HMAC_GENERAL, CKM_MD5_RSA_PKCS};
	CK_RSA_PKCS_PSS_PARAMS pss = {CKM_MD5, CKG_MGF1_SHA1, 16};
	CK_MECHANISM ecb = mechanism(CKM_DES_ECB, NULL, 0), cbc, md5 = mechanism(CKM_MD5, NULL, 0);
	CK_MECHANISM hmac = mechanism(CKM_MD5_HMAC, NULL, 0), rsa = mechanism(CKM_MD5_RSA_PKCS, NULL, 0);
	CK_MECHANISM p = mechanism(CKM_RSA_PKCS_PSS, &pss, sizeof(pss));
	uint8_t key[16], iv[8];
	struct object *o, *pub, *priv;
	EVP_MD_CTX *ctx;
	EVP_PKEY *pkey;
	size_t n = 16;
	struct op *op;

	for (size_t i = 0; i < 8; i++)
		CHECK(mech_find(types[i]) == NULL);
	CHECK_RV(CKR_MECHANISM_INVALID, op_begin(&op, OP_DIGEST, &md5, NULL));
	CHECK_RV(CKR_OK, make_pair(CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0, 2048, &pub, &priv));
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, op_begin(&op, OP_SIGN, &p, priv));
	mech_set_legacy(true);
	for (size_t i = 0; i < 8; i++)
		CHECK(mech_find(types[i]) != NULL);

	unhex("0123456789abcdef", key);
	unhex("1234567890abcdef", iv);
	o = secret_object(CKK_DES, key, 8);
	unhex("3fa40e8a984d48156a271787ab8883f9893d51ec4b563b53", ref);
	both_ways(&ecb, o, (const uint8_t *)"Now is the time for all ", 24, 24);
	cbc = mechanism(CKM_DES_CBC, iv, 8);
	unhex("e5c7cdde872bf27c43e934008c389c0f683788499a7c05f6", ref);
	both_ways(&cbc, o, (const uint8_t *)"Now is the time for all ", 24, 24);
	cbc.mechanism = CKM_DES_CBC_PAD;
	for (size_t len = 0; has_legacy && len < 40; len++) {
		size_t want = openssl_cipher("DES-CBC", 1, key, iv, 1, data, len, ref);

		both_ways(&cbc, o, data, len, want);
	}
	object_put(o);

	/* RFC 1321 A.5; RFC 2202 2 */
	unhex("900150983cd24fb0d6963f7d28e17f72", ref);
	CHECK_RV(CKR_OK, once(OP_DIGEST, &md5, NULL, (const uint8_t *)"abc", 3, out, &n));
	CHECK(same(out, n, ref, 16));
	memset(key, 0x0B, 16);
	o = secret_object(CKK_MD5_HMAC, key, 16);
	unhex("9294727a3638bb1c13f48ef8158bfc9d", ref);
	CHECK_RV(CKR_OK, once(OP_SIGN, &hmac, o, (const uint8_t *)"Hi There", 8, out, &n));
	CHECK(same(out, n, ref, 16));
	object_put(o);
	n = 256;
	CHECK_RV(CKR_OK, once(OP_SIGN, &rsa, priv, data, 100, out, &n));
	ctx = EVP_MD_CTX_new();
	pkey = openssl_public(pub);
	CHECK(EVP_DigestVerifyInit_ex(ctx, NULL, "MD5", NULL, NULL, pkey, NULL) == 1 &&
		EVP_DigestVerify(ctx, out, n, data, 100) == 1);
	CHECK_RV(CKR_OK, verify_parts(&rsa, pub, data, 100, out, n));
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(pkey);
	object_put(pub);
	object_put(priv);
	mech_set_legacy(false);
	CHECK(mech_find(CKM_MD5) == NULL);
}

/* ---- keys ---- */

static void
test_generation(void)
{
	static const struct {
		CK_MECHANISM_TYPE type;
		CK_KEY_TYPE key;
		size_t ask, len;
		CK_RV want;
	} gens[] = {
		{CKM_AES_XTS_KEY_GEN, CKK_AES_XTS, 32, 32, CKR_OK}, {CKM_AES_XTS_KEY_GEN, CKK_AES_XTS, 64, 64, CKR_OK},
		{CKM_AES_XTS_KEY_GEN, CKK_AES_XTS, 48, 0, CKR_ATTRIBUTE_VALUE_INVALID},
		{CKM_AES_XTS_KEY_GEN, CKK_AES_XTS, 0, 0, CKR_TEMPLATE_INCOMPLETE},
		{CKM_CHACHA20_KEY_GEN, CKK_CHACHA20, 0, 32, CKR_OK}, {CKM_CHACHA20_KEY_GEN, CKK_CHACHA20, 32, 32, CKR_OK},
		{CKM_CHACHA20_KEY_GEN, CKK_CHACHA20, 16, 0, CKR_ATTRIBUTE_VALUE_INVALID},
		{CKM_POLY1305_KEY_GEN, CKK_POLY1305, 0, 32, CKR_OK},
		{CKM_DES2_KEY_GEN, CKK_DES2, 0, 16, CKR_OK}, {CKM_DES3_KEY_GEN, CKK_DES3, 0, 24, CKR_OK},
		{CKM_BLAKE2B_512_KEY_GEN, CKK_BLAKE2B_512_HMAC, 40, 40, CKR_OK},
	};

	for (size_t i = 0; i < sizeof(gens) / sizeof(gens[0]); i++) {
		CK_MECHANISM m = mechanism(gens[i].type, NULL, 0);
		struct attrs a = {0};
		const struct attr *v;

		CHECK_RV(CKR_OK, mech_implies(&m, NULL, &a, NULL));
		CHECK(attrs_ulong(&a, CKA_KEY_TYPE, 0) == gens[i].key);
		if (gens[i].ask > 0)
			attrs_set_ulong(&a, CKA_VALUE_LEN, gens[i].ask);
		CHECK_RV(gens[i].want, mech_generate_key(&m, &a, NULL));
		v = attrs_get(&a, CKA_VALUE);
		CHECK((v != NULL ? v->len : 0) == gens[i].len);
		for (size_t k = 0; v != NULL && (gens[i].key == CKK_DES2 || gens[i].key == CKK_DES3) && k < v->len; k++)
			CHECK(__builtin_parity(v->value[k]) == 1);
		attrs_free(&a);
	}
}

/* PKCS#11 3.1 6.18: a block of zeros under the key */
static void
test_check_values(void)
{
	static const CK_KEY_TYPE types[] = {CKK_DES, CKK_DES2, CKK_DES3};
	uint8_t kcv[3], zeros[8] = {0}, three[24];

	for (size_t i = 0; i < 3; i++) {
		struct object *o = secret_object(types[i], data, 8 * (i + 1));

		for (size_t k = 0; k < 3; k++)
			memcpy(three + 8 * k, data + (i == 0 ? 0 : i == 1 ? 8 * (k % 2) : 8 * k), 8);
		openssl_cipher("DES-EDE3-ECB", 1, three, NULL, 0, zeros, 8, ref);
		CHECK_RV(CKR_OK, key_check_value(&o->attrs, kcv));
		CHECK(memcmp(kcv, ref, 3) == 0);
		object_put(o);
	}
}

int
main(void)
{
	cipher_start();
	test_xts();
	test_xts_vectors();
	test_cts();
	test_cts_vector();
	test_cfb1();
	test_chacha20();
	test_chacha20_vector();
	test_des3();
	test_legacy();
	test_generation();
	test_check_values();
	cipher_end();
	return unit_done("cipher");
}
