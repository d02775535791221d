/*
 * watch.h - what happens by itself: unlocks run out, a vault that others changed is read again
 *
 * One thread looks once a second. The directories that change when tokens come, go or are restored
 * (the vault, each token, each log) are compared by their times; once a change has settled for a
 * second, vault_reload looks at the rest.
 *
 * Use:        watch_start(d) after the sandbox is up; watch_stop() before daemon_close
 */
#ifndef TOKENFS_WATCH_H
#define TOKENFS_WATCH_H

#include "daemon.h"

bool watch_start(struct daemon *d);
void watch_stop(void);

#endif
