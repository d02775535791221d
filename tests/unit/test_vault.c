/*
 * The vault as a whole, below the door: init, login, commit, find, reopen; then what must be noticed.
 */
#include "unit.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../store/journal.h"
#include "../../store/secret.h"
#include "../../store/token.h"
#include "../../store/why.h"

static char base[64], vault_dir[96], state_dir[96], key_file[96];
static uint64_t hold; /* of the login at hand */
static const uint8_t so_pin[] = "so-pin-0000", user_pin[] = "user-1234";

static struct vault_config
config(void)
{
	struct vault_config c = {.vault = vault_dir, .state = state_dir, .key_file = key_file, .retire_grace = 3600,
		.pin_tries = 4, .spare_slot = true};

	return c;
}

static struct object *
new_object(const char *label, bool private)
{
	struct attrs a = {0};
	struct object *o = NULL;

	attrs_set_ulong(&a, CKA_CLASS, CKO_DATA);
	attrs_set_bool(&a, CKA_TOKEN, true);
	attrs_set_bool(&a, CKA_PRIVATE, private);
	attrs_set(&a, CKA_LABEL, label, strlen(label));
	attrs_set(&a, CKA_VALUE, "some value", 10);
	CHECK_RV(CKR_OK, object_new(&o, &a));
	attrs_free(&a);
	return o;
}

static size_t
count(struct token *t, const char *label, bool with_private)
{
	struct attrs templ = {0};
	CK_OBJECT_HANDLE *h = NULL;
	size_t n = 9999;

	if (label != NULL)
		attrs_set(&templ, CKA_LABEL, label, strlen(label));
	CHECK_RV(CKR_OK, token_find(t, &templ, with_private, &h, &n));
	free(h);
	attrs_free(&templ);
	return n;
}

static void
commit_one(struct token *t, const char *label, bool private)
{
	struct object *o = new_object(label, private);

	CHECK_RV(CKR_OK, token_commit(t, &o, 1, NULL, 0));
	CHECK(o->handle != 0);
	object_put(o);
}

/* A shell script that knows the vault as $V. */
static void
shell(const char *script)
{
	CHECK(setenv("V", vault_dir, 1) == 0);
	CHECK(system(script) == 0);
}

static struct vault *
open_vault(void)
{
	struct vault_config c = config();
	struct vault *v = NULL;

	CHECK_RV(CKR_OK, vault_open(&v, &c));
	if (v == NULL)
		printf("vault_open: %s\n", why_text());
	return v;
}

static void
test_first_life(void)
{
	struct vault_config c = config();
	struct vault *v, *second = NULL;
	struct token *t = NULL;
	struct token_info info;
	uint8_t label[32];

	memset(label, ' ', sizeof(label));
	memcpy(label, "hydra", 5);
	CHECK_RV(CKR_OK, vault_init(&c, false));
	CHECK_RV(CKR_FUNCTION_REJECTED, vault_init(&c, false));
	v = open_vault();
	CHECK_RV(CKR_CRYPTOKI_ALREADY_INITIALIZED, vault_open(&second, &c));
	CHECK(strstr(why_text(), "in use by process") != NULL);
	CHECK_RV(CKR_TOKEN_NOT_RECOGNIZED, token_get(v, 0, &t));
	CHECK_RV(CKR_SLOT_ID_INVALID, token_get(v, 1, &t));
	CHECK_RV(CKR_PIN_LEN_RANGE, token_init(v, 0, so_pin, 3, label));
	CHECK_RV(CKR_OK, token_init(v, 0, so_pin, sizeof(so_pin), label));
	CHECK_RV(CKR_OK, token_get(v, 0, &t));
	CHECK_RV(CKR_USER_PIN_NOT_INITIALIZED, token_login(t, CKU_USER, user_pin, sizeof(user_pin), &hold));
	CHECK_RV(CKR_PIN_INCORRECT, token_login(t, CKU_SO, user_pin, sizeof(user_pin), &hold));
	CHECK_RV(CKR_OK, token_login(t, CKU_SO, so_pin, sizeof(so_pin), &hold));
	CHECK_RV(CKR_OK, token_init_pin(t, user_pin, sizeof(user_pin)));
	token_logout(t, hold);
	CHECK_RV(CKR_OK, token_login(t, CKU_USER, user_pin, sizeof(user_pin), &hold));
	for (int i = 0; i < 20; i++)
		commit_one(t, "public", false);
	for (int i = 0; i < 20; i++)
		commit_one(t, "private", true);
	CHECK(count(t, NULL, true) == 40);
	CHECK(count(t, "private", true) == 20);
	CHECK(count(t, "private", false) == 0);
	CHECK(count(t, "public", false) == 20);
	token_logout(t, hold);
	CHECK(count(t, NULL, true) == 20);
	CHECK_RV(CKR_OK, token_info(t, &info));
	CHECK(info.private_objects == 20 && info.public_objects == 20 && !info.open);
	CHECK(strcmp(info.label, "hydra") == 0);
	token_put(t);
	vault_close(v);
}

static void
test_reopen_finds_all(const char *state)
{
	struct vault *v;
	struct token *t = NULL;
	struct object *o = NULL, *next;
	struct attrs changed = {0};
	CK_OBJECT_HANDLE *h = NULL;
	size_t n = 0;

	snprintf(state_dir, sizeof(state_dir), "%s/%s", base, state);
	v = open_vault();
	CHECK_RV(CKR_OK, token_get(v, 0, &t));
	CHECK(count(t, "public", false) == 20);
	CHECK_RV(CKR_OK, token_login(t, CKU_USER, user_pin, sizeof(user_pin), &hold));
	CHECK(count(t, "private", true) == 20);
	CHECK(count(t, "nothing", true) == 0);
	CHECK_RV(CKR_OK, token_find(t, &changed, true, &h, &n));
	CHECK_RV(CKR_OK, token_object(t, h[0], true, &o));
	CHECK_RV(CKR_OK, attrs_copy(&changed, &o->attrs));
	CHECK_RV(CKR_OK, attrs_set(&changed, CKA_LABEL, "changed", 7));
	CHECK_RV(CKR_OK, object_new(&next, &changed));
	memcpy(next->uuid, o->uuid, UUID_LEN);
	next->version = o->version + 1;
	next->handle = o->handle;
	CHECK_RV(CKR_OK, token_commit(t, &next, 1, NULL, 0));
	CHECK(count(t, "changed", true) == 1);
	CHECK_RV(CKR_OBJECT_HANDLE_INVALID, token_commit(t, &next, 1, NULL, 0));
	CHECK_RV(CKR_OK, token_commit(t, NULL, 0, &next, 1));
	CHECK(count(t, "changed", true) == 0);
	CHECK(count(t, NULL, true) == 39);
	commit_one(t, next->private ? "private" : "public", next->private);
	object_put(o);
	object_put(next);
	free(h);
	attrs_free(&changed);
	token_logout(t, hold);
	token_put(t);
	vault_close(v);
}

static void
test_pin_lock(void)
{
	struct vault *v = open_vault();
	struct token *t = NULL;

	CHECK_RV(CKR_OK, token_get(v, 0, &t));
	for (int i = 0; i < 4; i++)
		CHECK_RV(CKR_PIN_INCORRECT, token_login(t, CKU_USER, so_pin, sizeof(so_pin), &hold));
	CHECK_RV(CKR_PIN_LOCKED, token_login(t, CKU_USER, user_pin, sizeof(user_pin), &hold));
	token_put(t);
	vault_close(v);
	v = open_vault();
	CHECK_RV(CKR_OK, token_get(v, 0, &t));
	CHECK_RV(CKR_PIN_LOCKED, token_login(t, CKU_USER, user_pin, sizeof(user_pin), &hold));
	CHECK_RV(CKR_OK, token_login(t, CKU_SO, so_pin, sizeof(so_pin), &hold));
	CHECK_RV(CKR_OK, token_init_pin(t, user_pin, sizeof(user_pin)));
	token_logout(t, hold);
	CHECK_RV(CKR_OK, token_login(t, CKU_USER, user_pin, sizeof(user_pin), &hold));
	CHECK_RV(CKR_OK, token_set_pin(t, CKU_USER, user_pin, sizeof(user_pin), so_pin, sizeof(so_pin)));
	CHECK_RV(CKR_PIN_INCORRECT, token_verify(t, CKU_USER, user_pin, sizeof(user_pin)));
	CHECK_RV(CKR_OK, token_set_pin(t, CKU_USER, so_pin, sizeof(so_pin), user_pin, sizeof(user_pin)));
	token_logout(t, hold);
	token_put(t);
	vault_close(v);
}

static void
expect_state(enum token_state want)
{
	struct vault *v = open_vault();
	struct token *t = NULL;
	struct token_info info;

	CHECK_RV(CKR_OK, token_get(v, 0, &t));
	CHECK_RV(CKR_OK, token_info(t, &info));
	CHECK(info.state == want);
	if (want != TOKEN_OK)
		printf("reason: %s\n", info.reason);
	token_put(t);
	vault_close(v);
}

static enum token_state
state_of(struct token *t)
{
	struct token_info info;

	CHECK_RV(CKR_OK, token_info(t, &info));
	return info.state;
}

/* A vault that is opened while a restore still copies: nothing of it may be given up, and when the files have come the
 * token is whole again by itself. */
static void
test_interrupted_restore_heals(void)
{
	struct vault *v;
	struct token *t = NULL;
	size_t before;

	v = open_vault();
	CHECK_RV(CKR_OK, token_get(v, 0, &t));
	before = count(t, NULL, false);
	token_put(t);
	vault_close(v);
	snprintf(state_dir, sizeof(state_dir), "%s/half", base);
	shell("mv $V/[0-9a-f]*/objects $V.aside && mkdir -m 700 $(echo $V/[0-9a-f]*)/objects");
	v = open_vault();
	CHECK_RV(CKR_OK, token_get(v, 0, &t));
	CHECK(state_of(t) == TOKEN_ROLLED_BACK);
	vault_tick(v);
	shell("test $(ls $V/[0-9a-f]*/1-log | wc -l) = 1");
	shell("cp -a $V.aside/. $V/[0-9a-f]*/objects/");
	vault_tick(v);
	CHECK(state_of(t) == TOKEN_OK);
	CHECK(before > 0 && count(t, NULL, false) == before);
	CHECK_RV(CKR_OK, token_login(t, CKU_USER, user_pin, sizeof(user_pin), &hold));
	commit_one(t, "public", false);
	token_logout(t, hold);
	token_put(t);
	vault_close(v);
	shell("rm -rf $V.aside");
	snprintf(state_dir, sizeof(state_dir), "%s/other-machine", base);
}

static void
test_rollback_is_read_only(void)
{
	struct vault *v;
	struct token *t = NULL;

	shell("rm -rf $V.old && cp -a $V $V.old");
	v = open_vault();
	CHECK_RV(CKR_OK, token_get(v, 0, &t));
	CHECK_RV(CKR_OK, token_login(t, CKU_USER, user_pin, sizeof(user_pin), &hold));
	commit_one(t, "public", false);
	token_logout(t, hold);
	token_put(t);
	vault_close(v);
	shell("rm -rf $V && cp -a $V.old $V");
	expect_state(TOKEN_ROLLED_BACK);
	v = open_vault();
	CHECK_RV(CKR_OK, token_get(v, 0, &t));
	CHECK_RV(CKR_OK, token_restore_accept(t, CKU_USER, user_pin, sizeof(user_pin)));
	CHECK_RV(CKR_FUNCTION_REJECTED, token_restore_accept(t, CKU_USER, user_pin, sizeof(user_pin)));
	CHECK_RV(CKR_OK, token_login(t, CKU_USER, user_pin, sizeof(user_pin), &hold));
	commit_one(t, "public", false);
	token_logout(t, hold);
	token_put(t);
	vault_close(v);
}

static void
test_compaction_keeps_all(void)
{
	struct vault *v = open_vault();
	struct token *t = NULL;
	size_t before;

	CHECK_RV(CKR_OK, token_get(v, 0, &t));
	before = count(t, NULL, false);
	for (int i = 0; i < 500; i++) {
		struct object *o = new_object("short-lived", false);

		CHECK_RV(CKR_OK, token_commit(t, &o, 1, NULL, 0));
		CHECK_RV(CKR_OK, token_commit(t, NULL, 0, &o, 1));
		object_put(o);
	}
	CHECK(count(t, NULL, false) == before);
	token_put(t);
	vault_close(v);
	shell("test $(ls $V/*/1-log | wc -l) -gt 1");
	expect_state(TOKEN_OK);
}

static void
test_reinit_keeps_serial(void)
{
	struct vault *v = open_vault();
	struct token *t = NULL;
	char serial[17];
	uint8_t label[32];

	memset(label, ' ', sizeof(label));
	CHECK_RV(CKR_OK, token_get(v, 0, &t));
	snprintf(serial, sizeof(serial), "%s", token_serial(t));
	token_put(t);
	CHECK_RV(CKR_PIN_INCORRECT, token_init(v, 0, user_pin, sizeof(user_pin), label));
	CHECK_RV(CKR_OK, token_init(v, 0, so_pin, sizeof(so_pin), label));
	CHECK_RV(CKR_OK, token_get(v, 0, &t));
	CHECK(strcmp(serial, token_serial(t)) == 0);
	CHECK(count(t, NULL, true) == 0);
	CHECK_RV(CKR_USER_PIN_NOT_INITIALIZED, token_login(t, CKU_USER, user_pin, sizeof(user_pin), &hold));
	token_put(t);
	vault_close(v);
	expect_state(TOKEN_OK);
	v = open_vault();
	CHECK_RV(CKR_PIN_INCORRECT, token_delete(v, 0, user_pin, sizeof(user_pin)));
	CHECK_RV(CKR_OK, token_delete(v, 0, so_pin, sizeof(so_pin)));
	CHECK_RV(CKR_TOKEN_NOT_RECOGNIZED, token_get(v, 0, &t));
	vault_close(v);
}

static void
logger(enum why_level level, const char *text)
{
	printf("%d %s\n", (int)level, text);
}

int
main(void)
{
	char cmd[128];

	CHECK_RV(CKR_OK, secret_start());
	why_logger(logger);
	umask(077);
	snprintf(base, sizeof(base), "/tmp/tokenfs-vault-XXXXXX");
	CHECK(mkdtemp(base) != NULL);
	snprintf(vault_dir, sizeof(vault_dir), "%s/vault", base);
	snprintf(state_dir, sizeof(state_dir), "%s/state", base);
	snprintf(key_file, sizeof(key_file), "%s/vault.key", base);
	test_first_life();
	test_reopen_finds_all("state");
	test_reopen_finds_all("other-machine");
	test_pin_lock();
	test_interrupted_restore_heals();
	test_rollback_is_read_only();
	test_compaction_keeps_all();
	test_reinit_keeps_serial();
	snprintf(cmd, sizeof(cmd), "rm -rf %s", base);
	CHECK(system(cmd) == 0);
	return unit_done("test_vault");
}
