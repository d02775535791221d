/*
 * mech_block.h - ciphers in blocks and streams without a tag: what AES, DES and ChaCha20 share
 *
 * Use:        a family's begin sets op->block, op->whole_blocks, op->pads and op->blocks and makes op->cctx; the
 *             rest of its functions are these.
 */
#ifndef TOKENFS_MECH_BLOCK_H
#define TOKENFS_MECH_BLOCK_H

#include "mech_family.h"

/* Bytes that have come out when `fed` have gone in; final: at the end. */
uint64_t block_total(const struct op *op, uint64_t fed, bool final);
/* Can a text of that length end here? CKR_DATA_LEN_RANGE, CKR_ENCRYPTED_DATA_LEN_RANGE. */
CK_RV block_fits(const struct op *op, uint64_t fed);
/* out has room for what block_total says; the same range errors when a counter would come round. */
CK_RV block_update(struct op *op, const uint8_t *in, size_t n, uint8_t *out, size_t *out_len);
/* The last block of a padded text, at most op->block bytes; CKR_ENCRYPTED_DATA_INVALID for bad padding. */
CK_RV block_final(struct op *op, uint8_t *out, size_t *out_len);

#endif
