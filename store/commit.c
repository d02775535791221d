/*
 * Commits: objects to disk, one log record, one shared fdatasync, then index, cache and epoch.
 *
 *   write files  (any thread, no lock)
 *   append       (token->commit: the log's order is the order of commits; the live table follows the log)
 *   make durable (token->sync: one thread calls fdatasync for all that is appended, the rest wait)
 *   publish      (token->sync: in the order of epochs)
 *
 * A commit is acknowledged when it is published. A failed fdatasync leaves it unknown what the disk holds, a failed
 * index what a search finds: the token then takes no commits until it is loaded again.
 */
#include <stdlib.h>
#include <string.h>

#include "inside.h"

struct commit {
	struct token *t;
	struct object **puts, **deletes;
	size_t n_puts, n_deletes;
	struct journal_entry *entries;     /* puts, then deletes */
	struct live_entry *before;     /* what each put replaced; version 0: nothing */
	struct index_change *changes;  /* same order as entries */
	unsigned loads;                /* the token's, when the files were written */
	size_t written;                /* files of so many puts are on disk */
	bool full;                     /* the log wants compaction */
	struct state_epoch at;
};

static void
commit_free(struct commit *c)
{
	for (size_t i = 0; c->changes != NULL && i < c->n_puts; i++)
		free((void *)c->changes[i].terms);
	free(c->changes);
	free(c->entries);
	free(c->before);
}

static CK_RV
commit_alloc(struct commit *c)
{
	size_t n = c->n_puts + c->n_deletes;

	c->entries = calloc(n, sizeof(*c->entries));
	c->changes = calloc(n, sizeof(*c->changes));
	c->before = calloc(c->n_puts + 1, sizeof(*c->before));
	return c->entries == NULL || c->changes == NULL || c->before == NULL ? CKR_HOST_MEMORY : CKR_OK;
}

static void
change_from(struct index_change *ch, const struct object *o)
{
	memcpy(ch->row.uuid, o->uuid, UUID_LEN);
	ch->row.version = o->version;
	ch->row.private = o->private;
	ch->row.handle = o->handle;
}

static const struct object *
object_at(const struct commit *c, size_t i)
{
	return i < c->n_puts ? c->puts[i] : c->deletes[i - c->n_puts];
}

/* What is replaced or deleted must still be what the caller saw. */
static CK_RV
check_versions(struct commit *c)
{
	struct token *t = c->t;

	assert_held(&t->lock);
	/* One record names an object once: another order would not replay. */
	for (size_t i = 0; i < c->n_puts + c->n_deletes; i++)
		for (size_t k = 0; k < i; k++)
			if (memcmp(object_at(c, i)->uuid, object_at(c, k)->uuid, UUID_LEN) == 0)
				return why(CKR_GENERAL_ERROR, "an object stands twice in one commit");
	for (size_t i = 0; i < c->n_puts; i++) {
		const struct live_entry *e = live_find(&t->live, c->puts[i]->uuid);
		uint64_t have = e != NULL ? e->version : 0;

		if (have + 1 != c->puts[i]->version)
			return why(CKR_OBJECT_HANDLE_INVALID, "the object was changed or destroyed meanwhile");
		if (e != NULL)
			c->before[i] = *e;
	}
	for (size_t i = 0; i < c->n_deletes; i++) {
		const struct live_entry *e = live_find(&t->live, c->deletes[i]->uuid);

		if (e == NULL || e->version != c->deletes[i]->version)
			return why(CKR_OBJECT_HANDLE_INVALID, "the object was changed or destroyed meanwhile");
	}
	return CKR_OK;
}

/* Files and index terms of all puts. */
static CK_RV
write_files(struct commit *c)
{
	CK_RV rv;

	pthread_rwlock_rdlock(&c->t->files);
	c->loads = c->t->loads;
	lock_take(&c->t->lock);
	rv = token_writable(c->t);
	if (rv == CKR_OK)
		rv = check_versions(c); /* again behind the append's lock; here it saves writing in vain */
	lock_give(&c->t->lock);
	for (size_t i = 0; i < c->n_puts && rv == CKR_OK; i++) {
		struct index_change *ch = &c->changes[i];
		struct index_term *terms = NULL;

		change_from(ch, c->puts[i]);
		rv = index_terms(c->t, c->puts[i], &terms, &ch->n_terms);
		ch->terms = terms;
		ch->has_terms = rv == CKR_OK;
		if (rv == CKR_OK)
			rv = sealed_write(c->t, c->puts[i], &c->entries[i].e);
		if (rv == CKR_OK)
			c->written++;
		c->entries[i].op = LOG_PUT;
	}
	pthread_rwlock_unlock(&c->t->files);
	for (size_t i = 0; i < c->n_deletes; i++) {
		struct journal_entry *e = &c->entries[c->n_puts + i];

		e->op = LOG_DELETE;
		memcpy(e->e.uuid, c->deletes[i]->uuid, UUID_LEN);
		e->e.version = c->deletes[i]->version;
		e->e.private = c->deletes[i]->private;
		change_from(&c->changes[c->n_puts + i], c->deletes[i]);
		c->changes[c->n_puts + i].remove = true;
	}
	return rv;
}

static void
remove_files(struct commit *c)
{
	char dir[3], name[64];
	struct dir sub;

	pthread_rwlock_rdlock(&c->t->files);
	for (size_t i = 0; i < c->written && c->loads == c->t->loads; i++) {
		object_path(dir, name, c->puts[i]->uuid, c->puts[i]->version);
		if (dir_open_at(&sub, &c->t->objects, dir, false) == CKR_OK) {
			file_remove(&sub, name);
			dir_close(&sub);
		}
	}
	pthread_rwlock_unlock(&c->t->files);
}

static void
mark_damaged(struct token *t, const char *reason)
{
	lock_take(&t->lock);
	t->state = TOKEN_DAMAGED;
	t->failed = true;
	snprintf(t->reason, sizeof(t->reason), "%s", reason);
	lock_give(&t->lock);
	why_log(WHY_ERROR, "token %s: %s", t->serial, reason);
}

/* The live table follows the log. */
static CK_RV
apply_live(struct commit *c, int64_t now)
{
	struct token *t = c->t;

	assert_held(&t->lock);
	t->appended = c->at = t->log.at;
	for (size_t i = 0; i < c->n_puts + c->n_deletes; i++) {
		struct journal_entry *e = &c->entries[i];

		e->e.epoch = c->at.epoch;
		e->e.time = now;
		if (e->op == LOG_DELETE)
			live_remove(&t->live, e->e.uuid);
		else if (!live_put(&t->live, &e->e))
			return CKR_HOST_MEMORY;
	}
	c->full = journal_wants_compaction(&t->log, &t->live);
	return CKR_OK;
}

/* The log goes on in a new segment, whose snapshot is durable and published as it is written. */
static CK_RV
new_segment(struct token *t)
{
	CK_RV rv = journal_compact(&t->log, &t->live, (int64_t)time(NULL));

	assert_held(&t->commit);
	assert_held(&t->sync);
	assert_held(&t->lock);
	if (rv == CKR_OK) {
		t->appended = t->log.at;
		t->synced = t->published = t->appended.epoch;
	}
	return rv;
}

/* A cut token (token_load) gets its first commit: what was cut is given up now, in a segment of its own. Nobody else can be
 * between append and publication, since nothing was appended yet. */
static CK_RV
settle_cut(struct token *t)
{
	CK_RV rv;

	assert_held(&t->commit);
	lock_take(&t->sync);
	lock_take(&t->lock);
	rv = new_segment(t);
	if (rv == CKR_OK)
		t->cut = false;
	lock_give(&t->lock);
	lock_give(&t->sync);
	if (rv == CKR_OK)
		rv = state_index_apply(t->vault->state, t->serial, NULL, 0, &t->appended);
	return rv;
}

static CK_RV
append(struct commit *c)
{
	struct token *t = c->t;
	int64_t now = (int64_t)time(NULL);
	CK_RV rv;

	lock_take(&t->commit);
	lock_take(&t->lock);
	rv = token_writable(t);
	if (rv == CKR_OK)
		rv = check_versions(c);
	lock_give(&t->lock);
	if (rv == CKR_OK && (c->loads != t->loads || !journal_in_place(&t->log)))
		rv = why(CKR_DEVICE_ERROR, "token %s: another log was put in place of the one in use", t->serial);
	if (rv == CKR_OK && t->cut)
		rv = settle_cut(t);
	if (rv == CKR_OK)
		rv = journal_append(&t->log, c->entries, c->n_puts + c->n_deletes, now);
	if (rv == CKR_OK) {
		lock_take(&t->lock);
		rv = apply_live(c, now);
		lock_give(&t->lock);
		if (rv != CKR_OK)
			mark_damaged(t, "out of memory behind an append");
	}
	lock_give(&t->commit);
	return rv;
}

/* Returns when everything up to `epoch` is durable; one caller works for all. */
static CK_RV
make_durable(struct token *t, uint64_t epoch)
{
	CK_RV rv = CKR_OK;

	lock_take(&t->sync);
	while (rv == CKR_OK && t->synced < epoch) {
		uint64_t target;
		bool failed;

		if (t->syncing) {
			lock_wait(&t->sync, &t->synced_cond);
			continue;
		}
		t->syncing = true;
		lock_give(&t->sync);
		lock_take(&t->lock);
		target = t->appended.epoch;
		failed = t->state == TOKEN_DAMAGED;
		rv = failed ? why(CKR_DEVICE_ERROR, "token %s: %.200s", t->serial, t->reason) : CKR_OK;
		lock_give(&t->lock);
		if (rv == CKR_OK)
			rv = journal_sync(&t->log);
		if (rv != CKR_OK && !failed)
			mark_damaged(t, why_text());
		lock_take(&t->sync);
		if (rv == CKR_OK)
			t->synced = target;
		t->syncing = false;
		pthread_cond_broadcast(&t->synced_cond);
	}
	lock_give(&t->sync);
	return rv;
}

static void
update_cache(struct commit *c)
{
	struct token *t = c->t;

	lock_take(&t->lock);
	for (size_t i = 0; i < c->n_puts; i++) {
		c->puts[i]->handle = c->changes[i].row.handle;
		if (!c->puts[i]->private || t->key.data != NULL)
			cache_put(&t->cache, c->puts[i]);
	}
	for (size_t i = 0; i < c->n_deletes; i++)
		cache_remove(&t->cache, c->deletes[i]->handle);
	lock_give(&t->lock);
}

/* In the order of epochs: index, cache, the epoch that this machine has seen. An index that lacks one commit must
 * not get the next: its position would hide the gap. */
static CK_RV
publish(struct commit *c)
{
	struct token *t = c->t;
	struct state *st = t->vault->state;
	CK_RV rv;

	lock_take(&t->sync);
	while (c->loads == t->loads && t->published + 1 < c->at.epoch)
		lock_wait(&t->sync, &t->synced_cond);
	if (c->loads != t->loads) {
		lock_give(&t->sync);
		return why(CKR_DEVICE_ERROR, "token %s was read again after a failure", t->serial);
	}
	lock_take(&t->lock);
	rv = t->failed ? why(CKR_DEVICE_ERROR, "token %s: %.200s", t->serial, t->reason) : CKR_OK;
	lock_give(&t->lock);
	if (rv == CKR_OK) {
		rv = state_index_apply(st, t->serial, c->changes, c->n_puts + c->n_deletes, &c->at);
		if (rv == CKR_OK && t->index_losses != state_index_losses(st))
			rv = why(CKR_DEVICE_ERROR, "the index was damaged and begun anew");
		if (rv != CKR_OK)
			mark_damaged(t, why_text());
	}
	if (rv == CKR_OK) {
		update_cache(c);
		/* Not worth a failure: the next one makes up for it. */
		if (state_epoch_set(st, t->serial, &c->at) != CKR_OK)
			why_log(WHY_WARNING, "token %s: %s", t->serial, why_text());
	}
	t->published = c->at.epoch;
	pthread_cond_broadcast(&t->synced_cond);
	lock_give(&t->sync);
	return rv;
}

static void
retire_replaced(struct commit *c)
{
	pthread_rwlock_rdlock(&c->t->files);
	for (size_t i = 0; i < c->n_puts; i++)
		if (c->before[i].version != 0)
			retire(c->t, c->before[i].uuid, c->before[i].version);
	for (size_t i = 0; i < c->n_deletes; i++)
		retire(c->t, c->deletes[i]->uuid, c->deletes[i]->version);
	pthread_rwlock_unlock(&c->t->files);
}

/* Waits until nobody is between append and publication; after a failure some never get there. */
void
token_settle(struct token *t)
{
	bool failed = false;

	assert_held(&t->sync);
	while (t->syncing || (!failed && t->published < t->appended.epoch)) {
		lock_take(&t->lock);
		failed = t->failed;
		lock_give(&t->lock);
		if (t->syncing || !failed)
			lock_wait(&t->sync, &t->synced_cond);
	}
}

/* A new segment when history outweighs state. Nobody appends, syncs or publishes meanwhile. */
static void
compact(struct token *t)
{
	CK_RV rv = CKR_OK;
	bool moved, lost;

	lock_take(&t->commit);
	lock_take(&t->sync);
	token_settle(t);
	lock_take(&t->lock);
	moved = token_writable(t) == CKR_OK && journal_wants_compaction(&t->log, &t->live);
	if (moved)
		rv = new_segment(t);
	lost = t->log.fd < 0 && rv != CKR_OK;
	moved = moved && rv == CKR_OK;
	lock_give(&t->lock);
	if (lost)
		mark_damaged(t, why_text());
	else if (rv != CKR_OK)
		why_log(WHY_WARNING, "token %s: the log could not be compacted: %s", t->serial, why_text());
	if (moved && state_index_apply(t->vault->state, t->serial, NULL, 0, &t->log.at) != CKR_OK)
		mark_damaged(t, why_text());
	if (moved && state_epoch_set(t->vault->state, t->serial, &t->log.at) != CKR_OK)
		why_log(WHY_WARNING, "token %s: %s", t->serial, why_text());
	lock_give(&t->sync);
	lock_give(&t->commit);
}

CK_RV
token_commit(struct token *t, struct object **puts, size_t n_puts, struct object **deletes, size_t n_deletes)
{
	struct commit c = {.t = t, .puts = puts, .n_puts = n_puts, .deletes = deletes, .n_deletes = n_deletes};
	CK_RV rv;

	if (n_puts + n_deletes == 0)
		return CKR_OK;
	rv = commit_alloc(&c);
	if (rv == CKR_OK)
		rv = write_files(&c);
	if (rv == CKR_OK)
		rv = append(&c);
	if (rv != CKR_OK) {
		remove_files(&c);
		goto out;
	}
	rv = make_durable(t, c.at.epoch);
	if (rv != CKR_OK)
		goto out;
	rv = publish(&c);
	retire_replaced(&c);
	if (rv == CKR_OK && c.full)
		compact(t);
out:
	commit_free(&c);
	return rv;
}
