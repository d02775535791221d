/*
 * modern.c - an application of PKCS#11 3.2: what 3.x added, and how operations end
 *
 * Usage: modern MODULE LABEL PIN
 * Tells each answer that was not as it should be; ends with "N checks, N failed".
 */
#include "../../pkcs11/export.h"

#include "client.h"

static unsigned checks, failures;

#define EXPECT(want, call)                                                                          \
	do {                                                                                        \
		CK_RV expect_rv = (call);                                                           \
		checks++;                                                                           \
		if (expect_rv != (want)) {                                                          \
			failures++;                                                                 \
			printf("%d: %s gave 0x%lx, not %s\n", __LINE__, #call, expect_rv, #want);   \
		}                                                                                   \
	} while (0)
#define TRUE_THAT(what)                                                                             \
	do {                                                                                        \
		checks++;                                                                           \
		if (!(what)) {                                                                      \
			failures++;                                                                 \
			printf("%d: not %s\n", __LINE__, #what);                                    \
		}                                                                                   \
	} while (0)

/* The functions that 3.0 and 3.2 add, where their lists have them. */
struct list {
	CK_FUNCTION_LIST base;
	__typeof__(C_GetInterfaceList) *get_interface_list;
	__typeof__(C_GetInterface) *get_interface;
	__typeof__(C_LoginUser) *login_user;
	__typeof__(C_SessionCancel) *cancel;
	struct {
		__typeof__(C_MessageEncryptInit) *init;
		__typeof__(C_EncryptMessage) *once;
		__typeof__(C_EncryptMessageBegin) *begin;
		__typeof__(C_EncryptMessageNext) *next;
		__typeof__(C_MessageEncryptFinal) *final;
	} encrypt, decrypt;
	struct {
		__typeof__(C_MessageSignInit) *init;
		__typeof__(C_SignMessage) *once;
		__typeof__(C_SignMessageBegin) *begin;
		__typeof__(C_SignMessageNext) *next;
		__typeof__(C_MessageSignFinal) *final;
	} sign;
	struct {
		__typeof__(C_MessageVerifyInit) *init;
		__typeof__(C_VerifyMessage) *once;
		__typeof__(C_VerifyMessageBegin) *begin;
		__typeof__(C_VerifyMessageNext) *next;
		__typeof__(C_MessageVerifyFinal) *final;
	} verify;
	__typeof__(C_EncapsulateKey) *encapsulate;
	__typeof__(C_DecapsulateKey) *decapsulate;
	__typeof__(C_VerifySignatureInit) *verify_signature_init;
	__typeof__(C_VerifySignature) *verify_signature;
	__typeof__(C_VerifySignatureUpdate) *verify_signature_update;
	__typeof__(C_VerifySignatureFinal) *verify_signature_final;
	__typeof__(C_GetSessionValidationFlags) *validation_flags;
	__typeof__(C_AsyncComplete) *async_complete;
	__typeof__(C_AsyncGetID) *async_get_id;
	__typeof__(C_AsyncJoin) *async_join;
	__typeof__(C_WrapKeyAuthenticated) *wrap;
	__typeof__(C_UnwrapKeyAuthenticated) *unwrap;
};
static struct list *l;

struct interface {
	char *name;
	struct list *list;
	CK_FLAGS flags;
};

static void
load_3_2(const char *path)
{
	__typeof__(C_GetInterface) *get;
	CK_VERSION version = {3, 2};
	CK_INTERFACE_PTR got;

	client_load(path);
	*(void **)&get = dlsym(dlopen(path, RTLD_NOW), "C_GetInterface");
	NEED(get((CK_UTF8CHAR *)"PKCS 11", &version, &got, 0));
	l = ((struct interface *)got)->list;
	f = &l->base;
}

static CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
static CK_OBJECT_HANDLE aes, mac;
static CK_MECHANISM hmac_mech = {CKM_SHA256_HMAC, NULL, 0}, gcm_mech = {CKM_AES_GCM, NULL, 0},
		    sha_mech = {CKM_SHA256, NULL, 0};

static CK_RV
make_key(CK_MECHANISM_TYPE type, CK_ULONG len, CK_OBJECT_HANDLE *key)
{
	CK_MECHANISM m = {type, NULL, 0};
	CK_ATTRIBUTE templ[] = {ATTR_OF(CKA_TOKEN, no), ATTR_OF(CKA_VALUE_LEN, len), ATTR_OF(CKA_ENCRYPT, yes),
		ATTR_OF(CKA_DECRYPT, yes), ATTR_OF(CKA_SIGN, yes), ATTR_OF(CKA_VERIFY, yes)};
	bool cipher = type == CKM_AES_KEY_GEN;
	CK_ATTRIBUTE use[] = {templ[0], templ[1], templ[cipher ? 2 : 4], templ[cipher ? 3 : 5]};

	return f->C_GenerateKey(session, &m, use, 4, key);
}

/* ---- how operations end: PKCS#11 3.1 5.2, 5.8 and on ---- */

/* Twice, so that the second Init is one that the module need not send. */
static void
sign_once(void)
{
	CK_BYTE out[32];
	CK_ULONG len = sizeof(out);

	EXPECT(CKR_OK, f->C_SignInit(session, &hmac_mech, mac));
	EXPECT(CKR_OK, f->C_Sign(session, out, 1, out, &len));
}

static void
cancelled(void)
{
	CK_BYTE out[32];
	CK_ULONG len = sizeof(out);

	EXPECT(CKR_OPERATION_NOT_INITIALIZED, f->C_Sign(session, out, 1, out, &len));
	EXPECT(CKR_OPERATION_NOT_INITIALIZED, f->C_SignUpdate(session, out, 1));
}

static void
test_no_mechanism_cancels(void)
{
	CK_BYTE out[32];
	CK_ULONG len = sizeof(out);

	sign_once();
	EXPECT(CKR_OK, f->C_SignInit(session, &hmac_mech, mac));
	EXPECT(CKR_OK, f->C_SignInit(session, NULL, mac));
	cancelled();
	EXPECT(CKR_OK, f->C_SignInit(session, NULL, 0)); /* nothing there: nothing done */
	sign_once();
	EXPECT(CKR_OK, f->C_SignInit(session, &hmac_mech, mac));
	EXPECT(CKR_OK, l->cancel(session, CKF_SIGN));
	cancelled();
	EXPECT(CKR_OK, f->C_DigestInit(session, &sha_mech));
	EXPECT(CKR_OK, f->C_DigestUpdate(session, out, 1));
	EXPECT(CKR_OK, f->C_DigestInit(session, NULL));
	EXPECT(CKR_OPERATION_NOT_INITIALIZED, f->C_DigestFinal(session, out, &len));
	EXPECT(CKR_SESSION_HANDLE_INVALID, f->C_EncryptInit(session + 1000, NULL, aes));
}

/* Programs that fill in the type alone (PowerDNS) send what was on their stack; a hash function looks at none of it. */
static void
test_hash_functions_look_at_no_parameter(void)
{
	CK_MECHANISM stray = {CKM_SHA256, (void *)1, 0x7fff0000UL}, sized = {CKM_SHA256, NULL, 12};
	CK_BYTE want[32], out[32];
	CK_ULONG len = sizeof(want);

	EXPECT(CKR_OK, f->C_DigestInit(session, &sha_mech));
	EXPECT(CKR_OK, f->C_Digest(session, want, 0, want, &len));
	for (int i = 0; i < 2; i++) {
		len = sizeof(out);
		EXPECT(CKR_OK, f->C_DigestInit(session, i == 0 ? &stray : &sized));
		EXPECT(CKR_OK, f->C_Digest(session, out, 0, out, &len));
		EXPECT(0, memcmp(want, out, sizeof(want)));
	}
	EXPECT(CKR_MECHANISM_PARAM_INVALID, f->C_SignInit(session,
		&(CK_MECHANISM){hmac_mech.mechanism, (void *)1, 1}, mac));
}

static void
test_an_error_ends_an_operation(void)
{
	CK_BYTE out[32];
	CK_ULONG len = sizeof(out);

	sign_once();
	EXPECT(CKR_OK, f->C_SignInit(session, &hmac_mech, mac));
	EXPECT(CKR_ARGUMENTS_BAD, f->C_Sign(session, NULL, 1, out, &len));
	cancelled();
	EXPECT(CKR_OK, f->C_SignInit(session, &hmac_mech, mac));
	EXPECT(CKR_ARGUMENTS_BAD, f->C_Sign(session, out, 1, out, NULL));
	cancelled();
	EXPECT(CKR_OK, f->C_SignInit(session, &hmac_mech, mac));
	EXPECT(CKR_ARGUMENTS_BAD, f->C_SignUpdate(session, NULL, 1));
	cancelled();
	EXPECT(CKR_OK, f->C_VerifyInit(session, &hmac_mech, mac));
	EXPECT(CKR_SIGNATURE_LEN_RANGE, f->C_Verify(session, out, 1, out, 7));
	EXPECT(CKR_OPERATION_NOT_INITIALIZED, f->C_Verify(session, out, 1, out, 32));
	/* these do not: a question, a small buffer, a session that is none */
	EXPECT(CKR_OK, f->C_SignInit(session, &hmac_mech, mac));
	EXPECT(CKR_SESSION_HANDLE_INVALID, f->C_Sign(session + 1000, out, 1, out, &len));
	EXPECT(CKR_OK, f->C_Sign(session, out, 1, NULL, &len));
	TRUE_THAT(len == 32);
	len = 31;
	EXPECT(CKR_BUFFER_TOO_SMALL, f->C_Sign(session, out, 1, out, &len));
	EXPECT(CKR_OK, f->C_Sign(session, out, 1, out, &len));
	cancelled();
	/* one part and many do not mix, also after a question for the length */
	EXPECT(CKR_OK, f->C_SignInit(session, &hmac_mech, mac));
	EXPECT(CKR_OK, f->C_Sign(session, out, 1, NULL, &len));
	EXPECT(CKR_OPERATION_ACTIVE, f->C_SignUpdate(session, out, 1));
	f->C_SignInit(session, NULL, 0);
	EXPECT(CKR_OK, f->C_SignInit(session, &hmac_mech, mac));
	EXPECT(CKR_OK, f->C_SignUpdate(session, out, 1));
	EXPECT(CKR_OPERATION_ACTIVE, f->C_Sign(session, out, 1, out, &len));
	f->C_SignInit(session, NULL, 0);
}

/* A search whose handles all came with its Init lives in the module alone. */
static void
test_a_search_is_cancelled(void)
{
	CK_OBJECT_HANDLE found[4];
	CK_ULONG n;

	EXPECT(CKR_OK, f->C_FindObjectsInit(session, NULL, 0));
	EXPECT(CKR_OK, l->cancel(session, CKF_ENCRYPT));
	EXPECT(CKR_OPERATION_ACTIVE, f->C_FindObjectsInit(session, NULL, 0));
	EXPECT(CKR_OK, l->cancel(session, CKF_FIND_OBJECTS));
	EXPECT(CKR_OPERATION_NOT_INITIALIZED, f->C_FindObjects(session, found, 4, &n));
	EXPECT(CKR_OPERATION_NOT_INITIALIZED, f->C_FindObjectsFinal(session));
	EXPECT(CKR_OK, f->C_FindObjectsInit(session, NULL, 0));
	EXPECT(CKR_OK, f->C_FindObjectsFinal(session));
}

/* ---- messages ---- */

static CK_BYTE iv[12], tag[16];
static struct ck_gcm_message_parameters gcm = {iv, sizeof(iv), 0, CKG_GENERATE, tag, 128};
#define GCM &gcm, sizeof(gcm)

static void
test_messages(void)
{
	CK_BYTE in[100000], *out = malloc(sizeof(in)), *back = malloc(sizeof(in)), aad[] = "aad";
	CK_ULONG len = sizeof(in), n, m;

	memset(in, 'x', sizeof(in));
	EXPECT(CKR_OK, l->encrypt.init(session, &gcm_mech, aes));
	EXPECT(CKR_OK, l->encrypt.once(session, GCM, aad, 3, in, sizeof(in), out, &len));
	TRUE_THAT(len == sizeof(in));
	EXPECT(CKR_OK, l->decrypt.init(session, &gcm_mech, aes)); /* both at once */
	len = sizeof(in);
	EXPECT(CKR_OK, l->decrypt.once(session, GCM, aad, 3, out, sizeof(in), back, &len));
	TRUE_THAT(len == sizeof(in) && memcmp(in, back, len) == 0);
	EXPECT(CKR_OK, l->encrypt.begin(session, GCM, aad, 3));
	n = m = sizeof(in);
	EXPECT(CKR_OK, l->encrypt.next(session, GCM, in, 1000, out, &n, 0));
	EXPECT(CKR_OK, l->encrypt.next(session, GCM, in + 1000, 500, out + n, &m, CKF_END_OF_MESSAGE));
	TRUE_THAT(n + m == 1500);
	len = sizeof(in);
	EXPECT(CKR_AEAD_DECRYPT_FAILED, l->decrypt.once(session, GCM, aad, 2, out, 1500, back, &len));
	len = sizeof(in);
	EXPECT(CKR_OK, l->decrypt.once(session, GCM, aad, 3, out, 1500, back, &len));
	TRUE_THAT(len == 1500 && memcmp(in, back, len) == 0);
	EXPECT(CKR_MECHANISM_PARAM_INVALID, l->encrypt.once(session, &gcm, 5, aad, 3, in, 1, out, &len));
	EXPECT(CKR_OK, l->encrypt.final(session));
	EXPECT(CKR_OK, l->decrypt.init(session, NULL, 0));
	EXPECT(CKR_OPERATION_NOT_INITIALIZED, l->decrypt.final(session));
	free(out);
	free(back);
}

static void
test_signed_messages(void)
{
	CK_BYTE signature[32], other[32], in[] = "a message";
	CK_ULONG len = sizeof(signature);

	EXPECT(CKR_OK, l->sign.init(session, &hmac_mech, mac));
	EXPECT(CKR_OK, l->sign.once(session, NULL, 0, in, 9, signature, &len));
	EXPECT(CKR_OK, l->sign.begin(session, NULL, 0));
	EXPECT(CKR_OK, l->sign.next(session, NULL, 0, in, 4, NULL, NULL));
	EXPECT(CKR_OK, l->sign.next(session, NULL, 0, in + 4, 5, other, &len));
	TRUE_THAT(len == 32 && memcmp(signature, other, 32) == 0);
	EXPECT(CKR_OK, l->sign.final(session));
	EXPECT(CKR_OK, l->verify.init(session, &hmac_mech, mac));
	EXPECT(CKR_OK, l->verify.once(session, NULL, 0, in, 9, signature, 32));
	EXPECT(CKR_SIGNATURE_INVALID, l->verify.once(session, NULL, 0, in, 8, signature, 32));
	EXPECT(CKR_OK, l->verify.begin(session, NULL, 0));
	EXPECT(CKR_OK, l->verify.next(session, NULL, 0, in, 4, NULL, 0));
	EXPECT(CKR_OK, l->verify.next(session, NULL, 0, in + 4, 5, signature, 32));
	EXPECT(CKR_OK, l->verify.final(session));
	EXPECT(CKR_OK, l->verify_signature_init(session, &hmac_mech, mac, signature, 32));
	EXPECT(CKR_OK, l->verify_signature_update(session, in, 9));
	EXPECT(CKR_OK, l->verify_signature_final(session));
	EXPECT(CKR_OK, l->verify_signature_init(session, &hmac_mech, mac, signature, 32));
	EXPECT(CKR_SIGNATURE_INVALID, l->verify_signature(session, in, 8));
}

/* ---- sessions ---- */

static void
test_sessions(char *pin)
{
	CK_FLAGS flags = 77;
	CK_BYTE out[32];
	CK_ULONG len = sizeof(out);
	CK_INFO info;

	EXPECT(CKR_OK, f->C_GetInfo(&info));
	TRUE_THAT(info.cryptokiVersion.major == 3 && info.cryptokiVersion.minor == 2);
	EXPECT(CKR_OK, l->validation_flags(session, CKS_LAST_VALIDATION_OK, &flags));
	TRUE_THAT(flags == 0);
	EXPECT(CKR_ARGUMENTS_BAD, l->validation_flags(session, 5, &flags));
	EXPECT(CKR_FUNCTION_NOT_SUPPORTED, l->async_complete(session, NULL, NULL));
	EXPECT(CKR_FUNCTION_NOT_PARALLEL, f->C_GetFunctionStatus(session));
	/* a logout ends what uses a private key */
	sign_once();
	EXPECT(CKR_OK, f->C_SignInit(session, &hmac_mech, mac));
	EXPECT(CKR_OK, f->C_Logout(session));
	EXPECT(CKR_OPERATION_NOT_INITIALIZED, f->C_Sign(session, out, 1, out, &len));
	EXPECT(CKR_ARGUMENTS_BAD, l->login_user(session, CKU_USER, (CK_UTF8CHAR *)pin, strlen(pin), (CK_UTF8CHAR *)"bob", 3));
	EXPECT(CKR_OK, l->login_user(session, CKU_USER, (CK_UTF8CHAR *)pin, strlen(pin), NULL, 0));
}

/* ---- which mechanisms a list tells of ---- */

static CK_ULONG
listed(CK_FUNCTION_LIST *from, CK_MECHANISM_TYPE wanted, bool *found)
{
	CK_MECHANISM_TYPE types[512];
	CK_SESSION_INFO info;
	CK_ULONG n = 512;

	*found = false;
	NEED(f->C_GetSessionInfo(session, &info));
	NEED(from->C_GetMechanismList(info.slotID, types, &n));
	for (CK_ULONG i = 0; i < n; i++)
		*found |= types[i] == wanted;
	return n;
}

static void
test_old_lists_keep_to_the_mechanisms_of_their_time(const char *path)
{
	__typeof__(C_GetFunctionList) *get;
	CK_FUNCTION_LIST *old;
	CK_ULONG all, some;
	bool found;

	*(void **)&get = dlsym(dlopen(path, RTLD_NOW), "C_GetFunctionList");
	NEED(get(&old));
	all = listed(f, CKM_PUB_KEY_FROM_PRIV_KEY, &found);
	TRUE_THAT(found);
	some = listed(old, CKM_PUB_KEY_FROM_PRIV_KEY, &found);
	TRUE_THAT(!found);
	TRUE_THAT(some >= 100 && some < all);
	listed(old, CKM_HKDF_DERIVE, &found);
	TRUE_THAT(found);
}

int
main(int argc, char **argv)
{
	if (argc != 4)
		return 2;
	load_3_2(argv[1]);
	NEED(client_begin(argv[2], argv[3]));
	NEED(make_key(CKM_AES_KEY_GEN, 32, &aes));
	NEED(make_key(CKM_GENERIC_SECRET_KEY_GEN, 32, &mac));
	test_no_mechanism_cancels();
	test_hash_functions_look_at_no_parameter();
	test_an_error_ends_an_operation();
	test_a_search_is_cancelled();
	test_messages();
	test_signed_messages();
	test_sessions(argv[3]);
	test_old_lists_keep_to_the_mechanisms_of_their_time(argv[1]);
	client_end();
	printf("%u checks, %u failed\n", checks, failures);
	return failures != 0;
}
