/*
 * peer.h - a test's way to rpc_call: a scratch vault, a daemon on it, applications that send frames
 *
 * Use:        struct bench b; bench_open(&b); peer_open(&p, b.daemon); rv = ask(&p, WIRE_LOGIN, "uub", ...);
 *             the reply's items are then taken with codec_get_* from p.answer
 */
#ifndef TOKENFS_PEER_H
#define TOKENFS_PEER_H

#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../fs/app.h"
#include "../../fs/rpc.h"
#include "../../store/secret.h"
#include "../../store/why.h"

struct bench {
	char dir[64], vault[96], state[96], key[96];
	struct conf conf;
	struct daemon *daemon;
};

struct peer {
	struct app *app;
	uint32_t seq;
	struct codec reply; /* the daemon's */
	struct codec answer;
};

static inline CK_RV
bench_open(struct bench *b)
{
	struct vault_config cfg;
	CK_RV rv;

	strcpy(b->dir, "/tmp/tokenfs-rpc-XXXXXX");
	if (!mkdtemp(b->dir))
		return CKR_DEVICE_ERROR;
	snprintf(b->vault, sizeof(b->vault), "%s/vault", b->dir);
	snprintf(b->state, sizeof(b->state), "%s/state", b->dir);
	snprintf(b->key, sizeof(b->key), "%s/vault.key", b->dir);
	b->conf = (struct conf){.vault = b->vault, .state = b->state, .key_file = b->key,
		.mount = b->dir, .spare_slot = true, .max_sessions = 64, .pin_tries = 4};
	daemon_vault_config(&b->conf, false, &cfg);
	rv = vault_init(&cfg, false);
	return rv == CKR_OK ? daemon_open(&b->daemon, &b->conf, false) : rv;
}

static inline int
bench_remove(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static inline void
bench_close(struct bench *b)
{
	daemon_close(b->daemon);
	nftw(b->dir, bench_remove, 16, FTW_DEPTH | FTW_PHYS);
}

/* Puts the items by their letters: u CK_ULONG; y int; b pointer, size_t; o int present, CK_ULONG;
 * a, q CK_ATTRIBUTE *, CK_ULONG; m CK_MECHANISM *; M CK_MECHANISM *, int sealing; p pointer, CK_ULONG, int sealing. */
static inline void
peer_put(struct codec *m, const char *letters, va_list ap)
{
	for (; *letters; letters++) {
		if (*letters == 'u') {
			codec_put_ulong(m, va_arg(ap, CK_ULONG));
		} else if (*letters == 'y') {
			codec_put_byte(m, (uint8_t)va_arg(ap, int));
		} else if (*letters == 'm') {
			codec_put_mechanism(m, va_arg(ap, const CK_MECHANISM *));
		} else if (*letters == 'M') {
			const CK_MECHANISM *mech = va_arg(ap, const CK_MECHANISM *);

			codec_put_message_mechanism(m, mech, va_arg(ap, int));
		} else if (*letters == 'p') {
			const void *p = va_arg(ap, const void *);
			CK_ULONG len = va_arg(ap, CK_ULONG);

			codec_put_message_param(m, p, len, va_arg(ap, int));
		} else if (*letters == 'b') {
			const void *p = va_arg(ap, const void *);

			codec_put_bytes(m, p, va_arg(ap, size_t));
		} else if (*letters == 'o') {
			int present = va_arg(ap, int);

			codec_put_room(m, present, va_arg(ap, CK_ULONG));
		} else {
			const CK_ATTRIBUTE *a = va_arg(ap, const CK_ATTRIBUTE *);
			CK_ULONG n = va_arg(ap, CK_ULONG);

			if (*letters == 'a')
				codec_put_template(m, a, n);
			else
				codec_put_query(m, a, n);
		}
	}
}

/* The reply's rv; CKR_DEVICE_ERROR if the reply is no proper frame. */
static inline CK_RV
peer_frame(struct peer *p, const uint8_t *frame, size_t len)
{
	struct wire_header h, asked = {0};

	rpc_call(p->app, frame, len, &p->reply);
	if (p->reply.buf.len < WIRE_HEADER)
		return CKR_DEVICE_ERROR;
	wire_get_header(p->reply.buf.data, &h);
	if (len >= WIRE_HEADER)
		wire_get_header(frame, &asked);
	if (h.length != p->reply.buf.len || h.call != asked.call || h.seq != asked.seq)
		return CKR_DEVICE_ERROR;
	codec_free(&p->answer);
	if (wire_call(h.call) && codec_open(&p->answer, CODEC_REPLY, p->reply.buf.data, h.length) != h.rv &&
		h.rv == CKR_OK)
		return CKR_DEVICE_ERROR;
	return h.rv;
}

static inline CK_RV
ask(struct peer *p, uint32_t call, const char *letters, ...)
{
	struct codec request = {0};
	va_list ap;
	CK_RV rv;

	codec_begin(&request, call, ++p->seq);
	va_start(ap, letters);
	peer_put(&request, letters, ap);
	va_end(ap);
	rv = codec_end(&request);
	if (rv == CKR_OK)
		rv = peer_frame(p, request.buf.data, request.buf.len);
	codec_free(&request);
	return rv;
}

static inline CK_ULONG
got(struct peer *p)
{
	CK_ULONG v = CK_UNAVAILABLE_INFORMATION;

	codec_get_ulong(&p->answer, &v);
	return v;
}

static inline void
peer_open(struct peer *p, struct daemon *d)
{
	memset(p, 0, sizeof(*p));
	if (app_open(&p->app, d, getuid(), getpid()) == CKR_OK)
		ask(p, WIRE_HELLO, "uu", (CK_ULONG)WIRE_VERSION, 0UL);
}

static inline void
peer_close(struct peer *p)
{
	app_close(p->app);
	codec_free(&p->reply);
	codec_free(&p->answer);
}

#endif
