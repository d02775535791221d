/*
 * The key derivation functions of SP 800-108 (PKCS#11 3.1 6.42): counter, feedback and double pipeline mode
 *
 * The parameter spells the input of the pseudo-random function as a list of fields. Each round gives a segment; each
 * key begins at a segment of its own, the call's key first, then those of the parameter.
 */
#include <string.h>

#include "mech_prf.h"
#include "mech_variant.h"
#include "why.h"

/* What the two structures of a parameter have in common. */
struct spec {
	const struct hash *hash; /* NULL: CMAC */
	const CK_PRF_DATA_PARAM *fields;
	size_t n_fields;
	const uint8_t *iv;
	size_t iv_len;
	CK_DERIVED_KEY *more;
	size_t n_more;
};

static const struct {
	CK_MECHANISM_TYPE type;
	const char *hash;
} prfs[] = {
	{CKM_SHA_1_HMAC, "SHA1"},
	{CKM_SHA224_HMAC, "SHA2-224"},
	{CKM_SHA256_HMAC, "SHA2-256"},
	{CKM_SHA384_HMAC, "SHA2-384"},
	{CKM_SHA512_HMAC, "SHA2-512"},
	{CKM_SHA512_224_HMAC, "SHA2-512/224"},
	{CKM_SHA512_256_HMAC, "SHA2-512/256"},
	{CKM_SHA3_224_HMAC, "SHA3-224"},
	{CKM_SHA3_256_HMAC, "SHA3-256"},
	{CKM_SHA3_384_HMAC, "SHA3-384"},
	{CKM_SHA3_512_HMAC, "SHA3-512"},
	{CKM_AES_CMAC, NULL},
	{CKM_DES3_CMAC, NULL},
};

/* ---- the parameter ---- */

/* Does the base key's type go with the pseudo-random function? */
static bool
type_goes(CK_KEY_TYPE type, CK_MECHANISM_TYPE prf, const struct hash *h)
{
	if (prf == CKM_AES_CMAC)
		return type == CKK_AES;
	if (prf == CKM_DES3_CMAC)
		return type == CKK_DES2 || type == CKK_DES3;
	return type == CKK_GENERIC_SECRET || type == h->hmac_key;
}

static CK_RV
read_prf(const struct derivation *d, CK_MECHANISM_TYPE type, struct spec *s)
{
	size_t i = 0;

	while (i < sizeof(prfs) / sizeof(prfs[0]) && prfs[i].type != type)
		i++;
	if (i == sizeof(prfs) / sizeof(prfs[0]))
		return mech_bad_param("the pseudo-random function is not supported");
	s->hash = hash_named(prfs[i].hash);
	if (prfs[i].hash != NULL && hash_md(s->hash) == NULL)
		return mech_bad_param("the pseudo-random function is not supported");
	if (object_class(d->base) != CKO_SECRET_KEY || !type_goes(object_key_type(d->base), type, s->hash))
		return why(CKR_KEY_TYPE_INCONSISTENT, "the base key is not of the pseudo-random function");
	return CKR_OK;
}

static CK_RV
read_param(const struct derivation *d, struct spec *s)
{
	const CK_SP800_108_FEEDBACK_KDF_PARAMS *f = mech_param(d->mech, sizeof(*f));
	const CK_SP800_108_KDF_PARAMS *p = mech_param(d->mech, sizeof(*p));

	memset(s, 0, sizeof(*s));
	if (d->row->variant == KDF_FEEDBACK && f != NULL) {
		*s = (struct spec){.fields = f->pDataParams, .n_fields = f->ulNumberOfDataParams, .iv = f->pIV,
			.iv_len = f->ulIVLen, .more = f->pAdditionalDerivedKeys, .n_more = f->ulAdditionalDerivedKeys};
		return read_prf(d, f->prfType, s);
	}
	if (d->row->variant == KDF_FEEDBACK || p == NULL)
		return mech_bad_param("its structure is missing");
	*s = (struct spec){.fields = p->pDataParams, .n_fields = p->ulNumberOfDataParams,
		.more = p->pAdditionalDerivedKeys, .n_more = p->ulAdditionalDerivedKeys};
	return read_prf(d, p->prfType, s);
}

static bool
good_counter(const CK_PRF_DATA_PARAM *f)
{
	const CK_SP800_108_COUNTER_FORMAT *c = f->pValue;

	return c != NULL && f->ulValueLen == sizeof(*c) && c->ulWidthInBits % 8 == 0 && c->ulWidthInBits >= 8 &&
		c->ulWidthInBits <= 32;
}

static bool
good_length(const CK_PRF_DATA_PARAM *f)
{
	const CK_SP800_108_DKM_LENGTH_FORMAT *l = f->pValue;

	return l != NULL && f->ulValueLen == sizeof(*l) && l->ulWidthInBits % 8 == 0 && l->ulWidthInBits >= 8 &&
		l->ulWidthInBits <= 64 && (l->dkmLengthMethod == CK_SP800_108_DKM_LENGTH_SUM_OF_KEYS ||
		l->dkmLengthMethod == CK_SP800_108_DKM_LENGTH_SUM_OF_SEGMENTS);
}

static CK_RV
check_field(struct derivation *d, const CK_PRF_DATA_PARAM *f)
{
	struct object *o;

	switch (f->type) {
	case CK_SP800_108_ITERATION_VARIABLE:
		if (d->row->variant == KDF_COUNTER ? good_counter(f) : f->ulValueLen == 0)
			return CKR_OK;
		return mech_bad_param("the iteration variable");
	case CK_SP800_108_COUNTER:
		if (d->row->variant != KDF_COUNTER && good_counter(f))
			return CKR_OK;
		return mech_bad_param("the counter");
	case CK_SP800_108_DKM_LENGTH:
		return good_length(f) ? CKR_OK : mech_bad_param("the length of the keying material");
	case CK_SP800_108_BYTE_ARRAY:
		return f->pValue != NULL && f->ulValueLen > 0 ? CKR_OK : mech_bad_param("an empty field");
	case CK_SP800_108_KEY_HANDLE:
		if (f->pValue == NULL || f->ulValueLen != sizeof(CK_OBJECT_HANDLE))
			return mech_bad_param("the handle of a key");
		return derive_from(d, *(const CK_OBJECT_HANDLE *)f->pValue, &o);
	default:
		return mech_bad_param("an unknown field");
	}
}

static CK_RV
check_fields(struct derivation *d, const struct spec *s)
{
	size_t seen[CK_SP800_108_KEY_HANDLE + 1] = {0};
	CK_RV rv = CKR_OK;

	for (size_t i = 0; rv == CKR_OK && i < s->n_fields; i++)
		if ((rv = check_field(d, &s->fields[i])) == CKR_OK)
			seen[s->fields[i].type]++;
	if (rv == CKR_OK && (seen[CK_SP800_108_ITERATION_VARIABLE] != 1 || seen[CK_SP800_108_COUNTER] > 1 ||
		seen[CK_SP800_108_DKM_LENGTH] > 1))
		return mech_bad_param("one iteration variable, and at most one counter and one length");
	return rv;
}

/* PKCS#11 3.1 6.42.8: what the template leaves out is as in the base key. */
static CK_RV
plan_key(const struct derivation *d, struct derived *key)
{
	static const CK_ATTRIBUTE_TYPE from_base[] = {CKA_SENSITIVE, CKA_EXTRACTABLE};
	CK_RV rv = derive_secret(key);

	return rv == CKR_OK ? derive_inherit(key, d->base, from_base, 2) : rv;
}

static CK_RV
kdf_plan(struct derivation *d)
{
	struct derived *key;
	struct spec s;
	CK_RV rv = read_param(d, &s);

	if (rv == CKR_OK)
		rv = check_fields(d, &s);
	d->inner = d->n_others > 0; /* HMAC(base, key): HKDF's extraction */
	if (rv == CKR_OK)
		rv = plan_key(d, &d->keys[0]);
	for (size_t i = 0; rv == CKR_OK && i < s.n_more; i++) {
		if (s.more[i].phKey == NULL)
			return mech_bad_param("no place for the handle of a further key");
		if ((rv = derive_further(d, &key)) == CKR_OK &&
			(rv = attrs_from_array(&key->templ, s.more[i].pTemplate, s.more[i].ulAttributeCount)) == CKR_OK)
			rv = plan_key(d, key);
		if (rv == CKR_OK)
			key->at = s.more[i].phKey;
	}
	return rv;
}

/* ---- the work ---- */

struct run {
	const struct derivation *d;
	const struct spec *s;
	struct prf prf;
	uint32_t i;                     /* of the round, from 1 */
	uint64_t key_bits, segment_bits; /* the two ways to count what is made */
	uint8_t last[PRF_MAX];          /* K(i - 1), or A(i) */
	size_t last_len;                /* 0 in feedback mode's first round: the IV */
};

static void
add_number(struct prf *f, uint64_t v, size_t bits, bool little)
{
	uint8_t b[8];
	size_t n = bits / 8;

	for (size_t k = 0; k < n; k++)
		b[little ? k : n - 1 - k] = (uint8_t)(v >> (8 * k));
	prf_add(f, b, n);
}

static void
add_counter(struct run *r, const CK_PRF_DATA_PARAM *f)
{
	const CK_SP800_108_COUNTER_FORMAT *c = f->pValue;

	add_number(&r->prf, r->i, c->ulWidthInBits, c->bLittleEndian);
}

static void
add_length(struct run *r, const CK_PRF_DATA_PARAM *f)
{
	const CK_SP800_108_DKM_LENGTH_FORMAT *l = f->pValue;
	bool keys = l->dkmLengthMethod == CK_SP800_108_DKM_LENGTH_SUM_OF_KEYS;

	add_number(&r->prf, keys ? r->key_bits : r->segment_bits, l->ulWidthInBits, l->bLittleEndian);
}

static void
add_key(struct run *r, const struct object *o)
{
	const struct attr *v = attrs_get(&o->attrs, CKA_VALUE);

	if (v != NULL)
		prf_add(&r->prf, v->value, v->len);
	else
		r->prf.rv = CKR_KEY_TYPE_INCONSISTENT;
}

static void
add_iteration(struct run *r, const CK_PRF_DATA_PARAM *f)
{
	if (r->d->row->variant == KDF_COUNTER)
		add_counter(r, f);
	else if (r->last_len == 0)
		prf_add(&r->prf, r->s->iv, r->s->iv_len);
	else
		prf_add(&r->prf, r->last, r->last_len);
}

/* The fields in their order; with what changes from round to round, or without (the IV of the double pipeline). */
static void
add_fields(struct run *r, bool changing)
{
	size_t named = 0;

	for (size_t k = 0; k < r->s->n_fields; k++) {
		const CK_PRF_DATA_PARAM *f = &r->s->fields[k];

		if (f->type == CK_SP800_108_BYTE_ARRAY)
			prf_add(&r->prf, f->pValue, f->ulValueLen);
		else if (f->type == CK_SP800_108_KEY_HANDLE)
			add_key(r, r->d->others[named++]);
		else if (f->type == CK_SP800_108_DKM_LENGTH)
			add_length(r, f);
		else if (changing && f->type == CK_SP800_108_COUNTER)
			add_counter(r, f);
		else if (changing)
			add_iteration(r, f);
	}
}

static CK_RV
next_segment(struct run *r, uint8_t *out)
{
	CK_RV rv = CKR_OK;

	r->i++;
	if (r->d->row->variant == KDF_DOUBLE_PIPELINE) { /* A(i) = PRF(A(i - 1)), A(0) the IV */
		if (r->i == 1)
			add_fields(r, false);
		else
			prf_add(&r->prf, r->last, r->last_len);
		rv = prf_end(&r->prf, r->last);
		r->last_len = r->prf.size;
	}
	if (rv != CKR_OK)
		return rv;
	add_fields(r, true);
	rv = prf_end(&r->prf, out);
	if (r->d->row->variant == KDF_FEEDBACK) {
		memcpy(r->last, out, r->prf.size);
		r->last_len = r->prf.size;
	}
	return rv;
}

/* Do the counter and the length fit the places that the parameter gives them? */
static CK_RV
check_widths(const struct run *r, uint64_t segments)
{
	for (size_t k = 0; k < r->s->n_fields; k++) {
		const CK_PRF_DATA_PARAM *f = &r->s->fields[k];
		const CK_SP800_108_COUNTER_FORMAT *c = f->pValue;
		const CK_SP800_108_DKM_LENGTH_FORMAT *l = f->pValue;

		if ((f->type == CK_SP800_108_COUNTER ||
			(f->type == CK_SP800_108_ITERATION_VARIABLE && r->d->row->variant == KDF_COUNTER)) &&
			segments >> c->ulWidthInBits != 0)
			return mech_bad_param("the counter is too narrow for keys of this length");
		if (f->type == CK_SP800_108_DKM_LENGTH && l->ulWidthInBits < 64 &&
			(l->dkmLengthMethod == CK_SP800_108_DKM_LENGTH_SUM_OF_KEYS ? r->key_bits : r->segment_bits) >>
			l->ulWidthInBits != 0)
			return mech_bad_param("the length is too narrow for keys of this length");
	}
	return CKR_OK;
}

static CK_RV
key_lengths(struct run *r, const struct derivation *d, size_t *len)
{
	uint64_t segments = 0, input = 2 * PRF_MAX + r->s->iv_len;
	CK_RV rv = CKR_OK;

	for (size_t i = 0; i < r->s->n_fields; i++)
		input += r->s->fields[i].ulValueLen;
	for (size_t i = 0; i < d->n_others; i++)
		input += attrs_ulong(&d->others[i]->attrs, CKA_VALUE_LEN, SECRET_MAX);
	for (size_t i = 0; rv == CKR_OK && i < d->n; i++) {
		rv = derive_length(&d->keys[i], SECRET_MAX, &len[i]);
		if (rv != CKR_OK)
			break;
		r->key_bits += 8 * (uint64_t)len[i];
		segments += (len[i] + r->prf.size - 1) / r->prf.size;
	}
	r->segment_bits = segments * r->prf.size * 8;
	if (rv == CKR_OK && segments * input > PRF_WORK_MAX)
		return mech_bad_param("too much input for keys of this length");
	return rv == CKR_OK ? check_widths(r, segments) : rv;
}

static CK_RV
make_key(struct run *r, struct derived *key, size_t len)
{
	struct bytes b = {0};
	CK_RV rv = bytes_reserve(&b, len + r->prf.size);

	while (rv == CKR_OK && b.len < len) {
		rv = next_segment(r, b.data + b.len);
		b.len += r->prf.size;
	}
	if (rv == CKR_OK)
		rv = derive_put(key, b.data, len);
	bytes_free(&b);
	return rv;
}

static CK_RV
kdf_derive(struct derivation *d)
{
	CK_KEY_TYPE type = object_key_type(d->base);
	size_t len[DERIVED_MAX], base_len = 0;
	const uint8_t *base = NULL;
	struct spec s;
	struct run r = {.d = d, .s = &s};
	CK_RV rv;

	rv = read_param(d, &s);
	if (rv == CKR_OK)
		rv = derive_base(d, &base, &base_len);
	if (rv == CKR_OK)
		rv = s.hash != NULL ? prf_hmac(&r.prf, s.hash, base, base_len) :
			prf_cmac(&r.prf, type, base, base_len);
	if (rv == CKR_OK)
		rv = key_lengths(&r, d, len);
	for (size_t i = 0; rv == CKR_OK && i < d->n; i++)
		rv = make_key(&r, &d->keys[i], len[i]);
	prf_free(&r.prf);
	wipe(r.last, sizeof(r.last));
	return rv;
}

static const struct mech_family family_sp800_108 = {.bits = true, .plan = kdf_plan, .derive = kdf_derive};

/* Which key types go depends on the pseudo-random function. */
#define KDF(type, variant) {type, CKF_DERIVE, 8, 8 * SECRET_MAX, NO_KEYS, NULL, variant, &family_sp800_108}
static const struct mech rows[] = {
	KDF(CKM_SP800_108_COUNTER_KDF, KDF_COUNTER),
	KDF(CKM_SP800_108_FEEDBACK_KDF, KDF_FEEDBACK),
	KDF(CKM_SP800_108_DOUBLE_PIPELINE_KDF, KDF_DOUBLE_PIPELINE),
};
const struct mech_rows mech_sp800_108_rows = {MECH_ROWS(rows)};
