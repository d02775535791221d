#include "ops.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "../store/secret.h"
#include "conn.h"
#include "door.h"
#include "tree.h"

#define WRITE_MAX 4096u /* bytes of a file that is written: a PIN, a word */
/* The nodes of .p11 never change. */
#define DOOR_TIMEOUT 3600.0

static struct served *
served_of(fuse_req_t req)
{
	return fuse_req_userdata(req);
}

static struct viewer
viewer_of(fuse_req_t req)
{
	return (struct viewer){.daemon = served_of(req)->daemon, .uid = fuse_req_ctx(req)->uid};
}

/* ---- interrupts ---- */

/* Runs with the request's own lock held, in the thread that read the INTERRUPT: req cannot vanish
 * here, but its answer may be under way; jobs_detach decides. */
static void
on_interrupt(fuse_req_t req, void *jobs)
{
	if (jobs_detach(jobs, req))
		fuse_reply_err(req, EINTR);
}

void
ops_may_wait(fuse_req_t req)
{
	fuse_req_interrupt_func(req, on_interrupt, served_of(req)->jobs);
}

bool
ops_gone(void *req)
{
	return fuse_req_interrupted(req) != 0;
}

/* ---- attributes ---- */

static int
stat_of(fuse_req_t req, fuse_ino_t ino, struct stat *st)
{
	struct viewer v = viewer_of(req);
	struct node n;
	int rc;

	memset(st, 0, sizeof(*st));
	if (door_owns(ino)) {
		rc = door_stat(ino, st);
		st->st_atime = st->st_mtime = st->st_ctime = served_of(req)->mounted;
		return rc;
	}
	if (!node_from_ino(ino, &n))
		return -ESTALE;
	rc = tree_stat(&v, &n, st);
	st->st_ino = ino;
	return rc;
}

static void
op_init(void *userdata, struct fuse_conn_info *conn)
{
	(void)userdata;
	/* Splicing would leave decrypted bytes in pipes, the writeback cache in pages. */
	conn->want &= ~(unsigned)(FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE | FUSE_CAP_SPLICE_MOVE |
				  FUSE_CAP_WRITEBACK_CACHE | FUSE_CAP_AUTO_INVAL_DATA | FUSE_CAP_ASYNC_DIO);
	conn->max_write = OPS_MAX_TRANSFER;
	conn->max_background = 64;
	conn->congestion_threshold = 48;
}

static void
op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fuse_entry_param e = {.attr_timeout = 0, .entry_timeout = 0};
	struct viewer v = viewer_of(req);
	struct node dir, child;
	uint64_t ino;
	int rc;

	if (door_owns(parent) || (parent == FUSE_ROOT_ID && strcmp(name, DOOR_NAME) == 0)) {
		rc = door_lookup(parent, name, &ino);
		e.attr_timeout = e.entry_timeout = DOOR_TIMEOUT;
	} else if (!node_from_ino(parent, &dir)) {
		rc = -ESTALE;
	} else {
		rc = tree_lookup(&v, &dir, name, &child);
		if (rc == 0)
			ino = node_ino(&child);
	}
	if (rc == 0)
		rc = stat_of(req, ino, &e.attr);
	if (rc != 0) {
		fuse_reply_err(req, -rc);
		return;
	}
	e.ino = ino;
	fuse_reply_entry(req, &e);
}

/* An inode number says everything about its node: there is nothing to forget. */
static void
op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t nlookup)
{
	(void)ino;
	(void)nlookup;
	fuse_reply_none(req);
}

static void
op_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets)
{
	(void)count;
	(void)forgets;
	fuse_reply_none(req);
}

/* ---- files ---- */

struct text_handle {
	struct handle handle;
	fuse_ino_t ino;
	struct node node;
	bool door;
	bool can_write;
	uint8_t *text; /* the snapshot: secret memory */
	size_t len;
	pthread_mutex_t lock;
	struct buf written; /* not yet carried out */
	off_t base;         /* where writing began */
};

static struct text_handle *
text_of(const struct fuse_file_info *fi)
{
	struct handle *h = fi == NULL ? NULL : (struct handle *)(uintptr_t)fi->fh;

	return h != NULL && h->kind == HANDLE_TEXT ? (struct text_handle *)h : NULL;
}

static struct conn *
conn_of(const struct fuse_file_info *fi)
{
	struct handle *h = fi == NULL ? NULL : (struct handle *)(uintptr_t)fi->fh;

	return h != NULL && h->kind == HANDLE_CONN ? (struct conn *)h : NULL;
}

static void
op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct text_handle *t = text_of(fi);
	struct stat st;
	int rc = stat_of(req, ino, &st);

	if (rc != 0) {
		fuse_reply_err(req, -rc);
		return;
	}
	if (t != NULL && t->text != NULL)
		st.st_size = (off_t)t->len;
	fuse_reply_attr(req, &st, door_owns(ino) ? DOOR_TIMEOUT : 0);
}

/* Truncation comes before every write from a shell and means nothing here; all else is not the user's to
 * change. */
static void
op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int to_set, struct fuse_file_info *fi)
{
	const int harmless = FUSE_SET_ATTR_SIZE | FUSE_SET_ATTR_MTIME | FUSE_SET_ATTR_MTIME_NOW |
		FUSE_SET_ATTR_CTIME;
	struct stat st;
	int rc = stat_of(req, ino, &st);

	if (rc != 0)
		fuse_reply_err(req, -rc);
	else if (!(to_set & FUSE_SET_ATTR_SIZE) || (to_set & ~harmless) != 0 || attr->st_size != 0 ||
		!S_ISREG(st.st_mode) || (st.st_mode & 0222) == 0)
		fuse_reply_err(req, EPERM);
	else
		op_getattr(req, ino, fi);
}

static int
read_snapshot(fuse_req_t req, struct text_handle *t)
{
	struct viewer v = viewer_of(req);
	char text[64];

	if (!t->door)
		return tree_read(&v, &t->node, &t->text, &t->len);
	t->len = door_text(t->ino, text, sizeof(text));
	t->text = secret_alloc(t->len);
	if (t->text == NULL)
		return -ENOMEM;
	memcpy(t->text, text, t->len);
	return 0;
}

static void
text_free(struct text_handle *t)
{
	secret_free(t->text);
	buf_free(&t->written);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

static int
may_open(const struct stat *st, int flags)
{
	int how = flags & O_ACCMODE;

	if (S_ISDIR(st->st_mode))
		return -EISDIR;
	if (how != O_WRONLY && (st->st_mode & 0444) == 0)
		return -EACCES;
	if ((how != O_RDONLY || (flags & O_TRUNC)) && (st->st_mode & 0222) == 0)
		return -EACCES;
	return 0;
}

static int
text_open(fuse_req_t req, fuse_ino_t ino, int flags, struct text_handle **out)
{
	struct text_handle *t = calloc(1, sizeof(*t));
	struct stat st;
	int rc = -ENOMEM;

	if (t == NULL)
		return -ENOMEM;
	pthread_mutex_init(&t->lock, NULL);
	t->handle.kind = HANDLE_TEXT;
	t->ino = ino;
	t->door = door_owns(ino);
	buf_init(&t->written, WRITE_MAX);
	rc = -ENOENT;
	if (door_is_conn(ino) || (!t->door && !node_from_ino(ino, &t->node)))
		goto out;
	rc = stat_of(req, ino, &st);
	if (rc == 0)
		rc = may_open(&st, flags);
	if (rc != 0)
		goto out;
	t->can_write = (flags & O_ACCMODE) != O_RDONLY;
	if ((flags & O_ACCMODE) != O_WRONLY)
		rc = read_snapshot(req, t);
	if (rc != 0)
		goto out;
	*out = t;
	t = NULL; /* transferred */
out:
	if (t != NULL)
		text_free(t);
	return rc;
}

static void
op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct text_handle *t = NULL;
	int rc = text_open(req, ino, fi->flags, &t);

	if (rc != 0) {
		fuse_reply_err(req, -rc);
		return;
	}
	fi->fh = (uintptr_t)t;
	fi->direct_io = 1;
	fi->keep_cache = 0;
	fi->noflush = !t->can_write;
	if (fuse_reply_open(req, fi) != 0)
		text_free(t);
}

static void
op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, struct fuse_file_info *fi)
{
	(void)mode;
	if (parent != DOOR_CONN_DIR)
		fuse_reply_err(req, EPERM);
	else if (!(fi->flags & O_CREAT) || !(fi->flags & O_EXCL) || (fi->flags & O_ACCMODE) != O_RDWR)
		fuse_reply_err(req, EINVAL);
	else
		conn_create(req, name, fi);
}

static void
op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	struct text_handle *t = text_of(fi);
	char *copy;
	size_t n;

	(void)ino;
	if (conn_of(fi) != NULL) {
		conn_read(req, conn_of(fi), size, off);
		return;
	}
	if (t == NULL || t->text == NULL || off < 0) {
		fuse_reply_err(req, t == NULL || off < 0 ? EINVAL : EBADF);
		return;
	}
	if ((size_t)off >= t->len) {
		fuse_reply_buf(req, NULL, 0);
		return;
	}
	n = t->len - (size_t)off < size ? t->len - (size_t)off : size;
	copy = malloc(n);
	if (copy == NULL) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	memcpy(copy, t->text + off, n);
	fuse_reply_buf(req, copy, n);
	wipe(copy, n);
	free(copy);
}

/* ---- writing ---- */

/* The carrying out of what was written; owns all it needs, as the handle may be closed before. */
struct write_job {
	struct job job; /* first */
	struct jobs *jobs;
	struct viewer viewer;
	struct node node;
	struct buf data;
	size_t answer; /* bytes for write; 0: a flush */
	int rc;
};

static void
write_reply(fuse_req_t req, const struct write_job *w)
{
	if (w->rc != 0)
		fuse_reply_err(req, -w->rc);
	else if (w->answer != 0)
		fuse_reply_write(req, w->answer);
	else
		fuse_reply_err(req, 0);
}

static void
write_run(struct job *j)
{
	struct write_job *w = (struct write_job *)j;

	w->rc = tree_write(&w->viewer, &w->node, w->data.data, w->data.len);
}

static void
write_end(struct job *j)
{
	struct write_job *w = (struct write_job *)j;
	fuse_req_t req = jobs_take(w->jobs, j);

	if (req != NULL)
		write_reply(req, w);
	buf_free(&w->data);
	free(w);
}

/* Takes what was gathered, with the handle's lock held. NULL when memory is short. */
static struct write_job *
take_written(fuse_req_t req, struct text_handle *t, size_t answer)
{
	struct write_job *w = calloc(1, sizeof(*w));

	if (w == NULL) {
		buf_clear(&t->written);
		return NULL;
	}
	w->job.run = write_run;
	w->job.end = write_end;
	w->jobs = served_of(req)->jobs;
	w->viewer = viewer_of(req);
	w->node = t->node;
	w->data = t->written;
	memset(&t->written, 0, sizeof(t->written)); /* transferred */
	buf_init(&t->written, WRITE_MAX);
	w->answer = answer;
	return w;
}

/* Answers the request, now or when the job is done. The handle may be gone by then. */
static void
carry_out(fuse_req_t req, struct write_job *w)
{
	if (w == NULL) {
		fuse_reply_err(req, ENOMEM);
	} else if (!tree_is_slow(&w->node)) {
		write_run(&w->job);
		write_reply(req, w);
		buf_free(&w->data);
		free(w);
	} else {
		ops_may_wait(req);
		if (jobs_add(w->jobs, &w->job, req) == JOB_INTERRUPTED)
			fuse_reply_err(req, EINTR);
	}
}

static int
gather(struct text_handle *t, const char *data, size_t len, off_t off)
{
	if (t->written.len == 0)
		t->base = off;
	if (!t->can_write || t->door)
		return EBADF;
	if (off != t->base + (off_t)t->written.len)
		return EINVAL;
	if (len > WRITE_MAX - t->written.len || !buf_put(&t->written, data, len))
		return EFBIG;
	return 0;
}

/* A line is carried out in its own write, so that `echo 1234 > login` fails where the shell looks; what
 * has no line end waits for close. */
static void
write_text(fuse_req_t req, struct text_handle *t, const char *data, size_t len, off_t off)
{
	bool line = len > 0 && data[len - 1] == '\n' && tree_is_slow(&t->node);
	struct write_job *w = NULL;
	int error;

	pthread_mutex_lock(&t->lock);
	error = gather(t, data, len, off);
	if (error == 0 && line)
		w = take_written(req, t, len);
	pthread_mutex_unlock(&t->lock);
	wipe((void *)(uintptr_t)data, len);
	if (error != 0)
		fuse_reply_err(req, error);
	else if (line)
		carry_out(req, w);
	else
		fuse_reply_write(req, len);
}

static void
op_write(fuse_req_t req, fuse_ino_t ino, const char *data, size_t len, off_t off, struct fuse_file_info *fi)
{
	(void)ino;
	if (conn_of(fi) != NULL)
		conn_write(req, conn_of(fi), data, len, off);
	else if (text_of(fi) != NULL)
		write_text(req, text_of(fi), data, len, off);
	else
		fuse_reply_err(req, EBADF);
}

static void
op_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct text_handle *t = text_of(fi);
	struct write_job *w = NULL;
	bool pending;

	(void)ino;
	if (t == NULL) {
		fuse_reply_err(req, 0);
		return;
	}
	pthread_mutex_lock(&t->lock);
	pending = t->written.len > 0;
	if (pending)
		w = take_written(req, t, 0);
	pthread_mutex_unlock(&t->lock);
	if (pending)
		carry_out(req, w);
	else
		fuse_reply_err(req, 0);
}

static void
op_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
	(void)datasync;
	op_flush(req, ino, fi);
}

static void
op_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino;
	if (conn_of(fi) != NULL) {
		conn_release(req, conn_of(fi));
		return;
	}
	if (text_of(fi) != NULL)
		text_free(text_of(fi));
	fuse_reply_err(req, 0);
}

static void
op_ioctl(fuse_req_t req, fuse_ino_t ino, unsigned int cmd, void *arg, struct fuse_file_info *fi, unsigned flags,
	const void *in, size_t in_len, size_t out_len)
{
	(void)ino;
	(void)arg;
	if ((flags & (FUSE_IOCTL_DIR | FUSE_IOCTL_UNRESTRICTED)) != 0 || conn_of(fi) == NULL)
		fuse_reply_err(req, ENOTTY);
	else
		conn_ioctl(req, conn_of(fi), cmd, in, in_len, out_len);
}

/* ---- directories ---- */

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

static void
dir_free(struct dir_handle *d)
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
	struct viewer v = viewer_of(req);
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
static void
op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct dir_handle *d = calloc(1, sizeof(*d));
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
	if (fuse_reply_open(req, fi) == 0)
		d = NULL; /* transferred */
out:
	if (rc != 0)
		fuse_reply_err(req, -rc);
	dir_free(d);
}

static void
op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
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

static void
op_releasedir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino;
	dir_free((struct dir_handle *)(uintptr_t)fi->fh);
	fuse_reply_err(req, 0);
}

/* ---- changes of the tree ---- */

static void
remove_node(fuse_req_t req, fuse_ino_t parent, const char *name, bool is_dir)
{
	struct viewer v = viewer_of(req);
	struct node dir;
	int rc = -EPERM;

	if (!door_owns(parent) && node_from_ino(parent, &dir))
		rc = tree_remove(&v, &dir, name, is_dir);
	fuse_reply_err(req, -rc);
}

static void
op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	remove_node(req, parent, name, false);
}

static void
op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	remove_node(req, parent, name, true);
}

static void
op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
	(void)parent;
	(void)name;
	(void)mode;
	fuse_reply_err(req, EPERM);
}

static void
op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t dev)
{
	(void)dev;
	op_mkdir(req, parent, name, mode);
}

static void
op_symlink(fuse_req_t req, const char *link, fuse_ino_t parent, const char *name)
{
	(void)link;
	op_mkdir(req, parent, name, 0);
}

static void
op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t parent, const char *name)
{
	(void)ino;
	op_mkdir(req, parent, name, 0);
}

static void
op_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t to, const char *as, unsigned int flags)
{
	(void)to;
	(void)as;
	(void)flags;
	op_mkdir(req, parent, name, 0);
}

/* Space is the vault's. */
static void
op_statfs(fuse_req_t req, fuse_ino_t ino)
{
	struct statvfs st;

	(void)ino;
	if (statvfs(served_of(req)->daemon->conf->vault, &st) != 0) {
		fuse_reply_err(req, errno);
		return;
	}
	st.f_files = st.f_ffree = st.f_favail = 0;
	st.f_namemax = 255;
	fuse_reply_statfs(req, &st);
}

/* No lseek: a wrong SEEK_DATA makes cp copy nothing. No access: open and lookup decide. */
const struct fuse_lowlevel_ops ops_table = {
	.init = op_init,
	.lookup = op_lookup,
	.forget = op_forget,
	.forget_multi = op_forget_multi,
	.getattr = op_getattr,
	.setattr = op_setattr,
	.open = op_open,
	.create = op_create,
	.read = op_read,
	.write = op_write,
	.flush = op_flush,
	.fsync = op_fsync,
	.release = op_release,
	.ioctl = op_ioctl,
	.opendir = op_opendir,
	.readdir = op_readdir,
	.releasedir = op_releasedir,
	.unlink = op_unlink,
	.rmdir = op_rmdir,
	.mkdir = op_mkdir,
	.mknod = op_mknod,
	.symlink = op_symlink,
	.link = op_link,
	.rename = op_rename,
	.statfs = op_statfs,
};
