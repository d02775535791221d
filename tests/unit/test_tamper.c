/*
 * Tampering with a vault: one bit of every byte, truncation at every length, files put in each other's place.
 *
 * Whatever is done to the files, an object reads as it was written or not at all, and `tokenfs check` names the
 * file. What cannot be told from the files alone, an older but whole state, is told by the machine's memory.
 */
#include "vault_help.h"

#include "../../store/inside.h"

#define OTHER 1 /* slot of the second token */

struct fact { /* one version of one object, as it was committed */
	uint8_t uuid[UUID_LEN];
	uint64_t version;
	char label[24], value[24];
};

static struct scratch s;
static struct fact facts[16];
static size_t n_facts;
static uint8_t token_key[KEY_LEN];
static char serial[SERIAL_LEN + 1], head[256], segment[256], sealed[256], other[256];
static unsigned cases, refused, rolled_back, older, opened;

/* ---- the vault ------------------------------------------------------------------------------- */

static void
know(const struct object *o, const char *label, const char *value)
{
	struct fact *f = &facts[n_facts++];

	memcpy(f->uuid, o->uuid, UUID_LEN);
	f->version = o->version;
	snprintf(f->label, sizeof(f->label), "%s", label);
	snprintf(f->value, sizeof(f->value), "%s", value);
}

static struct object *
put_object(struct token *t, const char *label, const char *value, bool private)
{
	struct object *o = data_object(label, value, private);

	CHECK_RV(CKR_OK, token_commit(t, &o, 1, NULL, 0));
	know(o, label, value);
	return o;
}

static void
path_of(char out[256], const struct object *o)
{
	char dir[3], name[64];

	object_path(dir, name, o->uuid, o->version);
	snprintf(out, 256, "%s/%s/objects/%s/%s", s.vault, serial, dir, name);
}

static void
fill(struct token *t)
{
	struct object *a, *b, *c, *next, *private;

	CHECK_RV(CKR_OK, scratch_login(t));
	a = put_object(t, "a", "value of a", false);
	b = put_object(t, "b", "value of b", false);
	c = put_object(t, "c", "value of c", false);
	private = put_object(t, "private", "nobody's business", true);
	next = next_version(a, "a changed");
	CHECK_RV(CKR_OK, token_commit(t, &next, 1, NULL, 0));
	know(next, "a changed", "value of a");
	CHECK_RV(CKR_OK, token_commit(t, NULL, 0, &c, 1));
	path_of(sealed, next);
	path_of(other, b);
	memcpy(token_key, t->key.data, KEY_LEN);
	token_logout(t, hold);
	object_put(a);
	object_put(b);
	object_put(c);
	object_put(next);
	object_put(private);
}

static void
prepare(void)
{
	struct vault *v = scratch_vault(&s, "state");
	struct token *t = scratch_token(v, 0), *second = scratch_token(v, OTHER);

	snprintf(serial, sizeof(serial), "%s", token_serial(t));
	fill(t);
	object_put(put_object(second, "of another token", "x", false));
	n_facts--; /* not to be seen in the first */
	token_put(t);
	token_put(second);
	vault_close(v);
	the_file(head, sizeof(head), "%s/%s/0-head", s.vault, serial);
	the_file(segment, sizeof(segment), "%s/%s/1-log/*", s.vault, serial);
	shell("cd %s && cp -a vault good && cp -a state good-state", s.base);
}

/* As it was. Files alone are put back by whoever changed them. */
static void
restore(void)
{
	shell("cd %s && rm -rf vault state fresh && cp -a good vault && cp -a good-state state", s.base);
}

/* ---- looking at it --------------------------------------------------------------------------- */

static bool
true_words(const struct attrs *a, const uint8_t uuid[UUID_LEN], uint64_t version)
{
	for (size_t i = 0; i < n_facts; i++)
		if (memcmp(facts[i].uuid, uuid, UUID_LEN) == 0 && facts[i].version == version)
			return attr_is(a, CKA_LABEL, facts[i].label) && attr_is(a, CKA_VALUE, facts[i].value);
	return false;
}

struct look {
	CK_RV rv;       /* of token_examine */
	bool rolled_back;
	size_t live, bad; /* objects named by the log, and those of them that do not open */
	char text[1024];  /* every reason */
};

static void
add_reason(struct look *l, const char *text)
{
	size_t n = strlen(l->text);

	snprintf(l->text + n, sizeof(l->text) - n, "%s\n", text);
}

static void
look_at_objects(struct token *t, const struct live *live, struct look *l)
{
	const struct live_entry *e;
	size_t i = 0;

	while ((e = live_next(live, &i)) != NULL) {
		struct attrs a = {0};
		CK_RV rv = sealed_read(t, e, &a);

		l->live++;
		if (rv != CKR_OK) {
			l->bad++;
			add_reason(l, why_text());
			CHECK(a.n == 0);
		} else {
			CHECK(true_words(&a, e->uuid, e->version));
		}
		attrs_free(&a);
	}
}

/* Everything below the door, with the token key at hand, without writing. state: of the machine, or NULL. */
static void
look_at(struct look *l, const char *state)
{
	struct vault_config cfg = scratch_config(&s, state);
	struct vault *v = calloc(1, sizeof(*v));
	struct finding f;
	struct token *t = NULL;
	struct live live = {0};

	memset(l, 0, sizeof(*l));
	v->dir.fd = v->lock_fd = -1;
	lock_init(&v->lock);
	CHECK_RV(CKR_OK, vault_config_copy(v, &cfg));
	v->cfg.read_only = true;
	CHECK_RV(CKR_OK, dir_open(&v->dir, v->cfg.vault));
	CHECK_RV(CKR_OK, vault_load_key(v));
	if (state != NULL) {
		uint8_t key[KEY_LEN];

		CHECK_RV(CKR_OK, kdf_hkdf(key, KEY_LEN, v->key.data, KEY_LEN, NULL, 0, "tokenfs state 1", v->id,
			strlen(v->id)));
		CHECK_RV(CKR_OK, state_open(&v->state, cfg.state, key, true));
	}
	CHECK_RV(CKR_OK, token_new(v, serial, &t));
	l->rv = token_examine(t, &live, &f);
	if (l->rv != CKR_OK)
		add_reason(l, why_text());
	l->rolled_back = f.state == TOKEN_ROLLED_BACK;
	CHECK_RV(CKR_OK, secret_copy(&t->key, token_key, KEY_LEN));
	if (l->rv == CKR_OK)
		look_at_objects(t, &live, l);
	live_free(&live);
	token_put(t);
	vault_close(v);
}

/* Through the door, as the daemon opens it, writing what it writes. */
static void
open_and_read(const char *state)
{
	struct vault *v = scratch_vault(&s, state);
	CK_OBJECT_HANDLE *h = NULL;
	struct attrs none = {0};
	struct token *t = NULL;
	size_t n = 0;

	opened++;
	if (token_get(v, 0, &t) == CKR_OK && strcmp(token_serial(t), serial) == 0) {
		if (token_find(t, &none, true, &h, &n) != CKR_OK)
			n = 0;
		for (size_t i = 0; i < n; i++) {
			struct object *o = NULL;

			if (token_object(t, h[i], true, &o) == CKR_OK)
				CHECK(true_words(&o->attrs, o->uuid, o->version));
			object_put(o);
		}
		free(h);
	}
	token_put(t);
	vault_close(v);
}

enum verdict {
	REFUSED,      /* an error that names the file */
	REMEMBERED,   /* whole but older: only the machine's memory tells */
	NOT_WRITTEN,  /* bytes that were never acknowledged: the machine does not mind either */
};

static void
expect(enum verdict want, const char *file, const char *what, size_t at)
{
	static struct checked c;
	struct look fresh, here;
	unsigned failed = unit_failed;
	const char *name = strrchr(file, '/') + 1;

	cases++;
	look_at(&fresh, NULL);
	look_at(&here, "state");
	scratch_check(&s, "state", &c);
	CHECK_RV(CKR_OK, c.rv);
	if (want == REFUSED) {
		refused++;
		CHECK(fresh.rv != CKR_OK || fresh.bad > 0);
		CHECK(here.rv != CKR_OK || here.bad > 0);
		CHECK(strstr(fresh.text, name) != NULL);
		CHECK(strstr(here.text, name) != NULL);
		CHECK(c.report.problems > 0);
		CHECK(strstr(c.text, name) != NULL);
	} else {
		CHECK_RV(CKR_OK, fresh.rv);
		CHECK(fresh.bad == 0);
		CHECK(here.rv != CKR_OK || here.bad > 0 || here.rolled_back == (want == REMEMBERED));
		CHECK((c.report.problems > 0) == (want == REMEMBERED));
		*(want == REMEMBERED ? &rolled_back : &older) += 1;
	}
	if (unit_failed != failed)
		fprintf(stderr, "  %s %s, %zu: fresh \"%s\", here \"%s\", check \"%s\"\n", what, file, at, fresh.text,
			here.text, c.text);
}

/* ---- one bit, one length --------------------------------------------------------------------- */

static void
flip_every_byte(const char *path)
{
	size_t len;
	uint8_t *good = slurp(path, &len), *p = malloc(len);

	for (size_t i = 0; i < len; i++) {
		memcpy(p, good, len);
		p[i] ^= (uint8_t)(1u << (i * 5 % 8));
		spill(path, p, len);
		expect(REFUSED, path, "flipped", i);
		if (i % 29 == 0) {
			open_and_read("state");
			open_and_read("fresh");
			restore();
		}
	}
	spill(path, good, len);
	free(good);
	free(p);
}

/* Where the log may end: behind its snapshot, behind each commit. */
static bool
is_record_end(const uint8_t *log, size_t len, size_t at)
{
	size_t pos = 128;

	while (pos < at && pos + 4 <= len)
		pos += (size_t)log[pos] | (size_t)log[pos + 1] << 8;
	return pos == at;
}

static void
truncate_everywhere(const char *path, bool is_log)
{
	size_t len, snapshot = 128 + 64;
	uint8_t *good = slurp(path, &len);

	for (size_t n = 0; n < len; n++) {
		spill(path, good, n);
		expect(is_log && n >= snapshot ? REMEMBERED : REFUSED, path, "cut to", n);
		if (n % 29 == 0 || (is_log && is_record_end(good, len, n))) {
			open_and_read("state");
			open_and_read("fresh");
			restore();
		}
	}
	spill(path, good, len);
	free(good);
}

/* Bytes behind the end. */
static void
lengthen(const char *path, bool is_log)
{
	size_t len;
	uint8_t *good = slurp(path, &len), *p = calloc(1, len + 300);

	memcpy(p, good, len);
	/* zeros behind a log are what a power cut leaves of a commit that was under way; nowhere else, and nothing else */
	for (size_t n = 1; n < 300; n += 7) {
		spill(path, p, len + n);
		expect(is_log ? NOT_WRITTEN : REFUSED, path, "lengthened by zeros", n);
	}
	memset(p + len, 0x55, 300);
	for (size_t n = 1; n < 300; n += 7) {
		spill(path, p, len + n);
		expect(is_log && n < 8 ? NOT_WRITTEN : REFUSED, path, "lengthened by", n);
	}
	if (is_log) {
		/* the beginning of the last record once more: a torn tail, and nothing else */
		memcpy(p + len, good + 192, 100);
		spill(path, p, len + 100);
		expect(NOT_WRITTEN, path, "torn tail", 100);
		/* a whole record repeated is no torn tail */
		memcpy(p + len, good + 192, 128);
		spill(path, p, len + 128);
		expect(REFUSED, path, "replayed record", 128);
	}
	spill(path, good, len);
	free(good);
	free(p);
}

/* ---- files in the wrong place ---------------------------------------------------------------- */

static void
swapped(const char *what, const char *command, enum verdict want, const char *file)
{
	shell("cd %s/%s && %s", s.vault, serial, command);
	expect(want, file, what, 0);
	open_and_read("state");
	open_and_read("fresh");
	restore();
}

static void
test_files_in_the_wrong_place(void)
{
	char cmd[1600], old[256], second[64], p[256], private[256] = "", name[64];
	size_t n = strlen(sealed);
	uint8_t uuid[UUID_LEN];

	the_file(p, sizeof(p), "%s/[0-9a-f]*", s.vault);
	if (strcmp(strrchr(p, '/') + 1, serial) == 0) {
		glob_t g = {0};

		CHECK(glob(strcat(strcpy(p, s.vault), "/[0-9a-f]*"), 0, NULL, &g) == 0 && g.gl_pathc == 2);
		snprintf(p, sizeof(p), "%s", g.gl_pathv[0]);
		globfree(&g);
	}
	snprintf(second, sizeof(second), "../%s", strrchr(p, '/') + 1);
	for (size_t i = 0; i < n_facts; i++) {
		char dir[3];

		memcpy(uuid, facts[i].uuid, UUID_LEN);
		object_path(dir, name, uuid, facts[i].version);
		if (strcmp(facts[i].label, "private") == 0)
			snprintf(private, sizeof(private), "%s/%s/objects/%s/%s", s.vault, serial, dir, name);
	}
	snprintf(old, sizeof(old), "%s", sealed);
	old[n - 1] = '1';

	snprintf(cmd, sizeof(cmd), "mv %s x && mv %s %s && mv x %s", sealed, other, sealed, other);
	swapped("two objects exchanged", cmd, REFUSED, sealed);
	snprintf(cmd, sizeof(cmd), "cp %s %s", other, sealed);
	swapped("another object's file", cmd, REFUSED, sealed);
	snprintf(cmd, sizeof(cmd), "cp %s %s", private, sealed);
	swapped("a private object's file as a public one", cmd, REFUSED, sealed);
	snprintf(cmd, sizeof(cmd), "cp %s %s", sealed, private);
	swapped("a public object's file as a private one", cmd, REFUSED, private);
	snprintf(cmd, sizeof(cmd), "cp %s %s", old, sealed);
	swapped("an old version under the new one's name", cmd, REFUSED, sealed);
	snprintf(cmd, sizeof(cmd), "cp -p ../../good/%s/objects/*/*.1 x 2>/dev/null; cp %s/objects/*/* %s", serial, second,
		sealed);
	swapped("an object of another token", cmd, REFUSED, sealed);
	snprintf(cmd, sizeof(cmd), "ln %s x", sealed);
	swapped("a second link", cmd, REFUSED, sealed);
	snprintf(cmd, sizeof(cmd), "mv %s x && ln -s ../../x %s", sealed, sealed);
	swapped("a symbolic link", cmd, REFUSED, sealed);
	snprintf(cmd, sizeof(cmd), "chmod 0640 %s", sealed);
	swapped("an object open to the group", cmd, REFUSED, sealed);
	snprintf(cmd, sizeof(cmd), "rm %s && mkfifo -m 600 %s", sealed, sealed);
	swapped("a pipe", cmd, REFUSED, sealed);
	snprintf(cmd, sizeof(cmd), "cp %s/0-head 0-head", second);
	swapped("the header of another token", cmd, REFUSED, head);
	swapped("no header", "rm 0-head", REFUSED, head);
	snprintf(cmd, sizeof(cmd), "cp %s/1-log/* 1-log/", second);
	swapped("the log of another token", cmd, REFUSED, segment);
	swapped("the log under a higher number", "cp 1-log/00000001 1-log/00000002", REFUSED, "/00000002");
	swapped("no segment", "rm 1-log/*", REFUSED, "/1-log");
	swapped("no log", "rm -r 1-log", REFUSED, "/1-log");
	swapped("no objects", "rm -r objects", REFUSED, "/objects");
}

/* The file of an object that an older commit names: no copy in progress explains that. */
static void
test_missing_object(void)
{
	char cmd[600];

	/* fresh: the copy began before the last commits; it goes back to before them. Here: it was seen. */
	snprintf(cmd, sizeof(cmd), "rm %s", sealed);
	shell("cd %s/%s && %s", s.vault, serial, cmd);
	{
		static struct checked c;
		struct look fresh, here;

		cases++;
		look_at(&fresh, NULL);
		CHECK_RV(CKR_OK, fresh.rv);
		CHECK(fresh.bad == 0 && fresh.live == 4);
		look_at(&here, "state");
		CHECK_RV(CKR_DEVICE_ERROR, here.rv);
		CHECK(strstr(here.text, strrchr(sealed, '/') + 1) != NULL);
		scratch_check(&s, "state", &c);
		CHECK(c.report.problems > 0 && strstr(c.text, strrchr(sealed, '/') + 1) != NULL);
		open_and_read("state");
		open_and_read("fresh");
		restore();
	}
}

/* What is no file of a token does no harm, and is named. */
static void
test_strangers(void)
{
	static const char *const where[] = {"objects/xyz", "objects/ab/xyz", "1-log/xyz", "xyz", "../xyz"};
	static struct checked c;
	struct look fresh;

	for (size_t i = 0; i < sizeof(where) / sizeof(where[0]); i++) {
		cases++;
		shell("cd %s/%s && mkdir -p objects/ab && cp 0-head %s", s.vault, serial, where[i]);
		look_at(&fresh, NULL);
		CHECK(fresh.rv == CKR_OK && fresh.bad == 0 && fresh.live == 3);
		scratch_check(&s, "state", &c);
		CHECK(c.report.problems == 1 && strstr(c.text, "xyz") != NULL);
		restore();
	}
}

/* An object that the snapshot of a compacted log names. */
static void
test_missing_from_snapshot(void)
{
	struct vault *v = scratch_vault(&s, "state");
	struct token *t = NULL;
	struct look fresh;
	struct live live = {0};
	struct object *o;

	CHECK_RV(CKR_OK, token_get(v, 0, &t));
	CHECK(live_copy(&live, &t->live));
	lock_take(&t->commit);
	CHECK_RV(CKR_OK, journal_compact(&t->log, &live, (int64_t)time(NULL)));
	lock_give(&t->commit);
	live_free(&live);
	token_put(t);
	vault_close(v);
	v = scratch_vault(&s, "state");
	CHECK_RV(CKR_OK, token_get(v, 0, &t));
	o = data_object("later", "x", false);
	CHECK_RV(CKR_OK, token_commit(t, &o, 1, NULL, 0));
	know(o, "later", "x");
	object_put(o);
	token_put(t);
	vault_close(v);
	look_at(&fresh, NULL);
	CHECK(fresh.rv == CKR_OK && fresh.bad == 0 && fresh.live == 4);
	CHECK(unlink(sealed) == 0);
	cases++;
	look_at(&fresh, NULL);
	CHECK_RV(CKR_DEVICE_ERROR, fresh.rv);
	CHECK(strstr(fresh.text, strrchr(sealed, '/') + 1) != NULL);
	n_facts--;
	restore();
}

/* An old header (PINs as they were), and the whole token as it was. */
static void
test_rollback(void)
{
	struct vault *v = scratch_vault(&s, "state");
	struct token *t = NULL;
	struct look here;

	CHECK_RV(CKR_OK, token_get(v, 0, &t));
	CHECK_RV(CKR_OK, token_set_pin(t, CKU_USER, (const uint8_t *)USER_PIN, strlen(USER_PIN), (const uint8_t *)"other pin",
		9));
	token_put(t);
	vault_close(v);
	look_at(&here, "state");
	CHECK(here.rv == CKR_OK && !here.rolled_back);
	shell("cp %s/good/%s/0-head %s", s.base, serial, head);
	expect(REMEMBERED, head, "an old header", 0);
	restore();
	v = scratch_vault(&s, "state");
	CHECK_RV(CKR_OK, token_get(v, 0, &t));
	object_put(put_object(t, "new", "x", false));
	token_put(t);
	vault_close(v);
	shell("cd %s && rm -rf vault && cp -a good vault", s.base);
	expect(REMEMBERED, segment, "an old vault", 0);
	n_facts--;
	restore();
}

int
main(void)
{
	scratch_open(&s);
	prepare();
	flip_every_byte(head);
	flip_every_byte(segment);
	flip_every_byte(sealed);
	truncate_everywhere(head, false);
	truncate_everywhere(segment, true);
	truncate_everywhere(sealed, false);
	lengthen(head, false);
	lengthen(segment, true);
	lengthen(sealed, false);
	test_files_in_the_wrong_place();
	test_strangers();
	test_missing_object();
	test_missing_from_snapshot();
	test_rollback();
	printf("%u cases: %u refused by the files alone, %u by the machine's memory, %u never acknowledged; %u opened\n",
		cases, refused, rolled_back, older, opened);
	scratch_remove(&s);
	return unit_done("test_tamper");
}
