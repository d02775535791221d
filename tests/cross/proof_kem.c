/*
 * Keys that two ends come to by what one sends the other (3.2 5.18.8 and 5.18.9): by ECDH,
 * where the ciphertext is the point of a pair for this once; by RSA, where it is a random
 * secret encrypted. ML-KEM is proof_pq.c's.
 *
 * OpenSSL is the peer at either end: it agrees with the point or decrypts, and sends a point or
 * a secret of its own.
 */
#include "pkey.h"

/* What this end sends to the holder of the private key, and what both have then. */
struct sent {
	struct blob text, secret;
};

struct ends {
	EVP_PKEY *pkey;
	CK_OBJECT_HANDLE pub, priv;
};

static bool
ends_make(struct ends *e, EVP_PKEY *pkey)
{
	e->pkey = pkey;
	return is_ok("a public key", key_public(pkey, CKF_ENCAPSULATE, &e->pub)) &&
	       is_ok("a private key", key_private(pkey, CKF_DECAPSULATE, &e->priv));
}

/* ---- the secret, readable or not ---- */
struct wish {
	bool hidden; /* what it is shows in an HMAC only */
	size_t len;  /* 0: the mechanism says */
};

static struct templ
secret_templ(const struct wish *w)
{
	struct templ t = {.n = 0};

	templ_ulong(&t, CKA_CLASS, CKO_SECRET_KEY);
	templ_ulong(&t, CKA_KEY_TYPE, CKK_GENERIC_SECRET);
	templ_bool(&t, CKA_TOKEN, false);
	templ_bool(&t, CKA_SENSITIVE, w->hidden);
	templ_bool(&t, CKA_EXTRACTABLE, !w->hidden);
	templ_uses(&t, CKF_SIGN);
	if (w->len > 0)
		templ_ulong(&t, CKA_VALUE_LEN, w->len);
	return t;
}

static void
expect_secret(const char *what, CK_OBJECT_HANDLE h, struct blob wanted, const struct wish *w)
{
	struct blob got = {0};

	if (w->hidden) {
		expect_hidden(what, h, wanted);
		return;
	}
	get_blob(h, CKA_VALUE, &got);
	same(what, wanted, got);
}

/* ---- both directions ---- */
typedef struct sent send_call(CK_MECHANISM *m, EVP_PKEY *peer, size_t len);
typedef struct blob receive_call(CK_MECHANISM *m, EVP_PKEY *ours, struct blob text, size_t len);

static void
exchange(CK_MECHANISM *m, const struct ends *e, const struct wish *w, send_call *send,
	receive_call *receive, struct sent *sent)
{
	struct templ t = secret_templ(w);
	CK_OBJECT_HANDLE h;
	struct blob text;

	if (is_ok("C_EncapsulateKey", use_encapsulate(m, e->pub, &t, &text, &h)))
		expect_secret("the secret sent", h, receive(m, e->pkey, text, w->len), w);
	*sent = send(m, e->pkey, w->len);
	if (is_ok("C_DecapsulateKey", use_decapsulate(m, e->priv, sent->text, &t, &h)))
		expect_secret("the secret received", h, sent->secret, w);
}

/* A key that is not for it, and the two halves in each other's place. */
static void
refuse_keys(CK_MECHANISM *m, const struct ends *e, struct blob text)
{
	struct wish w = {false, 16};
	struct templ t = secret_templ(&w);
	CK_OBJECT_HANDLE pub, priv, h;
	struct blob out;

	if (!is_ok("a public key", key_public(e->pkey, CKF_VERIFY, &pub)) ||
		!is_ok("a private key", key_private(e->pkey, CKF_SIGN, &priv)))
		return;
	must_give("C_EncapsulateKey by a key without CKA_ENCAPSULATE",
		CKR_KEY_FUNCTION_NOT_PERMITTED, use_encapsulate(m, pub, &t, &out, &h));
	must_give("C_DecapsulateKey by a key without CKA_DECAPSULATE",
		CKR_KEY_FUNCTION_NOT_PERMITTED, use_decapsulate(m, priv, text, &t, &h));
	checks += 2;
	if (use_encapsulate(m, e->priv, &t, &out, &h) == CKR_OK)
		fail("a private key encapsulates");
	if (use_decapsulate(m, e->pub, text, &t, &h) == CKR_OK)
		fail("a public key decapsulates");
}

/* ---- ECDH ---- */
static struct blob
key_of(const CK_MECHANISM *m, EVP_PKEY *ours, EVP_PKEY *theirs, size_t len)
{
	const CK_ECDH1_DERIVE_PARAMS *p = m->pParameter;
	struct blob z = agreed(ours, theirs);

	if (p->kdf != CKD_NULL)
		return x963(hash_of_kdf(p->kdf), z, blob_of(p->pSharedData, p->ulSharedDataLen),
			len);
	return len > 0 ? blob_part(z, z.len - len, len)
		       : z; /* 3.1 6.3.17: the leading bytes are taken away */
}

static struct sent
ecdh_send(CK_MECHANISM *m, EVP_PKEY *peer, size_t len)
{
	EVP_PKEY *once = NULL;
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_pkey(NULL, peer, NULL);
	struct sent s;

	must_be(EVP_PKEY_keygen_init(c) == 1 && EVP_PKEY_generate(c, &once) == 1,
		"a pair for once");
	s.text = public_point(once);
	s.secret = key_of(m, once, peer, len);
	EVP_PKEY_free(once);
	EVP_PKEY_CTX_free(c);
	return s;
}

static struct blob
ecdh_receive(CK_MECHANISM *m, EVP_PKEY *ours, struct blob text, size_t len)
{
	EVP_PKEY *peer = EVP_PKEY_new();
	struct blob secret = {0};

	must_be(EVP_PKEY_copy_parameters(peer, ours) == 1, "parameters");
	if (EVP_PKEY_set1_encoded_public_key(peer, text.data, text.len) == 1)
		secret = key_of(m, ours, peer, len);
	EVP_PKEY_free(peer);
	return secret;
}

static void
refuse_points(CK_MECHANISM *m, const struct ends *e, struct blob text, bool montgomery)
{
	CK_ECDH1_DERIVE_PARAMS with = *(const CK_ECDH1_DERIVE_PARAMS *)m->pParameter;
	CK_MECHANISM other = {m->mechanism, &with, sizeof(with)};
	struct wish w = {false, 16};
	struct templ t = secret_templ(&w);
	struct blob bad = blob_of(text.data, text.len), out;
	CK_OBJECT_HANDLE h;

	bad.data[bad.len - 1] ^= 1; /* every number is a point of Curve25519 and Curve448 */
	if (!montgomery)
		must_give("a point beside the curve", CKR_WRAPPED_KEY_INVALID,
			use_decapsulate(m, e->priv, bad, &t, &h));
	must_give("a point cut short", CKR_WRAPPED_KEY_INVALID,
		use_decapsulate(m, e->priv, blob_part(text, 0, text.len - 1), &t, &h));
	memset(bad.data, 0, bad.len);
	must_give("the point zero", CKR_WRAPPED_KEY_INVALID,
		use_decapsulate(m, e->priv, bad, &t, &h));
	with.pPublicData = text.data; /* 3.2: the ciphertext is the public data */
	with.ulPublicDataLen = text.len;
	must_give("C_EncapsulateKey with public data", CKR_MECHANISM_PARAM_INVALID,
		use_encapsulate(&other, e->pub, &t, &out, &h));
	must_give("C_DecapsulateKey with public data", CKR_MECHANISM_PARAM_INVALID,
		use_decapsulate(&other, e->priv, text, &t, &h));
}

static void
prove_curve(const struct proof *p, const struct curve *c)
{
	static const CK_ULONG kdfs[] = {2, 5, 6, 7, 8, 10, 11, 12, 13};
	CK_ECDH1_DERIVE_PARAMS params = {.kdf = CKD_NULL};
	CK_MECHANISM m = {p->type, &params, sizeof(params)};
	struct wish w = {false, 0};
	struct blob shared = blob_random(chance(2) * (1 + chance(40)));
	struct ends e;
	struct sent sent;

	if (!ends_make(&e, ec_key(c->group)))
		return;
	exchange(&m, &e, &w, ecdh_send, ecdh_receive, &sent);
	w = (struct wish){chance(2) == 0, 1 + chance(28)};
	exchange(&m, &e, &w, ecdh_send, ecdh_receive, &sent);
	refuse_points(&m, &e, sent.text, c->type == CKK_EC_MONTGOMERY);
	refuse_keys(&m, &e, sent.text);
	params.kdf = kdfs[chance(NELEMS(kdfs))];
	params.pSharedData = shared.len > 0 ? shared.data : NULL;
	params.ulSharedDataLen = shared.len;
	w = (struct wish){chance(2) == 0, 1 + chance(100)};
	exchange(&m, &e, &w, ecdh_send, ecdh_receive, &sent);
}

static void
prove_ecdh(const struct proof *p)
{
	const struct curve *c;

	for (size_t i = 0; (c = curve_at(i)) != NULL; i++)
		if (c->type == CKK_EC ||
			(c->type == CKK_EC_MONTGOMERY && p->type == CKM_ECDH1_DERIVE))
			prove_curve(p, c);
}

/* ---- RSA ---- */
static struct rsa_way way; /* of the mechanism's parameter */

static struct sent
rsa_send(CK_MECHANISM *m, EVP_PKEY *peer, size_t len)
{
	struct blob secret = blob_random(len);

	(void)m;
	return (struct sent){rsa_run(RSA_ENCRYPT, peer, &way, secret), secret};
}

static struct blob
rsa_receive(CK_MECHANISM *m, EVP_PKEY *ours, struct blob text, size_t len)
{
	(void)m, (void)len;
	return rsa_run(RSA_DECRYPT, ours, &way, text);
}

/* PKCS #1 v1.5 gives another key, or none. */
static void
refuse_texts(CK_MECHANISM *m, const struct ends *e, const struct sent *sent)
{
	struct wish w = {false, sent->secret.len};
	struct templ t = secret_templ(&w);
	struct blob bad = blob_of(sent->text.data, sent->text.len), got = {0};
	CK_OBJECT_HANDLE h;
	CK_RV rv;

	bad.data[bad.len / 2] ^= 1;
	rv = use_decapsulate(m, e->priv, bad, &t, &h);
	checks++;
	if (rv == CKR_OK && way.padding == RSA_PKCS1_PADDING)
		rv = get_blob(h, CKA_VALUE, &got) && blob_same(got, sent->secret)
			     ? CKR_OK
			     : CKR_WRAPPED_KEY_INVALID;
	if (rv != CKR_WRAPPED_KEY_INVALID)
		fail("a changed ciphertext gave 0x%lx", rv);
	must_give("a ciphertext cut short", CKR_WRAPPED_KEY_LEN_RANGE,
		use_decapsulate(m, e->priv, blob_part(bad, 0, bad.len - 1), &t, &h));
}

static void
prove_rsa(CK_MECHANISM *m, size_t overhead)
{
	static const unsigned bits[] = {2048, 2049, 3072};
	EVP_PKEY *pkey = rsa_key(bits[chance(NELEMS(bits))]);
	size_t most = (size_t)EVP_PKEY_get_size(pkey) - overhead;
	struct wish w = {chance(2) == 0, 1 + chance((uint32_t)most)};
	struct templ t;
	struct ends e;
	struct sent sent;
	struct blob out;
	CK_OBJECT_HANDLE h;

	if (!ends_make(&e, pkey))
		return;
	exchange(m, &e, &w, rsa_send, rsa_receive, &sent);
	refuse_texts(m, &e, &sent);
	refuse_keys(m, &e, sent.text);
	w.len = most + 1;
	t = secret_templ(&w);
	must_give("a secret longer than the key", CKR_KEY_SIZE_RANGE,
		use_encapsulate(m, e.pub, &t, &out, &h));
}

/* Every hash for the encoding, and any for the mask. */
static void
prove_oaep(const struct proof *p)
{
	static const CK_MECHANISM_TYPE hashes[] = {CKM_SHA_1, CKM_SHA224, CKM_SHA256,
		CKM_SHA384, CKM_SHA512, CKM_SHA3_224, CKM_SHA3_256, CKM_SHA3_384, CKM_SHA3_512};
	CK_RSA_PKCS_OAEP_PARAMS oaep;
	CK_MECHANISM m = {p->type, &oaep, sizeof(oaep)};

	for (size_t i = 0; i < NELEMS(hashes); i++) {
		way = some_oaep(&oaep);
		oaep.hashAlg = hashes[i];
		way.md = hash_name(hashes[i]);
		prove_rsa(&m, 2 * oracle_hash_size(way.md) + 2);
	}
}

static void
prove_v15(const struct proof *p)
{
	CK_MECHANISM m = {p->type, NULL, 0};

	if (!claims(USE_KEM)) /* 3.2 has it; a token with the strict policy has not */
		return;
	way = (struct rsa_way){.padding = RSA_PKCS1_PADDING};
	prove_rsa(&m, 11);
}

static const struct proof rows[] = {
	{CKM_ECDH1_DERIVE, prove_ecdh, NULL, CKK_EC},
	{CKM_ECDH1_COFACTOR_DERIVE, prove_ecdh, NULL, CKK_EC},
	{CKM_RSA_PKCS_OAEP, prove_oaep, NULL, CKK_RSA},
	{CKM_RSA_PKCS, prove_v15, NULL, CKK_RSA},
};
const struct proofs proofs_kem = {rows, NELEMS(rows)};
