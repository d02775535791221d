/*
 * semantics.h - what the checks of semantics.c and its parts share
 *
 * Use:        a check is a row {name, function}; it says WANT(code, call) and CHECK(condition)
 * Errors:     each one that is not as it should be is a line of output; the program then ends with 1.
 */
#ifndef TOKENFS_TEST_SEMANTICS_H
#define TOKENFS_TEST_SEMANTICS_H

#include "client.h"

static const char *sem_module, *sem_label, *sem_pin, *sem_so_pin;
static int sem_failed;

/* The call gives this code and no other. */
#define WANT(code, call)                                                                        \
	do {                                                                                    \
		CK_RV want_rv = (call);                                                         \
		if (want_rv != (code)) {                                                        \
			printf("%s:%d: %s gave 0x%lx, not %s\n", __FILE__, __LINE__, #call,     \
				want_rv, #code);                                                \
			sem_failed = 1;                                                         \
		}                                                                               \
	} while (0)
#define CHECK(condition)                                                                        \
	do {                                                                                    \
		if (!(condition)) {                                                             \
			printf("%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);          \
			sem_failed = 1;                                                         \
		}                                                                               \
	} while (0)

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct check {
	const char *name;
	void (*run)(void);
};

static CK_BBOOL yes = CK_TRUE, no = CK_FALSE;

static inline CK_RV
login(CK_USER_TYPE user, const char *pin)
{
	return f->C_Login(session, user, (CK_UTF8CHAR *)pin, strlen(pin));
}

/* An AES key of the session with these usages (a list that ends with 0). */
static inline CK_OBJECT_HANDLE
aes_key(CK_ULONG len, const CK_ATTRIBUTE_TYPE *usages, CK_BBOOL *extractable)
{
	CK_MECHANISM gen = {CKM_AES_KEY_GEN, NULL, 0};
	CK_ATTRIBUTE t[12] = {ATTR_OF(CKA_VALUE_LEN, len), {CKA_EXTRACTABLE, extractable, 1}};
	CK_OBJECT_HANDLE key = 0;
	CK_ULONG n = 2;

	for (; *usages != 0; usages++)
		t[n++] = (CK_ATTRIBUTE){*usages, &yes, 1};
	NEED(f->C_GenerateKey(session, &gen, t, n, &key));
	return key;
}

static inline CK_OBJECT_HANDLE
data_object(CK_SESSION_HANDLE s, const char *label, CK_BBOOL *token, CK_BBOOL *private)
{
	CK_OBJECT_CLASS class = CKO_DATA;
	CK_ATTRIBUTE t[] = {ATTR_OF(CKA_CLASS, class), {CKA_TOKEN, token, 1}, {CKA_PRIVATE, private, 1},
		{CKA_LABEL, (void *)label, strlen(label)}, {CKA_VALUE, (void *)"content", 7}};
	CK_OBJECT_HANDLE o = 0;

	NEED(f->C_CreateObject(s, t, COUNT(t), &o));
	return o;
}

/* How many objects the session sees under a label. */
static inline CK_ULONG
count_label(const char *label)
{
	CK_OBJECT_HANDLE found[64];
	CK_ULONG n = 0;

	NEED(client_find_label(label, found, 64, &n));
	return n;
}

/* The slot without a token that is initialised; CK_UNAVAILABLE_INFORMATION: none. *n: how many there are. */
static inline CK_SLOT_ID
spare_slot(CK_ULONG *n)
{
	CK_SLOT_ID slots[64], spare = CK_UNAVAILABLE_INFORMATION;
	CK_ULONG count = 64;
	CK_TOKEN_INFO info;

	*n = 0;
	NEED(f->C_GetSlotList(CK_TRUE, slots, &count));
	for (CK_ULONG i = 0; i < count; i++) {
		NEED(f->C_GetTokenInfo(slots[i], &info));
		if (!(info.flags & CKF_TOKEN_INITIALIZED)) {
			spare = slots[i];
			++*n;
		}
	}
	return spare;
}

static inline void
padded(CK_UTF8CHAR out[32], const char *text)
{
	memset(out, ' ', 32);
	memcpy(out, text, strlen(text));
}

#endif
