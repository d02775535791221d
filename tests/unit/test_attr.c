#include "pkcs11/attr.h"

#include <stdlib.h>
#include <string.h>

#include "unit.h"

/* An allocator that counts, checks that what is released was wiped by nobody else, and can fail. */
static long blocks;
static long fail_after = -1;

static void *
counted_alloc(size_t len)
{
	if (fail_after == 0)
		return NULL;
	if (fail_after > 0)
		fail_after--;
	blocks++;
	return malloc(len);
}

static void
counted_release(void *p, size_t len)
{
	blocks--;
	wipe(p, len);
	free(p);
}

static void
sample(struct attrs *s)
{
	static const CK_ULONG mechs[] = {CKM_ECDSA, CKM_ECDSA_SHA256};
	struct attrs sub = {0};

	CHECK_RV(CKR_OK, attrs_set_ulong(s, CKA_CLASS, CKO_PRIVATE_KEY));
	CHECK_RV(CKR_OK, attrs_set_bool(s, CKA_TOKEN, true));
	CHECK_RV(CKR_OK, attrs_set(s, CKA_LABEL, "jwt", 3));
	CHECK_RV(CKR_OK, attrs_set(s, CKA_ID, NULL, 0));
	CHECK_RV(CKR_OK, attrs_set(s, CKA_START_DATE, "20260101", 8));
	CHECK_RV(CKR_OK, attrs_set(s, CKA_END_DATE, "", 0));
	CHECK_RV(CKR_OK, attrs_set(s, CKA_ALLOWED_MECHANISMS, mechs, sizeof(mechs)));
	CHECK_RV(CKR_OK, attrs_set(s, 0x12345, "\0\1\2", 3));
	CHECK_RV(CKR_OK, attrs_set_ulong(s, ATTR_INTERNAL_BASE | 1, 77));
	CHECK_RV(CKR_OK, attrs_set_ulong(&sub, CKA_KEY_TYPE, CKK_AES));
	CHECK_RV(CKR_OK, attrs_set_bool(&sub, CKA_SENSITIVE, true));
	CHECK_RV(CKR_OK, attrs_set_template(s, CKA_UNWRAP_TEMPLATE, &sub));
	CHECK(sub.n == 0 && sub.v == NULL);
}

static void
set_and_get(void)
{
	struct attrs s = {0}, copy = {0};
	uint8_t two = 2;

	sample(&s);
	CHECK(s.n == 10);
	CHECK(attrs_ulong(&s, CKA_CLASS, 0) == CKO_PRIVATE_KEY);
	CHECK(attrs_bool(&s, CKA_TOKEN, false) && attrs_bool(&s, CKA_PRIVATE, true));
	CHECK(attrs_ulong(&s, CKA_KEY_TYPE, 99) == 99 && attrs_ulong(&s, CKA_LABEL, 98) == 98);
	CHECK(attrs_get(&s, CKA_ID)->len == 0 && attrs_get(&s, CKA_ID)->value == NULL);

	CHECK_RV(CKR_ATTRIBUTE_VALUE_INVALID, attrs_set(&s, CKA_TOKEN, &two, 1));
	CHECK_RV(CKR_ATTRIBUTE_VALUE_INVALID, attrs_set(&s, CKA_TOKEN, "\1\0", 2));
	CHECK_RV(CKR_ATTRIBUTE_VALUE_INVALID, attrs_set(&s, CKA_TOKEN, NULL, 0));
	CHECK_RV(CKR_ATTRIBUTE_VALUE_INVALID, attrs_set(&s, CKA_CLASS, "abcd", 4));
	CHECK_RV(CKR_ATTRIBUTE_VALUE_INVALID, attrs_set(&s, CKA_START_DATE, "2026", 4));
	CHECK_RV(CKR_ATTRIBUTE_VALUE_INVALID, attrs_set(&s, CKA_ALLOWED_MECHANISMS, "abc", 3));
	CHECK_RV(CKR_ATTRIBUTE_VALUE_INVALID, attrs_set(&s, CKA_WRAP_TEMPLATE, "abc", 3));
	CHECK_RV(CKR_ARGUMENTS_BAD, attrs_set(&s, CKA_LABEL, NULL, 3));
	CHECK_RV(CKR_ATTRIBUTE_TYPE_INVALID, attrs_set(&s, 1ul << 40, "a", 1));
	CHECK(s.n == 10 && attrs_bool(&s, CKA_TOKEN, false));

	/* a value that lies in the set itself */
	CHECK_RV(CKR_OK, attrs_set(&s, CKA_LABEL, attrs_get(&s, CKA_LABEL)->value + 1, 2));
	CHECK(attrs_get(&s, CKA_LABEL)->len == 2 && memcmp(attrs_get(&s, CKA_LABEL)->value, "wt", 2) == 0);

	CHECK_RV(CKR_OK, attrs_copy(&copy, &s));
	CHECK(attrs_match(&copy, &s) && attrs_match(&s, &copy));
	CHECK_RV(CKR_OK, attrs_set_ulong(&copy, CKA_CLASS, CKO_DATA));
	CHECK(!attrs_match(&copy, &s) && attrs_ulong(&s, CKA_CLASS, 0) == CKO_PRIVATE_KEY);
	attrs_remove(&copy, CKA_CLASS);
	CHECK(!attrs_has(&copy, CKA_CLASS) && copy.n == 9 && attrs_match(&s, &copy));
	attrs_remove(&copy, CKA_CLASS);
	CHECK(attrs_has_internal(&copy));
	attrs_remove(&copy, ATTR_INTERNAL_BASE | 1);
	CHECK(!attrs_has_internal(&copy));
	attrs_free(&copy);
	attrs_free(&s);
	attrs_free(&s);
	CHECK(blocks == 0);
}

static void
width_is_bounded(void)
{
	struct attrs s = {0};
	bool good = true;

	for (unsigned i = 0; i < ATTRS_MAX_COUNT; i++)
		good = good && attrs_set(&s, 0x10000 + i, "x", 1) == CKR_OK;
	CHECK(good);
	CHECK_RV(CKR_ARGUMENTS_BAD, attrs_set(&s, 0x20000, "x", 1));
	CHECK(s.n == ATTRS_MAX_COUNT);
	attrs_free(&s);
	CHECK(blocks == 0);
}

static void
depth_is_bounded(void)
{
	struct attrs sub = {0}, outer = {0};
	struct buf b;

	CHECK_RV(CKR_OK, attrs_set_bool(&sub, CKA_TOKEN, true));
	for (unsigned i = 0; i < ATTRS_MAX_DEPTH; i++) {
		CHECK_RV(CKR_OK, attrs_set_template(&outer, CKA_WRAP_TEMPLATE, &sub));
		sub = outer;
		memset(&outer, 0, sizeof(outer));
	}
	CHECK_RV(CKR_ATTRIBUTE_VALUE_INVALID, attrs_set_template(&outer, CKA_WRAP_TEMPLATE, &sub));
	CHECK(sub.n == 1 && outer.n == 0);
	buf_init(&b, 4096);
	CHECK(attrs_encode(&b, &sub));
	CHECK_RV(CKR_OK, attrs_decode(&b, &outer));
	CHECK(attrs_match(&outer, &sub));
	attrs_free(&outer);
	/* one level more, made by hand */
	b.pos = 0;
	{
		struct buf deep;

		buf_init(&deep, 4096);
		buf_put_u32(&deep, 1);
		buf_put_u32(&deep, CKA_WRAP_TEMPLATE);
		buf_put_u8(&deep, ATTR_TEMPLATE);
		buf_put(&deep, b.data, b.len);
		CHECK_RV(CKR_ARGUMENTS_BAD, attrs_decode(&deep, &outer));
		CHECK(buf_failed(&deep) && outer.n == 0 && outer.v == NULL);
		buf_free(&deep);
	}
	buf_free(&b);
	attrs_free(&sub);
	CHECK(blocks == 0);
}

static void
encoding(void)
{
	struct attrs s = {0}, back = {0};
	struct buf b, cut;

	sample(&s);
	buf_init(&b, 1 << 16);
	CHECK(attrs_encode(&b, &s));
	CHECK_RV(CKR_OK, attrs_decode(&b, &back));
	CHECK(buf_at_end(&b) && back.n == s.n && attrs_match(&back, &s));
	attrs_free(&back);
	for (size_t len = 0; len < b.len; len++) {
		buf_init_const(&cut, b.data, len);
		CHECK(attrs_decode(&cut, &back) != CKR_OK);
		CHECK(buf_failed(&cut) && back.n == 0 && back.v == NULL);
	}
	attrs_free(&s);
	buf_free(&b);
	CHECK(blocks == 0);
}

static CK_RV
decode_bytes(const char *bytes, size_t len)
{
	struct attrs s = {0};
	struct buf b;
	CK_RV rv;

	buf_init_const(&b, bytes, len);
	rv = attrs_decode(&b, &s);
	if (rv == CKR_OK && !buf_at_end(&b))
		rv = CKR_GENERAL_ERROR;
	attrs_free(&s);
	return rv;
}
#define DECODE(s) decode_bytes(s, sizeof(s) - 1)

static void
refusals(void)
{
	CHECK_RV(CKR_OK, DECODE("\0\0\0\0"));
	CHECK_RV(CKR_OK, DECODE("\1\0\0\0" "\1\0\0\0" "\1" "\1"));
	/* a bool of 2 */
	CHECK_RV(CKR_ATTRIBUTE_VALUE_INVALID, DECODE("\1\0\0\0" "\1\0\0\0" "\1" "\2"));
	/* the wrong kind: CKA_TOKEN as bytes, an unknown type as bool, a kind that does not exist */
	CHECK_RV(CKR_ARGUMENTS_BAD, DECODE("\1\0\0\0" "\1\0\0\0" "\0" "\1\0\0\0" "\1"));
	CHECK_RV(CKR_ARGUMENTS_BAD, DECODE("\1\0\0\0" "\x55\x55\0\0" "\1" "\1"));
	CHECK_RV(CKR_ARGUMENTS_BAD, DECODE("\1\0\0\0" "\1\0\0\0" "\x09" "\1"));
	/* twice the same type */
	CHECK_RV(CKR_ARGUMENTS_BAD, DECODE("\2\0\0\0" "\1\0\0\0" "\1" "\1" "\1\0\0\0" "\1" "\1"));
	/* a count, a length, a number of mechanisms beyond all bounds */
	CHECK_RV(CKR_ARGUMENTS_BAD, DECODE("\1\1\0\0"));
	CHECK_RV(CKR_ARGUMENTS_BAD, DECODE("\xff\xff\xff\xff"));
	CHECK_RV(CKR_ARGUMENTS_BAD, DECODE("\1\0\0\0" "\3\0\0\0" "\3" "\xff\xff\xff\xff"));
	CHECK_RV(CKR_ARGUMENTS_BAD, DECODE("\1\0\0\0" "\0\6\0\x40" "\5" "\xff\xff\xff\x1f"));
	/* a date of 3 */
	CHECK_RV(CKR_ATTRIBUTE_VALUE_INVALID, DECODE("\1\0\0\0" "\x10\1\0\0" "\4" "\3\0\0\0" "abc"));
}

static void
out_of_memory(void)
{
	struct attrs s = {0}, copy = {0};

	sample(&s);
	for (long i = 0;; i++) {
		CK_RV rv;

		fail_after = i;
		rv = attrs_copy(&copy, &s);
		fail_after = -1;
		if (rv == CKR_OK)
			break;
		CHECK_RV(CKR_HOST_MEMORY, rv);
		CHECK(copy.n == 0 && copy.v == NULL);
		fail_after = 0;
		CHECK_RV(CKR_HOST_MEMORY, attrs_set(&s, CKA_LABEL, "other", 5));
		fail_after = -1;
		CHECK(attrs_get(&s, CKA_LABEL)->len == 3);
	}
	attrs_free(&copy);
	attrs_free(&s);
	CHECK(blocks == 0);
}

static void
callers_array(void)
{
	CK_BBOOL yes = CK_TRUE, no = CK_FALSE, odd = 0xff;
	CK_ULONG class = CKO_SECRET_KEY;
	CK_ATTRIBUTE inner[] = {{CKA_TOKEN, &yes, 1}, {CKA_CLASS, &class, sizeof(class)}};
	CK_ATTRIBUTE good[] = {{CKA_CLASS, &class, sizeof(class)}, {CKA_TOKEN, &yes, 1},
		{CKA_LABEL, NULL, 0}, {CKA_TOKEN, &yes, 1}, {CKA_UNWRAP_TEMPLATE, inner, sizeof(inner)}};
	CK_ATTRIBUTE twice[] = {{CKA_TOKEN, &yes, 1}, {CKA_TOKEN, &no, 1}};
	CK_ATTRIBUTE strange[] = {{CKA_TOKEN, &odd, 1}};
	CK_ATTRIBUTE null[] = {{CKA_LABEL, NULL, 3}};
	CK_ATTRIBUTE wide[] = {{1ul << 35, &yes, 1}};
	CK_ATTRIBUTE ragged[] = {{CKA_WRAP_TEMPLATE, inner, sizeof(inner) - 1}};
	CK_ATTRIBUTE loop[5];
	struct attrs s = {0};

	CHECK_RV(CKR_OK, attrs_from_array(&s, good, 5));
	CHECK(s.n == 4 && attrs_get(&s, CKA_UNWRAP_TEMPLATE)->sub->n == 2);
	attrs_free(&s);
	CHECK_RV(CKR_OK, attrs_from_array(&s, NULL, 0));
	CHECK_RV(CKR_ARGUMENTS_BAD, attrs_from_array(&s, NULL, 1));
	CHECK_RV(CKR_TEMPLATE_INCONSISTENT, attrs_from_array(&s, twice, 2));
	CHECK_RV(CKR_ATTRIBUTE_VALUE_INVALID, attrs_from_array(&s, strange, 1));
	CHECK_RV(CKR_ARGUMENTS_BAD, attrs_from_array(&s, null, 1));
	CHECK_RV(CKR_ATTRIBUTE_TYPE_INVALID, attrs_from_array(&s, wide, 1));
	CHECK_RV(CKR_ATTRIBUTE_VALUE_INVALID, attrs_from_array(&s, ragged, 1));
	CHECK_RV(CKR_ARGUMENTS_BAD, attrs_from_array(&s, good, 1ul << 60));
	/* arrays that hold themselves end at a bound */
	loop[0] = (CK_ATTRIBUTE){CKA_WRAP_TEMPLATE, loop, sizeof(CK_ATTRIBUTE)};
	CHECK_RV(CKR_ATTRIBUTE_VALUE_INVALID, attrs_from_array(&s, loop, 1));
	for (int i = 0; i < 5; i++)
		loop[i] = (CK_ATTRIBUTE){i == 0 ? CKA_TOKEN : CKA_WRAP_TEMPLATE, loop, sizeof(loop)};
	loop[0] = twice[0];
	CHECK(attrs_from_array(&s, loop, 5) != CKR_OK);
	CHECK(s.n == 0 && s.v == NULL);
	CHECK(blocks == 0);
}

static void
mutations(void)
{
	struct attrs s = {0}, back = {0};
	struct buf b, one;
	unsigned seed = 1, fine = 0, refused = 0;
	uint8_t *copy;

	sample(&s);
	buf_init(&b, 1 << 16);
	attrs_encode(&b, &s);
	copy = malloc(b.len);
	for (int i = 0; i < 100000; i++) {
		int changes = 1 + rand_r(&seed) % 4;

		memcpy(copy, b.data, b.len);
		while (changes-- > 0)
			copy[(unsigned)rand_r(&seed) % b.len] = (uint8_t)rand_r(&seed);
		buf_init_const(&one, copy, b.len);
		if (attrs_decode(&one, &back) == CKR_OK)
			fine++;
		else
			refused += back.n == 0 && buf_failed(&one);
		attrs_free(&back);
	}
	CHECK(fine + refused == 100000 && fine > 100 && refused > 1000);
	free(copy);
	buf_free(&b);
	attrs_free(&s);
	CHECK(blocks == 0);
}

int
main(void)
{
	attrs_allocator(counted_alloc, counted_release);
	set_and_get();
	width_is_bounded();
	depth_is_bounded();
	encoding();
	refusals();
	out_of_memory();
	callers_array();
	mutations();
	return unit_done("test_attr");
}
