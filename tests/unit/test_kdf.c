/* Keys from keys: hashes, concatenation and its like, the public half. Known answers are the standard's own examples; the
 * rest is OpenSSL's word. */
#include "derive_help.h"

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

int
main(void)
{
	CHECK_RV(CKR_OK, secret_start());
	be(&user);
	test_hash();
	test_sensitivity();
	test_concat();
	test_encrypt_data();
	test_public();
	return unit_done("test_kdf");
}
