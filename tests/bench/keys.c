/*
 * keys.c - the objects of the bench: one key of each kind, and as many secret keys as a row asks for
 */
#include "client.h"
#include "lane.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define THREADS_MAX 16
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
static CK_ULONG rsa_bits = 2048, secret_len = 32;
static CK_BYTE p256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
static CK_BYTE ed25519[] = {0x06, 0x03, 0x2b, 0x65, 0x70};

/* A pair whose private half signs; `what` is the attribute that chooses size or curve. */
static bool
make_pair(CK_SESSION_HANDLE s, CK_MECHANISM_TYPE type, CK_ATTRIBUTE what, const char *id,
	CK_OBJECT_HANDLE *public, CK_OBJECT_HANDLE *private)
{
	CK_MECHANISM m = {type, NULL, 0};
	CK_ATTRIBUTE pub[] = {
		{CKA_TOKEN, &yes, sizeof(yes)},
		{CKA_PRIVATE, &no, sizeof(no)},
		{CKA_VERIFY, &yes, sizeof(yes)},
		{CKA_ID, (void *)id, strlen(id)},
		what,
	};
	CK_ATTRIBUTE priv[] = {
		{CKA_TOKEN, &yes, sizeof(yes)},
		{CKA_PRIVATE, &yes, sizeof(yes)},
		{CKA_SENSITIVE, &yes, sizeof(yes)},
		{CKA_SIGN, &yes, sizeof(yes)},
		{CKA_ID, (void *)id, strlen(id)},
	};

	return client_ok(p11->C_GenerateKeyPair(s, &m, pub, COUNT(pub), priv, COUNT(priv), public,
				 private), "C_GenerateKeyPair");
}

bool
client_ec_pair(CK_SESSION_HANDLE s, const char *id, CK_OBJECT_HANDLE *public, CK_OBJECT_HANDLE *private)
{
	return make_pair(s, CKM_EC_KEY_PAIR_GEN, (CK_ATTRIBUTE){CKA_EC_PARAMS, p256, sizeof(p256)}, id,
		public, private);
}

static bool
make_secret(CK_SESSION_HANDLE s, CK_MECHANISM_TYPE type, CK_ATTRIBUTE_TYPE usage, const char *id)
{
	CK_MECHANISM m = {type, NULL, 0};
	CK_OBJECT_HANDLE h;
	CK_ATTRIBUTE t[] = {
		{CKA_TOKEN, &yes, sizeof(yes)},
		{CKA_PRIVATE, &yes, sizeof(yes)},
		{CKA_SENSITIVE, &yes, sizeof(yes)},
		{CKA_VALUE_LEN, &secret_len, sizeof(secret_len)},
		{usage, &yes, sizeof(yes)},
		{CKA_ID, (void *)id, strlen(id)},
	};

	return client_ok(p11->C_GenerateKey(s, &m, t, COUNT(t), &h), "C_GenerateKey");
}

bool
client_make_keys(void)
{
	CK_OBJECT_HANDLE a, b;
	CK_SESSION_HANDLE s;
	bool ok;

	ok = client_open() && client_session(&s) &&
	     make_pair(s, CKM_RSA_PKCS_KEY_PAIR_GEN,
		     (CK_ATTRIBUTE){CKA_MODULUS_BITS, &rsa_bits, sizeof(rsa_bits)}, "rsa", &a, &b) &&
	     client_ec_pair(s, "p256", &a, &b) &&
	     make_pair(s, CKM_EC_EDWARDS_KEY_PAIR_GEN,
		     (CK_ATTRIBUTE){CKA_EC_PARAMS, ed25519, sizeof(ed25519)}, "ed25519", &a, &b) &&
	     make_secret(s, CKM_AES_KEY_GEN, CKA_ENCRYPT, "aes") &&
	     make_secret(s, CKM_GENERIC_SECRET_KEY_GEN, CKA_SIGN, "hmac");
	client_close();
	return ok;
}

struct filler {
	atomic_ulong next, made;
	atomic_bool failed;
	double until;
};

/* The lowest numbers are given out first and every thread ends the one it has begun: no gaps. */
static void *
fill(void *arg)
{
	CK_OBJECT_CLASS class = CKO_SECRET_KEY;
	CK_KEY_TYPE type = CKK_GENERIC_SECRET;
	CK_BYTE value[32] = {0};
	char id[32];
	CK_ATTRIBUTE t[] = {
		{CKA_CLASS, &class, sizeof(class)},
		{CKA_KEY_TYPE, &type, sizeof(type)},
		{CKA_TOKEN, &yes, sizeof(yes)},
		{CKA_PRIVATE, &yes, sizeof(yes)},
		{CKA_SENSITIVE, &yes, sizeof(yes)},
		{CKA_VALUE, value, sizeof(value)},
		{CKA_ID, id, 0},
	};
	struct filler *f = arg;
	CK_OBJECT_HANDLE h;
	CK_SESSION_HANDLE s;
	bool ok = client_session(&s);

	while (ok && !f->failed && lane_now() < f->until) {
		unsigned long i = atomic_fetch_add(&f->next, 1);

		if (i >= client_options.objects)
			break;
		t[6].ulValueLen = (CK_ULONG)snprintf(id, sizeof(id), "fill-%lu", i);
		memcpy(value, &i, sizeof(i));
		ok = client_ok(p11->C_CreateObject(s, t, COUNT(t), &h), "C_CreateObject");
		f->made += ok;
	}
	if (!ok)
		f->failed = true;
	return NULL;
}

bool
client_fill(unsigned threads, double seconds, unsigned long *made)
{
	struct filler f = {.until = lane_now() + seconds};
	pthread_t thread[THREADS_MAX];
	unsigned n = 0;
	bool ok = client_open();

	if (threads > THREADS_MAX)
		threads = THREADS_MAX;
	while (ok && n < threads && pthread_create(&thread[n], NULL, fill, &f) == 0)
		n++;
	ok = ok && n == threads;
	for (unsigned i = 0; i < n; i++)
		pthread_join(thread[i], NULL);
	client_close();
	*made = f.made;
	return ok && !f.failed;
}
