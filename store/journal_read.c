/*
 * journal_read.c - the commit log read: the last segment, verified record by record into the live table
 */
#include "journal_inner.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "why.h"

/* A longer rest with zeros in it is damage, not a write that the power cut. */
#define TAIL_MAX (16u << 10)
#define SECTOR 512u

static CK_RV
damaged(const struct journal *l, uint64_t at, const char *what)
{
	return why(CKR_DEVICE_ERROR, "%s/%08x: %s at byte %llu", l->dir.path, l->segment, what,
		(unsigned long long)at);
}

static CK_RV
find_last(void *arg, const char *name)
{
	uint32_t *last = arg, n;

	if (journal_is_segment(name, &n) && n > *last)
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
	if (format != SEGMENT_FORMAT)
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

/* Did the power go while what begins at `start` was being written? A file system may keep the file's new length
 * and lose the data: then a sector of it, or what there is of one at either end, is zeros. Only a short rest can be
 * that: more than a few commits are never under way at once. */
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

/* One record, the snapshot if it is the first. *more false: a torn tail begins here, and *live is as it was. */
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
	char name[JOURNAL_NAME];
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
	journal_name(name, l->segment);
	if (rv == CKR_OK)
		rv = file_read(&l->dir, name, LOG_MAX_SEGMENT, &data, &len);
	if (rv == CKR_OK && fstatat(l->dir.fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		rv = why_errno("cannot stat %s/%s", l->dir.path, name);
	if (rv == CKR_OK) {
		journal_note_stat(l, &st);
		buf_init_const(&b, data, len);
		rv = replay(l, &b, live, r);
	}
	free(data);
	if (rv != CKR_OK) {
		live_free(live);
		journal_close(l);
		return rv == CKR_OBJECT_HANDLE_INVALID ? CKR_DEVICE_ERROR : rv; /* file.h: it is not there */
	}
	return CKR_OK;
}
