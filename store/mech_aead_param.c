/* The parameters of the authenticated ciphers in all their forms (PKCS#11 3.1 and 3.2, 6.13 and 6.61). */
#include <limits.h>
#include <string.h>

#include "aead.h"
#include "mech_variant.h"

#define GCM_TAG_MIN_BITS 32
#define CCM_NONCE_MIN 7
#define CCM_NONCE_MAX 13
#define CHACHA_NONCE 12 /* RFC 8439; the forms with 8 and 24 bytes are other functions */
#define CHACHA_TAG 16

/* ---- reading: structures to one struct ---- */

/* ulIvBits of CK_GCM_PARAMS is not looked at: clients leave it 0, or set what they like. */
static bool
read_gcm(struct aead *a, enum aead_form form, const void *param, CK_ULONG len, CK_ULONG *tag_bits)
{
	const CK_GCM_PARAMS *plain = param;
	const CK_GCM_WRAP_PARAMS *wrap = param;
	const CK_GCM_MESSAGE_PARAMS *message = param;

	if (form == AEAD_MESSAGE && len == sizeof(*message)) {
		*a = (struct aead){.nonce = message->pIv, .nonce_len = message->ulIvLen,
			.generator = message->ivGenerator, .fixed_bits = message->ulIvFixedBits,
			.tag = message->pTag};
		*tag_bits = message->ulTagBits;
	} else if (form == AEAD_WRAP && len == sizeof(*wrap)) {
		*a = (struct aead){.nonce = wrap->pIv, .nonce_len = wrap->ulIvLen, .generator = wrap->ivGenerator,
			.fixed_bits = wrap->ulIvFixedBits, .aad = wrap->pAAD, .aad_len = wrap->ulAADLen};
		*tag_bits = wrap->ulTagBits;
	} else if (form != AEAD_MESSAGE && len == sizeof(*plain)) {
		*a = (struct aead){.nonce = plain->pIv, .nonce_len = plain->ulIvLen, .aad = plain->pAAD,
			.aad_len = plain->ulAADLen};
		*tag_bits = plain->ulTagBits;
	} else {
		return false;
	}
	return true;
}

static bool
read_ccm(struct aead *a, enum aead_form form, const void *param, CK_ULONG len)
{
	const CK_CCM_PARAMS *plain = param;
	const CK_CCM_WRAP_PARAMS *wrap = param;
	const CK_CCM_MESSAGE_PARAMS *message = param;

	if (form == AEAD_MESSAGE && len == sizeof(*message))
		*a = (struct aead){.nonce = message->pNonce, .nonce_len = message->ulNonceLen,
			.generator = message->nonceGenerator, .fixed_bits = message->ulNonceFixedBits,
			.tag = message->pMAC, .tag_len = message->ulMACLen, .data_len = message->ulDataLen};
	else if (form == AEAD_WRAP && len == sizeof(*wrap))
		*a = (struct aead){.nonce = wrap->pNonce, .nonce_len = wrap->ulNonceLen,
			.generator = wrap->nonceGenerator, .fixed_bits = wrap->ulNonceFixedBits,
			.tag_len = wrap->ulMACLen, .aad = wrap->pAAD, .aad_len = wrap->ulAADLen};
	else if (form != AEAD_MESSAGE && len == sizeof(*plain))
		*a = (struct aead){.nonce = plain->pNonce, .nonce_len = plain->ulNonceLen, .tag_len = plain->ulMACLen,
			.aad = plain->pAAD, .aad_len = plain->ulAADLen, .data_len = plain->ulDataLen};
	else
		return false;
	a->sized = form != AEAD_WRAP; /* 3.2 6.13.5: a wrapped key has the length it has */
	return true;
}

/* No generators: the nonce is always the caller's. */
static bool
read_chacha(struct aead *a, enum aead_form form, const void *param, CK_ULONG len)
{
	const CK_SALSA20_CHACHA20_POLY1305_PARAMS *plain = param;
	const CK_SALSA20_CHACHA20_POLY1305_MSG_PARAMS *message = param;

	if (form == AEAD_MESSAGE && len == sizeof(*message))
		*a = (struct aead){.nonce = message->pNonce, .nonce_len = CK_NONCE_BYTES(message->ulNonceLen),
			.tag = message->pTag};
	else if (form != AEAD_MESSAGE && len == sizeof(*plain))
		*a = (struct aead){.nonce = plain->pNonce, .nonce_len = CK_NONCE_BYTES(plain->ulNonceLen),
			.aad = plain->pAAD, .aad_len = plain->ulAADLen};
	else
		return false;
	a->tag_len = CHACHA_TAG;
	return true;
}

/* ---- checking ---- */

static CK_RV
check_gcm(struct aead *a, CK_ULONG tag_bits)
{
	if (a->nonce == NULL || a->nonce_len < 1 || a->nonce_len > NONCE_MAX)
		return mech_bad_param("the IV of GCM has 1 to 128 bytes");
	if (tag_bits < GCM_TAG_MIN_BITS || tag_bits > 128 || tag_bits % 8 != 0)
		return mech_bad_param("the tag of GCM has 32 to 128 bits");
	a->tag_len = tag_bits / 8;
	return CKR_OK;
}

static CK_RV
check_ccm(const struct aead *a)
{
	if (a->nonce == NULL || a->nonce_len < CCM_NONCE_MIN || a->nonce_len > CCM_NONCE_MAX)
		return mech_bad_param("the nonce of CCM has 7 to 13 bytes");
	if (a->tag_len < 4 || a->tag_len > 16 || a->tag_len % 2 != 0)
		return mech_bad_param("the MAC of CCM has 4, 6, 8, 10, 12, 14 or 16 bytes");
	/* SP 800-38C A.1: as many bytes are left for the length as the nonce does not take */
	if (a->sized && a->nonce_len > 7 && a->data_len >> (8 * (15 - a->nonce_len)) != 0)
		return mech_bad_param("CCM with a nonce so long cannot take so much data");
	return CKR_OK;
}

static CK_RV
check_common(const struct aead *a)
{
	if (a->generator > CKG_GENERATE_COUNTER_XOR)
		return mech_bad_param("the generator of nonces is not known");
	if (a->generator != CKG_NO_GENERATE && a->fixed_bits >= 8 * a->nonce_len)
		return mech_bad_param("the fixed bits leave nothing of the nonce to be generated");
	if ((a->aad == NULL && a->aad_len > 0) || a->aad_len > INT_MAX)
		return mech_bad_param("additional data");
	return CKR_OK;
}

CK_RV
aead_read(struct aead *a, int variant, enum aead_form form, const void *param, CK_ULONG len)
{
	CK_ULONG tag_bits = 0;
	bool ok;
	CK_RV rv = CKR_OK;

	memset(a, 0, sizeof(*a));
	if (param == NULL)
		return mech_bad_param("the mechanism needs one");
	ok = variant == AEAD_GCM ? read_gcm(a, form, param, len, &tag_bits) :
		variant == AEAD_CCM ? read_ccm(a, form, param, len) : read_chacha(a, form, param, len);
	if (!ok)
		return mech_bad_param("not the structure that this call takes");
	if (variant == AEAD_GCM)
		rv = check_gcm(a, tag_bits);
	else if (variant == AEAD_CCM)
		rv = check_ccm(a);
	else if (a->nonce == NULL || a->nonce_len != CHACHA_NONCE)
		rv = mech_bad_param("the nonce of ChaCha20-Poly1305 has 96 bits");
	return rv == CKR_OK ? check_common(a) : rv;
}
