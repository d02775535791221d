/* Keys that are the hash of a key (PKCS#11 3.1 6.20 to 6.32): CKM_SHA256_KEY_DERIVATION and its like */
#include <string.h>

#include "mech_family.h"

static CK_RV
hash_derive(struct derivation *d)
{
	const struct hash *h = hash_named(d->row->digest);
	uint8_t digest[EVP_MAX_MD_SIZE];
	EVP_MD_CTX *ctx = NULL;
	const uint8_t *base;
	size_t base_len, len;
	CK_RV rv;

	if (!mech_no_param(d->mech))
		return mech_bad_param("the mechanism takes none");
	if ((rv = derive_base(d, &base, &base_len)) != CKR_OK || (rv = hash_start(&ctx, h)) != CKR_OK)
		goto out;
	if (EVP_DigestUpdate(ctx, base, base_len) != 1 || EVP_DigestFinal_ex(ctx, digest, NULL) != 1)
		rv = mech_failed(CKR_FUNCTION_FAILED, h->name);
	if (rv == CKR_OK && (rv = derive_length(&d->keys[0], h->size, &len)) == CKR_OK)
		rv = derive_put(&d->keys[0], digest, len);
out:
	EVP_MD_CTX_free(ctx);
	wipe(digest, sizeof(digest));
	return rv;
}

static const struct mech_family family_kdf_hash = {.there = hash_there, .plan = derive_hash, .derive = hash_derive};

#define OF_HASH(type, name) {type, CKF_DERIVE, 1, SECRET_MAX, NO_KEYS, name, 0, &family_kdf_hash}
static const struct mech rows[] = {
	OF_HASH(CKM_SHA1_KEY_DERIVATION, "SHA1"),
	OF_HASH(CKM_SHA224_KEY_DERIVATION, "SHA2-224"),
	OF_HASH(CKM_SHA256_KEY_DERIVATION, "SHA2-256"),
	OF_HASH(CKM_SHA384_KEY_DERIVATION, "SHA2-384"),
	OF_HASH(CKM_SHA512_KEY_DERIVATION, "SHA2-512"),
	OF_HASH(CKM_SHA512_224_KEY_DERIVATION, "SHA2-512/224"),
	OF_HASH(CKM_SHA512_256_KEY_DERIVATION, "SHA2-512/256"),
	OF_HASH(CKM_SHA3_224_KEY_DERIVATION, "SHA3-224"),
	OF_HASH(CKM_SHA3_256_KEY_DERIVATION, "SHA3-256"),
	OF_HASH(CKM_SHA3_384_KEY_DERIVATION, "SHA3-384"),
	OF_HASH(CKM_SHA3_512_KEY_DERIVATION, "SHA3-512"),
	OF_HASH(CKM_BLAKE2B_160_KEY_DERIVE, "BLAKE2B-160"),
	OF_HASH(CKM_BLAKE2B_256_KEY_DERIVE, "BLAKE2B-256"),
	OF_HASH(CKM_BLAKE2B_384_KEY_DERIVE, "BLAKE2B-384"),
	OF_HASH(CKM_BLAKE2B_512_KEY_DERIVE, "BLAKE2B-512"),
};
const struct mech_rows mech_kdf_hash_rows = {MECH_ROWS(rows)};
