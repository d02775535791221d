/* Key derivation functions: HKDF, PBKDF2, SP 800-108, TLS 1.2; and one-time passwords. */
#include "oracle.h"

/* Structures after the text of the standard (3.1 6.62, 5.7 of 2.40's PBKDF2, 6.42, 6.40, 6.54).
 */
struct x_prf_data { /* CK_PRF_DATA_PARAM */
	CK_ULONG type;
	void *value;
	CK_ULONG len;
};
enum { ITERATION = 1, COUNTER = 2, DKM_LENGTH = 3, BYTES = 4 };
struct x_counter { /* CK_SP800_108_COUNTER_FORMAT */
	CK_BBOOL little;
	CK_ULONG bits;
};
struct x_dkm { /* CK_SP800_108_DKM_LENGTH_FORMAT */
	CK_ULONG method;
	CK_BBOOL little;
	CK_ULONG bits;
};
struct x_derived { /* CK_DERIVED_KEY */
	CK_ATTRIBUTE *templ;
	CK_ULONG count;
	CK_OBJECT_HANDLE *key;
};
struct x_kdf { /* CK_SP800_108_KDF_PARAMS */
	CK_MECHANISM_TYPE prf;
	CK_ULONG n;
	struct x_prf_data *data;
	CK_ULONG more;
	struct x_derived *keys;
};
struct x_kdf_feedback { /* CK_SP800_108_FEEDBACK_KDF_PARAMS */
	CK_MECHANISM_TYPE prf;
	CK_ULONG n;
	struct x_prf_data *data;
	CK_ULONG iv_len;
	CK_BYTE *iv;
	CK_ULONG more;
	struct x_derived *keys;
};
struct x_randoms { /* CK_SSL3_RANDOM_DATA */
	CK_BYTE *client;
	CK_ULONG client_len;
	CK_BYTE *server;
	CK_ULONG server_len;
};
struct x_tls_master { /* CK_TLS12_MASTER_KEY_DERIVE_PARAMS */
	struct x_randoms randoms;
	CK_VERSION *version;
	CK_MECHANISM_TYPE prf;
};
struct x_tls_extended { /* CK_TLS12_EXTENDED_MASTER_KEY_DERIVE_PARAMS */
	CK_MECHANISM_TYPE prf;
	CK_BYTE *hash;
	CK_ULONG hash_len;
	CK_VERSION *version;
};
struct x_tls_out { /* CK_SSL3_KEY_MAT_OUT */
	CK_OBJECT_HANDLE client_mac, server_mac, client_key, server_key;
	CK_BYTE *client_iv, *server_iv;
};
struct x_tls_keys { /* CK_TLS12_KEY_MAT_PARAMS */
	CK_ULONG mac_bits, key_bits, iv_bits;
	CK_BBOOL export;
	struct x_randoms randoms;
	struct x_tls_out *out;
	CK_MECHANISM_TYPE prf;
};
struct x_tls_kdf { /* CK_TLS_KDF_PARAMS */
	CK_MECHANISM_TYPE prf;
	CK_BYTE *label;
	CK_ULONG label_len;
	struct x_randoms randoms;
	CK_BYTE *context;
	CK_ULONG context_len;
};
struct x_tls_mac { /* CK_TLS_MAC_PARAMS */
	CK_MECHANISM_TYPE prf;
	CK_ULONG len, who;
};

static CK_OBJECT_HANDLE
base_key(CK_KEY_TYPE type, struct blob value)
{
	CK_OBJECT_HANDLE h = 0;

	is_ok("a base key", key_secret(type, value, CKF_DERIVE | USE_SIGN, &h));
	return h;
}

static struct blob
text(const char *s)
{
	return blob_of(s, strlen(s));
}

/* ---- HKDF: RFC 5869, 3.1 6.62 ---- */
static struct blob
hkdf(const struct x_hkdf *h, struct blob key, struct blob salt, size_t len)
{
	const char *hash = hash_name(h->hash);
	int mode = h->extract && h->expand ? EVP_KDF_HKDF_MODE_EXTRACT_AND_EXPAND
		   : h->extract		   ? EVP_KDF_HKDF_MODE_EXTRACT_ONLY
					   : EVP_KDF_HKDF_MODE_EXPAND_ONLY;
	OSSL_PARAM params[6], *q = params;

	*q++ = OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)hash, 0);
	*q++ = OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode);
	*q++ = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, key.data, key.len);
	if (h->extract && salt.len > 0)
		*q++ = OSSL_PARAM_construct_octet_string(
			OSSL_KDF_PARAM_SALT, salt.data, salt.len);
	if (h->expand && h->info_len > 0)
		*q++ = OSSL_PARAM_construct_octet_string(
			OSSL_KDF_PARAM_INFO, h->info, h->info_len);
	*q = OSSL_PARAM_construct_end();
	return oracle_kdf("HKDF", params, len);
}

static void
expect_data(CK_MECHANISM *m, CK_OBJECT_HANDLE base, struct blob wanted)
{
	struct templ t = {.n = 0};
	struct blob got = {0};
	CK_OBJECT_HANDLE h;

	templ_ulong(&t, CKA_CLASS, CKO_DATA);
	templ_bool(&t, CKA_TOKEN, false);
	templ_ulong(&t, CKA_VALUE_LEN, wanted.len);
	if (is_ok("derivation of data", use_derive(m, base, &t, &h))) {
		get_blob(h, CKA_VALUE, &got);
		same("the derived data", wanted, got);
	}
}

static void
prove_hkdf(const struct proof *p)
{
	struct x_hkdf h = {.hash = some_hash(), .salt_type = 1};
	size_t hash = oracle_hash_size(hash_name(h.hash)), len = 1 + chance(200);
	struct blob key = blob_random(hash + chance(60)), salt = blob_random(1 + chance(60)),
		    info = blob_random(chance(2) * chance(80));
	CK_MECHANISM m = {p->type, &h, sizeof(h)};
	CK_OBJECT_HANDLE base = base_key(chance(2) == 0 ? CKK_HKDF : CKK_GENERIC_SECRET, key);

	h.extract = chance(3) != 0;
	h.expand = !h.extract || chance(2) == 0;
	if (h.expand && info.len > 0)
		h.info = info.data, h.info_len = info.len;
	if (h.extract && chance(3) != 0) {
		h.salt_type = 2; /* CKF_HKDF_SALT_DATA */
		h.salt = salt.data, h.salt_len = salt.len;
		if (chance(2) == 0) { /* CKF_HKDF_SALT_KEY */
			h.salt_type = 4, h.salt = NULL, h.salt_len = 0;
			h.salt_key =
				base_key(chance(2) == 0 ? CKK_HKDF : CKK_GENERIC_SECRET, salt);
		}
	}
	if (h.salt_type == 1)
		salt.len = 0;
	if (!h.expand)
		len = hash;
	if (p->type == CKM_HKDF_DATA)
		expect_data(&m, base, hkdf(&h, key, salt, len));
	else
		expect_derived("the derived key", &m, base, hkdf(&h, key, salt, len), true);
}

/* ---- PBKDF2: RFC 8018 5.2 ---- */
static void
prove_pbkdf2(const struct proof *p)
{
	static const char *const prfs[] = {NULL, "SHA1", NULL, "SHA2-224", "SHA2-256",
		"SHA2-384", "SHA2-512", "SHA2-512/224", "SHA2-512/256"};
	struct blob salt = blob_random(8 + chance(30)), password = blob_random(1 + chance(40)),
		    got = {0}, wanted;
	struct x_pbkdf2 k = {1, salt.data, salt.len, 1000 + chance(2000), 1 + chance(8), NULL,
		0, password.data, password.len};
	CK_MECHANISM m = {p->type, &k, sizeof(k)};
	struct templ t = {.n = 0};
	uint64_t iterations = k.iterations;
	CK_OBJECT_HANDLE h;
	OSSL_PARAM params[6], *q = params;
	int no_checks = 1;
	size_t len = 1 + chance(100);

	if (k.prf == 2)
		k.prf = 1;
	*q++ = OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)prfs[k.prf], 0);
	*q++ = OSSL_PARAM_construct_octet_string(
		OSSL_KDF_PARAM_PASSWORD, password.data, password.len);
	*q++ = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, salt.data, salt.len);
	*q++ = OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_ITER, &iterations);
	*q++ = OSSL_PARAM_construct_int(OSSL_KDF_PARAM_PKCS5, &no_checks);
	*q = OSSL_PARAM_construct_end();
	wanted = oracle_kdf("PBKDF2", params, len);
	templ_key(&t, CKO_SECRET_KEY, CKK_GENERIC_SECRET, CKF_SIGN);
	templ_ulong(&t, CKA_VALUE_LEN, len);
	if (is_ok("C_GenerateKey", use_generate(&m, &t, &h))) {
		get_blob(h, CKA_VALUE, &got);
		same("the key of the password", wanted, got);
	}
}

/* ---- SP 800-108: the three modes, written from the document ---- */
static struct blob
prf(CK_MECHANISM_TYPE type, struct blob key, struct blob in)
{
	static const struct {
		CK_MECHANISM_TYPE type;
		const char *hash;
	} hmacs[] = {{CKM_SHA_1_HMAC, "SHA1"}, {CKM_SHA224_HMAC, "SHA2-224"},
		{CKM_SHA256_HMAC, "SHA2-256"}, {CKM_SHA384_HMAC, "SHA2-384"},
		{CKM_SHA512_HMAC, "SHA2-512"}, {CKM_SHA3_256_HMAC, "SHA3-256"}};

	for (size_t i = 0; i < NELEMS(hmacs); i++)
		if (hmacs[i].type == type)
			return oracle_hmac(hmacs[i].hash, key, in);
	return oracle_mac(
		"CMAC", cipher_name("AES-#-CBC", 8 * key.len), (struct blob){0}, key, in);
}

static struct blob
number(CK_ULONG v, CK_ULONG bits, bool little)
{
	struct blob b = blob_new(bits / 8);

	for (size_t i = 0; i < b.len; i++, v >>= 8)
		b.data[little ? i : b.len - 1 - i] = (uint8_t)v;
	return b;
}

/* One block's input: the fields in the order in which the caller gave them. */
static struct blob
prf_input(const struct x_prf_data *data, size_t n, CK_ULONG i, struct blob chain,
	CK_ULONG total_bits)
{
	struct blob in = blob_new(0), part;

	for (size_t k = 0; k < n; k++) {
		const struct x_counter *c = data[k].value;
		const struct x_dkm *d = data[k].value;

		if (data[k].type == BYTES)
			part = blob_of(data[k].value, data[k].len);
		else if (data[k].type == DKM_LENGTH)
			part = number(total_bits, d->bits, d->little);
		else if (data[k].type == ITERATION && c == NULL)
			part = chain;
		else
			part = number(i, c->bits, c->little);
		in = blob_join(in, part);
	}
	return in;
}

static struct blob
sp800_108(CK_MECHANISM_TYPE mode, const struct x_kdf_feedback *k, struct blob key, size_t len)
{
	struct blob out = blob_new(0), chain = blob_of(k->iv, k->iv_len), fixed = blob_new(0),
		    a;

	for (size_t i = 0; i < k->n; i++) /* A(0): all that does not change */
		if (k->data[i].type == BYTES || k->data[i].type == DKM_LENGTH)
			fixed = blob_join(fixed, prf_input(&k->data[i], 1, 0, chain, 8 * len));
	a = fixed;
	for (CK_ULONG i = 1; out.len < len; i++) {
		if (mode == CKM_SP800_108_DOUBLE_PIPELINE_KDF)
			chain = a = prf(k->prf, key, a);
		a = mode == CKM_SP800_108_DOUBLE_PIPELINE_KDF ? a : fixed;
		chain = prf(k->prf, key, prf_input(k->data, k->n, i, chain, 8 * len));
		out = blob_join(out, chain);
	}
	return blob_part(out, 0, len);
}

static void
prove_sp800_108(const struct proof *p)
{
	static const CK_MECHANISM_TYPE prfs[] = {CKM_SHA_1_HMAC, CKM_SHA224_HMAC,
		CKM_SHA256_HMAC, CKM_SHA384_HMAC, CKM_SHA512_HMAC, CKM_SHA3_256_HMAC,
		CKM_AES_CMAC};
	struct x_counter counter = {chance(2) == 0, 8 * (1 + chance(4))};
	struct x_dkm dkm = {1, chance(2) == 0, 16 + 16 * chance(2)};
	struct blob label = blob_random(1 + chance(30)), zero = blob_new(1),
		    context = blob_random(1 + chance(30)), key, iv;
	struct x_prf_data data[6];
	struct x_kdf_feedback k = {.prf = prfs[chance(NELEMS(prfs))], .data = data};
	struct x_kdf plain;
	CK_MECHANISM m = {p->type, &k, sizeof(k)};
	size_t len = 1 + chance(150);

	key = k.prf == CKM_AES_CMAC ? secret_value(CKK_AES) : blob_random(1 + chance(80));
	iv = blob_random(
		p->type == CKM_SP800_108_FEEDBACK_KDF ? chance(2) * (1 + chance(40)) : 0);
	k.iv = iv.len > 0 ? iv.data : NULL, k.iv_len = iv.len;
	if (p->type == CKM_SP800_108_COUNTER_KDF) {
		data[k.n++] = (struct x_prf_data){ITERATION, &counter, sizeof(counter)};
	} else {
		data[k.n++] = (struct x_prf_data){ITERATION, NULL, 0};
		if (chance(2) == 0)
			data[k.n++] = (struct x_prf_data){COUNTER, &counter, sizeof(counter)};
	}
	data[k.n++] = (struct x_prf_data){BYTES, label.data, label.len};
	data[k.n++] = (struct x_prf_data){BYTES, zero.data, 1};
	data[k.n++] = (struct x_prf_data){BYTES, context.data, context.len};
	if (chance(2) == 0)
		data[k.n++] = (struct x_prf_data){DKM_LENGTH, &dkm, sizeof(dkm)};
	if (p->type != CKM_SP800_108_FEEDBACK_KDF) {
		plain = (struct x_kdf){k.prf, k.n, k.data, 0, NULL};
		m.pParameter = &plain, m.ulParameterLen = sizeof(plain);
	}
	expect_derived("the derived key", &m,
		base_key(k.prf == CKM_AES_CMAC ? CKK_AES : CKK_GENERIC_SECRET, key),
		sp800_108(p->type, &k, key, len), true);
}

/* ---- TLS 1.2: RFC 5246 5, 6.3, 8.1; RFC 7627 ---- */
static struct blob
tls_prf(CK_MECHANISM_TYPE hash, struct blob secret, struct blob label, struct blob seed_a,
	struct blob seed_b, size_t len)
{
	OSSL_PARAM params[4], *q = params;
	struct blob all = blob_join(label, blob_join(seed_a, seed_b));

	*q++ = OSSL_PARAM_construct_utf8_string(
		OSSL_KDF_PARAM_DIGEST, (char *)hash_name(hash), 0);
	*q++ = OSSL_PARAM_construct_octet_string(
		OSSL_KDF_PARAM_SECRET, secret.data, secret.len);
	*q++ = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, all.data, all.len);
	*q = OSSL_PARAM_construct_end();
	return oracle_kdf("TLS1-PRF", params, len);
}

static CK_MECHANISM_TYPE
tls_hash(void)
{
	static const CK_MECHANISM_TYPE hashes[] = {CKM_SHA256, CKM_SHA384, CKM_SHA512};

	return hashes[chance(NELEMS(hashes))];
}

static void
prove_tls_master(const struct proof *p)
{
	bool extended = p->type == CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE ||
			p->type == CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE_DH;
	bool dh = p->type == CKM_TLS12_MASTER_KEY_DERIVE_DH ||
		  p->type == CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE_DH;
	struct blob secret = blob_random(dh ? 1 + chance(200) : 48), client = blob_random(32),
		    server = blob_random(32), wanted, session_hash = blob_random(32);
	CK_VERSION version = {0};
	struct x_tls_master t = {
		{client.data, 32, server.data, 32}, dh ? NULL : &version, tls_hash()};
	struct x_tls_extended e = {
		t.prf, session_hash.data, session_hash.len, dh ? NULL : &version};
	CK_MECHANISM m = {
		p->type, extended ? (void *)&e : (void *)&t, extended ? sizeof(e) : sizeof(t)};

	secret.data[0] = 3; /* the version that the client offered, in the first two bytes */
	if (secret.len > 1)
		secret.data[1] = 3;
	if (extended)
		wanted = tls_prf(t.prf, secret, text("extended master secret"), session_hash,
			blob_new(0), 48);
	else
		wanted = tls_prf(t.prf, secret, text("master secret"), client, server, 48);
	expect_derived("the master secret", &m, base_key(CKK_GENERIC_SECRET, secret), wanted,
		chance(2) == 0);
	checks++;
	if (!dh && (version.major != 3 || version.minor != 3))
		fail("the version is %d.%d", version.major, version.minor);
}

static void
expect_value(const char *what, CK_OBJECT_HANDLE h, struct blob wanted)
{
	struct blob got = {0};

	if (wanted.len == 0)
		return;
	keep_track(h);
	get_blob(h, CKA_VALUE, &got);
	same(what, wanted, got);
}

static void
prove_tls_keys(const struct proof *p)
{
	struct blob master = blob_random(48), client = blob_random(32),
		    server = blob_random(32), block;
	struct blob ivs[2] = {blob_new(16), blob_new(16)};
	struct x_tls_out out = {.client_iv = ivs[0].data, .server_iv = ivs[1].data};
	struct x_tls_keys k = {.mac_bits = 160 + 96 * chance(2),
		.key_bits = 128 + 128 * chance(2),
		.iv_bits = 32 + 96 * chance(2),
		.randoms = {client.data, 32, server.data, 32},
		.out = &out,
		.prf = tls_hash()};
	CK_MECHANISM m = {p->type, &k, sizeof(k)};
	struct templ t = {.n = 0};
	size_t mac = k.mac_bits / 8, key = k.key_bits / 8, iv = k.iv_bits / 8;

	block = tls_prf(
		k.prf, master, text("key expansion"), server, client, 2 * (mac + key + iv));
	templ_key(&t, CKO_SECRET_KEY, CKK_AES, USE_CRYPT);
	if (p->type == CKM_TLS12_KEY_SAFE_DERIVE)
		k.iv_bits = 0;
	if (!is_ok("C_DeriveKey",
		    f->C_DeriveKey(
			    session, &m, base_key(CKK_GENERIC_SECRET, master), t.a, t.n, NULL)))
		return;
	proved |= CKF_DERIVE;
	expect_value("the client's MAC key", out.client_mac, blob_part(block, 0, mac));
	expect_value("the server's MAC key", out.server_mac, blob_part(block, mac, mac));
	expect_value("the client's key", out.client_key, blob_part(block, 2 * mac, key));
	expect_value("the server's key", out.server_key, blob_part(block, 2 * mac + key, key));
	if (p->type == CKM_TLS12_KEY_SAFE_DERIVE)
		return;
	same("the client's IV", blob_part(block, 2 * (mac + key), iv),
		blob_part(ivs[0], 0, iv));
	same("the server's IV", blob_part(block, 2 * (mac + key) + iv, iv),
		blob_part(ivs[1], 0, iv));
}

static void
prove_tls_kdf(const struct proof *p)
{
	struct blob secret = blob_random(48), client = blob_random(32),
		    server = blob_random(32), label = text("EXPORTER test label"),
		    context = blob_random(chance(2) * chance(40)), seed_b = server;
	struct x_tls_kdf k = {
		tls_hash(), label.data, label.len, {client.data, 32, server.data, 32}, NULL, 0};
	CK_MECHANISM m = {p->type, &k, sizeof(k)};
	size_t len = 1 + chance(100);

	if (context.len > 0) { /* RFC 5705 4: two bytes of length before it */
		k.context = context.data, k.context_len = context.len;
		seed_b = blob_join(server, blob_join(number(context.len, 16, false), context));
	}
	expect_derived("the exported key", &m, base_key(CKK_GENERIC_SECRET, secret),
		tls_prf(k.prf, secret, label, client, seed_b, len), true);
}

static void
prove_tls_mac(const struct proof *p)
{
	struct blob secret = blob_random(48), in = blob_random(32 + chance(40)), wanted, out;
	struct x_tls_mac t = {tls_hash(), 12, 1 + chance(2)};
	CK_MECHANISM m = {p->type, &t, sizeof(t)};
	CK_OBJECT_HANDLE key = base_key(CKK_GENERIC_SECRET, secret);

	wanted = tls_prf(t.prf, secret,
		text(t.who == 1 ? "server finished" : "client finished"), in, blob_new(0), 12);
	if (is_ok("sign", use_key(CKF_SIGN, &m, key, in, 12, ANY_WAY, &out)))
		same("the verify data", wanted, out);
	is_ok("verify", use_verify(&m, key, in, wanted, ANY_WAY));
}

static void
tls_mac_param(const struct proof *p, CK_MECHANISM *m, size_t in_len)
{
	struct x_tls_mac t = {CKM_SHA256, 12, 1};
	struct blob b = blob_of(&t, sizeof(t));

	(void)p, (void)in_len;
	m->pParameter = b.data;
	m->ulParameterLen = b.len;
}

/* RFC 5246 7.4.7.1: the version, then random bytes. */
static void
prove_pre_master(const struct proof *p)
{
	CK_VERSION version = {3, 3};
	CK_MECHANISM m = {p->type, &version, sizeof(version)};
	struct templ t = {.n = 0};
	struct blob got = {0};
	CK_OBJECT_HANDLE h;

	templ_key(&t, CKO_SECRET_KEY, CKK_GENERIC_SECRET, CKF_DERIVE);
	if (!is_ok("C_GenerateKey", use_generate(&m, &t, &h)))
		return;
	checks++;
	if (!get_blob(h, CKA_VALUE, &got) || got.len != 48 || got.data[0] != 3 ||
		got.data[1] != 3)
		fail("not 48 bytes that begin with the version");
}

/* ---- HOTP: RFC 4226 5.3; PKCS#11 3.1 6.53 ---- */
static CK_RV
make_hotp(const struct proof *p, CK_ULONG size, CK_OBJECT_HANDLE *pub, CK_OBJECT_HANDLE *priv)
{
	struct templ t = {.n = 0};
	uint8_t counter[8] = {0};
	CK_RV rv;

	(void)p;
	templ_ulong(&t, CKA_CLASS, CKO_OTP_KEY);
	templ_ulong(&t, CKA_KEY_TYPE, CKK_HOTP);
	templ_bool(&t, CKA_TOKEN, false);
	templ_bool(&t, CKA_SENSITIVE, false);
	templ_bool(&t, CKA_EXTRACTABLE, true);
	templ_uses(&t, USE_SIGN);
	templ_blob(&t, CKA_OTP_COUNTER, blob_of(counter, 8));
	templ_ulong(&t, CKA_OTP_LENGTH, 6);
	templ_blob(&t, CKA_VALUE, blob_random(size));
	rv = object_make(&t, pub);
	*priv = *pub;
	return rv;
}

/* The application says which counter; the signature is the password itself. */
static void
verify_hotp(const struct proof *p, CK_OBJECT_HANDLE key, uint8_t counter[8], char *password)
{
	CK_OTP_PARAM param = {CK_OTP_COUNTER, counter, 8};
	CK_OTP_PARAMS params = {&param, 1};
	CK_MECHANISM m = {p->type, &params, sizeof(params)};

	if (!is_ok("C_VerifyInit", f->C_VerifyInit(session, &m, key)) ||
		!is_ok("C_Verify", f->C_Verify(session, NULL, 0, (CK_BYTE *)password, 6)))
		return;
	proved |= CKF_VERIFY;
	password[5] = password[5] == '0' ? '1' : '0';
	checks++;
	if (!is_ok("C_VerifyInit", f->C_VerifyInit(session, &m, key)) ||
		f->C_Verify(session, NULL, 0, (CK_BYTE *)password, 6) != CKR_SIGNATURE_INVALID)
		fail("a wrong password passes");
}

static void
prove_hotp(const struct proof *p)
{
	CK_MECHANISM m = {p->type, NULL, 0};
	uint8_t counter[8] = {0};
	struct blob value = {0}, out = blob_new(512), mac;
	CK_OTP_SIGNATURE_INFO *info = (CK_OTP_SIGNATURE_INFO *)(void *)out.data;
	CK_OBJECT_HANDLE key, same_key;
	CK_ULONG n;
	char wanted[16];
	unsigned code;

	if (!is_ok("a key", make_hotp(p, 20, &key, &same_key)) ||
		!get_blob(key, CKA_VALUE, &value))
		return;
	for (unsigned i = 0; i < 5; i++) {
		counter[7] = (uint8_t)i;
		mac = oracle_hmac("SHA1", value, blob_of(counter, 8));
		code = (unsigned)(mac.data[mac.data[19] & 15] & 0x7f) << 24 |
		       (unsigned)mac.data[(mac.data[19] & 15) + 1] << 16 |
		       (unsigned)mac.data[(mac.data[19] & 15) + 2] << 8 |
		       mac.data[(mac.data[19] & 15) + 3];
		snprintf(wanted, sizeof(wanted), "%06u", code % 1000000);
		n = out.len;
		if (!is_ok("C_SignInit", f->C_SignInit(session, &m, key)) ||
			!is_ok("C_Sign", f->C_Sign(session, out.data, 0, out.data, &n)))
			return;
		proved |= CKF_SIGN;
		for (CK_ULONG k = 0; k < info->ulCount; k++)
			if (info->pParams[k].type == CK_OTP_VALUE)
				same("the password", text(wanted),
					blob_of(info->pParams[k].pValue,
						info->pParams[k].ulValueLen));
		verify_hotp(p, key, counter, wanted);
	}
}

/* PBKDF2 makes a key of nothing; for the limits it has none. */
static CK_RV
make_none(const struct proof *p, CK_ULONG size, CK_OBJECT_HANDLE *pub, CK_OBJECT_HANDLE *priv)
{
	(void)pub, (void)priv;
	return (p->size > 0 ? size == p->size : size >= 1 && size <= 65536)
		       ? CKR_OK
		       : CKR_KEY_SIZE_RANGE;
}

#define BASE(mech, how)                                                                        \
	{                                                                                      \
		mech, how, NULL, CKK_GENERIC_SECRET                                            \
	}

static const struct proof rows[] = {
	BASE(CKM_HKDF_DERIVE, prove_hkdf),
	BASE(CKM_HKDF_DATA, prove_hkdf),
	{CKM_PKCS5_PBKD2, prove_pbkdf2, NULL, CKK_GENERIC_SECRET, .make = make_none},
	BASE(CKM_SP800_108_COUNTER_KDF, prove_sp800_108),
	BASE(CKM_SP800_108_FEEDBACK_KDF, prove_sp800_108),
	BASE(CKM_SP800_108_DOUBLE_PIPELINE_KDF, prove_sp800_108),
	BASE(CKM_TLS12_MASTER_KEY_DERIVE, prove_tls_master),
	BASE(CKM_TLS12_MASTER_KEY_DERIVE_DH, prove_tls_master),
	BASE(CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE, prove_tls_master),
	BASE(CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE_DH, prove_tls_master),
	BASE(CKM_TLS12_KEY_AND_MAC_DERIVE, prove_tls_keys),
	BASE(CKM_TLS12_KEY_SAFE_DERIVE, prove_tls_keys),
	BASE(CKM_TLS12_KDF, prove_tls_kdf),
	BASE(CKM_TLS_KDF, prove_tls_kdf),
	{CKM_TLS12_MAC, prove_tls_mac, NULL, CKK_GENERIC_SECRET, .param = tls_mac_param},
	{CKM_TLS_MAC, prove_tls_mac, NULL, CKK_GENERIC_SECRET, .param = tls_mac_param},
	{CKM_TLS_PRE_MASTER_KEY_GEN, prove_pre_master, NULL, CKK_GENERIC_SECRET, 48,
		.make = make_none},
	{CKM_HOTP, prove_hotp, NULL, CKK_HOTP, .make = make_hotp},
};
const struct proofs proofs_kdf = {rows, NELEMS(rows)};
