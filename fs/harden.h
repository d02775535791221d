/*
 * harden.h - takes from the daemon what it does not need
 *
 * Use:        harden_limits() before the vault is opened; harden_prepare() and harden_sandbox() after
 *             mounting and before the first further thread.
 * Errors:     each measure fails soft: a log line, and the reason in the report.
 */
#ifndef TOKENFS_HARDEN_H
#define TOKENFS_HARDEN_H

#include "daemon.h"

/* Not dumpable, no core file. */
void harden_limits(struct harden_report *r);
/* no_new_privs, Landlock (vault and state writable, little else readable), seccomp allow-list. */
void harden_sandbox(const struct conf *conf, struct harden_report *r);
/* Where the secret arena lies, in words. */
void harden_memory(struct harden_report *r);

#endif
