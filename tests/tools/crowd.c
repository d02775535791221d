/*
 * crowd.c - more of everything than one program should ask for
 *
 * Usage: crowd busy MODULE LABEL PIN   a key generation that takes long, and 24 threads that use its session;
 *                                      says "crowded" and stays until it is killed
 *        crowd open FILE N             opens FILE until it is refused, at most N times; says how often, and why
 *        crowd connect MOUNT N         the same with connections
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/resource.h>

#include "client.h"

static void *
generate(void *arg)
{
	CK_MECHANISM mech = {CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0};
	CK_ULONG bits = 16384;
	CK_BBOOL yes = CK_TRUE;
	CK_ATTRIBUTE pub[] = {ATTR_OF(CKA_MODULUS_BITS, bits)}, priv[] = {ATTR_OF(CKA_TOKEN, yes)};
	CK_OBJECT_HANDLE halves[2];

	(void)arg;
	f->C_GenerateKeyPair(session, &mech, pub, 1, priv, 1, &halves[0], &halves[1]);
	return NULL;
}

static void *
ask(void *arg)
{
	CK_SESSION_INFO info;

	(void)arg;
	f->C_GetSessionInfo(session, &info);
	return NULL;
}

static int
busy(const char *module, const char *label, const char *pin)
{
	pthread_t thread;

	client_load(module);
	NEED(client_begin(label, pin));
	pthread_create(&thread, NULL, generate, NULL);
	usleep(300000);
	for (int i = 0; i < 24; i++)
		pthread_create(&thread, NULL, ask, NULL);
	usleep(500000);
	puts("crowded");
	fflush(stdout);
	for (;;)
		pause();
}

static int
open_many(const char *path, const char *mount, long n)
{
	struct rlimit limit = {.rlim_cur = (rlim_t)n + 64, .rlim_max = (rlim_t)n + 64};
	char name[512];
	long opened = 0;
	int fd = 0;

	if (setrlimit(RLIMIT_NOFILE, &limit) != 0) {
		puts("no room for so many descriptors");
		return 2;
	}
	while (opened < n && fd >= 0) {
		snprintf(name, sizeof(name), "%s/.p11/conn/crowd%ld", mount, opened);
		fd = path != NULL ? open(path, O_RDONLY) : open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
		opened += fd >= 0;
	}
	printf("%ld: %s\n", opened, fd < 0 ? strerror(errno) : "no end");
	return 0;
}

int
main(int argc, char **argv)
{
	if (argc == 5 && strcmp(argv[1], "busy") == 0)
		return busy(argv[2], argv[3], argv[4]);
	if (argc == 4 && strcmp(argv[1], "open") == 0)
		return open_many(argv[2], NULL, atol(argv[3]));
	if (argc == 4 && strcmp(argv[1], "connect") == 0)
		return open_many(NULL, argv[2], atol(argv[3]));
	fprintf(stderr, "usage: crowd busy MODULE LABEL PIN | open FILE N | connect MOUNT N\n");
	return 2;
}
