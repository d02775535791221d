/*
 * otp - one-time passwords through the module
 *
 * Usage: otp MODULE LABEL PIN make SECRET        a token key "hotp" whose value is the text SECRET, its counter 0
 *        otp MODULE LABEL PIN sign N             N passwords of it, in a read-only session
 *        otp MODULE LABEL PIN crowd THREADS N    N passwords in each of so many threads, each with a session of its own
 *        otp MODULE LABEL PIN check              what can be said of lengths, buffers, verification, session objects
 * Prints a line "COUNTER PASSWORD" for each.
 */
#include <pthread.h>

#include "client.h"

#ifndef CKO_OTP_KEY
#define CKO_OTP_KEY 8UL
#endif
#ifndef CKK_HOTP
#define CKK_HOTP 0x23UL
#endif
#ifndef CKM_HOTP
#define CKM_HOTP_KEY_GEN 0x290UL
#define CKM_HOTP 0x291UL
#endif
#ifndef CKA_OTP_COUNTER
#define CKA_OTP_COUNTER 0x22eUL
#endif
#define OTP_VALUE 0UL
#define OTP_COUNTER 4UL
#define OTP_OUTPUT_LENGTH 6UL

/* PKCS#11 3.1: CK_OTP_PARAM, CK_OTP_PARAMS and CK_OTP_SIGNATURE_INFO */
struct value {
	CK_ULONG type;
	void *data;
	CK_ULONG len;
};
struct values {
	struct value *v;
	CK_ULONG n;
};

#define BUFFER 512

static void
need(bool ok, const char *what)
{
	if (!ok) {
		fprintf(stderr, "otp: %s\n", what);
		exit(1);
	}
}

static const struct value *
find(const struct values *all, CK_ULONG type)
{
	for (CK_ULONG i = 0; i < all->n; i++)
		if (all->v[i].type == type)
			return &all->v[i];
	need(false, "a value is missing");
	return NULL;
}

/* All that the structure points to lies behind it, in the buffer. */
static void
check_places(const void *buffer, CK_ULONG len)
{
	const struct values *all = buffer;
	const char *start = buffer, *end = start + len;

	need((const char *)all->v == start + sizeof(*all) && (const char *)(all->v + all->n) <= end,
		"the values lie elsewhere");
	for (CK_ULONG i = 0; i < all->n; i++) {
		const char *p = all->v[i].data;

		need(p >= (const char *)(all->v + all->n) && p <= end && all->v[i].len <= (CK_ULONG)(end - p) &&
				(p - start) % 8 == 0,
			"a value lies elsewhere");
	}
}

static unsigned long
counter_of(const struct value *v)
{
	const unsigned char *p = v->data;
	unsigned long c = 0;

	need(v->len == 8, "a counter has 8 bytes");
	for (int i = 0; i < 8; i++)
		c = c << 8 | p[i];
	return c;
}

static void
sign(CK_SESSION_HANDLE s, CK_OBJECT_HANDLE key, char password[16], unsigned long *counter)
{
	CK_MECHANISM m = {CKM_HOTP, NULL, 0};
	char *buffer = malloc(BUFFER);
	CK_ULONG len = BUFFER;
	const struct value *v;

	NEED(f->C_SignInit(s, &m, key));
	NEED(f->C_Sign(s, NULL, 0, (CK_BYTE *)buffer, &len));
	check_places(buffer, len);
	v = find((struct values *)(void *)buffer, OTP_VALUE);
	need(v->len < 16, "a long password");
	memcpy(password, v->data, v->len);
	password[v->len] = 0;
	*counter = counter_of(find((struct values *)(void *)buffer, OTP_COUNTER));
	free(buffer);
}

/* ---- keys ---- */

static CK_OBJECT_HANDLE
make_key(const char *secret, CK_BBOOL token)
{
	CK_OBJECT_CLASS class = CKO_OTP_KEY;
	CK_KEY_TYPE type = CKK_HOTP;
	CK_BYTE counter[8] = {0};
	CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
	CK_ATTRIBUTE templ[] = {ATTR_OF(CKA_CLASS, class), ATTR_OF(CKA_KEY_TYPE, type), ATTR_OF(CKA_TOKEN, token),
		ATTR_OF(CKA_SENSITIVE, yes), ATTR_OF(CKA_SIGN, yes), ATTR_OF(CKA_VERIFY, yes), ATTR_OF(CKA_MODIFIABLE, no),
		{CKA_LABEL, (void *)"hotp", 4}, ATTR_OF(CKA_OTP_COUNTER, counter), {CKA_VALUE, (void *)secret, strlen(secret)}};
	CK_OBJECT_HANDLE key;

	NEED(f->C_CreateObject(session, templ, sizeof(templ) / sizeof(templ[0]), &key));
	return key;
}

static CK_OBJECT_HANDLE
token_key(void)
{
	CK_OBJECT_HANDLE key;
	CK_ULONG n;

	NEED(client_find_label("hotp", &key, 1, &n));
	need(n == 1, "there is no key");
	return key;
}

static unsigned long
kept_counter(CK_OBJECT_HANDLE key)
{
	CK_BYTE bytes[8];
	CK_ATTRIBUTE a = ATTR_OF(CKA_OTP_COUNTER, bytes);

	NEED(f->C_GetAttributeValue(session, key, &a, 1));
	return counter_of(&(struct value){OTP_COUNTER, bytes, a.ulValueLen});
}

/* ---- what can be checked without knowing the passwords ---- */

static CK_RV
verify(CK_OBJECT_HANDLE key, unsigned long at, const char *password)
{
	CK_BYTE c[8] = {0};
	struct value v = {OTP_COUNTER, c, 8};
	struct values all = {&v, 1};
	CK_MECHANISM m = {CKM_HOTP, &all, sizeof(all)};

	c[6] = (CK_BYTE)(at >> 8);
	c[7] = (CK_BYTE)at;
	NEED(f->C_VerifyInit(session, &m, key));
	return f->C_Verify(session, NULL, 0, (CK_BYTE *)password, strlen(password));
}

static void
check_lengths(CK_OBJECT_HANDLE key)
{
	CK_MECHANISM m = {CKM_HOTP, NULL, 0}, mac = {CKM_SHA256_HMAC, NULL, 0};
	unsigned long before = kept_counter(key);
	CK_ULONG len = 0, told;
	CK_BYTE *buffer;

	NEED(f->C_SignInit(session, &m, key));
	NEED(f->C_Sign(session, NULL, 0, NULL, &len));
	told = len--;
	buffer = malloc(told);
	memset(buffer, 0x5a, told);
	need(f->C_Sign(session, NULL, 0, buffer, &len) == CKR_BUFFER_TOO_SMALL && len == told, "a buffer that is too small");
	for (CK_ULONG i = 0; i < told; i++)
		need(buffer[i] == 0x5a, "a buffer that is too small was written to");
	need(kept_counter(key) == before, "a question used a counter up");
	NEED(f->C_Sign(session, NULL, 0, buffer, &len));
	need(len == told, "the length is not what was told");
	check_places(buffer, len);
	need(kept_counter(key) == before + 1, "the counter did not move by one");
	/* in parts, of nothing */
	NEED(f->C_SignInit(session, &m, key));
	NEED(f->C_SignUpdate(session, NULL, 0));
	NEED(f->C_SignFinal(session, buffer, &len));
	check_places(buffer, len);
	need(kept_counter(key) == before + 2, "the counter did not move by one");
	/* data is refused, and the operation is over */
	NEED(f->C_SignInit(session, &m, key));
	need(f->C_Sign(session, (CK_BYTE *)"x", 1, buffer, &len) == CKR_DATA_LEN_RANGE, "data is taken");
	need(f->C_Sign(session, NULL, 0, buffer, &len) == CKR_OPERATION_NOT_INITIALIZED, "an error leaves the operation");
	need(kept_counter(key) == before + 2, "an error used a counter up");
	need(f->C_SignInit(session, &mac, key) == CKR_KEY_TYPE_INCONSISTENT, "HMAC takes the key");
	free(buffer);
}

static void
check_verification(CK_OBJECT_HANDLE key)
{
	CK_MECHANISM m = {CKM_HOTP, NULL, 0};
	unsigned long at, other;
	char password[16];

	sign(session, key, password, &at);
	need(kept_counter(key) == at + 1, "the counter that was told is not the one before");
	NEED(verify(key, at, password));
	NEED(verify(key, at, password)); /* it keeps nothing: whoever verifies keeps the counter */
	for (other = at + 1; other < at + 10; other++)
		need(verify(key, other, password) == CKR_SIGNATURE_INVALID, "another counter's password passes");
	need(verify(key, at, "12345") == CKR_SIGNATURE_LEN_RANGE, "a short password");
	need(f->C_VerifyInit(session, &m, key) == CKR_MECHANISM_PARAM_INVALID, "verification without a counter");
	need(kept_counter(key) == at + 1, "verification moved the counter");
}

/* A counter that cannot be kept gives no password. */
static void
check_destroyed(CK_OBJECT_HANDLE key)
{
	CK_MECHANISM m = {CKM_HOTP, NULL, 0};
	CK_BYTE buffer[BUFFER] = {0}, zeros[BUFFER] = {0};
	CK_ULONG len = sizeof(buffer);

	NEED(f->C_SignInit(session, &m, key));
	NEED(f->C_DestroyObject(session, key));
	need(f->C_Sign(session, NULL, 0, buffer, &len) == CKR_KEY_HANDLE_INVALID, "a destroyed key signs");
	need(memcmp(buffer, zeros, sizeof(buffer)) == 0, "an error came with data");
}

/* Session and token keys; the first with the password of RFC 4226 for counter 0. */
static void
check(void)
{
	CK_OBJECT_HANDLE key = make_key("12345678901234567890", CK_FALSE), made;
	CK_MECHANISM gen = {CKM_HOTP_KEY_GEN, NULL, 0};
	CK_BYTE value[64];
	CK_ATTRIBUTE a = ATTR_OF(CKA_VALUE, value);
	unsigned long counter;
	char password[16];

	sign(session, key, password, &counter);
	need(counter == 0 && strcmp(password, "755224") == 0, "not the first password of RFC 4226");
	check_lengths(key);
	check_verification(key);
	check_destroyed(key);
	NEED(f->C_GenerateKey(session, &gen, NULL, 0, &made));
	sign(session, made, password, &counter);
	need(counter == 0, "a new key does not begin at 0");
	need(f->C_GetAttributeValue(session, made, &a, 1) == CKR_ATTRIBUTE_SENSITIVE, "a new key shows its value");
	key = token_key();
	check_lengths(key);
	check_verification(key);
	check_destroyed(make_key("another secret", CK_TRUE));
	printf("checked\n");
}

/* ---- many at once ---- */

static CK_SLOT_ID slot;
static unsigned long rounds;
static pthread_mutex_t printing = PTHREAD_MUTEX_INITIALIZER;

static void *
one_of_many(void *arg)
{
	CK_FLAGS flags = CKF_SERIAL_SESSION | (arg != NULL ? CKF_RW_SESSION : 0);
	CK_OBJECT_HANDLE key = token_key();
	CK_SESSION_HANDLE s;
	char password[16];
	unsigned long c;

	pthread_mutex_unlock(&printing); /* the search was in the common session */
	NEED(f->C_OpenSession(slot, flags, NULL, NULL, &s));
	for (unsigned long i = 0; i < rounds; i++) {
		sign(s, key, password, &c);
		pthread_mutex_lock(&printing);
		printf("%lu %s\n", c, password);
		pthread_mutex_unlock(&printing);
	}
	return NULL;
}

static void
crowd(unsigned long threads)
{
	pthread_t ids[64];

	need(threads <= 64, "too many threads");
	for (unsigned long i = 0; i < threads; i++) {
		pthread_mutex_lock(&printing);
		pthread_create(&ids[i], NULL, one_of_many, i % 2 ? &slot : NULL);
	}
	for (unsigned long i = 0; i < threads; i++)
		pthread_join(ids[i], NULL);
}

static void
passwords(unsigned long n)
{
	CK_OBJECT_HANDLE key = token_key();
	CK_SESSION_HANDLE s;
	char password[16];
	unsigned long c;

	NEED(f->C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL, &s));
	for (unsigned long i = 0; i < n; i++) {
		sign(s, key, password, &c);
		printf("%lu %s\n", c, password);
	}
}

int
main(int argc, char **argv)
{
	const char *what = argc > 4 ? argv[4] : "";
	unsigned long n = argc > 5 ? strtoul(argv[5], NULL, 10) : 0;

	need(argc > 4, "usage: otp MODULE LABEL PIN make|sign|crowd|check ...");
	client_load(argv[1]);
	NEED(client_begin(argv[2], argv[3]));
	NEED(client_slot(argv[2], &slot));
	if (strcmp(what, "make") == 0 && argc > 5)
		make_key(argv[5], CK_TRUE);
	else if (strcmp(what, "sign") == 0)
		passwords(n);
	else if (strcmp(what, "crowd") == 0 && argc > 6) {
		rounds = strtoul(argv[6], NULL, 10);
		crowd(n);
	} else if (strcmp(what, "check") == 0)
		check();
	else
		need(false, "what?");
	client_end();
	return 0;
}
