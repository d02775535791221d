/*
 * rules_table.h - the rows: what the standard says of each attribute, per class and type
 *
 * Rows stand on sheets. A sheet holds for a class and a subtype (key type, certificate type) or for
 * every subtype; of the sheets that hold for an object the more special one comes first, and the
 * first row of an attribute is the one that counts. An attribute without a row does not belong to
 * the class. Code walks; a new class or key type is a sheet.
 *
 * Use:        struct rule_kind k; rule_kind(&attrs, &k); rule_find(&k, CKA_LABEL);
 *             struct rule_walk w = {0}; while ((row = rule_next(&k, &w))) ...
 * Locking:    constant data, any thread.
 */
#ifndef TOKENFS_RULES_TABLE_H
#define TOKENFS_RULES_TABLE_H

#include "rules.h"

/* Bits of rule.must and rule.never: how the object comes into being. */
#define RULE_HOW(how) (1u << (how))

/* rule.flags. The numbers are the notes of PKCS#11 3.1 4.1.1 table 10. */
#define RULE_SENSITIVE 0x01u   /* 7: hidden if CKA_SENSITIVE or not CKA_EXTRACTABLE */
#define RULE_CHANGE 0x02u      /* 8: C_SetAttributeValue and C_CopyObject may give it */
#define RULE_COPY 0x04u        /* C_CopyObject may give it */
#define RULE_SO 0x08u          /* 10: only the SO sets it to true */
#define RULE_STAYS_TRUE 0x10u  /* 11 */
#define RULE_STAYS_FALSE 0x20u /* 12 */
#define RULE_USAGE 0x40u       /* a CKA_ENCRYPT, CKA_SIGN ...: see rule_roles */
#define RULE_FIXED 0x80u       /* a change may only repeat the value it has */

enum rule_default {
	NO_DEFAULT,      /* absent stays absent */
	IS_FALSE,
	IS_TRUE,
	IS_EMPTY,        /* present, length 0 */
	IS_ZERO,         /* CK_ULONG 0, and so on */
	IS_SIX,
	IS_SIXTY,
	IS_SHA_1,        /* CKM_SHA_1 */
	IS_HIDDEN_UNLESS /* CKA_SENSITIVE: true unless CKA_EXTRACTABLE is given as true */
};

/* What rules_finish computes, by name; rules_finish.c has one function for each. */
enum rule_compute {
	NOT_COMPUTED,
	FIND_LOCAL,
	FIND_KEY_GEN_MECHANISM,
	FIND_ALWAYS_SENSITIVE,
	FIND_NEVER_EXTRACTABLE,
	FIND_MODULUS_BITS,
	FIND_VALUE_LEN,
	FIND_CHECK_VALUE,
	FIND_PUBLIC_KEY_INFO,
	FIND_CERT_SUBJECT,
	FIND_CERT_ISSUER,
	FIND_CERT_SERIAL,
	RULE_COMPUTES
};

struct rule {
	CK_ATTRIBUTE_TYPE type;
	uint8_t must;  /* RULE_HOW bits: required */
	uint8_t never; /* RULE_HOW bits: the application must not give it */
	uint8_t flags;
	enum rule_default otherwise;
	enum rule_compute compute;
};

/* What an object is: its class and its key type or certificate type (CK_UNAVAILABLE_INFORMATION
 * for a class without types). */
struct rule_kind {
	CK_OBJECT_CLASS class;
	CK_ULONG subtype;
};

/* CKR_TEMPLATE_INCOMPLETE without class or type; CKR_ATTRIBUTE_VALUE_INVALID for one that has no
 * sheet. */
CK_RV rule_kind(const struct attrs *a, struct rule_kind *k);
bool rule_class_is_key(CK_OBJECT_CLASS class); /* public, private, secret or one-time password */
const struct rule *rule_find(const struct rule_kind *k, CK_ATTRIBUTE_TYPE type); /* or NULL */

struct rule_walk {
	size_t sheet, row;
};
/* Every row that counts for the kind, each attribute once; NULL at the end. */
const struct rule *rule_next(const struct rule_kind *k, struct rule_walk *w);

/* The usage attribute of a CKF_ flag (CKF_SIGN: CKA_SIGN); CK_UNAVAILABLE_INFORMATION: none. */
CK_ATTRIBUTE_TYPE rule_usage(CK_FLAGS flag);
/* CKF_ flags of the usage attributes that are true. */
CK_FLAGS rule_roles(const struct attrs *a);

#endif
