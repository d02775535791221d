/* Keys from keys: hashes, HKDF, SP 800-108, concatenation and its like, the public half; PBKDF2. Known answers
 * are from RFC 5869, RFC 6070, NIST's CAVP files and the standard's own examples; the rest is OpenSSL's word. */
#include "derive_help.h"

#include <openssl/core_names.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <pthread.h>
#include <time.h>

/* ---- hashes ---- */

static void
test_hash(void)
{
	static const struct {
		CK_MECHANISM_TYPE type;
		const char *md;
	} all[] = {{CKM_SHA1_KEY_DERIVATION, "SHA1"}, {CKM_SHA224_KEY_DERIVATION, "SHA224"},
		{CKM_SHA256_KEY_DERIVATION, "SHA256"}, {CKM_SHA384_KEY_DERIVATION, "SHA384"},
		{CKM_SHA512_KEY_DERIVATION, "SHA512"}, {CKM_SHA512_224_KEY_DERIVATION, "SHA512-224"},
		{CKM_SHA512_256_KEY_DERIVATION, "SHA512-256"}, {CKM_SHA3_224_KEY_DERIVATION, "SHA3-224"},
		{CKM_SHA3_256_KEY_DERIVATION, "SHA3-256"}, {CKM_SHA3_384_KEY_DERIVATION, "SHA3-384"},
		{CKM_SHA3_512_KEY_DERIVATION, "SHA3-512"}, {CKM_BLAKE2B_512_KEY_DERIVE, "BLAKE2b512"}};
	struct object *base = base_key(CKK_GENERIC_SECRET, "a secret", 8), *o;
	struct object *pub, *priv;
	const struct curve *p256 = curve_of_group("prime256v1");
	struct attrs t = {0};
	uint8_t md[64], des[24];
	size_t n;

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		CHECK(mech_find(all[i].type) != NULL);
		EVP_Q_digest(NULL, all[i].md, NULL, "a secret", 8, md, &n);
		expect(all[i].type, NULL, 0, base, NULL, md, n);
		ask(&t, NO_TYPE, 7);
		expect(all[i].type, NULL, 0, base, &t, md, 7);
		ask(&t, CKK_AES, 16);
		expect(all[i].type, NULL, 0, base, &t, md, 16);
		ask(&t, NO_TYPE, n + 1);
		refuse_as(CKR_ATTRIBUTE_VALUE_INVALID, all[i].type, NULL, 0, base, &t);
	}
	/* a type with several lengths must say which; one that needs more than there is */
	ask(&t, CKK_AES, 0);
	refuse_as(CKR_TEMPLATE_INCOMPLETE, CKM_SHA256_KEY_DERIVATION, NULL, 0, base, &t);
	ask(&t, CKK_AES, 17);
	refuse_as(CKR_ATTRIBUTE_VALUE_INVALID, CKM_SHA256_KEY_DERIVATION, NULL, 0, base, &t);
	ask(&t, CKK_DES3, 0);
	refuse_as(CKR_KEY_SIZE_RANGE, CKM_SHA1_KEY_DERIVATION, NULL, 0, base, &t);
	refuse_as(CKR_MECHANISM_PARAM_INVALID, CKM_SHA256_KEY_DERIVATION, md, 4, base, NULL);
	/* DES keys have odd parity */
	CHECK_RV(CKR_OK, derive_one(CKM_SHA256_KEY_DERIVATION, NULL, 0, base, &t, &o));
	EVP_Q_digest(NULL, "SHA256", NULL, "a secret", 8, md, &n);
	memcpy(des, attrs_get(&o->attrs, CKA_VALUE)->value, 24);
	for (size_t i = 0; i < 24; i++) {
		CHECK(__builtin_parity(des[i]) == 1 && (des[i] & 0xFE) == (md[i] & 0xFE));
	}
	object_put(o);
	attrs_free(&t);

	attrs_set_bool(&base->attrs, CKA_DERIVE, false);
	refuse_as(CKR_KEY_FUNCTION_NOT_PERMITTED, CKM_SHA256_KEY_DERIVATION, NULL, 0, base, NULL);
	object_put(base);
	CHECK_RV(CKR_OK, plain_pair(CKM_EC_KEY_PAIR_GEN, p256->oid, p256->oid_len, 0, &pub, &priv));
	refuse_as(CKR_KEY_TYPE_INCONSISTENT, CKM_SHA256_KEY_DERIVATION, NULL, 0, priv, NULL);
	object_put(pub);
	object_put(priv);
}

static void
test_sensitivity(void)
{
	struct object *base = hidden_key(CKK_GENERIC_SECRET, "a secret", 8), *o;
	struct attrs t = {0};

	be(&user);
	CHECK_RV(CKR_OK, derive_one(CKM_SHA256_KEY_DERIVATION, NULL, 0, base, NULL, &o));
	CHECK(object_hides(o, CKA_VALUE) && !attrs_bool(&o->attrs, CKA_EXTRACTABLE, true));
	object_put(o);
	templ(&t, CKA_VALUE_LEN, 13UL, END); /* short keys, found by trying, spell out longer ones */
	refuse_as(CKR_KEY_SIZE_RANGE, CKM_SHA256_KEY_DERIVATION, NULL, 0, base, &t);
	attrs_free(&t);
	templ(&t, CKA_SENSITIVE, NO, END);
	refuse_as(CKR_TEMPLATE_INCONSISTENT, CKM_SHA256_KEY_DERIVATION, NULL, 0, base, &t);
	be(&user_compat); /* the standard leaves it to the template */
	templ(&t, CKA_EXTRACTABLE, YES, END);
	CHECK_RV(CKR_OK, derive_one(CKM_SHA256_KEY_DERIVATION, NULL, 0, base, &t, &o));
	CHECK(!object_hides(o, CKA_VALUE) && !attrs_bool(&o->attrs, CKA_ALWAYS_SENSITIVE, true));
	object_put(o);
	be(&user);
	object_put(base);
	attrs_free(&t);
}

/* ---- HKDF ---- */

/* RFC 5869 appendix A: cases 1, 2, 3, 4, 7. */
static const struct {
	CK_MECHANISM_TYPE hash;
	const char *ikm, *salt, *info, *prk, *okm; /* salt NULL: none */
} hkdf_cases[] = {
	{CKM_SHA256, "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "000102030405060708090a0b0c",
		"f0f1f2f3f4f5f6f7f8f9", "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5",
		"3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"},
	{CKM_SHA256, "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f"
		"303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f",
		"606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f808182838485868788898a8b8c8d8e8f"
		"909192939495969798999a9b9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaabacadaeaf",
		"b0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedf"
		"e0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff",
		"06a6b88c5853361a06104c9ceb35b45cef760014904671014a193f40c15fc244",
		"b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09"
		"da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87"},
	{CKM_SHA256, "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", NULL, "",
		"19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04",
		"8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"},
	{CKM_SHA_1, "0b0b0b0b0b0b0b0b0b0b0b", "000102030405060708090a0b0c", "f0f1f2f3f4f5f6f7f8f9",
		"9b6c18c432a7bf8f0e71c8eb88f4b30baa2ba243",
		"085a01ea1b10f36933068b56efa5ad81a4f14b822f5b091568a9cdd4f155fda2c22e422478d305f3f896"},
	{CKM_SHA_1, "0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c", NULL, "",
		"2adccada18779e7c2077ad2eb19d3f3e731385dd",
		"2c91117204d745f3500d636a62f64f0ab3bae548aa53d423b0d1f27ebba6f5e5673a081d70cce7acfc48"},
};

static void
test_hkdf_rfc5869(void)
{
	uint8_t ikm[100], salt[100], info[100], prk[64], okm[100];
	struct object *base, *salt_key, *mid, *o;
	struct attrs t = {0};

	for (size_t i = 0; i < sizeof(hkdf_cases) / sizeof(hkdf_cases[0]); i++) {
		size_t n = unhex(hkdf_cases[i].ikm, ikm), prk_len = unhex(hkdf_cases[i].prk, prk);
		size_t okm_len = unhex(hkdf_cases[i].okm, okm);
		size_t salt_len = hkdf_cases[i].salt != NULL ? unhex(hkdf_cases[i].salt, salt) : 0;
		CK_HKDF_PARAMS p = {.bExtract = CK_TRUE, .bExpand = CK_TRUE, .prfHashMechanism = hkdf_cases[i].hash,
			.ulSaltType = salt_len > 0 ? CKF_HKDF_SALT_DATA : CKF_HKDF_SALT_NULL, .pSalt = salt,
			.ulSaltLen = salt_len, .pInfo = info, .ulInfoLen = unhex(hkdf_cases[i].info, info)};

		base = base_key(i % 2 ? CKK_HKDF : CKK_GENERIC_SECRET, ikm, n);
		ask(&t, NO_TYPE, okm_len);
		expect(CKM_HKDF_DERIVE, &p, sizeof(p), base, &t, okm, okm_len);
		CHECK_RV(CKR_OK, derive_one(CKM_HKDF_DATA, &p, sizeof(p), base, &t, &o));
		CHECK(value_is(o, okm, okm_len) && object_class(o) == CKO_DATA && !attrs_has(&o->attrs, CKA_VALUE_LEN));
		object_put(o);
		/* the two halves one after the other */
		p.bExpand = CK_FALSE;
		ask(&t, CKK_HKDF, prk_len);
		CHECK_RV(CKR_OK, derive_one(CKM_HKDF_DERIVE, &p, sizeof(p), base, &t, &mid));
		CHECK(value_is(mid, prk, prk_len) && object_key_type(mid) == CKK_HKDF);
		expect(CKM_HKDF_DERIVE, &p, sizeof(p), base, NULL, prk, prk_len); /* the length can be left out */
		ask(&t, NO_TYPE, prk_len - 1);
		refuse_as(CKR_ATTRIBUTE_VALUE_INVALID, CKM_HKDF_DERIVE, &p, sizeof(p), base, &t);
		p.bExpand = CK_TRUE;
		p.bExtract = CK_FALSE;
		attrs_set_bool(&mid->attrs, CKA_DERIVE, true);
		ask(&t, NO_TYPE, okm_len);
		expect(CKM_HKDF_DERIVE, &p, sizeof(p), mid, &t, okm, okm_len);
		object_put(mid);
		/* the salt as a key */
		if (salt_len > 0) {
			p.bExtract = CK_TRUE;
			p.ulSaltType = CKF_HKDF_SALT_KEY;
			p.hSaltKey = FIRST_NAMED;
			named[0] = salt_key = base_key(CKK_GENERIC_SECRET, salt, salt_len);
			expect(CKM_HKDF_DERIVE, &p, sizeof(p), base, &t, okm, okm_len);
			attrs_set_bool(&salt_key->attrs, CKA_DERIVE, false);
			refuse_as(CKR_KEY_FUNCTION_NOT_PERMITTED, CKM_HKDF_DERIVE, &p, sizeof(p), base, &t);
			named[0] = NULL;
			refuse_as(CKR_KEY_HANDLE_INVALID, CKM_HKDF_DERIVE, &p, sizeof(p), base, &t);
			object_put(salt_key);
		}
		object_put(base);
	}
	attrs_free(&t);
}

/* Every hash, the longest output, against OpenSSL's HKDF. */
static void
test_hkdf_openssl(void)
{
	static const struct {
		CK_MECHANISM_TYPE type;
		const char *md;
		size_t size;
	} all[] = {{CKM_SHA224, "SHA224", 28}, {CKM_SHA384, "SHA384", 48}, {CKM_SHA512, "SHA512", 64},
		{CKM_SHA512_256, "SHA512-256", 32}, {CKM_SHA3_224, "SHA3-224", 28}, {CKM_SHA3_512, "SHA3-512", 64}};
	static uint8_t want[255 * 64];
	struct object *base = base_key(CKK_HKDF, "input keying material", 21);
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	struct attrs t = {0};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		CK_HKDF_PARAMS p = {.bExtract = CK_TRUE, .bExpand = CK_TRUE, .prfHashMechanism = all[i].type,
			.ulSaltType = CKF_HKDF_SALT_DATA, .pSalt = (uint8_t *)"salt", .ulSaltLen = 4,
			.pInfo = (uint8_t *)"info", .ulInfoLen = 4};
		OSSL_PARAM params[] = {OSSL_PARAM_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)all[i].md, 0),
			OSSL_PARAM_octet_string(OSSL_KDF_PARAM_KEY, (char *)"input keying material", 21),
			OSSL_PARAM_octet_string(OSSL_KDF_PARAM_SALT, (char *)"salt", 4),
			OSSL_PARAM_octet_string(OSSL_KDF_PARAM_INFO, (char *)"info", 4), OSSL_PARAM_END};
		EVP_KDF_CTX *x = EVP_KDF_CTX_new(kdf);

		params[0].data_size = strlen(all[i].md);
		CHECK(EVP_KDF_derive(x, want, 255 * all[i].size, params) == 1);
		EVP_KDF_CTX_free(x);
		ask(&t, NO_TYPE, 255 * all[i].size);
		expect(CKM_HKDF_DERIVE, &p, sizeof(p), base, &t, want, 255 * all[i].size);
		ask(&t, NO_TYPE, 255 * all[i].size + 1);
		refuse_as(CKR_ATTRIBUTE_VALUE_INVALID, CKM_HKDF_DERIVE, &p, sizeof(p), base, &t);
	}
	EVP_KDF_free(kdf);
	object_put(base);
	attrs_free(&t);
}

static void
test_hkdf_refusals(void)
{
	struct object *base = base_key(CKK_HKDF, "ikm", 3), *hidden = hidden_key(CKK_HKDF, "ikm", 3), *o;
	struct object *aes = base_key(CKK_AES, "0123456789abcdef", 16);
	CK_HKDF_PARAMS p = {.bExtract = CK_TRUE, .bExpand = CK_TRUE, .prfHashMechanism = CKM_SHA256,
		.ulSaltType = CKF_HKDF_SALT_NULL};
	struct attrs t = {0};

	refuse_as(CKR_TEMPLATE_INCOMPLETE, CKM_HKDF_DERIVE, &p, sizeof(p), base, NULL);
	refuse_as(CKR_TEMPLATE_INCOMPLETE, CKM_HKDF_DATA, &p, sizeof(p), base, NULL);
	ask(&t, NO_TYPE, 16);
	refuse_as(CKR_KEY_TYPE_INCONSISTENT, CKM_HKDF_DERIVE, &p, sizeof(p), aes, &t);
	refuse_as(CKR_MECHANISM_PARAM_INVALID, CKM_HKDF_DERIVE, &p, sizeof(p) - 1, base, &t);
	refuse_as(CKR_MECHANISM_PARAM_INVALID, CKM_HKDF_DERIVE, NULL, 0, base, &t);
	p.bExtract = p.bExpand = CK_FALSE;
	refuse_as(CKR_MECHANISM_PARAM_INVALID, CKM_HKDF_DERIVE, &p, sizeof(p), base, &t);
	p.bExtract = p.bExpand = CK_TRUE;
	p.ulSaltType = 3;
	refuse_as(CKR_MECHANISM_PARAM_INVALID, CKM_HKDF_DERIVE, &p, sizeof(p), base, &t);
	p.ulSaltType = CKF_HKDF_SALT_NULL;
	p.prfHashMechanism = CKM_AES_CMAC;
	refuse_as(CKR_MECHANISM_PARAM_INVALID, CKM_HKDF_DERIVE, &p, sizeof(p), base, &t);
	p.prfHashMechanism = CKM_SHA256;
	/* data that anybody can read, from a key that nobody can */
	refuse_as(CKR_KEY_FUNCTION_NOT_PERMITTED, CKM_HKDF_DATA, &p, sizeof(p), hidden, &t);
	be(&user_compat);
	CHECK_RV(CKR_OK, derive_one(CKM_HKDF_DATA, &p, sizeof(p), hidden, &t, &o));
	object_put(o);
	be(&user);
	/* a sensitive salt makes what is derived with it sensitive */
	named[1] = hidden;
	p.ulSaltType = CKF_HKDF_SALT_KEY;
	p.hSaltKey = FIRST_NAMED + 1;
	CHECK_RV(CKR_OK, derive_one(CKM_HKDF_DERIVE, &p, sizeof(p), base, &t, &o));
	CHECK(object_hides(o, CKA_VALUE));
	object_put(o);
	ask(&t, NO_TYPE, 13);
	refuse_as(CKR_KEY_SIZE_RANGE, CKM_HKDF_DERIVE, &p, sizeof(p), base, &t);
	refuse_as(CKR_KEY_FUNCTION_NOT_PERMITTED, CKM_HKDF_DATA, &p, sizeof(p), base, &t);
	named[1] = NULL;
	object_put(base);
	object_put(hidden);
	object_put(aes);
	attrs_free(&t);
}

static void
test_hkdf_key_gen(void)
{
	CK_MECHANISM gen = {CKM_HKDF_KEY_GEN, NULL, 0};
	struct object *o = NULL;
	struct attrs t = {0};

	CHECK_RV(CKR_TEMPLATE_INCOMPLETE, make_key(&maker, &gen, &t, &o));
	templ(&t, CKA_VALUE_LEN, 48UL, END);
	CHECK_RV(CKR_OK, make_key(&maker, &gen, &t, &o));
	CHECK(object_key_type(o) == CKK_HKDF && attrs_get(&o->attrs, CKA_VALUE)->len == 48 &&
		attrs_bool(&o->attrs, CKA_DERIVE, false));
	object_put(o);
	attrs_free(&t);
}

/* ---- SP 800-108 ---- */

static CK_SP800_108_COUNTER_FORMAT r8 = {CK_FALSE, 8}, r16 = {CK_FALSE, 16}, r32 = {CK_FALSE, 32}, little = {CK_TRUE, 16};
static CK_SP800_108_DKM_LENGTH_FORMAT sum_of_keys = {CK_SP800_108_DKM_LENGTH_SUM_OF_KEYS, CK_FALSE, 32};
static CK_SP800_108_DKM_LENGTH_FORMAT sum_of_segments = {CK_SP800_108_DKM_LENGTH_SUM_OF_SEGMENTS, CK_TRUE, 16};

#define FIELD(type, v) {type, &(v), sizeof(v)}

/* NIST CAVP, KDFCTR_gen.txt (CAVS 14.4): counter before the fixed input. */
static void
test_counter_cavp(void)
{
	static const struct {
		CK_MECHANISM_TYPE prf;
		CK_KEY_TYPE type;
		CK_SP800_108_COUNTER_FORMAT *r;
		const char *ki, *fixed, *ko;
	} all[] = {
		{CKM_SHA256_HMAC, CKK_GENERIC_SECRET, &r8,
			"3edc6b5b8f7aadbd713732b482b8f979286e1ea3b8f8f99c30c884cfe3349b83",
			"98e9988bb4cc8b34d7922e1c68ad692ba2a1d9ae15149571675f17a77ad49e80"
			"c8d2a85e831a26445b1f0ff44d7084a17206b4896c8112daad18605a", "6c037652990674a07844732d0ad985f9"},
		{CKM_SHA256_HMAC, CKK_SHA256_HMAC, &r32,
			"dd1d91b7d90b2bd3138533ce92b272fbf8a369316aefe242e659cc0ae238afe0",
			"01322b96b30acd197979444e468e1c5c6859bf1b1cf951b7e725303e237e46b8"
			"64a145fab25e517b08f8683d0315bb2911d80a0e8aba17f3b413faac", "10621342bfb0fd40046c0e29f2cfdbf0"},
		{CKM_SHA256_HMAC, CKK_GENERIC_SECRET, &r32,
			"c4bedbddb66493e7c7259a3bbbc25f8c7e0ca7fe284d92d431d9cd99a0d214ac",
			"1c69c54766791e315c2cc5c47ecd3ffab87d0d273dd920e70955814c220eacac"
			"e6a5946542da3dfe24ff626b4897898cafb7db83bdff3c14fa46fd4b",
			"1da47638d6c9c4d04d74d4640bbd42ab814d9e8cc22f4326695239f96b0693f12d0dd1152cf44430"},
		{CKM_AES_CMAC, CKK_AES, &r32, "695f1b1a16c949cea51cdf2554ec9d42",
			"4fce5942832a390aa1cbe8a0bf9d202cb799e986c9d6b51f45e4d597a6b57f06"
			"a4ebfec6467335d116b7f5f9c5b954062f661820f5db2a5bbb3e0625",
			"d34b601ec18c34dfa0f9e0b7523e218bdddb9befe8d08b6c0202d75ace0dba89"},
		{CKM_AES_CMAC, CKK_AES, &r32, "d0b1b3b70b2393c48ca05159e7e28cbeadea93f28a7cdae964e5136070c45d5c",
			"dd2f151a3f173492a6fbbb602189d51ddf8ef79fc8e96b8fcbe6dabe73a35b48"
			"104f9dff2d63d48786d2b3af177091d646a9efae005bdfacb61a1214", "8c449fb474d1c1d4d2a33827103b656a"},
	};
	uint8_t ki[64], fixed[64], ko[64];
	struct attrs t = {0};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		struct object *base = base_key(all[i].type, ki, unhex(all[i].ki, ki));
		CK_PRF_DATA_PARAM fields[] = {{CK_SP800_108_ITERATION_VARIABLE, all[i].r, sizeof(*all[i].r)},
			{CK_SP800_108_BYTE_ARRAY, fixed, unhex(all[i].fixed, fixed)}};
		CK_SP800_108_KDF_PARAMS p = {.prfType = all[i].prf, .ulNumberOfDataParams = 2, .pDataParams = fields};
		size_t n = unhex(all[i].ko, ko);

		ask(&t, NO_TYPE, n);
		expect(CKM_SP800_108_COUNTER_KDF, &p, sizeof(p), base, &t, ko, n);
		object_put(base);
	}
	attrs_free(&t);
}

/* NIST CAVP: FeedbackModeNOzeroiv, counter after the iteration variable; KDFDblPipeline without counter. */
static void
test_feedback_and_pipeline_cavp(void)
{
	uint8_t ki[64], iv[64], fixed[64], ko[64];
	size_t ki_len = unhex("93f698e842eed75394d629d957e2e89c6e741f810b623c8b901e38376d068e7b", ki);
	CK_PRF_DATA_PARAM feedback_fields[] = {{CK_SP800_108_ITERATION_VARIABLE, NULL, 0}, FIELD(CK_SP800_108_COUNTER, r32),
		{CK_SP800_108_BYTE_ARRAY, fixed, 51}};
	CK_SP800_108_FEEDBACK_KDF_PARAMS feedback = {.prfType = CKM_SHA256_HMAC, .ulNumberOfDataParams = 3,
		.pDataParams = feedback_fields, .ulIVLen = 32, .pIV = iv};
	CK_PRF_DATA_PARAM pipeline_fields[] = {{CK_SP800_108_ITERATION_VARIABLE, NULL, 0},
		{CK_SP800_108_BYTE_ARRAY, fixed, 51}};
	CK_SP800_108_KDF_PARAMS pipeline = {.prfType = CKM_AES_CMAC, .ulNumberOfDataParams = 2,
		.pDataParams = pipeline_fields};
	struct object *base = base_key(CKK_GENERIC_SECRET, ki, ki_len);
	struct attrs t = {0};

	unhex("9f575d9059d3e0c0803f08112f8a806de3c3471912cdf42b095388b14b33508e", iv);
	unhex("53b89c18690e2057a1d167822e636de50be0018532c431f7f5e37f77139220d5e042599ebe266af5767ee18cd2c5c19a1f0f80", fixed);
	unhex("bd1476f43a4e315747cf5918e0ea5bc0d98769457477c3ab18b742def0e079a9"
		"33b756365afb5541f253fee43c6fd788a44041038509e9eeb68f7d65ffbb5f95", ko);
	ask(&t, NO_TYPE, 64);
	expect(CKM_SP800_108_FEEDBACK_KDF, &feedback, sizeof(feedback), base, &t, ko, 64);
	refuse_as(CKR_MECHANISM_PARAM_INVALID, CKM_SP800_108_FEEDBACK_KDF, &pipeline, sizeof(pipeline), base, &t);
	object_put(base);

	base = base_key(CKK_AES, ki, unhex("ada2452f1f141a82c7a1b7d3e09ffed1", ki));
	unhex("335660eb265d2044efa06eacd848d3f9f57d219011343318f3a964df4a6fb1bf6cbdee711c7fcbe73b8f257f992e47e8b065af", fixed);
	unhex("a73bd29176e38e761222ae07d639181f4b2c555a3b261815cde5d88a67c8b95c"
		"58b6b66ea4f10608c6d799b051519fc8e89de00cdc556350a7d966475086f9af", ko);
	expect(CKM_SP800_108_DOUBLE_PIPELINE_KDF, &pipeline, sizeof(pipeline), base, &t, ko, 64);
	object_put(base);
	attrs_free(&t);
}

/* The form that OpenSSL's KBKDF knows: [i] || label || 0 || context || [L]. */
static void
test_counter_openssl(void)
{
	CK_PRF_DATA_PARAM fields[] = {FIELD(CK_SP800_108_ITERATION_VARIABLE, r32),
		{CK_SP800_108_BYTE_ARRAY, (void *)"label", 5}, {CK_SP800_108_BYTE_ARRAY, (void *)"", 1},
		{CK_SP800_108_BYTE_ARRAY, (void *)"context", 7}, FIELD(CK_SP800_108_DKM_LENGTH, sum_of_keys)};
	CK_SP800_108_KDF_PARAMS p = {.ulNumberOfDataParams = 5, .pDataParams = fields};
	static const struct {
		CK_MECHANISM_TYPE prf;
		CK_KEY_TYPE type;
		const char *mac, *param, *alg;
		size_t key_len;
	} all[] = {{CKM_SHA_1_HMAC, CKK_SHA_1_HMAC, "HMAC", "digest", "SHA1", 20},
		{CKM_SHA384_HMAC, CKK_GENERIC_SECRET, "HMAC", "digest", "SHA384", 48},
		{CKM_SHA512_HMAC, CKK_GENERIC_SECRET, "HMAC", "digest", "SHA512", 48},
		{CKM_SHA3_256_HMAC, CKK_GENERIC_SECRET, "HMAC", "digest", "SHA3-256", 48},
		{CKM_AES_CMAC, CKK_AES, "CMAC", "cipher", "AES-192-CBC", 24},
		{CKM_DES3_CMAC, CKK_DES3, "CMAC", "cipher", "DES-EDE3-CBC", 24}};
	uint8_t key[48], want[100];
	struct attrs t = {0};

	RAND_bytes(key, sizeof(key));
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		struct object *base = base_key(all[i].type, key, all[i].key_len);
		OSSL_PARAM params[] = {OSSL_PARAM_utf8_string("mac", (char *)all[i].mac, strlen(all[i].mac)),
			OSSL_PARAM_utf8_string(all[i].param, (char *)all[i].alg, strlen(all[i].alg)),
			OSSL_PARAM_utf8_string("mode", (char *)"COUNTER", 7),
			OSSL_PARAM_octet_string("key", key, all[i].key_len), OSSL_PARAM_octet_string("salt", (char *)"label", 5),
			OSSL_PARAM_octet_string("info", (char *)"context", 7), OSSL_PARAM_END};
		EVP_KDF *kdf = EVP_KDF_fetch(NULL, "KBKDF", NULL);
		EVP_KDF_CTX *x = EVP_KDF_CTX_new(kdf);

		p.prfType = all[i].prf;
		CHECK(EVP_KDF_derive(x, want, sizeof(want), params) == 1);
		ask(&t, NO_TYPE, sizeof(want));
		expect(CKM_SP800_108_COUNTER_KDF, &p, sizeof(p), base, &t, want, sizeof(want));
		EVP_KDF_CTX_free(x);
		EVP_KDF_free(kdf);
		object_put(base);
	}
	attrs_free(&t);
}

/* Three keys at once: each begins at a segment of its own; the lengths in both ways of counting; a key as a field; by
 * HMAC alone. */
static void
test_several_keys(void)
{
	CK_KEY_TYPE aes = CKK_AES, generic = CKK_GENERIC_SECRET;
	CK_ULONG len16 = 16, len40 = 40;
	CK_BBOOL yes = CK_TRUE;
	CK_OBJECT_HANDLE second = 7, third = 7, field = FIRST_NAMED;
	CK_ATTRIBUTE t2[] = {{CKA_KEY_TYPE, &aes, sizeof(aes)}, {CKA_VALUE_LEN, &len16, sizeof(len16)},
		{CKA_TOKEN, &yes, 1}};
	CK_ATTRIBUTE t3[] = {{CKA_KEY_TYPE, &generic, sizeof(generic)}, {CKA_VALUE_LEN, &len40, sizeof(len40)},
		{CKA_TOKEN, &yes, 1}};
	CK_DERIVED_KEY more[] = {{t2, 3, &second}, {t3, 3, &third}};
	CK_PRF_DATA_PARAM fields[] = {FIELD(CK_SP800_108_DKM_LENGTH, sum_of_segments),
		FIELD(CK_SP800_108_KEY_HANDLE, field), FIELD(CK_SP800_108_ITERATION_VARIABLE, little)};
	CK_SP800_108_KDF_PARAMS p = {CKM_SHA256_HMAC, 3, fields, 2, more};
	struct object *base = base_key(CKK_GENERIC_SECRET, "the base", 8);
	struct derived_key keys[DERIVED_MAX];
	uint8_t out[5][32], in[2 + 5 + 2] = {0, 0, 'f', 'i', 'e', 'l', 'd', 0, 0}, first[48];
	struct attrs t = {0}, sub = {0};
	unsigned n = 32;
	size_t got;

	in[1] = 5 * 32 * 8 >> 8; /* little-endian: 48 bytes are 2 segments, 16 are 1, 40 are 2 */
	for (int i = 0; i < 5; i++) {
		in[7] = (uint8_t)(i + 1);
		HMAC(EVP_sha256(), "the base", 8, in, sizeof(in), out[i], &n);
	}
	memcpy(first, out[0], 32);
	memcpy(first + 32, out[1], 16);
	named[0] = base_key(CKK_GENERIC_SECRET, "field", 5);
	ask(&t, NO_TYPE, 48);
	templ(&t, CKA_TOKEN, YES, END);
	CHECK_RV(CKR_OK, derive_all(CKM_SP800_108_COUNTER_KDF, &p, sizeof(p), base, &t, keys, &got));
	CHECK(got == 3 && vault.commits == 1 && vault.puts == 3);
	CHECK(keys[0].at == NULL && keys[1].at == &second && keys[2].at == &third);
	CHECK(value_is(keys[0].object, first, 48));
	CHECK(value_is(keys[1].object, out[2], 16) && object_key_type(keys[1].object) == CKK_AES);
	CHECK(attrs_get(&keys[2].object->attrs, CKA_VALUE)->len == 40 &&
		memcmp(attrs_get(&keys[2].object->attrs, CKA_VALUE)->value, out[3], 32) == 0);
	CHECK(!object_hides(keys[1].object, CKA_VALUE)); /* as the base: left out of the template */
	for (size_t i = 0; i < got; i++)
		object_put(keys[i].object);

	/* all or none: the third cannot be, then the commit fails */
	vault.commits = 0;
	aes = CKK_AES;
	t3[0].pValue = &aes;
	CHECK_RV(CKR_ATTRIBUTE_VALUE_INVALID, derive_all(CKM_SP800_108_COUNTER_KDF, &p, sizeof(p), base, &t, keys, &got));
	CHECK(vault.commits == 0 && got == 0);
	t3[0].pValue = &generic;
	t3[1].ulValueLen = 3;
	CHECK(derive_all(CKM_SP800_108_COUNTER_KDF, &p, sizeof(p), base, &t, keys, &got) != CKR_OK);
	t3[1].ulValueLen = sizeof(len40);
	vault.answer = CKR_DEVICE_MEMORY;
	CHECK_RV(CKR_DEVICE_MEMORY, derive_all(CKM_SP800_108_COUNTER_KDF, &p, sizeof(p), base, &t, keys, &got));
	CHECK(vault.commits == 1 && got == 0);
	vault.answer = CKR_OK;
	more[1].phKey = NULL;
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, derive_all(CKM_SP800_108_COUNTER_KDF, &p, sizeof(p), base, &t, keys, &got));
	more[1].phKey = &third;

	/* the policy and the base key's template hold for each further key */
	templ(&sub, CKA_MODIFIABLE, NO, END);
	CHECK_RV(CKR_OK, attrs_set_template(&base->attrs, CKA_DERIVE_TEMPLATE, &sub));
	CHECK_RV(CKR_OK, derive_all(CKM_SP800_108_COUNTER_KDF, &p, sizeof(p), base, &t, keys, &got));
	for (size_t i = 0; i < got; i++) {
		CHECK(!attrs_bool(&keys[i].object->attrs, CKA_MODIFIABLE, true));
		object_put(keys[i].object);
	}
	t2[2] = (CK_ATTRIBUTE){CKA_MODIFIABLE, &yes, 1};
	CHECK_RV(CKR_TEMPLATE_INCONSISTENT, derive_all(CKM_SP800_108_COUNTER_KDF, &p, sizeof(p), base, &t, keys, &got));
	t2[2] = (CK_ATTRIBUTE){CKA_TOKEN, &yes, 1};
	attrs_remove(&base->attrs, CKA_DERIVE_TEMPLATE);
	attrs_set_bool(&base->attrs, CKA_SENSITIVE, true);
	CHECK_RV(CKR_OK, derive_all(CKM_SP800_108_COUNTER_KDF, &p, sizeof(p), base, &t, keys, &got));
	for (size_t i = 0; i < got; i++) {
		CHECK(attrs_bool(&keys[i].object->attrs, CKA_SENSITIVE, false));
		object_put(keys[i].object);
	}
	t3[2] = (CK_ATTRIBUTE){CKA_SENSITIVE, &(CK_BBOOL){CK_FALSE}, 1};
	CHECK_RV(CKR_TEMPLATE_INCONSISTENT, derive_all(CKM_SP800_108_COUNTER_KDF, &p, sizeof(p), base, &t, keys, &got));
	attrs_set_bool(&base->attrs, CKA_SENSITIVE, false);
	attrs_set_bool(&named[0]->attrs, CKA_SENSITIVE, true);
	CHECK_RV(CKR_TEMPLATE_INCONSISTENT, derive_all(CKM_SP800_108_COUNTER_KDF, &p, sizeof(p), base, &t, keys, &got));
	object_put(named[0]);
	named[0] = NULL;
	CHECK_RV(CKR_KEY_HANDLE_INVALID, derive_all(CKM_SP800_108_COUNTER_KDF, &p, sizeof(p), base, &t, keys, &got));
	object_put(base);
	attrs_free(&t);
}

static void
test_sp800_108_refusals(void)
{
	static uint8_t long_input[65536];
	CK_SP800_108_COUNTER_FORMAT bad = {CK_FALSE, 12};
	CK_SP800_108_DKM_LENGTH_FORMAT narrow = {CK_SP800_108_DKM_LENGTH_SUM_OF_KEYS, CK_FALSE, 8};
	CK_PRF_DATA_PARAM fields[3] = {FIELD(CK_SP800_108_ITERATION_VARIABLE, r8), {CK_SP800_108_BYTE_ARRAY, (void *)"x", 1}};
	CK_SP800_108_KDF_PARAMS p = {CKM_SHA256_HMAC, 2, fields, 0, NULL};
	struct object *base = base_key(CKK_GENERIC_SECRET, "the base", 8), *o;
	struct object *aes = base_key(CKK_AES, "0123456789abcdef", 16);
	struct attrs t = {0};

	refuse_as(CKR_TEMPLATE_INCOMPLETE, CKM_SP800_108_COUNTER_KDF, &p, sizeof(p), base, NULL);
	ask(&t, NO_TYPE, 255 * 32);
	CHECK_RV(CKR_OK, derive_one(CKM_SP800_108_COUNTER_KDF, &p, sizeof(p), base, &t, &o));
	CHECK(attrs_get(&o->attrs, CKA_VALUE)->len == 255 * 32);
	object_put(o);
	ask(&t, NO_TYPE, 255 * 32 + 1); /* 2^r - 1 segments */
	refuse_as(CKR_MECHANISM_PARAM_INVALID, CKM_SP800_108_COUNTER_KDF, &p, sizeof(p), base, &t);
	/* what would keep a thread for long: 64 KiB of key by 64 KiB of input for each block */
	fields[0] = (CK_PRF_DATA_PARAM)FIELD(CK_SP800_108_ITERATION_VARIABLE, r32);
	fields[1] = (CK_PRF_DATA_PARAM){CK_SP800_108_BYTE_ARRAY, long_input, sizeof(long_input)};
	ask(&t, NO_TYPE, 65536);
	refuse_as(CKR_MECHANISM_PARAM_INVALID, CKM_SP800_108_COUNTER_KDF, &p, sizeof(p), base, &t);
	fields[0] = (CK_PRF_DATA_PARAM)FIELD(CK_SP800_108_ITERATION_VARIABLE, r8);
	fields[1] = (CK_PRF_DATA_PARAM){CK_SP800_108_BYTE_ARRAY, (void *)"x", 1};
	ask(&t, NO_TYPE, 32);
	refuse_as(CKR_KEY_TYPE_INCONSISTENT, CKM_SP800_108_COUNTER_KDF, &p, sizeof(p), aes, &t);
	p.prfType = CKM_AES_CMAC;
	refuse_as(CKR_KEY_TYPE_INCONSISTENT, CKM_SP800_108_COUNTER_KDF, &p, sizeof(p), base, &t);
	p.prfType = CKM_SHA256;
	refuse_as(CKR_MECHANISM_PARAM_INVALID, CKM_SP800_108_COUNTER_KDF, &p, sizeof(p), base, &t);
	p.prfType = CKM_SHA256_HMAC;
	p.ulNumberOfDataParams = 1;
	expect(CKM_SP800_108_COUNTER_KDF, &p, sizeof(p), base, &t,
		HMAC(EVP_sha256(), "the base", 8, (const uint8_t *)"\1", 1, NULL, NULL), 32);
	p.pDataParams = fields + 1;
	refuse_as(CKR_MECHANISM_PARAM_INVALID, CKM_SP800_108_COUNTER_KDF, &p, sizeof(p), base, &t);
	p.pDataParams = fields;
	p.ulNumberOfDataParams = 3;
	fields[2] = fields[0];
	refuse_as(CKR_MECHANISM_PARAM_INVALID, CKM_SP800_108_COUNTER_KDF, &p, sizeof(p), base, &t);
	fields[2] = (CK_PRF_DATA_PARAM)FIELD(CK_SP800_108_COUNTER, r16);
	refuse_as(CKR_MECHANISM_PARAM_INVALID, CKM_SP800_108_COUNTER_KDF, &p, sizeof(p), base, &t);
	fields[2] = (CK_PRF_DATA_PARAM)FIELD(CK_SP800_108_DKM_LENGTH, narrow);
	refuse_as(CKR_MECHANISM_PARAM_INVALID, CKM_SP800_108_COUNTER_KDF, &p, sizeof(p), base, &t);
	fields[2] = (CK_PRF_DATA_PARAM){9, NULL, 0};
	refuse_as(CKR_MECHANISM_PARAM_INVALID, CKM_SP800_108_COUNTER_KDF, &p, sizeof(p), base, &t);
	fields[2] = (CK_PRF_DATA_PARAM){CK_SP800_108_BYTE_ARRAY, NULL, 0};
	refuse_as(CKR_MECHANISM_PARAM_INVALID, CKM_SP800_108_COUNTER_KDF, &p, sizeof(p), base, &t);
	p.ulNumberOfDataParams = 2;
	fields[0] = (CK_PRF_DATA_PARAM)FIELD(CK_SP800_108_ITERATION_VARIABLE, bad);
	refuse_as(CKR_MECHANISM_PARAM_INVALID, CKM_SP800_108_COUNTER_KDF, &p, sizeof(p), base, &t);
	object_put(base);
	object_put(aes);
	attrs_free(&t);
}

/* ---- concatenation and its like ---- */

static void
test_concat(void)
{
	static const uint8_t one[] = {0x01, 0x23, 0x45, 0x67}, two[] = {0x89, 0xAB, 0xCD, 0xEF};
	static const uint8_t both[] = {0x01, 0x23, 0x45, 0x67, 0x89, 0xAB, 0xCD, 0xEF};
	static const uint8_t turned[] = {0x89, 0xAB, 0xCD, 0xEF, 0x01, 0x23, 0x45, 0x67};
	static const uint8_t x[] = {0x88, 0x88, 0x88, 0x88};
	static const uint8_t bits[] = {0x32, 0x9F, 0x84, 0xA9}, cut[] = {0x95, 0x26}; /* PKCS#11 3.1 6.43.7 */
	CK_KEY_DERIVATION_STRING_DATA data = {(uint8_t *)two, 4};
	struct object *base = base_key(CKK_GENERIC_SECRET, one, 4), *other = base_key(CKK_GENERIC_SECRET, two, 4);
	struct object *from = base_key(CKK_GENERIC_SECRET, bits, 4), *o;
	CK_OBJECT_HANDLE h = FIRST_NAMED + 2;
	CK_ULONG at = 21;
	struct attrs t = {0};

	be(&user);
	refuse_as(CKR_MECHANISM_INVALID, CKM_CONCATENATE_BASE_AND_DATA, &data, sizeof(data), base, NULL);
	refuse_as(CKR_MECHANISM_INVALID, CKM_XOR_BASE_AND_DATA, &data, sizeof(data), base, NULL);
	refuse_as(CKR_MECHANISM_INVALID, CKM_EXTRACT_KEY_FROM_KEY, &at, sizeof(at), base, NULL);
	refuse_as(CKR_MECHANISM_INVALID, CKM_CONCATENATE_BASE_AND_KEY, &h, sizeof(h), base, NULL);
	be(&user_compat);
	named[2] = other;
	expect(CKM_CONCATENATE_BASE_AND_KEY, &h, sizeof(h), base, NULL, both, 8);
	expect(CKM_CONCATENATE_BASE_AND_DATA, &data, sizeof(data), base, NULL, both, 8);
	expect(CKM_CONCATENATE_DATA_AND_BASE, &data, sizeof(data), base, NULL, turned, 8);
	expect(CKM_XOR_BASE_AND_DATA, &data, sizeof(data), base, NULL, x, 4);
	data.ulLen = 3;
	expect(CKM_XOR_BASE_AND_DATA, &data, sizeof(data), base, NULL, x, 3);
	data.ulLen = 4;
	ask(&t, NO_TYPE, 2);
	expect(CKM_CONCATENATE_BASE_AND_DATA, &data, sizeof(data), base, &t, both, 2);
	expect(CKM_EXTRACT_KEY_FROM_KEY, &at, sizeof(at), from, &t, cut, 2);
	refuse_as(CKR_TEMPLATE_INCOMPLETE, CKM_EXTRACT_KEY_FROM_KEY, &at, sizeof(at), from, NULL);
	at = 32;
	refuse_as(CKR_MECHANISM_PARAM_INVALID, CKM_EXTRACT_KEY_FROM_KEY, &at, sizeof(at), from, &t);
	ask(&t, NO_TYPE, 9);
	refuse_as(CKR_ATTRIBUTE_VALUE_INVALID, CKM_CONCATENATE_BASE_AND_DATA, &data, sizeof(data), base, &t);
	at = 0;
	refuse_as(CKR_ATTRIBUTE_VALUE_INVALID, CKM_EXTRACT_KEY_FROM_KEY, &at, sizeof(at), from, &t);
	ask(&t, CKK_AES, 0);
	refuse_as(CKR_TEMPLATE_INCOMPLETE, CKM_CONCATENATE_BASE_AND_DATA, &data, sizeof(data), base, &t);
	refuse_as(CKR_MECHANISM_PARAM_INVALID, CKM_CONCATENATE_BASE_AND_DATA, NULL, 0, base, NULL);
	h++;
	refuse_as(CKR_KEY_HANDLE_INVALID, CKM_CONCATENATE_BASE_AND_KEY, &h, sizeof(h), base, NULL);
	h--;
	/* as sensitive as its parts, compat or not */
	attrs_set_bool(&other->attrs, CKA_SENSITIVE, true);
	CHECK_RV(CKR_OK, derive_one(CKM_CONCATENATE_BASE_AND_KEY, &h, sizeof(h), base, NULL, &o));
	CHECK(object_hides(o, CKA_VALUE) && !attrs_bool(&o->attrs, CKA_ALWAYS_SENSITIVE, true));
	object_put(o);
	attrs_free(&t);
	templ(&t, CKA_SENSITIVE, NO, END);
	refuse_as(CKR_TEMPLATE_INCONSISTENT, CKM_CONCATENATE_BASE_AND_KEY, &h, sizeof(h), base, &t);
	attrs_set_ulong(&other->attrs, CKA_START_DATE, 0);
	attrs_remove(&other->attrs, CKA_START_DATE);
	attrs_set(&other->attrs, CKA_ALLOWED_MECHANISMS, &(CK_MECHANISM_TYPE){CKM_SHA256_HMAC}, sizeof(CK_MECHANISM_TYPE));
	refuse_as(CKR_MECHANISM_INVALID, CKM_CONCATENATE_BASE_AND_KEY, &h, sizeof(h), base, NULL);
	named[2] = NULL;
	object_put(base);
	object_put(other);
	object_put(from);
	attrs_free(&t);
	be(&user);
}

static void
test_encrypt_data(void)
{
	static const struct {
		CK_MECHANISM_TYPE type;
		CK_KEY_TYPE key;
		size_t key_len;
		const char *cipher;
		int kind; /* 0 ECB, 1 DES with IV, 2 AES with IV */
	} all[] = {{CKM_AES_ECB_ENCRYPT_DATA, CKK_AES, 16, "AES-128-ECB", 0},
		{CKM_AES_ECB_ENCRYPT_DATA, CKK_AES, 24, "AES-192-ECB", 0},
		{CKM_AES_CBC_ENCRYPT_DATA, CKK_AES, 32, "AES-256-CBC", 2},
		{CKM_DES3_ECB_ENCRYPT_DATA, CKK_DES3, 24, "DES-EDE3-ECB", 0},
		{CKM_DES3_CBC_ENCRYPT_DATA, CKK_DES3, 24, "DES-EDE3-CBC", 1},
		{CKM_DES3_CBC_ENCRYPT_DATA, CKK_DES2, 16, "DES-EDE-CBC", 1}};
	uint8_t key[32], data[48], iv[16], want[64];
	CK_KEY_DERIVATION_STRING_DATA ecb = {data, 48};
	CK_DES_CBC_ENCRYPT_DATA_PARAMS des = {.pData = data, .length = 48};
	CK_AES_CBC_ENCRYPT_DATA_PARAMS aes = {.pData = data, .length = 48};
	struct attrs t = {0};
	int n;

	be(&user_compat);
	RAND_bytes(key, sizeof(key));
	RAND_bytes(data, sizeof(data));
	RAND_bytes(iv, sizeof(iv));
	memcpy(des.iv, iv, 8);
	memcpy(aes.iv, iv, 16);
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		struct object *base = base_key(all[i].key, key, all[i].key_len);
		void *param = all[i].kind == 0 ? (void *)&ecb : all[i].kind == 1 ? (void *)&des : (void *)&aes;
		size_t len = all[i].kind == 0 ? sizeof(ecb) : all[i].kind == 1 ? sizeof(des) : sizeof(aes);
		EVP_CIPHER *c = EVP_CIPHER_fetch(NULL, all[i].cipher, NULL);
		EVP_CIPHER_CTX *x = EVP_CIPHER_CTX_new();

		CHECK(c != NULL && EVP_EncryptInit_ex(x, c, NULL, key, iv) == 1 &&
			EVP_EncryptUpdate(x, want, &n, data, 48) == 1 && n == 48);
		expect(all[i].type, param, len, base, NULL, want, 48);
		ask(&t, CKK_AES, 16);
		expect(all[i].type, param, len, base, &t, want, 16);
		ask(&t, NO_TYPE, 49);
		refuse_as(CKR_ATTRIBUTE_VALUE_INVALID, all[i].type, param, len, base, &t);
		ecb.ulLen = des.length = aes.length = 47;
		refuse_as(CKR_MECHANISM_PARAM_INVALID, all[i].type, param, len, base, NULL);
		ecb.ulLen = des.length = aes.length = 48;
		refuse_as(CKR_MECHANISM_PARAM_INVALID, all[i].type, NULL, 0, base, NULL);
		be(&user);
		refuse_as(CKR_MECHANISM_INVALID, all[i].type, param, len, base, NULL);
		be(&user_compat);
		EVP_CIPHER_CTX_free(x);
		EVP_CIPHER_free(c);
		object_put(base);
	}
	attrs_free(&t);
	be(&user);
}

/* ---- the public half ---- */

static void
check_public(CK_MECHANISM_TYPE gen, const uint8_t *params, size_t len, CK_ULONG bits)
{
	struct object *pub, *priv, *o = NULL;
	struct attrs t = {0};

	CHECK_RV(CKR_OK, plain_pair(gen, params, len, bits, &pub, &priv));
	attrs_set_bool(&priv->attrs, CKA_DERIVE, false); /* whatever it may be used for */
	attrs_set_bool(&priv->attrs, CKA_DECRYPT, false);
	attrs_set(&priv->attrs, CKA_ID, "id", 2);
	CHECK_RV(CKR_OK, derive_one(CKM_PUB_KEY_FROM_PRIV_KEY, NULL, 0, priv, NULL, &o));
	CHECK(object_class(o) == CKO_PUBLIC_KEY && object_key_type(o) == object_key_type(priv));
	CHECK(attr_equal(attrs_get(&o->attrs, CKA_PUBLIC_KEY_INFO), attrs_get(&pub->attrs, CKA_PUBLIC_KEY_INFO)));
	for (size_t i = 0; i < 4; i++) {
		CK_ATTRIBUTE_TYPE type = (CK_ATTRIBUTE_TYPE[]){CKA_EC_POINT, CKA_EC_PARAMS, CKA_MODULUS,
			CKA_PUBLIC_EXPONENT}[i];

		CHECK(attrs_has(&pub->attrs, type) == attrs_has(&o->attrs, type));
		if (attrs_has(&pub->attrs, type))
			CHECK(attr_equal(attrs_get(&o->attrs, type), attrs_get(&pub->attrs, type)));
	}
	CHECK(attrs_bool(&o->attrs, CKA_VERIFY, false) && !attrs_bool(&o->attrs, CKA_ENCRYPT, true) && !o->private);
	CHECK(attrs_ulong(&o->attrs, TKA_ROLES, 0) & CKF_SIGN); /* what the private half can */
	CHECK(same(attrs_get(&o->attrs, CKA_ID)->value, attrs_get(&o->attrs, CKA_ID)->len, "id", 2));
	object_put(o);
	templ(&t, CKA_KEY_TYPE, CKK_AES, END);
	refuse_as(CKR_TEMPLATE_INCONSISTENT, CKM_PUB_KEY_FROM_PRIV_KEY, NULL, 0, priv, &t);
	refuse_as(CKR_KEY_TYPE_INCONSISTENT, CKM_PUB_KEY_FROM_PRIV_KEY, NULL, 0, pub, NULL);
	object_put(pub);
	object_put(priv);
	attrs_free(&t);
}

static void
test_public(void)
{
	static const char *const curves[] = {"prime256v1", "secp521r1", "ED25519", "X25519"};
	struct object *secret = base_key(CKK_AES, "0123456789abcdef", 16);

	check_public(CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0, 2048);
	for (size_t i = 0; i < 4; i++) {
		const struct curve *c = curve_of_group(curves[i]);

		CHECK(c != NULL);
		if (c != NULL)
			check_public(c->type == CKK_EC ? CKM_EC_KEY_PAIR_GEN : c->type == CKK_EC_EDWARDS ?
				CKM_EC_EDWARDS_KEY_PAIR_GEN : CKM_EC_MONTGOMERY_KEY_PAIR_GEN, c->oid, c->oid_len, 0);
	}
	refuse_as(CKR_KEY_TYPE_INCONSISTENT, CKM_PUB_KEY_FROM_PRIV_KEY, NULL, 0, secret, NULL);
	object_put(secret);
}

/* ---- ECDH's key derivation functions ---- */

static void
test_ecdh_kdfs(void)
{
	static const struct {
		CK_ULONG kdf;
		const char *name, *md;
	} all[] = {{CKD_SHA256_KDF, "X963KDF", "SHA256"}, {CKD_SHA3_224_KDF, "X963KDF", "SHA3-224"},
		{CKD_SHA3_256_KDF, "X963KDF", "SHA3-256"}, {CKD_SHA3_384_KDF, "X963KDF", "SHA3-384"},
		{CKD_SHA3_512_KDF, "X963KDF", "SHA3-512"}, {CKD_SHA1_KDF_SP800, "SSKDF", "SHA1"},
		{CKD_SHA256_KDF_SP800, "SSKDF", "SHA256"}, {CKD_SHA3_512_KDF_SP800, "SSKDF", "SHA3-512"}};
	const struct curve *c = curve_of_group("X25519");
	CK_ECDH1_DERIVE_PARAMS p = {.pSharedData = (uint8_t *)"shared", .ulSharedDataLen = 6};
	struct object *pub, *priv, *peer_pub, *peer_priv;
	uint8_t z[32], in[4 + 32 + 6], block[64], *counter;
	struct attrs t = {0};
	EVP_PKEY *mine, *theirs;
	EVP_PKEY_CTX *x;
	size_t n = 32, got;

	CHECK_RV(CKR_OK, plain_pair(CKM_EC_MONTGOMERY_KEY_PAIR_GEN, c->oid, c->oid_len, 0, &pub, &priv));
	CHECK_RV(CKR_OK, plain_pair(CKM_EC_MONTGOMERY_KEY_PAIR_GEN, c->oid, c->oid_len, 0, &peer_pub, &peer_priv));
	mine = openssl_public(pub);
	theirs = openssl_private(peer_priv);
	x = EVP_PKEY_CTX_new(theirs, NULL);
	CHECK(EVP_PKEY_derive_init(x) == 1 && EVP_PKEY_derive_set_peer(x, mine) == 1 && EVP_PKEY_derive(x, z, &n) == 1);
	p.pPublicData = attrs_get(&peer_pub->attrs, CKA_EC_POINT)->value;
	p.ulPublicDataLen = attrs_get(&peer_pub->attrs, CKA_EC_POINT)->len;
	ask(&t, NO_TYPE, 20); /* one block: H(Z || 1 || info), or H(1 || Z || info) */
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		bool sp800 = strcmp(all[i].name, "SSKDF") == 0;

		memset(in, 0, sizeof(in));
		counter = sp800 ? in : in + 32;
		memcpy(sp800 ? in + 4 : in, z, 32);
		counter[3] = 1;
		memcpy(in + 36, "shared", 6);
		EVP_Q_digest(NULL, all[i].md, NULL, in, sizeof(in), block, &got);
		p.kdf = all[i].kdf;
		expect(CKM_ECDH1_DERIVE, &p, sizeof(p), priv, &t, block, 20);
	}
	p.kdf = CKD_SHA1_KDF_ASN1;
	refuse_as(CKR_MECHANISM_PARAM_INVALID, CKM_ECDH1_DERIVE, &p, sizeof(p), priv, &t);
	EVP_PKEY_CTX_free(x);
	EVP_PKEY_free(mine);
	EVP_PKEY_free(theirs);
	object_put(pub);
	object_put(priv);
	object_put(peer_pub);
	object_put(peer_priv);
	attrs_free(&t);
}

/* ---- Diffie-Hellman ---- */

/* p = 2 * 97 * q * c + 1, as the groups of DSA and X9.42 are made, and a public value of order 97: the secret that is
 * agreed with it is one of 97, and tells the private value modulo 97; with more such numbers, all of it (Lim, Lee 1997). */
static struct object *
leaky_key(bool hidden, uint8_t peer[128], BIGNUM *p)
{
	static const CK_ATTRIBUTE_TYPE no[] = {CKA_TOKEN, CKA_PRIVATE};
	BN_CTX *ctx = BN_CTX_new();
	BIGNUM *c = BN_new(), *e = BN_new(), *y = BN_new();
	uint8_t raw[128];
	struct attrs a = {0};
	struct object *o = NULL;

	do {
		BN_rand(c, 1016, BN_RAND_TOP_TWO, BN_RAND_BOTTOM_ANY);
		BN_copy(e, c);
		BN_lshift1(e, e);
		BN_copy(p, e);
		BN_mul_word(p, 97);
		BN_add_word(p, 1);
	} while (BN_num_bits(p) != 1024 || BN_check_prime(p, ctx, NULL) != 1);
	for (unsigned g = 2; BN_is_zero(y) || BN_is_one(y); g++) { /* e = (p - 1) / 97 */
		BN_set_word(c, g);
		BN_mod_exp(y, c, e, p, ctx);
	}
	BN_bn2binpad(y, peer, 128);
	BN_bn2binpad(p, raw, sizeof(raw));
	attrs_set_ulong(&a, CKA_CLASS, CKO_PRIVATE_KEY);
	attrs_set_ulong(&a, CKA_KEY_TYPE, CKK_DH);
	attrs_set(&a, CKA_PRIME, raw, sizeof(raw));
	attrs_set(&a, CKA_BASE, (const uint8_t *)"\x05", 1);
	do { /* a multiple of 97 would agree on 1, which OpenSSL refuses */
		RAND_bytes(raw, 20);
		raw[0] |= 1;
	} while (BN_mod_word(BN_bin2bn(raw, 20, c), 97) == 0);
	attrs_set(&a, CKA_VALUE, raw, 20);
	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
		attrs_set_bool(&a, no[i], false);
	attrs_set_bool(&a, CKA_SENSITIVE, hidden);
	o = as_object(&a);
	BN_free(c);
	BN_free(e);
	BN_free(y);
	BN_CTX_free(ctx);
	return o;
}

static void
test_dh_small_subgroups(void)
{
	BIGNUM *p = BN_new();
	uint8_t peer[128];
	struct object *hidden = leaky_key(true, peer, p), *o;

	refuse_as(CKR_DOMAIN_PARAMS_INVALID, CKM_DH_PKCS_DERIVE, peer, sizeof(peer), hidden, NULL);
	be(&user_compat);
	CHECK_RV(CKR_OK, derive_one(CKM_DH_PKCS_DERIVE, peer, sizeof(peer), hidden, NULL, &o));
	object_put(o);
	object_put(hidden);
	be(&user);
	hidden = leaky_key(false, peer, p); /* nothing to be found out */
	CHECK_RV(CKR_OK, derive_one(CKM_DH_PKCS_DERIVE, peer, sizeof(peer), hidden, NULL, &o));
	object_put(o);
	object_put(hidden);
	BN_free(p);
}

/* Groups that nobody knows are fine as long as the prime is safe: RFC 7919's with another base is such a one. */
static void
test_dh_safe_prime(void)
{
	CK_MECHANISM gen = {CKM_DH_PKCS_PARAMETER_GEN, NULL, 0};
	struct attrs domain = {0}, a = {0};
	struct object *o, *base;
	uint8_t raw[32];

	CHECK_RV(CKR_OK, mech_implies(&gen, NULL, &domain, NULL));
	attrs_set_ulong(&domain, CKA_PRIME_BITS, 2048);
	CHECK_RV(CKR_OK, mech_generate_key(&gen, &domain, NULL));
	RAND_bytes(raw, sizeof(raw));
	raw[0] |= 0x80;
	for (unsigned g = 2; g <= 3; g++) {
		const uint8_t number = (uint8_t)g;

		attrs_set_ulong(&a, CKA_CLASS, CKO_PRIVATE_KEY);
		attrs_set_ulong(&a, CKA_KEY_TYPE, CKK_DH);
		attrs_set_attr(&a, attrs_get(&domain, CKA_PRIME));
		attrs_set(&a, CKA_BASE, &number, 1);
		attrs_set(&a, CKA_VALUE, raw, sizeof(raw));
		attrs_set_bool(&a, CKA_SENSITIVE, true);
		base = as_object(&a);
		CHECK_RV(CKR_OK, derive_one(CKM_DH_PKCS_DERIVE, (void *)"\x04", 1, base, NULL, &o)); /* a square */
		object_put(o);
		object_put(base);
	}
	attrs_free(&domain);
}

/* ---- PBKDF2 ---- */

static CK_RV
pbkd2(CK_ULONG prf, const char *password, const char *salt, size_t salt_len, CK_ULONG iterations, CK_KEY_TYPE type,
	CK_ULONG len, struct object **o)
{
	CK_PKCS5_PBKD2_PARAMS2 p = {.saltSource = CKZ_SALT_SPECIFIED, .pSaltSourceData = (void *)salt,
		.ulSaltSourceDataLen = salt_len, .iterations = iterations, .prf = prf, .pPassword = (uint8_t *)password,
		.ulPasswordLen = password != NULL ? strlen(password) : 0};
	CK_MECHANISM m = {CKM_PKCS5_PBKD2, &p, sizeof(p)};
	struct attrs t = {0};
	CK_RV rv;

	*o = NULL;
	ask(&t, type, len);
	rv = make_key(&maker, &m, &t, o);
	attrs_free(&t);
	return rv;
}

static void
test_pbkd2(void)
{
	/* RFC 6070 */
	static const struct {
		const char *password, *salt, *dk;
		CK_ULONG iterations;
	} all[] = {{"password", "salt", "0c60c80f961f0e71f3a9b524af6012062fe037a6", 1},
		{"password", "salt", "ea6c014dc72d6f8ccd1ed92ace1d41f0d8de8957", 2},
		{"password", "salt", "4b007901b765489abead49d926f721d065a429c1", 4096},
		{"passwordPASSWORDpassword", "saltSALTsaltSALTsaltSALTsaltSALTsalt",
			"3d2eec4fe41c849b80c8d83662c0e44a8b291a964cf2f07038", 4096}};
	static const struct {
		CK_ULONG prf;
		const EVP_MD *(*md)(void);
	} prfs[] = {{1, EVP_sha1}, {3, EVP_sha224}, {4, EVP_sha256}, {5, EVP_sha384}, {6, EVP_sha512},
		{7, EVP_sha512_224}, {8, EVP_sha512_256}};
	uint8_t want[100];
	struct object *o;

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		size_t n = unhex(all[i].dk, want);

		CHECK_RV(CKR_OK, pbkd2(1, all[i].password, all[i].salt, strlen(all[i].salt), all[i].iterations,
			CKK_GENERIC_SECRET, n, &o));
		CHECK(value_is(o, want, n) && !attrs_bool(&o->attrs, CKA_ALWAYS_SENSITIVE, true));
		object_put(o);
	}
	for (size_t i = 0; i < sizeof(prfs) / sizeof(prfs[0]); i++) {
		PKCS5_PBKDF2_HMAC("pass", 4, (const uint8_t *)"na\0cl", 5, 77, prfs[i].md(), 100, want);
		CHECK_RV(CKR_OK, pbkd2(prfs[i].prf, "pass", "na\0cl", 5, 77, CKK_GENERIC_SECRET, 100, &o));
		CHECK(value_is(o, want, 100));
		object_put(o);
		CHECK_RV(CKR_OK, pbkd2(prfs[i].prf, "pass", "na\0cl", 5, 77, CKK_AES, 32, &o));
		CHECK(value_is(o, want, 32) && object_key_type(o) == CKK_AES);
		object_put(o);
	}
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, pbkd2(1, "pass", "salt", 4, 0, CKK_AES, 32, &o));
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, pbkd2(2, "pass", "salt", 4, 10, CKK_AES, 32, &o));
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, pbkd2(9, "pass", "salt", 4, 10, CKK_AES, 32, &o));
	CHECK_RV(CKR_ATTRIBUTE_VALUE_INVALID, pbkd2(4, "pass", "salt", 4, 10, CKK_AES, 33, &o));
	CHECK_RV(CKR_TEMPLATE_INCOMPLETE, pbkd2(4, "pass", "salt", 4, 10, CKK_AES, 0, &o));
	CHECK_RV(CKR_TEMPLATE_INCOMPLETE, pbkd2(4, "pass", "salt", 4, 10, NO_TYPE, 32, &o));
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, pbkd2(4, "pass", "salt", 4, 10000001, CKK_AES, 32, &o));
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, pbkd2(4, "pass", "salt", 4, 10000000, CKK_GENERIC_SECRET, 65536, &o));
	CHECK(o == NULL);
}

/* Many blocks of few iterations are long work as well. */
static void
test_pbkd2_cancelled_between_blocks(void)
{
	struct cancel c = {true};
	struct object *o;

	maker.cancel = &c;
	CHECK_RV(CKR_FUNCTION_CANCELED, pbkd2(1, "pass", "salt", 4, 10, CKK_GENERIC_SECRET, 65536, &o));
	CHECK(o == NULL);
	maker.cancel = NULL;
	object_put(o);
}

static void *
cancel_soon(void *arg)
{
	nanosleep(&(struct timespec){0, 50000000}, NULL);
	atomic_store(&((struct cancel *)arg)->on, true);
	return NULL;
}

static void
test_pbkd2_cancelled(void)
{
	struct cancel c = {false};
	struct timespec from, to;
	struct object *o;
	pthread_t thread;

	maker.cancel = &c;
	clock_gettime(CLOCK_MONOTONIC, &from);
	CHECK(pthread_create(&thread, NULL, cancel_soon, &c) == 0);
	CHECK_RV(CKR_FUNCTION_CANCELED, pbkd2(6, "pass", "salt", 4, 10000000, CKK_AES, 32, &o));
	pthread_join(thread, NULL);
	clock_gettime(CLOCK_MONOTONIC, &to);
	CHECK(to.tv_sec - from.tv_sec <= 2);
	maker.cancel = NULL;
}

int
main(void)
{
	CHECK_RV(CKR_OK, secret_start());
	be(&user);
	test_hash();
	test_sensitivity();
	test_hkdf_rfc5869();
	test_hkdf_openssl();
	test_hkdf_refusals();
	test_hkdf_key_gen();
	test_counter_cavp();
	test_feedback_and_pipeline_cavp();
	test_counter_openssl();
	test_several_keys();
	test_sp800_108_refusals();
	test_concat();
	test_encrypt_data();
	test_public();
	test_ecdh_kdfs();
	test_dh_small_subgroups();
	test_dh_safe_prime();
	test_pbkd2();
	test_pbkd2_cancelled();
	test_pbkd2_cancelled_between_blocks();
	return unit_done("test_kdf");
}
