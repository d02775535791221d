/*
 * module.h - the one instance between C_Initialize and C_Finalize, and its connection
 *
 * C_Initialize connects to nothing: the first call that wants a token does. So a program that has
 * the module loaded and never uses it costs nothing.
 *
 *   not initialised -> C_Initialize -> initialised, not connected -> [module_channel] -> connected
 *   connected -> daemon gone -> connected to nothing: CKR_DEVICE_REMOVED -> C_Finalize
 *   any -> fork -> in the child: not initialised
 *
 * Use:        struct module *m = module_get(); ... module_put(m)
 * Ownership:  an instance lives until C_Finalize and until the last call under way is through.
 * Locking:    any thread. Order: gate (module.c) and module->lock are never held together.
 * Errors:     as channel.h and start.h.
 */
#ifndef TOKENFS_MODULE_H
#define TOKENFS_MODULE_H

#include "channel.h"
#include "conf.h"

struct module;

/* How far a call goes to reach the daemon. */
enum module_reach {
	REACH_SESSION, /* the connection that is there: a call with a session handle needs no other */
	REACH_RUNNING, /* connects to a daemon that runs, starts none */
	REACH_START,   /* starts one if there is a vault */
	REACH_MAKE     /* makes a vault if there is none, and starts one */
};

/* NULL when not initialised. */
struct module *module_get(void);
void module_put(struct module *m);
const struct conf *module_conf(const struct module *m);
/* Tells this instance from an earlier or later one. */
uint64_t module_id(const struct module *m);
/* Waits for news of the slots, or for as long as it makes sense to wait without looking. CKR_OK: look, which is never
 * wrong. CKR_CRYPTOKI_NOT_INITIALIZED: this instance has ended. */
CK_RV module_wait(uint64_t id);
/* The application was shown what there is without a vault (spare.h), and is to be told once there is one. */
void module_showed_spare(struct module *m);
/* True once after that. */
bool module_was_spare(struct module *m);
/* The connection. CKR_TOKEN_NOT_PRESENT: there is none to be had, and no vault (REACH_START) or no
 * daemon (REACH_RUNNING). CKR_SESSION_HANDLE_INVALID: none was made yet (REACH_SESSION). */
CK_RV module_channel(struct module *m, enum module_reach reach, struct channel **c);

#endif
