/*
 * The module where there is no vault: what it answers, what it refuses, that it starts nothing; life,
 * threads and forks. With a daemon it is tested from outside.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pkcs11/export.h"
#include "unit.h"

static char dir[] = "/tmp/test_module.XXXXXX";

static void
write_conf(const char *more)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/tokenfs.conf", dir);
	f = fopen(path, "w");
	fprintf(f, "vault = %s/vault\nstate = %s/state\nkey_file = %s/key\nmount = %s/mnt\n%s", dir, dir,
		dir, dir, more);
	fclose(f);
	chmod(path, 0600);
	setenv("TOKENFS_CONF", path, 1);
}

static bool
blank(const unsigned char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (text[i] != ' ')
			return false;
	}
	return true;
}

static void
test_nothing_works_before_initialize(void)
{
	CK_ULONG n = 0;
	CK_INFO info;
	CK_SESSION_HANDLE h;
	CK_BYTE b;
	CK_MECHANISM mech = {CKM_SHA256, NULL, 0};

	CHECK_RV(CKR_CRYPTOKI_NOT_INITIALIZED, C_Finalize(NULL));
	CHECK_RV(CKR_CRYPTOKI_NOT_INITIALIZED, C_GetInfo(&info));
	CHECK_RV(CKR_CRYPTOKI_NOT_INITIALIZED, C_GetSlotList(CK_FALSE, NULL, &n));
	CHECK_RV(CKR_CRYPTOKI_NOT_INITIALIZED, C_GetSlotList(CK_FALSE, NULL, NULL));
	CHECK_RV(CKR_CRYPTOKI_NOT_INITIALIZED, C_OpenSession(0, 0, NULL, NULL, &h));
	CHECK_RV(CKR_CRYPTOKI_NOT_INITIALIZED, C_Sign(1, &b, 1, &b, &n));
	CHECK_RV(CKR_CRYPTOKI_NOT_INITIALIZED, C_DigestInit(1, &mech));
	CHECK_RV(CKR_CRYPTOKI_NOT_INITIALIZED, C_DigestUpdate(1, &b, 1));
	CHECK_RV(CKR_CRYPTOKI_NOT_INITIALIZED, C_GenerateRandom(1, NULL, 1));
	CHECK_RV(CKR_CRYPTOKI_NOT_INITIALIZED, C_GetFunctionStatus(1));
	CHECK_RV(CKR_CRYPTOKI_NOT_INITIALIZED, C_WaitForSlotEvent(0, &n, NULL));
	CHECK_RV(CKR_CRYPTOKI_NOT_INITIALIZED, C_LoginUser(1, CKU_USER, NULL, 0, NULL, 0));
	CHECK_RV(CKR_CRYPTOKI_NOT_INITIALIZED, C_SessionCancel(1, CKF_SIGN));
	CHECK_RV(CKR_CRYPTOKI_NOT_INITIALIZED, C_MessageEncryptInit(1, &mech, 1));
	CHECK_RV(CKR_CRYPTOKI_NOT_INITIALIZED, C_EncryptMessage(1, NULL, 0, NULL, 0, &b, 1, &b, &n));
	CHECK_RV(CKR_CRYPTOKI_NOT_INITIALIZED, C_SignMessageNext(1, NULL, 0, &b, 1, NULL, NULL));
	CHECK_RV(CKR_CRYPTOKI_NOT_INITIALIZED, C_VerifySignatureInit(1, &mech, 1, &b, 1));
	CHECK_RV(CKR_CRYPTOKI_NOT_INITIALIZED, C_GetSessionValidationFlags(1, CKS_LAST_VALIDATION_OK, &n));
	CHECK_RV(CKR_CRYPTOKI_NOT_INITIALIZED, C_AsyncComplete(1, NULL, NULL));
	CHECK_RV(CKR_CRYPTOKI_NOT_INITIALIZED, C_WrapKeyAuthenticated(1, &mech, 1, 1, NULL, 0, &b, &n));
}

static CK_RV
no_mutex(void *m)
{
	(void)m;
	return CKR_OK;
}

static CK_RV
make_mutex(void **m)
{
	*m = NULL;
	return CKR_OK;
}

static CK_RV
cannot_make_mutex(void **m)
{
	(void)m;
	return CKR_GENERAL_ERROR;
}

static void
test_the_arguments_of_initialize(void)
{
	CK_C_INITIALIZE_ARGS reserved = {NULL, NULL, NULL, NULL, CKF_OS_LOCKING_OK, &dir};
	CK_C_INITIALIZE_ARGS partial = {make_mutex, no_mutex, no_mutex, NULL, 0, NULL};
	CK_C_INITIALIZE_ARGS theirs = {make_mutex, no_mutex, no_mutex, no_mutex, 0, NULL};
	CK_C_INITIALIZE_ARGS broken = {cannot_make_mutex, no_mutex, no_mutex, no_mutex, 0, NULL};
	CK_C_INITIALIZE_ARGS system = {NULL, NULL, NULL, NULL, CKF_OS_LOCKING_OK, NULL};

	CHECK_RV(CKR_ARGUMENTS_BAD, C_Initialize(&reserved));
	CHECK_RV(CKR_ARGUMENTS_BAD, C_Initialize(&partial));
	partial.flags = CKF_OS_LOCKING_OK;
	CHECK_RV(CKR_ARGUMENTS_BAD, C_Initialize(&partial));
	CHECK_RV(CKR_CANT_LOCK, C_Initialize(&broken));
	CHECK_RV(CKR_CRYPTOKI_NOT_INITIALIZED, C_Finalize(NULL));
	CHECK_RV(CKR_OK, C_Initialize(&theirs));
	CHECK_RV(CKR_CRYPTOKI_ALREADY_INITIALIZED, C_Initialize(NULL));
	CHECK_RV(CKR_ARGUMENTS_BAD, C_Finalize(&dir));
	CHECK_RV(CKR_OK, C_Finalize(NULL));
	broken.flags = CKF_OS_LOCKING_OK; /* then theirs are not needed */
	CHECK_RV(CKR_OK, C_Initialize(&broken));
	CHECK_RV(CKR_OK, C_Finalize(NULL));
	CHECK_RV(CKR_OK, C_Initialize(&system));
	CHECK_RV(CKR_OK, C_Finalize(NULL));
	CHECK_RV(CKR_CRYPTOKI_NOT_INITIALIZED, C_Finalize(NULL));
}

static void
test_a_bad_configuration_is_refused(void)
{
	write_conf("no_such_key = 1\n");
	CHECK_RV(CKR_GENERAL_ERROR, C_Initialize(NULL));
	write_conf("");
	CHECK_RV(CKR_OK, C_Initialize(NULL));
	CHECK_RV(CKR_OK, C_Finalize(NULL));
}

static void
test_without_a_vault_there_is_the_spare_slot(void)
{
	CK_SLOT_ID slots[2] = {99, 99};
	CK_MECHANISM_INFO mech;
	CK_SESSION_HANDLE h;
	CK_TOKEN_INFO token;
	CK_SLOT_INFO slot;
	CK_ULONG n = 99;
	struct stat st;
	char path[128];

	CHECK_RV(CKR_OK, C_Initialize(NULL));
	CHECK_RV(CKR_ARGUMENTS_BAD, C_GetSlotList(CK_TRUE, NULL, NULL));
	CHECK_RV(CKR_OK, C_GetSlotList(CK_TRUE, NULL, &n));
	CHECK(n == 1);
	n = 0;
	CHECK_RV(CKR_BUFFER_TOO_SMALL, C_GetSlotList(CK_TRUE, slots, &n));
	CHECK(n == 1 && slots[0] == 99);
	n = 2;
	CHECK_RV(CKR_OK, C_GetSlotList(CK_TRUE, slots, &n));
	CHECK(n == 1 && slots[0] == 0);
	CHECK_RV(CKR_OK, C_GetSlotInfo(0, &slot));
	CHECK(slot.flags == CKF_TOKEN_PRESENT);
	CHECK_RV(CKR_SLOT_ID_INVALID, C_GetSlotInfo(1, &slot));
	CHECK_RV(CKR_ARGUMENTS_BAD, C_GetSlotInfo(0, NULL));
	CHECK_RV(CKR_OK, C_GetTokenInfo(0, &token));
	CHECK(blank(token.label, sizeof(token.label)));
	CHECK(blank(token.serialNumber, sizeof(token.serialNumber)));
	CHECK((token.flags & (CKF_TOKEN_INITIALIZED | CKF_RNG | CKF_LOGIN_REQUIRED)) ==
		(CKF_RNG | CKF_LOGIN_REQUIRED));
	CHECK_RV(CKR_SLOT_ID_INVALID, C_GetTokenInfo(7, &token));
	CHECK_RV(CKR_OK, C_GetMechanismList(0, NULL, &n));
	CHECK(n == 0);
	CHECK_RV(CKR_SLOT_ID_INVALID, C_GetMechanismList(1, NULL, &n));
	CHECK_RV(CKR_MECHANISM_INVALID, C_GetMechanismInfo(0, CKM_SHA256, &mech));
	CHECK_RV(CKR_TOKEN_NOT_RECOGNIZED, C_OpenSession(0, CKF_SERIAL_SESSION, NULL, NULL, &h));
	CHECK_RV(CKR_SLOT_ID_INVALID, C_OpenSession(1, CKF_SERIAL_SESSION, NULL, NULL, &h));
	CHECK_RV(CKR_SESSION_PARALLEL_NOT_SUPPORTED, C_OpenSession(0, 0, NULL, NULL, &h));
	CHECK_RV(CKR_OK, C_CloseAllSessions(0));
	CHECK_RV(CKR_SLOT_ID_INVALID, C_CloseAllSessions(1));
	CHECK_RV(CKR_SESSION_HANDLE_INVALID, C_CloseSession(1));
	CHECK_RV(CKR_SESSION_HANDLE_INVALID, C_Login(1, CKU_USER, NULL, 0));
	CHECK_RV(CKR_NO_EVENT, C_WaitForSlotEvent(CKF_DONT_BLOCK, slots, NULL));
	CHECK_RV(CKR_ARGUMENTS_BAD, C_WaitForSlotEvent(CKF_DONT_BLOCK, slots, &h));
	CHECK_RV(CKR_FUNCTION_NOT_PARALLEL, C_GetFunctionStatus(1));
	CHECK_RV(CKR_FUNCTION_NOT_PARALLEL, C_CancelFunction(1));
	CHECK_RV(CKR_OK, C_Finalize(NULL));
	snprintf(path, sizeof(path), "%s/vault", dir);
	CHECK(stat(path, &st) != 0); /* nothing was made or started for looking */
	snprintf(path, sizeof(path), "%s/.tokenfs-mnt.lock", dir);
	CHECK(stat(path, &st) != 0);
}

static void
test_without_a_spare_slot_there_is_none(void)
{
	CK_SESSION_HANDLE h;
	CK_SLOT_INFO slot;
	CK_ULONG n = 99;

	write_conf("spare_slot = no\n");
	CHECK_RV(CKR_OK, C_Initialize(NULL));
	CHECK_RV(CKR_OK, C_GetSlotList(CK_FALSE, NULL, &n));
	CHECK(n == 0);
	CHECK_RV(CKR_SLOT_ID_INVALID, C_GetSlotInfo(0, &slot));
	CHECK_RV(CKR_SLOT_ID_INVALID, C_OpenSession(0, CKF_SERIAL_SESSION, NULL, NULL, &h));
	CHECK_RV(CKR_OK, C_Finalize(NULL));
	write_conf("");
}

/* A vault is there, and no daemon that could be started. */
static void
test_a_daemon_that_cannot_be_had_is_an_error(void)
{
	CK_UTF8CHAR pin[] = "0000", label[33] = "x                               ";
	CK_ULONG n;
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/vault", dir);
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/vault/VAULT", dir);
	f = fopen(path, "w");
	fclose(f);
	write_conf("autostart = no\n");
	CHECK_RV(CKR_OK, C_Initialize(NULL));
	CHECK_RV(CKR_DEVICE_REMOVED, C_GetSlotList(CK_FALSE, NULL, &n));
	CHECK_RV(CKR_DEVICE_REMOVED, C_InitToken(0, pin, 4, label));
	CHECK_RV(CKR_OK, C_Finalize(NULL));
	unlink(path);
	snprintf(path, sizeof(path), "%s/vault", dir);
	rmdir(path);
	write_conf("");
}

/* A directory where the mount should be, that is no mount: as good as none. */
static void
test_a_plain_directory_is_no_mount(void)
{
	CK_ULONG n = 99;
	char path[128];

	snprintf(path, sizeof(path), "%s/mnt", dir);
	mkdir(path, 0700);
	CHECK_RV(CKR_OK, C_Initialize(NULL));
	CHECK_RV(CKR_OK, C_GetSlotList(CK_FALSE, NULL, &n));
	CHECK(n == 1);
	CHECK_RV(CKR_OK, C_Finalize(NULL));
	rmdir(path);
}

static void
test_null_where_there_must_be_something(void)
{
	CK_BYTE b;
	CK_ULONG n;

	CHECK_RV(CKR_OK, C_Initialize(NULL));
	CHECK_RV(CKR_ARGUMENTS_BAD, C_GetInfo(NULL));
	CHECK_RV(CKR_ARGUMENTS_BAD, C_OpenSession(0, CKF_SERIAL_SESSION, NULL, NULL, NULL));
	/* 3.0 and on: ends what runs, and so asks for a session, of which there is none */
	CHECK_RV(CKR_SESSION_HANDLE_INVALID, C_EncryptInit(1, NULL, 1));
	CHECK_RV(CKR_SESSION_HANDLE_INVALID, C_DigestInit(1, NULL));
	CHECK_RV(CKR_SESSION_HANDLE_INVALID, C_MessageSignInit(1, NULL, 1));
	CHECK_RV(CKR_SESSION_HANDLE_INVALID, C_VerifySignatureInit(1, NULL, 1, NULL, 0));
	CHECK_RV(CKR_SESSION_HANDLE_INVALID, C_SessionCancel(1, CKF_SIGN));
	CHECK_RV(CKR_SESSION_HANDLE_INVALID, C_LoginUser(1, CKU_USER, NULL, 4, NULL, 0));
	CHECK_RV(CKR_SESSION_HANDLE_INVALID, C_LoginUser(1, CKU_USER, &b, 1, NULL, 1));
	CHECK_RV(CKR_SESSION_HANDLE_INVALID, C_EncryptMessage(1, NULL, 1, NULL, 0, &b, 1, &b, &n));
	CHECK_RV(CKR_SESSION_HANDLE_INVALID, C_EncryptMessage(1, NULL, 0, NULL, 1, &b, 1, &b, &n));
	CHECK_RV(CKR_SESSION_HANDLE_INVALID, C_EncryptMessage(1, NULL, 0, NULL, 0, NULL, 1, &b, &n));
	CHECK_RV(CKR_SESSION_HANDLE_INVALID, C_DecryptMessage(1, NULL, 0, NULL, 0, &b, 1, &b, NULL));
	CHECK_RV(CKR_SESSION_HANDLE_INVALID, C_EncryptMessageNext(1, NULL, 0, &b, 1, &b, &n, 2));
	CHECK_RV(CKR_SESSION_HANDLE_INVALID, C_SignMessage(1, &b, 1, &b, 1, &b, &n));
	CHECK_RV(CKR_SESSION_HANDLE_INVALID, C_SignMessage(1, NULL, 0, &b, 1, &b, NULL));
	CHECK_RV(CKR_SESSION_HANDLE_INVALID, C_VerifyMessage(1, NULL, 0, &b, 1, NULL, 0));
	CHECK_RV(CKR_SESSION_HANDLE_INVALID, C_VerifySignatureUpdate(1, NULL, 1));
	CHECK_RV(CKR_SESSION_HANDLE_INVALID, C_GetSessionValidationFlags(1, CKS_LAST_VALIDATION_OK, NULL));
	CHECK_RV(CKR_SESSION_HANDLE_INVALID, C_WrapKeyAuthenticated(1, NULL, 1, 1, NULL, 0, &b, &n));
	CHECK_RV(CKR_SESSION_HANDLE_INVALID, C_UnwrapKeyAuthenticated(1, NULL, 1, &b, 1, NULL, 0, NULL, 0, &n));
	CHECK_RV(CKR_ARGUMENTS_BAD, C_WaitForSlotEvent(0, NULL, NULL));
	CHECK_RV(CKR_ARGUMENTS_BAD, C_WaitForSlotEvent(CKF_DONT_BLOCK, &n, &b));
	CHECK_RV(CKR_ARGUMENTS_BAD, C_WaitForSlotEvent(2, &n, NULL));
	CHECK_RV(CKR_FUNCTION_NOT_SUPPORTED, C_AsyncComplete(1, NULL, NULL));
	CHECK_RV(CKR_FUNCTION_NOT_SUPPORTED, C_AsyncGetID(1, NULL, &n));
	CHECK_RV(CKR_FUNCTION_NOT_SUPPORTED, C_AsyncJoin(1, NULL, 0, NULL, 0));
	CHECK_RV(CKR_FUNCTION_NOT_PARALLEL, C_GetFunctionStatus(1));
	CHECK_RV(CKR_FUNCTION_NOT_PARALLEL, C_CancelFunction(1));
	CHECK_RV(CKR_SESSION_HANDLE_INVALID, C_Sign(1, NULL, 1, &b, &n));
	CHECK_RV(CKR_SESSION_HANDLE_INVALID, C_Sign(1, &b, 1, &b, NULL));
	CHECK_RV(CKR_SESSION_HANDLE_INVALID, C_Verify(1, &b, 1, NULL, 1));
	CHECK_RV(CKR_SESSION_HANDLE_INVALID, C_DigestUpdate(1, NULL, 1));
	CHECK_RV(CKR_SESSION_HANDLE_INVALID, C_Login(1, CKU_USER, NULL, 4));
	CHECK_RV(CKR_SESSION_HANDLE_INVALID, C_CreateObject(1, NULL, 0, &n));
	CHECK_RV(CKR_SESSION_HANDLE_INVALID, C_FindObjectsInit(1, NULL, 1));
	CHECK_RV(CKR_SESSION_HANDLE_INVALID, C_FindObjects(1, NULL, 1, &n));
	CHECK_RV(CKR_SESSION_HANDLE_INVALID, C_GetAttributeValue(1, 1, NULL, 1));
	CHECK_RV(CKR_SESSION_HANDLE_INVALID, C_GenerateRandom(1, NULL, 1));
	CHECK_RV(CKR_ARGUMENTS_BAD, C_InitToken(0, NULL, 0, NULL));
	CHECK_RV(CKR_SESSION_HANDLE_INVALID, C_Sign(1, NULL, 0, NULL, &n));
	CHECK_RV(CKR_SESSION_HANDLE_INVALID, C_Encrypt(1, &b, 1ul << 30, &b, &n));
	CHECK_RV(CKR_OK, C_Finalize(NULL));
}

/* ---- interfaces ---- */

struct interface {
	char *name;
	CK_FUNCTION_LIST *list;
	CK_FLAGS flags;
};

static void
test_interfaces(void)
{
	CK_UTF8CHAR name[] = "PKCS 11", other[] = "PKCS 12";
	CK_VERSION v32 = {3, 2}, v3 = {3, 0}, v2 = {2, 40}, none = {2, 11}, v31 = {3, 1};
	struct interface list[3];
	CK_INTERFACE_PTR got;
	CK_FUNCTION_LIST *plain;
	CK_ULONG n = 1;
	CK_INFO info;

	CHECK_RV(CKR_ARGUMENTS_BAD, C_GetFunctionList(NULL));
	CHECK_RV(CKR_OK, C_GetFunctionList(&plain));
	CHECK(plain->version.major == 2 && plain->version.minor == 40);
	for (void **f = (void **)&plain->C_Initialize; f <= (void **)&plain->C_WaitForSlotEvent; f++)
		CHECK(*f != NULL);
	CHECK_RV(CKR_BUFFER_TOO_SMALL, C_GetInterfaceList((CK_INTERFACE_PTR)list, &n));
	CHECK(n == 3);
	CHECK_RV(CKR_ARGUMENTS_BAD, C_GetInterfaceList((CK_INTERFACE_PTR)list, NULL));
	CHECK_RV(CKR_OK, C_GetInterfaceList(NULL, &n));
	CHECK(n == 3);
	CHECK_RV(CKR_OK, C_GetInterfaceList((CK_INTERFACE_PTR)list, &n));
	for (int i = 0; i < 3; i++)
		CHECK(strcmp(list[i].name, "PKCS 11") == 0 && list[i].flags == 0);
	CHECK(list[0].list->version.major == 3 && list[0].list->version.minor == 2);
	CHECK(list[1].list->version.major == 3 && list[1].list->version.minor == 0);
	CHECK(list[2].list == plain);
	/* 92 functions in 3.0, 104 in 3.2, which begins with those of 3.0 */
	for (size_t i = 0; i < 104; i++)
		CHECK((&list[0].list->C_Initialize)[i] != NULL);
	for (size_t i = 0; i < 92; i++)
		CHECK((&list[1].list->C_Initialize)[i] != NULL);
	/* all the same but C_GetInfo, which tells the version, and C_GetMechanismList, which keeps to it */
	for (size_t i = 0; i < 92; i++) {
		bool own = &(&list[0].list->C_Initialize)[i] == (void *)&list[0].list->C_GetInfo ||
			&(&list[0].list->C_Initialize)[i] == (void *)&list[0].list->C_GetMechanismList;

		CHECK(own == ((&list[0].list->C_Initialize)[i] != (&list[1].list->C_Initialize)[i]));
	}
	CHECK((void *)(&list[0].list->C_Initialize)[92] == (void *)C_EncapsulateKey);
	CHECK((void *)(&list[0].list->C_Initialize)[103] == (void *)C_UnwrapKeyAuthenticated);
	CHECK_RV(CKR_OK, C_GetInterface(NULL, NULL, &got, 0));
	CHECK(((struct interface *)got)->list == list[0].list);
	CHECK_RV(CKR_OK, C_GetInterface(name, &v2, &got, 0));
	CHECK(((struct interface *)got)->list == plain);
	CHECK_RV(CKR_OK, C_GetInterface(NULL, &v3, &got, 0));
	CHECK(((struct interface *)got)->list == list[1].list);
	CHECK_RV(CKR_OK, C_GetInterface(name, &v32, &got, 0));
	CHECK(((struct interface *)got)->list == list[0].list);
	CHECK_RV(CKR_ARGUMENTS_BAD, C_GetInterface(name, &v31, &got, 0));
	CHECK_RV(CKR_ARGUMENTS_BAD, C_GetInterface(other, NULL, &got, 0));
	CHECK_RV(CKR_ARGUMENTS_BAD, C_GetInterface(name, &none, &got, 0));
	CHECK_RV(CKR_ARGUMENTS_BAD, C_GetInterface(name, NULL, &got, CKF_INTERFACE_FORK_SAFE));
	CHECK_RV(CKR_ARGUMENTS_BAD, C_GetInterface(name, NULL, NULL, 0));
	CHECK_RV(CKR_OK, C_Initialize(NULL));
	CHECK_RV(CKR_OK, plain->C_GetInfo(&info));
	CHECK(info.cryptokiVersion.major == 2 && info.cryptokiVersion.minor == 40);
	CHECK(memcmp(info.manufacturerID, "tokenfs                         ", 32) == 0);
	CHECK_RV(CKR_OK, list[1].list->C_GetInfo(&info));
	CHECK(info.cryptokiVersion.major == 3 && info.cryptokiVersion.minor == 0);
	CHECK_RV(CKR_OK, list[0].list->C_GetInfo(&info));
	CHECK(info.cryptokiVersion.major == 3 && info.cryptokiVersion.minor == 2);
	CHECK_RV(CKR_OK, C_Finalize(NULL));
}

/* ---- threads and forks ---- */

static atomic_int winners, losers;
static atomic_bool stop;

static void *
initialize(void *arg)
{
	CK_RV rv = C_Initialize(NULL);

	(void)arg;
	if (rv == CKR_OK)
		winners++;
	else if (rv == CKR_CRYPTOKI_ALREADY_INITIALIZED)
		losers++;
	return NULL;
}

static void
test_one_of_many_threads_initializes(void)
{
	pthread_t t[8];

	for (int round = 0; round < 50; round++) {
		winners = losers = 0;
		for (int i = 0; i < 8; i++)
			pthread_create(&t[i], NULL, initialize, NULL);
		for (int i = 0; i < 8; i++)
			pthread_join(t[i], NULL);
		CHECK(winners == 1 && losers == 7);
		CHECK_RV(CKR_OK, C_Finalize(NULL));
	}
}

static void *
churn(void *arg)
{
	CK_ULONG n;

	(void)arg;
	while (!stop) {
		C_GetSlotList(CK_FALSE, NULL, &n);
		C_Initialize(NULL);
		C_Finalize(NULL);
	}
	return NULL;
}

static int
child(void)
{
	CK_ULONG n = 0;

	if (C_GetSlotList(CK_FALSE, NULL, &n) != CKR_CRYPTOKI_NOT_INITIALIZED)
		return 1;
	if (C_Finalize(NULL) != CKR_CRYPTOKI_NOT_INITIALIZED)
		return 2;
	if (C_Initialize(NULL) != CKR_OK)
		return 3;
	if (C_GetSlotList(CK_FALSE, NULL, &n) != CKR_OK || n != 1)
		return 4;
	return C_Finalize(NULL) == CKR_OK ? 0 : 5;
}

/* gcc 12's AddressSanitizer leaves its allocator locked in the child if another thread was in it. */
#ifdef __SANITIZE_ADDRESS__
#define CHURNERS 0
#else
#define CHURNERS 3
#endif

/* Forks while other threads are anywhere inside the module. */
static void
test_a_child_begins_anew(void)
{
	pthread_t t[CHURNERS + 1];
	int status;

	stop = false;
	for (int i = 0; i < CHURNERS; i++)
		pthread_create(&t[i], NULL, churn, NULL);
	for (int round = 0; round < 100; round++) {
		pid_t pid = fork();

		if (pid == 0) {
			alarm(20); /* a deadlock ends as a failure */
			_exit(child());
		}
		waitpid(pid, &status, 0);
		CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	}
	stop = true;
	for (int i = 0; i < CHURNERS; i++)
		pthread_join(t[i], NULL);
	C_Finalize(NULL);
}

static void *
wait_for_event(void *arg)
{
	CK_SLOT_ID slot;

	*(CK_RV *)arg = C_WaitForSlotEvent(0, &slot, NULL);
	return NULL;
}

static void
test_finalize_ends_a_wait(void)
{
	CK_RV rv = CKR_OK;
	pthread_t t;

	CHECK_RV(CKR_OK, C_Initialize(NULL));
	pthread_create(&t, NULL, wait_for_event, &rv);
	usleep(50000);
	CHECK_RV(CKR_OK, C_Finalize(NULL));
	CHECK_RV(CKR_OK, C_Initialize(NULL)); /* not the one that was waited under */
	pthread_join(t, NULL);
	CHECK_RV(CKR_CRYPTOKI_NOT_INITIALIZED, rv);
	CHECK_RV(CKR_OK, C_Finalize(NULL));
}

/* A child has nothing of its parent's waits, and does not end them. */
static void
test_a_child_of_one_who_waits(void)
{
	CK_RV rv = CKR_OK;
	int status;
	pthread_t t;
	pid_t pid;

	CHECK_RV(CKR_OK, C_Initialize(NULL));
	pthread_create(&t, NULL, wait_for_event, &rv);
	usleep(50000);
	pid = fork();
	if (pid == 0) {
		alarm(20);
		_exit(child());
	}
	waitpid(pid, &status, 0);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	usleep(50000);
	CHECK_RV(CKR_OK, rv);
	CHECK_RV(CKR_OK, C_Finalize(NULL));
	pthread_join(t, NULL);
	CHECK_RV(CKR_CRYPTOKI_NOT_INITIALIZED, rv);
}

int
main(void)
{
	char path[128];

	if (mkdtemp(dir) == NULL)
		return 1;
	write_conf("");
	test_nothing_works_before_initialize();
	test_the_arguments_of_initialize();
	test_a_bad_configuration_is_refused();
	test_without_a_vault_there_is_the_spare_slot();
	test_without_a_spare_slot_there_is_none();
	test_a_daemon_that_cannot_be_had_is_an_error();
	test_a_plain_directory_is_no_mount();
	test_null_where_there_must_be_something();
	test_interfaces();
	test_one_of_many_threads_initializes();
	test_a_child_begins_anew();
	test_finalize_ends_a_wait();
	test_a_child_of_one_who_waits();
	snprintf(path, sizeof(path), "%s/tokenfs.conf", dir);
	unlink(path);
	rmdir(dir);
	return unit_done("module");
}
