/*
 * Keys in finite fields: Diffie-Hellman (PKCS#11 3.1 6.4.2, 6.4.3) and DSA (6.2.2, 6.2.3)
 *
 * CKA_PRIME and CKA_BASE (DSA: CKA_SUBPRIME as well) with CKA_VALUE, the public or the private number. A private key
 * holds no public value: it is computed when the key is parsed. OpenSSL finds out by itself when the parameters
 * are a well-known group (RFC 7919, RFC 3526) and then knows its subprime.
 */
#include "key_material.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <string.h>

#include "mech_family.h"
#include "why.h"

enum part { P, Q, G, PUB, PRIV, PARTS };

struct numbers {
	BIGNUM *v[PARTS]; /* NULL: not there */
};

static const char *const params[PARTS] = {
	[P] = OSSL_PKEY_PARAM_FFC_P,
	[Q] = OSSL_PKEY_PARAM_FFC_Q,
	[G] = OSSL_PKEY_PARAM_FFC_G,
	[PUB] = OSSL_PKEY_PARAM_PUB_KEY,
	[PRIV] = OSSL_PKEY_PARAM_PRIV_KEY,
};

static void
numbers_free(struct numbers *n)
{
	for (int i = 0; i < PARTS; i++)
		BN_clear_free(n->v[i]);
}

static CK_RV
read_number(const struct attrs *a, CK_ATTRIBUTE_TYPE type, const char *name, BIGNUM **n)
{
	const struct attr *x = attrs_get(a, type);

	if (x == NULL || x->len == 0)
		return why(CKR_TEMPLATE_INCOMPLETE, "%s is missing", name);
	if (x->len > DH_MAX_BITS / 8 + 8)
		return why(CKR_ATTRIBUTE_VALUE_INVALID, "%s is too long", name);
	*n = BN_bin2bn(x->value, (int)x->len, NULL);
	return *n != NULL ? CKR_OK : CKR_HOST_MEMORY;
}

/* 1 < x < limit - 1 */
static bool
lies_within(const BIGNUM *x, const BIGNUM *limit)
{
	BIGNUM *less = BN_dup(limit);
	bool ok = less != NULL && BN_sub_word(less, 1) && !BN_is_zero(x) && !BN_is_one(x) && BN_cmp(x, less) < 0;

	BN_free(less);
	return ok;
}

/* x^q = 1 mod p: x is of the subgroup, whose order is q. */
static bool
in_subgroup(const struct numbers *n, const BIGNUM *x)
{
	BN_CTX *ctx = BN_CTX_new();
	BIGNUM *r = BN_new();
	bool ok = ctx != NULL && r != NULL && BN_mod_exp(r, x, n->v[Q], n->v[P], ctx) && BN_is_one(r);

	BN_free(r);
	BN_CTX_free(ctx);
	return ok;
}

static bool
subprime_divides(const struct numbers *n)
{
	BN_CTX *ctx = BN_CTX_new();
	BIGNUM *less = BN_dup(n->v[P]), *r = BN_new();
	bool ok = ctx != NULL && less != NULL && r != NULL && BN_sub_word(less, 1) &&
		BN_mod(r, less, n->v[Q], ctx) && BN_is_zero(r);

	BN_free(less);
	BN_free(r);
	BN_CTX_free(ctx);
	return ok;
}

/* FIPS 186-4 4.2: lengths of p and q that go together. */
static bool
dsa_sizes(int p, int q)
{
	return p <= 1024 ? q == 160 : p <= 2048 ? q == 224 || q == 256 : q == 256;
}

static CK_RV
check_domain(const struct numbers *n)
{
	int bits = BN_num_bits(n->v[P]), min = n->v[Q] != NULL ? DSA_MIN_BITS : DH_MIN_BITS,
		max = n->v[Q] != NULL ? DSA_MAX_BITS : DH_MAX_BITS;

	if (bits < min || bits > max)
		return why(CKR_KEY_SIZE_RANGE, "CKA_PRIME has %d bits; %d to %d are taken", bits, min, max);
	if (!BN_is_odd(n->v[P]) || !lies_within(n->v[G], n->v[P]))
		return why(CKR_DOMAIN_PARAMS_INVALID, "CKA_PRIME and CKA_BASE do not fit");
	if (n->v[Q] == NULL)
		return CKR_OK;
	if (!dsa_sizes(bits, BN_num_bits(n->v[Q])))
		return why(CKR_KEY_SIZE_RANGE, "a CKA_SUBPRIME of %d bits does not go with a CKA_PRIME of %d",
			BN_num_bits(n->v[Q]), bits);
	if (!BN_is_odd(n->v[Q]) || !subprime_divides(n) || !in_subgroup(n, n->v[G]))
		return why(CKR_DOMAIN_PARAMS_INVALID, "CKA_PRIME, CKA_SUBPRIME and CKA_BASE do not fit");
	return CKR_OK;
}

static CK_RV
read_domain(const struct attrs *a, bool dsa, struct numbers *n)
{
	CK_RV rv = read_number(a, CKA_PRIME, "CKA_PRIME", &n->v[P]);

	if (rv == CKR_OK && dsa)
		rv = read_number(a, CKA_SUBPRIME, "CKA_SUBPRIME", &n->v[Q]);
	if (rv == CKR_OK)
		rv = read_number(a, CKA_BASE, "CKA_BASE", &n->v[G]);
	return rv == CKR_OK ? check_domain(n) : rv;
}

/* private_bits: only with parameters for a pair to be made, else 0. */
static CK_RV
to_pkey(const struct numbers *n, const char *name, int selection, size_t private_bits, EVP_PKEY **pkey)
{
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, name, NULL);
	OSSL_PARAM *made = NULL;
	bool ok = bld != NULL && ctx != NULL;

	for (int i = 0; ok && i < PARTS; i++)
		ok = n->v[i] == NULL || OSSL_PARAM_BLD_push_BN(bld, params[i], n->v[i]) == 1;
	ok = ok && (private_bits == 0 ||
		OSSL_PARAM_BLD_push_long(bld, OSSL_PKEY_PARAM_DH_PRIV_LEN, (long)private_bits) == 1);
	ok = ok && (made = OSSL_PARAM_BLD_to_param(bld)) != NULL && EVP_PKEY_fromdata_init(ctx) == 1 &&
		EVP_PKEY_fromdata(ctx, pkey, selection, made) == 1;
	OSSL_PARAM_free(made);
	OSSL_PARAM_BLD_free(bld);
	EVP_PKEY_CTX_free(ctx);
	return ok ? CKR_OK : mech_failed(CKR_ATTRIBUTE_VALUE_INVALID, name);
}

CK_RV
key_ffc_domain(const struct attrs *a, const char *name, size_t private_bits, EVP_PKEY **pkey)
{
	struct numbers n = {0};
	CK_RV rv = read_domain(a, strcmp(name, "DSA") == 0, &n);

	if (rv == CKR_OK)
		rv = to_pkey(&n, name, EVP_PKEY_KEY_PARAMETERS, private_bits, pkey);
	numbers_free(&n);
	return rv;
}

/* The private number, and the public one that goes with it. */
static CK_RV
complete(struct numbers *n)
{
	const BIGNUM *limit = n->v[Q] != NULL ? n->v[Q] : n->v[P];
	BN_CTX *ctx;
	CK_RV rv = CKR_OK;

	if (BN_is_zero(n->v[PRIV]) || BN_cmp(n->v[PRIV], limit) >= 0)
		return why(CKR_ATTRIBUTE_VALUE_INVALID, "CKA_VALUE is not below the %s",
			n->v[Q] != NULL ? "subprime" : "prime");
	BN_set_flags(n->v[PRIV], BN_FLG_CONSTTIME);
	if ((ctx = BN_CTX_new()) == NULL || (n->v[PUB] = BN_new()) == NULL)
		rv = CKR_HOST_MEMORY;
	else if (!BN_mod_exp_mont_consttime(n->v[PUB], n->v[G], n->v[PRIV], n->v[P], ctx, NULL))
		rv = mech_failed(CKR_FUNCTION_FAILED, "public value");
	else if (!lies_within(n->v[PUB], n->v[P]))
		rv = why(CKR_ATTRIBUTE_VALUE_INVALID, "CKA_VALUE gives no public value");
	BN_CTX_free(ctx);
	return rv;
}

/* Fermat: 2^(x - 1) = 1 mod x. Who chose the prime so as to deceive this could as well have kept the private value. */
static bool
looks_prime(const BIGNUM *x, BN_CTX *ctx)
{
	BIGNUM *e = BN_dup(x), *two = BN_new(), *r = BN_new();
	bool ok = e != NULL && two != NULL && r != NULL && BN_is_odd(x) && BN_sub_word(e, 1) && BN_set_word(two, 2) &&
		BN_mod_exp(r, two, e, x, ctx) && BN_is_one(r);

	BN_free(e);
	BN_free(two);
	BN_free(r);
	return ok;
}

/* A public value out of a small subgroup makes the agreed secret one of a few, which one tells the private value modulo
 * their number (Lim and Lee 1997). A safe prime, 2 q + 1, has no such subgroups. Of a group that OpenSSL knows, it knows q and
 * looks at public values itself. */
static bool
is_safe_group(const struct numbers *n, EVP_PKEY *pkey)
{
	BIGNUM *q = NULL, *half = BN_new();
	BN_CTX *ctx = BN_CTX_new();
	bool safe = EVP_PKEY_get_bn_param(pkey, params[Q], &q) == 1;

	if (!safe && half != NULL && ctx != NULL)
		safe = BN_rshift1(half, n->v[P]) && looks_prime(half, ctx) && looks_prime(n->v[P], ctx);
	ERR_clear_error();
	BN_free(q);
	BN_free(half);
	BN_CTX_free(ctx);
	return safe;
}

static CK_RV
check_public(const struct numbers *n)
{
	if (!lies_within(n->v[PUB], n->v[P]) || (n->v[Q] != NULL && !in_subgroup(n, n->v[PUB])))
		return why(CKR_ATTRIBUTE_VALUE_INVALID, "CKA_VALUE is no public value of these parameters");
	return CKR_OK;
}

static CK_RV
parse(const struct attrs *a, bool private, bool dsa, struct key *k)
{
	struct numbers n = {0};
	CK_RV rv = read_domain(a, dsa, &n);

	if (rv == CKR_OK)
		rv = read_number(a, CKA_VALUE, "CKA_VALUE", &n.v[private ? PRIV : PUB]);
	if (rv == CKR_OK)
		rv = private ? complete(&n) : check_public(&n);
	if (rv == CKR_OK)
		rv = to_pkey(&n, dsa ? "DSA" : "DH", private ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY, 0, &k->pkey);
	if (rv == CKR_OK) {
		k->bits = (size_t)BN_num_bits(n.v[P]);
		k->size = (size_t)BN_num_bytes(dsa ? n.v[Q] : n.v[P]);
		k->safe_group = !dsa && private && is_safe_group(&n, k->pkey);
	}
	numbers_free(&n);
	return rv;
}

CK_RV
key_dh_parse(const struct attrs *a, bool private, struct key *k)
{
	return parse(a, private, false, k);
}

CK_RV
key_dsa_parse(const struct attrs *a, bool private, struct key *k)
{
	return parse(a, private, true, k);
}

CK_RV
key_dh_peer(const struct key *k, const uint8_t *y, size_t n, EVP_PKEY **pkey)
{
	struct numbers v = {0};
	CK_RV rv;

	if (n == 0 || n > k->size)
		return why(CKR_ATTRIBUTE_VALUE_INVALID, "the public value has %zu bytes, the prime %zu", n, k->size);
	if ((v.v[PUB] = BN_bin2bn(y, (int)n, NULL)) == NULL ||
		EVP_PKEY_get_bn_param(k->pkey, params[P], &v.v[P]) != 1 ||
		EVP_PKEY_get_bn_param(k->pkey, params[G], &v.v[G]) != 1)
		rv = mech_failed(CKR_FUNCTION_FAILED, "DH parameters");
	else if ((rv = check_public(&v)) == CKR_OK)
		rv = to_pkey(&v, "DH", EVP_PKEY_PUBLIC_KEY, 0, pkey);
	numbers_free(&v);
	return rv;
}

/* ---- the other way ---- */

static CK_RV
put_number(struct attrs *a, CK_ATTRIBUTE_TYPE type, EVP_PKEY *pkey, const char *param, CK_ATTRIBUTE_TYPE bits)
{
	BIGNUM *v = NULL;
	CK_RV rv;

	if (EVP_PKEY_get_bn_param(pkey, param, &v) != 1)
		return mech_failed(CKR_ATTRIBUTE_VALUE_INVALID, param);
	rv = key_set_bn(a, type, v, 0);
	if (rv == CKR_OK && bits != CK_UNAVAILABLE_INFORMATION)
		rv = attrs_set_ulong(a, bits, (CK_ULONG)BN_num_bits(v));
	BN_clear_free(v);
	return rv;
}

static CK_RV
put_domain(struct attrs *a, EVP_PKEY *pkey, bool with_bits)
{
	bool dsa = EVP_PKEY_is_a(pkey, "DSA");
	CK_RV rv = put_number(a, CKA_PRIME, pkey, params[P], with_bits ? CKA_PRIME_BITS : CK_UNAVAILABLE_INFORMATION);

	if (rv == CKR_OK && dsa)
		rv = put_number(a, CKA_SUBPRIME, pkey, params[Q],
			with_bits ? CKA_SUBPRIME_BITS : CK_UNAVAILABLE_INFORMATION);
	return rv == CKR_OK ? put_number(a, CKA_BASE, pkey, params[G], CK_UNAVAILABLE_INFORMATION) : rv;
}

CK_RV
key_ffc_put_domain(struct attrs *a, EVP_PKEY *pkey)
{
	return put_domain(a, pkey, true);
}

CK_RV
key_dsa_put(struct attrs *a, EVP_PKEY *pkey, bool private)
{
	CK_RV rv = put_domain(a, pkey, false);

	return rv == CKR_OK ? put_number(a, CKA_VALUE, pkey, params[private ? PRIV : PUB],
		CK_UNAVAILABLE_INFORMATION) : rv;
}

CK_RV
key_dh_put(struct attrs *a, EVP_PKEY *pkey, bool private)
{
	CK_RV rv = key_dsa_put(a, pkey, private);

	return rv == CKR_OK && private ? key_dh_normalise(a) : rv;
}

/* CKA_VALUE_BITS of a private key, unless it was made with so many. */
CK_RV
key_dh_normalise(struct attrs *a)
{
	const struct attr *x = attrs_get(a, CKA_VALUE);
	BIGNUM *v;
	CK_RV rv;

	if (attrs_ulong(a, CKA_CLASS, CKO_PRIVATE_KEY) != CKO_PRIVATE_KEY || x == NULL || attrs_has(a, CKA_VALUE_BITS))
		return CKR_OK;
	if (x->len > DH_MAX_BITS / 8 + 8 || (v = BN_bin2bn(x->value, (int)x->len, NULL)) == NULL)
		return why(CKR_ATTRIBUTE_VALUE_INVALID, "CKA_VALUE is too long");
	rv = attrs_set_ulong(a, CKA_VALUE_BITS, (CK_ULONG)BN_num_bits(v));
	BN_clear_free(v);
	return rv;
}
