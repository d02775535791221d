/* mech_des.h - DES keys as OpenSSL takes them */
#ifndef TOKENFS_MECH_DES_H
#define TOKENFS_MECH_DES_H

#include "mech_family.h"

#define DES_BLOCK 8
#define DES_EDE_KEY 24
/* Key sizes and types in the rows of triple DES. */
#define DES_KEYS 16, DES_EDE_KEY, KEYS2(CKK_DES3, CKK_DES2)

/* Three keys of the one, two or three that there are: triple DES with K1 = K3 is the two-key form, with one key
 * three times it is single DES (FIPS 46-3). The caller wipes. */
void des_expand(const uint8_t *value, size_t len, uint8_t out[DES_EDE_KEY]);

#endif
