/*
 * waiter.c - waits for a slot event
 *
 * Usage: waiter MODULE wait [COUNT]  prints "waiting" and then, for each of COUNT (1) waits, "0xRV SLOT NANOSECONDS": what
 *                                    C_WaitForSlotEvent gave, and the time of day when it came back
 *        waiter MODULE look          the same without blocking; all that is to be told
 *        waiter MODULE finalize N    N threads wait, C_Finalize wakes them: "0xRV" of each, "finalize MS", "waited MS"
 *                                    (milliseconds of C_Finalize, and until the last thread was back)
 */
#include <pthread.h>

#include "client.h"

#define THREADS_MAX 16

static long long
time_of_day(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (long long)t.tv_sec * 1000000000 + t.tv_nsec;
}

static CK_RV
wait_once(CK_FLAGS flags)
{
	CK_SLOT_ID slot = 999;
	CK_RV rv = f->C_WaitForSlotEvent(flags, &slot, NULL);

	printf("0x%lx %lu %lld\n", rv, slot, time_of_day());
	return rv;
}

static void *
waiting(void *rv)
{
	CK_SLOT_ID slot;

	*(CK_RV *)rv = f->C_WaitForSlotEvent(0, &slot, NULL);
	return NULL;
}

static void
finalize(int n)
{
	struct timespec pause = {0, 200 * 1000 * 1000};
	pthread_t threads[THREADS_MAX];
	CK_RV rv[THREADS_MAX];
	double start, done;

	for (int i = 0; i < n; i++)
		pthread_create(&threads[i], NULL, waiting, &rv[i]);
	nanosleep(&pause, NULL);
	start = client_now();
	NEED(f->C_Finalize(NULL));
	done = client_now();
	for (int i = 0; i < n; i++) {
		pthread_join(threads[i], NULL);
		printf("0x%lx\n", rv[i]);
	}
	printf("finalize %.0f\nwaited %.0f\n", (done - start) * 1000, (client_now() - start) * 1000);
}

int
main(int argc, char **argv)
{
	int n = argc > 3 ? atoi(argv[3]) : 1;
	CK_ULONG slots;

	if (argc < 3 || n < 1 || n > THREADS_MAX)
		return 2;
	setvbuf(stdout, NULL, _IOLBF, 0);
	client_load(argv[1]);
	NEED(f->C_Initialize(NULL));
	NEED(f->C_GetSlotList(CK_FALSE, NULL, &slots));
	if (strcmp(argv[2], "finalize") == 0) {
		finalize(n);
		return 0;
	}
	puts("waiting");
	if (strcmp(argv[2], "look") == 0) {
		while (wait_once(CKF_DONT_BLOCK) == CKR_OK)
			;
	} else {
		for (int i = 0; i < n && wait_once(0) == CKR_OK; i++)
			;
	}
	NEED(f->C_Finalize(NULL));
	return 0;
}
