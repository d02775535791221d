#include "lane.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LANES_MAX 64
#define WARM_UP 0.1 /* of the time that is measured */

/*
 * What the lanes share, in memory that all processes map. Processes open one after the other: SoftHSM
 * writes its token at every login, in place, and fails (0x5, 0x102) when several do so at once.
 */
struct track {
	pthread_barrier_t start;
	pthread_mutex_t opening;
	double rate[LANES_MAX];
	bool failed[LANES_MAX];
};

struct runner {
	const struct lane_plan *plan;
	struct track *track;
	unsigned number;
	bool opened;
};

double
lane_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

unsigned long
lane_random(struct lane *l, unsigned long n)
{
	l->random = l->random * 6364136223846793005u + 1442695040888963407u;
	return (unsigned long)(l->random >> 33) % n;
}

/* Steps until the time is over, at least one batch; false at the first step that fails. */
static bool
run_for(const struct lane_work *w, struct lane *l, double seconds, double *rate)
{
	double start = lane_now(), now;
	unsigned long before = l->done;

	do {
		for (unsigned i = 0; i < w->batch; i++, l->done++) {
			if (!w->step(l))
				return false;
		}
		now = lane_now();
	} while (now - start < seconds);
	*rate = (double)(l->done - before) * w->scale / (now - start);
	return true;
}

/* A lane that failed meets the others at the barrier all the same: they wait for it. */
static void *
run_lane(void *arg)
{
	struct runner *r = arg;
	const struct lane_work *w = r->plan->work;
	struct lane l = {.random = r->number + 1};
	double unused;
	bool ok = r->opened && w->begin(&l) && run_for(w, &l, r->plan->seconds * WARM_UP, &unused);

	pthread_barrier_wait(&r->track->start);
	if (ok)
		ok = run_for(w, &l, r->plan->seconds, &r->track->rate[r->number]);
	r->track->failed[r->number] = !ok;
	/* What the end takes (destroying what was made) must not slow lanes that still run. */
	pthread_barrier_wait(&r->track->start);
	if (r->opened)
		w->end(&l);
	return NULL;
}

static void
run_process(const struct lane_plan *p, struct track *t, unsigned process)
{
	struct runner r[LANES_MAX];
	pthread_t thread[LANES_MAX];
	bool opened;

	pthread_mutex_lock(&t->opening);
	opened = p->open == NULL || p->open(p->work);
	pthread_mutex_unlock(&t->opening);
	for (unsigned i = 0; i < p->threads; i++) {
		r[i] = (struct runner){p, t, process * p->threads + i, opened};
		if (pthread_create(&thread[i], NULL, run_lane, &r[i]) != 0) {
			perror("pthread_create");
			exit(1);
		}
	}
	for (unsigned i = 0; i < p->threads; i++)
		pthread_join(thread[i], NULL);
	if (p->close != NULL)
		p->close();
}

static bool
run_all(const struct lane_plan *p, struct track *t)
{
	bool ok = true;
	int status;

	if (p->processes == 1) {
		run_process(p, t, 0);
		return true;
	}
	for (unsigned i = 0; i < p->processes; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			run_process(p, t, i);
			exit(0);
		}
		if (pid < 0) {
			perror("fork");
			exit(1);
		}
	}
	while (wait(&status) > 0)
		ok = ok && status == 0;
	return ok;
}

bool
lane_rate(const struct lane_plan *p, double *rate)
{
	unsigned lanes = p->processes * p->threads;
	pthread_barrierattr_t shared;
	struct track *t;
	pthread_mutexattr_t shared_too;
	bool ok;

	if (lanes == 0 || lanes > LANES_MAX) {
		fprintf(stderr, "processes times threads must be 1 to %d\n", LANES_MAX);
		return false;
	}
	t = mmap(NULL, sizeof(*t), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (t == MAP_FAILED) {
		perror("mmap");
		return false;
	}
	pthread_barrierattr_init(&shared);
	pthread_barrierattr_setpshared(&shared, PTHREAD_PROCESS_SHARED);
	pthread_barrier_init(&t->start, &shared, lanes);
	pthread_mutexattr_init(&shared_too);
	pthread_mutexattr_setpshared(&shared_too, PTHREAD_PROCESS_SHARED);
	pthread_mutex_init(&t->opening, &shared_too);
	ok = run_all(p, t);
	*rate = 0;
	for (unsigned i = 0; i < lanes; i++) {
		ok = ok && !t->failed[i];
		*rate += t->rate[i];
	}
	munmap(t, sizeof(*t));
	return ok;
}
