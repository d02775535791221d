/* mech_aes.h - what the files of AES share */
#ifndef TOKENFS_MECH_AES_H
#define TOKENFS_MECH_AES_H

#include "mech_family.h"
#include "mech_variant.h"

/* Makes op->cctx for the key and direction, or starts it anew with another IV. */
CK_RV aes_start(struct op *op, enum aes_variant variant, const uint8_t *iv);

#endif
