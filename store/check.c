/*
 * tokenfs check: verifies a vault or a copy of one, mounted or not, without writing and without its lock.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "vault.h"

struct check {
	struct vault *v;
	const struct check_hooks *hooks;
	struct check_report *r;
	struct token *t; /* at hand */
	bool wrong_pin;
	uint64_t done, total;
};

static void
bad(struct check *c, const char *file, const char *reason)
{
	c->r->problems++;
	if (c->hooks->bad != NULL)
		c->hooks->bad(c->hooks->arg, file, reason);
}

static void
note(struct check *c, const char *text)
{
	if (c->hooks->note != NULL)
		c->hooks->note(c->hooks->arg, text);
}

/* The user's key if a PIN is given: then private objects are opened, too. */
static void
ask_pin(struct check *c)
{
	struct token *t = c->t;
	uint8_t pin[PIN_MAX], key[KEY_LEN];
	struct token_info info;
	char file[64];
	size_t len = 0;
	CK_RV rv;

	if (c->hooks->pin == NULL || !t->header.pin[PIN_USER].set)
		return;
	token_info(t, &info);
	len = c->hooks->pin(c->hooks->arg, info.label, info.serial, pin);
	if (len == 0)
		return;
	snprintf(file, sizeof(file), "%s/" HEADER_NAME, t->serial);
	rv = pin_unwrap(key, &t->header.pin[PIN_USER], PIN_USER, &t->header, c->v->key.data, pin, len);
	if (rv == CKR_OK)
		rv = header_check_inner(&t->header, key);
	if (rv == CKR_PIN_INCORRECT)
		c->wrong_pin = true;
	else if (rv != CKR_OK)
		bad(c, file, why_text());
	else if (secret_copy(&t->key, key, KEY_LEN) != CKR_OK)
		bad(c, file, "out of memory");
	wipe(pin, sizeof(pin));
	wipe(key, sizeof(key));
}

static void
check_object(struct check *c, const struct live_entry *e)
{
	struct token *t = c->t;
	struct attrs attrs = {0};
	char dir[3], name[64], path[128];
	bool sealed = e->private && t->key.data == NULL;
	CK_RV rv = sealed ? sealed_verify(t, e) : sealed_read(t, e, &attrs);

	object_path(dir, name, e->uuid, e->version);
	snprintf(path, sizeof(path), "%s/objects/%s/%s", t->serial, dir, name);
	if (rv != CKR_OK)
		bad(c, path, why_text());
	else if (sealed)
		c->r->objects_sealed++;
	else
		c->r->objects_opened++;
	c->r->files++;
	c->r->bytes += e->length;
	attrs_free(&attrs);
	if (c->hooks->progress != NULL)
		c->hooks->progress(c->hooks->arg, ++c->done, c->total);
}

static void
check_objects(struct check *c, const struct live *live)
{
	const struct live_entry *e;
	size_t i = 0;

	c->total += live->n;
	while (!c->r->stop && (e = live_next(live, &i)) != NULL)
		check_object(c, e);
}

static CK_RV
strange_file(void *arg, const char *name)
{
	struct check *c = arg;
	char path[600];

	if (strcmp(name, HEADER_NAME) == 0 || strcmp(name, LOG_DIR) == 0 || strcmp(name, "objects") == 0 ||
		strncmp(name, ".new-", 5) == 0)
		return CKR_OK;
	snprintf(path, sizeof(path), "%s/%s", c->t->serial, name);
	bad(c, path, "it does not belong in a token's directory");
	return CKR_OK;
}

static CK_RV
strange_segment(void *arg, const char *name)
{
	struct check *c = arg;
	char path[600];

	if (strlen(name) == 8 && strspn(name, "0123456789abcdef") == 8)
		return CKR_OK;
	snprintf(path, sizeof(path), "%s/" LOG_DIR "/%s", c->t->serial, name);
	bad(c, path, "it does not belong in a log");
	return CKR_OK;
}

/* A directory below objects/, and who calls. */
struct folder {
	struct check *c;
	const char *name;
};

static CK_RV
strange_object(void *arg, const char *name)
{
	struct folder *f = arg;
	uint8_t uuid[UUID_LEN];
	char path[600];
	uint64_t version;

	if ((object_name(name, uuid, &version) && strncmp(name, f->name, 2) == 0) || strncmp(name, ".new-", 5) == 0)
		return CKR_OK;
	snprintf(path, sizeof(path), "%s/objects/%s/%s", f->c->t->serial, f->name, name);
	bad(f->c, path, "it does not belong among the objects");
	return CKR_OK;
}

static CK_RV
strange_folder(void *arg, const char *name)
{
	struct folder f = {arg, name};
	struct dir sub = {.fd = -1};
	char path[600];
	CK_RV rv = CKR_DEVICE_ERROR;

	if (strlen(name) == 2 && strspn(name, "0123456789abcdef") == 2)
		rv = dir_open_at(&sub, &f.c->t->objects, name, false);
	if (rv == CKR_OK)
		rv = dir_each(&sub, strange_object, &f);
	dir_close(&sub);
	if (rv == CKR_OK)
		return CKR_OK;
	snprintf(path, sizeof(path), "%s/objects/%s", f.c->t->serial, name);
	bad(f.c, path, "it does not belong among the objects");
	return CKR_OK;
}

static void
check_token(struct check *c)
{
	struct token *t = c->t;
	struct live live = {0};
	struct finding f;
	char text[256];
	CK_RV rv = token_examine(t, &live, &f);

	c->r->files += 2;
	if (rv != CKR_OK) {
		bad(c, t->serial, why_text());
		goto out;
	}
	if (f.state == TOKEN_ROLLED_BACK)
		bad(c, t->serial, f.reason);
	if (f.log.torn > 0 && f.log.stop_epoch == 0) {
		snprintf(text, sizeof(text), "token %s: the log ends in %zu bytes of a commit that was never "
			"acknowledged; they count for nothing", t->serial, f.log.torn);
		note(c, text);
	}
	if (f.log.stop_epoch != 0) {
		snprintf(text, sizeof(text), "token %s: the last commits came after this copy began; it stands at "
			"epoch %llu", t->serial, (unsigned long long)t->log.at.epoch);
		note(c, text);
	}
	dir_each(&t->dir, strange_file, c);
	dir_each(&t->log.dir, strange_segment, c);
	dir_each(&t->objects, strange_folder, c);
	ask_pin(c);
	check_objects(c, &live);
out:
	live_free(&live);
}

static CK_RV
meet(void *arg, const char *name)
{
	struct check *c = arg;
	struct stat st;
	CK_RV rv;

	if (strcmp(name, VAULT_FILE) == 0 || c->r->stop)
		return CKR_OK;
	if (strncmp(name, ".new-", 5) == 0 || strncmp(name, ".old-", 5) == 0) {
		note(c, "a token that was being made or deleted lies about; the next mount removes it");
		return CKR_OK;
	}
	if (!is_serial(name) || fstatat(c->v->dir.fd, name, &st, 0) != 0 || !S_ISDIR(st.st_mode)) {
		bad(c, name, "it does not belong in a vault");
		return CKR_OK;
	}
	rv = token_new(c->v, name, &c->t);
	if (rv != CKR_OK)
		return rv;
	check_token(c);
	token_put(c->t);
	c->t = NULL;
	return CKR_OK;
}

CK_RV
vault_check(const struct vault_config *cfg, const struct check_hooks *hooks, struct check_report *r)
{
	struct vault *v = calloc(1, sizeof(*v));
	struct check c = {.v = v, .hooks = hooks, .r = r};
	struct stat st;
	CK_RV rv;

	if (v == NULL)
		return CKR_HOST_MEMORY;
	memset(r, 0, sizeof(*r));
	v->dir.fd = v->lock_fd = -1;
	lock_init(&v->lock);
	rv = vault_config_copy(v, cfg);
	v->cfg.read_only = true;
	if (rv == CKR_OK)
		rv = dir_open(&v->dir, v->cfg.vault);
	if (rv == CKR_OK)
		rv = vault_load_key(v);
	if (rv == CKR_OK && v->cfg.state != NULL && stat(v->cfg.state, &st) == 0)
		rv = vault_open_state(v, true);
	if (rv == CKR_OK)
		rv = dir_each(&v->dir, meet, &c);
	if (rv == CKR_OK && c.wrong_pin)
		rv = why(CKR_PIN_INCORRECT, "the PIN given does not open the token");
	vault_close(v);
	return rv;
}
