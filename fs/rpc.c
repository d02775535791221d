#include "rpc.h"

#include "../store/why.h"
#include "rpc_handler.h"

/* What must be true before a handler runs. From NEED_SESSION on the request's first item is a session
 * handle, and the gate takes it. */
enum need {
	NEED_NOTHING,
	NEED_HELLO,
	NEED_SESSION,
	NEED_RW,    /* CKR_SESSION_READ_ONLY */
	NEED_LOGIN, /* anybody: CKR_USER_NOT_LOGGED_IN */
	NEED_SO,    /* CKR_USER_NOT_LOGGED_IN */
};

struct gate {
	uint32_t call;
	enum need need;
	rpc_handler *handler;
	enum rpc_cost cost;
};

#define SLOW RPC_SLOW
#define HEAVY RPC_HEAVY

/* What is committed waits for one fdatasync, which concurrent commits share: as many of them as there are
 * serving threads go together, and fewer job threads would make that worse. So those calls are not slow. */

/* Sorted by number, as wire.c is. */
static const struct gate gates[] = {
	{WIRE_HELLO, NEED_NOTHING, rpc_hello},
	{WIRE_GET_SLOT_LIST, NEED_HELLO, rpc_get_slot_list},
	{WIRE_GET_SLOT_INFO, NEED_HELLO, rpc_get_slot_info},
	{WIRE_GET_TOKEN_INFO, NEED_HELLO, rpc_get_token_info},
	{WIRE_GET_MECHANISM_LIST, NEED_HELLO, rpc_get_mechanism_list},
	{WIRE_GET_MECHANISM_INFO, NEED_HELLO, rpc_get_mechanism_info},
	{WIRE_INIT_TOKEN, NEED_HELLO, rpc_init_token, SLOW},
	{WIRE_INIT_PIN, NEED_SO, rpc_init_pin, SLOW},
	{WIRE_SET_PIN, NEED_RW, rpc_set_pin, SLOW},
	{WIRE_OPEN_SESSION, NEED_HELLO, rpc_open_session},
	{WIRE_CLOSE_SESSION, NEED_HELLO, rpc_close_session},
	{WIRE_CLOSE_ALL_SESSIONS, NEED_HELLO, rpc_close_all_sessions},
	{WIRE_GET_SESSION_INFO, NEED_SESSION, rpc_get_session_info},
	{WIRE_GET_OPERATION_STATE, NEED_SESSION, rpc_get_operation_state},
	{WIRE_SET_OPERATION_STATE, NEED_SESSION, rpc_set_operation_state},
	{WIRE_LOGIN, NEED_SESSION, rpc_login, SLOW},
	{WIRE_LOGOUT, NEED_LOGIN, rpc_logout},
	{WIRE_CREATE_OBJECT, NEED_SESSION, rpc_create_object},
	{WIRE_COPY_OBJECT, NEED_SESSION, rpc_copy_object},
	{WIRE_DESTROY_OBJECT, NEED_SESSION, rpc_destroy_object},
	{WIRE_GET_OBJECT_SIZE, NEED_SESSION, rpc_get_object_size},
	{WIRE_GET_ATTRIBUTE_VALUE, NEED_SESSION, rpc_get_attribute_value},
	{WIRE_SET_ATTRIBUTE_VALUE, NEED_SESSION, rpc_set_attribute_value},
	{WIRE_FIND_OBJECTS_INIT, NEED_SESSION, rpc_find_objects_init},
	{WIRE_FIND_OBJECTS, NEED_SESSION, rpc_find_objects},
	{WIRE_FIND_OBJECTS_FINAL, NEED_SESSION, rpc_find_objects_final},
	{WIRE_ENCRYPT_INIT, NEED_SESSION, rpc_encrypt_init},
	{WIRE_ENCRYPT, NEED_SESSION, rpc_encrypt},
	{WIRE_ENCRYPT_UPDATE, NEED_SESSION, rpc_encrypt_update},
	{WIRE_ENCRYPT_FINAL, NEED_SESSION, rpc_encrypt_final},
	{WIRE_DECRYPT_INIT, NEED_SESSION, rpc_decrypt_init},
	{WIRE_DECRYPT, NEED_SESSION, rpc_decrypt},
	{WIRE_DECRYPT_UPDATE, NEED_SESSION, rpc_decrypt_update},
	{WIRE_DECRYPT_FINAL, NEED_SESSION, rpc_decrypt_final},
	{WIRE_DIGEST_INIT, NEED_SESSION, rpc_digest_init},
	{WIRE_DIGEST, NEED_SESSION, rpc_digest},
	{WIRE_DIGEST_UPDATE, NEED_SESSION, rpc_digest_update},
	{WIRE_DIGEST_KEY, NEED_SESSION, rpc_digest_key},
	{WIRE_DIGEST_FINAL, NEED_SESSION, rpc_digest_final},
	{WIRE_SIGN_INIT, NEED_SESSION, rpc_sign_init},
	{WIRE_SIGN, NEED_SESSION, rpc_sign},
	{WIRE_SIGN_UPDATE, NEED_SESSION, rpc_sign_update},
	{WIRE_SIGN_FINAL, NEED_SESSION, rpc_sign_final},
	{WIRE_SIGN_RECOVER_INIT, NEED_SESSION, rpc_sign_recover_init},
	{WIRE_SIGN_RECOVER, NEED_SESSION, rpc_sign_recover},
	{WIRE_VERIFY_INIT, NEED_SESSION, rpc_verify_init},
	{WIRE_VERIFY, NEED_SESSION, rpc_verify},
	{WIRE_VERIFY_UPDATE, NEED_SESSION, rpc_verify_update},
	{WIRE_VERIFY_FINAL, NEED_SESSION, rpc_verify_final},
	{WIRE_VERIFY_RECOVER_INIT, NEED_SESSION, rpc_verify_recover_init},
	{WIRE_VERIFY_RECOVER, NEED_SESSION, rpc_verify_recover},
	{WIRE_DIGEST_ENCRYPT_UPDATE, NEED_SESSION, rpc_digest_encrypt_update},
	{WIRE_DECRYPT_DIGEST_UPDATE, NEED_SESSION, rpc_decrypt_digest_update},
	{WIRE_SIGN_ENCRYPT_UPDATE, NEED_SESSION, rpc_sign_encrypt_update},
	{WIRE_DECRYPT_VERIFY_UPDATE, NEED_SESSION, rpc_decrypt_verify_update},
	{WIRE_GENERATE_KEY, NEED_SESSION, rpc_generate_key, HEAVY},
	{WIRE_GENERATE_KEY_PAIR, NEED_SESSION, rpc_generate_key_pair, HEAVY},
	{WIRE_WRAP_KEY, NEED_SESSION, rpc_wrap_key},
	{WIRE_UNWRAP_KEY, NEED_SESSION, rpc_unwrap_key},
	{WIRE_DERIVE_KEY, NEED_SESSION, rpc_derive_key},
	{WIRE_SEED_RANDOM, NEED_SESSION, rpc_seed_random},
	{WIRE_GENERATE_RANDOM, NEED_SESSION, rpc_generate_random},
	{WIRE_WAIT_FOR_SLOT_EVENT, NEED_HELLO, rpc_wait_for_slot_event},
	{WIRE_ENCRYPT_NOW, NEED_SESSION, rpc_encrypt_now},
	{WIRE_DECRYPT_NOW, NEED_SESSION, rpc_decrypt_now},
	{WIRE_DIGEST_NOW, NEED_SESSION, rpc_digest_now},
	{WIRE_SIGN_NOW, NEED_SESSION, rpc_sign_now},
	{WIRE_VERIFY_NOW, NEED_SESSION, rpc_verify_now},
	{WIRE_FIND_NOW, NEED_SESSION, rpc_find_now},
	{WIRE_DERIVE_KEYS, NEED_SESSION, rpc_derive_keys},
	{WIRE_LOGIN_USER, NEED_SESSION, rpc_login_user, SLOW},
	{WIRE_SESSION_CANCEL, NEED_SESSION, rpc_session_cancel},
	{WIRE_MESSAGE_ENCRYPT_INIT, NEED_SESSION, rpc_message_encrypt_init},
	{WIRE_ENCRYPT_MESSAGE, NEED_SESSION, rpc_encrypt_message},
	{WIRE_ENCRYPT_MESSAGE_BEGIN, NEED_SESSION, rpc_encrypt_message_begin},
	{WIRE_ENCRYPT_MESSAGE_NEXT, NEED_SESSION, rpc_encrypt_message_next},
	{WIRE_MESSAGE_ENCRYPT_FINAL, NEED_SESSION, rpc_message_encrypt_final},
	{WIRE_MESSAGE_DECRYPT_INIT, NEED_SESSION, rpc_message_decrypt_init},
	{WIRE_DECRYPT_MESSAGE, NEED_SESSION, rpc_decrypt_message},
	{WIRE_DECRYPT_MESSAGE_BEGIN, NEED_SESSION, rpc_decrypt_message_begin},
	{WIRE_DECRYPT_MESSAGE_NEXT, NEED_SESSION, rpc_decrypt_message_next},
	{WIRE_MESSAGE_DECRYPT_FINAL, NEED_SESSION, rpc_message_decrypt_final},
	{WIRE_MESSAGE_SIGN_INIT, NEED_SESSION, rpc_message_sign_init},
	{WIRE_SIGN_MESSAGE, NEED_SESSION, rpc_sign_message},
	{WIRE_SIGN_MESSAGE_BEGIN, NEED_SESSION, rpc_sign_message_begin},
	{WIRE_SIGN_MESSAGE_NEXT, NEED_SESSION, rpc_sign_message_next},
	{WIRE_MESSAGE_SIGN_FINAL, NEED_SESSION, rpc_message_sign_final},
	{WIRE_MESSAGE_VERIFY_INIT, NEED_SESSION, rpc_message_verify_init},
	{WIRE_VERIFY_MESSAGE, NEED_SESSION, rpc_verify_message},
	{WIRE_VERIFY_MESSAGE_BEGIN, NEED_SESSION, rpc_verify_message_begin},
	{WIRE_VERIFY_MESSAGE_NEXT, NEED_SESSION, rpc_verify_message_next},
	{WIRE_MESSAGE_VERIFY_FINAL, NEED_SESSION, rpc_message_verify_final},
	{WIRE_VERIFY_SIGNATURE_INIT, NEED_SESSION, rpc_verify_signature_init},
	{WIRE_VERIFY_SIGNATURE, NEED_SESSION, rpc_verify_signature},
	{WIRE_VERIFY_SIGNATURE_UPDATE, NEED_SESSION, rpc_verify_signature_update},
	{WIRE_VERIFY_SIGNATURE_FINAL, NEED_SESSION, rpc_verify_signature_final},
	{WIRE_GET_SESSION_VALIDATION_FLAGS, NEED_SESSION, rpc_get_session_validation_flags},
	{WIRE_WRAP_KEY_AUTHENTICATED, NEED_SESSION, rpc_wrap_key_authenticated},
	{WIRE_UNWRAP_KEY_AUTHENTICATED, NEED_SESSION, rpc_unwrap_key_authenticated},
	{WIRE_ENCAPSULATE_KEY, NEED_SESSION, rpc_encapsulate_key},
	{WIRE_DECAPSULATE_KEY, NEED_SESSION, rpc_decapsulate_key},
	{WIRE_T_STATUS, NEED_HELLO, rpc_t_status},
	{WIRE_T_UNLOCK, NEED_HELLO, rpc_t_unlock, SLOW},
	{WIRE_T_LOCK, NEED_HELLO, rpc_t_lock},
	{WIRE_T_RELOAD, NEED_HELLO, rpc_t_reload, HEAVY},
	{WIRE_T_RESTORE_ACCEPT, NEED_HELLO, rpc_t_restore_accept, HEAVY},
	{WIRE_T_DELETE_TOKEN, NEED_HELLO, rpc_t_delete_token, SLOW},
	{WIRE_T_CHECK, NEED_HELLO, rpc_t_check, HEAVY},
	{WIRE_T_AUDIT, NEED_HELLO, rpc_t_audit, SLOW},
	{WIRE_T_POLICY, NEED_HELLO, rpc_t_policy, SLOW},
};

static const struct gate *
gate_find(uint32_t call)
{
	size_t lo = 0, hi = sizeof(gates) / sizeof(gates[0]);

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (gates[mid].call == call)
			return &gates[mid];
		if (gates[mid].call < call)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

enum rpc_cost
rpc_cost(const uint8_t *frame, size_t len)
{
	const struct gate *g;
	struct wire_header h;

	if (len < WIRE_HEADER)
		return RPC_FAST;
	wire_get_header(frame, &h);
	g = gate_find(h.call);
	return g ? g->cost : RPC_FAST;
}

CK_ULONG
rpc_lane(const uint8_t *frame, size_t len)
{
	struct codec in = {0};
	const struct gate *g;
	struct wire_header h;
	CK_ULONG session = 0;

	if (len < WIRE_HEADER)
		return 0;
	wire_get_header(frame, &h);
	g = gate_find(h.call);
	if (g && g->need >= NEED_SESSION && codec_open(&in, CODEC_REQUEST, frame, len) == CKR_OK &&
		!codec_get_ulong(&in, &session))
		session = 0;
	codec_free(&in);
	return session;
}

CK_RV
rpc_taken(struct rpc *r)
{
	return codec_close(&r->in);
}

CK_RV
rpc_taken_ulong(struct rpc *r, CK_ULONG *v)
{
	codec_get_ulong(&r->in, v);
	return rpc_taken(r);
}

CK_RV
rpc_taken_pin(struct rpc *r, const uint8_t *pin)
{
	CK_RV rv = rpc_taken(r);

	return rv == CKR_OK && !pin ? CKR_ARGUMENTS_BAD : rv;
}

/* Takes the session handle and enters the session; then what the row asks of it. */
static CK_RV
pass_session(struct rpc *r, enum need need)
{
	CK_SESSION_HANDLE h = 0;
	CK_USER_TYPE user;
	CK_RV rv;

	if (!codec_get_ulong(&r->in, &h))
		return CKR_ARGUMENTS_BAD;
	rv = session_enter(r->app, h, r->busy, &r->session);
	if (rv != CKR_OK || need == NEED_SESSION)
		return rv;
	if (need == NEED_RW)
		return r->session->rw ? CKR_OK : CKR_SESSION_READ_ONLY;
	user = app_user(r->app, r->session->token);
	if (user == NOBODY || (need == NEED_SO && user != CKU_SO))
		return CKR_USER_NOT_LOGGED_IN;
	return CKR_OK;
}

static CK_RV
perform(struct rpc *r, const struct gate *g, const uint8_t *frame, size_t len)
{
	CK_RV rv;

	if (g->need != NEED_NOTHING && !atomic_load(&r->app->greeted))
		return CKR_CRYPTOKI_NOT_INITIALIZED;
	rv = codec_open(&r->in, CODEC_REQUEST, frame, len);
	if (rv == CKR_OK && g->need >= NEED_SESSION)
		rv = pass_session(r, g->need);
	if (rv == CKR_OK)
		rv = g->handler(r);
	if (r->session && !session_weigh(r->session))
		rv = why(CKR_DEVICE_MEMORY, "the operations of this application hold too much input");
	session_leave(r->session);
	if (g->cost != RPC_FAST) /* whatever makes, deletes or restores a token */
		daemon_heed_slots(r->daemon);
	return rv;
}

/* A reply without a body, which needs no row: also the answer to garbage. */
static void
answer_bare(struct codec *reply, const struct wire_header *request, CK_RV rv)
{
	struct wire_header h = {.length = WIRE_HEADER,
		.call = request->call,
		.seq = request->seq,
		.rv = (uint32_t)rv};
	uint8_t bytes[WIRE_HEADER];

	wire_put_header(bytes, &h);
	if (reply->buf.cap == 0)
		buf_init(&reply->buf, WIRE_MAX_FRAME);
	buf_clear(&reply->buf);
	buf_put(&reply->buf, bytes, sizeof(bytes));
}

static void
call(struct app *a, const uint8_t *frame, size_t len, bool *busy, struct codec *reply)
{
	struct rpc r = {.app = a, .daemon = a->daemon, .out = reply, .busy = busy};
	struct wire_header h = {0};
	const struct gate *g;

	why_clear();
	if (len >= WIRE_HEADER)
		wire_get_header(frame, &h);
	g = gate_find(h.call);
	if (len < WIRE_HEADER || h.length != len || len > WIRE_MAX_FRAME) {
		answer_bare(reply, &h, CKR_ARGUMENTS_BAD);
		return;
	}
	if (!g || !wire_call(h.call)) {
		answer_bare(reply, &h, CKR_FUNCTION_NOT_SUPPORTED);
		return;
	}
	codec_reply(reply, &h);
	codec_end_rv(reply, perform(&r, g, frame, len));
	if (reply->buf.len < WIRE_HEADER)
		answer_bare(reply, &h, CKR_HOST_MEMORY);
	codec_free(&r.in);
}

void
rpc_call(struct app *a, const uint8_t *frame, size_t len, struct codec *reply)
{
	call(a, frame, len, NULL, reply);
}

bool
rpc_try(struct app *a, const uint8_t *frame, size_t len, struct codec *reply)
{
	bool busy = false;

	call(a, frame, len, &busy, reply);
	return !busy;
}
