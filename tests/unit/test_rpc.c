/* Frames to rpc_call on a real vault: the gate, sessions, login, objects, searches, operations. What is
 * computed is checked with plain OpenSSL. */
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <pthread.h>

#include "rpc_help.h"
#include "../../fs/unlock.h"

static bool
unlocked(struct daemon *d, uid_t uid)
{
	struct token *t = NULL;
	bool is = token_get(d->vault, 0, &t) == CKR_OK && unlock_active(d, t, uid, NULL);

	token_put(t);
	return is;
}

/* ---- the gate ---- */

static void
test_gate_answers_garbage_with_frames(struct daemon *d)
{
	static const uint8_t zeros[64];
	uint8_t frame[64] = {0};
	struct wire_header h = {.length = 64, .call = WIRE_GET_SLOT_LIST, .seq = 5};
	struct peer p = {0};

	CHECK_RV(CKR_OK, app_open(&p.app, d, getuid(), getpid()));
	CHECK_RV(CKR_ARGUMENTS_BAD, peer_frame(&p, zeros, 0));
	CHECK_RV(CKR_ARGUMENTS_BAD, peer_frame(&p, zeros, 15));
	CHECK_RV(CKR_ARGUMENTS_BAD, peer_frame(&p, zeros, 64));
	CHECK_RV(CKR_CRYPTOKI_NOT_INITIALIZED, ask(&p, WIRE_GET_SLOT_LIST, "y", 1));
	CHECK_RV(CKR_CRYPTOKI_NOT_INITIALIZED, ask(&p, WIRE_GET_SESSION_INFO, "u", 1UL));
	CHECK_RV(CKR_CRYPTOKI_NOT_INITIALIZED, ask(&p, WIRE_T_STATUS, ""));
	CHECK_RV(CKR_FUNCTION_NOT_SUPPORTED, ask(&p, WIRE_HELLO, "uu", 99UL, 0UL));
	CHECK_RV(CKR_CRYPTOKI_NOT_INITIALIZED, ask(&p, WIRE_GET_SLOT_LIST, "y", 1));
	CHECK_RV(CKR_OK, ask(&p, WIRE_HELLO, "uu", (CK_ULONG)WIRE_VERSION, 0UL));
	CHECK(got(&p) == WIRE_VERSION);
	wire_put_header(frame, &h);
	CHECK_RV(CKR_ARGUMENTS_BAD, peer_frame(&p, frame, 64)); /* items left over */
	CHECK_RV(CKR_ARGUMENTS_BAD, peer_frame(&p, frame, 63));
	h = (struct wire_header){.length = 16, .call = WIRE_GET_SESSION_INFO};
	wire_put_header(frame, &h);
	CHECK_RV(CKR_ARGUMENTS_BAD, peer_frame(&p, frame, 16)); /* no session handle */
	for (uint32_t call = 0; call < 300; call++) {
		h = (struct wire_header){.length = 16, .call = call};
		wire_put_header(frame, &h);
		if (!wire_call(call))
			CHECK_RV(CKR_FUNCTION_NOT_SUPPORTED, peer_frame(&p, frame, 16));
		else
			CHECK(peer_frame(&p, frame, 16) != CKR_FUNCTION_NOT_SUPPORTED);
	}
	CHECK(rpc_cost(zeros, 3) == RPC_FAST);
	h = (struct wire_header){.length = 16, .call = WIRE_LOGIN};
	wire_put_header(frame, &h);
	CHECK(rpc_cost(frame, 16) == RPC_SLOW);
	peer_close(&p);
}

/* ---- slots and tokens ---- */

static void
test_spare_slot_becomes_a_token(struct daemon *d)
{
	struct peer p, q;
	CK_ULONG *ids = NULL, s, t;
	size_t n = 0;

	peer_open(&p, d);
	peer_open(&q, d);
	CHECK_RV(CKR_OK, ask(&p, WIRE_GET_SLOT_LIST, "y", 1));
	codec_get_ulongs(&p.answer, &ids, &n, 10);
	CHECK(n == 1 && ids && ids[0] == 0);
	free(ids);
	CHECK((token_flags(&p, 0) & CKF_TOKEN_INITIALIZED) == 0);
	CHECK_RV(CKR_TOKEN_NOT_RECOGNIZED, open_session(&p, 0, RO, &s));
	CHECK_RV(CKR_SLOT_ID_INVALID, open_session(&p, 77, RO, &s));
	CHECK_RV(CKR_SLOT_ID_INVALID, ask(&p, WIRE_GET_SLOT_INFO, "u", 77UL));
	CHECK_RV(CKR_NO_EVENT, ask(&q, WIRE_WAIT_FOR_SLOT_EVENT, "u", 1UL));
	CHECK_RV(CKR_OK, init_token(&p, 0, SO_PIN, "first"));
	CHECK_RV(CKR_OK, ask(&q, WIRE_WAIT_FOR_SLOT_EVENT, "u", 1UL));
	CHECK(got(&q) == 0);
	CHECK_RV(CKR_OK, ask(&q, WIRE_WAIT_FOR_SLOT_EVENT, "u", 1UL));
	CHECK(got(&q) == 1); /* the next free one: each slot is told once */
	CHECK_RV(CKR_NO_EVENT, ask(&q, WIRE_WAIT_FOR_SLOT_EVENT, "u", 1UL));
	CHECK(token_flags(&p, 0) & CKF_TOKEN_INITIALIZED);
	CHECK((token_flags(&p, 0) & CKF_USER_PIN_INITIALIZED) == 0);
	CHECK_RV(CKR_SESSION_PARALLEL_NOT_SUPPORTED, open_session(&p, 0, CKF_RW_SESSION, &s));
	CHECK_RV(
		CKR_OK, open_session(&q, 0, RO, &t)); /* a token new to a running application */
	CHECK_RV(CKR_SESSION_EXISTS, init_token(&p, 0, SO_PIN, "again"));
	CHECK_RV(CKR_OK, ask(&q, WIRE_CLOSE_SESSION, "u", t));
	CHECK_RV(CKR_SESSION_HANDLE_INVALID, ask(&q, WIRE_CLOSE_SESSION, "u", t));
	CHECK_RV(CKR_PIN_INCORRECT, init_token(&p, 0, "wrong-so-pin", "again"));
	CHECK(token_flags(&p, 0) & CKF_SO_PIN_COUNT_LOW);
	CHECK_RV(CKR_OK, init_token(&p, 0, SO_PIN, "again"));
	CHECK((token_flags(&p, 0) & CKF_SO_PIN_COUNT_LOW) == 0);

	CHECK_RV(CKR_OK, open_session(&p, 0, RW, &s));
	CHECK_RV(CKR_USER_PIN_NOT_INITIALIZED, login(&p, s, CKU_USER, PIN));
	CHECK_RV(CKR_USER_NOT_LOGGED_IN, ask(&p, WIRE_INIT_PIN, "ub", s, PIN, strlen(PIN)));
	CHECK_RV(CKR_OK, login(&p, s, CKU_SO, SO_PIN));
	CHECK_RV(CKR_PIN_LEN_RANGE, ask(&p, WIRE_INIT_PIN, "ub", s, "abc", (size_t)3));
	CHECK_RV(CKR_OK, ask(&p, WIRE_INIT_PIN, "ub", s, PIN, strlen(PIN)));
	CHECK(token_flags(&p, 0) & CKF_USER_PIN_INITIALIZED);
	peer_close(&p);
	peer_close(&q);
}

/* ---- login ---- */

static void
test_login_rules(struct daemon *d)
{
	CK_ULONG ro, rw, other;
	struct peer p, q;

	peer_open(&p, d);
	peer_open(&q, d);
	CHECK_RV(CKR_OK, open_session(&p, 0, RO, &ro));
	CHECK_RV(CKR_OK, open_session(&p, 0, RW, &rw));
	CHECK_RV(CKR_USER_NOT_LOGGED_IN, ask(&p, WIRE_LOGOUT, "u", rw));
	CHECK_RV(CKR_SESSION_READ_ONLY_EXISTS, login(&p, rw, CKU_SO, SO_PIN));
	CHECK_RV(CKR_USER_TYPE_INVALID, login(&p, rw, 9, PIN));
	CHECK_RV(CKR_OPERATION_NOT_INITIALIZED, login(&p, rw, CKU_CONTEXT_SPECIFIC, PIN));
	CHECK_RV(CKR_ARGUMENTS_BAD, login(&p, rw, CKU_USER, NULL));
	CHECK_RV(CKR_PIN_INCORRECT, login(&p, rw, CKU_USER, "not the pin"));
	CHECK(token_flags(&p, 0) & CKF_USER_PIN_COUNT_LOW);
	CHECK_RV(CKR_OK, login(&p, ro, CKU_USER, PIN));
	CHECK((token_flags(&p, 0) & CKF_USER_PIN_COUNT_LOW) == 0);
	CHECK_RV(CKR_USER_ALREADY_LOGGED_IN, login(&p, rw, CKU_USER, PIN));
	CHECK_RV(CKR_USER_ANOTHER_ALREADY_LOGGED_IN, login(&p, rw, CKU_SO, SO_PIN));
	CHECK_RV(CKR_OK, ask(&p, WIRE_GET_SESSION_INFO, "u", ro));
	CHECK(got(&p) == 0 && got(&p) == CKS_RO_USER_FUNCTIONS && got(&p) == RO);
	CHECK_RV(CKR_OK, ask(&p, WIRE_GET_SESSION_INFO, "u", rw));
	CHECK(got(&p) == 0 && got(&p) == CKS_RW_USER_FUNCTIONS && got(&p) == RW);
	/* another application has no part in it */
	CHECK_RV(CKR_OK, open_session(&q, 0, RW, &other));
	CHECK_RV(CKR_OK, ask(&q, WIRE_GET_SESSION_INFO, "u", other));
	CHECK(got(&q) == 0 && got(&q) == CKS_RW_PUBLIC_SESSION);
	CHECK_RV(CKR_SESSION_READ_ONLY,
		ask(&p, WIRE_SET_PIN, "ubb", ro, PIN, strlen(PIN), "new-pin", (size_t)7));
	CHECK_RV(CKR_PIN_INCORRECT,
		ask(&p, WIRE_SET_PIN, "ubb", rw, "bad pin", (size_t)7, "new-pin", (size_t)7));
	CHECK_RV(CKR_OK,
		ask(&p, WIRE_SET_PIN, "ubb", rw, PIN, strlen(PIN), "new-pin", (size_t)7));
	CHECK_RV(CKR_OK, login(&q, other, CKU_USER, "new-pin"));
	CHECK_RV(CKR_OK,
		ask(&q, WIRE_SET_PIN, "ubb", other, "new-pin", (size_t)7, PIN, strlen(PIN)));
	CHECK_RV(CKR_OK, ask(&p, WIRE_LOGOUT, "u", rw));
	CHECK_RV(CKR_USER_NOT_LOGGED_IN, ask(&p, WIRE_LOGOUT, "u", rw));
	/* the SO, who bears no read-only session */
	CHECK_RV(CKR_OK, ask(&p, WIRE_CLOSE_SESSION, "u", ro));
	CHECK_RV(CKR_OK, login(&p, rw, CKU_SO, SO_PIN));
	CHECK_RV(CKR_USER_ANOTHER_ALREADY_LOGGED_IN, login(&p, rw, CKU_USER, PIN));
	CHECK_RV(CKR_SESSION_READ_WRITE_SO_EXISTS, open_session(&p, 0, RO, &ro));
	CHECK_RV(CKR_OK, ask(&p, WIRE_GET_SESSION_INFO, "u", rw));
	CHECK(got(&p) == 0 && got(&p) == CKS_RW_SO_FUNCTIONS);
	/* closing the last session logs out */
	CHECK_RV(CKR_OK, ask(&p, WIRE_CLOSE_SESSION, "u", rw));
	CHECK_RV(CKR_OK, open_session(&p, 0, RO, &ro));
	CHECK_RV(CKR_OK, ask(&p, WIRE_GET_SESSION_INFO, "u", ro));
	CHECK(got(&p) == 0 && got(&p) == CKS_RO_PUBLIC_SESSION);
	CHECK_RV(CKR_OK, login(&p, ro, CKU_USER, PIN));
	CHECK_RV(CKR_OK, ask(&p, WIRE_CLOSE_ALL_SESSIONS, "u", 0UL));
	CHECK_RV(CKR_SESSION_HANDLE_INVALID, ask(&p, WIRE_GET_SESSION_INFO, "u", ro));
	CHECK_RV(CKR_SLOT_ID_INVALID, ask(&p, WIRE_CLOSE_ALL_SESSIONS, "u", 55UL));
	peer_close(&p);
	peer_close(&q);
	CHECK(d->sessions == 0 && d->apps == NULL);
}

static void
test_pin_lock_is_shown_and_so_unblocks(struct daemon *d)
{
	struct peer p;
	CK_ULONG s;

	peer_open(&p, d);
	CHECK_RV(CKR_OK, open_session(&p, 0, RW, &s));
	for (int i = 0; i < 3; i++)
		CHECK_RV(CKR_PIN_INCORRECT, login(&p, s, CKU_USER, "wrong"));
	CHECK(token_flags(&p, 0) & CKF_USER_PIN_FINAL_TRY);
	CHECK(login(&p, s, CKU_USER, "wrong") != CKR_OK);
	CHECK(token_flags(&p, 0) & CKF_USER_PIN_LOCKED);
	CHECK_RV(CKR_PIN_LOCKED, login(&p, s, CKU_USER, PIN));
	CHECK_RV(CKR_OK, login(&p, s, CKU_SO, SO_PIN));
	CHECK_RV(CKR_OK, ask(&p, WIRE_INIT_PIN, "ub", s, PIN, strlen(PIN)));
	CHECK((token_flags(&p, 0) & (CKF_USER_PIN_LOCKED | CKF_USER_PIN_COUNT_LOW)) == 0);
	peer_close(&p);
}

static void
test_unlock_serves_null_pin(struct daemon *d)
{
	struct peer p;
	CK_ULONG s;

	peer_open(&p, d);
	CHECK_RV(CKR_OK, open_session(&p, 0, RW, &s));
	CHECK_RV(CKR_USER_NOT_LOGGED_IN, ask(&p, WIRE_T_LOCK, "u", 0UL));
	CHECK_RV(
		CKR_PIN_INCORRECT, ask(&p, WIRE_T_UNLOCK, "ubu", 0UL, "wrong", (size_t)5, 0UL));
	CHECK(!unlocked(d, getuid()));
	CHECK_RV(CKR_OK, ask(&p, WIRE_T_UNLOCK, "ubu", 0UL, PIN, strlen(PIN), 0UL));
	CHECK(unlocked(d, getuid()) && !unlocked(d, getuid() + 1));
	CHECK(token_flags(&p, 0) & CKF_PROTECTED_AUTHENTICATION_PATH);
	CHECK_RV(CKR_ARGUMENTS_BAD, login(&p, s, CKU_SO, NULL));
	CHECK_RV(CKR_OK, login(&p, s, CKU_USER, NULL));
	CHECK_RV(CKR_OK, ask(&p, WIRE_T_LOCK, "u", 0UL));
	CHECK((token_flags(&p, 0) & CKF_PROTECTED_AUTHENTICATION_PATH) == 0);
	CHECK_RV(CKR_OK, ask(&p, WIRE_LOGOUT, "u", s));
	CHECK_RV(CKR_ARGUMENTS_BAD, login(&p, s, CKU_USER, NULL));
	CHECK_RV(CKR_OK, ask(&p, WIRE_T_UNLOCK, "ubu", 0UL, PIN, strlen(PIN), 1UL));
	d->unlocks->until = 1; /* long ago */
	CHECK(!unlocked(d, getuid()));
	unlock_expire(d);
	CHECK(d->unlocks == NULL);
	peer_close(&p);
}

/* ---- objects ---- */

static void
test_objects_are_seen_by_whom_they_should(struct daemon *d)
{
	CK_ULONG a, b, other, own, private_own, token_key, h;
	struct peer p, q;

	peer_open(&p, d);
	peer_open(&q, d);
	open_session(&p, 0, RW, &a);
	open_session(&p, 0, RO, &b);
	open_session(&q, 0, RW, &other);
	CHECK_RV(CKR_USER_NOT_LOGGED_IN, create_key(&p, a, &generic, &yes, &yes, "k", &h));
	CHECK_RV(CKR_OK, login(&p, a, CKU_USER, PIN));
	CHECK_RV(CKR_SESSION_READ_ONLY, create_key(&p, b, &generic, &yes, &no, "k", &h));
	CHECK_RV(CKR_OK, create_data(&p, a, &no, &no, "own", &own));
	CHECK(own & HANDLE_SESSION);
	CHECK_RV(CKR_OK, create_data(&p, a, &no, &yes, "own", &private_own));
	CHECK_RV(CKR_OK, create_key(&p, a, &generic, &yes, &yes, "tk", &token_key));
	CHECK(!(token_key & HANDLE_SESSION));
	CHECK(count(&p, a, "own") == 2 && count(&p, b, "own") == 2 &&
		count(&q, other, "own") == 0);
	CHECK(count(&p, b, "tk") == 1 && count(&q, other, "tk") == 0);
	CHECK_RV(CKR_OBJECT_HANDLE_INVALID,
		ask(&q, WIRE_GET_OBJECT_SIZE, "uu", other, token_key));
	CHECK_RV(CKR_OBJECT_HANDLE_INVALID, ask(&q, WIRE_GET_OBJECT_SIZE, "uu", other, own));
	CHECK_RV(CKR_OBJECT_HANDLE_INVALID,
		ask(&q, WIRE_DESTROY_OBJECT, "uu", other, token_key));
	CHECK_RV(CKR_KEY_HANDLE_INVALID, sign_init(&q, other, token_key));
	CHECK_RV(CKR_KEY_HANDLE_INVALID, sign_init(&p, a, own)); /* no key */
	CHECK_RV(CKR_KEY_HANDLE_INVALID, sign_init(&p, a, ~0UL));
	CHECK_RV(CKR_OK, ask(&p, WIRE_GET_OBJECT_SIZE, "uu", b, own));
	CHECK(got(&p) > 32);
	/* logout: private session objects are destroyed, private token objects hidden */
	CHECK_RV(CKR_OK, ask(&p, WIRE_LOGOUT, "u", b));
	CHECK(count(&p, a, "own") == 1 && count(&p, a, "tk") == 0);
	CHECK_RV(
		CKR_OBJECT_HANDLE_INVALID, ask(&p, WIRE_GET_OBJECT_SIZE, "uu", a, private_own));
	CHECK_RV(CKR_OBJECT_HANDLE_INVALID, ask(&p, WIRE_GET_OBJECT_SIZE, "uu", a, token_key));
	CHECK_RV(CKR_OK, login(&p, a, CKU_USER, PIN));
	CHECK(count(&p, a, "own") == 1 && count(&p, a, "tk") == 1);
	/* session objects go with the session that made them */
	CHECK_RV(CKR_OK, ask(&p, WIRE_CLOSE_SESSION, "u", a));
	CHECK(count(&p, b, "own") == 0 && count(&p, b, "tk") == 1);
	CHECK_RV(CKR_SESSION_READ_ONLY, ask(&p, WIRE_DESTROY_OBJECT, "uu", b, token_key));
	open_session(&p, 0, RW, &a);
	CHECK_RV(CKR_OK, ask(&p, WIRE_DESTROY_OBJECT, "uu", a, token_key));
	CHECK_RV(CKR_OBJECT_HANDLE_INVALID, ask(&p, WIRE_DESTROY_OBJECT, "uu", a, token_key));
	CHECK(count(&p, b, "tk") == 0);
	peer_close(&p);
	peer_close(&q);
}

static void
test_copy_and_change(struct daemon *d)
{
	CK_ULONG s, o, copy, token_copy;
	struct peer p;
	CK_ATTRIBUTE name = {CKA_LABEL, (char[]){"renamed"}, 7};
	CK_ATTRIBUTE keep = {CKA_TOKEN, &yes, 1};

	peer_open(&p, d);
	open_session(&p, 0, RW, &s);
	CHECK_RV(CKR_OK, login(&p, s, CKU_USER, PIN));
	CHECK_RV(CKR_OK, create_data(&p, s, &no, &no, "orig", &o));
	CHECK_RV(CKR_OK, ask(&p, WIRE_COPY_OBJECT, "uua", s, o, NULL, 0UL));
	copy = got(&p);
	CHECK(copy != o && (copy & HANDLE_SESSION) && count(&p, s, "orig") == 2);
	CHECK_RV(CKR_OK, ask(&p, WIRE_SET_ATTRIBUTE_VALUE, "uua", s, copy, &name, 1UL));
	CHECK(count(&p, s, "orig") == 1 && count(&p, s, "renamed") == 1);
	CHECK_RV(CKR_OK, ask(&p, WIRE_COPY_OBJECT, "uua", s, o, &keep, 1UL));
	token_copy = got(&p);
	CHECK(!(token_copy & HANDLE_SESSION));
	CHECK_RV(CKR_OK, ask(&p, WIRE_SET_ATTRIBUTE_VALUE, "uua", s, token_copy, &name, 1UL));
	CHECK(count(&p, s, "renamed") == 2);
	CHECK_RV(CKR_OK, ask(&p, WIRE_DESTROY_OBJECT, "uu", s, token_copy));
	CHECK_RV(CKR_OK, ask(&p, WIRE_DESTROY_OBJECT, "uu", s, copy));
	CHECK(count(&p, s, "renamed") == 0);
	peer_close(&p);
}

static void
test_attribute_query_answers_each_item(struct daemon *d)
{
	CK_BYTE label[16], start[8], value[32], small[2];
	CK_ULONG s, o, class = 0;
	struct peer p;
	CK_ATTRIBUTE q[] = {
		{CKA_LABEL, label, sizeof(label)},
		{CKA_CLASS, &class, sizeof(class)},
		{CKA_VALUE, NULL, 0},
		{CKA_MODULUS, start, sizeof(start)},
		{CKA_LABEL, small, sizeof(small)},
		{CKA_VALUE, value, sizeof(value)},
	};

	peer_open(&p, d);
	open_session(&p, 0, RW, &s);
	CHECK_RV(CKR_OK, create_data(&p, s, &no, &no, "label", &o));
	CHECK_RV(CKR_ATTRIBUTE_TYPE_INVALID,
		ask(&p, WIRE_GET_ATTRIBUTE_VALUE, "uuq", s, o, q, 6UL));
	codec_get_answers(&p.answer, q, 6);
	CHECK(q[0].ulValueLen == 5 && memcmp(label, "label", 5) == 0);
	CHECK(q[1].ulValueLen == sizeof(class) && class == CKO_DATA);
	CHECK(q[2].ulValueLen == 32);
	CHECK(q[3].ulValueLen == CK_UNAVAILABLE_INFORMATION);
	CHECK(q[4].ulValueLen == CK_UNAVAILABLE_INFORMATION);
	CHECK(q[5].ulValueLen == 32 && memcmp(value, key_bytes, 32) == 0);
	q[4].ulValueLen = sizeof(small);
	CHECK_RV(CKR_BUFFER_TOO_SMALL,
		ask(&p, WIRE_GET_ATTRIBUTE_VALUE, "uuq", s, o, q + 4, 1UL));
	CHECK_RV(CKR_OK, ask(&p, WIRE_GET_ATTRIBUTE_VALUE, "uuq", s, o, q, 2UL));
	CHECK_RV(CKR_OK, ask(&p, WIRE_GET_ATTRIBUTE_VALUE, "uuq", s, o, q, 0UL));
	peer_close(&p);
}

static void
test_search_is_a_snapshot(struct daemon *d)
{
	CK_ULONG s, t, a, b, c, *v = NULL;
	size_t n = 0;
	struct peer p;
	CK_ATTRIBUTE templ = {CKA_LABEL, (char[]){"snap"}, 4};

	peer_open(&p, d);
	open_session(&p, 0, RW, &s);
	open_session(&p, 0, RW, &t);
	CHECK_RV(CKR_OPERATION_NOT_INITIALIZED, ask(&p, WIRE_FIND_OBJECTS, "uu", s, 1UL));
	CHECK_RV(CKR_OPERATION_NOT_INITIALIZED, ask(&p, WIRE_FIND_OBJECTS_FINAL, "u", s));
	CHECK_RV(CKR_OK, create_data(&p, s, &yes, &no, "snap", &a));
	CHECK_RV(CKR_OK, create_data(&p, t, &no, &no, "snap", &b));
	CHECK_RV(CKR_OK, ask(&p, WIRE_FIND_OBJECTS_INIT, "ua", s, &templ, 1UL));
	CHECK_RV(CKR_OPERATION_ACTIVE, ask(&p, WIRE_FIND_OBJECTS_INIT, "ua", s, &templ, 1UL));
	CHECK_RV(CKR_OK, create_data(&p, s, &no, &no, "snap", &c)); /* came too late */
	CHECK_RV(CKR_OK, ask(&p, WIRE_FIND_OBJECTS, "uu", s, 1UL));
	codec_get_ulongs(&p.answer, &v, &n, 10);
	CHECK(n == 1 && v && v[0] == a);
	free(v);
	v = NULL;
	CHECK_RV(CKR_OK, ask(&p, WIRE_DESTROY_OBJECT, "uu", t, b)); /* gone meanwhile */
	CHECK_RV(CKR_OK, ask(&p, WIRE_FIND_OBJECTS, "uu", s, 10UL));
	codec_get_ulongs(&p.answer, &v, &n, 10);
	CHECK(n == 0);
	free(v);
	CHECK_RV(CKR_OK, ask(&p, WIRE_FIND_OBJECTS_FINAL, "u", s));
	CHECK_RV(CKR_OK, ask(&p, WIRE_DESTROY_OBJECT, "uu", s, a));
	peer_close(&p);
}

static void
test_session_limit(struct daemon *d)
{
	struct peer p, q, r;
	CK_ULONG s;

	peer_open(&p, d);
	peer_open(&q, d);
	peer_open(&r, d);
	/* one application has half of them and leaves the others to the rest */
	for (unsigned i = 0; i < d->conf->max_sessions / 2; i++)
		CHECK_RV(CKR_OK, open_session(&p, 0, RO, &s));
	CHECK_RV(CKR_SESSION_COUNT, open_session(&p, 0, RO, &s));
	for (unsigned i = 0; i < d->conf->max_sessions / 2; i++)
		CHECK_RV(CKR_OK, open_session(&q, 0, RO, &s));
	CHECK_RV(CKR_SESSION_COUNT, open_session(&r, 0, RO, &s));
	peer_close(&p);
	CHECK_RV(CKR_OK, open_session(&r, 0, RO, &s));
	peer_close(&q);
	peer_close(&r);
	CHECK(d->sessions == 0);
}

/* ---- operations ---- */

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

/* A key's value is no less private for having been digested. */
static void
test_logout_ends_a_digest_of_a_private_key(struct daemon *d)
{
	const CK_MECHANISM m = {CKM_SHA256, NULL, 0};
	CK_ULONG s, key;
	struct peer p;

	peer_open(&p, d);
	CHECK_RV(CKR_OK, open_session(&p, 0, RO, &s));
	for (int private = 0; private < 2; private++) {
		CK_ATTRIBUTE templ[] = {{CKA_CLASS, &secret_class, sizeof(secret_class)},
			{CKA_KEY_TYPE, &generic, sizeof(generic)}, {CKA_PRIVATE, private ? &yes : &no, 1},
			{CKA_SENSITIVE, &no, 1}, {CKA_EXTRACTABLE, &yes, 1}, {CKA_VALUE, (void *)key_bytes, 32}};

		CHECK_RV(CKR_OK, login(&p, s, CKU_USER, PIN));
		CHECK_RV(CKR_OK, ask(&p, WIRE_CREATE_OBJECT, "ua", s, templ, 6UL));
		key = got(&p);
		CHECK_RV(CKR_OK, ask(&p, WIRE_DIGEST_INIT, "um", s, &m));
		CHECK_RV(CKR_OK, ask(&p, WIRE_DIGEST_KEY, "uu", s, key));
		CHECK_RV(CKR_OK, ask(&p, WIRE_LOGOUT, "u", s));
		CHECK_RV(private ? CKR_OPERATION_NOT_INITIALIZED : CKR_OK,
			ask(&p, WIRE_DIGEST_FINAL, "uo", s, 1, 32UL));
	}
	peer_close(&p);
}

static void
test_logout_ends_private_operations(struct daemon *d)
{
	CK_ULONG a, b, open_key, private_key;
	struct peer p;

	peer_open(&p, d);
	open_session(&p, 0, RW, &a);
	open_session(&p, 0, RO, &b);
	CHECK_RV(CKR_OK, login(&p, a, CKU_USER, PIN));
	CHECK_RV(CKR_OK, create_key(&p, a, &generic, &no, &no, "open", &open_key));
	CHECK_RV(CKR_OK, create_key(&p, a, &generic, &yes, &yes, "closed", &private_key));
	CHECK_RV(CKR_OK, sign_init(&p, a, open_key));
	CHECK_RV(CKR_OK, sign_init(&p, b, private_key));
	CHECK_RV(CKR_OK, ask(&p, WIRE_SIGN_UPDATE, "ub", b, "x", (size_t)1));
	CHECK_RV(CKR_OK, ask(&p, WIRE_LOGOUT, "u", a));
	CHECK_RV(CKR_OPERATION_NOT_INITIALIZED, ask(&p, WIRE_SIGN_FINAL, "uo", b, 1, 32UL));
	CHECK_RV(CKR_OK, ask(&p, WIRE_SIGN, "ubo", a, "x", (size_t)1, 1, 32UL));
	CHECK_RV(CKR_OK, login(&p, a, CKU_USER, PIN));
	CHECK_RV(CKR_OK, ask(&p, WIRE_DESTROY_OBJECT, "uu", a, private_key));
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

/* ---- the command's calls ---- */

/* An unlock ends with the token it was for, and its hold does not wear on the new one. */
static void
test_reinitialising_ends_unlocks(struct daemon *d)
{
	struct peer p;
	CK_ULONG s;

	peer_open(&p, d);
	CHECK_RV(CKR_OK, ask(&p, WIRE_T_UNLOCK, "ubu", 0UL, PIN, strlen(PIN), 0UL));
	CHECK_RV(CKR_PIN_INCORRECT, init_token(&p, 0, "wrong-so-pin", "again"));
	CHECK(unlocked(d, getuid()));
	CHECK_RV(CKR_OK, init_token(&p, 0, SO_PIN, "again"));
	CHECK(!unlocked(d, getuid()));
	CHECK_RV(CKR_OK, open_session(&p, 0, RW, &s));
	CHECK_RV(CKR_USER_PIN_NOT_INITIALIZED, login(&p, s, CKU_USER, PIN));
	CHECK_RV(CKR_OK, login(&p, s, CKU_SO, SO_PIN));
	CHECK_RV(CKR_OK, ask(&p, WIRE_INIT_PIN, "ub", s, PIN, strlen(PIN)));
	CHECK_RV(CKR_OK, ask(&p, WIRE_LOGOUT, "u", s));
	CHECK_RV(CKR_OK, login(&p, s, CKU_USER, PIN));
	CHECK(count(&p, s, "closed") == 0);
	peer_close(&p);
}

static bool
text_has(struct peer *p, const char *what)
{
	const uint8_t *text = NULL;
	size_t len = 0;

	codec_get_bytes(&p->answer, &text, &len);
	return text && memmem(text, len, what, strlen(what)) != NULL;
}

static void
test_control_texts(struct daemon *d)
{
	struct peer p;
	CK_ULONG s;

	peer_open(&p, d);
	CHECK_RV(CKR_OK, ask(&p, WIRE_T_STATUS, ""));
	CHECK(text_has(&p, "\"label\":\"again\""));
	CHECK_RV(CKR_OK, ask(&p, WIRE_T_AUDIT, "uu", 0UL, 1000UL));
	CHECK(text_has(&p, "\"what\":\"login-failed\""));
	CHECK_RV(CKR_OK, ask(&p, WIRE_T_AUDIT, "uu", 0UL, 1000UL));
	CHECK(text_has(&p, "\"what\":\"use-sign\""));
	CHECK_RV(CKR_OK, ask(&p, WIRE_T_AUDIT, "uu", 0UL, 1000UL));
	CHECK(text_has(&p, "\"intact\":true"));
	CHECK_RV(CKR_OK, ask(&p, WIRE_T_CHECK, "u", CK_UNAVAILABLE_INFORMATION));
	CHECK(text_has(&p, "\"problems\":0"));
	CHECK_RV(CKR_OK, ask(&p, WIRE_T_RELOAD, ""));
	open_session(&p, 0, RO, &s);
	CHECK_RV(CKR_SESSION_EXISTS,
		ask(&p, WIRE_T_DELETE_TOKEN, "ub", 0UL, SO_PIN, strlen(SO_PIN)));
	CHECK_RV(CKR_OK, ask(&p, WIRE_CLOSE_SESSION, "u", s));
	CHECK_RV(CKR_PIN_INCORRECT,
		ask(&p, WIRE_T_DELETE_TOKEN, "ub", 0UL, "wrong-so", (size_t)8));
	CHECK_RV(CKR_OK, ask(&p, WIRE_T_DELETE_TOKEN, "ub", 0UL, SO_PIN, strlen(SO_PIN)));
	CHECK_RV(CKR_TOKEN_NOT_RECOGNIZED, open_session(&p, 0, RO, &s));
	peer_close(&p);
}

/* ---- many threads in one application ---- */

struct worker {
	struct app *app;
	pthread_t thread;
	unsigned failed;
};

static void *
work(void *arg)
{
	struct worker *w = arg;
	struct peer p = {.app = w->app};
	CK_ULONG s, key;

	for (int i = 0; i < 50; i++) {
		w->failed += open_session(&p, 0, RW, &s) != CKR_OK;
		w->failed += create_key(&p, s, &generic, &no, &no, "t", &key) != CKR_OK;
		for (int k = 0; k < 10; k++) {
			w->failed += sign_init(&p, s, key) != CKR_OK;
			w->failed +=
				ask(&p, WIRE_SIGN, "ubo", s, "x", (size_t)1, 1, 32UL) != CKR_OK;
		}
		w->failed += count(&p, s, "t") < 1;
		w->failed += ask(&p, WIRE_CLOSE_SESSION, "u", s) != CKR_OK;
	}
	codec_free(&p.reply);
	codec_free(&p.answer);
	return NULL;
}

static void *
log_in_and_out(void *arg)
{
	struct worker *w = arg;
	struct peer p = {.app = w->app};
	CK_ULONG s, key;
	CK_RV rv;

	open_session(&p, 0, RW, &s);
	for (int i = 0; i < 20; i++) {
		rv = login(&p, s, CKU_USER, PIN);
		w->failed += rv != CKR_OK && rv != CKR_USER_ALREADY_LOGGED_IN;
		if (create_key(&p, s, &generic, &no, &yes, "private", &key) == CKR_OK)
			sign_init(&p, s, key);
		rv = ask(&p, WIRE_LOGOUT, "u", s);
		w->failed += rv != CKR_OK && rv != CKR_USER_NOT_LOGGED_IN;
	}
	codec_free(&p.reply);
	codec_free(&p.answer);
	return NULL;
}

static void
test_threads_share_an_application(struct daemon *d)
{
	struct worker w[6];
	struct peer p;

	peer_open(&p, d);
	for (int i = 0; i < 6; i++) {
		w[i] = (struct worker){.app = p.app};
		pthread_create(&w[i].thread, NULL, i < 4 ? work : log_in_and_out, &w[i]);
	}
	for (int i = 0; i < 6; i++) {
		pthread_join(w[i].thread, NULL);
		CHECK(w[i].failed == 0);
	}
	CHECK(p.app->sessions.n == 2);
	CHECK(p.app->logins == NULL || p.app->logins->next == NULL);
	peer_close(&p);
	CHECK(d->sessions == 0);
}

/* A connection that goes away while its calls run: they finish, nothing is left. */
static void
test_close_under_running_calls(struct daemon *d)
{
	struct worker w[3];
	struct peer p;

	peer_open(&p, d);
	for (int i = 0; i < 3; i++) {
		w[i] = (struct worker){.app = app_ref(p.app)};
		pthread_create(&w[i].thread, NULL, i < 2 ? work : log_in_and_out, &w[i]);
	}
	usleep(20000);
	peer_close(&p);
	for (int i = 0; i < 3; i++) {
		pthread_join(w[i].thread, NULL);
		CHECK(w[i].app->sessions.n == 0 && w[i].app->objects.n == 0 &&
			!w[i].app->logins);
		app_put(w[i].app);
	}
	CHECK(d->sessions == 0 && d->apps == NULL);
}

int
main(void)
{
	struct bench b = {0};

	if (secret_start() != CKR_OK || bench_open(&b) != CKR_OK) {
		fprintf(stderr, "no vault: %s\n", why_text());
		return 1;
	}
	test_gate_answers_garbage_with_frames(b.daemon);
	test_spare_slot_becomes_a_token(b.daemon);
	test_login_rules(b.daemon);
	test_pin_lock_is_shown_and_so_unblocks(b.daemon);
	test_unlock_serves_null_pin(b.daemon);
	test_objects_are_seen_by_whom_they_should(b.daemon);
	test_copy_and_change(b.daemon);
	test_attribute_query_answers_each_item(b.daemon);
	test_search_is_a_snapshot(b.daemon);
	test_session_limit(b.daemon);
	test_sign_lengths_and_ends(b.daemon);
	test_logout_ends_private_operations(b.daemon);
	test_logout_ends_a_digest_of_a_private_key(b.daemon);
	test_digest_state_moves_between_sessions(b.daemon);
	test_dual_updates_feed_both(b.daemon);
	test_always_authenticate(b.daemon);
	test_key_arguments_have_their_own_codes(b.daemon);
	test_threads_share_an_application(b.daemon);
	test_close_under_running_calls(b.daemon);
	test_reinitialising_ends_unlocks(b.daemon);
	test_control_texts(b.daemon);
	bench_close(&b);
	return unit_done("rpc");
}
