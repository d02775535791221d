/* Keys that a use changes (CKM_HOTP: its counter moves on): the next version is kept before the answer goes out. */
#include "rpc_use.h"

#include "session_object.h"

static CK_RV
ask_op(void *arg, const struct attrs *now, struct attrs *changes)
{
	return op_spend(arg, now, changes);
}

/* In the place of the version that it was made from; once more if another thread was there first. */
static CK_RV
spend_session_object(struct rpc *r, struct op *op)
{
	bool done = false;
	CK_RV rv;

	do {
		struct object *now = NULL, *next = NULL;

		rv = rpc_object(r, op_key(op)->handle, CKR_KEY_HANDLE_INVALID, &now);
		if (rv == CKR_OK)
			rv = make_spent(r->session->token, now, ask_op, op, &next);
		if (rv == CKR_OK)
			rv = session_object_replace(r->app, now, next, &done);
		object_put(now);
		object_put(next);
	} while (rv == CKR_OK && !done);
	return rv;
}

CK_RV
rpc_spend(void *arg, struct op *op)
{
	struct rpc *r = arg;
	struct object *next = NULL;
	CK_RV rv;

	if (!op_key(op)->token)
		return spend_session_object(r, op);
	rv = make_spent(r->session->token, op_key(op), ask_op, op, &next);
	object_put(next);
	return rv;
}
