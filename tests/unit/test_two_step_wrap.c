/* CKM_RSA_AES_KEY_WRAP and CKM_ECDH_AES_KEY_WRAP: what we wrap is opened by plain OpenSSL (OAEP or ECDH, then RFC
 * 5649), and what OpenSSL wraps that way is opened by us. */
#include "derive_help.h"

#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/rsa.h>

static const uint8_t target_value[] = "a secret of 33 bytes, not units.";
#define TARGET_LEN sizeof(target_value)

static size_t
openssl_kwp(bool wrap, const uint8_t *key, size_t key_len, const uint8_t *in, size_t n, uint8_t *out)
{
	EVP_CIPHER_CTX *x = EVP_CIPHER_CTX_new();
	const EVP_CIPHER *c = key_len == 16 ? EVP_aes_128_wrap_pad() : key_len == 24 ? EVP_aes_192_wrap_pad() :
		EVP_aes_256_wrap_pad();
	int len = 0;

	EVP_CIPHER_CTX_set_flags(x, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
	CHECK(EVP_CipherInit_ex(x, c, NULL, key, NULL, wrap) == 1);
	if (EVP_CipherUpdate(x, out, &len, in, (int)n) != 1)
		len = 0;
	EVP_CIPHER_CTX_free(x);
	return (size_t)len;
}

static EVP_PKEY_CTX *
openssl_oaep(EVP_PKEY *k, bool encrypt, const EVP_MD *md)
{
	EVP_PKEY_CTX *x = EVP_PKEY_CTX_new(k, NULL);

	CHECK((encrypt ? EVP_PKEY_encrypt_init(x) : EVP_PKEY_decrypt_init(x)) == 1);
	CHECK(EVP_PKEY_CTX_set_rsa_padding(x, RSA_PKCS1_OAEP_PADDING) == 1 && EVP_PKEY_CTX_set_rsa_oaep_md(x, md) == 1);
	CHECK(EVP_PKEY_CTX_set_rsa_mgf1_md(x, md) == 1);
	return x;
}

static CK_RV
unwrap(const CK_MECHANISM *m, struct object *priv, const uint8_t *blob, size_t n, CK_OBJECT_CLASS class, CK_KEY_TYPE type,
	struct object **o)
{
	struct attrs t = {0};
	CK_RV rv;

	*o = NULL;
	templ(&t, CKA_CLASS, class, CKA_KEY_TYPE, type, CKA_EXTRACTABLE, YES, END);
	rv = make_unwrap(&maker, m, priv, blob, n, &t, o);
	attrs_free(&t);
	return rv;
}

static void
test_rsa(void)
{
	CK_RSA_PKCS_OAEP_PARAMS oaep = {CKM_SHA256, CKG_MGF1_SHA256, CKZ_DATA_SPECIFIED, NULL, 0};
	CK_RSA_AES_KEY_WRAP_PARAMS p = {256, &oaep};
	CK_MECHANISM m = {CKM_RSA_AES_KEY_WRAP, &p, sizeof(p)};
	struct object *pub, *priv, *target = base_key(CKK_GENERIC_SECRET, target_value, TARGET_LEN), *o;
	uint8_t blob[512], key[256], open[64];
	CK_ULONG len, told;
	EVP_PKEY *k;
	EVP_PKEY_CTX *x;
	size_t n;

	CHECK_RV(CKR_OK, plain_pair(CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0, 2048, &pub, &priv));
	for (p.ulAESKeyBits = 128; p.ulAESKeyBits <= 256; p.ulAESKeyBits += 64) {
		CHECK_RV(CKR_OK, make_wrap(&maker, &m, pub, target, NULL, &told));
		len = told - 1;
		CHECK_RV(CKR_BUFFER_TOO_SMALL, make_wrap(&maker, &m, pub, target, blob, &len));
		len = sizeof(blob);
		CHECK_RV(CKR_OK, make_wrap(&maker, &m, pub, target, blob, &len));
		CHECK(len == told && len == 256 + 48);
		k = openssl_private(priv);
		x = openssl_oaep(k, false, EVP_sha256());
		n = sizeof(key);
		CHECK(EVP_PKEY_decrypt(x, key, &n, blob, 256) == 1 && n == p.ulAESKeyBits / 8);
		CHECK(openssl_kwp(false, key, n, blob + 256, len - 256, open) == TARGET_LEN);
		CHECK(memcmp(open, target_value, TARGET_LEN) == 0);
		CHECK_RV(CKR_OK, unwrap(&m, priv, blob, len, CKO_SECRET_KEY, CKK_GENERIC_SECRET, &o));
		CHECK(value_is(o, target_value, TARGET_LEN));
		object_put(o);
		EVP_PKEY_CTX_free(x);
		EVP_PKEY_free(k);
	}
	/* the other way round */
	p.ulAESKeyBits = 256;
	k = openssl_public(pub);
	x = openssl_oaep(k, true, EVP_sha256());
	RAND_bytes(key, 32);
	n = 256;
	CHECK(EVP_PKEY_encrypt(x, blob, &n, key, 32) == 1);
	len = 256 + openssl_kwp(true, key, 32, target_value, TARGET_LEN, blob + 256);
	CHECK_RV(CKR_OK, unwrap(&m, priv, blob, len, CKO_SECRET_KEY, CKK_GENERIC_SECRET, &o));
	CHECK(value_is(o, target_value, TARGET_LEN));
	object_put(o);
	/* every fault is one and the same */
	for (size_t i = 0; i < len; i += 61) {
		blob[i] ^= 0x40;
		CHECK_RV(CKR_WRAPPED_KEY_INVALID, unwrap(&m, priv, blob, len, CKO_SECRET_KEY, CKK_GENERIC_SECRET, &o));
		blob[i] ^= 0x40;
	}
	for (size_t i = 0; i < len; i += 29)
		CHECK_RV(CKR_WRAPPED_KEY_INVALID, unwrap(&m, priv, blob, i, CKO_SECRET_KEY, CKK_GENERIC_SECRET, &o));
	p.ulAESKeyBits = 128;
	CHECK_RV(CKR_WRAPPED_KEY_INVALID, unwrap(&m, priv, blob, len, CKO_SECRET_KEY, CKK_GENERIC_SECRET, &o));
	p.ulAESKeyBits = 160;
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, make_wrap(&maker, &m, pub, target, blob, &len));
	p.ulAESKeyBits = 256;
	p.pOAEPParams = NULL;
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, make_wrap(&maker, &m, pub, target, blob, &len));
	p.pOAEPParams = &oaep;
	CHECK_RV(CKR_WRAPPING_KEY_TYPE_INCONSISTENT, make_wrap(&maker, &m, target, target, blob, &len));
	EVP_PKEY_CTX_free(x);
	EVP_PKEY_free(k);
	object_put(pub);
	object_put(priv);
	object_put(target);
}

/* A private key as the target: what these mechanisms are for. */
static void
test_rsa_wraps_private(void)
{
	CK_RSA_PKCS_OAEP_PARAMS oaep = {CKM_SHA_1, CKG_MGF1_SHA1, CKZ_DATA_SPECIFIED, NULL, 0};
	CK_RSA_AES_KEY_WRAP_PARAMS p = {256, &oaep};
	CK_MECHANISM m = {CKM_RSA_AES_KEY_WRAP, &p, sizeof(p)};
	const struct curve *c = curve_of_group("prime256v1");
	struct object *pub, *priv, *ec_pub, *ec_priv, *o;
	uint8_t blob[1024];
	CK_ULONG len = sizeof(blob);

	CHECK_RV(CKR_OK, plain_pair(CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0, 2048, &pub, &priv));
	CHECK_RV(CKR_OK, plain_pair(CKM_EC_KEY_PAIR_GEN, c->oid, c->oid_len, 0, &ec_pub, &ec_priv));
	CHECK_RV(CKR_OK, make_wrap(&maker, &m, pub, ec_priv, blob, &len));
	CHECK_RV(CKR_OK, unwrap(&m, priv, blob, len, CKO_PRIVATE_KEY, CKK_EC, &o));
	CHECK(attr_equal(attrs_get(&o->attrs, CKA_VALUE), attrs_get(&ec_priv->attrs, CKA_VALUE)));
	object_put(o);
	/* a sensitive one: only under a key that does nothing but wrap */
	attrs_set_bool(&ec_priv->attrs, CKA_SENSITIVE, true);
	CHECK_RV(CKR_KEY_NOT_WRAPPABLE, make_wrap(&maker, &m, pub, ec_priv, blob, &len));
	attrs_set_bool(&ec_priv->attrs, CKA_EXTRACTABLE, false);
	CHECK_RV(CKR_KEY_UNEXTRACTABLE, make_wrap(&maker, &m, pub, ec_priv, NULL, &len));
	object_put(pub);
	object_put(priv);
	object_put(ec_pub);
	object_put(ec_priv);
}

static void
agree(EVP_PKEY *mine, EVP_PKEY *theirs, uint8_t *z, size_t *n)
{
	EVP_PKEY_CTX *x = EVP_PKEY_CTX_new(mine, NULL);

	CHECK(EVP_PKEY_derive_init(x) == 1 && EVP_PKEY_derive_set_peer(x, theirs) == 1 && EVP_PKEY_derive(x, z, n) == 1);
	EVP_PKEY_CTX_free(x);
}

/* ANSI X9.63 with SHA-256 for one block: H(Z || 1 || info). */
static void
stretch(const uint8_t *z, size_t n, uint8_t key[32])
{
	uint8_t in[100];
	size_t got;

	memcpy(in, z, n);
	memcpy(in + n, "\0\0\0\1info", 8);
	EVP_Q_digest(NULL, "SHA256", NULL, in, n + 8, key, &got);
}

static void
check_ecdh(const char *group, CK_MECHANISM_TYPE gen, CK_MECHANISM_TYPE type, CK_ULONG kdf, CK_ULONG bits, bool der)
{
	const struct curve *c = curve_of_group(group);
	CK_ECDH_AES_KEY_WRAP_PARAMS p = {bits, kdf, kdf != CKD_NULL ? 4 : 0, kdf != CKD_NULL ? (uint8_t *)"info" : NULL};
	CK_MECHANISM m = {type, &p, sizeof(p)};
	struct object *pub, *priv, *target = base_key(CKK_GENERIC_SECRET, target_value, TARGET_LEN), *o;
	size_t header = der ? 2 + (c->point > 127) : 0, first = header + c->point, n = 80;
	uint8_t blob[512], z[80], key[80], open[64];
	EVP_PKEY *mine, *temporary = NULL;
	CK_ULONG len, told;

	CHECK_RV(CKR_OK, plain_pair(gen, c->oid, c->oid_len, 0, &pub, &priv));
	CHECK_RV(CKR_OK, make_wrap(&maker, &m, pub, target, NULL, &told));
	len = told;
	CHECK_RV(CKR_OK, make_wrap(&maker, &m, pub, target, blob, &len));
	CHECK(len == told && len == first + 48);
	if (der)
		CHECK(blob[0] == 0x04 && blob[header] == 0x04);
	mine = openssl_private(priv);
	if (c->type == CKK_EC) {
		OSSL_PARAM params[] = {OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, (char *)group, strlen(group)),
			OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, blob + header, c->point), OSSL_PARAM_END};
		EVP_PKEY_CTX *x = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);

		CHECK(EVP_PKEY_fromdata_init(x) == 1 && EVP_PKEY_fromdata(x, &temporary, EVP_PKEY_PUBLIC_KEY, params) == 1);
		EVP_PKEY_CTX_free(x);
	} else {
		temporary = EVP_PKEY_new_raw_public_key(EVP_PKEY_get_id(mine), NULL, blob, c->point);
	}
	agree(mine, temporary, z, &n);
	memcpy(key, z, n);
	if (kdf != CKD_NULL)
		stretch(z, n, key);
	CHECK(openssl_kwp(false, key, bits / 8, blob + first, len - first, open) == TARGET_LEN);
	CHECK(memcmp(open, target_value, TARGET_LEN) == 0);
	CHECK_RV(CKR_OK, unwrap(&m, priv, blob, len, CKO_SECRET_KEY, CKK_GENERIC_SECRET, &o));
	CHECK(value_is(o, target_value, TARGET_LEN));
	object_put(o);
	for (size_t i = 0; i < len; i += 7) { /* X25519 ignores the highest bit of a point, not this one */
		blob[i] ^= 0x20;
		CHECK_RV(CKR_WRAPPED_KEY_INVALID, unwrap(&m, priv, blob, len, CKO_SECRET_KEY, CKK_GENERIC_SECRET, &o));
		blob[i] ^= 0x20;
	}
	CHECK_RV(CKR_WRAPPED_KEY_INVALID, unwrap(&m, priv, blob, first, CKO_SECRET_KEY, CKK_GENERIC_SECRET, &o));
	memset(blob, 0, first); /* no point, or one of small order */
	CHECK_RV(CKR_WRAPPED_KEY_INVALID, unwrap(&m, priv, blob, len, CKO_SECRET_KEY, CKK_GENERIC_SECRET, &o));
	p.kdf = 0x77;
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, make_wrap(&maker, &m, pub, target, blob, &len));
	EVP_PKEY_free(mine);
	EVP_PKEY_free(temporary);
	object_put(pub);
	object_put(priv);
	object_put(target);
}

int
main(void)
{
	CHECK_RV(CKR_OK, secret_start());
	be(&user);
	test_rsa();
	test_rsa_wraps_private();
	check_ecdh("prime256v1", CKM_EC_KEY_PAIR_GEN, CKM_ECDH_AES_KEY_WRAP, CKD_SHA256_KDF, 256, false);
	check_ecdh("secp384r1", CKM_EC_KEY_PAIR_GEN, CKM_ECDH_AES_KEY_WRAP, CKD_NULL, 192, false);
	check_ecdh("secp521r1", CKM_EC_KEY_PAIR_GEN, CKM_ECDH_COF_AES_KEY_WRAP, CKD_SHA256_KDF, 128, true);
	check_ecdh("prime256v1", CKM_EC_KEY_PAIR_GEN, CKM_ECDH_COF_AES_KEY_WRAP, CKD_SHA256_KDF, 256, true);
	check_ecdh("X25519", CKM_EC_MONTGOMERY_KEY_PAIR_GEN, CKM_ECDH_X_AES_KEY_WRAP, CKD_SHA256_KDF, 256, false);
	check_ecdh("X448", CKM_EC_MONTGOMERY_KEY_PAIR_GEN, CKM_ECDH_AES_KEY_WRAP, CKD_NULL, 256, false);
	return unit_done("test_two_step_wrap");
}
