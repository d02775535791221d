/*
 * unlock.h - a token opened for a uid by `tokenfs unlock` or by writing its PIN to `login`
 *
 * An unlock holds the token's key (token_login) until unlock_end, its timeout or daemon_close. While
 * it stands, private/ is open to the uid, the token shows CKF_PROTECTED_AUTHENTICATION_PATH to it and
 * C_Login with a NULL PIN succeeds.
 *
 * Locking:    daemon->lock, taken inside.
 */
#ifndef TOKENFS_UNLOCK_H
#define TOKENFS_UNLOCK_H

#include "daemon.h"

struct unlock {
	CK_SLOT_ID slot;
	struct token *token;
	uid_t uid;
	time_t until; /* CLOCK_BOOTTIME seconds; 0: no limit */
	struct unlock *next;
};

/* Slow (scrypt). seconds 0: until locked. A second unlock only renews the time. */
CK_RV unlock_begin(struct daemon *d, CK_SLOT_ID slot, uid_t uid, const uint8_t *pin, size_t len, unsigned seconds);
/* CKR_USER_NOT_LOGGED_IN if it was not unlocked. */
CK_RV unlock_end(struct daemon *d, CK_SLOT_ID slot, uid_t uid);
bool unlock_active(struct daemon *d, CK_SLOT_ID slot, uid_t uid);
/* Ends those of every uid: the token is gone or was made anew. */
void unlock_end_slot(struct daemon *d, CK_SLOT_ID slot);
/* Ends what has run out; called about once a second. */
void unlock_expire(struct daemon *d);

#endif
