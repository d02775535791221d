/*
 * session_object.h - the session objects of an application
 *
 * They belong to the session that made them and vanish with it, are seen by all sessions of the application
 * on the same slot, and never touch the disk.
 *
 * Ownership:  the table holds a reference on each object; get gives another.
 * Locking:    app->lock, taken inside.
 */
#ifndef TOKENFS_SESSION_OBJECT_H
#define TOKENFS_SESSION_OBJECT_H

#include "session.h"

/* Takes the object in and gives it its handle. CKR_SESSION_HANDLE_INVALID if the session was closed
 * meanwhile, CKR_USER_NOT_LOGGED_IN for a private object after a logout. Keeps a reference of its own. */
CK_RV session_object_add(struct session *s, struct object *o);
/* CKR_OBJECT_HANDLE_INVALID. */
CK_RV session_object_get(struct app *a, CK_SLOT_ID slot, CK_OBJECT_HANDLE h, struct object **o);
/* Puts `changed` where `old` is: false if something else is there by now. */
bool session_object_replace(struct app *a, struct object *old, struct object *changed);
/* CKR_OBJECT_HANDLE_INVALID if another thread was faster. */
CK_RV session_object_remove(struct app *a, CK_OBJECT_HANDLE h);
/* Appends the handles that match to a malloc'd array, ascending. */
CK_RV session_object_find(struct app *a, CK_SLOT_ID slot, const struct attrs *templ,
	CK_OBJECT_HANDLE **handles, size_t *n);

/* Which objects go: those of a session (NULL: of any), on a slot, all or the private ones. */
struct session_object_sweep {
	const struct session *session;
	CK_SLOT_ID slot;
	bool private_only;
};
/* Takes them out of the table; the list is given to session_object_release without the lock. */
struct session_object;
struct session_object *session_object_take(struct app *a, const struct session_object_sweep *which);
void session_object_release(struct session_object *list);

#endif
