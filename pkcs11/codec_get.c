/* Items of a frame read, which comes from the other side and is believed in nothing: a function for each letter. */
#include "codec_inner.h"

#include <stdlib.h>

#include "answer.h"

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
		if (buf_failed(&m->buf) || type != codec_wire_type(a[i].type))
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
