#include "call.h"

#include <stdlib.h>
#include <string.h>

#include "ride.h"
#include "search.h"

void
call_begin(struct call *c, enum wire_number number, enum module_reach reach)
{
	/* all but the reply's buffer, which is large and need not be cleared */
	memset(c, 0, offsetof(struct call, reply));
	c->reply.frame = NULL;
	c->reply.heap = NULL;
	c->reply.size = 0;
	c->reach = reach;
	c->module = module_get();
	c->rv = c->module != NULL ? CKR_OK : CKR_CRYPTOKI_NOT_INITIALIZED;
	codec_begin(&c->codec, number, 0);
}

void
call_session(struct call *c, enum wire_number number, CK_SESSION_HANDLE session)
{
	call_begin(c, number, REACH_SESSION);
	c->session = session;
	codec_put_ulong(&c->codec, session);
}

void
call_fail(struct call *c, CK_RV rv)
{
	if (c->rv == CKR_OK)
		c->rv = rv;
}

void
call_need(struct call *c, bool present)
{
	if (!present)
		call_fail(c, CKR_ARGUMENTS_BAD);
}

/* From a request that is all put to a reply that is open. */
static CK_RV
round_trip(struct call *c, size_t body)
{
	struct channel *channel;
	struct ride_turn turn;
	CK_RV rv;

	rv = module_channel(c->module, c->reach, &channel);
	if (rv != CKR_OK) {
		c->unreachable = true;
		return rv;
	}
	c->codec.h.seq = channel_seq(channel);
	rv = codec_end(&c->codec);
	if (rv != CKR_OK)
		return rv;
	rv = ride_before(channel_rides(channel), channel, &turn, c->session, c->codec.buf.data,
		c->codec.buf.len);
	if (rv != CKR_OK)
		return rv;
	rv = channel_call(channel, c->codec.buf.data, c->codec.buf.len, WIRE_HEADER + body,
		&c->reply);
	codec_free(&c->codec);
	memset(&c->codec, 0, sizeof(c->codec));
	if (rv == CKR_OK &&
		codec_open(&c->codec, CODEC_REPLY, c->reply.frame, c->reply.len) != CKR_OK)
		rv = CKR_DEVICE_ERROR;
	else if (rv == CKR_OK)
		c->answered = true;
	if (c->answered)
		rv = c->codec.h.rv;
	ride_after(channel_rides(channel), &turn, rv, c->length_only);
	search_after(channel_searches(channel), turn.call, c->session, rv);
	return rv;
}

struct channel *
call_channel(struct call *c)
{
	struct channel *channel = NULL;

	if (c->rv != CKR_OK || c->codec.rv != CKR_OK ||
		module_channel(c->module, c->reach, &channel) != CKR_OK || channel_dead(channel))
		return NULL;
	return channel;
}

bool
call_send(struct call *c, size_t body)
{
	if (c->rv == CKR_OK)
		c->rv = round_trip(c, body);
	return c->answered && codec_has_body(&c->codec);
}

/* PKCS#11 3.1 5.1.7: what is wrong with the session is told before what is wrong with the arguments, which was found
 * here while only the daemon knows the sessions. */
static void
heed_session(struct call *c)
{
	CK_SESSION_INFO info;
	CK_RV rv;

	switch (c->rv) {
	case CKR_OK:
	case CKR_HOST_MEMORY:
	case CKR_GENERAL_ERROR:
	case CKR_DEVICE_ERROR:
	case CKR_DEVICE_REMOVED:
	case CKR_SESSION_HANDLE_INVALID:
	case CKR_CRYPTOKI_NOT_INITIALIZED:
		return;
	default:
		rv = C_GetSessionInfo(c->session, &info);
		if (rv == CKR_SESSION_HANDLE_INVALID || rv == CKR_DEVICE_REMOVED)
			c->rv = rv;
	}
}

CK_RV
call_end(struct call *c)
{
	CK_RV rv = c->answered ? codec_close(&c->codec) : CKR_OK;

	if (rv != CKR_OK)
		c->rv = rv == CKR_HOST_MEMORY ? rv : CKR_DEVICE_ERROR;
	else if (c->reach == REACH_SESSION && !c->answered && !c->unreachable)
		heed_session(c);
	codec_free(&c->codec);
	channel_reply_free(&c->reply);
	module_put(c->module);
	c->module = NULL;
	return c->rv;
}

CK_RV
call_finish(struct call *c)
{
	call_send(c, CALL_NOTHING);
	return call_end(c);
}

void
call_put_data(struct call *c, const void *data, CK_ULONG len)
{
	call_need(c, data != NULL || len == 0);
	if (len > CALL_MAX_DATA)
		call_fail(c, CKR_DATA_LEN_RANGE);
	if (c->rv == CKR_OK)
		codec_put_bytes(&c->codec, data != NULL ? data : "", len);
}

void
call_put_pin(struct call *c, const void *pin, CK_ULONG len)
{
	call_need(c, pin != NULL || len == 0);
	if (len > CALL_PIECE)
		call_fail(c, CKR_PIN_LEN_RANGE);
	if (c->rv == CKR_OK)
		codec_put_bytes(&c->codec, pin, len);
}

void
call_put_template(struct call *c, const CK_ATTRIBUTE *a, CK_ULONG n)
{
	call_need(c, a != NULL || n == 0);
	if (c->rv == CKR_OK)
		codec_put_template(&c->codec, a, n);
}

void
call_put_mechanism(struct call *c, const CK_MECHANISM *m)
{
	call_need(c, m != NULL);
	if (c->rv == CKR_OK)
		codec_put_mechanism(&c->codec, m);
}

void
call_put_message_param(struct call *c, const void *param, CK_ULONG len, bool sealing)
{
	call_need(c, param != NULL || len == 0);
	if (c->rv == CKR_OK)
		codec_put_message_param(&c->codec, param, len, sealing);
}

void
call_put_room(struct call *c, const void *out, const CK_ULONG *out_len)
{
	call_need(c, out_len != NULL);
	c->length_only = out == NULL;
	if (c->rv == CKR_OK)
		codec_put_room(&c->codec, out != NULL, out != NULL ? *out_len : 0);
}

bool
call_get_output(struct call *c, void *out, CK_ULONG *out_len, size_t likely)
{
	size_t room = out == NULL || out_len == NULL ? 0 : *out_len;
	const uint8_t *data;
	CK_ULONG length;
	size_t n;

	if (!call_send(c, CALL_OUTPUT(room < likely ? room : likely)) ||
		!codec_get_output(&c->codec, &length, &data, &n))
		return false;
	/* Success without the data would have the application read what it never got. */
	if (data != NULL ? out == NULL || n > room || n != length : out != NULL && c->rv == CKR_OK) {
		c->rv = CKR_DEVICE_ERROR;
		return false;
	}
	if (data != NULL && n > 0)
		memcpy(out, data, n);
	*out_len = length;
	return true;
}

CK_RV
call_output(struct call *c, void *out, CK_ULONG *out_len, size_t likely)
{
	call_get_output(c, out, out_len, likely);
	return call_end(c);
}

CK_RV
call_cancel(CK_SESSION_HANDLE session, CK_FLAGS operations)
{
	struct call c;

	call_session(&c, WIRE_SESSION_CANCEL, session);
	codec_put_ulong(&c.codec, operations);
	return call_finish(&c);
}

CK_RV
call_used(const struct call *c, CK_FLAGS operations)
{
	CK_RV rv = c->rv;

	if (rv != CKR_OK && !c->answered && !c->unreachable && rv != CKR_CRYPTOKI_NOT_INITIALIZED &&
		rv != CKR_SESSION_HANDLE_INVALID)
		call_cancel(c->session, operations);
	return rv;
}

CK_RV
call_absorb(enum wire_number number, CK_SESSION_HANDLE session, CK_FLAGS operations, const void *in, CK_ULONG len)
{
	const uint8_t *data = in;
	CK_ULONG done = 0;
	CK_RV rv;

	do {
		CK_ULONG piece = len - done < CALL_PIECE ? len - done : CALL_PIECE;
		struct call c;

		call_session(&c, number, session);
		call_put_data(&c, data == NULL ? NULL : data + done, piece);
		call_finish(&c);
		rv = call_used(&c, operations);
		done += piece;
	} while (rv == CKR_OK && done < len);
	return rv;
}

void
call_give_list(struct call *c, const CK_ULONG *list, size_t n, CK_ULONG *out, CK_ULONG *count)
{
	if (out != NULL && *count < n)
		c->rv = CKR_BUFFER_TOO_SMALL;
	else if (out != NULL && n > 0)
		memcpy(out, list, n * sizeof(*list));
	*count = n;
}

void
call_get_list(struct call *c, CK_ULONG *out, CK_ULONG *count, size_t max)
{
	CK_ULONG *list = NULL;
	size_t n;

	if (!codec_get_ulongs(&c->codec, &list, &n, max))
		return;
	call_give_list(c, list, n, out, count);
	free(list);
}
