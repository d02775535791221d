/*
 * buf.h - a growing, bounded, typed byte buffer for everything that crosses a border
 *
 * Use:        buf_init(&b, max); buf_put_*(&b, ...); if (buf_failed(&b)) ...; buf_free(&b);
 *             to read: buf_init_const(&b, bytes, len); buf_get_*(&b, &x); buf_at_end(&b)
 * Ownership:  a buffer made by buf_init owns its bytes; one made by buf_init_const borrows them
 *             and cannot be written. What buf_get_bytes points to lies in the buffer.
 * Errors:     sticky. The first put past `max` or get past the end sets `failed`; every later
 *             call does nothing and every later get yields zero. Check once, at the end.
 * Secrets:    bytes are wiped when the buffer grows, is cleared or freed.
 * Format:     integers little-endian; bytes are u32 length + data, length 0xFFFFFFFF = NULL.
 */
#ifndef TOKENFS_BUF_H
#define TOKENFS_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
	uint8_t *data;
	size_t len;  /* bytes written */
	size_t cap;  /* bytes allocated; 0: borrowed */
	size_t pos;  /* next byte to read */
	size_t max;  /* never longer than this */
	bool fixed;  /* the bytes are the caller's */
	bool failed; /* sticky */
};

#define BUF_NULL_LENGTH UINT32_MAX

/* Empty, growing up to max bytes; and for reading bytes that stay the caller's and outlive the buf. */
void buf_init(struct buf *b, size_t max);
void buf_init_const(struct buf *b, const void *data, size_t len);
/* Writes into the caller's memory, at most len bytes, which stays the caller's to wipe. */
void buf_init_fixed(struct buf *b, void *memory, size_t len);
/* Wipes and releases; `b` may be reused after buf_init. A zeroed struct is fine. */
void buf_free(struct buf *b);
/* Wipes the content, keeps the memory, clears `failed`. */
void buf_clear(struct buf *b);
bool buf_failed(const struct buf *b);

/* Writing. Each returns true, or false with `failed` set. */
bool buf_put(struct buf *b, const void *data, size_t len);
bool buf_put_u8(struct buf *b, uint8_t v);
bool buf_put_u16(struct buf *b, uint16_t v);
bool buf_put_u32(struct buf *b, uint32_t v);
bool buf_put_u64(struct buf *b, uint64_t v);
/* A CK_ULONG as u64; CK_UNAVAILABLE_INFORMATION (all ones) stays all ones whatever its size here. */
bool buf_put_ulong(struct buf *b, unsigned long v);
/* u32 length and data; data == NULL writes the NULL mark. */
bool buf_put_bytes(struct buf *b, const void *data, size_t len);
/* Room for `len` bytes to be filled by the caller: a pointer valid until the next put, or NULL. */
uint8_t *buf_extend(struct buf *b, size_t len);
/* Overwrites 4 bytes at `at`, which must lie below len. */
bool buf_poke_u32(struct buf *b, size_t at, uint32_t v);
/* Shortens to `len` bytes (no more than are there) and wipes what lies beyond. */
void buf_truncate(struct buf *b, size_t len);

/* Reading, from pos. Each returns true, or false with `failed` set and *v zeroed. */
bool buf_get(struct buf *b, void *out, size_t len);
bool buf_get_u8(struct buf *b, uint8_t *v);
bool buf_get_u16(struct buf *b, uint16_t *v);
bool buf_get_u32(struct buf *b, uint32_t *v);
bool buf_get_u64(struct buf *b, uint64_t *v);
bool buf_get_ulong(struct buf *b, unsigned long *v); /* fails on what a CK_ULONG here cannot hold */
/* Points *data into the buffer; *data == NULL and *len == 0 for the NULL mark. */
bool buf_get_bytes(struct buf *b, const uint8_t **data, size_t *len);
/* Points *data at the next `len` raw bytes. */
bool buf_get_view(struct buf *b, const uint8_t **data, size_t len);
size_t buf_left(const struct buf *b);
/* True when everything was read and nothing failed: trailing bytes are an error. */
bool buf_at_end(const struct buf *b);

/* Wipes memory in a way the compiler keeps. */
void wipe(void *p, size_t len);
/* Comparison in time that depends on len alone. */
bool equal_ct(const void *a, const void *b, size_t len);

#endif
