/*
 * bench_op.c - operations per second of op.h alone, beside raw OpenSSL with a prepared context
 *
 * One thread; op_begin, op_once and op_end each time, as a C_SignInit and C_Sign do. Prints a table. The two
 * sides take turns, five rounds of 0.3 s each, and the median round counts.
 */
#include <openssl/core_names.h>
#include <openssl/rsa.h>
#include <time.h>

#include "tests/unit/crypto_help.h"

#define ROUNDS 5

static uint8_t data[1 << 20], out[(1 << 20) + 64];

struct work {
	const char *name;
	/* ours */
	enum op_kind kind;
	CK_MECHANISM m;
	struct object *key;
	/* raw */
	void (*raw)(struct work *w);
	EVP_PKEY_CTX *pctx;
	EVP_CIPHER_CTX *cctx;
	EVP_MD_CTX *dctx;
	EVP_MAC_CTX *mac;
	size_t n;
};

static void
ours(struct work *w)
{
	size_t len = sizeof(out);

	if (once(w->kind, &w->m, w->key, data, w->n, out, &len) != CKR_OK)
		abort();
}

static void
raw_sign(struct work *w)
{
	size_t len = sizeof(out);

	if (EVP_PKEY_sign(w->pctx, out, &len, data, w->n) != 1)
		abort();
}

static void
raw_eddsa(struct work *w)
{
	size_t len = sizeof(out);

	if (EVP_DigestSignInit_ex(w->dctx, NULL, NULL, NULL, NULL, NULL, NULL) != 1 ||
		EVP_DigestSign(w->dctx, out, &len, data, w->n) != 1)
		abort();
}

static void
raw_gcm(struct work *w)
{
	int a, b;

	if (EVP_EncryptInit_ex2(w->cctx, NULL, NULL, data, NULL) != 1 ||
		EVP_EncryptUpdate(w->cctx, out, &a, data, (int)w->n) != 1 ||
		EVP_EncryptFinal_ex(w->cctx, out + a, &b) != 1 ||
		EVP_CIPHER_CTX_ctrl(w->cctx, EVP_CTRL_GCM_GET_TAG, 16, out + a + b) != 1)
		abort();
}

static void
raw_mac(struct work *w)
{
	size_t len;

	if (EVP_MAC_init(w->mac, NULL, 0, NULL) != 1 || EVP_MAC_update(w->mac, data, w->n) != 1 ||
		EVP_MAC_final(w->mac, out, &len, sizeof(out)) != 1)
		abort();
}

static double
rate(struct work *w, void (*f)(struct work *))
{
	struct timespec from, now;
	double t;
	long n = 0;

	clock_gettime(CLOCK_MONOTONIC, &from);
	do {
		for (int i = 0; i < 50; i++, n++)
			f(w);
		clock_gettime(CLOCK_MONOTONIC, &now);
		t = (double)(now.tv_sec - from.tv_sec) + (double)(now.tv_nsec - from.tv_nsec) / 1e9;
	} while (t < 0.3);
	return (double)n / t;
}

static int
by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void
measure(struct work *w)
{
	double o[ROUNDS], r[ROUNDS];

	for (int i = 0; i < ROUNDS; i++) {
		o[i] = rate(w, ours);
		r[i] = w->raw != NULL ? rate(w, w->raw) : 0;
	}
	qsort(o, ROUNDS, sizeof(o[0]), by_size);
	qsort(r, ROUNDS, sizeof(r[0]), by_size);
	printf("%-26s %12.0f %12.0f", w->name, o[ROUNDS / 2], r[ROUNDS / 2]);
	if (w->raw != NULL)
		printf(" %8.2f", o[ROUNDS / 2] / r[ROUNDS / 2]);
	printf("\n");
}

static EVP_PKEY_CTX *
signer(struct object *o, int padding)
{
	EVP_PKEY_CTX *x = EVP_PKEY_CTX_new(openssl_private(o), NULL);

	if (EVP_PKEY_sign_init(x) != 1 || (padding != 0 && EVP_PKEY_CTX_set_rsa_padding(x, padding) != 1))
		abort();
	return x;
}

int
main(void)
{
	const struct curve *p256 = curve_of_group("prime256v1"), *ed = curve_of_group("ED25519");
	struct object *rsa, *ec, *edwards, *pub, *aes, *mac;
	CK_GCM_PARAMS gcm = {.pIv = data, .ulIvLen = 12, .ulTagBits = 128};
	struct work w;

	if (secret_start() != CKR_OK || make_pair(CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0, 2048, &pub, &rsa) != CKR_OK ||
		make_pair(CKM_EC_KEY_PAIR_GEN, p256->oid, p256->oid_len, 0, &pub, &ec) != CKR_OK ||
		make_pair(CKM_EDDSA, ed->oid, ed->oid_len, 0, &pub, &edwards) != CKR_OK)
		return 1;
	aes = secret_object(CKK_AES, data, 16);
	mac = secret_object(CKK_GENERIC_SECRET, data, 32);
	printf("%-26s %12s %12s %8s\n", "per second", "op", "raw", "op/raw");

	w = (struct work){"RSA-2048 PKCS#1 sign", OP_SIGN, {CKM_RSA_PKCS, NULL, 0}, rsa, raw_sign, .n = 51};
	w.pctx = signer(rsa, RSA_PKCS1_PADDING);
	measure(&w);
	w = (struct work){"P-256 ECDSA sign", OP_SIGN, {CKM_ECDSA, NULL, 0}, ec, raw_sign, .n = 32};
	w.pctx = signer(ec, 0);
	measure(&w);
	w = (struct work){"P-256 ECDSA-SHA256 sign", OP_SIGN, {CKM_ECDSA_SHA256, NULL, 0}, ec, NULL, .n = 64};
	measure(&w);
	w = (struct work){"Ed25519 sign", OP_SIGN, {CKM_EDDSA, NULL, 0}, edwards, raw_eddsa, .n = 64};
	w.dctx = EVP_MD_CTX_new();
	EVP_DigestSignInit_ex(w.dctx, NULL, NULL, NULL, NULL, openssl_private(edwards), NULL);
	measure(&w);
	w = (struct work){"AES-128-GCM 1 KiB", OP_ENCRYPT, {CKM_AES_GCM, &gcm, sizeof(gcm)}, aes, raw_gcm, .n = 1024};
	w.cctx = EVP_CIPHER_CTX_new();
	EVP_EncryptInit_ex(w.cctx, EVP_aes_128_gcm(), NULL, data, data);
	measure(&w);
	w.name = "AES-128-GCM 1 MiB";
	w.n = 1 << 20;
	measure(&w);
	w = (struct work){"HMAC-SHA256 64 B", OP_SIGN, {CKM_SHA256_HMAC, NULL, 0}, mac, raw_mac, .n = 64};
	w.mac = EVP_MAC_CTX_new(EVP_MAC_fetch(NULL, "HMAC", NULL));
	EVP_MAC_init(w.mac, data, 32, (OSSL_PARAM[]){OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST,
		(char *)"SHA256", 0), OSSL_PARAM_construct_end()});
	measure(&w);
	w = (struct work){"SHA-256 64 B", OP_DIGEST, {CKM_SHA256, NULL, 0}, NULL, NULL, .n = 64};
	measure(&w);
	return unit_failed != 0;
}
