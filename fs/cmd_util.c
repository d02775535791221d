/*
 * cmd_util.c - what several handlers need: client, PINs, numbers, confirmation, JSON fields
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../pkcs11/buf.h"
#include "cmd.h"
#include "daemon.h"

void
cmd_vault_config(const struct cmd *c, struct vault_config *cfg)
{
	daemon_vault_config(&c->conf, false, cfg);
}

int
cmd_need_vault(const struct cmd *c)
{
	if (vault_exists(c->conf.vault))
		return CMD_OK;
	return cmd_say(CMD_NOT_FOUND, "there is no vault in %s; make one with `tokenfs init`, or name "
		"another with --vault", c->conf.vault);
}

int
cmd_client(const struct cmd *c, enum client_way way, struct client **client)
{
	char err[1024] = "";
	CK_RV rv = client_open(client, &c->conf, way, err, sizeof(err));

	if (rv == CKR_OK)
		return CMD_OK;
	cmd_say(CMD_FAILED, "%s", *err ? err : why_text());
	if (rv == CKR_DEVICE_REMOVED && vault_exists(c->conf.vault))
		cmd_say(CMD_FAILED, "run `tokenfs mount`");
	return cmd_exit_code(rv);
}

/* stdin holds a line for each PIN option, in the order in which they were given. */
static int
read_stdin(struct cmd *c)
{
	char err[512];

	c->stdin_read = true;
	for (size_t i = 0; i < c->n_order; i++) {
		enum cmd_opt id = c->order[i];

		if ((id == OPT_PIN || id == OPT_SO_PIN || id == OPT_NEW_PIN) && pass_is_stdin(c->opt[id]) &&
			!pass_read(&c->from_stdin[id], c->opt[id], cmd_option(id)->name, false, err, sizeof(err)))
			return cmd_say(CMD_USAGE, "%s", err);
	}
	return CMD_OK;
}

int
cmd_pin(struct cmd *c, enum cmd_opt opt, const char *what, bool twice, struct pass_word *pin)
{
	char err[512];
	int code;

	if (pass_is_stdin(c->opt[opt])) {
		code = c->stdin_read ? CMD_OK : read_stdin(c);
		if (code != CMD_OK)
			return code;
		*pin = c->from_stdin[opt];
		c->from_stdin[opt] = (struct pass_word){0}; /* transferred */
		return CMD_OK;
	}
	if (!pass_read(pin, c->opt[opt], what, twice, err, sizeof(err)))
		return cmd_say(CMD_USAGE, "%s", err);
	return CMD_OK;
}

int
cmd_status_json(struct client *client, struct json_object **status)
{
	struct codec request = {0}, reply = {0};
	struct json_tokener *parser = json_tokener_new();
	const uint8_t *text;
	size_t len;
	CK_RV rv;

	*status = NULL;
	codec_begin(&request, WIRE_T_STATUS, client_seq(client));
	rv = client_call(client, &request, &reply);
	if (rv == CKR_OK && codec_get_bytes(&reply, &text, &len) && text && parser && len < INT32_MAX)
		*status = json_tokener_parse_ex(parser, (const char *)text, (int)len);
	if (rv == CKR_OK && !json_object_is_type(*status, json_type_object))
		rv = CKR_DEVICE_ERROR;
	codec_free(&request);
	codec_free(&reply);
	if (parser)
		json_tokener_free(parser);
	return rv == CKR_OK ? CMD_OK : cmd_fail(rv, "cannot read the daemon's state");
}

char *
cmd_absolute(const char *path)
{
	char *cwd, *full = NULL;

	if (path[0] == '/')
		return strdup(path);
	cwd = getcwd(NULL, 0);
	if (!cwd || asprintf(&full, "%s%s%s", cwd, strcmp(path, ".") ? "/" : "",
			    strcmp(path, ".") ? path : "") < 0)
		full = NULL;
	free(cwd);
	return full;
}

bool
cmd_number(const char *text, uint64_t max, uint64_t *value)
{
	char *end;

	if (text[0] < '0' || text[0] > '9')
		return false;
	errno = 0;
	*value = strtoull(text, &end, 10);
	return errno == 0 && *end == '\0' && *value <= max;
}

bool
cmd_duration(const char *text, unsigned *seconds)
{
	static const struct {
		char unit;
		unsigned seconds;
	} units[] = {{'\0', 1}, {'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
	char *end;
	unsigned long n;

	if (text[0] < '0' || text[0] > '9')
		return false;
	errno = 0;
	n = strtoul(text, &end, 10);
	if (errno || (end[0] && end[1]))
		return false;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (*end == units[i].unit && n > 0 && n <= UINT32_MAX / units[i].seconds) {
			*seconds = (unsigned)n * units[i].seconds;
			return true;
		}
	}
	return false;
}

bool
cmd_confirm(const struct cmd *c, const char *question, const char *word)
{
	char line[128] = "";
	FILE *tty;
	bool ok;

	if (c->opt[OPT_YES])
		return true;
	tty = fopen("/dev/tty", "r+e");
	if (!tty) {
		cmd_say(CMD_REFUSED, "%s; there is no terminal to ask: confirm with --yes", question);
		return false;
	}
	cmd_put_text(tty, question);
	fputs(".\nType ", tty);
	cmd_put_text(tty, word);
	fputs(" to go on: ", tty);
	fflush(tty);
	ok = fgets(line, sizeof(line), tty) != NULL;
	line[strcspn(line, "\n")] = '\0';
	fclose(tty);
	if (ok && strcmp(line, word) == 0)
		return true;
	cmd_say(CMD_REFUSED, "not confirmed; nothing was changed");
	return false;
}

void
cmd_put_text(FILE *f, const char *text)
{
	for (; *text; text++) {
		unsigned char ch = (unsigned char)*text;

		fputc((ch < 0x20 && ch != '\n' && ch != '\t') || ch == 0x7f ? '?' : ch, f);
	}
}

void
cmd_put_json(struct json_object *o)
{
	puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
						       JSON_C_TO_STRING_NOSLASHESCAPE));
}

const char *
cmd_json_text(struct json_object *o, const char *key, const char *otherwise)
{
	struct json_object *v;

	return json_object_object_get_ex(o, key, &v) && v ? json_object_get_string(v) : otherwise;
}

int64_t
cmd_json_number(struct json_object *o, const char *key, int64_t otherwise)
{
	struct json_object *v;

	return json_object_object_get_ex(o, key, &v) && v ? json_object_get_int64(v) : otherwise;
}

bool
cmd_json_bool(struct json_object *o, const char *key)
{
	struct json_object *v;

	return json_object_object_get_ex(o, key, &v) && json_object_get_boolean(v);
}
