/*
 * templ.h - templates in a few words
 *
 * Words:      "sensitive extractable wrap unwrap": the usages of the class, CKA_SENSITIVE, CKA_EXTRACTABLE and
 *             CKA_TOKEN are TRUE if named, else FALSE, so that no default of a module plays a part. CKA_PRIVATE is
 *             TRUE unless "public" stands there. Any other word is a boolean attribute (trusted, copyable,
 *             wrap_with_trusted ...), absent if not named, FALSE with a minus sign: "-copyable". "bare" leaves
 *             away everything that is not named.
 */
#ifndef TOKENFS_ATTACK_TEMPL_H
#define TOKENFS_ATTACK_TEMPL_H

#include "attack.h"

struct templ {
	CK_ULONG n, n_numbers;
	CK_ATTRIBUTE a[48];
	CK_ULONG numbers[16];
};

#define NO_CLASS CK_UNAVAILABLE_INFORMATION

/* class or type NO_CLASS: not named in the template. */
void templ_begin(struct templ *t, CK_OBJECT_CLASS class, CK_KEY_TYPE type, const char *words);
void templ_number(struct templ *t, CK_ATTRIBUTE_TYPE type, CK_ULONG value);
void templ_bytes(struct templ *t, CK_ATTRIBUTE_TYPE type, const void *value, CK_ULONG len);
/* sub must live as long as t */
void templ_sub(struct templ *t, CK_ATTRIBUTE_TYPE type, struct templ *sub);

#endif
