/*
 * app.h - one application: an open connection with its login state, sessions and session objects
 *
 * Use:        app_open(&a, d, uid, pid); rpc_call(a, ...) from any thread; app_close(a)
 * Ownership:  reference counted, because a job may outlive the connection: app_close ends the
 *             sessions, logs out and drops the opener's reference; running calls finish on their own.
 *             Whoever calls rpc_call holds a reference.
 * Locking:    app->lock guards the tables and the login state; each session has its own lock, so
 *             that sessions of one application run in parallel.
 */
#ifndef TOKENFS_APP_H
#define TOKENFS_APP_H

#include <sys/types.h>

#include "audit.h"
#include "handles.h"

/* Login of an application on one token (PKCS#11 3.1 4.5: per application and token). It is of the token, not of
 * the slot, where another token may come to be; and of the key that the hold names: once that is gone, the
 * application counts as logged out. */
struct app_login {
	struct token *token; /* referenced and held */
	uint64_t hold;       /* see token_login */
	CK_USER_TYPE user;
	struct app_login *next;
};

struct app_uses;

struct app {
	atomic_uint refs;
	struct daemon *daemon;
	uint64_t id;
	uid_t uid;
	pid_t pid; /* of the opener; for the audit only, never for access */
	char exe[64];
	atomic_bool greeted; /* WIRE_HELLO was seen */
	pthread_mutex_t lock;
	bool closed;
	struct cancel cancel; /* of what belongs to no session; never taken back */
	struct app_login *logins;
	struct handles sessions; /* struct session */
	struct handles objects;  /* struct session_object */
	size_t object_bytes;     /* of them all */
	size_t held_bytes;       /* by the operations and searches of all sessions, see session_weigh */
	struct app_uses *uses;   /* what app_audit_use has seen */
	/* What C_WaitForSlotEvent has told, see slot_event in rpc_slot.c. */
	uint64_t seen_generation;
	struct slot_info *seen_slots;
	size_t n_seen_slots;
	struct app *next;
};

/* A new connection with one reference, not greeted yet; exe is looked up by pid. CKR_HOST_MEMORY. */
CK_RV app_open(struct app **a, struct daemon *d, uid_t uid, pid_t pid);
void app_close(struct app *a);
/* One more reference, and one given back; the last one frees what is left. app_put(NULL) does nothing. */
struct app *app_ref(struct app *a);
void app_put(struct app *a);
/* Stops what runs for it as soon as it can be stopped. */
void app_cancel(struct app *a);
/* Ends sessions, session objects and logins, as at app_close, and keeps the reference. */
void app_end(struct app *a);
/* CKU_USER, CKU_SO or NOBODY. */
CK_USER_TYPE app_user(struct app *a, struct token *t);
/* The same with app->lock held. */
CK_USER_TYPE app_user_locked(const struct app *a, struct token *t);
/* With app->lock held: the entry, also one whose key is gone, or NULL. */
struct app_login *app_login_find(const struct app *a, const struct token *t);
/* Have slots changed since C_WaitForSlotEvent told it last? */
bool app_has_slot_event(struct app *a);
/* Who it is in the audit; valid as long as the application. */
struct audit_who app_who(const struct app *a);
/* Audit event with this application as who. t and object may be NULL. */
void app_audit(struct app *a, struct token *t, const char *what, const struct object *o, CK_RV rv);
/* An audit event the first time this application uses the token key o in this way ("use-sign"), and the first
 * time that it is refused to it. */
void app_audit_use(
	struct app *a, struct token *t, const char *what, unsigned kind, const struct object *o, CK_RV rv);

#endif
