#include "export.h"
#include "module.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "start.h"
#include "text.h"
#include "wake.h"

/* Without a daemon there is nothing to wait for but that a look finds one. */
#define LOOK_PAUSE_MS 200
/* How long C_Finalize waits for the threads that it wakes: they have no more to do than to go. */
#define LEAVE_MAX 2 /* seconds */

struct module {
	atomic_uint refs;
	uint64_t id;
	struct conf conf;
	CK_C_INITIALIZE_ARGS args; /* the application's mutexes, or nothing */
	struct lock lock;          /* held while a connection is made */
	_Atomic(struct channel *) channel;
	atomic_bool showed_spare;
	/* guarded by gate */
	struct wake wake;
	unsigned waiting; /* threads in module_wait */
};

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER; /* guards the three below */
static pthread_cond_t left = PTHREAD_COND_INITIALIZER;   /* with gate: a thread left module_wait */
static struct module *current;
static uint64_t instances;
static bool fork_watched;

struct module *
module_get(void)
{
	struct module *m;

	pthread_mutex_lock(&gate);
	m = current;
	if (m != NULL)
		atomic_fetch_add(&m->refs, 1);
	pthread_mutex_unlock(&gate);
	return m;
}

static void
module_free(struct module *m)
{
	channel_close(atomic_load(&m->channel));
	wake_close(&m->wake);
	conf_free(&m->conf);
	lock_free(&m->lock);
	free(m);
}

void
module_put(struct module *m)
{
	if (m != NULL && atomic_fetch_sub(&m->refs, 1) == 1)
		module_free(m);
}

const struct conf *
module_conf(const struct module *m)
{
	return &m->conf;
}

uint64_t
module_id(const struct module *m)
{
	return m->id;
}

CK_RV
module_channel(struct module *m, enum module_reach reach, struct channel **c)
{
	struct channel *made = NULL;
	CK_RV rv = CKR_OK;

	*c = atomic_load(&m->channel);
	if (*c != NULL)
		return CKR_OK;
	if (reach == REACH_SESSION)
		return CKR_SESSION_HANDLE_INVALID;
	lock_take(&m->lock);
	*c = atomic_load(&m->channel);
	if (*c == NULL) {
		rv = channel_open(&made, m->conf.mount, &m->args);
		if (rv == CKR_TOKEN_NOT_PRESENT && reach != REACH_RUNNING)
			rv = start_channel(&made, &m->conf, reach == REACH_MAKE, &m->args);
		if (rv == CKR_OK) {
			atomic_store(&m->channel, made);
			*c = made;
		}
	}
	lock_give(&m->lock);
	return rv;
}

/* ---- waiting ---- */

CK_RV
module_wait(uint64_t id)
{
	CK_RV rv = CKR_CRYPTOKI_NOT_INITIALIZED;
	struct channel *c;
	struct module *m;
	int wake;
	bool last;

	pthread_mutex_lock(&gate);
	m = current;
	if (m == NULL || m->id != id) {
		pthread_mutex_unlock(&gate);
		return rv;
	}
	wake = wake_open(&m->wake) == CKR_OK ? m->wake.fd[0] : -1;
	m->waiting++;
	atomic_fetch_add(&m->refs, 1);
	pthread_mutex_unlock(&gate);
	c = atomic_load(&m->channel);
	/* Without a pipe C_Finalize cannot wake us: then we look now and then. */
	if (!channel_wait(c, wake, c != NULL && wake >= 0 ? -1 : LOOK_PAUSE_MS))
		channel_wait(NULL, wake, 1); /* the next call says that the daemon is gone */
	pthread_mutex_lock(&gate);
	if (current == m)
		rv = CKR_OK;
	m->waiting--;
	last = atomic_fetch_sub(&m->refs, 1) == 1;
	pthread_cond_broadcast(&left);
	pthread_mutex_unlock(&gate);
	if (last)
		module_free(m);
	return rv;
}

void
module_showed_spare(struct module *m)
{
	atomic_store(&m->showed_spare, true);
}

bool
module_was_spare(struct module *m)
{
	return atomic_exchange(&m->showed_spare, false);
}

/* With the gate held: when this returns no thread holds on to the instance because it waits, so that the connection
 * ends with C_Finalize and not some time after it. */
static void
wake_all(struct module *m)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += LEAVE_MAX;
	wake_ring(&m->wake);
	while (m->waiting > 0 && pthread_cond_timedwait(&left, &gate, &until) == 0)
		;
}

/* In the child of a fork. Other threads are gone with whatever they held; their references to the
 * instance stay, so that it may be left over. PKCS#11 3.1 5.4.1: the child starts as if nothing was
 * initialised. */
static void
forked(void)
{
	struct module *m = current;
	struct channel *c;

	pthread_mutex_init(&gate, NULL);
	pthread_cond_init(&left, NULL);
	current = NULL;
	if (m == NULL)
		return;
	wake_close(&m->wake);
	lock_forget(&m->lock);
	c = atomic_load(&m->channel);
	if (c != NULL)
		channel_forget(c);
	module_put(m);
}

static CK_RV
check_args(const CK_C_INITIALIZE_ARGS *args)
{
	int given;

	if (args == NULL)
		return CKR_OK;
	if (args->pReserved != NULL)
		return CKR_ARGUMENTS_BAD;
	given = (args->CreateMutex != NULL) + (args->DestroyMutex != NULL) +
		(args->LockMutex != NULL) + (args->UnlockMutex != NULL);
	return given == 0 || given == 4 ? CKR_OK : CKR_ARGUMENTS_BAD;
}

static CK_RV
module_new(struct module **out, const CK_C_INITIALIZE_ARGS *args)
{
	struct module *m = calloc(1, sizeof(*m));
	char why[256];
	CK_RV rv;

	if (m == NULL)
		return CKR_HOST_MEMORY;
	/* the application's mutexes are for those who may not use the system's */
	if (args != NULL && args->CreateMutex != NULL && !(args->flags & CKF_OS_LOCKING_OK))
		m->args = *args;
	rv = lock_init(&m->lock, &m->args);
	if (rv != CKR_OK) {
		free(m);
		return rv;
	}
	if (!conf_load(&m->conf, NULL, why, sizeof(why))) {
		module_free(m);
		return CKR_GENERAL_ERROR;
	}
	m->refs = 1;
	*out = m;
	return CKR_OK;
}

CK_RV
C_Initialize(CK_VOID_PTR init_args)
{
	const CK_C_INITIALIZE_ARGS *args = init_args;
	CK_RV rv = check_args(args);

	if (rv != CKR_OK)
		return rv;
	pthread_mutex_lock(&gate);
	if (current != NULL)
		rv = CKR_CRYPTOKI_ALREADY_INITIALIZED;
	else
		rv = module_new(&current, args);
	if (rv == CKR_OK) {
		current->id = ++instances;
		if (!fork_watched)
			fork_watched = pthread_atfork(NULL, NULL, forked) == 0;
	}
	pthread_mutex_unlock(&gate);
	return rv;
}

CK_RV
C_Finalize(CK_VOID_PTR reserved)
{
	struct module *m;

	if (reserved != NULL)
		return CKR_ARGUMENTS_BAD;
	pthread_mutex_lock(&gate);
	m = current;
	current = NULL;
	if (m != NULL)
		wake_all(m);
	pthread_mutex_unlock(&gate);
	if (m == NULL)
		return CKR_CRYPTOKI_NOT_INITIALIZED;
	module_put(m);
	return CKR_OK;
}

CK_RV
C_GetInfo(CK_INFO *info)
{
	struct module *m = module_get();

	if (m == NULL)
		return CKR_CRYPTOKI_NOT_INITIALIZED;
	module_put(m);
	if (info == NULL)
		return CKR_ARGUMENTS_BAD;
	memset(info, 0, sizeof(*info));
	info->cryptokiVersion.major = 2;
	info->cryptokiVersion.minor = 40;
	text_pad(info->manufacturerID, sizeof(info->manufacturerID), "tokenfs", 7);
	text_pad(info->libraryDescription, sizeof(info->libraryDescription),
		"tokenfs PKCS#11 tokens", 22);
	info->libraryVersion = text_version();
	return CKR_OK;
}
