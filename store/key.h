/*
 * key.h - key material: from attributes to OpenSSL and back
 *
 * Ownership:  a struct key belongs to its object (object.h), is parsed once and freed with it.
 * Locking:    key_get any thread; EVP_PKEY is used read-only. Ready contexts are handed out to
 *             one operation at a time.
 * Secrets:    OpenSSL's memory is the secret arena (secret.h).
 */
#ifndef TOKENFS_KEY_H
#define TOKENFS_KEY_H

#include <openssl/evp.h>

#include "object.h"

struct curve;
struct key_kind;
struct key_pq_set;

/* What waits in a key until the next operation of its sort: op.c embeds it in its operations. */
struct key_ready {
	struct key_ready *next;
	void (*release)(struct key_ready *r);
};

struct key {
	CK_KEY_TYPE type;
	bool private;         /* holds a private half */
	EVP_PKEY *pkey;       /* asymmetric keys */
	const struct key_kind *kind; /* of asymmetric keys */
	const struct curve *curve; /* of the EC families */
	const struct key_pq_set *set; /* of ML-KEM, ML-DSA, SLH-DSA */
	const uint8_t *value; /* secret keys: points into the object's CKA_VALUE */
	size_t len;           /* of value; of the public key where mechanisms count its bytes (ML-KEM, ML-DSA, SLH-DSA) */
	size_t bits;          /* of the modulus, of the prime, of the field, or 8 * len */
	size_t size;          /* bytes of the modulus, of the prime, of a field element, of DSA's subprime */
	bool safe_group;      /* DH private keys: no public value of another tells of this one's private value */
	uint8_t reject[32];   /* RSA private keys: key of the implicit rejection (mech_rsa_reject.c) */
	/* ready operation contexts, kept so that the next operation need not set one up */
	pthread_mutex_t lock;
	struct key_ready *ready;
	unsigned n_ready;
};

/* The parsed key of a key object. CKR_KEY_TYPE_INCONSISTENT, CKR_ATTRIBUTE_VALUE_INVALID. */
CK_RV key_get(struct object *o, struct key **k);
void key_free(struct key *k);

/* Private-key attributes (modulus, exponents; EC value; ...) <-> PKCS#8 PrivateKeyInfo, plain DER. The from calls
 * set CKA_KEY_TYPE (CKR_TEMPLATE_INCONSISTENT if another is there) and the material; bad DER:
 * CKR_ATTRIBUTE_VALUE_INVALID. */
CK_RV key_to_pkcs8(struct object *o, uint8_t **der, size_t *len); /* secret_alloc'd */
CK_RV key_from_pkcs8(const uint8_t *der, size_t len, struct attrs *priv);
/* SubjectPublicKeyInfo of a public or private key object (the private key knows its public half); of a
 * certificate, its key. secret_alloc'd: free with secret_free. */
CK_RV key_to_spki(struct object *o, uint8_t **der, size_t *len);
CK_RV key_from_spki(const uint8_t *der, size_t len, struct attrs *pub);
/* Checks the material in a set that is about to become an object: sizes, point on curve, domain parameters, the parts
 * of an RSA key against each other. Normalises: CKA_EC_POINT becomes a DER octet string. Sets that are no
 * keys pass. CKR_TEMPLATE_INCOMPLETE, CKR_ATTRIBUTE_VALUE_INVALID, CKR_CURVE_NOT_SUPPORTED,
 * CKR_DOMAIN_PARAMS_INVALID, CKR_KEY_SIZE_RANGE, CKR_PARAMETER_SET_NOT_SUPPORTED. */
CK_RV key_check(struct attrs *a);
CK_RV key_normalise(struct attrs *a); /* the normalising alone */
/* CKA_CHECK_VALUE: 3 bytes for secret keys and certificates (PKCS#11 3.1 4.10.2, 4.6.3);
 * CKR_ATTRIBUTE_TYPE_INVALID for other sets. */
CK_RV key_check_value(const struct attrs *a, uint8_t out[3]);

/* The public half as people use it, as text or DER; *out is malloc'd (not secret), NUL after len. label is
 * the comment, id the kid. For public keys, private keys and certificates. */
enum key_format { KEY_PEM, KEY_DER, KEY_SSH, KEY_JWK };
CK_RV key_export_public(struct object *o, enum key_format f, uint8_t **out, size_t *len);

#endif
