/*
 * threads.c - several threads in one application, each with sessions of its own and some that
 * all share
 *
 * What a thread does in a session that it shares may meet anything the others did: there only
 * the set of answers is checked. What it does in its own session, with its own session objects,
 * must be right to the last byte.
 */
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "model.h"

#define SHARED 3

static CK_SESSION_HANDLE shared[SHARED];
static CK_OBJECT_HANDLE shared_key;
static time_t until;

struct worker {
	pthread_t thread;
	uint64_t seed;
	unsigned number;
	unsigned long rounds;
	char why[200];
};

/* Answers that say that something broke, and not that somebody else was there. */
static bool
broken(CK_RV rv)
{
	switch (rv) {
	case CKR_GENERAL_ERROR:
	case CKR_FUNCTION_FAILED:
	case CKR_DEVICE_ERROR:
	case CKR_DEVICE_REMOVED:
	case CKR_HOST_MEMORY:
	case CKR_DEVICE_MEMORY:
	case CKR_ARGUMENTS_BAD:
	case CKR_SESSION_HANDLE_INVALID:
	case CKR_CRYPTOKI_NOT_INITIALIZED:
		return true;
	default:
		return false;
	}
}

static bool
tolerable(struct worker *w, const char *what, CK_RV rv)
{
	if (broken(rv))
		snprintf(w->why, sizeof(w->why), "%s in a shared session gave 0x%lx", what, rv);
	return !broken(rv);
}

static bool
must(struct worker *w, const char *what, CK_RV rv)
{
	if (rv != CKR_OK)
		snprintf(w->why, sizeof(w->why), "%s in a session of its own gave 0x%lx", what,
			rv);
	return rv == CKR_OK;
}

static CK_RV
add_key(CK_SESSION_HANDLE s, const uint8_t value[32], CK_OBJECT_HANDLE *h)
{
	static CK_OBJECT_CLASS class = CKO_SECRET_KEY;
	static CK_KEY_TYPE type = CKK_GENERIC_SECRET;
	static CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
	CK_ATTRIBUTE templ[] = {{CKA_CLASS, &class, sizeof(class)},
		{CKA_KEY_TYPE, &type, sizeof(type)}, {CKA_TOKEN, &no, 1},
		{CKA_PRIVATE, &yes, 1}, {CKA_SIGN, &yes, 1}, {CKA_VERIFY, &yes, 1},
		{CKA_VALUE, (void *)value, 32}};

	return f->C_CreateObject(s, templ, NELEMS(templ), h);
}

/* ---- what all share ---- */
static bool
disturb(struct worker *w)
{
	uint64_t r = next_random(&w->seed);
	CK_SESSION_HANDLE s = shared[r % SHARED];
	CK_MECHANISM mac = {CKM_SHA256_HMAC, NULL, 0}, hash = {CKM_SHA256, NULL, 0};
	CK_OBJECT_HANDLE found[8];
	uint8_t out[32], in[40] = {0};
	CK_ULONG n = sizeof(out);

	switch (r >> 8 & 7) {
	case 0:
		return tolerable(w, "C_SignInit", f->C_SignInit(s, &mac, shared_key));
	case 1:
		return tolerable(w, "C_Sign", f->C_Sign(s, in, sizeof(in), out, &n));
	case 2:
		return tolerable(w, "C_SignUpdate", f->C_SignUpdate(s, in, sizeof(in)));
	case 3:
		return tolerable(w, "C_SignFinal", f->C_SignFinal(s, out, &n));
	case 4:
		return tolerable(w, "C_FindObjectsInit", f->C_FindObjectsInit(s, NULL, 0));
	case 5:
		return tolerable(w, "C_FindObjects", f->C_FindObjects(s, found, 8, &n));
	case 6:
		return tolerable(w, "C_FindObjectsFinal", f->C_FindObjectsFinal(s));
	default:
		return tolerable(w, "C_DigestInit", f->C_DigestInit(s, &hash)) &&
		       tolerable(w, "C_Digest", f->C_Digest(s, in, 40, out, &n));
	}
}

/* ---- what is its own ---- */
static bool
own_round(struct worker *w)
{
	CK_MECHANISM mac = {CKM_SHA256_HMAC, NULL, 0};
	uint8_t value[32], in[100], out[32], wanted[32];
	CK_ULONG n = sizeof(out), k = 1 + next_random(&w->seed) % sizeof(in);
	CK_SESSION_HANDLE s;
	CK_OBJECT_HANDLE h;
	bool ok;

	for (size_t i = 0; i < sizeof(in); i++)
		value[i % 32] = in[i] = (uint8_t)next_random(&w->seed);
	if (!must(w, "C_OpenSession",
		    f->C_OpenSession(
			    slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &s)))
		return false;
	ok = must(w, "C_CreateObject", add_key(s, value, &h)) &&
	     must(w, "C_SignInit", f->C_SignInit(s, &mac, h)) && disturb(w) &&
	     must(w, "C_SignUpdate", f->C_SignUpdate(s, in, k / 2)) && disturb(w) &&
	     must(w, "C_SignUpdate", f->C_SignUpdate(s, in + k / 2, k - k / 2)) &&
	     must(w, "C_SignFinal", f->C_SignFinal(s, out, &n)) &&
	     must(w, "C_VerifyInit", f->C_VerifyInit(s, &mac, h)) &&
	     must(w, "C_Verify", f->C_Verify(s, in, k, out, n));
	HMAC(EVP_sha256(), value, 32, in, k, wanted, NULL);
	if (ok && (n != 32 || memcmp(out, wanted, 32) != 0)) {
		snprintf(w->why, sizeof(w->why), "a MAC in a session of its own is another's");
		ok = false;
	}
	if (ok && next_random(&w->seed) % 2 == 0)
		ok = must(w, "C_DestroyObject", f->C_DestroyObject(s, h));
	return must(w, "C_CloseSession", f->C_CloseSession(s)) && ok;
}

static void *
work(void *arg)
{
	struct worker *w = arg;

	while (time(NULL) < until && own_round(w) && disturb(w))
		w->rounds++;
	return NULL;
}

static CK_ULONG
count_objects(CK_SESSION_HANDLE s)
{
	CK_OBJECT_HANDLE found[64];
	CK_ULONG n = 0;

	f->C_FindObjectsInit(s, NULL, 0);
	f->C_FindObjects(s, found, NELEMS(found), &n);
	f->C_FindObjectsFinal(s);
	return n;
}

/* All is as it was: as many sessions, as many objects. */
static unsigned
judge_end(CK_SESSION_HANDLE keeper, CK_ULONG objects)
{
	CK_TOKEN_INFO info;
	CK_ULONG n = count_objects(keeper);

	if (f->C_GetTokenInfo(slot, &info) != CKR_OK || info.ulSessionCount != SHARED + 1) {
		printf("threads: %lu sessions are left, not %d\n", info.ulSessionCount,
			SHARED + 1);
		return 1;
	}
	if (n != objects)
		printf("threads: %lu objects are left, not %lu\n", n, objects);
	return n != objects;
}

unsigned
threads_run(unsigned seconds, unsigned n, uint64_t seed)
{
	static const uint8_t value[32] = {7};
	struct worker workers[16] = {0};
	CK_SESSION_HANDLE keeper;
	unsigned bad = 0;
	unsigned long rounds = 0;
	CK_ULONG objects;

	if (seconds == 0)
		return 0;
	until = time(NULL) + seconds;
	f->C_CloseAllSessions(slot);
	if (f->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &keeper) !=
			CKR_OK ||
		f->C_Login(keeper, CKU_USER, (CK_UTF8CHAR *)user_pin, strlen(user_pin)) !=
			CKR_OK ||
		add_key(keeper, value, &shared_key) != CKR_OK)
		return 1;
	objects = count_objects(keeper);
	for (size_t i = 0; i < SHARED; i++)
		if (f->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL,
			    &shared[i]) != CKR_OK)
			return 1;
	for (unsigned i = 0; i < n; i++) {
		workers[i].number = i;
		workers[i].seed = seed + i;
		pthread_create(&workers[i].thread, NULL, work, &workers[i]);
	}
	for (unsigned i = 0; i < n; i++) {
		pthread_join(workers[i].thread, NULL);
		rounds += workers[i].rounds;
		if (workers[i].why[0] != 0)
			printf("thread %u: %s\n", i, workers[i].why), bad++;
	}
	printf("threads: %u with %lu rounds\n", n, rounds);
	return bad + judge_end(keeper, objects);
}
