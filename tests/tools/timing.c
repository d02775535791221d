/*
 * timing - does C_Decrypt of PKCS#1 v1.5 tell by its time whether the padding was right?
 *
 * Makes an RSA key, and ciphertexts of good and of badly padded blocks by raw encryption with its public half;
 * decrypts them in random order and compares each bad class with the good one: Welch's t over the middle 90 % of all
 * times, and over the quickest half and quarter, where other programs disturb least; the largest counts. |t| below 4.5
 * is what the TVLA procedure calls no leak. A class that seems to differ is measured anew, and must differ again in the
 * same direction. As a control, good blocks with a delay of 1 % added must be seen to differ; else the machine is too
 * noisy for the answer to mean anything.
 *
 * Usage: timing MODULE LABEL PIN [COUNT]      COUNT of each class (4000)
 * Exit:  0 no difference; 1 a difference, or an answer that is no CKR_OK; 2 too noisy
 */
#include <math.h>
#include <sys/random.h>

#include "client.h"

#define SIZE 256 /* of the modulus */
#define POOL 128 /* ciphertexts of each class */
#define BOUND 4.5

enum class { GOOD, NO_ZERO, FIRST_BYTE, BLOCK_TYPE, EARLY_ZERO, ALL_RANDOM, DELAYED, CLASSES };

static const char *const names[CLASSES] = {
	[GOOD] = "well padded",
	[NO_ZERO] = "no zero byte",
	[FIRST_BYTE] = "first byte not 0",
	[BLOCK_TYPE] = "block type 1",
	[EARLY_ZERO] = "padding too short",
	[ALL_RANDOM] = "random block",
	[DELAYED] = "control: 1 % later",
};

static CK_BYTE pool[CLASSES][POOL][SIZE];
static CK_OBJECT_HANDLE pub, priv;
static double *times[CLASSES];
static size_t count;

static unsigned
random_below(unsigned n)
{
	unsigned v;

	if (getrandom(&v, sizeof(v), 0) != sizeof(v))
		exit(1);
	return v % n;
}

static void
fill(CK_BYTE *p, size_t n)
{
	if (getrandom(p, n, 0) != (ssize_t)n)
		exit(1);
}

/* 00 02, nonzero bytes, 00, 48 bytes of message: then spoilt as the class says. */
static void
make_block(enum class c, CK_BYTE em[SIZE])
{
	fill(em, SIZE);
	if (c == ALL_RANDOM) {
		em[0] = 0;
		return;
	}
	for (size_t i = 2; i < SIZE; i++)
		while (em[i] == 0)
			fill(em + i, 1);
	em[0] = c == FIRST_BYTE ? 1 : 0;
	em[1] = c == BLOCK_TYPE ? 1 : 2;
	if (c != NO_ZERO)
		em[SIZE - 49] = 0;
	if (c == EARLY_ZERO)
		em[5] = 0;
}

static void
make_pool(void)
{
	CK_MECHANISM raw = {CKM_RSA_X_509, NULL, 0};
	CK_BYTE em[SIZE];
	CK_ULONG n;

	for (int c = 0; c < CLASSES; c++)
		for (size_t i = 0; i < POOL; i++) {
			make_block((enum class)c, em);
			n = SIZE;
			NEED(f->C_EncryptInit(session, &raw, pub));
			NEED(f->C_Encrypt(session, em, SIZE, pool[c][i], &n));
		}
}

static void
make_keys(void)
{
	CK_MECHANISM gen = {CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0};
	CK_ULONG bits = 8 * SIZE;
	CK_BBOOL yes = CK_TRUE;
	CK_ATTRIBUTE pub_templ[] = {ATTR_OF(CKA_MODULUS_BITS, bits), ATTR_OF(CKA_ENCRYPT, yes)},
		priv_templ[] = {ATTR_OF(CKA_DECRYPT, yes)};

	NEED(f->C_GenerateKeyPair(session, &gen, pub_templ, 2, priv_templ, 1, &pub, &priv));
}

static double
decrypt_once(const CK_BYTE *ciphertext, double delay)
{
	CK_MECHANISM m = {CKM_RSA_PKCS, NULL, 0};
	CK_BYTE out[SIZE];
	CK_ULONG n = sizeof(out);
	double from = client_now(), until;
	CK_RV rv = f->C_DecryptInit(session, &m, priv);

	if (rv == CKR_OK)
		rv = f->C_Decrypt(session, (CK_BYTE *)ciphertext, SIZE, out, &n);
	until = client_now();
	while (delay > 0 && client_now() - until < delay)
		;
	if (delay > 0)
		until = client_now();
	if (rv != CKR_OK) {
		printf("C_Decrypt gave 0x%lx: what is badly padded must look like something else\n", rv);
		exit(1);
	}
	return until - from;
}

static int
by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* All classes `count` times, in an order that is random anew in every round. */
static void
measure(double delay)
{
	int order[CLASSES];

	for (size_t i = 0; i < count; i++) {
		for (int c = 0; c < CLASSES; c++)
			order[c] = c;
		for (int c = CLASSES - 1; c > 0; c--) {
			int other = (int)random_below((unsigned)c + 1), kept = order[c];

			order[c] = order[other];
			order[other] = kept;
		}
		for (int c = 0; c < CLASSES; c++)
			times[order[c]][i] = decrypt_once(pool[order[c]][random_below(POOL)],
				order[c] == DELAYED ? delay : 0);
	}
	for (int c = 0; c < CLASSES; c++)
		qsort(times[c], count, sizeof(double), by_size);
}

/* The part of all times, but for the control's, that counts: hundredths from and to. */
static const unsigned crops[][2] = {{5, 95}, {1, 50}, {1, 25}};
#define CROPS (sizeof(crops) / sizeof(crops[0]))

static void
find_crops(double low[CROPS], double high[CROPS])
{
	size_t n = DELAYED * count;
	double *all = malloc(n * sizeof(double));

	if (all == NULL)
		exit(1);
	for (int c = 0; c < DELAYED; c++)
		memcpy(all + (size_t)c * count, times[c], count * sizeof(double));
	qsort(all, n, sizeof(double), by_size);
	for (size_t i = 0; i < CROPS; i++) {
		low[i] = all[n * crops[i][0] / 100];
		high[i] = all[n * crops[i][1] / 100];
	}
	free(all);
}

struct moments {
	double n, mean, variance;
};

static struct moments
moments_of(const double *v, double low, double high)
{
	struct moments m = {0};
	double sum = 0, squares = 0;

	for (size_t i = 0; i < count; i++)
		if (v[i] >= low && v[i] <= high) {
			m.n++;
			sum += v[i];
		}
	m.mean = sum / m.n;
	for (size_t i = 0; i < count; i++)
		if (v[i] >= low && v[i] <= high)
			squares += (v[i] - m.mean) * (v[i] - m.mean);
	m.variance = squares / (m.n - 1);
	return m;
}

static double
welch(struct moments a, struct moments b)
{
	return (a.mean - b.mean) / sqrt(a.variance / a.n + b.variance / b.n);
}

/* The largest distance of two distributions (Kolmogorov, Smirnov). */
static double
distance(const double *a, const double *b)
{
	size_t i = 0, j = 0;
	double most = 0, d;

	while (i < count && j < count) {
		if (a[i] <= b[j])
			i++;
		else
			j++;
		d = fabs((double)i - (double)j) / (double)count;
		most = d > most ? d : most;
	}
	return most;
}

static void
compare(double t[CLASSES])
{
	double low[CROPS], high[CROPS], one;

	find_crops(low, high);
	printf("%-20s %9s %9s %9s %8s %7s\n", "padding", "quarter", "median", "quarter", "t", "K-S");
	for (int c = 0; c < CLASSES; c++) {
		t[c] = 0;
		for (size_t i = 0; i < CROPS; i++) {
			one = welch(moments_of(times[c], low[i], high[i]), moments_of(times[GOOD], low[i], high[i]));
			if (fabs(one) > fabs(t[c]))
				t[c] = one;
		}
		printf("%-20s %7.1fus %7.1fus %7.1fus %8.2f %7.3f\n", names[c], times[c][count / 4] * 1e6,
			times[c][count / 2] * 1e6, times[c][3 * count / 4] * 1e6, t[c], distance(times[c], times[GOOD]));
	}
}

int
main(int argc, char **argv)
{
	double t[CLASSES], again[CLASSES], delay;
	bool suspicious = false, leaks = false;

	if (argc < 4) {
		fprintf(stderr, "usage: timing MODULE LABEL PIN [COUNT]\n");
		return 2;
	}
	count = argc > 4 ? (size_t)atol(argv[4]) : 4000;
	if (count < 100)
		count = 100;
	for (int c = 0; c < CLASSES; c++)
		if ((times[c] = calloc(count, sizeof(double))) == NULL)
			return 1;
	client_load(argv[1]);
	NEED(client_begin(argv[2], argv[3]));
	make_keys();
	make_pool();
	for (size_t i = 0; i < 100; i++) /* warm, and how long one takes */
		times[GOOD][i] = decrypt_once(pool[GOOD][i % POOL], 0);
	qsort(times[GOOD], 100, sizeof(double), by_size);
	delay = times[GOOD][50] / 100;

	printf("%zu decryptions of each\n", count);
	measure(delay);
	compare(t);
	for (int c = NO_ZERO; c < DELAYED; c++)
		suspicious = suspicious || fabs(t[c]) >= BOUND;
	if (suspicious) {
		printf("once more, for what seems to differ\n");
		measure(delay);
		compare(again);
	}
	for (int c = NO_ZERO; c < DELAYED && suspicious; c++)
		if (fabs(t[c]) >= BOUND && fabs(again[c]) >= BOUND && (t[c] > 0) == (again[c] > 0)) {
			printf("%s: differs\n", names[c]);
			leaks = true;
		}
	client_end();
	if (leaks)
		return 1;
	if (fabs(t[DELAYED]) < BOUND) {
		printf("too noisy: not even a delay of %.1fus is seen\n", delay * 1e6);
		return 2;
	}
	printf("no difference\n");
	return 0;
}
