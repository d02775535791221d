/*
 * start.h - starts the daemon for a configuration, once, whoever else wants the same
 *
 * Runs `tokenfs mount`, which returns when the tree is ready, under a lock file: of many processes
 * that start at the same moment one starts the daemon and the others find it. The child has
 * nothing of its parent but the environment: no descriptor, no terminal, no signal setting.
 *
 * Errors:     CKR_TOKEN_NOT_PRESENT: no vault and none was asked for. CKR_DEVICE_REMOVED: it could
 *             not be started. Else as peer.h. Nothing is printed; `tokenfs mount` by hand says why.
 */
#ifndef TOKENFS_START_H
#define TOKENFS_START_H

#include "channel.h"
#include "conf.h"

/* Is there a vault where the configuration says? Nothing is started, nothing is read but a directory. */
bool start_vault_exists(const struct conf *conf);
/* Makes a vault first if there is none and make_vault says so. Waits at most START_SECONDS. */
CK_RV start_channel(struct channel **c, const struct conf *conf, bool make_vault,
	const CK_C_INITIALIZE_ARGS *args);

#define START_SECONDS 30

#endif
