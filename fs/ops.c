#include "ops_inner.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "conn.h"
#include "door.h"

/* The nodes of .p11 never change. */
#define DOOR_TIMEOUT 3600.0

struct served *
ops_served(fuse_req_t req)
{
	return fuse_req_userdata(req);
}

struct viewer
ops_viewer(fuse_req_t req)
{
	return (struct viewer){.daemon = ops_served(req)->daemon, .uid = fuse_req_ctx(req)->uid,
		.pid = fuse_req_ctx(req)->pid};
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
	fuse_req_interrupt_func(req, on_interrupt, ops_served(req)->jobs);
}

bool
ops_gone(void *req)
{
	return fuse_req_interrupted(req) != 0;
}

/* ---- open handles ---- */

bool
ops_enlist(struct served *s, struct handle *h)
{
	bool room;

	pthread_mutex_lock(&s->lock);
	room = s->n_handles < HANDLES_MAX;
	if (!room)
		goto out;
	s->n_handles++;
	h->next = s->handles;
	h->at = &s->handles;
	if (h->next != NULL)
		h->next->at = &h->next;
	s->handles = h;
out:
	pthread_mutex_unlock(&s->lock);
	return room;
}

void
ops_unlist(struct served *s, struct handle *h)
{
	pthread_mutex_lock(&s->lock);
	s->n_handles--;
	*h->at = h->next;
	if (h->next != NULL)
		h->next->at = h->at;
	pthread_mutex_unlock(&s->lock);
}

void
ops_wipe_locked(void *served)
{
	struct served *s = served;

	pthread_mutex_lock(&s->lock);
	for (struct handle *h = s->handles; h != NULL; h = h->next) {
		if (h->kind == HANDLE_TEXT)
			ops_text_wipe(s, (struct text_handle *)h);
	}
	pthread_mutex_unlock(&s->lock);
}

void
ops_free_all(struct served *s)
{
	while (s->handles != NULL) {
		struct handle *h = s->handles;

		s->handles = h->next;
		if (h->kind == HANDLE_TEXT)
			ops_text_free((struct text_handle *)h);
		else
			ops_dir_free((struct dir_handle *)h);
	}
}

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

/* ---- attributes ---- */

int
ops_stat(fuse_req_t req, fuse_ino_t ino, struct stat *st)
{
	struct viewer v = ops_viewer(req);
	struct node n;
	int rc;

	memset(st, 0, sizeof(*st));
	if (door_owns(ino)) {
		rc = door_stat(ino, st);
		st->st_atime = st->st_mtime = st->st_ctime = ops_served(req)->mounted;
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
	struct viewer v = ops_viewer(req);
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
		rc = ops_stat(req, ino, &e.attr);
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

static void
op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct text_handle *t = text_of(fi);
	struct stat st;
	int rc = ops_stat(req, ino, &st);

	if (rc != 0) {
		fuse_reply_err(req, -rc);
		return;
	}
	if (t != NULL && t->readable)
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
	int rc = ops_stat(req, ino, &st);

	if (rc != 0)
		fuse_reply_err(req, -rc);
	else if (!(to_set & FUSE_SET_ATTR_SIZE) || (to_set & ~harmless) != 0 || attr->st_size != 0 ||
		!S_ISREG(st.st_mode) || (st.st_mode & 0222) == 0)
		fuse_reply_err(req, EPERM);
	else
		op_getattr(req, ino, fi);
}

/* ---- files ---- */

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
	(void)ino;
	if (conn_of(fi) != NULL)
		conn_read(req, conn_of(fi), size, off);
	else if (text_of(fi) != NULL)
		ops_text_read(req, text_of(fi), size, off);
	else
		fuse_reply_err(req, EBADF);
}

static void
op_write(fuse_req_t req, fuse_ino_t ino, const char *data, size_t len, off_t off, struct fuse_file_info *fi)
{
	(void)ino;
	if (conn_of(fi) != NULL)
		conn_write(req, conn_of(fi), data, len, off);
	else if (text_of(fi) != NULL)
		ops_text_write(req, text_of(fi), data, len, off);
	else
		fuse_reply_err(req, EBADF);
}

static void
op_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino;
	if (text_of(fi) != NULL)
		ops_text_flush(req, text_of(fi));
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
	if (text_of(fi) != NULL) {
		ops_unlist(ops_served(req), &text_of(fi)->handle);
		ops_text_free(text_of(fi));
	}
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

/* Texts can always be read and written; a connection can be read when slots have changed. */
static void
op_poll(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi, struct fuse_pollhandle *ph)
{
	(void)ino;
	if (conn_of(fi) != NULL) {
		conn_poll(req, conn_of(fi), ph);
		return;
	}
	fuse_reply_poll(req, POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM);
	if (ph != NULL)
		fuse_pollhandle_destroy(ph);
}

/* ---- changes of the tree ---- */

static void
remove_node(fuse_req_t req, fuse_ino_t parent, const char *name, bool is_dir)
{
	struct viewer v = ops_viewer(req);
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
	if (statvfs(ops_served(req)->daemon->conf->vault, &st) != 0) {
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
	.open = ops_text_open,
	.create = op_create,
	.read = op_read,
	.write = op_write,
	.flush = op_flush,
	.fsync = op_fsync,
	.release = op_release,
	.ioctl = op_ioctl,
	.poll = op_poll,
	.opendir = ops_dir_open,
	.readdir = ops_dir_read,
	.releasedir = ops_dir_release,
	.unlink = op_unlink,
	.rmdir = op_rmdir,
	.mkdir = op_mkdir,
	.mknod = op_mknod,
	.symlink = op_symlink,
	.link = op_link,
	.rename = op_rename,
	.statfs = op_statfs,
};
