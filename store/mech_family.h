/*
 * mech_family.h - what the families of mechanisms (mech_*.c), op.c and mech.c share; seen by nobody else
 *
 * A family is a struct of functions. op.c asks `total` how long answers are, feeds input by `update`,
 * or gathers or hashes it and hands it over once by `whole`; it alone knows of length queries and small
 * buffers. No family function is called with a buffer shorter than `total` said.
 *
 * Ownership:  contexts in struct op belong to it; families make them when NULL and only set them up
 *             anew when they are there from an earlier operation with the same key.
 * Secrets:    everything lies in the secret arena.
 */
#ifndef TOKENFS_MECH_FAMILY_H
#define TOKENFS_MECH_FAMILY_H

#include <openssl/evp.h>

#include "curve.h"
#include "key.h"
#include "op.h"

/* Input that is kept until the end (GCM decryption, EdDSA) may be this long. */
#define GATHER_MAX (64u << 20)
/* Secret keys may be this long, in bytes. */
#define SECRET_MAX (64u << 10)
#define MAC_MAX 64

/* A growing piece of secret memory. */
struct bytes {
	uint8_t *data;
	size_t len, cap;
};
CK_RV bytes_add(struct bytes *b, const void *data, size_t len);
CK_RV bytes_reserve(struct bytes *b, size_t cap);
void bytes_free(struct bytes *b);

/* ---- hash functions: one table (mech_hash.c) ---- */
struct hash {
	const char *name;           /* OpenSSL's */
	CK_MECHANISM_TYPE digest;   /* CKM_SHA256 */
	CK_RSA_PKCS_MGF_TYPE mgf;   /* CKG_MGF1_SHA256; 0: none */
	CK_ULONG kdf;               /* CKD_SHA256_KDF; 0: none */
	CK_KEY_TYPE hmac_key;       /* CKK_SHA256_HMAC */
	size_t size;
};
const struct hash *hash_named(const char *name);
const struct hash *hash_of_digest(CK_MECHANISM_TYPE digest);
const struct hash *hash_of_mgf(CK_RSA_PKCS_MGF_TYPE mgf);
const struct hash *hash_of_kdf(CK_ULONG kdf);
bool hash_is_hmac_key(CK_KEY_TYPE type);
/* Fetched once per process; NULL when OpenSSL lacks it. */
const EVP_MD *hash_md(const struct hash *h);
/* (Re)starts *ctx, which may be NULL before. */
CK_RV hash_start(EVP_MD_CTX **ctx, const struct hash *h);

/* ---- operations ---- */
enum op_input {
	INPUT_STREAM, /* update answers at once */
	INPUT_HASH,   /* hashed with the row's digest; whole gets the hash */
	INPUT_GATHER  /* kept; whole gets all of it */
};

enum op_stage { STAGE_FRESH, STAGE_ONCE, STAGE_MULTI, STAGE_OVER };

struct op {
	struct key_ready ready; /* first: a finished operation waits in its key's list */
	enum op_kind kind;
	const struct mech *mech;
	struct object *object; /* NULL for digests */
	struct key *key;
	enum op_stage stage;
	bool spoiled; /* a context failed: not to be used again */

	/* set by the family's begin */
	enum op_input input;
	bool exact;          /* total() of all input is the length, not a bound */
	const struct hash *hash;
	size_t size;         /* of the signature, the MAC, the tag, the digest */
	size_t max_in;       /* longest input, when it is gathered */
	bool encrypt;        /* ciphers: direction */
	uint64_t blocks;     /* CTR: blocks until the counter overflows */
	EVP_PKEY_CTX *pctx;
	EVP_CIPHER_CTX *cctx;
	EVP_MD_CTX *mctx;
	EVP_MAC_CTX *actx;
	uint8_t iv[16];      /* key wrap: its parameter */
	size_t iv_len;

	/* op.c's own */
	uint64_t fed, given; /* multi-part: bytes in, bytes out */
	struct bytes gathered;
	struct bytes result; /* an answer that waits for a buffer large enough */
	bool has_result;
	bool told_key;       /* a digest took in a key: its state may not leave */
};

struct mech_family {
	bool bits; /* key sizes of the rows count bits, not bytes */
	/* Can this build's OpenSSL do the row? NULL: always. */
	bool (*there)(const struct mech *row);
	/* Takes what it needs from the parameter; makes or renews contexts. */
	CK_RV (*begin)(struct op *op, const CK_MECHANISM *m);
	/* Bytes that have come out in total after `fed` bytes, with or without the final call. */
	uint64_t (*total)(const struct op *op, uint64_t fed, bool final);
	/* INPUT_STREAM. *out_len is set to what was written. */
	CK_RV (*update)(struct op *op, const uint8_t *in, size_t n, uint8_t *out, size_t *out_len);
	CK_RV (*final)(struct op *op, uint8_t *out, size_t *out_len);
	/* INPUT_HASH, INPUT_GATHER */
	CK_RV (*whole)(struct op *op, const uint8_t *in, size_t n, uint8_t *out, size_t *out_len);
	/* The same for verification. NULL: the signature is a MAC, made again and compared. */
	CK_RV (*verify)(struct op *op, const uint8_t *in, size_t n, const uint8_t *sig, size_t sig_len);
	/* Keys; NULL where a family has none. */
	CK_RV (*generate)(const CK_MECHANISM *m, const struct mech *row, struct attrs *key);
	CK_RV (*generate_pair)(const CK_MECHANISM *m, const struct mech *row, struct attrs *pub,
		struct attrs *priv, struct cancel *c);
	CK_RV (*derive)(const CK_MECHANISM *m, const struct mech *row, struct object *base,
		struct attrs *key);
};

/* ---- rows ---- */
struct mech_rows {
	const struct mech *rows;
	size_t n;
};
extern const struct mech_rows mech_hash_rows, mech_mac_rows, mech_secret_rows, mech_rsa_key_rows, mech_rsa_rows,
	mech_ec_rows, mech_derive_rows, mech_aes_rows, mech_gcm_rows, mech_aes_wrap_rows;

#define MECH_ROWS(rows) (rows), sizeof(rows) / sizeof((rows)[0])
#define NO_KEY CK_UNAVAILABLE_INFORMATION
#define KEYS1(a) {a, NO_KEY, NO_KEY}
#define KEYS2(a, b) {a, b, NO_KEY}
#define NO_KEYS {NO_KEY, NO_KEY, NO_KEY}
#define CRYPT (CKF_ENCRYPT | CKF_DECRYPT)
#define SIGN (CKF_SIGN | CKF_VERIFY)
#define RECOVER (CKF_SIGN_RECOVER | CKF_VERIFY_RECOVER)
#define WRAP (CKF_WRAP | CKF_UNWRAP)
#define CURVES (CKF_EC_F_P | CKF_EC_OID | CKF_EC_CURVENAME | CKF_EC_UNCOMPRESS)
#define NAMED (CKF_EC_OID | CKF_EC_CURVENAME)
#define AES_KEYS 16, 32, KEYS1(CKK_AES)

extern const struct mech_family family_digest, family_mac, family_secret, family_rsa_key, family_rsa,
	family_ec_key, family_ecdsa, family_eddsa, family_ecdh, family_aes, family_gcm, family_aes_wrap;

CK_RV ec_generate_pair(const CK_MECHANISM *m, const struct mech *row, struct attrs *pub, struct attrs *priv,
	struct cancel *c);

/* The parameter as a structure of `size` bytes; NULL when it has another size or is absent. */
const void *mech_param(const CK_MECHANISM *m, size_t size);
bool mech_no_param(const CK_MECHANISM *m);
CK_RV mech_bad_param(const char *what); /* CKR_MECHANISM_PARAM_INVALID with its reason */
/* An OpenSSL call failed: rv with OpenSSL's reason; its error queue is emptied. */
CK_RV mech_failed(CK_RV rv, const char *what);

/* Runs one encryption or decryption without asking the rules: for wrapping (op.c). The key must fit
 * the row. out == NULL: *out_len becomes the length. */
CK_RV op_run(enum op_kind kind, const CK_MECHANISM *m, struct object *key, const uint8_t *in, size_t n,
	uint8_t *out, size_t *out_len);

/* A digest's input, kept so that its state can be saved (op_state.c). */
CK_RV op_remember(struct op *op, const uint8_t *in, size_t n);

/* RSAES-PKCS1-v1_5 decryption with implicit rejection (mech_rsa_reject.c): em is the raw RSA result, k->size bytes;
 * the message (right or made up, nobody can tell) goes to out, which has room for as many. */
CK_RV rsa_unpad(const struct key *k, const uint8_t *cipher, uint8_t *em, uint8_t *out, size_t *out_len);

/* CKA_VALUE and, where the key type has it, CKA_VALUE_LEN. CKR_ATTRIBUTE_VALUE_INVALID when the length does
 * not fit the key type, CKR_TEMPLATE_INCONSISTENT when it is not the template's. */
CK_RV secret_put(struct attrs *key, const uint8_t *value, size_t len);
/* Is `len` a length that keys of this type have? */
bool secret_fits(CK_KEY_TYPE type, size_t len);
bool secret_has_length(CK_KEY_TYPE type); /* CKA_VALUE_LEN belongs to the type */

#endif
