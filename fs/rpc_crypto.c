#include "rpc_use.h"

/* One row per kind: the name of its use in the audit. */
static const char *const use_names[OP_KINDS] = {
	[OP_ENCRYPT] = "use-encrypt",
	[OP_DECRYPT] = "use-decrypt",
	[OP_SIGN] = "use-sign",
	[OP_VERIFY] = "use-verify",
	[OP_SIGN_RECOVER] = "use-sign-recover",
	[OP_VERIFY_RECOVER] = "use-verify-recover",
	[OP_VERIFY_SIGNATURE] = "use-verify",
	[OP_MESSAGE_ENCRYPT] = "use-encrypt",
	[OP_MESSAGE_DECRYPT] = "use-decrypt",
	[OP_MESSAGE_SIGN] = "use-sign",
	[OP_MESSAGE_VERIFY] = "use-verify",
};

/* ---- beginning ---- */

static CK_RV
begin(struct rpc *r, enum op_kind kind, const CK_MECHANISM *m, struct object *key)
{
	struct session *s = r->session;
	CK_RV rv = op_begin(&s->ops[kind], kind, m, key);

	if (rv == CKR_OK && (rv = rules_mac(key, op_compares(s->ops[kind]), token_compat(s->token))) != CKR_OK)
		op_end(s->ops[kind]);
	if (key)
		app_audit_use(r->app, s->token, use_names[kind], kind, key, rv);
	if (rv != CKR_OK) {
		s->ops[kind] = NULL;
		return rv;
	}
	if (op_needs_context_login(s->ops[kind]))
		s->awaiting = (int)kind;
	return CKR_OK;
}

CK_RV
rpc_op_begin(struct rpc *r, enum op_kind kind, bool more_follows)
{
	struct param p = {0};
	struct object *key = NULL;
	CK_OBJECT_HANDLE h = 0;
	CK_RV rv;

	codec_get_mechanism(&r->in, &p);
	if (kind != OP_DIGEST)
		codec_get_ulong(&r->in, &h);
	rv = more_follows ? r->in.rv : rpc_taken(r);
	if (rv == CKR_OK && r->session->ops[kind])
		rv = CKR_OPERATION_ACTIVE;
	if (rv == CKR_OK && kind != OP_DIGEST)
		rv = rpc_key_argument(r, h, CKR_KEY_HANDLE_INVALID, &key);
	if (rv == CKR_OK)
		rv = rules_mechanism(p.mech.mechanism, key, token_compat(r->session->token));
	if (rv == CKR_OK)
		rv = begin(r, kind, &p.mech, key);
	object_put(key);
	param_free(&p);
	return rv;
}

static CK_RV
init(struct rpc *r, enum op_kind kind)
{
	return rpc_op_begin(r, kind, false);
}

/* ---- using ---- */

/* The three ways in which an operation gives output. */
enum step { ONCE, UPDATE, FINAL };

static CK_RV
run(struct op *op, enum step step, const uint8_t *in, size_t in_len, struct rpc_output *out)
{
	static const uint8_t nothing[1];

	if (!in)
		in = nothing; /* NULL with length 0: no data, which is data enough */
	if (step == ONCE)
		return op_once(op, in, in_len, out->data, &out->len);
	if (step == UPDATE)
		return op_update(op, in, in_len, out->data, &out->len);
	return op_final(op, out->data, &out->len);
}

static CK_RV
produce(struct rpc *r, enum op_kind kind, enum step step)
{
	const struct op_keeper keeper = {rpc_spend, r};
	struct rpc_output out = {0};
	const uint8_t *in = NULL;
	size_t in_len = 0, size = 0;
	struct op *op;
	CK_RV rv;

	if (step != FINAL)
		codec_get_bytes(&r->in, &in, &in_len);
	codec_get_room(&r->in, &out.present, &out.room);
	rv = rpc_operation(r, kind, &op);
	if (rv != CKR_OK)
		return rv;
	rv = rpc_output_begin(&out, op_bound(op, in_len));
	if (rv != CKR_OK) {
		session_op_end(r->session, kind);
		return rv;
	}
	size = out.len;
	op_set_keeper(op, &keeper);
	rv = run(op, step, in, in_len, &out);
	op_set_keeper(op, NULL);
	rpc_output_put(r, &out, rv);
	if (kind == OP_SIGN && (rv == CKR_OK || rv == CKR_BUFFER_TOO_SMALL))
		codec_put_byte(r->out, op_answers_otp(op) ? WIRE_ANSWER_OTP : WIRE_ANSWER_BYTES);
	rpc_output_end(&out, size);
	rpc_settle(r->session, kind);
	return rv;
}

CK_RV
rpc_consume(struct rpc *r, enum op_kind kind)
{
	const uint8_t *in;
	struct op *op;
	size_t len;
	CK_RV rv;

	codec_get_bytes(&r->in, &in, &len);
	rv = rpc_operation(r, kind, &op);
	if (rv != CKR_OK)
		return rv;
	rv = op_update(op, in, len, NULL, NULL);
	rpc_settle(r->session, kind);
	return rv;
}

/* ---- the calls ---- */

CK_RV
rpc_encrypt_init(struct rpc *r)
{
	return init(r, OP_ENCRYPT);
}

CK_RV
rpc_encrypt(struct rpc *r)
{
	return produce(r, OP_ENCRYPT, ONCE);
}

CK_RV
rpc_encrypt_update(struct rpc *r)
{
	return produce(r, OP_ENCRYPT, UPDATE);
}

CK_RV
rpc_encrypt_final(struct rpc *r)
{
	return produce(r, OP_ENCRYPT, FINAL);
}

CK_RV
rpc_decrypt_init(struct rpc *r)
{
	return init(r, OP_DECRYPT);
}

CK_RV
rpc_decrypt(struct rpc *r)
{
	return produce(r, OP_DECRYPT, ONCE);
}

CK_RV
rpc_decrypt_update(struct rpc *r)
{
	return produce(r, OP_DECRYPT, UPDATE);
}

CK_RV
rpc_decrypt_final(struct rpc *r)
{
	return produce(r, OP_DECRYPT, FINAL);
}

CK_RV
rpc_digest_init(struct rpc *r)
{
	return init(r, OP_DIGEST);
}

CK_RV
rpc_digest(struct rpc *r)
{
	return produce(r, OP_DIGEST, ONCE);
}

CK_RV
rpc_digest_update(struct rpc *r)
{
	return rpc_consume(r, OP_DIGEST);
}

CK_RV
rpc_digest_final(struct rpc *r)
{
	return produce(r, OP_DIGEST, FINAL);
}

CK_RV
rpc_digest_key(struct rpc *r)
{
	struct object *key = NULL;
	CK_OBJECT_HANDLE h;
	struct op *op;
	CK_RV rv;

	codec_get_ulong(&r->in, &h);
	rv = rpc_operation(r, OP_DIGEST, &op);
	if (rv != CKR_OK)
		return rv;
	rv = rpc_key_argument(r, h, CKR_KEY_HANDLE_INVALID, &key);
	if (rv == CKR_OK)
		rv = op_digest_key(op, key);
	if (rv == CKR_OK && key->private)
		r->session->digests_private = true;
	if (key)
		app_audit_use(r->app, r->session->token, "use-digest", OP_DIGEST, key, rv);
	object_put(key);
	rpc_settle(r->session, OP_DIGEST);
	return rv;
}

CK_RV
rpc_sign_init(struct rpc *r)
{
	return init(r, OP_SIGN);
}

CK_RV
rpc_sign(struct rpc *r)
{
	return produce(r, OP_SIGN, ONCE);
}

CK_RV
rpc_sign_update(struct rpc *r)
{
	return rpc_consume(r, OP_SIGN);
}

CK_RV
rpc_sign_final(struct rpc *r)
{
	return produce(r, OP_SIGN, FINAL);
}

CK_RV
rpc_sign_recover_init(struct rpc *r)
{
	return init(r, OP_SIGN_RECOVER);
}

CK_RV
rpc_sign_recover(struct rpc *r)
{
	return produce(r, OP_SIGN_RECOVER, ONCE);
}

CK_RV
rpc_verify_init(struct rpc *r)
{
	return init(r, OP_VERIFY);
}

CK_RV
rpc_verify(struct rpc *r)
{
	const uint8_t *in, *sig;
	size_t in_len, sig_len;
	struct op *op;
	CK_RV rv;

	codec_get_bytes(&r->in, &in, &in_len);
	codec_get_bytes(&r->in, &sig, &sig_len);
	rv = rpc_operation(r, OP_VERIFY, &op);
	if (rv != CKR_OK)
		return rv;
	rv = op_verify(op, in, in_len, sig, sig_len);
	rpc_settle(r->session, OP_VERIFY);
	return rv;
}

CK_RV
rpc_verify_update(struct rpc *r)
{
	return rpc_consume(r, OP_VERIFY);
}

CK_RV
rpc_verify_final(struct rpc *r)
{
	const uint8_t *sig;
	struct op *op;
	size_t len;
	CK_RV rv;

	codec_get_bytes(&r->in, &sig, &len);
	rv = rpc_operation(r, OP_VERIFY, &op);
	if (rv != CKR_OK)
		return rv;
	rv = op_verify_final(op, sig, len);
	rpc_settle(r->session, OP_VERIFY);
	return rv;
}

CK_RV
rpc_verify_recover_init(struct rpc *r)
{
	return init(r, OP_VERIFY_RECOVER);
}

CK_RV
rpc_verify_recover(struct rpc *r)
{
	return produce(r, OP_VERIFY_RECOVER, ONCE);
}

/* ---- two operations at once, PKCS#11 3.1 5.16 ----
 * `cipher` transforms, `reader` reads the plain text: the input when encrypting, the output when
 * decrypting. A length query and CKR_BUFFER_TOO_SMALL move neither. */
static CK_RV
dual(struct rpc *r, enum op_kind cipher, enum op_kind reader)
{
	struct rpc_output out = {0};
	struct op *first, *second;
	size_t in_len, size;
	const uint8_t *in;
	CK_RV rv;

	codec_get_bytes(&r->in, &in, &in_len);
	codec_get_room(&r->in, &out.present, &out.room);
	rv = rpc_operation(r, cipher, &first);
	if (rv == CKR_OK)
		rv = rpc_running(r->session, reader, &second);
	if (rv == CKR_OK)
		rv = rpc_output_begin(&out, op_bound(first, in_len));
	if (rv != CKR_OK)
		return rv;
	size = out.len;
	rv = run(first, UPDATE, in, in_len, &out);
	if (rv == CKR_OK && out.data)
		rv = cipher == OP_ENCRYPT ? op_update(second, in, in_len, NULL, NULL)
					  : op_update(second, out.data, out.len, NULL, NULL);
	rpc_output_put(r, &out, rv);
	rpc_output_end(&out, size);
	rpc_settle(r->session, cipher);
	rpc_settle(r->session, reader);
	return rv;
}

CK_RV
rpc_digest_encrypt_update(struct rpc *r)
{
	return dual(r, OP_ENCRYPT, OP_DIGEST);
}

CK_RV
rpc_decrypt_digest_update(struct rpc *r)
{
	return dual(r, OP_DECRYPT, OP_DIGEST);
}

CK_RV
rpc_sign_encrypt_update(struct rpc *r)
{
	return dual(r, OP_ENCRYPT, OP_SIGN);
}

CK_RV
rpc_decrypt_verify_update(struct rpc *r)
{
	return dual(r, OP_DECRYPT, OP_VERIFY);
}
