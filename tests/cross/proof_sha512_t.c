/* SHA-512/t: OpenSSL where it has a t, FIPS 180-4 written down once more for all others. */
#include "../unit/sha512_reference.h"
#include "oracle.h"

enum { DIGEST, HMAC_BITS, HMAC_BYTES, KEY };

static struct blob
ulong_blob(CK_ULONG n)
{
	return blob_of(&n, sizeof(n));
}

/* A t that there is: any number of bits, or of whole bytes. */
static CK_ULONG
some_t(bool bytes)
{
	CK_ULONG t = bytes ? 8 * (1 + chance(63)) : 1 + chance(511);

	return t == 384 || chance(4) == 0 ? 224 + 32 * chance(2) : t;
}

static void
t_param(const struct proof *p, CK_MECHANISM *m, size_t in_len)
{
	CK_ULONG t = some_t(p->variant == HMAC_BITS || p->variant == HMAC_BYTES);
	struct blob b = ulong_blob(p->variant == HMAC_BYTES ? t / 8 : t);

	(void)in_len;
	m->pParameter = b.data;
	m->ulParameterLen = b.len;
}

static CK_ULONG
t_of(const struct proof *p, const CK_MECHANISM *m)
{
	CK_ULONG n;

	memcpy(&n, m->pParameter, sizeof(n));
	return p->variant == HMAC_BYTES ? 8 * n : n;
}

static struct blob
hash(CK_ULONG t, struct blob in)
{
	struct blob out = blob_new(64);

	if (t == 224 || t == 256)
		return oracle_hash(t == 224 ? "SHA2-512/224" : "SHA2-512/256", in);
	reference_start();
	reference_sha512_t((unsigned)t, in.data, in.len, NULL, 0, out.data);
	return blob_part(out, 0, (t + 7) / 8);
}

static struct blob
hmac(const struct proof *p, const CK_MECHANISM *m, struct blob key, struct blob in, bool forward)
{
	struct blob out = blob_new(64);
	CK_ULONG t = t_of(p, m);

	(void)forward;
	if (t == 224 || t == 256)
		return oracle_hmac(t == 224 ? "SHA2-512/224" : "SHA2-512/256", key, in);
	reference_start();
	reference_hmac((unsigned)t, key.data, key.len, in.data, in.len, out.data);
	return blob_part(out, 0, t / 8);
}

static void
prove_digest(const struct proof *p)
{
	CK_MECHANISM m = {p->type, NULL, 0};
	struct blob in = blob_random(some_length()), out;

	t_param(p, &m, in.len);
	if (is_ok("digest", use_key(CKF_DIGEST, &m, 0, in, 64, ANY_WAY, &out)))
		same("the hash", hash(t_of(p, &m), in), out);
}

static void
prove_hmac(const struct proof *p)
{
	CK_MECHANISM m = {p->type, NULL, 0};
	struct blob value = secret_value(p->key), in = blob_random(some_length()), macs[SIGN_FLOWS], wanted;
	CK_OBJECT_HANDLE key;

	t_param(p, &m, in.len);
	wanted = hmac(p, &m, value, in, true);
	if (!is_ok("a key", key_secret(chance(2) ? CKK_GENERIC_SECRET : p->key, value, USE_SIGN, &key)))
		return;
	for (size_t i = use_sign(&m, key, in, wanted.len, ANY_WAY, macs); i-- > 0;)
		same("the MAC", wanted, macs[i]);
	is_ok("verification of the oracle's MAC", use_verify(&m, key, in, wanted, ANY_WAY));
	refuse_changed(&m, key, in, wanted, ANY_WAY);
}

static void
prove_key(const struct proof *p)
{
	CK_MECHANISM m = {p->type, NULL, 0};
	struct blob value = blob_random(1 + chance(200)), wanted;
	CK_OBJECT_HANDLE base;

	t_param(p, &m, value.len);
	wanted = hash(t_of(p, &m), value);
	if (!is_ok("a key", key_secret(CKK_GENERIC_SECRET, value, CKF_DERIVE, &base)))
		return;
	expect_derived("the hashed key", &m, base, wanted, false);
	expect_derived("the hashed key cut short", &m, base,
		blob_part(wanted, 0, 1 + chance((uint32_t)wanted.len)), true);
}

static const struct proof rows[] = {
	{CKM_SHA512_T, prove_digest, .variant = DIGEST, .param = t_param},
	{CKM_SHA512_T_HMAC, prove_hmac, NULL, CKK_SHA512_T_HMAC, .variant = HMAC_BITS, .param = t_param, .oracle = hmac},
	{CKM_SHA512_T_HMAC_GENERAL, prove_hmac, NULL, CKK_SHA512_T_HMAC, .variant = HMAC_BYTES, .param = t_param,
		.oracle = hmac},
	{CKM_SHA512_T_KEY_DERIVATION, prove_key, NULL, CKK_GENERIC_SECRET, .variant = KEY, .param = t_param},
};
const struct proofs proofs_sha512_t = {rows, NELEMS(rows)};
