/*
 * works.h - what is timed, by name: call rsa p256 ed25519 hmac gcm-1k gcm-1m find pair login
 *
 * Use:        struct lane_plan p = {.work = works_find("rsa"), .open = works_open, .close = client_close, ...}
 */
#ifndef BENCH_WORKS_H
#define BENCH_WORKS_H

#include "client.h"
#include "lane.h"

/* NULL if there is none of this name. */
const struct lane_work *works_find(const char *name);

/* Opens what the work needs: a session and a login, or for "login" the module only. */
bool works_open(const struct lane_work *w);

#endif
