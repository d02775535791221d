#include "param.h"

#include <stdlib.h>
#include <string.h>

/* ---- structures: where their fields lie --------------------------------------------------- */

enum field_type {
	FIELD_END,
	FIELD_ULONG,
	FIELD_BOOL,
	FIELD_ARRAY, /* `second` bytes, inside the structure */
	FIELD_DATA   /* a pointer at `first`, its CK_ULONG length at `second` */
};

struct field {
	enum field_type type;
	size_t first, second;
};

#define FIELDS 6

struct layout {
	size_t size;   /* 0: the kind is no structure */
	bool optional; /* may be absent */
	struct field fields[FIELDS + 1];
};

#define ULONG_AT(s, f) {FIELD_ULONG, offsetof(s, f), 0}
#define BOOL_AT(s, f) {FIELD_BOOL, offsetof(s, f), 0}
#define ARRAY_AT(s, f) {FIELD_ARRAY, offsetof(s, f), sizeof(((s *)NULL)->f)}
#define DATA_AT(s, p, n) {FIELD_DATA, offsetof(s, p), offsetof(s, n)}

static const struct layout layouts[PARAM_KINDS] = {
	[PARAM_RSA_OAEP] = {sizeof(CK_RSA_PKCS_OAEP_PARAMS), false, {
		ULONG_AT(CK_RSA_PKCS_OAEP_PARAMS, hashAlg),
		ULONG_AT(CK_RSA_PKCS_OAEP_PARAMS, mgf),
		ULONG_AT(CK_RSA_PKCS_OAEP_PARAMS, source),
		DATA_AT(CK_RSA_PKCS_OAEP_PARAMS, pSourceData, ulSourceDataLen)}},
	[PARAM_RSA_PSS] = {sizeof(CK_RSA_PKCS_PSS_PARAMS), false, {
		ULONG_AT(CK_RSA_PKCS_PSS_PARAMS, hashAlg),
		ULONG_AT(CK_RSA_PKCS_PSS_PARAMS, mgf),
		ULONG_AT(CK_RSA_PKCS_PSS_PARAMS, sLen)}},
	[PARAM_AES_CTR] = {sizeof(CK_AES_CTR_PARAMS), false, {
		ULONG_AT(CK_AES_CTR_PARAMS, ulCounterBits),
		ARRAY_AT(CK_AES_CTR_PARAMS, cb)}},
	[PARAM_GCM] = {sizeof(CK_GCM_PARAMS), false, {
		DATA_AT(CK_GCM_PARAMS, pIv, ulIvLen),
		ULONG_AT(CK_GCM_PARAMS, ulIvBits),
		DATA_AT(CK_GCM_PARAMS, pAAD, ulAADLen),
		ULONG_AT(CK_GCM_PARAMS, ulTagBits)}},
	[PARAM_ECDH1] = {sizeof(CK_ECDH1_DERIVE_PARAMS), false, {
		ULONG_AT(CK_ECDH1_DERIVE_PARAMS, kdf),
		DATA_AT(CK_ECDH1_DERIVE_PARAMS, pSharedData, ulSharedDataLen),
		DATA_AT(CK_ECDH1_DERIVE_PARAMS, pPublicData, ulPublicDataLen)}},
	[PARAM_EDDSA] = {sizeof(struct ck_eddsa_parameters), true, {
		BOOL_AT(struct ck_eddsa_parameters, phFlag),
		DATA_AT(struct ck_eddsa_parameters, pContextData, ulContextDataLen)}},
	[PARAM_STRING] = {sizeof(CK_KEY_DERIVATION_STRING_DATA), false, {
		DATA_AT(CK_KEY_DERIVATION_STRING_DATA, pData, ulLen)}},
	[PARAM_CBC_DATA] = {sizeof(CK_AES_CBC_ENCRYPT_DATA_PARAMS), false, {
		ARRAY_AT(CK_AES_CBC_ENCRYPT_DATA_PARAMS, iv),
		DATA_AT(CK_AES_CBC_ENCRYPT_DATA_PARAMS, pData, length)}},
};

/* ---- mechanisms: which structure is whose -------------------------------------------------- */

struct row {
	CK_MECHANISM_TYPE type;
	enum param_kind kind;
};

/* Ascending by number: param_kind searches by halves. */
static const struct row rows[] = {
	{CKM_RSA_PKCS_KEY_PAIR_GEN, PARAM_NONE},
	{CKM_RSA_PKCS, PARAM_NONE},
	{CKM_RSA_X_509, PARAM_NONE},
	{CKM_MD5_RSA_PKCS, PARAM_NONE},
	{CKM_SHA1_RSA_PKCS, PARAM_NONE},
	{CKM_RSA_PKCS_OAEP, PARAM_RSA_OAEP},
	{CKM_RSA_PKCS_PSS, PARAM_RSA_PSS},
	{CKM_SHA1_RSA_PKCS_PSS, PARAM_RSA_PSS},
	{CKM_ML_KEM_KEY_PAIR_GEN, PARAM_NONE},
	{CKM_DSA_KEY_PAIR_GEN, PARAM_NONE},
	{CKM_DSA, PARAM_NONE},
	{CKM_DSA_SHA1, PARAM_NONE},
	{CKM_DSA_SHA224, PARAM_NONE},
	{CKM_DSA_SHA256, PARAM_NONE},
	{CKM_DSA_SHA384, PARAM_NONE},
	{CKM_DSA_SHA512, PARAM_NONE},
	{CKM_ML_KEM, PARAM_NONE},
	{CKM_DSA_SHA3_224, PARAM_NONE},
	{CKM_DSA_SHA3_256, PARAM_NONE},
	{CKM_DSA_SHA3_384, PARAM_NONE},
	{CKM_DSA_SHA3_512, PARAM_NONE},
	{CKM_ML_DSA_KEY_PAIR_GEN, PARAM_NONE},
	{CKM_DH_PKCS_KEY_PAIR_GEN, PARAM_NONE},
	{CKM_DH_PKCS_DERIVE, PARAM_RAW}, /* the other side's public value */
	{CKM_SLH_DSA_KEY_PAIR_GEN, PARAM_NONE},
	{CKM_SHA256_RSA_PKCS, PARAM_NONE},
	{CKM_SHA384_RSA_PKCS, PARAM_NONE},
	{CKM_SHA512_RSA_PKCS, PARAM_NONE},
	{CKM_SHA256_RSA_PKCS_PSS, PARAM_RSA_PSS},
	{CKM_SHA384_RSA_PKCS_PSS, PARAM_RSA_PSS},
	{CKM_SHA512_RSA_PKCS_PSS, PARAM_RSA_PSS},
	{CKM_SHA224_RSA_PKCS, PARAM_NONE},
	{CKM_SHA224_RSA_PKCS_PSS, PARAM_RSA_PSS},
	{CKM_SHA512_224, PARAM_NONE},
	{CKM_SHA512_224_HMAC, PARAM_NONE},
	{CKM_SHA512_224_HMAC_GENERAL, PARAM_ULONG},
	{CKM_SHA512_224_KEY_DERIVATION, PARAM_NONE},
	{CKM_SHA512_256, PARAM_NONE},
	{CKM_SHA512_256_HMAC, PARAM_NONE},
	{CKM_SHA512_256_HMAC_GENERAL, PARAM_ULONG},
	{CKM_SHA512_256_KEY_DERIVATION, PARAM_NONE},
	{CKM_SHA3_256_RSA_PKCS, PARAM_NONE},
	{CKM_SHA3_384_RSA_PKCS, PARAM_NONE},
	{CKM_SHA3_512_RSA_PKCS, PARAM_NONE},
	{CKM_SHA3_256_RSA_PKCS_PSS, PARAM_RSA_PSS},
	{CKM_SHA3_384_RSA_PKCS_PSS, PARAM_RSA_PSS},
	{CKM_SHA3_512_RSA_PKCS_PSS, PARAM_RSA_PSS},
	{CKM_SHA3_224_RSA_PKCS, PARAM_NONE},
	{CKM_SHA3_224_RSA_PKCS_PSS, PARAM_RSA_PSS},
	{CKM_DES_KEY_GEN, PARAM_NONE},
	{CKM_DES_ECB, PARAM_NONE},
	{CKM_DES_CBC, PARAM_RAW},
	{CKM_DES_CBC_PAD, PARAM_RAW},
	{CKM_DES2_KEY_GEN, PARAM_NONE},
	{CKM_DES3_KEY_GEN, PARAM_NONE},
	{CKM_DES3_ECB, PARAM_NONE},
	{CKM_DES3_CBC, PARAM_RAW},
	{CKM_DES3_MAC, PARAM_NONE},
	{CKM_DES3_MAC_GENERAL, PARAM_ULONG},
	{CKM_DES3_CBC_PAD, PARAM_RAW},
	{CKM_DES3_CMAC_GENERAL, PARAM_ULONG},
	{CKM_DES3_CMAC, PARAM_NONE},
	{CKM_MD5, PARAM_NONE},
	{CKM_MD5_HMAC, PARAM_NONE},
	{CKM_MD5_HMAC_GENERAL, PARAM_ULONG},
	{CKM_SHA_1, PARAM_NONE},
	{CKM_SHA_1_HMAC, PARAM_NONE},
	{CKM_SHA_1_HMAC_GENERAL, PARAM_ULONG},
	{CKM_SHA256, PARAM_NONE},
	{CKM_SHA256_HMAC, PARAM_NONE},
	{CKM_SHA256_HMAC_GENERAL, PARAM_ULONG},
	{CKM_SHA224, PARAM_NONE},
	{CKM_SHA224_HMAC, PARAM_NONE},
	{CKM_SHA224_HMAC_GENERAL, PARAM_ULONG},
	{CKM_SHA384, PARAM_NONE},
	{CKM_SHA384_HMAC, PARAM_NONE},
	{CKM_SHA384_HMAC_GENERAL, PARAM_ULONG},
	{CKM_SHA512, PARAM_NONE},
	{CKM_SHA512_HMAC, PARAM_NONE},
	{CKM_SHA512_HMAC_GENERAL, PARAM_ULONG},
	{CKM_SHA3_256, PARAM_NONE},
	{CKM_SHA3_256_HMAC, PARAM_NONE},
	{CKM_SHA3_256_HMAC_GENERAL, PARAM_ULONG},
	{CKM_SHA3_256_KEY_GEN, PARAM_NONE},
	{CKM_SHA3_224, PARAM_NONE},
	{CKM_SHA3_224_HMAC, PARAM_NONE},
	{CKM_SHA3_224_HMAC_GENERAL, PARAM_ULONG},
	{CKM_SHA3_224_KEY_GEN, PARAM_NONE},
	{CKM_SHA3_384, PARAM_NONE},
	{CKM_SHA3_384_HMAC, PARAM_NONE},
	{CKM_SHA3_384_HMAC_GENERAL, PARAM_ULONG},
	{CKM_SHA3_384_KEY_GEN, PARAM_NONE},
	{CKM_SHA3_512, PARAM_NONE},
	{CKM_SHA3_512_HMAC, PARAM_NONE},
	{CKM_SHA3_512_HMAC_GENERAL, PARAM_ULONG},
	{CKM_SHA3_512_KEY_GEN, PARAM_NONE},
	{CKM_GENERIC_SECRET_KEY_GEN, PARAM_NONE},
	{CKM_CONCATENATE_BASE_AND_KEY, PARAM_ULONG}, /* an object handle */
	{CKM_CONCATENATE_BASE_AND_DATA, PARAM_STRING},
	{CKM_CONCATENATE_DATA_AND_BASE, PARAM_STRING},
	{CKM_XOR_BASE_AND_DATA, PARAM_STRING},
	{CKM_EXTRACT_KEY_FROM_KEY, PARAM_ULONG}, /* CK_EXTRACT_PARAMS: a bit's position */
	{CKM_SHA1_KEY_DERIVATION, PARAM_NONE},
	{CKM_SHA256_KEY_DERIVATION, PARAM_NONE},
	{CKM_SHA384_KEY_DERIVATION, PARAM_NONE},
	{CKM_SHA512_KEY_DERIVATION, PARAM_NONE},
	{CKM_SHA224_KEY_DERIVATION, PARAM_NONE},
	{CKM_SHA3_256_KEY_DERIVATION, PARAM_NONE},
	{CKM_SHA3_224_KEY_DERIVATION, PARAM_NONE},
	{CKM_SHA3_384_KEY_DERIVATION, PARAM_NONE},
	{CKM_SHA3_512_KEY_DERIVATION, PARAM_NONE},
	{CKM_EC_KEY_PAIR_GEN, PARAM_NONE},
	{CKM_ECDSA, PARAM_NONE},
	{CKM_ECDSA_SHA1, PARAM_NONE},
	{CKM_ECDSA_SHA224, PARAM_NONE},
	{CKM_ECDSA_SHA256, PARAM_NONE},
	{CKM_ECDSA_SHA384, PARAM_NONE},
	{CKM_ECDSA_SHA512, PARAM_NONE},
	{CKM_ECDSA_SHA3_224, PARAM_NONE},
	{CKM_ECDSA_SHA3_256, PARAM_NONE},
	{CKM_ECDSA_SHA3_384, PARAM_NONE},
	{CKM_ECDSA_SHA3_512, PARAM_NONE},
	{CKM_ECDH1_DERIVE, PARAM_ECDH1},
	{CKM_ECDH1_COFACTOR_DERIVE, PARAM_ECDH1},
	{CKM_EC_EDWARDS_KEY_PAIR_GEN, PARAM_NONE},
	{CKM_EC_MONTGOMERY_KEY_PAIR_GEN, PARAM_NONE},
	{CKM_EDDSA, PARAM_EDDSA},
	{CKM_AES_XTS, PARAM_RAW},
	{CKM_AES_XTS_KEY_GEN, PARAM_NONE},
	{CKM_AES_KEY_GEN, PARAM_NONE},
	{CKM_AES_ECB, PARAM_NONE},
	{CKM_AES_CBC, PARAM_RAW},
	{CKM_AES_MAC, PARAM_NONE},
	{CKM_AES_MAC_GENERAL, PARAM_ULONG},
	{CKM_AES_CBC_PAD, PARAM_RAW},
	{CKM_AES_CTR, PARAM_AES_CTR},
	{CKM_AES_GCM, PARAM_GCM},
	{CKM_AES_CTS, PARAM_RAW},
	{CKM_AES_CMAC, PARAM_NONE},
	{CKM_AES_CMAC_GENERAL, PARAM_ULONG},
	{CKM_AES_GMAC, PARAM_RAW},
	{CKM_DES_ECB_ENCRYPT_DATA, PARAM_STRING},
	{CKM_DES3_ECB_ENCRYPT_DATA, PARAM_STRING},
	{CKM_AES_ECB_ENCRYPT_DATA, PARAM_STRING},
	{CKM_AES_CBC_ENCRYPT_DATA, PARAM_CBC_DATA},
	{CKM_CHACHA20_KEY_GEN, PARAM_NONE},
	{CKM_POLY1305_KEY_GEN, PARAM_NONE},
	{CKM_POLY1305, PARAM_NONE},
	{CKM_AES_OFB, PARAM_RAW},
	{CKM_AES_CFB64, PARAM_RAW},
	{CKM_AES_CFB8, PARAM_RAW},
	{CKM_AES_CFB128, PARAM_RAW},
	{CKM_AES_CFB1, PARAM_RAW},
	{CKM_AES_KEY_WRAP, PARAM_RAW}, /* an IV, or nothing */
	{CKM_AES_KEY_WRAP_PAD, PARAM_RAW},
	{CKM_AES_KEY_WRAP_KWP, PARAM_RAW},
	{CKM_AES_KEY_WRAP_PKCS7, PARAM_RAW},
	{CKM_SHA_1_KEY_GEN, PARAM_NONE},
	{CKM_SHA224_KEY_GEN, PARAM_NONE},
	{CKM_SHA256_KEY_GEN, PARAM_NONE},
	{CKM_SHA384_KEY_GEN, PARAM_NONE},
	{CKM_SHA512_KEY_GEN, PARAM_NONE},
	{CKM_SHA512_224_KEY_GEN, PARAM_NONE},
	{CKM_SHA512_256_KEY_GEN, PARAM_NONE},
	{CKM_HKDF_KEY_GEN, PARAM_NONE},
	{CKM_PUB_KEY_FROM_PRIV_KEY, PARAM_NONE},
};

enum param_kind
param_kind(CK_MECHANISM_TYPE type)
{
	size_t lo = 0, hi = sizeof(rows) / sizeof(rows[0]);

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (rows[mid].type == type)
			return rows[mid].kind;
		if (rows[mid].type < type)
			lo = mid + 1;
		else
			hi = mid;
	}
	return PARAM_RAW;
}

/* ---- encoding ------------------------------------------------------------------------------ */

static CK_ULONG
load_ulong(const uint8_t *p)
{
	CK_ULONG v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static CK_RV
encode_field(struct buf *b, const struct field *f, const uint8_t *s)
{
	const void *data;
	CK_ULONG len;

	switch (f->type) {
	case FIELD_END:
		break;
	case FIELD_ULONG:
		buf_put_ulong(b, load_ulong(s + f->first));
		break;
	case FIELD_BOOL:
		if (s[f->first] > CK_TRUE)
			return CKR_MECHANISM_PARAM_INVALID;
		buf_put_u8(b, s[f->first]);
		break;
	case FIELD_ARRAY:
		buf_put(b, s + f->first, f->second);
		break;
	case FIELD_DATA:
		memcpy(&data, s + f->first, sizeof(data));
		len = load_ulong(s + f->second);
		if ((data == NULL && len > 0) || len > PARAM_MAX_BYTES)
			return CKR_MECHANISM_PARAM_INVALID;
		buf_put_bytes(b, data, len);
		break;
	}
	return CKR_OK;
}

static CK_RV
encode_struct(struct buf *b, const struct layout *l, const CK_MECHANISM *m)
{
	CK_RV rv = CKR_OK;

	if (m->ulParameterLen == 0 && l->optional) {
		buf_put_u8(b, 0);
		return CKR_OK;
	}
	if (m->ulParameterLen != l->size)
		return CKR_MECHANISM_PARAM_INVALID;
	buf_put_u8(b, 1);
	for (const struct field *f = l->fields; rv == CKR_OK && f->type != FIELD_END; f++)
		rv = encode_field(b, f, m->pParameter);
	return rv;
}

CK_RV
param_encode(struct buf *b, const CK_MECHANISM *m)
{
	enum param_kind kind = param_kind(m->mechanism);
	CK_RV rv = CKR_OK;

	if (m->pParameter == NULL && m->ulParameterLen > 0)
		return CKR_MECHANISM_PARAM_INVALID;
	buf_put_ulong(b, m->mechanism);
	buf_put_u8(b, (uint8_t)kind);
	switch (kind) {
	case PARAM_NONE:
		if (m->ulParameterLen != 0)
			rv = CKR_MECHANISM_PARAM_INVALID;
		break;
	case PARAM_RAW:
		if (m->ulParameterLen > PARAM_MAX_BYTES)
			rv = CKR_MECHANISM_PARAM_INVALID;
		else
			buf_put_bytes(b, m->ulParameterLen == 0 ? NULL : m->pParameter,
				m->ulParameterLen);
		break;
	case PARAM_ULONG:
		if (m->ulParameterLen != sizeof(CK_ULONG))
			rv = CKR_MECHANISM_PARAM_INVALID;
		else
			buf_put_ulong(b, load_ulong(m->pParameter));
		break;
	default:
		rv = encode_struct(b, &layouts[kind], m);
		break;
	}
	if (rv == CKR_OK && buf_failed(b))
		rv = CKR_HOST_MEMORY;
	return rv;
}

/* ---- decoding ------------------------------------------------------------------------------ */

/* Decoding goes over the bytes twice: first with block NULL, to learn how much data the structure
 * points to, then to fill the block: the structure at its start, the data behind it. */
struct filler {
	uint8_t *block;
	size_t used;
};

/* Appends data to the block; *at becomes its place there, NULL for NULL. */
static bool
take_data(struct buf *b, struct filler *f, const void **at, CK_ULONG *len)
{
	const uint8_t *data;
	size_t n;

	*at = NULL;
	if (!buf_get_bytes(b, &data, &n))
		return false;
	if (n > PARAM_MAX_BYTES) {
		b->failed = true;
		return false;
	}
	*len = n;
	if (f->block != NULL && data != NULL) {
		if (n > 0)
			memcpy(f->block + f->used, data, n);
		*at = f->block + f->used;
	}
	/* one byte more, so that empty data too has an address inside the block */
	f->used += n + 1;
	return true;
}

#define ARRAY_MAX 16
_Static_assert(sizeof(((CK_AES_CTR_PARAMS *)NULL)->cb) <= ARRAY_MAX, "room");
_Static_assert(sizeof(((CK_AES_CBC_ENCRYPT_DATA_PARAMS *)NULL)->iv) <= ARRAY_MAX, "room");

static void
decode_field(struct buf *b, const struct field *fd, struct filler *f)
{
	uint8_t array[ARRAY_MAX];
	const void *data;
	CK_ULONG v = 0;
	uint8_t flag;

	switch (fd->type) {
	case FIELD_END:
		break;
	case FIELD_ULONG:
		if (buf_get_ulong(b, &v) && f->block != NULL)
			memcpy(f->block + fd->first, &v, sizeof(v));
		break;
	case FIELD_BOOL:
		if (buf_get_u8(b, &flag) && flag > CK_TRUE)
			b->failed = true;
		if (f->block != NULL)
			f->block[fd->first] = flag;
		break;
	case FIELD_ARRAY:
		if (buf_get(b, array, fd->second) && f->block != NULL)
			memcpy(f->block + fd->first, array, fd->second);
		break;
	case FIELD_DATA:
		if (take_data(b, f, &data, &v) && f->block != NULL) {
			memcpy(f->block + fd->first, &data, sizeof(data));
			memcpy(f->block + fd->second, &v, sizeof(v));
		}
		break;
	}
}

/* One pass over the bytes behind the kind. *len becomes the parameter's length, 0 when absent. */
static bool
decode_pass(struct buf *b, enum param_kind kind, struct filler *f, size_t *len)
{
	const struct layout *l = &layouts[kind];
	const void *data;
	CK_ULONG v = 0;
	uint8_t present;

	*len = 0;
	switch (kind) {
	case PARAM_NONE:
		return true;
	case PARAM_RAW:
		if (!take_data(b, f, &data, &v))
			return false;
		*len = v;
		return true;
	case PARAM_ULONG:
		if (buf_get_ulong(b, &v) && f->block != NULL)
			memcpy(f->block, &v, sizeof(v));
		*len = sizeof(v);
		f->used = sizeof(v);
		return !buf_failed(b);
	default:
		break;
	}
	if (!buf_get_u8(b, &present) || present > 1 || (present == 0 && !l->optional)) {
		b->failed = true;
		return false;
	}
	if (present == 0)
		return true;
	f->used = l->size;
	for (const struct field *fd = l->fields; fd->type != FIELD_END; fd++)
		decode_field(b, fd, f);
	*len = l->size;
	return !buf_failed(b);
}

CK_RV
param_decode(struct buf *b, struct param *p)
{
	struct filler f = {0};
	CK_MECHANISM_TYPE type;
	size_t start, len;
	uint8_t kind;

	memset(p, 0, sizeof(*p));
	if (!buf_get_ulong(b, &type) || !buf_get_u8(b, &kind) || kind != (uint8_t)param_kind(type))
		goto bad;
	start = b->pos;
	if (!decode_pass(b, (enum param_kind)kind, &f, &len))
		goto bad;
	p->mech.mechanism = type;
	if (len == 0)
		return CKR_OK;

	p->size = f.used;
	p->block = calloc(1, p->size);
	if (p->block == NULL) {
		p->size = 0;
		b->failed = true;
		return CKR_HOST_MEMORY;
	}
	b->pos = start;
	f = (struct filler){.block = p->block};
	decode_pass(b, (enum param_kind)kind, &f, &len);
	p->mech.pParameter = p->block;
	p->mech.ulParameterLen = len;
	return CKR_OK;
bad:
	b->failed = true;
	return CKR_ARGUMENTS_BAD;
}

CK_RV
param_copy(struct param *to, const CK_MECHANISM *m)
{
	struct buf b;
	CK_RV rv;

	memset(to, 0, sizeof(*to));
	buf_init(&b, 4 * PARAM_MAX_BYTES);
	rv = param_encode(&b, m);
	if (rv == CKR_OK)
		rv = param_decode(&b, to);
	buf_free(&b);
	return rv;
}

void
param_free(struct param *p)
{
	wipe(p->block, p->size);
	free(p->block);
	memset(p, 0, sizeof(*p));
}
