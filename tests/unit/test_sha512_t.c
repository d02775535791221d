/* SHA-512/t. The examples are NIST's (Examples with Intermediate Values, SHA-512/224 and SHA-512/256); t = 224 and 256
 * are compared with OpenSSL, every t with FIPS 180-4 written down once more (sha512_reference.h). */
#include "derive_help.h"

#include <openssl/hmac.h>

#include "sha512_reference.h"

#define T_MAX 511
static uint8_t data[5000], out[BIG], want[64];

static bool
t_is_there(CK_ULONG t)
{
	return t != 0 && t <= T_MAX && t != 384;
}

/* ---- the reference itself ---- */

static void
test_reference(void)
{
	uint8_t md[64];

	CHECK(reference_h[0] == 0x6a09e667f3bcc908u && reference_k[79] == 0x6c44198c4a475817u);
	for (size_t n = 0; n < 400; n++) {
		reference_sha512(data, n, want);
		EVP_Q_digest(NULL, "SHA512", NULL, data, n, md, NULL);
		CHECK(same(want, 64, md, 64));
	}
}

/* ---- digest ---- */

static void
test_examples(void)
{
	static const struct {
		CK_ULONG t;
		const char *in, *md;
	} all[] = {
		{224, "abc", "4634270F707B6A54DAAE7530460842E20E37ED265CEEE9A43E8924AA"},
		{224,
			"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrs"
			"mnopqrstnopqrstu",
			"23FEC5BB94D60B23308192640B0C453335D664734FE40E7268674AF9"},
		{256, "abc", "53048E2681941EF99B2E29B76B4C7DABE4C2D0C634FC6D46E0E2F13107E7AF23"},
		{256,
			"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrs"
			"mnopqrstnopqrstu",
			"3928E184FB8690F840DA3988121D31BE65CB9D3EF83EE6146FEAC861E19B563A"},
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		CK_MECHANISM m = mechanism(CKM_SHA512_T, &all[i].t, sizeof(all[i].t));
		size_t len = sizeof(out), n = unhex(all[i].md, want);

		CHECK_RV(CKR_OK, once(OP_DIGEST, &m, NULL, (const uint8_t *)all[i].in, strlen(all[i].in), out, &len));
		CHECK(same(out, len, want, n));
	}
}

/* Every length about the blocks' ends, in one part and in many. */
static void
test_openssl(void)
{
	static const struct {
		CK_ULONG t;
		const char *name;
	} all[] = {{224, "SHA512-224"}, {256, "SHA512-256"}};

	for (size_t i = 0; i < 2; i++) {
		CK_MECHANISM m = mechanism(CKM_SHA512_T, &all[i].t, sizeof(CK_ULONG));
		size_t len, n;

		for (n = 0; n <= sizeof(data); n += n < 400 ? 1 : 1500) {
			EVP_Q_digest(NULL, all[i].name, NULL, data, n, want, NULL);
			len = sizeof(out);
			CHECK_RV(CKR_OK, once(OP_DIGEST, &m, NULL, data, n, out, &len));
			CHECK(same(out, len, want, all[i].t / 8));
			len = sizeof(out);
			CHECK_RV(CKR_OK, parts(OP_DIGEST, &m, NULL, data, n, out, &len));
			CHECK(same(out, len, want, all[i].t / 8));
		}
	}
}

static void
test_every_t(void)
{
	static const size_t lens[] = {0, 3, 111, 112, 128, 300};
	size_t len;

	for (CK_ULONG t = 1; t <= T_MAX; t++) {
		CK_MECHANISM m = mechanism(CKM_SHA512_T, &t, sizeof(t));

		for (size_t i = 0; t_is_there(t) && i < sizeof(lens) / sizeof(lens[0]); i++) {
			reference_sha512_t((unsigned)t, data, lens[i], NULL, 0, want);
			len = sizeof(out);
			CHECK_RV(CKR_OK, (i % 2 == 0 ? once : parts)(OP_DIGEST, &m, NULL, data, lens[i], out, &len));
			CHECK(same(out, len, want, (t + 7) / 8));
		}
	}
}

/* What no t is: as digest, for HMAC and for a key. */
static void
test_refusals(void)
{
	static const CK_ULONG bad[] = {0, 384, 512, 513, 1024, ~0UL, ~0UL - 7, 1UL << 32 | 256};
	struct object *key = base_key(CKK_SHA512_T_HMAC, data, 32);
	CK_ULONG t = 256;
	CK_MECHANISM m;
	struct op *op;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		m = mechanism(CKM_SHA512_T, &bad[i], sizeof(bad[i]));
		CHECK_RV(CKR_MECHANISM_PARAM_INVALID, op_begin(&op, OP_DIGEST, &m, NULL));
		m.mechanism = CKM_SHA512_T_HMAC;
		CHECK_RV(CKR_MECHANISM_PARAM_INVALID, op_begin(&op, OP_SIGN, &m, key));
		refuse_as(CKR_MECHANISM_PARAM_INVALID, CKM_SHA512_T_KEY_DERIVATION, m.pParameter, sizeof(CK_ULONG), key, NULL);
	}
	m = mechanism(CKM_SHA512_T, &t, sizeof(t) - 1);
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, op_begin(&op, OP_DIGEST, &m, NULL));
	m = mechanism(CKM_SHA512_T, NULL, 0);
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, op_begin(&op, OP_DIGEST, &m, NULL));
	m.mechanism = CKM_SHA512_T_HMAC;
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, op_begin(&op, OP_SIGN, &m, key));
	m.mechanism = CKM_SHA512_T_HMAC_GENERAL;
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, op_begin(&op, OP_SIGN, &m, key));
	object_put(key);
}

static void
test_state(void)
{
	CK_ULONG t = 300, n = 0, len = sizeof(out);
	CK_MECHANISM m = mechanism(CKM_SHA512_T, &t, sizeof(t));
	uint8_t saved[512];
	struct op *op, *again;

	CHECK_RV(CKR_OK, op_begin(&op, OP_DIGEST, &m, NULL));
	CHECK_RV(CKR_OK, op_update(op, data, 200, NULL, NULL));
	CHECK_RV(CKR_OK, op_save(op, NULL, &n));
	CHECK(n > 0 && n <= sizeof(saved));
	CHECK_RV(CKR_OK, op_save(op, saved, &n));
	op_end(op);
	CHECK_RV(CKR_OK, op_restore(&again, saved, n));
	CHECK_RV(CKR_OK, op_update(again, data + 200, 100, NULL, NULL));
	CHECK_RV(CKR_OK, op_final(again, out, &len));
	op_end(again);
	reference_sha512_t(300, data, 300, NULL, 0, want);
	CHECK(same(out, len, want, 38));
	saved[12] = 0x80; /* t = 384 */
	saved[13] = 1;
	CHECK_RV(CKR_SAVED_STATE_INVALID, op_restore(&again, saved, n));
	memset(saved + 12, 0, 8);
	CHECK_RV(CKR_SAVED_STATE_INVALID, op_restore(&again, saved, n));
}

/* ---- HMAC ---- */

static void
check_hmac(CK_ULONG t, struct object *key, size_t n, const uint8_t *mac)
{
	CK_ULONG bytes = t / 8;
	CK_MECHANISM m[] = {mechanism(CKM_SHA512_T_HMAC, &t, sizeof(t)),
		mechanism(CKM_SHA512_T_HMAC_GENERAL, &bytes, sizeof(bytes))};
	uint8_t bad[64];
	size_t len;

	for (size_t i = 0; i < 2; i++) {
		len = sizeof(out);
		CHECK_RV(CKR_OK, once(OP_SIGN, &m[i], key, data, n, out, &len));
		CHECK(same(out, len, mac, bytes));
		len = sizeof(out);
		CHECK_RV(CKR_OK, parts(OP_SIGN, &m[i], key, data, n, out, &len));
		CHECK(same(out, len, mac, bytes));
		CHECK_RV(CKR_OK, verify(&m[i], key, data, n, mac, bytes));
		CHECK_RV(CKR_OK, verify_parts(&m[i], key, data, n, mac, bytes));
		memcpy(bad, mac, bytes);
		bad[bytes - 1] ^= 1;
		CHECK_RV(CKR_SIGNATURE_INVALID, verify(&m[i], key, data, n, bad, bytes));
		CHECK_RV(CKR_SIGNATURE_LEN_RANGE, verify(&m[i], key, data, n, mac, bytes - 1));
	}
}

static void
test_hmac(void)
{
	static const size_t key_lens[] = {1, 20, 127, 128, 129, 300}, lens[] = {0, 1, 111, 128, 400};
	struct object *key;
	uint8_t mac[64];

	for (size_t k = 0; k < sizeof(key_lens) / sizeof(key_lens[0]); k++) {
		key = base_key(k % 2 ? CKK_SHA512_T_HMAC : CKK_GENERIC_SECRET, data + 7, key_lens[k]);
		for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
			HMAC(EVP_sha512_224(), data + 7, (int)key_lens[k], data, lens[i], mac, NULL);
			check_hmac(224, key, lens[i], mac);
			HMAC(EVP_sha512_256(), data + 7, (int)key_lens[k], data, lens[i], mac, NULL);
			check_hmac(256, key, lens[i], mac);
			for (unsigned t = 8; t <= 504; t += k == 0 ? 8 : 72) {
				reference_hmac(t, data + 7, key_lens[k], data, lens[i], mac);
				if (t_is_there(t))
					check_hmac(t, key, lens[i], mac);
			}
		}
		object_put(key);
	}
}

/* Lengths that HMAC does not take, some of which eight times over would be good ones. */
static void
test_hmac_refusals(void)
{
	static const CK_ULONG bits[] = {1, 7, 9, 255, 257, 511}, bytes[] = {0, 48, 64, 512, 1UL << 61 | 32, ~0UL};
	struct object *key = base_key(CKK_SHA512_T_HMAC, data, 32), *aes = base_key(CKK_AES, data, 32);
	CK_ULONG t = 256;
	CK_MECHANISM m;
	struct op *op;

	for (size_t i = 0; i < sizeof(bits) / sizeof(bits[0]); i++) {
		m = mechanism(CKM_SHA512_T_HMAC, &bits[i], sizeof(bits[i]));
		CHECK_RV(CKR_MECHANISM_PARAM_INVALID, op_begin(&op, OP_SIGN, &m, key));
	}
	for (size_t i = 0; i < sizeof(bytes) / sizeof(bytes[0]); i++) {
		m = mechanism(CKM_SHA512_T_HMAC_GENERAL, &bytes[i], sizeof(bytes[i]));
		CHECK_RV(CKR_MECHANISM_PARAM_INVALID, op_begin(&op, OP_SIGN, &m, key));
		CHECK_RV(CKR_MECHANISM_PARAM_INVALID, op_begin(&op, OP_VERIFY, &m, key));
	}
	m = mechanism(CKM_SHA512_T_HMAC, &t, sizeof(t));
	CHECK_RV(CKR_KEY_TYPE_INCONSISTENT, op_begin(&op, OP_SIGN, &m, aes));
	object_put(key);
	object_put(aes);
}

/* A key that waits with an operation set up is used for another t next. */
static void
test_next_t(void)
{
	struct object *key = base_key(CKK_SHA512_T_HMAC, data, 32);
	CK_ULONG t;
	CK_MECHANISM m = mechanism(CKM_SHA512_T_HMAC, &t, sizeof(t));
	size_t len;

	for (t = 504; t >= 8; t -= 8) {
		if (!t_is_there(t))
			continue;
		reference_hmac((unsigned)t, data, 32, data, 50, want);
		len = sizeof(out);
		CHECK_RV(CKR_OK, once(OP_SIGN, &m, key, data, 50, out, &len));
		CHECK(same(out, len, want, t / 8));
	}
	object_put(key);
}

/* ---- keys ---- */

static void
test_derivation(void)
{
	struct object *base = base_key(CKK_GENERIC_SECRET, data, 40), *hidden = hidden_key(CKK_GENERIC_SECRET, data, 40), *o;
	struct attrs t = {0};
	CK_ULONG bits;

	for (bits = 1; bits <= T_MAX; bits += bits < 20 ? 1 : 53) {
		reference_sha512_t((unsigned)bits, data, 40, NULL, 0, want);
		expect(CKM_SHA512_T_KEY_DERIVATION, &bits, sizeof(bits), base, NULL, want, (bits + 7) / 8);
	}
	bits = 256;
	EVP_Q_digest(NULL, "SHA512-256", NULL, data, 40, want, NULL);
	expect(CKM_SHA512_T_KEY_DERIVATION, &bits, sizeof(bits), base, NULL, want, 32);
	ask(&t, CKK_AES, 16);
	expect(CKM_SHA512_T_KEY_DERIVATION, &bits, sizeof(bits), base, &t, want, 16);
	ask(&t, NO_TYPE, 33);
	refuse_as(CKR_ATTRIBUTE_VALUE_INVALID, CKM_SHA512_T_KEY_DERIVATION, &bits, sizeof(bits), base, &t);
	ask(&t, CKK_DES3, 0);
	bits = 184;
	refuse_as(CKR_KEY_SIZE_RANGE, CKM_SHA512_T_KEY_DERIVATION, &bits, sizeof(bits), base, &t);
	refuse_as(CKR_MECHANISM_PARAM_INVALID, CKM_SHA512_T_KEY_DERIVATION, NULL, 0, base, NULL);

	/* a sensitive key's hash cannot be found by trying (strict policy) */
	ask(&t, NO_TYPE, 0);
	for (bits = 8; bits < 112; bits += 8)
		refuse_as(CKR_KEY_SIZE_RANGE, CKM_SHA512_T_KEY_DERIVATION, &bits, sizeof(bits), hidden, NULL);
	bits = 112;
	CHECK_RV(CKR_OK, derive_one(CKM_SHA512_T_KEY_DERIVATION, &bits, sizeof(bits), hidden, NULL, &o));
	CHECK(o != NULL && attrs_bool(&o->attrs, CKA_SENSITIVE, false) && !attrs_bool(&o->attrs, CKA_EXTRACTABLE, true));
	object_put(o);
	attrs_free(&t);
	object_put(base);
	object_put(hidden);
}

static void
test_generation(void)
{
	CK_MECHANISM m = {CKM_SHA512_T_KEY_GEN, NULL, 0}, generic = {CKM_GENERIC_SECRET_KEY_GEN, NULL, 0};
	struct attrs key = {0}, templ = {0};
	CK_ULONG t = 256;

	CHECK_RV(CKR_OK, mech_implies(&m, NULL, &key, NULL));
	CHECK(attrs_ulong(&key, CKA_KEY_TYPE, 0) == CKK_SHA512_T_HMAC);
	CHECK_RV(CKR_TEMPLATE_INCOMPLETE, mech_generate_key(&m, &key, NULL));
	attrs_set_ulong(&key, CKA_VALUE_LEN, 33);
	m.pParameter = &t; /* PKCS#11 3.1 6.27.6: it does not have one */
	m.ulParameterLen = sizeof(t);
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, mech_generate_key(&m, &key, NULL));
	m = (CK_MECHANISM){CKM_SHA512_T_KEY_GEN, NULL, 0};
	CHECK_RV(CKR_OK, mech_generate_key(&m, &key, NULL));
	CHECK(attrs_get(&key, CKA_VALUE) != NULL && attrs_get(&key, CKA_VALUE)->len == 33);
	attrs_free(&key);
	attrs_set_ulong(&templ, CKA_KEY_TYPE, CKK_SHA512_T_HMAC);
	CHECK_RV(CKR_OK, mech_implies(&generic, &templ, &key, NULL));
	CHECK(attrs_ulong(&key, CKA_KEY_TYPE, 0) == CKK_SHA512_T_HMAC);
	attrs_free(&key);
	attrs_free(&templ);
}

int
main(void)
{
	CHECK_RV(CKR_OK, secret_start());
	be(&user);
	reference_start();
	RAND_bytes(data, sizeof(data));
	test_reference();
	test_examples();
	test_openssl();
	test_every_t();
	test_refusals();
	test_state();
	test_hmac();
	test_hmac_refusals();
	test_next_t();
	test_derivation();
	test_generation();
	return unit_done("test_sha512_t");
}
