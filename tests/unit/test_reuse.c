/* Operations that take over the contexts of earlier ones with the same key: whatever these were about, and however they
 * ended, the answer is that of a key which was never used before. */
#include "crypto_help.h"

#include "store/object.h"

#define ROUNDS 4000
#define LONGEST 200

static uint8_t key[64], iv[128], aad[40], text[LONGEST];
static const size_t tag_sizes[] = {4, 8, 12, 14, 16};

/* A parameter of any sort that the mechanisms below take. */
static union {
	CK_GCM_PARAMS gcm;
	CK_CCM_PARAMS ccm;
	CK_SALSA20_CHACHA20_POLY1305_PARAMS poly;
	CK_CHACHA20_PARAMS chacha;
	CK_AES_CTR_PARAMS ctr;
	CK_ULONG size;
} p;
static uint8_t counter[8];

static unsigned
pick(unsigned n)
{
	static unsigned long state = 20261121;

	state = state * 6364136223846793005UL + 1442695040888963407UL;
	return (unsigned)(state >> 33) % n;
}

static const struct {
	CK_MECHANISM_TYPE type;
	CK_KEY_TYPE key;
	size_t key_len, iv, blocks; /* blocks: the text is a multiple of this */
	bool signs;
} all[] = {
	{CKM_AES_GCM, CKK_AES, 32, 0, 1, false},
	{CKM_AES_CCM, CKK_AES, 32, 0, 1, false},
	{CKM_AES_CTR, CKK_AES, 32, 0, 1, false},
	{CKM_AES_ECB, CKK_AES, 32, 0, 16, false},
	{CKM_AES_CBC, CKK_AES, 32, 16, 16, false},
	{CKM_AES_CBC_PAD, CKK_AES, 32, 16, 1, false},
	{CKM_AES_OFB, CKK_AES, 32, 16, 1, false},
	{CKM_AES_CFB1, CKK_AES, 32, 16, 1, false},
	{CKM_AES_CFB8, CKK_AES, 32, 16, 1, false},
	{CKM_AES_CFB128, CKK_AES, 32, 16, 1, false},
	{CKM_AES_CTS, CKK_AES, 32, 16, 1, false},
	{CKM_AES_XTS, CKK_AES_XTS, 64, 16, 1, false},
	{CKM_AES_KEY_WRAP, CKK_AES, 32, 8, 8, false},
	{CKM_AES_KEY_WRAP_PAD, CKK_AES, 32, 8, 1, false},
	{CKM_AES_KEY_WRAP_KWP, CKK_AES, 32, 4, 1, false},
	{CKM_CHACHA20_POLY1305, CKK_CHACHA20, 32, 0, 1, false},
	{CKM_CHACHA20, CKK_CHACHA20, 32, 0, 1, false},
	{CKM_DES3_CBC, CKK_DES3, 24, 8, 8, false},
	{CKM_DES3_CBC_PAD, CKK_DES3, 24, 8, 1, false},
	{CKM_AES_CMAC, CKK_AES, 32, 0, 1, true},
	{CKM_AES_CMAC_GENERAL, CKK_AES, 32, 0, 1, true},
	{CKM_AES_GMAC, CKK_AES, 32, 12, 1, true},
	{CKM_AES_MAC_GENERAL, CKK_AES, 32, 0, 1, true},
	{CKM_DES3_CMAC, CKK_DES3, 24, 0, 1, true},
	{CKM_DES3_MAC, CKK_DES3, 24, 0, 1, true},
	{CKM_SHA256_HMAC, CKK_GENERIC_SECRET, 40, 0, 1, true},
	{CKM_SHA3_256_HMAC_GENERAL, CKK_GENERIC_SECRET, 40, 0, 1, true},
	{CKM_BLAKE2B_256_HMAC, CKK_GENERIC_SECRET, 40, 0, 1, true},
	{CKM_POLY1305, CKK_POLY1305, 32, 0, 1, true},
};
#define N_ALL (sizeof(all) / sizeof(all[0]))

/* Nonce, tag and additional data anew; n: bytes of text. */
static CK_MECHANISM
any_param(size_t i, size_t n)
{
	size_t nonce = pick(2) ? 12 : 7 + pick(7), tag = tag_sizes[pick(5)];

	RAND_bytes(iv, sizeof(iv));
	RAND_bytes(aad, sizeof(aad));
	RAND_bytes(counter, 4);
	switch (all[i].type) {
	case CKM_AES_GCM:
		nonce = pick(2) ? 12 : 1 + pick(128);
		p.gcm = (CK_GCM_PARAMS){iv, nonce, 8 * nonce, aad, pick(sizeof(aad)), 8 * tag};
		return mechanism(all[i].type, &p, sizeof(p.gcm));
	case CKM_AES_CCM:
		p.ccm = (CK_CCM_PARAMS){n, iv, nonce, aad, pick(sizeof(aad)), tag};
		return mechanism(all[i].type, &p, sizeof(p.ccm));
	case CKM_CHACHA20_POLY1305:
		p.poly = (CK_SALSA20_CHACHA20_POLY1305_PARAMS){iv, 96, aad, pick(sizeof(aad))};
		return mechanism(all[i].type, &p, sizeof(p.poly));
	case CKM_CHACHA20:
		p.chacha = (CK_CHACHA20_PARAMS){counter, pick(2) ? 32 : 64, iv, 64};
		return mechanism(all[i].type, &p, sizeof(p.chacha));
	case CKM_AES_CTR:
		p.ctr.ulCounterBits = 128;
		memcpy(p.ctr.cb, iv, 16);
		return mechanism(all[i].type, &p, sizeof(p.ctr));
	case CKM_AES_CMAC_GENERAL:
	case CKM_AES_MAC_GENERAL:
	case CKM_SHA3_256_HMAC_GENERAL:
		p.size = 1 + pick(16);
		return mechanism(all[i].type, &p, sizeof(p.size));
	default:
		if (all[i].iv == 4 || (all[i].iv == 8 && all[i].key == CKK_AES)) /* key wrap: its IV may be left out */
			return mechanism(all[i].type, iv, pick(2) ? all[i].iv : 0);
		return mechanism(all[i].type, iv, all[i].iv);
	}
}

/* Begun and given up after some of the text. */
static void
give_up(enum op_kind kind, const CK_MECHANISM *m, struct object *o, size_t n)
{
	uint8_t out[LONGEST + 64];
	CK_ULONG len = sizeof(out);
	struct op *op;

	if (op_begin(&op, kind, m, o) != CKR_OK)
		return;
	if (n > 0)
		op_update(op, text, 1 + pick((unsigned)n), kind == OP_SIGN ? NULL : out, kind == OP_SIGN ? NULL : &len);
	op_end(op);
}

static void
one_round(size_t i, struct object *used)
{
	size_t n = pick(LONGEST / (unsigned)all[i].blocks) * all[i].blocks;
	struct object *fresh = secret_object(all[i].key, key, all[i].key_len);
	enum op_kind kind = all[i].signs ? OP_SIGN : OP_ENCRYPT;
	CK_MECHANISM m = any_param(i, n);
	uint8_t want[LONGEST + 64], got[LONGEST + 64], back[LONGEST + 64];
	size_t want_len = sizeof(want), len = sizeof(got), back_len = sizeof(back);
	CK_RV rv = once(kind, &m, fresh, text, n, want, &want_len), again;

	object_put(fresh);
	if (pick(4) == 0)
		give_up(kind, &m, used, n);
	again = pick(2) ? once(kind, &m, used, text, n, got, &len) : parts(kind, &m, used, text, n, got, &len);
	CHECK(again == rv && (rv != CKR_OK || (len == want_len && memcmp(got, want, len) == 0)));
	if (again != rv)
		fprintf(stderr, "mechanism 0x%lx, %zu bytes: 0x%lx, not 0x%lx: %s\n", all[i].type, n, again, rv, why_text());
	if (rv != CKR_OK || all[i].signs)
		return;
	if (pick(3) == 0) { /* damaged or cut: whatever comes of it */
		if (want_len > 0)
			got[pick((unsigned)want_len)] ^= 1;
		once(OP_DECRYPT, &m, used, got, want_len - (want_len > 0 && pick(4) == 0), back, &back_len);
		back_len = sizeof(back);
	}
	again = pick(2) ? once(OP_DECRYPT, &m, used, want, want_len, back, &back_len) :
		parts(OP_DECRYPT, &m, used, want, want_len, back, &back_len);
	CHECK(again == CKR_OK && back_len == n && memcmp(back, text, n) == 0);
	if (again != CKR_OK)
		fprintf(stderr, "mechanism 0x%lx back, %zu bytes: 0x%lx: %s\n", all[i].type, n, again, why_text());
}

int
main(void)
{
	struct object *used[N_ALL] = {NULL};
	size_t i, k;

	CHECK_RV(CKR_OK, secret_start());
	mech_set_legacy(true);
	RAND_bytes(key, sizeof(key));
	RAND_bytes(text, sizeof(text));
	for (i = 0; i < N_ALL; i++) { /* one key for all mechanisms of its type */
		for (k = 0; k < i && used[i] == NULL; k++)
			if (all[k].key == all[i].key)
				used[i] = object_ref(used[k]);
		if (used[i] == NULL)
			used[i] = secret_object(all[i].key, key, all[i].key_len);
	}
	for (unsigned r = 0; r < ROUNDS; r++) {
		i = pick(N_ALL);
		if (mech_find(all[i].type) != NULL)
			one_round(i, used[i]);
	}
	for (i = 0; i < N_ALL; i++)
		object_put(used[i]);
	return unit_done("reuse");
}
