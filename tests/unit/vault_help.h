/*
 * vault_help.h - a scratch vault for tests: made, filled, copied, tampered with, removed
 *
 * Use:        scratch_open(&s); v = scratch_vault(&s, "state"); scratch_token(v, 0); ... scratch_remove(&s)
 */
#ifndef TOKENFS_VAULT_HELP_H
#define TOKENFS_VAULT_HELP_H

#include "unit.h"

#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../store/secret.h"
#include "../../store/token.h"
#include "../../store/why.h"

#define SO_PIN "so-pin-0000"
#define USER_PIN "user-1234"

struct scratch {
	char base[64], vault[96], key[96], state[128];
	unsigned grace;
};

static inline void
scratch_open(struct scratch *s)
{
	CHECK_RV(CKR_OK, secret_start());
	umask(077);
	memset(s, 0, sizeof(*s));
	/* In memory if there is such a place: what is tested here is not the disk. */
	snprintf(s->base, sizeof(s->base), "%s/tokenfs-test-XXXXXX",
		access("/dev/shm", W_OK | X_OK) == 0 ? "/dev/shm" : "/tmp");
	CHECK(mkdtemp(s->base) != NULL);
	snprintf(s->vault, sizeof(s->vault), "%s/vault", s->base);
	snprintf(s->key, sizeof(s->key), "%s/vault.key", s->base);
	s->grace = 3600;
}

/* state: a name below the scratch directory; another name is another machine. NULL: none. */
static inline struct vault_config
scratch_config(struct scratch *s, const char *state)
{
	struct vault_config c = {.vault = s->vault, .key_file = s->key, .retire_grace = s->grace, .pin_tries = 100,
		.spare_slot = true};

	if (state != NULL) {
		snprintf(s->state, sizeof(s->state), "%s/%s", s->base, state);
		c.state = s->state;
	}
	return c;
}

static inline struct vault *
scratch_vault(struct scratch *s, const char *state)
{
	struct vault_config c = scratch_config(s, state);
	struct vault *v = NULL;

	if (!vault_exists(s->vault))
		CHECK_RV(CKR_OK, vault_init(&c, false));
	CHECK_RV(CKR_OK, vault_open(&v, &c));
	if (v == NULL) {
		fprintf(stderr, "vault_open: %s\n", why_text());
		exit(1);
	}
	return v;
}

static _Thread_local uint64_t hold; /* of this thread's last login */

/* A token with both PINs in this slot; a reference. */
static inline struct token *
scratch_token(struct vault *v, CK_SLOT_ID slot)
{
	struct token *t = NULL;
	uint8_t label[LABEL_LEN];

	memset(label, ' ', sizeof(label));
	memcpy(label, "test", 4);
	CHECK_RV(CKR_OK, token_init(v, slot, (const uint8_t *)SO_PIN, strlen(SO_PIN), label));
	CHECK_RV(CKR_OK, token_get(v, slot, &t));
	CHECK_RV(CKR_OK, token_login(t, CKU_SO, (const uint8_t *)SO_PIN, strlen(SO_PIN), &hold));
	CHECK_RV(CKR_OK, token_init_pin(t, (const uint8_t *)USER_PIN, strlen(USER_PIN)));
	token_logout(t, hold);
	return t;
}

static inline CK_RV
scratch_login(struct token *t)
{
	return token_login(t, CKU_USER, (const uint8_t *)USER_PIN, strlen(USER_PIN), &hold);
}

static inline struct object *
data_object(const char *label, const char *value, bool private)
{
	struct attrs a = {0};
	struct object *o = NULL;

	attrs_set_ulong(&a, CKA_CLASS, CKO_DATA);
	attrs_set_bool(&a, CKA_TOKEN, true);
	attrs_set_bool(&a, CKA_PRIVATE, private);
	attrs_set(&a, CKA_LABEL, label, strlen(label));
	attrs_set(&a, CKA_VALUE, value, strlen(value));
	if (object_new(&o, &a) != CKR_OK)
		abort();
	attrs_free(&a);
	return o;
}

/* The next version of an object, with another label. */
static inline struct object *
next_version(const struct object *o, const char *label)
{
	struct attrs a = {0};
	struct object *next = NULL;

	if (attrs_copy(&a, &o->attrs) != CKR_OK || attrs_set(&a, CKA_LABEL, label, strlen(label)) != CKR_OK ||
		object_new(&next, &a) != CKR_OK)
		abort();
	memcpy(next->uuid, o->uuid, UUID_LEN);
	next->version = o->version + 1;
	next->handle = o->handle;
	attrs_free(&a);
	return next;
}

static inline bool
attr_is(const struct attrs *a, CK_ATTRIBUTE_TYPE type, const char *text)
{
	const struct attr *x = attrs_get(a, type);

	return x != NULL && x->len == strlen(text) && memcmp(x->value, text, x->len) == 0;
}

static inline size_t
find_label(struct token *t, const char *label, bool with_private, CK_OBJECT_HANDLE *first)
{
	struct attrs templ = {0};
	CK_OBJECT_HANDLE *h = NULL;
	size_t n = 0;

	if (label != NULL)
		attrs_set(&templ, CKA_LABEL, label, strlen(label));
	CHECK_RV(CKR_OK, token_find(t, &templ, with_private, &h, &n));
	if (first != NULL)
		*first = n > 0 ? h[0] : 0;
	free(h);
	attrs_free(&templ);
	return n;
}

/* ---- files ---------------------------------------------------------------------------------- */

static inline __attribute__((format(printf, 1, 2))) void
shell(const char *fmt, ...)
{
	char cmd[2048];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(cmd, sizeof(cmd), fmt, ap);
	va_end(ap);
	CHECK(system(cmd) == 0);
}

static inline uint8_t *
slurp(const char *path, size_t *len)
{
	uint8_t *p = NULL;
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st) != 0 || (p = malloc((size_t)st.st_size + 1)) == NULL ||
		read(fd, p, (size_t)st.st_size) != st.st_size) {
		fprintf(stderr, "cannot read %s\n", path);
		abort();
	}
	close(fd);
	*len = (size_t)st.st_size;
	return p;
}

static inline void
spill(const char *path, const void *data, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || write(fd, data, len) != (ssize_t)len) {
		fprintf(stderr, "cannot write %s\n", path);
		abort();
	}
	close(fd);
}

/* The one file that fits the pattern (below the scratch directory); the last one if there are more. */
static inline void
the_file(char *out, size_t size, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static inline void
the_file(char *out, size_t size, const char *fmt, ...)
{
	char pattern[512];
	glob_t g = {0};
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(pattern, sizeof(pattern), fmt, ap);
	va_end(ap);
	if (glob(pattern, 0, NULL, &g) != 0 || g.gl_pathc == 0) {
		fprintf(stderr, "no file fits %s\n", pattern);
		abort();
	}
	snprintf(out, size, "%s", g.gl_pathv[g.gl_pathc - 1]);
	globfree(&g);
}

static inline int
scratch_remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static inline void
scratch_remove(struct scratch *s)
{
	nftw(s->base, scratch_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* ---- vault_check, its words kept ------------------------------------------------------------- */

struct checked {
	char text[4096]; /* "file: reason" lines */
	unsigned notes;
	struct check_report report;
	CK_RV rv;
};

static inline void
checked_bad(void *arg, const char *file, const char *reason)
{
	struct checked *c = arg;
	size_t n = strlen(c->text);

	snprintf(c->text + n, sizeof(c->text) - n, "%s: %s\n", file, reason);
}

static inline void
checked_note(void *arg, const char *text)
{
	struct checked *c = arg;

	(void)text;
	c->notes++;
}

static inline void
scratch_check(struct scratch *s, const char *state, struct checked *c)
{
	struct vault_config cfg = scratch_config(s, state);
	struct check_hooks hooks = {.bad = checked_bad, .note = checked_note, .arg = c};

	c->text[0] = '\0';
	c->notes = 0;
	c->rv = vault_check(&cfg, &hooks, &c->report);
}

#endif
