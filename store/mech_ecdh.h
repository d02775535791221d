/*
 * mech_ecdh.h - key agreement on curves, for the mechanisms that are made of it (mech_ecdh.c, mech_ecdh_aes_wrap.c)
 *
 * Secrets:    the shared secret lies in the secret arena; whoever gets it frees it.
 */
#ifndef TOKENFS_MECH_ECDH_H
#define TOKENFS_MECH_ECDH_H

#include "mech_family.h"

/* The shared secret of our private key and the other party's public one, k->size bytes. CKR_MECHANISM_PARAM_INVALID, also
 * for points of small order, whose secret would be no secret. */
CK_RV ecdh_agree(const struct key *k, EVP_PKEY *peer, bool cofactor, struct bytes *z);
/* CKD_NULL takes no shared data; of the others only those that this OpenSSL has. CKR_MECHANISM_PARAM_INVALID. */
CK_RV ecdh_check_kdf(CK_ULONG kdf, const uint8_t *shared, size_t shared_len);
/* len bytes by the function: ANSI X9.63 5.6.3, or SP 800-56C 4.1 for the _SP800 ones. shared may be NULL. */
CK_RV ecdh_kdf(CK_ULONG kdf, const struct bytes *z, const uint8_t *shared, size_t shared_len, uint8_t *out,
	size_t len);

#endif
