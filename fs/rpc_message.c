/*
 * Messages: PKCS#11 3.1 5.9, 5.11, 5.14 and 5.16. An error in a message ends that message, not the operation (op.h).
 * To a key with CKA_ALWAYS_AUTHENTICATE each message is a use, with a login of its own.
 */
#include "rpc_use.h"

static CK_RV
begin(struct rpc *r, enum op_kind kind)
{
	return rpc_op_begin(r, kind, false);
}

static CK_RV
final(struct rpc *r, enum op_kind kind)
{
	CK_RV rv = rpc_taken(r);

	if (rv == CKR_OK && !r->session->ops[kind])
		rv = CKR_OPERATION_NOT_INITIALIZED;
	if (rv == CKR_OK)
		session_op_end(r->session, kind);
	return rv;
}

/* After a message, or a part of one. over: it was the message's last, and gave an answer. */
static void
settle(struct session *s, enum op_kind kind, bool over)
{
	rpc_settle(s, kind);
	if (!over || !s->ops[kind] || !op_needs_context_login(s->ops[kind]))
		return;
	s->authenticated[kind] = false;
	s->awaiting = (int)kind;
}

static bool
is_over(CK_RV rv, bool last, const struct rpc_output *out)
{
	return last && rv != CKR_BUFFER_TOO_SMALL && (rv != CKR_OK || out->present);
}

/* ---- encrypt and decrypt ---- */

/* The message's parameter must be that of the operation's mechanism. */
static CK_RV
take_param(const struct op *op, const struct param *p, struct message *m)
{
	if (p->kind != message_param_kind(op_mechanism(op)))
		return CKR_MECHANISM_PARAM_INVALID;
	m->param = p->mech.pParameter;
	m->param_len = p->mech.ulParameterLen;
	return CKR_OK;
}

static CK_RV
crypt_begin(struct rpc *r, enum op_kind kind)
{
	struct message m = {0};
	struct param p = {0};
	struct op *op;
	CK_RV rv;

	codec_get_message_param(&r->in, &p);
	codec_get_bytes(&r->in, &m.aad, &m.aad_len);
	rv = rpc_operation(r, kind, &op);
	if (rv == CKR_OK)
		rv = take_param(op, &p, &m);
	if (rv == CKR_OK)
		rv = op_message_begin(op, &m);
	if (rv == CKR_OK)
		codec_put_outputs(r->out, kind == OP_MESSAGE_ENCRYPT ? &p : NULL);
	settle(r->session, kind, false);
	param_free(&p);
	return rv;
}

/* Output, and what the token wrote to the parameter along with it. */
static void
put_answer(struct rpc *r, enum op_kind kind, const struct rpc_output *out, const struct param *p, CK_RV rv)
{
	bool wrote = rv == CKR_OK && out->data && kind == OP_MESSAGE_ENCRYPT;

	if (rv != CKR_OK && rv != CKR_BUFFER_TOO_SMALL)
		return;
	rpc_output_put(r, out, rv);
	codec_put_outputs(r->out, wrote ? p : NULL);
}

/* A whole message, or a part of one: they differ in one item. */
static CK_RV
crypt(struct rpc *r, enum op_kind kind, bool whole)
{
	struct rpc_output out = {0};
	const uint8_t *in = NULL;
	struct message m = {0};
	struct param p = {0};
	uint8_t last = 1;
	size_t in_len, size = 0;
	struct op *op;
	CK_RV rv;

	codec_get_message_param(&r->in, &p);
	if (whole)
		codec_get_bytes(&r->in, &m.aad, &m.aad_len);
	codec_get_bytes(&r->in, &in, &in_len);
	if (!whole)
		codec_get_byte(&r->in, &last);
	codec_get_room(&r->in, &out.present, &out.room);
	if ((rv = rpc_operation(r, kind, &op)) != CKR_OK)
		goto out;
	rv = take_param(op, &p, &m);
	if (rv == CKR_OK)
		rv = rpc_output_begin(&out, op_message_bound(op, in_len));
	if (rv != CKR_OK) {
		if (!whole)
			op_message_drop(op); /* 3.1 5.9.4: an error in a part ends its message */
		goto out;
	}
	size = out.len;
	rv = whole ? op_message(op, &m, in, in_len, out.data, &out.len)
		   : op_message_next(op, &m, in, in_len, last != 0, out.data, &out.len);
	put_answer(r, kind, &out, &p, rv);
	rpc_output_end(&out, size);
	settle(r->session, kind, is_over(rv, last != 0, &out));
out:
	param_free(&p);
	return rv;
}

CK_RV
rpc_message_encrypt_init(struct rpc *r)
{
	return begin(r, OP_MESSAGE_ENCRYPT);
}

CK_RV
rpc_encrypt_message(struct rpc *r)
{
	return crypt(r, OP_MESSAGE_ENCRYPT, true);
}

CK_RV
rpc_encrypt_message_begin(struct rpc *r)
{
	return crypt_begin(r, OP_MESSAGE_ENCRYPT);
}

CK_RV
rpc_encrypt_message_next(struct rpc *r)
{
	return crypt(r, OP_MESSAGE_ENCRYPT, false);
}

CK_RV
rpc_message_encrypt_final(struct rpc *r)
{
	return final(r, OP_MESSAGE_ENCRYPT);
}

CK_RV
rpc_message_decrypt_init(struct rpc *r)
{
	return begin(r, OP_MESSAGE_DECRYPT);
}

CK_RV
rpc_decrypt_message(struct rpc *r)
{
	return crypt(r, OP_MESSAGE_DECRYPT, true);
}

CK_RV
rpc_decrypt_message_begin(struct rpc *r)
{
	return crypt_begin(r, OP_MESSAGE_DECRYPT);
}

CK_RV
rpc_decrypt_message_next(struct rpc *r)
{
	return crypt(r, OP_MESSAGE_DECRYPT, false);
}

CK_RV
rpc_message_decrypt_final(struct rpc *r)
{
	return final(r, OP_MESSAGE_DECRYPT);
}

/* ---- sign and verify ---- */

static CK_RV
auth_begin(struct rpc *r, enum op_kind kind)
{
	const struct message m = {0};
	struct op *op;
	CK_RV rv = rpc_operation(r, kind, &op);

	if (rv == CKR_OK)
		rv = op_message_begin(op, &m);
	settle(r->session, kind, false);
	return rv;
}

static CK_RV
sign(struct rpc *r, bool whole)
{
	const struct message m = {0};
	struct rpc_output out = {0};
	const uint8_t *in = NULL;
	uint8_t last = 1;
	size_t in_len, size;
	struct op *op;
	CK_RV rv;

	codec_get_bytes(&r->in, &in, &in_len);
	if (!whole)
		codec_get_byte(&r->in, &last);
	codec_get_room(&r->in, &out.present, &out.room);
	rv = rpc_operation(r, OP_MESSAGE_SIGN, &op);
	if (rv == CKR_OK && last > 1) { /* 3.1 5.14.4: the module refused a part, which ends its message */
		op_message_drop(op);
		rv = CKR_ARGUMENTS_BAD;
	}
	if (rv == CKR_OK)
		rv = rpc_output_begin(&out, op_message_bound(op, in_len));
	if (rv != CKR_OK)
		return rv;
	size = out.len;
	if (whole)
		rv = op_message(op, &m, in, in_len, out.data, &out.len);
	else if (last)
		rv = op_message_next(op, &m, in, in_len, true, out.data, &out.len);
	else
		rv = op_message_next(op, &m, in, in_len, false, NULL, NULL);
	if (!last)
		out.len = 0;
	rpc_output_put(r, &out, rv);
	rpc_output_end(&out, size);
	settle(r->session, OP_MESSAGE_SIGN, is_over(rv, last != 0, &out));
	return rv;
}

static CK_RV
verify(struct rpc *r, bool whole)
{
	const struct message m = {0};
	const uint8_t *in, *sig;
	size_t in_len, sig_len;
	struct op *op;
	CK_RV rv;

	codec_get_bytes(&r->in, &in, &in_len);
	codec_get_bytes(&r->in, &sig, &sig_len);
	rv = rpc_taken(r);
	if (rv == CKR_OK && whole && !sig)
		rv = CKR_ARGUMENTS_BAD;
	if (rv == CKR_OK)
		rv = rpc_running(r->session, OP_MESSAGE_VERIFY, &op);
	if (rv != CKR_OK)
		return rv;
	rv = whole ? op_message_verify(op, &m, in, in_len, sig, sig_len)
		   : op_message_verify_next(op, &m, in, in_len, sig != NULL, sig, sig_len);
	settle(r->session, OP_MESSAGE_VERIFY, sig != NULL);
	return rv;
}

CK_RV
rpc_message_sign_init(struct rpc *r)
{
	return begin(r, OP_MESSAGE_SIGN);
}

CK_RV
rpc_sign_message(struct rpc *r)
{
	return sign(r, true);
}

CK_RV
rpc_sign_message_begin(struct rpc *r)
{
	return auth_begin(r, OP_MESSAGE_SIGN);
}

CK_RV
rpc_sign_message_next(struct rpc *r)
{
	return sign(r, false);
}

CK_RV
rpc_message_sign_final(struct rpc *r)
{
	return final(r, OP_MESSAGE_SIGN);
}

CK_RV
rpc_message_verify_init(struct rpc *r)
{
	return begin(r, OP_MESSAGE_VERIFY);
}

CK_RV
rpc_verify_message(struct rpc *r)
{
	return verify(r, true);
}

CK_RV
rpc_verify_message_begin(struct rpc *r)
{
	return auth_begin(r, OP_MESSAGE_VERIFY);
}

CK_RV
rpc_verify_message_next(struct rpc *r)
{
	return verify(r, false);
}

CK_RV
rpc_message_verify_final(struct rpc *r)
{
	return final(r, OP_MESSAGE_VERIFY);
}
