/*
 * token_load.c - a token from disk: header, log and directory read, compared with each other and with what this
 * machine has seen
 */
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "inside.h"

/* A copy taken while the token was in use may name objects that it does not hold, but only in its last
 * commits: those that were made after the copy began. Older ones that miss a file are damage. */
#define COPY_WINDOW 3600

/* ---- reading ------------------------------------------------------------------------------- */

static CK_RV
open_dirs(struct token *t)
{
	CK_RV rv = dir_open_at(&t->dir, &t->vault->dir, t->serial, false);

	if (rv == CKR_OK)
		rv = dir_open_at(&t->objects, &t->dir, "objects", false);
	return rv;
}

static CK_RV
read_header(struct token *t)
{
	struct header header;
	struct stat st;
	CK_RV rv = header_read(&header, &t->dir, t->serial, &t->mac);

	if (rv != CKR_OK)
		return rv;
	if (fstatat(t->dir.fd, HEADER_NAME, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return why_errno("cannot stat %s/%s", t->dir.path, HEADER_NAME);
	lock_take(&t->lock);
	t->header = header;
	t->head_stat = st;
	lock_give(&t->lock);
	return CKR_OK;
}

static CK_RV
replay(struct token *t, struct live *live, struct journal_replay *r)
{
	return journal_open(&t->log, &t->dir, t->serial, t->header.key_id, &t->mac, live, r);
}

/* ---- comparing ----------------------------------------------------------------------------- */

static void rolled_back(struct finding *f, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void
rolled_back(struct finding *f, const char *format, ...)
{
	va_list ap;

	f->state = TOKEN_ROLLED_BACK;
	va_start(ap, format);
	vsnprintf(f->reason, sizeof(f->reason), format, ap);
	va_end(ap);
}

/* The last commits of a copy name objects that came after it: go back, in memory, to before the first of them. What is
 * on disk stays as it is until something is committed on top: the files may still be on their way (a restore that goes
 * on), and then the token is read again. */
static CK_RV
cut_tail(struct token *t, struct live *live, struct scan_result *scan, struct finding *f)
{
	struct journal_replay *r = &f->log;
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
	if (live->n == 0 && all > 0 && !t->accept_cut)
		rolled_back(f, "none of its %zu objects is there: an incomplete copy. Finish it, and the token is read again; "
			"or take it as it is with: tokenfs restore-accept", all);
	why_log(WHY_NOTICE, "token %s: the last %llu commits came after this copy began, or it is incomplete; it stands at "
		"epoch %llu", t->serial, (unsigned long long)(last - t->log.at.epoch),
		(unsigned long long)t->log.at.epoch);
	return CKR_OK;
}

/* Is this what the machine saw last, or something later? */
static CK_RV
compare_seen(struct token *t, struct finding *f)
{
	const struct journal_replay *r = &f->log;
	struct state_epoch head;
	char row[SERIAL_LEN + 1];
	CK_RV rv;

	header_row(t, row);
	rv = state_epoch_get(t->vault->state, row, &head);
	if (rv != CKR_OK)
		return rv;
	if (r->seen.epoch > t->log.at.epoch) {
		rolled_back(f, "its log ends at epoch %llu, this machine has seen %llu: an old copy was put in its place; "
			"accept it with: tokenfs restore-accept",
			(unsigned long long)t->log.at.epoch, (unsigned long long)r->seen.epoch);
		return CKR_OK;
	}
	if (r->seen.epoch != 0 && !r->seen_found && !r->seen_older) {
		rolled_back(f, "its log differs from what this machine has seen at epoch %llu: another copy was put in its "
			"place; accept it with: tokenfs restore-accept", (unsigned long long)r->seen.epoch);
		return CKR_OK;
	}
	if (r->seen.epoch != 0 && r->seen_older && !r->seen_found)
		why_log(WHY_NOTICE, "token %s: its log was compacted past what this machine has seen (epoch %llu); that it "
			"continues it cannot be proved", t->serial, (unsigned long long)r->seen.epoch);
	if (head.epoch > t->header.generation ||
		(head.epoch == t->header.generation && memcmp(head.mac, t->header.mac, MAC_LEN) != 0))
		rolled_back(f, "its header (PINs, label) is not the last that this machine has seen; accept it with: tokenfs "
			"restore-accept");
	return CKR_OK;
}

CK_RV
token_examine(struct token *t, struct live *live, struct finding *f)
{
	struct scan_result scan;
	CK_RV rv = open_dirs(t);

	memset(f, 0, sizeof(*f));
	f->state = TOKEN_OK;
	t->cut = false;
	memset(&t->lacking, 0, sizeof(t->lacking));
	if (rv == CKR_OK)
		rv = read_header(t);
	if (rv == CKR_OK && t->vault->state != NULL)
		rv = state_epoch_get(t->vault->state, t->serial, &f->log.seen);
	if (rv == CKR_OK)
		rv = replay(t, live, &f->log);
	if (rv == CKR_OK)
		rv = scan_objects(t, live, &scan);
	if (rv == CKR_OK && t->vault->state != NULL)
		rv = compare_seen(t, f);
	if (rv == CKR_OK && scan.missing > 0)
		rv = cut_tail(t, live, &scan, f);
	return rv;
}

/* ---- what this machine has seen -------------------------------------------------------------- */

/* The serial in capitals: no token's own row is called so. */
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

/* ---- loading ------------------------------------------------------------------------------- */

/* A token that is as it should be becomes writable. A torn tail goes; a copy that was cut stays as it is on disk. */
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

static CK_RV
load(struct token *t, struct live *live, struct finding *f)
{
	CK_RV rv = token_examine(t, live, f);

	if (rv == CKR_OK && f->state == TOKEN_OK) {
		rv = make_writable(t, live, &f->log);
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

/* What was read takes the place of what there was, all at once: until then the token is what it was before, and one that
 * was rolled back stays read-only while it is read again. */
static void
install(struct token *t, struct live *live, const struct finding *f)
{
	lock_take(&t->lock);
	t->state = f->state;
	memcpy(t->reason, f->reason, sizeof(t->reason));
	t->failed = false;
	live_free(&t->live);
	t->live = *live;
	t->appended = t->log.at;
	if (t->loads == 1)
		t->slot = t->header.slot;
	lock_give(&t->lock);
	t->synced = t->published = t->log.at.epoch;
}

void
token_load(struct token *t)
{
	struct live live = {0};
	struct finding f;
	CK_RV rv;

	t->loads++;
	rv = load(t, &live, &f);
	if (rv != CKR_OK) {
		f.state = TOKEN_DAMAGED;
		snprintf(f.reason, sizeof(f.reason), "%s", why_text());
	}
	install(t, &live, &f);
	if (rv == CKR_OK && index_catch_up(t) != CKR_OK) {
		/* A commit on top of it would be entered, and what is missing below be hidden for good. */
		lock_take(&t->lock);
		snprintf(t->reason, sizeof(t->reason), "the index cannot be brought up to date: %.200s", why_text());
		t->state = TOKEN_DAMAGED;
		lock_give(&t->lock);
	}
	t->damage = looks(t);
	if (t->state != TOKEN_OK)
		why_log(WHY_ERROR, "token %s is read-only: %s", t->serial, t->reason);
}

static bool
same_time(const struct stat *a, const struct stat *b)
{
	return a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* Are the token's directory and its header the ones that were opened and read? */
static bool
same_files(const struct token *t)
{
	struct stat now, own;

	return fstatat(t->vault->dir.fd, t->serial, &now, AT_SYMLINK_NOFOLLOW) == 0 && fstat(t->dir.fd, &own) == 0 &&
		own.st_ino == now.st_ino && fstatat(t->dir.fd, HEADER_NAME, &now, AT_SYMLINK_NOFOLLOW) == 0 &&
		now.st_ino == t->head_stat.st_ino && same_time(&now, &t->head_stat) &&
		now.st_size == t->head_stat.st_size;
}

bool
token_in_place(struct token *t)
{
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
	same = same_files(t) && t->index_losses == state_index_losses(t->vault->state) && (!t->cut || still_lacking(t));
	lock_give(&t->lock);
	same = same && journal_in_place(&t->log);
	lock_give(&t->commit);
	return same;
}
