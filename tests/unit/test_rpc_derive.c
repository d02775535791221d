/* Derivation across the wire: several keys and their handles, IVs and a version that come back in the parameter, keys
 * that a parameter names and a session may or may not see. */
#include "rpc_help.h"

static struct bench bench;
static struct peer mine, other;
static CK_ULONG session, foreign;

/* A session secret key whose value can be read. */
static CK_ULONG
secret(struct peer *p, CK_ULONG s, CK_KEY_TYPE type, const void *value, CK_ULONG len, CK_BBOOL *private)
{
	CK_ATTRIBUTE t[] = {{CKA_CLASS, &secret_class, sizeof(secret_class)}, {CKA_KEY_TYPE, &type, sizeof(type)},
		{CKA_SENSITIVE, &no, 1}, {CKA_EXTRACTABLE, &yes, 1}, {CKA_PRIVATE, private, 1}, {CKA_DERIVE, &yes, 1},
		{CKA_VALUE, (void *)value, len}};

	CHECK_RV(CKR_OK, ask(p, WIRE_CREATE_OBJECT, "ua", s, t, 7UL));
	return got(p);
}

/* The value of a key, as the session reads it. */
static size_t
value_of(struct peer *p, CK_ULONG s, CK_ULONG h, uint8_t *out, size_t room)
{
	CK_ATTRIBUTE q = {CKA_VALUE, out, room};

	if (ask(p, WIRE_GET_ATTRIBUTE_VALUE, "uuq", s, h, &q, 1UL) != CKR_OK)
		return 0;
	return codec_get_answers(&p->answer, &q, 1) ? q.ulValueLen : 0;
}

/* As the module does it: the handle, then the outputs to where the mechanism's parameter says. */
static CK_RV
derive_keys(CK_MECHANISM *m, CK_ULONG base, CK_ATTRIBUTE *t, CK_ULONG n, CK_ULONG *h)
{
	CK_RV rv = ask(&mine, WIRE_DERIVE_KEYS, "umua", session, m, base, t, n);

	*h = 0;
	if (rv == CKR_OK) {
		codec_get_ulong(&mine.answer, h);
		CHECK(codec_get_outputs(&mine.answer, m));
	}
	return rv;
}

static void
test_tls(void)
{
	static uint8_t cr[32] = "client", sr[32] = "server", ms[48] = "master";
	uint8_t ivc[16] = {0}, ivs[16] = {0}, a[64], b[64];
	CK_SSL3_KEY_MAT_OUT out = {9, 9, 9, 9, ivc, ivs};
	CK_TLS12_KEY_MAT_PARAMS p = {256, 128, 128, CK_FALSE, {cr, 32, sr, 32}, &out, CKM_SHA256};
	CK_MECHANISM m = {CKM_TLS12_KEY_AND_MAC_DERIVE, &p, sizeof(p)};
	CK_VERSION v = {0, 0};
	CK_TLS12_MASTER_KEY_DERIVE_PARAMS mp = {{cr, 32, sr, 32}, &v, CKM_SHA256};
	CK_MECHANISM master = {CKM_TLS12_MASTER_KEY_DERIVE, &mp, sizeof(mp)};
	CK_ATTRIBUTE t[] = {{CKA_KEY_TYPE, &aes, sizeof(aes)}};
	CK_ULONG base = secret(&mine, session, CKK_GENERIC_SECRET, ms, 48, &no), h;

	CHECK_RV(CKR_OK, derive_keys(&m, base, t, 1, &h));
	CHECK(h == 0 && out.hClientMacSecret != 9 && out.hServerKey != 9 && out.hClientKey != out.hServerKey);
	CHECK(value_of(&mine, session, out.hClientMacSecret, a, 64) == 32);
	CHECK(value_of(&mine, session, out.hServerKey, b, 64) == 16);
	CHECK(memcmp(ivc, ivs, 16) != 0 && memcmp(ivc, "\0\0\0\0\0\0\0\0", 8) != 0);
	CHECK(out.pIVClient == ivc && out.pIVServer == ivs);
	p.ulMacSizeInBits = 0;
	CHECK_RV(CKR_OK, derive_keys(&m, base, t, 1, &h));
	CHECK(out.hClientMacSecret == CK_INVALID_HANDLE && out.hClientKey != CK_INVALID_HANDLE);
	/* nothing is written when it fails */
	out.hClientKey = 9;
	p.ulKeySizeInBits = 136;
	CHECK_RV(CKR_ATTRIBUTE_VALUE_INVALID, derive_keys(&m, base, t, 1, &h));
	CHECK(out.hClientKey == 9);

	ms[0] = 3;
	ms[1] = 3;
	base = secret(&mine, session, CKK_GENERIC_SECRET, ms, 48, &no);
	CHECK_RV(CKR_OK, derive_keys(&master, base, NULL, 0, &h));
	CHECK(h != 0 && v.major == 3 && v.minor == 3 && value_of(&mine, session, h, a, 64) == 48);
	mp.pVersion = NULL;
	CHECK_RV(CKR_OK, derive_keys(&master, base, NULL, 0, &h));
}

static void
test_several(void)
{
	CK_SP800_108_COUNTER_FORMAT r = {CK_FALSE, 32};
	CK_ULONG len = 16, long_len = 40, h;
	CK_OBJECT_HANDLE second = 9, third = 9, by_handle;
	CK_ATTRIBUTE t2[] = {{CKA_KEY_TYPE, &aes, sizeof(aes)}, {CKA_VALUE_LEN, &len, sizeof(len)}, {CKA_TOKEN, &yes, 1}};
	CK_ATTRIBUTE t3[] = {{CKA_VALUE_LEN, &long_len, sizeof(long_len)}};
	CK_DERIVED_KEY more[] = {{t2, 3, &second}, {t3, 1, &third}};
	CK_PRF_DATA_PARAM fields[] = {{CK_SP800_108_ITERATION_VARIABLE, &r, sizeof(r)},
		{CK_SP800_108_KEY_HANDLE, &by_handle, sizeof(by_handle)}};
	CK_SP800_108_KDF_PARAMS p = {CKM_SHA256_HMAC, 2, fields, 2, more};
	CK_MECHANISM m = {CKM_SP800_108_COUNTER_KDF, &p, sizeof(p)};
	CK_ATTRIBUTE t[] = {{CKA_VALUE_LEN, &len, sizeof(len)}, {CKA_TOKEN, &yes, 1}, {CKA_LABEL, (void *)"many", 4}};
	CK_ULONG base = secret(&mine, session, CKK_GENERIC_SECRET, key_bytes, 32, &no);
	uint8_t a[64], b[64];

	by_handle = secret(&mine, session, CKK_GENERIC_SECRET, "field", 5, &no);
	CHECK_RV(CKR_OK, derive_keys(&m, base, t, 3, &h));
	CHECK(h != 0 && second != 9 && third != 9 && second != third && h != second);
	CHECK(value_of(&mine, session, h, a, 64) == 16 && value_of(&mine, session, second, b, 64) == 16);
	CHECK(memcmp(a, b, 16) != 0 && value_of(&mine, session, third, a, 64) == 40);
	CHECK(count(&mine, session, "many") == 1);

	/* what cannot be seen cannot be named: another application's, one that is not there */
	for (int i = 0; i < 50; i++) /* handles are each application's own: one that is not among ours */
		by_handle = secret(&other, foreign, CKK_GENERIC_SECRET, "field", 5, &no);
	second = third = 9;
	CHECK_RV(CKR_KEY_HANDLE_INVALID, derive_keys(&m, base, t, 3, &h));
	by_handle = 77777;
	CHECK_RV(CKR_KEY_HANDLE_INVALID, derive_keys(&m, base, t, 3, &h));
	CHECK(second == 9 && third == 9 && count(&mine, session, "many") == 1);
	/* the third cannot be: none are, on the disk neither */
	by_handle = secret(&mine, session, CKK_GENERIC_SECRET, "field", 5, &no);
	long_len = 0;
	CHECK(derive_keys(&m, base, t, 3, &h) != CKR_OK);
	CHECK(count(&mine, session, "many") == 1);
}

static void
test_salt_key(void)
{
	CK_ULONG len = 32, h, base = secret(&mine, session, CKK_HKDF, "ikm", 3, &no);
	CK_HKDF_PARAMS p = {.bExtract = CK_TRUE, .bExpand = CK_TRUE, .prfHashMechanism = CKM_SHA256,
		.ulSaltType = CKF_HKDF_SALT_DATA, .pSalt = (uint8_t *)"salt", .ulSaltLen = 4};
	CK_MECHANISM m = {CKM_HKDF_DERIVE, &p, sizeof(p)};
	CK_ATTRIBUTE t[] = {{CKA_VALUE_LEN, &len, sizeof(len)}, {CKA_SENSITIVE, &no, 1}, {CKA_EXTRACTABLE, &yes, 1}};
	uint8_t a[32], b[32];

	CHECK_RV(CKR_OK, ask(&mine, WIRE_DERIVE_KEY, "umua", session, &m, base, t, 3UL));
	CHECK(value_of(&mine, session, got(&mine), a, 32) == 32);
	p.ulSaltType = CKF_HKDF_SALT_KEY;
	p.pSalt = NULL;
	p.ulSaltLen = 0;
	p.hSaltKey = secret(&mine, session, CKK_GENERIC_SECRET, "salt", 4, &yes);
	CHECK_RV(CKR_OK, ask(&mine, WIRE_DERIVE_KEY, "umua", session, &m, base, t, 3UL));
	h = got(&mine);
	CHECK(value_of(&mine, session, h, b, 32) == 32 && memcmp(a, b, 32) == 0);
	/* a private salt is not there after the logout */
	CHECK_RV(CKR_OK, ask(&mine, WIRE_LOGOUT, "u", session));
	base = secret(&mine, session, CKK_HKDF, "ikm", 3, &no);
	CHECK_RV(CKR_KEY_HANDLE_INVALID, ask(&mine, WIRE_DERIVE_KEY, "umua", session, &m, base, t, 3UL));
	CHECK_RV(CKR_OK, login(&mine, session, CKU_USER, PIN));
	/* compat mechanisms are not there */
	m = (CK_MECHANISM){CKM_CONCATENATE_BASE_AND_KEY, &base, sizeof(base)};
	CHECK_RV(CKR_MECHANISM_INVALID, ask(&mine, WIRE_DERIVE_KEY, "umua", session, &m, base, t, 3UL));
}

int
main(void)
{
	CK_ULONG so;

	CHECK_RV(CKR_OK, secret_start());
	CHECK_RV(CKR_OK, bench_open(&bench));
	peer_open(&mine, bench.daemon);
	peer_open(&other, bench.daemon);
	CHECK_RV(CKR_OK, init_token(&mine, 0, SO_PIN, "derive"));
	CHECK_RV(CKR_OK, open_session(&mine, 0, RW, &so));
	CHECK_RV(CKR_OK, login(&mine, so, CKU_SO, SO_PIN));
	CHECK_RV(CKR_OK, ask(&mine, WIRE_INIT_PIN, "ub", so, PIN, strlen(PIN)));
	CHECK_RV(CKR_OK, ask(&mine, WIRE_LOGOUT, "u", so));
	CHECK_RV(CKR_OK, open_session(&mine, 0, RW, &session));
	CHECK_RV(CKR_OK, login(&mine, session, CKU_USER, PIN));
	CHECK_RV(CKR_OK, open_session(&other, 0, RW, &foreign));
	test_tls();
	test_several();
	test_salt_key();
	peer_close(&mine);
	peer_close(&other);
	bench_close(&bench);
	return unit_done("test_rpc_derive");
}
