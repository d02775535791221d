/*
 * ML-DSA and SLH-DSA signatures (PKCS#11 3.2; FIPS 204, FIPS 205), pure and pre-hashed
 *
 * The pure forms sign the message, which is gathered. Of the pre-hashed forms OpenSSL knows nothing, so that what
 * they sign, M' = 1 || len(context) || context || OID of the hash || hash (FIPS 204 5.4.1, FIPS 205 10.2.2), is put
 * together here and signed without an encoding of its own.
 */
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <string.h>

#include "der.h"
#include "key_material.h"
#include "mech_family.h"
#include "mech_variant.h"
#include "why.h"

#define PARAM_CONTEXT "context-string"
#define PARAM_ENCODING "message-encoding"
#define PARAM_DETERMINISTIC "deterministic"
#define CONTEXT_MAX 255

/* ---- hashes and their object identifiers: all are 2.16.840.1.101.3.4.2.n ---- */

static const struct prehash {
	const char *digest; /* as in the row */
	uint8_t arc;
	size_t size;        /* of the hash; the two extendable ones: FIPS 204 5.4.1 */
	bool extendable;
} prehashes[] = {
	{"SHA2-256", 1, 32, false},
	{"SHA2-384", 2, 48, false},
	{"SHA2-512", 3, 64, false},
	{"SHA2-224", 4, 28, false},
	{"SHA2-512/224", 5, 28, false},
	{"SHA2-512/256", 6, 32, false},
	{"SHA3-224", 7, 28, false},
	{"SHA3-256", 8, 32, false},
	{"SHA3-384", 9, 48, false},
	{"SHA3-512", 10, 64, false},
	{"SHAKE-128", 11, 32, true},
	{"SHAKE-256", 12, 64, true},
};

static const struct prehash *
prehash_named(const char *digest)
{
	for (size_t i = 0; digest != NULL && i < sizeof(prehashes) / sizeof(prehashes[0]); i++)
		if (strcmp(prehashes[i].digest, digest) == 0)
			return &prehashes[i];
	return NULL;
}

/* ---- parameters ---- */

struct context {
	CK_ULONG hedge;
	const uint8_t *data;
	size_t len;
	const struct prehash *prehash; /* of the hashed forms */
};

static CK_RV
check_context(const struct op *op, const struct context *c)
{
	if (c->hedge > CKH_DETERMINISTIC_REQUIRED && op->kind == OP_SIGN)
		return mech_bad_param("hedgeVariant");
	if (c->len > CONTEXT_MAX || (c->data == NULL && c->len > 0))
		return mech_bad_param("a context has at most 255 bytes");
	return CKR_OK;
}

/* CKM_HASH_ML_DSA and CKM_HASH_SLH_DSA: the hash is named by the parameter, and made by the caller. */
static CK_RV
read_hash_context(const struct op *op, const CK_MECHANISM *m, struct context *c)
{
	const CK_HASH_SIGN_ADDITIONAL_CONTEXT *p = mech_param(m, sizeof(*p));
	const struct hash *h;

	if (p == NULL)
		return mech_bad_param("CK_HASH_SIGN_ADDITIONAL_CONTEXT is missing");
	h = hash_of_digest(p->hash);
	if (h == NULL || (c->prehash = prehash_named(h->name)) == NULL)
		return mech_bad_param("the hash is not one that these signatures take");
	c->hedge = p->hedgeVariant;
	c->data = p->pContext;
	c->len = p->ulContextLen;
	return check_context(op, c);
}

static CK_RV
read_context(const struct op *op, const CK_MECHANISM *m, struct context *c)
{
	const CK_SIGN_ADDITIONAL_CONTEXT *p = mech_param(m, sizeof(*p));

	memset(c, 0, sizeof(*c));
	if (op->mech->variant == SIGN_PREHASHED)
		return read_hash_context(op, m, c);
	c->prehash = prehash_named(op->mech->digest);
	if (mech_no_param(m))
		return CKR_OK;
	if (p == NULL)
		return mech_bad_param("neither CK_SIGN_ADDITIONAL_CONTEXT nor nothing");
	c->hedge = p->hedgeVariant;
	c->data = p->pContext;
	c->len = p->ulContextLen;
	return check_context(op, c);
}

/* What stands before the hash in M'. */
static CK_RV
set_prefix(struct op *op, const struct context *c)
{
	const uint8_t head[2] = {1, (uint8_t)c->len};
	const uint8_t oid[] = {DER_OID, 9, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, c->prehash->arc};
	CK_RV rv;

	op->prefix.len = 0;
	if ((rv = bytes_add(&op->prefix, head, sizeof(head))) == CKR_OK &&
		(rv = bytes_add(&op->prefix, c->data, c->len)) == CKR_OK)
		rv = bytes_add(&op->prefix, oid, sizeof(oid));
	return rv;
}

/* ---- begin ---- */

static CK_RV
set_up(struct op *op, const struct context *c)
{
	int deterministic = c->hedge == CKH_DETERMINISTIC_REQUIRED, encoding = 0, ok;
	EVP_PKEY *pkey = op->sctx == NULL ? op->key->pkey : NULL; /* NULL: start anew with the same key */
	OSSL_PARAM params[4], *q = params;

	if (op->sctx == NULL && (op->sctx = EVP_MD_CTX_new()) == NULL)
		return CKR_HOST_MEMORY;
	if (c->prehash != NULL)
		*q++ = OSSL_PARAM_construct_int(PARAM_ENCODING, &encoding);
	else if (c->len > 0)
		*q++ = OSSL_PARAM_construct_octet_string(PARAM_CONTEXT, (void *)c->data, c->len);
	if (op->kind == OP_SIGN)
		*q++ = OSSL_PARAM_construct_int(PARAM_DETERMINISTIC, &deterministic);
	*q = OSSL_PARAM_construct_end();
	ok = op->kind == OP_SIGN ? EVP_DigestSignInit_ex(op->sctx, NULL, NULL, NULL, NULL, pkey, params) :
		EVP_DigestVerifyInit_ex(op->sctx, NULL, NULL, NULL, NULL, pkey, params);
	return ok == 1 ? CKR_OK : mech_failed(CKR_FUNCTION_FAILED, op->key->set->name);
}

static CK_RV
pq_begin(struct op *op, const CK_MECHANISM *m)
{
	struct context c;
	CK_RV rv;

	if ((rv = read_context(op, m, &c)) != CKR_OK)
		return rv;
	op->hash = hash_named(op->mech->digest);
	op->input = op->hash != NULL ? INPUT_HASH : INPUT_GATHER;
	op->exact = true;
	op->size = op->key->set->out;
	if (c.prehash != NULL && (rv = set_prefix(op, &c)) != CKR_OK)
		return rv;
	if (op->mech->variant == SIGN_PREHASHED)
		op->max_in = c.prehash->size;
	op->spoiled = c.len > 0 || c.hedge != CKH_HEDGE_PREFERRED; /* OpenSSL would keep them for the next one */
	op->iv_len = op->mech->variant == SIGN_PREHASHED ? c.prehash->size : 0;
	return set_up(op, &c);
}

static uint64_t
pq_total(const struct op *op, uint64_t fed, bool final)
{
	(void)fed;
	return final ? op->size : 0;
}

/* ---- M' ---- */

static CK_RV
add_extended(const struct op *op, const uint8_t *in, size_t n, struct bytes *all)
{
	const struct prehash *h = prehash_named(op->mech->digest);
	EVP_MD *md = EVP_MD_fetch(NULL, h->digest, NULL);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t hash[64];
	CK_RV rv;

	if (md == NULL || ctx == NULL || EVP_DigestInit_ex2(ctx, md, NULL) != 1 ||
		(n > 0 && EVP_DigestUpdate(ctx, in, n) != 1) || EVP_DigestFinalXOF(ctx, hash, h->size) != 1)
		rv = mech_failed(CKR_FUNCTION_FAILED, h->digest);
	else
		rv = bytes_add(all, hash, h->size);
	EVP_MD_CTX_free(ctx);
	EVP_MD_free(md);
	return rv;
}

/* What is signed: the message itself, or M'. */
static CK_RV
to_sign(const struct op *op, const uint8_t *in, size_t n, struct bytes *all)
{
	CK_RV rv;

	if (op->mech->variant == SIGN_PURE)
		return bytes_add(all, in, n);
	if (op->mech->variant == SIGN_PREHASHED && n != op->iv_len)
		return why(CKR_DATA_LEN_RANGE, "the hash has %zu bytes, not %zu", n, op->iv_len);
	if ((rv = bytes_add(all, op->prefix.data, op->prefix.len)) != CKR_OK)
		return rv;
	return op->mech->variant == SIGN_XOF ? add_extended(op, in, n, all) : bytes_add(all, in, n);
}

static CK_RV
pq_whole(struct op *op, const uint8_t *in, size_t n, uint8_t *out, size_t *out_len)
{
	struct bytes all = {0};
	CK_RV rv = to_sign(op, in, n, &all);

	*out_len = op->size;
	if (rv == CKR_OK && (EVP_DigestSign(op->sctx, out, out_len, all.len > 0 ? all.data : (const uint8_t *)"",
		all.len) != 1 || *out_len != op->size))
		rv = mech_failed(CKR_FUNCTION_FAILED, op->key->set->name);
	bytes_free(&all);
	return rv;
}

static CK_RV
pq_verify(struct op *op, const uint8_t *in, size_t n, const uint8_t *sig, size_t sig_len)
{
	struct bytes all = {0};
	CK_RV rv;

	if (sig_len != op->size)
		return CKR_SIGNATURE_LEN_RANGE;
	if ((rv = to_sign(op, in, n, &all)) == CKR_OK &&
		EVP_DigestVerify(op->sctx, sig, sig_len, all.len > 0 ? all.data : (const uint8_t *)"", all.len) != 1)
		rv = CKR_SIGNATURE_INVALID;
	ERR_clear_error();
	bytes_free(&all);
	return rv;
}

const struct mech_family family_pq_sign = {
	.there = pq_there,
	.begin = pq_begin,
	.total = pq_total,
	.whole = pq_whole,
	.verify = pq_verify,
};

#define ML(type, name, variant) {type, SIGN, ML_DSA_KEYS, name, variant, &family_pq_sign}
#define SLH(type, name, variant) {type, SIGN, SLH_DSA_KEYS, name, variant, &family_pq_sign}
static const struct mech rows[] = {
	ML(CKM_ML_DSA, NULL, SIGN_PURE),
	ML(CKM_HASH_ML_DSA, NULL, SIGN_PREHASHED),
	ML(CKM_HASH_ML_DSA_SHA224, "SHA2-224", SIGN_HASHED),
	ML(CKM_HASH_ML_DSA_SHA256, "SHA2-256", SIGN_HASHED),
	ML(CKM_HASH_ML_DSA_SHA384, "SHA2-384", SIGN_HASHED),
	ML(CKM_HASH_ML_DSA_SHA512, "SHA2-512", SIGN_HASHED),
	ML(CKM_HASH_ML_DSA_SHA3_224, "SHA3-224", SIGN_HASHED),
	ML(CKM_HASH_ML_DSA_SHA3_256, "SHA3-256", SIGN_HASHED),
	ML(CKM_HASH_ML_DSA_SHA3_384, "SHA3-384", SIGN_HASHED),
	ML(CKM_HASH_ML_DSA_SHA3_512, "SHA3-512", SIGN_HASHED),
	ML(CKM_HASH_ML_DSA_SHAKE128, "SHAKE-128", SIGN_XOF),
	ML(CKM_HASH_ML_DSA_SHAKE256, "SHAKE-256", SIGN_XOF),
	SLH(CKM_SLH_DSA, NULL, SIGN_PURE),
	SLH(CKM_HASH_SLH_DSA, NULL, SIGN_PREHASHED),
	SLH(CKM_HASH_SLH_DSA_SHA224, "SHA2-224", SIGN_HASHED),
	SLH(CKM_HASH_SLH_DSA_SHA256, "SHA2-256", SIGN_HASHED),
	SLH(CKM_HASH_SLH_DSA_SHA384, "SHA2-384", SIGN_HASHED),
	SLH(CKM_HASH_SLH_DSA_SHA512, "SHA2-512", SIGN_HASHED),
	SLH(CKM_HASH_SLH_DSA_SHA3_224, "SHA3-224", SIGN_HASHED),
	SLH(CKM_HASH_SLH_DSA_SHA3_256, "SHA3-256", SIGN_HASHED),
	SLH(CKM_HASH_SLH_DSA_SHA3_384, "SHA3-384", SIGN_HASHED),
	SLH(CKM_HASH_SLH_DSA_SHA3_512, "SHA3-512", SIGN_HASHED),
	SLH(CKM_HASH_SLH_DSA_SHAKE128, "SHAKE-128", SIGN_XOF),
	SLH(CKM_HASH_SLH_DSA_SHAKE256, "SHAKE-256", SIGN_XOF),
};
const struct mech_rows mech_ml_dsa_rows = {MECH_ROWS(rows)};
