/* What is broken: single DES, MD5. Only where the configuration has legacy = yes. */
#include "key_material.h"
#include "mech_family.h"
#include "mech_variant.h"

#define DES1_KEYS 8, 8, KEYS1(CKK_DES)
#define MD5_KEYS 1, SECRET_MAX, KEYS2(CKK_GENERIC_SECRET, CKK_MD5_HMAC)
static const struct mech rows[] = {
	{CKM_MD5_RSA_PKCS, SIGN, RSA_MIN_BITS, RSA_MAX_BITS, KEYS1(CKK_RSA), "MD5", RSA_PKCS1, &family_rsa,
		MECH_LEGACY},
	{CKM_DES_KEY_GEN, CKF_GENERATE, DES1_KEYS, NULL, 0, &family_secret, MECH_LEGACY},
	{CKM_DES_ECB, CRYPT, DES1_KEYS, NULL, DES_ECB, &family_des, MECH_LEGACY},
	{CKM_DES_CBC, CRYPT, DES1_KEYS, NULL, DES_CBC, &family_des, MECH_LEGACY},
	{CKM_DES_CBC_PAD, CRYPT | WRAP, DES1_KEYS, NULL, DES_CBC_PAD, &family_des, MECH_LEGACY},
	{CKM_MD5, CKF_DIGEST, 0, 0, NO_KEYS, "MD5", 0, &family_digest, MECH_LEGACY},
	{CKM_MD5_HMAC, SIGN, MD5_KEYS, "MD5", MAC_HMAC, &family_mac, MECH_LEGACY},
	{CKM_MD5_HMAC_GENERAL, SIGN, MD5_KEYS, "MD5", MAC_HMAC_GENERAL, &family_mac, MECH_LEGACY},
};
const struct mech_rows mech_legacy_rows = {MECH_ROWS(rows)};
