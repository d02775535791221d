/*
 * ECDH (PKCS#11 3.1 6.3.17 to 6.3.19): CKM_ECDH1_DERIVE and CKM_ECDH1_COFACTOR_DERIVE
 *
 * With CKD_NULL the secret is cut to the key's length by removing bytes from its leading end; with a KDF, ANSI
 * X9.63 or SP 800-56C makes exactly as many bytes as are asked for. MQV is not here: OpenSSL has none.
 */
#include "mech_ecdh.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/kdf.h>

#include "key_material.h"
#include "mech_variant.h"
#include "secret.h"
#include "why.h"

/* OpenSSL's name of the function and its hash; false: there is none, or not in this OpenSSL. */
static bool
find_kdf(CK_ULONG kdf, const char **name, const struct hash **h)
{
	*name = "X963KDF";
	*h = hash_of_kdf(kdf);
	if (*h == NULL) {
		*name = "SSKDF";
		*h = hash_of_kdf_sp800(kdf);
	}
	return hash_md(*h) != NULL;
}

CK_RV
ecdh_check_kdf(CK_ULONG kdf, const uint8_t *shared, size_t shared_len)
{
	const struct hash *h;
	const char *name;

	if (kdf != CKD_NULL && !find_kdf(kdf, &name, &h))
		return mech_bad_param("the key derivation function is not supported");
	if ((shared == NULL || kdf == CKD_NULL) && shared_len != 0)
		return mech_bad_param("shared data without a key derivation function, or none where a length is");
	return CKR_OK;
}

CK_RV
ecdh_kdf(CK_ULONG kdf, const struct bytes *z, const uint8_t *shared, size_t shared_len, uint8_t *out, size_t len)
{
	OSSL_PARAM params[4], *q = params;
	EVP_KDF_CTX *ctx = NULL;
	EVP_KDF *f = NULL;
	const struct hash *h;
	const char *name;
	CK_RV rv = CKR_OK;

	if (!find_kdf(kdf, &name, &h) || (f = EVP_KDF_fetch(NULL, name, NULL)) == NULL ||
		(ctx = EVP_KDF_CTX_new(f)) == NULL) {
		rv = mech_failed(CKR_FUNCTION_FAILED, "key derivation function");
		goto out;
	}
	*q++ = OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)h->name, 0);
	*q++ = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, z->data, z->len);
	if (shared_len > 0)
		*q++ = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (void *)shared, shared_len);
	*q = OSSL_PARAM_construct_end();
	if (EVP_KDF_derive(ctx, out, len, params) != 1)
		rv = mech_failed(CKR_FUNCTION_FAILED, name);
out:
	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(f);
	return rv;
}

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

static int
with_cofactor(EVP_PKEY_CTX *ctx)
{
	return EVP_PKEY_CTX_set_ecdh_cofactor_mode(ctx, 1);
}

CK_RV
ecdh_agree(const struct key *k, EVP_PKEY *peer, bool cofactor, struct bytes *z)
{
	return derive_agree(k, peer, cofactor ? with_cofactor : NULL, "ECDH", z);
}

static CK_RV
put_stretched(const struct bytes *z, const CK_ECDH1_DERIVE_PARAMS *p, struct derived *key)
{
	struct bytes made = {0};
	size_t len;
	CK_RV rv;

	if (!attrs_has(&key->set, CKA_VALUE_LEN) &&
		secret_length_of(attrs_ulong(&key->set, CKA_KEY_TYPE, CKK_GENERIC_SECRET)) == 0)
		return why(CKR_TEMPLATE_INCOMPLETE, "CKA_VALUE_LEN is missing");
	if ((rv = derive_length(key, SECRET_MAX, &len)) == CKR_OK && (rv = bytes_reserve(&made, len)) == CKR_OK &&
		(rv = ecdh_kdf(p->kdf, z, p->pSharedData, p->ulSharedDataLen, made.data, len)) == CKR_OK)
		rv = derive_put(key, made.data, len);
	bytes_free(&made);
	return rv;
}

static CK_RV
ecdh_derive(struct derivation *d)
{
	const CK_ECDH1_DERIVE_PARAMS *p = mech_param(d->mech, sizeof(*p));
	EVP_PKEY *peer = NULL;
	struct bytes z = {0};
	struct key *k;
	CK_RV rv;

	if (p == NULL)
		return mech_bad_param("CK_ECDH1_DERIVE_PARAMS is missing");
	if ((rv = ecdh_check_kdf(p->kdf, p->pSharedData, p->ulSharedDataLen)) != CKR_OK ||
		(rv = key_get(d->base, &k)) != CKR_OK)
		return rv;
	if ((k->type != d->row->keys[0] && k->type != d->row->keys[1]) || !k->private)
		return CKR_KEY_TYPE_INCONSISTENT;
	if ((rv = read_peer(k, p, &peer)) == CKR_OK &&
		(rv = ecdh_agree(k, peer, d->row->variant == ECDH_COFACTOR, &z)) == CKR_OK)
		rv = p->kdf == CKD_NULL ? derive_put_end(&d->keys[0], &z) : put_stretched(&z, p, &d->keys[0]);
	bytes_free(&z);
	EVP_PKEY_free(peer);
	return rv;
}

const struct mech_family family_ecdh = {.bits = true, .plan = derive_agreed, .derive = ecdh_derive,
	.encapsulate = ecdh_encapsulate, .decapsulate = ecdh_decapsulate};

static const struct mech rows[] = {
	{CKM_ECDH1_DERIVE, CKF_DERIVE | KEM | CURVES, 224, 521, KEYS2(CKK_EC, CKK_EC_MONTGOMERY), NULL, ECDH_PLAIN,
		&family_ecdh},
	{CKM_ECDH1_COFACTOR_DERIVE, CKF_DERIVE | KEM | CURVES, 224, 521, KEYS1(CKK_EC), NULL, ECDH_COFACTOR, &family_ecdh},
};
const struct mech_rows mech_ecdh_rows = {MECH_ROWS(rows)};
