/*
 * kem - encapsulates and decapsulates through the module: ECDH, and ML-KEM where it is there
 *
 * Usage: kem MODULE LABEL PIN [DATA SIGNATURE]      signs DATA with a new ML-DSA-65 token key "post-quantum", too
 * Prints one line per mechanism: "NAME: works" or "NAME: not there". The keys are token objects "kem-NAME".
 */
#include "client.h"

#ifndef CKA_PARAMETER_SET
#define CKA_PARAMETER_SET 0x61dUL
#endif
#ifndef CKA_ENCAPSULATE
#define CKA_ENCAPSULATE 0x633UL
#define CKA_DECAPSULATE 0x634UL
#endif
#ifndef CKM_ML_KEM
#define CKM_ML_KEM_KEY_PAIR_GEN 0xfUL
#define CKM_ML_KEM 0x17UL
#define CKM_ML_DSA_KEY_PAIR_GEN 0x1cUL
#define CKM_ML_DSA 0x1dUL
#endif

static CK_RV (*encapsulate)(CK_SESSION_HANDLE, CK_MECHANISM *, CK_OBJECT_HANDLE, CK_ATTRIBUTE *, CK_ULONG, CK_BYTE *,
	CK_ULONG *, CK_OBJECT_HANDLE *);
static CK_RV (*decapsulate)(CK_SESSION_HANDLE, CK_MECHANISM *, CK_OBJECT_HANDLE, CK_ATTRIBUTE *, CK_ULONG, CK_BYTE *,
	CK_ULONG, CK_OBJECT_HANDLE *);

static void
need(bool ok, const char *what)
{
	if (!ok) {
		fprintf(stderr, "kem: %s\n", what);
		exit(1);
	}
}

static bool
offered(CK_MECHANISM_TYPE type)
{
	CK_MECHANISM_INFO info;
	CK_SLOT_ID slot;

	NEED(client_slot("hydra", &slot));
	return f->C_GetMechanismInfo(slot, type, &info) == CKR_OK;
}

static void
generate(CK_MECHANISM_TYPE type, CK_ATTRIBUTE what, CK_ATTRIBUTE_TYPE pub_use, CK_ATTRIBUTE_TYPE priv_use, const char *label,
	CK_OBJECT_HANDLE *pub, CK_OBJECT_HANDLE *priv)
{
	CK_MECHANISM m = {type, NULL, 0};
	CK_BBOOL yes = CK_TRUE;
	CK_ATTRIBUTE pub_templ[] = {what, ATTR_OF(CKA_TOKEN, yes), {pub_use, &yes, 1},
		{CKA_LABEL, (void *)label, strlen(label)}};
	CK_ATTRIBUTE priv_templ[] = {ATTR_OF(CKA_TOKEN, yes), {priv_use, &yes, 1}, {CKA_LABEL, (void *)label, strlen(label)}};

	NEED(f->C_GenerateKeyPair(session, &m, pub_templ, 4, priv_templ, 3, pub, priv));
}

/* Length query, small buffer, and both ends have the same secret. */
static void
exchange(CK_MECHANISM *m, CK_OBJECT_HANDLE pub, CK_OBJECT_HANDLE priv, const char *name)
{
	CK_BYTE ct[2000], one[100], two[100];
	CK_ATTRIBUTE a = {CKA_VALUE, one, sizeof(one)}, b = {CKA_VALUE, two, sizeof(two)};
	CK_OBJECT_HANDLE first = 0, second = 0;
	CK_ULONG n = 0, told;

	NEED(encapsulate(session, m, pub, NULL, 0, NULL, &n, NULL));
	told = n--;
	need(encapsulate(session, m, pub, NULL, 0, ct, &n, &first) == CKR_BUFFER_TOO_SMALL && n == told && first == 0,
		"a buffer that is too small");
	n = sizeof(ct);
	NEED(encapsulate(session, m, pub, NULL, 0, ct, &n, &first));
	need(n == told, "the length is not what was told");
	NEED(decapsulate(session, m, priv, NULL, 0, ct, n, &second));
	NEED(f->C_GetAttributeValue(session, first, &a, 1));
	NEED(f->C_GetAttributeValue(session, second, &b, 1));
	need(a.ulValueLen == b.ulValueLen && a.ulValueLen > 0 && memcmp(one, two, a.ulValueLen) == 0, "the secrets differ");
	need(decapsulate(session, m, pub, NULL, 0, ct, n, &second) != CKR_OK, "a public key decapsulates");
	need(decapsulate(session, m, priv, NULL, 0, ct, n - 1, &second) != CKR_OK, "a short ciphertext is taken");
	printf("%s: works\n", name);
}

static void
sign(const char *data, const char *signature)
{
	CK_ULONG set = 2, n, len = 4000;
	CK_MECHANISM m = {CKM_ML_DSA, NULL, 0};
	CK_BYTE in[4096], out[4000];
	CK_OBJECT_HANDLE pub, priv;
	FILE *file = fopen(data, "rb");

	need(file != NULL, data);
	n = fread(in, 1, sizeof(in), file);
	fclose(file);
	generate(CKM_ML_DSA_KEY_PAIR_GEN, (CK_ATTRIBUTE)ATTR_OF(CKA_PARAMETER_SET, set), CKA_VERIFY, CKA_SIGN, "post-quantum",
		&pub, &priv);
	NEED(f->C_SignInit(session, &m, priv));
	NEED(f->C_Sign(session, in, n, out, &len));
	NEED(f->C_VerifyInit(session, &m, pub));
	NEED(f->C_Verify(session, in, n, out, len));
	file = fopen(signature, "wb");
	need(file != NULL && fwrite(out, 1, len, file) == len && fclose(file) == 0, signature);
	printf("ml-dsa: works\n");
}

int
main(int argc, char **argv)
{
	static CK_BYTE p256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
	CK_ECDH1_DERIVE_PARAMS plain = {.kdf = CKD_NULL};
	CK_MECHANISM ecdh = {CKM_ECDH1_DERIVE, &plain, sizeof(plain)}, ml_kem = {CKM_ML_KEM, NULL, 0};
	CK_OBJECT_HANDLE pub, priv;
	CK_ULONG set = 2;
	void *module;

	if (argc < 4)
		return 2;
	client_load(argv[1]);
	module = dlopen(argv[1], RTLD_NOW);
	*(void **)&encapsulate = dlsym(module, "C_EncapsulateKey");
	*(void **)&decapsulate = dlsym(module, "C_DecapsulateKey");
	need(encapsulate != NULL && decapsulate != NULL, "no C_EncapsulateKey");
	NEED(client_begin(argv[2], argv[3]));
	generate(CKM_EC_KEY_PAIR_GEN, (CK_ATTRIBUTE){CKA_EC_PARAMS, p256, sizeof(p256)}, CKA_ENCAPSULATE, CKA_DECAPSULATE,
		"kem-ecdh", &pub, &priv);
	exchange(&ecdh, pub, priv, "ecdh");
	if (offered(CKM_ML_KEM)) {
		generate(CKM_ML_KEM_KEY_PAIR_GEN, (CK_ATTRIBUTE)ATTR_OF(CKA_PARAMETER_SET, set), CKA_ENCAPSULATE, CKA_DECAPSULATE,
			"kem-ml", &pub, &priv);
		exchange(&ml_kem, pub, priv, "ml-kem");
	} else {
		printf("ml-kem: not there\n");
	}
	if (argc > 5 && offered(CKM_ML_DSA))
		sign(argv[4], argv[5]);
	else if (argc > 5)
		printf("ml-dsa: not there\n");
	client_end();
	return 0;
}
