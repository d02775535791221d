#include "pkcs11/codec.h"

#include <stdlib.h>
#include <string.h>

#include "unit.h"

/* A client's frame is opened by the daemon from the very bytes that were sent. */
static CK_RV
deliver(struct codec *to, enum codec_side side, const struct codec *from)
{
	return codec_open(to, side, from->buf.data, from->buf.len);
}

static void
sign_round_trip(void)
{
	struct codec c = {0}, d = {0}, r = {0};
	const uint8_t *data;
	CK_ULONG v, length;
	uint8_t kind = 99;
	bool present;
	size_t len;

	codec_begin(&c, WIRE_SIGN, 7);
	CHECK(codec_put_ulong(&c, 3) && codec_put_bytes(&c, "hello", 5) && codec_put_room(&c, true, 64));
	CHECK_RV(CKR_OK, codec_end(&c));

	CHECK_RV(CKR_OK, deliver(&d, CODEC_REQUEST, &c));
	CHECK(d.h.call == WIRE_SIGN && d.h.seq == 7 && d.h.rv == 0 && d.h.length == c.buf.len);
	CHECK(codec_get_ulong(&d, &v) && v == 3);
	CHECK(codec_get_bytes(&d, &data, &len) && len == 5 && memcmp(data, "hello", 5) == 0);
	CHECK(codec_get_room(&d, &present, &v) && present && v == 64);
	CHECK_RV(CKR_OK, codec_close(&d));

	codec_reply(&d, &d.h); /* in place: the header is its own */
	CHECK(codec_put_output(&d, 9, "signature") && codec_put_byte(&d, WIRE_ANSWER_BYTES));
	CHECK_RV(CKR_OK, codec_end_rv(&d, CKR_OK));
	CHECK_RV(CKR_OK, deliver(&r, CODEC_REPLY, &d));
	CHECK(r.h.seq == 7 && r.h.rv == CKR_OK && codec_has_body(&r));
	CHECK(codec_get_output(&r, &length, &data, &len) && length == 9 && len == 9);
	CHECK(codec_get_byte(&r, &kind) && kind == WIRE_ANSWER_BYTES);
	CHECK_RV(CKR_OK, codec_close(&r));

	/* a length without data, with CKR_BUFFER_TOO_SMALL; read in the buffer that holds it */
	codec_reply(&d, &c.h);
	CHECK(codec_put_output(&d, 256, NULL) && codec_put_byte(&d, WIRE_ANSWER_OTP));
	CHECK_RV(CKR_BUFFER_TOO_SMALL, codec_end_rv(&d, CKR_BUFFER_TOO_SMALL));
	CHECK_RV(CKR_OK, codec_open(&d, CODEC_REPLY, d.buf.data, d.buf.len));
	CHECK(codec_get_output(&d, &length, &data, &len) && length == 256 && data == NULL && len == 0);
	CHECK(codec_get_byte(&d, &kind) && kind == WIRE_ANSWER_OTP);
	CHECK_RV(CKR_OK, codec_close(&d));

	/* any other failure is a header alone, whatever was put */
	codec_reply(&d, &c.h);
	CHECK(codec_put_output(&d, 9, "signature"));
	CHECK_RV(CKR_KEY_HANDLE_INVALID, codec_end_rv(&d, CKR_KEY_HANDLE_INVALID));
	CHECK(d.buf.len == WIRE_HEADER);
	CHECK_RV(CKR_OK, deliver(&r, CODEC_REPLY, &d));
	CHECK(r.h.rv == CKR_KEY_HANDLE_INVALID && !codec_has_body(&r));
	CHECK_RV(CKR_OK, codec_close(&r));
	codec_free(&c);
	codec_free(&d);
	codec_free(&r);
}

/* The example of docs/PROTOCOL.md, section 9. */
static void
documented_bytes(void)
{
	static const uint8_t request[] = {0x20, 0, 0, 0, 0x0d, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0,
		0, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0};
	static const uint8_t reply[] = {0x18, 0, 0, 0, 0x0d, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0,
		1, 0, 0, 0, 0, 0, 0, 0};
	struct codec c = {0};

	codec_begin(&c, WIRE_OPEN_SESSION, 2);
	codec_put_ulong(&c, 0);
	codec_put_ulong(&c, CKF_SERIAL_SESSION | CKF_RW_SESSION);
	CHECK_RV(CKR_OK, codec_end(&c));
	CHECK(c.buf.len == sizeof(request) && memcmp(c.buf.data, request, sizeof(request)) == 0);
	codec_reply(&c, &c.h);
	codec_put_ulong(&c, 1);
	CHECK_RV(CKR_OK, codec_end_rv(&c, CKR_OK));
	CHECK(c.buf.len == sizeof(reply) && memcmp(c.buf.data, reply, sizeof(reply)) == 0);
	codec_free(&c);
}

static void
our_own_errors(void)
{
	struct codec c = {0};
	const uint8_t *data;
	CK_ULONG v;
	size_t len;

	codec_begin(&c, WIRE_OPEN_SESSION, 1); /* uu */
	CHECK(!codec_put_bytes(&c, "x", 1));
	CHECK(!codec_put_ulong(&c, 1));
	CHECK_RV(CKR_GENERAL_ERROR, codec_end(&c));
	codec_begin(&c, WIRE_OPEN_SESSION, 1);
	CHECK(codec_put_ulong(&c, 1));
	CHECK_RV(CKR_GENERAL_ERROR, codec_end(&c)); /* one letter short */
	codec_begin(&c, WIRE_OPEN_SESSION, 1);
	CHECK(codec_put_ulong(&c, 1) && codec_put_ulong(&c, 1) && !codec_put_ulong(&c, 1));
	codec_begin(&c, 199, 1);
	CHECK_RV(CKR_GENERAL_ERROR, codec_end(&c));
	codec_begin(&c, WIRE_INIT_PIN, 1);
	CHECK(codec_put_ulong(&c, 1) && !codec_put_bytes(&c, NULL, 4));
	CHECK_RV(CKR_ARGUMENTS_BAD, codec_end(&c));
	codec_begin(&c, WIRE_SEED_RANDOM, 1);
	CHECK(codec_put_ulong(&c, 1) && !codec_put_bytes(&c, "x", WIRE_MAX_FRAME));
	CHECK_RV(CKR_DATA_LEN_RANGE, codec_end(&c));

	codec_begin(&c, WIRE_OPEN_SESSION, 1);
	codec_put_ulong(&c, 1);
	codec_put_ulong(&c, 2);
	CHECK_RV(CKR_OK, codec_end(&c));
	CHECK_RV(CKR_OK, codec_open(&c, CODEC_REQUEST, c.buf.data, c.buf.len));
	CHECK(!codec_get_bytes(&c, &data, &len) && data == NULL && !codec_get_ulong(&c, &v) && v == 0);
	CHECK_RV(CKR_GENERAL_ERROR, codec_close(&c));
	/* a reply that is OK but unfinished is not sent as OK */
	codec_reply(&c, &(struct wire_header){.call = WIRE_OPEN_SESSION, .seq = 3});
	CHECK_RV(CKR_GENERAL_ERROR, codec_end_rv(&c, CKR_OK));
	CHECK(c.buf.len == WIRE_HEADER && c.h.rv == CKR_GENERAL_ERROR);
	codec_free(&c);
	codec_free(&c);
}

static void
headers_are_checked(void)
{
	struct codec c = {0}, d = {0};
	uint8_t frame[64] = {0};
	struct wire_header h = {.length = 16, .call = WIRE_FIND_OBJECTS_FINAL, .seq = 5};

	CHECK_RV(CKR_ARGUMENTS_BAD, codec_open(&d, CODEC_REQUEST, frame, 0));
	CHECK_RV(CKR_ARGUMENTS_BAD, codec_open(&d, CODEC_REQUEST, NULL, 0));
	CHECK_RV(CKR_ARGUMENTS_BAD, codec_open(&d, CODEC_REQUEST, frame, 15));
	h.length = 17;
	wire_put_header(frame, &h);
	CHECK_RV(CKR_ARGUMENTS_BAD, codec_open(&d, CODEC_REQUEST, frame, 16));
	CHECK(d.h.seq == 5); /* so that the refusal can be addressed */
	h.length = 16;
	h.call = 150;
	wire_put_header(frame, &h);
	CHECK_RV(CKR_FUNCTION_NOT_SUPPORTED, codec_open(&d, CODEC_REQUEST, frame, 16));
	codec_reply(&c, &d.h);
	CHECK_RV(CKR_FUNCTION_NOT_SUPPORTED, codec_end_rv(&c, CKR_FUNCTION_NOT_SUPPORTED));
	CHECK(c.buf.len == WIRE_HEADER && c.h.call == 150 && c.h.seq == 5);
	h.call = WIRE_T_RELOAD;
	h.rv = 1;
	wire_put_header(frame, &h);
	CHECK_RV(CKR_ARGUMENTS_BAD, codec_open(&d, CODEC_REQUEST, frame, 16));
	h.rv = 0;
	wire_put_header(frame, &h);
	CHECK_RV(CKR_OK, codec_open(&d, CODEC_REQUEST, frame, 16));
	CHECK_RV(CKR_OK, codec_close(&d));
	h.length = 17; /* one byte too many behind the last letter */
	wire_put_header(frame, &h);
	CHECK_RV(CKR_OK, codec_open(&d, CODEC_REQUEST, frame, 17));
	CHECK_RV(CKR_ARGUMENTS_BAD, codec_close(&d));
	codec_free(&c);
	codec_free(&d);
}

static void
internal_attributes_are_refused(void)
{
	struct codec c = {0}, d = {0};
	struct attrs s = {0}, got = {0};

	for (int nested = 0; nested < 2; nested++) {
		CHECK_RV(CKR_OK, attrs_set_ulong(&s, ATTR_INTERNAL_BASE | 2, 1));
		if (nested) {
			struct attrs outer = {0};

			CHECK_RV(CKR_OK, attrs_set_template(&outer, CKA_DERIVE_TEMPLATE, &s));
			s = outer;
		}
		codec_begin(&c, WIRE_CREATE_OBJECT, 1);
		codec_put_ulong(&c, 1);
		CHECK(codec_put_attrs(&c, &s));
		CHECK_RV(CKR_OK, codec_end(&c));
		attrs_free(&s);
		CHECK_RV(CKR_OK, deliver(&d, CODEC_REQUEST, &c));
		CHECK(codec_get_ulong(&d, &(CK_ULONG){0}) && !codec_get_attrs(&d, &got));
		CHECK(got.n == 0 && got.v == NULL);
		CHECK_RV(CKR_ATTRIBUTE_TYPE_INVALID, codec_close(&d));
	}
	codec_free(&c);
	codec_free(&d);
}

/* C_GetAttributeValue from end to end: query, a daemon of six attributes, the application's memory. */
static struct attrs object;

static void
make_object(void)
{
	static const CK_ULONG mechs[] = {CKM_AES_GCM, CKM_AES_CBC, CKM_AES_CTR};
	struct attrs sub = {0}, subsub = {0};

	attrs_set_ulong(&object, CKA_CLASS, CKO_SECRET_KEY);
	attrs_set_bool(&object, CKA_TOKEN, true);
	attrs_set(&object, CKA_LABEL, "label", 5);
	attrs_set(&object, CKA_ID, NULL, 0);
	attrs_set(&object, CKA_ALLOWED_MECHANISMS, mechs, sizeof(mechs));
	attrs_set_ulong(&sub, CKA_KEY_TYPE, CKK_AES);
	attrs_set(&sub, CKA_LABEL, "inner", 5);
	attrs_set_bool(&subsub, CKA_SENSITIVE, true);
	attrs_set_template(&sub, CKA_DERIVE_TEMPLATE, &subsub);
	attrs_set_template(&object, CKA_UNWRAP_TEMPLATE, &sub);
}

static CK_RV
ask(CK_ATTRIBUTE *a, CK_ULONG n)
{
	struct codec c = {0}, d = {0}, r = {0};
	struct codec_query *q = NULL;
	CK_RV rv = CKR_OK;
	CK_ULONG v;
	size_t count;

	codec_begin(&c, WIRE_GET_ATTRIBUTE_VALUE, 1);
	codec_put_ulong(&c, 1);
	codec_put_ulong(&c, 2);
	codec_put_query(&c, a, n);
	CHECK_RV(CKR_OK, codec_end(&c));
	CHECK_RV(CKR_OK, deliver(&d, CODEC_REQUEST, &c));
	CHECK(codec_get_ulong(&d, &v) && codec_get_ulong(&d, &v) && codec_get_query(&d, &q, &count));
	CHECK_RV(CKR_OK, codec_close(&d));
	CHECK(count == n);

	codec_reply(&d, &c.h);
	codec_put_answers_begin(&d, count);
	for (size_t i = 0; i < count; i++) {
		const struct attr *x = attrs_get(&object, q[i].type);
		CK_ULONG length = CK_UNAVAILABLE_INFORMATION;
		bool fits;

		if (x != NULL)
			length = x->sub != NULL ? x->sub->n * sizeof(CK_ATTRIBUTE) : x->len;
		else
			rv = CKR_ATTRIBUTE_TYPE_INVALID;
		fits = x != NULL && q[i].present && q[i].room >= length;
		if (x != NULL && q[i].present && !fits) {
			length = CK_UNAVAILABLE_INFORMATION;
			rv = CKR_BUFFER_TOO_SMALL;
		}
		CHECK(codec_put_answer(&d, q[i].type, length, x, fits));
	}
	free(q);
	CHECK_RV(rv, codec_end_rv(&d, rv));
	CHECK_RV(CKR_OK, deliver(&r, CODEC_REPLY, &d));
	CHECK(codec_get_answers(&r, a, n));
	CHECK_RV(CKR_OK, codec_close(&r));
	rv = r.h.rv;
	codec_free(&c);
	codec_free(&d);
	codec_free(&r);
	return rv;
}

static void
answers(void)
{
	CK_ULONG class = 0, mechs[3] = {0}, key_type = 0;
	CK_BBOOL token = 0, sensitive = 0;
	char label[8] = "xxxxxxx", inner_label[3];
	CK_ATTRIBUTE subsub[1] = {{0, NULL, 0}}, sub[3] = {{0, NULL, 0}};
	CK_ATTRIBUTE a[] = {{CKA_CLASS, &class, sizeof(class)}, {CKA_TOKEN, &token, 1},
		{CKA_LABEL, label, sizeof(label)}, {CKA_ID, NULL, 0},
		{CKA_ALLOWED_MECHANISMS, mechs, sizeof(mechs)}, {CKA_UNWRAP_TEMPLATE, NULL, 0},
		{CKA_VALUE, label, 1}, {1ul << 40, NULL, 0}};

	CHECK_RV(CKR_ATTRIBUTE_TYPE_INVALID, ask(a, 8));
	CHECK(class == CKO_SECRET_KEY && token == CK_TRUE && a[1].ulValueLen == 1);
	CHECK(a[2].ulValueLen == 5 && memcmp(label, "labelxx", 8) == 0);
	CHECK(a[3].ulValueLen == 0 && a[4].ulValueLen == sizeof(mechs) && mechs[2] == CKM_AES_CTR);
	CHECK(a[5].ulValueLen == 3 * sizeof(CK_ATTRIBUTE));
	CHECK(a[6].ulValueLen == CK_UNAVAILABLE_INFORMATION && a[7].ulValueLen == CK_UNAVAILABLE_INFORMATION);
	a[2].ulValueLen = 4;
	CHECK_RV(CKR_BUFFER_TOO_SMALL, ask(&a[2], 1));
	CHECK(a[2].ulValueLen == CK_UNAVAILABLE_INFORMATION);

	/* the inner array: first its types and lengths, then its values */
	a[5].pValue = sub;
	CHECK_RV(CKR_OK, ask(&a[5], 1));
	CHECK(a[5].ulValueLen == sizeof(sub) && sub[0].type == CKA_KEY_TYPE && sub[0].ulValueLen == 8);
	CHECK(sub[1].type == CKA_LABEL && sub[1].ulValueLen == 5);
	CHECK(sub[2].type == CKA_DERIVE_TEMPLATE && sub[2].ulValueLen == sizeof(CK_ATTRIBUTE));
	sub[0].pValue = &key_type;
	sub[1].pValue = inner_label;
	sub[1].ulValueLen = sizeof(inner_label);
	sub[2].pValue = subsub;
	subsub[0] = (CK_ATTRIBUTE){0, &sensitive, 1};
	CHECK_RV(CKR_BUFFER_TOO_SMALL, ask(&a[5], 1));
	CHECK(key_type == CKK_AES && sub[1].ulValueLen == CK_UNAVAILABLE_INFORMATION);
	CHECK(sensitive == CK_TRUE && subsub[0].type == CKA_SENSITIVE && subsub[0].ulValueLen == 1);
	a[5].ulValueLen = sizeof(sub) - 1;
	CHECK_RV(CKR_BUFFER_TOO_SMALL, ask(&a[5], 1));
}

/* A daemon that lies about lengths writes nothing past the application's buffers. */
static void
lying_answers(void)
{
	CK_ULONG class = 0;
	char guard[8] = "guarded";
	CK_ATTRIBUTE inner[1] = {{0, NULL, 0}};
	CK_ATTRIBUTE a[] = {{CKA_CLASS, &class, 4}, {CKA_LABEL, guard, 2}, {CKA_LABEL, NULL, 0},
		{CKA_TOKEN, guard, 0}, {CKA_UNWRAP_TEMPLATE, inner, sizeof(inner)}, {CKA_ID, guard, 8}};
	CK_ATTRIBUTE_TYPE said[] = {CKA_CLASS, CKA_LABEL, CKA_LABEL, CKA_TOKEN, CKA_UNWRAP_TEMPLATE, CKA_LABEL};

	for (int i = 0; i < 6; i++) {
		struct codec d = {0}, r = {0};

		codec_reply(&d, &(struct wire_header){.call = WIRE_GET_ATTRIBUTE_VALUE});
		codec_put_answers_begin(&d, 1);
		codec_put_answer(&d, said[i], 1, attrs_get(&object, said[i]), true);
		CHECK_RV(CKR_OK, codec_end_rv(&d, CKR_OK));
		CHECK_RV(CKR_OK, deliver(&r, CODEC_REPLY, &d));
		CHECK(!codec_get_answers(&r, &a[i], 1));
		CHECK_RV(CKR_ARGUMENTS_BAD, codec_close(&r));
		codec_free(&d);
		codec_free(&r);
	}
	CHECK(memcmp(guard, "guarded", 8) == 0 && class == 0);
}

/* A message's parameter; the token makes IV and tag. */
static uint8_t gcm_iv[12], gcm_tag[16];
static struct ck_gcm_message_parameters gcm = {gcm_iv, sizeof(gcm_iv), 32, CKG_GENERATE, gcm_tag, 128};

/* Takes every letter, whatever the call. */
static CK_RV
take_all(struct codec *m)
{
	CK_ATTRIBUTE a[3] = {{CKA_CLASS, NULL, 0}, {CKA_LABEL, NULL, 0}, {CKA_UNWRAP_TEMPLATE, NULL, 0}};
	uint8_t room[8];
	CK_ATTRIBUTE inner[3] = {{0, NULL, 0}};

	a[0] = (CK_ATTRIBUTE){CKA_CLASS, room, 8};
	a[2] = (CK_ATTRIBUTE){CKA_UNWRAP_TEMPLATE, inner, sizeof(inner)};
	while (*m->sig != '\0' && m->rv == CKR_OK) {
		struct codec_query *q;
		struct attrs s = {0};
		const uint8_t *data;
		struct param p;
		CK_ULONG v, *list;
		uint8_t byte;
		bool present;
		size_t n;

		switch (*m->sig) {
		case 'y':
			codec_get_byte(m, &byte);
			break;
		case 'u':
			codec_get_ulong(m, &v);
			break;
		case 'b':
			codec_get_bytes(m, &data, &n);
			break;
		case 'o':
			codec_get_room(m, &present, &v);
			break;
		case 'O':
			codec_get_output(m, &v, &data, &n);
			break;
		case 'h':
			codec_get_ulongs(m, &list, &n, 1000);
			free(list);
			break;
		case 'a':
			codec_get_attrs(m, &s);
			attrs_free(&s);
			break;
		case 'q':
			codec_get_query(m, &q, &n);
			free(q);
			break;
		case 'm':
			codec_get_mechanism(m, &p);
			param_free(&p);
			break;
		case 'M':
			codec_get_message_mechanism(m, &p);
			param_free(&p);
			break;
		case 'p':
			codec_get_message_param(m, &p);
			param_free(&p);
			break;
		case 'P':
			codec_get_message_outputs(m, &gcm, sizeof(gcm));
			break;
		case 'r':
			codec_get_answers(m, a, 3);
			break;
		}
	}
	return codec_close(m);
}

/* One frame of every sort of letter. */
#define N_FRAMES 9
static struct codec frames[N_FRAMES];
static enum codec_side sides[N_FRAMES];

static void
make_frames(void)
{
	static uint8_t label[] = {'l'};
	static CK_RSA_PKCS_OAEP_PARAMS oaep = {
		CKM_SHA256, CKG_MGF1_SHA256, CKZ_DATA_SPECIFIED, label, sizeof(label)};
	CK_MECHANISM mech = {CKM_RSA_PKCS_OAEP, &oaep, sizeof(oaep)};
	CK_ATTRIBUTE query[3] = {{CKA_CLASS, NULL, 0}, {CKA_LABEL, &mech, 8}, {CKA_UNWRAP_TEMPLATE, NULL, 0}};
	CK_ULONG list[] = {1, 2, CK_UNAVAILABLE_INFORMATION};
	static const uint32_t calls[N_FRAMES] = {WIRE_GENERATE_KEY_PAIR, WIRE_GET_ATTRIBUTE_VALUE,
		WIRE_GET_ATTRIBUTE_VALUE, WIRE_GET_TOKEN_INFO, WIRE_WRAP_KEY, WIRE_WRAP_KEY, WIRE_ENCRYPT_MESSAGE,
		WIRE_ENCRYPT_MESSAGE, WIRE_WRAP_KEY_AUTHENTICATED};
	static const bool reply[N_FRAMES] = {false, false, true, true, false, true, false, true, false};
	CK_MECHANISM wrap = {CKM_AES_GCM, &gcm, sizeof(gcm)};
	struct param filled = {0};
	struct buf flat;

	/* what the daemon has of it, filled in */
	buf_init(&flat, 4096);
	CHECK_RV(CKR_OK, message_param_encode(&flat, &gcm, sizeof(gcm), true));
	CHECK_RV(CKR_OK, message_param_decode(&flat, &filled));
	memset(((struct ck_gcm_message_parameters *)filled.mech.pParameter)->pTag, 7, 16);
	buf_free(&flat);

	for (int i = 0; i < N_FRAMES; i++) {
		struct codec *m = &frames[i];

		sides[i] = reply[i] ? CODEC_REPLY : CODEC_REQUEST;
		if (reply[i])
			codec_reply(m, &(struct wire_header){.call = calls[i], .seq = 1});
		else
			codec_begin(m, calls[i], 1);
		while (*m->sig != '\0' && m->rv == CKR_OK) {
			switch (*m->sig) {
			case 'y':
				codec_put_byte(m, 1);
				break;
			case 'u':
				codec_put_ulong(m, 2);
				break;
			case 'b':
				codec_put_bytes(m, "bytes", 5);
				break;
			case 'o':
				codec_put_room(m, true, 100);
				break;
			case 'O':
				codec_put_output(m, 4, "data");
				break;
			case 'h':
				codec_put_ulongs(m, list, 3);
				break;
			case 'a':
				codec_put_attrs(m, &object);
				break;
			case 'q':
				codec_put_query(m, query, 3);
				break;
			case 'm':
				codec_put_mechanism(m, &mech);
				break;
			case 'M':
				codec_put_message_mechanism(m, &wrap, true);
				break;
			case 'p':
				codec_put_message_param(m, &gcm, sizeof(gcm), true);
				break;
			case 'P':
				codec_put_outputs(m, calls[i] == WIRE_WRAP_KEY ? NULL : &filled);
				break;
			case 'r':
				codec_put_answers_begin(m, 3);
				codec_put_answer(m, CKA_CLASS, 8, attrs_get(&object, CKA_CLASS), true);
				codec_put_answer(m, CKA_LABEL, 5, NULL, false);
				codec_put_answer(m, CKA_UNWRAP_TEMPLATE, 3 * sizeof(CK_ATTRIBUTE),
					attrs_get(&object, CKA_UNWRAP_TEMPLATE), true);
				break;
			}
		}
		if (reply[i])
			CHECK_RV(CKR_OK, codec_end_rv(m, CKR_OK));
		else
			CHECK_RV(CKR_OK, codec_end(m));
	}
	param_free(&filled);
}

/* What the token wrote comes to where the application's structure says. */
static void
outputs_arrive(void)
{
	static const uint8_t sevens[16] = {7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7};
	struct codec m = {0};

	memset(gcm_tag, 0, sizeof(gcm_tag));
	CHECK_RV(CKR_OK, deliver(&m, sides[7], &frames[7]));
	CHECK_RV(CKR_OK, take_all(&m));
	CHECK(memcmp(gcm_tag, sevens, sizeof(sevens)) == 0);
	codec_free(&m);
}

static void
every_truncation(void)
{
	for (int i = 0; i < N_FRAMES; i++) {
		size_t whole = frames[i].buf.len;
		struct codec m = {0};

		CHECK_RV(CKR_OK, deliver(&m, sides[i], &frames[i]));
		CHECK_RV(CKR_OK, take_all(&m));
		for (size_t len = 0; len < whole; len++) {
			/* in memory of exactly its length, so that a sanitizer sees the first byte past it */
			uint8_t *cut = malloc(len + 1);
			struct wire_header h;

			memcpy(cut, frames[i].buf.data, len);
			CHECK_RV(CKR_ARGUMENTS_BAD, codec_open(&m, sides[i], cut, len));
			if (len >= WIRE_HEADER) {
				uint8_t *tight = malloc(len);

				memcpy(tight, cut, len);
				wire_get_header(tight, &h);
				h.length = (uint32_t)len;
				wire_put_header(tight, &h);
				CHECK_RV(CKR_OK, codec_open(&m, sides[i], tight, len));
				CHECK_RV(CKR_ARGUMENTS_BAD, take_all(&m));
				free(tight);
			}
			free(cut);
		}
		codec_free(&m);
	}
}

static void
mutations(void)
{
	unsigned seed = 3, fine = 0, refused = 0;

	for (int i = 0; i < 100000; i++) {
		const struct codec *f = &frames[i % N_FRAMES];
		int changes = 1 + rand_r(&seed) % 4;
		uint8_t *bytes = malloc(f->buf.len);
		struct codec m = {0};

		memcpy(bytes, f->buf.data, f->buf.len);
		while (changes-- > 0) {
			/* seldom in the header: the body is where the parser works */
			size_t at = (unsigned)rand_r(&seed) % f->buf.len;

			if (at < WIRE_HEADER && rand_r(&seed) % 8 != 0)
				at = WIRE_HEADER + at % (f->buf.len - WIRE_HEADER);
			bytes[at] = rand_r(&seed) % 2 ? (uint8_t)rand_r(&seed) : 0xff;
		}
		if (codec_open(&m, sides[i % N_FRAMES], bytes, f->buf.len) == CKR_OK &&
			take_all(&m) == CKR_OK)
			fine++;
		else
			refused += m.rv != CKR_OK;
		codec_free(&m);
		free(bytes);
	}
	CHECK(fine + refused == 100000 && fine > 1000 && refused > 1000);
}

static void
limits(void)
{
	CK_ATTRIBUTE *many = calloc(ATTRS_MAX_COUNT + 1, sizeof(*many));
	CK_ULONG list[3] = {1, 2, 3}, *got;
	uint8_t two = 2;
	struct codec c = {0}, d = {0};
	size_t n;

	codec_begin(&c, WIRE_GET_ATTRIBUTE_VALUE, 1);
	codec_put_ulong(&c, 1);
	codec_put_ulong(&c, 1);
	CHECK(!codec_put_query(&c, many, ATTRS_MAX_COUNT + 1));
	CHECK_RV(CKR_ARGUMENTS_BAD, codec_end(&c));
	codec_begin(&c, WIRE_CREATE_OBJECT, 1);
	codec_put_ulong(&c, 1);
	many[0] = (CK_ATTRIBUTE){CKA_TOKEN, &two, 1};
	CHECK(!codec_put_template(&c, many, 1));
	CHECK_RV(CKR_ATTRIBUTE_VALUE_INVALID, codec_end(&c));
	codec_reply(&c, &(struct wire_header){.call = WIRE_GET_SLOT_LIST});
	CHECK(codec_put_ulongs(&c, list, 3));
	CHECK_RV(CKR_OK, codec_end_rv(&c, CKR_OK));
	CHECK_RV(CKR_OK, deliver(&d, CODEC_REPLY, &c));
	CHECK(!codec_get_ulongs(&d, &got, &n, 2) && got == NULL && n == 0);
	CHECK_RV(CKR_OK, deliver(&d, CODEC_REPLY, &c));
	CHECK(codec_get_ulongs(&d, &got, &n, 3) && n == 3 && got[2] == 3);
	free(got);
	codec_free(&c);
	codec_free(&d);
	free(many);
}

int
main(void)
{
	make_object();
	sign_round_trip();
	documented_bytes();
	our_own_errors();
	headers_are_checked();
	internal_attributes_are_refused();
	answers();
	lying_answers();
	make_frames();
	outputs_arrive();
	every_truncation();
	mutations();
	limits();
	for (int i = 0; i < N_FRAMES; i++)
		codec_free(&frames[i]);
	attrs_free(&object);
	return unit_done("test_codec");
}
