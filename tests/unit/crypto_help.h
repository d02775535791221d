/*
 * crypto_help.h - keys as objects, and operations in one breath, for the tests of mechanisms
 */
#ifndef TOKENFS_CRYPTO_HELP_H
#define TOKENFS_CRYPTO_HELP_H

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#include "store/curve.h"
#include "store/key.h"
#include "store/mech.h"
#include "store/op.h"
#include "store/secret.h"
#include "store/why.h"
#include "unit.h"

#define BIG 8192

/* Around the blocks of ciphers and hashes. */
static const size_t lengths[] = {0, 1, 15, 16, 17, 31, 32, 33, 55, 56, 63, 64, 65, 111, 127, 128, 129, 255, 256, 1000, 4096};
#define LENGTHS (sizeof(lengths) / sizeof(lengths[0]))

static inline size_t
unhex(const char *hex, uint8_t *out)
{
	size_t n = 0;
	unsigned v;

	for (; hex[0] != 0 && hex[1] != 0; hex += 2) {
		while (*hex == ' ')
			hex++;
		sscanf(hex, "%2x", &v);
		out[n++] = (uint8_t)v;
	}
	return n;
}

/* Turns a set into an object that may do everything. The set is empty afterwards. */
static inline struct object *
as_object(struct attrs *a)
{
	static const CK_ATTRIBUTE_TYPE uses[] = {CKA_ENCRYPT, CKA_DECRYPT, CKA_SIGN, CKA_VERIFY, CKA_SIGN_RECOVER,
		CKA_VERIFY_RECOVER, CKA_WRAP, CKA_UNWRAP, CKA_DERIVE, CKA_EXTRACTABLE};
	struct object *o = NULL;

	for (size_t i = 0; i < sizeof(uses) / sizeof(uses[0]); i++)
		attrs_set_bool(a, uses[i], true);
	if (!attrs_has(a, CKA_SENSITIVE))
		attrs_set_bool(a, CKA_SENSITIVE, false);
	CHECK_RV(CKR_OK, object_new(&o, a));
	return o;
}

static inline struct object *
secret_object(CK_KEY_TYPE type, const uint8_t *value, size_t len)
{
	struct attrs a = {0};

	attrs_set_ulong(&a, CKA_CLASS, CKO_SECRET_KEY);
	attrs_set_ulong(&a, CKA_KEY_TYPE, type);
	attrs_set(&a, CKA_VALUE, value, len);
	attrs_set_ulong(&a, CKA_VALUE_LEN, len);
	return as_object(&a);
}

static inline CK_MECHANISM
mechanism(CK_MECHANISM_TYPE type, const void *param, size_t len)
{
	CK_MECHANISM m = {type, (void *)param, len};

	return m;
}

/* A pair made by the code under test. params: CKA_EC_PARAMS, or bits of an RSA modulus. */
static inline CK_RV
make_pair(CK_MECHANISM_TYPE type, const uint8_t *params, size_t len, CK_ULONG bits, struct object **pub,
	struct object **priv)
{
	CK_MECHANISM m = {type, NULL, 0};
	struct attrs a = {0}, b = {0};
	CK_RV rv;

	*pub = *priv = NULL;
	rv = mech_implies(&m, NULL, &a, &b);
	if (params != NULL)
		attrs_set(&a, CKA_EC_PARAMS, params, len);
	if (bits != 0)
		attrs_set_ulong(&a, CKA_MODULUS_BITS, bits);
	if (rv == CKR_OK)
		rv = mech_generate_pair(&m, false, &a, &b, NULL);
	if (rv == CKR_OK) {
		*pub = as_object(&a);
		*priv = as_object(&b);
	}
	attrs_free(&a);
	attrs_free(&b);
	return rv;
}

/* OpenSSL's own view of the pair, by another way than the parser: the public key from
 * CKA_PUBLIC_KEY_INFO, the private one from PKCS #8. */
static inline EVP_PKEY *
openssl_public(struct object *o)
{
	const struct attr *info = attrs_get(&o->attrs, CKA_PUBLIC_KEY_INFO);
	const unsigned char *p = info->value;

	return d2i_PUBKEY(NULL, &p, (long)info->len);
}

static inline EVP_PKEY *
openssl_private(struct object *o)
{
	uint8_t *der = NULL;
	const unsigned char *p;
	EVP_PKEY *k = NULL;
	size_t n = 0;

	if (key_to_pkcs8(o, &der, &n) == CKR_OK) {
		p = der;
		k = d2i_AutoPrivateKey(NULL, &p, (long)n);
	}
	secret_free(der);
	return k;
}

/* Begin, once, end. */
static inline CK_RV
once(enum op_kind kind, const CK_MECHANISM *m, struct object *key, const uint8_t *in, size_t n, uint8_t *out,
	size_t *len)
{
	struct op *op;
	CK_ULONG l = *len;
	CK_RV rv = op_begin(&op, kind, m, key);

	if (rv == CKR_OK) {
		rv = op_once(op, in, n, out, &l);
		*len = l;
		CHECK(!op_active(op) || rv == CKR_BUFFER_TOO_SMALL || out == NULL);
		op_end(op);
	}
	return rv;
}

/* The same in random pieces, each asked for its length first; every told length must be right. */
static inline CK_RV
parts(enum op_kind kind, const CK_MECHANISM *m, struct object *key, const uint8_t *in, size_t n, uint8_t *out,
	size_t *len)
{
	bool cipher = kind == OP_ENCRYPT || kind == OP_DECRYPT;
	size_t at = 0, step, have = 0;
	CK_ULONG l, told = 0;
	struct op *op;
	CK_RV rv = op_begin(&op, kind, m, key);

	if (rv != CKR_OK)
		return rv;
	for (; rv == CKR_OK && at < n; at += step) {
		step = (size_t)rand() % 40;
		step = step > n - at ? n - at : step;
		if (!cipher) {
			rv = op_update(op, in + at, step, NULL, NULL);
			continue;
		}
		CHECK_RV(CKR_OK, op_update(op, in + at, step, NULL, &told));
		CHECK(told <= op_bound(op, step));
		if (told > 0) {
			l = told - 1;
			CHECK_RV(CKR_BUFFER_TOO_SMALL, op_update(op, in + at, step, out + have, &l));
			CHECK(l == told);
		}
		l = told;
		rv = op_update(op, in + at, step, out + have, &l);
		CHECK(rv != CKR_OK || l == told);
		have += rv == CKR_OK ? l : 0;
	}
	if (rv == CKR_OK && (rv = op_final(op, NULL, &told)) == CKR_OK) {
		CHECK(told <= op_bound(op, 0));
		l = told;
		rv = op_final(op, out + have, &l);
		CHECK(rv != CKR_OK || l <= told);
		*len = have + l;
	}
	CHECK(!op_active(op));
	op_end(op);
	return rv;
}

static inline CK_RV
verify(const CK_MECHANISM *m, struct object *key, const uint8_t *in, size_t n, const uint8_t *sig, size_t len)
{
	struct op *op;
	CK_RV rv = op_begin(&op, OP_VERIFY, m, key);

	if (rv == CKR_OK) {
		rv = op_verify(op, in, n, sig, len);
		CHECK(!op_active(op));
		op_end(op);
	}
	return rv;
}

static inline CK_RV
verify_parts(const CK_MECHANISM *m, struct object *key, const uint8_t *in, size_t n, const uint8_t *sig,
	size_t len)
{
	struct op *op;
	CK_RV rv = op_begin(&op, OP_VERIFY, m, key);

	if (rv == CKR_OK) {
		rv = op_update(op, in, n / 3, NULL, NULL);
		if (rv == CKR_OK)
			rv = op_update(op, in + n / 3, n - n / 3, NULL, NULL);
		if (rv == CKR_OK)
			rv = op_verify_final(op, sig, len);
		op_end(op);
	}
	return rv;
}

static inline bool
same(const void *a, size_t n, const void *b, size_t m)
{
	return n == m && memcmp(a, b, n) == 0;
}

#endif
