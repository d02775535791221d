/*
 * Keys on elliptic curves: CKA_EC_PARAMS with CKA_EC_POINT, or with CKA_VALUE
 *
 * A private key holds no point (PKCS#11 3.1 6.3.4): it is computed when the key is parsed.
 */
#include "key_material.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/objects.h>
#include <openssl/param_build.h>
#include <string.h>

#include "../pkcs11/buf.h"
#include "der.h"
#include "mech_family.h"
#include "why.h"

bool
key_ec_raw_point(const struct curve *c, const uint8_t *in, size_t n, const uint8_t **raw, size_t *raw_len)
{
	size_t compressed = c->type == CKK_EC ? 1 + c->bytes : c->point;
	const uint8_t *v = in;
	size_t len = n;

	if (in == NULL)
		return false;
	if (n != c->point && n != compressed && !der_only(in, n, DER_OCTET_STRING, &v, &len))
		return false;
	if (c->type == CKK_EC && !(len == c->point && v[0] == 0x04) &&
		!(len == compressed && (v[0] == 0x02 || v[0] == 0x03)))
		return false;
	if (c->type != CKK_EC && len != c->point)
		return false;
	*raw = v;
	*raw_len = len;
	return true;
}

/* secret NULL: a public key. */
static CK_RV
weierstrass_pkey(const struct curve *c, const uint8_t *point, size_t n, const BIGNUM *secret, EVP_PKEY **pkey)
{
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	OSSL_PARAM *params = NULL;
	bool ok;

	ok = bld != NULL && ctx != NULL &&
		OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME, c->group, 0) == 1 &&
		OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY, point, n) == 1 &&
		(secret == NULL || OSSL_PARAM_BLD_push_BN_pad(bld, OSSL_PKEY_PARAM_PRIV_KEY, secret, c->bytes) == 1) &&
		(params = OSSL_PARAM_BLD_to_param(bld)) != NULL && EVP_PKEY_fromdata_init(ctx) == 1 &&
		EVP_PKEY_fromdata(ctx, pkey, secret != NULL ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY, params) == 1;
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(bld);
	EVP_PKEY_CTX_free(ctx);
	return ok ? CKR_OK : mech_failed(CKR_ATTRIBUTE_VALUE_INVALID, "not a point of the curve");
}

/* Is there an x for these bytes, which OpenSSL asks only when it verifies (RFC 8032 5.1.3, 5.2.3)? x^2 is u / v, with
 * u = y^2 - 1 and v = d y^2 + 1, for the larger curve d y^2 - 1; a square if u v is one. */
static bool
edwards_point(const struct curve *c, const uint8_t *raw)
{
	static const char *const primes[] = {"7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFED",
		"FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFE"
		"FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF"};
	static const char *const ds[] = {"52036CEE2B6FFE738CC740797779E89800700A4D4141D8AB75EB4DCA135978A3", "-98A9"};
	bool small = c->point == 32, sign = (raw[c->point - 1] & 0x80) != 0, ok;
	BIGNUM *p = NULL, *u = NULL, *v = NULL, *y = BN_lebin2bn(raw, (int)c->point, NULL);
	BN_CTX *ctx = BN_CTX_new();

	ok = ctx != NULL && y != NULL && BN_hex2bn(&p, primes[!small]) > 0 && BN_hex2bn(&v, ds[!small]) > 0 &&
		(u = BN_new()) != NULL && (!sign || BN_clear_bit(y, 8 * (int)c->point - 1) == 1) && BN_cmp(y, p) < 0 &&
		BN_mod_sqr(u, y, p, ctx) == 1 && BN_mod_mul(v, v, u, p, ctx) == 1 && BN_sub_word(u, 1) == 1 &&
		(small ? BN_add_word(v, 1) : BN_sub_word(v, 1)) == 1 && BN_mod_mul(u, u, v, p, ctx) == 1;
	if (ok)
		ok = BN_is_zero(u) ? !sign : BN_kronecker(u, p, ctx) == 1;
	BN_free(p);
	BN_free(u);
	BN_free(v);
	BN_free(y);
	BN_CTX_free(ctx);
	return ok;
}

CK_RV
key_ec_public(const struct curve *c, const uint8_t *raw, size_t n, EVP_PKEY **pkey)
{
	if (c->type == CKK_EC)
		return weierstrass_pkey(c, raw, n, NULL, pkey);
	if (c->type == CKK_EC_EDWARDS && !edwards_point(c, raw))
		return why(CKR_ATTRIBUTE_VALUE_INVALID, "not a point of %s", c->name[0]);
	*pkey = EVP_PKEY_new_raw_public_key_ex(NULL, c->group, NULL, raw, n);
	return *pkey != NULL ? CKR_OK : mech_failed(CKR_ATTRIBUTE_VALUE_INVALID, "public key");
}

/* The public point of a secret scalar, uncompressed. */
static CK_RV
multiply(const struct curve *c, const BIGNUM *secret, uint8_t *point)
{
	EC_GROUP *group = EC_GROUP_new_by_curve_name(OBJ_sn2nid(c->group));
	EC_POINT *q = group != NULL ? EC_POINT_new(group) : NULL;
	BN_CTX *ctx = BN_CTX_new();
	CK_RV rv = CKR_OK;

	if (q == NULL || ctx == NULL)
		rv = mech_failed(CKR_CURVE_NOT_SUPPORTED, c->name[0]);
	else if (BN_is_zero(secret) || BN_cmp(secret, EC_GROUP_get0_order(group)) >= 0)
		rv = why(CKR_ATTRIBUTE_VALUE_INVALID, "CKA_VALUE is not below the order of %s", c->name[0]);
	else if (EC_POINT_mul(group, q, secret, NULL, NULL, ctx) != 1 ||
		EC_POINT_point2oct(group, q, POINT_CONVERSION_UNCOMPRESSED, point, c->point, ctx) != c->point)
		rv = mech_failed(CKR_FUNCTION_FAILED, c->name[0]);
	EC_POINT_free(q);
	EC_GROUP_free(group);
	BN_CTX_free(ctx);
	return rv;
}

static CK_RV
private_pkey(const struct curve *c, const struct attr *value, EVP_PKEY **pkey)
{
	uint8_t point[POINT_MAX];
	BIGNUM *secret;
	CK_RV rv;

	if (c->type != CKK_EC) {
		if (value->len != c->bytes)
			return why(CKR_ATTRIBUTE_VALUE_INVALID, "CKA_VALUE has %zu bytes, not %zu",
				value->len, c->bytes);
		*pkey = EVP_PKEY_new_raw_private_key_ex(NULL, c->group, NULL, value->value, value->len);
		return *pkey != NULL ? CKR_OK : mech_failed(CKR_ATTRIBUTE_VALUE_INVALID, "private key");
	}
	if (value->len > 2 * c->bytes || (secret = BN_bin2bn(value->value, (int)value->len, NULL)) == NULL)
		return CKR_ATTRIBUTE_VALUE_INVALID;
	BN_set_flags(secret, BN_FLG_CONSTTIME);
	if ((rv = multiply(c, secret, point)) == CKR_OK)
		rv = weierstrass_pkey(c, point, c->point, secret, pkey);
	BN_clear_free(secret);
	return rv;
}

CK_RV
key_ec_parse(const struct attrs *a, bool private, struct key *k)
{
	const struct attr *params = attrs_get(a, CKA_EC_PARAMS);
	const struct attr *part = attrs_get(a, private ? CKA_VALUE : CKA_EC_POINT);
	const uint8_t *raw;
	size_t n;
	CK_RV rv;

	if (params == NULL || part == NULL || part->len == 0)
		return why(CKR_TEMPLATE_INCOMPLETE, "%s is missing", params == NULL ? "CKA_EC_PARAMS" :
			private ? "CKA_VALUE" : "CKA_EC_POINT");
	if ((rv = curve_find(params->value, params->len, &k->curve)) != CKR_OK)
		return rv;
	if (k->curve->type != k->type)
		return why(CKR_CURVE_NOT_SUPPORTED, "%s does not go with the key type", k->curve->name[0]);
	k->bits = k->curve->bits;
	k->size = k->curve->bytes;
	if (private)
		return private_pkey(k->curve, part, &k->pkey);
	if (!key_ec_raw_point(k->curve, part->value, part->len, &raw, &n))
		return why(CKR_ATTRIBUTE_VALUE_INVALID, "CKA_EC_POINT is not a point of %s", k->curve->name[0]);
	return key_ec_public(k->curve, raw, n, &k->pkey);
}

CK_RV
key_ec_point(EVP_PKEY *pkey, const struct curve *c, uint8_t *out, size_t *len)
{
	BIGNUM *x = NULL, *y = NULL;
	bool ok;

	if (*len < c->point)
		return CKR_GENERAL_ERROR;
	*len = c->point;
	if (c->type != CKK_EC)
		return EVP_PKEY_get_raw_public_key(pkey, out, len) == 1 ? CKR_OK :
			mech_failed(CKR_FUNCTION_FAILED, "public key");
	out[0] = 0x04;
	ok = EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_EC_PUB_X, &x) == 1 &&
		EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_EC_PUB_Y, &y) == 1 &&
		BN_bn2binpad(x, out + 1, (int)c->bytes) > 0 &&
		BN_bn2binpad(y, out + 1 + c->bytes, (int)c->bytes) > 0;
	BN_free(x);
	BN_free(y);
	return ok ? CKR_OK : mech_failed(CKR_FUNCTION_FAILED, "public key");
}

static CK_RV
put_point(struct attrs *a, EVP_PKEY *pkey, const struct curve *c)
{
	uint8_t der[4 + POINT_MAX];
	size_t n = POINT_MAX, at = der_put_header(der, DER_OCTET_STRING, c->point);
	CK_RV rv;

	if ((rv = key_ec_point(pkey, c, der + at, &n)) != CKR_OK)
		return rv;
	return attrs_set(a, CKA_EC_POINT, der, at + n);
}

static CK_RV
put_value(struct attrs *a, EVP_PKEY *pkey, const struct curve *c)
{
	uint8_t raw[64];
	size_t n = sizeof(raw);
	BIGNUM *secret = NULL;
	CK_RV rv;

	if (c->type == CKK_EC) {
		if (EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_PRIV_KEY, &secret) != 1)
			return mech_failed(CKR_ATTRIBUTE_VALUE_INVALID, "private key");
		rv = key_set_bn(a, CKA_VALUE, secret, c->bytes);
		BN_clear_free(secret);
		return rv;
	}
	if (EVP_PKEY_get_raw_private_key(pkey, raw, &n) != 1)
		return mech_failed(CKR_ATTRIBUTE_VALUE_INVALID, "private key");
	rv = attrs_set(a, CKA_VALUE, raw, n);
	wipe(raw, sizeof(raw));
	return rv;
}

CK_RV
key_ec_put(struct attrs *a, EVP_PKEY *pkey, bool private)
{
	const struct curve *c;
	char group[64] = "";
	CK_RV rv;

	if (EVP_PKEY_is_a(pkey, "EC"))
		EVP_PKEY_get_group_name(pkey, group, sizeof(group), NULL);
	else
		snprintf(group, sizeof(group), "%s", EVP_PKEY_get0_type_name(pkey));
	if ((c = curve_of_group(group)) == NULL)
		return why(CKR_CURVE_NOT_SUPPORTED, "the curve %s is not supported", group);
	/* A template that named the curve keeps its own way of naming it. */
	if (!attrs_has(a, CKA_EC_PARAMS) &&
		(rv = attrs_set(a, CKA_EC_PARAMS, c->oid, c->oid_len)) != CKR_OK)
		return rv;
	return private ? put_value(a, pkey, c) : put_point(a, pkey, c);
}

/* CKA_EC_POINT is a DER octet string (PKCS#11 3.1 6.3.3); many clients give the bare point. */
CK_RV
key_ec_normalise(struct attrs *a)
{
	const struct attr *params = attrs_get(a, CKA_EC_PARAMS), *point = attrs_get(a, CKA_EC_POINT);
	const struct curve *c;
	const uint8_t *raw;
	uint8_t der[4 + POINT_MAX];
	size_t n, at;
	CK_RV rv;

	if (params == NULL || point == NULL)
		return CKR_OK;
	if ((rv = curve_find(params->value, params->len, &c)) != CKR_OK)
		return rv;
	if (!key_ec_raw_point(c, point->value, point->len, &raw, &n))
		return why(CKR_ATTRIBUTE_VALUE_INVALID, "CKA_EC_POINT is not a point of %s", c->name[0]);
	at = der_put_header(der, DER_OCTET_STRING, n);
	memcpy(der + at, raw, n);
	return attrs_set(a, CKA_EC_POINT, der, at + n);
}
