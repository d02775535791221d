#include "pkcs11/conf.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unit.h"

static char dir[] = "/tmp/tokenfs-test-conf-XXXXXX";
static char path[512], err[1024];

static void
write_file(const char *text, size_t len)
{
	FILE *f = fopen(path, "w");

	CHECK(f != NULL && fwrite(text, 1, len, f) == len && fclose(f) == 0);
	CHECK(chmod(path, 0600) == 0);
}

static bool
load(struct conf *c, const char *text)
{
	write_file(text, strlen(text));
	err[0] = '\0';
	return conf_load(c, path, err, sizeof(err));
}

/* The text is refused, and the complaint holds every one of the words. */
static void
refused(const char *text, const char *word, const char *other)
{
	struct conf c;
	bool good = load(&c, text);

	CHECK(!good);
	CHECK(c.vault == NULL && c.file == NULL);
	CHECK(strncmp(err, path, strlen(path)) == 0);
	if (strstr(err, word) == NULL || strstr(err, other) == NULL) {
		fprintf(stderr, "'%s' gave: %s\n", text, err);
		CHECK(!"the complaint lacks a word");
	}
}

static void
defaults(void)
{
	struct conf c;

	CHECK(load(&c, ""));
	CHECK(strcmp(c.file, path) == 0);
	CHECK(c.autostart && c.spare_slot && !c.legacy && c.max_sessions == 16384 && c.log_level == 2);
	CHECK(c.pin_tries == 10 && c.retire_grace == 3600 && c.umask == 077);
	CHECK(strcmp(c.log_target, "syslog") == 0);
	if (geteuid() == 0) {
		CHECK(strcmp(c.vault, "/var/lib/tokenfs/vault") == 0);
		CHECK(strcmp(c.state, "/var/lib/tokenfs/state") == 0);
		CHECK(strcmp(c.key_file, "/etc/tokenfs/vault.key") == 0);
		CHECK(strcmp(c.mount, "/run/tokenfs") == 0);
	} else {
		CHECK(strstr(c.vault, "/.local/share/tokenfs/vault") != NULL);
		CHECK(strstr(c.state, "/.local/state/tokenfs") != NULL);
		CHECK(strstr(c.key_file, "/.config/tokenfs/vault.key") != NULL);
	}
	conf_free(&c);
	conf_free(&c);
}

static void
every_key(void)
{
	struct conf c;

	CHECK(load(&c,
		"# a comment\n\n"
		"vault = /srv/a b\n  state=~/state  \r\nkey_file = /k\nmount\t=\t/m\n"
		"autostart = no\nspare_slot = no\nmax_sessions = 1\nlog_level = debug\n"
		"log_target = /var/log/x # y\npin_tries = 100\nretire_grace = 2d\numask = 027\nlegacy = yes"));
	CHECK(strcmp(c.vault, "/srv/a b") == 0 && strcmp(c.mount, "/m") == 0);
	CHECK(strncmp(c.state, dir, strlen(dir)) == 0 && strcmp(c.state + strlen(dir), "/state") == 0);
	CHECK(!c.autostart && !c.spare_slot && c.max_sessions == 1 && c.log_level == 4);
	CHECK(strcmp(c.log_target, "/var/log/x # y") == 0 && c.pin_tries == 100);
	CHECK(c.retire_grace == 172800 && c.umask == 027 && c.legacy);
	conf_free(&c);
	CHECK(load(&c, "retire_grace = 90s\nlog_target = stderr"));
	CHECK(c.retire_grace == 90 && strcmp(c.log_target, "stderr") == 0);
	conf_free(&c);
	CHECK(load(&c, "retire_grace = 0"));
	CHECK(c.retire_grace == 0);
	conf_free(&c);
}

static void
bad_lines(void)
{
	refused("vault = /a\nwrong = 1\n", ":2: unknown key 'wrong'", "retire_grace");
	refused("\n\nvault /a", ":3: ", "key = value");
	refused("vault = a/b", ":1: vault = a/b", "absolute");
	refused("vault =", ":1: ", "absolute");
	refused("vault = ~other/x", ":1: ", "absolute");
	refused("vault = /a\nvault = /b", ":2: ", "twice");
	refused("autostart = maybe", "maybe", "yes or no");
	refused("autostart = yesterday", "yesterday", "yes or no");
	refused("max_sessions = 0", ":1: ", "1 to 1048576");
	refused("max_sessions = 1048577", ":1: ", "1 to 1048576");
	refused("max_sessions = 99999999999999999999999", ":1: ", "1 to 1048576");
	refused("pin_tries = -1", ":1: ", "1 to 100");
	refused("pin_tries = 5x", ":1: ", "1 to 100");
	refused("pin_tries = 101", ":1: ", "1 to 100");
	refused("log_level = loud", "loud", "notice");
	refused("log_target = file", "file", "stderr");
	refused("retire_grace = 1w", "1w", "d behind it");
	refused("retire_grace = 3651d", "3651d", "3650d");
	refused("retire_grace = 18446744073709551615d", ":1: ", "3650d");
	refused("umask = 888", "888", "octal");
	refused("umask = 1777", "1777", "octal");
	refused("= 5", ":1: unknown key ''", "vault");
}

static void
bad_files(void)
{
	struct conf c;

	write_file("vault = /a\0b", 12);
	CHECK(!conf_load(&c, path, err, sizeof(err)) && strstr(err, "NUL") != NULL);
	write_file("vault = /a", 10);
	CHECK(chmod(path, 0620) == 0);
	CHECK(!conf_load(&c, path, err, sizeof(err)) && strstr(err, "chmod go-w") != NULL);
	CHECK(chmod(path, 0602) == 0);
	CHECK(!conf_load(&c, path, err, sizeof(err)) && strstr(err, "chmod go-w") != NULL);
	if (geteuid() == 0) {
		CHECK(chmod(path, 0600) == 0 && chown(path, 12345, 0) == 0);
		CHECK(!conf_load(&c, path, err, sizeof(err)) && strstr(err, "owned by uid 12345") != NULL);
	}
	CHECK(unlink(path) == 0);
	CHECK(!conf_load(&c, path, err, sizeof(err)) && strstr(err, "No such file") != NULL);
	CHECK(mkfifo(path, 0600) == 0);
	CHECK(!conf_load(&c, path, err, sizeof(err)) && strstr(err, "regular") != NULL);
	CHECK(unlink(path) == 0);
	CHECK(!conf_load(&c, dir, err, sizeof(err)) && strstr(err, "regular") != NULL);
	/* a short err is cut, not overrun */
	CHECK(!conf_load(&c, path, err, 4) && strlen(err) == 3);
}

static void
environment(void)
{
	struct conf c;
	char own[300];

	/* the user's own file, by XDG_CONFIG_HOME, then by HOME */
	snprintf(own, sizeof(own), "%s/.config", dir);
	CHECK(mkdir(own, 0700) == 0);
	snprintf(own, sizeof(own), "%s/.config/tokenfs", dir);
	CHECK(mkdir(own, 0700) == 0);
	snprintf(path, sizeof(path), "%s/tokenfs.conf", own);
	write_file("pin_tries = 7", 13);
	CHECK(conf_load(&c, NULL, err, sizeof(err)) && c.pin_tries == 7 && strcmp(c.file, path) == 0);
	conf_free(&c);
	CHECK(setenv("XDG_CONFIG_HOME", "/nonexistent", 1) == 0);
	CHECK(conf_load(&c, NULL, err, sizeof(err)) && c.pin_tries == 10);
	conf_free(&c);
	CHECK(setenv("XDG_CONFIG_HOME", "relative", 1) == 0); /* counts as unset */
	CHECK(conf_load(&c, NULL, err, sizeof(err)) && c.pin_tries == 7);
	conf_free(&c);
	CHECK(setenv("XDG_CONFIG_HOME", "/nonexistent", 1) == 0);
	CHECK(setenv("TOKENFS_CONF", path, 1) == 0);
	CHECK(conf_load(&c, NULL, err, sizeof(err)) && c.pin_tries == 7);
	conf_free(&c);
	CHECK(setenv("TOKENFS_CONF", "/nonexistent/x", 1) == 0);
	CHECK(!conf_load(&c, NULL, err, sizeof(err)) && strstr(err, "/nonexistent/x") != NULL);
	CHECK(setenv("TOKENFS_MOUNT", "/elsewhere", 1) == 0);
	write_file("mount = /m", 10);
	CHECK(conf_load(&c, path, err, sizeof(err)) && strcmp(c.mount, "/elsewhere") == 0);
	conf_free(&c);
	CHECK(setenv("TOKENFS_MOUNT", "else/where", 1) == 0);
	CHECK(!conf_load(&c, path, err, sizeof(err)) && strstr(err, "TOKENFS_MOUNT") != NULL);
	CHECK(unsetenv("TOKENFS_MOUNT") == 0 && unsetenv("TOKENFS_CONF") == 0);
	CHECK(unlink(path) == 0 && rmdir(own) == 0);
	snprintf(own, sizeof(own), "%s/.config", dir);
	CHECK(rmdir(own) == 0);
}

/* What is shown can be set again and shows the same; every key is described. */
static void
shows_what_it_takes(void)
{
	struct conf c;
	char shown[256], again[256];
	const char *key, *allowed, *meaning;
	size_t n = 0;

	CHECK(load(&c, "retire_grace = 5400\numask = 7\nlog_level = error"));
	for (; conf_show(&c, n, &key, shown, sizeof(shown)); n++) {
		CHECK(conf_set(&c, key, shown, err, sizeof(err)));
		CHECK(conf_show(&c, n, &key, again, sizeof(again)) && strcmp(shown, again) == 0);
		CHECK(conf_describe(n, &key, &allowed, &meaning) && allowed[0] != '\0' && meaning[0] != '\0');
		if (strcmp(key, "retire_grace") == 0)
			CHECK(strcmp(shown, "90m") == 0);
		if (strcmp(key, "umask") == 0)
			CHECK(strcmp(shown, "007") == 0);
	}
	CHECK(n == 13 && !conf_describe(n, &key, &allowed, &meaning));
	CHECK(!conf_set(&c, "nothing", "1", err, sizeof(err)) && strstr(err, "vault") != NULL);
	CHECK(!conf_set(&c, "umask", "9", err, sizeof(err)) && c.umask == 7);
	CHECK(!conf_set(&c, "vault", "x", err, sizeof(err)) && c.vault[0] == '/');
	conf_free(&c);
}

int
main(void)
{
	static const char *const unset[] = {"TOKENFS_CONF", "TOKENFS_MOUNT", "XDG_CONFIG_HOME",
		"XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR"};

	for (size_t i = 0; i < sizeof(unset) / sizeof(unset[0]); i++)
		unsetenv(unset[i]);
	if (mkdtemp(dir) == NULL)
		return 2;
	setenv("HOME", dir, 1);
	snprintf(path, sizeof(path), "%s/conf", dir);
	defaults();
	every_key();
	bad_lines();
	bad_files();
	write_file("", 0);
	shows_what_it_takes();
	CHECK(unlink(path) == 0);
	environment();
	CHECK(rmdir(dir) == 0);
	return unit_done("test_conf");
}
