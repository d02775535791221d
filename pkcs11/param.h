/*
 * param.h - mechanism parameters: C structures with pointers on one side, flat bytes on the other
 *
 * One row per mechanism says which structure its parameter is; one row per structure lists its
 * fields. The module flattens, the daemon rebuilds; neither knows any mechanism otherwise.
 *
 * Ownership:  param_decode allocates one block that holds structure and all it points to;
 *             param_free wipes and frees it.
 * Errors:     CKR_MECHANISM_PARAM_INVALID for a parameter of the wrong length or a NULL pointer
 *             with a length; CKR_ARGUMENTS_BAD for malformed flat bytes.
 */
#ifndef TOKENFS_PARAM_H
#define TOKENFS_PARAM_H

#include "buf.h"
#include "ck.h"

enum param_kind {
	PARAM_NONE,       /* must be absent (or length 0) */
	PARAM_RAW,        /* plain bytes: an IV, an ICV, or nothing */
	PARAM_ULONG,      /* CK_ULONG: a MAC length, CK_MAC_GENERAL_PARAMS */
	PARAM_RSA_OAEP,   /* CK_RSA_PKCS_OAEP_PARAMS */
	PARAM_RSA_PSS,    /* CK_RSA_PKCS_PSS_PARAMS */
	PARAM_AES_CTR,    /* CK_AES_CTR_PARAMS */
	PARAM_GCM,        /* CK_GCM_PARAMS with ulIvBits; the form without it is another length, refused */
	PARAM_ECDH1,      /* CK_ECDH1_DERIVE_PARAMS */
	PARAM_EDDSA,      /* struct ck_eddsa_parameters (CK_EDDSA_PARAMS), or nothing */
	PARAM_STRING,     /* CK_KEY_DERIVATION_STRING_DATA */
	PARAM_CBC_DATA,   /* CK_AES_CBC_ENCRYPT_DATA_PARAMS */
	PARAM_KINDS
};

#define PARAM_MAX_BYTES (1u << 16)

/* The kind of a mechanism's parameter; PARAM_RAW for mechanisms not in the table. */
enum param_kind param_kind(CK_MECHANISM_TYPE type);

/* Appends: u64 mechanism type, u8 kind, then by kind: nothing; bytes or NULL (raw); u64 (ulong); for a
 * structure u8 present, and if 1 its fields in order: CK_ULONG u64, CK_BBOOL u8, an array its bytes, a
 * pointer and its length u32 length + data or NULL (docs/PROTOCOL.md, Mechanisms). */
CK_RV param_encode(struct buf *b, const CK_MECHANISM *m);

struct param {
	CK_MECHANISM mech; /* pParameter points into block, or is NULL */
	void *block;
	size_t size;
};
CK_RV param_decode(struct buf *b, struct param *p);
CK_RV param_copy(struct param *to, const CK_MECHANISM *m); /* deep copy of a trusted one */
void param_free(struct param *p);

#endif
