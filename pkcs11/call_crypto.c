/*
 * Cryptographic operations: PKCS#11 3.1 5.8 to 5.15 and 5.19. The functions come in a few shapes;
 * each shape is written once.
 */
#include "export.h"
#include "call.h"
#include "otp.h"
#include "ride.h"

/* More than any signature, digest or padding adds to its input; a longer reply is fetched. */
#define LIKELY_MORE 2048

/* ---- shapes ---- */

/* The flag that C_SessionCancel knows an operation by. */
static CK_FLAGS
operation_of(enum wire_number number)
{
	static const struct {
		enum wire_number first, last;
		CK_FLAGS operations;
	} of[] = {
		{WIRE_ENCRYPT_INIT, WIRE_ENCRYPT_FINAL, CKF_ENCRYPT},
		{WIRE_DECRYPT_INIT, WIRE_DECRYPT_FINAL, CKF_DECRYPT},
		{WIRE_DIGEST_INIT, WIRE_DIGEST_FINAL, CKF_DIGEST},
		{WIRE_SIGN_INIT, WIRE_SIGN_FINAL, CKF_SIGN},
		{WIRE_SIGN_RECOVER_INIT, WIRE_SIGN_RECOVER, CKF_SIGN_RECOVER},
		{WIRE_VERIFY_INIT, WIRE_VERIFY_FINAL, CKF_VERIFY},
		{WIRE_VERIFY_RECOVER_INIT, WIRE_VERIFY_RECOVER, CKF_VERIFY_RECOVER},
		{WIRE_DIGEST_ENCRYPT_UPDATE, WIRE_DIGEST_ENCRYPT_UPDATE, CKF_DIGEST | CKF_ENCRYPT},
		{WIRE_DECRYPT_DIGEST_UPDATE, WIRE_DECRYPT_DIGEST_UPDATE, CKF_DECRYPT | CKF_DIGEST},
		{WIRE_SIGN_ENCRYPT_UPDATE, WIRE_SIGN_ENCRYPT_UPDATE, CKF_SIGN | CKF_ENCRYPT},
		{WIRE_DECRYPT_VERIFY_UPDATE, WIRE_DECRYPT_VERIFY_UPDATE, CKF_DECRYPT | CKF_VERIFY},
	};

	for (size_t i = 0; i < sizeof(of) / sizeof(of[0]); i++) {
		if (number >= of[i].first && number <= of[i].last)
			return of[i].operations;
	}
	return 0;
}

/* An Init: kept to ride along with the operation, or sent. */
static CK_RV
begin(struct call *c, enum wire_number number)
{
	const size_t head = WIRE_HEADER + CALL_ULONG;
	struct channel *channel = call_channel(c);

	if (channel != NULL && ride_keep(channel_rides(channel), number, c->session, c->codec.buf.data + head,
				       c->codec.buf.len - head))
		return call_end(c);
	return call_finish(c);
}

/* Turns a one-shot call into one that takes the pending Init along, if there is one. fits: nothing is wrong with
 * the arguments that keeps it from being sent. */
static void
ride_along(struct call *c, enum wire_number number, enum wire_number now, bool fits)
{
	struct channel *channel = fits ? call_channel(c) : NULL;
	uint8_t init[RIDE_MAX];
	size_t len;

	if (channel == NULL)
		return;
	len = ride_take(channel_rides(channel), number, c->session, init);
	if (len == 0)
		return;
	codec_begin(&c->codec, now, 0);
	codec_put_ulong(&c->codec, c->session);
	codec_put_again(&c->codec, now == WIRE_DIGEST_NOW ? "m" : "mu", init, len);
	wipe(init, len);
}

static CK_RV
init_with_key(enum wire_number number, CK_SESSION_HANDLE session, const CK_MECHANISM *mechanism,
	CK_OBJECT_HANDLE key)
{
	struct call c;

	if (mechanism == NULL) /* PKCS#11 3.1 5.8.1 and on: ends what runs; 2.40 says nothing of it */
		return call_cancel(session, operation_of(number));
	call_session(&c, number, session);
	call_put_mechanism(&c, mechanism);
	codec_put_ulong(&c.codec, key);
	return begin(&c, number);
}

/* Input and output. */
static CK_RV
transform(enum wire_number number, CK_SESSION_HANDLE session, const CK_BYTE *in, CK_ULONG in_len,
	CK_BYTE *out, CK_ULONG *out_len)
{
	struct call c;

	call_session(&c, number, session);
	call_put_data(&c, in, in_len);
	call_put_room(&c, out, out_len);
	call_output(&c, out, out_len, in_len + LIKELY_MORE);
	return call_used(&c, operation_of(number));
}

/* What ends an operation with an answer. That of one that signs says what it is: a one-time password comes in a
 * structure, which lies in the application's buffer. */
static CK_RV
answered(struct call *c, enum wire_number number, CK_BYTE *out, CK_ULONG *out_len, size_t likely)
{
	uint8_t answer = WIRE_ANSWER_BYTES;

	if (call_get_output(c, out, out_len, likely) && (number == WIRE_SIGN || number == WIRE_SIGN_FINAL))
		codec_get_byte(&c->codec, &answer);
	if (answer != WIRE_ANSWER_BYTES && out != NULL && c->rv == CKR_OK &&
		(answer != WIRE_ANSWER_OTP || !otp_image_place(out, *out_len))) {
		wipe(out, *out_len);
		c->rv = CKR_DEVICE_ERROR;
	}
	call_end(c);
	return call_used(c, operation_of(number));
}

/* The same as one call, with or without its Init. */
static CK_RV
once(enum wire_number number, enum wire_number now, CK_SESSION_HANDLE session, const CK_BYTE *in,
	CK_ULONG in_len, CK_BYTE *out, CK_ULONG *out_len)
{
	struct call c;

	call_session(&c, number, session);
	ride_along(&c, number, now, (in != NULL || in_len == 0) && in_len <= CALL_MAX_DATA && out_len != NULL);
	call_put_data(&c, in, in_len);
	call_put_room(&c, out, out_len);
	return answered(&c, number, out, out_len, in_len + LIKELY_MORE);
}

/* Output alone. */
static CK_RV
final(enum wire_number number, CK_SESSION_HANDLE session, CK_BYTE *out, CK_ULONG *out_len)
{
	struct call c;

	call_session(&c, number, session);
	call_put_room(&c, out, out_len);
	return answered(&c, number, out, out_len, LIKELY_MORE);
}

/* Input alone. */
static CK_RV
absorb(enum wire_number number, CK_SESSION_HANDLE session, const CK_BYTE *in, CK_ULONG in_len)
{
	return call_absorb(number, session, operation_of(number), in, in_len);
}

/* ---- encrypt, decrypt ---- */

CK_RV
C_EncryptInit(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key)
{
	return init_with_key(WIRE_ENCRYPT_INIT, session, mechanism, key);
}

CK_RV
C_Encrypt(CK_SESSION_HANDLE session, CK_BYTE *data, CK_ULONG data_len, CK_BYTE *out, CK_ULONG *out_len)
{
	return once(WIRE_ENCRYPT, WIRE_ENCRYPT_NOW, session, data, data_len, out, out_len);
}

CK_RV
C_EncryptUpdate(CK_SESSION_HANDLE session, CK_BYTE *part, CK_ULONG part_len, CK_BYTE *out,
	CK_ULONG *out_len)
{
	return transform(WIRE_ENCRYPT_UPDATE, session, part, part_len, out, out_len);
}

CK_RV
C_EncryptFinal(CK_SESSION_HANDLE session, CK_BYTE *out, CK_ULONG *out_len)
{
	return final(WIRE_ENCRYPT_FINAL, session, out, out_len);
}

CK_RV
C_DecryptInit(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key)
{
	return init_with_key(WIRE_DECRYPT_INIT, session, mechanism, key);
}

CK_RV
C_Decrypt(CK_SESSION_HANDLE session, CK_BYTE *data, CK_ULONG data_len, CK_BYTE *out, CK_ULONG *out_len)
{
	return once(WIRE_DECRYPT, WIRE_DECRYPT_NOW, session, data, data_len, out, out_len);
}

CK_RV
C_DecryptUpdate(CK_SESSION_HANDLE session, CK_BYTE *part, CK_ULONG part_len, CK_BYTE *out,
	CK_ULONG *out_len)
{
	return transform(WIRE_DECRYPT_UPDATE, session, part, part_len, out, out_len);
}

CK_RV
C_DecryptFinal(CK_SESSION_HANDLE session, CK_BYTE *out, CK_ULONG *out_len)
{
	return final(WIRE_DECRYPT_FINAL, session, out, out_len);
}

/* ---- digest ---- */

/* Hash functions without a parameter do not look at what stands there: PowerDNS fills in the type alone. */
CK_RV
C_DigestInit(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism)
{
	CK_MECHANISM bare;
	struct call c;

	if (mechanism == NULL)
		return call_cancel(session, CKF_DIGEST);
	bare.mechanism = mechanism->mechanism;
	bare.pParameter = NULL;
	bare.ulParameterLen = 0;
	call_session(&c, WIRE_DIGEST_INIT, session);
	call_put_mechanism(&c, param_kind(bare.mechanism) == PARAM_NONE ? &bare : mechanism);
	return begin(&c, WIRE_DIGEST_INIT);
}

CK_RV
C_Digest(CK_SESSION_HANDLE session, CK_BYTE *data, CK_ULONG data_len, CK_BYTE *out, CK_ULONG *out_len)
{
	return once(WIRE_DIGEST, WIRE_DIGEST_NOW, session, data, data_len, out, out_len);
}

CK_RV
C_DigestUpdate(CK_SESSION_HANDLE session, CK_BYTE *part, CK_ULONG part_len)
{
	return absorb(WIRE_DIGEST_UPDATE, session, part, part_len);
}

CK_RV
C_DigestKey(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key)
{
	struct call c;

	call_session(&c, WIRE_DIGEST_KEY, session);
	codec_put_ulong(&c.codec, key);
	return call_finish(&c);
}

CK_RV
C_DigestFinal(CK_SESSION_HANDLE session, CK_BYTE *out, CK_ULONG *out_len)
{
	return final(WIRE_DIGEST_FINAL, session, out, out_len);
}

/* ---- sign ---- */

CK_RV
C_SignInit(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key)
{
	return init_with_key(WIRE_SIGN_INIT, session, mechanism, key);
}

CK_RV
C_Sign(CK_SESSION_HANDLE session, CK_BYTE *data, CK_ULONG data_len, CK_BYTE *out, CK_ULONG *out_len)
{
	return once(WIRE_SIGN, WIRE_SIGN_NOW, session, data, data_len, out, out_len);
}

CK_RV
C_SignUpdate(CK_SESSION_HANDLE session, CK_BYTE *part, CK_ULONG part_len)
{
	return absorb(WIRE_SIGN_UPDATE, session, part, part_len);
}

CK_RV
C_SignFinal(CK_SESSION_HANDLE session, CK_BYTE *out, CK_ULONG *out_len)
{
	return final(WIRE_SIGN_FINAL, session, out, out_len);
}

CK_RV
C_SignRecoverInit(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key)
{
	return init_with_key(WIRE_SIGN_RECOVER_INIT, session, mechanism, key);
}

CK_RV
C_SignRecover(CK_SESSION_HANDLE session, CK_BYTE *data, CK_ULONG data_len, CK_BYTE *out,
	CK_ULONG *out_len)
{
	return transform(WIRE_SIGN_RECOVER, session, data, data_len, out, out_len);
}

/* ---- verify ---- */

CK_RV
C_VerifyInit(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key)
{
	return init_with_key(WIRE_VERIFY_INIT, session, mechanism, key);
}

CK_RV
C_Verify(CK_SESSION_HANDLE session, CK_BYTE *data, CK_ULONG data_len, CK_BYTE *signature,
	CK_ULONG signature_len)
{
	struct call c;

	call_session(&c, WIRE_VERIFY, session);
	ride_along(&c, WIRE_VERIFY, WIRE_VERIFY_NOW,
		(data != NULL || data_len == 0) && (signature != NULL || signature_len == 0) &&
			data_len <= CALL_MAX_DATA && signature_len <= CALL_MAX_DATA);
	call_put_data(&c, data, data_len);
	call_put_data(&c, signature, signature_len);
	call_finish(&c);
	return call_used(&c, CKF_VERIFY);
}

CK_RV
C_VerifyUpdate(CK_SESSION_HANDLE session, CK_BYTE *part, CK_ULONG part_len)
{
	return absorb(WIRE_VERIFY_UPDATE, session, part, part_len);
}

CK_RV
C_VerifyFinal(CK_SESSION_HANDLE session, CK_BYTE *signature, CK_ULONG signature_len)
{
	struct call c;

	call_session(&c, WIRE_VERIFY_FINAL, session);
	call_put_data(&c, signature, signature_len);
	call_finish(&c);
	return call_used(&c, CKF_VERIFY);
}

CK_RV
C_VerifyRecoverInit(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key)
{
	return init_with_key(WIRE_VERIFY_RECOVER_INIT, session, mechanism, key);
}

CK_RV
C_VerifyRecover(CK_SESSION_HANDLE session, CK_BYTE *signature, CK_ULONG signature_len, CK_BYTE *out,
	CK_ULONG *out_len)
{
	return transform(WIRE_VERIFY_RECOVER, session, signature, signature_len, out, out_len);
}

/* ---- two operations at once ---- */

CK_RV
C_DigestEncryptUpdate(CK_SESSION_HANDLE session, CK_BYTE *part, CK_ULONG part_len, CK_BYTE *out,
	CK_ULONG *out_len)
{
	return transform(WIRE_DIGEST_ENCRYPT_UPDATE, session, part, part_len, out, out_len);
}

CK_RV
C_DecryptDigestUpdate(CK_SESSION_HANDLE session, CK_BYTE *part, CK_ULONG part_len, CK_BYTE *out,
	CK_ULONG *out_len)
{
	return transform(WIRE_DECRYPT_DIGEST_UPDATE, session, part, part_len, out, out_len);
}

CK_RV
C_SignEncryptUpdate(CK_SESSION_HANDLE session, CK_BYTE *part, CK_ULONG part_len, CK_BYTE *out,
	CK_ULONG *out_len)
{
	return transform(WIRE_SIGN_ENCRYPT_UPDATE, session, part, part_len, out, out_len);
}

CK_RV
C_DecryptVerifyUpdate(CK_SESSION_HANDLE session, CK_BYTE *part, CK_ULONG part_len, CK_BYTE *out,
	CK_ULONG *out_len)
{
	return transform(WIRE_DECRYPT_VERIFY_UPDATE, session, part, part_len, out, out_len);
}
