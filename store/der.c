#include "der.h"

#include <string.h>

bool
der_get(const uint8_t **p, const uint8_t *end, uint8_t tag, const uint8_t **value, size_t *len)
{
	const uint8_t *q = *p;
	size_t n, more, i;

	if (end - q < 2 || *q++ != tag)
		return false;
	n = *q++;
	if (n >= 0x80) {
		more = n & 0x7F;
		if (more < 1 || more > 2 || (size_t)(end - q) < more)
			return false;
		for (n = 0, i = 0; i < more; i++)
			n = n << 8 | *q++;
		if (n < (more == 1 ? 0x80u : 0x100u))
			return false; /* not the shortest form */
	}
	if ((size_t)(end - q) < n)
		return false;
	*value = q;
	*len = n;
	*p = q + n;
	return true;
}

bool
der_only(const uint8_t *in, size_t n, uint8_t tag, const uint8_t **value, size_t *len)
{
	const uint8_t *p = in, *v;
	size_t l;

	if (in == NULL || !der_get(&p, in + n, tag, &v, &l) || p != in + n)
		return false;
	*value = v;
	*len = l;
	return true;
}

size_t
der_size(size_t len)
{
	return (len < 0x80 ? 2u : len < 0x100 ? 3u : 4u) + len;
}

size_t
der_put_header(uint8_t *out, uint8_t tag, size_t len)
{
	uint8_t *p = out;

	*p++ = tag;
	if (len >= 0x100) {
		*p++ = 0x82;
		*p++ = (uint8_t)(len >> 8);
	} else if (len >= 0x80) {
		*p++ = 0x81;
	}
	*p++ = (uint8_t)len;
	return (size_t)(p - out);
}

/* An INTEGER that is not negative, right-aligned into size bytes. */
static bool
get_number(const uint8_t **p, const uint8_t *end, uint8_t *out, size_t size)
{
	const uint8_t *v;
	size_t n;

	if (!der_get(p, end, DER_INTEGER, &v, &n) || n == 0 || (v[0] & 0x80) != 0)
		return false;
	while (n > 0 && v[0] == 0) {
		v++;
		n--;
	}
	if (n > size)
		return false;
	memset(out, 0, size - n);
	memcpy(out + size - n, v, n);
	return true;
}

static size_t
put_number(uint8_t *out, const uint8_t *v, size_t n)
{
	size_t pad, at;

	while (n > 1 && v[0] == 0) {
		v++;
		n--;
	}
	pad = v[0] >> 7;
	at = der_put_header(out, DER_INTEGER, n + pad);
	if (pad)
		out[at++] = 0;
	memcpy(out + at, v, n);
	return at + n;
}

bool
der_pair_get(const uint8_t *in, size_t n, uint8_t *rs, size_t size)
{
	const uint8_t *p, *end;
	uint8_t both[2 * 66];

	if (size > 66 || !der_only(in, n, DER_SEQUENCE, &p, &n))
		return false;
	end = p + n;
	if (!get_number(&p, end, both, size) || !get_number(&p, end, both + size, size) || p != end)
		return false;
	memcpy(rs, both, 2 * size);
	return true;
}

size_t
der_pair_put(uint8_t *out, const uint8_t *rs, size_t size)
{
	uint8_t body[2 * (3 + 66)];
	size_t n, at;

	n = put_number(body, rs, size);
	n += put_number(body + n, rs + size, size);
	at = der_put_header(out, DER_SEQUENCE, n);
	memcpy(out + at, body, n);
	return at + n;
}
