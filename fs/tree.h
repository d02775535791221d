/*
 * tree.h - what people see below the mount point: one table of nodes, free of FUSE
 *
 * A node kind is a row: name or pattern, mode, directory or file, how its text is made, what may be
 * done with it. An inode number says everything about a node (kind, slot, handle, attribute), so that
 * there is no table of inodes and nothing to forget.
 *
 * Locking:    any thread.
 * Errors:     negative errno, since it is FUSE that is answered. Below private/ -EACCES until the token is
 *             unlocked for the viewer. Why a write or a removal failed stands in <token>/last-error.
 * Secrets:    texts of private objects may hold values: they are made in secret memory and wiped.
 * Format:     docs/TREE.md
 */
#ifndef TOKENFS_TREE_H
#define TOKENFS_TREE_H

#include <sys/stat.h>

#include "daemon.h"

/* ino = kind:8 | slot:16 | sub:8 | handle:32, kind in the high byte; 1 is the root. Kinds from 0xF0 are not
 * the tree's (door.h). */
struct node {
	uint8_t kind;
	uint16_t slot;
	uint8_t sub;     /* attribute's index in names.h + 1, or 0 */
	uint32_t handle; /* object, or 0; NODE_BELOW_PRIVATE is set below private/ */
};
#define NODE_BELOW_PRIVATE 0x80000000u
/* The number, and back: false for one that no node has. That the slot, the object exist is not asked. */
uint64_t node_ino(const struct node *n);
bool node_from_ino(uint64_t ino, struct node *n);

/* Who looks: decides private/. */
struct viewer {
	struct daemon *daemon;
	uid_t uid;
	pid_t pid; /* for the audit only; 0: not known */
};

/* -ENOENT, -ENOTDIR, -EACCES; and everything of a node but its times, sizes exact. */
int tree_lookup(const struct viewer *v, const struct node *dir, const char *name, struct node *child);
int tree_stat(const struct viewer *v, const struct node *n, struct stat *st);
/* Calls each() for every entry but "." and ".."; stops when it returns false. The root's list names `.p11`
 * with the root's own node: the caller knows it. */
int tree_list(const struct viewer *v, const struct node *dir,
	bool (*each)(void *arg, const char *name, const struct node *n), void *arg);
/* The whole content of a file; *text is secret_alloc'd. */
int tree_read(const struct viewer *v, const struct node *n, uint8_t **text, size_t *len);
/* Names the unlock that the content of this node stands under; 0 if it needs none, or there is none. What
 * was read is to be forgotten when the number changes. */
uint64_t tree_unlock(const struct viewer *v, const struct node *n);
/* A whole content written to a file at close (login): a PIN, or `lock`. -EACCES: wrong PIN; -EPERM: PIN locked
 * or not set; -EINVAL: empty. */
int tree_write(const struct viewer *v, const struct node *n, const uint8_t *data, size_t len);
/* rmdir of an object's directory destroys the object; unlink of the files in it succeeds and does nothing,
 * so that rm -r works. */
int tree_remove(const struct viewer *v, const struct node *dir, const char *name, bool is_dir);
bool tree_is_slow(const struct node *n); /* writing it runs scrypt: a job */

#endif
