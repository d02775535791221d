#include "job.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#define STACK (2u << 20)

struct jobs {
	pthread_mutex_t lock;
	pthread_cond_t more;
	bool (*gone)(void *waiter);
	struct job *queue, **tail; /* not yet begun, oldest first */
	struct job *running;
	unsigned heavy; /* heavy jobs that run */
	bool stopping;
	unsigned n_threads;
	pthread_t threads[];
};

static bool
lane_taken(const struct jobs *p, const struct job *j)
{
	const struct job *r = j->lane_of == NULL ? NULL : p->running;

	while (r != NULL && (r->lane_of != j->lane_of || r->lane != j->lane))
		r = r->next;
	return r != NULL;
}

/* The oldest job that may begin now. */
static struct job *
next_job(struct jobs *p)
{
	for (struct job **at = &p->queue; *at != NULL; at = &(*at)->next) {
		struct job *j = *at;

		if ((j->heavy && p->heavy + 1 >= p->n_threads) || lane_taken(p, j))
			continue;
		*at = j->next;
		if (p->tail == &j->next)
			p->tail = at;
		j->next = p->running;
		p->running = j;
		p->heavy += j->heavy;
		return j;
	}
	return NULL;
}

static void *
worker(void *arg)
{
	struct jobs *p = arg;

	pthread_mutex_lock(&p->lock);
	for (;;) {
		struct job *j = next_job(p);

		if (j != NULL) {
			bool heavy = j->heavy;

			pthread_mutex_unlock(&p->lock);
			j->run(j);
			j->end(j);
			pthread_mutex_lock(&p->lock);
			p->heavy -= heavy;
			/* Others may have waited for this one's place or lane. */
			if (p->queue != NULL)
				pthread_cond_broadcast(&p->more);
		} else if (p->stopping && p->queue == NULL) {
			break;
		} else {
			pthread_cond_wait(&p->more, &p->lock);
		}
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

static unsigned
start_threads(struct jobs *p, unsigned n)
{
	pthread_attr_t attr;
	sigset_t all, old;
	unsigned made = 0;

	/* Signals are the main thread's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK);
	while (made < n && (errno = pthread_create(&p->threads[made], &attr, worker, p)) == 0)
		made++;
	pthread_attr_destroy(&attr);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return made;
}

struct jobs *
jobs_start(unsigned threads, bool (*gone)(void *waiter))
{
	unsigned n = threads < 2 ? 2 : threads;
	struct jobs *p = calloc(1, sizeof(*p) + n * sizeof(p->threads[0]));

	if (p == NULL)
		return NULL;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->more, NULL);
	p->gone = gone;
	p->tail = &p->queue;
	/* The workers ask for n_threads under the lock, so they see the final number. */
	pthread_mutex_lock(&p->lock);
	p->n_threads = start_threads(p, n);
	pthread_mutex_unlock(&p->lock);
	if (p->n_threads < 2) {
		int e = errno;

		jobs_stop(p);
		errno = e;
		return NULL;
	}
	return p;
}

/* With the lock held. */
static enum job_added
enter_waiter(struct jobs *p, struct job *j, void *waiter)
{
	if (!j->patient && p->gone != NULL && p->gone(waiter))
		return JOB_INTERRUPTED;
	j->waiter = waiter;
	return JOB_WAITING;
}

enum job_added
jobs_add(struct jobs *p, struct job *j, void *waiter)
{
	enum job_added added;

	pthread_mutex_lock(&p->lock);
	j->waiter = NULL;
	j->next = NULL;
	added = enter_waiter(p, j, waiter);
	*p->tail = j;
	p->tail = &j->next;
	pthread_cond_signal(&p->more);
	pthread_mutex_unlock(&p->lock);
	return added;
}

enum job_added
jobs_attach(struct jobs *p, struct job *j, void *waiter)
{
	enum job_added added = JOB_BUSY;

	pthread_mutex_lock(&p->lock);
	if (j->waiter == NULL)
		added = enter_waiter(p, j, waiter);
	pthread_mutex_unlock(&p->lock);
	return added;
}

void *
jobs_take(struct jobs *p, struct job *j)
{
	void *waiter;

	pthread_mutex_lock(&p->lock);
	for (struct job **at = &p->running; *at != NULL; at = &(*at)->next) {
		if (*at == j) {
			*at = j->next;
			break;
		}
	}
	waiter = j->waiter;
	j->waiter = NULL;
	pthread_mutex_unlock(&p->lock);
	return waiter;
}

static bool
detach_in(struct job *list, const void *waiter)
{
	for (struct job *j = list; j != NULL; j = j->next) {
		if (j->waiter == waiter && !j->patient) {
			j->waiter = NULL;
			return true;
		}
	}
	return false;
}

bool
jobs_detach(struct jobs *p, const void *waiter)
{
	bool found;

	pthread_mutex_lock(&p->lock);
	found = detach_in(p->running, waiter) || detach_in(p->queue, waiter);
	pthread_mutex_unlock(&p->lock);
	return found;
}

void
jobs_stop(struct jobs *p)
{
	if (p == NULL)
		return;
	pthread_mutex_lock(&p->lock);
	p->stopping = true;
	pthread_cond_broadcast(&p->more);
	pthread_mutex_unlock(&p->lock);
	for (unsigned i = 0; i < p->n_threads; i++)
		pthread_join(p->threads[i], NULL);
	pthread_cond_destroy(&p->more);
	pthread_mutex_destroy(&p->lock);
	free(p);
}
