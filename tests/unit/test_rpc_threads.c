/* Many threads in one application by rpc_call on a real vault: they share it, and it may go away under them. */
#include <pthread.h>

#include "rpc_help.h"

struct worker {
	struct app *app;
	pthread_t thread;
	unsigned failed;
};

static void *
work(void *arg)
{
	struct worker *w = arg;
	struct peer p = {.app = w->app};
	CK_ULONG s, key;

	for (int i = 0; i < 50; i++) {
		w->failed += open_session(&p, 0, RW, &s) != CKR_OK;
		w->failed += create_key(&p, s, &generic, &no, &no, "t", &key) != CKR_OK;
		for (int k = 0; k < 10; k++) {
			w->failed += sign_init(&p, s, key) != CKR_OK;
			w->failed +=
				ask(&p, WIRE_SIGN, "ubo", s, "x", (size_t)1, 1, 32UL) != CKR_OK;
		}
		w->failed += count(&p, s, "t") < 1;
		w->failed += ask(&p, WIRE_CLOSE_SESSION, "u", s) != CKR_OK;
	}
	codec_free(&p.reply);
	codec_free(&p.answer);
	return NULL;
}

static void *
log_in_and_out(void *arg)
{
	struct worker *w = arg;
	struct peer p = {.app = w->app};
	CK_ULONG s, key;
	CK_RV rv;

	open_session(&p, 0, RW, &s);
	for (int i = 0; i < 20; i++) {
		rv = login(&p, s, CKU_USER, PIN);
		w->failed += rv != CKR_OK && rv != CKR_USER_ALREADY_LOGGED_IN;
		if (create_key(&p, s, &generic, &no, &yes, "private", &key) == CKR_OK)
			sign_init(&p, s, key);
		rv = ask(&p, WIRE_LOGOUT, "u", s);
		w->failed += rv != CKR_OK && rv != CKR_USER_NOT_LOGGED_IN;
	}
	codec_free(&p.reply);
	codec_free(&p.answer);
	return NULL;
}

static void
test_threads_share_an_application(struct daemon *d)
{
	struct worker w[6];
	struct peer p;

	peer_open(&p, d);
	for (int i = 0; i < 6; i++) {
		w[i] = (struct worker){.app = p.app};
		pthread_create(&w[i].thread, NULL, i < 4 ? work : log_in_and_out, &w[i]);
	}
	for (int i = 0; i < 6; i++) {
		pthread_join(w[i].thread, NULL);
		CHECK(w[i].failed == 0);
	}
	CHECK(p.app->sessions.n == 2);
	CHECK(p.app->logins == NULL || p.app->logins->next == NULL);
	peer_close(&p);
	CHECK(d->sessions == 0);
}

/* A connection that goes away while its calls run: they finish, nothing is left. */
static void
test_close_under_running_calls(struct daemon *d)
{
	struct worker w[3];
	struct peer p;

	peer_open(&p, d);
	for (int i = 0; i < 3; i++) {
		w[i] = (struct worker){.app = app_ref(p.app)};
		pthread_create(&w[i].thread, NULL, i < 2 ? work : log_in_and_out, &w[i]);
	}
	usleep(20000);
	peer_close(&p);
	for (int i = 0; i < 3; i++) {
		pthread_join(w[i].thread, NULL);
		CHECK(w[i].app->sessions.n == 0 && w[i].app->objects.n == 0 &&
			!w[i].app->logins);
		app_put(w[i].app);
	}
	CHECK(d->sessions == 0 && d->apps == NULL);
}

int
main(void)
{
	struct bench b = {0};

	if (!bench_ready(&b))
		return 1;
	make_token(&b, "token");
	test_threads_share_an_application(b.daemon);
	test_close_under_running_calls(b.daemon);
	bench_close(&b);
	return unit_done("rpc_threads");
}
