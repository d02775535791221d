/*
 * journal.c - the commit log written: segments made, appended to, compacted, swept
 */
#include "journal_inner.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "why.h"

void
journal_name(char out[JOURNAL_NAME], uint32_t n)
{
	snprintf(out, JOURNAL_NAME, "%08x", n);
}

bool
journal_is_segment(const char *name, uint32_t *n)
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
	buf_put_u32(b, SEGMENT_FORMAT);
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
	char name[JOURNAL_NAME];
	struct buf b;
	CK_RV rv;

	buf_init(&b, LOG_MAX_SEGMENT);
	rv = dir_open_at(&dir, token_dir, LOG_DIR, true);
	if (rv == CKR_OK)
		rv = build_segment(&b, 1, serial, key_id, key, &at, NULL, (int64_t)time(NULL));
	journal_name(name, 1);
	if (rv == CKR_OK)
		rv = file_write_new(&dir, name, b.data, b.len);
	if (rv == CKR_OK)
		rv = dir_sync(&dir);
	dir_close(&dir);
	buf_free(&b);
	return rv;
}

void
journal_note_stat(struct journal *l, const struct stat *st)
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
		journal_note_stat(l, &st);
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
	char name[JOURNAL_NAME];
	struct stat st;

	journal_name(name, l->segment);
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
	char name[JOURNAL_NAME];
	struct buf b;
	int fd = -1;
	CK_RV rv;

	buf_init(&b, LOG_MAX_SEGMENT);
	journal_name(name, segment);
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

/* ---- a log at hand ------------------------------------------------------------------------ */

CK_RV
journal_writable(struct journal *l)
{
	struct stat st;
	char name[JOURNAL_NAME];
	CK_RV rv;

	journal_name(name, l->segment);
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

	if (!journal_is_segment(name, &n) || n >= s->l->segment)
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
