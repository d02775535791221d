/*
 * SHA-512/t (FIPS 180-4 5.3.6 and 6.7, PKCS#11 3.1 6.27): SHA-512 from an initial value of its own for every t, cut to t bits;
 * as digest, for HMAC, and for keys that are the hash of a key
 *
 * OpenSSL's EVP has t = 224 and t = 256 and takes no initial value. Its SHA512_* functions work on a structure whose
 * words are open, and run the very code that EVP runs. They are deprecated since 3.0 and there in every version since;
 * a build without them lacks these mechanisms. The other way would be a compression function of our own: slower, and
 * one more thing to trust.
 *
 * What a small t can do: the initial values differ, so that what is known for one t says nothing for another, and a MAC
 * or a key of one byte is not the beginning of a longer one. A sensitive key's hash is no shorter than any other key
 * that is derived from it (make_derive.c); only keys that may be read are digested (op_state.c).
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

#include "mech_family.h"
#include "mech_variant.h"

#ifdef SHA512_CBLOCK /* sha.h has it, and the functions, or neither */

#define INITIAL_MASK 0xa5a5a5a5a5a5a5a5u
#define T_MAX 511
#define T_SHA384 384 /* FIPS 180-4 5.3.6: not allowed, it would be another SHA-384 */
#define INNER_PAD 0x36
#define OUTER_PAD 0x5C

/* ---- the hash function ---- */

static bool
fits(CK_ULONG t)
{
	return t > 0 && t <= T_MAX && t != T_SHA384;
}

static size_t
size_of(CK_ULONG t)
{
	return (t + 7) / 8;
}

/* FIPS 180-4 5.3.6: the initial value is the hash of "SHA-512/t", made with SHA-512's own one under a mask. */
static CK_RV
sha_start(SHA512_CTX *c, CK_ULONG t)
{
	uint8_t iv[SHA512_DIGEST_LENGTH];
	char name[sizeof("SHA-512/511")];
	int n = snprintf(name, sizeof(name), "SHA-512/%u", (unsigned)t % 1000);
	bool ok = SHA512_Init(c) == 1;

	for (size_t i = 0; i < 8; i++)
		c->h[i] ^= INITIAL_MASK;
	ok = ok && SHA512_Update(c, name, (size_t)n) == 1 && SHA512_Final(iv, c) == 1 && SHA512_Init(c) == 1;
	if (!ok)
		return mech_failed(CKR_FUNCTION_FAILED, "SHA-512/t");
	for (size_t i = 0; i < 8; i++) {
		c->h[i] = 0;
		for (size_t j = 0; j < 8; j++)
			c->h[i] = c->h[i] << 8 | iv[8 * i + j];
	}
	return CKR_OK;
}

static CK_RV
sha_add(SHA512_CTX *c, const uint8_t *in, size_t n)
{
	return n == 0 || SHA512_Update(c, in, n) == 1 ? CKR_OK : mech_failed(CKR_FUNCTION_FAILED, "SHA-512/t");
}

/* size_of(t) bytes to out. The leftmost t bits count; what the last byte has below them is zero. */
static CK_RV
sha_finish(SHA512_CTX *c, CK_ULONG t, uint8_t *out)
{
	uint8_t all[SHA512_DIGEST_LENGTH];
	size_t n = size_of(t);
	CK_RV rv = CKR_OK;

	if (SHA512_Final(all, c) == 1) {
		all[n - 1] &= (uint8_t)(0xff << (8 * n - t));
		memcpy(out, all, n);
	} else {
		rv = mech_failed(CKR_FUNCTION_FAILED, "SHA-512/t");
	}
	wipe(all, sizeof(all));
	return rv;
}

static CK_RV
sha_all(CK_ULONG t, const uint8_t *in, size_t n, uint8_t *out)
{
	SHA512_CTX c;
	CK_RV rv = sha_start(&c, t);

	if (rv == CKR_OK && (rv = sha_add(&c, in, n)) == CKR_OK)
		rv = sha_finish(&c, t, out);
	wipe(&c, sizeof(c));
	return rv;
}

/* CK_MAC_GENERAL_PARAMS: t in bits, for all but the general-length HMAC. */
static CK_RV
take_t(const CK_MECHANISM *m, CK_ULONG *t)
{
	const CK_ULONG *wanted = mech_param(m, sizeof(*wanted));

	if (wanted == NULL || !fits(*wanted))
		return mech_bad_param("t is needed: 1 to 511 bits, and not 384");
	*t = *wanted;
	return CKR_OK;
}

/* ---- digest ---- */

static SHA512_CTX *
state_of(struct op *op)
{
	return (SHA512_CTX *)op->state.data;
}

static CK_RV
reserve_state(struct op *op)
{
	op->input = INPUT_STREAM;
	op->exact = true;
	op->size = size_of(op->param);
	return bytes_reserve(&op->state, sizeof(SHA512_CTX));
}

static CK_RV
digest_begin(struct op *op, const CK_MECHANISM *m)
{
	CK_RV rv = take_t(m, &op->param);

	if (rv == CKR_OK)
		rv = reserve_state(op);
	return rv == CKR_OK ? sha_start(state_of(op), op->param) : rv;
}

static uint64_t
t_total(const struct op *op, uint64_t fed, bool final)
{
	(void)fed;
	return final ? op->size : 0;
}

static CK_RV
t_update(struct op *op, const uint8_t *in, size_t n, uint8_t *out, size_t *out_len)
{
	(void)out;
	*out_len = 0;
	return sha_add(state_of(op), in, n);
}

static CK_RV
digest_final(struct op *op, uint8_t *out, size_t *out_len)
{
	*out_len = op->size;
	return sha_finish(state_of(op), op->param, out);
}

static const struct mech_family family_t_digest = {
	.begin = digest_begin,
	.total = t_total,
	.update = t_update,
	.final = digest_final,
};

/* ---- HMAC (FIPS 198-1) ---- */

/* Begins with the key's block, XORed with the pad. */
static CK_RV
start_padded(const struct op *op, SHA512_CTX *c, uint8_t pad)
{
	uint8_t block[SHA512_CBLOCK] = {0};
	CK_RV rv = CKR_OK;

	if (op->key->len > sizeof(block))
		rv = sha_all(op->param, op->key->value, op->key->len, block);
	else
		memcpy(block, op->key->value, op->key->len);
	for (size_t i = 0; i < sizeof(block); i++)
		block[i] ^= pad;
	if (rv == CKR_OK && (rv = sha_start(c, op->param)) == CKR_OK)
		rv = sha_add(c, block, sizeof(block));
	wipe(block, sizeof(block));
	return rv;
}

/*
 * FIPS 198-1 has HMAC for hashes of whole bytes; with any other t there would be two ways to hash the inner one.
 *
 * The general-length HMAC has one number for its parameter as well, which the standard calls the length of the output in
 * bytes. So it also says t: there is no shorter output than t's own.
 */
static CK_RV
hmac_begin(struct op *op, const CK_MECHANISM *m)
{
	const CK_ULONG *wanted = mech_param(m, sizeof(*wanted));
	CK_RV rv;

	if (op->mech->variant == MAC_HMAC_GENERAL) {
		if (wanted == NULL || *wanted > T_MAX / 8 || !fits(8 * *wanted))
			return mech_bad_param("the length of the MAC is needed: 1 to 63 bytes, and not 48");
		op->param = 8 * *wanted;
	} else {
		if ((rv = take_t(m, &op->param)) != CKR_OK)
			return rv;
		if (op->param % 8 != 0)
			return mech_bad_param("HMAC needs a t of whole bytes");
	}
	rv = reserve_state(op);
	return rv == CKR_OK ? start_padded(op, state_of(op), INNER_PAD) : rv;
}

static CK_RV
hmac_final(struct op *op, uint8_t *out, size_t *out_len)
{
	uint8_t inner[SHA512_DIGEST_LENGTH];
	SHA512_CTX outer;
	CK_RV rv = sha_finish(state_of(op), op->param, inner);

	if (rv == CKR_OK && (rv = start_padded(op, &outer, OUTER_PAD)) == CKR_OK &&
		(rv = sha_add(&outer, inner, op->size)) == CKR_OK)
		rv = sha_finish(&outer, op->param, out);
	*out_len = op->size;
	wipe(inner, sizeof(inner));
	wipe(&outer, sizeof(outer));
	return rv;
}

static const struct mech_family family_t_hmac = {
	.begin = hmac_begin,
	.total = t_total,
	.update = t_update,
	.final = hmac_final,
};

/* ---- keys ---- */

static CK_RV
t_derive(struct derivation *d)
{
	uint8_t digest[SHA512_DIGEST_LENGTH];
	const uint8_t *base;
	size_t base_len, len;
	CK_ULONG t = 0;
	CK_RV rv = take_t(d->mech, &t);

	if (rv != CKR_OK || (rv = derive_base(d, &base, &base_len)) != CKR_OK)
		return rv;
	if ((rv = sha_all(t, base, base_len, digest)) == CKR_OK &&
		(rv = derive_length(&d->keys[0], size_of(t), &len)) == CKR_OK)
		rv = derive_put(&d->keys[0], digest, len);
	wipe(digest, sizeof(digest));
	return rv;
}

static const struct mech_family family_t_derive = {.plan = derive_hash, .derive = t_derive};

#define T_KEYS 1, SECRET_MAX, KEYS2(CKK_GENERIC_SECRET, CKK_SHA512_T_HMAC)
static const struct mech rows[] = {
	{CKM_SHA512_T, CKF_DIGEST, 0, 0, NO_KEYS, NULL, 0, &family_t_digest},
	{CKM_SHA512_T_HMAC, SIGN, T_KEYS, NULL, MAC_HMAC, &family_t_hmac},
	{CKM_SHA512_T_HMAC_GENERAL, SIGN, T_KEYS, NULL, MAC_HMAC_GENERAL, &family_t_hmac},
	{CKM_SHA512_T_KEY_DERIVATION, CKF_DERIVE, 1, SECRET_MAX, NO_KEYS, NULL, 0, &family_t_derive},
	{CKM_SHA512_T_KEY_GEN, CKF_GENERATE, 1, SECRET_MAX, KEYS1(CKK_SHA512_T_HMAC), NULL, 0, &family_secret},
};
const struct mech_rows mech_sha512_t_rows = {MECH_ROWS(rows)};

#else

const struct mech_rows mech_sha512_t_rows = {NULL, 0};

#endif
