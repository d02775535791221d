/*
 * cmd_mount.c - `tokenfs mount`, `umount` and `reload`
 */
#include <errno.h>
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmd.h"
#include "mount.h"
#include "pidfile.h"
#include "place.h"

#define END_MS 10000 /* how long a daemon may take to end */

extern char **environ;

int
cmd_mount(struct cmd *c)
{
	char err[1024] = "";
	int code = cmd_need_vault(c);

	if (code != CMD_OK)
		return code;
	if (mount_look(&c->conf) == MOUNT_LIVE)
		return cmd_say(CMD_BUSY, "a vault is mounted at %s already", c->conf.mount);
	code = mount_run(&c->conf, c->opt[OPT_FOREGROUND] != NULL, c->opt[OPT_READ_ONLY] != NULL, err,
		sizeof(err));
	if (code != 0) /* a daemon that serves this vault elsewhere is the likely reason, if there is one */
		return cmd_say(pidfile_read(&c->conf) > 0 ? CMD_BUSY : CMD_FAILED, "%s",
			*err ? err : "the daemon did not start; its log says why");
	if (c->opt[OPT_VERBOSE])
		cmd_note(c, "mounted at %s", c->conf.mount);
	return CMD_OK;
}

/* An ordinary user unmounts through FUSE's helper, which has the right to. */
static int
run_fusermount(const char *mount)
{
	char name[] = "fusermount3", u[] = "-u", q[] = "-q", end[] = "--";
	char *argv[] = {name, u, q, end, (char *)(uintptr_t)mount, NULL};
	pid_t pid;
	int status;

	if (posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ) != 0)
		return cmd_say(CMD_FAILED, "cannot run fusermount3, of the package fuse3");
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return cmd_say(CMD_FAILED, "cannot wait for fusermount3: %s", strerror(errno));
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return CMD_OK;
	return CMD_BUSY;
}

static int
unmount(const char *mount)
{
	if (geteuid() != 0)
		return run_fusermount(mount);
	if (umount2(mount, UMOUNT_NOFOLLOW) == 0)
		return CMD_OK;
	if (errno == EBUSY)
		return CMD_BUSY;
	return cmd_say(CMD_FAILED, "cannot unmount %s: %s", mount, strerror(errno));
}

/* The daemon and its supervisor as file descriptors that become readable when each has ended. */
struct ending {
	int fds[2];
	int n;
};

static void
ending_watch(struct ending *e, pid_t pid)
{
	char path[64], comm[32] = "";
	int fd, parent = 0;
	FILE *f;

	if (pid <= 0)
		return;
	fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (fd >= 0)
		e->fds[e->n++] = fd;
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "re");
	if (!f || fscanf(f, "%*d (%31[^)]) %*c %d", comm, &parent) != 2 || strcmp(comm, "tokenfs") != 0)
		parent = 0;
	if (f)
		fclose(f);
	/* A foreground daemon's grandparent is a shell: only one of our own name is its supervisor. */
	snprintf(path, sizeof(path), "/proc/%d/comm", parent);
	f = parent > 1 ? fopen(path, "re") : NULL;
	if (f && fscanf(f, "%31[^\n]", comm) == 1 && strcmp(comm, "tokenfs") == 0 &&
		(fd = (int)syscall(SYS_pidfd_open, parent, 0)) >= 0)
		e->fds[e->n++] = fd;
	if (f)
		fclose(f);
}

static bool
ending_wait(struct ending *e)
{
	bool ended = true;

	for (int i = 0; i < e->n; i++) {
		struct pollfd p = {.fd = e->fds[i], .events = POLLIN};
		int r;

		do {
			r = poll(&p, 1, END_MS);
		} while (r < 0 && errno == EINTR);
		ended = ended && r == 1;
		close(e->fds[i]);
	}
	return ended;
}

int
cmd_umount(struct cmd *c)
{
	struct ending ending = {.n = 0};
	char err[1024] = "", mount[PLACE_MAX];
	int code = CMD_OK;

	if (!place_path(c->conf.mount, mount, err, sizeof(err)) || mount_look(&c->conf) == MOUNT_NONE)
		return cmd_say(CMD_NOT_FOUND, "nothing is mounted at %s", c->conf.mount);
	ending_watch(&ending, pidfile_read(&c->conf));
	if (!c->opt[OPT_LAZY])
		code = unmount(mount);
	if (code == CMD_BUSY)
		cmd_say(code, "%s is in use; end the applications that use it (`fuser -m %s` lists them), or "
			"give --lazy", mount, mount);
	/* Waits for the daemon too: whoever copies or moves the vault next finds it free. */
	if (code == CMD_OK && mount_end(&c->conf, err, sizeof(err)) != 0)
		code = cmd_say(CMD_FAILED, "%s", err);
	if (code == CMD_OK && !ending_wait(&ending))
		code = cmd_say(CMD_FAILED, "%s is unmounted, but its daemon still runs", mount);
	return code;
}

int
cmd_reload(struct cmd *c)
{
	struct codec request = {0};
	struct client *client = NULL;
	int code = cmd_client(c, CLIENT_MOUNT, &client);
	CK_RV rv;

	if (code != CMD_OK)
		goto out;
	codec_begin(&request, WIRE_T_RELOAD, client_seq(client));
	rv = client_ask(client, &request, NULL);
	if (rv != CKR_OK)
		code = cmd_fail(rv, "cannot reload the vault");
out:
	client_close(client);
	return code;
}
