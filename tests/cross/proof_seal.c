/*
 * Keys wrapped by an authenticated cipher: with additional data, the tag in the parameter and a
 * nonce of either end's (3.2, C_WrapKeyAuthenticated and C_UnwrapKeyAuthenticated); and by
 * C_WrapKey with a nonce of the token's (3.2 6.13.5)
 *
 * What comes out is OpenSSL's ciphertext of the key's value, or of its PKCS #8 form, and what
 * OpenSSL made so is unwrapped.
 */
#include "message.h"
#include "pkey.h"

struct x_gcm_wrap { /* CK_GCM_WRAP_PARAMS */
	CK_BYTE *iv;
	CK_ULONG iv_len, fixed_bits, generator;
	CK_BYTE *aad;
	CK_ULONG aad_len, tag_bits;
};
struct x_ccm_wrap { /* CK_CCM_WRAP_PARAMS */
	CK_ULONG data_len;
	CK_BYTE *nonce;
	CK_ULONG nonce_len, fixed_bits, generator;
	CK_BYTE *aad;
	CK_ULONG aad_len, mac_len;
};

/* ---- the calls ---- */
static CK_MECHANISM
mechanism(const struct parcel *c)
{
	return (CK_MECHANISM){c->p->type, c->param, c->param_len};
}

/* *out: the ciphertext, and the tag behind it, as the oracle has them. */
static CK_RV
seal(struct parcel *c, CK_OBJECT_HANDLE by, CK_OBJECT_HANDLE target, struct blob *out)
{
	CK_MECHANISM m = mechanism(c);
	CK_ULONG n = 0, less;
	CK_RV rv = f3->C_WrapKeyAuthenticated(
		session, &m, by, target, c->aad.data, c->aad.len, NULL, &n);

	if (rv != CKR_OK)
		return rv;
	*out = blob_new(n);
	less = n - 1;
	rv = f3->C_WrapKeyAuthenticated(
		session, &m, by, target, c->aad.data, c->aad.len, out->data, &less);
	checks++;
	if (rv != CKR_BUFFER_TOO_SMALL || less != n)
		fail("C_WrapKeyAuthenticated with too small a buffer gave 0x%lx and %lu", rv,
			less);
	rv = f3->C_WrapKeyAuthenticated(
		session, &m, by, target, c->aad.data, c->aad.len, out->data, &n);
	*out = blob_join(blob_part(*out, 0, n), c->tag);
	return rv;
}

static CK_RV
unseal(const struct parcel *c, CK_OBJECT_HANDLE by, struct blob sealed, struct templ *t,
	CK_OBJECT_HANDLE *h)
{
	CK_MECHANISM m = mechanism(c);
	size_t n = sealed.len - c->tag.len;
	CK_RV rv;

	memcpy(c->tag.data, sealed.data + n, c->tag.len);
	rv = f3->C_UnwrapKeyAuthenticated(
		session, &m, by, sealed.data, n, t->a, t->n, c->aad.data, c->aad.len, h);
	if (rv == CKR_OK)
		keep_track(*h);
	return rv;
}

/* ---- a key that may be read ---- */
static void
refuse_changed_seal(
	const struct parcel *good, CK_OBJECT_HANDLE by, struct blob sealed, struct templ *t)
{
	struct blob bad = blob_of(sealed.data, sealed.len);
	struct parcel c = *good;
	CK_OBJECT_HANDLE h;

	bad.data[0] ^= 1;
	must_give("a changed ciphertext", CKR_WRAPPED_KEY_INVALID, unseal(&c, by, bad, t, &h));
	bad.data[0] ^= 1;
	bad.data[bad.len - 1] ^= 1;
	must_give("a changed tag", CKR_WRAPPED_KEY_INVALID, unseal(&c, by, bad, t, &h));
	c.aad = c.aad.len > 0 ? blob_part(c.aad, 1, c.aad.len - 1) : blob_random(3);
	must_give("other additional data", CKR_WRAPPED_KEY_INVALID,
		unseal(&c, by, sealed, t, &h));
	c.aad = good->aad;
	c.nonce.data[0] ^= 1;
	must_give("another nonce", CKR_WRAPPED_KEY_INVALID, unseal(&c, by, sealed, t, &h));
	c.nonce.data[0] ^= 1;
}

static void
seal_secret(const struct proof *p, CK_OBJECT_HANDLE by, struct blob key, struct blob aad)
{
	struct blob secret = blob_random(1 + chance(100)), sealed, out = {0};
	struct parcel c = parcel_make(
		p, some_nonce(p, secret.len), CKG_NO_GENERATE, 0, 16, secret.len, aad);
	struct templ t = {.n = 0};
	CK_OBJECT_HANDLE target, h;

	sealed = parcel_sealed(&c, key, secret);
	templ_key(&t, CKO_SECRET_KEY, CKK_GENERIC_SECRET, CKF_SIGN);
	if (!is_ok("a target", key_secret(CKK_GENERIC_SECRET, secret, CKF_SIGN, &target)))
		return;
	if (is_ok("C_WrapKeyAuthenticated", seal(&c, by, target, &out)))
		same("the wrapped key and its tag", sealed, out);
	if (is_ok("C_UnwrapKeyAuthenticated of OpenSSL's", unseal(&c, by, sealed, &t, &h))) {
		get_blob(h, CKA_VALUE, &out);
		same("the unwrapped value", secret, out);
	}
	refuse_changed_seal(&c, by, sealed, &t);
}

static void
same_key(const char *what, EVP_PKEY *wanted, EVP_PKEY *got)
{
	checks++;
	if (got == NULL || EVP_PKEY_eq(got, wanted) != 1)
		fail("%s is another key", what);
	EVP_PKEY_free(got);
}

static void
seal_private(const struct proof *p, CK_OBJECT_HANDLE by, struct blob key)
{
	EVP_PKEY *pkey = chance(2) == 0 ? ec_key("P-256") : rsa_key(2048);
	struct blob der = pkcs8(pkey), out, aad = some_aad();
	struct parcel c =
		parcel_make(p, some_nonce(p, der.len), CKG_NO_GENERATE, 0, 16, der.len, aad);
	struct templ t = {.n = 0};
	CK_OBJECT_HANDLE target, h;

	templ_key(&t, CKO_PRIVATE_KEY, EVP_PKEY_is_a(pkey, "EC") ? CKK_EC : CKK_RSA, CKF_SIGN);
	if (!is_ok("a target", key_private(pkey, CKF_SIGN, &target)))
		return;
	if (is_ok("C_UnwrapKeyAuthenticated of a private key",
		    unseal(&c, by, parcel_sealed(&c, key, der), &t, &h)))
		same_key("what was unwrapped", pkey, key_exported(h));
	if (is_ok("C_WrapKeyAuthenticated of a private key", seal(&c, by, target, &out)))
		same_key("what was wrapped", pkey,
			pkcs8_key(oracle_aead(cipher_name(p->name, 8 * key.len), key, c.nonce,
				aad, 16, out, false)));
}

/* ---- nonces of the token's ---- */
static void
seal_generated(const struct proof *p, CK_OBJECT_HANDLE by, struct blob key)
{
	struct blob secret = blob_random(32), out,
		    given = blob_random(p->variant == CCM ? 13 : 12);
	CK_ULONG fixed = 8 * chance(5);
	struct parcel c = parcel_make(p, given,
		chance(2) == 0 ? CKG_GENERATE : CKG_GENERATE_RANDOM, fixed, 16, 32, some_aad());
	CK_OBJECT_HANDLE target;

	if (!is_ok("a target", key_secret(CKK_GENERIC_SECRET, secret, CKF_SIGN, &target)))
		return;
	if (is_ok("C_WrapKeyAuthenticated with a nonce of the token's",
		    seal(&c, by, target, &out))) {
		same("the key wrapped with the token's nonce", parcel_sealed(&c, key, secret),
			out);
		same("the fixed bits", blob_part(given, 0, fixed / 8),
			blob_part(c.nonce, 0, fixed / 8));
		checks++;
		if (blob_same(given, c.nonce))
			fail("the nonce is the one that was handed in");
	}
	/* every key that is wrapped is an operation of its own: a counter would begin anew */
	c = parcel_make(p, given, CKG_GENERATE_COUNTER, fixed, 16, 32, some_aad());
	must_give("a counter for a nonce", CKR_MECHANISM_PARAM_INVALID,
		seal(&c, by, target, &out));
}

static void
wrap_generated(const struct proof *p, CK_OBJECT_HANDLE by, struct blob key)
{
	struct blob secret = blob_random(32), out = {0}, nonce = blob_random(12),
		    aad = blob_random(chance(2) * chance(300));
	struct x_gcm_wrap gcm = {nonce.data, 12, 32, CKG_GENERATE, aad.data, aad.len, 128};
	struct x_ccm_wrap ccm = {32, nonce.data, 12, 32, CKG_GENERATE, aad.data, aad.len, 16};
	CK_MECHANISM m = {p->type, p->variant == GCM ? (void *)&gcm : &ccm,
		p->variant == GCM ? sizeof(gcm) : sizeof(ccm)};
	struct templ t = {.n = 0};
	CK_OBJECT_HANDLE target, h;

	templ_key(&t, CKO_SECRET_KEY, CKK_GENERIC_SECRET, CKF_SIGN);
	if (!is_ok("a target", key_secret(CKK_GENERIC_SECRET, secret, CKF_SIGN, &target)) ||
		!is_ok("C_WrapKey with a nonce of the token's", use_wrap(&m, by, target, &out)))
		return;
	same("the key that C_WrapKey wrapped",
		oracle_aead(
			cipher_name(p->name, 8 * key.len), key, nonce, aad, 16, secret, true),
		out);
	if (is_ok("C_UnwrapKey", use_unwrap(&m, by, out, &t, &h))) {
		get_blob(h, CKA_VALUE, &out);
		same("the unwrapped value", secret, out);
	}
}

/* ---- sensitive keys: what the strict policy asks of wrapping key, nonce and tag ---- */

/* Combining keys is for the compat policy. */
static bool
strict(void)
{
	CK_MECHANISM_INFO i;

	return f->C_GetMechanismInfo(slot, CKM_XOR_BASE_AND_DATA, &i) != CKR_OK;
}

static CK_RV
keeper(const struct proof *p, CK_OBJECT_HANDLE *h)
{
	CK_MECHANISM gen = {CKM_AES_KEY_GEN, NULL, 0};
	CK_FLAGS before = proved;
	struct templ t = {.n = 0};
	CK_RV rv;

	templ_bool(&t, CKA_TOKEN, false);
	templ_bool(&t, CKA_SENSITIVE, true);
	templ_bool(&t, CKA_EXTRACTABLE, false);
	templ_ulong(&t, CKA_VALUE_LEN, 32);
	templ_ulong(&t, CKA_ALLOWED_MECHANISMS, p->type);
	templ_uses(&t, USE_WRAP);
	rv = use_generate(&gen, &t, h);
	proved = before;
	return rv;
}

static CK_RV
sensitive_key(struct blob value, struct templ *t, CK_OBJECT_HANDLE *h)
{
	*t = (struct templ){.n = 0};
	templ_ulong(t, CKA_CLASS, CKO_SECRET_KEY);
	templ_ulong(t, CKA_KEY_TYPE, CKK_GENERIC_SECRET);
	templ_bool(t, CKA_TOKEN, false);
	templ_bool(t, CKA_SENSITIVE, true);
	templ_bool(t, CKA_EXTRACTABLE, true);
	templ_uses(t, USE_SIGN);
	if (value.len > 0)
		templ_blob(t, CKA_VALUE, value);
	return value.len > 0 ? object_make(t, h) : CKR_OK;
}

static void
seal_sensitive(const struct proof *p, CK_OBJECT_HANDLE ordinary)
{
	CK_RV refusal = strict() ? CKR_KEY_NOT_WRAPPABLE : CKR_OK;
	struct blob value = blob_random(32), nonce = blob_random(12), aad = some_aad(), out;
	struct parcel own = parcel_make(p, nonce, CKG_GENERATE, 0, 16, 32, aad),
		      given = parcel_make(p, nonce, CKG_NO_GENERATE, 0, 16, 32, aad),
		      weak = parcel_make(p, nonce, CKG_GENERATE, 0, 8, 32, aad);
	struct templ t;
	CK_OBJECT_HANDLE target, known, by, h;

	if (!is_ok("a wrapping key", keeper(p, &by)) ||
		!is_ok("a target", sensitive_key(value, &t, &target)) ||
		!is_ok("a target", key_secret(CKK_GENERIC_SECRET, value, CKF_SIGN, &known)))
		return;
	must_give("a sensitive key under one that was imported", refusal,
		seal(&own, ordinary, target, &out));
	must_give("a sensitive key with a nonce of the caller's", refusal,
		seal(&given, by, target, &out));
	must_give("a sensitive key with a tag of 64 bits", refusal,
		seal(&weak, by, target, &out));
	/* what is known of one key under a nonce tells of the next one */
	must_give("a readable key with a nonce of the caller's, where sensitive ones may be",
		refusal, seal(&given, by, known, &out));
	if (!is_ok("C_WrapKeyAuthenticated of a sensitive key", seal(&own, by, target, &out)))
		return;
	sensitive_key(blob_new(0), &t, &h);
	if (is_ok("C_UnwrapKeyAuthenticated of a sensitive key", unseal(&own, by, out, &t, &h)))
		expect_hidden("what was unwrapped", h, value);
	refuse_changed_seal(&own, by, out, &t);
}

/* ---- */
static void
prove_seal(const struct proof *p)
{
	struct blob key = secret_value(p->key);
	CK_OBJECT_HANDLE by;

	if (!is_ok("a wrapping key", key_secret(p->key, key, USE_WRAP, &by)))
		return;
	seal_secret(p, by, key, blob_new(0));
	seal_secret(p, by, key, some_aad());
	seal_private(p, by, key);
	if (p->variant == CHACHA_POLY) /* has no generators, and wraps nothing sensitive */
		return;
	seal_generated(p, by, key);
	wrap_generated(p, by, key);
	seal_sensitive(p, by);
}

static const struct proof rows[] = {
	{CKM_AES_GCM, prove_seal, "AES-#-GCM", CKK_AES, .variant = GCM},
	{CKM_AES_CCM, prove_seal, "AES-#-CCM", CKK_AES, .variant = CCM},
	{CKM_CHACHA20_POLY1305, prove_seal, "ChaCha20-Poly1305", CKK_CHACHA20,
		.variant = CHACHA_POLY},
};
const struct proofs proofs_seal = {rows, NELEMS(rows)};
