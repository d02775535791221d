/* The calls that do two calls' work: what comes out is what the two give, checked with plain OpenSSL; what they
 * leave behind when they fail. */
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "peer.h"
#include "unit.h"

static CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
static const uint8_t key_bytes[32] = "0123456789abcdef0123456789ABCDE";
static const CK_MECHANISM hmac = {CKM_SHA256_HMAC, NULL, 0}, sha256 = {CKM_SHA256, NULL, 0};

static CK_ULONG
new_key(struct peer *p, CK_ULONG s, CK_KEY_TYPE type, CK_ATTRIBUTE_TYPE use, CK_ATTRIBUTE_TYPE second_use)
{
	CK_OBJECT_CLASS class = CKO_SECRET_KEY;
	CK_ATTRIBUTE t[] = {{CKA_CLASS, &class, sizeof(class)}, {CKA_KEY_TYPE, &type, sizeof(type)},
		{CKA_VALUE, (void *)key_bytes, 32}, {CKA_TOKEN, &no, 1}, {CKA_PRIVATE, &yes, 1}, {use, &yes, 1},
		{second_use, &yes, 1}};

	return ask(p, WIRE_CREATE_OBJECT, "ua", s, t, 7UL) == CKR_OK ? got(p) : 0;
}

/* One with CKA_ALWAYS_AUTHENTICATE, which private keys alone can have. */
static CK_ULONG
careful_key(struct peer *p, CK_ULONG s)
{
	static CK_BYTE p256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
	CK_MECHANISM gen = {CKM_EC_KEY_PAIR_GEN, NULL, 0};
	CK_ATTRIBUTE pub[] = {{CKA_EC_PARAMS, p256, sizeof(p256)}},
		     priv[] = {{CKA_PRIVATE, &yes, 1}, {CKA_SIGN, &yes, 1}, {CKA_ALWAYS_AUTHENTICATE, &yes, 1}};

	CHECK_RV(CKR_OK, ask(p, WIRE_GENERATE_KEY_PAIR, "umaa", s, &gen, pub, 1UL, priv, 3UL));
	got(p);
	return got(p);
}

static bool
output_is(struct peer *p, const void *want, size_t want_len)
{
	const uint8_t *data = NULL;
	CK_ULONG length;
	size_t len = 0;

	return codec_get_output(&p->answer, &length, &data, &len) && length == want_len && len == want_len &&
		memcmp(data, want, len) == 0;
}

static void
want_hmac(uint8_t out[32], const char *text)
{
	unsigned n;

	HMAC(EVP_sha256(), key_bytes, 32, (const uint8_t *)text, strlen(text), out, &n);
}

static CK_RV
sign_now(struct peer *p, CK_ULONG s, CK_ULONG key, const char *text, int present, CK_ULONG room)
{
	return ask(p, WIRE_SIGN_NOW, "umubo", s, &hmac, key, text, strlen(text), present, room);
}

static void
test_the_answer_is_that_of_the_two_calls(struct peer *p, CK_ULONG s)
{
	CK_ULONG key = new_key(p, s, CKK_GENERIC_SECRET, CKA_SIGN, CKA_VERIFY);
	CK_ULONG aes = new_key(p, s, CKK_AES, CKA_ENCRYPT, CKA_DECRYPT);
	uint8_t want[32], iv[16] = {9}, cipher[16];
	CK_MECHANISM cbc = {CKM_AES_CBC, iv, sizeof(iv)};
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	unsigned n;
	int len;

	want_hmac(want, "message");
	CHECK_RV(CKR_OK, sign_now(p, s, key, "message", 1, 32));
	CHECK(output_is(p, want, 32));
	CHECK_RV(CKR_OK, ask(p, WIRE_VERIFY_NOW, "umubb", s, &hmac, key, "message", (size_t)7, want, (size_t)32));
	CHECK_RV(CKR_SIGNATURE_INVALID,
		ask(p, WIRE_VERIFY_NOW, "umubb", s, &hmac, key, "Message", (size_t)7, want, (size_t)32));
	EVP_Digest("message", 7, want, &n, EVP_sha256(), NULL);
	CHECK_RV(CKR_OK, ask(p, WIRE_DIGEST_NOW, "umbo", s, &sha256, "message", (size_t)7, 1, 32UL));
	CHECK(output_is(p, want, 32));
	EVP_EncryptInit_ex(ctx, EVP_aes_256_cbc(), NULL, key_bytes, iv);
	EVP_CIPHER_CTX_set_padding(ctx, 0);
	EVP_EncryptUpdate(ctx, cipher, &len, (const uint8_t *)"sixteen bytes ok", 16);
	CHECK_RV(CKR_OK, ask(p, WIRE_ENCRYPT_NOW, "umubo", s, &cbc, aes, "sixteen bytes ok", (size_t)16, 1, 16UL));
	CHECK(output_is(p, cipher, 16));
	CHECK_RV(CKR_OK, ask(p, WIRE_DECRYPT_NOW, "umubo", s, &cbc, aes, cipher, (size_t)16, 1, 16UL));
	CHECK(output_is(p, "sixteen bytes ok", 16));
	EVP_CIPHER_CTX_free(ctx);
	/* none of them is under way any more */
	for (uint32_t call = WIRE_ENCRYPT; call <= WIRE_SIGN; call++) {
		if (call == WIRE_ENCRYPT || call == WIRE_DECRYPT || call == WIRE_DIGEST || call == WIRE_SIGN)
			CHECK_RV(CKR_OPERATION_NOT_INITIALIZED, ask(p, call, "ubo", s, "x", (size_t)1, 1, 32UL));
	}
}

static void
test_a_failure_leaves_no_operation(struct peer *p, CK_ULONG s)
{
	CK_ULONG key = new_key(p, s, CKK_GENERIC_SECRET, CKA_SIGN, CKA_VERIFY);
	CK_ULONG aes = new_key(p, s, CKK_AES, CKA_ENCRYPT, CKA_DECRYPT);
	CK_ULONG careful = careful_key(p, s);
	uint8_t iv[16] = {9};
	CK_MECHANISM cbc = {CKM_AES_CBC, iv, sizeof(iv)}, ecdsa = {CKM_ECDSA_SHA256, NULL, 0};

	CHECK_RV(CKR_KEY_HANDLE_INVALID, sign_now(p, s, key + 1000, "x", 1, 32));
	CHECK_RV(CKR_KEY_TYPE_INCONSISTENT, sign_now(p, s, aes, "x", 1, 32));
	CHECK_RV(CKR_DATA_LEN_RANGE, ask(p, WIRE_ENCRYPT_NOW, "umubo", s, &cbc, aes, "odd", (size_t)3, 1, 16UL));
	CHECK_RV(CKR_OPERATION_NOT_INITIALIZED, ask(p, WIRE_ENCRYPT, "ubo", s, iv, (size_t)16, 1, 16UL));
	CHECK_RV(CKR_USER_NOT_LOGGED_IN,
		ask(p, WIRE_SIGN_NOW, "umubo", s, &ecdsa, careful, "x", (size_t)1, 1, 64UL));
	CHECK_RV(CKR_OPERATION_NOT_INITIALIZED, ask(p, WIRE_SIGN, "ubo", s, "x", (size_t)1, 1, 32UL));
	CHECK_RV(CKR_SESSION_HANDLE_INVALID, sign_now(p, s + 1000, key, "x", 1, 32));
}

static void
test_what_runs_is_not_disturbed(struct peer *p, CK_ULONG s)
{
	CK_ULONG key = new_key(p, s, CKK_GENERIC_SECRET, CKA_SIGN, CKA_VERIFY);
	const uint8_t *data;
	uint8_t want[32];
	CK_ULONG length;
	size_t len;

	want_hmac(want, "message");
	CHECK_RV(CKR_OK, ask(p, WIRE_SIGN_INIT, "umu", s, &hmac, key));
	CHECK_RV(CKR_OPERATION_ACTIVE, sign_now(p, s, key, "other", 1, 32));
	CHECK_RV(CKR_OK, ask(p, WIRE_SIGN, "ubo", s, "message", (size_t)7, 1, 32UL));
	CHECK(output_is(p, want, 32));
	/* neither a question for the length nor a small buffer ends what was begun */
	CHECK_RV(CKR_BUFFER_TOO_SMALL, sign_now(p, s, key, "message", 1, 31));
	CHECK_RV(CKR_OK, ask(p, WIRE_SIGN, "ubo", s, "message", (size_t)7, 1, 32UL));
	CHECK(output_is(p, want, 32));
	CHECK_RV(CKR_OK, sign_now(p, s, key, "message", 0, 0));
	CHECK(codec_get_output(&p->answer, &length, &data, &len) && length == 32 && data == NULL);
	CHECK_RV(CKR_OPERATION_ACTIVE, ask(p, WIRE_SIGN_INIT, "umu", s, &hmac, key));
	CHECK_RV(CKR_OK, ask(p, WIRE_SIGN, "ubo", s, "message", (size_t)7, 1, 32UL));
}

/* A frame that holds a good Init and then rubbish begins nothing. */
static void
test_a_cut_frame_begins_nothing(struct peer *p, CK_ULONG s)
{
	CK_ULONG key = new_key(p, s, CKK_GENERIC_SECRET, CKA_SIGN, CKA_VERIFY);
	struct codec m = {0};
	struct wire_header h;

	for (size_t cut = 1; cut < 30; cut++) {
		codec_begin(&m, WIRE_SIGN_NOW, ++p->seq);
		codec_put_ulong(&m, s);
		codec_put_mechanism(&m, &hmac);
		codec_put_ulong(&m, key);
		codec_put_bytes(&m, "message", 7);
		codec_put_room(&m, true, 32);
		CHECK_RV(CKR_OK, codec_end(&m));
		wire_get_header(m.buf.data, &h);
		h.length -= (uint32_t)cut;
		wire_put_header(m.buf.data, &h);
		CHECK_RV(CKR_ARGUMENTS_BAD, peer_frame(p, m.buf.data, h.length));
		CHECK_RV(CKR_OPERATION_NOT_INITIALIZED, ask(p, WIRE_SIGN, "ubo", s, "x", (size_t)1, 1, 32UL));
		codec_free(&m);
	}
}

static CK_RV
find_now(struct peer *p, CK_ULONG s, const char *label, size_t *n, uint8_t *all)
{
	CK_ATTRIBUTE t = {CKA_LABEL, (void *)(uintptr_t)label, strlen(label)};
	CK_ULONG *list = NULL;
	CK_RV rv = ask(p, WIRE_FIND_NOW, "ua", s, &t, 1UL);

	*n = 0;
	*all = 2;
	if (rv == CKR_OK) {
		codec_get_ulongs(&p->answer, &list, n, WIRE_FIND_FIRST);
		codec_get_byte(&p->answer, all);
		CHECK_RV(CKR_OK, codec_close(&p->answer));
		free(list);
	}
	return rv;
}

static void
make_data(struct peer *p, CK_ULONG s, const char *label)
{
	CK_OBJECT_CLASS class = CKO_DATA;
	CK_ATTRIBUTE t[] = {{CKA_CLASS, &class, sizeof(class)}, {CKA_TOKEN, &no, 1},
		{CKA_LABEL, (void *)(uintptr_t)label, strlen(label)}};

	CHECK_RV(CKR_OK, ask(p, WIRE_CREATE_OBJECT, "ua", s, t, 3UL));
}

static void
test_a_search_ends_when_all_is_told(struct peer *p, CK_ULONG s)
{
	size_t n, len;
	CK_ULONG *list;
	uint8_t all;

	for (unsigned i = 0; i < WIRE_FIND_FIRST; i++)
		make_data(p, s, "many");
	CHECK_RV(CKR_OK, find_now(p, s, "nothing", &n, &all));
	CHECK(n == 0 && all == 1);
	CHECK_RV(CKR_OK, find_now(p, s, "many", &n, &all));
	CHECK(n == WIRE_FIND_FIRST && all == 1);
	CHECK_RV(CKR_OPERATION_NOT_INITIALIZED, ask(p, WIRE_FIND_OBJECTS, "uu", s, 1UL));
	CHECK_RV(CKR_OPERATION_NOT_INITIALIZED, ask(p, WIRE_FIND_OBJECTS_FINAL, "u", s));
	make_data(p, s, "many");
	make_data(p, s, "many");
	CHECK_RV(CKR_OK, find_now(p, s, "many", &n, &all));
	CHECK(n == WIRE_FIND_FIRST && all == 0);
	CHECK_RV(CKR_OPERATION_ACTIVE, find_now(p, s, "many", &n, &all));
	CHECK_RV(CKR_OK, ask(p, WIRE_FIND_OBJECTS, "uu", s, 10UL));
	CHECK(codec_get_ulongs(&p->answer, &list, &len, 10) && len == 2);
	free(list);
	CHECK_RV(CKR_OK, ask(p, WIRE_FIND_OBJECTS_FINAL, "u", s));
}

int
main(void)
{
	struct bench b = {0};
	struct peer p;
	CK_ULONG s;

	CHECK_RV(CKR_OK, secret_start());
	CHECK_RV(CKR_OK, bench_open(&b));
	peer_open(&p, b.daemon);
	CHECK_RV(CKR_OK, ask(&p, WIRE_INIT_TOKEN, "ubb", 0UL, "so-pin-1", (size_t)8,
				 "now                             ", (size_t)32));
	CHECK_RV(CKR_OK, ask(&p, WIRE_OPEN_SESSION, "uu", 0UL, CKF_SERIAL_SESSION | CKF_RW_SESSION));
	s = got(&p);
	CHECK_RV(CKR_OK, ask(&p, WIRE_LOGIN, "uub", s, (CK_ULONG)CKU_SO, "so-pin-1", (size_t)8));
	CHECK_RV(CKR_OK, ask(&p, WIRE_INIT_PIN, "ub", s, "user-pin-1", (size_t)10));
	CHECK_RV(CKR_OK, ask(&p, WIRE_LOGOUT, "u", s));
	CHECK_RV(CKR_OK, ask(&p, WIRE_LOGIN, "uub", s, (CK_ULONG)CKU_USER, "user-pin-1", (size_t)10));
	test_the_answer_is_that_of_the_two_calls(&p, s);
	test_a_failure_leaves_no_operation(&p, s);
	test_what_runs_is_not_disturbed(&p, s);
	test_a_cut_frame_begins_nothing(&p, s);
	test_a_search_ends_when_all_is_told(&p, s);
	peer_close(&p);
	bench_close(&b);
	return unit_done("rpc_ride");
}
