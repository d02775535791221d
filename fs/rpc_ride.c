/*
 * What the standard has two calls for, in one: an Init with the one-shot call after it, a search's Init with its
 * first handles. Each does what its two calls do one after the other, so that nothing is decided here.
 */
#include "rpc_handler.h"

/* The operation does not outlive a failure, of whichever half; a length query and CKR_BUFFER_TOO_SMALL leave it
 * as the two calls would. */
static CK_RV
now(struct rpc *r, enum op_kind kind, rpc_handler *use)
{
	CK_RV rv = rpc_op_begin(r, kind, true);

	if (rv != CKR_OK)
		return rv;
	rv = use(r);
	if (rv != CKR_OK && rv != CKR_BUFFER_TOO_SMALL)
		session_op_end(r->session, kind);
	return rv;
}

CK_RV
rpc_encrypt_now(struct rpc *r)
{
	return now(r, OP_ENCRYPT, rpc_encrypt);
}

CK_RV
rpc_decrypt_now(struct rpc *r)
{
	return now(r, OP_DECRYPT, rpc_decrypt);
}

CK_RV
rpc_digest_now(struct rpc *r)
{
	return now(r, OP_DIGEST, rpc_digest);
}

CK_RV
rpc_sign_now(struct rpc *r)
{
	return now(r, OP_SIGN, rpc_sign);
}

CK_RV
rpc_verify_now(struct rpc *r)
{
	return now(r, OP_VERIFY, rpc_verify);
}

CK_RV
rpc_find_now(struct rpc *r)
{
	struct session *s = r->session;
	CK_RV rv = rpc_find_objects_init(r);
	bool all;

	if (rv != CKR_OK)
		return rv;
	all = s->n_found <= WIRE_FIND_FIRST;
	s->next_found = all ? s->n_found : WIRE_FIND_FIRST;
	codec_put_ulongs(r->out, s->found, s->next_found);
	codec_put_byte(r->out, all);
	if (all || r->out->rv != CKR_OK)
		session_find_end(s);
	return CKR_OK;
}
