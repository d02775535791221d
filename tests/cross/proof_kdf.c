/* Keys of keys and passwords: HKDF, PBKDF2. */
#include "oracle.h"

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
	CK_OBJECT_HANDLE base =
		base_secret(chance(2) == 0 ? CKK_HKDF : CKK_GENERIC_SECRET, key);

	h.extract = chance(3) != 0;
	h.expand = !h.extract || chance(2) == 0;
	if (h.expand && info.len > 0)
		h.info = info.data, h.info_len = info.len;
	if (h.extract && chance(3) != 0) {
		h.salt_type = 2; /* CKF_HKDF_SALT_DATA */
		h.salt = salt.data, h.salt_len = salt.len;
		if (chance(2) == 0) { /* CKF_HKDF_SALT_KEY */
			h.salt_type = 4, h.salt = NULL, h.salt_len = 0;
			h.salt_key = base_secret(
				chance(2) == 0 ? CKK_HKDF : CKK_GENERIC_SECRET, salt);
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

#define BASE(mech, how)                                                                        \
	{                                                                                      \
		mech, how, NULL, CKK_GENERIC_SECRET                                            \
	}

static const struct proof rows[] = {
	BASE(CKM_HKDF_DERIVE, prove_hkdf),
	BASE(CKM_HKDF_DATA, prove_hkdf),
	{CKM_PKCS5_PBKD2, prove_pbkdf2, NULL, CKK_GENERIC_SECRET, .make = make_none},
};
const struct proofs proofs_kdf = {rows, NELEMS(rows)};
