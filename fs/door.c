#include "door.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct door_row {
	uint64_t ino, parent;
	const char *name;
	mode_t mode;
} rows[] = {
	{DOOR_DIR, 1, DOOR_NAME, S_IFDIR | 0500},
	{DOOR_CONN_DIR, DOOR_DIR, "conn", S_IFDIR | 0700},
	{DOOR_PID, DOOR_DIR, "pid", S_IFREG | 0400},
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

bool
door_owns(uint64_t ino)
{
	return ino >= DOOR_DIR;
}

bool
door_is_conn(uint64_t ino)
{
	return ino >> 56 == DOOR_CONN >> 56;
}

static const struct door_row *
row_of(uint64_t ino)
{
	for (size_t i = 0; i < ROWS; i++) {
		if (rows[i].ino == ino)
			return &rows[i];
	}
	return NULL;
}

int
door_lookup(uint64_t parent, const char *name, uint64_t *ino)
{
	if (parent != 1 && (row_of(parent) == NULL || !S_ISDIR(row_of(parent)->mode)))
		return -ENOTDIR;
	for (size_t i = 0; i < ROWS; i++) {
		if (rows[i].parent == parent && strcmp(rows[i].name, name) == 0) {
			*ino = rows[i].ino;
			return 0;
		}
	}
	return -ENOENT;
}

int
door_stat(uint64_t ino, struct stat *st)
{
	const struct door_row *row = row_of(ino);
	char text[32];

	memset(st, 0, sizeof(*st));
	st->st_ino = ino;
	st->st_uid = geteuid();
	st->st_gid = getegid();
	st->st_blksize = 4096;
	st->st_nlink = 1;
	if (door_is_conn(ino)) {
		st->st_mode = S_IFREG | 0600;
		return 0;
	}
	if (row == NULL)
		return -ENOENT;
	st->st_mode = row->mode;
	if (S_ISDIR(row->mode))
		st->st_nlink = 2;
	else
		st->st_size = (off_t)door_text(ino, text, sizeof(text));
	return 0;
}

bool
door_entry(uint64_t dir, unsigned i, const char **name, uint64_t *ino)
{
	for (size_t r = 0; r < ROWS; r++) {
		if (rows[r].parent == dir && i-- == 0) {
			*name = rows[r].name;
			*ino = rows[r].ino;
			return true;
		}
	}
	return false;
}

size_t
door_text(uint64_t ino, char *out, size_t room)
{
	int n = ino == DOOR_PID ? snprintf(out, room, "%d\n", (int)getpid()) : 0;

	return n < 0 || (size_t)n > room ? 0 : (size_t)n;
}
