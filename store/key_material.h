/*
 * key_material.h - from attributes to EVP_PKEY and back, per key type; seen by key*.c and mech_*.c
 *
 * Ownership:  key_parse gives a key that points into the set `a`, which must outlive it.
 * Errors:     CKR_TEMPLATE_INCOMPLETE (a part is missing), CKR_ATTRIBUTE_VALUE_INVALID,
 *             CKR_KEY_SIZE_RANGE, CKR_CURVE_NOT_SUPPORTED, CKR_DOMAIN_PARAMS_INVALID.
 */
#ifndef TOKENFS_KEY_MATERIAL_H
#define TOKENFS_KEY_MATERIAL_H

#include <openssl/bn.h>

#include "curve.h"
#include "key.h"

#define RSA_MIN_BITS 1024 /* what is imported or used; generation asks for more */
#define RSA_MAX_BITS 16384

CK_RV key_parse(const struct attrs *a, struct key **k);

/* Fill k->pkey, k->bits, k->size, k->curve. */
CK_RV key_rsa_parse(const struct attrs *a, bool private, struct key *k);
CK_RV key_ec_parse(const struct attrs *a, bool private, struct key *k);
/* The parts of an RSA private key fit each other. */
CK_RV key_rsa_check(const struct key *k);

/* Material of an EVP_PKEY as attributes; CKA_KEY_TYPE is set or compared. */
CK_RV key_put_public(struct attrs *a, EVP_PKEY *pkey);
CK_RV key_put_private(struct attrs *a, EVP_PKEY *pkey);
CK_RV key_put_info(struct attrs *a, EVP_PKEY *pkey); /* CKA_PUBLIC_KEY_INFO */
CK_RV key_rsa_put(struct attrs *a, EVP_PKEY *pkey, bool private);
CK_RV key_ec_put(struct attrs *a, EVP_PKEY *pkey, bool private);

/* The raw public point of a parsed key; *len in: room. */
CK_RV key_ec_point(EVP_PKEY *pkey, const struct curve *c, uint8_t *out, size_t *len);
/* The point in raw form from raw or DER octet string; false if its length is not the curve's. */
bool key_ec_raw_point(const struct curve *c, const uint8_t *in, size_t n, const uint8_t **raw, size_t *raw_len);
/* A public key on the curve from a raw point: CKR_ATTRIBUTE_VALUE_INVALID if it is not on it. */
CK_RV key_ec_public(const struct curve *c, const uint8_t *raw, size_t n, EVP_PKEY **pkey);
#define POINT_MAX 133

CK_RV key_set_bn(struct attrs *a, CK_ATTRIBUTE_TYPE type, const BIGNUM *n, size_t size); /* size 0: shortest */
CK_RV key_spki(EVP_PKEY *pkey, uint8_t **der, size_t *len); /* secret_alloc'd */

#endif
