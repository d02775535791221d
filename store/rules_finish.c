/* rules_finish.c - computes what the standard has the token compute; one function per rule_compute */
#include <string.h>
#include <time.h>

#include <openssl/crypto.h>
#include <openssl/x509.h>

#include "key.h"
#include "rules_table.h"
#include "secret.h"
#include "why.h"

struct finish {
	struct attrs *a;
	enum rules_how how;
	const CK_MECHANISM *mech;
	const struct object *parent;
	X509 *cert; /* parsed CKA_VALUE of a certificate, or NULL */
};

/* Sets what was computed; what the application gave itself must be the same. */
static CK_RV
settle(struct finish *f, CK_ATTRIBUTE_TYPE type, const void *value, size_t len, CK_RV mismatch)
{
	const struct attr *given = attrs_get(f->a, type);
	const struct attr_name *name = attr_name_find(type);

	if (given == NULL || given->len == 0)
		return attrs_set(f->a, type, value, len);
	if (given->len != len || memcmp(given->value, value, len) != 0)
		return why(mismatch, "%s does not agree with the object's value",
			name != NULL ? name->name : "an attribute");
	return CKR_OK;
}

/* ---- keys ---- */

static CK_RV
find_local(struct finish *f, CK_ATTRIBUTE_TYPE type)
{
	return attrs_set_bool(f->a, type, f->how == HOW_GENERATE);
}

static CK_RV
find_key_gen_mechanism(struct finish *f, CK_ATTRIBUTE_TYPE type)
{
	if (f->how == HOW_GENERATE && f->mech != NULL)
		return attrs_set_ulong(f->a, type, f->mech->mechanism);
	return attrs_set_ulong(f->a, type, CK_UNAVAILABLE_INFORMATION);
}

/* Is the key made, by a call that generates, of what the caller holds in his hands: a password? */
static bool
known_outside(const struct finish *f)
{
	return f->how == HOW_GENERATE && f->mech != NULL &&
		(f->mech->mechanism == CKM_PKCS5_PBKD2 || f->mech->mechanism == CKM_PBA_SHA1_WITH_SHA1_HMAC);
}

/* PKCS#11 3.1 5.18.2 to 5.18.5: true from generation on, false once the value was outside; a derived
 * key is at most what its base key is. */
static bool
never_left(const struct finish *f, CK_ATTRIBUTE_TYPE type)
{
	if (f->how == HOW_GENERATE)
		return !known_outside(f);
	return f->how == HOW_DERIVE && f->parent != NULL &&
		attrs_bool(&f->parent->attrs, type, false);
}

static CK_RV
find_always_sensitive(struct finish *f, CK_ATTRIBUTE_TYPE type)
{
	return attrs_set_bool(f->a, type,
		never_left(f, type) && attrs_bool(f->a, CKA_SENSITIVE, true));
}

static CK_RV
find_never_extractable(struct finish *f, CK_ATTRIBUTE_TYPE type)
{
	return attrs_set_bool(f->a, type,
		never_left(f, type) && !attrs_bool(f->a, CKA_EXTRACTABLE, false));
}

static CK_RV
find_modulus_bits(struct finish *f, CK_ATTRIBUTE_TYPE type)
{
	const struct attr *n = attrs_get(f->a, CKA_MODULUS);
	CK_ULONG bits = 0;
	size_t i = 0;
	uint8_t top;

	if (n == NULL)
		return CKR_OK;
	while (i < n->len && n->value[i] == 0)
		i++;
	if (i < n->len) {
		bits = (n->len - i - 1) * 8;
		for (top = n->value[i]; top != 0; top >>= 1)
			bits++;
	}
	return settle(f, type, &bits, sizeof(bits), CKR_TEMPLATE_INCONSISTENT);
}

static CK_RV
find_value_len(struct finish *f, CK_ATTRIBUTE_TYPE type)
{
	const struct attr *v = attrs_get(f->a, CKA_VALUE);
	CK_ULONG len = v != NULL ? v->len : 0;

	return settle(f, type, &len, sizeof(len), CKR_TEMPLATE_INCONSISTENT);
}

/* Three bytes of a hash tell which of a few values it was: none of a secret below the strength of any cipher. The check
 * values of ciphers are theirs by other standards, and DES alone is as short. */
bool
rules_easy_to_guess(const struct attrs *a)
{
	CK_OBJECT_CLASS class = attrs_ulong(a, CKA_CLASS, CK_UNAVAILABLE_INFORMATION);
	const struct attr *v = attrs_get(a, CKA_VALUE);

	return (class == CKO_SECRET_KEY || class == CKO_OTP_KEY) &&
		attrs_ulong(a, CKA_KEY_TYPE, CKK_DES) != CKK_DES && v != NULL && v->len < 14;
}

/* PKCS#11 3.1 4.6.3, 4.10.2: an empty value in the template asks for none. A certificate that is only
 * a URL has none. */
static CK_RV
find_check_value(struct finish *f, CK_ATTRIBUTE_TYPE type)
{
	const struct attr *given = attrs_get(f->a, type);
	uint8_t kcv[3];
	CK_RV rv;

	if (given != NULL && given->len == 0)
		return CKR_OK;
	if (given == NULL && rules_easy_to_guess(f->a))
		return CKR_OK;
	rv = key_check_value(f->a, kcv);
	if (rv == CKR_ATTRIBUTE_TYPE_INVALID)
		return CKR_OK;
	if (rv != CKR_OK)
		return rv;
	return settle(f, type, kcv, sizeof(kcv), CKR_ATTRIBUTE_VALUE_INVALID);
}

/* SubjectPublicKeyInfo of a set that is not an object yet: key.h speaks of objects, so the set is lent
 * to one. A key that cannot tell (an RSA private key without public exponent) or a certificate
 * with an unknown algorithm has none. */
static CK_RV
find_public_key_info(struct finish *f, CK_ATTRIBUTE_TYPE type)
{
	struct object view = {.attrs = *f->a};
	uint8_t *der = NULL;
	size_t len = 0;
	CK_RV rv;

	if (f->how == HOW_GENERATE && attrs_has(f->a, type))
		return CKR_OK; /* by the mechanism, which had the key at hand */
	atomic_init(&view.refs, 1);
	pthread_mutex_init(&view.key_lock, NULL);
	rv = key_to_spki(&view, &der, &len);
	if (rv == CKR_OK)
		rv = settle(f, type, der, len, CKR_ATTRIBUTE_VALUE_INVALID);
	else if (rv != CKR_HOST_MEMORY)
		rv = attrs_has(f->a, type) ? CKR_OK : attrs_set(f->a, type, NULL, 0);
	secret_free(der);
	key_free(view.key);
	pthread_mutex_destroy(&view.key_lock);
	return rv;
}

/* ---- certificates: PKCS#11 3.1 4.6.3 ---- */

/* Fills in a field that the certificate has and the template left out; a template that says it
 * itself is believed, because readers go by the value. */
static CK_RV
set_field(struct finish *f, CK_ATTRIBUTE_TYPE type, uint8_t *der, int len)
{
	CK_RV rv;

	if (len < 0)
		return CKR_ATTRIBUTE_VALUE_INVALID;
	rv = attrs_set(f->a, type, der, (size_t)len);
	OPENSSL_free(der);
	return rv;
}

static CK_RV
find_cert_subject(struct finish *f, CK_ATTRIBUTE_TYPE type)
{
	const struct attr *v = attrs_get(f->a, CKA_VALUE);
	uint8_t *der = NULL;
	int len;

	if (attrs_has(f->a, type))
		return CKR_OK;
	if (f->cert != NULL) {
		len = i2d_X509_NAME(X509_get_subject_name(f->cert), &der);
		return set_field(f, type, der, len);
	}
	if (v == NULL || v->len == 0)
		return why(CKR_TEMPLATE_INCOMPLETE, "CKA_SUBJECT: is needed with CKA_URL");
	return why(CKR_ATTRIBUTE_VALUE_INVALID, "CKA_VALUE: not an X.509 certificate");
}

static CK_RV
find_cert_issuer(struct finish *f, CK_ATTRIBUTE_TYPE type)
{
	uint8_t *der = NULL;
	int len;

	if (attrs_has(f->a, type))
		return CKR_OK;
	if (f->cert == NULL)
		return attrs_set(f->a, type, NULL, 0);
	len = i2d_X509_NAME(X509_get_issuer_name(f->cert), &der);
	return set_field(f, type, der, len);
}

static CK_RV
find_cert_serial(struct finish *f, CK_ATTRIBUTE_TYPE type)
{
	uint8_t *der = NULL;
	int len;

	if (attrs_has(f->a, type))
		return CKR_OK;
	if (f->cert == NULL)
		return attrs_set(f->a, type, NULL, 0);
	len = i2d_ASN1_INTEGER(X509_get0_serialNumber(f->cert), &der);
	return set_field(f, type, der, len);
}

static CK_RV
open_cert(struct finish *f)
{
	const struct attr *v = attrs_get(f->a, CKA_VALUE);
	const struct attr *url = attrs_get(f->a, CKA_URL);
	const uint8_t *p;

	if (v != NULL && v->len > 0) {
		p = v->value;
		f->cert = d2i_X509(NULL, &p, (long)v->len);
		return CKR_OK; /* NULL: whoever needs a field complains */
	}
	if (url == NULL || url->len == 0)
		return why(CKR_TEMPLATE_INCOMPLETE, "CKA_VALUE: is needed");
	return CKR_OK;
}

/* ---- the walk ---- */

static CK_RV (*const finders[RULE_COMPUTES])(struct finish *, CK_ATTRIBUTE_TYPE) = {
	[FIND_LOCAL] = find_local,
	[FIND_KEY_GEN_MECHANISM] = find_key_gen_mechanism,
	[FIND_ALWAYS_SENSITIVE] = find_always_sensitive,
	[FIND_NEVER_EXTRACTABLE] = find_never_extractable,
	[FIND_MODULUS_BITS] = find_modulus_bits,
	[FIND_VALUE_LEN] = find_value_len,
	[FIND_CHECK_VALUE] = find_check_value,
	[FIND_PUBLIC_KEY_INFO] = find_public_key_info,
	[FIND_CERT_SUBJECT] = find_cert_subject,
	[FIND_CERT_ISSUER] = find_cert_issuer,
	[FIND_CERT_SERIAL] = find_cert_serial,
};

static const enum object_origin origins[] = {
	[HOW_CREATE] = ORIGIN_CREATED,
	[HOW_GENERATE] = ORIGIN_GENERATED,
	[HOW_UNWRAP] = ORIGIN_UNWRAPPED,
	[HOW_DERIVE] = ORIGIN_DERIVED,
	[HOW_ENCAPSULATE] = ORIGIN_DERIVED,
	[HOW_DECAPSULATE] = ORIGIN_DERIVED,
};

static CK_ULONG
first_roles(const struct attrs *a)
{
	CK_ULONG roles = rule_roles(a);

	if (attrs_bool(a, CKA_EXTRACTABLE, false))
		roles |= ROLE_LEAVES;
	if (attrs_bool(a, CKA_TRUSTED, false))
		roles |= ROLE_TRUSTED;
	return roles;
}

/* The attributes of our own. */
static CK_RV
set_history(struct finish *f, const struct rule_kind *k)
{
	CK_RV rv;

	rv = attrs_set_ulong(f->a, TKA_ORIGIN, known_outside(f) ? ORIGIN_CREATED : origins[f->how]);
	if (rv == CKR_OK)
		rv = attrs_set_ulong(f->a, TKA_CREATED, (CK_ULONG)time(NULL));
	if (rv == CKR_OK && rule_class_is_key(k->class))
		rv = attrs_set_ulong(f->a, TKA_ROLES, first_roles(f->a));
	return rv;
}

CK_RV
rules_finish(struct attrs *out, enum rules_how how, const CK_MECHANISM *mech,
	const struct object *parent)
{
	struct finish f = {.a = out, .how = how, .mech = mech, .parent = parent};
	struct rule_walk w = {0};
	const struct rule *row;
	struct rule_kind k;
	CK_RV rv;

	rv = rule_kind(out, &k);
	if (rv == CKR_OK && (rule_class_is_key(k.class) || k.class == CKO_DOMAIN_PARAMETERS))
		rv = how == HOW_GENERATE ? key_normalise(out) : key_check(out);
	if (rv == CKR_OK && k.class == CKO_CERTIFICATE && k.subtype == CKC_X_509)
		rv = open_cert(&f);
	while (rv == CKR_OK && (row = rule_next(&k, &w)) != NULL)
		if (row->compute != NOT_COMPUTED)
			rv = finders[row->compute](&f, row->type);
	if (rv == CKR_OK)
		rv = set_history(&f, &k);
	X509_free(f.cert);
	return rv;
}
