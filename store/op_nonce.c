/*
 * Nonces that the token makes for messages (PKCS#11 3.1 6.13.2)
 *
 * The free bits are a number of which every message gets its own value: a start plus a counter. What the start
 * is depends on the generator:
 *
 *   CKG_GENERATE              random at the first message: two operations with one key are unlikely to meet
 *   CKG_GENERATE_RANDOM       the same for the low bits; those above are random anew for every message
 *   CKG_GENERATE_COUNTER      zero; random too where 64 bits or more are free
 *   CKG_GENERATE_COUNTER_XOR  zero, and the sum is XORed to the bits that the caller gave
 *
 * The standard lets the counter begin at zero with every operation. So two operations with one key would have the same
 * nonces, which gives GCM's authentication key away (Joux 2006), unless the caller's fixed bits differ: few free bits
 * say that they do, many that nobody thought of it.
 */
#include <string.h>

#include "aead.h"
#include "why.h"

/* So many low bits count with CKG_GENERATE_RANDOM: no key should see more messages under random nonces
 * (NIST SP 800-38D 8.3). */
#define RANDOM_COUNTER_BITS 32
/* With so many free bits a counter begins anywhere. */
#define MANY_BITS 64

/* ---- numbers of `len` bytes, the most significant one first ---- */

static void
add(uint8_t *v, size_t len, uint64_t n)
{
	while (len-- > 0 && n > 0) {
		n += v[len];
		v[len] = (uint8_t)n;
		n >>= 8;
	}
}

/* The low `bits` of `from`, into `to`; with `xor` on top of what is there. */
static void
put_low(uint8_t *to, const uint8_t *from, size_t len, size_t bits, bool xor)
{
	uint8_t mask;

	for (size_t i = len; i-- > 0 && bits > 0;) {
		mask = bits >= 8 ? 0xFF : (uint8_t)((1u << bits) - 1);
		to[i] = xor ? to[i] ^ (from[i] & mask) : (uint8_t)((to[i] & ~mask) | (from[i] & mask));
		bits -= bits >= 8 ? 8 : bits;
	}
}

static bool
same_low(const uint8_t *a, const uint8_t *b, size_t len, size_t bits)
{
	uint8_t x[NONCE_MAX], zeros[NONCE_MAX] = {0};

	memcpy(x, zeros, len);
	put_low(x, a, len, bits, false);
	put_low(x, b, len, bits, true);
	return memcmp(x, zeros, len) == 0;
}

/* ---- generators ---- */

/* The bits that count messages. */
static size_t
counter_bits(const struct nonces *s)
{
	size_t free = 8 * s->len - s->fixed_bits;

	if (s->generator != CKG_GENERATE_RANDOM)
		return free;
	return free >= 2 * RANDOM_COUNTER_BITS ? RANDOM_COUNTER_BITS : (free + 1) / 2;
}

/* The first message decides what the later ones must agree with: else two generators could make the same nonce. */
static CK_RV
settle(struct nonces *s, const struct aead *a)
{
	bool random, same = s->generator == a->generator && s->len == a->nonce_len && s->fixed_bits == a->fixed_bits;

	if (s->set)
		return same ? CKR_OK : mech_bad_param("generator, length and fixed bits of the nonce must not change");
	s->generator = a->generator;
	s->len = a->nonce_len;
	s->fixed_bits = a->fixed_bits;
	s->count = 0;
	memset(s->base, 0, sizeof(s->base));
	if (s->generator == CKG_GENERATE_COUNTER_XOR)
		memcpy(s->base, a->nonce, s->len);
	s->set = true;
	random = s->generator == CKG_GENERATE || s->generator == CKG_GENERATE_RANDOM ||
		(s->generator == CKG_GENERATE_COUNTER && 8 * s->len - s->fixed_bits >= MANY_BITS);
	return random ? random_bytes(s->base, s->len) : CKR_OK;
}

/* With CKG_GENERATE_COUNTER_XOR the caller's bits must stay what they were (3.1 6.13.2); a caller who hands in the
 * nonce that he got last means the same. */
static bool
xor_base_kept(const struct nonces *s, const struct aead *a)
{
	size_t free = 8 * s->len - s->fixed_bits;

	return same_low(a->nonce, s->base, s->len, free) || (s->count > 0 && same_low(a->nonce, s->last, s->len, free));
}

CK_RV
nonce_make(struct nonces *s, const struct aead *a)
{
	uint8_t sum[NONCE_MAX] = {0};
	size_t free, bits;
	CK_RV rv;

	if (a->generator == CKG_NO_GENERATE)
		return CKR_OK;
	if ((rv = settle(s, a)) != CKR_OK)
		return rv;
	free = 8 * s->len - s->fixed_bits;
	bits = counter_bits(s);
	if (s->count == UINT64_MAX || (bits < 64 && s->count >> bits != 0))
		return why(CKR_TOKEN_RESOURCE_EXCEEDED, "every nonce with these fixed bits was used");
	if (s->generator == CKG_GENERATE_COUNTER_XOR) {
		if (!xor_base_kept(s, a))
			return mech_bad_param("the bits to be XORed must not change between messages");
		put_low(a->nonce, s->base, s->len, free, false);
		add(sum, s->len, s->count);
		put_low(a->nonce, sum, s->len, free, true);
	} else {
		memcpy(sum, s->base, s->len);
		add(sum, s->len, s->count);
		if (s->generator == CKG_GENERATE_RANDOM && s->count > 0) {
			if ((rv = random_bytes(s->last, s->len)) != CKR_OK)
				return rv;
			put_low(s->last, sum, s->len, bits, false);
			memcpy(sum, s->last, s->len);
		}
		put_low(a->nonce, sum, s->len, free, false);
	}
	memcpy(s->last, a->nonce, s->len);
	s->count++;
	return CKR_OK;
}

CK_RV
nonce_random(const struct aead *a)
{
	uint8_t r[NONCE_MAX];
	CK_RV rv;

	if (a->generator == CKG_NO_GENERATE)
		return CKR_OK;
	if (a->generator != CKG_GENERATE && a->generator != CKG_GENERATE_RANDOM)
		return mech_bad_param("a counter would begin at zero again for every key that is wrapped");
	if ((rv = random_bytes(r, a->nonce_len)) == CKR_OK)
		put_low(a->nonce, r, a->nonce_len, 8 * a->nonce_len - a->fixed_bits, false);
	return rv;
}
