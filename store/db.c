/*
 * db.c - SQLite: opening with care, prepared statements, one translator of errors
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sqlite3.h>

#include "db.h"
#include "why.h"

#define BUSY_MS 2000

struct db {
	const struct db_layout *layout;
	enum db_mode mode;
	sqlite3 *handle;
	sqlite3_stmt **stmts;
	char *path;
	bool damaged;
	pthread_mutex_t lock;
	bool locked; /* for assert alone */
};

/* ---- errors ---- */

static CK_RV
fail(struct db *db, int rc)
{
	const char *text = db->handle ? sqlite3_errmsg(db->handle) : sqlite3_errstr(rc);

	switch (rc & 0xFF) {
	case SQLITE_FULL:
		return why(CKR_DEVICE_MEMORY, "%s: %s", db->path, text);
	case SQLITE_NOMEM:
		return why(CKR_HOST_MEMORY, "%s: %s", db->path, text);
	case SQLITE_READONLY:
		return why(CKR_TOKEN_WRITE_PROTECTED, "%s: %s", db->path, text);
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return db_damaged(db, text);
	default:
		return why(CKR_DEVICE_ERROR, "%s: %s", db->path, text);
	}
}

CK_RV
db_damaged(struct db *db, const char *what)
{
	db->damaged = true;
	if (db->layout->expendable)
		return why(CKR_DEVICE_ERROR, "%s is damaged: %s", db->path, what);
	return why(CKR_DEVICE_ERROR, "%s is damaged: %s. %s", db->path, what, db->layout->remedy);
}

static CK_RV
exec(struct db *db, const char *sql)
{
	int rc = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);

	return rc == SQLITE_OK ? CKR_OK : fail(db, rc);
}

/* ---- opening ---- */

/* The file must be ours, regular and 0600. SQLite gives its -wal and -shm the same mode. */
static CK_RV
file_prepare(const char *path)
{
	struct stat st;
	CK_RV rv = CKR_OK;
	int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600);

	if (fd < 0)
		return why_errno("%s", path);
	if (fstat(fd, &st) != 0)
		rv = why_errno("%s", path);
	else if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || st.st_nlink != 1)
		rv = why(CKR_DEVICE_ERROR, "%s is not a regular file of this user", path);
	else if ((st.st_mode & 07777) != 0600 && fchmod(fd, 0600) != 0)
		rv = why_errno("%s", path);
	close(fd);
	return rv;
}

/* True if the last user did not close it: his log is still there. */
static bool
was_left_open(const struct db *db)
{
	char wal[4096];
	struct stat st;

	snprintf(wal, sizeof(wal), "%s-wal", db->path);
	return stat(wal, &st) == 0 && st.st_size > 0;
}

static int
get_int(struct db *db, const char *sql)
{
	sqlite3_stmt *s = NULL;
	int v = -1;

	if (sqlite3_prepare_v2(db->handle, sql, -1, &s, NULL) == SQLITE_OK &&
		sqlite3_step(s) == SQLITE_ROW)
		v = sqlite3_column_int(s, 0);
	sqlite3_finalize(s);
	return v;
}

static CK_RV
quick_check(struct db *db)
{
	sqlite3_stmt *s = NULL;
	CK_RV rv = CKR_OK;
	int rc = sqlite3_prepare_v2(db->handle, "PRAGMA quick_check(1)", -1, &s, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_step(s);
	if (rc != SQLITE_ROW)
		rv = fail(db, rc);
	else if (strcmp((const char *)sqlite3_column_text(s, 0), "ok") != 0)
		rv = db_damaged(db, (const char *)sqlite3_column_text(s, 0));
	sqlite3_finalize(s);
	return rv;
}

static CK_RV
configure(struct db *db)
{
	char sql[256];

	sqlite3_busy_timeout(db->handle, BUSY_MS);
	sqlite3_extended_result_codes(db->handle, 1);
	sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(db->handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_db_config(db->handle, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
	sqlite3_db_config(db->handle, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
	snprintf(sql, sizeof(sql),
		"PRAGMA cell_size_check=ON; PRAGMA temp_store=MEMORY; PRAGMA cache_size=-%u;%s",
		db->layout->cache_kib,
		db->mode == DB_WRITE ? "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;" : "");
	return exec(db, sql);
}

/* Brings an empty database to the layout; one of another version is refused. */
static CK_RV
lay_out(struct db *db)
{
	char sql[64];
	CK_RV rv;
	int version = get_int(db, "PRAGMA user_version");

	if (version == (int)db->layout->version)
		return CKR_OK;
	if (version != 0 || get_int(db, "SELECT count(*) FROM sqlite_schema") != 0)
		return db_damaged(db, "it has a layout that this program does not know");
	snprintf(sql, sizeof(sql), "PRAGMA user_version=%u", db->layout->version);
	if ((rv = exec(db, "BEGIN IMMEDIATE")) != CKR_OK)
		return rv;
	if ((rv = exec(db, db->layout->schema)) != CKR_OK || (rv = exec(db, sql)) != CKR_OK) {
		sqlite3_exec(db->handle, "ROLLBACK", NULL, NULL, NULL);
		return rv;
	}
	return exec(db, "COMMIT");
}

static CK_RV
prepare(struct db *db)
{
	for (unsigned i = 0; i < db->layout->n_sql; i++) {
		int rc = sqlite3_prepare_v3(db->handle, db->layout->sql[i], -1,
			SQLITE_PREPARE_PERSISTENT, &db->stmts[i], NULL);

		/* SQLITE_ERROR: a table or column is missing, though the version is ours */
		if (rc == SQLITE_ERROR)
			return db_damaged(db, sqlite3_errmsg(db->handle));
		if (rc != SQLITE_OK)
			return fail(db, rc);
	}
	return CKR_OK;
}

static void
close_handle(struct db *db)
{
	for (unsigned i = 0; i < db->layout->n_sql; i++) {
		sqlite3_finalize(db->stmts[i]);
		db->stmts[i] = NULL;
	}
	sqlite3_close(db->handle);
	db->handle = NULL;
}

/* A database that nobody has open can be read without a trace, even on a read-only file system. */
static int
open_immutable(struct db *db)
{
	char uri[3 * 4096 + 32], *out = uri;

	if (strlen(db->path) >= 4096)
		return SQLITE_CANTOPEN;
	out += sprintf(out, "file:");
	for (const char *p = db->path; *p; p++)
		out += sprintf(out, strchr("%?#", *p) ? "%%%02X" : "%c", (unsigned char)*p);
	strcpy(out, "?immutable=1");
	return sqlite3_open_v2(uri, &db->handle,
		SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, NULL);
}

static CK_RV
open_handle(struct db *db)
{
	int flags = SQLITE_OPEN_NOMUTEX | (db->mode == DB_READ ? SQLITE_OPEN_READONLY
							       : SQLITE_OPEN_READWRITE);
	const char *name = db->mode == DB_MEMORY ? ":memory:" : db->path;
	bool left_open = db->mode != DB_MEMORY && was_left_open(db);
	CK_RV rv;
	int rc;

	if (db->mode == DB_WRITE && (rv = file_prepare(db->path)) != CKR_OK)
		return rv;
	if (db->mode == DB_READ && !left_open)
		rc = open_immutable(db);
	else
		rc = sqlite3_open_v2(name, &db->handle, flags, NULL);
	rv = rc == SQLITE_OK ? configure(db) : fail(db, rc);
	if (rv == CKR_OK && left_open)
		rv = quick_check(db);
	if (rv == CKR_OK && db->mode != DB_READ)
		rv = lay_out(db);
	if (rv == CKR_OK)
		rv = prepare(db);
	if (rv == CKR_OK)
		rv = db->mode == DB_WRITE ? exec(db, "PRAGMA synchronous=NORMAL") : CKR_OK;
	if (rv != CKR_OK)
		close_handle(db);
	return rv;
}

/* Moves a damaged file and its companions out of the way and begins anew. */
static CK_RV
begin_anew(struct db *db)
{
	static const char *const companions[] = {"-wal", "-shm"};
	char to[4096];

	why_log(WHY_WARNING, "%s; it is moved to %s.corrupt and built anew", why_text(),
		db->layout->name);
	close_handle(db);
	snprintf(to, sizeof(to), "%s.corrupt", db->path);
	if (rename(db->path, to) != 0 && errno != ENOENT)
		return why_errno("%s: cannot be moved to %s", db->path, to);
	for (size_t i = 0; i < 2; i++) {
		snprintf(to, sizeof(to), "%s%s", db->path, companions[i]);
		unlink(to);
	}
	db->damaged = false;
	return open_handle(db);
}

CK_RV
db_open(struct db **out, const char *dir, const struct db_layout *layout, enum db_mode mode)
{
	struct db *db = calloc(1, sizeof(*db));
	CK_RV rv = CKR_HOST_MEMORY;

	*out = NULL;
	if (!db)
		return CKR_HOST_MEMORY;
	pthread_mutex_init(&db->lock, NULL);
	db->layout = layout;
	db->mode = mode;
	db->stmts = calloc(layout->n_sql, sizeof(*db->stmts));
	if (!db->stmts || asprintf(&db->path, "%s/%s", dir, layout->name) < 0) {
		db->path = NULL;
		goto out;
	}
	if (mode == DB_READ && access(db->path, F_OK) != 0 && errno == ENOENT) {
		rv = CKR_OK;
		goto out;
	}
	rv = open_handle(db);
	if (rv != CKR_OK && db->damaged && layout->expendable && mode == DB_WRITE)
		rv = begin_anew(db);
	if (rv == CKR_OK) {
		*out = db;
		db = NULL; /* transferred */
	}
out:
	db_close(db);
	return rv;
}

void
db_close(struct db *db)
{
	if (!db)
		return;
	if (db->stmts)
		close_handle(db);
	pthread_mutex_destroy(&db->lock);
	free(db->stmts);
	free(db->path);
	free(db);
}

void
db_lock(struct db *db)
{
	pthread_mutex_lock(&db->lock);
	db->locked = true;
}

bool
db_unlock(struct db *db)
{
	bool anew = false;

	if (db->damaged && db->layout->expendable && db->mode == DB_WRITE) {
		anew = true;
		if (begin_anew(db) != CKR_OK)
			why_log(WHY_ERROR, "%s", why_text());
	}
	db->locked = false;
	pthread_mutex_unlock(&db->lock);
	return anew;
}

/* ---- transactions ---- */

CK_RV
db_begin(struct db *db, bool write)
{
	assert(db->locked);
	return exec(db, write ? "BEGIN IMMEDIATE" : "BEGIN");
}

CK_RV
db_commit(struct db *db)
{
	CK_RV rv = exec(db, "COMMIT");

	if (rv != CKR_OK)
		db_rollback(db);
	return rv;
}

void
db_rollback(struct db *db)
{
	assert(db->locked);
	if (db->handle && !sqlite3_get_autocommit(db->handle))
		sqlite3_exec(db->handle, "ROLLBACK", NULL, NULL, NULL);
}

CK_RV
db_durable(struct db *db, bool on)
{
	assert(db->locked);
	return exec(db, on ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL");
}

/* ---- statements ---- */

static void
bind(sqlite3_stmt *s, const char *kinds, va_list ap)
{
	for (int i = 1; *kinds; kinds++, i++) {
		if (*kinds == 'i') {
			sqlite3_bind_int64(s, i, va_arg(ap, int64_t));
		} else if (*kinds == 't') {
			sqlite3_bind_text(s, i, va_arg(ap, const char *), -1, SQLITE_STATIC);
		} else {
			const void *p = va_arg(ap, const void *);
			size_t len = va_arg(ap, size_t);

			if (p)
				sqlite3_bind_blob64(s, i, p, len, SQLITE_STATIC);
			else
				sqlite3_bind_null(s, i);
		}
	}
}

CK_RV
db_run(struct db *db, unsigned stmt, const char *kinds, ...)
{
	sqlite3_stmt *s = db->stmts[stmt];
	va_list ap;
	int rc;

	assert(db->locked);
	if (!s)
		return why(CKR_DEVICE_ERROR, "%s is not open", db->path);
	va_start(ap, kinds);
	bind(s, kinds, ap);
	va_end(ap);
	do {
		rc = sqlite3_step(s);
	} while (rc == SQLITE_ROW);
	sqlite3_reset(s);
	return rc == SQLITE_DONE ? CKR_OK : fail(db, rc);
}

void
db_query(struct db *db, unsigned stmt, const char *kinds, ...)
{
	va_list ap;

	assert(db->locked);
	if (!db->stmts[stmt])
		return; /* db_next says so */
	va_start(ap, kinds);
	bind(db->stmts[stmt], kinds, ap);
	va_end(ap);
}

CK_RV
db_next(struct db *db, unsigned stmt, bool *row)
{
	sqlite3_stmt *s = db->stmts[stmt];
	int rc;

	assert(db->locked);
	*row = false;
	if (!s)
		return why(CKR_DEVICE_ERROR, "%s is not open", db->path);
	rc = sqlite3_step(s);
	*row = rc == SQLITE_ROW;
	if (rc == SQLITE_ROW)
		return CKR_OK;
	sqlite3_reset(s);
	return rc == SQLITE_DONE ? CKR_OK : fail(db, rc);
}

void
db_done(struct db *db, unsigned stmt)
{
	sqlite3_reset(db->stmts[stmt]);
}

int64_t
db_int(struct db *db, unsigned stmt, int column)
{
	return sqlite3_column_int64(db->stmts[stmt], column);
}

const uint8_t *
db_bytes(struct db *db, unsigned stmt, int column, size_t *len)
{
	const uint8_t *p = sqlite3_column_blob(db->stmts[stmt], column);

	*len = (size_t)sqlite3_column_bytes(db->stmts[stmt], column);
	return p;
}

bool
db_blob(struct db *db, unsigned stmt, int column, void *out, size_t len)
{
	size_t n;
	const uint8_t *p = db_bytes(db, stmt, column, &n);

	memset(out, 0, len);
	if (!p || n != len)
		return false;
	memcpy(out, p, len);
	return true;
}

bool
db_text(struct db *db, unsigned stmt, int column, char *out, size_t size)
{
	size_t n;
	const uint8_t *p = db_bytes(db, stmt, column, &n);

	memset(out, 0, size);
	if (n >= size || (n && memchr(p, 0, n)))
		return false;
	if (n)
		memcpy(out, p, n);
	return true;
}

int64_t
db_last_id(struct db *db)
{
	return sqlite3_last_insert_rowid(db->handle);
}
