/* rpc_encap.c - C_EncapsulateKey and C_DecapsulateKey (PKCS#11 3.2) */
#include "rpc_handler.h"

#include <stdlib.h>

/* First the ciphertext's length, then, where there is room, ciphertext and key. */
static CK_RV
encapsulate(struct rpc *r, const CK_MECHANISM *mech, struct object *pub, const struct attrs *templ, bool present,
	CK_ULONG room)
{
	struct maker m = rpc_maker(r);
	struct object *key = NULL;
	uint8_t *ciphertext = NULL;
	CK_ULONG len = 0;
	CK_RV rv = make_encapsulate(&m, mech, pub, templ, NULL, &len, &key);

	if (rv == CKR_OK && (!present || room < len)) {
		codec_put_output(r->out, len, NULL);
		codec_put_ulong(r->out, CK_INVALID_HANDLE);
		return present ? CKR_BUFFER_TOO_SMALL : CKR_OK;
	}
	if (rv == CKR_OK && !(ciphertext = malloc(len ? len : 1)))
		rv = CKR_HOST_MEMORY;
	if (rv == CKR_OK)
		rv = make_encapsulate(&m, mech, pub, templ, ciphertext, &len, &key);
	if (rv == CKR_OK)
		codec_put_output(r->out, len, ciphertext);
	rv = rpc_hand_out(r, rv, "encapsulate", pub, key);
	free(ciphertext);
	object_put(key);
	return rv;
}

CK_RV
rpc_encapsulate_key(struct rpc *r)
{
	struct object *pub = NULL;
	struct attrs templ = {0};
	struct param p = {0};
	CK_OBJECT_HANDLE h;
	CK_ULONG room;
	bool present;
	CK_RV rv;

	codec_get_mechanism(&r->in, &p);
	codec_get_ulong(&r->in, &h);
	codec_get_attrs(&r->in, &templ);
	codec_get_room(&r->in, &present, &room);
	rv = rpc_taken(r);
	if (rv == CKR_OK)
		rv = rpc_key_argument(r, h, CKR_KEY_HANDLE_INVALID, &pub);
	if (rv == CKR_OK)
		rv = encapsulate(r, &p.mech, pub, &templ, present, room);
	object_put(pub);
	attrs_free(&templ);
	param_free(&p);
	return rv;
}

CK_RV
rpc_decapsulate_key(struct rpc *r)
{
	struct object *priv = NULL, *key = NULL;
	struct maker m = rpc_maker(r);
	struct attrs templ = {0};
	struct param p = {0};
	CK_OBJECT_HANDLE h;
	const uint8_t *ciphertext;
	size_t len;
	CK_RV rv;

	codec_get_mechanism(&r->in, &p);
	codec_get_ulong(&r->in, &h);
	codec_get_attrs(&r->in, &templ);
	codec_get_bytes(&r->in, &ciphertext, &len);
	rv = rpc_taken(r);
	if (rv == CKR_OK && !ciphertext)
		rv = CKR_ARGUMENTS_BAD;
	if (rv == CKR_OK)
		rv = rpc_key_argument(r, h, CKR_UNWRAPPING_KEY_HANDLE_INVALID, &priv);
	if (rv == CKR_OK)
		rv = make_decapsulate(&m, &p.mech, priv, ciphertext, len, &templ, &key);
	rv = rpc_hand_out(r, rv, "decapsulate", priv, key);
	object_put(priv);
	object_put(key);
	attrs_free(&templ);
	param_free(&p);
	return rv;
}
