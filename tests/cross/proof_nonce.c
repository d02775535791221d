/*
 * Nonces that the token makes for messages (3.1 6.13.2): the fixed bits are the caller's and
 * stay, the others are new with every message, by the rule of each generator
 *
 * What a message was encrypted with is told through its parameter: OpenSSL must come to the
 * same ciphertext with it.
 */
#include "message.h"

#define MESSAGES 8

/* ---- nonces as numbers, the most significant byte first ---- */
static bool
bit(struct blob nonce, size_t i) /* from the lowest */
{
	return nonce.data[nonce.len - 1 - i / 8] >> (i % 8) & 1;
}

/* a + n in the low bits, those above as they are. */
static struct blob
plus(struct blob a, uint64_t n, size_t bits)
{
	struct blob out = blob_of(a.data, a.len);
	unsigned carry = 0, sum;

	for (size_t i = 0; i < bits; i++) {
		sum = bit(a, i) + (i < 64 ? n >> i & 1 : 0) + carry;
		carry = sum >> 1;
		if ((sum & 1) != bit(a, i))
			out.data[out.len - 1 - i / 8] ^= (uint8_t)(1u << (i % 8));
	}
	return out;
}

static struct blob
xor_number(struct blob a, uint64_t n)
{
	struct blob out = blob_of(a.data, a.len);

	for (size_t i = 0; i < out.len && i < 8; i++)
		out.data[out.len - 1 - i] ^= (uint8_t)(n >> (8 * i));
	return out;
}

/* ---- what the standard says of the i-th nonce ---- */
static void
expect_fixed(struct blob given, struct blob made, size_t fixed_bits)
{
	checks++;
	for (size_t i = 8 * given.len - fixed_bits; i < 8 * given.len; i++)
		if (bit(given, i) != bit(made, i)) {
			fail("bit %zu of the nonce is one of %zu fixed ones, and was changed",
				i, fixed_bits);
			return;
		}
}

static void
expect_rule(CK_ULONG generator, struct blob given, const struct blob *made, size_t i,
	size_t free_bits)
{
	expect_fixed(given, made[i], 8 * given.len - free_bits);
	if (generator == CKG_GENERATE_COUNTER && i > 0)
		same("the next nonce of a counter", plus(made[0], i, free_bits), made[i]);
	if (generator == CKG_GENERATE_COUNTER_XOR)
		same("the nonce with the number of the message in it", xor_number(given, i),
			made[i]);
	for (size_t k = 0; k < i; k++) {
		checks++;
		if (blob_same(made[k], made[i]))
			fail("messages %zu and %zu have one nonce", k, i);
	}
}

/* ---- proofs ---- */
struct run { /* of messages under one C_MessageEncryptInit */
	const struct proof *p;
	struct blob key;
	CK_ULONG generator;
	size_t fixed_bits;
};

static struct parcel
run_parcel(const struct run *r, struct blob nonce, size_t text)
{
	return parcel_make(r->p, nonce, r->generator, r->fixed_bits, 16, text, some_aad());
}

/* The nonce that the token made of this one. */
static struct blob
seal_one(const struct run *r, struct blob nonce, bool parts)
{
	struct blob text = blob_random(1 + chance(100)), out;
	struct parcel c = run_parcel(r, nonce, text.len);

	if (is_ok("a message with a nonce of the token's",
		    use_message(true, &c, text, parts, &out)))
		same("ciphertext and tag", parcel_sealed(&c, r->key, text),
			blob_join(out, c.tag));
	return c.nonce;
}

static void
prove_generator(const struct proof *p, CK_OBJECT_HANDLE h, struct blob key, CK_ULONG generator)
{
	size_t len = p->variant == GCM ? (chance(2) == 0 ? 12 : 4 + chance(28)) : 7 + chance(7);
	/* MESSAGES need three bits: where half of them are random, six */
	size_t free_bits = 6 + chance((uint32_t)(8 * len - 5));
	struct run r = {p, key, generator, 8 * len - free_bits};
	struct blob given = blob_random(len), made[MESSAGES];

	if (!is_ok("C_MessageEncryptInit", message_init(true, p, h)))
		return;
	for (size_t i = 0; i < MESSAGES;
		i++) { /* the nonce is handed in as at first, or as it came back */
		made[i] = seal_one(
			&r, i == 0 || chance(2) == 0 ? given : made[i - 1], i % 2 != 0);
		expect_rule(generator, given, made, i, free_bits);
	}
	message_final(true);
}

static void
refuse_message(
	const char *what, const struct run *r, struct blob nonce, bool parts, CK_RV wanted)
{
	struct parcel c = run_parcel(r, nonce, 3);
	struct blob out;

	must_give(what, wanted, use_message(true, &c, blob_random(3), parts, &out));
}

/* Two bits count to four; there is no fifth message. Nor can another generator take over. */
static void
prove_exhaustion(const struct proof *p, CK_OBJECT_HANDLE h, struct blob key, CK_ULONG generator)
{
	struct run r = {p, key, generator, 8 * 12 - 2};
	struct blob given = blob_random(12);

	if (!is_ok("C_MessageEncryptInit", message_init(true, p, h)))
		return;
	for (size_t i = 0; i < 4; i++)
		seal_one(&r, given, i % 2 != 0);
	refuse_message("a fifth message with two bits to count", &r, given, false,
		CKR_TOKEN_RESOURCE_EXCEEDED);
	refuse_message(
		"a fifth message in parts", &r, given, true, CKR_TOKEN_RESOURCE_EXCEEDED);
	r.generator = CKG_GENERATE_RANDOM;
	refuse_message("another generator between messages", &r, given, false,
		CKR_MECHANISM_PARAM_INVALID);
	message_final(true);
}

/* 3.1 6.13.2: decryption does not look at the generator. */
static void
prove_ignored(const struct proof *p, CK_OBJECT_HANDLE h, struct blob key)
{
	struct blob text = blob_random(40), out, sealed;
	struct parcel c =
		parcel_make(p, blob_random(12), CKG_GENERATE, 0, 16, text.len, some_aad());

	sealed = parcel_sealed(&c, key, text);
	memcpy(c.tag.data, sealed.data + text.len, 16);
	if (!is_ok("C_MessageDecryptInit", message_init(false, p, h)))
		return;
	if (is_ok("decryption with a generator",
		    use_message(false, &c, blob_part(sealed, 0, text.len), false, &out)))
		same("the plaintext", text, out);
	message_final(false);
}

static void
prove_nonces(const struct proof *p)
{
	static const CK_ULONG generators[] = {CKG_GENERATE, CKG_GENERATE_COUNTER,
		CKG_GENERATE_RANDOM, CKG_GENERATE_COUNTER_XOR};
	struct blob key = secret_value(p->key);
	CK_OBJECT_HANDLE h;

	if (!is_ok("a key", key_secret(p->key, key, USE_CRYPT, &h)))
		return;
	for (size_t i = 0; i < NELEMS(generators); i++)
		prove_generator(p, h, key, generators[i]);
	prove_exhaustion(p, h, key, CKG_GENERATE_COUNTER);
	prove_exhaustion(p, h, key, CKG_GENERATE_COUNTER_XOR);
	prove_ignored(p, h, key);
}

/* ChaCha20-Poly1305 has no generators. */
static const struct proof rows[] = {
	{CKM_AES_GCM, prove_nonces, "AES-#-GCM", CKK_AES, .variant = GCM},
	{CKM_AES_CCM, prove_nonces, "AES-#-CCM", CKK_AES, .variant = CCM},
};
const struct proofs proofs_nonce = {rows, NELEMS(rows)};
