#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

static const struct {
	int priority;
	const char *name;
} levels[] = {
	[WHY_ERROR] = {LOG_ERR, "error"},
	[WHY_WARNING] = {LOG_WARNING, "warning"},
	[WHY_NOTICE] = {LOG_NOTICE, "notice"},
	[WHY_INFO] = {LOG_INFO, "info"},
	[WHY_DEBUG] = {LOG_DEBUG, "debug"},
};

static struct {
	int level;
	int fd; /* -1: syslog */
} out = {WHY_NOTICE, STDERR_FILENO};

static void
write_line(int fd, enum why_level level, const char *text)
{
	char line[1024], stamp[32];
	struct timespec now;
	struct tm tm;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm);
	int n = snprintf(line, sizeof(line), "%s.%03ldZ tokenfs[%d] %s: %s\n", stamp,
		now.tv_nsec / 1000000, (int)getpid(), levels[level].name, text);
	if (n >= (int)sizeof(line)) {
		n = sizeof(line) - 1;
		line[n - 1] = '\n';
	}
	/* One write per line, so that lines of several threads do not mix. A log that cannot be
	 * written must not stop the daemon. */
	if (write(fd, line, (size_t)n) < 0)
		return;
}

static void
emit(enum why_level level, const char *text)
{
	if ((int)level > out.level || level > WHY_DEBUG)
		return;
	if (out.fd < 0)
		syslog(levels[level].priority, "%s", text);
	else
		write_line(out.fd, level, text);
}

void
log_at(enum why_level level, const char *fmt, ...)
{
	char text[768];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	/* Names in a text may come from files or applications: no line may be forged. */
	for (char *c = text; *c != '\0'; c++) {
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = '?';
	}
	emit(level, text);
}

static void
from_store(enum why_level level, const char *text)
{
	log_at(level, "%s", text);
}

static bool
open_file(const char *path, char *err, size_t err_len)
{
	struct stat st;
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY, 0600);

	if (fd < 0) {
		snprintf(err, err_len, "log file %s: %s", path, strerror(errno));
		return false;
	}
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 077) != 0) {
		snprintf(err, err_len,
			"log file %s must be a regular file of your own with mode 0600 (chmod 600 %s)", path, path);
		close(fd);
		return false;
	}
	out.fd = fd;
	return true;
}

bool
log_open(const struct conf *conf, char *err, size_t err_len)
{
	const char *target = conf->log_target;

	log_close();
	out.level = conf->log_level;
	if (target == NULL || strcmp(target, "syslog") == 0) {
		/* LOG_NDELAY: the socket is opened before the sandbox closes. */
		openlog("tokenfs", LOG_PID | LOG_NDELAY, geteuid() == 0 ? LOG_DAEMON : LOG_USER);
		out.fd = -1;
	} else if (strcmp(target, "stderr") == 0) {
		out.fd = STDERR_FILENO;
	} else if (!open_file(target, err, err_len)) {
		return false;
	}
	why_logger(from_store);
	return true;
}

void
log_close(void)
{
	if (out.fd < 0)
		closelog();
	else if (out.fd != STDERR_FILENO)
		close(out.fd);
	out.fd = STDERR_FILENO;
}
