/*
 * PBKDF2 (RFC 8018 5.2, PKCS#11 3.1 6.37): CKM_PKCS5_PBKD2 generates a secret key of any type from a password
 *
 * An application may ask for as many iterations as it likes up to a bound that takes seconds; the call is a job
 * that ends when the application goes away.
 */
#include <string.h>

#include "mech_prf.h"
#include "why.h"

#define ITERATIONS_MAX 10000000u
/* Blocks times iterations: a long key must not multiply what the bound above allows. */
#define WORK_MAX 20000000u
#define BETWEEN_LOOKS 4096u

static const char *const hashes[] = {
	[CKP_PKCS5_PBKD2_HMAC_SHA1] = "SHA1",
	[CKP_PKCS5_PBKD2_HMAC_SHA224] = "SHA2-224",
	[CKP_PKCS5_PBKD2_HMAC_SHA256] = "SHA2-256",
	[CKP_PKCS5_PBKD2_HMAC_SHA384] = "SHA2-384",
	[CKP_PKCS5_PBKD2_HMAC_SHA512] = "SHA2-512",
	[CKP_PKCS5_PBKD2_HMAC_SHA512_224] = "SHA2-512/224",
	[CKP_PKCS5_PBKD2_HMAC_SHA512_256] = "SHA2-512/256",
};

static CK_RV
check_params(const CK_PKCS5_PBKD2_PARAMS2 *p, const struct hash **h)
{
	if (p == NULL)
		return mech_bad_param("CK_PKCS5_PBKD2_PARAMS2 is missing");
	if (p->saltSource != CKZ_SALT_SPECIFIED || (p->pSaltSourceData == NULL && p->ulSaltSourceDataLen > 0))
		return mech_bad_param("the source of the salt");
	*h = p->prf < sizeof(hashes) / sizeof(hashes[0]) ? hash_named(hashes[p->prf]) : NULL;
	if (hash_md(*h) == NULL)
		return mech_bad_param("the pseudo-random function is not supported");
	if (p->ulPrfDataLen != 0)
		return mech_bad_param("the pseudo-random function takes no data");
	if (p->pPassword == NULL && p->ulPasswordLen > 0)
		return mech_bad_param("the password");
	if (p->iterations == 0 || p->iterations > ITERATIONS_MAX)
		return mech_bad_param("the number of iterations");
	return CKR_OK;
}

static bool
is_canceled(const struct cancel *c)
{
	return c != NULL && atomic_load(&c->on);
}

/* One block: U(1) xor U(2) xor ... */
static CK_RV
block(struct prf *f, const CK_PKCS5_PBKD2_PARAMS2 *p, uint32_t number, uint8_t *t, const struct cancel *c)
{
	uint8_t u[PRF_MAX], be[4] = {(uint8_t)(number >> 24), (uint8_t)(number >> 16), (uint8_t)(number >> 8),
		(uint8_t)number};
	CK_RV rv;

	prf_add(f, p->pSaltSourceData, p->ulSaltSourceDataLen);
	prf_add(f, be, sizeof(be));
	rv = prf_end(f, u);
	if (rv == CKR_OK)
		memcpy(t, u, f->size);
	for (CK_ULONG i = 1; rv == CKR_OK && i < p->iterations; i++) {
		prf_add(f, u, f->size);
		rv = prf_end(f, u);
		for (size_t k = 0; k < f->size; k++)
			t[k] ^= u[k];
		if (rv == CKR_OK && i % BETWEEN_LOOKS == 0 && is_canceled(c))
			rv = CKR_FUNCTION_CANCELED;
	}
	wipe(u, sizeof(u));
	return rv;
}

static CK_RV
stretch(const CK_PKCS5_PBKD2_PARAMS2 *p, const struct hash *h, uint8_t *out, size_t len, const struct cancel *c)
{
	uint8_t t[PRF_MAX];
	struct prf f = {0};
	uint32_t number = 1;
	size_t n;
	CK_RV rv = prf_hmac(&f, h, p->pPassword, p->ulPasswordLen);

	for (; rv == CKR_OK && len > 0; out += n, len -= n, number++) {
		n = len < f.size ? len : f.size;
		rv = is_canceled(c) ? CKR_FUNCTION_CANCELED : block(&f, p, number, t, c);
		if (rv == CKR_OK)
			memcpy(out, t, n);
	}
	prf_free(&f);
	wipe(t, sizeof(t));
	return rv;
}

static CK_RV
pbkd2_generate(const CK_MECHANISM *m, const struct mech *row, struct attrs *key, struct cancel *c)
{
	const CK_PKCS5_PBKD2_PARAMS2 *p = mech_param(m, sizeof(*p));
	CK_KEY_TYPE type = attrs_ulong(key, CKA_KEY_TYPE, CKK_GENERIC_SECRET);
	const struct hash *h = NULL;
	size_t len;
	struct bytes b = {0};
	CK_RV rv = check_params(p, &h);

	(void)row;
	if (rv != CKR_OK || (rv = secret_length(key, &len)) != CKR_OK)
		return rv;
	if ((len + h->size - 1) / h->size > WORK_MAX / p->iterations)
		return mech_bad_param("the number of iterations, for a key of this length");
	if ((rv = bytes_reserve(&b, len)) == CKR_OK && (rv = stretch(p, h, b.data, len, c)) == CKR_OK) {
		if (!secret_has_length(type))
			secret_set_parity(b.data, len);
		rv = secret_put(key, b.data, len);
	}
	bytes_free(&b);
	return rv;
}

/* A secret key of the type that the template says. */
static CK_RV
pbkd2_imply(const struct mech *row, const struct attrs *templ, struct attrs *key)
{
	CK_RV rv = attrs_set_ulong(key, CKA_CLASS, CKO_SECRET_KEY);

	(void)row;
	if (rv == CKR_OK && (templ == NULL || !attrs_has(templ, CKA_KEY_TYPE)))
		return why(CKR_TEMPLATE_INCOMPLETE, "CKA_KEY_TYPE is missing");
	return rv;
}

static const struct mech_family family_pbkd2 = {.generate = pbkd2_generate, .imply = pbkd2_imply};

static const struct mech rows[] = {
	{CKM_PKCS5_PBKD2, CKF_GENERATE, 1, SECRET_MAX, NO_KEYS, NULL, 0, &family_pbkd2},
};
const struct mech_rows mech_pbkd2_rows = {MECH_ROWS(rows)};
