/*
 * mount.h - brings a vault up as a mounted tree, and takes it down
 *
 * Three processes (supervise.h): the caller, who waits for readiness; the supervisor, which holds no
 * keys and unmounts; the daemon, which opens the vault, mounts, hardens itself and serves. The vault
 * is opened and secret_start() called in the daemon alone, so the caller must not have called
 * secret_start() itself: locked memory does not survive a fork.
 *
 * Errors:     a sentence in err; nothing half-made stays mounted.
 */
#ifndef TOKENFS_MOUNT_H
#define TOKENFS_MOUNT_H

#include <stdbool.h>
#include <stddef.h>

#include "../pkcs11/conf.h"

enum mount_state {
	MOUNT_NONE, /* nothing of ours is mounted there */
	MOUNT_LIVE, /* a daemon answers */
	MOUNT_DEAD  /* ours, but its daemon is gone (ENOTCONN) */
};
/* Looks at conf->mount. Never waits for a daemon that does not answer longer than its supervisor
 * lets it live (2 s). */
enum mount_state mount_look(const struct conf *conf);

/*
 * What `tokenfs mount` calls; returns its exit status. Background: 0 when the tree is ready to be
 * used, also when it was already (err then says "already mounted"); 1 with err when it could not be
 * brought up. Foreground: returns when the daemon has ended; 0 if that was asked for.
 */
int mount_run(const struct conf *conf, bool foreground, bool read_only, char *err, size_t err_len);

/* What `tokenfs umount` calls: asks the daemon to end and waits until the mount is gone and the
 * vault is free, 10 s at most. 0, also when nothing was mounted; 1 with err. */
int mount_end(const struct conf *conf, char *err, size_t err_len);

#endif
