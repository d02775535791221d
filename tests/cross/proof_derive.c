/* Keys out of keys: hashed, joined, cut out, encrypted; public out of private; and keys wrapped
 * under a key made for it. */
#include "pkey.h"

struct x_rsa_aes { /* CK_RSA_AES_KEY_WRAP_PARAMS */
	CK_ULONG bits;
	CK_RSA_PKCS_OAEP_PARAMS *oaep;
};
struct x_ecdh_aes { /* CK_ECDH_AES_KEY_WRAP_PARAMS */
	CK_ULONG bits, kdf, shared_len;
	CK_BYTE *shared;
};

/* ---- a hash of the key: 3.1 6.20.5 and its like ---- */
static void
prove_hashed(const struct proof *p)
{
	CK_MECHANISM m = {p->type, NULL, 0};
	struct blob value = blob_random(1 + chance(200)), hash = oracle_hash(p->name, value);
	CK_OBJECT_HANDLE base = base_secret(CKK_GENERIC_SECRET, value);
	CK_RV rv;
	struct templ t = {.n = 0};
	CK_OBJECT_HANDLE h;

	expect_derived("the hashed key", &m, base, hash, false);
	expect_derived("the hashed key cut short", &m, base,
		blob_part(hash, 0, 1 + chance((uint32_t)hash.len)), true);
	templ_key(&t, CKO_SECRET_KEY, CKK_GENERIC_SECRET, CKF_SIGN);
	templ_ulong(&t, CKA_VALUE_LEN, hash.len + 1);
	rv = use_derive(&m, base, &t, &h);
	checks++;
	if (rv == CKR_OK)
		fail("a key longer than the hash came into being");
}

/* ---- joined and cut ---- */
static void
prove_joined(const struct proof *p)
{
	struct blob value = blob_random(1 + chance(60)), data = blob_random(1 + chance(60)),
		    wanted;
	CK_OBJECT_HANDLE base = base_secret(CKK_GENERIC_SECRET, value), other;
	CK_KEY_DERIVATION_STRING_DATA string = {data.data, data.len};
	CK_MECHANISM m = {p->type, &string, sizeof(string)};

	switch (p->type) {
	case CKM_CONCATENATE_BASE_AND_KEY:
		other = base_secret(CKK_GENERIC_SECRET, data);
		param_give(&m, &other, sizeof(other));
		wanted = blob_join(value, data);
		break;
	case CKM_CONCATENATE_BASE_AND_DATA:
		wanted = blob_join(value, data);
		break;
	case CKM_CONCATENATE_DATA_AND_BASE:
		wanted = blob_join(data, value);
		break;
	default: /* CKM_XOR_BASE_AND_DATA: as long as the shorter */
		wanted = blob_new(value.len < data.len ? value.len : data.len);
		for (size_t i = 0; i < wanted.len; i++)
			wanted.data[i] = value.data[i] ^ data.data[i];
	}
	expect_derived("the key", &m, base, wanted, false);
	expect_derived("the key cut short", &m, base,
		blob_part(wanted, 0, 1 + chance((uint32_t)wanted.len)), true);
}

/* Bits are counted from the highest of the first byte; past the end they begin anew. */
static void
prove_extracted(const struct proof *p)
{
	struct blob value = blob_random(1 + chance(60)),
		    wanted = blob_new(1 + chance((uint32_t)value.len));
	CK_ULONG from = chance((uint32_t)(8 * value.len));
	CK_MECHANISM m = {p->type, &from, sizeof(from)};

	for (size_t i = 0; i < 8 * wanted.len; i++) {
		size_t at = (from + i) % (8 * value.len);

		wanted.data[i / 8] |=
			(uint8_t)((value.data[at / 8] >> (7 - at % 8) & 1) << (7 - i % 8));
	}
	expect_derived("the bits", &m, base_secret(CKK_GENERIC_SECRET, value), wanted, true);
}

/* ---- encrypted data ---- */
static void
prove_encrypted(const struct proof *p)
{
	struct blob value = secret_value(p->key), iv = blob_random(p->size),
		    data = blob_random(p->unit * (1 + chance(5))), wanted, k;
	CK_MECHANISM m = {p->type, NULL, 0};
	CK_KEY_DERIVATION_STRING_DATA string = {data.data, data.len};
	CK_AES_CBC_ENCRYPT_DATA_PARAMS aes = {.pData = data.data, .length = data.len};
	CK_DES_CBC_ENCRYPT_DATA_PARAMS des = {.pData = data.data, .length = data.len};

	if (p->size == 0) {
		param_give(&m, &string, sizeof(string));
	} else if (p->size == 16) {
		memcpy(aes.iv, iv.data, 16);
		param_give(&m, &aes, sizeof(aes));
	} else {
		memcpy(des.iv, iv.data, 8);
		param_give(&m, &des, sizeof(des));
	}
	k = value;
	wanted = oracle_cipher(cipher_name(p->name, 8 * k.len), k, iv, data, true, false);
	expect_derived("the encrypted data", &m, base_secret(p->key, value), wanted, true);
	expect_derived("the encrypted data cut short", &m, base_secret(p->key, value),
		blob_part(wanted, 0, 1 + chance((uint32_t)wanted.len)), true);
}

/* ---- the public half: 3.1 6.?, CKM_PUB_KEY_FROM_PRIV_KEY ---- */
static void
prove_public(const struct proof *p)
{
	static const char *const groups[] = {"P-256", "P-521", "ED25519", "X25519"};
	CK_MECHANISM m = {p->type, NULL, 0};
	unsigned i = chance(5);
	EVP_PKEY *pkey = i == 4 ? rsa_key(2048) : ec_key(groups[i]), *got;
	struct templ t = {.n = 0};
	CK_OBJECT_HANDLE base, h;

	templ_ulong(&t, CKA_CLASS, CKO_PUBLIC_KEY);
	templ_ulong(&t, CKA_KEY_TYPE,
		i == 4	 ? CKK_RSA
		: i < 2	 ? CKK_EC
		: i == 2 ? CKK_EC_EDWARDS
			 : CKK_EC_MONTGOMERY);
	templ_bool(&t, CKA_TOKEN, false);
	if (!is_ok("a private key",
		    key_private(pkey, i == 3 ? CKF_DERIVE : CKF_SIGN | CKF_DERIVE, &base)) ||
		!is_ok("C_DeriveKey", use_derive(&m, base, &t, &h)) ||
		(got = key_exported(h)) == NULL)
		return;
	checks++;
	if (EVP_PKEY_eq(got, pkey) != 1)
		fail("the public key is another's");
	EVP_PKEY_free(got);
}

/* ---- CKM_RSA_AES_KEY_WRAP: 3.1 6.1.22: OAEP of an AES key, then the target under it by RFC
 * 5649 ---- */
static struct blob
kwp(struct blob key, bool wrap, struct blob in)
{
	return oracle_cipher(cipher_name("AES-#-WRAP-PAD", 8 * key.len), key, (struct blob){0},
		in, wrap, false);
}

static void
expect_unwrapped(CK_MECHANISM *m, CK_OBJECT_HANDLE key, struct blob in, struct blob wanted)
{
	struct templ t = {.n = 0};
	struct blob got = {0};
	CK_OBJECT_HANDLE h;

	templ_key(&t, CKO_SECRET_KEY, CKK_GENERIC_SECRET, CKF_SIGN);
	if (is_ok("C_UnwrapKey", use_unwrap(m, key, in, &t, &h))) {
		get_blob(h, CKA_VALUE, &got);
		same("the unwrapped key", wanted, got);
	}
}

static void
prove_rsa_aes(const struct proof *p)
{
	CK_RSA_PKCS_OAEP_PARAMS inner = {CKM_SHA256, 2, CKZ_DATA_SPECIFIED, NULL, 0};
	struct x_rsa_aes params = {128 + 64 * chance(3), &inner};
	CK_MECHANISM m = {p->type, &params, sizeof(params)};
	struct rsa_way way = {RSA_PKCS1_OAEP_PADDING, "SHA2-256", "SHA2-256", 0, {0}};
	EVP_PKEY *pkey = rsa_key(2048);
	struct blob secret = blob_random(1 + chance(100)), aes = blob_random(params.bits / 8),
		    out;
	CK_OBJECT_HANDLE pub, priv, target;

	if (!is_ok("a key", key_public(pkey, CKF_WRAP, &pub)) ||
		!is_ok("a key", key_private(pkey, CKF_UNWRAP | CKF_DECRYPT, &priv)) ||
		!is_ok("a target", key_secret(CKK_GENERIC_SECRET, secret, CKF_SIGN, &target)))
		return;
	expect_unwrapped(&m, priv,
		blob_join(rsa_run(RSA_ENCRYPT, pkey, &way, aes), kwp(aes, true, secret)),
		secret);
	if (!is_ok("C_WrapKey", use_wrap(&m, pub, target, &out)) || out.len < 256)
		return;
	aes = rsa_run(RSA_DECRYPT, pkey, &way, blob_part(out, 0, 256));
	checks++;
	if (aes.len * 8 != params.bits)
		fail("the AES key has %zu bytes", aes.len);
	else
		same("what OpenSSL unwraps", secret,
			kwp(aes, false, blob_part(out, 256, out.len - 256)));
}

/* ---- CKM_ECDH_AES_KEY_WRAP: a public point, then the target under the agreed key by RFC 5649
 * ---- */
enum { RAW_POINT, DER_POINT };

static struct blob
agreed_aes(EVP_PKEY *ours, EVP_PKEY *theirs, const struct x_ecdh_aes *e)
{
	return x963(hash_of_kdf(e->kdf), agreed(ours, theirs),
		blob_of(e->shared, e->shared_len), e->bits / 8);
}

static void
prove_ecdh_aes(const struct proof *p)
{
	struct blob shared = blob_random(chance(2) * 20), secret = blob_random(1 + chance(100)),
		    out, point, kek;
	struct x_ecdh_aes e = {
		128 + 64 * chance(3), 6, shared.len, shared.len > 0 ? shared.data : NULL};
	CK_MECHANISM m = {p->type, &e, sizeof(e)};
	EVP_PKEY *pkey = ec_key(p->name), *peer = EVP_PKEY_new();
	size_t skip = 0;
	EVP_PKEY *ours = fresh_key(p->name);
	CK_OBJECT_HANDLE pub, priv, target;

	point = public_point(ours);
	if (p->variant == DER_POINT) { /* 3.2 6.3.22 has it as CKA_EC_POINT is */
		skip = 2;
		point = blob_join(blob_of((uint8_t[]){4, (uint8_t)point.len}, 2), point);
	}
	if (!is_ok("a key", key_public(pkey, CKF_WRAP, &pub)) ||
		!is_ok("a key", key_private(pkey, CKF_UNWRAP | CKF_DERIVE, &priv)) ||
		!is_ok("a target", key_secret(CKK_GENERIC_SECRET, secret, CKF_SIGN, &target)))
		goto out;
	expect_unwrapped(&m, priv,
		blob_join(point, kwp(agreed_aes(ours, pkey, &e), true, secret)), secret);
	if (!is_ok("C_WrapKey", use_wrap(&m, pub, target, &out)) || out.len <= point.len)
		goto out;
	checks++;
	if (EVP_PKEY_copy_parameters(peer, pkey) != 1 ||
		EVP_PKEY_set1_encoded_public_key(peer, out.data + skip, point.len - skip) !=
			1) {
		fail("the wrapped key does not begin with a point");
		goto out;
	}
	kek = agreed_aes(pkey, peer, &e);
	same("what OpenSSL unwraps", secret,
		kwp(kek, false, blob_part(out, point.len, out.len - point.len)));
out:
	EVP_PKEY_free(peer);
	EVP_PKEY_free(ours);
}

/* ---- for the limits ---- */
static CK_RV
make_any(const struct proof *p, CK_ULONG size, CK_OBJECT_HANDLE *pub, CK_OBJECT_HANDLE *priv)
{
	EVP_PKEY *pkey = p->prove == prove_rsa_aes
				 ? rsa_key(2048)
				 : ec_key(p->name != NULL ? p->name : "P-256");
	CK_RV rv;

	(void)size;
	rv = key_public(pkey, USE_PUBLIC, pub);
	return rv == CKR_OK
		       ? key_private(pkey,
				 p->prove == prove_public ? CKF_SIGN | CKF_DERIVE
							  : USE_PRIVATE & ~CKF_SIGN_RECOVER,
				 priv)
		       : rv;
}

#define HASHED(mech, hash)                                                                     \
	{                                                                                      \
		mech, prove_hashed, hash, CKK_GENERIC_SECRET                                   \
	}
#define JOINED(mech)                                                                           \
	{                                                                                      \
		mech, prove_joined, NULL, CKK_GENERIC_SECRET                                   \
	}
#define DATA(mech, cipher, type, iv, block)                                                    \
	{                                                                                      \
		mech, prove_encrypted, cipher, type, iv, block                                 \
	}

static const struct proof rows[] = {
	HASHED(CKM_MD5_KEY_DERIVATION, "MD5"),
	HASHED(CKM_SHA1_KEY_DERIVATION, "SHA1"),
	HASHED(CKM_SHA224_KEY_DERIVATION, "SHA2-224"),
	HASHED(CKM_SHA256_KEY_DERIVATION, "SHA2-256"),
	HASHED(CKM_SHA384_KEY_DERIVATION, "SHA2-384"),
	HASHED(CKM_SHA512_KEY_DERIVATION, "SHA2-512"),
	HASHED(CKM_SHA512_224_KEY_DERIVATION, "SHA2-512/224"),
	HASHED(CKM_SHA512_256_KEY_DERIVATION, "SHA2-512/256"),
	HASHED(CKM_SHA3_224_KEY_DERIVATION, "SHA3-224"),
	HASHED(CKM_SHA3_256_KEY_DERIVATION, "SHA3-256"),
	HASHED(CKM_SHA3_384_KEY_DERIVATION, "SHA3-384"),
	HASHED(CKM_SHA3_512_KEY_DERIVATION, "SHA3-512"),
	HASHED(CKM_BLAKE2B_160_KEY_DERIVE, "BLAKE2B-160"),
	HASHED(CKM_BLAKE2B_256_KEY_DERIVE, "BLAKE2B-256"),
	HASHED(CKM_BLAKE2B_384_KEY_DERIVE, "BLAKE2B-384"),
	HASHED(CKM_BLAKE2B_512_KEY_DERIVE, "BLAKE2B-512"),
	JOINED(CKM_CONCATENATE_BASE_AND_KEY),
	JOINED(CKM_CONCATENATE_BASE_AND_DATA),
	JOINED(CKM_CONCATENATE_DATA_AND_BASE),
	JOINED(CKM_XOR_BASE_AND_DATA),
	{CKM_EXTRACT_KEY_FROM_KEY, prove_extracted, NULL, CKK_GENERIC_SECRET},
	DATA(CKM_AES_ECB_ENCRYPT_DATA, "AES-#-ECB", CKK_AES, 0, 16),
	DATA(CKM_AES_CBC_ENCRYPT_DATA, "AES-#-CBC", CKK_AES, 16, 16),
	DATA(CKM_DES3_ECB_ENCRYPT_DATA, "DES-EDE3-ECB", CKK_DES3, 0, 8),
	DATA(CKM_DES3_CBC_ENCRYPT_DATA, "DES-EDE3-CBC", CKK_DES3, 8, 8),
	{CKM_PUB_KEY_FROM_PRIV_KEY, prove_public, NULL, CKK_EC, .make = make_any},
	{CKM_RSA_AES_KEY_WRAP, prove_rsa_aes, NULL, CKK_RSA, .make = make_any},
	{CKM_ECDH_AES_KEY_WRAP, prove_ecdh_aes, "P-384", CKK_EC, .make = make_any},
	{CKM_ECDH_COF_AES_KEY_WRAP, prove_ecdh_aes, "P-256", CKK_EC, .variant = DER_POINT,
		.make = make_any},
	{CKM_ECDH_X_AES_KEY_WRAP, prove_ecdh_aes, "X25519", CKK_EC_MONTGOMERY,
		.make = make_any},
};
const struct proofs proofs_derive = {rows, NELEMS(rows)};
