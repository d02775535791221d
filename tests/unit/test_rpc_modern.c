/*
 * What PKCS#11 3.x added, at the daemon's door: messages, signatures known first, authenticated wrapping, cancelling,
 * logins with a name. What comes out is checked with plain OpenSSL.
 */
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "rpc_help.h"

static CK_ULONG session, aes_key, mac_key;

static void
output(struct peer *p, uint8_t *out, size_t room, CK_ULONG *len)
{
	const uint8_t *data;
	size_t n;

	codec_get_output(&p->answer, len, &data, &n);
	if (data && n <= room)
		memcpy(out, data, n);
}

/* ---- messages of AES-GCM ---- */

/* The tag's 16 bytes stand behind the ciphertext. */
static bool
openssl_gcm(const uint8_t *iv, const char *aad, const uint8_t *in, int len, uint8_t *out)
{
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	int n = 0, rest = 0;
	bool ok = EVP_EncryptInit_ex(c, EVP_aes_128_gcm(), NULL, key_bytes, iv) == 1 &&
		EVP_EncryptUpdate(c, NULL, &n, (const uint8_t *)aad, (int)strlen(aad)) == 1 &&
		EVP_EncryptUpdate(c, out, &n, in, len) == 1 && EVP_EncryptFinal_ex(c, out + n, &rest) == 1 &&
		EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, 16, out + len) == 1;

	EVP_CIPHER_CTX_free(c);
	return ok;
}

static uint8_t iv[12], tag[16];
static struct ck_gcm_message_parameters gcm = {iv, sizeof(iv), 0, CKG_NO_GENERATE, tag, 128};
#define GCM &gcm, (CK_ULONG)sizeof(gcm)

static void
begin_message(struct peer *p, uint32_t call)
{
	CK_MECHANISM m = {CKM_AES_GCM, NULL, 0};

	CHECK_RV(CKR_OK, ask(p, call, "umu", session, &m, aes_key));
}

/* Takes what came into out, and what the token wrote into gcm. */
static CK_ULONG
take(struct peer *p, uint8_t *out)
{
	CK_ULONG len = 0;

	output(p, out, 64, &len);
	CHECK(codec_get_message_outputs(&p->answer, GCM));
	return len;
}

static void
test_a_message_in_one_part(struct peer *p)
{
	uint8_t out[64], expected[64], back[64];
	CK_ULONG len;

	begin_message(p, WIRE_MESSAGE_ENCRYPT_INIT);
	for (int i = 0; i < 3; i++) {
		memset(iv, i + 1, sizeof(iv));
		memset(tag, 0, sizeof(tag));
		/* a question for the length and a small buffer change nothing */
		CHECK_RV(CKR_OK, ask(p, WIRE_ENCRYPT_MESSAGE, "upbbo", session, GCM, true, "aad", (size_t)3, key_bytes,
				       (size_t)20, 0, 0UL));
		CHECK(take(p, out) == 20 && tag[0] == 0);
		CHECK_RV(CKR_BUFFER_TOO_SMALL, ask(p, WIRE_ENCRYPT_MESSAGE, "upbbo", session, GCM, true, "aad",
						       (size_t)3, key_bytes, (size_t)20, 1, 19UL));
		CHECK_RV(CKR_OK, ask(p, WIRE_ENCRYPT_MESSAGE, "upbbo", session, GCM, true, "aad", (size_t)3, key_bytes,
				       (size_t)20, 1, 64UL));
		len = take(p, out);
		CHECK(len == 20 && openssl_gcm(iv, "aad", key_bytes, 20, expected));
		CHECK(memcmp(out, expected, 20) == 0 && memcmp(tag, expected + 20, 16) == 0);
	}
	CHECK_RV(CKR_OPERATION_ACTIVE, ask(p, WIRE_MESSAGE_ENCRYPT_INIT, "umu", session,
					       (&(CK_MECHANISM){CKM_AES_GCM, NULL, 0}), aes_key));
	CHECK_RV(CKR_OK, ask(p, WIRE_MESSAGE_ENCRYPT_FINAL, "u", session));
	CHECK_RV(CKR_OPERATION_NOT_INITIALIZED, ask(p, WIRE_MESSAGE_ENCRYPT_FINAL, "u", session));
	CHECK_RV(CKR_OPERATION_NOT_INITIALIZED, ask(p, WIRE_ENCRYPT_MESSAGE, "upbbo", session, GCM, true, "", (size_t)0,
							"", (size_t)0, 1, 64UL));
	begin_message(p, WIRE_MESSAGE_DECRYPT_INIT);
	/* a message that fails ends neither itself for the next one, nor the operation */
	tag[3] ^= 1;
	CHECK_RV(CKR_AEAD_DECRYPT_FAILED, ask(p, WIRE_DECRYPT_MESSAGE, "upbbo", session, GCM, false, "aad", (size_t)3,
						  out, (size_t)20, 1, 64UL));
	tag[3] ^= 1;
	CHECK_RV(CKR_OK, ask(p, WIRE_DECRYPT_MESSAGE, "upbbo", session, GCM, false, "aad", (size_t)3, out, (size_t)20,
			       1, 64UL));
	CHECK(take(p, back) == 20 && memcmp(back, key_bytes, 20) == 0);
	CHECK_RV(CKR_OK, ask(p, WIRE_MESSAGE_DECRYPT_FINAL, "u", session));
}

static void
test_a_message_in_parts(struct peer *p)
{
	uint8_t out[96], expected[64];
	CK_ULONG n;

	memset(iv, 9, sizeof(iv));
	begin_message(p, WIRE_MESSAGE_ENCRYPT_INIT);
	CHECK_RV(CKR_OPERATION_NOT_INITIALIZED, ask(p, WIRE_ENCRYPT_MESSAGE_NEXT, "upbyo", session, GCM, true, key_bytes,
							(size_t)5, 0, 1, 64UL));
	CHECK_RV(CKR_OK, ask(p, WIRE_ENCRYPT_MESSAGE_BEGIN, "upb", session, GCM, true, "aad", (size_t)3));
	CHECK_RV(CKR_OK, ask(p, WIRE_ENCRYPT_MESSAGE_NEXT, "upbyo", session, GCM, true, key_bytes, (size_t)5, 0, 1, 64UL));
	n = take(p, out);
	CHECK_RV(CKR_OK, ask(p, WIRE_ENCRYPT_MESSAGE_NEXT, "upbyo", session, GCM, true, key_bytes + 5, (size_t)15, 1, 1,
			       64UL));
	n += take(p, out + n);
	CHECK(n == 20 && openssl_gcm(iv, "aad", key_bytes, 20, expected));
	CHECK(memcmp(out, expected, 20) == 0 && memcmp(tag, expected + 20, 16) == 0);
	/* another message in one part after it */
	CHECK_RV(CKR_OK, ask(p, WIRE_ENCRYPT_MESSAGE, "upbbo", session, (memset(iv, 10, 12), &gcm), (CK_ULONG)sizeof(gcm),
			       true, "", (size_t)0, key_bytes, (size_t)4, 1, 64UL));
	CHECK_RV(CKR_OK, ask(p, WIRE_MESSAGE_ENCRYPT_FINAL, "u", session));
}

/* The token makes the IV and tells it. */
static void
test_an_iv_of_the_tokens_making(struct peer *p)
{
	uint8_t out[64], expected[64], first[12];

	begin_message(p, WIRE_MESSAGE_ENCRYPT_INIT);
	gcm.ivGenerator = CKG_GENERATE;
	memset(iv, 0, sizeof(iv));
	for (int i = 0; i < 2; i++) {
		memcpy(first, iv, sizeof(iv));
		CHECK_RV(CKR_OK, ask(p, WIRE_ENCRYPT_MESSAGE, "upbbo", session, GCM, true, "a", (size_t)1, key_bytes,
				       (size_t)20, 1, 64UL));
		CHECK(take(p, out) == 20 && memcmp(first, iv, sizeof(iv)) != 0);
		CHECK(openssl_gcm(iv, "a", key_bytes, 20, expected));
		CHECK(memcmp(out, expected, 20) == 0 && memcmp(tag, expected + 20, 16) == 0);
	}
	gcm.ivGenerator = CKG_NO_GENERATE;
	CHECK_RV(CKR_OK, ask(p, WIRE_SESSION_CANCEL, "uu", session, CKF_MESSAGE_ENCRYPT));
}

/* A parameter of another mechanism's form is none of this one's. */
static void
test_the_parameter_must_fit_the_mechanism(struct peer *p)
{
	struct ck_chacha20_poly1305_message_parameters other = {iv, sizeof(iv), tag};

	begin_message(p, WIRE_MESSAGE_ENCRYPT_INIT);
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, ask(p, WIRE_ENCRYPT_MESSAGE, "upbbo", session, &other,
						      (CK_ULONG)sizeof(other), true, "", (size_t)0, "", (size_t)0, 1, 9UL));
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, ask(p, WIRE_ENCRYPT_MESSAGE, "upbbo", session, NULL, 0UL, true, "",
						      (size_t)0, "", (size_t)0, 1, 9UL));
	CHECK_RV(CKR_OK, ask(p, WIRE_MESSAGE_ENCRYPT_FINAL, "u", session));
}

/* ---- messages with a signature ---- */

static void
test_signed_messages(struct peer *p)
{
	CK_MECHANISM m = {CKM_SHA256_HMAC, NULL, 0};
	uint8_t mac[64], parts[64], expected[32];
	CK_ULONG len;

	CHECK_RV(CKR_OK, ask(p, WIRE_MESSAGE_SIGN_INIT, "umu", session, &m, mac_key));
	for (int i = 0; i < 2; i++) {
		CHECK_RV(CKR_OK, ask(p, WIRE_SIGN_MESSAGE, "ubo", session, "some data", (size_t)9, 1, 64UL));
		output(p, mac, sizeof(mac), &len);
		HMAC(EVP_sha256(), key_bytes, 32, (const uint8_t *)"some data", 9, expected, NULL);
		CHECK(len == 32 && memcmp(mac, expected, 32) == 0);
	}
	CHECK_RV(CKR_OK, ask(p, WIRE_SIGN_MESSAGE_BEGIN, "u", session));
	CHECK_RV(CKR_OK, ask(p, WIRE_SIGN_MESSAGE_NEXT, "ubyo", session, "some", (size_t)4, 0, 0, 0UL));
	CHECK_RV(CKR_OK, ask(p, WIRE_SIGN_MESSAGE_NEXT, "ubyo", session, " data", (size_t)5, 1, 0, 0UL));
	output(p, parts, sizeof(parts), &len);
	CHECK(len == 32);
	CHECK_RV(CKR_OK, ask(p, WIRE_SIGN_MESSAGE_NEXT, "ubyo", session, " data", (size_t)5, 1, 1, 64UL));
	output(p, parts, sizeof(parts), &len);
	CHECK(len == 32 && memcmp(mac, parts, 32) == 0);
	CHECK_RV(CKR_OK, ask(p, WIRE_MESSAGE_SIGN_FINAL, "u", session));
	CHECK_RV(CKR_OK, ask(p, WIRE_MESSAGE_VERIFY_INIT, "umu", session, &m, mac_key));
	CHECK_RV(CKR_OK, ask(p, WIRE_VERIFY_MESSAGE, "ubb", session, "some data", (size_t)9, mac, (size_t)32));
	CHECK_RV(CKR_SIGNATURE_INVALID, ask(p, WIRE_VERIFY_MESSAGE, "ubb", session, "other data", (size_t)10, mac, (size_t)32));
	CHECK_RV(CKR_OK, ask(p, WIRE_VERIFY_MESSAGE_BEGIN, "u", session));
	CHECK_RV(CKR_OK, ask(p, WIRE_VERIFY_MESSAGE_NEXT, "ubb", session, "some", (size_t)4, NULL, (size_t)0));
	CHECK_RV(CKR_OK, ask(p, WIRE_VERIFY_MESSAGE_NEXT, "ubb", session, " data", (size_t)5, mac, (size_t)32));
	CHECK_RV(CKR_OK, ask(p, WIRE_MESSAGE_VERIFY_FINAL, "u", session));
}

static void
test_the_signature_comes_first(struct peer *p)
{
	CK_MECHANISM m = {CKM_SHA256_HMAC, NULL, 0};
	uint8_t mac[32];

	HMAC(EVP_sha256(), key_bytes, 32, (const uint8_t *)"some data", 9, mac, NULL);
	CHECK_RV(CKR_OK, ask(p, WIRE_VERIFY_SIGNATURE_INIT, "umub", session, &m, mac_key, mac, (size_t)32));
	CHECK_RV(CKR_OPERATION_ACTIVE, ask(p, WIRE_VERIFY_SIGNATURE_INIT, "umub", session, &m, mac_key, mac, (size_t)32));
	CHECK_RV(CKR_OK, ask(p, WIRE_VERIFY_SIGNATURE, "ub", session, "some data", (size_t)9));
	CHECK_RV(CKR_OPERATION_NOT_INITIALIZED, ask(p, WIRE_VERIFY_SIGNATURE, "ub", session, "some data", (size_t)9));
	CHECK_RV(CKR_OK, ask(p, WIRE_VERIFY_SIGNATURE_INIT, "umub", session, &m, mac_key, mac, (size_t)32));
	CHECK_RV(CKR_OK, ask(p, WIRE_VERIFY_SIGNATURE_UPDATE, "ub", session, "some ", (size_t)5));
	CHECK_RV(CKR_OK, ask(p, WIRE_VERIFY_SIGNATURE_UPDATE, "ub", session, "data", (size_t)4));
	CHECK_RV(CKR_OK, ask(p, WIRE_VERIFY_SIGNATURE_FINAL, "u", session));
	mac[0] ^= 1;
	CHECK_RV(CKR_OK, ask(p, WIRE_VERIFY_SIGNATURE_INIT, "umub", session, &m, mac_key, mac, (size_t)32));
	CHECK_RV(CKR_SIGNATURE_INVALID, ask(p, WIRE_VERIFY_SIGNATURE, "ub", session, "some data", (size_t)9));
	CHECK_RV(CKR_OK, ask(p, WIRE_VERIFY_SIGNATURE_INIT, "umub", session, &m, mac_key, mac, (size_t)32));
	CHECK_RV(CKR_OK, ask(p, WIRE_SESSION_CANCEL, "uu", session, CKF_VERIFY));
	CHECK_RV(CKR_OPERATION_NOT_INITIALIZED, ask(p, WIRE_VERIFY_SIGNATURE_FINAL, "u", session));
}

/* CKA_ALWAYS_AUTHENTICATE: a login for each message. Without it the operation ends, as any does. */
static void
test_each_message_is_a_use(struct peer *p)
{
	static CK_BYTE p256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
	CK_MECHANISM m = {CKM_ECDSA_SHA256, NULL, 0}, gen = {CKM_EC_KEY_PAIR_GEN, NULL, 0};
	CK_ATTRIBUTE pub[] = {{CKA_EC_PARAMS, p256, sizeof(p256)}, {CKA_VERIFY, &yes, 1}};
	CK_ATTRIBUTE careful[] = {{CKA_PRIVATE, &yes, 1}, {CKA_SIGN, &yes, 1}, {CKA_ALWAYS_AUTHENTICATE, &yes, 1}};
	CK_ULONG key;

	CHECK_RV(CKR_OK, ask(p, WIRE_GENERATE_KEY_PAIR, "umaa", session, &gen, pub, 2UL, careful, 3UL));
	got(p);
	key = got(p);
	CHECK_RV(CKR_OK, ask(p, WIRE_MESSAGE_SIGN_INIT, "umu", session, &m, key));
	CHECK_RV(CKR_OK, login(p, session, CKU_CONTEXT_SPECIFIC, PIN));
	CHECK_RV(CKR_OK, ask(p, WIRE_SIGN_MESSAGE, "ubo", session, "x", (size_t)1, 0, 0UL)); /* no use yet */
	CHECK_RV(CKR_OK, ask(p, WIRE_SIGN_MESSAGE, "ubo", session, "x", (size_t)1, 1, 64UL));
	CHECK_RV(CKR_OK, login(p, session, CKU_CONTEXT_SPECIFIC, PIN));
	CHECK_RV(CKR_OK, ask(p, WIRE_SIGN_MESSAGE_BEGIN, "u", session));
	CHECK_RV(CKR_OK, ask(p, WIRE_SIGN_MESSAGE_NEXT, "ubyo", session, "x", (size_t)1, 0, 0, 0UL));
	CHECK_RV(CKR_OK, ask(p, WIRE_SIGN_MESSAGE_NEXT, "ubyo", session, "x", (size_t)1, 1, 1, 64UL));
	CHECK_RV(CKR_USER_NOT_LOGGED_IN, ask(p, WIRE_SIGN_MESSAGE, "ubo", session, "x", (size_t)1, 1, 64UL));
	CHECK_RV(CKR_OPERATION_NOT_INITIALIZED, ask(p, WIRE_MESSAGE_SIGN_FINAL, "u", session));
	CHECK_RV(CKR_OPERATION_NOT_INITIALIZED, login(p, session, CKU_CONTEXT_SPECIFIC, PIN));
}

/* A logout ends operations with private keys, of every kind; those with public ones go on. */
static void
test_logout_ends_messages(struct peer *p)
{
	CK_MECHANISM m = {CKM_SHA256_HMAC, NULL, 0};
	CK_ULONG key;

	CHECK_RV(CKR_OK, create_key(p, session, &generic, &no, &yes, "private", &key));
	CHECK_RV(CKR_OK, ask(p, WIRE_MESSAGE_SIGN_INIT, "umu", session, &m, key));
	CHECK_RV(CKR_OK, ask(p, WIRE_MESSAGE_VERIFY_INIT, "umu", session, &m, mac_key));
	CHECK_RV(CKR_OK, ask(p, WIRE_VERIFY_SIGNATURE_INIT, "umub", session, &m, key, key_bytes, (size_t)32));
	CHECK_RV(CKR_OK, ask(p, WIRE_LOGOUT, "u", session));
	CHECK_RV(CKR_OPERATION_NOT_INITIALIZED, ask(p, WIRE_SIGN_MESSAGE, "ubo", session, "x", (size_t)1, 1, 64UL));
	CHECK_RV(CKR_OPERATION_NOT_INITIALIZED, ask(p, WIRE_VERIFY_SIGNATURE, "ub", session, "x", (size_t)1));
	CHECK_RV(CKR_OK, ask(p, WIRE_MESSAGE_VERIFY_FINAL, "u", session));
	CHECK_RV(CKR_OK, login(p, session, CKU_USER, PIN));
}

/* ---- authenticated wrapping ---- */

static void
test_authenticated_wrapping(struct peer *p)
{
	CK_MECHANISM m = {CKM_AES_GCM, GCM};
	CK_OBJECT_CLASS class = CKO_SECRET_KEY;
	CK_ATTRIBUTE wrapping[] = {{CKA_CLASS, &class, sizeof(class)}, {CKA_KEY_TYPE, &aes, sizeof(aes)},
		{CKA_TOKEN, &no, 1}, {CKA_WRAP, &yes, 1}, {CKA_UNWRAP, &yes, 1}, {CKA_VALUE, (void *)key_bytes, 16}};
	CK_ATTRIBUTE target[] = {{CKA_CLASS, &class, sizeof(class)}, {CKA_KEY_TYPE, &generic, sizeof(generic)},
		{CKA_TOKEN, &no, 1}, {CKA_EXTRACTABLE, &yes, 1}, {CKA_SENSITIVE, &no, 1}, {CKA_SIGN, &yes, 1},
		{CKA_VALUE, (void *)key_bytes, 32}};
	CK_ATTRIBUTE made[] = {{CKA_CLASS, &class, sizeof(class)}, {CKA_KEY_TYPE, &generic, sizeof(generic)},
		{CKA_TOKEN, &no, 1}, {CKA_SIGN, &yes, 1}};
	uint8_t blob[64], expected[64];
	CK_ULONG wrapper, key, len;

	CHECK_RV(CKR_OK, ask(p, WIRE_CREATE_OBJECT, "ua", session, wrapping, 6UL));
	wrapper = got(p);
	CHECK_RV(CKR_OK, ask(p, WIRE_CREATE_OBJECT, "ua", session, target, 7UL));
	key = got(p);
	gcm.ivGenerator = CKG_GENERATE;
	CHECK_RV(CKR_OK, ask(p, WIRE_WRAP_KEY_AUTHENTICATED, "uMuubo", session, &m, true, wrapper, key, "aad", (size_t)3, 0,
			       0UL));
	CHECK(take(p, blob) == 32);
	CHECK_RV(CKR_OK, ask(p, WIRE_WRAP_KEY_AUTHENTICATED, "uMuubo", session, &m, true, wrapper, key, "aad", (size_t)3, 1,
			       64UL));
	len = take(p, blob);
	gcm.ivGenerator = CKG_NO_GENERATE;
	CHECK(len == 32 && openssl_gcm(iv, "aad", key_bytes, 32, expected));
	CHECK(memcmp(blob, expected, 32) == 0 && memcmp(tag, expected + 32, 16) == 0);
	CHECK_RV(CKR_WRAPPED_KEY_INVALID, ask(p, WIRE_UNWRAP_KEY_AUTHENTICATED, "uMubab", session, &m, false, wrapper, blob,
						  (size_t)32, made, 4UL, "AAD", (size_t)3));
	CHECK_RV(CKR_OK, ask(p, WIRE_UNWRAP_KEY_AUTHENTICATED, "uMubab", session, &m, false, wrapper, blob, (size_t)32, made,
			       4UL, "aad", (size_t)3));
	CHECK_RV(CKR_OK, sign_init(p, session, got(p)));
	CHECK_RV(CKR_OK, ask(p, WIRE_SIGN, "ubo", session, "x", (size_t)1, 1, 64UL));
	output(p, blob, sizeof(blob), &len);
	HMAC(EVP_sha256(), key_bytes, 32, (const uint8_t *)"x", 1, expected, NULL);
	CHECK(len == 32 && memcmp(blob, expected, 32) == 0);
}

/* ---- sessions ---- */

static void
test_cancelling(struct peer *p)
{
	CK_MECHANISM sha = {CKM_SHA256, NULL, 0};
	CK_ATTRIBUTE none = {CKA_CLASS, &secret_class, sizeof(secret_class)};

	CHECK_RV(CKR_OK, ask(p, WIRE_DIGEST_INIT, "um", session, &sha));
	CHECK_RV(CKR_OK, sign_init(p, session, mac_key));
	CHECK_RV(CKR_OK, ask(p, WIRE_FIND_OBJECTS_INIT, "ua", session, &none, 1UL));
	/* nothing, what has not begun, and what does not exist */
	CHECK_RV(CKR_OK, ask(p, WIRE_SESSION_CANCEL, "uu", session, 0UL));
	CHECK_RV(CKR_OK, ask(p, WIRE_SESSION_CANCEL, "uu", session, CKF_ENCRYPT | CKF_GENERATE | 1UL << 40));
	CHECK_RV(CKR_OPERATION_ACTIVE, ask(p, WIRE_DIGEST_INIT, "um", session, &sha));
	/* one of two leaves the other */
	CHECK_RV(CKR_OK, ask(p, WIRE_SESSION_CANCEL, "uu", session, CKF_SIGN));
	CHECK_RV(CKR_OPERATION_NOT_INITIALIZED, ask(p, WIRE_SIGN_UPDATE, "ub", session, "x", (size_t)1));
	CHECK_RV(CKR_OK, ask(p, WIRE_DIGEST_UPDATE, "ub", session, "x", (size_t)1));
	CHECK_RV(CKR_OK, ask(p, WIRE_FIND_OBJECTS, "uu", session, 1UL));
	CHECK_RV(CKR_OK, ask(p, WIRE_SESSION_CANCEL, "uu", session, CKF_DIGEST | CKF_FIND_OBJECTS));
	CHECK_RV(CKR_OPERATION_NOT_INITIALIZED, ask(p, WIRE_DIGEST_UPDATE, "ub", session, "x", (size_t)1));
	CHECK_RV(CKR_OPERATION_NOT_INITIALIZED, ask(p, WIRE_FIND_OBJECTS, "uu", session, 1UL));
	CHECK_RV(CKR_SESSION_HANDLE_INVALID, ask(p, WIRE_SESSION_CANCEL, "uu", session + 1000, CKF_SIGN));
}

static void
test_validation_flags(struct peer *p)
{
	CHECK_RV(CKR_OK, ask(p, WIRE_GET_SESSION_VALIDATION_FLAGS, "uu", session, CKS_LAST_VALIDATION_OK));
	CHECK(got(p) == 0);
	CHECK_RV(CKR_ARGUMENTS_BAD, ask(p, WIRE_GET_SESSION_VALIDATION_FLAGS, "uu", session, 2UL));
	CHECK_RV(CKR_SESSION_ASYNC_NOT_SUPPORTED, ask(p, WIRE_OPEN_SESSION, "uu", 0UL, RW | CKF_ASYNC_SESSION));
}

/* Users have no names: an empty one is the only one's. */
static void
test_login_with_a_name(struct peer *p)
{
	CK_ULONG user = CKU_USER;

	CHECK_RV(CKR_OK, ask(p, WIRE_LOGOUT, "u", session));
	CHECK_RV(CKR_ARGUMENTS_BAD, ask(p, WIRE_LOGIN_USER, "uubb", session, user, PIN, strlen(PIN), "alice", (size_t)5));
	CHECK_RV(CKR_PIN_INCORRECT, ask(p, WIRE_LOGIN_USER, "uubb", session, user, "wrong", (size_t)5, "", (size_t)0));
	CHECK_RV(CKR_OK, ask(p, WIRE_LOGIN_USER, "uubb", session, user, PIN, strlen(PIN), "", (size_t)0));
	CHECK_RV(CKR_USER_ALREADY_LOGGED_IN, ask(p, WIRE_LOGIN_USER, "uubb", session, user, PIN, strlen(PIN), NULL, (size_t)0));
}

int
main(void)
{
	struct bench b;
	struct peer p;

	CHECK_RV(CKR_OK, secret_start());
	CHECK_RV(CKR_OK, bench_open(&b));
	peer_open(&p, b.daemon);
	CHECK_RV(CKR_OK, init_token(&p, 0, SO_PIN, "modern"));
	CHECK_RV(CKR_OK, open_session(&p, 0, RW, &session));
	CHECK_RV(CKR_OK, login(&p, session, CKU_SO, SO_PIN));
	CHECK_RV(CKR_OK, ask(&p, WIRE_INIT_PIN, "ub", session, PIN, strlen(PIN)));
	CHECK_RV(CKR_OK, ask(&p, WIRE_LOGOUT, "u", session));
	CHECK_RV(CKR_OK, login(&p, session, CKU_USER, PIN));
	CHECK_RV(CKR_OK, create_key(&p, session, &aes, &no, &no, "aes", &aes_key));
	CHECK_RV(CKR_OK, create_key(&p, session, &generic, &no, &no, "mac", &mac_key));
	test_a_message_in_one_part(&p);
	test_a_message_in_parts(&p);
	test_an_iv_of_the_tokens_making(&p);
	test_the_parameter_must_fit_the_mechanism(&p);
	test_signed_messages(&p);
	test_the_signature_comes_first(&p);
	test_each_message_is_a_use(&p);
	test_logout_ends_messages(&p);
	test_authenticated_wrapping(&p);
	test_cancelling(&p);
	test_validation_flags(&p);
	test_login_with_a_name(&p);
	peer_close(&p);
	bench_close(&b);
	return unit_done("rpc_modern");
}
