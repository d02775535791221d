/* make_derive.c - keys out of keys: what a key inherits, and C_DeriveKey */
#include "make_inner.h"
#include "rules_table.h"
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

/* PKCS#11 3.1 5.18.4: what is unwrapped can be wrapped again unless the template says otherwise. That does not make it
 * readable: only who asks for an extractable key by name gets one whose value is told (IS_HIDDEN_UNLESS). */
static CK_RV
unwrap_defaults(struct attrs *full)
{
	CK_RV rv = CKR_OK;

	if (attrs_has(full, CKA_EXTRACTABLE))
		return CKR_OK;
	if (!attrs_has(full, CKA_SENSITIVE))
		rv = attrs_set_bool(full, CKA_SENSITIVE, true);
	return rv == CKR_OK ? attrs_set_bool(full, CKA_EXTRACTABLE, true) : rv;
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
	if (rv == CKR_OK && how == HOW_UNWRAP)
		rv = unwrap_defaults(&full);
	if (rv == CKR_OK)
		rv = rules_begin(a, &full, implied, how, &m->who);
	attrs_free(&full);
	attrs_free(&forced);
	return rv;
}

/* ---- C_DeriveKey ---- */

/* Is there a secret key below it whose value must not be read? */
static bool
from_hidden(const struct derivation *d)
{
	bool any = object_class(d->base) == CKO_SECRET_KEY && object_hides(d->base, CKA_VALUE);

	for (size_t i = 0; i < d->n_others; i++)
		any |= object_hides(d->others[i], CKA_VALUE);
	return any;
}

/* A key that other derivations have inside derives and does nothing else: its MACs are the keys that they make. It stays,
 * so that it does not come back with another usage. */
static CK_RV
forbid_macs(struct attrs *forced)
{
	static const CK_ATTRIBUTE_TYPE those[] = {CKA_SIGN, CKA_VERIFY, CKA_EXTRACTABLE};
	CK_RV rv = CKR_OK;

	for (size_t i = 0; rv == CKR_OK && i < sizeof(those) / sizeof(those[0]); i++)
		rv = attrs_set_bool(forced, those[i], false);
	return rv;
}

/* What the keys that it is made from ask of a key: all of them, and none may contradict another. */
static CK_RV
heritage(struct attrs *forced, const struct derivation *d)
{
	struct attrs one = {0};
	CK_RV rv = rules_heritage(forced, d->base, HOW_DERIVE, d->compat);

	if (rv == CKR_OK && d->inner && !d->compat && from_hidden(d)) {
		rv = forbid_macs(&one);
		if (rv == CKR_OK)
			rv = rules_merge(forced, &one);
		attrs_free(&one);
	}
	for (size_t i = 0; rv == CKR_OK && i < d->n_others; i++) {
		rv = rules_heritage(&one, d->others[i], HOW_DERIVE, d->compat);
		if (rv == CKR_OK)
			rv = rules_merge(forced, &one);
		attrs_free(&one);
	}
	return rv;
}

/* The set of one key, without its value. */
static CK_RV
begin_key(const struct maker *m, const struct derivation *d, struct derived *key)
{
	struct attrs full = {0}, forced = {0};
	CK_RV rv;

	rv = heritage(&forced, d);
	if (rv == CKR_OK)
		rv = attrs_copy(&full, &key->templ);
	if (rv == CKR_OK)
		rv = rules_merge(&full, &forced);
	for (size_t i = 0; rv == CKR_OK && i < key->defaults.n; i++)
		if (!attrs_has(&full, key->defaults.v[i].type))
			rv = attrs_set_attr(&full, &key->defaults.v[i]);
	if (rv == CKR_OK)
		rv = rules_begin(&key->set, &full, &key->implied, HOW_DERIVE, &m->who);
	attrs_free(&full);
	attrs_free(&forced);
	return rv;
}

/* Keys of one byte, two bytes, three, each found by trying, spell out the longer key that begins with them. 112 bits are
 * the least that nobody tries. */
#define DERIVED_MIN 14

/* Nor does a cipher that is weaker than the key is long: DES2 has 80 bits of strength. A key of XTS is two keys: who has the
 * second alone as well uses the first at will. */
CK_RV
make_strong(const struct attrs *a)
{
	const struct attr *v = attrs_get(a, CKA_VALUE);
	CK_KEY_TYPE type = attrs_ulong(a, CKA_KEY_TYPE, CKK_GENERIC_SECRET);

	if (v == NULL || attrs_ulong(a, CKA_CLASS, CKO_DATA) != CKO_SECRET_KEY)
		return CKR_OK;
	if (v->len < DERIVED_MIN)
		return why(CKR_KEY_SIZE_RANGE, "what is derived from a key that cannot be read has %d bytes or more "
			"(strict policy)", DERIVED_MIN);
	if (type == CKK_DES2 || type == CKK_AES_XTS)
		return why(CKR_TEMPLATE_INCONSISTENT, "no key of DES2 or AES-XTS is derived from one that cannot be read "
			"(strict policy)");
	return CKR_OK;
}

/* What is agreed tells nothing of the private key and may be read; not where that key's own template hides it. */
bool
make_hidden_by(const struct object *by, CK_ATTRIBUTE_TYPE templ, const struct attrs *a)
{
	const struct attr *t = attrs_get(&by->attrs, templ);

	return t != NULL && t->sub != NULL &&
		(attrs_bool(t->sub, CKA_SENSITIVE, false) || !attrs_bool(t->sub, CKA_EXTRACTABLE, true)) &&
		(attrs_bool(a, CKA_SENSITIVE, true) || !attrs_bool(a, CKA_EXTRACTABLE, false));
}

static CK_RV
check_strength(const struct derivation *d, const struct attrs *a)
{
	if (d->compat || (!from_hidden(d) && !make_hidden_by(d->base, CKA_DERIVE_TEMPLATE, a)))
		return CKR_OK;
	return make_strong(a);
}

/* A public key remembers, as the halves of a pair do, what its private half was ever able to. */
static CK_RV
remember_roles(const struct derivation *d, struct attrs *a)
{
	if (attrs_ulong(a, CKA_CLASS, CKO_DATA) != CKO_PUBLIC_KEY)
		return CKR_OK;
	return attrs_set_ulong(a, TKA_ROLES,
		attrs_ulong(a, TKA_ROLES, 0) | attrs_ulong(&d->base->attrs, TKA_ROLES, rule_roles(&d->base->attrs)));
}

/* PKCS#11 3.1 6.43.3: what a key was always, it was only if all the keys that it was made from were. */
static CK_RV
finish_key(const struct derivation *d, struct attrs *a)
{
	static const CK_ATTRIBUTE_TYPE always[] = {CKA_ALWAYS_SENSITIVE, CKA_NEVER_EXTRACTABLE};
	CK_RV rv = check_strength(d, a);

	if (rv == CKR_OK)
		rv = rules_finish(a, HOW_DERIVE, NULL, d->base);
	if (rv == CKR_OK)
		rv = remember_roles(d, a);
	for (size_t i = 0; i < d->n_others; i++)
		for (size_t j = 0; rv == CKR_OK && j < sizeof(always) / sizeof(always[0]); j++)
			if (attrs_has(a, always[j]) && !attrs_bool(&d->others[i]->attrs, always[j], false))
				rv = attrs_set_bool(a, always[j], false);
	return rv;
}

/* All keys in one commit, or none. */
static CK_RV
settle_keys(const struct maker *m, struct derivation *d, struct derived_key *keys)
{
	struct object *puts[DERIVED_MAX];
	size_t made = 0, n_puts = 0;
	CK_RV rv = CKR_OK;

	for (; rv == CKR_OK && made < d->n; made += rv == CKR_OK) {
		keys[made].at = d->keys[made].at;
		rv = object_new(&keys[made].object, &d->keys[made].set);
		if (rv == CKR_OK && keys[made].object->token)
			puts[n_puts++] = keys[made].object;
	}
	if (rv == CKR_OK && n_puts > 0)
		rv = make_commit(m, puts, n_puts);
	while (rv != CKR_OK && made > 0)
		object_put(keys[--made].object);
	return rv;
}

CK_RV
make_derive(const struct maker *m, const CK_MECHANISM *mech, struct object *base, const struct attrs *templ,
	struct derived_key keys[DERIVED_MAX], size_t *n)
{
	struct derivation d = {.mech = mech, .base = base, .compat = m->who.compat, .find = m->find, .arg = m->find_arg};
	CK_RV rv;

	rv = make_allowed(m, mech, base);
	if (rv == CKR_OK)
		rv = attrs_copy(&d.keys[0].templ, templ);
	if (rv == CKR_OK)
		rv = mech_derive_plan(&d);
	for (size_t i = 0; rv == CKR_OK && i < d.n; i++)
		rv = begin_key(m, &d, &d.keys[i]);
	if (rv == CKR_OK)
		rv = mech_derive(&d);
	for (size_t i = 0; rv == CKR_OK && i < d.n; i++)
		rv = finish_key(&d, &d.keys[i].set);
	for (size_t i = 0; rv == CKR_OK && i < d.n; i++)
		rv = make_ledger(m, &d.keys[i].set, HOW_DERIVE);
	if (rv == CKR_OK)
		rv = settle_keys(m, &d, keys);
	if (rv == CKR_OK)
		*n = d.n;
	derivation_free(&d);
	return rv;
}
