/*
 * RSA keys: the eight numbers of CKA_MODULUS ... CKA_COEFFICIENT
 *
 * A private key needs modulus and private exponent (PKCS#11 3.1 6.1.2). What else is missing is
 * computed: the public exponent, and CRT parts when the primes are there.
 */
#include "key_material.h"

#include <openssl/core_names.h>
#include <openssl/param_build.h>
#include <string.h>

#include "mech_family.h"
#include "why.h"

enum part { N, E, D, P, Q, DP, DQ, QINV, PARTS };

static const struct {
	CK_ATTRIBUTE_TYPE type;
	const char *param;
} parts[PARTS] = {
	[N] = {CKA_MODULUS, OSSL_PKEY_PARAM_RSA_N},
	[E] = {CKA_PUBLIC_EXPONENT, OSSL_PKEY_PARAM_RSA_E},
	[D] = {CKA_PRIVATE_EXPONENT, OSSL_PKEY_PARAM_RSA_D},
	[P] = {CKA_PRIME_1, OSSL_PKEY_PARAM_RSA_FACTOR1},
	[Q] = {CKA_PRIME_2, OSSL_PKEY_PARAM_RSA_FACTOR2},
	[DP] = {CKA_EXPONENT_1, OSSL_PKEY_PARAM_RSA_EXPONENT1},
	[DQ] = {CKA_EXPONENT_2, OSSL_PKEY_PARAM_RSA_EXPONENT2},
	[QINV] = {CKA_COEFFICIENT, OSSL_PKEY_PARAM_RSA_COEFFICIENT1},
};

struct numbers {
	BIGNUM *v[PARTS]; /* NULL: not there */
};

static void
numbers_free(struct numbers *n)
{
	for (int i = 0; i < PARTS; i++)
		BN_clear_free(n->v[i]);
}

static CK_RV
numbers_read(struct numbers *n, const struct attrs *a, int count)
{
	const struct attr *x;

	for (int i = 0; i < count; i++) {
		if ((x = attrs_get(a, parts[i].type)) == NULL || x->len == 0)
			continue;
		if (x->len > RSA_MAX_BITS / 8 + 8)
			return why(CKR_ATTRIBUTE_VALUE_INVALID, "a part of the RSA key is too long");
		if ((n->v[i] = BN_bin2bn(x->value, (int)x->len, NULL)) == NULL)
			return CKR_HOST_MEMORY;
		if (i >= D)
			BN_set_flags(n->v[i], BN_FLG_CONSTTIME);
	}
	return CKR_OK;
}

/* 65537, if (2^d)^65537 is 2: what all but a handful of keys have. */
static bool
guess_exponent(struct numbers *n, BN_CTX *ctx)
{
	BIGNUM *two = BN_new(), *x = BN_new(), *e = BN_new();
	bool ok;

	ok = two != NULL && x != NULL && e != NULL && BN_set_word(two, 2) && BN_set_word(e, 65537) &&
		BN_is_odd(n->v[N]) && BN_mod_exp_mont_consttime(x, two, n->v[D], n->v[N], ctx, NULL) &&
		BN_mod_exp(x, x, e, n->v[N], ctx) && BN_cmp(x, two) == 0;
	if (ok) {
		n->v[E] = e;
		e = NULL; /* transferred */
	}
	BN_free(two);
	BN_clear_free(x);
	BN_free(e);
	return ok;
}

/* r = d mod (prime - 1) */
static BIGNUM *
reduced(const BIGNUM *d, const BIGNUM *prime, BN_CTX *ctx)
{
	BIGNUM *less = BN_dup(prime), *r = BN_new();

	if (less == NULL || r == NULL || !BN_sub_word(less, 1) || !BN_mod(r, d, less, ctx)) {
		BN_clear_free(r);
		r = NULL;
	}
	BN_clear_free(less);
	return r;
}

static void
drop_crt(struct numbers *n)
{
	for (int i = P; i < PARTS; i++) {
		BN_clear_free(n->v[i]);
		n->v[i] = NULL;
	}
}

/* Adds what is missing and can be had. */
static CK_RV
numbers_complete(struct numbers *n)
{
	BN_CTX *ctx = BN_CTX_new();
	CK_RV rv = CKR_HOST_MEMORY;

	if (ctx == NULL)
		goto out;
	if (n->v[E] == NULL && !guess_exponent(n, ctx)) {
		rv = why(CKR_TEMPLATE_INCOMPLETE, "CKA_PUBLIC_EXPONENT is missing and is not 65537");
		goto out;
	}
	if (n->v[P] == NULL || n->v[Q] == NULL || BN_is_zero(n->v[P]) || BN_is_zero(n->v[Q])) {
		drop_crt(n);
		rv = CKR_OK;
		goto out;
	}
	if (n->v[DP] == NULL && (n->v[DP] = reduced(n->v[D], n->v[P], ctx)) == NULL)
		goto out;
	if (n->v[DQ] == NULL && (n->v[DQ] = reduced(n->v[D], n->v[Q], ctx)) == NULL)
		goto out;
	if (n->v[QINV] == NULL && (n->v[QINV] = BN_mod_inverse(NULL, n->v[Q], n->v[P], ctx)) == NULL) {
		rv = why(CKR_ATTRIBUTE_VALUE_INVALID, "the primes of the RSA key do not fit");
		goto out;
	}
	rv = CKR_OK;
out:
	BN_CTX_free(ctx);
	return rv;
}

static CK_RV
numbers_to_pkey(const struct numbers *n, EVP_PKEY **pkey)
{
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	OSSL_PARAM *params = NULL;
	bool ok = bld != NULL && ctx != NULL;

	for (int i = 0; ok && i < PARTS; i++)
		ok = n->v[i] == NULL || OSSL_PARAM_BLD_push_BN(bld, parts[i].param, n->v[i]) == 1;
	ok = ok && (params = OSSL_PARAM_BLD_to_param(bld)) != NULL && EVP_PKEY_fromdata_init(ctx) == 1 &&
		EVP_PKEY_fromdata(ctx, pkey, n->v[D] != NULL ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY,
			params) == 1;
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(bld);
	EVP_PKEY_CTX_free(ctx);
	return ok ? CKR_OK : mech_failed(CKR_ATTRIBUTE_VALUE_INVALID, "RSA key");
}

/* draft-irtf-cfrg-rsa-guidance: the key of the implicit rejection is SHA-256 of d, as long as n. */
static CK_RV
make_reject(const BIGNUM *d, size_t size, uint8_t out[32])
{
	struct bytes b = {0};
	CK_RV rv;

	if ((rv = bytes_reserve(&b, size)) != CKR_OK)
		return rv;
	if (BN_bn2binpad(d, b.data, (int)size) < 0)
		rv = CKR_ATTRIBUTE_VALUE_INVALID;
	else if (EVP_Digest(b.data, size, out, NULL, hash_md(hash_of_digest(CKM_SHA256)), NULL) != 1)
		rv = mech_failed(CKR_FUNCTION_FAILED, "SHA-256");
	bytes_free(&b);
	return rv;
}

CK_RV
key_rsa_parse(const struct attrs *a, bool private, struct key *k)
{
	struct numbers n = {0};
	CK_RV rv;

	if ((rv = numbers_read(&n, a, private ? PARTS : D)) != CKR_OK)
		goto out;
	if (n.v[N] == NULL || (private ? n.v[D] : n.v[E]) == NULL) {
		rv = why(CKR_TEMPLATE_INCOMPLETE, "%s is missing", n.v[N] == NULL ? "CKA_MODULUS" :
			private ? "CKA_PRIVATE_EXPONENT" : "CKA_PUBLIC_EXPONENT");
		goto out;
	}
	k->bits = (size_t)BN_num_bits(n.v[N]);
	k->size = (k->bits + 7) / 8;
	if (k->bits < RSA_MIN_BITS || k->bits > RSA_MAX_BITS) {
		rv = why(CKR_KEY_SIZE_RANGE, "an RSA key of %zu bits; %d to %d are taken", k->bits,
			RSA_MIN_BITS, RSA_MAX_BITS);
		goto out;
	}
	rv = CKR_ATTRIBUTE_VALUE_INVALID;
	if (!BN_is_odd(n.v[N]) || (n.v[D] != NULL && BN_cmp(n.v[D], n.v[N]) >= 0))
		goto out;
	if (private && (rv = numbers_complete(&n)) != CKR_OK)
		goto out;
	if (!BN_is_odd(n.v[E]) || BN_is_one(n.v[E]) || BN_cmp(n.v[E], n.v[N]) >= 0) {
		rv = why(CKR_ATTRIBUTE_VALUE_INVALID, "CKA_PUBLIC_EXPONENT is no RSA exponent");
		goto out;
	}
	if (private && (rv = make_reject(n.v[D], k->size, k->reject)) != CKR_OK)
		goto out;
	rv = numbers_to_pkey(&n, &k->pkey);
out:
	numbers_free(&n);
	return rv;
}

/* p * q = n, and each CRT part is what it says. */
static bool
crt_fits(BIGNUM *const *v, BN_CTX *ctx)
{
	BIGNUM *x = BN_new(), *dp = reduced(v[D], v[P], ctx), *dq = reduced(v[D], v[Q], ctx);
	bool ok;

	ok = x != NULL && dp != NULL && dq != NULL && BN_mul(x, v[P], v[Q], ctx) &&
		BN_cmp(x, v[N]) == 0 && BN_cmp(dp, v[DP]) == 0 && BN_cmp(dq, v[DQ]) == 0 &&
		BN_mod_mul(x, v[Q], v[QINV], v[P], ctx) && BN_is_one(x);
	BN_clear_free(x);
	BN_clear_free(dp);
	BN_clear_free(dq);
	return ok;
}

/* (2^d)^e = 2 mod n */
static bool
exponents_fit(BIGNUM *const *v, BN_CTX *ctx)
{
	BIGNUM *two = BN_new(), *x = BN_new();
	bool ok;

	ok = two != NULL && x != NULL && BN_set_word(two, 2) &&
		BN_mod_exp_mont_consttime(x, two, v[D], v[N], ctx, NULL) &&
		BN_mod_exp(x, x, v[E], v[N], ctx) && BN_cmp(x, two) == 0;
	BN_free(two);
	BN_clear_free(x);
	return ok;
}

CK_RV
key_rsa_check(const struct key *k)
{
	struct numbers n = {0};
	BN_CTX *ctx = BN_CTX_new();
	bool ok = ctx != NULL;

	for (int i = 0; ok && i < PARTS; i++)
		if (EVP_PKEY_get_bn_param(k->pkey, parts[i].param, &n.v[i]) != 1)
			ok = i >= P; /* keys without primes have no CRT parts */
	ok = ok && exponents_fit(n.v, ctx) && (n.v[QINV] == NULL || crt_fits(n.v, ctx));
	numbers_free(&n);
	BN_CTX_free(ctx);
	return ok ? CKR_OK : mech_failed(CKR_ATTRIBUTE_VALUE_INVALID, "the parts of the RSA key do not fit");
}

CK_RV
key_rsa_put(struct attrs *a, EVP_PKEY *pkey, bool private)
{
	BIGNUM *v = NULL;
	CK_RV rv = CKR_OK;

	if (EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_FACTOR3, &v) == 1) {
		BN_clear_free(v);
		return why(CKR_ATTRIBUTE_VALUE_INVALID, "an RSA key with more than two primes");
	}
	for (int i = 0; rv == CKR_OK && i < (private ? PARTS : D); i++) {
		if (EVP_PKEY_get_bn_param(pkey, parts[i].param, &v) == 1)
			rv = key_set_bn(a, parts[i].type, v, 0);
		else if (i < P)
			rv = mech_failed(CKR_ATTRIBUTE_VALUE_INVALID, "RSA key");
		BN_clear_free(v);
		v = NULL;
	}
	if (rv == CKR_OK && !private)
		rv = attrs_set_ulong(a, CKA_MODULUS_BITS, (CK_ULONG)EVP_PKEY_get_bits(pkey));
	return rv;
}
