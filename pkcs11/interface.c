/*
 * The doors of the library: the function lists of PKCS#11 2.40 and 3.0, and C_GetInterface (PKCS#11
 * 3.0 5.4.4 to 5.4.6) which hands them out. What 3.0 adds to the calls of 2.40 is not supported.
 */
#include "export.h"
#include "ck.h"

#include <string.h>

#define NAME "PKCS 11"

/* Not in every header; a second declaration does no harm. */
#pragma GCC visibility push(default)
CK_RV C_GetInterfaceList(CK_INTERFACE_PTR list, CK_ULONG *count);
CK_RV C_GetInterface(CK_UTF8CHAR *name, CK_VERSION *version, CK_INTERFACE_PTR_PTR interface,
	CK_FLAGS flags);
#pragma GCC visibility pop

/* ---- what 3.0 has beyond 2.40: one function for each signature ---- */

#define SESSION CK_SESSION_HANDLE session
#define UNSUPPORTED(name, ...)                                                                 \
	static CK_RV name(__VA_ARGS__)                                                         \
	{                                                                                      \
		return CKR_FUNCTION_NOT_SUPPORTED;                                             \
	}

#pragma GCC diagnostic ignored "-Wunused-parameter"
UNSUPPORTED(login_user, SESSION, CK_USER_TYPE type, CK_UTF8CHAR *pin, CK_ULONG pin_len,
	CK_UTF8CHAR *user, CK_ULONG user_len)
UNSUPPORTED(session_cancel, SESSION, CK_FLAGS flags)
UNSUPPORTED(message_init, SESSION, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key)
UNSUPPORTED(message_crypt, SESSION, void *param, CK_ULONG param_len, CK_BYTE *aad, CK_ULONG aad_len,
	CK_BYTE *in, CK_ULONG in_len, CK_BYTE *out, CK_ULONG *out_len)
UNSUPPORTED(message_crypt_begin, SESSION, void *param, CK_ULONG param_len, CK_BYTE *aad,
	CK_ULONG aad_len)
UNSUPPORTED(message_crypt_next, SESSION, void *param, CK_ULONG param_len, CK_BYTE *in,
	CK_ULONG in_len, CK_BYTE *out, CK_ULONG *out_len, CK_FLAGS flags)
UNSUPPORTED(message_final, SESSION)
UNSUPPORTED(message_sign, SESSION, void *param, CK_ULONG param_len, CK_BYTE *data, CK_ULONG data_len,
	CK_BYTE *signature, CK_ULONG *signature_len)
UNSUPPORTED(message_auth_begin, SESSION, void *param, CK_ULONG param_len)
UNSUPPORTED(message_verify, SESSION, void *param, CK_ULONG param_len, CK_BYTE *data,
	CK_ULONG data_len, CK_BYTE *signature, CK_ULONG signature_len)
#pragma GCC diagnostic warning "-Wunused-parameter"

/* ---- the lists ---- */

/* PKCS#11 3.0's list begins with that of 2.40, member for member. */
struct list_3_0 {
	CK_FUNCTION_LIST base;
	CK_RV (*get_interface_list)(CK_INTERFACE_PTR, CK_ULONG *);
	CK_RV (*get_interface)(CK_UTF8CHAR *, CK_VERSION *, CK_INTERFACE_PTR_PTR, CK_FLAGS);
	__typeof__(login_user) *login_user;
	__typeof__(session_cancel) *session_cancel;
	/* encryption, then decryption */
	struct {
		__typeof__(message_init) *init;
		__typeof__(message_crypt) *once;
		__typeof__(message_crypt_begin) *begin;
		__typeof__(message_crypt_next) *next;
		__typeof__(message_final) *final;
	} encrypt, decrypt;
	struct {
		__typeof__(message_init) *init;
		__typeof__(message_sign) *once;
		__typeof__(message_auth_begin) *begin;
		__typeof__(message_sign) *next;
		__typeof__(message_final) *final;
	} sign;
	struct {
		__typeof__(message_init) *init;
		__typeof__(message_verify) *once;
		__typeof__(message_auth_begin) *begin;
		__typeof__(message_verify) *next;
		__typeof__(message_final) *final;
	} verify;
};

#define CALLS_2_40(get_info)                                                                   \
	C_Initialize, C_Finalize, get_info, C_GetFunctionList, C_GetSlotList,                  \
	C_GetSlotInfo, C_GetTokenInfo, C_GetMechanismList, C_GetMechanismInfo, C_InitToken,    \
	C_InitPIN, C_SetPIN, C_OpenSession, C_CloseSession, C_CloseAllSessions,                \
	C_GetSessionInfo, C_GetOperationState, C_SetOperationState, C_Login, C_Logout,         \
	C_CreateObject, C_CopyObject, C_DestroyObject, C_GetObjectSize,                        \
	C_GetAttributeValue, C_SetAttributeValue, C_FindObjectsInit, C_FindObjects,            \
	C_FindObjectsFinal, C_EncryptInit, C_Encrypt, C_EncryptUpdate, C_EncryptFinal,         \
	C_DecryptInit, C_Decrypt, C_DecryptUpdate, C_DecryptFinal, C_DigestInit, C_Digest,     \
	C_DigestUpdate, C_DigestKey, C_DigestFinal, C_SignInit, C_Sign, C_SignUpdate,          \
	C_SignFinal, C_SignRecoverInit, C_SignRecover, C_VerifyInit, C_Verify,                 \
	C_VerifyUpdate, C_VerifyFinal, C_VerifyRecoverInit, C_VerifyRecover,                   \
	C_DigestEncryptUpdate, C_DecryptDigestUpdate, C_SignEncryptUpdate,                     \
	C_DecryptVerifyUpdate, C_GenerateKey, C_GenerateKeyPair, C_WrapKey, C_UnwrapKey,       \
	C_DeriveKey, C_SeedRandom, C_GenerateRandom, C_GetFunctionStatus, C_CancelFunction,    \
	C_WaitForSlotEvent

/* C_GetInfo tells the version of the interface that it was called through. */
static CK_RV
get_info_3_0(CK_INFO *info)
{
	CK_RV rv = C_GetInfo(info);

	if (rv == CKR_OK)
		info->cryptokiVersion = (CK_VERSION){3, 0};
	return rv;
}

static CK_FUNCTION_LIST list_2_40 = {{2, 40}, CALLS_2_40(C_GetInfo)};

static struct list_3_0 list_3_0 = {
	.base = {{3, 0}, CALLS_2_40(get_info_3_0)},
	.get_interface_list = C_GetInterfaceList,
	.get_interface = C_GetInterface,
	.login_user = login_user,
	.session_cancel = session_cancel,
	.encrypt = {message_init, message_crypt, message_crypt_begin, message_crypt_next,
		message_final},
	.decrypt = {message_init, message_crypt, message_crypt_begin, message_crypt_next,
		message_final},
	.sign = {message_init, message_sign, message_auth_begin, message_sign, message_final},
	.verify = {message_init, message_verify, message_auth_begin, message_verify, message_final},
};

/* Newest first: the first is what an application gets that asks for nothing in particular. */
static CK_INTERFACE interfaces[] = {
	{(void *)NAME, &list_3_0, 0},
	{(void *)NAME, &list_2_40, 0},
};
static const CK_VERSION versions[] = {{3, 0}, {2, 40}}; /* of the same place in interfaces */

#define N_INTERFACES (sizeof(interfaces) / sizeof(interfaces[0]))

CK_RV
C_GetFunctionList(CK_FUNCTION_LIST **list)
{
	if (list == NULL)
		return CKR_ARGUMENTS_BAD;
	*list = &list_2_40;
	return CKR_OK;
}

CK_RV
C_GetInterfaceList(CK_INTERFACE_PTR list, CK_ULONG *count)
{
	CK_RV rv = CKR_OK;

	if (count == NULL)
		return CKR_ARGUMENTS_BAD;
	if (list != NULL && *count < N_INTERFACES)
		rv = CKR_BUFFER_TOO_SMALL;
	else if (list != NULL)
		memcpy(list, interfaces, sizeof(interfaces));
	*count = N_INTERFACES;
	return rv;
}

CK_RV
C_GetInterface(CK_UTF8CHAR *name, CK_VERSION *version, CK_INTERFACE_PTR_PTR interface, CK_FLAGS flags)
{
	if (interface == NULL || flags != 0)
		return CKR_ARGUMENTS_BAD;
	if (name != NULL && strcmp((const char *)name, NAME) != 0)
		return CKR_ARGUMENTS_BAD;
	for (size_t i = 0; i < N_INTERFACES; i++) {
		if (version != NULL && (version->major != versions[i].major ||
			version->minor != versions[i].minor))
			continue;
		*interface = &interfaces[i];
		return CKR_OK;
	}
	return CKR_ARGUMENTS_BAD;
}
