/*
 * Every system call and every database step of a commit fails once, with a full disk and with an I/O error: the
 * call reports it or does without, the vault opens again, what was acknowledged is there, nothing is half-made.
 *
 * The linker puts the functions below in front of the C library's (--wrap).
 */
#include "vault_help.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdint.h>
#include <sys/syscall.h>

static long countdown; /* while armed: calls until one fails */
static int fault;
static const char *hit;
static bool sticky; /* from the one that fails on, all of its kind fail */
static bool armed;

static bool
fails(const char *name)
{
	if (!armed)
		return false;
	if (hit != NULL)
		return sticky && strcmp(hit, name) == 0 ? (errno = fault, true) : false;
	if (--countdown != 0)
		return false;
	hit = name;
	errno = fault;
	return true;
}

#define WRAP(ret, name, params, args)                                                              \
	ret __real_##name params;                                                                  \
	ret __wrap_##name params;                                                                  \
	ret __wrap_##name params                                                                   \
	{                                                                                          \
		return fails(#name) ? (ret)-1 : __real_##name args;                                \
	}

WRAP(int, fsync, (int fd), (fd))
WRAP(int, fdatasync, (int fd), (fd))
WRAP(int, linkat, (int a, const char *b, int c, const char *d, int e), (a, b, c, d, e))
WRAP(int, renameat, (int a, const char *b, int c, const char *d), (a, b, c, d))
WRAP(int, unlinkat, (int a, const char *b, int c), (a, b, c))
WRAP(int, mkdirat, (int a, const char *b, mode_t c), (a, b, c))
WRAP(int, utimensat, (int a, const char *b, const struct timespec *c, int d), (a, b, c, d))
WRAP(int, ftruncate64, (int a, off_t b), (a, b))
WRAP(int, fstat64, (int a, struct stat *b), (a, b))
WRAP(int, fstatat64, (int a, const char *b, struct stat *c, int d), (a, b, c, d))
WRAP(ssize_t, pread64, (int a, void *b, size_t c, off_t d), (a, b, c, d))

ssize_t __real_pwrite64(int fd, const void *p, size_t n, off_t at);
ssize_t __wrap_pwrite64(int fd, const void *p, size_t n, off_t at);
ssize_t
__wrap_pwrite64(int fd, const void *p, size_t n, off_t at)
{
	if (!fails("pwrite64"))
		return __real_pwrite64(fd, p, n, at);
	/* a full disk takes a part first */
	if (n > 1 && __real_pwrite64(fd, p, n / 2, at) < 0)
		abort();
	errno = fault;
	return -1;
}

/* openat2, renameat2 */
long __real_syscall(long n, long a, long b, long c, long d, long e, long f);
long __wrap_syscall(long n, long a, long b, long c, long d, long e, long f);
long
__wrap_syscall(long n, long a, long b, long c, long d, long e, long f)
{
	return fails(n == SYS_openat2 ? "openat2" : "syscall") ? -1 : __real_syscall(n, a, b, c, d, e, f);
}

int __real_sqlite3_step(sqlite3_stmt *s);
int __wrap_sqlite3_step(sqlite3_stmt *s);
int
__wrap_sqlite3_step(sqlite3_stmt *s)
{
	if (!fails("sqlite3_step"))
		return __real_sqlite3_step(s);
	return fault == ENOSPC ? SQLITE_FULL : SQLITE_IOERR;
}

/* ---- the operations ------------------------------------------------------------------------- */

#define KEPT 3 /* objects that were acknowledged before */

struct world {
	struct scratch s;
	struct vault *v;
	struct token *t;
};

static struct object *
open_kept(struct world *w, const char *label)
{
	CK_OBJECT_HANDLE h = 0;
	struct object *o = NULL;

	CHECK(find_label(w->t, label, false, &h) == 1);
	CHECK_RV(CKR_OK, token_object(w->t, h, false, &o));
	return o;
}

static void
world_open(struct world *w)
{
	w->v = scratch_vault(&w->s, "state");
	CHECK_RV(CKR_OK, token_get(w->v, 0, &w->t));
}

static void
world_close(struct world *w)
{
	token_put(w->t);
	vault_close(w->v);
}

/* New objects of one commit are "new"; a changed one is "changed". */
static CK_RV
commit(struct world *w, struct object **puts, size_t n_puts, struct object **deletes, size_t n_deletes)
{
	CK_RV rv;

	armed = true;
	rv = token_commit(w->t, puts, n_puts, deletes, n_deletes);
	armed = false;
	return rv;
}

static CK_RV
op_create(struct world *w)
{
	struct object *o = data_object("new", "value of new", false);
	CK_RV rv = commit(w, &o, 1, NULL, 0);

	object_put(o);
	return rv;
}

static CK_RV
op_pair(struct world *w)
{
	struct object *o[2] = {data_object("new", "one", false), data_object("new", "two", false)};
	CK_RV rv = commit(w, o, 2, NULL, 0);

	object_put(o[0]);
	object_put(o[1]);
	return rv;
}

static CK_RV
op_change(struct world *w)
{
	struct object *o = open_kept(w, "kept-0"), *next = next_version(o, "changed");
	CK_RV rv = commit(w, &next, 1, NULL, 0);

	object_put(o);
	object_put(next);
	return rv;
}

static CK_RV
op_destroy(struct world *w)
{
	struct object *o = open_kept(w, "kept-0");
	CK_RV rv = commit(w, NULL, 0, &o, 1);

	object_put(o);
	return rv;
}

struct op {
	const char *name;
	CK_RV (*run)(struct world *w);
	size_t added;      /* objects named "new" when it was done */
	bool takes_kept_0; /* changes or destroys it */
	bool changed;
	bool compacts;
};

static const struct op ops[] = {
	{"create", op_create, 1, false, false, false},
	{"pair", op_pair, 2, false, false, false},
	{"change", op_change, 0, true, true, false},
	{"destroy", op_destroy, 0, true, false, false},
	{"compact", op_create, 1, false, false, true},
};

/* ---- what must hold ------------------------------------------------------------------------- */

static unsigned cases, reported, done_without;

static void
complain(const struct op *op, long n, const char *what)
{
	fprintf(stderr, "  %s, call %ld (%s), errno %d: %s [%s]\n", op->name, n, hit, fault, what, why_text());
}

/* Is the operation there as a whole, or not at all? extra: objects committed later. */
static void
compare(struct world *w, const struct op *op, CK_RV rv, long n, const char *when)
{
	unsigned failed = unit_failed;
	size_t added = find_label(w->t, "new", false, NULL), zero = find_label(w->t, "kept-0", false, NULL),
	       changed = find_label(w->t, "changed", false, NULL), all = find_label(w->t, NULL, false, NULL);
	bool done = op->takes_kept_0 ? zero == 0 : added == op->added;
	struct token_info info;

	CHECK_RV(CKR_OK, token_info(w->t, &info));
	CHECK(info.state == TOKEN_OK);
	CHECK(rv != CKR_OK || done);
	CHECK(added == (done ? op->added : 0));
	CHECK(changed == (done && op->changed ? 1 : 0));
	CHECK(find_label(w->t, "kept-1", false, NULL) == 1);
	CHECK(find_label(w->t, "kept-2", false, NULL) == 1);
	CHECK(all == 2 + added + zero + changed);
	CHECK(info.public_objects == all);
	if (unit_failed != failed)
		complain(op, n, when);
}

static void
check_all(struct world *w, const struct op *op, long n)
{
	static struct checked c;

	scratch_check(&w->s, "state", &c);
	CHECK_RV(CKR_OK, c.rv);
	CHECK(c.report.problems == 0);
	if (c.report.problems != 0)
		complain(op, n, c.text);
	scratch_check(&w->s, NULL, &c);
	CHECK(c.report.problems == 0);
}

/* One more commit on the vault that saw the fault: refused, or kept. */
static bool
commit_after(struct world *w)
{
	struct object *o = data_object("after", "later", false);
	CK_RV rv = token_commit(w->t, &o, 1, NULL, 0);

	if (rv == CKR_OK) {
		CHECK(find_label(w->t, "after", false, NULL) == 1);
		CHECK_RV(CKR_OK, token_commit(w->t, NULL, 0, &o, 1));
	}
	object_put(o);
	return rv == CKR_OK;
}

/* The n-th call of the operation fails; false when it has fewer calls. */
static bool
run_case(struct world *w, const struct op *op, long n, int with, bool go_on)
{
	CK_RV rv;

	shell("rm -rf %s/vault %s/state; cp -a %s/%s-vault %s/vault; cp -a %s/%s-state %s/state", w->s.base, w->s.base,
		w->s.base, op->compacts ? "long" : "short", w->s.base, w->s.base, op->compacts ? "long" : "short",
		w->s.base);
	world_open(w);
	hit = NULL;
	fault = with;
	countdown = n;
	sticky = n % 4 >= 2;
	rv = op->run(w);
	if (hit == NULL) {
		CHECK_RV(CKR_OK, rv);
		if (rv != CKR_OK)
			complain(op, n, why_text());
		world_close(w);
		return false;
	}
	cases++;
	*(rv == CKR_OK ? &done_without : &reported) += 1;
	CHECK(rv == CKR_OK || why_text()[0] != '\0');
	if (go_on) {
		/* The running vault recovers when it looks at its files the next time. */
		commit_after(w);
		vault_tick(w->v);
		compare(w, op, rv, n, "after a tick");
		CHECK(commit_after(w));
	}
	world_close(w);
	world_open(w);
	compare(w, op, rv, n, "after opening again");
	CHECK(commit_after(w));
	world_close(w);
	check_all(w, op, n);
	w->s.state[0] = '\0';
	shell("rm -rf %s/fresh", w->s.base);
	w->v = scratch_vault(&w->s, "fresh");
	CHECK_RV(CKR_OK, token_get(w->v, 0, &w->t));
	compare(w, op, rv, n, "on another machine");
	world_close(w);
	return true;
}

/* ---- PINs and initialisation, which cost a key derivation each: every third call ------------- */

#define NEW_PIN "another-5678"

static CK_RV
verify(struct world *w, CK_USER_TYPE user, const char *pin)
{
	return token_verify(w->t, user, (const uint8_t *)pin, strlen(pin));
}

static void
start_case(struct world *w, long n)
{
	shell("rm -rf %s/vault %s/state; cp -a %s/short-vault %s/vault; cp -a %s/short-state %s/state", w->s.base,
		w->s.base, w->s.base, w->s.base, w->s.base, w->s.base);
	world_open(w);
	hit = NULL;
	fault = EIO;
	countdown = n;
	sticky = false;
	armed = true;
}

static bool
end_case(struct world *w, CK_RV rv)
{
	armed = false;
	if (hit == NULL) {
		CHECK_RV(CKR_OK, rv);
		world_close(w);
		return false;
	}
	cases++;
	*(rv == CKR_OK ? &done_without : &reported) += 1;
	world_close(w);
	return true;
}

/* The user has one PIN that works: the new one if the change was acknowledged. */
static bool
change_pin(struct world *w, long n)
{
	bool new_works;
	CK_RV rv;

	start_case(w, n);
	rv = token_set_pin(w->t, CKU_USER, (const uint8_t *)USER_PIN, strlen(USER_PIN), (const uint8_t *)NEW_PIN,
		strlen(NEW_PIN));
	if (!end_case(w, rv))
		return false;
	world_open(w);
	new_works = verify(w, CKU_USER, NEW_PIN) == CKR_OK;
	CHECK(rv != CKR_OK || new_works);
	CHECK(new_works || verify(w, CKU_USER, USER_PIN) == CKR_OK);
	CHECK(find_label(w->t, "kept-0", false, NULL) == 1);
	CHECK(commit_after(w));
	world_close(w);
	return true;
}

/* The old token with its objects, or the new one with none. */
static bool
initialise(struct world *w, long n)
{
	unsigned failed = unit_failed;
	uint8_t label[LABEL_LEN];
	struct token_info info;
	CK_RV rv;

	memset(label, ' ', sizeof(label));
	start_case(w, n);
	rv = token_init(w->v, 0, (const uint8_t *)SO_PIN, strlen(SO_PIN), label);
	if (!end_case(w, rv))
		return false;
	world_open(w);
	CHECK_RV(CKR_OK, token_info(w->t, &info));
	CHECK(info.state == TOKEN_OK);
	CHECK_RV(CKR_OK, verify(w, CKU_SO, SO_PIN));
	CHECK(rv != CKR_OK || !info.user_pin_set);
	CHECK(info.public_objects == (info.user_pin_set ? KEPT : 0));
	CHECK(find_label(w->t, NULL, false, NULL) == info.public_objects);
	CHECK(commit_after(w));
	world_close(w);
	shell("cd %s/vault && test -z \"$(find . -name '.new-*' -o -name '.old-*')\"", w->s.base);
	if (unit_failed != failed)
		fprintf(stderr, "  init, call %ld (%s): 0x%lx %s\n", n, hit, rv, info.reason);
	return true;
}

/* The vaults that every case begins with: a short log, and one that the next commit compacts. */
static void
prepare(struct world *w)
{
	char label[16];

	w->v = scratch_vault(&w->s, "state");
	w->t = scratch_token(w->v, 0);
	for (int i = 0; i < KEPT; i++) {
		struct object *o;

		snprintf(label, sizeof(label), "kept-%d", i);
		o = data_object(label, label, false);
		CHECK_RV(CKR_OK, token_commit(w->t, &o, 1, NULL, 0));
		object_put(o);
	}
	world_close(w);
	shell("cd %s; cp -a vault short-vault; cp -a state short-state", w->s.base);
	world_open(w);
	for (;;) {
		char path[256];
		struct stat st;
		struct object *o = data_object("passing", "x", false);

		CHECK_RV(CKR_OK, token_commit(w->t, &o, 1, NULL, 0));
		CHECK_RV(CKR_OK, token_commit(w->t, NULL, 0, &o, 1));
		object_put(o);
		the_file(path, sizeof(path), "%s/*/1-log/*", w->s.vault);
		CHECK(stat(path, &st) == 0);
		/* three live objects: 4 * (128 + 32 + 3 * 64) + 64 KiB behind the snapshot's 192 bytes */
		if (st.st_size > 192 + 4 * (160 + 3 * 64) + 65536 - 128)
			break;
	}
	world_close(w);
	shell("cd %s; ls vault/*/1-log | wc -l | grep -qx 1; cp -a vault long-vault; cp -a state long-state", w->s.base);
}

int
main(void)
{
	static const int errors[] = {ENOSPC, EIO};
	static struct world w;

	scratch_open(&w.s);
	w.s.grace = 0;
	prepare(&w);
	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
		for (size_t e = 0; e < 2; e++)
			for (long n = 1; run_case(&w, &ops[i], n, errors[e], n % 2 == 0); n++)
				if (n > 500) {
					CHECK(!"the operation has an end");
					break;
				}
	for (long n = 1; n < 500 && change_pin(&w, n); n += 3)
		;
	for (long n = 1; n < 500 && initialise(&w, n); n += 3)
		;
	printf("%u faults: %u reported, %u done without\n", cases, reported, done_without);
	CHECK(cases > 100);
	scratch_remove(&w.s);
	return unit_done("test_faults");
}
