/* The public half of a private key as an object (PKCS#11 3.1 6.43.8): CKM_PUB_KEY_FROM_PRIV_KEY */
#include "mech_family.h"
#include "secret.h"
#include "why.h"

/* What the public key may do, by what the private key may. */
static CK_RV
mirror_usage(struct derived *key, const struct object *base)
{
	static const CK_ATTRIBUTE_TYPE usages[][2] = {
		{CKA_ENCRYPT, CKA_DECRYPT},
		{CKA_VERIFY, CKA_SIGN},
		{CKA_VERIFY_RECOVER, CKA_SIGN_RECOVER},
		{CKA_WRAP, CKA_UNWRAP},
		{CKA_DERIVE, CKA_DERIVE},
	};
	CK_RV rv = CKR_OK;

	for (size_t i = 0; rv == CKR_OK && i < sizeof(usages) / sizeof(usages[0]); i++)
		rv = attrs_set_bool(&key->defaults, usages[i][0], attrs_bool(&base->attrs, usages[i][1], false));
	return rv;
}

static CK_RV
public_plan(struct derivation *d)
{
	static const CK_ATTRIBUTE_TYPE copied[] = {CKA_ID, CKA_SUBJECT, CKA_START_DATE, CKA_END_DATE,
		CKA_ALLOWED_MECHANISMS};
	struct derived *key = &d->keys[0];
	CK_RV rv;

	if (!mech_no_param(d->mech))
		return mech_bad_param("the mechanism takes none");
	if (object_class(d->base) != CKO_PRIVATE_KEY)
		return why(CKR_KEY_TYPE_INCONSISTENT, "the base of this derivation is a private key");
	rv = attrs_set_ulong(&key->implied, CKA_CLASS, CKO_PUBLIC_KEY);
	if (rv == CKR_OK)
		rv = attrs_set_ulong(&key->implied, CKA_KEY_TYPE, object_key_type(d->base));
	if (rv == CKR_OK)
		rv = derive_inherit(key, d->base, copied, sizeof(copied) / sizeof(copied[0]));
	return rv == CKR_OK ? mirror_usage(key, d->base) : rv;
}

static CK_RV
public_derive(struct derivation *d)
{
	uint8_t *der = NULL;
	size_t len;
	CK_RV rv = key_to_spki(d->base, &der, &len);

	if (rv == CKR_OK)
		rv = key_from_spki(der, len, &d->keys[0].set);
	else if (rv != CKR_HOST_MEMORY)
		rv = why(CKR_KEY_TYPE_INCONSISTENT, "the private key does not tell its public half");
	secret_free(der);
	return rv;
}

static const struct mech_family family_public = {.bits = true, .plan = public_plan, .derive = public_derive};

static const struct mech rows[] = {
	{CKM_PUB_KEY_FROM_PRIV_KEY, CKF_DERIVE, 0, 16384, NO_KEYS, NULL, 0, &family_public},
};
const struct mech_rows mech_public_rows = {MECH_ROWS(rows)};
