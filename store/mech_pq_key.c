/* Key pairs of ML-KEM, ML-DSA and SLH-DSA (PKCS#11 3.2): CKA_PARAMETER_SET of the public template says which. */
#include "key_material.h"
#include "mech_family.h"
#include "why.h"

static CK_RV
pq_generate_pair(const CK_MECHANISM *m, const struct mech *row, struct attrs *pub, struct attrs *priv, struct cancel *c)
{
	const struct key_pq_set *set;
	EVP_PKEY_CTX *ctx;
	EVP_PKEY *pkey = NULL;
	CK_RV rv;

	if (!mech_no_param(m))
		return mech_bad_param("key generation takes none");
	if (!attrs_has(pub, CKA_PARAMETER_SET))
		return why(CKR_TEMPLATE_INCOMPLETE, "CKA_PARAMETER_SET is missing");
	if ((set = key_pq_find(row->keys[0], attrs_ulong(pub, CKA_PARAMETER_SET, 0))) == NULL)
		return why(CKR_PARAMETER_SET_NOT_SUPPORTED, "CKA_PARAMETER_SET names no set of this algorithm");
	if (attrs_ulong(priv, CKA_PARAMETER_SET, set->set) != set->set)
		return why(CKR_TEMPLATE_INCONSISTENT, "the two templates differ in CKA_PARAMETER_SET");
	ctx = EVP_PKEY_CTX_new_from_name(NULL, set->name, NULL);
	if (ctx == NULL || EVP_PKEY_keygen_init(ctx) != 1)
		rv = mech_failed(CKR_FUNCTION_FAILED, set->name);
	else
		rv = mech_make_slowly(ctx, c, set->name, &pkey);
	if (rv == CKR_OK)
		rv = key_put_pair(pub, priv, pkey);
	EVP_PKEY_free(pkey);
	EVP_PKEY_CTX_free(ctx);
	return rv;
}

bool
pq_there(const struct mech *row)
{
	return key_pq_there(row->keys[0]);
}

const struct mech_family family_pq_key = {.there = pq_there, .generate_pair = pq_generate_pair};

static const struct mech rows[] = {
	{CKM_ML_KEM_KEY_PAIR_GEN, CKF_GENERATE_KEY_PAIR, ML_KEM_KEYS, NULL, 0, &family_pq_key},
	{CKM_ML_DSA_KEY_PAIR_GEN, CKF_GENERATE_KEY_PAIR, ML_DSA_KEYS, NULL, 0, &family_pq_key},
	{CKM_SLH_DSA_KEY_PAIR_GEN, CKF_GENERATE_KEY_PAIR, SLH_DSA_KEYS, NULL, 0, &family_pq_key},
};
const struct mech_rows mech_pq_key_rows = {MECH_ROWS(rows)};
