/*
 * param_samples.h - a good parameter of each kind
 */
#ifndef TOKENFS_PARAM_SAMPLES_H
#define TOKENFS_PARAM_SAMPLES_H

#include "pkcs11/param.h"

static uint8_t iv[12] = "iv-iv-iv-iv", aad[5] = "aad!", point[65] = {4, 1, 2, 3}, counter[4] = {0, 0, 0, 7};

static CK_RSA_PKCS_OAEP_PARAMS oaep = {CKM_SHA256, CKG_MGF1_SHA256, CKZ_DATA_SPECIFIED, aad, 5};
static CK_RSA_PKCS_PSS_PARAMS pss = {CKM_SHA384, CKG_MGF1_SHA384, 48};
static CK_AES_CTR_PARAMS ctr = {32, "counter block."};
static CK_GCM_PARAMS gcm = {iv, 12, 96, aad, 5, 128};
static CK_ECDH1_DERIVE_PARAMS ecdh = {CKD_NULL, 0, NULL, 65, point};
static struct ck_eddsa_parameters eddsa = {CK_TRUE, 5, aad};
static CK_KEY_DERIVATION_STRING_DATA string = {aad, 5};
static CK_AES_CBC_ENCRYPT_DATA_PARAMS cbc_data = {"0123456789abcde", aad, 5};
static CK_DES_CBC_ENCRYPT_DATA_PARAMS des_cbc_data = {"0123456", point, 65};
static CK_ULONG general = 10;
static CK_OBJECT_HANDLE handle = 0x1234;
static CK_CCM_PARAMS ccm = {1000, iv, 12, aad, 5, 16};
static CK_GCM_WRAP_PARAMS gcm_wrap = {iv, 12, 32, CKG_GENERATE_RANDOM, aad, 5, 96};
static CK_CCM_WRAP_PARAMS ccm_wrap = {32, iv, 12, 0, CKG_NO_GENERATE, NULL, 0, 8};
static CK_CHACHA20_PARAMS chacha20 = {counter, 32, iv, 96};
static CK_SALSA20_CHACHA20_POLY1305_PARAMS poly_bytes = {iv, 12, aad, 5}, poly_bits = {iv, 96, NULL, 0};
static CK_HKDF_PARAMS hkdf_data = {CK_TRUE, CK_TRUE, CKM_SHA256, CKF_HKDF_SALT_DATA, aad, 5, 77, iv, 12};
static CK_HKDF_PARAMS hkdf_key = {CK_TRUE, CK_FALSE, CKM_SHA512, CKF_HKDF_SALT_KEY, aad, ~0ul, 77, NULL, 0};
static CK_PKCS5_PBKD2_PARAMS2 pbkd2 = {CKZ_SALT_SPECIFIED, iv, 12, 1000, CKP_PKCS5_PBKD2_HMAC_SHA256, NULL, 0, aad, 4};
static CK_ULONG password_len = 4;
static struct { /* CK_PKCS5_PBKD2_PARAMS */
	CK_ULONG saltSource;
	void *pSaltSourceData;
	CK_ULONG ulSaltSourceDataLen, iterations, prf;
	void *pPrfData;
	CK_ULONG ulPrfDataLen;
	unsigned char *pPassword;
	CK_ULONG *ulPasswordLen;
} old_pbkd2 = {CKZ_SALT_SPECIFIED, iv, 12, 1000, CKP_PKCS5_PBKD2_HMAC_SHA256, NULL, 0, aad, &password_len};

static CK_SP800_108_COUNTER_FORMAT width = {CK_FALSE, 32};
static CK_SP800_108_DKM_LENGTH_FORMAT dkm = {CK_SP800_108_DKM_LENGTH_SUM_OF_KEYS, CK_TRUE, 64};
static CK_PRF_DATA_PARAM inputs[] = {
	{CK_SP800_108_ITERATION_VARIABLE, &width, sizeof(width)}, {CK_SP800_108_BYTE_ARRAY, aad, 5},
	{CK_SP800_108_DKM_LENGTH, &dkm, sizeof(dkm)}, {CK_SP800_108_KEY_HANDLE, &handle, sizeof(handle)},
	{CK_SP800_108_COUNTER, &width, sizeof(width)}, {CK_SP800_108_ITERATION_VARIABLE, NULL, 0},
};
static CK_ULONG class = CKO_SECRET_KEY, bytes_16 = 16;
static CK_BBOOL yes = CK_TRUE;
static char label[] = "derived";
static CK_ATTRIBUTE nested[] = {{CKA_ENCRYPT, &yes, 1}, {CKA_LABEL, NULL, 0}};
static CK_ATTRIBUTE templ[] = {
	{CKA_CLASS, &class, sizeof(class)}, {CKA_VALUE_LEN, &bytes_16, sizeof(bytes_16)}, {CKA_LABEL, label, 7},
	{CKA_DERIVE_TEMPLATE, nested, sizeof(nested)},
};
static CK_OBJECT_HANDLE derived[2];
static CK_DERIVED_KEY further[] = {{templ, 4, &derived[0]}, {NULL, 0, &derived[1]}};
static CK_SP800_108_KDF_PARAMS sp800 = {CKM_SHA256_HMAC, 6, inputs, 2, further};
static CK_SP800_108_FEEDBACK_KDF_PARAMS feedback = {CKM_AES_CMAC, 1, inputs + 1, 12, iv, 0, NULL};

#define RANDOMS {point, 32, point + 32, 32}
static CK_VERSION version = {3, 3};
static CK_TLS12_MASTER_KEY_DERIVE_PARAMS master = {RANDOMS, &version, CKM_SHA256}, master_dh = {RANDOMS, NULL, CKM_SHA384};
static CK_TLS12_EXTENDED_MASTER_KEY_DERIVE_PARAMS extended = {CKM_SHA256, point, 32, &version};
static uint8_t client_iv[4], server_iv[4];
static CK_SSL3_KEY_MAT_OUT material = {0, 0, 0, 0, client_iv, server_iv};
static CK_TLS12_KEY_MAT_PARAMS key_mat = {0, 128, 32, CK_FALSE, RANDOMS, &material, CKM_SHA256};
static CK_TLS_KDF_PARAMS tls_kdf = {CKM_SHA256, aad, 4, RANDOMS, iv, 12};
static CK_TLS_MAC_PARAMS tls_mac = {CKM_SHA256, 12, 1};
static CK_RSA_AES_KEY_WRAP_PARAMS rsa_aes = {256, &oaep};
static CK_ECDH_AES_KEY_WRAP_PARAMS ecdh_aes = {256, CKD_SHA256_KDF, 5, aad};
static CK_SIGN_ADDITIONAL_CONTEXT context = {CKH_HEDGE_REQUIRED, aad, 5};
static CK_HASH_SIGN_ADDITIONAL_CONTEXT hash_context = {CKH_DETERMINISTIC_REQUIRED, NULL, 0, CKM_SHA256};
static CK_ULONG otp_flags = CKF_NEXT_OTP;
static CK_OTP_PARAM otp_values[] = {{CK_OTP_COUNTER, iv, 8}, {CK_OTP_FLAGS, &otp_flags, sizeof(otp_flags)}};
static CK_OTP_PARAMS otp = {otp_values, 2};

#define MECH(m, p) {m, &p, sizeof(p)}
static CK_MECHANISM all[] = {
	MECH(CKM_RSA_PKCS_OAEP, oaep), MECH(CKM_SHA384_RSA_PKCS_PSS, pss), MECH(CKM_AES_CTR, ctr),
	MECH(CKM_AES_GCM, gcm), MECH(CKM_ECDH1_COFACTOR_DERIVE, ecdh), MECH(CKM_EDDSA, eddsa),
	{CKM_EDDSA, NULL, 0}, MECH(CKM_AES_ECB_ENCRYPT_DATA, string),
	MECH(CKM_AES_CBC_ENCRYPT_DATA, cbc_data), MECH(CKM_SHA256_HMAC_GENERAL, general),
	{CKM_AES_CBC, iv, 12}, {CKM_AES_KEY_WRAP, NULL, 0}, {CKM_ECDSA, NULL, 0},
	{CKM_ECDSA, iv, 0}, {CKM_VENDOR_DEFINED | 7, iv, 12}, {CK_UNAVAILABLE_INFORMATION, NULL, 0},
	MECH(CKM_DES3_CBC_ENCRYPT_DATA, des_cbc_data), MECH(CKM_CONCATENATE_BASE_AND_KEY, handle),
	MECH(CKM_AES_CCM, ccm), MECH(CKM_AES_GCM, gcm_wrap), MECH(CKM_AES_CCM, ccm_wrap), {CKM_AES_GCM, NULL, 0},
	MECH(CKM_CHACHA20, chacha20), MECH(CKM_CHACHA20_POLY1305, poly_bytes), MECH(CKM_CHACHA20_POLY1305, poly_bits),
	MECH(CKM_HKDF_DERIVE, hkdf_data), MECH(CKM_HKDF_DATA, hkdf_key), MECH(CKM_PKCS5_PBKD2, pbkd2),
	MECH(CKM_PKCS5_PBKD2, old_pbkd2), MECH(CKM_SP800_108_COUNTER_KDF, sp800),
	MECH(CKM_SP800_108_FEEDBACK_KDF, feedback), MECH(CKM_TLS12_MASTER_KEY_DERIVE, master),
	MECH(CKM_TLS12_MASTER_KEY_DERIVE_DH, master_dh), MECH(CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE, extended),
	MECH(CKM_TLS12_KEY_AND_MAC_DERIVE, key_mat), MECH(CKM_TLS_KDF, tls_kdf), MECH(CKM_TLS_MAC, tls_mac),
	MECH(CKM_RSA_AES_KEY_WRAP, rsa_aes), MECH(CKM_ECDH_AES_KEY_WRAP, ecdh_aes), MECH(CKM_ML_DSA, context),
	{CKM_SLH_DSA, NULL, 0}, MECH(CKM_HASH_ML_DSA, hash_context), MECH(CKM_HOTP, otp),
};
#define N_ALL (sizeof(all) / sizeof(all[0]))

#endif
