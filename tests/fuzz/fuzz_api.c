/*
 * fuzz_api.c - byte strings as sequences of PKCS#11 calls: the module, the frames, the daemon,
 * a real vault, in one process
 *
 * The module's connection is a loop to rpc_call (loop_io), so that coverage sees both ends. An
 * input is a list of calls: a byte names the function, the bytes after it its arguments:
 * sessions and objects are mostly ones that are there, mechanisms come with a parameter of the
 * right shape (or any other), templates with attributes of the right type (or any other).
 * Pointers are good: a library cannot tell bad ones. Buffers are of their own, so that a byte
 * too far is seen.
 *
 * What must hold: nothing crashes; no answer is longer than its buffer, or than the length
 * query said; a call that says CKR_OK gives what it promises. The vault is begun anew after a
 * number of inputs. TOKENFS_FUZZ_SEEDS=FOLDER writes inputs to begin with there, and ends.
 */
#include "api_args.h"

#define RENEW_AFTER 4000
#define CALLS_MAX   40

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static unsigned inputs;

/* ---- calls ---- */
typedef CK_RV init_call(CK_SESSION_HANDLE, CK_MECHANISM *, CK_OBJECT_HANDLE);
typedef CK_RV in_out_call(CK_SESSION_HANDLE, CK_BYTE *, CK_ULONG, CK_BYTE *, CK_ULONG *);
typedef CK_RV in_call(CK_SESSION_HANDLE, CK_BYTE *, CK_ULONG);
typedef CK_RV out_call(CK_SESSION_HANDLE, CK_BYTE *, CK_ULONG *);

static init_call *const inits[] = {C_EncryptInit, C_DecryptInit, C_SignInit, C_VerifyInit,
	C_SignRecoverInit, C_VerifyRecoverInit, C_MessageEncryptInit, C_MessageDecryptInit,
	C_MessageSignInit, C_MessageVerifyInit};
static in_out_call *const in_outs[] = {C_Encrypt, C_EncryptUpdate, C_Decrypt, C_DecryptUpdate,
	C_Digest, C_Sign, C_SignRecover, C_VerifyRecover, C_DigestEncryptUpdate,
	C_DecryptDigestUpdate, C_SignEncryptUpdate, C_DecryptVerifyUpdate};
static in_call *const ins[] = {C_DigestUpdate, C_SignUpdate, C_VerifyUpdate, C_VerifyFinal,
	C_SeedRandom, C_VerifySignature, C_VerifySignatureUpdate};
static out_call *const outs[] = {
	C_EncryptFinal, C_DecryptFinal, C_DigestFinal, C_SignFinal, C_GetOperationState};

static void
call_in_out(in_out_call *call)
{
	CK_SESSION_HANDLE s = session_arg();
	CK_ULONG n;
	uint8_t *in = bytes(&n);
	struct room r = room_arg();

	judge(call(s, in, n, r.data, &r.len), &r);
}

static void
call_out(out_call *call)
{
	CK_SESSION_HANDLE s = session_arg();
	struct room r = room_arg();

	judge(call(s, r.data, &r.len), &r);
}

static void
call_verify(void)
{
	CK_SESSION_HANDLE s = session_arg();
	CK_ULONG n, k;
	uint8_t *in = bytes(&n), *sig = bytes(&k);

	C_Verify(s, in, n, sig, k);
}

static void
call_create(void)
{
	CK_SESSION_HANDLE s = session_arg();
	CK_OBJECT_HANDLE h = 0;
	CK_ULONG n;
	CK_ATTRIBUTE *t = template_arg(&n);

	if (C_CreateObject(s, t, n, &h) == CKR_OK)
		remember(h);
}

static void
call_copy(void)
{
	CK_SESSION_HANDLE s = session_arg();
	CK_OBJECT_HANDLE o = object_arg(), h = 0;
	CK_ULONG n;
	CK_ATTRIBUTE *t = template_arg(&n);

	if (C_CopyObject(s, o, t, n, &h) == CKR_OK)
		remember(h);
}

static void
call_get_attributes(void)
{
	CK_SESSION_HANDLE s = session_arg();
	CK_OBJECT_HANDLE o = object_arg();
	CK_ULONG n;
	CK_ATTRIBUTE *t = template_arg(&n);

	C_GetAttributeValue(s, o, t, n);
}

static void
call_set_attributes(void)
{
	CK_SESSION_HANDLE s = session_arg();
	CK_OBJECT_HANDLE o = object_arg();
	CK_ULONG n;
	CK_ATTRIBUTE *t = template_arg(&n);

	dirty |= C_SetAttributeValue(s, o, t, n) == CKR_OK;
}

static void
call_find(void)
{
	CK_SESSION_HANDLE s = session_arg();
	CK_OBJECT_HANDLE *found;
	CK_ULONG n, got_n = 0, max;
	CK_ATTRIBUTE *t;

	switch (byte() % 4) {
	case 0:
		t = template_arg(&n);
		C_FindObjectsInit(s, t, n);
		break;
	case 1:
		C_FindObjectsFinal(s);
		break;
	default:
		max = byte();
		found = piece(max * sizeof(*found));
		if (C_FindObjects(s, found, max, &got_n) == CKR_OK && got_n > max)
			die("more objects found than there was room for");
	}
}

static void
call_generate(void)
{
	CK_SESSION_HANDLE s = session_arg();
	CK_MECHANISM *m = mechanism_arg();
	CK_OBJECT_HANDLE h = 0;
	CK_ULONG n;
	CK_ATTRIBUTE *t = template_arg(&n);

	/* these take seconds */
	if (m->mechanism == CKM_DSA_PARAMETER_GEN ||
		m->mechanism == CKM_DH_PKCS_PARAMETER_GEN || m->mechanism == CKM_PKCS5_PBKD2)
		return;
	if (C_GenerateKey(s, m, t, n, &h) == CKR_OK)
		remember(h);
}

static void
call_generate_pair(void)
{
	CK_SESSION_HANDLE s = session_arg();
	CK_MECHANISM *m = mechanism_arg();
	CK_OBJECT_HANDLE a = 0, b = 0;
	CK_ULONG n, k;
	CK_ATTRIBUTE *t = template_arg(&n), *u = template_arg(&k);

	if (m->mechanism == CKM_RSA_PKCS_KEY_PAIR_GEN ||
		m->mechanism == CKM_DH_PKCS_KEY_PAIR_GEN ||
		m->mechanism == CKM_DSA_KEY_PAIR_GEN)
		return;
	if (C_GenerateKeyPair(s, m, t, n, u, k, &a, &b) == CKR_OK) {
		remember(a);
		remember(b);
	}
}

static void
call_wrap(void)
{
	CK_SESSION_HANDLE s = session_arg();
	CK_MECHANISM *m = mechanism_arg();
	CK_OBJECT_HANDLE a = object_arg(), b = object_arg();
	struct room r = room_arg();

	judge(C_WrapKey(s, m, a, b, r.data, &r.len), &r);
}

static void
call_unwrap(void)
{
	CK_SESSION_HANDLE s = session_arg();
	CK_MECHANISM *m = mechanism_arg();
	CK_OBJECT_HANDLE key = object_arg(), h = 0;
	CK_ULONG n, k;
	uint8_t *in = bytes(&k);
	CK_ATTRIBUTE *t = template_arg(&n);

	if (C_UnwrapKey(s, m, key, in, k, t, n, &h) == CKR_OK)
		remember(h);
}

static void
call_derive(void)
{
	CK_SESSION_HANDLE s = session_arg();
	CK_MECHANISM *m = mechanism_arg();
	CK_OBJECT_HANDLE key = object_arg(), h = 0;
	CK_ULONG n;
	CK_ATTRIBUTE *t = template_arg(&n);

	if (C_DeriveKey(s, m, key, t, n, &h) == CKR_OK)
		remember(h);
}

static void
call_session(void)
{
	CK_SESSION_INFO info;
	CK_ULONG n;
	uint8_t *name;
	unsigned i = byte() % NELEMS(sessions);

	switch (byte() % 7) {
	case 0:
		C_CloseSession(session_arg());
		break;
	case 1:
		C_CloseSession(sessions[i]);
		C_OpenSession(number() % 4,
			CKF_SERIAL_SESSION | (byte() & 1 ? CKF_RW_SESSION : 0), NULL, NULL,
			&sessions[i]);
		break;
	case 2:
		C_GetSessionInfo(session_arg(), &info);
		break;
	case 3:
		dirty |= C_Logout(session_arg()) == CKR_OK;
		break;
	case 4: /* the right PIN, else the token would be locked soon */
		C_Login(session_arg(), byte() % 4 == 0 ? CKU_CONTEXT_SPECIFIC : CKU_USER,
			(CK_UTF8CHAR *)PIN, strlen(PIN));
		break;
	case 5:
		name = bytes(&n);
		C_LoginUser(session_arg(), CKU_USER, (CK_UTF8CHAR *)PIN, strlen(PIN), name, n);
		break;
	default:
		C_SessionCancel(session_arg(), number());
	}
}

static void
call_slot(void)
{
	CK_SLOT_ID slots[8];
	CK_ULONG n = byte() % 9;
	CK_SLOT_INFO slot;
	CK_TOKEN_INFO token;
	CK_MECHANISM_INFO info;
	CK_MECHANISM_TYPE *list;

	switch (byte() % 5) {
	case 0:
		C_GetSlotList(byte() & 1, byte() & 1 ? slots : NULL, &n);
		break;
	case 1:
		C_GetSlotInfo(number(), &slot);
		break;
	case 2:
		C_GetTokenInfo(number(), &token);
		break;
	case 3:
		C_GetMechanismInfo(0, mechanism_number(), &info);
		break;
	default:
		list = piece(n * sizeof(*list));
		C_GetMechanismList(number(), list, &n);
	}
}

static void
call_random(void)
{
	CK_SESSION_HANDLE s = session_arg();
	CK_ULONG n = byte() * 64ul;

	C_GenerateRandom(s, piece(n), n);
}

static void
call_object(void)
{
	CK_SESSION_HANDLE s = session_arg();
	CK_ULONG n;

	if (byte() % 4 == 0)
		dirty |= C_DestroyObject(s, object_arg()) == CKR_OK;
	else
		C_GetObjectSize(s, object_arg(), &n);
}

static void
call_state(void)
{
	CK_SESSION_HANDLE s = session_arg();
	CK_ULONG n;
	uint8_t *state = bytes(&n);

	C_SetOperationState(s, state, n, 0, 0);
}

static void
call_digest(void)
{
	CK_SESSION_HANDLE s = session_arg();

	if (byte() % 3 == 0)
		C_DigestKey(s, object_arg());
	else
		C_DigestInit(s, mechanism_arg());
}

static void (*const calls[])(void) = {call_verify, call_create, call_copy, call_get_attributes,
	call_set_attributes, call_find, call_generate, call_generate_pair, call_wrap,
	call_unwrap, call_derive, call_session, call_slot, call_random, call_object, call_state,
	call_digest};

static void
one_call(void)
{
	uint8_t b = byte();
	size_t i = b;

	if (i < 2 * NELEMS(inits)) { /* twice: nothing works without */
		CK_SESSION_HANDLE s = session_arg();
		CK_MECHANISM *m = mechanism_arg();

		inits[i % NELEMS(inits)](s, m, object_arg());
	} else if ((i -= 2 * NELEMS(inits)) < 2 * NELEMS(in_outs)) {
		call_in_out(in_outs[i % NELEMS(in_outs)]);
	} else if ((i -= 2 * NELEMS(in_outs)) < NELEMS(ins)) {
		CK_SESSION_HANDLE s = session_arg();
		CK_ULONG n;
		uint8_t *in = bytes(&n);

		ins[i](s, in, n);
	} else if ((i -= NELEMS(ins)) < NELEMS(outs)) {
		call_out(outs[i]);
	} else {
		calls[i % NELEMS(calls)]();
	}
	args_free();
}

/* ---- inputs to begin with: what a client does, in these bytes ---- */
static void
write_seed(const char *folder, unsigned n, const uint8_t *data, size_t len)
{
	char path[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s/seed-%u", folder, n);
	if ((f = fopen(path, "w")) == NULL || fwrite(data, 1, len, f) != len)
		die(path);
	fclose(f);
}

/* For every mechanism and every kind of Init: Init, one part; Init, two pieces, Final. */
static void
write_seeds(const char *folder)
{
	unsigned n = 0;

	for (unsigned mech = 0; mech < 180; mech++)
		for (unsigned kind = 0; kind < 4; kind++) {
			uint8_t object = (uint8_t)(mech % 8),
				once = (uint8_t)(2 * NELEMS(inits) + (kind < 2 ? 2 * kind : 5));
			uint8_t seed[] = {(uint8_t)kind, 0, (uint8_t)mech, 12, 1, 2, 3, 4, 5, 6,
				7, 8, 9, 10, 11, 12, object, once, 0, 16, 1, 2, 3, 4, 5, 6, 7,
				8, 9, 10, 11, 12, 13, 14, 15, 16, 100};

			write_seed(folder, n++, seed, sizeof(seed));
		}
}

static void
start(void)
{
	const char *folder = getenv("TOKENFS_FUZZ_SEEDS");

	if (folder != NULL) {
		write_seeds(folder);
		_exit(0); /* libFuzzer takes exit for a crash */
	}
	need("memory", secret_start());
	begin();
	atexit(end);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static bool started;

	if (!started)
		start();
	started = true;
	from = data;
	left = len;
	for (int i = 0; i < CALLS_MAX && left > 0; i++)
		one_call();
	if (++inputs % RENEW_AFTER == 0) {
		end();
		begin();
	} else {
		renew();
	}
	return 0;
}
