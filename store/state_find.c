/*
 * state_find.c - index.db: searches, rows, counts
 *
 * A search takes the rarest term it can find cheaply, collects its objects and asks for each of them
 * whether the other terms hold it; if every term is frequent, it intersects the sorted lists.
 */
#include <stdlib.h>

#include "state_index.h"
#include "why.h"

/* Up to so many objects are asked for one by one. */
#define FEW 32u

/* The token's number, 0 if the index has none of that serial. */
static CK_RV
token_id(struct state *st, const char serial[SERIAL_LEN], int64_t *id)
{
	struct index_token *token;
	CK_RV rv = index_token(st, serial, false, &token);

	*id = token ? token->id : 0;
	return rv;
}

/* Handles, ascending. */
struct handles {
	int64_t *v;
	size_t n, cap;
};

static CK_RV
handles_add(struct handles *h, int64_t v)
{
	size_t cap = h->cap ? h->cap * 2 : FEW * 2;
	int64_t *grown;

	if (h->n == h->cap) {
		grown = realloc(h->v, cap * sizeof(*grown));
		if (!grown)
			return CKR_HOST_MEMORY;
		h->v = grown;
		h->cap = cap;
	}
	h->v[h->n++] = v;
	return CKR_OK;
}

/* ---- rows ---- */

struct rows {
	struct index_row *v;
	size_t n, cap;
};

/* Adds the present row of a statement whose columns are handle, uuid, version, private. */
static CK_RV
rows_add(struct rows *r, struct db *db, unsigned stmt)
{
	size_t cap = r->cap ? r->cap * 2 : 16;
	struct index_row *grown, *row;

	if (r->n == r->cap) {
		grown = realloc(r->v, cap * sizeof(*grown));
		if (!grown)
			return CKR_HOST_MEMORY;
		r->v = grown;
		r->cap = cap;
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

/* ---- terms ---- */

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

/* ---- the door ---- */

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
	rv = index_token(st, serial, false, &t);
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
