/* Objects and searches by rpc_call on a real vault: who sees what, and until when. */
#include "rpc_help.h"

static void
test_objects_are_seen_by_whom_they_should(struct daemon *d)
{
	CK_ULONG a, b, other, own, private_own, token_key, h;
	struct peer p, q;

	peer_open(&p, d);
	peer_open(&q, d);
	open_session(&p, 0, RW, &a);
	open_session(&p, 0, RO, &b);
	open_session(&q, 0, RW, &other);
	CHECK_RV(CKR_USER_NOT_LOGGED_IN, create_key(&p, a, &generic, &yes, &yes, "k", &h));
	CHECK_RV(CKR_OK, login(&p, a, CKU_USER, PIN));
	CHECK_RV(CKR_SESSION_READ_ONLY, create_key(&p, b, &generic, &yes, &no, "k", &h));
	CHECK_RV(CKR_OK, create_data(&p, a, &no, &no, "own", &own));
	CHECK(own & HANDLE_SESSION);
	CHECK_RV(CKR_OK, create_data(&p, a, &no, &yes, "own", &private_own));
	CHECK_RV(CKR_OK, create_key(&p, a, &generic, &yes, &yes, "tk", &token_key));
	CHECK(!(token_key & HANDLE_SESSION));
	CHECK(count(&p, a, "own") == 2 && count(&p, b, "own") == 2 &&
		count(&q, other, "own") == 0);
	CHECK(count(&p, b, "tk") == 1 && count(&q, other, "tk") == 0);
	CHECK_RV(CKR_OBJECT_HANDLE_INVALID,
		ask(&q, WIRE_GET_OBJECT_SIZE, "uu", other, token_key));
	CHECK_RV(CKR_OBJECT_HANDLE_INVALID, ask(&q, WIRE_GET_OBJECT_SIZE, "uu", other, own));
	CHECK_RV(CKR_OBJECT_HANDLE_INVALID,
		ask(&q, WIRE_DESTROY_OBJECT, "uu", other, token_key));
	CHECK_RV(CKR_KEY_HANDLE_INVALID, sign_init(&q, other, token_key));
	CHECK_RV(CKR_KEY_HANDLE_INVALID, sign_init(&p, a, own)); /* no key */
	CHECK_RV(CKR_KEY_HANDLE_INVALID, sign_init(&p, a, ~0UL));
	CHECK_RV(CKR_OK, ask(&p, WIRE_GET_OBJECT_SIZE, "uu", b, own));
	CHECK(got(&p) > 32);
	/* logout: private session objects are destroyed, private token objects hidden */
	CHECK_RV(CKR_OK, ask(&p, WIRE_LOGOUT, "u", b));
	CHECK(count(&p, a, "own") == 1 && count(&p, a, "tk") == 0);
	CHECK_RV(
		CKR_OBJECT_HANDLE_INVALID, ask(&p, WIRE_GET_OBJECT_SIZE, "uu", a, private_own));
	CHECK_RV(CKR_OBJECT_HANDLE_INVALID, ask(&p, WIRE_GET_OBJECT_SIZE, "uu", a, token_key));
	CHECK_RV(CKR_OK, login(&p, a, CKU_USER, PIN));
	CHECK(count(&p, a, "own") == 1 && count(&p, a, "tk") == 1);
	/* session objects go with the session that made them */
	CHECK_RV(CKR_OK, ask(&p, WIRE_CLOSE_SESSION, "u", a));
	CHECK(count(&p, b, "own") == 0 && count(&p, b, "tk") == 1);
	CHECK_RV(CKR_SESSION_READ_ONLY, ask(&p, WIRE_DESTROY_OBJECT, "uu", b, token_key));
	open_session(&p, 0, RW, &a);
	CHECK_RV(CKR_OK, ask(&p, WIRE_DESTROY_OBJECT, "uu", a, token_key));
	CHECK_RV(CKR_OBJECT_HANDLE_INVALID, ask(&p, WIRE_DESTROY_OBJECT, "uu", a, token_key));
	CHECK(count(&p, b, "tk") == 0);
	peer_close(&p);
	peer_close(&q);
}

static void
test_copy_and_change(struct daemon *d)
{
	CK_ULONG s, o, copy, token_copy;
	struct peer p;
	CK_ATTRIBUTE name = {CKA_LABEL, (char[]){"renamed"}, 7};
	CK_ATTRIBUTE keep = {CKA_TOKEN, &yes, 1};

	peer_open(&p, d);
	open_session(&p, 0, RW, &s);
	CHECK_RV(CKR_OK, login(&p, s, CKU_USER, PIN));
	CHECK_RV(CKR_OK, create_data(&p, s, &no, &no, "orig", &o));
	CHECK_RV(CKR_OK, ask(&p, WIRE_COPY_OBJECT, "uua", s, o, NULL, 0UL));
	copy = got(&p);
	CHECK(copy != o && (copy & HANDLE_SESSION) && count(&p, s, "orig") == 2);
	CHECK_RV(CKR_OK, ask(&p, WIRE_SET_ATTRIBUTE_VALUE, "uua", s, copy, &name, 1UL));
	CHECK(count(&p, s, "orig") == 1 && count(&p, s, "renamed") == 1);
	CHECK_RV(CKR_OK, ask(&p, WIRE_COPY_OBJECT, "uua", s, o, &keep, 1UL));
	token_copy = got(&p);
	CHECK(!(token_copy & HANDLE_SESSION));
	CHECK_RV(CKR_OK, ask(&p, WIRE_SET_ATTRIBUTE_VALUE, "uua", s, token_copy, &name, 1UL));
	CHECK(count(&p, s, "renamed") == 2);
	CHECK_RV(CKR_OK, ask(&p, WIRE_DESTROY_OBJECT, "uu", s, token_copy));
	CHECK_RV(CKR_OK, ask(&p, WIRE_DESTROY_OBJECT, "uu", s, copy));
	CHECK(count(&p, s, "renamed") == 0);
	peer_close(&p);
}

static void
test_attribute_query_answers_each_item(struct daemon *d)
{
	CK_BYTE label[16], start[8], value[32], small[2];
	CK_ULONG s, o, class = 0;
	struct peer p;
	CK_ATTRIBUTE q[] = {
		{CKA_LABEL, label, sizeof(label)},
		{CKA_CLASS, &class, sizeof(class)},
		{CKA_VALUE, NULL, 0},
		{CKA_MODULUS, start, sizeof(start)},
		{CKA_LABEL, small, sizeof(small)},
		{CKA_VALUE, value, sizeof(value)},
	};

	peer_open(&p, d);
	open_session(&p, 0, RW, &s);
	CHECK_RV(CKR_OK, create_data(&p, s, &no, &no, "label", &o));
	CHECK_RV(CKR_ATTRIBUTE_TYPE_INVALID,
		ask(&p, WIRE_GET_ATTRIBUTE_VALUE, "uuq", s, o, q, 6UL));
	codec_get_answers(&p.answer, q, 6);
	CHECK(q[0].ulValueLen == 5 && memcmp(label, "label", 5) == 0);
	CHECK(q[1].ulValueLen == sizeof(class) && class == CKO_DATA);
	CHECK(q[2].ulValueLen == 32);
	CHECK(q[3].ulValueLen == CK_UNAVAILABLE_INFORMATION);
	CHECK(q[4].ulValueLen == CK_UNAVAILABLE_INFORMATION);
	CHECK(q[5].ulValueLen == 32 && memcmp(value, key_bytes, 32) == 0);
	q[4].ulValueLen = sizeof(small);
	CHECK_RV(CKR_BUFFER_TOO_SMALL,
		ask(&p, WIRE_GET_ATTRIBUTE_VALUE, "uuq", s, o, q + 4, 1UL));
	CHECK_RV(CKR_OK, ask(&p, WIRE_GET_ATTRIBUTE_VALUE, "uuq", s, o, q, 2UL));
	CHECK_RV(CKR_OK, ask(&p, WIRE_GET_ATTRIBUTE_VALUE, "uuq", s, o, q, 0UL));
	peer_close(&p);
}

static void
test_search_is_a_snapshot(struct daemon *d)
{
	CK_ULONG s, t, a, b, c, *v = NULL;
	size_t n = 0;
	struct peer p;
	CK_ATTRIBUTE templ = {CKA_LABEL, (char[]){"snap"}, 4};

	peer_open(&p, d);
	open_session(&p, 0, RW, &s);
	open_session(&p, 0, RW, &t);
	CHECK_RV(CKR_OPERATION_NOT_INITIALIZED, ask(&p, WIRE_FIND_OBJECTS, "uu", s, 1UL));
	CHECK_RV(CKR_OPERATION_NOT_INITIALIZED, ask(&p, WIRE_FIND_OBJECTS_FINAL, "u", s));
	CHECK_RV(CKR_OK, create_data(&p, s, &yes, &no, "snap", &a));
	CHECK_RV(CKR_OK, create_data(&p, t, &no, &no, "snap", &b));
	CHECK_RV(CKR_OK, ask(&p, WIRE_FIND_OBJECTS_INIT, "ua", s, &templ, 1UL));
	CHECK_RV(CKR_OPERATION_ACTIVE, ask(&p, WIRE_FIND_OBJECTS_INIT, "ua", s, &templ, 1UL));
	CHECK_RV(CKR_OK, create_data(&p, s, &no, &no, "snap", &c)); /* came too late */
	CHECK_RV(CKR_OK, ask(&p, WIRE_FIND_OBJECTS, "uu", s, 1UL));
	codec_get_ulongs(&p.answer, &v, &n, 10);
	CHECK(n == 1 && v && v[0] == a);
	free(v);
	v = NULL;
	CHECK_RV(CKR_OK, ask(&p, WIRE_DESTROY_OBJECT, "uu", t, b)); /* gone meanwhile */
	CHECK_RV(CKR_OK, ask(&p, WIRE_FIND_OBJECTS, "uu", s, 10UL));
	codec_get_ulongs(&p.answer, &v, &n, 10);
	CHECK(n == 0);
	free(v);
	CHECK_RV(CKR_OK, ask(&p, WIRE_FIND_OBJECTS_FINAL, "u", s));
	CHECK_RV(CKR_OK, ask(&p, WIRE_DESTROY_OBJECT, "uu", s, a));
	peer_close(&p);
}

int
main(void)
{
	struct bench b = {0};

	if (!bench_ready(&b))
		return 1;
	make_token(&b, "token");
	test_objects_are_seen_by_whom_they_should(b.daemon);
	test_copy_and_change(b.daemon);
	test_attribute_query_answers_each_item(b.daemon);
	test_search_is_a_snapshot(b.daemon);
	bench_close(&b);
	return unit_done("rpc_object");
}
