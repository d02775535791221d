/* oracle.c - answers that depend on a secret: padding, searches, digests, states, check values */
#include <string.h>

#include "steps.h"

/* ---- RSA paddings ---- */

/* A PKCS #1 v1.5 block: good, or with the fault `kind` (0: none, 1: type, 2: no separator, 3: too short a
 * padding, 4: first byte). */
static void
block_of(CK_BYTE block[256], int kind, const CK_BYTE *value, CK_ULONG len)
{
	own_random(block, 256);
	for (int i = 0; i < 256; i++)
		if (block[i] == 0)
			block[i] = 0x55;
	block[0] = kind == 4 ? 1 : 0;
	block[1] = kind == 1 ? 1 : 2;
	if (kind == 3)
		block[5] = 0;
	if (kind != 2)
		block[255 - len] = 0;
	memcpy(block + 256 - len, value, len);
}

/* Blocks of every kind, round by round: does the answer tell a good padding from a bad one? */
static void
pkcs1_answers(CK_RV (*ask)(CK_OBJECT_HANDLE priv, const struct blob *c, int round), int rounds, CK_OBJECT_HANDLE pub,
	CK_OBJECT_HANDLE priv)
{
	struct own_rsa *own = own_rsa_of(pub);
	struct blob c;
	CK_BYTE block[256], value[16] = {1, 2, 3};
	CK_RV good = CKR_OK, rv;

	for (int round = 0; round < rounds; round++)
		for (int kind = 0; kind < 5; kind++) {
			block_of(block, kind, value, sizeof(value));
			if (!own_rsa_encrypt(own, CKM_RSA_X_509, block, sizeof(block), &c))
				continue;
			rv = ask(priv, &c, round);
			if (kind == 0)
				good = rv;
			else if (rv != good)
				attack_weak("good padding: %s; bad padding %d: %lx", attack_rv_name(good), kind,
					(unsigned long)rv);
		}
	if (!REFUSED(good))
		attack_safe("one answer for every padding");
}

static CK_RV
pkcs1_ask_decrypt(CK_OBJECT_HANDLE priv, const struct blob *c, int round)
{
	struct blob plain;

	(void)round;
	return use_decrypt(mechanism(CKM_RSA_PKCS), priv, c->data, c->len, &plain);
}

/* As a key of one length, then of any. */
static CK_RV
pkcs1_ask_unwrap(CK_OBJECT_HANDLE priv, const struct blob *c, int round)
{
	CK_OBJECT_HANDLE key;

	return key_unwrap(mechanism(CKM_RSA_PKCS), priv, c, CKO_SECRET_KEY, round == 0 ? CKK_AES : CKK_GENERIC_SECRET,
		"sensitive", &key);
}

/* Bleichenbacher 1998, at C_Decrypt. */
static void
pkcs1_decrypt(void)
{
	CK_OBJECT_HANDLE pub, priv;

	client_login();
	pair_rsa(2048, "encrypt", "sensitive decrypt", &pub, &priv);
	pkcs1_answers(pkcs1_ask_decrypt, 5, pub, priv);
}

/* Bardou et al. 2012: the same at C_UnwrapKey, for a key that does nothing else. */
static void
pkcs1_unwrap(void)
{
	CK_OBJECT_HANDLE pub, priv;

	client_login();
	pair_rsa(2048, "wrap", "sensitive unwrap", &pub, &priv);
	pkcs1_answers(pkcs1_ask_unwrap, 2, pub, priv);
}

/* The way round: C_Decrypt is taken away from the key after the blob was made, or put into a copy. */
static void
pkcs1_unwrap_by_copy(void)
{
	CK_OBJECT_HANDLE pub, priv, copy, key;
	struct own_rsa *own;
	struct blob c;
	CK_BYTE block[256], value[16] = {1, 2, 3};
	CK_RV answers[2];

	client_login();
	pair_rsa(2048, "wrap", "sensitive unwrap", &pub, &priv);
	own = own_rsa_of(pub);
	if (REFUSED(key_copy(priv, "decrypt", &copy)))
		return;
	for (int kind = 0; kind < 2; kind++) {
		block_of(block, kind, value, sizeof(value));
		own_rsa_encrypt(own, CKM_RSA_X_509, block, sizeof(block), &c);
		answers[kind] = key_unwrap(mechanism(CKM_RSA_PKCS), copy, &c, CKO_SECRET_KEY, CKK_AES, "sensitive", &key);
	}
	if (answers[0] != answers[1])
		attack_weak("a copy tells the paddings apart");
}

/* Manger 2001: is a failure before the hash of the label told from one after it? */
static void
oaep_answers(CK_RV (*ask)(CK_OBJECT_HANDLE, const struct blob *), CK_OBJECT_HANDLE priv, struct own_rsa *own)
{
	CK_BYTE block[256];
	struct blob c;
	CK_RV rv[3] = {0};

	for (int kind = 0; kind < 3; kind++) {
		own_random(block, sizeof(block));
		block[0] = kind == 0 ? 0 : kind == 1 ? 1 : 0x40; /* the modulus has its top bit */
		if (!own_rsa_encrypt(own, CKM_RSA_X_509, block, sizeof(block), &c))
			attack_need(CKR_GENERAL_ERROR, "raw RSA by OpenSSL");
		rv[kind] = ask(priv, &c);
		if (rv[kind] != rv[0])
			attack_weak("first byte zero: %s; not zero: %lx", attack_rv_name(rv[0]), (unsigned long)rv[kind]);
	}
	attack_safe("one answer: %s", attack_rv_name(rv[0]));
}

static CK_RV
ask_decrypt(CK_OBJECT_HANDLE priv, const struct blob *c)
{
	struct blob plain;

	return use_decrypt(mechanism(CKM_RSA_PKCS_OAEP), priv, c->data, c->len, &plain);
}

static CK_RV
ask_unwrap(CK_OBJECT_HANDLE priv, const struct blob *c)
{
	CK_OBJECT_HANDLE key;

	return key_unwrap(mechanism(CKM_RSA_PKCS_OAEP), priv, c, CKO_SECRET_KEY, CKK_AES, "sensitive", &key);
}

static void
oaep_oracle(void)
{
	CK_OBJECT_HANDLE pub, priv;

	client_login();
	pair_rsa(2048, "wrap encrypt", "sensitive unwrap decrypt", &pub, &priv);
	oaep_answers(ask_decrypt, priv, own_rsa_of(pub));
	oaep_answers(ask_unwrap, priv, own_rsa_of(pub));
}

/* Does OAEP's refusal at C_UnwrapKey tell a wrong padding from a right one with a key that does not fit? */
static void
oaep_unwrap_length(void)
{
	CK_OBJECT_HANDLE pub, priv, key;
	struct own_rsa *own;
	struct blob c;
	CK_RV fits_not, bad;

	client_login();
	pair_rsa(2048, "wrap encrypt", "sensitive unwrap", &pub, &priv);
	own = own_rsa_of(pub);
	NEED(own_rsa_encrypt(own, CKM_RSA_PKCS_OAEP, "seven b", 7, &c) ? CKR_OK : CKR_GENERAL_ERROR);
	fits_not = key_unwrap(mechanism(CKM_RSA_PKCS_OAEP), priv, &c, CKO_SECRET_KEY, CKK_AES, "sensitive", &key);
	c.data[9] ^= 1;
	bad = key_unwrap(mechanism(CKM_RSA_PKCS_OAEP), priv, &c, CKO_SECRET_KEY, CKK_AES, "sensitive", &key);
	if (fits_not != bad)
		attack_weak("7 bytes: %s; bad padding: %lx", attack_rv_name(fits_not), (unsigned long)bad);
	else
		attack_safe("one answer: %s", attack_rv_name(bad));
}

/* Vaudenay 2002, Bardou et al. 2012: a key that only unwraps says whether CBC's padding is right; the last byte of
 * a block of its owner's follows. The owner's KEK is known to the judge alone. */
static void
cbc_unwrap(void)
{
	CK_OBJECT_HANDLE kek, key;
	CK_BYTE value[32], secret[32], iv[16] = {0};
	struct blob c, two = {.len = 32};
	unsigned hits = 0, found = 0;

	client_login();
	own_random(value, sizeof(value));
	own_random(secret, sizeof(secret));
	NEED(key_import(&kek, CKK_AES, value, 32, "sensitive unwrap"));
	if (!own_cipher("AES-256-CBC", true, value, iv, secret, 32, &c))
		attack_need(CKR_GENERAL_ERROR, "OpenSSL's CBC");
	memcpy(two.data + 16, c.data + 16, 16);
	for (unsigned guess = 0; guess < 256; guess++) {
		memcpy(two.data, c.data, 16);
		own_random(two.data, 8);
		two.data[15] = (CK_BYTE)(c.data[15] ^ guess ^ 1);
		if (REFUSED(key_unwrap(mechanism(CKM_AES_CBC_PAD), kek, &two, CKO_SECRET_KEY, CKK_GENERIC_SECRET, "sensitive",
				&key)))
			continue;
		hits++;
		found = guess;
		f->C_DestroyObject(session, key);
	}
	if (hits >= 1 && hits <= 4)
		attack_weak("the padding of a block is told by the answer%s",
			found == secret[31] ? "; its last byte is found" : "");
}

/* The same at C_Decrypt, with a key that does not decrypt. */
static void
decrypt_without_the_usage(void)
{
	CK_OBJECT_HANDLE key, pub, priv;
	CK_BYTE block[32] = {0};
	struct blob out;
	CK_BYTE sig[256] = {0};

	client_login();
	key = key_made(CKK_AES, 32, "sensitive wrap unwrap");
	for (size_t i = 0; steps_aes_wraps[i] != NO_CLASS; i++) {
		if (!REFUSED(use_decrypt(mechanism(steps_aes_wraps[i]), key, block, 32, &out)))
			attack_weak("C_Decrypt without CKA_DECRYPT");
		if (!REFUSED(use_encrypt(mechanism(steps_aes_wraps[i]), key, block, 32, &out)))
			attack_weak("C_Encrypt without CKA_ENCRYPT");
	}
	pair_rsa(2048, "wrap", "sensitive unwrap", &pub, &priv);
	for (size_t i = 0; steps_rsa_wraps[i] != NO_CLASS; i++) {
		if (!REFUSED(use_decrypt(mechanism(steps_rsa_wraps[i]), priv, sig, 256, &out)))
			attack_weak("C_Decrypt without CKA_DECRYPT");
		if (!REFUSED(use_sign(mechanism(steps_rsa_wraps[i]), priv, block, 32, &out)))
			attack_weak("C_Sign without CKA_SIGN");
	}
}

/* ---- digests and states ---- */

/* C_DigestKey of a sensitive key: the hash is an oracle for every guess, and of a short key the key. */
static void
digest_key(void)
{
	CK_OBJECT_HANDLE key;
	CK_MECHANISM m = {CKM_SHA256, NULL, 0};
	CK_BYTE hash[32], own[32], guess[2];
	CK_ULONG len = sizeof(hash);

	client_login();
	key = key_made(CKK_GENERIC_SECRET, 2, "sensitive sign");
	client_mechanism = CKM_SHA256;
	NEED(f->C_DigestInit(session, &m));
	if (REFUSED(f->C_DigestKey(session, key)) || REFUSED(f->C_DigestFinal(session, hash, &len)))
		return;
	attack_weak("the digest of a sensitive key is given out");
	for (unsigned i = 0; i < 65536; i++) {
		guess[0] = (CK_BYTE)(i >> 8);
		guess[1] = (CK_BYTE)i;
		if (own_sha256(guess, 2, own) && memcmp(own, hash, 32) == 0 && proof_hmac(key, guess, 2))
			attack_leaked("a short sensitive key by its digest");
	}
}

static bool
contains(const CK_BYTE *hay, CK_ULONG len, const CK_BYTE *needle, CK_ULONG needle_len)
{
	return memmem(hay, len, needle, needle_len) != NULL;
}

/* C_GetOperationState of the operation that has just begun: does the state hold the value? Then the session is
 * closed, which ends the operation. */
static void
look_into_state(const CK_BYTE *value, const char *what)
{
	CK_BYTE state[BLOB_MAX];
	CK_ULONG len = sizeof(state);

	if (!REFUSED(f->C_GetOperationState(session, state, &len)) && contains(state, len, value, 16))
		attack_leaked("the state of %s holds the key", what);
	NEED(f->C_CloseSession(session));
}

static void
operation_state(void)
{
	CK_SESSION_HANDLE owner;
	CK_OBJECT_HANDLE aes, secret;
	CK_BYTE value[32];
	CK_MECHANISM sha = {CKM_SHA256, NULL, 0};

	client_login();
	owner = session; /* the keys live as long as this one */
	own_random(value, sizeof(value));
	NEED(key_import(&aes, CKK_AES, value, 32, "sensitive encrypt"));
	NEED(key_import(&secret, CKK_GENERIC_SECRET, value, 32, "sensitive sign"));
	NEED(client_open(CKF_RW_SESSION, &session));
	NEED(f->C_EncryptInit(session, mechanism(CKM_AES_CBC), aes));
	look_into_state(value, "an encryption");
	NEED(client_open(CKF_RW_SESSION, &session));
	NEED(f->C_SignInit(session, mechanism(CKM_SHA256_HMAC), secret));
	look_into_state(value, "a MAC");
	NEED(client_open(CKF_RW_SESSION, &session));
	NEED(f->C_DigestInit(session, &sha));
	if (!REFUSED(f->C_DigestKey(session, secret)))
		look_into_state(value, "a digest");
	session = owner;
}

/* ---- searches and attributes ---- */

static bool
finds(CK_ATTRIBUTE_TYPE type, const CK_BYTE *value, CK_ULONG len)
{
	CK_ATTRIBUTE a[] = {{type, (void *)value, len}};
	CK_OBJECT_HANDLE found;
	CK_ULONG n = 0;

	if (f->C_FindObjectsInit(session, a, 1) != CKR_OK)
		return false;
	if (f->C_FindObjects(session, &found, 1, &n) != CKR_OK)
		n = 0;
	f->C_FindObjectsFinal(session);
	return n > 0;
}

/* C_FindObjects compares with CKA_VALUE: a guess is confirmed, and of a short key found. */
static void
find_by_value(void)
{
	CK_OBJECT_HANDLE key;
	CK_BYTE value[16], wrong[16];

	client_login();
	own_random(value, sizeof(value));
	own_random(wrong, sizeof(wrong));
	NEED(key_import(&key, CKK_AES, value, 16, "sensitive encrypt"));
	if (finds(CKA_VALUE, wrong, 16))
		attack_weak("any value is found");
	if (finds(CKA_VALUE, value, 16))
		attack_weak("a search confirms a sensitive CKA_VALUE");
	if (finds(CKA_VALUE, value, 4) && !finds(CKA_VALUE, wrong, 4))
		attack_weak("a search confirms the beginning of a sensitive CKA_VALUE");
	NEED(key_import(&key, CKK_AES, wrong, 16, "encrypt"));
	if (finds(CKA_VALUE, wrong, 16))
		attack_weak("a search confirms the CKA_VALUE of a key that is not extractable");
	key = key_made(CKK_GENERIC_SECRET, 1, "sensitive sign");
	for (unsigned c = 0; c < 256; c++)
		if (finds(CKA_VALUE, &(CK_BYTE){(CK_BYTE)c}, 1) && proof_hmac(key, &(CK_BYTE){(CK_BYTE)c}, 1))
			attack_leaked("a short sensitive key by C_FindObjects");
	attack_safe("searches do not see sensitive values");
}

/* The same for token objects, which a module may search by an index, and for the parts of a private key. */
static void
find_by_value_on_token(void)
{
	CK_OBJECT_HANDLE key;
	CK_BYTE value[16];
	bool hit;

	client_login();
	own_random(value, sizeof(value));
	NEED(key_import(&key, CKK_AES, value, 16, "sensitive encrypt token"));
	hit = finds(CKA_VALUE, value, 16);
	f->C_DestroyObject(session, key);
	if (hit)
		attack_weak("a search confirms a sensitive CKA_VALUE");
	else
		attack_safe("searches do not see sensitive values");
}

/* CKA_CHECK_VALUE of a short key is as good as the key. This one has no usage that a guess could be tried on; the
 * judge knows its value. */
static void
check_value(void)
{
	CK_OBJECT_HANDLE key;
	CK_BYTE value[2], guess[2], sha1[20], sha256[32];
	unsigned candidates = 0;
	struct blob kcv;

	client_login();
	own_random(value, sizeof(value));
	NEED(key_import(&key, CKK_GENERIC_SECRET, value, 2, "sensitive"));
	if (REFUSED(key_read(key, CKA_CHECK_VALUE, &kcv)))
		return;
	for (unsigned i = 0; kcv.len == 3 && i < 65536; i++) {
		guess[0] = (CK_BYTE)(i >> 8);
		guess[1] = (CK_BYTE)i;
		own_sha1(guess, 2, sha1);
		own_sha256(guess, 2, sha256);
		if (memcmp(sha1, kcv.data, 3) != 0 && memcmp(sha256, kcv.data, 3) != 0)
			continue;
		candidates++;
		if (memcmp(guess, value, 2) == 0)
			attack_weak("a sensitive key of two bytes by its check value");
	}
	attack_safe("%u candidates, a check value of %lu bytes", candidates, kcv.len);
}

/* C_GetAttributeValue of sensitive attributes: bytes, lengths, and bytes left in the buffer of a list. */
static void
read_sensitive(void)
{
	static const CK_ATTRIBUTE_TYPE types[] = {CKA_PRIVATE_EXPONENT, CKA_PRIME_1, CKA_PRIME_2, CKA_EXPONENT_1,
		CKA_EXPONENT_2, CKA_COEFFICIENT};
	CK_OBJECT_HANDLE key, pub, priv;
	CK_BYTE value[32], room[3][512];
	CK_BBOOL local;
	struct blob b;

	client_login();
	own_random(value, sizeof(value));
	NEED(key_import(&key, CKK_AES, value, 32, "sensitive encrypt"));
	memset(room, 0, sizeof(room));
	CK_ATTRIBUTE list[] = {{CKA_VALUE, room[0], 32}, {CKA_LOCAL, &local, 1}, {CKA_VALUE, room[1], sizeof(room[1])}};
	if (!REFUSED(f->C_GetAttributeValue(session, key, list, 3)))
		attack_weak("a list with CKA_VALUE is answered");
	for (int i = 0; i < 2; i++)
		if (contains(room[i], sizeof(room[i]), value, 8))
			attack_leaked("CKA_VALUE in a list");
	if (list[0].ulValueLen == 32 && list[2].ulValueLen == 32)
		attack_weak("the length of CKA_VALUE instead of CK_UNAVAILABLE_INFORMATION");
	if (!REFUSED(key_read(key, CKA_VALUE, &b)))
		attack_leaked("CKA_VALUE");
	pair_rsa(2048, "verify", "sensitive sign", &pub, &priv);
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (!REFUSED(key_read(priv, types[i], &b)) && b.len > 0)
			attack_leaked("attribute 0x%lx of a sensitive private key", (unsigned long)types[i]);
	NEED(key_generate(&key, CKK_AES, 32, "encrypt"));
	if (!REFUSED(key_read(key, CKA_VALUE, &b)))
		attack_weak("CKA_VALUE of a key that is not extractable");
}

/* MACs of few bytes of a key that signs: fewer guesses are told apart, none becomes easier. */
static void
short_mac(void)
{
	CK_OBJECT_HANDLE key;
	CK_ULONG len = 0;
	CK_MECHANISM m = {CKM_SHA256_HMAC_GENERAL, &len, sizeof(len)};
	struct blob mac;

	client_login();
	key = key_made(CKK_GENERIC_SECRET, 32, "sensitive sign verify");
	client_mechanism = m.mechanism;
	if (!REFUSED(f->C_VerifyInit(session, &m, key)) &&
		!REFUSED(f->C_Verify(session, (CK_BYTE *)"forged", 6, (CK_BYTE *)"", 0)))
		attack_weak("a MAC of no bytes verifies whatever was signed");
	len = 33;
	if (!REFUSED(use_sign(&m, key, "x", 1, &mac)) && mac.len > 32)
		attack_weak("a MAC that is longer than its hash");
}

/* C_Verify tells whether a guess is right. Of a MAC that is cut to one byte, 256 guesses are enough, and as many for each
 * byte that follows: a key that may only verify signs. */
static void
verify_signs(void)
{
	static const CK_BYTE text[] = "forged";
	CK_ULONG len;
	CK_MECHANISM m = {CKM_SHA256_HMAC_GENERAL, &len, sizeof(len)};
	CK_OBJECT_HANDLE key;
	CK_BYTE mac[32];
	unsigned guess;

	client_login();
	key = key_made(CKK_GENERIC_SECRET, 32, "sensitive verify -sign");
	client_mechanism = m.mechanism;
	for (len = 1; len <= sizeof(mac); len++) {
		for (guess = 0; guess < 256; guess++) {
			mac[len - 1] = (CK_BYTE)guess;
			if (REFUSED(f->C_VerifyInit(session, &m, key)))
				return;
			if (f->C_Verify(session, (CK_BYTE *)text, 6, mac, len) == CKR_OK)
				break;
		}
		if (guess == 256)
			return;
		attack_weak("a byte of a MAC is found with a key that does not sign");
	}
	client_mechanism = CKM_SHA256_HMAC;
	if (!REFUSED(f->C_VerifyInit(session, mechanism(CKM_SHA256_HMAC), key)) &&
		f->C_Verify(session, (CK_BYTE *)text, 6, mac, sizeof(mac)) == CKR_OK)
		attack_weak("a whole MAC, byte by byte");
}

const struct attack attacks_oracle[] = {
	{"pkcs1-decrypt", "Bleichenbacher 1998", pkcs1_decrypt},
	{"pkcs1-unwrap", "Bardou et al. 2012", pkcs1_unwrap},
	{"pkcs1-unwrap-by-copy", "Bardou et al. 2012", pkcs1_unwrap_by_copy},
	{"oaep-oracle", "Manger 2001", oaep_oracle},
	{"oaep-unwrap-length", "Manger 2001", oaep_unwrap_length},
	{"cbc-unwrap", "Vaudenay 2002", cbc_unwrap},
	{"decrypt-without-the-usage", "PKCS#11 5.10", decrypt_without_the_usage},
	{"digest-key", "PKCS#11 5.12.4", digest_key},
	{"operation-state", "PKCS#11 5.6.5", operation_state},
	{"find-by-value", "PKCS#11 5.7.7", find_by_value},
	{"find-by-value-on-token", "PKCS#11 5.7.7", find_by_value_on_token},
	{"check-value", "PKCS#11 4.10", check_value},
	{"read-sensitive", "PKCS#11 5.7.5", read_sensitive},
	{"short-mac", "PKCS#11 6.27", short_mac},
	{"verify-signs", "PKCS#11 5.15", verify_signs},
	{0},
};
