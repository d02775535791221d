/* Messages: authenticated ciphers with nonces of the caller's and of the token's, signatures one after the other; and
 * signatures that are known before what they sign. */
#include "crypto_help.h"

static uint8_t data[BIG], out[BIG + 64], ref[BIG + 64], iv[128], tag[16];

/* One of the three ciphers with its message structure. */
static struct {
	CK_GCM_MESSAGE_PARAMS gcm;
	CK_CCM_MESSAGE_PARAMS ccm;
	CK_SALSA20_CHACHA20_POLY1305_MSG_PARAMS chacha;
} p;
static const CK_MECHANISM_TYPE types[] = {CKM_AES_GCM, CKM_AES_CCM, CKM_CHACHA20_POLY1305};

static struct message
message(int t, size_t n, CK_ULONG generator, CK_ULONG fixed_bits, const uint8_t *aad, size_t aad_len)
{
	static const size_t sizes[] = {sizeof(p.gcm), sizeof(p.ccm), sizeof(p.chacha)};
	void *params[] = {&p.gcm, &p.ccm, &p.chacha};
	struct message m = {params[t], sizes[t], aad, aad_len};

	p.gcm = (CK_GCM_MESSAGE_PARAMS){iv, 12, fixed_bits, generator, tag, 128};
	p.ccm = (CK_CCM_MESSAGE_PARAMS){n, iv, 12, fixed_bits, generator, tag, 16};
	p.chacha = (CK_SALSA20_CHACHA20_POLY1305_MSG_PARAMS){iv, 96, tag};
	return m;
}

static struct object *
cipher_key(int t)
{
	return secret_object(t == 2 ? CKK_CHACHA20 : CKK_AES, data + 64, 32);
}

/* text || tag with the nonce in iv */
static void
openssl_seal(int t, const uint8_t *aad, size_t aad_len, const uint8_t *in, size_t n, uint8_t *to)
{
	EVP_CIPHER_CTX *x = EVP_CIPHER_CTX_new();
	int len;

	CHECK(EVP_EncryptInit_ex(x, t == 0 ? EVP_aes_256_gcm() : t == 1 ? EVP_aes_256_ccm() : EVP_chacha20_poly1305(), NULL,
		NULL, NULL) == 1);
	CHECK(EVP_CIPHER_CTX_ctrl(x, EVP_CTRL_AEAD_SET_IVLEN, 12, NULL) == 1);
	if (t == 1)
		CHECK(EVP_CIPHER_CTX_ctrl(x, EVP_CTRL_AEAD_SET_TAG, 16, NULL) == 1);
	CHECK(EVP_EncryptInit_ex(x, NULL, NULL, data + 64, iv) == 1);
	if (t == 1)
		CHECK(EVP_EncryptUpdate(x, NULL, &len, NULL, (int)n) == 1);
	if (aad_len > 0)
		CHECK(EVP_EncryptUpdate(x, NULL, &len, aad, (int)aad_len) == 1);
	CHECK(EVP_EncryptUpdate(x, to, &len, in, (int)n) == 1 && EVP_EncryptFinal_ex(x, to + n, &len) == 1);
	CHECK(EVP_CIPHER_CTX_ctrl(x, EVP_CTRL_AEAD_GET_TAG, 16, to + n) == 1);
	EVP_CIPHER_CTX_free(x);
}

static struct op *
begin(enum op_kind kind, CK_MECHANISM_TYPE type, struct object *key)
{
	CK_MECHANISM m = mechanism(type, NULL, 0);
	struct op *op;

	CHECK_RV(CKR_OK, op_begin(&op, kind, &m, key));
	return op;
}

/* In random pieces; every told length is right. */
static CK_RV
in_parts(struct op *op, const struct message *m, const uint8_t *in, size_t n, uint8_t *to, size_t *len)
{
	size_t at = 0, step, have = 0;
	CK_ULONG l, told = 0;
	bool last;
	CK_RV rv = op_message_begin(op, m);

	do {
		step = (size_t)rand() % 50;
		step = step > n - at ? n - at : step;
		last = at + step == n && rand() % 2;
		if (rv == CKR_OK) {
			CHECK_RV(CKR_OK, op_message_next(op, m, in + at, step, last, NULL, &told));
			CHECK(told <= op_message_bound(op, step) && (told > 0 || step == 0 || !last));
			l = told;
			if (last && told > 0) {
				l--;
				CHECK_RV(CKR_BUFFER_TOO_SMALL, op_message_next(op, m, in + at, step, last, to + have, &l));
				CHECK(l == told);
			}
			rv = op_message_next(op, m, in + at, step, last, to + have, &l);
			CHECK(rv != CKR_OK || l == told);
			have += rv == CKR_OK ? l : 0;
		}
		at += step;
	} while (!last && rv == CKR_OK);
	*len = have;
	return rv;
}

static void
test_ciphers(void)
{
	for (int t = 0; t < 3; t++) {
		struct object *key = cipher_key(t);
		struct op *enc = begin(OP_MESSAGE_ENCRYPT, types[t], key), *dec = begin(OP_MESSAGE_DECRYPT, types[t], key);

		for (size_t i = 0; i < 150; i++) {
			size_t n = i < 70 ? i : i * 50, aad_len = i * 7 % 40, have;
			struct message m = message(t, n, CKG_NO_GENERATE, 0, aad_len > 0 ? data + 5 : NULL, aad_len);
			CK_ULONG l = 0;

			memcpy(iv, data + i, 12);
			openssl_seal(t, data + 5, aad_len, data, n, ref);
			CHECK_RV(CKR_OK, op_message(enc, &m, data, n, NULL, &l));
			CHECK(l == n);
			memset(tag, 0, 16);
			CHECK_RV(CKR_OK, op_message(enc, &m, data, n, out, &l));
			CHECK(same(out, l, ref, n) && memcmp(tag, ref + n, 16) == 0);
			memset(tag, 0, 16);
			CHECK_RV(CKR_OK, in_parts(enc, &m, data, n, out, &have));
			CHECK(same(out, have, ref, n) && memcmp(tag, ref + n, 16) == 0);
			CHECK(memcmp(iv, data + i, 12) == 0);
			CHECK_RV(CKR_OK, op_message(dec, &m, ref, n, out, &l));
			CHECK(same(out, l, data, n));
			CHECK_RV(CKR_OK, in_parts(dec, &m, ref, n, out, &have));
			CHECK(same(out, have, data, n));
			/* a message that is refused ends itself, and releases nothing; the next one is fine */
			tag[i % 16] ^= 0x20;
			memset(out, 0, sizeof(out));
			l = BIG;
			CHECK_RV(CKR_AEAD_DECRYPT_FAILED, op_message(dec, &m, ref, n, out, &l));
			CHECK_RV(CKR_AEAD_DECRYPT_FAILED, in_parts(dec, &m, ref, n, out, &have));
			CHECK(op_active(dec) && (n < 16 || memcmp(out, data, 8) != 0));
		}
		op_end(enc);
		op_end(dec);
		object_put(key);
	}
}

static void
test_order(void)
{
	struct object *key = cipher_key(0);
	struct op *op = begin(OP_MESSAGE_ENCRYPT, CKM_AES_GCM, key), *plain;
	struct message m = message(0, 0, CKG_NO_GENERATE, 0, NULL, 0), bad = m;
	CK_GCM_PARAMS classic = {.pIv = iv, .ulIvLen = 12, .ulTagBits = 128};
	CK_MECHANISM c = mechanism(CKM_AES_GCM, &classic, sizeof(classic));
	CK_ULONG l = 8;

	/* the calls of other operations are no calls of this one */
	CHECK_RV(CKR_OPERATION_NOT_INITIALIZED, op_once(op, data, 8, out, &l));
	CHECK_RV(CKR_OPERATION_NOT_INITIALIZED, op_update(op, data, 8, out, &l));
	CHECK_RV(CKR_OPERATION_NOT_INITIALIZED, op_final(op, out, &l));
	CHECK_RV(CKR_OPERATION_NOT_INITIALIZED, op_verify(op, data, 8, out, 8));
	CHECK_RV(CKR_OPERATION_NOT_INITIALIZED, op_message_verify(op, &m, data, 8, out, 8));
	CHECK_RV(CKR_OPERATION_NOT_INITIALIZED, op_message_next(op, &m, data, 8, false, out, &l));
	CHECK_RV(CKR_OPERATION_NOT_INITIALIZED, op_message(NULL, &m, data, 8, out, &l));
	CHECK_RV(CKR_OK, op_begin(&plain, OP_ENCRYPT, &c, key));
	CHECK_RV(CKR_OPERATION_NOT_INITIALIZED, op_message(plain, &m, data, 8, out, &l));
	CHECK_RV(CKR_OPERATION_NOT_INITIALIZED, op_message_begin(plain, &m));
	op_end(plain);
	CHECK_RV(CKR_STATE_UNSAVEABLE, op_save(op, NULL, &l));

	/* within a message neither another one nor one in one part */
	CHECK_RV(CKR_OK, op_message_begin(op, &m));
	CHECK_RV(CKR_OPERATION_ACTIVE, op_message_begin(op, &m));
	CHECK_RV(CKR_OPERATION_ACTIVE, op_message(op, &m, data, 8, out, &l));
	l = 8;
	CHECK_RV(CKR_OK, op_message_next(op, &m, data, 8, false, out, &l)); /* it is still there */
	l = 7;
	CHECK_RV(CKR_BUFFER_TOO_SMALL, op_message_next(op, &m, data + 8, 8, true, out + 8, &l));
	CHECK(l == 8);
	CHECK_RV(CKR_OK, op_message_next(op, &m, data + 8, 8, true, out + 8, &l));
	openssl_seal(0, NULL, 0, data, 16, ref);
	CHECK(same(out, 16, ref, 16) && memcmp(tag, ref + 16, 16) == 0);
	CHECK_RV(CKR_OPERATION_NOT_INITIALIZED, op_message_next(op, &m, data, 8, true, out, &l));

	/* an error ends the message and nothing else */
	CHECK_RV(CKR_OK, op_message_begin(op, &m));
	bad.param_len--;
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, op_message_next(op, &bad, data, 8, true, out, &l));
	CHECK(op_active(op));
	CHECK_RV(CKR_OPERATION_NOT_INITIALIZED, op_message_next(op, &m, data, 8, true, out, &l));
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, op_message(op, &bad, data, 8, out, &l));
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, op_message_begin(op, &bad));
	CHECK_RV(CKR_OK, op_message_begin(op, &m));
	CHECK_RV(CKR_ARGUMENTS_BAD, op_message_next(op, &m, NULL, 8, false, out, &l));
	CHECK_RV(CKR_OPERATION_NOT_INITIALIZED, op_message_next(op, &m, data, 8, false, out, &l));
	p.gcm.pTag = NULL;
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, op_message(op, &m, data, 8, out, &l));
	CHECK_RV(CKR_OK, op_message_begin(op, &m)); /* only the end needs room for a tag */
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, op_message_next(op, &m, data, 8, true, out, &l));
	op_end(op);

	/* CCM keeps to what it was told */
	op = begin(OP_MESSAGE_ENCRYPT, CKM_AES_CCM, key);
	m = message(1, 8, CKG_NO_GENERATE, 0, NULL, 0);
	l = 64;
	CHECK_RV(CKR_DATA_LEN_RANGE, op_message(op, &m, data, 9, out, &l));
	CHECK_RV(CKR_OK, op_message_begin(op, &m));
	CHECK_RV(CKR_DATA_LEN_RANGE, op_message_next(op, &m, data, 9, false, out, &l));
	CHECK_RV(CKR_OK, op_message_begin(op, &m));
	CHECK_RV(CKR_DATA_LEN_RANGE, op_message_next(op, &m, data, 7, true, out, &l));
	CHECK_RV(CKR_OK, op_message(op, &m, data, 8, out, &l));
	op_end(op);
	object_put(key);
}

/* ---- nonces ---- */

static CK_RV
seal_one(struct op *op, const struct message *m)
{
	CK_ULONG l = 4;
	CK_RV rv = op_message(op, m, data, 4, out, &l);

	if (rv == CKR_OK) {
		openssl_seal(0, NULL, 0, data, 4, ref);
		CHECK(same(out, l, ref, 4) && memcmp(tag, ref + 4, 16) == 0);
	}
	return rv;
}

static uint64_t
low64(void)
{
	uint64_t v = 0;

	for (int i = 4; i < 12; i++)
		v = v << 8 | iv[i];
	return v;
}

static void
test_generators(void)
{
	static const uint8_t fixed[4] = {1, 2, 3, 4}, base[8] = {0xA0, 0xA1, 0xA2, 0xA3, 0xA4, 0xA5, 0xA6, 0xA7};
	struct object *key = cipher_key(0);
	struct message m;
	struct op *op;
	CK_ULONG l = 0;
	uint8_t seen[300][12];
	uint64_t first = 0;

	/* a counter behind the fixed bits; with 64 free bits it begins anywhere, so that two operations do not meet */
	op = begin(OP_MESSAGE_ENCRYPT, CKM_AES_GCM, key);
	m = message(0, 0, CKG_GENERATE_COUNTER, 32, NULL, 0);
	for (uint64_t i = 0; i < 300; i++) {
		memset(iv, 0xEE, 12);
		memcpy(iv, fixed, 4);
		CHECK_RV(CKR_OK, op_message(op, &m, data, 4, NULL, &l)); /* asking for the length uses up nothing */
		CHECK_RV(CKR_OK, seal_one(op, &m));
		first = i == 0 ? low64() : first;
		CHECK(memcmp(iv, fixed, 4) == 0 && low64() == first + i);
	}
	CHECK(first != 0);
	/* what decides the nonce stays as it was */
	m = message(0, 0, CKG_GENERATE, 32, NULL, 0);
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, seal_one(op, &m));
	m = message(0, 0, CKG_GENERATE_COUNTER, 40, NULL, 0);
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, seal_one(op, &m));
	m = message(0, 0, CKG_GENERATE_COUNTER, 32, NULL, 0);
	p.gcm.ulIvLen = 16;
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, seal_one(op, &m));
	m = message(0, 0, CKG_GENERATE_COUNTER, 32, NULL, 0);
	CHECK_RV(CKR_OK, seal_one(op, &m));
	CHECK(low64() == first + 300);
	CHECK_RV(CKR_OK, op_message_begin(op, &m)); /* in parts the nonce is there at once */
	CHECK(low64() == first + 301);
	l = 4;
	CHECK_RV(CKR_OK, op_message_next(op, &m, data, 4, true, out, &l));
	openssl_seal(0, NULL, 0, data, 4, ref);
	CHECK(same(out, l, ref, 4) && memcmp(tag, ref + 4, 16) == 0 && low64() == first + 301);
	/* one's own nonce in between is one's own matter */
	m = message(0, 0, CKG_NO_GENERATE, 0, NULL, 0);
	memset(iv, 9, 12);
	CHECK_RV(CKR_OK, seal_one(op, &m));
	CHECK(iv[0] == 9 && iv[11] == 9);
	op_end(op);

	/* with fewer free bits the fixed ones tell operations apart: the counter begins at zero */
	op = begin(OP_MESSAGE_ENCRYPT, CKM_AES_GCM, key);
	m = message(0, 0, CKG_GENERATE_COUNTER, 33, NULL, 0);
	for (uint64_t i = 0; i < 300; i++) {
		memset(iv, 0, 12);
		CHECK_RV(CKR_OK, seal_one(op, &m));
		CHECK(low64() == i);
	}
	op_end(op);

	/* a counter on top of the caller's bits, whether he resets them or not */
	op = begin(OP_MESSAGE_ENCRYPT, CKM_AES_GCM, key);
	m = message(0, 0, CKG_GENERATE_COUNTER_XOR, 32, NULL, 0);
	for (uint64_t i = 0; i < 300; i++) {
		if (i == 0 || i % 3 == 0) {
			memcpy(iv, fixed, 4);
			memcpy(iv + 4, base, 8);
		}
		CHECK_RV(CKR_OK, seal_one(op, &m));
		CHECK(memcmp(iv, fixed, 4) == 0 && low64() == (UINT64_C(0xA0A1A2A3A4A5A6A7) ^ i));
	}
	iv[5] ^= 0x80;
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, seal_one(op, &m));
	op_end(op);

	/* of one's own making: never the same, the fixed bits kept */
	for (CK_ULONG g = CKG_GENERATE; g <= CKG_GENERATE_RANDOM; g += CKG_GENERATE_RANDOM - CKG_GENERATE) {
		op = begin(OP_MESSAGE_ENCRYPT, CKM_AES_GCM, key);
		m = message(0, 0, g, 4, NULL, 0);
		for (size_t i = 0; i < 300; i++) {
			memset(iv, 0x77, 12);
			CHECK_RV(CKR_OK, seal_one(op, &m));
			CHECK(iv[0] >> 4 == 7);
			memcpy(seen[i], iv, 12);
			for (size_t k = 0; k < i; k++)
				CHECK(memcmp(seen[i], seen[k], 12) != 0);
		}
		op_end(op);
	}
	/* a new operation begins elsewhere */
	m = message(0, 0, CKG_GENERATE, 4, NULL, 0);
	op = begin(OP_MESSAGE_ENCRYPT, CKM_AES_GCM, key);
	CHECK_RV(CKR_OK, seal_one(op, &m));
	memcpy(seen[0], iv, 12);
	op_end(op);
	op = begin(OP_MESSAGE_ENCRYPT, CKM_AES_GCM, key);
	CHECK_RV(CKR_OK, seal_one(op, &m));
	CHECK(memcmp(seen[0], iv, 12) != 0);
	op_end(op);
	object_put(key);
}

/* With n free bits there are 2^n messages (2^ceil(n/2) with random ones), all with different nonces, and no more. */
static void
test_overflow(void)
{
	static const CK_ULONG generators[] = {CKG_GENERATE, CKG_GENERATE_COUNTER, CKG_GENERATE_COUNTER_XOR, CKG_GENERATE_RANDOM};
	struct object *key = cipher_key(0);

	for (size_t g = 0; g < 4; g++)
		for (unsigned free = 1; free <= 9; free += free == 1 ? 3 : 5) {
			struct op *op = begin(OP_MESSAGE_ENCRYPT, CKM_AES_GCM, key);
			struct message m = message(0, 0, generators[g], 96 - free, NULL, 0);
			unsigned most = 1u << (g == 3 ? (free + 1) / 2 : free);
			bool used[512] = {false};

			for (unsigned i = 0; i < most; i++) {
				unsigned low;

				memset(iv, 0x3C, 12);
				CHECK_RV(CKR_OK, seal_one(op, &m));
				low = ((unsigned)iv[10] << 8 | iv[11]) & ((1u << free) - 1);
				CHECK(!used[low]);
				used[low] = true;
				CHECK(iv[0] == 0x3C && iv[9] == 0x3C && (((unsigned)iv[10] << 8 | iv[11]) ^ 0x3C3C) >> free == 0);
			}
			memset(iv, 0x3C, 12);
			CHECK_RV(CKR_TOKEN_RESOURCE_EXCEEDED, seal_one(op, &m));
			CHECK(op_active(op));
			m = message(0, 0, CKG_NO_GENERATE, 0, NULL, 0);
			CHECK_RV(CKR_OK, seal_one(op, &m));
			op_end(op);
		}
	object_put(key);
}

static void
test_generator_parameters(void)
{
	struct object *key = cipher_key(0);
	struct op *op = begin(OP_MESSAGE_ENCRYPT, CKM_AES_GCM, key), *dec = begin(OP_MESSAGE_DECRYPT, CKM_AES_GCM, key);
	struct message m = message(0, 0, 5, 0, NULL, 0);
	CK_ULONG l = 4;

	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, seal_one(op, &m));
	m = message(0, 0, CKG_GENERATE, 96, NULL, 0);
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, seal_one(op, &m));
	m = message(0, 0, CKG_GENERATE, 1000, NULL, 0);
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, seal_one(op, &m));
	m = message(0, 0, CKG_GENERATE, 95, NULL, 0);
	CHECK_RV(CKR_OK, seal_one(op, &m));
	p.gcm.ulTagBits = 24;
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, seal_one(op, &m));
	/* decrypting looks at neither generator nor fixed bits; the nonce is what it is */
	m = message(0, 0, CKG_GENERATE, 95, NULL, 0);
	memcpy(ref + 100, iv, 12);
	openssl_seal(0, NULL, 0, data, 4, ref);
	memcpy(tag, ref + 4, 16);
	CHECK_RV(CKR_OK, op_message(dec, &m, ref, 4, out, &l));
	CHECK(same(out, l, data, 4) && memcmp(ref + 100, iv, 12) == 0);
	op_end(op);
	op_end(dec);
	object_put(key);
}

/* ---- signatures ---- */

static void
sign_and_verify(CK_MECHANISM m, struct object *priv, struct object *pub, size_t n)
{
	struct message none = {0}, some = {iv, 12, NULL, 0};
	struct op *s, *v, *plain;
	uint8_t sig[512];
	CK_ULONG l = 0;
	size_t len;

	CHECK_RV(CKR_OK, op_begin(&s, OP_MESSAGE_SIGN, &m, priv));
	CHECK_RV(CKR_OK, op_begin(&v, OP_MESSAGE_VERIFY, &m, pub));
	for (int round = 0; round < 3; round++) {
		CHECK_RV(CKR_OK, op_message(s, &none, data + round, n, NULL, &l));
		len = l;
		CHECK(len > 0 && len == op_message_bound(s, n) && len <= sizeof(sig));
		l--;
		CHECK_RV(CKR_BUFFER_TOO_SMALL, op_message(s, &none, data + round, n, sig, &l));
		CHECK(l == len);
		CHECK_RV(CKR_OK, op_message(s, &none, data + round, n, sig, &l));
		CHECK_RV(CKR_OK, verify(&m, pub, data + round, n, sig, l)); /* an ordinary signature */
		CHECK_RV(CKR_OK, op_message_verify(v, &none, data + round, n, sig, l));
		CHECK_RV(CKR_OK, op_message_begin(v, &none));
		CHECK_RV(CKR_OK, op_message_verify_next(v, &none, data + round, n / 2, false, NULL, 0));
		CHECK_RV(CKR_OPERATION_ACTIVE, op_message_verify(v, &none, data, n, sig, l));
		CHECK_RV(CKR_OK, op_message_verify_next(v, &none, data + round + n / 2, n - n / 2, true, sig, l));
		CHECK_RV(CKR_OPERATION_NOT_INITIALIZED, op_message_verify_next(v, &none, data, 1, true, sig, l));
		CHECK_RV(CKR_SIGNATURE_INVALID, op_message_verify(v, &none, data + round + 1, n, sig, l));
		CHECK(op_active(v));
		CHECK_RV(CKR_SIGNATURE_LEN_RANGE, op_message_verify(v, &none, data + round, n, sig, l - 1));

		/* in parts */
		CHECK_RV(CKR_OK, op_message_begin(s, &none));
		CHECK_RV(CKR_OPERATION_ACTIVE, op_message_begin(s, &none));
		CHECK_RV(CKR_OPERATION_ACTIVE, op_message(s, &none, data, n, sig, &l));
		CHECK_RV(CKR_OK, op_message_next(s, &none, data + round, n / 3, false, NULL, NULL));
		CHECK_RV(CKR_OK, op_message_next(s, &none, data + round + n / 3, n - n / 3, true, NULL, &l));
		CHECK(l == len);
		l = len - 1;
		CHECK_RV(CKR_BUFFER_TOO_SMALL, op_message_next(s, &none, data + round + n / 3, n - n / 3, true, sig, &l));
		l = len;
		CHECK_RV(CKR_OK, op_message_next(s, &none, data + round + n / 3, n - n / 3, true, sig, &l));
		CHECK_RV(CKR_OK, verify(&m, pub, data + round, n, sig, l));

		CHECK_RV(CKR_MECHANISM_PARAM_INVALID, op_message(s, &some, data, n, sig, &l));
		CHECK_RV(CKR_OPERATION_NOT_INITIALIZED, op_once(s, data, n, sig, &l));
		CHECK_RV(CKR_OPERATION_NOT_INITIALIZED, op_update(s, data, n, NULL, NULL));
		CHECK_RV(CKR_OPERATION_NOT_INITIALIZED, op_message_verify(s, &none, data, n, sig, l));
	}
	CHECK_RV(CKR_OK, op_message_begin(s, &none)); /* given up within a message */
	CHECK_RV(CKR_OK, op_message_next(s, &none, data, 3, false, NULL, NULL));
	op_end(s);
	op_end(v);

	/* the signature first */
	for (int parts = 0; parts < 2; parts++)
		for (int wrong = 0; wrong < 2; wrong++) {
			l = sizeof(sig);
			CHECK_RV(CKR_OK, op_begin(&plain, OP_SIGN, &m, priv));
			CHECK_RV(CKR_OK, op_once(plain, data, n, sig, &l));
			op_end(plain);
			CHECK_RV(CKR_OK, op_begin(&v, OP_VERIFY_SIGNATURE, &m, pub));
			CHECK_RV(CKR_OK, op_set_signature(v, sig, l));
			memset(sig, 0, sizeof(sig)); /* it was copied */
			CHECK_RV(CKR_OPERATION_NOT_INITIALIZED, op_verify(v, data, n, sig, l));
			CHECK_RV(CKR_OPERATION_NOT_INITIALIZED, op_verify_final(v, sig, l));
			if (parts) {
				CHECK_RV(CKR_OK, op_update(v, data + wrong, n - 1, NULL, NULL));
				CHECK_RV(CKR_OK, op_update(v, data + n - 1, 1, NULL, NULL));
				CHECK_RV(wrong ? CKR_SIGNATURE_INVALID : CKR_OK, op_verify_signature_final(v));
			} else {
				CHECK_RV(wrong ? CKR_SIGNATURE_INVALID : CKR_OK, op_verify_signature(v, data + wrong, n));
			}
			CHECK(!op_active(v));
			CHECK_RV(CKR_OPERATION_NOT_INITIALIZED, op_verify_signature(v, data, n));
			op_end(v);
		}
	CHECK_RV(CKR_OK, op_begin(&v, OP_VERIFY, &m, pub)); /* which the ready context must have forgotten */
	CHECK_RV(CKR_OPERATION_NOT_INITIALIZED, op_set_signature(v, data, 4));
	CHECK_RV(CKR_OPERATION_NOT_INITIALIZED, op_verify_signature(v, data, n));
	op_end(v);
	CHECK_RV(CKR_OK, op_begin(&v, OP_VERIFY_SIGNATURE, &m, pub));
	CHECK_RV(CKR_ARGUMENTS_BAD, op_verify_signature(v, data, n)); /* without one */
	op_end(v);
}

static void
test_signatures(void)
{
	static const uint8_t p256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
	static const uint8_t ed25519[] = {0x06, 0x03, 0x2b, 0x65, 0x70};
	CK_RSA_PKCS_PSS_PARAMS pss = {CKM_SHA256, CKG_MGF1_SHA256, 32};
	struct object *pub, *priv, *key = secret_object(CKK_GENERIC_SECRET, data, 32), *aes = secret_object(CKK_AES, data, 16);
	CK_MECHANISM bad = mechanism(CKM_SHA256_HMAC, data, 3);
	CK_ULONG five = 5;
	struct op *op;

	sign_and_verify(mechanism(CKM_SHA256_HMAC, NULL, 0), key, key, 100);
	sign_and_verify(mechanism(CKM_SHA256_HMAC_GENERAL, &five, sizeof(five)), key, key, 100);
	sign_and_verify(mechanism(CKM_AES_CMAC, NULL, 0), aes, aes, 33);
	CHECK_RV(CKR_OK, make_pair(CKM_EC_KEY_PAIR_GEN, p256, sizeof(p256), 0, &pub, &priv));
	sign_and_verify(mechanism(CKM_ECDSA, NULL, 0), priv, pub, 32);
	sign_and_verify(mechanism(CKM_ECDSA_SHA384, NULL, 0), priv, pub, 1000);
	CHECK_RV(CKR_KEY_TYPE_INCONSISTENT, op_begin(&op, OP_MESSAGE_SIGN, &bad, priv));
	object_put(pub);
	object_put(priv);
	CHECK_RV(CKR_OK, make_pair(CKM_EC_EDWARDS_KEY_PAIR_GEN, ed25519, sizeof(ed25519), 0, &pub, &priv));
	sign_and_verify(mechanism(CKM_EDDSA, NULL, 0), priv, pub, 77);
	object_put(pub);
	object_put(priv);
	CHECK_RV(CKR_OK, make_pair(CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0, 2048, &pub, &priv));
	sign_and_verify(mechanism(CKM_SHA256_RSA_PKCS, NULL, 0), priv, pub, 300);
	sign_and_verify(mechanism(CKM_SHA256_RSA_PKCS_PSS, &pss, sizeof(pss)), priv, pub, 300);
	sign_and_verify(mechanism(CKM_RSA_PKCS, NULL, 0), priv, pub, 51);
	object_put(pub);
	object_put(priv);

	/* the parameter is judged when it begins; what must not see two messages takes none at all */
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, op_begin(&op, OP_MESSAGE_SIGN, &bad, key));
	CHECK(op == NULL);
	bad = mechanism(CKM_AES_GMAC, data, 12);
	CHECK_RV(CKR_MECHANISM_INVALID, op_begin(&op, OP_MESSAGE_SIGN, &bad, aes));
	bad = mechanism(CKM_AES_CBC, data, 16);
	CHECK_RV(CKR_MECHANISM_INVALID, op_begin(&op, OP_MESSAGE_ENCRYPT, &bad, aes));
	attrs_set_bool(&aes->attrs, CKA_SIGN, false);
	bad = mechanism(CKM_AES_CMAC, NULL, 0);
	CHECK_RV(CKR_KEY_FUNCTION_NOT_PERMITTED, op_begin(&op, OP_MESSAGE_SIGN, &bad, aes));
	bad = mechanism(CKM_AES_GCM, NULL, 0);
	attrs_set_bool(&aes->attrs, CKA_DECRYPT, false);
	CHECK_RV(CKR_KEY_FUNCTION_NOT_PERMITTED, op_begin(&op, OP_MESSAGE_DECRYPT, &bad, aes));
	CHECK_RV(CKR_OK, op_begin(&op, OP_MESSAGE_ENCRYPT, &bad, aes));
	object_put(aes); /* the operation keeps its key */
	CHECK(op_key(op) == aes && op_mechanism(op) == CKM_AES_GCM);
	op_end(op);
	object_put(key);
}

int
main(void)
{
	CHECK_RV(CKR_OK, secret_start());
	RAND_bytes(data, sizeof(data));
	test_ciphers();
	test_order();
	test_generators();
	test_overflow();
	test_generator_parameters();
	test_signatures();
	return unit_done("message");
}
