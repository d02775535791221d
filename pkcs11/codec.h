/*
 * codec.h - puts the items of a frame's body into bytes and takes them out again, by signature
 *
 * Use:        client: codec_begin(&m, WIRE_OPEN_SESSION, seq); codec_put_ulong(&m, slot); ...
 *                     codec_end(&m) -> m.buf holds the frame to send
 *                     codec_open(&m, CODEC_REPLY, bytes, len); codec_get_ulong(&m, &h); codec_close(&m)
 *             daemon: the mirror image: codec_open(&m, CODEC_REQUEST, ...), codec_get_*, codec_close;
 *                     codec_reply(&m, &request_header); codec_put_*; codec_end_rv(&m, rv)
 * Ownership:  what get hands out points into the frame, which must outlive it, except attrs and
 *             params, which the caller frees.
 * Errors:     sticky in m->buf.failed and m->rv: CKR_ARGUMENTS_BAD for malformed bytes, or the finer code of
 *             attrs_decode and param_decode. A letter that does not match the call's signature
 *             is an error in our own code: it fails the message with CKR_GENERAL_ERROR.
 * Secrets:    frames carry PINs and key values: codec_free wipes.
 * Format:     docs/PROTOCOL.md; the letters are in wire.h.
 */
#ifndef TOKENFS_CODEC_H
#define TOKENFS_CODEC_H

#include "attr.h"
#include "buf.h"
#include "param.h"
#include "wire.h"

enum codec_side { CODEC_REQUEST, CODEC_REPLY };

struct codec {
	struct buf buf;
	struct wire_header h;
	const struct wire_call *row;
	const char *sig; /* what is still to come */
	CK_RV rv;        /* first error, else CKR_OK */
};

/* Writing. A zeroed struct codec may be freed at any time; begin/reply reuse its memory. */
void codec_begin(struct codec *m, uint32_t call, uint32_t seq);
void codec_reply(struct codec *m, const struct wire_header *request);
CK_RV codec_end(struct codec *m);            /* request: all letters put? fills the header */
CK_RV codec_end_rv(struct codec *m, CK_RV rv); /* reply: drops the body if rv takes none or it is unfinished */
bool codec_put_byte(struct codec *m, uint8_t v);
bool codec_put_ulong(struct codec *m, CK_ULONG v);
bool codec_put_bytes(struct codec *m, const void *data, size_t len);
bool codec_put_room(struct codec *m, bool present, CK_ULONG size);
/* length is what the application learns; data NULL when only the length is returned. */
bool codec_put_output(struct codec *m, CK_ULONG length, const void *data);
bool codec_put_ulongs(struct codec *m, const CK_ULONG *v, size_t n);
bool codec_put_template(struct codec *m, const CK_ATTRIBUTE *a, CK_ULONG n);
bool codec_put_attrs(struct codec *m, const struct attrs *s);
bool codec_put_query(struct codec *m, const CK_ATTRIBUTE *a, CK_ULONG n);
bool codec_put_mechanism(struct codec *m, const CK_MECHANISM *mech);
/* sealing: see param.h. codec_put_message_mechanism: one with a message's parameter ('M'). */
bool codec_put_message_param(struct codec *m, const void *param, CK_ULONG len, bool sealing);
bool codec_put_message_mechanism(struct codec *m, const CK_MECHANISM *mech, bool sealing);
/* What was written to a parameter of the request; p NULL: nothing was. */
bool codec_put_outputs(struct codec *m, const struct param *p);
/* Items that were put into an earlier frame, by their letters, as the bytes that they were there. */
bool codec_put_again(struct codec *m, const char *letters, const void *data, size_t len);

/* One item of an attribute query, and of its answer. */
struct codec_query {
	CK_ATTRIBUTE_TYPE type;
	bool present;  /* the application gave a buffer */
	CK_ULONG room; /* its size in bytes, as the application counts */
};
/* The answer is put item by item between begin and end. length == CK_UNAVAILABLE_INFORMATION: none. */
bool codec_put_answers_begin(struct codec *m, size_t n);
/* a == NULL or !with_value: only the length travels. */
bool codec_put_answer(struct codec *m, CK_ATTRIBUTE_TYPE type, CK_ULONG length,
	const struct attr *a, bool with_value);

/* Reading. Takes a whole frame; checks its length and that the call is known: CKR_ARGUMENTS_BAD,
 * CKR_FUNCTION_NOT_SUPPORTED for a call without a row. m->h is filled whenever there are 16 bytes, so that
 * a refusal can be addressed. `frame` may be the content of m->buf itself. CKR_OK says that the frame is
 * well-formed; what the reply says is m->h.rv. */
CK_RV codec_open(struct codec *m, enum codec_side side, const void *frame, size_t len);
/* False for a reply that is a header alone although the call has letters: then take none. */
bool codec_has_body(const struct codec *m);
CK_RV codec_close(struct codec *m); /* every letter taken, nothing left over? */
bool codec_get_byte(struct codec *m, uint8_t *v);
bool codec_get_ulong(struct codec *m, CK_ULONG *v);
bool codec_get_bytes(struct codec *m, const uint8_t **data, size_t *len);
bool codec_get_room(struct codec *m, bool *present, CK_ULONG *size);
bool codec_get_output(struct codec *m, CK_ULONG *length, const uint8_t **data, size_t *len);
/* Allocates *v with malloc (n may be 0: NULL); at most max items. */
bool codec_get_ulongs(struct codec *m, CK_ULONG **v, size_t *n, size_t max);
/* Refuses attributes that are ours (attr_internal) with CKR_ATTRIBUTE_TYPE_INVALID. */
bool codec_get_attrs(struct codec *m, struct attrs *s);
bool codec_get_query(struct codec *m, struct codec_query **q, size_t *n); /* malloc'd */
bool codec_get_mechanism(struct codec *m, struct param *p);
bool codec_get_message_param(struct codec *m, struct param *p);
bool codec_get_message_mechanism(struct codec *m, struct param *p);
/* Into the application's own parameter that was put into the request. */
bool codec_get_outputs(struct codec *m, const CK_MECHANISM *mech);
bool codec_get_message_outputs(struct codec *m, const void *param, CK_ULONG len);
/* Fills the application's array from an answer: lengths always, values where returned. The array must
 * be the one that codec_put_query was given. In an array attribute (CKA_WRAP_TEMPLATE ...) each entry of the
 * application's inner array gets type and length, and its value if its buffer holds it; one that is too
 * small gets CK_UNAVAILABLE_INFORMATION and turns m->h.rv from CKR_OK to CKR_BUFFER_TOO_SMALL: so read
 * m->h.rv afterwards. An answer without the value that a buffer is there for is malformed, unless m->h.rv and
 * its length say why. */
bool codec_get_answers(struct codec *m, CK_ATTRIBUTE *a, CK_ULONG n);
void codec_free(struct codec *m);

#endif
