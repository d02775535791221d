/*
 * state.c - state.db: epochs, PIN counters, the audit chain
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "../pkcs11/buf.h"
#include "state_inner.h"
#include "why.h"

enum {
	EPOCH_GET,
	EPOCH_SET,
	EPOCH_FORGET,
	TRIES_GET,
	TRIES_SET,
	TRIES_FORGET,
	AUDIT_LAST,
	AUDIT_ADD,
	AUDIT_HEAD_GET,
	AUDIT_HEAD_SET,
	AUDIT_MAC,
	AUDIT_READ,
	N_STATEMENTS
};

static const char *const statements[N_STATEMENTS] = {
	[EPOCH_GET] = "SELECT epoch, mac FROM epoch WHERE serial = ?",
	[EPOCH_SET] = "INSERT OR REPLACE INTO epoch VALUES (?, ?, ?)",
	[EPOCH_FORGET] = "DELETE FROM epoch WHERE serial = ?",
	[TRIES_GET] = "SELECT tries, mac FROM tries WHERE serial = ? AND role = ?",
	[TRIES_SET] = "INSERT OR REPLACE INTO tries VALUES (?, ?, ?, ?)",
	[TRIES_FORGET] = "DELETE FROM tries WHERE serial = ?",
	[AUDIT_LAST] = "SELECT seq, mac FROM audit ORDER BY seq DESC LIMIT 1",
	[AUDIT_ADD] = "INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
	[AUDIT_HEAD_GET] = "SELECT mac FROM audit_head",
	[AUDIT_HEAD_SET] = "INSERT OR REPLACE INTO audit_head VALUES (1, ?)",
	[AUDIT_MAC] = "SELECT mac FROM audit WHERE seq = ?",
	[AUDIT_READ] = ("SELECT seq, time, serial, what, who, object, rv, mac FROM audit "
			"WHERE seq > ? ORDER BY seq LIMIT ?"),
};

static const struct db_layout layout = {
	.name = "state.db",
	.version = 1,
	.schema = "CREATE TABLE epoch (serial BLOB PRIMARY KEY, epoch INTEGER NOT NULL, "
		  "mac BLOB NOT NULL) WITHOUT ROWID;"
		  "CREATE TABLE tries (serial BLOB, role INTEGER, tries INTEGER NOT NULL, "
		  "mac BLOB NOT NULL, PRIMARY KEY (serial, role)) WITHOUT ROWID;"
		  "CREATE TABLE audit (seq INTEGER PRIMARY KEY, time INTEGER NOT NULL, "
		  "serial TEXT NOT NULL, what TEXT NOT NULL, who TEXT NOT NULL, "
		  "object TEXT NOT NULL, rv INTEGER NOT NULL, mac BLOB NOT NULL);"
		  "CREATE TABLE audit_head (one INTEGER PRIMARY KEY, mac BLOB NOT NULL);",
	.sql = statements,
	.n_sql = N_STATEMENTS,
	.cache_kib = 1024,
	.remedy = "Restore it, or move it away; PIN counters, the epochs seen and the audit "
		  "trail then begin anew",
};

CK_RV
state_open(struct state **out, const char *dir, const uint8_t mac_key[32], bool read_only)
{
	struct state *st = calloc(1, sizeof(*st));
	CK_RV rv;

	*out = NULL;
	if (!st)
		return CKR_HOST_MEMORY;
	st->read_only = read_only;
	if ((rv = secret_copy(&st->mac_key, mac_key, 32)) != CKR_OK)
		goto out;
	rv = db_open(&st->own, dir, &layout, read_only ? DB_READ : DB_WRITE);
	if (rv != CKR_OK)
		goto out;
	rv = db_open(&st->index, dir, &state_index_layout, read_only ? DB_MEMORY : DB_WRITE);
	if (rv != CKR_OK)
		goto out;
	*out = st;
	st = NULL; /* transferred */
out:
	state_close(st);
	return rv;
}

void
state_close(struct state *st)
{
	if (!st)
		return;
	db_close(st->index);
	db_close(st->own);
	secret_clear(&st->mac_key);
	free(st->tokens);
	free(st);
}

/* Begins a change of state.db; on CKR_OK the lock is held and a transaction open. */
static CK_RV
change_begin(struct state *st, bool durable)
{
	CK_RV rv;

	if (st->read_only)
		return why(CKR_TOKEN_WRITE_PROTECTED, "the state is open for reading only");
	db_lock(st->own);
	rv = durable ? db_durable(st->own, true) : CKR_OK;
	if (rv == CKR_OK)
		rv = db_begin(st->own, true);
	if (rv != CKR_OK)
		db_unlock(st->own);
	return rv;
}

static CK_RV
change_end(struct state *st, bool durable, CK_RV rv)
{
	if (rv == CKR_OK)
		rv = db_commit(st->own);
	else
		db_rollback(st->own);
	if (durable)
		db_durable(st->own, false);
	db_unlock(st->own);
	return rv;
}

/* HMAC-SHA256 under the state's key over a buffer that must not have failed; frees the buffer. */
static CK_RV
mac_end(const struct state *st, struct buf *b, uint8_t mac[MAC_LEN])
{
	unsigned len = MAC_LEN;
	bool ok = !buf_failed(b) &&
		HMAC(EVP_sha256(), st->mac_key.data, (int)st->mac_key.len, b->data, b->len, mac,
			&len) != NULL;

	buf_free(b);
	return ok ? CKR_OK : why(CKR_HOST_MEMORY, "no memory for a MAC");
}

/* ---- epochs ---- */

CK_RV
state_epoch_get(struct state *st, const char serial[SERIAL_LEN], struct state_epoch *e)
{
	CK_RV rv;
	bool row;

	memset(e, 0, sizeof(*e));
	if (!st->own)
		return CKR_OK;
	db_lock(st->own);
	db_query(st->own, EPOCH_GET, "b", serial, (size_t)SERIAL_LEN);
	rv = db_next(st->own, EPOCH_GET, &row);
	if (rv == CKR_OK && row) {
		e->epoch = (uint64_t)db_int(st->own, EPOCH_GET, 0);
		if (!db_blob(st->own, EPOCH_GET, 1, e->mac, MAC_LEN))
			rv = db_damaged(st->own, "an epoch's MAC has the wrong length");
		db_done(st->own, EPOCH_GET);
	}
	db_unlock(st->own);
	return rv;
}

CK_RV
state_epoch_set(struct state *st, const char serial[SERIAL_LEN], const struct state_epoch *e)
{
	CK_RV rv;

	if (st->read_only)
		return why(CKR_TOKEN_WRITE_PROTECTED, "the state is open for reading only");
	db_lock(st->own);
	rv = db_run(st->own, EPOCH_SET, "bib", serial, (size_t)SERIAL_LEN, (int64_t)e->epoch, e->mac,
		(size_t)MAC_LEN);
	db_unlock(st->own);
	return rv;
}

/* ---- PIN counters ---- */

/* HMAC of "tokenfs pin tries 1" || serial || u64 role || u32 tries */
static CK_RV
tries_mac(const struct state *st, const char serial[SERIAL_LEN], CK_USER_TYPE role, uint32_t tries,
	uint8_t mac[MAC_LEN])
{
	static const char label[] = "tokenfs pin tries 1";
	struct buf b;

	buf_init(&b, 128);
	buf_put(&b, label, sizeof(label) - 1);
	buf_put(&b, serial, SERIAL_LEN);
	buf_put_u64(&b, role);
	buf_put_u32(&b, tries);
	return mac_end(st, &b, mac);
}

CK_RV
state_tries_get(struct state *st, const char serial[SERIAL_LEN], CK_USER_TYPE role, uint32_t *tries)
{
	uint8_t kept[MAC_LEN], mac[MAC_LEN];
	int64_t value = 0;
	bool row, whole = false;
	CK_RV rv;

	*tries = 0;
	if (!st->own)
		return CKR_OK;
	db_lock(st->own);
	db_query(st->own, TRIES_GET, "bi", serial, (size_t)SERIAL_LEN, (int64_t)role);
	rv = db_next(st->own, TRIES_GET, &row);
	if (rv == CKR_OK && row) {
		value = db_int(st->own, TRIES_GET, 0);
		whole = db_blob(st->own, TRIES_GET, 1, kept, MAC_LEN);
		db_done(st->own, TRIES_GET);
	}
	db_unlock(st->own);
	if (rv != CKR_OK || !row)
		return rv;
	*tries = UINT32_MAX;
	if (!whole || value < 0 || value > UINT32_MAX)
		return CKR_OK;
	rv = tries_mac(st, serial, role, (uint32_t)value, mac);
	if (rv == CKR_OK && equal_ct(mac, kept, MAC_LEN))
		*tries = (uint32_t)value;
	return rv;
}

CK_RV
state_tries_set(struct state *st, const char serial[SERIAL_LEN], CK_USER_TYPE role, uint32_t tries)
{
	uint8_t mac[MAC_LEN];
	CK_RV rv;

	if ((rv = tries_mac(st, serial, role, tries, mac)) != CKR_OK)
		return rv;
	if ((rv = change_begin(st, true)) != CKR_OK)
		return rv;
	rv = db_run(st->own, TRIES_SET, "biib", serial, (size_t)SERIAL_LEN, (int64_t)role,
		(int64_t)tries, mac, (size_t)MAC_LEN);
	return change_end(st, true, rv);
}

CK_RV
state_forget(struct state *st, const char serial[SERIAL_LEN])
{
	CK_RV rv = change_begin(st, true);

	if (rv != CKR_OK)
		return rv;
	rv = db_run(st->own, EPOCH_FORGET, "b", serial, (size_t)SERIAL_LEN);
	if (rv == CKR_OK)
		rv = db_run(st->own, TRIES_FORGET, "b", serial, (size_t)SERIAL_LEN);
	return change_end(st, true, rv);
}

/* ---- audit ---- */

/* HMAC of previous MAC || u64 seq || u64 time || serial, what, who, object as u32 length and
 * bytes || u64 rv */
static CK_RV
audit_mac(const struct state *st, const uint8_t previous[MAC_LEN], const struct audit_event *e,
	uint8_t mac[MAC_LEN])
{
	const char *const texts[] = {e->serial, e->what, e->who, e->object};
	struct buf b;

	buf_init(&b, 1024);
	buf_put(&b, previous, MAC_LEN);
	buf_put_u64(&b, e->seq);
	buf_put_u64(&b, (uint64_t)e->time);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		buf_put_bytes(&b, texts[i], strlen(texts[i]));
	buf_put_u64(&b, e->rv);
	return mac_end(st, &b, mac);
}

/* Seals number and MAC of the last row: HMAC of "tokenfs audit head 1" || u64 seq || MAC */
static CK_RV
audit_head_mac(const struct state *st, uint64_t seq, const uint8_t last[MAC_LEN], uint8_t mac[MAC_LEN])
{
	static const char label[] = "tokenfs audit head 1";
	struct buf b;

	buf_init(&b, 128);
	buf_put(&b, label, sizeof(label) - 1);
	buf_put_u64(&b, seq);
	buf_put(&b, last, MAC_LEN);
	return mac_end(st, &b, mac);
}

/* Number and MAC of the last row, zero if there is none. A MAC of a wrong length reads as zero: the
 * chain then shows a break there, and goes on. */
static CK_RV
audit_last(struct state *st, uint64_t *seq, uint8_t mac[MAC_LEN])
{
	bool row;
	CK_RV rv;

	*seq = 0;
	memset(mac, 0, MAC_LEN);
	rv = db_next(st->own, AUDIT_LAST, &row);
	if (rv != CKR_OK || !row)
		return rv;
	*seq = (uint64_t)db_int(st->own, AUDIT_LAST, 0);
	db_blob(st->own, AUDIT_LAST, 1, mac, MAC_LEN);
	db_done(st->own, AUDIT_LAST);
	return CKR_OK;
}

static CK_RV
audit_insert(struct state *st, const struct audit_event *event)
{
	uint8_t last[MAC_LEN], mac[MAC_LEN], head[MAC_LEN];
	struct audit_event e = *event;
	CK_RV rv;

	if ((rv = audit_last(st, &e.seq, last)) != CKR_OK)
		return rv;
	e.seq++;
	if (!e.time)
		e.time = time(NULL);
	if ((rv = audit_mac(st, last, &e, mac)) != CKR_OK)
		return rv;
	rv = db_run(st->own, AUDIT_ADD, "iittttib", (int64_t)e.seq, e.time, e.serial, e.what, e.who,
		e.object, (int64_t)e.rv, mac, (size_t)MAC_LEN);
	if (rv == CKR_OK)
		rv = audit_head_mac(st, e.seq, mac, head);
	if (rv == CKR_OK)
		rv = db_run(st->own, AUDIT_HEAD_SET, "b", head, (size_t)MAC_LEN);
	return rv;
}

CK_RV
state_audit_add(struct state *st, const struct audit_event *e)
{
	CK_RV rv = change_begin(st, false);

	if (rv != CKR_OK)
		return rv;
	return change_end(st, false, audit_insert(st, e));
}

/* The present row of AUDIT_READ; false if its texts or its MAC cannot be ours. */
static bool
audit_row(struct state *st, struct audit_event *e, uint8_t mac[MAC_LEN])
{
	struct db *db = st->own;
	bool ok = true;

	e->seq = (uint64_t)db_int(db, AUDIT_READ, 0);
	e->time = db_int(db, AUDIT_READ, 1);
	ok &= db_text(db, AUDIT_READ, 2, e->serial, sizeof(e->serial));
	ok &= db_text(db, AUDIT_READ, 3, e->what, sizeof(e->what));
	ok &= db_text(db, AUDIT_READ, 4, e->who, sizeof(e->who));
	ok &= db_text(db, AUDIT_READ, 5, e->object, sizeof(e->object));
	e->rv = (CK_RV)db_int(db, AUDIT_READ, 6);
	ok &= db_blob(db, AUDIT_READ, 7, mac, MAC_LEN);
	return ok;
}

/* The MAC that row `after` + 1 is chained to; *intact false if that row is gone. */
static CK_RV
audit_start(struct state *st, uint64_t after, uint8_t mac[MAC_LEN], bool *intact)
{
	bool row;
	CK_RV rv;

	memset(mac, 0, MAC_LEN);
	if (after == 0)
		return CKR_OK;
	db_query(st->own, AUDIT_MAC, "i", (int64_t)after);
	rv = db_next(st->own, AUDIT_MAC, &row);
	if (rv != CKR_OK)
		return rv;
	if (!row || !db_blob(st->own, AUDIT_MAC, 0, mac, MAC_LEN))
		*intact = false;
	if (row)
		db_done(st->own, AUDIT_MAC);
	return CKR_OK;
}

/* Do number and MAC of the last row agree with the sealed head? */
static CK_RV
audit_end(struct state *st, uint64_t seq, const uint8_t last[MAC_LEN], bool *intact)
{
	uint8_t kept[MAC_LEN] = {0}, mac[MAC_LEN];
	bool row;
	CK_RV rv = db_next(st->own, AUDIT_HEAD_GET, &row);

	if (rv != CKR_OK)
		return rv;
	if (row) {
		db_blob(st->own, AUDIT_HEAD_GET, 0, kept, MAC_LEN);
		db_done(st->own, AUDIT_HEAD_GET);
	}
	if ((rv = audit_head_mac(st, seq, last, mac)) != CKR_OK)
		return rv;
	if (row ? !equal_ct(mac, kept, MAC_LEN) : seq != 0)
		*intact = false;
	return CKR_OK;
}

/* One page of events into e[max]; *n of them, verified. */
static CK_RV
audit_page(struct state *st, uint64_t after, size_t max, struct audit_event *e, size_t *n, bool *intact)
{
	uint8_t last[MAC_LEN], kept[MAC_LEN], mac[MAC_LEN];
	uint64_t seq = after;
	bool row;
	CK_RV rv;

	*n = 0;
	if ((rv = audit_start(st, after, last, intact)) != CKR_OK)
		return rv;
	db_query(st->own, AUDIT_READ, "ii", (int64_t)after, (int64_t)max);
	for (;; (*n)++) {
		if ((rv = db_next(st->own, AUDIT_READ, &row)) != CKR_OK)
			return rv;
		if (!row)
			break;
		if (!audit_row(st, &e[*n], kept) || e[*n].seq != seq + 1)
			*intact = false;
		if ((rv = audit_mac(st, last, &e[*n], mac)) != CKR_OK) {
			db_done(st->own, AUDIT_READ);
			return rv;
		}
		if (!equal_ct(mac, kept, MAC_LEN))
			*intact = false;
		memcpy(last, kept, MAC_LEN);
		seq = e[*n].seq;
	}
	return *n < max ? audit_end(st, seq, last, intact) : CKR_OK;
}

#define AUDIT_PAGE 256

CK_RV
state_audit_read(struct state *st, uint64_t after, size_t max,
	bool (*each)(void *arg, const struct audit_event *e), void *arg, bool *intact)
{
	struct audit_event *page;
	size_t n = 0, want;
	CK_RV rv = CKR_OK;
	bool more = true;

	*intact = true;
	if (!st->own || max == 0)
		return CKR_OK;
	page = calloc(AUDIT_PAGE, sizeof(*page));
	if (!page)
		return CKR_HOST_MEMORY;
	while (more && max > 0) {
		want = max < AUDIT_PAGE ? max : AUDIT_PAGE;
		db_lock(st->own);
		rv = audit_page(st, after, want, page, &n, intact);
		db_unlock(st->own);
		if (rv != CKR_OK)
			break;
		for (size_t i = 0; i < n && more; i++) {
			after = page[i].seq;
			more = each(arg, &page[i]);
		}
		max -= n;
		more &= n == want;
	}
	free(page);
	return rv;
}
