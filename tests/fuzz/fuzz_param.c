/*
 * fuzz_param.c - byte strings as mechanisms, as parameters of messages, and as the outputs that come back for one
 *
 * What must hold: nothing crashes; what was rebuilt can be read through all its pointers, flattens to bytes that
 * rebuild to the same bytes, and takes its own outputs; a parameter that was refused has left nothing.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../pkcs11/param.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
need(bool ok, const char *what)
{
	if (!ok) {
		fprintf(stderr, "fuzz_param: %s\n", what);
		abort();
	}
}

/* Its outputs, and then any bytes as if they were. */
static void
try_outputs(const struct param *p, const struct buf *rest, bool message)
{
	struct buf out, any;

	buf_init(&out, 1 << 20);
	buf_init_const(&any, rest->data + rest->pos, rest->len - rest->pos);
	need(param_put_outputs(&out, p), "outputs do not fit");
	if (message) {
		need(message_param_take_outputs(&out, p->mech.pParameter, p->mech.ulParameterLen) == CKR_OK, "outputs");
		message_param_take_outputs(&any, p->mech.pParameter, p->mech.ulParameterLen);
	} else {
		need(param_take_outputs(&out, &p->mech) == CKR_OK, "outputs");
		param_take_outputs(&any, &p->mech);
	}
	need(buf_at_end(&out), "outputs are left");
	buf_free(&out);
}

static void
try_mechanism(struct buf *b)
{
	CK_OBJECT_HANDLE *handles[4];
	struct param p, again;
	struct buf flat, second;

	if (param_decode(b, &p) != CKR_OK) {
		need(p.pieces == NULL && buf_failed(b), "refused, and something is left");
		return;
	}
	param_handles(&p, handles, 4);
	try_outputs(&p, b, false);
	buf_init(&flat, 4 * PARAM_MAX_TOTAL);
	buf_init(&second, 4 * PARAM_MAX_TOTAL);
	/* flat bytes can be longer than what they rebuild, and back: a bound may be met on one way alone */
	if (param_encode(&flat, &p.mech) == CKR_OK) {
		need(param_decode(&flat, &again) == CKR_OK, "what was flattened is not taken");
		need(param_encode(&second, &again.mech) == CKR_OK, "what was taken is not flattened");
		need(second.len == flat.len && memcmp(second.data, flat.data, flat.len) == 0, "not the same bytes");
		param_free(&again);
	}
	buf_free(&flat);
	buf_free(&second);
	param_free(&p);
}

static void
try_message(struct buf *b)
{
	struct param p;

	if (message_param_decode(b, &p) != CKR_OK) {
		need(p.pieces == NULL && buf_failed(b), "refused, and something is left");
		return;
	}
	try_outputs(&p, b, true);
	param_free(&p);
}

/* The first byte: a mechanism that has a structure by the table, so that not every input must find its number; 255: as it is. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const CK_MECHANISM_TYPE types[] = {CKM_RSA_PKCS_OAEP, CKM_AES_GCM, CKM_AES_CCM, CKM_CHACHA20, CKM_CHACHA20_POLY1305,
		CKM_HKDF_DERIVE, CKM_PKCS5_PBKD2, CKM_SP800_108_COUNTER_KDF, CKM_SP800_108_FEEDBACK_KDF, CKM_TLS12_MASTER_KEY_DERIVE,
		CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE, CKM_TLS12_KEY_AND_MAC_DERIVE, CKM_TLS_KDF, CKM_RSA_AES_KEY_WRAP, CKM_ML_DSA, CKM_HOTP,
		CKM_EDDSA};
	struct buf b;

	if (len < 1)
		return 0;
	buf_init(&b, 1 << 20);
	if (data[0] < 128) {
		buf_put_ulong(&b, types[data[0] % (sizeof(types) / sizeof(types[0]))]);
		buf_put_u8(&b, (uint8_t)param_kind(types[data[0] % (sizeof(types) / sizeof(types[0]))]));
	}
	buf_put(&b, data + 1, len - 1);
	if (data[0] < 128 || data[0] == 255)
		try_mechanism(&b);
	else
		try_message(&b);
	buf_free(&b);
	return 0;
}
