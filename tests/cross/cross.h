/*
 * cross.h - proofs of mechanisms: what the token answers is what plain OpenSSL answers
 *
 * The program loads the module as any application does and knows the token by the standard's
 * calls alone. Every mechanism of C_GetMechanismList needs a row in one of the tables
 * (proof_*.c): which function proves it, with which keys, against which oracle; it may have
 * rows in several, which are all run. The oracles are libcrypto's EVP calls, or a few lines
 * written from the standard's text where OpenSSL has no such call.
 *
 * Use:        a proof calls use_* and key_*, compares with its oracle, and says what is wrong
 *             with `fail`. The use_* functions note which flags were seen to work; cross.c
 *             compares them with C_GetMechanismInfo afterwards.
 *
 * Ownership:  blobs and templates live in one arena, freed after each proof; so are the
 *             session's objects.
 */
#ifndef TOKENFS_CROSS_H
#define TOKENFS_CROSS_H

#include <openssl/bn.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "calls.h"

#define NELEMS(v) (sizeof(v) / sizeof((v)[0]))

/* ---- bytes ---- */
struct blob {
	uint8_t *data;
	size_t len;
};
void *arena_get(size_t n); /* zeroed; never NULL */
void arena_clear(void);
struct blob blob_new(size_t n);
struct blob blob_of(const void *data, size_t n);
struct blob blob_join(struct blob a, struct blob b);
struct blob blob_part(struct blob b, size_t at, size_t n); /* a view */
struct blob blob_random(size_t n);
struct blob blob_bn(const BIGNUM *n, size_t len); /* len 0: as long as needed */
bool blob_same(struct blob a, struct blob b);
struct blob unhex(const char *text, size_t chars); /* data NULL: not hexadecimal */

/* ---- chance: one seed gives one run, but for the keys that the token makes ---- */
extern uint64_t seed;
uint32_t chance(uint32_t below); /* below 0: 0 */
size_t some_length(void); /* nothing, one byte, around block boundaries, a few kilobytes */
size_t some_piece(size_t left); /* of what is left: nothing, little, much */

/* ---- judgement ---- */
struct proof;
extern const char *proof_name; /* stands before every failure */
void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* True if got is wanted; else fails with `what`. */
bool same(const char *what, struct blob wanted, struct blob got);
bool is_ok(const char *what, CK_RV rv);
void must_give(const char *what, CK_RV wanted, CK_RV got); /* a refusal, by its code */
/* The test's own oracle, not the token, is broken: ends the program. */
void must_be(bool what, const char *text);
extern unsigned checks, failures;

/* ---- the token ---- */
extern struct calls *f3;    /* the list of 3.2 */
extern CK_FUNCTION_LIST *f; /* its beginning */
extern CK_SESSION_HANDLE session;
extern CK_SLOT_ID slot;
extern CK_FLAGS proved; /* flags of the mechanism under proof that were seen to work */

struct templ {
	CK_ATTRIBUTE a[32];
	CK_ULONG n;
};
void templ_blob(struct templ *t, CK_ATTRIBUTE_TYPE type, struct blob value);
void templ_ulong(struct templ *t, CK_ATTRIBUTE_TYPE type, CK_ULONG value);
void templ_bool(struct templ *t, CK_ATTRIBUTE_TYPE type, bool value);
void templ_uses(struct templ *t, CK_FLAGS uses); /* CKF_ENCRYPT: CKA_ENCRYPT ... */
/* Class, type, not sensitive, extractable. */
void templ_key(struct templ *t, CK_OBJECT_CLASS class, CK_KEY_TYPE type, CK_FLAGS uses);

#define USE_CRYPT   (CKF_ENCRYPT | CKF_DECRYPT)
#define USE_SIGN    (CKF_SIGN | CKF_VERIFY)
#define USE_RECOVER (CKF_SIGN_RECOVER | CKF_VERIFY_RECOVER)
#define USE_WRAP    (CKF_WRAP | CKF_UNWRAP)
#define USE_SECRET  (USE_CRYPT | USE_SIGN | USE_WRAP | CKF_DERIVE)
#define USE_PUBLIC  (CKF_ENCRYPT | CKF_VERIFY | CKF_VERIFY_RECOVER | CKF_WRAP)
#define USE_PRIVATE (CKF_DECRYPT | CKF_SIGN | CKF_SIGN_RECOVER | CKF_UNWRAP | CKF_DERIVE)
#define USE_KEM	    (CKF_ENCAPSULATE | CKF_DECAPSULATE)

CK_RV object_make(struct templ *t, CK_OBJECT_HANDLE *h);
CK_RV key_secret(CK_KEY_TYPE type, struct blob value, CK_FLAGS uses, CK_OBJECT_HANDLE *h);
/* One to derive from; 0, with a failure, if it cannot be. */
CK_OBJECT_HANDLE base_secret(CK_KEY_TYPE type, struct blob value);
/* Halves of an OpenSSL key as objects; uses are cut to what the class can do. */
CK_RV key_public(EVP_PKEY *pkey, CK_FLAGS uses, CK_OBJECT_HANDLE *h);
CK_RV key_private(EVP_PKEY *pkey, CK_FLAGS uses, CK_OBJECT_HANDLE *h);
/* One of its numbers (OSSL_PKEY_PARAM_...); len 0: as long as needed. */
struct blob pkey_number(const EVP_PKEY *pkey, const char *name, size_t len);
/* The public half of a token's key, from its CKA_PUBLIC_KEY_INFO; NULL, with a failure, if
 * there is none. Caller frees. */
EVP_PKEY *key_exported(CK_OBJECT_HANDLE h);
bool get_blob(CK_OBJECT_HANDLE h, CK_ATTRIBUTE_TYPE type, struct blob *value);
CK_ULONG get_ulong(CK_OBJECT_HANDLE h, CK_ATTRIBUTE_TYPE type);
void destroy(CK_OBJECT_HANDLE h);
void destroy_all(void); /* what object_make and the calls below made */
void keep_track(CK_OBJECT_HANDLE h);

/* ---- use: one call of the standard's flow, in a way that chance chooses: in one part, after a
 * length query, with a buffer that is too small first, in parts of random lengths ---- */
enum ways { ANY_WAY, ONE_PART };
/* The parameter, copied. */
void param_give(CK_MECHANISM *m, const void *param, size_t len);
/* flag: CKF_ENCRYPT, CKF_DECRYPT, CKF_DIGEST, CKF_SIGN, CKF_SIGN_RECOVER, CKF_VERIFY_RECOVER.
 * room: no answer is longer. */
CK_RV use_key(CK_FLAGS flag, CK_MECHANISM *m, CK_OBJECT_HANDLE key, struct blob in, size_t room,
	enum ways ways, struct blob *out);
/* Signs in every flow that the mechanism has: C_Sign, C_SignMessage, C_SignMessageBegin. Fails
 * with what does not work; how many signatures there are. `ways` is C_Sign's. */
#define SIGN_FLOWS 3
size_t use_sign(CK_MECHANISM *m, CK_OBJECT_HANDLE key, struct blob in, size_t room,
	enum ways ways, struct blob out[SIGN_FLOWS]);
/* The verdict of C_Verify; fails if C_VerifySignature or, where the mechanism has it,
 * C_VerifyMessage comes to another. */
CK_RV use_verify(CK_MECHANISM *m, CK_OBJECT_HANDLE key, struct blob in, struct blob signature,
	enum ways ways);
/* A key of a value that it does not show: an HMAC by it does. */
void expect_hidden(const char *what, CK_OBJECT_HANDLE h, struct blob value);
/* A changed signature, and ones that are a byte too short or too long, are refused. */
void refuse_changed(CK_MECHANISM *m, CK_OBJECT_HANDLE key, struct blob in,
	struct blob signature, enum ways ways);
CK_RV use_wrap(
	CK_MECHANISM *m, CK_OBJECT_HANDLE wrapping, CK_OBJECT_HANDLE target, struct blob *out);
CK_RV use_unwrap(CK_MECHANISM *m, CK_OBJECT_HANDLE unwrapping, struct blob in, struct templ *t,
	CK_OBJECT_HANDLE *h);
CK_RV use_derive(CK_MECHANISM *m, CK_OBJECT_HANDLE base, struct templ *t, CK_OBJECT_HANDLE *h);
/* Derives a generic secret, of a length that the template says or leaves open. */
void expect_derived(const char *what, CK_MECHANISM *m, CK_OBJECT_HANDLE base,
	struct blob wanted, bool say_length);
CK_RV use_generate(CK_MECHANISM *m, struct templ *t, CK_OBJECT_HANDLE *h);
CK_RV use_generate_pair(CK_MECHANISM *m, struct templ *pub, struct templ *priv,
	CK_OBJECT_HANDLE *pub_h, CK_OBJECT_HANDLE *priv_h);
CK_RV use_encapsulate(CK_MECHANISM *m, CK_OBJECT_HANDLE pub, struct templ *t, struct blob *text,
	CK_OBJECT_HANDLE *h);
CK_RV use_decapsulate(CK_MECHANISM *m, CK_OBJECT_HANDLE priv, struct blob text, struct templ *t,
	CK_OBJECT_HANDLE *h);
/* A bare C_*Init, ended again at once. */
CK_RV try_init(CK_FLAGS flag, CK_MECHANISM *m, CK_OBJECT_HANDLE key);

/* ---- rows ---- */
struct proof {
	CK_MECHANISM_TYPE type;
	void (*prove)(const struct proof *p);
	const char *name; /* of the algorithm in OpenSSL */
	CK_KEY_TYPE key;  /* what it works with, or makes */
	size_t size; /* of the answer (a hash, a MAC, a tag), or of the only key there is */
	size_t unit; /* input is whole units; 0: any */
	int variant;
	/* A random parameter for so much (plain) input. */
	void (*param)(const struct proof *p, CK_MECHANISM *m, size_t in_len);
	/* What the standard says that the answer is; data NULL where the input is to be
	 * refused. */
	struct blob (*oracle)(const struct proof *p, const CK_MECHANISM *m, struct blob key,
		struct blob in, bool forward);
	/* Keys of a size in the mechanism's own unit, for the limits. NULL: a secret key of so
	 * many bytes. pub and priv are one handle for secret keys. */
	CK_RV(*make)
	(const struct proof *p, CK_ULONG size, CK_OBJECT_HANDLE *pub, CK_OBJECT_HANDLE *priv);
};
struct proofs {
	const struct proof *rows;
	size_t n;
};
extern const struct proofs proofs_hash, proofs_sha512_t, proofs_cipher, proofs_rsa, proofs_ec,
	proofs_make, proofs_derive, proofs_kdf, proofs_sp800_108, proofs_tls, proofs_otp,
	proofs_dsa, proofs_pq, proofs_message, proofs_nonce, proofs_seal, proofs_kem;
/* What the token tells of the mechanism under proof. */
bool claims(CK_FLAGS flag);
extern unsigned round_now;
const struct proof *proof_find(CK_MECHANISM_TYPE type);
/* Flags and sizes of C_GetMechanismInfo are what the token does. */
void prove_limits(const struct proof *p, const CK_MECHANISM_INFO *info);
/* A row's `make` where keys are made of nothing: the sizes alone. */
CK_RV make_none(
	const struct proof *p, CK_ULONG size, CK_OBJECT_HANDLE *pub, CK_OBJECT_HANDLE *priv);
/* Published answers: every line of the file, by token and oracle. */
void prove_known(const char *path);
/* Prints which of the token's mechanisms no line that ran was of. */
void known_summary(void);

/* A random value that a key of the type can have: its lengths by chance, parity bits where
 * there are. */
struct blob secret_value(CK_KEY_TYPE type);
struct blob secret_value_of(CK_KEY_TYPE type, size_t len);
/* Wrapping by the row's cipher, both ways, of a secret key and, where the length is free, of a
 * private one. */
void prove_wrapping(
	const struct proof *p, const CK_MECHANISM *m, CK_OBJECT_HANDLE key, struct blob value);
/* PKCS #8 of a key, and back; NULL: it is none. */
struct blob pkcs8(EVP_PKEY *pkey);
EVP_PKEY *pkcs8_key(struct blob der);

#endif
