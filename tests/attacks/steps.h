/*
 * steps.h - the steps that many attacks end with: from a blob or a handle to the bytes of the target
 *
 * Each tries all mechanisms, ends the attack with attack_leaked if the bytes came out and were proven, and
 * notes what was refused on the way.
 */
#ifndef TOKENFS_ATTACK_STEPS_H
#define TOKENFS_ATTACK_STEPS_H

#include "proof.h"

/* What wraps secret keys under AES, and under RSA; NO_CLASS at the end. */
extern const CK_MECHANISM_TYPE steps_aes_wraps[], steps_rsa_wraps[];

/* What the attacker is after: an AES key of 256 bits, sensitive, extractable under wrapping keys only. */
CK_OBJECT_HANDLE step_target(void);

/* Under one AES key, opened by C_Decrypt with another (which may be the same). */
void step_wrap_decrypt(CK_OBJECT_HANDLE wrapping, CK_OBJECT_HANDLE decrypting, CK_OBJECT_HANDLE target);
/* Under an AES key of the token whose bytes the attacker knows. */
void step_wrap_known(CK_OBJECT_HANDLE wrapping, const CK_BYTE *value, CK_ULONG len, CK_OBJECT_HANDLE target);
/* Under a public key whose private half the attacker has. */
void step_wrap_own_rsa(CK_OBJECT_HANDLE pub, struct own_rsa *own, CK_OBJECT_HANDLE target);
/* Under a public key; the private one opens it by C_Decrypt. */
void step_wrap_decrypt_rsa(CK_OBJECT_HANDLE pub, CK_OBJECT_HANDLE priv, CK_OBJECT_HANDLE target);
/* A blob of the target, opened by C_Decrypt. True if it could be decrypted to something. */
bool step_decrypt(CK_MECHANISM_TYPE type, CK_OBJECT_HANDLE decrypting, const struct blob *in, CK_OBJECT_HANDLE target);
/* The handle of a key that may have the target's value: readable? */
void step_read(CK_OBJECT_HANDLE key, CK_OBJECT_HANDLE target, const char *how);
/* One byte of a derived generic secret of `len` bytes: read, or found by 256 tries under HMAC. The others stand in
 * `known` already; the one at `open` is written there. */
bool step_one_byte(CK_OBJECT_HANDLE key, CK_BYTE *known, CK_ULONG len, CK_ULONG open);
/* An AES key derived from base, rebuilt from ever longer prefixes of it. */
void step_grow_derived(CK_MECHANISM *m, CK_OBJECT_HANDLE base);

#endif
