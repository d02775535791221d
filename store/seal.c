#include "seal.h"

#include <string.h>

#include "secret.h"
#include "why.h"

/*
 * Offsets of the header, docs/FORMAT.md "Object files":
 *   0 magic 8 | 8 format u32 | 12 flags u32 | 16 serial 16 | 32 key id 16 | 48 uuid 16
 *   64 version u64 | 72 ciphertext length u32 | 76 zero u32 | 80 salt 16 | 96 commitment 32
 */
#define MAGIC "TKNFSOB1"
#define OFF_SALT 80
#define SALT_LEN 16
#define OFF_COMMITMENT 96

struct derived {
	uint8_t key[32], nonce[12], commitment[32];
};

static void
put_header(struct buf *b, const struct seal_id *id, uint32_t body_len, const uint8_t salt[SALT_LEN])
{
	buf_put(b, MAGIC, 8);
	buf_put_u32(b, 1);
	buf_put_u32(b, id->private ? SEAL_PRIVATE : 0);
	buf_put(b, id->serial, SERIAL_LEN);
	buf_put(b, id->key_id, 16);
	buf_put(b, id->uuid, UUID_LEN);
	buf_put_u64(b, id->version);
	buf_put_u32(b, body_len);
	buf_put_u32(b, 0);
	buf_put(b, salt, SALT_LEN);
}

/* Key, nonce and commitment of one write: HKDF over its salt, bound to the 80 bytes before it. */
static CK_RV
derive(struct derived *d, const uint8_t key[KEY_LEN], const uint8_t *header)
{
	return kdf_hkdf((uint8_t *)d, sizeof(*d), key, KEY_LEN, header + OFF_SALT, SALT_LEN,
		"tokenfs object 1", header, OFF_SALT);
}

static CK_RV
gcm(bool encrypt, const struct derived *d, const uint8_t *aad, const uint8_t *in, size_t len, uint8_t *out,
	uint8_t tag[SEAL_TAG])
{
	CK_RV rv = CKR_GENERAL_ERROR;
	int n = 0, enc = encrypt ? 1 : 0;
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();

	if (ctx == NULL)
		return CKR_HOST_MEMORY;
	if (EVP_CipherInit_ex(ctx, EVP_aes_256_gcm(), NULL, d->key, d->nonce, enc) != 1 ||
		EVP_CipherUpdate(ctx, NULL, &n, aad, SEAL_HEADER) != 1 ||
		EVP_CipherUpdate(ctx, out, &n, in, (int)len) != 1 || (size_t)n != len)
		goto out;
	if (!encrypt && EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, SEAL_TAG, tag) != 1)
		goto out;
	if (EVP_CipherFinal_ex(ctx, out + len, &n) != 1) {
		rv = CKR_DEVICE_ERROR;
		goto out;
	}
	if (encrypt && EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, SEAL_TAG, tag) != 1)
		goto out;
	rv = CKR_OK;
out:
	EVP_CIPHER_CTX_free(ctx);
	return rv;
}

/* u32 length, encoded attributes, zeros up to the bucket: in secret memory. */
static CK_RV
pad_plain(const struct attrs *attrs, uint8_t **plain, size_t *len)
{
	size_t used = 4 + attrs_encoded_size(attrs);
	struct buf b;

	*len = (used + SEAL_BUCKET - 1) / SEAL_BUCKET * SEAL_BUCKET;
	if (*len > SEAL_MAX_PLAIN)
		return why(CKR_DEVICE_MEMORY, "an object may not exceed %u bytes", SEAL_MAX_PLAIN);
	*plain = secret_alloc(*len);
	if (*plain == NULL)
		return CKR_HOST_MEMORY;
	buf_init_fixed(&b, *plain, *len);
	buf_put_u32(&b, (uint32_t)(used - 4));
	attrs_encode(&b, attrs);
	return buf_failed(&b) || b.len != used ? CKR_GENERAL_ERROR : CKR_OK;
}

CK_RV
seal_object(struct buf *file, const uint8_t key[KEY_LEN], const struct seal_id *id, const struct attrs *attrs)
{
	CK_RV rv;
	uint8_t salt[SALT_LEN], tag[SEAL_TAG], *plain = NULL, *body;
	size_t len = 0;
	struct derived d;

	rv = pad_plain(attrs, &plain, &len);
	if (rv == CKR_OK)
		rv = kdf_random(salt, sizeof(salt));
	if (rv != CKR_OK)
		goto out;
	put_header(file, id, (uint32_t)len, salt);
	rv = CKR_HOST_MEMORY;
	if (buf_failed(file))
		goto out;
	rv = derive(&d, key, file->data);
	if (rv != CKR_OK)
		goto out;
	rv = CKR_HOST_MEMORY;
	buf_put(file, d.commitment, sizeof(d.commitment));
	body = buf_extend(file, len);
	if (body == NULL)
		goto out;
	rv = gcm(true, &d, file->data, plain, len, body, tag);
	if (rv == CKR_OK && !buf_put(file, tag, sizeof(tag)))
		rv = CKR_HOST_MEMORY;
out:
	secret_free(plain);
	wipe(&d, sizeof(d));
	return rv;
}

/* The header must be byte for byte the one that `id` has, its own salt and length aside. */
static CK_RV
check_header(const struct seal_id *id, const uint8_t *file, size_t len)
{
	CK_RV rv = CKR_OK;
	struct buf want;
	size_t body = len - SEAL_HEADER - SEAL_TAG;

	buf_init(&want, SEAL_HEADER);
	put_header(&want, id, (uint32_t)body, file + OFF_SALT);
	if (buf_failed(&want))
		rv = CKR_HOST_MEMORY;
	else if (memcmp(file, MAGIC, 8) != 0)
		rv = why(CKR_DEVICE_ERROR, "not a sealed object");
	else if (memcmp(file + 8, want.data + 8, 4) != 0)
		rv = why(CKR_DEVICE_ERROR, "sealed in a format this version does not know");
	else if (memcmp(file, want.data, OFF_SALT) != 0)
		rv = why(CKR_DEVICE_ERROR, "its header is not that of the object of this name");
	buf_free(&want);
	return rv;
}

static CK_RV
unpad_plain(struct attrs *attrs, const uint8_t *plain, size_t len)
{
	struct buf b;
	uint32_t used = 0;
	CK_RV rv;

	buf_init_const(&b, plain, len);
	buf_get_u32(&b, &used);
	if (used > buf_left(&b) || buf_left(&b) - used >= SEAL_BUCKET)
		return why(CKR_DEVICE_ERROR, "its padding is wrong");
	buf_init_const(&b, plain + 4, used);
	rv = attrs_decode(&b, attrs);
	if (rv == CKR_OK && !buf_at_end(&b))
		rv = CKR_DEVICE_ERROR;
	if (rv != CKR_OK) {
		attrs_free(attrs);
		return why(CKR_DEVICE_ERROR, "its attributes cannot be read");
	}
	return CKR_OK;
}

CK_RV
unseal_object(struct attrs *attrs, const uint8_t key[KEY_LEN], const struct seal_id *id, const uint8_t *file,
	size_t len)
{
	CK_RV rv;
	struct derived d;
	uint8_t *plain = NULL, tag[SEAL_TAG];
	size_t body = len - SEAL_HEADER - SEAL_TAG;

	if (len < SEAL_HEADER + SEAL_TAG || len > SEAL_MAX_FILE || body == 0 || body % SEAL_BUCKET != 0)
		return why(CKR_DEVICE_ERROR, "a sealed object is not %zu bytes long", len);
	rv = check_header(id, file, len);
	if (rv == CKR_OK)
		rv = derive(&d, key, file);
	if (rv != CKR_OK)
		goto out;
	if (!equal_ct(d.commitment, file + OFF_COMMITMENT, sizeof(d.commitment))) {
		rv = why(CKR_DEVICE_ERROR, "it is not sealed under this key");
		goto out;
	}
	rv = CKR_HOST_MEMORY;
	plain = secret_alloc(body);
	if (plain == NULL)
		goto out;
	memcpy(tag, file + len - SEAL_TAG, SEAL_TAG);
	rv = gcm(false, &d, file, file + SEAL_HEADER, body, plain, tag);
	if (rv == CKR_DEVICE_ERROR)
		why(rv, "its content was changed");
	if (rv == CKR_OK)
		rv = unpad_plain(attrs, plain, body);
out:
	secret_free(plain);
	wipe(&d, sizeof(d));
	return rv;
}
