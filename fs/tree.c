/*
 * tree.c - the table of nodes, and the walks over it
 *
 * Directories whose children are rows of the table are listed from it; those whose children are
 * tokens, objects or attributes have a `list` and a `lookup` of their own, in node_dir.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../store/secret.h"
#include "../store/why.h"
#include "audit.h"
#include "node.h"
#include "unlock.h"

/* A node is in the directory `parent` under `name`, if it has one. Contents come from `text`; `tried`: it
 * exists only if its content can be made. */
struct row {
	enum node_kind parent;
	const char *name;
	mode_t mode;
	bool (*has)(const struct object *o);
	bool tried;
	CK_RV (*text)(const struct look *l, struct text *t);
	int (*lookup)(const struct look *dir, const char *name, struct node *child);
	int (*list)(const struct look *dir, node_each *each, void *arg);
};

#define DIR_FIXED (S_IFDIR | 0500)
#define DIR_FREE (S_IFDIR | 0700) /* entries can be removed */
#define FILE_READ (S_IFREG | 0400)
#define FILE_BOTH (S_IFREG | 0600)

static const struct row rows[NODE_KINDS] = {
	[NODE_ROOT] = {.mode = DIR_FIXED, .lookup = node_token_lookup, .list = node_token_list},
	[NODE_TOKEN] = {.mode = DIR_FIXED},
	[NODE_TOKEN_TEXT] = {NODE_TOKEN, "token", FILE_READ, .text = node_text_token},
	[NODE_MECHANISMS] = {NODE_TOKEN, "mechanisms", FILE_READ, .text = node_text_mechanisms},
	[NODE_LOGIN] = {NODE_TOKEN, "login", FILE_BOTH, .text = node_text_login},
	[NODE_LAST_ERROR] = {NODE_TOKEN, "last-error", FILE_READ, .text = node_text_last_error},
	[NODE_PUBLIC] = {NODE_TOKEN, "public", DIR_FREE, .lookup = node_object_lookup, .list = node_object_list},
	[NODE_PRIVATE] = {NODE_TOKEN, "private", DIR_FREE, .lookup = node_object_lookup, .list = node_object_list},
	[NODE_OBJECT] = {.mode = DIR_FREE},
	[NODE_ATTRIBUTES] = {NODE_OBJECT, "attributes", FILE_READ, .text = node_text_attributes},
	[NODE_ATTRS] = {NODE_OBJECT, "attr", DIR_FREE, .lookup = node_attr_lookup, .list = node_attr_list},
	[NODE_ATTR] = {.mode = FILE_READ, .text = node_text_attr},
	[NODE_PUBLIC_PEM] = {NODE_OBJECT, "public.pem", FILE_READ, node_has_public, true, node_text_public_pem},
	[NODE_PUBLIC_DER] = {NODE_OBJECT, "public.der", FILE_READ, node_has_public, true, node_text_public_der},
	[NODE_PUBLIC_SSH] = {NODE_OBJECT, "public.ssh", FILE_READ, node_has_public, true, node_text_public_ssh},
	[NODE_PUBLIC_JWK] = {NODE_OBJECT, "public.jwk", FILE_READ, node_has_public, true, node_text_public_jwk},
	[NODE_CERTIFICATE_PEM] = {NODE_OBJECT, "certificate.pem", FILE_READ, node_has_certificate, false,
		node_text_certificate_pem},
	[NODE_CERTIFICATE_DER] = {NODE_OBJECT, "certificate.der", FILE_READ, node_has_certificate, false,
		node_text_value},
	[NODE_VALUE] = {NODE_OBJECT, "value", FILE_READ, node_has_value, false, node_text_value},
	[NODE_PRIVATE_PEM] = {NODE_OBJECT, "private.pem", FILE_READ, node_has_private, true, node_text_private},
};

/* ---- inode numbers ---- */

uint64_t
node_ino(const struct node *n)
{
	if (n->kind == NODE_ROOT)
		return 1;
	return (uint64_t)n->kind << 56 | (uint64_t)n->slot << 40 | (uint64_t)n->sub << 32 | n->handle;
}

bool
node_from_ino(uint64_t ino, struct node *n)
{
	*n = (struct node){.kind = NODE_ROOT};
	if (ino == 1)
		return true;
	n->kind = (uint8_t)(ino >> 56);
	n->slot = (uint16_t)(ino >> 40);
	n->sub = (uint8_t)(ino >> 32);
	n->handle = (uint32_t)ino;
	return n->kind > NODE_ROOT && n->kind < NODE_KINDS && (n->kind >= NODE_OBJECT) == (n->handle != 0) &&
		(n->kind == NODE_ATTR) == (n->sub != 0);
}

/* ---- looking: what a node stands on ---- */

static void
look_end(struct look *l)
{
	object_put(l->object);
	token_put(l->token);
}

static bool
is_below_private(const struct node *n)
{
	return n->handle & NODE_BELOW_PRIVATE;
}

static CK_RV
look_object(struct look *l)
{
	bool private = is_below_private(&l->node);
	CK_RV rv = token_object(l->token, l->node.handle & ~NODE_BELOW_PRIVATE, private, &l->object);

	if (rv == CKR_OK && l->object->private != private)
		rv = CKR_OBJECT_HANDLE_INVALID;
	return rv;
}

/* Takes references on the token and the object of a node. `enter`: what the node holds is wanted, so that
 * private/ itself is barred too. On failure nothing is held. */
static int
look_begin(struct look *l, const struct viewer *v, const struct node *n, bool enter)
{
	CK_RV rv;

	*l = (struct look){.viewer = *v, .node = *n};
	if (n->kind == NODE_NONE || n->kind >= NODE_KINDS)
		return -ENOENT;
	if (n->kind == NODE_ROOT)
		return 0;
	rv = token_get(v->daemon->vault, n->slot, &l->token);
	if (rv != CKR_OK)
		return node_errno(rv);
	l->unlocked = unlock_active(v->daemon, l->token, v->uid, NULL);
	if (!l->unlocked && (is_below_private(n) || (enter && n->kind == NODE_PRIVATE))) {
		token_put(l->token);
		return -EACCES;
	}
	if (n->handle && (rv = look_object(l)) != CKR_OK) {
		look_end(l);
		return node_errno(rv);
	}
	return 0;
}

/* The content of a file, as text. */
static CK_RV
make_text(const struct look *l, struct text *t)
{
	CK_RV rv = rows[l->node.kind].text(l, t);

	if (rv == CKR_OK && t->failed)
		rv = CKR_HOST_MEMORY;
	if (rv != CKR_OK)
		text_free(t);
	return rv;
}

/* Is there a node of this row in the directory that is looked at? */
static bool
is_there(const struct look *dir, enum node_kind kind)
{
	const struct row *row = &rows[kind];
	struct look l = *dir;
	struct text t = {0};

	if (row->has && !row->has(dir->object))
		return false;
	if (!row->tried)
		return true;
	l.node = node_child(&dir->node, kind);
	if (make_text(&l, &t) != CKR_OK)
		return false;
	text_free(&t);
	return true;
}

/* ---- the walks ---- */

static int
lookup(const struct look *dir, const char *name, struct node *child)
{
	const struct row *row = &rows[dir->node.kind];

	if (!S_ISDIR(row->mode))
		return -ENOTDIR;
	if (row->lookup)
		return row->lookup(dir, name, child);
	for (enum node_kind k = NODE_ROOT; k < NODE_KINDS; k++)
		if (rows[k].parent == dir->node.kind && rows[k].name && strcmp(rows[k].name, name) == 0) {
			if (!is_there(dir, k))
				return -ENOENT;
			*child = node_child(&dir->node, k);
			return 0;
		}
	return -ENOENT;
}

int
tree_lookup(const struct viewer *v, const struct node *dir, const char *name, struct node *child)
{
	struct look l;
	int rc = look_begin(&l, v, dir, true);

	if (rc != 0)
		return rc;
	rc = lookup(&l, name, child);
	look_end(&l);
	return rc;
}

int
tree_list(const struct viewer *v, const struct node *dir, node_each *each, void *arg)
{
	const struct row *row;
	struct look l;
	bool more = true;
	int rc = look_begin(&l, v, dir, true);

	if (rc != 0)
		return rc;
	row = &rows[dir->kind];
	if (!S_ISDIR(row->mode))
		rc = -ENOTDIR;
	else if (row->list)
		rc = row->list(&l, each, arg);
	else
		for (enum node_kind k = NODE_ROOT; k < NODE_KINDS && more; k++)
			if (rows[k].parent == dir->kind && rows[k].name && is_there(&l, k)) {
				struct node child = node_child(dir, k);

				more = each(arg, rows[k].name, &child);
			}
	look_end(&l);
	return rc;
}

/* When it came into being; what is no object is as old as the daemon. */
static time_t
time_of(const struct look *l)
{
	CK_ULONG none = (CK_ULONG)l->viewer.daemon->started;

	return (time_t)(l->object ? attrs_ulong(&l->object->attrs, TKA_CREATED, none) : none);
}

int
tree_stat(const struct viewer *v, const struct node *n, struct stat *st)
{
	struct text t = {0};
	struct look l;
	CK_RV rv = CKR_OK;
	int rc = look_begin(&l, v, n, false);

	if (rc != 0)
		return rc;
	memset(st, 0, sizeof(*st));
	st->st_ino = node_ino(n);
	st->st_mode = rows[n->kind].mode;
	st->st_nlink = S_ISDIR(st->st_mode) ? 2 : 1;
	st->st_uid = geteuid();
	st->st_gid = getegid();
	st->st_mtime = st->st_ctime = st->st_atime = time_of(&l);
	st->st_blksize = 4096;
	if (S_ISREG(st->st_mode) && (rv = make_text(&l, &t)) == CKR_OK) {
		st->st_size = (off_t)t.len;
		st->st_blocks = (blkcnt_t)((t.len + 511) / 512);
	}
	text_free(&t);
	look_end(&l);
	return node_errno(rv);
}

/* Does this file show what makes a key secret? */
static bool
reveals(const struct look *l)
{
	const struct attr *a;

	if (!l->object)
		return false;
	switch (l->node.kind) {
	case NODE_PRIVATE_PEM:
		return true;
	case NODE_VALUE:
		return audit_reveals(l->object, CKA_VALUE);
	case NODE_ATTR:
		return audit_reveals(l->object, attr_name_at(l->node.sub - 1u)->type);
	case NODE_ATTRIBUTES:
		return (audit_reveals(l->object, CKA_VALUE) && object_read(l->object, CKA_VALUE, &a) == CKR_OK) ||
			node_has_private(l->object);
	default:
		return false;
	}
}

uint64_t
tree_unlock(const struct viewer *v, const struct node *n)
{
	struct token *t = NULL;
	uint64_t id;

	if (!is_below_private(n) || n->kind == NODE_ROOT || token_get(v->daemon->vault, n->slot, &t) != CKR_OK)
		return 0;
	id = unlock_id(v->daemon, t, v->uid);
	token_put(t);
	return id;
}

int
tree_read(const struct viewer *v, const struct node *n, uint8_t **text, size_t *len)
{
	struct text t = {0};
	struct look l;
	CK_RV rv = CKR_OK;
	int rc = look_begin(&l, v, n, true);

	*text = NULL;
	*len = 0;
	if (rc != 0)
		return rc;
	if (S_ISDIR(rows[n->kind].mode))
		rc = -EISDIR;
	else
		rv = make_text(&l, &t);
	if (rc == 0 && rv == CKR_OK && reveals(&l))
		audit_note(v->daemon, &(struct audit_who){.uid = v->uid, .pid = v->pid}, l.token, "export",
			l.object, CKR_OK);
	look_end(&l);
	if (rc != 0 || rv != CKR_OK)
		return rc ? rc : node_errno(rv);
	if (!t.data && !(t.data = secret_alloc(1)))
		return -ENOMEM;
	*text = t.data; /* transferred */
	*len = t.len;
	return 0;
}

/* ---- changes ---- */

/* PKCS#11 has no word for it: a line written to `login` is the PIN, or `lock`. */
static CK_RV
login_write(const struct look *l, const uint8_t *data, size_t len)
{
	const struct audit_who who = {.uid = l->viewer.uid, .pid = l->viewer.pid};
	struct daemon *d = l->viewer.daemon;
	CK_RV rv;

	if (len == 4 && memcmp(data, "lock", 4) == 0) {
		rv = unlock_end(d, l->node.slot, &who);
		return rv == CKR_USER_NOT_LOGGED_IN ? CKR_OK : rv;
	}
	return unlock_begin(d, l->node.slot, &who, data, len, 0);
}

int
tree_write(const struct viewer *v, const struct node *n, const uint8_t *data, size_t len)
{
	struct look l;
	CK_RV rv;
	int rc = look_begin(&l, v, n, true);

	if (rc != 0)
		return rc;
	if (n->kind != NODE_LOGIN) {
		look_end(&l);
		return S_ISDIR(rows[n->kind].mode) ? -EISDIR : -EACCES;
	}
	if (len && data[len - 1] == '\n')
		len--;
	why_clear();
	rv = len ? login_write(&l, data, len) : why(CKR_ARGUMENTS_BAD, "no PIN was written");
	if (rv != CKR_OK)
		node_note_error(&l, "login", rv);
	look_end(&l);
	return rv == CKR_ARGUMENTS_BAD ? -EINVAL : node_errno(rv);
}

bool
tree_is_slow(const struct node *n)
{
	return n->kind == NODE_LOGIN;
}

static CK_RV
destroy(const struct look *dir, const char *name)
{
	struct maker m = {.token = dir->token, .who = {.user = CKU_USER, .rw = true}};
	struct object *o;
	CK_RV rv = node_object_find(dir->token, name, dir->node.kind == NODE_PRIVATE, &o);

	if (rv != CKR_OK)
		return rv;
	why_clear();
	rv = make_destroyed(&m, o);
	audit_note(dir->viewer.daemon, &(struct audit_who){.uid = dir->viewer.uid, .pid = dir->viewer.pid},
		dir->token, "destroy", o, rv);
	if (rv == CKR_OK)
		atomic_fetch_add(&dir->viewer.daemon->destroyed, 1);
	else
		node_note_error(dir, "rmdir", rv);
	object_put(o);
	return rv;
}

/* Objects are destroyed as the user: whoever has not unlocked the token destroys no public one either,
 * nor is told that he has emptied it. */
static int
remove_entry(const struct look *dir, const char *name, bool is_dir)
{
	struct node child;
	int rc;

	if (dir->node.kind < NODE_PUBLIC)
		return -EPERM;
	if (!dir->unlocked)
		return -EACCES;
	rc = lookup(dir, name, &child);
	if (rc != 0)
		return rc;
	if (is_dir != (bool)S_ISDIR(rows[child.kind].mode))
		return is_dir ? -ENOTDIR : -EISDIR;
	return child.kind == NODE_OBJECT ? node_errno(destroy(dir, name)) : 0;
}

int
tree_remove(const struct viewer *v, const struct node *dir, const char *name, bool is_dir)
{
	struct look l;
	int rc = look_begin(&l, v, dir, true);

	if (rc != 0)
		return rc;
	rc = remove_entry(&l, name, is_dir);
	look_end(&l);
	return rc;
}
