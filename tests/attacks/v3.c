/* v3.c - what came with PKCS#11 3.0 to 3.2: messages, authenticated wrapping, encapsulation, C_LoginUser */
#include <string.h>

#include "steps.h"

/* ---- messages ---- */

/* IVs made by the token: no two alike under one key, in one operation and in the next (Joux 2006: one repetition gives
 * GCM's authentication key). */
static void
message_iv(void)
{
	enum { OPERATIONS = 3, MESSAGES = 8, N = OPERATIONS * MESSAGES };
	static const CK_ULONG generators[] = {CKG_GENERATE, CKG_GENERATE_COUNTER, CKG_GENERATE_RANDOM};
	CK_RV (*begin)(CK_SESSION_HANDLE, CK_MECHANISM *, CK_OBJECT_HANDLE);
	CK_RV (*encrypt)(CK_SESSION_HANDLE, void *, CK_ULONG, CK_BYTE *, CK_ULONG, CK_BYTE *, CK_ULONG, CK_BYTE *,
		CK_ULONG *);
	CK_RV (*end)(CK_SESSION_HANDLE);
	CK_BYTE iv[N][12], tag[16], out[64];
	CK_OBJECT_HANDLE key;
	CK_ULONG len, made = 0;

	client_login();
	*(void **)&begin = client_function("C_MessageEncryptInit");
	*(void **)&encrypt = client_function("C_EncryptMessage");
	*(void **)&end = client_function("C_MessageEncryptFinal");
	if (begin == NULL || encrypt == NULL || end == NULL)
		return;
	key = key_made(CKK_AES, 32, "sensitive encrypt");
	for (size_t g = 0; g < 3; g++) {
		memset(iv, 0, sizeof(iv));
		for (int i = 0; i < N; i++) {
			CK_GCM_MESSAGE_PARAMS p = {.pIv = iv[i], .ulIvLen = 12, .ivGenerator = generators[g], .pTag = tag,
				.ulTagBits = 128};
			CK_MECHANISM m = {CKM_AES_GCM, &p, sizeof(p)};

			client_mechanism = CKM_AES_GCM;
			if (i % MESSAGES == 0 && REFUSED(begin(session, &m, key)))
				break;
			len = sizeof(out);
			if (REFUSED(encrypt(session, &p, sizeof(p), NULL, 0, (CK_BYTE *)"message", 7, out, &len)))
				break;
			made++;
			for (int j = 0; j < i; j++)
				if (memcmp(iv[i], iv[j], 12) == 0)
					attack_weak("the token's IV repeats, generator %lu, messages %d and %d", generators[g], j, i);
			if (i % MESSAGES == MESSAGES - 1)
				end(session);
		}
	}
	if (made > 0)
		attack_safe("%lu messages, no IV twice", made);
}

/* ---- authenticated wrapping ---- */

typedef CK_RV (*wrap_authenticated)(CK_SESSION_HANDLE, CK_MECHANISM *, CK_OBJECT_HANDLE, CK_OBJECT_HANDLE, CK_BYTE *,
	CK_ULONG, CK_BYTE *, CK_ULONG *);
typedef CK_RV (*unwrap_authenticated)(CK_SESSION_HANDLE, CK_MECHANISM *, CK_OBJECT_HANDLE, CK_BYTE *, CK_ULONG,
	CK_ATTRIBUTE *, CK_ULONG, CK_BYTE *, CK_ULONG, CK_OBJECT_HANDLE *);

static CK_BYTE seal_iv[12], seal_tag[16];
static CK_GCM_MESSAGE_PARAMS seal_message;
static CK_GCM_WRAP_PARAMS seal_wrap;
static CK_GCM_PARAMS seal_plain;

enum seal_way { SEAL_AUTHENTICATED, SEAL_WRAP, SEAL_PLAIN, SEAL_WAYS };

/* The target under GCM in one of three ways: with the newer call, with the older one and the structure that asks for a
 * nonce of the token's, with the older one and the nonce in seal_iv. The nonce and, in the first way, the tag stand
 * in seal_iv and seal_tag; the other two have the tag behind the ciphertext. */
static CK_RV
seal(enum seal_way way, CK_ULONG generator, CK_OBJECT_HANDLE kek, CK_OBJECT_HANDLE target, struct blob *out)
{
	CK_MECHANISM m = {CKM_AES_GCM, NULL, 0};
	wrap_authenticated wrap;

	seal_message = (CK_GCM_MESSAGE_PARAMS){.pIv = seal_iv, .ulIvLen = 12, .ivGenerator = generator, .pTag = seal_tag,
		.ulTagBits = 128};
	seal_wrap = (CK_GCM_WRAP_PARAMS){.pIv = seal_iv, .ulIvLen = 12, .ivGenerator = generator, .ulTagBits = 128};
	seal_plain = (CK_GCM_PARAMS){.pIv = seal_iv, .ulIvLen = 12, .ulIvBits = 96, .ulTagBits = 128};
	m.pParameter = way == SEAL_AUTHENTICATED ? (void *)&seal_message : way == SEAL_WRAP ? (void *)&seal_wrap :
		(void *)&seal_plain;
	m.ulParameterLen = way == SEAL_AUTHENTICATED ? sizeof(seal_message) : way == SEAL_WRAP ? sizeof(seal_wrap) :
		sizeof(seal_plain);
	if (way != SEAL_AUTHENTICATED)
		return key_wrap(&m, kek, target, out);
	*(void **)&wrap = client_function("C_WrapKeyAuthenticated");
	if (wrap == NULL)
		return CKR_FUNCTION_NOT_SUPPORTED;
	out->len = BLOB_MAX;
	client_mechanism = CKM_AES_GCM;
	return wrap(session, &m, kek, target, NULL, 0, out->data, &out->len);
}

/* A wrapping key; the second kind is for GCM and CCM alone, by its CKA_ALLOWED_MECHANISMS. */
static CK_OBJECT_HANDLE
sealing_key(int kind, const char *words)
{
	static const CK_MECHANISM_TYPE only[] = {CKM_AES_GCM, CKM_AES_CCM};
	CK_MECHANISM gen = {CKM_AES_KEY_GEN, NULL, 0};
	CK_OBJECT_HANDLE key = 0;
	struct templ t;

	templ_begin(&t, CKO_SECRET_KEY, CKK_AES, words);
	templ_number(&t, CKA_VALUE_LEN, 32);
	if (kind == 1)
		templ_bytes(&t, CKA_ALLOWED_MECHANISMS, only, sizeof(only));
	NEED(f->C_GenerateKey(session, &gen, t.a, t.n, &key));
	return key;
}

/* The nonce of the target's blob, given again by the caller for a key that he knows: the streams cancel
 * (NIST SP 800-38D app. A). First both by the caller, then the target's made by the token. */
static void
one_nonce_for_two_keys(void)
{
	CK_OBJECT_HANDLE kek, known, target;
	CK_BYTE value[32], guess[32];
	struct blob of_target, of_known;

	client_login();
	target = step_target();
	own_random(value, sizeof(value));
	NEED(key_import(&known, CKK_AES, value, 32, "extractable encrypt"));
	for (int i = 0; i < 2 * SEAL_WAYS * SEAL_WAYS * 2; i++) {
		CK_ULONG generator = i % 2 == 0 ? CKG_NO_GENERATE : CKG_GENERATE;

		kek = sealing_key(i / 2 % 2, "sensitive wrap unwrap");
		if (REFUSED(seal((enum seal_way)(i / 4 % SEAL_WAYS), generator, kek, target, &of_target)) ||
			REFUSED(seal((enum seal_way)(i / 4 / SEAL_WAYS % SEAL_WAYS), CKG_NO_GENERATE, kek, known, &of_known)))
			continue;
		for (size_t j = 0; j < 32; j++)
			guess[j] = (CK_BYTE)(of_target.data[j] ^ of_known.data[j] ^ value[j]);
		if (proof_aes(target, guess, 32))
			attack_leaked("one nonce for a known key and for the target");
	}
}

/* Generators that leave few bits to chance: the nonce repeats soon, or can be waited for. */
static void
few_random_bits(void)
{
	CK_OBJECT_HANDLE kek, target;
	struct blob blob;
	CK_MECHANISM m = {CKM_AES_GCM, &seal_wrap, sizeof(seal_wrap)};

	client_login();
	target = step_target();
	for (int kind = 0; kind < 2; kind++) {
		kek = sealing_key(kind, "sensitive wrap unwrap");
		for (CK_ULONG fixed = 8; fixed < 96; fixed += 29) {
			seal_wrap = (CK_GCM_WRAP_PARAMS){.pIv = seal_iv, .ulIvLen = 12, .ulIvFixedBits = fixed,
				.ivGenerator = CKG_GENERATE, .ulTagBits = 128};
			if (!REFUSED(key_wrap(&m, kek, target, &blob)))
				attack_weak("a nonce of the token's with %lu bits of the caller's", fixed);
		}
		seal_wrap = (CK_GCM_WRAP_PARAMS){.pIv = seal_iv, .ulIvLen = 4, .ivGenerator = CKG_GENERATE, .ulTagBits = 128};
		if (!REFUSED(key_wrap(&m, kek, target, &blob)))
			attack_weak("a nonce of 32 bits");
	}
}

/* CBC under the same key encrypts the very counter blocks that hide the target. */
static void
gcm_stream_by_cbc(void)
{
	static const CK_MECHANISM_TYPE ciphers[] = {CKM_AES_CBC_PAD, CKM_AES_CBC, CKM_AES_ECB};
	CK_OBJECT_HANDLE kek, counter, target;
	CK_BYTE block[16], guess[32];
	struct blob of_target, stream;

	client_login();
	target = step_target();
	for (int i = 0; i < 2 * SEAL_WAYS; i++) {
		kek = sealing_key(i % 2, "sensitive wrap unwrap");
		if (REFUSED(seal((enum seal_way)(i / 2), CKG_GENERATE, kek, target, &of_target)))
			continue;
		for (size_t c = 0; c < 3; c++) {
			bool whole = true;

			for (int half = 0; half < 2; half++) {
				memcpy(block, seal_iv, 12);
				memcpy(block + 12, (CK_BYTE[]){0, 0, 0, (CK_BYTE)(2 + half)}, 4);
				NEED(key_import(&counter, CKK_AES, block, 16, "extractable encrypt"));
				whole = !REFUSED(key_wrap(mechanism(ciphers[c]), kek, counter, &stream)) && whole;
				for (int j = 0; whole && j < 16; j++)
					guess[16 * half + j] = stream.data[j] ^ of_target.data[16 * half + j];
			}
			if (whole && proof_aes(target, guess, 32))
				attack_leaked("counter blocks encrypted by mechanism 0x%lx", (unsigned long)ciphers[c]);
		}
	}
}

/* The roles of the wrapping key hold for these calls, too. */
static void
authenticated_wrap_and_decrypt(void)
{
	CK_MECHANISM open = {CKM_AES_GCM, &seal_plain, sizeof(seal_plain)};
	CK_OBJECT_HANDLE kek, target;
	struct blob blob, plain;

	client_login();
	target = step_target();
	for (int i = 0; i < 2 * SEAL_WAYS; i++) {
		kek = sealing_key(i % 2, "sensitive wrap decrypt");
		if (REFUSED(seal((enum seal_way)(i / 2), CKG_GENERATE, kek, target, &blob)))
			continue;
		if (i / 2 == SEAL_AUTHENTICATED) {
			memcpy(blob.data + blob.len, seal_tag, 16);
			blob.len += 16;
		}
		if (!REFUSED(use_decrypt(&open, kek, blob.data, blob.len, &plain)) && proof_aes(target, plain.data, plain.len))
			attack_leaked("C_Decrypt of the blob");
	}
}

/* What C_UnwrapKeyAuthenticated makes of a sensitive key's blob. */
static void
authenticated_unwrap(void)
{
	CK_MECHANISM m = {CKM_AES_GCM, &seal_message, sizeof(seal_message)};
	unwrap_authenticated unwrap;
	CK_OBJECT_HANDLE kek, target, again;
	struct templ t;
	struct blob blob;

	client_login();
	*(void **)&unwrap = client_function("C_UnwrapKeyAuthenticated");
	if (unwrap == NULL)
		return;
	target = step_target();
	templ_begin(&t, CKO_SECRET_KEY, CKK_AES, "extractable encrypt");
	for (int kind = 0; kind < 2; kind++) {
		kek = sealing_key(kind, "sensitive wrap unwrap");
		if (REFUSED(seal(SEAL_AUTHENTICATED, CKG_GENERATE, kek, target, &blob)))
			continue;
		seal_message.ivGenerator = CKG_NO_GENERATE;
		client_mechanism = CKM_AES_GCM;
		if (!REFUSED(unwrap(session, &m, kek, blob.data, blob.len, t.a, t.n, NULL, 0, &again)))
			step_read(again, target, "unwrapped");
		if (!REFUSED(unwrap(session, &m, kek, blob.data, blob.len, t.a, t.n, (CK_BYTE *)"aad", 3, &again)))
			attack_weak("other associated data are taken");
		seal_tag[3] ^= 1;
		if (!REFUSED(unwrap(session, &m, kek, blob.data, blob.len, t.a, t.n, NULL, 0, &again)))
			attack_weak("a wrong tag is taken");
		seal_tag[3] ^= 1;
	}
}

/* A tag of few bits is guessed: a blob cut to one byte is a key of one byte (Ferguson 2005). */
static void
short_tag_unwrap(void)
{
	CK_MECHANISM m = {CKM_AES_GCM, &seal_plain, sizeof(seal_plain)};
	CK_OBJECT_HANDLE kek, target, again;
	struct blob blob;
	CK_RV rv;

	client_login();
	target = step_target();
	for (int i = 0; i < 2 * SEAL_WAYS; i++) {
		kek = sealing_key(i % 2, "sensitive wrap unwrap");
		if (REFUSED(seal((enum seal_way)(i / 2), CKG_GENERATE, kek, target, &blob)))
			continue;
		seal_plain.ulTagBits = 32;
		blob.len = 5;
		/* the answer to a guess that is wrong: refused for its tag, or for asking so */
		rv = key_unwrap(&m, kek, &blob, CKO_SECRET_KEY, CKK_GENERIC_SECRET, "sensitive sign", &again);
		if (rv == CKR_OK || rv == CKR_WRAPPED_KEY_INVALID || rv == CKR_ENCRYPTED_DATA_INVALID)
			attack_weak("tags of 32 bits can be tried on a sensitive key's blob: %s", attack_rv_name(rv));
		else
			attack_refused(rv, "C_UnwrapKey");
	}
}

/* ---- encapsulation ---- */

/* The secret is known to whoever encapsulates; a key made so must not protect others. */
static void
encapsulated_key_wraps(void)
{
	CK_RV (*encapsulate)(CK_SESSION_HANDLE, CK_MECHANISM *, CK_OBJECT_HANDLE, CK_ATTRIBUTE *, CK_ULONG, CK_BYTE *,
		CK_ULONG *, CK_OBJECT_HANDLE *);
	CK_RV (*decapsulate)(CK_SESSION_HANDLE, CK_MECHANISM *, CK_OBJECT_HANDLE, CK_ATTRIBUTE *, CK_ULONG, CK_BYTE *,
		CK_ULONG, CK_OBJECT_HANDLE *);
	CK_OBJECT_HANDLE pub, priv, readable, wraps;
	CK_MECHANISM m = {CKM_ML_KEM, NULL, 0};
	struct blob c = {.len = BLOB_MAX}, value;
	struct templ a, b, t;

	client_login();
	*(void **)&encapsulate = client_function("C_EncapsulateKey");
	*(void **)&decapsulate = client_function("C_DecapsulateKey");
	if (encapsulate == NULL || decapsulate == NULL)
		return;
	templ_begin(&a, CKO_PUBLIC_KEY, CKK_ML_KEM, "bare encapsulate");
	templ_number(&a, CKA_PARAMETER_SET, CKP_ML_KEM_768);
	templ_begin(&b, CKO_PRIVATE_KEY, CKK_ML_KEM, "bare private sensitive decapsulate");
	if (REFUSED(pair_generate(CKM_ML_KEM_KEY_PAIR_GEN, &a, &b, &pub, &priv)))
		return;
	templ_begin(&t, CKO_SECRET_KEY, CKK_AES, "extractable encrypt");
	templ_number(&t, CKA_VALUE_LEN, 32);
	client_mechanism = CKM_ML_KEM;
	if (REFUSED(encapsulate(session, &m, pub, t.a, t.n, c.data, &c.len, &readable)) ||
		REFUSED(key_read(readable, CKA_VALUE, &value)))
		return;
	templ_begin(&t, CKO_SECRET_KEY, CKK_AES, "sensitive wrap");
	templ_number(&t, CKA_VALUE_LEN, 32);
	if (!REFUSED(decapsulate(session, &m, priv, t.a, t.n, c.data, c.len, &wraps)))
		step_wrap_known(wraps, value.data, value.len, step_target());
}

/* C_LoginUser with a name, or for another user, is no way round the PIN. */
static void
login_user(void)
{
	CK_RV (*login)(CK_SESSION_HANDLE, CK_USER_TYPE, CK_UTF8CHAR *, CK_ULONG, CK_UTF8CHAR *, CK_ULONG);
	CK_UTF8CHAR name[] = "root";

	client_load();
	NEED(client_open(CKF_RW_SESSION, &session));
	*(void **)&login = client_function("C_LoginUser");
	if (login == NULL)
		return;
	if (!REFUSED(login(session, CKU_USER, (CK_UTF8CHAR *)"", 0, name, 4)) ||
		!REFUSED(login(session, CKU_USER, NULL, 0, name, 4)) ||
		!REFUSED(login(session, CKU_USER, (CK_UTF8CHAR *)"a wrong PIN 0000", 16, NULL, 0)))
		attack_weak("a login without the PIN");
	NEED(client_user(CKU_USER, place.pin));
}

const struct attack attacks_v3[] = {
	{"message-iv", "NIST SP 800-38D", message_iv},
	{"one-nonce-for-two-keys", "NIST SP 800-38D", one_nonce_for_two_keys},
	{"few-random-bits", "NIST SP 800-38D", few_random_bits},
	{"gcm-stream-by-cbc", "NIST SP 800-38D", gcm_stream_by_cbc},
	{"short-tag-unwrap", "Ferguson 2005", short_tag_unwrap},
	{"authenticated-wrap-and-decrypt", "Clulow 2003", authenticated_wrap_and_decrypt},
	{"authenticated-unwrap", "Delaune et al. 2008", authenticated_unwrap},
	{"encapsulated-key-wraps", "PKCS#11 3.2", encapsulated_key_wraps},
	{"login-user", "PKCS#11 5.6.9", login_user},
	{0},
};
