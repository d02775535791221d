/* import.c - wrapping keys that the attacker knows, by whatever way they got in, and forged origins */
#include <stdio.h>
#include <string.h>

#include "steps.h"

/* Clulow 2003, 3.2: the trojan wrapping key, created with a value of the attacker's. */
static void
created_key_wraps(void)
{
	CK_OBJECT_HANDLE key;
	CK_BYTE value[32];

	client_login();
	own_random(value, sizeof(value));
	if (!REFUSED(key_import(&key, CKK_AES, value, 32, "sensitive wrap unwrap")))
		step_wrap_known(key, value, 32, step_target());
}

/* The same, said to be trusted, or made so afterwards (PKCS#11 3.1 4.10: only the SO may). */
static void
created_key_trusted(void)
{
	CK_OBJECT_HANDLE key, copy;
	CK_BYTE value[32];

	client_login();
	own_random(value, sizeof(value));
	if (!REFUSED(key_import(&key, CKK_AES, value, 32, "sensitive wrap trusted"))) {
		attack_weak("the user creates a key that is trusted");
		step_wrap_known(key, value, 32, step_target());
	}
	NEED(key_import(&key, CKK_AES, value, 32, "sensitive wrap"));
	if (!REFUSED(key_set(key, "trusted"))) {
		attack_weak("the user sets CKA_TRUSTED");
		step_wrap_known(key, value, 32, step_target());
	}
	if (!REFUSED(key_copy(key, "trusted", &copy))) {
		attack_weak("the user copies to CKA_TRUSTED");
		step_wrap_known(copy, value, 32, step_target());
	}
}

/* Trust put on a key of the token by the user, or at its generation. */
static void
generated_key_trusted(void)
{
	CK_OBJECT_HANDLE key;

	client_login();
	if (!REFUSED(key_generate(&key, CKK_AES, 32, "sensitive wrap trusted")) && key_is(key, CKA_TRUSTED))
		attack_weak("the user generates a key that is trusted");
	NEED(key_generate(&key, CKK_AES, 32, "sensitive wrap"));
	if (!REFUSED(key_set(key, "trusted")) && key_is(key, CKA_TRUSTED))
		attack_weak("the user sets CKA_TRUSTED");
}

/* Clulow 2003, 3.3: the trojan public key; the attacker has its private half. */
static void
trojan_public_key(void)
{
	struct own_rsa *own = own_rsa_new(2048);
	CK_OBJECT_HANDLE pub;
	struct blob n;
	struct templ t;
	const char *const words[] = {"wrap", "wrap encrypt verify", "wrap trusted"};

	client_login();
	own_rsa_modulus(own, &n);
	for (size_t i = 0; i < 3; i++) {
		templ_begin(&t, CKO_PUBLIC_KEY, CKK_RSA, words[i]);
		templ_bytes(&t, CKA_MODULUS, n.data, n.len);
		templ_bytes(&t, CKA_PUBLIC_EXPONENT, "\x01\x00\x01", 3);
		if (!REFUSED(key_create(&pub, &t)))
			step_wrap_own_rsa(pub, own, step_target());
	}
}

/* The modulus of a public key that may wrap is exchanged for the attacker's. */
static void
trojan_modulus(void)
{
	struct own_rsa *own = own_rsa_new(2048);
	CK_OBJECT_HANDLE pub, priv, copy;
	struct blob n;
	struct templ t;

	client_login();
	own_rsa_modulus(own, &n);
	pair_rsa(2048, "wrap", "sensitive unwrap", &pub, &priv);
	templ_begin(&t, NO_CLASS, NO_CLASS, "bare");
	templ_bytes(&t, CKA_MODULUS, n.data, n.len);
	if (!REFUSED(f->C_CopyObject(session, pub, t.a, t.n, &copy)))
		step_wrap_own_rsa(copy, own, step_target());
	if (!REFUSED(f->C_SetAttributeValue(session, pub, t.a, t.n)))
		step_wrap_own_rsa(pub, own, step_target());
}

/* A key that the attacker encrypted to the token's public key with OpenSSL is unwrapped, and wraps. */
static void
trojan_by_public_key(void)
{
	CK_OBJECT_HANDLE pub, priv, key;
	struct own_rsa *of_token;
	CK_BYTE value[32];
	struct blob blob;

	client_login();
	pair_rsa(2048, "wrap encrypt", "sensitive unwrap", &pub, &priv);
	of_token = own_rsa_of(pub);
	own_random(value, sizeof(value));
	for (size_t i = 0; steps_rsa_wraps[i] != NO_CLASS; i++) {
		CK_MECHANISM_TYPE type = steps_rsa_wraps[i];

		if (type == CKM_RSA_X_509 || !own_rsa_encrypt(of_token, type, value, 32, &blob))
			continue;
		if (!REFUSED(key_unwrap(mechanism(type), priv, &blob, CKO_SECRET_KEY, CKK_AES, "sensitive wrap", &key)))
			step_wrap_known(key, value, 32, step_target());
	}
}

/* e = 1: the blob is the padded key itself (Clulow 2003, 3.4). The modulus may be anybody's. */
static void
exponent_one(void)
{
	CK_OBJECT_HANDLE pub, priv, target;
	struct blob n, blob, value;
	struct templ t, p;

	client_login();
	target = step_target();
	own_rsa_modulus(own_rsa_new(2048), &n);
	templ_begin(&t, CKO_PUBLIC_KEY, CKK_RSA, "wrap encrypt");
	templ_bytes(&t, CKA_MODULUS, n.data, n.len);
	templ_bytes(&t, CKA_PUBLIC_EXPONENT, "\x01", 1);
	if (!REFUSED(key_create(&pub, &t)))
		for (size_t i = 0; steps_rsa_wraps[i] != NO_CLASS; i++)
			if (!REFUSED(key_wrap(mechanism(steps_rsa_wraps[i]), pub, target, &blob)) &&
				own_unpad(steps_rsa_wraps[i], &blob, &value) && proof_aes(target, value.data, value.len))
				attack_leaked("the blob is the padded key");
	templ_begin(&t, CKO_PUBLIC_KEY, CKK_RSA, "wrap");
	templ_number(&t, CKA_MODULUS_BITS, 2048);
	templ_bytes(&t, CKA_PUBLIC_EXPONENT, "\x01", 1);
	templ_begin(&p, CKO_PRIVATE_KEY, CKK_RSA, "sensitive unwrap");
	if (!REFUSED(pair_generate(CKM_RSA_PKCS_KEY_PAIR_GEN, &t, &p, &pub, &priv)))
		attack_weak("a pair with e = 1 is generated");
}

/* e = 3 and raw RSA: the cube of a short key does not reach the modulus (Boneh 1999, 4). */
static void
exponent_three_raw(void)
{
	CK_OBJECT_HANDLE pub, priv, target;
	struct blob blob, value;
	struct templ t, p;

	client_login();
	target = step_target();
	templ_begin(&t, CKO_PUBLIC_KEY, CKK_RSA, "wrap");
	templ_number(&t, CKA_MODULUS_BITS, 2048);
	templ_bytes(&t, CKA_PUBLIC_EXPONENT, "\x03", 1);
	templ_begin(&p, CKO_PRIVATE_KEY, CKK_RSA, "sensitive unwrap");
	if (REFUSED(pair_generate(CKM_RSA_PKCS_KEY_PAIR_GEN, &t, &p, &pub, &priv)) ||
		REFUSED(key_wrap(mechanism(CKM_RSA_X_509), pub, target, &blob)))
		return;
	if (own_root(&blob, 3, &value) && proof_aes(target, value.data, value.len))
		attack_leaked("cube root of the blob");
	attack_weak("raw RSA wraps a sensitive key");
}

/* A wrapping key made by the token, but readable: its value is read, then it wraps. */
static void
readable_key_wraps(void)
{
	CK_OBJECT_HANDLE key;
	struct blob value;

	client_login();
	if (REFUSED(key_generate(&key, CKK_AES, 32, "extractable wrap unwrap")) || REFUSED(key_read(key, CKA_VALUE, &value)))
		return;
	step_wrap_known(key, value.data, value.len, step_target());
}

/* The same, hidden after it was read: only CKA_ALWAYS_SENSITIVE remembers. */
static void
read_key_hidden_later(void)
{
	CK_OBJECT_HANDLE key, copy;
	struct blob value;

	client_login();
	if (REFUSED(key_generate(&key, CKK_AES, 32, "extractable wrap unwrap")) || REFUSED(key_read(key, CKA_VALUE, &value)))
		return;
	if (!REFUSED(key_copy(key, "sensitive -extractable", &copy)))
		step_wrap_known(copy, value.data, value.len, step_target());
	if (!REFUSED(key_set(key, "sensitive")) && !REFUSED(key_set(key, "-extractable")))
		step_wrap_known(key, value.data, value.len, step_target());
}

/* A wrapping key that is sensitive, but leaves under a known key while it is not yet, is the same thing. */
static void
wrapped_out_then_hidden(void)
{
	CK_OBJECT_HANDLE known, key;
	CK_BYTE outer[32];
	struct blob blob, value;

	client_login();
	own_random(outer, sizeof(outer));
	NEED(key_import(&known, CKK_AES, outer, 32, "sensitive wrap"));
	if (REFUSED(key_generate(&key, CKK_AES, 32, "extractable wrap unwrap")))
		return;
	for (size_t i = 0; steps_aes_wraps[i] != NO_CLASS; i++) {
		if (REFUSED(key_wrap(mechanism(steps_aes_wraps[i]), known, key, &blob)) ||
			!own_open(steps_aes_wraps[i], outer, 32, &blob, &value) || REFUSED(key_set(key, "sensitive")))
			continue;
		step_wrap_known(key, value.data, 32, step_target());
		break;
	}
}

/* A pair whose private half may be read: its public half wraps. */
static void
readable_private_half(void)
{
	CK_OBJECT_HANDLE pub, priv, target;
	struct blob n, d, blob, plain;
	struct own_rsa *raw;

	client_login();
	target = step_target();
	pair_rsa(2048, "wrap", "extractable unwrap", &pub, &priv);
	if (REFUSED(key_read(priv, CKA_PRIVATE_EXPONENT, &d)))
		return;
	NEED(key_read(pub, CKA_MODULUS, &n));
	for (size_t i = 0; steps_rsa_wraps[i] != NO_CLASS; i++) {
		if (REFUSED(key_wrap(mechanism(steps_rsa_wraps[i]), pub, target, &blob)))
			continue;
		/* what is raised to e comes back raised to d: d stands in for a public exponent */
		raw = own_rsa_numbers(&n, &d);
		if (own_rsa_encrypt(raw, CKM_RSA_X_509, blob.data, blob.len, &plain) &&
			own_unpad(steps_rsa_wraps[i], &plain, &blob) && proof_aes(target, blob.data, blob.len))
			attack_leaked("opened with CKA_PRIVATE_EXPONENT, mechanism 0x%lx", (unsigned long)steps_rsa_wraps[i]);
	}
}

/* A derived key whose base the attacker knows is known, whatever its origin is called. */
static void
derived_from_known(void)
{
	CK_OBJECT_HANDLE base, key;
	CK_BYTE value[32], data[32] = {7};
	CK_KEY_DERIVATION_STRING_DATA string = {data, sizeof(data)};
	CK_MECHANISM ecb = {CKM_AES_ECB_ENCRYPT_DATA, &string, sizeof(string)},
		     sha = {CKM_SHA256_KEY_DERIVATION, NULL, 0};
	struct blob known;

	client_login();
	own_random(value, sizeof(value));
	NEED(key_import(&base, CKK_AES, value, 32, "sensitive derive"));
	if (!REFUSED(key_derive(&ecb, base, CKK_AES, 32, "sensitive wrap", &key)) &&
		own_cipher("AES-256-ECB", true, value, NULL, data, 32, &known))
		step_wrap_known(key, known.data, 32, step_target());
	NEED(key_import(&base, CKK_GENERIC_SECRET, value, 32, "sensitive derive"));
	if (!REFUSED(key_derive(&sha, base, CKK_AES, 32, "sensitive wrap", &key)) && own_sha256(value, 32, known.data))
		step_wrap_known(key, known.data, 32, step_target());
}

/* Agreement with a public key of the attacker: the secret is known. The token's own key is public to him. */
static void
agreed_with_attacker(void)
{
	CK_OBJECT_HANDLE pub, priv, readable, key;
	struct blob point, value;
	CK_ECDH1_DERIVE_PARAMS p = {.kdf = CKD_NULL};
	CK_MECHANISM m = {CKM_ECDH1_DERIVE, &p, sizeof(p)};

	client_login();
	pair_p256("", "sensitive derive", &pub, &priv);
	NEED(key_read(pub, CKA_EC_POINT, &point));
	p.pPublicData = point.data + (point.len == 67 ? 2 : 0);
	p.ulPublicDataLen = 65;
	if (REFUSED(key_derive(&m, priv, CKK_AES, 32, "extractable encrypt", &readable)) ||
		REFUSED(key_read(readable, CKA_VALUE, &value)))
		return;
	if (!REFUSED(key_derive(&m, priv, CKK_AES, 32, "sensitive wrap", &key)))
		step_wrap_known(key, value.data, 32, step_target());
}

/* Attributes that only the token may say (PKCS#11 3.1 4.7, 4.10), claimed for a key with a known value. */
static void
forged_origin(void)
{
	static const char *const claims[] = {"local", "always_sensitive", "never_extractable"};
	static const CK_ATTRIBUTE_TYPE types[] = {CKA_LOCAL, CKA_ALWAYS_SENSITIVE, CKA_NEVER_EXTRACTABLE};
	CK_OBJECT_HANDLE key, copy;
	CK_BYTE value[32] = {3};
	char words[64];

	client_login();
	for (size_t i = 0; i < 3; i++) {
		snprintf(words, sizeof(words), "sensitive encrypt %s", claims[i]);
		if (!REFUSED(key_import(&key, CKK_AES, value, 32, words)) && key_is(key, types[i]))
			attack_weak("C_CreateObject takes %s", claims[i]);
		NEED(key_import(&key, CKK_AES, value, 32, "sensitive encrypt"));
		if (key_is(key, types[i]))
			attack_weak("an imported key is called %s", claims[i]);
		if (!REFUSED(key_set(key, claims[i])) && key_is(key, types[i]))
			attack_weak("C_SetAttributeValue takes %s", claims[i]);
		if (!REFUSED(key_copy(key, claims[i], &copy)) && key_is(copy, types[i]))
			attack_weak("C_CopyObject takes %s", claims[i]);
	}
}

/* The same for a key that is unwrapped or derived, and for CKA_ALWAYS_SENSITIVE after a readable time. */
static void
forged_history(void)
{
	CK_OBJECT_HANDLE key, kek, again;
	struct blob blob;

	client_login();
	NEED(key_generate(&key, CKK_AES, 32, "extractable encrypt"));
	NEED(key_set(key, "sensitive"));
	NEED(key_set(key, "-extractable"));
	if (key_is(key, CKA_ALWAYS_SENSITIVE) || key_is(key, CKA_NEVER_EXTRACTABLE))
		attack_weak("a key that was readable is called always sensitive or never extractable");
	else
		attack_safe("history is kept");
	NEED(key_generate(&kek, CKK_AES, 32, "sensitive wrap unwrap"));
	if (REFUSED(key_wrap(mechanism(CKM_AES_KEY_WRAP), kek, step_target(), &blob)) ||
		REFUSED(key_unwrap(mechanism(CKM_AES_KEY_WRAP), kek, &blob, CKO_SECRET_KEY, CKK_AES, "sensitive encrypt",
			&again)))
		return;
	if (key_is(again, CKA_LOCAL) || key_is(again, CKA_ALWAYS_SENSITIVE) || key_is(again, CKA_NEVER_EXTRACTABLE))
		attack_weak("an unwrapped key is called local, always sensitive or never extractable");
}

/* A wrapping key made by a generation with parts of the attacker's choice is not generated. */
static void
generated_with_value(void)
{
	CK_OBJECT_HANDLE key;
	CK_MECHANISM m = {CKM_AES_KEY_GEN, NULL, 0};
	CK_BYTE value[32];
	struct templ t;

	client_login();
	own_random(value, sizeof(value));
	templ_begin(&t, CKO_SECRET_KEY, CKK_AES, "sensitive wrap");
	templ_number(&t, CKA_VALUE_LEN, 32);
	templ_bytes(&t, CKA_VALUE, value, 32);
	if (REFUSED(f->C_GenerateKey(session, &m, t.a, t.n, &key)))
		return;
	attack_safe("the value in the template is not taken");
	step_wrap_known(key, value, 32, step_target());
}

const struct attack attacks_import[] = {
	{"created-key-wraps", "Clulow 2003", created_key_wraps},
	{"created-key-trusted", "PKCS#11 4.10", created_key_trusted},
	{"generated-key-trusted", "PKCS#11 4.10", generated_key_trusted},
	{"trojan-public-key", "Clulow 2003", trojan_public_key},
	{"trojan-modulus", "Clulow 2003", trojan_modulus},
	{"trojan-by-public-key", "Delaune et al. 2008", trojan_by_public_key},
	{"exponent-one", "Clulow 2003", exponent_one},
	{"exponent-three-raw", "Boneh 1999", exponent_three_raw},
	{"readable-key-wraps", "Froeschle, Steel 2009", readable_key_wraps},
	{"read-key-hidden-later", "Froeschle, Steel 2009", read_key_hidden_later},
	{"wrapped-out-then-hidden", "Froeschle, Steel 2009", wrapped_out_then_hidden},
	{"readable-private-half", "Clulow 2003", readable_private_half},
	{"derived-from-known", "Bortolozzo et al. 2010", derived_from_known},
	{"agreed-with-attacker", "Bortolozzo et al. 2010", agreed_with_attacker},
	{"forged-origin", "PKCS#11 4.7", forged_origin},
	{"forged-history", "PKCS#11 4.10", forged_history},
	{"generated-with-value", "PKCS#11 4.10", generated_with_value},
	{0},
};
