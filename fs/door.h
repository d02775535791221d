/*
 * door.h - `.p11/`: the directory through which the module and the command reach the daemon
 *
 *   .p11/            listed only if the tree lists it
 *   .p11/conn/       always empty to see; a file made in it with O_CREAT|O_EXCL is a connection (conn.h)
 *   .p11/pid         the daemon's process id, text
 *
 * Free of FUSE. Its inode numbers use the kinds from 0xF0, which tree.h does not hand out.
 */
#ifndef TOKENFS_DOOR_H
#define TOKENFS_DOOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#define DOOR_INO(kind, low) ((uint64_t)(kind) << 56 | (low))
#define DOOR_DIR DOOR_INO(0xF0, 0)
#define DOOR_CONN_DIR DOOR_INO(0xF1, 0)
#define DOOR_PID DOOR_INO(0xF2, 0)
#define DOOR_CONN DOOR_INO(0xF3, 0) /* | number of the connection */
#define DOOR_NAME ".p11"

/* Is the inode number one of ours; is it a connection's? */
bool door_owns(uint64_t ino);
bool door_is_conn(uint64_t ino);
/* 0 with *ino, or -ENOENT, -ENOTDIR. parent 1 is the root. */
int door_lookup(uint64_t parent, const char *name, uint64_t *ino);
/* Everything but times. 0 or -ENOENT. */
int door_stat(uint64_t ino, struct stat *st);
/* The i-th entry of a directory below the door; false past the end. */
bool door_entry(uint64_t dir, unsigned i, const char **name, uint64_t *ino);
/* The content of a file that is no connection; its length, at most room. */
size_t door_text(uint64_t ino, char *out, size_t room);

#endif
