/*
 * The doors of the library: the function lists of PKCS#11 2.40, 3.0 and 3.2, and C_GetInterface (PKCS#11
 * 3.1 5.4.4 to 5.4.6) which hands them out.
 */
#include "export.h"
#include "call.h"

#include <string.h>

#define NAME "PKCS 11"

/* ---- the lists ---- */

/* Each list begins with that of the version before, member for member. */
#define MEMBER(name) __typeof__(name) *name
struct list_3_0 {
	CK_FUNCTION_LIST base;
	MEMBER(C_GetInterfaceList);
	MEMBER(C_GetInterface);
	MEMBER(C_LoginUser);
	MEMBER(C_SessionCancel);
	MEMBER(C_MessageEncryptInit);
	MEMBER(C_EncryptMessage);
	MEMBER(C_EncryptMessageBegin);
	MEMBER(C_EncryptMessageNext);
	MEMBER(C_MessageEncryptFinal);
	MEMBER(C_MessageDecryptInit);
	MEMBER(C_DecryptMessage);
	MEMBER(C_DecryptMessageBegin);
	MEMBER(C_DecryptMessageNext);
	MEMBER(C_MessageDecryptFinal);
	MEMBER(C_MessageSignInit);
	MEMBER(C_SignMessage);
	MEMBER(C_SignMessageBegin);
	MEMBER(C_SignMessageNext);
	MEMBER(C_MessageSignFinal);
	MEMBER(C_MessageVerifyInit);
	MEMBER(C_VerifyMessage);
	MEMBER(C_VerifyMessageBegin);
	MEMBER(C_VerifyMessageNext);
	MEMBER(C_MessageVerifyFinal);
};

struct list_3_2 {
	struct list_3_0 base;
	MEMBER(C_EncapsulateKey);
	MEMBER(C_DecapsulateKey);
	MEMBER(C_VerifySignatureInit);
	MEMBER(C_VerifySignature);
	MEMBER(C_VerifySignatureUpdate);
	MEMBER(C_VerifySignatureFinal);
	MEMBER(C_GetSessionValidationFlags);
	MEMBER(C_AsyncComplete);
	MEMBER(C_AsyncGetID);
	MEMBER(C_AsyncJoin);
	MEMBER(C_WrapKeyAuthenticated);
	MEMBER(C_UnwrapKeyAuthenticated);
};

#define CALLS_2_40(get_info, mechanisms)                                                       \
	C_Initialize, C_Finalize, get_info, C_GetFunctionList, C_GetSlotList,                  \
	C_GetSlotInfo, C_GetTokenInfo, mechanisms, C_GetMechanismInfo, C_InitToken,            \
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

#define CALLS_3_0                                                                              \
	C_GetInterfaceList, C_GetInterface, C_LoginUser, C_SessionCancel, C_MessageEncryptInit, \
	C_EncryptMessage, C_EncryptMessageBegin, C_EncryptMessageNext, C_MessageEncryptFinal,  \
	C_MessageDecryptInit, C_DecryptMessage, C_DecryptMessageBegin, C_DecryptMessageNext,   \
	C_MessageDecryptFinal, C_MessageSignInit, C_SignMessage, C_SignMessageBegin,           \
	C_SignMessageNext, C_MessageSignFinal, C_MessageVerifyInit, C_VerifyMessage,           \
	C_VerifyMessageBegin, C_VerifyMessageNext, C_MessageVerifyFinal

#define CALLS_3_2                                                                              \
	C_EncapsulateKey, C_DecapsulateKey, C_VerifySignatureInit, C_VerifySignature,          \
	C_VerifySignatureUpdate, C_VerifySignatureFinal, C_GetSessionValidationFlags,          \
	C_AsyncComplete, C_AsyncGetID, C_AsyncJoin, C_WrapKeyAuthenticated,                    \
	C_UnwrapKeyAuthenticated

/* C_GetInfo tells the version of the interface that it was called through. */
static CK_RV
get_info(CK_INFO *info, CK_BYTE minor)
{
	CK_RV rv = C_GetInfo(info);

	if (rv == CKR_OK)
		info->cryptokiVersion = (CK_VERSION){3, minor};
	return rv;
}

static CK_RV
get_info_3_0(CK_INFO *info)
{
	return get_info(info, 0);
}

static CK_RV
get_info_3_2(CK_INFO *info)
{
	return get_info(info, 2);
}

static CK_FUNCTION_LIST list_2_40 = {{2, 40}, CALLS_2_40(C_GetInfo, call_mechanism_list_3_0)};
static struct list_3_0 list_3_0 = {{{3, 0}, CALLS_2_40(get_info_3_0, call_mechanism_list_3_0)}, CALLS_3_0};
static struct list_3_2 list_3_2 = {{{{3, 2}, CALLS_2_40(get_info_3_2, C_GetMechanismList)}, CALLS_3_0}, CALLS_3_2};

/* Newest first: the first is what an application gets that asks for nothing in particular. */
static CK_INTERFACE interfaces[] = {
	{(void *)NAME, &list_3_2, 0},
	{(void *)NAME, &list_3_0, 0},
	{(void *)NAME, &list_2_40, 0},
};
static const CK_VERSION versions[] = {{3, 2}, {3, 0}, {2, 40}}; /* of the same place in interfaces */

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
