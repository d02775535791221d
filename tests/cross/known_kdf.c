/*
 * known_kdf.c - published answers of key derivation functions
 *
 *   hkdf MECH hash: key [salt] [info] out     kbkdf MECH prf: form: key [fixed] [rest] [iv] out
 *   pbkdf2 MECH prf: password salt count: out
 *   tlsmaster MECH hash: key client server out, or hash: key session out (the extended one)
 *   tlskeys MECH hash: key client server mac: cipher: iv: out (the key block; lengths in bits)
 *   tlskdf MECH hash: key label client server out
 *   tlsmac MECH hash: key who: in out
 *
 * form: says what goes into the pseudo-random function of SP 800-108, as words with commas
 * between: i8, i16, i24, i32 (the counter, of so many bits), chain (the block before), fixed
 * and rest (the values of these fields).
 */
#include "known.h"

static struct blob
value_or_none(const struct line *l, const char *name)
{
	struct blob b = field(l, name);

	return b.len > 0 ? b : (struct blob){0};
}

static CK_OBJECT_HANDLE
base_key(const struct line *l, CK_KEY_TYPE type)
{
	CK_OBJECT_HANDLE h = 0;

	is_ok("a base key", key_secret(type, field(l, "key"), CKF_DERIVE | USE_SIGN, &h));
	return h;
}

/* ---- RFC 5869, RFC 8018 ---- */
static void
known_hkdf(struct line *l)
{
	struct blob salt = value_or_none(l, "salt"), info = value_or_none(l, "info"),
		    wanted = field(l, "out"), got = {0};
	struct x_hkdf h = {CK_TRUE, CK_TRUE, hash_field(l, "hash"), salt.len > 0 ? 2 : 1,
		salt.data, salt.len, 0, info.data, info.len};
	struct templ t = {.n = 0};
	CK_OBJECT_HANDLE made;

	give(l, &h, sizeof(h));
	if (l->m.mechanism == CKM_HKDF_DERIVE) {
		expect_derived("the derived key", &l->m, base_key(l, CKK_HKDF), wanted, true);
		return;
	}
	templ_ulong(&t, CKA_CLASS, CKO_DATA);
	templ_bool(&t, CKA_TOKEN, false);
	templ_ulong(&t, CKA_VALUE_LEN, wanted.len);
	if (is_ok("derivation of data", use_derive(&l->m, base_key(l, CKK_HKDF), &t, &made))) {
		get_blob(made, CKA_VALUE, &got);
		same("the derived data", wanted, got);
	}
}

static void
known_pbkdf2(struct line *l)
{
	struct blob salt = field(l, "salt"), password = field(l, "password"),
		    wanted = field(l, "out"), got = {0};
	struct x_pbkdf2 k = {1, salt.data, salt.len, count(l, "count", 1), count(l, "prf", 1),
		NULL, 0, password.data, password.len};
	struct templ t = {.n = 0};
	CK_OBJECT_HANDLE h;

	give(l, &k, sizeof(k));
	templ_key(&t, CKO_SECRET_KEY, CKK_GENERIC_SECRET, CKF_SIGN);
	templ_ulong(&t, CKA_VALUE_LEN, wanted.len);
	if (is_ok("C_GenerateKey", use_generate(&l->m, &t, &h))) {
		get_blob(h, CKA_VALUE, &got);
		same("the key of the password", wanted, got);
	}
}

/* ---- SP 800-108 ---- */
static struct ck_prf_data_parameters
part_of(const struct line *l, const char *name, size_t len, bool counter_mode)
{
	struct ck_counter_format_parameters c = {CK_FALSE, 0};
	struct ck_prf_data_parameters p = {.type = CK_SP800_108_BYTE_ARRAY};
	char text[16];
	struct blob b;

	snprintf(text, sizeof(text), "%.*s", (int)len, name);
	if (strcmp(text, "chain") == 0)
		return (struct ck_prf_data_parameters){
			CK_SP800_108_ITERATION_VARIABLE, NULL, 0};
	if (text[0] == 'i') {
		c.ulWidthInBits = strtoul(text + 1, NULL, 10);
		b = blob_of(&c, sizeof(c));
		p.type = counter_mode ? CK_SP800_108_ITERATION_VARIABLE : CK_SP800_108_COUNTER;
	} else {
		must_be(has(l, text), text);
		b = field(l, text);
	}
	p.pValue = b.data, p.ulValueLen = b.len;
	return p;
}

static void
known_kbkdf(struct line *l)
{
	bool counter_mode = l->m.mechanism == CKM_SP800_108_COUNTER_KDF;
	struct ck_prf_data_parameters parts[6];
	struct blob iv = value_or_none(l, "iv");
	CK_MECHANISM_TYPE prf = known_type(word(l, "prf"));
	const char *at = word(l, "form");
	CK_ULONG n = 0;

	for (; *at != 0 && n < NELEMS(parts); at += strspn(at, ",")) {
		size_t len = strcspn(at, ",");

		parts[n++] = part_of(l, at, len, counter_mode);
		at += len;
	}
	if (l->m.mechanism == CKM_SP800_108_FEEDBACK_KDF)
		give(l,
			&(CK_SP800_108_FEEDBACK_KDF_PARAMS){
				prf, n, parts, iv.len, iv.data, 0, NULL},
			sizeof(CK_SP800_108_FEEDBACK_KDF_PARAMS));
	else
		give(l, &(CK_SP800_108_KDF_PARAMS){prf, n, parts, 0, NULL},
			sizeof(CK_SP800_108_KDF_PARAMS));
	expect_derived("the derived key", &l->m,
		base_key(l, prf == CKM_AES_CMAC	   ? CKK_AES
			    : prf == CKM_DES3_CMAC ? CKK_DES3
						   : CKK_GENERIC_SECRET),
		field(l, "out"), true);
}

/* ---- TLS 1.2: RFC 5246, RFC 7627 ---- */
static CK_SSL3_RANDOM_DATA
randoms(const struct line *l)
{
	struct blob client = field(l, "client"), server = field(l, "server");

	return (CK_SSL3_RANDOM_DATA){client.data, client.len, server.data, server.len};
}

static void
known_tls_master(struct line *l)
{
	bool any_length = strstr(l->mech, "_DH") != NULL;
	struct blob session_hash = field(l, "session");
	CK_VERSION version = {0};
	CK_TLS12_MASTER_KEY_DERIVE_PARAMS plain = {
		randoms(l), any_length ? NULL : &version, hash_field(l, "hash")};
	CK_TLS12_EXTENDED_MASTER_KEY_DERIVE_PARAMS extended = {
		plain.prfHashMechanism, session_hash.data, session_hash.len, plain.pVersion};

	if (session_hash.len > 0)
		give(l, &extended, sizeof(extended));
	else
		give(l, &plain, sizeof(plain));
	expect_derived("the master secret", &l->m, base_key(l, CKK_GENERIC_SECRET),
		field(l, "out"), false);
}

static void
expect_value(const char *what, CK_OBJECT_HANDLE h, struct blob wanted)
{
	struct blob got = {0};

	keep_track(h);
	get_blob(h, CKA_VALUE, &got);
	same(what, wanted, got);
}

/* The safe one gives no IVs. */
static void
known_tls_keys(struct line *l)
{
	bool safe = l->m.mechanism == CKM_TLS12_KEY_SAFE_DERIVE;
	struct blob ivs[2] = {blob_new(64), blob_new(64)}, block = field(l, "out");
	CK_SSL3_KEY_MAT_OUT out = {.pIVClient = ivs[0].data, .pIVServer = ivs[1].data};
	size_t mac = count(l, "mac", 0) / 8, key = count(l, "cipher", 0) / 8,
	       iv = safe ? 0 : count(l, "iv", 0) / 8;
	CK_TLS12_KEY_MAT_PARAMS k = {
		8 * mac, 8 * key, 8 * iv, CK_FALSE, randoms(l), &out, hash_field(l, "hash")};
	struct templ t = {.n = 0};

	give(l, &k, sizeof(k));
	templ_key(&t, CKO_SECRET_KEY, CKK_AES, USE_CRYPT);
	if (!is_ok("C_DeriveKey", f->C_DeriveKey(session, &l->m,
					  base_key(l, CKK_GENERIC_SECRET), t.a, t.n, NULL)))
		return;
	expect_value("the client's MAC key", out.hClientMacSecret, blob_part(block, 0, mac));
	expect_value("the server's MAC key", out.hServerMacSecret, blob_part(block, mac, mac));
	expect_value("the client's key", out.hClientKey, blob_part(block, 2 * mac, key));
	expect_value("the server's key", out.hServerKey, blob_part(block, 2 * mac + key, key));
	if (safe)
		return;
	ivs[0].len = ivs[1].len = iv;
	same("the client's IV", blob_part(block, 2 * (mac + key), iv), ivs[0]);
	same("the server's IV", blob_part(block, 2 * (mac + key) + iv, iv), ivs[1]);
}

static void
known_tls_kdf(struct line *l)
{
	struct blob label = field(l, "label"), context = value_or_none(l, "context");
	CK_TLS_KDF_PARAMS k = {hash_field(l, "hash"), label.data, label.len, randoms(l),
		context.data, context.len};

	give(l, &k, sizeof(k));
	expect_derived("the exported key", &l->m, base_key(l, CKK_GENERIC_SECRET),
		field(l, "out"), true);
}

static void
known_tls_mac(struct line *l)
{
	struct blob in = field(l, "in"), wanted = field(l, "out"), out;
	CK_TLS_MAC_PARAMS t = {hash_field(l, "hash"), wanted.len, count(l, "who", 1)};
	CK_OBJECT_HANDLE key = base_key(l, CKK_GENERIC_SECRET);

	give(l, &t, sizeof(t));
	if (is_ok("sign", use_key(CKF_SIGN, &l->m, key, in, wanted.len, ANY_WAY, &out)))
		same("the verify data", wanted, out);
	is_ok("verify", use_verify(&l->m, key, in, wanted, ANY_WAY));
	expect_refused(
		"changed verify data", use_verify(&l->m, key, in, changed(wanted), ANY_WAY));
}

static const struct known_kind rows[] = {
	{"hkdf", known_hkdf},
	{"pbkdf2", known_pbkdf2},
	{"kbkdf", known_kbkdf},
	{"tlsmaster", known_tls_master},
	{"tlskeys", known_tls_keys},
	{"tlskdf", known_tls_kdf},
	{"tlsmac", known_tls_mac},
};
const struct known_kinds known_kdf = {rows, NELEMS(rows)};
