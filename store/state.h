/*
 * state.h - what belongs to this machine and not to the backup: index, PIN counters, epochs, audit
 *
 * All SQLite of the project is behind this header (and, within, behind db.h). Two databases in the state directory, both
 * WAL: index.db can be lost (it is rebuilt from the vault); state.db holds what cannot: PIN
 * counters (MACed, fsynced), the highest log epoch seen of each token with its MAC, and the
 * audit chain.
 *
 * Use:        state_open(&st, dir, mac_key); ... state_close(st)
 * Locking:    any thread; each database is behind its own mutex inside.
 * Errors:     CKR_DEVICE_ERROR with why(); a corrupt index.db is moved aside (index.db.corrupt)
 *             and begun anew with a why_log(); a corrupt state.db is an error that names the
 *             file and says how to go on.
 *             A write while read_only: CKR_TOKEN_WRITE_PROTECTED.
 * Trust:      the index is a cache on this machine. Its rows carry no MAC: who can write the file can
 *             hide objects from a search by removing rows. He cannot make a search lie otherwise,
 *             because every object found is opened and compared by the caller.
 * Secrets:    none is stored. Index values are HMACs made by the caller. mac_key is copied into
 *             secret memory.
 */
#ifndef TOKENFS_STATE_H
#define TOKENFS_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../pkcs11/ck.h"

struct state;

#define SERIAL_LEN 16
#define UUID_LEN 16
#define BLIND_LEN 16
#define MAC_LEN 32

/* dir must exist (0700). read_only: neither database is created or written; a missing state.db reads
 * as empty, and the index is an empty one in memory, to be filled as after a loss. */
CK_RV state_open(struct state **st, const char *dir, const uint8_t mac_key[32], bool read_only);
void state_close(struct state *st); /* NULL does nothing */

/* ---- epochs (state.db) ---- */
struct state_epoch {
	uint64_t epoch;       /* 0: this token was never seen here */
	uint8_t mac[MAC_LEN]; /* the log's chain value at that epoch */
};
/* epoch 0 if there is none, also without a state.db. */
CK_RV state_epoch_get(struct state *st, const char serial[SERIAL_LEN], struct state_epoch *e);
/* Not fsynced: losing it is safe. */
CK_RV state_epoch_set(struct state *st, const char serial[SERIAL_LEN], const struct state_epoch *e);

/* ---- PIN counters (state.db, fsynced before each return) ---- */
/* Failed tries of a role since the last success; a row whose MAC is wrong reads as UINT32_MAX. */
CK_RV state_tries_get(struct state *st, const char serial[SERIAL_LEN], CK_USER_TYPE role, uint32_t *tries);
CK_RV state_tries_set(struct state *st, const char serial[SERIAL_LEN], CK_USER_TYPE role, uint32_t tries);
/* All that is known of a token, when it is deleted. */
CK_RV state_forget(struct state *st, const char serial[SERIAL_LEN]);

/* ---- index (index.db) ---- */
/* One row per live token object. rowid is the object's handle: counted up from 1, never reused
 * (sqlite AUTOINCREMENT), below 2^30. */
struct index_row {
	CK_OBJECT_HANDLE handle; /* out; in, for state_index_put: 0 = assign */
	uint8_t uuid[UUID_LEN];
	uint64_t version;
	bool private;
};
struct index_term {
	uint8_t blind[BLIND_LEN]; /* HMAC(index key, type || value), cut */
};
/* Where the token's index stands: an epoch and its chain value; zero when there is none. */
CK_RV state_index_position(struct state *st, const char serial[SERIAL_LEN], struct state_epoch *at);
/* One commit: all changes and the new position in one transaction, or nothing. A put replaces the
 * row of the same uuid and keeps its handle (which comes back in row->handle). has_terms false:
 * the row is entered unindexed (a private object met while its key is not known). */
struct index_change {
	struct index_row row;
	bool remove;     /* only row.uuid counts then */
	bool has_terms;
	const struct index_term *terms;
	size_t n_terms;
};
CK_RV state_index_apply(struct state *st, const char serial[SERIAL_LEN], struct index_change *changes,
	size_t n, const struct state_epoch *to);
/* Counts up when the index was found damaged and begun anew while in use: it is empty then, and whoever relies on it
 * fills it again before the position moves. */
uint64_t state_index_losses(struct state *st);
/* Throws away a token's rows and position (handles go on counting). */
CK_RV state_index_clear(struct state *st, const char serial[SERIAL_LEN]);
/* Rows that hold *all* given terms; n_terms == 0: all rows. The two term arrays are the same
 * template under the public and the private index key: a public row matches `pub`, a private row
 * `priv` (priv == NULL: private rows are left out, also with n_terms == 0). Ordered by handle; *rows is malloc'd. */
CK_RV state_index_find(struct state *st, const char serial[SERIAL_LEN], const struct index_term *pub,
	const struct index_term *priv, size_t n_terms, struct index_row **rows, size_t *n);
/* CKR_OBJECT_HANDLE_INVALID when there is none. */
CK_RV state_index_row(struct state *st, const char serial[SERIAL_LEN], CK_OBJECT_HANDLE h, struct index_row *row);
/* Private rows entered without terms. */
CK_RV state_index_unindexed(struct state *st, const char serial[SERIAL_LEN], struct index_row **rows, size_t *n);
CK_RV state_index_count(struct state *st, const char serial[SERIAL_LEN], size_t *public_n, size_t *private_n);

/* ---- audit (state.db) ---- */
struct audit_event {
	uint64_t seq;        /* out when read */
	int64_t time;        /* seconds since 1970; 0 when added: now */
	char serial[SERIAL_LEN + 1];
	char what[32];       /* "login", "generate", ... */
	char who[96];        /* "uid 1000 pid 4711 /usr/bin/hydra" */
	char object[96];     /* "<uuid> key" or "" */
	CK_RV rv;
};
/* Row = event || MAC(mac_key, previous MAC || event); the last MAC is sealed beside, so that rows cut off
 * at the end are missed too. Fields too long for their arrays are the caller's to cut. */
CK_RV state_audit_add(struct state *st, const struct audit_event *e);
/* Calls each(event) for rows with seq > after, at most `max`; stops when it returns false.
 * *intact: the chain from row `after` to the last row read is whole, so that pages read one after
 * the other prove the whole chain. */
CK_RV state_audit_read(struct state *st, uint64_t after, size_t max,
	bool (*each)(void *arg, const struct audit_event *e), void *arg, bool *intact);

#endif
