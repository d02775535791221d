/* Objects: PKCS#11 3.1 5.7. */
#include "export.h"
#include "call.h"
#include "search.h"

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
	struct channel *channel;
	struct call c;

	call_session(&c, WIRE_DESTROY_OBJECT, session);
	codec_put_ulong(&c.codec, object);
	channel = call_channel(&c);
	call_send(&c, CALL_NOTHING);
	if (channel != NULL && c.rv == CKR_OK)
		search_remove(channel_searches(channel), object);
	return call_end(&c);
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

/* ---- finding: search.h ---- */

/* Is the session still there? The daemon knows. */
static CK_RV
ask_session(CK_SESSION_HANDLE session)
{
	CK_SESSION_INFO info;

	return C_GetSessionInfo(session, &info);
}

/* Where a search is doubtful: keeps of *n handles what is still there. */
static CK_RV
sift(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE *list, CK_ULONG *n)
{
	CK_ULONG kept = 0, size;
	CK_RV rv = ask_session(session);

	for (CK_ULONG i = 0; rv == CKR_OK && i < *n; i++) {
		if (C_GetObjectSize(session, list[i], &size) != CKR_OBJECT_HANDLE_INVALID)
			list[kept++] = list[i];
	}
	*n = rv == CKR_OK ? kept : 0;
	return rv;
}

/* A search is under way, unless its session has gone unseen. */
static CK_RV
refuse_second(struct searches *searches, CK_SESSION_HANDLE session)
{
	CK_RV rv = search_look(searches, session).doubtful ? ask_session(session) : CKR_OK;

	if (rv == CKR_SESSION_HANDLE_INVALID)
		search_end(searches, session);
	return rv == CKR_OK ? CKR_OPERATION_ACTIVE : rv;
}

CK_RV
C_FindObjectsInit(CK_SESSION_HANDLE session, CK_ATTRIBUTE *template, CK_ULONG count)
{
	struct searches *searches = NULL;
	struct channel *channel;
	CK_ULONG *list = NULL;
	uint64_t number = 0;
	uint8_t all = 0;
	size_t n = 0;
	struct call c;

	call_session(&c, WIRE_FIND_NOW, session);
	call_put_template(&c, template, count);
	channel = call_channel(&c);
	if (channel != NULL) {
		CK_RV rv = search_begin(channel_searches(channel), session, &number);

		if (rv == CKR_OK)
			searches = channel_searches(channel);
		else
			call_fail(&c, rv == CKR_OPERATION_ACTIVE
					? refuse_second(channel_searches(channel), session)
					: rv);
	}
	if (call_send(&c, CALL_OUTPUT(WIRE_FIND_FIRST * CALL_ULONG)) &&
		codec_get_ulongs(&c.codec, &list, &n, WIRE_FIND_FIRST))
		codec_get_byte(&c.codec, &all);
	if (searches == NULL)
		return call_end(&c);
	/* before call_end, which may let go of the connection */
	search_started(searches, session, number, c.rv != CKR_OK ? c.rv : c.codec.rv, list, n, all);
	return call_end(&c);
}

/* What the daemon still has to give, behind n handles. */
static CK_RV
ask_more(struct call *c, CK_OBJECT_HANDLE *objects, CK_ULONG max, CK_ULONG *n)
{
	CK_ULONG ask = max - *n < MAX_FOUND ? max - *n : MAX_FOUND, got = ask;
	CK_ULONG likely = ask < LIKELY_FOUND ? ask : LIKELY_FOUND;

	codec_put_ulong(&c->codec, ask);
	if (call_send(c, CALL_OUTPUT(likely * CALL_ULONG))) {
		call_get_list(c, objects == NULL ? NULL : objects + *n, &got, ask);
		*n += got;
	}
	return c->rv;
}

CK_RV
C_FindObjects(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE *objects, CK_ULONG max, CK_ULONG *count)
{
	struct search_state state = {.more = true};
	struct channel *channel;
	CK_ULONG n = 0, want, taken, left;
	struct call c;

	call_session(&c, WIRE_FIND_OBJECTS, session);
	call_need(&c, count != NULL && (objects != NULL || max == 0));
	channel = call_channel(&c);
	if (channel != NULL) {
		do {
			want = max - n;
			state = search_next(channel_searches(channel), session, objects + n, want, &taken);
			left = taken;
			if (state.doubtful)
				call_fail(&c, sift(session, objects + n, &left));
			n += left;
		} while (c.rv == CKR_OK && taken == want && n < max);
	}
	if (!state.known || (state.more && n < max))
		ask_more(&c, objects, max, &n);
	if (c.rv == CKR_OK)
		*count = n;
	return call_end(&c);
}

CK_RV
C_FindObjectsFinal(CK_SESSION_HANDLE session)
{
	struct search_state state = {.more = true};
	struct channel *channel;
	struct call c;

	call_session(&c, WIRE_FIND_OBJECTS_FINAL, session);
	channel = call_channel(&c);
	if (channel != NULL)
		state = search_end(channel_searches(channel), session);
	if (state.known && state.doubtful && !state.more)
		call_fail(&c, ask_session(session));
	if (!state.known || state.more)
		call_send(&c, CALL_NOTHING);
	return call_end(&c);
}
