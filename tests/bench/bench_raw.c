/*
 * bench_raw.c - the same works with OpenSSL alone, keys parsed once and contexts reused: the limit
 */
#include "lane.h"

#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#define KIB 1024
#define MIB (1024 * 1024)

/* What a lane needs; each work uses its part. */
struct raw {
	EVP_PKEY *pkey;
	EVP_PKEY_CTX *pctx;
	EVP_MD_CTX *md;
	EVP_MAC *mac;
	EVP_MAC_CTX *mac_ctx;
	EVP_CIPHER *cipher;
	EVP_CIPHER_CTX *cipher_ctx;
	unsigned char *in, *out;
	int in_len;
	int dir;
};

static bool
raw_begin(struct lane *l, int in_len)
{
	struct raw *r = calloc(1, sizeof(*r));

	l->own = r;
	if (r == NULL)
		return false;
	r->dir = -1;
	r->in_len = in_len;
	r->in = calloc(1, (size_t)in_len);
	r->out = calloc(1, (size_t)in_len + KIB);
	return r->in != NULL && r->out != NULL;
}

static void
raw_end(struct lane *l)
{
	struct raw *r = l->own;

	if (r == NULL)
		return;
	EVP_PKEY_CTX_free(r->pctx);
	EVP_MD_CTX_free(r->md);
	EVP_MAC_CTX_free(r->mac_ctx);
	EVP_MAC_free(r->mac);
	EVP_CIPHER_CTX_free(r->cipher_ctx);
	EVP_CIPHER_free(r->cipher);
	EVP_PKEY_free(r->pkey);
	if (r->dir >= 0)
		close(r->dir);
	free(r->in);
	free(r->out);
	free(r);
}

static bool
rsa_begin(struct lane *l)
{
	struct raw *r;

	if (!raw_begin(l, 32))
		return false;
	r = l->own;
	r->pkey = EVP_RSA_gen(2048);
	r->pctx = EVP_PKEY_CTX_new(r->pkey, NULL);
	return r->pctx != NULL && EVP_PKEY_sign_init(r->pctx) == 1 &&
	       EVP_PKEY_CTX_set_rsa_padding(r->pctx, RSA_PKCS1_PADDING) == 1 &&
	       EVP_PKEY_CTX_set_signature_md(r->pctx, EVP_sha256()) == 1;
}

static bool
p256_begin(struct lane *l)
{
	struct raw *r;

	if (!raw_begin(l, 32))
		return false;
	r = l->own;
	r->pkey = EVP_EC_gen("P-256");
	r->pctx = EVP_PKEY_CTX_new(r->pkey, NULL);
	return r->pctx != NULL && EVP_PKEY_sign_init(r->pctx) == 1;
}

static bool
sign_step(struct lane *l)
{
	struct raw *r = l->own;
	size_t n = KIB;

	memcpy(r->in, &l->done, sizeof(l->done));
	return EVP_PKEY_sign(r->pctx, r->out, &n, r->in, 32) == 1;
}

static bool
ed25519_begin(struct lane *l)
{
	struct raw *r;

	if (!raw_begin(l, 32))
		return false;
	r = l->own;
	r->pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	r->md = EVP_MD_CTX_new();
	return r->pkey != NULL && r->md != NULL &&
	       EVP_DigestSignInit(r->md, NULL, NULL, NULL, r->pkey) == 1;
}

static bool
ed25519_step(struct lane *l)
{
	struct raw *r = l->own;
	size_t n = KIB;

	memcpy(r->in, &l->done, sizeof(l->done));
	return EVP_DigestSign(r->md, r->out, &n, r->in, 32) == 1;
}

static bool
hmac_begin(struct lane *l)
{
	static const unsigned char key[32];
	OSSL_PARAM p[] = {
		OSSL_PARAM_construct_utf8_string("digest", (char[]){"SHA256"}, 0),
		OSSL_PARAM_construct_end(),
	};
	struct raw *r;

	if (!raw_begin(l, 64))
		return false;
	r = l->own;
	r->mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	r->mac_ctx = EVP_MAC_CTX_new(r->mac);
	return r->mac_ctx != NULL && EVP_MAC_init(r->mac_ctx, key, sizeof(key), p) == 1;
}

static bool
hmac_step(struct lane *l)
{
	struct raw *r = l->own;
	size_t n;

	memcpy(r->in, &l->done, sizeof(l->done));
	return EVP_MAC_init(r->mac_ctx, NULL, 0, NULL) == 1 &&
	       EVP_MAC_update(r->mac_ctx, r->in, 64) == 1 &&
	       EVP_MAC_final(r->mac_ctx, r->out, &n, KIB) == 1;
}

static bool
gcm_begin(struct lane *l, int in_len)
{
	static const unsigned char key[32], iv[12];
	struct raw *r;

	if (!raw_begin(l, in_len))
		return false;
	r = l->own;
	r->cipher = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
	r->cipher_ctx = EVP_CIPHER_CTX_new();
	return r->cipher != NULL && r->cipher_ctx != NULL &&
	       EVP_EncryptInit_ex2(r->cipher_ctx, r->cipher, key, iv, NULL) == 1;
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
	struct raw *r = l->own;
	unsigned char iv[12] = {0};
	int n;

	memcpy(iv, &l->done, sizeof(l->done));
	return EVP_EncryptInit_ex2(r->cipher_ctx, NULL, NULL, iv, NULL) == 1 &&
	       EVP_EncryptUpdate(r->cipher_ctx, r->out, &n, r->in, r->in_len) == 1 &&
	       EVP_EncryptFinal_ex(r->cipher_ctx, r->out + n, &n) == 1 &&
	       EVP_CIPHER_CTX_ctrl(r->cipher_ctx, EVP_CTRL_AEAD_GET_TAG, 16, r->out + r->in_len) == 1;
}

static bool
pair_begin(struct lane *l)
{
	struct raw *r;

	if (!raw_begin(l, 1))
		return false;
	r = l->own;
	r->dir = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return r->dir >= 0;
}

/* The least that makes a new key survive a power cut: a file, both it and its name on disk. */
static bool
pair_step(struct lane *l)
{
	struct raw *r = l->own;
	EVP_PKEY *pkey = EVP_EC_gen("P-256");
	unsigned char *der = NULL;
	int n = pkey == NULL ? -1 : i2d_PrivateKey(pkey, &der), fd;
	char temporary[64], name[64];
	bool ok = false;

	snprintf(temporary, sizeof(temporary), "raw-%d-%p.tmp", (int)getpid(), (void *)r);
	snprintf(name, sizeof(name), "raw-%d-%p", (int)getpid(), (void *)r);
	fd = openat(r->dir, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd >= 0) {
		ok = n > 0 && write(fd, der, (size_t)n) == n && fsync(fd) == 0 &&
		     renameat(r->dir, temporary, r->dir, name) == 0 && fsync(r->dir) == 0;
		close(fd);
	}
	OPENSSL_free(der);
	EVP_PKEY_free(pkey);
	return ok;
}

static const struct lane_work works[] = {
	{"rsa", 1, 1, rsa_begin, sign_step, raw_end},
	{"p256", 1, 8, p256_begin, sign_step, raw_end},
	{"ed25519", 1, 8, ed25519_begin, ed25519_step, raw_end},
	{"hmac", 1, 64, hmac_begin, hmac_step, raw_end},
	{"gcm-1k", 1, 64, gcm_1k_begin, gcm_step, raw_end},
	{"gcm-1m", MIB / 1e6, 1, gcm_1m_begin, gcm_step, raw_end},
	{"pair", 1, 1, pair_begin, pair_step, raw_end},
};

int
main(int argc, char **argv)
{
	struct lane_plan plan = {.processes = 1, .threads = 1, .seconds = 1};
	double rate;
	int c;

	while ((c = getopt(argc, argv, "s:t:n:")) != -1) {
		if (c == 's')
			plan.seconds = atof(optarg);
		else if (c == 't')
			plan.threads = (unsigned)atoi(optarg);
		else if (c == 'n')
			plan.processes = (unsigned)atoi(optarg);
		else
			return 2;
	}
	for (size_t i = 0; optind < argc && i < sizeof(works) / sizeof(works[0]); i++) {
		if (strcmp(works[i].name, argv[optind]) == 0)
			plan.work = &works[i];
	}
	if (plan.work == NULL) {
		fputs("Usage: bench_raw [-s SECONDS] [-t THREADS] [-n PROCESSES] WORK\n"
		      "Files are made in the working directory.\n", stderr);
		return 2;
	}
	if (!lane_rate(&plan, &rate)) {
		fprintf(stderr, "bench_raw: %s failed\n", plan.work->name);
		return 1;
	}
	printf("%.3f\n", rate);
	return 0;
}
