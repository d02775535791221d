#include "channel.h"

#include <errno.h>
#include <poll.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "buf.h"
#include "codec.h"
#include "peer.h"
#include "ride.h"
#include "search.h"

struct channel {
	int fd;
	struct peer_file file; /* what fd must still be */
	pid_t pid;
	const struct channel_io *io;
	atomic_bool dead;
	atomic_uint seq;
	atomic_ullong used; /* bit n: stream n carries a frame; bit 0 is always set */
	sem_t streams;      /* how many are not used */
	struct lock fetch;  /* stream 0 */
	struct rides *rides;
	struct searches *searches;
};

static int
system_ioctl(int fd, unsigned long request, void *buf)
{
	return ioctl(fd, request, buf);
}

static const struct channel_io system_io = {system_ioctl, pwrite, pread};

/* ---- replies ---- */

static void
reply_init(struct channel_reply *r)
{
	r->frame = NULL;
	r->len = 0;
	r->heap = NULL;
	r->size = 0;
}

/* Room for `size` bytes, the first `keep` of them as they were. */
static uint8_t *
reply_room(struct channel_reply *r, size_t size, size_t keep)
{
	uint8_t *old = r->heap != NULL ? r->heap : r->small;
	uint8_t *heap;

	if (r->heap == NULL && size <= sizeof(r->small)) {
		r->size = size;
		return r->small;
	}
	heap = malloc(size);
	if (heap == NULL)
		return NULL;
	if (keep > 0)
		memcpy(heap, old, keep);
	wipe(old, r->size);
	free(r->heap);
	r->heap = heap;
	r->size = size;
	return heap;
}

void
channel_reply_free(struct channel_reply *r)
{
	if (r->frame == NULL && r->size == 0)
		return;
	wipe(r->heap != NULL ? r->heap : r->small, r->size);
	free(r->heap);
	reply_init(r);
}

/* ---- errors ---- */

static CK_RV
failed(struct channel *c, int err)
{
	switch (err) {
	case ENOMEM:
		return CKR_HOST_MEMORY;
	case EINVAL: /* the daemon lives, and does not take this frame */
	case EPROTO:
	case EBUSY:
	case ENOENT:
	case EFBIG:
		return CKR_DEVICE_ERROR;
	default:
		break;
	}
	/* A child made without fork's handlers: the file is its parent's. */
	if ((err == EACCES || err == EPERM) && getpid() != c->pid)
		return CKR_CRYPTOKI_NOT_INITIALIZED;
	atomic_store(&c->dead, true);
	return CKR_DEVICE_REMOVED;
}

/* The reply to this very frame? */
static CK_RV
check_reply(const uint8_t *request, size_t room, const struct channel_reply *r)
{
	struct wire_header asked, got;

	wire_get_header(request, &asked);
	wire_get_header(r->frame, &got);
	if (got.length < WIRE_HEADER || got.length > room || got.call != asked.call ||
		got.seq != asked.seq)
		return CKR_DEVICE_ERROR;
	return CKR_OK;
}

/* ---- carrier 2: streams ---- */

static unsigned
stream_take(struct channel *c)
{
	unsigned long long used, bit;
	unsigned n;

	while (sem_wait(&c->streams) != 0)
		;
	used = atomic_load(&c->used);
	do {
		n = (unsigned)__builtin_ctzll(~used);
		bit = 1ull << n;
	} while (!atomic_compare_exchange_weak(&c->used, &used, used | bit));
	return n;
}

static void
stream_give(struct channel *c, unsigned n)
{
	atomic_fetch_and(&c->used, ~(1ull << n));
	sem_post(&c->streams);
}

static CK_RV
stream_write(struct channel *c, unsigned stream, const uint8_t *frame, size_t len)
{
	/* pwrite into a file that took our descriptor's number would damage it */
	if (!peer_same(c->fd, &c->file))
		return failed(c, EBADF);
	for (size_t done = 0; done < len;) {
		size_t piece = len - done < WIRE_CHUNK ? len - done : WIRE_CHUNK;
		ssize_t n = c->io->pwrite(c->fd, frame + done, piece, WIRE_OFFSET(stream, done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return failed(c, n < 0 ? errno : EIO);
		done += (size_t)n;
	}
	return CKR_OK;
}

static CK_RV
stream_read_at(struct channel *c, unsigned stream, uint8_t *to, size_t want, size_t at, size_t *got)
{
	ssize_t n;

	do
		n = c->io->pread(c->fd, to, want < WIRE_CHUNK ? want : WIRE_CHUNK,
			WIRE_OFFSET(stream, at));
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return failed(c, errno);
	*got = (size_t)n;
	return n == 0 ? CKR_DEVICE_ERROR : CKR_OK; /* the frame ends before its length */
}

static CK_RV
stream_read(struct channel *c, unsigned stream, size_t expect, struct channel_reply *r)
{
	size_t room = expect < sizeof(r->small) ? sizeof(r->small) : expect;
	struct wire_header h;
	size_t have = 0, got;
	uint8_t *at;
	CK_RV rv;

	if (room > WIRE_MAX_FRAME)
		room = WIRE_MAX_FRAME;
	at = reply_room(r, room, 0);
	if (at == NULL)
		return CKR_HOST_MEMORY;
	rv = stream_read_at(c, stream, at, room, 0, &have);
	if (rv != CKR_OK)
		return rv;
	if (have < WIRE_HEADER)
		return CKR_DEVICE_ERROR;
	wire_get_header(at, &h);
	if (h.length < have || h.length > WIRE_MAX_FRAME)
		return CKR_DEVICE_ERROR;
	if (h.length > room && (at = reply_room(r, h.length, have)) == NULL)
		return CKR_HOST_MEMORY;
	while (have < h.length) {
		rv = stream_read_at(c, stream, at + have, h.length - have, have, &got);
		if (rv != CKR_OK)
			return rv;
		have += got;
	}
	r->frame = at;
	r->len = have;
	return CKR_OK;
}

static CK_RV
call_by_stream(struct channel *c, const uint8_t *frame, size_t len, size_t expect,
	struct channel_reply *r)
{
	unsigned stream = stream_take(c);
	CK_RV rv;

	rv = stream_write(c, stream, frame, len);
	if (rv == CKR_OK)
		rv = stream_read(c, stream, expect, r);
	stream_give(c, stream);
	return rv == CKR_OK ? check_reply(frame, r->len, r) : rv;
}

/* The reply did not fit the ioctl's buffer: it waits to be read through stream 0. */
static CK_RV
fetch_reply(struct channel *c, const uint8_t *frame, struct channel_reply *r)
{
	uint8_t bare[WIRE_HEADER];
	struct wire_header h;
	CK_RV rv;

	wire_get_header(frame, &h);
	h.length = WIRE_HEADER;
	h.rv = 0;
	wire_put_header(bare, &h);
	lock_take(&c->fetch);
	rv = stream_write(c, 0, bare, sizeof(bare));
	if (rv == CKR_OK)
		rv = stream_read(c, 0, 0, r);
	lock_give(&c->fetch);
	return rv == CKR_OK ? check_reply(frame, r->len, r) : rv;
}

/* ---- carrier 1: ioctl ---- */

static CK_RV
call_by_ioctl(struct channel *c, const uint8_t *frame, size_t len, unsigned long request,
	size_t room, struct channel_reply *r)
{
	struct wire_header h;
	uint8_t *buf = reply_room(r, room, 0);
	CK_RV rv;
	int n;

	if (buf == NULL)
		return CKR_HOST_MEMORY;
	memcpy(buf, frame, len);
	memset(buf + len, 0, room - len);
	do
		n = c->io->ioctl(c->fd, request, buf);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return failed(c, errno);
	r->frame = buf;
	rv = check_reply(frame, room, r);
	if (rv != CKR_OK)
		return rv;
	wire_get_header(buf, &h);
	r->len = h.length;
	return h.rv == WIRE_RV_READ_STREAM ? fetch_reply(c, frame, r) : CKR_OK;
}

CK_RV
channel_call(struct channel *c, const uint8_t *frame, size_t len, size_t expect,
	struct channel_reply *r)
{
	unsigned long request;
	size_t room;

	reply_init(r);
	if (atomic_load(&c->dead))
		return CKR_DEVICE_REMOVED;
	request = wire_ioctl(len > expect ? len : expect, &room);
	if (request != 0)
		return call_by_ioctl(c, frame, len, request, room, r);
	return call_by_stream(c, frame, len, expect, r);
}

bool
channel_wait(struct channel *c, int wake, int ms)
{
	/* a number below zero is passed over */
	struct pollfd files[] = {{.fd = wake, .events = POLLIN}, {.fd = -1, .events = POLLIN}};

	if (c != NULL && !atomic_load(&c->dead) && peer_same(c->fd, &c->file))
		files[1].fd = c->fd;
	poll(files, 2, ms);
	return c == NULL || (files[1].fd >= 0 && (files[1].revents & (POLLERR | POLLHUP | POLLNVAL)) == 0);
}

/* ---- life ---- */

static CK_RV
greet(struct channel *c)
{
	struct channel_reply r;
	struct codec m = {0};
	const uint8_t *name;
	size_t name_len;
	CK_ULONG version = 0, limit;
	CK_RV rv;

	codec_begin(&m, WIRE_HELLO, channel_seq(c));
	codec_put_ulong(&m, WIRE_VERSION);
	codec_put_ulong(&m, 0);
	rv = codec_end(&m);
	reply_init(&r);
	if (rv == CKR_OK)
		rv = channel_call(c, m.buf.data, m.buf.len, 128, &r);
	codec_free(&m);
	if (rv != CKR_OK)
		goto out;
	memset(&m, 0, sizeof(m));
	rv = CKR_DEVICE_ERROR; /* no daemon of ours, or of another version */
	if (codec_open(&m, CODEC_REPLY, r.frame, r.len) != CKR_OK || m.h.rv != CKR_OK)
		goto out;
	codec_get_ulong(&m, &version);
	codec_get_bytes(&m, &name, &name_len);
	codec_get_ulong(&m, &limit);
	if (codec_close(&m) == CKR_OK && version == WIRE_VERSION)
		rv = CKR_OK;
out:
	codec_free(&m);
	channel_reply_free(&r);
	return rv;
}

CK_RV
channel_attach(struct channel **out, int fd, const CK_C_INITIALIZE_ARGS *args,
	const struct channel_io *io)
{
	struct channel *c = calloc(1, sizeof(*c));
	CK_RV rv = CKR_HOST_MEMORY;

	*out = NULL;
	if (c == NULL)
		goto fail;
	rv = lock_init(&c->fetch, args);
	if (rv != CKR_OK)
		goto fail;
	c->fd = fd;
	c->pid = getpid();
	c->io = io != NULL ? io : &system_io;
	c->used = 1;
	sem_init(&c->streams, 0, WIRE_STREAMS - 1);
	if (!peer_identify(fd, &c->file)) {
		close(fd);
		c->fd = -1;
		rv = CKR_DEVICE_REMOVED;
	}
	if (rv == CKR_OK)
		rv = rides_new(&c->rides, args);
	if (rv == CKR_OK)
		rv = searches_new(&c->searches, args);
	if (rv == CKR_OK)
		rv = greet(c);
	if (rv == CKR_OK)
		*out = c;
	else
		channel_close(c);
	return rv;
fail:
	close(fd);
	free(c);
	return rv;
}

CK_RV
channel_open(struct channel **c, const char *mount, const CK_C_INITIALIZE_ARGS *args)
{
	CK_RV rv;
	int fd;

	*c = NULL;
	rv = peer_open(mount, &fd);
	return rv == CKR_OK ? channel_attach(c, fd, args, NULL) : rv;
}

/* Never closes a file that the application opened under the number of one that it took from us. */
static void
close_file(struct channel *c)
{
	if (c->fd >= 0 && peer_same(c->fd, &c->file))
		close(c->fd);
	c->fd = -1;
	atomic_store(&c->dead, true);
}

void
channel_close(struct channel *c)
{
	if (c == NULL)
		return;
	close_file(c);
	rides_free(c->rides);
	searches_free(c->searches);
	lock_free(&c->fetch);
	sem_destroy(&c->streams);
	free(c);
}

void
channel_forget(struct channel *c)
{
	close_file(c);
	lock_forget(&c->fetch);
	rides_forget(c->rides);
	searches_forget(c->searches);
}

bool
channel_dead(const struct channel *c)
{
	return atomic_load(&((struct channel *)c)->dead);
}

struct rides *
channel_rides(struct channel *c)
{
	return c->rides;
}

struct searches *
channel_searches(struct channel *c)
{
	return c->searches;
}

uint32_t
channel_seq(struct channel *c)
{
	return atomic_fetch_add(&c->seq, 1) + 1;
}
