/*
 * ChaCha20 as a stream cipher (PKCS#11 3.1 6.58), with its counter told
 *
 * Two layouts of the 16 bytes after key and constants: a counter of 64 bits and a nonce of 64 (Bernstein), or of 32
 * and 96 (RFC 8439). Numbers are little-endian there, and so are the bytes of pBlockCounter.
 */
#include <pthread.h>
#include <string.h>

#include "mech_block.h"
#include "why.h"

#define BLOCK 64
#define IV_LEN 16 /* OpenSSL's: counter and nonce */

static EVP_CIPHER *chacha;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void
fetch(void)
{
	chacha = EVP_CIPHER_fetch(NULL, "ChaCha20", NULL);
}

static bool
chacha_there(const struct mech *row)
{
	(void)row;
	pthread_once(&once, fetch);
	return chacha != NULL;
}

/* Counter and nonce as OpenSSL takes them, and the blocks that are left before the counter comes round. A counter of 32
 * bits beside the short nonce is one whose upper half is zero. */
static CK_RV
read_param(const CK_CHACHA20_PARAMS *p, uint8_t iv[IV_LEN], uint64_t *blocks)
{
	uint64_t start = 0;
	size_t n;

	if (p == NULL || p->pBlockCounter == NULL || p->pNonce == NULL)
		return mech_bad_param("CK_CHACHA20_PARAMS with counter and nonce is needed");
	if (!((p->blockCounterBits == 32 && (p->ulNonceBits == 96 || p->ulNonceBits == 64)) ||
		(p->blockCounterBits == 64 && p->ulNonceBits == 64)))
		return mech_bad_param("ChaCha20 has a counter of 64 or 32 bits and a nonce of 64, or 32 and 96");
	memset(iv, 0, IV_LEN);
	memcpy(iv, p->pBlockCounter, p->blockCounterBits / 8);
	n = p->ulNonceBits / 8;
	memcpy(iv + IV_LEN - n, p->pNonce, n);
	for (size_t i = p->blockCounterBits / 8; i-- > 0;)
		start = start << 8 | iv[i];
	if (p->blockCounterBits == 32)
		*blocks = (UINT64_C(1) << 32) - start;
	else
		*blocks = start == 0 ? UINT64_MAX : 0 - start;
	return CKR_OK;
}

static CK_RV
chacha_begin(struct op *op, const CK_MECHANISM *m)
{
	uint8_t iv[IV_LEN];
	bool new = op->cctx == NULL;
	const uint8_t *key = new ? op->key->value : NULL;
	CK_RV rv = read_param(mech_param(m, sizeof(CK_CHACHA20_PARAMS)), iv, &op->blocks);

	if (rv != CKR_OK)
		return rv;
	op->input = INPUT_STREAM;
	op->exact = true;
	op->block = BLOCK;
	op->whole_blocks = op->pads = false;
	if ((new && (op->cctx = EVP_CIPHER_CTX_new()) == NULL) ||
		EVP_CipherInit_ex2(op->cctx, new ? chacha : NULL, key, iv, op->encrypt, NULL) != 1)
		return mech_failed(CKR_FUNCTION_FAILED, "ChaCha20");
	return CKR_OK;
}

const struct mech_family family_chacha = {
	.there = chacha_there,
	.begin = chacha_begin,
	.total = block_total,
	.fits = block_fits,
	.update = block_update,
	.final = block_final,
};

static const struct mech rows[] = {
	{CKM_CHACHA20_KEY_GEN, CKF_GENERATE, 32, 32, KEYS1(CKK_CHACHA20), NULL, 0, &family_secret},
	{CKM_CHACHA20, CRYPT, 32, 32, KEYS1(CKK_CHACHA20), NULL, 0, &family_chacha},
};
const struct mech_rows mech_chacha_rows = {MECH_ROWS(rows)};
