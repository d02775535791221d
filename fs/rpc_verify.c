/* Verification where the signature comes first: PKCS#11 3.2 5.15, C_VerifySignature*. */
#include "rpc_use.h"

CK_RV
rpc_verify_signature_init(struct rpc *r)
{
	struct session *s = r->session;
	CK_RV rv = rpc_op_begin(r, OP_VERIFY_SIGNATURE, true);
	const uint8_t *sig;
	size_t len;

	if (rv != CKR_OK)
		return rv;
	codec_get_bytes(&r->in, &sig, &len);
	rv = rpc_taken(r);
	if (rv == CKR_OK && !sig)
		rv = CKR_ARGUMENTS_BAD;
	if (rv == CKR_OK)
		rv = op_set_signature(s->ops[OP_VERIFY_SIGNATURE], sig, len);
	if (rv != CKR_OK)
		session_op_end(s, OP_VERIFY_SIGNATURE);
	return rv;
}

CK_RV
rpc_verify_signature(struct rpc *r)
{
	const uint8_t *in;
	struct op *op;
	size_t len;
	CK_RV rv;

	codec_get_bytes(&r->in, &in, &len);
	rv = rpc_operation(r, OP_VERIFY_SIGNATURE, &op);
	if (rv == CKR_OK)
		rv = op_verify_signature(op, in, len);
	rpc_settle(r->session, OP_VERIFY_SIGNATURE);
	return rv;
}

CK_RV
rpc_verify_signature_update(struct rpc *r)
{
	return rpc_consume(r, OP_VERIFY_SIGNATURE);
}

CK_RV
rpc_verify_signature_final(struct rpc *r)
{
	struct op *op;
	CK_RV rv = rpc_operation(r, OP_VERIFY_SIGNATURE, &op);

	if (rv == CKR_OK)
		rv = op_verify_signature_final(op);
	rpc_settle(r->session, OP_VERIFY_SIGNATURE);
	return rv;
}
