/*
 * op_flow.c - the flow of data through an operation
 *
 *   FRESH -> ONCE   [op_once, op_verify, op_verify_signature; a length query too]
 *   FRESH -> MULTI  [op_update, op_final, op_verify_final, op_verify_signature_final, op_digest_key]
 *   any   -> OVER   [an answer given, an error other than CKR_BUFFER_TOO_SMALL, the other way of use]
 */
#include <string.h>

#include "mech_family.h"
#include "secret.h"
#include "why.h"

static CK_RV
over(struct op *op, CK_RV rv)
{
	if (rv == CKR_FUNCTION_FAILED || rv == CKR_GENERAL_ERROR || rv == CKR_HOST_MEMORY)
		op->spoiled = true;
	op->stage = STAGE_OVER;
	return rv;
}

/* One-shot and multi-part do not mix, also after a length query. */
static CK_RV
enter(struct op *op, enum op_stage stage)
{
	if (op->stage == STAGE_OVER)
		return CKR_OPERATION_NOT_INITIALIZED;
	if (op->stage != STAGE_FRESH && op->stage != stage)
		return over(op, CKR_OPERATION_ACTIVE);
	op->stage = stage;
	return CKR_OK;
}

static bool
is_cipher(const struct op *op)
{
	return op->kind == OP_ENCRYPT || op->kind == OP_DECRYPT;
}

static bool
is_verify(const struct op *op)
{
	return op->kind == OP_VERIFY;
}

/* Operations that give an answer out: all but verification, messages apart. */
static bool
answers(const struct op *op)
{
	return op != NULL && !is_verify(op) && !op_is_message(op);
}

static size_t
total(const struct op *op, uint64_t fed, bool final)
{
	return (size_t)op->mech->family->total(op, fed, final);
}

/* The hash of everything so far, ready for the family. */
static CK_RV
finish_hash(struct op *op, uint8_t md[EVP_MAX_MD_SIZE])
{
	if (EVP_DigestFinal_ex(op->mctx, md, NULL) != 1)
		return mech_failed(CKR_FUNCTION_FAILED, op->hash->name);
	return CKR_OK;
}

static CK_RV
too_long(const struct op *op)
{
	bool coded = op->kind == OP_DECRYPT;

	return why(coded ? CKR_ENCRYPTED_DATA_LEN_RANGE : CKR_DATA_LEN_RANGE,
		"the input is longer than %zu bytes", op->max_in);
}

/* Input in one part to all output; or, `final`, the rest of the output of a multi-part operation. */
static CK_RV
run_stream(struct op *op, bool final, const uint8_t *in, size_t n, uint8_t *out, size_t *len)
{
	const struct mech_family *f = op->mech->family;
	size_t head = 0, tail = 0;
	CK_RV rv = CKR_OK;

	if (!final && n > 0)
		rv = f->update(op, in, n, out, &head);
	if (!final)
		op->fed = n;
	if (rv == CKR_OK)
		rv = f->final(op, out + head, &tail);
	*len = head + tail;
	return rv;
}

static CK_RV
run(struct op *op, bool final, const uint8_t *in, size_t n, uint8_t *out, size_t *len)
{
	const struct mech_family *f = op->mech->family;
	uint8_t md[EVP_MAX_MD_SIZE];
	CK_RV rv;

	switch (op->input) {
	case INPUT_STREAM:
		return run_stream(op, final, in, n, out, len);
	case INPUT_HASH:
		if (!final && n > 0 && EVP_DigestUpdate(op->mctx, in, n) != 1)
			return mech_failed(CKR_FUNCTION_FAILED, op->hash->name);
		rv = finish_hash(op, md);
		return rv == CKR_OK ? f->whole(op, md, op->hash->size, out, len) : rv;
	default:
		if (final)
			return f->whole(op, op->gathered.data, op->gathered.len, out, len);
		return n <= op->max_in ? f->whole(op, in, n, out, len) : too_long(op);
	}
}

/* An answer whose length is only known when it is made: it is made aside and waits until the caller
 * has room. */
static CK_RV
answer_aside(struct op *op, bool final, const uint8_t *in, size_t n, size_t bound, uint8_t *out,
	CK_ULONG *out_len)
{
	CK_RV rv;

	if (!op->has_result) {
		if ((rv = bytes_reserve(&op->result, bound + 1)) != CKR_OK)
			return over(op, rv);
		op->result.len = bound;
		if ((rv = run(op, final, in, n, op->result.data, &op->result.len)) != CKR_OK)
			return over(op, rv);
		op->has_result = true;
	}
	if (*out_len < op->result.len) {
		*out_len = op->result.len;
		return CKR_BUFFER_TOO_SMALL;
	}
	*out_len = op->result.len;
	if (op->result.len > 0)
		memcpy(out, op->result.data, op->result.len);
	return over(op, CKR_OK);
}

/* What the answer uses up of the key is kept before it is made: after a crash in between a password is lost, never given
 * out twice. Such answers are exact: they do not wait aside. */
static CK_RV
keep(struct op *op)
{
	if (!op->spends)
		return CKR_OK;
	if (op->keeper == NULL)
		return why(CKR_FUNCTION_FAILED, "mechanism 0x%lx changes its key, which nobody keeps", op->mech->type);
	return op->keeper->keep(op->keeper->arg, op);
}

/* The rules of PKCS#11 3.1 5.2 for every call that ends an operation with an answer. */
static CK_RV
answer(struct op *op, bool final, const uint8_t *in, size_t n, size_t need, uint8_t *out, CK_ULONG *out_len)
{
	const struct mech_family *f = op->mech->family;
	size_t len = need;
	CK_RV rv;

	if (out_len == NULL)
		return over(op, CKR_ARGUMENTS_BAD);
	if (f->fits != NULL && (rv = f->fits(op, final ? op->fed : n)) != CKR_OK)
		return over(op, rv);
	if (out == NULL) {
		*out_len = op->has_result ? op->result.len : need;
		return CKR_OK;
	}
	if (!op->exact && (op->has_result || *out_len < need))
		return answer_aside(op, final, in, n, need, out, out_len);
	if (*out_len < need) {
		*out_len = need;
		return CKR_BUFFER_TOO_SMALL;
	}
	if ((rv = keep(op)) == CKR_OK)
		rv = run(op, final, in, n, out, &len);
	if (rv != CKR_OK) {
		wipe(out, need);
		return over(op, rv);
	}
	*out_len = len;
	return over(op, CKR_OK);
}

CK_RV
op_once(struct op *op, const uint8_t *in, size_t in_len, uint8_t *out, CK_ULONG *out_len)
{
	CK_RV rv;

	if (!answers(op))
		return CKR_OPERATION_NOT_INITIALIZED;
	if ((rv = enter(op, STAGE_ONCE)) != CKR_OK)
		return rv;
	if (in == NULL && in_len > 0)
		return over(op, CKR_ARGUMENTS_BAD);
	return answer(op, false, in, in_len, total(op, in_len, true), out, out_len);
}

/* Takes input that yields no output yet. */
static CK_RV
take(struct op *op, const uint8_t *in, size_t n)
{
	size_t none = 0;

	switch (op->input) {
	case INPUT_STREAM:
		return op->mech->family->update(op, in, n, NULL, &none);
	case INPUT_HASH:
		if (EVP_DigestUpdate(op->mctx, in, n) != 1)
			return mech_failed(CKR_FUNCTION_FAILED, op->hash->name);
		return CKR_OK;
	default:
		if (n > op->max_in - op->gathered.len)
			return too_long(op);
		return bytes_add(&op->gathered, in, n);
	}
}

static CK_RV
update_cipher(struct op *op, const uint8_t *in, size_t n, uint8_t *out, CK_ULONG *out_len)
{
	size_t need = total(op, op->fed + n, false) - op->given, len = 0;
	CK_RV rv = CKR_OK;

	if (out_len == NULL)
		return over(op, CKR_ARGUMENTS_BAD);
	if (out == NULL || *out_len < need) {
		*out_len = need;
		return out == NULL ? CKR_OK : CKR_BUFFER_TOO_SMALL;
	}
	if (n > 0)
		rv = op->input == INPUT_STREAM ? op->mech->family->update(op, in, n, out, &len) :
			take(op, in, n);
	if (rv != CKR_OK) {
		wipe(out, need);
		return over(op, rv);
	}
	op->fed += n;
	op->given += len;
	*out_len = len;
	return CKR_OK;
}

CK_RV
op_update(struct op *op, const uint8_t *in, size_t in_len, uint8_t *out, CK_ULONG *out_len)
{
	CK_RV rv;

	if (op == NULL || op_is_message(op) || op->kind == OP_SIGN_RECOVER || op->kind == OP_VERIFY_RECOVER)
		return CKR_OPERATION_NOT_INITIALIZED;
	if ((rv = enter(op, STAGE_MULTI)) != CKR_OK)
		return rv;
	if (in == NULL && in_len > 0)
		return over(op, CKR_ARGUMENTS_BAD);
	if (is_cipher(op))
		return update_cipher(op, in, in_len, out, out_len);
	if (in_len > 0 && (rv = take(op, in, in_len)) != CKR_OK)
		return over(op, rv);
	op->fed += in_len;
	if (op->kind == OP_DIGEST && (rv = op_remember(op, in, in_len)) != CKR_OK)
		return over(op, rv);
	return CKR_OK;
}

CK_RV
op_final(struct op *op, uint8_t *out, CK_ULONG *out_len)
{
	CK_RV rv;

	if (!answers(op) || op->kind == OP_SIGN_RECOVER || op->kind == OP_VERIFY_RECOVER)
		return CKR_OPERATION_NOT_INITIALIZED;
	if ((rv = enter(op, STAGE_MULTI)) != CKR_OK)
		return rv;
	return answer(op, true, NULL, 0, total(op, op->fed, true) - op->given, out, out_len);
}

/* ---- verification ---- */

/* A MAC is made again and compared. */
static CK_RV
compare_mac(struct op *op, bool final, const uint8_t *in, size_t n, const uint8_t *sig, size_t sig_len)
{
	uint8_t mac[MAC_MAX];
	size_t len = sizeof(mac);
	CK_RV rv;

	if (sig_len != op->size)
		return CKR_SIGNATURE_LEN_RANGE;
	if ((rv = run(op, final, in, n, mac, &len)) == CKR_OK && !equal_ct(mac, sig, len))
		rv = CKR_SIGNATURE_INVALID;
	wipe(mac, sizeof(mac));
	return rv;
}

/* The family's turn, with all input or its hash. */
static CK_RV
check_signature(struct op *op, bool final, const uint8_t *in, size_t n, const uint8_t *sig, size_t sig_len)
{
	const struct mech_family *f = op->mech->family;
	uint8_t md[EVP_MAX_MD_SIZE];
	CK_RV rv;

	if (f->verify == NULL)
		return compare_mac(op, final, in, n, sig, sig_len);
	if (op->input == INPUT_HASH) {
		if ((!final && n > 0 && (rv = take(op, in, n)) != CKR_OK) || (rv = finish_hash(op, md)) != CKR_OK)
			return rv;
		return f->verify(op, md, op->hash->size, sig, sig_len);
	}
	if (final)
		return f->verify(op, op->gathered.data, op->gathered.len, sig, sig_len);
	return n <= op->max_in ? f->verify(op, in, n, sig, sig_len) : too_long(op);
}

CK_RV
op_verify(struct op *op, const uint8_t *in, size_t in_len, const uint8_t *sig, size_t sig_len)
{
	CK_RV rv;

	if (op == NULL || !is_verify(op) || op->early)
		return CKR_OPERATION_NOT_INITIALIZED;
	if ((rv = enter(op, STAGE_ONCE)) != CKR_OK)
		return rv;
	if ((in == NULL && in_len > 0) || sig == NULL)
		return over(op, CKR_ARGUMENTS_BAD);
	return over(op, check_signature(op, false, in, in_len, sig, sig_len));
}

CK_RV
op_verify_final(struct op *op, const uint8_t *sig, size_t sig_len)
{
	CK_RV rv;

	if (op == NULL || !is_verify(op) || op->early)
		return CKR_OPERATION_NOT_INITIALIZED;
	if ((rv = enter(op, STAGE_MULTI)) != CKR_OK)
		return rv;
	if (sig == NULL)
		return over(op, CKR_ARGUMENTS_BAD);
	return over(op, check_signature(op, true, NULL, 0, sig, sig_len));
}

/* ---- verification of a signature that is known first: an OP_VERIFY that has it by heart ---- */

CK_RV
op_set_signature(struct op *op, const uint8_t *sig, size_t sig_len)
{
	CK_RV rv;

	if (!op_active(op) || !op->early || op->stage != STAGE_FRESH)
		return CKR_OPERATION_NOT_INITIALIZED;
	if (sig == NULL)
		return over(op, CKR_ARGUMENTS_BAD);
	op->signature.len = 0;
	rv = bytes_add(&op->signature, sig, sig_len);
	op->has_signature = rv == CKR_OK;
	return rv == CKR_OK ? rv : over(op, rv);
}

CK_RV
op_verify_signature(struct op *op, const uint8_t *in, size_t in_len)
{
	CK_RV rv;

	if (op == NULL || !op->early)
		return CKR_OPERATION_NOT_INITIALIZED;
	if ((rv = enter(op, STAGE_ONCE)) != CKR_OK)
		return rv;
	if ((in == NULL && in_len > 0) || !op->has_signature)
		return over(op, CKR_ARGUMENTS_BAD);
	return over(op, check_signature(op, false, in, in_len, op->signature.data, op->signature.len));
}

CK_RV
op_verify_signature_final(struct op *op)
{
	CK_RV rv;

	if (op == NULL || !op->early)
		return CKR_OPERATION_NOT_INITIALIZED;
	if ((rv = enter(op, STAGE_MULTI)) != CKR_OK)
		return rv;
	if (!op->has_signature)
		return over(op, CKR_ARGUMENTS_BAD);
	return over(op, check_signature(op, true, NULL, 0, op->signature.data, op->signature.len));
}

size_t
op_bound(const struct op *op, size_t in_len)
{
	uint64_t all = op->fed + in_len;
	size_t last = total(op, all, true), now = total(op, all, false);

	if (op->has_result && op->result.len > last)
		return op->result.len;
	return (last > now ? last : now) - op->given;
}
