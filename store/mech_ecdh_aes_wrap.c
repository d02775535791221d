/*
 * CKM_ECDH_AES_KEY_WRAP (PKCS#11 3.1 6.3.20, 3.2 6.3.21 and 6.3.22): a temporary AES key agreed upon between a temporary
 * key pair and the wrapping key, then the target under it by RFC 5649
 *
 * The blob is the temporary public key and the wrapped target. CKM_ECDH_COF_AES_KEY_WRAP has the point as a DER octet
 * string, the others raw, as long as the points of the curve are.
 */
#include <string.h>

#include "der.h"
#include "key_material.h"
#include "mech_ecdh.h"
#include "mech_kwp.h"
#include "mech_variant.h"
#include "why.h"

#define AES_MAX 32

static CK_RV
read_param(const CK_MECHANISM *m, const CK_ECDH_AES_KEY_WRAP_PARAMS **param)
{
	const CK_ECDH_AES_KEY_WRAP_PARAMS *p = mech_param(m, sizeof(*p));

	if (p == NULL || !kwp_key_bits(p->ulAESKeyBits))
		return mech_bad_param("CK_ECDH_AES_KEY_WRAP_PARAMS with 128, 192 or 256 bits");
	*param = p;
	return ecdh_check_kdf(p->kdf, p->pSharedData, p->ulSharedDataLen);
}

static CK_RV
get_key(const struct mech *row, const CK_ECDH_AES_KEY_WRAP_PARAMS *p, struct object *o, struct key **k)
{
	CK_RV rv = key_get(o, k);

	if (rv == CKR_OK && (*k)->type != row->keys[0] && (*k)->type != row->keys[1])
		rv = CKR_KEY_TYPE_INCONSISTENT;
	if (rv == CKR_OK && p->kdf == CKD_NULL && (*k)->curve->bytes < p->ulAESKeyBits / 8)
		rv = mech_bad_param("the curve is too small for an AES key of this length without a key derivation function");
	return rv;
}

/* The length of the temporary public key in the blob. */
static size_t
point_size(const struct mech *row, const struct curve *c)
{
	return row->variant == WRAP_ECDH_COFACTOR ? der_size(c->point) : c->point;
}

/* The AES key from our private and their public key: the first bytes of what was agreed on. */
static CK_RV
agree(const struct mech *row, const CK_ECDH_AES_KEY_WRAP_PARAMS *p, const struct key *mine, EVP_PKEY *theirs,
	uint8_t key[AES_MAX])
{
	size_t len = p->ulAESKeyBits / 8;
	struct bytes z = {0};
	CK_RV rv = ecdh_agree(mine, theirs, row->variant == WRAP_ECDH_COFACTOR, &z);

	if (rv == CKR_OK && p->kdf != CKD_NULL)
		rv = ecdh_kdf(p->kdf, &z, p->pSharedData, p->ulSharedDataLen, key, len);
	else if (rv == CKR_OK)
		memcpy(key, z.data, len);
	bytes_free(&z);
	return rv;
}

static CK_RV
put_point(const struct mech *row, const struct curve *c, EVP_PKEY *pkey, uint8_t *out)
{
	size_t len = c->point;

	if (row->variant == WRAP_ECDH_COFACTOR)
		out += der_put_header(out, DER_OCTET_STRING, c->point);
	return key_ec_point(pkey, c, out, &len);
}

static CK_RV
ecdh_aes_wrap(const CK_MECHANISM *m, const struct mech *row, struct object *wrapping, const uint8_t *in, size_t n,
	uint8_t *out, size_t *out_len)
{
	const CK_ECDH_AES_KEY_WRAP_PARAMS *p;
	struct key *k, temporary = {0};
	uint8_t key[AES_MAX];
	size_t first, second, room = *out_len;
	CK_RV rv;

	if ((rv = read_param(m, &p)) != CKR_OK || (rv = get_key(row, p, wrapping, &k)) != CKR_OK)
		return rv;
	first = point_size(row, k->curve);
	*out_len = first + kwp_size(n);
	if (out == NULL)
		return CKR_OK;
	if (room < *out_len)
		return CKR_BUFFER_TOO_SMALL;
	temporary.size = k->size;
	if ((rv = ec_make(k->curve, &temporary.pkey)) == CKR_OK &&
		(rv = agree(row, p, &temporary, k->pkey, key)) == CKR_OK &&
		(rv = put_point(row, k->curve, temporary.pkey, out)) == CKR_OK)
		rv = kwp(true, key, p->ulAESKeyBits / 8, in, n, out + first, &second);
	EVP_PKEY_free(temporary.pkey);
	wipe(key, sizeof(key));
	return rv;
}

static CK_RV
ecdh_aes_unwrap(const CK_MECHANISM *m, const struct mech *row, struct object *unwrapping, const uint8_t *in, size_t n,
	uint8_t *out, size_t *out_len)
{
	const CK_ECDH_AES_KEY_WRAP_PARAMS *p;
	EVP_PKEY *theirs = NULL;
	const uint8_t *raw;
	uint8_t key[AES_MAX];
	size_t first, raw_len;
	struct key *k;
	CK_RV rv;

	if ((rv = read_param(m, &p)) != CKR_OK || (rv = get_key(row, p, unwrapping, &k)) != CKR_OK)
		return rv;
	if (!k->private)
		return CKR_KEY_TYPE_INCONSISTENT;
	first = point_size(row, k->curve);
	if (n <= first || !key_ec_raw_point(k->curve, in, first, &raw, &raw_len) ||
		key_ec_public(k->curve, raw, raw_len, &theirs) != CKR_OK)
		return why(CKR_ENCRYPTED_DATA_INVALID, "does not begin with a point of the key's curve");
	rv = agree(row, p, k, theirs, key);
	if (rv == CKR_MECHANISM_PARAM_INVALID)
		rv = CKR_ENCRYPTED_DATA_INVALID; /* the point was no good */
	if (rv == CKR_OK)
		rv = kwp(false, key, p->ulAESKeyBits / 8, in + first, n - first, out, out_len);
	EVP_PKEY_free(theirs);
	wipe(key, sizeof(key));
	return rv;
}

static const struct mech_family family_ecdh_aes_wrap = {.bits = true, .wrap = ecdh_aes_wrap, .unwrap = ecdh_aes_unwrap};

static const struct mech rows[] = {
	{CKM_ECDH_AES_KEY_WRAP, WRAP | CURVES, 224, 521, KEYS2(CKK_EC, CKK_EC_MONTGOMERY), NULL, WRAP_ECDH,
		&family_ecdh_aes_wrap},
	{CKM_ECDH_X_AES_KEY_WRAP, WRAP | NAMED, 255, 448, KEYS1(CKK_EC_MONTGOMERY), NULL, WRAP_ECDH,
		&family_ecdh_aes_wrap},
	{CKM_ECDH_COF_AES_KEY_WRAP, WRAP | CURVES, 224, 521, KEYS1(CKK_EC), NULL, WRAP_ECDH_COFACTOR,
		&family_ecdh_aes_wrap},
};
const struct mech_rows mech_ecdh_aes_wrap_rows = {MECH_ROWS(rows)};
