/* AES-GCM, AES-CCM and ChaCha20-Poly1305 as C_Encrypt and C_WrapKey have them, against OpenSSL's one-shot calls. */
#include "crypto_help.h"

#define MANY (1u << 20)
static uint8_t data[BIG], *big, *out, *ref;

/* One message of any of the three; to: text || tag. */
struct sealed {
	CK_MECHANISM_TYPE type;
	const uint8_t *key;
	size_t key_len;
	const uint8_t *nonce;
	size_t nonce_len;
	const uint8_t *aad;
	size_t aad_len, tag_len;
};

static const EVP_CIPHER *
cipher(const struct sealed *s)
{
	if (s->type == CKM_CHACHA20_POLY1305)
		return EVP_chacha20_poly1305();
	if (s->type == CKM_AES_GCM)
		return s->key_len == 16 ? EVP_aes_128_gcm() : s->key_len == 24 ? EVP_aes_192_gcm() : EVP_aes_256_gcm();
	return s->key_len == 16 ? EVP_aes_128_ccm() : s->key_len == 24 ? EVP_aes_192_ccm() : EVP_aes_256_ccm();
}

static size_t
openssl_seal(const struct sealed *s, const uint8_t *in, size_t n, uint8_t *to)
{
	EVP_CIPHER_CTX *x = EVP_CIPHER_CTX_new();
	bool ccm = s->type == CKM_AES_CCM;
	int len;

	CHECK(EVP_EncryptInit_ex(x, cipher(s), NULL, NULL, NULL) == 1);
	CHECK(EVP_CIPHER_CTX_ctrl(x, EVP_CTRL_AEAD_SET_IVLEN, (int)s->nonce_len, NULL) == 1);
	if (ccm)
		CHECK(EVP_CIPHER_CTX_ctrl(x, EVP_CTRL_AEAD_SET_TAG, (int)s->tag_len, NULL) == 1);
	CHECK(EVP_EncryptInit_ex(x, NULL, NULL, s->key, s->nonce) == 1);
	if (ccm)
		CHECK(EVP_EncryptUpdate(x, NULL, &len, NULL, (int)n) == 1);
	if (s->aad_len > 0)
		CHECK(EVP_EncryptUpdate(x, NULL, &len, s->aad, (int)s->aad_len) == 1);
	CHECK(EVP_EncryptUpdate(x, to, &len, in, (int)n) == 1);
	CHECK(EVP_EncryptFinal_ex(x, to + n, &len) == 1);
	CHECK(EVP_CIPHER_CTX_ctrl(x, EVP_CTRL_AEAD_GET_TAG, (int)s->tag_len, to + n) == 1);
	EVP_CIPHER_CTX_free(x);
	return n + s->tag_len;
}

/* The mechanism with its parameter for n bytes of text. */
static CK_MECHANISM
as_mechanism(const struct sealed *s, size_t n, bool bits)
{
	static CK_GCM_PARAMS gcm;
	static CK_CCM_PARAMS ccm;
	static CK_SALSA20_CHACHA20_POLY1305_PARAMS chacha;

	gcm = (CK_GCM_PARAMS){.pIv = (uint8_t *)s->nonce, .ulIvLen = s->nonce_len, .pAAD = (uint8_t *)s->aad,
		.ulAADLen = s->aad_len, .ulTagBits = 8 * s->tag_len};
	ccm = (CK_CCM_PARAMS){n, (uint8_t *)s->nonce, s->nonce_len, (uint8_t *)s->aad, s->aad_len, s->tag_len};
	chacha = (CK_SALSA20_CHACHA20_POLY1305_PARAMS){(uint8_t *)s->nonce, bits ? 8 * s->nonce_len : s->nonce_len,
		(uint8_t *)s->aad, s->aad_len};
	if (s->type == CKM_AES_GCM)
		return mechanism(s->type, &gcm, sizeof(gcm));
	if (s->type == CKM_AES_CCM)
		return mechanism(s->type, &ccm, sizeof(ccm));
	return mechanism(s->type, &chacha, sizeof(chacha));
}

static CK_KEY_TYPE
key_type(const struct sealed *s)
{
	return s->type == CKM_CHACHA20_POLY1305 ? CKK_CHACHA20 : CKK_AES;
}

static void
both_ways(const struct sealed *s, struct object *key, const uint8_t *in, size_t n)
{
	CK_MECHANISM m = as_mechanism(s, n, n % 2 == 0);
	size_t want = openssl_seal(s, in, n, ref), have = want, back = n;

	CHECK_RV(CKR_OK, once(OP_ENCRYPT, &m, key, in, n, out, &have));
	CHECK(same(out, have, ref, want));
	if (n <= BIG) {
		CHECK_RV(CKR_OK, parts(OP_ENCRYPT, &m, key, in, n, out, &have));
		CHECK(same(out, have, ref, want));
	}
	CHECK_RV(CKR_OK, once(OP_DECRYPT, &m, key, ref, want, out, &back));
	CHECK(same(out, back, in, n));
	if (n <= BIG) {
		CHECK_RV(CKR_OK, parts(OP_DECRYPT, &m, key, ref, want, out, &back));
		CHECK(same(out, back, in, n));
	}
	for (size_t bad = 0; n < 2000 && bad < want; bad += 1 + want / 5) {
		ref[bad] ^= 0x10;
		back = BIG;
		memset(out, 0, BIG);
		CHECK_RV(CKR_ENCRYPTED_DATA_INVALID, once(OP_DECRYPT, &m, key, ref, want, out, &back));
		CHECK(n < 16 || memcmp(out, in, 8) != 0); /* nothing was released */
		ref[bad] ^= 0x10;
	}
	if (want > 0) {
		back = BIG;
		CHECK(once(OP_DECRYPT, &m, key, ref, want - 1, out, &back) != CKR_OK);
	}
}

static void
test_against_openssl(void)
{
	static const size_t ccm_nonces[] = {7, 12, 13, 8, 11, 13}, ccm_tags[] = {4, 6, 8, 10, 12, 14, 16, 16};
	static const size_t gcm_nonces[] = {12, 1, 12, 128}, gcm_tags[] = {16, 12, 4};
	static const CK_MECHANISM_TYPE types[] = {CKM_AES_GCM, CKM_AES_CCM, CKM_CHACHA20_POLY1305};

	for (size_t t = 0; t < 3; t++)
		for (size_t len = 16; len <= 32; len += 8) {
			struct sealed s = {.type = types[t], .key = data + len, .key_len = len};
			struct object *key;

			if (s.type == CKM_CHACHA20_POLY1305 && len != 32)
				continue;
			key = secret_object(key_type(&s), s.key, len);
			for (size_t i = 0; i < LENGTHS; i++) {
				s.nonce = data + 100 + i;
				s.nonce_len = t == 0 ? gcm_nonces[i % 4] : t == 1 ? ccm_nonces[i % 6] : 12;
				s.tag_len = t == 0 ? gcm_tags[i % 3] : t == 1 ? ccm_tags[i % 8] : 16;
				s.aad = i % 3 ? data + 50 : NULL;
				s.aad_len = i % 3 ? i * 29 : 0;
				both_ways(&s, key, data, lengths[i]);
			}
			s.nonce_len = 12;
			s.tag_len = 16;
			both_ways(&s, key, big, MANY);
			object_put(key);
		}
}

/* SP 800-38C, appendix C, examples 1 to 3; RFC 8439 2.8.2; the GCM specification (McGrew, Viega), test case 4 */
static void
test_vectors(void)
{
	static const char sunscreen[] = "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the "
		"future, sunscreen would be it.";
	static const struct {
		CK_MECHANISM_TYPE type;
		const char *key, *nonce, *aad, *text, *sealed;
		size_t tag;
	} known[] = {
		{CKM_AES_CCM, "404142434445464748494a4b4c4d4e4f", "10111213141516", "0001020304050607", "20212223",
			"7162015b4dac255d", 4},
		{CKM_AES_CCM, "404142434445464748494a4b4c4d4e4f", "1011121314151617", "000102030405060708090a0b0c0d0e0f",
			"202122232425262728292a2b2c2d2e2f", "d2a1f0e051ea5f62081a7792073d593d1fc64fbfaccd", 6},
		{CKM_AES_CCM, "404142434445464748494a4b4c4d4e4f", "101112131415161718191a1b",
			"000102030405060708090a0b0c0d0e0f10111213", "202122232425262728292a2b2c2d2e2f3031323334353637",
			"e3b201a9f5b71a7a9b1ceaeccd97e70b6176aad9a4428aa5484392fbc1b09951", 8},
		{CKM_AES_GCM, "feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888",
			"feedfacedeadbeeffeedfacedeadbeefabaddad2",
			"d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa"
			"0de657ba637b39",
			"42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b396a"
			"0aac973d58e0915bc94fbc3221a5db94fae95ae7121a47", 16},
		{CKM_CHACHA20_POLY1305, "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f",
			"070000004041424344454647", "50515253c0c1c2c3c4c5c6c7", NULL,
			"d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92728b1a71de0a9e"
			"060b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc3ff4def08e4b7a9de576"
			"d26586cec64b61161ae10b594f09e26a7e902ecbd0600691", 16},
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		uint8_t key[32], nonce[16], aad[32], text[128];
		struct sealed s = {.type = known[i].type, .key = key, .nonce = nonce, .aad = aad, .tag_len = known[i].tag};
		struct object *o;
		CK_MECHANISM m;
		size_t n, want, have = BIG, back = BIG;

		s.key_len = unhex(known[i].key, key);
		s.nonce_len = unhex(known[i].nonce, nonce);
		s.aad_len = unhex(known[i].aad, aad);
		n = known[i].text != NULL ? unhex(known[i].text, text) : strlen(sunscreen);
		if (known[i].text == NULL)
			memcpy(text, sunscreen, n);
		want = unhex(known[i].sealed, ref);
		o = secret_object(key_type(&s), key, s.key_len);
		m = as_mechanism(&s, n, true);
		CHECK_RV(CKR_OK, once(OP_ENCRYPT, &m, o, text, n, out, &have));
		CHECK(same(out, have, ref, want));
		CHECK_RV(CKR_OK, once(OP_DECRYPT, &m, o, ref, want, out, &back));
		CHECK(same(out, back, text, n));
		object_put(o);
	}
}

/* CCM is told its length: what does not keep to it is refused, early or late. */
static void
test_ccm_length(void)
{
	struct sealed s = {CKM_AES_CCM, data, 16, data + 40, 12, data, 5, 16};
	struct object *key = secret_object(CKK_AES, data, 16);
	CK_MECHANISM m = as_mechanism(&s, 20, true);
	size_t n = BIG, want = openssl_seal(&s, data, 20, ref);
	struct op *op;
	CK_ULONG l = BIG;

	CHECK_RV(CKR_DATA_LEN_RANGE, once(OP_ENCRYPT, &m, key, data, 21, out, &n));
	CHECK_RV(CKR_DATA_LEN_RANGE, once(OP_ENCRYPT, &m, key, data, 19, out, &n));
	CHECK_RV(CKR_ENCRYPTED_DATA_LEN_RANGE, once(OP_DECRYPT, &m, key, ref, want - 1, out, &n));
	CHECK_RV(CKR_ENCRYPTED_DATA_LEN_RANGE, once(OP_DECRYPT, &m, key, ref, want + 1, out, &n));
	CHECK_RV(CKR_ENCRYPTED_DATA_LEN_RANGE, once(OP_DECRYPT, &m, key, ref, 3, out, &n));
	CHECK_RV(CKR_OK, op_begin(&op, OP_ENCRYPT, &m, key));
	CHECK_RV(CKR_OK, op_update(op, data, 15, out, &l));
	CHECK(l == 0);
	l = BIG;
	CHECK_RV(CKR_DATA_LEN_RANGE, op_update(op, data, 6, out, &l));
	CHECK(!op_active(op));
	op_end(op);
	CHECK_RV(CKR_OK, op_begin(&op, OP_ENCRYPT, &m, key));
	l = BIG;
	CHECK_RV(CKR_OK, op_update(op, data, 19, out, &l));
	l = BIG;
	CHECK_RV(CKR_DATA_LEN_RANGE, op_final(op, out, &l));
	op_end(op);
	/* a length that the nonce leaves no room for */
	s.nonce_len = 13;
	m = as_mechanism(&s, 65535, true);
	CHECK_RV(CKR_OK, op_begin(&op, OP_ENCRYPT, &m, key));
	op_end(op);
	m = as_mechanism(&s, 65536, true);
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, op_begin(&op, OP_ENCRYPT, &m, key));
	object_put(key);
}

static void
test_wrong_parameters(void)
{
	static const size_t bad_nonces[3][4] = {{0, 129, 1000, 0}, {6, 14, 0, 6}, {8, 24, 11, 64}};
	static const size_t bad_tags[3][4] = {{0, 3, 17, 1}, {0, 2, 5, 18}, {16, 16, 16, 16}};

	for (size_t t = 0; t < 3; t++) {
		struct sealed s = {t == 0 ? CKM_AES_GCM : t == 1 ? CKM_AES_CCM : CKM_CHACHA20_POLY1305, data, 32, data, 12,
			data, 4, 16};
		struct object *key = secret_object(key_type(&s), data, 32);
		CK_MECHANISM m;
		struct op *op;

		for (size_t i = 0; i < 4; i++) {
			s.nonce_len = bad_nonces[t][i];
			m = as_mechanism(&s, 10, false);
			CHECK_RV(CKR_MECHANISM_PARAM_INVALID, op_begin(&op, OP_ENCRYPT, &m, key));
			CHECK(op == NULL);
			s.nonce_len = 12;
			s.tag_len = bad_tags[t][i];
			m = as_mechanism(&s, 10, false);
			if (t < 2)
				CHECK_RV(CKR_MECHANISM_PARAM_INVALID, op_begin(&op, OP_DECRYPT, &m, key));
			s.tag_len = 16;
		}
		m = as_mechanism(&s, 10, false);
		m.ulParameterLen--;
		CHECK_RV(CKR_MECHANISM_PARAM_INVALID, op_begin(&op, OP_ENCRYPT, &m, key));
		m.ulParameterLen = 0;
		CHECK_RV(CKR_MECHANISM_PARAM_INVALID, op_begin(&op, OP_ENCRYPT, &m, key));
		m.pParameter = NULL;
		CHECK_RV(CKR_MECHANISM_PARAM_INVALID, op_begin(&op, OP_ENCRYPT, &m, key));
		s.nonce = NULL;
		m = as_mechanism(&s, 10, false);
		CHECK_RV(CKR_MECHANISM_PARAM_INVALID, op_begin(&op, OP_ENCRYPT, &m, key));
		s.nonce = data;
		s.aad = NULL;
		m = as_mechanism(&s, 10, false);
		CHECK_RV(CKR_MECHANISM_PARAM_INVALID, op_begin(&op, OP_ENCRYPT, &m, key));
		object_put(key);
	}
}

/* ---- wrapping ---- */

static void
unwrap_set(struct attrs *a, CK_KEY_TYPE type)
{
	attrs_free(a);
	attrs_set_ulong(a, CKA_CLASS, CKO_SECRET_KEY);
	attrs_set_ulong(a, CKA_KEY_TYPE, type);
}

/* C_WrapKey: the blob is text || tag, by whichever structure the nonce comes or is made. */
static void
test_wrap(void)
{
	uint8_t iv[13];
	CK_GCM_WRAP_PARAMS gcm = {iv, 12, 32, CKG_GENERATE, data, 9, 128};
	CK_CCM_WRAP_PARAMS ccm = {99, iv, 13, 0, CKG_GENERATE_RANDOM, data, 9, 12};
	CK_MECHANISM m[2] = {mechanism(CKM_AES_GCM, &gcm, sizeof(gcm)), mechanism(CKM_AES_CCM, &ccm, sizeof(ccm))};
	struct object *wrapping = secret_object(CKK_AES, data + 64, 32), *target = secret_object(CKK_AES, data + 7, 24);
	struct attrs a = {0};
	CK_ULONG n;
	uint8_t blob[64], before[13];

	for (int i = 0; i < 2; i++) {
		struct sealed s = {m[i].mechanism, data + 64, 32, iv, i == 0 ? 12 : 13, data, 9, i == 0 ? 16 : 12};
		CK_MECHANISM plain = as_mechanism(&s, 77, true); /* the length told is not looked at */

		memset(iv, 0x5A, sizeof(iv));
		n = 0;
		CHECK_RV(CKR_OK, mech_wrap(&m[i], wrapping, target, NULL, &n));
		CHECK(n == 24 + s.tag_len && iv[12 - 1] == 0x5A); /* a length query makes no nonce */
		n--;
		CHECK_RV(CKR_BUFFER_TOO_SMALL, mech_wrap(&m[i], wrapping, target, blob, &n));
		CHECK(n == 24 + s.tag_len && iv[12 - 1] == 0x5A);
		CHECK_RV(CKR_OK, mech_wrap(&m[i], wrapping, target, blob, &n));
		memcpy(before, iv, sizeof(iv));
		CHECK((memcmp(iv, "\x5A\x5A\x5A\x5A", 4) == 0) == (i == 0)); /* the fixed bits */
		CHECK(same(blob, n, ref, openssl_seal(&s, data + 7, 24, ref)));
		unwrap_set(&a, CKK_AES);
		CHECK_RV(CKR_OK, mech_unwrap(&m[i], wrapping, blob, n, &a));
		CHECK(same(attrs_get(&a, CKA_VALUE)->value, attrs_get(&a, CKA_VALUE)->len, data + 7, 24));
		CHECK(memcmp(before, iv, sizeof(iv)) == 0); /* unwrapping makes none */
		unwrap_set(&a, CKK_AES);
		CHECK_RV(CKR_OK, mech_unwrap(&plain, wrapping, blob, n, &a));
		blob[3] ^= 1;
		unwrap_set(&a, CKK_AES);
		CHECK_RV(CKR_WRAPPED_KEY_INVALID, mech_unwrap(&plain, wrapping, blob, n, &a));
		CHECK_RV(CKR_WRAPPED_KEY_INVALID, mech_unwrap(&plain, wrapping, blob, 5, &a));
		CHECK(!attrs_has(&a, CKA_VALUE));
		n = sizeof(blob);
		CHECK_RV(CKR_OK, mech_wrap(&plain, wrapping, target, blob, &n));
		CHECK(memcmp(before, iv, sizeof(iv)) == 0);
		CHECK(same(blob, n, ref, openssl_seal(&s, data + 7, 24, ref)));
	}
	/* a counter would begin anew with each wrap */
	gcm.ivGenerator = CKG_GENERATE_COUNTER;
	n = sizeof(blob);
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, mech_wrap(&m[0], wrapping, target, blob, &n));
	gcm.ivGenerator = 9;
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, mech_wrap(&m[0], wrapping, target, blob, &n));
	gcm.ivGenerator = CKG_GENERATE;
	gcm.ulIvFixedBits = 96;
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, mech_wrap(&m[0], wrapping, target, blob, &n));
	attrs_free(&a);
	object_put(wrapping);
	object_put(target);
}

/* C_WrapKeyAuthenticated: the tag apart, the additional data beside it. */
static void
test_wrap_authenticated(void)
{
	uint8_t iv[12], tag[16], blob[64];
	CK_GCM_MESSAGE_PARAMS gcm = {iv, 12, 0, CKG_GENERATE, tag, 128};
	CK_CCM_MESSAGE_PARAMS ccm = {0, iv, 12, 0, CKG_GENERATE, tag, 16};
	CK_SALSA20_CHACHA20_POLY1305_MSG_PARAMS chacha = {iv, 96, tag};
	CK_MECHANISM m[3] = {mechanism(CKM_AES_GCM, &gcm, sizeof(gcm)), mechanism(CKM_AES_CCM, &ccm, sizeof(ccm)),
		mechanism(CKM_CHACHA20_POLY1305, &chacha, sizeof(chacha))};
	CK_MECHANISM kw = mechanism(CKM_AES_KEY_WRAP, NULL, 0);
	struct object *target = secret_object(CKK_GENERIC_SECRET, data + 7, 33);
	struct wrap_nonce nonce;
	struct attrs a = {0};
	CK_ULONG n;

	for (int i = 0; i < 3; i++) {
		struct sealed s = {m[i].mechanism, data + 64, 32, iv, 12, data, 1000, 16};
		struct object *wrapping = secret_object(key_type(&s), data + 64, 32);

		memset(iv, 0x5A, sizeof(iv));
		n = 0;
		CHECK_RV(CKR_OK, mech_wrap_authenticated(&m[i], wrapping, target, data, 1000, NULL, &n));
		CHECK(n == 33);
		n = sizeof(blob);
		CHECK_RV(CKR_OK, mech_wrap_authenticated(&m[i], wrapping, target, data, 1000, blob, &n));
		CHECK(n == 33 && (memcmp(iv, "ZZZZZZZZZZZZ", 12) == 0) == (i == 2));
		openssl_seal(&s, data + 7, 33, ref);
		CHECK(same(blob, n, ref, 33) && same(tag, 16, ref + 33, 16));
		unwrap_set(&a, CKK_GENERIC_SECRET);
		CHECK_RV(CKR_OK, mech_unwrap_authenticated(&m[i], wrapping, data, 1000, blob, n, &a));
		CHECK(same(attrs_get(&a, CKA_VALUE)->value, attrs_get(&a, CKA_VALUE)->len, data + 7, 33));
		unwrap_set(&a, CKK_GENERIC_SECRET);
		CHECK_RV(CKR_WRAPPED_KEY_INVALID, mech_unwrap_authenticated(&m[i], wrapping, data, 999, blob, n, &a));
		CHECK_RV(CKR_WRAPPED_KEY_INVALID, mech_unwrap_authenticated(&m[i], wrapping, data, 1000, blob, n - 1, &a));
		CHECK_RV(CKR_WRAPPED_KEY_INVALID, mech_unwrap_authenticated(&m[i], wrapping, data, 1000, blob, 0, &a));
		tag[5] ^= 4;
		CHECK_RV(CKR_WRAPPED_KEY_INVALID, mech_unwrap_authenticated(&m[i], wrapping, data, 1000, blob, n, &a));
		unwrap_set(&a, CKK_AES); /* 33 bytes are no AES key: the same code */
		tag[5] ^= 4;
		CHECK_RV(CKR_WRAPPED_KEY_INVALID, mech_unwrap_authenticated(&m[i], wrapping, data, 1000, blob, n, &a));
		CHECK_RV(CKR_ARGUMENTS_BAD, mech_wrap_authenticated(&m[i], wrapping, target, NULL, 3, blob, &n));
		CHECK_RV(CKR_MECHANISM_INVALID, mech_wrap_authenticated(&kw, wrapping, target, data, 3, blob, &n));
		CHECK_RV(CKR_WRAPPING_KEY_TYPE_INCONSISTENT, mech_wrap_authenticated(&m[i], target, target, data, 3, blob, &n));
		CHECK_RV(CKR_OK, mech_wrap_nonce(&m[i], true, &nonce));
		CHECK(nonce.present && nonce.own == (i != 2) && nonce.long_tag);
		object_put(wrapping);
	}
	gcm.ulIvFixedBits = 8;
	gcm.ulTagBits = 88;
	CHECK_RV(CKR_OK, mech_wrap_nonce(&m[0], true, &nonce));
	CHECK(nonce.present && !nonce.own && !nonce.long_tag);
	CHECK_RV(CKR_OK, mech_wrap_nonce(&kw, true, &nonce));
	CHECK(!nonce.present);
	gcm.pTag = NULL;
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, mech_wrap_authenticated(&m[0], target, target, data, 3, blob, &n));
	attrs_free(&a);
	object_put(target);
}

int
main(void)
{
	CHECK_RV(CKR_OK, secret_start());
	big = malloc(MANY);
	out = malloc(MANY + 64);
	ref = malloc(MANY + 64);
	RAND_bytes(data, sizeof(data));
	RAND_bytes(big, MANY);
	test_against_openssl();
	test_vectors();
	test_ccm_length();
	test_wrong_parameters();
	test_wrap();
	test_wrap_authenticated();
	free(big);
	free(out);
	free(ref);
	return unit_done("aead");
}
