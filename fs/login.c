#include "login.h"

#include <stdlib.h>

#include "session_object.h"
#include "unlock.h"

/* With app->lock held: may this user log in now? PKCS#11 3.1 5.6.8 */
static CK_RV
permitted(struct session *s, CK_USER_TYPE user)
{
	struct app_login *l = app_login_find(s->app, s->token);
	size_t all, rw;

	if (atomic_load(&s->closed))
		return CKR_SESSION_HANDLE_INVALID;
	if (l)
		return l->user == user ? CKR_USER_ALREADY_LOGGED_IN
				       : CKR_USER_ANOTHER_ALREADY_LOGGED_IN;
	session_count_locked(s->app, s->slot, &all, &rw);
	if (user == CKU_SO && all > rw)
		return CKR_SESSION_READ_ONLY_EXISTS;
	return CKR_OK;
}

/* Takes a hold on the token's key. */
static CK_RV
authenticate(struct session *s, CK_USER_TYPE user, const uint8_t *pin, size_t len, uint64_t *hold)
{
	struct app *a = s->app;
	CK_RV rv;

	if (pin)
		return token_login(s->token, user, pin, len, hold);
	if (user != CKU_USER || !unlock_active(a->daemon, s->token, a->uid, hold))
		return CKR_ARGUMENTS_BAD;
	rv = token_hold(s->token, *hold);
	return rv == CKR_USER_NOT_LOGGED_IN ? CKR_ARGUMENTS_BAD : rv; /* locked meanwhile */
}

/* The login keeps a reference of its own on the session's token. */
static CK_RV
new_login(struct session *s, CK_USER_TYPE user, struct app_login **out)
{
	struct app_login *l = calloc(1, sizeof(*l));
	CK_RV rv = CKR_HOST_MEMORY;

	*out = NULL;
	if (!l)
		return rv;
	rv = token_get(s->app->daemon->vault, s->slot, &l->token);
	if (rv == CKR_OK && l->token != s->token) {
		token_put(l->token);
		rv = CKR_DEVICE_REMOVED; /* another token is in the slot by now */
	}
	if (rv != CKR_OK) {
		free(l);
		return rv;
	}
	l->user = user;
	*out = l;
	return CKR_OK;
}

static void
audit_login(struct session *s, CK_USER_TYPE user, CK_RV rv)
{
	const char *what = user == CKU_SO ? "login-so" : "login";

	if (rv != CKR_OK)
		what = user == CKU_SO ? "login-so-failed" : "login-failed";
	app_audit(s->app, s->token, what, NULL, rv);
}

CK_RV
login_user(struct session *s, CK_USER_TYPE user, const uint8_t *pin, size_t len)
{
	struct app *a = s->app;
	struct app_login *l = NULL;
	uint64_t hold = 0;
	CK_RV rv;

	if (user != CKU_USER && user != CKU_SO)
		return CKR_USER_TYPE_INVALID;
	pthread_mutex_lock(&a->lock);
	rv = permitted(s, user);
	pthread_mutex_unlock(&a->lock);
	if (rv != CKR_OK)
		return rv;
	rv = new_login(s, user, &l);
	if (rv != CKR_OK)
		return rv;
	rv = authenticate(s, user, pin, len, &hold);
	if (rv != CKR_ARGUMENTS_BAD)
		audit_login(s, user, rv);
	if (rv != CKR_OK)
		goto out;
	/* Sessions may have come and gone while the PIN was verified. */
	pthread_mutex_lock(&a->lock);
	rv = permitted(s, user);
	if (rv == CKR_OK) {
		l->hold = hold;
		l->next = a->logins;
		a->logins = l;
		l = NULL; /* transferred */
	}
	pthread_mutex_unlock(&a->lock);
	if (l)
		token_logout(s->token, hold);
out:
	if (l)
		token_put(l->token);
	free(l);
	return rv;
}

CK_RV
login_context(struct session *s, const uint8_t *pin, size_t len)
{
	struct app *a = s->app;
	uint64_t hold;
	CK_RV rv;

	if (s->awaiting < 0)
		return CKR_OPERATION_NOT_INITIALIZED;
	if (app_user(a, s->token) != CKU_USER)
		return CKR_USER_NOT_LOGGED_IN;
	if (pin)
		rv = token_verify(s->token, CKU_USER, pin, len);
	else
		rv = unlock_active(a->daemon, s->token, a->uid, &hold) ? CKR_OK : CKR_ARGUMENTS_BAD;
	if (rv != CKR_ARGUMENTS_BAD)
		app_audit(
			a, s->token, rv == CKR_OK ? "login-context" : "login-failed", NULL, rv);
	if (rv == CKR_OK) {
		s->authenticated[s->awaiting] = true;
		s->awaiting = -1;
	}
	if (rv == CKR_PIN_LOCKED) /* PKCS#11 3.1 4.9: that also logs the user out */
		login_end(a, s->token);
	return rv;
}

struct app_login *
login_take(struct app *a, struct token *t)
{
	struct app_login *l = app_login_find(a, t);
	struct session *s;
	size_t at = 0;

	if (!l)
		return NULL;
	for (struct app_login **p = &a->logins; *p; p = &(*p)->next) {
		if (*p == l) {
			*p = l->next;
			break;
		}
	}
	while ((s = handles_next(&a->sessions, &at))) {
		if (s->token == t) {
			atomic_fetch_add(&s->logouts, 1);
			atomic_store(&s->cancel.on, true);
		}
	}
	return l;
}

void
login_release(struct app *a, struct app_login *l)
{
	if (!l)
		return;
	token_logout(l->token, l->hold);
	app_audit(a, l->token, "logout", NULL, CKR_OK);
	token_put(l->token);
	free(l);
}

/* With app->lock held: references on the sessions of the token. Without memory they are left to sweep
 * themselves when they are next entered. */
static struct session **
sessions_of(struct app *a, const struct token *t, size_t *n)
{
	struct session **v, *s;
	size_t at = 0;

	*n = 0;
	v = calloc(a->sessions.n + 1, sizeof(struct session *));
	while (v && (s = handles_next(&a->sessions, &at))) {
		if (s->token == t)
			v[(*n)++] = session_ref(s);
	}
	return v;
}

/* CKR_USER_NOT_LOGGED_IN if there was no login, or only one whose key is gone; that ends all the same. */
static CK_RV
end(struct app *a, struct token *t, bool only_lost)
{
	struct session_object_sweep which = {.token = t, .private_only = true};
	struct session_object *gone = NULL;
	struct session **sessions = NULL;
	struct app_login *l;
	size_t n = 0;
	bool held;

	pthread_mutex_lock(&a->lock);
	l = app_login_find(a, t);
	held = l && token_held(t, l->hold);
	if (l && only_lost && held)
		l = NULL;
	if (l) {
		login_take(a, t);
		gone = session_object_take(a, &which);
		sessions = sessions_of(a, t, &n);
	}
	pthread_mutex_unlock(&a->lock);
	if (!l)
		return CKR_USER_NOT_LOGGED_IN;
	session_object_release(gone);
	for (size_t i = 0; i < n; i++) {
		session_sweep(sessions[i]);
		session_put(sessions[i]);
	}
	free(sessions);
	login_release(a, l);
	return held ? CKR_OK : CKR_USER_NOT_LOGGED_IN;
}

CK_RV
login_end(struct app *a, struct token *t)
{
	return end(a, t, false);
}

void
login_end_lost(struct app *a, struct token *t)
{
	end(a, t, true);
}
