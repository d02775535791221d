/*
 * ck_params.h - the structures of mechanism parameters, as PKCS#11 3.1 and 3.2 have them
 *
 * p11-kit's headers differ in which of them they have, and a type's name cannot be asked for with #ifndef. So each
 * stands here under a tag of our own, and the standard's name is a macro for it that hides whatever the header says.
 */
#ifndef TOKENFS_CK_PARAMS_H
#define TOKENFS_CK_PARAMS_H

/* ---- authenticated encryption, 6.13: inits, messages, key wrapping ---- */

struct ck_ccm_parameters {
	CK_ULONG ulDataLen; /* of the plain text */
	unsigned char *pNonce;
	CK_ULONG ulNonceLen;
	unsigned char *pAAD;
	CK_ULONG ulAADLen;
	CK_ULONG ulMACLen;
};
#define CK_CCM_PARAMS struct ck_ccm_parameters

struct ck_gcm_message_parameters {
	unsigned char *pIv; /* in, and out if it is generated */
	CK_ULONG ulIvLen;
	CK_ULONG ulIvFixedBits;
	CK_ULONG ivGenerator; /* CKG_NO_GENERATE ... */
	unsigned char *pTag;  /* out when encrypting */
	CK_ULONG ulTagBits;
};
#define CK_GCM_MESSAGE_PARAMS struct ck_gcm_message_parameters

struct ck_ccm_message_parameters {
	CK_ULONG ulDataLen;
	unsigned char *pNonce;
	CK_ULONG ulNonceLen;
	CK_ULONG ulNonceFixedBits;
	CK_ULONG nonceGenerator;
	unsigned char *pMAC;
	CK_ULONG ulMACLen;
};
#define CK_CCM_MESSAGE_PARAMS struct ck_ccm_message_parameters

struct ck_gcm_wrap_parameters {
	unsigned char *pIv;
	CK_ULONG ulIvLen;
	CK_ULONG ulIvFixedBits;
	CK_ULONG ivGenerator;
	unsigned char *pAAD;
	CK_ULONG ulAADLen;
	CK_ULONG ulTagBits;
};
#define CK_GCM_WRAP_PARAMS struct ck_gcm_wrap_parameters

struct ck_ccm_wrap_parameters {
	CK_ULONG ulDataLen;
	unsigned char *pNonce;
	CK_ULONG ulNonceLen;
	CK_ULONG ulNonceFixedBits;
	CK_ULONG nonceGenerator;
	unsigned char *pAAD;
	CK_ULONG ulAADLen;
	CK_ULONG ulMACLen;
};
#define CK_CCM_WRAP_PARAMS struct ck_ccm_wrap_parameters

struct ck_chacha20_parameters {
	unsigned char *pBlockCounter;
	CK_ULONG blockCounterBits; /* 32 or 64 */
	unsigned char *pNonce;
	CK_ULONG ulNonceBits; /* 64 or 96 */
};
#define CK_CHACHA20_PARAMS struct ck_chacha20_parameters

/* 6.61 counts ulNonceLen in bits, many programs in bytes. Since no nonce is shorter than 64 bits or longer than
 * 24 bytes, 64 and more are bits. */
#define CK_NONCE_BYTES(len) ((len) >= 64 ? (len) / 8 : (len))

struct ck_chacha20_poly1305_parameters {
	unsigned char *pNonce;
	CK_ULONG ulNonceLen;
	unsigned char *pAAD;
	CK_ULONG ulAADLen;
};
#define CK_SALSA20_CHACHA20_POLY1305_PARAMS struct ck_chacha20_poly1305_parameters

struct ck_chacha20_poly1305_message_parameters {
	unsigned char *pNonce;
	CK_ULONG ulNonceLen;
	unsigned char *pTag; /* 16 bytes */
};
#define CK_SALSA20_CHACHA20_POLY1305_MSG_PARAMS struct ck_chacha20_poly1305_message_parameters

/* ---- key derivation, 6.62 HKDF, 6.42 SP 800-108, 6.34 PBKDF2 ---- */

struct ck_hkdf_parameters {
	CK_BBOOL bExtract;
	CK_BBOOL bExpand;
	CK_MECHANISM_TYPE prfHashMechanism;
	CK_ULONG ulSaltType; /* CKF_HKDF_SALT_... */
	unsigned char *pSalt;
	CK_ULONG ulSaltLen;
	CK_OBJECT_HANDLE hSaltKey;
	unsigned char *pInfo;
	CK_ULONG ulInfoLen;
};
#define CK_HKDF_PARAMS struct ck_hkdf_parameters

struct ck_pbkd2_parameters {
	CK_ULONG saltSource;
	void *pSaltSourceData;
	CK_ULONG ulSaltSourceDataLen;
	CK_ULONG iterations;
	CK_ULONG prf;
	void *pPrfData;
	CK_ULONG ulPrfDataLen;
	unsigned char *pPassword;
	CK_ULONG ulPasswordLen; /* in CK_PKCS5_PBKD2_PARAMS, which is as long: a pointer to it */
};
#define CK_PKCS5_PBKD2_PARAMS2 struct ck_pbkd2_parameters

struct ck_prf_data_parameters {
	CK_ULONG type; /* CK_SP800_108_... */
	void *pValue;
	CK_ULONG ulValueLen;
};
#define CK_PRF_DATA_PARAM struct ck_prf_data_parameters

struct ck_counter_format_parameters {
	CK_BBOOL bLittleEndian;
	CK_ULONG ulWidthInBits;
};
#define CK_SP800_108_COUNTER_FORMAT struct ck_counter_format_parameters

struct ck_dkm_length_format_parameters {
	CK_ULONG dkmLengthMethod;
	CK_BBOOL bLittleEndian;
	CK_ULONG ulWidthInBits;
};
#define CK_SP800_108_DKM_LENGTH_FORMAT struct ck_dkm_length_format_parameters

struct ck_derived_key_parameters {
	CK_ATTRIBUTE *pTemplate;
	CK_ULONG ulAttributeCount;
	CK_OBJECT_HANDLE *phKey; /* out */
};
#define CK_DERIVED_KEY struct ck_derived_key_parameters

struct ck_sp800_108_parameters {
	CK_MECHANISM_TYPE prfType;
	CK_ULONG ulNumberOfDataParams;
	struct ck_prf_data_parameters *pDataParams;
	CK_ULONG ulAdditionalDerivedKeys;
	struct ck_derived_key_parameters *pAdditionalDerivedKeys;
};
#define CK_SP800_108_KDF_PARAMS struct ck_sp800_108_parameters

struct ck_sp800_108_feedback_parameters {
	CK_MECHANISM_TYPE prfType;
	CK_ULONG ulNumberOfDataParams;
	struct ck_prf_data_parameters *pDataParams;
	CK_ULONG ulIVLen;
	unsigned char *pIV;
	CK_ULONG ulAdditionalDerivedKeys;
	struct ck_derived_key_parameters *pAdditionalDerivedKeys;
};
#define CK_SP800_108_FEEDBACK_KDF_PARAMS struct ck_sp800_108_feedback_parameters

/* ---- TLS 1.2, 6.39 ---- */

struct ck_ssl3_random_parameters {
	unsigned char *pClientRandom;
	CK_ULONG ulClientRandomLen;
	unsigned char *pServerRandom;
	CK_ULONG ulServerRandomLen;
};
#define CK_SSL3_RANDOM_DATA struct ck_ssl3_random_parameters

struct ck_ssl3_key_mat_parameters {
	CK_OBJECT_HANDLE hClientMacSecret;
	CK_OBJECT_HANDLE hServerMacSecret;
	CK_OBJECT_HANDLE hClientKey;
	CK_OBJECT_HANDLE hServerKey;
	unsigned char *pIVClient;
	unsigned char *pIVServer;
};
#define CK_SSL3_KEY_MAT_OUT struct ck_ssl3_key_mat_parameters

struct ck_tls12_master_parameters {
	struct ck_ssl3_random_parameters RandomInfo;
	CK_VERSION *pVersion; /* in and out; NULL for the _DH form */
	CK_MECHANISM_TYPE prfHashMechanism;
};
#define CK_TLS12_MASTER_KEY_DERIVE_PARAMS struct ck_tls12_master_parameters

struct ck_tls12_extended_master_parameters {
	CK_MECHANISM_TYPE prfHashMechanism;
	unsigned char *pSessionHash;
	CK_ULONG ulSessionHashLen;
	CK_VERSION *pVersion;
};
#define CK_TLS12_EXTENDED_MASTER_KEY_DERIVE_PARAMS struct ck_tls12_extended_master_parameters

struct ck_tls12_key_mat_parameters {
	CK_ULONG ulMacSizeInBits;
	CK_ULONG ulKeySizeInBits;
	CK_ULONG ulIVSizeInBits;
	CK_BBOOL bIsExport;
	struct ck_ssl3_random_parameters RandomInfo;
	struct ck_ssl3_key_mat_parameters *pReturnedKeyMaterial; /* out */
	CK_MECHANISM_TYPE prfHashMechanism;
};
#define CK_TLS12_KEY_MAT_PARAMS struct ck_tls12_key_mat_parameters

struct ck_tls_kdf_parameters {
	CK_MECHANISM_TYPE prfMechanism;
	unsigned char *pLabel;
	CK_ULONG ulLabelLength;
	struct ck_ssl3_random_parameters RandomInfo;
	unsigned char *pContextData;
	CK_ULONG ulContextDataLength;
};
#define CK_TLS_KDF_PARAMS struct ck_tls_kdf_parameters

struct ck_tls_mac_parameters {
	CK_MECHANISM_TYPE prfHashMechanism;
	CK_ULONG ulMacLength;
	CK_ULONG ulServerOrClient; /* 1: server finished, 2: client finished */
};
#define CK_TLS_MAC_PARAMS struct ck_tls_mac_parameters

/* ---- key wrapping in two steps ---- */

struct ck_rsa_aes_key_wrap_parameters {
	CK_ULONG ulAESKeyBits;
	CK_RSA_PKCS_OAEP_PARAMS *pOAEPParams;
};
#define CK_RSA_AES_KEY_WRAP_PARAMS struct ck_rsa_aes_key_wrap_parameters

struct ck_ecdh_aes_key_wrap_parameters {
	CK_ULONG ulAESKeyBits;
	CK_ULONG kdf;
	CK_ULONG ulSharedDataLen;
	unsigned char *pSharedData;
};
#define CK_ECDH_AES_KEY_WRAP_PARAMS struct ck_ecdh_aes_key_wrap_parameters

/* ---- signatures: Ed25519 and Ed448, ML-DSA, SLH-DSA ---- */

struct ck_eddsa_parameters { /* CK_EDDSA_PARAMS */
	CK_BBOOL phFlag;
	CK_ULONG ulContextDataLen;
	unsigned char *pContextData;
};

struct ck_sign_context_parameters {
	CK_ULONG hedgeVariant; /* CKH_... */
	unsigned char *pContext;
	CK_ULONG ulContextLen;
};
#define CK_SIGN_ADDITIONAL_CONTEXT struct ck_sign_context_parameters

struct ck_hash_sign_context_parameters {
	CK_ULONG hedgeVariant;
	unsigned char *pContext;
	CK_ULONG ulContextLen;
	CK_MECHANISM_TYPE hash;
};
#define CK_HASH_SIGN_ADDITIONAL_CONTEXT struct ck_hash_sign_context_parameters

/* ---- one-time passwords ---- */

struct ck_otp_parameter {
	CK_ULONG type; /* CK_OTP_... */
	void *pValue;
	CK_ULONG ulValueLen;
};
#define CK_OTP_PARAM struct ck_otp_parameter

struct ck_otp_parameters {
	struct ck_otp_parameter *pParams;
	CK_ULONG ulCount;
};
#define CK_OTP_PARAMS struct ck_otp_parameters
#define CK_OTP_SIGNATURE_INFO struct ck_otp_parameters

/* ---- salts of HKDF ---- */
#ifndef CKF_HKDF_SALT_NULL
#define CKF_HKDF_SALT_NULL 1UL
#endif
#ifndef CKF_HKDF_SALT_DATA
#define CKF_HKDF_SALT_DATA 2UL
#endif
#ifndef CKF_HKDF_SALT_KEY
#define CKF_HKDF_SALT_KEY 4UL
#endif

/* ---- pseudo-random functions of PBKDF2 ---- */
#ifndef CKP_PKCS5_PBKD2_HMAC_SHA1
#define CKP_PKCS5_PBKD2_HMAC_SHA1 1UL
#endif
#ifndef CKP_PKCS5_PBKD2_HMAC_GOSTR3411
#define CKP_PKCS5_PBKD2_HMAC_GOSTR3411 2UL
#endif
#ifndef CKP_PKCS5_PBKD2_HMAC_SHA224
#define CKP_PKCS5_PBKD2_HMAC_SHA224 3UL
#endif
#ifndef CKP_PKCS5_PBKD2_HMAC_SHA256
#define CKP_PKCS5_PBKD2_HMAC_SHA256 4UL
#endif
#ifndef CKP_PKCS5_PBKD2_HMAC_SHA384
#define CKP_PKCS5_PBKD2_HMAC_SHA384 5UL
#endif
#ifndef CKP_PKCS5_PBKD2_HMAC_SHA512
#define CKP_PKCS5_PBKD2_HMAC_SHA512 6UL
#endif
#ifndef CKP_PKCS5_PBKD2_HMAC_SHA512_224
#define CKP_PKCS5_PBKD2_HMAC_SHA512_224 7UL
#endif
#ifndef CKP_PKCS5_PBKD2_HMAC_SHA512_256
#define CKP_PKCS5_PBKD2_HMAC_SHA512_256 8UL
#endif
#ifndef CKZ_SALT_SPECIFIED
#define CKZ_SALT_SPECIFIED 1UL
#endif

/* ---- fields of an SP 800-108 input ---- */
#ifndef CK_SP800_108_ITERATION_VARIABLE
#define CK_SP800_108_ITERATION_VARIABLE 1UL
#endif
#ifndef CK_SP800_108_COUNTER
#define CK_SP800_108_COUNTER 2UL
#endif
#ifndef CK_SP800_108_DKM_LENGTH
#define CK_SP800_108_DKM_LENGTH 3UL
#endif
#ifndef CK_SP800_108_BYTE_ARRAY
#define CK_SP800_108_BYTE_ARRAY 4UL
#endif
#ifndef CK_SP800_108_KEY_HANDLE
#define CK_SP800_108_KEY_HANDLE 5UL
#endif
#ifndef CK_SP800_108_DKM_LENGTH_SUM_OF_KEYS
#define CK_SP800_108_DKM_LENGTH_SUM_OF_KEYS 1UL
#endif
#ifndef CK_SP800_108_DKM_LENGTH_SUM_OF_SEGMENTS
#define CK_SP800_108_DKM_LENGTH_SUM_OF_SEGMENTS 2UL
#endif

/* ---- fields of a one-time password ---- */
#ifndef CK_OTP_VALUE
#define CK_OTP_VALUE 0UL
#endif
#ifndef CK_OTP_PIN
#define CK_OTP_PIN 1UL
#endif
#ifndef CK_OTP_CHALLENGE
#define CK_OTP_CHALLENGE 2UL
#endif
#ifndef CK_OTP_TIME
#define CK_OTP_TIME 3UL
#endif
#ifndef CK_OTP_COUNTER
#define CK_OTP_COUNTER 4UL
#endif
#ifndef CK_OTP_FLAGS
#define CK_OTP_FLAGS 5UL
#endif
#ifndef CK_OTP_OUTPUT_LENGTH
#define CK_OTP_OUTPUT_LENGTH 6UL
#endif
#ifndef CK_OTP_OUTPUT_FORMAT
#define CK_OTP_OUTPUT_FORMAT 7UL
#endif
#ifndef CK_OTP_FORMAT_DECIMAL
#define CK_OTP_FORMAT_DECIMAL 0UL
#endif
#ifndef CK_OTP_FORMAT_HEXADECIMAL
#define CK_OTP_FORMAT_HEXADECIMAL 1UL
#endif
#ifndef CK_OTP_FORMAT_ALPHANUMERIC
#define CK_OTP_FORMAT_ALPHANUMERIC 2UL
#endif
#ifndef CK_OTP_FORMAT_BINARY
#define CK_OTP_FORMAT_BINARY 3UL
#endif
#ifndef CK_OTP_PARAM_IGNORED
#define CK_OTP_PARAM_IGNORED 0UL
#endif
#ifndef CK_OTP_PARAM_OPTIONAL
#define CK_OTP_PARAM_OPTIONAL 1UL
#endif
#ifndef CK_OTP_PARAM_MANDATORY
#define CK_OTP_PARAM_MANDATORY 2UL
#endif
#ifndef CKF_NEXT_OTP
#define CKF_NEXT_OTP 1UL
#endif
#ifndef CKF_EXCLUDE_TIME
#define CKF_EXCLUDE_TIME 2UL
#endif
#ifndef CKF_EXCLUDE_COUNTER
#define CKF_EXCLUDE_COUNTER 4UL
#endif
#ifndef CKF_EXCLUDE_CHALLENGE
#define CKF_EXCLUDE_CHALLENGE 8UL
#endif
#ifndef CKF_EXCLUDE_PIN
#define CKF_EXCLUDE_PIN 0x10UL
#endif
#ifndef CKF_USER_FRIENDLY_OTP
#define CKF_USER_FRIENDLY_OTP 0x20UL
#endif

/* ---- hedging of signatures ---- */
#ifndef CKH_HEDGE_PREFERRED
#define CKH_HEDGE_PREFERRED 0UL
#endif
#ifndef CKH_HEDGE_REQUIRED
#define CKH_HEDGE_REQUIRED 1UL
#endif
#ifndef CKH_DETERMINISTIC_REQUIRED
#define CKH_DETERMINISTIC_REQUIRED 2UL
#endif

/* ---- ends of a message in parts ---- */
#ifndef CKF_END_OF_MESSAGE
#define CKF_END_OF_MESSAGE 1UL
#endif

#endif
