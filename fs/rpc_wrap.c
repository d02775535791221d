/* Wrapped keys: PKCS#11 3.1 5.18.3 and 5.18.4, 3.2 5.18.6 and 5.18.7. */
#include <stdlib.h>

#include "../store/secret.h"
#include "rpc_handler.h"

/* What is wrapped by what, and how. */
struct wrapping {
	struct maker m;
	struct param p;
	struct object *key, *target;
	bool authenticated;
	const uint8_t *aad;
	size_t aad_len;
};

static CK_RV
make(struct wrapping *w, uint8_t *out, CK_ULONG *len)
{
	if (w->authenticated)
		return make_wrap_authenticated(&w->m, &w->p.mech, w->key, w->target, w->aad, w->aad_len, out, len);
	return make_wrap(&w->m, &w->p.mech, w->key, w->target, out, len);
}

/* The wrapped key into the reply: first its length, then, where there is room, itself, and what the token wrote to
 * the mechanism's parameter. */
static CK_RV
put_wrapped(struct rpc *r, struct wrapping *w, bool present, CK_ULONG room)
{
	uint8_t *blob = NULL;
	CK_ULONG len = 0;
	size_t size;
	CK_RV rv = make(w, NULL, &len);

	if (rv == CKR_OK && (!present || room < len)) {
		codec_put_output(r->out, len, NULL);
		codec_put_outputs(r->out, NULL);
		return present ? CKR_BUFFER_TOO_SMALL : CKR_OK;
	}
	size = len ? len : 1;
	if (rv == CKR_OK && !(blob = malloc(size)))
		rv = CKR_HOST_MEMORY;
	if (rv == CKR_OK)
		rv = make(w, blob, &len);
	if (rv == CKR_OK) {
		codec_put_output(r->out, len, blob);
		codec_put_outputs(r->out, w->authenticated || param_has_outputs(&w->p.mech) ? &w->p : NULL);
		rpc_audit(r, "wrap", w->target, rv);
	} else { /* noted too: this is how keys are stolen elsewhere */
		app_audit(r->app, r->session->token, "wrap", w->target, rv);
	}
	wipe(blob, size);
	free(blob);
	return rv;
}

static CK_RV
wrap(struct rpc *r, bool authenticated)
{
	struct wrapping w = {.m = rpc_maker(r), .authenticated = authenticated};
	CK_OBJECT_HANDLE key, target;
	CK_ULONG room;
	bool present;
	CK_RV rv;

	if (authenticated)
		codec_get_message_mechanism(&r->in, &w.p);
	else
		codec_get_mechanism(&r->in, &w.p);
	codec_get_ulong(&r->in, &key);
	codec_get_ulong(&r->in, &target);
	if (authenticated)
		codec_get_bytes(&r->in, &w.aad, &w.aad_len);
	codec_get_room(&r->in, &present, &room);
	rv = rpc_taken(r);
	if (rv == CKR_OK)
		rv = rpc_key_argument(r, key, CKR_WRAPPING_KEY_HANDLE_INVALID, &w.key);
	if (rv == CKR_OK)
		rv = rpc_key_argument(r, target, CKR_KEY_HANDLE_INVALID, &w.target);
	if (rv == CKR_OK)
		rv = put_wrapped(r, &w, present, room);
	object_put(w.key);
	object_put(w.target);
	param_free(&w.p);
	return rv;
}

CK_RV
rpc_wrap_key(struct rpc *r)
{
	return wrap(r, false);
}

CK_RV
rpc_wrap_key_authenticated(struct rpc *r)
{
	return wrap(r, true);
}

static CK_RV
unwrap(struct rpc *r, bool authenticated)
{
	struct object *unwrapping = NULL, *key = NULL;
	const uint8_t *blob, *aad = NULL;
	struct maker m = rpc_maker(r);
	struct attrs templ = {0};
	size_t len, aad_len = 0;
	struct param p = {0};
	CK_OBJECT_HANDLE h;
	CK_RV rv;

	if (authenticated)
		codec_get_message_mechanism(&r->in, &p);
	else
		codec_get_mechanism(&r->in, &p);
	codec_get_ulong(&r->in, &h);
	codec_get_bytes(&r->in, &blob, &len);
	codec_get_attrs(&r->in, &templ);
	if (authenticated)
		codec_get_bytes(&r->in, &aad, &aad_len);
	rv = rpc_taken(r);
	if (rv == CKR_OK && !blob)
		rv = CKR_ARGUMENTS_BAD;
	if (rv == CKR_OK)
		rv = rpc_key_argument(r, h, CKR_UNWRAPPING_KEY_HANDLE_INVALID, &unwrapping);
	if (rv == CKR_OK && authenticated)
		rv = make_unwrap_authenticated(&m, &p.mech, unwrapping, aad, aad_len, blob, len, &templ, &key);
	else if (rv == CKR_OK)
		rv = make_unwrap(&m, &p.mech, unwrapping, blob, len, &templ, &key);
	rv = rpc_hand_out(r, rv, "unwrap", unwrapping, key);
	object_put(unwrapping);
	object_put(key);
	attrs_free(&templ);
	param_free(&p);
	return rv;
}

CK_RV
rpc_unwrap_key(struct rpc *r)
{
	return unwrap(r, false);
}

CK_RV
rpc_unwrap_key_authenticated(struct rpc *r)
{
	return unwrap(r, true);
}
