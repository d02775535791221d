/* wrapping.c - what a blob gives away: weak keys, weak modes, keys that must not leave */
#include <string.h>

#include "steps.h"

/* A key that must not leave: neither a blob nor its length. */
static void
wrap_unextractable(void)
{
	CK_OBJECT_HANDLE key, kek, pub, priv;
	CK_ULONG len = 0;
	struct blob blob;

	client_login();
	key = key_made(CKK_AES, 32, "sensitive encrypt");
	kek = key_made(CKK_AES, 32, "sensitive wrap");
	pair_rsa(2048, "wrap", "sensitive unwrap", &pub, &priv);
	for (size_t i = 0; steps_aes_wraps[i] != NO_CLASS; i++) {
		if (!REFUSED(key_wrap(mechanism(steps_aes_wraps[i]), kek, key, &blob)))
			attack_weak("a key that is not extractable is wrapped");
		if (f->C_WrapKey(session, mechanism(steps_aes_wraps[i]), kek, key, NULL, &len) == CKR_OK)
			attack_weak("the length of a blob that must not be is told");
	}
	for (size_t i = 0; steps_rsa_wraps[i] != NO_CLASS; i++)
		if (!REFUSED(key_wrap(mechanism(steps_rsa_wraps[i]), pub, key, &blob)))
			attack_weak("a key that is not extractable is wrapped");
}

/* Without CKA_WRAP; with a key of the wrong kind; with the private half. */
static void
wrap_without_the_usage(void)
{
	CK_OBJECT_HANDLE key, target, pub, priv;
	struct blob blob;

	client_login();
	target = step_target();
	key = key_made(CKK_AES, 32, "sensitive encrypt decrypt unwrap");
	pair_rsa(2048, "encrypt verify", "sensitive decrypt unwrap sign", &pub, &priv);
	for (size_t i = 0; steps_aes_wraps[i] != NO_CLASS; i++)
		if (!REFUSED(key_wrap(mechanism(steps_aes_wraps[i]), key, target, &blob)))
			attack_weak("wrapped without CKA_WRAP, mechanism 0x%lx", (unsigned long)steps_aes_wraps[i]);
	for (size_t i = 0; steps_rsa_wraps[i] != NO_CLASS; i++)
		if (!REFUSED(key_wrap(mechanism(steps_rsa_wraps[i]), pub, target, &blob)) ||
			!REFUSED(key_wrap(mechanism(steps_rsa_wraps[i]), priv, target, &blob)))
			attack_weak("wrapped without CKA_WRAP, mechanism 0x%lx", (unsigned long)steps_rsa_wraps[i]);
}

/* Clulow 2003, 3.5: the strength of a key is that of the weakest key it leaves under. */
static void
short_key_wraps_long(void)
{
	CK_OBJECT_HANDLE kek, target;
	struct blob blob;

	client_login();
	target = step_target();
	kek = key_made(CKK_AES, 16, "sensitive wrap unwrap");
	for (size_t i = 0; steps_aes_wraps[i] != NO_CLASS; i++)
		if (!REFUSED(key_wrap(mechanism(steps_aes_wraps[i]), kek, target, &blob)))
			attack_weak("AES-128 wraps AES-256, mechanism 0x%lx", (unsigned long)steps_aes_wraps[i]);
}

static void
des_wraps(void)
{
	static const struct {
		CK_KEY_TYPE type;
		CK_MECHANISM_TYPE mechs[4];
	} tries[] = {{CKK_DES3, {CKM_DES3_CBC_PAD, CKM_DES3_CBC, CKM_DES3_ECB, NO_CLASS}},
		{CKK_DES2, {CKM_DES3_CBC_PAD, CKM_DES3_CBC, CKM_DES3_ECB, NO_CLASS}},
		{CKK_DES, {CKM_DES_CBC_PAD, CKM_DES_CBC, CKM_DES_ECB, NO_CLASS}}};
	CK_OBJECT_HANDLE kek, target;
	struct blob blob;

	client_login();
	target = step_target();
	for (size_t i = 0; i < sizeof(tries) / sizeof(tries[0]); i++) {
		if (REFUSED(key_generate(&kek, tries[i].type, 0, "sensitive wrap")))
			continue;
		for (size_t j = 0; tries[i].mechs[j] != NO_CLASS; j++)
			if (!REFUSED(key_wrap(mechanism(tries[i].mechs[j]), kek, target, &blob)))
				attack_weak("DES wraps AES-256, mechanism 0x%lx", (unsigned long)tries[i].mechs[j]);
	}
}

static void
short_rsa_wraps(void)
{
	CK_OBJECT_HANDLE pub, priv, target;
	struct templ a, b;
	struct blob blob;

	client_login();
	target = step_target();
	for (CK_ULONG bits = 512; bits <= 1024; bits += 512) {
		templ_begin(&a, CKO_PUBLIC_KEY, CKK_RSA, "wrap");
		templ_number(&a, CKA_MODULUS_BITS, bits);
		templ_bytes(&a, CKA_PUBLIC_EXPONENT, "\x01\x00\x01", 3);
		templ_begin(&b, CKO_PRIVATE_KEY, CKK_RSA, "sensitive unwrap");
		if (REFUSED(pair_generate(CKM_RSA_PKCS_KEY_PAIR_GEN, &a, &b, &pub, &priv)))
			continue;
		for (size_t i = 0; steps_rsa_wraps[i] != NO_CLASS; i++)
			if (!REFUSED(key_wrap(mechanism(steps_rsa_wraps[i]), pub, target, &blob)))
				attack_weak("RSA of %lu bits wraps AES-256", bits);
	}
}

/* A stream under one key and IV: what a known key's blob shows is the key stream for the target's. */
static void
stream_repeats(void)
{
	static const CK_MECHANISM_TYPE streams[] = {CKM_AES_CTR, CKM_AES_OFB, CKM_AES_GCM, CKM_AES_CFB8,
		CKM_AES_CFB128};
	CK_OBJECT_HANDLE kek, known, target;
	CK_BYTE value[32], guess[32];
	struct blob a, b;

	client_login();
	target = step_target();
	kek = key_made(CKK_AES, 32, "sensitive wrap");
	own_random(value, sizeof(value));
	NEED(key_import(&known, CKK_AES, value, 32, "extractable encrypt"));
	for (size_t i = 0; i < sizeof(streams) / sizeof(streams[0]); i++) {
		if (REFUSED(key_wrap(mechanism(streams[i]), kek, target, &b)) ||
			REFUSED(key_wrap(mechanism(streams[i]), kek, known, &a)))
			continue;
		attack_weak("a sensitive key is wrapped by a stream, IV of the caller's");
		for (size_t j = 0; j < 32; j++)
			guess[j] = (CK_BYTE)(a.data[j] ^ b.data[j] ^ value[j]);
		if (proof_aes(target, guess, 32))
			attack_leaked("key stream of a known key's blob, mechanism 0x%lx", (unsigned long)streams[i]);
	}
}

/* Bond, Anderson 2001 (key binding): blocks of a blob are cut out; half a key is a key, too. */
static void
half_a_blob(void)
{
	static const CK_MECHANISM_TYPE modes[] = {CKM_AES_ECB, CKM_AES_CBC, CKM_AES_CTR, CKM_AES_OFB, CKM_AES_CBC_PAD};
	CK_OBJECT_HANDLE kek, target, half;
	struct blob blob, value;

	client_login();
	target = step_target();
	kek = key_made(CKK_AES, 32, "sensitive wrap unwrap");
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (REFUSED(key_wrap(mechanism(modes[i]), kek, target, &blob)))
			continue;
		blob.len = 16;
		if (REFUSED(key_unwrap(mechanism(modes[i]), kek, &blob, CKO_SECRET_KEY, CKK_AES, "extractable encrypt", &half)))
			continue;
		attack_weak("half of AES-256 is unwrapped as AES-128, mechanism 0x%lx", (unsigned long)modes[i]);
		if (key_read(half, CKA_VALUE, &value) == CKR_OK)
			attack_weak("half of the key is readable, mechanism 0x%lx", (unsigned long)modes[i]);
	}
}

/* The halves of a 3DES key are keys by themselves: K1 K2 K3 becomes K1 K1 K1 (Clulow 2003, 2.3). */
static void
des3_halves(void)
{
	CK_OBJECT_HANDLE kek, target, half;
	struct blob blob;

	client_login();
	if (REFUSED(key_generate(&target, CKK_DES3, 0, "sensitive extractable encrypt decrypt")))
		return;
	if (REFUSED(key_generate(&kek, CKK_DES3, 0, "sensitive wrap unwrap")) ||
		REFUSED(key_wrap(mechanism(CKM_DES3_ECB), kek, target, &blob)) || blob.len < 24)
		return;
	memcpy(blob.data + 8, blob.data, 8);
	memcpy(blob.data + 16, blob.data, 8);
	if (!REFUSED(key_unwrap(mechanism(CKM_DES3_ECB), kek, &blob, CKO_SECRET_KEY, CKK_DES3, "sensitive encrypt", &half)))
		attack_weak("a third of a 3DES key is a key of single DES strength");
}

/* Blocks swapped, or the IV changed: keys that are related to the target are made from its blob. */
static void
blob_changed(void)
{
	CK_OBJECT_HANDLE kek, target, other;
	struct blob blob, changed;

	client_login();
	target = step_target();
	kek = key_made(CKK_AES, 32, "sensitive wrap unwrap");
	for (size_t i = 0; steps_aes_wraps[i] != NO_CLASS; i++) {
		CK_MECHANISM *m = mechanism(steps_aes_wraps[i]);

		if (REFUSED(key_wrap(m, kek, target, &blob)))
			continue;
		changed = blob;
		changed.data[3] ^= 1;
		if (!REFUSED(key_unwrap(m, kek, &changed, CKO_SECRET_KEY, CKK_AES, "sensitive encrypt", &other)))
			attack_weak("a changed blob is unwrapped, mechanism 0x%lx", (unsigned long)m->mechanism);
		changed = blob;
		memcpy(changed.data, blob.data + 16, 16);
		memcpy(changed.data + 16, blob.data, 16);
		if (!REFUSED(key_unwrap(m, kek, &changed, CKO_SECRET_KEY, CKK_AES, "sensitive encrypt", &other)))
			attack_weak("swapped blocks are unwrapped, mechanism 0x%lx", (unsigned long)m->mechanism);
	}
}

/* Clulow 2003: a private key under CBC is a PKCS #8 file for whoever decrypts. */
static void
private_key_as_data(void)
{
	CK_OBJECT_HANDLE kek, decrypts, pub, priv;
	struct blob blob, plain;
	CK_BYTE known[32];

	client_login();
	pair_rsa(2048, "verify", "sensitive extractable sign", &pub, &priv);
	own_random(known, sizeof(known));
	if (REFUSED(key_generate(&kek, CKK_AES, 32, "sensitive wrap decrypt")) &&
		REFUSED(key_import(&kek, CKK_AES, known, 32, "sensitive wrap decrypt")))
		return;
	decrypts = kek;
	for (size_t i = 0; steps_aes_wraps[i] != NO_CLASS; i++)
		if (!REFUSED(key_wrap(mechanism(steps_aes_wraps[i]), kek, priv, &blob)) &&
			!REFUSED(use_decrypt(mechanism(steps_aes_wraps[i]), decrypts, blob.data, blob.len, &plain)) &&
			proof_private(pub, plain.data, plain.len))
			attack_leaked("PKCS #8 by C_Decrypt, mechanism 0x%lx", (unsigned long)steps_aes_wraps[i]);
}

static void
ec_private_key_as_data(void)
{
	CK_OBJECT_HANDLE kek, pub, priv;
	struct blob blob, plain;

	client_login();
	pair_p256("verify", "sensitive extractable sign", &pub, &priv);
	if (REFUSED(key_generate(&kek, CKK_AES, 32, "sensitive wrap decrypt")))
		return;
	for (size_t i = 0; steps_aes_wraps[i] != NO_CLASS; i++)
		if (!REFUSED(key_wrap(mechanism(steps_aes_wraps[i]), kek, priv, &blob)) &&
			!REFUSED(use_decrypt(mechanism(steps_aes_wraps[i]), kek, blob.data, blob.len, &plain)) &&
			proof_private(pub, plain.data, plain.len))
			attack_leaked("PKCS #8 by C_Decrypt, mechanism 0x%lx", (unsigned long)steps_aes_wraps[i]);
}

/* CKA_WRAP_WITH_TRUSTED: under a key that is not trusted, taken away, or left out of a copy. */
static void
wrap_with_trusted(void)
{
	CK_OBJECT_HANDLE kek, target, copy;
	struct blob blob;

	client_login();
	kek = key_made(CKK_AES, 32, "sensitive wrap unwrap");
	target = key_made(CKK_AES, 32, "sensitive extractable encrypt wrap_with_trusted");
	for (size_t i = 0; steps_aes_wraps[i] != NO_CLASS; i++)
		if (!REFUSED(key_wrap(mechanism(steps_aes_wraps[i]), kek, target, &blob)))
			attack_weak("wrapped under a key that is not trusted");
	if (!REFUSED(key_set(target, "-wrap_with_trusted")))
		attack_weak("CKA_WRAP_WITH_TRUSTED is taken away");
	if (!REFUSED(key_copy(target, "-wrap_with_trusted", &copy)))
		attack_weak("a copy is without CKA_WRAP_WITH_TRUSTED");
}

/* A wrapping key whose CKA_WRAP_TEMPLATE admits other keys only; the template is changed or left out. */
static void
wrap_template(void)
{
	CK_OBJECT_HANDLE kek, target, copy;
	CK_MECHANISM m = {CKM_AES_KEY_GEN, NULL, 0};
	struct templ t, sub;
	struct blob blob;

	client_login();
	target = step_target();
	templ_begin(&sub, NO_CLASS, CKK_GENERIC_SECRET, "bare");
	templ_begin(&t, CKO_SECRET_KEY, CKK_AES, "sensitive wrap");
	templ_number(&t, CKA_VALUE_LEN, 32);
	templ_sub(&t, CKA_WRAP_TEMPLATE, &sub);
	if (REFUSED(f->C_GenerateKey(session, &m, t.a, t.n, &kek)))
		return;
	for (size_t i = 0; steps_aes_wraps[i] != NO_CLASS; i++)
		if (!REFUSED(key_wrap(mechanism(steps_aes_wraps[i]), kek, target, &blob)))
			attack_weak("what CKA_WRAP_TEMPLATE excludes is wrapped");
	templ_begin(&t, NO_CLASS, NO_CLASS, "bare");
	templ_bytes(&t, CKA_WRAP_TEMPLATE, NULL, 0);
	if (!REFUSED(f->C_SetAttributeValue(session, kek, t.a, t.n)) &&
		!REFUSED(key_wrap(mechanism(CKM_AES_KEY_WRAP), kek, target, &blob)))
		attack_weak("CKA_WRAP_TEMPLATE is emptied");
	if (!REFUSED(f->C_CopyObject(session, kek, t.a, t.n, &copy)) &&
		!REFUSED(key_wrap(mechanism(CKM_AES_KEY_WRAP), copy, target, &blob)))
		attack_weak("a copy has no CKA_WRAP_TEMPLATE");
}

/* Raw RSA has no padding: a blob is malleable, and small keys can be found (Boneh, Joux, Nguyen 2000). */
static void
raw_rsa_wraps(void)
{
	CK_OBJECT_HANDLE pub, priv, target;
	struct blob blob;

	client_login();
	target = step_target();
	pair_rsa(2048, "wrap", "sensitive unwrap", &pub, &priv);
	if (!REFUSED(key_wrap(mechanism(CKM_RSA_X_509), pub, target, &blob)))
		attack_weak("a sensitive key is wrapped by raw RSA");
}

/* ECB shows equal halves; CBC shows whether two blobs begin alike. No integrity in either. */
static void
unauthenticated_wrap(void)
{
	static const CK_MECHANISM_TYPE modes[] = {CKM_AES_ECB, CKM_AES_CBC, CKM_AES_CBC_PAD, CKM_AES_CTR, CKM_AES_OFB};
	CK_OBJECT_HANDLE kek, target;
	struct blob blob;

	client_login();
	target = step_target();
	kek = key_made(CKK_AES, 32, "sensitive wrap unwrap");
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		if (!REFUSED(key_wrap(mechanism(modes[i]), kek, target, &blob)))
			attack_weak("a sensitive key leaves without authentication, mechanism 0x%lx", (unsigned long)modes[i]);
}

const struct attack attacks_wrapping[] = {
	{"wrap-unextractable", "PKCS#11 5.18.3", wrap_unextractable},
	{"wrap-without-the-usage", "PKCS#11 5.18.3", wrap_without_the_usage},
	{"short-key-wraps-long", "Clulow 2003", short_key_wraps_long},
	{"des-wraps", "Clulow 2003", des_wraps},
	{"short-rsa-wraps", "Clulow 2003", short_rsa_wraps},
	{"stream-repeats", "NIST SP 800-38A app. B", stream_repeats},
	{"half-a-blob", "Bond, Anderson 2001", half_a_blob},
	{"des3-halves", "Clulow 2003", des3_halves},
	{"blob-changed", "Bond, Anderson 2001", blob_changed},
	{"private-key-as-data", "Clulow 2003", private_key_as_data},
	{"ec-private-key-as-data", "Clulow 2003", ec_private_key_as_data},
	{"wrap-with-trusted", "PKCS#11 4.10", wrap_with_trusted},
	{"wrap-template", "PKCS#11 4.10", wrap_template},
	{"raw-rsa-wraps", "Boneh et al. 2000", raw_rsa_wraps},
	{"unauthenticated-wrap", "Bardou et al. 2012", unauthenticated_wrap},
	{0},
};
