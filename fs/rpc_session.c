#include "rpc_handler.h"

#include <stdlib.h>

#include "../store/secret.h"
#include "login.h"

CK_RV
rpc_open_session(struct rpc *r)
{
	CK_SESSION_HANDLE h = 0;
	CK_SLOT_ID slot;
	CK_FLAGS flags;
	CK_RV rv;

	codec_get_ulong(&r->in, &slot);
	codec_get_ulong(&r->in, &flags);
	rv = rpc_taken(r);
	if (rv != CKR_OK)
		return rv;
	if (!(flags & CKF_SERIAL_SESSION))
		return CKR_SESSION_PARALLEL_NOT_SUPPORTED;
	if (flags & CKF_ASYNC_SESSION)
		return CKR_SESSION_ASYNC_NOT_SUPPORTED;
	rv = session_open(r->app, slot, flags & CKF_RW_SESSION, &h);
	if (rv == CKR_OK)
		codec_put_ulong(r->out, h);
	return rv;
}

CK_RV
rpc_close_session(struct rpc *r)
{
	CK_SESSION_HANDLE h;
	CK_RV rv = rpc_taken_ulong(r, &h);

	return rv == CKR_OK ? session_close(r->app, h) : rv;
}

CK_RV
rpc_close_all_sessions(struct rpc *r)
{
	struct token *t = NULL;
	CK_SLOT_ID slot;
	CK_RV rv = rpc_taken_ulong(r, &slot);

	if (rv != CKR_OK)
		return rv;
	session_close_all(r->app, slot);
	rv = token_get(r->daemon->vault, slot, &t);
	token_put(t);
	return rv == CKR_SLOT_ID_INVALID ? rv : CKR_OK;
}

static CK_STATE
state_of(const struct session *s, CK_USER_TYPE user)
{
	if (user == CKU_SO)
		return CKS_RW_SO_FUNCTIONS;
	if (user == CKU_USER)
		return s->rw ? CKS_RW_USER_FUNCTIONS : CKS_RO_USER_FUNCTIONS;
	return s->rw ? CKS_RW_PUBLIC_SESSION : CKS_RO_PUBLIC_SESSION;
}

CK_RV
rpc_get_session_info(struct rpc *r)
{
	struct session *s = r->session;
	CK_RV rv = rpc_taken(r);

	if (rv != CKR_OK)
		return rv;
	codec_put_ulong(r->out, s->slot);
	codec_put_ulong(r->out, state_of(s, app_user(r->app, s->token)));
	codec_put_ulong(r->out, CKF_SERIAL_SESSION | (s->rw ? CKF_RW_SESSION : 0));
	codec_put_ulong(r->out, 0);
	return CKR_OK;
}

/* ---- login and PINs ---- */

static CK_RV
login(struct session *s, CK_USER_TYPE user, const uint8_t *pin, size_t len)
{
	return user == CKU_CONTEXT_SPECIFIC ? login_context(s, pin, len) : login_user(s, user, pin, len);
}

CK_RV
rpc_login(struct rpc *r)
{
	const uint8_t *pin;
	CK_USER_TYPE user;
	size_t len;
	CK_RV rv;

	codec_get_ulong(&r->in, &user);
	codec_get_bytes(&r->in, &pin, &len);
	rv = rpc_taken(r);
	return rv == CKR_OK ? login(r->session, user, pin, len) : rv;
}

/* PKCS#11 3.1 5.6.9: users here have no names, so that none is the name of the only one. Another is an argument that
 * does not fit. CKR_PIN_INCORRECT would have people type their PIN again and again. */
CK_RV
rpc_login_user(struct rpc *r)
{
	const uint8_t *pin, *name;
	size_t pin_len, name_len;
	CK_USER_TYPE user;
	CK_RV rv;

	codec_get_ulong(&r->in, &user);
	codec_get_bytes(&r->in, &pin, &pin_len);
	codec_get_bytes(&r->in, &name, &name_len);
	rv = rpc_taken(r);
	if (rv == CKR_OK && name_len > 0)
		rv = CKR_ARGUMENTS_BAD;
	return rv == CKR_OK ? login(r->session, user, pin, pin_len) : rv;
}

CK_RV
rpc_logout(struct rpc *r)
{
	CK_RV rv = rpc_taken(r);

	return rv == CKR_OK ? login_end(r->app, r->session->token) : rv;
}

CK_RV
rpc_init_pin(struct rpc *r)
{
	const uint8_t *pin;
	size_t len;
	CK_RV rv;

	codec_get_bytes(&r->in, &pin, &len);
	rv = rpc_taken_pin(r, pin);
	if (rv != CKR_OK)
		return rv;
	rv = token_init_pin(r->session->token, pin, len);
	app_audit(r->app, r->session->token, "init-pin", NULL, rv);
	return rv;
}

/* PKCS#11 3.1 5.5.8: the PIN of whoever is logged in, the user's in a public session. */
CK_RV
rpc_set_pin(struct rpc *r)
{
	struct session *s = r->session;
	const uint8_t *old, *pin;
	size_t old_len, len;
	CK_USER_TYPE user;
	CK_RV rv;

	codec_get_bytes(&r->in, &old, &old_len);
	codec_get_bytes(&r->in, &pin, &len);
	rv = rpc_taken(r);
	if (rv != CKR_OK)
		return rv;
	if (!old || !pin)
		return CKR_ARGUMENTS_BAD;
	user = app_user(r->app, s->token) == CKU_SO ? CKU_SO : CKU_USER;
	rv = token_set_pin(s->token, user, old, old_len, pin, len);
	app_audit(r->app, s->token, user == CKU_SO ? "set-pin-so" : "set-pin", NULL, rv);
	return rv;
}

/* ---- cancelling ---- */

static const CK_FLAGS cancels[OP_KINDS] = {
	[OP_ENCRYPT] = CKF_ENCRYPT,
	[OP_DECRYPT] = CKF_DECRYPT,
	[OP_DIGEST] = CKF_DIGEST,
	[OP_SIGN] = CKF_SIGN,
	[OP_VERIFY] = CKF_VERIFY,
	[OP_SIGN_RECOVER] = CKF_SIGN_RECOVER,
	[OP_VERIFY_RECOVER] = CKF_VERIFY_RECOVER,
	[OP_VERIFY_SIGNATURE] = CKF_VERIFY, /* the standard has no flag for it alone */
	[OP_MESSAGE_ENCRYPT] = CKF_MESSAGE_ENCRYPT,
	[OP_MESSAGE_DECRYPT] = CKF_MESSAGE_DECRYPT,
	[OP_MESSAGE_SIGN] = CKF_MESSAGE_SIGN,
	[OP_MESSAGE_VERIFY] = CKF_MESSAGE_VERIFY,
};

/* PKCS#11 3.1 5.6.8: a flag of an operation that has not begun is passed over, and so is one that no operation here
 * has. What has begun can be cancelled, so that CKR_OPERATION_CANCEL_FAILED is never the answer: a call that still
 * runs on the session is waited for. */
CK_RV
rpc_session_cancel(struct rpc *r)
{
	CK_FLAGS flags;
	CK_RV rv = rpc_taken_ulong(r, &flags);

	if (rv != CKR_OK)
		return rv;
	for (int k = 0; k < OP_KINDS; k++) {
		if (flags & cancels[k])
			session_op_end(r->session, k);
	}
	if (flags & CKF_FIND_OBJECTS)
		session_find_end(r->session);
	return CKR_OK;
}

/* PKCS#11 3.2 5.6.11: no validated module, no flags. */
CK_RV
rpc_get_session_validation_flags(struct rpc *r)
{
	CK_ULONG type;
	CK_RV rv = rpc_taken_ulong(r, &type);

	if (rv == CKR_OK && type != CKS_LAST_VALIDATION_OK)
		rv = CKR_ARGUMENTS_BAD;
	if (rv == CKR_OK)
		codec_put_ulong(r->out, 0);
	return rv;
}

/* ---- operation state: digests alone can be saved ---- */

static CK_RV
savable(struct session *s)
{
	for (int k = 0; k < OP_KINDS; k++) {
		if (s->ops[k] && k != OP_DIGEST)
			return CKR_STATE_UNSAVEABLE;
	}
	return s->ops[OP_DIGEST] ? CKR_OK : CKR_OPERATION_NOT_INITIALIZED;
}

CK_RV
rpc_get_operation_state(struct rpc *r)
{
	struct session *s = r->session;
	uint8_t *state = NULL;
	CK_ULONG room, len = 0;
	bool present;
	CK_RV rv;

	codec_get_room(&r->in, &present, &room);
	rv = rpc_taken(r);
	if (rv == CKR_OK)
		rv = savable(s);
	if (rv == CKR_OK)
		rv = op_save(s->ops[OP_DIGEST], NULL, &len);
	if (rv != CKR_OK)
		return rv;
	if (!present || room < len) {
		codec_put_output(r->out, len, NULL);
		return present ? CKR_BUFFER_TOO_SMALL : CKR_OK;
	}
	state = secret_alloc(len ? len : 1);
	if (!state)
		return CKR_HOST_MEMORY;
	rv = op_save(s->ops[OP_DIGEST], state, &len);
	if (rv == CKR_OK)
		codec_put_output(r->out, len, state);
	secret_free(state);
	return rv;
}

CK_RV
rpc_set_operation_state(struct rpc *r)
{
	CK_OBJECT_HANDLE encryption, authentication;
	struct op *op = NULL;
	const uint8_t *state;
	size_t len;
	CK_RV rv;

	codec_get_bytes(&r->in, &state, &len);
	codec_get_ulong(&r->in, &encryption);
	codec_get_ulong(&r->in, &authentication);
	rv = rpc_taken(r);
	if (rv != CKR_OK)
		return rv;
	if (!state)
		return CKR_ARGUMENTS_BAD;
	if (encryption || authentication)
		return CKR_KEY_NOT_NEEDED;
	rv = op_restore(&op, state, len);
	if (rv != CKR_OK)
		return rv;
	for (int k = 0; k < OP_KINDS; k++)
		session_op_end(r->session, k);
	session_find_end(r->session);
	r->session->ops[OP_DIGEST] = op;
	return CKR_OK;
}
