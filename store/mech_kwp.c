#include "mech_kwp.h"

#include <limits.h>
#include <stdio.h>

#include "why.h"

bool
kwp_key_bits(CK_ULONG bits)
{
	return bits == 128 || bits == 192 || bits == 256;
}

size_t
kwp_size(size_t n)
{
	return (n + KWP_UNIT - 1) / KWP_UNIT * KWP_UNIT + KWP_UNIT;
}

CK_RV
kwp(bool wrap, const uint8_t *key, size_t key_len, const uint8_t *in, size_t n, uint8_t *out, size_t *out_len)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	EVP_CIPHER *c;
	char name[32];
	int len = 0;
	CK_RV rv = CKR_OK;

	snprintf(name, sizeof(name), "AES-%zu-WRAP-PAD", key_len * 8 % 1000);
	c = EVP_CIPHER_fetch(NULL, name, NULL);
	if (c == NULL || ctx == NULL || n > INT_MAX) {
		rv = mech_failed(CKR_FUNCTION_FAILED, name);
	} else if (n == 0 || (!wrap && (n % KWP_UNIT != 0 || n < 2 * KWP_UNIT))) {
		rv = why(wrap ? CKR_DATA_LEN_RANGE : CKR_ENCRYPTED_DATA_INVALID, "key wrap cannot take %zu bytes", n);
	} else {
		EVP_CIPHER_CTX_set_flags(ctx, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
		if (EVP_CipherInit_ex2(ctx, c, key, NULL, wrap, NULL) != 1 ||
			EVP_CipherUpdate(ctx, out, &len, in, (int)n) != 1)
			rv = mech_failed(wrap ? CKR_FUNCTION_FAILED : CKR_ENCRYPTED_DATA_INVALID, name);
	}
	*out_len = (size_t)len;
	EVP_CIPHER_CTX_free(ctx);
	EVP_CIPHER_free(c);
	return rv;
}
