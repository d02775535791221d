#include "watch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"
#include "unlock.h"
#include "../store/why.h"

static struct {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t stop;
	bool running, stopping;
	struct daemon *daemon;
} watch = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void
mix(uint64_t *sum, int dir, const char *name)
{
	struct stat st;
	uint64_t parts[3] = {0};

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		parts[0] = st.st_ino;
		parts[1] = (uint64_t)st.st_mtim.tv_sec;
		parts[2] = (uint64_t)st.st_mtim.tv_nsec;
	}
	/* FNV-1a over words: a difference is wanted, not a secret. */
	for (int i = 0; i < 3; i++)
		*sum = (*sum ^ parts[i]) * 0x100000001b3ULL;
}

/* A number that changes when the tree of directories does. 0: not readable now. */
static uint64_t
signature(const char *vault)
{
	uint64_t sum = 0xcbf29ce484222325ULL, whole = 0;
	DIR *dir = opendir(vault);
	struct dirent *e;
	char log[300];

	if (dir == NULL)
		return 0;
	mix(&sum, dirfd(dir), ".");
	while ((e = readdir(dir)) != NULL) {
		uint64_t one = 0xcbf29ce484222325ULL;

		if (e->d_name[0] == '.' || e->d_type != DT_DIR)
			continue;
		mix(&one, dirfd(dir), e->d_name);
		snprintf(log, sizeof(log), "%s/1-log", e->d_name);
		mix(&one, dirfd(dir), log);
		whole += one; /* in whatever order they are listed */
	}
	closedir(dir);
	return (sum ^ whole) | 1;
}

static void
look(struct daemon *d, uint64_t *known, uint64_t *last)
{
	uint64_t seen = signature(d->conf->vault);

	if (seen != 0 && seen != *known && seen == *last) {
		if (vault_reload(d->vault) != CKR_OK)
			log_at(WHY_WARNING, "the vault has changed and does not read: %s", why_text());
		/* What reloading changed itself is no news. */
		*known = signature(d->conf->vault);
	}
	*last = seen;
}

static void *
watcher(void *arg)
{
	struct daemon *d = arg;
	uint64_t known = signature(d->conf->vault), last = known;

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
		look(d, &known, &last);
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
	watch.daemon = d;
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
