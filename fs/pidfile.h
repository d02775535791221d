/*
 * pidfile.h - which process serves this vault: state/daemon.pid, "pid start-time"
 *
 * A hint for `umount` alone. The vault's lock, not this file, keeps a second daemon away; a file left
 * by a crash is recognised by the start time.
 */
#ifndef TOKENFS_PIDFILE_H
#define TOKENFS_PIDFILE_H

#include <sys/types.h>

#include "../pkcs11/conf.h"

/* This process, in a fresh file; what fails is logged. Removing: no error if it is not there. */
void pidfile_write(const struct conf *conf);
void pidfile_remove(const struct conf *conf);
/* The daemon's pid, 0 if none runs. */
pid_t pidfile_read(const struct conf *conf);

#endif
