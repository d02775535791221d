#include "pass.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "../pkcs11/buf.h"
#include "../store/secret.h"
#include "../store/token.h"

/* One byte more than a PIN may have, to see that there is more, and one for a carriage return. */
#define WORD_ROOM (PIN_MAX + 2)

/* What a source's reader is given, and where it leaves word and error. */
struct reading {
	struct pass_word *p;
	char *arg; /* behind the colon */
	const char *what;
	bool twice;
	char *err;
	size_t err_len;
};

static bool fail(struct reading *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static bool
fail(struct reading *r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(r->err, r->err_len, fmt, ap);
	va_end(ap);
	return false;
}

static bool
word_new(struct reading *r, struct pass_word *p)
{
	p->len = 0;
	p->bytes = secret_alloc(WORD_ROOM);
	return p->bytes ? true : fail(r, "out of memory");
}

/* One line, byte by byte: what follows it belongs to the next reader. -1: errno; 0: nothing there. */
static int
read_line(int fd, struct pass_word *p)
{
	ssize_t n;
	uint8_t byte;
	int result = 0;

	p->len = 0;
	while ((n = read(fd, &byte, 1)) == 1) {
		result = 1;
		if (byte == '\n')
			break;
		if (p->len < WORD_ROOM)
			p->bytes[p->len++] = byte;
	}
	if (n < 0)
		result = -1;
	if (p->len > 0 && p->bytes[p->len - 1] == '\r')
		p->len--;
	wipe(&byte, sizeof(byte));
	return result;
}

static bool
from_open_fd(struct reading *r, int fd, const char *name)
{
	int got;

	if (!word_new(r, r->p))
		return false;
	got = read_line(fd, r->p);
	if (got < 0)
		return fail(r, "cannot read the %s from %s: %s", r->what, name, strerror(errno));
	if (got == 0)
		return fail(r, "%s holds no line for the %s", name, r->what);
	return true;
}

static bool
from_stdin(struct reading *r)
{
	return from_open_fd(r, STDIN_FILENO, "stdin");
}

static bool
from_fd(struct reading *r)
{
	char *end;
	long fd;

	errno = 0;
	fd = strtol(r->arg, &end, 10);
	if (errno || *end || end == r->arg || fd < 0 || fd > 1 << 20 || fcntl((int)fd, F_GETFD) < 0)
		return fail(r, "fd:%s is no open file descriptor", r->arg);
	return from_open_fd(r, (int)fd, "the file descriptor");
}

static bool
from_path(struct reading *r, const char *path, bool check_mode)
{
	struct stat st;
	bool ok = false;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (fd < 0 || fstat(fd, &st) < 0) {
		fail(r, "cannot open %s for the %s: %s", path, r->what, strerror(errno));
		goto out;
	}
	if (S_ISDIR(st.st_mode)) {
		fail(r, "%s is a directory, not a file that holds the %s", path, r->what);
		goto out;
	}
	if (check_mode && S_ISREG(st.st_mode) && (st.st_mode & 077)) {
		fail(r, "%s holds a PIN and others may read it; mend it with: chmod 600 %s", path, path);
		goto out;
	}
	ok = from_open_fd(r, fd, path);
out:
	if (fd >= 0)
		close(fd);
	return ok;
}

static bool
from_file(struct reading *r)
{
	return from_path(r, r->arg, true);
}

/* systemd guards the directory itself and may grant by ACL, which shows as group bits. */
static bool
from_cred(struct reading *r)
{
	const char *dir = secure_getenv("CREDENTIALS_DIRECTORY");
	char path[4096];

	if (!dir || !*dir)
		return fail(r, "cred:%s needs $CREDENTIALS_DIRECTORY, which systemd sets for a service with "
			"LoadCredential=", r->arg);
	if (!*r->arg || strchr(r->arg, '/'))
		return fail(r, "cred:%s is no name of a credential", r->arg);
	if (snprintf(path, sizeof(path), "%s/%s", dir, r->arg) >= (int)sizeof(path))
		return fail(r, "the path of cred:%s is too long", r->arg);
	return from_path(r, path, false);
}

static bool
take_text(struct reading *r, char *text)
{
	size_t len = strlen(text);

	if (!word_new(r, r->p))
		return false;
	r->p->len = len < WORD_ROOM ? len : WORD_ROOM;
	memcpy(r->p->bytes, text, r->p->len);
	wipe(text, len);
	return true;
}

static bool
from_env(struct reading *r)
{
	char *value = secure_getenv(r->arg);

	if (!value)
		return fail(r, "the environment has no variable %s for the %s", r->arg, r->what);
	return take_text(r, value);
}

static bool
from_argument(struct reading *r)
{
	return take_text(r, r->arg);
}

/* ---- the terminal ---- */

static volatile sig_atomic_t caught;

static void
catch(int sig)
{
	caught = sig;
}

static const int prompt_signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};
#define PROMPT_SIGNALS (sizeof(prompt_signals) / sizeof(prompt_signals[0]))

/* Waits until a line is typed. The signals of a prompt are blocked but for this wait: one that comes just before it is
 * not lost. */
static bool
wait_line(int tty, const sigset_t *unblocked)
{
	struct pollfd p = {.fd = tty, .events = POLLIN};

	while (ppoll(&p, 1, NULL, unblocked) < 0)
		if (errno != EINTR || caught)
			return false;
	return !caught;
}

/* A line typed without echo. The terminal is as before when this returns, also after a signal. */
static int
ask_line(int tty, const char *what, const char *again, struct pass_word *p)
{
	struct sigaction act = {.sa_handler = catch}, old[PROMPT_SIGNALS];
	struct termios before, quiet;
	sigset_t blocked, mask;
	int result = -1;

	if (tcgetattr(tty, &before) < 0)
		return -1;
	caught = 0;
	sigemptyset(&blocked);
	for (size_t i = 0; i < PROMPT_SIGNALS; i++)
		sigaddset(&blocked, prompt_signals[i]);
	sigprocmask(SIG_BLOCK, &blocked, &mask);
	for (size_t i = 0; i < PROMPT_SIGNALS; i++)
		sigaction(prompt_signals[i], &act, &old[i]);
	quiet = before;
	quiet.c_lflag &= ~(tcflag_t)(ECHO | ECHONL);
	quiet.c_lflag |= ICANON | ISIG;
	if (tcsetattr(tty, TCSAFLUSH, &quiet) == 0) {
		dprintf(tty, "%s%s: ", what, again);
		result = wait_line(tty, &mask) ? read_line(tty, p) : -1;
		dprintf(tty, "\n");
	}
	tcsetattr(tty, TCSAFLUSH, &before);
	for (size_t i = 0; i < PROMPT_SIGNALS; i++)
		sigaction(prompt_signals[i], &old[i], NULL);
	sigprocmask(SIG_SETMASK, &mask, NULL);
	if (caught) {
		p->len = 0;
		raise(caught);
		errno = EINTR;
		return -1;
	}
	return result;
}

static bool
from_prompt(struct reading *r)
{
	struct pass_word second = {0};
	bool ok = false;
	int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);

	if (tty < 0)
		return fail(r, "there is no terminal to ask for the %s; give it by an option: %s", r->what,
			pass_sources());
	if (!word_new(r, r->p) || !word_new(r, &second))
		goto out;
	if (ask_line(tty, r->what, "", r->p) <= 0) {
		fail(r, "no %s was typed", r->what);
		goto out;
	}
	if (r->twice && ask_line(tty, r->what, ", once more", &second) <= 0) {
		fail(r, "no %s was typed", r->what);
		goto out;
	}
	if (r->twice && (second.len != r->p->len || !equal_ct(second.bytes, r->p->bytes, second.len))) {
		fail(r, "the two lines typed for the %s differ", r->what);
		goto out;
	}
	ok = true;
out:
	pass_clear(&second);
	close(tty);
	return ok;
}

/* ---- the table ---- */

static const struct source {
	const char *name;
	bool has_arg; /* behind a colon */
	bool (*read)(struct reading *r);
} sources[] = {
	{"prompt", false, from_prompt},
	{"stdin", false, from_stdin},
	{"file", true, from_file},
	{"fd", true, from_fd},
	{"env", true, from_env},
	{"cred", true, from_cred},
	{"pass", true, from_argument},
};

const char *
pass_sources(void)
{
	return "prompt, stdin, file:PATH, fd:N, env:NAME, cred:NAME or pass:TEXT";
}

bool
pass_is_stdin(const char *source)
{
	return source && strcmp(source, "stdin") == 0;
}

static const struct source *
find_source(const char *text)
{
	for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++) {
		size_t n = strlen(sources[i].name);

		if (strncmp(text, sources[i].name, n) == 0 && text[n] == (sources[i].has_arg ? ':' : '\0'))
			return &sources[i];
	}
	return NULL;
}

static bool
check_word(struct reading *r)
{
	struct pass_word *p = r->p;

	if (memchr(p->bytes, 0, p->len))
		return fail(r, "the %s holds a NUL byte", r->what);
	if (p->len < PIN_MIN || p->len > PIN_MAX)
		return fail(r, "the %s must have %d to %d bytes", r->what, PIN_MIN, PIN_MAX);
	return true;
}

bool
pass_read(struct pass_word *p, char *source, const char *what, bool twice, char *err, size_t err_len)
{
	struct reading r = {.p = p, .what = what, .twice = twice, .err = err, .err_len = err_len};
	const struct source *s = source ? find_source(source) : &sources[0];
	bool ok = false;

	*p = (struct pass_word){0};
	if (!s) {
		/* The text may be a PIN given by mistake: it is not repeated. */
		fail(&r, "a %s is given as %s", what, pass_sources());
		goto out;
	}
	if (s->has_arg)
		r.arg = source + strlen(s->name) + 1;
	ok = s->read(&r) && check_word(&r);
out:
	if (!ok)
		pass_clear(p);
	return ok;
}

void
pass_clear(struct pass_word *p)
{
	secret_free(p->bytes);
	*p = (struct pass_word){0};
}
