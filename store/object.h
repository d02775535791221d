/*
 * object.h - one version of an object in memory: its attributes and its parsed key
 *
 * Immutable once shared: a change makes a new struct object (C_SetAttributeValue is a new
 * version), so that a running operation keeps the key it began with and nothing needs a lock.
 *
 * Ownership:  reference counted; object_ref / object_put from any thread.
 * Secrets:    attribute values and the parsed key lie in secret memory and are wiped when the
 *             last reference goes.
 */
#ifndef TOKENFS_OBJECT_H
#define TOKENFS_OBJECT_H

#include <pthread.h>
#include <stdatomic.h>

#include "../pkcs11/attr.h"
#include "state.h"

/* Attributes of our own, kept in the sealed object, never shown through PKCS#11.
 * Vendor space, 'T','K' and a counter. All CK_ULONG. */
#define TKA_BASE (CKA_VENDOR_DEFINED | 0x544B0000UL)
#define TKA_ROLES (TKA_BASE | 1)  /* CKF_ENCRYPT | CKF_SIGN ...: every usage the key, or its
				 * other half if they were made together, ever allowed; and ROLE_ bits */
#define ROLE_LEAVES 1u  /* it was extractable once: its value may be elsewhere */
#define ROLE_WIDENED 2u /* a usage was added after it was made (compat policy) */
#define ROLE_TRUSTED 4u /* the SO trusted it once: sensitive keys may be wrapped under it */
#define ROLE_WHOLE 8u   /* of an RSA pair: the private half does not unwrap by OAEP, so that no part of a blob comes out */
#define TKA_ORIGIN (TKA_BASE | 2) /* enum object_origin */
#define TKA_CREATED (TKA_BASE | 3) /* seconds since 1970 */

/* Never stored: the index's term for the value of a secret or private key (object_value_id), which has no other. */
#define TKA_LEDGER (TKA_BASE | 4)

enum object_origin {
	ORIGIN_CREATED = 1, /* C_CreateObject: value known outside */
	ORIGIN_GENERATED,
	ORIGIN_UNWRAPPED,
	ORIGIN_DERIVED
	/* a copy keeps its source's origin */
};

/* Session objects have handles with this bit. */
#define HANDLE_SESSION 0x40000000UL
/* And those of the token's own (builtin.c) with this one. */
#define HANDLE_BUILTIN 0x80000000UL

struct key;

struct object {
	atomic_uint refs;
	CK_OBJECT_HANDLE handle; /* 0 until it has one */
	uint8_t uuid[UUID_LEN];
	uint64_t version; /* token objects: 1 .. */
	bool token, private;
	struct attrs attrs;
	pthread_mutex_t key_lock; /* guards key */
	struct key *key;          /* parsed at first use; see key.h */
};

/* An object of version 1, without a handle, with one reference; takes over *attrs' content (on failure
 * it stays the caller's). `token` and `private` are read from CKA_TOKEN and CKA_PRIVATE. The uuid is the
 * one that CKA_UNIQUE_ID tells; without that attribute it is random and CKA_UNIQUE_ID is added. */
CK_RV object_new(struct object **o, struct attrs *attrs);
struct object *object_ref(struct object *o);
void object_put(struct object *o); /* NULL does nothing */

/* CKA_CLASS; CK_UNAVAILABLE_INFORMATION: it has none. */
CK_OBJECT_CLASS object_class(const struct object *o);
CK_KEY_TYPE object_key_type(const struct object *o); /* CK_UNAVAILABLE_INFORMATION: not a key */
/* Public, private or secret. */
bool object_is_key(const struct object *o);
/* True if the value of this sensitive attribute must not be told: CKA_SENSITIVE, or
 * CKA_EXTRACTABLE false, and the rules mark `type` as sensitive for its class. */
bool object_hides(const struct object *o, CK_ATTRIBUTE_TYPE type);
/* What names the secret or private key of this set without telling it: SHA-256 of its value without zeros at the end, or
 * of its public half.
 * CKR_ATTRIBUTE_TYPE_INVALID if it has none. */
#define VALUE_ID_LEN 32
CK_RV object_value_id(const struct attrs *a, uint8_t id[VALUE_ID_LEN]);
/* Are they the same secret or private key, whatever their attributes? */
bool object_same_value(const struct object *o, const struct attrs *a);
/* The attribute as an application may read it: CKR_OK with *a; CKR_ATTRIBUTE_SENSITIVE;
 * CKR_ATTRIBUTE_TYPE_INVALID (absent, internal). */
CK_RV object_read(const struct object *o, CK_ATTRIBUTE_TYPE type, const struct attr **a);
/* For C_FindObjects: a template item that asks for a hidden value never matches. */
bool object_matches(const struct object *o, const struct attrs *templ);
/* Bytes this object takes in memory: C_GetObjectSize. */
CK_ULONG object_size(const struct object *o);

#endif
