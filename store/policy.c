/* policy.c - what a key may be used for, and under which key another may leave */
#include <string.h>
#include <time.h>

#include "mech.h"
#include "rules_table.h"
#include "why.h"

/* ---- use ---- */

#define USE_PUBLIC (CKF_ENCRYPT | CKF_VERIFY | CKF_VERIFY_RECOVER | CKF_WRAP | CKF_ENCAPSULATE)
#define USE_PRIVATE                                                                           \
	(CKF_DECRYPT | CKF_SIGN | CKF_SIGN_RECOVER | CKF_UNWRAP | CKF_DERIVE | CKF_DECAPSULATE)
#define USE_SECRET                                                                            \
	(CKF_ENCRYPT | CKF_DECRYPT | CKF_SIGN | CKF_VERIFY | CKF_WRAP | CKF_UNWRAP | CKF_DERIVE)
#define USE_OTP (CKF_SIGN | CKF_VERIFY)

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
	case CKO_OTP_KEY:
		return (flag & USE_OTP) != 0;
	default:
		return false;
	}
}

static bool
type_fits(const struct mech *row, CK_KEY_TYPE type)
{
	size_t i;

	if (row->keys[0] == CK_UNAVAILABLE_INFORMATION) /* any: the mechanism looks itself */
		return true;
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
rules_mechanism(CK_MECHANISM_TYPE mech, const struct object *key, bool compat)
{
	const struct mech *row = mech_find(mech);

	if (row != NULL && !mech_offered(row, compat))
		return why(CKR_MECHANISM_INVALID,
			"mechanism 0x%lx can give key bits away: it is for tokens with the compat policy",
			(unsigned long)mech);
	/* Raw RSA is one function: with it a key that signs opens what was encrypted to it, and one that decrypts
	 * signs. Padding that the caller claims to have put does not help. */
	if (mech == CKM_RSA_X_509 && !compat && key != NULL && object_class(key) == CKO_PRIVATE_KEY &&
		!(attrs_bool(&key->attrs, CKA_SIGN, false) && attrs_bool(&key->attrs, CKA_DECRYPT, false)))
		return why(CKR_KEY_FUNCTION_NOT_PERMITTED,
			"raw RSA both signs and decrypts: the key needs both usages (strict policy)");
	return CKR_OK; /* an unknown one is refused where it is looked for */
}

/* C_Verify says whether a guess is right. Of a MAC that is cut to one byte 256 guesses find it, and as many find each byte
 * behind it: a key that may only verify would sign. Eight bytes are more than anybody tries. */
#define MAC_GUESSED 8

CK_RV
rules_mac(const struct object *key, size_t len, bool compat)
{
	if (compat || len == 0 || len >= MAC_GUESSED || attrs_bool(&key->attrs, CKA_SIGN, false))
		return CKR_OK;
	return why(CKR_KEY_FUNCTION_NOT_PERMITTED,
		"a key that only verifies compares MACs of %d bytes or more (strict policy)", MAC_GUESSED);
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
	/* PKCS#11 3.1 6.43.8: every private key gives its public half, which is no secret */
	if (mech != CKM_PUB_KEY_FROM_PRIV_KEY && !attrs_bool(&key->attrs, rule_usage(flag), false))
		return why(CKR_KEY_FUNCTION_NOT_PERMITTED, "the key's usage does not include this");
	if (!mechanism_allowed(key, mech))
		return why(CKR_MECHANISM_INVALID, "not among the key's CKA_ALLOWED_MECHANISMS");
	if (!in_its_time(key))
		return why(CKR_KEY_FUNCTION_NOT_PERMITTED,
			"today is not between CKA_START_DATE and CKA_END_DATE");
	return CKR_OK;
}

/* ---- wrapping ---- */

/* Authenticated and deterministic, or random by themselves. AES-GCM and AES-CCM are not here: who makes their
 * nonce decides (rules_wrap_sealed). */
static const CK_MECHANISM_TYPE wraps_sensitive[] = {
	CKM_AES_KEY_WRAP,
	CKM_AES_KEY_WRAP_PAD,
	CKM_AES_KEY_WRAP_KWP,
	CKM_AES_KEY_WRAP_PKCS7,
	CKM_RSA_PKCS_OAEP,
	CKM_RSA_AES_KEY_WRAP,
	CKM_ECDH_AES_KEY_WRAP,
	CKM_ECDH_X_AES_KEY_WRAP,
	CKM_ECDH_COF_AES_KEY_WRAP,
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

#define USE_WRAP (CKF_WRAP | CKF_UNWRAP)

/* The usages that count against a key that wraps. What a public key can do with everybody's knowledge does
 * not; its private half's do, and rules_pair noted them. */
static CK_ULONG
other_uses(const struct attrs *a)
{
	CK_ULONG roles = attrs_ulong(a, TKA_ROLES, ~0UL);

	if (attrs_ulong(a, CKA_CLASS, CKO_SECRET_KEY) != CKO_SECRET_KEY)
		roles &= ~(CK_ULONG)USE_PUBLIC;
	return roles & ~(CK_ULONG)(USE_WRAP | ROLE_LEAVES | ROLE_TRUSTED | ROLE_WHOLE);
}

bool
rules_only_wraps(const struct attrs *a)
{
	return other_uses(a) == 0 && (attrs_ulong(a, TKA_ROLES, 0) & USE_WRAP) != 0;
}

static bool
made_here(const struct object *key)
{
	return attrs_ulong(&key->attrs, TKA_ORIGIN, 0) == ORIGIN_GENERATED;
}

/* Was its value always in here alone? A key that was extractable could be wrapped and unwrapped with another
 * usage, or read; then what it wraps is open. The public half knows it of the private one by rules_pair. */
static bool
never_left(const struct object *key)
{
	if (attrs_ulong(&key->attrs, TKA_ROLES, ~0UL) & ROLE_LEAVES)
		return false;
	return object_class(key) == CKO_PUBLIC_KEY || !made_here(key) ||
		attrs_bool(&key->attrs, CKA_NEVER_EXTRACTABLE, false);
}

/* Can the SO's word make it one that wraps? A derived secret key can be derived again when this one is gone, to decrypt. */
static bool
vouched_for(const struct object *key)
{
	return attrs_bool(&key->attrs, CKA_TRUSTED, false) &&
		(object_class(key) != CKO_SECRET_KEY || attrs_ulong(&key->attrs, TKA_ORIGIN, 0) != ORIGIN_DERIVED);
}

/* A key whose wrapped blobs no call but C_UnwrapKey can open: made here or vouched for by the SO, never able to
 * leave, and never able to do anything but wrap and unwrap. */
static bool
keeps_sensitive(const struct object *key)
{
	return (made_here(key) || vouched_for(key)) && other_uses(&key->attrs) == 0 && never_left(key);
}

/* Could sensitive keys have been wrapped for this key? Wider than keeps_sensitive: trust that was taken back
 * counts, and so does a key that they could only be wrapped under while the policy was another one. */
static bool
may_hold_sensitive(const struct object *key)
{
	return (made_here(key) || (attrs_ulong(&key->attrs, TKA_ROLES, 0) & ROLE_TRUSTED) != 0 ||
		attrs_bool(&key->attrs, CKA_TRUSTED, false)) && other_uses(&key->attrs) == 0;
}

/* Security strength in bits (NIST SP 800-57 part 1, table 2); RSA by the length of its modulus, curves by
 * half the length of a private key, symmetric keys by their length. 256 is as much as counts. */
static unsigned
strength(const struct object *key)
{
	const struct attr *n = attrs_get(&key->attrs, CKA_MODULUS);
	const struct attr *v = attrs_get(&key->attrs, CKA_VALUE);
	const struct attr *point = attrs_get(&key->attrs, CKA_EC_POINT);
	size_t bits;

	if (object_class(key) == CKO_PUBLIC_KEY && point != NULL) { /* one coordinate, or two */
		bits = point->len * (object_key_type(key) == CKK_EC ? 2 : 4);
		return bits < 256 ? (unsigned)bits : 256;
	}
	if (object_key_type(key) == CKK_RSA) {
		bits = n != NULL ? n->len * 8 : 0;
		return bits < 2048 ? 80 : bits < 3072 ? 112 : bits < 7680 ? 128 : bits < 15360 ? 192 : 256;
	}
	bits = v != NULL ? v->len * 8 : 0;
	switch (object_key_type(key)) {
	case CKK_DES3:
		return 112;
	case CKK_DES2:
		return 80;
	case CKK_DES:
		return 56;
	default:
		break;
	}
	if (object_class(key) == CKO_PRIVATE_KEY || object_key_type(key) == CKK_AES_XTS)
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

/* A secret key that derives and never signed at will: out and in again, when nobody remembers it, it could, and its MACs are
 * the values of what it derived. */
static bool
only_derives(const struct object *key)
{
	CK_ULONG roles = attrs_ulong(&key->attrs, TKA_ROLES, 0);

	return object_class(key) == CKO_SECRET_KEY && (roles & CKF_DERIVE) != 0 &&
		((roles & CKF_SIGN) == 0 || attrs_has(&key->attrs, CKA_ALLOWED_MECHANISMS));
}

static CK_RV
wrap_sensitive(const struct object *wrapping, const struct object *target, bool fit)
{
	if (!fit)
		return why(CKR_KEY_NOT_WRAPPABLE,
			"a sensitive key leaves by AES key wrap or RSA-OAEP, or by AES-GCM or AES-CCM with a nonce of the "
			"token's under a key that CKA_ALLOWED_MECHANISMS keeps for these two; by CKM_RSA_AES_KEY_WRAP for a pair "
			"whose private half's CKA_ALLOWED_MECHANISMS leaves out OAEP (strict policy)");
	if (!keeps_sensitive(wrapping))
		return why(CKR_KEY_NOT_WRAPPABLE,
			"a sensitive key needs a wrapping key that was made here or is trusted, "
			"that never had another use than wrapping and never was extractable (strict policy)");
	if (!strong_enough(wrapping, target))
		return why(CKR_KEY_NOT_WRAPPABLE, "the wrapping key is weaker (strict policy)");
	if (rules_easy_to_guess(&target->attrs))
		return why(CKR_KEY_NOT_WRAPPABLE, "a sensitive secret of less than 14 bytes stays: how it is received when it "
			"comes back tells whether it was guessed (strict policy)");
	if (only_derives(target))
		return why(CKR_KEY_NOT_WRAPPABLE, "a sensitive key that derives and does not sign stays: what it derives could be "
			"told by it when it comes back (strict policy)");
	return CKR_OK;
}

/* fit: the mechanism keeps a sensitive key secret. */
static CK_RV
judge_wrap(const struct object *wrapping, const struct object *target, bool fit, bool compat)
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
		return wrap_sensitive(wrapping, target, fit);
	return CKR_OK;
}

/* CKM_RSA_AES_KEY_WRAP puts a temporary key under OAEP in front of what it wraps. A private half that unwraps by OAEP alone
 * would make an object of it, which decrypts the rest. A public key from outside has its private half there. */
static bool
opened_whole(const struct object *wrapping, CK_MECHANISM_TYPE mech)
{
	return mech != CKM_RSA_AES_KEY_WRAP || (attrs_ulong(&wrapping->attrs, TKA_ROLES, 0) & ROLE_WHOLE) != 0 ||
		attrs_ulong(&wrapping->attrs, TKA_ORIGIN, ORIGIN_GENERATED) == ORIGIN_CREATED;
}

CK_RV
rules_wrap(const struct object *wrapping, const struct object *target, CK_MECHANISM_TYPE mech,
	bool compat)
{
	return judge_wrap(wrapping, target, mechanism_wraps_sensitive(mech) && opened_whole(wrapping, mech), compat);
}

/* Does the key work with AES-GCM and AES-CCM and nothing else? Under one that wraps by CBC too, a caller could have the
 * very blocks encrypted that hide what GCM wrapped. CKA_ALLOWED_MECHANISMS never changes. */
static bool
only_seals(const struct object *key)
{
	const struct attr *list = attrs_get(&key->attrs, CKA_ALLOWED_MECHANISMS);
	CK_MECHANISM_TYPE one;

	if (list == NULL || list->len < sizeof(one))
		return false;
	for (size_t at = 0; at + sizeof(one) <= list->len; at += sizeof(one)) {
		memcpy(&one, list->value + at, sizeof(one));
		if (one != CKM_AES_GCM && one != CKM_AES_CCM)
			return false;
	}
	return true;
}

bool
rules_seals(const struct object *key)
{
	return only_seals(key) && may_hold_sensitive(key);
}

CK_RV
rules_wrap_sealed(const struct object *wrapping, const struct object *target, bool fresh, bool compat)
{
	/* one nonce for a key that the caller knows and for a sensitive one gives the latter away */
	if (!compat && !fresh && rules_seals(wrapping))
		return why(CKR_KEY_NOT_WRAPPABLE,
			"under a key that sensitive ones may be wrapped under, the token makes nonces of 96 random bits or "
			"more, and the tag has 96 bits or more (strict policy)");
	return judge_wrap(wrapping, target, fresh && only_seals(wrapping), compat);
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

	if (how == HOW_UNWRAP && may_hold_sensitive(parent))
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
	static const CK_ATTRIBUTE_TYPE templates[] = {
		[HOW_UNWRAP] = CKA_UNWRAP_TEMPLATE,
		[HOW_DERIVE] = CKA_DERIVE_TEMPLATE,
		[HOW_ENCAPSULATE] = CKA_ENCAPSULATE_TEMPLATE,
		[HOW_DECAPSULATE] = CKA_DECAPSULATE_TEMPLATE,
	};
	const struct attr *templ = attrs_get(&parent->attrs, templates[how]);
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
