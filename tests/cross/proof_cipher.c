/* Ciphers of secret keys: modes of AES and 3DES, ChaCha20, authenticated ones, key wrap. */
#include "pkey.h"

enum { PKCS7 = 1, AUTHENTIC = 2, NO_STREAM = 4 };

/* ---- oracles ---- */
static const char *
named(const struct proof *p, struct blob *key)
{
	if (strncmp(p->name, "DES", 3) ==
		0) { /* one and two keys are three of which some are equal */
		if (key->len == 8)
			*key = blob_join(*key, *key);
		if (key->len == 16)
			*key = blob_join(*key, blob_part(*key, 0, 8));
	}
	return cipher_name(p->name, key->len * (strstr(p->name, "XTS") ? 4 : 8));
}

static struct blob
param_of(const CK_MECHANISM *m)
{
	return (struct blob){m->pParameter, m->ulParameterLen};
}

static struct blob
plain_mode(const struct proof *p, const CK_MECHANISM *m, struct blob key, struct blob in,
	bool forward)
{
	const char *name = named(p, &key);

	if (p->unit > 1 && in.len % p->unit != 0)
		return (struct blob){0};
	if ((strstr(name, "CTS") || strstr(name, "XTS")) && in.len < 16)
		return (struct blob){0};
	return oracle_cipher(name, key, param_of(m), in, forward, false);
}

static struct blob
padded_mode(const struct proof *p, const CK_MECHANISM *m, struct blob key, struct blob in,
	bool forward)
{
	const char *name = named(p, &key);

	return oracle_cipher(name, key, param_of(m), in, forward, true);
}

/* PKCS#11 3.1 6.11: the low bits count; a counter that comes round is an error. */
static struct blob
counter_mode(const struct proof *p, const CK_MECHANISM *m, struct blob key, struct blob in,
	bool forward)
{
	const CK_AES_CTR_PARAMS *c = m->pParameter;
	unsigned __int128 at = 0, blocks = (in.len + 15) / 16;
	const char *name = named(p, &key);

	for (int i = 0; i < 16; i++)
		at = at << 8 | c->cb[i];
	if (c->ulCounterBits < 128)
		at &= ((unsigned __int128)1 << c->ulCounterBits) - 1;
	if (c->ulCounterBits < 128 && at + blocks > (unsigned __int128)1 << c->ulCounterBits)
		return (struct blob){0};
	if (c->ulCounterBits == 128 && at + blocks < at && at + blocks != 0)
		return (struct blob){0};
	return oracle_cipher(name, key, blob_of(c->cb, 16), in, forward, false);
}

static struct blob
gcm(const struct proof *p, const CK_MECHANISM *m, struct blob key, struct blob in, bool forward)
{
	const CK_GCM_PARAMS *g = m->pParameter;

	return oracle_aead(named(p, &key), key, blob_of(g->pIv, g->ulIvLen),
		blob_of(g->pAAD, g->ulAADLen), g->ulTagBits / 8, in, forward);
}

static struct blob
ccm(const struct proof *p, const CK_MECHANISM *m, struct blob key, struct blob in, bool forward)
{
	const struct x_ccm *c = m->pParameter;

	return oracle_aead(named(p, &key), key, blob_of(c->nonce, c->nonce_len),
		blob_of(c->aad, c->aad_len), c->mac_len, in, forward);
}

static struct blob
chacha_poly(const struct proof *p, const CK_MECHANISM *m, struct blob key, struct blob in,
	bool forward)
{
	const struct x_chacha_poly *c = m->pParameter;

	return oracle_aead(p->name, key, blob_of(c->nonce, c->nonce_len / 8),
		blob_of(c->aad, c->aad_len), 16, in, forward);
}

static struct blob
chacha(const struct proof *p, const CK_MECHANISM *m, struct blob key, struct blob in,
	bool forward)
{
	const struct x_chacha *c = m->pParameter;
	struct blob iv = blob_join(
		blob_of(c->counter, c->counter_bits / 8), blob_of(c->nonce, c->nonce_bits / 8));

	return oracle_cipher(p->name, key, iv, in, forward, false);
}

static struct blob
key_wrap(const struct proof *p, const CK_MECHANISM *m, struct blob key, struct blob in,
	bool forward)
{
	bool pads = p->variant & PKCS7; /* PKCS #7 before RFC 3394 */
	size_t least = strstr(p->name, "WRAP-PAD") ? 1 : pads ? 8 : 16, pad = 8 - in.len % 8;
	struct blob fill = blob_new(pad);

	must_be(forward, "key wrap is proved forward");
	if (in.len < least || (p->unit > 1 && in.len % p->unit != 0))
		return (struct blob){0};
	memset(fill.data, (int)pad, pad);
	return oracle_cipher(
		named(p, &key), key, param_of(m), pads ? blob_join(in, fill) : in, true, false);
}

/* ---- parameters ---- */
static void
iv_param(const struct proof *p, CK_MECHANISM *m, size_t in_len)
{
	struct blob iv = blob_random(p->size);

	(void)in_len;
	param_give(m, iv.data, iv.len);
}

static void
maybe_iv_param(const struct proof *p, CK_MECHANISM *m, size_t in_len)
{
	if (chance(2) == 0)
		iv_param(p, m, in_len);
}

static void
counter_param(const struct proof *p, CK_MECHANISM *m, size_t in_len)
{
	static const CK_ULONG bits[] = {1, 8, 16, 31, 32, 64, 127, 128};
	CK_AES_CTR_PARAMS c = {.ulCounterBits = bits[chance(NELEMS(bits))]};
	struct blob block = blob_random(16);

	(void)p, (void)in_len;
	memcpy(c.cb, block.data, 16);
	param_give(m, &c, sizeof(c));
}

static void
gcm_param(const struct proof *p, CK_MECHANISM *m, size_t in_len)
{
	static const CK_ULONG tags[] = {128, 128, 120, 112, 104, 96, 64, 32};
	struct blob iv = blob_random(chance(2) == 0 ? 12 : 1 + chance(100)),
		    aad = blob_random(chance(2) * chance(300));
	CK_GCM_PARAMS g = {.pIv = iv.data,
		.ulIvLen = iv.len,
		.ulIvBits = 8 * iv.len,
		.pAAD = aad.len ? aad.data : NULL,
		.ulAADLen = aad.len,
		.ulTagBits = tags[chance(NELEMS(tags))]};

	(void)p, (void)in_len;
	param_give(m, &g, sizeof(g));
}

static void
ccm_param(const struct proof *p, CK_MECHANISM *m, size_t in_len)
{
	struct blob nonce = blob_random(7 + chance(in_len < 65536 ? 7 : 5)),
		    aad = blob_random(chance(2) * chance(300));
	struct x_ccm c = {in_len, nonce.data, nonce.len, aad.len ? aad.data : NULL, aad.len,
		4 + 2 * chance(7)};

	(void)p;
	param_give(m, &c, sizeof(c));
}

static void
chacha_poly_param(const struct proof *p, CK_MECHANISM *m, size_t in_len)
{
	struct blob nonce = blob_random(12), aad = blob_random(chance(2) * chance(300));
	struct x_chacha_poly c = {nonce.data, 96, aad.len ? aad.data : NULL, aad.len};

	(void)p, (void)in_len;
	param_give(m, &c, sizeof(c));
}

static void
chacha_param(const struct proof *p, CK_MECHANISM *m, size_t in_len)
{
	bool ietf = chance(2) == 0;
	struct blob counter = blob_random(ietf ? 4 : 8), nonce = blob_random(ietf ? 12 : 8);
	struct x_chacha c = {counter.data, 8 * counter.len, nonce.data, 8 * nonce.len};

	(void)p, (void)in_len;
	counter.data[counter.len - 1] &= 0x7f; /* does not come round */
	param_give(m, &c, sizeof(c));
}

/* ---- proofs ---- */
static void
prove_refusal(const struct proof *p, CK_MECHANISM *m, CK_OBJECT_HANDLE key, struct blob good)
{
	struct blob bad = blob_of(good.data, good.len), out;
	CK_RV rv;

	if (!(p->variant & AUTHENTIC) || good.len == 0)
		return;
	bad.data[chance((uint32_t)bad.len)] ^= (uint8_t)(1u << chance(8));
	rv = use_key(CKF_DECRYPT, m, key, bad, bad.len + 64,
		p->variant & NO_STREAM ? ONE_PART : ANY_WAY, &out);
	checks++;
	if (rv != CKR_ENCRYPTED_DATA_INVALID && rv != CKR_AEAD_DECRYPT_FAILED)
		fail("decryption of what was changed gave 0x%lx", rv);
}

static void
prove_one(const struct proof *p, size_t len)
{
	enum ways ways = p->variant & NO_STREAM ? ONE_PART : ANY_WAY;
	struct blob value = secret_value(p->key), in = blob_random(len), wanted, out;
	CK_MECHANISM m = {p->type, NULL, 0};
	CK_OBJECT_HANDLE key;
	CK_RV rv;

	if (p->param != NULL)
		p->param(p, &m, in.len);
	if (!is_ok("a key", key_secret(p->key, value, USE_SECRET, &key)))
		return;
	wanted = p->oracle(p, &m, value, in, true);
	rv = use_key(CKF_ENCRYPT, &m, key, in, in.len + 64, ways, &out);
	if (wanted.data == NULL) {
		checks++;
		if (rv != CKR_DATA_LEN_RANGE)
			fail("encryption of %zu bytes, which cannot be, gave 0x%lx", in.len,
				rv);
		return;
	}
	if (is_ok("encryption", rv))
		same("the ciphertext", wanted, out);
	if (is_ok("decryption of the oracle's",
		    use_key(CKF_DECRYPT, &m, key, wanted, wanted.len + 64, ways, &out)))
		same("the plaintext", in, out);
	prove_refusal(p, &m, key, wanted);
	if (claims(CKF_WRAP | CKF_UNWRAP))
		prove_wrapping(p, &m, key, value);
	destroy(key);
}

static void
prove_cipher(const struct proof *p)
{
	size_t len = p->variant & NO_STREAM ? some_length() % 1024 : some_length();

	for (int i = 0; i < 3; i++)
		prove_one(p, p->unit > 1 && chance(8) != 0
				     ? (len + p->unit - 1) / p->unit * p->unit
				     : len);
	prove_one(p, p->unit > 1 ? 2 * p->unit : 64);
	if (round_now == 0 && !(p->variant & NO_STREAM))
		prove_one(p, 1u << 20);
}

/* ---- wrapping ---- */
static void
expect_secret(const char *what, CK_OBJECT_HANDLE h, struct blob value)
{
	struct blob got = {0};

	get_blob(h, CKA_VALUE, &got);
	same(what, value, got);
}

static void
wrap_secret(const struct proof *p, CK_MECHANISM m, CK_OBJECT_HANDLE key, struct blob value)
{
	size_t unit = p->unit > 1 ? p->unit : 1;
	struct blob secret = blob_random((16 + chance(64)) / unit * unit), wanted, out;
	struct templ t = {.n = 0};
	CK_OBJECT_HANDLE target, got;

	if (p->param != NULL)
		p->param(p, &m, secret.len);
	if ((wanted = p->oracle(p, &m, value, secret, true)).data == NULL)
		return;
	if (!is_ok("a target", key_secret(CKK_GENERIC_SECRET, secret, CKF_SIGN, &target)))
		return;
	if (is_ok("C_WrapKey", use_wrap(&m, key, target, &out)))
		same("the wrapped key", wanted, out);
	templ_key(&t, CKO_SECRET_KEY, CKK_GENERIC_SECRET, CKF_SIGN);
	if (is_ok("C_UnwrapKey of the oracle's", use_unwrap(&m, key, wanted, &t, &got)))
		expect_secret("the unwrapped value", got, secret);
}

/* Its PKCS #8 form may be written in more than one way: what counts is the key in it. */
static void
wrap_private(const struct proof *p, CK_MECHANISM m, CK_OBJECT_HANDLE key, struct blob value)
{
	EVP_PKEY *pkey = chance(2) == 0 ? ec_key("P-256") : rsa_key(2048), *again;
	struct blob der = pkcs8(pkey), out, back;
	CK_OBJECT_HANDLE target, got;
	struct templ t = {.n = 0};

	if (p->param != NULL)
		p->param(p, &m, der.len);
	if (!is_ok("a private key", key_private(pkey, CKF_SIGN, &target)) ||
		!is_ok("C_WrapKey of a private key", use_wrap(&m, key, target, &out)))
		return;
	if (p->oracle != key_wrap) {
		back = p->oracle(p, &m, value, out, false);
	} else {
		back = oracle_cipher(named(p, &value), value, param_of(&m), out, false, false);
		if (p->variant & PKCS7 && back.len > 0)
			back.len -= back.data[back.len - 1];
	}
	again = pkcs8_key(back);
	checks++;
	if (again == NULL || EVP_PKEY_eq(again, pkey) != 1)
		fail("the wrapped private key is not the key in PKCS #8");
	EVP_PKEY_free(again);
	templ_key(&t, CKO_PRIVATE_KEY, EVP_PKEY_is_a(pkey, "EC") ? CKK_EC : CKK_RSA, CKF_SIGN);
	if (is_ok("C_UnwrapKey of a private key",
		    use_unwrap(&m, key, p->oracle(p, &m, value, der, true), &t, &got))) {
		again = key_exported(got);
		checks++;
		if (again == NULL || EVP_PKEY_eq(again, pkey) != 1)
			fail("the unwrapped private key is another");
		EVP_PKEY_free(again);
	}
}

void
prove_wrapping(
	const struct proof *p, const CK_MECHANISM *m, CK_OBJECT_HANDLE key, struct blob value)
{
	wrap_secret(p, *m, key, value);
	if (p->unit <= 1 && p->oracle != ccm)
		wrap_private(p, *m, key, value);
}

#define MODE(mech, title, type, block, iv)                                                     \
	{                                                                                      \
		mech, prove_cipher, title, type, iv, block,                                    \
			.oracle = plain_mode, .param = (iv) > 0 ? iv_param : NULL              \
	}
#define PADDED(mech, title, type, iv)                                                          \
	{                                                                                      \
		mech, prove_cipher, title, type, iv, .oracle = padded_mode, .param = iv_param  \
	}
#define AEAD(mech, title, type, how, given)                                                    \
	{                                                                                      \
		mech, prove_cipher, title, type, .variant = AUTHENTIC, .oracle = how,          \
						 .param = given                                \
	}

static const struct proof rows[] = {
	MODE(CKM_AES_ECB, "AES-#-ECB", CKK_AES, 16, 0),
	MODE(CKM_AES_CBC, "AES-#-CBC", CKK_AES, 16, 16),
	PADDED(CKM_AES_CBC_PAD, "AES-#-CBC", CKK_AES, 16),
	MODE(CKM_AES_OFB, "AES-#-OFB", CKK_AES, 1, 16),
	MODE(CKM_AES_CFB1, "AES-#-CFB1", CKK_AES, 1, 16),
	MODE(CKM_AES_CFB8, "AES-#-CFB8", CKK_AES, 1, 16),
	MODE(CKM_AES_CFB128, "AES-#-CFB", CKK_AES, 1, 16),
	MODE(CKM_AES_CTS, "AES-#-CBC-CTS", CKK_AES, 1, 16),
	MODE(CKM_AES_XTS, "AES-#-XTS", CKK_AES_XTS, 1, 16),
	{CKM_AES_CTR, prove_cipher, "AES-#-CTR", CKK_AES, .oracle = counter_mode,
		.param = counter_param},
	AEAD(CKM_AES_GCM, "AES-#-GCM", CKK_AES, gcm, gcm_param),
	AEAD(CKM_AES_CCM, "AES-#-CCM", CKK_AES, ccm, ccm_param),
	MODE(CKM_DES_ECB, "DES-EDE3-ECB", CKK_DES, 8, 0),
	MODE(CKM_DES_CBC, "DES-EDE3-CBC", CKK_DES, 8, 8),
	PADDED(CKM_DES_CBC_PAD, "DES-EDE3-CBC", CKK_DES, 8),
	MODE(CKM_DES3_ECB, "DES-EDE3-ECB", CKK_DES3, 8, 0),
	MODE(CKM_DES3_CBC, "DES-EDE3-CBC", CKK_DES3, 8, 8),
	PADDED(CKM_DES3_CBC_PAD, "DES-EDE3-CBC", CKK_DES3, 8),
	{CKM_CHACHA20, prove_cipher, "ChaCha20", CKK_CHACHA20, .oracle = chacha,
		.param = chacha_param},
	AEAD(CKM_CHACHA20_POLY1305, "ChaCha20-Poly1305", CKK_CHACHA20, chacha_poly,
		chacha_poly_param),
	{CKM_AES_KEY_WRAP, prove_cipher, "AES-#-WRAP", CKK_AES, 8, 8, AUTHENTIC | NO_STREAM,
		maybe_iv_param, key_wrap},
	{CKM_AES_KEY_WRAP_PAD, prove_cipher, "AES-#-WRAP", CKK_AES, 8, 0,
		AUTHENTIC | NO_STREAM | PKCS7, maybe_iv_param, key_wrap},
	{CKM_AES_KEY_WRAP_PKCS7, prove_cipher, "AES-#-WRAP", CKK_AES, 8, 0,
		AUTHENTIC | NO_STREAM | PKCS7, maybe_iv_param, key_wrap},
	{CKM_AES_KEY_WRAP_KWP, prove_cipher, "AES-#-WRAP-PAD", CKK_AES, 4, 0,
		AUTHENTIC | NO_STREAM, maybe_iv_param, key_wrap},
};
const struct proofs proofs_cipher = {rows, NELEMS(rows)};
