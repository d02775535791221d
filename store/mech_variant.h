/* mech_variant.h - what `variant` of a row means to its family */
#ifndef TOKENFS_MECH_VARIANT_H
#define TOKENFS_MECH_VARIANT_H

enum mac_variant { MAC_HMAC, MAC_HMAC_GENERAL, MAC_CMAC, MAC_CMAC_GENERAL };
enum rsa_variant { RSA_PKCS1, RSA_RAW, RSA_PSS, RSA_OAEP };
enum ecdh_variant { ECDH_PLAIN, ECDH_COFACTOR };
enum aes_variant {
	AES_ECB, AES_CBC, AES_CBC_PAD, AES_CTR, AES_OFB, AES_CFB8, AES_CFB128,
	AES_GCM, AES_KW, AES_KW_PKCS7, AES_KWP,
	AES_VARIANTS
};

#endif
