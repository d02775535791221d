/*
 * make_encap.c - C_EncapsulateKey and C_DecapsulateKey (PKCS#11 3.2): rules, mechanism and commit in one
 *
 * The secret belongs to both ends, so it is as readable as the template says (3.2: extractable unless told
 * otherwise), under the strict policy too: it tells nothing of the private key, as with ECDH. What would tell is a
 * ciphertext that is a wrapped key: decapsulated, a sensitive key would come out readable. So a key that may ever
 * decapsulate is none that sensitive keys are wrapped under: CKA_DECAPSULATE counts among its roles (policy.c).
 */
#include "make_inner.h"
#include "why.h"

/* Why a ciphertext was refused would tell of what is in it. */
static CK_RV
decapsulate_failure(CK_RV rv)
{
	switch (rv) {
	case CKR_OK:
	case CKR_HOST_MEMORY:
	case CKR_GENERAL_ERROR:
	case CKR_FUNCTION_CANCELED:
	case CKR_MECHANISM_INVALID:
	case CKR_MECHANISM_PARAM_INVALID:
	case CKR_TEMPLATE_INCOMPLETE:
	case CKR_WRAPPED_KEY_LEN_RANGE:
		return rv;
	case CKR_ENCRYPTED_DATA_LEN_RANGE:
		return CKR_WRAPPED_KEY_LEN_RANGE;
	default:
		return why(CKR_WRAPPED_KEY_INVALID, "no key comes out of this ciphertext");
	}
}

/* The template as the key completes it, and the set that grows from it. */
static CK_RV
begin(struct attrs *a, const struct maker *m, const struct object *by, enum rules_how how, const struct attrs *templ)
{
	struct attrs full = {0}, forced = {0}, implied = {0};
	CK_RV rv = rules_heritage(&forced, by, how, m->who.compat);

	if (rv == CKR_OK)
		rv = attrs_copy(&full, templ);
	if (rv == CKR_OK && (rv = rules_merge(&full, &forced)) == CKR_TEMPLATE_INCONSISTENT && how == HOW_ENCAPSULATE)
		rv = CKR_KEY_HANDLE_INVALID; /* 3.2 C_EncapsulateKey */
	if (rv == CKR_OK && !attrs_has(&full, CKA_EXTRACTABLE))
		rv = attrs_set_bool(&full, CKA_EXTRACTABLE, true);
	if (rv == CKR_OK)
		rv = attrs_set_ulong(&implied, CKA_CLASS, CKO_SECRET_KEY);
	if (rv == CKR_OK && !attrs_has(&full, CKA_KEY_TYPE))
		rv = attrs_set_ulong(&implied, CKA_KEY_TYPE, CKK_GENERIC_SECRET);
	if (rv == CKR_OK)
		rv = rules_begin(a, &full, &implied, how, &m->who);
	attrs_free(&full);
	attrs_free(&forced);
	attrs_free(&implied);
	return rv;
}

/* As for C_UnwrapKey, PKCS #1 v1.5 is for tokens with the compat policy: how its message fits the template tells of
 * the padding. */
static CK_RV
allowed(const struct maker *m, const CK_MECHANISM *mech, const struct object *by, CK_FLAGS flag)
{
	CK_RV rv = make_allowed(m, mech, by);

	if (rv == CKR_OK && mech->mechanism == CKM_RSA_PKCS && !m->who.compat)
		rv = why(CKR_MECHANISM_INVALID, "PKCS#1 v1.5 encapsulates on tokens with the compat policy only");
	return rv == CKR_OK ? rules_use(by, mech->mechanism, flag) : rv;
}

CK_RV
make_encapsulate(const struct maker *m, const CK_MECHANISM *mech, struct object *pub, const struct attrs *templ,
	uint8_t *out, CK_ULONG *out_len, struct object **o)
{
	struct attrs a = {0};
	size_t len = *out_len;
	CK_RV rv;

	rv = allowed(m, mech, pub, CKF_ENCAPSULATE);
	if (rv == CKR_OK && out != NULL)
		rv = begin(&a, m, pub, HOW_ENCAPSULATE, templ);
	if (rv == CKR_OK)
		rv = mech_encapsulate(mech, pub, out, &len, &a);
	if (rv == CKR_OK || rv == CKR_BUFFER_TOO_SMALL)
		*out_len = len;
	if (rv == CKR_OK && out != NULL && (rv = rules_finish(&a, HOW_ENCAPSULATE, NULL, NULL)) == CKR_OK)
		rv = make_settle(m, &a, o);
	attrs_free(&a);
	return rv;
}

CK_RV
make_decapsulate(const struct maker *m, const CK_MECHANISM *mech, struct object *priv, const uint8_t *in, size_t in_len,
	const struct attrs *templ, struct object **o)
{
	struct attrs a = {0};
	CK_RV rv;

	rv = allowed(m, mech, priv, CKF_DECAPSULATE);
	if (rv == CKR_KEY_TYPE_INCONSISTENT)
		rv = CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT;
	if (rv == CKR_OK)
		rv = begin(&a, m, priv, HOW_DECAPSULATE, templ);
	if (rv == CKR_OK)
		rv = decapsulate_failure(mech_decapsulate(mech, priv, in, in_len, &a));
	if (rv == CKR_OK)
		rv = decapsulate_failure(rules_finish(&a, HOW_DECAPSULATE, NULL, NULL));
	if (rv == CKR_OK && !m->who.compat && make_hidden_by(priv, CKA_DECAPSULATE_TEMPLATE, &a))
		rv = make_strong(&a);
	if (rv == CKR_OK)
		rv = make_ledger(m, &a, HOW_DECAPSULATE);
	if (rv == CKR_OK)
		rv = make_settle(m, &a, o);
	attrs_free(&a);
	return rv;
}
