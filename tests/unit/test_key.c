/* Key material: parsing, checking, PKCS #8 and SubjectPublicKeyInfo, check values, the export formats. */
#include "crypto_help.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/pem.h>

#include "store/key_material.h"

/* RFC 7638 3.1: the modulus of its example key */
#define RSA_N_HEX \
	"d2fc7b6a0a1e6c67104aeb8f88b257669b4df679ddad099b5c4a6cd9a88015b5a133bf0b856c7871b6df000b554fceb3" \
	"c2ed512bb68f145c6e8434752fab52a1cfc124408f79b58a4578c16428855789f7a249e384cb2d9fae2d67fd96fb926c" \
	"198e077399fdc815c0af097dde5aadeff44de70e827f4878432439bfeeb96068d0474fc50d6d90bf3a98dfaf1040c89c" \
	"02d692ab3b3c2896609d86fd73b774ce0740647ceeeaa310bd12f985a8eb9f59fdd426cea5b2120f4f2a34bcab764b7e" \
	"6c54d6840238bcc40587a59e66ed1f33894577635c470af75cf92c20d1da43e1bfc419e222a6f0d0bb358c5e38f9cb05" \
	"0aeafe904814f1ac1aa49cca9ea0ca83"
#define RSA_N_BASE64URL \
	"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3" \
	"oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdA" \
	"ZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-" \
	"kEgU8awapJzKnqDKgw"
/* by ssh-keygen -i -m PKCS8 */
#define RSA_SSH \
	"ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQDS/HtqCh5sZxBK64+Isldmm032ed2tCZtcSmzZqIAVtaEzvwuFbHhxtt8AC1VPzrPC7VErto8" \
	"UXG6ENHUvq1Khz8EkQI95tYpFeMFkKIVXifeiSeOEyy2fri1n/Zb7kmwZjgdzmf3IFcCvCX3eWq3v9E3nDoJ/SHhDJDm/7rlgaNBHT8UNbZC/Op" \
	"jfrxBAyJwC1pKrOzwolmCdhv1zt3TOB0BkfO7qoxC9EvmFqOufWf3UJs6lshIPTyo0vKt2S35sVNaEAji8xAWHpZ5m7R8ziUV3Y1xHCvdc+Swg0" \
	"dpD4b/EGeIipvDQuzWMXjj5ywUK6v6QSBTxrBqknMqeoMqD"
/* RFC 6979 A.2.5 */
#define P256_X "60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"
#define P256_Y "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299"
#define P256_D "c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721"
#define P256_SSH \
	"ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBGD+1LolWp0xyWHrdMY1bWjASbiSO2H6bOZpYi5" \
	"g8p+2eQP+EAi4vJmkGunpVii8ZPLxsgwtfp9Rd6PClNRGIpk="
/* RFC 8032 7.1 test 2 */
#define ED_D "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"
#define ED_X "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"

static void
set_hex(struct attrs *a, CK_ATTRIBUTE_TYPE type, const char *hex)
{
	uint8_t v[2100];
	size_t n = unhex(hex, v);

	CHECK_RV(CKR_OK, attrs_set(a, type, v, n));
}

static void
begin(struct attrs *a, CK_OBJECT_CLASS class, CK_KEY_TYPE type, const char *group)
{
	const struct curve *c = group != NULL ? curve_of_group(group) : NULL;

	attrs_free(a);
	attrs_set_ulong(a, CKA_CLASS, class);
	attrs_set_ulong(a, CKA_KEY_TYPE, type);
	if (c != NULL)
		attrs_set(a, CKA_EC_PARAMS, c->oid, c->oid_len);
}

static void
test_points(void)
{
	struct attrs a = {0};
	const struct attr *p;
	uint8_t raw[67];

	begin(&a, CKO_PUBLIC_KEY, CKK_EC, "prime256v1");
	set_hex(&a, CKA_EC_POINT, "04" P256_X P256_Y);
	CHECK_RV(CKR_OK, key_check(&a)); /* the bare point becomes an octet string */
	p = attrs_get(&a, CKA_EC_POINT);
	unhex("044104" P256_X P256_Y, raw);
	CHECK(same(p->value, p->len, raw, 67));
	CHECK_RV(CKR_OK, key_check(&a)); /* and stays one */
	p = attrs_get(&a, CKA_EC_POINT);
	CHECK(same(p->value, p->len, raw, 67));
	set_hex(&a, CKA_EC_POINT, "03" P256_X); /* compressed, y is odd */
	CHECK_RV(CKR_OK, key_check(&a));
	set_hex(&a, CKA_EC_POINT, "044104" P256_X P256_X); /* not on the curve */
	CHECK_RV(CKR_ATTRIBUTE_VALUE_INVALID, key_check(&a));
	set_hex(&a, CKA_EC_POINT, "00");
	CHECK_RV(CKR_ATTRIBUTE_VALUE_INVALID, key_check(&a));
	set_hex(&a, CKA_EC_POINT, "044004" P256_X P256_Y);
	CHECK_RV(CKR_ATTRIBUTE_VALUE_INVALID, key_check(&a));
	attrs_remove(&a, CKA_EC_POINT);
	CHECK_RV(CKR_TEMPLATE_INCOMPLETE, key_check(&a));
	set_hex(&a, CKA_EC_POINT, "04" P256_X P256_Y);
	attrs_remove(&a, CKA_EC_PARAMS);
	CHECK_RV(CKR_TEMPLATE_INCOMPLETE, key_check(&a));
	set_hex(&a, CKA_EC_PARAMS, "06032b6570"); /* an Edwards curve for CKK_EC */
	set_hex(&a, CKA_EC_POINT, ED_X);
	CHECK_RV(CKR_CURVE_NOT_SUPPORTED, key_check(&a));

	begin(&a, CKO_PUBLIC_KEY, CKK_EC_EDWARDS, "ED25519");
	set_hex(&a, CKA_EC_POINT, ED_X);
	CHECK_RV(CKR_OK, key_check(&a));
	CHECK(attrs_get(&a, CKA_EC_POINT)->len == 34);
	attrs_free(&a);
}

static void
test_ec_private(void)
{
	struct attrs a = {0};
	struct object *o;
	EVP_PKEY *k;
	uint8_t point[65], want[65];
	size_t n = 0;

	begin(&a, CKO_PRIVATE_KEY, CKK_EC, "prime256v1");
	set_hex(&a, CKA_VALUE, P256_D);
	CHECK_RV(CKR_OK, key_check(&a));
	o = as_object(&a);
	k = openssl_private(o); /* PKCS #8 holds the computed point */
	CHECK(k != NULL && EVP_PKEY_get_octet_string_param(k, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point), &n) == 1);
	unhex("04" P256_X P256_Y, want);
	CHECK(same(point, n, want, 65));
	EVP_PKEY_free(k);
	object_put(o);

	begin(&a, CKO_PRIVATE_KEY, CKK_EC, "prime256v1");
	set_hex(&a, CKA_VALUE, "0000000000" P256_D); /* zeros in front do no harm */
	CHECK_RV(CKR_OK, key_check(&a));
	set_hex(&a, CKA_VALUE, "07");
	CHECK_RV(CKR_OK, key_check(&a));
	set_hex(&a, CKA_VALUE, "00");
	CHECK_RV(CKR_ATTRIBUTE_VALUE_INVALID, key_check(&a));
	set_hex(&a, CKA_VALUE, "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551"); /* the order */
	CHECK_RV(CKR_ATTRIBUTE_VALUE_INVALID, key_check(&a));
	set_hex(&a, CKA_VALUE, "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632550");
	CHECK_RV(CKR_OK, key_check(&a));
	attrs_remove(&a, CKA_VALUE);
	CHECK_RV(CKR_TEMPLATE_INCOMPLETE, key_check(&a));
	begin(&a, CKO_PRIVATE_KEY, CKK_EC_EDWARDS, "ED25519");
	set_hex(&a, CKA_VALUE, P256_D "00");
	CHECK_RV(CKR_ATTRIBUTE_VALUE_INVALID, key_check(&a));
	attrs_free(&a);
}

static void
test_secret(void)
{
	struct attrs a = {0};
	uint8_t kcv[3], want[3], md[20];

	begin(&a, CKO_SECRET_KEY, CKK_AES, NULL);
	CHECK_RV(CKR_TEMPLATE_INCOMPLETE, key_check(&a));
	set_hex(&a, CKA_VALUE, "0000000000000000000000000000000000"); /* 17 bytes */
	CHECK_RV(CKR_ATTRIBUTE_VALUE_INVALID, key_check(&a));
	set_hex(&a, CKA_VALUE, "00000000000000000000000000000000");
	CHECK_RV(CKR_OK, key_check(&a));
	CHECK_RV(CKR_OK, key_check_value(&a, kcv));
	unhex("66e94b", want); /* AES-128 of zeros under zeros: FIPS 197 known answer, GCM test case 1's H */
	CHECK(memcmp(kcv, want, 3) == 0);
	begin(&a, CKO_SECRET_KEY, CKK_GENERIC_SECRET, NULL);
	set_hex(&a, CKA_VALUE, "616263");
	CHECK_RV(CKR_OK, key_check(&a));
	CHECK_RV(CKR_OK, key_check_value(&a, kcv));
	EVP_Q_digest(NULL, "SHA1", NULL, "abc", 3, md, NULL);
	CHECK(memcmp(kcv, md, 3) == 0);
	attrs_set(&a, CKA_VALUE, NULL, 0);
	CHECK_RV(CKR_ATTRIBUTE_VALUE_INVALID, key_check(&a));
	begin(&a, CKO_PUBLIC_KEY, CKK_RSA, NULL);
	CHECK_RV(CKR_ATTRIBUTE_TYPE_INVALID, key_check_value(&a, kcv));
	begin(&a, CKO_PRIVATE_KEY, CKK_KEA, NULL);
	CHECK_RV(CKR_ATTRIBUTE_VALUE_INVALID, key_check(&a));
	begin(&a, CKO_DATA, CKK_RSA, NULL);
	CHECK_RV(CKR_OK, key_check(&a));
	attrs_free(&a);
}

static void
flip(struct attrs *a, CK_ATTRIBUTE_TYPE type)
{
	const struct attr *x = attrs_get(a, type);
	uint8_t v[2100];

	memcpy(v, x->value, x->len);
	v[x->len / 2] ^= 2;
	CHECK_RV(CKR_OK, attrs_set(a, type, v, x->len));
}

/* Signs with what is left of a key and verifies with the whole. */
static void
check_usable(const struct attrs *priv, struct object *pub)
{
	CK_MECHANISM m = mechanism(CKM_SHA256_RSA_PKCS, NULL, 0);
	struct attrs copy = {0};
	struct object *o;
	uint8_t sig[512];
	size_t n = sizeof(sig);

	CHECK_RV(CKR_OK, attrs_copy(&copy, priv));
	CHECK_RV(CKR_OK, key_check(&copy));
	o = as_object(&copy);
	CHECK_RV(CKR_OK, once(OP_SIGN, &m, o, (const uint8_t *)"abc", 3, sig, &n));
	CHECK_RV(CKR_OK, verify(&m, pub, (const uint8_t *)"abc", 3, sig, n));
	object_put(o);
}

static void
test_rsa(void)
{
	static const CK_ATTRIBUTE_TYPE parts_[] = {CKA_MODULUS, CKA_PUBLIC_EXPONENT, CKA_PRIVATE_EXPONENT, CKA_PRIME_1,
		CKA_PRIME_2, CKA_EXPONENT_1, CKA_EXPONENT_2, CKA_COEFFICIENT};
	struct object *pub, *priv;
	struct attrs a = {0};

	CHECK_RV(CKR_OK, make_pair(CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0, 2048, &pub, &priv));
	for (size_t i = 0; i < 8; i++) { /* every part counts */
		CHECK_RV(CKR_OK, attrs_copy(&a, &priv->attrs));
		flip(&a, parts_[i]);
		CHECK_RV(CKR_ATTRIBUTE_VALUE_INVALID, key_check(&a));
		attrs_free(&a);
	}
	CHECK_RV(CKR_OK, attrs_copy(&a, &priv->attrs));
	attrs_remove(&a, CKA_EXPONENT_1);
	attrs_remove(&a, CKA_COEFFICIENT);
	check_usable(&a, pub); /* CRT parts are computed */
	attrs_remove(&a, CKA_PRIME_2);
	check_usable(&a, pub); /* without CRT */
	attrs_remove(&a, CKA_PUBLIC_EXPONENT);
	check_usable(&a, pub); /* 65537 is tried */
	attrs_remove(&a, CKA_PRIVATE_EXPONENT);
	CHECK_RV(CKR_TEMPLATE_INCOMPLETE, key_check(&a));
	attrs_free(&a);

	CHECK_RV(CKR_OK, attrs_copy(&a, &pub->attrs));
	CHECK_RV(CKR_OK, key_check(&a));
	set_hex(&a, CKA_PUBLIC_EXPONENT, "02");
	CHECK_RV(CKR_ATTRIBUTE_VALUE_INVALID, key_check(&a));
	set_hex(&a, CKA_PUBLIC_EXPONENT, "03"); /* of a key made elsewhere */
	CHECK_RV(CKR_OK, key_check(&a));
	set_hex(&a, CKA_MODULUS, "c1000000000000000000000000000001"); /* 128 bits */
	CHECK_RV(CKR_KEY_SIZE_RANGE, key_check(&a));
	attrs_free(&a);
	object_put(pub);
	object_put(priv);
}

/* Every kind of pair through PKCS #8 and SubjectPublicKeyInfo and back. */
static void
test_der(void)
{
	const struct curve *c;
	struct object *pub, *priv;
	struct attrs a = {0};
	uint8_t *der;
	size_t n;
	CK_MECHANISM_TYPE gen;

	for (size_t i = 0; i == 0 || curve_at(i - 1) != NULL; i++) {
		c = i > 0 ? curve_at(i - 1) : NULL;
		gen = c == NULL ? CKM_RSA_PKCS_KEY_PAIR_GEN : c->type == CKK_EC ? CKM_EC_KEY_PAIR_GEN :
			c->type == CKK_EC_EDWARDS ? CKM_EDDSA : CKM_EC_MONTGOMERY_KEY_PAIR_GEN;
		CHECK_RV(CKR_OK, make_pair(gen, c ? c->oid : NULL, c ? c->oid_len : 0, c ? 0 : 2048, &pub, &priv));
		CHECK_RV(CKR_OK, key_to_pkcs8(priv, &der, &n));
		CHECK_RV(CKR_OK, key_from_pkcs8(der, n, &a));
		for (size_t j = 0; j < a.n; j++)
			CHECK(attr_equal(&a.v[j], attrs_get(&priv->attrs, a.v[j].type)));
		CHECK(a.n >= 3);
		attrs_free(&a);
		CHECK_RV(CKR_ATTRIBUTE_VALUE_INVALID, key_from_pkcs8(der, n - 1, &a));
		attrs_free(&a);
		secret_free(der);

		CHECK_RV(CKR_OK, key_to_spki(priv, &der, &n));
		CHECK(same(der, n, attrs_get(&pub->attrs, CKA_PUBLIC_KEY_INFO)->value,
			attrs_get(&pub->attrs, CKA_PUBLIC_KEY_INFO)->len));
		CHECK_RV(CKR_OK, key_from_spki(der, n, &a));
		for (size_t j = 0; j < a.n; j++)
			CHECK(attr_equal(&a.v[j], attrs_get(&pub->attrs, a.v[j].type)));
		attrs_free(&a);
		attrs_set_ulong(&a, CKA_KEY_TYPE, CKK_DSA);
		CHECK_RV(CKR_TEMPLATE_INCONSISTENT, key_from_spki(der, n, &a));
		attrs_free(&a);
		CHECK_RV(CKR_ATTRIBUTE_VALUE_INVALID, key_from_spki(der, n / 2, &a));
		attrs_free(&a);
		CHECK_RV(CKR_KEY_TYPE_INCONSISTENT, key_to_pkcs8(pub, &der, &n));
		secret_free(der);
		object_put(pub);
		object_put(priv);
	}
}

static bool
exports(struct object *o, enum key_format f, const char *want)
{
	uint8_t *out = NULL;
	size_t n = 0;
	bool ok;

	CHECK_RV(CKR_OK, key_export_public(o, f, &out, &n));
	ok = out != NULL && n == strlen(want) && strcmp((const char *)out, want) == 0;
	if (!ok)
		fprintf(stderr, "got:  %swant: %s", out != NULL ? (char *)out : "nothing", want);
	free(out);
	return ok;
}

static void
test_export(void)
{
	struct attrs a = {0};
	struct object *o;
	uint8_t *out;
	size_t n;

	begin(&a, CKO_PUBLIC_KEY, CKK_RSA, NULL);
	set_hex(&a, CKA_MODULUS, RSA_N_HEX);
	set_hex(&a, CKA_PUBLIC_EXPONENT, "010001");
	attrs_set(&a, CKA_LABEL, "my key", 6);
	attrs_set(&a, CKA_ID, "2011-04-29", 10);
	o = as_object(&a);
	CHECK(exports(o, KEY_SSH, RSA_SSH " my key\n"));
	CHECK(exports(o, KEY_JWK, "{\"kty\":\"RSA\",\"n\":\"" RSA_N_BASE64URL "\",\"e\":\"AQAB\",\"kid\":\"2011-04-29\"}\n"));
	object_put(o);

	begin(&a, CKO_PRIVATE_KEY, CKK_EC, "prime256v1"); /* a private key knows its public half */
	set_hex(&a, CKA_VALUE, P256_D);
	attrs_set(&a, CKA_LABEL, "two\nlines", 9);
	set_hex(&a, CKA_ID, "00ff10");
	o = as_object(&a);
	CHECK(exports(o, KEY_SSH, P256_SSH " two?lines\n"));
	CHECK(exports(o, KEY_JWK, "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"YP7UuiVanTHJYet0xjVtaMBJuJI7Yfps5mliLmDyn7Y\","
		"\"y\":\"eQP-EAi4vJmkGunpVii8ZPLxsgwtfp9Rd6PClNRGIpk\",\"kid\":\"00ff10\"}\n"));
	object_put(o);

	begin(&a, CKO_PRIVATE_KEY, CKK_EC_EDWARDS, "ED25519");
	set_hex(&a, CKA_VALUE, ED_D);
	attrs_set(&a, CKA_ID, "a\"b\\", 4);
	o = as_object(&a);
	/* by openssl pkey -pubout */
	CHECK(exports(o, KEY_PEM, "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAPUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw=\n"
		"-----END PUBLIC KEY-----\n"));
	CHECK(exports(o, KEY_JWK, "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"PUAXw-hDiVqStwqnTRt-vJyYLM8uxJaMwM1V8Sr0Zgw\","
		"\"kid\":\"a\\\"b\\\\\"}\n"));
	CHECK(exports(o, KEY_SSH, "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAID1AF8PoQ4lakrcKp00bfrycmCzPLsSWjMDNVfEq9GYM\n"));
	CHECK_RV(CKR_OK, key_export_public(o, KEY_DER, &out, &n));
	CHECK(n == 44);
	free(out);
	object_put(o);

	begin(&a, CKO_PUBLIC_KEY, CKK_EC, "secp224r1");
	set_hex(&a, CKA_EC_POINT, /* RFC 6979 A.2.4 */
		"0400cf08da5ad719e42707fa431292dea11244d64fc51610d94b130d6c"
		"eeab6f3debe455e3dbf85416f7030cbd94f34f2d6f232c69f3c1385a");
	o = as_object(&a);
	CHECK_RV(CKR_KEY_TYPE_INCONSISTENT, key_export_public(o, KEY_SSH, &out, &n));
	CHECK_RV(CKR_KEY_TYPE_INCONSISTENT, key_export_public(o, KEY_JWK, &out, &n));
	object_put(o);
}

/* A certificate gives its key. */
static void
test_certificate(void)
{
	EVP_PKEY *k = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-384");
	X509 *x = X509_new();
	unsigned char *der = NULL;
	struct attrs a = {0};
	struct object *o;
	uint8_t *spki = NULL, md[20], kcv[3];
	size_t n;
	EVP_PKEY *back;
	const unsigned char *p;
	int len = 0;

	ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	X509_gmtime_adj(X509_getm_notBefore(x), 0);
	X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	X509_set_pubkey(x, k);
	CHECK(X509_sign(x, k, EVP_sha256()) > 0 && (len = i2d_X509(x, &der)) > 0);
	attrs_set_ulong(&a, CKA_CLASS, CKO_CERTIFICATE);
	attrs_set(&a, CKA_VALUE, der, (size_t)len);
	CHECK_RV(CKR_OK, key_check(&a));
	CHECK_RV(CKR_OK, key_check_value(&a, kcv));
	EVP_Q_digest(NULL, "SHA1", NULL, der, (size_t)len, md, NULL);
	CHECK(memcmp(md, kcv, 3) == 0);
	CHECK_RV(CKR_OK, object_new(&o, &a));
	CHECK_RV(CKR_OK, key_to_spki(o, &spki, &n));
	p = spki;
	back = d2i_PUBKEY(NULL, &p, (long)n);
	CHECK(back != NULL && EVP_PKEY_eq(back, k) == 1);
	EVP_PKEY_free(back);
	secret_free(spki);
	object_put(o);
	OPENSSL_free(der);
	X509_free(x);
	EVP_PKEY_free(k);
}

int
main(void)
{
	CHECK_RV(CKR_OK, secret_start());
	test_points();
	test_ec_private();
	test_secret();
	test_rsa();
	test_der();
	test_export();
	test_certificate();
	return unit_done("key");
}
