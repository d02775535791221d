/*
 * channel.h - one connection to the daemon: a frame goes out, the reply comes back
 *
 * Use:        channel_open(&c, mount, args); r.frame = NULL;
 *             channel_call(c, frame, len, expect, &r); ... channel_reply_free(&r); channel_close(c)
 * Ownership:  the reply's bytes belong to the struct channel_reply, until channel_reply_free.
 * Locking:    any number of threads may call at once: an ioctl needs no lock, a stream is handed out
 *             to one frame at a time.
 * Errors:     CKR_DEVICE_REMOVED when the daemon is gone (ECONNABORTED, ENOTCONN, ENODEV, EIO,
 *             EBADF and whatever else is unheard of); from then on always (channel_dead).
 *             CKR_DEVICE_ERROR for an answer that is no reply to this frame, CKR_HOST_MEMORY.
 * Secrets:    requests and replies carry PINs and values: every copy is wiped.
 * Format:     docs/PROTOCOL.md, Carriers.
 *
 * The two carriers, as both ends keep them:
 *
 * 1. ioctl. The request frame stands at the start of the buffer, the rest of it is zero. The reply
 *    takes its place. A reply longer than the buffer is kept by the daemon, which answers a header
 *    alone: call and seq of the request, rv = WIRE_RV_READ_STREAM.
 * 2. stream 1 .. WIRE_STREAMS-1. The frame is written from position 0 in pieces of at most
 *    WIRE_CHUNK, one after the other; a piece at position 0 drops what the stream held. pread at
 *    position 0 performs the call and gives the first bytes of the reply, preads at the positions
 *    that follow give the rest. The reply's header says how long it is.
 * 3. stream 0 fetches a reply that the daemon kept. A bare header (length 16, call and seq of the
 *    request, rv 0) is written at position 0; preads from position 0 on give the kept reply. It is
 *    dropped when its last byte was read, or another header is written to stream 0. Only one
 *    thread of a connection uses stream 0 at a time.
 *
 * EINTR from the ioctl, or from a pread at position 0, says that the call goes on and was only
 * interrupted: the client repeats it with the same frame, and the daemon knows it by its seq.
 */
#ifndef TOKENFS_CHANNEL_H
#define TOKENFS_CHANNEL_H

#include <sys/types.h>

#include "lock.h"
#include "wire.h"

struct channel;
struct searches;
struct rides;

/* The system calls a channel lives on; replaced where a test wants them to fail. */
struct channel_io {
	int (*ioctl)(int fd, unsigned long request, void *buf);
	ssize_t (*pwrite)(int fd, const void *buf, size_t len, off_t at);
	ssize_t (*pread)(int fd, void *buf, size_t len, off_t at);
};

#define CHANNEL_SMALL 4096

struct channel_reply {
	const uint8_t *frame; /* a whole frame with its header; NULL: nothing to free */
	size_t len;
	uint8_t *heap; /* where the frame lies, or NULL: in small */
	size_t size;   /* bytes used there */
	uint8_t small[CHANNEL_SMALL];
};

/* Opens a connection below `mount` (see peer.h for what is checked first) and greets the daemon.
 * CKR_TOKEN_NOT_PRESENT if nothing is mounted there. args says whose mutexes to use. */
CK_RV channel_open(struct channel **c, const char *mount, const CK_C_INITIALIZE_ARGS *args);
/* The same on an open file, which the channel takes over, on failure too. io NULL: the system's. */
CK_RV channel_attach(struct channel **c, int fd, const CK_C_INITIALIZE_ARGS *args,
	const struct channel_io *io);
/* No call may be under way. */
void channel_close(struct channel *c);
/* In the child of a fork: closes the child's copy of the file; every later call fails. */
void channel_forget(struct channel *c);
bool channel_dead(const struct channel *c);

/* The Inits and the searches that the module keeps for this connection. */
struct rides *channel_rides(struct channel *c);
struct searches *channel_searches(struct channel *c);

/* Waits without troubling the daemon until it has news (WIRE_WAIT_FOR_SLOT_EVENT tells them), it is gone, `wake` can be
 * read, or ms milliseconds have passed (-1: for ever). c NULL: for the last two alone. False: the daemon was not
 * waited for, since its file is gone. */
bool channel_wait(struct channel *c, int wake, int ms);

/* A number for the next frame. */
uint32_t channel_seq(struct channel *c);
/* Sends a whole frame. expect: length of the reply that is likely, header included; a guess too small
 * costs a round trip, one too large a bigger buffer. */
CK_RV channel_call(struct channel *c, const uint8_t *frame, size_t len, size_t expect,
	struct channel_reply *r);
void channel_reply_free(struct channel_reply *r);

#endif
