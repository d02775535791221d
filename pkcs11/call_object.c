/* Objects: PKCS#11 3.1 5.7. */
#include "export.h"
#include "call.h"

#include <stdlib.h>
#include <string.h>

#define MAX_FOUND (1u << 20) /* handles in one answer of C_FindObjects */
#define LIKELY_FOUND 400     /* handles that the usual answer has room for */
#define MAX_ANSWER (1u << 20) /* of C_GetAttributeValue, for the guess at its length */

CK_RV
C_CreateObject(CK_SESSION_HANDLE session, CK_ATTRIBUTE *template, CK_ULONG count,
	CK_OBJECT_HANDLE *object)
{
	struct call c;

	call_session(&c, WIRE_CREATE_OBJECT, session);
	call_need(&c, template != NULL && object != NULL);
	call_put_template(&c, template, count);
	if (call_send(&c, CALL_ULONG))
		codec_get_ulong(&c.codec, object);
	return call_end(&c);
}

CK_RV
C_CopyObject(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE *template, CK_ULONG count,
	CK_OBJECT_HANDLE *copy)
{
	struct call c;

	call_session(&c, WIRE_COPY_OBJECT, session);
	call_need(&c, copy != NULL);
	codec_put_ulong(&c.codec, object);
	call_put_template(&c, template, count);
	if (call_send(&c, CALL_ULONG))
		codec_get_ulong(&c.codec, copy);
	return call_end(&c);
}

CK_RV
C_DestroyObject(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object)
{
	struct call c;

	call_session(&c, WIRE_DESTROY_OBJECT, session);
	codec_put_ulong(&c.codec, object);
	return call_finish(&c);
}

CK_RV
C_GetObjectSize(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ULONG *size)
{
	struct call c;

	call_session(&c, WIRE_GET_OBJECT_SIZE, session);
	call_need(&c, size != NULL);
	codec_put_ulong(&c.codec, object);
	if (call_send(&c, CALL_ULONG))
		codec_get_ulong(&c.codec, size);
	return call_end(&c);
}

/* Length of the answer if every value fills its room, which is what most callers see to. */
static size_t
likely_answer(const CK_ATTRIBUTE *a, CK_ULONG n)
{
	size_t sum = 4;

	for (CK_ULONG i = 0; i < n && sum < MAX_ANSWER; i++) {
		sum += 16;
		if (a[i].pValue != NULL)
			sum += a[i].ulValueLen < MAX_ANSWER ? a[i].ulValueLen : MAX_ANSWER;
	}
	return sum < MAX_ANSWER ? sum : MAX_ANSWER;
}

CK_RV
C_GetAttributeValue(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE *template,
	CK_ULONG count)
{
	struct call c;

	call_session(&c, WIRE_GET_ATTRIBUTE_VALUE, session);
	call_need(&c, template != NULL);
	codec_put_ulong(&c.codec, object);
	if (c.rv == CKR_OK)
		codec_put_query(&c.codec, template, count);
	if (call_send(&c, c.rv == CKR_OK ? likely_answer(template, count) : 0)) {
		codec_get_answers(&c.codec, template, count);
		c.rv = c.codec.h.rv; /* an inner array may turn out too small only here */
	}
	return call_end(&c);
}

CK_RV
C_SetAttributeValue(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE *template,
	CK_ULONG count)
{
	struct call c;

	call_session(&c, WIRE_SET_ATTRIBUTE_VALUE, session);
	call_need(&c, template != NULL);
	codec_put_ulong(&c.codec, object);
	call_put_template(&c, template, count);
	return call_finish(&c);
}

CK_RV
C_FindObjectsInit(CK_SESSION_HANDLE session, CK_ATTRIBUTE *template, CK_ULONG count)
{
	struct call c;

	call_session(&c, WIRE_FIND_OBJECTS_INIT, session);
	call_put_template(&c, template, count);
	return call_finish(&c);
}

CK_RV
C_FindObjects(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE *objects, CK_ULONG max, CK_ULONG *count)
{
	CK_ULONG ask = max < MAX_FOUND ? max : MAX_FOUND;
	CK_ULONG likely = ask < LIKELY_FOUND ? ask : LIKELY_FOUND;
	struct call c;

	call_session(&c, WIRE_FIND_OBJECTS, session);
	call_need(&c, count != NULL && (objects != NULL || max == 0));
	codec_put_ulong(&c.codec, ask);
	if (call_send(&c, CALL_OUTPUT(likely * CALL_ULONG))) {
		*count = ask;
		call_get_list(&c, objects, count, ask);
	}
	return call_end(&c);
}

CK_RV
C_FindObjectsFinal(CK_SESSION_HANDLE session)
{
	struct call c;

	call_session(&c, WIRE_FIND_OBJECTS_FINAL, session);
	return call_finish(&c);
}
