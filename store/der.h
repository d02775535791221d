/*
 * der.h - the little DER that PKCS#11 itself is made of: one element, and ECDSA's pair of integers
 *
 * Everything larger (PKCS#8, SubjectPublicKeyInfo, certificates) is OpenSSL's work.
 *
 * Locking:    any thread.
 * Errors:     false for anything that is not strict DER; nothing is written then.
 */
#ifndef TOKENFS_DER_H
#define TOKENFS_DER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DER_INTEGER 0x02
#define DER_OCTET_STRING 0x04
#define DER_OID 0x06
#define DER_UTF8_STRING 0x0C
#define DER_PRINTABLE_STRING 0x13
#define DER_SEQUENCE 0x30

/* The element at *p (before end): its tag must be `tag`; *value points at its content and *p moves
 * behind it. Lengths up to 65535. */
bool der_get(const uint8_t **p, const uint8_t *end, uint8_t tag, const uint8_t **value, size_t *len);
/* The same for an input that must be exactly one element. */
bool der_only(const uint8_t *in, size_t n, uint8_t tag, const uint8_t **value, size_t *len);
/* Bytes that an element of len content bytes takes; writes tag and length, returns their size. */
size_t der_size(size_t len);
size_t der_put_header(uint8_t *out, uint8_t tag, size_t len);

/* Room for SEQUENCE { INTEGER r, INTEGER s } with each below 2^(8 * size), size <= 66. */
#define DER_PAIR_MAX (3 + 2 * (3 + 66))
/* Big-endian r || s, each `size` bytes, from DER and to DER. der_pair_put returns the length written. */
bool der_pair_get(const uint8_t *in, size_t n, uint8_t *rs, size_t size);
size_t der_pair_put(uint8_t *out, const uint8_t *rs, size_t size);

#endif
