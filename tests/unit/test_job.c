/*
 * test_job.c - the pool: every waiter is given out once, heavy work leaves a thread free
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "fs/job.h"
#include "unit.h"

struct work {
	struct job job;
	struct jobs *pool;
	atomic_bool go, began, ended;
	void *answered;
};

static atomic_int given; /* waiters that jobs_take or jobs_detach gave out */

static void
run(struct job *j)
{
	struct work *w = (struct work *)j;

	atomic_store(&w->began, true);
	while (!atomic_load(&w->go))
		usleep(200);
}

static void
end(struct job *j)
{
	struct work *w = (struct work *)j;

	w->answered = jobs_take(w->pool, j);
	if (w->answered != NULL)
		atomic_fetch_add(&given, 1);
	atomic_store(&w->ended, true);
}

static void
init(struct work *w, struct jobs *pool, bool heavy)
{
	*w = (struct work){.job = {.run = run, .end = end, .heavy = heavy}, .pool = pool};
}

static bool
await(atomic_bool *flag)
{
	for (int i = 0; i < 20000 && !atomic_load(flag); i++)
		usleep(200);
	return atomic_load(flag);
}

static bool gone_now;

static bool
gone(void *waiter)
{
	(void)waiter;
	return gone_now;
}

static void
test_waiter_is_answered(void)
{
	struct jobs *pool = jobs_start(2, gone);
	struct work w;
	int waiter;

	init(&w, pool, false);
	atomic_store(&w.go, true);
	CHECK(jobs_add(pool, &w.job, &waiter) == JOB_WAITING);
	CHECK(await(&w.ended));
	CHECK(w.answered == &waiter);
	CHECK(!jobs_detach(pool, &waiter));
	jobs_stop(pool);
}

static void
test_interrupted_waiter_detaches_and_another_attaches(void)
{
	struct jobs *pool = jobs_start(2, gone);
	struct work w;
	int first, second, third;

	init(&w, pool, false);
	CHECK(jobs_add(pool, &w.job, &first) == JOB_WAITING);
	CHECK(await(&w.began));
	CHECK(jobs_attach(pool, &w.job, &second) == JOB_BUSY);
	CHECK(!jobs_detach(pool, &second));
	CHECK(jobs_detach(pool, &first));
	CHECK(!jobs_detach(pool, &first));
	gone_now = true;
	CHECK(jobs_attach(pool, &w.job, &second) == JOB_INTERRUPTED);
	gone_now = false;
	CHECK(jobs_attach(pool, &w.job, &third) == JOB_WAITING);
	atomic_store(&w.go, true);
	CHECK(await(&w.ended));
	CHECK(w.answered == &third);
	jobs_stop(pool);
}

static void
test_interrupt_before_start_lets_the_work_go_on(void)
{
	struct jobs *pool = jobs_start(2, gone);
	struct work w;
	int waiter;

	init(&w, pool, false);
	atomic_store(&w.go, true);
	gone_now = true;
	CHECK(jobs_add(pool, &w.job, &waiter) == JOB_INTERRUPTED);
	gone_now = false;
	CHECK(await(&w.ended));
	CHECK(w.answered == NULL);
	jobs_stop(pool);
}

static void
test_heavy_work_leaves_a_thread(void)
{
	struct jobs *pool = jobs_start(3, gone);
	struct work heavy[4], light;

	for (int i = 0; i < 4; i++) {
		init(&heavy[i], pool, true);
		jobs_add(pool, &heavy[i].job, &heavy[i]);
	}
	init(&light, pool, false);
	atomic_store(&light.go, true);
	jobs_add(pool, &light.job, &light);
	CHECK(await(&light.ended));
	CHECK(await(&heavy[0].began) && await(&heavy[1].began));
	CHECK(!atomic_load(&heavy[2].began) && !atomic_load(&heavy[3].began));
	/* One waits in the queue: its waiter can go as well. */
	CHECK(jobs_detach(pool, &heavy[3]));
	for (int i = 0; i < 4; i++)
		atomic_store(&heavy[i].go, true);
	for (int i = 0; i < 4; i++)
		CHECK(await(&heavy[i].ended));
	CHECK(heavy[2].answered == &heavy[2] && heavy[3].answered == NULL);
	jobs_stop(pool);
}

static void
test_lane_runs_one_job_and_leaves_the_threads(void)
{
	struct jobs *pool = jobs_start(3, gone);
	struct work lane[6], other, elsewhere;

	for (int i = 0; i < 6; i++) {
		init(&lane[i], pool, false);
		lane[i].job.lane_of = pool;
		lane[i].job.lane = 7;
		jobs_add(pool, &lane[i].job, &lane[i]);
	}
	init(&other, pool, false);
	other.job.lane_of = pool;
	other.job.lane = 8;
	init(&elsewhere, pool, false);
	atomic_store(&other.go, true);
	atomic_store(&elsewhere.go, true);
	jobs_add(pool, &other.job, &other);
	jobs_add(pool, &elsewhere.job, &elsewhere);
	CHECK(await(&other.ended) && await(&elsewhere.ended));
	CHECK(await(&lane[0].began) && !atomic_load(&lane[1].began));
	for (int i = 0; i < 6; i++) {
		CHECK(await(&lane[i].began));
		CHECK(i == 5 || !atomic_load(&lane[i + 1].began));
		atomic_store(&lane[i].go, true);
		CHECK(await(&lane[i].ended));
	}
	jobs_stop(pool);
}

static void
test_patient_waiter_is_answered_with_the_result(void)
{
	struct jobs *pool = jobs_start(2, gone);
	struct work w;
	int waiter;

	init(&w, pool, false);
	w.job.patient = true;
	gone_now = true;
	CHECK(jobs_add(pool, &w.job, &waiter) == JOB_WAITING);
	gone_now = false;
	CHECK(await(&w.began));
	CHECK(!jobs_detach(pool, &waiter));
	atomic_store(&w.go, true);
	CHECK(await(&w.ended));
	CHECK(w.answered == &waiter);
	jobs_stop(pool);
}

static void
test_stop_runs_what_is_queued(void)
{
	struct jobs *pool = jobs_start(2, gone);
	struct work w[20];

	for (int i = 0; i < 20; i++) {
		init(&w[i], pool, i % 2 == 0);
		w[i].job.lane_of = i % 3 == 0 ? pool : NULL;
		atomic_store(&w[i].go, true);
		jobs_add(pool, &w[i].job, &w[i]);
	}
	jobs_stop(pool);
	for (int i = 0; i < 20; i++)
		CHECK(atomic_load(&w[i].ended) && w[i].answered == &w[i]);
}

#define RACES 2000
static struct work race[RACES];

static void *
interrupter(void *pool)
{
	for (int i = 0; i < RACES; i++) {
		while (!atomic_load(&race[i].go))
			sched_yield();
		if (jobs_detach(pool, &race[i]))
			atomic_fetch_add(&given, 1);
	}
	return NULL;
}

/* Interrupts race with ends: each waiter is given out once, by one or the other. */
static void
test_interrupt_races_with_the_end(void)
{
	struct jobs *pool = jobs_start(3, gone);
	pthread_t t;

	for (int i = 0; i < RACES; i++)
		init(&race[i], pool, false);
	atomic_store(&given, 0);
	pthread_create(&t, NULL, interrupter, pool);
	for (int i = 0; i < RACES; i++) {
		jobs_add(pool, &race[i].job, &race[i]);
		atomic_store(&race[i].go, true);
	}
	pthread_join(t, NULL);
	jobs_stop(pool);
	CHECK(atomic_load(&given) == RACES);
}

int
main(void)
{
	test_waiter_is_answered();
	test_interrupted_waiter_detaches_and_another_attaches();
	test_interrupt_before_start_lets_the_work_go_on();
	test_heavy_work_leaves_a_thread();
	test_lane_runs_one_job_and_leaves_the_threads();
	test_patient_waiter_is_answered_with_the_result();
	test_stop_runs_what_is_queued();
	test_interrupt_races_with_the_end();
	return unit_done("test_job");
}
