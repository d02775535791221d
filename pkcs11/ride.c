#include "ride.h"

#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "channel.h"
#include "param.h"

#define PLACES 256u /* sessions that are remembered at once */

enum kind { ENCRYPT, DECRYPT, DIGEST, SIGN, VERIFY, KINDS };
enum state { NONE, ACTIVE, READY, PENDING };

struct ride {
	enum state state;
	uint64_t ticket; /* of the last call of this kind */
	uint32_t call;   /* the Init's */
	size_t len;
	uint8_t init[RIDE_MAX];
};

struct place {
	CK_SESSION_HANDLE session;
	struct ride ride[KINDS];
};

struct rides {
	struct lock lock;
	uint64_t tickets;
	struct place *at[PLACES];
};

/* ---- what a call is to this file ---- */

enum role {
	CHANGES, /* may change what an Init answers, or whether an operation goes on */
	ASKS,    /* neither changes nor shows it */
	INIT,
	ONCE, /* a one-shot call */
	NOW,  /* an Init and a one-shot call */
	USES  /* any other call on operations */
};

struct part {
	uint8_t role, kinds;
};

#define BIT(kind) (1u << (kind))
#define FIVE(NAME) [WIRE_##NAME##_INIT] = {INIT, BIT(NAME)}, [WIRE_##NAME] = {ONCE, BIT(NAME)}, \
	[WIRE_##NAME##_UPDATE] = {USES, BIT(NAME)}, [WIRE_##NAME##_FINAL] = {USES, BIT(NAME)}, \
	[WIRE_##NAME##_NOW] = {NOW, BIT(NAME)}

/* What is not listed changes. */
static const struct part parts[WIRE_MAX_CALL + 1] = {
	FIVE(ENCRYPT),
	FIVE(DECRYPT),
	FIVE(DIGEST),
	FIVE(SIGN),
	FIVE(VERIFY),
	[WIRE_DIGEST_KEY] = {USES, BIT(DIGEST)},
	[WIRE_DIGEST_ENCRYPT_UPDATE] = {USES, BIT(DIGEST) | BIT(ENCRYPT)},
	[WIRE_DECRYPT_DIGEST_UPDATE] = {USES, BIT(DECRYPT) | BIT(DIGEST)},
	[WIRE_SIGN_ENCRYPT_UPDATE] = {USES, BIT(SIGN) | BIT(ENCRYPT)},
	[WIRE_DECRYPT_VERIFY_UPDATE] = {USES, BIT(DECRYPT) | BIT(VERIFY)},
	[WIRE_HELLO] = {ASKS},
	[WIRE_GET_SLOT_LIST] = {ASKS},
	[WIRE_GET_SLOT_INFO] = {ASKS},
	[WIRE_GET_TOKEN_INFO] = {ASKS},
	[WIRE_GET_MECHANISM_LIST] = {ASKS},
	[WIRE_GET_MECHANISM_INFO] = {ASKS},
	[WIRE_OPEN_SESSION] = {ASKS},
	[WIRE_GET_SESSION_INFO] = {ASKS},
	[WIRE_CREATE_OBJECT] = {ASKS},
	[WIRE_COPY_OBJECT] = {ASKS},
	[WIRE_GET_OBJECT_SIZE] = {ASKS},
	[WIRE_GET_ATTRIBUTE_VALUE] = {ASKS},
	[WIRE_FIND_OBJECTS_INIT] = {ASKS},
	[WIRE_FIND_OBJECTS] = {ASKS},
	[WIRE_FIND_OBJECTS_FINAL] = {ASKS},
	[WIRE_FIND_NOW] = {ASKS},
	[WIRE_SIGN_RECOVER_INIT] = {ASKS},
	[WIRE_SIGN_RECOVER] = {ASKS},
	[WIRE_VERIFY_RECOVER_INIT] = {ASKS},
	[WIRE_VERIFY_RECOVER] = {ASKS},
	[WIRE_GENERATE_KEY] = {ASKS},
	[WIRE_GENERATE_KEY_PAIR] = {ASKS},
	[WIRE_WRAP_KEY] = {ASKS},
	[WIRE_UNWRAP_KEY] = {ASKS},
	[WIRE_DERIVE_KEY] = {ASKS},
	[WIRE_SEED_RANDOM] = {ASKS},
	[WIRE_GENERATE_RANDOM] = {ASKS},
	[WIRE_WAIT_FOR_SLOT_EVENT] = {ASKS},
	[WIRE_DERIVE_KEYS] = {ASKS},
	[WIRE_MESSAGE_ENCRYPT_INIT] = {ASKS},
	[WIRE_ENCRYPT_MESSAGE] = {ASKS},
	[WIRE_ENCRYPT_MESSAGE_BEGIN] = {ASKS},
	[WIRE_ENCRYPT_MESSAGE_NEXT] = {ASKS},
	[WIRE_MESSAGE_ENCRYPT_FINAL] = {ASKS},
	[WIRE_MESSAGE_DECRYPT_INIT] = {ASKS},
	[WIRE_DECRYPT_MESSAGE] = {ASKS},
	[WIRE_DECRYPT_MESSAGE_BEGIN] = {ASKS},
	[WIRE_DECRYPT_MESSAGE_NEXT] = {ASKS},
	[WIRE_MESSAGE_DECRYPT_FINAL] = {ASKS},
	[WIRE_MESSAGE_SIGN_INIT] = {ASKS},
	[WIRE_SIGN_MESSAGE] = {ASKS},
	[WIRE_SIGN_MESSAGE_BEGIN] = {ASKS},
	[WIRE_SIGN_MESSAGE_NEXT] = {ASKS},
	[WIRE_MESSAGE_SIGN_FINAL] = {ASKS},
	[WIRE_MESSAGE_VERIFY_INIT] = {ASKS},
	[WIRE_VERIFY_MESSAGE] = {ASKS},
	[WIRE_VERIFY_MESSAGE_BEGIN] = {ASKS},
	[WIRE_VERIFY_MESSAGE_NEXT] = {ASKS},
	[WIRE_MESSAGE_VERIFY_FINAL] = {ASKS},
	[WIRE_VERIFY_SIGNATURE_INIT] = {ASKS},
	[WIRE_VERIFY_SIGNATURE] = {ASKS},
	[WIRE_VERIFY_SIGNATURE_UPDATE] = {ASKS},
	[WIRE_VERIFY_SIGNATURE_FINAL] = {ASKS},
	[WIRE_GET_SESSION_VALIDATION_FLAGS] = {ASKS},
	[WIRE_WRAP_KEY_AUTHENTICATED] = {ASKS},
	[WIRE_UNWRAP_KEY_AUTHENTICATED] = {ASKS},
	[WIRE_ENCAPSULATE_KEY] = {ASKS},
	[WIRE_DECAPSULATE_KEY] = {ASKS},
};

static struct part
part_of(uint32_t call)
{
	return call <= WIRE_MAX_CALL ? parts[call] : (struct part){CHANGES, 0};
}

static enum kind
kind_of(uint32_t call)
{
	return (enum kind)__builtin_ctz(part_of(call).kinds);
}

/* ---- shapes ---- */

/* Position of the first byte at or after `at` that may differ, and how many may. */
static size_t
free_bytes(const uint8_t *init, size_t len, size_t at, size_t *n)
{
	struct buf b;
	uint8_t kind = 0, present = 1;
	uint32_t size = 0;

	*n = 0;
	buf_init_const(&b, init, len);
	b.pos = at == 0 ? 8 : at;
	if (at == 0) {
		buf_get_u8(&b, &kind);
		if (kind == PARAM_GCM || kind == PARAM_AES_CTR)
			buf_get_u8(&b, &present);
		if (kind == PARAM_AES_CTR && present) {
			b.pos += 8; /* counter bits */
			*n = 16;
			return b.pos;
		}
		if (kind != PARAM_RAW && kind != PARAM_GCM)
			return len;
	} else {
		b.pos += 8; /* GCM, between IV and AAD: IV bits */
	}
	if (!present || !buf_get_u32(&b, &size) || size == BUF_NULL_LENGTH || size > len - b.pos)
		return len;
	*n = size;
	return b.pos;
}

/* Do two Inits of one length differ in the data of IV, AAD and counter block alone? */
static bool
same_shape(const uint8_t *a, const uint8_t *b, size_t len)
{
	bool gcm = len > 8 && a[8] == PARAM_GCM;
	size_t n, done = 0, at = free_bytes(a, len, 0, &n);

	for (int i = 0; i < (gcm ? 2 : 1); i++) {
		if (i > 0)
			at = done + 12 <= len ? free_bytes(a, len, done, &n) : len;
		if (at > len || memcmp(a + done, b + done, at - done) != 0)
			return false;
		done = at + n <= len ? at + n : len;
	}
	return memcmp(a + done, b + done, len - done) == 0;
}

/* ---- places; with the lock held ---- */

static struct place *
place_find(struct rides *r, CK_SESSION_HANDLE session)
{
	struct place *p = r->at[session % PLACES];

	return p != NULL && p->session == session ? p : NULL;
}

static void
place_drop(struct rides *r, size_t i)
{
	wipe(r->at[i], r->at[i] == NULL ? 0 : sizeof(*r->at[i]));
	free(r->at[i]);
	r->at[i] = NULL;
}

/* A session's place, another's if that has nothing pending; NULL: it does without. */
static struct place *
place_make(struct rides *r, CK_SESSION_HANDLE session)
{
	size_t i = session % PLACES;

	if (r->at[i] == NULL)
		r->at[i] = calloc(1, sizeof(*r->at[i]));
	if (r->at[i] == NULL || r->at[i]->session == session)
		return r->at[i];
	for (int k = 0; k < KINDS; k++) {
		if (r->at[i]->ride[k].state == PENDING)
			return NULL;
	}
	memset(r->at[i], 0, sizeof(*r->at[i]));
	r->at[i]->session = session;
	return r->at[i];
}

CK_RV
rides_new(struct rides **out, const CK_C_INITIALIZE_ARGS *args)
{
	struct rides *r = calloc(1, sizeof(*r));
	CK_RV rv;

	*out = NULL;
	if (r == NULL)
		return CKR_HOST_MEMORY;
	rv = lock_init(&r->lock, args);
	if (rv == CKR_OK)
		*out = r;
	else
		free(r);
	return rv;
}

static void
drop_all(struct rides *r)
{
	for (size_t i = 0; i < PLACES; i++)
		place_drop(r, i);
}

void
rides_free(struct rides *r)
{
	if (r == NULL)
		return;
	drop_all(r);
	lock_free(&r->lock);
	free(r);
}

void
rides_forget(struct rides *r)
{
	if (r == NULL)
		return;
	lock_forget(&r->lock);
	drop_all(r);
}

/* ---- keeping and taking ---- */

bool
ride_keep(struct rides *r, uint32_t call, CK_SESSION_HANDLE session, const uint8_t *init, size_t len)
{
	struct place *p;
	struct ride *ride;
	bool kept = false;

	if (part_of(call).role != INIT)
		return false;
	lock_take(&r->lock);
	p = place_find(r, session);
	ride = p == NULL ? NULL : &p->ride[kind_of(call)];
	if (ride != NULL && ride->state == READY && ride->len == len && same_shape(ride->init, init, len)) {
		memcpy(ride->init, init, len);
		ride->state = PENDING;
		kept = true;
	}
	lock_give(&r->lock);
	return kept;
}

size_t
ride_take(struct rides *r, uint32_t call, CK_SESSION_HANDLE session, uint8_t init[RIDE_MAX])
{
	struct place *p;
	struct ride *ride;
	size_t len = 0;

	lock_take(&r->lock);
	p = place_find(r, session);
	ride = p == NULL ? NULL : &p->ride[kind_of(call)];
	if (ride != NULL && ride->state == PENDING) {
		len = ride->len;
		memcpy(init, ride->init, len);
		ride->state = NONE;
	}
	lock_give(&r->lock);
	return len;
}

/* ---- sending what is pending; with the lock held ---- */

static CK_RV
settle(struct channel *c, CK_SESSION_HANDLE session, struct ride *ride)
{
	uint8_t frame[WIRE_HEADER + 8 + RIDE_MAX];
	struct wire_header h = {.call = ride->call, .seq = channel_seq(c)};
	struct channel_reply reply;
	struct buf b;
	CK_RV rv;

	h.length = (uint32_t)(WIRE_HEADER + 8 + ride->len);
	wire_put_header(frame, &h);
	buf_init_fixed(&b, frame + WIRE_HEADER, sizeof(frame) - WIRE_HEADER);
	buf_put_ulong(&b, session);
	buf_put(&b, ride->init, ride->len);
	rv = channel_call(c, frame, h.length, WIRE_HEADER, &reply);
	if (rv == CKR_OK) {
		wire_get_header(reply.frame, &h);
		rv = h.rv;
	}
	channel_reply_free(&reply);
	wipe(frame, sizeof(frame));
	ride->state = rv == CKR_OK ? ACTIVE : NONE;
	return rv;
}

/* A call that concerns all sessions, or may. */
static void
settle_all(struct rides *r, struct channel *c, const struct ride_turn *turn)
{
	bool closes = turn->call == WIRE_CLOSE_SESSION;

	for (size_t i = 0; i < PLACES; i++) {
		struct place *p = r->at[i];

		if (p != NULL && closes && p->session == turn->session) {
			place_drop(r, i);
			continue;
		}
		for (int k = 0; p != NULL && k < KINDS; k++) {
			if (p->ride[k].state == PENDING)
				settle(c, p->session, &p->ride[k]);
		}
	}
}

static void
unready_all(struct rides *r)
{
	for (size_t i = 0; i < PLACES; i++) {
		for (int k = 0; r->at[i] != NULL && k < KINDS; k++) {
			if (r->at[i]->ride[k].state != PENDING)
				r->at[i]->ride[k].state = NONE;
			r->at[i]->ride[k].ticket = ++r->tickets;
		}
	}
}

/* ---- around a round trip ---- */

/* A call on operations of these kinds. */
static CK_RV
enter(struct rides *r, struct channel *c, struct ride_turn *turn, unsigned kinds)
{
	struct place *p = place_find(r, turn->session);
	CK_RV rv = CKR_OK, first = CKR_OK;

	turn->ticket = ++r->tickets;
	for (int k = 0; p != NULL && k < KINDS; k++) {
		struct ride *ride = &p->ride[k];

		if (!(kinds & BIT(k)))
			continue;
		if (ride->state == PENDING && (rv = settle(c, p->session, ride)) != CKR_OK && first == CKR_OK)
			first = rv;
		turn->active = ride->state == ACTIVE;
		ride->state = NONE;
		ride->ticket = turn->ticket;
	}
	return first;
}

/* The shape of an Init that goes out, in case that it is taken. */
static void
note(struct rides *r, const struct ride_turn *turn, const uint8_t *init, size_t len)
{
	struct place *p = len <= RIDE_MAX ? place_make(r, turn->session) : NULL;
	struct ride *ride;

	if (p == NULL)
		return;
	p->session = turn->session;
	ride = &p->ride[kind_of(turn->call)];
	ride->state = NONE;
	ride->ticket = turn->ticket;
	ride->call = turn->call;
	ride->len = len;
	memcpy(ride->init, init, len);
}

CK_RV
ride_before(struct rides *r, struct channel *c, struct ride_turn *turn, CK_SESSION_HANDLE session,
	const uint8_t *frame, size_t len)
{
	struct wire_header h;
	struct part part;
	CK_RV rv = CKR_OK;

	wire_get_header(frame, &h);
	part = part_of(h.call);
	*turn = (struct ride_turn){.call = h.call, .session = session};
	if (part.role == ASKS)
		return CKR_OK;
	lock_take(&r->lock);
	if (part.role == CHANGES) {
		settle_all(r, c, turn);
		unready_all(r);
		turn->ticket = ++r->tickets;
	} else {
		rv = enter(r, c, turn, part.kinds);
	}
	if (part.role == INIT) {
		rv = CKR_OK; /* it does not rely on the one before */
		note(r, turn, frame + WIRE_HEADER + 8, len - WIRE_HEADER - 8);
	}
	lock_give(&r->lock);
	return rv;
}

void
ride_after(struct rides *r, const struct ride_turn *turn, CK_RV rv, bool length_only)
{
	struct part part = part_of(turn->call);
	enum state state = NONE;
	struct place *p;
	struct ride *ride;

	if (part.role == INIT && rv == CKR_OK)
		state = ACTIVE;
	else if ((part.role == ONCE && turn->active) || part.role == NOW)
		state = rv == CKR_BUFFER_TOO_SMALL || (rv == CKR_OK && length_only) ? ACTIVE
			: rv == CKR_OK						    ? READY
										    : NONE;
	if (turn->ticket == 0 || (state == NONE && part.role != CHANGES))
		return;
	lock_take(&r->lock);
	if (part.role == CHANGES) {
		unready_all(r);
	} else if ((p = place_find(r, turn->session)) != NULL) {
		ride = &p->ride[kind_of(turn->call)];
		if (ride->ticket == turn->ticket && ride->len > 0)
			ride->state = state;
	}
	lock_give(&r->lock);
}
