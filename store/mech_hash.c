/* The hash functions: their table, and the digest mechanisms. */
#include <openssl/err.h>
#include <openssl/params.h>
#include <pthread.h>
#include <string.h>

#include "mech_family.h"
#include "why.h"

static const struct hash hashes[] = {
	{"SHA2-256", CKM_SHA256, CKG_MGF1_SHA256, CKD_SHA256_KDF, CKK_SHA256_HMAC, 32, CKD_SHA256_KDF_SP800},
	{"SHA1", CKM_SHA_1, CKG_MGF1_SHA1, CKD_SHA1_KDF, CKK_SHA_1_HMAC, 20, CKD_SHA1_KDF_SP800},
	{"SHA2-224", CKM_SHA224, CKG_MGF1_SHA224, CKD_SHA224_KDF, CKK_SHA224_HMAC, 28, CKD_SHA224_KDF_SP800},
	{"SHA2-384", CKM_SHA384, CKG_MGF1_SHA384, CKD_SHA384_KDF, CKK_SHA384_HMAC, 48, CKD_SHA384_KDF_SP800},
	{"SHA2-512", CKM_SHA512, CKG_MGF1_SHA512, CKD_SHA512_KDF, CKK_SHA512_HMAC, 64, CKD_SHA512_KDF_SP800},
	{"SHA2-512/224", CKM_SHA512_224, 0, 0, CKK_SHA512_224_HMAC, 28, 0},
	{"SHA2-512/256", CKM_SHA512_256, 0, 0, CKK_SHA512_256_HMAC, 32, 0},
	{"SHA3-224", CKM_SHA3_224, CKG_MGF1_SHA3_224, CKD_SHA3_224_KDF, CKK_SHA3_224_HMAC, 28, CKD_SHA3_224_KDF_SP800},
	{"SHA3-256", CKM_SHA3_256, CKG_MGF1_SHA3_256, CKD_SHA3_256_KDF, CKK_SHA3_256_HMAC, 32, CKD_SHA3_256_KDF_SP800},
	{"SHA3-384", CKM_SHA3_384, CKG_MGF1_SHA3_384, CKD_SHA3_384_KDF, CKK_SHA3_384_HMAC, 48, CKD_SHA3_384_KDF_SP800},
	{"SHA3-512", CKM_SHA3_512, CKG_MGF1_SHA3_512, CKD_SHA3_512_KDF, CKK_SHA3_512_HMAC, 64, CKD_SHA3_512_KDF_SP800},
	{"BLAKE2B-160", CKM_BLAKE2B_160, 0, 0, CKK_BLAKE2B_160_HMAC, 20, 0, HASH_SIZED},
	{"BLAKE2B-256", CKM_BLAKE2B_256, 0, 0, CKK_BLAKE2B_256_HMAC, 32, 0, HASH_SIZED},
	{"BLAKE2B-384", CKM_BLAKE2B_384, 0, 0, CKK_BLAKE2B_384_HMAC, 48, 0, HASH_SIZED},
	{"BLAKE2B-512", CKM_BLAKE2B_512, 0, CKD_BLAKE2B_512_KDF, CKK_BLAKE2B_512_HMAC, 64, 0},
	{"MD5", CKM_MD5, 0, 0, CKK_MD5_HMAC, 16, 0, HASH_LEGACY},
};
#define HASHES (sizeof(hashes) / sizeof(hashes[0]))

/* The HASH_SIZED ones are BLAKE2b-512 with another size, which is a parameter since OpenSSL 3.2. */
#define SIZE_PARAM "size"
static EVP_MD *fetched[HASHES], *sized;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void
fetch_all(void)
{
	const OSSL_PARAM *settable;

	for (size_t i = 0; i < HASHES; i++)
		if (hashes[i].kind != HASH_SIZED)
			fetched[i] = EVP_MD_fetch(NULL, hashes[i].name, NULL);
	sized = EVP_MD_fetch(NULL, "BLAKE2B-512", NULL);
	settable = sized != NULL ? EVP_MD_settable_ctx_params(sized) : NULL;
	if (settable == NULL || OSSL_PARAM_locate_const(settable, SIZE_PARAM) == NULL) {
		EVP_MD_free(sized);
		sized = NULL;
	}
	ERR_clear_error();
}

bool
hash_there(const struct mech *row)
{
	const struct hash *h = hash_named(row->digest);

	pthread_once(&once, fetch_all);
	return h == NULL || (h->kind == HASH_SIZED ? sized : fetched[h - hashes]) != NULL;
}

const EVP_MD *
hash_md(const struct hash *h)
{
	pthread_once(&once, fetch_all);
	return h != NULL ? fetched[h - hashes] : NULL;
}

const struct hash *
hash_named(const char *name)
{
	for (size_t i = 0; name != NULL && i < HASHES; i++)
		if (strcmp(hashes[i].name, name) == 0)
			return &hashes[i];
	return NULL;
}

const struct hash *
hash_of_digest(CK_MECHANISM_TYPE digest)
{
	for (size_t i = 0; i < HASHES; i++)
		if (hashes[i].digest == digest)
			return hash_md(&hashes[i]) != NULL &&
				(hashes[i].kind != HASH_LEGACY || mech_find(digest) != NULL) ? &hashes[i] : NULL;
	return NULL;
}

const struct hash *
hash_of_mgf(CK_RSA_PKCS_MGF_TYPE mgf)
{
	for (size_t i = 0; mgf != 0 && i < HASHES; i++)
		if (hashes[i].mgf == mgf)
			return &hashes[i];
	return NULL;
}

const struct hash *
hash_of_kdf(CK_ULONG kdf)
{
	for (size_t i = 0; kdf != 0 && i < HASHES; i++)
		if (hashes[i].kdf == kdf)
			return &hashes[i];
	return NULL;
}

const struct hash *
hash_of_kdf_sp800(CK_ULONG kdf)
{
	for (size_t i = 0; kdf != 0 && i < HASHES; i++)
		if (hashes[i].kdf_sp800 == kdf)
			return &hashes[i];
	return NULL;
}

bool
hash_is_hmac_key(CK_KEY_TYPE type)
{
	for (size_t i = 0; i < HASHES; i++)
		if (hashes[i].hmac_key == type)
			return true;
	return type == CKK_SHA512_T_HMAC; /* its hashes are no rows: mech_sha512_t.c */
}

CK_RV
hash_start(EVP_MD_CTX **ctx, const struct hash *h)
{
	bool plain = h == NULL || h->kind != HASH_SIZED;
	const EVP_MD *md = hash_md(h);
	OSSL_PARAM params[2];
	size_t size;

	if (*ctx == NULL && (*ctx = EVP_MD_CTX_new()) == NULL)
		return CKR_HOST_MEMORY;
	if (!plain) {
		md = sized;
		size = h->size;
		params[0] = OSSL_PARAM_construct_size_t(SIZE_PARAM, &size);
		params[1] = OSSL_PARAM_construct_end();
	}
	if (md == NULL || EVP_DigestInit_ex2(*ctx, md, plain ? NULL : params) != 1)
		return mech_failed(CKR_FUNCTION_FAILED, h != NULL ? h->name : "hash");
	return CKR_OK;
}

/* ---- CKM_SHA256 and its like ---- */

static CK_RV
digest_begin(struct op *op, const CK_MECHANISM *m)
{
	if (!mech_no_param(m))
		return mech_bad_param("a digest takes none");
	op->input = INPUT_STREAM;
	op->exact = true;
	op->hash = hash_named(op->mech->digest);
	op->size = op->hash->size;
	return hash_start(&op->mctx, op->hash);
}

static uint64_t
digest_total(const struct op *op, uint64_t fed, bool final)
{
	(void)fed;
	return final ? op->size : 0;
}

static CK_RV
digest_update(struct op *op, const uint8_t *in, size_t n, uint8_t *out, size_t *out_len)
{
	(void)out;
	*out_len = 0;
	return n == 0 || EVP_DigestUpdate(op->mctx, in, n) == 1 ? CKR_OK :
		mech_failed(CKR_FUNCTION_FAILED, op->hash->name);
}

static CK_RV
digest_final(struct op *op, uint8_t *out, size_t *out_len)
{
	*out_len = op->size;
	return EVP_DigestFinal_ex(op->mctx, out, NULL) == 1 ? CKR_OK :
		mech_failed(CKR_FUNCTION_FAILED, op->hash->name);
}

const struct mech_family family_digest = {
	.there = hash_there,
	.begin = digest_begin,
	.total = digest_total,
	.update = digest_update,
	.final = digest_final,
};

#define DIGEST(type, name) {type, CKF_DIGEST, 0, 0, NO_KEYS, name, 0, &family_digest}
static const struct mech rows[] = {
	DIGEST(CKM_SHA512_224, "SHA2-512/224"),
	DIGEST(CKM_SHA512_256, "SHA2-512/256"),
	DIGEST(CKM_SHA_1, "SHA1"),
	DIGEST(CKM_SHA256, "SHA2-256"),
	DIGEST(CKM_SHA224, "SHA2-224"),
	DIGEST(CKM_SHA384, "SHA2-384"),
	DIGEST(CKM_SHA512, "SHA2-512"),
	DIGEST(CKM_SHA3_256, "SHA3-256"),
	DIGEST(CKM_SHA3_224, "SHA3-224"),
	DIGEST(CKM_SHA3_384, "SHA3-384"),
	DIGEST(CKM_SHA3_512, "SHA3-512"),
};
const struct mech_rows mech_hash_rows = {MECH_ROWS(rows)};
