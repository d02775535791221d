/* Frames begun and ended, opened and closed, and the ground that the items stand on (codec_put.c, codec_get.c,
 * codec_param.c). */
#include "codec_inner.h"

#include <string.h>

/* ---- the common ground of both directions -------------------------------------------------- */

bool
codec_fail(struct codec *m, CK_RV rv)
{
	if (m->rv == CKR_OK)
		m->rv = rv;
	m->buf.failed = true;
	return false;
}

bool
codec_expect(struct codec *m, char letter)
{
	if (m->rv != CKR_OK || m->buf.failed)
		return codec_fail(m, CKR_GENERAL_ERROR);
	if (m->sig == NULL || *m->sig != letter)
		return codec_fail(m, CKR_GENERAL_ERROR);
	m->sig++;
	return true;
}

bool
codec_written(struct codec *m)
{
	return buf_failed(&m->buf) ? codec_fail(m, CKR_HOST_MEMORY) : true;
}

bool
codec_was_read(struct codec *m)
{
	return buf_failed(&m->buf) ? codec_fail(m, CKR_ARGUMENTS_BAD) : true;
}

uint32_t
codec_wire_type(CK_ATTRIBUTE_TYPE type)
{
	return type > UINT32_MAX ? UINT32_MAX : (uint32_t)type;
}

/* Which failures may come with a body: those that hand out lengths or the rest of the answer. */
static bool
takes_body(const struct wire_call *row, CK_RV rv)
{
	if (row == NULL)
		return false;
	if (rv == CKR_OK)
		return true;
	if (strchr(row->reply, 'r') != NULL)
		return rv == CKR_BUFFER_TOO_SMALL || rv == CKR_ATTRIBUTE_SENSITIVE ||
			rv == CKR_ATTRIBUTE_TYPE_INVALID;
	return rv == CKR_BUFFER_TOO_SMALL && strchr(row->reply, 'O') != NULL;
}

void
codec_free(struct codec *m)
{
	buf_free(&m->buf);
	memset(m, 0, sizeof(*m));
}

/* ---- writing ------------------------------------------------------------------------------- */

static void
start(struct codec *m, const struct wire_header *h, const struct wire_call *row, const char *sig)
{
	static const uint8_t blank[WIRE_HEADER];

	if (m->buf.cap == 0)
		buf_init(&m->buf, WIRE_MAX_FRAME);
	else
		buf_clear(&m->buf);
	m->buf.max = WIRE_MAX_FRAME;
	m->h = (struct wire_header){.call = h->call, .seq = h->seq};
	m->row = row;
	m->sig = sig;
	m->rv = CKR_OK;
	buf_put(&m->buf, blank, sizeof(blank));
	codec_written(m);
}

void
codec_begin(struct codec *m, uint32_t call, uint32_t seq)
{
	const struct wire_call *row = wire_call(call);
	struct wire_header h = {.call = call, .seq = seq};

	start(m, &h, row, row == NULL ? "" : row->request);
	if (row == NULL)
		codec_fail(m, CKR_GENERAL_ERROR);
}

void
codec_reply(struct codec *m, const struct wire_header *request)
{
	struct wire_header h = *request; /* it may be m->h */
	const struct wire_call *row = wire_call(h.call);

	start(m, &h, row, row == NULL ? "" : row->reply);
}

static CK_RV
finish(struct codec *m)
{
	m->h.length = (uint32_t)m->buf.len;
	wire_put_header(m->buf.data, &m->h);
	return CKR_OK;
}

CK_RV
codec_end(struct codec *m)
{
	if (m->rv == CKR_OK && *m->sig != '\0')
		codec_fail(m, CKR_GENERAL_ERROR);
	if (m->rv != CKR_OK)
		return m->rv;
	return finish(m);
}

CK_RV
codec_end_rv(struct codec *m, CK_RV rv)
{
	bool whole = m->rv == CKR_OK && m->sig != NULL && *m->sig == '\0';

	if (rv == CKR_OK && !whole)
		rv = m->rv != CKR_OK ? m->rv : CKR_GENERAL_ERROR;
	m->buf.failed = false; /* a header can be sent in any case */
	if (!whole || !takes_body(m->row, rv))
		buf_truncate(&m->buf, WIRE_HEADER);
	if (m->buf.len < WIRE_HEADER) /* memory was out from the start */
		return CKR_HOST_MEMORY;
	m->h.rv = (uint32_t)rv;
	finish(m);
	return rv;
}

/* ---- reading ------------------------------------------------------------------------------- */

static CK_RV
check_header(struct codec *m, enum codec_side side, size_t len)
{
	if (m->h.length != len || len > WIRE_MAX_FRAME)
		return CKR_ARGUMENTS_BAD;
	m->row = wire_call(m->h.call);
	if (m->row == NULL)
		return CKR_FUNCTION_NOT_SUPPORTED;
	if (side == CODEC_REQUEST) {
		m->sig = m->row->request;
		return m->h.rv == 0 ? CKR_OK : CKR_ARGUMENTS_BAD;
	}
	if (m->h.rv == CKR_OK || (len > WIRE_HEADER && takes_body(m->row, m->h.rv)))
		m->sig = m->row->reply;
	return CKR_OK;
}

CK_RV
codec_open(struct codec *m, enum codec_side side, const void *frame, size_t len)
{
	CK_RV rv = CKR_ARGUMENTS_BAD;

	if (m->buf.cap > 0 && frame == m->buf.data && len == m->buf.len) {
		m->buf.pos = 0;
		m->buf.failed = false;
	} else {
		buf_free(&m->buf);
		buf_init_const(&m->buf, frame, len);
	}
	memset(&m->h, 0, sizeof(m->h));
	m->row = NULL;
	m->sig = "";
	m->rv = CKR_OK;
	if (!m->buf.failed && len >= WIRE_HEADER) {
		wire_get_header(m->buf.data, &m->h);
		m->buf.pos = WIRE_HEADER;
		rv = check_header(m, side, len);
	}
	if (rv != CKR_OK)
		codec_fail(m, rv);
	return rv;
}

bool
codec_has_body(const struct codec *m)
{
	return m->sig != NULL && *m->sig != '\0';
}

CK_RV
codec_close(struct codec *m)
{
	if (m->rv != CKR_OK)
		return m->rv;
	if (*m->sig != '\0')
		codec_fail(m, CKR_GENERAL_ERROR);
	else if (!buf_at_end(&m->buf))
		codec_fail(m, CKR_ARGUMENTS_BAD);
	return m->rv;
}
