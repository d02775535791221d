/*
 * calls.h - the function list of PKCS#11 3.2 as C_GetInterface hands it out
 *
 * Members and arguments are those of the standard, written from its text: the headers of
 * today's systems end with 2.40 or 3.0. The list begins with that of 2.40, then that of 3.0.
 */
#ifndef TOKENFS_CROSS_CALLS_H
#define TOKENFS_CROSS_CALLS_H

#include "../../pkcs11/ck.h"

#define S	 CK_SESSION_HANDLE
#define IN	 CK_BYTE *, CK_ULONG
#define OUT	 CK_BYTE *, CK_ULONG *
#define PARAM	 void *, CK_ULONG
#define TEMPLATE CK_ATTRIBUTE *, CK_ULONG

struct calls {
	CK_FUNCTION_LIST base;
	/* 3.0 */
	CK_RV (*C_GetInterfaceList)(CK_INTERFACE *, CK_ULONG *);
	CK_RV (*C_GetInterface)(CK_UTF8CHAR *, CK_VERSION *, CK_INTERFACE **, CK_FLAGS);
	CK_RV (*C_LoginUser)(S, CK_USER_TYPE, CK_UTF8CHAR *, CK_ULONG, CK_UTF8CHAR *, CK_ULONG);
	CK_RV (*C_SessionCancel)(S, CK_FLAGS);
	CK_RV (*C_MessageEncryptInit)(S, CK_MECHANISM *, CK_OBJECT_HANDLE);
	CK_RV (*C_EncryptMessage)(S, PARAM, IN, IN, OUT);
	CK_RV (*C_EncryptMessageBegin)(S, PARAM, IN);
	CK_RV (*C_EncryptMessageNext)(S, PARAM, IN, OUT, CK_FLAGS);
	CK_RV (*C_MessageEncryptFinal)(S);
	CK_RV (*C_MessageDecryptInit)(S, CK_MECHANISM *, CK_OBJECT_HANDLE);
	CK_RV (*C_DecryptMessage)(S, PARAM, IN, IN, OUT);
	CK_RV (*C_DecryptMessageBegin)(S, PARAM, IN);
	CK_RV (*C_DecryptMessageNext)(S, PARAM, IN, OUT, CK_FLAGS);
	CK_RV (*C_MessageDecryptFinal)(S);
	CK_RV (*C_MessageSignInit)(S, CK_MECHANISM *, CK_OBJECT_HANDLE);
	CK_RV (*C_SignMessage)(S, PARAM, IN, OUT);
	CK_RV (*C_SignMessageBegin)(S, PARAM);
	CK_RV (*C_SignMessageNext)(S, PARAM, IN, OUT);
	CK_RV (*C_MessageSignFinal)(S);
	CK_RV (*C_MessageVerifyInit)(S, CK_MECHANISM *, CK_OBJECT_HANDLE);
	CK_RV (*C_VerifyMessage)(S, PARAM, IN, IN);
	CK_RV (*C_VerifyMessageBegin)(S, PARAM);
	CK_RV (*C_VerifyMessageNext)(S, PARAM, IN, IN);
	CK_RV (*C_MessageVerifyFinal)(S);
	/* 3.2 */
	CK_RV (*C_EncapsulateKey)
	(S, CK_MECHANISM *, CK_OBJECT_HANDLE, TEMPLATE, OUT, CK_OBJECT_HANDLE *);
	CK_RV (*C_DecapsulateKey)
	(S, CK_MECHANISM *, CK_OBJECT_HANDLE, TEMPLATE, IN, CK_OBJECT_HANDLE *);
	CK_RV (*C_VerifySignatureInit)(S, CK_MECHANISM *, CK_OBJECT_HANDLE, IN);
	CK_RV (*C_VerifySignature)(S, IN);
	CK_RV (*C_VerifySignatureUpdate)(S, IN);
	CK_RV (*C_VerifySignatureFinal)(S);
	CK_RV (*C_GetSessionValidationFlags)(S, CK_ULONG, CK_FLAGS *);
	CK_RV (*C_AsyncComplete)(S, CK_UTF8CHAR *, void *);
	CK_RV (*C_AsyncGetID)(S, CK_UTF8CHAR *, CK_ULONG *);
	CK_RV (*C_AsyncJoin)(S, CK_UTF8CHAR *, CK_ULONG, IN);
	CK_RV (*C_WrapKeyAuthenticated)
	(S, CK_MECHANISM *, CK_OBJECT_HANDLE, CK_OBJECT_HANDLE, IN, OUT);
	CK_RV (*C_UnwrapKeyAuthenticated)
	(S, CK_MECHANISM *, CK_OBJECT_HANDLE, IN, TEMPLATE, IN, CK_OBJECT_HANDLE *);
};

#undef S
#undef IN
#undef OUT
#undef PARAM
#undef TEMPLATE

#endif
