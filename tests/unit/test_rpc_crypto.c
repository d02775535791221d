/* Operations by rpc_call on a real vault: lengths, ends, states, two at once, logins for each use. What is computed is
 * checked with plain OpenSSL. */
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "rpc_help.h"

static void
test_sign_lengths_and_ends(struct daemon *d)
{
	uint8_t want[32];
	const uint8_t *sig;
	CK_ULONG s, key, length;
	unsigned want_len = 0;
	size_t len;
	struct peer p;

	peer_open(&p, d);
	open_session(&p, 0, RW, &s);
	CHECK_RV(CKR_OK, create_key(&p, s, &generic, &no, &no, "mac", &key));
	HMAC(EVP_sha256(), key_bytes, 32, (const uint8_t *)"message", 7, want, &want_len);
	CHECK_RV(CKR_OPERATION_NOT_INITIALIZED,
		ask(&p, WIRE_SIGN, "ubo", s, "message", (size_t)7, 1, 64UL));
	CHECK_RV(CKR_OK, sign_init(&p, s, key));
	CHECK_RV(CKR_OPERATION_ACTIVE, sign_init(&p, s, key));
	CHECK_RV(CKR_OK, ask(&p, WIRE_SIGN, "ubo", s, "message", (size_t)7, 0, 0UL));
	codec_get_output(&p.answer, &length, &sig, &len);
	CHECK(length == 32 && sig == NULL);
	CHECK_RV(CKR_BUFFER_TOO_SMALL,
		ask(&p, WIRE_SIGN, "ubo", s, "message", (size_t)7, 1, 31UL));
	codec_get_output(&p.answer, &length, &sig, &len);
	CHECK(length == 32 && sig == NULL);
	CHECK_RV(CKR_OK, ask(&p, WIRE_SIGN, "ubo", s, "message", (size_t)7, 1, 1UL << 60));
	codec_get_output(&p.answer, &length, &sig, &len);
	CHECK(length == 32 && len == 32 && memcmp(sig, want, 32) == 0);
	CHECK_RV(CKR_OPERATION_NOT_INITIALIZED,
		ask(&p, WIRE_SIGN, "ubo", s, "message", (size_t)7, 1, 64UL));
	/* in parts */
	CHECK_RV(CKR_OK, sign_init(&p, s, key));
	CHECK_RV(CKR_OK, ask(&p, WIRE_SIGN_UPDATE, "ub", s, "mess", (size_t)4));
	CHECK_RV(CKR_OK, ask(&p, WIRE_SIGN_UPDATE, "ub", s, "age", (size_t)3));
	CHECK_RV(CKR_OK, ask(&p, WIRE_SIGN_FINAL, "uo", s, 1, 32UL));
	codec_get_output(&p.answer, &length, &sig, &len);
	CHECK(len == 32 && memcmp(sig, want, 32) == 0);
	CHECK_RV(CKR_OPERATION_NOT_INITIALIZED, ask(&p, WIRE_SIGN_FINAL, "uo", s, 1, 32UL));
	/* verify: a wrong signature ends it as well */
	CHECK_RV(CKR_OK, ask(&p, WIRE_VERIFY_INIT, "umu", s,
				 &(CK_MECHANISM){CKM_SHA256_HMAC, NULL, 0}, key));
	CHECK_RV(
		CKR_OK, ask(&p, WIRE_VERIFY, "ubb", s, "message", (size_t)7, want, (size_t)32));
	want[0] ^= 1;
	CHECK_RV(CKR_OK, ask(&p, WIRE_VERIFY_INIT, "umu", s,
				 &(CK_MECHANISM){CKM_SHA256_HMAC, NULL, 0}, key));
	CHECK_RV(CKR_SIGNATURE_INVALID,
		ask(&p, WIRE_VERIFY, "ubb", s, "message", (size_t)7, want, (size_t)32));
	CHECK_RV(CKR_OPERATION_NOT_INITIALIZED,
		ask(&p, WIRE_VERIFY, "ubb", s, "m", (size_t)1, want, (size_t)32));
	peer_close(&p);
}

static void
test_digest_state_moves_between_sessions(struct daemon *d)
{
	uint8_t want[32], state[4096];
	CK_MECHANISM m = {CKM_SHA256, NULL, 0};
	CK_ULONG a, b, length;
	const uint8_t *out;
	size_t len, state_len;
	struct peer p;

	peer_open(&p, d);
	open_session(&p, 0, RO, &a);
	open_session(&p, 0, RO, &b);
	EVP_Digest("hello world", 11, want, NULL, EVP_sha256(), NULL);
	CHECK_RV(CKR_OPERATION_NOT_INITIALIZED,
		ask(&p, WIRE_GET_OPERATION_STATE, "uo", a, 0, 0UL));
	CHECK_RV(CKR_OK, ask(&p, WIRE_DIGEST_INIT, "um", a, &m));
	CHECK_RV(CKR_OK, ask(&p, WIRE_DIGEST_UPDATE, "ub", a, "hello ", (size_t)6));
	CHECK_RV(CKR_OK, ask(&p, WIRE_GET_OPERATION_STATE, "uo", a, 0, 0UL));
	codec_get_output(&p.answer, &length, &out, &len);
	CHECK(length > 0 && length <= sizeof(state) && out == NULL);
	CHECK_RV(CKR_BUFFER_TOO_SMALL,
		ask(&p, WIRE_GET_OPERATION_STATE, "uo", a, 1, length - 1));
	CHECK_RV(CKR_OK, ask(&p, WIRE_GET_OPERATION_STATE, "uo", a, 1, length));
	codec_get_output(&p.answer, &length, &out, &len);
	CHECK(len == length && len <= sizeof(state));
	state_len = len <= sizeof(state) ? len : 0;
	memcpy(state, out, state_len);
	CHECK_RV(CKR_KEY_NOT_NEEDED,
		ask(&p, WIRE_SET_OPERATION_STATE, "ubuu", b, state, state_len, 5UL, 0UL));
	CHECK_RV(CKR_OK,
		ask(&p, WIRE_SET_OPERATION_STATE, "ubuu", b, state, state_len, 0UL, 0UL));
	CHECK_RV(CKR_OK, ask(&p, WIRE_DIGEST_UPDATE, "ub", b, "world", (size_t)5));
	CHECK_RV(CKR_OK, ask(&p, WIRE_DIGEST_FINAL, "uo", b, 1, 32UL));
	codec_get_output(&p.answer, &length, &out, &len);
	CHECK(len == 32 && memcmp(out, want, 32) == 0);
	CHECK_RV(CKR_SAVED_STATE_INVALID,
		ask(&p, WIRE_SET_OPERATION_STATE, "ubuu", b, "rubbish", (size_t)7, 0UL, 0UL));
	/* nothing at all has a digest too */
	EVP_Digest("", 0, want, NULL, EVP_sha256(), NULL);
	CHECK_RV(CKR_OK, ask(&p, WIRE_DIGEST_INIT, "um", b, &m));
	CHECK_RV(CKR_OK, ask(&p, WIRE_DIGEST, "ubo", b, NULL, (size_t)0, 1, 32UL));
	codec_get_output(&p.answer, &length, &out, &len);
	CHECK(len == 32 && memcmp(out, want, 32) == 0);
	peer_close(&p);
}

static void
test_dual_updates_feed_both(struct daemon *d)
{
	CK_BYTE iv[16] = {1}, plain[32] = "thirty-two bytes of plain text.", want[32], sum[32];
	CK_MECHANISM cbc = {CKM_AES_CBC, iv, sizeof(iv)}, sha = {CKM_SHA256, NULL, 0};
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	CK_ULONG s, key, length;
	const uint8_t *out;
	size_t len;
	int n = 0;
	struct peer p;

	peer_open(&p, d);
	open_session(&p, 0, RO, &s);
	EVP_EncryptInit_ex(ctx, EVP_aes_128_cbc(), NULL, key_bytes, iv);
	EVP_CIPHER_CTX_set_padding(ctx, 0);
	EVP_EncryptUpdate(ctx, want, &n, plain, 32);
	EVP_CIPHER_CTX_free(ctx);
	EVP_Digest(plain, 32, sum, NULL, EVP_sha256(), NULL);
	CHECK_RV(CKR_OK, create_key(&p, s, &aes, &no, &no, "aes", &key));
	CHECK_RV(CKR_OK, ask(&p, WIRE_ENCRYPT_INIT, "umu", s, &cbc, key));
	CHECK_RV(CKR_OPERATION_NOT_INITIALIZED,
		ask(&p, WIRE_DIGEST_ENCRYPT_UPDATE, "ubo", s, plain, (size_t)32, 1, 64UL));
	CHECK_RV(CKR_OK, ask(&p, WIRE_DIGEST_INIT, "um", s, &sha));
	CHECK_RV(CKR_OK,
		ask(&p, WIRE_DIGEST_ENCRYPT_UPDATE, "ubo", s, plain, (size_t)32, 0, 0UL));
	CHECK_RV(CKR_BUFFER_TOO_SMALL,
		ask(&p, WIRE_DIGEST_ENCRYPT_UPDATE, "ubo", s, plain, (size_t)32, 1, 3UL));
	CHECK_RV(CKR_OK,
		ask(&p, WIRE_DIGEST_ENCRYPT_UPDATE, "ubo", s, plain, (size_t)32, 1, 64UL));
	codec_get_output(&p.answer, &length, &out, &len);
	CHECK(len == 32 && memcmp(out, want, 32) == 0);
	CHECK_RV(CKR_OK, ask(&p, WIRE_ENCRYPT_FINAL, "uo", s, 1, 16UL));
	CHECK_RV(CKR_OK, ask(&p, WIRE_DIGEST_FINAL, "uo", s, 1, 32UL));
	codec_get_output(&p.answer, &length, &out, &len);
	CHECK(len == 32 && memcmp(out, sum, 32) == 0);
	CHECK_RV(CKR_OK, ask(&p, WIRE_DECRYPT_INIT, "umu", s, &cbc, key));
	CHECK_RV(CKR_OK, ask(&p, WIRE_DIGEST_INIT, "um", s, &sha));
	CHECK_RV(CKR_OK,
		ask(&p, WIRE_DECRYPT_DIGEST_UPDATE, "ubo", s, want, (size_t)32, 1, 64UL));
	codec_get_output(&p.answer, &length, &out, &len);
	CHECK(len == 32 && memcmp(out, plain, 32) == 0);
	CHECK_RV(CKR_OK, ask(&p, WIRE_DIGEST_FINAL, "uo", s, 1, 32UL));
	codec_get_output(&p.answer, &length, &out, &len);
	CHECK(len == 32 && memcmp(out, sum, 32) == 0);
	peer_close(&p);
}

static void
test_always_authenticate(struct daemon *d)
{
	CK_ULONG s, key, priv = 0;
	CK_ATTRIBUTE pub_t[] = {
		{CKA_VERIFY, &yes, 1}, {CKA_MODULUS_BITS, &(CK_ULONG){2048}, sizeof(CK_ULONG)}};
	CK_ATTRIBUTE priv_t[] = {{CKA_PRIVATE, &yes, 1}, {CKA_SIGN, &yes, 1},
		{CKA_ALWAYS_AUTHENTICATE, &yes, 1}};
	CK_MECHANISM gen = {CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0},
		     sign = {CKM_SHA256_RSA_PKCS, NULL, 0};
	struct peer p;

	peer_open(&p, d);
	open_session(&p, 0, RW, &s);
	CHECK_RV(CKR_OK, login(&p, s, CKU_USER, PIN));
	CHECK_RV(CKR_OK,
		ask(&p, WIRE_GENERATE_KEY_PAIR, "umaa", s, &gen, pub_t, 2UL, priv_t, 3UL));
	key = got(&p);
	priv = got(&p);
	CHECK(key != priv);
	CHECK_RV(CKR_OK, ask(&p, WIRE_SIGN_INIT, "umu", s, &sign, priv));
	CHECK_RV(
		CKR_USER_NOT_LOGGED_IN, ask(&p, WIRE_SIGN, "ubo", s, "x", (size_t)1, 1, 256UL));
	CHECK_RV(CKR_OPERATION_NOT_INITIALIZED,
		ask(&p, WIRE_SIGN, "ubo", s, "x", (size_t)1, 1, 256UL));
	CHECK_RV(CKR_OK, ask(&p, WIRE_SIGN_INIT, "umu", s, &sign, priv));
	CHECK_RV(CKR_PIN_INCORRECT, login(&p, s, CKU_CONTEXT_SPECIFIC, "wrong"));
	CHECK_RV(CKR_OK, login(&p, s, CKU_CONTEXT_SPECIFIC, PIN));
	CHECK_RV(CKR_OK, ask(&p, WIRE_SIGN, "ubo", s, "x", (size_t)1, 1, 256UL));
	CHECK_RV(CKR_OK, ask(&p, WIRE_SIGN_INIT, "umu", s, &sign, priv)); /* used up */
	CHECK_RV(
		CKR_USER_NOT_LOGGED_IN, ask(&p, WIRE_SIGN, "ubo", s, "x", (size_t)1, 1, 256UL));
	peer_close(&p);
}

static void
test_key_arguments_have_their_own_codes(struct daemon *d)
{
	CK_MECHANISM kw = {CKM_AES_KEY_WRAP, NULL, 0}, ecb = {CKM_AES_ECB, NULL, 0};
	CK_ATTRIBUTE templ = {CKA_CLASS, &secret_class, sizeof(secret_class)};
	CK_ULONG s, key;
	struct peer p;

	peer_open(&p, d);
	open_session(&p, 0, RO, &s);
	CHECK_RV(CKR_OK, create_key(&p, s, &aes, &no, &no, "aes", &key));
	CHECK_RV(CKR_KEY_HANDLE_INVALID, ask(&p, WIRE_ENCRYPT_INIT, "umu", s, &ecb, 12345UL));
	CHECK_RV(CKR_WRAPPING_KEY_HANDLE_INVALID,
		ask(&p, WIRE_WRAP_KEY, "umuuo", s, &kw, 12345UL, key, 0, 0UL));
	CHECK_RV(CKR_KEY_HANDLE_INVALID,
		ask(&p, WIRE_WRAP_KEY, "umuuo", s, &kw, key, 12345UL, 0, 0UL));
	CHECK_RV(CKR_UNWRAPPING_KEY_HANDLE_INVALID,
		ask(&p, WIRE_UNWRAP_KEY, "umuba", s, &kw, 12345UL, key_bytes, (size_t)24,
			&templ, 1UL));
	CHECK_RV(CKR_KEY_HANDLE_INVALID,
		ask(&p, WIRE_DERIVE_KEY, "umua", s, &kw, 12345UL, &templ, 1UL));
	CHECK_RV(CKR_OK, ask(&p, WIRE_GENERATE_RANDOM, "uu", s, 100UL));
	CHECK_RV(CKR_DATA_LEN_RANGE, ask(&p, WIRE_GENERATE_RANDOM, "uu", s, 1UL << 40));
	peer_close(&p);
}

int
main(void)
{
	struct bench b = {0};

	if (!bench_ready(&b))
		return 1;
	make_token(&b, "token");
	test_sign_lengths_and_ends(b.daemon);
	test_digest_state_moves_between_sessions(b.daemon);
	test_dual_updates_feed_both(b.daemon);
	test_always_authenticate(b.daemon);
	test_key_arguments_have_their_own_codes(b.daemon);
	bench_close(&b);
	return unit_done("rpc_crypto");
}
