/*
 * journal_inner.h - the layout of a log segment, for its two files: journal.c writes it, journal_read.c reads it
 *
 * Format:     docs/FORMAT.md, Log. Numbers are little-endian.
 *
 * Segment header, 128 bytes:
 *   0 magic 8 | 8 format u32 | 12 segment u32 | 16 serial 16 | 32 key id 16 | 48 epoch before u64
 *  56 zero 8 | 64 MAC before 32 | 96 MAC 32 = HMAC(K, bytes 0..95)
 * Record:
 *   0 length u32 | 4 ~length u32 | 8 epoch u64 | 16 time u64 | 24 kind u32 | 28 count u32
 *  32 entries, 64 bytes each | MAC 32 = HMAC(K, previous MAC || everything before)
 * Entry: 0 op u8 | 1 flags u8 | 2 zero u16 | 4 file length u32 | 8 uuid 16 | 24 version u64 | 32 hash 32
 */
#ifndef TOKENFS_JOURNAL_INNER_H
#define TOKENFS_JOURNAL_INNER_H

#include "journal.h"

#define MAGIC "TKNFSLG1"
#define SEGMENT_FORMAT 1u
#define SEGMENT_HEADER 128
#define RECORD_HEADER 32
#define ENTRY 64
#define ENTRY_PRIVATE 1u
#define MAX_ENTRIES 4000000u

#define JOURNAL_NAME 16 /* room for a segment's name and its NUL */

/* A segment's name, and back: false for every other file. There is no segment 0. */
void journal_name(char out[JOURNAL_NAME], uint32_t n);
bool journal_is_segment(const char *name, uint32_t *n);
/* What the file in use looks like, so that another one in its place, or a change by others, is noticed. */
void journal_note_stat(struct journal *l, const struct stat *st);

#endif
