#include "lock.h"

#include <string.h>

CK_RV
lock_init(struct lock *l, const CK_C_INITIALIZE_ARGS *args)
{
	CK_RV rv;

	memset(l, 0, sizeof(*l));
	if (args == NULL || args->CreateMutex == NULL)
		return pthread_mutex_init(&l->own, NULL) == 0 ? CKR_OK : CKR_CANT_LOCK;
	rv = args->CreateMutex(&l->mutex);
	if (rv != CKR_OK)
		return rv == CKR_HOST_MEMORY ? rv : CKR_CANT_LOCK;
	l->theirs = *args;
	return CKR_OK;
}

void
lock_free(struct lock *l)
{
	if (l->theirs.CreateMutex != NULL)
		l->theirs.DestroyMutex(l->mutex);
	else
		pthread_mutex_destroy(&l->own);
	memset(l, 0, sizeof(*l));
}

void
lock_take(struct lock *l)
{
	if (l->theirs.CreateMutex != NULL)
		l->theirs.LockMutex(l->mutex);
	else
		pthread_mutex_lock(&l->own);
}

void
lock_give(struct lock *l)
{
	if (l->theirs.CreateMutex != NULL)
		l->theirs.UnlockMutex(l->mutex);
	else
		pthread_mutex_unlock(&l->own);
}

void
lock_forget(struct lock *l)
{
	memset(l, 0, sizeof(*l));
	pthread_mutex_init(&l->own, NULL);
}
