/* remains.c - what a token may forget to ask: who is not there, what was copied, what a guess is told */
#include <pthread.h>
#include <string.h>

#include "steps.h"

/* ---- a comparison that sees less than there is ---- */

/* Before the login nobody sees private objects, the token included: a public wrapping key unwraps there what a private key
 * of the same value was held to. */
static void
unwrapped_before_login(void)
{
	static const char *const words[] = {"public decrypt encrypt", "public sensitive decrypt encrypt"};
	CK_OBJECT_HANDLE kek, target, again;
	struct blob blob, text, plain;
	bool opened = false;

	client_login();
	target = key_made(CKK_AES, 32, "sensitive extractable encrypt token");
	kek = key_made(CKK_AES, 32, "sensitive wrap unwrap token public");
	if (!REFUSED(use_encrypt(mechanism(CKM_AES_CBC), target, "0123456789abcdef", 16, &text)) &&
		!REFUSED(key_wrap(mechanism(CKM_AES_KEY_WRAP), kek, target, &blob))) {
		NEED(f->C_Logout(session));
		for (size_t i = 0; i < 2; i++)
			opened |= !REFUSED(key_unwrap(mechanism(CKM_AES_KEY_WRAP), kek, &blob, CKO_SECRET_KEY, CKK_AES, words[i],
				&again)) && !REFUSED(use_decrypt(mechanism(CKM_AES_CBC), again, text.data, text.len, &plain));
		NEED(client_user(CKU_USER, place.pin));
	}
	f->C_DestroyObject(session, kek);
	f->C_DestroyObject(session, target);
	if (opened)
		attack_weak("a private key that only encrypts decrypts for whoever has no login");
}

/* ---- copies ---- */

/* The SO trusts a key and thinks better of it; a copy that the user made in between is trusted still. */
static void
trust_in_a_copy(void)
{
	CK_OBJECT_HANDLE key, copy = 0, target;
	CK_BYTE value[32];

	client_login();
	own_random(value, sizeof(value));
	NEED(key_import(&key, CKK_AES, value, 32, "sensitive wrap token public"));
	NEED(f->C_Logout(session));
	NEED(client_user(CKU_SO, place.so_pin));
	if (REFUSED(key_set(key, "trusted"))) {
		NEED(f->C_DestroyObject(session, key));
		return;
	}
	NEED(f->C_Logout(session));
	NEED(client_user(CKU_USER, place.pin));
	if (!REFUSED(key_copy(key, "token", &copy)) && key_is(copy, CKA_TRUSTED)) {
		NEED(f->C_Logout(session));
		NEED(client_user(CKU_SO, place.so_pin));
		NEED(key_set(key, "-trusted"));
		NEED(f->C_Logout(session));
		NEED(client_user(CKU_USER, place.pin));
		target = step_target();
		if (key_is(copy, CKA_TRUSTED))
			attack_weak("the copy is trusted after the SO took his word back");
		step_wrap_known(copy, value, 32, target);
	}
	attack_safe("the copy is not trusted");
	if (copy != 0)
		f->C_DestroyObject(session, copy);
	NEED(f->C_DestroyObject(session, key));
}

/* A trusted key that was derived is derived again, when it is gone, to decrypt. */
static void
trusted_key_derived_again(void)
{
	CK_HKDF_PARAMS p = {.bExpand = CK_TRUE, .prfHashMechanism = CKM_SHA256, .ulSaltType = CKF_HKDF_SALT_NULL,
		.pInfo = (CK_BYTE *)"kek", .ulInfoLen = 3};
	CK_MECHANISM m = {CKM_HKDF_DERIVE, &p, sizeof(p)};
	CK_OBJECT_HANDLE base, kek, again, target;
	struct blob blob;
	bool left;

	client_login();
	base = key_made(CKK_GENERIC_SECRET, 32, "sensitive derive token public");
	target = key_made(CKK_AES, 32, "sensitive extractable encrypt token");
	if (REFUSED(key_derive(&m, base, CKK_AES, 32, "sensitive wrap unwrap token public", &kek))) {
		f->C_DestroyObject(session, base);
		f->C_DestroyObject(session, target);
		return;
	}
	NEED(f->C_Logout(session));
	NEED(client_user(CKU_SO, place.so_pin));
	if (REFUSED(key_set(kek, "trusted")))
		attack_safe("the SO cannot trust it");
	NEED(f->C_Logout(session));
	NEED(client_user(CKU_USER, place.pin));
	left = !REFUSED(key_wrap(mechanism(CKM_AES_KEY_WRAP), kek, target, &blob));
	NEED(f->C_DestroyObject(session, kek));
	if (left && !REFUSED(key_derive(&m, base, CKK_AES, 32, "sensitive decrypt", &again)))
		step_decrypt(CKM_AES_KEY_WRAP, again, &blob, target);
	f->C_DestroyObject(session, base);
	f->C_DestroyObject(session, target);
}

/* The password in the answer to C_Sign. */
static bool
get_password(struct blob *answer, CK_BYTE **password, CK_ULONG *len)
{
	CK_OTP_SIGNATURE_INFO info;

	if (answer->len < sizeof(info))
		return false;
	memcpy(&info, answer->data, sizeof(info));
	for (CK_ULONG i = 0; i < info.ulCount; i++)
		if (info.pParams[i].type == CK_OTP_VALUE) {
			*password = info.pParams[i].pValue;
			*len = info.pParams[i].ulValueLen;
			return true;
		}
	return false;
}

/* A copy of a one-time password key has a counter of its own, and makes the passwords that the first will make. */
static void
passwords_in_a_copy(void)
{
	CK_MECHANISM gen = {CKM_HOTP_KEY_GEN, NULL, 0}, m = {CKM_HOTP, NULL, 0};
	CK_BYTE counter[8] = {0};
	CK_OBJECT_HANDLE key, copy;
	CK_BYTE *one, *other;
	CK_ULONG len, other_len;
	struct templ t;
	struct blob ours, theirs;

	client_login();
	templ_begin(&t, CKO_OTP_KEY, CKK_HOTP, "bare private sensitive sign");
	templ_number(&t, CKA_VALUE_LEN, 20);
	templ_bytes(&t, CKA_OTP_COUNTER, counter, sizeof(counter));
	client_mechanism = gen.mechanism;
	if (REFUSED(f->C_GenerateKey(session, &gen, t.a, t.n, &key)) || REFUSED(key_copy(key, "bare", &copy)))
		return;
	if (!REFUSED(use_sign(&m, copy, "", 0, &ours)) && !REFUSED(use_sign(&m, key, "", 0, &theirs)) &&
		get_password(&ours, &one, &len) && get_password(&theirs, &other, &other_len) && len == other_len &&
		memcmp(one, other, len) == 0)
		attack_weak("a one-time password is made twice");
}

#define AT_ONCE 40
struct signer {
	CK_SESSION_HANDLE session;
	CK_OBJECT_HANDLE key;
	char made[AT_ONCE][9];
	int n;
};

static void *
sign_passwords(void *arg)
{
	CK_MECHANISM m = {CKM_HOTP, NULL, 0};
	struct signer *s = arg;
	struct blob answer;
	CK_BYTE *password;
	CK_ULONG len;

	for (int i = 0; i < AT_ONCE; i++) {
		answer.len = BLOB_MAX;
		if (f->C_SignInit(s->session, &m, s->key) == CKR_OK &&
			f->C_Sign(s->session, (CK_BYTE *)"", 0, answer.data, &answer.len) == CKR_OK &&
			get_password(&answer, &password, &len) && len == 8)
			memcpy(s->made[s->n++], password, 8);
	}
	return NULL;
}

/* Two sessions sign with one key at the same time: no counter is spent twice. */
static void
passwords_at_once(void)
{
	CK_MECHANISM gen = {CKM_HOTP_KEY_GEN, NULL, 0};
	CK_BYTE counter[8] = {0};
	struct templ t;

	client_login();
	for (int token = 0; token < 2; token++) {
		struct signer s[2] = {{.session = session}, {0}};
		pthread_t thread;

		templ_begin(&t, CKO_OTP_KEY, CKK_HOTP, token ? "bare private sensitive sign token" : "bare private sensitive sign");
		templ_number(&t, CKA_VALUE_LEN, 20);
		templ_number(&t, CKA_OTP_LENGTH, 8);
		templ_bytes(&t, CKA_OTP_COUNTER, counter, sizeof(counter));
		client_mechanism = gen.mechanism;
		if (REFUSED(f->C_GenerateKey(session, &gen, t.a, t.n, &s[0].key)))
			return;
		s[1].key = s[0].key;
		NEED(client_open(CKF_RW_SESSION, &s[1].session));
		NEED(pthread_create(&thread, NULL, sign_passwords, &s[1]) == 0 ? CKR_OK : CKR_GENERAL_ERROR);
		sign_passwords(&s[0]);
		pthread_join(thread, NULL);
		f->C_DestroyObject(session, s[0].key);
		for (int i = 0; i < s[0].n; i++)
			for (int j = 0; j < s[1].n; j++)
				if (memcmp(s[0].made[i], s[1].made[j], 8) == 0)
					attack_weak("a one-time password is made twice by two sessions");
		attack_safe("%d and %d passwords, none twice", s[0].n, s[1].n);
	}
}

/* ---- short secrets ---- */

/* Two bytes that can do nothing but leave. Each blob of a guess, and each guess of a check value, asks whether it is right;
 * the judge knows the answer. */
static void
short_secret_asked_for(void)
{
	CK_OBJECT_HANDLE kek, key, guess;
	CK_BYTE value[2] = {0x5a, 0xa5}, other[2] = {0x12, 0x34}, kcv[20];
	struct blob blob, of_right, of_wrong;
	CK_RV rv[2];
	bool differs = false;

	client_login();
	kek = key_made(CKK_AES, 32, "sensitive wrap unwrap");
	NEED(key_import(&key, CKK_GENERIC_SECRET, value, 2, "sensitive extractable"));
	if (!REFUSED(key_wrap(mechanism(CKM_AES_KEY_WRAP_KWP), kek, key, &blob)))
		for (int i = 0; i < 2; i++) {
			struct templ t;

			NEED(own_sha1(i == 0 ? value : other, 2, kcv) ? CKR_OK : CKR_GENERAL_ERROR);
			templ_begin(&t, CKO_SECRET_KEY, CKK_GENERIC_SECRET, "sensitive");
			templ_bytes(&t, CKA_CHECK_VALUE, kcv, 3);
			rv[i] = key_unwrap_as(mechanism(CKM_AES_KEY_WRAP_KWP), kek, &blob, &t, &guess);
			attack_refused(rv[i], "C_UnwrapKey");
			if (i == 1 && rv[0] != rv[1])
				attack_weak("the check value in a template tells what was unwrapped");
		}
	NEED(key_import(&guess, CKK_GENERIC_SECRET, value, 2, "extractable"));
	NEED(key_wrap(mechanism(CKM_AES_KEY_WRAP_KWP), kek, guess, &of_right));
	f->C_DestroyObject(session, guess);
	NEED(key_import(&guess, CKK_GENERIC_SECRET, other, 2, "extractable"));
	NEED(key_wrap(mechanism(CKM_AES_KEY_WRAP_KWP), kek, guess, &of_wrong));
	f->C_DestroyObject(session, guess);
	for (int i = 0; i < 2; i++) {
		CK_OBJECT_HANDLE one = 0, two = 0;
		const char *words = i == 0 ? "sensitive sign" : "sensitive extractable sign verify";

		rv[0] = key_unwrap(mechanism(CKM_AES_KEY_WRAP_KWP), kek, &of_right, CKO_SECRET_KEY, CKK_GENERIC_SECRET, words,
			&one);
		rv[1] = key_unwrap(mechanism(CKM_AES_KEY_WRAP_KWP), kek, &of_wrong, CKO_SECRET_KEY, CKK_GENERIC_SECRET, words,
			&two);
		differs |= rv[0] != rv[1] || (rv[0] == CKR_OK && (key_is(one, CKA_SIGN) != key_is(two, CKA_SIGN) ||
			key_is(one, CKA_EXTRACTABLE) != key_is(two, CKA_EXTRACTABLE)));
	}
	attack_safe("every guess looks the same");
	if (differs)
		attack_weak("an unwrapped guess is treated otherwise when it is right");
}

/* ---- templates that say two things ---- */

static void
said_twice(void)
{
	static CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
	static const CK_ATTRIBUTE_TYPE types[] = {CKA_SENSITIVE, CKA_EXTRACTABLE, CKA_PRIVATE, CKA_WRAP, CKA_DECRYPT};
	CK_MECHANISM gen = {CKM_AES_KEY_GEN, NULL, 0};
	CK_OBJECT_HANDLE key;
	struct templ t;
	struct blob b;

	client_login();
	client_mechanism = gen.mechanism;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		for (int first = 0; first < 2; first++) {
			templ_begin(&t, CKO_SECRET_KEY, CKK_AES, "bare private sensitive");
			templ_number(&t, CKA_VALUE_LEN, 32);
			templ_bytes(&t, types[i], first ? &yes : &no, 1);
			templ_bytes(&t, types[i], first ? &no : &yes, 1);
			if (!REFUSED(f->C_GenerateKey(session, &gen, t.a, t.n, &key)))
				attack_weak("a template that says attribute 0x%lx twice", (unsigned long)types[i]);
		}
	key = key_made(CKK_AES, 32, "sensitive encrypt");
	for (int first = 0; first < 2; first++) {
		templ_begin(&t, NO_CLASS, NO_CLASS, "bare");
		templ_bytes(&t, CKA_SENSITIVE, first ? &yes : &no, 1);
		templ_bytes(&t, CKA_SENSITIVE, first ? &no : &yes, 1);
		templ_bytes(&t, CKA_EXTRACTABLE, first ? &no : &yes, 1);
		if (!REFUSED(f->C_SetAttributeValue(session, key, t.a, t.n)) &&
			(!key_is(key, CKA_SENSITIVE) || key_is(key, CKA_EXTRACTABLE)))
			attack_weak("changed by a template that says it twice");
	}
	if (key_read(key, CKA_VALUE, &b) == CKR_OK)
		attack_leaked("CKA_VALUE");
}

/* CKA_UNWRAP_TEMPLATE says FALSE, the policy TRUE. */
static void
template_against_policy(void)
{
	static CK_BBOOL no = CK_FALSE, yes = CK_TRUE;
	CK_MECHANISM gen = {CKM_AES_KEY_GEN, NULL, 0};
	CK_OBJECT_HANDLE kek, target, again;
	struct templ t, sub, deep;
	struct blob blob;

	client_login();
	target = step_target();
	for (int nested = 0; nested < 2; nested++) {
		templ_begin(&deep, NO_CLASS, NO_CLASS, "bare");
		templ_bytes(&deep, CKA_SENSITIVE, &no, 1);
		templ_begin(&sub, NO_CLASS, NO_CLASS, "bare");
		templ_bytes(&sub, CKA_SENSITIVE, nested ? &yes : &no, 1);
		templ_bytes(&sub, CKA_EXTRACTABLE, &yes, 1);
		if (nested)
			templ_sub(&sub, CKA_UNWRAP_TEMPLATE, &deep);
		templ_begin(&t, CKO_SECRET_KEY, CKK_AES, "sensitive wrap unwrap");
		templ_number(&t, CKA_VALUE_LEN, 32);
		templ_sub(&t, CKA_UNWRAP_TEMPLATE, &sub);
		client_mechanism = gen.mechanism;
		if (REFUSED(f->C_GenerateKey(session, &gen, t.a, t.n, &kek)) ||
			REFUSED(key_wrap(mechanism(CKM_AES_KEY_WRAP), kek, target, &blob)))
			continue;
		if (!REFUSED(key_unwrap(mechanism(CKM_AES_KEY_WRAP), kek, &blob, CKO_SECRET_KEY, CKK_AES,
			"bare encrypt", &again)))
			step_read(again, target, "by the template of the wrapping key");
	}
}

const struct attack attacks_remains[] = {
	{"unwrapped-before-login", "Delaune et al. 2008", unwrapped_before_login},
	{"trust-in-a-copy", "PKCS#11 4.10", trust_in_a_copy},
	{"trusted-key-derived-again", "Delaune et al. 2008", trusted_key_derived_again},
	{"passwords-in-a-copy", "RFC 4226 7.2", passwords_in_a_copy},
	{"passwords-at-once", "RFC 4226 7.2", passwords_at_once},
	{"short-secret-asked-for", "Froeschle, Steel 2009", short_secret_asked_for},
	{"said-twice", "PKCS#11 4.1.1", said_twice},
	{"template-against-policy", "PKCS#11 4.10", template_against_policy},
	{0},
};
