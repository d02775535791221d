#include "supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "log.h"

#define STOPPED_MAX 1.0 /* seconds a daemon may stand still before clients are freed */
#define TERM_MAX 8.0    /* seconds it has to end in order */

/* The mount table writes blanks and the like as \ooo. */
static void
unescape(char *s)
{
	char *to = s;

	for (; *s != '\0'; s++) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' && s[3] >= '0' &&
			s[3] <= '7') {
			*to++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
			s += 3;
		} else {
			*to++ = *s;
		}
	}
	*to = '\0';
}

bool
supervise_mounted(const char *mount)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	char *line = NULL, *save, *at, *type;
	size_t cap = 0;
	bool found = false;

	if (f == NULL)
		return false;
	/* id parent major:minor root MOUNT options ... - TYPE source options; the last line counts, as
	 * mounts may lie over each other. */
	while (getline(&line, &cap, f) > 0) {
		type = strstr(line, " - ");
		at = strtok_r(line, " ", &save);
		for (int i = 0; at != NULL && i < 4; i++)
			at = strtok_r(NULL, " ", &save);
		if (at == NULL || type == NULL)
			continue;
		unescape(at);
		if (strcmp(at, mount) == 0)
			found = strncmp(type + 3, "fuse.tokenfs ", 13) == 0;
	}
	free(line);
	fclose(f);
	return found;
}

static void
run_fusermount(const char *mount)
{
	static char path[] = "PATH=/usr/bin:/bin";
	char *const env[] = {path, NULL};
	int status, null;
	pid_t pid = fork();

	if (pid == 0) {
		null = open("/dev/null", O_RDWR | O_CLOEXEC);
		if (null >= 0) {
			dup2(null, STDOUT_FILENO);
			dup2(null, STDERR_FILENO);
		}
		execle("/usr/bin/fusermount3", "fusermount3", "-u", "-z", "-q", "--", mount, (char *)NULL, env);
		execle("/bin/fusermount3", "fusermount3", "-u", "-z", "-q", "--", mount, (char *)NULL, env);
		_exit(127);
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
}

bool
supervise_unmount(const char *mount)
{
	if (!supervise_mounted(mount))
		return true;
	if (geteuid() != 0 || umount2(mount, MNT_DETACH | UMOUNT_NOFOLLOW) != 0)
		run_fusermount(mount);
	return !supervise_mounted(mount);
}

/* ---- watching ---- */

struct watch {
	pid_t daemon;
	double stopped_at, term_at; /* 0: is not */
	bool ended;
	int status;
};

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void
collect(struct watch *w)
{
	int status;

	while (!w->ended && waitpid(w->daemon, &status, WNOHANG | WUNTRACED | WCONTINUED) == w->daemon) {
		if (WIFSTOPPED(status)) {
			w->stopped_at = w->stopped_at != 0 ? w->stopped_at : now();
		} else if (WIFCONTINUED(status)) {
			w->stopped_at = 0;
		} else {
			w->ended = true;
			w->status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
		}
	}
}

/* Seconds until something is due; negative: nothing is. */
static double
due(const struct watch *w)
{
	double left = -1, t = now();

	if (w->stopped_at != 0)
		left = w->stopped_at + STOPPED_MAX - t;
	if (w->term_at != 0 && (left < 0 || w->term_at + TERM_MAX - t < left))
		left = w->term_at + TERM_MAX - t;
	if (w->stopped_at == 0 && w->term_at == 0)
		return -1;
	return left > 0 ? left : 0;
}

/* The death of a process closes its /dev/fuse, which gives every waiting client ECONNABORTED. */
static void
enforce(struct watch *w)
{
	if (w->stopped_at != 0 && now() - w->stopped_at >= STOPPED_MAX)
		log_at(WHY_ERROR, "the daemon (pid %d) is stopped and holds up its clients: killing it", (int)w->daemon);
	else if (w->term_at != 0 && now() - w->term_at >= TERM_MAX)
		log_at(WHY_ERROR, "the daemon (pid %d) does not end: killing it", (int)w->daemon);
	else
		return;
	kill(w->daemon, SIGKILL);
	w->stopped_at = w->term_at = 0;
}

static void
wait_for_end(struct watch *w, const sigset_t *set)
{
	while (!w->ended) {
		double left = due(w);
		struct timespec t = {(time_t)left, (long)((left - (double)(time_t)left) * 1e9)};
		int sig = left < 0 ? sigwaitinfo(set, NULL) : sigtimedwait(set, NULL, &t);

		if (sig == SIGTERM || sig == SIGINT || sig == SIGHUP) {
			kill(w->daemon, SIGTERM);
			w->term_at = w->term_at != 0 ? w->term_at : now();
		}
		collect(w);
		if (!w->ended)
			enforce(w);
	}
}

static void
start_child(const sigset_t *old, pid_t parent, int (*child)(void *arg), void *arg)
{
	sigprocmask(SIG_SETMASK, old, NULL);
	prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0);
	/* The parent may have died before the line above. */
	if (getppid() != parent)
		_exit(1);
	_exit(child(arg));
}

/* After a daemon's end its mount answers ENOTCONN. One that answers otherwise is not there any more, or
 * belongs to a successor. */
static void
clean_up(const char *mount)
{
	struct stat st;

	if (stat(mount, &st) != 0 && (errno == ENOTCONN || errno == ECONNABORTED) && !supervise_unmount(mount))
		log_at(WHY_ERROR, "%s: cannot be unmounted: use fusermount3 -u -z %s", mount, mount);
}

int
supervise(const char *mount, int ready, int (*child)(void *arg), void *arg)
{
	struct watch w = {0};
	sigset_t set, old;
	pid_t parent = getpid();

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, &old);
	/* An ignored SIGCHLD is inherited from some shells and would take the status away. */
	signal(SIGCHLD, SIG_DFL);
	w.daemon = fork();
	if (w.daemon == 0)
		start_child(&old, parent, child, arg);
	if (ready >= 0)
		close(ready);
	/* Not before the fork: the daemon reads its arguments where they were given. */
	if (chdir("/") != 0)
		log_at(WHY_WARNING, "cannot leave the working directory: %s", strerror(errno));
	if (w.daemon < 0) {
		log_at(WHY_ERROR, "cannot start the daemon: %s", strerror(errno));
		w.status = 1;
	} else {
		wait_for_end(&w, &set);
		if (w.status > 128)
			log_at(WHY_ERROR, "the daemon (pid %d) was ended by signal %d (%s)", (int)w.daemon,
				w.status - 128, strsignal(w.status - 128));
		clean_up(mount);
	}
	sigprocmask(SIG_SETMASK, &old, NULL);
	return w.status;
}
