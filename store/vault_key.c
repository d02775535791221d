/*
 * VAULT and the vault key: making a vault, reading its key, taking the key out and in.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vault.h"

#define VAULT_MAX 4096
#define EXPORT_HEAD "tokenfs-vault-key-1:"

static void
to_hex(char *out, const uint8_t *in, size_t n)
{
	for (size_t i = 0; i < n; i++)
		snprintf(out + 2 * i, 3, "%02x", in[i]);
}

static CK_RV
fingerprint(const uint8_t key[KEY_LEN], char out[FINGERPRINT_LEN + 1])
{
	uint8_t f[FINGERPRINT_LEN / 2];
	CK_RV rv = kdf_hkdf(f, sizeof(f), key, KEY_LEN, NULL, 0, "tokenfs vault key fingerprint 1", NULL, 0);

	to_hex(out, f, sizeof(f));
	return rv;
}

bool
vault_exists(const char *dir)
{
	char path[600];
	struct stat st;

	snprintf(path, sizeof(path), "%s/" VAULT_FILE, dir);
	return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

/* ---- making ---------------------------------------------------------------------------------- */

static CK_RV
count_entry(void *arg, const char *name)
{
	(void)name;
	++*(size_t *)arg;
	return CKR_OK;
}

static CK_RV
make_directory(const char *path)
{
	if (mkdir(path, 0700) != 0 && errno != EEXIST)
		return why_errno("cannot make the directory %s", path);
	return CKR_OK;
}

static CK_RV
write_vault_file(const struct dir *dir, const char *print)
{
	char text[256], id[33];
	uint8_t r[16];
	CK_RV rv = kdf_random(r, sizeof(r));

	if (rv != CKR_OK)
		return rv;
	to_hex(id, r, sizeof(r));
	snprintf(text, sizeof(text), "tokenfs vault\nformat 1\nid %s\nkey %s\n", id, print);
	rv = file_write_new(dir, VAULT_FILE, text, strlen(text));
	return rv == CKR_OK ? dir_sync(dir) : rv;
}

/* Is `path` the vault itself or below it? Then a backup of the vault would hold it. */
static bool
inside_vault(const struct vault_config *cfg, const char *path)
{
	size_t n = strlen(cfg->vault);

	return path != NULL && strncmp(path, cfg->vault, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

CK_RV
vault_init(const struct vault_config *cfg, bool without_key_file)
{
	struct dir dir = {.fd = -1};
	char print[FINGERPRINT_LEN + 1] = "none";
	uint8_t key[KEY_LEN];
	struct stat st;
	size_t n = 0;
	CK_RV rv;

	if (inside_vault(cfg, cfg->state) || (!without_key_file && inside_vault(cfg, cfg->key_file)))
		return why(CKR_FUNCTION_REJECTED, "state and key_file must not lie inside the vault %s: backups of "
			"it would hold them", cfg->vault);
	if (!without_key_file && lstat(cfg->key_file, &st) == 0)
		return why(CKR_FUNCTION_REJECTED, "%s exists: it may be the key of another vault; give another "
			"key_file, or move it away", cfg->key_file);
	rv = make_directory(cfg->vault);
	if (rv == CKR_OK)
		rv = make_directory(cfg->state);
	if (rv == CKR_OK)
		rv = dir_open(&dir, cfg->vault);
	if (rv == CKR_OK)
		rv = dir_each(&dir, count_entry, &n);
	if (rv == CKR_OK && n != 0)
		rv = why(CKR_FUNCTION_REJECTED, "%s is not empty%s", cfg->vault,
			vault_exists(cfg->vault) ? ": there is a vault already" : "");
	if (rv == CKR_OK)
		rv = kdf_random(key, sizeof(key));
	if (rv == CKR_OK && !without_key_file) {
		rv = fingerprint(key, print);
		if (rv == CKR_OK)
			rv = file_write_path(cfg->key_file, key, sizeof(key));
	}
	if (rv == CKR_OK) {
		rv = write_vault_file(&dir, print);
		/* It is the key of nothing, and would be in the way of the next try. */
		if (rv != CKR_OK && !without_key_file)
			unlink(cfg->key_file);
	}
	dir_close(&dir);
	wipe(key, sizeof(key));
	return rv;
}

/* ---- reading --------------------------------------------------------------------------------- */

static bool
take_line(const char **p, const char *word, char *value, size_t value_len)
{
	size_t n = strlen(word), len;

	if (strncmp(*p, word, n) != 0)
		return false;
	len = strcspn(*p + n, "\n");
	if (len >= value_len || (*p)[n + len] != '\n')
		return false;
	memcpy(value, *p + n, len);
	value[len] = '\0';
	*p += n + len + 1;
	return true;
}

/* id and fingerprint ("none" without key file) as VAULT gives them. */
static CK_RV
read_vault_file(const struct dir *dir, char id[33], char print[FINGERPRINT_LEN + 1])
{
	char text[VAULT_MAX + 1], format[16];
	const char *p = text;
	uint8_t *data = NULL;
	size_t len = 0;
	CK_RV rv = file_read(dir, VAULT_FILE, VAULT_MAX, &data, &len);

	if (rv != CKR_OK)
		return rv == CKR_OBJECT_HANDLE_INVALID
			       ? why(CKR_DEVICE_ERROR, "%s is no vault: it has no file named " VAULT_FILE, dir->path)
			       : rv;
	memcpy(text, data, len);
	text[len] = '\0';
	free(data);
	if (strlen(text) != len || !take_line(&p, "tokenfs vault", format, 1) ||
		!take_line(&p, "format ", format, sizeof(format)))
		return why(CKR_DEVICE_ERROR, "%s/" VAULT_FILE " is not the file of a tokenfs vault", dir->path);
	if (strcmp(format, "1") != 0)
		return why(CKR_DEVICE_ERROR, "%s/" VAULT_FILE ": format %s is not known to this version", dir->path,
			format);
	if (!take_line(&p, "id ", id, 33) || !take_line(&p, "key ", print, FINGERPRINT_LEN + 1) || *p != '\0' ||
		strspn(id, "0123456789abcdef") != 32 ||
		(strcmp(print, "none") != 0 && strspn(print, "0123456789abcdef") != FINGERPRINT_LEN))
		return why(CKR_DEVICE_ERROR, "%s/" VAULT_FILE " is damaged: expected lines `id` and `key`", dir->path);
	return CKR_OK;
}

static CK_RV
read_key_file(const char *path, uint8_t key[KEY_LEN], const char *print)
{
	char got[FINGERPRINT_LEN + 1];
	uint8_t *data = NULL;
	size_t len = 0;
	CK_RV rv = file_read_path(path, KEY_LEN, &data, &len);

	if (rv == CKR_OBJECT_HANDLE_INVALID)
		return why(CKR_DEVICE_ERROR,
			"the key file %s is missing; bring it back with: tokenfs vault-key import FILE", path);
	if (rv != CKR_OK)
		return rv;
	if (len == KEY_LEN)
		memcpy(key, data, KEY_LEN);
	else
		rv = why(CKR_DEVICE_ERROR, "the key file %s is %zu bytes long, not %d", path, len, KEY_LEN);
	wipe(data, len);
	free(data);
	if (rv == CKR_OK)
		rv = fingerprint(key, got);
	if (rv == CKR_OK && strcmp(got, print) != 0)
		rv = why(CKR_DEVICE_ERROR, "the key file %s (%s) is not that of this vault (%s)", path, got, print);
	return rv;
}

CK_RV
vault_load_key(struct vault *v)
{
	char print[FINGERPRINT_LEN + 1];
	uint8_t key[KEY_LEN] = {0};
	CK_RV rv = read_vault_file(&v->dir, v->id, print);

	v->without_key_file = strcmp(print, "none") == 0;
	if (rv == CKR_OK && !v->without_key_file)
		rv = read_key_file(v->cfg.key_file, key, print);
	if (rv == CKR_OK)
		rv = secret_copy(&v->key, key, KEY_LEN);
	wipe(key, sizeof(key));
	return rv;
}

static CK_RV
vault_print(const struct vault_config *cfg, char print[FINGERPRINT_LEN + 1])
{
	struct dir dir;
	char id[33];
	CK_RV rv = dir_open(&dir, cfg->vault);

	if (rv == CKR_OK)
		rv = read_vault_file(&dir, id, print);
	dir_close(&dir);
	return rv;
}

CK_RV
vault_fingerprint(const struct vault_config *cfg, char out[33])
{
	return vault_print(cfg, out);
}

/* ---- the key as text --------------------------------------------------------------------------- */

/* 8 hex digits over the key's 64, so that a slip of the pen is told from a wrong key. */
static CK_RV
check_sum(const char hex[2 * KEY_LEN], char out[9])
{
	uint8_t hash[32];
	CK_RV rv = kdf_sha256(hash, hex, 2 * KEY_LEN);

	to_hex(out, hash, 4);
	return rv;
}

CK_RV
vault_key_export(const struct vault_config *cfg, char text[128])
{
	char print[FINGERPRINT_LEN + 1], hex[2 * KEY_LEN + 1], sum[9];
	uint8_t key[KEY_LEN];
	CK_RV rv = vault_print(cfg, print);

	if (rv == CKR_OK && strcmp(print, "none") == 0)
		return why(CKR_FUNCTION_REJECTED, "this vault has no key file");
	if (rv == CKR_OK)
		rv = read_key_file(cfg->key_file, key, print);
	if (rv == CKR_OK) {
		to_hex(hex, key, KEY_LEN);
		rv = check_sum(hex, sum);
	}
	if (rv == CKR_OK)
		snprintf(text, 128, EXPORT_HEAD "%s-%s", hex, sum);
	wipe(key, sizeof(key));
	wipe(hex, sizeof(hex));
	return rv;
}

static CK_RV
parse_export(const char *text, uint8_t key[KEY_LEN])
{
	char hex[2 * KEY_LEN + 1], sum[9];
	size_t head = strlen(EXPORT_HEAD);
	CK_RV rv;

	if (strncmp(text, EXPORT_HEAD, head) != 0 || strlen(text) != head + 2 * KEY_LEN + 1 + 8 ||
		text[head + 2 * KEY_LEN] != '-')
		return why(CKR_ARGUMENTS_BAD, "this is not an exported vault key (" EXPORT_HEAD "...)");
	for (size_t i = 0; i < 2 * KEY_LEN; i++)
		hex[i] = (char)tolower((unsigned char)text[head + i]);
	hex[2 * KEY_LEN] = '\0';
	rv = check_sum(hex, sum);
	if (rv == CKR_OK && strncasecmp(sum, text + head + 2 * KEY_LEN + 1, 8) != 0)
		rv = why(CKR_ARGUMENTS_BAD, "the vault key's check sum does not match: a digit is wrong");
	for (size_t i = 0; rv == CKR_OK && i < KEY_LEN; i++) {
		unsigned byte;

		if (sscanf(hex + 2 * i, "%2x", &byte) != 1)
			rv = why(CKR_ARGUMENTS_BAD, "the vault key holds something that is no hex digit");
		else
			key[i] = (uint8_t)byte;
	}
	wipe(hex, sizeof(hex));
	return rv;
}

CK_RV
vault_key_import(const struct vault_config *cfg, const char *text)
{
	char print[FINGERPRINT_LEN + 1], got[FINGERPRINT_LEN + 1];
	uint8_t key[KEY_LEN];
	CK_RV rv = parse_export(text, key);

	if (rv == CKR_OK)
		rv = vault_print(cfg, print);
	if (rv == CKR_OK)
		rv = fingerprint(key, got);
	if (rv == CKR_OK && strcmp(got, print) != 0)
		rv = why(CKR_ARGUMENTS_BAD, "this key (%s) is not that of the vault %s (%s)", got, cfg->vault, print);
	if (rv == CKR_OK)
		rv = file_write_path(cfg->key_file, key, sizeof(key));
	wipe(key, sizeof(key));
	return rv;
}
