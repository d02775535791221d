/* C_EncapsulateKey and C_DecapsulateKey: what comes out, what it is allowed, and what is refused. The vault is replaced
 * by a recorder; the answers are compared with OpenSSL's own. */
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdlib.h>

#include "recorder.h"
#include "rules_help.h"
#include "store/curve.h"
#include "store/key.h"
#include "store/mech.h"
#include "store/secret.h"

static size_t
from_hex(const char *hex, uint8_t *out)
{
	size_t n = 0;
	unsigned v;

	for (; hex[0] != 0 && sscanf(hex, "%2x", &v) == 1; hex += 2)
		out[n++] = (uint8_t)v;
	return n;
}

static struct maker strict, compat;
static struct object *pub, *priv;
static uint8_t ct[6000];
static CK_ULONG ct_len;

static void
make(CK_MECHANISM_TYPE type, const char *curve, CK_ATTRIBUTE_TYPE number, CK_ULONG value, struct attrs *pub_t,
	struct attrs *priv_t)
{
	CK_MECHANISM m = {type, NULL, 0};
	const struct curve *c = curve != NULL ? curve_of_group(curve) : NULL;

	object_put(pub);
	object_put(priv);
	pub = priv = NULL;
	if (c != NULL)
		attrs_set(pub_t, CKA_EC_PARAMS, c->oid, c->oid_len);
	if (number != 0)
		attrs_set_ulong(pub_t, number, value);
	CHECK_RV(CKR_OK, make_pair(&strict, &m, pub_t, priv_t, &pub, &priv));
	attrs_free(pub_t);
	attrs_free(priv_t);
}

static void
make_kem(CK_MECHANISM_TYPE type, const char *curve, CK_ATTRIBUTE_TYPE number, CK_ULONG value)
{
	struct attrs a = {0}, b = {0};

	templ(&a, CKA_ENCAPSULATE, YES, END);
	templ(&b, CKA_DECAPSULATE, YES, CKA_EXTRACTABLE, YES, END);
	make(type, curve, number, value, &a, &b);
}

static EVP_PKEY *
openssl_private(void)
{
	const unsigned char *p;
	uint8_t *der;
	EVP_PKEY *k;
	size_t n;

	CHECK_RV(CKR_OK, key_to_pkcs8(priv, &der, &n));
	p = der;
	k = d2i_AutoPrivateKey(NULL, &p, (long)n);
	secret_free(der);
	return k;
}

/* Both ways through the rules; the new keys are equal. */
static struct object *
there_and_back(const struct maker *m, const CK_MECHANISM *mech, struct attrs *t)
{
	struct object *one = NULL, *two = NULL;
	CK_ULONG told = 0;

	CHECK_RV(CKR_OK, make_encapsulate(m, mech, pub, t, NULL, &told, &one));
	CHECK(one == NULL && told > 0 && told <= sizeof(ct));
	ct_len = sizeof(ct);
	CHECK_RV(CKR_OK, make_encapsulate(m, mech, pub, t, ct, &ct_len, &one));
	CHECK(ct_len == told);
	CHECK_RV(CKR_OK, make_decapsulate(m, mech, priv, ct, ct_len, t, &two));
	CHECK(one != NULL && two != NULL && attr_equal(attrs_get(&one->attrs, CKA_VALUE), attrs_get(&two->attrs, CKA_VALUE)));
	if (one != NULL) {
		CHECK(object_class(one) == CKO_SECRET_KEY && !attrs_bool(&one->attrs, CKA_LOCAL, true));
		CHECK(!attrs_bool(&one->attrs, CKA_ALWAYS_SENSITIVE, true) &&
			!attrs_bool(&two->attrs, CKA_NEVER_EXTRACTABLE, true));
	}
	object_put(one);
	return two;
}

static void
test_ecdh(void)
{
	static const char *const groups[] = {"prime256v1", "secp521r1", "brainpoolP384r1", "X25519", "X448"};
	CK_ECDH1_DERIVE_PARAMS p = {CKD_NULL, 0, NULL, 0, NULL};
	CK_MECHANISM m = {CKM_ECDH1_DERIVE, &p, sizeof(p)};
	struct attrs t = {0};
	struct object *o;
	const struct attr *v;

	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		const struct curve *c = curve_of_group(groups[i]);
		EVP_PKEY *k, *peer = NULL;
		EVP_PKEY_CTX *ctx;
		uint8_t z[80];
		size_t n = sizeof(z);

		make_kem(c->type == CKK_EC ? CKM_EC_KEY_PAIR_GEN : CKM_EC_MONTGOMERY_KEY_PAIR_GEN, groups[i], 0, 0);
		o = there_and_back(&strict, &m, &t);
		CHECK(ct_len == c->point);
		/* the secret once more, with the ciphertext as OpenSSL's peer */
		k = openssl_private();
		if (c->type == CKK_EC) {
			peer = EVP_PKEY_new();
			CHECK(EVP_PKEY_copy_parameters(peer, k) == 1);
			CHECK(EVP_PKEY_set1_encoded_public_key(peer, ct, ct_len) == 1);
		} else {
			peer = EVP_PKEY_new_raw_public_key_ex(NULL, groups[i], NULL, ct, ct_len);
		}
		ctx = EVP_PKEY_CTX_new(k, NULL);
		CHECK(EVP_PKEY_derive_init(ctx) == 1 && EVP_PKEY_derive_set_peer(ctx, peer) == 1 &&
			EVP_PKEY_derive(ctx, z, &n) == 1);
		v = attrs_get(&o->attrs, CKA_VALUE);
		CHECK(v->len == n && memcmp(v->value, z, n) == 0);
		EVP_PKEY_CTX_free(ctx);
		EVP_PKEY_free(peer);
		EVP_PKEY_free(k);
		object_put(o);
		ct[0] ^= 0x40;
		ct[5] ^= 0x40;
		o = NULL;
		if (c->type == CKK_EC) /* not on the curve */
			CHECK_RV(CKR_WRAPPED_KEY_INVALID, make_decapsulate(&strict, &m, priv, ct, ct_len, &t, &o));
		CHECK_RV(CKR_WRAPPED_KEY_INVALID, make_decapsulate(&strict, &m, priv, ct, ct_len - 1, &t, &o));
		memset(ct, 0, sizeof(ct)); /* a point of small order */
		CHECK_RV(CKR_WRAPPED_KEY_INVALID, make_decapsulate(&strict, &m, priv, ct, c->point, &t, &o));
		CHECK(o == NULL);
	}
	p.kdf = CKD_SHA256_KDF;
	templ(&t, CKA_KEY_TYPE, CKK_AES, CKA_VALUE_LEN, 32UL, END);
	o = there_and_back(&strict, &m, &t);
	CHECK(object_key_type(o) == CKK_AES && attrs_get(&o->attrs, CKA_VALUE)->len == 32);
	object_put(o);
	p.pPublicData = ct;
	p.ulPublicDataLen = 5;
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, make_encapsulate(&strict, &m, pub, &t, ct, &ct_len, &o));
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, make_decapsulate(&strict, &m, priv, ct, 56, &t, &o));
	m.pParameter = NULL;
	m.ulParameterLen = 0;
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, make_encapsulate(&strict, &m, pub, &t, ct, &ct_len, &o));
	attrs_free(&t);
}

/* RFC 7748 6.1 and 6.2: Bob's public value is the ciphertext, Alice's private key opens it. */
static void
test_rfc7748(void)
{
	static const struct {
		const char *group, *alice, *bob, *secret;
	} vectors[] = {
		{"X25519", "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a",
			"de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f",
			"4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742"},
		{"X448", "9a8f4925d1519f5775cf46b04b5800d4ee9ee8bae8bc5565d498c28dd9c9baf574a9419744897391006382a6f127ab1d9ac2d8c0a"
			"598726b",
			"3eb7a829b0cd20f5bcfc0b599b6feccf6da4627107bdb0d4f345b43027d8b972fc3e34fb4232a13ca706dcb57aec3dae07bdc1c67bf"
			"33609",
			"07fff4181ac6cc95ec1c16a94a0f74d12da232ce40a77552281d282bb60c0b56fd2464c335543936521c24403085d59a449a5037514"
			"a879d"},
	};
	CK_ECDH1_DERIVE_PARAMS p = {CKD_NULL, 0, NULL, 0, NULL};
	CK_MECHANISM m = {CKM_ECDH1_DERIVE, &p, sizeof(p)};
	struct object *alice = NULL, *o = NULL;
	struct attrs t = {0}, none = {0};
	uint8_t v[56];
	size_t n;

	for (size_t i = 0; i < 2; i++) {
		const struct curve *c = curve_of_group(vectors[i].group);

		templ(&t, CKA_CLASS, CKO_PRIVATE_KEY, CKA_KEY_TYPE, CKK_EC_MONTGOMERY, CKA_DECAPSULATE, YES, END);
		attrs_set(&t, CKA_EC_PARAMS, c->oid, c->oid_len);
		n = from_hex(vectors[i].alice, v);
		attrs_set(&t, CKA_VALUE, v, n);
		CHECK_RV(CKR_OK, make_create(&strict, &t, &alice));
		n = from_hex(vectors[i].bob, v);
		CHECK_RV(CKR_OK, make_decapsulate(&strict, &m, alice, v, n, &none, &o));
		n = from_hex(vectors[i].secret, v);
		CHECK(o != NULL && attrs_get(&o->attrs, CKA_VALUE)->len == n &&
			memcmp(attrs_get(&o->attrs, CKA_VALUE)->value, v, n) == 0);
		object_put(alice);
		object_put(o);
		alice = o = NULL;
		attrs_free(&t);
	}
}

static void
test_rsa(void)
{
	CK_RSA_PKCS_OAEP_PARAMS p = {CKM_SHA256, CKG_MGF1_SHA256, CKZ_DATA_SPECIFIED, NULL, 0};
	CK_MECHANISM m = {CKM_RSA_PKCS_OAEP, &p, sizeof(p)}, old = {CKM_RSA_PKCS, NULL, 0};
	struct attrs t = {0};
	struct object *o = NULL;
	uint8_t plain[256];
	size_t n = sizeof(plain);
	EVP_PKEY_CTX *ctx;
	EVP_PKEY *k;

	make_kem(CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, CKA_MODULUS_BITS, 2048);
	ct_len = sizeof(ct);
	CHECK_RV(CKR_TEMPLATE_INCOMPLETE, make_encapsulate(&strict, &m, pub, &t, ct, &ct_len, &o));
	templ(&t, CKA_KEY_TYPE, CKK_AES, CKA_VALUE_LEN, 24UL, END);
	o = there_and_back(&strict, &m, &t);
	k = openssl_private();
	ctx = EVP_PKEY_CTX_new(k, NULL);
	CHECK(EVP_PKEY_decrypt_init(ctx) == 1 && EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING) == 1 &&
		EVP_PKEY_CTX_set_rsa_oaep_md(ctx, EVP_sha256()) == 1 && EVP_PKEY_decrypt(ctx, plain, &n, ct, ct_len) == 1);
	CHECK(n == 24 && memcmp(plain, attrs_get(&o->attrs, CKA_VALUE)->value, 24) == 0);
	EVP_PKEY_CTX_free(ctx);
	EVP_PKEY_free(k);
	object_put(o);
	o = NULL;
	/* every bad ciphertext is one code, also one whose secret does not fit the template */
	attrs_free(&t);
	templ(&t, CKA_KEY_TYPE, CKK_AES, CKA_VALUE_LEN, 32UL, END);
	CHECK_RV(CKR_WRAPPED_KEY_INVALID, make_decapsulate(&strict, &m, priv, ct, ct_len, &t, &o));
	ct[10] ^= 1;
	CHECK_RV(CKR_WRAPPED_KEY_INVALID, make_decapsulate(&strict, &m, priv, ct, ct_len, &t, &o));
	CHECK_RV(CKR_WRAPPED_KEY_LEN_RANGE, make_decapsulate(&strict, &m, priv, ct, 255, &t, &o));
	attrs_free(&t);
	templ(&t, CKA_KEY_TYPE, CKK_GENERIC_SECRET, CKA_VALUE_LEN, 191UL, END);
	CHECK_RV(CKR_KEY_SIZE_RANGE, make_encapsulate(&strict, &m, pub, &t, ct, &ct_len, &o));
	/* v1.5 */
	ct_len = sizeof(ct);
	CHECK_RV(CKR_MECHANISM_INVALID, make_encapsulate(&strict, &old, pub, &t, ct, &ct_len, &o));
	CHECK_RV(CKR_MECHANISM_INVALID, make_decapsulate(&strict, &old, priv, ct, 256, &t, &o));
	CHECK(o == NULL);
	o = there_and_back(&compat, &old, &t);
	object_put(o);
	attrs_free(&t);
}

/* 3.2: extractable, and so not sensitive, unless the template says so. */
static void
test_attributes(void)
{
	CK_ECDH1_DERIVE_PARAMS p = {CKD_NULL, 0, NULL, 0, NULL};
	CK_MECHANISM m = {CKM_ECDH1_DERIVE, &p, sizeof(p)};
	struct attrs t = {0};
	struct object *o;

	make_kem(CKM_EC_KEY_PAIR_GEN, "prime256v1", 0, 0);
	o = there_and_back(&strict, &m, &t);
	CHECK(attrs_bool(&o->attrs, CKA_EXTRACTABLE, false) && !attrs_bool(&o->attrs, CKA_SENSITIVE, true));
	CHECK(object_key_type(o) == CKK_GENERIC_SECRET);
	object_put(o);
	templ(&t, CKA_SENSITIVE, YES, CKA_EXTRACTABLE, NO, CKA_TOKEN, YES, END);
	vault.commits = 0;
	o = there_and_back(&strict, &m, &t);
	CHECK(vault.commits == 2 && !attrs_bool(&o->attrs, CKA_EXTRACTABLE, true) && attrs_bool(&o->attrs, CKA_SENSITIVE, false));
	object_put(o);
	o = NULL;
	templ(&t, CKA_CLASS, CKO_PRIVATE_KEY, END);
	ct_len = sizeof(ct);
	CHECK_RV(CKR_TEMPLATE_INCONSISTENT, make_encapsulate(&strict, &m, pub, &t, ct, &ct_len, &o));
	attrs_free(&t);
	attrs_set(&t, CKA_VALUE, "x", 1);
	CHECK(make_encapsulate(&strict, &m, pub, &t, ct, &ct_len, &o) != CKR_OK && o == NULL);
	attrs_free(&t);
}

static void
test_templates(void)
{
	CK_ECDH1_DERIVE_PARAMS p = {CKD_NULL, 0, NULL, 0, NULL};
	CK_MECHANISM m = {CKM_ECDH1_DERIVE, &p, sizeof(p)};
	struct attrs a = {0}, b = {0}, sub = {0}, t = {0};
	struct object *o = NULL;

	templ(&sub, CKA_EXTRACTABLE, NO, CKA_SENSITIVE, YES, END);
	templ(&a, CKA_ENCAPSULATE, YES, END);
	templ(&b, CKA_DECAPSULATE, YES, END);
	CHECK_RV(CKR_OK, attrs_set_template(&a, CKA_ENCAPSULATE_TEMPLATE, &sub));
	templ(&sub, CKA_EXTRACTABLE, NO, CKA_SENSITIVE, YES, END); /* the first one was taken over */
	CHECK_RV(CKR_OK, attrs_set_template(&b, CKA_DECAPSULATE_TEMPLATE, &sub));
	make(CKM_EC_KEY_PAIR_GEN, "prime256v1", 0, 0, &a, &b);
	o = there_and_back(&strict, &m, &t);
	CHECK(!attrs_bool(&o->attrs, CKA_EXTRACTABLE, true) && attrs_bool(&o->attrs, CKA_SENSITIVE, false));
	object_put(o);
	o = NULL;
	templ(&t, CKA_EXTRACTABLE, YES, END);
	CHECK_RV(CKR_TEMPLATE_INCONSISTENT, make_decapsulate(&strict, &m, priv, ct, ct_len, &t, &o));
	CHECK_RV(CKR_KEY_HANDLE_INVALID, make_encapsulate(&strict, &m, pub, &t, ct, &ct_len, &o));
	CHECK(o == NULL);
	attrs_free(&sub);
	attrs_free(&t);
}

/* A wrapped sensitive key, decapsulated, would come out readable: no key is both. */
static void
test_not_a_way_out(void)
{
	CK_RSA_PKCS_OAEP_PARAMS p = {CKM_SHA256, CKG_MGF1_SHA256, CKZ_DATA_SPECIFIED, NULL, 0};
	CK_MECHANISM m = {CKM_RSA_PKCS_OAEP, &p, sizeof(p)}, gen = {CKM_AES_KEY_GEN, NULL, 0};
	struct attrs a = {0}, b = {0}, t = {0}, change = {0};
	struct object *target = NULL, *o = NULL;
	CK_ULONG n = sizeof(ct);

	templ(&t, CKA_VALUE_LEN, 32UL, CKA_SENSITIVE, YES, CKA_EXTRACTABLE, YES, END);
	CHECK_RV(CKR_OK, make_key(&strict, &gen, &t, &target));
	attrs_free(&t);
	templ(&a, CKA_WRAP, YES, CKA_ENCRYPT, NO, CKA_VERIFY, NO, END);
	templ(&b, CKA_UNWRAP, YES, CKA_DECRYPT, NO, CKA_SIGN, NO, CKA_DECAPSULATE, YES, END);
	make(CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, CKA_MODULUS_BITS, 2048, &a, &b);
	CHECK_RV(CKR_KEY_NOT_WRAPPABLE, make_wrap(&strict, &m, pub, target, ct, &n));

	templ(&a, CKA_WRAP, YES, CKA_ENCRYPT, NO, CKA_VERIFY, NO, END);
	templ(&b, CKA_UNWRAP, YES, CKA_DECRYPT, NO, CKA_SIGN, NO, END);
	make(CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, CKA_MODULUS_BITS, 2048, &a, &b);
	n = sizeof(ct);
	CHECK_RV(CKR_OK, make_wrap(&strict, &m, pub, target, ct, &n));
	templ(&t, CKA_KEY_TYPE, CKK_AES, END);
	CHECK_RV(CKR_KEY_FUNCTION_NOT_PERMITTED, make_decapsulate(&strict, &m, priv, ct, n, &t, &o));
	templ(&change, CKA_DECAPSULATE, YES, END);
	CHECK_RV(CKR_ATTRIBUTE_READ_ONLY, make_changed(&strict, priv, &change, &o));
	CHECK_RV(CKR_ATTRIBUTE_READ_ONLY, make_changed(&compat, priv, &change, &o));
	CHECK_RV(CKR_KEY_FUNCTION_NOT_PERMITTED, make_encapsulate(&strict, &m, pub, &t, ct, &n, &o));
	CHECK_RV(CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT, make_decapsulate(&strict, &m, target, ct, n, &t, &o));
	CHECK_RV(CKR_KEY_TYPE_INCONSISTENT, make_encapsulate(&strict, &m, target, &t, ct, &n, &o));
	CHECK(o == NULL);
	attrs_free(&change);
	attrs_free(&t);
	object_put(target);
}

/* Too small a buffer stays as it is. */
static void
test_room(void)
{
	CK_RSA_PKCS_OAEP_PARAMS oaep = {CKM_SHA256, CKG_MGF1_SHA256, CKZ_DATA_SPECIFIED, NULL, 0};
	CK_ECDH1_DERIVE_PARAMS ecdh = {CKD_NULL, 0, NULL, 0, NULL};
	const struct {
		CK_MECHANISM m;
		CK_MECHANISM_TYPE gen;
		const char *curve;
		CK_ATTRIBUTE_TYPE number;
		CK_ULONG value, size;
	} all[] = {{{CKM_RSA_PKCS_OAEP, &oaep, sizeof(oaep)}, CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, CKA_MODULUS_BITS, 2048, 256},
		{{CKM_ECDH1_DERIVE, &ecdh, sizeof(ecdh)}, CKM_EC_KEY_PAIR_GEN, "prime256v1", 0, 0, 65},
		{{CKM_ML_KEM, NULL, 0}, CKM_ML_KEM_KEY_PAIR_GEN, NULL, CKA_PARAMETER_SET, CKP_ML_KEM_768, 1088}};
	struct attrs t = {0};
	struct object *o = NULL;

	templ(&t, CKA_KEY_TYPE, CKK_GENERIC_SECRET, CKA_VALUE_LEN, 32UL, END);
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		if (mech_find(all[i].gen) == NULL)
			continue;
		make_kem(all[i].gen, all[i].curve, all[i].number, all[i].value);
		memset(ct, 0x55, sizeof(ct));
		ct_len = all[i].size - 1;
		CHECK_RV(CKR_BUFFER_TOO_SMALL, make_encapsulate(&strict, &all[i].m, pub, &t, ct, &ct_len, &o));
		CHECK(ct_len == all[i].size && o == NULL && ct[0] == 0x55 && ct[all[i].size - 1] == 0x55);
	}
	attrs_free(&t);
}

static void
test_ml_kem(void)
{
	CK_MECHANISM m = {CKM_ML_KEM, NULL, 0};
	struct attrs t = {0}, a = {0}, b = {0};
	struct object *o;

	if (mech_find(CKM_ML_KEM) == NULL) {
		CHECK(mech_find(CKM_ML_KEM_KEY_PAIR_GEN) == NULL);
		return;
	}
	make(CKM_ML_KEM_KEY_PAIR_GEN, NULL, CKA_PARAMETER_SET, CKP_ML_KEM_768, &a, &b);
	CHECK(attrs_bool(&pub->attrs, CKA_ENCAPSULATE, false) && attrs_bool(&priv->attrs, CKA_DECAPSULATE, false));
	CHECK(attrs_bool(&priv->attrs, CKA_SENSITIVE, false) && object_hides(priv, CKA_SEED) && object_hides(priv, CKA_VALUE));
	templ(&t, CKA_KEY_TYPE, CKK_AES, END);
	o = there_and_back(&strict, &m, &t);
	CHECK(ct_len == 1088 && attrs_ulong(&o->attrs, CKA_VALUE_LEN, 0) == 32);
	object_put(o);
	o = NULL;
	CHECK_RV(CKR_WRAPPED_KEY_LEN_RANGE, make_decapsulate(&strict, &m, priv, ct, 1087, &t, &o));
	templ(&t, CKA_VALUE_LEN, 16UL, END);
	CHECK(make_encapsulate(&strict, &m, pub, &t, ct, &ct_len, &o) == CKR_TEMPLATE_INCONSISTENT && o == NULL);
	attrs_free(&t);
}

/* Private keys of the other kinds leave and come back as PKCS #8. */
static void
check_wrapped(CK_KEY_TYPE type, struct object *by)
{
	CK_MECHANISM m = {CKM_AES_KEY_WRAP_KWP, NULL, 0};
	CK_ULONG n = sizeof(ct);
	struct object *o = NULL;
	struct attrs t = {0};

	templ(&t, CKA_CLASS, CKO_PRIVATE_KEY, CKA_KEY_TYPE, type, END);
	CHECK_RV(CKR_OK, make_wrap(&strict, &m, by, priv, ct, &n));
	CHECK_RV(CKR_OK, make_unwrap(&strict, &m, by, ct, n, &t, &o));
	CHECK(o != NULL && attr_equal(attrs_get(&o->attrs, CKA_VALUE), attrs_get(&priv->attrs, CKA_VALUE)));
	CHECK(o != NULL && attr_equal(attrs_get(&o->attrs, CKA_PUBLIC_KEY_INFO), attrs_get(&pub->attrs, CKA_PUBLIC_KEY_INFO)));
	object_put(o);
	attrs_free(&t);
}

static void
test_wrapped(void)
{
	CK_MECHANISM gen = {CKM_AES_KEY_GEN, NULL, 0}, group = {CKM_DH_PKCS_PARAMETER_GEN, NULL, 0},
		pair = {CKM_DH_PKCS_KEY_PAIR_GEN, NULL, 0};
	struct object *by = NULL, *domain = NULL;
	struct attrs t = {0}, a = {0}, b = {0};

	templ(&t, CKA_VALUE_LEN, 32UL, CKA_WRAP, YES, CKA_UNWRAP, YES, CKA_ENCRYPT, NO, CKA_DECRYPT, NO, CKA_SIGN, NO, CKA_VERIFY,
		NO, END);
	CHECK_RV(CKR_OK, make_key(&strict, &gen, &t, &by));
	attrs_free(&t);
	templ(&t, CKA_PRIME_BITS, 2048UL, END);
	CHECK_RV(CKR_OK, make_key(&strict, &group, &t, &domain));
	attrs_set_attr(&a, attrs_get(&domain->attrs, CKA_PRIME));
	attrs_set_attr(&a, attrs_get(&domain->attrs, CKA_BASE));
	templ(&b, CKA_EXTRACTABLE, YES, END);
	object_put(pub);
	object_put(priv);
	pub = priv = NULL;
	CHECK_RV(CKR_OK, make_pair(&strict, &pair, &a, &b, &pub, &priv));
	check_wrapped(CKK_DH, by);
	if (mech_find(CKM_ML_KEM) != NULL) {
		attrs_free(&a);
		attrs_free(&b);
		templ(&b, CKA_EXTRACTABLE, YES, END);
		make(CKM_ML_DSA_KEY_PAIR_GEN, NULL, CKA_PARAMETER_SET, CKP_ML_DSA_44, &a, &b);
		check_wrapped(CKK_ML_DSA, by);
	}
	attrs_free(&t);
	attrs_free(&a);
	attrs_free(&b);
	object_put(by);
	object_put(domain);
}

int
main(void)
{
	CHECK_RV(CKR_OK, secret_start());
	strict.who = user;
	compat.who = user_compat;
	test_ecdh();
	test_rfc7748();
	test_rsa();
	test_attributes();
	test_templates();
	test_not_a_way_out();
	test_room();
	test_ml_kem();
	test_wrapped();
	object_put(pub);
	object_put(priv);
	return unit_done("encap");
}
