/*
 * test_stream.c - frames in pieces: order, bounds, hostile lengths, replies that are kept
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/stream.h"
#include "unit.h"

static struct streams t;

static void
header(uint8_t *out, uint32_t length, uint32_t call, uint32_t seq)
{
	wire_put_header(out, &(struct wire_header){length, call, seq, 0});
}

static void
fill(struct buf *b, size_t len, uint8_t with)
{
	buf_init(b, WIRE_MAX_FRAME);
	memset(buf_extend(b, len), with, len);
}

static void
test_pieces_make_a_frame(void)
{
	struct buf frame = {0};
	uint8_t data[100] = {0};
	uint32_t call, seq;

	header(data, 100, 7, 9);
	memset(data + 16, 0x5a, 84);
	CHECK(stream_write(&t, (uint64_t)WIRE_OFFSET(3, 0), data, 10) == 0);
	CHECK(stream_frame(&t, 3, &frame) == -EPROTO);
	CHECK(stream_write(&t, (uint64_t)WIRE_OFFSET(3, 10), data + 10, 89) == 0);
	CHECK(stream_frame(&t, 3, &frame) == -EPROTO);
	CHECK(stream_write(&t, (uint64_t)WIRE_OFFSET(3, 99), data + 99, 1) == 0);
	CHECK(t.bytes == 100);
	CHECK(stream_frame(&t, 3, &frame) == 0);
	CHECK(frame.len == 100 && memcmp(frame.data, data, 100) == 0);
	CHECK(t.bytes == 0);
	CHECK(stream_asked(&t, 3, &call, &seq) && call == 7 && seq == 9);
	CHECK(stream_frame(&t, 3, &(struct buf){0}) == -EPROTO);
	buf_free(&frame);
}

static void
test_bad_pieces_are_refused(void)
{
	uint8_t data[64] = {0};

	header(data, 64, 7, 9);
	CHECK(stream_write(&t, (uint64_t)WIRE_OFFSET(64, 0), data, 64) == -EINVAL);
	CHECK(stream_write(&t, UINT64_MAX, data, 64) == -EINVAL);
	CHECK(stream_write(&t, (uint64_t)WIRE_OFFSET(2, 0), data, 0) == -EINVAL);
	CHECK(stream_write(&t, (uint64_t)WIRE_OFFSET(2, 5), data, 5) == -EINVAL);
	CHECK(stream_write(&t, (uint64_t)WIRE_OFFSET(2, 0), data, 20) == 0);
	CHECK(stream_write(&t, (uint64_t)WIRE_OFFSET(2, 21), data, 5) == -EINVAL);
	/* An error empties the stream. */
	CHECK(stream_write(&t, (uint64_t)WIRE_OFFSET(2, 20), data, 5) == -EINVAL);
	CHECK(t.bytes == 0);
	const uint32_t lengths[] = {0, 15, WIRE_MAX_FRAME + 1, UINT32_MAX};
	for (size_t i = 0; i < 4; i++) {
		header(data, lengths[i], 7, 9);
		CHECK(stream_write(&t, (uint64_t)WIRE_OFFSET(2, 0), data, 16) == -EPROTO);
	}
	header(data, 40, 7, 9);
	CHECK(stream_write(&t, (uint64_t)WIRE_OFFSET(2, 0), data, 64) == -EPROTO);
	CHECK(t.bytes == 0);
}

static void
test_total_is_bounded(void)
{
	size_t len = (size_t)48 << 20, written = 0;
	uint8_t *data = calloc(1, len);
	int rc = 0;

	header(data, WIRE_MAX_FRAME, 7, 9);
	for (unsigned n = 1; n < 8 && rc == 0; n++) {
		rc = stream_write(&t, (uint64_t)WIRE_OFFSET(n, 0), data, len);
		written += rc == 0;
	}
	CHECK(rc == -ENOMEM);
	CHECK(written == 2);
	streams_clear(&t);
	CHECK(t.bytes == 0);
	/* What has brought a good part of itself has its memory, exactly. */
	header(data, (WIRE_CHUNK / 2) * 3, 7, 9);
	CHECK(stream_write(&t, (uint64_t)WIRE_OFFSET(1, 0), data, WIRE_CHUNK) == 0);
	CHECK(t.s[1].in.cap == (WIRE_CHUNK / 2) * 3);
	streams_clear(&t);
	header(data, STREAM_RESERVE, 7, 9);
	CHECK(stream_write(&t, (uint64_t)WIRE_OFFSET(1, 0), data, 4096) == 0);
	CHECK(t.s[1].in.cap <= 8192);
	streams_clear(&t);
	header(data, WIRE_MAX_FRAME, 7, 9);
	/* Announced is not allocated. */
	CHECK(stream_write(&t, (uint64_t)WIRE_OFFSET(1, 0), data, 16) == 0);
	CHECK(t.bytes == 16 && t.s[1].in.cap < 65536);
	streams_clear(&t);
	free(data);
}

static void
test_reply_is_read_in_pieces_once(void)
{
	struct buf reply, last = {0};
	const uint8_t *data;
	size_t len;

	fill(&reply, 1000, 1);
	CHECK(stream_reply(&t, 4, &reply) == 0 && reply.data == NULL);
	CHECK(stream_read(&t, 4, 5, 10, &data, &len, &last) == -EINVAL);
	CHECK(stream_read(&t, 4, 0, 600, &data, &len, &last) == 0 && len == 600 && last.data == NULL);
	CHECK(stream_read(&t, 4, 0, 600, &data, &len, &last) == -EINVAL);
	CHECK(stream_read(&t, 4, 600, 600, &data, &len, &last) == 0 && len == 400 && last.data != NULL);
	CHECK(data == last.data + 600);
	CHECK(t.bytes == 0);
	buf_free(&last);
	memset(&last, 0, sizeof(last));
	CHECK(stream_read(&t, 4, 1000, 600, &data, &len, &last) == 0 && len == 0 && last.data == NULL);
	CHECK(stream_read(&t, 4, 0, 600, &data, &len, &last) == -EPROTO);
}

static void
test_kept_replies_are_bounded_and_taken_once(void)
{
	struct buf reply;

	for (uint32_t i = 0; i < STREAMS_KEPT + 3; i++) {
		fill(&reply, 100 + i, 2);
		streams_keep(&t, 50, i, &reply);
	}
	CHECK(t.n_kept == STREAMS_KEPT);
	CHECK(!streams_kept(&t, 50, 2, &reply));
	CHECK(streams_kept(&t, 50, 3, &reply) && reply.len == 103);
	buf_free(&reply);
	CHECK(!streams_kept(&t, 50, 3, &reply));
	CHECK(!streams_kept(&t, 51, 4, &reply));
	/* The same once more replaces. */
	fill(&reply, 7, 3);
	streams_keep(&t, 50, 5, &reply);
	CHECK(streams_kept(&t, 50, 5, &reply) && reply.len == 7);
	buf_free(&reply);
	CHECK(!streams_kept(&t, 50, 5, &reply));
	fill(&reply, (size_t)60 << 20, 3);
	streams_keep(&t, 60, 1, &reply);
	fill(&reply, (size_t)60 << 20, 3);
	streams_keep(&t, 60, 2, &reply);
	fill(&reply, (size_t)60 << 20, 3);
	streams_keep(&t, 60, 3, &reply);
	CHECK(t.n_kept == 2 && t.bytes <= STREAMS_MAX_BYTES);
	streams_clear(&t);
	CHECK(t.n_kept == 0 && t.bytes == 0);
}

static bool
is_sixty(uint32_t call)
{
	return call == 60;
}

static void
test_budget_is_shared(void)
{
	struct stream_budget budget = {.max = 1000};
	struct streams a = {.budget = &budget}, b = {.budget = &budget};
	uint8_t data[600] = {0};
	struct buf reply;

	header(data, 2000, 7, 9);
	CHECK(stream_write(&a, (uint64_t)WIRE_OFFSET(1, 0), data, 600) == 0);
	CHECK(stream_write(&b, (uint64_t)WIRE_OFFSET(1, 0), data, 600) == -ENOMEM);
	CHECK(b.bytes == 0 && atomic_load(&budget.bytes) == 600);
	CHECK(streams_charge(&b, 400) && !streams_charge(&b, 1));
	fill(&reply, 10, 1);
	CHECK(stream_reply(&b, 2, &reply) == -ENOMEM);
	streams_discharge(&b, 400);
	fill(&reply, 300, 1);
	streams_keep(&b, 60, 1, &reply);
	fill(&reply, 90, 1);
	streams_keep(&b, 61, 2, &reply);
	CHECK(streams_keeps(&b, 60, 1) && streams_keeps(&b, 61, 2) && !streams_keeps(&b, 60, 2));
	streams_drop(&b, is_sixty);
	CHECK(!streams_keeps(&b, 60, 1) && streams_keeps(&b, 61, 2) && b.bytes == 90);
	streams_clear(&a);
	streams_clear(&b);
	CHECK(atomic_load(&budget.bytes) == 0);
}

int
main(void)
{
	test_pieces_make_a_frame();
	test_bad_pieces_are_refused();
	test_total_is_bounded();
	test_reply_is_read_in_pieces_once();
	test_kept_replies_are_bounded_and_taken_once();
	test_budget_is_shared();
	streams_clear(&t);
	return unit_done("test_stream");
}
