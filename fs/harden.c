#include "harden.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <sched.h>
#include <seccomp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "../store/secret.h"
#include "log.h"

/* A sanitizer needs to trace itself, to write reports and to run its symbolizer. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

#define REPORT sizeof(((struct harden_report *)0)->seccomp)
static const char sanitized[] = "off: built with a sanitizer";

static void __attribute__((format(printf, 3, 4)))
failed(char *report, const char *what, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(report, REPORT, fmt, ap);
	va_end(ap);
	log_at(WHY_WARNING, "hardening: %s: %s", what, report);
}

static void
done(char *report)
{
	strcpy(report, "on");
}

void
harden_limits(struct harden_report *r)
{
	const struct rlimit none = {0, 0};

	if (setrlimit(RLIMIT_CORE, &none) == 0)
		done(r->core);
	else
		failed(r->core, "no core files", "off: %s", strerror(errno));
	if (SANITIZED)
		failed(r->dumpable, "not dumpable", "%s", sanitized);
	else if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0)
		done(r->dumpable);
	else
		failed(r->dumpable, "not dumpable", "off: %s", strerror(errno));
}

void
harden_memory(struct harden_report *r)
{
	struct secret_report s;

	secret_report(&s);
	if (s.plain > 0)
		failed(r->memory, "locked memory", "partly not locked (%zu bytes): raise RLIMIT_MEMLOCK", s.plain);
	else
		snprintf(r->memory, REPORT, "on: %s", s.locked == 0 ? "memfd_secret" : "mlock");
}

/* ---- Landlock ---- */

/* Numbers of the kernel's ABI, of which the headers of Debian 12 know the first two versions. */
struct ruleset {
	uint64_t fs, net, scoped;
};
struct path_rule {
	uint64_t allowed;
	int32_t parent_fd;
} __attribute__((packed));
#define RULE_PATH_BENEATH 1
#define CREATE_RULESET_VERSION 1u
enum {
	LL_EXECUTE = 1 << 0,
	LL_WRITE_FILE = 1 << 1,
	LL_READ_FILE = 1 << 2,
	LL_READ_DIR = 1 << 3,
	LL_REMOVE_DIR = 1 << 4,
	LL_REMOVE_FILE = 1 << 5,
	LL_MAKE_DIR = 1 << 7,
	LL_MAKE_REG = 1 << 8,
	LL_ALL_1 = (1 << 13) - 1,
	LL_REFER = 1 << 13,    /* ABI 2 */
	LL_TRUNCATE = 1 << 14, /* ABI 3 */
	LL_IOCTL_DEV = 1 << 15 /* ABI 5 */
};
#define LL_READ (LL_READ_FILE | LL_READ_DIR)
#define LL_FILES                                                                                                     \
	(LL_READ | LL_WRITE_FILE | LL_REMOVE_DIR | LL_REMOVE_FILE | LL_MAKE_DIR | LL_MAKE_REG | LL_REFER | LL_TRUNCATE)
#define LL_FILE_ONLY (LL_READ_FILE | LL_WRITE_FILE | LL_TRUNCATE)

static struct ruleset
ruleset_of(int abi)
{
	struct ruleset s = {.fs = LL_ALL_1};

	if (abi >= 2)
		s.fs |= LL_REFER;
	if (abi >= 3)
		s.fs |= LL_TRUNCATE;
	if (abi >= 4)
		s.net = 3; /* bind and connect by TCP */
	if (abi >= 5)
		s.fs |= LL_IOCTL_DEV;
	if (abi >= 6)
		s.scoped = 2; /* no signals to processes outside */
	return s;
}

/* What is not there needs no rule. */
static bool
allow(int ruleset, const struct ruleset *handled, const char *path, uint64_t rights)
{
	struct path_rule rule = {.allowed = rights & handled->fs};
	struct stat st;
	bool ok = true;

	rule.parent_fd = open(path, O_PATH | O_CLOEXEC);
	if (rule.parent_fd < 0)
		return errno == ENOENT;
	if (fstat(rule.parent_fd, &st) == 0 && !S_ISDIR(st.st_mode))
		rule.allowed &= LL_FILE_ONLY;
	ok = syscall(SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &rule, 0) == 0;
	close(rule.parent_fd);
	return ok;
}

static bool
allow_all(int ruleset, const struct ruleset *handled, const struct conf *conf)
{
	/* Times in logs, processors and memory, callers, randomness, the system log. */
	static const char *const readable[] = {"/proc", "/etc/localtime", "/usr/share/zoneinfo",
		"/sys/devices/system/cpu", "/dev/urandom", "/dev/null"};
	char key_dir[PATH_MAX];
	bool ok;

	snprintf(key_dir, sizeof(key_dir), "%s", conf->key_file);
	ok = allow(ruleset, handled, conf->vault, LL_FILES) && allow(ruleset, handled, conf->state, LL_FILES) &&
		allow(ruleset, handled, dirname(key_dir), LL_READ) && allow(ruleset, handled, "/dev/null", LL_FILE_ONLY) &&
		allow(ruleset, handled, "/dev/log", LL_FILE_ONLY);
	for (size_t i = 0; ok && i < sizeof(readable) / sizeof(readable[0]); i++)
		ok = allow(ruleset, handled, readable[i], LL_READ);
	return ok;
}

static void
landlock(const struct conf *conf, struct harden_report *r)
{
	int abi = (int)syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_RULESET_VERSION);
	struct ruleset handled;
	size_t size;
	int fd;

	if (abi < 1) {
		failed(r->landlock, "Landlock", "off: this kernel has none (%s)", strerror(errno));
		return;
	}
	handled = ruleset_of(abi);
	size = abi < 4 ? sizeof(uint64_t) : abi < 6 ? 2 * sizeof(uint64_t) : sizeof(handled);
	fd = (int)syscall(SYS_landlock_create_ruleset, &handled, size, 0);
	if (fd < 0 || !allow_all(fd, &handled, conf) || syscall(SYS_landlock_restrict_self, fd, 0) != 0)
		failed(r->landlock, "Landlock", "off: %s", strerror(errno));
	else
		snprintf(r->landlock, REPORT, "on (ABI %d)", abi);
	if (fd >= 0)
		close(fd);
}

/* ---- seccomp ---- */

/* What serving needs, by name: a name that the library or the architecture lacks is passed over. */
static const char *const allowed[] = {
	/* files */
	"read", "write", "readv", "writev", "pread64", "pwrite64", "preadv", "pwritev", "open", "openat", "openat2",
	"close", "close_range", "stat", "lstat", "fstat", "newfstatat", "fstatat64", "statx", "statfs", "fstatfs",
	"statfs64", "fstatfs64", "lseek", "_llseek", "access", "faccessat", "faccessat2", "readlink", "readlinkat",
	"getdents64", "getcwd", "fsync", "fdatasync", "syncfs", "sync_file_range", "truncate", "ftruncate",
	"fallocate", "fadvise64", "rename", "renameat", "renameat2", "link", "linkat", "unlink", "unlinkat", "mkdir",
	"mkdirat", "rmdir", "chmod", "fchmod", "fchmodat", "fchmodat2", "fchown", "fchownat", "utimensat", "flock",
	"fcntl", "fcntl64", "dup", "dup2", "dup3", "pipe2", "umask", "copy_file_range", "fgetxattr",
	/* memory */
	"brk", "mmap", "mmap2", "munmap", "mremap", "mprotect", "madvise", "mlock", "mlock2", "munlock",
	"memfd_secret", "memfd_create", "membarrier", "mincore",
	/* threads and time */
	"futex", "futex_waitv", "set_robust_list", "get_robust_list", "rseq", "set_tid_address", "gettid", "getpid",
	"getppid", "sched_yield", "sched_getaffinity", "sched_getparam", "sched_getscheduler", "exit", "exit_group",
	"nanosleep", "clock_nanosleep", "clock_gettime", "clock_getres", "gettimeofday", "time", "restart_syscall",
	"getcpu", "tgkill", "timer_create", "timer_settime", "timer_delete",
	/* signals and waiting */
	"rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "rt_sigtimedwait", "rt_sigpending", "sigaltstack", "poll",
	"ppoll", "select", "pselect6", "epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait", "eventfd2",
	/* what the process is */
	"getrandom", "getuid", "geteuid", "getgid", "getegid", "getresuid", "getresgid", "getgroups", "uname",
	"sysinfo", "getrlimit", "prlimit64", "getrusage", "times", "getsid", "getpgrp", "capget",
	/* the system log */
	"connect", "sendto", "sendmsg", "getsockopt", "getsockname", "getpeername", "shutdown",
	/* FS_IOC_*, and descriptors that are open already */
	"ioctl",
};

static int
add_rules(scmp_filter_ctx f)
{
	const struct scmp_arg_cmp unix_only = SCMP_A0(SCMP_CMP_EQ, AF_UNIX);
	const struct scmp_arg_cmp a_thread = SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD);
	const int names[] = {PR_SET_NAME, PR_GET_NAME, PR_GET_DUMPABLE, PR_GET_NO_NEW_PRIVS, PR_GET_SECCOMP,
		0x53564d41 /* PR_SET_VMA, by which newer C libraries name their memory */};
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < sizeof(allowed) / sizeof(allowed[0]); i++) {
		int nr = seccomp_syscall_resolve_name(allowed[i]);

		if (nr != __NR_SCMP_ERROR)
			rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, nr, 0);
	}
	if (rc == 0)
		rc = seccomp_rule_add_array(f, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1, &unix_only);
	if (rc == 0)
		rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(clone3), 0); /* refuse_clone3 judges */
	if (rc == 0)
		rc = seccomp_rule_add_array(f, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1, &a_thread);
	for (size_t i = 0; rc == 0 && i < sizeof(names) / sizeof(names[0]); i++) {
		const struct scmp_arg_cmp arg = SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)names[i]);

		rc = seccomp_rule_add_array(f, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 1, &arg);
	}
	return rc;
}

/* clone3 hides its flags from a filter; without it the C library uses clone. A filter of its own, because
 * the main one logs what it refuses, and this is tried for every thread. */
static int
refuse_clone3(void)
{
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_ALLOW);
	int rc = f == NULL ? -ENOMEM : seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);

	if (rc == 0)
		rc = seccomp_load(f);
	if (f != NULL)
		seccomp_release(f);
	return rc;
}

static void
seccomp(struct harden_report *r)
{
	/* Refused calls get EPERM and a line in the kernel's log: a library's harmless probe must not end
	 * the daemon and with it everybody's session. */
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int rc = f == NULL ? -ENOMEM : 0;

	if (rc == 0) {
		seccomp_attr_set(f, SCMP_FLTATR_CTL_LOG, 1);
		seccomp_attr_set(f, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a binary search, not a list */
		rc = add_rules(f);
	}
	if (rc == 0)
		rc = refuse_clone3();
	if (rc == 0)
		rc = seccomp_load(f);
	if (rc == 0)
		done(r->seccomp);
	else
		failed(r->seccomp, "seccomp", "off: %s", strerror(-rc));
	if (f != NULL)
		seccomp_release(f);
}

/* What would be opened or loaded later, when it may not be. */
static void
prepare(const struct conf *conf)
{
	/* pthread_cancel, by which FUSE's threads are ended, loads this library at its first use. */
	if (dlopen("libgcc_s.so.1", RTLD_NOW) == NULL)
		log_at(WHY_DEBUG, "libgcc_s: %s", dlerror());
	tzset();
	/* A large sort of SQLite spills here and not to /var/tmp. */
	setenv("SQLITE_TMPDIR", conf->state, 1);
}

void
harden_sandbox(const struct conf *conf, struct harden_report *r)
{
	prepare(conf);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0)
		done(r->no_new_privs);
	else
		failed(r->no_new_privs, "no_new_privs", "off: %s", strerror(errno));
	if (SANITIZED) {
		failed(r->landlock, "Landlock", "%s", sanitized);
		failed(r->seccomp, "seccomp", "%s", sanitized);
		return;
	}
	landlock(conf, r);
	seccomp(r);
}
