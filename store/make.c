/* make.c - the calls that make, change and destroy objects: rules, mechanism and commit in one */
#include <time.h>

#include "token.h"
#include "why.h"

/* Attempts at a change when others change the same object at the same moment. */
#define CHANGE_TRIES 200

/* Commits what was made, unless whoever asked for it has gone or logged out while it was being made. */
static CK_RV
commit(const struct maker *m, struct object **puts, size_t n)
{
	if (m->cancel != NULL && atomic_load(&m->cancel->on))
		return CKR_FUNCTION_CANCELED;
	return token_commit(m->token, puts, n, NULL, 0);
}

/* Turns a finished set into an object, and into a durable one if it is a token object. */
static CK_RV
settle(const struct maker *m, struct attrs *a, struct object **o)
{
	struct object *new = NULL;
	CK_RV rv;

	rv = object_new(&new, a);
	if (rv == CKR_OK && new->token)
		rv = commit(m, &new, 1);
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
		rv = settle(m, &a, o);
	attrs_free(&a);
	return rv;
}

CK_RV
make_copy(const struct maker *m, struct object *source, const struct attrs *changes,
	struct object **o)
{
	struct attrs a = {0};
	CK_RV rv;

	rv = rules_copy(&a, source, changes, &m->who);
	if (rv == CKR_OK)
		rv = settle(m, &a, o);
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

	rv = mech_implies(mech, templ, &implied, NULL);
	if (rv == CKR_OK)
		rv = rules_begin(&a, templ, &implied, HOW_GENERATE, &m->who);
	if (rv == CKR_OK)
		rv = mech_generate_key(mech, &a, m->cancel);
	if (rv == CKR_OK)
		rv = rules_finish(&a, HOW_GENERATE, mech, NULL);
	if (rv == CKR_OK)
		rv = settle(m, &a, o);
	attrs_free(&implied);
	attrs_free(&a);
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
	if (rv != CKR_OK)
		goto out;
	if (halves[0]->token)
		puts[n++] = halves[0];
	if (halves[1]->token)
		puts[n++] = halves[1];
	if (n > 0)
		rv = commit(m, puts, n);
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

	rv = mech_implies(mech, pub_templ, &pub_implied, &priv_implied);
	if (rv == CKR_OK)
		rv = rules_begin(&pub_a, pub_templ, &pub_implied, HOW_GENERATE, &m->who);
	if (rv == CKR_OK)
		rv = rules_begin(&priv_a, priv_templ, &priv_implied, HOW_GENERATE, &m->who);
	if (rv == CKR_OK)
		rv = mech_generate_pair(mech, &pub_a, &priv_a, m->cancel);
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

/* ---- keys out of keys ---- */

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

/* The template as the parent key and the policy complete it, and the set that grows from it. */
static CK_RV
begin_heir(struct attrs *a, const struct maker *m, const struct object *parent,
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
		rv = begin_heir(&a, m, unwrapping, templ, NULL, HOW_UNWRAP);
	if (rv == CKR_OK)
		rv = unwrap_failure(mech_unwrap(mech, unwrapping, in, in_len, &a));
	if (rv == CKR_OK)
		rv = unwrap_failure(rules_finish(&a, HOW_UNWRAP, NULL, unwrapping));
	if (rv == CKR_OK)
		rv = settle(m, &a, o);
	attrs_free(&a);
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
		rv = begin_heir(&a, m, base, templ, &implied, HOW_DERIVE);
	if (rv == CKR_OK)
		rv = mech_derive(mech, base, &a);
	if (rv == CKR_OK)
		rv = rules_finish(&a, HOW_DERIVE, NULL, base);
	if (rv == CKR_OK)
		rv = settle(m, &a, o);
	attrs_free(&implied);
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

/* ---- changes ---- */

/* The old version stays as it is for whoever uses it. */
/* One attempt on one version of the object. */
static CK_RV
change(const struct maker *m, struct object *old, const struct attrs *changes, struct object **o)
{
	struct object *new = NULL;
	struct attrs a = {0};
	CK_RV rv;

	rv = rules_set(&a, old, changes, &m->who);
	if (rv == CKR_OK)
		rv = object_new(&new, &a);
	if (rv != CKR_OK)
		goto out;
	new->handle = old->handle;
	new->version = old->version + 1;
	if (new->token)
		rv = token_commit(m->token, &new, 1, NULL, 0);
	if (rv != CKR_OK)
		goto out;
	*o = new;
	new = NULL; /* transferred */
out:
	object_put(new);
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
