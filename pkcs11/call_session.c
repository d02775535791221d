/* Sessions, login and saved states: PKCS#11 3.1 5.6. */
#include "export.h"
#include "call.h"

#include <string.h>

#include "search.h"
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

/* The daemon has ended the session's search: so does the module. */
static void
end_search(struct call *c)
{
	struct channel *channel = NULL;

	if (c->rv == CKR_OK && module_channel(c->module, c->reach, &channel) == CKR_OK)
		search_end(channel_searches(channel), c->session);
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
	call_send(&c, CALL_NOTHING);
	end_search(&c); /* PKCS#11 3.1 5.6.7: with the other operations */
	return call_end(&c);
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
C_LoginUser(CK_SESSION_HANDLE session, CK_USER_TYPE user, CK_UTF8CHAR *pin, CK_ULONG pin_len, CK_UTF8CHAR *name,
	CK_ULONG name_len)
{
	struct call c;

	call_session(&c, WIRE_LOGIN_USER, session);
	call_need(&c, (name != NULL || name_len == 0) && name_len <= CALL_PIECE);
	codec_put_ulong(&c.codec, user);
	call_put_pin(&c, pin, pin_len);
	call_put_data(&c, name, name_len);
	return call_finish(&c);
}

CK_RV
C_Logout(CK_SESSION_HANDLE session)
{
	struct call c;

	call_session(&c, WIRE_LOGOUT, session);
	return call_finish(&c);
}

CK_RV
C_SessionCancel(CK_SESSION_HANDLE session, CK_FLAGS flags)
{
	struct call c;

	call_session(&c, WIRE_SESSION_CANCEL, session);
	codec_put_ulong(&c.codec, flags);
	call_send(&c, CALL_NOTHING);
	if (flags & CKF_FIND_OBJECTS)
		end_search(&c);
	return call_end(&c);
}

CK_RV
C_GetSessionValidationFlags(CK_SESSION_HANDLE session, CK_ULONG type, CK_FLAGS *flags)
{
	struct call c;

	call_session(&c, WIRE_GET_SESSION_VALIDATION_FLAGS, session);
	call_need(&c, flags != NULL);
	codec_put_ulong(&c.codec, type);
	if (call_send(&c, CALL_ULONG))
		codec_get_ulong(&c.codec, flags);
	return call_end(&c);
}

/* PKCS#11 3.2 5.19: no session here is asynchronous (CKF_ASYNC_SESSION), so that nothing is ever pending. */
static CK_RV
not_asynchronous(void)
{
	struct module *m = module_get();

	module_put(m);
	return m != NULL ? CKR_FUNCTION_NOT_SUPPORTED : CKR_CRYPTOKI_NOT_INITIALIZED;
}

CK_RV
C_AsyncComplete(CK_SESSION_HANDLE session, CK_UTF8CHAR *function, CK_VOID_PTR result)
{
	(void)session;
	(void)function;
	(void)result;
	return not_asynchronous();
}

CK_RV
C_AsyncGetID(CK_SESSION_HANDLE session, CK_UTF8CHAR *function, CK_ULONG *id)
{
	return C_AsyncComplete(session, function, id);
}

CK_RV
C_AsyncJoin(CK_SESSION_HANDLE session, CK_UTF8CHAR *function, CK_ULONG id, CK_BYTE *data, CK_ULONG data_len)
{
	(void)id;
	(void)data_len;
	return C_AsyncComplete(session, function, data);
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
