/*
 * aead.h - the authenticated ciphers as their three users see them: operations (mech_aead.c), messages
 * (op_message.c) and wrapping (mech_wrap.c)
 *
 * Use:        aead_read(&a, variant, form, param, len); nonce_make(&op->nonces, &a) where the token makes nonces;
 *             aead_start(op, &a, n); aead_seal or aead_open
 * Ownership:  struct aead points into the caller's parameter: it lives as long as the call.
 * Errors:     CKR_MECHANISM_PARAM_INVALID, CKR_DATA_LEN_RANGE, CKR_ENCRYPTED_DATA_LEN_RANGE;
 *             CKR_ENCRYPTED_DATA_INVALID for a wrong tag.
 */
#ifndef TOKENFS_AEAD_H
#define TOKENFS_AEAD_H

#include "mech_family.h"

struct aead {
	uint8_t *nonce;     /* read, or written when the token makes it */
	size_t nonce_len;
	CK_ULONG generator; /* CKG_...; CKG_NO_GENERATE where the form has none */
	size_t fixed_bits;
	uint8_t *tag;       /* where it stands; NULL in the forms that have it behind the ciphertext */
	size_t tag_len;
	bool sized;         /* data_len was told beforehand (CCM) */
	uint64_t data_len;
	const uint8_t *aad;
	size_t aad_len;
};

/* Which structure the parameter is. The sizes alone do not tell: CK_GCM_PARAMS is as long as CK_GCM_MESSAGE_PARAMS. */
enum aead_form {
	AEAD_PLAIN,  /* CK_GCM_PARAMS, CK_CCM_PARAMS, CK_SALSA20_CHACHA20_POLY1305_PARAMS */
	AEAD_WRAP,   /* the same or, told apart by its length, CK_GCM_WRAP_PARAMS, CK_CCM_WRAP_PARAMS */
	AEAD_MESSAGE /* CK_GCM_MESSAGE_PARAMS, CK_CCM_MESSAGE_PARAMS, CK_SALSA20_CHACHA20_POLY1305_MSG_PARAMS */
};
/* variant: the row's. The additional data of a message is not in its parameter: the caller sets it. */
CK_RV aead_read(struct aead *a, int variant, enum aead_form form, const void *param, CK_ULONG len);

/* Sets the operation up for n bytes of text under a's nonce and additional data; n counts for CCM only. */
CK_RV aead_start(struct op *op, const struct aead *a, uint64_t n);
/* All text, or its last part. The tag goes to or comes from `tag`, op->size bytes. */
CK_RV aead_seal(struct op *op, const uint8_t *in, size_t n, uint8_t *out, uint8_t *tag);
CK_RV aead_open(struct op *op, const uint8_t *in, size_t n, uint8_t *out, const uint8_t *tag);
/* A part of the text while sealing, where the cipher takes parts. */
CK_RV aead_part(struct op *op, const uint8_t *in, size_t n, uint8_t *out);

/* A key's bytes in one go, without asking the rules. out NULL or small: *out_len becomes the length, as everywhere.
 * With a->tag NULL the tag stands behind the ciphertext. A nonce that the token makes is written to a->nonce. */
CK_RV aead_wrap(const struct mech *row, struct object *key, const struct aead *a, const uint8_t *in, size_t n,
	uint8_t *out, size_t *out_len);
CK_RV aead_unwrap(const struct mech *row, struct object *key, const struct aead *a, const uint8_t *in, size_t n,
	uint8_t *out, size_t *out_len);

/* Writes the next nonce to a->nonce as its generator has it (PKCS#11 3.1 6.13.2); CKG_NO_GENERATE leaves it. No two
 * nonces that one `s` makes are the same. CKR_MECHANISM_PARAM_INVALID when the generator, the length or the fixed bits
 * change under way; CKR_TOKEN_RESOURCE_EXCEEDED when the counter is used up. */
CK_RV nonce_make(struct nonces *s, const struct aead *a);
/* A random one for a single use, without a counter; generators that count are CKR_MECHANISM_PARAM_INVALID. */
CK_RV nonce_random(const struct aead *a);

#endif
