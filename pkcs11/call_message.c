/*
 * Messages: PKCS#11 3.1 5.9, 5.11, 5.14 and 5.16. One Init, then message after message with the same key. The
 * functions come in a few shapes (export.h); each shape is written once.
 *
 * An error in a message ends that message, never the operation: nothing is cancelled here. Of a part that is refused
 * here, the daemon hears by one that it refuses (drop_message).
 */
#include "export.h"
#include "call.h"

/* More than any mechanism adds to its input. */
#define LIKELY_MORE 2048

static CK_RV
begin(enum wire_number number, CK_FLAGS operation, CK_SESSION_HANDLE session, const CK_MECHANISM *mechanism,
	CK_OBJECT_HANDLE key)
{
	CK_MECHANISM bare;
	struct call c;

	if (mechanism == NULL)
		return call_cancel(session, operation);
	bare = *mechanism;
	if (message_param_kind(bare.mechanism) != PARAM_NONE) { /* comes with each message */
		bare.pParameter = NULL;
		bare.ulParameterLen = 0;
	}
	call_session(&c, number, session);
	call_put_mechanism(&c, &bare);
	codec_put_ulong(&c.codec, key);
	return call_finish(&c);
}

static CK_RV
final(enum wire_number number, CK_SESSION_HANDLE session)
{
	struct call c;

	call_session(&c, number, session);
	return call_finish(&c);
}

/* ---- encrypt and decrypt; sealing: encrypt ---- */

/* What the token wrote to the parameter: nothing when decrypting, where it may be memory that cannot be written. */
static void
take_outputs(struct call *c, bool sealing, const void *param, CK_ULONG param_len)
{
	codec_get_message_outputs(&c->codec, sealing ? param : NULL, sealing ? param_len : 0);
}

static CK_RV
crypt_output(struct call *c, bool sealing, const void *param, CK_ULONG param_len, CK_ULONG in_len, CK_BYTE *out,
	CK_ULONG *out_len)
{
	call_put_room(c, out, out_len);
	if (call_get_output(c, out, out_len, in_len + LIKELY_MORE))
		take_outputs(c, sealing, param, param_len);
	return call_end(c);
}

static CK_RV
crypt_message(bool sealing, CK_SESSION_HANDLE session, const void *param, CK_ULONG param_len, const CK_BYTE *aad,
	CK_ULONG aad_len, const CK_BYTE *in, CK_ULONG in_len, CK_BYTE *out, CK_ULONG *out_len)
{
	struct call c;

	call_session(&c, sealing ? WIRE_ENCRYPT_MESSAGE : WIRE_DECRYPT_MESSAGE, session);
	call_put_message_param(&c, param, param_len, sealing);
	call_put_data(&c, aad, aad_len);
	call_put_data(&c, in, in_len);
	return crypt_output(&c, sealing, param, param_len, in_len, out, out_len);
}

static CK_RV
crypt_begin(bool sealing, CK_SESSION_HANDLE session, const void *param, CK_ULONG param_len, const CK_BYTE *aad,
	CK_ULONG aad_len)
{
	struct call c;

	call_session(&c, sealing ? WIRE_ENCRYPT_MESSAGE_BEGIN : WIRE_DECRYPT_MESSAGE_BEGIN, session);
	call_put_message_param(&c, param, param_len, sealing);
	call_put_data(&c, aad, aad_len);
	if (call_send(&c, CALL_OUTPUT(param_len)))
		take_outputs(&c, sealing, param, param_len);
	return call_end(&c);
}

/* PKCS#11 3.1 5.9.4, 5.11.4: a part that is an error ends its message. No mechanism takes a part without parameter. */
static void
drop_message(bool sealing, CK_SESSION_HANDLE session)
{
	CK_ULONG none = 0;
	struct call c;

	call_session(&c, sealing ? WIRE_ENCRYPT_MESSAGE_NEXT : WIRE_DECRYPT_MESSAGE_NEXT, session);
	call_put_message_param(&c, NULL, 0, sealing);
	call_put_data(&c, NULL, 0);
	codec_put_byte(&c.codec, 0);
	call_put_room(&c, NULL, &none);
	call_finish(&c);
}

static CK_RV
crypt_next(bool sealing, CK_SESSION_HANDLE session, const void *param, CK_ULONG param_len, const CK_BYTE *in,
	CK_ULONG in_len, CK_BYTE *out, CK_ULONG *out_len, CK_FLAGS flags)
{
	struct call c;
	CK_RV rv;

	call_session(&c, sealing ? WIRE_ENCRYPT_MESSAGE_NEXT : WIRE_DECRYPT_MESSAGE_NEXT, session);
	call_need(&c, (flags & ~CKF_END_OF_MESSAGE) == 0);
	call_put_message_param(&c, param, param_len, sealing);
	call_put_data(&c, in, in_len);
	codec_put_byte(&c.codec, flags != 0);
	rv = crypt_output(&c, sealing, param, param_len, in_len, out, out_len);
	if ((rv == CKR_ARGUMENTS_BAD || rv == CKR_MECHANISM_PARAM_INVALID || rv == CKR_DATA_LEN_RANGE) && !c.answered)
		drop_message(sealing, session);
	return rv;
}

EXPORT_MESSAGE_INIT(C_MessageEncryptInit)
{
	return begin(WIRE_MESSAGE_ENCRYPT_INIT, CKF_MESSAGE_ENCRYPT, session, mechanism, key);
}

EXPORT_CRYPT_MESSAGE(C_EncryptMessage)
{
	return crypt_message(true, session, param, param_len, aad, aad_len, in, in_len, out, out_len);
}

EXPORT_CRYPT_MESSAGE_BEGIN(C_EncryptMessageBegin)
{
	return crypt_begin(true, session, param, param_len, aad, aad_len);
}

EXPORT_CRYPT_MESSAGE_NEXT(C_EncryptMessageNext)
{
	return crypt_next(true, session, param, param_len, in, in_len, out, out_len, flags);
}

EXPORT_MESSAGE_FINAL(C_MessageEncryptFinal)
{
	return final(WIRE_MESSAGE_ENCRYPT_FINAL, session);
}

EXPORT_MESSAGE_INIT(C_MessageDecryptInit)
{
	return begin(WIRE_MESSAGE_DECRYPT_INIT, CKF_MESSAGE_DECRYPT, session, mechanism, key);
}

EXPORT_CRYPT_MESSAGE(C_DecryptMessage)
{
	return crypt_message(false, session, param, param_len, aad, aad_len, in, in_len, out, out_len);
}

EXPORT_CRYPT_MESSAGE_BEGIN(C_DecryptMessageBegin)
{
	return crypt_begin(false, session, param, param_len, aad, aad_len);
}

EXPORT_CRYPT_MESSAGE_NEXT(C_DecryptMessageNext)
{
	return crypt_next(false, session, param, param_len, in, in_len, out, out_len, flags);
}

EXPORT_MESSAGE_FINAL(C_MessageDecryptFinal)
{
	return final(WIRE_MESSAGE_DECRYPT_FINAL, session);
}

/* ---- sign and verify: no signature mechanism has a message parameter ---- */

static void
begin_auth(struct call *c, enum wire_number number, CK_SESSION_HANDLE session, CK_ULONG param_len)
{
	call_session(c, number, session);
	if (param_len != 0)
		call_fail(c, CKR_MECHANISM_PARAM_INVALID);
}

static CK_RV
auth_begin(enum wire_number number, CK_SESSION_HANDLE session, CK_ULONG param_len)
{
	struct call c;

	begin_auth(&c, number, session, param_len);
	return call_finish(&c);
}

EXPORT_MESSAGE_INIT(C_MessageSignInit)
{
	return begin(WIRE_MESSAGE_SIGN_INIT, CKF_MESSAGE_SIGN, session, mechanism, key);
}

EXPORT_SIGN_MESSAGE(C_SignMessage)
{
	struct call c;

	(void)param;
	begin_auth(&c, WIRE_SIGN_MESSAGE, session, param_len);
	call_put_data(&c, in, in_len);
	call_put_room(&c, out, out_len);
	return call_output(&c, out, out_len, LIKELY_MORE);
}

EXPORT_AUTH_MESSAGE_BEGIN(C_SignMessageBegin)
{
	(void)param;
	return auth_begin(WIRE_SIGN_MESSAGE_BEGIN, session, param_len);
}

/* As drop_message: what is wrong with a part, once it is found here, ends its message (PKCS#11 3.1 5.14.4, 5.16.4). */
static CK_RV
part_used(const struct call *refused, bool verifies, CK_RV rv)
{
	CK_ULONG none = 0;
	struct call c;

	if ((rv != CKR_ARGUMENTS_BAD && rv != CKR_MECHANISM_PARAM_INVALID && rv != CKR_DATA_LEN_RANGE) || refused->answered)
		return rv;
	call_session(&c, verifies ? WIRE_VERIFY_MESSAGE_NEXT : WIRE_SIGN_MESSAGE_NEXT, refused->session);
	call_put_data(&c, NULL, 0);
	if (verifies) {
		call_put_data(&c, NULL, 0); /* a signature without bytes is none */
	} else {
		codec_put_byte(&c.codec, 2);
		call_put_room(&c, NULL, &none);
	}
	call_finish(&c);
	return rv;
}

/* PKCS#11 3.1 5.14.4: without a place for the signature's length, more parts follow. */
EXPORT_SIGN_MESSAGE(C_SignMessageNext)
{
	CK_ULONG none = 0;
	struct call c;

	(void)param;
	begin_auth(&c, WIRE_SIGN_MESSAGE_NEXT, session, param_len);
	call_put_data(&c, in, in_len);
	codec_put_byte(&c.codec, out_len != NULL);
	if (out_len == NULL) {
		out = NULL;
		out_len = &none;
	}
	call_put_room(&c, out, out_len);
	return part_used(&c, false, call_output(&c, out, out_len, LIKELY_MORE));
}

EXPORT_MESSAGE_FINAL(C_MessageSignFinal)
{
	return final(WIRE_MESSAGE_SIGN_FINAL, session);
}

EXPORT_MESSAGE_INIT(C_MessageVerifyInit)
{
	return begin(WIRE_MESSAGE_VERIFY_INIT, CKF_MESSAGE_VERIFY, session, mechanism, key);
}

EXPORT_VERIFY_MESSAGE(C_VerifyMessage)
{
	struct call c;

	(void)param;
	begin_auth(&c, WIRE_VERIFY_MESSAGE, session, param_len);
	call_need(&c, signature != NULL);
	call_put_data(&c, in, in_len);
	call_put_data(&c, signature, signature_len);
	return call_finish(&c);
}

EXPORT_AUTH_MESSAGE_BEGIN(C_VerifyMessageBegin)
{
	(void)param;
	return auth_begin(WIRE_VERIFY_MESSAGE_BEGIN, session, param_len);
}

/* PKCS#11 3.1 5.16.4: without a signature, more parts follow. */
EXPORT_VERIFY_MESSAGE(C_VerifyMessageNext)
{
	struct call c;

	(void)param;
	begin_auth(&c, WIRE_VERIFY_MESSAGE_NEXT, session, param_len);
	call_put_data(&c, in, in_len);
	if (signature != NULL)
		call_put_data(&c, signature, signature_len);
	else if (c.rv == CKR_OK)
		codec_put_bytes(&c.codec, NULL, 0);
	return part_used(&c, true, call_finish(&c));
}

EXPORT_MESSAGE_FINAL(C_MessageVerifyFinal)
{
	return final(WIRE_MESSAGE_VERIFY_FINAL, session);
}
