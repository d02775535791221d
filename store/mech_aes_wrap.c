/*
 * AES key wrap as a cipher (PKCS#11 3.1 6.14): RFC 3394, RFC 3394 behind PKCS #7 padding, RFC 5649
 *
 * The standard pads CKM_AES_KEY_WRAP_PAD by PKCS #7; before it said so, tokens took it for RFC 5649. What
 * they wrapped is accepted: both forms carry their own integrity check.
 */
#include <openssl/err.h>
#include <string.h>

#include "mech_aes.h"
#include "why.h"

#define UNIT 8

static const uint8_t default_iv[UNIT] = {0xA6, 0xA6, 0xA6, 0xA6, 0xA6, 0xA6, 0xA6, 0xA6}; /* RFC 3394 2.2.3 */
static const uint8_t default_aiv[4] = {0xA6, 0x59, 0x59, 0xA6};                           /* RFC 5649 3 */

static CK_RV
wrap_begin(struct op *op, const CK_MECHANISM *m)
{
	bool kwp = op->mech->variant == AES_KWP;
	const void *given;

	op->input = INPUT_GATHER;
	op->exact = op->encrypt || op->mech->variant == AES_KW;
	op->max_in = 1u << 20;
	op->iv_len = kwp ? sizeof(default_aiv) : sizeof(default_iv);
	given = mech_param(m, op->iv_len);
	if (given == NULL && !mech_no_param(m))
		return mech_bad_param(kwp ? "an IV of 4 bytes, or none" : "an IV of 8 bytes, or none");
	memcpy(op->iv, given != NULL ? given : kwp ? default_aiv : default_iv, op->iv_len);
	return aes_start(op, op->mech->variant, op->iv);
}

static uint64_t
wrap_total(const struct op *op, uint64_t fed, bool final)
{
	if (!final)
		return 0;
	if (!op->encrypt)
		return fed > UNIT ? fed - UNIT : 0;
	switch (op->mech->variant) {
	case AES_KW:
		return fed + UNIT;
	case AES_KW_PKCS7:
		return (fed / UNIT + 1) * UNIT + UNIT;
	default:
		return (fed + UNIT - 1) / UNIT * UNIT + UNIT;
	}
}

static CK_RV
wrap(struct op *op, const uint8_t *in, size_t n, uint8_t *out, size_t *out_len)
{
	struct bytes padded = {0};
	uint8_t pad[UNIT];
	int len = 0;
	CK_RV rv;

	if (n == 0 || (op->mech->variant == AES_KW && (n % UNIT != 0 || n < 2 * UNIT)) ||
		(op->mech->variant == AES_KW_PKCS7 && n < UNIT))
		return why(CKR_DATA_LEN_RANGE, "key wrap cannot take %zu bytes", n);
	if (op->mech->variant == AES_KW_PKCS7) {
		memset(pad, (int)(UNIT - n % UNIT), sizeof(pad));
		if ((rv = bytes_add(&padded, in, n)) != CKR_OK ||
			(rv = bytes_add(&padded, pad, UNIT - n % UNIT)) != CKR_OK)
			goto out;
		in = padded.data;
		n = padded.len;
	}
	rv = CKR_OK;
	if (EVP_CipherUpdate(op->cctx, out, &len, in, (int)n) != 1)
		rv = mech_failed(CKR_FUNCTION_FAILED, "key wrap");
	*out_len = (size_t)len;
out:
	bytes_free(&padded);
	return rv;
}

static bool
pkcs7_length(const uint8_t *p, size_t *n)
{
	size_t pad = *n > 0 ? p[*n - 1] : 0;

	if (pad < 1 || pad > UNIT || pad > *n)
		return false;
	for (size_t i = *n - pad; i < *n; i++)
		if (p[i] != pad)
			return false;
	*n -= pad;
	return true;
}

/* The same key with RFC 5649. */
static bool
unwrap_as_kwp(struct op *op, const uint8_t *in, size_t n, uint8_t *out, size_t *out_len)
{
	int len = 0;

	ERR_clear_error();
	op->spoiled = true; /* its context is of another mode now */
	EVP_CIPHER_CTX_free(op->cctx);
	op->cctx = NULL;
	if (aes_start(op, AES_KWP, default_aiv) != CKR_OK || EVP_CipherUpdate(op->cctx, out, &len, in, (int)n) != 1)
		return false;
	*out_len = (size_t)len;
	return true;
}

static CK_RV
unwrap(struct op *op, const uint8_t *in, size_t n, uint8_t *out, size_t *out_len)
{
	bool shorter = op->mech->variant == AES_KWP || op->mech->type == CKM_AES_KEY_WRAP_PAD;
	int len = 0;

	if (n % UNIT != 0 || n < (shorter ? 2 * UNIT : 3 * UNIT))
		return why(CKR_ENCRYPTED_DATA_LEN_RANGE, "key wrap never gives %zu bytes", n);
	if (n >= (op->mech->variant == AES_KWP ? 2 : 3) * UNIT &&
		EVP_CipherUpdate(op->cctx, out, &len, in, (int)n) == 1) {
		*out_len = (size_t)len;
		if (op->mech->variant != AES_KW_PKCS7 || pkcs7_length(out, out_len))
			return CKR_OK;
	} else if (op->mech->type == CKM_AES_KEY_WRAP_PAD && unwrap_as_kwp(op, in, n, out, out_len)) {
		return CKR_OK;
	}
	return mech_failed(CKR_ENCRYPTED_DATA_INVALID, "key unwrap");
}

/* OpenSSL clears as many bytes as went in when a blob does not open, 8 more than ever come out: so it works
 * on memory of that size. */
static CK_RV
unwrap_aside(struct op *op, const uint8_t *in, size_t n, uint8_t *out, size_t *out_len)
{
	struct bytes text = {0};
	CK_RV rv = bytes_reserve(&text, n + 1);

	if (rv == CKR_OK && (rv = unwrap(op, in, n, text.data, &text.len)) == CKR_OK) {
		memcpy(out, text.data, text.len);
		*out_len = text.len;
	}
	bytes_free(&text);
	return rv;
}

static CK_RV
wrap_whole(struct op *op, const uint8_t *in, size_t n, uint8_t *out, size_t *out_len)
{
	return op->encrypt ? wrap(op, in, n, out, out_len) : unwrap_aside(op, in, n, out, out_len);
}

const struct mech_family family_aes_wrap = {
	.begin = wrap_begin,
	.total = wrap_total,
	.whole = wrap_whole,
};

static const struct mech rows[] = {
	{CKM_AES_KEY_WRAP, CRYPT | WRAP, AES_KEYS, NULL, AES_KW, &family_aes_wrap},
	{CKM_AES_KEY_WRAP_PAD, CRYPT | WRAP, AES_KEYS, NULL, AES_KW_PKCS7, &family_aes_wrap},
	{CKM_AES_KEY_WRAP_KWP, CRYPT | WRAP, AES_KEYS, NULL, AES_KWP, &family_aes_wrap},
	{CKM_AES_KEY_WRAP_PKCS7, CRYPT | WRAP, AES_KEYS, NULL, AES_KW_PKCS7, &family_aes_wrap},
};
const struct mech_rows mech_aes_wrap_rows = {MECH_ROWS(rows)};
