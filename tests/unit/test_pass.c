/* Where PINs come from: each source, what is wiped behind it, what is refused; the prompt on a terminal. */
#include "unit.h"

#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "fs/pass.h"
#include "store/secret.h"

static char err[512];

static bool
reads(const char *source, const char *want)
{
	struct pass_word p = {0};
	char copy[512];
	bool ok;

	snprintf(copy, sizeof(copy), "%s", source);
	err[0] = '\0';
	ok = pass_read(&p, copy, "user PIN", false, err, sizeof(err));
	if (want)
		ok = ok && p.len == strlen(want) && memcmp(p.bytes, want, p.len) == 0;
	else
		ok = !ok && err[0] && !p.bytes && p.len == 0;
	pass_clear(&p);
	return ok;
}

static void
put_file(const char *path, const void *data, size_t len, mode_t mode)
{
	int fd;

	unlink(path); /* the last one may have been made read-only */
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	CHECK(fd >= 0 && write(fd, data, len) == (ssize_t)len && fchmod(fd, mode) == 0);
	close(fd);
}

static void
test_files(void)
{
	char long_pin[256], source[400];

	put_file("pin", "1234\nrest", 9, 0600);
	CHECK(reads("file:pin", "1234"));
	put_file("pin", "12 34\r\n", 7, 0400);
	CHECK(reads("file:pin", "12 34"));
	put_file("pin", "1234", 4, 0640);
	CHECK(reads("file:pin", NULL) && strstr(err, "chmod 600 pin"));
	put_file("pin2", "12\00034\n", 6, 0600);
	CHECK(reads("file:pin2", NULL) && strstr(err, "NUL"));
	put_file("pin3", "", 0, 0600);
	CHECK(reads("file:pin3", NULL));
	put_file("pin4", "\n1234\n", 6, 0600);
	CHECK(reads("file:pin4", NULL) && strstr(err, "4 to 255"));
	CHECK(reads("file:", NULL) && reads("file:.", NULL) && reads("file:absent", NULL));
	memset(long_pin, 'x', 255);
	long_pin[255] = '\0';
	snprintf(source, sizeof(source), "pass:%s", long_pin);
	CHECK(reads(source, long_pin));
	snprintf(source, sizeof(source), "pass:%sy", long_pin);
	CHECK(reads(source, NULL));
}

static void
test_descriptors(void)
{
	int pair[2];
	char source[32];

	CHECK(pipe(pair) == 0 && write(pair[1], "first\nsecond\n", 13) == 13);
	close(pair[1]);
	snprintf(source, sizeof(source), "fd:%d", pair[0]);
	CHECK(reads(source, "first"));
	CHECK(reads(source, "second"));
	CHECK(reads(source, NULL));
	close(pair[0]);
	CHECK(reads(source, NULL));
	CHECK(reads("fd:", NULL) && reads("fd:-1", NULL) && reads("fd:1x", NULL));
}

static void
test_text(void)
{
	struct pass_word p = {0};
	char source[] = "pass:1234";

	CHECK(pass_read(&p, source, "user PIN", false, err, sizeof(err)));
	CHECK(memcmp(source, "pass:\0\0\0\0", 9) == 0);
	pass_clear(&p);
	setenv("UNIT_PIN", "abcd", 1);
	CHECK(reads("env:UNIT_PIN", "abcd"));
	CHECK(strcmp(getenv("UNIT_PIN"), "") == 0);
	CHECK(reads("env:UNIT_ABSENT", NULL));
	unsetenv("CREDENTIALS_DIRECTORY");
	CHECK(reads("cred:pin5", NULL));
	put_file("pin5", "9876", 4, 0440);
	setenv("CREDENTIALS_DIRECTORY", ".", 1);
	CHECK(reads("cred:pin5", "9876"));
	CHECK(reads("cred:../pin5", NULL) && reads("cred:", NULL));
	CHECK(reads("pass:123", NULL));
	CHECK(reads("secret99", NULL) && !strstr(err, "secret99") && strstr(err, "cred:NAME"));
	CHECK(reads("stdinx", NULL) && reads("", NULL) && reads("pass", NULL));
}

/* The child is asked on the terminal that this process types on. */
static int
ask(const char *typed, bool twice, const char *want, bool interrupt)
{
	struct pass_word p = {0};
	struct termios t;
	char seen[1024];
	size_t len = 0;
	ssize_t n;
	int master, status;
	pid_t child = forkpty(&master, NULL, NULL, NULL);

	if (child == 0) {
		bool ok;

		if (secret_start() != CKR_OK)
			_exit(3);
		if (interrupt)
			signal(SIGINT, SIG_IGN); /* so that the child lives on to look at the terminal */
		ok = pass_read(&p, NULL, "user PIN", twice, err, sizeof(err));
		if (ok != (want != NULL) || (want && (p.len != strlen(want) || memcmp(p.bytes, want, p.len))))
			_exit(1);
		pass_clear(&p);
		_exit(tcgetattr(0, &t) == 0 && (t.c_lflag & ECHO) ? 0 : 2);
	}
	/* The question is there once echo is off: only then is it typed. */
	for (const char *line = typed; *line;) {
		size_t end = strcspn(line, "\n\003") + 1;

		do {
			n = read(master, seen + len, sizeof(seen) - 1 - len);
			len += n > 0 ? (size_t)n : 0;
			seen[len] = '\0';
		} while (n > 0 && (len < 2 || strcmp(seen + len - 2, ": ") != 0));
		if (n <= 0 || write(master, line, end) < 0)
			break;
		line += end;
	}
	while (len < sizeof(seen) - 1 && (n = read(master, seen + len, sizeof(seen) - 1 - len)) > 0)
		len += (size_t)n;
	seen[len] = '\0';
	CHECK(strstr(seen, "user PIN: ") != NULL);
	CHECK(strstr(seen, "1234") == NULL);
	waitpid(child, &status, 0);
	close(master);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 100 + status;
}

static void
test_prompt(void)
{
	CHECK(ask("1234\n", false, "1234", false) == 0);
	CHECK(ask("1234\n1234\n", true, "1234", false) == 0);
	CHECK(ask("1234\n12345\n", true, NULL, false) == 0);
	CHECK(ask("1\n", false, NULL, false) == 0);
	CHECK(ask("12\003", false, NULL, true) == 0);
}

int
main(void)
{
	char dir[] = "/tmp/unit-pass.XXXXXX", clean[64];

	/* Forks, which secret memory does not survive: before it is started here. */
	test_prompt();
	if (secret_start() != CKR_OK || !mkdtemp(dir) || chdir(dir) != 0)
		return 1;
	test_files();
	test_descriptors();
	test_text();
	snprintf(clean, sizeof(clean), "rm -rf %s", dir);
	if (chdir("/") != 0 || system(clean) != 0)
		return 1;
	return unit_done("pass");
}
