/*
 * Diffie-Hellman of PKCS #3 (PKCS#11 3.1 6.4.4 to 6.4.6): domain parameters, key pairs, agreement
 *
 * Domain parameters of a size that RFC 7919 has a group for are that group: generating a safe prime takes minutes and
 * gives nothing better. Other sizes are generated.
 */
#include <openssl/core_names.h>
#include <openssl/dh.h>

#include "key_material.h"
#include "mech_family.h"
#include "why.h"

/* ---- domain parameters ---- */

static const char *
group_of(size_t bits)
{
	static const struct {
		size_t bits;
		const char *name;
	} groups[] = {
		{2048, "ffdhe2048"},
		{3072, "ffdhe3072"},
		{4096, "ffdhe4096"},
		{6144, "ffdhe6144"},
		{8192, "ffdhe8192"},
	};

	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
		if (groups[i].bits == bits)
			return groups[i].name;
	return NULL;
}

static int
set_group(EVP_PKEY_CTX *ctx, size_t bits)
{
	const char *name = group_of(bits);
	OSSL_PARAM params[3];

	if (name != NULL) {
		params[0] = OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, (char *)name, 0);
		params[1] = OSSL_PARAM_construct_end();
	} else {
		params[0] = OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_FFC_TYPE, (char *)"generator", 0);
		params[1] = OSSL_PARAM_construct_size_t(OSSL_PKEY_PARAM_FFC_PBITS, &bits);
		params[2] = OSSL_PARAM_construct_end();
	}
	return EVP_PKEY_CTX_set_params(ctx, params);
}

static CK_RV
dh_generate_domain(const CK_MECHANISM *m, const struct mech *row, struct attrs *domain, struct cancel *c)
{
	CK_ULONG bits = attrs_ulong(domain, CKA_PRIME_BITS, 0);
	EVP_PKEY_CTX *ctx = NULL;
	EVP_PKEY *pkey = NULL;
	CK_RV rv;

	if ((rv = ffc_prime_bits(m, row, domain)) != CKR_OK)
		return rv;
	ctx = EVP_PKEY_CTX_new_from_name(NULL, "DH", NULL);
	if (ctx == NULL || EVP_PKEY_paramgen_init(ctx) != 1 || set_group(ctx, bits) != 1)
		rv = mech_failed(CKR_FUNCTION_FAILED, "DH parameters");
	else
		rv = mech_make_slowly(ctx, c, "DH parameters", &pkey);
	if (rv == CKR_OK)
		rv = key_ffc_put_domain(domain, pkey);
	EVP_PKEY_free(pkey);
	EVP_PKEY_CTX_free(ctx);
	return rv;
}

const struct mech_family family_dh_domain = {.bits = true, .generate = dh_generate_domain, .imply = ffc_imply_domain};

/* ---- key pairs ---- */

/* CKA_VALUE_BITS of the private key's template; 0: not there. A well-known group has its own least length. */
static CK_RV
private_bits(const struct attrs *priv, size_t prime_bits, size_t *bits)
{
	*bits = attrs_ulong(priv, CKA_VALUE_BITS, 0);
	if (attrs_has(priv, CKA_VALUE_BITS) && (*bits < 160 || *bits >= prime_bits))
		return why(CKR_ATTRIBUTE_VALUE_INVALID, "CKA_VALUE_BITS is %zu; 160 to %zu are taken", *bits,
			prime_bits - 1);
	return CKR_OK;
}

static CK_RV
dh_generate_pair(const CK_MECHANISM *m, const struct mech *row, struct attrs *pub, struct attrs *priv, struct cancel *c)
{
	EVP_PKEY *domain = NULL, *pkey = NULL;
	size_t bits = 0;
	CK_RV rv;

	if (!mech_no_param(m))
		return mech_bad_param("key generation takes none");
	if ((rv = key_ffc_domain(pub, "DH", 0, &domain)) == CKR_OK)
		rv = private_bits(priv, (size_t)EVP_PKEY_get_bits(domain), &bits);
	EVP_PKEY_free(domain);
	domain = NULL;
	if (rv == CKR_OK && (rv = key_ffc_domain(pub, "DH", bits, &domain)) == CKR_OK &&
		(rv = ffc_make(domain, row, c, &pkey)) == CKR_OK)
		rv = key_put_pair(pub, priv, pkey);
	EVP_PKEY_free(pkey);
	EVP_PKEY_free(domain);
	return rv;
}

const struct mech_family family_dh_key = {.bits = true, .generate_pair = dh_generate_pair};

/* ---- agreement ---- */

/* The secret is as long as the prime: PKCS #3 section 8 keeps leading zeros. */
static int
keep_zeros(EVP_PKEY_CTX *ctx)
{
	return EVP_PKEY_CTX_set_dh_pad(ctx, 1);
}

static CK_RV
dh_derive(struct derivation *d)
{
	EVP_PKEY *peer = NULL;
	struct bytes z = {0};
	struct key *k;
	CK_RV rv;

	if (mech_no_param(d->mech))
		return mech_bad_param("the other side's public value is missing");
	if ((rv = key_get(d->base, &k)) != CKR_OK)
		return rv;
	if (k->type != d->row->keys[0] || !k->private)
		return CKR_KEY_TYPE_INCONSISTENT;
	if (!d->compat && !k->safe_group && object_hides(d->base, CKA_VALUE))
		return why(CKR_DOMAIN_PARAMS_INVALID, "what is agreed in this group, whose prime is not a safe one, can tell the "
			"private value (strict policy)");
	if (key_dh_peer(k, d->mech->pParameter, d->mech->ulParameterLen, &peer) != CKR_OK)
		rv = mech_bad_param("no public value that goes with the key");
	if (rv == CKR_OK && (rv = derive_agree(k, peer, keep_zeros, "DH", &z)) == CKR_OK)
		rv = derive_put_end(&d->keys[0], &z);
	bytes_free(&z);
	EVP_PKEY_free(peer);
	return rv;
}

const struct mech_family family_dh = {.bits = true, .plan = derive_agreed, .derive = dh_derive};

#define GEN(family) FFC_GEN_MIN_BITS, DH_MAX_BITS, KEYS1(CKK_DH), NULL, 0, family
#define LEGACY_GEN(family) DH_MIN_BITS, DH_MAX_BITS, KEYS1(CKK_DH), NULL, 0, family, MECH_LEGACY
static const struct mech rows[] = {
	{CKM_DH_PKCS_KEY_PAIR_GEN, CKF_GENERATE_KEY_PAIR, GEN(&family_dh_key)},
	{CKM_DH_PKCS_KEY_PAIR_GEN, CKF_GENERATE_KEY_PAIR, LEGACY_GEN(&family_dh_key)},
	{CKM_DH_PKCS_DERIVE, CKF_DERIVE, DH_MIN_BITS, DH_MAX_BITS, KEYS1(CKK_DH), NULL, 0, &family_dh},
	{CKM_DH_PKCS_PARAMETER_GEN, CKF_GENERATE, GEN(&family_dh_domain)},
	{CKM_DH_PKCS_PARAMETER_GEN, CKF_GENERATE, LEGACY_GEN(&family_dh_domain)},
};
const struct mech_rows mech_dh_rows = {MECH_ROWS(rows)};
