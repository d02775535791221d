#include "unlock.h"

#include <stdlib.h>

/* Seconds that go on counting while the machine sleeps. */
static time_t
boot_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return now.tv_sec;
}

static bool
expired(const struct unlock *u, time_t now)
{
	return (u->until != 0 && u->until <= now) || !token_held(u->token, u->hold);
}

/* With daemon->lock held: the one that stands. */
static struct unlock *
find(struct daemon *d, const struct token *t, uid_t uid)
{
	struct unlock *u = d->unlocks;
	time_t now = boot_seconds();

	while (u && (u->token != t || u->uid != uid || expired(u, now)))
		u = u->next;
	return u;
}

/* Gives back what the unlocks of a list hold. by NULL: the daemon itself, for the unlock's uid. */
static void
release(struct daemon *d, struct unlock *list, const char *what, const struct audit_who *by)
{
	bool any = list != NULL;

	while (list) {
		struct unlock *next = list->next;

		token_logout(list->token, list->hold);
		if (what)
			audit_note(d, by ? by : &(struct audit_who){.uid = list->uid, .exe = "tokenfs"},
				list->token, what, NULL, CKR_OK);
		token_put(list->token);
		free(list);
		list = next;
	}
	if (any && d->on_lock)
		d->on_lock(d->on_lock_arg);
}

/* Which unlocks an ending means. */
struct ending {
	bool any_slot, any_uid, only_expired;
	CK_SLOT_ID slot;
	uid_t uid;
	const struct token *token; /* NULL: any */
};

static bool
ends(const struct unlock *u, const struct ending *e, time_t now)
{
	return (e->any_slot || u->slot == e->slot) && (e->any_uid || u->uid == e->uid) &&
	       (!e->token || u->token == e->token) &&
	       (!e->only_expired || expired(u, now));
}

/* False if there was none. */
static bool
end(struct daemon *d, const struct ending *e, const char *what, const struct audit_who *by)
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
	release(d, gone, what, by);
	return any;
}

/* Enters it, or renews the one that stands. */
static void
enlist(struct daemon *d, struct unlock *u)
{
	struct unlock *old;

	pthread_mutex_lock(&d->lock);
	old = find(d, u->token, u->uid);
	if (old) {
		old->until = u->until;
	} else {
		u->id = ++d->next_unlock;
		u->next = d->unlocks;
		d->unlocks = u;
		u = NULL; /* transferred */
	}
	pthread_mutex_unlock(&d->lock);
	release(d, u, NULL, NULL); /* a second unlock keeps the first one's hold */
}

/* A token that was deleted or replaced while its PIN was verified: who did that looked for unlocks before
 * this one was there. */
static CK_RV
still_there(struct daemon *d, CK_SLOT_ID slot, struct token *t)
{
	struct ending e = {.slot = slot, .any_uid = true, .token = t};
	struct token *now = NULL;
	CK_RV rv = token_get(d->vault, slot, &now);

	token_put(now);
	if (rv == CKR_OK && now == t)
		return CKR_OK;
	end(d, &e, "lock", NULL);
	return CKR_DEVICE_REMOVED;
}

CK_RV
unlock_begin(struct daemon *d, CK_SLOT_ID slot, const struct audit_who *who, const uint8_t *pin,
	size_t len, unsigned seconds)
{
	struct unlock *u = calloc(1, sizeof(*u));
	struct token *t = NULL;
	CK_RV rv;

	if (!u)
		return CKR_HOST_MEMORY;
	rv = token_get(d->vault, slot, &t);
	if (rv != CKR_OK)
		goto out;
	rv = token_login(t, CKU_USER, pin, len, &u->hold);
	audit_note(d, who, t, rv == CKR_OK ? "unlock" : "unlock-failed", NULL, rv);
	if (rv != CKR_OK)
		goto out;
	rv = token_get(d->vault, slot, &u->token);
	if (rv != CKR_OK || u->token != t) {
		token_logout(t, u->hold);
		token_put(rv == CKR_OK ? u->token : NULL);
		rv = CKR_DEVICE_REMOVED;
		goto out;
	}
	u->slot = slot;
	u->uid = who->uid;
	u->until = seconds ? boot_seconds() + (time_t)seconds : 0;
	enlist(d, u);
	u = NULL; /* transferred */
	rv = still_there(d, slot, t);
out:
	token_put(t);
	free(u);
	return rv;
}

CK_RV
unlock_end(struct daemon *d, CK_SLOT_ID slot, const struct audit_who *who)
{
	struct ending e = {.slot = slot, .uid = who->uid};

	return end(d, &e, "lock", who) ? CKR_OK : CKR_USER_NOT_LOGGED_IN;
}

void
unlock_end_slot(struct daemon *d, CK_SLOT_ID slot)
{
	struct ending e = {.slot = slot, .any_uid = true};

	end(d, &e, "lock", NULL);
}

void
unlock_expire(struct daemon *d)
{
	struct ending e = {.any_slot = true, .any_uid = true, .only_expired = true};

	end(d, &e, "lock-timeout", NULL);
}

bool
unlock_active(struct daemon *d, struct token *t, uid_t uid, uint64_t *hold)
{
	const struct unlock *u;

	pthread_mutex_lock(&d->lock);
	u = find(d, t, uid);
	if (u && hold)
		*hold = u->hold;
	pthread_mutex_unlock(&d->lock);
	return u != NULL;
}

uint64_t
unlock_id(struct daemon *d, struct token *t, uid_t uid)
{
	const struct unlock *u;
	uint64_t id;

	pthread_mutex_lock(&d->lock);
	u = find(d, t, uid);
	id = u ? u->id : 0;
	pthread_mutex_unlock(&d->lock);
	return id;
}
