#include "start.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAUSE_MS 5

bool
start_vault_exists(const struct conf *conf)
{
	char file[PATH_MAX];
	struct stat st;

	if (conf->vault == NULL ||
		(size_t)snprintf(file, sizeof(file), "%s/VAULT", conf->vault) >= sizeof(file))
		return false;
	return stat(file, &st) == 0 && S_ISREG(st.st_mode);
}

/* ---- time ---- */

static int64_t
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static bool
pause_until(int64_t deadline)
{
	struct timespec t = {0, PAUSE_MS * 1000000L};

	if (now_ms() >= deadline)
		return false;
	nanosleep(&t, NULL);
	return true;
}

/* ---- the lock file ---- */

static int
open_lock(const char *dir, size_t dir_len, const char *name)
{
	char file[PATH_MAX];
	struct stat st;
	int fd;

	if ((size_t)snprintf(file, sizeof(file), "%.*s/.tokenfs-%s.lock", (int)dir_len, dir, name) >=
		sizeof(file))
		return -1;
	fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	/* in a directory like /tmp another user could hold us up with a lock of his */
	if (fd >= 0 && (fstat(fd, &st) != 0 || st.st_uid != geteuid() || !S_ISREG(st.st_mode))) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/* Beside the mount point, since that is what is contended for; else in the state directory. -1 if it
 * cannot be had in time. */
static int
take_lock(const struct conf *conf, int64_t deadline)
{
	const char *slash = strrchr(conf->mount, '/');
	const char *name = slash != NULL ? slash + 1 : conf->mount;
	int fd = -1;

	if (slash != NULL)
		fd = open_lock(conf->mount, (size_t)(slash - conf->mount), name);
	if (fd < 0)
		fd = open_lock(conf->state, strlen(conf->state), name);
	if (fd < 0)
		return -1;
	while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		if (errno != EINTR && (errno != EWOULDBLOCK || !pause_until(deadline))) {
			close(fd);
			return -1;
		}
	}
	return fd;
}

static void
give_lock(int fd)
{
	flock(fd, LOCK_UN); /* a child forked meanwhile shares the lock: closing would not end it */
	close(fd);
}

/* ---- the command ---- */

/* The command that belongs to this library: beside it (a build tree), in the bin of the prefix that
 * the library lies in, where it was to be installed, or in PATH. */
static void
find_command(char out[PATH_MAX])
{
	static const char *const near[] = {"", "/../bin", "/../../bin", "/../../../bin"};
	Dl_info info;
	const char *slash;

	if (dladdr((void *)find_command, &info) != 0 && info.dli_fname != NULL &&
		(slash = strrchr(info.dli_fname, '/')) != NULL) {
		int dir_len = (int)(slash - info.dli_fname);

		for (size_t i = 0; i < sizeof(near) / sizeof(near[0]); i++) {
			int n = snprintf(out, PATH_MAX, "%.*s%s/tokenfs", dir_len, info.dli_fname,
				near[i]);

			if (n > 0 && n < PATH_MAX && access(out, X_OK) == 0)
				return;
		}
	}
#ifdef TOKENFS_BINDIR
	snprintf(out, PATH_MAX, "%s/tokenfs", TOKENFS_BINDIR);
	if (access(out, X_OK) == 0)
		return;
#endif
	strcpy(out, "tokenfs");
}

static int
spawn(pid_t *pid, const char *command, const char *verb)
{
	char *const argv[] = {(char *)command, (char *)verb, NULL};
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t none, all;
	int err;

	sigemptyset(&none);
	sigfillset(&all);
	err = posix_spawn_file_actions_init(&files);
	if (err != 0)
		return err;
	err = posix_spawnattr_init(&attr);
	if (err != 0)
		goto out;
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &all);
	posix_spawnattr_setflags(&attr, (short)(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
		POSIX_SPAWN_SETSID));
	if ((err = posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0)) == 0 &&
		(err = posix_spawn_file_actions_addopen(&files, 1, "/dev/null", O_WRONLY, 0)) == 0 &&
		(err = posix_spawn_file_actions_adddup2(&files, 1, 2)) == 0 &&
		(err = posix_spawn_file_actions_addclosefrom_np(&files, 3)) == 0)
		err = posix_spawnp(pid, command, &files, &attr, argv, environ);
	posix_spawnattr_destroy(&attr);
out:
	posix_spawn_file_actions_destroy(&files);
	return err;
}

/* True if it ended well before the deadline. Whether it ended well is unknown in a host that ignores
 * SIGCHLD or reaps every child itself: then the caller finds out by connecting. */
static bool
wait_for(pid_t pid, int64_t deadline)
{
	int status;

	for (;;) {
		pid_t got = waitpid(pid, &status, WNOHANG);

		if (got == pid)
			return WIFEXITED(status) && WEXITSTATUS(status) == 0;
		if (got < 0 && errno != EINTR)
			return true;
		if (!pause_until(deadline))
			break;
	}
	kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return false;
}

static bool
run(const char *verb, int64_t deadline)
{
	char command[PATH_MAX];
	pid_t pid;

	find_command(command);
	return spawn(&pid, command, verb) == 0 && wait_for(pid, deadline);
}

/* ---- all together ---- */

CK_RV
start_channel(struct channel **c, const struct conf *conf, bool make_vault,
	const CK_C_INITIALIZE_ARGS *args)
{
	int64_t deadline = now_ms() + START_SECONDS * 1000;
	CK_RV rv;
	int lock;

	*c = NULL;
	if (!start_vault_exists(conf) && !make_vault)
		return CKR_TOKEN_NOT_PRESENT;
	if (!conf->autostart || getauxval(AT_SECURE) != 0)
		return CKR_DEVICE_REMOVED;
	lock = take_lock(conf, deadline);
	/* without a place for the lock two may try: the daemon's own lock lets one of them win */
	rv = channel_open(c, conf->mount, args);
	if (rv != CKR_TOKEN_NOT_PRESENT)
		goto out;
	if (!start_vault_exists(conf) && !run("init", deadline) && !start_vault_exists(conf)) {
		rv = CKR_DEVICE_REMOVED;
		goto out;
	}
	run("mount", deadline);
	/* the mount decides, not the exit code: the daemon may have been started by hand meanwhile */
	rv = channel_open(c, conf->mount, args);
	if (rv == CKR_TOKEN_NOT_PRESENT)
		rv = CKR_DEVICE_REMOVED;
out:
	if (lock >= 0)
		give_lock(lock);
	return rv;
}
