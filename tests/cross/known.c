/*
 * known.c - published answers: the token gives them, and so does OpenSSL
 *
 * A line of a file in tests/vectors/ is a kind, a mechanism and fields NAME=VALUE; `#` begins a
 * comment. Values are hexadecimal (61x1000000: a byte so many times), or plain words after a
 * colon (curve:P-256, len:12).
 *
 *   digest MECH in out              mac MECH key in out [len:]        cipher MECH key [iv] in
 * out [bits:] aead MECH key iv aad in out     wrap MECH key [iv] in out         ecdsa MECH
 * curve: priv pub in out eddsa MECH curve: priv pub in out                                 ecdh
 * MECH curve: priv peer out rsa MECH n e in out [salt:]     hkdf MECH hash: key salt info out
 * pbkdf2 MECH prf: password salt count: out In aead, out is ciphertext and tag; the tag has 16
 * bytes, or tag:.
 */
#include <openssl/ec.h>
#include <openssl/err.h>

#include "oracle.h"

#define FIELDS 12

struct line {
	char kind[16], mech[40];
	const struct proof *proof;
	CK_MECHANISM m;
	size_t n;
	struct {
		char name[16];
		struct blob value;
		const char *word;
	} fields[FIELDS];
};

static const struct {
	const char *name;
	CK_MECHANISM_TYPE type;
} names[] = {
#define N(x)                                                                                   \
	{                                                                                      \
#x, x                                                                          \
	}
	N(CKM_MD5),
	N(CKM_SHA_1),
	N(CKM_SHA224),
	N(CKM_SHA256),
	N(CKM_SHA384),
	N(CKM_SHA512),
	N(CKM_SHA512_224),
	N(CKM_SHA512_256),
	N(CKM_SHA3_224),
	N(CKM_SHA3_256),
	N(CKM_SHA3_384),
	N(CKM_SHA3_512),
	N(CKM_BLAKE2B_160),
	N(CKM_BLAKE2B_256),
	N(CKM_BLAKE2B_384),
	N(CKM_BLAKE2B_512),
	N(CKM_MD5_HMAC),
	N(CKM_SHA_1_HMAC),
	N(CKM_SHA224_HMAC),
	N(CKM_SHA256_HMAC),
	N(CKM_SHA384_HMAC),
	N(CKM_SHA512_HMAC),
	N(CKM_SHA256_HMAC_GENERAL),
	N(CKM_AES_CMAC),
	N(CKM_DES3_CMAC),
	N(CKM_POLY1305),
	N(CKM_AES_GMAC),
	N(CKM_AES_ECB),
	N(CKM_AES_CBC),
	N(CKM_AES_CTR),
	N(CKM_AES_OFB),
	N(CKM_AES_CFB8),
	N(CKM_AES_CFB128),
	N(CKM_AES_CTS),
	N(CKM_AES_XTS),
	N(CKM_AES_GCM),
	N(CKM_AES_CCM),
	N(CKM_CHACHA20),
	N(CKM_CHACHA20_POLY1305),
	N(CKM_DES3_ECB),
	N(CKM_DES3_CBC),
	N(CKM_AES_KEY_WRAP),
	N(CKM_AES_KEY_WRAP_KWP),
	N(CKM_ECDSA_SHA1),
	N(CKM_ECDSA_SHA224),
	N(CKM_ECDSA_SHA256),
	N(CKM_ECDSA_SHA384),
	N(CKM_ECDSA_SHA512),
	N(CKM_EDDSA),
	N(CKM_ECDH1_DERIVE),
	N(CKM_SHA1_RSA_PKCS),
	N(CKM_SHA256_RSA_PKCS),
	N(CKM_SHA512_RSA_PKCS),
	N(CKM_SHA1_RSA_PKCS_PSS),
	N(CKM_HKDF_DERIVE),
	N(CKM_PKCS5_PBKD2),
#undef N
};

/* ---- reading ---- */
static struct blob
field(const struct line *l, const char *name)
{
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->fields[i].name, name) == 0)
			return l->fields[i].value;
	return (struct blob){0};
}

static const char *
word(const struct line *l, const char *name)
{
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->fields[i].name, name) == 0)
			return l->fields[i].word;
	return NULL;
}

static CK_ULONG
count(const struct line *l, const char *name, CK_ULONG otherwise)
{
	const char *w = word(l, name);

	return w != NULL ? strtoul(w, NULL, 10) : otherwise;
}

static struct blob
repeated(const char *text, const char *times)
{
	struct blob one = unhex(text, (size_t)(times - text)), all;
	size_t n = strtoul(times + 1, NULL, 10);

	all = blob_new(one.len * n);
	for (size_t i = 0; i < n; i++)
		memcpy(all.data + i * one.len, one.data, one.len);
	return all;
}

static bool
read_field(struct line *l, char *text)
{
	size_t n = strcspn(text, "=:");
	const char *value = text + n + 1, *times;

	if (text[n] == 0 || n >= sizeof(l->fields[0].name) || l->n == FIELDS)
		return false;
	memcpy(l->fields[l->n].name, text, n);
	l->fields[l->n].name[n] = 0;
	if (text[n] == ':') {
		l->fields[l->n].word = value;
	} else {
		times = strchr(value, 'x');
		l->fields[l->n].value =
			times != NULL ? repeated(value, times) : unhex(value, strlen(value));
		if (l->fields[l->n].value.data == NULL)
			return false;
	}
	l->n++;
	return true;
}

/* False for a line without contents. */
static bool
read_line(struct line *l, char *text)
{
	char *save = NULL, *part;

	memset(l, 0, sizeof(*l));
	text[strcspn(text, "#\n")] = 0;
	if ((part = strtok_r(text, " \t", &save)) == NULL)
		return false;
	snprintf(l->kind, sizeof(l->kind), "%s", part);
	must_be((part = strtok_r(NULL, " \t", &save)) != NULL, "a vector without a mechanism");
	snprintf(l->mech, sizeof(l->mech), "%s", part);
	for (size_t i = 0; i < NELEMS(names); i++)
		if (strcmp(names[i].name, l->mech) == 0)
			l->m.mechanism = names[i].type;
	must_be((l->proof = proof_find(l->m.mechanism)) != NULL && l->m.mechanism != 0,
		l->mech);
	while ((part = strtok_r(NULL, " \t", &save)) != NULL)
		must_be(read_field(l, part), "a field of a vector");
	return true;
}

/* ---- symmetric: the rows' own oracles ---- */
static void
give(struct line *l, const void *param, size_t len)
{
	struct blob b = blob_of(param, len);

	l->m.pParameter = len > 0 ? b.data : NULL;
	l->m.ulParameterLen = len;
}

static void
cipher_param(struct line *l)
{
	struct blob iv = field(l, "iv"), aad = field(l, "aad"), in = field(l, "in");
	CK_ULONG tag = count(l, "tag", 16);
	CK_GCM_PARAMS gcm = {
		iv.data, iv.len, 8 * iv.len, aad.len > 0 ? aad.data : NULL, aad.len, 8 * tag};
	struct x_ccm ccm = {
		in.len, iv.data, iv.len, aad.len > 0 ? aad.data : NULL, aad.len, tag};
	struct x_chacha_poly poly = {
		iv.data, 8 * iv.len, aad.len > 0 ? aad.data : NULL, aad.len};
	struct x_chacha chacha = {iv.data, 32, iv.data + 4, 96};
	CK_AES_CTR_PARAMS ctr = {.ulCounterBits = count(l, "bits", 32)};

	switch (l->m.mechanism) {
	case CKM_AES_GCM:
		give(l, &gcm, sizeof(gcm));
		break;
	case CKM_AES_CCM:
		give(l, &ccm, sizeof(ccm));
		break;
	case CKM_CHACHA20_POLY1305:
		give(l, &poly, sizeof(poly));
		break;
	case CKM_CHACHA20:
		give(l, &chacha, sizeof(chacha));
		break;
	case CKM_AES_CTR:
		memcpy(ctr.cb, iv.data, 16);
		give(l, &ctr, sizeof(ctr));
		break;
	default:
		give(l, iv.data, iv.len);
	}
}

static void
known_cipher(struct line *l)
{
	struct blob key = field(l, "key"), in = field(l, "in"), wanted = field(l, "out"), out;
	CK_OBJECT_HANDLE h;

	cipher_param(l);
	same("OpenSSL's answer", wanted, l->proof->oracle(l->proof, &l->m, key, in, true));
	if (!is_ok("a key", key_secret(l->proof->key, key, USE_SECRET, &h)))
		return;
	if (is_ok("encrypt",
		    use_key(CKF_ENCRYPT, &l->m, h, in, wanted.len + 64, ONE_PART, &out)))
		same("the ciphertext", wanted, out);
	if (is_ok("decrypt",
		    use_key(CKF_DECRYPT, &l->m, h, wanted, wanted.len + 64, ONE_PART, &out)))
		same("the plaintext", in, out);
}

static void
known_mac(struct line *l)
{
	struct blob key = field(l, "key"), in = field(l, "in"), wanted = field(l, "out"),
		    iv = field(l, "iv"), out;
	CK_ULONG len = wanted.len;
	CK_OBJECT_HANDLE h;

	if (iv.len > 0)
		give(l, iv.data, iv.len);
	else if (l->proof->param != NULL)
		give(l, &len, sizeof(len));
	same("OpenSSL's answer", wanted, l->proof->oracle(l->proof, &l->m, key, in, true));
	if (!is_ok("a key", key_secret(l->proof->key, key, USE_SIGN, &h)))
		return;
	if (is_ok("sign", use_key(CKF_SIGN, &l->m, h, in, 64, ANY_WAY, &out)))
		same("the MAC", wanted, out);
	is_ok("verify", use_verify(&l->m, h, in, wanted, ANY_WAY));
}

static void
known_digest(struct line *l)
{
	struct blob in = field(l, "in"), wanted = field(l, "out"), out;

	same("OpenSSL's answer", wanted, oracle_hash(l->proof->name, in));
	if (is_ok("digest", use_key(CKF_DIGEST, &l->m, 0, in, 64, ANY_WAY, &out)))
		same("the hash", wanted, out);
}

/* ---- asymmetric: OpenSSL's key of the published numbers, as an object ---- */
static EVP_PKEY *
published_key(const struct line *l)
{
	const char *curve = word(l, "curve");
	struct blob priv = field(l, "priv"), pub = field(l, "pub"), point;
	EVP_PKEY_CTX *c;
	EVP_PKEY *pkey = NULL;
	OSSL_PARAM params[4], *q = params;

	if (curve[0] == 'E' || curve[0] == 'X')
		return EVP_PKEY_new_raw_private_key_ex(NULL, curve, NULL, priv.data, priv.len);
	for (size_t i = 0; i < priv.len / 2;
		i++) { /* numbers are in the machine's order there */
		uint8_t t = priv.data[i];

		priv.data[i] = priv.data[priv.len - 1 - i];
		priv.data[priv.len - 1 - i] = t;
	}
	point = blob_join(blob_of("\x04", 1), pub);
	*q++ = OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, (char *)curve, 0);
	*q++ = OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_PRIV_KEY, priv.data, priv.len);
	*q++ = OSSL_PARAM_construct_octet_string(
		OSSL_PKEY_PARAM_PUB_KEY, point.data, point.len);
	*q = OSSL_PARAM_construct_end();
	c = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	must_be(EVP_PKEY_fromdata_init(c) == 1 &&
			EVP_PKEY_fromdata(c, &pkey, EVP_PKEY_KEYPAIR, params) == 1,
		curve);
	EVP_PKEY_CTX_free(c);
	c = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
	must_be(EVP_PKEY_check(c) == 1, "a published key pair");
	EVP_PKEY_CTX_free(c);
	return pkey;
}

static void
known_signature(struct line *l)
{
	struct blob in = field(l, "in"), wanted = field(l, "out"), out;
	EVP_PKEY *pkey = published_key(l);
	bool certain = l->m.mechanism == CKM_EDDSA; /* ECDSA signs with a random number */
	CK_OBJECT_HANDLE pub, priv;

	if (is_ok("a public key", key_public(pkey, CKF_VERIFY, &pub)))
		is_ok("verify", use_verify(&l->m, pub, in, wanted, ANY_WAY));
	if (is_ok("a private key", key_private(pkey, CKF_SIGN, &priv)) &&
		is_ok("sign", use_key(CKF_SIGN, &l->m, priv, in, 200, ANY_WAY, &out))) {
		if (certain)
			same("the signature", wanted, out);
		else
			is_ok("verification of its own",
				use_verify(&l->m, pub, in, out, ANY_WAY));
	}
	EVP_PKEY_free(pkey);
}

static void
known_agreement(struct line *l)
{
	struct blob peer = field(l, "peer");
	CK_ECDH1_DERIVE_PARAMS e = {
		.kdf = CKD_NULL, .pPublicData = peer.data, .ulPublicDataLen = peer.len};
	EVP_PKEY *pkey = published_key(l);
	CK_OBJECT_HANDLE h;

	give(l, &e, sizeof(e));
	if (is_ok("a private key", key_private(pkey, CKF_DERIVE, &h)))
		expect_derived("the agreed key", &l->m, h, field(l, "out"), true);
	EVP_PKEY_free(pkey);
}

static void
known_rsa(struct line *l)
{
	struct blob in = field(l, "in"), bad;
	CK_RSA_PKCS_PSS_PARAMS pss = {CKM_SHA_1, 1, count(l, "salt", 0)};
	struct templ t = {.n = 0};
	CK_OBJECT_HANDLE h;
	CK_RV rv;

	if (l->m.mechanism == CKM_SHA1_RSA_PKCS_PSS)
		give(l, &pss, sizeof(pss));
	templ_key(&t, CKO_PUBLIC_KEY, CKK_RSA, CKF_VERIFY);
	templ_blob(&t, CKA_MODULUS, field(l, "n"));
	templ_blob(&t, CKA_PUBLIC_EXPONENT, field(l, "e"));
	if (!is_ok("a public key", object_make(&t, &h)))
		return;
	is_ok("verify", use_verify(&l->m, h, in, field(l, "out"), ANY_WAY));
	bad = blob_join(in, blob_new(1));
	rv = use_verify(&l->m, h, bad, field(l, "out"), ANY_WAY);
	checks++;
	if (rv != CKR_SIGNATURE_INVALID)
		fail("verification of another message gave 0x%lx", rv);
}

static void
known_hkdf(struct line *l)
{
	struct blob key = field(l, "key"), salt = field(l, "salt"), info = field(l, "info");
	const char *hash = word(l, "hash");
	struct x_hkdf h = {CK_TRUE, CK_TRUE, 0, salt.len > 0 ? 2 : 1,
		salt.len > 0 ? salt.data : NULL, salt.len, 0, info.len > 0 ? info.data : NULL,
		info.len};
	CK_OBJECT_HANDLE base;

	for (size_t i = 0; i < NELEMS(names); i++)
		if (hash_name(names[i].type) != NULL &&
			strcmp(hash_name(names[i].type), hash) == 0)
			h.hash = names[i].type;
	give(l, &h, sizeof(h));
	if (is_ok("a key", key_secret(CKK_HKDF, key, CKF_DERIVE, &base)))
		expect_derived("the derived key", &l->m, base, field(l, "out"), true);
}

static void
known_pbkdf2(struct line *l)
{
	struct blob salt = field(l, "salt"), password = field(l, "password"),
		    wanted = field(l, "out"), got = {0};
	struct x_pbkdf2 k = {1, salt.data, salt.len, count(l, "count", 1), count(l, "prf", 1),
		NULL, 0, password.data, password.len};
	struct templ t = {.n = 0};
	CK_OBJECT_HANDLE h;

	give(l, &k, sizeof(k));
	templ_key(&t, CKO_SECRET_KEY, CKK_GENERIC_SECRET, CKF_SIGN);
	templ_ulong(&t, CKA_VALUE_LEN, wanted.len);
	if (is_ok("C_GenerateKey", use_generate(&l->m, &t, &h))) {
		get_blob(h, CKA_VALUE, &got);
		same("the key of the password", wanted, got);
	}
}

static const struct {
	const char *kind;
	void (*prove)(struct line *l);
} kinds[] = {
	{"digest", known_digest},
	{"mac", known_mac},
	{"cipher", known_cipher},
	{"aead", known_cipher},
	{"wrap", known_cipher},
	{"ecdsa", known_signature},
	{"eddsa", known_signature},
	{"ecdh", known_agreement},
	{"rsa", known_rsa},
	{"hkdf", known_hkdf},
	{"pbkdf2", known_pbkdf2},
};

static void
prove_line(struct line *l)
{
	CK_MECHANISM_INFO info;

	if (f->C_GetMechanismInfo(slot, l->m.mechanism, &info) == CKR_MECHANISM_INVALID)
		return; /* not with this policy or OpenSSL; that what is offered has a proof is
			   another check */
	for (size_t i = 0; i < NELEMS(kinds); i++)
		if (strcmp(kinds[i].kind, l->kind) == 0) {
			kinds[i].prove(l);
			return;
		}
	must_be(false, "a vector of an unknown kind");
}

void
prove_known(const char *path)
{
	FILE *file = fopen(path, "r");
	unsigned before = failures, n = 0, at = 0;
	struct line l;
	char *text = NULL, name[200];
	size_t cap = 0;

	must_be(file != NULL, path);
	while (getline(&text, &cap, file) > 0) {
		snprintf(name, sizeof(name), "%s:%u", path, ++at);
		proof_name = name;
		if (read_line(&l, text)) {
			prove_line(&l);
			n++;
		}
		destroy_all();
		arena_clear();
	}
	free(text);
	fclose(file);
	must_be(n > 0, "a file of vectors without any");
	printf("%s: %u vectors %s\n", path, n, failures == before ? "ok" : "FAILED");
}
