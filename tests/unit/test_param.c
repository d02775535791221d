#include "pkcs11/param.h"
#include "pkcs11/names_table.h"

#include <stdlib.h>
#include <string.h>

#include "param_samples.h"
#include "unit.h"

static CK_RV
encode(struct buf *b, CK_MECHANISM_TYPE type, void *p, CK_ULONG len)
{
	CK_MECHANISM m = {type, p, len};

	buf_init(b, 1 << 20);
	return param_encode(b, &m);
}

/* Encoded, decoded and encoded again gives the same bytes; whatever is cut off is missed. */
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
		CHECK((p.mech.pParameter == NULL) == (p.pieces == NULL));
		CHECK_RV(CKR_OK, encode(&again, p.mech.mechanism, p.mech.pParameter, p.mech.ulParameterLen));
		CHECK(again.len == b.len && memcmp(again.data, b.data, b.len) == 0);
		param_free(&p);
		for (size_t len = 0; len < b.len; len++) {
			buf_init_const(&cut, b.data, len);
			CHECK_RV(CKR_ARGUMENTS_BAD, param_decode(&cut, &p));
			CHECK(p.pieces == NULL && buf_failed(&cut));
		}
		buf_free(&b);
		buf_free(&again);
		CHECK_RV(CKR_OK, param_copy(&p, &all[i]));
		CHECK(p.mech.ulParameterLen == all[i].ulParameterLen);
		param_free(&p);
	}
}

/* A kind without a sample above would not be tested at all. Messages are tested in test_param_out. */
static void
every_kind_is_there(void)
{
	bool seen[PARAM_KINDS] = {[PARAM_GCM_MESSAGE] = true, [PARAM_CCM_MESSAGE] = true,
		[PARAM_CHACHA20_POLY1305_MESSAGE] = true};
	struct param p;

	for (size_t i = 0; i < N_ALL; i++) {
		CHECK_RV(CKR_OK, param_copy(&p, &all[i]));
		seen[p.kind] = true;
		param_free(&p);
	}
	for (int k = 0; k < PARAM_KINDS; k++)
		CHECK(seen[k]);
}

static const CK_MECHANISM *
sample(const void *parameter)
{
	for (size_t i = 0; i < N_ALL; i++)
		if (all[i].pParameter == parameter)
			return &all[i];
	abort();
}

static void
new_fields_arrive(void)
{
	struct param p;

	CHECK_RV(CKR_OK, param_copy(&p, sample(&chacha20)));
	CK_CHACHA20_PARAMS *c = p.mech.pParameter;
	CHECK(c->blockCounterBits == 32 && memcmp(c->pBlockCounter, counter, 4) == 0);
	CHECK(c->ulNonceBits == 96 && memcmp(c->pNonce, iv, 12) == 0 && c->pNonce != iv);
	param_free(&p);

	for (int bits = 0; bits < 2; bits++) {
		CHECK_RV(CKR_OK, param_copy(&p, sample(bits ? &poly_bits : &poly_bytes)));
		CK_SALSA20_CHACHA20_POLY1305_PARAMS *n = p.mech.pParameter;
		CHECK(n->ulNonceLen == (bits ? 96 : 12) && memcmp(n->pNonce, iv, 12) == 0);
		param_free(&p);
	}

	/* the salt that is not meant does not travel, and its length is not looked at */
	CHECK_RV(CKR_OK, param_copy(&p, sample(&hkdf_data)));
	CK_HKDF_PARAMS *h = p.mech.pParameter;
	CHECK(h->bExtract && h->bExpand && h->prfHashMechanism == CKM_SHA256 && h->hSaltKey == 0);
	CHECK(h->ulSaltLen == 5 && memcmp(h->pSalt, aad, 5) == 0 && h->ulInfoLen == 12 && memcmp(h->pInfo, iv, 12) == 0);
	param_free(&p);
	CHECK_RV(CKR_OK, param_copy(&p, sample(&hkdf_key)));
	h = p.mech.pParameter;
	CHECK(h->bExtract && !h->bExpand && h->hSaltKey == 77 && h->pSalt == NULL && h->ulSaltLen == 0);
	param_free(&p);

	for (int old = 0; old < 2; old++) {
		CHECK_RV(CKR_OK, param_copy(&p, sample(old ? (void *)&old_pbkd2 : (void *)&pbkd2)));
		CK_PKCS5_PBKD2_PARAMS2 *k = p.mech.pParameter;
		CHECK(k->saltSource == CKZ_SALT_SPECIFIED && k->ulSaltSourceDataLen == 12 && k->iterations == 1000);
		CHECK(k->prf == CKP_PKCS5_PBKD2_HMAC_SHA256 && k->pPrfData == NULL);
		CHECK(k->ulPasswordLen == 4 && memcmp(k->pPassword, aad, 4) == 0);
		param_free(&p);
	}

	CHECK_RV(CKR_OK, param_copy(&p, sample(&rsa_aes)));
	CK_RSA_AES_KEY_WRAP_PARAMS *r = p.mech.pParameter;
	CHECK(r->ulAESKeyBits == 256 && r->pOAEPParams->hashAlg == CKM_SHA256 && r->pOAEPParams->ulSourceDataLen == 5);
	param_free(&p);

	CHECK_RV(CKR_OK, param_copy(&p, sample(&master_dh)));
	CK_TLS12_MASTER_KEY_DERIVE_PARAMS *t = p.mech.pParameter;
	CHECK(t->pVersion == NULL && t->prfHashMechanism == CKM_SHA384 && t->RandomInfo.ulServerRandomLen == 32);
	CHECK(memcmp(t->RandomInfo.pClientRandom, point, 32) == 0);
	CHECK(memcmp(t->RandomInfo.pServerRandom, point + 32, 32) == 0);
	param_free(&p);

	CHECK_RV(CKR_OK, param_copy(&p, sample(&otp)));
	CK_OTP_PARAMS *o = p.mech.pParameter;
	CHECK(o->ulCount == 2 && o->pParams[0].type == CK_OTP_COUNTER && o->pParams[0].ulValueLen == 8);
	CHECK(*(CK_ULONG *)o->pParams[1].pValue == CKF_NEXT_OTP && o->pParams[1].ulValueLen == sizeof(CK_ULONG));
	param_free(&p);
}

static void
derived_keys_arrive(void)
{
	struct param p;
	CK_SP800_108_KDF_PARAMS *k;
	CK_ATTRIBUTE *a;

	CHECK_RV(CKR_OK, param_copy(&p, sample(&sp800)));
	k = p.mech.pParameter;
	CHECK(k->prfType == CKM_SHA256_HMAC && k->ulNumberOfDataParams == 6 && k->ulAdditionalDerivedKeys == 2);
	CHECK(((CK_SP800_108_COUNTER_FORMAT *)k->pDataParams[0].pValue)->ulWidthInBits == 32);
	CHECK(k->pDataParams[1].ulValueLen == 5 && memcmp(k->pDataParams[1].pValue, aad, 5) == 0);
	CHECK(((CK_SP800_108_DKM_LENGTH_FORMAT *)k->pDataParams[2].pValue)->bLittleEndian == CK_TRUE);
	CHECK(((CK_SP800_108_DKM_LENGTH_FORMAT *)k->pDataParams[2].pValue)->ulWidthInBits == 64);
	CHECK(*(CK_OBJECT_HANDLE *)k->pDataParams[3].pValue == 0x1234);
	CHECK(k->pDataParams[5].pValue == NULL && k->pDataParams[5].ulValueLen == 0);
	a = k->pAdditionalDerivedKeys[0].pTemplate;
	CHECK(k->pAdditionalDerivedKeys[0].ulAttributeCount == 4 && a[0].type == CKA_CLASS);
	CHECK(*(CK_ULONG *)a[0].pValue == CKO_SECRET_KEY && *(CK_ULONG *)a[1].pValue == 16);
	CHECK(a[2].ulValueLen == 7 && memcmp(a[2].pValue, "derived", 7) == 0);
	CHECK(a[3].ulValueLen == 2 * sizeof(CK_ATTRIBUTE));
	a = a[3].pValue;
	CHECK(a[0].type == CKA_ENCRYPT && a[0].ulValueLen == 1 && *(CK_BBOOL *)a[0].pValue == CK_TRUE);
	CHECK(a[1].type == CKA_LABEL && a[1].ulValueLen == 0);
	CHECK(k->pAdditionalDerivedKeys[0].phKey != &derived[0] && *k->pAdditionalDerivedKeys[0].phKey == 0);
	CHECK(k->pAdditionalDerivedKeys[1].ulAttributeCount == 0);
	param_free(&p);
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

#define REFUSED(m, p, len) \
	do { \
		CHECK_RV(CKR_MECHANISM_PARAM_INVALID, encode(&b, m, p, len)); \
		buf_free(&b); \
	} while (0)

/* One field of a good structure made bad. */
#define BAD(m, type, good, field, value) \
	do { \
		type bad = good; \
\
		bad.field = value; \
		REFUSED(m, &bad, sizeof(bad)); \
	} while (0)

static void
refusals(void)
{
	struct buf b;

	/* CK_GCM_PARAMS as it was before ulIvBits: 8 bytes shorter */
	REFUSED(CKM_AES_GCM, &gcm, sizeof(gcm) - 8);
	REFUSED(CKM_AES_GCM, NULL, sizeof(gcm));
	REFUSED(CKM_SHA256_RSA_PKCS_PSS, NULL, 0);
	REFUSED(CKM_HASH_ML_DSA, NULL, 0);
	REFUSED(CKM_HKDF_DERIVE, NULL, 0);
	REFUSED(CKM_ECDSA, iv, 1);
	REFUSED(CKM_SHA256_HMAC_GENERAL, iv, 4);
	REFUSED(CKM_AES_CBC, iv, PARAM_MAX_BYTES + 1);
	BAD(CKM_AES_GCM, CK_GCM_PARAMS, gcm, pIv, NULL);
	BAD(CKM_AES_GCM, CK_GCM_PARAMS, gcm, ulIvLen, PARAM_MAX_BYTES + 1);
	BAD(CKM_EDDSA, struct ck_eddsa_parameters, eddsa, phFlag, 7);
	BAD(CKM_CHACHA20, CK_CHACHA20_PARAMS, chacha20, pNonce, NULL);
	BAD(CKM_CHACHA20, CK_CHACHA20_PARAMS, chacha20, ulNonceBits, 8 * (PARAM_MAX_BYTES + 1));
	BAD(CKM_CHACHA20_POLY1305, CK_SALSA20_CHACHA20_POLY1305_PARAMS, poly_bits, ulNonceLen, ~0ul);
	BAD(CKM_HKDF_DERIVE, CK_HKDF_PARAMS, hkdf_data, bExpand, 2);
	BAD(CKM_HKDF_DERIVE, CK_HKDF_PARAMS, hkdf_data, pInfo, NULL);
	BAD(CKM_PKCS5_PBKD2, CK_PKCS5_PBKD2_PARAMS2, pbkd2, pPassword, NULL);
	BAD(CKM_PKCS5_PBKD2, CK_PKCS5_PBKD2_PARAMS2, pbkd2, ulPasswordLen, PARAM_MAX_BYTES + 1);
	BAD(CKM_PKCS5_PBKD2, CK_PKCS5_PBKD2_PARAMS2, pbkd2, ulPasswordLen, ~0ul);
	BAD(CKM_RSA_AES_KEY_WRAP, CK_RSA_AES_KEY_WRAP_PARAMS, rsa_aes, pOAEPParams, NULL);
	BAD(CKM_TLS12_KEY_AND_MAC_DERIVE, CK_TLS12_KEY_MAT_PARAMS, key_mat, pReturnedKeyMaterial, NULL);
	BAD(CKM_TLS12_KEY_AND_MAC_DERIVE, CK_TLS12_KEY_MAT_PARAMS, key_mat, ulIVSizeInBits, ~0ul);
	BAD(CKM_TLS12_MASTER_KEY_DERIVE, CK_TLS12_MASTER_KEY_DERIVE_PARAMS, master, RandomInfo.pServerRandom, NULL);
	BAD(CKM_SP800_108_COUNTER_KDF, CK_SP800_108_KDF_PARAMS, sp800, pDataParams, NULL);
	BAD(CKM_SP800_108_COUNTER_KDF, CK_SP800_108_KDF_PARAMS, sp800, ulNumberOfDataParams, PARAM_MAX_LIST + 1);
	BAD(CKM_SP800_108_COUNTER_KDF, CK_SP800_108_KDF_PARAMS, sp800, ulAdditionalDerivedKeys, ~0ul);
	BAD(CKM_SP800_108_COUNTER_KDF, CK_SP800_108_KDF_PARAMS, sp800, pAdditionalDerivedKeys, NULL);
}

static void
inner_refusals(void)
{
	static CK_BBOOL two = 2;
	CK_ATTRIBUTE bad_bool = {CKA_ENCRYPT, &two, 1}, ours = {CKA_VENDOR_DEFINED | 0x544B0001, &class, sizeof(class)};
	CK_PRF_DATA_PARAM input = inputs[0];
	CK_DERIVED_KEY key = further[0];
	CK_SP800_108_KDF_PARAMS kdf = {CKM_SHA256_HMAC, 1, &input, 1, &key};
	CK_OTP_PARAM value = otp_values[1];
	CK_OTP_PARAMS values = {&value, 1};
	struct param p;
	struct buf b;

	input.ulValueLen = sizeof(width) - 1;
	REFUSED(CKM_SP800_108_COUNTER_KDF, &kdf, sizeof(kdf));
	input = (CK_PRF_DATA_PARAM){CK_SP800_108_BYTE_ARRAY, NULL, 5};
	REFUSED(CKM_SP800_108_COUNTER_KDF, &kdf, sizeof(kdf));
	input = inputs[1];
	key.phKey = NULL;
	REFUSED(CKM_SP800_108_COUNTER_KDF, &kdf, sizeof(kdf));
	key = further[0];
	key.pTemplate = NULL;
	REFUSED(CKM_SP800_108_COUNTER_KDF, &kdf, sizeof(kdf));
	key.pTemplate = &bad_bool;
	key.ulAttributeCount = 1;
	CHECK_RV(CKR_ATTRIBUTE_VALUE_INVALID, encode(&b, CKM_SP800_108_COUNTER_KDF, &kdf, sizeof(kdf)));
	buf_free(&b);
	key.pTemplate = &ours;
	CHECK_RV(CKR_OK, encode(&b, CKM_SP800_108_COUNTER_KDF, &kdf, sizeof(kdf)));
	CHECK_RV(CKR_ATTRIBUTE_TYPE_INVALID, param_decode(&b, &p));
	CHECK(p.pieces == NULL);
	buf_free(&b);
	value.ulValueLen = 4;
	REFUSED(CKM_HOTP, &values, sizeof(values));
}

/* Many small lengths that are each allowed: the sum is bounded, on both sides. */
static void
totals_are_bounded(void)
{
	static uint8_t much[PARAM_MAX_BYTES];
	CK_PRF_DATA_PARAM input[PARAM_MAX_LIST];
	CK_SP800_108_KDF_PARAMS kdf = {CKM_SHA256_HMAC, 8, input, 0, NULL};
	struct param p;
	struct buf b;

	for (int i = 0; i < PARAM_MAX_LIST; i++)
		input[i] = (CK_PRF_DATA_PARAM){CK_SP800_108_BYTE_ARRAY, much, sizeof(much)};
	REFUSED(CKM_SP800_108_COUNTER_KDF, &kdf, sizeof(kdf));
	kdf.ulNumberOfDataParams = 3;
	CHECK_RV(CKR_OK, encode(&b, CKM_SP800_108_COUNTER_KDF, &kdf, sizeof(kdf)));
	CHECK_RV(CKR_OK, param_decode(&b, &p));
	param_free(&p);
	buf_free(&b);
	/* the same by hand: a count of 16 where each has 64 KiB */
	buf_init(&b, 4 << 20);
	buf_put_ulong(&b, CKM_SP800_108_COUNTER_KDF);
	buf_put_u8(&b, PARAM_SP800_108);
	buf_put_u8(&b, 1);
	buf_put_ulong(&b, CKM_SHA256_HMAC);
	buf_put_u32(&b, PARAM_MAX_LIST);
	for (int i = 0; i < PARAM_MAX_LIST; i++) {
		buf_put_ulong(&b, CK_SP800_108_BYTE_ARRAY);
		buf_put_bytes(&b, much, sizeof(much));
	}
	buf_put_u32(&b, 0);
	CHECK(!buf_failed(&b));
	CHECK_RV(CKR_ARGUMENTS_BAD, param_decode(&b, &p));
	CHECK(p.pieces == NULL && buf_failed(&b));
	buf_free(&b);
}

/* Another kind than the mechanism's is refused, one of two that share it is not. */
static void
kinds_are_checked(void)
{
	struct param p;
	struct buf b;

	for (size_t i = 0; i < N_ALL; i++) {
		enum param_kind kind = param_kind(all[i].mechanism);

		for (int k = 0; k < 256; k++) {
			CHECK_RV(CKR_OK, encode(&b, all[i].mechanism, all[i].pParameter, all[i].ulParameterLen));
			if (b.data[8] == k || (kind == PARAM_GCM && k == PARAM_GCM_WRAP) ||
				(kind == PARAM_CCM && k == PARAM_CCM_WRAP) || k == (int)kind) {
				buf_free(&b);
				continue;
			}
			b.data[8] = (uint8_t)k;
			CHECK_RV(CKR_ARGUMENTS_BAD, param_decode(&b, &p));
			CHECK(p.pieces == NULL);
			buf_free(&b);
		}
	}
}

/* Every mechanism by its number: known ones have their kind, all others travel as bytes. */
static void
table_is_found(void)
{
	CHECK(param_kind(CKM_RSA_PKCS_KEY_PAIR_GEN) == PARAM_NONE);
	CHECK(param_kind(CKM_PUB_KEY_FROM_PRIV_KEY) == PARAM_NONE);
	CHECK(param_kind(CKM_SHA512_RSA_PKCS_PSS) == PARAM_RSA_PSS);
	CHECK(param_kind(CKM_AES_KEY_WRAP_KWP) == PARAM_RAW);
	CHECK(param_kind(CKM_SHA512_256_HMAC_GENERAL) == PARAM_ULONG);
	CHECK(param_kind(0x7777) == PARAM_RAW);
	CHECK(message_param_kind(CKM_AES_GCM) == PARAM_GCM_MESSAGE);
	CHECK(message_param_kind(CKM_AES_CBC) == PARAM_NONE);
	for (size_t i = 0; i < names_tables[NAMES_MECH].n; i++) {
		const struct ck_name *row = &names_tables[NAMES_MECH].rows[i];

		CHECK(param_kind(row->value) == row->param && row->param < PARAM_KINDS);
	}
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
			refused += buf_failed(&b) && p.pieces == NULL;
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
	every_kind_is_there();
	fields_arrive();
	new_fields_arrive();
	derived_keys_arrive();
	refusals();
	inner_refusals();
	totals_are_bounded();
	kinds_are_checked();
	table_is_found();
	mutations();
	return unit_done("test_param");
}
