/*
 * test_secret.c - the arena: what it hands out is zero, apart, its own; what it takes back is wiped
 */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <openssl/ec.h>
#include <openssl/evp.h>

#include "store/secret.h"
#include "unit.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#define WITH_ASAN 1
#else
#define WITH_ASAN 0
#endif

static bool
all(const uint8_t *p, size_t n, uint8_t v)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] != v)
			return false;
	return true;
}

static void
test_alloc_every_size_is_zero_and_aligned(void)
{
	bool zero = true, aligned = true, roomy = true;

	for (int round = 0; round < 2; round++)
		for (size_t n = 0; n < 200000; n += 1 + n / 7) {
			uint8_t *p = secret_alloc(n);

			if (!p)
				break;
			zero &= all(p, n, 0);
			aligned &= (uintptr_t)p % 16 == 0;
			roomy &= secret_size(p) >= n && secret_size(p) < n + n / 2 + 4096;
			memset(p, 0xA5, n);
			secret_free(p);
		}
	CHECK(zero);
	CHECK(aligned);
	CHECK(roomy);
	CHECK(secret_alloc(SIZE_MAX) == NULL);
	CHECK(secret_alloc(SIZE_MAX - 8) == NULL);
	secret_free(NULL);
}

static void
test_free_wipes(void)
{
	uint8_t *p = secret_alloc(1000);
	size_t n = secret_size(p);

	memset(p, 0x5A, 1000);
	secret_free(p);
#if WITH_ASAN
	CHECK(__asan_address_is_poisoned(p));
	__asan_unpoison_memory_region(p, n);
#endif
	CHECK(all(p, n, 0)); /* blocks stay mapped */
#if WITH_ASAN
	__asan_poison_memory_region(p, n);
#endif
}

static void
test_realloc_keeps_and_wipes(void)
{
	uint8_t *p = secret_realloc(NULL, 40), *old, *q;

	memset(p, 0x11, 40);
	p = secret_realloc(p, 47);
	CHECK(all(p, 40, 0x11) && all(p + 40, 7, 0));
	old = p;
	q = secret_realloc(p, 5000);
	CHECK(q != old && all(q, 40, 0x11) && all(q + 47, 5000 - 47, 0));
#if !WITH_ASAN
	CHECK(all(old, 40, 0));
#endif
	q = secret_realloc(q, 300000);
	CHECK(q && all(q, 40, 0x11) && all(q + 47, 300000 - 47, 0));
	memset(q, 0x22, 300000);
	q = secret_realloc(q, 20);
	CHECK(all(q, 20, 0x22));
	memset(q, 0x33, 20);
	q = secret_realloc(q, 18);
	q = secret_realloc(q, 32);
	CHECK(all(q, 18, 0x33) && all(q + 18, 14, 0));
	CHECK(secret_realloc(q, 0) == NULL);
}

static void
test_report_counts(void)
{
	struct secret_report before, during, after;
	void *p[100];

	secret_report(&before);
	for (int i = 0; i < 100; i++)
		p[i] = secret_alloc((size_t)i * 2000);
	secret_report(&during);
	for (int i = 0; i < 100; i++)
		secret_free(p[i]);
	secret_report(&after);
	CHECK(during.used >= before.used + 9900000);
	CHECK(during.used < before.used + 15000000);
	CHECK(after.used == before.used);
	CHECK(during.memfd_secret + during.locked + during.plain >= during.used);
	/* large blocks go back to the kernel */
	CHECK(after.memfd_secret + after.locked + after.plain <
		during.memfd_secret + during.locked + during.plain);
	printf("  memfd_secret %zu locked %zu plain %zu used %zu\n", after.memfd_secret, after.locked,
		after.plain, after.used);
}

/* Each thread fills blocks with its own number and hands some to the next thread to be freed. */
#define SLOTS 512
static _Atomic(uint8_t *) slots[SLOTS];

static void *
churn(void *arg)
{
	uintptr_t id = (uintptr_t)arg;
	uint64_t x = id * 0x9E3779B97F4A7C15u + 1;
	uintptr_t bad = 0;

	for (int i = 0; i < 100000; i++) {
		size_t n;
		uint8_t *p, *q;

		x = x * 6364136223846793005u + 1442695040888963407u;
		n = 1 + (x >> 33) % ((x >> 60) ? 400 : 20000);
		p = secret_alloc(n);
		bad += !p || !all(p, n, 0);
		memset(p, (int)id, n);
		q = atomic_exchange(&slots[(x >> 40) % SLOTS], p);
		if (q) {
			bad += q[0] == 0 || q[0] > 4;
			secret_free(q);
		}
	}
	return (void *)bad;
}

static void
test_threads_share_nothing(void)
{
	struct secret_report before, after;
	pthread_t t[4];
	void *bad;

	secret_report(&before);
	for (uintptr_t i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, churn, (void *)(i + 1));
	for (int i = 0; i < 4; i++) {
		pthread_join(t[i], &bad);
		CHECK(bad == NULL);
	}
	for (int i = 0; i < SLOTS; i++)
		secret_free(atomic_exchange(&slots[i], NULL));
	secret_report(&after);
	CHECK(before.used == after.used);
}

static void
test_fork_takes_nothing_along(void)
{
	int status = 0;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		/* the arena is not in the child: a touch must be a fault, not shared memory */
		uint8_t *p = secret_alloc(10);

		_exit(p && p[0] == 0 ? 0 : 1);
	}
	waitpid(pid, &status, 0);
	CHECK(!(WIFEXITED(status) && WEXITSTATUS(status) == 0));
}

static sigjmp_buf aborted;

static void
on_abort(int sig)
{
	(void)sig;
	siglongjmp(aborted, 1);
}

static void
test_free_twice_or_overwritten_aborts(void)
{
	uint8_t *p = secret_alloc(64);
	uint8_t *volatile q = secret_alloc(48);

	signal(SIGABRT, on_abort);
	if (sigsetjmp(aborted, 1) == 0) {
		q[-13] ^= 1;
		secret_free(q);
		CHECK(!"an overwritten header was accepted");
	} else {
		q[-13] ^= 1;
		secret_free(q);
	}
	secret_free(p);
	if (sigsetjmp(aborted, 1) == 0) {
		secret_free(p);
		CHECK(!"a block was freed twice");
	}
	signal(SIGABRT, SIG_DFL);
}

static void
test_openssl_lives_in_the_arena(void)
{
	struct secret_report before, during, after;
	EVP_PKEY *key;

	key = EVP_EC_gen("P-256"); /* first use loads algorithms */
	EVP_PKEY_free(key);
	secret_report(&before);
	key = EVP_EC_gen("P-256");
	secret_report(&during);
	CHECK(key != NULL);
	CHECK(during.used > before.used);
	CHECK(secret_size(key) >= 16); /* aborts if it is no block of ours */
	EVP_PKEY_free(key);
	secret_report(&after);
	CHECK(after.used < during.used);
}

static void
test_secret_copy_and_clear(void)
{
	struct secret s = {0};

	secret_clear(&s);
	CHECK_RV(CKR_OK, secret_copy(&s, "0123456789abcdef", 16));
	CHECK(s.len == 16 && memcmp(s.data, "0123456789abcdef", 16) == 0);
	secret_clear(&s);
	CHECK(s.data == NULL && s.len == 0);
	CHECK_RV(CKR_OK, secret_copy(&s, NULL, 0));
	secret_clear(&s);
}

int
main(void)
{
	CHECK_RV(CKR_OK, secret_start());
	CHECK_RV(CKR_OK, secret_start());
	test_alloc_every_size_is_zero_and_aligned();
	test_free_wipes();
	test_realloc_keeps_and_wipes();
	test_report_counts();
	test_threads_share_nothing();
	test_openssl_lives_in_the_arena();
	test_secret_copy_and_clear();
	test_free_twice_or_overwritten_aborts();
	if (!WITH_ASAN)
		test_fork_takes_nothing_along();
	return unit_done("secret");
}
