/*
 * node.h - what tree.c, node_dir.c, node_text.c and node_object.c share: kinds, texts, names and contents
 *
 * Secrets:    a text lies in secret memory from its first byte and is wiped when freed.
 */
#ifndef TOKENFS_NODE_H
#define TOKENFS_NODE_H

#include "tree.h"

/* Kinds of nodes; from NODE_OBJECT on they belong to an object. */
enum node_kind {
	NODE_NONE, /* no node */
	NODE_ROOT,
	NODE_TOKEN,
	NODE_TOKEN_TEXT,
	NODE_MECHANISMS,
	NODE_LOGIN,
	NODE_LAST_ERROR,
	NODE_PUBLIC,
	NODE_PRIVATE,
	NODE_OBJECT,
	NODE_ATTRIBUTES,
	NODE_ATTRS,
	NODE_ATTR,
	NODE_PUBLIC_PEM,
	NODE_PUBLIC_DER,
	NODE_PUBLIC_SSH,
	NODE_PUBLIC_JWK,
	NODE_CERTIFICATE_PEM,
	NODE_CERTIFICATE_DER,
	NODE_VALUE,
	NODE_PRIVATE_PEM,
	NODE_KINDS
};

/* A growing text. Sticky: after a failure every call does nothing. A zeroed struct is empty. */
struct text {
	uint8_t *data;
	size_t len, cap;
	bool failed;
};
/* Appends. */
void text_put(struct text *t, const void *data, size_t len);
/* Not for secrets: goes through a buffer on the stack; cut at 1023 bytes. */
void text_printf(struct text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void text_hex(struct text *t, const uint8_t *data, size_t len);
/* RFC 7468: "-----BEGIN <type>-----", lines of 64 characters. */
void text_pem(struct text *t, const char *type, const uint8_t *der, size_t len);
/* With C's escapes for quotes, control characters and what is no UTF-8. */
void text_quoted(struct text *t, const uint8_t *data, size_t len);
void text_free(struct text *t);

/* A label as a file name: '/', '%', '~', control characters, what is no UTF-8 and a leading '.' become
 * %XX. At most max - 1 bytes; false if something was cut. */
bool name_escape(char *out, size_t max, const uint8_t *label, size_t len);
/* The other way; false if it is not what name_escape makes. */
bool name_unescape(const char *name, size_t len, uint8_t *out, size_t max, size_t *out_len);

/* Everything a content is made of. token and object are NULL where the node has none. */
struct look {
	struct viewer viewer;
	struct node node;
	struct token *token;
	struct object *object;
	bool unlocked; /* the token, for this viewer */
};

/* ---- node_dir.c: directories of tokens, objects, attributes ---- */
typedef bool node_each(void *arg, const char *name, const struct node *n);
/* The fixed child of that kind, of the same slot and object. */
struct node node_child(const struct node *dir, enum node_kind kind);
int node_errno(CK_RV rv); /* negative */
/* The entries of the root, of public/ and private/, of attr/: one by its name (0 or negative errno), or all (stops when
 * each returns false). */
int node_token_lookup(const struct look *dir, const char *name, struct node *child);
int node_token_list(const struct look *dir, node_each *each, void *arg);
int node_object_lookup(const struct look *dir, const char *name, struct node *child);
int node_object_list(const struct look *dir, node_each *each, void *arg);
int node_attr_lookup(const struct look *dir, const char *name, struct node *child);
int node_attr_list(const struct look *dir, node_each *each, void *arg);

/* ---- node_text.c: the texts of a token ---- */
/* Each appends the text of its file. */
CK_RV node_text_token(const struct look *l, struct text *t);
CK_RV node_text_mechanisms(const struct look *l, struct text *t);
CK_RV node_text_login(const struct look *l, struct text *t);
CK_RV node_text_last_error(const struct look *l, struct text *t);
/* Keeps "what: reason" (or the name of rv) for last-error, and logs it. */
void node_note_error(const struct look *l, const char *what, CK_RV rv);

/* ---- node_object.c: names and contents of an object ---- */
#define NODE_NAME_MAX 256
/* The name without "~<handle>"; *cut: it is not whole, so that "~<handle>" must follow. */
struct object_name {
	char base[NODE_NAME_MAX - 32];
	const char *ext;
	bool cut;
};
/* Base and extension from label or id and class (docs/TREE.md). */
void node_object_name(const struct object *o, struct object_name *name);
/* base.ext or base~handle.ext */
void node_object_format(const struct object_name *name, CK_OBJECT_HANDLE handle, bool with_handle,
	char out[NODE_NAME_MAX]);
/* The object that `name` names among the public or the private ones; a reference. */
CK_RV node_object_find(struct token *t, const char *name, bool private, struct object **o);

/* May this object have such a file? */
bool node_has_public(const struct object *o);
bool node_has_certificate(const struct object *o);
bool node_has_value(const struct object *o);
bool node_has_private(const struct object *o);
CK_RV node_text_attributes(const struct look *l, struct text *t);
CK_RV node_text_attr(const struct look *l, struct text *t); /* look.node.sub says which */
CK_RV node_text_public_pem(const struct look *l, struct text *t);
CK_RV node_text_public_der(const struct look *l, struct text *t);
CK_RV node_text_public_ssh(const struct look *l, struct text *t);
CK_RV node_text_public_jwk(const struct look *l, struct text *t);
CK_RV node_text_certificate_pem(const struct look *l, struct text *t);
CK_RV node_text_value(const struct look *l, struct text *t); /* CKA_VALUE: also a certificate's DER */
CK_RV node_text_private(const struct look *l, struct text *t);
/* The attribute of attr/: readable, and with a row in names.h and plain bytes; NULL if it is not there. */
const struct attr *node_attr(const struct object *o, const struct attr_name *row);

#endif
