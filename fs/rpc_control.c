/*
 * rpc_control.c - what the tokenfs command has done to a token, for which PKCS#11 has no words: unlocking, reading again,
 * accepting what was restored, deleting, setting the policy
 */
#include "rpc_handler.h"

#include "unlock.h"

CK_RV
rpc_t_unlock(struct rpc *r)
{
	const struct audit_who who = app_who(r->app);
	const uint8_t *pin;
	CK_ULONG seconds;
	CK_SLOT_ID slot;
	size_t len;
	CK_RV rv;

	codec_get_ulong(&r->in, &slot);
	codec_get_bytes(&r->in, &pin, &len);
	codec_get_ulong(&r->in, &seconds);
	rv = rpc_taken_pin(r, pin);
	if (rv == CKR_OK && seconds > UINT32_MAX)
		rv = CKR_ARGUMENTS_BAD;
	return rv == CKR_OK ? unlock_begin(r->daemon, slot, &who, pin, len, (unsigned)seconds) : rv;
}

CK_RV
rpc_t_lock(struct rpc *r)
{
	const struct audit_who who = app_who(r->app);
	CK_SLOT_ID slot;
	CK_RV rv = rpc_taken_ulong(r, &slot);

	return rv == CKR_OK ? unlock_end(r->daemon, slot, &who) : rv;
}

CK_RV
rpc_t_reload(struct rpc *r)
{
	CK_RV rv = rpc_taken(r);

	return rv == CKR_OK ? vault_reload(r->daemon->vault) : rv;
}

CK_RV
rpc_t_restore_accept(struct rpc *r)
{
	struct token *t = NULL;
	const uint8_t *pin;
	CK_USER_TYPE user;
	CK_SLOT_ID slot;
	size_t len;
	CK_RV rv;

	codec_get_ulong(&r->in, &slot);
	codec_get_ulong(&r->in, &user);
	codec_get_bytes(&r->in, &pin, &len);
	rv = rpc_taken_pin(r, pin);
	if (rv == CKR_OK && user != CKU_USER && user != CKU_SO)
		rv = CKR_USER_TYPE_INVALID;
	if (rv == CKR_OK)
		rv = token_get(r->daemon->vault, slot, &t);
	if (rv != CKR_OK)
		return rv;
	rv = token_restore_accept(t, user, pin, len);
	app_audit(r->app, t, "restore-accept", NULL, rv);
	token_put(t);
	return rv;
}

CK_RV
rpc_t_delete_token(struct rpc *r)
{
	struct token *t = NULL;
	const uint8_t *pin;
	CK_SLOT_ID slot;
	size_t len;
	CK_RV rv;

	codec_get_ulong(&r->in, &slot);
	codec_get_bytes(&r->in, &pin, &len);
	rv = rpc_taken_pin(r, pin);
	if (rv == CKR_OK)
		rv = token_get(r->daemon->vault, slot, &t);
	if (rv != CKR_OK)
		return rv;
	rv = daemon_slot_claim(r->daemon, slot);
	if (rv != CKR_OK)
		goto out;
	rv = token_delete(r->daemon->vault, slot, pin, len);
	if (rv == CKR_OK)
		unlock_end_slot(r->daemon, slot);
	daemon_slot_release(r->daemon);
	app_audit(r->app, t, "delete-token", NULL, rv);
out:
	token_put(t);
	return rv;
}

CK_RV
rpc_t_policy(struct rpc *r)
{
	struct token *t = NULL;
	const uint8_t *pin;
	uint8_t compat = 0;
	CK_SLOT_ID slot;
	size_t len;
	CK_RV rv;

	codec_get_ulong(&r->in, &slot);
	codec_get_bytes(&r->in, &pin, &len);
	codec_get_byte(&r->in, &compat);
	rv = rpc_taken_pin(r, pin);
	if (rv == CKR_OK && compat > 1)
		rv = CKR_ARGUMENTS_BAD;
	if (rv == CKR_OK)
		rv = token_get(r->daemon->vault, slot, &t);
	if (rv != CKR_OK)
		return rv;
	rv = token_set_policy(t, pin, len, compat);
	app_audit(r->app, t, compat ? "policy-compat" : "policy-strict", NULL, rv);
	token_put(t);
	return rv;
}
