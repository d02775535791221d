/* What comes back from a parameter: handles, versions, IVs, tags; and the parameters of messages. */
#include "pkcs11/param.h"

#include <stdlib.h>
#include <string.h>

#include "unit.h"

static uint8_t random_a[32] = "client", random_b[32] = "server";

#define DECODED(b, p, m) \
	do { \
		buf_init(b, 1 << 20); \
		CHECK_RV(CKR_OK, param_encode(b, m)); \
		CHECK_RV(CKR_OK, param_decode(b, p)); \
		buf_free(b); \
	} while (0)

/* Every cut of the outputs is refused with nothing written; the whole is taken. */
static void
take_all_cuts(const struct buf *out, const CK_MECHANISM *m, const void *watched, size_t n)
{
	uint8_t before[256];
	struct buf cut;

	memcpy(before, watched, n);
	for (size_t len = 0; len < out->len; len++) {
		buf_init_const(&cut, out->data, len);
		CHECK_RV(CKR_GENERAL_ERROR, param_take_outputs(&cut, m));
		CHECK(memcmp(before, watched, n) == 0);
	}
	buf_init_const(&cut, out->data, out->len);
	CHECK_RV(CKR_OK, param_take_outputs(&cut, m));
	CHECK(buf_at_end(&cut));
}

static void
handles_of_further_keys_come_back(void)
{
	CK_OBJECT_HANDLE handles[2] = {1, 2};
	CK_ULONG class = CKO_SECRET_KEY;
	CK_ATTRIBUTE templ = {CKA_CLASS, &class, sizeof(class)};
	CK_DERIVED_KEY keys[2] = {{&templ, 1, &handles[0]}, {&templ, 1, &handles[1]}};
	CK_PRF_DATA_PARAM input = {CK_SP800_108_BYTE_ARRAY, random_a, 32};
	CK_SP800_108_FEEDBACK_KDF_PARAMS kdf = {CKM_SHA256_HMAC, 1, &input, 0, NULL, 2, keys}, *k;
	CK_MECHANISM m = {CKM_SP800_108_FEEDBACK_KDF, &kdf, sizeof(kdf)};
	struct param p;
	struct buf b, out;

	CHECK(param_has_outputs(&m));
	DECODED(&b, &p, &m);
	k = p.mech.pParameter;
	*k->pAdditionalDerivedKeys[0].phKey = 0x51;
	*k->pAdditionalDerivedKeys[1].phKey = 0x52;
	buf_init(&out, 1 << 16);
	CHECK(param_put_outputs(&out, &p) && out.len == 16);
	take_all_cuts(&out, &m, handles, sizeof(handles));
	CHECK(handles[0] == 0x51 && handles[1] == 0x52);
	buf_free(&out);
	param_free(&p);
}

static void
tls_material_comes_back(void)
{
	struct {
		CK_SSL3_KEY_MAT_OUT out;
		uint8_t iv[2][12];
	} mine = {{0, 0, 0, 0, mine.iv[0], mine.iv[1]}, {"", ""}};
	CK_TLS12_KEY_MAT_PARAMS params = {256, 128, 96, CK_FALSE, {random_a, 32, random_b, 32}, &mine.out, CKM_SHA256}, *k;
	CK_MECHANISM m = {CKM_TLS12_KEY_AND_MAC_DERIVE, &params, sizeof(params)};
	struct param p;
	struct buf b, out;

	CHECK(param_has_outputs(&m));
	DECODED(&b, &p, &m);
	k = p.mech.pParameter;
	k->pReturnedKeyMaterial->hClientMacSecret = 11;
	k->pReturnedKeyMaterial->hServerMacSecret = 12;
	k->pReturnedKeyMaterial->hClientKey = 13;
	k->pReturnedKeyMaterial->hServerKey = CK_INVALID_HANDLE;
	memset(k->pReturnedKeyMaterial->pIVClient, 'c', 12);
	memset(k->pReturnedKeyMaterial->pIVServer, 's', 12);
	buf_init(&out, 1 << 16);
	CHECK(param_put_outputs(&out, &p) && out.len == 4 * 8 + 2 * 16);
	take_all_cuts(&out, &m, &mine, sizeof(mine));
	CHECK(mine.out.hClientMacSecret == 11 && mine.out.hServerMacSecret == 12 && mine.out.hClientKey == 13);
	CHECK(memcmp(mine.iv[0], "cccccccccccc", 12) == 0 && memcmp(mine.iv[1], "ssssssssssss", 12) == 0);
	CHECK(mine.out.pIVClient == mine.iv[0] && mine.out.pIVServer == mine.iv[1]);
	buf_free(&out);
	param_free(&p);

	/* without places for the IVs */
	mine.out.pIVClient = mine.out.pIVServer = NULL;
	DECODED(&b, &p, &m);
	k = p.mech.pParameter;
	CHECK(k->pReturnedKeyMaterial->pIVClient == NULL && k->ulIVSizeInBits == 96);
	buf_init(&out, 1 << 16);
	CHECK(param_put_outputs(&out, &p));
	take_all_cuts(&out, &m, &mine, sizeof(mine));
	buf_free(&out);
	param_free(&p);
}

static void
tls_version_comes_back(void)
{
	CK_VERSION version = {0, 0};
	CK_TLS12_MASTER_KEY_DERIVE_PARAMS params = {{random_a, 32, random_b, 32}, &version, CKM_SHA256}, *k;
	CK_MECHANISM m = {CKM_TLS12_MASTER_KEY_DERIVE, &params, sizeof(params)};
	struct param p;
	struct buf b, out;

	DECODED(&b, &p, &m);
	k = p.mech.pParameter;
	CHECK(k->pVersion != &version);
	*k->pVersion = (CK_VERSION){3, 3};
	buf_init(&out, 1 << 16);
	CHECK(param_put_outputs(&out, &p));
	take_all_cuts(&out, &m, &version, sizeof(version));
	CHECK(version.major == 3 && version.minor == 3);
	/* an answer that brings a version to one who has no place for it */
	params.pVersion = NULL;
	CHECK_RV(CKR_GENERAL_ERROR, param_take_outputs(&out, &m));
	buf_free(&out);
	param_free(&p);
}

static void
no_outputs_no_bytes(void)
{
	CK_RSA_PKCS_PSS_PARAMS pss = {CKM_SHA256, CKG_MGF1_SHA256, 32};
	CK_MECHANISM m[] = {{CKM_RSA_PKCS_PSS, &pss, sizeof(pss)}, {CKM_AES_GCM, NULL, 0}, {CKM_AES_CBC, random_a, 16}};
	struct param p;
	struct buf b, out;

	for (size_t i = 0; i < sizeof(m) / sizeof(m[0]); i++) {
		CHECK(!param_has_outputs(&m[i]));
		DECODED(&b, &p, &m[i]);
		buf_init(&out, 64);
		CHECK(param_put_outputs(&out, &p) && out.len == 0);
		CHECK_RV(CKR_OK, param_take_outputs(&out, &m[i]));
		buf_free(&out);
		param_free(&p);
	}
}

/* ---- messages ---- */

static uint8_t iv[12] = "nonce-nonce", tag[16] = "fifteen bytes..";

static CK_GCM_MESSAGE_PARAMS gcm = {iv, 12, 32, CKG_GENERATE_COUNTER, tag, 128};
static CK_CCM_MESSAGE_PARAMS ccm = {99, iv, 12, 0, CKG_NO_GENERATE, tag, 16};
static CK_SALSA20_CHACHA20_POLY1305_MSG_PARAMS poly = {iv, 96, tag};

static const struct {
	CK_MECHANISM_TYPE type;
	void *p;
	CK_ULONG len;
} messages[] = {
	{CKM_AES_GCM, &gcm, sizeof(gcm)}, {CKM_AES_CCM, &ccm, sizeof(ccm)}, {CKM_CHACHA20_POLY1305, &poly, sizeof(poly)},
};
#define N_MESSAGES (sizeof(messages) / sizeof(messages[0]))

/* Where the rebuilt structure has IV and tag. */
static void
places(const struct param *p, uint8_t **nonce, uint8_t **mac)
{
	if (p->kind == PARAM_GCM_MESSAGE) {
		CK_GCM_MESSAGE_PARAMS *g = p->mech.pParameter;

		CHECK(g->ulIvLen == 12 && g->ulIvFixedBits == 32 && g->ivGenerator == CKG_GENERATE_COUNTER && g->ulTagBits == 128);
		*nonce = g->pIv;
		*mac = g->pTag;
	} else if (p->kind == PARAM_CCM_MESSAGE) {
		CK_CCM_MESSAGE_PARAMS *c = p->mech.pParameter;

		CHECK(c->ulDataLen == 99 && c->ulNonceLen == 12 && c->nonceGenerator == CKG_NO_GENERATE && c->ulMACLen == 16);
		*nonce = c->pNonce;
		*mac = c->pMAC;
	} else {
		CK_SALSA20_CHACHA20_POLY1305_MSG_PARAMS *s = p->mech.pParameter;

		CHECK(p->kind == PARAM_CHACHA20_POLY1305_MESSAGE && s->ulNonceLen == 96);
		*nonce = s->pNonce;
		*mac = s->pTag;
	}
}

static void
sealing_brings_iv_and_tag(void)
{
	for (size_t i = 0; i < N_MESSAGES; i++) {
		uint8_t *nonce = NULL, *mac = NULL;
		struct buf b, out, cut;
		struct param p;

		memcpy(iv, "nonce-nonce", 12);
		memcpy(tag, "fifteen bytes..", 16);
		buf_init(&b, 1 << 16);
		CHECK_RV(CKR_OK, message_param_encode(&b, messages[i].p, messages[i].len, true));
		CHECK(memmem(b.data, b.len, "nonce-nonce", 11) != NULL && memmem(b.data, b.len, "fifteen", 7) == NULL);
		for (size_t len = 0; len < b.len; len++) {
			buf_init_const(&cut, b.data, len);
			CHECK_RV(CKR_ARGUMENTS_BAD, message_param_decode(&cut, &p));
			CHECK(p.pieces == NULL);
		}
		CHECK_RV(CKR_OK, message_param_decode(&b, &p));
		CHECK(buf_at_end(&b) && p.kind == message_param_kind(messages[i].type));
		places(&p, &nonce, &mac);
		CHECK(memcmp(nonce, iv, 12) == 0 && mac[0] == 0 && mac[15] == 0);
		memset(nonce, 'n', 12);
		memset(mac, 't', 16);
		buf_init(&out, 1 << 16);
		CHECK(param_put_outputs(&out, &p));
		for (size_t len = 0; len < out.len; len++) {
			buf_init_const(&cut, out.data, len);
			CHECK_RV(CKR_GENERAL_ERROR, message_param_take_outputs(&cut, messages[i].p, messages[i].len));
			CHECK(iv[0] == 'n' && iv[1] == 'o' && tag[0] == 'f');
		}
		CHECK_RV(CKR_OK, message_param_take_outputs(&out, messages[i].p, messages[i].len));
		CHECK(buf_at_end(&out));
		CHECK(memcmp(iv, "nnnnnnnnnnnn", 12) == 0 && memcmp(tag, "tttttttttttttttt", 16) == 0);
		buf_free(&out);
		buf_free(&b);
		param_free(&p);
	}
}

static void
opening_sends_the_tag(void)
{
	for (size_t i = 0; i < N_MESSAGES; i++) {
		uint8_t *nonce = NULL, *mac = NULL;
		struct param p;
		struct buf b;

		buf_init(&b, 1 << 16);
		CHECK_RV(CKR_OK, message_param_encode(&b, messages[i].p, messages[i].len, false));
		CHECK_RV(CKR_OK, message_param_decode(&b, &p));
		places(&p, &nonce, &mac);
		CHECK(memcmp(nonce, iv, 12) == 0 && memcmp(mac, tag, 16) == 0 && mac != tag);
		param_free(&p);
		buf_free(&b);
	}
}

static void
messages_are_refused(void)
{
	CK_GCM_MESSAGE_PARAMS bad = gcm;
	struct param p;
	struct buf b;

	buf_init(&b, 1 << 16);
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, message_param_encode(&b, NULL, sizeof(gcm), true));
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, message_param_encode(&b, &gcm, sizeof(gcm) - 1, true));
	bad.pTag = NULL;
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, message_param_encode(&b, &bad, sizeof(bad), true));
	bad = gcm;
	bad.ulTagBits = ~0ul;
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, message_param_encode(&b, &bad, sizeof(bad), true));
	bad = gcm;
	bad.pIv = NULL;
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, message_param_encode(&b, &bad, sizeof(bad), false));
	buf_clear(&b);
	CHECK_RV(CKR_OK, message_param_encode(&b, NULL, 0, true));
	CHECK_RV(CKR_OK, message_param_decode(&b, &p));
	CHECK(p.kind == PARAM_NONE && p.mech.pParameter == NULL);
	for (unsigned k = 1; k < 256; k++) {
		buf_clear(&b);
		buf_put_u8(&b, (uint8_t)k);
		for (int i = 0; i < 100; i++)
			buf_put_u8(&b, 0);
		if (k == PARAM_GCM_MESSAGE || k == PARAM_CCM_MESSAGE || k == PARAM_CHACHA20_POLY1305_MESSAGE)
			continue;
		CHECK_RV(CKR_ARGUMENTS_BAD, message_param_decode(&b, &p));
		CHECK(p.pieces == NULL);
	}
	buf_free(&b);
}

static void
handles_are_found(void)
{
	CK_OBJECT_HANDLE key = 7, none = CK_INVALID_HANDLE, *at[4];
	CK_HKDF_PARAMS hkdf = {CK_TRUE, CK_TRUE, CKM_SHA256, CKF_HKDF_SALT_KEY, NULL, 0, 9, NULL, 0};
	CK_PRF_DATA_PARAM inputs[] = {
		{CK_SP800_108_KEY_HANDLE, &key, sizeof(key)}, {CK_SP800_108_BYTE_ARRAY, &key, sizeof(key)},
		{CK_SP800_108_KEY_HANDLE, &none, sizeof(none)}, {CK_SP800_108_KEY_HANDLE, &key, sizeof(key)},
	};
	CK_SP800_108_KDF_PARAMS sp800 = {CKM_SHA256_HMAC, 4, inputs, 0, NULL};
	CK_MECHANISM m = {CKM_HKDF_DERIVE, &hkdf, sizeof(hkdf)};
	struct param p;
	struct buf b;

	DECODED(&b, &p, &m);
	CHECK(param_handles(&p, at, 4) == 1 && at[0] == &((CK_HKDF_PARAMS *)p.mech.pParameter)->hSaltKey && *at[0] == 9);
	param_free(&p);
	hkdf.ulSaltType = CKF_HKDF_SALT_NULL;
	DECODED(&b, &p, &m);
	CHECK(param_handles(&p, at, 4) == 0);
	param_free(&p);
	m = (CK_MECHANISM){CKM_SP800_108_COUNTER_KDF, &sp800, sizeof(sp800)};
	DECODED(&b, &p, &m);
	CHECK(param_handles(&p, at, 1) == 2 && *at[0] == 7);
	param_free(&p);
	m = (CK_MECHANISM){CKM_CONCATENATE_BASE_AND_KEY, &key, sizeof(key)};
	DECODED(&b, &p, &m);
	CHECK(param_handles(&p, at, 4) == 1 && at[0] == p.mech.pParameter);
	param_free(&p);
	m = (CK_MECHANISM){CKM_ECDSA, NULL, 0};
	DECODED(&b, &p, &m);
	CHECK(param_handles(&p, at, 4) == 0);
	param_free(&p);
}

/* Answers and messages with bytes changed: refused or taken, never more. */
static void
mutations(void)
{
	unsigned seed = 3, fine = 0, refused = 0;

	for (int i = 0; i < 60000; i++) {
		size_t which = (size_t)i % N_MESSAGES;
		int changes = 1 + rand_r(&seed) % 3;
		struct param p;
		struct buf b, out;

		buf_init(&b, 1 << 16);
		buf_init(&out, 1 << 20);
		message_param_encode(&b, messages[which].p, messages[which].len, i % 2);
		while (changes-- > 0)
			b.data[(unsigned)rand_r(&seed) % b.len] = (uint8_t)rand_r(&seed);
		if (message_param_decode(&b, &p) == CKR_OK) {
			CHECK(param_put_outputs(&out, &p));
			if (message_param_take_outputs(&out, messages[which].p, messages[which].len) == CKR_OK)
				fine++;
		} else {
			refused += p.pieces == NULL;
		}
		param_free(&p);
		buf_free(&out);
		buf_free(&b);
	}
	CHECK(fine > 1000 && refused > 1000);
}

int
main(void)
{
	handles_of_further_keys_come_back();
	tls_material_comes_back();
	tls_version_comes_back();
	no_outputs_no_bytes();
	sealing_brings_iv_and_tag();
	opening_sends_the_tag();
	messages_are_refused();
	handles_are_found();
	mutations();
	return unit_done("test_param_out");
}
