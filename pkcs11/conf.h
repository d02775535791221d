/*
 * conf.h - tokenfs.conf: one table of keys, one parser for the module and the command
 *
 * Lines `key = value`; a line that begins with `#` is a comment. Paths are absolute or begin with `~/`. The file: $TOKENFS_CONF, else $XDG_CONFIG_HOME/tokenfs/tokenfs.conf
 * (~/.config), else /etc/tokenfs/tokenfs.conf, else none. The environment is read with
 * secure_getenv. The parser is our own because the module may link libc alone.
 *
 * Use:        struct conf c; if (!conf_load(&c, path_or_NULL, err, sizeof(err))) ...; conf_free(&c)
 * Ownership:  strings belong to the struct.
 * Errors:     false, with a sentence in err: "FILE:LINE: what is wrong, what is allowed".
 *             An unknown key, a bad value, a key given twice, a line without '=', a file that group or others
 *             may write, or owned by someone other than root and the caller, is refused.
 */
#ifndef TOKENFS_CONF_H
#define TOKENFS_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct conf {
	char *file;  /* where it was read from, or NULL */
	char *vault; /* default: root /var/lib/tokenfs/vault, else $XDG_DATA_HOME/tokenfs/vault (~/.local/share) */
	char *state; /* root /var/lib/tokenfs/state, else $XDG_STATE_HOME/tokenfs (~/.local/state) */
	char *key_file; /* root /etc/tokenfs/vault.key, else $XDG_CONFIG_HOME/tokenfs/vault.key */
	char *mount;    /* $TOKENFS_MOUNT beats the file; root /run/tokenfs, else $XDG_RUNTIME_DIR/tokenfs, else
	                   /run/user/<uid>/tokenfs, else /tmp/tokenfs-<uid> */
	bool autostart;        /* yes */
	bool spare_slot;       /* yes */
	unsigned max_sessions; /* 16384; 1 .. 1048576 */
	int log_level;         /* error warning notice info debug -> 0..4; notice */
	char *log_target;      /* syslog | stderr | absolute path; syslog */
	unsigned pin_tries;    /* 10; 1 .. 100 */
	unsigned retire_grace; /* seconds, or 30s 10m 1h 2d; 1h */
	bool legacy;           /* no */
	mode_t umask;          /* 077 */
};

/* file NULL: the usual places. On failure *c is empty. */
bool conf_load(struct conf *c, const char *file, char *err, size_t err_len);
/* Writes one setting from text ("vault", "/srv/x"), as a command line would; same checks. */
bool conf_set(struct conf *c, const char *key, const char *value, char *err, size_t err_len);
/* The i-th key and its present value as text, for `tokenfs status --json` and the man page; false past the end. */
bool conf_show(const struct conf *c, size_t i, const char **key, char *value, size_t value_len);
/* The i-th key, what it may be ("1 to 100") and what it means, in words; false past the end. */
bool conf_describe(size_t i, const char **key, const char **allowed, const char **meaning);
void conf_free(struct conf *c);

#endif
