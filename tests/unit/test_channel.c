/*
 * The module's channel against a daemon in this process: both carriers, kept replies, interruptions,
 * answers that are none, and a daemon that is gone.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pkcs11/channel.h"
#include "pkcs11/codec.h"
#include "pkcs11/wake.h"
#include "unit.h"

/* ---- the daemon: C_GenerateRandom gives bytes that count up ---- */

#define STREAM_ROOM (4u << 20)

static struct {
	int interrupt;  /* the next so many requests are interrupted */
	int error;      /* every request fails with it */
	int short_read; /* at most so many bytes by one read; 0: no limit */
	bool wrong_seq, wrong_call, short_frame, empty;
	atomic_uint ioctls, reads, writes, calls;
	unsigned long last_request;
	uint32_t last_seq;
} peer;

static pthread_mutex_t peer_lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
	uint8_t in[STREAM_ROOM], *out;
	size_t in_len, out_len;
} stream[WIRE_STREAMS];
static struct {
	uint8_t *frame;
	size_t len;
} kept;

static void
perform(const uint8_t *frame, size_t len, struct codec *reply)
{
	struct codec m = {0};
	CK_ULONG a, n = 0;
	uint8_t *data;

	peer.calls++;
	CHECK_RV(CKR_OK, codec_open(&m, CODEC_REQUEST, frame, len));
	codec_get_ulong(&m, &a);
	codec_get_ulong(&m, &n);
	CHECK_RV(CKR_OK, codec_close(&m));
	peer.last_seq = m.h.seq;
	if (peer.wrong_seq)
		m.h.seq++;
	if (peer.wrong_call)
		m.h.call = WIRE_HELLO;
	codec_reply(reply, &m.h);
	if (m.h.call == WIRE_HELLO) {
		codec_put_ulong(reply, WIRE_VERSION);
		codec_put_bytes(reply, "0", 1);
		codec_put_ulong(reply, 1);
	} else {
		data = malloc(n);
		for (CK_ULONG i = 0; i < n; i++)
			data[i] = (uint8_t)(i * 7 + n);
		codec_put_bytes(reply, data, n);
		free(data);
	}
	CHECK_RV(CKR_OK, codec_end_rv(reply, CKR_OK));
}

static int
hurdle(void)
{
	if (peer.error != 0) {
		errno = peer.error;
		return -1;
	}
	if (peer.interrupt > 0) {
		peer.interrupt--;
		errno = EINTR;
		return -1;
	}
	return 0;
}

static int
peer_ioctl(int fd, unsigned long request, void *buf)
{
	struct wire_header h;
	struct codec reply = {0};

	(void)fd;
	pthread_mutex_lock(&peer_lock);
	peer.ioctls++;
	peer.last_request = request;
	if (hurdle() != 0) {
		pthread_mutex_unlock(&peer_lock);
		return -1;
	}
	wire_get_header(buf, &h);
	CHECK(h.length <= _IOC_SIZE(request));
	for (size_t i = h.length; i < _IOC_SIZE(request); i++) {
		if (((uint8_t *)buf)[i] != 0) {
			CHECK(!"the rest of the buffer is zero");
			break;
		}
	}
	perform(buf, h.length, &reply);
	if (reply.buf.len > _IOC_SIZE(request)) {
		free(kept.frame);
		kept.len = reply.buf.len;
		kept.frame = malloc(kept.len);
		memcpy(kept.frame, reply.buf.data, kept.len);
		h.length = WIRE_HEADER;
		h.rv = WIRE_RV_READ_STREAM;
		wire_put_header(buf, &h);
	} else {
		memcpy(buf, reply.buf.data, reply.buf.len);
		if (peer.short_frame)
			memset(buf, 0, 4);
	}
	codec_free(&reply);
	pthread_mutex_unlock(&peer_lock);
	return 0;
}

static ssize_t
peer_pwrite(int fd, const void *buf, size_t len, off_t at)
{
	unsigned n = (unsigned)((uint64_t)at >> 32);
	size_t pos = (size_t)((uint64_t)at & UINT32_MAX);

	(void)fd;
	pthread_mutex_lock(&peer_lock);
	peer.writes++;
	if (hurdle() != 0) {
		pthread_mutex_unlock(&peer_lock);
		return -1;
	}
	CHECK(n < WIRE_STREAMS && len <= WIRE_CHUNK && pos + len <= STREAM_ROOM);
	if (pos == 0)
		stream[n].in_len = 0;
	CHECK(pos == stream[n].in_len);
	memcpy(stream[n].in + pos, buf, len);
	stream[n].in_len += len;
	pthread_mutex_unlock(&peer_lock);
	return (ssize_t)len;
}

/* A read at the start of a stream: performs, or finds the reply that was kept. */
static void
begin_reply(unsigned n)
{
	struct codec reply = {0};
	struct wire_header h, k;

	free(stream[n].out);
	stream[n].out = NULL;
	wire_get_header(stream[n].in, &h);
	CHECK(h.length == stream[n].in_len);
	if (n == 0) {
		wire_get_header(kept.frame, &k);
		CHECK(h.length == WIRE_HEADER && h.call == k.call && h.seq == k.seq && h.rv == 0);
		stream[n].out = kept.frame;
		stream[n].out_len = kept.len;
		kept.frame = NULL;
		return;
	}
	perform(stream[n].in, stream[n].in_len, &reply);
	stream[n].out_len = reply.buf.len;
	stream[n].out = malloc(reply.buf.len);
	memcpy(stream[n].out, reply.buf.data, reply.buf.len);
	codec_free(&reply);
}

static ssize_t
peer_pread(int fd, void *buf, size_t len, off_t at)
{
	unsigned n = (unsigned)((uint64_t)at >> 32);
	size_t pos = (size_t)((uint64_t)at & UINT32_MAX);

	(void)fd;
	pthread_mutex_lock(&peer_lock);
	peer.reads++;
	if (hurdle() != 0) {
		pthread_mutex_unlock(&peer_lock);
		return -1;
	}
	CHECK(len <= WIRE_CHUNK);
	if (pos == 0)
		begin_reply(n);
	if (peer.empty || pos >= stream[n].out_len)
		len = 0;
	else if (len > stream[n].out_len - pos)
		len = stream[n].out_len - pos;
	if (peer.short_read != 0 && len > (size_t)peer.short_read)
		len = (size_t)peer.short_read;
	memcpy(buf, stream[n].out + pos, len);
	pthread_mutex_unlock(&peer_lock);
	return (ssize_t)len;
}

static const struct channel_io peer_io = {peer_ioctl, peer_pwrite, peer_pread};

/* ---- the client ---- */

static struct channel *
connect_peer(void)
{
	struct channel *c;

	memset(&peer, 0, sizeof(peer));
	CHECK_RV(CKR_OK, channel_attach(&c, open("/dev/null", O_RDWR | O_CLOEXEC), NULL, &peer_io));
	peer.ioctls = peer.reads = peer.writes = peer.calls = 0;
	return c;
}

static CK_RV
ask_random(struct channel *c, CK_ULONG n, size_t expect, bool *right)
{
	struct channel_reply r;
	struct codec m = {0};
	const uint8_t *data;
	size_t len = 0;
	CK_RV rv;

	codec_begin(&m, WIRE_GENERATE_RANDOM, channel_seq(c));
	codec_put_ulong(&m, 1);
	codec_put_ulong(&m, n);
	codec_end(&m);
	*right = false;
	rv = channel_call(c, m.buf.data, m.buf.len, expect, &r);
	codec_free(&m);
	if (rv == CKR_OK) {
		rv = codec_open(&m, CODEC_REPLY, r.frame, r.len);
		codec_get_bytes(&m, &data, &len);
		*right = codec_close(&m) == CKR_OK && len == n;
		for (size_t i = 0; *right && i < len; i++)
			*right = data[i] == (uint8_t)(i * 7 + n);
		codec_free(&m);
	}
	channel_reply_free(&r);
	return rv;
}

#define EXPECT(n) ((n) + WIRE_HEADER + 4)

static void
test_sizes_choose_the_carrier(void)
{
	static const struct {
		CK_ULONG n;
		unsigned long request; /* 0: a stream */
	} rows[] = {{0, WIRE_IOCTL_256}, {236, WIRE_IOCTL_256}, {237, WIRE_IOCTL_4K},
		{4076, WIRE_IOCTL_4K}, {4077, WIRE_IOCTL_16K}, {16356, WIRE_IOCTL_16K}, {16357, 0},
		{WIRE_CHUNK, 0}, {3u << 20, 0}};
	bool right;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct channel *c = connect_peer();

		peer.last_request = 0;
		CHECK_RV(CKR_OK, ask_random(c, rows[i].n, EXPECT(rows[i].n), &right));
		CHECK(right);
		CHECK(peer.last_request == rows[i].request);
		CHECK(peer.calls == 1 && peer.ioctls == (rows[i].request != 0));
		channel_close(c);
	}
}

static void
test_a_reply_longer_than_expected_is_fetched(void)
{
	static const CK_ULONG sizes[] = {300, 5000, 20000, 1u << 20};
	bool right;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct channel *c = connect_peer();

		CHECK_RV(CKR_OK, ask_random(c, sizes[i], 0, &right));
		CHECK(right);
		CHECK(peer.calls == 1 && peer.ioctls == 1 && peer.writes == 1);
		channel_close(c);
	}
}

static void
test_an_interrupted_call_is_repeated_with_its_number(void)
{
	static const CK_ULONG sizes[] = {16, 300000};
	bool right;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct channel *c = connect_peer();
		uint32_t next = channel_seq(c) + 1;

		peer.interrupt = 5;
		CHECK_RV(CKR_OK, ask_random(c, sizes[i], EXPECT(sizes[i]), &right));
		CHECK(right && peer.interrupt == 0 && peer.last_seq == next);
		channel_close(c);
	}
}

static void
test_short_reads_are_gathered(void)
{
	struct channel *c = connect_peer();
	bool right;

	peer.short_read = 1000;
	CHECK_RV(CKR_OK, ask_random(c, 100000, EXPECT(100000), &right));
	CHECK(right && peer.reads >= 100);
	peer.short_read = 10; /* less than a header */
	CHECK_RV(CKR_DEVICE_ERROR, ask_random(c, 100000, EXPECT(100000), &right));
	peer.short_read = 0;
	peer.empty = true;
	CHECK_RV(CKR_DEVICE_ERROR, ask_random(c, 100000, EXPECT(100000), &right));
	channel_close(c);
}

static void
test_an_answer_that_is_no_reply_is_an_error(void)
{
	struct channel *c = connect_peer();
	bool right;

	peer.wrong_seq = true;
	CHECK_RV(CKR_DEVICE_ERROR, ask_random(c, 10, EXPECT(10), &right));
	CHECK_RV(CKR_DEVICE_ERROR, ask_random(c, 100000, EXPECT(100000), &right));
	peer.wrong_seq = false;
	peer.wrong_call = true;
	CHECK_RV(CKR_DEVICE_ERROR, ask_random(c, 10, EXPECT(10), &right));
	peer.wrong_call = false;
	peer.short_frame = true;
	CHECK_RV(CKR_DEVICE_ERROR, ask_random(c, 10, EXPECT(10), &right));
	peer.short_frame = false;
	CHECK(!channel_dead(c));
	CHECK_RV(CKR_OK, ask_random(c, 10, EXPECT(10), &right));
	CHECK(right);
	channel_close(c);
}

static void
test_a_daemon_that_is_gone_stays_gone(void)
{
	static const int errors[] = {ECONNABORTED, ENOTCONN, ENODEV, EIO, EBADF};
	bool right;

	for (size_t i = 0; i < 2 * sizeof(errors) / sizeof(errors[0]); i++) {
		struct channel *c = connect_peer();
		CK_ULONG n = i % 2 ? 10 : 100000;

		peer.error = errors[i / 2];
		CHECK_RV(CKR_DEVICE_REMOVED, ask_random(c, n, EXPECT(n), &right));
		CHECK(channel_dead(c));
		peer.error = 0;
		peer.calls = 0;
		CHECK_RV(CKR_DEVICE_REMOVED, ask_random(c, n, EXPECT(n), &right));
		CHECK(peer.calls == 0);
		channel_close(c);
	}
}

static void
test_want_of_memory_is_no_end(void)
{
	struct channel *c = connect_peer();
	bool right;

	peer.error = ENOMEM;
	CHECK_RV(CKR_HOST_MEMORY, ask_random(c, 100000, EXPECT(100000), &right));
	peer.error = 0;
	CHECK_RV(CKR_OK, ask_random(c, 100000, EXPECT(100000), &right));
	CHECK(right);
	channel_close(c);
}

static void
test_a_file_under_our_number_is_not_written(void)
{
	char name[] = "/tmp/test_channel.XXXXXX";
	struct channel *c;
	bool right;
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC), other = mkstemp(name);

	memset(&peer, 0, sizeof(peer));
	CHECK_RV(CKR_OK, channel_attach(&c, fd, NULL, &peer_io));
	CHECK(dup2(other, fd) == fd); /* as an application that closes all files would */
	peer.writes = 0;
	CHECK_RV(CKR_DEVICE_REMOVED, ask_random(c, 100000, EXPECT(100000), &right));
	CHECK(peer.writes == 0);
	channel_close(c);
	CHECK(fcntl(fd, F_GETFD) >= 0); /* it is not ours to close */
	close(fd);
	close(other);
	unlink(name);
}

static void
test_the_child_of_a_fork_has_no_channel(void)
{
	struct channel *c = connect_peer();
	bool right;

	channel_forget(c);
	CHECK_RV(CKR_DEVICE_REMOVED, ask_random(c, 10, EXPECT(10), &right));
	CHECK(peer.calls == 0);
	channel_close(c);
}

static struct channel *shared;

static void *
worker(void *arg)
{
	bool right, all = true;

	for (unsigned i = 0; i < 40; i++) {
		CK_ULONG n = i % 2 ? 20000 + i : i * 10;

		all = ask_random(shared, n, EXPECT(n), &right) == CKR_OK && right && all;
	}
	*(bool *)arg = all;
	return NULL;
}

static void
test_more_threads_than_streams(void)
{
	enum { N = WIRE_STREAMS + 36 };
	pthread_t threads[N];
	bool ok[N];

	shared = connect_peer();
	for (int i = 0; i < N; i++)
		pthread_create(&threads[i], NULL, worker, &ok[i]);
	for (int i = 0; i < N; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < N; i++)
		CHECK(ok[i]);
	CHECK(peer.calls == N * 40);
	channel_close(shared);
}

static int taken, given, made, unmade;

static CK_RV
create(void **m)
{
	made++;
	*m = &made;
	return CKR_OK;
}

static CK_RV
destroy(void *m)
{
	unmade += m == &made;
	return CKR_OK;
}

static CK_RV
take(void *m)
{
	taken += m == &made;
	return CKR_OK;
}

static CK_RV
give(void *m)
{
	given += m == &made;
	return CKR_OK;
}

static void
test_the_applications_mutexes_are_used(void)
{
	CK_C_INITIALIZE_ARGS args = {create, destroy, take, give, 0, NULL};
	struct channel *c;
	bool right;

	memset(&peer, 0, sizeof(peer));
	CHECK_RV(CKR_OK, channel_attach(&c, open("/dev/null", O_RDWR), &args, &peer_io));
	CHECK_RV(CKR_OK, ask_random(c, 5000, 0, &right)); /* fetched: the one thing that is locked */
	CHECK(right);
	channel_close(c);
	CHECK(made == 3 && taken == 1 && given == 1 && unmade == 3);
}

/* ---- waiting ---- */

/* A pipe stands for the connection: it can be read when there is news, and hangs up. */
static void
test_waiting_ends_by_news_a_wake_or_the_end(void)
{
	struct wake wake = {0};
	struct channel *c;
	int ends[2], other;

	memset(&peer, 0, sizeof(peer));
	CHECK(pipe(ends) == 0);
	CHECK_RV(CKR_OK, channel_attach(&c, ends[0], NULL, &peer_io));
	CHECK_RV(CKR_OK, wake_open(&wake));
	CHECK_RV(CKR_OK, wake_open(&wake));
	CHECK(channel_wait(c, wake.fd[0], 1)); /* nothing */
	CHECK(write(ends[1], "", 1) == 1);
	CHECK(channel_wait(c, wake.fd[0], -1));
	CHECK(read(ends[0], &(char){0}, 1) == 1);
	wake_ring(&wake);
	CHECK(channel_wait(c, wake.fd[0], -1));
	CHECK(channel_wait(NULL, wake.fd[0], -1));
	close(ends[1]);
	CHECK(!channel_wait(c, -1, -1));
	/* another file under the number of ours is not waited for, nor rung, nor closed */
	other = open("/dev/null", O_RDWR);
	dup2(other, wake.fd[1]);
	wake_ring(&wake);
	wake_close(&wake);
	CHECK(fcntl(wake.fd[1], F_GETFD) >= 0 && fcntl(wake.fd[0], F_GETFD) < 0);
	close(wake.fd[1]);
	dup2(other, ends[0]);
	CHECK(!channel_wait(c, -1, 1));
	channel_close(c);
	close(ends[0]);
	close(other);
}

int
main(void)
{
	test_waiting_ends_by_news_a_wake_or_the_end();
	test_sizes_choose_the_carrier();
	test_a_reply_longer_than_expected_is_fetched();
	test_an_interrupted_call_is_repeated_with_its_number();
	test_short_reads_are_gathered();
	test_an_answer_that_is_no_reply_is_an_error();
	test_a_daemon_that_is_gone_stays_gone();
	test_want_of_memory_is_no_end();
	test_a_file_under_our_number_is_not_written();
	test_the_child_of_a_fork_has_no_channel();
	test_more_threads_than_streams();
	test_the_applications_mutexes_are_used();
	for (unsigned i = 0; i < WIRE_STREAMS; i++)
		free(stream[i].out);
	free(kept.frame);
	return unit_done("channel");
}
