/* Keys in other people's envelopes: PKCS#8 and SubjectPublicKeyInfo. */
#include "key_material.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <string.h>

#include "mech_family.h"
#include "secret.h"
#include "why.h"

CK_RV
key_set_bn(struct attrs *a, CK_ATTRIBUTE_TYPE type, const BIGNUM *n, size_t size)
{
	struct bytes b = {0};
	CK_RV rv;

	if (size == 0)
		size = (size_t)BN_num_bytes(n);
	if ((rv = bytes_reserve(&b, size + 1)) != CKR_OK)
		return rv;
	if (BN_bn2binpad(n, b.data, (int)size) < 0)
		rv = mech_failed(CKR_ATTRIBUTE_VALUE_INVALID, "number");
	else
		rv = attrs_set(a, type, b.data, size);
	bytes_free(&b);
	return rv;
}

static CK_RV
put(struct attrs *a, EVP_PKEY *pkey, bool private)
{
	CK_KEY_TYPE old = attrs_ulong(a, CKA_KEY_TYPE, CK_UNAVAILABLE_INFORMATION);
	const struct key_kind *kind = key_kind_of(pkey);
	CK_RV rv;

	if (kind == NULL)
		return why(CKR_ATTRIBUTE_VALUE_INVALID, "a key of a type that is not supported");
	if (old != CK_UNAVAILABLE_INFORMATION && old != kind->type)
		return why(CKR_TEMPLATE_INCONSISTENT, "the key is not of the type that CKA_KEY_TYPE says");
	if ((rv = attrs_set_ulong(a, CKA_KEY_TYPE, kind->type)) != CKR_OK)
		return rv;
	return kind->put(a, pkey, private);
}

CK_RV
key_put_public(struct attrs *a, EVP_PKEY *pkey)
{
	return put(a, pkey, false);
}

CK_RV
key_put_private(struct attrs *a, EVP_PKEY *pkey)
{
	return put(a, pkey, true);
}

CK_RV
key_put_pair(struct attrs *pub, struct attrs *priv, EVP_PKEY *pkey)
{
	CK_RV rv;

	if ((rv = key_put_public(pub, pkey)) == CKR_OK && (rv = key_put_private(priv, pkey)) == CKR_OK &&
		(rv = key_put_info(pub, pkey)) == CKR_OK)
		rv = key_put_info(priv, pkey);
	return rv;
}

/* Into memory of our own arena, whatever memory OpenSSL uses. */
static CK_RV
take_over(unsigned char *made, int n, uint8_t **der, size_t *len)
{
	CK_RV rv = CKR_HOST_MEMORY;

	if (n <= 0)
		return mech_failed(CKR_FUNCTION_FAILED, "DER of the key");
	if ((*der = secret_alloc((size_t)n)) != NULL) {
		memcpy(*der, made, (size_t)n);
		*len = (size_t)n;
		rv = CKR_OK;
	}
	OPENSSL_clear_free(made, (size_t)n);
	return rv;
}

CK_RV
key_spki(EVP_PKEY *pkey, uint8_t **der, size_t *len)
{
	unsigned char *made = NULL;
	int n = i2d_PUBKEY(pkey, &made);

	return take_over(made, n, der, len);
}

CK_RV
key_put_info(struct attrs *a, EVP_PKEY *pkey)
{
	uint8_t *der = NULL;
	size_t len;
	CK_RV rv = key_spki(pkey, &der, &len);

	if (rv == CKR_OK)
		rv = attrs_set(a, CKA_PUBLIC_KEY_INFO, der, len);
	secret_free(der);
	return rv;
}

CK_RV
key_to_pkcs8(struct object *o, uint8_t **der, size_t *len)
{
	PKCS8_PRIV_KEY_INFO *info = NULL;
	unsigned char *made = NULL;
	struct key *k;
	int n = -1;
	CK_RV rv;

	if ((rv = key_get(o, &k)) != CKR_OK)
		return rv;
	if (!k->private || k->pkey == NULL)
		return CKR_KEY_TYPE_INCONSISTENT;
	if ((info = EVP_PKEY2PKCS8(k->pkey)) != NULL)
		n = i2d_PKCS8_PRIV_KEY_INFO(info, &made);
	PKCS8_PRIV_KEY_INFO_free(info);
	return take_over(made, n, der, len);
}

/* OpenSSL computes the public value of a DSA key as it reads it, whatever the length of the numbers: for hours if they are
 * long enough. One of 3072 bits takes less than 900 bytes. */
#define DSA_PKCS8_MAX 1024

static bool
is_endless(const PKCS8_PRIV_KEY_INFO *info, size_t len)
{
	const ASN1_OBJECT *algorithm = NULL;

	return PKCS8_pkey_get0(&algorithm, NULL, NULL, NULL, info) == 1 && OBJ_obj2nid(algorithm) == NID_dsa &&
		len > DSA_PKCS8_MAX;
}

CK_RV
key_from_pkcs8(const uint8_t *der, size_t len, struct attrs *priv)
{
	PKCS8_PRIV_KEY_INFO *info = NULL;
	const unsigned char *p = der;
	EVP_PKEY *pkey = NULL;
	CK_RV rv;

	if (len > LONG_MAX || (info = d2i_PKCS8_PRIV_KEY_INFO(NULL, &p, (long)len)) == NULL ||
		p != der + len || is_endless(info, len) || (pkey = EVP_PKCS82PKEY(info)) == NULL)
		rv = mech_failed(CKR_ATTRIBUTE_VALUE_INVALID, "PKCS#8 private key");
	else
		rv = key_put_private(priv, pkey);
	EVP_PKEY_free(pkey);
	PKCS8_PRIV_KEY_INFO_free(info);
	ERR_clear_error();
	return rv;
}

static CK_RV
certificate_spki(const struct attrs *a, uint8_t **der, size_t *len)
{
	const struct attr *value = attrs_get(a, CKA_VALUE);
	const unsigned char *p;
	EVP_PKEY *pkey;
	X509 *x = NULL;
	CK_RV rv;

	if (value == NULL)
		return CKR_TEMPLATE_INCOMPLETE;
	p = value->value;
	if ((x = d2i_X509(NULL, &p, (long)value->len)) == NULL || (pkey = X509_get0_pubkey(x)) == NULL)
		rv = mech_failed(CKR_ATTRIBUTE_VALUE_INVALID, "certificate");
	else
		rv = key_spki(pkey, der, len);
	X509_free(x);
	return rv;
}

CK_RV
key_to_spki(struct object *o, uint8_t **der, size_t *len)
{
	struct key *k;
	CK_RV rv;

	if (object_class(o) == CKO_CERTIFICATE)
		return certificate_spki(&o->attrs, der, len);
	if ((rv = key_get(o, &k)) != CKR_OK)
		return rv;
	if (k->pkey == NULL)
		return CKR_KEY_TYPE_INCONSISTENT;
	return key_spki(k->pkey, der, len);
}

CK_RV
key_from_spki(const uint8_t *der, size_t len, struct attrs *pub)
{
	const unsigned char *p = der;
	EVP_PKEY *pkey = NULL;
	CK_RV rv;

	if (len > LONG_MAX || (pkey = d2i_PUBKEY(NULL, &p, (long)len)) == NULL || p != der + len)
		rv = mech_failed(CKR_ATTRIBUTE_VALUE_INVALID, "SubjectPublicKeyInfo");
	else
		rv = key_put_public(pub, pkey);
	EVP_PKEY_free(pkey);
	ERR_clear_error();
	return rv;
}
