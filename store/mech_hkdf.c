/*
 * HKDF (RFC 5869, PKCS#11 3.1 6.62): CKM_HKDF_DERIVE makes a key, CKM_HKDF_DATA a data object
 *
 * What CKM_HKDF_DATA gives can be read by anybody, so under the strict policy its base is a key whose value can be
 * read as well.
 */
#include <string.h>

#include "mech_prf.h"
#include "mech_variant.h"
#include "why.h"

/* RFC 5869 2.3: the counter is one byte. */
#define BLOCKS_MAX 255

static CK_RV
check_params(const CK_HKDF_PARAMS *p)
{
	if (p == NULL)
		return mech_bad_param("CK_HKDF_PARAMS is missing");
	if (!p->bExtract && !p->bExpand)
		return mech_bad_param("neither extract nor expand");
	if (hash_md(hash_of_digest(p->prfHashMechanism)) == NULL)
		return mech_bad_param("the hash function is not supported");
	if (p->bExtract && p->ulSaltType != CKF_HKDF_SALT_NULL && p->ulSaltType != CKF_HKDF_SALT_DATA &&
		p->ulSaltType != CKF_HKDF_SALT_KEY)
		return mech_bad_param("the type of the salt");
	return CKR_OK;
}

/* The length stands in the template, although a data object has none among its attributes. */
static CK_RV
plan_data(struct derivation *d)
{
	struct derived *key = &d->keys[0];

	if (!d->compat && (object_hides(d->base, CKA_VALUE) ||
		(d->n_others > 0 && object_hides(d->others[0], CKA_VALUE))))
		return why(CKR_KEY_FUNCTION_NOT_PERMITTED, "data that can be read is not derived from a key that cannot "
			"(strict policy)");
	key->len = attrs_ulong(&key->templ, CKA_VALUE_LEN, 0);
	attrs_remove(&key->templ, CKA_VALUE_LEN);
	return attrs_set_ulong(&key->implied, CKA_CLASS, CKO_DATA);
}

/* The key that extraction leaves to expansion is HMAC(salt, base). If the base is known, another derivation from the salt
 * can have the same HMAC for its outcome, and sign with it. */
static CK_RV
check_salt_key(const struct derivation *d, const struct object *salt, const CK_HKDF_PARAMS *p)
{
	if (p->bExpand && !d->compat && object_hides(salt, CKA_VALUE) && !object_hides(d->base, CKA_VALUE))
		return why(CKR_KEY_FUNCTION_NOT_PERMITTED, "with a salt that cannot be read and a base that can, extract first "
			"and expand then (strict policy)");
	return CKR_OK;
}

static CK_RV
hkdf_plan(struct derivation *d)
{
	const CK_HKDF_PARAMS *p = mech_param(d->mech, sizeof(*p));
	struct object *salt;
	CK_RV rv = check_params(p);

	if (rv == CKR_OK && p->bExtract && p->ulSaltType == CKF_HKDF_SALT_KEY)
		if ((rv = derive_from(d, p->hSaltKey, &salt)) == CKR_OK)
			rv = check_salt_key(d, salt, p);
	if (rv != CKR_OK)
		return rv;
	d->inner = p->bExtract && !p->bExpand;
	return d->row->variant == HKDF_DATA ? plan_data(d) : derive_secret(&d->keys[0]);
}

static CK_RV
extract(const struct derivation *d, const CK_HKDF_PARAMS *p, const struct hash *h, uint8_t *prk)
{
	const uint8_t *base, *salt = NULL;
	struct key *salt_key;
	struct prf f = {0};
	size_t base_len, salt_len = 0;
	CK_RV rv = derive_base(d, &base, &base_len);

	if (rv == CKR_OK && p->ulSaltType == CKF_HKDF_SALT_KEY &&
		(rv = key_get(d->others[0], &salt_key)) == CKR_OK) {
		salt = salt_key->value;
		salt_len = salt_key->len;
	} else if (p->ulSaltType == CKF_HKDF_SALT_DATA) {
		salt = p->pSalt;
		salt_len = p->ulSaltLen;
	}
	/* no salt is one of zeros, as long as the hash: HMAC pads an empty key to the same */
	if (rv == CKR_OK && (rv = prf_hmac(&f, h, salt, salt_len)) == CKR_OK) {
		prf_add(&f, base, base_len);
		rv = prf_end(&f, prk);
	}
	prf_free(&f);
	return rv;
}

static CK_RV
expand(const struct hash *h, const uint8_t *prk, size_t prk_len, const CK_HKDF_PARAMS *p, uint8_t *out, size_t len)
{
	uint8_t block[PRF_MAX], i = 0;
	struct prf f = {0};
	size_t n;
	CK_RV rv = prf_hmac(&f, h, prk, prk_len);

	for (; rv == CKR_OK && len > 0; out += n, len -= n) {
		if (i++ > 0)
			prf_add(&f, block, f.size);
		prf_add(&f, p->pInfo, p->ulInfoLen);
		prf_add(&f, &i, 1);
		rv = prf_end(&f, block);
		n = len < f.size ? len : f.size;
		if (rv == CKR_OK)
			memcpy(out, block, n);
	}
	prf_free(&f);
	wipe(block, sizeof(block));
	return rv;
}

/* Extraction alone gives as many bytes as the hash has, and nothing else may be asked for. */
static CK_RV
output_length(const struct derivation *d, const CK_HKDF_PARAMS *p, const struct hash *h, size_t *len)
{
	const struct derived *key = &d->keys[0];
	size_t most = p->bExpand ? BLOCKS_MAX * h->size : h->size;
	CK_RV rv = CKR_OK;

	if (d->row->variant == HKDF_DATA)
		*len = key->len != 0 || p->bExpand ? key->len : h->size;
	else if (p->bExpand && !attrs_has(&key->set, CKA_VALUE_LEN))
		rv = derive_length(key, SECRET_MAX, len); /* the type's, or missing */
	else
		rv = derive_length(key, most, len);
	if (rv == CKR_OK && *len == 0)
		return why(CKR_TEMPLATE_INCOMPLETE, "CKA_VALUE_LEN is missing");
	if (rv == CKR_OK && (*len > most || (!p->bExpand && *len != most)))
		return why(CKR_ATTRIBUTE_VALUE_INVALID, "HKDF does not give %zu bytes here", *len);
	return rv;
}

static CK_RV
hkdf_derive(struct derivation *d)
{
	const CK_HKDF_PARAMS *p = d->mech->pParameter;
	const struct hash *h = hash_of_digest(p->prfHashMechanism);
	uint8_t extracted[PRF_MAX];
	const uint8_t *prk = extracted;
	struct bytes out = {0};
	size_t prk_len = h->size, len = 0;
	CK_RV rv;

	rv = p->bExtract ? extract(d, p, h, extracted) : derive_base(d, &prk, &prk_len);
	if (rv == CKR_OK)
		rv = output_length(d, p, h, &len);
	if (rv == CKR_OK)
		rv = bytes_reserve(&out, len);
	if (rv == CKR_OK && p->bExpand)
		rv = expand(h, prk, prk_len, p, out.data, len);
	else if (rv == CKR_OK)
		memcpy(out.data, prk, len);
	if (rv == CKR_OK)
		rv = d->row->variant == HKDF_DATA ? attrs_set(&d->keys[0].set, CKA_VALUE, out.data, len) :
			derive_put(&d->keys[0], out.data, len);
	bytes_free(&out);
	wipe(extracted, sizeof(extracted));
	return rv;
}

static const struct mech_family family_hkdf = {.plan = hkdf_plan, .derive = hkdf_derive};

static const struct mech rows[] = {
	{CKM_HKDF_DERIVE, CKF_DERIVE, 1, SECRET_MAX, KEYS2(CKK_HKDF, CKK_GENERIC_SECRET), NULL, HKDF_KEY, &family_hkdf},
	{CKM_HKDF_DATA, CKF_DERIVE, 1, SECRET_MAX, KEYS2(CKK_HKDF, CKK_GENERIC_SECRET), NULL, HKDF_DATA, &family_hkdf},
};
const struct mech_rows mech_hkdf_rows = {MECH_ROWS(rows)};
