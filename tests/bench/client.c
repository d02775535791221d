#include "client.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#define SLOTS_MAX 64

struct client_options client_options;
CK_FUNCTION_LIST *p11;

static void *library;
static CK_SLOT_ID slot;
static CK_SESSION_HANDLE held = CK_INVALID_HANDLE; /* an application without sessions is logged out */

bool
client_ok(CK_RV rv, const char *call)
{
	if (rv != CKR_OK)
		fprintf(stderr, "%s: %s: 0x%lx\n", client_options.module, call, rv);
	return rv == CKR_OK;
}

static bool
initialize(void)
{
	CK_C_INITIALIZE_ARGS args = {.flags = CKF_OS_LOCKING_OK};
	CK_RV (*get)(CK_FUNCTION_LIST **);

	library = dlopen(client_options.module, RTLD_NOW);
	if (library == NULL) {
		fprintf(stderr, "%s\n", dlerror());
		return false;
	}
	*(void **)&get = dlsym(library, "C_GetFunctionList");
	if (get == NULL) {
		fprintf(stderr, "%s is not a PKCS#11 module\n", client_options.module);
		return false;
	}
	return client_ok(get(&p11), "C_GetFunctionList") &&
	       client_ok(p11->C_Initialize(&args), "C_Initialize");
}

/* The first slot whose token has all flags in `has` and none in `lacks`, and this label (NULL: any). */
static bool
find_slot(const char *label, CK_FLAGS has, CK_FLAGS lacks)
{
	CK_SLOT_ID slots[SLOTS_MAX];
	CK_ULONG n = SLOTS_MAX;
	CK_TOKEN_INFO info;

	if (!client_ok(p11->C_GetSlotList(CK_TRUE, slots, &n), "C_GetSlotList"))
		return false;
	for (CK_ULONG i = 0; i < n; i++) {
		if (p11->C_GetTokenInfo(slots[i], &info) != CKR_OK)
			continue;
		if ((info.flags & has) != has || (info.flags & lacks) != 0)
			continue;
		if (label != NULL && memcmp(info.label, label, strlen(label)) != 0)
			continue;
		slot = slots[i];
		return true;
	}
	fprintf(stderr, "%s has no such token\n", client_options.module);
	return false;
}

bool
client_load(void)
{
	return initialize() && find_slot(CLIENT_LABEL, CKF_TOKEN_INITIALIZED, 0);
}

bool
client_session(CK_SESSION_HANDLE *s)
{
	return client_ok(p11->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, s),
		"C_OpenSession");
}

bool
client_login(CK_SESSION_HANDLE s)
{
	const char *pin = client_options.pin;

	return client_ok(p11->C_Login(s, CKU_USER, (CK_UTF8CHAR *)pin, pin == NULL ? 0 : strlen(pin)),
		"C_Login");
}

bool
client_open(void)
{
	return client_load() && client_session(&held) && client_login(held);
}

void
client_close(void)
{
	if (library == NULL)
		return;
	if (p11 != NULL)
		p11->C_Finalize(NULL);
	dlclose(library);
	library = NULL;
	p11 = NULL;
}

bool
client_find(CK_SESSION_HANDLE s, CK_OBJECT_CLASS class, const char *id, CK_OBJECT_HANDLE *h)
{
	CK_ATTRIBUTE t[] = {
		{CKA_ID, (void *)id, strlen(id)},
		{CKA_CLASS, &class, sizeof(class)},
	};
	CK_ULONG n = 0;

	if (!client_ok(p11->C_FindObjectsInit(s, t, 2), "C_FindObjectsInit") ||
		!client_ok(p11->C_FindObjects(s, h, 1, &n), "C_FindObjects") ||
		!client_ok(p11->C_FindObjectsFinal(s), "C_FindObjectsFinal"))
		return false;
	if (n == 0)
		fprintf(stderr, "%s: no object with the id %s\n", client_options.module, id);
	return n == 1;
}

bool
client_init_token(void)
{
	CK_UTF8CHAR label[32];
	CK_SESSION_HANDLE s;
	size_t so = strlen(CLIENT_SO_PIN);
	bool ok;

	memset(label, ' ', sizeof(label));
	memcpy(label, CLIENT_LABEL, strlen(CLIENT_LABEL));
	ok = initialize() && find_slot(NULL, 0, CKF_TOKEN_INITIALIZED) &&
	     client_ok(p11->C_InitToken(slot, (CK_UTF8CHAR *)CLIENT_SO_PIN, so, label), "C_InitToken") &&
	     find_slot(CLIENT_LABEL, CKF_TOKEN_INITIALIZED, 0) && client_session(&s) &&
	     client_ok(p11->C_Login(s, CKU_SO, (CK_UTF8CHAR *)CLIENT_SO_PIN, so), "C_Login") &&
	     client_ok(p11->C_InitPIN(s, (CK_UTF8CHAR *)client_options.pin, strlen(client_options.pin)),
		     "C_InitPIN");
	client_close();
	return ok;
}
