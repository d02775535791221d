/*
 * secret.h - memory for keys: locked, not dumped, wiped when released
 *
 * One arena serves the store's key bytes and attribute values and, through
 * CRYPTO_set_mem_functions, everything that OpenSSL allocates, so that no parsed key lies in the
 * ordinary heap. It consists of chunks of memfd_secret (no other process, root included, can read
 * them through /proc); where the kernel or a limit refuses, of mlocked, MADV_DONTDUMP memory; where
 * that is refused too, of ordinary MADV_DONTDUMP memory. secret_report says which.
 *
 * Use:        secret_start() first thing in main, before any call into OpenSSL. No fork after it
 *             but to exec: the arena is not mapped in a child, whose touch of it would be a fault.
 * Ownership:  as malloc. secret_free(NULL) does nothing.
 * Locking:    any thread; each keeps a few free blocks of its own, so that threads seldom meet.
 * Errors:     NULL when memory is exhausted. A header that was overwritten or a block freed
 *             twice aborts: nothing that follows could be trusted.
 * Secrets:    every block is wiped in full when it is freed or moved.
 */
#ifndef TOKENFS_SECRET_H
#define TOKENFS_SECRET_H

#include <stddef.h>
#include <stdint.h>

#include "../pkcs11/ck.h"

/* Sets up the arena, hands it to OpenSSL and to attrs_allocator, and starts OpenSSL with
 * OPENSSL_INIT_NO_LOAD_CONFIG. A second call does nothing. CKR_GENERAL_ERROR: OpenSSL was in use
 * already. */
CK_RV secret_start(void);
void *secret_alloc(size_t len); /* zeroed */
void *secret_realloc(void *p, size_t len);
void secret_free(void *p);
/* Bytes set aside for a block, at least as many as were asked for; for tests. */
size_t secret_size(const void *p);

struct secret_report {
	size_t memfd_secret, locked, plain; /* bytes of chunks of each sort */
	size_t used;                        /* bytes of blocks handed out, headers included */
};
/* How the arena came out, for `tokenfs status`. */
void secret_report(struct secret_report *r);

/* A short secret with its length, in the arena. */
struct secret {
	uint8_t *data;
	size_t len;
};
/* len zero bytes, or a copy of data, into an empty *s. CKR_HOST_MEMORY. */
CK_RV secret_new(struct secret *s, size_t len);
CK_RV secret_copy(struct secret *s, const void *data, size_t len);
void secret_clear(struct secret *s); /* wipes, frees; a zeroed struct is fine */

#endif
