#include "place.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "supervise.h"

/* Under these a missing parent is made too: what lives there does not survive a boot. */
static const char *const volatile_places[] = {"/run/", "/tmp/"};

static bool
make_parent(const char *dir)
{
	for (size_t i = 0; i < sizeof(volatile_places) / sizeof(volatile_places[0]); i++) {
		const char *v = volatile_places[i];

		if (strncmp(dir, v, strlen(v)) == 0)
			return mkdir(dir, 0700) == 0;
	}
	return false;
}

bool
place_path(const char *path, char out[PLACE_MAX], char *err, size_t err_len)
{
	char parent[PLACE_MAX], real[PLACE_MAX];
	size_t len = strlen(path);
	const char *name;
	char *slash;

	while (len > 1 && path[len - 1] == '/')
		len--;
	if (len <= 1 || len >= sizeof(parent) || path[0] != '/') {
		snprintf(err, err_len, "mount point \"%s\" must be an absolute path", path);
		return false;
	}
	memcpy(parent, path, len);
	parent[len] = '\0';
	slash = strrchr(parent, '/');
	*slash = '\0';
	name = slash + 1;
	if (*parent == '\0')
		real[0] = '\0';
	else if (realpath(parent, real) == NULL &&
		(errno != ENOENT || !make_parent(parent) || realpath(parent, real) == NULL)) {
		snprintf(err, err_len, "mount point %s: %s: %s", path, parent, strerror(errno));
		return false;
	}
	if (strcmp(real, "/") == 0)
		real[0] = '\0';
	if (strcmp(name, "..") == 0 || strcmp(name, ".") == 0 ||
		(size_t)snprintf(out, PLACE_MAX, "%.*s/%s", PLACE_MAX - 2, real, name) >= PLACE_MAX) {
		snprintf(err, err_len, "mount point %s: give the directory's own name", path);
		return false;
	}
	return true;
}

enum mount_state
place_look(const char *mount)
{
	struct stat st;

	if (!supervise_mounted(mount))
		return MOUNT_NONE;
	if (stat(mount, &st) == 0)
		return MOUNT_LIVE;
	/* Aborted while we asked: the daemon has just gone. EACCES: another user's. */
	return errno == ENOTCONN || errno == ECONNABORTED ? MOUNT_DEAD : MOUNT_LIVE;
}

static bool
is_empty(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *e;
	bool empty = dir != NULL;

	while (dir != NULL && (e = readdir(dir)) != NULL)
		empty = empty && (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0);
	if (dir != NULL)
		closedir(dir);
	return empty;
}

bool
place_prepare(const char *mount, char *err, size_t err_len)
{
	struct stat st;

	if (place_look(mount) == MOUNT_DEAD && !supervise_unmount(mount)) {
		snprintf(err, err_len, "%s: what a dead daemon left cannot be unmounted; try fusermount3 -u -z %s",
			mount, mount);
		return false;
	}
	if (mkdir(mount, 0700) != 0 && errno != EEXIST) {
		snprintf(err, err_len, "cannot make the mount point %s: %s", mount, strerror(errno));
		return false;
	}
	if (lstat(mount, &st) != 0)
		snprintf(err, err_len, "mount point %s: %s", mount, strerror(errno));
	else if (!S_ISDIR(st.st_mode))
		snprintf(err, err_len, "mount point %s is not a directory", mount);
	else if (st.st_uid != geteuid())
		snprintf(err, err_len, "mount point %s belongs to uid %u, not to you", mount, (unsigned)st.st_uid);
	else if ((st.st_mode & 022) != 0)
		snprintf(err, err_len, "mount point %s can be written by others: chmod go-w %s", mount, mount);
	else if (!is_empty(mount))
		snprintf(err, err_len, "mount point %s is not empty", mount);
	else
		return true;
	return false;
}
