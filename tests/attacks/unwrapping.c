/* unwrapping.c - a blob of a sensitive key comes back as something else */
#include <string.h>

#include "steps.h"

/* A key that wraps and unwraps, and the target's blob under it by the first mechanism that the token lets. */
static bool
wrapped(CK_OBJECT_HANDLE target, CK_OBJECT_HANDLE *kek, struct blob *blob, CK_MECHANISM_TYPE *type)
{
	*kek = key_made(CKK_AES, 32, "sensitive wrap unwrap");
	for (size_t i = 0; steps_aes_wraps[i] != NO_CLASS; i++)
		if (!REFUSED(key_wrap(mechanism(*type = steps_aes_wraps[i]), *kek, target, blob)))
			return true;
	return false;
}

/* Out by each of the mechanisms (NO_CLASS at the end) and in again, without a word of its being sensitive. */
static void
out_and_in(const CK_MECHANISM_TYPE *types, CK_OBJECT_HANDLE wrapping, CK_OBJECT_HANDLE unwrapping, CK_OBJECT_HANDLE target)
{
	CK_OBJECT_HANDLE again;
	struct blob blob;

	for (; *types != NO_CLASS; types++)
		if (!REFUSED(key_wrap(mechanism(*types), wrapping, target, &blob)) &&
			!REFUSED(key_unwrap(mechanism(*types), unwrapping, &blob, CKO_SECRET_KEY, CKK_AES,
				"extractable encrypt", &again)))
			step_read(again, target, "unwrapped");
}

/* Delaune et al. 2008: nothing in the blob says that the key was sensitive. */
static void
unwrap_not_sensitive(void)
{
	CK_OBJECT_HANDLE kek, target;

	client_login();
	target = step_target();
	kek = key_made(CKK_AES, 32, "sensitive wrap unwrap");
	out_and_in(steps_aes_wraps, kek, kek, target);
}

static void
rsa_unwrap_not_sensitive(void)
{
	CK_OBJECT_HANDLE pub, priv, target;

	client_login();
	target = step_target();
	pair_rsa(2048, "wrap", "sensitive unwrap", &pub, &priv);
	out_and_in(steps_rsa_wraps, pub, priv, target);
}

/* Another copy of the unwrapping key, or another role added to it, must not make the token forget. */
static void
unwrap_with_a_copy(void)
{
	CK_OBJECT_HANDLE kek, copy, target, again;
	struct blob blob;
	CK_MECHANISM_TYPE type;

	client_login();
	target = step_target();
	if (!wrapped(target, &kek, &blob, &type))
		return;
	if (!REFUSED(key_copy(kek, "-wrap", &copy)) &&
		!REFUSED(key_unwrap(mechanism(type), copy, &blob, CKO_SECRET_KEY, CKK_AES, "extractable encrypt", &again)))
		step_read(again, target, "unwrapped by a copy");
	if (!REFUSED(key_set(kek, "-wrap")) &&
		!REFUSED(key_unwrap(mechanism(type), kek, &blob, CKO_SECRET_KEY, CKK_AES, "extractable encrypt", &again)))
		step_read(again, target, "unwrapped after CKA_WRAP was given up");
	if (!REFUSED(key_copy(kek, "derive", &copy)) &&
		!REFUSED(key_unwrap(mechanism(type), copy, &blob, CKO_SECRET_KEY, CKK_AES, "extractable encrypt", &again)))
		step_read(again, target, "unwrapped by a copy with another role");
}

/* Class confusion: the blob of a private key, unwrapped as a secret key whose value is the PKCS #8 file. */
static void
private_as_secret(void)
{
	CK_OBJECT_HANDLE kek, pub, priv, again;
	struct blob blob, value;

	client_login();
	pair_rsa(2048, "verify", "sensitive extractable sign", &pub, &priv);
	kek = key_made(CKK_AES, 32, "sensitive wrap unwrap");
	for (size_t i = 0; steps_aes_wraps[i] != NO_CLASS; i++) {
		CK_MECHANISM_TYPE type = steps_aes_wraps[i];

		if (REFUSED(key_wrap(mechanism(type), kek, priv, &blob)) ||
			REFUSED(key_unwrap(mechanism(type), kek, &blob, CKO_SECRET_KEY, CKK_GENERIC_SECRET,
				"extractable sign", &again)))
			continue;
		if (!REFUSED(key_read(again, CKA_VALUE, &value)) && proof_private(pub, value.data, value.len))
			attack_leaked("a secret key's value is the private key");
	}
}

/* As a data object or a certificate, which have a CKA_VALUE and nothing that hides it. */
static void
secret_as_data(void)
{
	static const CK_OBJECT_CLASS classes[] = {CKO_DATA, CKO_CERTIFICATE, CKO_PUBLIC_KEY};
	CK_OBJECT_HANDLE kek, target, again;
	CK_MECHANISM_TYPE type;
	struct blob blob;

	client_login();
	target = step_target();
	if (!wrapped(target, &kek, &blob, &type))
		return;
	for (size_t i = 0; i < 3; i++)
		if (!REFUSED(key_unwrap(mechanism(type), kek, &blob, classes[i], i == 0 ? NO_CLASS : CKK_AES, "bare", &again)))
			step_read(again, target, "unwrapped as an object of another class");
}

/* Key type confusion: as a generic secret or an HMAC key, which can be truncated and digested. */
static void
another_key_type(void)
{
	static const CK_KEY_TYPE types[] = {CKK_GENERIC_SECRET, CKK_SHA256_HMAC, CKK_HKDF, CKK_CHACHA20, CKK_AES_XTS};
	CK_OBJECT_HANDLE kek, target, again;
	CK_MECHANISM_TYPE type;
	struct blob blob;

	client_login();
	target = step_target();
	if (!wrapped(target, &kek, &blob, &type))
		return;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (!REFUSED(key_unwrap(mechanism(type), kek, &blob, CKO_SECRET_KEY, types[i], "extractable sign derive",
			&again)))
			step_read(again, target, "unwrapped as another type");
	attack_safe("unwrapped as another type it stays sensitive");
}

/* A length in the template that is shorter than the key: what is cut off is easy to search. */
static void
shorter_by_length(void)
{
	CK_OBJECT_HANDLE kek, target, again;
	CK_MECHANISM_TYPE type;
	struct blob blob, mac;
	struct templ t;
	CK_BYTE own[32];

	client_login();
	target = step_target();
	if (!wrapped(target, &kek, &blob, &type))
		return;
	templ_begin(&t, CKO_SECRET_KEY, CKK_GENERIC_SECRET, "sensitive sign");
	templ_number(&t, CKA_VALUE_LEN, 1);
	if (!REFUSED(key_unwrap_as(mechanism(type), kek, &blob, &t, &again)) &&
		use_sign(mechanism(CKM_SHA256_HMAC), again, "x", 1, &mac) == CKR_OK)
		for (unsigned c = 0; c < 256; c++)
			if (own_hmac(&(CK_BYTE){(CK_BYTE)c}, 1, "x", 1, own) && memcmp(own, mac.data, 32) == 0)
				attack_weak("one byte of the key found by 256 tries");
	templ_begin(&t, CKO_SECRET_KEY, CKK_AES, "sensitive encrypt");
	templ_number(&t, CKA_VALUE_LEN, 16);
	if (!REFUSED(key_unwrap_as(mechanism(type), kek, &blob, &t, &again)))
		attack_weak("AES-256 is unwrapped as AES-128");
	templ_begin(&t, CKO_SECRET_KEY, CKK_DES3, "sensitive encrypt");
	if (!REFUSED(key_unwrap_as(mechanism(type), kek, &blob, &t, &again)))
		attack_weak("AES-256 is unwrapped as 3DES");
}

/* The copy that comes back can do what the original never could (Delaune et al. 2008). The original is
 * restricted to signing; its twin decrypts. */
static void
usage_raised_by_unwrap(void)
{
	CK_OBJECT_HANDLE kek, pub, priv, again;
	struct blob blob, c, plain;
	struct own_rsa *own;

	client_login();
	pair_rsa(2048, "verify", "sensitive extractable sign", &pub, &priv);
	kek = key_made(CKK_AES, 32, "sensitive wrap unwrap");
	own = own_rsa_of(pub);
	for (size_t i = 0; steps_aes_wraps[i] != NO_CLASS; i++) {
		CK_MECHANISM_TYPE type = steps_aes_wraps[i];

		if (REFUSED(key_wrap(mechanism(type), kek, priv, &blob)) ||
			REFUSED(key_unwrap(mechanism(type), kek, &blob, CKO_PRIVATE_KEY, CKK_RSA, "sensitive decrypt", &again)))
			continue;
		if (own_rsa_encrypt(own, CKM_RSA_PKCS_OAEP, "hello", 5, &c) &&
			!REFUSED(use_decrypt(mechanism(CKM_RSA_PKCS_OAEP), again, c.data, c.len, &plain)) && plain.len == 5)
			attack_weak("a key that only signs decrypts after unwrapping");
		break;
	}
}

static void
secret_usage_raised_by_unwrap(void)
{
	CK_OBJECT_HANDLE kek, target, again;
	CK_MECHANISM_TYPE type;
	struct blob blob, c;

	client_login();
	target = key_made(CKK_AES, 32, "sensitive extractable decrypt");
	if (!wrapped(target, &kek, &blob, &type))
		return;
	if (!REFUSED(key_unwrap(mechanism(type), kek, &blob, CKO_SECRET_KEY, CKK_AES, "sensitive encrypt decrypt", &again)) &&
		!REFUSED(use_encrypt(mechanism(CKM_AES_ECB), again, "0123456789abcdef", 16, &c)))
		attack_weak("a key that only decrypts encrypts after unwrapping");
}

/* A key that wraps only is unwrapped as one that wraps and decrypts, or with its restrictions left out. */
static void
restrictions_dropped_by_unwrap(void)
{
	CK_OBJECT_HANDLE kek, target, again;
	CK_MECHANISM gen = {CKM_AES_KEY_GEN, NULL, 0};
	CK_MECHANISM_TYPE only[] = {CKM_AES_CMAC}, type;
	struct blob blob, out;
	struct templ t;

	client_login();
	templ_begin(&t, CKO_SECRET_KEY, CKK_AES, "sensitive extractable encrypt");
	templ_number(&t, CKA_VALUE_LEN, 32);
	templ_bytes(&t, CKA_ALLOWED_MECHANISMS, only, sizeof(only));
	if (REFUSED(f->C_GenerateKey(session, &gen, t.a, t.n, &target)) || !wrapped(target, &kek, &blob, &type))
		return;
	if (!REFUSED(key_unwrap(mechanism(type), kek, &blob, CKO_SECRET_KEY, CKK_AES, "sensitive encrypt", &again)) &&
		!REFUSED(use_encrypt(mechanism(CKM_AES_ECB), again, "0123456789abcdef", 16, &out)))
		attack_weak("CKA_ALLOWED_MECHANISMS is gone after unwrapping");
}

/* CKA_UNWRAP_TEMPLATE of the unwrapping key: contradicted, or left out of a copy. */
static void
unwrap_template(void)
{
	CK_OBJECT_HANDLE kek, copy, plain, again;
	CK_MECHANISM gen = {CKM_AES_KEY_GEN, NULL, 0};
	struct templ t, sub;
	struct blob blob;

	client_login();
	templ_begin(&sub, NO_CLASS, NO_CLASS, "bare sensitive -extractable -sign");
	templ_begin(&t, CKO_SECRET_KEY, CKK_AES, "sensitive wrap unwrap");
	templ_number(&t, CKA_VALUE_LEN, 32);
	templ_sub(&t, CKA_UNWRAP_TEMPLATE, &sub);
	plain = key_made(CKK_AES, 32, "extractable encrypt");
	if (REFUSED(f->C_GenerateKey(session, &gen, t.a, t.n, &kek)))
		return;
	if (REFUSED(key_wrap(mechanism(CKM_AES_KEY_WRAP), kek, plain, &blob)))
		return;
	if (!REFUSED(key_unwrap(mechanism(CKM_AES_KEY_WRAP), kek, &blob, CKO_SECRET_KEY, CKK_AES, "extractable encrypt",
			&again)) && (!key_is(again, CKA_SENSITIVE) || key_is(again, CKA_EXTRACTABLE)))
		attack_weak("CKA_UNWRAP_TEMPLATE is contradicted");
	templ_begin(&t, NO_CLASS, NO_CLASS, "bare");
	templ_bytes(&t, CKA_UNWRAP_TEMPLATE, NULL, 0);
	if (!REFUSED(f->C_SetAttributeValue(session, kek, t.a, t.n)))
		attack_weak("CKA_UNWRAP_TEMPLATE is emptied");
	if (!REFUSED(f->C_CopyObject(session, kek, t.a, t.n, &copy)))
		attack_weak("a copy has no CKA_UNWRAP_TEMPLATE");
}

/* The blob of one mechanism under another: padding taken for key bytes or key bytes for padding. */
static void
another_mechanism(void)
{
	CK_OBJECT_HANDLE kek, target, again;
	struct blob blob;

	client_login();
	target = step_target();
	kek = key_made(CKK_AES, 32, "sensitive wrap unwrap");
	for (size_t i = 0; steps_aes_wraps[i] != NO_CLASS; i++) {
		if (REFUSED(key_wrap(mechanism(steps_aes_wraps[i]), kek, target, &blob)))
			continue;
		for (size_t j = 0; steps_aes_wraps[j] != NO_CLASS; j++)
			if (j != i && !REFUSED(key_unwrap(mechanism(steps_aes_wraps[j]), kek, &blob, CKO_SECRET_KEY,
				CKK_GENERIC_SECRET, "extractable sign", &again)))
				step_read(again, target, "unwrapped by another mechanism");
	}
}

/* A blob under a key that only unwraps, with an unwrapping key that may not: usage and class are asked first. */
static void
unwrap_without_the_usage(void)
{
	CK_OBJECT_HANDLE kek, target, again;
	CK_BYTE value[32], inner[32] = {9};
	struct blob blob;

	client_login();
	own_random(value, sizeof(value));
	NEED(key_import(&kek, CKK_AES, value, 32, "sensitive encrypt decrypt wrap"));
	target = key_made(CKK_AES, 32, "extractable encrypt");
	if (!own_key_wrap(value, 32, inner, 32, &blob))
		attack_need(CKR_GENERAL_ERROR, "OpenSSL's key wrap");
	if (!REFUSED(key_unwrap(mechanism(CKM_AES_KEY_WRAP), kek, &blob, CKO_SECRET_KEY, CKK_AES, "encrypt", &again)))
		attack_weak("unwrapped without CKA_UNWRAP");
	if (!REFUSED(key_unwrap(mechanism(CKM_AES_KEY_WRAP), target, &blob, CKO_SECRET_KEY, CKK_AES, "encrypt", &again)))
		attack_weak("unwrapped by a key without CKA_UNWRAP");
}

/* What a key that protects sensitive keys unwraps is sensitive; its own C_CopyObject must not say otherwise. */
static void
unwrapped_then_copied(void)
{
	CK_OBJECT_HANDLE kek, target, again, copy;
	CK_MECHANISM_TYPE type;
	struct blob blob;

	client_login();
	target = step_target();
	if (!wrapped(target, &kek, &blob, &type) ||
		REFUSED(key_unwrap(mechanism(type), kek, &blob, CKO_SECRET_KEY, CKK_AES, "extractable encrypt", &again)))
		return;
	step_read(again, target, "unwrapped");
	if (!REFUSED(key_copy(again, "-sensitive", &copy)))
		step_read(copy, target, "copy of the unwrapped key");
	if (!REFUSED(key_set(again, "-sensitive")))
		step_read(again, target, "unwrapped key, changed");
}

const struct attack attacks_unwrapping[] = {
	{"unwrap-not-sensitive", "Delaune et al. 2008", unwrap_not_sensitive},
	{"rsa-unwrap-not-sensitive", "Delaune et al. 2008", rsa_unwrap_not_sensitive},
	{"unwrap-with-a-copy", "Bortolozzo et al. 2010", unwrap_with_a_copy},
	{"private-as-secret", "Bortolozzo et al. 2010", private_as_secret},
	{"secret-as-data", "Bortolozzo et al. 2010", secret_as_data},
	{"another-key-type", "Clulow 2003", another_key_type},
	{"shorter-by-length", "Clulow 2003", shorter_by_length},
	{"usage-raised-by-unwrap", "Delaune et al. 2008", usage_raised_by_unwrap},
	{"secret-usage-raised-by-unwrap", "Delaune et al. 2008", secret_usage_raised_by_unwrap},
	{"restrictions-dropped-by-unwrap", "Froeschle, Steel 2009", restrictions_dropped_by_unwrap},
	{"unwrap-template", "PKCS#11 4.10", unwrap_template},
	{"another-mechanism", "RFC 5649; RFC 3394", another_mechanism},
	{"unwrap-without-the-usage", "PKCS#11 5.18.4", unwrap_without_the_usage},
	{"unwrapped-then-copied", "Bortolozzo et al. 2010", unwrapped_then_copied},
	{0},
};
