/* separation.c - one key in two roles: what wraps may not decrypt, what unwraps may not encrypt */
#include "steps.h"

/* Clulow 2003, 3.1: a key that wraps and decrypts opens its own blobs by C_Decrypt. */
static void
wrap_and_decrypt(void)
{
	CK_OBJECT_HANDLE key;

	client_login();
	if (!REFUSED(key_generate(&key, CKK_AES, 32, "sensitive wrap decrypt")))
		step_wrap_decrypt(key, key, step_target());
}

/* Clulow 2003: wrap while the key only wraps, then add CKA_DECRYPT by C_SetAttributeValue. */
static void
wrap_then_set_decrypt(void)
{
	CK_OBJECT_HANDLE key, target;
	struct blob blob;

	client_login();
	target = step_target();
	key = key_made(CKK_AES, 32, "sensitive wrap unwrap");
	for (size_t i = 0; steps_aes_wraps[i] != NO_CLASS; i++) {
		if (REFUSED(key_wrap(mechanism(steps_aes_wraps[i]), key, target, &blob)))
			continue;
		if (!REFUSED(key_set(key, "decrypt")))
			step_decrypt(steps_aes_wraps[i], key, &blob, target);
	}
}

/* Delaune, Kremer, Steel 2008: the other order; a key that decrypts is given CKA_WRAP. */
static void
decrypt_then_set_wrap(void)
{
	CK_OBJECT_HANDLE key;

	client_login();
	key = key_made(CKK_AES, 32, "sensitive encrypt decrypt");
	if (!REFUSED(key_set(key, "wrap")))
		step_wrap_decrypt(key, key, step_target());
}

/* Delaune, Kremer, Steel 2008: a token that forbids both roles at one time is led through them one by one. */
static void
wrap_off_decrypt_on(void)
{
	CK_OBJECT_HANDLE key, target;
	struct blob blob;

	client_login();
	target = step_target();
	key = key_made(CKK_AES, 32, "sensitive wrap");
	for (size_t i = 0; steps_aes_wraps[i] != NO_CLASS; i++) {
		if (REFUSED(key_wrap(mechanism(steps_aes_wraps[i]), key, target, &blob)))
			continue;
		if (!REFUSED(key_set(key, "-wrap")) && !REFUSED(key_set(key, "decrypt")))
			step_decrypt(steps_aes_wraps[i], key, &blob, target);
		break;
	}
}

/* The same from the other end: decrypting is given up, and taken again after the key has wrapped. */
static void
decrypt_off_wrap_on(void)
{
	CK_OBJECT_HANDLE key, copy, target;
	struct blob blob;

	client_login();
	target = step_target();
	key = key_made(CKK_AES, 32, "sensitive decrypt wrap");
	NEED(key_copy(key, "", &copy));
	if (REFUSED(key_set(key, "-decrypt")))
		return;
	for (size_t i = 0; steps_aes_wraps[i] != NO_CLASS; i++)
		if (!REFUSED(key_wrap(mechanism(steps_aes_wraps[i]), key, target, &blob)))
			step_decrypt(steps_aes_wraps[i], copy, &blob, target);
}

/* Bortolozzo et al. 2010 (CryptokiX): C_CopyObject raises what C_SetAttributeValue does not. */
static void
copy_adds_decrypt(void)
{
	CK_OBJECT_HANDLE key, copy;

	client_login();
	key = key_made(CKK_AES, 32, "sensitive wrap unwrap");
	if (!REFUSED(key_copy(key, "decrypt", &copy)))
		step_wrap_decrypt(key, copy, step_target());
}

static void
copy_adds_wrap(void)
{
	CK_OBJECT_HANDLE key, copy;

	client_login();
	key = key_made(CKK_AES, 32, "sensitive encrypt decrypt");
	if (!REFUSED(key_copy(key, "wrap", &copy)))
		step_wrap_decrypt(copy, key, step_target());
	if (!REFUSED(key_copy(key, "wrap -decrypt -encrypt", &copy)))
		step_wrap_decrypt(copy, key, step_target());
}

/* Two copies of one key, each with one role taken away: each looks harmless. */
static void
copies_share_roles(void)
{
	CK_OBJECT_HANDLE key, wraps, decrypts;

	client_login();
	if (REFUSED(key_generate(&key, CKK_AES, 32, "sensitive wrap decrypt")))
		return;
	if (!REFUSED(key_copy(key, "-decrypt", &wraps)) && !REFUSED(key_copy(key, "-wrap", &decrypts)))
		step_wrap_decrypt(wraps, decrypts, step_target());
}

/* Clulow 2003; Delaune et al. 2008, re-import 1: C_Encrypt makes a blob of a known key, C_UnwrapKey takes
 * it, and what came in wraps the target. */
static void
encrypt_and_unwrap(void)
{
	CK_OBJECT_HANDLE key, known;
	CK_BYTE value[32];
	struct blob blob;

	client_login();
	if (REFUSED(key_generate(&key, CKK_AES, 32, "sensitive encrypt unwrap")))
		return;
	own_random(value, sizeof(value));
	for (size_t i = 0; steps_aes_wraps[i] != NO_CLASS; i++) {
		CK_MECHANISM_TYPE type = steps_aes_wraps[i];

		if (!REFUSED(use_encrypt(mechanism(type), key, value, 32, &blob)) &&
			!REFUSED(key_unwrap(mechanism(type), key, &blob, CKO_SECRET_KEY, CKK_AES, "sensitive wrap", &known)))
			step_wrap_known(known, value, 32, step_target());
	}
}

/* Clulow 2003: the same with a key pair, wrapping with the public half and decrypting with the private. */
static void
rsa_wrap_and_decrypt(void)
{
	CK_OBJECT_HANDLE pub, priv;

	client_login();
	pair_rsa(2048, "wrap encrypt verify", "sensitive decrypt unwrap", &pub, &priv);
	step_wrap_decrypt_rsa(pub, priv, step_target());
}

static void
rsa_set_decrypt(void)
{
	CK_OBJECT_HANDLE pub, priv, copy;

	client_login();
	pair_rsa(2048, "wrap", "sensitive unwrap", &pub, &priv);
	if (!REFUSED(key_set(priv, "decrypt")))
		step_wrap_decrypt_rsa(pub, priv, step_target());
	if (!REFUSED(key_copy(priv, "decrypt", &copy)))
		step_wrap_decrypt_rsa(pub, copy, step_target());
}

static void
rsa_public_gets_wrap(void)
{
	CK_OBJECT_HANDLE pub, priv, copy;

	client_login();
	pair_rsa(2048, "encrypt", "sensitive decrypt", &pub, &priv);
	if (!REFUSED(key_set(pub, "wrap")))
		step_wrap_decrypt_rsa(pub, priv, step_target());
	if (!REFUSED(key_copy(pub, "wrap -encrypt", &copy)))
		step_wrap_decrypt_rsa(copy, priv, step_target());
}

/* The public half of a decrypting pair, created anew as an object that wraps: its history is left behind. */
static void
rsa_public_created_again(void)
{
	CK_OBJECT_HANDLE pub, priv, again;
	struct blob n, e;
	struct templ t;

	client_login();
	pair_rsa(2048, "encrypt", "sensitive decrypt", &pub, &priv);
	NEED(key_read(pub, CKA_MODULUS, &n));
	NEED(key_read(pub, CKA_PUBLIC_EXPONENT, &e));
	templ_begin(&t, CKO_PUBLIC_KEY, CKK_RSA, "wrap");
	templ_bytes(&t, CKA_MODULUS, n.data, n.len);
	templ_bytes(&t, CKA_PUBLIC_EXPONENT, e.data, e.len);
	if (!REFUSED(key_create(&again, &t)))
		step_wrap_decrypt_rsa(again, priv, step_target());
}

/* The target leaves under a key that is itself extractable; that key is unwrapped a second time, to decrypt.
 * inner: the one that wraps the target. outer: wraps inner. */
static void
second_role(CK_OBJECT_HANDLE inner, CK_OBJECT_HANDLE outer, const char *words)
{
	CK_OBJECT_HANDLE target = step_target(), again;
	struct blob blob, inner_blob;

	for (size_t i = 0; steps_aes_wraps[i] != NO_CLASS; i++) {
		CK_MECHANISM_TYPE type = steps_aes_wraps[i];

		if (!REFUSED(key_wrap(mechanism(type), inner, target, &blob)) &&
			!REFUSED(key_wrap(mechanism(type), outer, inner, &inner_blob)) &&
			!REFUSED(key_unwrap(mechanism(type), outer, &inner_blob, CKO_SECRET_KEY, CKK_AES, words, &again)))
			step_decrypt(type, again, &blob, target);
	}
}

/* Delaune, Kremer, Steel 2008, re-import 2: one blob unwrapped in two roles. */
static void
unwrap_in_second_role(void)
{
	client_login();
	second_role(key_made(CKK_AES, 32, "sensitive extractable wrap unwrap"),
		key_made(CKK_AES, 32, "sensitive wrap unwrap"), "sensitive encrypt decrypt");
}

/* The same with one key: it wraps itself. */
static void
key_wraps_itself(void)
{
	CK_OBJECT_HANDLE key;

	client_login();
	key = key_made(CKK_AES, 32, "sensitive extractable wrap unwrap");
	second_role(key, key, "sensitive encrypt decrypt");
}

/* The extractability is given up before the key is used, its blob kept. */
static void
blob_kept_from_before(void)
{
	CK_OBJECT_HANDLE inner, outer, again, target;
	struct blob blob, inner_blob;
	CK_MECHANISM_TYPE type;

	client_login();
	target = step_target();
	outer = key_made(CKK_AES, 32, "sensitive wrap unwrap");
	inner = key_made(CKK_AES, 32, "sensitive extractable wrap unwrap");
	for (size_t i = 0; steps_aes_wraps[i] != NO_CLASS; i++) {
		type = steps_aes_wraps[i];
		if (REFUSED(key_wrap(mechanism(type), outer, inner, &inner_blob)))
			continue;
		if (!REFUSED(key_set(inner, "-extractable")) &&
			!REFUSED(key_wrap(mechanism(type), inner, target, &blob)) &&
			!REFUSED(key_unwrap(mechanism(type), outer, &inner_blob, CKO_SECRET_KEY, CKK_AES,
				"sensitive decrypt encrypt", &again)))
			step_decrypt(type, again, &blob, target);
		break;
	}
}

/* A copy that may not leave wraps, the extractable original leaves and comes back to decrypt. */
static void
extractable_twin_leaves(void)
{
	CK_OBJECT_HANDLE twin, copy, outer, again, target;
	struct blob blob, twin_blob;

	client_login();
	target = step_target();
	outer = key_made(CKK_AES, 32, "sensitive wrap unwrap");
	twin = key_made(CKK_AES, 32, "sensitive extractable wrap unwrap");
	if (REFUSED(key_copy(twin, "-extractable", &copy)))
		return;
	for (size_t i = 0; steps_aes_wraps[i] != NO_CLASS; i++) {
		CK_MECHANISM_TYPE type = steps_aes_wraps[i];

		if (!REFUSED(key_wrap(mechanism(type), copy, target, &blob)) &&
			!REFUSED(key_wrap(mechanism(type), outer, twin, &twin_blob)) &&
			!REFUSED(key_unwrap(mechanism(type), outer, &twin_blob, CKO_SECRET_KEY, CKK_AES,
				"sensitive decrypt encrypt", &again)))
			step_decrypt(type, again, &blob, target);
	}
}

/* A private key that unwraps is extractable: it leaves under AES, comes back as one that decrypts. */
static void
rsa_unwrapped_in_second_role(void)
{
	CK_OBJECT_HANDLE pub, priv, outer, again, target;
	struct blob blob;

	client_login();
	target = step_target();
	pair_rsa(2048, "wrap", "sensitive extractable unwrap", &pub, &priv);
	outer = key_made(CKK_AES, 32, "sensitive wrap unwrap");
	for (size_t i = 0; steps_aes_wraps[i] != NO_CLASS; i++) {
		CK_MECHANISM_TYPE type = steps_aes_wraps[i];

		if (!REFUSED(key_wrap(mechanism(type), outer, priv, &blob)) &&
			!REFUSED(key_unwrap(mechanism(type), outer, &blob, CKO_PRIVATE_KEY, CKK_RSA,
				"sensitive decrypt", &again))) {
			step_wrap_decrypt_rsa(pub, again, target);
			break;
		}
	}
}

/* Derivation is deterministic: the same base and data give one value in two roles. */
static void
derived_in_two_roles(void)
{
	CK_OBJECT_HANDLE base, wraps, decrypts;
	CK_BYTE data[32] = {1};
	CK_KEY_DERIVATION_STRING_DATA string = {data, sizeof(data)};
	CK_MECHANISM tries[] = {{CKM_AES_ECB_ENCRYPT_DATA, &string, sizeof(string)}, {CKM_SHA256_KEY_DERIVATION, NULL, 0},
		{CKM_CONCATENATE_BASE_AND_DATA, &string, sizeof(string)}, {CKM_XOR_BASE_AND_DATA, &string, sizeof(string)}};

	client_login();
	for (size_t i = 0; i < sizeof(tries) / sizeof(tries[0]); i++) {
		base = i == 0 ? key_made(CKK_AES, 32, "sensitive derive") :
			key_made(CKK_GENERIC_SECRET, 32, "sensitive derive");
		if (!REFUSED(key_derive(&tries[i], base, CKK_AES, 32, "sensitive wrap", &wraps)) &&
			!REFUSED(key_derive(&tries[i], base, CKK_AES, 32, "sensitive encrypt decrypt", &decrypts)))
			step_wrap_decrypt(wraps, decrypts, step_target());
	}
}

/* Key agreement is deterministic as well, and no parameter of the token's tells the two keys apart. */
static void
agreed_in_two_roles(void)
{
	CK_OBJECT_HANDLE pub, priv, wraps, decrypts;
	struct blob point;
	CK_ECDH1_DERIVE_PARAMS p = {.kdf = CKD_NULL};
	CK_MECHANISM m = {CKM_ECDH1_DERIVE, &p, sizeof(p)};

	client_login();
	pair_p256("", "sensitive derive", &pub, &priv);
	NEED(key_read(pub, CKA_EC_POINT, &point));
	p.pPublicData = point.data + (point.len == 67 ? 2 : 0);
	p.ulPublicDataLen = 65;
	if (!REFUSED(key_derive(&m, priv, CKK_AES, 32, "sensitive wrap", &wraps)) &&
		!REFUSED(key_derive(&m, priv, CKK_AES, 32, "sensitive encrypt decrypt", &decrypts)))
		step_wrap_decrypt(wraps, decrypts, step_target());
}

const struct attack attacks_separation[] = {
	{"wrap-and-decrypt", "Clulow 2003", wrap_and_decrypt},
	{"wrap-then-set-decrypt", "Clulow 2003", wrap_then_set_decrypt},
	{"decrypt-then-set-wrap", "Delaune et al. 2008", decrypt_then_set_wrap},
	{"wrap-off-decrypt-on", "Delaune et al. 2008", wrap_off_decrypt_on},
	{"decrypt-off-wrap-on", "Delaune et al. 2008", decrypt_off_wrap_on},
	{"copy-adds-decrypt", "Bortolozzo et al. 2010", copy_adds_decrypt},
	{"copy-adds-wrap", "Bortolozzo et al. 2010", copy_adds_wrap},
	{"copies-share-roles", "Bortolozzo et al. 2010", copies_share_roles},
	{"encrypt-and-unwrap", "Delaune et al. 2008", encrypt_and_unwrap},
	{"rsa-wrap-and-decrypt", "Clulow 2003", rsa_wrap_and_decrypt},
	{"rsa-set-decrypt", "Clulow 2003", rsa_set_decrypt},
	{"rsa-public-gets-wrap", "Clulow 2003", rsa_public_gets_wrap},
	{"rsa-public-created-again", "Bortolozzo et al. 2010", rsa_public_created_again},
	{"unwrap-in-second-role", "Delaune et al. 2008", unwrap_in_second_role},
	{"key-wraps-itself", "Delaune et al. 2008", key_wraps_itself},
	{"blob-kept-from-before", "Froeschle, Steel 2009", blob_kept_from_before},
	{"extractable-twin-leaves", "Froeschle, Steel 2009", extractable_twin_leaves},
	{"rsa-unwrapped-in-second-role", "Delaune et al. 2008", rsa_unwrapped_in_second_role},
	{"derived-in-two-roles", "Delaune et al. 2008", derived_in_two_roles},
	{"agreed-in-two-roles", "Delaune et al. 2008", agreed_in_two_roles},
	{0},
};
