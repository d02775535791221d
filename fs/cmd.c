#include "cmd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "../store/secret.h"
#include "../store/why.h"

#define O(name) CMD_OPT(OPT_##name)

static const struct command commands[] = {
	{"init", "", 0, 0, O(NO_KEY_FILE), "make a vault, its state and its key file",
		"Makes the three where tokenfs.conf or the options say, and the folders above them. A copy of the\n"
		"key file must be kept elsewhere: without it, no vault and no backup can be opened.\n",
		cmd_init, false, true, true},
	{"mount", "", 0, 0, O(FOREGROUND) | O(READ_ONLY), "show the vault's tokens as a file system",
		"Returns when the mount is ready. Applications reach the tokens through the PKCS#11 module.\n",
		cmd_mount, false, true, false},
	{"umount", "", 0, 0, O(LAZY), "end the mount and wait until its daemon has gone", NULL, cmd_umount,
		false, true, false},
	{"status", "", 0, 0, 0, "show the daemon, its tokens and its settings", NULL, cmd_status, false, true, true},
	{"token init", "", 0, 0, O(LABEL) | O(SLOT) | O(SO_PIN) | O(PIN) | O(NO_PIN) | O(YES),
		"make a token, or begin an old one anew",
		"Without --slot the first free slot is taken. With the slot of a token that exists, all its\n"
		"objects are destroyed; its security officer's PIN is asked for.\n",
		cmd_token_init, false, true, true},
	{"token list", "", 0, 0, 0, "list the tokens with slot, state, objects and PIN tries left", NULL,
		cmd_token_list, false, true, true},
	{"token delete", "LABEL", 1, 1, O(SO_PIN) | O(YES), "destroy a token with all its objects",
		"Asks for the label to be typed again, unless --yes is given.\n", cmd_token_delete, false, true, true},
	{"token change-pin", "LABEL", 1, 1, O(PIN) | O(SO_PIN) | O(NEW_PIN) | O(SO),
		"change the user's PIN, or with --so the security officer's",
		"The old PIN is --pin, or with --so --so-pin; the new one is --new-pin.\n", cmd_token_change_pin,
		false, true, true},
	{"token init-pin", "LABEL", 1, 1, O(SO_PIN) | O(NEW_PIN) | O(PIN),
		"set a new user PIN as security officer",
		"Also unlocks a user PIN that was locked by wrong tries. The objects stay. The new PIN is\n"
		"--new-pin, or --pin.\n",
		cmd_token_init_pin, false, true, true},
	{"token policy", "LABEL [strict|compat]", 1, 2, O(SO_PIN), "show or set what applications may do with keys",
		"Strict, the default: what is sensitive does not leave by any sequence of calls. Compat: a key's\n"
		"usage can be widened later, and mechanisms are there that can give key bits away, as programs\n"
		"written for other tokens may need it. Counts at once. Setting it takes the security officer's PIN.\n",
		cmd_token_policy, false, true, true},
	{"unlock", "LABEL", 1, 1, O(PIN) | O(TIMEOUT), "open a token's private objects to your programs",
		"Until `tokenfs lock`, the end of the time or of the mount, private/ is open to you, and your\n"
		"applications log in without a PIN.\n",
		cmd_unlock, false, true, true},
	{"lock", "[LABEL]", 0, 1, O(ALL), "end an unlock", NULL, cmd_lock, false, true, true},
	{"check", "[VAULTDIR]", 0, 1, O(PIN) | O(TOKEN), "verify a vault or a copy of one, mounted or not",
		"Reads every header, log and object and changes nothing. Without a PIN, private objects are\n"
		"verified by their hashes in the log; with --pin they are opened too. A VAULTDIR is a copy: the\n"
		"state is left out unless --state is given. Names every bad file and exits with 6.\n",
		cmd_check, false, true, true},
	{"reload", "", 0, 0, 0, "let the daemon look at a vault that was changed under it", NULL, cmd_reload,
		false, true, true},
	{"restore-accept", "LABEL", 1, 1, O(PIN) | O(SO_PIN), "accept an older state of a token as the valid one",
		"A token that is older than this machine has seen is read-only, since someone may have put an old\n"
		"copy in place. This says that you did. With --so-pin the security officer says it.\n",
		cmd_restore_accept, false, true, true},
	{"vault-key export", "[FILE]", 0, 1, O(OUTPUT), "write the vault's key as text, to be kept elsewhere",
		"FILE must not exist and is made readable to you alone; - is stdout. Whoever has this text and a\n"
		"copy of the vault can guess PINs: keep the two apart.\n",
		cmd_vault_key_export, false, true, true},
	{"vault-key import", "FILE", 1, 1, 0, "put an exported key back into the key file",
		"FILE - is stdin. The key must be the one that the vault was made with.\n", cmd_vault_key_import,
		false, true, true},
	{"audit", "", 0, 0, O(AFTER) | O(LIMIT) | O(FOLLOW), "print who did what, when, and with what result",
		"Exits with 6 if the chain of events was cut or changed. With --follow it goes on, second by second,\n"
		"until it is stopped, the limit is reached or the mount ends.\n", cmd_audit, false, true, true},
	{"help", "[COMMAND]", 0, 2, 0, "explain a command", NULL, cmd_help, false, false, false},
	{"complete", "[WORD]...", 0, -1, 0, "print what may follow, for the shell's completion", NULL,
		cmd_complete, true, false, false},
};

const struct command *
cmd_at(size_t i)
{
	return i < sizeof(commands) / sizeof(commands[0]) ? &commands[i] : NULL;
}

/* How many words of the row's name stand at words[0..n), or 0 if not all of them do. */
static int
match(const char *name, char *const *words, int n)
{
	int used = 0;

	while (*name) {
		size_t len = strcspn(name, " ");

		if (used == n || strlen(words[used]) != len || strncmp(name, words[used], len) != 0)
			return 0;
		used++;
		name += len + (name[len] == ' ');
	}
	return used;
}

const struct command *
cmd_find(char *const *words, int n, int *used)
{
	const struct command *row;

	for (size_t i = 0; (row = cmd_at(i)); i++) {
		*used = match(row->name, words, n);
		if (*used > 0)
			return row;
	}
	return NULL;
}

static bool verbose;

static void
log_to_stderr(enum why_level level, const char *text)
{
	static const char *const names[] = {"", "warning: ", "", "", ""};

	if (level <= WHY_WARNING || verbose)
		cmd_say(CMD_OK, "%s%s", names[level], text);
}

static int
load_conf(struct cmd *c)
{
	char err[1024] = "";
	char *path = NULL;
	bool ok;

	if (c->opt[OPT_CONFIG] && !(path = cmd_absolute(c->opt[OPT_CONFIG])))
		return cmd_say(CMD_FAILED, "out of memory");
	ok = conf_load(&c->conf, path, err, sizeof(err));
	free(path);
	if (!ok)
		return cmd_say(CMD_FAILED, "%s", err);
	for (int i = 0; i < OPT_COUNT; i++) {
		const struct option_row *o = cmd_option((enum cmd_opt)i);

		if (!o->conf || !c->opt[i])
			continue;
		path = cmd_absolute(c->opt[i]);
		ok = path && conf_set(&c->conf, o->conf, path, err, sizeof(err));
		free(path);
		if (!ok)
			return cmd_say(CMD_USAGE, "--%s: %s", o->name, err);
	}
	umask(c->conf.umask);
	return CMD_OK;
}

static int
run(struct cmd *c)
{
	int code = CMD_OK;

	if (c->opt[OPT_HELP]) {
		cmd_help_one(stdout, c->row);
		return CMD_OK;
	}
	verbose = c->opt[OPT_VERBOSE] != NULL;
	why_logger(log_to_stderr);
	if (c->row->secrets && secret_start() != CKR_OK)
		return cmd_say(CMD_FAILED, "cannot set up memory for secrets: %s", why_text());
	why_clear();
	if (c->row->needs_conf)
		code = load_conf(c);
	return code == CMD_OK ? c->row->run(c) : code;
}

int
cmd_main(int argc, char **argv)
{
	struct cmd c = {0};
	int code = cmd_parse(&c, argc, argv);

	if (code != CMD_OK || c.done)
		goto out;
	if (c.opt[OPT_VERSION]) {
		printf("tokenfs %s\n", TOKENFS_VERSION);
	} else if (c.row) {
		code = run(&c);
	} else if (c.opt[OPT_HELP]) {
		cmd_help_all(stdout);
	} else {
		cmd_help_all(stderr);
		code = CMD_USAGE;
	}
out:
	for (int i = 0; i < OPT_COUNT; i++)
		pass_clear(&c.from_stdin[i]);
	conf_free(&c.conf);
	return code;
}
