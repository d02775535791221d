/* attribute.c - what stands in an object's attributes is changed, copied away or said twice */
#include <string.h>

#include "steps.h"

/* PKCS#11 3.1 4.1.1 notes 11, 12: CKA_SENSITIVE stays true, CKA_EXTRACTABLE stays false. */
static void
sensitive_off(void)
{
	CK_OBJECT_HANDLE key, copy;

	client_login();
	key = step_target();
	if (!REFUSED(key_set(key, "-sensitive")))
		step_read(key, key, "CKA_SENSITIVE set to FALSE");
	if (!REFUSED(key_copy(key, "-sensitive", &copy)))
		step_read(copy, key, "copied with CKA_SENSITIVE FALSE");
	if (!REFUSED(key_copy(key, "-sensitive token", &copy))) {
		step_read(copy, key, "copied to the token");
		f->C_DestroyObject(session, copy);
	}
	if (!REFUSED(key_copy(key, "-sensitive public", &copy)))
		step_read(copy, key, "copied as a public object");
}

static void
extractable_on(void)
{
	CK_OBJECT_HANDLE key, copy;

	client_login();
	key = key_made(CKK_AES, 32, "sensitive encrypt");
	if (!REFUSED(key_set(key, "extractable")) && key_is(key, CKA_EXTRACTABLE))
		attack_weak("CKA_EXTRACTABLE is set");
	if (!REFUSED(key_copy(key, "extractable", &copy)) && key_is(copy, CKA_EXTRACTABLE))
		attack_weak("a copy is extractable");
	key = key_made(CKK_AES, 32, "encrypt");
	if (!REFUSED(key_set(key, "extractable")))
		step_read(key, key, "CKA_EXTRACTABLE set");
}

static void
private_key_exposed(void)
{
	CK_OBJECT_HANDLE pub, priv, copy;
	struct blob b;

	client_login();
	pair_rsa(2048, "verify", "sensitive sign", &pub, &priv);
	if (!REFUSED(key_set(priv, "-sensitive")) || !REFUSED(key_set(priv, "extractable")))
		attack_weak("a private key's CKA_SENSITIVE or CKA_EXTRACTABLE is changed");
	if (!REFUSED(key_copy(priv, "-sensitive extractable", &copy)) && key_read(copy, CKA_PRIVATE_EXPONENT, &b) == CKR_OK)
		attack_leaked("a copy shows CKA_PRIVATE_EXPONENT");
}

/* Booleans that are neither, of odd length, or given twice: what is read and what is enforced must agree. */
static void
odd_booleans(void)
{
	static CK_BYTE odd[] = {0xff, 2, 0x80};
	static CK_ULONG wide_true = CK_TRUE;
	CK_BBOOL truth = CK_TRUE, lie = CK_FALSE;
	CK_OBJECT_HANDLE key;
	CK_BYTE value[32] = {5};
	struct templ t;
	struct blob b;

	client_login();
	for (size_t i = 0; i < 5; i++) {
		templ_begin(&t, CKO_SECRET_KEY, CKK_AES, "bare encrypt");
		templ_bytes(&t, CKA_VALUE, value, 32);
		if (i < 3)
			templ_bytes(&t, CKA_SENSITIVE, odd + i, 1);
		else if (i == 3)
			templ_bytes(&t, CKA_SENSITIVE, &wide_true, sizeof(wide_true));
		else {
			templ_bytes(&t, CKA_SENSITIVE, &truth, 1);
			templ_bytes(&t, CKA_SENSITIVE, &lie, 1);
		}
		templ_bytes(&t, CKA_EXTRACTABLE, &truth, 1);
		if (REFUSED(key_create(&key, &t)))
			continue;
		attack_safe("taken as what it then is");
		if (key_read(key, CKA_VALUE, &b) == CKR_OK)
			attack_weak("CKA_SENSITIVE given oddly leaves the key readable");
	}
}

/* C_CopyObject with CKA_PRIVATE FALSE would show a private object to whoever is not logged in. */
static void
private_off(void)
{
	CK_OBJECT_HANDLE key, copy;

	client_login();
	key = key_made(CKK_AES, 32, "sensitive encrypt");
	if (!REFUSED(key_copy(key, "public", &copy)) && !key_is(copy, CKA_PRIVATE))
		attack_weak("a copy of a private key is public");
	if (!REFUSED(key_set(key, "-private")) && !key_is(key, CKA_PRIVATE))
		attack_weak("a private key is made public");
}

/* Class and type are part of what the rules go by. */
static void
class_changed(void)
{
	CK_OBJECT_HANDLE key, copy;
	struct templ t;

	client_login();
	key = step_target();
	for (int i = 0; i < 3; i++) {
		templ_begin(&t, i == 0 ? CKO_DATA : NO_CLASS, i == 1 ? CKK_GENERIC_SECRET : NO_CLASS, "bare");
		if (i == 2)
			templ_number(&t, CKA_CLASS, CKO_PUBLIC_KEY);
		if (!REFUSED(f->C_CopyObject(session, key, t.a, t.n, &copy))) {
			attack_weak("a copy has another class or type");
			step_read(copy, key, "copied to another class");
		}
		if (!REFUSED(f->C_SetAttributeValue(session, key, t.a, t.n))) {
			attack_weak("class or type is changed");
			step_read(key, key, "changed to another class");
		}
	}
}

/* A part of the value overwritten or cut off leaves a key of which the attacker knows more. */
static void
value_changed(void)
{
	CK_OBJECT_HANDLE key, copy;
	CK_BYTE value[32] = {0};
	struct templ t;

	client_login();
	key = key_made(CKK_AES, 32, "sensitive wrap unwrap");
	for (int i = 0; i < 3; i++) {
		templ_begin(&t, NO_CLASS, NO_CLASS, "bare");
		if (i == 0)
			templ_bytes(&t, CKA_VALUE, value, 32);
		else
			templ_number(&t, CKA_VALUE_LEN, i == 1 ? 1 : 16);
		if (!REFUSED(f->C_SetAttributeValue(session, key, t.a, t.n)))
			attack_weak("the value of a sensitive key is changed");
		if (!REFUSED(f->C_CopyObject(session, key, t.a, t.n, &copy)))
			attack_weak("a copy of a sensitive key has another value");
	}
}

/* Each usage alone: none may be added later, by either call (Bortolozzo et al. 2010). */
static void
usage_added(void)
{
	static const char *const usages[] = {"encrypt", "decrypt", "sign", "verify", "wrap", "unwrap", "derive"};
	static const CK_ATTRIBUTE_TYPE types[] = {CKA_ENCRYPT, CKA_DECRYPT, CKA_SIGN, CKA_VERIFY, CKA_WRAP, CKA_UNWRAP,
		CKA_DERIVE};
	CK_OBJECT_HANDLE key, copy;

	client_login();
	key = key_made(CKK_AES, 32, "sensitive");
	for (size_t i = 0; i < 7; i++) {
		if (!REFUSED(key_copy(key, usages[i], &copy)) && key_is(copy, types[i]))
			attack_weak("a copy may %s", usages[i]);
		if (!REFUSED(key_set(key, usages[i])) && key_is(key, types[i]))
			attack_weak("%s is added", usages[i]);
	}
}

static void
private_usage_added(void)
{
	static const char *const usages[] = {"decrypt", "sign_recover", "unwrap", "derive"};
	CK_OBJECT_HANDLE pub, priv, copy;

	client_login();
	pair_rsa(2048, "verify", "sensitive sign -sign_recover", &pub, &priv);
	for (size_t i = 0; i < 4; i++) {
		if (!REFUSED(key_copy(priv, usages[i], &copy)))
			attack_weak("a copy of a private key may %s", usages[i]);
		if (!REFUSED(key_set(priv, usages[i])))
			attack_weak("%s is added to a private key", usages[i]);
	}
}

/* CKA_ALLOWED_MECHANISMS: another mechanism, another way in, a list changed or left out. */
static void
allowed_mechanisms(void)
{
	CK_OBJECT_HANDLE key, copy;
	CK_MECHANISM m = {CKM_AES_KEY_GEN, NULL, 0};
	CK_MECHANISM_TYPE only[] = {CKM_AES_CBC}, more[] = {CKM_AES_CBC, CKM_AES_ECB};
	struct templ t;
	struct blob out;

	client_login();
	templ_begin(&t, CKO_SECRET_KEY, CKK_AES, "sensitive extractable encrypt sign wrap");
	templ_number(&t, CKA_VALUE_LEN, 32);
	templ_bytes(&t, CKA_ALLOWED_MECHANISMS, only, sizeof(only));
	if (REFUSED(f->C_GenerateKey(session, &m, t.a, t.n, &key)))
		return;
	if (!REFUSED(use_encrypt(mechanism(CKM_AES_ECB), key, "0123456789abcdef", 16, &out)) ||
		!REFUSED(use_sign(mechanism(CKM_AES_CMAC), key, "x", 1, &out)) ||
		!REFUSED(key_wrap(mechanism(CKM_AES_KEY_WRAP), key, step_target(), &out)))
		attack_weak("a mechanism that is not allowed");
	for (int i = 0; i < 2; i++) {
		templ_begin(&t, NO_CLASS, NO_CLASS, "bare");
		templ_bytes(&t, CKA_ALLOWED_MECHANISMS, more, i == 0 ? sizeof(more) : 0);
		if (!REFUSED(f->C_CopyObject(session, key, t.a, t.n, &copy)) &&
			!REFUSED(use_encrypt(mechanism(CKM_AES_ECB), copy, "0123456789abcdef", 16, &out)))
			attack_weak("a copy has another CKA_ALLOWED_MECHANISMS");
		if (!REFUSED(f->C_SetAttributeValue(session, key, t.a, t.n)) &&
			!REFUSED(use_encrypt(mechanism(CKM_AES_ECB), key, "0123456789abcdef", 16, &out)))
			attack_weak("CKA_ALLOWED_MECHANISMS is changed");
	}
}

/* CKA_COPYABLE, CKA_MODIFIABLE, CKA_DESTROYABLE FALSE are promises. */
static void
copyable(void)
{
	CK_OBJECT_HANDLE key, copy;

	client_login();
	if (REFUSED(key_generate(&key, CKK_AES, 32, "sensitive encrypt -copyable")))
		return;
	if (!REFUSED(key_copy(key, "", &copy)))
		attack_weak("copied all the same");
	if (!REFUSED(key_set(key, "copyable")) && !REFUSED(key_copy(key, "", &copy)))
		attack_weak("CKA_COPYABLE is set again");
}

static void
modifiable(void)
{
	CK_OBJECT_HANDLE key, copy;
	struct templ t;

	client_login();
	if (REFUSED(key_generate(&key, CKK_AES, 32, "sensitive encrypt -modifiable")))
		return;
	templ_begin(&t, NO_CLASS, NO_CLASS, "bare");
	templ_bytes(&t, CKA_LABEL, "another", 7);
	if (!REFUSED(f->C_SetAttributeValue(session, key, t.a, t.n)))
		attack_weak("changed all the same");
	if (!REFUSED(key_set(key, "modifiable")) && !REFUSED(f->C_SetAttributeValue(session, key, t.a, t.n)))
		attack_weak("CKA_MODIFIABLE is set again");
	/* a copy may be modifiable (PKCS#11 3.1 5.7.2), but not less restricted for it */
	if (!REFUSED(key_copy(key, "modifiable", &copy)) && !REFUSED(key_set(copy, "decrypt")) && key_is(copy, CKA_DECRYPT))
		attack_weak("a modifiable copy gets more usages");
}

static void
destroyable(void)
{
	CK_OBJECT_HANDLE key;

	client_login();
	if (REFUSED(key_generate(&key, CKK_AES, 32, "sensitive encrypt -destroyable")))
		return;
	if (!REFUSED(f->C_DestroyObject(session, key)))
		attack_weak("destroyed all the same");
	if (!REFUSED(key_set(key, "destroyable")) && !REFUSED(f->C_DestroyObject(session, key)))
		attack_weak("CKA_DESTROYABLE is set again");
}

/* CKA_ALWAYS_AUTHENTICATE: taken away, or not in a copy. */
static void
always_authenticate_off(void)
{
	CK_OBJECT_HANDLE pub, priv, copy;
	struct blob sig;

	client_login();
	pair_rsa(2048, "verify", "sensitive sign always_authenticate", &pub, &priv);
	if (!key_is(priv, CKA_ALWAYS_AUTHENTICATE))
		attack_weak("CKA_ALWAYS_AUTHENTICATE is not kept");
	if (!REFUSED(key_set(priv, "-always_authenticate")))
		attack_weak("CKA_ALWAYS_AUTHENTICATE is taken away");
	if (!REFUSED(key_copy(priv, "-always_authenticate", &copy)) &&
		!REFUSED(use_sign(mechanism(CKM_SHA256_RSA_PKCS), copy, "x", 1, &sig)))
		attack_weak("a copy signs without the PIN");
	if (!REFUSED(key_copy(priv, "", &copy)) && !REFUSED(use_sign(mechanism(CKM_SHA256_RSA_PKCS), copy, "x", 1, &sig)))
		attack_weak("a plain copy signs without the PIN");
}

/* A certificate is trusted by the SO's word only, and what it says does not change afterwards. */
static void
certificate_trust(void)
{
	static const CK_BYTE der[] = {0x30, 0x03, 0x02, 0x01, 0x01};
	static const CK_BYTE name[] = {0x30, 0x00};
	CK_OBJECT_HANDLE cert;
	struct templ t;

	client_login();
	for (int i = 0; i < 2; i++) {
		templ_begin(&t, CKO_CERTIFICATE, NO_CLASS, i == 0 ? "bare trusted" : "bare");
		templ_number(&t, CKA_CERTIFICATE_TYPE, CKC_X_509);
		templ_bytes(&t, CKA_SUBJECT, name, sizeof(name));
		templ_bytes(&t, CKA_ISSUER, name, sizeof(name));
		templ_bytes(&t, CKA_SERIAL_NUMBER, der + 2, 3);
		templ_bytes(&t, CKA_VALUE, der, sizeof(der));
		if (REFUSED(key_create(&cert, &t)))
			continue;
		if (i == 0 && key_is(cert, CKA_TRUSTED))
			attack_weak("the user creates a trusted certificate");
		if (!REFUSED(key_set(cert, "trusted")) && key_is(cert, CKA_TRUSTED))
			attack_weak("the user makes a certificate trusted");
		templ_begin(&t, NO_CLASS, NO_CLASS, "bare");
		templ_bytes(&t, CKA_VALUE, name, sizeof(name));
		if (!REFUSED(f->C_SetAttributeValue(session, cert, t.a, t.n)))
			attack_weak("a certificate's bytes are exchanged");
	}
}

const struct attack attacks_attribute[] = {
	{"sensitive-off", "PKCS#11 4.1.1", sensitive_off},
	{"extractable-on", "PKCS#11 4.1.1", extractable_on},
	{"private-key-exposed", "PKCS#11 4.1.1", private_key_exposed},
	{"odd-booleans", "PKCS#11 4.1.1", odd_booleans},
	{"private-off", "PKCS#11 5.7.2", private_off},
	{"class-changed", "PKCS#11 5.7.2", class_changed},
	{"value-changed", "PKCS#11 4.1.1", value_changed},
	{"usage-added", "Bortolozzo et al. 2010", usage_added},
	{"private-usage-added", "Bortolozzo et al. 2010", private_usage_added},
	{"allowed-mechanisms", "PKCS#11 4.7", allowed_mechanisms},
	{"copyable", "PKCS#11 4.4", copyable},
	{"modifiable", "PKCS#11 4.4", modifiable},
	{"destroyable", "PKCS#11 4.4", destroyable},
	{"always-authenticate-off", "PKCS#11 4.9", always_authenticate_off},
	{"certificate-trust", "PKCS#11 4.6.2", certificate_trust},
	{0},
};
