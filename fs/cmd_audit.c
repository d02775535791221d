/*
 * cmd_audit.c - `tokenfs audit`: the chain of events, page by page
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cmd.h"

#define PAGE 500

static void
put_event(const struct cmd *c, struct json_object *e)
{
	static const char *const words[] = {"who", "token", "what", "object", "result"};
	time_t t = (time_t)cmd_json_number(e, "time", 0);
	struct tm tm;
	char when[32];

	if (c->opt[OPT_JSON]) {
		puts(json_object_to_json_string_ext(e, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
		return;
	}
	gmtime_r(&t, &tm);
	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
	printf("%" PRId64 "  %s", cmd_json_number(e, "seq", 0), when);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		const char *text = cmd_json_text(e, words[i], "");

		if (*text) {
			fputs("  ", stdout);
			cmd_put_text(stdout, text);
		}
	}
	putchar('\n');
}

/* One line of the answer. False if it says that the chain is broken. */
static bool
take_line(const struct cmd *c, const char *line, size_t len, uint64_t *after, uint64_t *events)
{
	struct json_tokener *parser = json_tokener_new();
	struct json_object *e = parser ? json_tokener_parse_ex(parser, line, (int)len) : NULL;
	struct json_object *intact;
	bool ok = json_object_is_type(e, json_type_object);

	if (ok && json_object_object_get_ex(e, "intact", &intact)) {
		ok = json_object_get_boolean(intact);
	} else if (ok) {
		*after = (uint64_t)cmd_json_number(e, "seq", INT64_MAX);
		(*events)++;
		put_event(c, e);
	}
	json_object_put(e);
	if (parser)
		json_tokener_free(parser);
	return ok;
}

/* Up to `max` events behind *after; *events counts those that came. */
static CK_RV
page(const struct cmd *c, struct client *client, uint64_t max, uint64_t *after, uint64_t *events, bool *intact)
{
	struct codec request = {0}, reply = {0};
	const uint8_t *text = NULL;
	size_t len = 0;
	CK_RV rv;

	codec_begin(&request, WIRE_T_AUDIT, client_seq(client));
	codec_put_ulong(&request, *after);
	codec_put_ulong(&request, max);
	rv = client_call(client, &request, &reply);
	if (rv == CKR_OK && !codec_get_bytes(&reply, &text, &len))
		rv = CKR_DEVICE_ERROR;
	while (rv == CKR_OK && len > 0) {
		const uint8_t *end = memchr(text, '\n', len);
		size_t line = end ? (size_t)(end - text) : len;

		if (line > 0 && line < INT32_MAX && !take_line(c, (const char *)text, line, after, events))
			*intact = false;
		text += line + (end != NULL);
		len -= line + (end != NULL);
	}
	codec_free(&request);
	codec_free(&reply);
	return rv;
}

/* All that is there now, *limit at most. */
static CK_RV
pages(const struct cmd *c, struct client *client, uint64_t *limit, uint64_t *after, bool *intact)
{
	uint64_t events, max;
	CK_RV rv;

	do {
		events = 0;
		max = *limit < PAGE ? *limit : PAGE;
		rv = max ? page(c, client, max, after, &events, intact) : CKR_OK;
		*limit -= events;
	} while (rv == CKR_OK && events == max && max > 0);
	return rv;
}

int
cmd_audit(struct cmd *c)
{
	struct client *client = NULL;
	uint64_t after = 0, limit = UINT64_MAX;
	bool intact = true, follow = c->opt[OPT_FOLLOW] != NULL;
	CK_RV rv;
	int code;

	if (c->opt[OPT_AFTER] && !cmd_number(c->opt[OPT_AFTER], INT64_MAX, &after))
		return cmd_say(CMD_USAGE, "--after is the number of an event");
	if (c->opt[OPT_LIMIT] && !cmd_number(c->opt[OPT_LIMIT], INT64_MAX, &limit))
		return cmd_say(CMD_USAGE, "--limit is a number of events");
	/* Without a mount nobody but this command itself has the vault: nothing would ever come. */
	code = cmd_client(c, follow ? CLIENT_MOUNT : CLIENT_EITHER, &client);
	if (code != CMD_OK)
		goto out;
	rv = pages(c, client, &limit, &after, &intact);
	while (follow && rv == CKR_OK && intact && limit > 0 && !ferror(stdout)) {
		fflush(stdout);
		sleep(1);
		rv = pages(c, client, &limit, &after, &intact);
	}
	if (rv != CKR_OK)
		code = cmd_fail(rv, "cannot read the audit");
	else if (!intact)
		code = cmd_say(CMD_PROBLEMS, "the chain of events is broken: events were changed or taken out");
out:
	client_close(client);
	return code;
}
