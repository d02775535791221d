#include "ops_inner.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "door.h"

struct dir_entry {
	char *name;
	uint64_t ino;
	mode_t type; /* S_IFDIR, or 0: not known without asking */
};

struct dir_handle {
	struct handle handle;
	struct dir_entry *entries;
	size_t n, cap;
	bool failed;
};

static bool
dir_add(struct dir_handle *d, const char *name, uint64_t ino, mode_t type)
{
	struct dir_entry *more;

	if (d->n == d->cap) {
		size_t cap = d->cap == 0 ? 32 : d->cap * 2;

		more = realloc(d->entries, cap * sizeof(*more));
		if (more == NULL) {
			d->failed = true;
			return false;
		}
		d->entries = more;
		d->cap = cap;
	}
	d->entries[d->n] = (struct dir_entry){strdup(name), ino, type};
	d->failed = d->failed || d->entries[d->n].name == NULL;
	if (!d->failed)
		d->n++;
	return !d->failed;
}

static bool
each_entry(void *arg, const char *name, const struct node *n)
{
	if (strcmp(name, DOOR_NAME) == 0)
		return dir_add(arg, name, DOOR_DIR, S_IFDIR);
	return dir_add(arg, name, node_ino(n), 0);
}

void
ops_dir_free(struct dir_handle *d)
{
	if (d == NULL)
		return;
	for (size_t i = 0; i < d->n; i++)
		free(d->entries[i].name);
	free(d->entries);
	free(d);
}

static int
dir_fill(fuse_req_t req, fuse_ino_t ino, struct dir_handle *d)
{
	struct viewer v = ops_viewer(req);
	const char *name;
	uint64_t child;
	struct node n;
	int rc = 0;

	dir_add(d, ".", ino, S_IFDIR);
	dir_add(d, "..", FUSE_ROOT_ID, S_IFDIR);
	if (door_owns(ino)) {
		for (unsigned i = 0; door_entry(ino, i, &name, &child); i++)
			dir_add(d, name, child, 0);
	} else if (!node_from_ino(ino, &n)) {
		rc = -ESTALE;
	} else {
		rc = tree_list(&v, &n, each_entry, d);
	}
	return rc == 0 && d->failed ? -ENOMEM : rc;
}

/* The listing is a snapshot, so that offsets stay what they are while objects come and go. */
void
ops_dir_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct dir_handle *d = calloc(1, sizeof(*d));
	struct served *s = ops_served(req);
	int rc = -ENOMEM;

	if (d == NULL)
		goto out;
	d->handle.kind = HANDLE_DIR;
	rc = dir_fill(req, ino, d);
	if (rc != 0)
		goto out;
	fi->fh = (uintptr_t)d;
	fi->cache_readdir = 0;
	fi->keep_cache = 0;
	if (!ops_enlist(s, &d->handle)) {
		rc = -ENFILE;
		goto out;
	}
	if (fuse_reply_open(req, fi) == 0)
		d = NULL; /* transferred */
	else
		ops_unlist(s, &d->handle);
out:
	if (rc != 0)
		fuse_reply_err(req, -rc);
	ops_dir_free(d);
}

void
ops_dir_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	struct dir_handle *d = (struct dir_handle *)(uintptr_t)fi->fh;
	char *out = malloc(size);
	size_t used = 0;

	(void)ino;
	if (out == NULL) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	for (size_t i = off < 0 ? d->n : (size_t)off; i < d->n; i++) {
		struct stat st = {.st_ino = d->entries[i].ino, .st_mode = d->entries[i].type};
		size_t n = fuse_add_direntry(req, out + used, size - used, d->entries[i].name, &st,
			(off_t)(i + 1));

		if (n > size - used)
			break;
		used += n;
	}
	fuse_reply_buf(req, out, used);
	free(out);
}

void
ops_dir_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino;
	ops_unlist(ops_served(req), (struct handle *)(uintptr_t)fi->fh);
	ops_dir_free((struct dir_handle *)(uintptr_t)fi->fh);
	fuse_reply_err(req, 0);
}
