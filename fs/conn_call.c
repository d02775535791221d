/* Replies, and the calls that are not performed where they arrive. */
#include "conn_inner.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Calls of one connection that wait or run; a thread of the application has one at most. */
#define CALLS_MAX 256u

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

void
conn_deliver_piece(struct conn *c, fuse_req_t req, unsigned n, uint64_t pos, size_t room)
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
		conn_deliver_piece(c, req, via->n, 0, via->room);
}

void
conn_deliver(struct conn *c, fuse_req_t req, const struct via *via, struct buf *reply)
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
		conn_deliver(c, req, &via, &k->reply.buf);
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

void
conn_submit(struct conn *c, fuse_req_t req, const struct wire_header *h, struct buf *frame, const struct via *via)
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
		conn_deliver(c, req, via, &reply);
	buf_free(&reply);
}

bool
conn_knows(struct conn *c, const struct wire_header *h)
{
	bool known;

	pthread_mutex_lock(&c->lock);
	known = call_find(c, h->call, h->seq) != NULL || streams_keeps(&c->streams, h->call, h->seq);
	pthread_mutex_unlock(&c->lock);
	return known;
}
