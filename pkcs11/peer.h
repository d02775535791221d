/*
 * peer.h - finds the mounted tree, checks that it is ours and opens a connection file in it
 *
 * PINs go to whoever serves that tree. So before anything is sent: the directories above the mount
 * point are not writable by others (sticky ones excepted), the file system is FUSE, its root
 * belongs to the caller or root, and the kernel names the caller or root as the one who mounted
 * it. All is done on one directory descriptor, so that nothing can be exchanged in between.
 *
 * Errors:     CKR_TOKEN_NOT_PRESENT: nothing is mounted there, or a dead mount; a daemon may be
 *             started. CKR_DEVICE_ERROR: something is there that is not to be trusted or does not
 *             let us in. CKR_HOST_MEMORY: no memory or descriptors left.
 */
#ifndef TOKENFS_PEER_H
#define TOKENFS_PEER_H

#include <stdint.h>

#include "ck.h"

/* *fd: close-on-exec, for channel_attach. */
CK_RV peer_open(const char *mount, int *fd);

/* What identifies an open file, asked for without troubling the file system's daemon. An
 * application that closes all descriptors takes ours too, and may open another file under its
 * number. */
struct peer_file {
	uint32_t major, minor;
	uint64_t ino;
};
/* False: fd is no open file. Is fd still that file? */
bool peer_identify(int fd, struct peer_file *f);
bool peer_same(int fd, const struct peer_file *f);

#endif
