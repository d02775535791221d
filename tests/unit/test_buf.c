#include "pkcs11/buf.h"

#include <stdlib.h>
#include <string.h>

#include "unit.h"

static void
round_trip(void)
{
	static const uint8_t wanted[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
	const uint8_t *data;
	struct buf b;
	uint8_t u8;
	uint16_t u16;
	uint32_t u32;
	uint64_t u64;
	unsigned long ul;
	size_t len;

	buf_init(&b, 1000);
	CHECK(buf_put_u8(&b, 1) && buf_put_u16(&b, 0x0302) && buf_put_u32(&b, 0x07060504));
	CHECK(buf_put_u64(&b, 0x0f0e0d0c0b0a0908));
	CHECK(b.len == sizeof(wanted) && memcmp(b.data, wanted, sizeof(wanted)) == 0);
	CHECK(buf_put_bytes(&b, "abc", 3) && buf_put_bytes(&b, NULL, 0) && buf_put_bytes(&b, "", 0));
	CHECK(buf_put_ulong(&b, ~0ul) && buf_put_ulong(&b, 5));

	CHECK(buf_get_u8(&b, &u8) && u8 == 1);
	CHECK(buf_get_u16(&b, &u16) && u16 == 0x0302);
	CHECK(buf_get_u32(&b, &u32) && u32 == 0x07060504);
	CHECK(buf_get_u64(&b, &u64) && u64 == 0x0f0e0d0c0b0a0908);
	CHECK(buf_get_bytes(&b, &data, &len) && len == 3 && memcmp(data, "abc", 3) == 0);
	CHECK(buf_get_bytes(&b, &data, &len) && len == 0 && data == NULL);
	CHECK(buf_get_bytes(&b, &data, &len) && len == 0 && data != NULL);
	CHECK(!buf_at_end(&b));
	CHECK(buf_get_ulong(&b, &ul) && ul == ~0ul);
	CHECK(buf_get_ulong(&b, &ul) && ul == 5);
	CHECK(buf_at_end(&b));
	buf_free(&b);
	CHECK(b.data == NULL);
}

static void
limits_hold(void)
{
	uint8_t four[4] = {9, 9, 9, 9};
	struct buf b;
	uint32_t v = 7;

	buf_init(&b, 4);
	CHECK(buf_put_u32(&b, 1));
	CHECK(!buf_put_u8(&b, 1) && buf_failed(&b));
	CHECK(b.len == 4);
	CHECK(!buf_get_u32(&b, &v) && v == 0); /* sticky */
	buf_clear(&b);
	CHECK(!buf_failed(&b) && buf_put_u32(&b, 2));
	CHECK(buf_poke_u32(&b, 0, 3) && buf_get_u32(&b, &v) && v == 3);
	CHECK(!buf_poke_u32(&b, 1, 3) && buf_failed(&b));
	buf_free(&b);

	buf_init(&b, 0);
	CHECK(buf_extend(&b, 0) == NULL && buf_failed(&b));
	buf_free(&b);

	buf_init(&b, SIZE_MAX);
	CHECK(buf_put_u8(&b, 1));
	CHECK(buf_extend(&b, SIZE_MAX) == NULL && buf_failed(&b));
	buf_free(&b);

	buf_init(&b, 100);
	CHECK(!buf_put_bytes(&b, NULL, 3) && buf_failed(&b));
	buf_free(&b);

	buf_init_const(&b, four, 4);
	CHECK(!buf_put_u8(&b, 0) && buf_failed(&b) && four[0] == 9);
	buf_free(&b);
	CHECK(four[0] == 9);
	buf_init_const(&b, NULL, 4);
	CHECK(buf_failed(&b));
	buf_init_const(&b, NULL, 0);
	CHECK(buf_at_end(&b));
}

static void
reads_stay_inside(void)
{
	static const uint8_t lies[] = {0xfe, 0xff, 0xff, 0xff, 'a'};
	const uint8_t *data = lies;
	size_t len = 9;
	struct buf b;
	uint64_t v = 1;

	buf_init_const(&b, lies, sizeof(lies));
	CHECK(!buf_get_bytes(&b, &data, &len) && data == NULL && len == 0 && buf_failed(&b));
	buf_init_const(&b, lies, sizeof(lies));
	CHECK(!buf_get_u64(&b, &v) && v == 0 && buf_left(&b) == 0);
	buf_init_const(&b, lies, sizeof(lies));
	CHECK(!buf_get_view(&b, &data, SIZE_MAX) && data == NULL);
	buf_init_const(&b, lies, sizeof(lies));
	CHECK(buf_left(&b) == 5 && buf_get_view(&b, &data, 5) && buf_left(&b) == 0 && buf_at_end(&b));
	CHECK(buf_get_view(&b, &data, 0) && data != NULL);
}

static void
grows_and_wipes(void)
{
	struct buf b;
	bool good = true;

	buf_init(&b, 1 << 20);
	for (unsigned i = 0; i < 100000; i++)
		good = good && buf_put_u32(&b, i);
	for (uint32_t i = 0, v; i < 100000; i++)
		good = good && buf_get_u32(&b, &v) && v == i;
	CHECK(good && buf_at_end(&b) && b.cap <= 1 << 20);
	buf_truncate(&b, 4);
	CHECK(b.len == 4 && b.pos == 4 && b.data[4] == 0 && b.data[399999] == 0);
	buf_clear(&b);
	CHECK(b.len == 0 && b.data[0] == 0);
	buf_free(&b);
}

static void
comparison(void)
{
	CHECK(equal_ct("abc", "abc", 3) && !equal_ct("abc", "abd", 3) && equal_ct("a", "b", 0));
}

int
main(void)
{
	round_trip();
	limits_hold();
	reads_stay_inside();
	grows_and_wipes();
	comparison();
	return unit_done("test_buf");
}
