/*
 * DSA (PKCS#11 3.1 6.2; FIPS 186-4): domain parameters, key pairs, signatures r || s
 *
 * FIPS 186-5 keeps DSA for the verification of old signatures only; it is here for those who need it.
 */
#include <openssl/core_names.h>
#include <openssl/dsa.h>
#include <openssl/err.h>

#include "der.h"
#include "key_material.h"
#include "mech_family.h"
#include "why.h"

/* ---- what DSA and DH share: mech_family.h ---- */

/* OpenSSL asks between candidates for primes; 0 makes it give up. */
static int
go_on(EVP_PKEY_CTX *ctx)
{
	struct cancel *c = EVP_PKEY_CTX_get_app_data(ctx);

	return c == NULL || !atomic_load(&c->on);
}

CK_RV
mech_make_slowly(EVP_PKEY_CTX *ctx, struct cancel *c, const char *what, EVP_PKEY **pkey)
{
	EVP_PKEY_CTX_set_app_data(ctx, c);
	EVP_PKEY_CTX_set_cb(ctx, go_on);
	if (EVP_PKEY_generate(ctx, pkey) == 1)
		return CKR_OK;
	return mech_failed(c != NULL && atomic_load(&c->on) ? CKR_FUNCTION_CANCELED : CKR_FUNCTION_FAILED, what);
}

CK_RV
ffc_prime_bits(const CK_MECHANISM *m, const struct mech *row, const struct attrs *domain)
{
	CK_ULONG bits = attrs_ulong(domain, CKA_PRIME_BITS, 0);

	if (!mech_no_param(m))
		return mech_bad_param("the generation of parameters takes none");
	if (!attrs_has(domain, CKA_PRIME_BITS))
		return why(CKR_TEMPLATE_INCOMPLETE, "CKA_PRIME_BITS is missing");
	if (bits < row->min || bits > row->max)
		return why(CKR_ATTRIBUTE_VALUE_INVALID, "CKA_PRIME_BITS is %lu; %lu to %lu are taken", bits, row->min,
			row->max);
	return CKR_OK;
}

CK_RV
ffc_imply_domain(const struct mech *row, const struct attrs *templ, struct attrs *domain)
{
	CK_RV rv = attrs_set_ulong(domain, CKA_CLASS, CKO_DOMAIN_PARAMETERS);

	(void)templ;
	return rv == CKR_OK ? attrs_set_ulong(domain, CKA_KEY_TYPE, row->keys[0]) : rv;
}

CK_RV
ffc_make(EVP_PKEY *domain, const struct mech *row, struct cancel *c, EVP_PKEY **pkey)
{
	size_t bits = (size_t)EVP_PKEY_get_bits(domain);
	EVP_PKEY_CTX *ctx;
	CK_RV rv;

	if (bits < row->min || bits > row->max)
		return why(CKR_ATTRIBUTE_VALUE_INVALID, "CKA_PRIME has %zu bits; %lu to %lu are taken", bits, row->min,
			row->max);
	ctx = EVP_PKEY_CTX_new_from_pkey(NULL, domain, NULL);
	if (ctx == NULL || EVP_PKEY_keygen_init(ctx) != 1)
		rv = mech_failed(CKR_FUNCTION_FAILED, "key generation");
	else
		rv = mech_make_slowly(ctx, c, "key generation", pkey);
	EVP_PKEY_CTX_free(ctx);
	return rv;
}

/* ---- domain parameters ---- */

/* FIPS 186-4 4.2: the lengths that go together. Without CKA_SUBPRIME_BITS, the longest. */
static CK_RV
subprime_bits(const struct attrs *domain, CK_ULONG p, CK_ULONG *q)
{
	CK_ULONG most = p == 1024 ? 160 : 256;

	*q = attrs_ulong(domain, CKA_SUBPRIME_BITS, most);
	if (p != 1024 && p != 2048 && p != 3072)
		return why(CKR_ATTRIBUTE_VALUE_INVALID, "DSA has primes of 1024, 2048 and 3072 bits");
	if (*q != most && !(p == 2048 && *q == 224))
		return why(CKR_ATTRIBUTE_VALUE_INVALID, "a subprime of %lu bits does not go with a prime of %lu", *q, p);
	return CKR_OK;
}

static CK_RV
dsa_generate_domain(const CK_MECHANISM *m, const struct mech *row, struct attrs *domain, struct cancel *c)
{
	CK_ULONG p = attrs_ulong(domain, CKA_PRIME_BITS, 0), q;
	EVP_PKEY_CTX *ctx;
	EVP_PKEY *pkey = NULL;
	CK_RV rv;

	if ((rv = ffc_prime_bits(m, row, domain)) != CKR_OK || (rv = subprime_bits(domain, p, &q)) != CKR_OK)
		return rv;
	ctx = EVP_PKEY_CTX_new_from_name(NULL, "DSA", NULL);
	if (ctx == NULL || EVP_PKEY_paramgen_init(ctx) != 1 || EVP_PKEY_CTX_set_dsa_paramgen_bits(ctx, (int)p) != 1 ||
		EVP_PKEY_CTX_set_dsa_paramgen_q_bits(ctx, (int)q) != 1)
		rv = mech_failed(CKR_FUNCTION_FAILED, "DSA parameters");
	else
		rv = mech_make_slowly(ctx, c, "DSA parameters", &pkey);
	if (rv == CKR_OK)
		rv = key_ffc_put_domain(domain, pkey);
	EVP_PKEY_free(pkey);
	EVP_PKEY_CTX_free(ctx);
	return rv;
}

const struct mech_family family_dsa_domain = {.bits = true, .generate = dsa_generate_domain, .imply = ffc_imply_domain};

/* ---- key pairs ---- */

/* Where the numbers that should be primes are products of small ones, the public value tells the private one (Pohlig and
 * Hellman 1978). */
static CK_RV
check_primes(const EVP_PKEY *domain)
{
	BIGNUM *p = NULL, *q = NULL;
	BN_CTX *ctx = BN_CTX_new();
	bool good = ctx != NULL && EVP_PKEY_get_bn_param(domain, OSSL_PKEY_PARAM_FFC_P, &p) == 1 &&
		EVP_PKEY_get_bn_param(domain, OSSL_PKEY_PARAM_FFC_Q, &q) == 1 && BN_check_prime(q, ctx, NULL) == 1 &&
		BN_check_prime(p, ctx, NULL) == 1;

	BN_free(p);
	BN_free(q);
	BN_CTX_free(ctx);
	return good ? CKR_OK : why(CKR_DOMAIN_PARAMS_INVALID, "CKA_PRIME or CKA_SUBPRIME is not prime");
}

static CK_RV
dsa_generate_pair(const CK_MECHANISM *m, const struct mech *row, struct attrs *pub, struct attrs *priv, struct cancel *c)
{
	EVP_PKEY *domain = NULL, *pkey = NULL;
	CK_RV rv;

	if (!mech_no_param(m))
		return mech_bad_param("key generation takes none");
	if ((rv = key_ffc_domain(pub, "DSA", 0, &domain)) == CKR_OK && (rv = check_primes(domain)) == CKR_OK &&
		(rv = ffc_make(domain, row, c, &pkey)) == CKR_OK)
		rv = key_put_pair(pub, priv, pkey);
	EVP_PKEY_free(pkey);
	EVP_PKEY_free(domain);
	return rv;
}

const struct mech_family family_dsa_key = {.bits = true, .generate_pair = dsa_generate_pair};

/* ---- signatures ---- */

static CK_RV
dsa_begin(struct op *op, const CK_MECHANISM *m)
{
	int ok;

	if (!mech_no_param(m))
		return mech_bad_param("DSA takes none");
	op->input = op->mech->digest != NULL ? INPUT_HASH : INPUT_GATHER;
	op->hash = hash_named(op->mech->digest);
	op->exact = true;
	op->size = 2 * op->key->size;
	op->max_in = 64; /* the longest hash */
	if (op->pctx != NULL)
		return CKR_OK;
	if ((op->pctx = EVP_PKEY_CTX_new_from_pkey(NULL, op->key->pkey, NULL)) == NULL)
		return mech_failed(CKR_FUNCTION_FAILED, "DSA");
	ok = op->kind == OP_SIGN ? EVP_PKEY_sign_init(op->pctx) : EVP_PKEY_verify_init(op->pctx);
	return ok == 1 ? CKR_OK : mech_failed(CKR_FUNCTION_FAILED, "DSA");
}

static uint64_t
dsa_total(const struct op *op, uint64_t fed, bool final)
{
	(void)fed;
	return final ? op->size : 0;
}

/* 3.1 table 38: what is signed is a hash. */
static CK_RV
check_length(size_t n)
{
	if (n != 20 && n != 28 && n != 32 && n != 48 && n != 64)
		return why(CKR_DATA_LEN_RANGE, "DSA takes a hash of 20, 28, 32, 48 or 64 bytes, not %zu", n);
	return CKR_OK;
}

static CK_RV
dsa_whole(struct op *op, const uint8_t *in, size_t n, uint8_t *out, size_t *out_len)
{
	uint8_t der[DER_PAIR_MAX + 8];
	size_t len = sizeof(der);
	CK_RV rv = check_length(n);

	if (rv != CKR_OK)
		return rv;
	if (EVP_PKEY_sign(op->pctx, der, &len, in, n) != 1 || !der_pair_get(der, len, out, op->size / 2))
		return mech_failed(CKR_FUNCTION_FAILED, "DSA");
	*out_len = op->size;
	return CKR_OK;
}

static CK_RV
dsa_verify(struct op *op, const uint8_t *in, size_t n, const uint8_t *sig, size_t sig_len)
{
	uint8_t der[DER_PAIR_MAX];
	size_t len;
	int ok;
	CK_RV rv = check_length(n);

	if (rv != CKR_OK)
		return rv;
	if (sig_len != op->size)
		return CKR_SIGNATURE_LEN_RANGE;
	len = der_pair_put(der, sig, sig_len / 2);
	ok = EVP_PKEY_verify(op->pctx, der, len, in, n);
	ERR_clear_error();
	return ok == 1 ? CKR_OK : CKR_SIGNATURE_INVALID;
}

const struct mech_family family_dsa = {
	.bits = true,
	.begin = dsa_begin,
	.total = dsa_total,
	.whole = dsa_whole,
	.verify = dsa_verify,
};

#define GEN(family) FFC_GEN_MIN_BITS, DSA_MAX_BITS, KEYS1(CKK_DSA), NULL, 0, family
#define LEGACY_GEN(family) DSA_MIN_BITS, DSA_MAX_BITS, KEYS1(CKK_DSA), NULL, 0, family, MECH_LEGACY
#define DSA_SIGN(type, name) {type, SIGN, DSA_MIN_BITS, DSA_MAX_BITS, KEYS1(CKK_DSA), name, 0, &family_dsa}
static const struct mech rows[] = {
	{CKM_DSA_KEY_PAIR_GEN, CKF_GENERATE_KEY_PAIR, GEN(&family_dsa_key)},
	{CKM_DSA_KEY_PAIR_GEN, CKF_GENERATE_KEY_PAIR, LEGACY_GEN(&family_dsa_key)},
	{CKM_DSA_PARAMETER_GEN, CKF_GENERATE, GEN(&family_dsa_domain)},
	{CKM_DSA_PARAMETER_GEN, CKF_GENERATE, LEGACY_GEN(&family_dsa_domain)},
	DSA_SIGN(CKM_DSA, NULL),
	DSA_SIGN(CKM_DSA_SHA1, "SHA1"),
	DSA_SIGN(CKM_DSA_SHA224, "SHA2-224"),
	DSA_SIGN(CKM_DSA_SHA256, "SHA2-256"),
	DSA_SIGN(CKM_DSA_SHA384, "SHA2-384"),
	DSA_SIGN(CKM_DSA_SHA512, "SHA2-512"),
	DSA_SIGN(CKM_DSA_SHA3_224, "SHA3-224"),
	DSA_SIGN(CKM_DSA_SHA3_256, "SHA3-256"),
	DSA_SIGN(CKM_DSA_SHA3_384, "SHA3-384"),
	DSA_SIGN(CKM_DSA_SHA3_512, "SHA3-512"),
};
const struct mech_rows mech_dsa_rows = {MECH_ROWS(rows)};
