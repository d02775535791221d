#include "rpc_handler.h"

#include <stdlib.h>

#include "../store/secret.h"

CK_RV
rpc_hand_out(struct rpc *r, CK_RV rv, const char *what, const struct object *from, struct object *key)
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

CK_RV
rpc_key_argument(struct rpc *r, CK_OBJECT_HANDLE h, CK_RV invalid, struct object **key)
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
	rv = rpc_hand_out(r, rv, "generate", NULL, key);
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

/* ---- deriving ---- */

/* A key that the mechanism's parameter names: as the base key, one that the session may see. */
static CK_RV
find_key(void *arg, CK_OBJECT_HANDLE h, struct object **key)
{
	CK_RV rv = rpc_key_argument(arg, h, CKR_KEY_HANDLE_INVALID, key);

	if (rv != CKR_OK) {
		object_put(*key);
		*key = NULL;
	}
	return rv;
}

/* Keeps the keys and tells their handles: the answer, and what stands in the parameter. */
static CK_RV
keep_derived(struct rpc *r, struct derived_key *keys, size_t n, CK_OBJECT_HANDLE *answer)
{
	struct object *objects[DERIVED_MAX];
	CK_RV rv;

	for (size_t i = 0; i < n; i++)
		objects[i] = keys[i].object;
	rv = rpc_keep(r, objects, n);
	for (size_t i = 0; i < n && rv == CKR_OK; i++) {
		rpc_audit(r, "derive", objects[i], rv);
		*(keys[i].at ? keys[i].at : answer) = objects[i]->handle;
	}
	return rv;
}

static CK_RV
derive(struct rpc *r, struct param *p, CK_OBJECT_HANDLE *answer)
{
	struct derived_key keys[DERIVED_MAX];
	struct maker m = rpc_maker(r);
	struct object *base = NULL;
	struct attrs templ = {0};
	CK_OBJECT_HANDLE h;
	size_t n = 0;
	CK_RV rv;

	m.find = find_key;
	m.find_arg = r;
	codec_get_mechanism(&r->in, p);
	codec_get_ulong(&r->in, &h);
	codec_get_attrs(&r->in, &templ);
	rv = rpc_taken(r);
	if (rv == CKR_OK)
		rv = rpc_key_argument(r, h, CKR_KEY_HANDLE_INVALID, &base);
	if (rv == CKR_OK)
		rv = rpc_made(r, make_derive(&m, &p->mech, base, &templ, keys, &n));
	if (rv == CKR_OK)
		rv = keep_derived(r, keys, n, answer);
	if (rv != CKR_OK && base)
		rpc_audit(r, "derive", base, rv);
	for (size_t i = 0; i < n; i++)
		object_put(keys[i].object);
	object_put(base);
	attrs_free(&templ);
	return rv;
}

CK_RV
rpc_derive_key(struct rpc *r)
{
	CK_OBJECT_HANDLE answer = CK_INVALID_HANDLE;
	struct param p = {0};
	CK_RV rv = derive(r, &p, &answer);

	if (rv == CKR_OK)
		codec_put_ulong(r->out, answer);
	param_free(&p);
	return rv;
}

CK_RV
rpc_derive_keys(struct rpc *r)
{
	CK_OBJECT_HANDLE answer = CK_INVALID_HANDLE;
	struct param p = {0};
	CK_RV rv = derive(r, &p, &answer);

	if (rv == CKR_OK) {
		codec_put_ulong(r->out, answer);
		codec_put_outputs(r->out, &p);
	}
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

	rv = rpc_taken_ulong(r, &len);
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
