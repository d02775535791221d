/*
 * rpc.h - performs one frame for one application; knows nothing of how it came
 *
 * rpc.c holds the gate: a table of {call, required state, handler, slow}; rpc_session.c, rpc_object.c,
 * rpc_crypto.c, rpc_key.c ... hold the handlers, mirroring pkcs11/call_*.c; rpc_control.c and rpc_report.c those that only
 * the tokenfs command has.
 *
 * Locking:    any number of threads, also for one application.
 * Errors:     every answer is a well-formed reply frame, also to garbage: header alone, rv =
 *             CKR_ARGUMENTS_BAD, CKR_FUNCTION_NOT_SUPPORTED for a call without a row.
 * Secrets:    the caller wipes the request's bytes; reply->buf is wiped by codec_free.
 */
#ifndef TOKENFS_RPC_H
#define TOKENFS_RPC_H

#include "../pkcs11/codec.h"
#include "app.h"

/* reply: zeroed or reused; afterwards reply->buf holds the frame to send. */
void rpc_call(struct app *a, const uint8_t *frame, size_t len, struct codec *reply);
/* The same, but does not wait for another call on the same session. False: there is one; nothing was done, and the
 * call is to be made by rpc_call, in a thread that may wait. */
bool rpc_try(struct app *a, const uint8_t *frame, size_t len, struct codec *reply);

enum rpc_cost {
	RPC_FAST,
	RPC_SLOW, /* scrypt, a long answer: run it as a job */
	RPC_HEAVY /* key generation, a walk over the vault: as a job that leaves a thread to the others */
};
/* Looks at the header alone; C_Login with the token already open is not slow enough to matter but counts as slow. */
enum rpc_cost rpc_cost(const uint8_t *frame, size_t len);
/* The session that the call enters, 0 for none: calls of one session run one after the other. */
CK_ULONG rpc_lane(const uint8_t *frame, size_t len);

#endif
