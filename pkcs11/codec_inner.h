/*
 * codec_inner.h - what codec.c (frames), codec_put.c, codec_get.c (items) and codec_param.c (mechanisms and their
 * parameters) share
 */
#ifndef TOKENFS_CODEC_INNER_H
#define TOKENFS_CODEC_INNER_H

#include "codec.h"

/* Keeps the first error; always false. */
bool codec_fail(struct codec *m, CK_RV rv);
/* Takes one letter off the signature. */
bool codec_expect(struct codec *m, char letter);
/* Every put ends here: the buffer fails when it would pass WIRE_MAX_FRAME or memory is out. */
bool codec_written(struct codec *m);
/* Every get ends here. */
bool codec_was_read(struct codec *m);
/* A type that does not fit the wire travels as one that no attribute has. */
uint32_t codec_wire_type(CK_ATTRIBUTE_TYPE type);

#endif
