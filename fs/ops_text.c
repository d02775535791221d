#include "ops_inner.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "../store/secret.h"
#include "door.h"

#define WRITE_MAX 4096u /* bytes of a file that is written: a PIN, a word */

static int
read_snapshot(fuse_req_t req, struct text_handle *t)
{
	struct viewer v = ops_viewer(req);
	char text[64];

	if (!t->door) {
		int rc;

		t->unlock = tree_unlock(&v, &t->node);
		rc = tree_read(&v, &t->node, &t->text, &t->len);
		/* Locked and unlocked again between the two: under which was it read? */
		return rc == 0 && tree_unlock(&v, &t->node) != t->unlock ? -EACCES : rc;
	}
	t->len = door_text(t->ino, text, sizeof(text));
	t->text = secret_alloc(t->len);
	if (t->text == NULL)
		return -ENOMEM;
	memcpy(t->text, text, t->len);
	return 0;
}

void
ops_text_free(struct text_handle *t)
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
text_new(fuse_req_t req, fuse_ino_t ino, int flags, struct text_handle **out)
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
	rc = ops_stat(req, ino, &st);
	if (rc == 0)
		rc = may_open(&st, flags);
	if (rc != 0)
		goto out;
	t->can_write = (flags & O_ACCMODE) != O_RDONLY;
	if ((flags & O_ACCMODE) != O_WRONLY)
		rc = read_snapshot(req, t);
	if (rc != 0)
		goto out;
	t->readable = t->text != NULL;
	t->uid = fuse_req_ctx(req)->uid;
	*out = t;
	t = NULL; /* transferred */
out:
	if (t != NULL)
		ops_text_free(t);
	return rc;
}

void
ops_text_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct served *s = ops_served(req);
	struct text_handle *t = NULL;
	int rc = text_new(req, ino, fi->flags, &t);

	if (rc != 0) {
		fuse_reply_err(req, -rc);
		return;
	}
	fi->fh = (uintptr_t)t;
	fi->direct_io = 1;
	fi->keep_cache = 0;
	fi->noflush = !t->can_write;
	/* Before the answer: it may be closed in the next moment. */
	if (!ops_enlist(s, &t->handle)) {
		ops_text_free(t);
		fuse_reply_err(req, ENFILE);
		return;
	}
	ops_text_wipe(s, t); /* a lock that came before it was listed */
	if (fuse_reply_open(req, fi) != 0) {
		ops_unlist(s, &t->handle);
		ops_text_free(t);
	}
}

void
ops_text_wipe(struct served *s, struct text_handle *t)
{
	const struct viewer v = {.daemon = s->daemon, .uid = t->uid};

	if (t->unlock == 0)
		return;
	pthread_mutex_lock(&t->lock);
	if (t->text != NULL && tree_unlock(&v, &t->node) != t->unlock) {
		secret_free(t->text);
		t->text = NULL;
	}
	pthread_mutex_unlock(&t->lock);
}

/* A piece of the snapshot in *copy, malloc'd, to be wiped. 0 or an errno. */
static int
copy_piece(struct text_handle *t, size_t size, size_t off, char **copy, size_t *n)
{
	int error = 0;

	*copy = NULL;
	*n = 0;
	pthread_mutex_lock(&t->lock);
	if (t->text == NULL) {
		error = EACCES;
	} else if (off < t->len) {
		*n = t->len - off < size ? t->len - off : size;
		*copy = malloc(*n);
		if (*copy != NULL)
			memcpy(*copy, t->text + off, *n);
		else
			error = ENOMEM;
	}
	pthread_mutex_unlock(&t->lock);
	return error;
}

void
ops_text_read(fuse_req_t req, struct text_handle *t, size_t size, off_t off)
{
	char *copy = NULL;
	size_t n = 0;
	int error = off < 0 ? EINVAL : t->readable ? 0 : EBADF;

	if (error == 0) {
		ops_text_wipe(ops_served(req), t); /* an unlock may run out unnoticed */
		error = copy_piece(t, size, (size_t)off, &copy, &n);
	}
	if (error != 0)
		fuse_reply_err(req, error);
	else
		fuse_reply_buf(req, copy, n);
	if (copy != NULL)
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
	/* A second try of an interrupted write would count a wrong PIN twice; and scrypt takes no second. */
	w->job.patient = true;
	w->jobs = ops_served(req)->jobs;
	w->viewer = ops_viewer(req);
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
		jobs_add(w->jobs, &w->job, req);
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
void
ops_text_write(fuse_req_t req, struct text_handle *t, const char *data, size_t len, off_t off)
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

void
ops_text_flush(fuse_req_t req, struct text_handle *t)
{
	struct write_job *w = NULL;
	bool pending;

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
