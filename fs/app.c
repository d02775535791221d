#include "app.h"

#include <stdlib.h>

#include "audit.h"
#include "login.h"
#include "session_object.h"

/* At most so many (key, use) pairs are remembered; past that the uses are noted again. */
#define MAX_USES 4096

CK_RV
app_open(struct app **out, struct daemon *d, uid_t uid, pid_t pid)
{
	struct app *a = calloc(1, sizeof(*a));

	*out = NULL;
	if (!a)
		return CKR_HOST_MEMORY;
	atomic_init(&a->refs, 1);
	pthread_mutex_init(&a->lock, NULL);
	a->daemon = d;
	a->uid = uid;
	a->pid = pid;
	audit_exe(pid, a->exe, sizeof(a->exe));
	handles_init(&a->sessions, 0, SESSION_HANDLES);
	handles_init(&a->objects, HANDLE_SESSION, HANDLE_SESSION - 1);
	pthread_mutex_lock(&d->lock);
	a->id = ++d->next_app;
	a->next = d->apps;
	d->apps = a;
	pthread_mutex_unlock(&d->lock);
	*out = a;
	return CKR_OK;
}

struct app *
app_ref(struct app *a)
{
	atomic_fetch_add(&a->refs, 1);
	return a;
}

void
app_put(struct app *a)
{
	if (!a || atomic_fetch_sub(&a->refs, 1) != 1)
		return;
	handles_free(&a->sessions);
	handles_free(&a->objects);
	free(a->uses);
	free(a->seen_slots);
	pthread_mutex_destroy(&a->lock);
	free(a);
}

/* True for the first caller: it has the ending to do. */
static bool
begin_end(struct app *a)
{
	bool first;

	pthread_mutex_lock(&a->lock);
	first = !a->closed;
	a->closed = true;
	pthread_mutex_unlock(&a->lock);
	app_cancel(a);
	return first;
}

void
app_cancel(struct app *a)
{
	struct session *s;
	size_t at = 0;

	atomic_store(&a->cancel.on, true);
	pthread_mutex_lock(&a->lock);
	while ((s = handles_next(&a->sessions, &at)))
		atomic_store(&s->cancel.on, true);
	pthread_mutex_unlock(&a->lock);
}

static void
unlist(struct app *a)
{
	struct daemon *d = a->daemon;

	pthread_mutex_lock(&d->lock);
	for (struct app **p = &d->apps; *p; p = &(*p)->next) {
		if (*p == a) {
			*p = a->next;
			break;
		}
	}
	pthread_mutex_unlock(&d->lock);
}

void
app_end(struct app *a)
{
	struct app_login *l;
	CK_SLOT_ID slot;
	bool more;

	if (!begin_end(a))
		return;
	do { /* no session opens any more */
		struct session *s;
		size_t at = 0;

		pthread_mutex_lock(&a->lock);
		s = handles_next(&a->sessions, &at);
		more = s != NULL;
		slot = more ? s->slot : 0;
		pthread_mutex_unlock(&a->lock);
		if (more)
			session_close_all(a, slot);
	} while (more);
	pthread_mutex_lock(&a->lock);
	l = a->logins;
	a->logins = NULL;
	pthread_mutex_unlock(&a->lock);
	while (l) {
		struct app_login *next = l->next;

		login_release(a, l);
		l = next;
	}
	unlist(a);
}

void
app_close(struct app *a)
{
	if (!a)
		return;
	app_end(a);
	app_put(a);
}

struct app_login *
app_login_find(const struct app *a, const struct token *t)
{
	struct app_login *l = a->logins;

	while (l && l->token != t)
		l = l->next;
	return l;
}

CK_USER_TYPE
app_user_locked(const struct app *a, struct token *t)
{
	const struct app_login *l = app_login_find(a, t);

	return l && token_held(t, l->hold) ? l->user : NOBODY;
}

CK_USER_TYPE
app_user(struct app *a, struct token *t)
{
	CK_USER_TYPE user;

	pthread_mutex_lock(&a->lock);
	user = app_user_locked(a, t);
	pthread_mutex_unlock(&a->lock);
	return user;
}

bool
app_has_slot_event(struct app *a)
{
	bool event;

	pthread_mutex_lock(&a->lock);
	event = a->seen_generation != vault_generation(a->daemon->vault);
	pthread_mutex_unlock(&a->lock);
	return event;
}

struct audit_who
app_who(const struct app *a)
{
	return (struct audit_who){a->uid, a->pid, a->exe};
}

void
app_audit(struct app *a, struct token *t, const char *what, const struct object *o, CK_RV rv)
{
	const struct audit_who who = app_who(a);

	audit_note(a->daemon, &who, t, what, o, rv);
}

/* A set of 64-bit numbers, kept in the same way as handles are: linear probing, half full at most. */
struct app_uses {
	size_t n;
	uint64_t v[2 * MAX_USES];
};

/* With a->lock held. True if the pair was not there. */
static bool
remember_use(struct app *a, uint64_t use)
{
	size_t i = (size_t)(use * 0x9E3779B97F4A7C15u >> 40) % (2 * MAX_USES);

	if (!a->uses)
		a->uses = calloc(1, sizeof(*a->uses));
	if (!a->uses)
		return true;
	for (; a->uses->v[i]; i = (i + 1) % (2 * MAX_USES)) {
		if (a->uses->v[i] == use)
			return false;
	}
	if (a->uses->n == MAX_USES) {
		*a->uses = (struct app_uses){0};
		return remember_use(a, use);
	}
	a->uses->v[i] = use;
	a->uses->n++;
	return true;
}

void
app_audit_use(
	struct app *a, struct token *t, const char *what, unsigned kind, const struct object *o, CK_RV rv)
{
	/* handle: 30 bits; the kind, and whether it was refused, above, so that no pair is 0; the slot's low bits */
	uint64_t use = (uint64_t)o->handle | (uint64_t)(kind + 1) << 32 | (uint64_t)(rv != CKR_OK) << 38 |
		       (uint64_t)token_slot(t) << 40;
	bool first;

	if (!o->token || (rv != CKR_OK && !audit_refusal(rv)))
		return;
	pthread_mutex_lock(&a->lock);
	first = remember_use(a, use);
	pthread_mutex_unlock(&a->lock);
	if (first)
		app_audit(a, t, what, o, rv);
}
