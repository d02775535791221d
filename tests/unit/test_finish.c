/* What the token computes when an object is complete, checked against OpenSSL. */
#include <time.h>

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "rules_help.h"
#include "store/secret.h"

static void
test_finish_history_of_secret_keys(void)
{
	struct attrs t = {0};
	struct object *o;

	aes_template(&t);
	o = object_from(&t, HOW_CREATE, &user);
	CHECK(!attrs_bool(&o->attrs, CKA_LOCAL, true));
	CHECK(!attrs_bool(&o->attrs, CKA_ALWAYS_SENSITIVE, true));
	CHECK(!attrs_bool(&o->attrs, CKA_NEVER_EXTRACTABLE, true));
	CHECK(attrs_ulong(&o->attrs, CKA_KEY_GEN_MECHANISM, 0) == CK_UNAVAILABLE_INFORMATION);
	CHECK(attrs_ulong(&o->attrs, CKA_VALUE_LEN, 0) == 16);
	CHECK(attrs_ulong(&o->attrs, TKA_ORIGIN, 0) == ORIGIN_CREATED);
	CHECK(attrs_ulong(&o->attrs, TKA_ROLES, 0) ==
		(CKF_ENCRYPT | CKF_DECRYPT | CKF_SIGN | CKF_VERIFY));
	CHECK(attrs_ulong(&o->attrs, TKA_CREATED, 0) + 100 > (CK_ULONG)time(NULL));
	object_put(o);

	o = object_from(&t, HOW_GENERATE, &user);
	CHECK(attrs_bool(&o->attrs, CKA_LOCAL, false));
	CHECK(attrs_bool(&o->attrs, CKA_ALWAYS_SENSITIVE, false));
	CHECK(attrs_bool(&o->attrs, CKA_NEVER_EXTRACTABLE, false));
	CHECK(attrs_ulong(&o->attrs, CKA_KEY_GEN_MECHANISM, 0) == CKM_AES_KEY_GEN);
	CHECK(attrs_ulong(&o->attrs, TKA_ORIGIN, 0) == ORIGIN_GENERATED);
	object_put(o);

	templ(&t, CKA_EXTRACTABLE, YES, CKA_SENSITIVE, YES, END);
	o = object_from(&t, HOW_GENERATE, &user);
	CHECK(attrs_bool(&o->attrs, CKA_ALWAYS_SENSITIVE, false));
	CHECK(!attrs_bool(&o->attrs, CKA_NEVER_EXTRACTABLE, true));
	object_put(o);
	attrs_free(&t);
}

static void
test_finish_check_value(void)
{
	struct attrs t = {0}, a = {0};
	const struct attr *kcv;
	uint8_t zeros[16] = {0}, block[32];
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int n = 0;

	CHECK(EVP_EncryptInit_ex(ctx, EVP_aes_128_ecb(), NULL, (const uint8_t *)"0123456789abcdef",
		NULL) == 1);
	CHECK(EVP_EncryptUpdate(ctx, block, &n, zeros, 16) == 1);
	EVP_CIPHER_CTX_free(ctx);

	aes_template(&t);
	CHECK_RV(CKR_OK, begin(&a, &t, HOW_CREATE, &user));
	CHECK_RV(CKR_OK, rules_finish(&a, HOW_CREATE, NULL, NULL));
	kcv = attrs_get(&a, CKA_CHECK_VALUE);
	CHECK(kcv != NULL && kcv->len == 3 && memcmp(kcv->value, block, 3) == 0);

	CHECK_RV(CKR_OK, attrs_set(&t, CKA_CHECK_VALUE, block, 3));
	CHECK_RV(CKR_OK, begin(&a, &t, HOW_CREATE, &user));
	CHECK_RV(CKR_OK, rules_finish(&a, HOW_CREATE, NULL, NULL));
	block[0] ^= 1;
	CHECK_RV(CKR_OK, attrs_set(&t, CKA_CHECK_VALUE, block, 3));
	CHECK_RV(CKR_OK, begin(&a, &t, HOW_CREATE, &user));
	CHECK_RV(CKR_ATTRIBUTE_VALUE_INVALID, rules_finish(&a, HOW_CREATE, NULL, NULL));
	CHECK_RV(CKR_OK, attrs_set(&t, CKA_CHECK_VALUE, NULL, 0)); /* none wanted */
	CHECK_RV(CKR_OK, begin(&a, &t, HOW_CREATE, &user));
	CHECK_RV(CKR_OK, rules_finish(&a, HOW_CREATE, NULL, NULL));
	CHECK(attrs_get(&a, CKA_CHECK_VALUE)->len == 0);

	/* three bytes of a short secret's hash would tell the secret */
	attrs_free(&t);
	templ(&t, CKA_CLASS, CKO_SECRET_KEY, CKA_KEY_TYPE, CKK_GENERIC_SECRET, END);
	CHECK_RV(CKR_OK, attrs_set(&t, CKA_VALUE, "thirteen byte", 13));
	CHECK_RV(CKR_OK, begin(&a, &t, HOW_CREATE, &user));
	CHECK_RV(CKR_OK, rules_finish(&a, HOW_CREATE, NULL, NULL));
	CHECK(!attrs_has(&a, CKA_CHECK_VALUE));
	CHECK_RV(CKR_OK, attrs_set(&t, CKA_VALUE, "fourteen bytes", 14));
	CHECK_RV(CKR_OK, begin(&a, &t, HOW_CREATE, &user));
	CHECK_RV(CKR_OK, rules_finish(&a, HOW_CREATE, NULL, NULL));
	CHECK(attrs_has(&a, CKA_CHECK_VALUE));
	attrs_free(&t);
	attrs_free(&a);
}

static void
test_finish_refuses_a_bad_key(void)
{
	struct attrs t = {0}, a = {0};

	templ(&t, CKA_CLASS, CKO_SECRET_KEY, CKA_KEY_TYPE, CKK_AES, END);
	CHECK_RV(CKR_OK, attrs_set(&t, CKA_VALUE, "0123456789abcdef0", 17));
	CHECK_RV(CKR_OK, begin(&a, &t, HOW_CREATE, &user));
	CHECK_RV(CKR_ATTRIBUTE_VALUE_INVALID, rules_finish(&a, HOW_CREATE, NULL, NULL));
	attrs_free(&t);
	attrs_free(&a);
}

/* A P-256 key of OpenSSL's with its SubjectPublicKeyInfo and its bare point. */
static EVP_PKEY *
p256(uint8_t *spki, size_t *spki_len, uint8_t point[65])
{
	EVP_PKEY *pkey = EVP_EC_gen("P-256");
	uint8_t *p = spki;
	int n = i2d_PUBKEY(pkey, NULL);

	CHECK(n > 65 && (size_t)n <= *spki_len);
	*spki_len = (size_t)i2d_PUBKEY(pkey, &p);
	memcpy(point, spki + *spki_len - 65, 65);
	return pkey;
}

static const uint8_t p256_oid[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};

static void
test_finish_public_key_info_and_point(void)
{
	uint8_t spki[128], point[65];
	size_t len = sizeof(spki);
	EVP_PKEY *pkey = p256(spki, &len, point);
	struct attrs t = {0}, a = {0};
	const struct attr *got;

	templ(&t, CKA_CLASS, CKO_PUBLIC_KEY, CKA_KEY_TYPE, CKK_EC, END);
	CHECK_RV(CKR_OK, attrs_set(&t, CKA_EC_PARAMS, p256_oid, sizeof(p256_oid)));
	CHECK_RV(CKR_OK, attrs_set(&t, CKA_EC_POINT, point, 65)); /* bare: becomes DER */
	CHECK_RV(CKR_OK, begin(&a, &t, HOW_CREATE, &nobody));
	CHECK_RV(CKR_OK, rules_finish(&a, HOW_CREATE, NULL, NULL));
	got = attrs_get(&a, CKA_PUBLIC_KEY_INFO);
	CHECK(got != NULL && got->len == len && memcmp(got->value, spki, len) == 0);
	got = attrs_get(&a, CKA_EC_POINT);
	CHECK(got != NULL && got->len == 67 && got->value[0] == 4 && got->value[1] == 65);

	spki[len - 1] ^= 1;
	CHECK_RV(CKR_OK, attrs_set(&t, CKA_PUBLIC_KEY_INFO, spki, len));
	CHECK_RV(CKR_OK, begin(&a, &t, HOW_CREATE, &nobody));
	CHECK_RV(CKR_ATTRIBUTE_VALUE_INVALID, rules_finish(&a, HOW_CREATE, NULL, NULL));
	attrs_remove(&t, CKA_PUBLIC_KEY_INFO);
	point[64] ^= 1;
	CHECK_RV(CKR_OK, attrs_set(&t, CKA_EC_POINT, point, 65)); /* off the curve */
	CHECK_RV(CKR_OK, begin(&a, &t, HOW_CREATE, &nobody));
	CHECK_RV(CKR_ATTRIBUTE_VALUE_INVALID, rules_finish(&a, HOW_CREATE, NULL, NULL));
	attrs_free(&t);
	attrs_free(&a);
	EVP_PKEY_free(pkey);
}

static void
test_finish_modulus_bits(void)
{
	EVP_PKEY *pkey = EVP_RSA_gen(2048);
	struct attrs t = {0}, a = {0};
	uint8_t n[256], e[3] = {1, 0, 1};
	BIGNUM *bn = NULL;

	CHECK(EVP_PKEY_get_bn_param(pkey, "n", &bn) == 1 && BN_bn2binpad(bn, n, 256) == 256);
	templ(&t, CKA_CLASS, CKO_PUBLIC_KEY, CKA_KEY_TYPE, CKK_RSA, END);
	CHECK_RV(CKR_OK, attrs_set(&t, CKA_MODULUS, n, 256));
	CHECK_RV(CKR_OK, attrs_set(&t, CKA_PUBLIC_EXPONENT, e, 3));
	CHECK_RV(CKR_OK, begin(&a, &t, HOW_CREATE, &nobody));
	CHECK_RV(CKR_OK, rules_finish(&a, HOW_CREATE, NULL, NULL));
	CHECK(attrs_ulong(&a, CKA_MODULUS_BITS, 0) == 2048);
	attrs_free(&t);
	attrs_free(&a);
	BN_free(bn);
	EVP_PKEY_free(pkey);
}

static X509 *
certificate(EVP_PKEY *pkey)
{
	X509 *x = X509_new();
	X509_NAME *name = X509_get_subject_name(x);

	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 0x1234);
	X509_gmtime_adj(X509_getm_notBefore(x), 0);
	X509_gmtime_adj(X509_getm_notAfter(x), 86400);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const uint8_t *)"test", -1, -1, 0);
	X509_set_issuer_name(x, name);
	X509_set_pubkey(x, pkey);
	CHECK(X509_sign(x, pkey, EVP_sha256()) > 0);
	return x;
}

static void
test_finish_certificate_fields(void)
{
	uint8_t spki[128], point[65], md[20], *der = NULL, *name = NULL;
	size_t len = sizeof(spki);
	EVP_PKEY *pkey = p256(spki, &len, point);
	X509 *x = certificate(pkey);
	struct attrs t = {0}, a = {0};
	const struct attr *got;
	int n = i2d_X509(x, &der), name_len = i2d_X509_NAME(X509_get_subject_name(x), &name);

	templ(&t, CKA_CLASS, CKO_CERTIFICATE, CKA_CERTIFICATE_TYPE, CKC_X_509, END);
	CHECK_RV(CKR_OK, begin(&a, &t, HOW_CREATE, &nobody));
	CHECK_RV(CKR_TEMPLATE_INCOMPLETE, rules_finish(&a, HOW_CREATE, NULL, NULL));
	CHECK_RV(CKR_OK, attrs_set(&t, CKA_VALUE, "no certificate", 14));
	CHECK_RV(CKR_OK, begin(&a, &t, HOW_CREATE, &nobody));
	CHECK_RV(CKR_ATTRIBUTE_VALUE_INVALID, rules_finish(&a, HOW_CREATE, NULL, NULL));

	CHECK_RV(CKR_OK, attrs_set(&t, CKA_VALUE, der, (size_t)n));
	CHECK_RV(CKR_OK, begin(&a, &t, HOW_CREATE, &nobody));
	CHECK_RV(CKR_OK, rules_finish(&a, HOW_CREATE, NULL, NULL));
	got = attrs_get(&a, CKA_SUBJECT);
	CHECK(got != NULL && got->len == (size_t)name_len && !memcmp(got->value, name, got->len));
	got = attrs_get(&a, CKA_ISSUER);
	CHECK(got != NULL && got->len == (size_t)name_len && !memcmp(got->value, name, got->len));
	got = attrs_get(&a, CKA_SERIAL_NUMBER);
	CHECK(got != NULL && got->len == 4 && memcmp(got->value, "\x02\x02\x12\x34", 4) == 0);
	got = attrs_get(&a, CKA_PUBLIC_KEY_INFO);
	CHECK(got != NULL && got->len == len && memcmp(got->value, spki, len) == 0);
	EVP_Digest(der, (size_t)n, md, NULL, EVP_sha1(), NULL);
	got = attrs_get(&a, CKA_CHECK_VALUE);
	CHECK(got != NULL && got->len == 3 && memcmp(got->value, md, 3) == 0);
	CHECK(attrs_ulong(&a, CKA_CERTIFICATE_CATEGORY, 9) == 0);
	CHECK(!attrs_bool(&a, CKA_TRUSTED, true));
	attrs_free(&t);
	attrs_free(&a);
	OPENSSL_free(der);
	OPENSSL_free(name);
	X509_free(x);
	EVP_PKEY_free(pkey);
}

int
main(void)
{
	CHECK_RV(CKR_OK, secret_start());
	test_finish_history_of_secret_keys();
	test_finish_check_value();
	test_finish_refuses_a_bad_key();
	test_finish_public_key_info_and_point();
	test_finish_modulus_bits();
	test_finish_certificate_fields();
	return unit_done("test_finish");
}
