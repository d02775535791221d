/*
 * CKM_ML_KEM (PKCS#11 3.2; FIPS 203): a secret of 32 bytes and the ciphertext that carries it
 *
 * A ciphertext that was tampered with gives another secret, never an error: FIPS 203 rejects implicitly. The
 * secret becomes the key whole; a template that wants another length is refused, not served with a part of it.
 */
#include "key_material.h"
#include "mech_family.h"
#include "secret.h"
#include "why.h"

#define SECRET_LEN 32

static CK_RV
kem_key(struct object *o, const struct mech *row, bool private, struct key **k)
{
	CK_RV rv = key_get(o, k);

	if (rv == CKR_OK && ((*k)->type != row->keys[0] || (*k)->private != private))
		rv = CKR_KEY_TYPE_INCONSISTENT;
	return rv;
}

static CK_RV
ml_kem_encapsulate(const CK_MECHANISM *m, const struct mech *row, struct object *pub, uint8_t *out, size_t *out_len,
	struct attrs *key)
{
	uint8_t *secret = NULL;
	size_t len = SECRET_LEN;
	EVP_PKEY_CTX *ctx = NULL;
	struct key *k;
	CK_RV rv;

	if (!mech_no_param(m))
		return mech_bad_param("ML-KEM takes none");
	if ((rv = kem_key(pub, row, false, &k)) != CKR_OK)
		return rv;
	*out_len = k->set->out;
	if (out == NULL)
		return CKR_OK;
	if ((secret = secret_alloc(SECRET_LEN)) == NULL)
		return CKR_HOST_MEMORY;
	ctx = EVP_PKEY_CTX_new_from_pkey(NULL, k->pkey, NULL);
	if (ctx == NULL || EVP_PKEY_encapsulate_init(ctx, NULL) != 1 ||
		EVP_PKEY_encapsulate(ctx, out, out_len, secret, &len) != 1 || len != SECRET_LEN)
		rv = mech_failed(CKR_FUNCTION_FAILED, k->set->name);
	else
		rv = secret_put(key, secret, len);
	EVP_PKEY_CTX_free(ctx);
	secret_free(secret);
	return rv;
}

static CK_RV
ml_kem_decapsulate(const CK_MECHANISM *m, const struct mech *row, struct object *priv, const uint8_t *in, size_t n,
	struct attrs *key)
{
	uint8_t *secret = NULL;
	size_t len = SECRET_LEN;
	EVP_PKEY_CTX *ctx = NULL;
	struct key *k;
	CK_RV rv;

	if (!mech_no_param(m))
		return mech_bad_param("ML-KEM takes none");
	if ((rv = kem_key(priv, row, true, &k)) != CKR_OK)
		return rv;
	if (n != k->set->out)
		return why(CKR_WRAPPED_KEY_LEN_RANGE, "%zu bytes of ciphertext; %s has %zu", n, k->set->name, k->set->out);
	if ((secret = secret_alloc(SECRET_LEN)) == NULL)
		return CKR_HOST_MEMORY;
	ctx = EVP_PKEY_CTX_new_from_pkey(NULL, k->pkey, NULL);
	if (ctx == NULL || EVP_PKEY_decapsulate_init(ctx, NULL) != 1 ||
		EVP_PKEY_decapsulate(ctx, secret, &len, in, n) != 1 || len != SECRET_LEN)
		rv = mech_failed(CKR_FUNCTION_FAILED, k->set->name);
	else
		rv = secret_put(key, secret, len);
	EVP_PKEY_CTX_free(ctx);
	secret_free(secret);
	return rv;
}

const struct mech_family family_ml_kem = {
	.there = pq_there,
	.encapsulate = ml_kem_encapsulate,
	.decapsulate = ml_kem_decapsulate,
};

static const struct mech rows[] = {
	{CKM_ML_KEM, KEM, ML_KEM_KEYS, NULL, 0, &family_ml_kem},
};
const struct mech_rows mech_ml_kem_rows = {MECH_ROWS(rows)};
