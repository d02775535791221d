/*
 * answer.h - one value of C_GetAttributeValue's answer, into the application's memory
 *
 * Ownership:  the application's; nothing is kept.
 * Errors:     CKR_ARGUMENTS_BAD for a value that is malformed or longer than the application's buffer:
 *             the daemon's word on lengths is not trusted with the application's memory.
 *             CKR_HOST_MEMORY.
 * Format:     docs/PROTOCOL.md, letter r
 */
#ifndef TOKENFS_ANSWER_H
#define TOKENFS_ANSWER_H

#include "ck.h"

/* Writes the value of to->type, `len` bytes as attr_encode_value made them, to to->pValue, which has
 * to->ulValueLen bytes, and sets to->ulValueLen. *too_small becomes true if an entry of an inner
 * array had too little room; that entry's length is then CK_UNAVAILABLE_INFORMATION. */
CK_RV answer_fill(CK_ATTRIBUTE *to, const uint8_t *data, size_t len, bool *too_small);

#endif
