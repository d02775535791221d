/*
 * known_key.c - keys of published numbers, as objects of the token
 *
 * The fields by the key's type:
 *   RSA                       n e [d p q dp dq qi]
 *   DSA                       p q g [x] [y]
 *   DH                        p g [q] x y
 *   EC                        curve: [priv] pub (the point without its 04)
 *   Ed25519 and its like      curve: priv, or pub
 *   ML-KEM, ML-DSA, SLH-DSA   set: [pub] [priv] [seed]
 */
#include <openssl/param_build.h>

#include "known.h"

/* ---- keys of numbers ---- */
static const struct {
	CK_KEY_TYPE type;
	const char *name;
	struct {
		const char *field, *param;
	} numbers[8];
} kinds[] = {
	{CKK_RSA, "RSA",
		{{"n", OSSL_PKEY_PARAM_RSA_N}, {"e", OSSL_PKEY_PARAM_RSA_E},
			{"d", OSSL_PKEY_PARAM_RSA_D}, {"p", OSSL_PKEY_PARAM_RSA_FACTOR1},
			{"q", OSSL_PKEY_PARAM_RSA_FACTOR2},
			{"dp", OSSL_PKEY_PARAM_RSA_EXPONENT1},
			{"dq", OSSL_PKEY_PARAM_RSA_EXPONENT2},
			{"qi", OSSL_PKEY_PARAM_RSA_COEFFICIENT1}}},
	{CKK_DSA, "DSA",
		{{"p", OSSL_PKEY_PARAM_FFC_P}, {"q", OSSL_PKEY_PARAM_FFC_Q},
			{"g", OSSL_PKEY_PARAM_FFC_G}, {"x", OSSL_PKEY_PARAM_PRIV_KEY},
			{"y", OSSL_PKEY_PARAM_PUB_KEY}}},
	{CKK_DH, "DH",
		{{"p", OSSL_PKEY_PARAM_FFC_P}, {"q", OSSL_PKEY_PARAM_FFC_Q},
			{"g", OSSL_PKEY_PARAM_FFC_G}, {"x", OSSL_PKEY_PARAM_PRIV_KEY},
			{"y", OSSL_PKEY_PARAM_PUB_KEY}}},
	{CKK_EC, "EC", {{"priv", OSSL_PKEY_PARAM_PRIV_KEY}}},
};

static EVP_PKEY *
from_params(const char *name, OSSL_PARAM_BLD *build, bool pair)
{
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_name(NULL, name, NULL);
	OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);
	EVP_PKEY *pkey = NULL;

	must_be(c != NULL && params != NULL && EVP_PKEY_fromdata_init(c) == 1 &&
			EVP_PKEY_fromdata(c, &pkey,
				pair ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY, params) == 1,
		name);
	EVP_PKEY_CTX_free(c);
	OSSL_PARAM_free(params);
	return pkey;
}

static EVP_PKEY *
of_numbers(const struct line *l, size_t kind)
{
	OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
	bool pair = has(l, "d") || has(l, "x") || has(l, "priv");
	struct blob b, point;
	BIGNUM *made[8];
	size_t n = 0;
	EVP_PKEY *pkey;

	for (size_t i = 0; i < 8 && kinds[kind].numbers[i].field != NULL; i++) {
		b = field(l, kinds[kind].numbers[i].field);
		if (b.len == 0)
			continue;
		must_be((made[n] = BN_bin2bn(b.data, (int)b.len, NULL)) != NULL, "memory");
		must_be(OSSL_PARAM_BLD_push_BN(
				build, kinds[kind].numbers[i].param, made[n++]) == 1,
			"memory");
	}
	if (kinds[kind].type == CKK_EC) {
		point = blob_join(blob_of("\x04", 1), field(l, "pub"));
		must_be(OSSL_PARAM_BLD_push_utf8_string(
				build, OSSL_PKEY_PARAM_GROUP_NAME, word(l, "curve"), 0) == 1 &&
				OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY,
					point.data, point.len) == 1,
			"memory");
	}
	pkey = from_params(kinds[kind].name, build, pair);
	OSSL_PARAM_BLD_free(build);
	while (n > 0)
		BN_free(made[--n]);
	return pkey;
}

CK_KEY_TYPE
known_key_type(const struct line *l)
{
	const char *curve = word(l, "curve");

	if (curve == NULL)
		return l->proof->key;
	return curve[0] == 'E' ? CKK_EC_EDWARDS : curve[0] == 'X' ? CKK_EC_MONTGOMERY : CKK_EC;
}

static EVP_PKEY *
published_key(const struct line *l)
{
	const char *curve = word(l, "curve");
	struct blob priv = field(l, "priv"), pub = field(l, "pub");
	EVP_PKEY *pkey = NULL;
	EVP_PKEY_CTX *c;

	if (curve != NULL && known_key_type(l) != CKK_EC)
		pkey = priv.len > 0 ? EVP_PKEY_new_raw_private_key_ex(
					      NULL, curve, NULL, priv.data, priv.len)
				    : EVP_PKEY_new_raw_public_key_ex(
					      NULL, curve, NULL, pub.data, pub.len);
	else
		for (size_t i = 0; i < NELEMS(kinds) && pkey == NULL; i++)
			if (kinds[i].type == known_key_type(l))
				pkey = of_numbers(l, i);
	must_be(pkey != NULL, "a published key");
	if (EVP_PKEY_is_a(pkey, "EC") && priv.len > 0) {
		c = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
		must_be(EVP_PKEY_check(c) == 1, "a published key pair");
		EVP_PKEY_CTX_free(c);
	}
	return pkey;
}

/* ---- keys of bytes: 3.2's parameter sets ---- */
static const struct {
	const char *name;
	CK_ULONG number;
} sets[] = {
	{"ML-KEM-512", CKP_ML_KEM_512},
	{"ML-KEM-768", CKP_ML_KEM_768},
	{"ML-KEM-1024", CKP_ML_KEM_1024},
	{"ML-DSA-44", CKP_ML_DSA_44},
	{"ML-DSA-65", CKP_ML_DSA_65},
	{"ML-DSA-87", CKP_ML_DSA_87},
	{"SLH-DSA-SHA2-128s", CKP_SLH_DSA_SHA2_128S},
	{"SLH-DSA-SHAKE-128s", CKP_SLH_DSA_SHAKE_128S},
	{"SLH-DSA-SHA2-128f", CKP_SLH_DSA_SHA2_128F},
	{"SLH-DSA-SHAKE-128f", CKP_SLH_DSA_SHAKE_128F},
	{"SLH-DSA-SHA2-192s", CKP_SLH_DSA_SHA2_192S},
	{"SLH-DSA-SHAKE-192s", CKP_SLH_DSA_SHAKE_192S},
	{"SLH-DSA-SHA2-256s", CKP_SLH_DSA_SHA2_256S},
	{"SLH-DSA-SHAKE-256s", CKP_SLH_DSA_SHAKE_256S},
};

static CK_RV
set_key(const struct line *l, CK_OBJECT_CLASS class, CK_FLAGS uses, CK_OBJECT_HANDLE *h)
{
	struct templ t = {.n = 0};
	size_t i = 0;

	while (i < NELEMS(sets) && strcmp(sets[i].name, word(l, "set")) != 0)
		i++;
	must_be(i < NELEMS(sets), "a parameter set");
	templ_key(&t, class, l->proof->key, uses);
	templ_ulong(&t, CKA_PARAMETER_SET, sets[i].number);
	if (class == CKO_PUBLIC_KEY)
		templ_blob(&t, CKA_VALUE, field(l, "pub"));
	else if (has(l, "seed"))
		templ_blob(&t, CKA_SEED, field(l, "seed"));
	if (class == CKO_PRIVATE_KEY && has(l, "priv"))
		templ_blob(&t, CKA_VALUE, field(l, "priv"));
	return object_make(&t, h);
}

bool
known_public(const struct line *l, CK_FLAGS uses, CK_OBJECT_HANDLE *h)
{
	EVP_PKEY *pkey = has(l, "set") ? NULL : published_key(l);
	bool ok = is_ok("a public key",
		pkey != NULL ? key_public(pkey, uses, h) : set_key(l, CKO_PUBLIC_KEY, uses, h));

	EVP_PKEY_free(pkey);
	return ok;
}

bool
known_private(const struct line *l, CK_FLAGS uses, CK_OBJECT_HANDLE *h)
{
	EVP_PKEY *pkey = has(l, "set") ? NULL : published_key(l);
	bool ok = is_ok("a private key", pkey != NULL ? key_private(pkey, uses, h)
						      : set_key(l, CKO_PRIVATE_KEY, uses, h));

	EVP_PKEY_free(pkey);
	return ok;
}

bool
known_has_private(const struct line *l)
{
	return has(l, "d") || has(l, "x") || has(l, "priv") || has(l, "seed");
}
