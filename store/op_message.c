/*
 * op_message.c - messages: many of them under one key and mechanism (PKCS#11 3.1 5.9, 5.11, 5.14, 5.16)
 *
 * An authenticated cipher keeps its context with the key in it and is given a nonce per message. Signatures are
 * ordinary operations, one for each message, taken from those that wait in the key.
 *
 *   idle       -> in_message  [op_message_begin]
 *   in_message -> idle        [the last part answered; an error]
 *   idle       -> idle        [op_message, op_message_verify]
 *
 * The operation itself ends by op_end alone.
 */
#include <string.h>

#include "aead.h"
#include "secret.h"
#include "why.h"

/* The end of a message, well or ill. */
static CK_RV
message_over(struct op *op, CK_RV rv)
{
	if (rv == CKR_FUNCTION_FAILED || rv == CKR_GENERAL_ERROR || rv == CKR_HOST_MEMORY)
		op->spoiled = true;
	op->in_message = false;
	bytes_clear(&op->gathered);
	op->fed = 0;
	op_end(op->inner);
	op->inner = NULL;
	return rv;
}

void
op_message_drop(struct op *op)
{
	if (op_active(op) && op->in_message)
		message_over(op, CKR_OK);
}

static bool
signs(const struct op *op)
{
	return op->kind == OP_MESSAGE_SIGN || op->kind == OP_MESSAGE_VERIFY;
}

/* Is it an operation of this sort, in the state that the call wants? */
static CK_RV
check_state(const struct op *op, bool verifies, bool in_message)
{
	if (!op_active(op) || !op_is_message(op) || (op->kind == OP_MESSAGE_VERIFY) != verifies)
		return CKR_OPERATION_NOT_INITIALIZED;
	if (op->in_message != in_message)
		return in_message ? CKR_OPERATION_NOT_INITIALIZED : CKR_OPERATION_ACTIVE;
	return CKR_OK;
}

/* ---- authenticated ciphers ---- */

static CK_RV
read_message(const struct op *op, const struct message *m, struct aead *a)
{
	CK_RV rv = aead_read(a, op->mech->variant, AEAD_MESSAGE, m->param, m->param_len);

	if (rv != CKR_OK)
		return rv;
	if ((m->aad == NULL && m->aad_len > 0) || m->aad_len > GATHER_MAX)
		return CKR_ARGUMENTS_BAD;
	a->aad = m->aad;
	a->aad_len = m->aad_len;
	if (!op->encrypt)
		a->generator = CKG_NO_GENERATE; /* 3.1 6.13.2: ignored */
	return CKR_OK;
}

static CK_RV
start_text(struct op *op, const struct aead *a, uint64_t n)
{
	CK_RV rv = op->encrypt ? nonce_make(&op->nonces, a) : CKR_OK;

	return rv == CKR_OK ? aead_start(op, a, n) : rv;
}

/* The text, or its last part; the tag out or in. Nothing stays in `out` of a message that is refused. */
static CK_RV
end_text(struct op *op, const struct aead *a, const uint8_t *in, size_t n, uint8_t *out)
{
	CK_RV rv;

	if (op->encrypt)
		rv = aead_seal(op, in, n, out, a->tag);
	else if ((rv = aead_open(op, in, n, out, a->tag)) == CKR_ENCRYPTED_DATA_INVALID)
		rv = CKR_AEAD_DECRYPT_FAILED; /* 3.1 5.11.2 */
	if (rv != CKR_OK && n > 0)
		wipe(out, n);
	return rv;
}

static CK_RV
crypt_once(struct op *op, const struct message *m, const uint8_t *in, size_t n, uint8_t *out, CK_ULONG *out_len)
{
	uint8_t none[1];
	struct aead a;
	CK_RV rv;

	if ((rv = read_message(op, m, &a)) != CKR_OK)
		return rv;
	if (a.sized && a.data_len != n)
		return why(op->encrypt ? CKR_DATA_LEN_RANGE : CKR_ENCRYPTED_DATA_LEN_RANGE,
			"%zu bytes, the parameter says %llu", n, (unsigned long long)a.data_len);
	if (out == NULL || *out_len < n) {
		*out_len = n;
		return out == NULL ? CKR_OK : CKR_BUFFER_TOO_SMALL;
	}
	if (a.tag == NULL)
		return mech_bad_param("there is no room for the tag, or no tag");
	if ((rv = start_text(op, &a, n)) == CKR_OK)
		rv = end_text(op, &a, in, n, n > 0 ? out : none);
	*out_len = rv == CKR_OK ? n : *out_len;
	return message_over(op, rv);
}

static CK_RV
crypt_begin(struct op *op, const struct message *m)
{
	struct aead a;
	CK_RV rv;

	if ((rv = read_message(op, m, &a)) != CKR_OK || (rv = start_text(op, &a, a.data_len)) != CKR_OK)
		return message_over(op, rv);
	op->max_in = a.sized && a.data_len < GATHER_MAX ? a.data_len : GATHER_MAX;
	op->fed = 0;
	op->in_message = true;
	return CKR_OK;
}

/* The last part. The parameter is read again: only now must it have the tag, or room for it. */
static CK_RV
crypt_last(struct op *op, const struct message *m, const uint8_t *in, size_t n, uint8_t *out)
{
	uint8_t none[1];
	struct aead a;
	CK_RV rv;

	if ((rv = read_message(op, m, &a)) != CKR_OK)
		return rv;
	if (a.tag == NULL || a.tag_len != op->size)
		return mech_bad_param("the tag is not there, or has another length than when the message began");
	if (op->input == INPUT_STREAM)
		return end_text(op, &a, in, n, n > 0 ? out : none);
	if ((rv = bytes_add(&op->gathered, in, n)) != CKR_OK)
		return rv;
	return end_text(op, &a, op->gathered.data, op->gathered.len, op->gathered.len > 0 ? out : none);
}

static CK_RV
crypt_next(struct op *op, const struct message *m, const uint8_t *in, size_t n, bool last, uint8_t *out,
	CK_ULONG *out_len)
{
	bool gathers = op->input == INPUT_GATHER;
	size_t need = !gathers ? n : last ? op->gathered.len + n : 0;
	CK_RV rv = CKR_OK;

	if (gathers && n > op->max_in - op->gathered.len)
		return message_over(op, why(op->encrypt ? CKR_DATA_LEN_RANGE : CKR_ENCRYPTED_DATA_LEN_RANGE,
			"the message is longer than %zu bytes", op->max_in));
	if (out == NULL || *out_len < need) {
		*out_len = need;
		return out == NULL ? CKR_OK : CKR_BUFFER_TOO_SMALL;
	}
	if (last)
		rv = crypt_last(op, m, in, n, out);
	else if (gathers)
		rv = bytes_add(&op->gathered, in, n);
	else if (n > 0)
		rv = aead_part(op, in, n, out);
	if (rv == CKR_OK)
		*out_len = need;
	return last || rv != CKR_OK ? message_over(op, rv) : CKR_OK;
}

/* ---- signatures ---- */

/* An operation for one message. */
static CK_RV
start_inner(struct op *op)
{
	enum op_kind kind = op->kind == OP_MESSAGE_SIGN ? OP_SIGN : OP_VERIFY;
	CK_RV rv = op_start(&op->inner, kind, &op->mechanism.mech, op->mech, op->object);

	if (rv == CKR_OK)
		object_ref(op->object); /* given back by op_end */
	return rv;
}

CK_RV
message_sign_begin(struct op **out, enum op_kind kind, const CK_MECHANISM *m, const struct mech *row,
	struct object *key)
{
	struct op *op = secret_alloc(sizeof(*op));
	CK_RV rv;

	if (op == NULL)
		return CKR_HOST_MEMORY;
	memset(op, 0, sizeof(*op));
	op->kind = kind;
	op->mech = row;
	op->object = key;
	op->spoiled = true; /* nothing in it that a later operation could use: the inner ones go back to the key */
	if ((rv = param_copy(&op->mechanism, m)) == CKR_OK && (rv = start_inner(op)) == CKR_OK) {
		op->size = op_bound(op->inner, 0);
		message_over(op, CKR_OK);
		*out = op;
		return CKR_OK;
	}
	param_free(&op->mechanism);
	secret_free(op);
	return rv;
}

static CK_RV
sign_once(struct op *op, const uint8_t *in, size_t n, uint8_t *out, CK_ULONG *out_len)
{
	CK_RV rv = start_inner(op);

	if (rv == CKR_OK)
		rv = op_once(op->inner, in, n, out, out_len);
	return message_over(op, rv);
}

static CK_RV
sign_next(struct op *op, const uint8_t *in, size_t n, bool last, uint8_t *out, CK_ULONG *out_len)
{
	size_t need = op->size;
	CK_RV rv;

	if (last && (out == NULL || *out_len < need)) {
		*out_len = need;
		return out == NULL ? CKR_OK : CKR_BUFFER_TOO_SMALL;
	}
	rv = op_update(op->inner, in, n, NULL, NULL);
	if (rv == CKR_OK && last)
		rv = op_final(op->inner, out, out_len);
	return last || rv != CKR_OK ? message_over(op, rv) : CKR_OK;
}

/* ---- the door ---- */

/* No signature mechanism has a parameter per message. */
static CK_RV
check_message(const struct op *op, const struct message *m)
{
	if (signs(op) && m->param_len != 0)
		return mech_bad_param("a message to be signed or verified has none");
	return CKR_OK;
}

CK_RV
op_message(struct op *op, const struct message *m, const uint8_t *in, size_t in_len, uint8_t *out, CK_ULONG *out_len)
{
	CK_RV rv;

	if ((rv = check_state(op, false, false)) != CKR_OK || (rv = check_message(op, m)) != CKR_OK)
		return rv;
	if ((in == NULL && in_len > 0) || out_len == NULL)
		return CKR_ARGUMENTS_BAD;
	return signs(op) ? sign_once(op, in, in_len, out, out_len) : crypt_once(op, m, in, in_len, out, out_len);
}

CK_RV
op_message_verify(struct op *op, const struct message *m, const uint8_t *in, size_t in_len, const uint8_t *sig,
	size_t sig_len)
{
	CK_RV rv;

	if ((rv = check_state(op, true, false)) != CKR_OK || (rv = check_message(op, m)) != CKR_OK ||
		(rv = start_inner(op)) != CKR_OK)
		return rv;
	return message_over(op, op_verify(op->inner, in, in_len, sig, sig_len));
}

CK_RV
op_message_begin(struct op *op, const struct message *m)
{
	CK_RV rv;

	if ((rv = check_state(op, op != NULL && op->kind == OP_MESSAGE_VERIFY, false)) != CKR_OK ||
		(rv = check_message(op, m)) != CKR_OK)
		return rv;
	if (!signs(op))
		return crypt_begin(op, m);
	rv = start_inner(op);
	op->in_message = rv == CKR_OK;
	return rv;
}

CK_RV
op_message_next(struct op *op, const struct message *m, const uint8_t *in, size_t in_len, bool last, uint8_t *out,
	CK_ULONG *out_len)
{
	CK_RV rv;

	if ((rv = check_state(op, false, true)) != CKR_OK)
		return rv;
	if ((rv = check_message(op, m)) != CKR_OK)
		return message_over(op, rv);
	if ((in == NULL && in_len > 0) || (out_len == NULL && (last || !signs(op))))
		return message_over(op, CKR_ARGUMENTS_BAD);
	return signs(op) ? sign_next(op, in, in_len, last, out, out_len) :
		crypt_next(op, m, in, in_len, last, out, out_len);
}

CK_RV
op_message_verify_next(struct op *op, const struct message *m, const uint8_t *in, size_t in_len, bool last,
	const uint8_t *sig, size_t sig_len)
{
	CK_RV rv;

	if ((rv = check_state(op, true, true)) != CKR_OK)
		return rv;
	if ((rv = check_message(op, m)) == CKR_OK)
		rv = op_update(op->inner, in, in_len, NULL, NULL);
	if (rv == CKR_OK && last)
		rv = op_verify_final(op->inner, sig, sig_len);
	return last || rv != CKR_OK ? message_over(op, rv) : CKR_OK;
}

size_t
op_message_bound(const struct op *op, size_t in_len)
{
	return signs(op) ? op->size : op->gathered.len + in_len;
}
