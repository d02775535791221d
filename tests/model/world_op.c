/*
 * world_op.c - operations of the model: SHA-256, HMAC with it, AES-CTR that counts from zero
 *
 * The rules of PKCS#11 3.1 5.2 and 5.8 to 5.15: one part and several do not mix, a length query
 * and a buffer too small end nothing, every other answer of a last call does.
 */
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#include "world_inner.h"

/* The first answer after a logout tells whether the operation is still there. */
static void
resolve(struct operation *o, CK_RV rv, bool init)
{
	if (o->stage != NONE && o->unsure &&
		rv == (init ? CKR_OK : CKR_OPERATION_NOT_INITIALIZED))
		o->stage = NONE;
	o->unsure = false;
}

static size_t
answer_of(enum op kind, const struct operation *o, uint8_t out[FED + 64])
{
	EVP_CIPHER_CTX *x;
	unsigned n = 0;
	int len = 0;

	if (kind == DIGEST) {
		EVP_Digest(o->in, o->fed, out, &n, EVP_sha256(), NULL);
		return n;
	}
	if (kind == SIGN || kind == VERIFY) {
		HMAC(EVP_sha256(), world_key, 32, o->in, o->fed, out, &n);
		return n;
	}
	x = EVP_CIPHER_CTX_new();
	EVP_EncryptInit_ex(x, EVP_aes_256_ctr(), NULL, world_key, (const uint8_t[16]){0});
	EVP_EncryptUpdate(x, out, &len, o->in, (int)o->fed);
	EVP_CIPHER_CTX_free(x);
	return (size_t)len;
}

static CK_RV
init_of(enum op kind, CK_SESSION_HANDLE s, CK_OBJECT_HANDLE key)
{
	static CK_AES_CTR_PARAMS ctr = {.ulCounterBits = 128};
	CK_MECHANISM cipher = {CKM_AES_CTR, &ctr, sizeof(ctr)},
		     mac = {CKM_SHA256_HMAC, NULL, 0}, hash = {CKM_SHA256, NULL, 0};

	switch (kind) {
	case ENCRYPT:
		return f->C_EncryptInit(s, &cipher, key);
	case DECRYPT:
		return f->C_DecryptInit(s, &cipher, key);
	case DIGEST:
		return f->C_DigestInit(s, &hash);
	case SIGN:
		return f->C_SignInit(s, &mac, key);
	default:
		return f->C_VerifyInit(s, &mac, key);
	}
}

bool
do_op_init(const struct call *c)
{
	struct session *s = world_session(c->a);
	enum op kind = c->c % OPS;
	struct thing *t = &world_things[c->b % OBJECTS];
	struct operation *o = &s->ops[kind];
	CK_RV rv = init_of(kind, world_session_handle(s), world_thing_handle(t));
	enum kind wanted = kind == ENCRYPT || kind == DECRYPT ? AES : HMAC_KEY;

	if (!s->open)
		return ALLOW("Init without a session", rv, RV(CKR_SESSION_HANDLE_INVALID));
	resolve(o, rv, true);
	if (o->stage != NONE)
		return ALLOW("Init again", rv, RV(CKR_OPERATION_ACTIVE),
			kind != DIGEST && !world_visible(t) ? RV(CKR_KEY_HANDLE_INVALID)
							    : RV(CKR_OPERATION_ACTIVE));
	if (kind != DIGEST && !world_visible(t))
		return ALLOW("Init with no key", rv, RV(CKR_KEY_HANDLE_INVALID));
	if (kind != DIGEST && t->kind == DATA)
		return ALLOW("Init with what is no key", rv, RV(CKR_KEY_HANDLE_INVALID),
			RV(CKR_KEY_TYPE_INCONSISTENT));
	if (kind != DIGEST && t->kind != wanted)
		return ALLOW(
			"Init with a key of another type", rv, RV(CKR_KEY_TYPE_INCONSISTENT));
	if (!ALLOW("Init", rv, RV(CKR_OK)))
		return false;
	memset(o, 0, sizeof(*o));
	o->stage = FRESH;
	o->private = kind != DIGEST && t->private;
	return true;
}

static CK_RV
once_of(enum op kind, CK_SESSION_HANDLE s, uint8_t *in, CK_ULONG n, uint8_t *out,
	CK_ULONG *out_len)
{
	switch (kind) {
	case ENCRYPT:
		return f->C_Encrypt(s, in, n, out, out_len);
	case DECRYPT:
		return f->C_Decrypt(s, in, n, out, out_len);
	case DIGEST:
		return f->C_Digest(s, in, n, out, out_len);
	case SIGN:
		return f->C_Sign(s, in, n, out, out_len);
	default:
		return f->C_Verify(s, in, n, out, *out_len);
	}
}

static CK_RV
final_of(enum op kind, CK_SESSION_HANDLE s, uint8_t *out, CK_ULONG *out_len)
{
	switch (kind) {
	case ENCRYPT:
		return f->C_EncryptFinal(s, out, out_len);
	case DECRYPT:
		return f->C_DecryptFinal(s, out, out_len);
	case DIGEST:
		return f->C_DigestFinal(s, out, out_len);
	case SIGN:
		return f->C_SignFinal(s, out, out_len);
	default:
		return f->C_VerifyFinal(s, out, *out_len);
	}
}

/* False, with the answer judged, if the operation is not where the call wants it. */
static bool
in_stage(const char *what, const struct session *s, struct operation *o, enum stage stage,
	CK_RV rv, bool *go_on)
{
	enum stage was;

	*go_on = false;
	if (!s->open)
		return ALLOW(what, rv, RV(CKR_SESSION_HANDLE_INVALID));
	resolve(o, rv, false);
	was = o->stage;
	if (was == NONE)
		return ALLOW(what, rv, RV(CKR_OPERATION_NOT_INITIALIZED));
	if (was != FRESH && was != stage) {
		o->stage = NONE;
		return ALLOW(what, rv, RV(CKR_OPERATION_ACTIVE));
	}
	o->stage = stage;
	*go_on = true;
	return true;
}

enum room { ENOUGH, ASK, SHORT };

/* The answer of a call that gives one: a length asked for and a buffer too small leave the
 * operation as it is. */
static bool
judge_answer(const char *what, CK_RV rv, enum room room, CK_ULONG n, struct operation *o,
	const uint8_t *out, const uint8_t *wanted, size_t len)
{
	if (room == ASK || (room == SHORT && len > 0)) {
		if (!ALLOW(what, rv, room == ASK ? RV(CKR_OK) : RV(CKR_BUFFER_TOO_SMALL)))
			return false;
		return n == len || wrong("%s: the length said is %lu, not %zu", what, n, len);
	}
	o->stage = NONE;
	if (!ALLOW(what, rv, RV(CKR_OK)))
		return false;
	return (n == len && memcmp(out, wanted, len) == 0) ||
	       wrong("%s: %lu bytes that are not the answer", what, n);
}

bool
do_op_once(const struct call *c)
{
	struct session *s = world_session(c->a);
	enum op kind = c->c % OPS;
	struct operation *o = &s->ops[kind], one = {.fed = c->b % 100};
	enum room room = kind == VERIFY		 ? ENOUGH
			 : (c->c / OPS) % 4 == 0 ? ASK
			 : (c->c / OPS) % 4 == 1 ? SHORT
						 : ENOUGH;
	uint8_t wanted[FED + 64], out[FED + 64] = {0};
	CK_ULONG n;
	size_t len;
	bool go_on;
	CK_RV rv;

	memset(one.in, c->b, one.fed);
	len = answer_of(kind, &one, wanted);
	if (kind == VERIFY)
		memcpy(out, wanted, len);
	n = kind == VERIFY ? len : room == SHORT && len > 0 ? len - 1 : sizeof(out);
	rv = once_of(
		kind, world_session_handle(s), one.in, one.fed, room == ASK ? NULL : out, &n);
	if (!in_stage("a call in one part", s, o, ONCE, rv, &go_on))
		return false;
	if (!go_on)
		return true;
	if (kind == VERIFY) {
		o->stage = NONE;
		return ALLOW("C_Verify", rv, RV(CKR_OK));
	}
	return judge_answer("a call in one part", rv, room, n, o, out, wanted, len);
}

bool
do_op_update(const struct call *c)
{
	struct session *s = world_session(c->a);
	enum op kind = c->c % OPS;
	struct operation *o = &s->ops[kind];
	uint8_t in[32], out[64], wanted[FED + 64];
	CK_ULONG n = c->b % sizeof(in), out_len = sizeof(out);
	bool go_on;
	CK_RV rv;

	if (o->fed + n > FED)
		return true;
	memset(in, c->b, sizeof(in));
	if (kind == ENCRYPT)
		rv = f->C_EncryptUpdate(world_session_handle(s), in, n, out, &out_len);
	else if (kind == DECRYPT)
		rv = f->C_DecryptUpdate(world_session_handle(s), in, n, out, &out_len);
	else if (kind == DIGEST)
		rv = f->C_DigestUpdate(world_session_handle(s), in, n);
	else
		rv = kind == SIGN ? f->C_SignUpdate(world_session_handle(s), in, n)
				  : f->C_VerifyUpdate(world_session_handle(s), in, n);
	if (!in_stage("Update", s, o, MULTI, rv, &go_on))
		return false;
	if (!go_on)
		return true;
	if (!ALLOW("Update", rv, RV(CKR_OK)))
		return false;
	memcpy(o->in + o->fed, in, n);
	o->fed += n;
	if (kind != ENCRYPT && kind != DECRYPT)
		return true;
	answer_of(kind, o, wanted);
	return (out_len == n && memcmp(out, wanted + o->fed - n, n) == 0) ||
	       wrong("Update: %lu bytes that are not the answer", out_len);
}

bool
do_op_final(const struct call *c)
{
	struct session *s = world_session(c->a);
	enum op kind = c->c % OPS;
	struct operation *o = &s->ops[kind];
	bool cipher = kind == ENCRYPT || kind == DECRYPT, go_on;
	enum room room = kind == VERIFY	 ? ENOUGH
			 : c->b % 4 == 0 ? ASK
			 : c->b % 4 == 1 ? SHORT
					 : ENOUGH;
	uint8_t wanted[FED + 64], out[64] = {0};
	size_t len = cipher ? 0 : answer_of(kind, o, wanted);
	CK_ULONG n = kind == VERIFY ? len : room == SHORT && len > 0 ? len - 1 : sizeof(out);
	CK_RV rv;

	if (kind == VERIFY)
		memcpy(out, wanted, len);
	rv = final_of(kind, world_session_handle(s), room == ASK ? NULL : out, &n);
	if (!in_stage("Final", s, o, MULTI, rv, &go_on))
		return false;
	if (!go_on)
		return true;
	if (kind == VERIFY) {
		o->stage = NONE;
		return ALLOW("C_VerifyFinal", rv, RV(CKR_OK));
	}
	return judge_answer("Final", rv, room, n, o, out, wanted, len);
}
