/*
 * stream.h - carrier 2 of the wire: frames that are written and read in pieces
 *
 * One table of streams per connection. Requests gather, replies wait to be fetched, and the replies
 * of calls whose client was interrupted are kept until it asks again. Free of FUSE.
 *
 *   stream state:  empty -write at 0-> gathering -stream_frame-> asked -stream_reply-> replying
 *                  -last byte read-> empty; a write at 0 begins anew from any state
 *
 * Invariant:  streams->bytes is the sum of all lengths held, and of what the owner has charged, at most
 *             STREAMS_MAX_BYTES; of all streams with the same budget, at most its max. Memory grows
 *             with what was really written: to four times that at most (STREAM_RESERVE), never with an
 *             announced length alone.
 * Locking:    the caller's.
 * Errors:     negative errno; the stream is empty afterwards.
 * Secrets:    frames carry PINs and keys: all is wiped when dropped.
 * Format:     docs/PROTOCOL.md
 */
#ifndef TOKENFS_STREAM_H
#define TOKENFS_STREAM_H

#include <stdatomic.h>

#include "../pkcs11/buf.h"
#include "../pkcs11/wire.h"

#define STREAMS_MAX_BYTES ((size_t)128 << 20)
#define STREAMS_KEPT 16
/* The longest frame that is given its memory at once. */
#define STREAM_RESERVE ((size_t)2 << 20)

struct stream {
	struct buf in;  /* request so far */
	struct buf out; /* reply */
	size_t sent;    /* of out */
	uint32_t call, seq; /* of the frame that was asked; call 0: none */
};

struct kept {
	uint32_t call, seq;
	struct buf reply;
};

/* Shared by the streams of all connections. */
struct stream_budget {
	atomic_size_t bytes;
	size_t max;
};

struct streams {
	struct stream s[WIRE_STREAMS];
	struct kept kept[STREAMS_KEPT]; /* oldest first */
	size_t n_kept;
	size_t bytes;
	struct stream_budget *budget; /* NULL: none beside STREAMS_MAX_BYTES */
};

/* A zeroed struct is ready. */
void streams_clear(struct streams *t);

/* One piece. -EINVAL: no such stream, not the next position. -EPROTO: a bad length in the header, more
 * bytes than announced. -ENOMEM: too much is queued. */
int stream_write(struct streams *t, uint64_t offset, const uint8_t *data, size_t len);
/* Moves a complete frame into *frame (zeroed). -EPROTO: none is complete. */
int stream_frame(struct streams *t, unsigned n, struct buf *frame);
/* Call and sequence of the frame that was asked last and not yet answered; false: none. */
bool stream_asked(const struct streams *t, unsigned n, uint32_t *call, uint32_t *seq);
/* Moves *reply into the stream, to be fetched. -ENOMEM: dropped. */
int stream_reply(struct streams *t, unsigned n, struct buf *reply);
/* The reply's next bytes, at most room. The last of them come with the buffer itself, moved into
 * *last (zeroed), for the caller to free; others lie in the stream. *len 0: nothing is left. */
int stream_read(struct streams *t, unsigned n, uint64_t pos, size_t room, const uint8_t **data, size_t *len,
	struct buf *last);

/* Keeps a reply for a later stream 0 or repeated request; the oldest go when there are too
 * many, and the reply itself if it finds no room even so. *reply is empty afterwards. */
void streams_keep(struct streams *t, uint32_t call, uint32_t seq, struct buf *reply);
/* Is it kept? */
bool streams_keeps(const struct streams *t, uint32_t call, uint32_t seq);
/* Drops the replies that are kept of these calls. */
void streams_drop(struct streams *t, bool (*of)(uint32_t call));
/* Counts bytes that are held elsewhere for the connection; false: no room. */
bool streams_charge(struct streams *t, size_t bytes);
void streams_discharge(struct streams *t, size_t bytes);
/* Moves it out; false: there is none. */
bool streams_kept(struct streams *t, uint32_t call, uint32_t seq, struct buf *reply);

#endif
