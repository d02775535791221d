/*
 * cmd.h - the `tokenfs` command: one row per verb, one row per option, exit codes, error sentences
 *
 * A verb is a row of cmd.c: its words, arguments, options, help and handler. An option is a row of
 * cmd_options.c. Parsing, help texts and completion walk these two tables and know no verb by name.
 *
 * Use:        cmd_main(argc, argv) from main; a handler reads c->opt, c->args and c->conf and returns
 *             an exit code, after cmd_fail or cmd_say has told the person why.
 * Ownership:  what a struct cmd points to stays until its handler returns.
 * Errors:     exit codes below; tokenfs(1) documents them, EXIT STATUS.
 * Secrets:    PINs are read by pass.h into secret memory, never kept here but for those of stdin.
 */
#ifndef TOKENFS_CMD_H
#define TOKENFS_CMD_H

#include <stdio.h>

#include <json-c/json.h>

#include "../pkcs11/conf.h"
#include "../store/token.h"
#include "../store/why.h"
#include "client.h"
#include "pass.h"

enum cmd_exit {
	CMD_OK = 0,
	CMD_FAILED = 1,
	CMD_USAGE = 2,
	CMD_NOT_FOUND = 3,  /* no vault, no such token, nothing mounted */
	CMD_PIN_WRONG = 4,
	CMD_PIN_LOCKED = 5,
	CMD_PROBLEMS = 6,   /* `check` found damage */
	CMD_BUSY = 7,       /* in use, or held by another process */
	CMD_REFUSED = 8,    /* by policy, by permissions, by the person asked */
};

enum cmd_opt {
	/* global: before or after the verb */
	OPT_CONFIG,
	OPT_VAULT,
	OPT_STATE,
	OPT_KEY_FILE,
	OPT_MOUNT,
	OPT_JSON,
	OPT_QUIET,
	OPT_VERBOSE,
	OPT_HELP,
	OPT_VERSION,
	OPT_GLOBALS,
	/* of some verbs */
	OPT_FOREGROUND = OPT_GLOBALS,
	OPT_READ_ONLY,
	OPT_LAZY,
	OPT_NO_KEY_FILE,
	OPT_LABEL,
	OPT_SLOT,
	OPT_TOKEN,
	OPT_PIN,
	OPT_SO_PIN,
	OPT_NEW_PIN,
	OPT_NO_PIN,
	OPT_SO,
	OPT_YES,
	OPT_TIMEOUT,
	OPT_ALL,
	OPT_OUTPUT,
	OPT_AFTER,
	OPT_LIMIT,
	OPT_FOLLOW,
	OPT_COUNT
};
#define CMD_OPT(o) (UINT64_C(1) << (o))

struct cmd;

struct command {
	const char *name; /* its words, "token init" */
	const char *args; /* as help shows them, "LABEL" */
	int min_args, max_args;
	uint64_t options; /* CMD_OPT(...) beside the global ones */
	const char *summary;
	const char *detail; /* lines of help, each ended by \n; NULL: none */
	int (*run)(struct cmd *c);
	bool hidden;     /* not listed: completion's own */
	bool needs_conf; /* tokenfs.conf is read before run */
	/* secret_start() comes before run. Not for mount: locked memory does not survive its fork, and the
	 * daemon starts its own. */
	bool secrets;
};

struct cmd {
	const struct command *row;
	struct conf conf;
	char *opt[OPT_COUNT]; /* NULL: not given; "" for a flag */
	enum cmd_opt order[OPT_COUNT]; /* as they were given, for PINs from stdin */
	size_t n_order;
	char **args;
	int n_args;
	struct pass_word from_stdin[OPT_COUNT]; /* lines read for PIN options */
	bool stdin_read;
	bool done; /* parsing answered already, with the help of a group */
};

/* The program: parses, runs the verb; the exit code. */
int cmd_main(int argc, char **argv);

/* ---- the tables ---- */
const struct command *cmd_at(size_t i); /* NULL past the end */
/* The row whose words begin at words[0]; *used: how many words it took. NULL: none. */
const struct command *cmd_find(char *const *words, int n, int *used);

struct option_row {
	enum cmd_opt id;
	const char *name; /* without dashes */
	char letter;      /* 0: none */
	const char *arg;  /* NULL: a flag */
	const char *conf; /* key of tokenfs.conf that it overrides, or NULL */
	const char *help;
	bool is_path;
};
/* The row of an option; every option has one. */
const struct option_row *cmd_option(enum cmd_opt id);
/* Fills row, opt, order, args. CMD_OK, or CMD_USAGE after telling why. row stays NULL if there is no verb. */
int cmd_parse(struct cmd *c, int argc, char **argv);

/* ---- help (cmd_help.c) ---- */
/* All verbs with their summaries; one verb with its options. */
void cmd_help_all(FILE *f);
void cmd_help_one(FILE *f, const struct command *row);
/* Rows whose first word is `group`; false if there are none. f NULL: only asks. */
bool cmd_help_group(FILE *f, const char *group);

/* ---- telling (cmd_error.c) ---- */
/* "tokenfs: sentence" to stderr; returns code. */
int cmd_say(int code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* "tokenfs: what: reason", the next step under it; returns the exit code of rv. */
int cmd_fail(CK_RV rv, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int cmd_exit_code(CK_RV rv);
/* What is no result but worth knowing, to stderr; nothing under --quiet. */
void cmd_note(const struct cmd *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* ---- shared by the handlers (cmd_util.c) ---- */
/* What vault_open wants, from tokenfs.conf and the options; the strings stay c's. */
void cmd_vault_config(const struct cmd *c, struct vault_config *cfg);
/* CMD_OK, or CMD_NOT_FOUND after saying how to make one. */
int cmd_need_vault(const struct cmd *c);
/* Opens the client, telling what fails. */
int cmd_client(const struct cmd *c, enum client_way way, struct client **client);
/* Reads the PIN that the option names, or asks for `what`. CMD_OK, else told already. */
int cmd_pin(struct cmd *c, enum cmd_opt opt, const char *what, bool twice, struct pass_word *pin);
/* The daemon's state, as T_Status gives it; json_object_put it. */
int cmd_status_json(struct client *client, struct json_object **status);
/* A path of the command line is seen from the present folder; tokenfs.conf knows absolute ones only.
 * malloc'd, NULL when memory is exhausted. */
char *cmd_absolute(const char *path);
bool cmd_number(const char *text, uint64_t max, uint64_t *value);
bool cmd_duration(const char *text, unsigned *seconds); /* 90, 30s, 10m, 8h, 2d */
/* Asks on the terminal for `word` to be typed; true if it was, or --yes was given. */
bool cmd_confirm(const struct cmd *c, const char *question, const char *word);
/* Text from tokens and files: control characters become '?', so that they cannot steer a terminal. */
void cmd_put_text(FILE *f, const char *text);
void cmd_put_json(struct json_object *o); /* to stdout, with a line end */
/* Fields of JSON objects, with a fallback for what is missing. */
const char *cmd_json_text(struct json_object *o, const char *key, const char *otherwise);
int64_t cmd_json_number(struct json_object *o, const char *key, int64_t otherwise);
bool cmd_json_bool(struct json_object *o, const char *key);

/* ---- handlers ---- */
int cmd_help(struct cmd *c);
int cmd_complete(struct cmd *c);
int cmd_init(struct cmd *c);
int cmd_mount(struct cmd *c);
int cmd_umount(struct cmd *c);
int cmd_status(struct cmd *c);
int cmd_token_init(struct cmd *c);
int cmd_token_list(struct cmd *c);
int cmd_token_delete(struct cmd *c);
int cmd_token_change_pin(struct cmd *c);
int cmd_token_init_pin(struct cmd *c);
int cmd_token_policy(struct cmd *c);
int cmd_unlock(struct cmd *c);
int cmd_lock(struct cmd *c);
int cmd_check(struct cmd *c);
int cmd_reload(struct cmd *c);
int cmd_restore_accept(struct cmd *c);
int cmd_vault_key_export(struct cmd *c);
int cmd_vault_key_import(struct cmd *c);
int cmd_audit(struct cmd *c);

#endif
