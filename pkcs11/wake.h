/*
 * wake.h - by what C_Finalize wakes the threads that wait for a slot event: a pipe
 *
 * Use:        wake_open(&w); a thread polls w.fd[0] among others; wake_ring(&w); wake_close(&w)
 * Locking:    the caller's; wake_ring may be called while others poll.
 * Fork:       the child's copy is closed (wake_close) and never rung: the pipe is its parent's too.
 *
 * An application that closes all descriptors takes these too, and may open a file under their numbers:
 * nothing is written to, closed or waited for that is not still this pipe.
 */
#ifndef TOKENFS_WAKE_H
#define TOKENFS_WAKE_H

#include "peer.h"

struct wake {
	bool open;
	int fd[2];
	struct peer_file file[2];
};

/* Does nothing if it is open. CKR_HOST_MEMORY: there are no descriptors left, or the pipe was closed
 * under us. */
CK_RV wake_open(struct wake *w);
/* For good: whoever polls it from now on is woken, too. */
void wake_ring(struct wake *w);
void wake_close(struct wake *w);

#endif
