/*
 * journal.h - the commit log of a token: append-only, MAC-chained segments below 1-log/
 *
 * Invariants (docs/FORMAT.md, Log):
 *  L1  A segment is named by its number, 8 hex digits; the highest number is the one in use.
 *  L2  A segment begins with a header and a snapshot record that says all that is live; every later record is
 *      one commit. So the last segment alone tells the state; older ones stay for `retire_grace`.
 *  L3  MAC(n) = HMAC(K, MAC(n-1) || record n); the segment header's MAC is chained to the last MAC of the
 *      segment before, its epoch goes on from there.
 *  L4  A record is appended only after all object files it names are durable, and acknowledged
 *      only after fdatasync of the segment.
 *  L5  Bytes behind the last whole record are a torn tail only if they are the beginning of a record whose
 *      two length fields agree, or if they are few and a sector of them is zeros; anything else that does not verify is damage.
 *
 * Use:        journal_open(&log, ...); journal_append(...) under the commit lock; journal_sync(...) from any thread
 * Errors:     CKR_DEVICE_ERROR with why() naming the segment and the offset.
 * Format:     docs/FORMAT.md, Log
 */
#ifndef TOKENFS_JOURNAL_H
#define TOKENFS_JOURNAL_H

#include "file.h"
#include "kdf.h"
#include "live.h"

#define LOG_DIR "1-log"
#define LOG_MAX_SEGMENT (1u << 30)

enum journal_op { LOG_PUT = 1, LOG_DELETE = 2 };
enum journal_kind { LOG_COMMIT = 1, LOG_SNAPSHOT = 2 };

struct journal_entry {
	enum journal_op op;
	struct live_entry e; /* for LOG_DELETE: uuid and the version that goes */
};

struct journal {
	struct dir dir;
	int fd; /* of the segment in use; -1: read-only */
	uint32_t segment;
	ino_t ino;
	uint64_t size;       /* bytes that verify */
	uint64_t on_disk;    /* bytes of the file: more while a torn tail is not cut */
	struct timespec mtime;
	uint64_t snapshot;   /* bytes of header and snapshot */
	struct state_epoch at; /* last epoch and its MAC */
	int64_t time;        /* of the last record */
	char serial[SERIAL_LEN];
	uint8_t key_id[16];
	struct mac *key;
};

struct journal_replay {
	uint64_t stop_epoch; /* replay no record after this one; 0: all */
	struct state_epoch seen; /* in: what this machine has seen; epoch 0: nothing */
	bool seen_found;     /* out: the record of that epoch has that MAC */
	bool seen_older;     /* out: the segment begins after that epoch */
	uint64_t snapshot;   /* out: epoch of the segment's snapshot */
	size_t torn;         /* out: bytes of a torn tail (or behind stop_epoch) */
};

/* Makes 1-log with the first segment: an empty snapshot at epoch `after->epoch + 1`, chained to after->mac. */
CK_RV journal_create(const struct dir *token_dir, const char serial[SERIAL_LEN], const uint8_t key_id[16],
	struct mac *key, const struct state_epoch *after);
/* Opens the last segment, replays it into *live (must be empty). Nothing is written. key is kept and stays the caller's.
 * On failure the log is closed and *live empty. */
CK_RV journal_open(struct journal *l, const struct dir *token_dir, const char serial[SERIAL_LEN], const uint8_t key_id[16],
	struct mac *key, struct live *live, struct journal_replay *r);
/* Makes it ready for appending: cuts a torn tail (at l->size); what was read is durable afterwards. */
CK_RV journal_writable(struct journal *l);
/* l stays good for journal_open alone. */
void journal_close(struct journal *l);

/* Writes one record of n entries behind the last; advances epoch, MAC and size; not durable yet. now: seconds since
 * 1970. On failure the file is cut back to what it was. CKR_TOKEN_WRITE_PROTECTED: there is no segment to write to. */
CK_RV journal_append(struct journal *l, const struct journal_entry *v, size_t n, int64_t now);
/* All that was appended is on the disk (fdatasync). After a failure nobody knows what is. */
CK_RV journal_sync(const struct journal *l);
/* True if the segment's name still stands for the file that is open. */
bool journal_in_place(const struct journal *l);
/* True if more is history than state. */
bool journal_wants_compaction(const struct journal *l, const struct live *live);
/* Begins a new segment with a snapshot of *live; durable. The old one stays on disk. On failure it stays in use; if the
 * new one cannot be removed either, nothing can be appended any more (fd is -1). */
CK_RV journal_compact(struct journal *l, const struct live *live, int64_t now);
/* Removes segments other than the one in use that were last written before `before` (seconds). */
CK_RV journal_sweep(const struct journal *l, int64_t before);

#endif
