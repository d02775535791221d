/* combined.c - chains of several calls or mechanisms, each harmless alone */
#include <openssl/evp.h>
#include <string.h>

#include "steps.h"

/* ---- a padding oracle makes a block cipher ---- */

/* What AES decryption makes of one block, by C_UnwrapKey's answers under CBC with padding (Vaudenay 2002, 3.2). */
static bool
block_by_padding(CK_OBJECT_HANDLE kek, const CK_BYTE block[16], CK_BYTE out[16])
{
	struct blob two = {.len = 32};
	CK_OBJECT_HANDLE key;

	memcpy(two.data + 16, block, 16);
	for (int at = 15; at >= 0; at--) {
		CK_BYTE pad = (CK_BYTE)(16 - at);
		unsigned guess;

		for (int i = at + 1; i < 16; i++)
			two.data[i] = out[i] ^ pad;
		for (guess = 0; guess < 256; guess++) {
			two.data[at] = (CK_BYTE)guess;
			if (key_unwrap(mechanism(CKM_AES_CBC_PAD), kek, &two, CKO_SECRET_KEY, CKK_GENERIC_SECRET, "sensitive",
				&key) != CKR_OK)
				continue;
			f->C_DestroyObject(session, key);
			if (at < 15)
				break;
			/* it could be 2 2: another byte before the last must not matter */
			two.data[14] ^= 0x5a;
			if (key_unwrap(mechanism(CKM_AES_CBC_PAD), kek, &two, CKO_SECRET_KEY, CKK_GENERIC_SECRET,
				"sensitive", &key) == CKR_OK) {
				f->C_DestroyObject(session, key);
				break;
			}
		}
		if (guess == 256)
			return false;
		out[at] = (CK_BYTE)guess ^ pad;
	}
	return true;
}

/* Bardou et al. 2012 applied to RFC 3394: the wrapping key that only unwraps decrypts its own blobs. A target of 128
 * bits takes 12 blocks, some 25,000 calls. */
static void
cbc_unwrap_opens_key_wrap(void)
{
	CK_OBJECT_HANDLE kek, target;
	struct blob blob;
	CK_BYTE a[16], r[2][8], plain[16];

	client_login();
	target = key_made(CKK_AES, 16, "sensitive extractable encrypt");
	kek = key_made(CKK_AES, 32, "sensitive wrap unwrap");
	if (REFUSED(key_wrap(mechanism(CKM_AES_KEY_WRAP), kek, target, &blob)) || blob.len != 24)
		return;
	memcpy(a, blob.data, 8);
	memcpy(r, blob.data + 8, 16);
	for (int j = 5; j >= 0; j--)
		for (int i = 1; i >= 0; i--) {
			a[7] ^= (CK_BYTE)(2 * j + i + 1);
			memcpy(a + 8, r[i], 8);
			if (!block_by_padding(kek, a, plain)) {
				attack_safe("C_UnwrapKey with CBC tells nothing");
				return;
			}
			memcpy(a, plain, 8);
			memcpy(r[i], plain + 8, 8);
		}
	memcpy(plain, r, 16);
	if (proof_aes(target, plain, 16))
		attack_leaked("RFC 3394 undone block by block through CBC's padding");
}

/* ---- trust ---- */

/* A wrapping key on the token that the SO trusts. He sees public objects only. */
static bool
trusted_key(const char *words, CK_OBJECT_HANDLE *key)
{
	NEED(key_generate(key, CKK_AES, 32, words));
	NEED(f->C_Logout(session));
	NEED(client_user(CKU_SO, place.so_pin));
	if (REFUSED(key_set(*key, "trusted")))
		attack_safe("the SO cannot trust it");
	NEED(f->C_Logout(session));
	NEED(client_user(CKU_USER, place.pin));
	return key_is(*key, CKA_TRUSTED);
}

/* A trusted key that is extractable leaves under another and comes back to decrypt. */
static void
trusted_key_leaves(void)
{
	CK_OBJECT_HANDLE trusted, outer, again, target;
	struct blob blob, of_trusted;

	client_login();
	if (!trusted_key("sensitive extractable wrap unwrap token public", &trusted)) {
		f->C_DestroyObject(session, trusted);
		return;
	}
	target = step_target();
	outer = key_made(CKK_AES, 32, "sensitive wrap unwrap");
	for (size_t i = 0; steps_aes_wraps[i] != NO_CLASS; i++) {
		CK_MECHANISM_TYPE type = steps_aes_wraps[i];
		bool both = !REFUSED(key_wrap(mechanism(type), trusted, target, &blob)) &&
			!REFUSED(key_wrap(mechanism(type), outer, trusted, &of_trusted));

		if (both && !REFUSED(key_unwrap(mechanism(type), outer, &of_trusted, CKO_SECRET_KEY, CKK_AES,
				"sensitive decrypt encrypt", &again))) {
			f->C_DestroyObject(session, trusted);
			step_decrypt(type, again, &blob, target);
			return;
		}
	}
	f->C_DestroyObject(session, trusted);
}

/* CKA_WRAP_WITH_TRUSTED is lost on the way through a trusted key's blob; what comes back leaves under any. */
static void
with_trusted_dropped(void)
{
	CK_OBJECT_HANDLE trusted, target, again, kek;
	struct blob blob, second;

	client_login();
	target = key_made(CKK_AES, 32, "sensitive extractable encrypt wrap_with_trusted token");
	if (trusted_key("sensitive wrap unwrap token public", &trusted)) {
		kek = key_made(CKK_AES, 32, "sensitive wrap unwrap");
		if (!REFUSED(key_wrap(mechanism(CKM_AES_KEY_WRAP), trusted, target, &blob)) &&
			!REFUSED(key_unwrap(mechanism(CKM_AES_KEY_WRAP), trusted, &blob, CKO_SECRET_KEY, CKK_AES,
				"sensitive extractable encrypt", &again)) &&
			!REFUSED(key_wrap(mechanism(CKM_AES_KEY_WRAP), kek, again, &second)))
			attack_weak("unwrapped without CKA_WRAP_WITH_TRUSTED, it leaves under a key that is not trusted");
	}
	f->C_DestroyObject(session, trusted);
	f->C_DestroyObject(session, target);
}

/* CKA_ALWAYS_AUTHENTICATE is lost the same way. */
static void
always_authenticate_dropped(void)
{
	CK_OBJECT_HANDLE pub, priv, kek, again;
	struct blob blob, sig;

	client_login();
	pair_p256("verify", "sensitive extractable sign always_authenticate", &pub, &priv);
	kek = key_made(CKK_AES, 32, "sensitive wrap unwrap");
	for (size_t i = 0; steps_aes_wraps[i] != NO_CLASS; i++) {
		CK_MECHANISM_TYPE type = steps_aes_wraps[i];

		if (REFUSED(key_wrap(mechanism(type), kek, priv, &blob)) ||
			REFUSED(key_unwrap(mechanism(type), kek, &blob, CKO_PRIVATE_KEY, CKK_EC, "sensitive sign", &again)))
			continue;
		if (!REFUSED(use_sign(mechanism(CKM_ECDSA), again, "0123456789abcdef0123456789abcdef", 32, &sig)))
			attack_weak("the unwrapped key signs without the PIN");
		break;
	}
}

/* ---- keys that look made by the token ---- */

/* PBKDF2 "generates" a key, but the password is the caller's. */
static void
password_key_wraps(void)
{
	static CK_BYTE salt[8] = "saltsalt", password[] = "password";
	CK_PKCS5_PBKD2_PARAMS2 p = {.saltSource = 1, .pSaltSourceData = salt, .ulSaltSourceDataLen = sizeof(salt),
		.iterations = 10000, .prf = CKP_PKCS5_PBKD2_HMAC_SHA256, .pPassword = password, .ulPasswordLen = 8};
	CK_MECHANISM m = {CKM_PKCS5_PBKD2, &p, sizeof(p)};
	CK_OBJECT_HANDLE key;
	CK_BYTE value[32];
	struct templ t;

	client_login();
	templ_begin(&t, CKO_SECRET_KEY, CKK_AES, "sensitive wrap");
	templ_number(&t, CKA_VALUE_LEN, 32);
	client_mechanism = m.mechanism;
	if (REFUSED(f->C_GenerateKey(session, &m, t.a, t.n, &key)))
		return;
	NEED(PKCS5_PBKDF2_HMAC("password", 8, salt, sizeof(salt), 10000, EVP_sha256(), 32, value) == 1 ? CKR_OK :
		CKR_GENERAL_ERROR);
	step_wrap_known(key, value, 32, step_target());
}

/* Attributes of the module's own, in which it may keep what it knows of a key: given from outside. */
static void
own_attributes(void)
{
	static const CK_ATTRIBUTE_TYPE bases[] = {CKA_VENDOR_DEFINED, CKA_VENDOR_DEFINED | 0x544B0000UL};
	CK_OBJECT_HANDLE key, copy;
	CK_MECHANISM gen = {CKM_AES_KEY_GEN, NULL, 0};
	struct templ t, sub;
	CK_BYTE value[32];
	struct blob b;

	client_login();
	own_random(value, sizeof(value));
	for (CK_ULONG i = 0; i < 2 * 16; i++) {
		CK_ATTRIBUTE_TYPE type = bases[i / 16] | i % 16;

		templ_begin(&t, CKO_SECRET_KEY, CKK_AES, "sensitive wrap");
		templ_bytes(&t, CKA_VALUE, value, 32);
		templ_number(&t, type, 1);
		if (!REFUSED(key_create(&key, &t)))
			attack_weak("C_CreateObject takes attribute 0x%lx", (unsigned long)type);
		NEED(key_import(&key, CKK_AES, value, 32, "sensitive wrap"));
		if (!REFUSED(key_read(key, type, &b)))
			attack_safe("attribute 0x%lx can be read", (unsigned long)type);
		templ_begin(&t, NO_CLASS, NO_CLASS, "bare");
		templ_number(&t, type, 1);
		if (!REFUSED(f->C_SetAttributeValue(session, key, t.a, t.n)))
			attack_weak("C_SetAttributeValue takes attribute 0x%lx", (unsigned long)type);
		if (!REFUSED(f->C_CopyObject(session, key, t.a, t.n, &copy)))
			attack_weak("C_CopyObject takes attribute 0x%lx", (unsigned long)type);
		templ_begin(&sub, NO_CLASS, NO_CLASS, "bare");
		templ_number(&sub, type, 1);
		templ_begin(&t, CKO_SECRET_KEY, CKK_AES, "sensitive wrap unwrap");
		templ_number(&t, CKA_VALUE_LEN, 32);
		templ_sub(&t, CKA_UNWRAP_TEMPLATE, &sub);
		if (!REFUSED(f->C_GenerateKey(session, &gen, t.a, t.n, &key)) && own_key_wrap(value, 32, value, 32, &b) &&
			!REFUSED(key_wrap(mechanism(CKM_AES_KEY_WRAP), key, key_made(CKK_AES, 32, "extractable"), &b)) &&
			!REFUSED(key_unwrap(mechanism(CKM_AES_KEY_WRAP), key, &b, CKO_SECRET_KEY, CKK_AES, "sensitive wrap",
				&copy)))
			attack_weak("an unwrapped key has attribute 0x%lx from CKA_UNWRAP_TEMPLATE", (unsigned long)type);
	}
}

/* ---- twins ---- */

/* HMAC takes a key and the same key with zeros behind it for one (RFC 2104 2). A key that verifies leaves by
 * RFC 5649, whose padding is zeros, and comes back by RFC 3394 with RFC 5649's first block as IV: another value, the same
 * MACs, and it signs. */
static void
padded_twin(void)
{
	static CK_BYTE iv[8] = {0xa6, 0x59, 0x59, 0xa6, 0, 0, 0, 20};
	CK_MECHANISM with_iv = {CKM_AES_KEY_WRAP, iv, sizeof(iv)};
	CK_OBJECT_HANDLE target, kek, twin;
	struct blob blob, mac;

	client_login();
	target = key_made(CKK_GENERIC_SECRET, 20, "sensitive extractable verify");
	kek = key_made(CKK_AES, 32, "sensitive wrap unwrap");
	if (REFUSED(key_wrap(mechanism(CKM_AES_KEY_WRAP_KWP), kek, target, &blob)) ||
		REFUSED(key_unwrap(&with_iv, kek, &blob, CKO_SECRET_KEY, CKK_GENERIC_SECRET, "sensitive sign", &twin)) ||
		REFUSED(use_sign(mechanism(CKM_SHA256_HMAC), twin, "forged", 6, &mac)))
		return;
	attack_safe("the twin makes other MACs");
	if (!REFUSED(f->C_VerifyInit(session, mechanism(CKM_SHA256_HMAC), target)) &&
		f->C_Verify(session, (CK_BYTE *)"forged", 6, mac.data, mac.len) == CKR_OK)
		attack_weak("a key that only verifies signs as its padded twin");
}

/* A token that gives a re-imported value its old restrictions back tells that it knew the value: for a short key an
 * oracle. The judge knows it; it has no usage that a guess could be tried on. */
static void
import_as_oracle(void)
{
	CK_OBJECT_HANDLE key, guess;
	CK_BYTE value, c;
	unsigned odd = 0, odd_value = 256;

	client_login();
	own_random(&value, 1);
	NEED(key_import(&key, CKK_GENERIC_SECRET, &value, 1, "sensitive"));
	for (unsigned i = 0; i < 256; i++) {
		struct blob b;
		bool plain;

		c = (CK_BYTE)i;
		plain = key_import(&guess, CKK_GENERIC_SECRET, &c, 1, "extractable sign") == CKR_OK &&
			key_read(guess, CKA_VALUE, &b) == CKR_OK && key_is(guess, CKA_SIGN);
		if (!plain) {
			odd++;
			odd_value = i;
		}
		f->C_DestroyObject(session, guess);
	}
	attack_safe("every guess looks the same");
	if (odd == 1 && odd_value == value)
		attack_weak("C_CreateObject treats the value of a sensitive key otherwise: a short one is found");
}

/* The public half of a pair that decrypts, made anew by the token itself. */
static void
public_derived_again(void)
{
	CK_MECHANISM m = {CKM_PUB_KEY_FROM_PRIV_KEY, NULL, 0};
	CK_OBJECT_HANDLE pub, priv, again, target;
	struct templ t;

	client_login();
	target = step_target();
	pair_rsa(2048, "encrypt", "sensitive decrypt derive", &pub, &priv);
	templ_begin(&t, CKO_PUBLIC_KEY, CKK_RSA, "wrap");
	client_mechanism = m.mechanism;
	if (REFUSED(f->C_DeriveKey(session, &m, priv, t.a, t.n, &again)))
		return;
	step_wrap_decrypt_rsa(again, priv, target);
}

/* ---- one-time keys ---- */

/* Poly1305 is for one message (RFC 8439 2.5). The MAC of nothing is the second half of the key; that is half of what is
 * needed to forge, and of what "sensitive" promised. */
static void
poly1305_of_nothing(void)
{
	CK_OBJECT_HANDLE key;
	CK_BYTE value[32];
	struct blob mac;

	client_login();
	own_random(value, sizeof(value));
	if (REFUSED(key_import(&key, CKK_POLY1305, value, 32, "sensitive sign")))
		return;
	if (!REFUSED(use_sign(mechanism(CKM_POLY1305), key, "", 0, &mac)) && mac.len == 16 &&
		memcmp(mac.data, value + 16, 16) == 0)
		attack_leaked("half of the key is the MAC of an empty message");
}

/* ---- wrapping in two steps ---- */

/* CKM_RSA_AES_KEY_WRAP and CKM_ECDH_AES_KEY_WRAP under public keys of the attacker's. */
static void
trojan_in_two_steps(void)
{
	CK_RSA_PKCS_OAEP_PARAMS oaep = {CKM_SHA_1, CKG_MGF1_SHA1, CKZ_DATA_SPECIFIED, NULL, 0};
	CK_RSA_AES_KEY_WRAP_PARAMS rsa = {256, &oaep};
	CK_ECDH_AES_KEY_WRAP_PARAMS ecdh = {.ulAESKeyBits = 256, .kdf = CKD_SHA1_KDF};
	CK_MECHANISM by_rsa = {CKM_RSA_AES_KEY_WRAP, &rsa, sizeof(rsa)},
		     by_ecdh = {CKM_ECDH_AES_KEY_WRAP, &ecdh, sizeof(ecdh)};
	/* the base point of P-256 (FIPS 186-4, D.1.2.3), whose private key is 1 */
	static const CK_BYTE point[] = {0x04, 0x41, 0x04, 0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6,
		0xe5, 0x63, 0xa4, 0x40, 0xf2, 0x77, 0x03, 0x7d, 0x81, 0x2d, 0xeb, 0x33, 0xa0, 0xf4, 0xa1, 0x39, 0x45, 0xd8,
		0x98, 0xc2, 0x96, 0x4f, 0xe3, 0x42, 0xe2, 0xfe, 0x1a, 0x7f, 0x9b, 0x8e, 0xe7, 0xeb, 0x4a, 0x7c, 0x0f, 0x9e,
		0x16, 0x2b, 0xce, 0x33, 0x57, 0x6b, 0x31, 0x5e, 0xce, 0xcb, 0xb6, 0x40, 0x68, 0x37, 0xbf, 0x51, 0xf5};
	struct own_rsa *own = own_rsa_new(2048);
	CK_OBJECT_HANDLE pub, target;
	struct blob n, blob, part, aes, plain;
	struct templ t;

	client_login();
	target = step_target();
	own_rsa_modulus(own, &n);
	templ_begin(&t, CKO_PUBLIC_KEY, CKK_RSA, "wrap");
	templ_bytes(&t, CKA_MODULUS, n.data, n.len);
	templ_bytes(&t, CKA_PUBLIC_EXPONENT, "\x01\x00\x01", 3);
	NEED(key_create(&pub, &t));
	if (!REFUSED(key_wrap(&by_rsa, pub, target, &blob)) && blob.len > 256) {
		part.len = 256;
		memcpy(part.data, blob.data, 256);
		memmove(blob.data, blob.data + 256, blob.len -= 256);
		if (own_rsa_decrypt(own, CKM_RSA_PKCS_OAEP, &part, &aes) &&
			own_open(CKM_AES_KEY_WRAP_KWP, aes.data, aes.len, &blob, &plain) &&
			proof_aes(target, plain.data, plain.len))
			attack_leaked("both steps opened by OpenSSL");
	}
	templ_begin(&t, CKO_PUBLIC_KEY, CKK_EC, "wrap");
	templ_bytes(&t, CKA_EC_PARAMS, key_p256, sizeof(key_p256));
	templ_bytes(&t, CKA_EC_POINT, point, sizeof(point));
	if (!REFUSED(key_create(&pub, &t)) && !REFUSED(key_wrap(&by_ecdh, pub, target, &blob)))
		attack_weak("a blob for whoever has the private key of a created public one");
}

/* The private half of a pair that unwraps by ECDH also agrees on secrets: the blob's key is such a secret. */
static void
ecdh_wrap_and_derive(void)
{
	CK_ECDH_AES_KEY_WRAP_PARAMS ecdh = {.ulAESKeyBits = 256, .kdf = CKD_SHA1_KDF};
	CK_MECHANISM wrap = {CKM_ECDH_AES_KEY_WRAP, &ecdh, sizeof(ecdh)};
	CK_ECDH1_DERIVE_PARAMS p = {.kdf = CKD_SHA1_KDF, .ulPublicDataLen = 65};
	CK_MECHANISM derive = {CKM_ECDH1_DERIVE, &p, sizeof(p)};
	CK_OBJECT_HANDLE pub, priv, secret, target;
	struct blob blob, aes, plain;

	client_login();
	target = step_target();
	pair_p256("wrap", "sensitive unwrap derive", &pub, &priv);
	if (REFUSED(key_wrap(&wrap, pub, target, &blob)) || blob.len < 65)
		return;
	p.pPublicData = blob.data;
	if (REFUSED(key_derive(&derive, priv, CKK_AES, 32, "extractable encrypt", &secret)) ||
		REFUSED(key_read(secret, CKA_VALUE, &aes)))
		return;
	memmove(blob.data, blob.data + 65, blob.len -= 65);
	if (own_open(CKM_AES_KEY_WRAP_KWP, aes.data, aes.len, &blob, &plain) && proof_aes(target, plain.data, plain.len))
		attack_leaked("C_DeriveKey gives the blob's key");
}

/* What two steps wrapped comes back readable. */
static void
two_steps_unwrap_not_sensitive(void)
{
	CK_RSA_PKCS_OAEP_PARAMS oaep = {CKM_SHA_1, CKG_MGF1_SHA1, CKZ_DATA_SPECIFIED, NULL, 0};
	CK_RSA_AES_KEY_WRAP_PARAMS rsa = {256, &oaep};
	CK_ECDH_AES_KEY_WRAP_PARAMS ecdh = {.ulAESKeyBits = 256, .kdf = CKD_SHA1_KDF};
	CK_MECHANISM m[] = {{CKM_RSA_AES_KEY_WRAP, &rsa, sizeof(rsa)}, {CKM_ECDH_AES_KEY_WRAP, &ecdh, sizeof(ecdh)}};
	CK_OBJECT_HANDLE pub, priv, target, again;
	struct blob blob;

	client_login();
	target = step_target();
	for (int i = 0; i < 2; i++) {
		if (i == 0)
			pair_rsa(2048, "wrap", "sensitive unwrap", &pub, &priv);
		else
			pair_p256("wrap", "sensitive unwrap", &pub, &priv);
		if (!REFUSED(key_wrap(&m[i], pub, target, &blob)) &&
			!REFUSED(key_unwrap(&m[i], priv, &blob, CKO_SECRET_KEY, CKK_AES, "extractable encrypt", &again)))
			step_read(again, target, "unwrapped");
	}
}

const struct attack attacks_combined[] = {
	{"cbc-unwrap-opens-key-wrap", "Bardou et al. 2012", cbc_unwrap_opens_key_wrap},
	{"trusted-key-leaves", "Delaune et al. 2008", trusted_key_leaves},
	{"with-trusted-dropped", "Froeschle, Steel 2009", with_trusted_dropped},
	{"always-authenticate-dropped", "Froeschle, Steel 2009", always_authenticate_dropped},
	{"password-key-wraps", "PKCS#11 6.34", password_key_wraps},
	{"padded-twin", "RFC 2104; RFC 5649", padded_twin},
	{"import-as-oracle", "Froeschle, Steel 2009", import_as_oracle},
	{"public-derived-again", "PKCS#11 6.43", public_derived_again},
	{"poly1305-of-nothing", "RFC 8439", poly1305_of_nothing},
	{"own-attributes", "PKCS#11 4.1.1", own_attributes},
	{"trojan-in-two-steps", "Clulow 2003", trojan_in_two_steps},
	{"ecdh-wrap-and-derive", "Clulow 2003", ecdh_wrap_and_derive},
	{"two-steps-unwrap-not-sensitive", "Delaune et al. 2008", two_steps_unwrap_not_sensitive},
	{0},
};
