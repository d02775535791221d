/*
 * supervise.h - the parent of the daemon: holds no keys, waits, unmounts
 *
 * no_new_privs disarms the setuid fusermount3 for the daemon, and Landlock forbids umount(2) to it,
 * so somebody outside of the sandbox must unmount, after a crash too. A daemon that is stopped
 * (SIGSTOP) would hang every client: after one second it is killed, which aborts the connection.
 *
 * Invariants: 1. the supervisor never has /dev/fuse, the vault or secret memory open
 *             2. when it is gone, the daemon is told by PR_SET_PDEATHSIG and ends
 *             3. when the daemon is gone, the mount is gone
 */
#ifndef TOKENFS_SUPERVISE_H
#define TOKENFS_SUPERVISE_H

#include <stdbool.h>
#include <sys/types.h>

/* What the mount table says of a path, which is given absolute and without links. */
bool supervise_mounted(const char *mount);

/* Lazily unmounts what is mounted there, as root by umount2, else through fusermount3. False if it is
 * still mounted. Quiet when nothing was. */
bool supervise_unmount(const char *mount);

/*
 * Forks the daemon and watches it. child(arg) is what the daemon does; its return value is its exit
 * status. `ready` is the daemon's end of a pipe (or -1): the supervisor closes its own copy. Returns, in
 * the parent, the daemon's exit status (128 + signal if one killed it) after unmounting; never
 * returns in the child. The caller must have one thread; its working directory becomes /.
 */
int supervise(const char *mount, int ready, int (*child)(void *arg), void *arg);

#endif
