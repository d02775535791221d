/*
 * Objects to sealed files below objects/ and back, by their entry in the live table.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "inside.h"
#include "seal.h"

void
object_path(char dir[3], char name[64], const uint8_t uuid[UUID_LEN], uint64_t version)
{
	static const char hex[] = "0123456789abcdef";
	size_t at = 0;

	for (size_t i = 0; i < UUID_LEN; i++) {
		name[at++] = hex[uuid[i] >> 4];
		name[at++] = hex[uuid[i] & 15];
	}
	snprintf(name + at, 64 - at, ".%llu", (unsigned long long)version);
	memcpy(dir, name, 2);
	dir[2] = '\0';
}

static void
seal_id(struct seal_id *id, const struct token *t, const uint8_t *uuid, uint64_t version, bool private)
{
	memcpy(id->serial, t->serial, SERIAL_LEN);
	memcpy(id->key_id, t->header.key_id, sizeof(id->key_id));
	memcpy(id->uuid, uuid, UUID_LEN);
	id->version = version;
	id->private = private;
}

/* The key that seals this sort of object, copied so that no lock is held while it is used. */
static CK_RV
sealing_key(struct token *t, bool private, uint8_t key[KEY_LEN])
{
	CK_RV rv = CKR_OK;

	lock_take(&t->lock);
	if (!private)
		memcpy(key, t->public_key.data, KEY_LEN);
	else if (t->key.data != NULL)
		memcpy(key, t->key.data, KEY_LEN);
	else
		rv = why(CKR_USER_NOT_LOGGED_IN, "the token's key is not in memory");
	lock_give(&t->lock);
	return rv;
}

static CK_RV
being_changed(void)
{
	return why(CKR_OBJECT_HANDLE_INVALID, "the object is being changed by somebody else");
}

CK_RV
sealed_write(struct token *t, struct object *o, struct live_entry *e)
{
	uint8_t key[KEY_LEN];
	struct seal_id id;
	struct dir sub = {.fd = -1};
	char dir[3], name[64];
	struct buf file;
	CK_RV rv = sealing_key(t, o->private, key);

	if (rv != CKR_OK)
		return rv;
	buf_init(&file, SEAL_MAX_FILE);
	seal_id(&id, t, o->uuid, o->version, o->private);
	object_path(dir, name, o->uuid, o->version);
	rv = dir_open_at(&sub, &t->objects, dir, true);
	if (rv == CKR_OK && faccessat(sub.fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		rv = being_changed();
	if (rv == CKR_OK)
		rv = seal_object(&file, key, &id, &o->attrs);
	if (rv != CKR_OK)
		goto out;
	memset(e, 0, sizeof(*e));
	memcpy(e->uuid, o->uuid, UUID_LEN);
	e->version = o->version;
	e->private = o->private;
	e->length = (uint32_t)file.len;
	rv = kdf_sha256(e->hash, file.data, file.len);
	if (rv != CKR_OK)
		goto out;
	rv = file_write_new(&sub, name, file.data, file.len);
	if (rv == CKR_FUNCTION_REJECTED)
		rv = being_changed();
	if (rv == CKR_OK) {
		rv = dir_sync(&sub);
		if (rv != CKR_OK)
			file_remove(&sub, name);
	}
out:
	dir_close(&sub);
	buf_free(&file);
	wipe(key, sizeof(key));
	return rv;
}

/* The file's bytes, compared with length and hash of the entry: needs no token key. */
static CK_RV
read_verified(struct token *t, const struct live_entry *e, uint8_t **data, size_t *len, char path[128])
{
	uint8_t hash[32];
	struct dir sub = {.fd = -1};
	char dir[3], name[64];
	CK_RV rv;

	object_path(dir, name, e->uuid, e->version);
	snprintf(path, 128, "%s/objects/%s/%s", t->serial, dir, name);
	rv = dir_open_at(&sub, &t->objects, dir, false);
	if (rv == CKR_OK)
		rv = file_read(&sub, name, SEAL_MAX_FILE, data, len);
	if (rv == CKR_OBJECT_HANDLE_INVALID)
		rv = CKR_DEVICE_ERROR;
	if (rv == CKR_OK && *len != e->length)
		rv = why(CKR_DEVICE_ERROR, "%s is %zu bytes long, the log says %u", path, *len, e->length);
	if (rv == CKR_OK)
		rv = kdf_sha256(hash, *data, *len);
	if (rv == CKR_OK && memcmp(hash, e->hash, sizeof(hash)) != 0)
		rv = why(CKR_DEVICE_ERROR, "%s is not the file that the log names: its content was changed", path);
	dir_close(&sub);
	return rv;
}

CK_RV
sealed_verify(struct token *t, const struct live_entry *e)
{
	uint8_t *data = NULL;
	size_t len = 0;
	char path[128];
	CK_RV rv = read_verified(t, e, &data, &len, path);

	free(data);
	return rv;
}

CK_RV
sealed_read(struct token *t, const struct live_entry *e, struct attrs *attrs)
{
	uint8_t key[KEY_LEN], *data = NULL;
	char path[128], reason[256];
	struct seal_id id;
	size_t len = 0;
	CK_RV rv = sealing_key(t, e->private, key);

	if (rv == CKR_OK)
		rv = read_verified(t, e, &data, &len, path);
	if (rv != CKR_OK)
		goto out;
	seal_id(&id, t, e->uuid, e->version, e->private);
	rv = unseal_object(attrs, key, &id, data, len);
	if (rv != CKR_OK) {
		snprintf(reason, sizeof(reason), "%s", why_text());
		why(rv, "%s: %s", path, reason);
	} else if (attrs_bool(attrs, CKA_PRIVATE, true) != e->private || !attrs_bool(attrs, CKA_TOKEN, false)) {
		attrs_free(attrs);
		rv = why(CKR_DEVICE_ERROR, "%s: its attributes do not fit its place", path);
	}
out:
	free(data);
	wipe(key, sizeof(key));
	return rv;
}
