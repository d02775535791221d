/*
 * Keys that are encrypted data (PKCS#11 3.1 6.15): CKM_AES_CBC_ENCRYPT_DATA and its like
 *
 * Who knows the data and may also encrypt or decrypt with the base key has the derived key, so these are for tokens
 * with the compat policy.
 */
#include "mech_des.h"
#include "mech_variant.h"
#include "why.h"

static bool
is_aes(const struct mech *row)
{
	return row->variant == DATA_AES_ECB || row->variant == DATA_AES_CBC;
}

static const char *
cipher_name(const struct mech *row, size_t key_len)
{
	static const char *const aes[2][3] = {{"AES-128-ECB", "AES-192-ECB", "AES-256-ECB"},
		{"AES-128-CBC", "AES-192-CBC", "AES-256-CBC"}};

	if (is_aes(row))
		return aes[row->variant == DATA_AES_CBC][key_len / 8 - 2];
	return row->variant == DATA_DES_CBC ? "DES-EDE3-CBC" : "DES-EDE3-ECB";
}

static bool
encrypt_data_there(const struct mech *row)
{
	EVP_CIPHER *c = EVP_CIPHER_fetch(NULL, cipher_name(row, row->min), NULL);
	bool there = c != NULL;

	EVP_CIPHER_free(c);
	return there;
}

/* IV and data of the parameter. */
static CK_RV
read_param(const struct derivation *d, const uint8_t **iv, const uint8_t **data, size_t *n)
{
	const CK_KEY_DERIVATION_STRING_DATA *s = mech_param(d->mech, sizeof(*s));
	const CK_AES_CBC_ENCRYPT_DATA_PARAMS *a = mech_param(d->mech, sizeof(*a));
	const CK_DES_CBC_ENCRYPT_DATA_PARAMS *t = mech_param(d->mech, sizeof(*t));
	size_t block = is_aes(d->row) ? 16 : 8;

	*iv = NULL;
	if (d->row->variant == DATA_AES_CBC && a != NULL) {
		*iv = a->iv;
		*data = a->pData;
		*n = a->length;
	} else if (d->row->variant == DATA_DES_CBC && t != NULL) {
		*iv = t->iv;
		*data = t->pData;
		*n = t->length;
	} else if ((d->row->variant == DATA_AES_ECB || d->row->variant == DATA_DES_ECB) && s != NULL) {
		*data = s->pData;
		*n = s->ulLen;
	} else {
		return mech_bad_param("its structure is missing");
	}
	if (*data == NULL || *n == 0 || *n % block != 0 || *n > SECRET_MAX)
		return mech_bad_param("data in whole blocks");
	return CKR_OK;
}

static CK_RV
encrypt(const struct mech *row, const uint8_t *key, size_t key_len, const uint8_t *iv, const uint8_t *in, size_t n,
	uint8_t *out)
{
	EVP_CIPHER *c;
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	uint8_t des[DES_EDE_KEY];
	int len = 0;
	CK_RV rv = CKR_OK;

	c = EVP_CIPHER_fetch(NULL, cipher_name(row, key_len), NULL);
	if (!is_aes(row)) {
		des_expand(key, key_len, des);
		key = des;
	}
	if (c == NULL || ctx == NULL || EVP_EncryptInit_ex2(ctx, c, key, iv, NULL) != 1 ||
		EVP_CIPHER_CTX_set_padding(ctx, 0) != 1 || EVP_EncryptUpdate(ctx, out, &len, in, (int)n) != 1 ||
		(size_t)len != n)
		rv = mech_failed(CKR_FUNCTION_FAILED, "encryption of the data");
	EVP_CIPHER_CTX_free(ctx);
	EVP_CIPHER_free(c);
	wipe(des, sizeof(des));
	return rv;
}

static CK_RV
encrypt_data_derive(struct derivation *d)
{
	const uint8_t *iv, *data = NULL, *base;
	struct bytes b = {0};
	size_t n = 0, base_len, len;
	CK_RV rv;

	if ((rv = read_param(d, &iv, &data, &n)) != CKR_OK || (rv = derive_base(d, &base, &base_len)) != CKR_OK)
		return rv;
	if ((rv = bytes_reserve(&b, n)) == CKR_OK &&
		(rv = encrypt(d->row, base, base_len, iv, data, n, b.data)) == CKR_OK &&
		(rv = derive_length(&d->keys[0], n, &len)) == CKR_OK)
		rv = derive_put(&d->keys[0], b.data, len);
	bytes_free(&b);
	return rv;
}

static const struct mech_family family_encrypt_data = {.there = encrypt_data_there, .derive = encrypt_data_derive};

#define DATA(type, min, max, keys, variant) \
	{type, CKF_DERIVE, min, max, keys, NULL, variant, &family_encrypt_data, MECH_COMPAT}
#define DES3_KEYS KEYS2(CKK_DES2, CKK_DES3)
#define AES_KEY KEYS1(CKK_AES)
static const struct mech rows[] = {
	DATA(CKM_DES3_ECB_ENCRYPT_DATA, 16, 24, DES3_KEYS, DATA_DES_ECB),
	DATA(CKM_DES3_CBC_ENCRYPT_DATA, 16, 24, DES3_KEYS, DATA_DES_CBC),
	DATA(CKM_AES_ECB_ENCRYPT_DATA, 16, 32, AES_KEY, DATA_AES_ECB),
	DATA(CKM_AES_CBC_ENCRYPT_DATA, 16, 32, AES_KEY, DATA_AES_CBC),
};
const struct mech_rows mech_encrypt_data_rows = {MECH_ROWS(rows)};
