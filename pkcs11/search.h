/*
 * search.h - searches whose handles came with the answer to C_FindObjectsInit
 *
 * WIRE_FIND_NOW brings the first handles and says whether they are all; if so, the daemon's search has ended
 * and this file alone knows that the application's goes on until C_FindObjectsFinal.
 *
 *   none -search_begin-> beginning -search_started-> running -search_end-> none
 *   beginning -search_started with an error-> none;  any -C_CloseSession-> none
 *
 * Invariants: 1. a session with an entry has a search: a second C_FindObjectsInit is CKR_OPERATION_ACTIVE
 *             2. `more` says that the daemon's search goes on too, behind the handles kept here
 *             3. what this application destroyed is not given out; after what may have hidden objects or closed
 *                the session unseen (logout, sessions closed) a search is `doubtful`: the caller asks the
 *                daemon about session and handles before it relies on them
 *
 * Ownership:  search_started takes the list over, on failure too.
 * Locking:    any thread; the lock is never held during a round trip.
 * Fork:       lives and dies with the channel: searches_forget in the child.
 */
#ifndef TOKENFS_SEARCH_H
#define TOKENFS_SEARCH_H

#include <stdbool.h>
#include <stdint.h>

#include "lock.h"

struct searches;

struct search_state {
	bool known; /* false: this file knows of no search */
	bool more;
	bool doubtful;
};

/* args: for the application's mutexes, as C_Initialize got them. CKR_HOST_MEMORY, or what its CreateMutex said. */
CK_RV searches_new(struct searches **s, const CK_C_INITIALIZE_ARGS *args);
void searches_free(struct searches *s);
/* In the child of a fork: nothing is kept, no lock is held. */
void searches_forget(struct searches *s);

/* *number: this search among all of the channel's. CKR_OPERATION_ACTIVE, CKR_HOST_MEMORY. */
CK_RV search_begin(struct searches *s, CK_SESSION_HANDLE session, uint64_t *number);
/* What the daemon answered to search `number`: list (malloc'd) of n handles if rv is CKR_OK. Nothing happens if that
 * search is no longer the session's. */
void search_started(struct searches *s, CK_SESSION_HANDLE session, uint64_t number, CK_RV rv, CK_OBJECT_HANDLE *list,
	size_t n, bool all);
/* The next handles, at most max; *n: how many. */
struct search_state search_next(struct searches *s, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE *out,
	CK_ULONG max, CK_ULONG *n);
struct search_state search_end(struct searches *s, CK_SESSION_HANDLE session);
struct search_state search_look(struct searches *s, CK_SESSION_HANDLE session);

/* An object was destroyed. */
void search_remove(struct searches *s, CK_OBJECT_HANDLE object);
/* What a round trip (number, session, result) means for searches. */
void search_after(struct searches *s, uint32_t call, CK_SESSION_HANDLE session, CK_RV rv);

#endif
