/*
 * fuzz_frame.c - byte strings as frames to rpc_call, on a real vault in a scratch directory
 *
 * One application is greeted, has a logged-in session, keys and running operations, so that what the
 * fuzzer writes gets past the gate. An input is any number of frames, each u16 length + bytes; a frame's own
 * length field and session handle are mended in most of them (a bit of the length says so), since no
 * fuzzer guesses them often. The daemon is begun anew after a number of inputs.
 *
 * Every answer must be a well-formed frame.
 */
#include <stdio.h>

#include "../unit/peer.h"

#define RENEW_AFTER 5000
#define SO_PIN	    "so-pin-1"
#define PIN	    "user-pin-1"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static struct bench bench;
static struct peer peer;
static CK_ULONG session, keys[2];
static unsigned inputs;

static void
die(const char *what)
{
	fprintf(stderr, "fuzz_frame: %s: %s\n", what, why_text());
	abort();
}

static void
need(const char *what, CK_RV rv)
{
	if (rv != CKR_OK)
		die(what);
}

/* Slow calls would leave no time for the others, and a reset vault no key. */
static bool
worth_it(uint32_t call)
{
	return call != WIRE_INIT_TOKEN && call != WIRE_T_DELETE_TOKEN && call != WIRE_LOGIN &&
	       call != WIRE_LOGIN_USER && call != WIRE_T_POLICY &&
	       call != WIRE_INIT_PIN && call != WIRE_SET_PIN && call != WIRE_T_UNLOCK &&
	       call != WIRE_T_RESTORE_ACCEPT && call != WIRE_GENERATE_KEY_PAIR &&
	       call != WIRE_LOGOUT && call != WIRE_CLOSE_ALL_SESSIONS;
}

static void
add_key(CK_KEY_TYPE type, CK_ULONG *handle)
{
	static const uint8_t value[32] = {1, 2, 3};
	CK_OBJECT_CLASS class = CKO_SECRET_KEY;
	CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
	CK_ATTRIBUTE templ[] = {
		{CKA_CLASS, &class, sizeof(class)},
		{CKA_KEY_TYPE, &type, sizeof(type)},
		{CKA_TOKEN, &no, 1},
		{CKA_PRIVATE, &no, 1},
		{type == CKK_AES ? CKA_ENCRYPT : CKA_SIGN, &yes, 1},
		{type == CKK_AES ? CKA_DECRYPT : CKA_VERIFY, &yes, 1},
		{CKA_EXTRACTABLE, &yes, 1},
		{CKA_VALUE, (void *)value, sizeof(value)},
	};

	need("create", ask(&peer, WIRE_CREATE_OBJECT, "ua", session, templ, 8UL));
	*handle = got(&peer);
}

static void
open_session(void)
{
	need("session",
		ask(&peer, WIRE_OPEN_SESSION, "uu", 0UL, CKF_SERIAL_SESSION | CKF_RW_SESSION));
	session = got(&peer);
}

static void
begin(void)
{
	char label[32];

	memset(label, ' ', sizeof(label));
	need("vault", bench_open(&bench));
	peer_open(&peer, bench.daemon);
	need("token", ask(&peer, WIRE_INIT_TOKEN, "ubb", 0UL, SO_PIN, strlen(SO_PIN), label,
			      sizeof(label)));
	open_session();
	need("so", ask(&peer, WIRE_LOGIN, "uub", session, (CK_ULONG)CKU_SO, SO_PIN,
			   strlen(SO_PIN)));
	need("pin", ask(&peer, WIRE_INIT_PIN, "ub", session, PIN, strlen(PIN)));
	need("logout", ask(&peer, WIRE_LOGOUT, "u", session));
	need("login",
		ask(&peer, WIRE_LOGIN, "uub", session, (CK_ULONG)CKU_USER, PIN, strlen(PIN)));
	add_key(CKK_GENERIC_SECRET, &keys[0]);
	add_key(CKK_AES, &keys[1]);
}

static void
end(void)
{
	peer_close(&peer);
	bench_close(&bench);
}

/* Operations whose uses nobody gets to by chance, begun anew where an input ended them. */
static void
begin_operations(void)
{
	static const uint32_t begins[] = {WIRE_MESSAGE_ENCRYPT_INIT, WIRE_MESSAGE_DECRYPT_INIT, WIRE_MESSAGE_SIGN_INIT,
		WIRE_MESSAGE_VERIFY_INIT};
	CK_MECHANISM gcm = {CKM_AES_GCM, NULL, 0}, hmac = {CKM_SHA256_HMAC, NULL, 0};

	for (size_t i = 0; i < 4; i++)
		ask(&peer, begins[i], "umu", session, i < 2 ? &gcm : &hmac, keys[i < 2]);
	ask(&peer, WIRE_VERIFY_SIGNATURE_INIT, "umub", session, &hmac, keys[0], "signature", (size_t)9);
}

/* What a valid client would have put there. */
static void
mend(uint8_t *frame, size_t len)
{
	struct wire_header h;
	const struct wire_call *row;

	wire_get_header(frame, &h);
	h.length = (uint32_t)len;
	wire_put_header(frame, &h);
	row = wire_call(h.call);
	if (row && row->request[0] == 'u' && len >= WIRE_HEADER + 8 &&
		h.call >= WIRE_GET_SESSION_INFO && h.call < WIRE_T_STATUS &&
		h.call != WIRE_WAIT_FOR_SLOT_EVENT) {
		memset(frame + WIRE_HEADER, 0, 8);
		for (int i = 0; i < 4; i++)
			frame[WIRE_HEADER + i] = (uint8_t)(session >> (8 * i));
	}
}

static void
one_frame(const uint8_t *data, size_t len, bool whole)
{
	uint8_t *frame =
		malloc(len ? len : 1); /* of its own, so that a read past its end is seen */
	struct wire_header asked = {0}, answer;

	if (!frame)
		return;
	memcpy(frame, data, len);
	if (whole && len >= WIRE_HEADER)
		mend(frame, len);
	if (len >= WIRE_HEADER)
		wire_get_header(frame, &asked);
	if (worth_it(asked.call)) {
		rpc_cost(frame, len);
		rpc_call(peer.app, frame, len, &peer.reply);
		if (peer.reply.buf.len < WIRE_HEADER)
			die("no reply");
		wire_get_header(peer.reply.buf.data, &answer);
		if (answer.length != peer.reply.buf.len || answer.call != asked.call ||
			answer.seq != asked.seq)
			die("not a proper reply");
	}
	free(frame);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (!peer.app) {
		need("memory", secret_start());
		begin();
		atexit(end);
	}
	begin_operations();
	while (len >= 2) {
		size_t n = (size_t)(data[0] | (data[1] & 0x7f) << 8);
		bool whole = !(data[1] & 0x80);

		data += 2, len -= 2;
		n = n < len ? n : len;
		one_frame(data, n, whole);
		data += n, len -= n;
	}
	if (ask(&peer, WIRE_GET_SESSION_INFO, "u", session) != CKR_OK) {
		open_session();
		add_key(CKK_GENERIC_SECRET, &keys[0]);
		add_key(CKK_AES, &keys[1]);
	}
	if (++inputs % RENEW_AFTER == 0) {
		end();
		begin();
	}
	return 0;
}
