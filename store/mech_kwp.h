/*
 * mech_kwp.h - RFC 5649 under a temporary AES key: the second half of the mechanisms that wrap in two steps
 *
 * Errors:     CKR_ENCRYPTED_DATA_INVALID when a blob does not open; CKR_FUNCTION_FAILED.
 */
#ifndef TOKENFS_MECH_KWP_H
#define TOKENFS_MECH_KWP_H

#include "mech_family.h"

#define KWP_UNIT 8
/* AES keys of 128, 192 and 256 bits. */
bool kwp_key_bits(CK_ULONG bits);
/* What n bytes take when wrapped. */
size_t kwp_size(size_t n);
/* out has room for kwp_size(n) when wrapping, for n when not. */
CK_RV kwp(bool wrap, const uint8_t *key, size_t key_len, const uint8_t *in, size_t n, uint8_t *out, size_t *out_len);

#endif
