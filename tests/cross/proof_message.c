/*
 * Messages under the authenticated ciphers (3.1 5.9 and 5.11): many under one C_Message*Init,
 * each with a nonce, a tag and additional data of its own, in one call or in parts
 *
 * With the caller's nonce an answer is one that OpenSSL gives too, byte for byte. Nonces of the
 * token's are proof_nonce.c's.
 */
#include "message.h"

static struct parcel
some_parcel(const struct proof *p, size_t tag, size_t text)
{
	return parcel_make(p, some_nonce(p, text), CKG_NO_GENERATE, 0, tag, text, some_aad());
}

/* ---- encryption ---- */
static void
encrypt_one(const struct proof *p, struct blob key, size_t tag, size_t len, bool parts)
{
	struct blob text = blob_random(len), wanted, out;
	struct parcel c = some_parcel(p, tag, len);

	wanted = parcel_sealed(&c, key, text);
	if (is_ok(parts ? "C_EncryptMessageBegin, _Next" : "C_EncryptMessage",
		    use_message(true, &c, text, parts, &out)))
		same("ciphertext and tag", wanted, blob_join(out, c.tag));
}

/* ---- decryption ---- */
static CK_RV
decrypt(struct parcel c, struct blob sealed, bool parts, struct blob *out)
{
	size_t text = sealed.len - c.tag.len;

	memcpy(c.tag.data, sealed.data + text, c.tag.len);
	return use_message(false, &c, blob_part(sealed, 0, text), parts, out);
}

/* One bit of ciphertext or tag, of the nonce, or of the additional data. */
static void
refuse_changed_message(const struct parcel *good, struct blob sealed, bool parts)
{
	struct blob bad = blob_of(sealed.data, sealed.len), out;
	struct parcel c = *good;
	unsigned what = chance(c.aad.len > 0 ? 3 : 2);
	CK_RV rv;

	if (what == 0)
		bad.data[chance((uint32_t)bad.len)] ^= (uint8_t)(1u << chance(8));
	else if (what == 1)
		c.nonce.data[0] ^= 1;
	else
		c.aad = blob_part(c.aad, 0, c.aad.len - 1);
	rv = decrypt(c, bad, parts, &out);
	if (what == 1)
		c.nonce.data[0] ^= 1;
	checks++;
	if (rv != CKR_AEAD_DECRYPT_FAILED)
		fail("a message of which %s was changed gave 0x%lx",
			what == 0   ? "the ciphertext or tag"
			: what == 1 ? "the nonce"
				    : "the additional data",
			rv);
}

static void
decrypt_one(const struct proof *p, struct blob key, size_t tag, size_t len, bool parts)
{
	struct parcel c = some_parcel(p, tag, len);
	struct blob text = blob_random(len), sealed = parcel_sealed(&c, key, text), out;

	if (tag >= 12) /* a shorter one is guessed now and then */
		refuse_changed_message(&c, sealed, parts);
	if (is_ok(parts ? "C_DecryptMessageBegin, _Next" : "C_DecryptMessage",
		    decrypt(c, sealed, parts, &out)))
		same("the plaintext", text, out);
}

/* ---- one operation, all messages ---- */
static void
prove_direction(const struct proof *p, CK_OBJECT_HANDLE h, struct blob key, bool encrypt)
{
	static const size_t lengths[] = {0, 1, 15, 16, 17, 31, 32, 33, 255, 4096};
	void (*one)(const struct proof *, struct blob, size_t, size_t, bool) =
		encrypt ? encrypt_one : decrypt_one;
	size_t tag, longest = 16;

	if (!is_ok("C_Message*Init", message_init(encrypt, p, h)))
		return;
	for (size_t i = 0; (tag = tag_length(p, i)) != 0; i++)
		for (int parts = 0; parts < 2; parts++)
			one(p, key, tag, some_length(), parts != 0);
	for (size_t i = 0; i < NELEMS(lengths); i++)
		one(p, key, longest, lengths[i], chance(2) == 0);
	if (round_now == 0)
		one(p, key, longest, 1u << 20, true);
	message_final(encrypt);
}

/* A parameter that is none of this mechanism's, and calls out of their order. */
static void
refuse_misuse(const struct proof *p, CK_OBJECT_HANDLE h)
{
	struct parcel c = some_parcel(p, 16, 5);
	struct blob text = blob_random(5), out;
	CK_ULONG n = 64;

	must_give("a message without C_MessageEncryptInit", CKR_OPERATION_NOT_INITIALIZED,
		use_message(true, &c, text, false, &out));
	if (!is_ok("C_MessageEncryptInit", message_init(true, p, h)))
		return;
	out = blob_new(n);
	must_give("a part without C_EncryptMessageBegin", CKR_OPERATION_NOT_INITIALIZED,
		f3->C_EncryptMessageNext(session, c.param, c.param_len, text.data, 5, out.data,
			&n, CKF_END_OF_MESSAGE));
	c.param_len--;
	must_give("a parameter cut short", CKR_MECHANISM_PARAM_INVALID,
		use_message(true, &c, text, false, &out));
	c.param_len++;
	must_give("a second C_MessageEncryptInit", CKR_OPERATION_ACTIVE,
		message_init(true, p, h));
	is_ok("C_EncryptMessage after refusals", use_message(true, &c, text, false, &out));
	message_final(true);
}

static void
prove_messages(const struct proof *p)
{
	struct blob key = secret_value(p->key);
	CK_OBJECT_HANDLE h;

	if (!is_ok("a key", key_secret(p->key, key, USE_CRYPT, &h)))
		return;
	prove_direction(p, h, key, true);
	prove_direction(p, h, key, false);
	refuse_misuse(p, h);
}

static const struct proof rows[] = {
	{CKM_AES_GCM, prove_messages, "AES-#-GCM", CKK_AES, .variant = GCM},
	{CKM_AES_CCM, prove_messages, "AES-#-CCM", CKK_AES, .variant = CCM},
	{CKM_CHACHA20_POLY1305, prove_messages, "ChaCha20-Poly1305", CKK_CHACHA20,
		.variant = CHACHA_POLY},
};
const struct proofs proofs_message = {rows, NELEMS(rows)};
