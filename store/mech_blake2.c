/*
 * BLAKE2b (RFC 7693) as digest, and HMAC with it (PKCS#11 3.1 6.30 to 6.33)
 *
 * OpenSSL makes the full 64 bytes by name, shorter digests by a parameter that its HMAC cannot hand on. So HMAC with
 * those is put together here (RFC 2104); HMAC with BLAKE2b-512 is in mech_mac.c, like all others.
 */
#include <string.h>

#include "mech_family.h"
#include "mech_variant.h"

#define BLAKE2B_BLOCK 128
#define INNER_PAD 0x36
#define OUTER_PAD 0x5C

static CK_RV
hash_all(const struct op *op, const uint8_t *in, size_t n, uint8_t *out)
{
	EVP_MD_CTX *ctx = NULL;
	CK_RV rv = hash_start(&ctx, op->hash);

	if (rv == CKR_OK && (EVP_DigestUpdate(ctx, in, n) != 1 || EVP_DigestFinal_ex(ctx, out, NULL) != 1))
		rv = mech_failed(CKR_FUNCTION_FAILED, "BLAKE2b");
	EVP_MD_CTX_free(ctx);
	return rv;
}

/* Begins *ctx with the key's block, XORed with the pad. */
static CK_RV
start_padded(const struct op *op, EVP_MD_CTX **ctx, uint8_t pad)
{
	uint8_t block[BLAKE2B_BLOCK] = {0};
	CK_RV rv = CKR_OK;

	if (op->key->len > sizeof(block))
		rv = hash_all(op, op->key->value, op->key->len, block);
	else
		memcpy(block, op->key->value, op->key->len);
	for (size_t i = 0; i < sizeof(block); i++)
		block[i] ^= pad;
	if (rv == CKR_OK)
		rv = hash_start(ctx, op->hash);
	if (rv == CKR_OK && EVP_DigestUpdate(*ctx, block, sizeof(block)) != 1)
		rv = mech_failed(CKR_FUNCTION_FAILED, "BLAKE2b");
	wipe(block, sizeof(block));
	return rv;
}

static CK_RV
hmac_begin(struct op *op, const CK_MECHANISM *m)
{
	const CK_ULONG *wanted;

	op->input = INPUT_STREAM;
	op->exact = true;
	op->hash = hash_named(op->mech->digest);
	op->size = op->hash->size;
	if (op->mech->variant == MAC_HMAC_GENERAL) {
		if ((wanted = mech_param(m, sizeof(*wanted))) == NULL || *wanted == 0 || *wanted > op->size)
			return mech_bad_param("the length of the MAC is not one the mechanism can give");
		op->size = *wanted;
	} else if (!mech_no_param(m)) {
		return mech_bad_param("the mechanism takes none");
	}
	return start_padded(op, &op->mctx, INNER_PAD);
}

static uint64_t
hmac_total(const struct op *op, uint64_t fed, bool final)
{
	(void)fed;
	return final ? op->size : 0;
}

static CK_RV
hmac_update(struct op *op, const uint8_t *in, size_t n, uint8_t *out, size_t *out_len)
{
	(void)out;
	*out_len = 0;
	return n == 0 || EVP_DigestUpdate(op->mctx, in, n) == 1 ? CKR_OK : mech_failed(CKR_FUNCTION_FAILED, "BLAKE2b");
}

static CK_RV
hmac_final(struct op *op, uint8_t *out, size_t *out_len)
{
	uint8_t inner[EVP_MAX_MD_SIZE], mac[EVP_MAX_MD_SIZE];
	EVP_MD_CTX *ctx = NULL;
	CK_RV rv = start_padded(op, &ctx, OUTER_PAD);

	if (rv == CKR_OK && (EVP_DigestFinal_ex(op->mctx, inner, NULL) != 1 ||
		EVP_DigestUpdate(ctx, inner, op->hash->size) != 1 || EVP_DigestFinal_ex(ctx, mac, NULL) != 1))
		rv = mech_failed(CKR_FUNCTION_FAILED, "BLAKE2b");
	if (rv == CKR_OK) {
		memcpy(out, mac, op->size);
		*out_len = op->size;
	}
	EVP_MD_CTX_free(ctx);
	wipe(inner, sizeof(inner));
	wipe(mac, sizeof(mac));
	return rv;
}

static const struct mech_family family_sized_hmac = {
	.there = hash_there,
	.begin = hmac_begin,
	.total = hmac_total,
	.update = hmac_update,
	.final = hmac_final,
};

/* Keys for what this OpenSSL lacks would be of no use. */
static CK_RV
generate(const CK_MECHANISM *m, const struct mech *row, struct attrs *key, struct cancel *c)
{
	return family_secret.generate(m, row, key, c);
}

static const struct mech_family family_blake_key = {.there = hash_there, .generate = generate};

#define BLAKE2B_KEYS(key) 1, SECRET_MAX, KEYS2(CKK_GENERIC_SECRET, key)
#define BLAKE2B(type, name, key) \
	{type, CKF_DIGEST, 0, 0, NO_KEYS, name, 0, &family_digest}, \
	{type##_KEY_GEN, CKF_GENERATE, 1, SECRET_MAX, KEYS1(key), name, 0, &family_blake_key}
#define BLAKE2B_HMACS(type, name, key) \
	{type##_HMAC, SIGN, BLAKE2B_KEYS(key), name, MAC_HMAC, &family_sized_hmac}, \
	{type##_HMAC_GENERAL, SIGN, BLAKE2B_KEYS(key), name, MAC_HMAC_GENERAL, &family_sized_hmac}
static const struct mech rows[] = {
	BLAKE2B(CKM_BLAKE2B_160, "BLAKE2B-160", CKK_BLAKE2B_160_HMAC),
	BLAKE2B_HMACS(CKM_BLAKE2B_160, "BLAKE2B-160", CKK_BLAKE2B_160_HMAC),
	BLAKE2B(CKM_BLAKE2B_256, "BLAKE2B-256", CKK_BLAKE2B_256_HMAC),
	BLAKE2B_HMACS(CKM_BLAKE2B_256, "BLAKE2B-256", CKK_BLAKE2B_256_HMAC),
	BLAKE2B(CKM_BLAKE2B_384, "BLAKE2B-384", CKK_BLAKE2B_384_HMAC),
	BLAKE2B_HMACS(CKM_BLAKE2B_384, "BLAKE2B-384", CKK_BLAKE2B_384_HMAC),
	BLAKE2B(CKM_BLAKE2B_512, "BLAKE2B-512", CKK_BLAKE2B_512_HMAC),
};
const struct mech_rows mech_blake2_rows = {MECH_ROWS(rows)};
