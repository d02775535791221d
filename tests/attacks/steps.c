/* steps.c - from a blob or a handle to the bytes of the target */
#include <string.h>

#include "steps.h"

const CK_MECHANISM_TYPE steps_aes_wraps[] = {CKM_AES_KEY_WRAP, CKM_AES_KEY_WRAP_PAD, CKM_AES_KEY_WRAP_KWP,
	CKM_AES_CBC_PAD, CKM_AES_CBC, CKM_AES_ECB, CKM_AES_CTR, CKM_AES_GCM, CKM_AES_OFB, CKM_AES_CFB8,
	CKM_AES_CFB128, NO_CLASS};
const CK_MECHANISM_TYPE steps_rsa_wraps[] = {CKM_RSA_PKCS_OAEP, CKM_RSA_PKCS, CKM_RSA_X_509, NO_CLASS};

CK_OBJECT_HANDLE
step_target(void)
{
	return key_made(CKK_AES, 32, "sensitive extractable encrypt decrypt");
}

/* RFC 3394 2.2.2, with the block cipher calls left to the token. */
static bool
key_unwrap_by_blocks(CK_OBJECT_HANDLE key, const struct blob *in, struct blob *out)
{
	CK_BYTE block[16];
	struct blob plain;
	CK_ULONG n = in->len / 8 - 1;

	if (in->len % 8 != 0 || n < 2 || n > 16)
		return false;
	memcpy(block, in->data, 8);
	memcpy(out->data, in->data + 8, n * 8);
	for (int j = 5; j >= 0; j--)
		for (CK_ULONG i = n; i >= 1; i--) {
			block[7] ^= (CK_BYTE)(n * (CK_ULONG)j + i);
			memcpy(block + 8, out->data + 8 * (i - 1), 8);
			if (use_decrypt(mechanism(CKM_AES_ECB), key, block, 16, &plain) != CKR_OK || plain.len != 16)
				return false;
			memcpy(block, plain.data, 8);
			memcpy(out->data + 8 * (i - 1), plain.data + 8, 8);
		}
	out->len = n * 8;
	return true;
}

bool
step_decrypt(CK_MECHANISM_TYPE type, CK_OBJECT_HANDLE decrypting, const struct blob *in, CK_OBJECT_HANDLE target)
{
	struct blob plain;
	bool opened = !REFUSED(use_decrypt(mechanism(type), decrypting, in->data, in->len, &plain));

	if (opened && proof_aes(target, plain.data, plain.len))
		attack_leaked("C_Decrypt of the blob, mechanism 0x%lx", (unsigned long)type);
	if (type == CKM_AES_KEY_WRAP || type == CKM_AES_KEY_WRAP_PAD || type == CKM_AES_KEY_WRAP_KWP)
		if (key_unwrap_by_blocks(decrypting, in, &plain) &&
			(proof_aes(target, plain.data, plain.len) || proof_aes(target, plain.data, 32)))
			attack_leaked("RFC 3394 by C_Decrypt of single blocks, mechanism 0x%lx", (unsigned long)type);
	return opened;
}

void
step_wrap_decrypt(CK_OBJECT_HANDLE wrapping, CK_OBJECT_HANDLE decrypting, CK_OBJECT_HANDLE target)
{
	struct blob blob;

	for (size_t i = 0; steps_aes_wraps[i] != NO_CLASS; i++)
		if (!REFUSED(key_wrap(mechanism(steps_aes_wraps[i]), wrapping, target, &blob)))
			step_decrypt(steps_aes_wraps[i], decrypting, &blob, target);
}

void
step_wrap_known(CK_OBJECT_HANDLE wrapping, const CK_BYTE *value, CK_ULONG len, CK_OBJECT_HANDLE target)
{
	struct blob blob, plain;

	for (size_t i = 0; steps_aes_wraps[i] != NO_CLASS; i++) {
		CK_MECHANISM_TYPE type = steps_aes_wraps[i];

		if (REFUSED(key_wrap(mechanism(type), wrapping, target, &blob)))
			continue;
		if (!own_open(type, value, len, &blob, &plain))
			attack_weak("a blob under a known key, mechanism 0x%lx", (unsigned long)type);
		else if (proof_aes(target, plain.data, plain.len < 32 ? plain.len : 32))
			attack_leaked("blob opened by OpenSSL, mechanism 0x%lx", (unsigned long)type);
	}
}

void
step_wrap_own_rsa(CK_OBJECT_HANDLE pub, struct own_rsa *own, CK_OBJECT_HANDLE target)
{
	struct blob blob, plain;

	for (size_t i = 0; steps_rsa_wraps[i] != NO_CLASS; i++) {
		CK_MECHANISM_TYPE type = steps_rsa_wraps[i];

		if (REFUSED(key_wrap(mechanism(type), pub, target, &blob)) || !own_rsa_decrypt(own, type, &blob, &plain))
			continue;
		if (type == CKM_RSA_X_509 && plain.len > 32) {
			memmove(plain.data, plain.data + plain.len - 32, 32);
			plain.len = 32;
		}
		if (proof_aes(target, plain.data, plain.len))
			attack_leaked("blob opened by OpenSSL, mechanism 0x%lx", (unsigned long)type);
	}
}

void
step_wrap_decrypt_rsa(CK_OBJECT_HANDLE pub, CK_OBJECT_HANDLE priv, CK_OBJECT_HANDLE target)
{
	struct blob blob, plain;

	for (size_t i = 0; steps_rsa_wraps[i] != NO_CLASS; i++) {
		CK_MECHANISM_TYPE type = steps_rsa_wraps[i];

		if (REFUSED(key_wrap(mechanism(type), pub, target, &blob)))
			continue;
		if (!REFUSED(use_decrypt(mechanism(type), priv, blob.data, blob.len, &plain)) &&
			proof_aes(target, plain.data, plain.len))
			attack_leaked("C_Decrypt of the blob, mechanism 0x%lx", (unsigned long)type);
		if (!REFUSED(use_decrypt(mechanism(CKM_RSA_X_509), priv, blob.data, blob.len, &plain)) &&
			own_unpad(type, &plain, &blob) && proof_aes(target, blob.data, blob.len))
			attack_leaked("raw C_Decrypt of the blob, mechanism 0x%lx", (unsigned long)type);
	}
}

void
step_read(CK_OBJECT_HANDLE key, CK_OBJECT_HANDLE target, const char *how)
{
	struct blob value;

	if (!REFUSED(key_read(key, CKA_VALUE, &value)) && proof_aes(target, value.data, value.len))
		attack_leaked("%s: CKA_VALUE is readable", how);
}

bool
step_one_byte(CK_OBJECT_HANDLE key, CK_BYTE *known, CK_ULONG len, CK_ULONG open)
{
	struct blob mac;
	CK_BYTE own[32];

	if (key_read(key, CKA_VALUE, &mac) == CKR_OK && mac.len == len) {
		known[open] = mac.data[open];
		return true;
	}
	if (use_sign(mechanism(CKM_SHA256_HMAC), key, "x", 1, &mac) != CKR_OK)
		return false;
	for (unsigned c = 0; c < 256; c++) {
		known[open] = (CK_BYTE)c;
		if (own_hmac(known, len, "x", 1, own) && memcmp(own, mac.data, 32) == 0)
			return true;
	}
	return false;
}

void
step_grow_derived(CK_MECHANISM *m, CK_OBJECT_HANDLE base)
{
	CK_OBJECT_HANDLE target, part;
	CK_BYTE value[32];

	if (REFUSED(key_derive(m, base, CKK_AES, 32, "sensitive encrypt decrypt", &target)))
		return;
	for (CK_ULONG i = 0; i < sizeof(value); i++) {
		if (REFUSED(key_derive(m, base, CKK_GENERIC_SECRET, i + 1, "sensitive sign", &part)))
			return;
		if (!step_one_byte(part, value, i + 1, i)) {
			attack_safe("a prefix that cannot be found");
			return;
		}
		attack_weak("a byte of the derived key is found");
	}
	if (proof_aes(target, value, sizeof(value)))
		attack_leaked("a derived key, prefix by prefix, mechanism 0x%lx", (unsigned long)m->mechanism);
}
