/*
 * names.h - the standard's names and numbers, as tables that code walks
 *
 * One row per attribute, object class, key type, certificate type, mechanism and return value:
 * its number, its name and, for attributes, the kind of its value, for mechanisms that of their parameter. A
 * mechanism of the standard that no token here has keeps PARAM_RAW, if its parameter is a structure: nothing but its
 * refusal follows. Nothing here is policy.
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
/* Is it one of them? */
bool attr_internal(CK_ATTRIBUTE_TYPE type);

/* The row of an attribute type, or NULL for one the standard does not have. */
const struct attr_name *attr_name_find(CK_ATTRIBUTE_TYPE type);
const struct attr_name *attr_name_find_text(const char *name);
/* Row by position, 0 .. attr_name_count()-1; the order is fixed within one build. */
const struct attr_name *attr_name_at(size_t i);
size_t attr_name_count(void);
size_t attr_name_index(const struct attr_name *row);

/* What structure a mechanism's parameter is. The numbers travel (docs/PROTOCOL.md): new ones at the end. */
enum param_kind {
	PARAM_NONE,       /* must be absent (or length 0) */
	PARAM_RAW,        /* plain bytes: an IV, an ICV, or nothing */
	PARAM_ULONG,      /* CK_ULONG: a MAC length, CK_MAC_GENERAL_PARAMS, CK_EXTRACT_PARAMS */
	PARAM_RSA_OAEP,   /* CK_RSA_PKCS_OAEP_PARAMS */
	PARAM_RSA_PSS,    /* CK_RSA_PKCS_PSS_PARAMS */
	PARAM_AES_CTR,    /* CK_AES_CTR_PARAMS */
	PARAM_GCM,        /* CK_GCM_PARAMS with ulIvBits (the form without it is another length, refused), or nothing;
	                   * CK_GCM_WRAP_PARAMS, told by its length, is PARAM_GCM_WRAP */
	PARAM_ECDH1,      /* CK_ECDH1_DERIVE_PARAMS */
	PARAM_EDDSA,      /* struct ck_eddsa_parameters (CK_EDDSA_PARAMS), or nothing */
	PARAM_STRING,     /* CK_KEY_DERIVATION_STRING_DATA */
	PARAM_CBC_DATA,   /* CK_AES_CBC_ENCRYPT_DATA_PARAMS */
	PARAM_DES_CBC_DATA, /* CK_DES_CBC_ENCRYPT_DATA_PARAMS */
	PARAM_HANDLE,     /* CK_OBJECT_HANDLE */
	PARAM_CCM,        /* CK_CCM_PARAMS, or nothing; CK_CCM_WRAP_PARAMS is PARAM_CCM_WRAP */
	PARAM_GCM_WRAP,
	PARAM_CCM_WRAP,
	PARAM_CHACHA20,   /* CK_CHACHA20_PARAMS */
	PARAM_CHACHA20_POLY1305, /* CK_SALSA20_CHACHA20_POLY1305_PARAMS, or nothing */
	PARAM_GCM_MESSAGE, /* CK_GCM_MESSAGE_PARAMS; no mechanism's own, see message_param_kind */
	PARAM_CCM_MESSAGE,
	PARAM_CHACHA20_POLY1305_MESSAGE, /* CK_SALSA20_CHACHA20_POLY1305_MSG_PARAMS */
	PARAM_HKDF,       /* CK_HKDF_PARAMS */
	PARAM_PBKD2,      /* CK_PKCS5_PBKD2_PARAMS2; CK_PKCS5_PBKD2_PARAMS is taken and becomes it */
	PARAM_SP800_108,  /* CK_SP800_108_KDF_PARAMS */
	PARAM_SP800_108_FEEDBACK, /* CK_SP800_108_FEEDBACK_KDF_PARAMS */
	PARAM_TLS12_MASTER, /* CK_TLS12_MASTER_KEY_DERIVE_PARAMS */
	PARAM_TLS12_EXTENDED_MASTER, /* CK_TLS12_EXTENDED_MASTER_KEY_DERIVE_PARAMS */
	PARAM_TLS12_KEY_MAT, /* CK_TLS12_KEY_MAT_PARAMS */
	PARAM_TLS_KDF,    /* CK_TLS_KDF_PARAMS */
	PARAM_TLS_MAC,    /* CK_TLS_MAC_PARAMS */
	PARAM_RSA_AES_WRAP, /* CK_RSA_AES_KEY_WRAP_PARAMS */
	PARAM_ECDH_AES_WRAP, /* CK_ECDH_AES_KEY_WRAP_PARAMS */
	PARAM_SIGN_CONTEXT, /* CK_SIGN_ADDITIONAL_CONTEXT, or nothing */
	PARAM_HASH_SIGN_CONTEXT, /* CK_HASH_SIGN_ADDITIONAL_CONTEXT */
	PARAM_OTP,        /* CK_OTP_PARAMS, or nothing */
	PARAM_KINDS
};

struct ck_name {
	CK_ULONG value;
	const char *name;
	enum param_kind param; /* NAMES_MECH only */
};

enum name_table { NAMES_CLASS, NAMES_KEY_TYPE, NAMES_CERT_TYPE, NAMES_MECH, NAMES_RV, NAMES_USER };
/* The row of a number, or NULL. */
const struct ck_name *ck_name_row(enum name_table t, CK_ULONG value);
/* "CKM_ECDSA" for (NAMES_MECH, 0x1041); NULL when the table has no such number. */
const char *ck_name(enum name_table t, CK_ULONG value);
/* The number of a name; false when there is none. */
bool ck_value(enum name_table t, const char *name, CK_ULONG *value);

#endif
