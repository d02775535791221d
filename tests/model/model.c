/*
 * model - random lists of calls against the model of world.c; then threads that disturb one
 * another
 *
 * Usage: model [-s SEED] [-t SECONDS] [-T SECONDS] [-r FILE] MODULE LABEL PIN SO-PIN
 *   -t   seconds of lists against the model (10)      -T   seconds of threads (5)
 *   -r   runs the list in FILE, one call a line as a failure prints it, and tells each answer
 * A list that fails is made shorter as long as it still fails (delta debugging), and printed.
 * Exit code 1.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "model.h"

CK_FUNCTION_LIST *f;
CK_SLOT_ID slot;
const char *user_pin, *so_pin;

uint64_t
next_random(uint64_t *seed)
{
	uint64_t z = *seed += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

/* ---- lists ---- */

/* How often each call is wanted among a hundred. */
static const uint8_t weights[WHATS] = {[OPEN] = 10,
	[CLOSE] = 3,
	[CLOSE_ALL] = 1,
	[LOGIN] = 7,
	[LOGOUT] = 3,
	[SESSION_INFO] = 4,
	[CREATE] = 10,
	[COPY] = 3,
	[DESTROY] = 4,
	[GET] = 4,
	[SET] = 2,
	[FIND_INIT] = 4,
	[FIND_NEXT] = 5,
	[FIND_FINAL] = 3,
	[OP_INIT] = 16,
	[OP_ONCE] = 9,
	[OP_UPDATE] = 8,
	[OP_FINAL] = 6};

static struct call
some_call(uint64_t *seed)
{
	uint64_t r = next_random(seed);
	unsigned total = 0, at;
	struct call c = {0, (uint8_t)(r >> 8), (uint8_t)(r >> 16), (uint8_t)(r >> 24)};

	for (size_t i = 0; i < WHATS; i++)
		total += weights[i];
	at = (unsigned)(r >> 32) % total;
	while (at >= weights[c.what])
		at -= weights[c.what++];
	return c;
}

static void
make_list(uint64_t seed, struct call list[CALLS])
{
	list[0] = (struct call){OPEN, 0, 1, 0}; /* most of what follows wants a session */
	for (size_t i = 1; i < CALLS; i++)
		list[i] = some_call(&seed);
}

/* ---- shrinking ---- */

/* Pieces are left out, half the list first, then smaller ones, down to single calls; what still
 * fails stays. */
static size_t
shrink(struct call *list, size_t n, char why[200])
{
	struct call shorter[CALLS];
	size_t failed;

	for (size_t piece = n / 2 > 0 ? n / 2 : 1; piece > 0; piece /= 2)
		for (size_t at = 0; at + piece <= n;) {
			memcpy(shorter, list, at * sizeof(*list));
			memcpy(shorter + at, list + at + piece,
				(n - at - piece) * sizeof(*list));
			failed = world_run(shorter, n - piece, false, why);
			if (failed < n - piece) {
				n = failed + 1;
				memcpy(list, shorter, n * sizeof(*list));
			} else {
				at += piece;
			}
		}
	return n;
}

static void
report(uint64_t seed, struct call *list, size_t n)
{
	char why[200] = "";

	n = shrink(list, n, why);
	world_run(list, n, false, why);
	printf("seed 0x%llx fails: %s\nThe shortest list that fails (run it with -r):\n",
		(unsigned long long)seed, why);
	for (size_t i = 0; i < n; i++)
		printf("%s %d %d %d\n", world_name(list[i].what), list[i].a, list[i].b,
			list[i].c);
}

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* 0: every list did what the model says. */
static int
run_lists(unsigned seconds, uint64_t seed)
{
	double until = now() + seconds;
	struct call list[CALLS];
	char why[200];
	unsigned long n = 0;
	size_t failed;

	while (now() < until) {
		make_list(seed, list);
		failed = world_run(list, CALLS, false, why);
		if (failed < CALLS) {
			report(seed, list, failed + 1);
			return 1;
		}
		next_random(&seed);
		n++;
	}
	printf("model: %lu lists of %d calls\n", n, CALLS);
	return 0;
}

static int
replay(const char *path)
{
	struct call list[CALLS];
	FILE *file = fopen(path, "r");
	char name[32], why[200] = "";
	unsigned a, b, c;
	size_t n = 0;

	if (file == NULL) {
		fprintf(stderr, "model: cannot read %s\n", path);
		return 2;
	}
	while (n < CALLS && fscanf(file, "%31s %u %u %u", name, &a, &b, &c) == 4)
		for (uint8_t w = 0; w < WHATS; w++)
			if (strcmp(world_name(w), name) == 0)
				list[n++] =
					(struct call){w, (uint8_t)a, (uint8_t)b, (uint8_t)c};
	fclose(file);
	if (world_run(list, n, true, why) == n)
		return 0;
	printf("fails: %s\n", why);
	return 1;
}

/* ---- the module ---- */
static bool
open_token(const char *module, const char *label)
{
	CK_C_INITIALIZE_ARGS args = {.flags = CKF_OS_LOCKING_OK};
	void *so = dlopen(module, RTLD_NOW);
	CK_C_GetFunctionList get = NULL;
	CK_SLOT_ID slots[64];
	CK_ULONG n = 64;
	CK_TOKEN_INFO info;

	if (so == NULL || (*(void **)&get = dlsym(so, "C_GetFunctionList")) == NULL ||
		get(&f) != CKR_OK || f->C_Initialize(&args) != CKR_OK ||
		f->C_GetSlotList(CK_TRUE, slots, &n) != CKR_OK)
		return false;
	for (CK_ULONG i = 0; i < n; i++)
		if (f->C_GetTokenInfo(slots[i], &info) == CKR_OK &&
			memcmp(info.label, label, strlen(label)) == 0) {
			slot = slots[i];
			return true;
		}
	return false;
}

int
main(int argc, char **argv)
{
	unsigned lists = 10, threads = 5;
	uint64_t seed = (uint64_t)time(NULL) << 20 ^ (uint64_t)getpid();
	const char *file = NULL;
	int o, bad;

	while ((o = getopt(argc, argv, "s:t:T:r:")) != -1) {
		if (o == 's')
			seed = strtoull(optarg, NULL, 0);
		else if (o == 't')
			lists = (unsigned)atoi(optarg);
		else if (o == 'T')
			threads = (unsigned)atoi(optarg);
		else if (o == 'r')
			file = optarg;
		else
			return 2;
	}
	if (argc - optind != 4) {
		fprintf(stderr, "usage: model [-s SEED] [-t SECONDS] [-T SECONDS] [-r FILE] "
				"MODULE LABEL PIN SO-PIN\n");
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	user_pin = argv[optind + 2];
	so_pin = argv[optind + 3];
	if (!open_token(argv[optind], argv[optind + 1])) {
		fprintf(stderr, "model: no token %s\n", argv[optind + 1]);
		return 2;
	}
	printf("seed 0x%llx\n", (unsigned long long)seed);
	if (file != NULL)
		return replay(file);
	bad = run_lists(lists, seed);
	bad += (int)threads_run(threads, 4, seed);
	f->C_Finalize(NULL);
	printf("%s\n", bad ? "FAILED" : "ok");
	return bad > 0;
}
