/* The image and the structure have the same places: a head, the entries, the values, each on a multiple of 8. */
#include "otp.h"

#include <string.h>

#include "buf.h"

#define HEAD sizeof(CK_OTP_SIGNATURE_INFO)
#define ENTRY sizeof(CK_OTP_PARAM)
_Static_assert(sizeof(CK_OTP_SIGNATURE_INFO) == 16 && offsetof(CK_OTP_SIGNATURE_INFO, ulCount) == 8 &&
		sizeof(CK_OTP_PARAM) == 24 && offsetof(CK_OTP_PARAM, pValue) == 8 &&
		offsetof(CK_OTP_PARAM, ulValueLen) == 16,
	"the image has the layout of the structures");

static size_t
padded(size_t len)
{
	return (len + 7) & ~(size_t)7;
}

size_t
otp_image_size(const struct otp_value *v, size_t n)
{
	size_t size = HEAD + n * ENTRY;

	for (size_t i = 0; i < n; i++)
		size += padded(v[i].len);
	return size;
}

void
otp_image_put(uint8_t *out, const struct otp_value *v, size_t n)
{
	size_t at = HEAD + n * ENTRY;
	struct buf b;

	buf_init_fixed(&b, out, otp_image_size(v, n));
	buf_put_u64(&b, HEAD);
	buf_put_u64(&b, n);
	for (size_t i = 0; i < n; i++) {
		buf_put_u64(&b, v[i].type);
		buf_put_u64(&b, at);
		buf_put_u64(&b, v[i].len);
		at += padded(v[i].len);
	}
	for (size_t i = 0; i < n; i++) {
		static const uint8_t zeros[8];

		buf_put(&b, v[i].data, v[i].len);
		buf_put(&b, zeros, padded(v[i].len) - v[i].len);
	}
}

/* The buffer is the application's, which may have any alignment and other threads: each field is read once. */
bool
otp_image_place(uint8_t *image, size_t len)
{
	uint8_t *entries = image + HEAD;
	uint64_t at, n, type, size, here;
	struct buf b;

	buf_init_const(&b, image, len);
	if (!buf_get_u64(&b, &at) || !buf_get_u64(&b, &n) || at != HEAD || n > (len - HEAD) / ENTRY)
		return false;
	memcpy(image, &entries, sizeof(entries));
	here = HEAD + n * ENTRY;
	for (uint64_t i = 0; i < n; i++) {
		uint8_t *entry = entries + i * ENTRY, *value = image + here;

		if (!buf_get_u64(&b, &type) || !buf_get_u64(&b, &at) || !buf_get_u64(&b, &size) || at != here ||
			size > len - here || padded(size) > len - here)
			return false;
		memcpy(entry + offsetof(CK_OTP_PARAM, pValue), &value, sizeof(value));
		here += padded(size);
	}
	return here == len;
}
