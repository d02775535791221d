/*
 * mech.h - the mechanisms: a row each, in the file of its family
 *
 * A row names mechanism, key types, sizes, flags and family; mech_*.c hold the families with their rows,
 * mech.c gathers them. Name and parameter of a mechanism, which the module must know too, stand in its row of
 * pkcs11/names_table.c. A new mechanism is those two rows and, at most, one new file. No other place
 * switches over mechanisms. C_GetMechanismList and C_GetMechanismInfo print the rows.
 */
#ifndef TOKENFS_MECH_H
#define TOKENFS_MECH_H

#include "../pkcs11/param.h"
#include "object.h"

struct mech_family;

enum mech_when {
	MECH_ALWAYS,
	MECH_COMPAT, /* tokens with the compat policy only: it can give key bits away */
	MECH_LEGACY  /* where the configuration says legacy = yes only: it is broken, or its keys are short */
};

/* Of two rows for one mechanism the MECH_LEGACY one counts where it is on: it allows shorter keys. */
struct mech {
	CK_MECHANISM_TYPE type;
	CK_FLAGS flags;         /* as C_GetMechanismInfo tells and op_begin enforces */
	CK_ULONG min, max;      /* key sizes: bits or bytes, as the standard says for the mechanism */
	CK_KEY_TYPE keys[3];    /* key types it works with; unused: CK_UNAVAILABLE_INFORMATION */
	const char *digest;     /* OpenSSL's name of the hash, or NULL */
	int variant;            /* the family's own */
	const struct mech_family *family;
	enum mech_when when;
};

/* Only rows that this build's OpenSSL can do, MECH_LEGACY ones only if they are on. */
const struct mech *mech_find(CK_MECHANISM_TYPE type);
size_t mech_count(void);
const struct mech *mech_at(size_t i); /* ordered by number */
/* Does a token with this policy have it? */
bool mech_offered(const struct mech *row, bool compat);
/* Before the first use of the calls above by another thread. */
void mech_set_legacy(bool on);

/* True until the application went away; long work asks now and then (key generation). */
struct cancel {
	atomic_bool on;
};

/* ---- keys: all on attribute sets made by rules_begin; they add the value ---- */
/* CKR_MECHANISM_INVALID if the mechanism does not generate; CKR_FUNCTION_CANCELED;
 * CKR_TEMPLATE_INCOMPLETE and CKR_ATTRIBUTE_VALUE_INVALID for CKA_VALUE_LEN, CKA_MODULUS_BITS, CKA_EC_PARAMS ...
 * that are missing or out of range. */
CK_RV mech_generate_key(const CK_MECHANISM *m, struct attrs *key, struct cancel *c);
CK_RV mech_generate_pair(const CK_MECHANISM *m, struct attrs *pub, struct attrs *priv, struct cancel *c);
/* Class and key type that the mechanism generates (CKA_CLASS, CKA_KEY_TYPE), for rules_begin. */
CK_RV mech_implies(const CK_MECHANISM *m, const struct attrs *templ, struct attrs *first, struct attrs *second);
/* out == NULL: *out_len becomes the exact length. CKR_BUFFER_TOO_SMALL likewise. The caller has asked
 * rules_use and rules_wrap. */
CK_RV mech_wrap(const CK_MECHANISM *m, struct object *wrapping, struct object *target, uint8_t *out,
	CK_ULONG *out_len);
/* Adds the value to *key (class and type already in it). Every bad blob: CKR_WRAPPED_KEY_INVALID. */
CK_RV mech_unwrap(const CK_MECHANISM *m, struct object *unwrapping, const uint8_t *in, size_t in_len,
	struct attrs *key);
/* Adds the value; its length is CKA_VALUE_LEN, or what the key type and mechanism leave no choice about. */
CK_RV mech_derive(const CK_MECHANISM *m, struct object *base, struct attrs *key);

#endif
