/*
 * rules.h - which attributes an object may, must and must not have: tables per class, walked
 *
 * One row per attribute per class (and key type), in rules_table.c: required at creation, at
 * generation, at unwrap or derivation; never settable by the application; default; one-way; changeable
 * later; sensitive; computed. PKCS#11 3.1 4.2 to 4.13, notes 1 to 12 of table 10 are the columns.
 *
 * Use:        rules_begin(&out, templ, implied, how, who) gives the full set of attributes but for
 *             the value of the key; the mechanism adds the value; rules_finish(&out, how, ...)
 *             computes the rest (CHECK_VALUE, LOCAL, PUBLIC_KEY_INFO ...; UNIQUE_ID is object_new's).
 * Files:      rules.c (begin, set, copy, destroy), rules_finish.c, policy.c (rules_use, rules_wrap,
 *             rules_heritage).
 * Locking:    any thread; nothing is kept.
 * Errors:     CKR_TEMPLATE_INCOMPLETE, CKR_TEMPLATE_INCONSISTENT, CKR_ATTRIBUTE_TYPE_INVALID,
 *             CKR_ATTRIBUTE_VALUE_INVALID, CKR_ATTRIBUTE_READ_ONLY, CKR_SESSION_READ_ONLY,
 *             CKR_USER_NOT_LOGGED_IN, CKR_ACTION_PROHIBITED. Each with why() naming the attribute.
 * Secrets:    templates and sets may hold key values; attr.h wipes them. why() never tells a value.
 */
#ifndef TOKENFS_RULES_H
#define TOKENFS_RULES_H

#include "object.h"

/* Who asks. user: CKU_USER, CKU_SO or NOBODY. */
#define NOBODY ((CK_USER_TYPE)-1)
struct actor {
	CK_USER_TYPE user;
	bool rw;     /* the session is read-write */
	bool compat; /* the token's policy is compat, not strict */
};

/* How the object comes into being. */
enum rules_how { HOW_CREATE, HOW_GENERATE, HOW_UNWRAP, HOW_DERIVE, HOW_ENCAPSULATE, HOW_DECAPSULATE };

/* templ: what the application gave. implied: what the call implies (class and key type of a
 * generation), or NULL; a template that says otherwise is CKR_TEMPLATE_INCONSISTENT. *out must be
 * empty and stays so on failure. Also checked: a token object needs a read-write session
 * (CKR_SESSION_READ_ONLY), a private one the user (CKR_USER_NOT_LOGGED_IN), TRUSTED=true the SO. */
CK_RV rules_begin(struct attrs *out, const struct attrs *templ, const struct attrs *implied,
	enum rules_how how, const struct actor *who);
/* After the value is in: checks key material against its type (lengths, EC point on its curve, RSA
 * consistency by key_check), computes what is computed. mech: of a generation, else NULL. parent: the
 * base key of a derivation, else NULL. */
CK_RV rules_finish(struct attrs *out, enum rules_how how, const CK_MECHANISM *mech,
	const struct object *parent);
/* Two halves of a pair that were made together: each remembers the roles of both. */
CK_RV rules_pair(struct attrs *pub, struct attrs *priv);
/* Adds every attribute of `from` to `to`; one that is there with another value is
 * CKR_TEMPLATE_INCONSISTENT. */
CK_RV rules_merge(struct attrs *to, const struct attrs *from);
/* C_SetAttributeValue: *out = the object's attributes with the changes applied. *out must be empty and
 * stays so on failure. */
CK_RV rules_set(struct attrs *out, const struct object *o, const struct attrs *changes, const struct actor *who);
/* C_CopyObject: the same with the copy's freedoms (TOKEN, PRIVATE, MODIFIABLE ... may be given), and
 * without CKA_UNIQUE_ID. */
CK_RV rules_copy(struct attrs *out, const struct object *o, const struct attrs *changes, const struct actor *who);
CK_RV rules_destroy(const struct object *o, const struct actor *who);
/* Is the attribute sensitive for this class (hidden by CKA_SENSITIVE)? */
bool rules_sensitive(CK_OBJECT_CLASS class, CK_ATTRIBUTE_TYPE type);

/* May this key be used so? flag is one CKF_ENCRYPT, CKF_SIGN ... ; checks usage attribute,
 * ALLOWED_MECHANISMS, START_DATE/END_DATE, class and key type against the mechanism's row.
 * CKR_KEY_FUNCTION_NOT_PERMITTED, CKR_KEY_TYPE_INCONSISTENT, CKR_MECHANISM_INVALID. */
CK_RV rules_use(const struct object *key, CK_MECHANISM_TYPE mech, CK_FLAGS flag);
/* May `target` leave under `wrapping`? CKR_KEY_UNEXTRACTABLE, CKR_KEY_NOT_WRAPPABLE,
 * CKR_KEY_HANDLE_INVALID where CKA_WRAP_TEMPLATE does not match (PKCS#11 3.1 5.18.3). */
CK_RV rules_wrap(const struct object *wrapping, const struct object *target, CK_MECHANISM_TYPE mech,
	bool compat);
/* The same for authenticated ciphers with a nonce. fresh: the token makes it, of 96 random bits at least, and the tag has
 * as many; only so may a sensitive key leave, under a key that rules_seals. */
CK_RV rules_wrap_sealed(const struct object *wrapping, const struct object *target, bool fresh, bool compat);
/* Is this a key that sensitive ones may be wrapped under by AES-GCM or AES-CCM: fit to wrap them, with
 * CKA_ALLOWED_MECHANISMS naming these two at most? */
bool rules_seals(const struct object *key);
/* What a key made with `parent` must be: its UNWRAP_, DERIVE_, ENCAPSULATE_ or DECAPSULATE_TEMPLATE, and what the policy
 * adds. how: any but HOW_CREATE and HOW_GENERATE. *forced must be empty and stays so on failure. */
CK_RV rules_heritage(struct attrs *forced, const struct object *parent, enum rules_how how, bool compat);
/* Is this a secret of fewer bits than anybody would use for a cipher? */
bool rules_easy_to_guess(const struct attrs *a);
/* Does this set's history say that it wraps or unwraps and that no other call ever opened what it wrapped? Such
 * a key gets no other usage, whatever the policy: it, or a copy of it, could open what it wrapped before. */
bool rules_only_wraps(const struct attrs *a);
/* May a token with this policy use the mechanism at all (CKR_MECHANISM_INVALID), with this key (NULL: none yet;
 * CKR_KEY_FUNCTION_NOT_PERMITTED)? Asked besides rules_use, which knows no policy. */
CK_RV rules_mechanism(CK_MECHANISM_TYPE mech, const struct object *key, bool compat);
/* May C_Verify compare MACs of `len` bytes (op_compares; 0: it is no MAC) with this key? CKR_KEY_FUNCTION_NOT_PERMITTED. */
CK_RV rules_mac(const struct object *key, size_t len, bool compat);

#endif
