/*
 * RSA operations (PKCS#11 3.1 6.1): PKCS #1 v1.5, raw, OAEP, PSS
 *
 * Variants are the paddings. Rows with a digest hash first. Contexts are kept ready, but for OAEP, whose
 * label cannot be taken out of a context again.
 */
#include <openssl/err.h>
#include <openssl/rsa.h>
#include <string.h>

#include "key_material.h"
#include "mech_family.h"
#include "mech_variant.h"
#include "secret.h"
#include "why.h"

static const int paddings[] = {
	[RSA_PKCS1] = RSA_PKCS1_PADDING,
	[RSA_RAW] = RSA_NO_PADDING,
	[RSA_PSS] = RSA_PKCS1_PSS_PADDING,
	[RSA_OAEP] = RSA_PKCS1_OAEP_PADDING,
};

/* CKM_RSA_PKCS verifies by recovering: OpenSSL's verification takes an empty message for a failure. */
static bool
recovers(const struct op *op)
{
	return op->kind == OP_VERIFY_RECOVER ||
		(op->kind == OP_VERIFY && op->mech->variant == RSA_PKCS1 && op->mech->digest == NULL);
}

static int
init_for_kind(EVP_PKEY_CTX *ctx, const struct op *op)
{
	if (recovers(op))
		return EVP_PKEY_verify_recover_init(ctx);
	switch (op->kind) {
	case OP_ENCRYPT:
		return EVP_PKEY_encrypt_init(ctx);
	case OP_DECRYPT:
		return EVP_PKEY_decrypt_init(ctx);
	case OP_VERIFY:
		return EVP_PKEY_verify_init(ctx);
	default:
		return EVP_PKEY_sign_init(ctx);
	}
}

/* A context for the kind with its padding set; v1.5 decryption is raw, the padding is ours to judge. */
static CK_RV
make_context(struct op *op)
{
	bool raw = op->kind == OP_DECRYPT && op->mech->variant == RSA_PKCS1;
	int padding = raw ? RSA_NO_PADDING : paddings[op->mech->variant];

	if ((op->pctx = EVP_PKEY_CTX_new_from_pkey(NULL, op->key->pkey, NULL)) == NULL ||
		init_for_kind(op->pctx, op) != 1 ||
		EVP_PKEY_CTX_set_rsa_padding(op->pctx, padding) != 1 ||
		(op->mech->digest != NULL &&
			EVP_PKEY_CTX_set_signature_md(op->pctx, hash_md(op->hash)) != 1))
		return mech_failed(CKR_FUNCTION_FAILED, "RSA");
	return CKR_OK;
}

static CK_RV
begin_pss(struct op *op, const CK_MECHANISM *m)
{
	const CK_RSA_PKCS_PSS_PARAMS *p = mech_param(m, sizeof(*p));
	const struct hash *h, *mgf;

	if (p == NULL)
		return mech_bad_param("CK_RSA_PKCS_PSS_PARAMS is missing");
	h = hash_of_digest(p->hashAlg);
	mgf = hash_of_mgf(p->mgf);
	if (h == NULL || mgf == NULL || (op->hash != NULL && op->hash != h && op->mech->digest != NULL))
		return mech_bad_param("hash or mask generation function of PSS");
	if (p->sLen > op->key->size || (op->key->bits + 6) / 8 < h->size + p->sLen + 2)
		return mech_bad_param("the salt of PSS is too long for the key");
	op->hash = h;
	if (EVP_PKEY_CTX_set_signature_md(op->pctx, hash_md(h)) != 1 ||
		EVP_PKEY_CTX_set_rsa_mgf1_md(op->pctx, hash_md(mgf)) != 1 ||
		EVP_PKEY_CTX_set_rsa_pss_saltlen(op->pctx, (int)p->sLen) != 1)
		return mech_failed(CKR_MECHANISM_PARAM_INVALID, "PSS");
	return CKR_OK;
}

static CK_RV
set_label(struct op *op, const CK_RSA_PKCS_OAEP_PARAMS *p)
{
	void *label;

	if (p->ulSourceDataLen == 0)
		return CKR_OK;
	if ((label = OPENSSL_memdup(p->pSourceData, p->ulSourceDataLen)) == NULL)
		return CKR_HOST_MEMORY;
	if (EVP_PKEY_CTX_set0_rsa_oaep_label(op->pctx, label, (int)p->ulSourceDataLen) == 1)
		return CKR_OK; /* transferred */
	OPENSSL_free(label);
	return mech_failed(CKR_MECHANISM_PARAM_INVALID, "OAEP label");
}

static CK_RV
begin_oaep(struct op *op, const CK_MECHANISM *m)
{
	const CK_RSA_PKCS_OAEP_PARAMS *p = mech_param(m, sizeof(*p));
	const struct hash *h, *mgf;

	if (p == NULL)
		return mech_bad_param("CK_RSA_PKCS_OAEP_PARAMS is missing");
	h = hash_of_digest(p->hashAlg);
	mgf = hash_of_mgf(p->mgf);
	if (h == NULL || mgf == NULL)
		return mech_bad_param("hash or mask generation function of OAEP");
	if ((p->source != CKZ_DATA_SPECIFIED && (p->source != 0 || p->ulSourceDataLen != 0)) ||
		(p->pSourceData == NULL && p->ulSourceDataLen != 0) || p->ulSourceDataLen > SECRET_MAX)
		return mech_bad_param("label of OAEP");
	if (op->key->size < 2 * h->size + 2)
		return why(CKR_KEY_SIZE_RANGE, "the RSA key is too short for OAEP with %s", h->name);
	op->hash = h;
	op->spoiled = true; /* not to be used again: the label stays in it */
	if (EVP_PKEY_CTX_set_rsa_oaep_md(op->pctx, hash_md(h)) != 1 ||
		EVP_PKEY_CTX_set_rsa_mgf1_md(op->pctx, hash_md(mgf)) != 1)
		return mech_failed(CKR_MECHANISM_PARAM_INVALID, "OAEP");
	return set_label(op, p);
}

/* The longest input that fits the padding. */
static size_t
longest(const struct op *op)
{
	if (op->kind == OP_DECRYPT || op->kind == OP_VERIFY_RECOVER)
		return op->size;
	switch (op->mech->variant) {
	case RSA_PKCS1:
		return op->size - 11;
	case RSA_OAEP:
		return op->size - 2 * op->hash->size - 2;
	case RSA_PSS:
		return op->hash->size;
	default:
		return op->size;
	}
}

static CK_RV
rsa_begin(struct op *op, const CK_MECHANISM *m)
{
	bool back = op->kind == OP_DECRYPT || op->kind == OP_VERIFY_RECOVER;
	CK_RV rv = CKR_OK;

	op->input = op->mech->digest != NULL ? INPUT_HASH : INPUT_GATHER;
	if (op->mech->digest != NULL)
		op->hash = hash_named(op->mech->digest);
	op->size = op->key->size;
	op->exact = !back || op->mech->variant == RSA_RAW;
	if (op->pctx == NULL && (rv = make_context(op)) != CKR_OK)
		return rv;
	if (op->mech->variant == RSA_PSS)
		rv = begin_pss(op, m);
	else if (op->mech->variant == RSA_OAEP)
		rv = begin_oaep(op, m);
	else if (!mech_no_param(m))
		rv = mech_bad_param("the mechanism takes none");
	if (rv == CKR_OK)
		op->max_in = longest(op);
	return rv;
}

static uint64_t
rsa_total(const struct op *op, uint64_t fed, bool final)
{
	(void)fed;
	return final ? op->size : 0;
}

/* Raw RSA wants exactly as many bytes as the modulus has: zeros in front. */
static CK_RV
pad_left(const struct op *op, const uint8_t *in, size_t n, uint8_t **padded)
{
	if ((*padded = secret_alloc(op->size)) == NULL)
		return CKR_HOST_MEMORY;
	memset(*padded, 0, op->size - n);
	if (n > 0)
		memcpy(*padded + op->size - n, in, n);
	return CKR_OK;
}

static CK_RV
sign_or_encrypt(struct op *op, const uint8_t *in, size_t n, uint8_t *out, size_t *out_len)
{
	bool raw = op->mech->variant == RSA_RAW;
	uint8_t *padded = NULL;
	int ok;
	CK_RV rv;

	if (op->mech->variant == RSA_PSS && n != op->hash->size)
		return why(CKR_DATA_LEN_RANGE, "PSS signs a hash of %zu bytes, not %zu", op->hash->size, n);
	if (raw) {
		if ((rv = pad_left(op, in, n, &padded)) != CKR_OK)
			return rv;
		in = padded;
		n = op->size;
	}
	if (in == NULL)
		in = (const uint8_t *)"";
	*out_len = op->size;
	ok = op->kind == OP_ENCRYPT ? EVP_PKEY_encrypt(op->pctx, out, out_len, in, n) :
		EVP_PKEY_sign(op->pctx, out, out_len, in, n);
	secret_free(padded);
	if (ok == 1)
		return CKR_OK;
	/* a raw number not below the modulus is the only thing that data can do wrong here */
	return mech_failed(raw ? CKR_DATA_INVALID : CKR_FUNCTION_FAILED, "RSA");
}

static CK_RV
decrypt(struct op *op, const uint8_t *in, size_t n, uint8_t *out, size_t *out_len)
{
	size_t len = op->size;
	uint8_t *em;
	CK_RV rv;

	if (n != op->size)
		return why(CKR_ENCRYPTED_DATA_LEN_RANGE, "%zu bytes of ciphertext, the modulus has %zu", n,
			op->size);
	if ((em = secret_alloc(op->size)) == NULL)
		return CKR_HOST_MEMORY;
	if (EVP_PKEY_decrypt(op->pctx, em, &len, in, n) != 1) {
		rv = mech_failed(CKR_ENCRYPTED_DATA_INVALID, "RSA");
	} else if (op->mech->variant == RSA_PKCS1) {
		rv = rsa_unpad(op->key, in, em, out, out_len);
	} else {
		memcpy(out, em, len);
		*out_len = len;
		rv = CKR_OK;
	}
	secret_free(em);
	return rv;
}

static CK_RV
recover(struct op *op, const uint8_t *in, size_t n, uint8_t *out, size_t *out_len)
{
	if (n != op->size)
		return CKR_SIGNATURE_LEN_RANGE;
	*out_len = op->size;
	if (EVP_PKEY_verify_recover(op->pctx, out, out_len, in, n) != 1)
		return mech_failed(CKR_SIGNATURE_INVALID, "RSA");
	return CKR_OK;
}

static CK_RV
rsa_whole(struct op *op, const uint8_t *in, size_t n, uint8_t *out, size_t *out_len)
{
	switch (op->kind) {
	case OP_DECRYPT:
		return decrypt(op, in, n, out, out_len);
	case OP_VERIFY_RECOVER:
		return recover(op, in, n, out, out_len);
	default:
		return sign_or_encrypt(op, in, n, out, out_len);
	}
}

static CK_RV
verify_recovered(struct op *op, const uint8_t *in, size_t n, const uint8_t *sig)
{
	uint8_t *found;
	size_t len = op->size;
	CK_RV rv = CKR_SIGNATURE_INVALID;

	if ((found = secret_alloc(op->size)) == NULL)
		return CKR_HOST_MEMORY;
	if (EVP_PKEY_verify_recover(op->pctx, found, &len, sig, op->size) == 1 && len == n &&
		(n == 0 || equal_ct(found, in, n)))
		rv = CKR_OK;
	ERR_clear_error();
	secret_free(found);
	return rv;
}

static CK_RV
rsa_verify(struct op *op, const uint8_t *in, size_t n, const uint8_t *sig, size_t sig_len)
{
	uint8_t *padded = NULL;
	int ok;
	CK_RV rv;

	if (op->mech->variant == RSA_PSS && n != op->hash->size)
		return why(CKR_DATA_LEN_RANGE, "PSS verifies a hash of %zu bytes, not %zu", op->hash->size, n);
	if (sig_len != op->size)
		return CKR_SIGNATURE_LEN_RANGE;
	if (recovers(op))
		return verify_recovered(op, in, n, sig);
	if (op->mech->variant == RSA_RAW) {
		if ((rv = pad_left(op, in, n, &padded)) != CKR_OK)
			return rv;
		in = padded;
		n = op->size;
	}
	ok = EVP_PKEY_verify(op->pctx, sig, sig_len, in, n);
	secret_free(padded);
	ERR_clear_error();
	return ok == 1 ? CKR_OK : CKR_SIGNATURE_INVALID;
}

const struct mech_family family_rsa = {
	.bits = true,
	.begin = rsa_begin,
	.total = rsa_total,
	.whole = rsa_whole,
	.verify = rsa_verify,
	.encapsulate = rsa_encapsulate,
	.decapsulate = rsa_decapsulate,
};

#define RSA_KEYS RSA_MIN_BITS, RSA_MAX_BITS, KEYS1(CKK_RSA)
#define RSA_SIGN(type, name) {type, SIGN, RSA_KEYS, name, RSA_PKCS1, &family_rsa}
#define RSA_SIGN_PSS(type, name) {type, SIGN, RSA_KEYS, name, RSA_PSS, &family_rsa}
static const struct mech rows[] = {
	{CKM_RSA_PKCS, CRYPT | SIGN | RECOVER | WRAP | KEM, RSA_KEYS, NULL, RSA_PKCS1, &family_rsa},
	{CKM_RSA_X_509, CRYPT | SIGN | RECOVER, RSA_KEYS, NULL, RSA_RAW, &family_rsa},
	RSA_SIGN(CKM_SHA1_RSA_PKCS, "SHA1"),
	{CKM_RSA_PKCS_OAEP, CRYPT | WRAP | KEM, RSA_KEYS, NULL, RSA_OAEP, &family_rsa},
	{CKM_RSA_PKCS_PSS, SIGN, RSA_KEYS, NULL, RSA_PSS, &family_rsa},
	RSA_SIGN_PSS(CKM_SHA1_RSA_PKCS_PSS, "SHA1"),
	RSA_SIGN(CKM_SHA256_RSA_PKCS, "SHA2-256"),
	RSA_SIGN(CKM_SHA384_RSA_PKCS, "SHA2-384"),
	RSA_SIGN(CKM_SHA512_RSA_PKCS, "SHA2-512"),
	RSA_SIGN_PSS(CKM_SHA256_RSA_PKCS_PSS, "SHA2-256"),
	RSA_SIGN_PSS(CKM_SHA384_RSA_PKCS_PSS, "SHA2-384"),
	RSA_SIGN_PSS(CKM_SHA512_RSA_PKCS_PSS, "SHA2-512"),
	RSA_SIGN(CKM_SHA224_RSA_PKCS, "SHA2-224"),
	RSA_SIGN_PSS(CKM_SHA224_RSA_PKCS_PSS, "SHA2-224"),
	RSA_SIGN(CKM_SHA3_256_RSA_PKCS, "SHA3-256"),
	RSA_SIGN(CKM_SHA3_384_RSA_PKCS, "SHA3-384"),
	RSA_SIGN(CKM_SHA3_512_RSA_PKCS, "SHA3-512"),
	RSA_SIGN_PSS(CKM_SHA3_256_RSA_PKCS_PSS, "SHA3-256"),
	RSA_SIGN_PSS(CKM_SHA3_384_RSA_PKCS_PSS, "SHA3-384"),
	RSA_SIGN_PSS(CKM_SHA3_512_RSA_PKCS_PSS, "SHA3-512"),
	RSA_SIGN(CKM_SHA3_224_RSA_PKCS, "SHA3-224"),
	RSA_SIGN_PSS(CKM_SHA3_224_RSA_PKCS_PSS, "SHA3-224"),
};
const struct mech_rows mech_rsa_rows = {MECH_ROWS(rows)};
