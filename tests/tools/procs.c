/*
 * procs.c - many processes that start, log in, generate, sign, list and delete at once
 *
 * Usage: procs MODULE LABEL PIN PROCESSES ROUNDS
 * Each round forks anew. Ends with the number of processes that failed, at most 100.
 */
#include <sys/wait.h>

#include "client.h"

static int
life(const char *token, const char *pin, int process, int round)
{
	CK_OBJECT_HANDLE pub, priv, found[4];
	CK_BYTE signature[64];
	CK_ULONG n;
	char label[64];

	snprintf(label, sizeof(label), "proc-%d-%d", process, round);
	NEED(client_begin(token, pin));
	NEED(client_pair(label, &pub, &priv));
	NEED(client_sign(priv, signature));
	NEED(client_verify(pub, signature));
	NEED(client_find_label(label, found, 4, &n));
	if (n != 2) {
		fprintf(stderr, "%s: %lu objects, not 2\n", label, n);
		return 1;
	}
	NEED(f->C_DestroyObject(session, priv));
	NEED(f->C_DestroyObject(session, pub));
	NEED(client_find_label(label, found, 4, &n));
	if (n != 0) {
		fprintf(stderr, "%s: %lu objects after their destruction\n", label, n);
		return 1;
	}
	NEED(f->C_Logout(session));
	NEED(f->C_Finalize(NULL));
	return 0;
}

int
main(int argc, char **argv)
{
	int failed = 0, status;

	if (argc != 6) {
		fprintf(stderr, "usage: procs MODULE LABEL PIN PROCESSES ROUNDS\n");
		return 2;
	}
	client_load(argv[1]);
	for (int round = 0; round < atoi(argv[5]); round++) {
		for (int p = 0; p < atoi(argv[4]); p++)
			if (fork() == 0)
				_exit(life(argv[2], argv[3], p, round));
		while (wait(&status) > 0)
			failed += status != 0;
	}
	printf("%d failed\n", failed);
	return failed < 100 ? failed : 100;
}
