/* HKDF: keys, data and their salts. Known answers are RFC 5869's; the rest is OpenSSL's word. */
#include "derive_help.h"

#include <openssl/core_names.h>
#include <openssl/kdf.h>

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
	CHECK_RV(CKR_OK, derive_one(CKM_HKDF_DERIVE, &p, sizeof(p), hidden, &t, &o));
	CHECK(object_hides(o, CKA_VALUE));
	object_put(o);
	refuse_as(CKR_KEY_FUNCTION_NOT_PERMITTED, CKM_HKDF_DATA, &p, sizeof(p), base, &t);
	/* but where the base is known, another derivation from the salt gives what is extracted: one step at a time */
	refuse_as(CKR_KEY_FUNCTION_NOT_PERMITTED, CKM_HKDF_DERIVE, &p, sizeof(p), base, &t);
	ask(&t, NO_TYPE, 13);
	refuse_as(CKR_KEY_SIZE_RANGE, CKM_HKDF_DERIVE, &p, sizeof(p), hidden, &t);
	/* what is extracted derives and does nothing else */
	p.bExpand = CK_FALSE;
	ask(&t, NO_TYPE, 32);
	CHECK_RV(CKR_OK, derive_one(CKM_HKDF_DERIVE, &p, sizeof(p), base, &t, &o));
	CHECK(object_hides(o, CKA_VALUE) && attrs_bool(&o->attrs, CKA_DERIVE, false) &&
		!attrs_bool(&o->attrs, CKA_SIGN, true) && !attrs_bool(&o->attrs, CKA_EXTRACTABLE, true));
	object_put(o);
	attrs_set_bool(&t, CKA_SIGN, true);
	refuse_as(CKR_TEMPLATE_INCONSISTENT, CKM_HKDF_DERIVE, &p, sizeof(p), base, &t);
	p.ulSaltType = CKF_HKDF_SALT_NULL;
	refuse_as(CKR_TEMPLATE_INCONSISTENT, CKM_HKDF_DERIVE, &p, sizeof(p), hidden, &t);
	CHECK_RV(CKR_OK, derive_one(CKM_HKDF_DERIVE, &p, sizeof(p), base, &t, &o));
	object_put(o);
	attrs_remove(&t, CKA_SIGN);
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

int
main(void)
{
	CHECK_RV(CKR_OK, secret_start());
	be(&user);
	test_hkdf_rfc5869();
	test_hkdf_openssl();
	test_hkdf_refusals();
	test_hkdf_key_gen();
	return unit_done("test_hkdf");
}
