/*
 * CBC-MAC (FIPS 113): CKM_AES_MAC (PKCS#11 3.1 6.10), CKM_DES3_MAC (6.18) and their general forms
 *
 * The text, padded by zeros, is encrypted in CBC mode without an IV; the MAC is the start of the last block. It is
 * sound for texts of one length only, since a longer one's can be put together from shorter ones': hence MECH_LEGACY.
 */
#include <pthread.h>
#include <string.h>

#include "mech_aes.h"
#include "mech_des.h"
#include "secret.h"
#include "why.h"

#define AES_BLOCK 16
#define CHUNK 4096

static EVP_CIPHER *des_cbc;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void
fetch(void)
{
	des_cbc = EVP_CIPHER_fetch(NULL, "DES-EDE3-CBC", NULL);
}

static bool
cbc_mac_there(const struct mech *row)
{
	pthread_once(&once, fetch);
	return row->keys[0] == CKK_AES || des_cbc != NULL;
}

static CK_RV
start(struct op *op)
{
	static const uint8_t zeros[AES_BLOCK];
	uint8_t key[DES_EDE_KEY];
	int ok;

	if (op->cctx != NULL) {
		ok = EVP_CipherInit_ex2(op->cctx, NULL, NULL, zeros, 1, NULL);
	} else if ((op->cctx = EVP_CIPHER_CTX_new()) == NULL) {
		return CKR_HOST_MEMORY;
	} else if (op->key->type == CKK_AES) {
		ok = EVP_CipherInit_ex2(op->cctx, aes_cipher(AES_CBC, op->key->len), op->key->value, zeros, 1, NULL);
	} else {
		des_expand(op->key->value, op->key->len, key);
		ok = EVP_CipherInit_ex2(op->cctx, des_cbc, key, zeros, 1, NULL);
		wipe(key, sizeof(key));
	}
	if (ok != 1 || EVP_CIPHER_CTX_set_padding(op->cctx, 0) != 1)
		return mech_failed(CKR_FUNCTION_FAILED, "CBC-MAC");
	return CKR_OK;
}

static CK_RV
cbc_mac_begin(struct op *op, const CK_MECHANISM *m)
{
	const CK_ULONG *wanted;

	op->input = INPUT_STREAM;
	op->exact = true;
	op->block = op->key->type == CKK_AES ? AES_BLOCK : DES_BLOCK;
	op->size = op->block / 2;
	if (op->mech->variant == MAC_CBC_GENERAL) {
		if ((wanted = mech_param(m, sizeof(*wanted))) == NULL || *wanted == 0 || *wanted > op->block)
			return mech_bad_param("the length of the MAC is not one the mechanism can give");
		op->size = *wanted;
	} else if (!mech_no_param(m)) {
		return mech_bad_param("the mechanism takes none");
	}
	return start(op);
}

static uint64_t
cbc_mac_total(const struct op *op, uint64_t fed, bool final)
{
	(void)fed;
	return final ? op->size : 0;
}

/* Of what comes out the last block is kept in op->iv. */
static CK_RV
cbc_mac_update(struct op *op, const uint8_t *in, size_t n, uint8_t *out, size_t *out_len)
{
	uint8_t coded[CHUNK + AES_BLOCK];
	CK_RV rv = CKR_OK;
	size_t step;
	int len;

	(void)out;
	*out_len = 0;
	for (; n > 0 && rv == CKR_OK; in += step, n -= step) {
		step = n < CHUNK ? n : CHUNK;
		if (EVP_CipherUpdate(op->cctx, coded, &len, in, (int)step) != 1)
			rv = mech_failed(CKR_FUNCTION_FAILED, "CBC-MAC");
		else if (len > 0)
			memcpy(op->iv, coded + len - op->block, op->block);
	}
	wipe(coded, sizeof(coded));
	return rv;
}

static CK_RV
cbc_mac_final(struct op *op, uint8_t *out, size_t *out_len)
{
	static const uint8_t zeros[AES_BLOCK];
	size_t rest = op->fed % op->block, none;
	CK_RV rv;

	if (op->fed == 0)
		return why(CKR_DATA_LEN_RANGE, "CBC-MAC of nothing is not defined");
	if (rest > 0 && (rv = cbc_mac_update(op, zeros, op->block - rest, NULL, &none)) != CKR_OK)
		return rv;
	memcpy(out, op->iv, op->size);
	*out_len = op->size;
	wipe(op->iv, sizeof(op->iv));
	return CKR_OK;
}

static const struct mech_family family_cbc_mac = {
	.there = cbc_mac_there,
	.begin = cbc_mac_begin,
	.total = cbc_mac_total,
	.update = cbc_mac_update,
	.final = cbc_mac_final,
};

static const struct mech rows[] = {
	{CKM_DES3_MAC, SIGN, DES_KEYS, NULL, MAC_CBC, &family_cbc_mac, MECH_LEGACY},
	{CKM_DES3_MAC_GENERAL, SIGN, DES_KEYS, NULL, MAC_CBC_GENERAL, &family_cbc_mac,
		MECH_LEGACY},
	{CKM_AES_MAC, SIGN, AES_KEYS, NULL, MAC_CBC, &family_cbc_mac, MECH_LEGACY},
	{CKM_AES_MAC_GENERAL, SIGN, AES_KEYS, NULL, MAC_CBC_GENERAL, &family_cbc_mac,
		MECH_LEGACY},
};
const struct mech_rows mech_cbc_mac_rows = {MECH_ROWS(rows)};
