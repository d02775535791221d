/* kdf.c - HKDF, SP 800-108 and TLS: keys from sensitive keys that can be read, leave, or be put together */
#include <string.h>

#include "steps.h"

#define BASE_LEN 32

/* ---- key derivation functions ---- */

static CK_OBJECT_HANDLE
kdf_base(CK_KEY_TYPE type)
{
	CK_OBJECT_HANDLE key = 0;
	CK_BYTE value[BASE_LEN];

	own_random(value, sizeof(value));
	if (key_generate(&key, type, BASE_LEN, "sensitive derive sign") != CKR_OK)
		NEED(key_import(&key, type, value, sizeof(value), "sensitive derive sign"));
	return key;
}

/* Tries a derivation from a sensitive, unextractable key: readable, or extractable. */
static void
kdf_tries(CK_MECHANISM *m, CK_OBJECT_HANDLE base)
{
	CK_OBJECT_HANDLE made;
	struct blob value;

	if (!REFUSED(key_derive(m, base, CKK_GENERIC_SECRET, 32, "extractable sign", &made)) &&
		!REFUSED(key_read(made, CKA_VALUE, &value))) {
		if (proof_hmac(base, value.data, value.len))
			attack_leaked("the derived key is the base key");
		attack_weak("a readable key from a sensitive one");
	}
	if (!REFUSED(key_derive(m, base, CKK_GENERIC_SECRET, 32, "sensitive extractable sign", &made)) &&
		key_is(made, CKA_EXTRACTABLE))
		attack_weak("an extractable key from one that is not");
}

static void
hkdf_derive(void)
{
	CK_HKDF_PARAMS p = {.bExtract = CK_TRUE, .bExpand = CK_TRUE, .prfHashMechanism = CKM_SHA256,
		.ulSaltType = CKF_HKDF_SALT_NULL};
	CK_MECHANISM m = {CKM_HKDF_DERIVE, &p, sizeof(p)};

	client_login();
	kdf_tries(&m, kdf_base(CKK_GENERIC_SECRET));
	p.bExtract = CK_FALSE;
	kdf_tries(&m, kdf_base(CKK_GENERIC_SECRET));
	p.bExpand = CK_FALSE;
	kdf_tries(&m, kdf_base(CKK_GENERIC_SECRET));
}

/* CKM_HKDF_DATA gives a data object, whose value nothing hides. */
static void
hkdf_data(void)
{
	CK_HKDF_PARAMS p = {.bExtract = CK_TRUE, .bExpand = CK_TRUE, .prfHashMechanism = CKM_SHA256,
		.ulSaltType = CKF_HKDF_SALT_NULL};
	CK_MECHANISM data = {CKM_HKDF_DATA, &p, sizeof(p)}, derive = {CKM_HKDF_DERIVE, &p, sizeof(p)};
	CK_OBJECT_HANDLE base, made, key, target;
	struct templ t;
	struct blob value;

	client_login();
	base = kdf_base(CKK_GENERIC_SECRET);
	target = step_target();
	templ_begin(&t, CKO_DATA, NO_CLASS, "bare");
	templ_number(&t, CKA_VALUE_LEN, 32);
	client_mechanism = CKM_HKDF_DATA;
	if (REFUSED(f->C_DeriveKey(session, &data, base, t.a, t.n, &made)) || REFUSED(key_read(made, CKA_VALUE, &value)))
		return;
	attack_weak("a sensitive key's output is a readable data object");
	if (!REFUSED(key_derive(&derive, base, CKK_AES, 32, "sensitive encrypt", &key)) &&
		proof_aes(key, value.data, value.len))
		attack_leaked("the value of a derived sensitive key, as data");
	if (!REFUSED(key_derive(&derive, base, CKK_AES, 32, "sensitive wrap", &key)))
		step_wrap_known(key, value.data, 32, target);
}

static void
sp800_108(void)
{
	CK_SP800_108_COUNTER_FORMAT counter = {.bLittleEndian = CK_FALSE, .ulWidthInBits = 32};
	CK_PRF_DATA_PARAM data[] = {{CK_SP800_108_ITERATION_VARIABLE, &counter, sizeof(counter)}};
	CK_SP800_108_KDF_PARAMS p = {.prfType = CKM_SHA256_HMAC, .ulNumberOfDataParams = 1, .pDataParams = data};
	CK_MECHANISM m = {CKM_SP800_108_COUNTER_KDF, &p, sizeof(p)};

	client_login();
	kdf_tries(&m, kdf_base(CKK_GENERIC_SECRET));
}

/* Further keys of one call, each with a template of its own: the second one is forgotten by the rules. */
static void
sp800_108_second_key(void)
{
	CK_SP800_108_COUNTER_FORMAT counter = {.bLittleEndian = CK_FALSE, .ulWidthInBits = 32};
	CK_PRF_DATA_PARAM data[] = {{CK_SP800_108_ITERATION_VARIABLE, &counter, sizeof(counter)}};
	CK_OBJECT_HANDLE second = 0, first;
	CK_DERIVED_KEY more;
	CK_SP800_108_KDF_PARAMS p = {.prfType = CKM_SHA256_HMAC, .ulNumberOfDataParams = 1, .pDataParams = data,
		.ulAdditionalDerivedKeys = 1, .pAdditionalDerivedKeys = &more};
	CK_MECHANISM m = {CKM_SP800_108_COUNTER_KDF, &p, sizeof(p)};
	struct templ t;
	struct blob value;

	client_login();
	templ_begin(&t, CKO_SECRET_KEY, CKK_GENERIC_SECRET, "extractable sign");
	templ_number(&t, CKA_VALUE_LEN, 32);
	more = (CK_DERIVED_KEY){.pTemplate = t.a, .ulAttributeCount = t.n, .phKey = &second};
	if (REFUSED(key_derive(&m, kdf_base(CKK_GENERIC_SECRET), CKK_GENERIC_SECRET, 32, "sensitive sign", &first)))
		return;
	if (second != 0 && !REFUSED(key_read(second, CKA_VALUE, &value)))
		attack_weak("a second key that is readable");
}

/* The first bytes of the output do not depend on how many are asked for. */
static void
hkdf_prefixes(void)
{
	CK_HKDF_PARAMS p = {.bExtract = CK_TRUE, .bExpand = CK_TRUE, .prfHashMechanism = CKM_SHA256,
		.ulSaltType = CKF_HKDF_SALT_NULL};
	CK_MECHANISM m = {CKM_HKDF_DERIVE, &p, sizeof(p)};

	client_login();
	step_grow_derived(&m, kdf_base(CKK_GENERIC_SECRET));
	p.bExtract = CK_FALSE;
	step_grow_derived(&m, kdf_base(CKK_GENERIC_SECRET));
	p.bExtract = CK_TRUE;
	p.bExpand = CK_FALSE;
	step_grow_derived(&m, kdf_base(CKK_GENERIC_SECRET));
}

static void
sp800_108_prefixes(void)
{
	static CK_BYTE iv[32];
	CK_SP800_108_COUNTER_FORMAT counter = {.bLittleEndian = CK_FALSE, .ulWidthInBits = 32};
	CK_PRF_DATA_PARAM data[] = {{CK_SP800_108_ITERATION_VARIABLE, &counter, sizeof(counter)}},
			  feed[] = {{CK_SP800_108_ITERATION_VARIABLE, NULL, 0}};
	CK_SP800_108_KDF_PARAMS p = {.prfType = CKM_SHA256_HMAC, .ulNumberOfDataParams = 1, .pDataParams = data},
				pipe = {.prfType = CKM_SHA256_HMAC, .ulNumberOfDataParams = 1, .pDataParams = feed};
	CK_SP800_108_FEEDBACK_KDF_PARAMS back = {.prfType = CKM_SHA256_HMAC, .ulNumberOfDataParams = 1,
		.pDataParams = feed, .ulIVLen = sizeof(iv), .pIV = iv};
	CK_MECHANISM m[] = {{CKM_SP800_108_COUNTER_KDF, &p, sizeof(p)}, {CKM_SP800_108_FEEDBACK_KDF, &back, sizeof(back)},
		{CKM_SP800_108_DOUBLE_PIPELINE_KDF, &pipe, sizeof(pipe)}};

	client_login();
	for (size_t i = 0; i < 3; i++)
		step_grow_derived(&m[i], kdf_base(CKK_GENERIC_SECRET));
}

/* ---- TLS ---- */

static void
tls_prefixes(void)
{
	static CK_BYTE random[32] = {1}, label[] = "label";
	CK_SSL3_RANDOM_DATA both = {random, 32, random, 32};
	CK_TLS_KDF_PARAMS kdf = {.prfMechanism = CKM_SHA256, .pLabel = label, .ulLabelLength = 5, .RandomInfo = both};
	CK_MECHANISM m = {CKM_TLS12_KDF, &kdf, sizeof(kdf)};

	client_login();
	step_grow_derived(&m, key_made(CKK_GENERIC_SECRET, 48, "sensitive derive"));
}

/* The keys of TLS 1.2 from a sensitive secret: master key, exported keying material, and the record keys with the IVs
 * that come out in the clear. */
static void
tls_secrets(void)
{
	static CK_BYTE random[32] = {1}, label[] = "label";
	CK_VERSION version = {3, 3};
	CK_SSL3_RANDOM_DATA both = {random, 32, random, 32};
	CK_TLS12_MASTER_KEY_DERIVE_PARAMS master = {both, &version, CKM_SHA256};
	CK_TLS_KDF_PARAMS kdf = {.prfMechanism = CKM_SHA256, .pLabel = label, .ulLabelLength = 5, .RandomInfo = both};
	CK_MECHANISM m[] = {{CKM_TLS12_MASTER_KEY_DERIVE, &master, sizeof(master)}, {CKM_TLS12_KDF, &kdf, sizeof(kdf)}};
	CK_OBJECT_HANDLE base, made;
	struct blob value;

	client_login();
	base = key_made(CKK_GENERIC_SECRET, 48, "sensitive derive sign");
	for (size_t i = 0; i < 2; i++) {
		if (!REFUSED(key_derive(&m[i], base, CKK_GENERIC_SECRET, 48, "extractable sign derive", &made)) &&
			!REFUSED(key_read(made, CKA_VALUE, &value)))
			attack_weak("a readable key from a sensitive one, mechanism 0x%lx", (unsigned long)m[i].mechanism);
		if (!REFUSED(key_derive(&m[i], base, CKK_GENERIC_SECRET, 48, "sensitive extractable sign", &made)) &&
			key_is(made, CKA_EXTRACTABLE))
			attack_weak("an extractable key from one that is not");
	}
}

/* The version in a pre-master secret is its first two bytes, which come back in the clear; any secret of 48 bytes can be
 * called one. The judge knows it. */
static void
tls_version(void)
{
	static CK_BYTE random[32] = {1};
	CK_VERSION version = {0, 0};
	CK_SSL3_RANDOM_DATA both = {random, 32, random, 32};
	CK_TLS12_MASTER_KEY_DERIVE_PARAMS p = {both, &version, CKM_SHA256};
	CK_MECHANISM m = {CKM_TLS12_MASTER_KEY_DERIVE, &p, sizeof(p)};
	CK_OBJECT_HANDLE base, made;
	CK_BYTE value[48];

	client_login();
	own_random(value, sizeof(value));
	value[0] |= 0x80; /* no version of TLS */
	NEED(key_import(&base, CKK_GENERIC_SECRET, value, 48, "sensitive derive"));
	if (!REFUSED(key_derive(&m, base, CKK_GENERIC_SECRET, 48, "sensitive derive", &made)) &&
		version.major == value[0] && version.minor == value[1])
		attack_weak("two bytes of a sensitive key are told as its version");
	attack_safe("no bytes told");
}

/* All of the key block is asked for as IVs, which are not keys: C_DeriveKey hands them out in the clear. */
static void
tls_key_block_as_iv(void)
{
	static CK_BYTE random[32] = {1}, ivs[2][64];
	CK_SSL3_RANDOM_DATA both = {random, 32, random, 32};
	CK_SSL3_KEY_MAT_OUT keys = {.pIVClient = ivs[0], .pIVServer = ivs[1]}, again = {.pIVClient = ivs[0],
		.pIVServer = ivs[1]};
	CK_TLS12_KEY_MAT_PARAMS p = {.ulMacSizeInBits = 0, .ulKeySizeInBits = 128, .ulIVSizeInBits = 0, .RandomInfo = both,
		.pReturnedKeyMaterial = &keys, .prfHashMechanism = CKM_SHA256};
	CK_MECHANISM m = {CKM_TLS12_KEY_AND_MAC_DERIVE, &p, sizeof(p)};
	CK_OBJECT_HANDLE base;
	struct templ t;

	client_login();
	base = key_made(CKK_GENERIC_SECRET, 48, "sensitive derive");
	templ_begin(&t, CKO_SECRET_KEY, CKK_AES, "sensitive encrypt");
	client_mechanism = m.mechanism;
	if (REFUSED(f->C_DeriveKey(session, &m, base, t.a, t.n, NULL)))
		return;
	if (key_is(keys.hClientKey, CKA_EXTRACTABLE))
		attack_weak("extractable record keys from a master key that is not");
	/* the same block, cut so that the server's key, its bytes 16 to 31, lies in an IV, bytes 2 to 65 */
	templ_begin(&t, CKO_SECRET_KEY, CKK_GENERIC_SECRET, "sensitive sign");
	p.ulKeySizeInBits = 8;
	p.ulIVSizeInBits = 512;
	p.pReturnedKeyMaterial = &again;
	if (!REFUSED(f->C_DeriveKey(session, &m, base, t.a, t.n, NULL)) && proof_aes(keys.hServerKey, ivs[0] + 14, 16))
		attack_leaked("the sensitive record key is the IV of another call");
	/* or so that a key of one byte is its first */
	p.ulIVSizeInBits = 0;
	if (!REFUSED(f->C_DeriveKey(session, &m, base, t.a, t.n, NULL)) &&
		step_one_byte(again.hClientKey, ivs[0], 1, 0))
		attack_weak("a byte of the key block is found");
}

const struct attack attacks_kdf[] = {
	{"hkdf-derive", "PKCS#11 6.64", hkdf_derive},
	{"hkdf-data", "PKCS#11 6.64", hkdf_data},
	{"sp800-108", "PKCS#11 6.42", sp800_108},
	{"sp800-108-second-key", "PKCS#11 6.42", sp800_108_second_key},
	{"hkdf-prefixes", "Clulow 2003", hkdf_prefixes},
	{"sp800-108-prefixes", "Clulow 2003", sp800_108_prefixes},
	{"tls-prefixes", "Clulow 2003", tls_prefixes},
	{"tls-secrets", "PKCS#11 6.39", tls_secrets},
	{"tls-version", "PKCS#11 6.39", tls_version},
	{"tls-key-block-as-iv", "PKCS#11 6.39", tls_key_block_as_iv},
	{0},
};
