/*
 * main.c - the entry: three open standard files, no core files, then cmd.h
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "cmd.h"

/* Without this, the first file that a library opens could become stdout and receive text. */
static bool
standard_files(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd > STDERR_FILENO)
		close(fd);
	return fd >= 0;
}

/* A PIN passes through this process: no core file and no ptrace by others of the same uid. */
static void
harden(void)
{
	struct rlimit none = {0, 0};

	setrlimit(RLIMIT_CORE, &none);
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

int
main(int argc, char **argv)
{
	int code;

	if (!standard_files())
		return CMD_FAILED;
	harden();
	code = cmd_main(argc, argv);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		int wrong = cmd_say(CMD_FAILED, "cannot write the output: %s", strerror(errno));

		if (code == CMD_OK)
			code = wrong;
	}
	return code;
}
