/*
 * file.h - files and directories of the vault, opened and written with suspicion
 *
 * Everything is below a directory's descriptor and opened with openat2(RESOLVE_BENEATH |
 * RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV); a file must be regular, have one link, be ours and be closed to group and
 * others.
 *
 * Errors:     CKR_DEVICE_ERROR (CKR_DEVICE_MEMORY for a full disk) with why() naming directory and
 *             file; CKR_OBJECT_HANDLE_INVALID when the file is not there, so that callers can tell.
 * Locking:    any thread.
 */
#ifndef TOKENFS_FILE_H
#define TOKENFS_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "../pkcs11/ck.h"

/* A directory that is held open, with its path for messages. */
struct dir {
	int fd; /* -1: closed */
	char path[512];
};

/* By absolute path: must be a directory of ours (or root's) with no rights for group and others. */
CK_RV dir_open(struct dir *d, const char *path);
/* An existing directory below another; make: mkdir 0700 first if it is missing, made durable. */
CK_RV dir_open_at(struct dir *d, const struct dir *parent, const char *name, bool make);
void dir_close(struct dir *d);
CK_RV dir_sync(const struct dir *d);
/* Calls each(name) for every entry but "." and ".."; stops at the first error it returns. */
CK_RV dir_each(const struct dir *d, CK_RV (*each)(void *arg, const char *name), void *arg);

/* The whole file, at most max bytes; *data is malloc'd. */
CK_RV file_read(const struct dir *d, const char *name, size_t max, uint8_t **data, size_t *len);
/* Opens for reading (and writing) after the checks; st may be NULL. */
CK_RV file_open(const struct dir *d, const char *name, bool writable, int *fd, struct stat *st);
/* A new file, whole and durable under its name, or nothing: written without a name (O_TMPFILE), fsynced,
 * linked. The caller syncs the directory. CKR_FUNCTION_REJECTED if the name exists. */
CK_RV file_write_new(const struct dir *d, const char *name, const void *data, size_t len);
/* Replaces atomically; directory synced. */
CK_RV file_replace(const struct dir *d, const char *name, const void *data, size_t len);
CK_RV file_remove(const struct dir *d, const char *name); /* no error if it is not there */
/* Removes a directory below d with everything in it. */
CK_RV file_remove_tree(const struct dir *d, const char *name);
CK_RV file_write_all(int fd, const void *data, size_t len, off_t at);

/* A file outside the vault (the key file): same checks, owner us or root. */
CK_RV file_read_path(const char *path, size_t max, uint8_t **data, size_t *len);
CK_RV file_write_path(const char *path, const void *data, size_t len); /* O_EXCL, 0600, durable */

#endif
