/*
 * cmd_error.c - from CK_RV to an exit code, a reason in words and the next step: one table
 */
#include <stdarg.h>
#include <stdio.h>

#include "../pkcs11/names.h"
#include "../store/why.h"
#include "cmd.h"

static const struct failure {
	CK_RV rv;
	int code;
	const char *reason; /* where nobody said why() */
	const char *next;   /* what to do about it, or NULL */
} failures[] = {
	{CKR_PIN_INCORRECT, CMD_PIN_WRONG, "the PIN is wrong",
		"wrong PINs are counted; `tokenfs token list` shows how many tries are left"},
	{CKR_PIN_LOCKED, CMD_PIN_LOCKED, "the PIN is locked after too many wrong tries",
		"the security officer sets a new user PIN with `tokenfs token init-pin LABEL`; nobody unlocks the "
		"officer's own"},
	{CKR_PIN_LEN_RANGE, CMD_USAGE, "the PIN has a length that is not allowed",
		"a PIN has 4 to 255 bytes, and at least 10 in a vault without a key file"},
	{CKR_PIN_INVALID, CMD_USAGE, "the PIN holds bytes that are not allowed", NULL},
	{CKR_USER_PIN_NOT_INITIALIZED, CMD_NOT_FOUND, "the token has no user PIN yet",
		"set one with `tokenfs token init-pin LABEL`"},
	{CKR_SLOT_ID_INVALID, CMD_NOT_FOUND, "there is no such slot",
		"`tokenfs token list` shows the slots"},
	{CKR_TOKEN_NOT_PRESENT, CMD_NOT_FOUND, "the slot holds no token",
		"`tokenfs token list` shows the slots"},
	{CKR_TOKEN_NOT_RECOGNIZED, CMD_NOT_FOUND, "the slot holds no initialised token",
		"make one with `tokenfs token init --label LABEL`"},
	{CKR_DEVICE_REMOVED, CMD_NOT_FOUND, "the mount is gone", "run `tokenfs mount`"},
	{CKR_CRYPTOKI_ALREADY_INITIALIZED, CMD_BUSY, "another process holds the vault",
		"give the --mount that shows this vault, or end that process with `tokenfs umount`"},
	{CKR_SESSION_EXISTS, CMD_BUSY, "applications have sessions open on the token",
		"end them first; `tokenfs status` counts them"},
	{CKR_TOKEN_WRITE_PROTECTED, CMD_REFUSED, "the token is read-only",
		"`tokenfs status` says why; after a restore: `tokenfs restore-accept LABEL`"},
	{CKR_FUNCTION_REJECTED, CMD_REFUSED, "it was refused", NULL},
	{CKR_ACTION_PROHIBITED, CMD_REFUSED, "the token's policy forbids it", NULL},
	{CKR_USER_NOT_LOGGED_IN, CMD_REFUSED, "nobody is logged in", "run `tokenfs unlock LABEL`"},
	{CKR_SESSION_COUNT, CMD_BUSY, "the daemon has no session left",
		"raise max_sessions in tokenfs.conf, or end applications"},
	{CKR_DEVICE_ERROR, CMD_FAILED, "a file of the vault or of the state is damaged or cannot be used; "
		"`tokenfs check` names it", NULL},
	{CKR_DEVICE_MEMORY, CMD_FAILED, "there is no space left for vault or state",
		"free some space and try again; nothing was changed"},
	{CKR_HOST_MEMORY, CMD_FAILED, "out of memory", NULL},
	{CKR_FUNCTION_CANCELED, CMD_FAILED, "it was interrupted", NULL},
	{CKR_FUNCTION_NOT_SUPPORTED, CMD_FAILED, "the daemon does not know this call",
		"the mount is served by another version: `tokenfs umount`, then `tokenfs mount`"},
	{CKR_ARGUMENTS_BAD, CMD_USAGE, "an argument is not valid", NULL},
};

static const struct failure *
find(CK_RV rv)
{
	for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++) {
		if (failures[i].rv == rv)
			return &failures[i];
	}
	return NULL;
}

int
cmd_exit_code(CK_RV rv)
{
	const struct failure *f = find(rv);

	if (rv == CKR_OK)
		return CMD_OK;
	return f ? f->code : CMD_FAILED;
}

int
cmd_say(int code, const char *fmt, ...)
{
	va_list ap;
	char text[2048];

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	fflush(stdout);
	fputs("tokenfs: ", stderr);
	cmd_put_text(stderr, text);
	fputc('\n', stderr);
	return code;
}

int
cmd_fail(CK_RV rv, const char *fmt, ...)
{
	const struct failure *f = find(rv);
	const char *reason = why_text();
	const char *name = ck_name(NAMES_RV, rv);
	char what[1024], number[32];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	snprintf(number, sizeof(number), "error 0x%lx", (unsigned long)rv);
	if (!*reason)
		reason = f ? f->reason : name ? name : number;
	cmd_say(CMD_FAILED, "%s: %s", what, reason);
	if (f && f->next)
		cmd_say(CMD_FAILED, "%s", f->next);
	return f ? f->code : CMD_FAILED;
}

void
cmd_note(const struct cmd *c, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	if (c->opt[OPT_QUIET])
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	cmd_say(CMD_OK, "%s", text);
}
