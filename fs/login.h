/*
 * login.h - C_Login, C_Logout and what else ends a login
 *
 * Locking:    login_* are called with the caller's session entered; app->lock is taken inside and not held
 *             while a PIN is verified.
 * Secrets:    PINs are the caller's to wipe.
 */
#ifndef TOKENFS_LOGIN_H
#define TOKENFS_LOGIN_H

#include "session.h"

/* pin NULL: through the unlock of this uid. CKR_ARGUMENTS_BAD without one,
 * CKR_USER_ALREADY_LOGGED_IN, CKR_USER_ANOTHER_ALREADY_LOGGED_IN, CKR_SESSION_READ_ONLY_EXISTS,
 * CKR_USER_TYPE_INVALID and what token_login says. */
CK_RV login_user(struct session *s, CK_USER_TYPE user, const uint8_t *pin, size_t len);
/* CKU_CONTEXT_SPECIFIC, for the operation begun last that asks for it. CKR_OPERATION_NOT_INITIALIZED; CKR_PIN_LOCKED
 * also ends the login. */
CK_RV login_context(struct session *s, const uint8_t *pin, size_t len);
/* Ends the application's login on the token: private session objects go, operations with private keys
 * end. CKR_USER_NOT_LOGGED_IN. */
CK_RV login_end(struct app *a, struct token *t);
/* The same, if the token's key is not the one any more that the login was for. No session is entered. */
void login_end_lost(struct app *a, struct token *t);

/* With app->lock held: takes the login out, counts the logout for its sessions. NULL if there is none. */
struct app_login *login_take(struct app *a, struct token *t);
/* Without the lock: gives hold and reference back. */
void login_release(struct app *a, struct app_login *l);

#endif
