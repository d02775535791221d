/*
 * db.h - the edge to SQLite: one database file, its fixed statements, its errors as CK_RV
 *
 * No other file includes sqlite3.h. A layout names the file, its schema and every statement that
 * will ever run on it; the statements are prepared once, at opening.
 *
 * Use:        db_open(&db, dir, &layout, DB_WRITE);
 *             db_lock(db); db_run(db, STMT_SET, "bi", key, key_len, value); db_unlock(db);
 *             db_query(db, STMT_GET, "b", key, key_len);
 *             while ((rv = db_next(db, STMT_GET, &row)) == CKR_OK && row) db_int(db, STMT_GET, 0);
 *             db_done(db, STMT_GET); db_close(db)
 * Ownership:  blobs given to a statement must live until db_run returns or until db_done.
 * Locking:    db_lock before everything but db_open and db_close; asserted.
 * Errors:     CKR_DEVICE_MEMORY (full), CKR_HOST_MEMORY, CKR_TOKEN_WRITE_PROTECTED, else
 *             CKR_DEVICE_ERROR; why() names the file.
 */
#ifndef TOKENFS_DB_H
#define TOKENFS_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../pkcs11/ck.h"

struct db;

struct db_layout {
	const char *name;   /* of the file */
	uint32_t version;   /* user_version */
	const char *schema; /* run once, in a transaction, on an empty database */
	const char *const *sql;
	unsigned n_sql;
	unsigned cache_kib; /* page cache */
	bool expendable;    /* damaged or of another version: moved to <name>.corrupt, begun anew */
	const char *remedy; /* what to do when it is damaged and not expendable */
};

enum db_mode {
	DB_WRITE,  /* created with mode 0600 if it is missing */
	DB_READ,   /* never written; missing: *db is NULL */
	DB_MEMORY, /* never on disk, empty at first */
};

/* Opens or makes dir/<name>, brings the schema, prepares the statements. */
CK_RV db_open(struct db **db, const char *dir, const struct db_layout *layout, enum db_mode mode);
void db_close(struct db *db); /* NULL does nothing */

/* One thread at a time, from here to db_unlock. */
void db_lock(struct db *db);
/* True if the database was found damaged meanwhile and, being expendable, was begun anew: whatever the caller
 * keeps about its rows is void. */
bool db_unlock(struct db *db);

/* Transactions; of what runs outside one, each statement is its own. */
CK_RV db_begin(struct db *db, bool write);
CK_RV db_commit(struct db *db);  /* failing, it rolls back */
void db_rollback(struct db *db); /* nothing to roll back: does nothing */
/* Whether the transactions that follow are on the disk (fsync) when they return. Off at first. */
CK_RV db_durable(struct db *db, bool on);

/* Binds arguments by letter: i int64_t; b const void *, size_t; t const char *. */
CK_RV db_run(struct db *db, unsigned stmt, const char *kinds, ...);
void db_query(struct db *db, unsigned stmt, const char *kinds, ...);
/* CKR_OK with *row: whether there is one more. */
CK_RV db_next(struct db *db, unsigned stmt, bool *row);
void db_done(struct db *db, unsigned stmt);

/* Columns of the present row. A blob of another length or a text too long is damage: false. */
int64_t db_int(struct db *db, unsigned stmt, int column);
bool db_blob(struct db *db, unsigned stmt, int column, void *out, size_t len);
bool db_text(struct db *db, unsigned stmt, int column, char *out, size_t size);
/* Valid until the next step. */
const uint8_t *db_bytes(struct db *db, unsigned stmt, int column, size_t *len);
int64_t db_last_id(struct db *db);
/* CKR_DEVICE_ERROR, with why(): what was read cannot have been written by us. */
CK_RV db_damaged(struct db *db, const char *what);

#endif
