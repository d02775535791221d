/*
 * known.h - published answers: a line of a file in tests/vectors/, and the kinds of lines
 *
 * A line is a kind, a mechanism and fields NAME=VALUE; `#` begins a comment. A value is
 * hexadecimal (61x1000000: a byte so many times), or a plain word after a colon (curve:P-256,
 * salt:20). Two lines are no answers:
 *
 *   key NAME FIELD...        fields that a later line has too when it says key:NAME
 *   openssl 3.5              what follows in this file needs this version, or a later one
 *
 * Use:        known.c reads, and gives each line to the function of its kind; the kinds stand
 * in one table for each known_*.c, their fields in the heads of these files.
 *
 * Ownership:  a line's values live in the arena until the next line.
 */
#ifndef TOKENFS_CROSS_KNOWN_H
#define TOKENFS_CROSS_KNOWN_H

#include "oracle.h"

#define FIELDS 24

struct line {
	char kind[16], mech[48];
	const struct proof *proof;
	CK_MECHANISM m;
	size_t n;
	struct {
		char name[16];
		struct blob value;
		const char *word;
	} fields[FIELDS];
};

/* The value of a field; nothing, or data NULL, if the line has none. */
struct blob field(const struct line *l, const char *name);
bool has(const struct line *l, const char *name);
const char *word(const struct line *l, const char *name);
CK_ULONG count(const struct line *l, const char *name, CK_ULONG otherwise);
/* The hash mechanism whose OpenSSL name stands in the field; CKM_SHA256 for hash:SHA2-256. */
CK_MECHANISM_TYPE hash_field(const struct line *l, const char *name);
/* The mechanism's parameter: a copy. */
void give(struct line *l, const void *param, size_t len);
/* The parameter t: of CKM_SHA512_T, if the line has it; and OpenSSL's name of the hash. */
void give_t(struct line *l);
const char *known_hash(const struct line *l);
/* The same with its last bit turned over. */
struct blob changed(struct blob b);
/* Fails unless the answer is a refusal; `what` is what should have been refused. */
void expect_refused(const char *what, CK_RV rv);

/* The halves of the line's key pair, as objects; false, with a failure, if there is none
 * (known_key.c). */
bool known_public(const struct line *l, CK_FLAGS uses, CK_OBJECT_HANDLE *h);
bool known_private(const struct line *l, CK_FLAGS uses, CK_OBJECT_HANDLE *h);
bool known_has_private(const struct line *l);
CK_KEY_TYPE known_key_type(const struct line *l);

/* CKM_... of its name and back; NULL, or CK_UNAVAILABLE_INFORMATION, for what no table has. */
CK_MECHANISM_TYPE known_type(const char *name);
const char *known_name(CK_MECHANISM_TYPE type);

struct known_kind {
	const char *kind;
	void (*prove)(struct line *l);
};
struct known_kinds {
	const struct known_kind *rows;
	size_t n;
};
extern const struct known_kinds known_secret, known_pair, known_kdf, known_derive;

#endif
