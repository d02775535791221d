/*
 * RSAES-PKCS1-v1_5 decryption that never says whether the padding was right
 *
 * As in draft-irtf-cfrg-rsa-guidance: a bad padding yields a message that looks random but is always the
 * same for the same key and ciphertext, so that an attacker learns nothing from asking (Bleichenbacher,
 * Marvin). OpenSSL has this only since 3.2. Nothing here branches or indexes by what is secret; only
 * the length of the message, right or made up, shows, for the caller is told it anyway.
 */
#include <string.h>

#include "mech_family.h"
#include "secret.h"

#define LENGTHS 128 /* made-up lengths to choose from: the chance that none fits is negligible */
#define MIN_PAD 10  /* 00 02, and 8 bytes that are not zero */

/* 0xFF...FF when true, else 0. */
static uint32_t
mask_if(uint32_t bit)
{
	return (uint32_t)0 - (bit & 1);
}

static uint32_t
mask_zero(uint32_t x)
{
	return mask_if(((~x & (x - 1)) >> 31));
}

static uint32_t
mask_less(uint32_t a, uint32_t b) /* both below 2^31 */
{
	return mask_if((a - b) >> 31);
}

static uint32_t
choose(uint32_t mask, uint32_t yes, uint32_t no)
{
	return (mask & yes) | (~mask & no);
}

static bool
hmac_once(const uint8_t key[32], const uint8_t *in, size_t n, uint8_t out[32])
{
	size_t len;

	return EVP_Q_mac(NULL, "HMAC", NULL, "SHA2-256", NULL, key, 32, in, n, out, 32, &len) != NULL;
}

/* The PRF of the draft: HMAC(key, counter || label || bits), block by block. */
static bool
prf(const uint8_t key[32], const char *label, uint8_t *out, size_t len)
{
	uint8_t in[2 + 16 + 2], block[32];
	size_t label_len = strlen(label), done, n;
	bool ok = true;

	memcpy(in + 2, label, label_len);
	in[2 + label_len] = (uint8_t)(len * 8 >> 8);
	in[3 + label_len] = (uint8_t)(len * 8);
	for (done = 0; ok && done < len; done += n) {
		n = len - done < 32 ? len - done : 32;
		in[0] = (uint8_t)(done / 32 >> 8);
		in[1] = (uint8_t)(done / 32);
		ok = hmac_once(key, in, 4 + label_len, block);
		memcpy(out + done, block, n);
	}
	wipe(block, sizeof(block));
	return ok;
}

/* The last of the candidates that is short enough for a modulus of `size` bytes. */
static uint32_t
made_up_length(const uint8_t candidates[2 * LENGTHS], uint32_t size)
{
	uint32_t max = size - MIN_PAD, bits = max, length = 0, c;

	bits |= bits >> 1;
	bits |= bits >> 2;
	bits |= bits >> 4;
	bits |= bits >> 8;
	for (size_t i = 0; i < LENGTHS; i++) {
		c = ((uint32_t)candidates[2 * i] << 8 | candidates[2 * i + 1]) & bits;
		length = choose(mask_less(c, max), c, length);
	}
	return length;
}

/* Mask of "em is well padded"; *start: where its message begins. */
static uint32_t
inspect(const uint8_t *em, uint32_t size, uint32_t *start)
{
	uint32_t good = mask_zero(em[0]) & mask_zero(em[1] ^ 2u), found = 0, at = 0, zero;

	for (uint32_t i = 2; i < size; i++) {
		zero = mask_zero(em[i]);
		at = choose(~found & zero, i, at);
		found |= zero;
	}
	*start = at + 1;
	return good & found & ~mask_less(at, MIN_PAD);
}

CK_RV
rsa_unpad(const struct key *k, const uint8_t *cipher, uint8_t *em, uint8_t *out, size_t *out_len)
{
	uint32_t size = (uint32_t)k->size, start, good, length;
	uint8_t candidates[2 * LENGTHS], key[32];
	uint8_t *fake = secret_alloc(k->size);
	CK_RV rv = CKR_FUNCTION_FAILED;

	if (fake == NULL)
		return CKR_HOST_MEMORY;
	if (!hmac_once(k->reject, cipher, k->size, key) || !prf(key, "length", candidates, sizeof(candidates)) ||
		!prf(key, "message", fake, k->size)) {
		rv = mech_failed(CKR_FUNCTION_FAILED, "HMAC");
		goto out;
	}
	good = inspect(em, size, &start);
	length = choose(good, size - start, made_up_length(candidates, size));
	for (uint32_t i = 0; i < size; i++)
		em[i] = (uint8_t)choose(good, em[i], fake[i]);
	memcpy(out, em + size - length, length);
	*out_len = length;
	rv = CKR_OK;
out:
	wipe(candidates, sizeof(candidates));
	wipe(key, sizeof(key));
	secret_free(fake);
	return rv;
}
