/*
 * state_inner.h - struct state, shared by state.c and, through state_index.h, by the files of index.db
 *
 * Locking:    each struct db has its lock; `tokens` belongs to the index's. No function takes both.
 */
#ifndef TOKENFS_STATE_INNER_H
#define TOKENFS_STATE_INNER_H

#include <stdatomic.h>

#include "db.h"
#include "secret.h"
#include "state.h"

/* What is asked of a token again and again: its number in index.db and, while `counted`, its counts. One process
 * alone writes (the vault's lock), so nothing changes behind these. */
struct index_token {
	char serial[SERIAL_LEN];
	int64_t id;
	bool counted;
	size_t public_n, private_n;
};

struct state {
	struct db *own;   /* state.db; NULL: read-only and missing */
	struct db *index; /* index.db */
	struct secret mac_key;
	bool read_only;
	atomic_uint_least64_t losses; /* how often the index was begun anew under us */
	struct index_token *tokens;
	size_t n_tokens;
};

extern const struct db_layout state_index_layout;

#endif
