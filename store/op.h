/*
 * op.h - one cryptographic operation: begin, once or update and final, end
 *
 * Holds the rules that all mechanisms share: length queries, CKR_BUFFER_TOO_SMALL, one-shot
 * against multi-part, when an error ends the operation (PKCS#11 3.1 5.2, 5.8 to 5.15).
 *
 * Use:        op_begin(&op, OP_SIGN, &mech, key); op_once(op, in, n, out, &out_len); ...
 *             after each call: if (!op_active(op)) the operation is over: op_end(op)
 * Ownership:  op keeps a reference on its key. op_end frees and wipes; op_end(NULL) does nothing.
 * Locking:    one thread at a time (the session's lock).
 * Errors:     CKR_OPERATION_ACTIVE when one-shot and multi-part are mixed; CKR_DATA_LEN_RANGE,
 *             CKR_ENCRYPTED_DATA_INVALID, CKR_SIGNATURE_INVALID, CKR_SIGNATURE_LEN_RANGE, ...
 */
#ifndef TOKENFS_OP_H
#define TOKENFS_OP_H

#include "mech.h"

enum op_kind {
	OP_ENCRYPT,
	OP_DECRYPT,
	OP_DIGEST,
	OP_SIGN,
	OP_VERIFY,
	OP_SIGN_RECOVER,
	OP_VERIFY_RECOVER,
	OP_VERIFY_SIGNATURE, /* C_VerifySignatureInit: the signature is known first */
	OP_MESSAGE_ENCRYPT,
	OP_MESSAGE_DECRYPT,
	OP_MESSAGE_SIGN,
	OP_MESSAGE_VERIFY,
	OP_KINDS
};

struct op;

/* key NULL for digests. Checks rules_use. */
CK_RV op_begin(struct op **op, enum op_kind kind, const CK_MECHANISM *m, struct object *key);
void op_end(struct op *op);
bool op_active(const struct op *op);
/* Mechanisms that use something of their key up (CKM_HOTP: the counter that the next password has) have it kept before
 * an answer goes out: `keep` makes the key's next version durable, which op_spend says for the version that it replaces.
 * A length query and CKR_BUFFER_TOO_SMALL use nothing up. Set before each use, NULL after it; without a keeper such a
 * mechanism gives no answer. */
struct op_keeper {
	CK_RV (*keep)(void *arg, struct op *op);
	void *arg;
};
void op_set_keeper(struct op *op, const struct op_keeper *k);
/* What changes of the key, `now` its attributes; the last one asked about counts. CKR_TOKEN_RESOURCE_EXCEEDED: it is
 * used up. */
CK_RV op_spend(struct op *op, const struct attrs *now, struct attrs *changes);
/* Is the answer an image of a structure (pkcs11/otp.h), not plain bytes? */
bool op_answers_otp(const struct op *op);
struct object *op_key(const struct op *op); /* borrowed; NULL for digests */
CK_MECHANISM_TYPE op_mechanism(const struct op *op);
/* Bytes of the MAC that it compares with one it makes; 0: it does not verify, or no MAC. For rules_mac. */
size_t op_compares(const struct op *op);
/* Bytes that it holds on to between two calls: input that is gathered, an answer that waits, a signature. */
size_t op_held(const struct op *op);

/* Encrypt, decrypt, digest, sign, sign recover, verify recover in one part. out == NULL asks for the length. */
CK_RV op_once(struct op *op, const uint8_t *in, size_t in_len, uint8_t *out, CK_ULONG *out_len);
/* out and out_len NULL for digests, sign and verify. */
CK_RV op_update(struct op *op, const uint8_t *in, size_t in_len, uint8_t *out, CK_ULONG *out_len);
CK_RV op_final(struct op *op, uint8_t *out, CK_ULONG *out_len);
CK_RV op_verify(struct op *op, const uint8_t *in, size_t in_len, const uint8_t *sig, size_t sig_len);
CK_RV op_verify_final(struct op *op, const uint8_t *sig, size_t sig_len);
CK_RV op_digest_key(struct op *op, struct object *key);
/* The most that once/update/final can return for so much input, for sizing reply buffers. */
size_t op_bound(const struct op *op, size_t in_len);

/* OP_VERIFY_SIGNATURE (PKCS#11 3.2, C_VerifySignature*): the signature right after op_begin; it is copied. */
CK_RV op_set_signature(struct op *op, const uint8_t *sig, size_t sig_len);
CK_RV op_verify_signature(struct op *op, const uint8_t *in, size_t in_len);
CK_RV op_verify_signature_final(struct op *op);

/* ---- messages (PKCS#11 3.1 5.9, 5.11, 5.14, 5.16): op_begin with OP_MESSAGE_*, then message after message ----
 * An error in a message ends that message, not the operation, and op_active stays true (3.1 5.9.2). The parameter that
 * op_begin gets is not looked at by ciphers, whose nonce comes with each message; for signatures it is every message's.
 * CKR_OPERATION_ACTIVE within a message that has begun; CKR_AEAD_DECRYPT_FAILED for a wrong tag;
 * CKR_TOKEN_RESOURCE_EXCEEDED when the token has made every nonce that the fixed bits leave it. */
struct message {
	void *param; /* the mechanism's message parameter, CK_GCM_MESSAGE_PARAMS ...: an IV that the token makes and
		      * the tag are written through its pointers. NULL for signatures */
	CK_ULONG param_len;
	const uint8_t *aad;
	size_t aad_len;
};
/* One message in one part: encrypt, decrypt, sign. out == NULL asks for the length. */
CK_RV op_message(struct op *op, const struct message *m, const uint8_t *in, size_t in_len, uint8_t *out,
	CK_ULONG *out_len);
CK_RV op_message_verify(struct op *op, const struct message *m, const uint8_t *in, size_t in_len, const uint8_t *sig,
	size_t sig_len);
/* One message in parts. The parameter of every call is the one message's; `last` ends the message. Signing: out and
 * out_len NULL but for the last part. */
CK_RV op_message_begin(struct op *op, const struct message *m);
CK_RV op_message_next(struct op *op, const struct message *m, const uint8_t *in, size_t in_len, bool last, uint8_t *out,
	CK_ULONG *out_len);
CK_RV op_message_verify_next(struct op *op, const struct message *m, const uint8_t *in, size_t in_len, bool last,
	const uint8_t *sig, size_t sig_len);
/* Ends the message that is under way, if there is one, for a part that was refused before it came to op_message_next. */
void op_message_drop(struct op *op);
/* The most that op_message or op_message_next can return for so much input. */
size_t op_message_bound(const struct op *op, size_t in_len);

/* C_GetOperationState / C_SetOperationState: digests only, else CKR_STATE_UNSAVEABLE. */
CK_RV op_save(const struct op *op, uint8_t *out, CK_ULONG *out_len);
CK_RV op_restore(struct op **op, const uint8_t *in, size_t in_len);

/* ALWAYS_AUTHENTICATE is the session's business: it asks. */
bool op_needs_context_login(const struct op *op);

/* C_GenerateRandom: from OpenSSL's generator. CKR_FUNCTION_FAILED. */
CK_RV random_bytes(uint8_t *out, size_t len);
/* C_SeedRandom: mixed in, counted as no entropy. */
CK_RV random_seed(const uint8_t *seed, size_t len);

#endif
