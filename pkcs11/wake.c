#include "wake.h"

#include <fcntl.h>
#include <unistd.h>

CK_RV
wake_open(struct wake *w)
{
	if (w->open)
		return peer_same(w->fd[0], &w->file[0]) ? CKR_OK : CKR_HOST_MEMORY;
	if (pipe2(w->fd, O_CLOEXEC | O_NONBLOCK) != 0)
		return CKR_HOST_MEMORY;
	w->open = peer_identify(w->fd[0], &w->file[0]) && peer_identify(w->fd[1], &w->file[1]);
	if (!w->open) {
		close(w->fd[0]);
		close(w->fd[1]);
	}
	return w->open ? CKR_OK : CKR_HOST_MEMORY;
}

void
wake_ring(struct wake *w)
{
	if (w->open && peer_same(w->fd[1], &w->file[1]) && write(w->fd[1], "", 1) < 0)
		return; /* full: it rings already */
}

void
wake_close(struct wake *w)
{
	for (int i = 0; w->open && i < 2; i++) {
		if (peer_same(w->fd[i], &w->file[i]))
			close(w->fd[i]);
	}
	w->open = false;
}
