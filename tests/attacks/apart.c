/* apart.c - things taken apart: a blob of two parts, a key of two keys, an agreed secret byte by byte, a key and what it was held to */
#include <string.h>

#include "steps.h"

/* ---- a blob of two parts ---- */

/* CKM_RSA_AES_KEY_WRAP is a temporary AES key under RSA-OAEP, and the target under that. The first part alone is what
 * CKM_RSA_PKCS_OAEP unwraps: the temporary key becomes an object that decrypts the second. */
static void
open_by_parts(CK_OBJECT_HANDLE priv, const struct blob *blob, CK_MECHANISM *oaep, CK_OBJECT_HANDLE target)
{
	CK_OBJECT_HANDLE temporary, again;
	struct blob head, tail;

	head.len = 256;
	memcpy(head.data, blob->data, 256);
	tail.len = blob->len - 256;
	memcpy(tail.data, blob->data + 256, tail.len);
	if (REFUSED(key_unwrap(oaep, priv, &head, CKO_SECRET_KEY, CKK_AES, "sensitive encrypt decrypt unwrap", &temporary)))
		return;
	step_decrypt(CKM_AES_KEY_WRAP_KWP, temporary, &tail, target);
	if (!REFUSED(key_unwrap(mechanism(CKM_AES_KEY_WRAP_KWP), temporary, &tail, CKO_SECRET_KEY, CKK_AES,
		"extractable encrypt", &again)))
		step_read(again, target, "unwrapped under the temporary key");
}

/* With any private half, with one that is kept to a list that has both, and to one that leaves out OAEP. */
static void
temporary_key_unwrapped(void)
{
	static const CK_MECHANISM_TYPE list[] = {CKM_RSA_AES_KEY_WRAP, CKM_RSA_PKCS_OAEP};
	static const CK_BYTE e[] = {1, 0, 1};
	CK_RSA_PKCS_OAEP_PARAMS oaep = {CKM_SHA_1, CKG_MGF1_SHA1, CKZ_DATA_SPECIFIED, NULL, 0};
	CK_RSA_AES_KEY_WRAP_PARAMS p = {256, &oaep};
	CK_MECHANISM m = {CKM_RSA_AES_KEY_WRAP, &p, sizeof(p)}, first = {CKM_RSA_PKCS_OAEP, &oaep, sizeof(oaep)};
	CK_OBJECT_HANDLE pub, priv, target;
	struct templ a, b;
	struct blob blob;

	client_login();
	target = step_target();
	for (int i = 0; i < 3; i++) {
		templ_begin(&a, CKO_PUBLIC_KEY, CKK_RSA, "wrap");
		templ_number(&a, CKA_MODULUS_BITS, 2048);
		templ_bytes(&a, CKA_PUBLIC_EXPONENT, e, sizeof(e));
		templ_begin(&b, CKO_PRIVATE_KEY, CKK_RSA, "sensitive unwrap");
		if (i > 0)
			templ_bytes(&b, CKA_ALLOWED_MECHANISMS, list, i == 1 ? sizeof(list) : sizeof(list[0]));
		if (!REFUSED(pair_generate(CKM_RSA_PKCS_KEY_PAIR_GEN, &a, &b, &pub, &priv)) &&
			!REFUSED(key_wrap(&m, pub, target, &blob)) && blob.len > 256)
			open_by_parts(priv, &blob, &first, target);
	}
}

/* ---- what CKA_DERIVE_TEMPLATE hides ---- */

static CK_ECDH1_DERIVE_PARAMS agreement = {.kdf = CKD_NULL};
static CK_MECHANISM agree = {CKM_ECDH1_DERIVE, &agreement, sizeof(agreement)};

/* A pair whose agreed secrets are hidden by the private key's template; agrees with its own public key. */
static void
pair_that_hides(const char *words, struct blob *point, CK_OBJECT_HANDLE *pub, CK_OBJECT_HANDLE *priv)
{
	struct templ a, b, sub;

	templ_begin(&sub, NO_CLASS, NO_CLASS, "bare sensitive -extractable");
	templ_begin(&a, CKO_PUBLIC_KEY, CKK_EC, "");
	templ_bytes(&a, CKA_EC_PARAMS, key_p256, sizeof(key_p256));
	templ_begin(&b, CKO_PRIVATE_KEY, CKK_EC, words);
	templ_sub(&b, CKA_DERIVE_TEMPLATE, &sub);
	NEED(pair_generate(CKM_EC_KEY_PAIR_GEN, &a, &b, pub, priv));
	NEED(key_read(*pub, CKA_EC_POINT, point));
	agreement.pPublicData = point->data + (point->len == 67 ? 2 : 0);
	agreement.ulPublicDataLen = 65;
}

/* The agreed secret is cut to the length that is asked for: one byte, two bytes, three, each found by trying. */
static void
agreed_byte_by_byte(void)
{
	CK_OBJECT_HANDLE pub, priv, target, part;
	struct blob point;
	CK_BYTE value[32];

	client_login();
	pair_that_hides("sensitive derive", &point, &pub, &priv);
	NEED(key_derive(&agree, priv, CKK_AES, 32, "sensitive encrypt", &target));
	for (CK_ULONG i = 1; i <= sizeof(value); i++) {
		if (REFUSED(key_derive(&agree, priv, CKK_GENERIC_SECRET, i, "sensitive sign", &part)))
			return;
		if (!step_one_byte(part, value + sizeof(value) - i, i, 0)) {
			attack_safe("an end that cannot be found");
			return;
		}
		attack_weak("a byte of the agreed key is found");
	}
	if (proof_aes(target, value, sizeof(value)))
		attack_leaked("a hidden agreed key, byte by byte");
}

/* The private key goes out and comes in again, without the template: the same agreement can be read. */
static void
template_dropped_by_unwrap(void)
{
	CK_OBJECT_HANDLE pub, priv, kek, target, back, seen;
	struct blob point, blob, value;

	client_login();
	pair_that_hides("sensitive extractable derive", &point, &pub, &priv);
	NEED(key_derive(&agree, priv, CKK_AES, 32, "sensitive encrypt", &target));
	kek = key_made(CKK_AES, 32, "sensitive wrap unwrap");
	if (REFUSED(key_wrap(mechanism(CKM_AES_KEY_WRAP_KWP), kek, priv, &blob)) ||
		REFUSED(key_unwrap(mechanism(CKM_AES_KEY_WRAP_KWP), kek, &blob, CKO_PRIVATE_KEY, CKK_EC, "sensitive derive",
			&back)))
		return;
	if (!REFUSED(key_derive(&agree, back, CKK_GENERIC_SECRET, 32, "extractable", &seen)) &&
		!REFUSED(key_read(seen, CKA_VALUE, &value)) && proof_aes(target, value.data, value.len))
		attack_leaked("a hidden agreed key, by the private key without its CKA_DERIVE_TEMPLATE");
}

/* ---- a key and its usages ---- */

/* A usage that was given up lives on in the key's history; out and in again the key has it back. */
static void
usage_given_up_comes_back(void)
{
	CK_OBJECT_HANDLE kek, key, back;
	struct blob blob, mac;

	client_login();
	kek = key_made(CKK_AES, 32, "sensitive wrap unwrap");
	key = key_made(CKK_GENERIC_SECRET, 32, "sensitive extractable sign verify");
	NEED(key_set(key, "-sign"));
	if (REFUSED(key_wrap(mechanism(CKM_AES_KEY_WRAP), kek, key, &blob)) ||
		REFUSED(key_unwrap(mechanism(CKM_AES_KEY_WRAP), kek, &blob, CKO_SECRET_KEY, CKK_GENERIC_SECRET,
			"sensitive sign verify", &back)))
		return;
	if (!REFUSED(use_sign(mechanism(CKM_SHA256_HMAC), back, "x", 1, &mac)))
		attack_weak("a key that verifies alone signs after unwrapping");
}

/* A key for whoever logged in comes back as one for everybody, as C_CopyObject makes none. */
static void
private_dropped_by_unwrap(void)
{
	CK_OBJECT_HANDLE kek, key, back;
	struct blob blob, mac;

	client_login();
	kek = key_made(CKK_AES, 32, "sensitive wrap unwrap");
	key = key_made(CKK_GENERIC_SECRET, 32, "sensitive extractable sign");
	if (REFUSED(key_wrap(mechanism(CKM_AES_KEY_WRAP), kek, key, &blob)) ||
		REFUSED(key_unwrap(mechanism(CKM_AES_KEY_WRAP), kek, &blob, CKO_SECRET_KEY, CKK_GENERIC_SECRET,
			"public sensitive sign", &back)))
		return;
	NEED(f->C_Logout(session));
	if (!REFUSED(use_sign(mechanism(CKM_SHA256_HMAC), back, "x", 1, &mac)))
		attack_weak("a private key signs without a login");
}

/* ---- a key that is two ---- */

static CK_SP800_108_COUNTER_FORMAT counter = {.bLittleEndian = CK_FALSE, .ulWidthInBits = 32};
static CK_BYTE kdf_label[] = "the target";

/* One block of ECB by XTS (IEEE 1619), whose second half is `tweaks`. */
static bool
block_by_xts(CK_OBJECT_HANDLE xts, CK_OBJECT_HANDLE tweaks, const CK_BYTE in[16], CK_BYTE out[16])
{
	static CK_BYTE sector[16] = {1};
	CK_MECHANISM m = {CKM_AES_XTS, sector, sizeof(sector)};
	struct blob tweak, c;
	CK_BYTE x[16];

	if (use_encrypt(mechanism(CKM_AES_ECB), tweaks, sector, 16, &tweak) != CKR_OK)
		return false;
	for (int i = 0; i < 16; i++)
		x[i] = in[i] ^ tweak.data[i];
	if (REFUSED(use_encrypt(&m, xts, x, 16, &c)) || c.len != 16)
		return false;
	for (int i = 0; i < 16; i++)
		out[i] = c.data[i] ^ tweak.data[i];
	return true;
}

/* NIST SP 800-38B, one message that is no multiple of the block: 14 bytes. */
static bool
cmac_by_xts(CK_OBJECT_HANDLE xts, CK_OBJECT_HANDLE tweaks, const CK_BYTE *in, CK_ULONG len, CK_BYTE out[16])
{
	CK_BYTE l[16], x[16] = {0};

	if (!block_by_xts(xts, tweaks, x, l))
		return false;
	for (int twice = 0; twice < 2; twice++) {
		CK_BYTE top = l[0] >> 7;

		for (int i = 0; i < 15; i++)
			l[i] = (CK_BYTE)(l[i] << 1 | l[i + 1] >> 7);
		l[15] = (CK_BYTE)(l[15] << 1) ^ (top ? 0x87 : 0);
	}
	memcpy(x, in, len);
	x[len] = 0x80;
	for (int i = 0; i < 16; i++)
		x[i] ^= l[i];
	return block_by_xts(xts, tweaks, x, out);
}

/* A key that only derives is not derived again to encrypt; as the first half of an XTS key, whose second half is derived
 * alone as well, it does. Its CMACs are what it derives. */
static void
xts_is_two_keys(void)
{
	CK_PRF_DATA_PARAM data[] = {{CK_SP800_108_ITERATION_VARIABLE, &counter, sizeof(counter)},
		{CK_SP800_108_BYTE_ARRAY, kdf_label, 10}};
	CK_OBJECT_HANDLE root, middle, target, xts, again, second = 0;
	CK_BYTE text[14] = {0, 0, 0, 1}, value[16];
	CK_DERIVED_KEY more = {.phKey = &second};
	CK_SP800_108_KDF_PARAMS up = {.prfType = CKM_SHA256_HMAC, .ulNumberOfDataParams = 1, .pDataParams = data},
		down = {.prfType = CKM_AES_CMAC, .ulNumberOfDataParams = 2, .pDataParams = data}, two = up;
	CK_MECHANISM m = {CKM_SP800_108_COUNTER_KDF, &up, sizeof(up)}, n = {CKM_SP800_108_COUNTER_KDF, &down, sizeof(down)},
		     both = {CKM_SP800_108_COUNTER_KDF, &two, sizeof(two)};
	struct templ t;

	client_login();
	root = key_made(CKK_GENERIC_SECRET, 32, "sensitive derive");
	NEED(key_derive(&m, root, CKK_AES, 32, "sensitive derive", &middle));
	NEED(key_derive(&n, middle, CKK_AES, 16, "sensitive encrypt", &target));
	templ_begin(&t, CKO_SECRET_KEY, CKK_AES, "sensitive encrypt");
	templ_number(&t, CKA_VALUE_LEN, 32);
	more.pTemplate = t.a;
	more.ulAttributeCount = t.n;
	two.ulAdditionalDerivedKeys = 1;
	two.pAdditionalDerivedKeys = &more;
	NEED(key_derive(&both, root, CKK_GENERIC_SECRET, 32, "sensitive derive", &again));
	if (REFUSED(key_derive(&m, root, CKK_AES_XTS, 64, "sensitive encrypt", &xts)))
		return;
	memcpy(text + 4, kdf_label, 10);
	if (cmac_by_xts(xts, second, text, sizeof(text), value) && proof_aes(target, value, sizeof(value)))
		attack_leaked("what a key derives, by an XTS key that has it for its first half");
}

/* ---- a key of a weaker cipher ---- */

/* DES leaves out a bit of each byte, and with two keys it has the strength of 80 bits: a DES key with the bytes of an AES key
 * gives away 112 of its 128 bits. */
static void
aes_as_des(void)
{
	CK_HKDF_PARAMS p = {.bExpand = CK_TRUE, .prfHashMechanism = CKM_SHA256, .ulSaltType = CKF_HKDF_SALT_NULL,
		.pInfo = kdf_label, .ulInfoLen = 10};
	CK_MECHANISM expand = {CKM_HKDF_DERIVE, &p, sizeof(p)};
	CK_OBJECT_HANDLE kek, key, base, again;
	struct blob blob, c;

	client_login();
	kek = key_made(CKK_AES, 32, "sensitive wrap unwrap");
	key = key_made(CKK_AES, 16, "sensitive extractable encrypt");
	if (!REFUSED(key_wrap(mechanism(CKM_AES_KEY_WRAP), kek, key, &blob)) &&
		!REFUSED(key_unwrap(mechanism(CKM_AES_KEY_WRAP), kek, &blob, CKO_SECRET_KEY, CKK_DES2, "sensitive encrypt",
			&again)) && !REFUSED(use_encrypt(mechanism(CKM_DES3_ECB), again, "01234567", 8, &c)))
		attack_weak("an AES key unwrapped as a DES key");
	base = key_made(CKK_GENERIC_SECRET, 32, "sensitive derive");
	NEED(key_derive(&expand, base, CKK_AES, 16, "sensitive encrypt", &key));
	if (!REFUSED(key_derive(&expand, base, CKK_DES2, 0, "sensitive encrypt", &again)) &&
		!REFUSED(use_encrypt(mechanism(CKM_DES3_ECB), again, "01234567", 8, &c)))
		attack_weak("a derived AES key derived again as a DES key");
}

const struct attack attacks_apart[] = {
	{"temporary-key-unwrapped", "PKCS#11 6.1.22", temporary_key_unwrapped},
	{"agreed-byte-by-byte", "Clulow 2003", agreed_byte_by_byte},
	{"template-dropped-by-unwrap", "Froeschle, Steel 2009", template_dropped_by_unwrap},
	{"usage-given-up-comes-back", "Froeschle, Steel 2009", usage_given_up_comes_back},
	{"private-dropped-by-unwrap", "Froeschle, Steel 2009", private_dropped_by_unwrap},
	{"xts-is-two-keys", "IEEE 1619; SP 800-38B", xts_is_two_keys},
	{"aes-as-des", "Merkle, Hellman 1981", aes_as_des},
	{0},
};
