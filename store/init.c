/*
 * Making, remaking and deleting tokens. A token's directory is built aside and then put in its place by one
 * rename, so that a crash leaves either the old token or the new one.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vault.h"

#define EXCHANGE 2 /* RENAME_EXCHANGE */

static CK_RV
random_hex(char *out, size_t digits)
{
	uint8_t r[32];
	CK_RV rv = kdf_random(r, digits / 2);

	for (size_t i = 0; rv == CKR_OK && i < digits / 2; i++)
		snprintf(out + 2 * i, 3, "%02x", r[i]);
	return rv;
}

/* Header, empty log, objects/ in a new directory `name`. */
static CK_RV
build(struct token *t, const char *name, const struct header *base, const uint8_t *so_pin, size_t len,
	const struct state_epoch *after, struct header *h)
{
	struct dir dir = {.fd = -1}, objects = {.fd = -1};
	uint8_t key[KEY_LEN];
	CK_RV rv;

	*h = *base;
	rv = kdf_random(key, KEY_LEN);
	if (rv == CKR_OK)
		rv = kdf_random(h->key_id, sizeof(h->key_id));
	if (rv == CKR_OK)
		rv = pin_wrap(&h->pin[PIN_SO], PIN_SO, h, t->vault->key.data, so_pin, len, key);
	if (rv == CKR_OK)
		rv = dir_open_at(&dir, &t->vault->dir, name, true);
	if (rv == CKR_OK)
		rv = dir_open_at(&objects, &dir, "objects", true);
	if (rv == CKR_OK)
		rv = journal_create(&dir, t->serial, h->key_id, &t->mac, after);
	if (rv == CKR_OK)
		rv = header_write(h, &dir, &t->mac, key);
	dir_close(&objects);
	dir_close(&dir);
	wipe(key, sizeof(key));
	return rv;
}

static CK_RV
put_in_place(struct vault *v, const char *built, const char *serial, bool exists)
{
	CK_RV rv;

	if (!exists) {
		if (renameat(v->dir.fd, built, v->dir.fd, serial) != 0)
			return why_errno("cannot name %s/%s", v->dir.path, serial);
		return dir_sync(&v->dir);
	}
	if (syscall(SYS_renameat2, v->dir.fd, built, v->dir.fd, serial, EXCHANGE) != 0)
		return why_errno("cannot replace %s/%s", v->dir.path, serial);
	rv = dir_sync(&v->dir);
	/* Then the old one must have its name again before the new one is thrown away. */
	if (rv != CKR_OK)
		syscall(SYS_renameat2, v->dir.fd, built, v->dir.fd, serial, EXCHANGE);
	return rv;
}

static CK_RV
new_token(struct vault *v, CK_SLOT_ID slot, const uint8_t *so_pin, size_t len, const uint8_t label[LABEL_LEN])
{
	struct header base = {.slot = (uint32_t)slot}, h;
	const struct state_epoch none = {0};
	char serial[SERIAL_LEN + 1], built[32];
	struct token *t = NULL;
	CK_RV rv = random_hex(serial, SERIAL_LEN);

	assert_held(&v->lock);
	if (rv == CKR_OK)
		rv = token_new(v, serial, &t);
	if (rv != CKR_OK)
		return rv;
	memcpy(base.serial, serial, SERIAL_LEN);
	memcpy(base.label, label, LABEL_LEN);
	snprintf(built, sizeof(built), ".new-%s", serial);
	rv = build(t, built, &base, so_pin, len, &none, &h);
	if (rv == CKR_OK)
		rv = put_in_place(v, built, serial, false);
	if (rv != CKR_OK) {
		file_remove_tree(&v->dir, built);
		token_put(t);
		return rv;
	}
	token_load(t);
	vault_insert(v, t);
	return CKR_OK;
}

/* The same token once more: serial and slot stay, the log's epochs go on, everything else is new. */
static CK_RV
renew_token(struct token *t, const uint8_t *so_pin, size_t len, const uint8_t label[LABEL_LEN])
{
	struct vault *v = t->vault;
	struct header base = {0}, h;
	struct state_epoch after;
	char built[32];
	CK_RV rv;

	lock_take(&t->lock);
	memcpy(base.serial, t->serial, SERIAL_LEN);
	base.slot = t->header.slot;
	base.generation = t->header.generation;
	base.flags = t->header.flags;
	memcpy(base.label, label, LABEL_LEN);
	after = t->appended;
	rv = token_writable(t);
	lock_give(&t->lock);
	snprintf(built, sizeof(built), ".new-%s", t->serial);
	if (rv == CKR_OK) {
		file_remove_tree(&v->dir, built);
		rv = build(t, built, &base, so_pin, len, &after, &h);
	}
	if (rv == CKR_OK)
		rv = put_in_place(v, built, t->serial, true);
	if (rv == CKR_OK) {
		token_key_drop(t);
		rv = token_forget(t);
	}
	if (rv == CKR_OK)
		rv = token_reload(t);
	/* The old token, or the new one if it did not come into place; after a failed sync either may be what the disk
	 * has, and the next start clears it away. */
	if (rv == CKR_OK)
		file_remove_tree(&v->dir, built);
	return rv;
}

CK_RV
token_init(struct vault *v, CK_SLOT_ID slot, const uint8_t *so_pin, size_t len, const uint8_t label[LABEL_LEN])
{
	struct token *t = NULL;
	CK_RV rv;

	if (v->cfg.read_only)
		return why(CKR_TOKEN_WRITE_PROTECTED, "the vault is mounted read-only");
	rv = token_get(v, slot, &t);
	if (rv == CKR_OK) {
		rv = token_verify(t, CKU_SO, so_pin, len);
		lock_take(&v->lock);
		if (rv == CKR_OK)
			rv = renew_token(t, so_pin, len, label);
	} else {
		lock_take(&v->lock);
		if (rv == CKR_TOKEN_NOT_RECOGNIZED)
			rv = pin_acceptable(v, len);
		if (rv == CKR_OK)
			rv = new_token(v, slot, so_pin, len, label);
	}
	if (rv == CKR_OK)
		vault_note(v);
	lock_give(&v->lock);
	token_put(t);
	return rv;
}

CK_RV
token_delete(struct vault *v, CK_SLOT_ID slot, const uint8_t *so_pin, size_t len)
{
	struct token *t = NULL;
	char aside[32];
	CK_RV rv = token_get(v, slot, &t);

	if (rv != CKR_OK)
		return rv;
	rv = v->cfg.read_only ? why(CKR_TOKEN_WRITE_PROTECTED, "the vault is mounted read-only")
			      : token_verify(t, CKU_SO, so_pin, len);
	snprintf(aside, sizeof(aside), ".old-%s", t->serial);
	lock_take(&v->lock);
	if (rv == CKR_OK && renameat(v->dir.fd, t->serial, v->dir.fd, aside) != 0)
		rv = why_errno("cannot remove %s/%s", v->dir.path, t->serial);
	if (rv == CKR_OK) {
		dir_sync(&v->dir);
		vault_remove(v, t);
		token_key_drop(t);
		token_forget(t);
		file_remove_tree(&v->dir, aside);
		vault_note(v);
	}
	lock_give(&v->lock);
	token_put(t);
	return rv;
}
