#include "peer.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#define NAME_BYTES 16 /* random bytes in a connection's name */

static CK_RV
from_errno(int err)
{
	switch (err) {
	case ENOENT:
	case ENOTDIR:
	case ENOTCONN:
	case ECONNABORTED:
	case ENODEV:
		return CKR_TOKEN_NOT_PRESENT;
	case ENOMEM:
	case EMFILE:
	case ENFILE:
		return CKR_HOST_MEMORY;
	default:
		return CKR_DEVICE_ERROR;
	}
}

bool
peer_identify(int fd, struct peer_file *f)
{
	struct statx st;

	if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_INO, &st) != 0)
		return false;
	f->major = st.stx_dev_major;
	f->minor = st.stx_dev_minor;
	f->ino = st.stx_ino;
	return true;
}

bool
peer_same(int fd, const struct peer_file *f)
{
	struct peer_file now;

	return peer_identify(fd, &now) && now.major == f->major && now.minor == f->minor &&
		now.ino == f->ino;
}

/* Nobody else may exchange a directory on the way to the mount point. path: absolute, resolved. */
static CK_RV
check_parents(const char *path)
{
	char dir[PATH_MAX];
	struct stat st;
	char *slash;

	if (strlen(path) >= sizeof(dir))
		return CKR_DEVICE_ERROR;
	strcpy(dir, path);
	while ((slash = strrchr(dir, '/')) != NULL) {
		slash[slash == dir] = '\0';
		if (lstat(dir, &st) != 0)
			return from_errno(errno);
		if ((st.st_mode & (S_IWGRP | S_IWOTH)) && !(st.st_mode & S_ISVTX))
			return CKR_DEVICE_ERROR;
		if (slash == dir)
			break;
	}
	return CKR_OK;
}

/* True if a line of mountinfo speaks of the device and *user becomes its user_id option. */
static bool
mount_user(const char *line, const struct peer_file *dir, uid_t *user)
{
	unsigned major, minor;
	const char *options, *id;

	if (sscanf(line, "%*d %*d %u:%u", &major, &minor) != 2)
		return false;
	if (major != dir->major || minor != dir->minor)
		return false;
	options = strstr(line, " - fuse");
	id = options == NULL ? NULL : strstr(options, "user_id=");
	if (id == NULL)
		return false;
	*user = (uid_t)strtoul(id + strlen("user_id="), NULL, 10);
	return true;
}

/* The next line in *line, malloc'd and *cap bytes long; false at the end. Not getline: see text_of in conf.c. */
static bool
next_line(FILE *f, char **line, size_t *cap)
{
	size_t n = 0;
	char *more;

	for (;;) {
		if (*cap - n < 2) {
			more = realloc(*line, *cap + 1024);
			if (more == NULL)
				return false;
			*line = more;
			*cap += 1024;
		}
		if (fgets(*line + n, (int)(*cap - n), f) == NULL)
			return n > 0;
		n += strlen(*line + n);
		if (n > 0 && (*line)[n - 1] == '\n')
			return true;
	}
}

/* Who mounted it. A daemon may claim any owner for its root; the kernel does not lie. Without
 * /proc the owner has to do. */
static bool
is_mounted_by_us(int dir)
{
	struct peer_file file;
	char *line = NULL;
	size_t cap = 0;
	uid_t user;
	bool ours = false;
	FILE *f;

	if (!peer_identify(dir, &file))
		return false;
	f = fopen("/proc/self/mountinfo", "re");
	if (f == NULL)
		return errno == ENOENT;
	while (!ours && next_line(f, &line, &cap))
		ours = mount_user(line, &file, &user) && (user == geteuid() || user == 0);
	free(line);
	fclose(f);
	return ours;
}

static CK_RV
check_mount(int dir)
{
	struct statfs fs;
	struct stat st;

	if (fstatfs(dir, &fs) != 0)
		return from_errno(errno);
	if (fs.f_type != FUSE_SUPER_MAGIC)
		return CKR_TOKEN_NOT_PRESENT;
	if (fstat(dir, &st) != 0)
		return from_errno(errno);
	if (!S_ISDIR(st.st_mode) || (st.st_uid != geteuid() && st.st_uid != 0))
		return CKR_DEVICE_ERROR;
	return is_mounted_by_us(dir) ? CKR_OK : CKR_DEVICE_ERROR;
}

static CK_RV
open_connection(int dir, int *fd)
{
	char name[sizeof(".p11/conn/") + 2 * NAME_BYTES];
	uint8_t random[NAME_BYTES];
	size_t at;

	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return CKR_DEVICE_ERROR;
	strcpy(name, ".p11/conn/");
	at = strlen(name);
	for (size_t i = 0; i < sizeof(random); i++)
		at += (size_t)snprintf(name + at, sizeof(name) - at, "%02x", random[i]);
	*fd = openat(dir, name, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (*fd >= 0)
		return CKR_OK;
	/* a FUSE file system without .p11 is somebody else's */
	return errno == ENOENT ? CKR_DEVICE_ERROR : from_errno(errno);
}

CK_RV
peer_open(const char *mount, int *fd)
{
	CK_RV rv;
	char path[PATH_MAX];
	int dir = -1;

	*fd = -1;
	if (realpath(mount, path) == NULL)
		return from_errno(errno);
	dir = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0) {
		rv = from_errno(errno);
		goto out;
	}
	rv = check_mount(dir);
	if (rv == CKR_OK)
		rv = check_parents(path);
	if (rv == CKR_OK)
		rv = open_connection(dir, fd);
out:
	if (dir >= 0)
		close(dir);
	return rv;
}
