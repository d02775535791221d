/*
 * Sealed objects: opened by hand as docs/FORMAT.md says, with OpenSSL's older interface; and what must not open.
 */
#include "vault_help.h"

#include <openssl/evp.h>
#include <openssl/kdf.h>

#include "../../store/seal.h"

static const struct seal_id id = {
	.serial = "0123456789abcdef",
	.key_id = {1, 2, 3},
	.uuid = {0xAB, 0xCD, 4, 5, 6},
	.version = 0x0102030405ull,
	.private = true,
};
static uint8_t key[KEY_LEN];

static void
fill(struct attrs *a, size_t value_len)
{
	uint8_t *value = calloc(1, value_len + 1);

	memset(value, 'v', value_len);
	CHECK_RV(CKR_OK, attrs_set_ulong(a, CKA_CLASS, CKO_DATA));
	CHECK_RV(CKR_OK, attrs_set_bool(a, CKA_TOKEN, true));
	CHECK_RV(CKR_OK, attrs_set(a, CKA_LABEL, "name", 4));
	CHECK_RV(CKR_OK, attrs_set(a, CKA_VALUE, value, value_len));
	free(value);
}

/* By EVP_PKEY's HKDF and GCM on the offsets of the format. */
static bool
open_by_hand(const uint8_t *f, size_t len, uint8_t *plain)
{
	uint8_t info[16 + 80], okm[76];
	size_t okm_len = sizeof(okm), n = len - 128 - 16;
	EVP_PKEY_CTX *p = EVP_PKEY_CTX_new_id(EVP_PKEY_HKDF, NULL);
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	int got = 0;
	bool ok;

	memcpy(info, "tokenfs object 1", 16);
	memcpy(info + 16, f, 80);
	ok = EVP_PKEY_derive_init(p) == 1 && EVP_PKEY_CTX_set_hkdf_md(p, EVP_sha256()) == 1 &&
		EVP_PKEY_CTX_set1_hkdf_salt(p, f + 80, 16) == 1 && EVP_PKEY_CTX_set1_hkdf_key(p, key, 32) == 1 &&
		EVP_PKEY_CTX_add1_hkdf_info(p, info, sizeof(info)) == 1 && EVP_PKEY_derive(p, okm, &okm_len) == 1;
	CHECK(ok);
	CHECK(memcmp(okm + 44, f + 96, 32) == 0);
	ok = ok && EVP_DecryptInit_ex(c, EVP_aes_256_gcm(), NULL, okm, okm + 32) == 1 &&
		EVP_DecryptUpdate(c, NULL, &got, f, 128) == 1 && EVP_DecryptUpdate(c, plain, &got, f + 128, (int)n) == 1 &&
		EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, 16, (void *)(f + len - 16)) == 1 &&
		EVP_DecryptFinal_ex(c, plain + n, &got) == 1;
	EVP_PKEY_CTX_free(p);
	EVP_CIPHER_CTX_free(c);
	return ok;
}

static uint32_t
u32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void
test_bytes_are_those_of_the_format(void)
{
	struct attrs a = {0};
	struct buf f, want;
	uint8_t plain[1024];

	fill(&a, 20);
	buf_init(&f, SEAL_MAX_FILE);
	CHECK_RV(CKR_OK, seal_object(&f, key, &id, &a));
	CHECK(f.len == 128 + 256 + 16);
	CHECK(memcmp(f.data, "TKNFSOB1", 8) == 0);
	CHECK(u32(f.data + 8) == 1 && u32(f.data + 12) == 1);
	CHECK(memcmp(f.data + 16, id.serial, 16) == 0);
	CHECK(memcmp(f.data + 32, id.key_id, 16) == 0);
	CHECK(memcmp(f.data + 48, id.uuid, 16) == 0);
	CHECK(u32(f.data + 64) == 0x02030405 && u32(f.data + 68) == 1);
	CHECK(u32(f.data + 72) == 256 && u32(f.data + 76) == 0);
	CHECK(open_by_hand(f.data, f.len, plain));
	buf_init(&want, 1024);
	CHECK(attrs_encode(&want, &a));
	CHECK(u32(plain) == want.len && memcmp(plain + 4, want.data, want.len) == 0);
	for (size_t i = 4 + want.len; i < 256; i++)
		CHECK(plain[i] == 0);
	buf_free(&want);
	buf_free(&f);
	attrs_free(&a);
}

static CK_RV
try_open(const struct seal_id *as, const uint8_t *with, const uint8_t *file, size_t len)
{
	struct attrs out = {0};
	uint8_t *exact = malloc(len + (len == 0)); /* so that a sanitizer sees the end */
	CK_RV rv;

	memcpy(exact, file, len);
	rv = unseal_object(&out, with, as, exact, len);
	CHECK(rv == CKR_OK || (out.n == 0 && why_text()[0] != '\0'));
	attrs_free(&out);
	free(exact);
	return rv;
}

static void
test_another_identity_does_not_open(void)
{
	struct seal_id other;
	uint8_t wrong[KEY_LEN] = {9};
	struct attrs a = {0};
	struct buf f;

	fill(&a, 20);
	buf_init(&f, SEAL_MAX_FILE);
	CHECK_RV(CKR_OK, seal_object(&f, key, &id, &a));
	CHECK_RV(CKR_OK, try_open(&id, key, f.data, f.len));
	CHECK_RV(CKR_DEVICE_ERROR, try_open(&id, wrong, f.data, f.len));
	other = id;
	other.serial[15] = 'e';
	CHECK_RV(CKR_DEVICE_ERROR, try_open(&other, key, f.data, f.len));
	other = id;
	other.key_id[0] ^= 1;
	CHECK_RV(CKR_DEVICE_ERROR, try_open(&other, key, f.data, f.len));
	other = id;
	other.uuid[15] ^= 1;
	CHECK_RV(CKR_DEVICE_ERROR, try_open(&other, key, f.data, f.len));
	other = id;
	other.version++;
	CHECK_RV(CKR_DEVICE_ERROR, try_open(&other, key, f.data, f.len));
	other = id;
	other.private = false;
	CHECK_RV(CKR_DEVICE_ERROR, try_open(&other, key, f.data, f.len));
	/* every bit of the file, every length */
	for (size_t i = 0; i < 8 * f.len; i++) {
		f.data[i / 8] ^= (uint8_t)(1u << i % 8);
		CHECK_RV(CKR_DEVICE_ERROR, try_open(&id, key, f.data, f.len));
		f.data[i / 8] ^= (uint8_t)(1u << i % 8);
	}
	for (size_t n = 0; n < f.len; n++)
		CHECK_RV(CKR_DEVICE_ERROR, try_open(&id, key, f.data, n));
	CHECK_RV(CKR_OK, try_open(&id, key, f.data, f.len));
	buf_free(&f);
	attrs_free(&a);
}

/* Sizes show in steps of a bucket alone; two seals of the same differ everywhere behind the identity. */
static void
test_sizes_and_freshness(void)
{
	size_t last = 0;
	struct buf f, again;

	for (size_t n = 0; n < 1200; n += 13) {
		struct attrs a = {0}, back = {0};

		fill(&a, n);
		buf_init(&f, SEAL_MAX_FILE);
		buf_init(&again, SEAL_MAX_FILE);
		CHECK_RV(CKR_OK, seal_object(&f, key, &id, &a));
		CHECK_RV(CKR_OK, seal_object(&again, key, &id, &a));
		CHECK((f.len - 144) % 256 == 0 && f.len >= last);
		CHECK(memcmp(f.data + 80, again.data + 80, 16) != 0 && memcmp(f.data + 128, again.data + 128, 256) != 0);
		last = f.len;
		CHECK_RV(CKR_OK, unseal_object(&back, key, &id, f.data, f.len));
		CHECK(back.n == a.n && attrs_match(&back, &a));
		attrs_free(&a);
		attrs_free(&back);
		buf_free(&f);
		buf_free(&again);
	}
}

static void
test_largest(void)
{
	struct attrs a = {0}, back = {0};
	struct buf f;
	uint8_t *mib = calloc(1, ATTRS_MAX_VALUE);
	static const CK_ATTRIBUTE_TYPE wide[] = {CKA_VALUE, CKA_SUBJECT, CKA_ISSUER, CKA_OBJECT_ID};

	for (size_t i = 0; i < 3; i++)
		CHECK_RV(CKR_OK, attrs_set(&a, wide[i], mib, ATTRS_MAX_VALUE));
	buf_init(&f, SEAL_MAX_FILE);
	CHECK_RV(CKR_OK, seal_object(&f, key, &id, &a));
	CHECK_RV(CKR_OK, unseal_object(&back, key, &id, f.data, f.len));
	CHECK(attrs_match(&back, &a));
	buf_free(&f);
	CHECK_RV(CKR_OK, attrs_set(&a, wide[3], mib, ATTRS_MAX_VALUE));
	buf_init(&f, SEAL_MAX_FILE);
	CHECK_RV(CKR_DEVICE_MEMORY, seal_object(&f, key, &id, &a));
	buf_free(&f);
	attrs_free(&a);
	attrs_free(&back);
	free(mib);
}

int
main(void)
{
	CHECK_RV(CKR_OK, secret_start());
	memset(key, 0x5A, sizeof(key));
	test_bytes_are_those_of_the_format();
	test_another_identity_does_not_open();
	test_sizes_and_freshness();
	test_largest();
	return unit_done("test_seal");
}
