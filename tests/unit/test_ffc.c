/* Diffie-Hellman and DSA: parameters, keys, agreement and signatures, against OpenSSL and published answers. */
#include "crypto_help.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/dsa.h>
#include <openssl/err.h>
#include <time.h>

#include "store/der.h"
#include "store/key_material.h"
#include "store/rules.h"

/* RFC 6979 A.2.1 */
#define DSA_P \
	"86F5CA03DCFEB225063FF830A0C769B9DD9D6153AD91D7CE27F787C43278B447E6533B86B18BED6E8A48B784A14C252C5BE0DBF60B86D638" \
	"5BD2F12FB763ED8873ABFD3F5BA2E0A8C0A59082EAC056935E529DAF7C610467899C77ADEDFC846C881870B7B19B2B58F9BE0521A17002E3" \
	"BDD6B86685EE90B3D9A1B02B782B1779"
#define DSA_Q "996F967F6C8E388D9E28D01E205FBA957A5698B1"
#define DSA_G \
	"07B0F92546150B62514BB771E2A0C0CE387F03BDA6C56B505209FF25FD3C133D89BBCD97E904E09114D9A7DEFDEADFC9078EA544D2E401AE" \
	"ECC40BB9FBBF78FD87995A10A1C27CB7789B594BA7EFB5C4326A9FE59A070E136DB77175464ADCA417BE5DCE2F40D10A46A3A3943F26AB7F" \
	"D9C0398FF8C76EE0A56826A8A88F1DBD"
#define DSA_X "411602CB19A6CCC34494D79D98EF1E7ED5AF25F7"
#define DSA_Y \
	"5DF5E01DED31D0297E274E1691C192FE5868FEF9E19A84776454B100CF16F65392195A38B90523E2542EE61871C0440CB87C322FC4B4D2EC" \
	"5E1E7EC766E1BE8D4CE935437DC11C3C8FD426338933EBFE739CB3465F4D3668C5E473508253B1E682F65CBDC4FAE93C2EA212390E54905A" \
	"86E2223170B44EAA7DA5DD9FFCFB7F3B"
#define DSA_SHA256_SAMPLE "81F2F5850BE5BC123C43F71A3033E9384611C5454CDD914B65EB6C66A8AAAD27299BEE6B035F5E89"

static void
set_hex(struct attrs *a, CK_ATTRIBUTE_TYPE type, const char *hex)
{
	uint8_t v[1100];
	size_t n = unhex(hex, v);

	CHECK_RV(CKR_OK, attrs_set(a, type, v, n));
}

static void
set_number(struct attrs *a, CK_ATTRIBUTE_TYPE type, const BIGNUM *n)
{
	CHECK_RV(CKR_OK, key_set_bn(a, type, n, 0));
}

static BIGNUM *
number(const struct attrs *a, CK_ATTRIBUTE_TYPE type)
{
	const struct attr *x = attrs_get(a, type);

	return x != NULL ? BN_bin2bn(x->value, (int)x->len, NULL) : BN_new();
}

static CK_RV
make_domain(CK_MECHANISM_TYPE type, CK_ULONG p, CK_ULONG q, struct attrs *a, struct cancel *c)
{
	CK_MECHANISM m = {type, NULL, 0};
	CK_RV rv = mech_implies(&m, NULL, a, NULL);

	if (rv != CKR_OK)
		return rv;
	CHECK(attrs_ulong(a, CKA_CLASS, 0) == CKO_DOMAIN_PARAMETERS);
	if (p != 0)
		attrs_set_ulong(a, CKA_PRIME_BITS, p);
	if (q != 0)
		attrs_set_ulong(a, CKA_SUBPRIME_BITS, q);
	return mech_generate_key(&m, a, c);
}

static const CK_ATTRIBUTE_TYPE domain_parts[] = {CKA_PRIME, CKA_SUBPRIME, CKA_BASE};

static CK_RV
pair_of(CK_MECHANISM_TYPE type, const struct attrs *domain, CK_ULONG value_bits, struct object **pub, struct object **priv)
{
	CK_MECHANISM m = {type, NULL, 0};
	struct attrs a = {0}, b = {0};
	CK_RV rv = mech_implies(&m, NULL, &a, &b);

	*pub = *priv = NULL;
	for (size_t i = 0; i < 3; i++)
		if (attrs_has(domain, domain_parts[i]))
			attrs_set_attr(&a, attrs_get(domain, domain_parts[i]));
	if (value_bits != 0)
		attrs_set_ulong(&b, CKA_VALUE_BITS, value_bits);
	if (rv == CKR_OK)
		rv = mech_generate_pair(&m, false, &a, &b, NULL);
	if (rv == CKR_OK) {
		*pub = as_object(&a);
		*priv = as_object(&b);
	}
	attrs_free(&a);
	attrs_free(&b);
	return rv;
}

/* ---- DH ---- */

/* Both sides' private and public values, and the secret by plain modular exponentiation. */
static void
check_agreement(struct object *pub, struct object *priv, struct object *pub2, struct object *priv2)
{
	const struct attr *y = attrs_get(&pub2->attrs, CKA_VALUE), *y1 = attrs_get(&pub->attrs, CKA_VALUE);
	CK_MECHANISM m = mechanism(CKM_DH_PKCS_DERIVE, y->value, y->len),
		m2 = mechanism(CKM_DH_PKCS_DERIVE, y1->value, y1->len);
	BIGNUM *p = number(&priv->attrs, CKA_PRIME), *x = number(&priv->attrs, CKA_VALUE),
		*other = number(&pub2->attrs, CKA_VALUE), *z = BN_new();
	BN_CTX *ctx = BN_CTX_new();
	uint8_t want[1024];
	size_t len = (size_t)BN_num_bytes(p);
	struct derivation one = {.mech = &m, .base = priv}, two = {.mech = &m2, .base = priv2}, cut = {.mech = &m, .base = priv};

	BN_mod_exp(z, other, x, p, ctx);
	CHECK(BN_bn2binpad(z, want, (int)len) == (int)len);
	CHECK_RV(CKR_OK, mech_derive_plan(&one));
	attrs_set_ulong(&one.keys[0].set, CKA_KEY_TYPE, CKK_GENERIC_SECRET);
	CHECK_RV(CKR_OK, mech_derive(&one));
	CHECK_RV(CKR_OK, mech_derive_plan(&two));
	attrs_set_ulong(&two.keys[0].set, CKA_KEY_TYPE, CKK_GENERIC_SECRET);
	CHECK_RV(CKR_OK, mech_derive(&two));
	CHECK(same(want, len, attrs_get(&one.keys[0].set, CKA_VALUE)->value, attrs_get(&one.keys[0].set, CKA_VALUE)->len));
	CHECK(attr_equal(attrs_get(&one.keys[0].set, CKA_VALUE), attrs_get(&two.keys[0].set, CKA_VALUE)));
	/* what is cut off is the beginning */
	CHECK_RV(CKR_OK, mech_derive_plan(&cut));
	attrs_set_ulong(&cut.keys[0].set, CKA_KEY_TYPE, CKK_AES);
	CHECK_RV(CKR_TEMPLATE_INCOMPLETE, mech_derive(&cut));
	attrs_set_ulong(&cut.keys[0].set, CKA_VALUE_LEN, 32);
	CHECK_RV(CKR_OK, mech_derive(&cut));
	CHECK(same(want + len - 32, 32, attrs_get(&cut.keys[0].set, CKA_VALUE)->value, 32));
	derivation_free(&one);
	derivation_free(&two);
	derivation_free(&cut);
	BN_free(p);
	BN_clear_free(x);
	BN_free(other);
	BN_free(z);
	BN_CTX_free(ctx);
}

/* A secret with a leading zero keeps it (PKCS #3 section 8): tried until one comes, one in 256 has it. */
static void
test_leading_zero(const struct attrs *domain)
{
	struct object *pub, *priv, *pub2, *priv2;
	struct derivation d;
	bool seen = false;

	CHECK_RV(CKR_OK, pair_of(CKM_DH_PKCS_KEY_PAIR_GEN, domain, 160, &pub, &priv));
	for (int i = 0; i < 4000 && !seen; i++) {
		CHECK_RV(CKR_OK, pair_of(CKM_DH_PKCS_KEY_PAIR_GEN, domain, 160, &pub2, &priv2));
		CK_MECHANISM m = mechanism(CKM_DH_PKCS_DERIVE, attrs_get(&pub2->attrs, CKA_VALUE)->value,
			attrs_get(&pub2->attrs, CKA_VALUE)->len);
		memset(&d, 0, sizeof(d));
		d.mech = &m;
		d.base = priv;
		CHECK_RV(CKR_OK, mech_derive_plan(&d));
		attrs_set_ulong(&d.keys[0].set, CKA_KEY_TYPE, CKK_GENERIC_SECRET);
		CHECK_RV(CKR_OK, mech_derive(&d));
		seen = attrs_get(&d.keys[0].set, CKA_VALUE)->value[0] == 0;
		CHECK(attrs_get(&d.keys[0].set, CKA_VALUE)->len == 128);
		derivation_free(&d);
		if (seen)
			check_agreement(pub, priv, pub2, priv2);
		object_put(pub2);
		object_put(priv2);
	}
	CHECK(seen);
	object_put(pub);
	object_put(priv);
}

static void
check_bad_values(struct object *priv)
{
	BIGNUM *p = number(&priv->attrs, CKA_PRIME), *less = BN_dup(p), *more = BN_dup(p);
	uint8_t v[1100] = {0};
	size_t n;
	CK_MECHANISM m = mechanism(CKM_DH_PKCS_DERIVE, v, 1);
	struct derivation d = {.mech = &m, .base = priv};

	CHECK_RV(CKR_OK, mech_derive_plan(&d));
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, mech_derive(&d)); /* 0 */
	v[0] = 1;
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, mech_derive(&d));
	BN_sub_word(less, 1);
	n = (size_t)BN_bn2bin(less, v);
	m.ulParameterLen = n;
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, mech_derive(&d)); /* p - 1: of order 2 */
	BN_bn2bin(p, v);
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, mech_derive(&d));
	BN_add_word(more, 5);
	m.ulParameterLen = (CK_ULONG)BN_bn2bin(more, v);
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, mech_derive(&d));
	memset(v, 0, sizeof(v));
	v[n] = 2;
	m.ulParameterLen = n + 1; /* longer than the prime, though its number is not */
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, mech_derive(&d));
	m.ulParameterLen = 0;
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, mech_derive(&d));
	derivation_free(&d);
	BN_free(p);
	BN_free(less);
	BN_free(more);
}

static void
check_dh_envelopes(struct object *pub, struct object *priv)
{
	EVP_PKEY *k = openssl_private(priv), *p = openssl_public(pub);
	struct attrs a = {0};
	uint8_t *der;
	size_t n;

	CHECK(k != NULL && p != NULL && EVP_PKEY_eq(k, p) == 1);
	CHECK_RV(CKR_OK, key_to_pkcs8(priv, &der, &n));
	attrs_set_ulong(&a, CKA_CLASS, CKO_PRIVATE_KEY);
	CHECK_RV(CKR_OK, key_from_pkcs8(der, n, &a));
	CHECK(attr_equal(attrs_get(&a, CKA_VALUE), attrs_get(&priv->attrs, CKA_VALUE)));
	CHECK(attr_equal(attrs_get(&a, CKA_PRIME), attrs_get(&priv->attrs, CKA_PRIME)));
	CHECK(attr_equal(attrs_get(&a, CKA_BASE), attrs_get(&priv->attrs, CKA_BASE)));
	attrs_set_ulong(&a, CKA_KEY_TYPE, CKK_RSA);
	CHECK_RV(CKR_TEMPLATE_INCONSISTENT, key_from_pkcs8(der, n, &a));
	attrs_free(&a);
	secret_free(der);
	EVP_PKEY_free(k);
	EVP_PKEY_free(p);
}

static void
test_dh(void)
{
	struct attrs domain = {0}, bad = {0}, wrong = {0};
	struct object *pub, *priv, *pub2, *priv2;

	CHECK_RV(CKR_OK, make_domain(CKM_DH_PKCS_PARAMETER_GEN, 2048, 0, &domain, NULL));
	CHECK(attrs_ulong(&domain, CKA_PRIME_BITS, 0) == 2048 && attrs_get(&domain, CKA_PRIME)->len == 256);
	CHECK_RV(CKR_OK, pair_of(CKM_DH_PKCS_KEY_PAIR_GEN, &domain, 0, &pub, &priv));
	CHECK_RV(CKR_OK, pair_of(CKM_DH_PKCS_KEY_PAIR_GEN, &domain, 512, &pub2, &priv2));
	CHECK(attrs_ulong(&priv2->attrs, CKA_VALUE_BITS, 0) == 512 && attrs_get(&priv2->attrs, CKA_VALUE)->len <= 64);
	CHECK(attrs_ulong(&priv->attrs, CKA_VALUE_BITS, 0) >= 200);
	check_agreement(pub, priv, pub2, priv2);
	object_put(pub2);
	object_put(priv2);
	check_bad_values(priv);
	check_dh_envelopes(pub, priv);
	/* parts that are missing or do not fit */
	CHECK_RV(CKR_ATTRIBUTE_VALUE_INVALID, pair_of(CKM_DH_PKCS_KEY_PAIR_GEN, &domain, 100, &pub2, &priv2));
	CHECK_RV(CKR_ATTRIBUTE_VALUE_INVALID, pair_of(CKM_DH_PKCS_KEY_PAIR_GEN, &domain, 2048, &pub2, &priv2));
	CHECK_RV(CKR_TEMPLATE_INCOMPLETE, pair_of(CKM_DH_PKCS_KEY_PAIR_GEN, &bad, 0, &pub2, &priv2));
	attrs_copy(&wrong, &domain);
	attrs_set(&wrong, CKA_BASE, (const uint8_t *)"\x01", 1);
	CHECK_RV(CKR_DOMAIN_PARAMS_INVALID, pair_of(CKM_DH_PKCS_KEY_PAIR_GEN, &wrong, 0, &pub2, &priv2));
	attrs_get(&wrong, CKA_PRIME)->value[255] ^= 1; /* even */
	attrs_set(&wrong, CKA_BASE, (const uint8_t *)"\x02", 1);
	CHECK_RV(CKR_DOMAIN_PARAMS_INVALID, pair_of(CKM_DH_PKCS_KEY_PAIR_GEN, &wrong, 0, &pub2, &priv2));
	attrs_free(&bad);
	CHECK_RV(CKR_TEMPLATE_INCOMPLETE, make_domain(CKM_DH_PKCS_PARAMETER_GEN, 0, 0, &bad, NULL));
	attrs_free(&bad);
	CHECK_RV(CKR_ATTRIBUTE_VALUE_INVALID, make_domain(CKM_DH_PKCS_PARAMETER_GEN, 1024, 0, &bad, NULL));
	attrs_free(&bad);
	CHECK_RV(CKR_OK, make_domain(CKM_DH_PKCS_PARAMETER_GEN, 8192, 0, &bad, NULL));
	CHECK(attrs_get(&bad, CKA_PRIME)->len == 1024);
	attrs_free(&bad);
	attrs_free(&wrong);
	attrs_free(&domain);
	object_put(pub);
	object_put(priv);
}

/* Creation: a private value out of range, a public one that is none; the public half of a private key. */
static void
test_dh_created(void)
{
	struct attrs domain = {0}, a = {0};
	struct object *pub, *priv;
	BIGNUM *p;
	uint8_t *der;
	size_t n;

	CHECK_RV(CKR_OK, make_domain(CKM_DH_PKCS_PARAMETER_GEN, 2048, 0, &domain, NULL));
	CHECK_RV(CKR_OK, pair_of(CKM_DH_PKCS_KEY_PAIR_GEN, &domain, 0, &pub, &priv));
	attrs_copy(&a, &priv->attrs);
	attrs_remove(&a, CKA_VALUE_BITS);
	attrs_remove(&a, CKA_PUBLIC_KEY_INFO);
	CHECK_RV(CKR_OK, key_check(&a));
	CHECK(attrs_ulong(&a, CKA_VALUE_BITS, 0) > 0);
	CHECK_RV(CKR_OK, key_to_spki(priv, &der, &n));
	CHECK(same(der, n, attrs_get(&pub->attrs, CKA_PUBLIC_KEY_INFO)->value,
		attrs_get(&pub->attrs, CKA_PUBLIC_KEY_INFO)->len));
	secret_free(der);
	p = number(&a, CKA_PRIME);
	set_number(&a, CKA_VALUE, p);
	CHECK_RV(CKR_ATTRIBUTE_VALUE_INVALID, key_check(&a));
	attrs_set(&a, CKA_VALUE, (const uint8_t *)"\0", 1);
	CHECK_RV(CKR_ATTRIBUTE_VALUE_INVALID, key_check(&a));
	attrs_free(&a);
	attrs_copy(&a, &pub->attrs);
	BN_sub_word(p, 1);
	set_number(&a, CKA_VALUE, p);
	CHECK_RV(CKR_ATTRIBUTE_VALUE_INVALID, key_check(&a));
	attrs_remove(&a, CKA_VALUE);
	CHECK_RV(CKR_TEMPLATE_INCOMPLETE, key_check(&a));
	attrs_set(&a, CKA_PRIME, (const uint8_t *)"\x17", 1);
	CHECK_RV(CKR_KEY_SIZE_RANGE, key_check(&a));
	BN_free(p);
	attrs_free(&a);
	attrs_free(&domain);
	object_put(pub);
	object_put(priv);
}

/* ---- DSA ---- */

static void
begin_dsa(struct attrs *a, CK_OBJECT_CLASS class)
{
	attrs_set_ulong(a, CKA_CLASS, class);
	attrs_set_ulong(a, CKA_KEY_TYPE, CKK_DSA);
	set_hex(a, CKA_PRIME, DSA_P);
	set_hex(a, CKA_SUBPRIME, DSA_Q);
	set_hex(a, CKA_BASE, DSA_G);
	set_hex(a, CKA_VALUE, class == CKO_PRIVATE_KEY ? DSA_X : DSA_Y);
}

static void
check_openssl_verifies(struct object *pub, const char *digest, const uint8_t *sig, size_t n, const uint8_t *m, size_t len)
{
	EVP_PKEY *k = openssl_public(pub);
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	DSA_SIG *s = DSA_SIG_new();
	unsigned char *der = NULL;
	int der_len;

	DSA_SIG_set0(s, BN_bin2bn(sig, (int)n / 2, NULL), BN_bin2bn(sig + n / 2, (int)n / 2, NULL));
	der_len = i2d_DSA_SIG(s, &der);
	CHECK(EVP_DigestVerifyInit_ex(c, NULL, digest, NULL, NULL, k, NULL) == 1 &&
		EVP_DigestVerify(c, der, (size_t)der_len, m, len) == 1);
	OPENSSL_free(der);
	DSA_SIG_free(s);
	EVP_MD_CTX_free(c);
	EVP_PKEY_free(k);
}

/* A signature by OpenSSL verifies here. */
static void
check_openssl_signs(struct object *pub, struct object *priv, const CK_MECHANISM *mech, const char *digest,
	const uint8_t *m, size_t len, size_t half)
{
	EVP_PKEY *k = openssl_private(priv);
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	uint8_t der[200], sig[64];
	const unsigned char *p = der;
	const BIGNUM *r, *s;
	size_t n = sizeof(der);
	DSA_SIG *d;

	CHECK(EVP_DigestSignInit_ex(c, NULL, digest, NULL, NULL, k, NULL) == 1 && EVP_DigestSign(c, der, &n, m, len) == 1);
	d = d2i_DSA_SIG(NULL, &p, (long)n);
	DSA_SIG_get0(d, &r, &s);
	BN_bn2binpad(r, sig, (int)half);
	BN_bn2binpad(s, sig + half, (int)half);
	CHECK_RV(CKR_OK, verify(mech, pub, m, len, sig, 2 * half));
	DSA_SIG_free(d);
	EVP_MD_CTX_free(c);
	EVP_PKEY_free(k);
}

static void
check_dsa(struct object *pub, struct object *priv, size_t half)
{
	static const struct {
		CK_MECHANISM_TYPE type;
		const char *digest;
	} rows[] = {
		{CKM_DSA_SHA1, "SHA1"}, {CKM_DSA_SHA224, "SHA2-224"}, {CKM_DSA_SHA256, "SHA2-256"},
		{CKM_DSA_SHA384, "SHA2-384"}, {CKM_DSA_SHA512, "SHA2-512"}, {CKM_DSA_SHA3_224, "SHA3-224"},
		{CKM_DSA_SHA3_256, "SHA3-256"}, {CKM_DSA_SHA3_384, "SHA3-384"}, {CKM_DSA_SHA3_512, "SHA3-512"},
	};
	const uint8_t m[] = "what is signed";
	uint8_t sig[64], hash[32];
	CK_MECHANISM mech, raw = mechanism(CKM_DSA, NULL, 0);
	size_t n;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		mech = mechanism(rows[i].type, NULL, 0);
		n = sizeof(sig);
		CHECK_RV(CKR_OK, parts(OP_SIGN, &mech, priv, m, sizeof(m), sig, &n));
		CHECK(n == 2 * half);
		check_openssl_verifies(pub, rows[i].digest, sig, n, m, sizeof(m));
		CHECK_RV(CKR_OK, verify(&mech, pub, m, sizeof(m), sig, n));
		CHECK_RV(CKR_OK, verify_parts(&mech, pub, m, sizeof(m), sig, n));
		CHECK_RV(CKR_SIGNATURE_INVALID, verify(&mech, pub, m, 3, sig, n));
		check_openssl_signs(pub, priv, &mech, rows[i].digest, m, sizeof(m), half);
	}
	mech = mechanism(CKM_DSA_SHA256, NULL, 0);
	EVP_Digest(m, sizeof(m), hash, NULL, EVP_sha256(), NULL);
	n = sizeof(sig);
	CHECK_RV(CKR_OK, once(OP_SIGN, &raw, priv, hash, 32, sig, &n));
	CHECK_RV(CKR_OK, verify(&mech, pub, m, sizeof(m), sig, n));
	CHECK_RV(CKR_OK, verify(&raw, pub, hash, 32, sig, n));
	CHECK_RV(CKR_SIGNATURE_LEN_RANGE, verify(&raw, pub, hash, 32, sig, n - 1));
	CHECK_RV(CKR_DATA_LEN_RANGE, verify(&raw, pub, hash, 31, sig, n));
	memset(sig, 0, sizeof(sig));
	CHECK_RV(CKR_SIGNATURE_INVALID, verify(&raw, pub, hash, 32, sig, n));
	memset(sig, 0xFF, sizeof(sig));
	CHECK_RV(CKR_SIGNATURE_INVALID, verify(&raw, pub, hash, 32, sig, n));
	mech.pParameter = hash;
	mech.ulParameterLen = 4;
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, verify(&mech, pub, m, sizeof(m), sig, n));
}

static void
test_dsa_known(void)
{
	CK_MECHANISM m = mechanism(CKM_DSA_SHA256, NULL, 0);
	struct attrs a = {0}, b = {0};
	struct object *pub, *priv;
	uint8_t sig[40], y[128], *der;
	size_t n = unhex(DSA_SHA256_SAMPLE, sig);

	begin_dsa(&a, CKO_PUBLIC_KEY);
	CHECK_RV(CKR_OK, key_check(&a));
	begin_dsa(&b, CKO_PRIVATE_KEY);
	CHECK_RV(CKR_OK, key_check(&b));
	pub = as_object(&a);
	priv = as_object(&b);
	CHECK_RV(CKR_OK, verify(&m, pub, (const uint8_t *)"sample", 6, sig, n));
	sig[3] ^= 1;
	CHECK_RV(CKR_SIGNATURE_INVALID, verify(&m, pub, (const uint8_t *)"sample", 6, sig, n));
	/* the private key knows its public value: the last integer of its SubjectPublicKeyInfo */
	CHECK_RV(CKR_OK, key_to_spki(priv, &der, &n));
	unhex(DSA_Y, y);
	CHECK(n > 128 && memcmp(der + n - 128, y, 128) == 0);
	attrs_set(&pub->attrs, CKA_PUBLIC_KEY_INFO, der, n);
	secret_free(der);
	check_dsa(pub, priv, 20);
	object_put(pub);
	object_put(priv);
	/* parts that do not fit each other */
	begin_dsa(&a, CKO_PUBLIC_KEY);
	set_hex(&a, CKA_VALUE, "02"); /* not of the subgroup */
	CHECK_RV(CKR_ATTRIBUTE_VALUE_INVALID, key_check(&a));
	set_hex(&a, CKA_BASE, "02");
	CHECK_RV(CKR_DOMAIN_PARAMS_INVALID, key_check(&a));
	set_hex(&a, CKA_SUBPRIME, "996F967F6C8E388D9E28D01E205FBA957A5698B3");
	CHECK_RV(CKR_DOMAIN_PARAMS_INVALID, key_check(&a));
	set_hex(&a, CKA_SUBPRIME, "17");
	CHECK_RV(CKR_KEY_SIZE_RANGE, key_check(&a));
	attrs_remove(&a, CKA_SUBPRIME);
	CHECK_RV(CKR_TEMPLATE_INCOMPLETE, key_check(&a));
	attrs_free(&a);
	begin_dsa(&a, CKO_PRIVATE_KEY);
	set_hex(&a, CKA_VALUE, DSA_Q);
	CHECK_RV(CKR_ATTRIBUTE_VALUE_INVALID, key_check(&a));
	attrs_free(&a);
}

static void
test_dsa_generated(void)
{
	static const CK_ULONG sizes[][2] = {{2048, 224}, {2048, 0}, {3072, 0}};
	struct attrs domain = {0}, small = {0};
	struct object *pub, *priv;

	for (size_t i = 0; i < 3; i++) {
		CHECK_RV(CKR_OK, make_domain(CKM_DSA_PARAMETER_GEN, sizes[i][0], sizes[i][1], &domain, NULL));
		CHECK(attrs_get(&domain, CKA_SUBPRIME)->len == (sizes[i][1] != 0 ? 28u : 32u));
		CHECK(attrs_ulong(&domain, CKA_SUBPRIME_BITS, 0) == (sizes[i][1] != 0 ? 224u : 256u));
		CHECK_RV(CKR_OK, pair_of(CKM_DSA_KEY_PAIR_GEN, &domain, 0, &pub, &priv));
		check_dh_envelopes(pub, priv);
		check_dsa(pub, priv, sizes[i][1] != 0 ? 28 : 32);
		object_put(pub);
		object_put(priv);
		attrs_free(&domain);
	}
	CHECK_RV(CKR_ATTRIBUTE_VALUE_INVALID, make_domain(CKM_DSA_PARAMETER_GEN, 2048, 160, &domain, NULL));
	attrs_free(&domain);
	CHECK_RV(CKR_ATTRIBUTE_VALUE_INVALID, make_domain(CKM_DSA_PARAMETER_GEN, 2500, 0, &domain, NULL));
	attrs_free(&domain);
	/* short keys: by configuration only */
	CHECK_RV(CKR_ATTRIBUTE_VALUE_INVALID, make_domain(CKM_DSA_PARAMETER_GEN, 1024, 0, &domain, NULL));
	attrs_free(&domain);
	begin_dsa(&small, CKO_PUBLIC_KEY);
	CHECK_RV(CKR_ATTRIBUTE_VALUE_INVALID, pair_of(CKM_DSA_KEY_PAIR_GEN, &small, 0, &pub, &priv));
	mech_set_legacy(true);
	CHECK_RV(CKR_OK, make_domain(CKM_DSA_PARAMETER_GEN, 1024, 0, &domain, NULL));
	CHECK(attrs_get(&domain, CKA_SUBPRIME)->len == 20);
	CHECK_RV(CKR_OK, pair_of(CKM_DSA_KEY_PAIR_GEN, &small, 0, &pub, &priv));
	object_put(pub);
	object_put(priv);
	attrs_free(&domain);
	attrs_free(&small);
	CHECK_RV(CKR_OK, make_domain(CKM_DH_PKCS_PARAMETER_GEN, 1024, 0, &domain, NULL));
	CHECK(attrs_get(&domain, CKA_PRIME)->len == 128);
	test_leading_zero(&domain);
	attrs_free(&domain);
	CHECK(mech_find(CKM_RSA_PKCS_KEY_PAIR_GEN)->min == 1024);
	mech_set_legacy(false);
	CHECK(mech_find(CKM_RSA_PKCS_KEY_PAIR_GEN)->min == 2048);
}

/* ---- through the rules ---- */

static const struct actor user = {.user = CKU_USER, .rw = true};

static CK_RV
by_rules(struct attrs *out, const struct attrs *templ, const CK_MECHANISM *m)
{
	enum rules_how how = m != NULL ? HOW_GENERATE : HOW_CREATE;
	struct attrs implied = {0};
	CK_RV rv = m != NULL ? mech_implies(m, templ, &implied, NULL) : CKR_OK;

	attrs_free(out);
	if (rv == CKR_OK)
		rv = rules_begin(out, templ, m != NULL ? &implied : NULL, how, &user);
	if (rv == CKR_OK && m != NULL)
		rv = mech_generate_key(m, out, NULL);
	if (rv == CKR_OK)
		rv = rules_finish(out, how, m, NULL);
	attrs_free(&implied);
	return rv;
}

static void
test_rules(void)
{
	CK_MECHANISM gen = mechanism(CKM_DH_PKCS_PARAMETER_GEN, NULL, 0), pair = mechanism(CKM_DH_PKCS_KEY_PAIR_GEN, NULL, 0);
	struct attrs domain = {0}, t = {0}, pub = {0}, priv = {0}, first = {0}, second = {0}, made = {0};

	attrs_set_ulong(&t, CKA_PRIME_BITS, 2048);
	CHECK_RV(CKR_OK, by_rules(&domain, &t, &gen));
	CHECK(attrs_bool(&domain, CKA_LOCAL, false) && attrs_has(&domain, CKA_PRIME));
	attrs_free(&t);
	CHECK_RV(CKR_TEMPLATE_INCOMPLETE, by_rules(&made, &t, &gen));

	/* a pair of these parameters: the private half has them too, and its value is hidden */
	CHECK_RV(CKR_OK, mech_implies(&pair, NULL, &first, &second));
	CHECK_RV(CKR_TEMPLATE_INCOMPLETE, rules_begin(&pub, &t, &first, HOW_GENERATE, &user));
	attrs_set_attr(&t, attrs_get(&domain, CKA_PRIME));
	attrs_set_attr(&t, attrs_get(&domain, CKA_BASE));
	CHECK_RV(CKR_OK, rules_begin(&pub, &t, &first, HOW_GENERATE, &user));
	attrs_free(&t);
	CHECK_RV(CKR_OK, rules_begin(&priv, &t, &second, HOW_GENERATE, &user));
	CHECK_RV(CKR_OK, mech_generate_pair(&pair, false, &pub, &priv, NULL));
	CHECK_RV(CKR_OK, rules_finish(&pub, HOW_GENERATE, &pair, NULL));
	CHECK_RV(CKR_OK, rules_finish(&priv, HOW_GENERATE, &pair, NULL));
	CHECK(attr_equal(attrs_get(&priv, CKA_PRIME), attrs_get(&domain, CKA_PRIME)));
	CHECK(attrs_bool(&priv, CKA_DERIVE, false) && attrs_bool(&priv, CKA_SENSITIVE, false));
	CHECK(rules_sensitive(CKO_PRIVATE_KEY, CKA_VALUE) && attrs_ulong(&priv, CKA_VALUE_BITS, 0) > 0);

	/* domain parameters that are created */
	attrs_set_ulong(&t, CKA_CLASS, CKO_DOMAIN_PARAMETERS);
	attrs_set_ulong(&t, CKA_KEY_TYPE, CKK_DSA);
	set_hex(&t, CKA_PRIME, DSA_P);
	set_hex(&t, CKA_SUBPRIME, DSA_Q);
	CHECK_RV(CKR_TEMPLATE_INCOMPLETE, by_rules(&made, &t, NULL));
	set_hex(&t, CKA_BASE, "02");
	CHECK_RV(CKR_DOMAIN_PARAMS_INVALID, by_rules(&made, &t, NULL));
	set_hex(&t, CKA_BASE, DSA_G);
	CHECK_RV(CKR_OK, by_rules(&made, &t, NULL));
	CHECK(attrs_ulong(&made, CKA_PRIME_BITS, 0) == 1024 && attrs_ulong(&made, CKA_SUBPRIME_BITS, 0) == 160);
	CHECK(!attrs_bool(&made, CKA_LOCAL, true));
	attrs_free(&made);
	attrs_free(&domain);
	attrs_free(&t);
	attrs_free(&pub);
	attrs_free(&priv);
	attrs_free(&first);
	attrs_free(&second);
}

static size_t
add_der(uint8_t *out, uint8_t tag, const uint8_t *v, size_t n)
{
	size_t at = der_put_header(out, tag, n);

	memcpy(out + at, v, n);
	return at + n;
}

/* PrivateKeyInfo of a DSA key whose prime and private number are as long as this. */
static size_t
dsa_blob(size_t bytes, uint8_t *out)
{
	static const uint8_t oid[] = {0x2A, 0x86, 0x48, 0xCE, 0x38, 0x04, 0x01}, two = 2, zero;
	static uint8_t big[4096], numbers[3 * 4096], inner[4 * 4096];
	size_t n, m, at;

	memset(big, 0x7F, bytes);
	n = add_der(numbers, DER_INTEGER, big, bytes);
	n += add_der(numbers + n, DER_INTEGER, big, 20);
	n += add_der(numbers + n, DER_INTEGER, &two, 1);
	at = add_der(inner, DER_OID, oid, sizeof(oid));
	at += add_der(inner + at, DER_SEQUENCE, numbers, n);
	memcpy(numbers, inner, at);
	n = at;
	at = add_der(inner, DER_INTEGER, &zero, 1);
	at += add_der(inner + at, DER_SEQUENCE, numbers, n);
	m = add_der(numbers, DER_INTEGER, big, bytes);
	at += add_der(inner + at, DER_OCTET_STRING, numbers, m);
	return add_der(out, DER_SEQUENCE, inner, at);
}

/* OpenSSL raises to a power as it reads: 32768 bits keep it for seconds, a million for days. */
static void
test_dsa_blob_too_long(void)
{
	static uint8_t der[4 * 4096];
	clock_t began = clock();
	struct attrs a = {0};

	CHECK_RV(CKR_OK, key_from_pkcs8(der, dsa_blob(128, der), &a)); /* the shape is right */
	attrs_free(&a);
	CHECK_RV(CKR_ATTRIBUTE_VALUE_INVALID, key_from_pkcs8(der, dsa_blob(4096, der), &a));
	CHECK(a.n == 0 && clock() - began < CLOCKS_PER_SEC);
	attrs_free(&a);
}

static void
test_cancel(void)
{
	struct cancel c;
	struct attrs a = {0};

	atomic_init(&c.on, true);
	CHECK_RV(CKR_FUNCTION_CANCELED, make_domain(CKM_DH_PKCS_PARAMETER_GEN, 2304, 0, &a, &c));
	attrs_free(&a);
	CHECK_RV(CKR_FUNCTION_CANCELED, make_domain(CKM_DSA_PARAMETER_GEN, 2048, 0, &a, &c));
	attrs_free(&a);
}

int
main(void)
{
	CHECK_RV(CKR_OK, secret_start());
	test_dh();
	test_dh_created();
	test_dsa_known();
	test_dsa_generated();
	test_rules();
	test_dsa_blob_too_long();
	test_cancel();
	return unit_done("ffc");
}
