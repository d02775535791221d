/*
 * The commit log: its bytes as docs/FORMAT.md has them (MACs by OpenSSL's HMAC()), replay against a model,
 * compaction, and what a crash may leave.
 */
#include "vault_help.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "../../store/journal.h"

#define SERIAL "0123456789abcdef"

static struct scratch s;
static struct dir base;
static uint8_t mac_key[KEY_LEN], key_id[16] = {7, 7};
static struct mac key;

static struct live_entry
entry(unsigned kind, uint64_t version)
{
	struct live_entry e = {.version = version, .length = 400 + kind, .private = kind % 2};

	memset(e.uuid, (int)kind, sizeof(e.uuid));
	memset(e.hash, (int)(kind + version), sizeof(e.hash));
	return e;
}

static CK_RV
reopen(struct journal *l, struct live *live, struct journal_replay *r)
{
	memset(live, 0, sizeof(*live));
	return journal_open(l, &base, SERIAL, key_id, &key, live, r);
}

static void
begin(struct journal *l)
{
	const struct state_epoch none = {0};
	struct journal_replay r = {0};
	struct live live;

	shell("rm -rf %s/1-log", base.path);
	CHECK_RV(CKR_OK, journal_create(&base, SERIAL, key_id, &key, &none));
	CHECK_RV(CKR_OK, reopen(l, &live, &r));
	CHECK(live.n == 0 && l->at.epoch == 1 && r.torn == 0);
	CHECK_RV(CKR_TOKEN_WRITE_PROTECTED, journal_append(l, NULL, 0, 1));
	CHECK_RV(CKR_OK, journal_writable(l));
}

static void
append_put(struct journal *l, unsigned kind, uint64_t version, int64_t now)
{
	struct journal_entry e = {LOG_PUT, entry(kind, version)};

	CHECK_RV(CKR_OK, journal_append(l, &e, 1, now));
	CHECK_RV(CKR_OK, journal_sync(l));
}

static void
mac_by_hand(uint8_t out[32], const void *a, size_t a_len, const void *b, size_t b_len)
{
	uint8_t all[1024];

	memcpy(all, a, a_len);
	memcpy(all + a_len, b, b_len);
	CHECK(HMAC(EVP_sha256(), mac_key, sizeof(mac_key), all, a_len + b_len, out, NULL) != NULL);
}

static uint32_t
u32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void
test_bytes_are_those_of_the_format(void)
{
	struct journal_entry two[2] = {{LOG_PUT, entry(5, 3)}, {LOG_DELETE, {.version = 1}}};
	static const uint8_t zero[32];
	uint8_t mac[32], *p;
	struct journal l;
	char path[256];
	size_t len;

	begin(&l);
	append_put(&l, 0, 1, 1000);
	CHECK_RV(CKR_OK, journal_append(&l, two, 2, 1001));
	CHECK_RV(CKR_OK, journal_sync(&l));
	journal_close(&l);
	the_file(path, sizeof(path), "%s/1-log/00000001", base.path);
	p = slurp(path, &len);
	CHECK(len == 128 + 64 + 128 + 192);
	CHECK(memcmp(p, "TKNFSLG1", 8) == 0 && u32(p + 8) == 1 && u32(p + 12) == 1);
	CHECK(memcmp(p + 16, SERIAL, 16) == 0 && memcmp(p + 32, key_id, 16) == 0);
	CHECK(memcmp(p + 48, zero, 16) == 0 && memcmp(p + 64, zero, 32) == 0);
	mac_by_hand(mac, p, 96, "", 0);
	CHECK(memcmp(mac, p + 96, 32) == 0);
	/* the snapshot, chained to nothing */
	CHECK(u32(p + 128) == 64 && u32(p + 132) == ~(uint32_t)64 && u32(p + 136) == 1 && u32(p + 152) == LOG_SNAPSHOT);
	mac_by_hand(mac, zero, 32, p + 128, 32);
	CHECK(memcmp(mac, p + 160, 32) == 0);
	/* one put */
	CHECK(u32(p + 192) == 128 && u32(p + 196) == ~(uint32_t)128 && u32(p + 200) == 2 && u32(p + 208) == 1000);
	CHECK(u32(p + 216) == LOG_COMMIT && u32(p + 220) == 1);
	CHECK(p[224] == 1 && p[225] == 0 && u32(p + 228) == 400 && u32(p + 248) == 1);
	mac_by_hand(mac, p + 160, 32, p + 192, 96);
	CHECK(memcmp(mac, p + 288, 32) == 0);
	/* a put and a delete */
	CHECK(u32(p + 320) == 192 && u32(p + 328) == 3 && u32(p + 348) == 2);
	CHECK(p[352] == 1 && p[353] == 1 && u32(p + 356) == 405 && p[360] == 5 && u32(p + 376) == 3 && p[384] == 8);
	CHECK(p[416] == 2 && u32(p + 440) == 1 && memcmp(p + 448, zero, 32) == 0);
	mac_by_hand(mac, p + 288, 32, p + 320, 160);
	CHECK(memcmp(mac, p + 480, 32) == 0);
	free(p);
}

/* Random commits, reopened now and then, compacted now and then. */
static void
test_replay_against_a_model(void)
{
	uint64_t model[64] = {0}, last[64] = {0};
	struct journal_replay r = {0};
	struct live live;
	struct journal l;
	size_t n;

	srand(3);
	begin(&l);
	memset(&live, 0, sizeof(live));
	for (int i = 0; i < 3000; i++) {
		struct journal_entry v[4];
		uint64_t epoch = l.at.epoch;
		size_t used = 0;

		for (unsigned k = (unsigned)rand() % 16; k < 64 && used < 4; k += 1 + (unsigned)rand() % 16) {
			bool gone = model[k] != 0 && rand() % 3 == 0;

			v[used].op = gone ? LOG_DELETE : LOG_PUT;
			v[used].e = entry(k, gone ? model[k] : last[k] + 1);
			model[k] = gone ? 0 : ++last[k];
			if (gone)
				live_remove(&live, v[used].e.uuid);
			else
				CHECK(live_put(&live, &v[used].e));
			used++;
		}
		CHECK_RV(CKR_OK, journal_append(&l, v, used, i));
		CHECK(l.at.epoch == epoch + 1 && journal_in_place(&l));
		if (i % 700 == 699 || journal_wants_compaction(&l, &live)) {
			CHECK_RV(CKR_OK, journal_compact(&l, &live, i));
			CHECK(l.at.epoch == epoch + 2);
		}
		if (i % 100 == 0) {
			struct state_epoch at = l.at;

			journal_close(&l);
			live_free(&live);
			r = (struct journal_replay){.seen = at};
			CHECK_RV(CKR_OK, reopen(&l, &live, &r));
			CHECK(r.seen_found && l.at.epoch == at.epoch && memcmp(l.at.mac, at.mac, 32) == 0);
			CHECK_RV(CKR_OK, journal_writable(&l));
			n = 0;
			for (unsigned k = 0; k < 64; k++) {
				struct live_entry e = entry(k, 1);
				const struct live_entry *found = live_find(&live, e.uuid);

				CHECK((found != NULL ? found->version : 0) == model[k]);
				n += model[k] != 0 ? 1 : 0;
			}
			CHECK(live.n == n);
		}
	}
	CHECK(l.segment > 4);
	CHECK_RV(CKR_OK, journal_sweep(&l, (int64_t)time(NULL) + 1));
	shell("test $(ls %s/1-log | wc -l) = 1", base.path);
	live_free(&live);
	journal_close(&l);
}

/* Any beginning of a record is a torn tail; it goes, and the log goes on. */
static void
test_torn_tail_is_cut(void)
{
	struct journal_replay r = {0};
	struct journal l;
	struct live live;
	char path[256];
	uint8_t *p;
	size_t len;

	begin(&l);
	append_put(&l, 1, 1, 10);
	append_put(&l, 2, 1, 11);
	journal_close(&l);
	the_file(path, sizeof(path), "%s/1-log/00000001", base.path);
	p = slurp(path, &len);
	for (size_t n = len - 128; n < len; n++) {
		struct stat st;

		spill(path, p, n);
		CHECK_RV(CKR_OK, reopen(&l, &live, &r));
		CHECK(live.n == 1 && l.at.epoch == 2 && r.torn == n - (len - 128));
		CHECK(journal_in_place(&l));
		CHECK_RV(CKR_OK, journal_writable(&l));
		CHECK(stat(path, &st) == 0 && (size_t)st.st_size == len - 128);
		CHECK(journal_in_place(&l));
		append_put(&l, 3, 1, 12);
		journal_close(&l);
		live_free(&live);
		CHECK_RV(CKR_OK, reopen(&l, &live, &r));
		CHECK(live.n == 2 && l.at.epoch == 3 && r.torn == 0);
		journal_close(&l);
		live_free(&live);
	}
	free(p);
}

/* What a file system leaves that kept the length and lost a sector of data: the acknowledged records count, the rest goes. A
 * lost sector in the midst of a long log is damage all the same. */
static void
test_zeroed_tail_is_cut(void)
{
	struct journal_replay r = {0};
	struct journal l;
	struct live live;
	char path[256];
	uint8_t *p, *q;
	size_t len;

	begin(&l);
	for (unsigned i = 1; i <= 200; i++)
		append_put(&l, i, 1, 10);
	journal_close(&l);
	the_file(path, sizeof(path), "%s/1-log/00000001", base.path);
	p = slurp(path, &len);
	q = malloc(len);
	CHECK(q != NULL);
	for (size_t at = len - 8 * 512; at < len; at += 64) {
		size_t end = at % 512 == 0 && at + 512 < len ? at + 512 : len, keep = (at - 192) / 128;

		if (at % 512 != 0 && (at - 192) % 128 != 0)
			continue; /* sectors are written whole; what was there before is zeros from a record's beginning */
		memcpy(q, p, len);
		memset(q + at, 0, end - at);
		spill(path, q, len);
		CHECK_RV(CKR_OK, reopen(&l, &live, &r));
		CHECK(live.n == keep && r.torn == len - 192 - keep * 128);
		CHECK_RV(CKR_OK, journal_writable(&l));
		append_put(&l, 201, 1, 12);
		journal_close(&l);
		live_free(&live);
		CHECK_RV(CKR_OK, reopen(&l, &live, &r));
		CHECK(live.n == keep + 1 && r.torn == 0);
		journal_close(&l);
		live_free(&live);
	}
	memcpy(q, p, len);
	memset(q + 1024, 0, 512);
	spill(path, q, len);
	CHECK_RV(CKR_DEVICE_ERROR, reopen(&l, &live, &r));
	free(p);
	free(q);
}

static void
test_seen(void)
{
	struct journal_replay r = {0};
	struct journal l;
	struct live live = {0};
	struct state_epoch at[5];

	begin(&l);
	for (unsigned i = 0; i < 5; i++) {
		append_put(&l, i, 1, i);
		at[i] = l.at;
	}
	journal_close(&l);
	for (unsigned i = 0; i < 5; i++) {
		r = (struct journal_replay){.seen = at[i]};
		CHECK_RV(CKR_OK, reopen(&l, &live, &r));
		CHECK(r.seen_found && !r.seen_older);
		journal_close(&l);
		live_free(&live);
		r.seen.mac[0] ^= 1;
		CHECK_RV(CKR_OK, reopen(&l, &live, &r));
		CHECK(!r.seen_found && !r.seen_older);
		journal_close(&l);
		live_free(&live);
		/* stopping where it is told to */
		r = (struct journal_replay){.stop_epoch = at[i].epoch};
		CHECK_RV(CKR_OK, reopen(&l, &live, &r));
		CHECK(live.n == i + 1 && l.at.epoch == at[i].epoch && r.torn == (4 - i) * 128);
		CHECK(journal_in_place(&l));
		journal_close(&l);
		live_free(&live);
	}
	r = (struct journal_replay){0};
	CHECK_RV(CKR_OK, reopen(&l, &live, &r));
	CHECK_RV(CKR_OK, journal_compact(&l, &live, 9));
	journal_close(&l);
	live_free(&live);
	r = (struct journal_replay){.seen = at[4]};
	CHECK_RV(CKR_OK, reopen(&l, &live, &r));
	CHECK(r.seen_found && r.seen_older && r.snapshot == at[4].epoch + 1);
	journal_close(&l);
	live_free(&live);
}

/* Entries that make no sense, under the right MAC. */
static void
refuse(const struct journal_entry *v, size_t n)
{
	struct journal_replay r = {0};
	struct live live = {0};
	struct journal l;

	begin(&l);
	append_put(&l, 1, 5, 1);
	CHECK_RV(CKR_OK, journal_append(&l, v, n, 2));
	journal_close(&l);
	CHECK_RV(CKR_DEVICE_ERROR, reopen(&l, &live, &r));
	CHECK(strstr(why_text(), "00000001") != NULL);
	CHECK(live.n == 0 && l.fd == -1 && l.dir.fd == -1);
}

static void
test_senseless_entries(void)
{
	struct journal_entry e[2] = {{LOG_PUT, entry(1, 5)}, {LOG_PUT, entry(2, 1)}};

	refuse(e, 1);
	e[0].e.version = 4;
	refuse(e, 1);
	e[0].e.version = 0;
	refuse(e, 1);
	e[0] = (struct journal_entry){LOG_DELETE, entry(1, 4)};
	refuse(e, 1);
	e[0] = (struct journal_entry){LOG_DELETE, entry(2, 1)};
	refuse(e, 1);
	e[0] = (struct journal_entry){3, entry(2, 1)};
	refuse(e, 1);
	e[0] = e[1];
	refuse(e, 2);
}

/* Serial, key id and MAC key of somebody else. */
static void
test_of_another_token(void)
{
	struct journal_replay r = {0};
	struct live live = {0};
	struct mac wrong = {0};
	uint8_t other[KEY_LEN] = {1};
	struct journal l;

	begin(&l);
	journal_close(&l);
	CHECK_RV(CKR_OK, mac_init(&wrong, other));
	CHECK_RV(CKR_DEVICE_ERROR, journal_open(&l, &base, SERIAL, key_id, &wrong, &live, &r));
	CHECK_RV(CKR_DEVICE_ERROR, journal_open(&l, &base, "0123456789abcde0", key_id, &key, &live, &r));
	CHECK_RV(CKR_DEVICE_ERROR, journal_open(&l, &base, SERIAL, other, &key, &live, &r));
	CHECK(strstr(why_text(), "initialisations") != NULL);
	mac_release(&wrong);
}

int
main(void)
{
	scratch_open(&s);
	memset(mac_key, 0x33, sizeof(mac_key));
	CHECK_RV(CKR_OK, mac_init(&key, mac_key));
	CHECK_RV(CKR_OK, dir_open(&base, s.base));
	test_bytes_are_those_of_the_format();
	test_replay_against_a_model();
	test_torn_tail_is_cut();
	test_zeroed_tail_is_cut();
	test_seen();
	test_senseless_entries();
	test_of_another_token();
	mac_release(&key);
	dir_close(&base);
	scratch_remove(&s);
	return unit_done("test_journal");
}
