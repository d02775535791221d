/* make_derive.c - keys out of keys: what a key inherits, and C_DeriveKey */
#include "make_inner.h"
#include "why.h"

/* What the policy makes sensitive is so whatever the template says: pkcs11-tool --unwrap gives
 * CKA_SENSITIVE = false unless it is told otherwise, and a sensitive key is what it may have. Only
 * the parent key's own CKA_UNWRAP_TEMPLATE is a word that a template must not contradict. */
static CK_RV
overrule(struct attrs *full, const struct object *parent, const struct attrs *forced)
{
	const struct attr *templ = attrs_get(&parent->attrs, CKA_UNWRAP_TEMPLATE);

	if (!attrs_bool(forced, CKA_SENSITIVE, false))
		return CKR_OK;
	if (templ != NULL && templ->sub != NULL && attrs_has(templ->sub, CKA_SENSITIVE))
		return CKR_OK;
	return attrs_set_bool(full, CKA_SENSITIVE, true);
}

CK_RV
make_heir(struct attrs *a, const struct maker *m, const struct object *parent,
	const struct attrs *templ, const struct attrs *implied, enum rules_how how)
{
	struct attrs full = {0}, forced = {0};
	CK_RV rv;

	rv = rules_heritage(&forced, parent, how, m->who.compat);
	if (rv == CKR_OK)
		rv = attrs_copy(&full, templ);
	if (rv == CKR_OK && how == HOW_UNWRAP)
		rv = overrule(&full, parent, &forced);
	if (rv == CKR_OK)
		rv = rules_merge(&full, &forced);
	if (rv == CKR_OK)
		rv = rules_begin(a, &full, implied, how, &m->who);
	attrs_free(&full);
	attrs_free(&forced);
	return rv;
}

/* PKCS#11 3.1 5.18.5 and the mechanisms' sections: a derived key is a secret key, a generic one if
 * the template does not say. */
static CK_RV
derive_implies(struct attrs *implied, const struct attrs *templ)
{
	CK_RV rv = attrs_set_ulong(implied, CKA_CLASS, CKO_SECRET_KEY);

	if (rv == CKR_OK && !attrs_has(templ, CKA_KEY_TYPE))
		rv = attrs_set_ulong(implied, CKA_KEY_TYPE, CKK_GENERIC_SECRET);
	return rv;
}

CK_RV
make_derive(const struct maker *m, const CK_MECHANISM *mech, struct object *base,
	const struct attrs *templ, struct object **o)
{
	struct attrs implied = {0}, a = {0};
	CK_RV rv;

	rv = rules_use(base, mech->mechanism, CKF_DERIVE);
	if (rv == CKR_OK)
		rv = derive_implies(&implied, templ);
	if (rv == CKR_OK)
		rv = make_heir(&a, m, base, templ, &implied, HOW_DERIVE);
	if (rv == CKR_OK)
		rv = mech_derive(mech, base, &a);
	if (rv == CKR_OK)
		rv = rules_finish(&a, HOW_DERIVE, NULL, base);
	if (rv == CKR_OK)
		rv = make_settle(m, &a, o);
	attrs_free(&implied);
	attrs_free(&a);
	return rv;
}
