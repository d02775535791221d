/* GMAC, Poly1305, CMAC with DES, CBC-MAC, BLAKE2b: against OpenSSL by other ways than the store takes, and published
 * answers. */
#include "cipher_help.h"

static void
test_gmac(void)
{
	uint8_t zeros[16] = {0};
	CK_MECHANISM m = mechanism(CKM_AES_GMAC, zeros, 12);
	struct object *key = secret_object(CKK_AES, zeros, 16);
	CK_GCM_PARAMS bytes;
	OSSL_PARAM iv[2];
	struct op *op;
	size_t n = 16;
	char name[16];

	/* the GCM specification (McGrew, Viega), test case 1 */
	unhex("58e2fccefa7e3061367f1d57a4e7455a", ref);
	CHECK_RV(CKR_OK, once(OP_SIGN, &m, key, NULL, 0, out, &n));
	CHECK(same(out, n, ref, 16));
	object_put(key);
	for (size_t bits = 128; bits <= 256; bits += 64) {
		key = secret_object(CKK_AES, data + bits, bits / 8);
		snprintf(name, sizeof(name), "AES-%zu-GCM", bits);
		for (size_t len = 0; len < 200; len += 7) { /* each with another IV, in the same ready context */
			m.pParameter = data + len;
			iv[0] = OSSL_PARAM_construct_octet_string("iv", data + len, 12);
			iv[1] = OSSL_PARAM_construct_end();
			CHECK(EVP_Q_mac(lib, "GMAC", NULL, name, iv, data + bits, bits / 8, data, len, ref, 64, &n) != NULL);
			CHECK_RV(CKR_OK, once(OP_SIGN, &m, key, data, len, out, &n));
			CHECK(same(out, n, ref, 16));
			CHECK_RV(CKR_OK, parts(OP_SIGN, &m, key, data, len, out, &n));
			CHECK(same(out, n, ref, 16));
			CHECK_RV(CKR_OK, verify(&m, key, data, len, ref, 16));
			CHECK_RV(CKR_SIGNATURE_INVALID, verify(&m, key, data + 1, len, len > 0 ? ref : data, 16));
			CHECK_RV(CKR_SIGNATURE_LEN_RANGE, verify(&m, key, data, len, ref, 12));
		}
		m.ulParameterLen = 11;
		CHECK_RV(CKR_MECHANISM_PARAM_INVALID, op_begin(&op, OP_SIGN, &m, key));
		memcpy(&bytes, data, sizeof(bytes)); /* random ones are no structure */
		m.pParameter = &bytes;
		m.ulParameterLen = sizeof(bytes);
		CHECK_RV(CKR_MECHANISM_PARAM_INVALID, op_begin(&op, OP_SIGN, &m, key));
		m.ulParameterLen = 12;
		object_put(key);
	}
}

/* RFC 8439 2.5.2 */
static void
test_poly1305(void)
{
	static const char text[] = "Cryptographic Forum Research Group";
	CK_MECHANISM m = mechanism(CKM_POLY1305, NULL, 0);
	uint8_t key[32];
	struct object *o;
	size_t n = 16;

	CHECK(mech_offered(mech_find(CKM_POLY1305), true) && !mech_offered(mech_find(CKM_POLY1305), false));
	unhex("85d6be7857556d337f4452fe42d506a80103808afb0db2fd4abff6af4149f51b", key);
	unhex("a8061dc1305136c6c22b8baf0c0127a9", ref);
	o = secret_object(CKK_POLY1305, key, 32);
	CHECK_RV(CKR_OK, once(OP_SIGN, &m, o, (const uint8_t *)text, strlen(text), out, &n));
	CHECK(same(out, n, ref, 16));
	object_put(o);
	o = secret_object(CKK_POLY1305, data, 32);
	for (size_t len = 0; len < 100; len++) { /* the ready context must begin anew */
		CHECK(EVP_Q_mac(lib, "POLY1305", NULL, NULL, NULL, data, 32, data, len, ref, 64, &n) != NULL);
		CHECK_RV(CKR_OK, parts(OP_SIGN, &m, o, data, len, out, &n));
		CHECK(same(out, n, ref, 16));
		CHECK_RV(CKR_OK, verify(&m, o, data, len, ref, 16));
	}
	m.pParameter = data;
	m.ulParameterLen = 4;
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, once(OP_SIGN, &m, o, data, 5, out, &n));
	object_put(o);
}

/* SP 800-38B D.4 and D.5: CMAC with three and two keys; and OpenSSL */
static void
test_des_cmac(void)
{
	static const struct {
		CK_KEY_TYPE type;
		const char *key, *text, *mac;
	} known[] = {
		{CKK_DES3, "8aa83bf8cbda10620bc1bf19fbb6cd58bc313d4a371ca8b5", "", "b7a688e122ffaf95"},
		{CKK_DES3, "8aa83bf8cbda10620bc1bf19fbb6cd58bc313d4a371ca8b5", "6bc1bee22e409f96", "8e8f293136283797"},
		{CKK_DES2, "4cf15134a2850dd58a3d10ba80570d38", "", "bd2ebf9a3ba00361"},
		{CKK_DES2, "4cf15134a2850dd58a3d10ba80570d38", "6bc1bee22e409f96", "4ff2ab813c53ce83"},
	};
	CK_MECHANISM m = mechanism(CKM_DES3_CMAC, NULL, 0), g = mechanism(CKM_DES3_CMAC_GENERAL, NULL, 0);
	CK_ULONG four = 4, nine = 9;
	uint8_t key[24], text[8];
	struct object *o;
	size_t n, len;

	for (size_t i = 0; i < 4; i++) {
		o = secret_object(known[i].type, key, unhex(known[i].key, key));
		len = unhex(known[i].text, text);
		unhex(known[i].mac, ref);
		n = 8;
		CHECK_RV(CKR_OK, once(OP_SIGN, &m, o, text, len, out, &n));
		CHECK(same(out, n, ref, 8));
		CHECK_RV(CKR_OK, verify_parts(&m, o, text, len, ref, 8));
		g.pParameter = &four;
		g.ulParameterLen = sizeof(four);
		CHECK_RV(CKR_OK, verify(&g, o, text, len, ref, 4));
		g.pParameter = &nine;
		CHECK_RV(CKR_MECHANISM_PARAM_INVALID, verify(&g, o, text, len, ref, 8));
		object_put(o);
	}
	o = secret_object(CKK_DES3, data, 24);
	for (len = 0; len < 50; len++) {
		CHECK(EVP_Q_mac(lib, "CMAC", NULL, "DES-EDE3-CBC", NULL, data, 24, data, len, ref, 64, &n) != NULL);
		CHECK_RV(CKR_OK, parts(OP_SIGN, &m, o, data, len, out, &n));
		CHECK(same(out, n, ref, 8));
	}
	object_put(o);
}

/* CBC-MAC is the last block of CBC over the text and zeros. */
static void
test_cbc_mac(void)
{
	static const struct {
		CK_KEY_TYPE type;
		CK_MECHANISM_TYPE mac, general;
		const char *cipher;
		size_t len, block;
	} macs[] = {
		{CKK_AES, CKM_AES_MAC, CKM_AES_MAC_GENERAL, "AES-128-CBC", 16, 16},
		{CKK_AES, CKM_AES_MAC, CKM_AES_MAC_GENERAL, "AES-256-CBC", 32, 16},
		{CKK_DES3, CKM_DES3_MAC, CKM_DES3_MAC_GENERAL, "DES-EDE3-CBC", 24, 8},
		{CKK_DES2, CKM_DES3_MAC, CKM_DES3_MAC_GENERAL, "DES-EDE-CBC", 16, 8},
	};
	uint8_t padded[5016], iv[16] = {0}, mac[16];

	for (size_t i = 0; i < 4; i++) {
		struct object *o = secret_object(macs[i].type, data, macs[i].len);
		CK_ULONG all = macs[i].block, more = macs[i].block + 1;
		CK_MECHANISM m = mechanism(macs[i].mac, NULL, 0), g = mechanism(macs[i].general, &all, sizeof(all));
		size_t n = 16, whole;

		CHECK(mech_find(macs[i].mac) == NULL);
		mech_set_legacy(true);
		CHECK_RV(CKR_DATA_LEN_RANGE, once(OP_SIGN, &m, o, data, 0, out, &n));
		for (size_t len = 1; len < 5000; len += len < 100 ? 1 : 631) {
			memset(padded, 0, sizeof(padded));
			memcpy(padded, data, len);
			whole = (len + all - 1) / all * all;
			openssl_cipher(macs[i].cipher, 1, data, iv, 0, padded, whole, ref);
			memcpy(mac, ref + whole - all, all);
			n = 16;
			CHECK_RV(CKR_OK, once(OP_SIGN, &g, o, data, len, out, &n));
			CHECK(same(out, n, mac, all));
			CHECK_RV(CKR_OK, parts(OP_SIGN, &m, o, data, len, out, &n));
			CHECK(same(out, n, mac, all / 2));
			CHECK_RV(CKR_OK, verify_parts(&m, o, data, len, mac, all / 2));
		}
		g.pParameter = &more;
		CHECK_RV(CKR_MECHANISM_PARAM_INVALID, once(OP_SIGN, &g, o, data, 5, out, &n));
		object_put(o);
		mech_set_legacy(false);
	}
}

/* ---- BLAKE2b ---- */

static const struct {
	CK_MECHANISM_TYPE digest;
	CK_KEY_TYPE key;
	size_t size;
	const char *abc; /* of "abc": RFC 7693 A for 64 bytes; the shorter ones with Python's hashlib.blake2b */
} blakes[] = {
	{CKM_BLAKE2B_160, CKK_BLAKE2B_160_HMAC, 20, "384264f676f39536840523f284921cdc68b6846b"},
	{CKM_BLAKE2B_256, CKK_BLAKE2B_256_HMAC, 32, "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319"},
	{CKM_BLAKE2B_384, CKK_BLAKE2B_384_HMAC, 48, 
		"6f56a82c8e7ef526dfe182eb5212f7db9df1317e57815dbda46083fc30f54ee6c66ba83be64b302d7cba6ce15bb556f4"},
	{CKM_BLAKE2B_512, CKK_BLAKE2B_512_HMAC, 64,
		"ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d17d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925a"
		"b92386edd4009923"},
};

/* HMAC with Python: hmac.new(b"k" * n, b"abc", lambda: hashlib.blake2b(digest_size=size)) for n = 20 and n = 200 */
static const char *const blake_macs[][2] = {
	{"4aefc665f764aeb6c41ef85579f8a53cb3ea6af6",
		"d4021e1db72124b040243f0a3921fc5efa6912d7"},
	{"2b60f038554ee053253438de650d89fc787a05d269ed83e2e93874dc82ac701c",
		"7454558135e56cf55876d024f3592530673b954743a9f3e25b4caf80cfcc1228"},
	{"19665374cd558cfc45f0d5991c54e71c37db8b1825733dad2fa6cb8739c83dc5fd0f6cd4931eebd3b4c98d4732f7c4ea",
		"d9c69c8f4c0fc32c62292d9b2729997b928129f4c39108fa6c2fb37e44a90a395071312af64ee6c57581fa16876bc14f"},
	{"4cae406068c40f9bdccc09b8de73fe83c6aa331a80c7b7dbb75101d4695af99b09014f33c736c2794741090b5dc3168bc529337c946e1b57d53087c9b6845052",
		"047f6ef3d5b3c31b5d2d1a987e4ac9261d92541cab6a0906b85934f5ca6e4090d514d6a86455931e7c35094b86857777fa968eaac0d1a65a6416f6dd0cf096dd"},
};

static void
test_blake2b(void)
{
	CK_ULONG five = 5, many = 65;
	uint8_t key[200], md[64];
	size_t n, want;

	memset(key, 'k', sizeof(key));
	for (size_t i = 0; i < 4; i++) {
		CK_MECHANISM m = mechanism(blakes[i].digest, NULL, 0), h = mechanism(blakes[i].digest + 1, NULL, 0);
		CK_MECHANISM g = mechanism(blakes[i].digest + 2, &five, sizeof(five));

		if (mech_find(m.mechanism) == NULL) { /* a matter of OpenSSL's version, and of all four together */
			CHECK(i < 3 && mech_find(h.mechanism) == NULL && mech_find(g.mechanism) == NULL &&
				mech_find(blakes[i].digest + 4) == NULL);
			continue;
		}
		CHECK(mech_find(blakes[i].digest + 4) != NULL);
		want = unhex(blakes[i].abc, md);
		CHECK_RV(CKR_OK, (n = 64, once(OP_DIGEST, &m, NULL, (const uint8_t *)"abc", 3, out, &n)));
		CHECK(same(out, n, md, want) && n == blakes[i].size);
		for (size_t k = 0; k < 2; k++) {
			struct object *o = secret_object(k == 0 ? blakes[i].key : CKK_GENERIC_SECRET, key, k == 0 ? 20 : 200);

			want = unhex(blake_macs[i][k], md);
			CHECK_RV(CKR_OK, (n = 64, once(OP_SIGN, &h, o, (const uint8_t *)"abc", 3, out, &n)));
			CHECK(same(out, n, md, want));
			CHECK_RV(CKR_OK, verify_parts(&h, o, (const uint8_t *)"abc", 3, md, want));
			g.pParameter = &five;
			CHECK_RV(CKR_OK, verify(&g, o, (const uint8_t *)"abc", 3, md, 5));
			g.pParameter = &many;
			CHECK_RV(CKR_MECHANISM_PARAM_INVALID, verify(&g, o, (const uint8_t *)"abc", 3, md, 5));
			object_put(o);
		}
	}
	for (size_t len = 0; len < 600; len += 37) {
		CK_MECHANISM m = mechanism(CKM_BLAKE2B_512, NULL, 0), h = mechanism(CKM_BLAKE2B_512_HMAC, NULL, 0);
		struct object *o = secret_object(CKK_GENERIC_SECRET, data, 1 + len);

		CHECK(EVP_Q_digest(lib, "BLAKE2B-512", NULL, data, len, ref, &want) == 1);
		CHECK_RV(CKR_OK, parts(OP_DIGEST, &m, NULL, data, len, out, &n));
		CHECK(same(out, n, ref, want));
		CHECK(EVP_Q_mac(lib, "HMAC", NULL, "BLAKE2B-512", NULL, data, 1 + len, data, len, ref, 64, &want) != NULL);
		CHECK_RV(CKR_OK, parts(OP_SIGN, &h, o, data, len, out, &n));
		CHECK(same(out, n, ref, want));
		object_put(o);
	}
}

int
main(void)
{
	cipher_start();
	test_gmac();
	test_poly1305();
	test_des_cmac();
	test_cbc_mac();
	test_blake2b();
	cipher_end();
	return unit_done("mac");
}
