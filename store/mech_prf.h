/*
 * mech_prf.h - HMAC and CMAC over input in pieces: what the key derivation functions are made of
 *
 * Use:        struct prf p = {0}; prf_hmac(&p, hash, key, len) or prf_cmac(...);
 *             prf_add(&p, piece, n) ...; prf_end(&p, out), again and again with the same key; prf_free(&p)
 * Errors:     sticky until prf_end, which gives the first one and begins anew.
 * Secrets:    OpenSSL's contexts lie in the secret arena; what comes out is the caller's to wipe.
 */
#ifndef TOKENFS_MECH_PRF_H
#define TOKENFS_MECH_PRF_H

#include "mech_family.h"

#define PRF_MAX 64 /* bytes that one of them gives at most */
/* Input that one derivation may push through them, which takes a fraction of a second: the caller's fields of many
 * kilobytes times the blocks of a long key would keep a thread for minutes. */
#define PRF_WORK_MAX (64u << 20)

struct prf {
	EVP_MAC_CTX *ctx;
	size_t size; /* bytes that come out */
	CK_RV rv;
};

/* Makes it ready with a key; p is zeroed, or has another key until now. CKR_FUNCTION_FAILED. */
CK_RV prf_hmac(struct prf *p, const struct hash *h, const uint8_t *key, size_t len);
/* key_type: CKK_AES, CKK_DES2 or CKK_DES3. */
CK_RV prf_cmac(struct prf *p, CK_KEY_TYPE key_type, const uint8_t *key, size_t len);
void prf_add(struct prf *p, const void *data, size_t n);
/* p->size bytes to out; begins anew with the same key. */
CK_RV prf_end(struct prf *p, uint8_t *out);
void prf_free(struct prf *p);
/* P_hash of RFC 5246 5: len bytes from the secret that p has as its key and label || seed, in pieces. */
CK_RV prf_tls12(struct prf *p, const struct bytes *seed, uint8_t *out, size_t len);

#endif
