/*
 * forker.c - fork with a login and sessions open, with and without C_Initialize in the child
 *
 * Usage: forker MODULE LABEL PIN
 */
#include <sys/wait.h>

#include "client.h"

#define WANT(value, call)                                                                        \
	do {                                                                                     \
		CK_RV want_rv = (call);                                                          \
		if (want_rv != (CK_RV)(value)) {                                                 \
			fprintf(stderr, "%s gave 0x%lx, not " #value "\n", #call, want_rv);      \
			_exit(1);                                                                \
		}                                                                                \
	} while (0)

static int
child_ends(int (*child)(const char *, const char *), const char *label, const char *pin)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0)
		_exit(child(label, pin));
	waitpid(pid, &status, 0);
	return status;
}

static int
child_that_calls(const char *label, const char *pin)
{
	CK_ULONG n;
	CK_BYTE random[4];

	(void)label;
	(void)pin;
	WANT(CKR_CRYPTOKI_NOT_INITIALIZED, f->C_GetSlotList(CK_TRUE, NULL, &n));
	WANT(CKR_CRYPTOKI_NOT_INITIALIZED, f->C_GenerateRandom(session, random, 4));
	WANT(CKR_CRYPTOKI_NOT_INITIALIZED, f->C_Finalize(NULL));
	return 0;
}

/* The child is an application of its own: the parent's login is not its. */
static int
child_that_initializes(const char *label, const char *pin)
{
	CK_OBJECT_HANDLE pub, priv;
	CK_BYTE signature[64];
	CK_SESSION_INFO info;

	WANT(CKR_OK, client_begin(label, NULL));
	WANT(CKR_OK, f->C_GetSessionInfo(session, &info));
	WANT(CKS_RW_PUBLIC_SESSION, info.state);
	WANT(CKR_OK, f->C_Login(session, CKU_USER, (CK_UTF8CHAR *)pin, strlen(pin)));
	WANT(CKR_OK, client_pair("child", &pub, &priv));
	WANT(CKR_OK, client_sign(priv, signature));
	WANT(CKR_OK, f->C_Finalize(NULL));
	return 0;
}

static int
child_that_only_exits(const char *label, const char *pin)
{
	(void)label;
	(void)pin;
	exit(0);
}

int
main(int argc, char **argv)
{
	int (*children[])(const char *, const char *) = {child_that_calls, child_that_initializes,
		child_that_only_exits};
	CK_OBJECT_HANDLE pub, priv;
	CK_BYTE signature[64];

	if (argc != 4)
		return 2;
	client_load(argv[1]);
	NEED(client_begin(argv[2], argv[3]));
	NEED(client_pair("parent", &pub, &priv));
	for (int i = 0; i < 3; i++) {
		int status = child_ends(children[i], argv[2], argv[3]);

		if (status != 0) {
			fprintf(stderr, "child %d ended with %d\n", i, status);
			return 1;
		}
		/* Sessions, login and handles are the parent's as before. */
		NEED(client_sign(priv, signature));
		NEED(client_verify(pub, signature));
	}
	/* No C_Finalize: a program may end as it likes. */
	return 0;
}
