/*
 * state_index.c - index.db: its layout, the tokens in it, and how a commit changes it
 *
 * The terms of an object stand twice: each by itself in `term`, where searches find it, and all
 * together in the object's row, so that they can be taken out again without a second index.
 */
#include "state_index.h"

#include <stdlib.h>
#include <string.h>

#include "why.h"

#define HANDLE_LIMIT (1u << 30)
#define HANDLES_APART 24 /* bits */

static const char *const statements[INDEX_STATEMENTS] = {
	[TOKEN_GET] = "SELECT id, epoch, mac FROM token WHERE serial = ?",
	[TOKEN_ADD] = "INSERT INTO token (serial, epoch, mac) VALUES (?, 0, zeroblob(32))",
	[TOKEN_MOVE] = "UPDATE token SET epoch = ?2, mac = ?3 WHERE id = ?1",
	[OBJECT_BY_UUID] = "SELECT handle, terms FROM object WHERE token = ? AND uuid = ?",
	[OBJECT_ADD] = "INSERT INTO object (token, uuid, version, private, terms) "
		       "VALUES (?, ?, ?, ?, ?)",
	[OBJECT_SET] = "UPDATE object SET version = ?2, private = ?3, terms = ?4 WHERE handle = ?1",
	[OBJECT_REMOVE] = "DELETE FROM object WHERE handle = ?",
	[OBJECT_GET] = "SELECT handle, uuid, version, private FROM object "
		       "WHERE handle = ?2 AND token = ?1",
	[OBJECT_ALL] = "SELECT handle, uuid, version, private FROM object "
		       "WHERE token = ?1 AND private <= ?2 ORDER BY handle",
	[OBJECT_UNINDEXED] = "SELECT handle, uuid, version, private FROM object "
			     "WHERE token = ? AND terms IS NULL ORDER BY handle",
	[OBJECT_COUNT] = "SELECT count(*), total(private) FROM object WHERE token = ?",
	[OBJECT_CLEAR] = "DELETE FROM object WHERE token = ?",
	[TERM_ADD] = "INSERT OR IGNORE INTO term VALUES (?, ?, ?)",
	[TERM_REMOVE] = "DELETE FROM term WHERE token = ? AND blind = ? AND object = ?",
	[TERM_CLEAR] = "DELETE FROM term WHERE token = ?",
	[TERM_LIST] = "SELECT object FROM term WHERE token = ? AND blind = ? "
		      "ORDER BY object LIMIT ?",
	[TERM_HAS] = "SELECT 1 FROM term WHERE token = ? AND blind = ? AND object = ?",
	[HANDLES_FROM] = "INSERT INTO sqlite_sequence (name, seq) VALUES ('object', ?)",
};

const struct db_layout state_index_layout = {
	.name = "index.db",
	.version = 2, /* 1 had no terms for the values of keys */
	.schema = "CREATE TABLE token (id INTEGER PRIMARY KEY, serial BLOB UNIQUE NOT NULL, "
		  "epoch INTEGER NOT NULL, mac BLOB NOT NULL);"
		  "CREATE TABLE object (handle INTEGER PRIMARY KEY AUTOINCREMENT, "
		  "token INTEGER NOT NULL, uuid BLOB NOT NULL, version INTEGER NOT NULL, "
		  "private INTEGER NOT NULL, terms BLOB);"
		  "CREATE UNIQUE INDEX object_uuid ON object (token, uuid);"
		  "CREATE INDEX object_unindexed ON object (token) WHERE terms IS NULL;"
		  "CREATE TABLE term (token INTEGER, blind BLOB, object INTEGER, "
		  "PRIMARY KEY (token, blind, object)) WITHOUT ROWID;",
	.sql = statements,
	.n_sql = INDEX_STATEMENTS,
	.cache_kib = 16384,
	.expendable = true,
};

void
index_lock(struct state *st)
{
	db_lock(st->index);
}

/* An index that was begun anew counts its handles from far above those that may still be in use. */
void
index_unlock(struct state *st)
{
	uint64_t losses;

	if (!db_unlock(st->index))
		return;
	losses = atomic_fetch_add(&st->losses, 1) + 1;
	db_lock(st->index);
	st->n_tokens = 0;
	if (db_run(st->index, HANDLES_FROM, "i", (int64_t)(losses << HANDLES_APART)) != CKR_OK)
		why_log(WHY_WARNING, "%s", why_text());
	db_unlock(st->index);
}

uint64_t
state_index_losses(struct state *st)
{
	return atomic_load(&st->losses);
}

/* ---- tokens ---- */

/* The token's number and position; *id 0: the index has none of that serial. */
static CK_RV
token_row(struct state *st, const char serial[SERIAL_LEN], int64_t *id, struct state_epoch *at)
{
	bool row;
	CK_RV rv;

	*id = 0;
	memset(at, 0, sizeof(*at));
	db_query(st->index, TOKEN_GET, "b", serial, (size_t)SERIAL_LEN);
	rv = db_next(st->index, TOKEN_GET, &row);
	if (rv != CKR_OK || !row)
		return rv;
	*id = db_int(st->index, TOKEN_GET, 0);
	at->epoch = (uint64_t)db_int(st->index, TOKEN_GET, 1);
	if (!db_blob(st->index, TOKEN_GET, 2, at->mac, MAC_LEN))
		rv = db_damaged(st->index, "a position's MAC has the wrong length");
	db_done(st->index, TOKEN_GET);
	return rv;
}

CK_RV
index_token(struct state *st, const char serial[SERIAL_LEN], bool add, struct index_token **token)
{
	struct index_token *grown;
	struct state_epoch at;
	int64_t id;
	CK_RV rv;

	*token = NULL;
	for (size_t i = 0; i < st->n_tokens; i++)
		if (memcmp(st->tokens[i].serial, serial, SERIAL_LEN) == 0) {
			*token = &st->tokens[i];
			return CKR_OK;
		}
	rv = token_row(st, serial, &id, &at);
	if (rv == CKR_OK && id == 0 && add) {
		rv = db_run(st->index, TOKEN_ADD, "b", serial, (size_t)SERIAL_LEN);
		id = db_last_id(st->index);
	}
	if (rv != CKR_OK || id == 0)
		return rv;
	grown = realloc(st->tokens, (st->n_tokens + 1) * sizeof(*grown));
	if (!grown)
		return CKR_HOST_MEMORY;
	st->tokens = grown;
	*token = &grown[st->n_tokens++];
	memset(*token, 0, sizeof(**token));
	memcpy((*token)->serial, serial, SERIAL_LEN);
	(*token)->id = id;
	return CKR_OK;
}

CK_RV
state_index_position(struct state *st, const char serial[SERIAL_LEN], struct state_epoch *at)
{
	int64_t id;
	CK_RV rv;

	index_lock(st);
	rv = token_row(st, serial, &id, at);
	index_unlock(st);
	return rv;
}

/* ---- changes ---- */

/* Ends a transaction: all of it is there if rv is CKR_OK, else nothing. */
static CK_RV
change_end(struct db *db, CK_RV rv)
{
	if (rv == CKR_OK)
		return db_commit(db);
	db_rollback(db);
	return rv;
}

/* Takes an object's terms out, given as they stand in its row. */
static CK_RV
terms_remove(struct db *db, int64_t token, int64_t handle, const uint8_t *terms, size_t len)
{
	CK_RV rv = CKR_OK;

	for (size_t i = 0; i + BLIND_LEN <= len && rv == CKR_OK; i += BLIND_LEN)
		rv = db_run(db, TERM_REMOVE, "ibi", token, terms + i, (size_t)BLIND_LEN, handle);
	return rv;
}

/* Finds the row of a uuid (*handle 0: none) and takes its terms out. */
static CK_RV
object_strip(struct db *db, int64_t token, const uint8_t uuid[UUID_LEN], int64_t *handle)
{
	const uint8_t *terms;
	size_t len;
	bool row;
	CK_RV rv;

	*handle = 0;
	db_query(db, OBJECT_BY_UUID, "ib", token, uuid, (size_t)UUID_LEN);
	rv = db_next(db, OBJECT_BY_UUID, &row);
	if (rv != CKR_OK || !row)
		return rv;
	*handle = db_int(db, OBJECT_BY_UUID, 0);
	terms = db_bytes(db, OBJECT_BY_UUID, 1, &len);
	rv = terms_remove(db, token, *handle, terms, len);
	db_done(db, OBJECT_BY_UUID);
	return rv;
}

/* Enters or replaces a row with its terms; the handle comes back in c->row. */
static CK_RV
object_put(struct db *db, int64_t token, struct index_change *c)
{
	static const uint8_t no_terms[1] = {0}; /* an empty blob is not NULL: indexed */
	const void *terms = !c->has_terms ? NULL : c->n_terms ? (const void *)c->terms : no_terms;
	size_t len = c->n_terms * BLIND_LEN;
	int64_t handle;
	CK_RV rv;

	if ((rv = object_strip(db, token, c->row.uuid, &handle)) != CKR_OK)
		return rv;
	if (handle) {
		rv = db_run(db, OBJECT_SET, "iiib", handle, (int64_t)c->row.version,
			(int64_t)c->row.private, terms, len);
	} else {
		rv = db_run(db, OBJECT_ADD, "ibiib", token, c->row.uuid, (size_t)UUID_LEN,
			(int64_t)c->row.version, (int64_t)c->row.private, terms, len);
		handle = db_last_id(db);
	}
	if (rv == CKR_OK && handle >= HANDLE_LIMIT)
		rv = why(CKR_DEVICE_MEMORY, "all object handles are used up: remove index.db");
	for (size_t i = 0; c->has_terms && i < c->n_terms && rv == CKR_OK; i++)
		rv = db_run(db, TERM_ADD, "ibi", token, c->terms[i].blind, (size_t)BLIND_LEN, handle);
	if (rv == CKR_OK)
		c->row.handle = (CK_OBJECT_HANDLE)handle;
	return rv;
}

static CK_RV
object_remove(struct db *db, int64_t token, const struct index_change *c)
{
	int64_t handle;
	CK_RV rv = object_strip(db, token, c->row.uuid, &handle);

	if (rv != CKR_OK || !handle)
		return rv;
	return db_run(db, OBJECT_REMOVE, "i", handle);
}

CK_RV
state_index_apply(struct state *st, const char serial[SERIAL_LEN], struct index_change *changes,
	size_t n, const struct state_epoch *to)
{
	struct db *db = st->index;
	struct index_token *known;
	int64_t token;
	CK_RV rv;

	index_lock(st);
	if ((rv = index_token(st, serial, true, &known)) != CKR_OK)
		goto out;
	token = known->id;
	known->counted = false;
	if ((rv = db_begin(db, true)) != CKR_OK)
		goto out;
	for (size_t i = 0; i < n && rv == CKR_OK; i++)
		rv = changes[i].remove ? object_remove(db, token, &changes[i])
				       : object_put(db, token, &changes[i]);
	if (rv == CKR_OK)
		rv = db_run(db, TOKEN_MOVE, "iib", token, (int64_t)to->epoch, to->mac,
			(size_t)MAC_LEN);
	rv = change_end(db, rv);
out:
	index_unlock(st);
	return rv;
}

CK_RV
state_index_clear(struct state *st, const char serial[SERIAL_LEN])
{
	static const uint8_t zero[MAC_LEN];
	struct db *db = st->index;
	struct index_token *known;
	int64_t token;
	CK_RV rv;

	index_lock(st);
	rv = index_token(st, serial, false, &known);
	if (rv != CKR_OK || !known)
		goto out;
	token = known->id;
	known->counted = false;
	if ((rv = db_begin(db, true)) != CKR_OK)
		goto out;
	rv = db_run(db, TERM_CLEAR, "i", token);
	if (rv == CKR_OK)
		rv = db_run(db, OBJECT_CLEAR, "i", token);
	if (rv == CKR_OK)
		rv = db_run(db, TOKEN_MOVE, "iib", token, (int64_t)0, zero, (size_t)MAC_LEN);
	rv = change_end(db, rv);
out:
	index_unlock(st);
	return rv;
}
