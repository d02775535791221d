/* key.c - keys made, moved and used by the calls of PKCS#11, with little around them */
#include <stdio.h>
#include <string.h>

#include "key.h"

CK_BYTE key_p256[10] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};

CK_MECHANISM *
mechanism(CK_MECHANISM_TYPE type)
{
	static CK_MECHANISM m;
	static CK_BYTE iv[16];
	static CK_RSA_PKCS_OAEP_PARAMS oaep = {CKM_SHA_1, CKG_MGF1_SHA1, CKZ_DATA_SPECIFIED, NULL, 0};
	static CK_AES_CTR_PARAMS ctr = {.ulCounterBits = 128};
	static CK_GCM_PARAMS gcm;

	m = (CK_MECHANISM){type, NULL, 0};
	memset(iv, 0, sizeof(iv));
	gcm = (CK_GCM_PARAMS){.pIv = iv, .ulIvLen = 12, .ulIvBits = 96, .ulTagBits = 128};
	switch (type) {
	case CKM_AES_CBC:
	case CKM_AES_CBC_PAD:
	case CKM_AES_OFB:
	case CKM_AES_CFB8:
	case CKM_AES_CFB128:
		m.pParameter = iv;
		m.ulParameterLen = 16;
		break;
	case CKM_DES3_CBC:
	case CKM_DES3_CBC_PAD:
	case CKM_DES_CBC:
	case CKM_DES_CBC_PAD:
		m.pParameter = iv;
		m.ulParameterLen = 8;
		break;
	case CKM_AES_CTR:
		m.pParameter = &ctr;
		m.ulParameterLen = sizeof(ctr);
		break;
	case CKM_AES_GCM:
		m.pParameter = &gcm;
		m.ulParameterLen = sizeof(gcm);
		break;
	case CKM_RSA_PKCS_OAEP:
		m.pParameter = &oaep;
		m.ulParameterLen = sizeof(oaep);
		break;
	default:
		break;
	}
	return &m;
}

static CK_MECHANISM_TYPE
generator(CK_KEY_TYPE type)
{
	switch (type) {
	case CKK_AES:
		return CKM_AES_KEY_GEN;
	case CKK_DES:
		return CKM_DES_KEY_GEN;
	case CKK_DES2:
		return CKM_DES2_KEY_GEN;
	case CKK_DES3:
		return CKM_DES3_KEY_GEN;
	default:
		return CKM_GENERIC_SECRET_KEY_GEN;
	}
}

static bool
has_length(CK_KEY_TYPE type)
{
	return type != CKK_DES && type != CKK_DES2 && type != CKK_DES3;
}

CK_RV
key_generate(CK_OBJECT_HANDLE *key, CK_KEY_TYPE type, CK_ULONG len, const char *words)
{
	CK_MECHANISM *m = mechanism(generator(type));
	struct templ t;

	templ_begin(&t, CKO_SECRET_KEY, type, words);
	if (has_length(type))
		templ_number(&t, CKA_VALUE_LEN, len);
	client_mechanism = m->mechanism;
	return f->C_GenerateKey(session, m, t.a, t.n, key);
}

CK_OBJECT_HANDLE
key_made(CK_KEY_TYPE type, CK_ULONG len, const char *words)
{
	CK_OBJECT_HANDLE key = 0;

	NEED(key_generate(&key, type, len, words));
	return key;
}

CK_RV
key_create(CK_OBJECT_HANDLE *key, struct templ *t)
{
	client_mechanism = CK_UNAVAILABLE_INFORMATION;
	return f->C_CreateObject(session, t->a, t->n, key);
}

CK_RV
key_import(CK_OBJECT_HANDLE *key, CK_KEY_TYPE type, const void *value, CK_ULONG len, const char *words)
{
	struct templ t;

	templ_begin(&t, CKO_SECRET_KEY, type, words);
	templ_bytes(&t, CKA_VALUE, value, len);
	return key_create(key, &t);
}

CK_RV
key_wrap(CK_MECHANISM *m, CK_OBJECT_HANDLE wrapping, CK_OBJECT_HANDLE target, struct blob *out)
{
	client_mechanism = m->mechanism;
	out->len = sizeof(out->data);
	return f->C_WrapKey(session, m, wrapping, target, out->data, &out->len);
}

CK_RV
key_unwrap_as(CK_MECHANISM *m, CK_OBJECT_HANDLE unwrapping, const struct blob *in, struct templ *t,
	CK_OBJECT_HANDLE *key)
{
	client_mechanism = m->mechanism;
	return f->C_UnwrapKey(session, m, unwrapping, (CK_BYTE *)in->data, in->len, t->a, t->n, key);
}

CK_RV
key_unwrap(CK_MECHANISM *m, CK_OBJECT_HANDLE unwrapping, const struct blob *in, CK_OBJECT_CLASS class,
	CK_KEY_TYPE type, const char *words, CK_OBJECT_HANDLE *key)
{
	struct templ t;

	templ_begin(&t, class, type, words);
	return key_unwrap_as(m, unwrapping, in, &t, key);
}

CK_RV
key_derive(CK_MECHANISM *m, CK_OBJECT_HANDLE base, CK_KEY_TYPE type, CK_ULONG len, const char *words,
	CK_OBJECT_HANDLE *key)
{
	struct templ t;

	templ_begin(&t, CKO_SECRET_KEY, type, words);
	if (len > 0)
		templ_number(&t, CKA_VALUE_LEN, len);
	client_mechanism = m->mechanism;
	return f->C_DeriveKey(session, m, base, t.a, t.n, key);
}

static const char *
with_bare(const char *words)
{
	static char text[256];

	snprintf(text, sizeof(text), "bare %s", words);
	return text;
}

CK_RV
key_copy(CK_OBJECT_HANDLE key, const char *words, CK_OBJECT_HANDLE *copy)
{
	struct templ t;

	templ_begin(&t, NO_CLASS, NO_CLASS, with_bare(words));
	client_mechanism = CK_UNAVAILABLE_INFORMATION;
	return f->C_CopyObject(session, key, t.a, t.n, copy);
}

CK_RV
key_set(CK_OBJECT_HANDLE key, const char *words)
{
	struct templ t;

	templ_begin(&t, NO_CLASS, NO_CLASS, with_bare(words));
	client_mechanism = CK_UNAVAILABLE_INFORMATION;
	return f->C_SetAttributeValue(session, key, t.a, t.n);
}

CK_RV
key_read(CK_OBJECT_HANDLE key, CK_ATTRIBUTE_TYPE type, struct blob *out)
{
	CK_ATTRIBUTE a = {type, out->data, sizeof(out->data)};
	CK_RV rv;

	client_mechanism = CK_UNAVAILABLE_INFORMATION;
	rv = f->C_GetAttributeValue(session, key, &a, 1);
	out->len = rv == CKR_OK ? a.ulValueLen : 0;
	return rv;
}

bool
key_is(CK_OBJECT_HANDLE key, CK_ATTRIBUTE_TYPE type)
{
	struct blob b;

	return key_read(key, type, &b) == CKR_OK && b.len == 1 && b.data[0] == CK_TRUE;
}

CK_RV
pair_generate(CK_MECHANISM_TYPE mech, struct templ *pub_templ, struct templ *priv_templ, CK_OBJECT_HANDLE *pub,
	CK_OBJECT_HANDLE *priv)
{
	CK_MECHANISM m = {mech, NULL, 0};

	client_mechanism = mech;
	return f->C_GenerateKeyPair(session, &m, pub_templ->a, pub_templ->n, priv_templ->a, priv_templ->n, pub, priv);
}

void
pair_rsa(CK_ULONG bits, const char *pub_words, const char *priv_words, CK_OBJECT_HANDLE *pub, CK_OBJECT_HANDLE *priv)
{
	static const CK_BYTE e[] = {1, 0, 1};
	struct templ a, b;

	templ_begin(&a, CKO_PUBLIC_KEY, CKK_RSA, pub_words);
	templ_number(&a, CKA_MODULUS_BITS, bits);
	templ_bytes(&a, CKA_PUBLIC_EXPONENT, e, sizeof(e));
	templ_begin(&b, CKO_PRIVATE_KEY, CKK_RSA, priv_words);
	NEED(pair_generate(CKM_RSA_PKCS_KEY_PAIR_GEN, &a, &b, pub, priv));
}

void
pair_p256(const char *pub_words, const char *priv_words, CK_OBJECT_HANDLE *pub, CK_OBJECT_HANDLE *priv)
{
	struct templ a, b;

	templ_begin(&a, CKO_PUBLIC_KEY, CKK_EC, pub_words);
	templ_bytes(&a, CKA_EC_PARAMS, key_p256, sizeof(key_p256));
	templ_begin(&b, CKO_PRIVATE_KEY, CKK_EC, priv_words);
	NEED(pair_generate(CKM_EC_KEY_PAIR_GEN, &a, &b, pub, priv));
}

/* ---- use ---- */

CK_RV
use_encrypt(CK_MECHANISM *m, CK_OBJECT_HANDLE key, const void *in, CK_ULONG len, struct blob *out)
{
	CK_RV rv;

	client_mechanism = m->mechanism;
	out->len = sizeof(out->data);
	rv = f->C_EncryptInit(session, m, key);
	return rv == CKR_OK ? f->C_Encrypt(session, (CK_BYTE *)in, len, out->data, &out->len) : rv;
}

CK_RV
use_decrypt(CK_MECHANISM *m, CK_OBJECT_HANDLE key, const void *in, CK_ULONG len, struct blob *out)
{
	CK_RV rv;

	client_mechanism = m->mechanism;
	out->len = sizeof(out->data);
	rv = f->C_DecryptInit(session, m, key);
	return rv == CKR_OK ? f->C_Decrypt(session, (CK_BYTE *)in, len, out->data, &out->len) : rv;
}

CK_RV
use_sign(CK_MECHANISM *m, CK_OBJECT_HANDLE key, const void *in, CK_ULONG len, struct blob *out)
{
	CK_RV rv;

	client_mechanism = m->mechanism;
	out->len = sizeof(out->data);
	rv = f->C_SignInit(session, m, key);
	return rv == CKR_OK ? f->C_Sign(session, (CK_BYTE *)in, len, out->data, &out->len) : rv;
}
