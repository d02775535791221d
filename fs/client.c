#include "client.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "../store/why.h"
#include "app.h"
#include "rpc.h"

#define FUSE_MAGIC 0x65735546
/* Requests go by stream 1 when no ioctl holds them; answers too big for one wait in stream 0. */
#define STREAM_ANSWER 0
#define STREAM_CALL   1
/* The smallest buffer worth offering: most answers fit, whatever the request's size. */
#define IOCTL_ROOM_MIN 4096

struct client {
	int fd; /* the connection's file, or -1: in this process */
	uint32_t seq;
	uint8_t *frame; /* the last answer; what a reply's get calls hand out lies here */
	size_t len, cap;
	/* in this process */
	struct daemon *daemon;
	struct app *app;
	struct codec answer;
};

static CK_RV fail(char *err, size_t err_len, CK_RV rv, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

static CK_RV
fail(char *err, size_t err_len, CK_RV rv, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err, err_len, fmt, ap);
	va_end(ap);
	return rv;
}

/* ---- the mount ---- */

/* Who mounted the file system of device `dev`: the kernel's word, not the daemon's. st_uid could be
 * made up by whoever serves the mount; user_id= in mountinfo cannot. */
static bool
mounted_by(dev_t dev, uid_t *uid)
{
	char *line = NULL, want[32];
	size_t cap = 0;
	bool found = false;
	FILE *f = fopen("/proc/self/mountinfo", "re");

	snprintf(want, sizeof(want), " %u:%u ", major(dev), minor(dev));
	while (f && !found && getline(&line, &cap, f) > 0) {
		const char *at = strstr(line, " - "), *id;

		if (!strstr(line, want) || !at)
			continue;
		id = strstr(at, "user_id=");
		if (!id)
			continue;
		*uid = (uid_t)strtoul(id + 8, NULL, 10);
		found = true;
	}
	if (f)
		fclose(f);
	free(line);
	return found;
}

/* The mount's root folder, checked: it is FUSE and ours, so a PIN may be sent there. *dir == -1 and
 * CKR_DEVICE_REMOVED: nothing is mounted. */
static CK_RV
open_mount(const char *path, int *dir, char *err, size_t err_len)
{
	struct statfs fs;
	struct stat st;
	uid_t uid = 0;
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int e = errno;

	*dir = -1;
	if (fd < 0 && e == ENOTCONN)
		return fail(err, err_len, CKR_DEVICE_REMOVED, "the daemon of %s is gone and left its mount behind",
			path);
	if (fd < 0 && e == EACCES)
		return fail(err, err_len, CKR_FUNCTION_REJECTED, "%s cannot be entered; a mount is open to the "
			"user who made it, to no other and not to root", path);
	if (fd < 0)
		return fail(err, err_len, CKR_DEVICE_REMOVED, "nothing is mounted at %s", path);
	if (fstatfs(fd, &fs) < 0 || fstat(fd, &st) < 0) {
		e = errno;
		close(fd);
		return fail(err, err_len, CKR_DEVICE_REMOVED, "%s: %s", path, strerror(e));
	}
	if (fs.f_type != FUSE_MAGIC) {
		close(fd);
		return fail(err, err_len, CKR_DEVICE_REMOVED, "nothing is mounted at %s", path);
	}
	if (!mounted_by(st.st_dev, &uid) || uid != geteuid()) {
		close(fd);
		return fail(err, err_len, CKR_FUNCTION_REJECTED, "%s was mounted by another user (uid %u)", path,
			(unsigned)uid);
	}
	*dir = fd;
	return CKR_OK;
}

/* A new file below .p11/conn is the connection. */
static CK_RV
connect_file(struct client *c, int dir, const char *path, char *err, size_t err_len)
{
	uint64_t random[2];
	char name[64];

	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		return fail(err, err_len, CKR_GENERAL_ERROR, "no random bytes: %s", strerror(errno));
	snprintf(name, sizeof(name), ".p11/conn/%016llx%016llx", (unsigned long long)random[0],
		(unsigned long long)random[1]);
	c->fd = openat(dir, name, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
	if (c->fd >= 0)
		return CKR_OK;
	if (errno == ENOENT)
		return fail(err, err_len, CKR_DEVICE_REMOVED, "what is mounted at %s is not tokenfs", path);
	return fail(err, err_len, CKR_DEVICE_REMOVED, "%s does not answer: %s", path, strerror(errno));
}

/* ---- carriers ---- */

static CK_RV
carrier_error(const char *what)
{
	switch (errno) {
	case ENOTCONN:
	case ECONNABORTED:
	case ESTALE:
	case ENODEV:
		return why(CKR_DEVICE_REMOVED, "the mount is gone");
	case EACCES:
	case EPERM:
		return why(CKR_FUNCTION_REJECTED, "the daemon refuses this process");
	default:
		return why(CKR_DEVICE_REMOVED, "the daemon does not answer (%s: %s)", what, strerror(errno));
	}
}

static bool
frame_room(struct client *c, size_t size)
{
	uint8_t *bigger;

	if (size <= c->cap)
		return true;
	bigger = malloc(size);
	if (!bigger)
		return false;
	if (c->len)
		memcpy(bigger, c->frame, c->len);
	if (c->frame)
		wipe(c->frame, c->cap);
	free(c->frame);
	c->frame = bigger;
	c->cap = size;
	return true;
}

/* A pread at position 0 performs the call and may be interrupted: the same again then. */
static CK_RV
read_stream(struct client *c, unsigned stream)
{
	struct wire_header h = {.length = WIRE_HEADER};
	size_t pos = 0;
	ssize_t n;

	c->len = 0;
	while (pos < h.length) {
		if (!frame_room(c, pos + WIRE_CHUNK))
			return CKR_HOST_MEMORY;
		n = pread(c->fd, c->frame + pos, WIRE_CHUNK, WIRE_OFFSET(stream, pos));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return carrier_error("read");
		if (n == 0 || (pos == 0 && n < (ssize_t)WIRE_HEADER))
			return why(CKR_DEVICE_ERROR, "the daemon sent half an answer");
		if (pos == 0) {
			wire_get_header(c->frame, &h);
			if (h.length < WIRE_HEADER || h.length > WIRE_MAX_FRAME)
				return why(CKR_DEVICE_ERROR, "the daemon sent an answer of a false length");
		}
		pos += (size_t)n;
		c->len = pos;
	}
	c->len = h.length;
	return CKR_OK;
}

static CK_RV
write_stream(struct client *c, unsigned stream, const uint8_t *frame, size_t len)
{
	for (size_t pos = 0; pos < len;) {
		size_t left = len - pos < WIRE_CHUNK ? len - pos : WIRE_CHUNK;
		ssize_t n = pwrite(c->fd, frame + pos, left, WIRE_OFFSET(stream, pos));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return carrier_error("write");
		pos += (size_t)n;
	}
	return CKR_OK;
}

static CK_RV
fetch_answer(struct client *c, const struct wire_header *h)
{
	struct wire_header ask = {.length = WIRE_HEADER, .call = h->call, .seq = h->seq};
	uint8_t frame[WIRE_HEADER];
	CK_RV rv;

	wire_put_header(frame, &ask);
	rv = write_stream(c, STREAM_ANSWER, frame, sizeof(frame));
	return rv == CKR_OK ? read_stream(c, STREAM_ANSWER) : rv;
}

static CK_RV
exchange_ioctl(struct client *c, const uint8_t *frame, size_t len, unsigned long request, size_t room)
{
	struct wire_header h;
	int r;

	if (!frame_room(c, room))
		return CKR_HOST_MEMORY;
	do {
		memcpy(c->frame, frame, len);
		memset(c->frame + len, 0, room - len);
		c->len = room;
		r = ioctl(c->fd, request, c->frame);
	} while (r < 0 && errno == EINTR);
	if (r < 0)
		return carrier_error("ioctl");
	wire_get_header(c->frame, &h);
	if (h.rv == WIRE_RV_READ_STREAM)
		return fetch_answer(c, &h);
	if (h.length < WIRE_HEADER || h.length > room)
		return why(CKR_DEVICE_ERROR, "the daemon sent an answer of a false length");
	c->len = h.length;
	return CKR_OK;
}

static CK_RV
exchange(struct client *c, const uint8_t *frame, size_t len)
{
	size_t room;
	unsigned long request = wire_ioctl(len < IOCTL_ROOM_MIN ? IOCTL_ROOM_MIN : len, &room);
	CK_RV rv;

	if (c->app) {
		rpc_call(c->app, frame, len, &c->answer);
		return CKR_OK;
	}
	if (request)
		return exchange_ioctl(c, frame, len, request, room);
	rv = write_stream(c, STREAM_CALL, frame, len);
	return rv == CKR_OK ? read_stream(c, STREAM_CALL) : rv;
}

/* ---- the door ---- */

static CK_RV
hello(struct client *c, char *err, size_t err_len)
{
	struct codec request = {0}, reply = {0};
	CK_ULONG version = 0;
	CK_RV rv;

	codec_begin(&request, WIRE_HELLO, client_seq(c));
	codec_put_ulong(&request, WIRE_VERSION);
	codec_put_ulong(&request, 0);
	rv = client_call(c, &request, &reply);
	if (rv == CKR_OK)
		codec_get_ulong(&reply, &version);
	if (rv == CKR_OK && version != WIRE_VERSION)
		rv = CKR_FUNCTION_NOT_SUPPORTED;
	if (rv == CKR_FUNCTION_NOT_SUPPORTED)
		fail(err, err_len, rv, "the daemon speaks version %lu of the protocol, this command version %u",
			(unsigned long)version, WIRE_VERSION);
	else if (rv != CKR_OK)
		fail(err, err_len, rv, "the daemon does not greet: %s", why_text());
	codec_free(&request);
	codec_free(&reply);
	return rv;
}

static CK_RV
open_in_process(struct client *c, const struct conf *conf, char *err, size_t err_len)
{
	CK_RV rv;

	if (!vault_exists(conf->vault))
		return fail(err, err_len, CKR_DEVICE_REMOVED, "there is no vault in %s; make one with "
			"`tokenfs init`", conf->vault);
	rv = daemon_open(&c->daemon, conf, false);
	if (rv == CKR_OK) {
		c->daemon->in_process = true;
		rv = app_open(&c->app, c->daemon, geteuid(), getpid());
	}
	if (rv != CKR_OK)
		fail(err, err_len, rv, "%s", why_text());
	return rv;
}

CK_RV
client_open(struct client **out, const struct conf *conf, enum client_way way, char *err, size_t err_len)
{
	struct client *c = calloc(1, sizeof(*c));
	CK_RV rv;
	int dir = -1;

	*out = NULL;
	if (!c)
		return fail(err, err_len, CKR_HOST_MEMORY, "out of memory");
	c->fd = -1;
	why_clear();
	rv = open_mount(conf->mount, &dir, err, err_len);
	if (rv == CKR_OK)
		rv = connect_file(c, dir, conf->mount, err, err_len);
	else if (rv == CKR_DEVICE_REMOVED && way == CLIENT_EITHER)
		rv = open_in_process(c, conf, err, err_len);
	if (rv == CKR_OK)
		rv = hello(c, err, err_len);
	if (rv != CKR_OK)
		goto out;
	*out = c;
	c = NULL; /* transferred */
out:
	if (dir >= 0)
		close(dir);
	client_close(c);
	return rv;
}

uint32_t
client_seq(struct client *c)
{
	return ++c->seq;
}

bool
client_mounted(const struct client *c)
{
	return c->fd >= 0;
}

CK_RV
client_call(struct client *c, struct codec *request, struct codec *reply)
{
	CK_RV rv;

	why_clear();
	rv = codec_end(request);
	if (rv == CKR_OK)
		rv = exchange(c, request->buf.data, request->buf.len);
	if (rv == CKR_OK && c->app)
		rv = codec_open(reply, CODEC_REPLY, c->answer.buf.data, c->answer.buf.len);
	else if (rv == CKR_OK)
		rv = codec_open(reply, CODEC_REPLY, c->frame, c->len);
	if (rv != CKR_OK)
		return rv;
	if (reply->h.call != request->h.call || reply->h.seq != request->h.seq)
		return why(CKR_DEVICE_ERROR, "the daemon answered another call");
	return reply->h.rv;
}

CK_RV
client_ask(struct client *c, struct codec *request, CK_ULONG *result)
{
	struct codec reply = {0};
	CK_RV rv = client_call(c, request, &reply);

	if (rv == CKR_OK && result)
		codec_get_ulong(&reply, result);
	if (rv == CKR_OK)
		rv = codec_close(&reply);
	codec_free(request);
	codec_free(&reply);
	return rv;
}

void
client_close(struct client *c)
{
	if (!c)
		return;
	if (c->fd >= 0)
		close(c->fd);
	if (c->app)
		app_close(c->app);
	if (c->daemon)
		daemon_close(c->daemon);
	codec_free(&c->answer);
	if (c->frame)
		wipe(c->frame, c->cap);
	free(c->frame);
	free(c);
}
