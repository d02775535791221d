/*
 * The life of a token: loading from disk, what it says of itself, initialising, deleting.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "inside.h"

/* A copy taken while the token was in use may name objects that it does not hold, but only in its last
 * commits: those that were made after the copy began. Older ones that miss a file are damage. */
#define COPY_WINDOW 3600

bool
is_serial(const char *name)
{
	return strlen(name) == SERIAL_LEN && strspn(name, "0123456789abcdef") == SERIAL_LEN;
}

static CK_RV
derive_keys(struct token *t)
{
	struct vault *v = t->vault;
	uint8_t key[KEY_LEN];
	CK_RV rv = kdf_hkdf(key, KEY_LEN, v->key.data, KEY_LEN, NULL, 0, "tokenfs token mac 1", t->serial, SERIAL_LEN);

	if (rv == CKR_OK)
		rv = mac_init(&t->mac, key);
	if (rv == CKR_OK)
		rv = kdf_hkdf(key, KEY_LEN, v->key.data, KEY_LEN, NULL, 0, "tokenfs public objects 1", t->serial,
			SERIAL_LEN);
	if (rv == CKR_OK)
		rv = secret_copy(&t->public_key, key, KEY_LEN);
	if (rv == CKR_OK)
		rv = kdf_hkdf(key, KEY_LEN, v->key.data, KEY_LEN, NULL, 0, "tokenfs public index 1", t->serial,
			SERIAL_LEN);
	if (rv == CKR_OK)
		rv = mac_init(&t->index_public, key);
	wipe(key, sizeof(key));
	return rv;
}

CK_RV
token_new(struct vault *v, const char *serial, struct token **out)
{
	struct token *t = calloc(1, sizeof(*t));
	pthread_rwlockattr_t attr;
	CK_RV rv;

	if (t == NULL)
		return CKR_HOST_MEMORY;
	atomic_init(&t->refs, 1);
	t->vault = v;
	snprintf(t->serial, sizeof(t->serial), "%s", serial);
	lock_init(&t->login);
	lock_init(&t->commit);
	lock_init(&t->sync);
	lock_init(&t->lock);
	pthread_cond_init(&t->synced_cond, NULL);
	/* A reload must get in however busy the readers are; nobody takes it twice. */
	pthread_rwlockattr_init(&attr);
	pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(&t->files, &attr);
	pthread_rwlockattr_destroy(&attr);
	t->log.fd = t->log.dir.fd = t->dir.fd = t->objects.fd = -1;
	rv = derive_keys(t);
	if (rv != CKR_OK) {
		token_put(t);
		return rv;
	}
	*out = t;
	return CKR_OK;
}

void
token_unload(struct token *t)
{
	retired_free(t);
	journal_close(&t->log);
	dir_close(&t->objects);
	dir_close(&t->dir);
	lock_take(&t->lock);
	cache_free(&t->cache);
	live_free(&t->live);
	lock_give(&t->lock);
}

void
token_put(struct token *t)
{
	if (t == NULL || atomic_fetch_sub(&t->refs, 1) != 1)
		return;
	token_unload(t);
	mac_release(&t->mac);
	mac_release(&t->index_public);
	mac_release(&t->index_private);
	mac_release(&t->verifier_key);
	secret_clear(&t->public_key);
	secret_clear(&t->key);
	wipe(t->verifier, sizeof(t->verifier));
	pthread_cond_destroy(&t->synced_cond);
	pthread_rwlock_destroy(&t->files);
	free(t);
}

const char *
token_serial(const struct token *t)
{
	return t->serial;
}

CK_SLOT_ID
token_slot(const struct token *t)
{
	return t->slot;
}

/* ---- loading ------------------------------------------------------------------------------ */

static CK_RV
open_dirs(struct token *t)
{
	CK_RV rv = dir_open_at(&t->dir, &t->vault->dir, t->serial, false);

	if (rv == CKR_OK)
		rv = dir_open_at(&t->objects, &t->dir, "objects", false);
	return rv;
}

static CK_RV
replay(struct token *t, struct live *live, struct journal_replay *r)
{
	return journal_open(&t->log, &t->dir, t->serial, t->header.key_id, &t->mac, live, r);
}

/* The last commits of a copy name objects that came after it: go back, in memory, to before the first of them. What is
 * on disk stays as it is until something is committed on top: the files may still be on their way (a restore that goes
 * on), and then the token is read again. */
static CK_RV
cut_tail(struct token *t, struct live *live, struct journal_replay *r, struct scan_result *scan)
{
	uint64_t last = t->log.at.epoch;
	size_t all = live->n;
	CK_RV rv = CKR_OK;

	t->lacking = scan->entry;
	while (rv == CKR_OK && scan->missing > 0) {
		if (r->seen.epoch >= scan->first_missing || scan->first_missing_time < t->log.time - COPY_WINDOW ||
			scan->first_missing <= r->snapshot)
			return why(CKR_DEVICE_ERROR, "%zu objects are missing, the first is %s/%s", scan->missing,
				t->serial, scan->example);
		journal_close(&t->log);
		live_free(live);
		r->stop_epoch = scan->first_missing - 1;
		rv = replay(t, live, r);
		if (rv == CKR_OK && t->log.at.epoch > r->stop_epoch)
			return why(CKR_DEVICE_ERROR, "objects are missing, the first is %s/%s", t->serial,
				scan->example);
		if (rv == CKR_OK)
			rv = scan_objects(t, live, scan);
	}
	if (rv != CKR_OK)
		return rv;
	t->cut = true;
	if (live->n == 0 && all > 0 && !t->accept_cut) {
		t->state = TOKEN_ROLLED_BACK;
		snprintf(t->reason, sizeof(t->reason), "none of its %zu objects is there: an incomplete copy. Finish it, and "
			"the token is read again; or take it as it is with: tokenfs restore-accept", all);
	}
	why_log(WHY_NOTICE, "token %s: the last %llu commits came after this copy began, or it is incomplete; it stands at "
		"epoch %llu", t->serial, (unsigned long long)(last - t->log.at.epoch),
		(unsigned long long)t->log.at.epoch);
	return CKR_OK;
}

static CK_RV
compare_header(struct token *t, const struct state_epoch *head)
{
	if (head->epoch < t->header.generation ||
		(head->epoch == t->header.generation && memcmp(head->mac, t->header.mac, MAC_LEN) == 0))
		return CKR_OK;
	snprintf(t->reason, sizeof(t->reason),
		"its header (PINs, label) is not the last that this machine has seen; accept it with: tokenfs restore-accept");
	t->state = TOKEN_ROLLED_BACK;
	return CKR_OK;
}

/* Is this what the machine saw last, or something later? */
static CK_RV
compare_seen(struct token *t, const struct journal_replay *r)
{
	struct state_epoch head;
	char row[SERIAL_LEN + 1];
	CK_RV rv;

	header_row(t, row);
	rv = state_epoch_get(t->vault->state, row, &head);
	if (rv != CKR_OK)
		return rv;
	if (r->seen.epoch > t->log.at.epoch) {
		t->state = TOKEN_ROLLED_BACK;
		snprintf(t->reason, sizeof(t->reason),
			"its log ends at epoch %llu, this machine has seen %llu: an old copy was put in its place; "
			"accept it with: tokenfs restore-accept",
			(unsigned long long)t->log.at.epoch, (unsigned long long)r->seen.epoch);
	} else if (r->seen.epoch != 0 && !r->seen_found && !r->seen_older) {
		t->state = TOKEN_ROLLED_BACK;
		snprintf(t->reason, sizeof(t->reason),
			"its log differs from what this machine has seen at epoch %llu: another copy was put in its "
			"place; accept it with: tokenfs restore-accept", (unsigned long long)r->seen.epoch);
	}
	if (t->state == TOKEN_ROLLED_BACK)
		return CKR_OK;
	if (r->seen.epoch != 0 && r->seen_older && !r->seen_found)
		why_log(WHY_NOTICE, "token %s: its log was compacted past what this machine has seen (epoch %llu); that it "
			"continues it cannot be proved", t->serial, (unsigned long long)r->seen.epoch);
	return compare_header(t, &head);
}

/* The header's place among the epochs that state.h keeps: the serial in capitals. */
void
header_row(const struct token *t, char row[SERIAL_LEN + 1])
{
	for (int i = 0; i < SERIAL_LEN; i++)
		row[i] = t->serial[i] >= 'a' ? (char)(t->serial[i] - 'a' + 'A') : t->serial[i];
	row[0] = 'H';
	row[SERIAL_LEN] = '\0';
}

CK_RV
remember_header(struct token *t)
{
	struct state_epoch head = {.epoch = t->header.generation};
	char row[SERIAL_LEN + 1];

	header_row(t, row);
	memcpy(head.mac, t->header.mac, MAC_LEN);
	return state_epoch_set(t->vault->state, row, &head);
}

CK_RV
remember_log(struct token *t)
{
	return state_epoch_set(t->vault->state, t->serial, &t->log.at);
}

CK_RV
token_forget(struct token *t)
{
	char row[SERIAL_LEN + 1];
	CK_RV rv = state_forget(t->vault->state, t->serial);

	header_row(t, row);
	if (rv == CKR_OK)
		rv = state_forget(t->vault->state, row);
	if (rv == CKR_OK)
		rv = state_index_clear(t->vault->state, t->serial);
	return rv;
}

/* A token that is as it should be becomes writable: torn or cut tails go, a cut copy starts a new segment. */
static CK_RV
make_writable(struct token *t, struct live *live, const struct journal_replay *r)
{
	if (t->vault->cfg.read_only)
		return CKR_OK;
	if (t->cut)
		return CKR_OK; /* the first commit on top makes it so on disk */
	retired_sweep(t, (int64_t)time(NULL));
	/* Behind a failed write nobody knows what of the segment is on the disk: a new one is. */
	if (t->failed)
		return journal_compact(&t->log, live, (int64_t)time(NULL));
	if (r->torn > 0)
		why_log(WHY_NOTICE, "token %s: cut %zu bytes of a commit that was never acknowledged", t->serial,
			r->torn);
	return journal_writable(&t->log);
}

CK_RV
token_examine(struct token *t, struct live *live, struct journal_replay *r)
{
	struct scan_result scan;
	CK_RV rv = open_dirs(t);

	memset(r, 0, sizeof(*r));
	t->cut = false;
	memset(&t->lacking, 0, sizeof(t->lacking));
	if (rv == CKR_OK)
		rv = header_read(&t->header, &t->dir, t->serial, &t->mac);
	if (rv == CKR_OK && fstatat(t->dir.fd, HEADER_NAME, &t->head_stat, AT_SYMLINK_NOFOLLOW) != 0)
		rv = why_errno("cannot stat %s/%s", t->dir.path, HEADER_NAME);
	if (rv == CKR_OK && t->vault->state != NULL)
		rv = state_epoch_get(t->vault->state, t->serial, &r->seen);
	if (rv == CKR_OK)
		rv = replay(t, live, r);
	if (rv == CKR_OK)
		rv = scan_objects(t, live, &scan);
	if (rv == CKR_OK && t->vault->state != NULL)
		rv = compare_seen(t, r);
	if (rv == CKR_OK && scan.missing > 0)
		rv = cut_tail(t, live, r, &scan);
	return rv;
}

static CK_RV
load(struct token *t, struct live *live)
{
	struct journal_replay r;
	CK_RV rv = token_examine(t, live, &r);

	if (rv == CKR_OK && t->state == TOKEN_OK) {
		rv = make_writable(t, live, &r);
		if (rv == CKR_OK)
			rv = remember_log(t);
		if (rv == CKR_OK)
			rv = remember_header(t);
	}
	return rv;
}

/* A cut token: is the file that was missing still missing? */
static bool
still_lacking(const struct token *t)
{
	char dir[3], name[64], path[80];

	object_path(dir, name, t->lacking.uuid, t->lacking.version);
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return faccessat(t->objects.fd, path, F_OK, AT_SYMLINK_NOFOLLOW) != 0;
}

/* One number for what a restore would change. */
static uint64_t
looks(const struct token *t)
{
	static const char *const names[] = {"", "/" HEADER_NAME, "/" LOG_DIR, "/objects"};
	uint64_t sum = t->lacking.version == 0 || still_lacking(t);
	char path[64];
	struct stat st;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s%s", t->serial, names[i]);
		memset(&st, 0, sizeof(st));
		fstatat(t->vault->dir.fd, path, &st, AT_SYMLINK_NOFOLLOW);
		sum = sum * 1000003 + (uint64_t)st.st_ino;
		sum = sum * 1000003 + (uint64_t)st.st_mtim.tv_sec;
		sum = sum * 1000003 + (uint64_t)st.st_mtim.tv_nsec;
	}
	return sum;
}

void
token_load(struct token *t)
{
	struct live live = {0};
	CK_RV rv;

	t->loads++;
	t->state = TOKEN_OK;
	t->reason[0] = '\0';
	rv = load(t, &live);
	if (rv != CKR_OK) {
		t->state = TOKEN_DAMAGED;
		snprintf(t->reason, sizeof(t->reason), "%s", why_text());
	}
	lock_take(&t->lock);
	t->failed = false;
	live_free(&t->live);
	t->live = live;
	t->appended = t->log.at;
	if (t->loads == 1)
		t->slot = t->header.slot;
	lock_give(&t->lock);
	t->synced = t->published = t->log.at.epoch;
	if (rv == CKR_OK && index_catch_up(t) != CKR_OK) {
		/* A commit on top of it would be entered, and what is missing below be hidden for good. */
		snprintf(t->reason, sizeof(t->reason), "the index cannot be brought up to date: %.200s", why_text());
		t->state = TOKEN_DAMAGED;
	}
	t->damage = looks(t);
	if (t->state != TOKEN_OK)
		why_log(WHY_ERROR, "token %s is read-only: %s", t->serial, t->reason);
}

bool
token_in_place(struct token *t)
{
	struct stat st;
	bool same;

	lock_take(&t->commit);
	lock_take(&t->lock);
	if (t->state == TOKEN_DAMAGED) {
		/* after a failed write it is read again once; else when something changed: a restore goes on */
		same = !t->failed && t->damage == looks(t);
		lock_give(&t->lock);
		lock_give(&t->commit);
		return same;
	}
	same = fstatat(t->vault->dir.fd, t->serial, &st, AT_SYMLINK_NOFOLLOW) == 0;
	if (same) {
		struct stat own;

		same = fstat(t->dir.fd, &own) == 0 && own.st_ino == st.st_ino;
	}
	same = same && t->index_losses == state_index_losses(t->vault->state) && (!t->cut || still_lacking(t)) &&
		fstatat(t->dir.fd, HEADER_NAME, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		st.st_ino == t->head_stat.st_ino && st.st_mtim.tv_sec == t->head_stat.st_mtim.tv_sec &&
		st.st_mtim.tv_nsec == t->head_stat.st_mtim.tv_nsec && st.st_size == t->head_stat.st_size;
	lock_give(&t->lock);
	same = same && journal_in_place(&t->log);
	lock_give(&t->commit);
	return same;
}

CK_RV
token_writable(struct token *t)
{
	assert_held(&t->lock);
	if (t->vault->cfg.read_only)
		return why(CKR_TOKEN_WRITE_PROTECTED, "the vault is mounted read-only");
	if (t->gone)
		return why(CKR_DEVICE_REMOVED, "token %s was removed", t->serial);
	if (t->state == TOKEN_DAMAGED)
		return why(CKR_DEVICE_ERROR, "token %s: %.200s", t->serial, t->reason);
	if (t->state != TOKEN_OK)
		return why(CKR_TOKEN_WRITE_PROTECTED, "token %s is read-only: %.200s", t->serial, t->reason);
	return CKR_OK;
}

/* ---- what it says of itself ---------------------------------------------------------------- */

static void
copy_label(char out[LABEL_LEN + 1], const uint8_t label[LABEL_LEN])
{
	size_t n = LABEL_LEN;

	while (n > 0 && (label[n - 1] == ' ' || label[n - 1] == '\0'))
		n--;
	memcpy(out, label, n);
	out[n] = '\0';
}

static uint32_t
tries_left(struct token *t, CK_USER_TYPE user)
{
	uint32_t used = 0, limit = token_pin_limit(t, user);

	if (t->vault->state == NULL || state_tries_get(t->vault->state, t->serial, user, &used) != CKR_OK)
		return limit;
	return used >= limit ? 0 : limit - used;
}

CK_RV
token_info(struct token *t, struct token_info *info)
{
	memset(info, 0, sizeof(*info));
	pthread_rwlock_rdlock(&t->files);
	lock_take(&t->lock);
	memcpy(info->serial, t->serial, sizeof(info->serial));
	copy_label(info->label, t->header.label);
	info->slot = t->slot;
	info->state = t->state;
	snprintf(info->reason, sizeof(info->reason), "%s", t->reason);
	info->read_only = t->vault->cfg.read_only || t->state != TOKEN_OK;
	info->user_pin_set = t->header.pin[PIN_USER].set;
	info->compat = (t->header.flags & HEADER_COMPAT) != 0;
	info->open = t->key.data != NULL;
	info->private_objects = t->live.n_private;
	info->public_objects = t->live.n - t->live.n_private;
	info->disk_bytes = t->live.bytes;
	info->epoch = t->appended.epoch;
	lock_give(&t->lock);
	pthread_rwlock_unlock(&t->files);
	info->user_tries = token_pin_limit(t, CKU_USER);
	info->so_tries = token_pin_limit(t, CKU_SO);
	info->user_tries_left = tries_left(t, CKU_USER);
	info->so_tries_left = tries_left(t, CKU_SO);
	return CKR_OK;
}

/* ---- objects -------------------------------------------------------------------------------- */

static struct object *
cached(struct token *t, CK_OBJECT_HANDLE h)
{
	struct object *o;

	lock_take(&t->lock);
	o = t->gone ? NULL : cache_get(&t->cache, h);
	if (o != NULL && o->private && t->key.data == NULL) {
		object_put(o);
		o = NULL;
	}
	lock_give(&t->lock);
	return o;
}

static bool
entry_of(struct token *t, const uint8_t uuid[UUID_LEN], struct live_entry *e)
{
	const struct live_entry *found;

	lock_take(&t->lock);
	found = t->gone ? NULL : live_find(&t->live, uuid);
	if (found != NULL)
		*e = *found;
	lock_give(&t->lock);
	return found != NULL;
}

/* From disk; into the cache, unless it was replaced or the key went away meanwhile. `files` is held. */
static CK_RV
open_object(struct token *t, CK_OBJECT_HANDLE h, const struct live_entry *e, struct object **out)
{
	const struct live_entry *now;
	struct attrs attrs = {0};
	struct object *o;
	CK_RV rv;

	rv = sealed_read(t, e, &attrs);
	if (rv == CKR_OK)
		rv = object_new(&o, &attrs);
	attrs_free(&attrs);
	if (rv != CKR_OK)
		return rv;
	memcpy(o->uuid, e->uuid, UUID_LEN);
	o->version = e->version;
	o->handle = h;
	lock_take(&t->lock);
	now = live_find(&t->live, e->uuid);
	if (now != NULL && now->version == e->version && (!o->private || t->key.data != NULL))
		cache_put(&t->cache, o);
	lock_give(&t->lock);
	*out = o;
	return CKR_OK;
}

CK_RV
token_object(struct token *t, CK_OBJECT_HANDLE h, bool with_private, struct object **out)
{
	struct object *o = cached(t, h);
	struct live_entry e, again;
	struct index_row row;
	CK_RV rv;

	if (o != NULL && o->private && !with_private) {
		object_put(o);
		return CKR_OBJECT_HANDLE_INVALID;
	}
	if (o != NULL) {
		*out = o;
		return CKR_OK;
	}
	rv = state_index_row(t->vault->state, t->serial, h, &row);
	if (rv != CKR_OK)
		return rv;
	if (row.private && !with_private)
		return CKR_OBJECT_HANDLE_INVALID;
	/* While the token is being read again its live table is empty: wait. */
	pthread_rwlock_rdlock(&t->files);
	/* The index only proposes: whether it is private the log says. */
	if (!entry_of(t, row.uuid, &e) || (e.private && !with_private)) {
		pthread_rwlock_unlock(&t->files);
		return CKR_OBJECT_HANDLE_INVALID;
	}
	rv = open_object(t, h, &e, out);
	/* Replaced between the look and the reading: the file may be gone already. */
	if (rv == CKR_DEVICE_ERROR && entry_of(t, row.uuid, &again) && again.version != e.version &&
		again.private == e.private)
		rv = open_object(t, h, &again, out);
	else if (rv == CKR_DEVICE_ERROR && !entry_of(t, row.uuid, &again))
		rv = CKR_OBJECT_HANDLE_INVALID;
	pthread_rwlock_unlock(&t->files);
	if (rv == CKR_DEVICE_ERROR)
		why_log(WHY_ERROR, "%s", why_text());
	return rv == CKR_USER_NOT_LOGGED_IN ? CKR_OBJECT_HANDLE_INVALID : rv;
}
