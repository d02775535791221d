#include "wire.h"

/* One row per call. Sorted by number; unused numbers between the blocks have no row. */
static const struct wire_call calls[] = {
	/* protocol version, flags (0) -> protocol version, daemon version (text), session limit */
	{WIRE_HELLO, "Hello", "uu", "ubu"},
	{WIRE_GET_SLOT_LIST, "C_GetSlotList", "y", "h"},
	/* description, manufacturer, flags, hardware and firmware version */
	{WIRE_GET_SLOT_INFO, "C_GetSlotInfo", "u", "bbuyyyy"},
	/* label, manufacturer, model, serial, flags, ten counts in the structure's order, hardware and
	 * firmware version, time */
	{WIRE_GET_TOKEN_INFO, "C_GetTokenInfo", "u", "bbbbuhyyyyb"},
	{WIRE_GET_MECHANISM_LIST, "C_GetMechanismList", "u", "h"},
	{WIRE_GET_MECHANISM_INFO, "C_GetMechanismInfo", "uu", "uuu"},
	{WIRE_INIT_TOKEN, "C_InitToken", "ubb", ""},
	{WIRE_INIT_PIN, "C_InitPIN", "ub", ""},
	{WIRE_SET_PIN, "C_SetPIN", "ubb", ""},
	{WIRE_OPEN_SESSION, "C_OpenSession", "uu", "u"},
	{WIRE_CLOSE_SESSION, "C_CloseSession", "u", ""},
	{WIRE_CLOSE_ALL_SESSIONS, "C_CloseAllSessions", "u", ""},
	{WIRE_GET_SESSION_INFO, "C_GetSessionInfo", "u", "uuuu"},
	{WIRE_GET_OPERATION_STATE, "C_GetOperationState", "uo", "O"},
	{WIRE_SET_OPERATION_STATE, "C_SetOperationState", "ubuu", ""},
	{WIRE_LOGIN, "C_Login", "uub", ""},
	{WIRE_LOGOUT, "C_Logout", "u", ""},
	{WIRE_CREATE_OBJECT, "C_CreateObject", "ua", "u"},
	{WIRE_COPY_OBJECT, "C_CopyObject", "uua", "u"},
	{WIRE_DESTROY_OBJECT, "C_DestroyObject", "uu", ""},
	{WIRE_GET_OBJECT_SIZE, "C_GetObjectSize", "uu", "u"},
	{WIRE_GET_ATTRIBUTE_VALUE, "C_GetAttributeValue", "uuq", "r"},
	{WIRE_SET_ATTRIBUTE_VALUE, "C_SetAttributeValue", "uua", ""},
	{WIRE_FIND_OBJECTS_INIT, "C_FindObjectsInit", "ua", ""},
	{WIRE_FIND_OBJECTS, "C_FindObjects", "uu", "h"},
	{WIRE_FIND_OBJECTS_FINAL, "C_FindObjectsFinal", "u", ""},
	/* session, mechanism, key */
	{WIRE_ENCRYPT_INIT, "C_EncryptInit", "umu", ""},
	{WIRE_ENCRYPT, "C_Encrypt", "ubo", "O"},
	{WIRE_ENCRYPT_UPDATE, "C_EncryptUpdate", "ubo", "O"},
	{WIRE_ENCRYPT_FINAL, "C_EncryptFinal", "uo", "O"},
	{WIRE_DECRYPT_INIT, "C_DecryptInit", "umu", ""},
	{WIRE_DECRYPT, "C_Decrypt", "ubo", "O"},
	{WIRE_DECRYPT_UPDATE, "C_DecryptUpdate", "ubo", "O"},
	{WIRE_DECRYPT_FINAL, "C_DecryptFinal", "uo", "O"},
	{WIRE_DIGEST_INIT, "C_DigestInit", "um", ""},
	{WIRE_DIGEST, "C_Digest", "ubo", "O"},
	{WIRE_DIGEST_UPDATE, "C_DigestUpdate", "ub", ""},
	{WIRE_DIGEST_KEY, "C_DigestKey", "uu", ""},
	{WIRE_DIGEST_FINAL, "C_DigestFinal", "uo", "O"},
	{WIRE_SIGN_INIT, "C_SignInit", "umu", ""},
	{WIRE_SIGN, "C_Sign", "ubo", "Oy"},
	{WIRE_SIGN_UPDATE, "C_SignUpdate", "ub", ""},
	{WIRE_SIGN_FINAL, "C_SignFinal", "uo", "Oy"},
	{WIRE_SIGN_RECOVER_INIT, "C_SignRecoverInit", "umu", ""},
	{WIRE_SIGN_RECOVER, "C_SignRecover", "ubo", "O"},
	{WIRE_VERIFY_INIT, "C_VerifyInit", "umu", ""},
	{WIRE_VERIFY, "C_Verify", "ubb", ""},
	{WIRE_VERIFY_UPDATE, "C_VerifyUpdate", "ub", ""},
	{WIRE_VERIFY_FINAL, "C_VerifyFinal", "ub", ""},
	{WIRE_VERIFY_RECOVER_INIT, "C_VerifyRecoverInit", "umu", ""},
	{WIRE_VERIFY_RECOVER, "C_VerifyRecover", "ubo", "O"},
	{WIRE_DIGEST_ENCRYPT_UPDATE, "C_DigestEncryptUpdate", "ubo", "O"},
	{WIRE_DECRYPT_DIGEST_UPDATE, "C_DecryptDigestUpdate", "ubo", "O"},
	{WIRE_SIGN_ENCRYPT_UPDATE, "C_SignEncryptUpdate", "ubo", "O"},
	{WIRE_DECRYPT_VERIFY_UPDATE, "C_DecryptVerifyUpdate", "ubo", "O"},
	{WIRE_GENERATE_KEY, "C_GenerateKey", "uma", "u"},
	/* session, mechanism, public template, private template -> public, private handle */
	{WIRE_GENERATE_KEY_PAIR, "C_GenerateKeyPair", "umaa", "uu"},
	/* session, mechanism, wrapping key, key */
	{WIRE_WRAP_KEY, "C_WrapKey", "umuuo", "OP"},
	{WIRE_UNWRAP_KEY, "C_UnwrapKey", "umuba", "u"},
	{WIRE_DERIVE_KEY, "C_DeriveKey", "umua", "u"},
	{WIRE_SEED_RANDOM, "C_SeedRandom", "ub", ""},
	{WIRE_GENERATE_RANDOM, "C_GenerateRandom", "uu", "b"},
	{WIRE_WAIT_FOR_SLOT_EVENT, "C_WaitForSlotEvent", "u", "u"},
	/* the items of the Init, then those of the one-shot call without the session */
	{WIRE_ENCRYPT_NOW, "EncryptNow", "umubo", "O"},
	{WIRE_DECRYPT_NOW, "DecryptNow", "umubo", "O"},
	{WIRE_DIGEST_NOW, "DigestNow", "umbo", "O"},
	{WIRE_SIGN_NOW, "SignNow", "umubo", "Oy"},
	{WIRE_VERIFY_NOW, "VerifyNow", "umubb", ""},
	/* session, template -> the first handles, 1 if these are all and the search has ended */
	{WIRE_FIND_NOW, "FindNow", "ua", "hy"},
	/* as C_DeriveKey -> handle (0: all are in the parameter), what was written to the parameter */
	{WIRE_DERIVE_KEYS, "DeriveKeys", "umua", "uP"},

	/* session, user type, PIN, user name */
	{WIRE_LOGIN_USER, "C_LoginUser", "uubb", ""},
	{WIRE_SESSION_CANCEL, "C_SessionCancel", "uu", ""},
	{WIRE_MESSAGE_ENCRYPT_INIT, "C_MessageEncryptInit", "umu", ""},
	/* session, message parameter, associated data, data, room */
	{WIRE_ENCRYPT_MESSAGE, "C_EncryptMessage", "upbbo", "OP"},
	{WIRE_ENCRYPT_MESSAGE_BEGIN, "C_EncryptMessageBegin", "upb", "P"},
	/* session, message parameter, data, 1 for the last part, room */
	{WIRE_ENCRYPT_MESSAGE_NEXT, "C_EncryptMessageNext", "upbyo", "OP"},
	{WIRE_MESSAGE_ENCRYPT_FINAL, "C_MessageEncryptFinal", "u", ""},
	{WIRE_MESSAGE_DECRYPT_INIT, "C_MessageDecryptInit", "umu", ""},
	{WIRE_DECRYPT_MESSAGE, "C_DecryptMessage", "upbbo", "OP"},
	{WIRE_DECRYPT_MESSAGE_BEGIN, "C_DecryptMessageBegin", "upb", "P"},
	{WIRE_DECRYPT_MESSAGE_NEXT, "C_DecryptMessageNext", "upbyo", "OP"},
	{WIRE_MESSAGE_DECRYPT_FINAL, "C_MessageDecryptFinal", "u", ""},
	/* signatures have no message parameter */
	{WIRE_MESSAGE_SIGN_INIT, "C_MessageSignInit", "umu", ""},
	{WIRE_SIGN_MESSAGE, "C_SignMessage", "ubo", "O"},
	{WIRE_SIGN_MESSAGE_BEGIN, "C_SignMessageBegin", "u", ""},
	{WIRE_SIGN_MESSAGE_NEXT, "C_SignMessageNext", "ubyo", "O"},
	{WIRE_MESSAGE_SIGN_FINAL, "C_MessageSignFinal", "u", ""},
	{WIRE_MESSAGE_VERIFY_INIT, "C_MessageVerifyInit", "umu", ""},
	{WIRE_VERIFY_MESSAGE, "C_VerifyMessage", "ubb", ""},
	{WIRE_VERIFY_MESSAGE_BEGIN, "C_VerifyMessageBegin", "u", ""},
	/* session, data, signature (NULL: more parts follow) */
	{WIRE_VERIFY_MESSAGE_NEXT, "C_VerifyMessageNext", "ubb", ""},
	{WIRE_MESSAGE_VERIFY_FINAL, "C_MessageVerifyFinal", "u", ""},
	/* session, mechanism, key, signature */
	{WIRE_VERIFY_SIGNATURE_INIT, "C_VerifySignatureInit", "umub", ""},
	{WIRE_VERIFY_SIGNATURE, "C_VerifySignature", "ub", ""},
	{WIRE_VERIFY_SIGNATURE_UPDATE, "C_VerifySignatureUpdate", "ub", ""},
	{WIRE_VERIFY_SIGNATURE_FINAL, "C_VerifySignatureFinal", "u", ""},
	/* session, type -> flags */
	{WIRE_GET_SESSION_VALIDATION_FLAGS, "C_GetSessionValidationFlags", "uu", "u"},
	/* session, mechanism, wrapping key, key, associated data, room */
	{WIRE_WRAP_KEY_AUTHENTICATED, "C_WrapKeyAuthenticated", "uMuubo", "OP"},
	/* session, mechanism, unwrapping key, wrapped key, template, associated data */
	{WIRE_UNWRAP_KEY_AUTHENTICATED, "C_UnwrapKeyAuthenticated", "uMubab", "u"},
	/* session, mechanism, public key, template, room -> ciphertext, key */
	{WIRE_ENCAPSULATE_KEY, "C_EncapsulateKey", "umuao", "Ou"},
	/* session, mechanism, private key, template, ciphertext -> key */
	{WIRE_DECAPSULATE_KEY, "C_DecapsulateKey", "umuab", "u"},

	{WIRE_T_STATUS, "T_Status", "", "b"},
	/* slot, PIN, seconds until it locks again (0: until locked) */
	{WIRE_T_UNLOCK, "T_Unlock", "ubu", ""},
	{WIRE_T_LOCK, "T_Lock", "u", ""},
	{WIRE_T_RELOAD, "T_Reload", "", ""},
	/* slot, user type, PIN */
	{WIRE_T_RESTORE_ACCEPT, "T_RestoreAccept", "uub", ""},
	/* slot, SO PIN */
	{WIRE_T_DELETE_TOKEN, "T_DeleteToken", "ub", ""},
	{WIRE_T_CHECK, "T_Check", "u", "b"},
	{WIRE_T_AUDIT, "T_Audit", "uu", "b"},
	/* slot, SO PIN, compat */
	{WIRE_T_POLICY, "T_Policy", "uby", ""},
};

const struct wire_call *
wire_call(uint32_t call)
{
	size_t lo = 0, hi = sizeof(calls) / sizeof(calls[0]);

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (calls[mid].call == call)
			return &calls[mid];
		if (calls[mid].call < call)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

static void
put_u32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
	p[2] = (uint8_t)(v >> 16);
	p[3] = (uint8_t)(v >> 24);
}

static uint32_t
get_u32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

void
wire_put_header(uint8_t out[WIRE_HEADER], const struct wire_header *h)
{
	put_u32(out, h->length);
	put_u32(out + 4, h->call);
	put_u32(out + 8, h->seq);
	put_u32(out + 12, h->rv);
}

void
wire_get_header(const uint8_t in[WIRE_HEADER], struct wire_header *h)
{
	h->length = get_u32(in);
	h->call = get_u32(in + 4);
	h->seq = get_u32(in + 8);
	h->rv = get_u32(in + 12);
}

unsigned long
wire_ioctl(size_t size, size_t *room)
{
	static const unsigned long requests[WIRE_IOCTL_CLASSES] = {
		WIRE_IOCTL_256, WIRE_IOCTL_4K, WIRE_IOCTL_16K};

	for (int i = 0; i < WIRE_IOCTL_CLASSES; i++) {
		if (size <= _IOC_SIZE(requests[i])) {
			*room = _IOC_SIZE(requests[i]);
			return requests[i];
		}
	}
	*room = 0;
	return 0;
}
