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
/* Appends; makes room for cap bytes in all. CKR_HOST_MEMORY, with the content as it was. */
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
	CK_ULONG kdf_sp800;         /* CKD_SHA256_KDF_SP800; 0: none */
	enum { HASH_PLAIN, HASH_SIZED, HASH_LEGACY } kind; /* SIZED: a shorter form that OpenSSL makes by a parameter;
	                             * LEGACY: for mechanisms' parameters only where the configuration has legacy = yes */
};
/* By OpenSSL's name; NULL: none, also for NULL. */
const struct hash *hash_named(const char *name);
/* As a mechanism's parameter may name them: those that OpenSSL has by name, MD5 only where it is on. */
const struct hash *hash_of_digest(CK_MECHANISM_TYPE digest);
const struct hash *hash_of_mgf(CK_RSA_PKCS_MGF_TYPE mgf);
const struct hash *hash_of_kdf(CK_ULONG kdf);       /* ANSI X9.63 */
const struct hash *hash_of_kdf_sp800(CK_ULONG kdf); /* SP 800-56C, one step */
bool hash_is_hmac_key(CK_KEY_TYPE type);
/* Fetched once per process; NULL when OpenSSL lacks it, and for HASH_SIZED ones, which only hash_start makes. */
const EVP_MD *hash_md(const struct hash *h);
/* Can this OpenSSL do the row's digest? True for rows without. */
bool hash_there(const struct mech *row);
/* (Re)starts *ctx, which may be NULL before. */
CK_RV hash_start(EVP_MD_CTX **ctx, const struct hash *h);

/* ---- operations ---- */
enum op_input {
	INPUT_STREAM, /* update answers at once */
	INPUT_HASH,   /* hashed with the row's digest; whole gets the hash */
	INPUT_GATHER  /* kept; whole gets all of it */
};

/* The nonces that one message operation makes (op_nonce.c). */
#define NONCE_MAX 128
struct nonces {
	bool set; /* the fields below hold for every further message */
	CK_ULONG generator;
	size_t len, fixed_bits;
	uint8_t base[NONCE_MAX]; /* what the counter is added to */
	uint8_t last[NONCE_MAX];
	uint64_t count;
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
	uint64_t blocks;     /* block and stream ciphers: what the counter still holds; 0: there is none */
	size_t block;        /* the same: bytes of a block */
	bool whole_blocks;   /* the same: the text is whole blocks */
	bool pads;           /* the same: PKCS #7 padding makes whole blocks of it */
	EVP_PKEY_CTX *pctx;
	EVP_CIPHER_CTX *cctx;
	EVP_MD_CTX *mctx;
	EVP_MAC_CTX *actx;
	uint8_t iv[16];      /* key wrap: its parameter */
	size_t iv_len;
	size_t tag_set;      /* CCM: the tag's length that the key was set up with */
	uint64_t data_len;   /* CCM: told when it began */
	uint64_t counter;    /* one-time passwords: of the one that is made or checked */
	bool next;           /* the same: it is the one after that */
	bool spends;         /* an answer uses something of the key up */

	/* op.c's own */
	const struct op_keeper *keeper;
	uint64_t fed, given; /* multi-part: bytes in, bytes out */
	struct bytes gathered;
	struct bytes result; /* an answer that waits for a buffer large enough */
	bool has_result;
	bool told_key;       /* a digest took in a key: its state may not leave */
	EVP_MD_CTX *sctx;    /* signatures of whole messages that are hashed as well (mctx) */
	struct bytes prefix; /* pre-hashed signatures: what stands before the hash in what is signed */
	struct bytes state;  /* SHA-512/t: what it has hashed so far */
	CK_ULONG param;      /* the same: t. Of other digests 0 */
	bool early;          /* OP_VERIFY_SIGNATURE: an OP_VERIFY whose signature is here already */
	bool has_signature;
	struct bytes signature;

	/* op_message.c's own */
	bool in_message;     /* between the first and the last part of a message */
	struct nonces nonces;
	struct param mechanism; /* signing: what each message begins with */
	struct op *inner;    /* signing: the message that is under way */
};

struct mech_family {
	bool bits; /* key sizes of the rows count bits, not bytes */
	/* Can this build's OpenSSL do the row? NULL: always. */
	bool (*there)(const struct mech *row);
	/* Takes what it needs from the parameter; makes or renews contexts. */
	CK_RV (*begin)(struct op *op, const CK_MECHANISM *m);
	/* Bytes that have come out in total after `fed` bytes, with or without the final call. */
	uint64_t (*total)(const struct op *op, uint64_t fed, bool final);
	/* May there be an end after `fed` bytes? Asked before an answer or its length is given. NULL: always. */
	CK_RV (*fits)(const struct op *op, uint64_t fed);
	/* INPUT_STREAM. *out_len is set to what was written. */
	CK_RV (*update)(struct op *op, const uint8_t *in, size_t n, uint8_t *out, size_t *out_len);
	CK_RV (*final)(struct op *op, uint8_t *out, size_t *out_len);
	/* INPUT_HASH, INPUT_GATHER */
	CK_RV (*whole)(struct op *op, const uint8_t *in, size_t n, uint8_t *out, size_t *out_len);
	/* The same for verification. NULL: the signature is a MAC, made again and compared. */
	CK_RV (*verify)(struct op *op, const uint8_t *in, size_t n, const uint8_t *sig, size_t sig_len);
	/* Where op->spends: the attributes that this answer changes of the key, whose present ones are `now`. */
	CK_RV (*spend)(struct op *op, const struct attrs *now, struct attrs *changes);
	bool otp; /* signatures are images of CK_OTP_SIGNATURE_INFO */
	/* Keys; NULL where a family has none. */
	CK_RV (*generate)(const CK_MECHANISM *m, const struct mech *row, struct attrs *key, struct cancel *c);
	/* What generate makes, beyond class and type: NULL: a secret key of the row's first type. */
	CK_RV (*imply)(const struct mech *row, const struct attrs *templ, struct attrs *key);
	CK_RV (*generate_pair)(const CK_MECHANISM *m, const struct mech *row, struct attrs *pub,
		struct attrs *priv, struct cancel *c);
	/* plan NULL: one secret key, a generic one if the template does not say. */
	CK_RV (*plan)(struct derivation *d);
	CK_RV (*derive)(struct derivation *d);
	/* A secret into *key, and the ciphertext by which the private key's owner gets it too; out NULL: *out_len becomes
	 * the exact length. */
	CK_RV (*encapsulate)(const CK_MECHANISM *m, const struct mech *row, struct object *pub, uint8_t *out,
		size_t *out_len, struct attrs *key);
	CK_RV (*decapsulate)(const CK_MECHANISM *m, const struct mech *row, struct object *priv, const uint8_t *in,
		size_t n, struct attrs *key);
	/* Wrapping that is more than encrypting the key's bytes; NULL: that. out NULL: *out_len becomes the exact
	 * length. A blob that is damaged: CKR_ENCRYPTED_DATA_INVALID; *out_len in: room, at least in_len. */
	CK_RV (*wrap)(const CK_MECHANISM *m, const struct mech *row, struct object *wrapping, const uint8_t *in, size_t n,
		uint8_t *out, size_t *out_len);
	CK_RV (*unwrap)(const CK_MECHANISM *m, const struct mech *row, struct object *unwrapping, const uint8_t *in,
		size_t n, uint8_t *out, size_t *out_len);
};

/* ---- rows ---- */
struct mech_rows {
	const struct mech *rows;
	size_t n;
};
extern const struct mech_rows mech_hash_rows, mech_mac_rows, mech_secret_rows, mech_rsa_key_rows, mech_rsa_rows,
	mech_ec_rows, mech_ecdh_rows, mech_aes_rows, mech_aead_rows, mech_aes_wrap_rows, mech_chacha_rows,
	mech_des_rows, mech_blake2_rows, mech_sha512_t_rows, mech_cbc_mac_rows, mech_legacy_rows;

extern const struct mech_rows mech_otp_rows;

extern const struct mech_rows mech_kdf_hash_rows, mech_hkdf_rows, mech_pbkd2_rows, mech_sp800_108_rows, mech_tls_rows,
	mech_tls_mac_rows, mech_concat_rows, mech_encrypt_data_rows, mech_public_rows, mech_rsa_aes_wrap_rows,
	mech_ecdh_aes_wrap_rows;

/* The row of a mechanism that does what `flag` says; CKR_MECHANISM_INVALID. */
CK_RV mech_row_with(const CK_MECHANISM *m, CK_FLAGS flag, const struct mech **row);

#define MECH_ROWS(rows) (rows), sizeof(rows) / sizeof((rows)[0])
#define NO_KEY CK_UNAVAILABLE_INFORMATION
#define KEYS1(a) {a, NO_KEY, NO_KEY}
#define KEYS2(a, b) {a, b, NO_KEY}
#define NO_KEYS {NO_KEY, NO_KEY, NO_KEY}
#define CRYPT (CKF_ENCRYPT | CKF_DECRYPT)
#define MESSAGE_CRYPT (CKF_MESSAGE_ENCRYPT | CKF_MESSAGE_DECRYPT | CKF_MULTI_MESSAGE)
#define SIGN_ALONE (CKF_SIGN | CKF_VERIFY) /* MACs that must not see a second message under the same parameter */
#define SIGN (SIGN_ALONE | CKF_MESSAGE_SIGN | CKF_MESSAGE_VERIFY | CKF_MULTI_MESSAGE)
#define RECOVER (CKF_SIGN_RECOVER | CKF_VERIFY_RECOVER)
#define WRAP (CKF_WRAP | CKF_UNWRAP)
#define CURVES (CKF_EC_F_P | CKF_EC_OID | CKF_EC_CURVENAME | CKF_EC_UNCOMPRESS | CKF_EC_COMPRESS)
#define NAMED (CKF_EC_OID | CKF_EC_CURVENAME)
#define AES_KEYS 16, 32, KEYS1(CKK_AES)
#define KEM (CKF_ENCAPSULATE | CKF_DECAPSULATE)
/* PKCS#11 3.2: these count the bytes of public keys */
#define ML_KEM_KEYS 800, 1568, KEYS1(CKK_ML_KEM)
#define ML_DSA_KEYS 1312, 2592, KEYS1(CKK_ML_DSA)
#define SLH_DSA_KEYS 32, 64, KEYS1(CKK_SLH_DSA)

extern const struct mech_family family_digest, family_mac, family_secret, family_rsa_key, family_rsa,
	family_ec_key, family_ecdsa, family_eddsa, family_ecdh, family_aes, family_aead, family_aes_wrap, family_chacha,
	family_des;

extern const struct mech_family family_dh_domain, family_dh_key, family_dh, family_dsa_domain, family_dsa_key, family_dsa,
	family_pq_key, family_pq_sign, family_ml_kem;
extern const struct mech_rows mech_dh_rows, mech_dsa_rows, mech_pq_key_rows, mech_ml_kem_rows, mech_ml_dsa_rows;

/* Finite fields: what DH and DSA share (mech_dsa.c). CKA_PRIME_BITS within the row's sizes; class and type of
 * domain parameters; a pair of a domain that is within the row's sizes. */
CK_RV ffc_prime_bits(const CK_MECHANISM *m, const struct mech *row, const struct attrs *domain);
CK_RV ffc_imply_domain(const struct mech *row, const struct attrs *templ, struct attrs *domain);
CK_RV ffc_make(EVP_PKEY *domain, const struct mech *row, struct cancel *c, EVP_PKEY **pkey);
/* EVP_PKEY_generate that gives up when *c says so: CKR_FUNCTION_CANCELED. */
CK_RV mech_make_slowly(EVP_PKEY_CTX *ctx, struct cancel *c, const char *what, EVP_PKEY **pkey);
/* Does this OpenSSL know the algorithm of the row's keys? */
bool pq_there(const struct mech *row);

/* CKM_ECDH1_DERIVE and RSA as KEMs (mech_encap.c). */
CK_RV ecdh_encapsulate(const CK_MECHANISM *m, const struct mech *row, struct object *pub, uint8_t *out, size_t *out_len,
	struct attrs *key);
CK_RV ecdh_decapsulate(const CK_MECHANISM *m, const struct mech *row, struct object *priv, const uint8_t *in, size_t n,
	struct attrs *key);
CK_RV rsa_encapsulate(const CK_MECHANISM *m, const struct mech *row, struct object *pub, uint8_t *out, size_t *out_len,
	struct attrs *key);
CK_RV rsa_decapsulate(const CK_MECHANISM *m, const struct mech *row, struct object *priv, const uint8_t *in, size_t n,
	struct attrs *key);
CK_RV ec_make(const struct curve *c, EVP_PKEY **pkey); /* a pair on the curve */

/* A pair on the curve of CKA_EC_PARAMS, for the families of curve keys. */
CK_RV ec_generate_pair(const CK_MECHANISM *m, const struct mech *row, struct attrs *pub, struct attrs *priv,
	struct cancel *c);

/* The parameter as a structure of `size` bytes; NULL when it has another size or is absent. */
const void *mech_param(const CK_MECHANISM *m, size_t size);
bool mech_no_param(const CK_MECHANISM *m);
CK_RV mech_bad_param(const char *what); /* CKR_MECHANISM_PARAM_INVALID with its reason */
/* An OpenSSL call failed: rv with OpenSSL's reason; its error queue is emptied. */
CK_RV mech_failed(CK_RV rv, const char *what);

/* op_begin without the rules, and without a reference on the key's object: who gives *op to op_end takes one before. */
CK_RV op_start(struct op **op, enum op_kind kind, const CK_MECHANISM *m, const struct mech *row, struct object *key);
/* Forgets the content; keeps the memory if it is little. */
void bytes_clear(struct bytes *b);
/* An operation on messages: only op_message.c may run it. */
static inline bool
op_is_message(const struct op *op)
{
	return op->kind >= OP_MESSAGE_ENCRYPT && op->kind <= OP_MESSAGE_VERIFY;
}
/* OP_MESSAGE_SIGN and OP_MESSAGE_VERIFY: keeps the mechanism and tries it once. */
CK_RV message_sign_begin(struct op **op, enum op_kind kind, const CK_MECHANISM *m, const struct mech *row,
	struct object *key);

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
size_t secret_length_of(CK_KEY_TYPE type); /* the only length it has; 0: several */
void secret_set_parity(uint8_t *p, size_t n); /* of DES keys */
/* CKA_VALUE_LEN of the key to be made, or the only length of its type: CKR_TEMPLATE_INCOMPLETE without either,
 * CKR_ATTRIBUTE_VALUE_INVALID for what the type cannot have. */
CK_RV secret_length(const struct attrs *key, size_t *len);

/* ---- derivation (mech_derive.c): for plan ---- */
CK_RV derive_secret(struct derived *key); /* a secret key, a generic one if the template does not say */
CK_RV derive_agreed(struct derivation *d); /* the plan of key agreements */
CK_RV derive_hash(struct derivation *d);   /* the plan of keys that are the hash of their base */
/* These attributes of the base are the key's defaults. */
CK_RV derive_inherit(struct derived *key, const struct object *base, const CK_ATTRIBUTE_TYPE *types, size_t n);
CK_RV derive_further(struct derivation *d, struct derived **key); /* one more key comes out */
/* Another key to work from, held by d: a secret key that passes what the base passed. */
CK_RV derive_from(struct derivation *d, CK_OBJECT_HANDLE h, struct object **o);
/* ---- and for derive ---- */
CK_RV derive_base(const struct derivation *d, const uint8_t **value, size_t *len); /* the value of a secret base */
/* How many bytes the key takes of the `have` that there are: CKA_VALUE_LEN, the only length of its type, or all
 * for a generic secret if have is below SECRET_MAX. */
CK_RV derive_length(const struct derived *key, size_t have, size_t *len);
CK_RV derive_put(struct derived *key, const uint8_t *value, size_t len); /* with the parity of DES keys */
/* What our private key and the other party's public one agree on: at most k->size bytes, in the secret arena. set_up: what
 * the algorithm asks of the context, 1 for success; NULL: nothing. name: for why(). CKR_MECHANISM_PARAM_INVALID. */
CK_RV derive_agree(const struct key *k, EVP_PKEY *peer, int (*set_up)(EVP_PKEY_CTX *ctx), const char *name,
	struct bytes *z);
/* An agreed secret, cut by removing bytes from its leading end (PKCS#11 3.1 6.3.17, 6.4.6) to CKA_VALUE_LEN, to the only
 * length of the type, or, if a key of the type can be as long as the secret, not at all. */
CK_RV derive_put_end(struct derived *key, const struct bytes *z);

#endif
