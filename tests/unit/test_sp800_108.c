/* The derivations of SP 800-108: counter, feedback and double pipeline; several keys at once. Known answers are from NIST's
 * CAVP files; the rest is OpenSSL's word. */
#include "derive_help.h"

#include <openssl/core_names.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>

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

int
main(void)
{
	CHECK_RV(CKR_OK, secret_start());
	be(&user);
	test_counter_cavp();
	test_feedback_and_pipeline_cavp();
	test_counter_openssl();
	test_several_keys();
	test_sp800_108_refusals();
	return unit_done("test_sp800_108");
}
