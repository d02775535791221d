/*
 * state_index.h - what the two files of index.db share: state_index.c, which changes it, state_find.c, which searches
 *
 * Locking:    index_lock before everything else here and before every db_ call on st->index.
 */
#ifndef TOKENFS_STATE_INDEX_H
#define TOKENFS_STATE_INDEX_H

#include "state_inner.h"

/* The statements of state_index_layout. */
enum {
	TOKEN_GET,
	TOKEN_ADD,
	TOKEN_MOVE,
	OBJECT_BY_UUID,
	OBJECT_ADD,
	OBJECT_SET,
	OBJECT_REMOVE,
	OBJECT_GET,
	OBJECT_ALL,
	OBJECT_UNINDEXED,
	OBJECT_COUNT,
	OBJECT_CLEAR,
	TERM_ADD,
	TERM_REMOVE,
	TERM_CLEAR,
	TERM_LIST,
	TERM_HAS,
	HANDLES_FROM,
	INDEX_STATEMENTS
};

/* One thread at a time, from here to index_unlock. */
void index_lock(struct state *st);
/* Also notices that SQLite found the index damaged and that it was begun anew: see state_index_losses. */
void index_unlock(struct state *st);
/* The token, st's until index_unlock; NULL if the index has none of that serial and `add` is false. Outside a
 * transaction: what is remembered here must not be rolled back. CKR_HOST_MEMORY, and what db.h gives. */
CK_RV index_token(struct state *st, const char serial[SERIAL_LEN], bool add, struct index_token **token);

#endif
