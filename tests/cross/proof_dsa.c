/* Finite fields: DSA signatures, Diffie-Hellman, their key pairs and domain parameters. */
#include <openssl/dsa.h>

#include "pkey.h"

/* ---- keys of OpenSSL ---- */
static EVP_PKEY *
generated(EVP_PKEY_CTX *c)
{
	EVP_PKEY *pkey = NULL;

	must_be(EVP_PKEY_generate(c, &pkey) == 1, "key generation");
	EVP_PKEY_CTX_free(c);
	return pkey;
}

static EVP_PKEY *
dsa_domain(void)
{
	static EVP_PKEY *pkey;
	EVP_PKEY_CTX *c;

	if (pkey == NULL) {
		c = EVP_PKEY_CTX_new_from_name(NULL, "DSA", NULL);
		must_be(EVP_PKEY_paramgen_init(c) == 1 &&
				EVP_PKEY_CTX_set_dsa_paramgen_bits(c, 2048) == 1 &&
				EVP_PKEY_CTX_set_dsa_paramgen_q_bits(c, 256) == 1 &&
				EVP_PKEY_paramgen(c, &pkey) == 1,
			"DSA parameters");
		EVP_PKEY_CTX_free(c);
	}
	return pkey;
}

static EVP_PKEY *
key_in(EVP_PKEY *domain)
{
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_pkey(NULL, domain, NULL);

	must_be(EVP_PKEY_keygen_init(c) == 1, "key generation");
	return generated(c);
}

static EVP_PKEY *
dsa_key(void)
{
	static EVP_PKEY *pkey;

	return pkey != NULL ? pkey : (pkey = key_in(dsa_domain()));
}

static EVP_PKEY *
dh_key(const char *group, bool anew)
{
	static struct {
		const char *group;
		EVP_PKEY *pkey;
	} pool[4];
	size_t i = 0;
	OSSL_PARAM params[2] = {
		OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, (char *)group, 0),
		OSSL_PARAM_construct_end()};
	EVP_PKEY_CTX *c;

	while (i < NELEMS(pool) && pool[i].group != NULL && strcmp(pool[i].group, group) != 0)
		i++;
	if (!anew && pool[i].group != NULL)
		return pool[i].pkey;
	c = EVP_PKEY_CTX_new_from_name(NULL, "DH", NULL);
	must_be(EVP_PKEY_keygen_init(c) == 1 && EVP_PKEY_CTX_set_params(c, params) == 1, group);
	if (anew)
		return generated(c);
	pool[i].group = group;
	return pool[i].pkey = generated(c);
}

/* ---- DSA ---- */
static void
prove_dsa(const struct proof *p)
{
	prove_rs(p, dsa_key(), 32);
}

/* ---- Diffie-Hellman ---- */
static void
prove_dh(const struct proof *p)
{
	const char *group = chance(2) == 0 ? "ffdhe2048" : "modp_2048";
	EVP_PKEY *pkey = dh_key(group, false), *peer = dh_key(group, true);
	struct blob value = pkey_number(peer, OSSL_PKEY_PARAM_PUB_KEY, 0),
		    z = agreed(pkey, peer);
	CK_MECHANISM m = {p->type, value.data, value.len};
	CK_OBJECT_HANDLE base;
	size_t n = 1 + chance((uint32_t)z.len);

	if (is_ok("a private key", key_private(pkey, CKF_DERIVE, &base))) {
		expect_derived("the agreed key", &m, base, z, true);
		expect_derived(
			"the agreed key cut short", &m, base, blob_part(z, z.len - n, n), true);
	}
	EVP_PKEY_free(peer);
}

/* ---- key pairs ---- */
static CK_RV
generate(const struct proof *p, EVP_PKEY *domain, CK_OBJECT_HANDLE *a, CK_OBJECT_HANDLE *b)
{
	CK_MECHANISM m = {p->type, NULL, 0};
	struct templ pub = {.n = 0}, priv = {.n = 0};

	templ_bool(&pub, CKA_TOKEN, false);
	templ_blob(&pub, CKA_PRIME, pkey_number(domain, OSSL_PKEY_PARAM_FFC_P, 0));
	if (p->key == CKK_DSA)
		templ_blob(&pub, CKA_SUBPRIME, pkey_number(domain, OSSL_PKEY_PARAM_FFC_Q, 0));
	templ_blob(&pub, CKA_BASE, pkey_number(domain, OSSL_PKEY_PARAM_FFC_G, 0));
	templ_bool(&priv, CKA_TOKEN, false);
	templ_uses(&pub, p->key == CKK_DSA ? CKF_VERIFY : 0);
	templ_uses(&priv, p->key == CKK_DSA ? CKF_SIGN : CKF_DERIVE);
	return use_generate_pair(&m, &pub, &priv, a, b);
}

static void
prove_pair(const struct proof *p)
{
	EVP_PKEY *domain = p->key == CKK_DSA ? dsa_domain() : dh_key("ffdhe2048", false), *pkey,
		 *peer;
	CK_FLAGS before;
	CK_OBJECT_HANDLE pub, priv;
	struct blob out, in = blob_random(32), value;

	if (!is_ok("C_GenerateKeyPair", generate(p, domain, &pub, &priv)) ||
		(pkey = key_exported(pub)) == NULL)
		return;
	before = proved;
	if (p->key == CKK_DSA) {
		CK_MECHANISM m = {CKM_DSA, NULL, 0};

		if (is_ok("sign", use_key(CKF_SIGN, &m, priv, in, 64, ONE_PART, &out))) {
			checks++;
			if (!rs_verifies(pkey, in, out))
				fail("OpenSSL refuses a signature of the new key");
		}
	} else {
		peer = dh_key("ffdhe2048", true);
		value = pkey_number(peer, OSSL_PKEY_PARAM_PUB_KEY, 0);
		expect_derived("the key of the new pair",
			&(CK_MECHANISM){CKM_DH_PKCS_DERIVE, value.data, value.len}, priv,
			agreed(peer, pkey), true);
		EVP_PKEY_free(peer);
	}
	proved = before;
	EVP_PKEY_free(pkey);
}

/* ---- domain parameters ---- */
static CK_RV
generate_domain(const struct proof *p, CK_ULONG bits, CK_OBJECT_HANDLE *h)
{
	CK_MECHANISM m = {p->type, NULL, 0};
	struct templ t = {.n = 0};

	templ_bool(&t, CKA_TOKEN, false);
	templ_ulong(&t, CKA_PRIME_BITS, bits);
	return use_generate(&m, &t, h);
}

static void
prove_domain(const struct proof *p)
{
	CK_OBJECT_HANDLE h;
	struct blob prime, subprime, base;
	BIGNUM *n;

	if (round_now > 0 || !is_ok("C_GenerateKey", generate_domain(p, 2048, &h)))
		return;
	checks++;
	if (!get_blob(h, CKA_PRIME, &prime) || !get_blob(h, CKA_BASE, &base) ||
		prime.len != 256 || !(prime.data[0] & 0x80)) {
		fail("no prime of 2048 bits");
		return;
	}
	n = BN_bin2bn(prime.data, (int)prime.len, NULL);
	checks++;
	if (BN_check_prime(n, NULL, NULL) != 1)
		fail("the prime is none");
	if (p->key == CKK_DSA) { /* q divides p - 1, and g has that order */
		BN_CTX *c = BN_CTX_new();
		BIGNUM *q, *r = BN_new(), *g = BN_bin2bn(base.data, (int)base.len, NULL);

		checks++;
		if (!get_blob(h, CKA_SUBPRIME, &subprime)) {
			fail("no CKA_SUBPRIME");
		} else {
			q = BN_bin2bn(subprime.data, (int)subprime.len, NULL);
			must_be(BN_sub_word(n, 1) == 1 && BN_mod(r, n, q, c) == 1, "a number");
			if (!BN_is_zero(r) || BN_check_prime(q, NULL, NULL) != 1)
				fail("the subprime is none");
			must_be(BN_add_word(n, 1) == 1 && BN_mod_exp(r, g, q, n, c) == 1,
				"a number");
			if (!BN_is_one(r) || BN_is_one(g))
				fail("the base has another order");
			BN_free(q);
		}
		BN_free(g);
		BN_free(r);
		BN_CTX_free(c);
	}
	BN_free(n);
}

/* ---- for the limits: keys in well-known fields only, parameter generation only where it is
 * refused ---- */
static CK_RV
make_pair(const struct proof *p, CK_ULONG bits, CK_OBJECT_HANDLE *pub, CK_OBJECT_HANDLE *priv)
{
	char name[32];
	EVP_PKEY *pkey;
	CK_RV rv;

	snprintf(name, sizeof(name), "ffdhe%lu", bits);
	if (p->key == CKK_DSA && bits != 2048)
		return claims(CKF_GENERATE_KEY_PAIR | CKF_SIGN) &&
				       (bits == 1024 || bits == 3072 || bits == 8192 ||
					       bits == 10000)
			       ? CKR_OK
			       : CKR_KEY_SIZE_RANGE;
	if (p->key == CKK_DH && bits != 2048 && bits != 8192)
		return bits % 8 == 0 ? CKR_OK : CKR_KEY_SIZE_RANGE;
	if (bits == 8192) {
		static char kept[] = "ffdhe8192";

		pkey = dh_key(kept, false);
	} else {
		pkey = p->key == CKK_DSA ? dsa_key() : dh_key("ffdhe2048", false);
	}
	if (claims(CKF_GENERATE_KEY_PAIR))
		return generate(p, pkey, pub, priv);
	rv = key_public(pkey, p->key == CKK_DSA ? CKF_VERIFY : 0, pub);
	return rv == CKR_OK ? key_private(pkey, p->key == CKK_DSA ? CKF_SIGN : CKF_DERIVE, priv)
			    : rv;
}

static CK_RV
make_domain(const struct proof *p, CK_ULONG bits, CK_OBJECT_HANDLE *pub, CK_OBJECT_HANDLE *priv)
{
	CK_OBJECT_HANDLE h;

	(void)pub, (void)priv;
	if (bits % 8 == 0) /* minutes */
		return CKR_OK;
	return generate_domain(p, bits, &h);
}

#define DSA(mech, hash)                                                                        \
	{                                                                                      \
		mech, prove_dsa, hash, CKK_DSA, .make = make_pair                              \
	}

static const struct proof rows[] = {
	DSA(CKM_DSA, NULL),
	DSA(CKM_DSA_SHA1, "SHA1"),
	DSA(CKM_DSA_SHA224, "SHA2-224"),
	DSA(CKM_DSA_SHA256, "SHA2-256"),
	DSA(CKM_DSA_SHA384, "SHA2-384"),
	DSA(CKM_DSA_SHA512, "SHA2-512"),
	DSA(CKM_DSA_SHA3_224, "SHA3-224"),
	DSA(CKM_DSA_SHA3_256, "SHA3-256"),
	DSA(CKM_DSA_SHA3_384, "SHA3-384"),
	DSA(CKM_DSA_SHA3_512, "SHA3-512"),
	{CKM_DSA_KEY_PAIR_GEN, prove_pair, NULL, CKK_DSA, .make = make_pair},
	{CKM_DSA_PARAMETER_GEN, prove_domain, NULL, CKK_DSA, .make = make_domain},
	{CKM_DH_PKCS_DERIVE, prove_dh, NULL, CKK_DH, .make = make_pair},
	{CKM_DH_PKCS_KEY_PAIR_GEN, prove_pair, NULL, CKK_DH, .make = make_pair},
	{CKM_DH_PKCS_PARAMETER_GEN, prove_domain, NULL, CKK_DH, .make = make_domain},
};
const struct proofs proofs_dsa = {rows, NELEMS(rows)};
