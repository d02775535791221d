/*
 * sha512_reference.h - SHA-512 and SHA-512/t written down from FIPS 180-4, for tests to compare with
 *
 * Slow, and nothing of ours or of OpenSSL's hash functions in it: the constants are computed, as sections 4.2.3 and
 * 5.3.5 define them, from the roots of the first primes.
 */
#ifndef TOKENFS_SHA512_REFERENCE_H
#define TOKENFS_SHA512_REFERENCE_H

#include <openssl/bn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define REFERENCE_BLOCK 128

static uint64_t reference_k[80], reference_h[8];

/* The first 64 bits of the fraction of the square or cube root of p: the root of p * 2^128 or p * 2^192, bit by bit. */
static inline uint64_t
reference_root(unsigned p, int power)
{
	BIGNUM *n = BN_new(), *x = BN_new(), *y = BN_new();
	BN_CTX *ctx = BN_CTX_new();
	uint64_t root = 0;
	uint8_t out[16];

	BN_set_word(n, p);
	BN_lshift(n, n, 64 * power);
	BN_zero(x);
	for (int bit = 70; bit >= 0; bit--) {
		BN_set_bit(x, bit);
		BN_sqr(y, x, ctx);
		if (power == 3)
			BN_mul(y, y, x, ctx);
		if (BN_cmp(y, n) > 0)
			BN_clear_bit(x, bit);
	}
	BN_bn2binpad(x, out, sizeof(out));
	BN_free(n);
	BN_free(x);
	BN_free(y);
	BN_CTX_free(ctx);
	for (size_t i = 8; i < 16; i++)
		root = root << 8 | out[i];
	return root;
}

static inline void
reference_start(void)
{
	unsigned have = 0;

	for (unsigned p = 2; have < 80; p++) {
		bool prime = true;

		for (unsigned q = 2; q * q <= p; q++)
			prime = prime && p % q != 0;
		if (!prime)
			continue;
		if (have < 8)
			reference_h[have] = reference_root(p, 2);
		reference_k[have++] = reference_root(p, 3);
	}
}

static inline uint64_t
reference_turn(uint64_t x, unsigned n)
{
	return x >> n | x << (64 - n);
}

/* 6.4.2 */
static inline void
reference_block(uint64_t h[8], const uint8_t in[REFERENCE_BLOCK])
{
	uint64_t w[80] = {0}, v[8], t1, t2;

	for (size_t i = 0; i < REFERENCE_BLOCK; i++)
		w[i / 8] = w[i / 8] << 8 | in[i];
	for (size_t i = 16; i < 80; i++)
		w[i] = (reference_turn(w[i - 2], 19) ^ reference_turn(w[i - 2], 61) ^ w[i - 2] >> 6) + w[i - 7] +
			(reference_turn(w[i - 15], 1) ^ reference_turn(w[i - 15], 8) ^ w[i - 15] >> 7) + w[i - 16];
	memcpy(v, h, sizeof(v));
	for (size_t i = 0; i < 80; i++) {
		t1 = v[7] + (reference_turn(v[4], 14) ^ reference_turn(v[4], 18) ^ reference_turn(v[4], 41)) +
			((v[4] & v[5]) ^ (~v[4] & v[6])) + reference_k[i] + w[i];
		t2 = (reference_turn(v[0], 28) ^ reference_turn(v[0], 34) ^ reference_turn(v[0], 39)) +
			((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
		memmove(v + 1, v, 7 * sizeof(v[0]));
		v[4] += t1;
		v[0] = t1 + t2;
	}
	for (size_t i = 0; i < 8; i++)
		h[i] += v[i];
}

/* 5.1.2, 6.4: two pieces one after the other, from the initial value h. */
static inline void
reference_hash(const uint64_t start[8], const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len, uint8_t out[64])
{
	size_t n = a_len + b_len, blocks = (n + 17 + REFERENCE_BLOCK - 1) / REFERENCE_BLOCK;
	uint8_t block[REFERENCE_BLOCK];
	uint64_t h[8];

	memcpy(h, start, sizeof(h));
	for (size_t i = 0; i < blocks * REFERENCE_BLOCK; i++) {
		size_t from_end = blocks * REFERENCE_BLOCK - 1 - i;

		block[i % REFERENCE_BLOCK] = i < a_len ? a[i] : i < n ? b[i - a_len] : i == n ? 0x80 :
			from_end < 8 ? (uint8_t)((uint64_t)n * 8 >> (8 * from_end)) : 0;
		if (i % REFERENCE_BLOCK == REFERENCE_BLOCK - 1)
			reference_block(h, block);
	}
	for (size_t i = 0; i < 64; i++)
		out[i] = (uint8_t)(h[i / 8] >> (8 * (7 - i % 8)));
}

static inline void
reference_sha512(const uint8_t *in, size_t n, uint8_t out[64])
{
	reference_hash(reference_h, in, n, NULL, 0, out);
}

/* 5.3.6; (t + 7) / 8 bytes come out, the rest of out is zero. */
static inline void
reference_sha512_t(unsigned t, const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len, uint8_t out[64])
{
	uint64_t h[8] = {0};
	char name[16];
	uint8_t iv[64];

	for (size_t i = 0; i < 8; i++)
		h[i] = reference_h[i] ^ 0xa5a5a5a5a5a5a5a5u;
	snprintf(name, sizeof(name), "SHA-512/%u", t);
	reference_hash(h, (const uint8_t *)name, strlen(name), NULL, 0, iv);
	for (size_t i = 0; i < 64; i++)
		h[i / 8] = h[i / 8] << 8 | iv[i];
	reference_hash(h, a, a_len, b, b_len, out);
	for (unsigned bit = t; bit < 512; bit++)
		out[bit / 8] &= (uint8_t)~(0x80 >> bit % 8);
}

/* FIPS 198-1, for a t of whole bytes. */
static inline void
reference_hmac(unsigned t, const uint8_t *key, size_t key_len, const uint8_t *in, size_t n, uint8_t out[64])
{
	uint8_t inner[REFERENCE_BLOCK] = {0}, outer[REFERENCE_BLOCK], hash[64];

	if (key_len > sizeof(inner))
		reference_sha512_t(t, key, key_len, NULL, 0, inner);
	else
		memcpy(inner, key, key_len);
	for (size_t i = 0; i < sizeof(inner); i++) {
		outer[i] = inner[i] ^ 0x5c;
		inner[i] ^= 0x36;
	}
	reference_sha512_t(t, inner, sizeof(inner), in, n, hash);
	reference_sha512_t(t, outer, sizeof(outer), hash, t / 8, out);
}

#endif
