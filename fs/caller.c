#include "caller.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Reads a small file of /proc; false if it is not there. */
static bool
slurp(pid_t id, const char *name, char *out, size_t room)
{
	char path[64];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)id, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, out, room - 1);
	close(fd);
	if (n <= 0)
		return false;
	out[n] = '\0';
	return true;
}

static bool
tgid_of(pid_t tid, pid_t *tgid)
{
	char text[2048], *at;

	if (!slurp(tid, "status", text, sizeof(text)))
		return false;
	at = strstr(text, "\nTgid:");
	*tgid = at == NULL ? 0 : (pid_t)strtol(at + 6, NULL, 10);
	return *tgid > 0;
}

/* Field 22. The name in field 2 may hold anything, so the fields are counted from its last ')'. */
bool
caller_start(pid_t tgid, uint64_t *start)
{
	char text[1024], *at;

	if (!slurp(tgid, "stat", text, sizeof(text)))
		return false;
	at = strrchr(text, ')');
	for (int field = 2; at != NULL && field < 22; field++) {
		at = strchr(at + 1, ' ');
	}
	if (at == NULL)
		return false;
	*start = strtoull(at + 1, NULL, 10);
	return true;
}

/* With hidepid=, or none of /proc at all, no other process is visible: then the uid must do. */
static bool
proc_is_blind(void)
{
	uint64_t start;

	return !caller_start(getppid(), &start);
}

static int64_t
seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
	return t.tv_sec;
}

bool
caller_init(struct caller *c, uid_t uid, pid_t tid)
{
	memset(c, 0, sizeof(*c));
	pthread_mutex_init(&c->lock, NULL);
	c->uid = uid;
	if (tid == 0)
		return true;
	if (tgid_of(tid, &c->tgid) && caller_start(c->tgid, &c->start))
		return true;
	c->tgid = 0;
	return proc_is_blind();
}

void
caller_release(struct caller *c)
{
	pthread_mutex_destroy(&c->lock);
}

static bool
seen(struct caller *c, pid_t tid, int64_t at)
{
	for (unsigned i = 0; i < CALLER_SEEN; i++) {
		if (c->seen[i].tid == tid)
			return c->seen[i].until >= at;
	}
	return false;
}

static void
remember(struct caller *c, pid_t tid, int64_t at)
{
	unsigned i = 0;

	while (i < CALLER_SEEN && c->seen[i].tid != tid)
		i++;
	if (i == CALLER_SEEN)
		i = c->next++ % CALLER_SEEN;
	c->seen[i].tid = tid;
	c->seen[i].until = at + 1;
}

bool
caller_check(struct caller *c, uid_t uid, pid_t tid)
{
	int64_t at = seconds();
	uint64_t start;
	pid_t tgid;
	bool known;

	if (uid != c->uid)
		return false;
	if (c->tgid == 0)
		return true;
	if (tid == 0)
		return false;
	pthread_mutex_lock(&c->lock);
	known = seen(c, tid, at);
	pthread_mutex_unlock(&c->lock);
	if (known)
		return true;
	if (!tgid_of(tid, &tgid) || tgid != c->tgid || !caller_start(tgid, &start) || start != c->start)
		return false;
	pthread_mutex_lock(&c->lock);
	remember(c, tid, at);
	pthread_mutex_unlock(&c->lock);
	return true;
}
