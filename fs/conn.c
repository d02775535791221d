#include "conn.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "caller.h"
#include "door.h"
#include "log.h"
#include "rpc.h"
#include "stream.h"

struct call;

/* Calls of one connection that wait or run; a thread of the application has one at most. */
#define CALLS_MAX 256u

struct conn {
	struct handle handle;
	atomic_uint refs; /* the open file and every call */
	struct served *served;
	struct conn *next; /* in served->conns */
	struct app *app;
	uint64_t ino;
	struct caller caller;
	pthread_mutex_t lock;
	struct streams streams;
	struct call *calls; /* slow ones that have not ended */
	unsigned n_calls;
	struct fuse_pollhandle *poll; /* of the last that polled, until it is told; or NULL */
	bool closed;
};

/* How a reply travels. */
struct via {
	bool stream;
	unsigned n;  /* of the stream */
	size_t room; /* bytes that the request can take */
};

/* A slow call. */
struct call {
	struct job job; /* first: the pool knows it by this */
	struct conn *conn;
	struct call *next;
	uint32_t call, seq;
	struct buf frame;
	size_t charged; /* of the connection's room: what the call takes */
	struct codec reply;
	struct via via; /* of the present waiter */
};

static void
conn_put(struct conn *c)
{
	if (atomic_fetch_sub(&c->refs, 1) != 1)
		return;
	if (c->poll != NULL)
		fuse_pollhandle_destroy(c->poll);
	streams_clear(&c->streams);
	caller_release(&c->caller);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

/* ---- replies ---- */

static void
deliver_ioctl(struct conn *c, fuse_req_t req, size_t room, struct buf *reply)
{
	uint8_t header[WIRE_HEADER];
	struct wire_header h;

	if (reply->len <= room) {
		fuse_reply_ioctl(req, 0, reply->data, reply->len);
		return;
	}
	wire_get_header(reply->data, &h);
	pthread_mutex_lock(&c->lock);
	streams_keep(&c->streams, h.call, h.seq, reply);
	pthread_mutex_unlock(&c->lock);
	h.length = WIRE_HEADER;
	h.rv = WIRE_RV_READ_STREAM;
	wire_put_header(header, &h);
	fuse_reply_ioctl(req, 0, header, sizeof(header));
}

/* Answers a read with the next bytes of a stream's reply. */
static void
deliver_piece(struct conn *c, fuse_req_t req, unsigned n, uint64_t pos, size_t room)
{
	struct buf last = {0};
	const uint8_t *data;
	size_t len;
	int rc;

	pthread_mutex_lock(&c->lock);
	rc = stream_read(&c->streams, n, pos, room, &data, &len, &last);
	/* Before the last piece the bytes stay the stream's, which may change once the lock is gone. */
	if (rc == 0 && len > 0 && last.data == NULL) {
		fuse_reply_buf(req, (const char *)data, len);
		pthread_mutex_unlock(&c->lock);
		return;
	}
	pthread_mutex_unlock(&c->lock);
	if (rc != 0)
		fuse_reply_err(req, -rc);
	else
		fuse_reply_buf(req, (const char *)data, len);
	buf_free(&last);
}

static void
deliver_stream(struct conn *c, fuse_req_t req, const struct via *via, struct buf *reply)
{
	int rc;

	pthread_mutex_lock(&c->lock);
	rc = stream_reply(&c->streams, via->n, reply);
	pthread_mutex_unlock(&c->lock);
	if (rc != 0)
		fuse_reply_err(req, -rc);
	else
		deliver_piece(c, req, via->n, 0, via->room);
}

/* reply may be moved away. A reply without a header is an error of ours. */
static void
deliver(struct conn *c, fuse_req_t req, const struct via *via, struct buf *reply)
{
	if (reply->len < WIRE_HEADER)
		fuse_reply_err(req, EIO);
	else if (via->stream)
		deliver_stream(c, req, via, reply);
	else
		deliver_ioctl(c, req, via->room, reply);
}

/* ---- slow calls ---- */

static void
call_free(struct call *k)
{
	struct conn *c = k->conn;

	buf_free(&k->frame);
	codec_free(&k->reply);
	app_put(c->app);
	free(k);
	conn_put(c);
}

static void
call_run(struct job *j)
{
	struct call *k = (struct call *)j;
	bool closed;

	pthread_mutex_lock(&k->conn->lock);
	closed = k->conn->closed;
	pthread_mutex_unlock(&k->conn->lock);
	if (!closed) /* else nobody waits for it */
		rpc_call(k->conn->app, k->frame.data, k->frame.len, &k->reply);
	buf_free(&k->frame);
	memset(&k->frame, 0, sizeof(k->frame));
}

static void
call_end(struct job *j)
{
	struct call *k = (struct call *)j, **at;
	struct conn *c = k->conn;
	struct via via;
	fuse_req_t req;

	pthread_mutex_lock(&c->lock);
	for (at = &c->calls; *at != k; at = &(*at)->next)
		;
	*at = k->next;
	c->n_calls--;
	streams_discharge(&c->streams, k->charged);
	req = jobs_take(c->served->jobs, j);
	if (req == NULL && !c->closed && k->reply.buf.len >= WIRE_HEADER)
		streams_keep(&c->streams, k->call, k->seq, &k->reply.buf);
	via = k->via;
	pthread_mutex_unlock(&c->lock);
	if (req != NULL)
		deliver(c, req, &via, &k->reply.buf);
	call_free(k);
}

/* With the connection's lock held. */
static struct call *
call_find(struct conn *c, uint32_t call, uint32_t seq)
{
	struct call *k = c->calls;

	while (k != NULL && (k->call != call || k->seq != seq))
		k = k->next;
	return k;
}

/* With the lock held. Takes over *frame. NULL when memory is short or the connection has too much under way. */
static struct call *
call_new(struct conn *c, const struct wire_header *h, struct buf *frame, const struct via *via)
{
	size_t takes = sizeof(struct call) + frame->len;
	struct call *k;

	if (c->n_calls == CALLS_MAX || !streams_charge(&c->streams, takes))
		return NULL;
	k = calloc(1, sizeof(*k));
	if (k == NULL) {
		streams_discharge(&c->streams, takes);
		return NULL;
	}
	k->charged = takes;
	k->job.run = call_run;
	k->job.end = call_end;
	k->job.heavy = rpc_cost(frame->data, frame->len) == RPC_HEAVY;
	k->job.lane = rpc_lane(frame->data, frame->len);
	k->job.lane_of = k->job.lane == 0 ? NULL : c;
	atomic_fetch_add(&c->refs, 1);
	app_ref(c->app);
	k->conn = c;
	k->call = h->call;
	k->seq = h->seq;
	k->frame = *frame;
	memset(frame, 0, sizeof(*frame)); /* transferred */
	k->via = *via;
	k->next = c->calls;
	c->calls = k;
	c->n_calls++;
	return k;
}

/*
 * A slow call, or a repeated one: waits for the work that runs, or takes the reply that was kept, or
 * begins. frame NULL: only what was asked before (a read repeated without its write).
 */
static void
call_submit(struct conn *c, fuse_req_t req, const struct wire_header *h, struct buf *frame, const struct via *via)
{
	struct jobs *jobs = c->served->jobs;
	enum job_added added = JOB_WAITING;
	struct buf reply = {0};
	struct call *k;
	int error = 0;

	ops_may_wait(req);
	pthread_mutex_lock(&c->lock);
	k = call_find(c, h->call, h->seq);
	if (k != NULL) {
		struct via before = k->via;

		k->via = *via;
		added = jobs_attach(jobs, &k->job, req);
		if (added == JOB_BUSY) {
			k->via = before;
			error = EBUSY;
		}
	} else if (streams_kept(&c->streams, h->call, h->seq, &reply)) {
		/* answered below */
	} else if (frame == NULL) {
		error = EPROTO;
	} else if ((k = call_new(c, h, frame, via)) == NULL) {
		error = ENOMEM;
	} else {
		added = jobs_add(jobs, &k->job, req);
	}
	pthread_mutex_unlock(&c->lock);
	if (error != 0 || added == JOB_INTERRUPTED)
		fuse_reply_err(req, error != 0 ? error : EINTR);
	else if (reply.data != NULL)
		deliver(c, req, via, &reply);
	buf_free(&reply);
}

/* ---- performing ---- */

/* Decrypted data and values that may be secret. */
static bool
may_reveal(uint32_t call)
{
	return call == WIRE_DECRYPT || call == WIRE_DECRYPT_UPDATE || call == WIRE_DECRYPT_FINAL ||
		call == WIRE_DECRYPT_DIGEST_UPDATE || call == WIRE_DECRYPT_VERIFY_UPDATE ||
		call == WIRE_DECRYPT_NOW || call == WIRE_DECRYPT_MESSAGE || call == WIRE_DECRYPT_MESSAGE_NEXT ||
		call == WIRE_GET_ATTRIBUTE_VALUE;
}

/* Is it a call that was put aside before, and is asked for again? */
static bool
is_known(struct conn *c, const struct wire_header *h)
{
	bool known;

	pthread_mutex_lock(&c->lock);
	known = call_find(c, h->call, h->seq) != NULL || streams_keeps(&c->streams, h->call, h->seq);
	pthread_mutex_unlock(&c->lock);
	return known;
}

/* Here and now. False: it is to be submitted, since it is slow or another call holds its session. */
static bool
perform_now(struct conn *c, fuse_req_t req, const uint8_t *frame, size_t len, const struct via *via)
{
	struct codec reply = {0};
	struct wire_header h;
	bool done;

	wire_get_header(frame, &h);
	if (rpc_cost(frame, len) != RPC_FAST || is_known(c, &h))
		return false;
	done = rpc_try(c->app, frame, len, &reply);
	if (done && h.call == WIRE_LOGOUT) {
		pthread_mutex_lock(&c->lock);
		streams_drop(&c->streams, may_reveal);
		pthread_mutex_unlock(&c->lock);
	}
	if (done)
		deliver(c, req, via, &reply.buf);
	codec_free(&reply);
	return done;
}

void
conn_ioctl(fuse_req_t req, struct conn *c, unsigned int cmd, const void *in, size_t in_len, size_t room)
{
	struct via via = {.stream = false, .room = room};
	struct wire_header h;
	struct buf frame;

	if (cmd != WIRE_IOCTL_256 && cmd != WIRE_IOCTL_4K && cmd != WIRE_IOCTL_16K) {
		fuse_reply_err(req, ENOTTY);
		return;
	}
	if (in == NULL || in_len != _IOC_SIZE(cmd) || room < WIRE_HEADER) {
		fuse_reply_err(req, EINVAL);
		return;
	}
	if (!caller_check(&c->caller, fuse_req_ctx(req)->uid, fuse_req_ctx(req)->pid)) {
		fuse_reply_err(req, EACCES);
		goto out;
	}
	wire_get_header(in, &h);
	if (h.length < WIRE_HEADER || h.length > in_len) {
		fuse_reply_err(req, EPROTO);
		goto out;
	}
	if (perform_now(c, req, in, h.length, &via))
		goto out;
	buf_init(&frame, WIRE_MAX_FRAME);
	if (buf_put(&frame, in, h.length))
		call_submit(c, req, &h, &frame, &via);
	else
		fuse_reply_err(req, ENOMEM);
	buf_free(&frame);
out:
	/* The bytes lie in the session's receive buffer, which is reused but never cleared. */
	wipe((void *)(uintptr_t)in, in_len);
}

void
conn_write(fuse_req_t req, struct conn *c, const char *data, size_t len, off_t offset)
{
	int rc = -EACCES;

	if (caller_check(&c->caller, fuse_req_ctx(req)->uid, fuse_req_ctx(req)->pid)) {
		pthread_mutex_lock(&c->lock);
		rc = stream_write(&c->streams, (uint64_t)offset, (const uint8_t *)data, len);
		pthread_mutex_unlock(&c->lock);
	}
	if (rc != 0)
		fuse_reply_err(req, -rc);
	else
		fuse_reply_write(req, len);
	wipe((void *)(uintptr_t)data, len);
}

/* Stream 0: a bare header names the reply that did not fit an ioctl. */
static void
fetch_parked(struct conn *c, fuse_req_t req, const struct buf *frame, const struct via *via)
{
	struct buf reply = {0};
	struct wire_header h;
	bool found;

	wire_get_header(frame->data, &h);
	pthread_mutex_lock(&c->lock);
	found = streams_kept(&c->streams, h.call, h.seq, &reply);
	pthread_mutex_unlock(&c->lock);
	if (found)
		deliver(c, req, via, &reply);
	else
		fuse_reply_err(req, ENOENT);
	buf_free(&reply);
}

/* A read at position 0: performs what was written. */
static void
perform_stream(struct conn *c, fuse_req_t req, const struct via *via)
{
	struct wire_header h = {.length = WIRE_HEADER};
	struct buf frame = {0};
	bool asked;
	int rc;

	pthread_mutex_lock(&c->lock);
	asked = stream_asked(&c->streams, via->n, &h.call, &h.seq);
	rc = stream_frame(&c->streams, via->n, &frame);
	pthread_mutex_unlock(&c->lock);
	if (rc != 0) {
		if (asked)
			call_submit(c, req, &h, NULL, via);
		else
			fuse_reply_err(req, -rc);
		return;
	}
	wire_get_header(frame.data, &h);
	if (via->n == 0)
		fetch_parked(c, req, &frame, via);
	else if (!perform_now(c, req, frame.data, frame.len, via))
		call_submit(c, req, &h, &frame, via);
	buf_free(&frame);
}

void
conn_read(fuse_req_t req, struct conn *c, size_t size, off_t offset)
{
	struct via via = {.stream = true, .room = size};
	uint64_t n = (uint64_t)offset >> 32, pos = (uint64_t)offset & UINT32_MAX;

	if (!caller_check(&c->caller, fuse_req_ctx(req)->uid, fuse_req_ctx(req)->pid)) {
		fuse_reply_err(req, EACCES);
	} else if (n >= WIRE_STREAMS) {
		fuse_reply_err(req, EINVAL);
	} else {
		via.n = (unsigned)n;
		if (pos == 0)
			perform_stream(c, req, &via);
		else
			deliver_piece(c, req, via.n, pos, size);
	}
}

/* ---- slot events ---- */

void
conn_poll(fuse_req_t req, struct conn *c, struct fuse_pollhandle *ph)
{
	struct fuse_pollhandle *before = NULL;
	unsigned events = POLLERR;

	if (caller_check(&c->caller, fuse_req_ctx(req)->uid, fuse_req_ctx(req)->pid)) {
		/* first the handle, then the look: what changes between the two is told by both */
		pthread_mutex_lock(&c->lock);
		if (ph != NULL) {
			before = c->poll;
			c->poll = ph;
			ph = NULL; /* transferred */
		}
		pthread_mutex_unlock(&c->lock);
		events = app_has_slot_event(c->app) ? POLLIN | POLLRDNORM : 0;
	}
	fuse_reply_poll(req, events);
	if (before != NULL)
		fuse_pollhandle_destroy(before);
	if (ph != NULL)
		fuse_pollhandle_destroy(ph);
}

void
conn_tell_all(void *served)
{
	struct served *s = served;

	/* The list stays locked: notifying only hands the kernel a few bytes, and waits for nobody. */
	pthread_mutex_lock(&s->lock);
	for (struct conn *c = s->conns; c != NULL; c = c->next) {
		struct fuse_pollhandle *ph;

		pthread_mutex_lock(&c->lock);
		ph = c->poll;
		c->poll = NULL;
		pthread_mutex_unlock(&c->lock);
		if (ph == NULL)
			continue;
		fuse_lowlevel_notify_poll(ph);
		fuse_pollhandle_destroy(ph);
	}
	pthread_mutex_unlock(&s->lock);
}

/* ---- life ---- */

/* False: there are too many. */
static bool
enlist(struct served *s, struct conn *c)
{
	bool room;

	pthread_mutex_lock(&s->lock);
	room = s->n_conns < CONNS_MAX;
	if (room) {
		c->ino = DOOR_CONN | (++s->next_conn & 0xFFFFFFFFFFFFULL);
		c->next = s->conns;
		s->conns = c;
		s->n_conns++;
	}
	pthread_mutex_unlock(&s->lock);
	return room;
}

static void
unlist(struct served *s, struct conn *c)
{
	pthread_mutex_lock(&s->lock);
	for (struct conn **at = &s->conns; *at != NULL; at = &(*at)->next) {
		if (*at == c) {
			*at = c->next;
			s->n_conns--;
			break;
		}
	}
	pthread_mutex_unlock(&s->lock);
}

static int
conn_new(struct conn **out, struct served *s, uid_t uid, pid_t tid)
{
	struct conn *c = calloc(1, sizeof(*c));
	int rc = ENOMEM;

	if (c == NULL)
		return ENOMEM;
	c->handle.kind = HANDLE_CONN;
	atomic_init(&c->refs, 1);
	c->served = s;
	c->streams.budget = &s->stream_bytes;
	pthread_mutex_init(&c->lock, NULL);
	rc = EACCES;
	if (!caller_init(&c->caller, uid, tid))
		goto out;
	rc = ENOMEM;
	if (app_open(&c->app, s->daemon, uid, caller_pid(&c->caller)) != CKR_OK)
		goto out;
	rc = ENFILE;
	if (!enlist(s, c)) {
		app_close(c->app);
		goto out;
	}
	*out = c;
	c = NULL; /* transferred */
	rc = 0;
out:
	if (c != NULL)
		conn_put(c);
	return rc;
}

static void
conn_close(struct conn *c)
{
	pthread_mutex_lock(&c->lock);
	c->closed = true;
	streams_clear(&c->streams);
	pthread_mutex_unlock(&c->lock);
	app_close(c->app);
	conn_put(c);
}

void
conn_create(fuse_req_t req, const char *name, struct fuse_file_info *fi)
{
	struct served *s = fuse_req_userdata(req);
	const struct fuse_ctx *ctx = fuse_req_ctx(req);
	struct fuse_entry_param e = {.attr_timeout = 0, .entry_timeout = 0};
	struct conn *c = NULL;
	int rc;

	(void)name; /* any will do: O_EXCL and its randomness are the client's care */
	rc = conn_new(&c, s, ctx->uid, ctx->pid);
	if (rc != 0) {
		fuse_reply_err(req, rc);
		return;
	}
	e.ino = c->ino;
	door_stat(c->ino, &e.attr);
	fi->fh = (uintptr_t)c;
	fi->direct_io = 1;
	fi->noflush = 1;
	/* The process may have died meanwhile; then nobody will release it. */
	if (fuse_reply_create(req, &e, fi) != 0) {
		unlist(s, c);
		conn_close(c);
	}
}

void
conn_release(fuse_req_t req, struct conn *c)
{
	unlist(c->served, c);
	conn_close(c);
	fuse_reply_err(req, 0);
}

void
conn_cancel_all(struct served *s)
{
	pthread_mutex_lock(&s->lock);
	for (struct conn *c = s->conns; c != NULL; c = c->next)
		app_cancel(c->app);
	pthread_mutex_unlock(&s->lock);
}

void
conn_free_all(struct served *s)
{
	while (s->conns != NULL) {
		struct conn *c = s->conns;

		s->conns = c->next;
		conn_close(c);
	}
}
