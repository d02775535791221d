#include "select.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"

#define MAX_SLOTS 65536

static CK_RV
get_slots(struct client *c, CK_ULONG **slots, size_t *n)
{
	struct codec request = {0}, reply = {0};
	CK_RV rv;

	codec_begin(&request, WIRE_GET_SLOT_LIST, client_seq(c));
	codec_put_byte(&request, 1);
	rv = client_call(c, &request, &reply);
	if (rv == CKR_OK) {
		codec_get_ulongs(&reply, slots, n, MAX_SLOTS);
		rv = codec_close(&reply);
	}
	codec_free(&request);
	codec_free(&reply);
	return rv;
}

/* Fixed-width, blank-padded text of the standard to a C string. */
static void
take_text(char *out, size_t room, const uint8_t *data, size_t len)
{
	if (len > room - 1)
		len = room - 1;
	while (len > 0 && (data[len - 1] == ' ' || data[len - 1] == '\0'))
		len--;
	memcpy(out, data, len);
	out[len] = '\0';
}

static CK_RV
get_token(struct client *c, CK_SLOT_ID slot, struct token_row *t)
{
	struct codec request = {0}, reply = {0};
	const uint8_t *label, *skip, *serial;
	size_t label_len, skip_len, serial_len;
	CK_RV rv;

	*t = (struct token_row){.slot = slot};
	codec_begin(&request, WIRE_GET_TOKEN_INFO, client_seq(c));
	codec_put_ulong(&request, slot);
	rv = client_call(c, &request, &reply);
	if (rv != CKR_OK)
		goto out;
	if (!codec_get_bytes(&reply, &label, &label_len) || !codec_get_bytes(&reply, &skip, &skip_len) ||
		!codec_get_bytes(&reply, &skip, &skip_len) || !codec_get_bytes(&reply, &serial, &serial_len) ||
		!codec_get_ulong(&reply, &t->flags)) {
		rv = CKR_DEVICE_ERROR;
		goto out;
	}
	if (label)
		take_text(t->label, sizeof(t->label), label, label_len);
	if (serial)
		take_text(t->serial, sizeof(t->serial), serial, serial_len);
	t->initialized = (t->flags & CKF_TOKEN_INITIALIZED) != 0;
out:
	codec_free(&request);
	codec_free(&reply);
	return rv;
}

CK_RV
select_list(struct client *c, struct token_row **rows, size_t *n)
{
	CK_ULONG *slots = NULL;
	size_t n_slots = 0;
	CK_RV rv = get_slots(c, &slots, &n_slots);

	*rows = NULL;
	*n = 0;
	if (rv != CKR_OK)
		goto out;
	*rows = calloc(n_slots ? n_slots : 1, sizeof(**rows));
	if (!*rows) {
		rv = CKR_HOST_MEMORY;
		goto out;
	}
	for (size_t i = 0; i < n_slots; i++) {
		rv = get_token(c, slots[i], &(*rows)[*n]);
		if (rv == CKR_OK)
			(*n)++;
		else if (rv != CKR_TOKEN_NOT_PRESENT && rv != CKR_TOKEN_NOT_RECOGNIZED &&
			rv != CKR_SLOT_ID_INVALID)
			goto out;
	}
	rv = CKR_OK;
out:
	free(slots);
	if (rv != CKR_OK) {
		free(*rows);
		*rows = NULL;
		*n = 0;
	}
	return rv;
}

static bool
matches(const struct token_row *t, const char *text)
{
	uint64_t slot;

	if (strncmp(text, "slot:", 5) == 0 && cmd_number(text + 5, UINT32_MAX, &slot))
		return t->slot == slot;
	return strcmp(t->label, text) == 0 || strcmp(t->serial, text) == 0;
}

static int
ambiguous(const struct token_row *rows, size_t n, const char *text)
{
	cmd_say(CMD_USAGE, "'%s' may be several tokens; give a serial number or a slot:", text);
	for (size_t i = 0; i < n; i++) {
		if (rows[i].initialized && matches(&rows[i], text))
			cmd_say(CMD_USAGE, "  slot:%lu  %s  %s", (unsigned long)rows[i].slot, rows[i].serial,
				rows[i].label);
	}
	return CMD_USAGE;
}

int
select_token(struct client *c, const char *text, struct token_row *t)
{
	struct token_row *rows = NULL;
	size_t n = 0, found = 0;
	CK_RV rv = select_list(c, &rows, &n);
	int code = CMD_OK;

	if (rv != CKR_OK)
		return cmd_fail(rv, "cannot list the tokens");
	for (size_t i = 0; i < n; i++) {
		if (rows[i].initialized && matches(&rows[i], text)) {
			*t = rows[i];
			found++;
		}
	}
	if (found == 0)
		code = cmd_say(CMD_NOT_FOUND, "there is no token '%s'; `tokenfs token list` shows those that are",
			text);
	else if (found > 1)
		code = ambiguous(rows, n, text);
	free(rows);
	return code;
}
