/*
 * works.c - the rows of the bench as PKCS#11 calls: one line in the table for each
 */
#include "works.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KIB 1024
#define MIB (1024 * 1024)
#define PAIRS_MAX 65536

struct desk {
	CK_SESSION_HANDLE s;
	CK_OBJECT_HANDLE key;
	CK_MECHANISM m;
	CK_GCM_PARAMS gcm;
	CK_BYTE iv[12];
	CK_ULONG in_len, out_len;
	CK_BYTE *in, *out;
	CK_OBJECT_HANDLE *made;
	unsigned n_made;
};

static bool
desk_begin(struct lane *l, CK_ULONG in_len, CK_ULONG out_len)
{
	struct desk *d = calloc(1, sizeof(*d));

	l->own = d;
	if (d == NULL)
		return false;
	d->in_len = in_len;
	d->out_len = out_len;
	d->in = calloc(1, in_len);
	d->out = calloc(1, out_len);
	return d->in != NULL && d->out != NULL && client_session(&d->s);
}

static void
desk_end(struct lane *l)
{
	struct desk *d = l->own;

	if (d == NULL)
		return;
	for (unsigned i = 0; i < d->n_made; i++)
		client_ok(p11->C_DestroyObject(d->s, d->made[i]), "C_DestroyObject");
	free(d->made);
	free(d->in);
	free(d->out);
	free(d);
}

static bool
sign_begin(struct lane *l, CK_OBJECT_CLASS class, const char *id, CK_MECHANISM_TYPE m, CK_ULONG in_len,
	CK_ULONG out_len)
{
	struct desk *d;

	if (!desk_begin(l, in_len, out_len))
		return false;
	d = l->own;
	d->m.mechanism = m;
	return client_find(d->s, class, id, &d->key);
}

static bool
rsa_begin(struct lane *l)
{
	return sign_begin(l, CKO_PRIVATE_KEY, "rsa", CKM_SHA256_RSA_PKCS, 32, 256);
}

static bool
p256_begin(struct lane *l)
{
	return sign_begin(l, CKO_PRIVATE_KEY, "p256", CKM_ECDSA, 32, 64);
}

static bool
ed25519_begin(struct lane *l)
{
	return sign_begin(l, CKO_PRIVATE_KEY, "ed25519", CKM_EDDSA, 32, 64);
}

static bool
hmac_begin(struct lane *l)
{
	return sign_begin(l, CKO_SECRET_KEY, "hmac", CKM_SHA256_HMAC, 64, 32);
}

static bool
sign_step(struct lane *l)
{
	struct desk *d = l->own;
	CK_ULONG n = d->out_len;

	memcpy(d->in, &l->done, sizeof(l->done));
	return client_ok(p11->C_SignInit(d->s, &d->m, d->key), "C_SignInit") &&
	       client_ok(p11->C_Sign(d->s, d->in, d->in_len, d->out, &n), "C_Sign");
}

static bool
gcm_begin(struct lane *l, CK_ULONG in_len)
{
	struct desk *d;

	if (!sign_begin(l, CKO_SECRET_KEY, "aes", CKM_AES_GCM, in_len, in_len + 16))
		return false;
	d = l->own;
	d->gcm = (CK_GCM_PARAMS){d->iv, sizeof(d->iv), 8 * sizeof(d->iv), NULL, 0, 128};
	d->m.pParameter = &d->gcm;
	d->m.ulParameterLen = sizeof(d->gcm);
	return true;
}

static bool
gcm_1k_begin(struct lane *l)
{
	return gcm_begin(l, KIB);
}

static bool
gcm_1m_begin(struct lane *l)
{
	return gcm_begin(l, MIB);
}

static bool
gcm_step(struct lane *l)
{
	struct desk *d = l->own;
	CK_ULONG n = d->out_len;

	memcpy(d->iv, &l->done, sizeof(l->done));
	return client_ok(p11->C_EncryptInit(d->s, &d->m, d->key), "C_EncryptInit") &&
	       client_ok(p11->C_Encrypt(d->s, d->in, d->in_len, d->out, &n), "C_Encrypt");
}

static bool
call_begin(struct lane *l)
{
	return desk_begin(l, 1, 1);
}

/* The shortest call there is: what a round trip to the token costs. */
static bool
call_step(struct lane *l)
{
	struct desk *d = l->own;
	CK_SESSION_INFO info;

	return client_ok(p11->C_GetSessionInfo(d->s, &info), "C_GetSessionInfo");
}

/* By CKA_ID alone, as many applications do, and until the search says that there is no more. */
static bool
find_step(struct lane *l)
{
	struct desk *d = l->own;
	CK_OBJECT_HANDLE h[4];
	CK_ULONG n = 0;
	char id[32];
	CK_ATTRIBUTE t = {CKA_ID, id, 0};

	t.ulValueLen = (CK_ULONG)snprintf(id, sizeof(id), "fill-%lu",
		lane_random(l, client_options.objects));
	if (!client_ok(p11->C_FindObjectsInit(d->s, &t, 1), "C_FindObjectsInit") ||
		!client_ok(p11->C_FindObjects(d->s, h, 4, &n), "C_FindObjects") ||
		!client_ok(p11->C_FindObjectsFinal(d->s), "C_FindObjectsFinal"))
		return false;
	if (n != 1)
		fprintf(stderr, "%s: %lu objects with the id %s\n", client_options.module, n, id);
	return n == 1;
}

static bool
pair_begin(struct lane *l)
{
	struct desk *d;

	if (!desk_begin(l, 1, 1))
		return false;
	d = l->own;
	d->made = calloc(PAIRS_MAX, sizeof(*d->made));
	return d->made != NULL;
}

/* What is made here is destroyed at the end, so that the token keeps its size. */
static bool
pair_step(struct lane *l)
{
	struct desk *d = l->own;

	if (d->n_made + 2 > PAIRS_MAX) {
		fprintf(stderr, "more than %d objects made\n", PAIRS_MAX);
		return false;
	}
	if (!client_ec_pair(d->s, "pair", &d->made[d->n_made], &d->made[d->n_made + 1]))
		return false;
	d->n_made += 2;
	return true;
}

static bool
login_step(struct lane *l)
{
	struct desk *d = l->own;

	return client_login(d->s) && client_ok(p11->C_Logout(d->s), "C_Logout");
}

/* name, what a step counts for, steps between two looks at the clock */
static const struct lane_work works[] = {
	{"call", 1, 64, call_begin, call_step, desk_end},
	{"rsa", 1, 1, rsa_begin, sign_step, desk_end},
	{"p256", 1, 8, p256_begin, sign_step, desk_end},
	{"ed25519", 1, 8, ed25519_begin, sign_step, desk_end},
	{"hmac", 1, 16, hmac_begin, sign_step, desk_end},
	{"gcm-1k", 1, 16, gcm_1k_begin, gcm_step, desk_end},
	{"gcm-1m", MIB / 1e6, 1, gcm_1m_begin, gcm_step, desk_end},
	{"find", 1, 1, call_begin, find_step, desk_end},
	{"pair", 1, 1, pair_begin, pair_step, desk_end},
	{"login", 1, 1, call_begin, login_step, desk_end},
};

const struct lane_work *
works_find(const char *name)
{
	for (size_t i = 0; i < sizeof(works) / sizeof(works[0]); i++) {
		if (strcmp(works[i].name, name) == 0)
			return &works[i];
	}
	return NULL;
}

bool
works_open(const struct lane_work *w)
{
	return w->step == login_step ? client_load() : client_open();
}
