/*
 * job.h - slow work away from the threads that read requests; free of FUSE
 *
 * A job is work that may take long, and at most one waiter: the request that will be answered with
 * its result. A waiter can go away (its process got a signal) while the work goes on; another can
 * come (the repeated request).
 *
 *   jobs_add -> queued -> running [run] -> ended [end, which calls jobs_take] -> the owner's
 *   waiter:  jobs_add, jobs_attach -> waiting -> jobs_take (answer it) or jobs_detach (answer EINTR)
 *
 * Invariants: 1. every waiter is given out exactly once, by jobs_take or jobs_detach
 *             2. heavy jobs (key generation) never hold all threads: a login need not wait for one
 *             3. of one lane (a session) one job runs, the others wait in the queue, not in a thread
 *
 * Ownership:  a job is the caller's struct, handed over at jobs_add and handed back to end().
 * Locking:    any thread. run and end are called without a lock; the caller's own lock may be held
 *             around jobs_add, jobs_attach and jobs_take, never the other way round.
 */
#ifndef TOKENFS_JOB_H
#define TOKENFS_JOB_H

#include <stdbool.h>
#include <stddef.h>

struct jobs;

struct job {
	void (*run)(struct job *j);
	void (*end)(struct job *j); /* same thread, right after; must call jobs_take; may free j */
	bool heavy;
	bool patient; /* its waiter is answered when it ends, interrupted or not; it must not take long */
	/* Jobs of one lane run one after the other. of NULL: in none. */
	const void *lane_of;
	unsigned long lane;
	/* job.c's own */
	void *waiter;
	struct job *next;
};

enum job_added {
	JOB_WAITING,
	JOB_INTERRUPTED, /* the waiter was gone already: answer EINTR; the work goes on */
	JOB_BUSY         /* jobs_attach: somebody waits already */
};

/* threads: at least 2. gone(waiter) tells, at the moment a waiter is entered, that it was interrupted
 * before; called with the pool's lock held. NULL if errno says why. */
struct jobs *jobs_start(unsigned threads, bool (*gone)(void *waiter));
enum job_added jobs_add(struct jobs *p, struct job *j, void *waiter);
/* j must not have ended: the caller knows by its own lock, under which its end() calls jobs_take. */
enum job_added jobs_attach(struct jobs *p, struct job *j, void *waiter);
/* From end(): the waiter to answer, or NULL. */
void *jobs_take(struct jobs *p, struct job *j);
/* The waiter, not one of a patient job, was interrupted. True: it was waiting, and is now the caller's to answer. */
bool jobs_detach(struct jobs *p, const void *waiter);
/* Runs what is queued (the callers have cancelled it), joins the threads, frees the pool. */
void jobs_stop(struct jobs *p);

#endif
