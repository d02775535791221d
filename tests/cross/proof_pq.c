/*
 * Lattices and hash trees: ML-DSA, SLH-DSA, ML-KEM, where the OpenSSL of this machine has them
 * (3.5)
 *
 * The oracle signs and verifies by EVP_DigestSign and EVP_DigestVerify on whole messages; the
 * pre-hashed forms are messages that FIPS 204 5.4 and FIPS 205 10.2.2 put together, given to
 * OpenSSL as they are ("message-encoding" 0).
 */
#include <openssl/err.h>
#include <openssl/x509.h>

#include "oracle.h"

struct x_hash_context { /* CK_HASH_SIGN_ADDITIONAL_CONTEXT */
	CK_ULONG hedge;
	CK_BYTE *context;
	CK_ULONG context_len;
	CK_MECHANISM_TYPE hash;
};

static const struct set {
	const char *name;
	CK_KEY_TYPE type;
	CK_ULONG number; /* CKP_... */
} sets[] = {
	{"ML-DSA-44", CKK_ML_DSA, CKP_ML_DSA_44},
	{"ML-DSA-65", CKK_ML_DSA, CKP_ML_DSA_65},
	{"ML-DSA-87", CKK_ML_DSA, CKP_ML_DSA_87},
	{"SLH-DSA-SHA2-128f", CKK_SLH_DSA, CKP_SLH_DSA_SHA2_128F},
	{"SLH-DSA-SHAKE-128f", CKK_SLH_DSA, CKP_SLH_DSA_SHAKE_128F},
	{"SLH-DSA-SHA2-192f", CKK_SLH_DSA, CKP_SLH_DSA_SHA2_192F},
	{"ML-KEM-512", CKK_ML_KEM, CKP_ML_KEM_512},
	{"ML-KEM-768", CKK_ML_KEM, CKP_ML_KEM_768},
	{"ML-KEM-1024", CKK_ML_KEM, CKP_ML_KEM_1024},
};

static const struct set *
some_set(CK_KEY_TYPE type)
{
	const struct set *s;

	do
		s = &sets[chance(NELEMS(sets))];
	while (s->type != type);
	return s;
}

static CK_RV
generate(const struct set *s, CK_FLAGS pub_uses, CK_FLAGS priv_uses, CK_OBJECT_HANDLE *a,
	CK_OBJECT_HANDLE *b)
{
	static const CK_MECHANISM_TYPE types[] = {
		CKM_ML_KEM_KEY_PAIR_GEN, CKM_ML_DSA_KEY_PAIR_GEN, CKM_SLH_DSA_KEY_PAIR_GEN};
	CK_MECHANISM m = {types[s->type == CKK_ML_KEM	  ? 0
				  : s->type == CKK_ML_DSA ? 1
							  : 2],
		NULL, 0};
	struct templ pub = {.n = 0}, priv = {.n = 0};

	templ_bool(&pub, CKA_TOKEN, false);
	templ_ulong(&pub, CKA_PARAMETER_SET, s->number);
	templ_uses(&pub, pub_uses);
	templ_bool(&priv, CKA_TOKEN, false);
	templ_uses(&priv, priv_uses);
	return use_generate_pair(&m, &pub, &priv, a, b);
}

static CK_RV
import_public(const struct set *s, EVP_PKEY *pkey, CK_FLAGS uses, CK_OBJECT_HANDLE *h)
{
	struct templ t = {.n = 0};
	struct blob raw = blob_new(8192);

	must_be(EVP_PKEY_get_raw_public_key(pkey, raw.data, &raw.len) == 1, "a raw public key");
	templ_key(&t, CKO_PUBLIC_KEY, s->type, uses);
	templ_ulong(&t, CKA_PARAMETER_SET, s->number);
	templ_blob(&t, CKA_VALUE, raw);
	return object_make(&t, h);
}

static EVP_PKEY *
openssl_pair(const struct set *s)
{
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_name(NULL, s->name, NULL);
	EVP_PKEY *pkey = NULL;

	must_be(c != NULL && EVP_PKEY_keygen_init(c) == 1 && EVP_PKEY_generate(c, &pkey) == 1,
		s->name);
	EVP_PKEY_CTX_free(c);
	return pkey;
}

/* ---- signatures ---- */

/* FIPS 204 5.4.1: SHAKE128 gives 256 bits, SHAKE256 gives 512. */
static struct blob
message_hash(const char *hash, struct blob in)
{
	struct blob out = blob_new(strcmp(hash, "SHAKE-128") == 0 ? 32 : 64);
	EVP_MD_CTX *c;
	EVP_MD *md;

	if (strncmp(hash, "SHAKE", 5) != 0)
		return oracle_hash(hash, in);
	c = EVP_MD_CTX_new();
	md = EVP_MD_fetch(NULL, hash, NULL);
	must_be(EVP_DigestInit_ex2(c, md, NULL) == 1 &&
			EVP_DigestUpdate(c, in.data, in.len) == 1 &&
			EVP_DigestFinalXOF(c, out.data, out.len) == 1,
		hash);
	EVP_MD_CTX_free(c);
	EVP_MD_free(md);
	return out;
}

/* What is signed instead of the message: 1, the context and its length, the hash's OID, the
 * hash. */
static struct blob
prehashed(const char *hash, struct blob in)
{
	static const struct {
		const char *hash;
		uint8_t last; /* of 2.16.840.1.101.3.4.2 */
	} oids[] = {{"SHA2-256", 1}, {"SHA2-384", 2}, {"SHA2-512", 3}, {"SHA2-224", 4},
		{"SHA3-224", 7}, {"SHA3-256", 8}, {"SHA3-384", 9}, {"SHA3-512", 10},
		{"SHAKE-128", 11}, {"SHAKE-256", 12}};
	uint8_t head[13] = {1, 0, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 0};

	for (size_t i = 0; i < NELEMS(oids); i++)
		if (strcmp(oids[i].hash, hash) == 0)
			head[12] = oids[i].last;
	return blob_join(blob_of(head, sizeof(head)), message_hash(hash, in));
}

static bool
verifies(EVP_PKEY *pkey, bool raw, struct blob in, struct blob sig)
{
	int encoding = raw ? 0 : 1;
	OSSL_PARAM params[2] = {OSSL_PARAM_construct_int("message-encoding", &encoding),
		OSSL_PARAM_construct_end()};
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	bool ok = EVP_DigestVerifyInit_ex(c, NULL, NULL, NULL, NULL, pkey, params) == 1 &&
		  EVP_DigestVerify(c, sig.data, sig.len, in.data, in.len) == 1;

	EVP_MD_CTX_free(c);
	ERR_clear_error();
	return ok;
}

static struct blob
signature(EVP_PKEY *pkey, bool raw, struct blob in)
{
	int encoding = raw ? 0 : 1;
	OSSL_PARAM params[2] = {OSSL_PARAM_construct_int("message-encoding", &encoding),
		OSSL_PARAM_construct_end()};
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	struct blob sig = blob_new(64000);

	must_be(EVP_DigestSignInit_ex(c, NULL, NULL, NULL, NULL, pkey, params) == 1 &&
			EVP_DigestSign(c, sig.data, &sig.len, in.data, in.len) == 1,
		"a signature of OpenSSL");
	EVP_MD_CTX_free(c);
	return sig;
}

static void
prove_signature(const struct proof *p)
{
	CK_MECHANISM m = {p->type, NULL, 0};
	const struct set *s = some_set(p->key);
	bool given = p->type == CKM_HASH_ML_DSA ||
		     p->type == CKM_HASH_SLH_DSA; /* the caller has hashed */
	const char *hash = given ? "SHA2-256" : p->name;
	struct blob message = blob_random(some_length()),
		    in = given ? oracle_hash(hash, message) : message,
		    told = hash != NULL ? prehashed(hash, message) : message, sig,
		    sigs[SIGN_FLOWS];
	enum ways ways = given ? ONE_PART : ANY_WAY;
	EVP_PKEY *made = openssl_pair(s), *pkey = NULL;
	CK_OBJECT_HANDLE pub, priv, theirs;

	if (given)
		p->param(p, &m, in.len);
	if (!is_ok("a pair", generate(s, CKF_VERIFY, CKF_SIGN, &pub, &priv)) ||
		(pkey = key_exported(pub)) == NULL)
		goto out;
	proved &= ~(CK_FLAGS)CKF_GENERATE_KEY_PAIR;
	for (size_t i = use_sign(&m, priv, in, 64000, ways, sigs); i-- > 0;) {
		checks++;
		if (!verifies(pkey, hash != NULL, told, sigs[i]))
			fail("OpenSSL refuses the token's signature by %s", s->name);
	}
	if (is_ok("a public key", import_public(s, made, CKF_VERIFY, &theirs))) {
		sig = signature(made, hash != NULL, told);
		is_ok("verification of OpenSSL's signature",
			use_verify(&m, theirs, in, sig, ways));
		refuse_changed(&m, theirs, in, sig, ways);
	}
out:
	EVP_PKEY_free(pkey);
	EVP_PKEY_free(made);
}

/* ---- key encapsulation ---- */
static void
expect_secret(CK_OBJECT_HANDLE h, struct blob wanted)
{
	struct blob got = {0};

	get_blob(h, CKA_VALUE, &got);
	same("the shared secret", wanted, got);
}

static struct blob
openssl_decapsulates(EVP_PKEY *pkey, struct blob text)
{
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
	struct blob secret = blob_new(64);

	must_be(EVP_PKEY_decapsulate_init(c, NULL) == 1, "decapsulation");
	if (EVP_PKEY_decapsulate(c, secret.data, &secret.len, text.data, text.len) != 1)
		secret = (struct blob){0};
	EVP_PKEY_CTX_free(c);
	ERR_clear_error();
	return secret;
}

/* FIPS 203 6.3: what was changed gives a secret too, of which nobody can tell that it is
 * another. */
static void
reject_implicitly(CK_MECHANISM *m, CK_OBJECT_HANDLE priv, struct blob text, struct blob secret,
	struct templ *t)
{
	struct blob got = secret;
	CK_OBJECT_HANDLE h;
	CK_RV rv;

	text.data[chance((uint32_t)text.len)] ^= (uint8_t)(1u << chance(8));
	if (is_ok("C_DecapsulateKey of a changed ciphertext",
		    use_decapsulate(m, priv, text, t, &h))) {
		get_blob(h, CKA_VALUE, &got);
		checks++;
		if (got.len != secret.len || blob_same(got, secret))
			fail("a changed ciphertext gives the secret, or one of another length");
	}
	rv = use_decapsulate(m, priv, blob_part(text, 0, text.len - 1), t, &h);
	checks++;
	if (rv != CKR_WRAPPED_KEY_LEN_RANGE)
		fail("a ciphertext cut short gave 0x%lx", rv);
}

static void
prove_kem(const struct proof *p)
{
	const struct set *s = some_set(p->key);
	EVP_PKEY *made = openssl_pair(s), *pkey = NULL;
	EVP_PKEY_CTX *c = NULL;
	CK_MECHANISM m = {p->type, NULL, 0};
	struct templ t = {.n = 0};
	struct blob text = blob_new(2048), secret = blob_new(64), ours;
	CK_OBJECT_HANDLE pub, priv, theirs, h;

	templ_key(&t, CKO_SECRET_KEY, CKK_GENERIC_SECRET, CKF_SIGN);
	if (!is_ok("a public key", import_public(s, made, CKF_ENCAPSULATE, &theirs)) ||
		!is_ok("a pair", generate(s, CKF_ENCAPSULATE, CKF_DECAPSULATE, &pub, &priv)) ||
		(pkey = key_exported(pub)) == NULL)
		goto out;
	proved &= ~(CK_FLAGS)CKF_GENERATE_KEY_PAIR;
	if (is_ok("C_EncapsulateKey", use_encapsulate(&m, theirs, &t, &ours, &h)))
		expect_secret(h, openssl_decapsulates(made, ours));
	c = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
	must_be(EVP_PKEY_encapsulate_init(c, NULL) == 1 &&
			EVP_PKEY_encapsulate(
				c, text.data, &text.len, secret.data, &secret.len) == 1,
		s->name);
	if (is_ok("C_DecapsulateKey", use_decapsulate(&m, priv, text, &t, &h)))
		expect_secret(h, secret);
	reject_implicitly(&m, priv, text, secret, &t);
out:
	EVP_PKEY_CTX_free(c);
	EVP_PKEY_free(pkey);
	EVP_PKEY_free(made);
}

/* ---- key pairs ---- */
static void
prove_pair(const struct proof *p)
{
	bool kem = p->key == CKK_ML_KEM;
	CK_OBJECT_HANDLE pub, priv;
	struct blob value;
	EVP_PKEY *pkey, *raw;

	for (size_t i = 0; i < NELEMS(sets); i++) {
		if (sets[i].type != p->key ||
			!is_ok(sets[i].name, generate(&sets[i], kem ? 0 : CKF_VERIFY,
						     kem ? 0 : CKF_SIGN, &pub, &priv)) ||
			(pkey = key_exported(pub)) == NULL)
			continue;
		checks++;
		raw = get_blob(pub, CKA_VALUE, &value)
			      ? EVP_PKEY_new_raw_public_key_ex(
					NULL, sets[i].name, NULL, value.data, value.len)
			      : NULL;
		if (!EVP_PKEY_is_a(pkey, sets[i].name) || raw == NULL ||
			EVP_PKEY_eq(raw, pkey) != 1)
			fail("CKA_VALUE and CKA_PUBLIC_KEY_INFO of %s are not one key",
				sets[i].name);
		EVP_PKEY_free(raw);
		EVP_PKEY_free(pkey);
		ERR_clear_error();
	}
}

/* The hash that the caller has made. */
static void
hash_param(const struct proof *p, CK_MECHANISM *m, size_t in_len)
{
	struct x_hash_context context = {.hash = CKM_SHA256};

	(void)p, (void)in_len;
	param_give(m, &context, sizeof(context));
}

static CK_RV
make_pair(const struct proof *p, CK_ULONG size, CK_OBJECT_HANDLE *pub, CK_OBJECT_HANDLE *priv)
{
	const struct set *s = some_set(p->key);
	bool kem = p->key == CKK_ML_KEM;
	CK_MECHANISM_INFO info;

	/* sizes are those of the parameter sets: between them there is no key to try */
	if (f->C_GetMechanismInfo(slot, p->type, &info) != CKR_OK || size < info.ulMinKeySize ||
		size > info.ulMaxKeySize)
		return CKR_KEY_SIZE_RANGE;
	return generate(s, kem ? 0 : CKF_VERIFY, kem ? 0 : CKF_SIGN, pub, priv);
}

#define HASHED(mech, hash, type)                                                               \
	{                                                                                      \
		mech, prove_signature, hash, type, .make = make_pair                           \
	}
#define HASHES(prefix, type)                                                                   \
	HASHED(prefix##_SHA224, "SHA2-224", type), HASHED(prefix##_SHA256, "SHA2-256", type),  \
		HASHED(prefix##_SHA384, "SHA2-384", type),                                     \
		HASHED(prefix##_SHA512, "SHA2-512", type),                                     \
		HASHED(prefix##_SHA3_224, "SHA3-224", type),                                   \
		HASHED(prefix##_SHA3_256, "SHA3-256", type),                                   \
		HASHED(prefix##_SHA3_384, "SHA3-384", type),                                   \
		HASHED(prefix##_SHA3_512, "SHA3-512", type),                                   \
		HASHED(prefix##_SHAKE128, "SHAKE-128", type),                                  \
		HASHED(prefix##_SHAKE256, "SHAKE-256", type)

static const struct proof rows[] = {
	{CKM_ML_DSA_KEY_PAIR_GEN, prove_pair, NULL, CKK_ML_DSA, .make = make_pair},
	{CKM_SLH_DSA_KEY_PAIR_GEN, prove_pair, NULL, CKK_SLH_DSA, .make = make_pair},
	{CKM_ML_KEM_KEY_PAIR_GEN, prove_pair, NULL, CKK_ML_KEM, .make = make_pair},
	{CKM_ML_KEM, prove_kem, NULL, CKK_ML_KEM, .make = make_pair},
	{CKM_ML_DSA, prove_signature, NULL, CKK_ML_DSA, .make = make_pair},
	{CKM_HASH_ML_DSA, prove_signature, NULL, CKK_ML_DSA, .make = make_pair,
		.param = hash_param},
	HASHES(CKM_HASH_ML_DSA, CKK_ML_DSA),
	{CKM_SLH_DSA, prove_signature, NULL, CKK_SLH_DSA, .make = make_pair},
	{CKM_HASH_SLH_DSA, prove_signature, NULL, CKK_SLH_DSA, .make = make_pair,
		.param = hash_param},
	HASHES(CKM_HASH_SLH_DSA, CKK_SLH_DSA),
};
const struct proofs proofs_pq = {rows, NELEMS(rows)};
