/*
 * cmd_unlock.c - `tokenfs unlock`, `lock` and `restore-accept`
 */
#include <stdio.h>
#include <stdlib.h>

#include "cmd.h"
#include "select.h"

static CK_RV
call_unlock(struct client *client, CK_SLOT_ID slot, const struct pass_word *pin, unsigned seconds)
{
	struct codec request = {0};

	codec_begin(&request, WIRE_T_UNLOCK, client_seq(client));
	codec_put_ulong(&request, slot);
	codec_put_bytes(&request, pin->bytes, pin->len);
	codec_put_ulong(&request, seconds);
	return client_ask(client, &request, NULL);
}

static CK_RV
call_lock(struct client *client, CK_SLOT_ID slot)
{
	struct codec request = {0};

	codec_begin(&request, WIRE_T_LOCK, client_seq(client));
	codec_put_ulong(&request, slot);
	return client_ask(client, &request, NULL);
}

int
cmd_unlock(struct cmd *c)
{
	struct pass_word pin = {0};
	struct client *client = NULL;
	struct token_row t;
	unsigned seconds = 0;
	char what[64];
	CK_RV rv;
	int code;

	if (c->opt[OPT_TIMEOUT] && !cmd_duration(c->opt[OPT_TIMEOUT], &seconds))
		return cmd_say(CMD_USAGE, "--timeout '%s': a number of seconds, or one with s, m, h or d behind it",
			c->opt[OPT_TIMEOUT]);
	code = cmd_client(c, CLIENT_MOUNT, &client);
	if (code == CMD_OK)
		code = select_token(client, c->args[0], &t);
	if (code != CMD_OK)
		goto out;
	snprintf(what, sizeof(what), "user PIN of %s", t.label);
	code = cmd_pin(c, OPT_PIN, what, false, &pin);
	if (code != CMD_OK)
		goto out;
	rv = call_unlock(client, t.slot, &pin, seconds);
	if (rv != CKR_OK)
		code = cmd_fail(rv, "cannot unlock '%s'", t.label);
out:
	pass_clear(&pin);
	client_close(client);
	return code;
}

static int
lock_all(struct client *client)
{
	struct token_row *rows = NULL;
	size_t n = 0;
	CK_RV rv = select_list(client, &rows, &n);
	int code = CMD_OK;

	if (rv != CKR_OK)
		return cmd_fail(rv, "cannot list the tokens");
	for (size_t i = 0; i < n; i++) {
		rv = rows[i].initialized ? call_lock(client, rows[i].slot) : CKR_OK;
		if (rv != CKR_OK && rv != CKR_USER_NOT_LOGGED_IN)
			code = cmd_fail(rv, "cannot lock '%s'", rows[i].label);
	}
	free(rows);
	return code;
}

int
cmd_lock(struct cmd *c)
{
	struct client *client = NULL;
	struct token_row t;
	CK_RV rv;
	int code;

	if ((c->n_args == 1) == (c->opt[OPT_ALL] != NULL))
		return cmd_say(CMD_USAGE, "lock needs either a LABEL or --all");
	code = cmd_client(c, CLIENT_MOUNT, &client);
	if (code == CMD_OK && c->opt[OPT_ALL]) {
		code = lock_all(client);
		goto out;
	}
	if (code == CMD_OK)
		code = select_token(client, c->args[0], &t);
	if (code != CMD_OK)
		goto out;
	rv = call_lock(client, t.slot);
	if (rv == CKR_USER_NOT_LOGGED_IN)
		cmd_note(c, "'%s' was not unlocked", t.label);
	else if (rv != CKR_OK)
		code = cmd_fail(rv, "cannot lock '%s'", t.label);
out:
	client_close(client);
	return code;
}

int
cmd_restore_accept(struct cmd *c)
{
	struct codec request = {0};
	struct pass_word pin = {0};
	struct client *client = NULL;
	struct token_row t;
	bool so = c->opt[OPT_SO_PIN] != NULL;
	CK_RV rv;
	int code;

	if (so && c->opt[OPT_PIN])
		return cmd_say(CMD_USAGE, "give --pin or --so-pin, not both");
	code = cmd_client(c, CLIENT_EITHER, &client);
	if (code == CMD_OK)
		code = select_token(client, c->args[0], &t);
	if (code == CMD_OK)
		code = cmd_pin(c, so ? OPT_SO_PIN : OPT_PIN, so ? "security officer's PIN" : "user PIN", false, &pin);
	if (code != CMD_OK)
		goto out;
	codec_begin(&request, WIRE_T_RESTORE_ACCEPT, client_seq(client));
	codec_put_ulong(&request, t.slot);
	codec_put_ulong(&request, so ? CKU_SO : CKU_USER);
	codec_put_bytes(&request, pin.bytes, pin.len);
	rv = client_ask(client, &request, NULL);
	if (rv != CKR_OK)
		code = cmd_fail(rv, "cannot accept the restored token '%s'", t.label);
out:
	pass_clear(&pin);
	client_close(client);
	return code;
}
