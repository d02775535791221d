/*
 * oracle.h - plain OpenSSL, and what it lacks written from the documents: answers that the
 * token must give too
 *
 * Ownership:  blobs live in the arena. Answers that cannot be are blobs with data NULL.
 */
#ifndef TOKENFS_CROSS_ORACLE_H
#define TOKENFS_CROSS_ORACLE_H

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include "cross.h"

/* Structures of PKCS#11 3.0 and later, after their text; older headers lack them. */
struct x_ccm { /* CK_CCM_PARAMS */
	CK_ULONG data_len;
	CK_BYTE *nonce;
	CK_ULONG nonce_len;
	CK_BYTE *aad;
	CK_ULONG aad_len;
	CK_ULONG mac_len;
};
struct x_chacha { /* CK_CHACHA20_PARAMS */
	CK_BYTE *counter;
	CK_ULONG counter_bits;
	CK_BYTE *nonce;
	CK_ULONG nonce_bits;
};
struct x_chacha_poly { /* CK_SALSA20_CHACHA20_POLY1305_PARAMS */
	CK_BYTE *nonce;
	CK_ULONG nonce_len; /* see chacha_poly_param for its unit */
	CK_BYTE *aad;
	CK_ULONG aad_len;
};
struct x_eddsa { /* CK_EDDSA_PARAMS */
	CK_BBOOL ph;
	CK_ULONG context_len;
	CK_BYTE *context;
};
struct x_hkdf { /* CK_HKDF_PARAMS */
	CK_BBOOL extract, expand;
	CK_MECHANISM_TYPE hash;
	CK_ULONG salt_type;
	CK_BYTE *salt;
	CK_ULONG salt_len;
	CK_OBJECT_HANDLE salt_key;
	CK_BYTE *info;
	CK_ULONG info_len;
};

struct x_pbkdf2 { /* CK_PKCS5_PBKD2_PARAMS2 */
	CK_ULONG salt_source;
	void *salt;
	CK_ULONG salt_len, iterations, prf;
	void *prf_data;
	CK_ULONG prf_data_len;
	CK_BYTE *password;
	CK_ULONG password_len;
};

/* The hash of a row's name; BLAKE2B-160 and its like are computed here where OpenSSL has the
 * longest only. */
struct blob oracle_hash(const char *name, struct blob in);
size_t oracle_hash_size(const char *name);
struct blob oracle_hmac(const char *hash, struct blob key, struct blob in);
struct blob oracle_mac(
	const char *mac, const char *cipher, struct blob iv, struct blob key, struct blob in);
/* A cipher of one key and IV over all of the input; pad: PKCS #7. */
struct blob oracle_cipher(const char *name, struct blob key, struct blob iv, struct blob in,
	bool encrypt, bool pad);
/* Answer and tag behind one another. */
struct blob oracle_aead(const char *name, struct blob key, struct blob iv, struct blob aad,
	size_t tag, struct blob in, bool encrypt);
/* A KDF of OpenSSL by its parameters. */
struct blob oracle_kdf(const char *name, const OSSL_PARAM *params, size_t len);
/* RFC 7693 2 and 3, any key and length. */
struct blob blake2b(size_t size, struct blob key, struct blob in);

/* "AES-#-CBC" with the bits in the place of #; valid until the next call. */
const char *cipher_name(const char *pattern, size_t bits);
/* OpenSSL's name of a hash mechanism, CKM_SHA256 and the like; NULL. */
const char *hash_name(CK_MECHANISM_TYPE digest);
const char *hash_of_mgf(CK_ULONG mgf);
const char *hash_of_kdf(CK_ULONG kdf);
/* One of them by chance. */
CK_MECHANISM_TYPE some_hash(void);

#endif
