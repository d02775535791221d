/*
 * make_inner.h - what the files that make objects (make*.c) share
 *
 * Ownership:  sets are the caller's until make_settle took their content over.
 */
#ifndef TOKENFS_MAKE_INNER_H
#define TOKENFS_MAKE_INNER_H

#include "token.h"

/* Commits what was made, unless whoever asked for it has gone or logged out while it was being made
 * (CKR_FUNCTION_CANCELED). */
/* Under the strict policy: is a key that was made from what is hidden so short, or of so weak a cipher, that it tells of it? */
CK_RV make_strong(const struct attrs *a);
/* Does the template that `by` has for what it makes hide the value of a? */
bool make_hidden_by(const struct object *by, CK_ATTRIBUTE_TYPE templ, const struct attrs *a);
CK_RV make_commit(const struct maker *m, struct object **puts, size_t n);
/* May the token's policy have this mechanism (CKR_MECHANISM_INVALID), with this key (NULL: none yet)? A key that wants
 * a login for each use has none here, because no call stands between that login and the use: CKR_USER_NOT_LOGGED_IN. */
CK_RV make_allowed(const struct maker *m, const CK_MECHANISM *mech, const struct object *key);
/* Once the value is in: what the live keys of the same value ask of this one (ledger.c). */
CK_RV make_ledger(const struct maker *m, struct attrs *a, enum rules_how how);
/* The next version of `old`, committed if it is a token object. CKR_OBJECT_HANDLE_INVALID: `old` is not the newest. */
CK_RV make_renewed(struct token *t, const struct object *old, struct attrs *a, struct object **o);
/* Turns a finished set into an object, and into a durable one if it is a token object. */
CK_RV make_settle(const struct maker *m, struct attrs *a, struct object **o);
/* The template as the parent key and the policy complete it, and the set that grows from it. how: HOW_UNWRAP or
 * HOW_DERIVE. */
CK_RV make_heir(struct attrs *a, const struct maker *m, const struct object *parent, const struct attrs *templ,
	const struct attrs *implied, enum rules_how how);

#endif
