/*
 * rpc_use.h - what each use of a running operation has around it: the operation, its login, its output
 *
 * Use:        rpc_operation(r, kind, &op); rpc_output_begin(&out, bound); size = out.len; rv = op_...(out.data,
 *             &out.len); rpc_output_put(r, &out, rv); rpc_output_end(&out, size); rpc_settle(s, kind)
 */
#ifndef TOKENFS_RPC_USE_H
#define TOKENFS_RPC_USE_H

#include "rpc_handler.h"

/* The operation, if it runs and has had the login that its key asks for (PKCS#11 3.1 4.9,
 * CKA_ALWAYS_AUTHENTICATE); a use without that login ends it. CKR_OPERATION_NOT_INITIALIZED,
 * CKR_USER_NOT_LOGGED_IN. */
CK_RV rpc_running(struct session *s, enum op_kind kind, struct op **op);
/* The items of a request for this operation have been taken: rpc_taken, then rpc_running. */
CK_RV rpc_operation(struct rpc *r, enum op_kind kind, struct op **op);
/* After every use: ends the operation if it is over. */
void rpc_settle(struct session *s, enum op_kind kind);

/* A call with input alone: the updates of digests, of signing and of verifying. */
CK_RV rpc_consume(struct rpc *r, enum op_kind kind);

/* For struct op_keeper, the argument being the call: keeps what this use changes of the operation's key. */
CK_RV rpc_spend(void *arg, struct op *op);

/* An output buffer of the application: what it has room for, cut to what can come. */
struct rpc_output {
	bool present;
	CK_ULONG room;
	uint8_t small[512];
	uint8_t *data; /* NULL: only the length is asked for */
	CK_ULONG len;  /* in: size of data; out: what came, or would */
};
/* present and room are set. bound: the most that can come. CKR_DATA_LEN_RANGE, CKR_HOST_MEMORY. */
CK_RV rpc_output_begin(struct rpc_output *out, size_t bound);
/* CKR_OK and CKR_BUFFER_TOO_SMALL come with a length. */
void rpc_output_put(struct rpc *r, const struct rpc_output *out, CK_RV rv);
/* Wipes `size` bytes and frees. */
void rpc_output_end(struct rpc_output *out, size_t size);

#endif
