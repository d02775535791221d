/* Frames to rpc_call on a real vault: the gate, tokens, sessions, logins, the command's calls. */
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

/* ---- sessions ---- */

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

int
main(void)
{
	struct bench b = {0};

	if (!bench_ready(&b))
		return 1;
	test_gate_answers_garbage_with_frames(b.daemon);
	test_spare_slot_becomes_a_token(b.daemon);
	test_login_rules(b.daemon);
	test_pin_lock_is_shown_and_so_unblocks(b.daemon);
	test_unlock_serves_null_pin(b.daemon);
	test_logout_ends_private_operations(b.daemon);
	test_logout_ends_a_digest_of_a_private_key(b.daemon);
	test_session_limit(b.daemon);
	test_reinitialising_ends_unlocks(b.daemon);
	test_control_texts(b.daemon);
	bench_close(&b);
	return unit_done("rpc");
}
