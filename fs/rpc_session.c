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
	rv = session_open(r->app, slot, flags & CKF_RW_SESSION, &h);
	if (rv == CKR_OK)
		codec_put_ulong(r->out, h);
	return rv;
}

CK_RV
rpc_close_session(struct rpc *r)
{
	CK_SESSION_HANDLE h;
	CK_RV rv;

	codec_get_ulong(&r->in, &h);
	rv = rpc_taken(r);
	return rv == CKR_OK ? session_close(r->app, h) : rv;
}

CK_RV
rpc_close_all_sessions(struct rpc *r)
{
	struct token *t = NULL;
	CK_SLOT_ID slot;
	CK_RV rv;

	codec_get_ulong(&r->in, &slot);
	rv = rpc_taken(r);
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
	if (rv != CKR_OK)
		return rv;
	if (user == CKU_CONTEXT_SPECIFIC)
		return login_context(r->session, pin, len);
	return login_user(r->session, user, pin, len);
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
	rv = rpc_taken(r);
	if (rv != CKR_OK)
		return rv;
	if (!pin)
		return CKR_ARGUMENTS_BAD;
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
	r->session->ops[OP_DIGEST] = op;
	return CKR_OK;
}
