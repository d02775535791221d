/* kit.c - bytes, chance, judgement: what all proofs stand on */
#include <stdarg.h>

#include "cross.h"

uint64_t seed;
unsigned checks, failures;

/* ---- bytes ---- */
static struct piece {
	struct piece *next;
	uint64_t align;
} * pieces;

void *
arena_get(size_t n)
{
	struct piece *p = calloc(1, sizeof(*p) + n + 1);

	must_be(p != NULL, "memory");
	p->next = pieces;
	pieces = p;
	return p + 1;
}

void
arena_clear(void)
{
	struct piece *p;

	while ((p = pieces) != NULL) {
		pieces = p->next;
		free(p);
	}
}

struct blob
blob_new(size_t n)
{
	return (struct blob){arena_get(n), n};
}

struct blob
blob_of(const void *data, size_t n)
{
	struct blob b = blob_new(n);

	if (n > 0)
		memcpy(b.data, data, n);
	return b;
}

struct blob
blob_join(struct blob a, struct blob b)
{
	struct blob c = blob_new(a.len + b.len);

	if (a.len > 0)
		memcpy(c.data, a.data, a.len);
	if (b.len > 0)
		memcpy(c.data + a.len, b.data, b.len);
	return c;
}

struct blob
blob_part(struct blob b, size_t at, size_t n)
{
	must_be(at <= b.len && n <= b.len - at, "a part outside of its blob");
	return (struct blob){b.data + at, n};
}

struct blob
blob_random(size_t n)
{
	struct blob b = blob_new(n);

	for (size_t i = 0; i < n; i++)
		b.data[i] = (uint8_t)chance(256);
	return b;
}

struct blob
blob_bn(const BIGNUM *n, size_t len)
{
	struct blob b = blob_new(len > 0 ? len : (size_t)BN_num_bytes(n));

	must_be(BN_bn2binpad(n, b.data, (int)b.len) >= 0, "number longer than its room");
	return b;
}

bool
blob_same(struct blob a, struct blob b)
{
	return a.data != NULL && b.data != NULL && a.len == b.len &&
	       memcmp(a.data, b.data, a.len) == 0;
}

struct blob
unhex(const char *text, size_t chars)
{
	struct blob b = blob_new(chars / 2);
	unsigned v;

	if (chars % 2 != 0)
		return (struct blob){0};
	for (size_t i = 0; i < b.len; i++) {
		if (strspn(text + 2 * i, "0123456789abcdefABCDEF") < 2 ||
			sscanf(text + 2 * i, "%2x", &v) != 1)
			return (struct blob){0};
		b.data[i] = (uint8_t)v;
	}
	return b;
}

/* ---- chance: splitmix64 ---- */
static uint64_t
next(void)
{
	uint64_t z = seed += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

uint32_t
chance(uint32_t below)
{
	return below == 0 ? 0 : (uint32_t)(next() % below);
}

size_t
some_length(void)
{
	static const size_t edges[] = {0, 1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 111,
		112, 127, 128, 129, 143, 144, 255, 256, 1023, 1024, 4079, 4096, 4097};

	switch (chance(3)) {
	case 0:
		return edges[chance(NELEMS(edges))];
	case 1:
		return chance(200);
	default:
		return chance(9000);
	}
}

/* ---- judgement ---- */
void
fail(const char *format, ...)
{
	va_list ap;

	printf("  %s: ", proof_name);
	va_start(ap, format);
	vprintf(format, ap);
	va_end(ap);
	printf("\n");
	failures++;
}

static void
show(const char *what, struct blob b)
{
	printf("    %s, %zu bytes: ", what, b.len);
	for (size_t i = 0; i < b.len && i < 40; i++)
		printf("%02x", b.data[i]);
	printf("%s\n", b.data == NULL ? "none" : b.len > 40 ? "..." : "");
}

bool
same(const char *what, struct blob wanted, struct blob got)
{
	checks++;
	if (blob_same(wanted, got))
		return true;
	fail("%s is another", what);
	show("wanted", wanted);
	show("got", got);
	return false;
}

bool
is_ok(const char *what, CK_RV rv)
{
	checks++;
	if (rv != CKR_OK)
		fail("%s gave 0x%lx", what, rv);
	return rv == CKR_OK;
}

void
must_give(const char *what, CK_RV wanted, CK_RV got)
{
	checks++;
	if (got != wanted)
		fail("%s gave 0x%lx, not 0x%lx", what, got, wanted);
}

void
must_be(bool what, const char *text)
{
	if (what)
		return;
	fprintf(stderr, "cross: the test itself is wrong: %s\n", text);
	abort();
}
