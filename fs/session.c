#include "session.h"

#include <stdlib.h>

#include "login.h"
#include "session_object.h"

struct session *
session_ref(struct session *s)
{
	atomic_fetch_add(&s->refs, 1);
	return s;
}

void
session_op_end(struct session *s, enum op_kind kind)
{
	op_end(s->ops[kind]);
	s->ops[kind] = NULL;
	s->authenticated[kind] = false;
	if (kind == OP_DIGEST)
		s->digests_private = false;
	if (s->awaiting == (int)kind)
		s->awaiting = -1;
}

void
session_find_end(struct session *s)
{
	free(s->found);
	s->found = NULL;
	s->n_found = s->next_found = 0;
	s->finding = false;
}

static void
end_all(struct session *s)
{
	for (int k = 0; k < OP_KINDS; k++)
		session_op_end(s, k);
	session_find_end(s);
}

/* Fewer bytes always fit. */
static bool
hold(struct session *s, size_t bytes)
{
	struct app *a = s->app;
	size_t all;
	bool fits;

	if (bytes == s->held)
		return true;
	all = atomic_fetch_add(&a->daemon->held_bytes, bytes - s->held) + bytes - s->held;
	pthread_mutex_lock(&a->lock);
	a->held_bytes += bytes - s->held;
	fits = bytes < s->held || (a->held_bytes <= SESSIONS_HELD && all <= SESSIONS_ALL_HELD);
	pthread_mutex_unlock(&a->lock);
	s->held = bytes;
	return fits;
}

bool
session_weigh(struct session *s)
{
	size_t bytes = s->n_found * sizeof(*s->found);

	for (int k = 0; k < OP_KINDS; k++)
		bytes += op_held(s->ops[k]);
	if (hold(s, bytes))
		return true;
	end_all(s);
	hold(s, 0);
	return false;
}

void
session_put(struct session *s)
{
	if (!s || atomic_fetch_sub(&s->refs, 1) != 1)
		return;
	end_all(s);
	hold(s, 0);
	token_put(s->token);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

struct actor
session_actor(struct session *s)
{
	return (struct actor){
		.user = app_user(s->app, s->token), .rw = s->rw, .compat = token_compat(s->token)};
}

/* ---- entering and leaving ---- */

/* With s->lock held: what a logout asks for, PKCS#11 3.1 5.6.9. */
static void
settle(struct session *s)
{
	unsigned seen = atomic_load(&s->logouts);

	if (seen == atomic_load(&s->swept))
		return;
	for (int k = 0; k < OP_KINDS; k++) {
		struct object *key = s->ops[k] ? op_key(s->ops[k]) : NULL;

		if ((key && key->private) || (k == OP_DIGEST && s->digests_private))
			session_op_end(s, k);
	}
	session_weigh(s);
	atomic_store(&s->swept, seen);
}

/* A logout that fails to lock the session relies on the holder: so after the unlock look again. */
static void
settle_and_unlock(struct session *s)
{
	do {
		settle(s);
		pthread_mutex_unlock(&s->lock);
	} while (atomic_load(&s->logouts) != atomic_load(&s->swept) &&
		 pthread_mutex_trylock(&s->lock) == 0);
}

void
session_sweep(struct session *s)
{
	if (pthread_mutex_trylock(&s->lock) == 0)
		settle_and_unlock(s);
}

/* How long a call waits for another one on its session before it is put aside: longer than most calls, and
 * not so long that it matters to others which thread waits. */
#define ENTER_WAIT 5000000 /* ns */

/* False: somebody else has it still. */
static bool
lock_soon(pthread_mutex_t *lock)
{
	struct timespec until;

	if (pthread_mutex_trylock(lock) == 0)
		return true;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += ENTER_WAIT;
	if (until.tv_nsec >= 1000000000) {
		until.tv_nsec -= 1000000000;
		until.tv_sec++;
	}
	return pthread_mutex_clocklock(lock, CLOCK_MONOTONIC, &until) == 0;
}

CK_RV
session_enter(struct app *a, CK_SESSION_HANDLE handle, bool *busy, struct session **out)
{
	struct app_login *l;
	struct session *s;
	bool lost = false;

	*out = NULL;
	pthread_mutex_lock(&a->lock);
	s = handles_get(&a->sessions, handle);
	if (s) {
		session_ref(s);
		l = app_login_find(a, s->token);
		lost = l && !token_held(s->token, l->hold);
	}
	pthread_mutex_unlock(&a->lock);
	if (!s)
		return CKR_SESSION_HANDLE_INVALID;
	if (lost)
		login_end_lost(a, s->token);
	if (!busy) {
		pthread_mutex_lock(&s->lock);
	} else if (!lock_soon(&s->lock)) {
		*busy = true;
		session_put(s);
		return CKR_OPERATION_ACTIVE;
	}
	/* Before `closed` is looked at and before it is asked who is logged in: what ends either stops the call. */
	atomic_store(&s->cancel.on, false);
	if (atomic_load(&a->cancel.on))
		atomic_store(&s->cancel.on, true);
	if (atomic_load(&s->closed)) {
		pthread_mutex_unlock(&s->lock);
		session_put(s);
		return CKR_SESSION_HANDLE_INVALID;
	}
	settle(s);
	*out = s;
	return CKR_OK;
}

void
session_leave(struct session *s)
{
	if (!s)
		return;
	settle_and_unlock(s);
	session_put(s);
}

/* ---- opening ---- */

size_t
session_limit(const struct daemon *d)
{
	return (d->conf->max_sessions + 1) / 2;
}

/* With daemon and app locked: the session goes into the table, or not. */
static CK_RV
enlist(struct app *a, struct session *s)
{
	struct daemon *d = a->daemon;
	struct app_login *l = app_login_find(a, s->token);

	if (a->closed)
		return CKR_CRYPTOKI_NOT_INITIALIZED;
	if (d->initialising == s->slot)
		return CKR_TOKEN_NOT_RECOGNIZED;
	if (!s->rw && l && l->user == CKU_SO)
		return CKR_SESSION_READ_WRITE_SO_EXISTS;
	if (d->sessions >= d->conf->max_sessions || a->sessions.n >= session_limit(d))
		return CKR_SESSION_COUNT;
	s->handle = handles_add(&a->sessions, s);
	if (!s->handle)
		return CKR_HOST_MEMORY;
	d->sessions++;
	return CKR_OK;
}

static CK_RV
new_session(struct app *a, CK_SLOT_ID slot, bool rw, struct session **out)
{
	struct session *s = calloc(1, sizeof(*s));
	CK_RV rv;

	*out = NULL;
	if (!s)
		return CKR_HOST_MEMORY;
	rv = token_get(a->daemon->vault, slot, &s->token);
	if (rv != CKR_OK) {
		free(s);
		return rv;
	}
	atomic_init(&s->refs, 1);
	pthread_mutex_init(&s->lock, NULL);
	s->app = a;
	s->slot = slot;
	s->rw = rw;
	s->awaiting = -1;
	*out = s;
	return CKR_OK;
}

/* What the token's state means for a session. */
static CK_RV
heed_token(struct session *s)
{
	struct token_info info = {0};
	CK_RV rv = token_info(s->token, &info);

	if (rv == CKR_OK && s->rw && info.read_only)
		rv = CKR_TOKEN_WRITE_PROTECTED;
	return rv;
}

CK_RV
session_open(struct app *a, CK_SLOT_ID slot, bool rw, CK_SESSION_HANDLE *handle)
{
	struct daemon *d = a->daemon;
	struct session *s = NULL;
	uint64_t generation;
	bool again;
	CK_RV rv;

	do { /* until no token came or went between taking ours and entering the table */
		session_put(s);
		generation = vault_generation(d->vault);
		rv = new_session(a, slot, rw, &s);
		if (rv == CKR_OK)
			rv = heed_token(s);
		if (rv != CKR_OK)
			goto out;
		pthread_mutex_lock(&d->lock);
		pthread_mutex_lock(&a->lock);
		again = vault_generation(d->vault) != generation;
		if (!again)
			rv = enlist(a, s);
		if (!again && rv == CKR_OK)
			*handle = s->handle;
		pthread_mutex_unlock(&a->lock);
		pthread_mutex_unlock(&d->lock);
	} while (again);
	if (rv == CKR_OK)
		s = NULL; /* transferred to the table */
out:
	session_put(s);
	return rv;
}

/* ---- closing ---- */

static void
uncount(struct daemon *d)
{
	pthread_mutex_lock(&d->lock);
	d->sessions--;
	pthread_mutex_unlock(&d->lock);
}

void
session_count_locked(const struct app *a, CK_SLOT_ID slot, size_t *all, size_t *rw)
{
	struct session *s;
	size_t at = 0;

	*all = *rw = 0;
	while ((s = handles_next(&a->sessions, &at))) {
		if (s->slot == slot) {
			*all += 1;
			*rw += s->rw;
		}
	}
}

void
session_count(struct app *a, CK_SLOT_ID slot, size_t *all, size_t *rw)
{
	pthread_mutex_lock(&a->lock);
	session_count_locked(a, slot, all, rw);
	pthread_mutex_unlock(&a->lock);
}

/* With app->lock held. */
static bool
last_on_token(const struct app *a, const struct token *t)
{
	struct session *s;
	size_t at = 0;

	while ((s = handles_next(&a->sessions, &at))) {
		if (s->token == t)
			return false;
	}
	return true;
}

CK_RV
session_close(struct app *a, CK_SESSION_HANDLE handle)
{
	struct session_object *gone = NULL;
	struct app_login *login = NULL;
	struct session *s;

	pthread_mutex_lock(&a->lock);
	s = handles_remove(&a->sessions, handle);
	if (s) {
		struct session_object_sweep which = {.session = s, .token = s->token};

		atomic_store(&s->closed, true);
		atomic_store(&s->cancel.on, true);
		gone = session_object_take(a, &which);
		if (last_on_token(a, s->token))
			login = login_take(a, s->token);
	}
	pthread_mutex_unlock(&a->lock);
	if (!s)
		return CKR_SESSION_HANDLE_INVALID;
	uncount(a->daemon);
	session_object_release(gone);
	session_put(s);
	login_release(a, login);
	return CKR_OK;
}

void
session_close_all(struct app *a, CK_SLOT_ID slot)
{
	CK_SESSION_HANDLE h;

	do {
		struct session *s;
		size_t at = 0;

		h = 0;
		pthread_mutex_lock(&a->lock);
		while ((s = handles_next(&a->sessions, &at))) {
			if (s->slot == slot) {
				h = s->handle;
				break;
			}
		}
		pthread_mutex_unlock(&a->lock);
		if (h)
			session_close(a, h);
	} while (h);
}
