/* The two halves of a derivation, and what the families that derive (mech_ecdh.c, mech_hkdf.c ...) share. */
#include <string.h>

#include "mech_family.h"
#include "rules.h"
#include "why.h"

/* ---- the plan ---- */

/* PKCS#11 3.1 5.18.5 and the mechanisms' sections: a derived key is a secret key, a generic one if
 * the template does not say. */
CK_RV
derive_secret(struct derived *key)
{
	CK_RV rv = attrs_set_ulong(&key->implied, CKA_CLASS, CKO_SECRET_KEY);

	if (rv == CKR_OK && !attrs_has(&key->templ, CKA_KEY_TYPE))
		rv = attrs_set_ulong(&key->implied, CKA_KEY_TYPE, CKK_GENERIC_SECRET);
	return rv;
}

/* An agreed secret of the session that the template says nothing about can be read: it tells nothing of the private key,
 * and TLS clients work on it themselves (SunPKCS11, whose template is class and type alone). */
CK_RV
derive_agreed(struct derivation *d)
{
	struct derived *key = &d->keys[0];
	CK_RV rv = derive_secret(key);

	if (attrs_bool(&key->templ, CKA_TOKEN, false) || attrs_has(&key->templ, CKA_SENSITIVE) ||
		attrs_has(&key->templ, CKA_EXTRACTABLE))
		return rv;
	if (rv == CKR_OK)
		rv = attrs_set_bool(&key->defaults, CKA_SENSITIVE, false);
	return rv == CKR_OK ? attrs_set_bool(&key->defaults, CKA_EXTRACTABLE, true) : rv;
}

/* RFC 2104 2: of a key longer than the hash's block HMAC takes the hash. No block is shorter than this. */
#define SHORTEST_BLOCK 64

CK_RV
derive_hash(struct derivation *d)
{
	const struct attr *v = attrs_get(&d->base->attrs, CKA_VALUE);

	d->inner = v != NULL && v->len > SHORTEST_BLOCK;
	return derive_secret(&d->keys[0]);
}

CK_RV
derive_inherit(struct derived *key, const struct object *base, const CK_ATTRIBUTE_TYPE *types, size_t n)
{
	const struct attr *a;
	CK_RV rv = CKR_OK;

	for (size_t i = 0; rv == CKR_OK && i < n; i++)
		if ((a = attrs_get(&base->attrs, types[i])) != NULL)
			rv = attrs_set_attr(&key->defaults, a);
	return rv;
}

CK_RV
derive_further(struct derivation *d, struct derived **key)
{
	if (d->n == DERIVED_MAX)
		return mech_bad_param("too many keys at once");
	*key = &d->keys[d->n++];
	return CKR_OK;
}

CK_RV
derive_from(struct derivation *d, CK_OBJECT_HANDLE h, struct object **o)
{
	struct object *found = NULL;
	CK_RV rv;

	*o = NULL;
	if (d->n_others == DERIVED_FROM_MAX)
		return mech_bad_param("too many keys to derive from");
	if (d->find == NULL)
		return CKR_KEY_HANDLE_INVALID;
	rv = d->find(d->arg, h, &found);
	if (rv == CKR_OK)
		rv = rules_use(found, d->mech->mechanism, CKF_DERIVE);
	if (rv == CKR_OK && object_class(found) != CKO_SECRET_KEY)
		rv = why(CKR_KEY_TYPE_INCONSISTENT, "the key that the parameter names is no secret key");
	if (rv != CKR_OK) {
		object_put(found);
		return rv;
	}
	d->others[d->n_others++] = found; /* transferred */
	*o = found;
	return CKR_OK;
}

/* Secret keys: the sizes that the row tells. Whose base is a private key, its curve or modulus says it all. */
static CK_RV
check_size(const struct derivation *d)
{
	const struct attr *v = attrs_get(&d->base->attrs, CKA_VALUE);
	size_t size;

	if (object_class(d->base) != CKO_SECRET_KEY || v == NULL)
		return CKR_OK;
	size = d->row->family->bits ? 8 * v->len : v->len;
	if (size < d->row->min || size > d->row->max)
		return why(CKR_KEY_SIZE_RANGE, "mechanism 0x%lx takes keys of %lu to %lu, this one has %zu", d->row->type,
			d->row->min, d->row->max, size);
	return CKR_OK;
}

CK_RV
mech_derive_plan(struct derivation *d)
{
	CK_RV rv;

	d->n = 1;
	d->row = d->mech != NULL ? mech_find(d->mech->mechanism) : NULL;
	if (d->row == NULL || (d->row->flags & CKF_DERIVE) == 0 || d->row->family->derive == NULL)
		return why(CKR_MECHANISM_INVALID, "no key is derived by this mechanism");
	rv = rules_use(d->base, d->row->type, CKF_DERIVE);
	if (rv == CKR_OK)
		rv = check_size(d);
	if (rv != CKR_OK)
		return rv;
	return d->row->family->plan != NULL ? d->row->family->plan(d) : derive_secret(&d->keys[0]);
}

CK_RV
mech_derive(struct derivation *d)
{
	return d->row->family->derive(d);
}

void
derivation_free(struct derivation *d)
{
	for (size_t i = 0; i < DERIVED_MAX; i++) {
		attrs_free(&d->keys[i].templ);
		attrs_free(&d->keys[i].implied);
		attrs_free(&d->keys[i].defaults);
		attrs_free(&d->keys[i].set);
	}
	for (size_t i = 0; i < d->n_others; i++)
		object_put(d->others[i]);
	d->n_others = 0;
}

/* ---- values ---- */

CK_RV
derive_base(const struct derivation *d, const uint8_t **value, size_t *len)
{
	struct key *k;
	CK_RV rv;

	if (object_class(d->base) != CKO_SECRET_KEY)
		return why(CKR_KEY_TYPE_INCONSISTENT, "the base of this derivation is a secret key");
	if ((rv = key_get(d->base, &k)) != CKR_OK)
		return rv;
	*value = k->value;
	*len = k->len;
	return CKR_OK;
}

CK_RV
derive_length(const struct derived *key, size_t have, size_t *len)
{
	CK_KEY_TYPE type = attrs_ulong(&key->set, CKA_KEY_TYPE, CKK_GENERIC_SECRET);
	const struct attr *asked = attrs_get(&key->set, CKA_VALUE_LEN);

	if (asked != NULL)
		*len = attrs_ulong(&key->set, CKA_VALUE_LEN, 0);
	else if (secret_length_of(type) != 0)
		*len = secret_length_of(type);
	else if (type == CKK_GENERIC_SECRET && have < SECRET_MAX)
		*len = have;
	else
		return why(CKR_TEMPLATE_INCOMPLETE, "CKA_VALUE_LEN is missing");
	if (asked != NULL && (!secret_fits(type, *len) || *len > have))
		return why(CKR_ATTRIBUTE_VALUE_INVALID, "%zu bytes cannot be derived for this key type", *len);
	if (*len > have)
		return why(CKR_KEY_SIZE_RANGE, "%zu bytes are not enough for a key of this type", have);
	return CKR_OK;
}

CK_RV
derive_put(struct derived *key, const uint8_t *value, size_t len)
{
	CK_KEY_TYPE type = attrs_ulong(&key->set, CKA_KEY_TYPE, CKK_GENERIC_SECRET);
	uint8_t des[24];
	CK_RV rv;

	if ((type != CKK_DES && type != CKK_DES2 && type != CKK_DES3) || len > sizeof(des))
		return secret_put(&key->set, value, len);
	memcpy(des, value, len);
	secret_set_parity(des, len);
	rv = secret_put(&key->set, des, len);
	wipe(des, sizeof(des));
	return rv;
}

CK_RV
derive_agree(const struct key *k, EVP_PKEY *peer, int (*set_up)(EVP_PKEY_CTX *ctx), const char *name, struct bytes *z)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, k->pkey, NULL);
	size_t len = k->size;
	CK_RV rv;

	if ((rv = bytes_reserve(z, k->size)) != CKR_OK)
		goto out;
	if (ctx == NULL || EVP_PKEY_derive_init(ctx) != 1 || (set_up != NULL && set_up(ctx) != 1) ||
		EVP_PKEY_derive_set_peer(ctx, peer) != 1 || EVP_PKEY_derive(ctx, z->data, &len) != 1)
		rv = mech_failed(CKR_MECHANISM_PARAM_INVALID, name);
	else
		z->len = len;
out:
	EVP_PKEY_CTX_free(ctx);
	return rv;
}

CK_RV
derive_put_end(struct derived *key, const struct bytes *z)
{
	CK_KEY_TYPE type = attrs_ulong(&key->set, CKA_KEY_TYPE, CKK_GENERIC_SECRET);
	size_t len = z->len;
	CK_RV rv;

	if (attrs_has(&key->set, CKA_VALUE_LEN) || secret_length_of(type) != 0 || !secret_fits(type, z->len))
		if ((rv = derive_length(key, z->len, &len)) != CKR_OK)
			return rv;
	return derive_put(key, z->data + z->len - len, len);
}
