/*
 * Finding: the blind index (state.h) kept in step with the live table, and searches over it.
 *
 * A term is HMAC(index key, encoded attribute) cut to 16 bytes; the index key of public objects comes from
 * the vault key, that of private ones from the token key. What is hidden from reading has no term; but a key's value
 * has one of its own (TKA_LEDGER), by which it is known when it comes in again.
 */
#include <stdlib.h>
#include <string.h>

#include "inside.h"

static CK_RV
term_of(struct mac *key, const struct attr *a, struct index_term *term)
{
	const struct attrs one = {.v = (struct attr *)a, .n = 1};
	uint8_t mac[MAC_LEN];
	struct buf b;
	CK_RV rv;

	buf_init(&b, ATTRS_MAX_VALUE * 2);
	attrs_encode(&b, &one);
	rv = buf_failed(&b) ? CKR_HOST_MEMORY : mac_make(key, mac, b.data, b.len, NULL, 0);
	if (rv == CKR_OK)
		memcpy(term->blind, mac, BLIND_LEN);
	buf_free(&b);
	return rv;
}

static CK_RV
value_term(struct mac *key, const uint8_t id[VALUE_ID_LEN], struct index_term *term)
{
	const struct attr a = {.type = TKA_LEDGER, .value = (uint8_t *)id, .len = VALUE_ID_LEN};

	return term_of(key, &a, term);
}

CK_RV
index_terms(struct token *t, const struct object *o, struct index_term **terms, size_t *n)
{
	struct mac *key = o->private ? &t->index_private : &t->index_public;
	struct index_term *v = calloc(o->attrs.n + 1, sizeof(*v));
	uint8_t id[VALUE_ID_LEN];
	const struct attr *readable;
	CK_RV rv = CKR_OK;
	size_t count = 0;

	if (v == NULL)
		return CKR_HOST_MEMORY;
	for (size_t i = 0; i < o->attrs.n && rv == CKR_OK; i++)
		if (object_read(o, o->attrs.v[i].type, &readable) == CKR_OK)
			rv = term_of(key, &o->attrs.v[i], &v[count++]);
	/* object_read knows no TKA_ attribute, so there is room for one more */
	if (rv == CKR_OK && object_value_id(&o->attrs, id) == CKR_OK)
		rv = value_term(key, id, &v[count++]);
	if (rv != CKR_OK) {
		free(v);
		return rv;
	}
	*terms = v;
	*n = count;
	return CKR_OK;
}

/* ---- keeping it in step ------------------------------------------------------------------- */

static void
changes_free(struct index_change *c, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free((void *)c[i].terms);
	free(c);
}

static CK_RV
object_of(struct token *t, const struct live_entry *e, struct object **o)
{
	struct attrs attrs = {0};
	CK_RV rv = sealed_read(t, e, &attrs);

	if (rv != CKR_OK)
		return rv;
	rv = object_new(o, &attrs);
	attrs_free(&attrs);
	if (rv != CKR_OK)
		return rv;
	memcpy((*o)->uuid, e->uuid, UUID_LEN);
	(*o)->version = e->version;
	return CKR_OK;
}

/* A change that enters the entry; a damaged object is entered without terms, so that it is named
 * when somebody opens it rather than vanishing. */
static CK_RV
change_for(struct token *t, const struct live_entry *e, bool with_key, struct index_change *c)
{
	struct object *o = NULL;
	struct index_term *terms = NULL;
	CK_RV rv;

	memset(c, 0, sizeof(*c));
	memcpy(c->row.uuid, e->uuid, UUID_LEN);
	c->row.version = e->version;
	c->row.private = e->private;
	if (e->private && !with_key)
		return CKR_OK;
	rv = object_of(t, e, &o);
	if (rv == CKR_DEVICE_ERROR) {
		why_log(WHY_ERROR, "%s", why_text());
		return CKR_OK;
	}
	if (rv == CKR_OK)
		rv = index_terms(t, o, &terms, &c->n_terms);
	object_put(o);
	c->terms = terms;
	c->has_terms = rv == CKR_OK;
	return rv;
}

static int
by_uuid(const void *a, const void *b)
{
	return memcmp(((const struct index_row *)a)->uuid, ((const struct index_row *)b)->uuid, UUID_LEN);
}

/* The difference between index rows and the live table, as changes. */
static CK_RV
difference(struct token *t, struct index_row *rows, size_t n_rows, struct index_change **changes, size_t *n)
{
	struct index_change *c = calloc(n_rows + t->live.n + 1, sizeof(*c));
	const struct live_entry *e;
	size_t i = 0;
	CK_RV rv = CKR_OK;

	if (c == NULL)
		return CKR_HOST_MEMORY;
	*n = 0;
	if (n_rows > 0)
		qsort(rows, n_rows, sizeof(*rows), by_uuid);
	for (size_t k = 0; k < n_rows; k++) {
		e = live_find(&t->live, rows[k].uuid);
		if (e != NULL)
			continue;
		c[*n].row = rows[k];
		c[(*n)++].remove = true;
	}
	while (rv == CKR_OK && (e = live_next(&t->live, &i)) != NULL) {
		struct index_row want;
		const struct index_row *have;

		memcpy(want.uuid, e->uuid, UUID_LEN);
		have = n_rows == 0 ? NULL : bsearch(&want, rows, n_rows, sizeof(*rows), by_uuid);
		if (have == NULL || have->version != e->version || have->private != e->private)
			rv = change_for(t, e, false, &c[(*n)++]);
	}
	if (rv != CKR_OK) {
		changes_free(c, *n);
		return rv;
	}
	*changes = c;
	return CKR_OK;
}

/* Does the index hold as many rows as there are live objects? */
static bool
index_counts(struct token *t)
{
	size_t n_public = 0, n_private = 0;

	return state_index_count(t->vault->state, t->serial, &n_public, &n_private) == CKR_OK &&
		n_private == t->live.n_private && n_public + n_private == t->live.n;
}

CK_RV
index_catch_up(struct token *t)
{
	struct vault *v = t->vault;
	struct state_epoch at;
	struct index_row *rows = NULL;
	struct index_change *changes = NULL;
	struct index_term none;
	size_t n_rows = 0, n = 0;
	CK_RV rv;

	t->index_losses = state_index_losses(v->state);
	rv = state_index_position(v->state, t->serial, &at);
	if (rv == CKR_OK && at.epoch == t->log.at.epoch && memcmp(at.mac, t->log.at.mac, MAC_LEN) == 0 &&
		index_counts(t))
		return CKR_OK;
	if (rv == CKR_OK)
		rv = state_index_find(v->state, t->serial, &none, &none, 0, &rows, &n_rows);
	if (rv == CKR_OK)
		rv = difference(t, rows, n_rows, &changes, &n);
	if (rv == CKR_OK && n > 0)
		why_log(WHY_NOTICE, "token %s: index brought up to date, %zu changes", t->serial, n);
	if (rv == CKR_OK)
		rv = state_index_apply(v->state, t->serial, changes, n, &t->log.at);
	if (changes != NULL)
		changes_free(changes, n);
	free(rows);
	return rv;
}

/* Enters them, but for those that were changed meanwhile: nobody publishes now, and the position does not move, since
 * these rows were counted when they were entered. */
static CK_RV
enter_private(struct token *t, struct index_change *c, size_t n)
{
	struct index_change *still = calloc(n, sizeof(*still));
	struct state_epoch at;
	size_t used = 0;
	CK_RV rv;

	if (still == NULL)
		return CKR_HOST_MEMORY;
	lock_take(&t->sync);
	lock_take(&t->lock);
	for (size_t i = 0; i < n; i++) {
		const struct live_entry *e = live_find(&t->live, c[i].row.uuid);

		if (e != NULL && e->version == c[i].row.version)
			still[used++] = c[i];
	}
	lock_give(&t->lock);
	rv = state_index_position(t->vault->state, t->serial, &at);
	if (rv == CKR_OK && used > 0)
		rv = state_index_apply(t->vault->state, t->serial, still, used, &at);
	lock_give(&t->sync);
	free(still);
	return rv;
}

CK_RV
index_private_rows(struct token *t)
{
	struct vault *v = t->vault;
	struct index_change *c = NULL;
	struct index_row *rows = NULL;
	struct live_entry e;
	size_t n = 0, used = 0;
	CK_RV rv = state_index_unindexed(v->state, t->serial, &rows, &n);

	if (rv != CKR_OK || n == 0)
		goto out;
	rv = CKR_HOST_MEMORY;
	c = calloc(n, sizeof(*c));
	if (c == NULL)
		goto out;
	rv = CKR_OK;
	for (size_t i = 0; i < n && rv == CKR_OK; i++) {
		const struct live_entry *found;

		lock_take(&t->lock);
		found = live_find(&t->live, rows[i].uuid);
		if (found != NULL)
			e = *found;
		lock_give(&t->lock);
		if (found == NULL || e.version != rows[i].version)
			continue;
		pthread_rwlock_rdlock(&t->files);
		rv = change_for(t, &e, true, &c[used]);
		pthread_rwlock_unlock(&t->files);
		if (rv == CKR_OK && c[used].has_terms)
			used++;
	}
	if (rv == CKR_OK && used > 0)
		rv = enter_private(t, c, used);
out:
	if (c != NULL)
		changes_free(c, used);
	free(rows);
	return rv;
}

/* ---- searching ---------------------------------------------------------------------------- */

static CK_RV
template_terms(struct mac *key, const struct attrs *templ, struct index_term **terms)
{
	struct index_term *v = calloc(templ->n + 1, sizeof(*v));
	CK_RV rv = v == NULL ? CKR_HOST_MEMORY : CKR_OK;

	for (size_t i = 0; i < templ->n && rv == CKR_OK; i++)
		rv = term_of(key, &templ->v[i], &v[i]);
	if (rv != CKR_OK) {
		free(v);
		v = NULL;
	}
	*terms = v;
	return rv;
}

/* The index proposes, the object itself decides: a wrong row costs time, never an answer. */
static bool
confirmed(struct token *t, CK_OBJECT_HANDLE h, const struct attrs *templ, bool with_private)
{
	struct object *o = NULL;
	bool match;

	if (templ->n == 0)
		return true;
	if (token_object(t, h, with_private, &o) != CKR_OK)
		return false;
	match = object_matches(o, templ);
	object_put(o);
	return match;
}

CK_RV
token_find(struct token *t, const struct attrs *templ, bool with_private, CK_OBJECT_HANDLE **handles, size_t *n)
{
	struct index_term *pub = NULL, *priv = NULL;
	struct index_row *rows = NULL;
	CK_OBJECT_HANDLE *found = NULL;
	size_t n_rows = 0;
	bool open;
	CK_RV rv;

	*n = 0;
	pthread_rwlock_rdlock(&t->files);
	lock_take(&t->lock);
	open = with_private && t->key.data != NULL;
	rv = t->state == TOKEN_DAMAGED && t->live.n == 0 ? CKR_DEVICE_ERROR : CKR_OK;
	if (rv != CKR_OK)
		why(rv, "%s", t->reason);
	lock_give(&t->lock);
	pthread_rwlock_unlock(&t->files);
	if (rv == CKR_OK)
		rv = template_terms(&t->index_public, templ, &pub);
	if (rv == CKR_OK && open)
		rv = template_terms(&t->index_private, templ, &priv);
	if (rv == CKR_OK)
		rv = state_index_find(t->vault->state, t->serial, pub, priv, templ->n, &rows, &n_rows);
	if (rv != CKR_OK)
		goto out;
	rv = CKR_HOST_MEMORY;
	found = calloc(n_rows + 1, sizeof(*found));
	if (found == NULL)
		goto out;
	for (size_t i = 0; i < n_rows; i++)
		if (confirmed(t, rows[i].handle, templ, with_private))
			found[(*n)++] = rows[i].handle;
	*handles = found;
	rv = CKR_OK;
out:
	free(pub);
	free(priv);
	free(rows);
	return rv;
}

CK_RV
token_find_value(struct token *t, const uint8_t id[VALUE_ID_LEN], bool with_private, CK_OBJECT_HANDLE **handles,
	size_t *n)
{
	struct index_term pub, priv;
	struct index_row *rows = NULL;
	CK_OBJECT_HANDLE *found;
	bool open;
	CK_RV rv;

	*n = 0;
	lock_take(&t->lock);
	open = with_private && t->key.data != NULL;
	lock_give(&t->lock);
	rv = value_term(&t->index_public, id, &pub);
	if (rv == CKR_OK && open)
		rv = value_term(&t->index_private, id, &priv);
	if (rv == CKR_OK)
		rv = state_index_find(t->vault->state, t->serial, &pub, open ? &priv : NULL, 1, &rows, n);
	if (rv != CKR_OK)
		return rv;
	found = calloc(*n + 1, sizeof(*found));
	for (size_t i = 0; found != NULL && i < *n; i++)
		found[i] = rows[i].handle;
	free(rows);
	*handles = found;
	return found != NULL ? CKR_OK : CKR_HOST_MEMORY;
}
