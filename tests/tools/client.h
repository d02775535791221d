/*
 * client.h - what the tests' small PKCS#11 applications share: the module, a session, a few objects
 *
 * They load the module as any application does, by dlopen, and know nothing of tokenfs.
 *
 * Use:        client_load(path); client_begin(label, pin); f->C_...; client_end()
 * Errors:     NEED() ends the program with the failed call and its value; else a CK_RV is returned.
 */
#ifndef TOKENFS_TEST_CLIENT_H
#define TOKENFS_TEST_CLIENT_H

#include <dlfcn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <p11-kit/pkcs11.h>

static CK_FUNCTION_LIST *f;
static CK_SESSION_HANDLE session;

#define NEED(call)                                                                              \
	do {                                                                                    \
		CK_RV need_rv = (call);                                                         \
		if (need_rv != CKR_OK) {                                                        \
			fprintf(stderr, "%s:%d: %s gave 0x%lx\n", __FILE__, __LINE__, #call,    \
				need_rv);                                                       \
			exit(1);                                                                \
		}                                                                               \
	} while (0)

#define ATTR_OF(type, value) {type, &(value), sizeof(value)}

static inline double
client_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static inline void
client_load_as(const char *path, int flags)
{
	void *module = dlopen(path, flags);
	CK_C_GetFunctionList get;

	if (module == NULL) {
		fprintf(stderr, "%s\n", dlerror());
		exit(1);
	}
	*(void **)&get = dlsym(module, "C_GetFunctionList");
	if (get == NULL || get(&f) != CKR_OK) {
		fprintf(stderr, "%s: no C_GetFunctionList\n", path);
		exit(1);
	}
}

static inline void
client_load(const char *path)
{
	client_load_as(path, RTLD_NOW);
}

/* The slot whose token has the label. */
static inline CK_RV
client_slot(const char *label, CK_SLOT_ID *slot)
{
	CK_SLOT_ID slots[64];
	CK_ULONG n = 64;
	CK_TOKEN_INFO info;
	CK_RV rv = f->C_GetSlotList(CK_TRUE, slots, &n);

	for (CK_ULONG i = 0; rv == CKR_OK && i < n; i++) {
		if (f->C_GetTokenInfo(slots[i], &info) == CKR_OK &&
			strncmp((char *)info.label, label, strlen(label)) == 0 &&
			info.label[strlen(label)] == ' ') {
			*slot = slots[i];
			return CKR_OK;
		}
	}
	return rv == CKR_OK ? CKR_TOKEN_NOT_PRESENT : rv;
}

/* A read-write session on the token, logged in if there is a PIN. */
static inline CK_RV
client_open(const char *label, const char *pin)
{
	CK_SLOT_ID slot;
	CK_RV rv = client_slot(label, &slot);

	if (rv == CKR_OK)
		rv = f->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &session);
	if (rv == CKR_OK && pin != NULL && *pin != '\0')
		rv = f->C_Login(session, CKU_USER, (CK_UTF8CHAR *)pin, strlen(pin));
	return rv;
}

static inline CK_RV
client_begin(const char *label, const char *pin)
{
	CK_C_INITIALIZE_ARGS args = {.flags = CKF_OS_LOCKING_OK};
	CK_RV rv = f->C_Initialize(&args);

	return rv == CKR_OK ? client_open(label, pin) : rv;
}

static inline void
client_end(void)
{
	f->C_Finalize(NULL);
}

/* A P-256 pair for signing; both halves have the label as their CKA_ID, too. */
static inline CK_RV
client_pair(const char *label, CK_OBJECT_HANDLE *pub, CK_OBJECT_HANDLE *priv)
{
	static CK_BYTE p256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
	CK_MECHANISM mech = {CKM_EC_KEY_PAIR_GEN, NULL, 0};
	CK_BBOOL yes = CK_TRUE;
	CK_ATTRIBUTE pub_templ[] = {ATTR_OF(CKA_EC_PARAMS, p256), ATTR_OF(CKA_TOKEN, yes), ATTR_OF(CKA_VERIFY, yes),
		{CKA_LABEL, (void *)label, strlen(label)}, {CKA_ID, (void *)label, strlen(label)}};
	CK_ATTRIBUTE priv_templ[] = {ATTR_OF(CKA_TOKEN, yes), ATTR_OF(CKA_PRIVATE, yes), ATTR_OF(CKA_SIGN, yes),
		{CKA_LABEL, (void *)label, strlen(label)}, {CKA_ID, (void *)label, strlen(label)}};

	return f->C_GenerateKeyPair(session, &mech, pub_templ, 5, priv_templ, 5, pub, priv);
}

static inline CK_RV
client_sign(CK_OBJECT_HANDLE key, CK_BYTE out[64])
{
	CK_MECHANISM mech = {CKM_ECDSA, NULL, 0};
	CK_BYTE hash[32] = "thirty-two bytes to be signed...";
	CK_ULONG len = 64;
	CK_RV rv = f->C_SignInit(session, &mech, key);

	return rv == CKR_OK ? f->C_Sign(session, hash, sizeof(hash), out, &len) : rv;
}

static inline CK_RV
client_verify(CK_OBJECT_HANDLE key, CK_BYTE signature[64])
{
	CK_MECHANISM mech = {CKM_ECDSA, NULL, 0};
	CK_BYTE hash[32] = "thirty-two bytes to be signed...";
	CK_RV rv = f->C_VerifyInit(session, &mech, key);

	return rv == CKR_OK ? f->C_Verify(session, hash, sizeof(hash), signature, 64) : rv;
}

/* Handles of what matches, at most max; *n is how many were found. */
static inline CK_RV
client_find(CK_ATTRIBUTE *templ, CK_ULONG count, CK_OBJECT_HANDLE *found, CK_ULONG max, CK_ULONG *n)
{
	CK_ULONG more = 0;
	CK_RV rv = f->C_FindObjectsInit(session, templ, count);

	*n = 0;
	if (rv != CKR_OK)
		return rv;
	do {
		rv = f->C_FindObjects(session, found + *n, max - *n, &more);
		*n += more;
	} while (rv == CKR_OK && more > 0 && *n < max);
	f->C_FindObjectsFinal(session);
	return rv;
}

static inline CK_RV
client_find_label(const char *label, CK_OBJECT_HANDLE *found, CK_ULONG max, CK_ULONG *n)
{
	CK_ATTRIBUTE templ = {CKA_LABEL, (void *)label, strlen(label)};

	return client_find(&templ, 1, found, max, n);
}

#endif
