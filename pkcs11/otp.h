/*
 * otp.h - what C_Sign answers for one-time passwords: CK_OTP_SIGNATURE_INFO, on its way as an image
 *
 * The structure stands at the start of the application's buffer, behind it its parameters and their values
 * (PKCS#11 3.1 6.53, CK_OTP_SIGNATURE_INFO). The daemon makes that very block, as long as it will be, with offsets from
 * its start where the pointers belong; the module puts the pointers in. So lengths, length queries and
 * CKR_BUFFER_TOO_SMALL are those of any other output.
 *
 * Use:        daemon: otp_image_size, otp_image_put; module: otp_image_place
 * Ownership:  all memory is the caller's.
 * Format:     docs/PROTOCOL.md, One-time passwords
 */
#ifndef TOKENFS_OTP_H
#define TOKENFS_OTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ck.h"

struct otp_value {
	CK_ULONG type; /* CK_OTP_VALUE ... */
	const void *data;
	size_t len;
};

/* Bytes of the whole image of n values. */
size_t otp_image_size(const struct otp_value *v, size_t n);
/* Writes otp_image_size bytes. */
void otp_image_put(uint8_t *out, const struct otp_value *v, size_t n);
/* Makes the structure of an image, where it lies; no pointer leaves the `len` bytes. False: it is no image, and what the
 * buffer holds then is nothing to be shown. */
bool otp_image_place(uint8_t *image, size_t len);

#endif
