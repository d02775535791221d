/* CKM_RSA_PKCS_KEY_PAIR_GEN (PKCS#11 3.1 6.1.4). */
#include <openssl/rsa.h>

#include "key_material.h"
#include "mech_family.h"
#include "why.h"

#define EXPONENT_BITS_MAX 256 /* FIPS 186-5 A.1.1 */

/* CKA_PUBLIC_EXPONENT, or 65537. Small exponents are refused: no client needs them. */
static CK_RV
read_exponent(const struct attrs *pub, BIGNUM **e)
{
	const struct attr *a = attrs_get(pub, CKA_PUBLIC_EXPONENT);
	static const uint8_t f4[3] = {1, 0, 1};

	*e = a == NULL || a->len == 0 ? BN_bin2bn(f4, 3, NULL) :
		a->len <= 64 ? BN_bin2bn(a->value, (int)a->len, NULL) : NULL;
	if (*e == NULL || !BN_is_odd(*e) || BN_get_word(*e) < 65537 || BN_num_bits(*e) > EXPONENT_BITS_MAX)
		return why(CKR_ATTRIBUTE_VALUE_INVALID,
			"CKA_PUBLIC_EXPONENT must be odd, at least 65537 and at most %d bits long",
			EXPONENT_BITS_MAX);
	return CKR_OK;
}

static CK_RV
make_rsa(size_t bits, BIGNUM *e, struct cancel *c, EVP_PKEY **pkey)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	CK_RV rv;

	if (ctx == NULL || EVP_PKEY_keygen_init(ctx) != 1 || EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, (int)bits) != 1 ||
		EVP_PKEY_CTX_set1_rsa_keygen_pubexp(ctx, e) != 1)
		rv = mech_failed(CKR_FUNCTION_FAILED, "RSA key generation");
	else
		rv = mech_make_slowly(ctx, c, "RSA key generation", pkey);
	EVP_PKEY_CTX_free(ctx);
	return rv;
}

static CK_RV
rsa_generate_pair(const CK_MECHANISM *m, const struct mech *row, struct attrs *pub, struct attrs *priv,
	struct cancel *c)
{
	CK_ULONG bits = attrs_ulong(pub, CKA_MODULUS_BITS, 0);
	EVP_PKEY *pkey = NULL;
	BIGNUM *e = NULL;
	CK_RV rv;

	if (!mech_no_param(m))
		return mech_bad_param("key generation takes none");
	if (!attrs_has(pub, CKA_MODULUS_BITS))
		return why(CKR_TEMPLATE_INCOMPLETE, "CKA_MODULUS_BITS is missing");
	if (bits < row->min || bits > row->max)
		return why(CKR_ATTRIBUTE_VALUE_INVALID, "CKA_MODULUS_BITS is %lu; %lu to %lu are taken", bits,
			row->min, row->max);
	if ((rv = read_exponent(pub, &e)) == CKR_OK && (rv = make_rsa(bits, e, c, &pkey)) == CKR_OK)
		rv = key_put_pair(pub, priv, pkey);
	EVP_PKEY_free(pkey);
	BN_free(e);
	return rv;
}

const struct mech_family family_rsa_key = {.bits = true, .generate_pair = rsa_generate_pair};

#define RSA_GEN_MIN 2048
static const struct mech rows[] = {
	{CKM_RSA_PKCS_KEY_PAIR_GEN, CKF_GENERATE_KEY_PAIR, RSA_GEN_MIN, RSA_MAX_BITS, KEYS1(CKK_RSA), NULL, 0,
		&family_rsa_key},
	{CKM_RSA_PKCS_KEY_PAIR_GEN, CKF_GENERATE_KEY_PAIR, RSA_MIN_BITS, RSA_MAX_BITS, KEYS1(CKK_RSA), NULL, 0,
		&family_rsa_key, MECH_SHORT},
};
const struct mech_rows mech_rsa_key_rows = {MECH_ROWS(rows)};
