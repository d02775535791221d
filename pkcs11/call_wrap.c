/*
 * Wrapped keys: PKCS#11 3.1 5.18.3 and 5.18.4, 3.2 5.18.6 and 5.18.7. Where the token makes an IV or a tag, the
 * mechanism's parameter receives it.
 */
#include "export.h"
#include "call.h"

#define LIKELY_WRAPPED 4000

/* Up to the items that wrapping and unwrapping have in common. */
static void
put_mechanism(struct call *c, const CK_MECHANISM *mechanism, bool authenticated, bool sealing)
{
	if (!authenticated) {
		call_put_mechanism(c, mechanism);
		return;
	}
	call_need(c, mechanism != NULL && (mechanism->pParameter != NULL || mechanism->ulParameterLen == 0));
	if (c->rv == CKR_OK && message_param_kind(mechanism->mechanism) == PARAM_NONE)
		call_fail(c, CKR_MECHANISM_INVALID);
	else if (c->rv == CKR_OK && !message_param_fits(mechanism))
		call_fail(c, CKR_MECHANISM_PARAM_INVALID);
	if (c->rv == CKR_OK)
		codec_put_message_mechanism(&c->codec, mechanism, sealing);
}

CK_RV
C_WrapKey(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE wrapping_key,
	CK_OBJECT_HANDLE key, CK_BYTE *out, CK_ULONG *out_len)
{
	struct call c;

	call_session(&c, WIRE_WRAP_KEY, session);
	put_mechanism(&c, mechanism, false, true);
	codec_put_ulong(&c.codec, wrapping_key);
	codec_put_ulong(&c.codec, key);
	call_put_room(&c, out, out_len);
	if (call_get_output(&c, out, out_len, LIKELY_WRAPPED))
		codec_get_outputs(&c.codec, mechanism);
	return call_end(&c);
}

CK_RV
C_WrapKeyAuthenticated(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE wrapping_key,
	CK_OBJECT_HANDLE key, CK_BYTE *aad, CK_ULONG aad_len, CK_BYTE *out, CK_ULONG *out_len)
{
	struct call c;

	call_session(&c, WIRE_WRAP_KEY_AUTHENTICATED, session);
	put_mechanism(&c, mechanism, true, true);
	codec_put_ulong(&c.codec, wrapping_key);
	codec_put_ulong(&c.codec, key);
	call_put_data(&c, aad, aad_len);
	call_put_room(&c, out, out_len);
	if (call_get_output(&c, out, out_len, LIKELY_WRAPPED))
		codec_get_message_outputs(&c.codec, mechanism->pParameter, mechanism->ulParameterLen);
	return call_end(&c);
}

static CK_RV
get_key(struct call *c, CK_OBJECT_HANDLE *key)
{
	if (call_send(c, CALL_ULONG))
		codec_get_ulong(&c->codec, key);
	return call_end(c);
}

CK_RV
C_UnwrapKey(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE unwrapping_key,
	CK_BYTE *wrapped, CK_ULONG wrapped_len, CK_ATTRIBUTE *template, CK_ULONG count,
	CK_OBJECT_HANDLE *key)
{
	struct call c;

	call_session(&c, WIRE_UNWRAP_KEY, session);
	call_need(&c, wrapped != NULL && key != NULL);
	put_mechanism(&c, mechanism, false, false);
	codec_put_ulong(&c.codec, unwrapping_key);
	call_put_data(&c, wrapped, wrapped_len);
	call_put_template(&c, template, count);
	return get_key(&c, key);
}

CK_RV
C_UnwrapKeyAuthenticated(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE unwrapping_key,
	CK_BYTE *wrapped, CK_ULONG wrapped_len, CK_ATTRIBUTE *template, CK_ULONG count, CK_BYTE *aad,
	CK_ULONG aad_len, CK_OBJECT_HANDLE *key)
{
	struct call c;

	call_session(&c, WIRE_UNWRAP_KEY_AUTHENTICATED, session);
	call_need(&c, wrapped != NULL && key != NULL);
	put_mechanism(&c, mechanism, true, false);
	codec_put_ulong(&c.codec, unwrapping_key);
	call_put_data(&c, wrapped, wrapped_len);
	call_put_template(&c, template, count);
	call_put_data(&c, aad, aad_len);
	return get_key(&c, key);
}
