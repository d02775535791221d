/* TLS 1.2: RFC 5246 5, 6.3, 8.1; RFC 7627. */
#include "oracle.h"

/* After the text of the standard: 3.1 6.40. */
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

static struct blob
text(const char *s)
{
	return blob_of(s, strlen(s));
}

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
	expect_derived("the master secret", &m, base_secret(CKK_GENERIC_SECRET, secret), wanted,
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
		    f->C_DeriveKey(session, &m, base_secret(CKK_GENERIC_SECRET, master), t.a,
			    t.n, NULL)))
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
		seed_b = blob_join(server,
			blob_join(blob_of((uint8_t[]){0, (uint8_t)context.len}, 2), context));
	}
	expect_derived("the exported key", &m, base_secret(CKK_GENERIC_SECRET, secret),
		tls_prf(k.prf, secret, label, client, seed_b, len), true);
}

static void
prove_tls_mac(const struct proof *p)
{
	struct blob secret = blob_random(48), in = blob_random(32 + chance(40)), wanted,
		    macs[SIGN_FLOWS];
	struct x_tls_mac t = {tls_hash(), 12, 1 + chance(2)};
	CK_MECHANISM m = {p->type, &t, sizeof(t)};
	CK_OBJECT_HANDLE key = base_secret(CKK_GENERIC_SECRET, secret);

	wanted = tls_prf(t.prf, secret,
		text(t.who == 1 ? "server finished" : "client finished"), in, blob_new(0), 12);
	for (size_t i = use_sign(&m, key, in, 12, ANY_WAY, macs); i-- > 0;)
		same("the verify data", wanted, macs[i]);
	is_ok("verify", use_verify(&m, key, in, wanted, ANY_WAY));
	refuse_changed(&m, key, in, wanted, ANY_WAY);
}

static void
tls_mac_param(const struct proof *p, CK_MECHANISM *m, size_t in_len)
{
	struct x_tls_mac t = {CKM_SHA256, 12, 1};

	(void)p, (void)in_len;
	param_give(m, &t, sizeof(t));
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

#define BASE(mech, how)                                                                        \
	{                                                                                      \
		mech, how, NULL, CKK_GENERIC_SECRET                                            \
	}

static const struct proof rows[] = {
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
};
const struct proofs proofs_tls = {rows, NELEMS(rows)};
