/*
 * cmd_check.c - `tokenfs check`: verifies a vault or a copy of one and names every bad file
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "progress.h"

/* What the hooks write to. */
struct checking {
	struct cmd *c;
	struct progress bar;
	struct pass_word pin;
	bool token_seen;           /* the --token there is */
	struct json_object *bad;   /* lists, for --json */
	struct json_object *notes;
};

static void
on_bad(void *arg, const char *file, const char *reason)
{
	struct checking *k = arg;
	struct json_object *o;

	if (!k->c->opt[OPT_JSON]) {
		progress_hide(&k->bar);
		fputs("bad: ", stdout);
		cmd_put_text(stdout, file);
		fputs(": ", stdout);
		cmd_put_text(stdout, reason);
		fputc('\n', stdout);
		return;
	}
	o = json_object_new_object();
	json_object_object_add(o, "file", json_object_new_string(file));
	json_object_object_add(o, "reason", json_object_new_string(reason));
	json_object_array_add(k->bad, o);
}

static void
on_note(void *arg, const char *text)
{
	struct checking *k = arg;

	if (k->c->opt[OPT_JSON]) {
		json_object_array_add(k->notes, json_object_new_string(text));
	} else if (!k->c->opt[OPT_QUIET]) {
		progress_hide(&k->bar);
		fputs("note: ", stdout);
		cmd_put_text(stdout, text);
		fputc('\n', stdout);
	}
}

static void
on_progress(void *arg, uint64_t done, uint64_t total)
{
	struct checking *k = arg;

	progress_set(&k->bar, done, total);
}

/* One PIN for the token that --token names, or for all. */
static size_t
on_pin(void *arg, const char *label, const char *serial, uint8_t pin[PIN_MAX])
{
	struct checking *k = arg;
	const char *token = k->c->opt[OPT_TOKEN];

	if (token && strcmp(token, label) != 0 && strcmp(token, serial) != 0)
		return 0;
	k->token_seen = true;
	if (!k->pin.bytes)
		return 0;
	memcpy(pin, k->pin.bytes, k->pin.len);
	return k->pin.len;
}

static void
put_text(const struct checking *k, const struct check_report *r)
{
	if (k->c->opt[OPT_QUIET])
		return;
	printf("%" PRIu64 " files, %" PRIu64 " bytes: %" PRIu64 " objects opened", r->files, r->bytes,
		r->objects_opened);
	if (r->objects_sealed)
		printf(", %" PRIu64 " verified by hash alone (--pin opens them)", r->objects_sealed);
	if (r->problems)
		printf("\n%" PRIu64 " problem%s found\n", r->problems, r->problems == 1 ? "" : "s");
	else
		puts("\nno problem found");
}

static void
put_json(struct checking *k, const struct check_report *r)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "vault", json_object_new_string(k->c->conf.vault));
	json_object_object_add(o, "files", json_object_new_int64((int64_t)r->files));
	json_object_object_add(o, "bytes", json_object_new_int64((int64_t)r->bytes));
	json_object_object_add(o, "objects_opened", json_object_new_int64((int64_t)r->objects_opened));
	json_object_object_add(o, "objects_sealed", json_object_new_int64((int64_t)r->objects_sealed));
	json_object_object_add(o, "problems", json_object_new_int64((int64_t)r->problems));
	json_object_object_add(o, "bad", json_object_get(k->bad));
	json_object_object_add(o, "notes", json_object_get(k->notes));
	cmd_put_json(o);
	json_object_put(o);
}

/* A folder named as argument is a copy: this machine's state has no say about its age. */
static int
target(struct cmd *c, struct vault_config *cfg)
{
	char err[512], *full;

	if (c->n_args == 0) {
		cmd_vault_config(c, cfg);
		return cmd_need_vault(c);
	}
	if (c->opt[OPT_VAULT])
		return cmd_say(CMD_USAGE, "give a VAULTDIR or --vault, not both");
	full = cmd_absolute(c->args[0]);
	if (!full || !conf_set(&c->conf, "vault", full, err, sizeof(err))) {
		free(full);
		return cmd_say(CMD_USAGE, "%s: %s", c->args[0], full ? err : "out of memory");
	}
	free(full);
	cmd_vault_config(c, cfg);
	if (!c->opt[OPT_STATE])
		cfg->state = NULL;
	if (!vault_exists(cfg->vault))
		return cmd_say(CMD_NOT_FOUND, "there is no vault in %s", cfg->vault);
	return CMD_OK;
}

int
cmd_check(struct cmd *c)
{
	struct checking k = {.c = c, .bad = json_object_new_array(), .notes = json_object_new_array()};
	struct check_hooks hooks = {.bad = on_bad, .note = on_note, .progress = on_progress, .pin = on_pin,
		.arg = &k};
	struct check_report report = {0};
	struct vault_config cfg;
	int code = target(c, &cfg);
	CK_RV rv;

	if (code == CMD_OK && c->opt[OPT_PIN])
		code = cmd_pin(c, OPT_PIN, "user PIN", false, &k.pin);
	if (code != CMD_OK)
		goto out;
	cfg.read_only = true;
	progress_begin(&k.bar, "checking", c->opt[OPT_QUIET] != NULL);
	rv = vault_check(&cfg, &hooks, &report);
	progress_end(&k.bar);
	if (rv != CKR_OK && report.problems == 0) {
		code = cmd_fail(rv, "cannot check %s", cfg.vault);
		goto out;
	}
	if (c->opt[OPT_JSON])
		put_json(&k, &report);
	else
		put_text(&k, &report);
	if (report.problems)
		code = CMD_PROBLEMS;
	else if (c->opt[OPT_TOKEN] && !k.token_seen)
		code = cmd_say(CMD_NOT_FOUND, "the vault holds no token '%s' with a user PIN", c->opt[OPT_TOKEN]);
out:
	pass_clear(&k.pin);
	json_object_put(k.bad);
	json_object_put(k.notes);
	return code;
}
