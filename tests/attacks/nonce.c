/* nonce.c - what must never repeat: counters, IVs, the k of ECDSA, random numbers; and plaintext set free too early */
#include <string.h>

#include "steps.h"

/* A counter of few bits that comes round gives the key stream again. */
static void
counter_overflow(void)
{
	CK_OBJECT_HANDLE key;
	CK_AES_CTR_PARAMS p = {.ulCounterBits = 1};
	CK_MECHANISM m = {CKM_AES_CTR, &p, sizeof(p)};
	CK_BYTE zeros[64] = {0};
	struct blob c;

	client_login();
	key = key_made(CKK_AES, 32, "sensitive encrypt");
	if (REFUSED(use_encrypt(&m, key, zeros, sizeof(zeros), &c)))
		return;
	attack_safe("the counter is longer than it was said to be");
	if (memcmp(c.data, c.data + 32, 16) == 0)
		attack_weak("the key stream repeats after 2 blocks");
}

/* The same by C_EncryptUpdate, block by block. */
static void
counter_overflow_in_parts(void)
{
	CK_OBJECT_HANDLE key;
	CK_AES_CTR_PARAMS p = {.ulCounterBits = 2};
	CK_MECHANISM m = {CKM_AES_CTR, &p, sizeof(p)};
	CK_BYTE zeros[16] = {0}, c[8][32];
	CK_ULONG len;

	client_login();
	memset(p.cb, 0xff, sizeof(p.cb));
	key = key_made(CKK_AES, 32, "sensitive encrypt");
	client_mechanism = m.mechanism;
	if (REFUSED(f->C_EncryptInit(session, &m, key)))
		return;
	for (int i = 0; i < 8; i++) {
		len = sizeof(c[i]);
		if (REFUSED(f->C_EncryptUpdate(session, zeros, 16, c[i], &len)))
			return;
		for (int j = 0; j < i; j++)
			if (memcmp(c[i], c[j], 16) == 0)
				attack_weak("the key stream repeats after %d blocks", i - j);
	}
	attack_safe("no repetition");
}

/* GCM: plaintext must not come out before its tag is right (NIST SP 800-38D 7.2). */
static void
unverified_plaintext(void)
{
	CK_OBJECT_HANDLE key;
	CK_BYTE text[64] = "attack at dawn, attack at dawn, attack at dawn, attack at dawn", out[256];
	CK_ULONG len = sizeof(out);
	struct blob c;

	client_login();
	key = key_made(CKK_AES, 32, "sensitive encrypt decrypt");
	if (REFUSED(use_encrypt(mechanism(CKM_AES_GCM), key, text, sizeof(text), &c)))
		return;
	c.data[c.len - 1] ^= 1;
	if (REFUSED(f->C_DecryptInit(session, mechanism(CKM_AES_GCM), key)))
		return;
	memset(out, 0, sizeof(out));
	if (!REFUSED(f->C_DecryptUpdate(session, c.data, c.len, out, &len)) && memmem(out, sizeof(out), text, 16) != NULL)
		attack_weak("plaintext comes before the tag is checked");
	len = sizeof(out);
	if (!REFUSED(f->C_DecryptFinal(session, out, &len)))
		attack_weak("a wrong tag is taken");
	if (memmem(out, sizeof(out), text, 16) != NULL)
		attack_weak("plaintext is left in the buffer");
}

/* Joux 2006: short tags and empty IVs are what forgeries of GCM begin with. */
static void
gcm_parameters(void)
{
	static const CK_ULONG tags[] = {0, 1, 8, 16, 24};
	CK_OBJECT_HANDLE key;
	CK_BYTE iv[12] = {1};
	CK_GCM_PARAMS p = {.pIv = iv, .ulIvLen = 12, .ulIvBits = 96};
	CK_MECHANISM m = {CKM_AES_GCM, &p, sizeof(p)};
	struct blob c;

	client_login();
	key = key_made(CKK_AES, 32, "sensitive encrypt decrypt");
	for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++) {
		p.ulTagBits = tags[i];
		if (!REFUSED(use_encrypt(&m, key, "x", 1, &c)))
			attack_weak("a tag of %lu bits", tags[i]);
	}
	p = (CK_GCM_PARAMS){.pIv = iv, .ulIvLen = 0, .ulTagBits = 128};
	if (!REFUSED(use_encrypt(&m, key, "x", 1, &c)))
		attack_weak("an IV of no bytes");
}

/* One k twice gives the private key by two equations. Equal messages and many of them. */
static void
ecdsa_nonce(void)
{
	enum { N = 64 };
	static struct blob sig[N];
	CK_OBJECT_HANDLE pub, priv;
	CK_BYTE hash[32];

	client_login();
	pair_p256("verify", "sensitive sign", &pub, &priv);
	for (int i = 0; i < N; i++) {
		memset(hash, i / 2, sizeof(hash));
		if (REFUSED(use_sign(mechanism(CKM_ECDSA), priv, hash, sizeof(hash), &sig[i])))
			return;
		for (int j = 0; j < i; j++)
			if (i / 2 != j / 2 && memcmp(sig[i].data, sig[j].data, 32) == 0)
				attack_weak("r repeats for two messages");
	}
	attack_safe("%d signatures, no r twice for different messages", N);
}

/* C_SeedRandom adds; a seed of the caller's must not make the numbers his. */
static void
seeded_random(void)
{
	CK_BYTE a[32], b[32], seed[32] = {1};

	client_login();
	for (int i = 0; i < 2; i++) {
		if (REFUSED(f->C_SeedRandom(session, seed, sizeof(seed))))
			return;
		NEED(f->C_GenerateRandom(session, i == 0 ? a : b, 32));
	}
	if (memcmp(a, b, 32) == 0)
		attack_weak("one seed, one number");
	attack_safe("a seed decides nothing");
}

/* PKCS #1 v1.5 encryption and OAEP of one message must differ each time. */
static void
rsa_padding_random(void)
{
	CK_OBJECT_HANDLE pub, priv;
	struct blob a, b;
	static const CK_MECHANISM_TYPE types[] = {CKM_RSA_PKCS, CKM_RSA_PKCS_OAEP};

	client_login();
	pair_rsa(2048, "encrypt", "sensitive decrypt", &pub, &priv);
	for (size_t i = 0; i < 2; i++)
		if (!REFUSED(use_encrypt(mechanism(types[i]), pub, "hello", 5, &a)) &&
			!REFUSED(use_encrypt(mechanism(types[i]), pub, "hello", 5, &b)) && memcmp(a.data, b.data, a.len) == 0)
			attack_weak("one message, one ciphertext");
	attack_safe("padding is random");
}

/* Two keys generated alike are not alike; nor are short public exponents silently taken. */
static void
weak_generation(void)
{
	static const CK_BYTE even[] = {2}, one[] = {1}, zero[] = {0};
	const CK_BYTE *const exponents[] = {even, one, zero};
	CK_OBJECT_HANDLE pub, priv;
	struct templ a, b;

	client_login();
	for (size_t i = 0; i < 3; i++) {
		templ_begin(&a, CKO_PUBLIC_KEY, CKK_RSA, "verify");
		templ_number(&a, CKA_MODULUS_BITS, 2048);
		templ_bytes(&a, CKA_PUBLIC_EXPONENT, exponents[i], 1);
		templ_begin(&b, CKO_PRIVATE_KEY, CKK_RSA, "sensitive sign");
		if (!REFUSED(pair_generate(CKM_RSA_PKCS_KEY_PAIR_GEN, &a, &b, &pub, &priv)))
			attack_weak("an RSA pair with e = %u", exponents[i][0]);
	}
}

const struct attack attacks_nonce[] = {
	{"counter-overflow", "PKCS#11 6.13.4", counter_overflow},
	{"counter-overflow-in-parts", "PKCS#11 6.13.4", counter_overflow_in_parts},
	{"unverified-plaintext", "NIST SP 800-38D", unverified_plaintext},
	{"gcm-parameters", "Joux 2006", gcm_parameters},
	{"ecdsa-nonce", "ANSI X9.62", ecdsa_nonce},
	{"seeded-random", "PKCS#11 5.20.1", seeded_random},
	{"rsa-padding-random", "RFC 8017", rsa_padding_random},
	{"weak-generation", "RFC 8017 3.1", weak_generation},
	{0},
};
