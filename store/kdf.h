/*
 * kdf.h - HKDF-SHA256, HMAC-SHA256, SHA-256 and random bytes for the vault's own format
 *
 * Locking:    any thread; a struct mac serialises its users inside.
 * Errors:     CKR_GENERAL_ERROR when OpenSSL refuses.
 * Secrets:    keys handed in are the caller's to wipe; a struct mac keeps its key in OpenSSL's memory, which
 *             is the secret arena.
 * Format:     docs/FORMAT.md, Keys
 */
#ifndef TOKENFS_KDF_H
#define TOKENFS_KDF_H

#include <openssl/evp.h>
#include <pthread.h>

#include "../pkcs11/buf.h"
#include "../pkcs11/ck.h"

#define KEY_LEN 32

/* RFC 5869: out = HKDF-SHA256(ikm, salt, info). info is a text and some bytes behind it. */
CK_RV kdf_hkdf(uint8_t *out, size_t out_len, const uint8_t *ikm, size_t ikm_len, const uint8_t *salt,
	size_t salt_len, const char *info, const void *more, size_t more_len);
CK_RV kdf_sha256(uint8_t out[32], const void *data, size_t len);
CK_RV kdf_random(void *out, size_t len);

/* A MAC key made ready. Zeroed (as static or calloc'd memory is) it has no key; the key may come and go while
 * others use it: they get CKR_USER_NOT_LOGGED_IN then. */
struct mac {
	EVP_MAC_CTX *ctx; /* NULL: no key */
	pthread_mutex_t lock;
};
/* Gives it a key, in place of the one it may have; takes it away again. */
CK_RV mac_init(struct mac *m, const uint8_t key[KEY_LEN]);
void mac_release(struct mac *m);
/* HMAC-SHA256(key, a || b). */
CK_RV mac_make(struct mac *m, uint8_t out[32], const void *a, size_t a_len, const void *b, size_t b_len);

#endif
