/*
 * cmd_help.c - the help texts and the shell's completion, both made from the tables
 */
#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "cmd.h"

static void
put_row(FILE *f, const struct command *row)
{
	char head[64];

	snprintf(head, sizeof(head), "%s%s%s", row->name, *row->args ? " " : "", row->args);
	fprintf(f, "  %-26s %s\n", head, row->summary);
}

static void
put_option(FILE *f, const struct option_row *o)
{
	char head[64];

	snprintf(head, sizeof(head), "--%s%s%s", o->name, o->arg ? " " : "", o->arg ? o->arg : "");
	if (o->letter)
		fprintf(f, "  -%c, %-20s %s\n", o->letter, head, o->help);
	else
		fprintf(f, "      %-20s %s\n", head, o->help);
}

static void
put_globals(FILE *f)
{
	fputs("\nOptions of every command:\n", f);
	for (int i = 0; i < OPT_GLOBALS; i++)
		put_option(f, cmd_option((enum cmd_opt)i));
}

void
cmd_help_all(FILE *f)
{
	const struct command *row;

	fputs("tokenfs: PKCS#11 tokens that are a file system\n\n"
	      "Usage: tokenfs [OPTION]... COMMAND [ARGUMENT]...\n\nCommands:\n", f);
	for (size_t i = 0; (row = cmd_at(i)); i++) {
		if (!row->hidden)
			put_row(f, row);
	}
	put_globals(f);
	fputs("\n`tokenfs help COMMAND` explains one. A LABEL may also be a serial number or slot:N.\n"
	      "Exit codes: 0 done, 1 failure, 2 usage, 3 not found or not mounted, 4 PIN wrong, 5 PIN locked,\n"
	      "6 check found problems, 7 in use by others, 8 refused. All of it: tokenfs(1)\n", f);
}

void
cmd_help_one(FILE *f, const struct command *row)
{
	uint64_t pins = CMD_OPT(OPT_PIN) | CMD_OPT(OPT_SO_PIN) | CMD_OPT(OPT_NEW_PIN);

	fprintf(f, "Usage: tokenfs %s%s%s%s\n\n%s\n", row->name, row->options ? " [OPTION]..." : "",
		*row->args ? " " : "", row->args, row->summary);
	if (row->detail)
		fprintf(f, "\n%s", row->detail);
	if (row->options)
		fputs("\nOptions:\n", f);
	for (int i = OPT_GLOBALS; i < OPT_COUNT; i++) {
		if (row->options & CMD_OPT(i))
			put_option(f, cmd_option((enum cmd_opt)i));
	}
	if (row->options & pins)
		fprintf(f, "\nA SOURCE is %s.\n", pass_sources());
	put_globals(f);
}

static bool
in_group(const struct command *row, const char *group)
{
	size_t n = strlen(group);

	return !row->hidden && strncmp(row->name, group, n) == 0 && row->name[n] == ' ';
}

bool
cmd_help_group(FILE *f, const char *group)
{
	const struct command *row;
	bool any = false;

	for (size_t i = 0; (row = cmd_at(i)); i++) {
		if (!in_group(row, group))
			continue;
		if (f && !any)
			fprintf(f, "Usage: tokenfs %s COMMAND\n\nCommands:\n", group);
		if (f)
			put_row(f, row);
		any = true;
	}
	return any;
}

int
cmd_help(struct cmd *c)
{
	const struct command *row;
	int used;

	if (c->n_args == 0) {
		cmd_help_all(stdout);
		return CMD_OK;
	}
	row = cmd_find(c->args, c->n_args, &used);
	if (row && used == c->n_args) {
		cmd_help_one(stdout, row);
		return CMD_OK;
	}
	if (!row && c->n_args == 1 && cmd_help_group(stdout, c->args[0]))
		return CMD_OK;
	return cmd_say(CMD_USAGE, "there is no command '%s%s%s'; see `tokenfs help`", c->args[0],
		c->n_args > 1 ? " " : "", c->n_args > 1 ? c->args[1] : "");
}

/* ---- completion: `tokenfs complete -- WORD...` prints one candidate a line ---- */

static void
complete_verbs(char *const *words, int n)
{
	const struct command *row;

	for (size_t i = 0; (row = cmd_at(i)); i++) {
		const char *space = strchr(row->name, ' ');

		if (row->hidden)
			continue;
		if (n == 0)
			printf("%.*s\n", space ? (int)(space - row->name) : (int)strlen(row->name), row->name);
		else if (n == 1 && in_group(row, words[0]))
			printf("%s\n", space + 1);
	}
}

static void
complete_options(const struct command *row)
{
	for (int i = 0; i < OPT_COUNT; i++) {
		if (i < OPT_GLOBALS || (row && row->options & CMD_OPT(i)))
			printf("--%s\n", cmd_option((enum cmd_opt)i)->name);
	}
}

/* The mounted tree lists the labels; nothing is opened and nobody is asked. */
static void
complete_labels(void)
{
	struct conf conf = {0};
	struct dirent *entry;
	char err[256];
	DIR *dir;

	if (!conf_load(&conf, NULL, err, sizeof(err)))
		return;
	dir = opendir(conf.mount);
	while (dir && (entry = readdir(dir))) {
		if (entry->d_name[0] != '.' && entry->d_type == DT_DIR)
			printf("%s\n", entry->d_name);
	}
	if (dir)
		closedir(dir);
	conf_free(&conf);
}

/* The words of "LABEL [strict|compat]". */
static void
complete_words(const char *args)
{
	const char *word = strchr(args, '[');

	while (word && *word != ']' && *word != '\0') {
		size_t len = strcspn(++word, "|]");

		printf("%.*s\n", (int)len, word);
		word += len;
	}
}

/* "--vault", whose value is the next word? */
static bool
takes_next_word(const char *word)
{
	for (int i = 0; i < OPT_COUNT; i++) {
		const struct option_row *o = cmd_option((enum cmd_opt)i);

		if (o->arg && strncmp(word, "--", 2) == 0 && strcmp(word + 2, o->name) == 0)
			return true;
		if (o->arg && o->letter && word[0] == '-' && word[1] == o->letter && !word[2])
			return true;
	}
	return false;
}

int
cmd_complete(struct cmd *c)
{
	const struct command *row;
	char *words[16];
	int n = 0, used = 0;

	for (int i = 0; i < c->n_args && n < 16; i++) {
		if (takes_next_word(c->args[i]))
			i++;
		else if (c->args[i][0] != '-' && c->args[i][0] != '\0')
			words[n++] = c->args[i];
	}
	row = n > 0 ? cmd_find(words, n, &used) : NULL;
	complete_options(row);
	if (!row)
		complete_verbs(words, n);
	else if (strcmp(row->name, "help") == 0)
		complete_verbs(words + 1, n - 1);
	else if (n > used && strchr(row->args, '|'))
		complete_words(row->args);
	else if (strstr(row->args, "LABEL"))
		complete_labels();
	return CMD_OK;
}
