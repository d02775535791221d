/*
 * pkey.h - asymmetric keys of OpenSSL: curves and fields, signatures, agreement, RSA encryption
 *
 * Ownership:  blobs live in the arena. Keys of rsa_key and ec_key are kept for ever, those of
 *             fresh_key are the caller's.
 */
#ifndef TOKENFS_CROSS_PKEY_H
#define TOKENFS_CROSS_PKEY_H

#include <openssl/rsa.h>

#include "oracle.h"

/* ---- elliptic curves ---- */
struct curve {
	const char *group; /* OpenSSL's name */
	size_t bits;
	CK_KEY_TYPE type;
	const char *oid;    /* DER, hexadecimal */
	const char *spoken; /* the name that PKCS#11 has for it as a PrintableString */
};
const struct curve *curve_at(size_t i); /* NULL past the last */
const struct curve *some_curve(CK_KEY_TYPE type);
EVP_PKEY *ec_key(const char *group);
EVP_PKEY *fresh_key(const char *group);
/* The public key as PKCS#11 has points on the wire: uncompressed, or 32 and 56 bytes. */
struct blob public_point(EVP_PKEY *pkey);

/* ---- r || s, each as long as `half`: ECDSA and DSA ---- */
struct blob rs_sign(EVP_PKEY *pkey, struct blob hash, size_t half);
bool rs_verifies(EVP_PKEY *pkey, struct blob hash, struct blob rs);
/* Both ways: the token's signatures at OpenSSL, OpenSSL's at the token, changed ones refused.
 * The row's name is its hash; without one `in` is as long as some hash. */
void prove_rs(const struct proof *p, EVP_PKEY *pkey, size_t half);

/* ---- agreement: ECDH, X25519, X448; finite fields, padded to the length of the prime ---- */
struct blob agreed(EVP_PKEY *ours, EVP_PKEY *theirs);
/* ANSI X9.63, of the hash; `shared` may be empty. */
struct blob x963(const char *hash, struct blob z, struct blob shared, size_t len);

/* ---- RSA ---- */
EVP_PKEY *rsa_key(unsigned bits);
struct rsa_way {
	int padding;
	const char *md, *mgf;
	int salt;
	struct blob label;
};
enum rsa_op { RSA_SIGN, RSA_ENCRYPT, RSA_DECRYPT };
/* data NULL: OpenSSL refuses. */
struct blob rsa_run(enum rsa_op op, EVP_PKEY *pkey, const struct rsa_way *w, struct blob in);
bool rsa_verifies(EVP_PKEY *pkey, const struct rsa_way *w, struct blob hash, struct blob sig);
/* OAEP of any two hashes, and a label now and then: what the token is told and what OpenSSL is.
 */
struct rsa_way some_oaep(CK_RSA_PKCS_OAEP_PARAMS *oaep);

#endif
