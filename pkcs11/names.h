/*
 * names.h - the standard's names and numbers, as tables that code walks
 *
 * One row per attribute, object class, key type, certificate type, mechanism and return value:
 * its number, its name and, for attributes, the kind of its value. Nothing here is policy.
 * Tables are constant; every call may be made from any thread.
 */
#ifndef TOKENFS_NAMES_H
#define TOKENFS_NAMES_H

#include "ck.h"

/* How the value of an attribute is built; decides its encoding and how it is shown. */
enum attr_kind {
	ATTR_BYTES,    /* opaque bytes, big integers, DER */
	ATTR_BOOL,     /* CK_BBOOL, 1 byte, 0 or 1 */
	ATTR_ULONG,    /* CK_ULONG; 8 bytes little-endian outside this process */
	ATTR_TEXT,     /* UTF-8, no terminator */
	ATTR_DATE,     /* CK_DATE, 8 bytes, or empty */
	ATTR_ULONGS,   /* array of CK_ULONG (mechanism types) */
	ATTR_TEMPLATE, /* array of CK_ATTRIBUTE */
};

struct attr_name {
	CK_ATTRIBUTE_TYPE type;
	const char *name;
	enum attr_kind kind;
};

/* Attribute types that are ours (vendor space, 'T','K', 16 bits): kept in the sealed object, never taken
 * from an application. */
#define ATTR_INTERNAL_BASE (CKA_VENDOR_DEFINED | 0x544B0000UL)
bool attr_internal(CK_ATTRIBUTE_TYPE type);

/* The row of an attribute type, or NULL for one the standard does not have. */
const struct attr_name *attr_name_find(CK_ATTRIBUTE_TYPE type);
const struct attr_name *attr_name_find_text(const char *name);
/* Row by position, 0 .. attr_name_count()-1; the order is fixed within one build. */
const struct attr_name *attr_name_at(size_t i);
size_t attr_name_count(void);
size_t attr_name_index(const struct attr_name *row);

struct ck_name {
	CK_ULONG value;
	const char *name;
};

enum name_table { NAMES_CLASS, NAMES_KEY_TYPE, NAMES_CERT_TYPE, NAMES_MECH, NAMES_RV, NAMES_USER };
/* "CKM_ECDSA" for (NAMES_MECH, 0x1041); NULL when the table has no such number. */
const char *ck_name(enum name_table t, CK_ULONG value);
/* The number of a name; false when there is none. */
bool ck_value(enum name_table t, const char *name, CK_ULONG *value);

#endif
