/*
 * cmd_status.c - `tokenfs status` and `token list`: what the daemon says of itself and its tokens
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"

/* ---- the table of tokens ---- */

#define CELL 80

static void
plain(struct json_object *token, const char *key, char out[CELL])
{
	snprintf(out, CELL, "%s", cmd_json_text(token, key, "-"));
}

static void
state(struct json_object *token, const char *key, char out[CELL])
{
	if (!cmd_json_bool(token, "initialized"))
		snprintf(out, CELL, "free");
	else
		snprintf(out, CELL, "%s%s%s", cmd_json_text(token, key, "-"),
			cmd_json_bool(token, "read_only") ? ", read-only" : "",
			cmd_json_bool(token, "unlocked") ? ", unlocked" : "");
}

static void
user_tries(struct json_object *token, const char *key, char out[CELL])
{
	if (cmd_json_bool(token, "initialized") && !cmd_json_bool(token, "user_pin_set"))
		snprintf(out, CELL, "no PIN");
	else
		plain(token, key, out);
}

static const struct column {
	const char *title;
	const char *key; /* of a token in T_Status */
	void (*put)(struct json_object *token, const char *key, char out[CELL]);
} columns[] = {
	{"SLOT", "slot", plain},
	{"LABEL", "label", plain},
	{"SERIAL", "serial", plain},
	{"STATE", "state", state},
	{"POLICY", "policy", plain},
	{"PUBLIC", "public_objects", plain},
	{"PRIVATE", "private_objects", plain},
	{"USER TRIES", "user_tries_left", user_tries},
	{"SO TRIES", "so_tries_left", plain},
};
#define COLUMNS (sizeof(columns) / sizeof(columns[0]))

/* Characters, not bytes: continuation bytes of UTF-8 take no place on the screen. */
static int
width(const char *text)
{
	int n = 0;

	for (; *text; text++)
		n += ((unsigned char)*text & 0xC0) != 0x80;
	return n;
}

static void
put_cell(const char *text, int room, bool last)
{
	cmd_put_text(stdout, text);
	if (last)
		putchar('\n');
	else
		printf("%*s", room - width(text) + 2, "");
}

static void
put_tokens(struct json_object *tokens)
{
	size_t n = json_object_array_length(tokens);
	int widths[COLUMNS];
	char text[CELL];

	for (size_t i = 0; i < COLUMNS; i++) {
		widths[i] = width(columns[i].title);
		for (size_t t = 0; t < n; t++) {
			columns[i].put(json_object_array_get_idx(tokens, t), columns[i].key, text);
			if (width(text) > widths[i])
				widths[i] = width(text);
		}
	}
	for (size_t i = 0; i < COLUMNS; i++)
		put_cell(columns[i].title, widths[i], i + 1 == COLUMNS);
	for (size_t t = 0; t < n; t++) {
		for (size_t i = 0; i < COLUMNS; i++) {
			columns[i].put(json_object_array_get_idx(tokens, t), columns[i].key, text);
			put_cell(text, widths[i], i + 1 == COLUMNS);
		}
	}
}

/* Why a token is not in order, under the table. */
static void
put_reasons(struct json_object *tokens)
{
	for (size_t t = 0; t < json_object_array_length(tokens); t++) {
		struct json_object *token = json_object_array_get_idx(tokens, t);
		const char *reason = cmd_json_text(token, "reason", "");

		if (!*reason)
			continue;
		cmd_put_text(stdout, cmd_json_text(token, "label", "-"));
		fputs(": ", stdout);
		cmd_put_text(stdout, reason);
		putchar('\n');
	}
}

static struct json_object *
tokens_of(struct json_object *status)
{
	struct json_object *tokens;

	if (json_object_object_get_ex(status, "tokens", &tokens) &&
		json_object_is_type(tokens, json_type_array))
		return tokens;
	return NULL;
}

int
cmd_token_list(struct cmd *c)
{
	struct json_object *status = NULL, *tokens;
	struct client *client = NULL;
	int code = cmd_client(c, CLIENT_EITHER, &client);

	if (code == CMD_OK)
		code = cmd_status_json(client, &status);
	if (code != CMD_OK)
		goto out;
	tokens = tokens_of(status);
	if (!tokens)
		code = cmd_say(CMD_FAILED, "the daemon sent no list of tokens");
	else if (c->opt[OPT_JSON])
		cmd_put_json(tokens);
	else if (json_object_array_length(tokens) == 0)
		cmd_note(c, "there is no token yet; make one with `tokenfs token init --label LABEL`");
	else {
		put_tokens(tokens);
		put_reasons(tokens);
	}
out:
	json_object_put(status);
	client_close(client);
	return code;
}

/* ---- status ---- */

static void
put_pairs(struct json_object *o, int indent)
{
	json_object_object_foreach(o, key, value) {
		if (strcmp(key, "tokens") == 0)
			continue; /* a table of their own */
		if (json_object_is_type(value, json_type_array)) {
			printf("%*s%-*s %zu\n", indent, "", 16 - indent, key, json_object_array_length(value));
			continue;
		}
		if (json_object_is_type(value, json_type_object)) {
			printf("%*s%s\n", indent, "", key);
			put_pairs(value, indent + 2);
			continue;
		}
		printf("%*s%-*s ", indent, "", 16 - indent, key);
		cmd_put_text(stdout, value ? json_object_get_string(value) : "-");
		putchar('\n');
	}
}

static struct json_object *
settings(const struct conf *conf)
{
	struct json_object *o = json_object_new_object();
	char value[4096];
	const char *key;

	for (size_t i = 0; conf_show(conf, i, &key, value, sizeof(value)); i++)
		json_object_object_add(o, key, json_object_new_string(value));
	return o;
}

static void
put_settings(const struct cmd *c, struct json_object *o)
{
	puts("settings");
	printf("  %-14s %s\n", "file", c->conf.file ? c->conf.file : "none; defaults");
	put_pairs(o, 2);
}

/* Nothing is mounted: what would be. */
static int
not_mounted(struct cmd *c, int code, const char *reason)
{
	struct json_object *o;
	bool vault = vault_exists(c->conf.vault);

	if (c->opt[OPT_JSON]) {
		o = json_object_new_object();
		json_object_object_add(o, "mounted", json_object_new_boolean(false));
		json_object_object_add(o, "reason", json_object_new_string(reason));
		json_object_object_add(o, "vault_exists", json_object_new_boolean(vault));
		json_object_object_add(o, "settings", settings(&c->conf));
		cmd_put_json(o);
	} else {
		o = settings(&c->conf);
		printf("not mounted: %s\n%s\n", reason, vault ? "run `tokenfs mount`" : "there is no vault yet; "
			"run `tokenfs init`");
		put_settings(c, o);
	}
	json_object_put(o);
	return code;
}

static void
put_status(struct cmd *c, struct json_object *status)
{
	struct json_object *tokens = tokens_of(status), *o = settings(&c->conf);

	printf("mounted at %s\n", c->conf.mount);
	put_pairs(status, 0);
	put_settings(c, o);
	if (tokens && json_object_array_length(tokens) > 0) {
		putchar('\n');
		put_tokens(tokens);
		put_reasons(tokens);
	}
	json_object_put(o);
}

int
cmd_status(struct cmd *c)
{
	struct json_object *status = NULL;
	struct client *client = NULL;
	char err[1024] = "";
	int code;
	CK_RV rv = client_open(&client, &c->conf, CLIENT_MOUNT, err, sizeof(err));

	if (rv != CKR_OK)
		return not_mounted(c, cmd_exit_code(rv), err);
	code = cmd_status_json(client, &status);
	if (code != CMD_OK)
		goto out;
	if (c->opt[OPT_JSON]) {
		json_object_object_add(status, "mounted", json_object_new_boolean(true));
		json_object_object_add(status, "settings", settings(&c->conf));
		cmd_put_json(status);
	} else {
		put_status(c, status);
	}
out:
	json_object_put(status);
	client_close(client);
	return code;
}
