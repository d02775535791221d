/* client.c - the module under attack: loading it, sessions, other applications */
#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "client.h"

struct place place;
CK_FUNCTION_LIST *f;
CK_SESSION_HANDLE session;
CK_MECHANISM_TYPE client_mechanism = CK_UNAVAILABLE_INFORMATION;
static void *module;

static void
find_slot(void)
{
	CK_SLOT_ID slots[64];
	CK_ULONG n = 64;
	CK_TOKEN_INFO info;
	size_t len = strlen(place.label);

	NEED(f->C_GetSlotList(CK_TRUE, slots, &n));
	for (CK_ULONG i = 0; i < n; i++)
		if (f->C_GetTokenInfo(slots[i], &info) == CKR_OK && len < sizeof(info.label) &&
			memcmp(info.label, place.label, len) == 0 && info.label[len] == ' ') {
			place.slot = slots[i];
			return;
		}
	attack_need(CKR_TOKEN_NOT_PRESENT, place.label);
}

void
client_load(void)
{
	CK_C_INITIALIZE_ARGS args = {.flags = CKF_OS_LOCKING_OK};
	CK_C_GetFunctionList get;

	module = dlopen(place.module, RTLD_NOW);
	if (module == NULL) {
		fprintf(stderr, "%s\n", dlerror());
		attack_need(CKR_GENERAL_ERROR, "dlopen");
	}
	*(void **)&get = dlsym(module, "C_GetFunctionList");
	if (get == NULL || get(&f) != CKR_OK)
		attack_need(CKR_GENERAL_ERROR, "C_GetFunctionList");
	NEED(f->C_Initialize(&args));
	find_slot();
}

void *
client_function(const char *name)
{
	void *function = dlsym(module, name);

	client_mechanism = CK_UNAVAILABLE_INFORMATION;
	if (function == NULL)
		attack_refused(CKR_FUNCTION_NOT_SUPPORTED, name);
	return function;
}

void
client_elsewhere(void (*act)(struct told *), struct told *told)
{
	int ends[2];
	pid_t parent = getpid();

	NEED(pipe(ends) == 0 ? CKR_OK : CKR_GENERAL_ERROR);
	memset(told, 0, sizeof(*told));
	if (fork() == 0) {
		struct told mine = {0};

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		act(&mine);
		if (write(ends[1], &mine, sizeof(mine)) == (ssize_t)sizeof(mine) && getppid() == parent)
			pause();
		_exit(0);
	}
	close(ends[1]);
	NEED(read(ends[0], told, sizeof(*told)) == (ssize_t)sizeof(*told) ? CKR_OK : CKR_GENERAL_ERROR);
}

CK_RV
client_open(CK_FLAGS flags, CK_SESSION_HANDLE *s)
{
	return f->C_OpenSession(place.slot, CKF_SERIAL_SESSION | flags, NULL, NULL, s);
}

CK_RV
client_user(CK_USER_TYPE user, const char *pin)
{
	return f->C_Login(session, user, (CK_UTF8CHAR *)pin, strlen(pin));
}

void
client_login(void)
{
	if (f == NULL)
		client_load();
	NEED(client_open(CKF_RW_SESSION, &session));
	NEED(client_user(CKU_USER, place.pin));
}
