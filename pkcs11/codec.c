#include "codec_inner.h"

#include "answer.h"

#include <stdlib.h>
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

/* A type that does not fit the wire travels as one that no attribute has. */
static uint32_t
wire_type(CK_ATTRIBUTE_TYPE type)
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

bool
codec_put_byte(struct codec *m, uint8_t v)
{
	if (!codec_expect(m, 'y'))
		return false;
	buf_put_u8(&m->buf, v);
	return codec_written(m);
}

bool
codec_put_ulong(struct codec *m, CK_ULONG v)
{
	if (!codec_expect(m, 'u'))
		return false;
	buf_put_ulong(&m->buf, v);
	return codec_written(m);
}

/* The bytes of 'b' and of parts of other letters. */
static bool
put_bytes(struct codec *m, const void *data, size_t len)
{
	if (data == NULL && len > 0)
		return codec_fail(m, CKR_ARGUMENTS_BAD);
	if (len > WIRE_MAX_FRAME - WIRE_HEADER)
		return codec_fail(m, CKR_DATA_LEN_RANGE);
	buf_put_bytes(&m->buf, data, len);
	return codec_written(m);
}

bool
codec_put_bytes(struct codec *m, const void *data, size_t len)
{
	return codec_expect(m, 'b') && put_bytes(m, data, len);
}

bool
codec_put_room(struct codec *m, bool present, CK_ULONG size)
{
	if (!codec_expect(m, 'o'))
		return false;
	buf_put_u8(&m->buf, present);
	buf_put_ulong(&m->buf, size);
	return codec_written(m);
}

bool
codec_put_output(struct codec *m, CK_ULONG length, const void *data)
{
	if (!codec_expect(m, 'O'))
		return false;
	buf_put_ulong(&m->buf, length);
	return put_bytes(m, data, data == NULL ? 0 : length);
}

bool
codec_put_ulongs(struct codec *m, const CK_ULONG *v, size_t n)
{
	if (!codec_expect(m, 'h'))
		return false;
	if (n > WIRE_MAX_FRAME / 8)
		return codec_fail(m, CKR_HOST_MEMORY);
	buf_put_u32(&m->buf, (uint32_t)n);
	for (size_t i = 0; i < n; i++)
		buf_put_ulong(&m->buf, v[i]);
	return codec_written(m);
}

bool
codec_put_template(struct codec *m, const CK_ATTRIBUTE *a, CK_ULONG n)
{
	struct attrs s = {0};
	CK_RV rv;

	if (m->rv != CKR_OK)
		return false;
	rv = attrs_from_array(&s, a, n);
	if (rv != CKR_OK)
		return codec_fail(m, rv);
	codec_put_attrs(m, &s);
	attrs_free(&s);
	return m->rv == CKR_OK;
}

bool
codec_put_attrs(struct codec *m, const struct attrs *s)
{
	if (!codec_expect(m, 'a'))
		return false;
	attrs_encode(&m->buf, s);
	return codec_written(m);
}

bool
codec_put_query(struct codec *m, const CK_ATTRIBUTE *a, CK_ULONG n)
{
	if (!codec_expect(m, 'q'))
		return false;
	if ((a == NULL && n > 0) || n > ATTRS_MAX_COUNT)
		return codec_fail(m, CKR_ARGUMENTS_BAD);
	buf_put_u32(&m->buf, (uint32_t)n);
	for (CK_ULONG i = 0; i < n; i++) {
		buf_put_u32(&m->buf, wire_type(a[i].type));
		buf_put_u8(&m->buf, a[i].pValue != NULL);
		buf_put_ulong(&m->buf, a[i].pValue != NULL ? a[i].ulValueLen : 0);
	}
	return codec_written(m);
}

bool
codec_put_again(struct codec *m, const char *letters, const void *data, size_t len)
{
	for (; *letters != '\0'; letters++) {
		if (!codec_expect(m, *letters))
			return false;
	}
	buf_put(&m->buf, data, len);
	return codec_written(m);
}

bool
codec_put_answers_begin(struct codec *m, size_t n)
{
	if (!codec_expect(m, 'r'))
		return false;
	buf_put_u32(&m->buf, (uint32_t)n);
	return codec_written(m);
}

bool
codec_put_answer(struct codec *m, CK_ATTRIBUTE_TYPE type, CK_ULONG length, const struct attr *a,
	bool with_value)
{
	struct buf *b = &m->buf;
	size_t at, before;

	if (m->rv != CKR_OK)
		return false;
	buf_put_u32(b, wire_type(type));
	buf_put_ulong(b, length);
	at = b->len;
	if (a == NULL || !with_value) {
		buf_put_u32(b, BUF_NULL_LENGTH);
		return codec_written(m);
	}
	buf_put_u32(b, 0);
	before = b->len;
	attr_encode_value(b, a);
	if (!buf_failed(b))
		buf_poke_u32(b, at, (uint32_t)(b->len - before));
	return codec_written(m);
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

bool
codec_get_byte(struct codec *m, uint8_t *v)
{
	*v = 0;
	if (!codec_expect(m, 'y'))
		return false;
	buf_get_u8(&m->buf, v);
	return codec_was_read(m);
}

bool
codec_get_ulong(struct codec *m, CK_ULONG *v)
{
	*v = 0;
	if (!codec_expect(m, 'u'))
		return false;
	buf_get_ulong(&m->buf, v);
	return codec_was_read(m);
}

bool
codec_get_bytes(struct codec *m, const uint8_t **data, size_t *len)
{
	*data = NULL;
	*len = 0;
	if (!codec_expect(m, 'b'))
		return false;
	buf_get_bytes(&m->buf, data, len);
	return codec_was_read(m);
}

static bool
get_presence(struct buf *b, bool *present)
{
	uint8_t v;

	if (buf_get_u8(b, &v) && v > 1)
		b->failed = true;
	*present = v == 1;
	return !b->failed;
}

bool
codec_get_room(struct codec *m, bool *present, CK_ULONG *size)
{
	*present = false;
	*size = 0;
	if (!codec_expect(m, 'o'))
		return false;
	get_presence(&m->buf, present);
	buf_get_ulong(&m->buf, size);
	return codec_was_read(m);
}

bool
codec_get_output(struct codec *m, CK_ULONG *length, const uint8_t **data, size_t *len)
{
	*length = 0;
	*data = NULL;
	*len = 0;
	if (!codec_expect(m, 'O'))
		return false;
	buf_get_ulong(&m->buf, length);
	buf_get_bytes(&m->buf, data, len);
	if (*data != NULL && *len != *length)
		return codec_fail(m, CKR_ARGUMENTS_BAD);
	return codec_was_read(m);
}

bool
codec_get_ulongs(struct codec *m, CK_ULONG **v, size_t *n, size_t max)
{
	uint32_t count;

	*v = NULL;
	*n = 0;
	if (!codec_expect(m, 'h'))
		return false;
	if (!buf_get_u32(&m->buf, &count) || count > max || count > buf_left(&m->buf) / 8)
		return codec_fail(m, CKR_ARGUMENTS_BAD);
	if (count == 0)
		return true;
	*v = malloc(count * sizeof(**v));
	if (*v == NULL)
		return codec_fail(m, CKR_HOST_MEMORY);
	for (uint32_t i = 0; i < count; i++)
		buf_get_ulong(&m->buf, &(*v)[i]);
	if (!codec_was_read(m)) {
		free(*v);
		*v = NULL;
		return false;
	}
	*n = count;
	return true;
}

bool
codec_get_attrs(struct codec *m, struct attrs *s)
{
	CK_RV rv;

	if (!codec_expect(m, 'a'))
		return false;
	rv = attrs_decode(&m->buf, s);
	if (rv == CKR_OK && attrs_has_internal(s)) {
		attrs_free(s);
		rv = CKR_ATTRIBUTE_TYPE_INVALID;
	}
	return rv == CKR_OK ? true : codec_fail(m, rv);
}

bool
codec_get_query(struct codec *m, struct codec_query **q, size_t *n)
{
	struct codec_query *items;
	uint32_t count, type;

	*q = NULL;
	*n = 0;
	if (!codec_expect(m, 'q'))
		return false;
	/* 13 bytes an item */
	if (!buf_get_u32(&m->buf, &count) || count > ATTRS_MAX_COUNT ||
		count > buf_left(&m->buf) / 13)
		return codec_fail(m, CKR_ARGUMENTS_BAD);
	items = calloc(count + 1, sizeof(*items));
	if (items == NULL)
		return codec_fail(m, CKR_HOST_MEMORY);
	for (uint32_t i = 0; i < count; i++) {
		buf_get_u32(&m->buf, &type);
		items[i].type = type;
		get_presence(&m->buf, &items[i].present);
		buf_get_ulong(&m->buf, &items[i].room);
	}
	if (!codec_was_read(m)) {
		free(items);
		return false;
	}
	*q = items;
	*n = count;
	return true;
}

bool
codec_get_answers(struct codec *m, CK_ATTRIBUTE *a, CK_ULONG n)
{
	bool too_small = false;
	uint32_t count;

	if (!codec_expect(m, 'r'))
		return false;
	if (!buf_get_u32(&m->buf, &count) || count != n)
		return codec_fail(m, CKR_ARGUMENTS_BAD);
	for (CK_ULONG i = 0; i < n; i++) {
		const uint8_t *data;
		uint32_t type;
		CK_ULONG length;
		size_t len;
		CK_RV rv;

		buf_get_u32(&m->buf, &type);
		buf_get_ulong(&m->buf, &length);
		buf_get_bytes(&m->buf, &data, &len);
		if (buf_failed(&m->buf) || type != wire_type(a[i].type))
			return codec_fail(m, CKR_ARGUMENTS_BAD);
		if (data == NULL) {
			/* a length that the application would take for that of its buffer's content */
			if (a[i].pValue != NULL && (m->h.rv == CKR_OK || length != CK_UNAVAILABLE_INFORMATION))
				return codec_fail(m, CKR_ARGUMENTS_BAD);
			a[i].ulValueLen = length;
			continue;
		}
		rv = answer_fill(&a[i], data, len, &too_small);
		if (rv == CKR_OK && a[i].ulValueLen != length)
			rv = CKR_ARGUMENTS_BAD;
		if (rv != CKR_OK)
			return codec_fail(m, rv);
	}
	if (too_small && m->h.rv == CKR_OK)
		m->h.rv = CKR_BUFFER_TOO_SMALL;
	return codec_was_read(m);
}
