/*
 * lane.h - how fast a piece of work runs in several processes and threads at once
 *
 * A lane is one thread of one process. All lanes of all processes begin, warm up, meet at a barrier and
 * run until the time is over; a rate is the sum of what each lane did, divided by the time it took.
 *
 * Use:        struct lane_plan p = {.work = &w, .processes = 2, .threads = 1, .seconds = 1};
 *             double rate; if (lane_rate(&p, &rate)) ...
 * Errors:     false if a lane could not begin or a step failed; the work has said why on stderr.
 */
#ifndef BENCH_LANE_H
#define BENCH_LANE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lane {
	unsigned long done; /* steps, warm-up included */
	uint64_t random;    /* state of lane_random, different in each lane */
	void *own;          /* belongs to the work */
};

struct lane_work {
	const char *name;
	double scale;   /* what one step counts for: 1, or megabytes */
	unsigned batch; /* steps between two looks at the clock */
	bool (*begin)(struct lane *l);
	bool (*step)(struct lane *l);
	void (*end)(struct lane *l); /* after a failed begin too; not timed */
};

struct lane_plan {
	const struct lane_work *work;
	unsigned processes, threads;
	double seconds;
	bool (*open)(const struct lane_work *w); /* once in each process, before its threads; may be NULL */
	void (*close)(void);                     /* may be NULL */
};

/* Steps times scale per second, all lanes together. */
bool lane_rate(const struct lane_plan *p, double *rate);

/* Seconds on the monotonic clock. */
double lane_now(void);

/* A number below n, from a generator that is good enough to pick objects. */
unsigned long lane_random(struct lane *l, unsigned long n);

#endif
