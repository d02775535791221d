/*
 * attr.h - a set of attributes: what a template or an object consists of
 *
 * Use:        struct attrs s = {0}; attrs_set_ulong(&s, CKA_CLASS, CKO_DATA); attrs_get(...);
 *             attrs_free(&s)
 * Ownership:  a set owns its values; the set_* calls copy. Pointers handed out by the get calls
 *             stay valid until the set is changed or freed.
 * Errors:     CKR_HOST_MEMORY; CKR_ATTRIBUTE_VALUE_INVALID for a value of the wrong size for
 *             its kind. After a failure the set is as it was.
 * Secrets:    values may be key bytes: each is wiped when replaced or freed, and allocated with
 *             the allocator set by attrs_allocator (locked memory in the daemon).
 */
#ifndef TOKENFS_ATTR_H
#define TOKENFS_ATTR_H

#include "buf.h"
#include "names.h"

/* Nested templates may be this deep, a set this wide, a value this long. */
#define ATTRS_MAX_DEPTH 4
#define ATTRS_MAX_COUNT 256
#define ATTRS_MAX_VALUE (1u << 20)
/* A set and all that is nested in it, together. */
#define ATTRS_MAX_TOTAL 1024

struct attrs;

struct attr {
	CK_ATTRIBUTE_TYPE type;
	uint8_t *value;    /* native form: CK_ULONG in host order; NULL when len == 0 or nested */
	size_t len;        /* bytes in value */
	struct attrs *sub; /* ATTR_TEMPLATE only: the nested set (never NULL there) */
};

struct attrs {
	struct attr *v; /* in the order given; no type twice */
	size_t n;
};

/* Memory for values: alloc(len) returns zeroed or not, or NULL; release(p, len) wipes. Set once at
 * start, before any other thread; the default is malloc and wipe + free. */
void attrs_allocator(void *(*alloc)(size_t), void (*release)(void *, size_t));

void attrs_free(struct attrs *s); /* wipes; leaves an empty set */
CK_RV attrs_copy(struct attrs *to, const struct attrs *from); /* to must be empty */

/* Adds or replaces. The value's size is checked against the kind of `type`. */
CK_RV attrs_set(struct attrs *s, CK_ATTRIBUTE_TYPE type, const void *value, size_t len);
CK_RV attrs_set_bool(struct attrs *s, CK_ATTRIBUTE_TYPE type, bool v);
CK_RV attrs_set_ulong(struct attrs *s, CK_ATTRIBUTE_TYPE type, CK_ULONG v);
/* Takes over *sub's content (sub is left empty). */
CK_RV attrs_set_template(struct attrs *s, CK_ATTRIBUTE_TYPE type, struct attrs *sub);
CK_RV attrs_set_attr(struct attrs *s, const struct attr *a); /* deep copy */
void attrs_remove(struct attrs *s, CK_ATTRIBUTE_TYPE type);

const struct attr *attrs_get(const struct attrs *s, CK_ATTRIBUTE_TYPE type); /* or NULL */
/* Is it in the set, whatever its value? */
bool attrs_has(const struct attrs *s, CK_ATTRIBUTE_TYPE type);
/* The value, or `otherwise` when absent or of another size. */
bool attrs_bool(const struct attrs *s, CK_ATTRIBUTE_TYPE type, bool otherwise);
CK_ULONG attrs_ulong(const struct attrs *s, CK_ATTRIBUTE_TYPE type, CK_ULONG otherwise);
bool attr_equal(const struct attr *a, const struct attr *b); /* type and value, deep */
/* True if `s` holds every attribute of `templ` with an equal value. */
bool attrs_match(const struct attrs *s, const struct attrs *templ);

/* The encoding shared by wire and disk (docs/FORMAT.md, Attributes): u32 count, then per
 * attribute u32 type, u8 kind, value by kind: bool u8; ulong u64; bytes/text/date u32 length +
 * data; ulongs u32 count + u64 each; template nested. A type unknown to names.h travels as bytes.
 * attrs_decode fails the buffer (CKR_ARGUMENTS_BAD) on excess depth, count, length, a type
 * given twice or a kind that does not fit the type; `s` must be empty and stays so on failure. */
bool attrs_encode(struct buf *b, const struct attrs *s);
/* How many bytes attrs_encode writes. */
size_t attrs_encoded_size(const struct attrs *s);
/* The value alone, as an attribute query's answer carries it: bool u8, ulong u64, ulongs u64 each,
 * bytes/text/date the data, template as attrs_encode. */
bool attr_encode_value(struct buf *b, const struct attr *a);
CK_RV attrs_decode(struct buf *b, struct attrs *s);

/* True if the set or one nested in it holds an attribute that is ours (attr_internal). */
bool attrs_has_internal(const struct attrs *s);

/* From the caller's array, as C_CreateObject gets it; `s` must be empty and stays so on failure.
 * CKR_ARGUMENTS_BAD for a NULL value with a length and for too many attributes, CKR_ATTRIBUTE_TYPE_INVALID for
 * a type past 32 bits, CKR_ATTRIBUTE_VALUE_INVALID for wrong sizes and too deep a nesting,
 * CKR_TEMPLATE_INCONSISTENT for a type given twice
 * with different values (the same value twice is taken once). */
CK_RV attrs_from_array(struct attrs *s, const CK_ATTRIBUTE *a, CK_ULONG n);

#endif
