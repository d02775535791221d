#include "conf.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CONF_SYSTEM "/etc/tokenfs/tokenfs.conf"
#define CONF_MAX_FILE 65536

enum conf_type {
	CONF_PATH,
	CONF_TARGET, /* a path or a word */
	CONF_BOOL,
	CONF_NUMBER,
	CONF_DURATION,
	CONF_LEVEL,
	CONF_MODE
};

struct conf_key {
	const char *name;
	enum conf_type type;
	size_t at;
	unsigned long min, max;
	const char *allowed;
	const char *meaning;
};

#define AT(f) offsetof(struct conf, f)
#define A_PATH "an absolute path, or one that begins with ~/"

/* The one place that says what a configuration consists of; the defaults are in set_defaults. */
static const struct conf_key keys[] = {
	{"vault", CONF_PATH, AT(vault), 0, 0, A_PATH, "the directory of the encrypted tokens"},
	{"state", CONF_PATH, AT(state), 0, 0, A_PATH,
		"the directory of what belongs to this machine: index, PIN counters, audit"},
	{"key_file", CONF_PATH, AT(key_file), 0, 0, A_PATH, "the vault's key file"},
	{"mount", CONF_PATH, AT(mount), 0, 0, A_PATH, "where the tokens are mounted"},
	{"autostart", CONF_BOOL, AT(autostart), 0, 0, "yes or no",
		"applications start the daemon if a vault exists and nothing is mounted"},
	{"spare_slot", CONF_BOOL, AT(spare_slot), 0, 0, "yes or no",
		"show one slot with an uninitialised token"},
	{"max_sessions", CONF_NUMBER, AT(max_sessions), 1, 1048576, "1 to 1048576",
		"sessions of all applications together"},
	{"log_level", CONF_LEVEL, AT(log_level), 0, 0, "error, warning, notice, info or debug",
		"the least important message that is logged"},
	{"log_target", CONF_TARGET, AT(log_target), 0, 0,
		"syslog, stderr, " A_PATH, "where the daemon logs"},
	{"pin_tries", CONF_NUMBER, AT(pin_tries), 1, 100, "1 to 100",
		"wrong user PINs in a row before the PIN is locked"},
	{"retire_grace", CONF_DURATION, AT(retire_grace), 0, 315360000,
		"0, or a number with s, m, h or d behind it, up to 3650d",
		"how long replaced and destroyed objects stay on disk for a running backup"},
	{"legacy", CONF_BOOL, AT(legacy), 0, 0, "yes or no",
		"offer mechanisms that are broken, or whose keys are short: MD5, single DES and the like"},
	{"umask", CONF_MODE, AT(umask), 0, 0777, "an octal number, 000 to 777",
		"the umask of the daemon"},
};

#define N_KEYS (sizeof(keys) / sizeof(keys[0]))

static const char *const levels[] = {"error", "warning", "notice", "info", "debug"};

#define N_LEVELS (sizeof(levels) / sizeof(levels[0]))

__attribute__((format(printf, 3, 4))) static bool
complain(char *err, size_t err_len, const char *fmt, ...)
{
	va_list ap;

	if (err_len > 0) {
		va_start(ap, fmt);
		vsnprintf(err, err_len, fmt, ap);
		va_end(ap);
	}
	return false;
}

/* ---- where things are by default ----------------------------------------------------------- */

/* malloc'd. What libc allocates within itself (strdup, vasprintf, getline) the module does not free: an application
 * that brings its own malloc and loads the module with RTLD_DEEPBIND has libc allocate by the one, and the module free
 * by the other. */
__attribute__((format(printf, 1, 2))) static char *
text_of(const char *fmt, ...)
{
	char *text;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	text = n < 0 ? NULL : malloc((size_t)n + 1);
	if (text == NULL)
		return NULL;
	va_start(ap, fmt);
	vsnprintf(text, (size_t)n + 1, fmt, ap);
	va_end(ap);
	return text;
}

static char *
copy_of(const char *text)
{
	return text_of("%s", text);
}

/* malloc'd; NULL when the user has no home. */
static char *
home_dir(void)
{
	const char *home = secure_getenv("HOME");
	struct passwd pw, *found = NULL;
	char text[4096];

	if (home != NULL && home[0] == '/')
		return copy_of(home);
	if (getpwuid_r(geteuid(), &pw, text, sizeof(text), &found) != 0 || found == NULL)
		return NULL;
	return found->pw_dir[0] == '/' ? copy_of(found->pw_dir) : NULL;
}

/* $variable/rest, else ~/otherwise/rest. A relative value of the variable counts as unset (XDG base
 * directory specification). */
static char *
user_path(const char *variable, const char *otherwise, const char *rest)
{
	const char *base = secure_getenv(variable);
	char *home, *path;

	if (base != NULL && base[0] == '/')
		return text_of("%s/%s", base, rest);
	home = home_dir();
	if (home == NULL)
		return NULL;
	path = text_of("%s/%s/%s", home, otherwise, rest);
	free(home);
	return path;
}

static char *
default_mount(void)
{
	const char *runtime = secure_getenv("XDG_RUNTIME_DIR");
	unsigned uid = (unsigned)geteuid();
	struct stat st;
	char dir[64];

	if (uid == 0)
		return copy_of("/run/tokenfs");
	if (runtime != NULL && runtime[0] == '/')
		return text_of("%s/tokenfs", runtime);
	snprintf(dir, sizeof(dir), "/run/user/%u", uid);
	if (stat(dir, &st) == 0 && S_ISDIR(st.st_mode))
		return text_of("%s/tokenfs", dir);
	return text_of("/tmp/tokenfs-%u", uid);
}

static bool
set_defaults(struct conf *c)
{
	bool root = geteuid() == 0;

	memset(c, 0, sizeof(*c));
	c->vault = root ? copy_of("/var/lib/tokenfs/vault")
			: user_path("XDG_DATA_HOME", ".local/share", "tokenfs/vault");
	c->state = root ? copy_of("/var/lib/tokenfs/state")
			: user_path("XDG_STATE_HOME", ".local/state", "tokenfs");
	c->key_file = root ? copy_of("/etc/tokenfs/vault.key")
			   : user_path("XDG_CONFIG_HOME", ".config", "tokenfs/vault.key");
	c->mount = default_mount();
	c->log_target = copy_of("syslog");
	c->autostart = true;
	c->spare_slot = true;
	c->max_sessions = 16384;
	c->log_level = 2;
	c->pin_tries = 10;
	c->retire_grace = 3600;
	c->umask = 077;
	return c->vault != NULL && c->state != NULL && c->key_file != NULL && c->mount != NULL &&
		c->log_target != NULL;
}

void
conf_free(struct conf *c)
{
	free(c->file);
	free(c->vault);
	free(c->state);
	free(c->key_file);
	free(c->mount);
	free(c->log_target);
	memset(c, 0, sizeof(*c));
}

/* ---- one value ----------------------------------------------------------------------------- */

/* Digits only, no sign, no blank; *rest is what follows. */
static bool
parse_number(const char *text, int base, unsigned long *v, const char **rest)
{
	char *end;

	if (text[0] < '0' || text[0] > '9')
		return false;
	errno = 0;
	*v = strtoul(text, &end, base);
	*rest = end;
	return errno == 0;
}

static bool
parse_duration(const char *text, unsigned long max, unsigned long *v)
{
	static const struct {
		char letter;
		unsigned long seconds;
	} units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
	const char *rest;

	if (!parse_number(text, 10, v, &rest))
		return false;
	if (*rest == '\0')
		return *v <= max;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (rest[0] == units[i].letter && rest[1] == '\0') {
			if (*v > max / units[i].seconds)
				return false;
			*v *= units[i].seconds;
			return true;
		}
	}
	return false;
}

/* malloc'd, or NULL for what is no path. */
static char *
parse_path(const char *text)
{
	char *home, *path;

	if (text[0] == '/')
		return copy_of(text);
	if (strncmp(text, "~/", 2) != 0)
		return NULL;
	home = home_dir();
	if (home == NULL)
		return NULL;
	path = text_of("%s%s", home, text + 1);
	free(home);
	return path;
}

static bool
store_text(char **at, char *text)
{
	if (text == NULL)
		return false;
	free(*at);
	*at = text;
	return true;
}

static bool
store_level(int *at, const char *text)
{
	for (size_t i = 0; i < N_LEVELS; i++) {
		if (strcmp(text, levels[i]) == 0) {
			*at = (int)i;
			return true;
		}
	}
	return false;
}

static bool
store(const struct conf_key *k, void *at, const char *text)
{
	const char *rest;
	unsigned long v;

	switch (k->type) {
	case CONF_TARGET:
		if (strcmp(text, "syslog") == 0 || strcmp(text, "stderr") == 0)
			return store_text(at, copy_of(text));
		return store_text(at, parse_path(text));
	case CONF_PATH:
		return store_text(at, parse_path(text));
	case CONF_BOOL:
		if (strcmp(text, "yes") != 0 && strcmp(text, "no") != 0)
			return false;
		*(bool *)at = text[0] == 'y';
		return true;
	case CONF_NUMBER:
		if (!parse_number(text, 10, &v, &rest) || *rest != '\0' || v < k->min || v > k->max)
			return false;
		*(unsigned *)at = (unsigned)v;
		return true;
	case CONF_DURATION:
		if (!parse_duration(text, k->max, &v))
			return false;
		*(unsigned *)at = (unsigned)v;
		return true;
	case CONF_LEVEL:
		return store_level(at, text);
	case CONF_MODE:
		if (!parse_number(text, 8, &v, &rest) || *rest != '\0' || v > k->max)
			return false;
		*(mode_t *)at = (mode_t)v;
		return true;
	}
	return false;
}

static const struct conf_key *
find_key(const char *name)
{
	for (size_t i = 0; i < N_KEYS; i++) {
		if (strcmp(keys[i].name, name) == 0)
			return &keys[i];
	}
	return NULL;
}

static bool
unknown_key(const char *key, char *err, size_t err_len)
{
	char names[256] = "";
	size_t at = 0;

	for (size_t i = 0; i < N_KEYS && at < sizeof(names); i++)
		at += (size_t)snprintf(names + at, sizeof(names) - at, "%s%s", i == 0 ? "" : ", ",
			keys[i].name);
	return complain(err, err_len, "unknown key '%s'; the keys are %s", key, names);
}

bool
conf_set(struct conf *c, const char *key, const char *value, char *err, size_t err_len)
{
	const struct conf_key *k = find_key(key);

	if (k == NULL)
		return unknown_key(key, err, err_len);
	if (!store(k, (char *)c + k->at, value))
		return complain(err, err_len, "%s = %s: must be %s", key, value, k->allowed);
	return true;
}

static void
show_duration(unsigned v, char *text, size_t len)
{
	if (v != 0 && v % 86400 == 0)
		snprintf(text, len, "%ud", v / 86400);
	else if (v != 0 && v % 3600 == 0)
		snprintf(text, len, "%uh", v / 3600);
	else if (v != 0 && v % 60 == 0)
		snprintf(text, len, "%um", v / 60);
	else
		snprintf(text, len, "%us", v);
}

bool
conf_show(const struct conf *c, size_t i, const char **key, char *value, size_t value_len)
{
	const void *at;

	if (i >= N_KEYS)
		return false;
	at = (const char *)c + keys[i].at;
	*key = keys[i].name;
	switch (keys[i].type) {
	case CONF_PATH:
	case CONF_TARGET:
		snprintf(value, value_len, "%s", *(char *const *)at);
		break;
	case CONF_BOOL:
		snprintf(value, value_len, "%s", *(const bool *)at ? "yes" : "no");
		break;
	case CONF_NUMBER:
		snprintf(value, value_len, "%u", *(const unsigned *)at);
		break;
	case CONF_DURATION:
		show_duration(*(const unsigned *)at, value, value_len);
		break;
	case CONF_LEVEL:
		snprintf(value, value_len, "%s", levels[*(const int *)at]);
		break;
	case CONF_MODE:
		snprintf(value, value_len, "%03o", (unsigned)*(const mode_t *)at);
		break;
	}
	return true;
}

bool
conf_describe(size_t i, const char **key, const char **allowed, const char **meaning)
{
	if (i >= N_KEYS)
		return false;
	*key = keys[i].name;
	*allowed = keys[i].allowed;
	*meaning = keys[i].meaning;
	return true;
}

/* ---- the file ------------------------------------------------------------------------------ */

static char *
trim(char *s)
{
	char *end;

	s += strspn(s, " \t\r");
	end = s + strlen(s);
	while (end > s && strchr(" \t\r", end[-1]) != NULL)
		*--end = '\0';
	return s;
}

/* One line, which is changed. `seen` has a bit per key. */
static bool
parse_line(struct conf *c, char *line, unsigned *seen, char *err, size_t err_len)
{
	const struct conf_key *k;
	char *equals, *name;

	line = trim(line);
	if (line[0] == '\0' || line[0] == '#')
		return true;
	equals = strchr(line, '=');
	if (equals == NULL)
		return complain(err, err_len, "a line must be 'key = value' or begin with #");
	*equals = '\0';
	name = trim(line);
	k = find_key(name);
	if (k != NULL) {
		unsigned bit = 1u << (k - keys);

		if (*seen & bit)
			return complain(err, err_len, "'%s' is given twice", name);
		*seen |= bit;
	}
	return conf_set(c, name, trim(equals + 1), err, err_len);
}

static bool
parse(struct conf *c, const char *file, char *text, char *err, size_t err_len)
{
	unsigned line_number = 0, seen = 0;
	char why[512];

	for (char *line; (line = strsep(&text, "\n")) != NULL;) {
		line_number++;
		if (!parse_line(c, line, &seen, why, sizeof(why)))
			return complain(err, err_len, "%s:%u: %s", file, line_number, why);
	}
	return true;
}

static bool
check_file(int fd, const char *file, char *err, size_t err_len)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return complain(err, err_len, "%s: %s", file, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return complain(err, err_len, "%s: not a regular file", file);
	if (st.st_uid != 0 && st.st_uid != geteuid())
		return complain(err, err_len, "%s: owned by uid %u, must be owned by root or uid %u",
			file, (unsigned)st.st_uid, (unsigned)geteuid());
	if (st.st_mode & (S_IWGRP | S_IWOTH))
		return complain(err, err_len, "%s: group or others may write it; mend with: chmod go-w %s",
			file, file);
	if (st.st_size > CONF_MAX_FILE)
		return complain(err, err_len, "%s: longer than %d bytes", file, CONF_MAX_FILE);
	return true;
}

static ssize_t
read_all(int fd, char *text, size_t max)
{
	size_t n = 0;

	while (n < max) {
		ssize_t got = read(fd, text + n, max - n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		if (got == 0)
			break;
		n += (size_t)got;
	}
	return (ssize_t)n;
}

/* Absence is no error when the file is not `required`. */
static bool
read_file(struct conf *c, const char *file, bool required, char *err, size_t err_len)
{
	bool good = false;
	char *text = NULL;
	ssize_t n;
	int fd;

	fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 && !required && (errno == ENOENT || errno == ENOTDIR))
		return true;
	if (fd < 0)
		return complain(err, err_len, "%s: %s", file, strerror(errno));
	if (!check_file(fd, file, err, err_len))
		goto out;
	text = malloc(CONF_MAX_FILE + 1);
	n = text == NULL ? -1 : read_all(fd, text, CONF_MAX_FILE);
	if (n < 0) {
		complain(err, err_len, "%s: %s", file, strerror(errno));
		goto out;
	}
	text[n] = '\0';
	if (strlen(text) != (size_t)n) {
		complain(err, err_len, "%s: holds a NUL byte, must be text", file);
		goto out;
	}
	c->file = copy_of(file);
	if (c->file == NULL) {
		complain(err, err_len, "%s: out of memory", file);
		goto out;
	}
	good = parse(c, file, text, err, err_len);
out:
	free(text);
	close(fd);
	return good;
}

/* The user's own file, else the system's. */
static bool
read_usual(struct conf *c, char *err, size_t err_len)
{
	char *own = user_path("XDG_CONFIG_HOME", ".config", "tokenfs/tokenfs.conf");
	bool good = true;

	/* A service that kept its caller's HOME cannot look in there: as if it had none. */
	if (own != NULL && faccessat(AT_FDCWD, own, R_OK, AT_EACCESS) == 0)
		good = read_file(c, own, false, err, err_len);
	free(own);
	if (good && c->file == NULL)
		good = read_file(c, CONF_SYSTEM, false, err, err_len);
	return good;
}

bool
conf_load(struct conf *c, const char *file, char *err, size_t err_len)
{
	const char *mount;
	char why[512];
	bool good;

	if (file == NULL)
		file = secure_getenv("TOKENFS_CONF");
	if (!set_defaults(c)) {
		complain(err, err_len, "no home directory: HOME is not set and the user database has none");
		goto fail;
	}
	if (file != NULL && file[0] != '\0')
		good = read_file(c, file, true, err, err_len);
	else
		good = read_usual(c, err, err_len);
	if (!good)
		goto fail;
	mount = secure_getenv("TOKENFS_MOUNT");
	if (mount != NULL && mount[0] != '\0' && !conf_set(c, "mount", mount, why, sizeof(why))) {
		complain(err, err_len, "environment TOKENFS_MOUNT: %s", why);
		goto fail;
	}
	return true;
fail:
	conf_free(c);
	return false;
}
