/*
 * conn.h - a connection: an open file below .p11/conn/, which is one application
 *
 * Carries frames to rpc.h and replies back, by ioctl (carrier 1) or by pwrite and pread (carrier 2,
 * stream.h). Calls that are fast are performed where they arrive, slow ones as jobs; so are those that find
 * another call on their session: no serving thread waits for one.
 *
 * A connection belongs to the process that opened it. The kernel tells a thread's number; its process
 * and that process's start time are looked up in /proc and remembered for a second. Others, who came by
 * the descriptor through fork or a socket, get EACCES. A caller from another pid namespace shows no
 * number and is judged by uid alone.
 *
 * Interrupts: a call that was interrupted goes on; the same frame (call and seq) sent again is attached to
 *             it or gets its kept reply. Only closing the connection cancels.
 * Waiting:    an application that waits for slot events polls its connection; no thread here waits with it.
 * Locking:    conn->lock guards streams, calls and the poll handle. Order: served -> conn -> jobs; never held during
 *             rpc_call.
 * Format:     docs/PROTOCOL.md
 */
#ifndef TOKENFS_CONN_H
#define TOKENFS_CONN_H

#include "ops.h"

/* Connections of all users; past that ENFILE. */
#define CONNS_MAX 1024u
/* What streams, kept replies and calls under way of all connections may take; each has STREAMS_MAX_BYTES. */
#define CONNS_MAX_BYTES ((size_t)1 << 30)

/* Each answers the request. */
void conn_create(fuse_req_t req, const char *name, struct fuse_file_info *fi);
void conn_ioctl(fuse_req_t req, struct conn *c, unsigned int cmd, const void *in, size_t in_len, size_t room);
void conn_write(fuse_req_t req, struct conn *c, const char *data, size_t len, off_t offset);
void conn_read(fuse_req_t req, struct conn *c, size_t size, off_t offset);
void conn_release(fuse_req_t req, struct conn *c);

/* Has the application news of slots to ask for (WIRE_WAIT_FOR_SLOT_EVENT)? Takes ph over, which is told when that
 * changes. */
void conn_poll(fuse_req_t req, struct conn *c, struct fuse_pollhandle *ph);
/* Slots have changed: wakes whoever polls any connection. served. */
void conn_tell_all(void *served);

/* At the end of service: cancels every application's work; then, when no job runs any more, frees
 * what the kernel did not release. */
void conn_cancel_all(struct served *s);
void conn_free_all(struct served *s);

#endif
