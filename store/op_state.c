/*
 * The state of a digest: C_GetOperationState, C_SetOperationState, C_DigestKey
 *
 * OpenSSL gives no way to take a hash's inner state out, so an operation remembers its input while it is
 * short; the state is mechanism, with the number that its parameter may be, and input. A longer one is
 * CKR_STATE_UNSAVEABLE, and so is one that took in a key: a state must not carry key bytes out.
 *
 * The saved state: "TKd2", u64 mechanism, u64 parameter or 0, u32 length, input (little-endian).
 */
#include <string.h>

#include "../pkcs11/buf.h"
#include "mech_family.h"
#include "op.h"
#include "why.h"

#define STATE_MAX (64u << 10)
#define STATE_HEAD 24
static const uint8_t magic[4] = {'T', 'K', 'd', '2'};

CK_RV
op_remember(struct op *op, const uint8_t *in, size_t n)
{
	if (op->fed <= STATE_MAX)
		return n > 0 ? bytes_add(&op->gathered, in, n) : CKR_OK;
	bytes_free(&op->gathered);
	return CKR_OK;
}

CK_RV
op_digest_key(struct op *op, struct object *key)
{
	const struct attr *value = attrs_get(&key->attrs, CKA_VALUE);
	CK_RV rv;

	if (op == NULL || op->kind != OP_DIGEST)
		return CKR_OPERATION_NOT_INITIALIZED;
	if (object_class(key) != CKO_SECRET_KEY || value == NULL || object_hides(key, CKA_VALUE)) {
		op->stage = STAGE_OVER;
		return why(CKR_KEY_INDIGESTIBLE, "only secret keys that may be read can be digested");
	}
	op->told_key = true;
	rv = op_update(op, value->value, value->len, NULL, NULL);
	bytes_free(&op->gathered);
	return rv;
}

CK_RV
op_save(const struct op *op, uint8_t *out, CK_ULONG *out_len)
{
	size_t need = STATE_HEAD + op->gathered.len;
	struct buf b;
	CK_RV rv;

	if (!op_active(op))
		return CKR_OPERATION_NOT_INITIALIZED;
	if (op->kind != OP_DIGEST || op->stage == STAGE_ONCE || op->told_key || op->fed > STATE_MAX)
		return why(CKR_STATE_UNSAVEABLE, "only a digest of at most %u bytes can be saved", STATE_MAX);
	if (out == NULL || *out_len < need) {
		*out_len = need;
		return out == NULL ? CKR_OK : CKR_BUFFER_TOO_SMALL;
	}
	buf_init(&b, need);
	buf_put(&b, magic, sizeof(magic));
	buf_put_u64(&b, op->mech->type);
	buf_put_u64(&b, op->param);
	buf_put_bytes(&b, op->gathered.len > 0 ? op->gathered.data : magic, op->gathered.len);
	rv = buf_failed(&b) || b.len != need ? CKR_HOST_MEMORY : CKR_OK;
	if (rv == CKR_OK) {
		memcpy(out, b.data, need);
		*out_len = need;
	}
	buf_free(&b);
	return rv;
}

CK_RV
op_restore(struct op **op, const uint8_t *in, size_t in_len)
{
	CK_MECHANISM m = {0};
	uint8_t head[4];
	const uint8_t *data;
	uint64_t type, number;
	CK_ULONG param;
	struct buf b;
	size_t n;
	CK_RV rv;

	*op = NULL;
	buf_init_const(&b, in, in_len);
	buf_get(&b, head, sizeof(head));
	buf_get_u64(&b, &type);
	buf_get_u64(&b, &number);
	buf_get_bytes(&b, &data, &n);
	if (!buf_at_end(&b) || memcmp(head, magic, 4) != 0 || data == NULL || n > STATE_MAX)
		return why(CKR_SAVED_STATE_INVALID, "not the saved state of a digest");
	m.mechanism = type;
	if ((param = number) != 0) {
		m.pParameter = &param;
		m.ulParameterLen = sizeof(param);
	}
	if (op_begin(op, OP_DIGEST, &m, NULL) != CKR_OK)
		return CKR_SAVED_STATE_INVALID;
	if ((rv = op_update(*op, data, n, NULL, NULL)) != CKR_OK) {
		op_end(*op);
		*op = NULL;
	}
	return rv;
}
