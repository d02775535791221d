/* C_EncapsulateKey and C_DecapsulateKey: PKCS#11 3.2. */
#include "export.h"
#include "call.h"

#define CIPHERTEXT_LIKELY 1600 /* ML-KEM-1024 has 1568 bytes */

CK_RV
C_EncapsulateKey(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE public_key,
	CK_ATTRIBUTE *template, CK_ULONG count, CK_BYTE *ciphertext, CK_ULONG *ciphertext_len, CK_OBJECT_HANDLE *key)
{
	CK_OBJECT_HANDLE made;
	struct call c;

	call_session(&c, WIRE_ENCAPSULATE_KEY, session);
	call_need(&c, key != NULL || ciphertext == NULL);
	call_put_mechanism(&c, mechanism);
	if (c.rv == CKR_OK)
		codec_put_ulong(&c.codec, public_key);
	call_put_template(&c, template, count);
	call_put_room(&c, ciphertext, ciphertext_len);
	if (call_get_output(&c, ciphertext, ciphertext_len, CIPHERTEXT_LIKELY) &&
		codec_get_ulong(&c.codec, &made) && ciphertext != NULL && c.rv == CKR_OK)
		*key = made;
	return call_end(&c);
}

CK_RV
C_DecapsulateKey(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE private_key,
	CK_ATTRIBUTE *template, CK_ULONG count, CK_BYTE *ciphertext, CK_ULONG ciphertext_len, CK_OBJECT_HANDLE *key)
{
	struct call c;

	call_session(&c, WIRE_DECAPSULATE_KEY, session);
	call_need(&c, ciphertext != NULL && key != NULL);
	call_put_mechanism(&c, mechanism);
	if (c.rv == CKR_OK)
		codec_put_ulong(&c.codec, private_key);
	call_put_template(&c, template, count);
	call_put_data(&c, ciphertext, ciphertext_len);
	if (call_send(&c, CALL_ULONG))
		codec_get_ulong(&c.codec, key);
	return call_end(&c);
}
