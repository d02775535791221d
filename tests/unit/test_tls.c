/* TLS 1.2: pre-master, master, the keys of a connection, exported material, the finished message. The known answer
 * is the one for P_SHA256 that implementers compare (IETF TLS list, msg03416); the rest is OpenSSL's TLS1-PRF. */
#include "derive_help.h"

#include <openssl/core_names.h>
#include <openssl/kdf.h>

static uint8_t client_random[32], server_random[32], master_value[48];
static CK_SSL3_RANDOM_DATA randoms = {client_random, 32, server_random, 32};

/* PRF(secret, label, seed1 || seed2 || ...) by OpenSSL. */
static void
prf(const char *md, const void *secret, size_t n, const char *label, const void *seed, size_t seed_len, uint8_t *out,
	size_t len)
{
	OSSL_PARAM params[] = {OSSL_PARAM_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)md, strlen(md)),
		OSSL_PARAM_octet_string(OSSL_KDF_PARAM_SECRET, (void *)secret, n),
		OSSL_PARAM_octet_string(OSSL_KDF_PARAM_SEED, (void *)label, strlen(label)),
		OSSL_PARAM_octet_string(OSSL_KDF_PARAM_SEED, (void *)seed, seed_len), OSSL_PARAM_END};
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, "TLS1-PRF", NULL);
	EVP_KDF_CTX *x = EVP_KDF_CTX_new(kdf);

	CHECK(EVP_KDF_derive(x, out, len, params) == 1);
	EVP_KDF_CTX_free(x);
	EVP_KDF_free(kdf);
}

static void
both(uint8_t out[64], const uint8_t *first, const uint8_t *second)
{
	memcpy(out, first, 32);
	memcpy(out + 32, second, 32);
}

/* The known answer through CKM_TLS_KDF: "test label" and a seed cut in two. */
static void
test_known_answer(void)
{
	uint8_t secret[16], seed[16], want[100];
	struct object *base;
	CK_TLS_KDF_PARAMS p = {.prfMechanism = CKM_SHA256, .pLabel = (uint8_t *)"test label", .ulLabelLength = 10,
		.RandomInfo = {seed, 7, seed + 7, 9}};
	struct attrs t = {0};

	unhex("9bbe436ba940f017b17652849a71db35", secret);
	unhex("a0ba9f936cda311827a6f796ffd5198c", seed);
	unhex("e3f229ba727be17b8d122620557cd453c2aab21d07c3d495329b52d4e61edb5a6b301791e90d35c9c9a46b4e14baf9af"
		"0fa022f7077def17abfd3797c0564bab4fbc91666e9def9b97fce34f796789baa48082d122ee42c5a72e5a5110fff701"
		"87347b66", want);
	base = base_key(CKK_GENERIC_SECRET, secret, 16);
	ask(&t, NO_TYPE, 100);
	expect(CKM_TLS_KDF, &p, sizeof(p), base, &t, want, 100);
	expect(CKM_TLS12_KDF, &p, sizeof(p), base, &t, want, 100);
	object_put(base);
	attrs_free(&t);
}

static void
test_pre_master(void)
{
	CK_VERSION v = {3, 3};
	CK_MECHANISM gen = {CKM_TLS_PRE_MASTER_KEY_GEN, &v, sizeof(v)};
	struct object *o = NULL;
	struct attrs t = {0};
	const struct attr *a;

	CHECK_RV(CKR_OK, make_key(&maker, &gen, &t, &o));
	a = attrs_get(&o->attrs, CKA_VALUE);
	CHECK(a->len == 48 && a->value[0] == 3 && a->value[1] == 3 && object_key_type(o) == CKK_GENERIC_SECRET);
	object_put(o);
	o = NULL;
	templ(&t, CKA_VALUE_LEN, 47UL, END);
	CHECK_RV(CKR_TEMPLATE_INCONSISTENT, make_key(&maker, &gen, &t, &o));
	gen.ulParameterLen = 0;
	gen.pParameter = NULL;
	attrs_free(&t);
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, make_key(&maker, &gen, &t, &o));
}

static void
test_master(void)
{
	static const struct {
		CK_MECHANISM_TYPE type;
		const char *md;
	} all[] = {{CKM_SHA256, "SHA256"}, {CKM_SHA384, "SHA384"}, {CKM_SHA512, "SHA512"}};
	uint8_t pms[48], seed[64], want[48], hash[48];
	CK_VERSION v;
	CK_TLS12_MASTER_KEY_DERIVE_PARAMS p = {.RandomInfo = randoms};
	CK_TLS12_EXTENDED_MASTER_KEY_DERIVE_PARAMS e = {.pSessionHash = hash, .ulSessionHashLen = 48};
	struct object *rsa, *dh, *o;
	struct attrs t = {0};

	RAND_bytes(pms, sizeof(pms));
	RAND_bytes(hash, sizeof(hash));
	pms[0] = 3;
	pms[1] = 2;
	rsa = base_key(CKK_GENERIC_SECRET, pms, 48);
	dh = base_key(CKK_GENERIC_SECRET, pms, 32);
	both(seed, client_random, server_random);
	for (size_t i = 0; i < 3; i++) {
		p.prfHashMechanism = e.prfHashMechanism = all[i].type;
		v = (CK_VERSION){0, 0};
		p.pVersion = &v;
		prf(all[i].md, pms, 48, "master secret", seed, 64, want, 48);
		expect(CKM_TLS12_MASTER_KEY_DERIVE, &p, sizeof(p), rsa, NULL, want, 48);
		CHECK(v.major == 3 && v.minor == 2);
		refuse_as(CKR_MECHANISM_PARAM_INVALID, CKM_TLS12_MASTER_KEY_DERIVE_DH, &p, sizeof(p), dh, NULL);
		p.pVersion = NULL;
		expect(CKM_TLS12_MASTER_KEY_DERIVE, &p, sizeof(p), rsa, NULL, want, 48);
		refuse_as(CKR_KEY_SIZE_RANGE, CKM_TLS12_MASTER_KEY_DERIVE, &p, sizeof(p), dh, NULL);
		prf(all[i].md, pms, 32, "master secret", seed, 64, want, 48);
		expect(CKM_TLS12_MASTER_KEY_DERIVE_DH, &p, sizeof(p), dh, NULL, want, 48);
		/* RFC 7627 */
		prf(all[i].md, pms, 32, "extended master secret", hash, 48, want, 48);
		expect(CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE_DH, &e, sizeof(e), dh, NULL, want, 48);
		e.pVersion = &v;
		prf(all[i].md, pms, 48, "extended master secret", hash, 48, want, 48);
		expect(CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE, &e, sizeof(e), rsa, NULL, want, 48);
		refuse_as(CKR_MECHANISM_PARAM_INVALID, CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE_DH, &e, sizeof(e), dh, NULL);
		e.pVersion = NULL;
	}
	/* what such a key may be used for, and that it is as readable as what it comes from */
	CHECK_RV(CKR_OK, derive_one(CKM_TLS12_MASTER_KEY_DERIVE, &p, sizeof(p), rsa, NULL, &o));
	CHECK(attrs_get(&o->attrs, CKA_ALLOWED_MECHANISMS)->len == 6 * sizeof(CK_MECHANISM_TYPE));
	CHECK(!object_hides(o, CKA_VALUE) && attrs_bool(&o->attrs, CKA_DERIVE, false));
	refuse_as(CKR_MECHANISM_INVALID, CKM_SHA256_KEY_DERIVATION, NULL, 0, o, NULL);
	object_put(o);
	templ(&t, CKA_VALUE_LEN, 40UL, END);
	refuse_as(CKR_TEMPLATE_INCONSISTENT, CKM_TLS12_MASTER_KEY_DERIVE, &p, sizeof(p), rsa, &t);
	p.prfHashMechanism = CKM_TLS_PRF;
	refuse_as(CKR_MECHANISM_PARAM_INVALID, CKM_TLS12_MASTER_KEY_DERIVE, &p, sizeof(p), rsa, NULL);
	p.prfHashMechanism = CKM_SHA256;
	p.RandomInfo.pServerRandom = NULL;
	refuse_as(CKR_MECHANISM_PARAM_INVALID, CKM_TLS12_MASTER_KEY_DERIVE, &p, sizeof(p), rsa, NULL);
	object_put(rsa);
	object_put(dh);
	attrs_free(&t);
}

static CK_SSL3_KEY_MAT_OUT out;
static uint8_t iv_client[16], iv_server[16];
static CK_TLS12_KEY_MAT_PARAMS mat;

static void
fresh_mat(CK_ULONG mac, CK_ULONG key, CK_ULONG iv)
{
	out = (CK_SSL3_KEY_MAT_OUT){99, 99, 99, 99, iv_client, iv_server};
	memset(iv_client, 0, 16);
	memset(iv_server, 0, 16);
	mat = (CK_TLS12_KEY_MAT_PARAMS){mac, key, iv, CK_FALSE, randoms, &out, CKM_SHA256};
}

static void
test_key_and_mac(void)
{
	struct object *base = base_key(CKK_GENERIC_SECRET, master_value, 48);
	struct derived_key keys[DERIVED_MAX];
	uint8_t seed[64], block[2 * (32 + 16 + 16)];
	struct attrs t = {0};
	size_t n;

	both(seed, server_random, client_random);
	prf("SHA256", master_value, 48, "key expansion", seed, 64, block, sizeof(block));
	fresh_mat(256, 128, 128);
	templ(&t, CKA_KEY_TYPE, CKK_AES, CKA_TOKEN, YES, CKA_ENCRYPT, YES, END);
	CHECK_RV(CKR_OK, derive_all(CKM_TLS12_KEY_AND_MAC_DERIVE, &mat, sizeof(mat), base, &t, keys, &n));
	CHECK(n == 4 && vault.commits == 1 && vault.puts == 4);
	CHECK(keys[0].at == &out.hClientMacSecret && keys[1].at == &out.hServerMacSecret &&
		keys[2].at == &out.hClientKey && keys[3].at == &out.hServerKey);
	CHECK(value_is(keys[0].object, block, 32) && value_is(keys[1].object, block + 32, 32));
	CHECK(value_is(keys[2].object, block + 64, 16) && value_is(keys[3].object, block + 80, 16));
	CHECK(memcmp(iv_client, block + 96, 16) == 0 && memcmp(iv_server, block + 112, 16) == 0);
	for (size_t i = 0; i < 4; i++) {
		CHECK(object_key_type(keys[i].object) == (i < 2 ? CKK_GENERIC_SECRET : CKK_AES));
		CHECK(attrs_bool(&keys[i].object->attrs, CKA_SIGN, false) == (i < 2));
		CHECK(attrs_bool(&keys[i].object->attrs, CKA_ENCRYPT, false) == (i >= 2));
		CHECK(!object_hides(keys[i].object, CKA_VALUE) && keys[i].object->token);
		object_put(keys[i].object);
	}
	/* AEAD suites have no MAC keys; without IVs nothing is written */
	prf("SHA256", master_value, 48, "key expansion", seed, 64, block, sizeof(block));
	fresh_mat(0, 256, 32);
	attrs_free(&t);
	templ(&t, CKA_KEY_TYPE, CKK_AES, END);
	CHECK_RV(CKR_OK, derive_all(CKM_TLS12_KEY_AND_MAC_DERIVE, &mat, sizeof(mat), base, &t, keys, &n));
	CHECK(n == 2 && out.hClientMacSecret == 0 && out.hServerMacSecret == 0 && keys[0].at == &out.hClientKey);
	CHECK(value_is(keys[0].object, block, 32) && value_is(keys[1].object, block + 32, 32));
	CHECK(memcmp(iv_client, block + 64, 4) == 0 && memcmp(iv_server, block + 68, 4) == 0 && iv_client[4] == 0);
	object_put(keys[0].object);
	object_put(keys[1].object);
	fresh_mat(256, 128, 128);
	out.pIVClient = NULL; /* ignored by this one */
	CHECK_RV(CKR_OK, derive_all(CKM_TLS12_KEY_SAFE_DERIVE, &mat, sizeof(mat), base, &t, keys, &n));
	CHECK(n == 4 && iv_server[0] == 0 && iv_server[15] == 0);
	for (size_t i = 0; i < n; i++)
		object_put(keys[i].object);
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID,
		derive_all(CKM_TLS12_KEY_AND_MAC_DERIVE, &mat, sizeof(mat), base, &t, keys, &n));
	object_put(base);
	attrs_free(&t);
}

/* Four keys or none. */
static void
test_key_and_mac_refusals(void)
{
	struct object *base = base_key(CKK_GENERIC_SECRET, master_value, 48);
	struct object *hidden = hidden_key(CKK_GENERIC_SECRET, master_value, 48);
	struct object *brief = base_key(CKK_GENERIC_SECRET, master_value, 47);
	struct derived_key keys[DERIVED_MAX];
	struct attrs t = {0};
	size_t n;

	vault.commits = 0;
	fresh_mat(256, 120, 128); /* the third: no such AES key */
	templ(&t, CKA_KEY_TYPE, CKK_AES, CKA_TOKEN, YES, END);
	CHECK_RV(CKR_ATTRIBUTE_VALUE_INVALID,
		derive_all(CKM_TLS12_KEY_AND_MAC_DERIVE, &mat, sizeof(mat), base, &t, keys, &n));
	CHECK(n == 0 && vault.commits == 0 && iv_client[0] == 0 && iv_client[15] == 0);
	fresh_mat(256, 128, 128);
	vault.answer = CKR_DEVICE_ERROR;
	CHECK_RV(CKR_DEVICE_ERROR, derive_all(CKM_TLS12_KEY_AND_MAC_DERIVE, &mat, sizeof(mat), base, &t, keys, &n));
	CHECK(n == 0 && vault.commits == 1);
	vault.answer = CKR_OK;
	templ(&t, CKA_SENSITIVE, YES, END); /* not as the base */
	CHECK_RV(CKR_TEMPLATE_INCONSISTENT,
		derive_all(CKM_TLS12_KEY_AND_MAC_DERIVE, &mat, sizeof(mat), base, &t, keys, &n));
	attrs_remove(&t, CKA_SENSITIVE);
	mat.bIsExport = CK_TRUE;
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID,
		derive_all(CKM_TLS12_KEY_AND_MAC_DERIVE, &mat, sizeof(mat), base, &t, keys, &n));
	fresh_mat(255, 128, 128);
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID,
		derive_all(CKM_TLS12_KEY_AND_MAC_DERIVE, &mat, sizeof(mat), base, &t, keys, &n));
	fresh_mat(0, 0, 128);
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID,
		derive_all(CKM_TLS12_KEY_AND_MAC_DERIVE, &mat, sizeof(mat), base, &t, keys, &n));
	fresh_mat(256, 128, 1UL << 40);
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID,
		derive_all(CKM_TLS12_KEY_AND_MAC_DERIVE, &mat, sizeof(mat), base, &t, keys, &n));

	fresh_mat(256, 128, 128);
	CHECK_RV(CKR_KEY_SIZE_RANGE, derive_all(CKM_TLS12_KEY_AND_MAC_DERIVE, &mat, sizeof(mat), brief, &t, keys, &n));
	object_put(brief);

	/* IVs are key bits to who asks for shorter keys */
	fresh_mat(0, 128, 128);
	attrs_remove(&t, CKA_TOKEN);
	CHECK_RV(CKR_KEY_FUNCTION_NOT_PERMITTED,
		derive_all(CKM_TLS12_KEY_AND_MAC_DERIVE, &mat, sizeof(mat), hidden, &t, keys, &n));
	CHECK(iv_client[0] == 0 && iv_client[7] == 0);
	CHECK_RV(CKR_OK, derive_all(CKM_TLS12_KEY_SAFE_DERIVE, &mat, sizeof(mat), hidden, &t, keys, &n));
	for (size_t i = 0; i < n; i++) {
		CHECK(object_hides(keys[i].object, CKA_VALUE));
		object_put(keys[i].object);
	}
	be(&user_compat);
	CHECK_RV(CKR_OK, derive_all(CKM_TLS12_KEY_AND_MAC_DERIVE, &mat, sizeof(mat), hidden, &t, keys, &n));
	for (size_t i = 0; i < n; i++)
		object_put(keys[i].object);
	be(&user);
	object_put(base);
	object_put(hidden);
	attrs_free(&t);
}

/* What TLS makes of the master secret by other calls is not exported: C_Sign would tell the key. However it is cut. */
static void
test_exporter_own_labels(void)
{
	static const char *const own[] = {"client finished", "server finished", "master secret", "extended master secret",
		"key expansion"};
	struct object *hidden = hidden_key(CKK_GENERIC_SECRET, master_value, 48), *o;
	struct attrs t = {0};

	ask(&t, NO_TYPE, 32);
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		for (size_t cut = 1; cut <= strlen(own[i]); cut += cut < 3 ? 1 : strlen(own[i]) - 3) {
			CK_TLS_KDF_PARAMS p = {.prfMechanism = CKM_SHA256, .pLabel = (uint8_t *)own[i], .ulLabelLength = cut,
				.RandomInfo = randoms};

			if (cut < strlen(own[i])) {
				p.RandomInfo.pClientRandom = (uint8_t *)own[i] + cut;
				p.RandomInfo.ulClientRandomLen = strlen(own[i]) - cut;
			}
			refuse_as(CKR_MECHANISM_PARAM_INVALID, CKM_TLS_KDF, &p, sizeof(p), hidden, &t);
			p.pLabel = (uint8_t *)"EXPORTER";
			p.ulLabelLength = 8;
			CHECK_RV(CKR_OK, derive_one(CKM_TLS_KDF, &p, sizeof(p), hidden, &t, &o));
			object_put(o);
		}
	object_put(hidden);
	attrs_free(&t);
}

static void
test_exporter(void)
{
	struct object *base = base_key(CKK_GENERIC_SECRET, master_value, 48);
	struct object *hidden = hidden_key(CKK_GENERIC_SECRET, master_value, 48), *o;
	CK_TLS_KDF_PARAMS p = {.prfMechanism = CKM_SHA384, .pLabel = (uint8_t *)"EXPORTER-label", .ulLabelLength = 14,
		.RandomInfo = randoms};
	static uint8_t long_context[65535];
	uint8_t seed[64 + 2 + 300], want[77], context[300];
	struct attrs t = {0};

	RAND_bytes(context, sizeof(context));
	both(seed, client_random, server_random);
	prf("SHA384", master_value, 48, "EXPORTER-label", seed, 64, want, sizeof(want));
	ask(&t, NO_TYPE, sizeof(want));
	expect(CKM_TLS_KDF, &p, sizeof(p), base, &t, want, sizeof(want));
	p.pContextData = context;
	for (size_t n = 0; n <= 300; n += 300) { /* an empty context is not none */
		p.ulContextDataLength = n;
		seed[64] = (uint8_t)(n >> 8);
		seed[65] = (uint8_t)n;
		memcpy(seed + 66, context, n);
		prf("SHA384", master_value, 48, "EXPORTER-label", seed, 66 + n, want, sizeof(want));
		expect(CKM_TLS_KDF, &p, sizeof(p), base, &t, want, sizeof(want));
	}
	CHECK_RV(CKR_OK, derive_one(CKM_TLS_KDF, &p, sizeof(p), hidden, &t, &o));
	CHECK(object_hides(o, CKA_VALUE));
	object_put(o);
	refuse_as(CKR_TEMPLATE_INCOMPLETE, CKM_TLS_KDF, &p, sizeof(p), base, NULL);
	ask(&t, NO_TYPE, 65536); /* would take long */
	p.pContextData = long_context;
	p.ulContextDataLength = sizeof(long_context);
	refuse_as(CKR_MECHANISM_PARAM_INVALID, CKM_TLS_KDF, &p, sizeof(p), base, &t);
	ask(&t, NO_TYPE, 77);
	p.ulContextDataLength = 65536;
	refuse_as(CKR_MECHANISM_PARAM_INVALID, CKM_TLS_KDF, &p, sizeof(p), base, &t);
	p.ulContextDataLength = 0;
	p.pLabel = NULL;
	refuse_as(CKR_MECHANISM_PARAM_INVALID, CKM_TLS_KDF, &p, sizeof(p), base, &t);
	object_put(base);
	object_put(hidden);
	attrs_free(&t);
}

static void
test_finished(void)
{
	struct object *base = base_key(CKK_GENERIC_SECRET, master_value, 48);
	CK_TLS_MAC_PARAMS p = {CKM_SHA256, 12, 1};
	CK_MECHANISM m = {CKM_TLS_MAC, &p, sizeof(p)};
	uint8_t hash[32], want[40], mac[64];
	size_t n;

	RAND_bytes(hash, sizeof(hash));
	for (int old = 0; old < 2; old++)
		for (CK_ULONG who = 1; who <= 2; who++)
			for (CK_ULONG len = 12; len <= 40; len += 28) {
				m.mechanism = old ? CKM_TLS12_MAC : CKM_TLS_MAC;
				p.ulMacLength = len;
				p.ulServerOrClient = who;
				prf("SHA256", master_value, 48, who == 1 ? "server finished" : "client finished", hash, 32, want,
					len);
				n = sizeof(mac);
				CHECK_RV(CKR_OK, once(OP_SIGN, &m, base, hash, 32, mac, &n));
				CHECK(same(mac, n, want, len));
				n = sizeof(mac);
				CHECK_RV(CKR_OK, parts(OP_SIGN, &m, base, hash, 32, mac, &n));
				CHECK(same(mac, n, want, len));
				CHECK_RV(CKR_OK, verify(&m, base, hash, 32, want, len));
				want[3] ^= 1;
				CHECK_RV(CKR_SIGNATURE_INVALID, verify(&m, base, hash, 32, want, len));
				CHECK_RV(CKR_SIGNATURE_LEN_RANGE, verify(&m, base, hash, 32, want, len - 1));
			}
	p.ulServerOrClient = 3;
	n = sizeof(mac);
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, once(OP_SIGN, &m, base, hash, 32, mac, &n));
	p.ulServerOrClient = 1;
	p.ulMacLength = 11;
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, once(OP_SIGN, &m, base, hash, 32, mac, &n));
	p.ulMacLength = 12;
	p.prfHashMechanism = CKM_TLS_PRF;
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, once(OP_SIGN, &m, base, hash, 32, mac, &n));
	object_put(base);
}

/* The way of a client like SunPKCS11: agree on a secret that is not sensitive, then all the rest from it. */
static void
test_from_agreement_to_keys(void)
{
	const struct curve *c = curve_of_group("prime256v1");
	CK_ECDH1_DERIVE_PARAMS ecdh = {.kdf = CKD_NULL};
	CK_TLS12_MASTER_KEY_DERIVE_PARAMS p = {.RandomInfo = randoms, .prfHashMechanism = CKM_SHA256};
	struct object *pub, *priv, *peer_pub, *peer_priv, *pms = NULL, *master = NULL;
	struct derived_key keys[DERIVED_MAX];
	struct attrs t = {0};
	size_t n;

	CHECK_RV(CKR_OK, plain_pair(CKM_EC_KEY_PAIR_GEN, c->oid, c->oid_len, 0, &pub, &priv));
	CHECK_RV(CKR_OK, plain_pair(CKM_EC_KEY_PAIR_GEN, c->oid, c->oid_len, 0, &peer_pub, &peer_priv));
	ecdh.pPublicData = attrs_get(&peer_pub->attrs, CKA_EC_POINT)->value;
	ecdh.ulPublicDataLen = attrs_get(&peer_pub->attrs, CKA_EC_POINT)->len;
	templ(&t, CKA_SENSITIVE, NO, CKA_EXTRACTABLE, YES, END);
	CHECK_RV(CKR_OK, derive_one(CKM_ECDH1_DERIVE, &ecdh, sizeof(ecdh), priv, &t, &pms));
	attrs_free(&t);
	CHECK_RV(CKR_OK, derive_one(CKM_TLS12_MASTER_KEY_DERIVE_DH, &p, sizeof(p), pms, NULL, &master));
	fresh_mat(0, 128, 32);
	templ(&t, CKA_KEY_TYPE, CKK_AES, CKA_CLASS, CKO_SECRET_KEY, END);
	CHECK_RV(CKR_OK, derive_all(CKM_TLS12_KEY_AND_MAC_DERIVE, &mat, sizeof(mat), master, &t, keys, &n));
	CHECK(n == 2);
	for (size_t i = 0; i < n; i++)
		object_put(keys[i].object);
	object_put(pms);
	object_put(master);
	object_put(pub);
	object_put(priv);
	object_put(peer_pub);
	object_put(peer_priv);
	attrs_free(&t);
}

int
main(void)
{
	CHECK_RV(CKR_OK, secret_start());
	RAND_bytes(client_random, 32);
	RAND_bytes(server_random, 32);
	RAND_bytes(master_value, 48);
	be(&user);
	test_known_answer();
	test_pre_master();
	test_master();
	test_key_and_mac();
	test_key_and_mac_refusals();
	test_exporter();
	test_exporter_own_labels();
	test_finished();
	test_from_agreement_to_keys();
	return unit_done("test_tls");
}
