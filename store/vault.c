/*
 * The vault: its directory, its lock, its key, the list of its tokens.
 */
#include "vault.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "inside.h"

/* ---- opening and closing ------------------------------------------------------------------- */

CK_RV
vault_config_copy(struct vault *v, const struct vault_config *cfg)
{
	const char *from[3] = {cfg->vault, cfg->state, cfg->key_file};

	v->cfg = *cfg;
	for (int i = 0; i < 3; i++) {
		v->strings[i] = from[i] != NULL ? strdup(from[i]) : NULL;
		if (from[i] != NULL && v->strings[i] == NULL)
			return CKR_HOST_MEMORY;
	}
	v->cfg.vault = v->strings[0];
	v->cfg.state = v->strings[1];
	v->cfg.key_file = v->strings[2];
	return CKR_OK;
}

/* The pid that holds a lock on this file, from /proc/locks; 0 if it cannot be told. */
static int
lock_holder(int fd)
{
	char line[256], *colon;
	struct stat st;
	int holder = 0;
	FILE *f;

	if (fstat(fd, &st) != 0 || (f = fopen("/proc/locks", "re")) == NULL)
		return 0;
	while (holder == 0 && fgets(line, sizeof(line), f) != NULL) {
		int pid;
		unsigned major_, minor_;
		unsigned long ino;

		colon = strstr(line, "FLOCK");
		if (colon != NULL && sscanf(colon, "FLOCK %*s %*s %d %x:%x:%lu", &pid, &major_, &minor_, &ino) == 4 &&
			ino == (unsigned long)st.st_ino && major_ == major(st.st_dev) &&
			minor_ == minor(st.st_dev))
			holder = pid;
	}
	fclose(f);
	return holder;
}

static CK_RV
take_lock(struct vault *v)
{
	CK_RV rv = file_open(&v->dir, VAULT_FILE, false, &v->lock_fd, NULL);

	if (rv == CKR_OBJECT_HANDLE_INVALID)
		return why(CKR_DEVICE_ERROR, "%s is no vault: it has no file named " VAULT_FILE, v->dir.path);
	if (rv != CKR_OK)
		return rv;
	if (flock(v->lock_fd, LOCK_EX | LOCK_NB) != 0)
		return why(CKR_CRYPTOKI_ALREADY_INITIALIZED, "the vault %s is in use by process %d", v->dir.path,
			lock_holder(v->lock_fd));
	return CKR_OK;
}

CK_RV
vault_open_state(struct vault *v, bool read_only)
{
	uint8_t key[KEY_LEN];
	CK_RV rv = kdf_hkdf(key, KEY_LEN, v->key.data, KEY_LEN, NULL, 0, "tokenfs state 1", v->id, strlen(v->id));

	if (rv == CKR_OK && !read_only && mkdir(v->cfg.state, 0700) != 0 && errno != EEXIST)
		rv = why_errno("cannot make the state directory %s", v->cfg.state);
	if (rv == CKR_OK)
		rv = state_open(&v->state, v->cfg.state, key, read_only);
	wipe(key, sizeof(key));
	return rv;
}

CK_RV
vault_open(struct vault **out, const struct vault_config *cfg)
{
	struct vault *v = calloc(1, sizeof(*v));
	CK_RV rv;

	if (v == NULL)
		return CKR_HOST_MEMORY;
	v->dir.fd = v->lock_fd = -1;
	lock_init(&v->lock);
	rv = vault_config_copy(v, cfg);
	if (rv == CKR_OK)
		rv = dir_open(&v->dir, v->cfg.vault);
	if (rv == CKR_OK)
		rv = take_lock(v);
	if (rv == CKR_OK)
		rv = vault_load_key(v);
	if (rv == CKR_OK)
		rv = vault_open_state(v, false);
	if (rv == CKR_OK)
		rv = vault_reload(v);
	if (rv != CKR_OK) {
		vault_close(v);
		return rv;
	}
	*out = v;
	return CKR_OK;
}

void
vault_close(struct vault *v)
{
	struct token *t;

	if (v == NULL)
		return;
	while ((t = v->tokens) != NULL) {
		v->tokens = t->next;
		token_key_drop(t);
		token_put(t);
	}
	state_close(v->state);
	secret_clear(&v->key);
	if (v->lock_fd >= 0)
		close(v->lock_fd);
	dir_close(&v->dir);
	for (int i = 0; i < 3; i++)
		free(v->strings[i]);
	free(v);
}

bool
vault_read_only(const struct vault *v)
{
	return v->cfg.read_only;
}

uint64_t
vault_generation(struct vault *v)
{
	return atomic_load(&v->generation);
}

/* ---- the list of tokens --------------------------------------------------------------------- */

void
vault_insert(struct vault *v, struct token *t)
{
	struct token **p = &v->tokens;

	assert_held(&v->lock);
	while (*p != NULL && (*p)->slot < t->slot)
		p = &(*p)->next;
	t->next = *p;
	*p = t;
}

void
vault_remove(struct vault *v, struct token *t)
{
	struct token **p = &v->tokens;

	assert_held(&v->lock);
	while (*p != NULL && *p != t)
		p = &(*p)->next;
	if (*p == NULL)
		return;
	*p = t->next;
	lock_take(&t->lock);
	t->gone = true;
	lock_give(&t->lock);
	token_put(t);
}

void
vault_note(struct vault *v)
{
	struct stat st;

	assert_held(&v->lock);
	if (fstat(v->dir.fd, &st) == 0)
		v->seen = st;
	atomic_fetch_add(&v->generation, 1);
}

static struct token *
by_slot(struct vault *v, CK_SLOT_ID slot)
{
	struct token *t;

	assert_held(&v->lock);
	for (t = v->tokens; t != NULL && t->slot != slot; t = t->next)
		;
	return t;
}

static struct token *
by_serial(struct vault *v, const char *serial)
{
	struct token *t;

	for (t = v->tokens; t != NULL && strcmp(t->serial, serial) != 0; t = t->next)
		;
	return t;
}

/* The lowest number that no token has. */
static CK_SLOT_ID
spare_slot(struct vault *v)
{
	CK_SLOT_ID slot = 0;

	while (by_slot(v, slot) != NULL)
		slot++;
	return slot;
}

CK_RV
token_get(struct vault *v, CK_SLOT_ID slot, struct token **out)
{
	struct token *t;
	CK_RV rv = CKR_SLOT_ID_INVALID;

	lock_take(&v->lock);
	t = by_slot(v, slot);
	if (t != NULL) {
		atomic_fetch_add(&t->refs, 1);
		*out = t;
		rv = CKR_OK;
	} else if (v->cfg.spare_slot && slot == spare_slot(v)) {
		rv = CKR_TOKEN_NOT_RECOGNIZED;
	}
	lock_give(&v->lock);
	return rv;
}

CK_RV
vault_slots(struct vault *v, struct slot_info **slots, size_t *n)
{
	struct slot_info *s;
	struct token *t;
	size_t count = 1;

	lock_take(&v->lock);
	for (t = v->tokens; t != NULL; t = t->next)
		count++;
	s = calloc(count, sizeof(*s));
	if (s == NULL) {
		lock_give(&v->lock);
		return CKR_HOST_MEMORY;
	}
	*n = 0;
	for (t = v->tokens; t != NULL; t = t->next) {
		s[*n].id = t->slot;
		s[(*n)++].initialized = true;
	}
	if (v->cfg.spare_slot) {
		CK_SLOT_ID spare = spare_slot(v);
		size_t at = *n;

		while (at > 0 && s[at - 1].id > spare) {
			s[at] = s[at - 1];
			at--;
		}
		s[at].id = spare;
		s[at].initialized = false;
		(*n)++;
	}
	lock_give(&v->lock);
	*slots = s;
	return CKR_OK;
}

/* ---- looking at the tree again ---------------------------------------------------------------- */

/* Two directories may claim one slot after a restore; the later one moves up, until its header is written. */
static void
settle_slot(struct vault *v, struct token *t)
{
	if (by_slot(v, t->slot) == NULL)
		return;
	lock_take(&t->lock);
	t->slot = spare_slot(v);
	lock_give(&t->lock);
	why_log(WHY_WARNING, "token %s: its slot is taken; it stands in slot %lu until the next start", t->serial,
		t->slot);
}

static bool
token_is(struct token *t, enum token_state state)
{
	bool is;

	lock_take(&t->lock);
	is = t->state == state;
	lock_give(&t->lock);
	return is;
}

static CK_RV
meet(void *arg, const char *name)
{
	struct vault *v = arg;
	struct token *t = by_serial(v, name);
	CK_RV rv;

	if (strncmp(name, ".new-", 5) == 0 || strncmp(name, ".old-", 5) == 0) {
		if (!v->cfg.read_only && file_remove_tree(&v->dir, name) != CKR_OK)
			why_log(WHY_WARNING, "%s", why_text());
		return CKR_OK;
	}
	if (!is_serial(name))
		return CKR_OK;
	if (t != NULL) {
		if (token_is(t, TOKEN_DAMAGED) || !token_in_place(t))
			token_reload(t);
		return CKR_OK;
	}
	rv = token_new(v, name, &t);
	if (rv != CKR_OK)
		return rv;
	token_load(t);
	settle_slot(v, t);
	vault_insert(v, t);
	return CKR_OK;
}

CK_RV
vault_reload(struct vault *v)
{
	struct token *t, *next;
	struct stat st;
	CK_RV rv;

	lock_take(&v->lock);
	rv = dir_each(&v->dir, meet, v);
	for (t = v->tokens; t != NULL; t = next) {
		next = t->next;
		if (fstatat(v->dir.fd, t->serial, &st, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT)
			continue;
		why_log(WHY_WARNING, "token %s is no longer in the vault", t->serial);
		token_key_drop(t);
		vault_remove(v, t);
	}
	vault_note(v);
	lock_give(&v->lock);
	return rv;
}

/* What is retired and has had its time goes. */
static void
sweep(struct token *t)
{
	int64_t now = (int64_t)time(NULL);

	if (!token_is(t, TOKEN_OK) || t->cut)
		return;
	pthread_rwlock_rdlock(&t->files);
	retired_sweep(t, now);
	pthread_rwlock_unlock(&t->files);
	lock_take(&t->commit);
	journal_sweep(&t->log, now - (int64_t)t->vault->cfg.retire_grace);
	lock_give(&t->commit);
}

void
vault_tick(struct vault *v)
{
	struct stat st;
	struct token *t;
	bool changed;

	lock_take(&v->lock);
	changed = fstat(v->dir.fd, &st) == 0 &&
		(st.st_mtim.tv_sec != v->seen.st_mtim.tv_sec || st.st_mtim.tv_nsec != v->seen.st_mtim.tv_nsec);
	for (t = v->tokens; t != NULL; t = t->next) {
		if (!token_in_place(t))
			changed = true; /* and nothing may be removed from what was put there */
		else if (!v->cfg.read_only)
			sweep(t);
	}
	lock_give(&v->lock);
	if (changed && vault_reload(v) != CKR_OK)
		why_log(WHY_ERROR, "the vault cannot be read again: %s", why_text());
}

CK_RV
token_reload(struct token *t)
{
	uint8_t key_id[16];
	bool keep;

	why_log(WHY_NOTICE, "token %s: the vault's files changed, reading them again", t->serial);
	lock_take(&t->login);
	lock_take(&t->commit);
	lock_take(&t->sync);
	token_settle(t);
	pthread_rwlock_wrlock(&t->files);
	memcpy(key_id, t->header.key_id, sizeof(key_id));
	token_unload(t);
	token_load(t);
	pthread_rwlock_unlock(&t->files);
	keep = t->state != TOKEN_DAMAGED && memcmp(key_id, t->header.key_id, sizeof(key_id)) == 0;
	pthread_cond_broadcast(&t->synced_cond);
	lock_give(&t->sync);
	lock_give(&t->commit);
	if (!keep)
		token_key_wiped(t);
	lock_give(&t->login);
	atomic_fetch_add(&t->vault->generation, 1);
	return CKR_OK;
}

CK_RV
header_install(struct token *t, const struct header *h, const uint8_t key[KEY_LEN])
{
	struct header next = *h;
	struct stat st;
	CK_RV rv;

	lock_take(&t->commit); /* whoever compares with the disk waits */
	rv = header_write(&next, &t->dir, &t->mac, key);
	lock_take(&t->lock);
	if (rv == CKR_OK) {
		t->header = next;
		if (fstatat(t->dir.fd, HEADER_NAME, &st, AT_SYMLINK_NOFOLLOW) == 0)
			t->head_stat = st;
	}
	lock_give(&t->lock);
	if (rv == CKR_OK)
		rv = remember_header(t); /* `commit` keeps the header what it is */
	lock_give(&t->commit);
	return rv;
}

/* ---- audit ------------------------------------------------------------------------------------ */

CK_RV
vault_audit(struct vault *v, const struct audit_event *e)
{
	return state_audit_add(v->state, e);
}

CK_RV
vault_audit_read(struct vault *v, uint64_t after, size_t max, bool (*each)(void *arg, const struct audit_event *e),
	void *arg, bool *intact)
{
	return state_audit_read(v->state, after, max, each, arg, intact);
}
