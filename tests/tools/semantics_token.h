/*
 * semantics_token.h - the checks of slots, tokens, PINs, login, initialisation and processes (part of semantics.c)
 */
#include <pthread.h>
#include <sys/wait.h>

/* ---- 1: slots ---- */

static CK_SLOT_ID
begin_slot(const char *label)
{
	CK_SLOT_ID slot = 0;

	NEED(client_slot(label, &slot));
	return slot;
}

static void
begin(void)
{
	NEED(client_begin(sem_label, sem_pin));
}

static CK_RV
init_token(CK_SLOT_ID slot, const char *so_pin, const char *label)
{
	CK_UTF8CHAR text[32];

	padded(text, label);
	return f->C_InitToken(slot, (CK_UTF8CHAR *)so_pin, strlen(so_pin), text);
}

static void
slots_stay(void)
{
	CK_SLOT_ID spare, slot = 0;
	CK_SESSION_HANDLE s;
	CK_TOKEN_INFO before, after;
	CK_ULONG n;
	int status;

	NEED(f->C_Initialize(NULL));
	spare = spare_slot(&n);
	CHECK(n == 1 && spare < 64);
	WANT(CKR_TOKEN_NOT_RECOGNIZED, f->C_OpenSession(spare, CKF_SERIAL_SESSION, NULL, NULL, &s));
	NEED(init_token(spare, "so-pin-2", "second"));
	CHECK(begin_slot("second") == spare);
	NEED(f->C_GetTokenInfo(spare, &before));
	CHECK(spare_slot(&n) != spare && n == 1); /* there is a spare one again */
	/* this process, later */
	NEED(f->C_Finalize(NULL));
	NEED(f->C_Initialize(NULL));
	CHECK(begin_slot("second") == spare);
	/* another process */
	fflush(stdout);
	if (fork() == 0) {
		NEED(f->C_Initialize(NULL));
		_exit(client_slot("second", &slot) == CKR_OK && slot == spare ? 0 : 1);
	}
	wait(&status);
	CHECK(status == 0);
	/* after another beginning */
	NEED(init_token(spare, "so-pin-2", "third"));
	NEED(f->C_GetTokenInfo(spare, &after));
	CHECK(begin_slot("third") == spare);
	CHECK(memcmp(before.serialNumber, after.serialNumber, 16) == 0);
}

/* ---- 2: what another process makes is seen ---- */

static void
new_token_appears(void)
{
	CK_SLOT_ID slot = 0;
	CK_ULONG before, after, n;
	int status;

	NEED(f->C_Initialize(NULL));
	NEED(f->C_GetSlotList(CK_TRUE, NULL, &before));
	WANT(CKR_TOKEN_NOT_PRESENT, client_slot("appeared", &slot));
	fflush(stdout);
	if (fork() == 0) {
		NEED(f->C_Initialize(NULL));
		NEED(init_token(spare_slot(&n), "so-pin-3", "appeared"));
		_exit(0);
	}
	wait(&status);
	CHECK(status == 0);
	NEED(f->C_GetSlotList(CK_TRUE, NULL, &after));
	CHECK(after == before + 1);
	WANT(CKR_OK, client_slot("appeared", &slot));
}

/* ---- 3: C_InitToken ---- */

static void
init_token_rules(void)
{
	CK_UTF8CHAR nul_padded[32] = "clumsy";
	CK_SLOT_ID slot;
	CK_TOKEN_INFO info;
	CK_ULONG n;

	NEED(f->C_Initialize(NULL));
	slot = spare_slot(&n);
	WANT(CKR_PIN_LEN_RANGE, init_token(slot, "123", "short"));
	NEED(f->C_InitToken(slot, (CK_UTF8CHAR *)"so-pin-4", 8, nul_padded));
	NEED(f->C_GetTokenInfo(slot, &info));
	CHECK(memcmp(info.label, "clumsy                          ", 32) == 0);
	CHECK(info.ulMinPinLen == 4 && info.ulMaxPinLen == 255);
	CHECK(!(info.flags & CKF_USER_PIN_INITIALIZED));

	NEED(client_open("clumsy", NULL));
	WANT(CKR_USER_PIN_NOT_INITIALIZED, login(CKU_USER, "1234"));
	WANT(CKR_PIN_INCORRECT, login(CKU_SO, ""));
	NEED(login(CKU_SO, "so-pin-4"));
	WANT(CKR_PIN_LEN_RANGE, f->C_InitPIN(session, (CK_UTF8CHAR *)"123", 3));
	NEED(f->C_InitPIN(session, (CK_UTF8CHAR *)"1234", 4));
	NEED(f->C_Logout(session));
	NEED(login(CKU_USER, "1234"));
	data_object(session, "lost", &yes, &no);
	WANT(CKR_SESSION_EXISTS, init_token(slot, "so-pin-4", "again"));
	NEED(f->C_CloseAllSessions(slot));
	WANT(CKR_PIN_INCORRECT, init_token(slot, "so-wrong", "again"));
	WANT(CKR_PIN_INCORRECT, init_token(slot, "", "again"));
	NEED(init_token(slot, "so-pin-4", "again"));
	NEED(f->C_GetTokenInfo(slot, &info));
	CHECK(!(info.flags & CKF_USER_PIN_INITIALIZED));
	NEED(client_open("again", NULL));
	CHECK(count_label("lost") == 0);
	WANT(CKR_USER_PIN_NOT_INITIALIZED, login(CKU_USER, "1234"));
}

/* ---- 4: who is logged in ---- */

static void
login_states(void)
{
	CK_SESSION_HANDLE ro;
	CK_SESSION_INFO info;
	CK_SLOT_ID slot;

	NEED(client_begin(sem_label, NULL));
	slot = begin_slot(sem_label);
	NEED(f->C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL, &ro));
	WANT(CKR_SESSION_PARALLEL_NOT_SUPPORTED, f->C_OpenSession(slot, CKF_RW_SESSION, NULL, NULL, &ro));
	WANT(CKR_SESSION_READ_ONLY_EXISTS, login(CKU_SO, sem_so_pin));
	NEED(f->C_CloseSession(ro));
	WANT(CKR_USER_NOT_LOGGED_IN, f->C_Logout(session));
	NEED(login(CKU_SO, sem_so_pin));
	WANT(CKR_SESSION_READ_WRITE_SO_EXISTS, f->C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL, &ro));
	WANT(CKR_USER_ANOTHER_ALREADY_LOGGED_IN, login(CKU_USER, sem_pin));
	WANT(CKR_USER_ALREADY_LOGGED_IN, login(CKU_SO, sem_so_pin));
	NEED(f->C_GetSessionInfo(session, &info));
	CHECK(info.state == CKS_RW_SO_FUNCTIONS);
	NEED(f->C_Logout(session));
	WANT(CKR_USER_NOT_LOGGED_IN, f->C_Logout(session));
	NEED(login(CKU_USER, sem_pin));
	WANT(CKR_USER_ANOTHER_ALREADY_LOGGED_IN, login(CKU_SO, sem_so_pin));
	WANT(CKR_USER_TYPE_INVALID, login(7, sem_pin));
	/* one login serves all sessions of the application */
	NEED(f->C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL, &ro));
	NEED(f->C_GetSessionInfo(ro, &info));
	CHECK(info.state == CKS_RO_USER_FUNCTIONS);
	/* the last session's end logs out */
	NEED(f->C_CloseAllSessions(slot));
	NEED(client_open(sem_label, NULL));
	NEED(f->C_GetSessionInfo(session, &info));
	CHECK(info.state == CKS_RW_PUBLIC_SESSION);
}

/* ---- 12: C_Initialize, threads ---- */

static int mutexes_made, mutexes_locked;

static CK_RV
make_mutex(CK_VOID_PTR_PTR m)
{
	pthread_mutex_t *own = malloc(sizeof(*own));

	pthread_mutex_init(own, NULL);
	*m = own;
	__atomic_add_fetch(&mutexes_made, 1, __ATOMIC_SEQ_CST);
	return CKR_OK;
}

static CK_RV
end_mutex(CK_VOID_PTR m)
{
	pthread_mutex_destroy(m);
	free(m);
	__atomic_sub_fetch(&mutexes_made, 1, __ATOMIC_SEQ_CST);
	return CKR_OK;
}

static CK_RV
lock_mutex(CK_VOID_PTR m)
{
	__atomic_add_fetch(&mutexes_locked, 1, __ATOMIC_SEQ_CST);
	return pthread_mutex_lock(m) == 0 ? CKR_OK : CKR_GENERAL_ERROR;
}

static CK_RV
unlock_mutex(CK_VOID_PTR m)
{
	return pthread_mutex_unlock(m) == 0 ? CKR_OK : CKR_GENERAL_ERROR;
}

static void
initialize_arguments(void)
{
	CK_C_INITIALIZE_ARGS partial = {.CreateMutex = make_mutex, .flags = CKF_OS_LOCKING_OK};
	CK_C_INITIALIZE_ARGS reserved = {.pReserved = &partial};
	CK_C_INITIALIZE_ARGS own = {make_mutex, end_mutex, lock_mutex, unlock_mutex, 0, NULL};
	CK_INFO info;

	WANT(CKR_CRYPTOKI_NOT_INITIALIZED, f->C_GetInfo(&info));
	WANT(CKR_CRYPTOKI_NOT_INITIALIZED, f->C_Finalize(NULL));
	WANT(CKR_ARGUMENTS_BAD, f->C_Initialize(&partial));
	WANT(CKR_ARGUMENTS_BAD, f->C_Initialize(&reserved));
	NEED(f->C_Initialize(&own));
	WANT(CKR_CRYPTOKI_ALREADY_INITIALIZED, f->C_Initialize(&own));
	NEED(client_open(sem_label, sem_pin));
	CHECK(mutexes_locked > 0); /* the caller's are used when nothing else is allowed */
	WANT(CKR_ARGUMENTS_BAD, f->C_Finalize(&own));
	NEED(f->C_Finalize(NULL));
	CHECK(mutexes_made == 0);
	WANT(CKR_CRYPTOKI_NOT_INITIALIZED, f->C_GetInfo(&info));
}

static CK_RV started[8];
static CK_OBJECT_HANDLE shared_key;

static void *
start_one(void *arg)
{
	CK_C_INITIALIZE_ARGS args = {.flags = CKF_OS_LOCKING_OK};

	*(CK_RV *)arg = f->C_Initialize(&args);
	return NULL;
}

static void *
sign_many(void *arg)
{
	CK_BYTE out[64];
	int *busy = arg;

	for (int i = 0; i < 200; i++) {
		CK_RV rv = client_sign(shared_key, out);

		/* another thread's operation stands in the way, never anything worse */
		if (rv != CKR_OK && rv != CKR_OPERATION_ACTIVE && rv != CKR_OPERATION_NOT_INITIALIZED)
			return (void *)1;
		*busy += rv != CKR_OK;
	}
	return NULL;
}

static void
threads(void)
{
	CK_OBJECT_HANDLE pub;
	pthread_t t[COUNT(started)];
	int n = 0, busy[COUNT(started)] = {0};
	void *bad;

	for (size_t i = 0; i < COUNT(started); i++)
		pthread_create(&t[i], NULL, start_one, &started[i]);
	for (size_t i = 0; i < COUNT(started); i++) {
		pthread_join(t[i], NULL);
		CHECK(started[i] == CKR_OK || started[i] == CKR_CRYPTOKI_ALREADY_INITIALIZED);
		n += started[i] == CKR_OK;
	}
	CHECK(n == 1);
	NEED(client_open(sem_label, sem_pin));
	NEED(client_pair("shared", &pub, &shared_key));
	for (size_t i = 0; i < COUNT(started); i++)
		pthread_create(&t[i], NULL, sign_many, &busy[i]);
	for (size_t i = 0; i < COUNT(started); i++) {
		pthread_join(t[i], &bad);
		CHECK(bad == NULL);
		n += 200 - busy[i];
	}
	CHECK(n > 1); /* and some of them signed */
}

/* ---- 13: fork, exit ---- */

static void
fork_and_exit(void)
{
	CK_OBJECT_HANDLE pub, priv;
	CK_BYTE out[64];
	CK_INFO info;
	int status;

	begin();
	NEED(client_pair("forked", &pub, &priv));
	fflush(stdout);
	if (fork() == 0) {
		WANT(CKR_CRYPTOKI_NOT_INITIALIZED, f->C_GetInfo(&info));
		WANT(CKR_CRYPTOKI_NOT_INITIALIZED, client_sign(priv, out));
		NEED(client_begin(sem_label, sem_pin)); /* of its own */
		NEED(client_sign(priv, out));
		fflush(stdout);
		exit(sem_failed); /* without C_Finalize: the handlers of exit run */
	}
	wait(&status);
	CHECK(status == 0);
	NEED(client_sign(priv, out)); /* the parent's is untouched */
	fflush(stdout);
	if (fork() == 0) {
		void *module = dlopen(sem_module, RTLD_NOW | RTLD_NOLOAD);

		NEED(client_begin(sem_label, sem_pin));
		dlclose(module);
		dlclose(module);
		exit(0);
	}
	wait(&status);
	CHECK(status == 0);
}

/* ---- 15: what the token says of itself ---- */

static void
token_info_is_true(void)
{
	CK_SESSION_HANDLE more[3];
	CK_TOKEN_INFO info;
	CK_SLOT_ID slot;
	time_t now = time(NULL);
	char today[9], later[9];

	NEED(client_begin(sem_label, NULL));
	slot = begin_slot(sem_label);
	for (size_t i = 0; i < COUNT(more); i++)
		NEED(f->C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL, &more[i]));
	strftime(today, sizeof(today), "%Y%m%d", gmtime(&now));
	NEED(f->C_GetTokenInfo(slot, &info));
	CHECK(info.ulSessionCount == 4 && info.ulRwSessionCount == 1);
	CHECK(info.ulMaxSessionCount >= 1024 && info.ulMaxRwSessionCount >= 1024);
	CHECK(info.ulMinPinLen == 4 && info.ulMaxPinLen == 255);
	CHECK(info.ulTotalPublicMemory >= info.ulFreePublicMemory && info.ulFreePublicMemory > 0);
	CHECK(info.ulTotalPrivateMemory >= info.ulFreePrivateMemory && info.ulFreePrivateMemory > 0);
	CHECK(info.flags & CKF_CLOCK_ON_TOKEN && info.flags & CKF_RNG && info.flags & CKF_LOGIN_REQUIRED);
	CHECK(info.flags & CKF_TOKEN_INITIALIZED && info.flags & CKF_USER_PIN_INITIALIZED);
	CHECK(!(info.flags & (CKF_WRITE_PROTECTED | CKF_USER_PIN_COUNT_LOW | CKF_USER_PIN_LOCKED |
		CKF_SO_PIN_COUNT_LOW | CKF_PROTECTED_AUTHENTICATION_PATH)));
	/* YYYYMMDDhhmmssxx, UTC, the last two are zeros */
	now = time(NULL);
	strftime(later, sizeof(later), "%Y%m%d", gmtime(&now));
	CHECK(memcmp(info.utcTime, today, 8) == 0 || memcmp(info.utcTime, later, 8) == 0);
	for (int i = 8; i < 14; i++)
		CHECK(info.utcTime[i] >= '0' && info.utcTime[i] <= '9');
	CHECK(memcmp(info.utcTime + 14, "00", 2) == 0);

	/* PIN flags: low after one wrong try, final before the last, locked after it; unlocked by success */
	WANT(CKR_PIN_INCORRECT, login(CKU_USER, "wrong-pin"));
	NEED(f->C_GetTokenInfo(slot, &info));
	CHECK(info.flags & CKF_USER_PIN_COUNT_LOW && !(info.flags & (CKF_USER_PIN_FINAL_TRY | CKF_USER_PIN_LOCKED)));
	WANT(CKR_PIN_INCORRECT, login(CKU_USER, "wrong-pin"));
	NEED(f->C_GetTokenInfo(slot, &info));
	CHECK(info.flags & CKF_USER_PIN_COUNT_LOW && info.flags & CKF_USER_PIN_FINAL_TRY);
	CHECK(!(info.flags & CKF_USER_PIN_LOCKED));
	NEED(login(CKU_USER, sem_pin));
	NEED(f->C_GetTokenInfo(slot, &info));
	CHECK(!(info.flags & (CKF_USER_PIN_COUNT_LOW | CKF_USER_PIN_FINAL_TRY | CKF_USER_PIN_LOCKED)));
	NEED(f->C_Logout(session));
	for (int i = 0; i < 3; i++)
		WANT(CKR_PIN_INCORRECT, login(CKU_USER, "wrong-pin"));
	WANT(CKR_PIN_LOCKED, login(CKU_USER, sem_pin));
	NEED(f->C_GetTokenInfo(slot, &info));
	CHECK(info.flags & CKF_USER_PIN_LOCKED && !(info.flags & CKF_SO_PIN_LOCKED));
}

/* ---- 17: no vault, no noise ---- */

static void
quiet_without_a_vault(void)
{
	CK_SLOT_ID slots[8];
	CK_SESSION_HANDLE s;
	CK_SLOT_INFO info;
	CK_ULONG n = 8;

	NEED(f->C_Initialize(NULL));
	NEED(f->C_GetSlotList(CK_FALSE, slots, &n));
	CHECK(n == 1);
	NEED(f->C_GetSlotInfo(slots[0], &info));
	WANT(CKR_TOKEN_NOT_RECOGNIZED, f->C_OpenSession(slots[0], CKF_SERIAL_SESSION, NULL, NULL, &s));
	NEED(f->C_Finalize(NULL));
}

static const struct check checks_of_tokens[] = {
	{"slots-stay", slots_stay},
	{"new-token-appears", new_token_appears},
	{"init-token", init_token_rules},
	{"login-states", login_states},
	{"initialize", initialize_arguments},
	{"threads", threads},
	{"fork-and-exit", fork_and_exit},
	{"token-info", token_info_is_true},
	{"quiet", quiet_without_a_vault},
	{NULL, NULL},
};
