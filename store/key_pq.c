/*
 * Keys of ML-KEM, ML-DSA and SLH-DSA (PKCS#11 3.2; FIPS 203, 204, 205)
 *
 * CKA_PARAMETER_SET with CKA_VALUE, the encoded key of the FIPS; private keys of the two lattice schemes may have
 * their CKA_SEED beside it, or instead when they are created. OpenSSL is asked by name, so that the same build
 * works with a library that lacks them.
 */
#include "key_material.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <string.h>

#include "../pkcs11/buf.h"
#include "mech_family.h"
#include "secret.h"
#include "why.h"

#define PARAM_SEED "seed"
#define SEED_MAX 64

/* Sizes: FIPS 203 table 3, FIPS 204 table 2, FIPS 205 table 2. */
static const struct key_pq_set sets[] = {
	{CKK_ML_KEM, CKP_ML_KEM_512, "ML-KEM-512", 800, 1632, 64, 768},
	{CKK_ML_KEM, CKP_ML_KEM_768, "ML-KEM-768", 1184, 2400, 64, 1088},
	{CKK_ML_KEM, CKP_ML_KEM_1024, "ML-KEM-1024", 1568, 3168, 64, 1568},
	{CKK_ML_DSA, CKP_ML_DSA_44, "ML-DSA-44", 1312, 2560, 32, 2420},
	{CKK_ML_DSA, CKP_ML_DSA_65, "ML-DSA-65", 1952, 4032, 32, 3309},
	{CKK_ML_DSA, CKP_ML_DSA_87, "ML-DSA-87", 2592, 4896, 32, 4627},
	{CKK_SLH_DSA, CKP_SLH_DSA_SHA2_128S, "SLH-DSA-SHA2-128s", 32, 64, 0, 7856},
	{CKK_SLH_DSA, CKP_SLH_DSA_SHAKE_128S, "SLH-DSA-SHAKE-128s", 32, 64, 0, 7856},
	{CKK_SLH_DSA, CKP_SLH_DSA_SHA2_128F, "SLH-DSA-SHA2-128f", 32, 64, 0, 17088},
	{CKK_SLH_DSA, CKP_SLH_DSA_SHAKE_128F, "SLH-DSA-SHAKE-128f", 32, 64, 0, 17088},
	{CKK_SLH_DSA, CKP_SLH_DSA_SHA2_192S, "SLH-DSA-SHA2-192s", 48, 96, 0, 16224},
	{CKK_SLH_DSA, CKP_SLH_DSA_SHAKE_192S, "SLH-DSA-SHAKE-192s", 48, 96, 0, 16224},
	{CKK_SLH_DSA, CKP_SLH_DSA_SHA2_192F, "SLH-DSA-SHA2-192f", 48, 96, 0, 35664},
	{CKK_SLH_DSA, CKP_SLH_DSA_SHAKE_192F, "SLH-DSA-SHAKE-192f", 48, 96, 0, 35664},
	{CKK_SLH_DSA, CKP_SLH_DSA_SHA2_256S, "SLH-DSA-SHA2-256s", 64, 128, 0, 29792},
	{CKK_SLH_DSA, CKP_SLH_DSA_SHAKE_256S, "SLH-DSA-SHAKE-256s", 64, 128, 0, 29792},
	{CKK_SLH_DSA, CKP_SLH_DSA_SHA2_256F, "SLH-DSA-SHA2-256f", 64, 128, 0, 49856},
	{CKK_SLH_DSA, CKP_SLH_DSA_SHAKE_256F, "SLH-DSA-SHAKE-256f", 64, 128, 0, 49856},
};
#define SETS (sizeof(sets) / sizeof(sets[0]))

const struct key_pq_set *
key_pq_find(CK_KEY_TYPE type, CK_ULONG set)
{
	for (size_t i = 0; i < SETS; i++)
		if (sets[i].type == type && sets[i].set == set)
			return &sets[i];
	return NULL;
}

static const struct key_pq_set *
set_of(EVP_PKEY *pkey)
{
	for (size_t i = 0; i < SETS; i++)
		if (EVP_PKEY_is_a(pkey, sets[i].name))
			return &sets[i];
	return NULL;
}

bool
key_pq_there(CK_KEY_TYPE type)
{
	EVP_KEYMGMT *found;

	for (size_t i = 0; i < SETS; i++) {
		if (sets[i].type != type)
			continue;
		found = EVP_KEYMGMT_fetch(NULL, sets[i].name, NULL);
		ERR_clear_error();
		EVP_KEYMGMT_free(found);
		return found != NULL;
	}
	return false;
}

static CK_RV
read_set(const struct attrs *a, CK_KEY_TYPE type, const struct key_pq_set **set)
{
	if (!attrs_has(a, CKA_PARAMETER_SET))
		return why(CKR_TEMPLATE_INCOMPLETE, "CKA_PARAMETER_SET is missing");
	*set = key_pq_find(type, attrs_ulong(a, CKA_PARAMETER_SET, 0));
	if (*set == NULL || !key_pq_there(type))
		return why(CKR_PARAMETER_SET_NOT_SUPPORTED, "CKA_PARAMETER_SET is not supported");
	return CKR_OK;
}

static const struct attr *
filled(const struct attrs *a, CK_ATTRIBUTE_TYPE type)
{
	const struct attr *x = attrs_get(a, type);

	return x != NULL && x->len > 0 ? x : NULL;
}

/* The pair that the seed grows to. */
static CK_RV
from_seed(const struct key_pq_set *set, const struct attr *seed, EVP_PKEY **pkey)
{
	OSSL_PARAM params[2] = {
		OSSL_PARAM_construct_octet_string(PARAM_SEED, seed->value, seed->len),
		OSSL_PARAM_construct_end(),
	};
	EVP_PKEY_CTX *ctx;
	CK_RV rv = CKR_OK;

	if (seed->len != set->seed)
		return why(CKR_ATTRIBUTE_VALUE_INVALID, "CKA_SEED has %zu bytes; %s wants %zu", seed->len, set->name,
			set->seed);
	ctx = EVP_PKEY_CTX_new_from_name(NULL, set->name, NULL);
	if (ctx == NULL || EVP_PKEY_fromdata_init(ctx) != 1 ||
		EVP_PKEY_fromdata(ctx, pkey, EVP_PKEY_KEYPAIR, params) != 1)
		rv = mech_failed(CKR_ATTRIBUTE_VALUE_INVALID, set->name);
	EVP_PKEY_CTX_free(ctx);
	return rv;
}

/* Does the key have these private bytes? */
static CK_RV
compare(EVP_PKEY *pkey, const struct key_pq_set *set, const struct attr *value)
{
	size_t n = set->priv;
	uint8_t *raw = secret_alloc(n);
	CK_RV rv = CKR_OK;

	if (raw == NULL)
		return CKR_HOST_MEMORY;
	if (EVP_PKEY_get_raw_private_key(pkey, raw, &n) != 1)
		rv = mech_failed(CKR_FUNCTION_FAILED, set->name);
	else if (value->len != n || !equal_ct(raw, value->value, n))
		rv = why(CKR_ATTRIBUTE_VALUE_INVALID, "CKA_SEED and CKA_VALUE are of different keys");
	secret_free(raw);
	return rv;
}

static CK_RV
private_pkey(const struct attrs *a, const struct key_pq_set *set, EVP_PKEY **pkey)
{
	const struct attr *value = filled(a, CKA_VALUE), *seed = filled(a, CKA_SEED);
	CK_RV rv;

	if (seed != NULL) {
		rv = from_seed(set, seed, pkey);
		return rv == CKR_OK && value != NULL ? compare(*pkey, set, value) : rv;
	}
	if (value == NULL)
		return why(CKR_TEMPLATE_INCOMPLETE, "CKA_VALUE is missing");
	if (value->len != set->priv)
		return why(CKR_ATTRIBUTE_VALUE_INVALID, "CKA_VALUE has %zu bytes; %s wants %zu", value->len,
			set->name, set->priv);
	*pkey = EVP_PKEY_new_raw_private_key_ex(NULL, set->name, NULL, value->value, value->len);
	return *pkey != NULL ? CKR_OK : mech_failed(CKR_ATTRIBUTE_VALUE_INVALID, set->name);
}

static CK_RV
public_pkey(const struct attrs *a, const struct key_pq_set *set, EVP_PKEY **pkey)
{
	const struct attr *value = filled(a, CKA_VALUE);

	if (value == NULL)
		return why(CKR_TEMPLATE_INCOMPLETE, "CKA_VALUE is missing");
	if (value->len != set->pub)
		return why(CKR_ATTRIBUTE_VALUE_INVALID, "CKA_VALUE has %zu bytes; %s wants %zu", value->len,
			set->name, set->pub);
	*pkey = EVP_PKEY_new_raw_public_key_ex(NULL, set->name, NULL, value->value, value->len);
	return *pkey != NULL ? CKR_OK : mech_failed(CKR_ATTRIBUTE_VALUE_INVALID, set->name);
}

CK_RV
key_pq_parse(const struct attrs *a, bool private, struct key *k)
{
	CK_RV rv = read_set(a, k->type, &k->set);

	if (rv != CKR_OK)
		return rv;
	k->len = k->set->pub;
	k->bits = 8 * k->len;
	k->size = k->set->out;
	return private ? private_pkey(a, k->set, &k->pkey) : public_pkey(a, k->set, &k->pkey);
}

/* ---- the other way ---- */

static CK_RV
put_value(struct attrs *a, EVP_PKEY *pkey, const struct key_pq_set *set, bool private)
{
	size_t n = private ? set->priv : set->pub;
	uint8_t *raw = secret_alloc(n);
	int ok;
	CK_RV rv;

	if (raw == NULL)
		return CKR_HOST_MEMORY;
	ok = private ? EVP_PKEY_get_raw_private_key(pkey, raw, &n) : EVP_PKEY_get_raw_public_key(pkey, raw, &n);
	rv = ok == 1 ? attrs_set(a, CKA_VALUE, raw, n) : mech_failed(CKR_ATTRIBUTE_VALUE_INVALID, set->name);
	secret_free(raw);
	return rv;
}

/* Keys that came without their seed have none. */
static CK_RV
put_seed(struct attrs *a, EVP_PKEY *pkey, const struct key_pq_set *set)
{
	uint8_t seed[SEED_MAX];
	size_t n = 0;
	CK_RV rv = CKR_OK;

	if (set->seed != 0 &&
		EVP_PKEY_get_octet_string_param(pkey, PARAM_SEED, seed, sizeof(seed), &n) == 1 && n == set->seed)
		rv = attrs_set(a, CKA_SEED, seed, n);
	ERR_clear_error();
	wipe(seed, sizeof(seed));
	return rv;
}

CK_RV
key_pq_put(struct attrs *a, EVP_PKEY *pkey, bool private)
{
	const struct key_pq_set *set = set_of(pkey);
	CK_RV rv;

	if (set == NULL)
		return why(CKR_PARAMETER_SET_NOT_SUPPORTED, "the key's parameter set is not supported");
	if (attrs_ulong(a, CKA_PARAMETER_SET, set->set) != set->set)
		return why(CKR_TEMPLATE_INCONSISTENT, "the key is one of %s, CKA_PARAMETER_SET says otherwise",
			set->name);
	if ((rv = attrs_set_ulong(a, CKA_PARAMETER_SET, set->set)) == CKR_OK &&
		(rv = put_value(a, pkey, set, private)) == CKR_OK && private)
		rv = put_seed(a, pkey, set);
	return rv;
}

/* A private key that is created by its seed alone gets the value that goes with it. */
CK_RV
key_pq_normalise(struct attrs *a)
{
	const struct attr *seed = filled(a, CKA_SEED);
	const struct key_pq_set *set;
	EVP_PKEY *pkey = NULL;
	CK_RV rv;

	if (attrs_ulong(a, CKA_CLASS, CKO_PRIVATE_KEY) != CKO_PRIVATE_KEY || seed == NULL || filled(a, CKA_VALUE) != NULL)
		return CKR_OK;
	if ((rv = read_set(a, attrs_ulong(a, CKA_KEY_TYPE, CK_UNAVAILABLE_INFORMATION), &set)) == CKR_OK &&
		(rv = from_seed(set, seed, &pkey)) == CKR_OK)
		rv = put_value(a, pkey, set, true);
	EVP_PKEY_free(pkey);
	return rv;
}
