/*
 * semantics_standard.h - single sentences of the standard that implementers pass over (part of semantics.c)
 *
 * Each check names the section; the numbers are those of PKCS#11 3.1, and of 3.2 where only that has it.
 */

static CK_OBJECT_CLASS secret_class = CKO_SECRET_KEY;
static CK_KEY_TYPE aes_type = CKK_AES;

static CK_BBOOL
bool_of(CK_OBJECT_HANDLE o, CK_ATTRIBUTE_TYPE type)
{
	CK_BBOOL b = 2;
	CK_ATTRIBUTE a = {type, &b, 1};

	NEED(f->C_GetAttributeValue(session, o, &a, 1));
	return b;
}

/* ---- 5.18.4: a key that is unwrapped is extractable unless the template says no; that makes no value readable ---- */

static void
unwrap_defaults(void)
{
	CK_MECHANISM kw = {CKM_AES_KEY_WRAP, NULL, 0};
	CK_ATTRIBUTE t[] = {ATTR_OF(CKA_CLASS, secret_class), ATTR_OF(CKA_KEY_TYPE, aes_type), ATTR_OF(CKA_EXTRACTABLE, no)};
	CK_OBJECT_HANDLE kek, key;
	CK_BYTE blob[64], again[64];
	CK_ULONG len = sizeof(blob), more = sizeof(again);

	begin();
	kek = aes_key(32, USAGE(CKA_WRAP, CKA_UNWRAP), &no);
	NEED(f->C_WrapKey(session, &kw, kek, aes_key(16, USAGE(CKA_ENCRYPT), &yes), blob, &len));
	NEED(f->C_UnwrapKey(session, &kw, kek, blob, len, t, 2, &key));
	CHECK(bool_of(key, CKA_EXTRACTABLE) == CK_TRUE && bool_of(key, CKA_SENSITIVE) == CK_TRUE);
	CHECK(bool_of(key, CKA_NEVER_EXTRACTABLE) == CK_FALSE && bool_of(key, CKA_ALWAYS_SENSITIVE) == CK_FALSE);
	WANT(CKR_OK, f->C_WrapKey(session, &kw, kek, key, again, &more));
	CHECK(more == len && memcmp(blob, again, len) == 0);
	WANT(CKR_ATTRIBUTE_SENSITIVE, f->C_GetAttributeValue(session, key, &(CK_ATTRIBUTE){CKA_VALUE, NULL, 0}, 1));
	NEED(f->C_UnwrapKey(session, &kw, kek, blob, len, t, 3, &key));
	CHECK(bool_of(key, CKA_EXTRACTABLE) == CK_FALSE);
}

/* ---- 4.6.2: trusted certificates cannot be modified ---- */

static CK_OBJECT_HANDLE
certificate(CK_BBOOL *token)
{
	CK_OBJECT_CLASS class = CKO_CERTIFICATE;
	CK_CERTIFICATE_TYPE type = CKC_X_509;
	CK_ATTRIBUTE t[] = {ATTR_OF(CKA_CLASS, class), ATTR_OF(CKA_CERTIFICATE_TYPE, type), {CKA_TOKEN, token, 1},
		{CKA_SUBJECT, (void *)"0", 2}, {CKA_VALUE, (void *)"not a real one", 14}, {CKA_LABEL, (void *)"root", 4}};
	CK_OBJECT_HANDLE o = 0;

	NEED(f->C_CreateObject(session, t, COUNT(t), &o));
	return o;
}

static void
trusted_certificates(void)
{
	CK_ATTRIBUTE trust[] = {ATTR_OF(CKA_TRUSTED, yes)}, distrust[] = {ATTR_OF(CKA_TRUSTED, no)};
	CK_ATTRIBUTE id[] = {{CKA_ID, (void *)"other", 5}};
	CK_OBJECT_HANDLE o, copy;

	begin();
	o = certificate(&yes);
	WANT(CKR_OK, f->C_SetAttributeValue(session, o, id, 1));
	WANT(CKR_ATTRIBUTE_READ_ONLY, f->C_SetAttributeValue(session, o, trust, 1));
	NEED(f->C_Logout(session));
	NEED(login(CKU_SO, sem_so_pin));
	NEED(f->C_SetAttributeValue(session, o, trust, 1));
	NEED(f->C_Logout(session));
	NEED(login(CKU_USER, sem_pin));
	WANT(CKR_ACTION_PROHIBITED, f->C_SetAttributeValue(session, o, id, 1));
	WANT(CKR_ACTION_PROHIBITED, f->C_SetAttributeValue(session, o, distrust, 1));
	CHECK(bool_of(o, CKA_TRUSTED) == CK_TRUE);
	/* nor can a modified copy pass for it */
	NEED(f->C_CopyObject(session, o, id, 1, &copy));
	CHECK(bool_of(copy, CKA_TRUSTED) == CK_FALSE);
	NEED(f->C_Logout(session));
	NEED(login(CKU_SO, sem_so_pin));
	WANT(CKR_OK, f->C_SetAttributeValue(session, o, distrust, 1));
	NEED(f->C_Logout(session));
	NEED(login(CKU_USER, sem_pin));
	WANT(CKR_OK, f->C_SetAttributeValue(session, o, id, 1));
}

/* ---- 4.9: a PIN that is found locked when a key asks for it logs the user out ---- */

static void
context_login_locked(void)
{
	static CK_BYTE p256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
	CK_MECHANISM gen = {CKM_EC_KEY_PAIR_GEN, NULL, 0}, ecdsa = {CKM_ECDSA, NULL, 0};
	CK_ATTRIBUTE pub_t[] = {ATTR_OF(CKA_EC_PARAMS, p256)};
	CK_ATTRIBUTE priv_t[] = {ATTR_OF(CKA_ALWAYS_AUTHENTICATE, yes), ATTR_OF(CKA_SIGN, yes)};
	CK_OBJECT_HANDLE pub, priv;
	CK_SESSION_INFO info;
	CK_BYTE out[64];
	CK_ULONG len = sizeof(out);

	begin();
	NEED(f->C_GenerateKeyPair(session, &gen, pub_t, 1, priv_t, 2, &pub, &priv));
	NEED(f->C_SignInit(session, &ecdsa, priv));
	for (int i = 0; i < 3; i++)
		WANT(CKR_PIN_INCORRECT, login(CKU_CONTEXT_SPECIFIC, "wrong-pin"));
	NEED(f->C_GetSessionInfo(session, &info));
	CHECK(info.state == CKS_RW_USER_FUNCTIONS); /* not yet known to be locked */
	WANT(CKR_PIN_LOCKED, login(CKU_CONTEXT_SPECIFIC, sem_pin));
	NEED(f->C_GetSessionInfo(session, &info));
	CHECK(info.state == CKS_RW_PUBLIC_SESSION);
	WANT(CKR_OPERATION_NOT_INITIALIZED, f->C_Sign(session, sixteen, 16, out, &len));
	WANT(CKR_PIN_LOCKED, login(CKU_USER, sem_pin));
}

/* ---- 3.6: CK_DATE is a date ---- */

static void
dates(void)
{
	static const struct {
		const char *date;
		CK_RV rv;
	} all[] = {{"20240229", CKR_OK}, {"20000229", CKR_OK}, {"20251231", CKR_OK}, {"", CKR_OK},
		{"20230229", CKR_ATTRIBUTE_VALUE_INVALID}, {"21000229", CKR_ATTRIBUTE_VALUE_INVALID},
		{"20250431", CKR_ATTRIBUTE_VALUE_INVALID}, {"20251301", CKR_ATTRIBUTE_VALUE_INVALID},
		{"20250100", CKR_ATTRIBUTE_VALUE_INVALID}, {"2025-1-1", CKR_ATTRIBUTE_VALUE_INVALID},
		{"2025010", CKR_ATTRIBUTE_VALUE_INVALID}};
	CK_OBJECT_HANDLE key;

	begin();
	key = aes_key(16, USAGE(CKA_ENCRYPT), &no);
	for (size_t i = 0; i < COUNT(all); i++) {
		CK_ATTRIBUTE t = {CKA_START_DATE, (void *)all[i].date, strlen(all[i].date)};

		WANT(all[i].rv, f->C_SetAttributeValue(session, key, &t, 1));
	}
}

/* ---- 3.2 6.13.7: GMAC takes CK_GCM_PARAMS, which tell the length of the tag; 2.40 to 3.1: the IV alone ---- */

#define GMAC 0x108EUL

/* NIST CAVP gcmEncryptExtIV128.rsp, no plaintext: with it GCM is GMAC. */
static void
gmac_parameters(void)
{
	static CK_BYTE value[16] = {0x77, 0xbe, 0x63, 0x70, 0x89, 0x71, 0xc4, 0xe2, 0x40, 0xd1, 0xcb, 0x79, 0xe8, 0xd7, 0x7f, 0xeb};
	static CK_BYTE iv[12] = {0xe0, 0xe0, 0x0f, 0x19, 0xfe, 0xd7, 0xba, 0x01, 0x36, 0xa7, 0x97, 0xf3};
	static CK_BYTE data[16] = {0x7a, 0x43, 0xec, 0x1d, 0x9c, 0x0a, 0x5a, 0x78, 0xa0, 0xb1, 0x65, 0x33, 0xa6, 0x21, 0x3c, 0xab};
	static const CK_BYTE tag[16] = {0x20, 0x9f, 0xcc, 0x8d, 0x36, 0x75, 0xed, 0x93, 0x8e, 0x9c, 0x71, 0x66, 0x70, 0x9d, 0xd9, 0x46};
	CK_ATTRIBUTE t[] = {ATTR_OF(CKA_CLASS, secret_class), ATTR_OF(CKA_KEY_TYPE, aes_type), ATTR_OF(CKA_SIGN, yes),
		ATTR_OF(CKA_VERIFY, yes), ATTR_OF(CKA_VALUE, value)};
	CK_GCM_PARAMS p = {iv, sizeof(iv), 8 * sizeof(iv), NULL, 0, 128};
	CK_MECHANISM alone = {GMAC, iv, sizeof(iv)}, full = {GMAC, &p, sizeof(p)};
	CK_OBJECT_HANDLE key;
	CK_BYTE out[32];
	CK_ULONG len = sizeof(out);

	begin();
	NEED(f->C_CreateObject(session, t, COUNT(t), &key));
	NEED(f->C_SignInit(session, &alone, key));
	NEED(f->C_Sign(session, data, sizeof(data), out, &len));
	CHECK(len == 16 && memcmp(out, tag, 16) == 0);
	for (p.ulTagBits = 96; p.ulTagBits <= 128; p.ulTagBits += 8) {
		WANT(CKR_OK, f->C_SignInit(session, &full, key));
		len = sizeof(out);
		WANT(CKR_OK, f->C_Sign(session, data, sizeof(data), out, &len));
		CHECK(len == p.ulTagBits / 8 && memcmp(out, tag, len) == 0);
		WANT(CKR_OK, f->C_VerifyInit(session, &full, key));
		WANT(CKR_OK, f->C_Verify(session, data, sizeof(data), out, len));
	}
	p.ulTagBits = 129;
	WANT(CKR_MECHANISM_PARAM_INVALID, f->C_SignInit(session, &full, key));
	p = (CK_GCM_PARAMS){iv, 0, 0, NULL, 0, 128};
	WANT(CKR_MECHANISM_PARAM_INVALID, f->C_SignInit(session, &full, key));
	p = (CK_GCM_PARAMS){iv, sizeof(iv), 96, data, sizeof(data), 128}; /* what is signed comes with C_Sign */
	WANT(CKR_MECHANISM_PARAM_INVALID, f->C_SignInit(session, &full, key));
}

/* ---- 4.1.1: CKA_EC_POINT of an Edwards key is a point, or the template has an invalid value ---- */

#ifndef CKK_EC_EDWARDS
#define CKK_EC_EDWARDS 0x40UL
#endif

/* y = 2 has no x on either curve, 3 has one (RFC 8032 5.1.3, 5.2.3); y = 1 has x = 0, which is not negative. */
static void
edwards_points(void)
{
	static CK_BYTE oids[2][5] = {{0x06, 0x03, 0x2b, 0x65, 0x70}, {0x06, 0x03, 0x2b, 0x65, 0x71}};
	static const struct {
		CK_BYTE first, last;
		CK_RV rv;
	} all[] = {{2, 0, CKR_ATTRIBUTE_VALUE_INVALID}, {2, 0x80, CKR_ATTRIBUTE_VALUE_INVALID}, {3, 0, CKR_OK},
		{3, 0x80, CKR_OK}, {1, 0x80, CKR_ATTRIBUTE_VALUE_INVALID}};
	CK_OBJECT_CLASS class = CKO_PUBLIC_KEY;
	CK_KEY_TYPE type = CKK_EC_EDWARDS;
	CK_BYTE point[59];
	CK_OBJECT_HANDLE o;

	begin();
	for (size_t i = 0; i < 2 * COUNT(all); i++) {
		CK_BYTE len = i % 2 == 0 ? 32 : 57;
		CK_ATTRIBUTE t[] = {ATTR_OF(CKA_CLASS, class), ATTR_OF(CKA_KEY_TYPE, type),
			{CKA_EC_PARAMS, oids[i % 2], 5}, {CKA_EC_POINT, point, len + 2UL}};

		memset(point, 0, sizeof(point));
		point[0] = 0x04;
		point[1] = len;
		point[2] = all[i / 2].first;
		point[len + 1] = all[i / 2].last;
		WANT(all[i / 2].rv, f->C_CreateObject(session, t, COUNT(t), &o));
	}
	memset(point + 2, 0xff, 57); /* beyond the prime */
	WANT(CKR_ATTRIBUTE_VALUE_INVALID, f->C_CreateObject(session, (CK_ATTRIBUTE[]){ATTR_OF(CKA_CLASS, class),
		ATTR_OF(CKA_KEY_TYPE, type), {CKA_EC_PARAMS, oids[1], 5}, {CKA_EC_POINT, point, 59}}, 4, &o));
}

/* ---- 5.9.4: a part of a message that is an error ends the message, not the operation ---- */

struct gcm_message {
	CK_BYTE *iv;
	CK_ULONG iv_len, fixed_bits, generator;
	CK_BYTE *tag;
	CK_ULONG tag_bits;
};

typedef CK_RV (*message_init)(CK_SESSION_HANDLE, CK_MECHANISM *, CK_OBJECT_HANDLE);
typedef CK_RV (*message_begin)(CK_SESSION_HANDLE, void *, CK_ULONG, CK_BYTE *, CK_ULONG);
typedef CK_RV (*message_next)(CK_SESSION_HANDLE, void *, CK_ULONG, CK_BYTE *, CK_ULONG, CK_BYTE *, CK_ULONG *, CK_FLAGS);

static void *
exported(const char *name)
{
	void *module = dlopen(sem_module, RTLD_NOW | RTLD_NOLOAD), *found = dlsym(module, name);

	if (found == NULL) {
		fprintf(stderr, "%s is not there\n", name);
		exit(1);
	}
	return found;
}

static void
message_part_errors(void)
{
	CK_BYTE iv[12] = {1}, tag[16], out[32];
	struct gcm_message p = {iv, sizeof(iv), 0, 0, tag, 128};
	CK_MECHANISM gcm = {CKM_AES_GCM, NULL, 0};
	CK_ULONG len = sizeof(out);
	CK_OBJECT_HANDLE key;
	message_init init;
	message_begin first;
	message_next next;

	*(void **)&init = exported("C_MessageEncryptInit");
	*(void **)&first = exported("C_EncryptMessageBegin");
	*(void **)&next = exported("C_EncryptMessageNext");
	begin();
	key = aes_key(16, USAGE(CKA_ENCRYPT), &no);
	NEED(init(session, &gcm, key));
	for (int i = 0; i < 5; i++) {
		WANT(CKR_OK, first(session, &p, sizeof(p), NULL, 0));
		len = sizeof(out);
		switch (i) {
		case 0: /* no parameter */
			WANT(CKR_MECHANISM_PARAM_INVALID, next(session, NULL, 0, sixteen, 16, out, &len, 0));
			break;
		case 1: /* one that is none */
			WANT(CKR_MECHANISM_PARAM_INVALID, next(session, &p, sizeof(p) - 1, sixteen, 16, out, &len, 0));
			break;
		case 2: /* a flag that there is not */
			WANT(CKR_ARGUMENTS_BAD, next(session, &p, sizeof(p), sixteen, 16, out, &len, 8));
			break;
		case 3: /* no data where there should be some */
			WANT(CKR_ARGUMENTS_BAD, next(session, &p, sizeof(p), NULL, 16, out, &len, 1));
			break;
		default: /* too small is no such error */
			len = 15;
			WANT(CKR_BUFFER_TOO_SMALL, next(session, &p, sizeof(p), sixteen, 16, out, &len, 1));
			WANT(CKR_OK, next(session, &p, sizeof(p), sixteen, 16, out, &len, 1));
			continue;
		}
		len = sizeof(out);
		WANT(CKR_OPERATION_NOT_INITIALIZED, next(session, &p, sizeof(p), sixteen, 16, out, &len, 0));
	}
}

/* ---- 5.14.4, 5.16.4: the same of messages that are signed and verified ---- */

static void
message_sign_part_errors(void)
{
	static CK_BYTE value[32] = "a key for messages";
	CK_KEY_TYPE type = CKK_GENERIC_SECRET;
	CK_ATTRIBUTE t[] = {ATTR_OF(CKA_CLASS, secret_class), ATTR_OF(CKA_KEY_TYPE, type), ATTR_OF(CKA_SIGN, yes),
		ATTR_OF(CKA_VERIFY, yes), ATTR_OF(CKA_VALUE, value)};
	static const char *const names[2][3] = {{"C_MessageSignInit", "C_SignMessageBegin", "C_SignMessageNext"},
		{"C_MessageVerifyInit", "C_VerifyMessageBegin", "C_VerifyMessageNext"}};
	CK_MECHANISM hmac = {CKM_SHA256_HMAC, NULL, 0};
	CK_OBJECT_HANDLE key;
	message_init init;
	CK_RV (*first)(CK_SESSION_HANDLE, void *, CK_ULONG);
	/* the last two are no length and no signature: more parts follow */
	CK_RV (*next)(CK_SESSION_HANDLE, void *, CK_ULONG, CK_BYTE *, CK_ULONG, CK_BYTE *, CK_ULONG_PTR);

	begin();
	NEED(f->C_CreateObject(session, t, COUNT(t), &key));
	for (int i = 0; i < 2; i++) {
		*(void **)&init = exported(names[i][0]);
		*(void **)&first = exported(names[i][1]);
		*(void **)&next = exported(names[i][2]);
		NEED(init(session, &hmac, key));
		WANT(CKR_OK, first(session, NULL, 0));
		WANT(CKR_MECHANISM_PARAM_INVALID, next(session, value, 3, value, 1, NULL, NULL));
		WANT(CKR_OPERATION_NOT_INITIALIZED, next(session, NULL, 0, value, 1, NULL, NULL));
		WANT(CKR_OK, first(session, NULL, 0));
		WANT(CKR_ARGUMENTS_BAD, next(session, NULL, 0, NULL, 1, NULL, NULL));
		WANT(CKR_OPERATION_NOT_INITIALIZED, next(session, NULL, 0, value, 1, NULL, NULL));
		WANT(CKR_OK, first(session, NULL, 0));
		WANT(CKR_OK, next(session, NULL, 0, value, 1, NULL, NULL));
	}
}

/* ---- 6.14 (3.2: 6.16): CKM_AES_KEY_WRAP fills up the encoding of a private key, whatever its length ---- */

static void
key_wrap_private(void)
{
	static CK_BYTE oids[2][10] = {{0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07},
		{0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22}};
	CK_MECHANISM gen = {CKM_EC_KEY_PAIR_GEN, NULL, 0}, kw = {CKM_AES_KEY_WRAP, NULL, 0}, ecdsa = {CKM_ECDSA, NULL, 0};
	CK_ATTRIBUTE pub_t[] = {{CKA_EC_PARAMS, NULL, 0}, ATTR_OF(CKA_VERIFY, yes)};
	CK_ATTRIBUTE priv_t[] = {ATTR_OF(CKA_SIGN, yes), ATTR_OF(CKA_EXTRACTABLE, yes), ATTR_OF(CKA_SENSITIVE, yes)};
	CK_OBJECT_CLASS class = CKO_PRIVATE_KEY;
	CK_KEY_TYPE type = CKK_EC;
	CK_ATTRIBUTE t[] = {ATTR_OF(CKA_CLASS, class), ATTR_OF(CKA_KEY_TYPE, type), ATTR_OF(CKA_SIGN, yes)};
	CK_OBJECT_HANDLE kek, pub, priv, back;
	CK_BYTE blob[512], sig[128];
	CK_ULONG len, asked, sig_len;

	begin();
	kek = aes_key(32, USAGE(CKA_WRAP, CKA_UNWRAP), &no);
	for (int i = 0; i < 2; i++) {
		pub_t[0] = (CK_ATTRIBUTE){CKA_EC_PARAMS, oids[i], oids[i][1] + 2UL};
		NEED(f->C_GenerateKeyPair(session, &gen, pub_t, 2, priv_t, 3, &pub, &priv));
		WANT(CKR_OK, f->C_WrapKey(session, &kw, kek, priv, NULL, &asked));
		len = sizeof(blob);
		WANT(CKR_OK, f->C_WrapKey(session, &kw, kek, priv, blob, &len));
		CHECK(len == asked && len % 8 == 0);
		WANT(CKR_OK, f->C_UnwrapKey(session, &kw, kek, blob, len, t, 3, &back));
		sig_len = sizeof(sig);
		WANT(CKR_OK, f->C_SignInit(session, &ecdsa, back));
		WANT(CKR_OK, f->C_Sign(session, sixteen, 16, sig, &sig_len));
		WANT(CKR_OK, f->C_VerifyInit(session, &ecdsa, pub));
		WANT(CKR_OK, f->C_Verify(session, sixteen, 16, sig, sig_len));
	}
}

/* ---- 6.3: representations of curves and points ---- */

static void
curve_representations(void)
{
	static CK_BYTE explicit[] = {0x30, 0x03, 0x02, 0x01, 0x01}, implicit[] = {0x05, 0x00},
		unknown[] = {0x06, 0x03, 0x2b, 0x65, 0x01};
	static const CK_FLAGS both = 0x01000000UL | 0x02000000UL; /* CKF_EC_UNCOMPRESS, CKF_EC_COMPRESS */
	CK_MECHANISM gen = {CKM_EC_KEY_PAIR_GEN, NULL, 0};
	CK_ATTRIBUTE t[] = {ATTR_OF(CKA_EC_PARAMS, explicit)};
	CK_OBJECT_HANDLE pub, priv;
	CK_MECHANISM_INFO info;

	begin();
	WANT(CKR_DOMAIN_PARAMS_INVALID, f->C_GenerateKeyPair(session, &gen, t, 1, NULL, 0, &pub, &priv));
	t[0] = (CK_ATTRIBUTE)ATTR_OF(CKA_EC_PARAMS, implicit);
	WANT(CKR_DOMAIN_PARAMS_INVALID, f->C_GenerateKeyPair(session, &gen, t, 1, NULL, 0, &pub, &priv));
	t[0] = (CK_ATTRIBUTE)ATTR_OF(CKA_EC_PARAMS, unknown);
	WANT(CKR_CURVE_NOT_SUPPORTED, f->C_GenerateKeyPair(session, &gen, t, 1, NULL, 0, &pub, &priv));
	/* points are taken in both forms */
	NEED(f->C_GetMechanismInfo(begin_slot(sem_label), CKM_ECDSA, &info));
	CHECK((info.flags & both) == both);
}

static const struct check checks_of_the_standard[] = {
	{"key-wrap-private", key_wrap_private},
	{"curve-representations", curve_representations},
	{"message-sign-part-errors", message_sign_part_errors},
	{"message-part-errors", message_part_errors},
	{"edwards-points", edwards_points},
	{"unwrap-defaults", unwrap_defaults},
	{"trusted-certificates", trusted_certificates},
	{"context-login-locked", context_login_locked},
	{"dates", dates},
	{"gmac-parameters", gmac_parameters},
	{NULL, NULL},
};
