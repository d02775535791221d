/*
 * AES in the modes without a tag: ECB, CBC, CBC with padding, CTR, OFB, CFB (PKCS#11 3.1 6.10, 6.11), which stream;
 * CBC with ciphertext stealing (6.12) and XTS (6.15), which take their text in one piece
 *
 * A mode is a row in `modes`. The ciphers of all modes, GCM and key wrap included, are fetched here.
 */
#include "mech_aes.h"

#include <openssl/err.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "mech_block.h"
#include "why.h"

#define BLOCK 16
/* IEEE 1619, SP 800-38E: a data unit has at most 2^20 blocks. */
#define XTS_MAX (BLOCK << 20)

static const struct mode {
	const char *name; /* AES-<bits>-<name> */
	size_t iv;        /* bytes of the parameter, when it is a plain IV */
	bool blocks;      /* whole blocks only */
	size_t max;       /* the longest text of a mode that takes it in one piece; 0: it streams */
} modes[AES_VARIANTS] = {
	[AES_ECB] = {"ECB", 0, true},
	[AES_CBC] = {"CBC", 16, true},
	[AES_CBC_PAD] = {"CBC", 16, false},
	[AES_CTR] = {"CTR", 0, false},
	[AES_OFB] = {"OFB", 16, false},
	[AES_CFB1] = {"CFB1", 16, false},
	[AES_CFB8] = {"CFB8", 16, false},
	[AES_CFB128] = {"CFB", 16, false},
	[AES_CTS] = {"CBC-CTS", 16, false, GATHER_MAX},
	[AES_XTS] = {"XTS", 16, false, XTS_MAX},
	[AES_GCM] = {"GCM", 0, false},
	[AES_CCM] = {"CCM", 0, false},
	[AES_KW] = {"WRAP", 0, false},
	[AES_KW_PKCS7] = {"WRAP", 0, false},
	[AES_KWP] = {"WRAP-PAD", 0, false},
};

static EVP_CIPHER *ciphers[AES_VARIANTS][3];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void
fetch_all(void)
{
	char name[32];

	for (int v = 0; v < AES_VARIANTS; v++)
		for (int i = 0; i < 3; i++) {
			snprintf(name, sizeof(name), "AES-%d-%s", 128 + 64 * i, modes[v].name);
			ciphers[v][i] = EVP_CIPHER_fetch(NULL, name, NULL);
			ERR_clear_error(); /* there is no AES-192-XTS */
		}
}

const EVP_CIPHER *
aes_cipher(enum aes_variant variant, size_t key_len)
{
	pthread_once(&once, fetch_all);
	return ciphers[variant][(variant == AES_XTS ? key_len / 2 : key_len) / 8 - 2];
}

static bool
aes_there(const struct mech *row)
{
	return aes_cipher(row->variant, row->min) != NULL;
}

CK_RV
aes_start(struct op *op, enum aes_variant variant, const uint8_t *iv)
{
	const struct key *k = op->key;
	const EVP_CIPHER *c;
	int ok;

	if (op->cctx != NULL) {
		ok = EVP_CipherInit_ex2(op->cctx, NULL, NULL, iv, op->encrypt, NULL);
		return ok == 1 ? CKR_OK : mech_failed(CKR_FUNCTION_FAILED, modes[variant].name);
	}
	if ((c = aes_cipher(variant, k->len)) == NULL || (op->cctx = EVP_CIPHER_CTX_new()) == NULL)
		return mech_failed(CKR_FUNCTION_FAILED, modes[variant].name);
	EVP_CIPHER_CTX_set_flags(op->cctx, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
	ok = EVP_CipherInit_ex2(op->cctx, c, k->value, iv, op->encrypt, NULL);
	return ok == 1 ? CKR_OK : mech_failed(CKR_FUNCTION_FAILED, modes[variant].name);
}

/* PKCS#11 3.1 6.11: the low ulCounterBits of the block count; a counter that came round would repeat the key
 * stream. OpenSSL counts with all 128 bits, which is the same as long as none comes round. */
static CK_RV
begin_counter(struct op *op, const CK_AES_CTR_PARAMS *p)
{
	unsigned __int128 start = 0, left;

	if (p == NULL || p->ulCounterBits < 1 || p->ulCounterBits > 128)
		return mech_bad_param("CK_AES_CTR_PARAMS with 1 to 128 counter bits is needed");
	for (int i = 0; i < BLOCK; i++)
		start = start << 8 | p->cb[i];
	if (p->ulCounterBits < 128) {
		start &= ((unsigned __int128)1 << p->ulCounterBits) - 1;
		left = ((unsigned __int128)1 << p->ulCounterBits) - start;
	} else {
		left = (unsigned __int128)0 - start; /* 2^128 - start; 0 stands for 2^128 */
	}
	op->blocks = left == 0 || left > UINT64_MAX ? UINT64_MAX : (uint64_t)left;
	return aes_start(op, AES_CTR, p->cb);
}

static CK_RV
aes_begin(struct op *op, const CK_MECHANISM *m)
{
	const struct mode *mode = &modes[op->mech->variant];
	const uint8_t *iv = NULL;
	CK_RV rv;

	op->input = mode->max > 0 ? INPUT_GATHER : INPUT_STREAM;
	op->block = BLOCK;
	op->blocks = 0;
	op->whole_blocks = mode->blocks;
	op->pads = op->mech->variant == AES_CBC_PAD;
	op->exact = op->encrypt || !op->pads;
	if (mode->max > 0)
		op->max_in = mode->max;
	if (op->mech->variant == AES_CTR)
		return begin_counter(op, mech_param(m, sizeof(CK_AES_CTR_PARAMS)));
	if (mode->iv > 0 && (iv = mech_param(m, mode->iv)) == NULL)
		return mech_bad_param("an IV of 16 bytes is needed");
	if (mode->iv == 0 && !mech_no_param(m))
		return mech_bad_param("the mechanism takes none");
	if ((rv = aes_start(op, op->mech->variant, iv)) != CKR_OK)
		return rv;
	if (mode->max == 0 && EVP_CIPHER_CTX_set_padding(op->cctx, op->pads) != 1)
		return mech_failed(CKR_FUNCTION_FAILED, mode->name);
	return CKR_OK;
}

/* PKCS#11 does not say which of the three forms of ciphertext stealing it means. It is the first of the
 * addendum to SP 800-38A, CBC-CS1, which is CBC for whole blocks and what other tokens do; OpenSSL takes it unless told
 * otherwise. */
static CK_RV
aes_whole(struct op *op, const uint8_t *in, size_t n, uint8_t *out, size_t *out_len)
{
	int len;

	*out_len = 0;
	if (n < BLOCK)
		return why(op->encrypt ? CKR_DATA_LEN_RANGE : CKR_ENCRYPTED_DATA_LEN_RANGE,
			"%zu bytes are less than a block", n);
	if (EVP_CipherUpdate(op->cctx, out, &len, in, (int)n) != 1)
		return mech_failed(CKR_FUNCTION_FAILED, modes[op->mech->variant].name);
	*out_len = n;
	return CKR_OK;
}

const struct mech_family family_aes = {
	.there = aes_there,
	.begin = aes_begin,
	.total = block_total,
	.fits = block_fits,
	.update = block_update,
	.final = block_final,
	.whole = aes_whole,
};

static const struct mech rows[] = {
	{CKM_AES_ECB, CRYPT, AES_KEYS, NULL, AES_ECB, &family_aes},
	{CKM_AES_CBC, CRYPT, AES_KEYS, NULL, AES_CBC, &family_aes},
	{CKM_AES_CBC_PAD, CRYPT | WRAP, AES_KEYS, NULL, AES_CBC_PAD, &family_aes},
	{CKM_AES_CTR, CRYPT, AES_KEYS, NULL, AES_CTR, &family_aes},
	{CKM_AES_OFB, CRYPT, AES_KEYS, NULL, AES_OFB, &family_aes},
	{CKM_AES_CFB8, CRYPT, AES_KEYS, NULL, AES_CFB8, &family_aes},
	{CKM_AES_CFB128, CRYPT, AES_KEYS, NULL, AES_CFB128, &family_aes},
	{CKM_AES_CFB1, CRYPT, AES_KEYS, NULL, AES_CFB1, &family_aes},
	{CKM_AES_CTS, CRYPT, AES_KEYS, NULL, AES_CTS, &family_aes},
	{CKM_AES_XTS, CRYPT, 32, 64, KEYS1(CKK_AES_XTS), NULL, AES_XTS, &family_aes},
	{CKM_AES_XTS_KEY_GEN, CKF_GENERATE, 32, 64, KEYS1(CKK_AES_XTS), NULL, 0, &family_secret},
};
const struct mech_rows mech_aes_rows = {MECH_ROWS(rows)};
