/* attr_inner.h - what attr.c (sets of attributes) and attr_code.c (their flat form) share */
#ifndef TOKENFS_ATTR_INNER_H
#define TOKENFS_ATTR_INNER_H

#include "attr.h"

/* What may still be read of one template: nested arrays come from the wire, or from the caller's memory, where they
 * may point at themselves. */
struct budget {
	unsigned depth; /* levels of nesting left */
	unsigned total; /* attributes left, over all levels */
};

/* ATTR_BYTES for types without a row. */
enum attr_kind attr_kind_of(CK_ATTRIBUTE_TYPE type);
/* Memory as attrs_allocator says, for a value; NULL: there is none. */
uint8_t *attr_value_alloc(size_t len);
/* Makes *a from plain bytes; *a is written on success only. */
CK_RV attr_make(struct attr *a, CK_ATTRIBUTE_TYPE type, const void *value, size_t len);
void attr_clear(struct attr *a);
/* Puts *a into the set, in place of one of its type. The content of *a is taken over, on failure freed. */
CK_RV attrs_place(struct attrs *s, struct attr *a);

#endif
