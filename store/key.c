#include "key_material.h"

#include <openssl/err.h>
#include <string.h>

#include "der.h"
#include "mech_family.h"
#include "secret.h"
#include "why.h"

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
	k->value = value->value;
	k->len = k->size = value->len;
	k->bits = 8 * value->len;
	return CKR_OK;
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

	if (class == CKO_SECRET_KEY)
		rv = parse_secret(a, k);
	else if (class != CKO_PRIVATE_KEY && class != CKO_PUBLIC_KEY)
		rv = CKR_KEY_TYPE_INCONSISTENT;
	else if (k->type == CKK_RSA)
		rv = key_rsa_parse(a, k->private, k);
	else if (k->type == CKK_EC || k->type == CKK_EC_EDWARDS || k->type == CKK_EC_MONTGOMERY)
		rv = key_ec_parse(a, k->private, k);
	else
		rv = why(CKR_KEY_TYPE_INCONSISTENT, "no mechanism works with keys of type 0x%lx", k->type);
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

/* CKA_EC_POINT is a DER octet string (PKCS#11 3.1 6.3.3); many clients give the bare point. */
CK_RV
key_normalise(struct attrs *a)
{
	const struct attr *params = attrs_get(a, CKA_EC_PARAMS), *point = attrs_get(a, CKA_EC_POINT);
	const struct curve *c;
	const uint8_t *raw;
	uint8_t der[4 + POINT_MAX];
	size_t n, at;
	CK_RV rv;

	if (params == NULL || point == NULL)
		return CKR_OK;
	if ((rv = curve_find(params->value, params->len, &c)) != CKR_OK)
		return rv;
	if (!key_ec_raw_point(c, point->value, point->len, &raw, &n))
		return why(CKR_ATTRIBUTE_VALUE_INVALID, "CKA_EC_POINT is not a point of %s", c->name[0]);
	at = der_put_header(der, DER_OCTET_STRING, n);
	memcpy(der + at, raw, n);
	return attrs_set(a, CKA_EC_POINT, der, at + n);
}

CK_RV
key_check(struct attrs *a)
{
	CK_OBJECT_CLASS class = attrs_ulong(a, CKA_CLASS, CK_UNAVAILABLE_INFORMATION);
	CK_KEY_TYPE type = attrs_ulong(a, CKA_KEY_TYPE, CK_UNAVAILABLE_INFORMATION);
	struct key *k;
	CK_RV rv;

	if (class != CKO_PUBLIC_KEY && class != CKO_PRIVATE_KEY && class != CKO_SECRET_KEY)
		return CKR_OK;
	if ((rv = key_normalise(a)) != CKR_OK)
		return rv;
	rv = key_parse(a, &k);
	if (rv == CKR_KEY_TYPE_INCONSISTENT)
		return why(CKR_ATTRIBUTE_VALUE_INVALID, "CKA_KEY_TYPE 0x%lx is not supported", type);
	if (rv == CKR_OK && k->type == CKK_RSA && k->private)
		rv = key_rsa_check(k);
	if (rv == CKR_OK)
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
zeros_start(const char *cipher, const struct attr *value, uint8_t out[3])
{
	static const uint8_t zeros[16];
	EVP_CIPHER *c = EVP_CIPHER_fetch(NULL, cipher, NULL);
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	uint8_t block[32];
	int n = 0;
	CK_RV rv = CKR_OK;

	if (c == NULL || ctx == NULL || EVP_EncryptInit_ex2(ctx, c, value->value, NULL, NULL) != 1 ||
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

	if (value == NULL || value->len == 0 || (class != CKO_SECRET_KEY && class != CKO_CERTIFICATE))
		return CKR_ATTRIBUTE_TYPE_INVALID;
	if (class == CKO_SECRET_KEY && type == CKK_AES && secret_fits(type, value->len))
		return zeros_start(value->len == 16 ? "AES-128-ECB" : value->len == 24 ? "AES-192-ECB" :
			"AES-256-ECB", value, out);
	if (class == CKO_SECRET_KEY && type == CKK_DES3 && value->len == 24)
		return zeros_start("DES-EDE3-ECB", value, out);
	return digest_start(value, out);
}
