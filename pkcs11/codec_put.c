/* Items of a frame written: a function for each letter. */
#include "codec_inner.h"

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
		buf_put_u32(&m->buf, codec_wire_type(a[i].type));
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
	buf_put_u32(b, codec_wire_type(type));
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
