/* make_wrap.c - C_WrapKey and C_UnwrapKey: rules, mechanism and commit in one */
#include "make_inner.h"
#include "why.h"

/* An attacker who sees why a blob was refused learns about what is in it: every reason that
 * can lie in the unwrapped value is one code. */
static CK_RV
unwrap_failure(CK_RV rv)
{
	switch (rv) {
	case CKR_OK:
	case CKR_HOST_MEMORY:
	case CKR_FUNCTION_CANCELED:
	case CKR_GENERAL_ERROR:
	case CKR_MECHANISM_INVALID:
	case CKR_MECHANISM_PARAM_INVALID:
		return rv;
	default:
		return why(CKR_WRAPPED_KEY_INVALID, "not a key wrapped under this one");
	}
}

CK_RV
make_unwrap(const struct maker *m, const CK_MECHANISM *mech, struct object *unwrapping,
	const uint8_t *in, size_t in_len, const struct attrs *templ, struct object **o)
{
	struct attrs a = {0};
	CK_RV rv;

	/* What it says of the padding helps to guess what is wrapped, sensitive keys too. A key that decrypts
	 * as well has none of those under it, and C_Decrypt tells more (mech_rsa_reject.c is how little that is): there
	 * the clients that know no other wrapping (PyKCS11, pkcs11-tool) may go on. */
	if (mech->mechanism == CKM_RSA_PKCS && !m->who.compat &&
		!attrs_bool(&unwrapping->attrs, CKA_DECRYPT, false))
		return why(CKR_MECHANISM_INVALID, "PKCS#1 v1.5 unwrapping is for keys that decrypt as well, "
			"or tokens with the compat policy");
	rv = rules_use(unwrapping, mech->mechanism, CKF_UNWRAP);
	if (rv == CKR_KEY_TYPE_INCONSISTENT)
		rv = CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT;
	if (rv == CKR_OK)
		rv = make_heir(&a, m, unwrapping, templ, NULL, HOW_UNWRAP);
	if (rv == CKR_OK)
		rv = unwrap_failure(mech_unwrap(mech, unwrapping, in, in_len, &a));
	if (rv == CKR_OK)
		rv = unwrap_failure(rules_finish(&a, HOW_UNWRAP, NULL, unwrapping));
	if (rv == CKR_OK)
		rv = make_settle(m, &a, o);
	attrs_free(&a);
	return rv;
}

/* The rules come first, so that a key that must not leave refuses the length query too. */
CK_RV
make_wrap(const struct maker *m, const CK_MECHANISM *mech, struct object *wrapping,
	struct object *target, uint8_t *out, CK_ULONG *out_len)
{
	CK_RV rv;

	rv = rules_use(wrapping, mech->mechanism, CKF_WRAP);
	if (rv == CKR_KEY_TYPE_INCONSISTENT)
		return CKR_WRAPPING_KEY_TYPE_INCONSISTENT;
	if (rv == CKR_OK)
		rv = rules_wrap(wrapping, target, mech->mechanism, m->who.compat);
	if (rv == CKR_OK)
		rv = mech_wrap(mech, wrapping, target, out, out_len);
	return rv;
}
