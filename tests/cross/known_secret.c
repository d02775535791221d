/*
 * known_secret.c - published answers of hashes, MACs, ciphers of secret keys, one-time
 * passwords
 *
 *   digest MECH in out [t:]                   mac MECH key in out [iv] [t:]
 *   cipher MECH key [iv] in out [bits:]       aead MECH key iv [aad] in out [tag:] [bad:]
 *   wrap MECH key [iv] in out [bad:]          otp MECH key counter: out (digits, as bytes)
 *
 * In aead, out is ciphertext and tag; the tag has 16 bytes, or tag:. A line with bad:yes has an
 * `out` that must be refused, and no `in`. t: is the parameter of CKM_SHA512_T and its like.
 */
#include "known.h"

/* ---- ciphers: the rows' own oracles ---- */
static void
give_gcm(struct line *l)
{
	struct blob iv = field(l, "iv"), aad = field(l, "aad");
	CK_GCM_PARAMS p = {iv.data, iv.len, 8 * iv.len, aad.len > 0 ? aad.data : NULL, aad.len,
		8 * count(l, "tag", 16)};

	give(l, &p, sizeof(p));
}

static void
give_ccm(struct line *l)
{
	struct blob iv = field(l, "iv"), aad = field(l, "aad");
	CK_ULONG tag = count(l, "tag", 16);
	struct x_ccm p = {has(l, "in") ? field(l, "in").len : field(l, "out").len - tag,
		iv.data, iv.len, aad.len > 0 ? aad.data : NULL, aad.len, tag};

	give(l, &p, sizeof(p));
}

static void
give_chacha_poly(struct line *l)
{
	struct blob iv = field(l, "iv"), aad = field(l, "aad");
	struct x_chacha_poly p = {iv.data, 8 * iv.len, aad.len > 0 ? aad.data : NULL, aad.len};

	give(l, &p, sizeof(p));
}

static void
give_chacha(struct line *l)
{
	struct blob iv = field(l, "iv");
	struct x_chacha p = {iv.data, 32, iv.data + 4, 96};

	give(l, &p, sizeof(p));
}

static void
give_counter(struct line *l)
{
	CK_AES_CTR_PARAMS p = {.ulCounterBits = count(l, "bits", 32)};

	must_be(field(l, "iv").len == 16, "a first counter block");
	memcpy(p.cb, field(l, "iv").data, 16);
	give(l, &p, sizeof(p));
}

static const struct {
	CK_MECHANISM_TYPE type;
	void (*give)(struct line *l);
} params[] = {
	{CKM_AES_GCM, give_gcm},
	{CKM_AES_CCM, give_ccm},
	{CKM_CHACHA20_POLY1305, give_chacha_poly},
	{CKM_CHACHA20, give_chacha},
	{CKM_AES_CTR, give_counter},
};

static void
cipher_param(struct line *l)
{
	for (size_t i = 0; i < NELEMS(params); i++)
		if (params[i].type == l->m.mechanism) {
			params[i].give(l);
			return;
		}
	give(l, field(l, "iv").data, field(l, "iv").len);
}

static void
known_cipher(struct line *l)
{
	struct blob in = field(l, "in"), wanted = field(l, "out"), out;
	CK_OBJECT_HANDLE h;

	cipher_param(l);
	same("OpenSSL's answer", wanted,
		l->proof->oracle(l->proof, &l->m, field(l, "key"), in, true));
	if (!is_ok("a key", key_secret(l->proof->key, field(l, "key"), USE_SECRET, &h)))
		return;
	if (is_ok("encrypt",
		    use_key(CKF_ENCRYPT, &l->m, h, in, wanted.len + 64, ONE_PART, &out)))
		same("the ciphertext", wanted, out);
	if (is_ok("decrypt",
		    use_key(CKF_DECRYPT, &l->m, h, wanted, wanted.len + 64, ONE_PART, &out)))
		same("the plaintext", in, out);
}

/* What is authentic: and refused when it is not. */
static void
known_authentic(struct line *l)
{
	struct blob wanted = field(l, "out"), out;
	CK_OBJECT_HANDLE h;

	if (has(l, "bad"))
		cipher_param(l);
	else
		known_cipher(l);
	if (!is_ok("a key", key_secret(l->proof->key, field(l, "key"), USE_SECRET, &h)))
		return;
	if (has(l, "bad"))
		expect_refused("decryption of what the document refuses",
			use_key(CKF_DECRYPT, &l->m, h, wanted, wanted.len + 64, ONE_PART,
				&out));
	else
		expect_refused("decryption of a changed ciphertext",
			use_key(CKF_DECRYPT, &l->m, h, changed(wanted), wanted.len + 64,
				ONE_PART, &out));
}

/* ---- MACs and hashes ---- */
static void
known_mac(struct line *l)
{
	struct blob key = field(l, "key"), in = field(l, "in"), wanted = field(l, "out"), out;
	CK_ULONG len = count(l, "t", wanted.len);
	CK_OBJECT_HANDLE h;

	if (has(l, "iv"))
		give(l, field(l, "iv").data, field(l, "iv").len);
	else if (l->proof->param != NULL)
		give(l, &len, sizeof(len));
	same("OpenSSL's answer", wanted, l->proof->oracle(l->proof, &l->m, key, in, true));
	if (!is_ok("a key", key_secret(l->proof->key, key, USE_SIGN, &h)))
		return;
	if (is_ok("sign", use_key(CKF_SIGN, &l->m, h, in, 64, ANY_WAY, &out)))
		same("the MAC", wanted, out);
	is_ok("verify", use_verify(&l->m, h, in, wanted, ANY_WAY));
	expect_refused("verification of a changed MAC",
		use_verify(&l->m, h, in, changed(wanted), ANY_WAY));
}

static void
known_digest(struct line *l)
{
	struct blob in = field(l, "in"), wanted = field(l, "out"), out;

	give_t(l);
	same("OpenSSL's answer", wanted, oracle_hash(known_hash(l), in));
	if (is_ok("digest", use_key(CKF_DIGEST, &l->m, 0, in, 64, ANY_WAY, &out)))
		same("the hash", wanted, out);
}

/* ---- one-time passwords ---- */
static CK_RV
otp_key(const struct line *l, struct blob counter, CK_OBJECT_HANDLE *h)
{
	struct templ t = {.n = 0};

	templ_key(&t, CKO_OTP_KEY, l->proof->key, USE_SIGN);
	templ_blob(&t, CKA_OTP_COUNTER, counter);
	templ_ulong(&t, CKA_OTP_LENGTH, field(l, "out").len);
	templ_blob(&t, CKA_VALUE, field(l, "key"));
	return object_make(&t, h);
}

static void
verify_otp(struct line *l, CK_OBJECT_HANDLE key, struct blob counter)
{
	CK_OTP_PARAM param = {CK_OTP_COUNTER, counter.data, counter.len};
	CK_OTP_PARAMS all = {&param, 1};
	struct blob password = field(l, "out");

	give(l, &all, sizeof(all));
	is_ok("verify", use_verify(&l->m, key, (struct blob){0}, password, ONE_PART));
	expect_refused("another password",
		use_verify(&l->m, key, (struct blob){0}, changed(password), ONE_PART));
}

static void
known_otp(struct line *l)
{
	CK_ULONG n = count(l, "counter", 0);
	struct blob counter = blob_new(8), out = blob_new(512);
	CK_OTP_SIGNATURE_INFO *info = (CK_OTP_SIGNATURE_INFO *)(void *)out.data;
	CK_ULONG len = out.len;
	CK_OBJECT_HANDLE key;

	for (size_t i = 8; i-- > 0; n >>= 8)
		counter.data[i] = (uint8_t)n;
	if (!is_ok("a key", otp_key(l, counter, &key)) ||
		!is_ok("C_SignInit", f->C_SignInit(session, &l->m, key)) ||
		!is_ok("C_Sign", f->C_Sign(session, out.data, 0, out.data, &len)))
		return;
	for (CK_ULONG i = 0; i < info->ulCount; i++)
		if (info->pParams[i].type == CK_OTP_VALUE)
			same("the password", field(l, "out"),
				blob_of(info->pParams[i].pValue, info->pParams[i].ulValueLen));
	verify_otp(l, key, counter);
}

static const struct known_kind rows[] = {
	{"digest", known_digest},
	{"mac", known_mac},
	{"cipher", known_cipher},
	{"aead", known_authentic},
	{"wrap", known_authentic},
	{"otp", known_otp},
};
const struct known_kinds known_secret = {rows, NELEMS(rows)};
