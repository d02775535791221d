#include "unlock.h"

#include <stdio.h>
#include <stdlib.h>

/* Seconds that go on counting while the machine sleeps. */
static time_t
boot_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return now.tv_sec;
}

static void
audit(struct daemon *d, struct token *t, uid_t uid, const char *what, CK_RV rv)
{
	struct audit_event e = {.rv = rv};

	snprintf(e.serial, sizeof(e.serial), "%.*s", SERIAL_LEN, token_serial(t));
	snprintf(e.what, sizeof(e.what), "%s", what);
	snprintf(e.who, sizeof(e.who), "uid %lu", (unsigned long)uid);
	vault_audit(d->vault, &e);
}

/* With daemon->lock held. */
static struct unlock *
find(struct daemon *d, CK_SLOT_ID slot, uid_t uid)
{
	struct unlock *u = d->unlocks;

	while (u && (u->slot != slot || u->uid != uid))
		u = u->next;
	return u;
}

static bool
expired(const struct unlock *u, time_t now)
{
	return u->until != 0 && u->until <= now;
}

/* Gives back what the unlocks of a list hold. */
static void
release(struct daemon *d, struct unlock *list, const char *what)
{
	while (list) {
		struct unlock *next = list->next;

		token_logout(list->token);
		if (what)
			audit(d, list->token, list->uid, what, CKR_OK);
		token_put(list->token);
		free(list);
		list = next;
	}
}

CK_RV
unlock_begin(struct daemon *d, CK_SLOT_ID slot, uid_t uid, const uint8_t *pin, size_t len, unsigned seconds)
{
	struct unlock *u = calloc(1, sizeof(*u)), *old;
	CK_RV rv;

	if (!u)
		return CKR_HOST_MEMORY;
	rv = token_get(d->vault, slot, &u->token);
	if (rv != CKR_OK) {
		free(u);
		return rv;
	}
	rv = token_login(u->token, CKU_USER, pin, len);
	audit(d, u->token, uid, rv == CKR_OK ? "unlock" : "unlock-failed", rv);
	if (rv != CKR_OK) {
		token_put(u->token);
		free(u);
		return rv;
	}
	u->slot = slot;
	u->uid = uid;
	u->until = seconds ? boot_seconds() + (time_t)seconds : 0;
	pthread_mutex_lock(&d->lock);
	old = find(d, slot, uid);
	if (old) {
		old->until = u->until;
	} else {
		u->next = d->unlocks;
		d->unlocks = u;
		u = NULL; /* transferred */
	}
	pthread_mutex_unlock(&d->lock);
	release(d, u, NULL); /* a second unlock keeps the first one's hold */
	return CKR_OK;
}

/* Which unlocks an ending means. */
struct ending {
	bool any_slot, any_uid, only_expired;
	CK_SLOT_ID slot;
	uid_t uid;
};

static bool
ends(const struct unlock *u, const struct ending *e, time_t now)
{
	return (e->any_slot || u->slot == e->slot) && (e->any_uid || u->uid == e->uid) &&
		(!e->only_expired || expired(u, now));
}

/* False if there was none. */
static bool
end(struct daemon *d, const struct ending *e, const char *what)
{
	struct unlock *gone = NULL;
	time_t now = boot_seconds();
	bool any;

	pthread_mutex_lock(&d->lock);
	for (struct unlock **p = &d->unlocks; *p;) {
		struct unlock *u = *p;

		if (!ends(u, e, now)) {
			p = &u->next;
			continue;
		}
		*p = u->next;
		u->next = gone;
		gone = u;
	}
	pthread_mutex_unlock(&d->lock);
	any = gone != NULL;
	release(d, gone, what);
	return any;
}

CK_RV
unlock_end(struct daemon *d, CK_SLOT_ID slot, uid_t uid)
{
	struct ending e = {.slot = slot, .uid = uid};

	return end(d, &e, "lock") ? CKR_OK : CKR_USER_NOT_LOGGED_IN;
}

void
unlock_end_slot(struct daemon *d, CK_SLOT_ID slot)
{
	struct ending e = {.slot = slot, .any_uid = true};

	end(d, &e, "lock");
}

void
unlock_expire(struct daemon *d)
{
	struct ending e = {.any_slot = true, .any_uid = true, .only_expired = true};

	end(d, &e, "lock-timeout");
}

bool
unlock_active(struct daemon *d, CK_SLOT_ID slot, uid_t uid)
{
	struct unlock *u;
	bool active;

	pthread_mutex_lock(&d->lock);
	u = find(d, slot, uid);
	active = u && !expired(u, boot_seconds());
	pthread_mutex_unlock(&d->lock);
	return active;
}
