/*
 * api_loop.h - the module's connection as a loop to rpc_call, and a token with keys in it, for
 * fuzz_api
 *
 * Replaces channel_open (linked with --wrap): each time the module connects, the daemon gets a
 * new application. `renew` brings sessions, objects and login back to what every input finds.
 */
#ifndef TOKENFS_API_LOOP_H
#define TOKENFS_API_LOOP_H

#include <stdio.h>

#include "../../pkcs11/export.h"

#include "../../pkcs11/channel.h"
#include "../../pkcs11/param.h"
#include "../unit/peer.h"

#define SO_PIN	  "so-pin-1"
#define PIN	  "user-pin-1"
#define NELEMS(v) (sizeof(v) / sizeof((v)[0]))

CK_RV __wrap_channel_open(
	struct channel **c, const char *mount, const CK_C_INITIALIZE_ARGS *args);

static struct bench bench;
static struct peer
	peer; /* another application, logged in all the time: so a login need not run scrypt */
static struct app *app;

static void
die(const char *what)
{
	fprintf(stderr, "fuzz_api: %s: %s\n", what, why_text());
	abort();
}

static void
need(const char *what, CK_RV rv)
{
	if (rv != CKR_OK) {
		fprintf(stderr, "0x%lx\n", rv);
		die(what);
	}
}

/* ---- the loop: carriers 1 and 2 of pkcs11/channel.h without a kernel ---- */
static struct {
	uint8_t *in;
	size_t len;
	struct codec reply;
} streams[WIRE_STREAMS];

/* Long work would leave no time for the rest. */
static bool
worth_it(uint32_t call)
{
	return call != WIRE_INIT_TOKEN && call != WIRE_INIT_PIN && call != WIRE_SET_PIN &&
	       call != WIRE_WAIT_FOR_SLOT_EVENT;
}

static void
perform(const uint8_t *frame, size_t len, struct codec *reply)
{
	uint8_t *own = malloc(len);
	struct wire_header h;

	memcpy(own, frame, len);
	wire_get_header(own, &h);
	if (!worth_it(h.call)) { /* an empty template, a session that is not there: refused at
				    once */
		h.call = WIRE_GET_SESSION_INFO;
		wire_put_header(own, &h);
	}
	rpc_call(app, own, len, reply);
	wire_get_header(frame, &h);
	if (!worth_it(h.call)) {
		struct wire_header bare = {.length = WIRE_HEADER,
			.call = h.call,
			.seq = h.seq,
			.rv = CKR_FUNCTION_FAILED};

		buf_clear(&reply->buf);
		buf_put(&reply->buf, own, WIRE_HEADER);
		wire_put_header(reply->buf.data, &bare);
	}
	free(own);
}

static int
loop_ioctl(int fd, unsigned long request, void *buf)
{
	struct codec reply = {0};
	struct wire_header h;
	size_t room = _IOC_SIZE(request);

	(void)fd;
	wire_get_header(buf, &h);
	if (h.length < WIRE_HEADER || h.length > room)
		die("a frame that does not fit its carrier");
	perform(buf, h.length, &reply);
	if (reply.buf.len <= room) {
		memcpy(buf, reply.buf.data, reply.buf.len);
		codec_free(&reply);
		return 0;
	}
	codec_free(&streams[0].reply);
	streams[0].reply = reply; /* transferred */
	h.length = WIRE_HEADER;
	h.rv = WIRE_RV_READ_STREAM;
	wire_put_header(buf, &h);
	return 0;
}

static ssize_t
loop_pwrite(int fd, const void *data, size_t len, off_t at)
{
	unsigned n = (unsigned)((uint64_t)at >> 32);
	size_t from = (size_t)((uint64_t)at & 0xffffffffu);

	(void)fd;
	if (n >= WIRE_STREAMS)
		die("a stream that is none");
	streams[n].in = realloc(streams[n].in, from + len);
	memcpy(streams[n].in + from, data, len);
	streams[n].len = from + len;
	return (ssize_t)len;
}

static ssize_t
loop_pread(int fd, void *data, size_t len, off_t at)
{
	unsigned n = (unsigned)((uint64_t)at >> 32);
	size_t from = (size_t)((uint64_t)at & 0xffffffffu), left;

	(void)fd;
	if (from == 0 && n != 0)
		perform(streams[n].in, streams[n].len, &streams[n].reply);
	left = streams[n].reply.buf.len - from;
	len = len < left ? len : left;
	memcpy(data, streams[n].reply.buf.data + from, len);
	return (ssize_t)len;
}

static const struct channel_io loop_io = {loop_ioctl, loop_pwrite, loop_pread};

/* The module connects: a new application for the daemon. */
CK_RV
__wrap_channel_open(struct channel **c, const char *mount, const CK_C_INITIALIZE_ARGS *args)
{
	char path[128];
	FILE *f;
	int fd;

	(void)mount;
	if (app != NULL)
		app_close(app);
	need("application", app_open(&app, bench.daemon, getuid(), getpid()));
	snprintf(path, sizeof(path), "%s/connection", bench.dir);
	if ((f = fopen(path, "w")) == NULL)
		die(path);
	fd = dup(fileno(f));
	fclose(f);
	return channel_attach(c, fd, args, &loop_io);
}
/* ---- a token with things in it ---- */
static CK_SESSION_HANDLE keeper; /* owns the objects, keeps the login; inputs do not know it */
static CK_SESSION_HANDLE sessions[3];
static bool dirty; /* objects or login are not any more as populate left them */
static CK_OBJECT_HANDLE objects[24];
static size_t n_objects;
static CK_BBOOL yes = CK_TRUE, no = CK_FALSE;

static void
remember(CK_OBJECT_HANDLE h)
{
	objects[n_objects < NELEMS(objects) ? n_objects++ : NELEMS(objects) - 1] = h;
}

static void
add_secret(CK_KEY_TYPE type, CK_ULONG len)
{
	static uint8_t value[64] = {1, 2, 3, 4, 5, 6, 7, 8};
	CK_OBJECT_CLASS class = CKO_SECRET_KEY;
	CK_ATTRIBUTE templ[] = {{CKA_CLASS, &class, sizeof(class)},
		{CKA_KEY_TYPE, &type, sizeof(type)}, {CKA_TOKEN, &no, 1}, {CKA_PRIVATE, &no, 1},
		{CKA_SENSITIVE, &no, 1}, {CKA_EXTRACTABLE, &yes, 1}, {CKA_SIGN, &yes, 1},
		{CKA_VERIFY, &yes, 1}, {CKA_ENCRYPT, &yes, 1}, {CKA_DECRYPT, &yes, 1},
		{CKA_WRAP, &yes, 1}, {CKA_UNWRAP, &yes, 1}, {CKA_DERIVE, &yes, 1},
		{CKA_VALUE, value, len}};
	CK_OBJECT_HANDLE h;

	if (C_CreateObject(keeper, templ, NELEMS(templ), &h) == CKR_OK)
		remember(h);
}

static void
add_pair(void)
{
	static CK_BYTE p256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
	CK_MECHANISM m = {CKM_EC_KEY_PAIR_GEN, NULL, 0};
	CK_ATTRIBUTE pub[] = {{CKA_EC_PARAMS, p256, sizeof(p256)}, {CKA_TOKEN, &no, 1},
		{CKA_VERIFY, &yes, 1}};
	CK_ATTRIBUTE priv[] = {{CKA_TOKEN, &no, 1}, {CKA_SIGN, &yes, 1}, {CKA_DERIVE, &yes, 1},
		{CKA_EXTRACTABLE, &yes, 1}};
	CK_OBJECT_HANDLE a, b;

	need("pair", C_GenerateKeyPair(keeper, &m, pub, 3, priv, 4, &a, &b));
	remember(a);
	remember(b);
}

static size_t n_standing; /* of objects: those that every input finds */

static void
open_sessions(void)
{
	for (size_t i = 0; i < NELEMS(sessions); i++)
		need("session",
			C_OpenSession(0, CKF_SERIAL_SESSION | (i < 2 ? CKF_RW_SESSION : 0),
				NULL, NULL, &sessions[i]));
	n_objects = n_standing;
}

static void
populate(void)
{
	need("session",
		C_OpenSession(0, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &keeper));
	need("login", C_Login(keeper, CKU_USER, (CK_UTF8CHAR *)PIN, strlen(PIN)));
	n_objects = 0;
	add_secret(CKK_AES, 16);
	add_secret(CKK_AES, 32);
	add_secret(CKK_GENERIC_SECRET, 48);
	add_secret(CKK_GENERIC_SECRET, 20);
	add_secret(CKK_DES3, 24);
	add_secret(CKK_CHACHA20, 32);
	add_pair();
	n_standing = n_objects;
	open_sessions();
	dirty = false;
}

/* Every input finds the same: no session, no object, no logout of the one before. */
static void
renew(void)
{
	if (dirty) {
		need("C_CloseAllSessions", C_CloseAllSessions(0));
		populate();
		return;
	}
	for (size_t i = 0; i < NELEMS(sessions); i++)
		C_CloseSession(sessions[i]);
	open_sessions();
}

static void
write_conf(void)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/conf", bench.dir);
	if ((f = fopen(path, "w")) == NULL)
		die(path);
	fprintf(f, "vault = %s\nstate = %s\nkey_file = %s\nmount = %s/mnt\nautostart = no\n",
		bench.vault, bench.state, bench.key, bench.dir);
	fclose(f);
	chmod(path, 0600);
	setenv("TOKENFS_CONF", path, 1);
}

static void
begin(void)
{
	CK_ULONG s;
	char label[32];

	memset(label, ' ', sizeof(label));
	need("vault", bench_open(&bench));
	write_conf();
	peer_open(&peer, bench.daemon);
	need("token", ask(&peer, WIRE_INIT_TOKEN, "ubb", 0UL, SO_PIN, strlen(SO_PIN), label,
			      sizeof(label)));
	need("session",
		ask(&peer, WIRE_OPEN_SESSION, "uu", 0UL, CKF_SERIAL_SESSION | CKF_RW_SESSION));
	s = got(&peer);
	need("so", ask(&peer, WIRE_LOGIN, "uub", s, (CK_ULONG)CKU_SO, SO_PIN, strlen(SO_PIN)));
	need("pin", ask(&peer, WIRE_INIT_PIN, "ub", s, PIN, strlen(PIN)));
	need("logout", ask(&peer, WIRE_LOGOUT, "u", s));
	need("login", ask(&peer, WIRE_LOGIN, "uub", s, (CK_ULONG)CKU_USER, PIN, strlen(PIN)));
	need("C_Initialize", C_Initialize(NULL));
	populate();
}

static void
end(void)
{
	C_Finalize(NULL);
	if (app != NULL)
		app_close(app);
	app = NULL;
	peer_close(&peer);
	bench_close(&bench);
}

#endif
