/*
 * cmd_options.c - the options of all verbs: one table, one walk with getopt_long
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"

#define PIN_FROM "SOURCE"

static const struct option_row options[OPT_COUNT] = {
	{OPT_CONFIG, "config", 0, "FILE", NULL, "read this tokenfs.conf", true},
	{OPT_VAULT, "vault", 0, "DIR", "vault", "the encrypted tree", true},
	{OPT_STATE, "state", 0, "DIR", "state", "what belongs to this machine: PIN counters, index, audit", true},
	{OPT_KEY_FILE, "key-file", 0, "FILE", "key_file", "the vault's key", true},
	{OPT_MOUNT, "mount", 0, "DIR", "mount", "where the tokens are, or will be, mounted", true},
	{OPT_JSON, "json", 0, NULL, NULL, "print JSON", false},
	{OPT_QUIET, "quiet", 'q', NULL, NULL, "print nothing but results and errors", false},
	{OPT_VERBOSE, "verbose", 'v', NULL, NULL, "print more about what is done", false},
	{OPT_HELP, "help", 'h', NULL, NULL, "print this help", false},
	{OPT_VERSION, "version", 'V', NULL, NULL, "print the version", false},
	{OPT_FOREGROUND, "foreground", 'f', NULL, NULL, "stay in the foreground", false},
	{OPT_READ_ONLY, "read-only", 'r', NULL, NULL, "let nothing be changed", false},
	{OPT_LAZY, "lazy", 'l', NULL, NULL, "detach at once, also while it is in use", false},
	{OPT_NO_KEY_FILE, "no-key-file", 0, NULL, NULL, "protect the vault by PINs alone", false},
	{OPT_LABEL, "label", 'L', "LABEL", NULL, "the token's label, at most 32 bytes", false},
	{OPT_SLOT, "slot", 's', "N", NULL, "the slot, instead of the first free one", false},
	{OPT_TOKEN, "token", 't', "LABEL", NULL, "only this token", false},
	{OPT_PIN, "pin", 0, PIN_FROM, NULL, "where the user PIN comes from", false},
	{OPT_SO_PIN, "so-pin", 0, PIN_FROM, NULL, "where the security officer's PIN comes from", false},
	{OPT_NEW_PIN, "new-pin", 0, PIN_FROM, NULL, "where the new PIN comes from", false},
	{OPT_NO_PIN, "no-pin", 0, NULL, NULL, "set no user PIN now", false},
	{OPT_SO, "so", 0, NULL, NULL, "the security officer's PIN, not the user's", false},
	{OPT_YES, "yes", 'y', NULL, NULL, "do not ask for confirmation", false},
	{OPT_TIMEOUT, "timeout", 0, "TIME", NULL, "lock again after 30s, 10m, 8h, 2d", false},
	{OPT_ALL, "all", 'a', NULL, NULL, "every token", false},
	{OPT_OUTPUT, "output", 'o', "FILE", NULL, "write to this new file; - is stdout", false},
	{OPT_AFTER, "after", 0, "N", NULL, "only events after number N", false},
	{OPT_LIMIT, "limit", 'n', "N", NULL, "at most N events", false},
	{OPT_FOLLOW, "follow", 0, NULL, NULL, "go on with events as they come", false},
};

const struct option_row *
cmd_option(enum cmd_opt id)
{
	return &options[id];
}

/* getopt's values: options are told apart by their row, letters included. */
#define VALUE_BASE 1000

struct getopt_table {
	struct option longs[OPT_COUNT + 1];
	char shorts[2 * OPT_COUNT + 3];
};

static void
table_make(struct getopt_table *t, uint64_t mask, bool stop_at_verb)
{
	size_t n = 0, s = 0;

	memset(t, 0, sizeof(*t));
	if (stop_at_verb)
		t->shorts[s++] = '+';
	t->shorts[s++] = ':';
	for (size_t i = 0; i < OPT_COUNT; i++) {
		const struct option_row *o = &options[i];

		if (i >= OPT_GLOBALS && !(mask & CMD_OPT(i)))
			continue;
		t->longs[n++] = (struct option){o->name, o->arg ? required_argument : no_argument, NULL,
			VALUE_BASE + (int)i};
		if (o->letter) {
			t->shorts[s++] = o->letter;
			if (o->arg)
				t->shorts[s++] = ':';
		}
	}
}

static const struct option_row *
row_of(int value)
{
	if (value >= VALUE_BASE)
		return &options[value - VALUE_BASE];
	for (size_t i = 0; i < OPT_COUNT; i++) {
		if (options[i].letter == value)
			return &options[i];
	}
	return NULL;
}

static int
complain(const struct cmd *c, int value, char *const *argv)
{
	const struct option_row *o = optopt ? row_of(optopt) : NULL;
	const char *verb = c->row ? c->row->name : "";
	char given[64];

	if (optopt && optopt < VALUE_BASE)
		snprintf(given, sizeof(given), "-%c", optopt);
	else
		snprintf(given, sizeof(given), "%.*s", (int)strcspn(argv[optind - 1], "="), argv[optind - 1]);
	if (value == ':')
		return cmd_say(CMD_USAGE, "%s needs %s; see `tokenfs help %s`", given, o ? o->arg : "a value",
			verb);
	if (o && optopt >= VALUE_BASE)
		return cmd_say(CMD_USAGE, "--%s takes no value; see `tokenfs help %s`", o->name, verb);
	return cmd_say(CMD_USAGE, "%s%sthere is no option %s here; see `tokenfs help%s%s`", verb,
		*verb ? ": " : "", given, *verb ? " " : "", verb);
}

static char flag_given[] = "";

static int
parse_options(struct cmd *c, int argc, char **argv, bool stop_at_verb)
{
	struct getopt_table t;
	int value;

	table_make(&t, c->row ? c->row->options : 0, stop_at_verb);
	optind = 0; /* glibc: begin anew */
	opterr = 0;
	while ((value = getopt_long(argc, argv, t.shorts, t.longs, NULL)) != -1) {
		const struct option_row *o = value == '?' || value == ':' ? NULL : row_of(value);

		if (!o)
			return complain(c, value, argv);
		if (o->arg && c->opt[o->id])
			return cmd_say(CMD_USAGE, "--%s is given twice", o->name);
		if (!c->opt[o->id])
			c->order[c->n_order++] = o->id;
		c->opt[o->id] = o->arg ? optarg : flag_given;
	}
	return CMD_OK;
}

static int
check_args(const struct cmd *c)
{
	const struct command *row = c->row;

	if (c->opt[OPT_HELP])
		return CMD_OK;
	if (c->n_args < row->min_args)
		return cmd_say(CMD_USAGE, "%s needs %s; see `tokenfs help %s`", row->name, row->args, row->name);
	if (row->max_args >= 0 && c->n_args > row->max_args)
		return cmd_say(CMD_USAGE, "%s: one argument too many: '%s'; see `tokenfs help %s`", row->name,
			c->args[row->max_args], row->name);
	return CMD_OK;
}

/* No row begins with these words: a group alone ("token"), its help, or a mistake. */
static int
no_verb(struct cmd *c, int argc, char **argv)
{
	bool help = c->opt[OPT_HELP] != NULL;

	for (int i = 1; i < argc; i++)
		help = help || strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0;
	if (help && cmd_help_group(stdout, argv[0])) {
		c->done = true;
		return CMD_OK;
	}
	if (argc > 1 && argv[1][0] != '-' && cmd_help_group(NULL, argv[0]))
		return cmd_say(CMD_USAGE, "there is no command '%s %s'; see `tokenfs help %s`", argv[0],
			argv[1], argv[0]);
	if (cmd_help_group(stderr, argv[0]))
		return CMD_USAGE;
	return cmd_say(CMD_USAGE, "there is no command '%s'; see `tokenfs help`", argv[0]);
}

int
cmd_parse(struct cmd *c, int argc, char **argv)
{
	int used = 0, code;

	code = parse_options(c, argc, argv, true);
	if (code != CMD_OK)
		return code;
	argv += optind;
	argc -= optind;
	if (argc == 0)
		return CMD_OK;
	c->row = cmd_find(argv, argc, &used);
	if (!c->row)
		return no_verb(c, argc, argv);
	/* The last word of the verb stands where getopt expects the program's name. */
	argv += used - 1;
	argc -= used - 1;
	code = parse_options(c, argc, argv, false);
	if (code != CMD_OK)
		return code;
	c->args = argv + optind;
	c->n_args = argc - optind;
	return check_args(c);
}
