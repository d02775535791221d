/*
 * node_dir.c - directories whose entries are not rows of the table: tokens, objects, attributes
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node.h"

struct node
node_child(const struct node *dir, enum node_kind kind)
{
	struct node n = *dir;

	n.kind = (uint8_t)kind;
	n.sub = 0;
	return n;
}

int
node_errno(CK_RV rv)
{
	switch (rv) {
	case CKR_OK:
		return 0;
	case CKR_HOST_MEMORY:
		return -ENOMEM;
	case CKR_DEVICE_MEMORY:
		return -ENOSPC;
	case CKR_SLOT_ID_INVALID:
	case CKR_TOKEN_NOT_RECOGNIZED:
	case CKR_TOKEN_NOT_PRESENT:
	case CKR_OBJECT_HANDLE_INVALID:
	case CKR_ATTRIBUTE_TYPE_INVALID:
		return -ENOENT;
	case CKR_USER_NOT_LOGGED_IN:
	case CKR_PIN_INCORRECT:
	case CKR_PIN_INVALID:
	case CKR_PIN_LEN_RANGE:
	case CKR_ATTRIBUTE_SENSITIVE:
		return -EACCES;
	case CKR_PIN_LOCKED:
	case CKR_USER_PIN_NOT_INITIALIZED:
	case CKR_ACTION_PROHIBITED:
	case CKR_ATTRIBUTE_READ_ONLY:
		return -EPERM;
	case CKR_TOKEN_WRITE_PROTECTED:
		return -EROFS;
	case CKR_FUNCTION_CANCELED:
		return -EINTR;
	default:
		return -EIO;
	}
}

/* ---- tokens ---- */

/* One initialised token with the name that its label alone would give it. */
struct token_entry {
	CK_SLOT_ID slot;
	char serial[SERIAL_LEN + 1];
	char base[NODE_NAME_MAX - SERIAL_LEN - 8];
	bool shared; /* the name alone does not tell it: empty, cut or another's too */
};

static void
mark_shared(struct token_entry *e, size_t n)
{
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < i; j++)
			if (strcmp(e[i].base, e[j].base) == 0)
				e[i].shared = e[j].shared = true;
}

static CK_RV
tokens_get(struct vault *v, struct token_entry **entries, size_t *n)
{
	struct slot_info *slots = NULL;
	struct token_entry *e;
	struct token_info info;
	struct token *t;
	size_t n_slots = 0;
	CK_RV rv = vault_slots(v, &slots, &n_slots);

	*n = 0;
	*entries = NULL;
	if (rv != CKR_OK)
		return rv;
	e = calloc(n_slots + 1, sizeof(*e));
	for (size_t i = 0; e && i < n_slots; i++) {
		if (!slots[i].initialized || slots[i].id > UINT16_MAX ||
			token_get(v, slots[i].id, &t) != CKR_OK)
			continue;
		if (token_info(t, &info) == CKR_OK) {
			struct token_entry *to = &e[(*n)++];

			to->slot = slots[i].id;
			memcpy(to->serial, info.serial, sizeof(to->serial));
			to->shared = !name_escape(to->base, sizeof(to->base), (uint8_t *)info.label,
					     strlen(info.label)) ||
				!to->base[0];
		}
		token_put(t);
	}
	free(slots);
	if (!e)
		return CKR_HOST_MEMORY;
	mark_shared(e, *n);
	*entries = e;
	return CKR_OK;
}

static void
token_name(const struct token_entry *e, bool with_serial, char out[NODE_NAME_MAX])
{
	snprintf(out, NODE_NAME_MAX, with_serial ? "%s~%s" : "%s", e->base, e->serial);
}

int
node_token_lookup(const struct look *dir, const char *name, struct node *child)
{
	struct token_entry *e;
	char full[NODE_NAME_MAX];
	size_t n;
	CK_RV rv = tokens_get(dir->viewer.daemon->vault, &e, &n);
	int rc = -ENOENT;

	if (rv != CKR_OK)
		return node_errno(rv);
	for (size_t i = 0; i < n && rc != 0; i++) {
		token_name(&e[i], true, full);
		if (strcmp(name, full) == 0 || (!e[i].shared && strcmp(name, e[i].base) == 0)) {
			*child = (struct node){.kind = NODE_TOKEN, .slot = (uint16_t)e[i].slot};
			rc = 0;
		}
	}
	free(e);
	return rc;
}

int
node_token_list(const struct look *dir, node_each *each, void *arg)
{
	struct token_entry *e;
	char name[NODE_NAME_MAX];
	size_t n;
	CK_RV rv = tokens_get(dir->viewer.daemon->vault, &e, &n);
	bool more;

	if (rv != CKR_OK)
		return node_errno(rv);
	more = each(arg, ".p11", &dir->node);
	for (size_t i = 0; i < n && more; i++) {
		struct node child = {.kind = NODE_TOKEN, .slot = (uint16_t)e[i].slot};

		token_name(&e[i], e[i].shared, name);
		more = each(arg, name, &child);
	}
	free(e);
	return 0;
}

/* ---- objects ---- */

static struct node
object_node(const struct look *dir, CK_OBJECT_HANDLE handle)
{
	bool private = dir->node.kind == NODE_PRIVATE;

	return (struct node){.kind = NODE_OBJECT,
		.slot = dir->node.slot,
		.handle = (uint32_t)handle | (private ? NODE_BELOW_PRIVATE : 0)};
}

int
node_object_lookup(const struct look *dir, const char *name, struct node *child)
{
	struct object *o;
	CK_RV rv = node_object_find(dir->token, name, dir->node.kind == NODE_PRIVATE, &o);

	if (rv != CKR_OK)
		return node_errno(rv);
	*child = object_node(dir, o->handle);
	object_put(o);
	return 0;
}

struct object_entry {
	CK_OBJECT_HANDLE handle;
	struct object_name *name;
	bool again; /* an object of a lower handle has the same name */
};

static int
by_name(const void *a, const void *b)
{
	const struct object_entry *x = a, *y = b;
	int d = strcmp(x->name->base, y->name->base);

	if (d == 0)
		d = strcmp(x->name->ext, y->name->ext);
	return d ? d : (x->handle > y->handle) - (x->handle < y->handle);
}

static int
by_handle(const void *a, const void *b)
{
	const struct object_entry *x = a, *y = b;

	return (x->handle > y->handle) - (x->handle < y->handle);
}

static void
entries_free(struct object_entry *e, size_t n)
{
	for (size_t i = 0; e && i < n; i++)
		free(e[i].name);
	free(e);
}

/* Names the objects that can be read; the others are left out, and said. */
static CK_RV
entries_name(const struct look *dir, const CK_OBJECT_HANDLE *handles, size_t n_handles, struct object_entry *e,
	size_t *n)
{
	bool private = dir->node.kind == NODE_PRIVATE;
	struct object *o;

	for (size_t i = 0; i < n_handles; i++) {
		CK_RV rv = token_object(dir->token, handles[i], private, &o);

		if (rv != CKR_OK && rv != CKR_OBJECT_HANDLE_INVALID)
			node_note_error(dir, "an object is not listed", rv);
		if (rv != CKR_OK)
			continue;
		if (o->private == private) {
			e[*n].handle = handles[i];
			e[*n].name = malloc(sizeof(*e->name));
			if (!e[*n].name) {
				object_put(o);
				return CKR_HOST_MEMORY;
			}
			node_object_name(o, e[*n].name);
			(*n)++;
		}
		object_put(o);
	}
	qsort(e, *n, sizeof(*e), by_name);
	for (size_t i = 1; i < *n; i++)
		e[i].again = strcmp(e[i].name->base, e[i - 1].name->base) == 0 &&
			strcmp(e[i].name->ext, e[i - 1].name->ext) == 0;
	qsort(e, *n, sizeof(*e), by_handle);
	return CKR_OK;
}

int
node_object_list(const struct look *dir, node_each *each, void *arg)
{
	bool private = dir->node.kind == NODE_PRIVATE, more = true;
	CK_OBJECT_HANDLE *handles = NULL;
	struct object_entry *e = NULL;
	struct attrs templ = {0};
	size_t n_handles = 0, n = 0;
	char name[NODE_NAME_MAX];
	CK_RV rv = private ? attrs_set_bool(&templ, CKA_PRIVATE, true) : CKR_OK;

	if (rv == CKR_OK)
		rv = token_find(dir->token, &templ, private, &handles, &n_handles);
	if (rv != CKR_OK)
		goto out;
	rv = CKR_HOST_MEMORY;
	e = calloc(n_handles + 1, sizeof(*e));
	if (!e)
		goto out;
	if ((rv = entries_name(dir, handles, n_handles, e, &n)) != CKR_OK)
		goto out;
	for (size_t i = 0; i < n && more; i++) {
		struct node child = object_node(dir, e[i].handle);

		node_object_format(e[i].name, e[i].handle, e[i].again, name);
		more = each(arg, name, &child);
	}
out:
	entries_free(e, n);
	free(handles);
	attrs_free(&templ);
	return node_errno(rv);
}

/* ---- attributes ---- */

static struct node
attr_node(const struct look *dir, const struct attr_name *row)
{
	struct node n = node_child(&dir->node, NODE_ATTR);

	n.sub = (uint8_t)(attr_name_index(row) + 1);
	return n;
}

int
node_attr_lookup(const struct look *dir, const char *name, struct node *child)
{
	const struct attr_name *row = attr_name_find_text(name);

	if (!row || attr_name_index(row) >= UINT8_MAX || !node_attr(dir->object, row))
		return -ENOENT;
	*child = attr_node(dir, row);
	return 0;
}

int
node_attr_list(const struct look *dir, node_each *each, void *arg)
{
	bool more = true;

	for (size_t i = 0; i < attr_name_count() && i < UINT8_MAX && more; i++) {
		const struct attr_name *row = attr_name_at(i);
		struct node child;

		if (!node_attr(dir->object, row))
			continue;
		child = attr_node(dir, row);
		more = each(arg, row->name, &child);
	}
	return 0;
}
