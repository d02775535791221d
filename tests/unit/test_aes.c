/* AES: its modes, GCM, key wrap, against OpenSSL by other ways than the store takes, and published answers. */
#include "cipher_help.h"

static void
test_aes_modes(void)
{
	CK_AES_CTR_PARAMS ctr = {.ulCounterBits = 128};
	static const struct {
		CK_MECHANISM_TYPE type;
		const char *name;
		int pad;
		bool blocks;
	} modes[] = {
		{CKM_AES_ECB, "ECB", 0, true},
		{CKM_AES_CBC, "CBC", 0, true},
		{CKM_AES_CBC_PAD, "CBC", 1, false},
		{CKM_AES_OFB, "OFB", 0, false},
		{CKM_AES_CFB8, "CFB8", 0, false},
		{CKM_AES_CFB128, "CFB", 0, false},
		{CKM_AES_CTR, "CTR", 0, false},
	};
	char name[32];

	memcpy(ctr.cb, data + 100, 16);
	for (size_t i = 0; i < 7; i++)
		for (size_t bits = 128; bits <= 256; bits += 64) {
			struct object *key = secret_object(CKK_AES, data + bits, bits / 8);
			CK_MECHANISM m = mechanism(modes[i].type, NULL, 0);

			if (i == 6)
				m = mechanism(modes[i].type, &ctr, sizeof(ctr));
			else if (i > 0)
				m = mechanism(modes[i].type, data + 100, 16);
			snprintf(name, sizeof(name), "AES-%zu-%s", bits, modes[i].name);
			for (size_t len = 0; len <= 100; len += len < 70 ? 1 : 10) {
				size_t n = len + 16, want, back;

				if (modes[i].blocks && len % 16 != 0) {
					CHECK_RV(CKR_DATA_LEN_RANGE, once(OP_ENCRYPT, &m, key, data, len, out, &n));
					CHECK_RV(CKR_DATA_LEN_RANGE, parts(OP_ENCRYPT, &m, key, data, len, out, &n));
					CHECK_RV(CKR_ENCRYPTED_DATA_LEN_RANGE,
						once(OP_DECRYPT, &m, key, data, len, out, &n));
					continue;
				}
				want = openssl_cipher(name, 1, data + bits, data + 100, modes[i].pad, data, len, ref);
				n = want;
				CHECK_RV(CKR_OK, once(OP_ENCRYPT, &m, key, data, len, out, &n));
				CHECK(same(out, n, ref, want));
				CHECK_RV(CKR_OK, parts(OP_ENCRYPT, &m, key, data, len, out, &n));
				CHECK(same(out, n, ref, want));
				back = len; /* exactly enough, though less than the bound of CBC_PAD */
				CHECK_RV(CKR_OK, once(OP_DECRYPT, &m, key, ref, want, out, &back));
				CHECK(same(out, back, data, len));
				back = BIG;
				CHECK_RV(CKR_OK, parts(OP_DECRYPT, &m, key, ref, want, out, &back));
				CHECK(same(out, back, data, len));
			}
			object_put(key);
		}
}

static void
test_cbc_pad_refusals(void)
{
	CK_MECHANISM m = mechanism(CKM_AES_CBC_PAD, data, 16);
	struct object *key = secret_object(CKK_AES, data + 40, 16);
	struct op *op;
	CK_ULONG l;
	size_t n = 64, back = BIG;

	CHECK_RV(CKR_OK, once(OP_ENCRYPT, &m, key, data, 30, ref, &n));
	CHECK(n == 32);
	/* a wrong last block */
	memcpy(out, ref, 32);
	out[15] ^= 0x40;
	CHECK_RV(CKR_ENCRYPTED_DATA_INVALID, once(OP_DECRYPT, &m, key, out, 32, out + 64, &back));
	CHECK_RV(CKR_ENCRYPTED_DATA_LEN_RANGE, once(OP_DECRYPT, &m, key, ref, 31, out, &back));
	CHECK_RV(CKR_ENCRYPTED_DATA_LEN_RANGE, once(OP_DECRYPT, &m, key, ref, 0, out, &back));
	/* an answer that waits for room */
	CHECK_RV(CKR_OK, op_begin(&op, OP_DECRYPT, &m, key));
	l = 0;
	CHECK_RV(CKR_OK, op_once(op, ref, 32, NULL, &l));
	CHECK(l == 32);
	l = 29;
	CHECK_RV(CKR_BUFFER_TOO_SMALL, op_once(op, ref, 32, out, &l));
	CHECK(l == 30 && op_active(op));
	CHECK_RV(CKR_OK, op_once(op, ref, 32, out, &l));
	CHECK(same(out, l, data, 30) && !op_active(op));
	op_end(op);
	/* the same at the end of parts */
	CHECK_RV(CKR_OK, op_begin(&op, OP_DECRYPT, &m, key));
	l = 16;
	CHECK_RV(CKR_OK, op_update(op, ref, 32, out, &l));
	CHECK(l == 16);
	l = 13;
	CHECK_RV(CKR_BUFFER_TOO_SMALL, op_final(op, out + 16, &l));
	CHECK(l == 14 && op_active(op));
	CHECK_RV(CKR_OK, op_final(op, out + 16, &l));
	CHECK(same(out, 16 + l, data, 30));
	op_end(op);
	/* IVs */
	m.ulParameterLen = 15;
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, once(OP_ENCRYPT, &m, key, data, 30, out, &n));
	m.pParameter = NULL;
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, once(OP_ENCRYPT, &m, key, data, 30, out, &n));
	object_put(key);
}

static void
test_ctr_overflow(void)
{
	CK_AES_CTR_PARAMS p = {.ulCounterBits = 8};
	CK_MECHANISM m = mechanism(CKM_AES_CTR, &p, sizeof(p));
	struct object *key = secret_object(CKK_AES, data, 16);
	struct op *op;
	CK_ULONG l = BIG;
	size_t n = BIG;

	memset(p.cb, 0xFF, 16);
	p.cb[15] = 0xFD; /* three blocks are left */
	CHECK_RV(CKR_OK, once(OP_ENCRYPT, &m, key, data, 48, out, &n));
	n = BIG;
	CHECK_RV(CKR_DATA_LEN_RANGE, once(OP_ENCRYPT, &m, key, data, 49, out, &n));
	CHECK_RV(CKR_OK, op_begin(&op, OP_ENCRYPT, &m, key));
	CHECK_RV(CKR_OK, op_update(op, data, 40, out, &l));
	l = BIG;
	CHECK_RV(CKR_OK, op_update(op, data, 8, out, &l));
	l = BIG;
	CHECK_RV(CKR_DATA_LEN_RANGE, op_update(op, data, 1, out, &l));
	CHECK(!op_active(op));
	op_end(op);
	p.ulCounterBits = 128; /* the whole counter is at its last block but two */
	n = BIG;
	CHECK_RV(CKR_OK, once(OP_ENCRYPT, &m, key, data, 48, out, &n));
	n = BIG;
	CHECK_RV(CKR_DATA_LEN_RANGE, once(OP_ENCRYPT, &m, key, data, 64, out, &n));
	p.ulCounterBits = 0;
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, once(OP_ENCRYPT, &m, key, data, 16, out, &n));
	p.ulCounterBits = 129;
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, once(OP_ENCRYPT, &m, key, data, 16, out, &n));
	object_put(key);
}

static size_t
openssl_gcm(size_t bits, const uint8_t *key, const CK_GCM_PARAMS *p, const uint8_t *in, size_t n, uint8_t *to)
{
	EVP_CIPHER_CTX *x = EVP_CIPHER_CTX_new();
	int a = 0, b = 0;
	const EVP_CIPHER *c = bits == 128 ? EVP_aes_128_gcm() : bits == 192 ? EVP_aes_192_gcm() : EVP_aes_256_gcm();

	CHECK(EVP_EncryptInit_ex(x, c, NULL, NULL, NULL) == 1);
	CHECK(EVP_CIPHER_CTX_ctrl(x, EVP_CTRL_GCM_SET_IVLEN, (int)p->ulIvLen, NULL) == 1);
	CHECK(EVP_EncryptInit_ex(x, NULL, NULL, key, p->pIv) == 1);
	if (p->ulAADLen > 0)
		CHECK(EVP_EncryptUpdate(x, NULL, &a, p->pAAD, (int)p->ulAADLen) == 1);
	CHECK(EVP_EncryptUpdate(x, to, &a, in, (int)n) == 1);
	CHECK(EVP_EncryptFinal_ex(x, to + a, &b) == 1);
	CHECK(EVP_CIPHER_CTX_ctrl(x, EVP_CTRL_GCM_GET_TAG, (int)p->ulTagBits / 8, to + a + b) == 1);
	EVP_CIPHER_CTX_free(x);
	return (size_t)(a + b) + p->ulTagBits / 8;
}

static void
test_gcm(void)
{
	static const size_t ivs[] = {12, 1, 12, 16, 128}, tags[] = {128, 96, 32, 120, 64};

	for (size_t bits = 128; bits <= 256; bits += 64) {
		struct object *key = secret_object(CKK_AES, data + bits, bits / 8);

		for (size_t i = 0; i < LENGTHS; i++) {
			CK_GCM_PARAMS p = {.pIv = data + i, .ulIvLen = ivs[i % 5], .ulIvBits = i * 77,
				.pAAD = i % 3 ? data + 50 : NULL, .ulAADLen = i % 3 ? i * 5 : 0,
				.ulTagBits = tags[i % 5]};
			CK_MECHANISM m = mechanism(CKM_AES_GCM, &p, sizeof(p));
			size_t len = lengths[i], want, n, back;

			want = openssl_gcm(bits, data + bits, &p, data, len, ref);
			n = want;
			CHECK_RV(CKR_OK, once(OP_ENCRYPT, &m, key, data, len, out, &n));
			CHECK(same(out, n, ref, want));
			CHECK_RV(CKR_OK, parts(OP_ENCRYPT, &m, key, data, len, out, &n));
			CHECK(same(out, n, ref, want));
			back = len;
			CHECK_RV(CKR_OK, once(OP_DECRYPT, &m, key, ref, want, out, &back));
			CHECK(same(out, back, data, len));
			CHECK_RV(CKR_OK, parts(OP_DECRYPT, &m, key, ref, want, out, &back));
			CHECK(same(out, back, data, len));
			for (size_t bad = 0; bad < want; bad += 1 + want / 9) {
				ref[bad] ^= 0x10;
				back = BIG;
				memset(out, 0, BIG);
				CHECK_RV(CKR_ENCRYPTED_DATA_INVALID, once(OP_DECRYPT, &m, key, ref, want, out, &back));
				memset(out + BIG - len, 0, len);
				CHECK(len < 16 || memcmp(out, data, 16) != 0); /* nothing was released */
				CHECK_RV(CKR_ENCRYPTED_DATA_INVALID, parts(OP_DECRYPT, &m, key, ref, want, out, &back));
				ref[bad] ^= 0x10;
			}
			CHECK_RV(CKR_ENCRYPTED_DATA_LEN_RANGE, once(OP_DECRYPT, &m, key, ref, 3, out, &back));
		}
		object_put(key);
	}
}

/* McGrew and Viega, The Galois/Counter Mode of Operation, test case 4 */
static void
test_gcm_vector(void)
{
	uint8_t key[16], iv[12], aad[20], text[60];
	CK_GCM_PARAMS p = {.pIv = iv, .ulIvLen = 12, .pAAD = aad, .ulAADLen = 20, .ulTagBits = 128};
	CK_MECHANISM m = mechanism(CKM_AES_GCM, &p, sizeof(p));
	struct object *k;
	size_t n = BIG;

	unhex("feffe9928665731c6d6a8f9467308308", key);
	unhex("cafebabefacedbaddecaf888", iv);
	unhex("feedfacedeadbeeffeedfacedeadbeefabaddad2", aad);
	unhex("d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525"
	      "b16aedf5aa0de657ba637b39", text);
	unhex("42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa05"
	      "1ba30b396a0aac973d58e0915bc94fbc3221a5db94fae95ae7121a47", ref);
	k = secret_object(CKK_AES, key, 16);
	CHECK_RV(CKR_OK, once(OP_ENCRYPT, &m, k, text, 60, out, &n));
	CHECK(same(out, n, ref, 76));
	object_put(k);
}

static void
test_gcm_params(void)
{
	CK_GCM_PARAMS good = {.pIv = data, .ulIvLen = 12, .ulTagBits = 128}, p;
	CK_MECHANISM m = mechanism(CKM_AES_GCM, &p, sizeof(p));
	struct object *key = secret_object(CKK_AES, data, 16);
	static const CK_ULONG bad_tags[] = {0, 8, 31, 33, 127, 129, 136};
	size_t n = BIG;

	for (size_t i = 0; i < sizeof(bad_tags) / sizeof(bad_tags[0]); i++) {
		p = good;
		p.ulTagBits = bad_tags[i];
		CHECK_RV(CKR_MECHANISM_PARAM_INVALID, once(OP_ENCRYPT, &m, key, data, 1, out, &n));
	}
	p = good;
	p.ulIvLen = 0;
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, once(OP_ENCRYPT, &m, key, data, 1, out, &n));
	p.ulIvLen = 129;
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, once(OP_ENCRYPT, &m, key, data, 1, out, &n));
	p = good;
	p.ulAADLen = 5;
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, once(OP_ENCRYPT, &m, key, data, 1, out, &n));
	p = good;
	m.ulParameterLen--;
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, once(OP_ENCRYPT, &m, key, data, 1, out, &n));
	object_put(key);
}

/* Encryption gives the `want` bytes of ref, decryption takes them. */
static void
there_and_back(const CK_MECHANISM *m, struct object *key, size_t len, size_t want)
{
	size_t n = BIG, back = len;

	CHECK_RV(CKR_OK, once(OP_ENCRYPT, m, key, data, len, out, &n));
	CHECK(same(out, n, ref, want));
	CHECK_RV(CKR_OK, once(OP_DECRYPT, m, key, ref, want, out, &back));
	CHECK(same(out, back, data, len));
}

static void
test_key_wrap(void)
{
	struct object *key = secret_object(CKK_AES, data, 32);
	CK_MECHANISM kw = mechanism(CKM_AES_KEY_WRAP, NULL, 0), pad = mechanism(CKM_AES_KEY_WRAP_PAD, NULL, 0);
	CK_MECHANISM kwp = mechanism(CKM_AES_KEY_WRAP_KWP, NULL, 0);
	uint8_t padded[BIG];
	size_t n, want, back, fill;

	for (size_t len = 0; len <= 100; len++) {
		n = back = BIG;
		if (len % 8 == 0 && len >= 16) {
			want = openssl_cipher("AES-256-WRAP", 1, data, NULL, 1, data, len, ref);
			there_and_back(&kw, key, len, want);
		} else {
			CHECK_RV(CKR_DATA_LEN_RANGE, once(OP_ENCRYPT, &kw, key, data, len, out, &n));
		}
		n = BIG;
		if (len >= 1) {
			want = openssl_cipher("AES-256-WRAP-PAD", 1, data, NULL, 1, data, len, ref);
			there_and_back(&kwp, key, len, want);
			/* what other tokens made under the older reading of KEY_WRAP_PAD */
			back = len;
			CHECK_RV(CKR_OK, once(OP_DECRYPT, &pad, key, ref, want, out, &back));
			CHECK(same(out, back, data, len));
			ref[want / 2] ^= 1;
			back = BIG;
			CHECK_RV(CKR_ENCRYPTED_DATA_INVALID, once(OP_DECRYPT, &kwp, key, ref, want, out, &back));
			CHECK_RV(CKR_ENCRYPTED_DATA_INVALID, once(OP_DECRYPT, &pad, key, ref, want, out, &back));
		} else {
			CHECK_RV(CKR_DATA_LEN_RANGE, once(OP_ENCRYPT, &kwp, key, data, len, out, &n));
		}
		n = BIG;
		if (len >= 8) {
			fill = 8 - len % 8;
			memcpy(padded, data, len);
			memset(padded + len, (int)fill, fill);
			want = openssl_cipher("AES-256-WRAP", 1, data, NULL, 1, padded, len + fill, ref);
			there_and_back(&pad, key, len, want);
		} else {
			CHECK_RV(CKR_DATA_LEN_RANGE, once(OP_ENCRYPT, &pad, key, data, len, out, &n));
		}
	}
	back = BIG;
	CHECK_RV(CKR_ENCRYPTED_DATA_LEN_RANGE, once(OP_DECRYPT, &kw, key, ref, 16, out, &back));
	CHECK_RV(CKR_ENCRYPTED_DATA_LEN_RANGE, once(OP_DECRYPT, &kw, key, ref, 25, out, &back));
	kw.pParameter = data;
	kw.ulParameterLen = 7;
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, once(OP_ENCRYPT, &kw, key, data, 16, out, &n));
	/* an IV of one's own, then none: the ready context must not keep it */
	kw.ulParameterLen = 8;
	n = BIG;
	CHECK_RV(CKR_OK, once(OP_ENCRYPT, &kw, key, data, 16, out, &n));
	want = openssl_cipher("AES-256-WRAP", 1, data, data, 1, data, 16, ref);
	CHECK(same(out, n, ref, want));
	kw.ulParameterLen = 0;
	n = BIG;
	CHECK_RV(CKR_OK, once(OP_ENCRYPT, &kw, key, data, 16, out, &n));
	want = openssl_cipher("AES-256-WRAP", 1, data, NULL, 1, data, 16, ref);
	CHECK(same(out, n, ref, want));
	object_put(key);
}

/* RFC 3394 4.1; RFC 5649 6, second example */
static void
test_key_wrap_vectors(void)
{
	CK_MECHANISM kw = mechanism(CKM_AES_KEY_WRAP, NULL, 0), kwp = mechanism(CKM_AES_KEY_WRAP_KWP, NULL, 0);
	uint8_t key[32], text[32];
	struct object *k;
	size_t n = BIG;

	unhex("000102030405060708090a0b0c0d0e0f", key);
	unhex("00112233445566778899aabbccddeeff", text);
	unhex("1fa68b0a8112b447aef34bd8fb5a7b829d3e862371d2cfe5", ref);
	k = secret_object(CKK_AES, key, 16);
	CHECK_RV(CKR_OK, once(OP_ENCRYPT, &kw, k, text, 16, out, &n));
	CHECK(same(out, n, ref, 24));
	object_put(k);
	unhex("5840df6e29b02af1ab493b705bf16ea1ae8338f4dcc176a8", key);
	unhex("466f7250617369", text);
	unhex("afbeb0f07dfbf5419200f2ccb50bb24f", ref);
	k = secret_object(CKK_AES, key, 24);
	n = BIG;
	CHECK_RV(CKR_OK, once(OP_ENCRYPT, &kwp, k, text, 7, out, &n));
	CHECK(same(out, n, ref, 16));
	object_put(k);
}

int
main(void)
{
	cipher_start();
	test_aes_modes();
	test_cbc_pad_refusals();
	test_ctr_overflow();
	test_gcm();
	test_gcm_vector();
	test_gcm_params();
	test_key_wrap();
	test_key_wrap_vectors();
	cipher_end();
	return unit_done("aes");
}
