/*
 * curve.h - the elliptic curves: one table of rows
 *
 * A new curve is a row. CKA_EC_PARAMS names a curve by object identifier or by PrintableString
 * (PKCS#11 3.1 6.3.3); explicit parameters are not taken.
 *
 * Locking:    the table is constant.
 */
#ifndef TOKENFS_CURVE_H
#define TOKENFS_CURVE_H

#include "../pkcs11/ck.h"

struct curve {
	CK_KEY_TYPE type;    /* CKK_EC, CKK_EC_EDWARDS, CKK_EC_MONTGOMERY */
	const char *group;   /* OpenSSL's name: of the group, or of the key type */
	const char *name[3]; /* what a PrintableString may say; NULL at the end */
	uint8_t oid[12];     /* DER, tag and length included */
	size_t oid_len;
	size_t bits;  /* of the field, as C_GetMechanismInfo counts */
	size_t bytes; /* of a field element, of a scalar, of r and of s */
	size_t point; /* of the public point, raw: 0x04 || x || y, or as RFC 8032 and 7748 have it */
	size_t signature;
	const char *jwk; /* "crv" of RFC 7518, 8037, 8812; NULL: has none */
	const char *ssh; /* RFC 5656, 8709; NULL: has none */
};

/* The row that CKA_EC_PARAMS names. CKR_CURVE_NOT_SUPPORTED, CKR_DOMAIN_PARAMS_INVALID. */
CK_RV curve_find(const uint8_t *params, size_t len, const struct curve **c);
/* By OpenSSL's group or key type name; NULL if there is none. */
const struct curve *curve_of_group(const char *group);
const struct curve *curve_at(size_t i); /* NULL past the end */

#endif
