/*
 * daemon.h - the one struct everything in fs/ hangs off; free of FUSE
 *
 * A daemon is a vault, its applications and its unlocks. The FUSE side (mount.c, ops.c) and the in-process
 * client of the command both build one and feed frames to rpc.h.
 *
 * Locking:    daemon->lock guards apps, unlocks and sessions. Order: session -> daemon -> app -> the
 *             store's locks; under daemon or app no cryptography, scrypt or fsync is waited for.
 *             init_lock comes before daemon and is held while a token is initialised or deleted.
 */
#ifndef TOKENFS_DAEMON_H
#define TOKENFS_DAEMON_H

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "../pkcs11/conf.h"
#include "../store/token.h"

struct app;
struct unlock;

/* What harden.c achieved, for status. Each text is "on" or why not. */
struct harden_report {
	char dumpable[96], core[96], no_new_privs[96], landlock[96], seccomp[96], memory[96];
};

struct daemon {
	const struct conf *conf;
	struct vault *vault;
	pthread_mutex_t lock;
	struct app *apps;       /* list */
	struct unlock *unlocks; /* list, see unlock.h */
	uint64_t next_app, next_unlock;
	unsigned sessions;      /* of all applications, against max_sessions */
	atomic_size_t object_bytes; /* of all applications' session objects */
	atomic_size_t held_bytes;   /* by all applications' operations and searches */
	atomic_uint_least64_t destroyed; /* counts the objects that went: searches look again */
	atomic_flag checking;       /* T_Check: one at a time */
	/* Called without a lock after an unlock ended: what was read under it is to be wiped. May be NULL. */
	void (*on_lock)(void *arg);
	void *on_lock_arg;
	/* Called without a lock after tokens came, went or were initialised. May be NULL. */
	void (*on_slots)(void *arg);
	void *on_slots_arg;
	atomic_uint_least64_t told_generation; /* the vault's, when on_slots was called last */
	pthread_mutex_t init_lock;
	CK_SLOT_ID initialising; /* no session opens there; CK_UNAVAILABLE_INFORMATION: none */
	time_t started;
	struct harden_report hardening;
	bool in_process; /* no mount: the command works on the vault itself */
};

/* conf must outlive the daemon. */
CK_RV daemon_open(struct daemon **d, const struct conf *conf, bool read_only);
/* Ends every application, locks every token, closes the vault. No rpc_call may be running any more;
 * applications still open are ended and wait for their app_close. */
void daemon_close(struct daemon *d);
/* What vault_* calls want, as the configuration says. */
void daemon_vault_config(const struct conf *conf, bool read_only, struct vault_config *cfg);

/* Calls on_slots if vault_generation has moved since it was called last: after whatever may have moved it. */
void daemon_heed_slots(struct daemon *d);

/* Keeps sessions off a slot while its token is made or unmade: CKR_SESSION_EXISTS if any application
 * has one there. A success is paired with daemon_slot_release. */
CK_RV daemon_slot_claim(struct daemon *d, CK_SLOT_ID slot);
void daemon_slot_release(struct daemon *d);

#endif
