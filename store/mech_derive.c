/*
 * ECDH (PKCS#11 3.1 6.3.17 to 6.3.19): CKM_ECDH1_DERIVE and CKM_ECDH1_COFACTOR_DERIVE
 *
 * With CKD_NULL the secret is cut to the key's length by removing bytes from its leading end; with a KDF, ANSI
 * X9.63 makes exactly as many bytes as are asked for.
 */
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/kdf.h>

#include "key_material.h"
#include "mech_family.h"
#include "mech_variant.h"
#include "secret.h"
#include "why.h"

/* The other party's point, on the curve of our key. */
static CK_RV
read_peer(const struct key *k, const CK_ECDH1_DERIVE_PARAMS *p, EVP_PKEY **peer)
{
	const uint8_t *raw;
	size_t n;

	if (!key_ec_raw_point(k->curve, p->pPublicData, p->ulPublicDataLen, &raw, &n) ||
		key_ec_public(k->curve, raw, n, peer) != CKR_OK)
		return mech_bad_param("the public data is not a point of the key's curve");
	return CKR_OK;
}

static CK_RV
agree(const struct key *k, EVP_PKEY *peer, bool cofactor, struct bytes *z)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, k->pkey, NULL);
	size_t len = k->size;
	CK_RV rv;

	if ((rv = bytes_reserve(z, k->size)) != CKR_OK)
		goto out;
	/* fails for points of small order, whose secret would be no secret */
	if (ctx == NULL || EVP_PKEY_derive_init(ctx) != 1 ||
		(cofactor && EVP_PKEY_CTX_set_ecdh_cofactor_mode(ctx, 1) != 1) ||
		EVP_PKEY_derive_set_peer(ctx, peer) != 1 || EVP_PKEY_derive(ctx, z->data, &len) != 1)
		rv = mech_failed(CKR_MECHANISM_PARAM_INVALID, "ECDH");
	else
		z->len = len;
out:
	EVP_PKEY_CTX_free(ctx);
	return rv;
}

static CK_RV
x963(const struct hash *h, const struct bytes *z, const CK_ECDH1_DERIVE_PARAMS *p, uint8_t *out, size_t len)
{
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, "X963KDF", NULL);
	EVP_KDF_CTX *ctx = kdf != NULL ? EVP_KDF_CTX_new(kdf) : NULL;
	OSSL_PARAM params[4], *q = params;
	CK_RV rv = CKR_OK;

	*q++ = OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)h->name, 0);
	*q++ = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, z->data, z->len);
	if (p->ulSharedDataLen > 0)
		*q++ = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, p->pSharedData, p->ulSharedDataLen);
	*q = OSSL_PARAM_construct_end();
	if (ctx == NULL || EVP_KDF_derive(ctx, out, len, params) != 1)
		rv = mech_failed(CKR_FUNCTION_FAILED, "X9.63 KDF");
	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(kdf);
	return rv;
}

/* How many bytes the new key has: what the template says, else what the key type leaves no choice about, else
 * the whole secret. 0: cannot be known. */
static size_t
wanted_length(const struct attrs *key, size_t secret, bool kdf)
{
	CK_KEY_TYPE type = attrs_ulong(key, CKA_KEY_TYPE, CKK_GENERIC_SECRET);

	if (attrs_has(key, CKA_VALUE_LEN))
		return attrs_ulong(key, CKA_VALUE_LEN, 0);
	if (type == CKK_DES)
		return 8;
	if (type == CKK_DES2)
		return 16;
	if (type == CKK_DES3)
		return 24;
	return !kdf && secret_fits(type, secret) ? secret : 0;
}

static CK_RV
put_derived(const struct bytes *z, const struct hash *h, const CK_ECDH1_DERIVE_PARAMS *p, struct attrs *key)
{
	CK_KEY_TYPE type = attrs_ulong(key, CKA_KEY_TYPE, CKK_GENERIC_SECRET);
	size_t len = wanted_length(key, z->len, h != NULL);
	struct bytes made = {0};
	CK_RV rv;

	if (len == 0 && !attrs_has(key, CKA_VALUE_LEN))
		return why(CKR_TEMPLATE_INCOMPLETE, "CKA_VALUE_LEN is missing");
	if (!secret_fits(type, len) || (h == NULL && len > z->len))
		return why(CKR_ATTRIBUTE_VALUE_INVALID, "%zu bytes cannot be derived for this key type", len);
	if (h == NULL)
		return secret_put(key, z->data + z->len - len, len);
	if ((rv = bytes_reserve(&made, len)) == CKR_OK && (rv = x963(h, z, p, made.data, len)) == CKR_OK)
		rv = secret_put(key, made.data, len);
	bytes_free(&made);
	return rv;
}

static CK_RV
check_params(const CK_ECDH1_DERIVE_PARAMS *p, const struct hash **h)
{
	*h = NULL;
	if (p == NULL)
		return mech_bad_param("CK_ECDH1_DERIVE_PARAMS is missing");
	if (p->kdf != CKD_NULL)
		*h = hash_of_kdf(p->kdf);
	if (p->kdf != CKD_NULL && *h == NULL)
		return mech_bad_param("the key derivation function is not supported");
	if ((p->pSharedData == NULL || p->kdf == CKD_NULL) && p->ulSharedDataLen != 0)
		return mech_bad_param("shared data without a key derivation function, or none where a length is");
	return CKR_OK;
}

static CK_RV
ecdh_derive(const CK_MECHANISM *m, const struct mech *row, struct object *base, struct attrs *key)
{
	const CK_ECDH1_DERIVE_PARAMS *p = mech_param(m, sizeof(*p));
	const struct hash *h;
	EVP_PKEY *peer = NULL;
	struct bytes z = {0};
	struct key *k;
	CK_RV rv;

	if ((rv = check_params(p, &h)) != CKR_OK || (rv = key_get(base, &k)) != CKR_OK)
		return rv;
	if ((k->type != row->keys[0] && k->type != row->keys[1]) || !k->private)
		return CKR_KEY_TYPE_INCONSISTENT;
	if (attrs_ulong(key, CKA_CLASS, CKO_SECRET_KEY) != CKO_SECRET_KEY)
		return CKR_TEMPLATE_INCONSISTENT;
	if ((rv = read_peer(k, p, &peer)) == CKR_OK &&
		(rv = agree(k, peer, row->variant == ECDH_COFACTOR, &z)) == CKR_OK)
		rv = put_derived(&z, h, p, key);
	bytes_free(&z);
	EVP_PKEY_free(peer);
	return rv;
}

const struct mech_family family_ecdh = {.bits = true, .derive = ecdh_derive};

static const struct mech rows[] = {
	{CKM_ECDH1_DERIVE, CKF_DERIVE | CURVES, 224, 521, KEYS2(CKK_EC, CKK_EC_MONTGOMERY), NULL, ECDH_PLAIN,
		&family_ecdh},
	{CKM_ECDH1_COFACTOR_DERIVE, CKF_DERIVE | CURVES, 224, 521, KEYS1(CKK_EC), NULL, ECDH_COFACTOR, &family_ecdh},
};
const struct mech_rows mech_derive_rows = {MECH_ROWS(rows)};
