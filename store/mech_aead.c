/*
 * Authenticated encryption: CKM_AES_GCM, CKM_AES_CCM (PKCS#11 3.1 6.13), CKM_CHACHA20_POLY1305 (6.61)
 *
 * Encryption with GCM and ChaCha20-Poly1305 streams. CCM needs its text in one piece. Decryption keeps all of the
 * ciphertext until the end, so that no byte of plaintext is released before the tag is verified (at most
 * GATHER_MAX bytes).
 */
#include "aead.h"

#include <limits.h>
#include <openssl/err.h>
#include <pthread.h>

#include "mech_aes.h"
#include "why.h"

static EVP_CIPHER *chacha;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void
fetch(void)
{
	chacha = EVP_CIPHER_fetch(NULL, "ChaCha20-Poly1305", NULL);
}

static const EVP_CIPHER *
cipher_of(const struct op *op)
{
	if (op->mech->variant != AEAD_CHACHA)
		return aes_cipher(op->mech->variant == AEAD_GCM ? AES_GCM : AES_CCM, op->key->len);
	pthread_once(&once, fetch);
	return chacha;
}

static bool
aead_there(const struct mech *row)
{
	if (row->variant != AEAD_CHACHA)
		return true;
	pthread_once(&once, fetch);
	return chacha != NULL;
}

/* ---- the three steps that all users share ---- */

/* A context with the cipher, and the key but for CCM, whose key setup depends on the lengths. */
static CK_RV
make_context(struct op *op)
{
	const EVP_CIPHER *c = cipher_of(op);
	bool late = op->mech->variant == AEAD_CCM;

	if (op->cctx != NULL)
		return CKR_OK;
	if (c == NULL || (op->cctx = EVP_CIPHER_CTX_new()) == NULL ||
		EVP_CipherInit_ex2(op->cctx, c, late ? NULL : op->key->value, NULL, op->encrypt, NULL) != 1)
		return mech_failed(CKR_FUNCTION_FAILED, "authenticated encryption");
	op->iv_len = op->tag_set = 0;
	return CKR_OK;
}

/* A context that was used before has its key; lengths are set where they differ. */
static CK_RV
set_lengths(struct op *op, const struct aead *a)
{
	bool ccm = op->mech->variant == AEAD_CCM;
	int ok = 1;

	if (op->iv_len == a->nonce_len && (!ccm || op->tag_set == a->tag_len))
		return CKR_OK;
	ok = EVP_CIPHER_CTX_ctrl(op->cctx, EVP_CTRL_AEAD_SET_IVLEN, (int)a->nonce_len, NULL);
	if (ok == 1 && ccm)
		ok = EVP_CIPHER_CTX_ctrl(op->cctx, EVP_CTRL_AEAD_SET_TAG, (int)a->tag_len, NULL);
	if (ok == 1 && ccm)
		ok = EVP_CipherInit_ex2(op->cctx, NULL, op->key->value, NULL, op->encrypt, NULL);
	op->iv_len = ok == 1 ? a->nonce_len : 0;
	op->tag_set = a->tag_len;
	return ok == 1 ? CKR_OK : mech_failed(CKR_MECHANISM_PARAM_INVALID, "nonce or tag length");
}

CK_RV
aead_start(struct op *op, const struct aead *a, uint64_t n)
{
	bool ccm = op->mech->variant == AEAD_CCM;
	unsigned length_bits = ccm ? 8 * (15 - (unsigned)a->nonce_len) : 64; /* SP 800-38C A.1: q bytes of length */
	int len;
	CK_RV rv;

	if (ccm && (n > INT_MAX || (length_bits < 64 && n >> length_bits != 0)))
		return why(op->encrypt ? CKR_DATA_LEN_RANGE : CKR_ENCRYPTED_DATA_LEN_RANGE,
			"CCM with this nonce cannot take %llu bytes", (unsigned long long)n);
	if ((rv = make_context(op)) != CKR_OK || (rv = set_lengths(op, a)) != CKR_OK)
		return rv;
	op->size = a->tag_len;
	op->data_len = n;
	if (EVP_CipherInit_ex2(op->cctx, NULL, NULL, a->nonce, op->encrypt, NULL) != 1 ||
		(ccm && EVP_CipherUpdate(op->cctx, NULL, &len, NULL, (int)n) != 1) ||
		(a->aad_len > 0 && EVP_CipherUpdate(op->cctx, NULL, &len, a->aad, (int)a->aad_len) != 1))
		return mech_failed(CKR_FUNCTION_FAILED, "authenticated encryption");
	return CKR_OK;
}

CK_RV
aead_part(struct op *op, const uint8_t *in, size_t n, uint8_t *out)
{
	int len;

	if (n > INT_MAX || EVP_CipherUpdate(op->cctx, out, &len, in, (int)n) != 1)
		return mech_failed(n > INT_MAX ? CKR_DATA_LEN_RANGE : CKR_FUNCTION_FAILED, "authenticated encryption");
	return CKR_OK;
}

CK_RV
aead_seal(struct op *op, const uint8_t *in, size_t n, uint8_t *out, uint8_t *tag)
{
	bool ccm = op->mech->variant == AEAD_CCM;
	uint8_t none[16] = {0};
	int len;
	CK_RV rv;

	if (ccm && n != op->data_len)
		return why(CKR_DATA_LEN_RANGE, "%zu bytes of data, %llu were announced", n,
			(unsigned long long)op->data_len);
	/* CCM must see its text once, even if it has none */
	if (n > 0 ? (rv = aead_part(op, in, n, out)) != CKR_OK : ccm && (rv = aead_part(op, none, 0, none)) != CKR_OK)
		return rv;
	if (EVP_CipherFinal_ex(op->cctx, none, &len) != 1 ||
		EVP_CIPHER_CTX_ctrl(op->cctx, EVP_CTRL_AEAD_GET_TAG, (int)op->size, tag) != 1)
		return mech_failed(CKR_FUNCTION_FAILED, "authenticated encryption");
	return CKR_OK;
}

CK_RV
aead_open(struct op *op, const uint8_t *in, size_t n, uint8_t *out, const uint8_t *tag)
{
	bool ccm = op->mech->variant == AEAD_CCM;
	uint8_t none[16] = {0};
	int len = 0, ok = 1;

	if (n > INT_MAX || (ccm && n != op->data_len))
		return why(CKR_ENCRYPTED_DATA_LEN_RANGE, "%zu bytes of ciphertext", n);
	if (EVP_CIPHER_CTX_ctrl(op->cctx, EVP_CTRL_AEAD_SET_TAG, (int)op->size, (void *)tag) != 1)
		return mech_failed(CKR_FUNCTION_FAILED, "authenticated encryption");
	if (n > 0 || ccm)
		ok = EVP_CipherUpdate(op->cctx, n > 0 ? out : none, &len, n > 0 ? in : none, (int)n);
	if (ok == 1 && !ccm) /* CCM has judged the tag by now */
		ok = EVP_CipherFinal_ex(op->cctx, none, &len);
	return ok == 1 ? CKR_OK : mech_failed(CKR_ENCRYPTED_DATA_INVALID, "tag");
}

/* ---- operations: the tag stands behind the ciphertext ---- */

static CK_RV
aead_begin(struct op *op, const CK_MECHANISM *m)
{
	bool ccm = op->mech->variant == AEAD_CCM;
	struct aead a;
	CK_RV rv;

	op->input = op->encrypt && !ccm ? INPUT_STREAM : INPUT_GATHER;
	op->exact = true;
	if (op_is_message(op))
		return make_context(op);
	if ((rv = aead_read(&a, op->mech->variant, AEAD_PLAIN, m->pParameter, m->ulParameterLen)) != CKR_OK ||
		(rv = aead_start(op, &a, a.data_len)) != CKR_OK)
		return rv;
	op->max_in = GATHER_MAX;
	if (ccm && a.data_len < GATHER_MAX)
		op->max_in = a.data_len;
	if (!op->encrypt)
		op->max_in += op->size;
	return CKR_OK;
}

static uint64_t
aead_total(const struct op *op, uint64_t fed, bool final)
{
	if (op->encrypt)
		return final ? fed + op->size : op->input == INPUT_STREAM ? fed : 0;
	return final && fed > op->size ? fed - op->size : 0;
}

static CK_RV
aead_update(struct op *op, const uint8_t *in, size_t n, uint8_t *out, size_t *out_len)
{
	*out_len = n;
	return aead_part(op, in, n, out);
}

static CK_RV
aead_final(struct op *op, uint8_t *out, size_t *out_len)
{
	*out_len = op->size;
	return aead_seal(op, NULL, 0, NULL, out);
}

/* What was written to out before a tag turned out wrong is wiped by op_flow.c. */
static CK_RV
aead_whole(struct op *op, const uint8_t *in, size_t n, uint8_t *out, size_t *out_len)
{
	if (op->encrypt) {
		*out_len = n + op->size;
		return aead_seal(op, in, n, out, out + n);
	}
	*out_len = 0;
	if (n < op->size)
		return why(CKR_ENCRYPTED_DATA_LEN_RANGE, "shorter than the tag");
	*out_len = n - op->size;
	return aead_open(op, in, n - op->size, out, in + n - op->size);
}

/* ---- wrapping ---- */

static CK_RV
start_wrap(struct op **op, enum op_kind kind, const struct mech *row, struct object *key)
{
	CK_MECHANISM m = {row->type, NULL, 0};
	CK_RV rv = op_start(op, kind, &m, row, key);

	if (rv == CKR_OK)
		object_ref(key);
	return rv;
}

CK_RV
aead_wrap(const struct mech *row, struct object *key, const struct aead *a, const uint8_t *in, size_t n, uint8_t *out,
	size_t *out_len)
{
	size_t need = a->tag != NULL ? n : n + a->tag_len;
	struct op *op;
	CK_RV rv;

	if ((rv = start_wrap(&op, OP_MESSAGE_ENCRYPT, row, key)) != CKR_OK)
		return rv; /* before any length is told: a key that does not fit is refused at once */
	if (out == NULL || *out_len < need)
		rv = out == NULL ? CKR_OK : CKR_BUFFER_TOO_SMALL;
	else if ((rv = nonce_random(a)) == CKR_OK && (rv = aead_start(op, a, n)) == CKR_OK)
		rv = aead_seal(op, in, n, out, a->tag != NULL ? a->tag : out + n);
	*out_len = need;
	op_end(op);
	return rv;
}

CK_RV
aead_unwrap(const struct mech *row, struct object *key, const struct aead *a, const uint8_t *in, size_t n, uint8_t *out,
	size_t *out_len)
{
	size_t text = a->tag != NULL ? n : n - a->tag_len;
	struct op *op;
	CK_RV rv;

	if (a->tag == NULL && n < a->tag_len)
		return CKR_ENCRYPTED_DATA_LEN_RANGE;
	if ((rv = start_wrap(&op, OP_MESSAGE_DECRYPT, row, key)) != CKR_OK)
		return rv;
	if (*out_len < text)
		rv = CKR_BUFFER_TOO_SMALL;
	else if ((rv = aead_start(op, a, text)) == CKR_OK)
		rv = aead_open(op, in, text, out, a->tag != NULL ? a->tag : in + text);
	*out_len = text;
	op_end(op);
	return rv;
}

static CK_RV
wrap_key(const CK_MECHANISM *m, const struct mech *row, struct object *wrapping, const uint8_t *in, size_t n,
	uint8_t *out, size_t *out_len)
{
	struct aead a;
	CK_RV rv = aead_read(&a, row->variant, AEAD_WRAP, m->pParameter, m->ulParameterLen);

	return rv == CKR_OK ? aead_wrap(row, wrapping, &a, in, n, out, out_len) : rv;
}

static CK_RV
unwrap_key(const CK_MECHANISM *m, const struct mech *row, struct object *unwrapping, const uint8_t *in, size_t n,
	uint8_t *out, size_t *out_len)
{
	struct aead a;
	CK_RV rv = aead_read(&a, row->variant, AEAD_WRAP, m->pParameter, m->ulParameterLen);

	return rv == CKR_OK ? aead_unwrap(row, unwrapping, &a, in, n, out, out_len) : rv;
}

const struct mech_family family_aead = {
	.there = aead_there,
	.begin = aead_begin,
	.total = aead_total,
	.update = aead_update,
	.final = aead_final,
	.whole = aead_whole,
	.wrap = wrap_key,
	.unwrap = unwrap_key,
};

static const struct mech rows[] = {
	{CKM_AES_GCM, CRYPT | MESSAGE_CRYPT | WRAP, AES_KEYS, NULL, AEAD_GCM, &family_aead},
	{CKM_AES_CCM, CRYPT | MESSAGE_CRYPT | WRAP, AES_KEYS, NULL, AEAD_CCM, &family_aead},
	{CKM_CHACHA20_POLY1305, CRYPT | MESSAGE_CRYPT | WRAP, 32, 32, KEYS1(CKK_CHACHA20), NULL,
		AEAD_CHACHA, &family_aead},
};
const struct mech_rows mech_aead_rows = {MECH_ROWS(rows)};
