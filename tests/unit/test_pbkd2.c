/* PBKDF2: keys from passwords, and that it can be stopped. Known answers are RFC 6070's; the rest is OpenSSL's word. */
#include "derive_help.h"

#include <pthread.h>
#include <time.h>

static CK_RV
pbkd2(CK_ULONG prf, const char *password, const char *salt, size_t salt_len, CK_ULONG iterations, CK_KEY_TYPE type,
	CK_ULONG len, struct object **o)
{
	CK_PKCS5_PBKD2_PARAMS2 p = {.saltSource = CKZ_SALT_SPECIFIED, .pSaltSourceData = (void *)salt,
		.ulSaltSourceDataLen = salt_len, .iterations = iterations, .prf = prf, .pPassword = (uint8_t *)password,
		.ulPasswordLen = password != NULL ? strlen(password) : 0};
	CK_MECHANISM m = {CKM_PKCS5_PBKD2, &p, sizeof(p)};
	struct attrs t = {0};
	CK_RV rv;

	*o = NULL;
	ask(&t, type, len);
	rv = make_key(&maker, &m, &t, o);
	attrs_free(&t);
	return rv;
}

static void
test_pbkd2(void)
{
	/* RFC 6070 */
	static const struct {
		const char *password, *salt, *dk;
		CK_ULONG iterations;
	} all[] = {{"password", "salt", "0c60c80f961f0e71f3a9b524af6012062fe037a6", 1},
		{"password", "salt", "ea6c014dc72d6f8ccd1ed92ace1d41f0d8de8957", 2},
		{"password", "salt", "4b007901b765489abead49d926f721d065a429c1", 4096},
		{"passwordPASSWORDpassword", "saltSALTsaltSALTsaltSALTsaltSALTsalt",
			"3d2eec4fe41c849b80c8d83662c0e44a8b291a964cf2f07038", 4096}};
	static const struct {
		CK_ULONG prf;
		const EVP_MD *(*md)(void);
	} prfs[] = {{1, EVP_sha1}, {3, EVP_sha224}, {4, EVP_sha256}, {5, EVP_sha384}, {6, EVP_sha512},
		{7, EVP_sha512_224}, {8, EVP_sha512_256}};
	uint8_t want[100];
	struct object *o;

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		size_t n = unhex(all[i].dk, want);

		CHECK_RV(CKR_OK, pbkd2(1, all[i].password, all[i].salt, strlen(all[i].salt), all[i].iterations,
			CKK_GENERIC_SECRET, n, &o));
		CHECK(value_is(o, want, n) && !attrs_bool(&o->attrs, CKA_ALWAYS_SENSITIVE, true));
		object_put(o);
	}
	for (size_t i = 0; i < sizeof(prfs) / sizeof(prfs[0]); i++) {
		PKCS5_PBKDF2_HMAC("pass", 4, (const uint8_t *)"na\0cl", 5, 77, prfs[i].md(), 100, want);
		CHECK_RV(CKR_OK, pbkd2(prfs[i].prf, "pass", "na\0cl", 5, 77, CKK_GENERIC_SECRET, 100, &o));
		CHECK(value_is(o, want, 100));
		object_put(o);
		CHECK_RV(CKR_OK, pbkd2(prfs[i].prf, "pass", "na\0cl", 5, 77, CKK_AES, 32, &o));
		CHECK(value_is(o, want, 32) && object_key_type(o) == CKK_AES);
		object_put(o);
	}
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, pbkd2(1, "pass", "salt", 4, 0, CKK_AES, 32, &o));
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, pbkd2(2, "pass", "salt", 4, 10, CKK_AES, 32, &o));
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, pbkd2(9, "pass", "salt", 4, 10, CKK_AES, 32, &o));
	CHECK_RV(CKR_ATTRIBUTE_VALUE_INVALID, pbkd2(4, "pass", "salt", 4, 10, CKK_AES, 33, &o));
	CHECK_RV(CKR_TEMPLATE_INCOMPLETE, pbkd2(4, "pass", "salt", 4, 10, CKK_AES, 0, &o));
	CHECK_RV(CKR_TEMPLATE_INCOMPLETE, pbkd2(4, "pass", "salt", 4, 10, NO_TYPE, 32, &o));
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, pbkd2(4, "pass", "salt", 4, 10000001, CKK_AES, 32, &o));
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, pbkd2(4, "pass", "salt", 4, 10000000, CKK_GENERIC_SECRET, 65536, &o));
	CHECK(o == NULL);
}

/* Many blocks of few iterations are long work as well. */
static void
test_pbkd2_cancelled_between_blocks(void)
{
	struct cancel c = {true};
	struct object *o;

	maker.cancel = &c;
	CHECK_RV(CKR_FUNCTION_CANCELED, pbkd2(1, "pass", "salt", 4, 10, CKK_GENERIC_SECRET, 65536, &o));
	CHECK(o == NULL);
	maker.cancel = NULL;
	object_put(o);
}

static void *
cancel_soon(void *arg)
{
	nanosleep(&(struct timespec){0, 50000000}, NULL);
	atomic_store(&((struct cancel *)arg)->on, true);
	return NULL;
}

static void
test_pbkd2_cancelled(void)
{
	struct cancel c = {false};
	struct timespec from, to;
	struct object *o;
	pthread_t thread;

	maker.cancel = &c;
	clock_gettime(CLOCK_MONOTONIC, &from);
	CHECK(pthread_create(&thread, NULL, cancel_soon, &c) == 0);
	CHECK_RV(CKR_FUNCTION_CANCELED, pbkd2(6, "pass", "salt", 4, 10000000, CKK_AES, 32, &o));
	pthread_join(thread, NULL);
	clock_gettime(CLOCK_MONOTONIC, &to);
	CHECK(to.tv_sec - from.tv_sec <= 2);
	maker.cancel = NULL;
}

int
main(void)
{
	CHECK_RV(CKR_OK, secret_start());
	be(&user);
	test_pbkd2();
	test_pbkd2_cancelled();
	test_pbkd2_cancelled_between_blocks();
	return unit_done("test_pbkd2");
}
