/*
 * known_pair.c - published answers of key pairs: signatures, decryption, agreement
 *
 *   verify MECH <key> in out [bad:]         good (bad:yes: refused), and no other is
 *   sign MECH <key> in out                  the same; the private key gives just this one
 *   decrypt MECH <key> in out [bad:]        in is the ciphertext
 *   unwrap MECH <key> hash: bits: in out    by RSA and AES; in is the wrapped key
 *   recover MECH <key> in out               in is the signature, out what it holds
 *   agree MECH <key> peer out [kdf: shared] [bad:]
 *   kem MECH <key> in out                   in is the ciphertext, out the secret
 *   expand MECH set: seed pub out           out is the private key of the seed
 *
 * <key> is the fields of known_key.c. Parameters:
 *   PSS                salt: [hash: mgf:], the hash being the mechanism's own if it has one
 *   OAEP               hash: [mgf:] [label]
 *   EdDSA              [ph:yes] [context]
 *   ML-DSA, SLH-DSA    [context] [fixed:yes] [hash:]; fixed signs without chance, hash is
 *                      that of the message, when the caller has hashed it
 */
#include "known.h"

/* ---- parameters ---- */
static CK_ULONG
mgf_of(const struct line *l, CK_MECHANISM_TYPE hash)
{
	const char *wanted = has(l, "mgf") ? word(l, "mgf") : hash_name(hash);

	for (CK_ULONG mgf = 1; hash_of_mgf(mgf) != NULL; mgf++)
		if (strcmp(hash_of_mgf(mgf), wanted) == 0)
			return mgf;
	must_be(false, "a mask generation function");
	return 0;
}

static CK_MECHANISM_TYPE
own_hash(const struct line *l)
{
	for (CK_MECHANISM_TYPE t = 0; l->proof->name != NULL && t < 0x400; t++)
		if (hash_name(t) != NULL && strcmp(hash_name(t), l->proof->name) == 0)
			return t;
	return hash_field(l, "hash");
}

static void
give_pss(struct line *l)
{
	CK_MECHANISM_TYPE hash = own_hash(l);
	CK_RSA_PKCS_PSS_PARAMS p = {hash, mgf_of(l, hash), count(l, "salt", 0)};

	give(l, &p, sizeof(p));
}

static void
give_oaep(struct line *l)
{
	CK_MECHANISM_TYPE hash = hash_field(l, "hash");
	struct blob label = field(l, "label");
	CK_RSA_PKCS_OAEP_PARAMS p = {hash, mgf_of(l, hash), CKZ_DATA_SPECIFIED,
		label.len > 0 ? label.data : NULL, label.len};

	give(l, &p, sizeof(p));
}

static void
give_eddsa(struct line *l)
{
	struct blob context = field(l, "context");
	struct x_eddsa p = {has(l, "ph"), context.len, context.len > 0 ? context.data : NULL};

	if (has(l, "ph") || has(l, "context"))
		give(l, &p, sizeof(p));
}

/* Both structures begin alike; the longer one is for who has hashed the message. */
static void
give_context(struct line *l)
{
	struct blob context = field(l, "context");
	CK_HASH_SIGN_ADDITIONAL_CONTEXT p = {
		has(l, "fixed") ? CKH_DETERMINISTIC_REQUIRED : CKH_HEDGE_PREFERRED,
		context.len > 0 ? context.data : NULL, context.len, 0};

	if (has(l, "hash")) {
		p.hash = hash_field(l, "hash");
		give(l, &p, sizeof(p));
	} else if (has(l, "fixed") || context.len > 0) {
		give(l, &p, sizeof(CK_SIGN_ADDITIONAL_CONTEXT));
	}
}

static void
give_rsa(struct line *l)
{
	if (has(l, "salt"))
		give_pss(l);
	else if (l->m.mechanism == CKM_RSA_PKCS_OAEP)
		give_oaep(l);
}

static const struct {
	CK_KEY_TYPE type;
	void (*give)(struct line *l);
} params[] = {
	{CKK_RSA, give_rsa},
	{CKK_EC_EDWARDS, give_eddsa},
	{CKK_ML_DSA, give_context},
	{CKK_SLH_DSA, give_context},
};

static void
param(struct line *l)
{
	for (size_t i = 0; i < NELEMS(params); i++)
		if (params[i].type == l->proof->key)
			params[i].give(l);
}

/* ---- signatures ---- */
/* Raw RSA is one function: a strict token wants both names of it. */
static CK_FLAGS
private_uses(const struct line *l, CK_FLAGS use)
{
	return l->m.mechanism == CKM_RSA_X_509 ? CKF_SIGN | CKF_DECRYPT : use;
}

static enum ways
ways_of(const struct line *l)
{
	bool whole = l->proof->name == NULL && l->proof->key != CKK_EC_EDWARDS &&
		     l->proof->key != CKK_ML_DSA && l->proof->key != CKK_SLH_DSA;

	return whole ? ONE_PART : ANY_WAY;
}

static void
expect_invalid(const char *what, CK_RV rv)
{
	checks++;
	if (rv != CKR_SIGNATURE_INVALID && rv != CKR_SIGNATURE_LEN_RANGE)
		fail("%s gave 0x%lx", what, rv);
}

static bool
check_signature(struct line *l, CK_OBJECT_HANDLE *pub)
{
	struct blob in = field(l, "in"), sig = field(l, "out"), other;
	enum ways ways = ways_of(l);

	param(l);
	if (!known_public(l, CKF_VERIFY, pub))
		return false;
	if (has(l, "bad")) {
		expect_invalid("a signature that the document refuses",
			use_verify(&l->m, *pub, in, sig, ways));
		return false;
	}
	is_ok("verify", use_verify(&l->m, *pub, in, sig, ways));
	expect_invalid("a changed signature", use_verify(&l->m, *pub, in, changed(sig), ways));
	if (in.len > 0) {
		other = blob_of(in.data, in.len);
		other.data[0] ^= 1; /* the last ones of a hash may be longer than the curve */
		expect_invalid("a signature of another message",
			use_verify(&l->m, *pub, other, sig, ways));
	}
	return true;
}

static void
known_verify(struct line *l)
{
	struct blob in = field(l, "in"), out;
	CK_OBJECT_HANDLE pub, priv;

	if (check_signature(l, &pub) && known_has_private(l) &&
		known_private(l, private_uses(l, CKF_SIGN), &priv) &&
		is_ok("sign", use_key(CKF_SIGN, &l->m, priv, in, 60000, ways_of(l), &out)))
		is_ok("verification of its own", use_verify(&l->m, pub, in, out, ways_of(l)));
}

static void
known_sign(struct line *l)
{
	struct blob in = field(l, "in"), out;
	CK_OBJECT_HANDLE pub, priv;

	if (check_signature(l, &pub) && known_private(l, private_uses(l, CKF_SIGN), &priv) &&
		is_ok("sign", use_key(CKF_SIGN, &l->m, priv, in, 60000, ways_of(l), &out)))
		same("the signature", field(l, "out"), out);
}

static void
known_recover(struct line *l)
{
	struct blob out;
	CK_OBJECT_HANDLE pub;

	if (known_public(l, CKF_VERIFY_RECOVER, &pub) &&
		is_ok("recover", use_key(CKF_VERIFY_RECOVER, &l->m, pub, field(l, "in"), 2048,
					 ONE_PART, &out)))
		same("what was signed", field(l, "out"), out);
}

/* ---- decryption ---- */
static void
known_decrypt(struct line *l)
{
	struct blob in = field(l, "in"), wanted = field(l, "out"), out;
	CK_OBJECT_HANDLE priv;
	CK_RV rv;

	param(l);
	if (!known_private(l, private_uses(l, CKF_DECRYPT), &priv))
		return;
	rv = use_key(CKF_DECRYPT, &l->m, priv, in, 2048, ONE_PART, &out);
	if (has(l, "bad")) {
		expect_refused("a ciphertext that the document refuses", rv);
		return;
	}
	if (is_ok("decrypt", rv))
		same("the plaintext", wanted, out);
	/* PKCS #1 v1.5 may answer a wrong ciphertext with what looks like a plaintext. */
	rv = use_key(CKF_DECRYPT, &l->m, priv, changed(in), 2048, ONE_PART, &out);
	checks++;
	if (rv == CKR_OK && (l->m.mechanism == CKM_RSA_PKCS_OAEP || blob_same(wanted, out)))
		fail("a changed ciphertext is decrypted");
}

/* An AES key of so many bits under OAEP, and under it the key. */
static void
known_unwrap(struct line *l)
{
	CK_RSA_PKCS_OAEP_PARAMS oaep;
	CK_RSA_AES_KEY_WRAP_PARAMS p = {count(l, "bits", 256), &oaep};
	struct blob in = field(l, "in"), got = {0};
	struct templ t = {.n = 0};
	CK_OBJECT_HANDLE priv, h;

	give_oaep(l);
	memcpy(&oaep, l->m.pParameter, sizeof(oaep));
	give(l, &p, sizeof(p));
	templ_key(&t, CKO_SECRET_KEY, CKK_GENERIC_SECRET, CKF_SIGN);
	if (!known_private(l, CKF_UNWRAP, &priv))
		return;
	if (is_ok("C_UnwrapKey", use_unwrap(&l->m, priv, in, &t, &h))) {
		get_blob(h, CKA_VALUE, &got);
		same("the unwrapped key", field(l, "out"), got);
	}
	expect_refused("a changed wrapped key", use_unwrap(&l->m, priv, changed(in), &t, &h));
}

/* ---- agreement ---- */
static CK_ULONG
kdf_of(const struct line *l)
{
	CK_MECHANISM_TYPE hash = has(l, "kdf") ? hash_field(l, "kdf") : 0;

	for (CK_ULONG kdf = 2; hash != 0 && kdf < 20; kdf++)
		if (hash_of_kdf(kdf) != NULL && strcmp(hash_of_kdf(kdf), hash_name(hash)) == 0)
			return kdf;
	return CKD_NULL;
}

static void
known_agree(struct line *l)
{
	struct blob peer = field(l, "peer"), shared = field(l, "shared");
	CK_ECDH1_DERIVE_PARAMS e = {kdf_of(l), shared.len, shared.len > 0 ? shared.data : NULL,
		peer.len, peer.data};
	struct templ t = {.n = 0};
	CK_OBJECT_HANDLE base, h;

	if (l->proof->key == CKK_DH)
		give(l, peer.data, peer.len);
	else
		give(l, &e, sizeof(e));
	if (!known_private(l, CKF_DERIVE, &base))
		return;
	if (!has(l, "bad")) {
		expect_derived("the agreed key", &l->m, base, field(l, "out"), true);
		return;
	}
	templ_key(&t, CKO_SECRET_KEY, CKK_GENERIC_SECRET, CKF_SIGN);
	templ_ulong(&t, CKA_VALUE_LEN, 16);
	expect_refused("a peer that the document refuses", use_derive(&l->m, base, &t, &h));
}

/* ---- encapsulation ---- */
static struct blob
decapsulated(struct line *l, CK_OBJECT_HANDLE priv, struct blob text)
{
	struct templ t = {.n = 0};
	struct blob got = {0};
	CK_OBJECT_HANDLE h;

	templ_key(&t, CKO_SECRET_KEY, CKK_GENERIC_SECRET, CKF_SIGN);
	if (is_ok("C_DecapsulateKey", use_decapsulate(&l->m, priv, text, &t, &h)))
		get_blob(h, CKA_VALUE, &got);
	return got;
}

static void
known_kem(struct line *l)
{
	struct blob text = field(l, "in"), wanted = field(l, "out");
	CK_OBJECT_HANDLE priv;

	if (!known_private(l, CKF_DECAPSULATE, &priv))
		return;
	same("the shared secret", wanted, decapsulated(l, priv, text));
	checks++;
	if (blob_same(wanted, decapsulated(l, priv, changed(text))))
		fail("a changed ciphertext gives the same secret");
}

/* ---- key pairs of a seed: 3.2's CKA_SEED ---- */
static void
known_expand(struct line *l)
{
	struct blob got = {0};
	CK_OBJECT_HANDLE priv, pub;

	if (known_private(l, 0, &priv) && known_public(l, 0, &pub)) {
		get_blob(priv, CKA_VALUE, &got);
		same("the private key of the seed", field(l, "out"), got);
	}
}

static const struct known_kind rows[] = {
	{"verify", known_verify},
	{"sign", known_sign},
	{"recover", known_recover},
	{"decrypt", known_decrypt},
	{"unwrap", known_unwrap},
	{"agree", known_agree},
	{"kem", known_kem},
	{"expand", known_expand},
};
const struct known_kinds known_pair = {rows, NELEMS(rows)};
