/*
 * key.h - keys and their use, one call of PKCS#11 each, with blobs of fixed room
 *
 * Errors:     the CK_RV of the call; key_made and the pairs end the attack as untried instead.
 */
#ifndef TOKENFS_ATTACK_KEY_H
#define TOKENFS_ATTACK_KEY_H

#include "client.h"
#include "templ.h"

#define BLOB_MAX 8192
struct blob {
	CK_ULONG len;
	CK_BYTE data[BLOB_MAX];
};

/* A mechanism, with the parameter that most calls need: IV of zeros, OAEP with SHA-1, GCM with 12 bytes and a tag
 * of 128 bits. Points into static storage, good until the next call. */
CK_MECHANISM *mechanism(CK_MECHANISM_TYPE type);

/* ---- keys ---- */
CK_RV key_generate(CK_OBJECT_HANDLE *key, CK_KEY_TYPE type, CK_ULONG len, const char *words);
CK_OBJECT_HANDLE key_made(CK_KEY_TYPE type, CK_ULONG len, const char *words);
CK_RV key_import(CK_OBJECT_HANDLE *key, CK_KEY_TYPE type, const void *value, CK_ULONG len, const char *words);
CK_RV key_create(CK_OBJECT_HANDLE *key, struct templ *t);
CK_RV key_wrap(CK_MECHANISM *m, CK_OBJECT_HANDLE wrapping, CK_OBJECT_HANDLE target, struct blob *out);
CK_RV key_unwrap(CK_MECHANISM *m, CK_OBJECT_HANDLE unwrapping, const struct blob *in, CK_OBJECT_CLASS class,
	CK_KEY_TYPE type, const char *words, CK_OBJECT_HANDLE *key);
CK_RV key_unwrap_as(CK_MECHANISM *m, CK_OBJECT_HANDLE unwrapping, const struct blob *in, struct templ *t,
	CK_OBJECT_HANDLE *key);
/* len 0: no CKA_VALUE_LEN */
CK_RV key_derive(CK_MECHANISM *m, CK_OBJECT_HANDLE base, CK_KEY_TYPE type, CK_ULONG len, const char *words,
	CK_OBJECT_HANDLE *key);
CK_RV key_copy(CK_OBJECT_HANDLE key, const char *words, CK_OBJECT_HANDLE *copy);
CK_RV key_set(CK_OBJECT_HANDLE key, const char *words); /* words as with "bare" */
CK_RV key_read(CK_OBJECT_HANDLE key, CK_ATTRIBUTE_TYPE type, struct blob *out);
bool key_is(CK_OBJECT_HANDLE key, CK_ATTRIBUTE_TYPE type); /* a boolean attribute that is TRUE */
void pair_rsa(CK_ULONG bits, const char *pub_words, const char *priv_words, CK_OBJECT_HANDLE *pub,
	CK_OBJECT_HANDLE *priv);
void pair_p256(const char *pub_words, const char *priv_words, CK_OBJECT_HANDLE *pub, CK_OBJECT_HANDLE *priv);
CK_RV pair_generate(CK_MECHANISM_TYPE mech, struct templ *pub_templ, struct templ *priv_templ, CK_OBJECT_HANDLE *pub,
	CK_OBJECT_HANDLE *priv);
extern CK_BYTE key_p256[10]; /* CKA_EC_PARAMS */

/* ---- use, in one part ---- */
CK_RV use_encrypt(CK_MECHANISM *m, CK_OBJECT_HANDLE key, const void *in, CK_ULONG len, struct blob *out);
CK_RV use_decrypt(CK_MECHANISM *m, CK_OBJECT_HANDLE key, const void *in, CK_ULONG len, struct blob *out);
CK_RV use_sign(CK_MECHANISM *m, CK_OBJECT_HANDLE key, const void *in, CK_ULONG len, struct blob *out);

#endif
