/* login.c - before login, after logout, from another application, and by guessing the PIN
 *
 * The last of these lock PINs. The user's is set anew by the SO each time; the SO's own comes at the very end.
 */
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "steps.h"

#define LABEL "attack-private"
#define MANY 30 /* wrong PINs that no token should take */

static void
named_key(CK_OBJECT_HANDLE *key, const char *words)
{
	CK_MECHANISM m = {CKM_AES_KEY_GEN, NULL, 0};
	struct templ t;

	templ_begin(&t, CKO_SECRET_KEY, CKK_AES, words);
	templ_number(&t, CKA_VALUE_LEN, 32);
	templ_bytes(&t, CKA_LABEL, LABEL, strlen(LABEL));
	NEED(f->C_GenerateKey(session, &m, t.a, t.n, key));
}

static CK_ULONG
find_all(CK_OBJECT_HANDLE *found, CK_ULONG max, bool by_label)
{
	CK_ATTRIBUTE a[] = {{CKA_LABEL, (void *)LABEL, strlen(LABEL)}};
	CK_ULONG n = 0;

	if (f->C_FindObjectsInit(session, by_label ? a : NULL, by_label ? 1 : 0) != CKR_OK)
		return 0;
	if (f->C_FindObjects(session, found, max, &n) != CKR_OK)
		n = 0;
	f->C_FindObjectsFinal(session);
	return n;
}

static void
remove_named(void)
{
	CK_OBJECT_HANDLE found[32];
	CK_ULONG n = find_all(found, 32, true);

	for (CK_ULONG i = 0; i < n; i++)
		f->C_DestroyObject(session, found[i]);
}

static void
key_on_token(struct told *told)
{
	client_load();
	client_login();
	named_key(&told->numbers[0], "sensitive encrypt decrypt token");
	told->numbers[1] = session;
}

static void
key_in_session(struct told *told)
{
	client_load();
	client_login();
	named_key(&told->numbers[0], "sensitive encrypt decrypt");
	told->numbers[1] = session;
}

/* What a session that is not logged in finds, reads and uses of the handles it guesses. */
static void
look_around(CK_OBJECT_HANDLE told)
{
	CK_OBJECT_HANDLE found[64];
	CK_ULONG n = find_all(found, 64, false);
	struct blob b;

	for (CK_ULONG i = 0; i < n; i++)
		if (key_is(found[i], CKA_PRIVATE))
			attack_weak("a search shows a private object");
	for (CK_ULONG i = 0; i <= 300; i++) {
		CK_OBJECT_HANDLE h = i == 0 ? told : i;

		if (key_read(h, CKA_LABEL, &b) == CKR_OK && b.len == strlen(LABEL) && memcmp(b.data, LABEL, b.len) == 0)
			attack_weak("a guessed handle shows a private object's label");
		if (use_encrypt(mechanism(CKM_AES_ECB), h, "0123456789abcdef", 16, &b) == CKR_OK)
			attack_weak("a guessed handle uses a private key");
		if (f->C_DestroyObject(session, h) == CKR_OK)
			attack_weak("a guessed handle destroys an object");
	}
	attack_safe("nothing seen, read, used or destroyed");
}

static void
private_before_login(void)
{
	struct told told;

	client_elsewhere(key_on_token, &told);
	client_load();
	NEED(client_open(CKF_RW_SESSION, &session));
	look_around(told.numbers[0]);
	NEED(client_user(CKU_USER, place.pin));
	remove_named();
}

/* The SO administers; the user's objects are not his (PKCS#11 3.1 5.6.1). */
static void
so_and_private(void)
{
	struct told told;

	client_elsewhere(key_on_token, &told);
	client_load();
	NEED(client_open(CKF_RW_SESSION, &session));
	NEED(client_user(CKU_SO, place.so_pin));
	look_around(told.numbers[0]);
	f->C_Logout(session);
	NEED(client_user(CKU_USER, place.pin));
	remove_named();
}

/* Another application's session object and session, by their numbers. */
static void
objects_of_others(void)
{
	struct told told;
	CK_OBJECT_HANDLE found[8];
	CK_SESSION_INFO info;
	struct blob b;

	client_elsewhere(key_in_session, &told);
	client_load();
	NEED(client_open(CKF_RW_SESSION, &session));
	if (f->C_GetSessionInfo(told.numbers[1], &info) == CKR_OK && info.state == CKS_RW_USER_FUNCTIONS)
		attack_weak("another application's session can be used");
	NEED(client_user(CKU_USER, place.pin));
	if (find_all(found, 8, true) > 0)
		attack_weak("another application's session object is found");
	for (CK_ULONG i = 0; i <= 300; i++)
		if (key_read(i == 0 ? told.numbers[0] : i, CKA_LABEL, &b) == CKR_OK && b.len == strlen(LABEL) &&
			memcmp(b.data, LABEL, b.len) == 0)
			attack_weak("another application's session object is read");
	attack_safe("nothing of the other application is there");
}

/* A login elsewhere is nobody's login here. */
static void
login_of_others(void)
{
	struct told told;
	CK_SESSION_INFO info;
	CK_OBJECT_HANDLE key;

	client_elsewhere(key_in_session, &told);
	client_load();
	NEED(client_open(CKF_RW_SESSION, &session));
	NEED(f->C_GetSessionInfo(session, &info));
	if (info.state == CKS_RW_USER_FUNCTIONS)
		attack_weak("logged in by another application's login");
	if (!REFUSED(key_generate(&key, CKK_AES, 32, "sensitive encrypt")))
		attack_weak("a private object without a login");
}

/* A forked child has not logged in (PKCS#11 3.1 5.4: it is an application of its own). */
static void
forked_child(void)
{
	CK_OBJECT_HANDLE key;
	struct blob b;
	int status;
	pid_t pid;

	client_login();
	key = step_target();
	pid = fork();
	if (pid == 0)
		_exit(use_encrypt(mechanism(CKM_AES_ECB), key, "0123456789abcdef", 16, &b) == CKR_OK ? 9 : 0);
	waitpid(pid, &status, 0);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 9)
		attack_weak("a forked child goes on with its parent's login");
	else
		attack_safe("a forked child has no session");
	if (use_encrypt(mechanism(CKM_AES_ECB), key, "0123456789abcdef", 16, &b) != CKR_OK)
		attack_weak("a forked child ends its parent's session");
}

/* An operation that was begun before the logout goes on after it. */
static void
use_after_logout(void)
{
	CK_OBJECT_HANDLE key, pub, priv;
	CK_SESSION_HANDLE other;
	struct blob b = {.len = BLOB_MAX};
	CK_ULONG len = 32;
	CK_BYTE out[64];

	client_login();
	pair_p256("verify", "sensitive sign", &pub, &priv);
	key = step_target();
	NEED(client_open(CKF_RW_SESSION, &other));
	NEED(f->C_SignInit(session, mechanism(CKM_ECDSA), priv));
	NEED(f->C_EncryptInit(other, mechanism(CKM_AES_CBC), key));
	NEED(f->C_EncryptUpdate(other, (CK_BYTE *)"0123456789abcdef", 16, out, &len));
	NEED(f->C_Logout(session));
	if (!REFUSED(f->C_Sign(session, (CK_BYTE *)"0123456789abcdef0123456789abcdef", 32, b.data, &b.len)))
		attack_weak("C_Sign after C_Logout");
	len = sizeof(out);
	if (!REFUSED(f->C_EncryptUpdate(other, (CK_BYTE *)"0123456789abcdef", 16, out, &len)))
		attack_weak("C_EncryptUpdate after C_Logout");
}

/* The results of a search, and handles from before the logout. */
static void
handles_after_logout(void)
{
	CK_OBJECT_HANDLE key, found;
	CK_ULONG n = 0;
	struct blob b;

	client_login();
	named_key(&key, "sensitive encrypt token");
	NEED(f->C_FindObjectsInit(session, NULL, 0));
	NEED(f->C_Logout(session));
	if (!REFUSED(f->C_FindObjects(session, &found, 1, &n)) && n > 0 && key_is(found, CKA_PRIVATE))
		attack_weak("a search begun before C_Logout shows private objects");
	f->C_FindObjectsFinal(session);
	if (!REFUSED(key_read(key, CKA_LABEL, &b)))
		attack_weak("a private object is read after C_Logout");
	if (!REFUSED(use_encrypt(mechanism(CKM_AES_ECB), key, "0123456789abcdef", 16, &b)))
		attack_weak("a private key is used after C_Logout");
	NEED(client_user(CKU_USER, place.pin));
	remove_named();
}

/* C_CloseAllSessions is a logout, and so is the end of the last session. */
static void
login_after_last_session(void)
{
	CK_SESSION_INFO info;

	client_login();
	NEED(f->C_CloseAllSessions(place.slot));
	NEED(client_open(CKF_RW_SESSION, &session));
	NEED(f->C_GetSessionInfo(session, &info));
	if (info.state == CKS_RW_USER_FUNCTIONS)
		attack_weak("logged in after C_CloseAllSessions");
	NEED(client_user(CKU_USER, place.pin));
	NEED(f->C_CloseSession(session));
	NEED(client_open(CKF_RW_SESSION, &session));
	NEED(f->C_GetSessionInfo(session, &info));
	if (info.state == CKS_RW_USER_FUNCTIONS)
		attack_weak("logged in after the last C_CloseSession");
	attack_safe("both end the login");
}

/* No PIN, an empty one, one cut short, other users. */
static void
login_without_pin(void)
{
	CK_SESSION_INFO info;

	client_load();
	NEED(client_open(CKF_RW_SESSION, &session));
	if (!REFUSED(f->C_Login(session, CKU_USER, NULL, 0)) ||
		!REFUSED(f->C_Login(session, CKU_USER, (CK_UTF8CHAR *)"", 0)) ||
		!REFUSED(f->C_Login(session, CKU_USER, (CK_UTF8CHAR *)place.pin, strlen(place.pin) - 1)) ||
		!REFUSED(f->C_Login(session, CKU_CONTEXT_SPECIFIC, (CK_UTF8CHAR *)place.pin, strlen(place.pin))) ||
		!REFUSED(f->C_Login(session, 7, (CK_UTF8CHAR *)place.pin, strlen(place.pin))))
		attack_weak("a login without the PIN");
	NEED(f->C_GetSessionInfo(session, &info));
	if (info.state == CKS_RW_USER_FUNCTIONS)
		attack_weak("refused, and logged in");
	NEED(client_user(CKU_USER, place.pin));
}

/* Not the SO: the user's PIN cannot be set, nor the token made anew, without knowing one. */
static void
pin_set_by_others(void)
{
	CK_UTF8CHAR label[32];

	client_login();
	memset(label, ' ', sizeof(label));
	if (!REFUSED(f->C_InitPIN(session, (CK_UTF8CHAR *)place.pin, strlen(place.pin))))
		attack_weak("the user calls C_InitPIN");
	NEED(f->C_Logout(session));
	if (!REFUSED(f->C_InitPIN(session, (CK_UTF8CHAR *)place.pin, strlen(place.pin))))
		attack_weak("nobody calls C_InitPIN");
	if (!REFUSED(f->C_InitToken(place.slot, (CK_UTF8CHAR *)place.pin, strlen(place.pin), label)))
		attack_weak("C_InitToken with an open session and the user's PIN");
}

/* A read-only session writes nothing to the token. */
static void
read_only_session(void)
{
	CK_OBJECT_HANDLE key;

	client_load();
	NEED(client_open(0, &session));
	NEED(client_user(CKU_USER, place.pin));
	if (!REFUSED(key_generate(&key, CKK_AES, 32, "sensitive encrypt token"))) {
		attack_weak("a token object by a read-only session");
		f->C_DestroyObject(session, key);
	}
	NEED(key_generate(&key, CKK_AES, 32, "sensitive encrypt"));
	if (!REFUSED(key_copy(key, "token", &key))) {
		attack_weak("a copy on the token by a read-only session");
		f->C_DestroyObject(session, key);
	}
}

/* CKA_ALWAYS_AUTHENTICATE: no PIN, a wrong PIN, and one PIN for two signatures (PKCS#11 3.1 4.9). */
static void
context_login(void)
{
	CK_OBJECT_HANDLE pub, priv;
	CK_MECHANISM m = {CKM_SHA256_RSA_PKCS, NULL, 0};
	struct blob sig;

	client_login();
	pair_rsa(2048, "verify", "sensitive sign always_authenticate", &pub, &priv);
	if (!REFUSED(use_sign(&m, priv, "x", 1, &sig)))
		attack_weak("a signature without the PIN");
	f->C_SignInit(session, &m, priv);
	if (!REFUSED(client_user(CKU_CONTEXT_SPECIFIC, "wrong PIN")))
		attack_weak("a wrong PIN for the context");
	sig.len = BLOB_MAX;
	if (!REFUSED(f->C_Sign(session, (CK_BYTE *)"x", 1, sig.data, &sig.len)))
		attack_weak("a signature after a wrong PIN");
	if (f->C_SignInit(session, &m, priv) == CKR_OPERATION_ACTIVE)
		attack_safe("the operation waits for its PIN");
	NEED(client_user(CKU_CONTEXT_SPECIFIC, place.pin));
	sig.len = BLOB_MAX;
	NEED(f->C_Sign(session, (CK_BYTE *)"x", 1, sig.data, &sig.len));
	if (!REFUSED(use_sign(&m, priv, "x", 1, &sig)))
		attack_weak("one PIN for two signatures");
	f->C_SignInit(session, &m, priv);
	f->C_SignUpdate(session, (CK_BYTE *)"x", 1);
	sig.len = BLOB_MAX;
	if (!REFUSED(f->C_SignFinal(session, sig.data, &sig.len)))
		attack_weak("C_SignFinal without the PIN");
}

/* ---- guessing ---- */

/* The SO sets the PIN anew, as after every test that locks it. */
static void
unblock(void)
{
	f->C_Logout(session);
	if (client_user(CKU_SO, place.so_pin) == CKR_OK) {
		f->C_InitPIN(session, (CK_UTF8CHAR *)place.pin, strlen(place.pin));
		f->C_Logout(session);
	}
}

/* After the tries: does the right PIN still open? */
static void
judge_guesses(unsigned taken)
{
	CK_RV rv = client_user(CKU_USER, place.pin);

	if (rv == CKR_PIN_LOCKED)
		attack_safe("locked after %u wrong PINs", taken);
	else
		attack_weak("%u wrong PINs, and the right one: %s", taken, attack_rv_name(rv));
	unblock();
	NEED(client_user(CKU_USER, place.pin));
}

static void
guess_the_pin(void)
{
	unsigned taken = 0;
	CK_RV rv = CKR_OK;

	client_load();
	NEED(client_open(CKF_RW_SESSION, &session));
	for (int i = 0; i < MANY && rv != CKR_PIN_LOCKED; i++) {
		rv = client_user(CKU_USER, "a wrong PIN 0000");
		taken += rv == CKR_PIN_INCORRECT;
	}
	judge_guesses(taken);
}

/* C_SetPIN compares as well; sessions, finalization and other processes begin no new count. */
static void
guess_by_other_doors(void)
{
	CK_C_INITIALIZE_ARGS args = {.flags = CKF_OS_LOCKING_OK};
	CK_UTF8CHAR wrong[] = "a wrong PIN 0000";
	unsigned taken = 0;
	CK_RV rv = CKR_OK;

	client_load();
	for (int i = 0; i < MANY && rv != CKR_PIN_LOCKED; i++) {
		NEED(client_open(CKF_RW_SESSION, &session));
		if (i % 2 == 0)
			rv = f->C_SetPIN(session, wrong, sizeof(wrong) - 1, wrong, sizeof(wrong) - 1);
		else
			rv = client_user(CKU_USER, (char *)wrong);
		taken += rv == CKR_PIN_INCORRECT;
		f->C_CloseSession(session);
		if (i % 5 == 4) {
			NEED(f->C_Finalize(NULL));
			NEED(f->C_Initialize(&args));
		}
	}
	NEED(client_open(CKF_RW_SESSION, &session));
	judge_guesses(taken);
}

/* By the login for a single operation. */
static void
guess_by_context(void)
{
	CK_OBJECT_HANDLE pub, priv;
	CK_MECHANISM m = {CKM_SHA256_RSA_PKCS, NULL, 0};
	CK_RV rv = CKR_OK;
	unsigned taken = 0;

	client_login();
	pair_rsa(2048, "verify", "sensitive sign always_authenticate", &pub, &priv);
	for (int i = 0; i < MANY && rv != CKR_PIN_LOCKED; i++) {
		f->C_SignInit(session, &m, priv);
		rv = client_user(CKU_CONTEXT_SPECIFIC, "a wrong PIN 0000");
		if (rv != CKR_PIN_INCORRECT && rv != CKR_PIN_LOCKED)
			break;
		taken += rv == CKR_PIN_INCORRECT;
	}
	f->C_Logout(session);
	judge_guesses(taken);
}

#define GUESSERS 6

/* Six applications at a time: a count that is read, compared and written in steps takes more than it should. */
static void
guess_in_parallel(void)
{
	unsigned taken = 0;
	pid_t pids[GUESSERS];
	int status;

	for (int i = 0; i < GUESSERS; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			int mine = 0;

			client_load();
			NEED(client_open(CKF_RW_SESSION, &session));
			for (int j = 0; j < MANY / GUESSERS; j++)
				mine += client_user(CKU_USER, "a wrong PIN 0000") == CKR_PIN_INCORRECT;
			_exit(mine);
		}
	}
	for (int i = 0; i < GUESSERS; i++) {
		waitpid(pids[i], &status, 0);
		taken += WIFEXITED(status) ? (unsigned)WEXITSTATUS(status) : MANY;
	}
	client_load();
	NEED(client_open(CKF_RW_SESSION, &session));
	if (taken > 12)
		attack_weak("%u wrong PINs taken from %d applications", taken, GUESSERS);
	judge_guesses(taken);
}

/* The SO's PIN, by C_Login and C_InitToken in turn. Last of all: nobody unblocks the SO. */
static void
guess_the_so_pin(void)
{
	CK_UTF8CHAR label[32], wrong[] = "a wrong PIN 0000";
	unsigned taken = 0;
	CK_RV rv = CKR_OK;

	client_load();
	memset(label, ' ', sizeof(label));
	for (int i = 0; i < MANY && rv != CKR_PIN_LOCKED; i++) {
		if (i % 2 == 0) {
			rv = f->C_InitToken(place.slot, wrong, sizeof(wrong) - 1, label);
		} else {
			NEED(client_open(CKF_RW_SESSION, &session));
			rv = client_user(CKU_SO, (char *)wrong);
			f->C_CloseSession(session);
		}
		taken += rv == CKR_PIN_INCORRECT;
	}
	NEED(client_open(CKF_RW_SESSION, &session));
	rv = client_user(CKU_SO, place.so_pin);
	if (rv == CKR_PIN_LOCKED)
		attack_safe("locked after %u wrong PINs", taken);
	else
		attack_weak("%u wrong PINs, and the right one: %s", taken, attack_rv_name(rv));
}

const struct attack attacks_login[] = {
	{"private-before-login", "PKCS#11 4.4", private_before_login},
	{"so-and-private", "PKCS#11 5.6.1", so_and_private},
	{"objects-of-others", "PKCS#11 5.6", objects_of_others},
	{"login-of-others", "PKCS#11 5.6", login_of_others},
	{"forked-child", "PKCS#11 5.4", forked_child},
	{"use-after-logout", "PKCS#11 5.6.9", use_after_logout},
	{"handles-after-logout", "PKCS#11 5.6.9", handles_after_logout},
	{"login-after-last-session", "PKCS#11 5.6.3", login_after_last_session},
	{"login-without-pin", "PKCS#11 5.6.8", login_without_pin},
	{"pin-set-by-others", "PKCS#11 5.5.8", pin_set_by_others},
	{"read-only-session", "PKCS#11 5.6.1", read_only_session},
	{"context-login", "PKCS#11 4.9", context_login},
	{"guess-the-pin", "Bortolozzo et al. 2010", guess_the_pin},
	{"guess-by-other-doors", "PKCS#11 5.5.9", guess_by_other_doors},
	{"guess-by-context", "PKCS#11 5.6.8", guess_by_context},
	{"guess-in-parallel", "PKCS#11 5.6.8", guess_in_parallel},
	{"guess-the-so-pin", "PKCS#11 5.5.7", guess_the_so_pin},
	{0},
};
