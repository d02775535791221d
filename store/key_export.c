/*
 * Public keys as people use them: PEM, DER, OpenSSH (RFC 4253 6.6, 5656, 8709), JWK (RFC 7517, 7518, 8037)
 *
 * Everything is made from the parsed public half; nothing secret passes here.
 */
#include "key_material.h"

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

#include "../pkcs11/buf.h"
#include "mech_family.h"
#include "secret.h"
#include "why.h"

#define TEXT_MAX (64u << 10)

/* The public half of a key object or a certificate, as OpenSSL has it. */
static CK_RV
public_half(struct object *o, EVP_PKEY **pkey)
{
	const unsigned char *p;
	uint8_t *der = NULL;
	size_t len;
	CK_RV rv;

	if ((rv = key_to_spki(o, &der, &len)) != CKR_OK)
		return rv;
	p = der;
	if ((*pkey = d2i_PUBKEY(NULL, &p, (long)len)) == NULL)
		rv = mech_failed(CKR_FUNCTION_FAILED, "public key");
	secret_free(der);
	return rv;
}

static const struct curve *
curve_of(EVP_PKEY *pkey)
{
	const char *type = EVP_PKEY_get0_type_name(pkey);
	char group[64] = "";

	if (!EVP_PKEY_is_a(pkey, "EC"))
		return type != NULL ? curve_of_group(type) : NULL;
	EVP_PKEY_get_group_name(pkey, group, sizeof(group), NULL);
	return curve_of_group(group);
}

/* ---- text ---- */

static void
put_text(struct buf *b, const char *s)
{
	buf_put(b, s, strlen(s));
}

static void
put_base64(struct buf *b, const uint8_t *in, size_t n)
{
	uint8_t *at = buf_extend(b, 4 * ((n + 2) / 3) + 1); /* EVP_EncodeBlock ends with NUL */

	if (at != NULL) {
		EVP_EncodeBlock(at, in, (int)n);
		b->len--;
	}
}

/* RFC 4648 5, without padding. */
static void
put_base64url(struct buf *b, const uint8_t *in, size_t n)
{
	size_t from = b->len;

	put_base64(b, in, n);
	if (buf_failed(b))
		return;
	while (b->len > from && b->data[b->len - 1] == '=')
		b->len--;
	for (size_t i = from; i < b->len; i++) {
		if (b->data[i] == '+')
			b->data[i] = '-';
		else if (b->data[i] == '/')
			b->data[i] = '_';
	}
}

static bool
is_printable(const struct attr *a)
{
	for (size_t i = 0; i < a->len; i++)
		if (a->value[i] < 0x20 || a->value[i] > 0x7E)
			return false;
	return a->len > 0;
}

/* In JSON: printable text as it is, anything else in hex. */
static void
put_json_id(struct buf *b, const struct attr *a)
{
	char hex[3];

	for (size_t i = 0; i < a->len; i++) {
		if (is_printable(a)) {
			if (a->value[i] == '"' || a->value[i] == '\\')
				buf_put_u8(b, '\\');
			buf_put_u8(b, a->value[i]);
		} else {
			snprintf(hex, sizeof(hex), "%02x", a->value[i]);
			put_text(b, hex);
		}
	}
}

/* ---- OpenSSH ---- */

static void
put_string(struct buf *b, const void *data, size_t n)
{
	const uint8_t head[4] = {(uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n};

	buf_put(b, head, 4);
	buf_put(b, data, n);
}

static bool
put_mpint(struct buf *b, EVP_PKEY *pkey, const char *name)
{
	uint8_t raw[1 + RSA_MAX_BITS / 8] = {0};
	BIGNUM *v = NULL;
	size_t n, pad;

	if (EVP_PKEY_get_bn_param(pkey, name, &v) != 1 || (n = (size_t)BN_num_bytes(v)) >= sizeof(raw) || n == 0) {
		BN_free(v);
		return false;
	}
	BN_bn2bin(v, raw + 1);
	BN_free(v);
	pad = raw[1] >> 7;
	put_string(b, raw + 1 - pad, n + pad);
	return true;
}

static CK_RV
ssh_blob(EVP_PKEY *pkey, struct buf *b, char type[40])
{
	const struct curve *c = curve_of(pkey);
	uint8_t point[POINT_MAX];
	size_t n = sizeof(point);
	CK_RV rv;

	if (EVP_PKEY_is_a(pkey, "RSA")) {
		strcpy(type, "ssh-rsa");
		put_string(b, type, strlen(type));
		return put_mpint(b, pkey, OSSL_PKEY_PARAM_RSA_E) && put_mpint(b, pkey, OSSL_PKEY_PARAM_RSA_N) ?
			CKR_OK : mech_failed(CKR_FUNCTION_FAILED, "RSA key");
	}
	if (c == NULL || c->ssh == NULL)
		return why(CKR_KEY_TYPE_INCONSISTENT, "OpenSSH has no form for this key");
	if ((rv = key_ec_point(pkey, c, point, &n)) != CKR_OK)
		return rv;
	snprintf(type, 40, "%s%s", c->type == CKK_EC ? "ecdsa-sha2-" : "", c->ssh);
	put_string(b, type, strlen(type));
	if (c->type == CKK_EC)
		put_string(b, c->ssh, strlen(c->ssh));
	put_string(b, point, n);
	return CKR_OK;
}

static void
put_comment(struct buf *b, const struct attr *label)
{
	if (label == NULL || label->len == 0)
		return;
	buf_put_u8(b, ' ');
	for (size_t i = 0; i < label->len; i++) /* one line: control characters would make it two */
		buf_put_u8(b, label->value[i] < 0x20 || label->value[i] == 0x7F ? '?' : label->value[i]);
}

static CK_RV
export_ssh(struct object *o, EVP_PKEY *pkey, struct buf *b)
{
	struct buf blob;
	char type[40];
	CK_RV rv;

	buf_init(&blob, TEXT_MAX);
	if ((rv = ssh_blob(pkey, &blob, type)) == CKR_OK && !buf_failed(&blob)) {
		put_text(b, type);
		put_text(b, " ");
		put_base64(b, blob.data, blob.len);
		put_comment(b, attrs_get(&o->attrs, CKA_LABEL));
		put_text(b, "\n");
	}
	buf_free(&blob);
	return rv;
}

/* ---- JWK ---- */

static void
put_member(struct buf *b, const char *name, const uint8_t *v, size_t n)
{
	put_text(b, ",\"");
	put_text(b, name);
	put_text(b, "\":\"");
	put_base64url(b, v, n);
	put_text(b, "\"");
}

static CK_RV
put_jwk_number(struct buf *b, EVP_PKEY *pkey, const char *param, const char *name)
{
	uint8_t raw[RSA_MAX_BITS / 8];
	BIGNUM *v = NULL;

	if (EVP_PKEY_get_bn_param(pkey, param, &v) != 1 || BN_num_bytes(v) > (int)sizeof(raw)) {
		BN_free(v);
		return mech_failed(CKR_FUNCTION_FAILED, "RSA key");
	}
	put_member(b, name, raw, (size_t)BN_bn2bin(v, raw));
	BN_free(v);
	return CKR_OK;
}

static CK_RV
put_jwk_key(EVP_PKEY *pkey, struct buf *b)
{
	const struct curve *c = curve_of(pkey);
	uint8_t point[POINT_MAX];
	size_t n = sizeof(point);
	CK_RV rv;

	if (EVP_PKEY_is_a(pkey, "RSA")) {
		put_text(b, "{\"kty\":\"RSA\"");
		rv = put_jwk_number(b, pkey, OSSL_PKEY_PARAM_RSA_N, "n");
		return rv == CKR_OK ? put_jwk_number(b, pkey, OSSL_PKEY_PARAM_RSA_E, "e") : rv;
	}
	if (c == NULL || c->jwk == NULL)
		return why(CKR_KEY_TYPE_INCONSISTENT, "JWK has no form for this key");
	if ((rv = key_ec_point(pkey, c, point, &n)) != CKR_OK)
		return rv;
	put_text(b, c->type == CKK_EC ? "{\"kty\":\"EC\",\"crv\":\"" : "{\"kty\":\"OKP\",\"crv\":\"");
	put_text(b, c->jwk);
	put_text(b, "\"");
	if (c->type == CKK_EC) {
		put_member(b, "x", point + 1, c->bytes);
		put_member(b, "y", point + 1 + c->bytes, c->bytes);
	} else {
		put_member(b, "x", point, n);
	}
	return CKR_OK;
}

static CK_RV
export_jwk(struct object *o, EVP_PKEY *pkey, struct buf *b)
{
	const struct attr *id = attrs_get(&o->attrs, CKA_ID);
	CK_RV rv = put_jwk_key(pkey, b);

	if (rv != CKR_OK)
		return rv;
	if (id != NULL && id->len > 0) {
		put_text(b, ",\"kid\":\"");
		put_json_id(b, id);
		put_text(b, "\"");
	}
	put_text(b, "}\n");
	return CKR_OK;
}

/* ---- PEM and DER ---- */

static CK_RV
export_spki(EVP_PKEY *pkey, enum key_format f, struct buf *b)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *data;
	long n;
	CK_RV rv = CKR_OK;

	if (bio == NULL || (f == KEY_PEM ? PEM_write_bio_PUBKEY(bio, pkey) : i2d_PUBKEY_bio(bio, pkey)) != 1 ||
		(n = BIO_get_mem_data(bio, &data)) <= 0)
		rv = mech_failed(CKR_FUNCTION_FAILED, "public key");
	else
		buf_put(b, data, (size_t)n);
	BIO_free(bio);
	return rv;
}

CK_RV
key_export_public(struct object *o, enum key_format f, uint8_t **out, size_t *len)
{
	EVP_PKEY *pkey = NULL;
	struct buf b;
	CK_RV rv;

	*out = NULL;
	if ((rv = public_half(o, &pkey)) != CKR_OK)
		return rv;
	buf_init(&b, TEXT_MAX);
	rv = f == KEY_SSH ? export_ssh(o, pkey, &b) : f == KEY_JWK ? export_jwk(o, pkey, &b) :
		export_spki(pkey, f, &b);
	if (rv == CKR_OK && (buf_failed(&b) || (*out = malloc(b.len + 1)) == NULL))
		rv = CKR_HOST_MEMORY;
	if (rv == CKR_OK) {
		memcpy(*out, b.data, b.len);
		(*out)[b.len] = 0;
		*len = b.len;
	}
	buf_free(&b);
	EVP_PKEY_free(pkey);
	return rv;
}
