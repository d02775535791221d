/* Digests and MACs against OpenSSL's one-shot calls; the rules of lengths, parts and ends. */
#include "crypto_help.h"

static uint8_t data[BIG], out[BIG + 64], ref[BIG + 64];

static const struct {
	CK_MECHANISM_TYPE digest, hmac;
	CK_KEY_TYPE key;
	const char *name;
	size_t size;
} hashes[] = {
	{CKM_SHA_1, CKM_SHA_1_HMAC, CKK_SHA_1_HMAC, "SHA1", 20},
	{CKM_SHA224, CKM_SHA224_HMAC, CKK_SHA224_HMAC, "SHA224", 28},
	{CKM_SHA256, CKM_SHA256_HMAC, CKK_SHA256_HMAC, "SHA256", 32},
	{CKM_SHA384, CKM_SHA384_HMAC, CKK_SHA384_HMAC, "SHA384", 48},
	{CKM_SHA512, CKM_SHA512_HMAC, CKK_SHA512_HMAC, "SHA512", 64},
	{CKM_SHA512_224, CKM_SHA512_224_HMAC, CKK_SHA512_224_HMAC, "SHA512-224", 28},
	{CKM_SHA512_256, CKM_SHA512_256_HMAC, CKK_SHA512_256_HMAC, "SHA512-256", 32},
	{CKM_SHA3_224, CKM_SHA3_224_HMAC, CKK_SHA3_224_HMAC, "SHA3-224", 28},
	{CKM_SHA3_256, CKM_SHA3_256_HMAC, CKK_SHA3_256_HMAC, "SHA3-256", 32},
	{CKM_SHA3_384, CKM_SHA3_384_HMAC, CKK_SHA3_384_HMAC, "SHA3-384", 48},
	{CKM_SHA3_512, CKM_SHA3_512_HMAC, CKK_SHA3_512_HMAC, "SHA3-512", 64},
};
#define HASHES (sizeof(hashes) / sizeof(hashes[0]))

static void
test_digests(void)
{
	for (size_t h = 0; h < HASHES; h++)
		for (size_t i = 0; i < LENGTHS; i++) {
			CK_MECHANISM m = mechanism(hashes[h].digest, NULL, 0);
			size_t n = 64, want = 0;

			EVP_Q_digest(NULL, hashes[h].name, NULL, data, lengths[i], ref, &want);
			CHECK_RV(CKR_OK, once(OP_DIGEST, &m, NULL, data, lengths[i], out, &n));
			CHECK(same(out, n, ref, want) && n == hashes[h].size);
			CHECK_RV(CKR_OK, parts(OP_DIGEST, &m, NULL, data, lengths[i], out, &n));
			CHECK(same(out, n, ref, want));
		}
}

static void
test_lengths_and_ends(void)
{
	CK_MECHANISM m = mechanism(CKM_SHA256, NULL, 0), param = mechanism(CKM_SHA256, data, 3);
	struct op *op;
	CK_ULONG n = 99;

	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, op_begin(&op, OP_DIGEST, &param, NULL));
	CHECK(op == NULL);
	CHECK_RV(CKR_OK, op_begin(&op, OP_DIGEST, &m, NULL));
	CHECK_RV(CKR_OK, op_once(op, data, 3, NULL, &n));
	CHECK(n == 32 && op_active(op));
	n = 31;
	CHECK_RV(CKR_BUFFER_TOO_SMALL, op_once(op, data, 3, out, &n));
	CHECK(n == 32 && op_active(op));
	/* a length query has begun the one-shot use: parts are refused, and that ends it */
	CHECK_RV(CKR_OPERATION_ACTIVE, op_update(op, data, 3, NULL, NULL));
	CHECK(!op_active(op));
	CHECK_RV(CKR_OPERATION_NOT_INITIALIZED, op_once(op, data, 3, out, &n));
	op_end(op);

	CHECK_RV(CKR_OK, op_begin(&op, OP_DIGEST, &m, NULL));
	CHECK_RV(CKR_OK, op_update(op, data, 3, NULL, NULL));
	CHECK_RV(CKR_OPERATION_ACTIVE, op_once(op, data, 3, out, &n));
	CHECK(!op_active(op));
	op_end(op);

	CHECK_RV(CKR_OK, op_begin(&op, OP_DIGEST, &m, NULL));
	n = 5;
	CHECK_RV(CKR_BUFFER_TOO_SMALL, op_final(op, out, &n));
	CHECK(n == 32 && op_active(op));
	CHECK_RV(CKR_OK, op_final(op, out, &n));
	EVP_Q_digest(NULL, "SHA256", NULL, "", 0, ref, NULL);
	CHECK(same(out, n, ref, 32) && !op_active(op));
	op_end(op);
	op_end(NULL);

	CHECK_RV(CKR_MECHANISM_INVALID, op_begin(&op, OP_SIGN, &m, NULL));
	m.mechanism = 0x7FFFFFFF;
	CHECK_RV(CKR_MECHANISM_INVALID, op_begin(&op, OP_DIGEST, &m, NULL));
}

static void
test_state(void)
{
	CK_MECHANISM m = mechanism(CKM_SHA384, NULL, 0);
	uint8_t saved[256], key[16] = {1};
	struct object *k = secret_object(CKK_GENERIC_SECRET, key, 16);
	struct op *op, *again;
	CK_ULONG n = 0, len = 64;

	CHECK_RV(CKR_OK, op_begin(&op, OP_DIGEST, &m, NULL));
	CHECK_RV(CKR_OK, op_update(op, data, 100, NULL, NULL));
	CHECK_RV(CKR_OK, op_save(op, NULL, &n));
	CHECK(n > 100 && n <= sizeof(saved));
	CHECK_RV(CKR_OK, op_save(op, saved, &n));
	CHECK_RV(CKR_OK, op_restore(&again, saved, n));
	CHECK_RV(CKR_OK, op_update(again, data + 100, 50, NULL, NULL));
	CHECK_RV(CKR_OK, op_final(again, out, &len));
	EVP_Q_digest(NULL, "SHA384", NULL, data, 150, ref, NULL);
	CHECK(same(out, len, ref, 48));
	op_end(again);
	for (CK_ULONG cut = 0; cut < n; cut++) {
		CHECK_RV(CKR_SAVED_STATE_INVALID, op_restore(&again, saved, cut));
		CHECK(again == NULL);
	}
	/* a key in it, and it may not leave */
	CHECK_RV(CKR_OK, op_digest_key(op, k));
	CHECK_RV(CKR_STATE_UNSAVEABLE, op_save(op, NULL, &n));
	len = 64;
	CHECK_RV(CKR_OK, op_final(op, out, &len));
	memcpy(saved, data, 100);
	memcpy(saved + 100, key, 16);
	EVP_Q_digest(NULL, "SHA384", NULL, saved, 116, ref, NULL);
	CHECK(same(out, len, ref, 48));
	op_end(op);

	attrs_set_bool(&k->attrs, CKA_SENSITIVE, true);
	CHECK_RV(CKR_OK, op_begin(&op, OP_DIGEST, &m, NULL));
	CHECK_RV(CKR_KEY_INDIGESTIBLE, op_digest_key(op, k));
	CHECK(!op_active(op));
	op_end(op);

	m.mechanism = CKM_SHA256_HMAC;
	CHECK_RV(CKR_OK, op_begin(&op, OP_SIGN, &m, k));
	CHECK_RV(CKR_STATE_UNSAVEABLE, op_save(op, NULL, &n));
	op_end(op);
	object_put(k);
}

static void
test_hmac(void)
{
	static const size_t key_lens[] = {1, 16, 20, 32, 63, 64, 65, 128, 129, 300};

	for (size_t h = 0; h < HASHES; h++)
		for (size_t k = 0; k < sizeof(key_lens) / sizeof(key_lens[0]); k++) {
			CK_MECHANISM m = mechanism(hashes[h].hmac, NULL, 0), g;
			struct object *key = secret_object(k % 2 ? CKK_GENERIC_SECRET : hashes[h].key,
				data + 7, key_lens[k]);
			CK_ULONG mac_len = 4 + k, zero = 0, more = hashes[h].size + 1;
			size_t n = 64, want = 0, l = lengths[(h + k) % LENGTHS];

			EVP_Q_mac(NULL, "HMAC", NULL, hashes[h].name, NULL, data + 7, key_lens[k], data, l,
				ref, 64, &want);
			for (int twice = 0; twice < 2; twice++) { /* the second time with a ready context */
				n = 64;
				CHECK_RV(CKR_OK, once(OP_SIGN, &m, key, data, l, out, &n));
				CHECK(same(out, n, ref, want));
				CHECK_RV(CKR_OK, parts(OP_SIGN, &m, key, data, l, out, &n));
				CHECK(same(out, n, ref, want));
				CHECK_RV(CKR_OK, verify(&m, key, data, l, ref, want));
				CHECK_RV(CKR_OK, verify_parts(&m, key, data, l, ref, want));
			}
			CHECK_RV(CKR_SIGNATURE_LEN_RANGE, verify(&m, key, data, l, ref, want - 1));
			ref[want - 1] ^= 1;
			CHECK_RV(CKR_SIGNATURE_INVALID, verify(&m, key, data, l, ref, want));
			CHECK_RV(CKR_SIGNATURE_INVALID, verify_parts(&m, key, data, l, ref, want));
			ref[want - 1] ^= 1;

			g = mechanism(hashes[h].hmac + 1, &mac_len, sizeof(mac_len));
			n = 64;
			CHECK_RV(CKR_OK, once(OP_SIGN, &g, key, data, l, out, &n));
			CHECK(same(out, n, ref, mac_len));
			CHECK_RV(CKR_OK, verify(&g, key, data, l, out, n));
			g.pParameter = &zero;
			CHECK_RV(CKR_MECHANISM_PARAM_INVALID, verify(&g, key, data, l, out, n));
			g.pParameter = &more;
			CHECK_RV(CKR_MECHANISM_PARAM_INVALID, verify(&g, key, data, l, out, n));
			g.pParameter = NULL;
			CHECK_RV(CKR_MECHANISM_PARAM_INVALID, verify(&g, key, data, l, out, n));
			object_put(key);
		}
}

/* RFC 4231 4.3: key "Jefe", "what do ya want for nothing?" */
/* What the policy asks about verifications of MACs, by whichever call. */
static void
test_compared_macs(void)
{
	static const enum op_kind verifies[] = {OP_VERIFY, OP_VERIFY_SIGNATURE, OP_MESSAGE_VERIFY},
		others[] = {OP_SIGN, OP_MESSAGE_SIGN};
	uint8_t value[32] = {1};
	struct object *k = secret_object(CKK_GENERIC_SECRET, value, 32), *pub, *priv;
	const struct curve *p256 = curve_of_group("prime256v1");
	CK_ULONG cut = 3;
	CK_MECHANISM whole = mechanism(CKM_SHA256_HMAC, NULL, 0), part = mechanism(CKM_SHA256_HMAC_GENERAL, &cut, sizeof(cut)),
		     ecdsa = mechanism(CKM_ECDSA, NULL, 0);
	struct op *op;

	for (size_t i = 0; i < 3; i++) {
		CHECK_RV(CKR_OK, op_begin(&op, verifies[i], &whole, k));
		CHECK(op_compares(op) == 32);
		op_end(op);
		CHECK_RV(CKR_OK, op_begin(&op, verifies[i], &part, k));
		CHECK(op_compares(op) == 3);
		op_end(op);
	}
	for (size_t i = 0; i < 2; i++) {
		CHECK_RV(CKR_OK, op_begin(&op, others[i], &part, k));
		CHECK(op_compares(op) == 0);
		op_end(op);
	}
	CHECK_RV(CKR_OK, make_pair(CKM_EC_KEY_PAIR_GEN, p256->oid, p256->oid_len, 0, &pub, &priv));
	CHECK_RV(CKR_OK, op_begin(&op, OP_VERIFY, &ecdsa, pub));
	CHECK(op_compares(op) == 0);
	op_end(op);
	CHECK_RV(CKR_OK, op_begin(&op, OP_MESSAGE_VERIFY, &ecdsa, pub));
	CHECK(op_compares(op) == 0);
	op_end(op);
	object_put(k);
	object_put(pub);
	object_put(priv);
}

static void
test_hmac_vector(void)
{
	CK_MECHANISM m = mechanism(CKM_SHA256_HMAC, NULL, 0);
	struct object *key = secret_object(CKK_GENERIC_SECRET, (const uint8_t *)"Jefe", 4);
	size_t n = 64;

	unhex("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843", ref);
	CHECK_RV(CKR_OK, once(OP_SIGN, &m, key, (const uint8_t *)"what do ya want for nothing?", 28, out, &n));
	CHECK(same(out, n, ref, 32));
	object_put(key);
}

/* RFC 4493 4, examples 1 to 4; and OpenSSL for the other key sizes */
static void
test_cmac(void)
{
	static const struct {
		size_t len;
		const char *mac;
	} known[] = {{0, "bb1d6929e95937287fa37d129b756746"}, {16, "070a16b46b4d4144f79bdd9dd04a287c"},
		{40, "dfa66747de9ae63030ca32611497c827"}, {64, "51f0bebf7e3b9d92fc49741779363cfe"}};
	CK_MECHANISM m = mechanism(CKM_AES_CMAC, NULL, 0), g = mechanism(CKM_AES_CMAC_GENERAL, NULL, 0);
	CK_ULONG five = 5, many = 17;
	uint8_t key[16], text[64];
	struct object *k;
	char name[16];
	size_t n;

	unhex("2b7e151628aed2a6abf7158809cf4f3c", key);
	unhex("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
	      "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710", text);
	k = secret_object(CKK_AES, key, 16);
	for (size_t i = 0; i < 4; i++) {
		unhex(known[i].mac, ref);
		n = 16;
		CHECK_RV(CKR_OK, once(OP_SIGN, &m, k, text, known[i].len, out, &n));
		CHECK(same(out, n, ref, 16));
		CHECK_RV(CKR_OK, verify_parts(&m, k, text, known[i].len, ref, 16));
	}
	g.pParameter = &five;
	g.ulParameterLen = sizeof(five);
	n = 16;
	CHECK_RV(CKR_OK, once(OP_SIGN, &g, k, text, 64, out, &n));
	CHECK(same(out, n, ref, 5));
	g.pParameter = &many;
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, once(OP_SIGN, &g, k, text, 64, out, &n));
	object_put(k);
	for (size_t bits = 128; bits <= 256; bits += 64) {
		k = secret_object(CKK_AES, data, bits / 8);
		snprintf(name, sizeof(name), "AES-%zu-CBC", bits);
		for (size_t l = 0; l < 100; l++) {
			CHECK(EVP_Q_mac(NULL, "CMAC", NULL, name, NULL, data, bits / 8, data, l, ref, 64, &n) != NULL);
			CHECK_RV(CKR_OK, parts(OP_SIGN, &m, k, data, l, out, &n));
			CHECK(same(out, n, ref, 16));
		}
		object_put(k);
	}
}

/* ---- whatever the mechanism ---- */

static void
test_wrong_keys(void)
{
	CK_MECHANISM m = mechanism(CKM_AES_ECB, NULL, 0);
	struct object *generic = secret_object(CKK_GENERIC_SECRET, data, 16);
	struct object *aes = secret_object(CKK_AES, data, 16);
	struct op *op;

	CHECK_RV(CKR_KEY_TYPE_INCONSISTENT, op_begin(&op, OP_ENCRYPT, &m, generic));
	CHECK(op == NULL);
	CHECK_RV(CKR_MECHANISM_INVALID, op_begin(&op, OP_SIGN, &m, aes));
	attrs_set_bool(&aes->attrs, CKA_ENCRYPT, false);
	CHECK_RV(CKR_KEY_FUNCTION_NOT_PERMITTED, op_begin(&op, OP_ENCRYPT, &m, aes));
	CHECK_RV(CKR_OK, op_begin(&op, OP_DECRYPT, &m, aes));
	CHECK(op_key(op) == aes && op_mechanism(op) == CKM_AES_ECB && !op_needs_context_login(op));
	op_end(op);
	attrs_set_bool(&aes->attrs, CKA_ALWAYS_AUTHENTICATE, true);
	CHECK_RV(CKR_OK, op_begin(&op, OP_DECRYPT, &m, aes));
	CHECK(op_needs_context_login(op));
	object_put(aes); /* the operation keeps its key */
	op_end(op);
	object_put(generic);
}

/* More operations at once with one key than are kept ready. */
static void
test_many_at_once(void)
{
	CK_MECHANISM m = mechanism(CKM_SHA256_HMAC, NULL, 0);
	struct object *key = secret_object(CKK_GENERIC_SECRET, data, 32);
	struct op *ops[20];
	CK_ULONG n;

	EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, data, 32, data, 100, ref, 64, NULL);
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 20; i++) {
			CHECK_RV(CKR_OK, op_begin(&ops[i], OP_SIGN, &m, key));
			CHECK_RV(CKR_OK, op_update(ops[i], data, (size_t)i, NULL, NULL));
		}
		for (int i = 0; i < 20; i++) {
			n = 32;
			CHECK_RV(CKR_OK, op_update(ops[i], data + i, 100 - (size_t)i, NULL, NULL));
			CHECK_RV(CKR_OK, op_final(ops[i], out, &n));
			CHECK(same(out, n, ref, 32));
			op_end(ops[i]);
		}
		CHECK_RV(CKR_OK, op_begin(&ops[0], OP_SIGN, &m, key)); /* given up half-way */
		CHECK_RV(CKR_OK, op_update(ops[0], data, 5, NULL, NULL));
		op_end(ops[0]);
	}
	object_put(key);
}

static void
test_random(void)
{
	uint8_t a[64] = {0}, b[64] = {0};

	CHECK_RV(CKR_OK, random_bytes(a, 64));
	CHECK_RV(CKR_OK, random_bytes(b, 64));
	CHECK(memcmp(a, b, 64) != 0);
	CHECK_RV(CKR_OK, random_bytes(NULL, 0));
}

int
main(void)
{
	CHECK_RV(CKR_OK, secret_start());
	RAND_bytes(data, sizeof(data));
	test_digests();
	test_lengths_and_ends();
	test_state();
	test_hmac();
	test_hmac_vector();
	test_compared_macs();
	test_cmac();
	test_wrong_keys();
	test_many_at_once();
	test_random();
	return unit_done("op");
}
