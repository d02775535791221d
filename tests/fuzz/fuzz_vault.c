/*
 * fuzz_vault.c - byte strings as the files of a vault: object, log segment, header, VAULT
 *
 * The first byte says which, and whether the bytes come as they are or are made into a file whose MACs, seal and
 * chain are right, so that what stands behind them is reached too:
 *   0 object        1 plaintext of a sealed object
 *   2 segment       3 records, chained by us
 *   4 header        5 header with its outer MAC mended
 *   6 VAULT         7 segment header and records mended in place
 *
 * What is accepted must be consistent: an object seals and unseals to itself, a log replays to the same table
 * again and takes another commit.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "../../store/inside.h"
#include "../../store/seal.h"
#include "../../store/vault.h"

#define SERIAL "0123456789abcdef"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerInitialize(int *argc, char ***argv);

static char base[64];
static struct dir dir, log_dir;
static uint8_t key[KEY_LEN];
static struct mac mac;
static const uint8_t key_id[16] = {1};
static const struct seal_id id = {.serial = SERIAL, .key_id = {1}, .uuid = {2}, .version = 3};

static void
need(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "fuzz_vault: %s: %s\n", what, why_text());
	abort();
}

static void
tidy(void)
{
	char cmd[96];

	snprintf(cmd, sizeof(cmd), "rm -rf %s", base);
	if (system(cmd) != 0)
		fprintf(stderr, "cannot remove %s\n", base);
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	umask(077);
	need(secret_start() == CKR_OK, "secret_start");
	snprintf(base, sizeof(base), "%s/tokenfs-fuzz-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	need(mkdtemp(base) != NULL, "mkdtemp");
	atexit(tidy);
	need(mac_init(&mac, key) == CKR_OK, "mac_init");
	need(dir_open(&dir, base) == CKR_OK, "dir_open");
	need(dir_open_at(&log_dir, &dir, LOG_DIR, true) == CKR_OK, "dir_open_at");
	return 0;
}

static void
put_file(const struct dir *d, const char *name, const uint8_t *data, size_t len)
{
	int fd = openat(d->fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	need(fd >= 0 && write(fd, data, len) == (ssize_t)len, "write");
	close(fd);
}

static void
put_le(uint8_t *p, uint64_t v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

/* ---- objects --------------------------------------------------------------------------------- */

static void
open_object(const uint8_t *file, size_t len)
{
	struct attrs a = {0}, back = {0};
	struct buf again;

	if (unseal_object(&a, key, &id, file, len) != CKR_OK) {
		need(a.n == 0 && a.v == NULL, "a refused object left attributes");
		return;
	}
	buf_init(&again, SEAL_MAX_FILE);
	need(seal_object(&again, key, &id, &a) == CKR_OK, "seal again");
	need(unseal_object(&back, key, &id, again.data, again.len) == CKR_OK, "unseal again");
	need(back.n == a.n && attrs_match(&back, &a), "the same attributes");
	buf_free(&again);
	attrs_free(&a);
	attrs_free(&back);
}

/* The seal of docs/FORMAT.md over any plaintext. */
static void
open_plaintext(const uint8_t *plain, size_t len)
{
	static uint8_t file[SEAL_HEADER + 4096 + SEAL_TAG], padded[4096];
	uint8_t okm[76];
	size_t n = (len / SEAL_BUCKET + 1) * SEAL_BUCKET;
	EVP_CIPHER_CTX *c;
	int got;

	if (n > sizeof(padded))
		return;
	memset(padded, 0, n);
	memcpy(padded + 4, plain, len < n - 4 ? len : n - 4);
	put_le(padded, len < n - 4 ? len : n - 4, 4);
	memset(file, 0, SEAL_HEADER);
	memcpy(file, "TKNFSOB1", 8);
	put_le(file + 8, 1, 4);
	memcpy(file + 16, id.serial, SERIAL_LEN);
	memcpy(file + 32, id.key_id, 16);
	memcpy(file + 48, id.uuid, UUID_LEN);
	put_le(file + 64, id.version, 8);
	put_le(file + 72, n, 4);
	need(kdf_hkdf(okm, sizeof(okm), key, KEY_LEN, file + 80, 16, "tokenfs object 1", file, 80) == CKR_OK, "hkdf");
	memcpy(file + 96, okm + 44, 32);
	c = EVP_CIPHER_CTX_new();
	need(EVP_EncryptInit_ex(c, EVP_aes_256_gcm(), NULL, okm, okm + 32) == 1 &&
			EVP_EncryptUpdate(c, NULL, &got, file, SEAL_HEADER) == 1 &&
			EVP_EncryptUpdate(c, file + SEAL_HEADER, &got, padded, (int)n) == 1 &&
			EVP_EncryptFinal_ex(c, file + SEAL_HEADER + n, &got) == 1 &&
			EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, 16, file + SEAL_HEADER + n) == 1,
		"gcm");
	EVP_CIPHER_CTX_free(c);
	open_object(file, SEAL_HEADER + n + SEAL_TAG);
}

/* ---- logs ------------------------------------------------------------------------------------ */

static CK_RV
replay(struct journal *l, struct live *live, struct journal_replay *r)
{
	memset(live, 0, sizeof(*live));
	memset(r, 0, sizeof(*r));
	return journal_open(l, &dir, SERIAL, key_id, &mac, live, r);
}

static void
same_table(const struct live *a, const struct live *b)
{
	const struct live_entry *e, *f;
	size_t i = 0;

	need(a->n == b->n && a->bytes == b->bytes && a->n_private == b->n_private, "the same table");
	while ((e = live_next(a, &i)) != NULL) {
		f = live_find(b, e->uuid);
		need(f != NULL && f->version == e->version && memcmp(f->hash, e->hash, 32) == 0, "the same entry");
	}
}

static void
open_log(const uint8_t *file, size_t len)
{
	struct journal_entry e = {LOG_PUT, {.uuid = {0xFF}, .version = UINT64_MAX, .length = 400}};
	struct journal_replay r;
	struct live live, again;
	struct state_epoch at;
	struct journal l;

	put_file(&log_dir, "00000001", file, len);
	if (replay(&l, &live, &r) != CKR_OK) {
		need(live.n == 0 && live.v == NULL && l.dir.fd == -1 && l.fd == -1, "a refused log left something");
		return;
	}
	need(l.size <= len && l.size + r.torn == len && l.snapshot <= l.size, "sizes");
	need(journal_writable(&l) == CKR_OK, "writable");
	if (live_find(&live, e.e.uuid) == NULL) {
		need(journal_append(&l, &e, 1, 1) == CKR_OK, "append");
		need(live_put(&live, &e.e), "put");
	}
	at = l.at;
	journal_close(&l);
	need(replay(&l, &again, &r) == CKR_OK, "replay again");
	need(l.at.epoch == at.epoch && memcmp(l.at.mac, at.mac, MAC_LEN) == 0 && r.torn == 0, "the same end");
	same_table(&live, &again);
	journal_close(&l);
	live_free(&live);
	live_free(&again);
}

struct chain {
	uint8_t file[16384], mac[MAC_LEN];
	size_t len;
};

static void
chain_begin(struct chain *c)
{
	uint8_t *p = c->file;

	memset(p, 0, 128);
	memcpy(p, "TKNFSLG1", 8);
	put_le(p + 8, 1, 4);
	put_le(p + 12, 1, 4);
	memcpy(p + 16, SERIAL, 16);
	memcpy(p + 32, key_id, 16);
	need(mac_make(&mac, p + 96, p, 96, NULL, 0) == CKR_OK, "mac");
	memset(c->mac, 0, MAC_LEN);
	c->len = 128;
}

/* Ends the record at `from`, `len` bytes long with its MAC. */
static void
chain_mac(struct chain *c, size_t from, size_t len)
{
	uint8_t *end = c->file + from + len - MAC_LEN;

	need(mac_make(&mac, end, c->mac, MAC_LEN, c->file + from, len - MAC_LEN) == CKR_OK, "mac");
	memcpy(c->mac, end, MAC_LEN);
}

/* Per record: count, kind, epoch's error, tail; per entry: op, flags, which of 8 uuids, version. */
static void
open_records(const uint8_t *data, size_t len)
{
	static struct chain c;
	uint64_t epoch = 0;
	size_t at = 0;

	chain_begin(&c);
	while (at + 3 <= len && c.len + 64 + 15 * 64 + 64 < sizeof(c.file)) {
		size_t count = data[at] & 15, n = 64 + count * 64;
		uint8_t *p = c.file + c.len;

		memset(p, 0, n);
		put_le(p, n, 4);
		put_le(p + 4, ~(uint32_t)n, 4);
		epoch += 1 + (uint64_t)(data[at + 2] == 0xEE);
		put_le(p + 8, epoch, 8);
		put_le(p + 16, at, 8);
		put_le(p + 24, (at == 0 ? 2u : 1u) + (data[at + 1] == 0xEE), 4);
		put_le(p + 28, count + (data[at] == 0xFF), 4);
		at += 3;
		for (size_t i = 0; i < count && at + 4 <= len; i++, at += 4) {
			uint8_t *e = p + 32 + i * 64;

			e[0] = data[at];
			e[1] = data[at + 1];
			e[8] = data[at + 2] & 7;
			e[24] = data[at + 3];
			e[32] = (uint8_t)at;
		}
		chain_mac(&c, c.len, n);
		c.len += n;
	}
	if (at < len) { /* what is left is the tail */
		memcpy(c.file + c.len, data + at, len - at < 32 ? len - at : 32);
		c.len += len - at < 32 ? len - at : 32;
	}
	open_log(c.file, c.len);
}

/* Any bytes, their MACs mended wherever a length says that a record is there. */
static void
open_mended_log(const uint8_t *data, size_t len)
{
	static struct chain c;
	size_t at = 128;

	if (len < 192 || len > sizeof(c.file))
		return;
	memcpy(c.file, data, len);
	memcpy(c.file, "TKNFSLG1", 8);
	memcpy(c.file + 16, SERIAL, 16);
	memcpy(c.file + 32, key_id, 16);
	need(mac_make(&mac, c.file + 96, c.file, 96, NULL, 0) == CKR_OK, "mac");
	memcpy(c.mac, c.file + 64, MAC_LEN);
	while (at + 64 <= len) {
		uint32_t n = (uint32_t)c.file[at] | (uint32_t)c.file[at + 1] << 8;

		put_le(c.file + at, n, 4);
		put_le(c.file + at + 4, ~n, 4);
		if (n < 64 || n > len - at)
			break;
		chain_mac(&c, at, n);
		at += n;
	}
	open_log(c.file, len);
}

/* ---- headers --------------------------------------------------------------------------------- */

static void
open_header(const uint8_t *data, size_t len, bool mend)
{
	uint8_t file[400];
	struct header h;

	if (len > sizeof(file))
		len = sizeof(file);
	memcpy(file, data, len);
	if (mend && len >= 352) {
		len = 352;
		memcpy(file, "TKNFSHD1", 8);
		put_le(file + 8, 1 + (file[8] == 0xEE), 4);
		put_le(file + 12, 352, 4);
		if (file[16] != 0xEE)
			memcpy(file + 16, SERIAL, 16);
		need(mac_make(&mac, file + 320, file, 320, NULL, 0) == CKR_OK, "mac");
	}
	put_file(&dir, HEADER_NAME, file, len);
	if (header_read(&h, &dir, SERIAL, &mac) != CKR_OK)
		return;
	need(header_check_inner(&h, key) != CKR_HOST_MEMORY, "inner MAC");
	need(header_write(&h, &dir, &mac, key) == CKR_OK, "write the header again");
	need(header_read(&h, &dir, SERIAL, &mac) == CKR_OK, "read it again");
	need(header_check_inner(&h, key) == CKR_OK, "its inner MAC");
}

/* ---- VAULT ----------------------------------------------------------------------------------- */

static void
open_vault_text(const uint8_t *data, size_t len)
{
	struct vault_config cfg = {.vault = base, .key_file = "/nonexistent/key"};
	struct vault v = {.cfg = cfg, .dir = dir};
	char print[33];

	put_file(&dir, VAULT_FILE, data, len);
	(void)vault_fingerprint(&cfg, print);
	if (vault_load_key(&v) == CKR_OK) {
		need(v.without_key_file && strlen(v.id) == 32, "what VAULT says");
		secret_clear(&v.key);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (len == 0)
		return 0;
	switch (data[0] & 7) {
	case 0:
		open_object(data + 1, len - 1);
		break;
	case 1:
		open_plaintext(data + 1, len - 1);
		break;
	case 2:
		open_log(data + 1, len - 1);
		break;
	case 3:
		open_records(data + 1, len - 1);
		break;
	case 4:
		open_header(data + 1, len - 1, false);
		break;
	case 5:
		open_header(data + 1, len - 1, true);
		break;
	case 6:
		open_vault_text(data + 1, len - 1);
		break;
	default:
		open_mended_log(data + 1, len - 1);
	}
	return 0;
}
