#include "header.h"

#include <stdlib.h>
#include <string.h>

#include "why.h"

/*
 * Layout, docs/FORMAT.md "Header":
 *   0 magic 8 | 8 format u32 | 12 length u32 | 16 serial 16 | 32 key id 16 | 48 generation u64
 *  56 slot u32 | 60 flags u32 | 64 label 32 | 96 user slot 96 | 192 SO slot 96
 * 288 inner MAC 32 (over 0..287, key from T) | 320 MAC 32 (over 0..319, key from the vault key)
 * A PIN slot: 0 set u32 | 4 log N u32 | 8 r u32 | 12 p u32 | 16 salt 32 | 48 wrapped T 48
 */
#define MAGIC "TKNFSHD1"
#define INNER_AT 288
#define MAC_AT 320
#define HEADER_LEN 352
#define FLAGS_KNOWN HEADER_COMPAT

static void
put_slot(struct buf *b, const struct pin_slot *s)
{
	buf_put_u32(b, s->set ? 1 : 0);
	buf_put_u32(b, s->log_n);
	buf_put_u32(b, s->r);
	buf_put_u32(b, s->p);
	buf_put(b, s->salt, sizeof(s->salt));
	buf_put(b, s->wrapped, sizeof(s->wrapped));
}

static CK_RV
get_slot(struct buf *b, struct pin_slot *s)
{
	uint32_t set = 0;

	buf_get_u32(b, &set);
	buf_get_u32(b, &s->log_n);
	buf_get_u32(b, &s->r);
	buf_get_u32(b, &s->p);
	buf_get(b, s->salt, sizeof(s->salt));
	buf_get(b, s->wrapped, sizeof(s->wrapped));
	s->set = set == 1;
	if (set > 1)
		return CKR_DEVICE_ERROR;
	if (!s->set)
		return CKR_OK;
	if (s->log_n < SCRYPT_LOG_N_MIN || s->log_n > SCRYPT_LOG_N_MAX || s->r < 1 || s->r > SCRYPT_R_MAX ||
		s->p < 1 || s->p > SCRYPT_P_MAX)
		return CKR_DEVICE_ERROR;
	return CKR_OK;
}

static void
put_header(struct buf *b, const struct header *h)
{
	buf_put(b, MAGIC, 8);
	buf_put_u32(b, 1);
	buf_put_u32(b, HEADER_LEN);
	buf_put(b, h->serial, SERIAL_LEN);
	buf_put(b, h->key_id, sizeof(h->key_id));
	buf_put_u64(b, h->generation);
	buf_put_u32(b, h->slot);
	buf_put_u32(b, h->flags);
	buf_put(b, h->label, sizeof(h->label));
	put_slot(b, &h->pin[PIN_USER]);
	put_slot(b, &h->pin[PIN_SO]);
}

static CK_RV
get_header(struct buf *b, struct header *h)
{
	uint32_t format = 0, length = 0;
	uint8_t magic[8];

	memset(h, 0, sizeof(*h));
	buf_get(b, magic, 8);
	buf_get_u32(b, &format);
	buf_get_u32(b, &length);
	buf_get(b, h->serial, SERIAL_LEN);
	buf_get(b, h->key_id, sizeof(h->key_id));
	buf_get_u64(b, &h->generation);
	buf_get_u32(b, &h->slot);
	buf_get_u32(b, &h->flags);
	buf_get(b, h->label, sizeof(h->label));
	if (buf_failed(b) || memcmp(magic, MAGIC, 8) != 0 || length != HEADER_LEN)
		return why(CKR_DEVICE_ERROR, "it is not a token header");
	if (format != 1)
		return why(CKR_DEVICE_ERROR, "its format %u is not known to this version", format);
	if (get_slot(b, &h->pin[PIN_USER]) != CKR_OK || get_slot(b, &h->pin[PIN_SO]) != CKR_OK)
		return why(CKR_DEVICE_ERROR, "its PIN parameters are out of range");
	buf_get(b, h->inner_mac, 32);
	buf_get(b, h->mac, 32);
	if (!buf_at_end(b) || (h->flags & ~FLAGS_KNOWN) != 0 || h->slot > SLOT_MAX)
		return why(CKR_DEVICE_ERROR, "it is not a token header");
	return CKR_OK;
}

CK_RV
header_read(struct header *h, const struct dir *token_dir, const char serial[SERIAL_LEN], struct mac *key)
{
	uint8_t *data = NULL, mac[32];
	char reason[256];
	size_t len = 0;
	struct buf b;
	CK_RV rv = file_read(token_dir, HEADER_NAME, HEADER_LEN, &data, &len);

	if (rv != CKR_OK)
		return rv == CKR_OBJECT_HANDLE_INVALID ? CKR_DEVICE_ERROR : rv;
	buf_init_const(&b, data, len);
	rv = len == HEADER_LEN ? CKR_OK : why(CKR_DEVICE_ERROR, "it is %zu bytes long, not %u", len, HEADER_LEN);
	if (rv == CKR_OK)
		rv = mac_make(key, mac, data, MAC_AT, NULL, 0);
	if (rv == CKR_OK && !equal_ct(mac, data + MAC_AT, 32))
		rv = why(CKR_DEVICE_ERROR, "it was changed or does not belong to this vault key (MAC)");
	if (rv == CKR_OK)
		rv = get_header(&b, h);
	if (rv == CKR_OK && memcmp(h->serial, serial, SERIAL_LEN) != 0)
		rv = why(CKR_DEVICE_ERROR, "it belongs to token %.16s", h->serial);
	if (rv != CKR_OK) {
		strncpy(reason, why_text(), sizeof(reason) - 1);
		reason[sizeof(reason) - 1] = '\0';
		rv = why(rv, "%s/%s: %s", token_dir->path, HEADER_NAME, reason);
	}
	free(data);
	return rv;
}

/* The MAC key that only those who know T have. */
static CK_RV
inner_mac(uint8_t out[32], const uint8_t *data, const uint8_t token_key[KEY_LEN])
{
	uint8_t key[KEY_LEN];
	struct mac m = {0};
	CK_RV rv = kdf_hkdf(key, sizeof(key), token_key, KEY_LEN, NULL, 0, "tokenfs header inner 1", NULL, 0);

	if (rv == CKR_OK)
		rv = mac_init(&m, key);
	if (rv == CKR_OK)
		rv = mac_make(&m, out, data, INNER_AT, NULL, 0);
	mac_release(&m);
	wipe(key, sizeof(key));
	return rv;
}

CK_RV
header_write(struct header *h, const struct dir *token_dir, struct mac *key, const uint8_t token_key[KEY_LEN])
{
	struct header next = *h;
	struct buf b;
	CK_RV rv = CKR_HOST_MEMORY;

	next.generation++;
	buf_init(&b, HEADER_LEN);
	put_header(&b, &next);
	if (buf_failed(&b) || b.len != INNER_AT)
		goto out;
	rv = inner_mac(next.inner_mac, b.data, token_key);
	if (rv != CKR_OK)
		goto out;
	buf_put(&b, next.inner_mac, 32);
	rv = mac_make(key, next.mac, b.data, MAC_AT, NULL, 0);
	if (rv != CKR_OK)
		goto out;
	rv = CKR_HOST_MEMORY;
	if (!buf_put(&b, next.mac, 32))
		goto out;
	rv = file_replace(token_dir, HEADER_NAME, b.data, b.len);
	if (rv == CKR_OK)
		*h = next;
out:
	buf_free(&b);
	return rv;
}

CK_RV
header_check_inner(const struct header *h, const uint8_t token_key[KEY_LEN])
{
	uint8_t mac[32];
	struct buf b;
	CK_RV rv = CKR_HOST_MEMORY;

	buf_init(&b, HEADER_LEN);
	put_header(&b, h);
	if (!buf_failed(&b))
		rv = inner_mac(mac, b.data, token_key);
	if (rv == CKR_OK && !equal_ct(mac, h->inner_mac, 32))
		rv = why(CKR_DEVICE_ERROR, "the header of token %.16s was changed without its key", h->serial);
	buf_free(&b);
	return rv;
}
