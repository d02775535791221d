#include "file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../pkcs11/buf.h"
#include "kdf.h"
#include "why.h"

static int
open_beneath(int dirfd, const char *name, int flags, mode_t mode)
{
	struct open_how how = {
		.flags = (uint64_t)(flags | O_CLOEXEC | O_NOFOLLOW),
		.mode = mode,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV,
	};
	int fd;

	do
		fd = (int)syscall(SYS_openat2, dirfd, name, &how, sizeof(how));
	while (fd < 0 && (errno == EINTR || errno == EAGAIN));
	return fd;
}

static CK_RV
check_mode(const struct stat *st, const char *path, const char *name, bool is_dir)
{
	const char *sep = *name != '\0' ? "/" : "";

	if (is_dir ? !S_ISDIR(st->st_mode) : !S_ISREG(st->st_mode))
		return why(CKR_DEVICE_ERROR, "%s%s%s is not a %s", path, sep, name,
			is_dir ? "directory" : "regular file");
	if (st->st_uid != geteuid() && st->st_uid != 0)
		return why(CKR_DEVICE_ERROR, "%s%s%s belongs to uid %u, not to uid %u", path, sep, name,
			st->st_uid, geteuid());
	if ((st->st_mode & 077) != 0)
		return why(CKR_DEVICE_ERROR, "%s%s%s is open to group or others; mend it with: chmod go= %s%s%s",
			path, sep, name, path, sep, name);
	if (!is_dir && st->st_nlink != 1)
		return why(CKR_DEVICE_ERROR, "%s%s%s has %lu links, expected one", path, sep, name,
			(unsigned long)st->st_nlink);
	return CKR_OK;
}

static CK_RV
dir_take(struct dir *d, int fd)
{
	struct stat st;
	CK_RV rv;

	if (fstat(fd, &st) != 0) {
		rv = why_errno("cannot stat %s", d->path);
		close(fd);
		return rv;
	}
	rv = check_mode(&st, d->path, "", true);
	if (rv != CKR_OK) {
		close(fd);
		return rv;
	}
	d->fd = fd;
	return CKR_OK;
}

CK_RV
dir_open(struct dir *d, const char *path)
{
	int fd;

	d->fd = -1;
	if (snprintf(d->path, sizeof(d->path), "%s", path) >= (int)sizeof(d->path))
		return why(CKR_DEVICE_ERROR, "the path %.80s... is too long", path);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return why_errno("cannot open the directory %s", path);
	return dir_take(d, fd);
}

CK_RV
dir_open_at(struct dir *d, const struct dir *parent, const char *name, bool make)
{
	int fd;

	d->fd = -1;
	if (snprintf(d->path, sizeof(d->path), "%s/%s", parent->path, name) >= (int)sizeof(d->path))
		return why(CKR_DEVICE_ERROR, "the path %.80s... is too long", parent->path);
	fd = open_beneath(parent->fd, name, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0 && errno == ENOENT && make) {
		if (mkdirat(parent->fd, name, 0700) != 0 && errno != EEXIST)
			return why_errno("cannot make the directory %s", d->path);
		if (dir_sync(parent) != CKR_OK)
			return CKR_DEVICE_ERROR;
		fd = open_beneath(parent->fd, name, O_RDONLY | O_DIRECTORY, 0);
	}
	if (fd < 0)
		return why_errno("cannot open the directory %s", d->path);
	return dir_take(d, fd);
}

void
dir_close(struct dir *d)
{
	if (d->fd >= 0)
		close(d->fd);
	d->fd = -1;
}

CK_RV
dir_sync(const struct dir *d)
{
	if (fsync(d->fd) != 0)
		return why_errno("cannot make %s durable", d->path);
	return CKR_OK;
}

CK_RV
dir_each(const struct dir *d, CK_RV (*each)(void *arg, const char *name), void *arg)
{
	CK_RV rv = CKR_OK;
	struct dirent *e;
	DIR *dir;
	int fd = open_beneath(d->fd, ".", O_RDONLY | O_DIRECTORY, 0);

	if (fd < 0)
		return why_errno("cannot list %s", d->path);
	dir = fdopendir(fd);
	if (dir == NULL) {
		close(fd);
		return CKR_HOST_MEMORY;
	}
	errno = 0;
	while (rv == CKR_OK && (e = readdir(dir)) != NULL) {
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			rv = each(arg, e->d_name);
		errno = 0;
	}
	if (rv == CKR_OK && errno != 0)
		rv = why_errno("cannot list %s", d->path);
	closedir(dir);
	return rv;
}

CK_RV
file_open(const struct dir *d, const char *name, bool writable, int *fd, struct stat *st)
{
	struct stat own;
	CK_RV rv;

	if (st == NULL)
		st = &own;
	*fd = open_beneath(d->fd, name, (writable ? O_RDWR : O_RDONLY) | O_NONBLOCK | O_NOCTTY, 0);
	if (*fd < 0 && errno == ENOENT)
		return why(CKR_OBJECT_HANDLE_INVALID, "%s/%s is missing", d->path, name);
	if (*fd < 0)
		return why_errno("cannot open %s/%s", d->path, name);
	rv = fstat(*fd, st) != 0 ? why_errno("cannot stat %s/%s", d->path, name)
				 : check_mode(st, d->path, name, false);
	if (rv != CKR_OK) {
		close(*fd);
		*fd = -1;
	}
	return rv;
}

static CK_RV
read_fd(int fd, const struct stat *st, const char *path, const char *name, size_t max, uint8_t **data, size_t *len)
{
	uint8_t *p;
	size_t got = 0, size = (size_t)st->st_size;

	if (st->st_size < 0 || size > max)
		return why(CKR_DEVICE_ERROR, "%s/%s is %lld bytes long, at most %zu are allowed", path, name,
			(long long)st->st_size, max);
	p = malloc(size + 1);
	if (p == NULL)
		return CKR_HOST_MEMORY;
	while (got < size) {
		ssize_t n = pread(fd, p + got, size - got, (off_t)got);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			CK_RV rv = why_errno("cannot read %s/%s", path, name);

			free(p);
			return rv;
		}
		if (n == 0)
			break;
		got += (size_t)n;
	}
	*data = p;
	*len = got;
	return CKR_OK;
}

CK_RV
file_read(const struct dir *d, const char *name, size_t max, uint8_t **data, size_t *len)
{
	struct stat st;
	int fd;
	CK_RV rv = file_open(d, name, false, &fd, &st);

	if (rv != CKR_OK)
		return rv;
	rv = read_fd(fd, &st, d->path, name, max, data, len);
	close(fd);
	return rv;
}

CK_RV
file_write_all(int fd, const void *data, size_t len, off_t at)
{
	const uint8_t *p = data;

	while (len > 0) {
		ssize_t n = pwrite(fd, p, len, at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return why_errno("cannot write");
		if (n == 0)
			return why(CKR_DEVICE_MEMORY, "cannot write: no progress");
		p += n;
		at += n;
		len -= (size_t)n;
	}
	return CKR_OK;
}

static void
random_name(char out[32])
{
	uint8_t r[8];

	if (kdf_random(r, sizeof(r)) != CKR_OK)
		memset(r, 0, sizeof(r));
	snprintf(out, 32, ".new-%02x%02x%02x%02x%02x%02x%02x%02x", r[0], r[1], r[2], r[3], r[4], r[5], r[6],
		r[7]);
}

static CK_RV
cannot_name(const struct dir *d, const char *name)
{
	if (errno == EEXIST)
		return why(CKR_FUNCTION_REJECTED, "%s/%s exists", d->path, name);
	return why_errno("cannot name %s/%s", d->path, name);
}

/* A file system without O_TMPFILE: a name of our own, then the same. */
static CK_RV
write_named(const struct dir *d, const char *name, const void *data, size_t len)
{
	char temp[32];
	CK_RV rv;
	int fd;

	random_name(temp);
	fd = open_beneath(d->fd, temp, O_WRONLY | O_CREAT | O_EXCL, 0600);
	if (fd < 0)
		return why_errno("cannot make a file in %s", d->path);
	rv = file_write_all(fd, data, len, 0);
	if (rv == CKR_OK && fsync(fd) != 0)
		rv = why_errno("cannot make %s/%s durable", d->path, name);
	close(fd);
	if (rv == CKR_OK && syscall(SYS_renameat2, d->fd, temp, d->fd, name, 1 /* RENAME_NOREPLACE */) != 0)
		rv = cannot_name(d, name);
	if (rv != CKR_OK)
		unlinkat(d->fd, temp, 0);
	return rv;
}

CK_RV
file_write_new(const struct dir *d, const char *name, const void *data, size_t len)
{
	char self[64];
	CK_RV rv;
	int fd = open_beneath(d->fd, ".", O_TMPFILE | O_WRONLY, 0600);

	if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == ENOENT || errno == EINVAL))
		return write_named(d, name, data, len);
	if (fd < 0)
		return why_errno("cannot make a file in %s", d->path);
	rv = file_write_all(fd, data, len, 0);
	if (rv == CKR_OK && fsync(fd) != 0)
		rv = why_errno("cannot make %s/%s durable", d->path, name);
	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	if (rv == CKR_OK && linkat(AT_FDCWD, self, d->fd, name, AT_SYMLINK_FOLLOW) != 0)
		rv = cannot_name(d, name);
	close(fd);
	return rv;
}

CK_RV
file_replace(const struct dir *d, const char *name, const void *data, size_t len)
{
	char temp[32];
	CK_RV rv;

	random_name(temp);
	rv = file_write_new(d, temp, data, len);
	if (rv != CKR_OK)
		return rv;
	if (renameat(d->fd, temp, d->fd, name) != 0) {
		rv = why_errno("cannot replace %s/%s", d->path, name);
		unlinkat(d->fd, temp, 0);
		return rv;
	}
	return dir_sync(d);
}

CK_RV
file_remove(const struct dir *d, const char *name)
{
	if (unlinkat(d->fd, name, 0) != 0 && errno != ENOENT)
		return why_errno("cannot remove %s/%s", d->path, name);
	return CKR_OK;
}

static CK_RV
remove_entry(void *arg, const char *name)
{
	const struct dir *d = arg;

	if (unlinkat(d->fd, name, 0) == 0 || errno == ENOENT)
		return CKR_OK;
	if (errno != EISDIR && errno != EPERM)
		return why_errno("cannot remove %s/%s", d->path, name);
	return file_remove_tree(d, name);
}

CK_RV
file_remove_tree(const struct dir *d, const char *name)
{
	struct dir sub;
	CK_RV rv = dir_open_at(&sub, d, name, false);

	if (rv != CKR_OK)
		return rv;
	rv = dir_each(&sub, remove_entry, &sub);
	dir_close(&sub);
	if (rv == CKR_OK && unlinkat(d->fd, name, AT_REMOVEDIR) != 0)
		rv = why_errno("cannot remove %s/%s", d->path, name);
	return rv;
}

/* Splits an absolute path into an open directory and a name. */
static CK_RV
split_path(const char *path, struct dir *d, char name[256])
{
	char copy[512];
	int fd;

	if (snprintf(copy, sizeof(copy), "%s", path) >= (int)sizeof(copy))
		return why(CKR_DEVICE_ERROR, "the path %.80s... is too long", path);
	snprintf(name, 256, "%s", basename(copy));
	snprintf(copy, sizeof(copy), "%s", path);
	snprintf(d->path, sizeof(d->path), "%s", dirname(copy));
	fd = open(d->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return why_errno("cannot open the directory %s", d->path);
	d->fd = fd;
	return CKR_OK;
}

CK_RV
file_read_path(const char *path, size_t max, uint8_t **data, size_t *len)
{
	struct dir d;
	char name[256];
	CK_RV rv = split_path(path, &d, name);

	if (rv != CKR_OK)
		return rv;
	rv = file_read(&d, name, max, data, len);
	dir_close(&d);
	return rv;
}

CK_RV
file_write_path(const char *path, const void *data, size_t len)
{
	struct dir d;
	char name[256];
	CK_RV rv = split_path(path, &d, name);

	if (rv != CKR_OK)
		return rv;
	rv = file_write_new(&d, name, data, len);
	if (rv == CKR_OK)
		rv = dir_sync(&d);
	dir_close(&d);
	return rv;
}
