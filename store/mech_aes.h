/* mech_aes.h - what the files of AES share */
#ifndef TOKENFS_MECH_AES_H
#define TOKENFS_MECH_AES_H

#include "mech_family.h"
#include "mech_variant.h"

/* The cipher of a mode for a key of so many bytes; NULL when OpenSSL lacks it. */
const EVP_CIPHER *aes_cipher(enum aes_variant variant, size_t key_len);
/* Makes op->cctx for the key and direction, or starts it anew with another IV. */
CK_RV aes_start(struct op *op, enum aes_variant variant, const uint8_t *iv);

#endif
