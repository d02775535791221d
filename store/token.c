/*
 * token.c - a token in memory: its making and its end, what it says of itself, its objects opened
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inside.h"

bool
is_serial(const char *name)
{
	return strlen(name) == SERIAL_LEN && strspn(name, "0123456789abcdef") == SERIAL_LEN;
}

/* A key of this token's own from the vault's, for one purpose. */
static CK_RV
derive_key(uint8_t key[KEY_LEN], const struct token *t, const char *purpose)
{
	return kdf_hkdf(key, KEY_LEN, t->vault->key.data, KEY_LEN, NULL, 0, purpose, t->serial, SERIAL_LEN);
}

static CK_RV
derive_keys(struct token *t)
{
	uint8_t key[KEY_LEN];
	CK_RV rv = derive_key(key, t, "tokenfs token mac 1");

	if (rv == CKR_OK)
		rv = mac_init(&t->mac, key);
	if (rv == CKR_OK)
		rv = derive_key(key, t, "tokenfs public objects 1");
	if (rv == CKR_OK)
		rv = secret_copy(&t->public_key, key, KEY_LEN);
	if (rv == CKR_OK)
		rv = derive_key(key, t, "tokenfs public index 1");
	if (rv == CKR_OK)
		rv = mac_init(&t->index_public, key);
	wipe(key, sizeof(key));
	return rv;
}

CK_RV
token_new(struct vault *v, const char *serial, struct token **out)
{
	struct token *t = calloc(1, sizeof(*t));
	pthread_rwlockattr_t attr;
	CK_RV rv;

	if (t == NULL)
		return CKR_HOST_MEMORY;
	atomic_init(&t->refs, 1);
	t->vault = v;
	snprintf(t->serial, sizeof(t->serial), "%s", serial);
	lock_init(&t->login);
	lock_init(&t->commit);
	lock_init(&t->sync);
	lock_init(&t->lock);
	pthread_cond_init(&t->synced_cond, NULL);
	/* A reload must get in however busy the readers are; nobody takes it twice. */
	pthread_rwlockattr_init(&attr);
	pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(&t->files, &attr);
	pthread_rwlockattr_destroy(&attr);
	t->log.fd = t->log.dir.fd = t->dir.fd = t->objects.fd = -1;
	rv = derive_keys(t);
	if (rv != CKR_OK) {
		token_put(t);
		return rv;
	}
	*out = t;
	return CKR_OK;
}

void
token_unload(struct token *t)
{
	retired_free(t);
	journal_close(&t->log);
	dir_close(&t->objects);
	dir_close(&t->dir);
	lock_take(&t->lock);
	cache_free(&t->cache);
	live_free(&t->live);
	lock_give(&t->lock);
}

void
token_put(struct token *t)
{
	if (t == NULL || atomic_fetch_sub(&t->refs, 1) != 1)
		return;
	token_unload(t);
	mac_release(&t->mac);
	mac_release(&t->index_public);
	mac_release(&t->index_private);
	mac_release(&t->verifier_key);
	secret_clear(&t->public_key);
	secret_clear(&t->key);
	wipe(t->verifier, sizeof(t->verifier));
	pthread_cond_destroy(&t->synced_cond);
	pthread_rwlock_destroy(&t->files);
	free(t);
}

const char *
token_serial(const struct token *t)
{
	return t->serial;
}

CK_SLOT_ID
token_slot(const struct token *t)
{
	return t->slot;
}

/* ---- what it says of itself ---------------------------------------------------------------- */

CK_RV
token_writable(struct token *t)
{
	assert_held(&t->lock);
	if (t->vault->cfg.read_only)
		return why(CKR_TOKEN_WRITE_PROTECTED, "the vault is mounted read-only");
	if (t->gone)
		return why(CKR_DEVICE_REMOVED, "token %s was removed", t->serial);
	if (t->state == TOKEN_DAMAGED)
		return why(CKR_DEVICE_ERROR, "token %s: %.200s", t->serial, t->reason);
	if (t->state != TOKEN_OK)
		return why(CKR_TOKEN_WRITE_PROTECTED, "token %s is read-only: %.200s", t->serial, t->reason);
	return CKR_OK;
}

static void
copy_label(char out[LABEL_LEN + 1], const uint8_t label[LABEL_LEN])
{
	size_t n = LABEL_LEN;

	while (n > 0 && (label[n - 1] == ' ' || label[n - 1] == '\0'))
		n--;
	memcpy(out, label, n);
	out[n] = '\0';
}

static uint32_t
tries_left(struct token *t, CK_USER_TYPE user)
{
	uint32_t used = 0, limit = token_pin_limit(t, user);

	if (t->vault->state == NULL || state_tries_get(t->vault->state, t->serial, user, &used) != CKR_OK)
		return limit;
	return used >= limit ? 0 : limit - used;
}

CK_RV
token_info(struct token *t, struct token_info *info)
{
	memset(info, 0, sizeof(*info));
	pthread_rwlock_rdlock(&t->files);
	lock_take(&t->lock);
	memcpy(info->serial, t->serial, sizeof(info->serial));
	copy_label(info->label, t->header.label);
	info->slot = t->slot;
	info->state = t->state;
	snprintf(info->reason, sizeof(info->reason), "%s", t->reason);
	info->read_only = t->vault->cfg.read_only || t->state != TOKEN_OK;
	info->user_pin_set = t->header.pin[PIN_USER].set;
	info->compat = (t->header.flags & HEADER_COMPAT) != 0;
	info->open = t->key.data != NULL;
	info->private_objects = t->live.n_private;
	info->public_objects = t->live.n - t->live.n_private;
	info->disk_bytes = t->live.bytes;
	info->epoch = t->appended.epoch;
	lock_give(&t->lock);
	pthread_rwlock_unlock(&t->files);
	info->user_tries = token_pin_limit(t, CKU_USER);
	info->so_tries = token_pin_limit(t, CKU_SO);
	info->user_tries_left = tries_left(t, CKU_USER);
	info->so_tries_left = tries_left(t, CKU_SO);
	return CKR_OK;
}

/* ---- objects -------------------------------------------------------------------------------- */

static struct object *
cached(struct token *t, CK_OBJECT_HANDLE h)
{
	struct object *o;

	lock_take(&t->lock);
	o = t->gone ? NULL : cache_get(&t->cache, h);
	if (o != NULL && o->private && t->key.data == NULL) {
		object_put(o);
		o = NULL;
	}
	lock_give(&t->lock);
	return o;
}

static bool
entry_of(struct token *t, const uint8_t uuid[UUID_LEN], struct live_entry *e)
{
	const struct live_entry *found;

	lock_take(&t->lock);
	found = t->gone ? NULL : live_find(&t->live, uuid);
	if (found != NULL)
		*e = *found;
	lock_give(&t->lock);
	return found != NULL;
}

/* From disk; into the cache, unless it was replaced or the key went away meanwhile. `files` is held. */
static CK_RV
open_object(struct token *t, CK_OBJECT_HANDLE h, const struct live_entry *e, struct object **out)
{
	const struct live_entry *now;
	struct attrs attrs = {0};
	struct object *o;
	CK_RV rv;

	rv = sealed_read(t, e, &attrs);
	if (rv == CKR_OK)
		rv = object_new(&o, &attrs);
	attrs_free(&attrs);
	if (rv != CKR_OK)
		return rv;
	memcpy(o->uuid, e->uuid, UUID_LEN);
	o->version = e->version;
	o->handle = h;
	lock_take(&t->lock);
	now = live_find(&t->live, e->uuid);
	if (now != NULL && now->version == e->version && (!o->private || t->key.data != NULL))
		cache_put(&t->cache, o);
	lock_give(&t->lock);
	*out = o;
	return CKR_OK;
}

CK_RV
token_object(struct token *t, CK_OBJECT_HANDLE h, bool with_private, struct object **out)
{
	struct object *o = cached(t, h);
	struct live_entry e, again;
	struct index_row row;
	CK_RV rv;

	if (o != NULL && o->private && !with_private) {
		object_put(o);
		return CKR_OBJECT_HANDLE_INVALID;
	}
	if (o != NULL) {
		*out = o;
		return CKR_OK;
	}
	rv = state_index_row(t->vault->state, t->serial, h, &row);
	if (rv != CKR_OK)
		return rv;
	if (row.private && !with_private)
		return CKR_OBJECT_HANDLE_INVALID;
	/* While the token is being read again its live table is empty: wait. */
	pthread_rwlock_rdlock(&t->files);
	/* The index only proposes: whether it is private the log says. */
	if (!entry_of(t, row.uuid, &e) || (e.private && !with_private)) {
		pthread_rwlock_unlock(&t->files);
		return CKR_OBJECT_HANDLE_INVALID;
	}
	rv = open_object(t, h, &e, out);
	/* Replaced between the look and the reading: the file may be gone already. */
	if (rv == CKR_DEVICE_ERROR && entry_of(t, row.uuid, &again) && again.version != e.version &&
		again.private == e.private)
		rv = open_object(t, h, &again, out);
	else if (rv == CKR_DEVICE_ERROR && !entry_of(t, row.uuid, &again))
		rv = CKR_OBJECT_HANDLE_INVALID;
	pthread_rwlock_unlock(&t->files);
	if (rv == CKR_DEVICE_ERROR)
		why_log(WHY_ERROR, "%s", why_text());
	return rv == CKR_USER_NOT_LOGGED_IN ? CKR_OBJECT_HANDLE_INVALID : rv;
}
