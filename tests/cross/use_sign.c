/*
 * use_sign.c - signing and verification in every flow there is: C_Sign and C_Verify of 2.40,
 * messages of 3.0, C_VerifySignature of 3.2
 *
 * One key, mechanism and input: whatever the flow, OpenSSL must take each signature, and the
 * verdicts must be the same.
 */
#include "oracle.h"

static bool
has(const CK_MECHANISM *m, CK_FLAGS flag)
{
	CK_MECHANISM_INFO i;

	return f->C_GetMechanismInfo(slot, m->mechanism, &i) == CKR_OK && (i.flags & flag) != 0;
}

/* ---- signing ---- */

/* The last call of a message, in one part or the last of several, is asked for the length
 * first, now and then, and given too little room: the message goes on. */
static CK_RV
sign_last(CK_RV (*call)(CK_SESSION_HANDLE, void *, CK_ULONG, CK_BYTE *, CK_ULONG, CK_BYTE *,
		  CK_ULONG *),
	struct blob in, size_t room, struct blob *out)
{
	CK_ULONG n = 0, less;
	CK_RV rv;

	*out = blob_new(room);
	if (chance(2) == 0) {
		if ((rv = call(session, NULL, 0, in.data, in.len, NULL, &n)) != CKR_OK)
			return rv;
		checks += 2;
		if (n == 0 || n > room)
			fail("the length asked for is %lu, not up to %zu", n, room);
		less = n - 1;
		rv = call(session, NULL, 0, in.data, in.len, out->data, &less);
		if (rv != CKR_BUFFER_TOO_SMALL)
			fail("a message's signature in %lu bytes of %lu gave 0x%lx", n - 1, n,
				rv);
	}
	n = room;
	rv = call(session, NULL, 0, in.data, in.len, out->data, &n);
	out->len = n;
	return rv;
}

static CK_RV
sign_parts(struct blob in, size_t room, struct blob *out)
{
	CK_RV rv = f3->C_SignMessageBegin(session, NULL, 0);
	size_t left = in.len, n;

	while (rv == CKR_OK && chance(4) != 0) {
		n = some_piece(left);
		rv = f3->C_SignMessageNext(
			session, NULL, 0, in.data + in.len - left, n, NULL, NULL);
		left -= n;
	}
	return rv == CKR_OK ? sign_last(f3->C_SignMessageNext,
				      blob_part(in, in.len - left, left), room, out)
			    : rv;
}

size_t
use_sign(CK_MECHANISM *m, CK_OBJECT_HANDLE key, struct blob in, size_t room, enum ways ways,
	struct blob out[SIGN_FLOWS])
{
	size_t n = 0;

	if (is_ok("sign", use_key(CKF_SIGN, m, key, in, room, ways, &out[n])))
		n++;
	if (!has(m, CKF_MESSAGE_SIGN) ||
		!is_ok("C_MessageSignInit", f3->C_MessageSignInit(session, m, key)))
		return n;
	if (is_ok("C_SignMessage", sign_last(f3->C_SignMessage, in, room, &out[n]))) {
		n++;
		proved |= CKF_MESSAGE_SIGN;
	}
	if (is_ok("C_SignMessageBegin, _Next", sign_parts(in, room, &out[n]))) {
		n++;
		proved |= CKF_MULTI_MESSAGE;
	}
	is_ok("C_MessageSignFinal", f3->C_MessageSignFinal(session));
	return n;
}

/* ---- verification ---- */

static CK_RV
feed(CK_RV (*update)(CK_SESSION_HANDLE, CK_BYTE *, CK_ULONG), struct blob in)
{
	size_t left = in.len, n;
	CK_RV rv = CKR_OK;

	while (rv == CKR_OK && (left > 0 || chance(4) == 0)) {
		n = some_piece(left);
		rv = update(session, in.data + in.len - left, n);
		left -= n;
	}
	return rv;
}

static CK_RV
verify(CK_MECHANISM *m, CK_OBJECT_HANDLE key, struct blob in, struct blob signature, bool parts)
{
	CK_RV rv = f->C_VerifyInit(session, m, key);

	if (rv == CKR_OK && !parts)
		return f->C_Verify(session, in.data, in.len, signature.data, signature.len);
	if (rv == CKR_OK)
		rv = feed(f->C_VerifyUpdate, in);
	return rv == CKR_OK ? f->C_VerifyFinal(session, signature.data, signature.len) : rv;
}

/* PKCS#11 3.2: the signature first. */
static CK_RV
verify_signature(CK_MECHANISM *m, CK_OBJECT_HANDLE key, struct blob in, struct blob signature,
	bool parts)
{
	CK_RV rv = f3->C_VerifySignatureInit(session, m, key, signature.data, signature.len);

	if (rv == CKR_OK && !parts)
		return f3->C_VerifySignature(session, in.data, in.len);
	if (rv == CKR_OK)
		rv = feed(f3->C_VerifySignatureUpdate, in);
	return rv == CKR_OK ? f3->C_VerifySignatureFinal(session) : rv;
}

static CK_RV
verify_parts(struct blob in, struct blob signature)
{
	CK_RV rv = f3->C_VerifyMessageBegin(session, NULL, 0);
	size_t left = in.len, n;

	while (rv == CKR_OK && chance(4) != 0) {
		n = some_piece(left);
		rv = f3->C_VerifyMessageNext(
			session, NULL, 0, in.data + in.len - left, n, NULL, 0);
		left -= n;
	}
	return rv == CKR_OK ? f3->C_VerifyMessageNext(session, NULL, 0, in.data + in.len - left,
				      left, signature.data, signature.len)
			    : rv;
}

static void
same_verdict(const char *flow, CK_RV wanted, CK_RV got)
{
	checks++;
	if (got != wanted)
		fail("%s gave 0x%lx, C_Verify 0x%lx", flow, got, wanted);
}

/* Three messages: a refused one must not end the operation. */
static void
verify_messages(CK_MECHANISM *m, CK_OBJECT_HANDLE key, struct blob in, struct blob signature,
	CK_RV wanted)
{
	CK_RV rv = f3->C_MessageVerifyInit(session, m, key);

	if (rv != CKR_OK) {
		same_verdict("C_MessageVerifyInit", wanted, rv);
		return;
	}
	for (int i = 0; i < 2; i++) {
		rv = f3->C_VerifyMessage(
			session, NULL, 0, in.data, in.len, signature.data, signature.len);
		same_verdict("C_VerifyMessage", wanted, rv);
		proved |= rv == CKR_OK ? CKF_MESSAGE_VERIFY : 0;
		if (i > 0)
			break;
		rv = verify_parts(in, signature);
		same_verdict("C_VerifyMessageBegin, _Next", wanted, rv);
		proved |= rv == CKR_OK ? CKF_MULTI_MESSAGE : 0;
	}
	is_ok("C_MessageVerifyFinal", f3->C_MessageVerifyFinal(session));
}

CK_RV
use_verify(CK_MECHANISM *m, CK_OBJECT_HANDLE key, struct blob in, struct blob signature,
	enum ways ways)
{
	CK_RV rv = verify(m, key, in, signature, ways == ANY_WAY && chance(2) == 0);

	same_verdict("C_VerifySignature", rv,
		verify_signature(m, key, in, signature, ways == ANY_WAY && chance(2) == 0));
	if (has(m, CKF_MESSAGE_VERIFY))
		verify_messages(m, key, in, signature, rv);
	if (rv == CKR_OK)
		proved |= CKF_VERIFY;
	return rv;
}

void
refuse_changed(CK_MECHANISM *m, CK_OBJECT_HANDLE key, struct blob in, struct blob signature,
	enum ways ways)
{
	struct blob bad = blob_of(signature.data, signature.len);
	CK_RV rv;

	bad.data[chance((uint32_t)bad.len)] ^= (uint8_t)(1u << chance(8));
	rv = use_verify(m, key, in, bad, ways);
	checks++;
	if (rv != CKR_SIGNATURE_INVALID)
		fail("verification of a wrong signature gave 0x%lx", rv);
	for (int longer = 0; longer < 2; longer++) {
		bad = longer ? blob_join(signature, blob_new(1))
			     : blob_part(signature, 0, signature.len - 1);
		rv = use_verify(m, key, in, bad, ways);
		checks++;
		if (rv != CKR_SIGNATURE_LEN_RANGE && rv != CKR_SIGNATURE_INVALID)
			fail("verification of a signature of %zu bytes, not %zu, gave 0x%lx",
				bad.len, signature.len, rv);
	}
}

void
expect_hidden(const char *what, CK_OBJECT_HANDLE h, struct blob value)
{
	CK_MECHANISM hmac = {CKM_SHA256_HMAC, NULL, 0};
	struct blob in = blob_random(20), got = {0};
	CK_FLAGS before = proved;

	checks++;
	if (get_blob(h, CKA_VALUE, &got))
		fail("%s is sensitive, and can be read", what);
	if (is_ok("HMAC by a sensitive key",
		    use_key(CKF_SIGN, &hmac, h, in, 32, ANY_WAY, &got)))
		same(what, oracle_hmac("SHA2-256", value, in), got);
	proved = before; /* another mechanism's */
}
