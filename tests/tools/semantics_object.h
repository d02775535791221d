/*
 * semantics_object.h - the checks of operations, keys, attributes and searches (part of semantics.c)
 */

#define NO_USAGE ((const CK_ATTRIBUTE_TYPE[]){0})
#define USAGE(...) ((const CK_ATTRIBUTE_TYPE[]){__VA_ARGS__, 0})

static CK_BYTE sixteen[16] = "sixteen bytes ..";

/* ---- 5: what ends an operation ---- */

static void
operation_ends(void)
{
	CK_OBJECT_HANDLE aes, pub, priv;
	CK_MECHANISM cbc = {CKM_AES_CBC, sixteen, 16}, ecdsa = {CKM_ECDSA, NULL, 0}, sha = {CKM_SHA256, NULL, 0};
	CK_BYTE out[64], bad[64] = {0};
	CK_ULONG len;

	begin();
	aes = aes_key(16, USAGE(CKA_ENCRYPT, CKA_DECRYPT), &no);
	NEED(f->C_EncryptInit(session, &cbc, aes));
	NEED(f->C_Encrypt(session, sixteen, 16, NULL, &len));
	CHECK(len == 16);
	len = 15;
	WANT(CKR_BUFFER_TOO_SMALL, f->C_Encrypt(session, sixteen, 16, out, &len));
	CHECK(len == 16);
	WANT(CKR_SESSION_HANDLE_INVALID, f->C_Encrypt(session + 1000, sixteen, 16, out, &len));
	WANT(CKR_OK, f->C_Encrypt(session, sixteen, 16, out, &len));
	WANT(CKR_OPERATION_NOT_INITIALIZED, f->C_Encrypt(session, sixteen, 16, out, &len));
	/* an error ends it */
	NEED(f->C_EncryptInit(session, &cbc, aes));
	len = sizeof(out);
	WANT(CKR_DATA_LEN_RANGE, f->C_Encrypt(session, sixteen, 15, out, &len));
	WANT(CKR_OPERATION_NOT_INITIALIZED, f->C_Encrypt(session, sixteen, 16, out, &len));
	NEED(client_pair("ends", &pub, &priv));
	NEED(f->C_VerifyInit(session, &ecdsa, pub));
	WANT(CKR_SIGNATURE_INVALID, f->C_Verify(session, sixteen, 16, bad, 64));
	WANT(CKR_OPERATION_NOT_INITIALIZED, f->C_Verify(session, sixteen, 16, bad, 64));
	/* a second beginning is refused and leaves the first one alone */
	NEED(f->C_DigestInit(session, &sha));
	WANT(CKR_OPERATION_ACTIVE, f->C_DigestInit(session, &sha));
	len = sizeof(out);
	WANT(CKR_OK, f->C_Digest(session, NULL, 0, out, &len)); /* a digest of nothing */
	CHECK(len == 32 && out[0] == 0xe3 && out[31] == 0x55);
	/* a logout ends what uses private objects */
	NEED(f->C_SignInit(session, &ecdsa, priv));
	NEED(f->C_Logout(session));
	len = sizeof(out);
	WANT(CKR_OPERATION_NOT_INITIALIZED, f->C_Sign(session, sixteen, 16, out, &len));
	WANT(CKR_KEY_HANDLE_INVALID, f->C_SignInit(session, &ecdsa, priv));
}

/* ---- 6: one part or many ---- */

static void
parts_do_not_mix(void)
{
	CK_OBJECT_HANDLE aes;
	CK_MECHANISM cbc = {CKM_AES_CBC, sixteen, 16};
	CK_BYTE out[64];
	CK_ULONG len;

	begin();
	aes = aes_key(16, USAGE(CKA_ENCRYPT, CKA_DECRYPT), &no);
	NEED(f->C_EncryptInit(session, &cbc, aes));
	NEED(f->C_Encrypt(session, sixteen, 16, NULL, &len));
	len = sizeof(out);
	WANT(CKR_OPERATION_ACTIVE, f->C_EncryptUpdate(session, sixteen, 16, out, &len));
	f->C_EncryptFinal(session, out, &len);
	NEED(f->C_EncryptInit(session, &cbc, aes));
	len = sizeof(out);
	NEED(f->C_EncryptUpdate(session, sixteen, 16, out, &len));
	len = sizeof(out);
	WANT(CKR_OPERATION_ACTIVE, f->C_Encrypt(session, sixteen, 16, out, &len));
}

/* ---- 7: the exact codes ---- */

static void
codes_of_handles(CK_OBJECT_HANDLE kek, CK_OBJECT_HANDLE aes)
{
	CK_MECHANISM kw = {CKM_AES_KEY_WRAP, NULL, 0}, hmac = {CKM_SHA256_HMAC, NULL, 0};
	CK_OBJECT_CLASS secret = CKO_SECRET_KEY;
	CK_KEY_TYPE type = CKK_AES;
	CK_ATTRIBUTE t[] = {ATTR_OF(CKA_CLASS, secret), ATTR_OF(CKA_KEY_TYPE, type)};
	CK_OBJECT_HANDLE none = 0x3fff0000, got;
	CK_BYTE out[64];
	CK_ULONG len = sizeof(out);

	WANT(CKR_KEY_HANDLE_INVALID, f->C_SignInit(session, &hmac, none));
	WANT(CKR_KEY_HANDLE_INVALID, f->C_SignInit(session, &hmac, data_object(session, "no key", &no, &no)));
	WANT(CKR_WRAPPING_KEY_HANDLE_INVALID, f->C_WrapKey(session, &kw, none, aes, out, &len));
	WANT(CKR_KEY_HANDLE_INVALID, f->C_WrapKey(session, &kw, kek, none, out, &len));
	WANT(CKR_UNWRAPPING_KEY_HANDLE_INVALID, f->C_UnwrapKey(session, &kw, none, sixteen, 16, t, 2, &got));
	WANT(CKR_OBJECT_HANDLE_INVALID, f->C_DestroyObject(session, none));
	WANT(CKR_OBJECT_HANDLE_INVALID, f->C_DestroyObject(session, CK_INVALID_HANDLE));
	/* all that can be wrong with a blob is one code */
	WANT(CKR_WRAPPED_KEY_INVALID, f->C_UnwrapKey(session, &kw, kek, (CK_BYTE *)"twenty-four bytes of it.", 24, t, 2,
		&got));
}

static void
exact_codes(void)
{
	CK_OBJECT_HANDLE aes, sign_only, pub, priv, kek;
	CK_MECHANISM cbc = {CKM_AES_CBC, sixteen, 16}, hmac = {CKM_SHA256_HMAC, NULL, 0}, ecdsa = {CKM_ECDSA, NULL, 0},
		unknown = {0x7fffff00, NULL, 0}, ctr = {CKM_AES_CTR, NULL, 0};
	CK_AES_CTR_PARAMS counter = {.ulCounterBits = 8};
	CK_BYTE out[64], in[64] = {0};
	CK_ULONG len = sizeof(out);

	begin();
	aes = aes_key(16, USAGE(CKA_ENCRYPT, CKA_DECRYPT), &yes);
	sign_only = aes_key(16, USAGE(CKA_SIGN), &no);
	kek = aes_key(32, USAGE(CKA_WRAP, CKA_UNWRAP), &no);
	NEED(client_pair("codes", &pub, &priv));
	codes_of_handles(kek, aes);
	WANT(CKR_KEY_TYPE_INCONSISTENT, f->C_SignInit(session, &ecdsa, aes));
	WANT(CKR_KEY_TYPE_INCONSISTENT, f->C_SignInit(session, &hmac, priv));
	WANT(CKR_KEY_TYPE_INCONSISTENT, f->C_VerifyInit(session, &ecdsa, priv));
	WANT(CKR_KEY_FUNCTION_NOT_PERMITTED, f->C_EncryptInit(session, &cbc, sign_only));
	WANT(CKR_MECHANISM_INVALID, f->C_SignInit(session, &cbc, aes));
	WANT(CKR_MECHANISM_INVALID, f->C_EncryptInit(session, &unknown, aes));
	cbc.ulParameterLen = 15;
	WANT(CKR_MECHANISM_PARAM_INVALID, f->C_EncryptInit(session, &cbc, aes));
	cbc.pParameter = NULL;
	cbc.ulParameterLen = 0;
	WANT(CKR_MECHANISM_PARAM_INVALID, f->C_EncryptInit(session, &cbc, aes));
	/* a counter of 8 bits that stands at 254 has two blocks left */
	counter.cb[15] = 254;
	ctr = (CK_MECHANISM){CKM_AES_CTR, &counter, sizeof(counter)};
	NEED(f->C_EncryptInit(session, &ctr, aes));
	WANT(CKR_DATA_LEN_RANGE, f->C_Encrypt(session, in, 33, out, &len));
	NEED(f->C_EncryptInit(session, &ctr, aes));
	len = sizeof(out);
	WANT(CKR_OK, f->C_Encrypt(session, in, 32, out, &len));
}

/* ---- 8: CKA_ALWAYS_AUTHENTICATE ---- */

static void
always_authenticate(void)
{
	static CK_BYTE p256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
	CK_MECHANISM gen = {CKM_EC_KEY_PAIR_GEN, NULL, 0}, ecdsa = {CKM_ECDSA, NULL, 0};
	CK_ATTRIBUTE pub_t[] = {ATTR_OF(CKA_EC_PARAMS, p256)};
	CK_ATTRIBUTE priv_t[] = {ATTR_OF(CKA_ALWAYS_AUTHENTICATE, yes), ATTR_OF(CKA_SIGN, yes), ATTR_OF(CKA_PRIVATE, no)};
	CK_OBJECT_HANDLE pub, priv;
	CK_BYTE out[64];
	CK_ULONG len = sizeof(out);

	begin();
	WANT(CKR_TEMPLATE_INCONSISTENT, f->C_GenerateKeyPair(session, &gen, pub_t, 1, priv_t, 3, &pub, &priv));
	NEED(f->C_GenerateKeyPair(session, &gen, pub_t, 1, priv_t, 2, &pub, &priv));
	WANT(CKR_OPERATION_NOT_INITIALIZED, login(CKU_CONTEXT_SPECIFIC, sem_pin));
	NEED(f->C_SignInit(session, &ecdsa, priv));
	WANT(CKR_USER_NOT_LOGGED_IN, f->C_Sign(session, sixteen, 16, out, &len));
	WANT(CKR_OPERATION_NOT_INITIALIZED, f->C_Sign(session, sixteen, 16, out, &len)); /* it ended */
	NEED(f->C_SignInit(session, &ecdsa, priv));
	WANT(CKR_PIN_INCORRECT, login(CKU_CONTEXT_SPECIFIC, "wrong-pin"));
	NEED(login(CKU_CONTEXT_SPECIFIC, sem_pin));
	WANT(CKR_OK, f->C_Sign(session, sixteen, 16, out, &len));
	NEED(f->C_SignInit(session, &ecdsa, priv)); /* consumed */
	WANT(CKR_USER_NOT_LOGGED_IN, f->C_Sign(session, sixteen, 16, out, &len));
}

/* ---- 9: lengths ---- */

static void
exact_lengths(void)
{
	CK_MECHANISM kw = {CKM_AES_KEY_WRAP, NULL, 0}, pad = {CKM_AES_CBC_PAD, sixteen, 16}, ecdsa = {CKM_ECDSA, NULL, 0};
	CK_OBJECT_HANDLE kek, stays, leaves, aes, pub, priv;
	CK_BYTE out[128];
	CK_ULONG asked, len;

	begin();
	kek = aes_key(32, USAGE(CKA_WRAP, CKA_UNWRAP), &no);
	stays = aes_key(32, USAGE(CKA_ENCRYPT), &no);
	leaves = aes_key(24, USAGE(CKA_ENCRYPT), &yes);
	aes = aes_key(16, USAGE(CKA_ENCRYPT, CKA_DECRYPT), &no);
	WANT(CKR_KEY_UNEXTRACTABLE, f->C_WrapKey(session, &kw, kek, stays, NULL, &asked));
	NEED(f->C_WrapKey(session, &kw, kek, leaves, NULL, &asked));
	len = sizeof(out);
	NEED(f->C_WrapKey(session, &kw, kek, leaves, out, &len));
	CHECK(asked == len && len == 32);
	NEED(client_pair("lengths", &pub, &priv));
	NEED(f->C_SignInit(session, &ecdsa, priv));
	NEED(f->C_Sign(session, sixteen, 16, NULL, &asked));
	CHECK(asked == 64);
	len = sizeof(out);
	NEED(f->C_Sign(session, sixteen, 16, out, &len));
	CHECK(len == asked);
	for (CK_ULONG n = 0; n <= 33; n++) {
		NEED(f->C_EncryptInit(session, &pad, aes));
		NEED(f->C_Encrypt(session, out, n, NULL, &asked));
		len = sizeof(out);
		NEED(f->C_Encrypt(session, out, n, out, &len));
		CHECK(len == asked && len == (n / 16 + 1) * 16);
	}
}

/* ---- 10: C_GetAttributeValue ---- */

static void
attribute_answers(void)
{
	CK_OBJECT_HANDLE key, open;
	CK_BYTE id[4], value[32], check[8];
	CK_BBOOL sensitive;
	CK_ATTRIBUTE t[] = {{CKA_VALUE, value, sizeof(value)}, {CKA_MODULUS, value, sizeof(value)},
		ATTR_OF(CKA_SENSITIVE, sensitive), {CKA_CHECK_VALUE, check, sizeof(check)}, {CKA_ID, id, sizeof(id)}};
	CK_ATTRIBUTE mechs = {CKA_ALLOWED_MECHANISMS, NULL, 0}, small = {CKA_VALUE, value, 15};
	CK_RV rv;

	begin();
	key = aes_key(16, USAGE(CKA_ENCRYPT), &no);
	rv = f->C_GetAttributeValue(session, key, t, COUNT(t));
	CHECK(rv == CKR_ATTRIBUTE_SENSITIVE || rv == CKR_ATTRIBUTE_TYPE_INVALID);
	CHECK(t[0].ulValueLen == CK_UNAVAILABLE_INFORMATION && t[1].ulValueLen == CK_UNAVAILABLE_INFORMATION);
	CHECK(t[2].ulValueLen == 1 && sensitive == CK_TRUE); /* the others are answered all the same */
	CHECK(t[3].ulValueLen == 3 && t[4].ulValueLen == 0);
	WANT(CKR_ATTRIBUTE_SENSITIVE, f->C_GetAttributeValue(session, key, &(CK_ATTRIBUTE){CKA_VALUE, NULL, 0}, 1));
	WANT(CKR_ATTRIBUTE_TYPE_INVALID, f->C_GetAttributeValue(session, key, &(CK_ATTRIBUTE){CKA_MODULUS, NULL, 0}, 1));
	/* what was never set is not there */
	WANT(CKR_ATTRIBUTE_TYPE_INVALID, f->C_GetAttributeValue(session, key, &mechs, 1));
	CHECK(mechs.ulValueLen == CK_UNAVAILABLE_INFORMATION);
	open = aes_key(16, USAGE(CKA_ENCRYPT), &yes);
	WANT(CKR_BUFFER_TOO_SMALL, f->C_GetAttributeValue(session, open, &small, 1));
	CHECK(small.ulValueLen == CK_UNAVAILABLE_INFORMATION);
	small.ulValueLen = 16;
	WANT(CKR_OK, f->C_GetAttributeValue(session, open, &small, 1));
}

/* A set of attributes inside an attribute: kept, told, obeyed, and not for ever deeper. */
static void
attribute_templates(void)
{
	CK_MECHANISM gen = {CKM_AES_KEY_GEN, NULL, 0}, kw = {CKM_AES_KEY_WRAP, NULL, 0};
	CK_ULONG len = 16, blob_len;
	CK_BYTE blob[64], label[8];
	CK_ATTRIBUTE inner[] = {{CKA_LABEL, (void *)"wrapped", 7}, ATTR_OF(CKA_ENCRYPT, yes)};
	CK_ATTRIBUTE t[] = {ATTR_OF(CKA_VALUE_LEN, len), ATTR_OF(CKA_WRAP, yes), ATTR_OF(CKA_EXTRACTABLE, no),
		{CKA_WRAP_TEMPLATE, inner, sizeof(inner)}};
	CK_ATTRIBUTE target[] = {ATTR_OF(CKA_VALUE_LEN, len), ATTR_OF(CKA_EXTRACTABLE, yes), ATTR_OF(CKA_ENCRYPT, yes),
		{CKA_LABEL, (void *)"wrapped", 7}};
	CK_ATTRIBUTE got[2] = {{0, label, sizeof(label)}, {0, blob, sizeof(blob)}}, ask = {CKA_WRAP_TEMPLATE, NULL, 0};
	CK_ATTRIBUTE deep[8];
	CK_OBJECT_HANDLE kek, fits, other, key;

	begin();
	NEED(f->C_GenerateKey(session, &gen, t, COUNT(t), &kek));
	NEED(f->C_GenerateKey(session, &gen, target, 4, &fits));
	NEED(f->C_GenerateKey(session, &gen, target, 3, &other));
	NEED(f->C_GetAttributeValue(session, kek, &ask, 1));
	CHECK(ask.ulValueLen == sizeof(got));
	ask.pValue = got;
	NEED(f->C_GetAttributeValue(session, kek, &ask, 1));
	CHECK(got[0].type == CKA_LABEL && got[0].ulValueLen == 7 && memcmp(label, "wrapped", 7) == 0);
	CHECK(got[1].type == CKA_ENCRYPT && got[1].ulValueLen == 1);
	blob_len = sizeof(blob);
	WANT(CKR_KEY_HANDLE_INVALID, f->C_WrapKey(session, &kw, kek, other, blob, &blob_len));
	WANT(CKR_OK, f->C_WrapKey(session, &kw, kek, fits, blob, &blob_len));
	for (size_t i = 0; i < COUNT(deep); i++)
		deep[i] = (CK_ATTRIBUTE){CKA_WRAP_TEMPLATE, &deep[i + 1], sizeof(deep[0])};
	deep[COUNT(deep) - 1] = (CK_ATTRIBUTE){CKA_LABEL, label, 1};
	t[3] = deep[0];
	WANT(CKR_ATTRIBUTE_VALUE_INVALID, f->C_GenerateKey(session, &gen, t, COUNT(t), &key));
}

/* ---- 11: C_CopyObject ---- */

static void
copy_rules(void)
{
	CK_OBJECT_CLASS class = CKO_DATA;
	CK_ATTRIBUTE fixed[] = {ATTR_OF(CKA_CLASS, class), ATTR_OF(CKA_COPYABLE, no)};
	CK_ATTRIBUTE to_public[] = {ATTR_OF(CKA_PRIVATE, no)}, reclass[] = {ATTR_OF(CKA_CLASS, class)};
	CK_OBJECT_HANDLE o, copy;

	begin();
	NEED(f->C_CreateObject(session, fixed, 2, &o));
	WANT(CKR_ACTION_PROHIBITED, f->C_CopyObject(session, o, NULL, 0, &copy));
	o = aes_key(16, USAGE(CKA_ENCRYPT), &no);
	WANT(CKR_OK, f->C_CopyObject(session, o, NULL, 0, &copy)); /* with nothing to change */
	WANT(CKR_ATTRIBUTE_READ_ONLY, f->C_CopyObject(session, o, reclass, 1, &copy));
	WANT(CKR_TEMPLATE_INCONSISTENT, f->C_CopyObject(session, o, to_public, 1, &copy));
}

/* ---- 14: searches ---- */

static void
find_is_a_snapshot(void)
{
	CK_ATTRIBUTE t = {CKA_LABEL, (void *)"snap", 4};
	CK_OBJECT_HANDLE o[4], found[8], late;
	CK_ULONG n = 0, all = 0;

	begin();
	for (int i = 0; i < 4; i++)
		o[i] = data_object(session, "snap", &no, &no);
	NEED(f->C_FindObjectsInit(session, &t, 1));
	WANT(CKR_OPERATION_ACTIVE, f->C_FindObjectsInit(session, &t, 1));
	NEED(f->C_FindObjects(session, found, 1, &n));
	CHECK(n == 1);
	late = data_object(session, "snap", &no, &no);
	NEED(f->C_DestroyObject(session, o[3]));
	do {
		NEED(f->C_FindObjects(session, found, 2, &n));
		for (CK_ULONG i = 0; i < n; i++)
			CHECK(found[i] != late && found[i] != o[3]);
		all += n;
	} while (n > 0);
	CHECK(all == 2);
	NEED(f->C_FindObjectsFinal(session));
	WANT(CKR_OPERATION_NOT_INITIALIZED, f->C_FindObjectsFinal(session));
	WANT(CKR_OPERATION_NOT_INITIALIZED, f->C_FindObjects(session, found, 1, &n));
	/* private objects are not there for who is not logged in */
	late = data_object(session, "private one", &yes, &yes);
	CHECK(count_label("private one") == 1);
	NEED(f->C_Logout(session));
	CHECK(count_label("private one") == 0);
	WANT(CKR_OBJECT_HANDLE_INVALID, f->C_DestroyObject(session, late));
}

/* ---- 16: session objects ---- */

static void
session_objects(void)
{
	CK_SESSION_HANDLE other, third;
	CK_ATTRIBUTE t = {CKA_LABEL, (void *)"fleeting", 8};
	CK_OBJECT_HANDLE o, found;
	CK_ULONG n;

	begin();
	NEED(f->C_OpenSession(begin_slot(sem_label), CKF_SERIAL_SESSION, NULL, NULL, &other));
	NEED(f->C_OpenSession(begin_slot(sem_label), CKF_SERIAL_SESSION, NULL, NULL, &third));
	o = data_object(other, "fleeting", &no, &yes); /* in a read-only session, too */
	CHECK(count_label("fleeting") == 1);           /* seen by the application's others */
	NEED(f->C_FindObjectsInit(third, &t, 1));
	NEED(f->C_FindObjects(third, &found, 1, &n));
	CHECK(n == 1 && found == o);
	NEED(f->C_FindObjectsFinal(third));
	NEED(f->C_CloseSession(other));
	CHECK(count_label("fleeting") == 0);
	WANT(CKR_OBJECT_HANDLE_INVALID, f->C_DestroyObject(session, o));
	data_object(session, "fleeting", &no, &no);
	NEED(f->C_CloseAllSessions(begin_slot(sem_label)));
	NEED(client_open(sem_label, sem_pin));
	CHECK(count_label("fleeting") == 0);
}

static const struct check checks_of_objects[] = {
	{"operation-ends", operation_ends},
	{"parts-do-not-mix", parts_do_not_mix},
	{"exact-codes", exact_codes},
	{"always-authenticate", always_authenticate},
	{"exact-lengths", exact_lengths},
	{"attribute-answers", attribute_answers},
	{"attribute-templates", attribute_templates},
	{"copy", copy_rules},
	{"find-is-a-snapshot", find_is_a_snapshot},
	{"session-objects", session_objects},
	{NULL, NULL},
};
