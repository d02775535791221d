/* Sessions, login and saved states: PKCS#11 3.1 5.6. */
#include "export.h"
#include "call.h"

#include <string.h>

#include "spare.h"

CK_RV
C_OpenSession(CK_SLOT_ID slot, CK_FLAGS flags, CK_VOID_PTR application, CK_NOTIFY notify,
	CK_SESSION_HANDLE *session)
{
	struct call c;

	(void)application; /* PKCS#11 3.1 5.18: no call here ever surrenders or has news */
	(void)notify;
	call_begin(&c, WIRE_OPEN_SESSION, REACH_START);
	call_need(&c, session != NULL);
	if (!(flags & CKF_SERIAL_SESSION))
		call_fail(&c, CKR_SESSION_PARALLEL_NOT_SUPPORTED);
	codec_put_ulong(&c.codec, slot);
	codec_put_ulong(&c.codec, flags);
	if (call_send(&c, CALL_ULONG))
		codec_get_ulong(&c.codec, session);
	else if (c.unreachable && c.rv == CKR_TOKEN_NOT_PRESENT)
		c.rv = slot == SPARE_SLOT && module_conf(c.module)->spare_slot
			? CKR_TOKEN_NOT_RECOGNIZED
			: CKR_SLOT_ID_INVALID;
	return call_end(&c);
}

CK_RV
C_CloseSession(CK_SESSION_HANDLE session)
{
	struct call c;

	call_session(&c, WIRE_CLOSE_SESSION, session);
	return call_finish(&c);
}

CK_RV
C_CloseAllSessions(CK_SLOT_ID slot)
{
	struct call c;

	call_begin(&c, WIRE_CLOSE_ALL_SESSIONS, REACH_START);
	codec_put_ulong(&c.codec, slot);
	call_send(&c, CALL_NOTHING);
	if (c.unreachable && c.rv == CKR_TOKEN_NOT_PRESENT)
		c.rv = slot == SPARE_SLOT && module_conf(c.module)->spare_slot ? CKR_OK
									       : CKR_SLOT_ID_INVALID;
	return call_end(&c);
}

CK_RV
C_GetSessionInfo(CK_SESSION_HANDLE session, CK_SESSION_INFO *info)
{
	struct call c;

	call_session(&c, WIRE_GET_SESSION_INFO, session);
	call_need(&c, info != NULL);
	if (call_send(&c, 4 * CALL_ULONG)) {
		codec_get_ulong(&c.codec, &info->slotID);
		codec_get_ulong(&c.codec, &info->state);
		codec_get_ulong(&c.codec, &info->flags);
		codec_get_ulong(&c.codec, &info->ulDeviceError);
	}
	return call_end(&c);
}

CK_RV
C_GetOperationState(CK_SESSION_HANDLE session, CK_BYTE *state, CK_ULONG *state_len)
{
	struct call c;

	call_session(&c, WIRE_GET_OPERATION_STATE, session);
	call_put_room(&c, state, state_len);
	return call_output(&c, state, state_len, 4000);
}

CK_RV
C_SetOperationState(CK_SESSION_HANDLE session, CK_BYTE *state, CK_ULONG state_len,
	CK_OBJECT_HANDLE encryption_key, CK_OBJECT_HANDLE authentication_key)
{
	struct call c;

	call_session(&c, WIRE_SET_OPERATION_STATE, session);
	call_need(&c, state != NULL);
	call_put_data(&c, state, state_len);
	if (c.rv == CKR_OK) {
		codec_put_ulong(&c.codec, encryption_key);
		codec_put_ulong(&c.codec, authentication_key);
	}
	return call_finish(&c);
}

CK_RV
C_Login(CK_SESSION_HANDLE session, CK_USER_TYPE user, CK_UTF8CHAR *pin, CK_ULONG pin_len)
{
	struct call c;

	call_session(&c, WIRE_LOGIN, session);
	codec_put_ulong(&c.codec, user);
	call_put_pin(&c, pin, pin_len);
	return call_finish(&c);
}

CK_RV
C_Logout(CK_SESSION_HANDLE session)
{
	struct call c;

	call_session(&c, WIRE_LOGOUT, session);
	return call_finish(&c);
}

/* PKCS#11 3.1 5.16: left over from version 1; they say one thing only. */
CK_RV
C_GetFunctionStatus(CK_SESSION_HANDLE session)
{
	struct module *m = module_get();

	(void)session;
	module_put(m);
	return m != NULL ? CKR_FUNCTION_NOT_PARALLEL : CKR_CRYPTOKI_NOT_INITIALIZED;
}

CK_RV
C_CancelFunction(CK_SESSION_HANDLE session)
{
	return C_GetFunctionStatus(session);
}
