/* pkey.c - asymmetric keys of OpenSSL: curves, signatures as two numbers, agreement */
#include "pkey.h"

#include <openssl/dh.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>

/* ---- curves ---- */
static const struct curve curves[] = {
	{"P-224", 224, CKK_EC, "06052b81040021", NULL},
	{"P-256", 256, CKK_EC, "06082a8648ce3d030107", NULL},
	{"P-384", 384, CKK_EC, "06052b81040022", NULL},
	{"P-521", 521, CKK_EC, "06052b81040023", NULL},
	{"secp256k1", 256, CKK_EC, "06052b8104000a", NULL},
	{"brainpoolP256r1", 256, CKK_EC, "06092b2403030208010107", NULL},
	{"brainpoolP384r1", 384, CKK_EC, "06092b240303020801010b", NULL},
	{"brainpoolP512r1", 512, CKK_EC, "06092b240303020801010d", NULL},
	{"ED25519", 255, CKK_EC_EDWARDS, "06032b6570", "edwards25519"},
	{"ED448", 448, CKK_EC_EDWARDS, "06032b6571", "edwards448"},
	{"X25519", 255, CKK_EC_MONTGOMERY, "06032b656e", "curve25519"},
	{"X448", 448, CKK_EC_MONTGOMERY, "06032b656f", "curve448"},
};

const struct curve *
curve_at(size_t i)
{
	return i < NELEMS(curves) ? &curves[i] : NULL;
}

const struct curve *
some_curve(CK_KEY_TYPE type)
{
	const struct curve *c;

	do
		c = &curves[chance(NELEMS(curves))];
	while (c->type != type);
	return c;
}

EVP_PKEY *
fresh_key(const char *group)
{
	bool plain = strncmp(group, "ED", 2) == 0 || strncmp(group, "X", 1) == 0;
	EVP_PKEY *pkey = plain ? EVP_PKEY_Q_keygen(NULL, NULL, group) : EVP_EC_gen(group);

	must_be(pkey != NULL, group);
	return pkey;
}

EVP_PKEY *
ec_key(const char *group)
{
	static struct {
		const char *group;
		EVP_PKEY *pkey;
	} pool[32];

	for (size_t i = 0; i < NELEMS(pool); i++) {
		if (pool[i].group == NULL) {
			pool[i].group = group;
			pool[i].pkey = fresh_key(group);
		}
		if (strcmp(pool[i].group, group) == 0)
			return pool[i].pkey;
	}
	must_be(false, "too many curves");
	return NULL;
}

struct blob
public_point(EVP_PKEY *pkey)
{
	struct blob b = blob_new(256);

	must_be(EVP_PKEY_get_octet_string_param(
			pkey, OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, b.data, b.len, &b.len) == 1,
		"a point");
	return b;
}

/* ---- r || s outside, DER inside of OpenSSL: a sequence of two numbers for ECDSA and DSA ----
 */
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

struct blob
rs_sign(EVP_PKEY *pkey, struct blob hash, size_t half)
{
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
	struct blob der = blob_new(256);

	must_be(EVP_PKEY_sign_init(c) == 1 &&
			EVP_PKEY_sign(c, der.data, &der.len, hash.data, hash.len) == 1,
		"a signature");
	EVP_PKEY_CTX_free(c);
	return from_der(der, half);
}

bool
rs_verifies(EVP_PKEY *pkey, struct blob hash, struct blob rs)
{
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
	struct blob der = to_der(rs);
	bool ok;

	must_be(EVP_PKEY_verify_init(c) == 1, "a verification");
	ok = EVP_PKEY_verify(c, der.data, der.len, hash.data, hash.len) == 1;
	EVP_PKEY_CTX_free(c);
	ERR_clear_error();
	return ok;
}

void
prove_rs(const struct proof *p, EVP_PKEY *pkey, size_t half)
{
	static const size_t hash_sizes[] = {20, 28, 32, 48, 64};
	bool hashes = p->name != NULL;
	/* DSA takes a hash as long as its subprime */
	size_t given = p->key == CKK_DSA ? half : hash_sizes[chance(NELEMS(hash_sizes))];
	struct blob in = blob_random(hashes ? some_length() : given), hash, sigs[SIGN_FLOWS],
		    theirs;
	CK_MECHANISM m = {p->type, NULL, 0};
	enum ways ways = hashes ? ANY_WAY : ONE_PART;
	CK_OBJECT_HANDLE pub, priv;

	if (!is_ok("a public key", key_public(pkey, CKF_VERIFY, &pub)) ||
		!is_ok("a private key", key_private(pkey, CKF_SIGN, &priv)))
		return;
	hash = hashes ? oracle_hash(p->name, in) : in;
	for (size_t i = use_sign(&m, priv, in, 2 * half, ways, sigs); i-- > 0;) {
		checks++;
		if (sigs[i].len != 2 * half || !rs_verifies(pkey, hash, sigs[i]))
			fail("OpenSSL refuses the token's signature by %d bits",
				EVP_PKEY_get_bits(pkey));
	}
	theirs = rs_sign(pkey, hash, half);
	is_ok("verification of OpenSSL's signature", use_verify(&m, pub, in, theirs, ways));
	refuse_changed(&m, pub, in, theirs, ways);
}

/* ---- agreement ---- */
struct blob
agreed(EVP_PKEY *ours, EVP_PKEY *theirs)
{
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_pkey(NULL, ours, NULL);
	struct blob z = blob_new(1024);

	must_be(EVP_PKEY_derive_init(c) == 1 &&
			(!EVP_PKEY_is_a(ours, "DH") || EVP_PKEY_CTX_set_dh_pad(c, 1) == 1) &&
			EVP_PKEY_derive_set_peer(c, theirs) == 1 &&
			EVP_PKEY_derive(c, z.data, &z.len) == 1,
		"agreement");
	EVP_PKEY_CTX_free(c);
	return z;
}

struct blob
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
