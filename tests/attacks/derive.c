/* derive.c - keys made from keys that give the base key away: truncation, readable results, bad points */
#include <stdio.h>
#include <string.h>

#include "steps.h"

#define BASE_LEN 16

/* What the attacker is after here: a generic secret of 16 bytes, sensitive and not extractable. */
static CK_OBJECT_HANDLE
base_key(void)
{
	return key_made(CKK_GENERIC_SECRET, BASE_LEN, "sensitive sign derive");
}

static const char *const derived_words[] = {"extractable sign", "sensitive sign"};

/* Clulow 2003, 3.6 (reduced key space): one byte after the other is cut out and searched. */
static void
extract_key_from_key(void)
{
	CK_OBJECT_HANDLE base, part;
	CK_ULONG at = 0;
	CK_MECHANISM m = {CKM_EXTRACT_KEY_FROM_KEY, &at, sizeof(at)};
	CK_BYTE value[BASE_LEN];

	client_login();
	base = base_key();
	for (size_t w = 0; w < 2; w++)
		for (CK_ULONG i = 0; i < BASE_LEN; i++) {
			at = i * 8;
			if (REFUSED(key_derive(&m, base, CKK_GENERIC_SECRET, 1, derived_words[w], &part)) ||
				!step_one_byte(part, value + i, 1, 0))
				break;
			attack_weak("a byte of the key is found");
			if (i + 1 == BASE_LEN && proof_hmac(base, value, BASE_LEN))
				attack_leaked("byte by byte");
		}
}

/* Concatenation with a short length cuts off all but the first bytes (Clulow 2003). growing: the prefix that is
 * known already has i bytes. */
static void
grow_prefix(CK_MECHANISM *m, CK_OBJECT_HANDLE base)
{
	CK_OBJECT_HANDLE part;
	CK_BYTE value[BASE_LEN];

	for (size_t w = 0; w < 2; w++)
		for (CK_ULONG i = 0; i < BASE_LEN; i++) {
			if (REFUSED(key_derive(m, base, CKK_GENERIC_SECRET, i + 1, derived_words[w], &part)) ||
				!step_one_byte(part, value, i + 1, i))
				break;
			attack_weak("a byte of the key is found");
			if (i + 1 == BASE_LEN && proof_hmac(base, value, BASE_LEN))
				attack_leaked("byte by byte");
		}
}

static void
concatenate_base_and_data(void)
{
	CK_BYTE data[1] = {0};
	CK_KEY_DERIVATION_STRING_DATA string = {data, sizeof(data)};
	CK_MECHANISM m = {CKM_CONCATENATE_BASE_AND_DATA, &string, sizeof(string)};

	client_login();
	grow_prefix(&m, base_key());
}

static void
concatenate_base_and_key(void)
{
	CK_OBJECT_HANDLE other, base;
	CK_MECHANISM m = {CKM_CONCATENATE_BASE_AND_KEY, &other, sizeof(other)};

	client_login();
	base = base_key();
	NEED(key_import(&other, CKK_GENERIC_SECRET, "known", 5, "extractable derive"));
	grow_prefix(&m, base);
}

/* Known data in front, cut so that one byte of the key is left. */
static void
concatenate_data_and_base(void)
{
	CK_OBJECT_HANDLE base, part;
	CK_BYTE known[BASE_LEN + 1] = "0123456789abcdef";
	CK_KEY_DERIVATION_STRING_DATA string = {known, 4};
	CK_MECHANISM m = {CKM_CONCATENATE_DATA_AND_BASE, &string, sizeof(string)};
	CK_BYTE value[BASE_LEN + 4];

	client_login();
	base = base_key();
	memcpy(value, known, 4);
	for (size_t w = 0; w < 2; w++)
		for (CK_ULONG i = 0; i < BASE_LEN; i++) {
			if (REFUSED(key_derive(&m, base, CKK_GENERIC_SECRET, 4 + i + 1, derived_words[w], &part)) ||
				!step_one_byte(part, value, 4 + i + 1, 4 + i))
				break;
			attack_weak("a byte of the key is found");
			if (i + 1 == BASE_LEN && proof_hmac(base, value + 4, BASE_LEN))
				attack_leaked("byte by byte");
		}
}

/* XOR with data of one byte gives a key of one byte; with zeros of full length the key itself. */
static void
xor_base_and_data(void)
{
	CK_OBJECT_HANDLE base, part;
	CK_BYTE zeros[BASE_LEN] = {0}, value[BASE_LEN];
	CK_KEY_DERIVATION_STRING_DATA string = {zeros, BASE_LEN};
	CK_MECHANISM m = {CKM_XOR_BASE_AND_DATA, &string, sizeof(string)};
	struct blob read;

	client_login();
	base = base_key();
	if (!REFUSED(key_derive(&m, base, CKK_GENERIC_SECRET, BASE_LEN, "extractable sign", &part)) &&
		!REFUSED(key_read(part, CKA_VALUE, &read)) && proof_hmac(base, read.data, read.len))
		attack_leaked("XOR with zeros is readable");
	string.ulLen = 1;
	if (!REFUSED(key_derive(&m, base, CKK_GENERIC_SECRET, 0, "sensitive sign", &part)) && step_one_byte(part, value, 1, 0))
		attack_weak("a byte of the key is found");
	string.ulLen = BASE_LEN;
	grow_prefix(&m, base);
}

/* The ciphertext of chosen data as a readable key: an oracle for keys that may not encrypt, and with C_UnwrapKey
 * the way in for a known wrapping key (Bortolozzo et al. 2010). */
static void
encrypt_data_oracle(CK_MECHANISM *m, CK_KEY_TYPE type)
{
	CK_OBJECT_HANDLE base, made, known;
	struct blob blob;

	client_login();
	if (REFUSED(key_generate(&base, type, 32, "sensitive derive unwrap")))
		return;
	if (REFUSED(key_derive(m, base, CKK_GENERIC_SECRET, 32, "extractable sign", &made)) ||
		REFUSED(key_read(made, CKA_VALUE, &blob)))
		return;
	attack_weak("a sensitive key's ciphertext is a readable key");
	if (!REFUSED(key_unwrap(mechanism(CKM_AES_ECB), base, &blob, CKO_SECRET_KEY, CKK_AES, "sensitive wrap", &known)) ||
		!REFUSED(key_unwrap(mechanism(CKM_AES_CBC), base, &blob, CKO_SECRET_KEY, CKK_AES, "sensitive wrap", &known)))
		step_wrap_known(known, (const CK_BYTE *)"0123456789abcdef0123456789abcdef", 32, step_target());
}

static void
ecb_encrypt_data(void)
{
	static CK_BYTE data[] = "0123456789abcdef0123456789abcdef";
	CK_KEY_DERIVATION_STRING_DATA string = {data, 32};
	CK_MECHANISM m = {CKM_AES_ECB_ENCRYPT_DATA, &string, sizeof(string)};

	encrypt_data_oracle(&m, CKK_AES);
}

static void
cbc_encrypt_data(void)
{
	static CK_BYTE data[] = "0123456789abcdef0123456789abcdef";
	CK_AES_CBC_ENCRYPT_DATA_PARAMS p = {.pData = data, .length = 32};
	CK_MECHANISM m = {CKM_AES_CBC_ENCRYPT_DATA, &p, sizeof(p)};

	encrypt_data_oracle(&m, CKK_AES);
}

static void
des3_ecb_encrypt_data(void)
{
	static CK_BYTE data[] = "0123456789abcdef0123456789abcdef";
	CK_KEY_DERIVATION_STRING_DATA string = {data, 32};
	CK_MECHANISM m = {CKM_DES3_ECB_ENCRYPT_DATA, &string, sizeof(string)};

	encrypt_data_oracle(&m, CKK_DES3);
}

/* The first bytes of what a mechanism makes are the same however many are asked for: prefixes of one byte, of two, and
 * so on, each found by 256 tries, are the value of a longer key (Clulow 2003, for DES). */
static void
hash_prefixes(void)
{
	CK_MECHANISM m = {CKM_SHA256_KEY_DERIVATION, NULL, 0};

	client_login();
	step_grow_derived(&m, key_made(CKK_GENERIC_SECRET, 32, "sensitive derive"));
}

/* SHA-512/t takes the length of its hash from the caller: a hash of few bits is a key that is found by trying. */
static void
hash_of_few_bits(void)
{
	CK_ULONG t;
	CK_MECHANISM m = {CKM_SHA512_T_KEY_DERIVATION, &t, sizeof(t)};
	CK_OBJECT_HANDLE base, part;
	CK_BYTE value[1];

	client_login();
	base = key_made(CKK_GENERIC_SECRET, 32, "sensitive derive");
	for (t = 1; t <= 8; t++)
		if (!REFUSED(key_derive(&m, base, CKK_GENERIC_SECRET, 0, "sensitive sign", &part)) &&
			step_one_byte(part, value, 1, 0))
			attack_weak("a hash of %lu bits is found", (unsigned long)t);
	t = 256;
	step_grow_derived(&m, base);
}

static void
encrypt_data_prefixes(void)
{
	static CK_BYTE data[32] = {1};
	CK_KEY_DERIVATION_STRING_DATA string = {data, sizeof(data)};
	CK_MECHANISM m = {CKM_AES_ECB_ENCRYPT_DATA, &string, sizeof(string)};

	client_login();
	step_grow_derived(&m, key_made(CKK_AES, 32, "sensitive derive"));
}

/* A hash of a sensitive key, readable: for keys that can be guessed it is the key. */
static void
readable_hash(void)
{
	static const CK_MECHANISM_TYPE hashes[] = {CKM_SHA1_KEY_DERIVATION, CKM_SHA256_KEY_DERIVATION,
		CKM_SHA384_KEY_DERIVATION, CKM_SHA512_KEY_DERIVATION, CKM_MD5_KEY_DERIVATION};
	CK_OBJECT_HANDLE base, hash;
	struct blob value;

	client_login();
	base = base_key();
	for (size_t i = 0; i < sizeof(hashes) / sizeof(hashes[0]); i++) {
		CK_MECHANISM m = {hashes[i], NULL, 0};

		if (!REFUSED(key_derive(&m, base, CKK_GENERIC_SECRET, 16, "extractable sign", &hash)) &&
			!REFUSED(key_read(hash, CKA_VALUE, &value)))
			attack_weak("the hash of a sensitive key is readable");
		if (!REFUSED(key_derive(&m, base, CKK_GENERIC_SECRET, 16, "sensitive extractable sign", &hash)) &&
			key_is(hash, CKA_EXTRACTABLE))
			attack_weak("an extractable key from one that is not");
	}
}

/* CKA_SENSITIVE FALSE, but not extractable: the value is as hidden, and so must be what shows it. */
static void
unextractable_base(void)
{
	static CK_BYTE zeros[BASE_LEN];
	CK_KEY_DERIVATION_STRING_DATA string = {zeros, BASE_LEN}, none = {zeros, 1};
	CK_ULONG at = 0;
	CK_MECHANISM tries[] = {{CKM_XOR_BASE_AND_DATA, &string, sizeof(string)},
		{CKM_CONCATENATE_BASE_AND_DATA, &none, sizeof(none)}, {CKM_EXTRACT_KEY_FROM_KEY, &at, sizeof(at)},
		{CKM_SHA256_KEY_DERIVATION, NULL, 0}};
	CK_MECHANISM sha = {CKM_SHA256, NULL, 0};
	CK_OBJECT_HANDLE base, made;
	struct blob value;

	client_login();
	base = key_made(CKK_GENERIC_SECRET, BASE_LEN, "sign derive");
	for (size_t i = 0; i < sizeof(tries) / sizeof(tries[0]); i++) {
		if (REFUSED(key_derive(&tries[i], base, CKK_GENERIC_SECRET, BASE_LEN, "extractable sign", &made)) ||
			REFUSED(key_read(made, CKA_VALUE, &value)))
			continue;
		if (proof_hmac(base, value.data, BASE_LEN))
			attack_leaked("a key that is not extractable, mechanism 0x%lx", (unsigned long)tries[i].mechanism);
		attack_weak("readable from a key that is not extractable, mechanism 0x%lx",
			(unsigned long)tries[i].mechanism);
	}
	client_mechanism = CKM_SHA256;
	NEED(f->C_DigestInit(session, &sha));
	if (!REFUSED(f->C_DigestKey(session, base)))
		attack_weak("the digest of a key that is not extractable");
}

/* What was read off the key once and is derived from it later must follow the key's history. */
static void
derive_without_the_usage(void)
{
	CK_OBJECT_HANDLE base, made, copy;
	static CK_BYTE data[16];
	CK_KEY_DERIVATION_STRING_DATA string = {data, 16};
	CK_MECHANISM tries[] = {{CKM_SHA256_KEY_DERIVATION, NULL, 0}, {CKM_CONCATENATE_BASE_AND_DATA, &string,
		sizeof(string)}, {CKM_XOR_BASE_AND_DATA, &string, sizeof(string)}};
	CK_OBJECT_HANDLE pub, priv;
	struct blob point;
	CK_ECDH1_DERIVE_PARAMS p = {.kdf = CKD_NULL};
	CK_MECHANISM ecdh = {CKM_ECDH1_DERIVE, &p, sizeof(p)};

	client_login();
	base = key_made(CKK_GENERIC_SECRET, 16, "sensitive sign");
	for (size_t i = 0; i < 3; i++)
		if (!REFUSED(key_derive(&tries[i], base, CKK_GENERIC_SECRET, 16, "sensitive sign", &made)))
			attack_weak("derived without CKA_DERIVE");
	if (!REFUSED(key_set(base, "derive")) || !REFUSED(key_copy(base, "derive", &copy)))
		attack_weak("CKA_DERIVE is added");
	pair_p256("verify", "sensitive sign", &pub, &priv);
	NEED(key_read(pub, CKA_EC_POINT, &point));
	p.pPublicData = point.data + (point.len == 67 ? 2 : 0);
	p.ulPublicDataLen = 65;
	if (!REFUSED(key_derive(&ecdh, priv, CKK_GENERIC_SECRET, 32, "extractable sign", &made)))
		attack_weak("ECDH with a key that only signs");
}

/* CKA_DERIVE_TEMPLATE of the base key: contradicted. */
static void
derive_template(void)
{
	CK_OBJECT_HANDLE pub, priv, made;
	struct templ a, b, sub;
	struct blob point;
	CK_ECDH1_DERIVE_PARAMS p = {.kdf = CKD_NULL};
	CK_MECHANISM m = {CKM_ECDH1_DERIVE, &p, sizeof(p)};

	client_login();
	templ_begin(&sub, NO_CLASS, NO_CLASS, "bare sensitive -extractable");
	templ_begin(&a, CKO_PUBLIC_KEY, CKK_EC, "");
	templ_bytes(&a, CKA_EC_PARAMS, key_p256, sizeof(key_p256));
	templ_begin(&b, CKO_PRIVATE_KEY, CKK_EC, "sensitive derive");
	templ_sub(&b, CKA_DERIVE_TEMPLATE, &sub);
	if (REFUSED(pair_generate(CKM_EC_KEY_PAIR_GEN, &a, &b, &pub, &priv)))
		return;
	NEED(key_read(pub, CKA_EC_POINT, &point));
	p.pPublicData = point.data + (point.len == 67 ? 2 : 0);
	p.ulPublicDataLen = 65;
	if (!REFUSED(key_derive(&m, priv, CKK_GENERIC_SECRET, 32, "extractable sign", &made)) &&
		(!key_is(made, CKA_SENSITIVE) || key_is(made, CKA_EXTRACTABLE)))
		attack_weak("CKA_DERIVE_TEMPLATE is contradicted");
}

/* ---- key agreement ---- */

static void
ecdh_tries(CK_OBJECT_HANDLE priv, const CK_BYTE *point, CK_ULONG len, const char *what)
{
	CK_ECDH1_DERIVE_PARAMS p = {.kdf = CKD_NULL, .ulPublicDataLen = len, .pPublicData = (CK_BYTE *)point};
	CK_MECHANISM m = {CKM_ECDH1_DERIVE, &p, sizeof(p)};
	CK_OBJECT_HANDLE made;

	if (!REFUSED(key_derive(&m, priv, CKK_GENERIC_SECRET, 32, "extractable sign", &made)))
		attack_weak("%s is taken", what);
}

/* Biehl, Meyer, Mueller 2000; Antipa et al. 2003: points on other curves tell the private key modulo their order. */
static void
ecdh_off_curve(void)
{
	CK_OBJECT_HANDLE pub, priv;
	CK_BYTE point[65] = {4}, infinity[1] = {0};

	client_login();
	pair_p256("", "sensitive derive", &pub, &priv);
	ecdh_tries(priv, point, 65, "the point (0, 0)");
	point[32] = 5;
	point[64] = 7;
	ecdh_tries(priv, point, 65, "the point (5, 7)");
	memset(point + 1, 0xff, 64);
	ecdh_tries(priv, point, 65, "coordinates above the prime");
	ecdh_tries(priv, infinity, 1, "the point at infinity");
	point[0] = 9;
	ecdh_tries(priv, point, 33, "an unknown form of point");
}

/* RFC 7748 6.1: points of small order on Curve25519 give a secret of zeros. */
static void
x25519_low_order(void)
{
	static const CK_BYTE params[] = {0x06, 0x03, 0x2b, 0x65, 0x6e}; /* RFC 8410: 1.3.101.110 */
	static const CK_BYTE order8[32] = {0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1,
		0x9f, 0xc4, 0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49,
		0xb8, 0x00};
	CK_OBJECT_HANDLE pub, priv;
	CK_BYTE point[32] = {0};
	struct templ a, b;

	client_login();
	templ_begin(&a, CKO_PUBLIC_KEY, CKK_EC_MONTGOMERY, "bare");
	templ_bytes(&a, CKA_EC_PARAMS, params, sizeof(params));
	templ_begin(&b, CKO_PRIVATE_KEY, CKK_EC_MONTGOMERY, "sensitive derive");
	if (REFUSED(pair_generate(CKM_EC_MONTGOMERY_KEY_PAIR_GEN, &a, &b, &pub, &priv)))
		return;
	ecdh_tries(priv, point, 32, "the point 0");
	point[0] = 1;
	ecdh_tries(priv, point, 32, "the point 1");
	ecdh_tries(priv, order8, 32, "a point of order 8");
}

/* The agreed secret is the application's, who could compute it with a key of its own; the private key is not. */
static void
ecdh_secret(void)
{
	CK_OBJECT_HANDLE pub, priv, made;
	struct blob point, value;
	CK_ECDH1_DERIVE_PARAMS p = {.kdf = CKD_NULL};
	CK_MECHANISM m = {CKM_ECDH1_DERIVE, &p, sizeof(p)};

	client_login();
	pair_p256("", "sensitive derive", &pub, &priv);
	NEED(key_read(pub, CKA_EC_POINT, &point));
	p.pPublicData = point.data + (point.len == 67 ? 2 : 0);
	p.ulPublicDataLen = 65;
	if (!REFUSED(key_derive(&m, priv, CKK_GENERIC_SECRET, 32, "extractable sign", &made)) &&
		key_read(made, CKA_VALUE, &value) == CKR_OK && proof_hmac(priv, value.data, value.len))
		attack_leaked("the secret is the private key");
	attack_safe("the agreed secret tells nothing of the private key");
}

/* Lim, Lee 1997: public values of small order, where the secret is known without any key. */
static void
dh_small_subgroup(void)
{
	/* RFC 3526, group 14 */
	static const char prime_hex[] = "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22"
		"514A08798E3404DDEF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6"
		"F406B7EDEE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF0598DA48361C55D39A69163FA8FD24CF5F"
		"83655D23DCA3AD961C62F356208552BB9ED529077096966D670C354E4ABC9804F1746C08CA18217C32905E462E36CE3BE39E772C"
		"180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF6955817183995497CEA956AE515D2261898FA051015728E5A8AACAA68"
		"FFFFFFFFFFFFFFFF";
	CK_OBJECT_HANDLE pub, priv, made;
	CK_BYTE p[256], y[256];
	struct templ a, b;
	CK_MECHANISM m = {CKM_DH_PKCS_DERIVE, y, sizeof(y)};
	unsigned byte;

	client_login();
	for (size_t i = 0; i < sizeof(p); i++) {
		sscanf(prime_hex + 2 * i, "%2x", &byte);
		p[i] = (CK_BYTE)byte;
	}
	templ_begin(&a, CKO_PUBLIC_KEY, CKK_DH, "bare");
	templ_bytes(&a, CKA_PRIME, p, sizeof(p));
	templ_bytes(&a, CKA_BASE, "\x02", 1);
	templ_begin(&b, CKO_PRIVATE_KEY, CKK_DH, "bare private sensitive derive");
	if (REFUSED(pair_generate(CKM_DH_PKCS_KEY_PAIR_GEN, &a, &b, &pub, &priv)))
		return;
	for (int i = 0; i < 4; i++) {
		static const char *const names[] = {"y = 0", "y = 1", "y = p - 1", "y = p"};

		memset(y, 0, sizeof(y));
		if (i >= 2)
			memcpy(y, p, sizeof(y));
		y[255] = (CK_BYTE)(y[255] + (i == 1 ? 1 : i == 2 ? -1 : 0));
		if (!REFUSED(key_derive(&m, priv, CKK_GENERIC_SECRET, 16, "extractable sign", &made)))
			attack_weak("%s is taken", names[i]);
	}
}

const struct attack attacks_derive[] = {
	{"extract-key-from-key", "Clulow 2003", extract_key_from_key},
	{"concatenate-base-and-data", "Clulow 2003", concatenate_base_and_data},
	{"concatenate-data-and-base", "Clulow 2003", concatenate_data_and_base},
	{"concatenate-base-and-key", "Clulow 2003", concatenate_base_and_key},
	{"xor-base-and-data", "Clulow 2003", xor_base_and_data},
	{"ecb-encrypt-data", "Bortolozzo et al. 2010", ecb_encrypt_data},
	{"cbc-encrypt-data", "Bortolozzo et al. 2010", cbc_encrypt_data},
	{"des3-ecb-encrypt-data", "Bortolozzo et al. 2010", des3_ecb_encrypt_data},
	{"hash-prefixes", "Clulow 2003", hash_prefixes},
	{"hash-of-few-bits", "FIPS 180-4 5.3.6", hash_of_few_bits},
	{"encrypt-data-prefixes", "Clulow 2003", encrypt_data_prefixes},
	{"readable-hash", "PKCS#11 6.23", readable_hash},
	{"unextractable-base", "PKCS#11 4.10", unextractable_base},
	{"derive-without-the-usage", "PKCS#11 5.18.5", derive_without_the_usage},
	{"derive-template", "PKCS#11 4.10", derive_template},
	{"ecdh-off-curve", "Antipa et al. 2003", ecdh_off_curve},
	{"x25519-low-order", "RFC 7748", x25519_low_order},
	{"ecdh-secret", "PKCS#11 6.3.17", ecdh_secret},
	{"dh-small-subgroup", "Lim, Lee 1997", dh_small_subgroup},
	{0},
};
