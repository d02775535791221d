/*
 * text.h - the blank-padded texts and the version in PKCS#11's information structures
 */
#ifndef TOKENFS_TEXT_H
#define TOKENFS_TEXT_H

#include "ck.h"

/* Fills `to` with at most `size` bytes of text, the rest with blanks. */
void text_pad(unsigned char *to, size_t size, const void *text, size_t len);
/* Major and minor number of this release. */
CK_VERSION text_version(void);

#endif
