/*
 * ops_inner.h - what ops.c (requests), ops_text.c (open files) and ops_dir.c (open directories) share
 *
 * Locking:    text_handle->lock guards text, written and base; served->lock the list of handles. Order: served ->
 *             text_handle -> daemon.
 */
#ifndef TOKENFS_OPS_INNER_H
#define TOKENFS_OPS_INNER_H

#include "ops.h"
#include "tree.h"

/* What the request is served from, and for whom. */
struct served *ops_served(fuse_req_t req);
struct viewer ops_viewer(fuse_req_t req);
/* 0 or negative errno. */
int ops_stat(fuse_req_t req, fuse_ino_t ino, struct stat *st);
/* Open files and directories of all users; past that ENFILE. */
#define HANDLES_MAX 4096u
/* Every open handle is listed, so that all can be freed when service ends. False: there are too many. */
bool ops_enlist(struct served *s, struct handle *h);
void ops_unlist(struct served *s, struct handle *h);

struct text_handle {
	struct handle handle;
	fuse_ino_t ino;
	struct node node;
	bool door;
	bool can_write;
	uint64_t unlock; /* that it was read under, see tree_unlock; 0: needs none */
	uint8_t *text;   /* the snapshot: secret memory; NULL once that unlock has ended */
	size_t len;
	bool readable;
	uid_t uid; /* who opened it */
	pthread_mutex_t lock;
	struct buf written; /* not yet carried out */
	off_t base;         /* where writing began */
};

/* Each answers the request. */
void ops_text_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void ops_text_read(fuse_req_t req, struct text_handle *t, size_t size, off_t off);
void ops_text_write(fuse_req_t req, struct text_handle *t, const char *data, size_t len, off_t off);
void ops_text_flush(fuse_req_t req, struct text_handle *t);
/* Wipes the snapshot if its unlock has ended. */
void ops_text_wipe(struct served *s, struct text_handle *t);
void ops_text_free(struct text_handle *t); /* answers nothing */

struct dir_handle;
/* Each answers the request. The listing is a snapshot of the moment of opening. */
void ops_dir_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void ops_dir_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi);
void ops_dir_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void ops_dir_free(struct dir_handle *d);

#endif
