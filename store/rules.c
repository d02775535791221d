/* rules.c - walks the rows when an object is made, changed, copied or destroyed */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "rules_table.h"
#include "why.h"

#define HOTP_COUNTER 8 /* bytes */

static CK_RV
refuse(CK_RV rv, CK_ATTRIBUTE_TYPE type, const char *reason)
{
	const struct attr_name *row = attr_name_find(type);

	if (row == NULL)
		return why(rv, "attribute 0x%lx: %s", (unsigned long)type, reason);
	return why(rv, "%s: %s", row->name, reason);
}

/* ---- who may ---- */

/* PKCS#11 3.1 4.4 table 13 and 3.1's table of session states: token objects need a read-write
 * session, private ones the user; the SO has no private objects. */
static CK_RV
may_write(const struct attrs *a, const struct actor *who)
{
	if (attrs_bool(a, CKA_TOKEN, false) && !who->rw)
		return why(CKR_SESSION_READ_ONLY, "a token object needs a read-write session");
	if (attrs_bool(a, CKA_PRIVATE, false) && who->user != CKU_USER)
		return why(CKR_USER_NOT_LOGGED_IN, "a private object needs the user's login");
	return CKR_OK;
}

static CK_RV
may_trust(const struct rule *row, const struct attr *a, const struct actor *who)
{
	if ((row->flags & RULE_SO) && a->len == 1 && a->value[0] && who->user != CKU_SO)
		return refuse(CKR_ATTRIBUTE_READ_ONLY, a->type, "only the SO sets it");
	return CKR_OK;
}

/* ---- values ---- */

static unsigned
digits(const uint8_t *p, size_t n, bool *good)
{
	unsigned v = 0;

	for (; n > 0; n--, p++) {
		if (*p < '0' || *p > '9')
			*good = false;
		v = v * 10 + (*p - '0');
	}
	return v;
}

/* CK_DATE: year, month and day in ASCII digits, or nothing. */
static bool
is_date(const struct attr *a)
{
	static const uint8_t days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	unsigned year, month, day;
	bool good = true;

	if (a->len == 0)
		return true;
	if (a->len != 8)
		return false;
	year = digits(a->value, 4, &good);
	month = digits(a->value + 4, 2, &good);
	day = digits(a->value + 6, 2, &good);
	if (!good || month < 1 || month > 12 || day < 1 || day > days[month - 1])
		return false;
	return month != 2 || day < 29 || (year % 4 == 0 && (year % 100 != 0 || year % 400 == 0));
}

static CK_RV
check_value(const struct attr *a)
{
	const struct attr_name *name = attr_name_find(a->type);

	if (name == NULL)
		return CKR_OK;
	if (name->kind == ATTR_BOOL && (a->len != 1 || a->value[0] > 1))
		return refuse(CKR_ATTRIBUTE_VALUE_INVALID, a->type, "neither true nor false");
	if (name->kind == ATTR_DATE && !is_date(a))
		return refuse(CKR_ATTRIBUTE_VALUE_INVALID, a->type, "not a date");
	/* 3 is the last one of either: CK_CERTIFICATE_CATEGORY_OTHER_ENTITY, CK_SECURITY_DOMAIN_THIRD_PARTY */
	if ((a->type == CKA_CERTIFICATE_CATEGORY || a->type == CKA_JAVA_MIDP_SECURITY_DOMAIN) && a->value != NULL) {
		CK_ULONG v;

		memcpy(&v, a->value, sizeof(v));
		if (v > 3)
			return refuse(CKR_ATTRIBUTE_VALUE_INVALID, a->type, "not one of its values");
	}
	return CKR_OK;
}

static bool
has_text(const struct attrs *a, CK_ATTRIBUTE_TYPE type)
{
	const struct attr *v = attrs_get(a, type);

	return v != NULL && v->len > 0;
}

/* PKCS#11 3.1 4.6.3, notes 3 and 4 of the table: a certificate that lies elsewhere is known by its hashes. */
static CK_RV
check_url(const struct attrs *a)
{
	static const CK_ATTRIBUTE_TYPE hashes[] = {
		CKA_HASH_OF_SUBJECT_PUBLIC_KEY, CKA_HASH_OF_ISSUER_PUBLIC_KEY};
	size_t i;

	for (i = 0; has_text(a, CKA_URL) && i < sizeof(hashes) / sizeof(hashes[0]); i++)
		if (!has_text(a, hashes[i]))
			return refuse(CKR_TEMPLATE_INCOMPLETE, hashes[i], "is needed with CKA_URL");
	return CKR_OK;
}

/* PKCS#11 3.2, trust objects, note 2: what gives trust must say whom it is given to. */
static CK_RV
check_trust(const struct attrs *a)
{
	static const CK_ATTRIBUTE_TYPE uses[] = {CKA_TRUST_SERVER_AUTH, CKA_TRUST_CLIENT_AUTH,
		CKA_TRUST_CODE_SIGNING, CKA_TRUST_EMAIL_PROTECTION, CKA_TRUST_IPSEC_IKE, CKA_TRUST_TIME_STAMPING,
		CKA_TRUST_OCSP_SIGNING};
	CK_ULONG trust;
	size_t i;

	for (i = 0; i < sizeof(uses) / sizeof(uses[0]); i++) {
		trust = attrs_ulong(a, uses[i], CKT_TRUST_UNKNOWN);
		if (trust > CKT_TRUST_MUST_VERIFY_TRUST)
			return refuse(CKR_ATTRIBUTE_VALUE_INVALID, uses[i], "not a CKT_ value");
		if (trust != CKT_TRUST_UNKNOWN && trust != CKT_NOT_TRUSTED && !has_text(a, CKA_HASH_OF_CERTIFICATE))
			return refuse(CKR_TEMPLATE_INCOMPLETE, CKA_HASH_OF_CERTIFICATE,
				"is needed where trust is given");
	}
	return CKR_OK;
}

/* RFC 4226 5.3 knows decimal passwords of 6 digits or more, made from a counter and nothing else. */
static CK_RV
check_hotp(const struct attrs *a)
{
	static const struct {
		CK_ATTRIBUTE_TYPE type;
		CK_ULONG min, max;
	} ranges[] = {
		{CKA_OTP_FORMAT, CK_OTP_FORMAT_DECIMAL, CK_OTP_FORMAT_DECIMAL},
		{CKA_OTP_LENGTH, 6, 8},
		{CKA_OTP_CHALLENGE_REQUIREMENT, CK_OTP_PARAM_IGNORED, CK_OTP_PARAM_IGNORED},
		{CKA_OTP_TIME_REQUIREMENT, CK_OTP_PARAM_IGNORED, CK_OTP_PARAM_IGNORED},
		{CKA_OTP_PIN_REQUIREMENT, CK_OTP_PARAM_IGNORED, CK_OTP_PARAM_IGNORED},
		{CKA_OTP_COUNTER_REQUIREMENT, CK_OTP_PARAM_IGNORED, CK_OTP_PARAM_MANDATORY},
	};
	const struct attr *counter = attrs_get(a, CKA_OTP_COUNTER);
	CK_ULONG v;

	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		v = attrs_ulong(a, ranges[i].type, ranges[i].min);
		if (v < ranges[i].min || v > ranges[i].max)
			return refuse(CKR_ATTRIBUTE_VALUE_INVALID, ranges[i].type, "HOTP has no such passwords");
	}
	if (counter != NULL && counter->len != 0 && counter->len != HOTP_COUNTER)
		return refuse(CKR_ATTRIBUTE_VALUE_INVALID, CKA_OTP_COUNTER, "a counter has 8 bytes");
	return CKR_OK;
}

/* PKCS#11 3.1 6.53 leaves it to the token: an object's counter goes on, so that it makes no password twice. */
static CK_RV
check_counter(const struct attr *old, const struct attr *new)
{
	if (old->len == HOTP_COUNTER && (new->len != HOTP_COUNTER || memcmp(new->value, old->value, HOTP_COUNTER) < 0))
		return refuse(CKR_ATTRIBUTE_VALUE_INVALID, new->type, "the counter only goes on");
	return CKR_OK;
}

/* What must hold between attributes, whatever gave them. */
static CK_RV
check_together(const struct attrs *a)
{
	CK_OBJECT_CLASS class = attrs_ulong(a, CKA_CLASS, CK_UNAVAILABLE_INFORMATION);
	const struct attr *start = attrs_get(a, CKA_START_DATE);
	const struct attr *end = attrs_get(a, CKA_END_DATE);

	if (start != NULL && end != NULL && start->len == 8 && end->len == 8 &&
		memcmp(start->value, end->value, 8) > 0)
		return refuse(CKR_TEMPLATE_INCONSISTENT, CKA_END_DATE, "before CKA_START_DATE");
	/* PKCS#11 3.1 4.9 */
	if (attrs_bool(a, CKA_ALWAYS_AUTHENTICATE, false) && !attrs_bool(a, CKA_PRIVATE, false))
		return refuse(CKR_TEMPLATE_INCONSISTENT, CKA_ALWAYS_AUTHENTICATE,
			"needs CKA_PRIVATE");
	if (class == CKO_CERTIFICATE)
		return check_url(a);
	if (class == CKO_TRUST)
		return check_trust(a);
	if (class == CKO_OTP_KEY && attrs_ulong(a, CKA_KEY_TYPE, CKK_SECURID) == CKK_HOTP)
		return check_hotp(a);
	return CKR_OK;
}

/* ---- making ---- */

CK_RV
rules_merge(struct attrs *to, const struct attrs *from)
{
	const struct attr *have;
	size_t i;
	CK_RV rv;

	for (i = 0; i < from->n; i++) {
		have = attrs_get(to, from->v[i].type);
		if (have != NULL && !attr_equal(have, &from->v[i]))
			return refuse(CKR_TEMPLATE_INCONSISTENT, from->v[i].type,
				"the call or the parent key implies another value");
		if (have != NULL)
			continue;
		rv = attrs_set_attr(to, &from->v[i]);
		if (rv != CKR_OK)
			return rv;
	}
	return CKR_OK;
}

/* The kind of what is being made; the refusal names what is missing. */
static CK_RV
kind_of(const struct attrs *a, struct rule_kind *k)
{
	CK_RV rv = rule_kind(a, k);

	if (rv == CKR_TEMPLATE_INCOMPLETE)
		return why(rv, "the template lacks %s",
			attrs_has(a, CKA_CLASS) ? "the type of key or certificate" : "CKA_CLASS");
	if (rv != CKR_OK)
		return why(rv, "no objects of class 0x%lx and type 0x%lx here",
			(unsigned long)k->class, (unsigned long)k->subtype);
	return CKR_OK;
}

static CK_RV
check_given(const struct attrs *templ, const struct rule_kind *k, enum rules_how how,
	const struct actor *who)
{
	const struct rule *row;
	size_t i;
	CK_RV rv;

	for (i = 0; i < templ->n; i++) {
		const struct attr *a = &templ->v[i];

		row = rule_find(k, a->type);
		if (row == NULL)
			return refuse(CKR_ATTRIBUTE_TYPE_INVALID, a->type,
				"not of this class of object");
		if (row->never & RULE_HOW(how))
			return refuse(CKR_ATTRIBUTE_READ_ONLY, a->type,
				"cannot be given in this call");
		rv = check_value(a);
		if (rv == CKR_OK)
			rv = may_trust(row, a, who);
		if (rv != CKR_OK)
			return rv;
	}
	return CKR_OK;
}

static CK_RV
check_required(const struct attrs *a, const struct rule_kind *k, enum rules_how how)
{
	struct rule_walk w = {0};
	const struct rule *row;

	while ((row = rule_next(k, &w)) != NULL)
		if ((row->must & RULE_HOW(how)) && !attrs_has(a, row->type))
			return refuse(CKR_TEMPLATE_INCOMPLETE, row->type, "is needed");
	return CKR_OK;
}

static CK_RV
set_default(struct attrs *a, const struct rule *row, bool named_usage)
{
	switch (row->otherwise) {
	case NO_DEFAULT:
		return CKR_OK;
	case IS_FALSE:
		return attrs_set_bool(a, row->type, false);
	case IS_TRUE:
		return attrs_set_bool(a, row->type, !((row->flags & RULE_USAGE) && named_usage));
	case IS_EMPTY:
		return attrs_set(a, row->type, NULL, 0);
	case IS_ZERO:
		return attrs_set_ulong(a, row->type, 0);
	case IS_SIX:
		return attrs_set_ulong(a, row->type, 6);
	case IS_SIXTY:
		return attrs_set_ulong(a, row->type, 60);
	case IS_SHA_1:
		return attrs_set_ulong(a, row->type, CKM_SHA_1);
	case IS_HIDDEN_UNLESS:
		/* A client that asks for an extractable key and says no more (SunPKCS11 for its
		 * secret keys) wants to read it. */
		return attrs_set_bool(a, row->type, !attrs_bool(a, CKA_EXTRACTABLE, false));
	}
	return CKR_GENERAL_ERROR;
}

/* Usages that the template does not name: none of them if it grants any by name, because then the
 * application has said what the key is for (pkcs11-tool, GnuTLS). Those of the key type's row if it
 * grants none, because then it leaves the choice to the token (SunPKCS11's private EC template
 * is {CKA_TOKEN} and its secret keys come without any), and always under the compat policy: programs
 * that grew up with SoftHSM name one usage and count on another (the tests of Go's miekg/pkcs11 do). */
static CK_RV
fill_defaults(struct attrs *a, const struct rule_kind *k, bool compat)
{
	bool named_usage = !compat && rule_roles(a) != 0;
	struct rule_walk w = {0};
	const struct rule *row;
	CK_RV rv;

	while ((row = rule_next(k, &w)) != NULL) {
		if (attrs_has(a, row->type))
			continue;
		rv = set_default(a, row, named_usage);
		if (rv != CKR_OK)
			return rv;
	}
	return CKR_OK;
}

CK_RV
rules_begin(struct attrs *out, const struct attrs *templ, const struct attrs *implied,
	enum rules_how how, const struct actor *who)
{
	struct attrs a = {0};
	struct rule_kind k;
	CK_RV rv;

	rv = attrs_copy(&a, templ);
	if (rv == CKR_OK && implied != NULL)
		rv = rules_merge(&a, implied);
	if (rv == CKR_OK)
		rv = kind_of(&a, &k);
	if (rv == CKR_OK)
		rv = check_given(templ, &k, how, who);
	if (rv == CKR_OK)
		rv = check_required(&a, &k, how);
	if (rv == CKR_OK)
		rv = fill_defaults(&a, &k, who->compat);
	if (rv == CKR_OK)
		rv = check_together(&a);
	if (rv == CKR_OK)
		rv = may_write(&a, who);
	if (rv != CKR_OK)
		goto out;
	*out = a;
	a = (struct attrs){0}; /* transferred */
out:
	attrs_free(&a);
	return rv;
}

/* CKA_ALLOWED_MECHANISMS never changes: a key that it keeps from OAEP never unwraps by it. */
static bool
without_oaep(const struct attrs *priv)
{
	const struct attr *list = attrs_get(priv, CKA_ALLOWED_MECHANISMS);
	CK_MECHANISM_TYPE one;

	for (size_t at = 0; list != NULL && at + sizeof(one) <= list->len; at += sizeof(one)) {
		memcpy(&one, list->value + at, sizeof(one));
		if (one == CKM_RSA_PKCS_OAEP)
			return false;
	}
	return list != NULL;
}

CK_RV
rules_pair(struct attrs *pub, struct attrs *priv)
{
	CK_ULONG roles = attrs_ulong(pub, TKA_ROLES, 0) | attrs_ulong(priv, TKA_ROLES, 0);
	CK_RV rv;

	if (without_oaep(priv))
		roles |= ROLE_WHOLE;
	rv = attrs_set_ulong(pub, TKA_ROLES, roles);
	if (rv != CKR_OK)
		return rv;
	return attrs_set_ulong(priv, TKA_ROLES, roles);
}

/* ---- changing and copying ---- */

/* One-way attributes. Usage only falls under the strict policy: a key that encrypts today must not
 * unwrap tomorrow what it can decrypt. */
static CK_RV
check_direction(const struct attrs *a, const struct rule *row, bool before, bool after, const struct actor *who)
{
	if (before == after)
		return CKR_OK;
	if ((row->flags & RULE_STAYS_TRUE) && before)
		return refuse(CKR_ATTRIBUTE_READ_ONLY, row->type, "stays true");
	if ((row->flags & RULE_STAYS_FALSE) && !before)
		return refuse(CKR_ATTRIBUTE_READ_ONLY, row->type, "stays false");
	if ((row->flags & RULE_USAGE) && !before && !who->compat)
		return refuse(CKR_ATTRIBUTE_READ_ONLY, row->type,
			"a usage is only taken away under the strict policy");
	if ((row->flags & RULE_USAGE) && !before && rules_only_wraps(a) && row->type != CKA_WRAP &&
		row->type != CKA_UNWRAP)
		return refuse(CKR_ATTRIBUTE_READ_ONLY, row->type,
			"a key that only wraps stays so: what it wrapped would be open");
	/* PKCS#11 3.1 5.7.2 */
	if (row->type == CKA_PRIVATE && before)
		return refuse(CKR_TEMPLATE_INCONSISTENT, row->type,
			"a private object has no public copy");
	return CKR_OK;
}

static CK_RV
change_one(struct attrs *a, const struct rule_kind *k, const struct attr *new, unsigned allowed,
	const struct actor *who)
{
	const struct attr *old = attrs_get(a, new->type);
	const struct rule *row = rule_find(k, new->type);
	CK_RV rv;

	if (row == NULL)
		return refuse(CKR_ATTRIBUTE_TYPE_INVALID, new->type, "not of this class of object");
	if (!(row->flags & allowed))
		return refuse(CKR_ATTRIBUTE_READ_ONLY, new->type, "cannot be changed");
	rv = check_value(new);
	if (rv != CKR_OK)
		return rv;
	if (old != NULL && attr_equal(old, new))
		return CKR_OK;
	if ((row->flags & RULE_FIXED) && old != NULL && old->len > 0)
		return refuse(CKR_ATTRIBUTE_VALUE_INVALID, new->type, "does not belong to this key");
	rv = may_trust(row, new, who);
	if (rv == CKR_OK && old != NULL && new->type == CKA_OTP_COUNTER)
		rv = check_counter(old, new);
	/* an object of an older vault lacks the usages that came later: it has them not */
	if (rv == CKR_OK && new->len == 1 && (old != NULL ? old->len == 1 : (row->flags & RULE_USAGE) != 0))
		rv = check_direction(a, row, old != NULL && old->value[0], new->value[0], who);
	if (rv == CKR_OK)
		rv = attrs_set_attr(a, new);
	return rv;
}

/* What the key now allows is added to what it ever did. */
static CK_RV
note_roles(struct attrs *a)
{
	CK_ULONG had = attrs_ulong(a, TKA_ROLES, 0), roles = had | rule_roles(a);

	/* Its copies do not know of a usage that it gets later; so it is marked, unless it only wraps, like them. */
	if ((roles & ~had) != 0 && !rules_only_wraps(a))
		roles |= ROLE_WIDENED;
	if (attrs_bool(a, CKA_TRUSTED, false))
		roles |= ROLE_TRUSTED;
	return attrs_set_ulong(a, TKA_ROLES, roles);
}

/* The common part: *a is the object's attributes, already copied. */
static CK_RV
change_all(struct attrs *a, const struct attrs *changes, unsigned allowed, const struct actor *who)
{
	struct rule_kind k;
	size_t i;
	CK_RV rv;

	rv = rule_kind(a, &k);
	for (i = 0; rv == CKR_OK && i < changes->n; i++)
		rv = change_one(a, &k, &changes->v[i], allowed, who);
	if (rv == CKR_OK)
		rv = check_together(a);
	if (rv == CKR_OK && rule_class_is_key(k.class))
		rv = note_roles(a);
	return rv;
}

/* PKCS#11 3.1 4.6.2: trusted certificates cannot be modified. The SO, who trusted it, may take that back. */
static bool
is_settled(const struct object *o, const struct actor *who)
{
	return object_class(o) == CKO_CERTIFICATE && attrs_bool(&o->attrs, CKA_TRUSTED, false) && who->user != CKU_SO;
}

CK_RV
rules_set(struct attrs *out, const struct object *o, const struct attrs *changes,
	const struct actor *who)
{
	struct attrs a = {0};
	CK_RV rv;

	rv = may_write(&o->attrs, who);
	if (rv != CKR_OK)
		return rv;
	if (!attrs_bool(&o->attrs, CKA_MODIFIABLE, true))
		return why(CKR_ACTION_PROHIBITED, "CKA_MODIFIABLE is false");
	if (is_settled(o, who))
		return why(CKR_ACTION_PROHIBITED, "a trusted certificate is changed by the SO only");
	rv = attrs_copy(&a, &o->attrs);
	if (rv == CKR_OK)
		rv = change_all(&a, changes, RULE_CHANGE, who);
	if (rv != CKR_OK)
		goto out;
	*out = a;
	a = (struct attrs){0}; /* transferred */
out:
	attrs_free(&a);
	return rv;
}

CK_RV
rules_copy(struct attrs *out, const struct object *o, const struct attrs *changes,
	const struct actor *who)
{
	struct attrs a = {0};
	CK_RV rv;

	if (!attrs_bool(&o->attrs, CKA_COPYABLE, true))
		return why(CKR_ACTION_PROHIBITED, "CKA_COPYABLE is false");
	rv = attrs_copy(&a, &o->attrs);
	if (rv == CKR_OK)
		rv = change_all(&a, changes, RULE_CHANGE | RULE_COPY, who);
	if (rv == CKR_OK && is_settled(o, who) && changes->n > 0)
		rv = attrs_set_bool(&a, CKA_TRUSTED, false); /* the SO has not seen this one */
	if (rv == CKR_OK)
		rv = may_write(&a, who);
	if (rv == CKR_OK)
		rv = attrs_set_ulong(&a, TKA_CREATED, (CK_ULONG)time(NULL));
	if (rv != CKR_OK)
		goto out;
	attrs_remove(&a, CKA_UNIQUE_ID);
	*out = a;
	a = (struct attrs){0}; /* transferred */
out:
	attrs_free(&a);
	return rv;
}

CK_RV
rules_destroy(const struct object *o, const struct actor *who)
{
	CK_RV rv = may_write(&o->attrs, who);

	if (rv == CKR_OK && !attrs_bool(&o->attrs, CKA_DESTROYABLE, true))
		return why(CKR_ACTION_PROHIBITED, "CKA_DESTROYABLE is false");
	return rv;
}
