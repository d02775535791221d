/* keys.c - templates and keys: OpenSSL's as objects of the token, the token's as OpenSSL's */
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/x509.h>

#include "cross.h"

/* ---- templates ---- */
void
templ_blob(struct templ *t, CK_ATTRIBUTE_TYPE type, struct blob value)
{
	must_be(t->n < NELEMS(t->a), "a template with too many attributes");
	t->a[t->n++] = (CK_ATTRIBUTE){type, value.data, value.len};
}

void
templ_ulong(struct templ *t, CK_ATTRIBUTE_TYPE type, CK_ULONG value)
{
	templ_blob(t, type, blob_of(&value, sizeof(value)));
}

void
templ_bool(struct templ *t, CK_ATTRIBUTE_TYPE type, bool value)
{
	CK_BBOOL b = value ? CK_TRUE : CK_FALSE;

	templ_blob(t, type, blob_of(&b, sizeof(b)));
}

static const struct {
	CK_FLAGS flag;
	CK_ATTRIBUTE_TYPE attr;
} uses_attrs[] = {
	{CKF_ENCRYPT, CKA_ENCRYPT},
	{CKF_DECRYPT, CKA_DECRYPT},
	{CKF_SIGN, CKA_SIGN},
	{CKF_VERIFY, CKA_VERIFY},
	{CKF_SIGN_RECOVER, CKA_SIGN_RECOVER},
	{CKF_VERIFY_RECOVER, CKA_VERIFY_RECOVER},
	{CKF_WRAP, CKA_WRAP},
	{CKF_UNWRAP, CKA_UNWRAP},
	{CKF_DERIVE, CKA_DERIVE},
	{CKF_ENCAPSULATE, CKA_ENCAPSULATE},
	{CKF_DECAPSULATE, CKA_DECAPSULATE},
};

void
templ_uses(struct templ *t, CK_FLAGS uses)
{
	for (size_t i = 0; i < NELEMS(uses_attrs); i++)
		if (uses & uses_attrs[i].flag)
			templ_bool(t, uses_attrs[i].attr, true);
}

void
templ_key(struct templ *t, CK_OBJECT_CLASS class, CK_KEY_TYPE type, CK_FLAGS uses)
{
	templ_ulong(t, CKA_CLASS, class);
	templ_ulong(t, CKA_KEY_TYPE, type);
	templ_bool(t, CKA_TOKEN, false);
	templ_uses(t, uses);
	if (class == CKO_PUBLIC_KEY)
		return;
	templ_bool(t, CKA_SENSITIVE, false);
	templ_bool(t, CKA_EXTRACTABLE, true);
}

/* ---- objects ---- */
static CK_OBJECT_HANDLE made[4096];
static size_t n_made;

void
keep_track(CK_OBJECT_HANDLE h)
{
	must_be(n_made < NELEMS(made), "too many objects in one proof");
	made[n_made++] = h;
}

void
destroy(CK_OBJECT_HANDLE h)
{
	for (size_t i = 0; i < n_made; i++)
		if (made[i] == h)
			made[i--] = made[--n_made];
	f->C_DestroyObject(session, h);
}

void
destroy_all(void)
{
	while (n_made > 0)
		f->C_DestroyObject(session, made[--n_made]);
}

CK_RV
object_make(struct templ *t, CK_OBJECT_HANDLE *h)
{
	CK_RV rv = f->C_CreateObject(session, t->a, t->n, h);

	if (rv == CKR_OK)
		keep_track(*h);
	return rv;
}

CK_RV
key_secret(CK_KEY_TYPE type, struct blob value, CK_FLAGS uses, CK_OBJECT_HANDLE *h)
{
	struct templ t = {.n = 0};

	templ_key(&t, CKO_SECRET_KEY, type, uses & USE_SECRET);
	templ_blob(&t, CKA_VALUE, value);
	return object_make(&t, h);
}

CK_OBJECT_HANDLE
base_secret(CK_KEY_TYPE type, struct blob value)
{
	CK_OBJECT_HANDLE h = 0;

	is_ok("a base key", key_secret(type, value, CKF_DERIVE | USE_SIGN, &h));
	return h;
}

bool
get_blob(CK_OBJECT_HANDLE h, CK_ATTRIBUTE_TYPE type, struct blob *value)
{
	CK_ATTRIBUTE a = {type, NULL, 0};

	if (f->C_GetAttributeValue(session, h, &a, 1) != CKR_OK ||
		a.ulValueLen == CK_UNAVAILABLE_INFORMATION)
		return false;
	*value = blob_new(a.ulValueLen);
	a.pValue = value->data;
	return f->C_GetAttributeValue(session, h, &a, 1) == CKR_OK &&
	       a.ulValueLen == value->len;
}

CK_ULONG
get_ulong(CK_OBJECT_HANDLE h, CK_ATTRIBUTE_TYPE type)
{
	CK_ULONG v = CK_UNAVAILABLE_INFORMATION;
	struct blob b;

	if (get_blob(h, type, &b) && b.len == sizeof(v))
		memcpy(&v, b.data, sizeof(v));
	return v;
}

/* ---- asymmetric keys ---- */
struct blob
pkey_number(const EVP_PKEY *pkey, const char *name, size_t len)
{
	BIGNUM *n = NULL;
	struct blob b;

	must_be(EVP_PKEY_get_bn_param(pkey, name, &n) == 1, name);
	b = blob_bn(n, len);
	BN_clear_free(n);
	return b;
}

static struct blob
octets(const EVP_PKEY *pkey, const char *name)
{
	size_t n = 0;
	struct blob b;

	must_be(EVP_PKEY_get_octet_string_param(pkey, name, NULL, 0, &n) == 1, name);
	b = blob_new(n);
	must_be(EVP_PKEY_get_octet_string_param(pkey, name, b.data, n, &b.len) == 1, name);
	return b;
}

/* DER of an OCTET STRING of less than 64 KiB. */
static struct blob
octet_string(struct blob b)
{
	uint8_t head[4] = {0x04, 0x82, (uint8_t)(b.len >> 8), (uint8_t)b.len};

	if (b.len < 128)
		return blob_join(blob_of((uint8_t[]){0x04, (uint8_t)b.len}, 2), b);
	if (b.len < 256)
		return blob_join(blob_of((uint8_t[]){0x04, 0x81, (uint8_t)b.len}, 3), b);
	return blob_join(blob_of(head, 4), b);
}

/* The OID of the curve: of the named group, or of Ed25519 and its like. */
static struct blob
curve_oid(const EVP_PKEY *pkey)
{
	char name[64];
	ASN1_OBJECT *o;
	unsigned char *der = NULL;
	struct blob b;
	int n = 0;

	if (EVP_PKEY_get_group_name(pkey, name, sizeof(name), NULL) != 1)
		snprintf(name, sizeof(name), "%s", EVP_PKEY_get0_type_name(pkey));
	must_be((o = OBJ_txt2obj(name, 0)) != NULL && (n = i2d_ASN1_OBJECT(o, &der)) > 0, name);
	b = blob_of(der, (size_t)n);
	OPENSSL_free(der);
	ASN1_OBJECT_free(o);
	return b;
}

static CK_KEY_TYPE
type_of(const EVP_PKEY *pkey)
{
	static const struct {
		const char *name;
		CK_KEY_TYPE type;
	} types[] = {{"RSA", CKK_RSA}, {"EC", CKK_EC}, {"ED25519", CKK_EC_EDWARDS},
		{"ED448", CKK_EC_EDWARDS}, {"X25519", CKK_EC_MONTGOMERY},
		{"X448", CKK_EC_MONTGOMERY}, {"DH", CKK_DH}, {"DSA", CKK_DSA}};

	for (size_t i = 0; i < NELEMS(types); i++)
		if (EVP_PKEY_is_a(pkey, types[i].name))
			return types[i].type;
	must_be(false, "a key of no known type");
	return 0;
}

static void
put_domain(struct templ *t, const EVP_PKEY *pkey, CK_KEY_TYPE type)
{
	templ_blob(t, CKA_PRIME, pkey_number(pkey, OSSL_PKEY_PARAM_FFC_P, 0));
	if (type == CKK_DSA)
		templ_blob(t, CKA_SUBPRIME, pkey_number(pkey, OSSL_PKEY_PARAM_FFC_Q, 0));
	templ_blob(t, CKA_BASE, pkey_number(pkey, OSSL_PKEY_PARAM_FFC_G, 0));
}

CK_RV
key_public(EVP_PKEY *pkey, CK_FLAGS uses, CK_OBJECT_HANDLE *h)
{
	CK_KEY_TYPE type = type_of(pkey);
	struct templ t = {.n = 0};

	templ_key(&t, CKO_PUBLIC_KEY, type, uses & (USE_PUBLIC | CKF_ENCAPSULATE));
	switch (type) {
	case CKK_RSA:
		templ_blob(&t, CKA_MODULUS, pkey_number(pkey, OSSL_PKEY_PARAM_RSA_N, 0));
		templ_blob(
			&t, CKA_PUBLIC_EXPONENT, pkey_number(pkey, OSSL_PKEY_PARAM_RSA_E, 0));
		break;
	case CKK_DH:
	case CKK_DSA:
		put_domain(&t, pkey, type);
		templ_blob(&t, CKA_VALUE, pkey_number(pkey, OSSL_PKEY_PARAM_PUB_KEY, 0));
		break;
	default:
		templ_blob(&t, CKA_EC_PARAMS, curve_oid(pkey));
		templ_blob(&t, CKA_EC_POINT,
			octet_string(
				octets(pkey, type == CKK_EC ? OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY
							    : OSSL_PKEY_PARAM_PUB_KEY)));
	}
	return object_make(&t, h);
}

CK_RV
key_private(EVP_PKEY *pkey, CK_FLAGS uses, CK_OBJECT_HANDLE *h)
{
	static const struct {
		CK_ATTRIBUTE_TYPE attr;
		const char *name;
	} rsa[] = {
		{CKA_MODULUS, OSSL_PKEY_PARAM_RSA_N},
		{CKA_PUBLIC_EXPONENT, OSSL_PKEY_PARAM_RSA_E},
		{CKA_PRIVATE_EXPONENT, OSSL_PKEY_PARAM_RSA_D},
		{CKA_PRIME_1, OSSL_PKEY_PARAM_RSA_FACTOR1},
		{CKA_PRIME_2, OSSL_PKEY_PARAM_RSA_FACTOR2},
		{CKA_EXPONENT_1, OSSL_PKEY_PARAM_RSA_EXPONENT1},
		{CKA_EXPONENT_2, OSSL_PKEY_PARAM_RSA_EXPONENT2},
		{CKA_COEFFICIENT, OSSL_PKEY_PARAM_RSA_COEFFICIENT1},
	};
	CK_KEY_TYPE type = type_of(pkey);
	struct templ t = {.n = 0};

	templ_key(&t, CKO_PRIVATE_KEY, type, uses & (USE_PRIVATE | CKF_DECAPSULATE));
	switch (type) {
	case CKK_RSA:
		for (size_t i = 0; i < NELEMS(rsa); i++)
			templ_blob(&t, rsa[i].attr, pkey_number(pkey, rsa[i].name, 0));
		break;
	case CKK_DH:
	case CKK_DSA:
		put_domain(&t, pkey, type);
		templ_blob(&t, CKA_VALUE, pkey_number(pkey, OSSL_PKEY_PARAM_PRIV_KEY, 0));
		break;
	case CKK_EC:
		templ_blob(&t, CKA_EC_PARAMS, curve_oid(pkey));
		templ_blob(&t, CKA_VALUE,
			pkey_number(pkey, OSSL_PKEY_PARAM_PRIV_KEY,
				((size_t)EVP_PKEY_get_bits(pkey) + 7) / 8));
		break;
	default:
		templ_blob(&t, CKA_EC_PARAMS, curve_oid(pkey));
		templ_blob(&t, CKA_VALUE, octets(pkey, OSSL_PKEY_PARAM_PRIV_KEY));
	}
	return object_make(&t, h);
}

EVP_PKEY *
key_exported(CK_OBJECT_HANDLE h)
{
	struct blob info;
	EVP_PKEY *pkey = NULL;
	const uint8_t *p;

	if (!get_blob(h, CKA_PUBLIC_KEY_INFO, &info) || info.len == 0) {
		fail("no CKA_PUBLIC_KEY_INFO");
		return NULL;
	}
	p = info.data;
	if ((pkey = d2i_PUBKEY(NULL, &p, (long)info.len)) == NULL)
		fail("CKA_PUBLIC_KEY_INFO is none");
	ERR_clear_error();
	return pkey;
}

/* ---- secret values ---- */
static void
set_parity(struct blob key)
{
	for (size_t i = 0; i < key.len; i++)
		key.data[i] = (uint8_t)((key.data[i] & 0xfe) |
					!__builtin_parity(key.data[i] & 0xfeu));
}

struct blob
secret_value_of(CK_KEY_TYPE type, size_t len)
{
	struct blob b = blob_random(len);

	if (type == CKK_DES || type == CKK_DES2 || type == CKK_DES3)
		set_parity(b);
	return b;
}

struct blob
secret_value(CK_KEY_TYPE type)
{
	size_t n;

	switch (type) {
	case CKK_AES:
		n = 16 + 8 * chance(3);
		break;
	case CKK_AES_XTS:
		n = 32 + 32 * chance(2);
		break;
	case CKK_CHACHA20:
	case CKK_POLY1305:
		n = 32;
		break;
	case CKK_DES:
		n = 8;
		break;
	case CKK_DES2:
		n = 16;
		break;
	case CKK_DES3:
		n = 24;
		break;
	case CKK_HOTP: /* RFC 4226 4, R6 */
		n = 16 + chance(64);
		break;
	default:
		n = 1 + chance(200);
	}
	return secret_value_of(type, n);
}

/* ---- PKCS #8 ---- */
struct blob
pkcs8(EVP_PKEY *pkey)
{
	PKCS8_PRIV_KEY_INFO *p8 = EVP_PKEY2PKCS8(pkey);
	unsigned char *der = NULL;
	struct blob b;
	int n = 0;

	must_be(p8 != NULL && (n = i2d_PKCS8_PRIV_KEY_INFO(p8, &der)) > 0, "PKCS #8");
	b = blob_of(der, (size_t)n);
	OPENSSL_free(der);
	PKCS8_PRIV_KEY_INFO_free(p8);
	return b;
}

EVP_PKEY *
pkcs8_key(struct blob der)
{
	const uint8_t *p = der.data;
	PKCS8_PRIV_KEY_INFO *p8 = d2i_PKCS8_PRIV_KEY_INFO(NULL, &p, (long)der.len);
	EVP_PKEY *pkey = p8 != NULL && p == der.data + der.len ? EVP_PKCS82PKEY(p8) : NULL;

	PKCS8_PRIV_KEY_INFO_free(p8);
	ERR_clear_error();
	return pkey;
}
