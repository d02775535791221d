/*
 * export.h - makes the C_ functions visible; the first include of every file that defines some
 *
 * All is compiled with -fvisibility=hidden, and PKCS#11's prototypes say nothing about it. A symbol
 * keeps the visibility of its first declaration, so the prototypes are read here with the other one.
 */
#ifndef TOKENFS_EXPORT_H
#define TOKENFS_EXPORT_H

#ifdef PKCS11_H
#error "export.h must be included before any other header of PKCS#11"
#endif

#pragma GCC visibility push(default)
#include <p11-kit/pkcs11.h>

#include "ck.h"

/* What 3.x has beyond 2.40, which is not in every header. A second declaration does no harm. */
CK_RV C_GetInterfaceList(CK_INTERFACE_PTR list, CK_ULONG *count);
CK_RV C_GetInterface(CK_UTF8CHAR *name, CK_VERSION *version, CK_INTERFACE_PTR_PTR interface, CK_FLAGS flags);
CK_RV C_LoginUser(CK_SESSION_HANDLE session, CK_USER_TYPE user, CK_UTF8CHAR *pin, CK_ULONG pin_len, CK_UTF8CHAR *name,
	CK_ULONG name_len);
CK_RV C_SessionCancel(CK_SESSION_HANDLE session, CK_FLAGS flags);

/* The functions for messages come in a few shapes. */
#define EXPORT_MESSAGE_INIT(name) CK_RV name(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key)
#define EXPORT_MESSAGE_FINAL(name) CK_RV name(CK_SESSION_HANDLE session)
#define EXPORT_CRYPT_MESSAGE(name)                                                                                   \
	CK_RV name(CK_SESSION_HANDLE session, CK_VOID_PTR param, CK_ULONG param_len, CK_BYTE *aad, CK_ULONG aad_len,  \
		CK_BYTE *in, CK_ULONG in_len, CK_BYTE *out, CK_ULONG *out_len)
#define EXPORT_CRYPT_MESSAGE_BEGIN(name)                                                                             \
	CK_RV name(CK_SESSION_HANDLE session, CK_VOID_PTR param, CK_ULONG param_len, CK_BYTE *aad, CK_ULONG aad_len)
#define EXPORT_CRYPT_MESSAGE_NEXT(name)                                                                              \
	CK_RV name(CK_SESSION_HANDLE session, CK_VOID_PTR param, CK_ULONG param_len, CK_BYTE *in, CK_ULONG in_len,    \
		CK_BYTE *out, CK_ULONG *out_len, CK_FLAGS flags)
#define EXPORT_AUTH_MESSAGE_BEGIN(name) CK_RV name(CK_SESSION_HANDLE session, CK_VOID_PTR param, CK_ULONG param_len)
#define EXPORT_SIGN_MESSAGE(name)                                                                                    \
	CK_RV name(CK_SESSION_HANDLE session, CK_VOID_PTR param, CK_ULONG param_len, CK_BYTE *in, CK_ULONG in_len,    \
		CK_BYTE *out, CK_ULONG *out_len)
#define EXPORT_VERIFY_MESSAGE(name)                                                                                  \
	CK_RV name(CK_SESSION_HANDLE session, CK_VOID_PTR param, CK_ULONG param_len, CK_BYTE *in, CK_ULONG in_len,    \
		CK_BYTE *signature, CK_ULONG signature_len)

EXPORT_MESSAGE_INIT(C_MessageEncryptInit);
EXPORT_CRYPT_MESSAGE(C_EncryptMessage);
EXPORT_CRYPT_MESSAGE_BEGIN(C_EncryptMessageBegin);
EXPORT_CRYPT_MESSAGE_NEXT(C_EncryptMessageNext);
EXPORT_MESSAGE_FINAL(C_MessageEncryptFinal);
EXPORT_MESSAGE_INIT(C_MessageDecryptInit);
EXPORT_CRYPT_MESSAGE(C_DecryptMessage);
EXPORT_CRYPT_MESSAGE_BEGIN(C_DecryptMessageBegin);
EXPORT_CRYPT_MESSAGE_NEXT(C_DecryptMessageNext);
EXPORT_MESSAGE_FINAL(C_MessageDecryptFinal);
EXPORT_MESSAGE_INIT(C_MessageSignInit);
EXPORT_SIGN_MESSAGE(C_SignMessage);
EXPORT_AUTH_MESSAGE_BEGIN(C_SignMessageBegin);
EXPORT_SIGN_MESSAGE(C_SignMessageNext);
EXPORT_MESSAGE_FINAL(C_MessageSignFinal);
EXPORT_MESSAGE_INIT(C_MessageVerifyInit);
EXPORT_VERIFY_MESSAGE(C_VerifyMessage);
EXPORT_AUTH_MESSAGE_BEGIN(C_VerifyMessageBegin);
EXPORT_VERIFY_MESSAGE(C_VerifyMessageNext);
EXPORT_MESSAGE_FINAL(C_MessageVerifyFinal);

CK_RV C_EncapsulateKey(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE public_key,
	CK_ATTRIBUTE *template, CK_ULONG count, CK_BYTE *ciphertext, CK_ULONG *ciphertext_len, CK_OBJECT_HANDLE *key);
CK_RV C_DecapsulateKey(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE private_key,
	CK_ATTRIBUTE *template, CK_ULONG count, CK_BYTE *ciphertext, CK_ULONG ciphertext_len, CK_OBJECT_HANDLE *key);
CK_RV C_VerifySignatureInit(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key,
	CK_BYTE *signature, CK_ULONG signature_len);
CK_RV C_VerifySignature(CK_SESSION_HANDLE session, CK_BYTE *data, CK_ULONG data_len);
CK_RV C_VerifySignatureUpdate(CK_SESSION_HANDLE session, CK_BYTE *part, CK_ULONG part_len);
CK_RV C_VerifySignatureFinal(CK_SESSION_HANDLE session);
CK_RV C_GetSessionValidationFlags(CK_SESSION_HANDLE session, CK_ULONG type, CK_FLAGS *flags);
CK_RV C_AsyncComplete(CK_SESSION_HANDLE session, CK_UTF8CHAR *function, CK_VOID_PTR result);
CK_RV C_AsyncGetID(CK_SESSION_HANDLE session, CK_UTF8CHAR *function, CK_ULONG *id);
CK_RV C_AsyncJoin(CK_SESSION_HANDLE session, CK_UTF8CHAR *function, CK_ULONG id, CK_BYTE *data, CK_ULONG data_len);
CK_RV C_WrapKeyAuthenticated(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE wrapping_key,
	CK_OBJECT_HANDLE key, CK_BYTE *aad, CK_ULONG aad_len, CK_BYTE *out, CK_ULONG *out_len);
CK_RV C_UnwrapKeyAuthenticated(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE unwrapping_key,
	CK_BYTE *wrapped, CK_ULONG wrapped_len, CK_ATTRIBUTE *template, CK_ULONG count, CK_BYTE *aad, CK_ULONG aad_len,
	CK_OBJECT_HANDLE *key);
#pragma GCC visibility pop

#endif
