/*
 * log.h - the daemon's log: syslog, standard error or a file, by configuration
 *
 * Use:        log_open(conf, err, len); log_at(WHY_NOTICE, "..."); log_close()
 *             log_open also becomes the store's why_logger.
 * Locking:    log_at from any thread; open and close while there is one thread.
 * Secrets:    never a PIN, a key or an attribute's value.
 */
#ifndef TOKENFS_LOG_H
#define TOKENFS_LOG_H

#include "../pkcs11/conf.h"
#include "../store/why.h"

/* A log file is made 0600 and appended to; a symbolic link or another's file is refused. */
bool log_open(const struct conf *conf, char *err, size_t err_len);
void log_close(void);
void log_at(enum why_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
