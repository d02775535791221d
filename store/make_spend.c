/* make_spend.c - the token's own changes of a key: what a use of it uses up */
#include <string.h>
#include <time.h>

#include "make_inner.h"
#include "why.h"

/* Attempts when C_SetAttributeValue changes the same key at the same moment. */
#define TRIES 200

/* One use after the other: they would only get in each other's way, each replacing the version that the other read. */
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;

static CK_RV
next_version(struct token *t, struct object *now, make_asks *ask, void *arg, struct object **o)
{
	struct attrs changes = {0}, a = {0};
	CK_RV rv;

	rv = ask(arg, &now->attrs, &changes);
	if (rv == CKR_OK)
		rv = attrs_copy(&a, &now->attrs);
	for (size_t i = 0; i < changes.n && rv == CKR_OK; i++)
		rv = attrs_set_attr(&a, &changes.v[i]);
	if (rv == CKR_OK)
		rv = make_renewed(t, now, &a, o);
	attrs_free(&changes);
	attrs_free(&a);
	return rv;
}

static CK_RV
spend_token_object(struct token *t, const struct object *key, make_asks *ask, void *arg, struct object **o)
{
	const struct timespec moment = {.tv_nsec = 1000000};
	struct object *now = NULL;
	CK_RV rv = CKR_OBJECT_HANDLE_INVALID;

	for (int i = 0; i < TRIES && rv == CKR_OBJECT_HANDLE_INVALID; i++) {
		if (i > 0)
			nanosleep(&moment, NULL); /* another's change is written but not yet committed */
		rv = token_object(t, key->handle, true, &now);
		if (rv != CKR_OK)
			break;
		if (memcmp(now->uuid, key->uuid, UUID_LEN) == 0)
			rv = next_version(t, now, ask, arg, o);
		else
			rv = why(CKR_KEY_HANDLE_INVALID, "the key is no longer there");
		object_put(now);
		now = NULL;
	}
	return rv == CKR_OBJECT_HANDLE_INVALID ? CKR_KEY_HANDLE_INVALID : rv;
}

CK_RV
make_spent(struct token *t, struct object *key, make_asks *ask, void *arg, struct object **o)
{
	CK_RV rv;

	*o = NULL;
	if (!key->token)
		return next_version(t, key, ask, arg, o);
	pthread_mutex_lock(&turn);
	rv = spend_token_object(t, key, ask, arg, o);
	pthread_mutex_unlock(&turn);
	return rv;
}
