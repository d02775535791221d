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

#include "audit.h"

struct unlock {
	CK_SLOT_ID slot;
	struct token *token; /* referenced and held */
	uint64_t hold;       /* see token_login */
	uint64_t id;         /* counts up: names this unlock */
	uid_t uid;
	time_t until; /* CLOCK_BOOTTIME seconds; 0: no limit */
	struct unlock *next;
};

/* Slow (scrypt). seconds 0: until locked. A second unlock only renews the time. CKR_DEVICE_REMOVED: the token was
 * deleted or replaced meanwhile. */
CK_RV unlock_begin(struct daemon *d, CK_SLOT_ID slot, const struct audit_who *who, const uint8_t *pin, size_t len,
	unsigned seconds);
/* CKR_USER_NOT_LOGGED_IN if it was not unlocked for this uid. */
CK_RV unlock_end(struct daemon *d, CK_SLOT_ID slot, const struct audit_who *who);
/* Is this token, not only its slot, unlocked for the uid? *hold (may be NULL): for token_hold. */
bool unlock_active(struct daemon *d, struct token *t, uid_t uid, uint64_t *hold);
/* Names the unlock: a later one has another number. 0: there is none. */
uint64_t unlock_id(struct daemon *d, struct token *t, uid_t uid);
/* Ends those of every uid: the token is gone or was made anew. */
void unlock_end_slot(struct daemon *d, CK_SLOT_ID slot);
/* Ends what has run out, and what was for a key that is not in memory any more; called about once a second. */
void unlock_expire(struct daemon *d);

#endif
