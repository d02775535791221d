/*
 * session_object.h - the session objects of an application
 *
 * They belong to the session that made them and vanish with it, are seen by all sessions of the application
 * on the same token, and never touch the disk.
 *
 * Limits:     an application has at most SESSION_OBJECTS_MAX of them and SESSION_OBJECTS_BYTES in them, all
 *             applications together SESSION_OBJECTS_ALL_BYTES.
 * Ownership:  the table holds a reference on each object; get gives another.
 * Locking:    app->lock, taken inside.
 */
#ifndef TOKENFS_SESSION_OBJECT_H
#define TOKENFS_SESSION_OBJECT_H

#include "session.h"

#define SESSION_OBJECTS_MAX 65536u
#define SESSION_OBJECTS_BYTES ((size_t)64 << 20)
#define SESSION_OBJECTS_ALL_BYTES ((size_t)512 << 20)

/* Takes the object in and gives it its handle. CKR_SESSION_HANDLE_INVALID if the session was closed
 * meanwhile, CKR_USER_NOT_LOGGED_IN for a private object after a logout, CKR_DEVICE_MEMORY past a
 * limit. Keeps a reference of its own. */
CK_RV session_object_add(struct session *s, struct object *o);
/* CKR_OBJECT_HANDLE_INVALID. */
CK_RV session_object_get(struct session *s, CK_OBJECT_HANDLE h, struct object **o);
/* Puts `changed` where `old` is. *done false: something else is there by now. CKR_DEVICE_MEMORY. */
CK_RV session_object_replace(struct app *a, struct object *old, struct object *changed, bool *done);
/* CKR_OBJECT_HANDLE_INVALID if another thread was faster. */
CK_RV session_object_remove(struct app *a, CK_OBJECT_HANDLE h);
/* Appends the handles that match to a malloc'd array, ascending. */
CK_RV session_object_find(struct session *s, const struct attrs *templ,
	CK_OBJECT_HANDLE **handles, size_t *n);

/* For struct maker: the session objects (arg: struct session *) that are the same key as `a`. */
CK_RV session_object_twins(void *arg, const struct attrs *a, struct object ***v, size_t *n);

/* Which objects go: those of a session (NULL: of any), on a token, all or the private ones. */
struct session_object_sweep {
	const struct session *session;
	const struct token *token;
	bool private_only;
};
/* Takes them out of the table; the list is given to session_object_release without the lock. */
struct session_object;
struct session_object *session_object_take(struct app *a, const struct session_object_sweep *which);
void session_object_release(struct session_object *list);

#endif
