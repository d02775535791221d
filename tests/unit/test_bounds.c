/* What one application can make the daemon keep, and what of its doings the audit keeps. */
#include "rpc_help.h"
#include "../../fs/session_object.h"

static CK_RV
create_big(struct peer *p, CK_ULONG s, size_t size, CK_ULONG *h)
{
	uint8_t *value = calloc(1, size);
	CK_ATTRIBUTE templ[] = {{CKA_CLASS, &data_class, sizeof(data_class)}, {CKA_TOKEN, &no, 1},
		{CKA_PRIVATE, &no, 1}, {CKA_LABEL, (void *)"big", 3}, {CKA_VALUE, value, size}};
	CK_RV rv = ask(p, WIRE_CREATE_OBJECT, "ua", s, templ, 5UL);

	*h = rv == CKR_OK ? got(p) : 0;
	free(value);
	return rv;
}

static void
test_session_objects_are_bounded(struct daemon *d)
{
	CK_ATTRIBUTE longer = {CKA_LABEL, calloc(1, 200000), 200000};
	CK_ULONG s, t, h = 0, first = 0, n = 0;
	struct peer p, q;
	CK_RV rv;

	peer_open(&p, d);
	peer_open(&q, d);
	CHECK_RV(CKR_OK, open_session(&p, 0, RO, &s));
	CHECK_RV(CKR_OK, open_session(&q, 0, RO, &t));
	while ((rv = create_big(&p, s, 60000, &h)) == CKR_OK && n < 2000) {
		if (n++ == 0)
			first = h;
	}
	CHECK_RV(CKR_DEVICE_MEMORY, rv);
	CHECK(n > 1000 && n * 60000 <= SESSION_OBJECTS_BYTES);
	CHECK(atomic_load(&d->object_bytes) == p.app->object_bytes);
	CHECK_RV(CKR_DEVICE_MEMORY, ask(&p, WIRE_SET_ATTRIBUTE_VALUE, "uua", s, first, &longer, 1UL));
	CHECK_RV(CKR_OK, create_big(&q, t, 60000, &h)); /* nobody else's loss */
	CHECK_RV(CKR_OK, ask(&p, WIRE_DESTROY_OBJECT, "uu", s, first));
	CHECK_RV(CKR_OK, create_big(&p, s, 60000, &h));
	CHECK_RV(CKR_OK, ask(&p, WIRE_CLOSE_SESSION, "u", s));
	CHECK(p.app->object_bytes == 0);
	peer_close(&p);
	peer_close(&q);
	CHECK(atomic_load(&d->object_bytes) == 0);
	free(longer.pValue);
}

/* Parts of a text that is not given out before it is known to be whole. */
static CK_RV
gather(struct peer *p, CK_ULONG s, CK_ULONG key, size_t len)
{
	uint8_t iv[12] = {1}, *part = calloc(1, len);
	CK_GCM_PARAMS gcm = {.pIv = iv, .ulIvLen = 12, .ulIvBits = 96, .ulTagBits = 128};
	CK_MECHANISM m = {CKM_AES_GCM, &gcm, sizeof(gcm)};
	CK_RV rv = ask(p, WIRE_DECRYPT_INIT, "umu", s, &m, key);

	if (rv == CKR_OK)
		rv = ask(p, WIRE_DECRYPT_UPDATE, "ubo", s, part, len, 1, len);
	free(part);
	return rv;
}

static void
test_what_operations_gather_is_bounded(struct daemon *d)
{
	CK_ULONG s, t, key;
	struct peer p;
	size_t one;

	peer_open(&p, d);
	CHECK_RV(CKR_OK, open_session(&p, 0, RO, &s));
	CHECK_RV(CKR_OK, open_session(&p, 0, RO, &t));
	CHECK_RV(CKR_OK, create_key(&p, s, &aes, &no, &no, "gathers", &key));
	CHECK_RV(CKR_OK, gather(&p, s, key, 1 << 20));
	one = p.app->held_bytes;
	CHECK(one >= 1 << 20 && one == atomic_load(&d->held_bytes));
	p.app->held_bytes += SESSIONS_HELD - one; /* as if other sessions held all the rest */
	CHECK_RV(CKR_DEVICE_MEMORY, gather(&p, t, key, 1 << 20));
	CHECK(p.app->held_bytes == SESSIONS_HELD);
	CHECK_RV(CKR_OPERATION_NOT_INITIALIZED, ask(&p, WIRE_DECRYPT_FINAL, "uo", t, 1, 16UL));
	p.app->held_bytes -= SESSIONS_HELD - one;
	atomic_fetch_add(&d->held_bytes, SESSIONS_ALL_HELD - one); /* as if other applications did */
	CHECK_RV(CKR_DEVICE_MEMORY, gather(&p, t, key, 1 << 20));
	atomic_fetch_sub(&d->held_bytes, SESSIONS_ALL_HELD - one);
	CHECK_RV(CKR_OK, gather(&p, t, key, 1 << 20));
	CHECK(p.app->held_bytes == 2 * one);
	CHECK_RV(CKR_OK, ask(&p, WIRE_SESSION_CANCEL, "uu", s, CKF_DECRYPT));
	CHECK(p.app->held_bytes == one);
	CHECK_RV(CKR_OK, ask(&p, WIRE_CLOSE_SESSION, "u", t));
	CHECK(p.app->held_bytes == 0);
	peer_close(&p);
	CHECK(atomic_load(&d->held_bytes) == 0);
}

static size_t
find_some(struct peer *p, CK_ULONG s, CK_ULONG max, CK_ULONG *last)
{
	CK_ULONG *v = NULL;
	size_t n = 0;

	CHECK_RV(CKR_OK, ask(p, WIRE_FIND_OBJECTS, "uu", s, max));
	codec_get_ulongs(&p->answer, &v, &n, 20000);
	*last = n ? v[n - 1] : 0;
	free(v);
	return n;
}

static void
test_one_answer_of_a_search_is_bounded(struct daemon *d)
{
	CK_ATTRIBUTE label = {CKA_LABEL, (void *)"big", 3};
	CK_ULONG s, h, first = 0, last;
	struct peer p;

	peer_open(&p, d);
	CHECK_RV(CKR_OK, open_session(&p, 0, RO, &s));
	for (int i = 0; i < 6000; i++) {
		CHECK_RV(CKR_OK, create_big(&p, s, 8, &h));
		if (i == 0)
			first = h;
	}
	CHECK_RV(CKR_OK, ask(&p, WIRE_FIND_OBJECTS_INIT, "ua", s, &label, 1UL));
	CHECK(find_some(&p, s, 100000, &last) == 4096);
	CHECK(find_some(&p, s, 100000, &last) == 6000 - 4096 && last == h);
	CHECK(find_some(&p, s, 100000, &last) == 0);
	CHECK_RV(CKR_OK, ask(&p, WIRE_FIND_OBJECTS_FINAL, "u", s));
	/* After something was destroyed each is looked at again; more than one answer's worth of them may be gone. */
	CHECK_RV(CKR_OK, ask(&p, WIRE_FIND_OBJECTS_INIT, "ua", s, &label, 1UL));
	for (CK_ULONG i = first; i < first + 5000; i++)
		CHECK_RV(CKR_OK, ask(&p, WIRE_DESTROY_OBJECT, "uu", s, i));
	CHECK(find_some(&p, s, 10, &last) == 1 && last == first + 5000);
	CHECK(find_some(&p, s, 100000, &last) == 999 && last == h);
	peer_close(&p);
}

/* ---- the audit ---- */

static size_t
events(struct peer *p, const char *what, const char *more)
{
	const uint8_t *text = NULL;
	char *copy, *line, *rest, want[64];
	size_t len = 0, n = 0;

	CHECK_RV(CKR_OK, ask(p, WIRE_T_AUDIT, "uu", 0UL, 10000UL));
	codec_get_bytes(&p->answer, &text, &len);
	copy = strndup((const char *)text, len);
	snprintf(want, sizeof(want), "\"what\":\"%s\"", what);
	for (line = strtok_r(copy, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
		n += strstr(line, want) && strstr(line, more);
	free(copy);
	return n;
}

static void
test_audit_has_exports_and_refusals(struct daemon *d)
{
	CK_ATTRIBUTE value = {CKA_VALUE, NULL, 0}, class = {CKA_CLASS, NULL, 0};
	CK_ATTRIBUTE label = {CKA_LABEL, (void *)"new", 3};
	CK_MECHANISM kw = {CKM_AES_KEY_WRAP, NULL, 0}, cmac = {CKM_AES_CMAC, NULL, 0};
	CK_ATTRIBUTE open_key[] = {{CKA_CLASS, &secret_class, sizeof(secret_class)},
		{CKA_KEY_TYPE, &aes, sizeof(aes)}, {CKA_TOKEN, &yes, 1}, {CKA_PRIVATE, &yes, 1},
		{CKA_SENSITIVE, &no, 1}, {CKA_EXTRACTABLE, &yes, 1}, {CKA_UNWRAP, &yes, 1},
		{CKA_SIGN, &no, 1}, {CKA_VALUE, (void *)key_bytes, 16}};
	CK_ATTRIBUTE templ[] = {{CKA_CLASS, &secret_class, sizeof(secret_class)},
		{CKA_KEY_TYPE, &aes, sizeof(aes)}};
	CK_ULONG s, key;
	uint8_t room[16];
	struct peer p;

	peer_open(&p, d);
	CHECK_RV(CKR_OK, open_session(&p, 0, RW, &s));
	CHECK_RV(CKR_USER_NOT_LOGGED_IN, ask(&p, WIRE_CREATE_OBJECT, "ua", s, open_key, 9UL));
	CHECK(events(&p, "create", "CKR_USER_NOT_LOGGED_IN") == 1);
	CHECK_RV(CKR_OK, login(&p, s, CKU_USER, PIN));
	CHECK_RV(CKR_OK, ask(&p, WIRE_CREATE_OBJECT, "ua", s, open_key, 9UL));
	key = got(&p);
	CHECK_RV(CKR_OK, ask(&p, WIRE_GET_ATTRIBUTE_VALUE, "uuq", s, key, &value, 1UL));
	value = class = (CK_ATTRIBUTE){CKA_CLASS, room, sizeof(room)};
	CHECK_RV(CKR_OK, ask(&p, WIRE_GET_ATTRIBUTE_VALUE, "uuq", s, key, &class, 1UL));
	CHECK(events(&p, "export", "") == 0); /* a length is no secret, nor is a class */
	value.type = CKA_VALUE;
	CHECK_RV(CKR_OK, ask(&p, WIRE_GET_ATTRIBUTE_VALUE, "uuq", s, key, &value, 1UL));
	CHECK(events(&p, "export", "CKO_SECRET_KEY") == 1);
	for (int i = 0; i < 3; i++)
		CHECK_RV(CKR_KEY_FUNCTION_NOT_PERMITTED, ask(&p, WIRE_SIGN_INIT, "umu", s, &cmac, key));
	CHECK(events(&p, "use-sign", "CKR_KEY_FUNCTION_NOT_PERMITTED") == 1);
	CHECK(ask(&p, WIRE_UNWRAP_KEY, "umuba", s, &kw, key, key_bytes, (size_t)24, templ, 2UL) != CKR_OK);
	CHECK(events(&p, "unwrap", "CKR_") == 1);
	CHECK_RV(CKR_OK, ask(&p, WIRE_SET_ATTRIBUTE_VALUE, "uua", s, key, &label, 1UL));
	label = (CK_ATTRIBUTE){CKA_EXTRACTABLE, &no, 1};
	CHECK_RV(CKR_OK, ask(&p, WIRE_SET_ATTRIBUTE_VALUE, "uua", s, key, &label, 1UL));
	label.pValue = &yes;
	CHECK_RV(CKR_ATTRIBUTE_READ_ONLY, ask(&p, WIRE_SET_ATTRIBUTE_VALUE, "uua", s, key, &label, 1UL));
	CHECK(events(&p, "set-attributes", "CKR_ATTRIBUTE_READ_ONLY") == 1);
	CHECK_RV(CKR_OK, ask(&p, WIRE_DESTROY_OBJECT, "uu", s, key));
	CHECK(events(&p, "destroy", "CKR_OK") == 1);
	peer_close(&p);
}

int
main(void)
{
	struct bench b = {0};
	struct peer p;
	CK_ULONG s;

	if (!bench_ready(&b))
		return 1;
	peer_open(&p, b.daemon);
	CHECK_RV(CKR_OK, init_token(&p, 0, SO_PIN, "bounds"));
	CHECK_RV(CKR_OK, open_session(&p, 0, RW, &s));
	CHECK_RV(CKR_OK, login(&p, s, CKU_SO, SO_PIN));
	CHECK_RV(CKR_OK, ask(&p, WIRE_INIT_PIN, "ub", s, PIN, strlen(PIN)));
	peer_close(&p);
	test_what_operations_gather_is_bounded(b.daemon);
	test_session_objects_are_bounded(b.daemon);
	test_one_answer_of_a_search_is_bounded(b.daemon);
	test_audit_has_exports_and_refusals(b.daemon);
	bench_close(&b);
	return unit_done("bounds");
}
