/*
 * PINs: checking, counting, changing; the token key's coming and going.
 *
 * A try is counted and fsynced before the key derivation begins, so that killing the daemon in the middle costs
 * the attacker a try. While the key is in memory a PIN is compared with a keyed hash of the right one.
 */
#include <stdio.h>
#include <string.h>

#include "inside.h"

static enum pin_role
role_of(CK_USER_TYPE user)
{
	return user == CKU_SO ? PIN_SO : PIN_USER;
}

uint32_t
token_pin_limit(const struct token *t, CK_USER_TYPE user)
{
	uint32_t limit = t->vault->cfg.pin_tries;

	if (user == CKU_SO)
		limit = limit > 1 ? limit / 2 : 1;
	return limit;
}

static CK_RV
verifier_of(struct token *t, enum pin_role role, const uint8_t *pin, size_t len, uint8_t out[MAC_LEN])
{
	uint8_t r = (uint8_t)role;

	return mac_make(&t->verifier_key, out, &r, 1, pin, len);
}

/* Keeps a keyed hash of a PIN that was right. */
static CK_RV
remember_pin(struct token *t, enum pin_role role, const uint8_t *pin, size_t len)
{
	uint8_t v[MAC_LEN];
	CK_RV rv = verifier_of(t, role, pin, len, v);

	assert_held(&t->login);
	if (rv == CKR_OK) {
		memcpy(t->verifier[role], v, MAC_LEN);
		t->verifier_set[role] = true;
	}
	wipe(v, sizeof(v));
	return rv;
}

/* Takes the key into memory. */
static CK_RV
key_in(struct token *t, const uint8_t key[KEY_LEN])
{
	uint8_t derived[KEY_LEN];
	CK_RV rv;

	assert_held(&t->login);
	if (t->key.data != NULL)
		return equal_ct(t->key.data, key, KEY_LEN) ? CKR_OK : CKR_DEVICE_ERROR;
	rv = kdf_hkdf(derived, KEY_LEN, key, KEY_LEN, NULL, 0, "tokenfs private index 1", t->serial, SERIAL_LEN);
	if (rv == CKR_OK)
		rv = mac_init(&t->index_private, derived);
	if (rv == CKR_OK)
		rv = kdf_random(derived, KEY_LEN);
	if (rv == CKR_OK)
		rv = mac_init(&t->verifier_key, derived);
	if (rv == CKR_OK) {
		lock_take(&t->lock);
		rv = secret_copy(&t->key, key, KEY_LEN);
		if (rv == CKR_OK)
			atomic_store(&t->generation, ++t->generations);
		lock_give(&t->lock);
	}
	wipe(derived, sizeof(derived));
	return rv;
}

static void
key_out(struct token *t)
{
	assert_held(&t->login);
	lock_take(&t->lock);
	atomic_store(&t->generation, 0);
	secret_clear(&t->key);
	cache_drop_private(&t->cache);
	lock_give(&t->lock);
	mac_release(&t->index_private);
	mac_release(&t->verifier_key);
	memset(t->verifier_set, 0, sizeof(t->verifier_set));
	wipe(t->verifier, sizeof(t->verifier));
}

void
token_key_wiped(struct token *t)
{
	key_out(t);
	t->holds = 0;
}

void
token_key_drop(struct token *t)
{
	lock_take(&t->login);
	token_key_wiped(t);
	lock_give(&t->login);
}

static CK_RV
may_try(struct token *t, CK_USER_TYPE user, size_t len, uint32_t *tries)
{
	CK_RV rv = state_tries_get(t->vault->state, t->serial, user, tries);

	assert_held(&t->login);
	if (rv != CKR_OK)
		return rv;
	if (t->gone)
		return why(CKR_DEVICE_REMOVED, "token %s was removed", t->serial);
	if (t->state == TOKEN_DAMAGED && t->header.generation == 0)
		return why(CKR_DEVICE_ERROR, "%s", t->reason);
	if (!t->header.pin[role_of(user)].set)
		return CKR_USER_PIN_NOT_INITIALIZED;
	if (*tries >= token_pin_limit(t, user))
		return why(CKR_PIN_LOCKED, "the PIN is locked after %u wrong tries%s", *tries,
			user == CKU_SO ? "" : "; the SO unblocks it with: tokenfs token init-pin");
	if (len == 0)
		return CKR_PIN_INCORRECT;
	return CKR_OK;
}

/* By scrypt: counts first, unwraps, takes the counter back. key: the unwrapped token key. */
static CK_RV
check_slow(struct token *t, CK_USER_TYPE user, const uint8_t *pin, size_t len, uint32_t tries, uint8_t key[KEY_LEN])
{
	enum pin_role role = role_of(user);
	CK_RV rv = state_tries_set(t->vault->state, t->serial, user, tries + 1);

	if (rv == CKR_OK)
		rv = pin_unwrap(key, &t->header.pin[role], role, &t->header, t->vault->key.data, pin, len);
	if (rv == CKR_OK)
		rv = header_check_inner(&t->header, key);
	if (rv == CKR_OK)
		rv = state_tries_set(t->vault->state, t->serial, user, 0);
	if (rv == CKR_PIN_INCORRECT)
		why(rv, "wrong PIN, %u tries left", token_pin_limit(t, user) - tries - 1);
	else if (rv != CKR_OK) /* nothing was tried: no memory for scrypt, say */
		state_tries_set(t->vault->state, t->serial, user, tries);
	return rv;
}

static CK_RV
check_fast(struct token *t, CK_USER_TYPE user, const uint8_t *pin, size_t len, uint32_t tries)
{
	enum pin_role role = role_of(user);
	uint8_t v[MAC_LEN];
	CK_RV rv = verifier_of(t, role, pin, len, v);

	if (rv == CKR_OK && !equal_ct(v, t->verifier[role], MAC_LEN)) {
		rv = state_tries_set(t->vault->state, t->serial, user, tries + 1);
		if (rv == CKR_OK)
			rv = why(CKR_PIN_INCORRECT, "wrong PIN, %u tries left",
				token_pin_limit(t, user) - tries - 1);
	} else if (rv == CKR_OK && tries != 0) {
		rv = state_tries_set(t->vault->state, t->serial, user, 0);
	}
	wipe(v, sizeof(v));
	return rv;
}

/* Checks a PIN; hold: takes a hold on the key when it is right. */
static CK_RV
check_pin(struct token *t, CK_USER_TYPE user, const uint8_t *pin, size_t len, bool hold, bool *key_came)
{
	uint8_t key[KEY_LEN];
	uint32_t tries = 0;
	CK_RV rv;

	assert_held(&t->login);
	*key_came = false;
	rv = may_try(t, user, len, &tries);
	if (rv != CKR_OK)
		return rv;
	if (t->key.data != NULL && t->verifier_set[role_of(user)]) {
		rv = check_fast(t, user, pin, len, tries);
	} else {
		rv = check_slow(t, user, pin, len, tries, key);
		if (rv == CKR_OK && (hold || t->key.data != NULL)) {
			*key_came = t->key.data == NULL;
			rv = key_in(t, key);
			if (rv == CKR_OK)
				rv = remember_pin(t, role_of(user), pin, len);
		}
		wipe(key, sizeof(key));
	}
	if (rv == CKR_OK && hold)
		t->holds++;
	return rv;
}

CK_RV
token_login(struct token *t, CK_USER_TYPE user, const uint8_t *pin, size_t len, uint64_t *hold)
{
	bool key_came;
	CK_RV rv;

	lock_take(&t->login);
	rv = check_pin(t, user, pin, len, true, &key_came);
	if (rv == CKR_OK && key_came && index_private_rows(t) != CKR_OK)
		why_log(WHY_ERROR, "token %s: private objects cannot be indexed: %s", t->serial, why_text());
	if (rv == CKR_OK)
		*hold = atomic_load(&t->generation);
	lock_give(&t->login);
	return rv;
}

bool
token_held(struct token *t, uint64_t hold)
{
	return hold != 0 && atomic_load(&t->generation) == hold;
}

CK_RV
token_hold(struct token *t, uint64_t of)
{
	CK_RV rv = CKR_USER_NOT_LOGGED_IN;

	lock_take(&t->login);
	if (token_held(t, of)) {
		t->holds++;
		rv = CKR_OK;
	}
	lock_give(&t->login);
	return rv;
}

void
token_logout(struct token *t, uint64_t hold)
{
	lock_take(&t->login);
	if (token_held(t, hold) && --t->holds == 0)
		key_out(t);
	lock_give(&t->login);
}

CK_RV
token_verify(struct token *t, CK_USER_TYPE user, const uint8_t *pin, size_t len)
{
	bool key_came;
	CK_RV rv;

	lock_take(&t->login);
	rv = check_pin(t, user, pin, len, false, &key_came);
	lock_give(&t->login);
	return rv;
}

static CK_RV
check_new_pin(const struct token *t, size_t len)
{
	if (len < PIN_MIN || len > PIN_MAX)
		return why(CKR_PIN_LEN_RANGE, "a PIN has %d to %d bytes", PIN_MIN, PIN_MAX);
	if (t->vault->without_key_file && len < PIN_MIN_WITHOUT_KEY_FILE)
		return why(CKR_PIN_LEN_RANGE, "this vault has no key file: a PIN has %d bytes or more",
			PIN_MIN_WITHOUT_KEY_FILE);
	return CKR_OK;
}

CK_RV
pin_acceptable(const struct vault *v, size_t len)
{
	const struct token t = {.vault = (struct vault *)v};

	return check_new_pin(&t, len);
}

/* Wraps the key anew and replaces the header; the counter of the role starts afresh. */
static CK_RV
write_pin(struct token *t, CK_USER_TYPE user, const uint8_t *pin, size_t len, const uint8_t key[KEY_LEN])
{
	enum pin_role role = role_of(user);
	struct header h;
	CK_RV rv;

	assert_held(&t->login);
	lock_take(&t->lock);
	h = t->header;
	rv = token_writable(t);
	lock_give(&t->lock);
	if (rv == CKR_OK)
		rv = pin_wrap(&h.pin[role], role, &h, t->vault->key.data, pin, len, key);
	/* From here on the old PIN may be gone from the disk, also if an error comes back. */
	t->verifier_set[role] = false;
	if (rv == CKR_OK)
		rv = header_install(t, &h, key);
	if (rv == CKR_OK)
		rv = state_tries_set(t->vault->state, t->serial, user, 0);
	if (rv == CKR_OK && t->key.data != NULL)
		rv = remember_pin(t, role, pin, len);
	return rv;
}

CK_RV
token_init_pin(struct token *t, const uint8_t *pin, size_t len)
{
	CK_RV rv = check_new_pin(t, len);

	if (rv != CKR_OK)
		return rv;
	lock_take(&t->login);
	rv = t->key.data == NULL ? CKR_USER_NOT_LOGGED_IN : write_pin(t, CKU_USER, pin, len, t->key.data);
	lock_give(&t->login);
	return rv;
}

CK_RV
token_set_pin(struct token *t, CK_USER_TYPE user, const uint8_t *old, size_t old_len, const uint8_t *pin, size_t len)
{
	uint8_t key[KEY_LEN];
	uint32_t tries = 0;
	CK_RV rv = check_new_pin(t, len);

	if (rv != CKR_OK)
		return rv;
	lock_take(&t->login);
	rv = may_try(t, user, old_len, &tries);
	if (rv == CKR_OK)
		rv = check_slow(t, user, old, old_len, tries, key);
	if (rv == CKR_OK)
		rv = write_pin(t, user, pin, len, key);
	wipe(key, sizeof(key));
	lock_give(&t->login);
	return rv;
}

bool
token_compat(struct token *t)
{
	bool compat;

	lock_take(&t->lock);
	compat = (t->header.flags & HEADER_COMPAT) != 0;
	lock_give(&t->lock);
	return compat;
}

CK_RV
token_set_policy(struct token *t, const uint8_t *so_pin, size_t len, bool compat)
{
	uint8_t key[KEY_LEN];
	uint32_t tries = 0;
	struct header h;
	CK_RV rv;

	lock_take(&t->login);
	lock_take(&t->lock);
	rv = token_writable(t);
	lock_give(&t->lock);
	if (rv == CKR_OK)
		rv = may_try(t, CKU_SO, len, &tries);
	if (rv == CKR_OK)
		rv = check_slow(t, CKU_SO, so_pin, len, tries, key);
	if (rv == CKR_OK && token_compat(t) != compat) {
		lock_take(&t->lock);
		h = t->header;
		lock_give(&t->lock);
		h.flags = compat ? h.flags | HEADER_COMPAT : h.flags & ~HEADER_COMPAT;
		rv = header_install(t, &h, key);
	}
	wipe(key, sizeof(key));
	lock_give(&t->login);
	return rv;
}

CK_RV
token_restore_accept(struct token *t, CK_USER_TYPE user, const uint8_t *pin, size_t len)
{
	CK_RV rv;

	lock_take(&t->lock);
	rv = t->state == TOKEN_ROLLED_BACK ? CKR_OK
	     : t->state == TOKEN_DAMAGED   ? why(CKR_DEVICE_ERROR, "token %s is damaged: %.200s", t->serial, t->reason)
					   : why(CKR_FUNCTION_REJECTED, "token %s was not rolled back", t->serial);
	lock_give(&t->lock);
	if (rv == CKR_OK)
		rv = token_verify(t, user, pin, len);
	if (rv == CKR_OK)
		rv = remember_log(t);
	if (rv == CKR_OK)
		rv = remember_header(t);
	if (rv == CKR_OK) {
		t->accept_cut = true;
		rv = token_reload(t);
		t->accept_cut = false;
	}
	return rv;
}
