/*
 * ledger.c - a value that comes in again gets back what it was: which live keys have it, and what that asks of the new one
 *
 * A key that left in wrapped form could come back as another object with other rights, and then undo what the first one
 * is trusted with: unwrapped once to wrap and once to decrypt, it opens all that it wrapped. So the index knows the value
 * of every key of the token, by a keyed hash (find.c), and a key that is created, unwrapped or derived is compared with
 * them and with the session objects of its application.
 *
 * What is compared with is what lives. A destroyed key is forgotten; that a wrapping key comes back after its
 * destruction is stopped by policy.c, since a key that may wrap sensitive ones never was extractable or is
 * vouched for by the SO.
 */
#include <stdlib.h>
#include <string.h>

#include "make_inner.h"
#include "rules_table.h"
#include "why.h"

/* What restricts a key or what it makes, and never changes. */
static const CK_ATTRIBUTE_TYPE kept[] = {CKA_ALLOWED_MECHANISMS, CKA_WRAP_TEMPLATE, CKA_UNWRAP_TEMPLATE, CKA_DERIVE_TEMPLATE,
	CKA_DECAPSULATE_TEMPLATE};
#define N_KEPT (sizeof(kept) / sizeof(kept[0]))

/* What the keys of the same value ask of a new one. */
struct claims {
	CK_ULONG roles, uses; /* usages that one of them ever had, and that one of them has */
	bool sensitive, stays, private, only_wraps, with_trusted, each_time;
	struct attr rest[N_KEPT]; /* as in kept[]; points into `from` */
	struct object *from[N_KEPT]; /* NULL: none asked for */
};

/* The first list or template stands: it is one that the value had. */
static void
claim_kept(struct claims *c, struct object *twin)
{
	for (size_t i = 0; i < N_KEPT; i++) {
		const struct attr *a = attrs_get(&twin->attrs, kept[i]);

		if (a == NULL || c->from[i] != NULL)
			continue;
		c->from[i] = object_ref(twin);
		c->rest[i] = *a;
	}
}

static CK_RV
keep(struct attrs *a, const struct claims *c)
{
	CK_RV rv = CKR_OK;

	for (size_t i = 0; rv == CKR_OK && i < N_KEPT; i++)
		if (c->from[i] != NULL)
			rv = attrs_set_attr(a, &c->rest[i]);
	return rv;
}

static void
claim(struct claims *c, struct object *twin)
{
	c->roles |= attrs_ulong(&twin->attrs, TKA_ROLES, 0);
	c->sensitive = c->sensitive || attrs_bool(&twin->attrs, CKA_SENSITIVE, true);
	c->stays = c->stays || !attrs_bool(&twin->attrs, CKA_EXTRACTABLE, false);
	c->private = c->private || attrs_bool(&twin->attrs, CKA_PRIVATE, true);
	c->only_wraps = c->only_wraps || rules_only_wraps(&twin->attrs);
	c->with_trusted = c->with_trusted || attrs_bool(&twin->attrs, CKA_WRAP_WITH_TRUSTED, false);
	c->each_time = c->each_time || attrs_bool(&twin->attrs, CKA_ALWAYS_AUTHENTICATE, false);
	c->uses |= rule_roles(&twin->attrs);
	claim_kept(c, twin);
}

static CK_RV
gather_token(const struct maker *m, const struct attrs *a, struct claims *c)
{
	bool with_private = m->who.user == CKU_USER;
	CK_OBJECT_HANDLE *handles = NULL;
	uint8_t id[VALUE_ID_LEN];
	struct object *twin;
	size_t n = 0;
	CK_RV rv = object_value_id(a, id);

	if (rv == CKR_OK)
		rv = token_find_value(m->token, id, with_private, &handles, &n);
	for (size_t i = 0; rv == CKR_OK && i < n; i++) {
		if (token_object(m->token, handles[i], with_private, &twin) != CKR_OK)
			continue; /* it has gone */
		if (object_same_value(twin, a))
			claim(c, twin);
		object_put(twin);
	}
	free(handles);
	return rv;
}

static CK_RV
gather_session(const struct maker *m, const struct attrs *a, struct claims *c)
{
	struct object **twins = NULL;
	size_t n = 0;
	CK_RV rv = m->twins == NULL ? CKR_OK : m->twins(m->twins_arg, a, &twins, &n);

	for (size_t i = 0; i < n; i++) {
		claim(c, twins[i]);
		object_put(twins[i]);
	}
	free(twins);
	return rv;
}

/* A second key of a value does no more than the first. */
static CK_RV
narrow(struct attrs *a, CK_ULONG to)
{
	static const CK_FLAGS all[] = {CKF_ENCRYPT, CKF_DECRYPT, CKF_SIGN, CKF_SIGN_RECOVER, CKF_VERIFY, CKF_WRAP, CKF_UNWRAP,
		CKF_DERIVE, CKF_DECAPSULATE};
	CK_ULONG roles = attrs_ulong(a, TKA_ROLES, 0);
	CK_RV rv = CKR_OK;

	for (size_t i = 0; rv == CKR_OK && i < sizeof(all) / sizeof(all[0]); i++) {
		if (to & all[i])
			continue;
		if (attrs_has(a, rule_usage(all[i])))
			rv = attrs_set_bool(a, rule_usage(all[i]), false);
		roles &= ~(CK_ULONG)all[i];
	}
	return rv == CKR_OK ? attrs_set_ulong(a, TKA_ROLES, roles) : rv;
}

/* What a sensitive key was held to, its second one is held to. */
static CK_RV
hold(struct attrs *a, const struct claims *c)
{
	CK_RV rv = narrow(a, c->uses);

	if (rv == CKR_OK)
		rv = attrs_set_bool(a, CKA_SENSITIVE, true);
	if (rv == CKR_OK && c->stays)
		rv = attrs_set_bool(a, CKA_EXTRACTABLE, false);
	if (rv == CKR_OK && c->with_trusted)
		rv = attrs_set_bool(a, CKA_WRAP_WITH_TRUSTED, true);
	if (rv == CKR_OK)
		rv = keep(a, c);
	if (rv == CKR_OK && c->private)
		rv = attrs_set_bool(a, CKA_PRIVATE, true);
	if (rv == CKR_OK && c->each_time)
		rv = attrs_set_bool(a, CKA_ALWAYS_AUTHENTICATE, true);
	return rv;
}

/* The MACs of a key that derives are the values of what it derives (RFC 5869, SP 800-108, TLS). Derived a second time, a key
 * that only derives does nothing else, and what is to do nothing else does not derive if the first one does more. */
static CK_RV
part_deriving(struct attrs *a, const struct claims *c)
{
	static const CK_ULONG others = CKF_ENCRYPT | CKF_DECRYPT | CKF_SIGN | CKF_VERIFY;
	bool derives = (c->roles & CKF_DERIVE) != 0, more = (c->roles & others) != 0;
	CK_RV rv = CKR_OK;

	if (derives && !more)
		rv = narrow(a, CKF_DERIVE);
	else if (!derives || (attrs_ulong(a, TKA_ROLES, 0) & others) == 0)
		rv = narrow(a, ~(CK_ULONG)CKF_DERIVE);
	return rv == CKR_OK ? keep(a, c) : rv;
}

CK_RV
make_ledger(const struct maker *m, struct attrs *a, enum rules_how how)
{
	struct claims c = {0};
	CK_RV rv;

	/* How a short secret is received would tell whether a guess is right. Where it is to be secret it never leaves
	 * (policy.c), so that nothing but a guess comes in. */
	if (!m->who.compat && rules_easy_to_guess(a))
		return CKR_OK;
	if (how == HOW_UNWRAP && !m->who.compat && m->who.user != CKU_USER && attrs_bool(a, CKA_SENSITIVE, false))
		return why(CKR_USER_NOT_LOGGED_IN, "without the user's login nobody sees which private keys have this value "
			"(strict policy)");
	rv = gather_token(m, a, &c);
	if (rv == CKR_ATTRIBUTE_TYPE_INVALID)
		return CKR_OK; /* no key, or none with a value */
	if (rv == CKR_OK)
		rv = gather_session(m, a, &c);
	/* Whoever creates a key has its value in his hands: to narrow or to hide the object protects nothing. Nor does hiding
	 * where a key is derived once more: rules_heritage has decided, by what it is derived from, whether it may be read. */
	if (rv == CKR_OK && how != HOW_CREATE && c.only_wraps)
		rv = narrow(a, CKF_WRAP | CKF_UNWRAP);
	if (rv == CKR_OK && how == HOW_UNWRAP && c.sensitive && !m->who.compat)
		rv = hold(a, &c);
	if (rv == CKR_OK && how == HOW_DERIVE && (c.sensitive || c.stays) && !m->who.compat)
		rv = part_deriving(a, &c);
	if (rv == CKR_OK && c.roles != 0)
		rv = attrs_set_ulong(a, TKA_ROLES, attrs_ulong(a, TKA_ROLES, 0) | c.roles);
	for (size_t i = 0; i < N_KEPT; i++)
		object_put(c.from[i]);
	return rv;
}
