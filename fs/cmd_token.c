/*
 * cmd_token.c - `tokenfs token ...`: what a security officer does, by the standard's own calls
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "select.h"

/* ---- one call each ---- */

static CK_RV
call_init_token(struct client *client, CK_SLOT_ID slot, const struct pass_word *so_pin, const char *label)
{
	struct codec request = {0};
	uint8_t padded[LABEL_LEN];

	memset(padded, ' ', sizeof(padded));
	memcpy(padded, label, strnlen(label, LABEL_LEN));
	codec_begin(&request, WIRE_INIT_TOKEN, client_seq(client));
	codec_put_ulong(&request, slot);
	codec_put_bytes(&request, so_pin->bytes, so_pin->len);
	codec_put_bytes(&request, padded, sizeof(padded));
	return client_ask(client, &request, NULL);
}

static CK_RV
call_open_session(struct client *client, CK_SLOT_ID slot, CK_ULONG *session)
{
	struct codec request = {0};

	codec_begin(&request, WIRE_OPEN_SESSION, client_seq(client));
	codec_put_ulong(&request, slot);
	codec_put_ulong(&request, CKF_SERIAL_SESSION | CKF_RW_SESSION);
	return client_ask(client, &request, session);
}

static CK_RV
call_login(struct client *client, CK_ULONG session, CK_USER_TYPE user, const struct pass_word *pin)
{
	struct codec request = {0};

	codec_begin(&request, WIRE_LOGIN, client_seq(client));
	codec_put_ulong(&request, session);
	codec_put_ulong(&request, user);
	codec_put_bytes(&request, pin->bytes, pin->len);
	return client_ask(client, &request, NULL);
}

static CK_RV
call_init_pin(struct client *client, CK_ULONG session, const struct pass_word *pin)
{
	struct codec request = {0};

	codec_begin(&request, WIRE_INIT_PIN, client_seq(client));
	codec_put_ulong(&request, session);
	codec_put_bytes(&request, pin->bytes, pin->len);
	return client_ask(client, &request, NULL);
}

static CK_RV
call_set_pin(struct client *client, CK_ULONG session, const struct pass_word *old, const struct pass_word *pin)
{
	struct codec request = {0};

	codec_begin(&request, WIRE_SET_PIN, client_seq(client));
	codec_put_ulong(&request, session);
	codec_put_bytes(&request, old->bytes, old->len);
	codec_put_bytes(&request, pin->bytes, pin->len);
	return client_ask(client, &request, NULL);
}

static CK_RV
call_delete(struct client *client, CK_SLOT_ID slot, const struct pass_word *so_pin)
{
	struct codec request = {0};

	codec_begin(&request, WIRE_T_DELETE_TOKEN, client_seq(client));
	codec_put_ulong(&request, slot);
	codec_put_bytes(&request, so_pin->bytes, so_pin->len);
	return client_ask(client, &request, NULL);
}

static CK_RV
call_policy(struct client *client, CK_SLOT_ID slot, const struct pass_word *so_pin, bool compat)
{
	struct codec request = {0};

	codec_begin(&request, WIRE_T_POLICY, client_seq(client));
	codec_put_ulong(&request, slot);
	codec_put_bytes(&request, so_pin->bytes, so_pin->len);
	codec_put_byte(&request, compat);
	return client_ask(client, &request, NULL);
}

/* The session ends with the connection. */
static CK_RV
set_user_pin(struct client *client, CK_SLOT_ID slot, const struct pass_word *so_pin, const struct pass_word *pin)
{
	CK_ULONG session;
	CK_RV rv = call_open_session(client, slot, &session);

	if (rv == CKR_OK)
		rv = call_login(client, session, CKU_SO, so_pin);
	if (rv == CKR_OK)
		rv = call_init_pin(client, session, pin);
	return rv;
}

/* ---- token init ---- */

static int
check_label(const char *label)
{
	if (!label)
		return cmd_say(CMD_USAGE, "token init needs --label LABEL; see `tokenfs help token init`");
	if (!*label || strlen(label) > LABEL_LEN)
		return cmd_say(CMD_USAGE, "a label has 1 to %d bytes", LABEL_LEN);
	for (const char *p = label; *p; p++) {
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return cmd_say(CMD_USAGE, "a label holds no control characters");
	}
	if (label[0] == ' ' || label[strlen(label) - 1] == ' ')
		return cmd_say(CMD_USAGE, "a label neither begins nor ends with a blank");
	return CMD_OK;
}

/* The slot to take, and the token that is there already. */
static int
choose_slot(const struct cmd *c, struct client *client, CK_SLOT_ID *slot, struct token_row *old)
{
	const char *label = c->opt[OPT_LABEL];
	struct token_row *rows = NULL;
	uint64_t wanted = UINT64_MAX;
	size_t n = 0;
	bool found = false;
	int code = CMD_OK;
	CK_RV rv;

	if (c->opt[OPT_SLOT] && !cmd_number(c->opt[OPT_SLOT], UINT32_MAX, &wanted))
		return cmd_say(CMD_USAGE, "--slot is a number");
	rv = select_list(client, &rows, &n);
	if (rv != CKR_OK)
		return cmd_fail(rv, "cannot list the slots");
	memset(old, 0, sizeof(*old));
	for (size_t i = 0; i < n; i++) {
		const struct token_row *t = &rows[i];

		if (t->initialized && strcmp(t->label, label) == 0 && t->slot != wanted && !c->opt[OPT_YES]) {
			code = cmd_say(CMD_REFUSED, "slot %lu holds a token '%s' already; choose another label, "
				"begin it anew with --slot %lu, or make a second one of the name with --yes",
				(unsigned long)t->slot, label, (unsigned long)t->slot);
			goto out;
		}
		if (!found && (wanted == UINT64_MAX ? !t->initialized : t->slot == wanted)) {
			*slot = t->slot;
			*old = *t;
			found = true;
		}
	}
	if (!found && wanted == UINT64_MAX)
		code = cmd_say(CMD_NOT_FOUND, "no free slot is shown; set spare_slot = yes in tokenfs.conf");
	else if (!found)
		code = cmd_say(CMD_NOT_FOUND, "there is no slot %lu; `tokenfs token list` shows the slots",
			(unsigned long)wanted);
out:
	free(rows);
	return code;
}

static int
confirm_anew(const struct cmd *c, const struct token_row *old)
{
	char question[160];

	if (!old->initialized)
		return CMD_OK;
	snprintf(question, sizeof(question), "Slot %lu holds the token '%s'; all its objects will be destroyed",
		(unsigned long)old->slot, old->label);
	return cmd_confirm(c, question, old->label) ? CMD_OK : CMD_REFUSED;
}

static void
put_new_token(const struct cmd *c, struct client *client, CK_SLOT_ID slot)
{
	struct json_object *o;
	struct token_row t;
	char text[32];

	snprintf(text, sizeof(text), "slot:%lu", (unsigned long)slot);
	if (select_token(client, text, &t) != CMD_OK)
		return;
	if (!c->opt[OPT_JSON]) {
		if (!c->opt[OPT_QUIET])
			printf("token %s in slot %lu, serial %s\n", t.label, (unsigned long)slot, t.serial);
		return;
	}
	o = json_object_new_object();
	json_object_object_add(o, "slot", json_object_new_int64((int64_t)slot));
	json_object_object_add(o, "label", json_object_new_string(t.label));
	json_object_object_add(o, "serial", json_object_new_string(t.serial));
	cmd_put_json(o);
	json_object_put(o);
}

int
cmd_token_init(struct cmd *c)
{
	struct pass_word so_pin = {0}, pin = {0};
	struct client *client = NULL;
	struct token_row old;
	CK_SLOT_ID slot = 0;
	CK_RV rv;
	int code = check_label(c->opt[OPT_LABEL]);

	if (code == CMD_OK && c->opt[OPT_PIN] && c->opt[OPT_NO_PIN])
		code = cmd_say(CMD_USAGE, "--pin and --no-pin exclude each other");
	if (code == CMD_OK)
		code = cmd_client(c, CLIENT_EITHER, &client);
	if (code == CMD_OK)
		code = choose_slot(c, client, &slot, &old);
	if (code == CMD_OK)
		code = confirm_anew(c, &old);
	/* Both PINs are read before anything is made. */
	if (code == CMD_OK)
		code = cmd_pin(c, OPT_SO_PIN, "security officer's PIN", !old.initialized, &so_pin);
	if (code == CMD_OK && !c->opt[OPT_NO_PIN])
		code = cmd_pin(c, OPT_PIN, "user PIN", true, &pin);
	if (code != CMD_OK)
		goto out;
	rv = call_init_token(client, slot, &so_pin, c->opt[OPT_LABEL]);
	if (rv != CKR_OK) {
		code = cmd_fail(rv, "cannot make the token");
		goto out;
	}
	if (pin.bytes && (rv = set_user_pin(client, slot, &so_pin, &pin)) != CKR_OK) {
		code = cmd_fail(rv, "the token was made, but its user PIN cannot be set");
		goto out;
	}
	put_new_token(c, client, slot);
out:
	pass_clear(&so_pin);
	pass_clear(&pin);
	client_close(client);
	return code;
}

/* ---- token delete, change-pin, init-pin ---- */

int
cmd_token_delete(struct cmd *c)
{
	struct pass_word so_pin = {0};
	struct client *client = NULL;
	struct token_row t;
	char question[160];
	CK_RV rv;
	int code = cmd_client(c, CLIENT_EITHER, &client);

	if (code == CMD_OK)
		code = select_token(client, c->args[0], &t);
	if (code != CMD_OK)
		goto out;
	snprintf(question, sizeof(question), "The token '%s' (slot %lu, serial %s) will be destroyed with all its "
		"objects", t.label, (unsigned long)t.slot, t.serial);
	if (!cmd_confirm(c, question, t.label)) {
		code = CMD_REFUSED;
		goto out;
	}
	code = cmd_pin(c, OPT_SO_PIN, "security officer's PIN", false, &so_pin);
	if (code != CMD_OK)
		goto out;
	rv = call_delete(client, t.slot, &so_pin);
	if (rv != CKR_OK)
		code = cmd_fail(rv, "cannot delete the token '%s'", t.label);
out:
	pass_clear(&so_pin);
	client_close(client);
	return code;
}

int
cmd_token_change_pin(struct cmd *c)
{
	struct pass_word old = {0}, pin = {0};
	struct client *client = NULL;
	struct token_row t;
	CK_ULONG session;
	bool so = c->opt[OPT_SO] != NULL;
	CK_RV rv;
	int code;

	if (c->opt[so ? OPT_PIN : OPT_SO_PIN])
		return cmd_say(CMD_USAGE, so ? "with --so the old PIN is given by --so-pin"
					     : "--so-pin goes with --so; the user's old PIN is --pin");
	code = cmd_client(c, CLIENT_EITHER, &client);
	if (code == CMD_OK)
		code = select_token(client, c->args[0], &t);
	if (code == CMD_OK)
		code = cmd_pin(c, so ? OPT_SO_PIN : OPT_PIN, so ? "security officer's PIN" : "user PIN", false, &old);
	if (code == CMD_OK)
		code = cmd_pin(c, OPT_NEW_PIN, "new PIN", true, &pin);
	if (code != CMD_OK)
		goto out;
	rv = call_open_session(client, t.slot, &session);
	if (rv == CKR_OK && so)
		rv = call_login(client, session, CKU_SO, &old);
	if (rv == CKR_OK)
		rv = call_set_pin(client, session, &old, &pin);
	if (rv != CKR_OK)
		code = cmd_fail(rv, "cannot change the PIN of '%s'", t.label);
out:
	pass_clear(&old);
	pass_clear(&pin);
	client_close(client);
	return code;
}

int
cmd_token_init_pin(struct cmd *c)
{
	struct pass_word so_pin = {0}, pin = {0};
	struct client *client = NULL;
	struct token_row t;
	CK_RV rv;
	int code;

	if (c->opt[OPT_PIN] && c->opt[OPT_NEW_PIN])
		return cmd_say(CMD_USAGE, "--pin and --new-pin are the same here; give one of them");
	code = cmd_client(c, CLIENT_EITHER, &client);
	if (code == CMD_OK)
		code = select_token(client, c->args[0], &t);
	if (code == CMD_OK)
		code = cmd_pin(c, OPT_SO_PIN, "security officer's PIN", false, &so_pin);
	if (code == CMD_OK)
		code = cmd_pin(c, c->opt[OPT_PIN] ? OPT_PIN : OPT_NEW_PIN, "new user PIN", true, &pin);
	if (code != CMD_OK)
		goto out;
	rv = set_user_pin(client, t.slot, &so_pin, &pin);
	if (rv != CKR_OK)
		code = cmd_fail(rv, "cannot set the user PIN of '%s'", t.label);
out:
	pass_clear(&so_pin);
	pass_clear(&pin);
	client_close(client);
	return code;
}

/* ---- token policy ---- */

/* What the daemon says of the token in a slot; json_object_put(*status) in the end. */
static int
policy_of(struct client *client, const struct token_row *t, struct json_object **status, const char **policy)
{
	struct json_object *tokens, *o;
	int code = cmd_status_json(client, status);

	if (code != CMD_OK)
		return code;
	if (!json_object_object_get_ex(*status, "tokens", &tokens))
		return cmd_say(CMD_FAILED, "the daemon sent no list of tokens");
	for (size_t i = 0; i < json_object_array_length(tokens); i++) {
		o = json_object_array_get_idx(tokens, i);
		*policy = cmd_json_text(o, "policy", NULL);
		if (*policy && cmd_json_number(o, "slot", -1) == (int64_t)t->slot)
			return CMD_OK;
	}
	return cmd_say(CMD_FAILED, "the token '%s' has gone", t->label);
}

static void
put_policy(const struct cmd *c, const struct token_row *t, const char *policy)
{
	struct json_object *o;

	if (!c->opt[OPT_JSON]) {
		puts(policy);
		return;
	}
	o = json_object_new_object();
	json_object_object_add(o, "slot", json_object_new_int64((int64_t)t->slot));
	json_object_object_add(o, "label", json_object_new_string(t->label));
	json_object_object_add(o, "policy", json_object_new_string(policy));
	cmd_put_json(o);
	json_object_put(o);
}

static int
set_policy(struct cmd *c, struct client *client, const struct token_row *t, bool compat)
{
	struct pass_word so_pin = {0};
	int code = cmd_pin(c, OPT_SO_PIN, "security officer's PIN", false, &so_pin);
	CK_RV rv;

	if (code != CMD_OK)
		return code;
	rv = call_policy(client, t->slot, &so_pin, compat);
	pass_clear(&so_pin);
	if (rv != CKR_OK)
		return cmd_fail(rv, "cannot set the policy of '%s'", t->label);
	return CMD_OK;
}

int
cmd_token_policy(struct cmd *c)
{
	const char *wanted = c->n_args > 1 ? c->args[1] : NULL, *policy = NULL;
	struct json_object *status = NULL;
	struct client *client = NULL;
	struct token_row t;
	int code = CMD_OK;

	if (wanted && strcmp(wanted, "strict") != 0 && strcmp(wanted, "compat") != 0)
		return cmd_say(CMD_USAGE, "a policy is strict or compat, not '%s'", wanted);
	if (!wanted && c->opt[OPT_SO_PIN])
		return cmd_say(CMD_USAGE, "--so-pin goes with strict or compat; the policy is shown without a PIN");
	code = cmd_client(c, CLIENT_EITHER, &client);
	if (code == CMD_OK)
		code = select_token(client, c->args[0], &t);
	if (code == CMD_OK && wanted)
		code = set_policy(c, client, &t, strcmp(wanted, "compat") == 0);
	if (code == CMD_OK && (!wanted || c->opt[OPT_JSON]))
		code = policy_of(client, &t, &status, &policy);
	if (policy && code == CMD_OK)
		put_policy(c, &t, policy);
	json_object_put(status);
	client_close(client);
	return code;
}
