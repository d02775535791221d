#include "rpc_use.h"

#include <stdlib.h>

#include "../store/secret.h"

CK_RV
rpc_running(struct session *s, enum op_kind kind, struct op **op)
{
	*op = s->ops[kind];
	if (!*op)
		return CKR_OPERATION_NOT_INITIALIZED;
	if (op_needs_context_login(*op) && !s->authenticated[kind]) {
		session_op_end(s, kind);
		return CKR_USER_NOT_LOGGED_IN;
	}
	return CKR_OK;
}

CK_RV
rpc_operation(struct rpc *r, enum op_kind kind, struct op **op)
{
	CK_RV rv = rpc_taken(r);

	return rv == CKR_OK ? rpc_running(r->session, kind, op) : rv;
}

void
rpc_settle(struct session *s, enum op_kind kind)
{
	if (s->ops[kind] && !op_active(s->ops[kind]))
		session_op_end(s, kind);
}

CK_RV
rpc_output_begin(struct rpc_output *out, size_t bound)
{
	out->data = NULL;
	out->len = 0;
	if (!out->present)
		return CKR_OK;
	out->len = out->room < bound ? out->room : bound;
	if (out->len > RPC_MAX_OUTPUT)
		return CKR_DATA_LEN_RANGE;
	out->data = out->len <= sizeof(out->small) ? out->small : malloc(out->len);
	return out->data ? CKR_OK : CKR_HOST_MEMORY;
}

void
rpc_output_put(struct rpc *r, const struct rpc_output *out, CK_RV rv)
{
	if (rv == CKR_OK)
		codec_put_output(r->out, out->len, out->data);
	else if (rv == CKR_BUFFER_TOO_SMALL)
		codec_put_output(r->out, out->len, NULL);
}

void
rpc_output_end(struct rpc_output *out, size_t size)
{
	if (!out->data)
		return;
	wipe(out->data, size);
	if (out->data != out->small)
		free(out->data);
	out->data = NULL;
}
