/*
 * message.h - messages under an authenticated cipher: what the standard's parameters say of
 * each, and its flows
 *
 * Use:        parcel_make; message_init; use_message as often as wanted, with a parcel each;
 *             message_final
 *
 * Ownership:  nonce and tag of a parcel are the memory that its parameter points to: what the
 *             token makes is found there.
 */
#ifndef TOKENFS_CROSS_MESSAGE_H
#define TOKENFS_CROSS_MESSAGE_H

#include "oracle.h"

enum aead { GCM, CCM, CHACHA_POLY }; /* a row's variant */

struct parcel {
	const struct proof *p;
	void *param;
	CK_ULONG param_len;
	struct blob nonce, aad, tag;
};

/* For text of so many bytes. generator: CKG_...; with CKG_NO_GENERATE the nonce is used as it
 * is. */
struct parcel parcel_make(const struct proof *p, struct blob nonce, CK_ULONG generator,
	CK_ULONG fixed_bits, size_t tag, size_t text, struct blob aad);
/* A nonce of a length by chance that fits so much text. */
struct blob some_nonce(const struct proof *p, size_t text);
/* The lengths of tags that there are, shortest first; 0 past the last. */
size_t tag_length(const struct proof *p, size_t i);
/* Nothing, a byte, some, many. */
struct blob some_aad(void);
/* What OpenSSL makes of the text with nonce and additional data of the parcel: ciphertext, then
 * tag. */
struct blob parcel_sealed(const struct parcel *c, struct blob key, struct blob text);

CK_RV message_init(bool encrypt, const struct proof *p, CK_OBJECT_HANDLE key);
/* In one call, or by Begin and Next. The tag comes from, or goes to, the parcel. After a
 * refusal *out must be as it was: fails otherwise; so it does if a decryption in parts gives
 * text out before it has seen the tag. */
CK_RV use_message(bool encrypt, struct parcel *c, struct blob in, bool parts, struct blob *out);
void message_final(bool encrypt);

#endif
