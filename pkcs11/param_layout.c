/* One layout per structure, in the order of the kinds (names.h). */
#include "param_layout.h"

#define ULONG_AT(s, f) {FIELD_ULONG, offsetof(s, f)}
#define HANDLE_AT(s, f) {FIELD_HANDLE, offsetof(s, f)}
#define BOOL_AT(s, f) {FIELD_BOOL, offsetof(s, f)}
#define ARRAY_AT(s, f) {FIELD_ARRAY, offsetof(s, f), sizeof(((s *)NULL)->f)}
#define DATA_AT(s, p, n) {FIELD_DATA, offsetof(s, p), offsetof(s, n)}
#define BITS_AT(s, p, n) {FIELD_BITS, offsetof(s, p), offsetof(s, n)}
#define NONCE_AT(s, p, n) {FIELD_NONCE, offsetof(s, p), offsetof(s, n)}
#define FLOWING(t, s, p, n, flow) {t, offsetof(s, p), offsetof(s, n), flow}
#define POINTED_AT(s, p, size, flow) {FIELD_POINTED, offsetof(s, p), size, flow}
#define LIST_AT(s, p, n, inner) {FIELD_LIST, offsetof(s, p), offsetof(s, n), FLOW_IN, &inner}
#define STRUCT_AT(s, p, inner) {FIELD_STRUCT, offsetof(s, p), 0, FLOW_IN, inner}

/* ---- what stands inside others ---- */

static const struct layout counter_format = {sizeof(CK_SP800_108_COUNTER_FORMAT), false, PARAM_NONE, false, {
	BOOL_AT(CK_SP800_108_COUNTER_FORMAT, bLittleEndian),
	ULONG_AT(CK_SP800_108_COUNTER_FORMAT, ulWidthInBits)}};

static const struct layout dkm_length_format = {sizeof(CK_SP800_108_DKM_LENGTH_FORMAT), false, PARAM_NONE, false, {
	ULONG_AT(CK_SP800_108_DKM_LENGTH_FORMAT, dkmLengthMethod),
	BOOL_AT(CK_SP800_108_DKM_LENGTH_FORMAT, bLittleEndian),
	ULONG_AT(CK_SP800_108_DKM_LENGTH_FORMAT, ulWidthInBits)}};

static const struct layout one_ulong = {sizeof(CK_ULONG), false, PARAM_NONE, false, {{FIELD_ULONG, 0}}};
static const struct layout one_handle = {sizeof(CK_OBJECT_HANDLE), false, PARAM_NONE, false, {{FIELD_HANDLE, 0}}};

static const struct form prf_data_forms[] = {
	{CK_SP800_108_ITERATION_VARIABLE, &counter_format}, /* nothing, for all but the counter mode */
	{CK_SP800_108_COUNTER, &counter_format},
	{CK_SP800_108_DKM_LENGTH, &dkm_length_format},
	{CK_SP800_108_KEY_HANDLE, &one_handle},
	{0, NULL},
};

static const struct layout prf_data = {sizeof(CK_PRF_DATA_PARAM), false, PARAM_NONE, false, {
	ULONG_AT(CK_PRF_DATA_PARAM, type),
	{FIELD_FORMED, offsetof(CK_PRF_DATA_PARAM, pValue), offsetof(CK_PRF_DATA_PARAM, ulValueLen), FLOW_IN, NULL,
		prf_data_forms}}};

static const struct layout derived_key = {sizeof(CK_DERIVED_KEY), false, PARAM_NONE, true, {
	{FIELD_TEMPLATE, offsetof(CK_DERIVED_KEY, pTemplate), offsetof(CK_DERIVED_KEY, ulAttributeCount)},
	{FIELD_RESULT_AT, offsetof(CK_DERIVED_KEY, phKey)}}};

static const struct layout key_mat_out = {sizeof(CK_SSL3_KEY_MAT_OUT), false, PARAM_NONE, true, {
	{FIELD_RESULT, offsetof(CK_SSL3_KEY_MAT_OUT, hClientMacSecret)},
	{FIELD_RESULT, offsetof(CK_SSL3_KEY_MAT_OUT, hServerMacSecret)},
	{FIELD_RESULT, offsetof(CK_SSL3_KEY_MAT_OUT, hClientKey)},
	{FIELD_RESULT, offsetof(CK_SSL3_KEY_MAT_OUT, hServerKey)},
	{FIELD_ROOM, offsetof(CK_SSL3_KEY_MAT_OUT, pIVClient), offsetof(CK_TLS12_KEY_MAT_PARAMS, ulIVSizeInBits)},
	{FIELD_ROOM, offsetof(CK_SSL3_KEY_MAT_OUT, pIVServer), offsetof(CK_TLS12_KEY_MAT_PARAMS, ulIVSizeInBits)}}};

static const struct form otp_forms[] = {
	{CK_OTP_FLAGS, &one_ulong},
	{CK_OTP_OUTPUT_LENGTH, &one_ulong},
	{CK_OTP_OUTPUT_FORMAT, &one_ulong},
	{0, NULL},
};

static const struct layout otp_param = {sizeof(CK_OTP_PARAM), false, PARAM_NONE, false, {
	ULONG_AT(CK_OTP_PARAM, type),
	{FIELD_FORMED, offsetof(CK_OTP_PARAM, pValue), offsetof(CK_OTP_PARAM, ulValueLen), FLOW_IN, NULL, otp_forms}}};

#define RANDOMS_OF(s) \
	DATA_AT(s, RandomInfo.pClientRandom, RandomInfo.ulClientRandomLen), \
	DATA_AT(s, RandomInfo.pServerRandom, RandomInfo.ulServerRandomLen)

/* ---- the parameters ---- */

const struct layout param_layouts[PARAM_KINDS] = {
	[PARAM_RSA_OAEP] = {sizeof(CK_RSA_PKCS_OAEP_PARAMS), false, PARAM_NONE, false, {
		ULONG_AT(CK_RSA_PKCS_OAEP_PARAMS, hashAlg),
		ULONG_AT(CK_RSA_PKCS_OAEP_PARAMS, mgf),
		ULONG_AT(CK_RSA_PKCS_OAEP_PARAMS, source),
		DATA_AT(CK_RSA_PKCS_OAEP_PARAMS, pSourceData, ulSourceDataLen)}},
	[PARAM_RSA_PSS] = {sizeof(CK_RSA_PKCS_PSS_PARAMS), false, PARAM_NONE, false, {
		ULONG_AT(CK_RSA_PKCS_PSS_PARAMS, hashAlg),
		ULONG_AT(CK_RSA_PKCS_PSS_PARAMS, mgf),
		ULONG_AT(CK_RSA_PKCS_PSS_PARAMS, sLen)}},
	[PARAM_AES_CTR] = {sizeof(CK_AES_CTR_PARAMS), false, PARAM_NONE, false, {
		ULONG_AT(CK_AES_CTR_PARAMS, ulCounterBits),
		ARRAY_AT(CK_AES_CTR_PARAMS, cb)}},
	[PARAM_GCM] = {sizeof(CK_GCM_PARAMS), true, PARAM_GCM_WRAP, false, {
		DATA_AT(CK_GCM_PARAMS, pIv, ulIvLen),
		ULONG_AT(CK_GCM_PARAMS, ulIvBits),
		DATA_AT(CK_GCM_PARAMS, pAAD, ulAADLen),
		ULONG_AT(CK_GCM_PARAMS, ulTagBits)}},
	[PARAM_ECDH1] = {sizeof(CK_ECDH1_DERIVE_PARAMS), false, PARAM_NONE, false, {
		ULONG_AT(CK_ECDH1_DERIVE_PARAMS, kdf),
		DATA_AT(CK_ECDH1_DERIVE_PARAMS, pSharedData, ulSharedDataLen),
		DATA_AT(CK_ECDH1_DERIVE_PARAMS, pPublicData, ulPublicDataLen)}},
	[PARAM_EDDSA] = {sizeof(struct ck_eddsa_parameters), true, PARAM_NONE, false, {
		BOOL_AT(struct ck_eddsa_parameters, phFlag),
		DATA_AT(struct ck_eddsa_parameters, pContextData, ulContextDataLen)}},
	[PARAM_STRING] = {sizeof(CK_KEY_DERIVATION_STRING_DATA), false, PARAM_NONE, false, {
		DATA_AT(CK_KEY_DERIVATION_STRING_DATA, pData, ulLen)}},
	[PARAM_CBC_DATA] = {sizeof(CK_AES_CBC_ENCRYPT_DATA_PARAMS), false, PARAM_NONE, false, {
		ARRAY_AT(CK_AES_CBC_ENCRYPT_DATA_PARAMS, iv),
		DATA_AT(CK_AES_CBC_ENCRYPT_DATA_PARAMS, pData, length)}},
	[PARAM_DES_CBC_DATA] = {sizeof(CK_DES_CBC_ENCRYPT_DATA_PARAMS), false, PARAM_NONE, false, {
		ARRAY_AT(CK_DES_CBC_ENCRYPT_DATA_PARAMS, iv),
		DATA_AT(CK_DES_CBC_ENCRYPT_DATA_PARAMS, pData, length)}},
	[PARAM_HANDLE] = {sizeof(CK_OBJECT_HANDLE), false, PARAM_NONE, false, {{FIELD_HANDLE, 0}}},
	[PARAM_CCM] = {sizeof(CK_CCM_PARAMS), true, PARAM_CCM_WRAP, false, {
		ULONG_AT(CK_CCM_PARAMS, ulDataLen),
		DATA_AT(CK_CCM_PARAMS, pNonce, ulNonceLen),
		DATA_AT(CK_CCM_PARAMS, pAAD, ulAADLen),
		ULONG_AT(CK_CCM_PARAMS, ulMACLen)}},
	[PARAM_GCM_WRAP] = {sizeof(CK_GCM_WRAP_PARAMS), false, PARAM_NONE, true, {
		FLOWING(FIELD_DATA, CK_GCM_WRAP_PARAMS, pIv, ulIvLen, FLOW_IN_OUT),
		ULONG_AT(CK_GCM_WRAP_PARAMS, ulIvFixedBits),
		ULONG_AT(CK_GCM_WRAP_PARAMS, ivGenerator),
		DATA_AT(CK_GCM_WRAP_PARAMS, pAAD, ulAADLen),
		ULONG_AT(CK_GCM_WRAP_PARAMS, ulTagBits)}},
	[PARAM_CCM_WRAP] = {sizeof(CK_CCM_WRAP_PARAMS), false, PARAM_NONE, true, {
		ULONG_AT(CK_CCM_WRAP_PARAMS, ulDataLen),
		FLOWING(FIELD_DATA, CK_CCM_WRAP_PARAMS, pNonce, ulNonceLen, FLOW_IN_OUT),
		ULONG_AT(CK_CCM_WRAP_PARAMS, ulNonceFixedBits),
		ULONG_AT(CK_CCM_WRAP_PARAMS, nonceGenerator),
		DATA_AT(CK_CCM_WRAP_PARAMS, pAAD, ulAADLen),
		ULONG_AT(CK_CCM_WRAP_PARAMS, ulMACLen)}},
	[PARAM_CHACHA20] = {sizeof(CK_CHACHA20_PARAMS), false, PARAM_NONE, false, {
		BITS_AT(CK_CHACHA20_PARAMS, pBlockCounter, blockCounterBits),
		BITS_AT(CK_CHACHA20_PARAMS, pNonce, ulNonceBits)}},
	[PARAM_CHACHA20_POLY1305] = {sizeof(CK_SALSA20_CHACHA20_POLY1305_PARAMS), true, PARAM_NONE, false, {
		NONCE_AT(CK_SALSA20_CHACHA20_POLY1305_PARAMS, pNonce, ulNonceLen),
		DATA_AT(CK_SALSA20_CHACHA20_POLY1305_PARAMS, pAAD, ulAADLen)}},
	[PARAM_GCM_MESSAGE] = {sizeof(CK_GCM_MESSAGE_PARAMS), false, PARAM_NONE, true, {
		FLOWING(FIELD_DATA, CK_GCM_MESSAGE_PARAMS, pIv, ulIvLen, FLOW_IN_OUT),
		ULONG_AT(CK_GCM_MESSAGE_PARAMS, ulIvFixedBits),
		ULONG_AT(CK_GCM_MESSAGE_PARAMS, ivGenerator),
		FLOWING(FIELD_BITS, CK_GCM_MESSAGE_PARAMS, pTag, ulTagBits, FLOW_TAG)}},
	[PARAM_CCM_MESSAGE] = {sizeof(CK_CCM_MESSAGE_PARAMS), false, PARAM_NONE, true, {
		ULONG_AT(CK_CCM_MESSAGE_PARAMS, ulDataLen),
		FLOWING(FIELD_DATA, CK_CCM_MESSAGE_PARAMS, pNonce, ulNonceLen, FLOW_IN_OUT),
		ULONG_AT(CK_CCM_MESSAGE_PARAMS, ulNonceFixedBits),
		ULONG_AT(CK_CCM_MESSAGE_PARAMS, nonceGenerator),
		FLOWING(FIELD_DATA, CK_CCM_MESSAGE_PARAMS, pMAC, ulMACLen, FLOW_TAG)}},
	[PARAM_CHACHA20_POLY1305_MESSAGE] = {sizeof(CK_SALSA20_CHACHA20_POLY1305_MSG_PARAMS), false, PARAM_NONE, true, {
		FLOWING(FIELD_NONCE, CK_SALSA20_CHACHA20_POLY1305_MSG_PARAMS, pNonce, ulNonceLen, FLOW_IN_OUT),
		POINTED_AT(CK_SALSA20_CHACHA20_POLY1305_MSG_PARAMS, pTag, 16, FLOW_TAG)}},
	[PARAM_HKDF] = {sizeof(CK_HKDF_PARAMS), false, PARAM_NONE, false, {
		BOOL_AT(CK_HKDF_PARAMS, bExtract),
		BOOL_AT(CK_HKDF_PARAMS, bExpand),
		ULONG_AT(CK_HKDF_PARAMS, prfHashMechanism),
		ULONG_AT(CK_HKDF_PARAMS, ulSaltType),
		{FIELD_DATA, offsetof(CK_HKDF_PARAMS, pSalt), offsetof(CK_HKDF_PARAMS, ulSaltLen), FLOW_IN, NULL, NULL,
			offsetof(CK_HKDF_PARAMS, ulSaltType), CKF_HKDF_SALT_DATA},
		{FIELD_HANDLE, offsetof(CK_HKDF_PARAMS, hSaltKey), 0, FLOW_IN, NULL, NULL,
			offsetof(CK_HKDF_PARAMS, ulSaltType), CKF_HKDF_SALT_KEY},
		DATA_AT(CK_HKDF_PARAMS, pInfo, ulInfoLen)}},
	[PARAM_PBKD2] = {sizeof(CK_PKCS5_PBKD2_PARAMS2), false, PARAM_NONE, false, {
		ULONG_AT(CK_PKCS5_PBKD2_PARAMS2, saltSource),
		DATA_AT(CK_PKCS5_PBKD2_PARAMS2, pSaltSourceData, ulSaltSourceDataLen),
		ULONG_AT(CK_PKCS5_PBKD2_PARAMS2, iterations),
		ULONG_AT(CK_PKCS5_PBKD2_PARAMS2, prf),
		DATA_AT(CK_PKCS5_PBKD2_PARAMS2, pPrfData, ulPrfDataLen),
		{FIELD_PASSWORD, offsetof(CK_PKCS5_PBKD2_PARAMS2, pPassword),
			offsetof(CK_PKCS5_PBKD2_PARAMS2, ulPasswordLen)}}},
	[PARAM_SP800_108] = {sizeof(CK_SP800_108_KDF_PARAMS), false, PARAM_NONE, true, {
		ULONG_AT(CK_SP800_108_KDF_PARAMS, prfType),
		LIST_AT(CK_SP800_108_KDF_PARAMS, pDataParams, ulNumberOfDataParams, prf_data),
		LIST_AT(CK_SP800_108_KDF_PARAMS, pAdditionalDerivedKeys, ulAdditionalDerivedKeys, derived_key)}},
	[PARAM_SP800_108_FEEDBACK] = {sizeof(CK_SP800_108_FEEDBACK_KDF_PARAMS), false, PARAM_NONE, true, {
		ULONG_AT(CK_SP800_108_FEEDBACK_KDF_PARAMS, prfType),
		LIST_AT(CK_SP800_108_FEEDBACK_KDF_PARAMS, pDataParams, ulNumberOfDataParams, prf_data),
		DATA_AT(CK_SP800_108_FEEDBACK_KDF_PARAMS, pIV, ulIVLen),
		LIST_AT(CK_SP800_108_FEEDBACK_KDF_PARAMS, pAdditionalDerivedKeys, ulAdditionalDerivedKeys,
			derived_key)}},
	[PARAM_TLS12_MASTER] = {sizeof(CK_TLS12_MASTER_KEY_DERIVE_PARAMS), false, PARAM_NONE, true, {
		RANDOMS_OF(CK_TLS12_MASTER_KEY_DERIVE_PARAMS),
		POINTED_AT(CK_TLS12_MASTER_KEY_DERIVE_PARAMS, pVersion, sizeof(CK_VERSION), FLOW_IN_OUT),
		ULONG_AT(CK_TLS12_MASTER_KEY_DERIVE_PARAMS, prfHashMechanism)}},
	[PARAM_TLS12_EXTENDED_MASTER] = {sizeof(CK_TLS12_EXTENDED_MASTER_KEY_DERIVE_PARAMS), false, PARAM_NONE, true, {
		ULONG_AT(CK_TLS12_EXTENDED_MASTER_KEY_DERIVE_PARAMS, prfHashMechanism),
		DATA_AT(CK_TLS12_EXTENDED_MASTER_KEY_DERIVE_PARAMS, pSessionHash, ulSessionHashLen),
		POINTED_AT(CK_TLS12_EXTENDED_MASTER_KEY_DERIVE_PARAMS, pVersion, sizeof(CK_VERSION), FLOW_IN_OUT)}},
	[PARAM_TLS12_KEY_MAT] = {sizeof(CK_TLS12_KEY_MAT_PARAMS), false, PARAM_NONE, true, {
		ULONG_AT(CK_TLS12_KEY_MAT_PARAMS, ulMacSizeInBits),
		ULONG_AT(CK_TLS12_KEY_MAT_PARAMS, ulKeySizeInBits),
		ULONG_AT(CK_TLS12_KEY_MAT_PARAMS, ulIVSizeInBits),
		BOOL_AT(CK_TLS12_KEY_MAT_PARAMS, bIsExport),
		RANDOMS_OF(CK_TLS12_KEY_MAT_PARAMS),
		STRUCT_AT(CK_TLS12_KEY_MAT_PARAMS, pReturnedKeyMaterial, &key_mat_out),
		ULONG_AT(CK_TLS12_KEY_MAT_PARAMS, prfHashMechanism)}},
	[PARAM_TLS_KDF] = {sizeof(CK_TLS_KDF_PARAMS), false, PARAM_NONE, false, {
		ULONG_AT(CK_TLS_KDF_PARAMS, prfMechanism),
		DATA_AT(CK_TLS_KDF_PARAMS, pLabel, ulLabelLength),
		RANDOMS_OF(CK_TLS_KDF_PARAMS),
		DATA_AT(CK_TLS_KDF_PARAMS, pContextData, ulContextDataLength)}},
	[PARAM_TLS_MAC] = {sizeof(CK_TLS_MAC_PARAMS), false, PARAM_NONE, false, {
		ULONG_AT(CK_TLS_MAC_PARAMS, prfHashMechanism),
		ULONG_AT(CK_TLS_MAC_PARAMS, ulMacLength),
		ULONG_AT(CK_TLS_MAC_PARAMS, ulServerOrClient)}},
	[PARAM_RSA_AES_WRAP] = {sizeof(CK_RSA_AES_KEY_WRAP_PARAMS), false, PARAM_NONE, false, {
		ULONG_AT(CK_RSA_AES_KEY_WRAP_PARAMS, ulAESKeyBits),
		STRUCT_AT(CK_RSA_AES_KEY_WRAP_PARAMS, pOAEPParams, &param_layouts[PARAM_RSA_OAEP])}},
	[PARAM_ECDH_AES_WRAP] = {sizeof(CK_ECDH_AES_KEY_WRAP_PARAMS), false, PARAM_NONE, false, {
		ULONG_AT(CK_ECDH_AES_KEY_WRAP_PARAMS, ulAESKeyBits),
		ULONG_AT(CK_ECDH_AES_KEY_WRAP_PARAMS, kdf),
		DATA_AT(CK_ECDH_AES_KEY_WRAP_PARAMS, pSharedData, ulSharedDataLen)}},
	[PARAM_SIGN_CONTEXT] = {sizeof(CK_SIGN_ADDITIONAL_CONTEXT), true, PARAM_NONE, false, {
		ULONG_AT(CK_SIGN_ADDITIONAL_CONTEXT, hedgeVariant),
		DATA_AT(CK_SIGN_ADDITIONAL_CONTEXT, pContext, ulContextLen)}},
	[PARAM_HASH_SIGN_CONTEXT] = {sizeof(CK_HASH_SIGN_ADDITIONAL_CONTEXT), false, PARAM_NONE, false, {
		ULONG_AT(CK_HASH_SIGN_ADDITIONAL_CONTEXT, hedgeVariant),
		DATA_AT(CK_HASH_SIGN_ADDITIONAL_CONTEXT, pContext, ulContextLen),
		ULONG_AT(CK_HASH_SIGN_ADDITIONAL_CONTEXT, hash)}},
	[PARAM_OTP] = {sizeof(CK_OTP_PARAMS), true, PARAM_NONE, false, {
		LIST_AT(CK_OTP_PARAMS, pParams, ulCount, otp_param)}},
};

/* ---- reading a layout ---- */

bool
field_is_looked_at(const struct field *f, const uint8_t *s)
{
	return f->is == 0 || load_ulong(s + f->when) == f->is;
}

size_t
field_bytes(const struct field *f, CK_ULONG len)
{
	switch (f->type) {
	case FIELD_POINTED:
		return f->second;
	case FIELD_BITS:
	case FIELD_ROOM:
		return len / 8 + (len % 8 != 0);
	case FIELD_NONCE:
		return CK_NONCE_BYTES(len);
	default:
		return len;
	}
}

CK_ULONG
field_length(const struct field *f, const uint8_t *s, const uint8_t *above)
{
	if (f->type == FIELD_POINTED)
		return 0;
	return load_ulong((f->type == FIELD_ROOM ? above : s) + f->second);
}

bool
field_length_travels(const struct field *f, bool room)
{
	return f->type == FIELD_BITS || f->type == FIELD_NONCE || (room && f->type == FIELD_DATA);
}

const struct layout *
field_form(const struct field *f, const uint8_t *s)
{
	for (const struct form *form = f->forms; form->layout != NULL; form++)
		if (form->selector == load_ulong(s))
			return form->layout;
	return NULL;
}
