#include "stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Moving a buffer is moving its bytes' ownership. */
static void
move(struct buf *to, struct buf *from)
{
	*to = *from;
	memset(from, 0, sizeof(*from));
}

bool
streams_charge(struct streams *t, size_t n)
{
	if (n > STREAMS_MAX_BYTES || t->bytes > STREAMS_MAX_BYTES - n)
		return false;
	if (t->budget && atomic_fetch_add(&t->budget->bytes, n) + n > t->budget->max) {
		atomic_fetch_sub(&t->budget->bytes, n);
		return false;
	}
	t->bytes += n;
	return true;
}

void
streams_discharge(struct streams *t, size_t n)
{
	t->bytes -= n;
	if (t->budget)
		atomic_fetch_sub(&t->budget->bytes, n);
}

static void
drop(struct streams *t, struct buf *b)
{
	streams_discharge(t, b->len);
	buf_free(b);
	memset(b, 0, sizeof(*b));
}

static void
stream_clear(struct streams *t, struct stream *s)
{
	drop(t, &s->in);
	drop(t, &s->out);
	s->sent = 0;
	s->call = s->seq = 0;
}

void
streams_clear(struct streams *t)
{
	for (unsigned i = 0; i < WIRE_STREAMS; i++)
		stream_clear(t, &t->s[i]);
	for (size_t i = 0; i < t->n_kept; i++)
		drop(t, &t->kept[i].reply);
	t->n_kept = 0;
}

/* The header's length is looked at as soon as it is there. */
static int
check_gathered(const struct stream *s)
{
	struct wire_header h;

	if (s->in.len < WIRE_HEADER)
		return 0;
	wire_get_header(s->in.data, &h);
	if (h.length < WIRE_HEADER || h.length > WIRE_MAX_FRAME || s->in.len > h.length)
		return -EPROTO;
	return 0;
}

/* A first piece that brings a good part of its frame gets the memory for all of it, exactly: no growing, and no
 * more to wipe than was there. What fails here fails when it is needed. */
static void
reserve(struct buf *b, const uint8_t *data, size_t len)
{
	struct wire_header h;

	if (len < WIRE_HEADER)
		return;
	wire_get_header(data, &h);
	if (h.length <= len || h.length > STREAM_RESERVE || h.length / 4 > len)
		return;
	b->data = malloc(h.length);
	b->cap = b->data != NULL ? h.length : 0;
}

int
stream_write(struct streams *t, uint64_t offset, const uint8_t *data, size_t len)
{
	uint64_t n = offset >> 32, pos = offset & UINT32_MAX;
	struct stream *s;
	int rc = -EINVAL;

	if (n >= WIRE_STREAMS)
		return -EINVAL;
	s = &t->s[n];
	if (pos == 0) {
		stream_clear(t, s);
		buf_init(&s->in, WIRE_MAX_FRAME);
		reserve(&s->in, data, len);
	}
	if (len == 0 || pos != s->in.len)
		goto out;
	rc = -ENOMEM;
	if (!streams_charge(t, len))
		goto out;
	if (!buf_put(&s->in, data, len)) {
		streams_discharge(t, len);
		rc = -EPROTO; /* longer than any frame */
		goto out;
	}
	rc = check_gathered(s);
out:
	if (rc != 0)
		stream_clear(t, s);
	return rc;
}

int
stream_frame(struct streams *t, unsigned n, struct buf *frame)
{
	struct stream *s = &t->s[n];
	struct wire_header h;

	if (s->in.len < WIRE_HEADER)
		return -EPROTO;
	wire_get_header(s->in.data, &h);
	if (s->in.len != h.length)
		return -EPROTO;
	s->call = h.call;
	s->seq = h.seq;
	streams_discharge(t, s->in.len);
	move(frame, &s->in);
	return 0;
}

bool
stream_asked(const struct streams *t, unsigned n, uint32_t *call, uint32_t *seq)
{
	*call = t->s[n].call;
	*seq = t->s[n].seq;
	return *call != 0;
}

int
stream_reply(struct streams *t, unsigned n, struct buf *reply)
{
	struct stream *s = &t->s[n];

	drop(t, &s->out);
	s->sent = 0;
	s->call = s->seq = 0;
	if (!streams_charge(t, reply->len)) {
		buf_free(reply);
		memset(reply, 0, sizeof(*reply));
		return -ENOMEM;
	}
	move(&s->out, reply);
	return 0;
}

int
stream_read(struct streams *t, unsigned n, uint64_t pos, size_t room, const uint8_t **data, size_t *len,
	struct buf *last)
{
	struct stream *s = &t->s[n];

	*data = NULL;
	*len = 0;
	if (s->out.len == 0)
		return pos == 0 ? -EPROTO : 0;
	if (pos != s->sent)
		return -EINVAL;
	*len = s->out.len - s->sent < room ? s->out.len - s->sent : room;
	*data = s->out.data + s->sent;
	s->sent += *len;
	if (s->sent == s->out.len) {
		streams_discharge(t, s->out.len);
		move(last, &s->out);
		s->sent = 0;
	}
	return 0;
}

static void
forget(struct streams *t, size_t i)
{
	memmove(&t->kept[i], &t->kept[i + 1], (t->n_kept - i - 1) * sizeof(t->kept[0]));
	t->n_kept--;
	memset(&t->kept[t->n_kept], 0, sizeof(t->kept[0]));
}

void
streams_keep(struct streams *t, uint32_t call, uint32_t seq, struct buf *reply)
{
	struct buf old = {0};
	bool room = false;

	if (streams_kept(t, call, seq, &old))
		buf_free(&old);
	while (t->n_kept == STREAMS_KEPT || (!(room = streams_charge(t, reply->len)) && t->n_kept > 0)) {
		drop(t, &t->kept[0].reply);
		forget(t, 0);
	}
	if (!room) {
		buf_free(reply);
		return;
	}
	t->kept[t->n_kept].call = call;
	t->kept[t->n_kept].seq = seq;
	move(&t->kept[t->n_kept++].reply, reply);
}

bool
streams_kept(struct streams *t, uint32_t call, uint32_t seq, struct buf *reply)
{
	for (size_t i = 0; i < t->n_kept; i++) {
		if (t->kept[i].call != call || t->kept[i].seq != seq)
			continue;
		streams_discharge(t, t->kept[i].reply.len);
		move(reply, &t->kept[i].reply);
		forget(t, i);
		return true;
	}
	return false;
}

bool
streams_keeps(const struct streams *t, uint32_t call, uint32_t seq)
{
	for (size_t i = 0; i < t->n_kept; i++) {
		if (t->kept[i].call == call && t->kept[i].seq == seq)
			return true;
	}
	return false;
}

void
streams_drop(struct streams *t, bool (*of)(uint32_t call))
{
	for (size_t i = t->n_kept; i-- > 0;) {
		if (of(t->kept[i].call)) {
			drop(t, &t->kept[i].reply);
			forget(t, i);
		}
	}
}
