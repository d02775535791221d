#include "rpc_handler.h"

#include <stdlib.h>

#include "../store/secret.h"

/* Puts the handle of a new key that was made, kept and audited as `what`; or the reason why not, which the audit
 * gets with the key it was to be made from. */
static CK_RV
hand_out(struct rpc *r, CK_RV rv, const char *what, const struct object *from, struct object *key)
{
	rv = rpc_made(r, rv);
	if (rv == CKR_OK)
		rv = rpc_keep(r, &key, 1);
	if (rv == CKR_OK) {
		rpc_audit(r, what, key, rv);
		codec_put_ulong(r->out, key->handle);
	} else if (from) {
		rpc_audit(r, what, from, rv);
	}
	return rv;
}

/* A key argument: an object that is a key, else `invalid`. */
static CK_RV
key_argument(struct rpc *r, CK_OBJECT_HANDLE h, CK_RV invalid, struct object **key)
{
	CK_RV rv = rpc_object(r, h, invalid, key);

	if (rv == CKR_OK && !object_is_key(*key))
		rv = invalid;
	return rv;
}

/* ---- generating ---- */

CK_RV
rpc_generate_key(struct rpc *r)
{
	struct maker m = rpc_maker(r);
	struct object *key = NULL;
	struct attrs templ = {0};
	struct param p = {0};
	CK_RV rv;

	codec_get_mechanism(&r->in, &p);
	codec_get_attrs(&r->in, &templ);
	rv = rpc_taken(r);
	if (rv == CKR_OK)
		rv = make_key(&m, &p.mech, &templ, &key);
	rv = hand_out(r, rv, "generate", NULL, key);
	object_put(key);
	attrs_free(&templ);
	param_free(&p);
	return rv;
}

CK_RV
rpc_generate_key_pair(struct rpc *r)
{
	struct attrs pub_templ = {0}, priv_templ = {0};
	struct object *pair[2] = {NULL, NULL};
	struct maker m = rpc_maker(r);
	struct param p = {0};
	CK_RV rv;

	codec_get_mechanism(&r->in, &p);
	codec_get_attrs(&r->in, &pub_templ);
	codec_get_attrs(&r->in, &priv_templ);
	rv = rpc_taken(r);
	if (rv == CKR_OK)
		rv = rpc_made(r, make_pair(&m, &p.mech, &pub_templ, &priv_templ, &pair[0], &pair[1]));
	if (rv == CKR_OK)
		rv = rpc_keep(r, pair, 2);
	for (size_t i = 0; i < 2 && rv == CKR_OK; i++) {
		rpc_audit(r, "generate", pair[i], rv);
		codec_put_ulong(r->out, pair[i]->handle);
	}
	object_put(pair[0]);
	object_put(pair[1]);
	attrs_free(&pub_templ);
	attrs_free(&priv_templ);
	param_free(&p);
	return rv;
}

/* ---- wrapping ---- */

/* The wrapped key into the reply: first its length, then, where there is room, itself. */
static CK_RV
wrap(struct rpc *r, const CK_MECHANISM *mech, struct object *wrapping, struct object *target)
{
	struct maker m = rpc_maker(r);
	uint8_t *blob = NULL;
	CK_ULONG room, len = 0;
	size_t size;
	bool present;
	CK_RV rv;

	codec_get_room(&r->in, &present, &room);
	rv = rpc_taken(r);
	if (rv != CKR_OK)
		return rv;
	rv = make_wrap(&m, mech, wrapping, target, NULL, &len);
	if (rv != CKR_OK) { /* noted too: this is how keys are stolen elsewhere */
		app_audit(r->app, r->session->token, "wrap", target, rv);
		return rv;
	}
	if (!present || room < len) {
		codec_put_output(r->out, len, NULL);
		return present ? CKR_BUFFER_TOO_SMALL : CKR_OK;
	}
	size = len ? len : 1;
	blob = malloc(size);
	if (!blob)
		return CKR_HOST_MEMORY;
	rv = make_wrap(&m, mech, wrapping, target, blob, &len);
	if (rv == CKR_OK)
		codec_put_output(r->out, len, blob);
	wipe(blob, size);
	free(blob);
	if (rv == CKR_OK)
		rpc_audit(r, "wrap", target, rv);
	return rv;
}

CK_RV
rpc_wrap_key(struct rpc *r)
{
	struct object *wrapping = NULL, *target = NULL;
	CK_OBJECT_HANDLE wrapping_h, target_h;
	struct param p = {0};
	CK_RV rv;

	codec_get_mechanism(&r->in, &p);
	codec_get_ulong(&r->in, &wrapping_h);
	codec_get_ulong(&r->in, &target_h);
	rv = r->in.rv;
	if (rv == CKR_OK)
		rv = key_argument(r, wrapping_h, CKR_WRAPPING_KEY_HANDLE_INVALID, &wrapping);
	if (rv == CKR_OK)
		rv = key_argument(r, target_h, CKR_KEY_HANDLE_INVALID, &target);
	if (rv == CKR_OK)
		rv = wrap(r, &p.mech, wrapping, target);
	object_put(wrapping);
	object_put(target);
	param_free(&p);
	return rv;
}

CK_RV
rpc_unwrap_key(struct rpc *r)
{
	struct object *unwrapping = NULL, *key = NULL;
	struct maker m = rpc_maker(r);
	struct attrs templ = {0};
	struct param p = {0};
	CK_OBJECT_HANDLE h;
	const uint8_t *blob;
	size_t len;
	CK_RV rv;

	codec_get_mechanism(&r->in, &p);
	codec_get_ulong(&r->in, &h);
	codec_get_bytes(&r->in, &blob, &len);
	codec_get_attrs(&r->in, &templ);
	rv = rpc_taken(r);
	if (rv == CKR_OK && !blob)
		rv = CKR_ARGUMENTS_BAD;
	if (rv == CKR_OK)
		rv = key_argument(r, h, CKR_UNWRAPPING_KEY_HANDLE_INVALID, &unwrapping);
	if (rv == CKR_OK)
		rv = make_unwrap(&m, &p.mech, unwrapping, blob, len, &templ, &key);
	rv = hand_out(r, rv, "unwrap", unwrapping, key);
	object_put(unwrapping);
	object_put(key);
	attrs_free(&templ);
	param_free(&p);
	return rv;
}

CK_RV
rpc_derive_key(struct rpc *r)
{
	struct object *base = NULL, *key = NULL;
	struct maker m = rpc_maker(r);
	struct attrs templ = {0};
	struct param p = {0};
	CK_OBJECT_HANDLE h;
	CK_RV rv;

	codec_get_mechanism(&r->in, &p);
	codec_get_ulong(&r->in, &h);
	codec_get_attrs(&r->in, &templ);
	rv = rpc_taken(r);
	if (rv == CKR_OK)
		rv = key_argument(r, h, CKR_KEY_HANDLE_INVALID, &base);
	if (rv == CKR_OK)
		rv = make_derive(&m, &p.mech, base, &templ, &key);
	rv = hand_out(r, rv, "derive", base, key);
	object_put(base);
	object_put(key);
	attrs_free(&templ);
	param_free(&p);
	return rv;
}

/* ---- random numbers ---- */

CK_RV
rpc_seed_random(struct rpc *r)
{
	const uint8_t *seed;
	size_t len;
	CK_RV rv;

	codec_get_bytes(&r->in, &seed, &len);
	rv = rpc_taken(r);
	return rv == CKR_OK ? random_seed(seed, len) : rv;
}

CK_RV
rpc_generate_random(struct rpc *r)
{
	uint8_t *bytes;
	CK_ULONG len;
	CK_RV rv;

	codec_get_ulong(&r->in, &len);
	rv = rpc_taken(r);
	if (rv == CKR_OK && len > RPC_MAX_OUTPUT)
		rv = CKR_DATA_LEN_RANGE;
	if (rv != CKR_OK)
		return rv;
	bytes = malloc(len ? len : 1);
	if (!bytes)
		return CKR_HOST_MEMORY;
	rv = random_bytes(bytes, len);
	if (rv == CKR_OK)
		codec_put_bytes(r->out, bytes, len);
	wipe(bytes, len);
	free(bytes);
	return rv;
}
