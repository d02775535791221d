/*
 * state_index.c - index.db: which objects a token has, and which of them hold a term
 *
 * The terms of an object stand twice: each by itself in `term`, where searches find it, and all
 * together in the object's row, so that they can be taken out again without a second index.
 *
 * A search takes the rarest term it can find cheaply, collects its objects and asks for each of them
 * whether the other terms hold it; if every term is frequent, it intersects the sorted lists.
 */
#include <stdlib.h>
#include <string.h>

#include "state_inner.h"
#include "why.h"

#define HANDLE_LIMIT (1u << 30)
#define HANDLES_APART 24 /* bits */
/* Up to so many objects are asked for one by one. */
#define FEW 32u

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
	N_STATEMENTS
};

static const char *const statements[N_STATEMENTS] = {
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
	.n_sql = N_STATEMENTS,
	.cache_kib = 16384,
	.expendable = true,
};

static void
index_lock(struct state *st)
{
	db_lock(st->index);
}

/* An index that was begun anew counts its handles from far above those that may still be in use. */
static void
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

/* The token; NULL if the index has none of that serial and `add` is false. Outside a transaction: what
 * is remembered here must not be rolled back. */
static CK_RV
known_token(struct state *st, const char serial[SERIAL_LEN], bool add, struct index_token **token)
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

/* Its number alone, 0 if it has none. */
static CK_RV
token_id(struct state *st, const char serial[SERIAL_LEN], int64_t *id)
{
	struct index_token *token;
	CK_RV rv = known_token(st, serial, false, &token);

	*id = token ? token->id : 0;
	return rv;
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
	if ((rv = known_token(st, serial, true, &known)) != CKR_OK)
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
	if (rv == CKR_OK)
		rv = db_commit(db);
	else
		db_rollback(db);
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
	rv = known_token(st, serial, false, &known);
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
	if (rv == CKR_OK)
		rv = db_commit(db);
	else
		db_rollback(db);
out:
	index_unlock(st);
	return rv;
}

/* ---- searches ---- */

/* Handles, ascending. */
struct handles {
	int64_t *v;
	size_t n, cap;
};

static CK_RV
handles_add(struct handles *h, int64_t v)
{
	int64_t *grown;

	if (h->n == h->cap) {
		h->cap = h->cap ? h->cap * 2 : FEW * 2;
		grown = realloc(h->v, h->cap * sizeof(*grown));
		if (!grown)
			return CKR_HOST_MEMORY;
		h->v = grown;
	}
	h->v[h->n++] = v;
	return CKR_OK;
}

struct rows {
	struct index_row *v;
	size_t n, cap;
};

/* Adds the present row of a statement whose columns are handle, uuid, version, private. */
static CK_RV
rows_add(struct rows *r, struct db *db, unsigned stmt)
{
	struct index_row *grown, *row;

	if (r->n == r->cap) {
		r->cap = r->cap ? r->cap * 2 : 16;
		grown = realloc(r->v, r->cap * sizeof(*grown));
		if (!grown)
			return CKR_HOST_MEMORY;
		r->v = grown;
	}
	row = &r->v[r->n];
	row->handle = (CK_OBJECT_HANDLE)db_int(db, stmt, 0);
	row->version = (uint64_t)db_int(db, stmt, 2);
	row->private = db_int(db, stmt, 3) != 0;
	if (!db_blob(db, stmt, 1, row->uuid, UUID_LEN))
		return db_damaged(db, "a uuid has the wrong length");
	r->n++;
	return CKR_OK;
}

/* All rows of a query that has been bound. */
static CK_RV
rows_collect(struct rows *r, struct db *db, unsigned stmt)
{
	bool row;
	CK_RV rv;

	while ((rv = db_next(db, stmt, &row)) == CKR_OK && row)
		if ((rv = rows_add(r, db, stmt)) != CKR_OK) {
			db_done(db, stmt);
			break;
		}
	return rv;
}

/* The first `limit` objects that hold a term (-1: all), into an emptied h. */
static CK_RV
term_list(struct db *db, int64_t token, const struct index_term *term, int64_t limit, struct handles *h)
{
	bool row;
	CK_RV rv;

	h->n = 0;
	db_query(db, TERM_LIST, "ibi", token, term->blind, (size_t)BLIND_LEN, limit);
	while ((rv = db_next(db, TERM_LIST, &row)) == CKR_OK && row)
		if ((rv = handles_add(h, db_int(db, TERM_LIST, 0))) != CKR_OK) {
			db_done(db, TERM_LIST);
			break;
		}
	return rv;
}

/* Keeps the objects that hold the term, asking for each. */
static CK_RV
keep_few(struct db *db, int64_t token, const struct index_term *term, struct handles *h)
{
	size_t kept = 0;
	bool row;
	CK_RV rv;

	for (size_t i = 0; i < h->n; i++) {
		db_query(db, TERM_HAS, "ibi", token, term->blind, (size_t)BLIND_LEN, h->v[i]);
		if ((rv = db_next(db, TERM_HAS, &row)) != CKR_OK)
			return rv;
		if (!row)
			continue;
		db_done(db, TERM_HAS);
		h->v[kept++] = h->v[i];
	}
	h->n = kept;
	return CKR_OK;
}

/* Keeps the objects that hold the term, by walking both lists. */
static CK_RV
keep_many(struct db *db, int64_t token, const struct index_term *term, struct handles *h)
{
	struct handles other = {0};
	size_t kept = 0;
	CK_RV rv = term_list(db, token, term, -1, &other);

	for (size_t i = 0, j = 0; rv == CKR_OK && i < h->n; i++) {
		while (j < other.n && other.v[j] < h->v[i])
			j++;
		if (j < other.n && other.v[j] == h->v[i])
			h->v[kept++] = h->v[i];
	}
	h->n = kept;
	free(other.v);
	return rv;
}

/* The objects that hold all n >= 1 terms. The last term is tried first: templates tend to name class and
 * storage before label and id. */
static CK_RV
intersect(struct db *db, int64_t token, const struct index_term *terms, size_t n, struct handles *h)
{
	size_t first = n;
	CK_RV rv = CKR_OK;

	h->n = FEW + 1;
	while (first > 0 && h->n > FEW)
		if ((rv = term_list(db, token, &terms[--first], FEW + 1, h)) != CKR_OK)
			return rv;
	if (h->n > FEW)
		rv = term_list(db, token, &terms[first], -1, h);
	for (size_t i = n; i-- > 0 && rv == CKR_OK && h->n > 0;)
		if (i != first)
			rv = h->n <= FEW ? keep_few(db, token, &terms[i], h)
					 : keep_many(db, token, &terms[i], h);
	return rv;
}

/* Adds the public or the private rows that hold all terms. */
static CK_RV
find_side(struct db *db, int64_t token, const struct index_term *terms, size_t n, bool private,
	struct rows *r)
{
	struct handles h = {0};
	bool row;
	CK_RV rv = intersect(db, token, terms, n, &h);

	for (size_t i = 0; i < h.n && rv == CKR_OK; i++) {
		db_query(db, OBJECT_GET, "ii", token, h.v[i]);
		if ((rv = db_next(db, OBJECT_GET, &row)) != CKR_OK || !row)
			continue;
		if ((db_int(db, OBJECT_GET, 3) != 0) == private)
			rv = rows_add(r, db, OBJECT_GET);
		db_done(db, OBJECT_GET);
	}
	free(h.v);
	return rv;
}

static int
by_handle(const void *a, const void *b)
{
	const struct index_row *x = a, *y = b;

	return (x->handle > y->handle) - (x->handle < y->handle);
}

static CK_RV
find(struct db *db, int64_t token, const struct index_term *pub, const struct index_term *priv,
	size_t n_terms, struct rows *r)
{
	size_t n_public;
	CK_RV rv;

	if (n_terms == 0) {
		db_query(db, OBJECT_ALL, "ii", token, (int64_t)(priv != NULL));
		return rows_collect(r, db, OBJECT_ALL);
	}
	rv = find_side(db, token, pub, n_terms, false, r);
	n_public = r->n;
	if (rv == CKR_OK && priv)
		rv = find_side(db, token, priv, n_terms, true, r);
	if (n_public > 0 && r->n > n_public)
		qsort(r->v, r->n, sizeof(*r->v), by_handle);
	return rv;
}

/* Gives rows to the caller, or frees them. */
static CK_RV
rows_end(struct rows *r, CK_RV rv, struct index_row **rows, size_t *n)
{
	if (rv == CKR_OK) {
		*rows = r->v;
		*n = r->n;
	} else {
		free(r->v);
	}
	return rv;
}

CK_RV
state_index_find(struct state *st, const char serial[SERIAL_LEN], const struct index_term *pub,
	const struct index_term *priv, size_t n_terms, struct index_row **rows, size_t *n)
{
	struct rows r = {0};
	int64_t token;
	CK_RV rv;

	*rows = NULL;
	*n = 0;
	index_lock(st);
	rv = token_id(st, serial, &token);
	/* one transaction: its statements share a lock of the file, and see one state */
	if (rv == CKR_OK && token && (rv = db_begin(st->index, false)) == CKR_OK) {
		rv = find(st->index, token, pub, priv, n_terms, &r);
		db_rollback(st->index);
	}
	index_unlock(st);
	return rows_end(&r, rv, rows, n);
}

CK_RV
state_index_row(struct state *st, const char serial[SERIAL_LEN], CK_OBJECT_HANDLE h, struct index_row *row)
{
	struct rows r = {0};
	int64_t token;
	CK_RV rv;

	index_lock(st);
	rv = token_id(st, serial, &token);
	if (rv == CKR_OK && h <= INT64_MAX) {
		db_query(st->index, OBJECT_GET, "ii", token, (int64_t)h);
		rv = rows_collect(&r, st->index, OBJECT_GET);
	}
	index_unlock(st);
	if (rv == CKR_OK && r.n == 0)
		rv = why(CKR_OBJECT_HANDLE_INVALID, "no object has handle %lu", h);
	else if (rv == CKR_OK)
		*row = r.v[0];
	free(r.v);
	return rv;
}

CK_RV
state_index_unindexed(struct state *st, const char serial[SERIAL_LEN], struct index_row **rows, size_t *n)
{
	struct rows r = {0};
	int64_t token;
	CK_RV rv;

	*rows = NULL;
	*n = 0;
	index_lock(st);
	rv = token_id(st, serial, &token);
	if (rv == CKR_OK) {
		db_query(st->index, OBJECT_UNINDEXED, "i", token);
		rv = rows_collect(&r, st->index, OBJECT_UNINDEXED);
	}
	index_unlock(st);
	return rows_end(&r, rv, rows, n);
}

CK_RV
state_index_count(struct state *st, const char serial[SERIAL_LEN], size_t *public_n, size_t *private_n)
{
	struct index_token *t;
	bool row;
	CK_RV rv;

	*public_n = *private_n = 0;
	index_lock(st);
	rv = known_token(st, serial, false, &t);
	if (rv != CKR_OK || !t)
		goto out;
	if (!t->counted) {
		db_query(st->index, OBJECT_COUNT, "i", t->id);
		if ((rv = db_next(st->index, OBJECT_COUNT, &row)) != CKR_OK || !row)
			goto out;
		t->private_n = (size_t)db_int(st->index, OBJECT_COUNT, 1);
		t->public_n = (size_t)db_int(st->index, OBJECT_COUNT, 0) - t->private_n;
		t->counted = true;
		db_done(st->index, OBJECT_COUNT);
	}
	*public_n = t->public_n;
	*private_n = t->private_n;
out:
	index_unlock(st);
	return rv;
}
