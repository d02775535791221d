/*
 * semantics_client.h - the checks of what real clients ask of a module, and of the policy (part of semantics.c)
 */

#ifndef CKO_PROFILE
#define CKO_PROFILE 9UL
#endif
#ifndef CKA_PROFILE_ID
#define CKA_PROFILE_ID 0x601UL
#endif
#ifndef CKA_UNIQUE_ID
#define CKA_UNIQUE_ID 4UL
#endif
#ifndef CKA_PUBLIC_KEY_INFO
#define CKA_PUBLIC_KEY_INFO 0x129UL
#endif

/* ---- SunPKCS11 ---- */

static void
java_templates(void)
{
	static CK_BYTE p256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
	CK_MECHANISM gen = {CKM_EC_KEY_PAIR_GEN, NULL, 0}, ecdsa = {CKM_ECDSA, NULL, 0}, gcm = {CKM_AES_GCM, NULL, 0},
		hmac = {CKM_SHA512_HMAC, NULL, 0};
	CK_OBJECT_CLASS secret = CKO_SECRET_KEY;
	CK_KEY_TYPE generic = CKK_GENERIC_SECRET;
	CK_ATTRIBUTE pub_t[] = {ATTR_OF(CKA_TOKEN, yes), ATTR_OF(CKA_EC_PARAMS, p256)};
	CK_ATTRIBUTE priv_t[] = {ATTR_OF(CKA_TOKEN, yes)}, id = {CKA_ID, (void *)"pair", 4};
	CK_ATTRIBUTE secret_t[] = {ATTR_OF(CKA_CLASS, secret), ATTR_OF(CKA_KEY_TYPE, generic), ATTR_OF(CKA_TOKEN, no),
		{CKA_VALUE, sixteen, 16}};
	CK_OBJECT_HANDLE pub, priv, key;
	CK_MECHANISM_TYPE mechs[512];
	CK_MECHANISM_INFO info;
	CK_ULONG n = 512, len = 64;
	CK_BYTE out[128], two[4];
	CK_ATTRIBUTE read = {CKA_ID, two, sizeof(two)};

	begin();
	NEED(f->C_GetMechanismList(begin_slot(sem_label), mechs, &n));
	for (CK_ULONG i = 0; i < n; i++)
		WANT(CKR_OK, f->C_GetMechanismInfo(begin_slot(sem_label), mechs[i], &info));
	/* a private EC key of which only CKA_TOKEN is said signs and is private */
	NEED(f->C_GenerateKeyPair(session, &gen, pub_t, 2, priv_t, 1, &pub, &priv));
	NEED(f->C_SignInit(session, &ecdsa, priv));
	WANT(CKR_OK, f->C_Sign(session, sixteen, 16, out, &len));
	/* pairs are matched by an id that is set afterwards */
	WANT(CKR_OK, f->C_SetAttributeValue(session, priv, &id, 1));
	NEED(f->C_GetAttributeValue(session, priv, &read, 1));
	CHECK(read.ulValueLen == 4 && memcmp(two, "pair", 4) == 0);
	/* a secret without usages makes a MAC, also with a key shorter than the hash */
	NEED(f->C_CreateObject(session, secret_t, 4, &key));
	NEED(f->C_SignInit(session, &hmac, key));
	len = sizeof(out);
	WANT(CKR_OK, f->C_Sign(session, sixteen, 16, out, &len));
	/* GCM parameters of another length are refused, never guessed at */
	key = aes_key(16, USAGE(CKA_ENCRYPT, CKA_DECRYPT), &no);
	gcm.pParameter = out;
	gcm.ulParameterLen = sizeof(CK_ULONG) * 5;
	memset(out, 0, sizeof(out));
	CK_RV rv = f->C_EncryptInit(session, &gcm, key);
	CHECK(rv == CKR_MECHANISM_PARAM_INVALID || rv == CKR_ARGUMENTS_BAD);
}

/* ---- ssh-keygen -D, p11tool: what is public is readable without login ---- */

static void
public_without_login(void)
{
	CK_OBJECT_HANDLE pub, priv, found[4];
	CK_BYTE info[512], id[16], unique[64];
	CK_ATTRIBUTE t[] = {{CKA_PUBLIC_KEY_INFO, info, sizeof(info)}, {CKA_ID, id, sizeof(id)},
		{CKA_EC_POINT, info + 256, 256}, {CKA_UNIQUE_ID, unique, sizeof(unique)}};
	CK_ULONG n;

	begin();
	NEED(client_pair("readable", &pub, &priv));
	NEED(f->C_Logout(session));
	NEED(client_find_label("readable", found, 4, &n));
	CHECK(n == 1 && found[0] == pub);
	NEED(f->C_GetAttributeValue(session, pub, t, COUNT(t)));
	CHECK(t[0].ulValueLen == 91 && t[1].ulValueLen == 8 && t[2].ulValueLen == 67 && t[3].ulValueLen == 36);
	CHECK(client_verify(pub, info) == CKR_SIGNATURE_INVALID);
}

/* ---- python-pkcs11, libp11: refusals leave nothing behind ---- */

static void
refusals_leave_nothing(void)
{
	CK_OBJECT_CLASS secret = CKO_SECRET_KEY;
	CK_KEY_TYPE aes = CKK_AES;
	CK_ATTRIBUTE t[] = {ATTR_OF(CKA_CLASS, secret), ATTR_OF(CKA_KEY_TYPE, aes), ATTR_OF(CKA_TOKEN, yes),
		{CKA_LABEL, (void *)"seventeen", 9}, {CKA_VALUE, (void *)"seventeen bytes..", 17}};
	CK_MECHANISM gen = {CKM_AES_KEY_GEN, NULL, 0};
	CK_ULONG len = 17;
	CK_ATTRIBUTE g[] = {ATTR_OF(CKA_VALUE_LEN, len), {CKA_LABEL, (void *)"seventeen", 9}};
	CK_OBJECT_HANDLE o;
	CK_RV rv;

	begin();
	WANT(CKR_ATTRIBUTE_VALUE_INVALID, f->C_CreateObject(session, t, 5, &o));
	rv = f->C_GenerateKey(session, &gen, g, 2, &o);
	CHECK(rv == CKR_ATTRIBUTE_VALUE_INVALID || rv == CKR_KEY_SIZE_RANGE);
	WANT(CKR_TEMPLATE_INCOMPLETE, f->C_CreateObject(session, t, 4, &o));
	CHECK(count_label("seventeen") == 0);
}

/* ---- profiles: there for who asks, in nobody's way ---- */

static void
profiles_answer(void)
{
	CK_OBJECT_CLASS class = CKO_PROFILE;
	CK_ULONG id = 0, n = 0, all = 0, baseline = 1;
	CK_ATTRIBUTE by_class = ATTR_OF(CKA_CLASS, class), read = ATTR_OF(CKA_PROFILE_ID, id);
	CK_ATTRIBUTE by_id = ATTR_OF(CKA_PROFILE_ID, baseline), new[] = {by_class, by_id};
	CK_ATTRIBUTE label = {CKA_LABEL, (void *)"x", 1};
	CK_OBJECT_HANDLE found[16], o;
	bool seen[8] = {false};

	NEED(client_begin(sem_label, NULL));
	NEED(client_find(&by_class, 1, found, 16, &n));
	CHECK(n == 3);
	for (CK_ULONG i = 0; i < n; i++) {
		NEED(f->C_GetAttributeValue(session, found[i], &read, 1));
		CHECK(id < 8 && !seen[id]);
		seen[id & 7] = true;
		WANT(CKR_ACTION_PROHIBITED, f->C_DestroyObject(session, found[i]));
		WANT(CKR_ACTION_PROHIBITED, f->C_SetAttributeValue(session, found[i], &label, 1));
		WANT(CKR_ACTION_PROHIBITED, f->C_CopyObject(session, found[i], NULL, 0, &o));
	}
	CHECK(seen[1] && seen[2] && seen[4]);
	NEED(client_find(&by_id, 1, found, 16, &n));
	CHECK(n == 1);
	/* a program that destroys all it finds meets none */
	NEED(client_find(NULL, 0, found, 16, &all));
	CHECK(all == 0);
	WANT(CKR_ATTRIBUTE_READ_ONLY, f->C_CreateObject(session, new, 2, &o));
}

/* ---- mechanisms as objects: the list's, for who asks for the class ---- */

static void
mechanisms_answer(void)
{
	static CK_MECHANISM_TYPE list[1024];
	static CK_OBJECT_HANDLE found[1024];
	CK_OBJECT_CLASS class = CKO_MECHANISM;
	CK_MECHANISM_TYPE type = 0, before = 0;
	CK_ATTRIBUTE by[] = {ATTR_OF(CKA_CLASS, class), ATTR_OF(CKA_MECHANISM_TYPE, type)}, read = by[1];
	CK_ULONG n_list = 1024, n = 0;
	CK_MECHANISM_INFO info;
	CK_OBJECT_HANDLE o;
	CK_SLOT_ID slot;

	NEED(client_begin(sem_label, NULL));
	NEED(client_slot(sem_label, &slot));
	NEED(f->C_GetMechanismList(slot, list, &n_list));
	NEED(client_find(by, 1, found, 1024, &n));
	CHECK(n >= n_list && n_list > 100); /* the list of the 2.40 interface leaves out what came later */
	for (CK_ULONG i = 0; i < n; i++) {
		NEED(f->C_GetAttributeValue(session, found[i], &read, 1));
		NEED(f->C_GetMechanismInfo(slot, type, &info));
		CHECK(i == 0 || type > before);
		before = type;
	}
	for (CK_ULONG i = 0; i < n_list; i++) {
		type = list[i];
		NEED(client_find(by, 2, found, 1024, &n));
		CHECK(n == 1);
	}
	WANT(CKR_ACTION_PROHIBITED, f->C_DestroyObject(session, found[0]));
	WANT(CKR_ACTION_PROHIBITED, f->C_CopyObject(session, found[0], NULL, 0, &o));
	/* PKCS#11 3.1 4.12.2: not without the class */
	NEED(client_find(by + 1, 1, found, 1024, &n));
	CHECK(n == 0);
	NEED(client_find(NULL, 0, found, 1024, &n));
	CHECK(n == 0);
	type = 0x7fffffffUL;
	NEED(client_find(by, 2, found, 1024, &n));
	CHECK(n == 0);
	WANT(CKR_ATTRIBUTE_READ_ONLY, f->C_CreateObject(session, by, 2, &o));
}

/* ---- the policy: stdin says when it was changed, stdout when it may be ---- */

static void
await_policy(const char *now)
{
	char line[16];

	puts(now);
	fflush(stdout);
	if (fgets(line, sizeof(line), stdin) == NULL)
		exit(3);
}

/* Begins under strict; the test makes it compat at the first line, strict again at the second. */
static void
policy_counts_at_once(void)
{
	CK_MECHANISM kw = {CKM_AES_KEY_WRAP, NULL, 0};
	CK_ATTRIBUTE decrypt = ATTR_OF(CKA_DECRYPT, yes), wrap = ATTR_OF(CKA_WRAP, yes);
	CK_OBJECT_HANDLE kek, twin, bare, learned, target, mixed;
	CK_BYTE blob[64];
	CK_ULONG len = sizeof(blob);

	begin();
	kek = aes_key(32, USAGE(CKA_WRAP, CKA_UNWRAP), &no);
	mixed = aes_key(32, USAGE(CKA_WRAP, CKA_DECRYPT), &no);
	bare = aes_key(32, USAGE(CKA_ENCRYPT), &no);
	target = aes_key(16, USAGE(CKA_ENCRYPT), &yes);
	/* a generated key that is extractable is not sensitive by default: make it so */
	NEED(f->C_SetAttributeValue(session, target, &(CK_ATTRIBUTE)ATTR_OF(CKA_SENSITIVE, yes), 1));
	WANT(CKR_OK, f->C_WrapKey(session, &kw, kek, target, blob, &len));
	WANT(CKR_KEY_NOT_WRAPPABLE, f->C_WrapKey(session, &kw, mixed, target, NULL, &len));
	WANT(CKR_ATTRIBUTE_READ_ONLY, f->C_SetAttributeValue(session, bare, &wrap, 1));
	await_policy("compat");
	len = sizeof(blob);
	WANT(CKR_OK, f->C_WrapKey(session, &kw, mixed, target, blob, &len));
	WANT(CKR_OK, f->C_SetAttributeValue(session, bare, &wrap, 1));
	WANT(CKR_ATTRIBUTE_READ_ONLY, f->C_SetAttributeValue(session, kek, &decrypt, 1));
	WANT(CKR_ATTRIBUTE_READ_ONLY, f->C_CopyObject(session, kek, &decrypt, 1, &twin));
	NEED(f->C_CopyObject(session, bare, &decrypt, 1, &learned));
	await_policy("strict");
	len = sizeof(blob);
	WANT(CKR_KEY_NOT_WRAPPABLE, f->C_WrapKey(session, &kw, mixed, target, blob, &len));
	WANT(CKR_KEY_NOT_WRAPPABLE, f->C_WrapKey(session, &kw, bare, target, blob, &len));
	WANT(CKR_KEY_NOT_WRAPPABLE, f->C_WrapKey(session, &kw, learned, target, blob, &len));
	WANT(CKR_OK, f->C_WrapKey(session, &kw, kek, target, blob, &len));
	WANT(CKR_ATTRIBUTE_READ_ONLY, f->C_SetAttributeValue(session, learned, &(CK_ATTRIBUTE)ATTR_OF(CKA_SIGN, yes), 1));
}

/* ---- the ledger: a key that comes in twice ---- */

static void
value_comes_back(void)
{
	CK_MECHANISM kw = {CKM_AES_KEY_WRAP, NULL, 0}, cbc = {CKM_AES_CBC, sixteen, 16};
	CK_OBJECT_CLASS secret = CKO_SECRET_KEY;
	CK_KEY_TYPE aes = CKK_AES;
	CK_ATTRIBUTE first[] = {ATTR_OF(CKA_CLASS, secret), ATTR_OF(CKA_KEY_TYPE, aes), ATTR_OF(CKA_TOKEN, yes),
		ATTR_OF(CKA_WRAP, yes), ATTR_OF(CKA_UNWRAP, yes), ATTR_OF(CKA_SENSITIVE, yes), ATTR_OF(CKA_EXTRACTABLE, yes),
		{CKA_VALUE, sixteen, 16}};
	CK_ATTRIBUTE second[] = {ATTR_OF(CKA_CLASS, secret), ATTR_OF(CKA_KEY_TYPE, aes), ATTR_OF(CKA_TOKEN, no),
		ATTR_OF(CKA_DECRYPT, yes), ATTR_OF(CKA_EXTRACTABLE, yes), ATTR_OF(CKA_SENSITIVE, no)};
	CK_BBOOL decrypts = CK_TRUE, sensitive = CK_FALSE;
	CK_ATTRIBUTE read[] = {ATTR_OF(CKA_DECRYPT, decrypts), ATTR_OF(CKA_SENSITIVE, sensitive)};
	CK_OBJECT_HANDLE kek, key, twin;
	CK_BYTE blob[64];
	CK_ULONG len = sizeof(blob);

	begin();
	kek = aes_key(32, USAGE(CKA_WRAP, CKA_UNWRAP), &no);
	NEED(f->C_CreateObject(session, first, COUNT(first), &key));
	NEED(f->C_WrapKey(session, &kw, kek, key, blob, &len));
	NEED(f->C_UnwrapKey(session, &kw, kek, blob, len, second, COUNT(second), &twin));
	NEED(f->C_GetAttributeValue(session, twin, read, 2));
	CHECK(!decrypts && sensitive);
	WANT(CKR_KEY_FUNCTION_NOT_PERMITTED, f->C_DecryptInit(session, &cbc, twin));
	/* the second one alone is as good as the first; when both are gone, nothing is left to protect */
	NEED(f->C_DestroyObject(session, key));
	NEED(f->C_UnwrapKey(session, &kw, kek, blob, len, second, COUNT(second), &key));
	WANT(CKR_KEY_FUNCTION_NOT_PERMITTED, f->C_DecryptInit(session, &cbc, key));
	NEED(f->C_DestroyObject(session, key));
	NEED(f->C_DestroyObject(session, twin));
	NEED(f->C_UnwrapKey(session, &kw, kek, blob, len, second, COUNT(second), &twin));
	WANT(CKR_OK, f->C_DecryptInit(session, &cbc, twin));
}

static const struct check checks_of_clients[] = {
	{"java-templates", java_templates},
	{"public-without-login", public_without_login},
	{"refusals-leave-nothing", refusals_leave_nothing},
	{"profiles", profiles_answer},
	{"mechanism-objects", mechanisms_answer},
	{"policy", policy_counts_at_once},
	{"value-comes-back", value_comes_back},
	{NULL, NULL},
};
