#include "pkcs11/param.h"
#include "pkcs11/names_table.h"

#include <stdlib.h>
#include <string.h>

#include "unit.h"

static uint8_t iv[12] = "iv-iv-iv-iv", aad[5] = "aad!", point[65] = {4, 1, 2, 3};

static CK_RSA_PKCS_OAEP_PARAMS oaep = {CKM_SHA256, CKG_MGF1_SHA256, CKZ_DATA_SPECIFIED, aad, 5};
static CK_RSA_PKCS_PSS_PARAMS pss = {CKM_SHA384, CKG_MGF1_SHA384, 48};
static CK_AES_CTR_PARAMS ctr = {32, "counter block."};
static CK_GCM_PARAMS gcm = {iv, 12, 96, aad, 5, 128};
static CK_ECDH1_DERIVE_PARAMS ecdh = {CKD_NULL, 0, NULL, 65, point};
static struct ck_eddsa_parameters eddsa = {CK_TRUE, 5, aad};
static CK_KEY_DERIVATION_STRING_DATA string = {aad, 5};
static CK_AES_CBC_ENCRYPT_DATA_PARAMS cbc_data = {"0123456789abcde", aad, 5};
static CK_ULONG general = 10;

#define MECH(m, p) {m, &p, sizeof(p)}
static CK_MECHANISM all[] = {
	MECH(CKM_RSA_PKCS_OAEP, oaep), MECH(CKM_SHA384_RSA_PKCS_PSS, pss), MECH(CKM_AES_CTR, ctr),
	MECH(CKM_AES_GCM, gcm), MECH(CKM_ECDH1_COFACTOR_DERIVE, ecdh), MECH(CKM_EDDSA, eddsa),
	{CKM_EDDSA, NULL, 0}, MECH(CKM_AES_ECB_ENCRYPT_DATA, string),
	MECH(CKM_AES_CBC_ENCRYPT_DATA, cbc_data), MECH(CKM_SHA256_HMAC_GENERAL, general),
	{CKM_AES_CBC, iv, 12}, {CKM_AES_KEY_WRAP, NULL, 0}, {CKM_ECDSA, NULL, 0},
	{CKM_ECDSA, iv, 0}, {CKM_VENDOR_DEFINED | 7, iv, 12}, {CK_UNAVAILABLE_INFORMATION, NULL, 0},
};
#define N_ALL (sizeof(all) / sizeof(all[0]))

static CK_RV
encode(struct buf *b, CK_MECHANISM_TYPE type, void *p, CK_ULONG len)
{
	CK_MECHANISM m = {type, p, len};

	buf_init(b, 1 << 20);
	return param_encode(b, &m);
}

/* Encoded, decoded and encoded again gives the same bytes; every pointer lies in the block. */
static void
round_trips(void)
{
	for (size_t i = 0; i < N_ALL; i++) {
		struct buf b, again, cut;
		struct param p;

		CHECK_RV(CKR_OK, encode(&b, all[i].mechanism, all[i].pParameter, all[i].ulParameterLen));
		CHECK_RV(CKR_OK, param_decode(&b, &p));
		CHECK(buf_at_end(&b));
		CHECK(p.mech.mechanism == all[i].mechanism);
		CHECK(p.mech.ulParameterLen == all[i].ulParameterLen);
		CHECK(p.mech.pParameter == p.block);
		CHECK_RV(CKR_OK, encode(&again, p.mech.mechanism, p.mech.pParameter, p.mech.ulParameterLen));
		CHECK(again.len == b.len && memcmp(again.data, b.data, b.len) == 0);
		param_free(&p);
		for (size_t len = 0; len < b.len; len++) {
			buf_init_const(&cut, b.data, len);
			CHECK_RV(CKR_ARGUMENTS_BAD, param_decode(&cut, &p));
			CHECK(p.block == NULL && buf_failed(&cut));
		}
		buf_free(&b);
		buf_free(&again);
		CHECK_RV(CKR_OK, param_copy(&p, &all[i]));
		CHECK(p.mech.ulParameterLen == all[i].ulParameterLen);
		param_free(&p);
	}
}

static void
fields_arrive(void)
{
	struct param p;
	CK_GCM_PARAMS *g;
	CK_ECDH1_DERIVE_PARAMS *e;
	CK_AES_CTR_PARAMS *c;

	CHECK_RV(CKR_OK, param_copy(&p, &all[3]));
	g = p.mech.pParameter;
	CHECK(g->ulIvLen == 12 && memcmp(g->pIv, iv, 12) == 0 && g->pIv != iv && g->ulIvBits == 96);
	CHECK(g->ulAADLen == 5 && memcmp(g->pAAD, aad, 5) == 0 && g->ulTagBits == 128);
	CHECK(g->pIv > (uint8_t *)p.block && g->pAAD + 5 <= (uint8_t *)p.block + p.size);
	param_free(&p);
	CHECK_RV(CKR_OK, param_copy(&p, &all[4]));
	e = p.mech.pParameter;
	CHECK(e->kdf == CKD_NULL && e->pSharedData == NULL && e->ulSharedDataLen == 0);
	CHECK(e->ulPublicDataLen == 65 && memcmp(e->pPublicData, point, 65) == 0);
	param_free(&p);
	CHECK_RV(CKR_OK, param_copy(&p, &all[2]));
	c = p.mech.pParameter;
	CHECK(c->ulCounterBits == 32 && memcmp(c->cb, ctr.cb, 16) == 0);
	param_free(&p);
}

static void
refusals(void)
{
	CK_GCM_PARAMS bad_gcm = {NULL, 12, 96, aad, 5, 128};
	struct ck_eddsa_parameters bad_eddsa = {7, 0, NULL};
	struct buf b;

	/* CK_GCM_PARAMS as it was before ulIvBits: 8 bytes shorter */
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, encode(&b, CKM_AES_GCM, &gcm, sizeof(gcm) - 8));
	buf_free(&b);
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, encode(&b, CKM_AES_GCM, NULL, 0));
	buf_free(&b);
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, encode(&b, CKM_AES_GCM, NULL, sizeof(gcm)));
	buf_free(&b);
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, encode(&b, CKM_AES_GCM, &bad_gcm, sizeof(gcm)));
	buf_free(&b);
	bad_gcm.pIv = iv;
	bad_gcm.ulIvLen = PARAM_MAX_BYTES + 1;
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, encode(&b, CKM_AES_GCM, &bad_gcm, sizeof(gcm)));
	buf_free(&b);
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, encode(&b, CKM_EDDSA, &bad_eddsa, sizeof(bad_eddsa)));
	buf_free(&b);
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, encode(&b, CKM_ECDSA, iv, 1));
	buf_free(&b);
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, encode(&b, CKM_SHA256_HMAC_GENERAL, iv, 4));
	buf_free(&b);
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, encode(&b, CKM_AES_CBC, iv, PARAM_MAX_BYTES + 1));
	buf_free(&b);
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, encode(&b, CKM_SHA256_RSA_PKCS_PSS, NULL, 0));
	buf_free(&b);
}

/* Every mechanism by its number: known ones have their kind, all others travel as bytes. */
static void
table_is_found(void)
{
	unsigned none = 0, raw = 0, others = 0;

	CHECK(param_kind(CKM_RSA_PKCS_KEY_PAIR_GEN) == PARAM_NONE);
	CHECK(param_kind(CKM_PUB_KEY_FROM_PRIV_KEY) == PARAM_NONE);
	CHECK(param_kind(CKM_SHA512_RSA_PKCS_PSS) == PARAM_RSA_PSS);
	CHECK(param_kind(CKM_AES_KEY_WRAP_KWP) == PARAM_RAW);
	CHECK(param_kind(CKM_SHA512_256_HMAC_GENERAL) == PARAM_ULONG);
	CHECK(param_kind(0x7777) == PARAM_RAW);
	for (size_t i = 0; i < names_tables[NAMES_MECH].n; i++) {
		enum param_kind k = param_kind(names_tables[NAMES_MECH].rows[i].value);

		none += k == PARAM_NONE;
		raw += k == PARAM_RAW;
		others += k != PARAM_NONE && k != PARAM_RAW;
	}
	/* The rows of the table, counted. One out of order would not be found and count as raw. */
	CHECK(none == 106);
	CHECK(others == 41);
	CHECK(raw + none + others == names_tables[NAMES_MECH].n);
}

static void
mutations(void)
{
	unsigned seed = 2, fine = 0, refused = 0;

	for (int i = 0; i < 100000; i++) {
		const CK_MECHANISM *m = &all[(size_t)i % N_ALL];
		int changes = 1 + rand_r(&seed) % 3;
		struct buf b, again;
		struct param p;

		encode(&b, m->mechanism, m->pParameter, m->ulParameterLen);
		while (changes-- > 0)
			b.data[(unsigned)rand_r(&seed) % b.len] = (uint8_t)rand_r(&seed);
		if (param_decode(&b, &p) == CKR_OK) {
			/* what was decoded can be read through all its pointers */
			buf_init(&again, 1 << 20);
			fine += param_encode(&again, &p.mech) == CKR_OK;
			buf_free(&again);
		} else {
			refused += buf_failed(&b) && p.block == NULL;
		}
		param_free(&p);
		buf_free(&b);
	}
	CHECK(fine + refused == 100000 && fine > 1000 && refused > 1000);
}

int
main(void)
{
	round_trips();
	fields_arrive();
	refusals();
	table_is_found();
	mutations();
	return unit_done("test_param");
}
