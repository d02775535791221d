/*
 * CKM_AES_GCM (PKCS#11 3.1 6.13): ciphertext || tag
 *
 * Encryption streams. Decryption keeps all of the ciphertext until the end, so that no byte of plaintext
 * is released before the tag is verified (at most GATHER_MAX bytes).
 */
#include <limits.h>
#include <openssl/err.h>

#include "mech_aes.h"
#include "why.h"

#define IV_MAX 128 /* as long as OpenSSL takes them */
#define TAG_MIN_BITS 32

static CK_RV
check_params(const CK_GCM_PARAMS *p)
{
	if (p == NULL)
		return mech_bad_param("CK_GCM_PARAMS is missing");
	if (p->pIv == NULL || p->ulIvLen < 1 || p->ulIvLen > IV_MAX)
		return mech_bad_param("the IV of GCM has 1 to 128 bytes");
	if (p->ulTagBits < TAG_MIN_BITS || p->ulTagBits > 128 || p->ulTagBits % 8 != 0)
		return mech_bad_param("the tag of GCM has 32 to 128 bits");
	if ((p->pAAD == NULL && p->ulAADLen > 0) || p->ulAADLen > INT_MAX)
		return mech_bad_param("additional data of GCM");
	return CKR_OK;
}

/* ulIvBits is not looked at: clients leave it 0, or set what they like. */
static CK_RV
gcm_begin(struct op *op, const CK_MECHANISM *m)
{
	const CK_GCM_PARAMS *p = mech_param(m, sizeof(*p));
	int len;
	CK_RV rv;

	if ((rv = check_params(p)) != CKR_OK)
		return rv;
	op->input = op->encrypt ? INPUT_STREAM : INPUT_GATHER;
	op->exact = true;
	op->size = p->ulTagBits / 8;
	op->max_in = GATHER_MAX + op->size;
	if (op->cctx == NULL && (rv = aes_start(op, AES_GCM, NULL)) != CKR_OK)
		return rv;
	if (op->iv_len != p->ulIvLen &&
		EVP_CIPHER_CTX_ctrl(op->cctx, EVP_CTRL_AEAD_SET_IVLEN, (int)p->ulIvLen, NULL) != 1)
		return mech_failed(CKR_MECHANISM_PARAM_INVALID, "GCM IV");
	op->iv_len = p->ulIvLen;
	if ((rv = aes_start(op, AES_GCM, p->pIv)) != CKR_OK)
		return rv;
	if (p->ulAADLen > 0 && EVP_CipherUpdate(op->cctx, NULL, &len, p->pAAD, (int)p->ulAADLen) != 1)
		return mech_failed(CKR_FUNCTION_FAILED, "GCM");
	return CKR_OK;
}

static uint64_t
gcm_total(const struct op *op, uint64_t fed, bool final)
{
	if (op->encrypt)
		return final ? fed + op->size : fed;
	return final && fed > op->size ? fed - op->size : 0;
}

static CK_RV
gcm_update(struct op *op, const uint8_t *in, size_t n, uint8_t *out, size_t *out_len)
{
	int len;

	if (n > INT_MAX || EVP_CipherUpdate(op->cctx, out, &len, in, (int)n) != 1)
		return mech_failed(n > INT_MAX ? CKR_DATA_LEN_RANGE : CKR_FUNCTION_FAILED, "GCM");
	*out_len = (size_t)len;
	return CKR_OK;
}

static CK_RV
gcm_final(struct op *op, uint8_t *out, size_t *out_len)
{
	uint8_t none[16];
	int len;

	if (EVP_CipherFinal_ex(op->cctx, none, &len) != 1 ||
		EVP_CIPHER_CTX_ctrl(op->cctx, EVP_CTRL_AEAD_GET_TAG, (int)op->size, out) != 1)
		return mech_failed(CKR_FUNCTION_FAILED, "GCM");
	*out_len = op->size;
	return CKR_OK;
}

/* Decryption. What was written to out before a tag turned out wrong is wiped by op.c. */
static CK_RV
gcm_whole(struct op *op, const uint8_t *in, size_t n, uint8_t *out, size_t *out_len)
{
	uint8_t none[16];
	size_t text = n - op->size;
	int len = 0;

	*out_len = 0;
	if (n < op->size)
		return why(CKR_ENCRYPTED_DATA_LEN_RANGE, "shorter than the tag");
	if (EVP_CIPHER_CTX_ctrl(op->cctx, EVP_CTRL_AEAD_SET_TAG, (int)op->size, (void *)(in + text)) != 1 ||
		(text > 0 && EVP_CipherUpdate(op->cctx, out, &len, in, (int)text) != 1))
		return mech_failed(CKR_FUNCTION_FAILED, "GCM");
	if (EVP_CipherFinal_ex(op->cctx, none, &len) != 1)
		return mech_failed(CKR_ENCRYPTED_DATA_INVALID, "GCM tag");
	*out_len = text;
	return CKR_OK;
}

const struct mech_family family_gcm = {
	.begin = gcm_begin,
	.total = gcm_total,
	.update = gcm_update,
	.final = gcm_final,
	.whole = gcm_whole,
};

static const struct mech rows[] = {
	{CKM_AES_GCM, CRYPT | WRAP, AES_KEYS, NULL, AES_GCM, &family_gcm},
};
const struct mech_rows mech_gcm_rows = {MECH_ROWS(rows)};
