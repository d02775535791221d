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
	MECH_LEGACY, /* where the configuration says legacy = yes only: it is broken, or its keys are short */
	MECH_SHORT   /* for either: a second row of a mechanism, with keys that are too short for today */
};

/* Of two rows for one mechanism the MECH_LEGACY or MECH_SHORT one counts where it is on: it allows shorter keys. */
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
/* The same for a token with this policy: the MECH_SHORT row for compat, where there is one. */
const struct mech *mech_find_for(CK_MECHANISM_TYPE type, bool compat);
size_t mech_count(void);
const struct mech *mech_at(size_t i); /* ordered by number */
/* The rows as they stand in the families, also those that are not there; NULL past the last. For lists and tests. */
const struct mech *mech_row(size_t i);
/* Does a token with this policy have it? */
bool mech_offered(const struct mech *row, bool compat);
/* What a token with this policy does of it: PKCS #1 v1.5 encapsulates with compat only (make_encap.c). */
CK_FLAGS mech_flags(const struct mech *row, bool compat);
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
CK_RV mech_generate_pair(const CK_MECHANISM *m, bool compat, struct attrs *pub, struct attrs *priv, struct cancel *c);
/* Class and key type that the mechanism generates (CKA_CLASS, CKA_KEY_TYPE), for rules_begin. */
CK_RV mech_implies(const CK_MECHANISM *m, const struct attrs *templ, struct attrs *first, struct attrs *second);
/* out == NULL: *out_len becomes the exact length. CKR_BUFFER_TOO_SMALL likewise. The caller has asked
 * rules_use and rules_wrap. */
CK_RV mech_wrap(const CK_MECHANISM *m, struct object *wrapping, struct object *target, uint8_t *out,
	CK_ULONG *out_len);
/* Adds the value to *key (class and type already in it). Every bad blob: CKR_WRAPPED_KEY_INVALID. */
CK_RV mech_unwrap(const CK_MECHANISM *m, struct object *unwrapping, const uint8_t *in, size_t in_len,
	struct attrs *key);
/* C_WrapKeyAuthenticated, C_UnwrapKeyAuthenticated (PKCS#11 3.2): the parameter is CK_GCM_MESSAGE_PARAMS,
 * CK_CCM_MESSAGE_PARAMS or CK_SALSA20_CHACHA20_POLY1305_MSG_PARAMS; the tag, and a nonce that the token makes, are
 * written through its pointers. CKR_MECHANISM_INVALID for mechanisms without additional data. */
CK_RV mech_wrap_authenticated(const CK_MECHANISM *m, struct object *wrapping, struct object *target, const uint8_t *aad,
	size_t aad_len, uint8_t *out, CK_ULONG *out_len);
CK_RV mech_unwrap_authenticated(const CK_MECHANISM *m, struct object *unwrapping, const uint8_t *aad, size_t aad_len,
	const uint8_t *in, size_t in_len, struct attrs *key);
/* For the rules: does the mechanism have a nonce, does the token make it from at least 96 random bits, has the tag at
 * least 96? `authenticated`: the parameter is of the calls above. */
struct wrap_nonce {
	bool present, own, long_tag;
};
CK_RV mech_wrap_nonce(const CK_MECHANISM *m, bool authenticated, struct wrap_nonce *n);

/*
 * ---- derivation: the plan, which says what comes out, and the values ----
 * Use:     d.mech, d.base, d.compat, d.find, keys[0].templ set; mech_derive_plan(&d); by the rules each
 *          keys[i].set from templ, implied and defaults; mech_derive(&d) adds the values; derivation_free(&d)
 * Outputs: what the parameter receives (IVs, a version) is written where it says; the handles of the keys are
 *          whoever's who makes objects of them.
 */
/* Keys that one derivation makes, and other keys than the base that it works from. */
#define DERIVED_MAX 17
#define DERIVED_FROM_MAX 16

struct derived {
	struct attrs templ;    /* what the application asks for */
	struct attrs implied;  /* what the mechanism says: a template that says otherwise is inconsistent */
	struct attrs defaults; /* what it has if neither the template nor the parent key says */
	struct attrs set;      /* all of these as the rules put them together, then with the value */
	size_t len;            /* CKA_VALUE_LEN for a data object, which has no such attribute; 0: not given */
	CK_OBJECT_HANDLE *at;  /* where in the parameter its handle belongs; NULL: it is the answer of the call */
};

struct derivation {
	const CK_MECHANISM *mech;
	const struct mech *row;
	struct object *base;
	bool compat; /* the token's policy */
	/* A key that the parameter names, if the session may see it: CKR_KEY_HANDLE_INVALID. NULL: there are none. */
	CK_RV (*find)(void *arg, CK_OBJECT_HANDLE h, struct object **o);
	void *arg;
	struct object *others[DERIVED_FROM_MAX]; /* found, and fit to derive from as the base is */
	size_t n_others;
	/* What comes out is what another derivation from the same base has inside, as the key of its HMACs: it must not
	 * compute them for anybody (make_derive.c). */
	bool inner;
	struct derived keys[DERIVED_MAX];
	size_t n;
};
/* Finds the row, asks rules_use for the base and every other key; sets implied, defaults, at and the further
 * templates. Whether the policy lets the token have the mechanism is asked before (rules_mechanism). */
CK_RV mech_derive_plan(struct derivation *d);
/* Adds the values; the length is CKA_VALUE_LEN, or what key type and mechanism leave no choice about.
 * CKR_KEY_TYPE_INCONSISTENT, CKR_KEY_SIZE_RANGE, CKR_MECHANISM_PARAM_INVALID, CKR_TEMPLATE_INCOMPLETE,
 * CKR_ATTRIBUTE_VALUE_INVALID for more bytes than the mechanism has. */
CK_RV mech_derive(struct derivation *d);
void derivation_free(struct derivation *d);

/* Encapsulation, on a set made by rules_begin: they add the value. out NULL: *out_len becomes the exact length;
 * CKR_BUFFER_TOO_SMALL likewise. */
CK_RV mech_encapsulate(const CK_MECHANISM *m, struct object *pub, uint8_t *out, size_t *out_len, struct attrs *key);
/* CKR_WRAPPED_KEY_LEN_RANGE; other reasons that lie in the ciphertext are the caller's to make one of. */
CK_RV mech_decapsulate(const CK_MECHANISM *m, struct object *priv, const uint8_t *in, size_t n, struct attrs *key);

#endif
