/*
 * rpc.h - performs one frame for one application; knows nothing of how it came
 *
 * rpc.c holds the gate: a table of {call, required state, handler, slow}; rpc_session.c, rpc_object.c,
 * rpc_crypto.c, rpc_key.c, rpc_control.c hold the handlers, mirroring pkcs11/call_*.c.
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
/* True if the call may take long (key generation, scrypt): run it as a job. Looks at the header
 * alone; C_Login with the token already open is not slow enough to matter but counts as slow. */
bool rpc_slow(const uint8_t *frame, size_t len);

#endif
