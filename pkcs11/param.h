/*
 * param.h - mechanism parameters: C structures with pointers on one side, flat bytes on the other
 *
 * A mechanism's row in names_table.c says which structure its parameter is (enum param_kind, names.h);
 * param_layout.c lists the fields of each structure; param.c encodes, param_decode.c rebuilds, param_out.c
 * takes out what was filled. The module flattens, the daemon rebuilds; neither knows
 * any mechanism otherwise.
 *
 * Some parameters also receive something: handles of further keys, a TLS version, an IV, a tag. These fields
 * are its outputs. The daemon's rebuilt structure has room for each; when the work is done and the fields
 * are filled, param_put_outputs writes them into the reply, and in the module param_take_outputs puts them
 * where the application's pointers say. Both walk the same layout, so neither end names a field.
 *
 * Use:        module  param_encode(b, m); call; param_take_outputs(reply, m)
 *             daemon  param_decode(b, &p); fill what p.mech.pParameter points to;
 *                     param_put_outputs(reply, &p); param_free(&p)
 *             messages (C_EncryptMessage ...) likewise with message_param_*
 * Ownership:  param_decode allocates the structure and all it points to; param_free wipes and frees it.
 * Errors:     CKR_MECHANISM_PARAM_INVALID for a parameter of the wrong length, a NULL pointer with a length,
 *             too much or too many; CKR_ARGUMENTS_BAD for malformed flat bytes, with the buffer failed.
 *             Of a nested template: what attrs_from_array and attrs_decode say.
 * Secrets:    passwords and tags may be in here: flat bytes lie in bufs, which wipe.
 * Format:     docs/PROTOCOL.md, Mechanisms.
 */
#ifndef TOKENFS_PARAM_H
#define TOKENFS_PARAM_H

#include "buf.h"
#include "names.h"

/* Data that a structure points to, each piece; and all of a parameter, flat or rebuilt. */
#define PARAM_MAX_BYTES (1u << 16)
#define PARAM_MAX_TOTAL (1u << 18)
/* Entries of an array within a parameter. */
#define PARAM_MAX_LIST 16

/* The kind of a mechanism's parameter; PARAM_RAW for mechanisms not in the table. */
enum param_kind param_kind(CK_MECHANISM_TYPE type);

/* Appends mechanism type, kind and parameter. */
CK_RV param_encode(struct buf *b, const CK_MECHANISM *m);

struct param_piece;

struct param {
	CK_MECHANISM mech; /* pParameter points into the pieces, or is NULL */
	enum param_kind kind;
	struct param_piece *pieces;
};
/* Takes what param_encode put, believing nothing; *p is empty on failure. What it points to is p's: param_free. */
CK_RV param_decode(struct buf *b, struct param *p);
CK_RV param_copy(struct param *to, const CK_MECHANISM *m); /* deep copy of a trusted one */
void param_free(struct param *p);

/* ---- outputs ------------------------------------------------------------------------------- */

/* Has this parameter fields that receive something (or might, like an IV that may be made)? Then the
 * call's reply must carry outputs. */
bool param_has_outputs(const CK_MECHANISM *m);
/* Appends the present values of all output fields, in the order of the layout. Nothing for a parameter
 * without any. False: the buffer failed. */
bool param_put_outputs(struct buf *b, const struct param *p);
/* Reads them and writes them where *m, the application's own parameter that was encoded for this call,
 * says. CKR_GENERAL_ERROR if the bytes do not fit it, with nothing written. What follows them in `b` is
 * left unread. */
CK_RV param_take_outputs(struct buf *b, const CK_MECHANISM *m);

/* ---- handles ------------------------------------------------------------------------------- */

/* Keys that the parameter names by handle (the salt of HKDF, the key of CKM_CONCATENATE_BASE_AND_KEY ...):
 * pointers to the places in the rebuilt structure go to at[0 .. max-1]; returns how many there are, which may be
 * more than max. Places with CK_INVALID_HANDLE, and those that the structure says not to look at, do
 * not count. */
size_t param_handles(const struct param *p, CK_OBJECT_HANDLE **at, size_t max);

/* ---- parameters of messages ---------------------------------------------------------------- */

/*
 * C_EncryptMessage and its like get a structure by itself, outside a CK_MECHANISM: the three structures differ
 * in length, so that the module need not know the mechanism; the daemon compares p.kind with
 * message_param_kind of the operation's.
 *
 * `sealing` (encryption, signing): the tag is room to be filled and does not travel; IV and tag are outputs.
 * Otherwise the tag travels, and there are no outputs: the application's memory is not written to.
 */

/* PARAM_GCM_MESSAGE, PARAM_CCM_MESSAGE, PARAM_CHACHA20_POLY1305_MESSAGE; PARAM_NONE: it has none. */
enum param_kind message_param_kind(CK_MECHANISM_TYPE type);
/* For calls that have the mechanism: is what it points to as long as its message parameter? Another mechanism's
 * structure must not be read as one by its length: where its numbers stand, pointers would be. */
bool message_param_fits(const CK_MECHANISM *m);
/* Appends kind and structure. p == NULL with len == 0 is kind PARAM_NONE. */
CK_RV message_param_encode(struct buf *b, const void *p, CK_ULONG len, bool sealing);
/* Sets *p; p->mech.mechanism is left 0. After it param_put_outputs (when sealing) and param_free are as above. */
CK_RV message_param_decode(struct buf *b, struct param *p);
CK_RV message_param_take_outputs(struct buf *b, const void *p, CK_ULONG len);

#endif
