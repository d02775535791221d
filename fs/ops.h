/*
 * ops.h - FUSE's requests: from inode numbers to tree.h, door.h and conn.h, and answers back
 *
 * Every file is opened direct_io and served from a snapshot made at open, so that sizes are exact and
 * nothing decrypted stays in the page cache. What may take long runs as a job.
 *
 * Invariant:  a request is answered exactly once: by its handler, or by the job that it waits for, or by
 *             the interrupt that detached it (job.h).
 * Secrets:    snapshots lie in secret memory; what is handed to the kernel is copied out of it
 *             (the kernel refuses to read from it) and wiped; so are bytes in the receive buffer.
 */
#ifndef TOKENFS_OPS_H
#define TOKENFS_OPS_H

#define FUSE_USE_VERSION 314
#include <fuse_lowlevel.h>

#include "../pkcs11/wire.h"
#include "daemon.h"
#include "job.h"
#include "stream.h"

struct conn;
struct handle;

/* What every request can reach: fuse_req_userdata. */
struct served {
	struct daemon *daemon;
	struct jobs *jobs;
	struct fuse_session *session;
	time_t mounted;
	pthread_mutex_t lock; /* guards conns and handles */
	struct conn *conns;
	unsigned n_conns, n_handles;
	struct stream_budget stream_bytes;
	struct handle *handles; /* open texts and directories */
	uint64_t next_conn;
};

extern const struct fuse_lowlevel_ops ops_table;

/* To be called before a request is given to jobs_add or jobs_attach as the waiter. */
void ops_may_wait(fuse_req_t req);
/* For jobs_start. */
bool ops_gone(void *req);
/* Room for the largest piece of a stream, wherever in a page the client's buffer begins. */
#define OPS_MAX_TRANSFER (WIRE_CHUNK + 4096u)

/* Common first member of everything that fuse_file_info.fh points to. */
enum handle_kind { HANDLE_TEXT, HANDLE_DIR, HANDLE_CONN };
struct handle {
	enum handle_kind kind;
	struct handle *next, **at; /* texts and directories: in served->handles */
};
/* An unlock ended: wipes what was read under it. served. */
void ops_wipe_locked(void *served);
/* After the last request: frees what the kernel did not release. */
void ops_free_all(struct served *s);

#endif
