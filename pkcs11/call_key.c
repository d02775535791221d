/* Keys and random numbers: PKCS#11 3.1 5.13 and 5.14. */
#include "export.h"
#include "call.h"

#include <string.h>

#define RANDOM_PIECE (16000u) /* what one ioctl carries */

CK_RV
C_GenerateKey(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_ATTRIBUTE *template,
	CK_ULONG count, CK_OBJECT_HANDLE *key)
{
	struct call c;

	call_session(&c, WIRE_GENERATE_KEY, session);
	call_need(&c, key != NULL);
	call_put_mechanism(&c, mechanism);
	call_put_template(&c, template, count);
	if (call_send(&c, CALL_ULONG))
		codec_get_ulong(&c.codec, key);
	return call_end(&c);
}

CK_RV
C_GenerateKeyPair(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_ATTRIBUTE *public_template,
	CK_ULONG public_count, CK_ATTRIBUTE *private_template, CK_ULONG private_count,
	CK_OBJECT_HANDLE *public_key, CK_OBJECT_HANDLE *private_key)
{
	struct call c;

	call_session(&c, WIRE_GENERATE_KEY_PAIR, session);
	call_need(&c, public_key != NULL && private_key != NULL);
	call_put_mechanism(&c, mechanism);
	call_put_template(&c, public_template, public_count);
	call_put_template(&c, private_template, private_count);
	if (call_send(&c, 2 * CALL_ULONG)) {
		codec_get_ulong(&c.codec, public_key);
		codec_get_ulong(&c.codec, private_key);
	}
	return call_end(&c);
}

CK_RV
C_DeriveKey(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE base,
	CK_ATTRIBUTE *template, CK_ULONG count, CK_OBJECT_HANDLE *key)
{
	bool outputs = mechanism != NULL && param_has_outputs(mechanism);
	bool answer = !outputs || param_kind(mechanism->mechanism) != PARAM_TLS12_KEY_MAT;
	CK_OBJECT_HANDLE h;
	struct call c;

	call_session(&c, outputs ? WIRE_DERIVE_KEYS : WIRE_DERIVE_KEY, session);
	call_need(&c, key != NULL || !answer);
	call_put_mechanism(&c, mechanism);
	if (c.rv == CKR_OK)
		codec_put_ulong(&c.codec, base);
	call_put_template(&c, template, count);
	if (call_send(&c, outputs ? CALL_ULONG + CALL_OUTPUT(200) : CALL_ULONG)) {
		codec_get_ulong(&c.codec, &h);
		if (outputs)
			codec_get_outputs(&c.codec, mechanism);
		if (c.codec.rv == CKR_OK && key != NULL)
			*key = h;
	}
	return call_end(&c);
}

CK_RV
C_SeedRandom(CK_SESSION_HANDLE session, CK_BYTE *seed, CK_ULONG seed_len)
{
	struct call c;

	call_session(&c, WIRE_SEED_RANDOM, session);
	call_put_data(&c, seed, seed_len);
	return call_finish(&c);
}

static CK_RV
random_piece(CK_SESSION_HANDLE session, CK_BYTE *out, CK_ULONG len)
{
	struct call c;
	const uint8_t *data;
	size_t n;

	call_session(&c, WIRE_GENERATE_RANDOM, session);
	codec_put_ulong(&c.codec, len);
	if (call_send(&c, CALL_OUTPUT(len)) && codec_get_bytes(&c.codec, &data, &n)) {
		if (n != len)
			call_fail(&c, CKR_DEVICE_ERROR);
		else if (n > 0)
			memcpy(out, data, n);
	}
	return call_end(&c);
}

CK_RV
C_GenerateRandom(CK_SESSION_HANDLE session, CK_BYTE *out, CK_ULONG len)
{
	struct call c;
	CK_ULONG done = 0;
	CK_RV rv;

	if (out == NULL && len > 0) {
		call_session(&c, WIRE_GENERATE_RANDOM, session);
		call_need(&c, false);
		return call_end(&c);
	}
	do {
		CK_ULONG piece = len - done < RANDOM_PIECE ? len - done : RANDOM_PIECE;

		rv = random_piece(session, out + done, piece);
		done += piece;
	} while (rv == CKR_OK && done < len);
	return rv;
}
