/*
 * CKM_RSA_AES_KEY_WRAP (PKCS#11 3.1 6.1.22): a temporary AES key by RSA-OAEP, then the target under it by RFC 5649
 *
 * The blob is the one after the other; the first is as long as the modulus.
 */
#include <openssl/rand.h>

#include "mech_kwp.h"
#include "why.h"

#define AES_MAX 32

static CK_RV
read_param(const CK_MECHANISM *m, CK_MECHANISM *oaep, size_t *key_len)
{
	const CK_RSA_AES_KEY_WRAP_PARAMS *p = mech_param(m, sizeof(*p));

	if (p == NULL || p->pOAEPParams == NULL || !kwp_key_bits(p->ulAESKeyBits))
		return mech_bad_param("CK_RSA_AES_KEY_WRAP_PARAMS with 128, 192 or 256 bits");
	*key_len = p->ulAESKeyBits / 8;
	*oaep = (CK_MECHANISM){CKM_RSA_PKCS_OAEP, p->pOAEPParams, sizeof(*p->pOAEPParams)};
	return CKR_OK;
}

static CK_RV
rsa_size(struct object *o, size_t *size)
{
	struct key *k;
	CK_RV rv = key_get(o, &k);

	if (rv == CKR_OK && k->type != CKK_RSA)
		rv = CKR_KEY_TYPE_INCONSISTENT;
	*size = rv == CKR_OK ? k->size : 0;
	return rv;
}

static CK_RV
rsa_aes_wrap(const CK_MECHANISM *m, const struct mech *row, struct object *wrapping, const uint8_t *in, size_t n,
	uint8_t *out, size_t *out_len)
{
	size_t key_len, first, second, room = *out_len;
	uint8_t key[AES_MAX] = {0};
	CK_MECHANISM oaep;
	CK_RV rv;

	(void)row;
	if ((rv = read_param(m, &oaep, &key_len)) != CKR_OK || (rv = rsa_size(wrapping, &first)) != CKR_OK)
		return rv;
	*out_len = first + kwp_size(n);
	if (out != NULL && room < *out_len)
		return CKR_BUFFER_TOO_SMALL;
	if (out == NULL) /* still says whether OAEP takes the parameter and the key */
		return op_run(OP_ENCRYPT, &oaep, wrapping, key, key_len, NULL, &first);
	if (RAND_priv_bytes(key, (int)key_len) != 1)
		rv = mech_failed(CKR_FUNCTION_FAILED, "random numbers");
	if (rv == CKR_OK && (rv = op_run(OP_ENCRYPT, &oaep, wrapping, key, key_len, out, &first)) == CKR_OK)
		rv = kwp(true, key, key_len, in, n, out + first, &second);
	wipe(key, sizeof(key));
	return rv;
}

static CK_RV
rsa_aes_unwrap(const CK_MECHANISM *m, const struct mech *row, struct object *unwrapping, const uint8_t *in, size_t n,
	uint8_t *out, size_t *out_len)
{
	size_t key_len, first, got;
	struct bytes key = {0};
	CK_MECHANISM oaep;
	CK_RV rv;

	(void)row;
	if ((rv = read_param(m, &oaep, &key_len)) != CKR_OK || (rv = rsa_size(unwrapping, &first)) != CKR_OK ||
		(rv = bytes_reserve(&key, first)) != CKR_OK)
		return rv;
	got = first;
	if (n <= first)
		rv = why(CKR_ENCRYPTED_DATA_INVALID, "too short for this key");
	if (rv == CKR_OK && (rv = op_run(OP_DECRYPT, &oaep, unwrapping, in, first, key.data, &got)) == CKR_OK)
		rv = got == key_len ? kwp(false, key.data, key_len, in + first, n - first, out, out_len) :
			why(CKR_ENCRYPTED_DATA_INVALID, "the temporary key has another length");
	bytes_free(&key);
	return rv;
}

static const struct mech_family family_rsa_aes_wrap = {.bits = true, .wrap = rsa_aes_wrap, .unwrap = rsa_aes_unwrap};

static const struct mech rows[] = {
	{CKM_RSA_AES_KEY_WRAP, WRAP, 1024, 16384, KEYS1(CKK_RSA), NULL, 0, &family_rsa_aes_wrap},
};
const struct mech_rows mech_rsa_aes_wrap_rows = {MECH_ROWS(rows)};
