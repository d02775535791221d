/* usage.c - RSA's raw operation is one for signing and decrypting; what else a usage lets in by the back door */
#include <string.h>

#include "steps.h"

/* A key that only signs opens blobs by signing them: CKM_RSA_X_509 is x^d whatever it is called. */
static void
sign_opens_blobs(void)
{
	CK_OBJECT_HANDLE pub, priv, target;
	struct blob blob, block, plain;

	client_login();
	target = step_target();
	pair_rsa(2048, "wrap encrypt", "sensitive sign unwrap", &pub, &priv);
	for (size_t i = 0; steps_rsa_wraps[i] != NO_CLASS; i++) {
		CK_MECHANISM_TYPE type = steps_rsa_wraps[i];

		if (!REFUSED(key_wrap(mechanism(type), pub, target, &blob)) &&
			!REFUSED(use_sign(mechanism(CKM_RSA_X_509), priv, blob.data, blob.len, &block)) &&
			own_unpad(type, &block, &plain) && proof_aes(target, plain.data, plain.len))
			attack_leaked("the blob is signed, mechanism 0x%lx", (unsigned long)type);
	}
}

static CK_RV
sign_recover(CK_MECHANISM_TYPE type, CK_OBJECT_HANDLE priv, const struct blob *in, struct blob *out)
{
	CK_MECHANISM m = {type, NULL, 0};
	CK_RV rv;

	client_mechanism = type;
	out->len = sizeof(out->data);
	rv = f->C_SignRecoverInit(session, &m, priv);
	return rv == CKR_OK ? f->C_SignRecover(session, (CK_BYTE *)in->data, in->len, out->data, &out->len) : rv;
}

/* The same through C_SignRecover, which modules forget. */
static void
sign_recover_opens_blobs(void)
{
	CK_OBJECT_HANDLE pub, priv, target;
	struct blob blob, block, plain;

	client_login();
	target = step_target();
	pair_rsa(2048, "wrap encrypt", "sensitive sign sign_recover unwrap", &pub, &priv);
	for (size_t i = 0; steps_rsa_wraps[i] != NO_CLASS; i++) {
		CK_MECHANISM_TYPE type = steps_rsa_wraps[i];

		if (!REFUSED(key_wrap(mechanism(type), pub, target, &blob)) &&
			!REFUSED(sign_recover(CKM_RSA_X_509, priv, &blob, &block)) && own_unpad(type, &block, &plain) &&
			proof_aes(target, plain.data, plain.len))
			attack_leaked("C_SignRecover of the blob, mechanism 0x%lx", (unsigned long)type);
	}
}

/* What others encrypted to a key that only signs for us: C_Sign decrypts it. */
static void
sign_decrypts(void)
{
	CK_OBJECT_HANDLE pub, priv;
	struct own_rsa *own;
	struct blob c, block, plain;

	client_login();
	pair_rsa(2048, "verify", "sensitive sign", &pub, &priv);
	own = own_rsa_of(pub);
	NEED(own_rsa_encrypt(own, CKM_RSA_PKCS_OAEP, "secret", 6, &c) ? CKR_OK : CKR_GENERAL_ERROR);
	if (!REFUSED(use_sign(mechanism(CKM_RSA_X_509), priv, c.data, c.len, &block)) &&
		own_unpad(CKM_RSA_PKCS_OAEP, &block, &plain) && plain.len == 6 && memcmp(plain.data, "secret", 6) == 0)
		attack_weak("a key without CKA_DECRYPT opens a ciphertext by raw signing");
}

/* RFC 8017 9.2: a PKCS #1 block with the SHA-256 of the text */
static void
signature_block(const char *text, CK_BYTE block[256])
{
	static const CK_BYTE head[19] = {0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04,
		0x02, 0x01, 0x05, 0x00, 0x04, 0x20};

	memset(block, 0xff, 256);
	block[0] = 0;
	block[1] = 1;
	block[204] = 0;
	memcpy(block + 205, head, sizeof(head));
	own_sha256(text, strlen(text), block + 224);
}

/* A key that only decrypts signs: C_Decrypt of the padded hash is a signature. */
static void
decrypt_signs(void)
{
	CK_OBJECT_HANDLE pub, priv;
	CK_BYTE block[256];
	struct blob sig;

	client_login();
	pair_rsa(2048, "encrypt", "sensitive decrypt", &pub, &priv);
	signature_block("a forged contract", block);
	if (!REFUSED(use_decrypt(mechanism(CKM_RSA_X_509), priv, block, sizeof(block), &sig)) &&
		proof_signature(pub, "a forged contract", 17, &sig))
		attack_weak("a key without CKA_SIGN signs by raw decryption");
}

/* A key that only unwraps: the unwrapped value is x^d, if it can be read. */
static void
unwrap_signs(void)
{
	CK_OBJECT_HANDLE pub, priv, key;
	struct blob block = {.len = 256}, sig;

	client_login();
	pair_rsa(2048, "wrap", "sensitive unwrap", &pub, &priv);
	signature_block("a forged contract", block.data);
	if (REFUSED(key_unwrap(mechanism(CKM_RSA_X_509), priv, &block, CKO_SECRET_KEY, CKK_GENERIC_SECRET,
		"extractable sign", &key)))
		return;
	attack_safe("the unwrapped value is sensitive");
	if (!REFUSED(key_read(key, CKA_VALUE, &sig)) && proof_signature(pub, "a forged contract", 17, &sig))
		attack_weak("a key that only unwraps signs");
}

/* Sign and verify with the wrong half or class: an HMAC under a public value verifies what anybody can make. */
static void
wrong_class_of_key(void)
{
	CK_OBJECT_HANDLE pub, priv, aes;
	struct blob out;

	client_login();
	pair_rsa(2048, "verify encrypt", "sensitive sign", &pub, &priv);
	aes = key_made(CKK_AES, 32, "sensitive encrypt sign");
	if (!REFUSED(use_sign(mechanism(CKM_SHA256_HMAC), pub, "x", 1, &out)) ||
		!REFUSED(use_sign(mechanism(CKM_SHA256_HMAC), priv, "x", 1, &out)) ||
		!REFUSED(use_sign(mechanism(CKM_SHA256_RSA_PKCS), pub, "x", 1, &out)))
		attack_weak("a mechanism takes a key of another class");
	/* the standard lets HMAC take generic secrets; AES keys under HMAC mix two roles */
	if (!REFUSED(use_sign(mechanism(CKM_SHA256_HMAC), aes, "x", 1, &out)))
		attack_weak("HMAC takes an AES key");
	if (!REFUSED(use_encrypt(mechanism(CKM_AES_ECB), priv, "0123456789abcdef", 16, &out)))
		attack_weak("AES takes a private key");
}

/* CBC-MAC of messages of different lengths: the tags of two give that of a third, which nobody asked for (Bellare,
 * Kilian, Rogaway 1994). Told by C_Verify. */
static void
cbc_mac_forgery(void)
{
	CK_ULONG len = 16;
	CK_MECHANISM m = {CKM_AES_MAC_GENERAL, &len, sizeof(len)};
	CK_OBJECT_HANDLE key;
	CK_BYTE forged[32] = "0123456789abcdef";
	static const CK_BYTE second[17] = "fedcba9876543210";
	struct blob one, two;

	client_login();
	key = key_made(CKK_AES, 32, "sensitive sign verify");
	if (REFUSED(use_sign(&m, key, forged, 16, &one)) || REFUSED(use_sign(&m, key, second, 16, &two)))
		return;
	for (int i = 0; i < 16; i++)
		forged[16 + i] = second[i] ^ one.data[i];
	if (!REFUSED(f->C_VerifyInit(session, &m, key)) && f->C_Verify(session, forged, 32, two.data, two.len) == CKR_OK)
		attack_weak("a tag that was never asked for verifies");
	attack_safe("no such tag");
}

const struct attack attacks_usage[] = {
	{"sign-opens-blobs", "Clulow 2003", sign_opens_blobs},
	{"sign-recover-opens-blobs", "Clulow 2003", sign_recover_opens_blobs},
	{"sign-decrypts", "Bortolozzo et al. 2010", sign_decrypts},
	{"decrypt-signs", "Bortolozzo et al. 2010", decrypt_signs},
	{"unwrap-signs", "Bortolozzo et al. 2010", unwrap_signs},
	{"wrong-class-of-key", "PKCS#11 5.13", wrong_class_of_key},
	{"cbc-mac-forgery", "Bellare et al. 1994", cbc_mac_forgery},
	{0},
};
