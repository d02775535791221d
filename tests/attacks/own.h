/*
 * own.h - what the attacker computes by himself, with OpenSSL
 *
 * Errors:     false, or the end of the attack as untried where OpenSSL itself fails.
 * Ownership:  keys are not freed: an attack is a short process.
 */
#ifndef TOKENFS_ATTACK_OWN_H
#define TOKENFS_ATTACK_OWN_H

#include <openssl/types.h>

#include "key.h"

void own_random(void *out, CK_ULONG len);
/* One block cipher call without padding, by OpenSSL's name ("AES-128-ECB"); iv NULL: zeros. */
bool own_cipher(const char *name, bool encrypt, const CK_BYTE *key, const CK_BYTE *iv, const CK_BYTE *in, CK_ULONG len,
	struct blob *out);
/* RFC 3394 unwrapping under a known key */
bool own_key_unwrap(const CK_BYTE *key, CK_ULONG key_len, const struct blob *in, struct blob *out);
bool own_key_wrap(const CK_BYTE *key, CK_ULONG key_len, const CK_BYTE *in, CK_ULONG len, struct blob *out);
/* The same by RFC 5649 */
bool own_key_wrap_pad(const CK_BYTE *key, CK_ULONG key_len, const CK_BYTE *in, CK_ULONG len, struct blob *out);
/* The bytes of a blob made by C_WrapKey with mechanism(type) under a known AES key. */
bool own_open(CK_MECHANISM_TYPE type, const CK_BYTE *key, CK_ULONG key_len, const struct blob *in, struct blob *out);
bool own_sha256(const void *in, CK_ULONG len, CK_BYTE out[32]);
bool own_sha1(const void *in, CK_ULONG len, CK_BYTE out[20]);
bool own_hmac(const CK_BYTE *key, CK_ULONG key_len, const void *in, CK_ULONG len, CK_BYTE out[32]);
/* Takes the OAEP (SHA-1, no label) or PKCS #1 v1.5 padding off a whole block. */
bool own_unpad(CK_MECHANISM_TYPE type, const struct blob *block, struct blob *out);

/* An RSA key pair of the attacker, made by OpenSSL. */
struct own_rsa;
struct own_rsa *own_rsa_new(unsigned bits);
/* The public half of one of the token's keys. */
struct own_rsa *own_rsa_of(CK_OBJECT_HANDLE pub);
/* n and an exponent, public or private */
struct own_rsa *own_rsa_numbers(const struct blob *n, const struct blob *e);
void own_rsa_modulus(struct own_rsa *k, struct blob *out);
/* type: CKM_RSA_PKCS, CKM_RSA_PKCS_OAEP, CKM_RSA_X_509 */
bool own_rsa_encrypt(struct own_rsa *k, CK_MECHANISM_TYPE type, const void *in, CK_ULONG len, struct blob *out);
bool own_rsa_decrypt(struct own_rsa *k, CK_MECHANISM_TYPE type, const struct blob *in, struct blob *out);
/* The e-th root over the integers, if there is one. */
bool own_root(const struct blob *in, unsigned e, struct blob *out);
/* A public key of OpenSSL's from modulus and exponent, or NULL. */
EVP_PKEY *own_pkey(const struct blob *n, const struct blob *e);

#endif
