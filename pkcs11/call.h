/*
 * call.h - one C_ function: request, round trip, reply, in a few lines
 *
 * Use:        struct call c;
 *             call_begin(&c, WIRE_OPEN_SESSION, REACH_START);  or call_session(&c, WIRE_..., session)
 *             call_need(&c, session != NULL);
 *             codec_put_ulong(&c.codec, slot); ...
 *             if (call_send(&c, CALL_ULONG))
 *                     codec_get_ulong(&c.codec, session);
 *             return call_end(&c);
 * Ownership:  call_end frees all; every call_begin and call_session is paired with one.
 * Errors:     sticky: after the first error, c.rv, everything but call_end does nothing. A request that
 *             cannot be put into a frame gives the codec's error, a malformed reply CKR_DEVICE_ERROR.
 * Secrets:    request and reply are wiped: the request as soon as it is sent.
 */
#ifndef TOKENFS_CALL_H
#define TOKENFS_CALL_H

#include "codec.h"
#include "module.h"

struct call {
	CK_RV rv;                   /* first error, then the daemon's answer */
	struct module *module;      /* NULL: not initialised */
	enum module_reach reach;
	bool unreachable;           /* rv comes from here: there is no daemon to be had */
	bool answered;              /* codec holds a reply */
	bool length_only;           /* the application asks for the length of an output */
	CK_SESSION_HANDLE session;  /* of call_session */
	struct codec codec;
	struct channel_reply reply;
};

/* Bytes that an item takes in a reply, to tell call_send what to expect. */
#define CALL_NOTHING 0
#define CALL_ULONG 8
#define CALL_OUTPUT(room) (13 + (room)) /* also any bytes; and a byte behind it */

/* Data that goes in one frame at most; parts larger than CALL_PIECE are sent in pieces where the
 * standard's multi-part calls allow it. */
#define CALL_MAX_DATA (48u << 20)
#define CALL_PIECE (1u << 20)

/* Begins the request; reach says how far to go for a daemon (module.h). */
void call_begin(struct call *c, enum wire_number number, enum module_reach reach);
/* The same for a call whose first item is a session handle. */
void call_session(struct call *c, enum wire_number number, CK_SESSION_HANDLE session);
void call_fail(struct call *c, CK_RV rv);
/* Else CKR_ARGUMENTS_BAD. */
void call_need(struct call *c, bool present);
/* The connection, once all is put; NULL: there is none, or something was wrong before. A failed put or a
 * missing item counts as wrong, and is reported when the call is sent or ended. */
struct channel *call_channel(struct call *c);
/* True if there is a reply with a body to read: also with CKR_BUFFER_TOO_SMALL and the like in
 * c->rv. */
bool call_send(struct call *c, size_t body);
CK_RV call_end(struct call *c);
/* For calls whose reply is no more than a return value. */
CK_RV call_finish(struct call *c);
/* What C_SessionCancel does, but for the search. */
CK_RV call_cancel(CK_SESSION_HANDLE session, CK_FLAGS operations);
/* PKCS#11 3.1 5.8 and on: an error ends the operation, also one that was found here and so never reached the
 * daemon. For the result of a call that uses operations; c has ended. */
CK_RV call_used(const struct call *c, CK_FLAGS operations);

/* Data from the application: NULL with a length is CKR_ARGUMENTS_BAD, NULL without is empty. Too much
 * for a frame: CKR_DATA_LEN_RANGE. */
void call_put_data(struct call *c, const void *data, CK_ULONG len);
/* A PIN: NULL with length 0 stands for the protected authentication path and travels as NULL. */
void call_put_pin(struct call *c, const void *pin, CK_ULONG len);
void call_put_template(struct call *c, const CK_ATTRIBUTE *a, CK_ULONG n);
void call_put_mechanism(struct call *c, const CK_MECHANISM *m);
void call_put_message_param(struct call *c, const void *param, CK_ULONG len, bool sealing);
/* A call that takes input and gives no output: any length, piece by piece. operations: what an error ends. */
CK_RV call_absorb(enum wire_number number, CK_SESSION_HANDLE session, CK_FLAGS operations, const void *in,
	CK_ULONG len);

/* PKCS#11 3.1 5.2: output buffers. Puts the room, sends, and fills out and *out_len; likely: length of
 * the output if the room says nothing better. out_len NULL is CKR_ARGUMENTS_BAD. */
void call_put_room(struct call *c, const void *out, const CK_ULONG *out_len);
CK_RV call_output(struct call *c, void *out, CK_ULONG *out_len, size_t likely);
/* The same where more follows the output in the reply: true if there is a body. The caller ends the call. */
bool call_get_output(struct call *c, void *out, CK_ULONG *out_len, size_t likely);
/* The same convention for an array of numbers ('h') that the daemon sends whole. */
void call_get_list(struct call *c, CK_ULONG *out, CK_ULONG *count, size_t max);
void call_give_list(struct call *c, const CK_ULONG *list, size_t n, CK_ULONG *out, CK_ULONG *count);

/* C_GetMechanismList of the function lists up to 3.0: without what later versions of the standard added. Clients of those
 * lists look every number up in a table of their time and stop at the first one it lacks (PyKCS11). */
CK_RV call_mechanism_list_3_0(CK_SLOT_ID slot, CK_MECHANISM_TYPE *list, CK_ULONG *count);

#endif
