/*
 * DES with three, two and one key: ECB, CBC, CBC with padding (PKCS#11 3.1 6.18)
 *
 * For data that was encrypted long ago. All is triple DES to OpenSSL, so that single DES needs no legacy provider.
 */
#include "mech_des.h"

#include <pthread.h>
#include <string.h>

#include "mech_block.h"
#include "mech_variant.h"
#include "secret.h"

static EVP_CIPHER *ecb, *cbc;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void
fetch(void)
{
	ecb = EVP_CIPHER_fetch(NULL, "DES-EDE3-ECB", NULL);
	cbc = EVP_CIPHER_fetch(NULL, "DES-EDE3-CBC", NULL);
}

static bool
des_there(const struct mech *row)
{
	pthread_once(&once, fetch);
	return (row->variant == DES_ECB ? ecb : cbc) != NULL;
}

void
des_expand(const uint8_t *value, size_t len, uint8_t out[DES_EDE_KEY])
{
	memcpy(out, value, DES_BLOCK);
	memcpy(out + DES_BLOCK, value + (len > DES_BLOCK ? DES_BLOCK : 0), DES_BLOCK);
	memcpy(out + 2 * DES_BLOCK, value + (len > 2 * DES_BLOCK ? 2 * DES_BLOCK : 0), DES_BLOCK);
}

static CK_RV
start(struct op *op, const uint8_t *iv)
{
	uint8_t key[DES_EDE_KEY];
	int ok;

	if (op->cctx != NULL) {
		ok = EVP_CipherInit_ex2(op->cctx, NULL, NULL, iv, op->encrypt, NULL);
	} else {
		des_expand(op->key->value, op->key->len, key);
		ok = (op->cctx = EVP_CIPHER_CTX_new()) != NULL &&
			EVP_CipherInit_ex2(op->cctx, op->mech->variant == DES_ECB ? ecb : cbc, key, iv, op->encrypt,
				NULL) == 1;
		wipe(key, sizeof(key));
	}
	if (ok != 1 || EVP_CIPHER_CTX_set_padding(op->cctx, op->pads) != 1)
		return mech_failed(CKR_FUNCTION_FAILED, "DES");
	return CKR_OK;
}

static CK_RV
des_begin(struct op *op, const CK_MECHANISM *m)
{
	bool has_iv = op->mech->variant != DES_ECB;
	const uint8_t *iv = has_iv ? mech_param(m, DES_BLOCK) : NULL;

	if (has_iv && iv == NULL)
		return mech_bad_param("an IV of 8 bytes is needed");
	if (!has_iv && !mech_no_param(m))
		return mech_bad_param("the mechanism takes none");
	op->input = INPUT_STREAM;
	op->block = DES_BLOCK;
	op->blocks = 0;
	op->pads = op->mech->variant == DES_CBC_PAD;
	op->whole_blocks = !op->pads;
	op->exact = op->encrypt || !op->pads;
	return start(op, iv);
}

const struct mech_family family_des = {
	.there = des_there,
	.begin = des_begin,
	.total = block_total,
	.fits = block_fits,
	.update = block_update,
	.final = block_final,
};

/* PKCS#11 3.1 6.18 does not say what the sizes count; they are bytes, as with AES. */
static const struct mech rows[] = {
	{CKM_DES2_KEY_GEN, CKF_GENERATE, 16, 16, KEYS1(CKK_DES2), NULL, 0, &family_secret},
	{CKM_DES3_KEY_GEN, CKF_GENERATE, 24, 24, KEYS1(CKK_DES3), NULL, 0, &family_secret},
	{CKM_DES3_ECB, CRYPT, DES_KEYS, NULL, DES_ECB, &family_des},
	{CKM_DES3_CBC, CRYPT, DES_KEYS, NULL, DES_CBC, &family_des},
	{CKM_DES3_CBC_PAD, CRYPT | WRAP, DES_KEYS, NULL, DES_CBC_PAD, &family_des},
	{CKM_DES3_CMAC, SIGN, DES_KEYS, NULL, MAC_CMAC, &family_mac},
	{CKM_DES3_CMAC_GENERAL, SIGN, DES_KEYS, NULL, MAC_CMAC_GENERAL, &family_mac},
};
const struct mech_rows mech_des_rows = {MECH_ROWS(rows)};
