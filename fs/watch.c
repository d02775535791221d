#include "watch.h"

#include <errno.h>
#include <signal.h>

#include "unlock.h"

static struct {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t stop;
	bool running, stopping;
} watch = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void *
watcher(void *arg)
{
	struct daemon *d = arg;

	pthread_mutex_lock(&watch.lock);
	while (!watch.stopping) {
		struct timespec t;

		clock_gettime(CLOCK_MONOTONIC, &t);
		t.tv_sec++;
		if (pthread_cond_timedwait(&watch.stop, &watch.lock, &t) != ETIMEDOUT)
			continue;
		pthread_mutex_unlock(&watch.lock);
		unlock_expire(d);
		vault_tick(d->vault);
		daemon_heed_slots(d);
		pthread_mutex_lock(&watch.lock);
	}
	pthread_mutex_unlock(&watch.lock);
	return NULL;
}

bool
watch_start(struct daemon *d)
{
	pthread_condattr_t attr;
	sigset_t all, old;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&watch.stop, &attr);
	pthread_condattr_destroy(&attr);
	watch.stopping = false;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	watch.running = pthread_create(&watch.thread, NULL, watcher, d) == 0;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return watch.running;
}

void
watch_stop(void)
{
	if (!watch.running)
		return;
	pthread_mutex_lock(&watch.lock);
	watch.stopping = true;
	pthread_cond_signal(&watch.stop);
	pthread_mutex_unlock(&watch.lock);
	pthread_join(watch.thread, NULL);
	pthread_cond_destroy(&watch.stop);
	watch.running = false;
}
