#include "journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "why.h"

/*
 * Segment header, 128 bytes:
 *   0 magic 8 | 8 format u32 | 12 segment u32 | 16 serial 16 | 32 key id 16 | 48 epoch before u64
 *  56 zero 8 | 64 MAC before 32 | 96 MAC 32 = HMAC(K, bytes 0..95)
 * Record:
 *   0 length u32 | 4 ~length u32 | 8 epoch u64 | 16 time u64 | 24 kind u32 | 28 count u32
 *  32 entries, 64 bytes each | MAC 32 = HMAC(K, previous MAC || everything before)
 * Entry: 0 op u8 | 1 flags u8 | 2 zero u16 | 4 file length u32 | 8 uuid 16 | 24 version u64 | 32 hash 32
 */
#define MAGIC "TKNFSLG1"
#define SEGMENT_HEADER 128
#define RECORD_HEADER 32
#define ENTRY 64
#define ENTRY_PRIVATE 1u
#define MAX_ENTRIES 4000000u
#define SECTOR 512u
#define TAIL_MAX (16u << 10)

static void
segment_name(char out[16], uint32_t n)
{
	snprintf(out, 16, "%08x", n);
}

static CK_RV
damaged(const struct journal *l, uint64_t at, const char *what)
{
	return why(CKR_DEVICE_ERROR, "%s/%08x: %s at byte %llu", l->dir.path, l->segment, what,
		(unsigned long long)at);
}

/* ---- writing ------------------------------------------------------------------------------ */

static void
put_entry(struct buf *b, enum journal_op op, const struct live_entry *e)
{
	buf_put_u8(b, (uint8_t)op);
	buf_put_u8(b, e->private ? ENTRY_PRIVATE : 0);
	buf_put_u16(b, 0);
	buf_put_u32(b, e->length);
	buf_put(b, e->uuid, UUID_LEN);
	buf_put_u64(b, e->version);
	buf_put(b, e->hash, sizeof(e->hash));
}

static void
put_record_header(struct buf *b, size_t count, uint64_t epoch, int64_t now, enum journal_kind kind)
{
	uint32_t length = (uint32_t)(RECORD_HEADER + count * ENTRY + MAC_LEN);

	buf_put_u32(b, length);
	buf_put_u32(b, ~length);
	buf_put_u64(b, epoch);
	buf_put_u64(b, (uint64_t)now);
	buf_put_u32(b, kind);
	buf_put_u32(b, (uint32_t)count);
}

/* Ends the record that begins at `from`: MAC over the one before and the record's bytes. */
static CK_RV
put_mac(struct buf *b, size_t from, struct mac *key, const uint8_t before[MAC_LEN], uint8_t mac[MAC_LEN])
{
	CK_RV rv;

	if (buf_failed(b))
		return CKR_HOST_MEMORY;
	rv = mac_make(key, mac, before, MAC_LEN, b->data + from, b->len - from);
	if (rv == CKR_OK && !buf_put(b, mac, MAC_LEN))
		rv = CKR_HOST_MEMORY;
	return rv;
}

static CK_RV
put_segment(struct buf *b, uint32_t segment, const char *serial, const uint8_t *key_id, struct mac *key,
	const struct state_epoch *after)
{
	uint8_t mac[MAC_LEN];
	CK_RV rv;

	buf_put(b, MAGIC, 8);
	buf_put_u32(b, 1);
	buf_put_u32(b, segment);
	buf_put(b, serial, SERIAL_LEN);
	buf_put(b, key_id, 16);
	buf_put_u64(b, after->epoch);
	buf_put_u64(b, 0);
	buf_put(b, after->mac, MAC_LEN);
	if (buf_failed(b))
		return CKR_HOST_MEMORY;
	rv = mac_make(key, mac, b->data, b->len, NULL, 0);
	if (rv == CKR_OK && !buf_put(b, mac, MAC_LEN))
		rv = CKR_HOST_MEMORY;
	return rv;
}

/* A whole new segment in memory: header and snapshot. at: in, what it follows; out, where it stands. */
static CK_RV
build_segment(struct buf *b, uint32_t segment, const char *serial, const uint8_t *key_id, struct mac *key,
	struct state_epoch *at, const struct live *live, int64_t now)
{
	size_t i = 0;
	const struct live_entry *e;
	uint8_t mac[MAC_LEN];
	CK_RV rv = put_segment(b, segment, serial, key_id, key, at);

	if (rv != CKR_OK)
		return rv;
	put_record_header(b, live != NULL ? live->n : 0, at->epoch + 1, now, LOG_SNAPSHOT);
	while (live != NULL && (e = live_next(live, &i)) != NULL)
		put_entry(b, LOG_PUT, e);
	rv = put_mac(b, SEGMENT_HEADER, key, at->mac, mac);
	if (rv != CKR_OK)
		return rv;
	at->epoch++;
	memcpy(at->mac, mac, MAC_LEN);
	return CKR_OK;
}

CK_RV
journal_create(const struct dir *token_dir, const char serial[SERIAL_LEN], const uint8_t key_id[16], struct mac *key,
	const struct state_epoch *after)
{
	struct dir dir = {.fd = -1};
	struct state_epoch at = *after;
	char name[16];
	struct buf b;
	CK_RV rv;

	buf_init(&b, LOG_MAX_SEGMENT);
	rv = dir_open_at(&dir, token_dir, LOG_DIR, true);
	if (rv == CKR_OK)
		rv = build_segment(&b, 1, serial, key_id, key, &at, NULL, (int64_t)time(NULL));
	segment_name(name, 1);
	if (rv == CKR_OK)
		rv = file_write_new(&dir, name, b.data, b.len);
	if (rv == CKR_OK)
		rv = dir_sync(&dir);
	dir_close(&dir);
	buf_free(&b);
	return rv;
}

/* What the file in use looks like, so that another one in its place, or a change by others, is noticed. */
static void
note_stat(struct journal *l, const struct stat *st)
{
	l->ino = st->st_ino;
	l->on_disk = (uint64_t)st->st_size;
	l->mtime = st->st_mtim;
}

static void
note_file(struct journal *l)
{
	struct stat st;

	if (fstat(l->fd, &st) == 0)
		note_stat(l, &st);
}

static void
cut_back(struct journal *l)
{
	if (ftruncate(l->fd, (off_t)l->size) != 0)
		why_log(WHY_ERROR, "%s/%08x: cannot cut a half-written record: %s", l->dir.path, l->segment,
			strerror(errno));
}

CK_RV
journal_append(struct journal *l, const struct journal_entry *v, size_t n, int64_t now)
{
	uint8_t mac[MAC_LEN];
	struct buf b;
	CK_RV rv;

	if (l->fd < 0)
		return CKR_TOKEN_WRITE_PROTECTED;
	buf_init(&b, LOG_MAX_SEGMENT);
	put_record_header(&b, n, l->at.epoch + 1, now, LOG_COMMIT);
	for (size_t i = 0; i < n; i++)
		put_entry(&b, v[i].op, &v[i].e);
	rv = put_mac(&b, 0, l->key, l->at.mac, mac);
	if (rv == CKR_OK) {
		rv = file_write_all(l->fd, b.data, b.len, (off_t)l->size);
		if (rv != CKR_OK)
			cut_back(l);
	}
	if (rv == CKR_OK) {
		l->size += b.len;
		note_file(l);
		l->at.epoch++;
		memcpy(l->at.mac, mac, MAC_LEN);
		l->time = now;
	}
	buf_free(&b);
	return rv;
}

CK_RV
journal_sync(const struct journal *l)
{
	if (fdatasync(l->fd) != 0)
		return why_errno("cannot make %s/%08x durable", l->dir.path, l->segment);
	return CKR_OK;
}

bool
journal_in_place(const struct journal *l)
{
	char name[16];
	struct stat st;

	segment_name(name, l->segment);
	return fstatat(l->dir.fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_ino == l->ino &&
		(uint64_t)st.st_size == l->on_disk && st.st_mtim.tv_sec == l->mtime.tv_sec &&
		st.st_mtim.tv_nsec == l->mtime.tv_nsec;
}

bool
journal_wants_compaction(const struct journal *l, const struct live *live)
{
	uint64_t state = SEGMENT_HEADER + RECORD_HEADER + live->n * ENTRY;

	return l->size - l->snapshot > 4 * state + (64u << 10);
}

/* A segment that was made but cannot be used must not be the highest at the next start: it would hide what is
 * appended to the one before. */
static void
unmake_segment(struct journal *l, const char *name)
{
	char reason[256];

	snprintf(reason, sizeof(reason), "%s", why_text());
	if (file_remove(&l->dir, name) != CKR_OK || dir_sync(&l->dir) != CKR_OK) {
		if (l->fd >= 0)
			close(l->fd);
		l->fd = -1;
	}
	why(CKR_DEVICE_ERROR, "%s", reason);
}

CK_RV
journal_compact(struct journal *l, const struct live *live, int64_t now)
{
	struct state_epoch at = l->at;
	uint32_t segment = l->segment + 1;
	struct stat st;
	char name[16];
	struct buf b;
	int fd = -1;
	CK_RV rv;

	buf_init(&b, LOG_MAX_SEGMENT);
	segment_name(name, segment);
	rv = build_segment(&b, segment, l->serial, l->key_id, l->key, &at, live, now);
	if (rv == CKR_OK)
		rv = file_write_new(&l->dir, name, b.data, b.len);
	if (rv == CKR_OK) {
		rv = dir_sync(&l->dir);
		if (rv == CKR_OK)
			rv = file_open(&l->dir, name, true, &fd, &st);
		if (rv != CKR_OK)
			unmake_segment(l, name);
	}
	if (rv == CKR_OK) {
		if (l->fd >= 0)
			close(l->fd);
		l->fd = fd;
		l->segment = segment;
		l->size = l->snapshot = b.len;
		note_file(l);
		l->at = at;
		l->time = now;
	}
	buf_free(&b);
	return rv;
}

/* ---- reading ------------------------------------------------------------------------------ */

static bool
is_segment(const char *name, uint32_t *n)
{
	uint32_t v = 0;

	for (int i = 0; i < 8; i++) {
		char c = name[i];

		if (c >= '0' && c <= '9')
			v = v << 4 | (uint32_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			v = v << 4 | (uint32_t)(c - 'a' + 10);
		else
			return false;
	}
	*n = v;
	return name[8] == '\0' && v != 0;
}

static CK_RV
find_last(void *arg, const char *name)
{
	uint32_t *last = arg, n;

	if (is_segment(name, &n) && n > *last)
		*last = n;
	return CKR_OK;
}

static CK_RV
read_segment_header(struct journal *l, struct buf *b, struct state_epoch *before)
{
	uint8_t magic[8], serial[SERIAL_LEN], key_id[16], mac[MAC_LEN], want[MAC_LEN];
	uint32_t format = 0, segment = 0;
	uint64_t zero = 0;
	CK_RV rv;

	if (buf_left(b) < SEGMENT_HEADER)
		return damaged(l, 0, "the segment's header is cut off");
	rv = mac_make(l->key, want, b->data, SEGMENT_HEADER - MAC_LEN, NULL, 0);
	if (rv != CKR_OK)
		return rv;
	buf_get(b, magic, 8);
	buf_get_u32(b, &format);
	buf_get_u32(b, &segment);
	buf_get(b, serial, SERIAL_LEN);
	buf_get(b, key_id, 16);
	buf_get_u64(b, &before->epoch);
	buf_get_u64(b, &zero);
	buf_get(b, before->mac, MAC_LEN);
	buf_get(b, mac, MAC_LEN);
	if (memcmp(magic, MAGIC, 8) != 0)
		return damaged(l, 0, "this is no log segment");
	if (!equal_ct(mac, want, MAC_LEN))
		return damaged(l, 0, "the header's MAC does not match");
	if (format != 1)
		return damaged(l, 8, "a format that this version does not know");
	if (segment != l->segment || memcmp(serial, l->serial, SERIAL_LEN) != 0)
		return damaged(l, 12, "the segment belongs elsewhere");
	if (memcmp(key_id, l->key_id, 16) != 0)
		return damaged(l, 32,
			"log and header stem from different initialisations (if this is a copy, copy again)");
	return CKR_OK;
}

static CK_RV
apply_entry(struct journal *l, struct buf *b, uint64_t at, enum journal_kind kind, uint64_t epoch, int64_t now,
	struct live *live)
{
	struct live_entry e = {.epoch = epoch, .time = now};
	const struct live_entry *old;
	uint8_t op = 0, flags = 0;
	uint16_t zero = 0;

	buf_get_u8(b, &op);
	buf_get_u8(b, &flags);
	buf_get_u16(b, &zero);
	buf_get_u32(b, &e.length);
	buf_get(b, e.uuid, UUID_LEN);
	buf_get_u64(b, &e.version);
	buf_get(b, e.hash, sizeof(e.hash));
	e.private = (flags & ENTRY_PRIVATE) != 0;
	old = live_find(live, e.uuid);
	if (op == LOG_PUT && e.version != 0 && (old == NULL || e.version > old->version))
		return live_put(live, &e) ? CKR_OK : CKR_HOST_MEMORY;
	if (op == LOG_DELETE && kind == LOG_COMMIT && old != NULL && old->version == e.version) {
		live_remove(live, e.uuid);
		return CKR_OK;
	}
	return damaged(l, at, "an entry makes no sense");
}

/* Did the power go while what begins at `start` was being written? A file system may keep the file's new length and lose the
 * data: then a sector of it, or what there is of one at either end, is zeros. Only a short rest can be that: more than a
 * few commits are never under way at once. */
static bool
power_went(const struct buf *b, uint64_t start)
{
	if (b->len - start > TAIL_MAX)
		return false;
	for (uint64_t at = start; at < b->len;) {
		uint64_t end = (at / SECTOR + 1) * SECTOR, i = at;

		if (end > b->len)
			end = b->len;
		while (i < end && b->data[i] == 0)
			i++;
		if (i == end)
			return true;
		at = end;
	}
	return false;
}

/* One record. *more false: a torn tail begins here. */
static CK_RV
read_record(struct journal *l, struct buf *b, bool first, struct live *live, bool *more)
{
	uint64_t start = b->pos, epoch = 0, now = 0;
	uint32_t length = 0, check = 0, kind = 0, count = 0;
	uint8_t mac[MAC_LEN];
	CK_RV rv;

	*more = false;
	if (buf_left(b) < 8)
		return first ? damaged(l, start, "the snapshot is cut off") : CKR_OK;
	buf_get_u32(b, &length);
	buf_get_u32(b, &check);
	if (check != ~length || length < RECORD_HEADER + MAC_LEN)
		return !first && power_went(b, start) ? CKR_OK : damaged(l, start, "no record begins here");
	if (length - 8 > buf_left(b))
		return first ? damaged(l, start, "the snapshot is cut off") : CKR_OK;
	buf_get_u64(b, &epoch);
	buf_get_u64(b, &now);
	buf_get_u32(b, &kind);
	buf_get_u32(b, &count);
	rv = mac_make(l->key, mac, l->at.mac, MAC_LEN, b->data + start, length - MAC_LEN);
	if (rv != CKR_OK)
		return rv;
	if (!equal_ct(mac, b->data + start + length - MAC_LEN, MAC_LEN))
		return !first && power_went(b, start) ? CKR_OK : damaged(l, start, "a record's MAC does not match");
	if (epoch != l->at.epoch + 1 || kind != (first ? LOG_SNAPSHOT : LOG_COMMIT) || count > MAX_ENTRIES ||
		length != RECORD_HEADER + (uint64_t)count * ENTRY + MAC_LEN)
		return damaged(l, start, "a record is out of order");
	for (uint32_t i = 0; i < count; i++) {
		rv = apply_entry(l, b, b->pos, kind, epoch, (int64_t)now, live);
		if (rv != CKR_OK)
			return rv;
	}
	buf_get(b, l->at.mac, MAC_LEN);
	l->at.epoch = epoch;
	l->time = (int64_t)now;
	l->size = b->pos;
	*more = true;
	return CKR_OK;
}

static void
note_seen(const struct journal *l, struct journal_replay *r)
{
	if (r->seen.epoch == l->at.epoch && memcmp(r->seen.mac, l->at.mac, MAC_LEN) == 0)
		r->seen_found = true;
}

static CK_RV
replay(struct journal *l, struct buf *b, struct live *live, struct journal_replay *r)
{
	struct state_epoch before;
	bool more = true, first = true;
	CK_RV rv = read_segment_header(l, b, &before);

	if (rv != CKR_OK)
		return rv;
	l->at = before;
	r->seen_older = r->seen.epoch <= before.epoch;
	r->seen_found = r->seen_older && r->seen.epoch == before.epoch &&
		memcmp(r->seen.mac, before.mac, MAC_LEN) == 0;
	while (more && buf_left(b) > 0 && (r->stop_epoch == 0 || l->at.epoch < r->stop_epoch)) {
		rv = read_record(l, b, first, live, &more);
		if (rv != CKR_OK)
			return rv;
		if (first) {
			l->snapshot = l->size;
			r->snapshot = l->at.epoch;
		}
		first = false;
		note_seen(l, r);
	}
	if (first)
		return damaged(l, SEGMENT_HEADER, "the snapshot is missing");
	r->torn = b->len - l->size;
	return CKR_OK;
}

CK_RV
journal_open(struct journal *l, const struct dir *token_dir, const char serial[SERIAL_LEN], const uint8_t key_id[16],
	struct mac *key, struct live *live, struct journal_replay *r)
{
	uint8_t *data = NULL;
	size_t len = 0;
	struct stat st;
	char name[16];
	struct buf b;
	CK_RV rv;

	memset(l, 0, sizeof(*l));
	l->fd = -1;
	l->key = key;
	memcpy(l->serial, serial, SERIAL_LEN);
	memcpy(l->key_id, key_id, 16);
	rv = dir_open_at(&l->dir, token_dir, LOG_DIR, false);
	if (rv == CKR_OK)
		rv = dir_each(&l->dir, find_last, &l->segment);
	if (rv == CKR_OK && l->segment == 0)
		rv = why(CKR_DEVICE_ERROR, "%s holds no log segment", l->dir.path);
	segment_name(name, l->segment);
	if (rv == CKR_OK)
		rv = file_read(&l->dir, name, LOG_MAX_SEGMENT, &data, &len);
	if (rv == CKR_OK && fstatat(l->dir.fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		rv = why_errno("cannot stat %s/%s", l->dir.path, name);
	if (rv == CKR_OK) {
		note_stat(l, &st);
		buf_init_const(&b, data, len);
		rv = replay(l, &b, live, r);
	}
	free(data);
	if (rv != CKR_OK) {
		live_free(live);
		journal_close(l);
		return rv == CKR_OBJECT_HANDLE_INVALID ? CKR_DEVICE_ERROR : rv;
	}
	return CKR_OK;
}

CK_RV
journal_writable(struct journal *l)
{
	struct stat st;
	char name[16];
	CK_RV rv;

	segment_name(name, l->segment);
	rv = file_open(&l->dir, name, true, &l->fd, &st);
	if (rv != CKR_OK)
		return rv;
	if ((uint64_t)st.st_size > l->size && ftruncate(l->fd, (off_t)l->size) != 0)
		return why_errno("cannot cut the torn tail of %s/%s", l->dir.path, name);
	/* What was read may be in memory alone, after a kill -9: it counts from now on. */
	if (fsync(l->fd) != 0)
		return why_errno("cannot make %s/%s durable", l->dir.path, name);
	note_file(l);
	return CKR_OK;
}

void
journal_close(struct journal *l)
{
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
	dir_close(&l->dir);
}

struct sweep {
	const struct journal *l;
	int64_t before;
};

static CK_RV
sweep_one(void *arg, const char *name)
{
	const struct sweep *s = arg;
	struct stat st;
	uint32_t n;

	if (!is_segment(name, &n) || n >= s->l->segment)
		return CKR_OK;
	if (fstatat(s->l->dir.fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0 || st.st_mtime > s->before)
		return CKR_OK;
	return file_remove(&s->l->dir, name);
}

CK_RV
journal_sweep(const struct journal *l, int64_t before)
{
	struct sweep s = {l, before};

	return dir_each(&l->dir, sweep_one, &s);
}
