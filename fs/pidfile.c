#include "pidfile.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "caller.h"
#include "log.h"

static bool
path_of(const struct conf *conf, char out[PATH_MAX])
{
	return snprintf(out, PATH_MAX, "%s/daemon.pid", conf->state) < PATH_MAX;
}

void
pidfile_write(const struct conf *conf)
{
	char path[PATH_MAX], text[64];
	uint64_t start;
	int fd = -1, n;

	if (!path_of(conf, path) || !caller_start(getpid(), &start))
		return;
	n = snprintf(text, sizeof(text), "%d %" PRIu64 "\n", (int)getpid(), start);
	/* A fresh file: whoever reads the old one meanwhile sees a whole line. */
	unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, text, (size_t)n) != n)
		log_at(WHY_WARNING, "%s: %s; umount will not find the daemon", path, strerror(errno));
	if (fd >= 0)
		close(fd);
}

void
pidfile_remove(const struct conf *conf)
{
	char path[PATH_MAX];

	if (path_of(conf, path))
		unlink(path);
}

pid_t
pidfile_read(const struct conf *conf)
{
	char path[PATH_MAX], text[64];
	uint64_t start, now;
	ssize_t n = -1;
	int fd, pid;

	if (!path_of(conf, path))
		return 0;
	fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0) {
		n = read(fd, text, sizeof(text) - 1);
		close(fd);
	}
	if (n <= 0)
		return 0;
	text[n] = '\0';
	if (sscanf(text, "%d %" SCNu64, &pid, &start) != 2 || pid <= 1)
		return 0;
	return caller_start(pid, &now) && now == start ? pid : 0;
}
