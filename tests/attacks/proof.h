/*
 * proof.h - does the attacker really have the key? Asked of OpenSSL, never of the token alone
 *
 * The token uses its key once, OpenSSL the candidate: equal answers prove it.
 */
#ifndef TOKENFS_ATTACK_PROOF_H
#define TOKENFS_ATTACK_PROOF_H

#include "own.h"

/* The key must be able to encrypt (AES), to sign with HMAC (generic). */
bool proof_aes(CK_OBJECT_HANDLE key, const CK_BYTE *value, CK_ULONG len);
bool proof_hmac(CK_OBJECT_HANDLE key, const CK_BYTE *value, CK_ULONG len);
/* der: a private key, PKCS #8 or the algorithm's own form. It signs, and verifies under the public object. */
bool proof_private(CK_OBJECT_HANDLE pub, const CK_BYTE *der, CK_ULONG len);
/* sig: RSASSA-PKCS1-v1_5 with SHA-256 over data, under the public object. */
bool proof_signature(CK_OBJECT_HANDLE pub, const void *data, CK_ULONG len, const struct blob *sig);

#endif
