/* Elliptic curves: key pairs, ECDSA, EdDSA, ECDH. */
#include "pkey.h"

static struct blob
curve_params(const struct curve *c, bool spoken)
{
	size_t n;

	if (!spoken || c->spoken == NULL)
		return unhex(c->oid, strlen(c->oid));
	n = strlen(c->spoken);
	return blob_join(blob_of((uint8_t[]){0x13, (uint8_t)n}, 2), blob_of(c->spoken, n));
}

/* ---- ECDSA ---- */
static void
prove_ecdsa(const struct proof *p)
{
	const struct curve *c = some_curve(CKK_EC);

	prove_rs(p, ec_key(c->group), (c->bits + 7) / 8);
}

/* ---- EdDSA ---- */
static int
eddsa_init(EVP_MD_CTX *c, EVP_PKEY *pkey, const struct x_eddsa *e, bool sign)
{
	OSSL_PARAM params[3], *q = params;
	EVP_PKEY_CTX *pctx;

#if OPENSSL_VERSION_NUMBER >= 0x30200000L
	bool is448 = EVP_PKEY_is_a(pkey, "ED448");

	if (e != NULL && (e->ph || (!is448 && e->context_len > 0)))
		*q++ = OSSL_PARAM_construct_utf8_string("instance",
			(char *)(is448	 ? "Ed448ph"
				 : e->ph ? "Ed25519ph"
					 : "Ed25519ctx"),
			0);
	if (e != NULL && e->context_len > 0)
		*q++ = OSSL_PARAM_construct_octet_string(
			"context-string", e->context, e->context_len);
#endif
	(void)e;
	*q = OSSL_PARAM_construct_end();
	return sign ? EVP_DigestSignInit_ex(c, &pctx, NULL, NULL, NULL, pkey, params)
		    : EVP_DigestVerifyInit_ex(c, &pctx, NULL, NULL, NULL, pkey, params);
}

static struct blob
eddsa_sign(EVP_PKEY *pkey, const struct x_eddsa *e, struct blob in)
{
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	struct blob out = blob_new(114);

	must_be(eddsa_init(c, pkey, e, true) == 1 &&
			EVP_DigestSign(c, out.data, &out.len, in.data, in.len) == 1,
		"EdDSA");
	EVP_MD_CTX_free(c);
	return out;
}

/* The parameter: none, or contexts and prehash where OpenSSL can check them. For Ed448 an empty
 * one is the plain algorithm; for Ed25519 it says Ed25519ctx, which RFC 8032 wants with a
 * context (3.1 6.3.15). */
static const struct x_eddsa *
eddsa_param(CK_MECHANISM *m, bool is448)
{
	struct x_eddsa e = {CK_FALSE, 0, NULL};
#if OPENSSL_VERSION_NUMBER >= 0x30200000L
	struct blob context = blob_random(1 + chance(40));
	unsigned kind = chance(4);

	e.ph = kind == 2;
	if (kind >= 2)
		e.context = context.data, e.context_len = context.len;
#endif
	if (!e.ph && e.context_len == 0 && !(is448 && chance(2) == 0))
		return NULL;
	param_give(m, &e, sizeof(e));
	return m->pParameter;
}

static void
prove_eddsa(const struct proof *p)
{
	CK_MECHANISM m = {p->type, NULL, 0};
	const struct curve *c = some_curve(CKK_EC_EDWARDS);
	EVP_PKEY *pkey = ec_key(c->group);
	struct blob in = blob_random(some_length()), wanted, sigs[SIGN_FLOWS];
	CK_OBJECT_HANDLE pub, priv;

	if (!is_ok(c->group, key_public(pkey, CKF_VERIFY, &pub)) ||
		!is_ok(c->group, key_private(pkey, CKF_SIGN, &priv)))
		return;
	wanted = eddsa_sign(pkey, eddsa_param(&m, c->bits == 448), in);
	for (size_t i = use_sign(&m, priv, in, 114, ANY_WAY, sigs); i-- > 0;)
		same("the signature", wanted, sigs[i]);
	is_ok("verification of OpenSSL's signature", use_verify(&m, pub, in, wanted, ANY_WAY));
	refuse_changed(&m, pub, in, wanted, ANY_WAY);
}

/* ---- ECDH ---- */
static void
prove_ecdh(const struct proof *p)
{
	static const CK_ULONG kdfs[] = {2, 5, 6, 7, 8, 10, 11, 12, 13};
	CK_KEY_TYPE type =
		p->type == CKM_ECDH1_DERIVE && chance(3) == 0 ? CKK_EC_MONTGOMERY : CKK_EC;
	const struct curve *c = some_curve(type);
	EVP_PKEY *pkey = ec_key(c->group), *peer = fresh_key(c->group);
	struct blob point = public_point(peer), shared = blob_random(chance(2) * chance(60)),
		    z = agreed(pkey, peer);
	CK_ECDH1_DERIVE_PARAMS e = {
		.kdf = CKD_NULL, .pPublicData = point.data, .ulPublicDataLen = point.len};
	CK_MECHANISM m = {p->type, &e, sizeof(e)};
	CK_OBJECT_HANDLE base;
	size_t n;

	if (!is_ok(c->group, key_private(pkey, CKF_DERIVE, &base)))
		goto out;
	expect_derived("the derived key", &m, base, z, chance(2) == 0);
	n = 1 +
	    chance((uint32_t)z.len); /* 3.1 6.3.17: bytes are taken away from the leading end */
	expect_derived("the derived key cut short", &m, base, blob_part(z, z.len - n, n), true);
	if (type == CKK_EC) { /* the point as a DER octet string */
		struct blob der = blob_join(
			blob_of(point.len < 128 ? (uint8_t[]){4, (uint8_t)point.len, 0}
						: (uint8_t[]){4, 0x81, (uint8_t)point.len},
				point.len < 128 ? 2 : 3),
			point);

		e.pPublicData = der.data, e.ulPublicDataLen = der.len;
	}
	e.kdf = kdfs[chance(NELEMS(kdfs))];
	e.pSharedData = shared.len > 0 ? shared.data : NULL;
	e.ulSharedDataLen = shared.len;
	n = 1 + chance(100);
	expect_derived(e.kdf > 8 ? "the key by a KDF of SHA-3" : "the key by a KDF", &m, base,
		x963(hash_of_kdf(e.kdf), z, shared, n), true);
out:
	EVP_PKEY_free(peer);
}

/* ---- key pairs ---- */
static CK_RV
generate(const struct proof *p, const struct curve *c, bool spoken, CK_OBJECT_HANDLE *pub_h,
	CK_OBJECT_HANDLE *priv_h)
{
	CK_MECHANISM m = {p->type, NULL, 0};
	struct templ pub = {.n = 0}, priv = {.n = 0};

	templ_bool(&pub, CKA_TOKEN, false);
	templ_blob(&pub, CKA_EC_PARAMS, curve_params(c, spoken));
	templ_bool(&priv, CKA_TOKEN, false);
	if (c->type == CKK_EC_MONTGOMERY) {
		templ_uses(&priv, CKF_DERIVE);
	} else {
		templ_uses(&pub, CKF_VERIFY);
		templ_uses(&priv, CKF_SIGN);
	}
	return use_generate_pair(&m, &pub, &priv, pub_h, priv_h);
}

static void
use_new_pair(const struct curve *c, EVP_PKEY *pkey, CK_OBJECT_HANDLE priv)
{
	CK_MECHANISM m = {c->type == CKK_EC ? CKM_ECDSA : CKM_EDDSA, NULL, 0};
	CK_FLAGS before = proved;
	struct blob in = blob_random(32), out;

	if (c->type == CKK_EC_MONTGOMERY) {
		EVP_PKEY *peer = fresh_key(c->group);
		struct blob point = public_point(peer);
		CK_ECDH1_DERIVE_PARAMS e = {.kdf = CKD_NULL,
			.pPublicData = point.data,
			.ulPublicDataLen = point.len};
		CK_MECHANISM ecdh = {CKM_ECDH1_DERIVE, &e, sizeof(e)};

		expect_derived(
			"the key of the new pair", &ecdh, priv, agreed(peer, pkey), true);
		EVP_PKEY_free(peer);
	} else if (is_ok("sign with the new key",
			   use_key(CKF_SIGN, &m, priv, in, 200, ONE_PART, &out))) {
		EVP_MD_CTX *x = EVP_MD_CTX_new();
		bool ok;

		if (c->type == CKK_EC)
			ok = rs_verifies(pkey, in, out);
		else
			ok = eddsa_init(x, pkey, NULL, false) == 1 &&
			     EVP_DigestVerify(x, out.data, out.len, in.data, in.len) == 1;
		EVP_MD_CTX_free(x);
		checks++;
		if (!ok)
			fail("OpenSSL refuses a signature of the new %s key", c->group);
	}
	proved = before; /* other mechanisms' */
}

static void
make_one(const struct proof *p, const struct curve *c)
{
	CK_OBJECT_HANDLE pub, priv;
	struct blob params = {0};
	EVP_PKEY *pkey;
	bool spoken = c->spoken != NULL && chance(2) == 0;

	if (!is_ok(c->group, generate(p, c, spoken, &pub, &priv)) ||
		(pkey = key_exported(pub)) == NULL)
		return;
	get_blob(priv, CKA_EC_PARAMS, &params);
	same("CKA_EC_PARAMS of the private half", curve_params(c, spoken), params);
	use_new_pair(c, pkey, priv);
	EVP_PKEY_free(pkey);
}

static void
prove_generate(const struct proof *p)
{
	const struct curve *c;

	for (size_t i = 0; (c = curve_at(i)) != NULL; i++)
		if (c->type == p->key)
			make_one(p, c);
}

/* The curve of so many bits, of the mechanism's kind. The numbers that are not one of a curve
 * are refused by name: P-192 and the like have none here. */
static CK_RV
make_pair(const struct proof *p, CK_ULONG bits, CK_OBJECT_HANDLE *pub, CK_OBJECT_HANDLE *priv)
{
	static const struct curve p192 = {"P-192", 192, CKK_EC, "06082a8648ce3d030101", NULL};
	const struct curve *c;
	CK_RV rv;

	for (size_t i = 0; (c = curve_at(i)) != NULL; i++) {
		if (c->bits != bits || c->type != p->key)
			continue;
		if (claims(CKF_GENERATE_KEY_PAIR))
			return generate(p, c, false, pub, priv);
		rv = key_public(ec_key(c->group), CKF_VERIFY | CKF_ENCAPSULATE, pub);
		return rv == CKR_OK ? key_private(ec_key(c->group),
					      CKF_SIGN | CKF_DERIVE | CKF_DECAPSULATE, priv)
				    : rv;
	}
	return claims(CKF_GENERATE_KEY_PAIR) ? generate(p, &p192, false, pub, priv)
					     : CKR_CURVE_NOT_SUPPORTED;
}

static void
ecdh_param(const struct proof *p, CK_MECHANISM *m, size_t in_len)
{
	struct blob point = public_point(ec_key("P-256"));
	CK_ECDH1_DERIVE_PARAMS e = {
		.kdf = CKD_NULL, .pPublicData = point.data, .ulPublicDataLen = point.len};

	(void)p, (void)in_len;
	param_give(m, &e, sizeof(e));
}

#define ECDSA(mech, hash)                                                                      \
	{                                                                                      \
		mech, prove_ecdsa, hash, CKK_EC, .make = make_pair                             \
	}

static const struct proof rows[] = {
	{CKM_EC_KEY_PAIR_GEN, prove_generate, NULL, CKK_EC, .make = make_pair},
	{CKM_EC_KEY_PAIR_GEN_W_EXTRA_BITS, prove_generate, NULL, CKK_EC, .make = make_pair},
	{CKM_EC_EDWARDS_KEY_PAIR_GEN, prove_generate, NULL, CKK_EC_EDWARDS, .make = make_pair},
	{CKM_EC_MONTGOMERY_KEY_PAIR_GEN, prove_generate, NULL, CKK_EC_MONTGOMERY,
		.make = make_pair},
	ECDSA(CKM_ECDSA, NULL),
	ECDSA(CKM_ECDSA_SHA1, "SHA1"),
	ECDSA(CKM_ECDSA_SHA224, "SHA2-224"),
	ECDSA(CKM_ECDSA_SHA256, "SHA2-256"),
	ECDSA(CKM_ECDSA_SHA384, "SHA2-384"),
	ECDSA(CKM_ECDSA_SHA512, "SHA2-512"),
	ECDSA(CKM_ECDSA_SHA3_224, "SHA3-224"),
	ECDSA(CKM_ECDSA_SHA3_256, "SHA3-256"),
	ECDSA(CKM_ECDSA_SHA3_384, "SHA3-384"),
	ECDSA(CKM_ECDSA_SHA3_512, "SHA3-512"),
	{CKM_EDDSA, prove_eddsa, NULL, CKK_EC_EDWARDS, .make = make_pair},
	{CKM_EDDSA, prove_generate, NULL, CKK_EC_EDWARDS,
		.make = make_pair}, /* 2.40 has it so */
	{CKM_ECDH1_DERIVE, prove_ecdh, NULL, CKK_EC, .make = make_pair, .param = ecdh_param},
	{CKM_ECDH1_COFACTOR_DERIVE, prove_ecdh, NULL, CKK_EC, .make = make_pair,
		.param = ecdh_param},
};
const struct proofs proofs_ec = {rows, NELEMS(rows)};
