/* RSA: PKCS #1 v1.5, raw, OAEP, PSS; keys of several lengths, made outside and in the token. */
#include "pkey.h"

struct pair {
	EVP_PKEY *pkey;
	size_t size;
	CK_OBJECT_HANDLE pub, priv;
};

static bool
some_pair(struct pair *k)
{
	static const unsigned bits[] = {2048, 2049, 2055, 3072};

	k->pkey = rsa_key(bits[chance(NELEMS(bits))]);
	k->size = (size_t)EVP_PKEY_get_size(k->pkey);
	return is_ok("a public key", key_public(k->pkey, USE_PUBLIC, &k->pub)) &&
	       is_ok("a private key", key_private(k->pkey, USE_PRIVATE, &k->priv));
}

/* ---- signatures ---- */
static struct rsa_way
signature_way(const struct proof *p, CK_MECHANISM *m)
{
	struct rsa_way w = {.padding = p->variant, .md = p->name};
	CK_MECHANISM_TYPE hash = 0;
	CK_RSA_PKCS_PSS_PARAMS pss;

	if (p->variant != RSA_PKCS1_PSS_PADDING)
		return w;
	do
		hash = some_hash();
	while (w.md != NULL && strcmp(hash_name(hash), w.md) != 0);
	w.md = hash_name(hash);
	pss = (CK_RSA_PKCS_PSS_PARAMS){hash, 1 + chance(9), 0};
	pss.sLen = chance(2) == 0 ? oracle_hash_size(w.md) : chance(100);
	w.mgf = hash_of_mgf(pss.mgf);
	w.salt = (int)pss.sLen;
	param_give(m, &pss, sizeof(pss));
	return w;
}

static void
prove_sign(const struct proof *p)
{
	CK_MECHANISM m = {p->type, NULL, 0};
	struct rsa_way w = signature_way(p, &m);
	bool hashes = p->name != NULL;
	enum ways ways = hashes ? ANY_WAY : ONE_PART;
	struct blob in = blob_random(hashes ? some_length() : oracle_hash_size(w.md)), hash,
		    out, sigs[SIGN_FLOWS];
	struct pair k;

	if (!some_pair(&k))
		return;
	hash = hashes ? oracle_hash(w.md, in) : in;
	for (size_t i = use_sign(&m, k.priv, in, k.size, ways, sigs); i-- > 0;) {
		checks++;
		if (!rsa_verifies(k.pkey, &w, hash, sigs[i]))
			fail("OpenSSL refuses the token's signature");
	}
	out = rsa_run(RSA_SIGN, k.pkey, &w, hash);
	is_ok("verification of OpenSSL's signature", use_verify(&m, k.pub, in, out, ways));
	refuse_changed(&m, k.pub, in, out, ways);
}

/* ---- v1.5 and raw: signatures of what is given, and encryption ---- */
static struct blob
without_zeros(struct blob b)
{
	while (b.len > 0 && b.data[0] == 0)
		b = blob_part(b, 1, b.len - 1);
	return b;
}

/* What OpenSSL needs for a raw operation: as long as the modulus. */
static struct blob
widened(const struct proof *p, struct blob in, size_t size)
{
	return p->variant == RSA_NO_PADDING ? blob_join(blob_new(size - in.len), in) : in;
}

static struct blob
plain_input(const struct proof *p, size_t size)
{
	struct blob in = blob_random(
		1 + chance((uint32_t)(p->variant == RSA_NO_PADDING ? size : size - 11)));

	if (in.len == size) /* below the modulus */
		in.data[0] = 0;
	return in;
}

static void
prove_plain_sign(const struct proof *p, const struct pair *k)
{
	CK_MECHANISM m = {p->type, NULL, 0};
	struct rsa_way w = {.padding = p->variant};
	struct blob in = plain_input(p, k->size), wanted, out, sigs[SIGN_FLOWS];

	wanted = rsa_run(RSA_SIGN, k->pkey, &w, widened(p, in, k->size));
	for (size_t i = use_sign(&m, k->priv, in, k->size, ONE_PART, sigs); i-- > 0;)
		same("the signature", wanted, sigs[i]);
	is_ok("verify", use_verify(&m, k->pub, in, wanted, ONE_PART));
	refuse_changed(&m, k->pub, in, wanted, ONE_PART);
	if (is_ok("sign recover",
		    use_key(CKF_SIGN_RECOVER, &m, k->priv, in, k->size, ONE_PART, &out)))
		same("the signature with recovery", wanted, out);
	if (is_ok("verify recover",
		    use_key(CKF_VERIFY_RECOVER, &m, k->pub, wanted, k->size, ONE_PART, &out)))
		same("what was recovered", without_zeros(in), without_zeros(out));
}

static void
prove_encrypt(const struct proof *p, const struct pair *k, CK_MECHANISM *m,
	const struct rsa_way *w, struct blob in)
{
	struct blob out, back;

	if (is_ok("encrypt", use_key(CKF_ENCRYPT, m, k->pub, in, k->size, ONE_PART, &out))) {
		back = rsa_run(RSA_DECRYPT, k->pkey, w, out);
		same("what OpenSSL decrypts", widened(p, in, k->size), back);
	}
	out = rsa_run(RSA_ENCRYPT, k->pkey, w, widened(p, in, k->size));
	if (is_ok("decrypt", use_key(CKF_DECRYPT, m, k->priv, out, k->size, ONE_PART, &back)))
		same("what the token decrypts", widened(p, in, k->size), back);
}

static void
prove_wrap(const struct pair *k, CK_MECHANISM *m, const struct rsa_way *w, size_t most)
{
	struct blob secret = blob_random(1 + chance((uint32_t)most)), out, got = {0};
	CK_OBJECT_HANDLE target, h;
	struct templ t = {.n = 0};

	if (!is_ok("a target", key_secret(CKK_GENERIC_SECRET, secret, CKF_SIGN, &target)))
		return;
	if (is_ok("C_WrapKey", use_wrap(m, k->pub, target, &out)))
		same("what OpenSSL unwraps", secret, rsa_run(RSA_DECRYPT, k->pkey, w, out));
	out = rsa_run(RSA_ENCRYPT, k->pkey, w, secret);
	templ_key(&t, CKO_SECRET_KEY, CKK_GENERIC_SECRET, CKF_SIGN);
	if (is_ok("C_UnwrapKey", use_unwrap(m, k->priv, out, &t, &h))) {
		get_blob(h, CKA_VALUE, &got);
		same("the unwrapped key", secret, got);
	}
}

static void
prove_plain(const struct proof *p)
{
	CK_MECHANISM m = {p->type, NULL, 0};
	struct rsa_way w = {.padding = p->variant};
	struct pair k;

	if (!some_pair(&k))
		return;
	prove_plain_sign(p, &k);
	prove_encrypt(p, &k, &m, &w, plain_input(p, k.size));
	if (claims(CKF_WRAP | CKF_UNWRAP))
		prove_wrap(&k, &m, &w, k.size - 11);
}

static void
prove_oaep(const struct proof *p)
{
	CK_RSA_PKCS_OAEP_PARAMS oaep;
	struct rsa_way w = some_oaep(&oaep);
	CK_MECHANISM m = {p->type, &oaep, sizeof(oaep)};
	size_t most;
	struct pair k;

	if (!some_pair(&k))
		return;
	most = k.size - 2 * oracle_hash_size(w.md) - 2;
	prove_encrypt(p, &k, &m, &w, blob_random(chance((uint32_t)most + 1)));
	prove_wrap(&k, &m, &w, most);
}

/* ---- key pairs ---- */
static void
prove_generate(const struct proof *p)
{
	static const CK_ULONG bits[] = {2048, 2056, 3072};
	CK_MECHANISM m = {p->type, NULL, 0}, sign = {CKM_SHA256_RSA_PKCS, NULL, 0};
	CK_ULONG n = bits[round_now % NELEMS(bits)];
	struct templ pub = {.n = 0}, priv = {.n = 0};
	struct rsa_way w = {.padding = RSA_PKCS1_PADDING, .md = "SHA2-256"};
	struct blob in = blob_random(100), out, modulus, exponent;
	CK_OBJECT_HANDLE a, b;
	EVP_PKEY *pkey;

	templ_bool(&pub, CKA_TOKEN, false);
	templ_ulong(&pub, CKA_MODULUS_BITS, n);
	templ_uses(&pub, CKF_VERIFY);
	if (chance(2) == 0)
		templ_blob(&pub, CKA_PUBLIC_EXPONENT, blob_of("\x01\x00\x01", 3));
	templ_bool(&priv, CKA_TOKEN, false);
	templ_uses(&priv, CKF_SIGN);
	if (!is_ok("C_GenerateKeyPair", use_generate_pair(&m, &pub, &priv, &a, &b)) ||
		(pkey = key_exported(a)) == NULL)
		return;
	checks++;
	if ((CK_ULONG)EVP_PKEY_get_bits(pkey) != n || get_ulong(a, CKA_MODULUS_BITS) != n)
		fail("the modulus has %d bits, not %lu", EVP_PKEY_get_bits(pkey), n);
	if (is_ok("sign", use_key(CKF_SIGN, &sign, b, in, 1024, ANY_WAY, &out))) {
		checks++;
		if (!rsa_verifies(pkey, &w, oracle_hash("SHA2-256", in), out))
			fail("OpenSSL refuses a signature of the new key");
	}
	proved &= ~(CK_FLAGS)CKF_SIGN; /* another mechanism's */
	if (get_blob(a, CKA_MODULUS, &modulus) && get_blob(b, CKA_MODULUS, &exponent))
		same("the modulus of the private half", modulus, exponent);
	EVP_PKEY_free(pkey);
}

/* A public key of any length, of which nobody knows the private half: a modulus need not be a
 * product of two primes to be computed with. */
static CK_RV
make_public(const struct proof *p, CK_ULONG bits, CK_OBJECT_HANDLE *pub, CK_OBJECT_HANDLE *priv)
{
	struct blob n = blob_random((bits + 7) / 8);
	struct templ t = {.n = 0};

	(void)p;
	*priv = 0;
	n.data[0] = (uint8_t)((n.data[0] & ((1u << ((bits - 1) % 8)) - 1)) |
			      1u << ((bits - 1) % 8));
	n.data[n.len - 1] |= 1;
	templ_key(&t, CKO_PUBLIC_KEY, CKK_RSA, USE_PUBLIC | CKF_ENCAPSULATE);
	templ_blob(&t, CKA_MODULUS, n);
	templ_blob(&t, CKA_PUBLIC_EXPONENT, blob_of("\x01\x00\x01", 3));
	return object_make(&t, pub);
}

static CK_RV
make_pair(const struct proof *p, CK_ULONG bits, CK_OBJECT_HANDLE *pub, CK_OBJECT_HANDLE *priv)
{
	CK_MECHANISM m = {p->type, NULL, 0};
	struct templ a = {.n = 0}, b = {.n = 0};

	if (bits > 4096 && claims(CKF_GENERATE_KEY_PAIR) && proved != 0 && bits <= 16384)
		return CKR_OK; /* takes minutes */
	templ_bool(&a, CKA_TOKEN, false);
	templ_ulong(&a, CKA_MODULUS_BITS, bits);
	templ_bool(&b, CKA_TOKEN, false);
	return use_generate_pair(&m, &a, &b, pub, priv);
}

/* PSS parameters that fit any length of key. */
static void
pss_param(const struct proof *p, CK_MECHANISM *m, size_t in_len)
{
	(void)in_len;
	signature_way(p, m);
	if (m->pParameter != NULL)
		((CK_RSA_PKCS_PSS_PARAMS *)m->pParameter)->sLen = 0;
}

static void
oaep_param(const struct proof *p, CK_MECHANISM *m, size_t in_len)
{
	CK_RSA_PKCS_OAEP_PARAMS oaep = {
		.hashAlg = CKM_SHA_1, .mgf = 1, .source = CKZ_DATA_SPECIFIED};

	(void)p, (void)in_len;
	param_give(m, &oaep, sizeof(oaep));
}

#define SIGN(mech, hash)                                                                       \
	{                                                                                      \
		mech, prove_sign, hash, CKK_RSA, .variant = RSA_PKCS1_PADDING,                 \
						 .make = make_public                           \
	}
#define PSS(mech, hash)                                                                        \
	{                                                                                      \
		mech, prove_sign, hash, CKK_RSA, .variant = RSA_PKCS1_PSS_PADDING,             \
						 .make = make_public, .param = pss_param       \
	}

static const struct proof rows[] = {
	{CKM_RSA_PKCS_KEY_PAIR_GEN, prove_generate, NULL, CKK_RSA, .make = make_pair},
	{CKM_RSA_PKCS, prove_plain, NULL, CKK_RSA, .variant = RSA_PKCS1_PADDING,
		.make = make_public},
	{CKM_RSA_X_509, prove_plain, NULL, CKK_RSA, .variant = RSA_NO_PADDING,
		.make = make_public},
	{CKM_RSA_PKCS_OAEP, prove_oaep, NULL, CKK_RSA, .variant = RSA_PKCS1_OAEP_PADDING,
		.make = make_public, .param = oaep_param},
	PSS(CKM_RSA_PKCS_PSS, NULL),
	SIGN(CKM_MD5_RSA_PKCS, "MD5"),
	SIGN(CKM_SHA1_RSA_PKCS, "SHA1"),
	SIGN(CKM_SHA224_RSA_PKCS, "SHA2-224"),
	SIGN(CKM_SHA256_RSA_PKCS, "SHA2-256"),
	SIGN(CKM_SHA384_RSA_PKCS, "SHA2-384"),
	SIGN(CKM_SHA512_RSA_PKCS, "SHA2-512"),
	SIGN(CKM_SHA3_224_RSA_PKCS, "SHA3-224"),
	SIGN(CKM_SHA3_256_RSA_PKCS, "SHA3-256"),
	SIGN(CKM_SHA3_384_RSA_PKCS, "SHA3-384"),
	SIGN(CKM_SHA3_512_RSA_PKCS, "SHA3-512"),
	PSS(CKM_SHA1_RSA_PKCS_PSS, "SHA1"),
	PSS(CKM_SHA224_RSA_PKCS_PSS, "SHA2-224"),
	PSS(CKM_SHA256_RSA_PKCS_PSS, "SHA2-256"),
	PSS(CKM_SHA384_RSA_PKCS_PSS, "SHA2-384"),
	PSS(CKM_SHA512_RSA_PKCS_PSS, "SHA2-512"),
	PSS(CKM_SHA3_224_RSA_PKCS_PSS, "SHA3-224"),
	PSS(CKM_SHA3_256_RSA_PKCS_PSS, "SHA3-256"),
	PSS(CKM_SHA3_384_RSA_PKCS_PSS, "SHA3-384"),
	PSS(CKM_SHA3_512_RSA_PKCS_PSS, "SHA3-512"),
};
const struct proofs proofs_rsa = {rows, NELEMS(rows)};
