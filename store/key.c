#include "key_material.h"

#include <openssl/err.h>
#include <string.h>

#include "mech_des.h"
#include "mech_family.h"
#include "secret.h"
#include "why.h"

/* ---- kinds of asymmetric keys: one row each ---- */

static const struct key_kind kinds[] = {
	{CKK_RSA, key_rsa_parse, key_rsa_put, NULL, key_rsa_check, {"RSA"}},
	{CKK_EC, key_ec_parse, key_ec_put, key_ec_normalise, NULL, {"EC"}},
	{CKK_EC_EDWARDS, key_ec_parse, key_ec_put, key_ec_normalise, NULL, {"ED25519", "ED448"}},
	{CKK_EC_MONTGOMERY, key_ec_parse, key_ec_put, key_ec_normalise, NULL, {"X25519", "X448"}},
	{CKK_DH, key_dh_parse, key_dh_put, key_dh_normalise, NULL, {"DH"}},
	{CKK_DSA, key_dsa_parse, key_dsa_put, NULL, NULL, {"DSA"}},
	{CKK_ML_KEM, key_pq_parse, key_pq_put, key_pq_normalise, NULL, {"ML-KEM-512", "ML-KEM-768", "ML-KEM-1024"}},
	{CKK_ML_DSA, key_pq_parse, key_pq_put, key_pq_normalise, NULL, {"ML-DSA-44", "ML-DSA-65", "ML-DSA-87"}},
	{CKK_SLH_DSA, key_pq_parse, key_pq_put, key_pq_normalise, NULL,
		{"SLH-DSA-SHA2-128s", "SLH-DSA-SHAKE-128s", "SLH-DSA-SHA2-128f", "SLH-DSA-SHAKE-128f",
		"SLH-DSA-SHA2-192s", "SLH-DSA-SHAKE-192s", "SLH-DSA-SHA2-192f", "SLH-DSA-SHAKE-192f",
		"SLH-DSA-SHA2-256s", "SLH-DSA-SHAKE-256s", "SLH-DSA-SHA2-256f", "SLH-DSA-SHAKE-256f"}},
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

const struct key_kind *
key_kind(CK_KEY_TYPE type)
{
	for (size_t i = 0; i < KINDS; i++)
		if (kinds[i].type == type)
			return &kinds[i];
	return NULL;
}

const struct key_kind *
key_kind_of(EVP_PKEY *pkey)
{
	for (size_t i = 0; i < KINDS; i++)
		for (size_t n = 0; n < KEY_NAMES && kinds[i].names[n] != NULL; n++)
			if (EVP_PKEY_is_a(pkey, kinds[i].names[n]))
				return &kinds[i];
	return NULL;
}

/* ---- parsing ---- */

void
key_free(struct key *k)
{
	struct key_ready *r;

	if (k == NULL)
		return;
	while ((r = k->ready) != NULL) {
		k->ready = r->next;
		r->release(r);
	}
	EVP_PKEY_free(k->pkey);
	pthread_mutex_destroy(&k->lock);
	secret_free(k);
}

static CK_RV
parse_secret(const struct attrs *a, struct key *k)
{
	const struct attr *value = attrs_get(a, CKA_VALUE);

	if (value == NULL)
		return why(CKR_TEMPLATE_INCOMPLETE, "CKA_VALUE is missing");
	if (!secret_fits(k->type, value->len))
		return why(CKR_ATTRIBUTE_VALUE_INVALID, "a key of this type cannot have %zu bytes",
			value->len);
	if (k->type == CKK_AES_XTS && equal_ct(value->value, value->value + value->len / 2, value->len / 2))
		return why(CKR_ATTRIBUTE_VALUE_INVALID, "the two halves of an XTS key are the same");
	k->value = value->value;
	k->len = k->size = value->len;
	k->bits = 8 * value->len;
	return CKR_OK;
}

/* Classes whose keys are their CKA_VALUE. */
static bool
key_is_bytes(CK_OBJECT_CLASS class)
{
	return class == CKO_SECRET_KEY || class == CKO_OTP_KEY;
}

CK_RV
key_parse(const struct attrs *a, struct key **out)
{
	CK_OBJECT_CLASS class = attrs_ulong(a, CKA_CLASS, CK_UNAVAILABLE_INFORMATION);
	struct key *k;
	CK_RV rv;

	*out = NULL;
	if ((k = secret_alloc(sizeof(*k))) == NULL)
		return CKR_HOST_MEMORY;
	memset(k, 0, sizeof(*k));
	pthread_mutex_init(&k->lock, NULL);
	k->type = attrs_ulong(a, CKA_KEY_TYPE, CK_UNAVAILABLE_INFORMATION);
	k->private = class == CKO_PRIVATE_KEY;
	k->kind = key_is_bytes(class) ? NULL : key_kind(k->type);

	if (key_is_bytes(class))
		rv = parse_secret(a, k);
	else if (class != CKO_PRIVATE_KEY && class != CKO_PUBLIC_KEY)
		rv = CKR_KEY_TYPE_INCONSISTENT;
	else if (k->kind == NULL)
		rv = why(CKR_KEY_TYPE_INCONSISTENT, "no mechanism works with keys of type 0x%lx", k->type);
	else
		rv = k->kind->parse(a, k->private, k);
	if (rv != CKR_OK) {
		ERR_clear_error();
		key_free(k);
		return rv;
	}
	*out = k;
	return CKR_OK;
}

CK_RV
key_get(struct object *o, struct key **k)
{
	CK_RV rv = CKR_OK;

	pthread_mutex_lock(&o->key_lock);
	if (o->key == NULL)
		rv = key_parse(&o->attrs, &o->key);
	*k = o->key;
	pthread_mutex_unlock(&o->key_lock);
	if (rv == CKR_TEMPLATE_INCOMPLETE)
		rv = CKR_KEY_TYPE_INCONSISTENT; /* an object stored without its value is not a usable key */
	return rv;
}

CK_RV
key_normalise(struct attrs *a)
{
	CK_OBJECT_CLASS class = attrs_ulong(a, CKA_CLASS, CK_UNAVAILABLE_INFORMATION);
	const struct key_kind *kind = key_kind(attrs_ulong(a, CKA_KEY_TYPE, CK_UNAVAILABLE_INFORMATION));

	if ((class != CKO_PUBLIC_KEY && class != CKO_PRIVATE_KEY) || kind == NULL || kind->normalise == NULL)
		return CKR_OK;
	return kind->normalise(a);
}

/* Numbers in their shortest form, and how long they are. */
static CK_RV
check_domain(struct attrs *a, CK_KEY_TYPE type)
{
	EVP_PKEY *pkey = NULL;
	CK_RV rv;

	if (type != CKK_DH && type != CKK_DSA)
		return CKR_OK;
	if ((rv = key_ffc_domain(a, type == CKK_DH ? "DH" : "DSA", 0, &pkey)) == CKR_OK)
		rv = key_ffc_put_domain(a, pkey);
	EVP_PKEY_free(pkey);
	ERR_clear_error();
	return rv;
}

CK_RV
key_check(struct attrs *a)
{
	CK_OBJECT_CLASS class = attrs_ulong(a, CKA_CLASS, CK_UNAVAILABLE_INFORMATION);
	CK_KEY_TYPE type = attrs_ulong(a, CKA_KEY_TYPE, CK_UNAVAILABLE_INFORMATION);
	struct key *k;
	CK_RV rv;

	if (class == CKO_DOMAIN_PARAMETERS)
		return check_domain(a, type);
	if (class != CKO_PUBLIC_KEY && class != CKO_PRIVATE_KEY && !key_is_bytes(class))
		return CKR_OK;
	if ((rv = key_normalise(a)) != CKR_OK)
		return rv;
	rv = key_parse(a, &k);
	if (rv == CKR_KEY_TYPE_INCONSISTENT)
		return why(CKR_ATTRIBUTE_VALUE_INVALID, "CKA_KEY_TYPE 0x%lx is not supported", type);
	if (rv != CKR_OK)
		return rv;
	if (k->private && k->kind->check != NULL)
		rv = k->kind->check(k);
	key_free(k);
	return rv;
}

static CK_RV
digest_start(const struct attr *value, uint8_t out[3])
{
	const struct hash *sha1 = hash_of_digest(CKM_SHA_1);
	uint8_t md[EVP_MAX_MD_SIZE];

	if (EVP_Digest(value->value, value->len, md, NULL, hash_md(sha1), NULL) != 1)
		return mech_failed(CKR_FUNCTION_FAILED, "SHA-1");
	memcpy(out, md, 3);
	return CKR_OK;
}

/* A block of zeros under the key, in ECB mode. */
static CK_RV
zeros_start(const char *cipher, const uint8_t *key, uint8_t out[3])
{
	static const uint8_t zeros[16];
	EVP_CIPHER *c = EVP_CIPHER_fetch(NULL, cipher, NULL);
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	uint8_t block[32];
	int n = 0;
	CK_RV rv = CKR_OK;

	if (c == NULL || ctx == NULL || EVP_EncryptInit_ex2(ctx, c, key, NULL, NULL) != 1 ||
		EVP_CIPHER_CTX_set_padding(ctx, 0) != 1 ||
		EVP_EncryptUpdate(ctx, block, &n, zeros, EVP_CIPHER_get_block_size(c)) != 1 || n < 8)
		rv = mech_failed(CKR_FUNCTION_FAILED, "key check value");
	else
		memcpy(out, block, 3);
	EVP_CIPHER_CTX_free(ctx);
	EVP_CIPHER_free(c);
	return rv;
}

CK_RV
key_check_value(const struct attrs *a, uint8_t out[3])
{
	CK_OBJECT_CLASS class = attrs_ulong(a, CKA_CLASS, CK_UNAVAILABLE_INFORMATION);
	CK_KEY_TYPE type = attrs_ulong(a, CKA_KEY_TYPE, CK_UNAVAILABLE_INFORMATION);
	const struct attr *value = attrs_get(a, CKA_VALUE);
	uint8_t des[DES_EDE_KEY];
	CK_RV rv;

	if (value == NULL || value->len == 0 || (!key_is_bytes(class) && class != CKO_CERTIFICATE))
		return CKR_ATTRIBUTE_TYPE_INVALID;
	if (class == CKO_SECRET_KEY && type == CKK_AES && secret_fits(type, value->len))
		return zeros_start(value->len == 16 ? "AES-128-ECB" : value->len == 24 ? "AES-192-ECB" :
			"AES-256-ECB", value->value, out);
	if (class == CKO_SECRET_KEY && (type == CKK_DES || type == CKK_DES2 || type == CKK_DES3) &&
		secret_fits(type, value->len)) {
		des_expand(value->value, value->len, des);
		rv = zeros_start("DES-EDE3-ECB", des, out);
		wipe(des, sizeof(des));
		return rv;
	}
	return digest_start(value, out);
}
