/*
 * why.h - the reason of the last failure, in words, beside its CK_RV
 *
 * PKCS#11 answers with a number; an administrator needs the file's name. Whoever fails in store/
 * says why in a sentence; whoever answers a person (log, last-error, the command) reads it.
 *
 * Use:        return why(CKR_DEVICE_ERROR, "%s/%s: MAC does not match", dir, name);
 * Locking:    one text per thread; it stands until the same thread's next why().
 * Secrets:    never put a PIN, a key or an attribute's value into it.
 */
#ifndef TOKENFS_WHY_H
#define TOKENFS_WHY_H

#include "../pkcs11/ck.h"

/* Keeps the text (at most 511 bytes) and returns rv. */
CK_RV why(CK_RV rv, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The same with ": strerror(errno)" behind it; the CK_RV is derived from errno:
 * ENOSPC, EDQUOT -> CKR_DEVICE_MEMORY; ENOMEM -> CKR_HOST_MEMORY; EROFS -> CKR_TOKEN_WRITE_PROTECTED;
 * else CKR_DEVICE_ERROR. */
CK_RV why_errno(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The thread's last text, "" if none. */
const char *why_text(void);
void why_clear(void);

/* store/ reports what is no failure (a cut tail, a rebuilt index) through this; set once at start. */
enum why_level { WHY_ERROR, WHY_WARNING, WHY_NOTICE, WHY_INFO, WHY_DEBUG };
void why_logger(void (*log)(enum why_level, const char *text));
void why_log(enum why_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
