/*
 * test_state.c - counters that cannot be forged, an index that finds, an audit trail that shows its gaps
 *
 * The databases are attacked as a stranger would: with SQLite itself.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sqlite3.h>

#include "store/secret.h"
#include "store/state.h"
#include "store/why.h"
#include "unit.h"

static const uint8_t mac_key[32] = "a key of thirty-two bytes exact";
static char dir[] = "/tmp/tokenfs-test-state-XXXXXX";
static const char S1[SERIAL_LEN] = "0123456789abcdef", S2[SERIAL_LEN] = "fedcba9876543210";

static char *
path(const char *name)
{
	static char p[4][128];
	static int i;

	i = (i + 1) % 4;
	snprintf(p[i], sizeof(p[i]), "%s/%s", dir, name);
	return p[i];
}

static void
attack(const char *file, const char *sql)
{
	sqlite3 *db;
	char *err = NULL;

	CHECK(sqlite3_open(path(file), &db) == SQLITE_OK);
	CHECK(sqlite3_exec(db, sql, NULL, NULL, &err) == SQLITE_OK);
	if (err)
		fprintf(stderr, "%s\n", err);
	CHECK(sqlite3_changes(db) > 0);
	sqlite3_close(db);
}

static struct state *
reopen(struct state *st, bool read_only)
{
	state_close(st);
	st = NULL;
	CHECK_RV(CKR_OK, state_open(&st, dir, mac_key, read_only));
	if (!st)
		exit(1);
	return st;
}

static struct state *
test_files_are_private(struct state *st)
{
	struct state_epoch e = {1, {0}};
	struct stat s;
	const char *const names[] = {"state.db", "state.db-wal", "state.db-shm", "index.db",
		"index.db-wal", "index.db-shm"};

	umask(0);
	CHECK_RV(CKR_OK, state_epoch_set(st, S2, &e));
	for (size_t i = 0; i < 6; i++)
		CHECK(stat(path(names[i]), &s) == 0 && (s.st_mode & 07777) == 0600);
	umask(077);
	return st;
}

static struct state *
test_epochs(struct state *st)
{
	struct state_epoch e = {7, {1, 2, 3}}, got;

	CHECK_RV(CKR_OK, state_epoch_get(st, S1, &got));
	CHECK(got.epoch == 0);
	CHECK_RV(CKR_OK, state_epoch_set(st, S1, &e));
	e.epoch = UINT64_MAX - 1;
	CHECK_RV(CKR_OK, state_epoch_set(st, S1, &e));
	st = reopen(st, false);
	CHECK_RV(CKR_OK, state_epoch_get(st, S1, &got));
	CHECK(got.epoch == e.epoch && memcmp(got.mac, e.mac, MAC_LEN) == 0);
	return st;
}

static struct state *
test_tries(struct state *st)
{
	uint8_t mac[32], msg[19 + 16 + 8 + 4] = "tokenfs pin tries 1";
	char sql[256];
	uint32_t n;
	unsigned len = 32;

	CHECK_RV(CKR_OK, state_tries_get(st, S1, CKU_USER, &n));
	CHECK(n == 0);
	CHECK_RV(CKR_OK, state_tries_set(st, S1, CKU_USER, 3));
	CHECK_RV(CKR_OK, state_tries_set(st, S1, CKU_SO, 5));
	CHECK_RV(CKR_OK, state_tries_set(st, S2, CKU_USER, 1));
	st = reopen(st, false);
	CHECK_RV(CKR_OK, state_tries_get(st, S1, CKU_USER, &n));
	CHECK(n == 3);
	CHECK_RV(CKR_OK, state_tries_get(st, S1, CKU_SO, &n));
	CHECK(n == 5);

	/* the MAC is what the format says, by an independent hand */
	memcpy(msg + 19, S1, 16);
	msg[35] = CKU_USER;
	msg[43] = 3;
	HMAC(EVP_sha256(), mac_key, 32, msg, sizeof(msg), mac, &len);
	strcpy(sql, "UPDATE tries SET tries = 3, mac = x'");
	for (int i = 0; i < 32; i++)
		sprintf(sql + strlen(sql), "%02x", mac[i]);
	strcat(sql, "' WHERE role = 1 AND serial = x'30313233343536373839616263646566'");
	attack("state.db", "UPDATE tries SET tries = 0 WHERE role = 1 AND tries = 3");
	CHECK_RV(CKR_OK, state_tries_get(st, S1, CKU_USER, &n));
	CHECK(n == UINT32_MAX);
	attack("state.db", sql);
	CHECK_RV(CKR_OK, state_tries_get(st, S1, CKU_USER, &n));
	CHECK(n == 3);
	/* another role's or token's row does not pass */
	attack("state.db", "UPDATE tries SET mac = (SELECT mac FROM tries WHERE tries = 1), "
			   "tries = 1 WHERE role = 0");
	CHECK_RV(CKR_OK, state_tries_get(st, S1, CKU_SO, &n));
	CHECK(n == UINT32_MAX);
	attack("state.db", "UPDATE tries SET mac = x'00', tries = -1 WHERE role = 0");
	CHECK_RV(CKR_OK, state_tries_get(st, S1, CKU_SO, &n));
	CHECK(n == UINT32_MAX);

	CHECK_RV(CKR_OK, state_forget(st, S1));
	CHECK_RV(CKR_OK, state_tries_get(st, S1, CKU_USER, &n));
	CHECK(n == 0);
	CHECK_RV(CKR_OK, state_tries_get(st, S2, CKU_USER, &n));
	CHECK(n == 1);
	return st;
}

/* ---- index ---- */

/* A blind that stands for attribute value v of attribute a under key k. */
static struct index_term
term(int k, int a, int v)
{
	struct index_term t;
	uint32_t x[4] = {(uint32_t)k, (uint32_t)a, (uint32_t)v, 0};
	uint8_t md[32];

	EVP_Digest(x, sizeof(x), md, NULL, EVP_sha256(), NULL);
	memcpy(t.blind, md, BLIND_LEN);
	return t;
}

static struct index_change
object(int i, bool private, struct index_term *t)
{
	struct index_change c = {.has_terms = true, .terms = t, .n_terms = 5};

	memcpy(c.row.uuid, &i, sizeof(i));
	c.row.version = 1;
	c.row.private = private;
	t[0] = term(private, 'c', i % 2);  /* class */
	t[1] = term(private, 't', 1);      /* token */
	t[2] = term(private, 'i', i);      /* id */
	t[3] = term(private, 'l', i / 10); /* label */
	t[4] = term(private, 'l', i / 10); /* twice is no harm */
	return c;
}

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

#define OBJECTS 10000

static struct state *
fill(struct state *st)
{
	static struct index_change c[OBJECTS];
	static struct index_term t[OBJECTS][5];
	struct state_epoch at = {9, {9}}, got;
	double start = now();
	bool ascending = true;

	for (int i = 0; i < OBJECTS; i++)
		c[i] = object(i, i % 4 == 1, t[i]);
	CHECK_RV(CKR_OK, state_index_apply(st, S1, c, OBJECTS, &at));
	for (int i = 0; i < OBJECTS; i++)
		ascending &= c[i].row.handle == (CK_OBJECT_HANDLE)i + 1;
	CHECK(ascending);
	CHECK_RV(CKR_OK, state_index_position(st, S1, &got));
	CHECK(got.epoch == 9 && got.mac[0] == 9);
	printf("  index: %d objects entered in %.0f ms\n", OBJECTS, (now() - start) * 1e3);
	return st;
}

static size_t
count(struct state *st, const char *serial, const struct index_term *pub, const struct index_term *priv,
	size_t n_terms, CK_OBJECT_HANDLE *first)
{
	struct index_row *rows;
	size_t n;
	bool sorted = true;

	CHECK_RV(CKR_OK, state_index_find(st, serial, pub, priv, n_terms, &rows, &n));
	for (size_t i = 1; i < n; i++)
		sorted &= rows[i - 1].handle < rows[i].handle;
	CHECK(sorted);
	if (first)
		*first = n ? rows[0].handle : 0;
	free(rows);
	return n;
}

static struct state *
test_find(struct state *st)
{
	struct index_term pub[3], priv[3];
	CK_OBJECT_HANDLE h;
	struct index_row row;
	size_t a, b;

	for (int k = 0; k < 2; k++) {
		struct index_term *t = k ? priv : pub;

		t[0] = term(k, 'c', 1);
		t[1] = term(k, 't', 1);
		t[2] = term(k, 'i', 4241);
	}
	/* 4241 is private */
	CHECK(count(st, S1, pub, priv, 3, &h) == 1 && h == 4242);
	CHECK(count(st, S1, pub, NULL, 3, NULL) == 0);
	CHECK(count(st, S2, pub, priv, 3, NULL) == 0);
	pub[2] = term(0, 'i', 4240);
	priv[2] = term(1, 'i', 4240);
	CHECK(count(st, S1, pub, priv, 3, NULL) == 0); /* its class is 0 */
	CHECK(count(st, S1, pub + 1, priv + 1, 2, &h) == 1 && h == 4241);
	/* frequent terms only */
	CHECK(count(st, S1, pub, priv, 2, &h) == OBJECTS / 2 && h == 2);
	CHECK(count(st, S1, pub, NULL, 2, NULL) == OBJECTS / 4);
	/* ten under one label, half of them of class 1; both sides */
	pub[2] = term(0, 'l', 77);
	priv[2] = term(1, 'l', 77);
	CHECK(count(st, S1, pub, priv, 3, &h) == 5 && h == 772);
	CHECK(count(st, S1, pub + 2, priv + 2, 1, &h) == 10 && h == 771);
	/* all */
	CHECK(count(st, S1, NULL, priv, 0, NULL) == OBJECTS);
	CHECK(count(st, S1, NULL, NULL, 0, NULL) == OBJECTS * 3 / 4);
	CHECK_RV(CKR_OK, state_index_count(st, S1, &a, &b));
	CHECK(a == OBJECTS * 3 / 4 && b == OBJECTS / 4);
	CHECK_RV(CKR_OK, state_index_row(st, S1, 4242, &row));
	CHECK(row.private && row.version == 1 && row.handle == 4242);
	CHECK_RV(CKR_OBJECT_HANDLE_INVALID, state_index_row(st, S2, 4242, &row));
	CHECK_RV(CKR_OBJECT_HANDLE_INVALID, state_index_row(st, S1, 0, &row));
	CHECK_RV(CKR_OBJECT_HANDLE_INVALID, state_index_row(st, S1, ~0UL, &row));
	return st;
}

static struct state *
test_change(struct state *st)
{
	struct index_term t[5], t2[5];
	struct index_change c[2];
	struct state_epoch at = {10, {10}}, got;
	struct index_row *rows;
	size_t a, b, n;

	/* a new version with another id keeps the handle and loses the old term */
	c[0] = object(500, false, t);
	c[0].row.version = 2;
	t[2] = term(0, 'i', 123456);
	c[1] = object(502, false, t2);
	c[1].remove = true;
	CHECK_RV(CKR_OK, state_index_apply(st, S1, c, 2, &at));
	CHECK(c[0].row.handle == 501);
	t[0] = term(0, 'i', 123456);
	t[1] = term(0, 'i', 500);
	t[2] = term(0, 'i', 502);
	CHECK(count(st, S1, t, NULL, 1, NULL) == 1);
	CHECK(count(st, S1, t + 1, NULL, 1, NULL) == 0);
	CHECK(count(st, S1, t + 2, NULL, 1, NULL) == 0);
	/* handles are never used again, removing what is not there is nothing */
	c[0] = object(OBJECTS + 1, true, t);
	c[0].has_terms = false;
	at.epoch = 11;
	CHECK_RV(CKR_OK, state_index_apply(st, S1, c, 2, &at));
	CHECK(c[0].row.handle == OBJECTS + 1);
	CHECK_RV(CKR_OK, state_index_unindexed(st, S1, &rows, &n));
	CHECK(n == 1 && rows[0].handle == OBJECTS + 1);
	free(rows);
	c[0] = object(OBJECTS + 1, true, t);
	CHECK_RV(CKR_OK, state_index_apply(st, S1, c, 1, &at));
	CHECK(c[0].row.handle == OBJECTS + 1);
	CHECK_RV(CKR_OK, state_index_unindexed(st, S1, &rows, &n));
	CHECK(n == 0);
	free(rows);
	CHECK_RV(CKR_OK, state_index_count(st, S1, &a, &b));
	CHECK(a == OBJECTS * 3 / 4 - 1 && b == OBJECTS / 4 + 1);

	/* tokens are apart; clearing one leaves the other and counts on */
	c[0] = object(1, false, t);
	CHECK_RV(CKR_OK, state_index_apply(st, S2, c, 1, &at));
	CHECK(c[0].row.handle == OBJECTS + 2);
	CHECK_RV(CKR_OK, state_index_clear(st, S2));
	CHECK_RV(CKR_OK, state_index_position(st, S2, &got));
	CHECK(got.epoch == 0);
	CHECK(count(st, S2, NULL, t, 0, NULL) == 0);
	CHECK_RV(CKR_OK, state_index_apply(st, S2, c, 1, &at));
	CHECK(c[0].row.handle == OBJECTS + 3);
	CHECK_RV(CKR_OK, state_index_clear(st, S2));
	CHECK_RV(CKR_OK, state_index_count(st, S1, &a, &b));
	CHECK(a == OBJECTS * 3 / 4 - 1);
	return st;
}

static struct state *
measure(struct state *st)
{
	struct index_term pub[3], priv[3];
	struct index_row *rows;
	size_t n, hits = 0;
	double start;
	enum { ROUNDS = 5000 };

	st = reopen(st, false);
	for (int pass = 0; pass < 2; pass++) {
		hits = 0;
		start = now();
		for (int i = 0; i < ROUNDS; i++) {
			int v = i * 7 % OBJECTS;

			for (int k = 0; k < 2; k++) {
				struct index_term *t = k ? priv : pub;

				t[0] = term(k, 'c', v % 2);
				t[1] = term(k, 't', 1);
				t[2] = term(k, 'i', v);
			}
			state_index_find(st, S1, pub, priv, 3, &rows, &n);
			hits += n;
			free(rows);
		}
	}
	printf("  index: find by 3 terms among %d: %.1f us (terms made included), %zu hits\n", OBJECTS,
		(now() - start) / ROUNDS * 1e6, hits);
	CHECK(hits >= ROUNDS - 2);
	start = now();
	state_index_find(st, S1, pub, priv, 2, &rows, &n);
	printf("  index: find %zu by 2 frequent terms: %.1f ms\n", n, (now() - start) * 1e3);
	free(rows);
	start = now();
	state_index_find(st, S1, pub, priv, 0, &rows, &n);
	printf("  index: list %zu: %.1f ms\n", n, (now() - start) * 1e3);
	free(rows);
	start = now();
	for (int i = 0; i < 20; i++)
		state_tries_set(st, S1, CKU_USER, 0);
	printf("  counter: %.2f ms each, durable\n", (now() - start) / 20 * 1e3);
	return st;
}

/* ---- damage ---- */

static void
overwrite(const char *name, off_t at, size_t len)
{
	char *junk = malloc(len);
	int fd = open(path(name), O_WRONLY);

	memset(junk, 0x5A, len);
	CHECK(pwrite(fd, junk, len, at) == (ssize_t)len);
	close(fd);
	free(junk);
}

static unsigned logged;

static void
on_log(enum why_level level, const char *text)
{
	(void)level;
	logged += strstr(text, "index.db") != NULL;
}

static struct state *
test_damaged_index_is_begun_anew(struct state *st)
{
	struct state_epoch got;

	why_logger(on_log);
	for (int pass = 0; pass < 3; pass++) {
		logged = 0;
		fill(st);
		state_close(st);
		if (pass == 0) {
			overwrite("index.db", 0, 100);
		} else if (pass == 1) {
			attack("index.db", "INSERT INTO token VALUES (77, x'00', 1, x'00');"
					   "PRAGMA user_version = 99");
		} else {
			overwrite("index.db", 4096, 4096 * 400); /* seen only on use */
		}
		CHECK_RV(CKR_OK, state_open(&st, dir, mac_key, false));
		if (pass == 2) {
			struct index_term t[3] = {term(0, 'c', 1), term(0, 't', 1)};
			struct index_row *rows;
			size_t n;

			CHECK_RV(CKR_DEVICE_ERROR, state_index_find(st, S1, t, t, 2, &rows, &n));
		}
		CHECK(logged == 1);
		CHECK(access(path("index.db.corrupt"), F_OK) == 0);
		CHECK_RV(CKR_OK, state_index_position(st, S1, &got));
		CHECK(got.epoch == 0);
		CHECK(count(st, S1, NULL, (struct index_term *)1, 0, NULL) == 0);
	}
	why_logger(NULL);
	return st;
}

static void
test_damaged_state_is_an_error(struct state *st)
{
	state_close(st);
	overwrite("state.db", 0, 100);
	CHECK_RV(CKR_DEVICE_ERROR, state_open(&st, dir, mac_key, false));
	CHECK(st == NULL);
	CHECK(strstr(why_text(), "state.db") && strstr(why_text(), "move it away"));
	CHECK(access(path("state.db"), F_OK) == 0);
	unlink(path("state.db"));
	CHECK(symlink("/etc/passwd", path("state.db")) == 0);
	CHECK_RV(CKR_DEVICE_ERROR, state_open(&st, dir, mac_key, false));
	unlink(path("state.db"));
}

static struct state *
test_read_only_writes_nothing(struct state *st)
{
	struct state_epoch e = {1, {0}}, got;
	struct audit_event ev = {.what = "x"};
	struct stat a, b;
	struct index_change c;
	struct index_term t[5];
	uint32_t n;

	CHECK_RV(CKR_OK, state_tries_set(st, S1, CKU_USER, 2));
	state_close(st);
	stat(path("state.db"), &a);
	CHECK_RV(CKR_OK, state_open(&st, dir, mac_key, true));
	CHECK_RV(CKR_TOKEN_WRITE_PROTECTED, state_epoch_set(st, S1, &e));
	CHECK_RV(CKR_TOKEN_WRITE_PROTECTED, state_tries_set(st, S1, CKU_USER, 0));
	CHECK_RV(CKR_TOKEN_WRITE_PROTECTED, state_forget(st, S1));
	CHECK_RV(CKR_TOKEN_WRITE_PROTECTED, state_audit_add(st, &ev));
	CHECK_RV(CKR_OK, state_tries_get(st, S1, CKU_USER, &n));
	CHECK(n == 2);
	c = object(3, false, t);
	CHECK_RV(CKR_OK, state_index_apply(st, S1, &c, 1, &e));
	CHECK(count(st, S1, t + 2, NULL, 1, NULL) == 1);
	state_close(st);
	stat(path("state.db"), &b);
	CHECK(memcmp(&a.st_mtim, &b.st_mtim, sizeof(a.st_mtim)) == 0 && a.st_size == b.st_size);
	CHECK(access(path("state.db-wal"), F_OK) != 0 && access(path("state.db-shm"), F_OK) != 0);

	CHECK_RV(CKR_OK, state_open(&st, "/nonexistent", mac_key, true));
	CHECK_RV(CKR_OK, state_epoch_get(st, S1, &got));
	CHECK(got.epoch == 0);
	CHECK_RV(CKR_OK, state_tries_get(st, S1, CKU_USER, &n));
	CHECK(n == 0);
	state_close(st);
	CHECK_RV(CKR_OK, state_open(&st, dir, mac_key, false));
	return st;
}

/* ---- audit ---- */

static uint64_t last_seq;
static int stop_at;

static bool
each(void *arg, const struct audit_event *e)
{
	int *n = arg;

	last_seq = e->seq;
	(*n)++;
	return *n != stop_at;
}

static int
audit(struct state *st, uint64_t after, size_t max, bool *intact)
{
	int n = 0;

	CHECK_RV(CKR_OK, state_audit_read(st, after, max, each, &n, intact));
	return n;
}

static struct state *
test_audit(struct state *st)
{
	struct audit_event e = {.what = "login", .who = "uid 1000 pid 4711 /usr/bin/hydra",
		.object = "", .rv = CKR_PIN_INCORRECT};
	bool intact;
	int before = audit(st, 0, SIZE_MAX, &intact);

	CHECK(before == 0 && intact);
	memcpy(e.serial, S1, SERIAL_LEN);
	for (int i = 0; i < 600; i++)
		CHECK_RV(CKR_OK, state_audit_add(st, &e));
	st = reopen(st, false);
	CHECK_RV(CKR_OK, state_audit_add(st, &e));
	CHECK(audit(st, 0, SIZE_MAX, &intact) == 601 && intact && last_seq == 601);
	CHECK(audit(st, 600, 10, &intact) == 1 && intact);
	CHECK(audit(st, 100, 10, &intact) == 10 && intact && last_seq == 110);
	stop_at = 300;
	CHECK(audit(st, 0, 1000, &intact) == 300 && intact);
	stop_at = 0;
	CHECK(audit(st, 5000, 10, &intact) == 0 && !intact);

	attack("state.db", "UPDATE audit SET rv = 0 WHERE seq = 50");
	audit(st, 0, SIZE_MAX, &intact);
	CHECK(!intact);
	attack("state.db", "UPDATE audit SET rv = 160 WHERE seq = 50");
	audit(st, 0, SIZE_MAX, &intact);
	CHECK(intact);
	attack("state.db", "UPDATE audit SET who = who || 'x' WHERE seq = 300");
	audit(st, 0, SIZE_MAX, &intact);
	CHECK(!intact);
	audit(st, 300, SIZE_MAX, &intact);
	CHECK(intact);
	attack("state.db", "UPDATE audit SET who = 'uid 1000 pid 4711 /usr/bin/hydra' WHERE seq = 300");
	attack("state.db", "DELETE FROM audit WHERE seq > 590");
	audit(st, 0, SIZE_MAX, &intact);
	CHECK(!intact);
	attack("state.db", "DELETE FROM audit");
	CHECK(audit(st, 0, SIZE_MAX, &intact) == 0 && !intact);
	attack("state.db", "DELETE FROM audit_head");
	audit(st, 0, SIZE_MAX, &intact);
	CHECK(intact); /* that is an empty state: not to be told from a new one */
	return st;
}

int
main(int argc, char **argv)
{
	struct state *st = NULL;
	char command[128];

	(void)argc;
	(void)argv;
	CHECK_RV(CKR_OK, secret_start());
	if (!mkdtemp(dir))
		return 1;
	st = reopen(NULL, false);
	st = test_files_are_private(st);
	st = test_epochs(st);
	st = test_tries(st);
	st = fill(st);
	st = test_find(st);
	st = test_change(st);
	st = measure(st);
	CHECK_RV(CKR_OK, state_index_clear(st, S1));
	state_close(st);
	unlink(path("index.db"));
	st = reopen(NULL, false);
	st = test_damaged_index_is_begun_anew(st);
	st = test_read_only_writes_nothing(st);
	st = test_audit(st);
	test_damaged_state_is_an_error(st);
	snprintf(command, sizeof(command), "rm -r '%s'", dir);
	CHECK(system(command) == 0);
	return unit_done("state");
}
