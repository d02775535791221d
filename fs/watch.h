/*
 * watch.h - what happens by itself: unlocks run out, a vault that others changed is read again
 *
 * One thread, once a second: unlock_expire and vault_tick.
 *
 * Use:        watch_start(d) after the sandbox is up; watch_stop() before daemon_close
 */
#ifndef TOKENFS_WATCH_H
#define TOKENFS_WATCH_H

#include "daemon.h"

/* False: no thread could be had. watch_stop waits for it; without a start it does nothing. */
bool watch_start(struct daemon *d);
void watch_stop(void);

#endif
