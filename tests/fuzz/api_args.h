/*
 * api_args.h - arguments of PKCS#11 calls out of bytes: mostly of the right shape, in memory of
 * their own
 *
 * `from` and `left` are the bytes of the present input; what a call points to is freed by
 * args_free after it.
 */
#ifndef TOKENFS_API_ARGS_H
#define TOKENFS_API_ARGS_H

#include "api_loop.h"

/* ---- arguments out of bytes ---- */
static const uint8_t *from;
static size_t left;
static void *kept[256]; /* what the present call points to */
static size_t n_kept;

static uint8_t
byte(void)
{
	return left > 0 ? (left--, *from++) : 0;
}

static CK_ULONG
number(void)
{
	static const CK_ULONG odd[] = {0, 1, 255, 65536, 0x7fffffff, 0xffffffff,
		0x8000000000000000u, ~0UL, ~0UL - 7, 1UL << 32};
	uint8_t b = byte();

	return b < 200 ? b : b < 240 ? b * 256u + byte() : odd[b % NELEMS(odd)];
}

/* Memory of its own size that ends with the call. */
static void *
piece(size_t n)
{
	void *p = calloc(1, n > 0 ? n : 1);

	if (p == NULL || n_kept == NELEMS(kept))
		die("memory");
	return kept[n_kept++] = p;
}

static uint8_t *
bytes(CK_ULONG *len)
{
	uint8_t b = byte(), *p;
	size_t n = b < 128 ? b : b < 250 ? (b - 128u) * 16 : 20000u;

	p = piece(n);
	for (size_t i = 0; i < n; i++)
		p[i] = left > 0 ? byte() : (uint8_t)i;
	*len = n;
	return b == 255 ? (*len = 0, NULL) : p;
}

static CK_SESSION_HANDLE
session_arg(void)
{
	uint8_t b = byte();

	return b < 250 ? sessions[b % NELEMS(sessions)] : number();
}

static CK_OBJECT_HANDLE
object_arg(void)
{
	uint8_t b = byte();

	return b < 245 ? objects[b % n_objects] : number();
}

static CK_MECHANISM_TYPE
mechanism_number(void)
{
	static CK_MECHANISM_TYPE list[512];
	static CK_ULONG n;
	uint8_t b = byte();

	if (n == 0) {
		n = NELEMS(list);
		if (C_GetMechanismList(0, list, &n) != CKR_OK)
			n = 0;
	}
	return n > 0 && b != 255 ? list[b % n] : number();
}

static struct param flat;

/* Any structure of the mechanism's kind, pointers and all: rebuilt from flat bytes as the
 * daemon does it. */
static void
flat_param(CK_MECHANISM *m)
{
	CK_ULONG n;
	uint8_t *rest = bytes(&n);
	struct buf b;

	buf_init(&b, PARAM_MAX_TOTAL);
	buf_put_u64(&b, m->mechanism);
	buf_put_u8(&b, (uint8_t)param_kind(m->mechanism));
	buf_put(&b, rest, n);
	param_free(&flat);
	flat = (struct param){0};
	if (param_decode(&b, &flat) == CKR_OK)
		*m = flat.mech;
	else
		param_free(&flat), flat = (struct param){0};
	buf_free(&b);
}

/* The shape that the mechanism wants: the usual ones field by field, which fuzzers find by
 * themselves only after long. */
static void
shaped_param(CK_MECHANISM *m)
{
	CK_GCM_PARAMS *gcm;
	CK_AES_CTR_PARAMS *ctr;
	CK_RSA_PKCS_PSS_PARAMS *pss;
	CK_RSA_PKCS_OAEP_PARAMS *oaep;
	CK_ECDH1_DERIVE_PARAMS *ecdh;
	CK_KEY_DERIVATION_STRING_DATA *string;
	CK_AES_CBC_ENCRYPT_DATA_PARAMS *cbc;

#define SHAPE(p)                                                                               \
	do {                                                                                   \
		(p) = piece(sizeof(*(p)));                                                     \
		m->pParameter = (p);                                                           \
		m->ulParameterLen = sizeof(*(p));                                              \
	} while (0)
	switch (m->mechanism) {
	case CKM_AES_GCM:
		SHAPE(gcm);
		gcm->pIv = bytes(&gcm->ulIvLen);
		gcm->pAAD = bytes(&gcm->ulAADLen);
		gcm->ulTagBits = number();
		break;
	case CKM_AES_CTR:
		SHAPE(ctr);
		ctr->ulCounterBits = number();
		for (size_t i = 0; i < 16; i++)
			ctr->cb[i] = byte();
		break;
	case CKM_RSA_PKCS_PSS:
	case CKM_SHA256_RSA_PKCS_PSS:
		SHAPE(pss);
		pss->hashAlg = mechanism_number();
		pss->mgf = number();
		pss->sLen = number();
		break;
	case CKM_RSA_PKCS_OAEP:
		SHAPE(oaep);
		oaep->hashAlg = mechanism_number();
		oaep->mgf = number();
		oaep->source = number();
		oaep->pSourceData = bytes(&oaep->ulSourceDataLen);
		break;
	case CKM_ECDH1_DERIVE:
	case CKM_ECDH1_COFACTOR_DERIVE:
		SHAPE(ecdh);
		ecdh->kdf = number();
		ecdh->pSharedData = bytes(&ecdh->ulSharedDataLen);
		ecdh->pPublicData = bytes(&ecdh->ulPublicDataLen);
		break;
	case CKM_CONCATENATE_BASE_AND_DATA:
	case CKM_CONCATENATE_DATA_AND_BASE:
	case CKM_XOR_BASE_AND_DATA:
	case CKM_AES_ECB_ENCRYPT_DATA:
		SHAPE(string);
		string->pData = bytes(&string->ulLen);
		break;
	case CKM_AES_CBC_ENCRYPT_DATA:
		SHAPE(cbc);
		cbc->pData = bytes(&cbc->length);
		break;
	default:
		if (param_kind(m->mechanism) == PARAM_ULONG || byte() < 30) {
			CK_ULONG *n = piece(sizeof(*n));

			*n = number();
			m->pParameter = n;
			m->ulParameterLen = sizeof(*n);
		} else if (param_kind(m->mechanism) <= PARAM_RAW) {
			m->pParameter = bytes(&m->ulParameterLen);
		} else {
			flat_param(m);
		}
	}
#undef SHAPE
}

static CK_MECHANISM *
mechanism_arg(void)
{
	CK_MECHANISM *m = piece(sizeof(*m));

	m->mechanism = mechanism_number();
	shaped_param(m);
	return m;
}

/* An attribute's value in a shape that its type may have. */
static void
attribute_arg(CK_ATTRIBUTE *a, unsigned depth)
{
	static const CK_ATTRIBUTE_TYPE types[] = {CKA_CLASS, CKA_TOKEN, CKA_PRIVATE, CKA_LABEL,
		CKA_VALUE, CKA_KEY_TYPE, CKA_ID, CKA_SENSITIVE, CKA_ENCRYPT, CKA_DECRYPT,
		CKA_WRAP, CKA_UNWRAP, CKA_SIGN, CKA_VERIFY, CKA_DERIVE, CKA_VALUE_LEN,
		CKA_EXTRACTABLE, CKA_MODULUS, CKA_MODULUS_BITS, CKA_PUBLIC_EXPONENT,
		CKA_PRIVATE_EXPONENT, CKA_PRIME, CKA_BASE, CKA_SUBPRIME, CKA_EC_PARAMS,
		CKA_EC_POINT, CKA_CERTIFICATE_TYPE, CKA_SUBJECT, CKA_ISSUER, CKA_SERIAL_NUMBER,
		CKA_START_DATE, CKA_END_DATE, CKA_MODIFIABLE, CKA_COPYABLE, CKA_DESTROYABLE,
		CKA_ALLOWED_MECHANISMS, CKA_WRAP_TEMPLATE, CKA_UNWRAP_TEMPLATE,
		CKA_DERIVE_TEMPLATE, CKA_ALWAYS_AUTHENTICATE, CKA_WRAP_WITH_TRUSTED,
		CKA_TRUSTED, CKA_APPLICATION, CKA_OBJECT_ID, CKA_CHECK_VALUE, CKA_LOCAL,
		CKA_KEY_GEN_MECHANISM, CKA_UNIQUE_ID, CKA_PUBLIC_KEY_INFO};
	uint8_t b = byte(), shape;
	CK_ULONG *n;

	a->type = b < 240 ? types[b % NELEMS(types)] : number();
	shape = byte();
	if ((a->type & CKF_ARRAY_ATTRIBUTE) != 0 && a->type != CKA_ALLOWED_MECHANISMS) {
		CK_ULONG count = depth < 6 ? byte() % 4 : 0;
		CK_ATTRIBUTE *sub = piece(count * sizeof(*sub));

		for (CK_ULONG i = 0; i < count; i++)
			attribute_arg(&sub[i], depth + 1);
		a->pValue = count > 0 ? sub : NULL;
		a->ulValueLen = count * sizeof(*sub);
	} else if (shape < 90) {
		a->pValue = piece(1);
		*(CK_BBOOL *)a->pValue = byte() & 1;
		a->ulValueLen = 1;
	} else if (shape < 170) {
		n = piece(sizeof(*n));
		*n = a->type == CKA_KEY_GEN_MECHANISM || a->type == CKA_ALLOWED_MECHANISMS
			     ? mechanism_number()
			     : number();
		a->pValue = n;
		a->ulValueLen = sizeof(*n);
	} else {
		a->pValue = bytes(&a->ulValueLen);
	}
}

static CK_ATTRIBUTE *
template_arg(CK_ULONG *count)
{
	CK_ATTRIBUTE *a;

	*count = byte() % 14;
	a = piece(*count * sizeof(*a));
	for (CK_ULONG i = 0; i < *count; i++)
		attribute_arg(&a[i], 0);
	return *count > 0 ? a : NULL;
}

/* ---- answers: a buffer of its own size ---- */
struct room {
	uint8_t *data;
	CK_ULONG len, had;
};

static struct room
room_arg(void)
{
	uint8_t b = byte();
	struct room r = {.had = b < 40 ? b : b < 200 ? 512u : 40000u};

	r.len = r.had;
	if (b < 220)
		r.data = piece(r.had);
	return r;
}

static void
judge(CK_RV rv, const struct room *r)
{
	if (rv == CKR_OK && r->data != NULL && r->len > r->had)
		die("an answer longer than its buffer");
	if (rv == CKR_BUFFER_TOO_SMALL && r->len != CK_UNAVAILABLE_INFORMATION &&
		r->len <= r->had && r->data != NULL)
		die("a buffer that is too small for less than it holds");
}

static void
args_free(void)
{
	while (n_kept > 0)
		free(kept[--n_kept]);
}

#endif
