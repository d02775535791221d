/* Elliptic curves: key pairs, ECDSA, EdDSA, ECDH. */
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>

#include "oracle.h"

static const struct curve {
	const char *group; /* OpenSSL's name */
	size_t bits;
	const char *oid;    /* DER, hexadecimal */
	const char *spoken; /* the name that PKCS#11 has for it as a PrintableString */
} weierstrass[] =
	{
		{"P-224", 224, "06052b81040021", NULL},
		{"P-256", 256, "06082a8648ce3d030107", NULL},
		{"P-384", 384, "06052b81040022", NULL},
		{"P-521", 521, "06052b81040023", NULL},
		{"secp256k1", 256, "06052b8104000a", NULL},
		{"brainpoolP256r1", 256, "06092b2403030208010107", NULL},
		{"brainpoolP384r1", 384, "06092b240303020801010b", NULL},
		{"brainpoolP512r1", 512, "06092b240303020801010d", NULL},
},
  edwards[] =
	  {
		  {"ED25519", 255, "06032b6570", "edwards25519"},
		  {"ED448", 448, "06032b6571", "edwards448"},
},
  montgomery[] = {
	  {"X25519", 255, "06032b656e", "curve25519"},
	  {"X448", 448, "06032b656f", "curve448"},
};

static const struct curve *
some_curve(CK_KEY_TYPE type)
{
	if (type == CKK_EC)
		return &weierstrass[chance(NELEMS(weierstrass))];
	return type == CKK_EC_EDWARDS ? &edwards[chance(2)] : &montgomery[chance(2)];
}

static struct blob
curve_params(const struct curve *c, bool spoken)
{
	size_t n;

	if (!spoken || c->spoken == NULL)
		return unhex(c->oid, strlen(c->oid));
	n = strlen(c->spoken);
	return blob_join(blob_of((uint8_t[]){0x13, (uint8_t)n}, 2), blob_of(c->spoken, n));
}

/* ---- ECDSA: r || s outside, DER inside of OpenSSL ---- */
static struct blob
to_der(struct blob rs)
{
	ECDSA_SIG *s = ECDSA_SIG_new();
	struct blob out;
	uint8_t *der = NULL;
	int n;

	must_be(s != NULL &&
			ECDSA_SIG_set0(s, BN_bin2bn(rs.data, (int)rs.len / 2, NULL),
				BN_bin2bn(rs.data + rs.len / 2, (int)rs.len / 2, NULL)) == 1,
		"r and s");
	must_be((n = i2d_ECDSA_SIG(s, &der)) > 0, "DER of a signature");
	out = blob_of(der, (size_t)n);
	OPENSSL_free(der);
	ECDSA_SIG_free(s);
	return out;
}

static struct blob
from_der(struct blob der, size_t half)
{
	const uint8_t *p = der.data;
	ECDSA_SIG *s = d2i_ECDSA_SIG(NULL, &p, (long)der.len);
	struct blob out;

	must_be(s != NULL, "a signature of OpenSSL");
	out = blob_join(blob_bn(ECDSA_SIG_get0_r(s), half), blob_bn(ECDSA_SIG_get0_s(s), half));
	ECDSA_SIG_free(s);
	return out;
}

static bool
ecdsa_verifies(EVP_PKEY *pkey, struct blob hash, struct blob rs)
{
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
	struct blob der = to_der(rs);
	bool ok;

	must_be(EVP_PKEY_verify_init(c) == 1, "ECDSA");
	ok = EVP_PKEY_verify(c, der.data, der.len, hash.data, hash.len) == 1;
	EVP_PKEY_CTX_free(c);
	ERR_clear_error();
	return ok;
}

static struct blob
ecdsa_sign(EVP_PKEY *pkey, struct blob hash, size_t half)
{
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
	struct blob der = blob_new(256);

	must_be(EVP_PKEY_sign_init(c) == 1 &&
			EVP_PKEY_sign(c, der.data, &der.len, hash.data, hash.len) == 1,
		"ECDSA");
	EVP_PKEY_CTX_free(c);
	return from_der(der, half);
}

static void
refuse_changed(
	CK_MECHANISM *m, CK_OBJECT_HANDLE key, struct blob in, struct blob sig, enum ways ways)
{
	struct blob bad = blob_of(sig.data, sig.len);
	CK_RV rv;

	bad.data[chance((uint32_t)bad.len)] ^= (uint8_t)(1u << chance(8));
	rv = use_verify(m, key, in, bad, ways);
	checks++;
	if (rv != CKR_SIGNATURE_INVALID)
		fail("verification of a wrong signature gave 0x%lx", rv);
	rv = use_verify(m, key, in, blob_part(sig, 0, sig.len - 1), ways);
	checks++;
	if (rv != CKR_SIGNATURE_LEN_RANGE && rv != CKR_SIGNATURE_INVALID)
		fail("verification of a signature cut short gave 0x%lx", rv);
}

static void
prove_ecdsa(const struct proof *p)
{
	static const size_t hash_sizes[] = {20, 28, 32, 48, 64};
	CK_MECHANISM m = {p->type, NULL, 0};
	const struct curve *c = some_curve(CKK_EC);
	EVP_PKEY *pkey = ec_key(c->group);
	size_t half = (c->bits + 7) / 8;
	struct blob in = blob_random(p->name != NULL ? some_length()
						     : hash_sizes[chance(NELEMS(hash_sizes))]),
		    hash, out;
	enum ways ways = p->name != NULL ? ANY_WAY : ONE_PART;
	CK_OBJECT_HANDLE pub, priv;

	if (!is_ok(c->group, key_public(pkey, CKF_VERIFY, &pub)) ||
		!is_ok(c->group, key_private(pkey, CKF_SIGN, &priv)))
		return;
	hash = p->name != NULL ? oracle_hash(p->name, in) : in;
	if (is_ok("sign", use_key(CKF_SIGN, &m, priv, in, 2 * half, ways, &out))) {
		checks++;
		if (out.len != 2 * half || !ecdsa_verifies(pkey, hash, out))
			fail("OpenSSL refuses the token's signature on %s", c->group);
	}
	out = ecdsa_sign(pkey, hash, half);
	is_ok("verification of OpenSSL's signature", use_verify(&m, pub, in, out, ways));
	refuse_changed(&m, pub, in, out, ways);
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
	struct blob b;
#if OPENSSL_VERSION_NUMBER >= 0x30200000L
	struct blob context = blob_random(1 + chance(40));
	unsigned kind = chance(4);

	e.ph = kind == 2;
	if (kind >= 2)
		e.context = context.data, e.context_len = context.len;
#endif
	if (!e.ph && e.context_len == 0 && !(is448 && chance(2) == 0))
		return NULL;
	b = blob_of(&e, sizeof(e));
	m->pParameter = b.data;
	m->ulParameterLen = b.len;
	return (const struct x_eddsa *)b.data;
}

static void make_and_use(const struct proof *p, CK_KEY_TYPE type);

static void
prove_eddsa(const struct proof *p)
{
	CK_MECHANISM m = {p->type, NULL, 0};
	const struct curve *c = some_curve(CKK_EC_EDWARDS);
	EVP_PKEY *pkey = ec_key(c->group);
	struct blob in = blob_random(some_length()), wanted, out;
	CK_OBJECT_HANDLE pub, priv;

	if (!is_ok(c->group, key_public(pkey, CKF_VERIFY, &pub)) ||
		!is_ok(c->group, key_private(pkey, CKF_SIGN, &priv)))
		return;
	wanted = eddsa_sign(pkey, eddsa_param(&m, c->bits == 448), in);
	if (is_ok("sign", use_key(CKF_SIGN, &m, priv, in, 114, ANY_WAY, &out)))
		same("the signature", wanted, out);
	is_ok("verification of OpenSSL's signature", use_verify(&m, pub, in, wanted, ANY_WAY));
	refuse_changed(&m, pub, in, wanted, ANY_WAY);
	if (claims(CKF_GENERATE_KEY_PAIR))
		make_and_use(p, CKK_EC_EDWARDS);
}

/* ---- ECDH ---- */
static struct blob
openssl_agrees(EVP_PKEY *ours, EVP_PKEY *theirs)
{
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_pkey(NULL, ours, NULL);
	struct blob z = blob_new(128);

	must_be(EVP_PKEY_derive_init(c) == 1 && EVP_PKEY_derive_set_peer(c, theirs) == 1 &&
			EVP_PKEY_derive(c, z.data, &z.len) == 1,
		"ECDH");
	EVP_PKEY_CTX_free(c);
	return z;
}

static struct blob
x963(const char *hash, struct blob z, struct blob shared, size_t len)
{
	OSSL_PARAM params[4], *q = params;

	*q++ = OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)hash, 0);
	*q++ = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, z.data, z.len);
	if (shared.len > 0)
		*q++ = OSSL_PARAM_construct_octet_string(
			OSSL_KDF_PARAM_INFO, shared.data, shared.len);
	*q = OSSL_PARAM_construct_end();
	return oracle_kdf("X963KDF", params, len);
}

static struct blob
public_point(EVP_PKEY *pkey)
{
	struct blob b = blob_new(256);

	must_be(EVP_PKEY_get_octet_string_param(
			pkey, OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, b.data, b.len, &b.len) == 1,
		"a point");
	return b;
}

static EVP_PKEY *
other_key(const struct curve *c, CK_KEY_TYPE type)
{
	EVP_PKEY *pkey =
		type == CKK_EC ? EVP_EC_gen(c->group) : EVP_PKEY_Q_keygen(NULL, NULL, c->group);

	must_be(pkey != NULL, c->group);
	return pkey;
}

static void
prove_ecdh(const struct proof *p)
{
	static const CK_ULONG kdfs[] = {2, 5, 6, 7, 8, 10, 11, 12, 13};
	CK_KEY_TYPE type =
		p->type == CKM_ECDH1_DERIVE && chance(3) == 0 ? CKK_EC_MONTGOMERY : CKK_EC;
	const struct curve *c = some_curve(type);
	EVP_PKEY *pkey = ec_key(c->group), *peer = other_key(c, type);
	struct blob point = public_point(peer), shared = blob_random(chance(2) * chance(60)),
		    z = openssl_agrees(pkey, peer);
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
	if (c >= montgomery && c < montgomery + NELEMS(montgomery)) {
		templ_uses(&priv, CKF_DERIVE);
	} else {
		templ_uses(&pub, CKF_VERIFY);
		templ_uses(&priv, CKF_SIGN);
	}
	return use_generate_pair(&m, &pub, &priv, pub_h, priv_h);
}

static void
use_new_pair(const struct curve *c, CK_KEY_TYPE type, EVP_PKEY *pkey, CK_OBJECT_HANDLE priv)
{
	CK_MECHANISM m = {type == CKK_EC ? CKM_ECDSA : CKM_EDDSA, NULL, 0};
	CK_FLAGS before = proved;
	struct blob in = blob_random(32), out;

	if (type == CKK_EC_MONTGOMERY) {
		EVP_PKEY *peer = other_key(c, type);
		struct blob point = public_point(peer);
		CK_ECDH1_DERIVE_PARAMS e = {.kdf = CKD_NULL,
			.pPublicData = point.data,
			.ulPublicDataLen = point.len};
		CK_MECHANISM ecdh = {CKM_ECDH1_DERIVE, &e, sizeof(e)};

		expect_derived("the key of the new pair", &ecdh, priv,
			openssl_agrees(peer, pkey), true);
		EVP_PKEY_free(peer);
	} else if (is_ok("sign with the new key",
			   use_key(CKF_SIGN, &m, priv, in, 200, ONE_PART, &out))) {
		EVP_MD_CTX *x = EVP_MD_CTX_new();
		bool ok;

		if (type == CKK_EC)
			ok = ecdsa_verifies(pkey, in, out);
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
make_one(const struct proof *p, const struct curve *c, CK_KEY_TYPE type)
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
	use_new_pair(c, type, pkey, priv);
	EVP_PKEY_free(pkey);
}

static void
make_and_use(const struct proof *p, CK_KEY_TYPE type)
{
	if (type == CKK_EC)
		for (size_t i = 0; i < NELEMS(weierstrass); i++)
			make_one(p, &weierstrass[i], type);
	else
		for (size_t i = 0; i < 2; i++)
			make_one(
				p, type == CKK_EC_EDWARDS ? &edwards[i] : &montgomery[i], type);
}

static void
prove_generate(const struct proof *p)
{
	make_and_use(p, p->key);
}

/* The curve of so many bits, of the mechanism's kind. The numbers that are not one of a curve
 * are refused by name: P-192 and the like have none here. */
static CK_RV
make_pair(const struct proof *p, CK_ULONG bits, CK_OBJECT_HANDLE *pub, CK_OBJECT_HANDLE *priv)
{
	static const struct curve p192 = {"P-192", 192, "06082a8648ce3d030101", NULL};
	const struct curve *all[12];
	size_t n = 0;
	CK_RV rv;

	for (size_t i = 0; i < NELEMS(weierstrass); i++)
		all[n++] = &weierstrass[i];
	for (size_t i = 0; i < 2; i++) {
		all[n++] = &edwards[i];
		all[n++] = &montgomery[i];
	}
	for (size_t i = 0; i < n; i++) {
		CK_KEY_TYPE type = i < NELEMS(weierstrass)   ? CKK_EC
				   : all[i]->group[0] == 'E' ? CKK_EC_EDWARDS
							     : CKK_EC_MONTGOMERY;
		EVP_PKEY *pkey;

		if (all[i]->bits != bits || type != p->key)
			continue;
		if (claims(CKF_GENERATE_KEY_PAIR))
			return generate(p, all[i], false, pub, priv);
		pkey = ec_key(all[i]->group);
		rv = key_public(pkey, CKF_VERIFY, pub);
		return rv == CKR_OK ? key_private(pkey, CKF_SIGN | CKF_DERIVE, priv) : rv;
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
	struct blob b = blob_of(&e, sizeof(e));

	(void)p, (void)in_len;
	m->pParameter = b.data;
	m->ulParameterLen = b.len;
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
	{CKM_ECDH1_DERIVE, prove_ecdh, NULL, CKK_EC, .make = make_pair, .param = ecdh_param},
	{CKM_ECDH1_COFACTOR_DERIVE, prove_ecdh, NULL, CKK_EC, .make = make_pair,
		.param = ecdh_param},
};
const struct proofs proofs_ec = {rows, NELEMS(rows)};
