/*
 * live.h - the live objects of a token: what the commit log says is there, in which version
 *
 * A hash table by uuid. It is what a replay of the log yields and what a snapshot writes.
 *
 * Locking:    the owner's.
 * Errors:     false when memory is exhausted; the table is then unchanged.
 */
#ifndef TOKENFS_LIVE_H
#define TOKENFS_LIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "state.h"

struct live_entry {
	uint8_t uuid[UUID_LEN];
	uint64_t version; /* 0: empty place */
	uint64_t epoch;   /* of the commit that put it */
	int64_t time;     /* of that commit */
	uint32_t length;  /* of the sealed file */
	bool private;
	bool present; /* scratch for whoever compares with the directory */
	uint8_t hash[32]; /* SHA-256 of the sealed file */
};

struct live {
	struct live_entry *v;
	size_t cap, n, n_private;
	uint64_t bytes;
};

void live_free(struct live *l);
bool live_put(struct live *l, const struct live_entry *e); /* adds or replaces */
/* Nothing happens if it is not there. */
void live_remove(struct live *l, const uint8_t uuid[UUID_LEN]);
struct live_entry *live_find(const struct live *l, const uint8_t uuid[UUID_LEN]); /* or NULL */
/* Walks: start with *i = 0; NULL at the end. The table must not change meanwhile. */
struct live_entry *live_next(const struct live *l, size_t *i);
bool live_copy(struct live *to, const struct live *from); /* to must be empty */

#endif
