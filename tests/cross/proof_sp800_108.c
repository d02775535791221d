/* SP 800-108: the three modes, written from the document. */
#include "oracle.h"

/* After the text of the standard: 3.1 6.42. */
struct x_prf_data { /* CK_PRF_DATA_PARAM */
	CK_ULONG type;
	void *value;
	CK_ULONG len;
};
enum { ITERATION = 1, COUNTER = 2, DKM_LENGTH = 3, BYTES = 4 };
struct x_counter { /* CK_SP800_108_COUNTER_FORMAT */
	CK_BBOOL little;
	CK_ULONG bits;
};
struct x_dkm { /* CK_SP800_108_DKM_LENGTH_FORMAT */
	CK_ULONG method;
	CK_BBOOL little;
	CK_ULONG bits;
};
struct x_derived { /* CK_DERIVED_KEY */
	CK_ATTRIBUTE *templ;
	CK_ULONG count;
	CK_OBJECT_HANDLE *key;
};
struct x_kdf { /* CK_SP800_108_KDF_PARAMS */
	CK_MECHANISM_TYPE prf;
	CK_ULONG n;
	struct x_prf_data *data;
	CK_ULONG more;
	struct x_derived *keys;
};
struct x_kdf_feedback { /* CK_SP800_108_FEEDBACK_KDF_PARAMS */
	CK_MECHANISM_TYPE prf;
	CK_ULONG n;
	struct x_prf_data *data;
	CK_ULONG iv_len;
	CK_BYTE *iv;
	CK_ULONG more;
	struct x_derived *keys;
};

static struct blob
prf(CK_MECHANISM_TYPE type, struct blob key, struct blob in)
{
	static const struct {
		CK_MECHANISM_TYPE type;
		const char *hash;
	} hmacs[] = {{CKM_SHA_1_HMAC, "SHA1"}, {CKM_SHA224_HMAC, "SHA2-224"},
		{CKM_SHA256_HMAC, "SHA2-256"}, {CKM_SHA384_HMAC, "SHA2-384"},
		{CKM_SHA512_HMAC, "SHA2-512"}, {CKM_SHA3_256_HMAC, "SHA3-256"}};

	for (size_t i = 0; i < NELEMS(hmacs); i++)
		if (hmacs[i].type == type)
			return oracle_hmac(hmacs[i].hash, key, in);
	return oracle_mac(
		"CMAC", cipher_name("AES-#-CBC", 8 * key.len), (struct blob){0}, key, in);
}

static struct blob
number(CK_ULONG v, CK_ULONG bits, bool little)
{
	struct blob b = blob_new(bits / 8);

	for (size_t i = 0; i < b.len; i++, v >>= 8)
		b.data[little ? i : b.len - 1 - i] = (uint8_t)v;
	return b;
}

/* One block's input: the fields in the order in which the caller gave them. */
static struct blob
prf_input(const struct x_prf_data *data, size_t n, CK_ULONG i, struct blob chain,
	CK_ULONG total_bits)
{
	struct blob in = blob_new(0), part;

	for (size_t k = 0; k < n; k++) {
		const struct x_counter *c = data[k].value;
		const struct x_dkm *d = data[k].value;

		if (data[k].type == BYTES)
			part = blob_of(data[k].value, data[k].len);
		else if (data[k].type == DKM_LENGTH)
			part = number(total_bits, d->bits, d->little);
		else if (data[k].type == ITERATION && c == NULL)
			part = chain;
		else
			part = number(i, c->bits, c->little);
		in = blob_join(in, part);
	}
	return in;
}

static struct blob
sp800_108(CK_MECHANISM_TYPE mode, const struct x_kdf_feedback *k, struct blob key, size_t len)
{
	struct blob out = blob_new(0), chain = blob_of(k->iv, k->iv_len), fixed = blob_new(0),
		    a;

	for (size_t i = 0; i < k->n; i++) /* A(0): all that does not change */
		if (k->data[i].type == BYTES || k->data[i].type == DKM_LENGTH)
			fixed = blob_join(fixed, prf_input(&k->data[i], 1, 0, chain, 8 * len));
	a = fixed;
	for (CK_ULONG i = 1; out.len < len; i++) {
		if (mode == CKM_SP800_108_DOUBLE_PIPELINE_KDF)
			chain = a = prf(k->prf, key, a);
		a = mode == CKM_SP800_108_DOUBLE_PIPELINE_KDF ? a : fixed;
		chain = prf(k->prf, key, prf_input(k->data, k->n, i, chain, 8 * len));
		out = blob_join(out, chain);
	}
	return blob_part(out, 0, len);
}

static void
prove_sp800_108(const struct proof *p)
{
	static const CK_MECHANISM_TYPE prfs[] = {CKM_SHA_1_HMAC, CKM_SHA224_HMAC,
		CKM_SHA256_HMAC, CKM_SHA384_HMAC, CKM_SHA512_HMAC, CKM_SHA3_256_HMAC,
		CKM_AES_CMAC};
	struct x_counter counter = {chance(2) == 0, 8 * (1 + chance(4))};
	struct x_dkm dkm = {1, chance(2) == 0, 16 + 16 * chance(2)};
	struct blob label = blob_random(1 + chance(30)), zero = blob_new(1),
		    context = blob_random(1 + chance(30)), key, iv;
	struct x_prf_data data[6];
	struct x_kdf_feedback k = {.prf = prfs[chance(NELEMS(prfs))], .data = data};
	struct x_kdf plain;
	CK_MECHANISM m = {p->type, &k, sizeof(k)};
	size_t len = 1 + chance(150);

	key = k.prf == CKM_AES_CMAC ? secret_value(CKK_AES) : blob_random(1 + chance(80));
	iv = blob_random(
		p->type == CKM_SP800_108_FEEDBACK_KDF ? chance(2) * (1 + chance(40)) : 0);
	k.iv = iv.len > 0 ? iv.data : NULL, k.iv_len = iv.len;
	if (p->type == CKM_SP800_108_COUNTER_KDF) {
		data[k.n++] = (struct x_prf_data){ITERATION, &counter, sizeof(counter)};
	} else {
		data[k.n++] = (struct x_prf_data){ITERATION, NULL, 0};
		if (chance(2) == 0)
			data[k.n++] = (struct x_prf_data){COUNTER, &counter, sizeof(counter)};
	}
	data[k.n++] = (struct x_prf_data){BYTES, label.data, label.len};
	data[k.n++] = (struct x_prf_data){BYTES, zero.data, 1};
	data[k.n++] = (struct x_prf_data){BYTES, context.data, context.len};
	if (chance(2) == 0)
		data[k.n++] = (struct x_prf_data){DKM_LENGTH, &dkm, sizeof(dkm)};
	if (p->type != CKM_SP800_108_FEEDBACK_KDF) {
		plain = (struct x_kdf){k.prf, k.n, k.data, 0, NULL};
		m.pParameter = &plain, m.ulParameterLen = sizeof(plain);
	}
	expect_derived("the derived key", &m,
		base_secret(k.prf == CKM_AES_CMAC ? CKK_AES : CKK_GENERIC_SECRET, key),
		sp800_108(p->type, &k, key, len), true);
}

#define BASE(mech, how)                                                                        \
	{                                                                                      \
		mech, how, NULL, CKK_GENERIC_SECRET                                            \
	}

static const struct proof rows[] = {
	BASE(CKM_SP800_108_COUNTER_KDF, prove_sp800_108),
	BASE(CKM_SP800_108_FEEDBACK_KDF, prove_sp800_108),
	BASE(CKM_SP800_108_DOUBLE_PIPELINE_KDF, prove_sp800_108),
};
const struct proofs proofs_sp800_108 = {rows, NELEMS(rows)};
