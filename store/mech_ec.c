/* Key pairs on all curves, ECDSA (PKCS#11 3.1 6.3.11 to 6.3.13) and EdDSA (6.3.15). */
#include <openssl/ec.h>
#include <openssl/err.h>
#include <string.h>

#include "der.h"
#include "key_material.h"
#include "mech_family.h"
#include "why.h"

/* ---- key pairs ---- */

CK_RV
ec_make(const struct curve *c, EVP_PKEY **pkey)
{
	const char *name = c->type == CKK_EC ? "EC" : c->group;
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, name, NULL);
	CK_RV rv = CKR_OK;

	if (ctx == NULL || EVP_PKEY_keygen_init(ctx) != 1 ||
		(c->type == CKK_EC && EVP_PKEY_CTX_set_group_name(ctx, c->group) != 1) ||
		EVP_PKEY_generate(ctx, pkey) != 1)
		rv = mech_failed(CKR_FUNCTION_FAILED, c->name[0]);
	EVP_PKEY_CTX_free(ctx);
	return rv;
}

CK_RV
ec_generate_pair(const CK_MECHANISM *m, const struct mech *row, struct attrs *pub, struct attrs *priv,
	struct cancel *c)
{
	const struct attr *params = attrs_get(pub, CKA_EC_PARAMS);
	const struct curve *curve;
	EVP_PKEY *pkey = NULL;
	CK_RV rv;

	(void)c; /* takes no time */
	if (!mech_no_param(m))
		return mech_bad_param("key generation takes none");
	if (params == NULL || params->len == 0)
		return why(CKR_TEMPLATE_INCOMPLETE, "CKA_EC_PARAMS is missing");
	if ((rv = curve_find(params->value, params->len, &curve)) != CKR_OK)
		return rv;
	if (curve->type != row->keys[0])
		return why(CKR_CURVE_NOT_SUPPORTED, "mechanism 0x%lx makes no keys on %s", row->type,
			curve->name[0]);
	if ((rv = attrs_set(priv, CKA_EC_PARAMS, params->value, params->len)) == CKR_OK &&
		(rv = ec_make(curve, &pkey)) == CKR_OK)
		rv = key_put_pair(pub, priv, pkey);
	EVP_PKEY_free(pkey);
	return rv;
}

const struct mech_family family_ec_key = {.bits = true, .generate_pair = ec_generate_pair};

/* ---- ECDSA: r || s, each as long as the order ---- */

static uint64_t
signature_total(const struct op *op, uint64_t fed, bool final)
{
	(void)fed;
	return final ? op->size : 0;
}

static CK_RV
ecdsa_begin(struct op *op, const CK_MECHANISM *m)
{
	int ok;

	if (!mech_no_param(m))
		return mech_bad_param("ECDSA takes none");
	op->input = op->mech->digest != NULL ? INPUT_HASH : INPUT_GATHER;
	op->hash = hash_named(op->mech->digest);
	op->exact = true;
	op->size = op->key->curve->signature;
	/* A hash is what is signed; what is longer than any hash and the order is a mistake of the caller, whose
	 * end would go unsigned. */
	op->max_in = op->key->curve->bytes > 64 ? op->key->curve->bytes : 64;
	if (op->pctx != NULL)
		return CKR_OK;
	if ((op->pctx = EVP_PKEY_CTX_new_from_pkey(NULL, op->key->pkey, NULL)) == NULL)
		return mech_failed(CKR_FUNCTION_FAILED, "ECDSA");
	ok = op->kind == OP_SIGN ? EVP_PKEY_sign_init(op->pctx) : EVP_PKEY_verify_init(op->pctx);
	return ok == 1 ? CKR_OK : mech_failed(CKR_FUNCTION_FAILED, "ECDSA");
}

static CK_RV
ecdsa_whole(struct op *op, const uint8_t *in, size_t n, uint8_t *out, size_t *out_len)
{
	uint8_t der[DER_PAIR_MAX + 8];
	size_t len = sizeof(der);

	if (n == 0)
		return why(CKR_DATA_LEN_RANGE, "ECDSA signs a hash, not nothing");
	if (EVP_PKEY_sign(op->pctx, der, &len, in, n) != 1 || !der_pair_get(der, len, out, op->size / 2))
		return mech_failed(CKR_FUNCTION_FAILED, "ECDSA");
	*out_len = op->size;
	return CKR_OK;
}

static CK_RV
ecdsa_verify(struct op *op, const uint8_t *in, size_t n, const uint8_t *sig, size_t sig_len)
{
	uint8_t der[DER_PAIR_MAX];
	size_t len;
	int ok;

	if (n == 0)
		return why(CKR_DATA_LEN_RANGE, "ECDSA verifies a hash, not nothing");
	/* PKCS#11 3.1 6.3.1: a signature to verify may be shorter, of two halves of the same length;
	 * SunPKCS11 cuts leading zeroes, which every fourth one of P-521 has. */
	if (sig_len == 0 || sig_len > op->size || sig_len % 2 != 0)
		return CKR_SIGNATURE_LEN_RANGE;
	len = der_pair_put(der, sig, sig_len / 2);
	ok = EVP_PKEY_verify(op->pctx, der, len, in, n);
	ERR_clear_error();
	return ok == 1 ? CKR_OK : CKR_SIGNATURE_INVALID;
}

const struct mech_family family_ecdsa = {
	.bits = true,
	.begin = ecdsa_begin,
	.total = signature_total,
	.whole = ecdsa_whole,
	.verify = ecdsa_verify,
};

/* ---- EdDSA: the message itself is signed, so it is gathered ---- */

#define PARAM_INSTANCE "instance" /* OpenSSL has it since 3.2 */
#define PARAM_CONTEXT "context-string"
#define CONTEXT_MAX 255

/* PKCS#11 3.1 table 67: Ed25519 without parameter is pure; with one it is Ed25519ctx, or Ed25519ph by its flag. Ed448
 * always has a context, be it empty. */
static CK_RV
read_variant(const struct op *op, const CK_MECHANISM *m, const char **instance, const struct ck_eddsa_parameters **p)
{
	bool is_448 = op->key->curve->bits == 448;

	*instance = NULL;
	*p = NULL;
	if (mech_no_param(m))
		return CKR_OK;
	if ((*p = mech_param(m, sizeof(**p))) == NULL)
		return mech_bad_param("neither CK_EDDSA_PARAMS nor nothing");
	if ((*p)->ulContextDataLen > CONTEXT_MAX || ((*p)->pContextData == NULL && (*p)->ulContextDataLen != 0))
		return mech_bad_param("a context has at most 255 bytes");
	if ((*p)->phFlag)
		*instance = is_448 ? "Ed448ph" : "Ed25519ph";
	else if (!is_448 && (*p)->ulContextDataLen == 0)
		return mech_bad_param("the context of Ed25519ctx is empty"); /* RFC 8032 8.3 */
	else if (!is_448)
		*instance = "Ed25519ctx";
	else if ((*p)->ulContextDataLen > 0)
		*instance = "Ed448";
	return CKR_OK;
}

/* An older OpenSSL would overlook the parameter and sign the pure way. */
static bool
knows_instances(EVP_MD_CTX *ctx)
{
	const OSSL_PARAM *known = EVP_PKEY_CTX_settable_params(EVP_MD_CTX_get_pkey_ctx(ctx));

	return known != NULL && OSSL_PARAM_locate_const(known, PARAM_INSTANCE) != NULL;
}

static CK_RV
set_variant(struct op *op, const char *instance, const struct ck_eddsa_parameters *p)
{
	OSSL_PARAM params[3], *q = params;

	op->spoiled = true; /* not to be used again: the variant stays in it */
	if (!knows_instances(op->mctx))
		return mech_bad_param("this OpenSSL has pure EdDSA only");
	*q++ = OSSL_PARAM_construct_utf8_string(PARAM_INSTANCE, (char *)instance, 0);
	if (p->ulContextDataLen > 0)
		*q++ = OSSL_PARAM_construct_octet_string(PARAM_CONTEXT, p->pContextData, p->ulContextDataLen);
	*q = OSSL_PARAM_construct_end();
	if (EVP_PKEY_CTX_set_params(EVP_MD_CTX_get_pkey_ctx(op->mctx), params) != 1)
		return mech_failed(CKR_MECHANISM_PARAM_INVALID, instance);
	return CKR_OK;
}

static CK_RV
eddsa_begin(struct op *op, const CK_MECHANISM *m)
{
	EVP_PKEY *pkey = op->mctx == NULL ? op->key->pkey : NULL; /* NULL: start anew with the same key */
	const struct ck_eddsa_parameters *p;
	const char *instance;
	int ok;
	CK_RV rv;

	if ((rv = read_variant(op, m, &instance, &p)) != CKR_OK)
		return rv;
	op->input = INPUT_GATHER;
	op->exact = true;
	op->size = op->key->curve->signature;
	if (op->mctx == NULL && (op->mctx = EVP_MD_CTX_new()) == NULL)
		return CKR_HOST_MEMORY;
	ok = op->kind == OP_SIGN ? EVP_DigestSignInit_ex(op->mctx, NULL, NULL, NULL, NULL, pkey, NULL) :
		EVP_DigestVerifyInit_ex(op->mctx, NULL, NULL, NULL, NULL, pkey, NULL);
	if (ok != 1)
		return mech_failed(CKR_FUNCTION_FAILED, "EdDSA");
	return instance != NULL ? set_variant(op, instance, p) : CKR_OK;
}

static CK_RV
eddsa_whole(struct op *op, const uint8_t *in, size_t n, uint8_t *out, size_t *out_len)
{
	*out_len = op->size;
	if (EVP_DigestSign(op->mctx, out, out_len, n > 0 ? in : (const uint8_t *)"", n) != 1)
		return mech_failed(CKR_FUNCTION_FAILED, "EdDSA");
	return CKR_OK;
}

static CK_RV
eddsa_verify(struct op *op, const uint8_t *in, size_t n, const uint8_t *sig, size_t sig_len)
{
	int ok;

	if (sig_len != op->size)
		return CKR_SIGNATURE_LEN_RANGE;
	ok = EVP_DigestVerify(op->mctx, sig, sig_len, n > 0 ? in : (const uint8_t *)"", n);
	ERR_clear_error();
	return ok == 1 ? CKR_OK : CKR_SIGNATURE_INVALID;
}

const struct mech_family family_eddsa = {
	.bits = true,
	.begin = eddsa_begin,
	.total = signature_total,
	.whole = eddsa_whole,
	.verify = eddsa_verify,
	.generate_pair = ec_generate_pair,
};

#define EC_KEYS 224, 521, KEYS1(CKK_EC)
#define ED_KEYS 255, 448, KEYS1(CKK_EC_EDWARDS)
#define ECDSA(type, name) {type, SIGN | CURVES, EC_KEYS, name, 0, &family_ecdsa}
static const struct mech rows[] = {
	{CKM_EC_KEY_PAIR_GEN, CKF_GENERATE_KEY_PAIR | CURVES, EC_KEYS, NULL, 0, &family_ec_key},
	ECDSA(CKM_ECDSA, NULL),
	ECDSA(CKM_ECDSA_SHA1, "SHA1"),
	ECDSA(CKM_ECDSA_SHA224, "SHA2-224"),
	ECDSA(CKM_ECDSA_SHA256, "SHA2-256"),
	ECDSA(CKM_ECDSA_SHA384, "SHA2-384"),
	ECDSA(CKM_ECDSA_SHA512, "SHA2-512"),
	ECDSA(CKM_ECDSA_SHA3_224, "SHA3-224"),
	ECDSA(CKM_ECDSA_SHA3_256, "SHA3-256"),
	ECDSA(CKM_ECDSA_SHA3_384, "SHA3-384"),
	ECDSA(CKM_ECDSA_SHA3_512, "SHA3-512"),
	{CKM_EC_EDWARDS_KEY_PAIR_GEN, CKF_GENERATE_KEY_PAIR | NAMED, ED_KEYS, NULL, 0, &family_ec_key},
	{CKM_EC_MONTGOMERY_KEY_PAIR_GEN, CKF_GENERATE_KEY_PAIR | NAMED, 255, 448, KEYS1(CKK_EC_MONTGOMERY),
		NULL, 0, &family_ec_key},
	/* GnuTLS generates with CKM_EDDSA itself */
	{CKM_EDDSA, SIGN | CKF_GENERATE_KEY_PAIR | NAMED, ED_KEYS, NULL, 0, &family_eddsa},
};
const struct mech_rows mech_ec_rows = {MECH_ROWS(rows)};
