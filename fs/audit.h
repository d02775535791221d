/*
 * audit.h - what fs/ writes into the audit, in one form
 *
 * Use:        audit_note(d, &who, token, "unlock", NULL, rv)
 * Locking:    any thread; the event is on the disk, or not, when audit_note returns.
 * Errors:     an event that cannot be written is logged as an error; the call it is about goes on.
 */
#ifndef TOKENFS_AUDIT_H
#define TOKENFS_AUDIT_H

#include <sys/types.h>

#include "daemon.h"

#define AUDIT_EXE 64

struct audit_who {
	uid_t uid;
	pid_t pid;       /* 0: not known */
	const char *exe; /* NULL: looked up by pid, and the event says that it came by the tree */
};

/* t and o may be NULL. */
void audit_note(struct daemon *d, const struct audit_who *w, struct token *t, const char *what,
	const struct object *o, CK_RV rv);
/* The program's path; of a process that hides it, its name; else nothing. */
void audit_exe(pid_t pid, char *exe, size_t size);
/* Is this attribute what makes the object a secret: a key's value or a part of it? Whoever reads it takes the
 * key away ("export"). */
bool audit_reveals(const struct object *o, CK_ATTRIBUTE_TYPE type);
/* A refusal that says something about the caller's intent; others are mistakes of a program. */
bool audit_refusal(CK_RV rv);

#endif
