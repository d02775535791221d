/*
 * node_text.c - texts and names, and what a token's own files say
 */
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "../store/mech.h"
#include "../store/secret.h"
#include "../store/why.h"
#include "log.h"
#include "node.h"
#include "unlock.h"

/* ---- texts ---- */

void
text_put(struct text *t, const void *data, size_t len)
{
	uint8_t *grown;
	size_t cap = t->cap ? t->cap : 512;

	if (t->failed || len == 0)
		return;
	while (cap - t->len < len)
		cap *= 2;
	if (cap != t->cap) {
		grown = secret_realloc(t->data, cap);
		if (!grown) {
			t->failed = true;
			return;
		}
		t->data = grown;
		t->cap = cap;
	}
	memcpy(t->data + t->len, data, len);
	t->len += len;
}

void
text_printf(struct text *t, const char *fmt, ...)
{
	char line[1024];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (n > 0)
		text_put(t, line, (size_t)n < sizeof(line) ? (size_t)n : sizeof(line) - 1);
}

void
text_hex(struct text *t, const uint8_t *data, size_t len)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < len; i++) {
		text_put(t, &digits[data[i] >> 4], 1);
		text_put(t, &digits[data[i] & 15], 1);
	}
}

void
text_pem(struct text *t, const char *type, const uint8_t *der, size_t len)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	text_printf(t, "-----BEGIN %s-----\n", type);
	for (size_t i = 0; i < len; i += 3) {
		uint32_t x = (uint32_t)der[i] << 16 | (i + 1 < len ? (uint32_t)der[i + 1] << 8 : 0) |
			(i + 2 < len ? der[i + 2] : 0);

		text_put(t, &digits[x >> 18], 1);
		text_put(t, &digits[x >> 12 & 63], 1);
		text_put(t, i + 1 < len ? &digits[x >> 6 & 63] : "=", 1);
		text_put(t, i + 2 < len ? &digits[x & 63] : "=", 1);
		if (i % 48 == 45 || i + 3 >= len)
			text_put(t, "\n", 1);
	}
	text_printf(t, "-----END %s-----\n", type);
}

void
text_free(struct text *t)
{
	secret_free(t->data);
	memset(t, 0, sizeof(*t));
}

/* Length of the UTF-8 character at p (RFC 3629), 0 if it is none. */
static size_t
utf8_length(const uint8_t *p, size_t len)
{
	size_t n = p[0] < 0x80 ? 1 : p[0] < 0xC2 ? 0 : p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : p[0] < 0xF5 ? 4 : 0;

	if (n == 0 || n > len)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((p[i] & 0xC0) != 0x80)
			return 0;
	/* overlong, surrogates, beyond U+10FFFF */
	if ((p[0] == 0xE0 && p[1] < 0xA0) || (p[0] == 0xED && p[1] > 0x9F) ||
		(p[0] == 0xF0 && p[1] < 0x90) || (p[0] == 0xF4 && p[1] > 0x8F))
		return 0;
	return n;
}

static bool
is_control(uint8_t c)
{
	return c < 0x20 || c == 0x7F;
}

void
text_quoted(struct text *t, const uint8_t *data, size_t len)
{
	text_put(t, "\"", 1);
	for (size_t i = 0; i < len;) {
		size_t n = utf8_length(data + i, len - i);

		if (n == 0 || is_control(data[i])) {
			if (data[i] == '\n') {
				text_put(t, "\\n", 2);
			} else {
				text_put(t, "\\x", 2);
				text_hex(t, data + i, 1);
			}
			i++;
			continue;
		}
		if (data[i] == '"' || data[i] == '\\')
			text_put(t, "\\", 1);
		text_put(t, data + i, n);
		i += n;
	}
	text_put(t, "\"", 1);
}

/* ---- names ---- */

bool
name_escape(char *out, size_t max, const uint8_t *label, size_t len)
{
	size_t at = 0;

	for (size_t i = 0; i < len;) {
		size_t n = utf8_length(label + i, len - i);
		bool plain = n > 0 && !is_control(label[i]) && !strchr("/%~", label[i]) &&
			!(i == 0 && label[i] == '.');
		size_t room = plain ? n : 3;

		if (at + room >= max) {
			out[at] = '\0';
			return false;
		}
		if (plain)
			memcpy(out + at, label + i, n);
		else
			snprintf(out + at, 4, "%%%02X", label[i]);
		at += room;
		i += plain ? n : 1;
	}
	out[at] = '\0';
	return true;
}

static int
hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool
name_unescape(const char *name, size_t len, uint8_t *out, size_t max, size_t *out_len)
{
	size_t at = 0;

	for (size_t i = 0; i < len; i++) {
		if (at == max)
			return false;
		if (name[i] != '%') {
			out[at++] = (uint8_t)name[i];
			continue;
		}
		if (len - i < 3 || hex_digit(name[i + 1]) < 0 || hex_digit(name[i + 2]) < 0)
			return false;
		out[at++] = (uint8_t)(hex_digit(name[i + 1]) << 4 | hex_digit(name[i + 2]));
		i += 2;
	}
	*out_len = at;
	return true;
}

/* ---- token ---- */

static const char *
state_text(const struct token_info *i)
{
	switch (i->state) {
	case TOKEN_OK:
		return "ok";
	case TOKEN_ROLLED_BACK:
		return "rolled back";
	default:
		return "damaged";
	}
}

CK_RV
node_text_token(const struct look *l, struct text *t)
{
	struct token_info i;
	CK_RV rv = token_info(l->token, &i);

	if (rv != CKR_OK)
		return rv;
	text_printf(t, "label = ");
	text_quoted(t, (const uint8_t *)i.label, strlen(i.label));
	text_printf(t, "\nserial = %s\nslot = %lu\nstate = %s\n", i.serial, i.slot, state_text(&i));
	if (i.state != TOKEN_OK) {
		text_printf(t, "reason = ");
		text_quoted(t, (const uint8_t *)i.reason, strlen(i.reason));
		text_printf(t, "\n");
	}
	text_printf(t, "access = %s\n", i.read_only ? "read-only" : "read-write");
	text_printf(t, "login = %s\n", l->unlocked ? "unlocked" : "locked");
	text_printf(t, "user-pin = %s\n", i.user_pin_set ? "set" : "not set");
	text_printf(t, "user-pin-tries-left = %u of %u\n", i.user_tries_left, i.user_tries);
	text_printf(t, "so-pin-tries-left = %u of %u\n", i.so_tries_left, i.so_tries);
	text_printf(t, "policy = %s\n", i.compat ? "compat" : "strict");
	text_printf(t, "public-objects = %zu\nprivate-objects = %zu\n", i.public_objects,
		i.private_objects);
	text_printf(t, "epoch = %llu\ndisk-bytes = %llu\n", (unsigned long long)i.epoch,
		(unsigned long long)i.disk_bytes);
	return CKR_OK;
}

static const struct {
	CK_FLAGS flag;
	const char *name;
} flag_names[] = {
	{CKF_ENCRYPT, "encrypt"},
	{CKF_DECRYPT, "decrypt"},
	{CKF_DIGEST, "digest"},
	{CKF_SIGN, "sign"},
	{CKF_SIGN_RECOVER, "sign-recover"},
	{CKF_VERIFY, "verify"},
	{CKF_VERIFY_RECOVER, "verify-recover"},
	{CKF_GENERATE, "generate"},
	{CKF_GENERATE_KEY_PAIR, "generate-key-pair"},
	{CKF_WRAP, "wrap"},
	{CKF_UNWRAP, "unwrap"},
	{CKF_DERIVE, "derive"},
	{CKF_ENCAPSULATE, "encapsulate"},
	{CKF_DECAPSULATE, "decapsulate"},
};

CK_RV
node_text_mechanisms(const struct look *l, struct text *t)
{
	bool compat = token_compat(l->token);

	for (size_t i = 0; i < mech_count(); i++) {
		const struct mech *m = mech_find_for(mech_at(i)->type, compat);
		const char *name = ck_name(NAMES_MECH, m->type);

		if (!mech_offered(m, compat))
			continue;
		if (name)
			text_printf(t, "%s", name);
		else
			text_printf(t, "0x%08lx", m->type);
		if (m->max)
			text_printf(t, " %lu-%lu", m->min, m->max);
		else
			text_printf(t, " -");
		for (size_t f = 0; f < sizeof(flag_names) / sizeof(flag_names[0]); f++)
			if (mech_flags(m, compat) & flag_names[f].flag)
				text_printf(t, " %s", flag_names[f].name);
		text_printf(t, "\n");
	}
	return CKR_OK;
}

CK_RV
node_text_login(const struct look *l, struct text *t)
{
	text_printf(t, "%s\n", l->unlocked ? "unlocked" : "locked");
	return CKR_OK;
}

/* ---- last-error ---- */

/* The latest failures, one per token and user; the oldest makes room. */
#define ERRORS 32
static struct {
	bool used;
	CK_SLOT_ID slot;
	uid_t uid;
	uint64_t age;
	char text[640];
} errors[ERRORS];
static uint64_t errors_age;
static pthread_mutex_t errors_lock = PTHREAD_MUTEX_INITIALIZER;

/* The place of (slot, uid), or -1. With errors_lock held. */
static int
error_find(CK_SLOT_ID slot, uid_t uid)
{
	for (int i = 0; i < ERRORS; i++)
		if (errors[i].used && errors[i].slot == slot && errors[i].uid == uid)
			return i;
	return -1;
}

static int
error_oldest(void)
{
	int oldest = 0;

	for (int i = 1; i < ERRORS; i++)
		if (errors[i].age < errors[oldest].age)
			oldest = i;
	return oldest;
}

void
node_note_error(const struct look *l, const char *what, CK_RV rv)
{
	const char *name = ck_name(NAMES_RV, rv), *reason = why_text();
	struct tm tm;
	time_t now = time(NULL);
	char when[32];
	int i;

	gmtime_r(&now, &tm);
	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
	pthread_mutex_lock(&errors_lock);
	i = error_find(l->node.slot, l->viewer.uid);
	if (i < 0)
		i = error_oldest();
	errors[i].used = true;
	errors[i].slot = l->node.slot;
	errors[i].uid = l->viewer.uid;
	errors[i].age = ++errors_age;
	snprintf(errors[i].text, sizeof(errors[i].text), "%s %s: %s%s%s\n", when, what,
		name ? name : "error", *reason ? ": " : "", reason);
	pthread_mutex_unlock(&errors_lock);
	log_at(WHY_NOTICE, "slot %u, uid %lu: %s: %s%s%s", l->node.slot, (unsigned long)l->viewer.uid,
		what, name ? name : "error", *reason ? ": " : "", reason);
}

CK_RV
node_text_last_error(const struct look *l, struct text *t)
{
	int i;

	pthread_mutex_lock(&errors_lock);
	i = error_find(l->node.slot, l->viewer.uid);
	if (i >= 0)
		text_put(t, errors[i].text, strlen(errors[i].text));
	pthread_mutex_unlock(&errors_lock);
	return CKR_OK;
}
