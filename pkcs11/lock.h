/*
 * lock.h - a mutex of this library or of the application, as C_Initialize was told
 *
 * PKCS#11 3.1 5.4.1: an application that hands over four mutex functions and does not allow the
 * system's own locking expects the library to use them and nothing else.
 *
 * Use:        lock_init(&l, &args_or_NULL); lock_take(&l); lock_give(&l); lock_free(&l)
 * Errors:     lock_init: CKR_CANT_LOCK, CKR_HOST_MEMORY.
 */
#ifndef TOKENFS_LOCK_H
#define TOKENFS_LOCK_H

#include <pthread.h>

#include "ck.h"

struct lock {
	pthread_mutex_t own;
	CK_C_INITIALIZE_ARGS theirs; /* CreateMutex == NULL: `own` is used */
	void *mutex;
};

/* args: all four functions are there, or CreateMutex is NULL. */
CK_RV lock_init(struct lock *l, const CK_C_INITIALIZE_ARGS *args);
void lock_free(struct lock *l);
void lock_take(struct lock *l);
void lock_give(struct lock *l);
/* In the child of a fork: another thread may have held it; only our own mutex is released. */
void lock_forget(struct lock *l);

#endif
