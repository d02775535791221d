#include "session_object.h"

#include <stdlib.h>

struct session_object {
	struct object *object; /* referenced */
	const struct token *token;     /* for comparison alone, as the session */
	const struct session *session;
	size_t bytes;
	struct session_object *next; /* in a list of those that go */
};

/* With app->lock held: bytes more in place of bytes less, if the limits allow it. */
static bool
charge(struct app *a, size_t more, size_t less)
{
	size_t all;

	if (more > SESSION_OBJECTS_BYTES || a->object_bytes - less > SESSION_OBJECTS_BYTES - more)
		return false;
	all = atomic_fetch_add(&a->daemon->object_bytes, more) + more;
	if (more > less && all - less > SESSION_OBJECTS_ALL_BYTES) {
		atomic_fetch_sub(&a->daemon->object_bytes, more);
		return false;
	}
	atomic_fetch_sub(&a->daemon->object_bytes, less);
	a->object_bytes += more - less;
	return true;
}

/* What an object takes, with what stands around its attributes. */
static size_t
bytes_of(const struct object *o)
{
	return object_size(o) + sizeof(struct object) + sizeof(struct session_object);
}

CK_RV
session_object_add(struct session *s, struct object *o)
{
	struct session_object *e = calloc(1, sizeof(*e));
	struct app *a = s->app;
	CK_RV rv = CKR_OK;

	if (!e)
		return CKR_HOST_MEMORY;
	e->object = o;
	e->token = s->token;
	e->session = s;
	e->bytes = bytes_of(o);
	pthread_mutex_lock(&a->lock);
	if (atomic_load(&s->closed))
		rv = CKR_SESSION_HANDLE_INVALID;
	else if (o->private && app_user_locked(a, s->token) != CKU_USER)
		rv = CKR_USER_NOT_LOGGED_IN;
	else if (a->objects.n >= SESSION_OBJECTS_MAX || !charge(a, e->bytes, 0))
		rv = CKR_DEVICE_MEMORY;
	else if ((o->handle = handles_add(&a->objects, e)))
		object_ref(o);
	else {
		charge(a, 0, e->bytes);
		rv = CKR_HOST_MEMORY;
	}
	pthread_mutex_unlock(&a->lock);
	if (rv != CKR_OK)
		free(e);
	return rv;
}

/* With app->lock held. A logout takes the private ones out of the table, but the key may have gone without one. */
static bool
visible(const struct session_object *e, struct session *s)
{
	return e->token == s->token &&
	       (!e->object->private || app_user_locked(s->app, s->token) == CKU_USER);
}

CK_RV
session_object_get(struct session *s, CK_OBJECT_HANDLE h, struct object **o)
{
	struct app *a = s->app;
	struct session_object *e;

	*o = NULL;
	pthread_mutex_lock(&a->lock);
	e = handles_get(&a->objects, h);
	if (e && visible(e, s))
		*o = object_ref(e->object);
	pthread_mutex_unlock(&a->lock);
	return *o ? CKR_OK : CKR_OBJECT_HANDLE_INVALID;
}

CK_RV
session_object_replace(struct app *a, struct object *old, struct object *changed, bool *done)
{
	size_t bytes = bytes_of(changed);
	struct session_object *e;
	CK_RV rv = CKR_OK;

	pthread_mutex_lock(&a->lock);
	e = handles_get(&a->objects, old->handle);
	*done = e && e->object == old;
	if (*done && !charge(a, bytes, e->bytes)) {
		rv = CKR_DEVICE_MEMORY;
		*done = false;
	}
	if (*done) {
		changed->handle = old->handle;
		e->object = object_ref(changed);
		e->bytes = bytes;
	}
	pthread_mutex_unlock(&a->lock);
	if (*done)
		object_put(old); /* the table's reference */
	return rv;
}

CK_RV
session_object_remove(struct app *a, CK_OBJECT_HANDLE h)
{
	struct session_object *e;

	pthread_mutex_lock(&a->lock);
	e = handles_remove(&a->objects, h);
	if (e)
		charge(a, 0, e->bytes);
	pthread_mutex_unlock(&a->lock);
	if (!e)
		return CKR_OBJECT_HANDLE_INVALID;
	session_object_release(e);
	return CKR_OK;
}

/* References on all objects that the session sees, so that the comparison runs without the lock. */
static CK_RV
collect(struct session *s, struct object ***out, size_t *n)
{
	struct app *a = s->app;
	struct session_object *e;
	struct object **v;
	size_t at = 0;

	*n = 0;
	*out = NULL;
	pthread_mutex_lock(&a->lock);
	v = a->objects.n ? calloc(a->objects.n, sizeof(struct object *)) : NULL;
	if (a->objects.n && !v) {
		pthread_mutex_unlock(&a->lock);
		return CKR_HOST_MEMORY;
	}
	while (v && (e = handles_next(&a->objects, &at))) {
		if (visible(e, s))
			v[(*n)++] = object_ref(e->object);
	}
	pthread_mutex_unlock(&a->lock);
	*out = v;
	return CKR_OK;
}

/* Compared under the lock: most objects differ in their first bytes, and a reference on each would cost more. */
CK_RV
session_object_twins(void *arg, const struct attrs *a, struct object ***v, size_t *n)
{
	struct session *s = arg;
	struct session_object *e;
	struct object **more;
	CK_RV rv = CKR_OK;
	size_t at = 0;

	*n = 0;
	*v = NULL;
	pthread_mutex_lock(&s->app->lock);
	while (rv == CKR_OK && (e = handles_next(&s->app->objects, &at))) {
		if (e->token != s->token || !object_same_value(e->object, a))
			continue;
		more = realloc(*v, (*n + 1) * sizeof(struct object *));
		if (more) {
			*v = more;
			more[(*n)++] = object_ref(e->object);
		} else {
			rv = CKR_HOST_MEMORY;
		}
	}
	pthread_mutex_unlock(&s->app->lock);
	return rv;
}

static int
ascending(const void *a, const void *b)
{
	CK_OBJECT_HANDLE x = *(const CK_OBJECT_HANDLE *)a, y = *(const CK_OBJECT_HANDLE *)b;

	return (x > y) - (x < y);
}

CK_RV
session_object_find(struct session *s, const struct attrs *templ,
	CK_OBJECT_HANDLE **handles, size_t *n)
{
	CK_OBJECT_HANDLE *more;
	struct object **v = NULL;
	size_t n_v = 0, first = *n;
	CK_RV rv;

	rv = collect(s, &v, &n_v);
	if (rv != CKR_OK || n_v == 0)
		goto out;
	more = realloc(*handles, (*n + n_v) * sizeof(**handles));
	if (!more) {
		rv = CKR_HOST_MEMORY;
		goto out;
	}
	*handles = more;
	for (size_t i = 0; i < n_v; i++) {
		if (object_matches(v[i], templ))
			more[(*n)++] = v[i]->handle;
	}
	qsort(more + first, *n - first, sizeof(*more), ascending);
out:
	for (size_t i = 0; i < n_v; i++)
		object_put(v[i]);
	free(v);
	return rv;
}

static bool
goes(const struct session_object *e, const struct session_object_sweep *which)
{
	return e->token == which->token && (!which->session || e->session == which->session) &&
	       (!which->private_only || e->object->private);
}

struct session_object *
session_object_take(struct app *a, const struct session_object_sweep *which)
{
	struct session_object *e, *list = NULL;
	size_t at = 0;

	/* The table must not change while it is walked: chain them first, remove them then. */
	while ((e = handles_next(&a->objects, &at))) {
		if (goes(e, which)) {
			e->next = list;
			list = e;
		}
	}
	for (e = list; e; e = e->next) {
		handles_remove(&a->objects, e->object->handle);
		charge(a, 0, e->bytes);
	}
	return list;
}

void
session_object_release(struct session_object *list)
{
	while (list) {
		struct session_object *next = list->next;

		object_put(list->object);
		free(list);
		list = next;
	}
}
