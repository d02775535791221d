#include "mount.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../store/secret.h"
#include "conn.h"
#include "harden.h"
#include "log.h"
#include "ops.h"
#include "pidfile.h"
#include "place.h"
#include "supervise.h"
#include "watch.h"

/* Handlers wait for the disk, and concurrent commits share one fdatasync: more threads than cores. */
#define SERVING_THREADS 16
#define END_MAX 10.0 /* seconds that mount_end waits */
/* Tells the daemon's image where to report that it is ready; set by the supervisor alone. */
#define READY_ENV "TOKENFS_READY_FD"
#define READY_FD 3
#define READY 'R'
#define FAILED 'E'

/* ---- the daemon ---- */

static void __attribute__((format(printf, 2, 3)))
report_failure(int ready, const char *fmt, ...)
{
	char text[1024] = {FAILED};
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text + 1, sizeof(text) - 1, fmt, ap);
	va_end(ap);
	log_at(WHY_ERROR, "cannot mount: %s", text + 1);
	if (write(ready, text, strlen(text)) < 0)
		log_at(WHY_WARNING, "nobody hears why: %s", strerror(errno));
}

#ifdef __SANITIZE_ADDRESS__
/* libfuse frees its copy of the mount point only when it unmounts itself. Called by the leak checker. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_options(void);

__attribute__((visibility("default"))) const char *
__lsan_default_suppressions(void)
{
	return "leak:fuse_session_mount\n";
}

__attribute__((visibility("default"))) const char *
__lsan_default_options(void)
{
	return "print_suppressions=0";
}
#endif

static struct fuse_session *
open_session(struct served *s, const char *mount)
{
	/* Never allow_other: who may enter is the kernel's decision, the owner alone. */
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	struct fuse_session *se = NULL;

	if (fuse_opt_add_arg(&args, "tokenfs") == 0 && fuse_opt_add_arg(&args, "-o") == 0 &&
		fuse_opt_add_arg(&args, "fsname=tokenfs,subtype=tokenfs,nosuid,nodev,noexec,noatime") == 0)
		se = fuse_session_new(&args, &ops_table, sizeof(ops_table), s);
	fuse_opt_free_args(&args);
	if (se == NULL)
		return NULL;
	if (fuse_session_mount(se, mount) != 0) {
		fuse_session_destroy(se);
		return NULL;
	}
	return se;
}

static int
loop(struct fuse_session *se)
{
	struct fuse_loop_config *config = fuse_loop_cfg_create();
	int rc;

	if (config == NULL)
		return -ENOMEM;
	/* The default of max_threads is misread by 3.14; threads that come and go cost milliseconds. */
	fuse_loop_cfg_set_max_threads(config, SERVING_THREADS);
	fuse_loop_cfg_set_idle_threads(config, SERVING_THREADS);
	fuse_loop_cfg_set_clone_fd(config, 0);
	rc = fuse_session_loop_mt(se, config);
	fuse_loop_cfg_destroy(config);
	return rc;
}

/* Everything between an open vault and a closed one. */
static int
serve(struct daemon *d, const char *mount, int ready)
{
	struct served s = {.daemon = d, .mounted = time(NULL), .lock = PTHREAD_MUTEX_INITIALIZER,
		.stream_bytes.max = CONNS_MAX_BYTES};
	static const int endings[] = {SIGHUP, SIGINT, SIGTERM};
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	int status = 1;

	s.session = open_session(&s, mount);
	if (s.session == NULL) {
		report_failure(ready, "%s: FUSE refuses to mount: is /dev/fuse there, and fuse3 installed?", mount);
		return 1;
	}
	d->on_lock = ops_wipe_locked;
	d->on_lock_arg = &s;
	atomic_store(&d->told_generation, vault_generation(d->vault));
	d->on_slots_arg = &s;
	d->on_slots = conn_tell_all;
	harden_sandbox(d->conf, &d->hardening);
	harden_memory(&d->hardening);
	/* One more than cores: the one that key generation cannot take. */
	s.jobs = jobs_start((unsigned)(cores < 1 ? 1 : cores) + 1, ops_gone);
	if (s.jobs == NULL || !watch_start(d) || fuse_set_signal_handlers(s.session) != 0) {
		report_failure(ready, "cannot start threads: %s", strerror(errno));
		goto out;
	}
	log_at(WHY_NOTICE, "%s is mounted at %s", d->conf->vault, mount);
	if (write(ready, &(char){READY}, 1) != 1)
		log_at(WHY_WARNING, "nobody waits for the mount any more");
	close(ready);
	status = loop(s.session) < 0;
	log_at(WHY_NOTICE, "%s: ending", mount);
	/* Told to end twice, the daemon still ends in order: a second signal must not find the default action. */
	for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++)
		signal(endings[i], SIG_IGN);
out:
	/* Requests that wait for a job are answered before /dev/fuse is closed; nobody unmounts here: the
	 * supervisor does. */
	conn_cancel_all(&s);
	jobs_stop(s.jobs);
	watch_stop();
	fuse_remove_signal_handlers(s.session);
	d->on_slots = NULL;
	fuse_session_destroy(s.session);
	conn_free_all(&s);
	d->on_lock = NULL;
	ops_free_all(&s);
	return status;
}

static int
daemon_main(const struct conf *conf, const char *mount, bool read_only, int ready)
{
	struct daemon *d = NULL;
	struct harden_report limits = {0};
	char err[512];
	int status = 1;
	CK_RV rv;

	umask(conf->umask | 077);
	/* Run through /proc/self/exe, it would be called "exe". */
	prctl(PR_SET_NAME, "tokenfs", 0, 0, 0);
	/* Frames of a mebibyte are common: give them no mapping of their own, whose pages would have to be
	 * made anew for each (1.1 ms a round trip, not 0.6). */
	mallopt(M_MMAP_THRESHOLD, 4 << 20);
	mallopt(M_TRIM_THRESHOLD, 8 << 20);
	fcntl(ready, F_SETFD, FD_CLOEXEC);
	if (!log_open(conf, err, sizeof(err))) {
		report_failure(ready, "%s", err);
		return 1;
	}
	harden_limits(&limits);
	rv = secret_start();
	if (rv == CKR_OK)
		rv = daemon_open(&d, conf, read_only);
	if (rv != CKR_OK) {
		report_failure(ready, "%s", *why_text() != '\0' ? why_text() : "the vault cannot be opened");
		goto out;
	}
	d->hardening = limits;
	pidfile_write(conf);
	status = chdir("/") == 0 ? serve(d, mount, ready) : 1;
	pidfile_remove(conf);
out:
	if (d != NULL)
		daemon_close(d);
	log_close();
	return status;
}

/* ---- starting it ---- */

struct start {
	int ready; /* the daemon's end */
};

static void
silence(void)
{
	int null = open("/dev/null", O_RDWR);

	for (int fd = 0; null >= 0 && fd <= 2; fd++)
		dup2(null, fd);
	if (null > 2)
		close(null);
}

/* Arguments as this process got them: the daemon's image reads configuration and options again. */
static char **
own_arguments(void)
{
	size_t cap = 128 * 1024, len = 0, n = 0;
	char *text = malloc(cap), **argv = NULL;
	int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
	ssize_t got;

	while (text != NULL && fd >= 0 && len < cap - 1 && (got = read(fd, text + len, cap - 1 - len)) > 0)
		len += (size_t)got;
	if (fd >= 0)
		close(fd);
	if (text == NULL || len == 0)
		return NULL;
	text[len] = '\0';
	argv = calloc(len + 1, sizeof(*argv));
	for (size_t i = 0; argv != NULL && i < len; i += strlen(text + i) + 1)
		argv[n++] = text + i;
	return argv;
}

/*
 * Runs in the forked child: becomes a fresh image of the same program, because locked memory does not
 * survive a fork, and because nothing of the caller (descriptors, memory) should be in the daemon.
 */
static int
exec_daemon(void *arg)
{
	struct start *s = arg;
	char **argv = own_arguments();
	char number[16];

	if (argv == NULL || dup2(s->ready, READY_FD) != READY_FD)
		return 1;
	if (s->ready == READY_FD)
		fcntl(READY_FD, F_SETFD, 0);
	syscall(SYS_close_range, READY_FD + 1, ~0U, 0);
	snprintf(number, sizeof(number), "%d", READY_FD);
	if (setenv(READY_ENV, number, 1) != 0)
		return 1;
	execv("/proc/self/exe", argv);
	report_failure(READY_FD, "cannot start the daemon: %s", strerror(errno));
	return 1;
}

/* Reads what the daemon says. True: it is ready. */
static bool
await_ready(int fd, char *err, size_t err_len)
{
	char text[1024];
	size_t len = 0;
	ssize_t n;

	do {
		n = read(fd, text + len, sizeof(text) - 1 - len);
		if (n > 0)
			len += (size_t)n;
	} while ((n > 0 && text[0] != READY && len < sizeof(text) - 1) || (n < 0 && errno == EINTR));
	if (len > 0 && text[0] == READY)
		return true;
	text[len] = '\0';
	if (len > 1)
		snprintf(err, err_len, "%s", text + 1);
	else
		snprintf(err, err_len, "the daemon ended before it was ready; its log may say why");
	return false;
}

static int
run_foreground(const char *mount, int pipe_fds[2], char *err, size_t err_len)
{
	struct start s = {.ready = pipe_fds[1]};
	int status = supervise(mount, pipe_fds[1], exec_daemon, &s);

	if (!await_ready(pipe_fds[0], err, err_len))
		return 1;
	if (status != 0)
		snprintf(err, err_len, "the daemon ended with status %d; its log may say why", status);
	return status != 0;
}

/* Whoever started us may wait for the end of a pipe that we inherited: only `ready` is kept. */
static int
supervise_detached(const char *mount, const struct conf *conf, struct start *s)
{
	char err[512];

	setsid();
	log_close();
	silence();
	if (s->ready > 3)
		syscall(SYS_close_range, 3, s->ready - 1, 0);
	syscall(SYS_close_range, s->ready + 1, ~0U, 0);
	if (!log_open(conf, err, sizeof(err)))
		return 1;
	return supervise(mount, s->ready, exec_daemon, s);
}

static int
run_background(const char *mount, const struct conf *conf, int pipe_fds[2], char *err, size_t err_len)
{
	struct start s = {.ready = pipe_fds[1]};
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid < 0) {
		snprintf(err, err_len, "cannot fork: %s", strerror(errno));
		close(pipe_fds[1]);
		return 1;
	}
	if (pid == 0)
		_exit(supervise_detached(mount, conf, &s));
	close(pipe_fds[1]);
	if (await_ready(pipe_fds[0], err, err_len))
		return 0;
	/* Not ready means ended; until its supervisor has cleaned up too. */
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return 1;
}

static int
start_daemon(const char *mount, const struct conf *conf, bool foreground, char *err, size_t err_len)
{
	int pipe_fds[2], code;

	if (!log_open(conf, err, err_len))
		return 1;
	if (pipe2(pipe_fds, O_CLOEXEC) != 0) {
		snprintf(err, err_len, "cannot make a pipe: %s", strerror(errno));
		return 1;
	}
	code = foreground ? run_foreground(mount, pipe_fds, err, err_len)
			  : run_background(mount, conf, pipe_fds, err, err_len);
	close(pipe_fds[0]);
	log_close();
	return code;
}

int
mount_run(const struct conf *conf, bool foreground, bool read_only, char *err, size_t err_len)
{
	const char *ready = secure_getenv(READY_ENV);
	char mount[PLACE_MAX];

	if (conf->vault[0] != '/' || conf->state[0] != '/' || conf->mount[0] != '/') {
		snprintf(err, err_len, "vault, state and mount must be absolute paths");
		return 1;
	}
	if (!place_path(conf->mount, mount, err, err_len))
		return 1;
	if (ready != NULL) {
		unsetenv(READY_ENV);
		exit(daemon_main(conf, mount, read_only, READY_FD));
	}
	if (place_look(mount) == MOUNT_LIVE) {
		snprintf(err, err_len, "already mounted");
		return 0;
	}
	if (!place_prepare(mount, err, err_len))
		return 1;
	return start_daemon(mount, conf, foreground, err, err_len);
}

enum mount_state
mount_look(const struct conf *conf)
{
	char mount[PLACE_MAX], err[128];

	return place_path(conf->mount, mount, err, sizeof(err)) ? place_look(mount) : MOUNT_NONE;
}

/* ---- ending it ---- */

static bool
still_there(const struct conf *conf, const char *mount, pid_t pid)
{
	return pidfile_read(conf) == pid || supervise_mounted(mount);
}

int
mount_end(const struct conf *conf, char *err, size_t err_len)
{
	const struct timespec nap = {.tv_nsec = 10 * 1000000};
	pid_t pid = pidfile_read(conf);
	char mount[PLACE_MAX];

	if (!place_path(conf->mount, mount, err, err_len))
		return 1;
	if (pid == 0) {
		if (supervise_unmount(mount))
			return 0;
		snprintf(err, err_len, "%s cannot be unmounted", mount);
		return 1;
	}
	if (kill(pid, SIGTERM) != 0 && errno != ESRCH) {
		snprintf(err, err_len, "cannot end the daemon (pid %d): %s", (int)pid, strerror(errno));
		return 1;
	}
	for (int i = 0; i < (int)(END_MAX * 100); i++) {
		if (!still_there(conf, mount, pid))
			return 0;
		nanosleep(&nap, NULL);
	}
	snprintf(err, err_len, "the daemon (pid %d) does not end", (int)pid);
	return 1;
}
