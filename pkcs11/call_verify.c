/* Verification where the signature comes first: PKCS#11 3.2 5.15, C_VerifySignature*. */
#include "export.h"
#include "call.h"

CK_RV
C_VerifySignatureInit(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key, CK_BYTE *signature,
	CK_ULONG signature_len)
{
	struct call c;

	if (mechanism == NULL)
		return call_cancel(session, CKF_VERIFY);
	call_session(&c, WIRE_VERIFY_SIGNATURE_INIT, session);
	call_need(&c, signature != NULL);
	call_put_mechanism(&c, mechanism);
	codec_put_ulong(&c.codec, key);
	call_put_data(&c, signature, signature_len);
	return call_finish(&c);
}

CK_RV
C_VerifySignature(CK_SESSION_HANDLE session, CK_BYTE *data, CK_ULONG data_len)
{
	struct call c;

	call_session(&c, WIRE_VERIFY_SIGNATURE, session);
	call_put_data(&c, data, data_len);
	call_finish(&c);
	return call_used(&c, CKF_VERIFY);
}

CK_RV
C_VerifySignatureUpdate(CK_SESSION_HANDLE session, CK_BYTE *part, CK_ULONG part_len)
{
	return call_absorb(WIRE_VERIFY_SIGNATURE_UPDATE, session, CKF_VERIFY, part, part_len);
}

CK_RV
C_VerifySignatureFinal(CK_SESSION_HANDLE session)
{
	struct call c;

	call_session(&c, WIRE_VERIFY_SIGNATURE_FINAL, session);
	return call_finish(&c);
}
