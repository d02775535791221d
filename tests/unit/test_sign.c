/* RSA, ECDSA and EdDSA against OpenSSL, both ways; RSA encryption; refusals with their codes. */
#include "crypto_help.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/rsa.h>

static uint8_t data[BIG], out[BIG], ref[BIG];

static const struct {
	CK_MECHANISM_TYPE pkcs1, pss, ecdsa, digest;
	CK_RSA_PKCS_MGF_TYPE mgf;
	const char *name;
	size_t size;
} hashes[] = {
	{CKM_SHA1_RSA_PKCS, CKM_SHA1_RSA_PKCS_PSS, CKM_ECDSA_SHA1, CKM_SHA_1, CKG_MGF1_SHA1, "SHA1", 20},
	{CKM_SHA224_RSA_PKCS, CKM_SHA224_RSA_PKCS_PSS, CKM_ECDSA_SHA224, CKM_SHA224, CKG_MGF1_SHA224, "SHA224", 28},
	{CKM_SHA256_RSA_PKCS, CKM_SHA256_RSA_PKCS_PSS, CKM_ECDSA_SHA256, CKM_SHA256, CKG_MGF1_SHA256, "SHA256", 32},
	{CKM_SHA384_RSA_PKCS, CKM_SHA384_RSA_PKCS_PSS, CKM_ECDSA_SHA384, CKM_SHA384, CKG_MGF1_SHA384, "SHA384", 48},
	{CKM_SHA512_RSA_PKCS, CKM_SHA512_RSA_PKCS_PSS, CKM_ECDSA_SHA512, CKM_SHA512, CKG_MGF1_SHA512, "SHA512", 64},
	{CKM_SHA3_224_RSA_PKCS, CKM_SHA3_224_RSA_PKCS_PSS, CKM_ECDSA_SHA3_224, CKM_SHA3_224, CKG_MGF1_SHA3_224, "SHA3-224", 28},
	{CKM_SHA3_256_RSA_PKCS, CKM_SHA3_256_RSA_PKCS_PSS, CKM_ECDSA_SHA3_256, CKM_SHA3_256, CKG_MGF1_SHA3_256, "SHA3-256", 32},
	{CKM_SHA3_384_RSA_PKCS, CKM_SHA3_384_RSA_PKCS_PSS, CKM_ECDSA_SHA3_384, CKM_SHA3_384, CKG_MGF1_SHA3_384, "SHA3-384", 48},
	{CKM_SHA3_512_RSA_PKCS, CKM_SHA3_512_RSA_PKCS_PSS, CKM_ECDSA_SHA3_512, CKM_SHA3_512, CKG_MGF1_SHA3_512, "SHA3-512", 64},
};
#define HASHES 9

static struct object *rsa_pub, *rsa_priv;
static EVP_PKEY *rsa_open, *rsa_secret;
static size_t k; /* bytes of the modulus */

/* Verifies with EVP_DigestVerify; padding 0: no RSA. */
static bool
openssl_verify(EVP_PKEY *key, const char *md, int padding, int salt, const char *mgf, const uint8_t *in, size_t n,
	const uint8_t *sig, size_t len)
{
	EVP_MD_CTX *x = EVP_MD_CTX_new();
	EVP_PKEY_CTX *p = NULL;
	int ok = EVP_DigestVerifyInit_ex(x, &p, md, NULL, NULL, key, NULL);

	if (ok == 1 && padding != 0)
		ok = EVP_PKEY_CTX_set_rsa_padding(p, padding);
	if (ok == 1 && mgf != NULL)
		ok = EVP_PKEY_CTX_set_rsa_pss_saltlen(p, salt) == 1 &&
			EVP_PKEY_CTX_set_rsa_mgf1_md_name(p, mgf, NULL) == 1;
	ok = ok == 1 && EVP_DigestVerify(x, sig, len, in, n) == 1;
	EVP_MD_CTX_free(x);
	return ok;
}

static size_t
openssl_sign(EVP_PKEY *key, const char *md, int padding, int salt, const uint8_t *in, size_t n, uint8_t *sig)
{
	EVP_MD_CTX *x = EVP_MD_CTX_new();
	EVP_PKEY_CTX *p = NULL;
	size_t len = BIG;

	CHECK(EVP_DigestSignInit_ex(x, &p, md, NULL, NULL, key, NULL) == 1);
	if (padding != 0)
		CHECK(EVP_PKEY_CTX_set_rsa_padding(p, padding) == 1);
	if (padding == RSA_PKCS1_PSS_PADDING)
		CHECK(EVP_PKEY_CTX_set_rsa_pss_saltlen(p, salt) == 1);
	CHECK(EVP_DigestSign(x, sig, &len, in, n) == 1);
	EVP_MD_CTX_free(x);
	return len;
}

/* What every signature mechanism must refuse. */
static void
refusals(const CK_MECHANISM *m, struct object *pub, const uint8_t *in, size_t n, uint8_t *sig, size_t len)
{
	sig[len / 2] ^= 1;
	CHECK_RV(CKR_SIGNATURE_INVALID, verify(m, pub, in, n, sig, len));
	CHECK_RV(CKR_SIGNATURE_INVALID, verify_parts(m, pub, in, n, sig, len));
	sig[len / 2] ^= 1;
	CHECK_RV(CKR_SIGNATURE_LEN_RANGE, verify(m, pub, in, n, sig, len - 1));
	CHECK_RV(CKR_SIGNATURE_LEN_RANGE, verify(m, pub, in, n, sig, len + 1));
	CHECK_RV(CKR_OK, verify(m, pub, in, n, sig, len));
}

static void
test_rsa_pkcs1_hashed(void)
{
	for (size_t h = 0; h < HASHES; h++)
		for (size_t len = 0; len < 300; len += 37) {
			CK_MECHANISM m = mechanism(hashes[h].pkcs1, NULL, 0);
			size_t n = k, want;

			CHECK_RV(CKR_OK, once(OP_SIGN, &m, rsa_priv, data, len, out, &n));
			CHECK(n == k && openssl_verify(rsa_open, hashes[h].name, RSA_PKCS1_PADDING, 0, NULL, data,
				len, out, n));
			CHECK_RV(CKR_OK, parts(OP_SIGN, &m, rsa_priv, data, len, ref, &n));
			CHECK(same(out, k, ref, n));
			want = openssl_sign(rsa_secret, hashes[h].name, RSA_PKCS1_PADDING, 0, data, len, ref);
			CHECK(same(out, n, ref, want));
			CHECK_RV(CKR_OK, verify(&m, rsa_pub, data, len, ref, want));
			CHECK_RV(CKR_OK, verify_parts(&m, rsa_pub, data, len, ref, want));
			refusals(&m, rsa_pub, data, len, out, n);
			n = k - 1;
			CHECK_RV(CKR_BUFFER_TOO_SMALL, once(OP_SIGN, &m, rsa_priv, data, len, out, &n));
			CHECK(n == k);
		}
}

static void
test_rsa_pkcs1_raw(void)
{
	CK_MECHANISM m = mechanism(CKM_RSA_PKCS, NULL, 0);
	EVP_PKEY_CTX *x;
	size_t n, got;

	/* Not the empty message: OpenSSL 3.5 signs it and recovers nothing. */
	for (size_t len = 1; len <= k - 11; len += len < 70 ? 7 : 33) {
		n = k;
		CHECK_RV(CKR_OK, once(OP_SIGN, &m, rsa_priv, data, len, out, &n));
		x = EVP_PKEY_CTX_new(rsa_open, NULL);
		got = BIG;
		CHECK(EVP_PKEY_verify_recover_init(x) == 1 &&
			EVP_PKEY_verify_recover(x, ref, &got, out, n) == 1 && same(ref, got, data, len));
		EVP_PKEY_CTX_free(x);
		CHECK_RV(CKR_OK, verify(&m, rsa_pub, data, len, out, n));
		CHECK_RV(CKR_OK, verify_parts(&m, rsa_pub, data, len, out, n));
		CHECK_RV(CKR_OK, parts(OP_SIGN, &m, rsa_priv, data, len, ref, &n));
		CHECK(same(ref, n, out, k));
		n = k;
		CHECK_RV(CKR_OK, once(OP_SIGN_RECOVER, &m, rsa_priv, data, len, ref, &n));
		CHECK(same(ref, n, out, k));
		n = len;
		CHECK_RV(CKR_OK, once(OP_VERIFY_RECOVER, &m, rsa_pub, out, k, ref, &n));
		CHECK(same(ref, n, data, len));
	}
	n = k;
	CHECK_RV(CKR_OK, once(OP_SIGN, &m, rsa_priv, data, 5, out, &n));
	refusals(&m, rsa_pub, data, 5, out, k);
	n = k;
	CHECK_RV(CKR_DATA_LEN_RANGE, once(OP_SIGN, &m, rsa_priv, data, k - 10, out, &n));
	CHECK_RV(CKR_SIGNATURE_LEN_RANGE, once(OP_VERIFY_RECOVER, &m, rsa_pub, out, k - 1, ref, &n));
	memset(out, 7, k);
	n = k;
	CHECK_RV(CKR_SIGNATURE_INVALID, once(OP_VERIFY_RECOVER, &m, rsa_pub, out, k, ref, &n));
}

static void
test_rsa_raw(void)
{
	CK_MECHANISM m = mechanism(CKM_RSA_X_509, NULL, 0);
	uint8_t padded[2048] = {0};
	EVP_PKEY_CTX *x;
	size_t n, got = BIG;

	memcpy(padded + k - 40, data, 40);
	n = k;
	CHECK_RV(CKR_OK, once(OP_SIGN, &m, rsa_priv, data, 40, out, &n));
	x = EVP_PKEY_CTX_new(rsa_open, NULL);
	CHECK(EVP_PKEY_encrypt_init(x) == 1 && EVP_PKEY_CTX_set_rsa_padding(x, RSA_NO_PADDING) == 1 &&
		EVP_PKEY_encrypt(x, ref, &got, out, n) == 1 && same(ref, got, padded, k));
	CHECK_RV(CKR_OK, verify(&m, rsa_pub, data, 40, out, n));
	refusals(&m, rsa_pub, data, 40, out, k);
	n = k;
	CHECK_RV(CKR_OK, once(OP_ENCRYPT, &m, rsa_pub, data, 40, out, &n));
	got = BIG;
	CHECK(EVP_PKEY_encrypt(x, ref, &got, padded, k) == 1 && same(ref, got, out, n));
	EVP_PKEY_CTX_free(x);
	CHECK_RV(CKR_OK, once(OP_DECRYPT, &m, rsa_priv, ref, k, out, &n));
	CHECK(same(out, n, padded, k));
	memset(padded, 0xFF, k); /* not below the modulus */
	n = k;
	CHECK_RV(CKR_DATA_INVALID, once(OP_SIGN, &m, rsa_priv, padded, k, out, &n));
	CHECK_RV(CKR_DATA_INVALID, once(OP_ENCRYPT, &m, rsa_pub, padded, k, out, &n));
	CHECK_RV(CKR_ENCRYPTED_DATA_INVALID, once(OP_DECRYPT, &m, rsa_priv, padded, k, out, &n));
	CHECK_RV(CKR_DATA_LEN_RANGE, once(OP_SIGN, &m, rsa_priv, padded, k + 1, out, &n));
}

static void
test_pss(void)
{
	CK_RSA_PKCS_PSS_PARAMS p = {0};
	size_t n, want, md_len;
	uint8_t md[64];

	for (size_t h = 0; h < HASHES; h++) {
		CK_MECHANISM m = mechanism(hashes[h].pss, &p, sizeof(p));
		CK_MECHANISM raw = mechanism(CKM_RSA_PKCS_PSS, &p, sizeof(p));

		for (size_t salt = 0; salt <= hashes[h].size; salt += hashes[h].size / 2) {
			p = (CK_RSA_PKCS_PSS_PARAMS){hashes[h].digest, hashes[(h + salt) % HASHES].mgf, salt};
			n = k;
			CHECK_RV(CKR_OK, once(OP_SIGN, &m, rsa_priv, data, 99, out, &n));
			CHECK(openssl_verify(rsa_open, hashes[h].name, RSA_PKCS1_PSS_PADDING, (int)salt,
				hashes[(h + salt) % HASHES].name, data, 99, out, n));
			CHECK_RV(CKR_OK, verify_parts(&m, rsa_pub, data, 99, out, n));
			refusals(&m, rsa_pub, data, 99, out, n);
			CHECK(EVP_Q_digest(NULL, hashes[h].name, NULL, data, 99, md, &md_len) == 1);
			CHECK_RV(CKR_OK, verify(&raw, rsa_pub, md, md_len, out, n));
			CHECK_RV(CKR_OK, once(OP_SIGN, &raw, rsa_priv, md, md_len, out, &n));
			CHECK(openssl_verify(rsa_open, hashes[h].name, RSA_PKCS1_PSS_PADDING, (int)salt,
				hashes[(h + salt) % HASHES].name, data, 99, out, n));
			CHECK_RV(CKR_DATA_LEN_RANGE, once(OP_SIGN, &raw, rsa_priv, md, md_len - 1, out, &n));
			CHECK_RV(CKR_DATA_LEN_RANGE, once(OP_SIGN, &raw, rsa_priv, md, md_len + 1, out, &n));
			CHECK_RV(CKR_DATA_LEN_RANGE, verify(&raw, rsa_pub, md, md_len - 1, out, k));
		}
		p = (CK_RSA_PKCS_PSS_PARAMS){hashes[h].digest, hashes[h].mgf, hashes[h].size};
		want = openssl_sign(rsa_secret, hashes[h].name, RSA_PKCS1_PSS_PADDING, (int)hashes[h].size, data, 80, ref);
		CHECK_RV(CKR_OK, verify(&m, rsa_pub, data, 80, ref, want));
		p.sLen--;
		CHECK_RV(CKR_SIGNATURE_INVALID, verify(&m, rsa_pub, data, 80, ref, want));
		n = k;
		p = (CK_RSA_PKCS_PSS_PARAMS){hashes[(h + 1) % HASHES].digest, hashes[h].mgf, 20};
		CHECK_RV(CKR_MECHANISM_PARAM_INVALID, once(OP_SIGN, &m, rsa_priv, data, 9, out, &n));
		p = (CK_RSA_PKCS_PSS_PARAMS){hashes[h].digest, 0x77, 20};
		CHECK_RV(CKR_MECHANISM_PARAM_INVALID, once(OP_SIGN, &m, rsa_priv, data, 9, out, &n));
		p = (CK_RSA_PKCS_PSS_PARAMS){hashes[h].digest, hashes[h].mgf, k};
		CHECK_RV(CKR_MECHANISM_PARAM_INVALID, once(OP_SIGN, &m, rsa_priv, data, 9, out, &n));
		m.pParameter = NULL;
		m.ulParameterLen = 0;
		CHECK_RV(CKR_MECHANISM_PARAM_INVALID, once(OP_SIGN, &m, rsa_priv, data, 9, out, &n));
	}
}

/* By OpenSSL: out of plain EVP_PKEY_encrypt or decrypt. */
static size_t
openssl_oaep(EVP_PKEY *key, bool encrypt, const char *md, const char *mgf, const uint8_t *label, size_t label_len,
	const uint8_t *in, size_t n, uint8_t *to)
{
	EVP_PKEY_CTX *x = EVP_PKEY_CTX_new(key, NULL);
	size_t len = BIG;
	int ok = encrypt ? EVP_PKEY_encrypt_init(x) : EVP_PKEY_decrypt_init(x);

	ok = ok == 1 && EVP_PKEY_CTX_set_rsa_padding(x, RSA_PKCS1_OAEP_PADDING) == 1 &&
		EVP_PKEY_CTX_set_rsa_oaep_md_name(x, md, NULL) == 1 &&
		EVP_PKEY_CTX_set_rsa_mgf1_md_name(x, mgf, NULL) == 1;
	if (ok && label_len > 0)
		ok = EVP_PKEY_CTX_set0_rsa_oaep_label(x, OPENSSL_memdup(label, label_len), (int)label_len) == 1;
	ok = ok && (encrypt ? EVP_PKEY_encrypt(x, to, &len, in, n) : EVP_PKEY_decrypt(x, to, &len, in, n)) == 1;
	CHECK(ok);
	EVP_PKEY_CTX_free(x);
	return len;
}

static void
test_oaep(void)
{
	for (size_t h = 0; h < HASHES; h++)
		for (size_t g = 0; g < HASHES; g++)
			for (size_t label = 0; label < 40; label += 13) {
				CK_RSA_PKCS_OAEP_PARAMS p = {hashes[h].digest, hashes[g].mgf, CKZ_DATA_SPECIFIED,
					label ? data + 9 : NULL, label};
				CK_MECHANISM m = mechanism(CKM_RSA_PKCS_OAEP, &p, sizeof(p));
				size_t most = k - 2 * hashes[h].size - 2, len = label == 26 ? most : label, n = k, got;

				CHECK_RV(CKR_OK, once(OP_ENCRYPT, &m, rsa_pub, data, len, out, &n));
				got = openssl_oaep(rsa_secret, false, hashes[h].name, hashes[g].name, data + 9, label,
					out, n, ref);
				CHECK(same(ref, got, data, len));
				got = openssl_oaep(rsa_open, true, hashes[h].name, hashes[g].name, data + 9, label,
					data, len, ref);
				n = len;
				CHECK_RV(CKR_OK, once(OP_DECRYPT, &m, rsa_priv, ref, got, out, &n));
				CHECK(same(out, n, data, len));
				n = BIG;
				CHECK_RV(CKR_DATA_LEN_RANGE, once(OP_ENCRYPT, &m, rsa_pub, data, most + 1, out, &n));
				p.ulSourceDataLen = label ? label - 1 : 1;
				p.pSourceData = data + 9;
				CHECK_RV(CKR_ENCRYPTED_DATA_INVALID, once(OP_DECRYPT, &m, rsa_priv, ref, got, out, &n));
				CHECK_RV(CKR_ENCRYPTED_DATA_LEN_RANGE,
					once(OP_DECRYPT, &m, rsa_priv, ref, got - 1, out, &n));
				p.pSourceData = NULL;
				CHECK_RV(CKR_MECHANISM_PARAM_INVALID, once(OP_ENCRYPT, &m, rsa_pub, data, 1, out, &n));
			}
}

static void
test_pkcs1_encryption(void)
{
	CK_MECHANISM m = mechanism(CKM_RSA_PKCS, NULL, 0);
	EVP_PKEY_CTX *e = EVP_PKEY_CTX_new(rsa_open, NULL), *d = EVP_PKEY_CTX_new(rsa_secret, NULL);
	uint8_t em[2048], made[2048];
	size_t n, got, first = 0;

	CHECK(EVP_PKEY_encrypt_init(e) == 1 && EVP_PKEY_decrypt_init(d) == 1);
	for (size_t len = 0; len <= k - 11; len += len < 40 ? 1 : 41) {
		n = k;
		got = BIG;
		CHECK_RV(CKR_OK, once(OP_ENCRYPT, &m, rsa_pub, data, len, out, &n));
		CHECK(EVP_PKEY_decrypt(d, ref, &got, out, n) == 1 && same(ref, got, data, len));
		got = BIG;
		CHECK(EVP_PKEY_encrypt(e, ref, &got, data, len) == 1);
		n = len;
		CHECK_RV(CKR_OK, once(OP_DECRYPT, &m, rsa_priv, ref, got, out, &n));
		CHECK(same(out, n, data, len));
	}
	n = k;
	CHECK_RV(CKR_DATA_LEN_RANGE, once(OP_ENCRYPT, &m, rsa_pub, data, k - 10, out, &n));
	CHECK_RV(CKR_ENCRYPTED_DATA_LEN_RANGE, once(OP_DECRYPT, &m, rsa_priv, data, k - 1, out, &n));

	/* Bad paddings: no error, a message, and the same one each time. */
	CHECK(EVP_PKEY_CTX_set_rsa_padding(e, RSA_NO_PADDING) == 1);
	for (int bad = 0; bad < 6; bad++) {
		memset(em, 0xAB, k);
		em[0] = bad == 0 ? 1 : 0;
		em[1] = bad == 1 ? 1 : 2;
		em[k - 20] = 0;
		if (bad == 2)
			em[5] = 0; /* fewer than 8 bytes of padding */
		if (bad == 3)
			em[9] = 0; /* one byte too few */
		if (bad == 4)
			em[k - 20] = 1; /* no end of the padding */
		got = BIG;
		CHECK(EVP_PKEY_encrypt(e, ref, &got, em, k) == 1);
		n = BIG;
		CHECK_RV(CKR_OK, once(OP_DECRYPT, &m, rsa_priv, ref, k, out, &n));
		CHECK(n <= k - 11);
		if (bad == 5) {
			CHECK(same(out, n, em + k - 19, 19));
			continue;
		}
		CHECK(!same(out, n, em + k - 19, 19));
		memcpy(made, out, n);
		first = n;
		n = BIG;
		CHECK_RV(CKR_OK, once(OP_DECRYPT, &m, rsa_priv, ref, k, out, &n));
		CHECK(same(out, n, made, first));
	}
	EVP_PKEY_CTX_free(e);
	EVP_PKEY_CTX_free(d);
}

/* Made-up messages have all lengths, and begin differently. */
static void
test_rejection_spread(void)
{
	CK_MECHANISM m = mechanism(CKM_RSA_PKCS, NULL, 0);
	size_t n, low = 0, high = 0;

	for (int i = 0; i < 64; i++) {
		CHECK(RAND_bytes(ref, (int)k) == 1);
		ref[0] = 0;
		n = BIG;
		CHECK_RV(CKR_OK, once(OP_DECRYPT, &m, rsa_priv, ref, k, out, &n));
		low += n < k / 2;
		high += n >= k / 2;
	}
	CHECK(low > 8 && high > 8);
}

static void
test_rsa_misuse(void)
{
	CK_MECHANISM m = mechanism(CKM_SHA256_RSA_PKCS, data, 1);
	struct op *op;

	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, op_begin(&op, OP_SIGN, &m, rsa_priv));
	m.ulParameterLen = 0;
	CHECK_RV(CKR_KEY_TYPE_INCONSISTENT, op_begin(&op, OP_SIGN, &m, rsa_pub));
	m.mechanism = CKM_ECDSA;
	CHECK_RV(CKR_KEY_TYPE_INCONSISTENT, op_begin(&op, OP_SIGN, &m, rsa_priv));
	m.mechanism = CKM_RSA_PKCS_KEY_PAIR_GEN;
	CHECK_RV(CKR_MECHANISM_INVALID, op_begin(&op, OP_SIGN, &m, rsa_priv));
}

/* ---- curves ---- */

static size_t
raw_to_der(const uint8_t *raw, size_t len, uint8_t *der)
{
	ECDSA_SIG *s = ECDSA_SIG_new();
	int n;

	ECDSA_SIG_set0(s, BN_bin2bn(raw, (int)len / 2, NULL), BN_bin2bn(raw + len / 2, (int)len / 2, NULL));
	n = i2d_ECDSA_SIG(s, &der);
	ECDSA_SIG_free(s);
	return (size_t)n;
}

static void
der_to_raw(const uint8_t *der, size_t n, uint8_t *raw, size_t len)
{
	ECDSA_SIG *s = d2i_ECDSA_SIG(NULL, &der, (long)n);

	CHECK(s != NULL);
	BN_bn2binpad(ECDSA_SIG_get0_r(s), raw, (int)len / 2);
	BN_bn2binpad(ECDSA_SIG_get0_s(s), raw + len / 2, (int)len / 2);
	ECDSA_SIG_free(s);
}

/* Both halves a byte shorter, as SunPKCS11 hands them over where both begin with a zero. */
static void
check_short_ecdsa(const struct curve *c, struct object *pub, struct object *priv)
{
	CK_MECHANISM raw = mechanism(CKM_ECDSA, NULL, 0);
	size_t half = c->signature / 2, n;
	int tries = 0;

	do {
		n = BIG;
		CHECK_RV(CKR_OK, once(OP_SIGN, &raw, priv, data, 32, out, &n));
	} while ((out[0] != 0 || out[half] != 0) && ++tries < 500);
	CHECK(tries < 500);
	memmove(out, out + 1, half - 1);
	memmove(out + half - 1, out + half + 1, half - 1);
	CHECK_RV(CKR_OK, verify(&raw, pub, data, 32, out, n - 2));
	CHECK_RV(CKR_SIGNATURE_LEN_RANGE, verify(&raw, pub, data, 32, out, 0));
	out[3] ^= 1;
	CHECK_RV(CKR_SIGNATURE_INVALID, verify(&raw, pub, data, 32, out, n - 2));
}

static void
check_ecdsa(const struct curve *c, struct object *pub, struct object *priv)
{
	EVP_PKEY *open = openssl_public(pub), *secret = openssl_private(priv);
	EVP_PKEY_CTX *x = EVP_PKEY_CTX_new(open, NULL);
	CK_MECHANISM raw = mechanism(CKM_ECDSA, NULL, 0);
	uint8_t der[200], sig[200];
	size_t n, len;

	CHECK(open != NULL && secret != NULL && EVP_PKEY_eq(open, secret) == 1);
	for (size_t h = 0; h < HASHES; h++) {
		CK_MECHANISM m = mechanism(hashes[h].ecdsa, NULL, 0);

		for (size_t l = 0; l < 200; l += 40) {
			n = c->signature;
			CHECK_RV(CKR_OK, once(OP_SIGN, &m, priv, data, l, out, &n));
			CHECK(n == c->signature);
			len = raw_to_der(out, n, der);
			CHECK(openssl_verify(open, hashes[h].name, 0, 0, NULL, data, l, der, len));
			CHECK_RV(CKR_OK, parts(OP_SIGN, &m, priv, data, l, out, &n));
			CHECK_RV(CKR_OK, verify_parts(&m, pub, data, l, out, n));
			len = openssl_sign(secret, hashes[h].name, 0, 0, data, l, der);
			der_to_raw(der, len, sig, c->signature);
			CHECK_RV(CKR_OK, verify(&m, pub, data, l, sig, c->signature));
			refusals(&m, pub, data, l, sig, c->signature);
		}
	}
	CHECK(EVP_PKEY_verify_init(x) == 1);
	for (size_t l = 1; l <= 64; l++) {
		n = BIG;
		CHECK_RV(CKR_OK, once(OP_SIGN, &raw, priv, data, l, out, &n));
		len = raw_to_der(out, n, der);
		CHECK(EVP_PKEY_verify(x, der, len, data, l) == 1);
		CHECK_RV(CKR_OK, verify(&raw, pub, data, l, out, n));
	}
	n = BIG;
	CHECK_RV(CKR_DATA_LEN_RANGE, once(OP_SIGN, &raw, priv, data, 0, out, &n));
	CHECK_RV(CKR_DATA_LEN_RANGE, once(OP_SIGN, &raw, priv, data, 200, out, &n));
	if (c->bits == 521) /* every fourth signature */
		check_short_ecdsa(c, pub, priv);
	memset(out, 0, c->signature); /* r = s = 0 */
	CHECK_RV(CKR_SIGNATURE_INVALID, verify(&raw, pub, data, 20, out, c->signature));
	EVP_PKEY_CTX_free(x);
	EVP_PKEY_free(open);
	EVP_PKEY_free(secret);
}

static void
check_eddsa(const struct curve *c, struct object *pub, struct object *priv)
{
	EVP_PKEY *open = openssl_public(pub), *secret = openssl_private(priv);
	CK_MECHANISM m = mechanism(CKM_EDDSA, NULL, 0);
	size_t n, want;

	CHECK(open != NULL && secret != NULL && EVP_PKEY_eq(open, secret) == 1);
	for (size_t l = 0; l < 3000; l += l < 130 ? 13 : 700) {
		n = c->signature;
		CHECK_RV(CKR_OK, once(OP_SIGN, &m, priv, data, l, out, &n));
		want = openssl_sign(secret, NULL, 0, 0, data, l, ref);
		CHECK(same(out, n, ref, want) && n == c->signature);
		CHECK_RV(CKR_OK, parts(OP_SIGN, &m, priv, data, l, out, &n));
		CHECK(same(out, n, ref, want));
		CHECK_RV(CKR_OK, verify_parts(&m, pub, data, l, out, n));
		refusals(&m, pub, data, l, out, n);
	}
	EVP_PKEY_free(open);
	EVP_PKEY_free(secret);
}

static void
test_curves(void)
{
	const struct curve *c;
	struct object *pub, *priv;
	CK_MECHANISM_TYPE gen;

	for (size_t i = 0; (c = curve_at(i)) != NULL; i++) {
		if (c->type == CKK_EC_MONTGOMERY)
			continue;
		gen = c->type == CKK_EC ? CKM_EC_KEY_PAIR_GEN : i % 2 ? CKM_EC_EDWARDS_KEY_PAIR_GEN : CKM_EDDSA;
		CHECK_RV(CKR_OK, make_pair(gen, c->oid, c->oid_len, 0, &pub, &priv));
		if (pub == NULL)
			continue;
		if (c->type == CKK_EC)
			check_ecdsa(c, pub, priv);
		else
			check_eddsa(c, pub, priv);
		object_put(pub);
		object_put(priv);
	}
}

static struct object *
curve_key(const char *group, CK_OBJECT_CLASS class, CK_ATTRIBUTE_TYPE type, const char *hex)
{
	const struct curve *c = curve_of_group(group);
	struct attrs a = {0};
	uint8_t v[200];
	size_t n = unhex(hex, v);

	attrs_set_ulong(&a, CKA_CLASS, class);
	attrs_set_ulong(&a, CKA_KEY_TYPE, c->type);
	attrs_set(&a, CKA_EC_PARAMS, c->oid, c->oid_len);
	attrs_set(&a, type, v, n);
	CHECK_RV(CKR_OK, key_check(&a));
	return as_object(&a);
}

/* RFC 8032 7.1 tests 2 and 3, 7.4 "1 octet"; RFC 6979 A.2.5, SHA-256, message "sample" */
static void
test_vectors(void)
{
	CK_MECHANISM m = mechanism(CKM_EDDSA, NULL, 0);
	struct object *o;
	uint8_t text[2];
	size_t n = BIG;

	o = curve_key("ED25519", CKO_PRIVATE_KEY, CKA_VALUE,
		"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb");
	unhex("92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
	      "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00", ref);
	text[0] = 0x72;
	CHECK_RV(CKR_OK, once(OP_SIGN, &m, o, text, 1, out, &n));
	CHECK(same(out, n, ref, 64));
	object_put(o);
	o = curve_key("ED25519", CKO_PUBLIC_KEY, CKA_EC_POINT,
		"fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025");
	unhex("6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
	      "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a", ref);
	unhex("af82", text);
	CHECK_RV(CKR_OK, verify(&m, o, text, 2, ref, 64));
	object_put(o);
	o = curve_key("ED448", CKO_PRIVATE_KEY, CKA_VALUE,
		"c4eab05d357007c632f3dbb48489924d552b08fe0c353a0d4a1f00acda2c463afbea67c5e8d2877c5e3bc397a659949ef8021e954e0a12274e");
	unhex("26b8f91727bd62897af15e41eb43c377efb9c610d48f2335cb0bd0087810f4352541b143c4b981b7e18f62de8ccdf633fc1bf037ab7cd7"
	      "79805e0dbcc0aae1cbcee1afb2e027df36bc04dcecbf154336c19f0af7e0a6472905e799f1953d2a0ff3348ab21aa4adafd1d234441cf8"
	      "07c03a00", ref);
	text[0] = 3;
	n = BIG;
	CHECK_RV(CKR_OK, once(OP_SIGN, &m, o, text, 1, out, &n));
	CHECK(same(out, n, ref, 114));
	object_put(o);
	o = curve_key("prime256v1", CKO_PUBLIC_KEY, CKA_EC_POINT,
		"0460fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"
		"7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299");
	unhex("efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716"
	      "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8", ref);
	m.mechanism = CKM_ECDSA_SHA256;
	CHECK_RV(CKR_OK, verify(&m, o, (const uint8_t *)"sample", 6, ref, 64));
	CHECK_RV(CKR_SIGNATURE_INVALID, verify(&m, o, (const uint8_t *)"sampla", 6, ref, 64));
	object_put(o);
}

static void
test_eddsa_params(void)
{
	struct ck_eddsa_parameters p = {0, 0, NULL};
	CK_MECHANISM m = mechanism(CKM_EDDSA, &p, sizeof(p));
	const struct curve *c25519 = curve_of_group("ED25519"), *c448 = curve_of_group("ED448");
	struct object *pub, *priv;
	size_t n = BIG;

	CHECK_RV(CKR_OK, make_pair(CKM_EDDSA, c448->oid, c448->oid_len, 0, &pub, &priv));
	CHECK_RV(CKR_OK, once(OP_SIGN, &m, priv, data, 5, out, &n));
	object_put(pub);
	object_put(priv);
	CHECK_RV(CKR_OK, make_pair(CKM_EDDSA, c25519->oid, c25519->oid_len, 0, &pub, &priv));
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, once(OP_SIGN, &m, priv, data, 5, out, &n));
	object_put(pub);
	object_put(priv);
}

int
main(void)
{
	static const CK_ULONG sizes[] = {2048, 2051, 3072};

	CHECK_RV(CKR_OK, secret_start());
	RAND_bytes(data, sizeof(data));
	for (size_t i = 0; i < 3; i++) { /* 2051: no whole number of bytes; 2048: PSS's first byte counts */
		CHECK_RV(CKR_OK, make_pair(CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0, sizes[i], &rsa_pub, &rsa_priv));
		rsa_open = openssl_public(rsa_pub);
		rsa_secret = openssl_private(rsa_priv);
		k = (sizes[i] + 7) / 8;
		CHECK(rsa_open != NULL && rsa_secret != NULL && EVP_PKEY_eq(rsa_open, rsa_secret) == 1);
		test_rsa_pkcs1_hashed();
		test_rsa_pkcs1_raw();
		test_rsa_raw();
		test_pss();
		test_pkcs1_encryption();
		test_rsa_misuse();
		if (i == 0) {
			test_oaep();
			test_rejection_spread();
		}
		EVP_PKEY_free(rsa_open);
		EVP_PKEY_free(rsa_secret);
		object_put(rsa_pub);
		object_put(rsa_priv);
	}
	test_curves();
	test_vectors();
	test_eddsa_params();
	return unit_done("sign");
}
