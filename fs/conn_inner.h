/*
 * conn_inner.h - what conn.c (files, frames, life) and conn_call.c (slow calls, replies) share
 */
#ifndef TOKENFS_CONN_INNER_H
#define TOKENFS_CONN_INNER_H

#include "caller.h"
#include "conn.h"
#include "rpc.h"
#include "stream.h"

struct call;

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

/* Drops a reference; the last frees. */
void conn_put(struct conn *c);

/* How a reply travels. */
struct via {
	bool stream;
	unsigned n;  /* of the stream */
	size_t room; /* bytes that the request can take */
};

/* Answers the request with a reply, which may be moved away. A reply without a header is an error of ours. */
void conn_deliver(struct conn *c, fuse_req_t req, const struct via *via, struct buf *reply);
/* Answers a read with the next bytes of a stream's reply. */
void conn_deliver_piece(struct conn *c, fuse_req_t req, unsigned n, uint64_t pos, size_t room);
/*
 * A slow call, or a repeated one: waits for the work that runs, or takes the reply that was kept, or
 * begins. Takes *frame over then; NULL: only what was asked before (a read repeated without its write). Answers the
 * request.
 */
void conn_submit(struct conn *c, fuse_req_t req, const struct wire_header *h, struct buf *frame, const struct via *via);
/* Is it a call that was put aside before, and is asked for again? */
bool conn_knows(struct conn *c, const struct wire_header *h);

#endif
