/*
 * Many threads on one token: four create, change, destroy, find and read, one logs in and out, one makes the
 * vault look at its files again. Afterwards the vault, opened again, holds exactly what was acknowledged.
 */
#include "vault_help.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/time.h>
#include <time.h>

#define WORKERS 4
#define OWN 24 /* objects that a worker keeps at most */

static struct scratch s;
static struct vault *vault;
static struct token *token;
static atomic_bool done;
static atomic_uint failures, commits, refusals, reads, logins, reloads;

struct item {
	struct object *o; /* NULL: none */
	char label[32];
};

struct worker {
	pthread_t thread;
	unsigned n, seed, serial;
	struct item own[OWN];
};

static void
complain(const char *what, CK_RV rv)
{
	if (atomic_fetch_add(&failures, 1) < 20)
		fprintf(stderr, "%s: 0x%lx %s\n", what, rv, why_text());
}

/* What a commit may answer: the key may have gone, or the token is being read again. */
static bool
committed(CK_RV rv, bool private, const char *what)
{
	if (rv == CKR_OK) {
		atomic_fetch_add(&commits, 1);
		return true;
	}
	if ((private && rv == CKR_USER_NOT_LOGGED_IN) ||
		(rv == CKR_DEVICE_ERROR && strstr(why_text(), "another log") != NULL))
		atomic_fetch_add(&refusals, 1);
	else
		complain(what, rv);
	return false;
}

static void
create(struct worker *w, struct item *i)
{
	char label[32];
	struct object *o;
	bool private = rand_r(&w->seed) % 3 == 0;

	snprintf(label, sizeof(label), "w%u-%u", w->n, w->serial++);
	o = data_object(label, label, private);
	if (committed(token_commit(token, &o, 1, NULL, 0), private, "create")) {
		i->o = o;
		snprintf(i->label, sizeof(i->label), "%s", label);
	} else {
		object_put(o);
	}
}

static void
change(struct worker *w, struct item *i)
{
	char label[32];
	struct object *next;

	snprintf(label, sizeof(label), "w%u-%u", w->n, w->serial++);
	next = next_version(i->o, label);
	if (committed(token_commit(token, &next, 1, NULL, 0), i->o->private, "change")) {
		object_put(i->o);
		i->o = next;
		snprintf(i->label, sizeof(i->label), "%s", label);
	} else {
		object_put(next);
	}
}

static void
destroy(struct item *i)
{
	if (committed(token_commit(token, NULL, 0, &i->o, 1), i->o->private, "destroy")) {
		object_put(i->o);
		i->o = NULL;
	}
}

static void
look(struct item *i)
{
	struct object *o = NULL;
	CK_RV rv = token_object(token, i->o->handle, true, &o);

	atomic_fetch_add(&reads, 1);
	if (rv == CKR_OK && (o->version != i->o->version || !attr_is(&o->attrs, CKA_LABEL, i->label)))
		complain("another version was read", rv);
	else if (rv != CKR_OK && !(rv == CKR_OBJECT_HANDLE_INVALID && i->o->private))
		complain("read", rv);
	object_put(o);
}

static void
find(struct item *i)
{
	struct attrs templ = {0};
	CK_OBJECT_HANDLE *h = NULL;
	size_t n = 0;
	CK_RV rv;

	attrs_set(&templ, CKA_LABEL, i->label, strlen(i->label));
	rv = token_find(token, &templ, true, &h, &n);
	if (rv != CKR_OK && !(rv == CKR_USER_NOT_LOGGED_IN))
		complain("find", rv);
	else if (rv == CKR_OK && n != 1 && !(n == 0 && i->o->private))
		complain("found not once", (CK_RV)n);
	else if (rv == CKR_OK && n == 1 && h[0] != i->o->handle)
		complain("found another", h[0]);
	if (rv == CKR_OK)
		free(h);
	attrs_free(&templ);
}

static void *
work(void *arg)
{
	struct worker *w = arg;

	while (!atomic_load(&done)) {
		struct item *i = &w->own[rand_r(&w->seed) % OWN];
		unsigned what = rand_r(&w->seed) % 8;

		if (i->o == NULL)
			create(w, i);
		else if (what == 0)
			destroy(i);
		else if (what < 3)
			change(w, i);
		else if (what < 6)
			look(i);
		else
			find(i);
	}
	return NULL;
}

static void *
log_in_and_out(void *arg)
{
	const struct timespec pause = {0, 20000000};

	(void)arg;
	while (!atomic_load(&done)) {
		CK_RV rv = scratch_login(token);

		if (rv != CKR_OK) {
			complain("login", rv);
			continue;
		}
		atomic_fetch_add(&logins, 1);
		nanosleep(&pause, NULL);
		token_logout(token, hold);
	}
	return NULL;
}

/* The header's time changes, as if it had been put in its place anew: the token is read again. */
static void *
look_again(void *arg)
{
	const struct timespec pause = {0, 15000000};
	struct token_info info;
	char head[256];

	(void)arg;
	snprintf(head, sizeof(head), "%s/%s/0-head", s.vault, token_serial(token));
	while (!atomic_load(&done)) {
		if (utimensat(AT_FDCWD, head, NULL, 0) != 0)
			complain("utimensat", 0);
		if (atomic_fetch_add(&reloads, 1) % 2 == 0)
			vault_tick(vault);
		else if (vault_reload(vault) != CKR_OK)
			complain("reload", 0);
		if (token_info(token, &info) != CKR_OK || info.state != TOKEN_OK)
			complain(info.reason, 0);
		nanosleep(&pause, NULL);
	}
	return NULL;
}

/* The vault holds what the workers were told, and nothing else. */
static void
compare(struct worker *w, const char *state)
{
	size_t expected = 0, found = 0;
	struct token_info info;
	struct vault *v = scratch_vault(&s, state);
	struct token *t = NULL;

	CHECK_RV(CKR_OK, token_get(v, 0, &t));
	CHECK_RV(CKR_OK, scratch_login(t));
	for (unsigned n = 0; n < WORKERS; n++) {
		for (unsigned i = 0; i < OWN; i++) {
			CK_OBJECT_HANDLE h = 0;
			struct object *o = NULL;

			if (w[n].own[i].o == NULL)
				continue;
			expected++;
			CHECK(find_label(t, w[n].own[i].label, true, &h) == 1);
			CHECK_RV(CKR_OK, token_object(t, h, true, &o));
			CHECK(o != NULL && memcmp(o->uuid, w[n].own[i].o->uuid, UUID_LEN) == 0 &&
				o->version == w[n].own[i].o->version);
			object_put(o);
		}
	}
	found = find_label(t, NULL, true, NULL);
	CHECK(found == expected);
	CHECK_RV(CKR_OK, token_info(t, &info));
	CHECK(info.public_objects + info.private_objects == expected && info.state == TOKEN_OK);
	token_logout(t, hold);
	token_put(t);
	vault_close(v);
}

int
main(void)
{
	static struct worker w[WORKERS];
	static struct checked c;
	const char *seconds = getenv("TEST_SECONDS");
	pthread_t other[2];

	scratch_open(&s);
	s.grace = 0;
	vault = scratch_vault(&s, "state");
	token = scratch_token(vault, 0);
	for (unsigned n = 0; n < WORKERS; n++) {
		w[n].n = n;
		w[n].seed = n + 1;
		CHECK(pthread_create(&w[n].thread, NULL, work, &w[n]) == 0);
	}
	CHECK(pthread_create(&other[0], NULL, log_in_and_out, NULL) == 0);
	CHECK(pthread_create(&other[1], NULL, look_again, NULL) == 0);
	sleep(seconds != NULL ? (unsigned)atoi(seconds) : 5);
	atomic_store(&done, true);
	for (unsigned n = 0; n < WORKERS; n++)
		pthread_join(w[n].thread, NULL);
	pthread_join(other[0], NULL);
	pthread_join(other[1], NULL);
	token_put(token);
	vault_close(vault);
	printf("%u commits, %u refused, %u reads, %u logins, %u reloads\n", commits, refusals, reads, logins, reloads);
	CHECK(failures == 0);
	CHECK(commits > 20 && logins >= 2 && reloads >= 2);
	compare(w, "state");
	compare(w, "fresh");
	scratch_check(&s, "state", &c);
	CHECK_RV(CKR_OK, c.rv);
	CHECK(c.report.problems == 0);
	for (unsigned n = 0; n < WORKERS; n++)
		for (unsigned i = 0; i < OWN; i++)
			object_put(w[n].own[i].o);
	scratch_remove(&s);
	return unit_done("test_concurrency");
}
