#include "buf.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define BUF_LARGE (64u << 10)
#define BUF_FIRST 256u

void
wipe(void *p, size_t len)
{
	if (p != NULL && len > 0)
		explicit_bzero(p, len);
}

bool
equal_ct(const void *a, const void *b, size_t len)
{
	const volatile uint8_t *x = a, *y = b;
	uint8_t diff = 0;

	for (size_t i = 0; i < len; i++)
		diff |= x[i] ^ y[i];
	return diff == 0;
}

void
buf_init(struct buf *b, size_t max)
{
	memset(b, 0, sizeof(*b));
	b->max = max;
}

void
buf_init_const(struct buf *b, const void *data, size_t len)
{
	memset(b, 0, sizeof(*b));
	b->data = (uint8_t *)data; /* cap 0: never written through */
	b->len = len;
	b->max = len;
	b->failed = data == NULL && len > 0;
}

void
buf_init_fixed(struct buf *b, void *memory, size_t len)
{
	memset(b, 0, sizeof(*b));
	b->data = memory;
	b->cap = len;
	b->max = len;
	b->fixed = true;
}

void
buf_free(struct buf *b)
{
	if (b->cap > 0 && !b->fixed) {
		wipe(b->data, b->cap);
		free(b->data);
	}
	memset(b, 0, sizeof(*b));
}

void
buf_clear(struct buf *b)
{
	if (b->cap > 0) {
		wipe(b->data, b->len);
	} else {
		b->data = NULL; /* borrowed bytes are not ours to wipe */
	}
	b->len = 0;
	b->pos = 0;
	b->failed = false;
}

bool
buf_failed(const struct buf *b)
{
	return b->failed;
}

/* A borrowed buffer has data without capacity. */
static bool
is_borrowed(const struct buf *b)
{
	return b->cap == 0 && b->data != NULL;
}

static bool
grow(struct buf *b, size_t need)
{
	size_t cap = b->cap == 0 ? BUF_FIRST : b->cap;
	uint8_t *data;

	if (b->fixed)
		return false;
	/* One large put is most often the last: doubling would clear, and later wipe, up to twice its size. */
	if (need >= BUF_LARGE && need > 2 * cap)
		cap = need + BUF_FIRST;
	while (cap < need)
		cap = cap > b->max / 2 ? b->max : cap * 2;
	if (cap > b->max)
		cap = b->max;
	data = malloc(cap);
	if (data == NULL)
		return false;
	if (b->len > 0)
		memcpy(data, b->data, b->len);
	wipe(b->data, b->cap);
	free(b->data);
	b->data = data;
	b->cap = cap;
	return true;
}

uint8_t *
buf_extend(struct buf *b, size_t len)
{
	uint8_t *at;

	if (b->failed)
		return NULL;
	if (is_borrowed(b) || len > b->max || b->len > b->max - len)
		goto fail;
	/* an empty put too yields a pointer, if the buffer may hold anything at all */
	if ((b->len + len > b->cap || b->data == NULL) &&
		(b->max == 0 || !grow(b, b->len + len)))
		goto fail;
	at = b->data + b->len;
	b->len += len;
	return at;
fail:
	b->failed = true;
	return NULL;
}

bool
buf_put(struct buf *b, const void *data, size_t len)
{
	uint8_t *to;

	if (len == 0)
		return !b->failed;
	if (data == NULL) {
		b->failed = true;
		return false;
	}
	to = buf_extend(b, len);
	if (to == NULL)
		return false;
	memcpy(to, data, len);
	return true;
}

static void
store_le(uint8_t *to, uint64_t v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		to[i] = (uint8_t)(v >> (8 * i));
}

static uint64_t
load_le(const uint8_t *from, size_t n)
{
	uint64_t v = 0;

	for (size_t i = n; i > 0; i--)
		v = v << 8 | from[i - 1];
	return v;
}

static bool
put_le(struct buf *b, uint64_t v, size_t n)
{
	uint8_t *to = buf_extend(b, n);

	if (to == NULL)
		return false;
	store_le(to, v, n);
	return true;
}

bool
buf_put_u8(struct buf *b, uint8_t v)
{
	return put_le(b, v, 1);
}

bool
buf_put_u16(struct buf *b, uint16_t v)
{
	return put_le(b, v, 2);
}

bool
buf_put_u32(struct buf *b, uint32_t v)
{
	return put_le(b, v, 4);
}

bool
buf_put_u64(struct buf *b, uint64_t v)
{
	return put_le(b, v, 8);
}

static uint64_t
widen(unsigned long v)
{
	return v == ULONG_MAX ? UINT64_MAX : v;
}

bool
buf_put_ulong(struct buf *b, unsigned long v)
{
	return buf_put_u64(b, widen(v));
}

bool
buf_put_bytes(struct buf *b, const void *data, size_t len)
{
	if (data == NULL && len == 0)
		return buf_put_u32(b, BUF_NULL_LENGTH);
	if (len >= BUF_NULL_LENGTH) {
		b->failed = true;
		return false;
	}
	return buf_put_u32(b, (uint32_t)len) && buf_put(b, data, len);
}

bool
buf_poke_u32(struct buf *b, size_t at, uint32_t v)
{
	if (b->failed)
		return false;
	if (is_borrowed(b) || b->len < 4 || at > b->len - 4) {
		b->failed = true;
		return false;
	}
	store_le(b->data + at, v, 4);
	return true;
}

void
buf_truncate(struct buf *b, size_t len)
{
	if (len >= b->len)
		return;
	if (b->cap > 0)
		wipe(b->data + len, b->len - len);
	b->len = len;
	if (b->pos > len)
		b->pos = len;
}

size_t
buf_left(const struct buf *b)
{
	return b->failed ? 0 : b->len - b->pos;
}

bool
buf_get_view(struct buf *b, const uint8_t **data, size_t len)
{
	if (b->failed || len > b->len - b->pos) {
		b->failed = true;
		*data = NULL;
		return false;
	}
	/* never NULL on success, so that callers can tell empty from NULL */
	*data = b->data == NULL ? (const uint8_t *)"" : b->data + b->pos;
	b->pos += len;
	return true;
}

bool
buf_get(struct buf *b, void *out, size_t len)
{
	const uint8_t *from;

	if (!buf_get_view(b, &from, len)) {
		if (len > 0)
			memset(out, 0, len);
		return false;
	}
	if (len > 0)
		memcpy(out, from, len);
	return true;
}

static uint64_t
get_le(struct buf *b, size_t n)
{
	const uint8_t *from;

	return buf_get_view(b, &from, n) ? load_le(from, n) : 0;
}

bool
buf_get_u8(struct buf *b, uint8_t *v)
{
	*v = (uint8_t)get_le(b, 1);
	return !b->failed;
}

bool
buf_get_u16(struct buf *b, uint16_t *v)
{
	*v = (uint16_t)get_le(b, 2);
	return !b->failed;
}

bool
buf_get_u32(struct buf *b, uint32_t *v)
{
	*v = (uint32_t)get_le(b, 4);
	return !b->failed;
}

bool
buf_get_u64(struct buf *b, uint64_t *v)
{
	*v = get_le(b, 8);
	return !b->failed;
}

bool
buf_get_ulong(struct buf *b, unsigned long *v)
{
	uint64_t wide = get_le(b, 8);

	*v = (unsigned long)wide;
	if (!b->failed && widen(*v) != wide) {
		b->failed = true;
		*v = 0;
	}
	return !b->failed;
}

bool
buf_get_bytes(struct buf *b, const uint8_t **data, size_t *len)
{
	uint32_t n;

	*data = NULL;
	*len = 0;
	if (!buf_get_u32(b, &n))
		return false;
	if (n == BUF_NULL_LENGTH)
		return true;
	if (!buf_get_view(b, data, n))
		return false;
	*len = n;
	return true;
}

bool
buf_at_end(const struct buf *b)
{
	return !b->failed && b->pos == b->len;
}
