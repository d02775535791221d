/*
 * handles.h - a table from handles to things: what an application holds instead of pointers
 *
 * A handle is a counter above `base`, so that one is not given again before the counter has gone
 * round (handles in use are stepped over). 32 bits, never 0.
 *
 * Use:        handles_init(&t, base, limit); h = handles_add(&t, thing); handles_get(&t, h);
 *             thing = handles_remove(&t, h); handles_free(&t)
 * Ownership:  the table holds pointers; what they mean is the caller's.
 * Locking:    none of its own.
 */
#ifndef TOKENFS_HANDLES_H
#define TOKENFS_HANDLES_H

#include "../pkcs11/ck.h"

struct handles_entry {
	uint32_t handle; /* 0: free */
	void *thing;
};

struct handles {
	struct handles_entry *v;
	size_t cap, n;
	uint32_t base, limit, last;
};

/* Handles run from base + 1 to base + limit. */
void handles_init(struct handles *t, uint32_t base, uint32_t limit);
/* 0: out of memory. */
uint32_t handles_add(struct handles *t, void *thing);
/* NULL for any number that is not a handle of the table. */
void *handles_get(const struct handles *t, CK_ULONG handle);
bool handles_replace(struct handles *t, CK_ULONG handle, void *thing);
void *handles_remove(struct handles *t, CK_ULONG handle); /* the thing, or NULL */
/* Walks all entries in no order: *at begins with 0; NULL at the end. The table must not change
 * meanwhile. */
void *handles_next(const struct handles *t, size_t *at);
void handles_free(struct handles *t);

#endif
