/* Logins and unlocks are of one token and of the key that came into memory, not of a slot: what becomes of them
 * when the vault changes under the daemon, or when they end while a call runs. */
#include <dirent.h>
#include <pthread.h>

#include "rpc_help.h"
#include "../../fs/unlock.h"

/* The folder of the token in slot 0. */
static void
folder(struct bench *b, char path[160])
{
	struct token *t = NULL;

	CHECK_RV(CKR_OK, token_get(b->daemon->vault, 0, &t));
	snprintf(path, 160, "%s/%s", b->vault, t ? token_serial(t) : "none");
	token_put(t);
}

static void
move_out(struct bench *b, const char *path, char aside[160])
{
	snprintf(aside, 160, "%s/aside-%s", b->dir, strrchr(path, '/') + 1);
	CHECK(rename(path, aside) == 0);
	CHECK_RV(CKR_OK, vault_reload(b->daemon->vault));
}

static void
move_in(struct bench *b, const char *path, const char *aside)
{
	CHECK(rename(aside, path) == 0);
	CHECK_RV(CKR_OK, vault_reload(b->daemon->vault));
}

static bool
unlocked(struct bench *b)
{
	struct token *t = NULL;
	bool is = token_get(b->daemon->vault, 0, &t) == CKR_OK &&
		unlock_active(b->daemon, t, getuid(), NULL);

	token_put(t);
	return is;
}

static CK_STATE
state_of(struct peer *p, CK_ULONG s)
{
	CHECK_RV(CKR_OK, ask(p, WIRE_GET_SESSION_INFO, "u", s));
	got(p);
	return got(p);
}

static void
test_login_does_not_pass_to_another_token_in_the_slot(struct bench *b)
{
	char one[160], two[160], one_aside[160], two_aside[160];
	CK_ULONG s, fresh, key;
	struct peer p;

	folder(b, one);
	move_out(b, one, one_aside);
	make_token(b, "two");
	folder(b, two);
	move_out(b, two, two_aside);
	move_in(b, one, one_aside);

	peer_open(&p, b->daemon);
	CHECK_RV(CKR_OK, open_session(&p, 0, RW, &s));
	CHECK_RV(CKR_OK, login(&p, s, CKU_USER, PIN));
	CHECK_RV(CKR_OK, ask(&p, WIRE_T_UNLOCK, "ubu", 0UL, PIN, strlen(PIN), 0UL));
	CHECK_RV(CKR_OK, create_key(&p, s, &generic, &no, &yes, "mine", &key));
	move_out(b, one, one_aside);
	move_in(b, two, two_aside);

	CHECK(!unlocked(b));
	CHECK_RV(CKR_OK, open_session(&p, 0, RW, &fresh));
	CHECK(state_of(&p, fresh) == CKS_RW_PUBLIC_SESSION);
	CHECK_RV(CKR_USER_NOT_LOGGED_IN, create_key(&p, fresh, &generic, &no, &yes, "x", &key));
	CHECK(count(&p, fresh, "mine") == 0);
	CHECK_RV(CKR_USER_NOT_LOGGED_IN, ask(&p, WIRE_LOGOUT, "u", fresh));
	CHECK_RV(CKR_ARGUMENTS_BAD, login(&p, fresh, CKU_USER, NULL));
	/* the old login is in nobody's way */
	CHECK_RV(CKR_OK, login(&p, fresh, CKU_USER, PIN));
	CHECK(state_of(&p, fresh) == CKS_RW_USER_FUNCTIONS);
	CHECK_RV(CKR_OK, ask(&p, WIRE_LOGOUT, "u", fresh));
	unlock_expire(b->daemon);
	CHECK(b->daemon->unlocks == NULL);
	peer_close(&p);
	move_out(b, two, two_aside);
	move_in(b, one, one_aside);
}

static void
test_login_ends_when_the_token_is_read_anew(struct bench *b)
{
	CK_ULONG s, fresh, key;
	char one[160], aside[160];
	struct peer p;

	folder(b, one);
	peer_open(&p, b->daemon);
	CHECK_RV(CKR_OK, open_session(&p, 0, RW, &s));
	CHECK_RV(CKR_OK, login(&p, s, CKU_USER, PIN));
	CHECK_RV(CKR_OK, create_key(&p, s, &generic, &no, &yes, "mine", &key));
	CHECK_RV(CKR_OK, sign_init(&p, s, key));
	move_out(b, one, aside);
	move_in(b, one, aside);
	/* the session's own token has lost its key: the login, its operation and its private objects are gone */
	CHECK_RV(CKR_OPERATION_NOT_INITIALIZED, ask(&p, WIRE_SIGN, "ubo", s, "x", (size_t)1, 1, 32UL));
	CHECK_RV(CKR_KEY_HANDLE_INVALID, sign_init(&p, s, key));
	CHECK_RV(CKR_USER_NOT_LOGGED_IN, ask(&p, WIRE_LOGOUT, "u", s));
	CHECK_RV(CKR_OK, open_session(&p, 0, RW, &fresh));
	CHECK(state_of(&p, fresh) == CKS_RW_PUBLIC_SESSION);
	peer_close(&p);
}

/* ---- what ends while a call runs ---- */

struct generation {
	struct app *app;
	CK_ULONG session, bits;
	CK_RV rv;
	atomic_bool done;
};

static void *
generate(void *arg)
{
	CK_MECHANISM mech = {CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0};
	struct generation *g = arg;
	CK_ATTRIBUTE pub[] = {{CKA_MODULUS_BITS, &g->bits, sizeof(g->bits)}, {CKA_LABEL, (void *)"late", 4}},
		priv[] = {{CKA_TOKEN, &yes, 1}, {CKA_PRIVATE, &yes, 1}, {CKA_LABEL, (void *)"late", 4}};
	struct peer p = {.app = g->app};

	g->rv = ask(&p, WIRE_GENERATE_KEY_PAIR, "umaa", g->session, &mech, pub, 2UL, priv, 3UL);
	atomic_store(&g->done, true);
	codec_free(&p.reply);
	codec_free(&p.answer);
	return NULL;
}

static void
test_logout_stops_a_generation(struct bench *b)
{
	struct generation g = {.bits = 16384};
	pthread_t thread;
	CK_ULONG other;
	struct peer p;

	peer_open(&p, b->daemon);
	g.app = p.app;
	CHECK_RV(CKR_OK, open_session(&p, 0, RW, &g.session));
	CHECK_RV(CKR_OK, open_session(&p, 0, RW, &other));
	CHECK_RV(CKR_OK, login(&p, other, CKU_USER, PIN));
	pthread_create(&thread, NULL, generate, &g);
	usleep(50000);
	CHECK_RV(CKR_OK, ask(&p, WIRE_LOGOUT, "u", other));
	pthread_join(thread, NULL);
	CHECK_RV(CKR_USER_NOT_LOGGED_IN, g.rv);
	CHECK_RV(CKR_OK, login(&p, other, CKU_USER, PIN));
	CHECK(count(&p, other, "late") == 0);
	peer_close(&p);
}

/* Calls on a session that another call holds are told so, soon, and in which order to wait. */
static void
test_busy_session_does_not_hold_a_thread(struct bench *b)
{
	struct generation g = {.bits = 16384};
	struct timespec from, to;
	struct codec request = {0}, reply = {0};
	pthread_t thread;
	CK_ULONG other;
	struct peer p;

	peer_open(&p, b->daemon);
	g.app = p.app;
	CHECK_RV(CKR_OK, open_session(&p, 0, RW, &g.session));
	CHECK_RV(CKR_OK, open_session(&p, 0, RW, &other));
	CHECK_RV(CKR_OK, login(&p, other, CKU_USER, PIN));
	codec_begin(&request, WIRE_GET_SESSION_INFO, 1);
	codec_put_ulong(&request, g.session);
	CHECK_RV(CKR_OK, codec_end(&request));
	CHECK(rpc_lane(request.buf.data, request.buf.len) == g.session);
	CHECK(rpc_lane(request.buf.data, 16) == 0);
	CHECK(rpc_try(p.app, request.buf.data, request.buf.len, &reply));
	pthread_create(&thread, NULL, generate, &g);
	usleep(50000);
	clock_gettime(CLOCK_MONOTONIC, &from);
	CHECK(!rpc_try(p.app, request.buf.data, request.buf.len, &reply));
	clock_gettime(CLOCK_MONOTONIC, &to);
	CHECK(!atomic_load(&g.done));
	CHECK((to.tv_sec - from.tv_sec) * 1000 + (to.tv_nsec - from.tv_nsec) / 1000000 < 500);
	CHECK_RV(CKR_OK, ask(&p, WIRE_LOGOUT, "u", other));
	pthread_join(thread, NULL);
	CHECK(rpc_try(p.app, request.buf.data, request.buf.len, &reply));
	codec_free(&request);
	codec_free(&reply);
	peer_close(&p);
}

struct unlocking {
	struct bench *b;
	CK_RV rv;
};

static void *
unlock(void *arg)
{
	struct unlocking *u = arg;
	struct peer p;

	peer_open(&p, u->b->daemon);
	u->rv = ask(&p, WIRE_T_UNLOCK, "ubu", 0UL, PIN, strlen(PIN), 0UL);
	peer_close(&p);
	return NULL;
}

/* Whichever comes first: no unlock outlives its token. */
static void
test_unlock_races_with_deletion(struct bench *b)
{
	struct unlocking u = {.b = b};
	pthread_t thread;
	struct peer p;

	peer_open(&p, b->daemon);
	for (int i = 0; i < 6; i++) {
		make_token(b, "short");
		pthread_create(&thread, NULL, unlock, &u);
		usleep((unsigned)i * 60000);
		CHECK_RV(CKR_OK, ask(&p, WIRE_T_DELETE_TOKEN, "ub", 0UL, SO_PIN, strlen(SO_PIN)));
		pthread_join(thread, NULL);
		unlock_expire(b->daemon);
		CHECK(b->daemon->unlocks == NULL);
	}
	peer_close(&p);
}

int
main(void)
{
	struct bench b = {0};

	if (!bench_ready(&b))
		return 1;
	make_token(&b, "one");
	test_login_does_not_pass_to_another_token_in_the_slot(&b);
	test_login_ends_when_the_token_is_read_anew(&b);
	test_logout_stops_a_generation(&b);
	test_busy_session_does_not_hold_a_thread(&b);
	{
		struct peer p;

		peer_open(&p, b.daemon);
		CHECK_RV(CKR_OK, ask(&p, WIRE_T_DELETE_TOKEN, "ub", 0UL, SO_PIN, strlen(SO_PIN)));
		peer_close(&p);
	}
	test_unlock_races_with_deletion(&b);
	bench_close(&b);
	return unit_done("login");
}
