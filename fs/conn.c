#include "conn_inner.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "door.h"
#include "log.h"

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

/* Here and now. False: it is to be submitted, since it is slow or another call holds its session. */
static bool
perform_now(struct conn *c, fuse_req_t req, const uint8_t *frame, size_t len, const struct via *via)
{
	struct codec reply = {0};
	struct wire_header h;
	bool done;

	wire_get_header(frame, &h);
	if (rpc_cost(frame, len) != RPC_FAST || conn_knows(c, &h))
		return false;
	done = rpc_try(c->app, frame, len, &reply);
	if (done && h.call == WIRE_LOGOUT) {
		pthread_mutex_lock(&c->lock);
		streams_drop(&c->streams, may_reveal);
		pthread_mutex_unlock(&c->lock);
	}
	if (done)
		conn_deliver(c, req, via, &reply.buf);
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
		conn_submit(c, req, &h, &frame, &via);
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
		conn_deliver(c, req, via, &reply);
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
			conn_submit(c, req, &h, NULL, via);
		else
			fuse_reply_err(req, -rc);
		return;
	}
	wire_get_header(frame.data, &h);
	if (via->n == 0)
		fetch_parked(c, req, &frame, via);
	else if (!perform_now(c, req, frame.data, frame.len, via))
		conn_submit(c, req, &h, &frame, via);
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
			conn_deliver_piece(c, req, via.n, pos, size);
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

void
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
