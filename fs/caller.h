/*
 * caller.h - is this request from the process that opened the connection?
 *
 * FUSE tells the number of the calling *thread*. It is looked up in /proc once: its process (Tgid) and
 * that process's start time, so that a reused number is not taken for the old one. What was found is
 * believed for a second.
 *
 * Locking:    caller_check from any thread.
 */
#ifndef TOKENFS_CALLER_H
#define TOKENFS_CALLER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define CALLER_SEEN 16

struct caller {
	uid_t uid;
	pid_t tgid;     /* 0: not known, the uid decides alone */
	uint64_t start; /* of the process, in clock ticks since boot */
	pthread_mutex_t lock; /* guards seen */
	struct {
		pid_t tid;
		int64_t until; /* seconds, CLOCK_MONOTONIC */
	} seen[CALLER_SEEN];
	unsigned next;
};

/* tid 0 comes from another pid namespace. False if the process is not to be found. */
bool caller_init(struct caller *c, uid_t uid, pid_t tid);
void caller_release(struct caller *c);
bool caller_check(struct caller *c, uid_t uid, pid_t tid);
/* A process's start time, in clock ticks since boot; false if it is not to be seen. */
bool caller_start(pid_t tgid, uint64_t *start);
static inline pid_t
caller_pid(const struct caller *c)
{
	return c->tgid;
}

#endif
