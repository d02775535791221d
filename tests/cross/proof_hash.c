/* Digests, HMAC and the other MACs. */
#include "oracle.h"

static void
prove_digest(const struct proof *p)
{
	CK_MECHANISM m = {p->type, NULL, 0};
	struct blob in = blob_random(some_length()), value = blob_random(1 + chance(100)), out;
	CK_OBJECT_HANDLE key;
	CK_ULONG n;

	if (is_ok("digest", use_key(CKF_DIGEST, &m, 0, in, p->size, ANY_WAY, &out)))
		same("the hash", oracle_hash(p->name, in), out);
	if (!is_ok("a key", key_secret(CKK_GENERIC_SECRET, value, CKF_SIGN, &key)))
		return;
	out = blob_new(n = p->size);
	if (is_ok("C_DigestInit", f->C_DigestInit(session, &m)) &&
		is_ok("C_DigestUpdate", f->C_DigestUpdate(session, in.data, in.len)) &&
		is_ok("C_DigestKey", f->C_DigestKey(session, key)) &&
		is_ok("C_DigestFinal", f->C_DigestFinal(session, out.data, &n)))
		same("the hash with a key in it", oracle_hash(p->name, blob_join(in, value)),
			blob_part(out, 0, n));
}

static void
prove_large_digest(const struct proof *p)
{
	CK_MECHANISM m = {p->type, NULL, 0};
	struct blob in = blob_random(1u << 20), out;

	prove_digest(p);
	if (is_ok("digest of 1 MiB", use_key(CKF_DIGEST, &m, 0, in, p->size, ANY_WAY, &out)))
		same("the hash of 1 MiB", oracle_hash(p->name, in), out);
}

#define DIGEST(mech, hash, bytes)                                                              \
	{                                                                                      \
		mech, prove_digest, hash, .size = bytes                                        \
	}
#define DIGEST_LARGE(mech, hash, bytes)                                                        \
	{                                                                                      \
		mech, prove_large_digest, hash, .size = bytes                                  \
	}

/* ---- MACs ---- */
enum { PLAIN, GENERAL, LENGTH_OF_KEY };

static void
mac_length(const struct proof *p, CK_MECHANISM *m, size_t in_len)
{
	CK_ULONG n = 1 + chance((uint32_t)p->size);

	(void)in_len;
	param_give(m, &n, sizeof(n));
}

static struct blob
cut(const struct proof *p, const CK_MECHANISM *m, struct blob mac)
{
	CK_ULONG n = p->size;

	if (m->ulParameterLen == sizeof(n))
		memcpy(&n, m->pParameter, sizeof(n));
	return blob_part(mac, 0, n);
}

static struct blob
hmac(const struct proof *p, const CK_MECHANISM *m, struct blob key, struct blob in,
	bool forward)
{
	(void)forward;
	return cut(p, m, oracle_hmac(p->name, key, in));
}

static struct blob
cmac(const struct proof *p, const CK_MECHANISM *m, struct blob key, struct blob in,
	bool forward)
{
	const char *name = cipher_name(p->name, 8 * key.len);

	(void)forward;
	if (key.len == 16 && strcmp(p->name, "DES-EDE3-CBC") == 0)
		key = blob_join(key, blob_part(key, 0, 8));
	return cut(p, m, oracle_mac("CMAC", name, (struct blob){0}, key, in));
}

/* FIPS 113 with a longer cipher: the last block of CBC over zero-padded input; half of it, or
 * as asked for. */
static struct blob
cbc_mac(const struct proof *p, const CK_MECHANISM *m, struct blob key, struct blob in,
	bool forward)
{
	size_t block = key.len > 8 && strncmp(p->name, "AES", 3) == 0 ? 16 : 8;
	struct blob padded = blob_join(in, blob_new((block - in.len % block) % block)), out;
	const char *name = cipher_name(p->name, 8 * key.len);

	(void)forward;
	if (in.len == 0)
		return (struct blob){0};
	if (key.len == 16 && block == 8)
		key = blob_join(key, blob_part(key, 0, 8));
	out = oracle_cipher(name, key, blob_new(block), padded, true, false);
	return cut(p, m, blob_part(out, out.len - block, block));
}

static void
gmac_iv(const struct proof *p, CK_MECHANISM *m, size_t in_len)
{
	struct blob iv = blob_random(12);

	(void)p, (void)in_len;
	m->pParameter = iv.data;
	m->ulParameterLen = iv.len;
}

static struct blob
gmac(const struct proof *p, const CK_MECHANISM *m, struct blob key, struct blob in,
	bool forward)
{
	(void)p, (void)forward;
	return oracle_mac("GMAC", cipher_name("AES-#-GCM", 8 * key.len),
		blob_of(m->pParameter, m->ulParameterLen), key, in);
}

static struct blob
poly1305(const struct proof *p, const CK_MECHANISM *m, struct blob key, struct blob in,
	bool forward)
{
	(void)p, (void)m, (void)forward;
	return oracle_mac("POLY1305", NULL, (struct blob){0}, key, in);
}

static void
prove_mac(const struct proof *p)
{
	bool generic = p->oracle == hmac && chance(2) == 0;
	CK_MECHANISM m = {p->type, NULL, 0};
	struct blob value = secret_value(p->key), in = blob_random(some_length()), macs[SIGN_FLOWS],
		    wanted;
	CK_OBJECT_HANDLE key;

	if (p->param != NULL)
		p->param(p, &m, in.len);
	wanted = p->oracle(p, &m, value, in, true);
	if (wanted.data == NULL ||
		!is_ok("a key", key_secret(generic ? CKK_GENERIC_SECRET : p->key, value,
					USE_SIGN, &key)))
		return;
	for (size_t i = use_sign(&m, key, in, wanted.len, ANY_WAY, macs); i-- > 0;)
		same("the MAC", wanted, macs[i]);
	is_ok("verification of the oracle's MAC", use_verify(&m, key, in, wanted, ANY_WAY));
	refuse_changed(&m, key, in, wanted, ANY_WAY);
}

#define HMACS(mech, hash, bytes, type)                                                         \
	{mech, prove_mac, hash, type, bytes, .oracle = hmac},                                  \
	{                                                                                      \
		mech##_GENERAL, prove_mac, hash, type, bytes,                                  \
			.oracle = hmac, .param = mac_length, .variant = GENERAL                \
	}

static const struct proof rows[] = {
	DIGEST(CKM_MD5, "MD5", 16),
	DIGEST(CKM_SHA_1, "SHA1", 20),
	DIGEST(CKM_SHA224, "SHA2-224", 28),
	DIGEST_LARGE(CKM_SHA256, "SHA2-256", 32),
	DIGEST(CKM_SHA384, "SHA2-384", 48),
	DIGEST_LARGE(CKM_SHA512, "SHA2-512", 64),
	DIGEST(CKM_SHA512_224, "SHA2-512/224", 28),
	DIGEST(CKM_SHA512_256, "SHA2-512/256", 32),
	DIGEST(CKM_SHA3_224, "SHA3-224", 28),
	DIGEST_LARGE(CKM_SHA3_256, "SHA3-256", 32),
	DIGEST(CKM_SHA3_384, "SHA3-384", 48),
	DIGEST(CKM_SHA3_512, "SHA3-512", 64),
	DIGEST(CKM_BLAKE2B_160, "BLAKE2B-160", 20),
	DIGEST(CKM_BLAKE2B_256, "BLAKE2B-256", 32),
	DIGEST(CKM_BLAKE2B_384, "BLAKE2B-384", 48),
	DIGEST_LARGE(CKM_BLAKE2B_512, "BLAKE2B-512", 64),
	HMACS(CKM_MD5_HMAC, "MD5", 16, CKK_MD5_HMAC),
	HMACS(CKM_SHA_1_HMAC, "SHA1", 20, CKK_SHA_1_HMAC),
	HMACS(CKM_SHA224_HMAC, "SHA2-224", 28, CKK_SHA224_HMAC),
	HMACS(CKM_SHA256_HMAC, "SHA2-256", 32, CKK_SHA256_HMAC),
	HMACS(CKM_SHA384_HMAC, "SHA2-384", 48, CKK_SHA384_HMAC),
	HMACS(CKM_SHA512_HMAC, "SHA2-512", 64, CKK_SHA512_HMAC),
	HMACS(CKM_SHA512_224_HMAC, "SHA2-512/224", 28, CKK_SHA512_224_HMAC),
	HMACS(CKM_SHA512_256_HMAC, "SHA2-512/256", 32, CKK_SHA512_256_HMAC),
	HMACS(CKM_SHA3_224_HMAC, "SHA3-224", 28, CKK_SHA3_224_HMAC),
	HMACS(CKM_SHA3_256_HMAC, "SHA3-256", 32, CKK_SHA3_256_HMAC),
	HMACS(CKM_SHA3_384_HMAC, "SHA3-384", 48, CKK_SHA3_384_HMAC),
	HMACS(CKM_SHA3_512_HMAC, "SHA3-512", 64, CKK_SHA3_512_HMAC),
	HMACS(CKM_BLAKE2B_160_HMAC, "BLAKE2B-160", 20, CKK_BLAKE2B_160_HMAC),
	HMACS(CKM_BLAKE2B_256_HMAC, "BLAKE2B-256", 32, CKK_BLAKE2B_256_HMAC),
	HMACS(CKM_BLAKE2B_384_HMAC, "BLAKE2B-384", 48, CKK_BLAKE2B_384_HMAC),
	HMACS(CKM_BLAKE2B_512_HMAC, "BLAKE2B-512", 64, CKK_BLAKE2B_512_HMAC),
	{CKM_AES_CMAC, prove_mac, "AES-#-CBC", CKK_AES, 16, .oracle = cmac},
	{CKM_AES_CMAC_GENERAL, prove_mac, "AES-#-CBC", CKK_AES, 16, .oracle = cmac,
		.param = mac_length},
	{CKM_AES_MAC, prove_mac, "AES-#-CBC", CKK_AES, 8, .oracle = cbc_mac},
	{CKM_AES_MAC_GENERAL, prove_mac, "AES-#-CBC", CKK_AES, 16, .oracle = cbc_mac,
		.param = mac_length},
	{CKM_DES3_CMAC, prove_mac, "DES-EDE3-CBC", CKK_DES3, 8, .oracle = cmac},
	{CKM_DES3_CMAC_GENERAL, prove_mac, "DES-EDE3-CBC", CKK_DES3, 8, .oracle = cmac,
		.param = mac_length},
	{CKM_DES3_MAC, prove_mac, "DES-EDE3-CBC", CKK_DES3, 4, .oracle = cbc_mac},
	{CKM_DES3_MAC_GENERAL, prove_mac, "DES-EDE3-CBC", CKK_DES3, 8, .oracle = cbc_mac,
		.param = mac_length},
	{CKM_AES_GMAC, prove_mac, NULL, CKK_AES, 16, .oracle = gmac, .param = gmac_iv},
	{CKM_POLY1305, prove_mac, NULL, CKK_POLY1305, 16, .oracle = poly1305},
};
const struct proofs proofs_hash = {rows, NELEMS(rows)};
