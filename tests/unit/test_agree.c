/* Keys that two sides agree on: ECDH with its key derivation functions, Diffie-Hellman and what its groups may leak. The
 * answers are OpenSSL's word. */
#include "derive_help.h"

/* ---- ECDH's key derivation functions ---- */

static void
test_ecdh_kdfs(void)
{
	static const struct {
		CK_ULONG kdf;
		const char *name, *md;
	} all[] = {{CKD_SHA256_KDF, "X963KDF", "SHA256"}, {CKD_SHA3_224_KDF, "X963KDF", "SHA3-224"},
		{CKD_SHA3_256_KDF, "X963KDF", "SHA3-256"}, {CKD_SHA3_384_KDF, "X963KDF", "SHA3-384"},
		{CKD_SHA3_512_KDF, "X963KDF", "SHA3-512"}, {CKD_SHA1_KDF_SP800, "SSKDF", "SHA1"},
		{CKD_SHA256_KDF_SP800, "SSKDF", "SHA256"}, {CKD_SHA3_512_KDF_SP800, "SSKDF", "SHA3-512"}};
	const struct curve *c = curve_of_group("X25519");
	CK_ECDH1_DERIVE_PARAMS p = {.pSharedData = (uint8_t *)"shared", .ulSharedDataLen = 6};
	struct object *pub, *priv, *peer_pub, *peer_priv;
	uint8_t z[32], in[4 + 32 + 6], block[64], *counter;
	struct attrs t = {0};
	EVP_PKEY *mine, *theirs;
	EVP_PKEY_CTX *x;
	size_t n = 32, got;

	CHECK_RV(CKR_OK, plain_pair(CKM_EC_MONTGOMERY_KEY_PAIR_GEN, c->oid, c->oid_len, 0, &pub, &priv));
	CHECK_RV(CKR_OK, plain_pair(CKM_EC_MONTGOMERY_KEY_PAIR_GEN, c->oid, c->oid_len, 0, &peer_pub, &peer_priv));
	mine = openssl_public(pub);
	theirs = openssl_private(peer_priv);
	x = EVP_PKEY_CTX_new(theirs, NULL);
	CHECK(EVP_PKEY_derive_init(x) == 1 && EVP_PKEY_derive_set_peer(x, mine) == 1 && EVP_PKEY_derive(x, z, &n) == 1);
	p.pPublicData = attrs_get(&peer_pub->attrs, CKA_EC_POINT)->value;
	p.ulPublicDataLen = attrs_get(&peer_pub->attrs, CKA_EC_POINT)->len;
	ask(&t, NO_TYPE, 20); /* one block: H(Z || 1 || info), or H(1 || Z || info) */
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		bool sp800 = strcmp(all[i].name, "SSKDF") == 0;

		memset(in, 0, sizeof(in));
		counter = sp800 ? in : in + 32;
		memcpy(sp800 ? in + 4 : in, z, 32);
		counter[3] = 1;
		memcpy(in + 36, "shared", 6);
		EVP_Q_digest(NULL, all[i].md, NULL, in, sizeof(in), block, &got);
		p.kdf = all[i].kdf;
		expect(CKM_ECDH1_DERIVE, &p, sizeof(p), priv, &t, block, 20);
	}
	p.kdf = CKD_SHA1_KDF_ASN1;
	refuse_as(CKR_MECHANISM_PARAM_INVALID, CKM_ECDH1_DERIVE, &p, sizeof(p), priv, &t);
	EVP_PKEY_CTX_free(x);
	EVP_PKEY_free(mine);
	EVP_PKEY_free(theirs);
	object_put(pub);
	object_put(priv);
	object_put(peer_pub);
	object_put(peer_priv);
	attrs_free(&t);
}

/* ---- Diffie-Hellman ---- */

/* p = 2 * 97 * q * c + 1, as the groups of DSA and X9.42 are made, and a public value of order 97: the secret that is
 * agreed with it is one of 97, and tells the private value modulo 97; with more such numbers, all of it (Lim, Lee 1997). */
static struct object *
leaky_key(bool hidden, uint8_t peer[128], BIGNUM *p)
{
	static const CK_ATTRIBUTE_TYPE no[] = {CKA_TOKEN, CKA_PRIVATE};
	BN_CTX *ctx = BN_CTX_new();
	BIGNUM *c = BN_new(), *e = BN_new(), *y = BN_new();
	uint8_t raw[128];
	struct attrs a = {0};
	struct object *o = NULL;

	do {
		BN_rand(c, 1016, BN_RAND_TOP_TWO, BN_RAND_BOTTOM_ANY);
		BN_copy(e, c);
		BN_lshift1(e, e);
		BN_copy(p, e);
		BN_mul_word(p, 97);
		BN_add_word(p, 1);
	} while (BN_num_bits(p) != 1024 || BN_check_prime(p, ctx, NULL) != 1);
	for (unsigned g = 2; BN_is_zero(y) || BN_is_one(y); g++) { /* e = (p - 1) / 97 */
		BN_set_word(c, g);
		BN_mod_exp(y, c, e, p, ctx);
	}
	BN_bn2binpad(y, peer, 128);
	BN_bn2binpad(p, raw, sizeof(raw));
	attrs_set_ulong(&a, CKA_CLASS, CKO_PRIVATE_KEY);
	attrs_set_ulong(&a, CKA_KEY_TYPE, CKK_DH);
	attrs_set(&a, CKA_PRIME, raw, sizeof(raw));
	attrs_set(&a, CKA_BASE, (const uint8_t *)"\x05", 1);
	do { /* a multiple of 97 would agree on 1, which OpenSSL refuses */
		RAND_bytes(raw, 20);
		raw[0] |= 1;
	} while (BN_mod_word(BN_bin2bn(raw, 20, c), 97) == 0);
	attrs_set(&a, CKA_VALUE, raw, 20);
	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
		attrs_set_bool(&a, no[i], false);
	attrs_set_bool(&a, CKA_SENSITIVE, hidden);
	o = as_object(&a);
	BN_free(c);
	BN_free(e);
	BN_free(y);
	BN_CTX_free(ctx);
	return o;
}

static void
test_dh_small_subgroups(void)
{
	BIGNUM *p = BN_new();
	uint8_t peer[128];
	struct object *hidden = leaky_key(true, peer, p), *o;

	refuse_as(CKR_DOMAIN_PARAMS_INVALID, CKM_DH_PKCS_DERIVE, peer, sizeof(peer), hidden, NULL);
	be(&user_compat);
	CHECK_RV(CKR_OK, derive_one(CKM_DH_PKCS_DERIVE, peer, sizeof(peer), hidden, NULL, &o));
	object_put(o);
	object_put(hidden);
	be(&user);
	hidden = leaky_key(false, peer, p); /* nothing to be found out */
	CHECK_RV(CKR_OK, derive_one(CKM_DH_PKCS_DERIVE, peer, sizeof(peer), hidden, NULL, &o));
	object_put(o);
	object_put(hidden);
	BN_free(p);
}

/* Groups that nobody knows are fine as long as the prime is safe: RFC 7919's with another base is such a one. */
static void
test_dh_safe_prime(void)
{
	CK_MECHANISM gen = {CKM_DH_PKCS_PARAMETER_GEN, NULL, 0};
	struct attrs domain = {0}, a = {0};
	struct object *o, *base;
	uint8_t raw[32];

	CHECK_RV(CKR_OK, mech_implies(&gen, NULL, &domain, NULL));
	attrs_set_ulong(&domain, CKA_PRIME_BITS, 2048);
	CHECK_RV(CKR_OK, mech_generate_key(&gen, &domain, NULL));
	RAND_bytes(raw, sizeof(raw));
	raw[0] |= 0x80;
	for (unsigned g = 2; g <= 3; g++) {
		const uint8_t number = (uint8_t)g;

		attrs_set_ulong(&a, CKA_CLASS, CKO_PRIVATE_KEY);
		attrs_set_ulong(&a, CKA_KEY_TYPE, CKK_DH);
		attrs_set_attr(&a, attrs_get(&domain, CKA_PRIME));
		attrs_set(&a, CKA_BASE, &number, 1);
		attrs_set(&a, CKA_VALUE, raw, sizeof(raw));
		attrs_set_bool(&a, CKA_SENSITIVE, true);
		base = as_object(&a);
		CHECK_RV(CKR_OK, derive_one(CKM_DH_PKCS_DERIVE, (void *)"\x04", 1, base, NULL, &o)); /* a square */
		object_put(o);
		object_put(base);
	}
	attrs_free(&domain);
}

int
main(void)
{
	CHECK_RV(CKR_OK, secret_start());
	be(&user);
	test_ecdh_kdfs();
	test_dh_small_subgroups();
	test_dh_safe_prime();
	return unit_done("test_agree");
}
