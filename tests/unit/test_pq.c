/*
 * ML-KEM, ML-DSA, SLH-DSA: keys, signatures, encapsulation, against OpenSSL and against Bouncy Castle's answers
 *
 * With an OpenSSL that lacks them the mechanisms must be absent; that is all that can be tested there.
 */
#include "crypto_help.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include "store/key_material.h"

#define SIG_MAX 50000

static const uint8_t message[] = "The quick brown fox jumps over the lazy dog";
#define MESSAGE message, sizeof(message) - 1

static CK_RV
make_pq(CK_MECHANISM_TYPE type, CK_ULONG set, struct object **pub, struct object **priv)
{
	CK_MECHANISM m = {type, NULL, 0};
	struct attrs a = {0}, b = {0};
	CK_RV rv;

	*pub = *priv = NULL;
	rv = mech_implies(&m, NULL, &a, &b);
	if (rv == CKR_OK && set != 0)
		attrs_set_ulong(&a, CKA_PARAMETER_SET, set);
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

static struct object *
key_object(CK_OBJECT_CLASS class, CK_KEY_TYPE type, CK_ULONG set, CK_ATTRIBUTE_TYPE part, const uint8_t *v, size_t n,
	CK_RV want)
{
	struct object *o = NULL;
	struct attrs a = {0};

	attrs_set_ulong(&a, CKA_CLASS, class);
	attrs_set_ulong(&a, CKA_KEY_TYPE, type);
	if (set != 0)
		attrs_set_ulong(&a, CKA_PARAMETER_SET, set);
	attrs_set(&a, part, v, n);
	CHECK_RV(want, key_check(&a));
	if (want == CKR_OK)
		o = as_object(&a);
	attrs_free(&a);
	return o;
}

static void
sha256_hex(const void *data, size_t n, char hex[65])
{
	uint8_t md[32];

	EVP_Digest(data, n, md, NULL, EVP_sha256(), NULL);
	for (int i = 0; i < 32; i++)
		sprintf(hex + 2 * i, "%02x", md[i]);
}

static void
test_absent(void)
{
	struct object *pub, *priv;

	CHECK(mech_find(CKM_ML_KEM) == NULL && mech_find(CKM_ML_DSA) == NULL && mech_find(CKM_SLH_DSA) == NULL);
	CHECK_RV(CKR_MECHANISM_INVALID, make_pq(CKM_ML_DSA_KEY_PAIR_GEN, CKP_ML_DSA_44, &pub, &priv));
	key_object(CKO_PUBLIC_KEY, CKK_ML_DSA, CKP_ML_DSA_44, CKA_VALUE, message, 20, CKR_PARAMETER_SET_NOT_SUPPORTED);
}

/* ---- keys ---- */

static void
check_envelopes(struct object *pub, struct object *priv, CK_KEY_TYPE type)
{
	uint8_t *der = NULL, *spki = NULL, *text = NULL;
	size_t len, spki_len, n;
	struct attrs a = {0};
	EVP_PKEY *k, *p;

	/* PKCS #8 is read by OpenSSL, and our own reading gives the same attributes again */
	CHECK_RV(CKR_OK, key_to_pkcs8(priv, &der, &len));
	k = openssl_private(priv);
	p = openssl_public(pub);
	CHECK(k != NULL && p != NULL && EVP_PKEY_eq(k, p) == 1);
	attrs_set_ulong(&a, CKA_CLASS, CKO_PRIVATE_KEY);
	CHECK_RV(CKR_OK, key_from_pkcs8(der, len, &a));
	CHECK(attrs_ulong(&a, CKA_KEY_TYPE, 0) == type);
	CHECK(attr_equal(attrs_get(&a, CKA_VALUE), attrs_get(&priv->attrs, CKA_VALUE)));
	CHECK((attrs_get(&a, CKA_SEED) == NULL) == (attrs_get(&priv->attrs, CKA_SEED) == NULL));
	CHECK(attrs_ulong(&a, CKA_PARAMETER_SET, 0) == attrs_ulong(&pub->attrs, CKA_PARAMETER_SET, 1));
	attrs_free(&a);
	attrs_set_ulong(&a, CKA_CLASS, CKO_PUBLIC_KEY);
	CHECK_RV(CKR_OK, key_to_spki(priv, &spki, &spki_len));
	CHECK(same(spki, spki_len, attrs_get(&pub->attrs, CKA_PUBLIC_KEY_INFO)->value,
		attrs_get(&pub->attrs, CKA_PUBLIC_KEY_INFO)->len));
	CHECK_RV(CKR_OK, key_from_spki(spki, spki_len, &a));
	CHECK(attr_equal(attrs_get(&a, CKA_VALUE), attrs_get(&pub->attrs, CKA_VALUE)));
	CHECK_RV(CKR_OK, key_export_public(pub, KEY_PEM, &text, &n));
	CHECK(n > 30 && strncmp((char *)text, "-----BEGIN PUBLIC KEY-----", 26) == 0);
	free(text);
	CHECK_RV(CKR_KEY_TYPE_INCONSISTENT, key_export_public(pub, KEY_JWK, &text, &n));
	CHECK_RV(CKR_KEY_TYPE_INCONSISTENT, key_export_public(pub, KEY_SSH, &text, &n));
	attrs_free(&a);
	EVP_PKEY_free(k);
	EVP_PKEY_free(p);
	secret_free(der);
	secret_free(spki);
}

static void
test_keys(CK_KEY_TYPE type, CK_MECHANISM_TYPE gen, CK_ULONG sets)
{
	struct object *pub, *priv, *o;
	const struct attr *v, *seed;
	const struct key_pq_set *s;

	for (CK_ULONG set = 1; set <= sets; set++) {
		s = key_pq_find(type, set);
		CHECK_RV(CKR_OK, make_pq(gen, set, &pub, &priv));
		if (pub == NULL || s == NULL)
			continue;
		CHECK(attrs_ulong(&priv->attrs, CKA_PARAMETER_SET, 0) == set);
		CHECK(attrs_get(&pub->attrs, CKA_VALUE)->len == s->pub);
		v = attrs_get(&priv->attrs, CKA_VALUE);
		CHECK(v->len == s->priv);
		check_envelopes(pub, priv, type);
		o = key_object(CKO_PRIVATE_KEY, type, set, CKA_VALUE, v->value, v->len, CKR_OK);
		object_put(o);
		seed = attrs_get(&priv->attrs, CKA_SEED);
		CHECK((seed != NULL) == (s->seed != 0));
		if (seed != NULL) { /* the seed alone gives the same value */
			o = key_object(CKO_PRIVATE_KEY, type, set, CKA_SEED, seed->value, seed->len, CKR_OK);
			CHECK(attr_equal(attrs_get(&o->attrs, CKA_VALUE), v));
			object_put(o);
			key_object(CKO_PRIVATE_KEY, type, set, CKA_SEED, seed->value, seed->len - 1,
				CKR_ATTRIBUTE_VALUE_INVALID);
		}
		key_object(CKO_PRIVATE_KEY, type, set, CKA_VALUE, v->value, v->len - 1, CKR_ATTRIBUTE_VALUE_INVALID);
		key_object(CKO_PUBLIC_KEY, type, set, CKA_VALUE, v->value, v->len, CKR_ATTRIBUTE_VALUE_INVALID);
		object_put(pub);
		object_put(priv);
	}
	key_object(CKO_PUBLIC_KEY, type, 0, CKA_VALUE, message, 20, CKR_TEMPLATE_INCOMPLETE);
	key_object(CKO_PUBLIC_KEY, type, 77, CKA_VALUE, message, 20, CKR_PARAMETER_SET_NOT_SUPPORTED);
	CHECK_RV(CKR_TEMPLATE_INCOMPLETE, make_pq(gen, 0, &pub, &priv));
	CHECK_RV(CKR_PARAMETER_SET_NOT_SUPPORTED, make_pq(gen, sets + 1, &pub, &priv));
}

/* The set in the private template too: when it is the public one's (as pkcs11-tool has it), and when it is another. */
static void
test_set_in_both_templates(CK_MECHANISM_TYPE gen)
{
	CK_MECHANISM m = {gen, NULL, 0};
	struct attrs a, b;

	for (CK_ULONG set = 1; set <= 2; set++) {
		a = b = (struct attrs){0};
		CHECK_RV(CKR_OK, mech_implies(&m, NULL, &a, &b));
		attrs_set_ulong(&a, CKA_PARAMETER_SET, 1);
		attrs_set_ulong(&b, CKA_PARAMETER_SET, set);
		CHECK_RV(set == 1 ? CKR_OK : CKR_TEMPLATE_INCONSISTENT, mech_generate_pair(&m, false, &a, &b, NULL));
		attrs_free(&a);
		attrs_free(&b);
	}
}

/* Seed and value of different keys; a value that is not what it should be. */
static void
test_contradictions(void)
{
	uint8_t seed[64];
	struct attrs a = {0};
	struct object *pub, *priv;

	memset(seed, 7, sizeof(seed));
	CHECK_RV(CKR_OK, make_pq(CKM_ML_DSA_KEY_PAIR_GEN, CKP_ML_DSA_44, &pub, &priv));
	attrs_set_ulong(&a, CKA_CLASS, CKO_PRIVATE_KEY);
	attrs_set_ulong(&a, CKA_KEY_TYPE, CKK_ML_DSA);
	attrs_set_ulong(&a, CKA_PARAMETER_SET, CKP_ML_DSA_44);
	attrs_set(&a, CKA_SEED, seed, 32);
	attrs_set(&a, CKA_VALUE, attrs_get(&priv->attrs, CKA_VALUE)->value, 2560);
	CHECK_RV(CKR_ATTRIBUTE_VALUE_INVALID, key_check(&a));
	attrs_free(&a);
	object_put(pub);
	object_put(priv);
}

/* ---- signatures ---- */

static int
openssl_verifies(struct object *pub, const uint8_t *ctx, size_t ctx_len, const uint8_t *sig, size_t n, const uint8_t *m,
	size_t m_len, int encoding)
{
	EVP_PKEY *k = openssl_public(pub);
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	OSSL_PARAM params[3], *q = params;
	int ok;

	if (ctx_len > 0)
		*q++ = OSSL_PARAM_construct_octet_string("context-string", (void *)ctx, ctx_len);
	*q++ = OSSL_PARAM_construct_int("message-encoding", &encoding);
	*q = OSSL_PARAM_construct_end();
	ok = EVP_DigestVerifyInit_ex(c, NULL, NULL, NULL, NULL, k, params) == 1 &&
		EVP_DigestVerify(c, sig, n, m, m_len) == 1;
	EVP_MD_CTX_free(c);
	EVP_PKEY_free(k);
	ERR_clear_error();
	return ok;
}

static void
check_pure(CK_MECHANISM_TYPE type, struct object *pub, struct object *priv)
{
	static uint8_t sig[SIG_MAX], again[SIG_MAX];
	uint8_t ctx[256] = "context";
	CK_SIGN_ADDITIONAL_CONTEXT p = {CKH_DETERMINISTIC_REQUIRED, ctx, 7};
	CK_MECHANISM m = mechanism(type, NULL, 0), with = mechanism(type, &p, sizeof(p));
	size_t n = sizeof(sig), n2 = sizeof(again);
	struct op *op;

	CHECK_RV(CKR_OK, once(OP_SIGN, &m, priv, MESSAGE, sig, &n));
	CHECK(openssl_verifies(pub, NULL, 0, sig, n, MESSAGE, 1));
	CHECK_RV(CKR_OK, verify(&m, pub, MESSAGE, sig, n));
	CHECK_RV(CKR_OK, verify_parts(&m, pub, MESSAGE, sig, n));
	CHECK_RV(CKR_SIGNATURE_INVALID, verify(&with, pub, MESSAGE, sig, n));
	CHECK_RV(CKR_SIGNATURE_LEN_RANGE, verify(&m, pub, MESSAGE, sig, n - 1));
	sig[n / 2] ^= 1;
	CHECK_RV(CKR_SIGNATURE_INVALID, verify(&m, pub, MESSAGE, sig, n));

	/* hedged ones differ, deterministic ones do not; a parameter leaves nothing behind for the next signature */
	n = sizeof(sig);
	CHECK_RV(CKR_OK, once(OP_SIGN, &with, priv, MESSAGE, sig, &n));
	CHECK_RV(CKR_OK, once(OP_SIGN, &with, priv, MESSAGE, again, &n2));
	CHECK(same(sig, n, again, n2));
	CHECK(openssl_verifies(pub, ctx, 7, sig, n, MESSAGE, 1));
	CHECK_RV(CKR_OK, verify(&with, pub, MESSAGE, sig, n));
	CHECK_RV(CKR_SIGNATURE_INVALID, verify(&m, pub, MESSAGE, sig, n));
	n2 = sizeof(again);
	CHECK_RV(CKR_OK, once(OP_SIGN, &m, priv, MESSAGE, again, &n2));
	CHECK(!same(sig, n, again, n2));
	CHECK(openssl_verifies(pub, NULL, 0, again, n2, MESSAGE, 1));
	p.hedgeVariant = CKH_HEDGE_REQUIRED;
	n = n2 = sizeof(again);
	CHECK_RV(CKR_OK, once(OP_SIGN, &with, priv, MESSAGE, sig, &n));
	CHECK_RV(CKR_OK, once(OP_SIGN, &with, priv, MESSAGE, again, &n2));
	CHECK(!same(sig, n, again, n2));

	p.hedgeVariant = 3;
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, op_begin(&op, OP_SIGN, &with, priv));
	CHECK_RV(CKR_OK, verify(&with, pub, MESSAGE, sig, n)); /* 3.2: ignored on verification */
	p.hedgeVariant = 0;
	p.ulContextLen = 255;
	n = sizeof(sig);
	CHECK_RV(CKR_OK, once(OP_SIGN, &with, priv, MESSAGE, sig, &n));
	CHECK(openssl_verifies(pub, ctx, 255, sig, n, MESSAGE, 1));
	p.ulContextLen = 256;
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, op_begin(&op, OP_SIGN, &with, priv));
	with.ulParameterLen--;
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, op_begin(&op, OP_SIGN, &with, priv));
	n = sizeof(sig);
	CHECK_RV(CKR_OK, once(OP_SIGN, &m, priv, NULL, 0, sig, &n)); /* the empty message */
	CHECK_RV(CKR_OK, verify(&m, pub, NULL, 0, sig, n));
}

/* M' put together once more, from FIPS 204 table of section 5.4.1, and checked by OpenSSL as it is. */
static void
check_hashed(CK_MECHANISM_TYPE type, CK_MECHANISM_TYPE generic, CK_MECHANISM_TYPE digest, const char *name, int arc,
	struct object *pub, struct object *priv)
{
	static uint8_t sig[SIG_MAX];
	uint8_t ctx[3] = "ab", all[400], hash[64], oid[11] = {6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, (uint8_t)arc};
	CK_SIGN_ADDITIONAL_CONTEXT p = {CKH_HEDGE_PREFERRED, ctx, 2};
	CK_HASH_SIGN_ADDITIONAL_CONTEXT hp = {CKH_HEDGE_PREFERRED, ctx, 2, digest};
	CK_MECHANISM m = mechanism(type, &p, sizeof(p)), plain = mechanism(type, NULL, 0),
		g = mechanism(generic, &hp, sizeof(hp));
	EVP_MD *md = EVP_MD_fetch(NULL, name, NULL);
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	size_t n = sizeof(sig), at = 0, hash_len = arc == 11 ? 32 : arc == 12 ? 64 : (size_t)EVP_MD_get_size(md);
	struct op *op;

	EVP_DigestInit_ex(c, md, NULL);
	EVP_DigestUpdate(c, MESSAGE);
	if (arc > 10)
		EVP_DigestFinalXOF(c, hash, hash_len);
	else
		EVP_DigestFinal_ex(c, hash, NULL);
	all[at++] = 1;
	all[at++] = 2;
	memcpy(all + at, "ab", 2);
	memcpy(all + at + 2, oid, 11);
	memcpy(all + at + 13, hash, hash_len);
	at += 13 + hash_len;

	CHECK_RV(CKR_OK, parts(OP_SIGN, &m, priv, MESSAGE, sig, &n));
	CHECK(openssl_verifies(pub, NULL, 0, sig, n, all, at, 0));
	CHECK_RV(CKR_OK, verify(&m, pub, MESSAGE, sig, n));
	CHECK_RV(CKR_OK, verify_parts(&m, pub, MESSAGE, sig, n));
	CHECK_RV(CKR_SIGNATURE_INVALID, verify(&plain, pub, MESSAGE, sig, n));
	CHECK_RV(CKR_SIGNATURE_INVALID, verify(&m, pub, message, 5, sig, n));
	n = sizeof(sig);
	CHECK_RV(CKR_OK, once(OP_SIGN, &plain, priv, MESSAGE, sig, &n));
	CHECK_RV(CKR_OK, verify(&plain, pub, MESSAGE, sig, n));
	CHECK_RV(CKR_SIGNATURE_INVALID, verify(&m, pub, MESSAGE, sig, n));
	if (digest != 0) { /* hashed by the caller: the same signatures */
		n = sizeof(sig);
		CHECK_RV(CKR_OK, once(OP_SIGN, &g, priv, hash, hash_len, sig, &n));
		CHECK_RV(CKR_OK, verify(&m, pub, MESSAGE, sig, n));
		CHECK_RV(CKR_OK, verify(&g, pub, hash, hash_len, sig, n));
		CHECK_RV(CKR_DATA_LEN_RANGE, verify(&g, pub, hash, hash_len - 1, sig, n));
		hp.hash = CKM_MD5;
		CHECK_RV(CKR_MECHANISM_PARAM_INVALID, op_begin(&op, OP_SIGN, &g, priv));
		g.pParameter = NULL;
		g.ulParameterLen = 0;
		CHECK_RV(CKR_MECHANISM_PARAM_INVALID, op_begin(&op, OP_SIGN, &g, priv));
	}
	EVP_MD_CTX_free(c);
	EVP_MD_free(md);
}

static void
check_all_hashed(bool slh, struct object *pub, struct object *priv)
{
	static const struct {
		CK_MECHANISM_TYPE ml, slh, digest;
		const char *name;
		int arc;
	} rows[] = {
		{CKM_HASH_ML_DSA_SHA224, CKM_HASH_SLH_DSA_SHA224, CKM_SHA224, "SHA2-224", 4},
		{CKM_HASH_ML_DSA_SHA256, CKM_HASH_SLH_DSA_SHA256, CKM_SHA256, "SHA2-256", 1},
		{CKM_HASH_ML_DSA_SHA384, CKM_HASH_SLH_DSA_SHA384, CKM_SHA384, "SHA2-384", 2},
		{CKM_HASH_ML_DSA_SHA512, CKM_HASH_SLH_DSA_SHA512, CKM_SHA512, "SHA2-512", 3},
		{CKM_HASH_ML_DSA_SHA3_224, CKM_HASH_SLH_DSA_SHA3_224, CKM_SHA3_224, "SHA3-224", 7},
		{CKM_HASH_ML_DSA_SHA3_256, CKM_HASH_SLH_DSA_SHA3_256, CKM_SHA3_256, "SHA3-256", 8},
		{CKM_HASH_ML_DSA_SHA3_384, CKM_HASH_SLH_DSA_SHA3_384, CKM_SHA3_384, "SHA3-384", 9},
		{CKM_HASH_ML_DSA_SHA3_512, CKM_HASH_SLH_DSA_SHA3_512, CKM_SHA3_512, "SHA3-512", 10},
		{CKM_HASH_ML_DSA_SHAKE128, CKM_HASH_SLH_DSA_SHAKE128, 0, "SHAKE-128", 11},
		{CKM_HASH_ML_DSA_SHAKE256, CKM_HASH_SLH_DSA_SHAKE256, 0, "SHAKE-256", 12},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		check_hashed(slh ? rows[i].slh : rows[i].ml, slh ? CKM_HASH_SLH_DSA : CKM_HASH_ML_DSA, rows[i].digest,
			rows[i].name, rows[i].arc, pub, priv);
}

static void
test_signatures(void)
{
	/* the slow sets (s) take a second a signature: one of them is enough */
	static const CK_ULONG slh[] = {CKP_SLH_DSA_SHA2_128F, CKP_SLH_DSA_SHAKE_192F, CKP_SLH_DSA_SHA2_256F};
	struct object *pub, *priv, *other_pub, *other_priv;
	CK_MECHANISM m = mechanism(CKM_ML_DSA, NULL, 0);
	struct op *op;

	for (CK_ULONG set = 1; set <= 3; set++) {
		CHECK_RV(CKR_OK, make_pq(CKM_ML_DSA_KEY_PAIR_GEN, set, &pub, &priv));
		check_pure(CKM_ML_DSA, pub, priv);
		check_all_hashed(false, pub, priv);
		object_put(pub);
		object_put(priv);
	}
	for (size_t i = 0; i < sizeof(slh) / sizeof(slh[0]); i++) {
		CHECK_RV(CKR_OK, make_pq(CKM_SLH_DSA_KEY_PAIR_GEN, slh[i], &pub, &priv));
		check_pure(CKM_SLH_DSA, pub, priv);
		if (i == 0)
			check_all_hashed(true, pub, priv);
		CHECK_RV(CKR_KEY_TYPE_INCONSISTENT, op_begin(&op, OP_SIGN, &m, priv));
		object_put(pub);
		object_put(priv);
	}
	CHECK_RV(CKR_OK, make_pq(CKM_ML_KEM_KEY_PAIR_GEN, 1, &other_pub, &other_priv));
	CHECK_RV(CKR_KEY_TYPE_INCONSISTENT, op_begin(&op, OP_SIGN, &m, other_priv));
	object_put(other_pub);
	object_put(other_priv);
}

/*
 * What Bouncy Castle 1.80 answers. ML-DSA and ML-KEM keys grow from the seed 00 01 02 ...: SHA-256 of the public key.
 * SLH-DSA keys are 00 01 02 ... and the root of the tree: the latter. Signatures of the message are deterministic, with
 * the context "ctx": their SHA-256. Of ML-KEM, the secret of a ciphertext of zeros, which is rejected.
 */
struct answer {
	CK_MECHANISM_TYPE mech;
	CK_ULONG set;
	const char *key, *out;
};
static const struct answer ml_dsa_answers[] = {
	{CKM_ML_DSA, CKP_ML_DSA_44, "9f107644c1084526af3bc8098680b05499a2325a644e388fb4f970e058d19d46",
		"85c93de7cf457152961bbb679f89a998f0086f0596f20ff9fae3fc050247aece"},
	{CKM_HASH_ML_DSA_SHA512, CKP_ML_DSA_44, "9f107644c1084526af3bc8098680b05499a2325a644e388fb4f970e058d19d46",
		"d84e503225cff5cc12003ff1d2c57a8539bf895e75b1b0da74e8e3f54ce1a595"},
	{CKM_ML_DSA, CKP_ML_DSA_65, "d666806e11cee19a7c989f7445f90dd419cf4d2d51db8c0fdb4c0f0a542238c9",
		"6380596a8ac283d0a93baa33c2f1390ddd1756511dc942e3db2b5e1daa78dfec"},
	{CKM_HASH_ML_DSA_SHA512, CKP_ML_DSA_65, "d666806e11cee19a7c989f7445f90dd419cf4d2d51db8c0fdb4c0f0a542238c9",
		"a1c7e1fcc410ae990b7ecd5eed2d4f12279fdfefce5814ae54690fb24cc67c56"},
	{CKM_ML_DSA, CKP_ML_DSA_87, "91dc389cfaa01470b7f66eee45a4ae9026d154817c754dfe22298b3fa241ffcd",
		"04a18c29cfb8f61a7d9b337686d5bd44cb44afb57ec22a42f64db00aa111f69b"},
	{CKM_HASH_ML_DSA_SHA512, CKP_ML_DSA_87, "91dc389cfaa01470b7f66eee45a4ae9026d154817c754dfe22298b3fa241ffcd",
		"13a3dc479f8c7f1439c760f030416c08a83093eb0816818bf764efbe5de08376"},
};
static const struct answer slh_dsa_answers[] = {
	{CKM_HASH_SLH_DSA_SHA256, CKP_SLH_DSA_SHA2_128F, "3b56e816847f000386aeec2e2bb9e1b5",
		"e937b8682186b173d017d89163b9aa9912a57d33eb7dcab963600dff57e8c9d7"},
	{CKM_HASH_SLH_DSA_SHAKE128, CKP_SLH_DSA_SHAKE_128F, "a90e4715b9a925c332801767fd786371",
		"381aa32c80f804f25a71c8a12c86959acc10d69d9807684e4e54b47ed0acfccb"},
	{CKM_HASH_SLH_DSA_SHA512, CKP_SLH_DSA_SHA2_192F, "9236ccebbb3a90ac2452dd89de49dab1340ec02419a2870e",
		"8f7d9a87ee3ac3959c85f47e6057bb20e4451ae3c583cf33202b01d67233e841"},
	{CKM_HASH_SLH_DSA_SHAKE256, CKP_SLH_DSA_SHAKE_256F, "818d7e76beef979b5bbf9161fdefa21bd0fe0bfe19157a5711a8de8a8f6878e6",
		"2f1ca09e24baa5d371434771b817cafc786e0d41ac5f1f07b47276743b90eec2"},
};
static const struct answer ml_kem_answers[] = {
	{CKM_ML_KEM, CKP_ML_KEM_512, "3ae268dccc5456ac0d0f9b39257dc48fe081383b97c400512d712b739762daee",
		"fc3ccf20a37dd91d9f511da5e6cb92039b1414db5b0880741178ccfb143212ff"},
	{CKM_ML_KEM, CKP_ML_KEM_768, "0b7934c83125c788995e2ba6bd761e33046b3e40571be53e023309a29f398cc9",
		"c8fbeddafdacef2ffeb8b354ea644f11b5c150f3e2c4a74ce38abba8f854ae16"},
	{CKM_ML_KEM, CKP_ML_KEM_1024, "c7b8fa0aa471d5ae18922d6ccad5b31e1d84f92ae723abfd13747018740a8530",
		"294cb5b6b0f37a047745a2a69991f66ac85936e1b077e717eaeb26bb0ba42c68"},
};
#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

static void
count_up(uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)i;
}

/* The public key stands at the end of its SubjectPublicKeyInfo. */
static void
check_public(struct object *priv, size_t len, const char *sha256)
{
	uint8_t *spki = NULL;
	char hex[65];
	size_t n = 0;

	CHECK_RV(CKR_OK, key_to_spki(priv, &spki, &n));
	sha256_hex(spki + n - len, len, hex);
	CHECK(strcmp(hex, sha256) == 0);
	secret_free(spki);
}

static void
check_signature(const struct answer *a, struct object *priv)
{
	static uint8_t sig[SIG_MAX];
	uint8_t ctx[] = "ctx";
	CK_SIGN_ADDITIONAL_CONTEXT p = {CKH_DETERMINISTIC_REQUIRED, ctx, 3};
	CK_MECHANISM m = mechanism(a->mech, &p, sizeof(p));
	size_t n = sizeof(sig);
	char hex[65];

	CHECK_RV(CKR_OK, once(OP_SIGN, &m, priv, MESSAGE, sig, &n));
	sha256_hex(sig, n, hex);
	CHECK(strcmp(hex, a->out) == 0);
}

static void
test_answers(void)
{
	CK_MECHANISM m = mechanism(CKM_ML_KEM, NULL, 0);
	const struct key_pq_set *s;
	uint8_t v[128], zeros[1600] = {0}, want[32];
	struct attrs key = {0};
	struct object *priv;

	for (size_t i = 0; i < COUNT(ml_dsa_answers); i++) {
		count_up(v, 32);
		priv = key_object(CKO_PRIVATE_KEY, CKK_ML_DSA, ml_dsa_answers[i].set, CKA_SEED, v, 32, CKR_OK);
		s = key_pq_find(CKK_ML_DSA, ml_dsa_answers[i].set);
		check_public(priv, s->pub, ml_dsa_answers[i].key);
		check_signature(&ml_dsa_answers[i], priv);
		object_put(priv);
	}
	for (size_t i = 0; i < COUNT(slh_dsa_answers); i++) {
		s = key_pq_find(CKK_SLH_DSA, slh_dsa_answers[i].set);
		count_up(v, s->priv - s->priv / 4);
		unhex(slh_dsa_answers[i].key, v + s->priv - s->priv / 4);
		priv = key_object(CKO_PRIVATE_KEY, CKK_SLH_DSA, s->set, CKA_VALUE, v, s->priv, CKR_OK);
		check_signature(&slh_dsa_answers[i], priv);
		object_put(priv);
	}
	for (size_t i = 0; i < COUNT(ml_kem_answers); i++) {
		count_up(v, 64);
		s = key_pq_find(CKK_ML_KEM, ml_kem_answers[i].set);
		priv = key_object(CKO_PRIVATE_KEY, CKK_ML_KEM, s->set, CKA_SEED, v, 64, CKR_OK);
		check_public(priv, s->pub, ml_kem_answers[i].key);
		CHECK_RV(CKR_OK, mech_decapsulate(&m, priv, zeros, s->out, &key));
		unhex(ml_kem_answers[i].out, want);
		CHECK(same(want, 32, attrs_get(&key, CKA_VALUE)->value, 32));
		attrs_free(&key);
		object_put(priv);
	}
}

/* ---- encapsulation ---- */

static void
check_secret(CK_ULONG set, struct object *pub, struct object *priv)
{
	CK_MECHANISM m = mechanism(CKM_ML_KEM, NULL, 0);
	struct attrs one = {0}, two = {0}, three = {0};
	uint8_t ct[1600], theirs[1600], secret[32];
	size_t n = 0, len = sizeof(theirs), secret_len = 32;
	const struct attr *v;
	EVP_PKEY *k = openssl_public(pub), *own = openssl_private(priv);
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new(k, NULL), *d = EVP_PKEY_CTX_new(own, NULL);

	CHECK_RV(CKR_OK, mech_encapsulate(&m, pub, NULL, &n, &one));
	CHECK(n == key_pq_find(CKK_ML_KEM, set)->out);
	attrs_set_ulong(&one, CKA_KEY_TYPE, CKK_AES);
	CHECK_RV(CKR_OK, mech_encapsulate(&m, pub, ct, &n, &one));
	attrs_set_ulong(&two, CKA_KEY_TYPE, CKK_GENERIC_SECRET);
	CHECK_RV(CKR_OK, mech_decapsulate(&m, priv, ct, n, &two));
	v = attrs_get(&one, CKA_VALUE);
	CHECK(v != NULL && v->len == 32 && attr_equal(v, attrs_get(&two, CKA_VALUE)));
	CHECK(EVP_PKEY_decapsulate_init(d, NULL) == 1 && EVP_PKEY_decapsulate(d, secret, &secret_len, ct, n) == 1);
	CHECK(same(secret, secret_len, v->value, v->len));
	/* OpenSSL's ciphertext is opened here */
	CHECK(EVP_PKEY_encapsulate_init(c, NULL) == 1 &&
		EVP_PKEY_encapsulate(c, theirs, &len, secret, &secret_len) == 1);
	CHECK_RV(CKR_OK, mech_decapsulate(&m, priv, theirs, len, &three));
	v = attrs_get(&three, CKA_VALUE);
	CHECK(v != NULL && same(secret, secret_len, v->value, v->len));
	attrs_free(&three);
	/* tampered with: another secret, no error; a wrong length is one; a part of the secret is not to be had */
	ct[5] ^= 1;
	CHECK_RV(CKR_OK, mech_decapsulate(&m, priv, ct, n, &three));
	CHECK(!attr_equal(attrs_get(&three, CKA_VALUE), attrs_get(&two, CKA_VALUE)));
	CHECK_RV(CKR_WRAPPED_KEY_LEN_RANGE, mech_decapsulate(&m, priv, ct, n - 1, &three));
	attrs_free(&three);
	attrs_set_ulong(&three, CKA_VALUE_LEN, 16);
	CHECK_RV(CKR_TEMPLATE_INCONSISTENT, mech_decapsulate(&m, priv, theirs, len, &three));
	CHECK_RV(CKR_KEY_TYPE_INCONSISTENT, mech_decapsulate(&m, pub, theirs, len, &three));
	m.pParameter = ct;
	m.ulParameterLen = 3;
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, mech_encapsulate(&m, pub, ct, &n, &three));
	attrs_free(&one);
	attrs_free(&two);
	attrs_free(&three);
	EVP_PKEY_CTX_free(c);
	EVP_PKEY_CTX_free(d);
	EVP_PKEY_free(k);
	EVP_PKEY_free(own);
}

static void
test_kem(void)
{
	struct object *pub, *priv;

	for (CK_ULONG set = 1; set <= 3; set++) {
		CHECK_RV(CKR_OK, make_pq(CKM_ML_KEM_KEY_PAIR_GEN, set, &pub, &priv));
		check_secret(set, pub, priv);
		object_put(pub);
		object_put(priv);
	}
}

static void
test_info(void)
{
	const struct mech *m = mech_find(CKM_ML_KEM);

	CHECK(m->min == 800 && m->max == 1568 && m->flags == (CKF_ENCAPSULATE | CKF_DECAPSULATE));
	m = mech_find(CKM_HASH_SLH_DSA_SHAKE256);
	CHECK(m != NULL && m->min == 32 && m->max == 64 && (m->flags & CKF_SIGN));
}

int
main(void)
{
	CHECK_RV(CKR_OK, secret_start());
	if (!key_pq_there(CKK_ML_KEM)) {
		test_absent();
		return unit_done("pq");
	}
	test_keys(CKK_ML_KEM, CKM_ML_KEM_KEY_PAIR_GEN, 3);
	test_keys(CKK_ML_DSA, CKM_ML_DSA_KEY_PAIR_GEN, 3);
	test_keys(CKK_SLH_DSA, CKM_SLH_DSA_KEY_PAIR_GEN, 12);
	test_set_in_both_templates(CKM_ML_KEM_KEY_PAIR_GEN);
	test_set_in_both_templates(CKM_ML_DSA_KEY_PAIR_GEN);
	test_set_in_both_templates(CKM_SLH_DSA_KEY_PAIR_GEN);
	test_contradictions();
	test_signatures();
	test_answers();
	test_kem();
	test_info();
	return unit_done("pq");
}
