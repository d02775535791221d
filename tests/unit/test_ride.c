/*
 * Inits that ride along and searches that are answered here, against a daemon in this process that counts what
 * reaches it.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pkcs11/channel.h"
#include "pkcs11/codec.h"
#include "pkcs11/ride.h"
#include "pkcs11/search.h"
#include "unit.h"

/* ---- the daemon ---- */

static struct {
	unsigned calls[WIRE_MAX_CALL + 1];
	CK_RV rv[WIRE_MAX_CALL + 1];
	uint8_t last[512]; /* the last frame */
	size_t last_len;
} peer;

static int
peer_ioctl(int fd, unsigned long request, void *buf)
{
	struct codec reply = {0};
	struct wire_header h;

	(void)fd;
	(void)request;
	wire_get_header(buf, &h);
	peer.calls[h.call]++;
	peer.last_len = h.length;
	memcpy(peer.last, buf, h.length);
	h.rv = (uint32_t)peer.rv[h.call];
	h.length = WIRE_HEADER;
	wire_put_header(buf, &h);
	if (h.call == WIRE_HELLO) {
		codec_reply(&reply, &h);
		codec_put_ulong(&reply, WIRE_VERSION);
		codec_put_bytes(&reply, "0", 1);
		codec_put_ulong(&reply, 1);
		codec_end_rv(&reply, CKR_OK);
		memcpy(buf, reply.buf.data, reply.buf.len);
		codec_free(&reply);
	}
	return 0;
}

static const struct channel_io peer_io = {peer_ioctl, pwrite, pread};

static struct channel *
connect_peer(void)
{
	struct channel *c;

	memset(&peer, 0, sizeof(peer));
	CHECK_RV(CKR_OK, channel_attach(&c, open("/dev/null", O_RDWR | O_CLOEXEC), NULL, &peer_io));
	return c;
}

/* ---- the module: what call.c does around a round trip ---- */

#define S1 ((CK_SESSION_HANDLE)1)
#define S2 ((CK_SESSION_HANDLE)2)

static size_t
encode(uint8_t out[RIDE_MAX], const CK_MECHANISM *m, CK_OBJECT_HANDLE key)
{
	struct buf b;

	buf_init_fixed(&b, out, RIDE_MAX);
	CHECK_RV(CKR_OK, param_encode(&b, m));
	buf_put_ulong(&b, key);
	return b.len;
}

static CK_RV
trip(struct channel *c, uint32_t call, CK_SESSION_HANDLE session, const uint8_t *body, size_t len, bool query)
{
	uint8_t frame[WIRE_HEADER + 8 + RIDE_MAX] = {0};
	struct wire_header h = {.length = (uint32_t)(WIRE_HEADER + 8 + len), .call = call, .seq = channel_seq(c)};
	struct channel_reply r;
	struct ride_turn turn;
	CK_RV rv;

	wire_put_header(frame, &h);
	memcpy(frame + WIRE_HEADER, &session, 8);
	if (len > 0)
		memcpy(frame + WIRE_HEADER + 8, body, len);
	rv = ride_before(channel_rides(c), c, &turn, session, frame, h.length);
	if (rv != CKR_OK)
		return rv;
	CHECK_RV(CKR_OK, channel_call(c, frame, h.length, WIRE_HEADER, &r));
	wire_get_header(r.frame, &h);
	channel_reply_free(&r);
	ride_after(channel_rides(c), &turn, h.rv, query);
	return h.rv;
}

static CK_RV
begin(struct channel *c, uint32_t call, CK_SESSION_HANDLE session, const CK_MECHANISM *m, CK_OBJECT_HANDLE key)
{
	uint8_t init[RIDE_MAX];
	size_t len = encode(init, m, key);

	return ride_keep(channel_rides(c), call, session, init, len) ? CKR_OK
								     : trip(c, call, session, init, len, false);
}

static CK_RV
once(struct channel *c, uint32_t call, uint32_t now, CK_SESSION_HANDLE session, bool query)
{
	uint8_t init[RIDE_MAX];
	size_t len = ride_take(channel_rides(c), call, session, init);

	return trip(c, len > 0 ? now : call, session, init, len, query);
}

static const CK_MECHANISM hmac = {CKM_SHA256_HMAC, NULL, 0};

static CK_RV
sign_init(struct channel *c, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key)
{
	return begin(c, WIRE_SIGN_INIT, session, &hmac, key);
}

static CK_RV
sign(struct channel *c, CK_SESSION_HANDLE session)
{
	return once(c, WIRE_SIGN, WIRE_SIGN_NOW, session, false);
}

static void
sign_pair(struct channel *c, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key)
{
	CHECK_RV(CKR_OK, sign_init(c, session, key));
	CHECK_RV(CKR_OK, sign(c, session));
}

/* ---- riding ---- */

static void
test_the_second_init_rides_along(void)
{
	struct channel *c = connect_peer();

	sign_pair(c, S1, 7);
	CHECK(peer.calls[WIRE_SIGN_INIT] == 1 && peer.calls[WIRE_SIGN] == 1);
	for (int i = 0; i < 3; i++)
		sign_pair(c, S1, 7);
	CHECK(peer.calls[WIRE_SIGN_INIT] == 1 && peer.calls[WIRE_SIGN] == 1 && peer.calls[WIRE_SIGN_NOW] == 3);
	/* another key, another session, another kind: none of them was taken before */
	sign_pair(c, S1, 8);
	sign_pair(c, S2, 8);
	CHECK_RV(CKR_OK, begin(c, WIRE_VERIFY_INIT, S1, &hmac, 8));
	CHECK(peer.calls[WIRE_SIGN_INIT] == 3 && peer.calls[WIRE_SIGN_NOW] == 3 && peer.calls[WIRE_VERIFY_INIT] == 1);
	channel_close(c);
}

static void
test_another_call_sends_the_pending_init_first(void)
{
	static const struct {
		uint32_t call;
		CK_SESSION_HANDLE session;
		unsigned sent;
	} rows[] = {{WIRE_SIGN_UPDATE, 1, 1}, {WIRE_SIGN_FINAL, 1, 1}, {WIRE_SIGN_INIT, 1, 2},
		{WIRE_SIGN_ENCRYPT_UPDATE, 1, 1}, {WIRE_LOGIN, 1, 1}, {WIRE_LOGOUT, 2, 1},
		{WIRE_DESTROY_OBJECT, 2, 1}, {WIRE_SET_ATTRIBUTE_VALUE, 2, 1}, {WIRE_GET_OPERATION_STATE, 1, 1},
		{WIRE_CLOSE_SESSION, 2, 1}, {WIRE_INIT_TOKEN, 2, 1},
		/* these cannot tell */
		{WIRE_GET_SESSION_INFO, 1, 0}, {WIRE_DIGEST_UPDATE, 1, 0}, {WIRE_SIGN_UPDATE, 2, 0},
		{WIRE_CLOSE_SESSION, 1, 0}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct channel *c = connect_peer();

		sign_pair(c, S1, 7);
		CHECK_RV(CKR_OK, sign_init(c, S1, 7));
		peer.calls[WIRE_SIGN_INIT] = 0;
		CHECK_RV(CKR_OK, trip(c, rows[i].call, rows[i].session, NULL, 0, false));
		CHECK(peer.calls[WIRE_SIGN_INIT] == rows[i].sent && peer.calls[rows[i].call] > 0);
		CHECK_RV(CKR_OK, sign(c, S1));
		/* what was sent goes on as an operation of the daemon's */
		CHECK(peer.calls[WIRE_SIGN] == (rows[i].sent > 0 || rows[i].call == WIRE_CLOSE_SESSION ? 2u : 1u));
		channel_close(c);
	}
}

static void
test_what_may_change_the_answer_forgets(void)
{
	static const uint32_t calls[] = {WIRE_LOGIN, WIRE_LOGOUT, WIRE_SET_ATTRIBUTE_VALUE, WIRE_DESTROY_OBJECT,
		WIRE_CLOSE_SESSION, WIRE_CLOSE_ALL_SESSIONS, WIRE_INIT_TOKEN, WIRE_SET_PIN, WIRE_SET_OPERATION_STATE};

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		struct channel *c = connect_peer();

		sign_pair(c, S1, 7);
		trip(c, calls[i], S2, NULL, 0, false);
		sign_pair(c, S1, 7);
		CHECK(peer.calls[WIRE_SIGN_INIT] == 2 && peer.calls[WIRE_SIGN_NOW] == 0);
		channel_close(c);
	}
}

/* CKA_ALWAYS_AUTHENTICATE: every use has a login between Init and use. */
static void
test_a_key_that_wants_a_login_each_time_never_rides(void)
{
	struct channel *c = connect_peer();

	for (unsigned i = 1; i <= 3; i++) {
		CHECK_RV(CKR_OK, sign_init(c, S1, 7));
		trip(c, WIRE_LOGIN, S1, NULL, 0, false);
		CHECK_RV(CKR_OK, sign(c, S1));
		CHECK(peer.calls[WIRE_SIGN_INIT] == i && peer.calls[WIRE_SIGN_NOW] == 0);
	}
	channel_close(c);
}

static void
test_errors_end_the_ride(void)
{
	struct channel *c = connect_peer();

	sign_pair(c, S1, 7);
	CHECK_RV(CKR_OK, sign_init(c, S1, 7));
	peer.rv[WIRE_SIGN_NOW] = CKR_KEY_HANDLE_INVALID;
	CHECK_RV(CKR_KEY_HANDLE_INVALID, sign(c, S1));
	CHECK_RV(CKR_OK, sign_init(c, S1, 7));
	CHECK(peer.calls[WIRE_SIGN_INIT] == 2);
	/* an Init that fails when it is sent late: the call that relies on it gets its error, unsent */
	CHECK_RV(CKR_OK, sign(c, S1));
	CHECK_RV(CKR_OK, sign_init(c, S1, 7));
	peer.rv[WIRE_SIGN_INIT] = CKR_USER_NOT_LOGGED_IN;
	CHECK_RV(CKR_USER_NOT_LOGGED_IN, trip(c, WIRE_SIGN_UPDATE, S1, NULL, 0, false));
	CHECK(peer.calls[WIRE_SIGN_UPDATE] == 0);
	CHECK_RV(CKR_USER_NOT_LOGGED_IN, sign_init(c, S1, 7));
	channel_close(c);
}

static void
test_a_length_query_and_a_small_buffer_leave_the_operation(void)
{
	struct channel *c = connect_peer();

	sign_pair(c, S1, 7);
	CHECK_RV(CKR_OK, sign_init(c, S1, 7));
	CHECK_RV(CKR_OK, once(c, WIRE_SIGN, WIRE_SIGN_NOW, S1, true));
	CHECK_RV(CKR_OK, sign(c, S1));
	CHECK(peer.calls[WIRE_SIGN_NOW] == 1 && peer.calls[WIRE_SIGN] == 2);
	CHECK_RV(CKR_OK, sign_init(c, S1, 7));
	peer.rv[WIRE_SIGN_NOW] = CKR_BUFFER_TOO_SMALL;
	CHECK_RV(CKR_BUFFER_TOO_SMALL, sign(c, S1));
	/* the operation is the daemon's: a second Init is the daemon's to refuse */
	CHECK_RV(CKR_OK, sign_init(c, S1, 7));
	CHECK(peer.calls[WIRE_SIGN_INIT] == 2);
	channel_close(c);
}

static void
test_a_use_that_does_not_end_the_operation_makes_nothing_ready(void)
{
	struct channel *c = connect_peer();

	CHECK_RV(CKR_OK, sign_init(c, S1, 7));
	CHECK_RV(CKR_OK, once(c, WIRE_SIGN, WIRE_SIGN_NOW, S1, true));
	CHECK_RV(CKR_OK, sign_init(c, S1, 7));
	CHECK_RV(CKR_OK, trip(c, WIRE_SIGN_UPDATE, S1, NULL, 0, false));
	CHECK_RV(CKR_OK, sign(c, S1)); /* a daemon would refuse; even so */
	CHECK_RV(CKR_OK, sign_init(c, S1, 7));
	CHECK(peer.calls[WIRE_SIGN_INIT] == 3);
	channel_close(c);
}

static void
test_shapes(void)
{
	uint8_t iv[16] = {1}, iv2[16] = {2}, aad[5] = {3}, aad2[4] = {4};
	CK_GCM_PARAMS g = {iv, 12, 96, aad, 4, 128}, new_iv = {iv2, 12, 96, aad2, 4, 128}, shorter = {iv, 11, 88, aad, 5, 128},
		      tag = {iv, 12, 96, aad, 4, 96}, no_aad = {iv, 12, 96, NULL, 0, 128};
	CK_AES_CTR_PARAMS ctr = {32, {1}}, block = {32, {2}}, bits = {64, {1}};
	CK_RSA_PKCS_PSS_PARAMS pss = {CKM_SHA256, CKG_MGF1_SHA256, 32}, salt = {CKM_SHA256, CKG_MGF1_SHA256, 20};
	const struct {
		CK_MECHANISM first, second;
		bool rides;
	} rows[] = {
		{{CKM_AES_GCM, &g, sizeof(g)}, {CKM_AES_GCM, &new_iv, sizeof(g)}, true},
		{{CKM_AES_GCM, &g, sizeof(g)}, {CKM_AES_GCM, &shorter, sizeof(g)}, false},
		{{CKM_AES_GCM, &g, sizeof(g)}, {CKM_AES_GCM, &tag, sizeof(g)}, false},
		{{CKM_AES_GCM, &g, sizeof(g)}, {CKM_AES_GCM, &no_aad, sizeof(g)}, false},
		{{CKM_AES_GCM, &no_aad, sizeof(g)}, {CKM_AES_GCM, &no_aad, sizeof(g)}, true},
		{{CKM_AES_CTR, &ctr, sizeof(ctr)}, {CKM_AES_CTR, &block, sizeof(ctr)}, true},
		{{CKM_AES_CTR, &ctr, sizeof(ctr)}, {CKM_AES_CTR, &bits, sizeof(ctr)}, false},
		{{CKM_AES_CBC, iv, 16}, {CKM_AES_CBC, iv2, 16}, true},
		{{CKM_AES_CBC, iv, 16}, {CKM_AES_CBC, iv2, 15}, false},
		{{CKM_AES_CBC, iv, 16}, {CKM_AES_CBC, NULL, 0}, false},
		{{CKM_AES_CBC, iv, 16}, {CKM_AES_CBC_PAD, iv, 16}, false},
		{{CKM_RSA_PKCS_PSS, &pss, sizeof(pss)}, {CKM_RSA_PKCS_PSS, &pss, sizeof(pss)}, true},
		{{CKM_RSA_PKCS_PSS, &pss, sizeof(pss)}, {CKM_RSA_PKCS_PSS, &salt, sizeof(pss)}, false},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct channel *c = connect_peer();
		uint8_t second[RIDE_MAX];
		size_t len = encode(second, &rows[i].second, 9);

		CHECK_RV(CKR_OK, begin(c, WIRE_ENCRYPT_INIT, S1, &rows[i].first, 9));
		CHECK_RV(CKR_OK, once(c, WIRE_ENCRYPT, WIRE_ENCRYPT_NOW, S1, false));
		CHECK_RV(CKR_OK, begin(c, WIRE_ENCRYPT_INIT, S1, &rows[i].second, 9));
		CHECK_RV(CKR_OK, once(c, WIRE_ENCRYPT, WIRE_ENCRYPT_NOW, S1, false));
		CHECK(peer.calls[WIRE_ENCRYPT_NOW] == rows[i].rides);
		/* what rides is the new parameter, not the old one */
		CHECK(!rows[i].rides || memcmp(peer.last + WIRE_HEADER + 8, second, len) == 0);
		channel_close(c);
	}
}

static void
test_many_sessions_share_the_places(void)
{
	struct channel *c = connect_peer();

	for (CK_SESSION_HANDLE s = 1; s <= 1000; s++)
		sign_pair(c, s, 7);
	/* one that is pending keeps its place */
	CHECK_RV(CKR_OK, sign_init(c, 1000, 7));
	sign_pair(c, 1000 - 256, 7);
	sign_pair(c, 1000 - 256, 7);
	CHECK(peer.calls[WIRE_SIGN_NOW] == 0);
	CHECK_RV(CKR_OK, sign(c, 1000));
	CHECK(peer.calls[WIRE_SIGN_NOW] == 1);
	channel_close(c);
}

static void
test_a_child_keeps_nothing(void)
{
	struct channel *c = connect_peer();
	int status;
	pid_t pid;

	sign_pair(c, S1, 7);
	CHECK_RV(CKR_OK, sign_init(c, S1, 7));
	pid = fork();
	if (pid == 0) {
		uint8_t init[RIDE_MAX];

		channel_forget(c);
		_exit(ride_take(channel_rides(c), WIRE_SIGN, S1, init) == 0 ? 0 : 1);
	}
	CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0);
	CHECK_RV(CKR_OK, sign(c, S1));
	CHECK(peer.calls[WIRE_SIGN_NOW] == 1);
	channel_close(c);
}

/* ---- searches ---- */

static CK_OBJECT_HANDLE *
list_of(CK_ULONG first, size_t n)
{
	CK_OBJECT_HANDLE *v = malloc(n * sizeof(*v));

	for (size_t i = 0; i < n; i++)
		v[i] = first + i;
	return v;
}

static void
test_a_search_is_remembered_to_its_end(void)
{
	struct channel *c = connect_peer();
	struct searches *s = channel_searches(c);
	CK_OBJECT_HANDLE got[8];
	struct search_state state;
	uint64_t number = 0, other = 0;
	CK_ULONG n;

	CHECK(!search_next(s, S1, got, 8, &n).known && n == 0);
	CHECK(!search_end(s, S1).known);
	CHECK_RV(CKR_OK, search_begin(s, S1, &number));
	CHECK_RV(CKR_OPERATION_ACTIVE, search_begin(s, S1, &other));
	search_started(s, S1, number, CKR_OK, list_of(10, 5), 5, true);
	CHECK_RV(CKR_OPERATION_ACTIVE, search_begin(s, S1, &other));
	CHECK_RV(CKR_OK, search_begin(s, S2, &other));
	search_started(s, S2, other, CKR_USER_NOT_LOGGED_IN, NULL, 0, false);
	CHECK(!search_look(s, S2).known);
	state = search_next(s, S1, got, 2, &n);
	CHECK(state.known && !state.more && !state.doubtful && n == 2 && got[0] == 10 && got[1] == 11);
	search_remove(s, 13);
	search_next(s, S1, got, 8, &n);
	CHECK(n == 2 && got[0] == 12 && got[1] == 14);
	search_next(s, S1, got, 8, &n);
	CHECK(n == 0 && search_look(s, S1).known);
	CHECK(search_end(s, S1).known && !search_look(s, S1).known);
	CHECK_RV(CKR_OK, search_begin(s, S1, &number));
	search_started(s, S1, number, CKR_OK, list_of(1, 3), 3, false);
	CHECK(search_next(s, S1, got, 8, &n).more && n == 3 && search_end(s, S1).more);
	channel_close(c);
}

/* Another thread ends the search before its answer is here, and begins the next. */
static void
test_a_late_answer_is_not_the_next_searchs(void)
{
	struct channel *c = connect_peer();
	struct searches *s = channel_searches(c);
	uint64_t late = 0, number = 0;
	CK_OBJECT_HANDLE got[8];
	CK_ULONG n;

	CHECK_RV(CKR_OK, search_begin(s, S1, &late));
	CHECK(search_end(s, S1).known);
	CHECK_RV(CKR_OK, search_begin(s, S1, &number));
	search_started(s, S1, late, CKR_OK, list_of(10, 5), 5, true);
	CHECK(search_next(s, S1, got, 8, &n).more && n == 0);
	search_started(s, S1, late, CKR_DEVICE_ERROR, NULL, 0, false);
	CHECK(search_look(s, S1).known);
	search_started(s, S1, number, CKR_OK, list_of(20, 2), 2, true);
	CHECK(!search_next(s, S1, got, 8, &n).more && n == 2 && got[0] == 20);
	channel_close(c);
}

static void
test_logout_and_closing_make_a_search_doubtful(void)
{
	struct channel *c = connect_peer();
	struct searches *s = channel_searches(c);
	uint64_t number = 0;

	CHECK_RV(CKR_OK, search_begin(s, S1, &number));
	search_started(s, S1, number, CKR_OK, list_of(1, 3), 3, true);
	search_after(s, WIRE_SIGN, S1, CKR_OK);
	CHECK(!search_look(s, S1).doubtful);
	search_after(s, WIRE_LOGOUT, S2, CKR_OK);
	CHECK(search_look(s, S1).doubtful);
	search_after(s, WIRE_CLOSE_SESSION, S1, CKR_OK);
	CHECK(!search_look(s, S1).known);
	channel_close(c);
}

int
main(void)
{
	test_the_second_init_rides_along();
	test_another_call_sends_the_pending_init_first();
	test_what_may_change_the_answer_forgets();
	test_a_key_that_wants_a_login_each_time_never_rides();
	test_errors_end_the_ride();
	test_a_length_query_and_a_small_buffer_leave_the_operation();
	test_a_use_that_does_not_end_the_operation_makes_nothing_ready();
	test_shapes();
	test_many_sessions_share_the_places();
	test_a_child_keeps_nothing();
	test_a_search_is_remembered_to_its_end();
	test_a_late_answer_is_not_the_next_searchs();
	test_logout_and_closing_make_a_search_doubtful();
	return unit_done("ride");
}
