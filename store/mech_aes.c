/*
 * AES in the modes that stream: ECB, CBC, CBC with padding, CTR, OFB, CFB (PKCS#11 3.1 6.10, 6.11)
 *
 * A mode is a row in `modes`. The ciphers of all modes, GCM and key wrap included, are fetched here.
 */
#include "mech_aes.h"

#include <limits.h>
#include <openssl/err.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "why.h"

#define BLOCK 16

static const struct mode {
	const char *name; /* AES-<bits>-<name> */
	size_t iv;        /* bytes of the parameter, when it is a plain IV */
	bool blocks;      /* whole blocks only */
} modes[AES_VARIANTS] = {
	[AES_ECB] = {"ECB", 0, true},
	[AES_CBC] = {"CBC", 16, true},
	[AES_CBC_PAD] = {"CBC", 16, false},
	[AES_CTR] = {"CTR", 0, false},
	[AES_OFB] = {"OFB", 16, false},
	[AES_CFB8] = {"CFB8", 16, false},
	[AES_CFB128] = {"CFB", 16, false},
	[AES_GCM] = {"GCM", 0, false},
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
		}
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
	pthread_once(&once, fetch_all);
	if ((c = ciphers[variant][k->len / 8 - 2]) == NULL || (op->cctx = EVP_CIPHER_CTX_new()) == NULL)
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

	op->input = INPUT_STREAM;
	op->exact = op->encrypt || op->mech->variant != AES_CBC_PAD;
	if (op->mech->variant == AES_CTR)
		return begin_counter(op, mech_param(m, sizeof(CK_AES_CTR_PARAMS)));
	if (mode->iv > 0 && (iv = mech_param(m, mode->iv)) == NULL)
		return mech_bad_param("an IV of 16 bytes is needed");
	if (mode->iv == 0 && !mech_no_param(m))
		return mech_bad_param("the mechanism takes none");
	if ((rv = aes_start(op, op->mech->variant, iv)) != CKR_OK)
		return rv;
	if (EVP_CIPHER_CTX_set_padding(op->cctx, op->mech->variant == AES_CBC_PAD) != 1)
		return mech_failed(CKR_FUNCTION_FAILED, mode->name);
	return CKR_OK;
}

static uint64_t
aes_total(const struct op *op, uint64_t fed, bool final)
{
	if (op->mech->variant == AES_CBC_PAD) {
		if (op->encrypt)
			return (fed / BLOCK + final) * BLOCK;
		/* the last block is held back until it is known to be the last */
		return final ? fed : fed == 0 ? 0 : (fed - 1) / BLOCK * BLOCK;
	}
	return modes[op->mech->variant].blocks ? fed / BLOCK * BLOCK : fed;
}

static CK_RV
aes_update(struct op *op, const uint8_t *in, size_t n, uint8_t *out, size_t *out_len)
{
	int len;

	*out_len = 0;
	if (n > INT_MAX - BLOCK)
		return op->encrypt ? CKR_DATA_LEN_RANGE : CKR_ENCRYPTED_DATA_LEN_RANGE;
	if (op->mech->variant == AES_CTR && (op->fed + n + BLOCK - 1) / BLOCK > op->blocks)
		return why(op->encrypt ? CKR_DATA_LEN_RANGE : CKR_ENCRYPTED_DATA_LEN_RANGE,
			"the counter would come round");
	if (EVP_CipherUpdate(op->cctx, out, &len, in, (int)n) != 1)
		return mech_failed(CKR_FUNCTION_FAILED, "AES");
	*out_len = (size_t)len;
	return CKR_OK;
}

static CK_RV
aes_final(struct op *op, uint8_t *out, size_t *out_len)
{
	bool unpads = op->mech->variant == AES_CBC_PAD && !op->encrypt;
	int len = 0;

	*out_len = 0;
	if ((modes[op->mech->variant].blocks || unpads) && (op->fed % BLOCK != 0 || (unpads && op->fed == 0)))
		return why(op->encrypt ? CKR_DATA_LEN_RANGE : CKR_ENCRYPTED_DATA_LEN_RANGE,
			"%llu bytes are not whole blocks", (unsigned long long)op->fed);
	if (op->mech->variant != AES_CBC_PAD)
		return CKR_OK;
	if (EVP_CipherFinal_ex(op->cctx, out, &len) != 1)
		return mech_failed(unpads ? CKR_ENCRYPTED_DATA_INVALID : CKR_FUNCTION_FAILED, "AES-CBC");
	*out_len = (size_t)len;
	return CKR_OK;
}

const struct mech_family family_aes = {
	.begin = aes_begin,
	.total = aes_total,
	.update = aes_update,
	.final = aes_final,
};

static const struct mech rows[] = {
	{CKM_AES_ECB, CRYPT, AES_KEYS, NULL, AES_ECB, &family_aes},
	{CKM_AES_CBC, CRYPT, AES_KEYS, NULL, AES_CBC, &family_aes},
	{CKM_AES_CBC_PAD, CRYPT | WRAP, AES_KEYS, NULL, AES_CBC_PAD, &family_aes},
	{CKM_AES_CTR, CRYPT, AES_KEYS, NULL, AES_CTR, &family_aes},
	{CKM_AES_OFB, CRYPT, AES_KEYS, NULL, AES_OFB, &family_aes},
	{CKM_AES_CFB8, CRYPT, AES_KEYS, NULL, AES_CFB8, &family_aes},
	{CKM_AES_CFB128, CRYPT, AES_KEYS, NULL, AES_CFB128, &family_aes},
};
const struct mech_rows mech_aes_rows = {MECH_ROWS(rows)};
