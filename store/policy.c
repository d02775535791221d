/* policy.c - what a key may be used for, and under which key another may leave */
#include <string.h>
#include <time.h>

#include "mech.h"
#include "rules_table.h"
#include "why.h"

/* ---- use ---- */

#define USE_PUBLIC (CKF_ENCRYPT | CKF_VERIFY | CKF_VERIFY_RECOVER | CKF_WRAP)
#define USE_PRIVATE (CKF_DECRYPT | CKF_SIGN | CKF_SIGN_RECOVER | CKF_UNWRAP | CKF_DERIVE)
#define USE_SECRET                                                                            \
	(CKF_ENCRYPT | CKF_DECRYPT | CKF_SIGN | CKF_VERIFY | CKF_WRAP | CKF_UNWRAP | CKF_DERIVE)

static bool
class_can(CK_OBJECT_CLASS class, CK_FLAGS flag)
{
	switch (class) {
	case CKO_PUBLIC_KEY:
		return (flag & USE_PUBLIC) != 0;
	case CKO_PRIVATE_KEY:
		return (flag & USE_PRIVATE) != 0;
	case CKO_SECRET_KEY:
		return (flag & USE_SECRET) != 0;
	default:
		return false;
	}
}

static bool
type_fits(const struct mech *row, CK_KEY_TYPE type)
{
	size_t i;

	for (i = 0; i < sizeof(row->keys) / sizeof(row->keys[0]); i++)
		if (row->keys[i] == type && type != CK_UNAVAILABLE_INFORMATION)
			return true;
	return false;
}

static bool
mechanism_allowed(const struct object *key, CK_MECHANISM_TYPE mech)
{
	const struct attr *list = attrs_get(&key->attrs, CKA_ALLOWED_MECHANISMS);
	CK_MECHANISM_TYPE one;
	size_t at;

	if (list == NULL)
		return true;
	for (at = 0; at + sizeof(one) <= list->len; at += sizeof(one)) {
		memcpy(&one, list->value + at, sizeof(one));
		if (one == mech)
			return true;
	}
	return false;
}

/* CKA_START_DATE and CKA_END_DATE are days in UTC, both included. */
static bool
in_its_time(const struct object *key)
{
	const struct attr *start = attrs_get(&key->attrs, CKA_START_DATE);
	const struct attr *end = attrs_get(&key->attrs, CKA_END_DATE);
	bool has_start = start != NULL && start->len == 8;
	bool has_end = end != NULL && end->len == 8;
	char today[9];
	time_t now;
	struct tm tm;

	if (!has_start && !has_end)
		return true;
	now = time(NULL);
	if (gmtime_r(&now, &tm) == NULL || strftime(today, sizeof(today), "%Y%m%d", &tm) != 8)
		return false;
	return (!has_start || memcmp(start->value, today, 8) <= 0) &&
		(!has_end || memcmp(today, end->value, 8) <= 0);
}

CK_RV
rules_use(const struct object *key, CK_MECHANISM_TYPE mech, CK_FLAGS flag)
{
	const struct mech *row = mech_find(mech);

	if (row == NULL || !(row->flags & flag))
		return why(CKR_MECHANISM_INVALID, "mechanism 0x%lx does not do this",
			(unsigned long)mech);
	if (!class_can(object_class(key), flag) || !type_fits(row, object_key_type(key)))
		return why(CKR_KEY_TYPE_INCONSISTENT, "mechanism 0x%lx wants another kind of key",
			(unsigned long)mech);
	if (!attrs_bool(&key->attrs, rule_usage(flag), false))
		return why(CKR_KEY_FUNCTION_NOT_PERMITTED, "the key's usage does not include this");
	if (!mechanism_allowed(key, mech))
		return why(CKR_MECHANISM_INVALID, "not among the key's CKA_ALLOWED_MECHANISMS");
	if (!in_its_time(key))
		return why(CKR_KEY_FUNCTION_NOT_PERMITTED,
			"today is not between CKA_START_DATE and CKA_END_DATE");
	return CKR_OK;
}

/* ---- wrapping ---- */

/* Authenticated, and deterministic or with a nonce of the token's own. AES-GCM is not here: its
 * nonce is the caller's, and one nonce for a known key and a sensitive one gives the latter away. */
static const CK_MECHANISM_TYPE wraps_sensitive[] = {
	CKM_AES_KEY_WRAP,
	CKM_AES_KEY_WRAP_PAD,
	CKM_AES_KEY_WRAP_KWP,
	CKM_RSA_PKCS_OAEP,
};

static bool
mechanism_wraps_sensitive(CK_MECHANISM_TYPE mech)
{
	size_t i;

	for (i = 0; i < sizeof(wraps_sensitive) / sizeof(wraps_sensitive[0]); i++)
		if (wraps_sensitive[i] == mech)
			return true;
	return false;
}

/* A key whose wrapped blobs no call but C_UnwrapKey can open: made here, so that nobody outside has it,
 * and never able to do anything but wrap and unwrap. What a public key can do with everybody's
 * knowledge does not matter; its private half's roles do, and rules_pair noted them. */
static bool
only_wraps(const struct object *key)
{
	CK_ULONG roles = attrs_ulong(&key->attrs, TKA_ROLES, ~0UL);

	if (object_class(key) != CKO_SECRET_KEY)
		roles &= USE_PRIVATE;
	return (roles & ~(CK_ULONG)(CKF_WRAP | CKF_UNWRAP)) == 0;
}

static bool
made_here(const struct object *key)
{
	return attrs_ulong(&key->attrs, TKA_ORIGIN, 0) == ORIGIN_GENERATED;
}

/* Could sensitive keys have been wrapped for this key under the strict policy? */
static bool
keeps_sensitive(const struct object *key)
{
	return (made_here(key) || attrs_bool(&key->attrs, CKA_TRUSTED, false)) && only_wraps(key);
}

/* Security strength in bits (NIST SP 800-57 part 1, table 2); RSA by the length of its modulus, curves by
 * half the length of a private key, symmetric keys by their length. 256 is as much as counts. */
static unsigned
strength(const struct object *key)
{
	const struct attr *n = attrs_get(&key->attrs, CKA_MODULUS);
	const struct attr *v = attrs_get(&key->attrs, CKA_VALUE);
	size_t bits;

	if (object_key_type(key) == CKK_RSA) {
		bits = n != NULL ? n->len * 8 : 0;
		return bits < 2048 ? 80 : bits < 3072 ? 112 : bits < 7680 ? 128 : bits < 15360 ? 192 : 256;
	}
	bits = v != NULL ? v->len * 8 : 0;
	if (object_class(key) == CKO_PRIVATE_KEY)
		bits /= 2;
	return bits < 256 ? (unsigned)bits : 256;
}

/* RSA of 2048 bits wraps AES of 256 bits wherever keys are exchanged: refusing that would break clients
 * and stop no attack of today. Only what is below 112 bits is refused with RSA. */
static bool
strong_enough(const struct object *wrapping, const struct object *target)
{
	unsigned have = strength(wrapping);

	if (object_key_type(wrapping) == CKK_RSA)
		return have >= 112;
	return have >= strength(target);
}

static CK_RV
wrap_sensitive(const struct object *wrapping, const struct object *target, CK_MECHANISM_TYPE mech)
{
	if (!mechanism_wraps_sensitive(mech))
		return why(CKR_KEY_NOT_WRAPPABLE,
			"a sensitive key leaves by AES key wrap or RSA-OAEP only (strict policy)");
	if (!keeps_sensitive(wrapping))
		return why(CKR_KEY_NOT_WRAPPABLE,
			"a sensitive key needs a wrapping key that was made here or is trusted "
			"and that never had another use than wrapping (strict policy)");
	if (!strong_enough(wrapping, target))
		return why(CKR_KEY_NOT_WRAPPABLE, "the wrapping key is weaker (strict policy)");
	return CKR_OK;
}

CK_RV
rules_wrap(const struct object *wrapping, const struct object *target, CK_MECHANISM_TYPE mech,
	bool compat)
{
	const struct attr *templ = attrs_get(&wrapping->attrs, CKA_WRAP_TEMPLATE);
	CK_OBJECT_CLASS class = object_class(target);

	if (class != CKO_SECRET_KEY && class != CKO_PRIVATE_KEY)
		return why(CKR_KEY_NOT_WRAPPABLE, "only secret and private keys are wrapped");
	if (!attrs_bool(&target->attrs, CKA_EXTRACTABLE, false))
		return why(CKR_KEY_UNEXTRACTABLE, "CKA_EXTRACTABLE is false");
	if (attrs_bool(&target->attrs, CKA_WRAP_WITH_TRUSTED, false) &&
		!attrs_bool(&wrapping->attrs, CKA_TRUSTED, false))
		return why(CKR_KEY_NOT_WRAPPABLE, "CKA_WRAP_WITH_TRUSTED, and the wrapping key is not");
	if (templ != NULL && templ->sub != NULL && !object_matches(target, templ->sub))
		return why(CKR_KEY_HANDLE_INVALID, "not what the CKA_WRAP_TEMPLATE asks for");
	if (!compat && attrs_bool(&target->attrs, CKA_SENSITIVE, true))
		return wrap_sensitive(wrapping, target, mech);
	return CKR_OK;
}

/* ---- heritage ---- */

/* Under the strict policy:
 * - what comes out of a key that sensitive keys may have been wrapped under may be such a key again
 *   and so becomes sensitive. A key that can also decrypt cannot have wrapped one: what it
 *   unwraps is free, as the clients that use one AES key for everything expect.
 * - what is derived from a sensitive secret key is sensitive, and stays here if the base does.
 *   Key agreement is left out: the shared secret tells nothing of the private key, and TLS
 *   clients (SunPKCS11, OpenSSL's providers) must read it. */
static CK_RV
policy_heritage(struct attrs *forced, const struct object *parent, enum rules_how how)
{
	CK_RV rv = CKR_OK;

	if (how == HOW_UNWRAP && keeps_sensitive(parent))
		return attrs_set_bool(forced, CKA_SENSITIVE, true);
	if (how != HOW_DERIVE || object_class(parent) != CKO_SECRET_KEY)
		return CKR_OK;
	if (attrs_bool(&parent->attrs, CKA_SENSITIVE, true))
		rv = attrs_set_bool(forced, CKA_SENSITIVE, true);
	if (rv == CKR_OK && !attrs_bool(&parent->attrs, CKA_EXTRACTABLE, false))
		rv = attrs_set_bool(forced, CKA_EXTRACTABLE, false);
	return rv;
}

CK_RV
rules_heritage(struct attrs *forced, const struct object *parent, enum rules_how how, bool compat)
{
	const struct attr *templ = attrs_get(&parent->attrs,
		how == HOW_UNWRAP ? CKA_UNWRAP_TEMPLATE : CKA_DERIVE_TEMPLATE);
	struct attrs a = {0};
	CK_RV rv = CKR_OK;

	if (!compat)
		rv = policy_heritage(&a, parent, how);
	if (rv == CKR_OK && templ != NULL && templ->sub != NULL)
		rv = rules_merge(&a, templ->sub);
	if (rv != CKR_OK)
		goto out;
	*forced = a;
	a = (struct attrs){0}; /* transferred */
out:
	attrs_free(&a);
	return rv;
}
