/*
 * key_material.h - from attributes to EVP_PKEY and back, per kind of key; seen by key*.c and mech_*.c
 *
 * A kind of asymmetric keys is a row of the table in key.c and a file that reads and writes its attributes.
 *
 * Ownership:  key_parse gives a key that points into the set `a`, which must outlive it.
 * Errors:     CKR_TEMPLATE_INCOMPLETE (a part is missing), CKR_ATTRIBUTE_VALUE_INVALID,
 *             CKR_KEY_SIZE_RANGE, CKR_CURVE_NOT_SUPPORTED, CKR_DOMAIN_PARAMS_INVALID,
 *             CKR_PARAMETER_SET_NOT_SUPPORTED.
 */
#ifndef TOKENFS_KEY_MATERIAL_H
#define TOKENFS_KEY_MATERIAL_H

#include <openssl/bn.h>

#include "curve.h"
#include "key.h"

#define RSA_MIN_BITS 1024 /* what is imported or used; generation asks for more */
#define RSA_MAX_BITS 16384
#define DH_MIN_BITS 1024 /* likewise */
#define DH_MAX_BITS 8192
#define DSA_MIN_BITS 1024
#define DSA_MAX_BITS 3072
#define FFC_GEN_MIN_BITS 2048

#define KEY_NAMES 13

struct key_kind {
	CK_KEY_TYPE type;
	/* Fills k->pkey, k->bits, k->size and what the kind has of its own. */
	CK_RV (*parse)(const struct attrs *a, bool private, struct key *k);
	/* Material of an EVP_PKEY as attributes. */
	CK_RV (*put)(struct attrs *a, EVP_PKEY *pkey, bool private);
	/* Brings material into the form in which it is stored; NULL: it has one form only. */
	CK_RV (*normalise)(struct attrs *a);
	/* Do the parts of a private key, which came from outside, fit each other? NULL: parse has seen to it. */
	CK_RV (*check)(const struct key *k);
	const char *names[KEY_NAMES]; /* OpenSSL's key types; NULL at the end */
};

/* NULL: no kind of asymmetric keys that is known. */
const struct key_kind *key_kind(CK_KEY_TYPE type);
const struct key_kind *key_kind_of(EVP_PKEY *pkey);

/* Public or private by CKA_CLASS, checked; *k is the caller's: key_free. */
CK_RV key_parse(const struct attrs *a, struct key **k);

/* What stands in the table, one line per file. */
CK_RV key_rsa_parse(const struct attrs *a, bool private, struct key *k);
CK_RV key_rsa_put(struct attrs *a, EVP_PKEY *pkey, bool private);
CK_RV key_rsa_check(const struct key *k);

CK_RV key_ec_parse(const struct attrs *a, bool private, struct key *k);
CK_RV key_ec_put(struct attrs *a, EVP_PKEY *pkey, bool private);
CK_RV key_ec_normalise(struct attrs *a);

CK_RV key_dh_parse(const struct attrs *a, bool private, struct key *k);
CK_RV key_dh_put(struct attrs *a, EVP_PKEY *pkey, bool private);
CK_RV key_dh_normalise(struct attrs *a);
CK_RV key_dsa_parse(const struct attrs *a, bool private, struct key *k);
CK_RV key_dsa_put(struct attrs *a, EVP_PKEY *pkey, bool private);

CK_RV key_pq_parse(const struct attrs *a, bool private, struct key *k);
CK_RV key_pq_put(struct attrs *a, EVP_PKEY *pkey, bool private);
CK_RV key_pq_normalise(struct attrs *a);

/* Material of an EVP_PKEY as attributes; CKA_KEY_TYPE is set or compared. */
CK_RV key_put_public(struct attrs *a, EVP_PKEY *pkey);
CK_RV key_put_private(struct attrs *a, EVP_PKEY *pkey);
CK_RV key_put_info(struct attrs *a, EVP_PKEY *pkey); /* CKA_PUBLIC_KEY_INFO */
/* Both halves of a pair just made, and their CKA_PUBLIC_KEY_INFO. */
CK_RV key_put_pair(struct attrs *pub, struct attrs *priv, EVP_PKEY *pkey);

/* The raw public point of a parsed key; *len in: room. */
CK_RV key_ec_point(EVP_PKEY *pkey, const struct curve *c, uint8_t *out, size_t *len);
/* The point in raw form from raw or DER octet string; false if its length is not the curve's. */
bool key_ec_raw_point(const struct curve *c, const uint8_t *in, size_t n, const uint8_t **raw, size_t *raw_len);
/* A public key on the curve from a raw point: CKR_ATTRIBUTE_VALUE_INVALID if it is not on it. */
CK_RV key_ec_public(const struct curve *c, const uint8_t *raw, size_t n, EVP_PKEY **pkey);
#define POINT_MAX 133

/* Domain parameters out of CKA_PRIME, CKA_BASE and, for DSA, CKA_SUBPRIME, checked as far as can be done in no time;
 * name: "DH" or "DSA". private_bits: length of the private values to be made, 0: OpenSSL's choice. */
CK_RV key_ffc_domain(const struct attrs *a, const char *name, size_t private_bits, EVP_PKEY **pkey);
/* The other way; CKA_PRIME_BITS and CKA_SUBPRIME_BITS too. */
CK_RV key_ffc_put_domain(struct attrs *a, EVP_PKEY *pkey);
/* A public value of the other side, in the group of a private key: 1 < y < p - 1. CKR_ATTRIBUTE_VALUE_INVALID. */
CK_RV key_dh_peer(const struct key *k, const uint8_t *y, size_t n, EVP_PKEY **pkey);

/* ---- parameter sets of FIPS 203, 204 and 205: one table (key_pq.c) ---- */
struct key_pq_set {
	CK_KEY_TYPE type;
	CK_ULONG set;     /* CKA_PARAMETER_SET */
	const char *name; /* OpenSSL's key type */
	size_t pub, priv; /* bytes of CKA_VALUE */
	size_t seed;      /* bytes of CKA_SEED; 0: the type has none */
	size_t out;       /* bytes of a signature, of a ciphertext */
};
/* NULL: there is none. */
const struct key_pq_set *key_pq_find(CK_KEY_TYPE type, CK_ULONG set);
/* Does this OpenSSL know the type? From 3.5 on. */
bool key_pq_there(CK_KEY_TYPE type);

CK_RV key_set_bn(struct attrs *a, CK_ATTRIBUTE_TYPE type, const BIGNUM *n, size_t size); /* size 0: shortest */
CK_RV key_spki(EVP_PKEY *pkey, uint8_t **der, size_t *len); /* secret_alloc'd */

#endif
