/* make_wrap.c - C_WrapKey, C_UnwrapKey and their authenticated forms: rules, mechanism and commit in one */
#include <string.h>

#include <openssl/crypto.h>

#include "make_inner.h"
#include "mech_family.h"
#include "secret.h"
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

/* What an authenticated call has over a plain one. */
struct additional {
	const uint8_t *data;
	size_t len;
};

/* What is wrapped by GCM or CCM under a key that sensitive ones may be wrapped under has a tag too long to guess: who
 * could guess one would cut wrapped keys short, and try out the short ones. */
static CK_RV
check_tag(const struct maker *m, const CK_MECHANISM *mech, const struct object *unwrapping, bool authenticated)
{
	struct wrap_nonce n;
	CK_RV rv = mech_wrap_nonce(mech, authenticated, &n);

	if (rv == CKR_OK && n.present && !n.long_tag && !m->who.compat && rules_seals(unwrapping))
		rv = why(CKR_MECHANISM_PARAM_INVALID, "the tag has 96 bits or more (strict policy)");
	return rv;
}

/* DES leaves out the parity bits, and DES2 has the strength of 80 bits. What is sensitive and comes back as such a key was one:
 * an AES key's bytes have no parity. */
static CK_RV
check_des(const struct maker *m, const struct attrs *a)
{
	const struct attr *v = attrs_get(a, CKA_VALUE);
	uint8_t right[16];
	CK_RV rv = CKR_OK;

	if (m->who.compat || attrs_ulong(a, CKA_KEY_TYPE, CKK_DES) != CKK_DES2 || v == NULL || v->len != sizeof(right) ||
		!attrs_bool(a, CKA_SENSITIVE, true))
		return CKR_OK;
	memcpy(right, v->value, sizeof(right));
	secret_set_parity(right, sizeof(right));
	if (CRYPTO_memcmp(right, v->value, sizeof(right)) != 0)
		rv = why(CKR_ATTRIBUTE_VALUE_INVALID, "not a DES key: its parity is wrong (strict policy)");
	wipe(right, sizeof(right));
	return rv;
}

/* more: NULL for C_UnwrapKey. */
static CK_RV
unwrap(const struct maker *m, const CK_MECHANISM *mech, struct object *unwrapping, const struct additional *more,
	const uint8_t *in, size_t in_len, const struct attrs *templ, struct object **o)
{
	struct attrs a = {0};
	CK_RV rv;

	rv = make_allowed(m, mech, unwrapping);
	if (rv == CKR_OK)
		rv = rules_use(unwrapping, mech->mechanism, CKF_UNWRAP);
	if (rv == CKR_KEY_TYPE_INCONSISTENT)
		rv = CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT;
	if (rv == CKR_OK)
		rv = check_tag(m, mech, unwrapping, more != NULL);
	if (rv == CKR_OK)
		rv = make_heir(&a, m, unwrapping, templ, NULL, HOW_UNWRAP);
	if (rv == CKR_OK)
		rv = unwrap_failure(more == NULL ? mech_unwrap(mech, unwrapping, in, in_len, &a) :
			mech_unwrap_authenticated(mech, unwrapping, more->data, more->len, in, in_len, &a));
	if (rv == CKR_OK)
		rv = unwrap_failure(rules_finish(&a, HOW_UNWRAP, NULL, unwrapping));
	if (rv == CKR_OK)
		rv = unwrap_failure(check_des(m, &a));
	if (rv == CKR_OK)
		rv = make_ledger(m, &a, HOW_UNWRAP);
	if (rv == CKR_OK)
		rv = make_settle(m, &a, o);
	attrs_free(&a);
	return rv;
}

/* Nothing but their padding says whether a blob is one: what C_UnwrapKey says of it tells, try by try, what is wrapped,
 * sensitive keys too. A key that decrypts as well has none of those under it, and C_Decrypt tells more (of
 * PKCS#1 v1.5 as little as mech_rsa_reject.c lets out): there the clients that know no other wrapping
 * (PyKCS11, pkcs11-tool) may go on. */
static bool
tells_of_padding(CK_MECHANISM_TYPE mech)
{
	static const CK_MECHANISM_TYPE those[] = {CKM_RSA_PKCS, CKM_AES_CBC_PAD, CKM_AES_CBC, CKM_DES3_CBC_PAD,
		CKM_DES3_CBC, CKM_DES_CBC_PAD, CKM_DES_CBC};

	for (size_t i = 0; i < sizeof(those) / sizeof(those[0]); i++)
		if (those[i] == mech)
			return true;
	return false;
}

CK_RV
make_unwrap(const struct maker *m, const CK_MECHANISM *mech, struct object *unwrapping,
	const uint8_t *in, size_t in_len, const struct attrs *templ, struct object **o)
{
	if (tells_of_padding(mech->mechanism) && !m->who.compat && !attrs_bool(&unwrapping->attrs, CKA_DECRYPT, false))
		return why(CKR_MECHANISM_INVALID, "unwrapping by PKCS#1 v1.5 or by CBC is for keys that decrypt as well, "
			"or tokens with the compat policy");
	return unwrap(m, mech, unwrapping, NULL, in, in_len, templ, o);
}

CK_RV
make_unwrap_authenticated(const struct maker *m, const CK_MECHANISM *mech, struct object *unwrapping,
	const uint8_t *aad, size_t aad_len, const uint8_t *in, size_t in_len, const struct attrs *templ,
	struct object **o)
{
	struct additional more = {aad, aad_len};

	return unwrap(m, mech, unwrapping, &more, in, in_len, templ, o);
}

/* The rules come first, so that a key that must not leave refuses the length query too. */
static CK_RV
may_wrap(const struct maker *m, const CK_MECHANISM *mech, struct object *wrapping, struct object *target,
	bool authenticated)
{
	struct wrap_nonce n;
	CK_RV rv;

	rv = make_allowed(m, mech, wrapping);
	if (rv == CKR_OK)
		rv = rules_use(wrapping, mech->mechanism, CKF_WRAP);
	if (rv == CKR_KEY_TYPE_INCONSISTENT)
		return CKR_WRAPPING_KEY_TYPE_INCONSISTENT;
	if (rv == CKR_OK)
		rv = mech_wrap_nonce(mech, authenticated, &n);
	if (rv != CKR_OK)
		return rv;
	return n.present ? rules_wrap_sealed(wrapping, target, n.own && n.long_tag, m->who.compat) :
		rules_wrap(wrapping, target, mech->mechanism, m->who.compat);
}

CK_RV
make_wrap(const struct maker *m, const CK_MECHANISM *mech, struct object *wrapping,
	struct object *target, uint8_t *out, CK_ULONG *out_len)
{
	CK_RV rv = may_wrap(m, mech, wrapping, target, false);

	return rv == CKR_OK ? mech_wrap(mech, wrapping, target, out, out_len) : rv;
}

CK_RV
make_wrap_authenticated(const struct maker *m, const CK_MECHANISM *mech, struct object *wrapping,
	struct object *target, const uint8_t *aad, size_t aad_len, uint8_t *out, CK_ULONG *out_len)
{
	CK_RV rv = may_wrap(m, mech, wrapping, target, true);

	return rv == CKR_OK ? mech_wrap_authenticated(mech, wrapping, target, aad, aad_len, out, out_len) : rv;
}
