/*
 * The module against a daemon that answers what it should not: no answer makes it write past what the application gave
 * it, nor tell the application of data that it did not get. Here stands such a daemon in place of the channel.
 */
#include <stdlib.h>
#include <string.h>

#include "pkcs11/export.h"
#include "pkcs11/channel.h"
#include "pkcs11/codec.h"
#include "pkcs11/ride.h"
#include "pkcs11/search.h"
#include "unit.h"

#define SESSION 7UL /* the one that there is */

/* ---- the daemon: puts the items of the one reply that the test wants ---- */

static void (*answer)(struct codec *reply);
static CK_RV answer_rv;
static unsigned asked; /* calls but for C_OpenSession and C_GetSessionInfo */

struct channel {
	struct rides *rides;
	struct searches *searches;
	uint32_t seq;
};

CK_RV
channel_open(struct channel **out, const char *mount, const CK_C_INITIALIZE_ARGS *args)
{
	struct channel *c = calloc(1, sizeof(*c));

	(void)mount;
	CHECK_RV(CKR_OK, rides_new(&c->rides, args));
	CHECK_RV(CKR_OK, searches_new(&c->searches, args));
	*out = c;
	return CKR_OK;
}

void
channel_close(struct channel *c)
{
	if (c == NULL)
		return;
	rides_free(c->rides);
	searches_free(c->searches);
	free(c);
}

void
channel_forget(struct channel *c)
{
	(void)c;
}

bool
channel_dead(const struct channel *c)
{
	(void)c;
	return false;
}

struct rides *
channel_rides(struct channel *c)
{
	return c->rides;
}

struct searches *
channel_searches(struct channel *c)
{
	return c->searches;
}

bool
channel_wait(struct channel *c, int wake, int ms)
{
	(void)c;
	(void)wake;
	(void)ms;
	return false;
}

uint32_t
channel_seq(struct channel *c)
{
	return ++c->seq;
}

static void
put_session_info(struct codec *reply)
{
	for (int i = 0; i < 4; i++)
		codec_put_ulong(reply, 0);
}

CK_RV
channel_call(struct channel *c, const uint8_t *frame, size_t len, size_t expect, struct channel_reply *r)
{
	struct codec m = {0}, reply = {0};
	CK_ULONG session = 0;
	CK_RV rv;

	(void)c;
	(void)expect;
	CHECK_RV(CKR_OK, codec_open(&m, CODEC_REQUEST, frame, len));
	codec_get_ulong(&m, &session);
	codec_reply(&reply, &m.h);
	rv = answer_rv;
	if (m.h.call == WIRE_GET_SESSION_INFO) {
		rv = session == SESSION ? CKR_OK : CKR_SESSION_HANDLE_INVALID;
		put_session_info(&reply);
	} else if (m.h.call == WIRE_OPEN_SESSION) {
		rv = CKR_OK;
		codec_put_ulong(&reply, SESSION);
	} else {
		asked++;
		if (answer != NULL)
			answer(&reply);
	}
	codec_end_rv(&reply, rv);
	memset(r, 0, offsetof(struct channel_reply, small));
	r->len = r->size = reply.buf.len;
	r->heap = malloc(r->len);
	memcpy(r->heap, reply.buf.data, r->len);
	r->frame = r->heap;
	codec_free(&reply);
	codec_free(&m);
	return CKR_OK;
}

void
channel_reply_free(struct channel_reply *r)
{
	if (r->frame != NULL)
		free(r->heap);
	r->frame = r->heap = NULL;
}

static void
start(void)
{
	CK_SESSION_HANDLE s = 0;

	CHECK_RV(CKR_OK, C_Initialize(NULL));
	CHECK_RV(CKR_OK, C_OpenSession(0, CKF_SERIAL_SESSION, NULL, NULL, &s));
	CHECK(s == SESSION);
}

/* ---- outputs ---- */

static void
put_nothing_of_many(struct codec *reply)
{
	codec_put_output(reply, 1u << 30, NULL);
}

static void
put_ten(struct codec *reply)
{
	codec_put_output(reply, 10, "0123456789");
}

static void
test_an_output_is_what_came(void)
{
	CK_BYTE out[8] = "guarded";
	CK_ULONG len;

	answer = put_nothing_of_many;
	answer_rv = CKR_OK;
	len = 0;
	CHECK_RV(CKR_OK, C_EncryptFinal(SESSION, NULL, &len)); /* asked for the length: any may be true */
	CHECK(len == 1u << 30);
	len = 4;
	CHECK_RV(CKR_DEVICE_ERROR, C_EncryptFinal(SESSION, out, &len));
	CHECK(len == 4);
	answer_rv = CKR_BUFFER_TOO_SMALL;
	CHECK_RV(CKR_BUFFER_TOO_SMALL, C_EncryptFinal(SESSION, out, &len));
	CHECK(len == 1u << 30);
	answer = put_ten;
	answer_rv = CKR_OK;
	len = 4;
	CHECK_RV(CKR_DEVICE_ERROR, C_EncryptFinal(SESSION, out, &len));
	CHECK_RV(CKR_DEVICE_ERROR, C_EncryptFinal(SESSION, NULL, &len));
	CHECK(len == 4 && memcmp(out, "guarded", 8) == 0);
}

static CK_ULONG length_said;

static void
put_answer(struct codec *reply)
{
	codec_put_answers_begin(reply, 1);
	codec_put_answer(reply, CKA_LABEL, length_said, NULL, true);
}

static void
test_an_attribute_is_what_came(void)
{
	char label[8] = "guarded";
	CK_ATTRIBUTE a = {CKA_LABEL, label, sizeof(label)};
	static const CK_RV failures[] = {CKR_BUFFER_TOO_SMALL, CKR_ATTRIBUTE_SENSITIVE, CKR_ATTRIBUTE_TYPE_INVALID};

	answer = put_answer;
	answer_rv = CKR_OK;
	length_said = 1000;
	CHECK_RV(CKR_DEVICE_ERROR, C_GetAttributeValue(SESSION, 1, &a, 1));
	CHECK(a.ulValueLen == sizeof(label));
	length_said = CK_UNAVAILABLE_INFORMATION;
	CHECK_RV(CKR_DEVICE_ERROR, C_GetAttributeValue(SESSION, 1, &a, 1));
	for (size_t i = 0; i < 3; i++) {
		a.ulValueLen = sizeof(label);
		answer_rv = failures[i];
		length_said = 1000;
		CHECK_RV(CKR_DEVICE_ERROR, C_GetAttributeValue(SESSION, 1, &a, 1));
		CHECK(a.ulValueLen == sizeof(label));
		length_said = CK_UNAVAILABLE_INFORMATION;
		CHECK_RV(failures[i], C_GetAttributeValue(SESSION, 1, &a, 1));
		CHECK(a.ulValueLen == CK_UNAVAILABLE_INFORMATION);
	}
}

/* ---- what is written to parameters ---- */

static uint8_t said_iv[12] = "iv of token", said_tag[16] = "the token's tag";
static CK_GCM_MESSAGE_PARAMS said = {.pIv = said_iv, .pTag = said_tag, .ulTagBits = 128};

static void
put_written(struct codec *reply)
{
	const struct param p = {.mech = {CKM_AES_GCM, &said, sizeof(said)}, .kind = PARAM_GCM_MESSAGE};

	codec_put_output(reply, 1, "x");
	codec_put_outputs(reply, &p);
}

static void
test_only_what_fits_is_written_to_a_parameter(void)
{
	uint8_t iv[12] = "mine", tag[16] = "mine too", out[4];
	CK_GCM_MESSAGE_PARAMS mine = {.pIv = iv, .ulIvLen = 12, .ivGenerator = CKG_GENERATE, .pTag = tag, .ulTagBits = 128};
	CK_ULONG len;

	answer = put_written;
	answer_rv = CKR_OK;
	for (said.ulIvLen = 11; said.ulIvLen <= 12; said.ulIvLen++) {
		said.ulTagBits = said.ulIvLen == 11 ? 128 : 120;
		len = sizeof(out);
		CHECK_RV(CKR_DEVICE_ERROR,
			C_EncryptMessage(SESSION, &mine, sizeof(mine), NULL, 0, (CK_BYTE *)"y", 1, out, &len));
		CHECK(strcmp((char *)iv, "mine") == 0 && strcmp((char *)tag, "mine too") == 0);
	}
	said.ulIvLen = 12;
	said.ulTagBits = 128;
	/* what is decrypted may lie in memory that cannot be written */
	CHECK_RV(CKR_DEVICE_ERROR,
		C_DecryptMessage(SESSION, &mine, sizeof(mine), NULL, 0, (CK_BYTE *)"y", 1, out, &len));
	CHECK(strcmp((char *)iv, "mine") == 0 && strcmp((char *)tag, "mine too") == 0);
	CHECK_RV(CKR_OK, C_EncryptMessage(SESSION, &mine, sizeof(mine), NULL, 0, (CK_BYTE *)"y", 1, out, &len));
	CHECK(len == 1 && memcmp(iv, said_iv, 12) == 0 && memcmp(tag, said_tag, 16) == 0);
}

/* ---- PKCS#11 3.1 5.1.7: the session's errors come first ---- */

static void
test_the_session_comes_before_the_arguments(void)
{
	CK_MECHANISM gcm = {CKM_AES_GCM, NULL, 7};
	CK_ULONG n = 0;

	answer = NULL;
	answer_rv = CKR_OK;
	asked = 0;
	for (CK_SESSION_HANDLE s = SESSION; s <= SESSION + 1; s++) {
		bool there = s == SESSION;

		CHECK_RV(there ? CKR_ARGUMENTS_BAD : CKR_SESSION_HANDLE_INVALID, C_GenerateRandom(s, NULL, 1));
		CHECK_RV(there ? CKR_ARGUMENTS_BAD : CKR_SESSION_HANDLE_INVALID, C_FindObjects(s, NULL, 1, &n));
		CHECK_RV(there ? CKR_ARGUMENTS_BAD : CKR_SESSION_HANDLE_INVALID, C_CreateObject(s, NULL, 0, &n));
		CHECK_RV(there ? CKR_ARGUMENTS_BAD : CKR_SESSION_HANDLE_INVALID, C_GetSessionInfo(s, NULL));
		CHECK_RV(there ? CKR_MECHANISM_PARAM_INVALID : CKR_SESSION_HANDLE_INVALID, C_EncryptInit(s, &gcm, 1));
		CHECK_RV(there ? CKR_PIN_LEN_RANGE : CKR_SESSION_HANDLE_INVALID,
			C_Login(s, CKU_USER, (CK_UTF8CHAR *)"", 1u << 30));
	}
	CHECK(asked == 0);
}

int
main(void)
{
	start();
	test_an_output_is_what_came();
	test_an_attribute_is_what_came();
	test_only_what_fits_is_written_to_a_parameter();
	test_the_session_comes_before_the_arguments();
	CHECK_RV(CKR_OK, C_Finalize(NULL));
	return unit_done("confused");
}
