#include "rpc_handler.h"

#include <stdlib.h>

#include "audit.h"
#include "session_object.h"

/* ---- what the other handlers share ---- */

struct maker
rpc_maker(struct rpc *r)
{
	return (struct maker){.token = r->session->token,
		.who = session_actor(r->session),
		.cancel = &r->session->cancel,
		.twins = session_object_twins,
		.twins_arg = r->session};
}

CK_RV
rpc_object(struct rpc *r, CK_OBJECT_HANDLE h, CK_RV invalid, struct object **o)
{
	struct session *s = r->session;
	CK_RV rv;

	*o = NULL;
	if (h == 0 || h > UINT32_MAX)
		return invalid;
	if (h & HANDLE_SESSION)
		rv = session_object_get(s, h, o);
	else if (h & HANDLE_BUILTIN)
		rv = builtin_object(h, token_compat(s->token), o);
	else
		rv = token_object(s->token, h, app_user(r->app, s->token) == CKU_USER, o);
	return rv == CKR_OBJECT_HANDLE_INVALID ? invalid : rv;
}

CK_RV
rpc_keep(struct rpc *r, struct object **v, size_t n)
{
	struct maker m = rpc_maker(r);
	CK_RV rv = CKR_OK;
	size_t i;

	for (i = 0; i < n; i++) {
		if (v[i]->private && m.who.user != CKU_USER)
			rv = CKR_USER_NOT_LOGGED_IN;
	}
	for (i = 0; i < n && rv == CKR_OK; i++) {
		if (!v[i]->token)
			rv = session_object_add(r->session, v[i]);
	}
	if (rv == CKR_OK)
		return rv;
	for (size_t k = 0; k < n; k++) {
		if (v[k]->token)
			token_commit(m.token, NULL, 0, &v[k], 1);
		else if (k + 1 < i)
			session_object_remove(r->app, v[k]->handle);
	}
	return rv;
}

CK_RV
rpc_made(struct rpc *r, CK_RV rv)
{
	if (rv == CKR_FUNCTION_CANCELED && !atomic_load(&r->app->cancel.on) &&
		!atomic_load(&r->session->closed))
		return CKR_USER_NOT_LOGGED_IN;
	return rv;
}

void
rpc_audit(struct rpc *r, const char *what, const struct object *o, CK_RV rv)
{
	if ((!o || o->token) && (rv == CKR_OK || audit_refusal(rv)))
		app_audit(r->app, r->session->token, what, o, rv);
}

/* ---- making, copying, destroying ---- */

CK_RV
rpc_create_object(struct rpc *r)
{
	struct maker m = rpc_maker(r);
	struct attrs templ = {0};
	struct object *o = NULL;
	CK_RV rv;

	codec_get_attrs(&r->in, &templ);
	rv = rpc_taken(r);
	if (rv == CKR_OK)
		rv = make_create(&m, &templ, &o);
	if (rv == CKR_OK)
		rv = rpc_keep(r, &o, 1);
	if (attrs_bool(&templ, CKA_TOKEN, false))
		rpc_audit(r, "create", o, rv);
	if (rv == CKR_OK)
		codec_put_ulong(r->out, o->handle);
	object_put(o);
	attrs_free(&templ);
	return rv;
}

CK_RV
rpc_copy_object(struct rpc *r)
{
	struct maker m = rpc_maker(r);
	struct object *source = NULL, *copy = NULL;
	struct attrs changes = {0};
	CK_OBJECT_HANDLE h;
	CK_RV rv;

	codec_get_ulong(&r->in, &h);
	codec_get_attrs(&r->in, &changes);
	rv = rpc_taken(r);
	if (rv == CKR_OK)
		rv = rpc_object(r, h, CKR_OBJECT_HANDLE_INVALID, &source);
	if (rv == CKR_OK)
		rv = make_copy(&m, source, &changes, &copy);
	if (rv == CKR_OK)
		rv = rpc_keep(r, &copy, 1);
	if (source)
		rpc_audit(r, "copy", copy ? copy : source, rv);
	if (rv == CKR_OK)
		codec_put_ulong(r->out, copy->handle);
	object_put(source);
	object_put(copy);
	attrs_free(&changes);
	return rv;
}

CK_RV
rpc_destroy_object(struct rpc *r)
{
	struct maker m = rpc_maker(r);
	struct object *o = NULL;
	CK_OBJECT_HANDLE h;
	CK_RV rv;

	rv = rpc_taken_ulong(r, &h);
	if (rv == CKR_OK)
		rv = rpc_object(r, h, CKR_OBJECT_HANDLE_INVALID, &o);
	if (rv == CKR_OK)
		rv = make_destroyed(&m, o);
	if (rv == CKR_OK && !o->token)
		rv = session_object_remove(r->app, h);
	if (rv == CKR_OK)
		atomic_fetch_add(&r->daemon->destroyed, 1);
	if (o)
		rpc_audit(r, "destroy", o, rv);
	object_put(o);
	return rv;
}

/* ---- attributes ---- */

CK_RV
rpc_get_object_size(struct rpc *r)
{
	struct object *o = NULL;
	CK_OBJECT_HANDLE h;
	CK_RV rv;

	rv = rpc_taken_ulong(r, &h);
	if (rv == CKR_OK)
		rv = rpc_object(r, h, CKR_OBJECT_HANDLE_INVALID, &o);
	if (rv == CKR_OK)
		codec_put_ulong(r->out, object_size(o));
	object_put(o);
	return rv;
}

/* Bytes as the application counts them in its own memory. */
static CK_ULONG
native_length(const struct attr *a)
{
	return a->sub ? a->sub->n * sizeof(CK_ATTRIBUTE) : a->len;
}

/* The gravest of the answers that PKCS#11 3.1 5.7.5 allows when several apply. */
static CK_RV
graver(CK_RV a, CK_RV b)
{
	static const CK_RV order[] = {
		CKR_ATTRIBUTE_SENSITIVE, CKR_ATTRIBUTE_TYPE_INVALID, CKR_BUFFER_TOO_SMALL};

	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		if (a == order[i] || b == order[i])
			return order[i];
	}
	return a != CKR_OK ? a : b;
}

/* One item: CKR_OK, or one of the three that leave the others to be answered. *revealed becomes true with a
 * secret. */
static CK_RV
put_one(struct rpc *r, const struct object *o, const struct codec_query *q, bool *revealed)
{
	const struct attr *a = NULL;
	CK_RV rv = object_read(o, q->type, &a);
	CK_ULONG length = CK_UNAVAILABLE_INFORMATION;

	if (rv == CKR_OK) {
		length = native_length(a);
		if (q->present && q->room < length) {
			length = CK_UNAVAILABLE_INFORMATION;
			rv = CKR_BUFFER_TOO_SMALL;
		}
	}
	*revealed = *revealed || (rv == CKR_OK && q->present && audit_reveals(o, q->type));
	codec_put_answer(r->out, q->type, length, rv == CKR_OK ? a : NULL, q->present);
	return rv;
}

CK_RV
rpc_get_attribute_value(struct rpc *r)
{
	struct codec_query *q = NULL;
	struct object *o = NULL;
	CK_OBJECT_HANDLE h;
	bool revealed = false;
	size_t n = 0;
	CK_RV rv;

	codec_get_ulong(&r->in, &h);
	codec_get_query(&r->in, &q, &n);
	rv = rpc_taken(r);
	if (rv == CKR_OK)
		rv = rpc_object(r, h, CKR_OBJECT_HANDLE_INVALID, &o);
	if (rv != CKR_OK)
		goto out;
	codec_put_answers_begin(r->out, n);
	for (size_t i = 0; i < n; i++)
		rv = graver(rv, put_one(r, o, &q[i], &revealed));
	if (revealed)
		rpc_audit(r, "export", o, CKR_OK);
out:
	object_put(o);
	free(q);
	return rv;
}

/* A new version in the place of the one it was made from; once more if another thread was there first. */
static CK_RV
change_session_object(struct rpc *r, CK_OBJECT_HANDLE h, const struct attrs *changes)
{
	struct maker m = rpc_maker(r);
	bool done = false;
	CK_RV rv;

	do {
		struct object *old = NULL, *changed = NULL;

		rv = rpc_object(r, h, CKR_OBJECT_HANDLE_INVALID, &old);
		if (rv == CKR_OK)
			rv = make_changed(&m, old, changes, &changed);
		if (rv == CKR_OK)
			rv = session_object_replace(r->app, old, changed, &done);
		object_put(old);
		object_put(changed);
	} while (rv == CKR_OK && !done);
	return rv;
}

static CK_RV
change_token_object(struct rpc *r, CK_OBJECT_HANDLE h, const struct attrs *changes)
{
	struct maker m = rpc_maker(r);
	struct object *old = NULL, *changed = NULL;
	CK_RV rv;

	rv = rpc_object(r, h, CKR_OBJECT_HANDLE_INVALID, &old);
	if (rv == CKR_OK)
		rv = make_changed(&m, old, changes, &changed);
	if (old)
		rpc_audit(r, "set-attributes", changed ? changed : old, rv);
	object_put(old);
	object_put(changed);
	return rv;
}

CK_RV
rpc_set_attribute_value(struct rpc *r)
{
	struct attrs changes = {0};
	CK_OBJECT_HANDLE h;
	CK_RV rv;

	codec_get_ulong(&r->in, &h);
	codec_get_attrs(&r->in, &changes);
	rv = rpc_taken(r);
	if (rv == CKR_OK)
		rv = h & HANDLE_SESSION ? change_session_object(r, h, &changes)
					: change_token_object(r, h, &changes);
	attrs_free(&changes);
	return rv;
}

/* ---- finding ---- */

CK_RV
rpc_find_objects_init(struct rpc *r)
{
	struct session *s = r->session;
	CK_OBJECT_HANDLE *found = NULL;
	struct attrs templ = {0};
	uint64_t destroyed = atomic_load(&r->daemon->destroyed);
	CK_USER_TYPE user = app_user(r->app, s->token);
	size_t n = 0;
	CK_RV rv;

	codec_get_attrs(&r->in, &templ);
	rv = rpc_taken(r);
	if (rv == CKR_OK && s->finding)
		rv = CKR_OPERATION_ACTIVE;
	if (rv == CKR_OK && attrs_bool(&templ, CKA_TOKEN, true))
		rv = token_find(s->token, &templ, user == CKU_USER, &found, &n);
	if (rv == CKR_OK && attrs_bool(&templ, CKA_TOKEN, true))
		rv = builtin_find(&templ, token_compat(s->token), &found, &n);
	if (rv == CKR_OK && !attrs_bool(&templ, CKA_TOKEN, false))
		rv = session_object_find(s, &templ, &found, &n);
	if (rv == CKR_OK) {
		s->finding = true;
		s->found = found;
		s->n_found = n;
		s->next_found = 0;
		s->found_by = user;
		s->found_at = destroyed;
		found = NULL; /* transferred */
	}
	free(found);
	attrs_free(&templ);
	return rv;
}

/* One answer has at most so many handles, and has looked at about so many objects again. */
#define FIND_MAX 4096
#define FIND_LOOKS 1024

/* Has nothing gone, and nobody logged out, since the search began? Then there is no need to look. */
static bool
all_there(const struct rpc *r)
{
	const struct session *s = r->session;

	return s->found_at == atomic_load(&r->daemon->destroyed) &&
	       (s->found_by != CKU_USER || app_user(r->app, s->token) == CKU_USER);
}

/* What was destroyed, or hidden by a logout, since the search began is left out. */
static bool
still_there(struct rpc *r, CK_OBJECT_HANDLE h)
{
	struct object *o = NULL;
	bool there =
		rpc_object(r, h, CKR_OBJECT_HANDLE_INVALID, &o) != CKR_OBJECT_HANDLE_INVALID;

	object_put(o);
	return there;
}

CK_RV
rpc_find_objects(struct rpc *r)
{
	struct session *s = r->session;
	CK_ULONG max, *next;
	size_t first, n = 0, looks = 0;
	bool sure;
	CK_RV rv;

	rv = rpc_taken_ulong(r, &max);
	if (rv == CKR_OK && !s->finding)
		rv = CKR_OPERATION_NOT_INITIALIZED;
	if (rv != CKR_OK)
		return rv;
	/* The handles given out are moved together where they lie; they are not needed again. */
	first = s->next_found;
	next = s->found ? s->found + first : NULL;
	sure = all_there(r);
	if (max > FIND_MAX)
		max = FIND_MAX;
	/* An empty answer would be the end: some handle is looked for, however many are gone. */
	while (n < max && s->next_found < s->n_found && (n == 0 || looks < FIND_LOOKS)) {
		CK_OBJECT_HANDLE h = s->found[s->next_found++];

		looks += !sure;
		if (sure || still_there(r, h))
			next[n++] = h;
	}
	codec_put_ulongs(r->out, next, n);
	return CKR_OK;
}

CK_RV
rpc_find_objects_final(struct rpc *r)
{
	CK_RV rv = rpc_taken(r);

	if (rv == CKR_OK && !r->session->finding)
		rv = CKR_OPERATION_NOT_INITIALIZED;
	if (rv == CKR_OK)
		session_find_end(r->session);
	return rv;
}
