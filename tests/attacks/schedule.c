/* schedule.c - key schedules: what one derivation keeps inside, or made before, is made a key that signs by another */
#include <string.h>

#include "steps.h"

#define INFO "the target"
#define INFO_LEN 10

static CK_HKDF_PARAMS
hkdf_params(bool extract, bool expand, const void *info, CK_ULONG len)
{
	return (CK_HKDF_PARAMS){.bExtract = extract, .bExpand = expand, .prfHashMechanism = CKM_SHA256,
		.ulSaltType = CKF_HKDF_SALT_NULL, .pInfo = expand ? (CK_BYTE *)info : NULL, .ulInfoLen = expand ? len : 0};
}

/* HKDF-Expand's first block under `prk` (RFC 5869 2.3), if the token will sign with it: the target's value. */
static void
expand_by_hmac(CK_OBJECT_HANDLE prk, CK_OBJECT_HANDLE target, const char *how)
{
	struct blob mac;

	if (REFUSED(use_sign(mechanism(CKM_SHA256_HMAC), prk, INFO "\x01", INFO_LEN + 1, &mac)))
		return;
	if (proof_aes(target, mac.data, mac.len))
		attack_leaked("the derived key is an HMAC, %s", how);
	attack_safe("an HMAC of another key, %s", how);
}

/* ---- the key between extraction and expansion ---- */

/* The victim's key comes from HKDF in one call; the attacker has the first half of it alone, as a key that signs. */
static void
extracted_key_signs(void)
{
	static const char *const words[] = {"sensitive sign", "sensitive sign derive", "bare sensitive"};
	CK_HKDF_PARAMS whole = hkdf_params(true, true, INFO, INFO_LEN), half = hkdf_params(true, false, NULL, 0);
	CK_MECHANISM both = {CKM_HKDF_DERIVE, &whole, sizeof(whole)}, first = {CKM_HKDF_DERIVE, &half, sizeof(half)};
	CK_OBJECT_HANDLE base, target, prk;

	client_login();
	base = key_made(CKK_GENERIC_SECRET, 32, "sensitive derive");
	NEED(key_derive(&both, base, CKK_AES, 32, "sensitive encrypt", &target));
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (!REFUSED(key_derive(&first, base, CKK_GENERIC_SECRET, 32, words[i], &prk)))
			expand_by_hmac(prk, target, "of what HKDF extracts");
}

/* The same first half by way of SP 800-108, whose data may name a key: HMAC(salt, base). */
static void
named_key_is_extracted(void)
{
	static CK_BYTE salt[32] = "a salt that everybody may know.";
	CK_HKDF_PARAMS whole = hkdf_params(true, true, INFO, INFO_LEN);
	CK_MECHANISM both = {CKM_HKDF_DERIVE, &whole, sizeof(whole)};
	CK_OBJECT_HANDLE base, target, known, prk;
	CK_PRF_DATA_PARAM data[] = {{CK_SP800_108_ITERATION_VARIABLE, NULL, 0},
		{CK_SP800_108_KEY_HANDLE, &base, sizeof(base)}};
	CK_SP800_108_FEEDBACK_KDF_PARAMS p = {.prfType = CKM_SHA256_HMAC, .ulNumberOfDataParams = 2, .pDataParams = data};
	CK_MECHANISM m = {CKM_SP800_108_FEEDBACK_KDF, &p, sizeof(p)};

	client_login();
	whole.ulSaltType = CKF_HKDF_SALT_DATA;
	whole.pSalt = salt;
	whole.ulSaltLen = sizeof(salt);
	base = key_made(CKK_GENERIC_SECRET, 32, "sensitive derive");
	NEED(key_derive(&both, base, CKK_AES, 32, "sensitive encrypt", &target));
	NEED(key_import(&known, CKK_GENERIC_SECRET, salt, sizeof(salt), "extractable derive"));
	if (!REFUSED(key_derive(&m, known, CKK_GENERIC_SECRET, 32, "sensitive sign", &prk)))
		expand_by_hmac(prk, target, "of a KDF that takes the base for data");
}

/* The salt is the secret, what it is mixed with is known: HMAC(salt, known), which an expansion under the salt gives too. */
static void
salt_key_is_expanded(void)
{
	static CK_BYTE known[32] = "known to the attacker and to al";
	CK_HKDF_PARAMS whole = hkdf_params(true, true, INFO, INFO_LEN), other = hkdf_params(false, true, known, 31);
	CK_MECHANISM both = {CKM_HKDF_DERIVE, &whole, sizeof(whole)}, expand = {CKM_HKDF_DERIVE, &other, sizeof(other)};
	CK_OBJECT_HANDLE base, target, salt, prk;

	client_login();
	known[31] = 1; /* the counter that an expansion puts behind its info */
	salt = key_made(CKK_GENERIC_SECRET, 32, "sensitive derive");
	NEED(key_import(&base, CKK_GENERIC_SECRET, known, 32, "extractable derive"));
	whole.ulSaltType = CKF_HKDF_SALT_KEY;
	whole.hSaltKey = salt;
	if (REFUSED(key_derive(&both, base, CKK_AES, 32, "sensitive encrypt", &target)))
		return;
	if (!REFUSED(key_derive(&expand, salt, CKK_GENERIC_SECRET, 32, "sensitive sign", &prk)))
		expand_by_hmac(prk, target, "of the salt expanded");
}

/* ---- the hash that HMAC takes for a long key (RFC 2104 2) ---- */

static void
hash_of_long_key(void)
{
	CK_HKDF_PARAMS p = hkdf_params(false, true, INFO, INFO_LEN);
	CK_MECHANISM expand = {CKM_HKDF_DERIVE, &p, sizeof(p)}, hash = {CKM_SHA256_KEY_DERIVATION, NULL, 0};
	CK_OBJECT_HANDLE base, target, short_one;

	client_login();
	base = key_made(CKK_GENERIC_SECRET, 100, "sensitive derive");
	NEED(key_derive(&expand, base, CKK_AES, 32, "sensitive encrypt", &target));
	if (!REFUSED(key_derive(&hash, base, CKK_GENERIC_SECRET, 32, "sensitive sign", &short_one)))
		expand_by_hmac(short_one, target, "under the hash of the base");
}

/* ---- one more level ---- */

/* A key that only derives is derived once more, and signs. */
static void
derived_again_to_sign(void)
{
	static const char *const words[] = {"sensitive sign", "sensitive sign derive", "bare sensitive"};
	CK_HKDF_PARAMS up = hkdf_params(false, true, "level 1", 7), down = hkdf_params(false, true, INFO, INFO_LEN);
	CK_MECHANISM first = {CKM_HKDF_DERIVE, &up, sizeof(up)}, second = {CKM_HKDF_DERIVE, &down, sizeof(down)};
	CK_OBJECT_HANDLE root, middle, target, twin;

	client_login();
	root = key_made(CKK_GENERIC_SECRET, 32, "sensitive derive");
	NEED(key_derive(&first, root, CKK_GENERIC_SECRET, 32, "sensitive derive", &middle));
	NEED(key_derive(&second, middle, CKK_AES, 32, "sensitive encrypt", &target));
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (!REFUSED(key_derive(&first, root, CKK_GENERIC_SECRET, 32, words[i], &twin)))
			expand_by_hmac(twin, target, "under the base derived again");
}

/* The other order: it signs first, and derives for the victim later. */
static void
signing_key_derived_again(void)
{
	CK_HKDF_PARAMS up = hkdf_params(false, true, "level 1", 7), down = hkdf_params(false, true, INFO, INFO_LEN);
	CK_MECHANISM first = {CKM_HKDF_DERIVE, &up, sizeof(up)}, second = {CKM_HKDF_DERIVE, &down, sizeof(down)};
	CK_OBJECT_HANDLE root, middle, target, twin;

	client_login();
	root = key_made(CKK_GENERIC_SECRET, 32, "sensitive derive");
	for (int i = 0; i < 2; i++) {
		up.ulInfoLen--; /* another middle */
		NEED(key_derive(&first, root, CKK_GENERIC_SECRET, 32, i == 0 ? "sensitive sign" : "sensitive sign derive", &twin));
		if (!REFUSED(key_derive(&first, root, CKK_GENERIC_SECRET, 32, "sensitive derive", &middle)) &&
			!REFUSED(key_derive(&second, middle, CKK_AES, 32, "sensitive encrypt", &target)))
			expand_by_hmac(twin, target, "under the base derived before");
	}
}

/* ---- TLS 1.2 (RFC 5246) ---- */

static CK_BYTE tls_client[32] = {1}, tls_server[32] = {2};
static CK_BYTE tls_seed[13 + 64] = "master secret", tls_block[13 + 64] = "key expansion";
static CK_VERSION tls_version = {3, 3};

/* A pre-master secret, its master secret, and the record keys from that. */
static void
tls_keys(const char *words, CK_OBJECT_HANDLE *secret, CK_OBJECT_HANDLE *master, CK_SSL3_KEY_MAT_OUT *out)
{
	CK_SSL3_RANDOM_DATA both = {tls_client, 32, tls_server, 32};
	CK_TLS12_MASTER_KEY_DERIVE_PARAMS mp = {both, &tls_version, CKM_SHA256};
	CK_TLS12_KEY_MAT_PARAMS kp = {.ulKeySizeInBits = 128, .RandomInfo = both, .pReturnedKeyMaterial = out,
		.prfHashMechanism = CKM_SHA256};
	CK_MECHANISM gen = {CKM_TLS_PRE_MASTER_KEY_GEN, &tls_version, sizeof(tls_version)},
		     of_secret = {CKM_TLS12_MASTER_KEY_DERIVE, &mp, sizeof(mp)},
		     of_master = {CKM_TLS12_KEY_SAFE_DERIVE, &kp, sizeof(kp)};
	struct templ t;

	memcpy(tls_seed + 13, tls_client, 32);
	memcpy(tls_seed + 45, tls_server, 32);
	memcpy(tls_block + 13, tls_server, 32);
	memcpy(tls_block + 45, tls_client, 32);
	templ_begin(&t, CKO_SECRET_KEY, CKK_GENERIC_SECRET, words);
	client_mechanism = gen.mechanism;
	NEED(f->C_GenerateKey(session, &gen, t.a, t.n, secret));
	templ_begin(&t, CKO_SECRET_KEY, NO_CLASS, "bare sensitive");
	client_mechanism = of_secret.mechanism;
	NEED(f->C_DeriveKey(session, &of_secret, *secret, t.a, t.n, master));
	templ_begin(&t, CKO_SECRET_KEY, CKK_AES, "bare encrypt");
	client_mechanism = of_master.mechanism;
	NEED(f->C_DeriveKey(session, &of_master, *master, t.a, t.n, NULL));
}

/* The key block by HMACs of something that may be the master secret. */
static void
tls_keys_by_hmac(CK_OBJECT_HANDLE twin, const CK_SSL3_KEY_MAT_OUT *out, const char *how)
{
	CK_BYTE text[32 + sizeof(tls_block)];
	struct blob mac;

	if (REFUSED(use_sign(mechanism(CKM_SHA256_HMAC), twin, tls_block, sizeof(tls_block), &mac)))
		return;
	memcpy(text, mac.data, 32); /* A(1) */
	memcpy(text + 32, tls_block, sizeof(tls_block));
	if (!REFUSED(use_sign(mechanism(CKM_SHA256_HMAC), twin, text, sizeof(text), &mac)) &&
		(proof_aes(out->hClientKey, mac.data, 16) || proof_aes(out->hServerKey, mac.data + 16, 16)))
		attack_leaked("TLS record keys by HMACs of the master secret, %s", how);
	attack_safe("HMACs of another key, %s", how);
}

/* TLS's stream is the double pipeline of SP 800-108: by it the pre-master secret gives the master secret once more, without
 * the list of mechanisms that keeps it from signing at will. */
static void
master_by_double_pipeline(void)
{
	CK_PRF_DATA_PARAM data[] = {{CK_SP800_108_ITERATION_VARIABLE, NULL, 0},
		{CK_SP800_108_BYTE_ARRAY, tls_seed, sizeof(tls_seed)}};
	CK_SP800_108_KDF_PARAMS p = {.prfType = CKM_SHA256_HMAC, .ulNumberOfDataParams = 2, .pDataParams = data};
	CK_MECHANISM m = {CKM_SP800_108_DOUBLE_PIPELINE_KDF, &p, sizeof(p)};
	CK_OBJECT_HANDLE secret, master, twin;
	CK_SSL3_KEY_MAT_OUT out = {0};

	client_login();
	tls_keys("sensitive derive", &secret, &master, &out);
	if (!REFUSED(key_derive(&m, secret, CKK_GENERIC_SECRET, 48, "sensitive sign", &twin)))
		tls_keys_by_hmac(twin, &out, "derived once more");
}

/* The list is lost on the way out and in again. */
static void
master_comes_back(void)
{
	CK_OBJECT_HANDLE secret, master, kek, back;
	CK_SSL3_KEY_MAT_OUT out = {0};
	struct blob blob;

	client_login();
	tls_keys("sensitive extractable derive", &secret, &master, &out);
	kek = key_made(CKK_AES, 32, "sensitive wrap unwrap");
	if (REFUSED(key_wrap(mechanism(CKM_AES_KEY_WRAP), kek, master, &blob)))
		return;
	NEED(f->C_DestroyObject(session, master));
	if (!REFUSED(key_unwrap(mechanism(CKM_AES_KEY_WRAP), kek, &blob, CKO_SECRET_KEY, CKK_GENERIC_SECRET, "sensitive sign",
		&back)))
		tls_keys_by_hmac(back, &out, "unwrapped");
}

/* ---- a base that left ---- */

/* A key that only derives leaves wrapped, is destroyed, and comes back to sign. */
static void
base_comes_back_to_sign(void)
{
	static const char *const words[] = {"sensitive sign", "sensitive verify sign extractable"};
	CK_HKDF_PARAMS p = hkdf_params(false, true, INFO, INFO_LEN);
	CK_MECHANISM expand = {CKM_HKDF_DERIVE, &p, sizeof(p)};
	CK_OBJECT_HANDLE kek, base, target, back;
	struct blob blob;

	client_login();
	kek = key_made(CKK_AES, 32, "sensitive wrap unwrap");
	base = key_made(CKK_GENERIC_SECRET, 32, "sensitive extractable derive");
	NEED(key_derive(&expand, base, CKK_AES, 32, "sensitive encrypt", &target));
	if (REFUSED(key_wrap(mechanism(CKM_AES_KEY_WRAP), kek, base, &blob)))
		return;
	NEED(f->C_DestroyObject(session, base));
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (!REFUSED(key_unwrap(mechanism(CKM_AES_KEY_WRAP), kek, &blob, CKO_SECRET_KEY, CKK_GENERIC_SECRET, words[i],
			&back)))
			expand_by_hmac(back, target, "under the base that came back");
}

/* ---- not sensitive, yet not to be read ---- */

/* A base with CKA_SENSITIVE and CKA_EXTRACTABLE both false cannot be read; a sensitive key derived from it is spelled out by
 * shorter ones. */
static void
hidden_base_prefixes(void)
{
	CK_HKDF_PARAMS p = hkdf_params(true, true, INFO, INFO_LEN);
	CK_MECHANISM m[] = {{CKM_HKDF_DERIVE, &p, sizeof(p)}, {CKM_SHA256_KEY_DERIVATION, NULL, 0}};

	client_login();
	for (size_t i = 0; i < 2; i++)
		step_grow_derived(&m[i], key_made(CKK_GENERIC_SECRET, 32, "derive"));
}

const struct attack attacks_schedule[] = {
	{"extracted-key-signs", "RFC 5869 2.2", extracted_key_signs},
	{"named-key-is-extracted", "RFC 5869; SP 800-108", named_key_is_extracted},
	{"salt-key-is-expanded", "RFC 5869 2.3", salt_key_is_expanded},
	{"hash-of-long-key", "RFC 2104 2", hash_of_long_key},
	{"derived-again-to-sign", "Clulow 2003", derived_again_to_sign},
	{"signing-key-derived-again", "Clulow 2003", signing_key_derived_again},
	{"master-by-double-pipeline", "RFC 5246 5; SP 800-108", master_by_double_pipeline},
	{"master-comes-back-to-sign", "Froeschle, Steel 2009", master_comes_back},
	{"base-comes-back-to-sign", "Froeschle, Steel 2009", base_comes_back_to_sign},
	{"hidden-base-prefixes", "Clulow 2003", hidden_base_prefixes},
	{0},
};
