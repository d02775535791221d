/*
 * Keys put together and cut from other keys (PKCS#11 3.1 6.43): concatenation, exclusive or, extraction
 *
 * A key of a few unknown bits can be made of any other this way, so these are for tokens with the compat policy.
 */
#include <string.h>

#include "mech_family.h"
#include "mech_variant.h"
#include "why.h"

/* PKCS#11 3.1 6.43.3 to 6.43.7: the new key is as sensitive and as little extractable as what it is made of,
 * whatever the policy. */
static CK_RV
bind(struct derived *key, const struct object *o)
{
	CK_RV rv = CKR_OK;

	if (attrs_bool(&o->attrs, CKA_SENSITIVE, true))
		rv = attrs_set_bool(&key->implied, CKA_SENSITIVE, true);
	if (rv == CKR_OK && !attrs_bool(&o->attrs, CKA_EXTRACTABLE, false))
		rv = attrs_set_bool(&key->implied, CKA_EXTRACTABLE, false);
	return rv;
}

static CK_RV
concat_plan(struct derivation *d)
{
	const CK_OBJECT_HANDLE *h = mech_param(d->mech, sizeof(*h));
	struct derived *key = &d->keys[0];
	struct object *other;
	CK_RV rv = derive_secret(key);

	if (rv == CKR_OK)
		rv = bind(key, d->base);
	if (rv != CKR_OK || d->row->variant != CONCAT_KEY)
		return rv;
	if (h == NULL)
		return mech_bad_param("the handle of the other key is missing");
	if ((rv = derive_from(d, *h, &other)) == CKR_OK)
		rv = bind(key, other);
	return rv;
}

/* Adds value and data, or data and value, or the value of the other key. */
static CK_RV
join(const struct derivation *d, const uint8_t *base, size_t base_len, struct bytes *b)
{
	const CK_KEY_DERIVATION_STRING_DATA *s = mech_param(d->mech, sizeof(*s));
	struct key *other;
	CK_RV rv;

	if (d->row->variant == CONCAT_KEY) {
		if ((rv = key_get(d->others[0], &other)) == CKR_OK && (rv = bytes_add(b, base, base_len)) == CKR_OK)
			rv = bytes_add(b, other->value, other->len);
		return rv;
	}
	if (s == NULL || (s->pData == NULL && s->ulLen > 0))
		return mech_bad_param("CK_KEY_DERIVATION_STRING_DATA is missing");
	if (d->row->variant == XOR_DATA) {
		rv = bytes_add(b, base, base_len < s->ulLen ? base_len : s->ulLen);
		for (size_t i = 0; rv == CKR_OK && i < b->len; i++)
			b->data[i] ^= s->pData[i];
		return rv;
	}
	rv = d->row->variant == CONCAT_AFTER ? bytes_add(b, base, base_len) : bytes_add(b, s->pData, s->ulLen);
	if (rv == CKR_OK)
		rv = d->row->variant == CONCAT_AFTER ? bytes_add(b, s->pData, s->ulLen) : bytes_add(b, base, base_len);
	return rv;
}

/* Bits from the position on, around the end of the base key if need be. */
static CK_RV
extract(struct derivation *d, const uint8_t *base, size_t base_len)
{
	const CK_ULONG *p = mech_param(d->mech, sizeof(*p));
	struct bytes b = {0};
	size_t len, bits = 8 * base_len, at;
	CK_RV rv;

	if (p == NULL || *p >= bits)
		return mech_bad_param("not a bit of the base key");
	if (!attrs_has(&d->keys[0].set, CKA_VALUE_LEN) &&
		secret_length_of(attrs_ulong(&d->keys[0].set, CKA_KEY_TYPE, CKK_GENERIC_SECRET)) == 0)
		return why(CKR_TEMPLATE_INCOMPLETE, "CKA_VALUE_LEN is missing");
	if ((rv = derive_length(&d->keys[0], base_len, &len)) != CKR_OK || (rv = bytes_reserve(&b, len)) != CKR_OK)
		return rv;
	for (size_t i = 0; i < 8 * len; i++) {
		at = (*p + i) % bits;
		b.data[i / 8] = (uint8_t)(b.data[i / 8] << 1 | (base[at / 8] >> (7 - at % 8) & 1));
	}
	rv = derive_put(&d->keys[0], b.data, len);
	bytes_free(&b);
	return rv;
}

static CK_RV
concat_derive(struct derivation *d)
{
	const uint8_t *base;
	struct bytes b = {0};
	size_t base_len, len;
	CK_RV rv = derive_base(d, &base, &base_len);

	if (rv != CKR_OK)
		return rv;
	if (d->row->variant == EXTRACT_BITS)
		return extract(d, base, base_len);
	if ((rv = join(d, base, base_len, &b)) == CKR_OK && (rv = derive_length(&d->keys[0], b.len, &len)) == CKR_OK)
		rv = derive_put(&d->keys[0], b.data, len);
	bytes_free(&b);
	return rv;
}

static const struct mech_family family_concat = {.plan = concat_plan, .derive = concat_derive};

#define CONCAT(type, variant) {type, CKF_DERIVE, 1, SECRET_MAX, NO_KEYS, NULL, variant, &family_concat, MECH_COMPAT}
static const struct mech rows[] = {
	CONCAT(CKM_CONCATENATE_BASE_AND_KEY, CONCAT_KEY),
	CONCAT(CKM_CONCATENATE_BASE_AND_DATA, CONCAT_AFTER),
	CONCAT(CKM_CONCATENATE_DATA_AND_BASE, CONCAT_BEFORE),
	CONCAT(CKM_XOR_BASE_AND_DATA, XOR_DATA),
	CONCAT(CKM_EXTRACT_KEY_FROM_KEY, EXTRACT_BITS),
};
const struct mech_rows mech_concat_rows = {MECH_ROWS(rows)};
