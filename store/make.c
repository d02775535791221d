/* make.c - the calls that create, copy, generate, change and destroy objects: rules, mechanism and commit in one */
#include <time.h>

#include "key.h"
#include "make_inner.h"
#include "rules_table.h"
#include "why.h"

/* Attempts at a change when others change the same object at the same moment. */
#define CHANGE_TRIES 200

CK_RV
make_commit(const struct maker *m, struct object **puts, size_t n)
{
	if (m->cancel != NULL && atomic_load(&m->cancel->on))
		return CKR_FUNCTION_CANCELED;
	return token_commit(m->token, puts, n, NULL, 0);
}

CK_RV
make_allowed(const struct maker *m, const CK_MECHANISM *mech, const struct object *key)
{
	if (key != NULL && !m->who.compat && attrs_bool(&key->attrs, CKA_ALWAYS_AUTHENTICATE, false))
		return why(CKR_USER_NOT_LOGGED_IN, "a key with CKA_ALWAYS_AUTHENTICATE signs and decrypts; it neither "
			"unwraps nor derives (strict policy)");
	return rules_mechanism(mech->mechanism, key, m->who.compat);
}

CK_RV
make_settle(const struct maker *m, struct attrs *a, struct object **o)
{
	struct object *new = NULL;
	CK_RV rv;

	rv = object_new(&new, a);
	if (rv == CKR_OK && new->token)
		rv = make_commit(m, &new, 1);
	if (rv != CKR_OK) {
		object_put(new);
		return rv;
	}
	*o = new;
	return CKR_OK;
}

CK_RV
make_create(const struct maker *m, const struct attrs *templ, struct object **o)
{
	struct attrs a = {0};
	CK_RV rv;

	rv = rules_begin(&a, templ, NULL, HOW_CREATE, &m->who);
	if (rv == CKR_OK)
		rv = rules_finish(&a, HOW_CREATE, NULL, NULL);
	if (rv == CKR_OK)
		rv = make_ledger(m, &a, HOW_CREATE);
	if (rv == CKR_OK)
		rv = make_settle(m, &a, o);
	attrs_free(&a);
	return rv;
}

/* The SO trusts an object. Who copies it must not have one that is trusted still when the SO has taken his word back. */
static CK_RV
take_trust(const struct maker *m, struct attrs *a)
{
	if (m->who.user == CKU_SO || !rule_class_is_key(attrs_ulong(a, CKA_CLASS, CKO_DATA)) || !attrs_has(a, CKA_TRUSTED))
		return CKR_OK;
	return attrs_set_bool(a, CKA_TRUSTED, false);
}

CK_RV
make_copy(const struct maker *m, struct object *source, const struct attrs *changes,
	struct object **o)
{
	struct attrs a = {0};
	CK_RV rv;

	if (!m->who.compat && object_class(source) == CKO_OTP_KEY)
		return why(CKR_ACTION_PROHIBITED, "two counters of one key make each password twice (strict policy)");
	rv = rules_copy(&a, source, changes, &m->who);
	if (rv == CKR_OK && !m->who.compat)
		rv = take_trust(m, &a);
	if (rv == CKR_OK)
		rv = make_settle(m, &a, o);
	attrs_free(&a);
	return rv;
}

/* ---- generation ---- */

CK_RV
make_key(const struct maker *m, const CK_MECHANISM *mech, const struct attrs *templ,
	struct object **o)
{
	struct attrs implied = {0}, a = {0};
	CK_RV rv;

	rv = make_allowed(m, mech, NULL);
	if (rv == CKR_OK)
		rv = mech_implies(mech, templ, &implied, NULL);
	if (rv == CKR_OK)
		rv = rules_begin(&a, templ, &implied, HOW_GENERATE, &m->who);
	if (rv == CKR_OK)
		rv = mech_generate_key(mech, &a, m->cancel);
	if (rv == CKR_OK)
		rv = rules_finish(&a, HOW_GENERATE, mech, NULL);
	if (rv == CKR_OK)
		rv = make_settle(m, &a, o);
	attrs_free(&implied);
	attrs_free(&a);
	return rv;
}

/* In a group whose prime is not a safe one the public value can tell the private one, and what is agreed tells it for sure
 * (mech_dh.c): a key that must not be read is not made there. */
static CK_RV
check_group(const struct maker *m, struct object *priv)
{
	struct key *k;
	CK_RV rv;

	if (m->who.compat || object_key_type(priv) != CKK_DH || !object_hides(priv, CKA_VALUE))
		return CKR_OK;
	rv = key_get(priv, &k);
	if (rv == CKR_OK && !k->safe_group)
		rv = why(CKR_DOMAIN_PARAMS_INVALID, "the prime of the group is not a safe one (strict policy)");
	return rv;
}

/* Both halves in one commit, or neither. */
static CK_RV
settle_pair(const struct maker *m, struct attrs *pub_a, struct attrs *priv_a, struct object **pub,
	struct object **priv)
{
	struct object *halves[2] = {NULL, NULL}, *puts[2];
	size_t n = 0;
	CK_RV rv;

	rv = object_new(&halves[0], pub_a);
	if (rv == CKR_OK)
		rv = object_new(&halves[1], priv_a);
	if (rv == CKR_OK)
		rv = check_group(m, halves[1]);
	if (rv != CKR_OK)
		goto out;
	if (halves[0]->token)
		puts[n++] = halves[0];
	if (halves[1]->token)
		puts[n++] = halves[1];
	if (n > 0)
		rv = make_commit(m, puts, n);
	if (rv != CKR_OK)
		goto out;
	*pub = halves[0];
	*priv = halves[1];
	halves[0] = halves[1] = NULL; /* transferred */
out:
	object_put(halves[0]);
	object_put(halves[1]);
	return rv;
}

CK_RV
make_pair(const struct maker *m, const CK_MECHANISM *mech, const struct attrs *pub_templ,
	const struct attrs *priv_templ, struct object **pub, struct object **priv)
{
	struct attrs pub_implied = {0}, priv_implied = {0}, pub_a = {0}, priv_a = {0};
	CK_RV rv;

	rv = make_allowed(m, mech, NULL);
	if (rv == CKR_OK)
		rv = mech_implies(mech, pub_templ, &pub_implied, &priv_implied);
	if (rv == CKR_OK)
		rv = rules_begin(&pub_a, pub_templ, &pub_implied, HOW_GENERATE, &m->who);
	if (rv == CKR_OK)
		rv = rules_begin(&priv_a, priv_templ, &priv_implied, HOW_GENERATE, &m->who);
	if (rv == CKR_OK)
		rv = mech_generate_pair(mech, m->who.compat, &pub_a, &priv_a, m->cancel);
	if (rv == CKR_OK)
		rv = rules_finish(&pub_a, HOW_GENERATE, mech, NULL);
	if (rv == CKR_OK)
		rv = rules_finish(&priv_a, HOW_GENERATE, mech, NULL);
	if (rv == CKR_OK)
		rv = rules_pair(&pub_a, &priv_a);
	if (rv == CKR_OK)
		rv = settle_pair(m, &pub_a, &priv_a, pub, priv);
	attrs_free(&pub_implied);
	attrs_free(&priv_implied);
	attrs_free(&pub_a);
	attrs_free(&priv_a);
	return rv;
}

/* ---- changes ---- */

/* The old version stays as it is for whoever uses it. */
CK_RV
make_renewed(struct token *t, const struct object *old, struct attrs *a, struct object **o)
{
	struct object *new = NULL;
	CK_RV rv = object_new(&new, a);

	if (rv != CKR_OK)
		return rv;
	new->handle = old->handle;
	new->version = old->version + 1;
	if (new->token)
		rv = token_commit(t, &new, 1, NULL, 0);
	if (rv != CKR_OK) {
		object_put(new);
		return rv;
	}
	*o = new;
	return CKR_OK;
}

/* One attempt on one version of the object. */
static CK_RV
change(const struct maker *m, struct object *old, const struct attrs *changes, struct object **o)
{
	struct attrs a = {0};
	CK_RV rv = rules_set(&a, old, changes, &m->who);

	if (rv == CKR_OK)
		rv = make_renewed(m->token, old, &a, o);
	attrs_free(&a);
	return rv;
}

CK_RV
make_changed(const struct maker *m, struct object *old, const struct attrs *changes,
	struct object **o)
{
	const struct timespec moment = {.tv_nsec = 1000000};
	struct object *seen = object_ref(old), *now = NULL;
	CK_RV rv = change(m, seen, changes, o);

	/* Somebody else's change may have come first: ours then applies to the version that they made. */
	for (int i = 0; i < CHANGE_TRIES && rv == CKR_OBJECT_HANDLE_INVALID && old->token; i++) {
		if (token_object(m->token, old->handle, true, &now) != CKR_OK)
			break;
		if (now->version == seen->version)
			nanosleep(&moment, NULL); /* theirs is written but not yet committed */
		object_put(seen);
		seen = now;
		rv = change(m, seen, changes, o);
	}
	object_put(seen);
	return rv;
}

CK_RV
make_destroyed(const struct maker *m, struct object *o)
{
	CK_RV rv = rules_destroy(o, &m->who);

	if (rv == CKR_OK && o->token)
		rv = token_commit(m->token, NULL, 0, &o, 1);
	return rv;
}
