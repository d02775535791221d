/*
 * rpc_help.h - words for tests that speak to rpc_call: tokens, sessions, keys, searches
 */
#ifndef TOKENFS_RPC_HELP_H
#define TOKENFS_RPC_HELP_H

#include "peer.h"
#include "unit.h"

#define SO_PIN "so-pin-1"
#define PIN    "user-pin-1"

static __attribute__((unused)) const CK_FLAGS RO = CKF_SERIAL_SESSION, RW = CKF_SERIAL_SESSION | CKF_RW_SESSION;
static __attribute__((unused)) CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
static __attribute__((unused)) CK_OBJECT_CLASS secret_class = CKO_SECRET_KEY, data_class = CKO_DATA;
static __attribute__((unused)) CK_KEY_TYPE generic = CKK_GENERIC_SECRET, aes = CKK_AES;
static __attribute__((unused)) const uint8_t key_bytes[32] = "0123456789abcdef0123456789ABCDE";

static inline CK_RV
open_session(struct peer *p, CK_SLOT_ID slot, CK_FLAGS flags, CK_ULONG *h)
{
	CK_RV rv = ask(p, WIRE_OPEN_SESSION, "uu", slot, flags);

	*h = rv == CKR_OK ? got(p) : 0;
	return rv;
}

static inline CK_RV
login(struct peer *p, CK_ULONG s, CK_USER_TYPE user, const char *pin)
{
	return ask(p, WIRE_LOGIN, "uub", s, user, pin, pin ? strlen(pin) : (size_t)0);
}

static inline CK_RV
init_token(struct peer *p, CK_SLOT_ID slot, const char *so_pin, const char *label)
{
	char padded[32];

	memset(padded, ' ', sizeof(padded));
	memcpy(padded, label, strlen(label));
	return ask(p, WIRE_INIT_TOKEN, "ubb", slot, so_pin, strlen(so_pin), padded,
		sizeof(padded));
}

/* A daemon on a vault of its own; false, with a message, if there can be none. */
static inline bool
bench_ready(struct bench *b)
{
	if (secret_start() == CKR_OK && bench_open(b) == CKR_OK)
		return true;
	fprintf(stderr, "no vault: %s\n", why_text());
	return false;
}

/* A token with both PINs in slot 0. */
static inline void
make_token(struct bench *b, const char *label)
{
	struct peer p;
	CK_ULONG s;

	peer_open(&p, b->daemon);
	CHECK_RV(CKR_OK, init_token(&p, 0, SO_PIN, label));
	CHECK_RV(CKR_OK, open_session(&p, 0, RW, &s));
	CHECK_RV(CKR_OK, login(&p, s, CKU_SO, SO_PIN));
	CHECK_RV(CKR_OK, ask(&p, WIRE_INIT_PIN, "ub", s, PIN, strlen(PIN)));
	peer_close(&p);
}

static inline CK_FLAGS
token_flags(struct peer *p, CK_SLOT_ID slot)
{
	const uint8_t *text;
	size_t len;

	if (ask(p, WIRE_GET_TOKEN_INFO, "u", slot) != CKR_OK)
		return 0;
	for (int i = 0; i < 4; i++)
		codec_get_bytes(&p->answer, &text, &len);
	return got(p);
}

/* A generic secret or AES key of known bytes. */
static inline CK_RV
create_key(struct peer *p, CK_ULONG s, CK_KEY_TYPE *type, CK_BBOOL *token, CK_BBOOL *private,
	const char *label, CK_ULONG *h)
{
	CK_ULONG len = *type == CKK_AES ? 16 : 32;
	CK_ATTRIBUTE templ[] = {
		{CKA_CLASS, &secret_class, sizeof(secret_class)},
		{CKA_KEY_TYPE, type, sizeof(*type)},
		{CKA_TOKEN, token, 1},
		{CKA_PRIVATE, private, 1},
		{CKA_LABEL, (void *)label, strlen(label)},
		{*type == CKK_AES ? CKA_ENCRYPT : CKA_SIGN, &yes, 1},
		{*type == CKK_AES ? CKA_DECRYPT : CKA_VERIFY, &yes, 1},
		{CKA_VALUE, (void *)key_bytes, len},
	};
	CK_RV rv = ask(p, WIRE_CREATE_OBJECT, "ua", s, templ, sizeof(templ) / sizeof(templ[0]));

	*h = rv == CKR_OK ? got(p) : 0;
	return rv;
}

static inline CK_RV
create_data(struct peer *p, CK_ULONG s, CK_BBOOL *token, CK_BBOOL *private, const char *label,
	CK_ULONG *h)
{
	CK_ATTRIBUTE templ[] = {
		{CKA_CLASS, &data_class, sizeof(data_class)},
		{CKA_TOKEN, token, 1},
		{CKA_PRIVATE, private, 1},
		{CKA_LABEL, (void *)label, strlen(label)},
		{CKA_VALUE, (void *)key_bytes, 32},
	};
	CK_RV rv = ask(p, WIRE_CREATE_OBJECT, "ua", s, templ, sizeof(templ) / sizeof(templ[0]));

	*h = rv == CKR_OK ? got(p) : 0;
	return rv;
}

/* How many objects of a label the session finds; -1 if the search fails. */
static inline long
count(struct peer *p, CK_ULONG s, const char *label)
{
	CK_ATTRIBUTE templ = {CKA_LABEL, (void *)label, strlen(label)};
	CK_ULONG *v = NULL;
	size_t n = 0;

	if (ask(p, WIRE_FIND_OBJECTS_INIT, "ua", s, &templ, 1UL) != CKR_OK)
		return -1;
	if (ask(p, WIRE_FIND_OBJECTS, "uu", s, 100UL) != CKR_OK)
		return -1;
	codec_get_ulongs(&p->answer, &v, &n, 100);
	free(v);
	return ask(p, WIRE_FIND_OBJECTS_FINAL, "u", s) == CKR_OK ? (long)n : -1;
}

static inline CK_RV
sign_init(struct peer *p, CK_ULONG s, CK_ULONG key)
{
	CK_MECHANISM m = {CKM_SHA256_HMAC, NULL, 0};

	return ask(p, WIRE_SIGN_INIT, "umu", s, &m, key);
}

#endif
