#include "session_object.h"

#include <stdlib.h>

struct session_object {
	struct object *object; /* referenced */
	CK_SLOT_ID slot;
	const struct session *session; /* for comparison alone */
	struct session_object *next;   /* in a list of those that go */
};

CK_RV
session_object_add(struct session *s, struct object *o)
{
	struct session_object *e = calloc(1, sizeof(*e));
	struct app *a = s->app;
	struct app_login *l;
	CK_RV rv = CKR_OK;

	if (!e)
		return CKR_HOST_MEMORY;
	e->object = o;
	e->slot = s->slot;
	e->session = s;
	pthread_mutex_lock(&a->lock);
	l = app_login_find(a, s->slot);
	if (atomic_load(&s->closed))
		rv = CKR_SESSION_HANDLE_INVALID;
	else if (o->private && (!l || l->user != CKU_USER))
		rv = CKR_USER_NOT_LOGGED_IN;
	else if (!(o->handle = handles_add(&a->objects, e)))
		rv = CKR_HOST_MEMORY;
	else
		object_ref(o);
	pthread_mutex_unlock(&a->lock);
	if (rv != CKR_OK)
		free(e);
	return rv;
}

CK_RV
session_object_get(struct app *a, CK_SLOT_ID slot, CK_OBJECT_HANDLE h, struct object **o)
{
	struct session_object *e;

	*o = NULL;
	pthread_mutex_lock(&a->lock);
	e = handles_get(&a->objects, h);
	if (e && e->slot == slot)
		*o = object_ref(e->object);
	pthread_mutex_unlock(&a->lock);
	return *o ? CKR_OK : CKR_OBJECT_HANDLE_INVALID;
}

bool
session_object_replace(struct app *a, struct object *old, struct object *changed)
{
	struct session_object *e;
	bool done;

	pthread_mutex_lock(&a->lock);
	e = handles_get(&a->objects, old->handle);
	done = e && e->object == old;
	if (done) {
		changed->handle = old->handle;
		e->object = object_ref(changed);
	}
	pthread_mutex_unlock(&a->lock);
	if (done)
		object_put(old); /* the table's reference */
	return done;
}

CK_RV
session_object_remove(struct app *a, CK_OBJECT_HANDLE h)
{
	struct session_object *e;

	pthread_mutex_lock(&a->lock);
	e = handles_remove(&a->objects, h);
	pthread_mutex_unlock(&a->lock);
	if (!e)
		return CKR_OBJECT_HANDLE_INVALID;
	session_object_release(e);
	return CKR_OK;
}

/* References on all objects of the slot, so that the comparison runs without the lock. */
static CK_RV
collect(struct app *a, CK_SLOT_ID slot, struct object ***out, size_t *n)
{
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
		if (e->slot == slot)
			v[(*n)++] = object_ref(e->object);
	}
	pthread_mutex_unlock(&a->lock);
	*out = v;
	return CKR_OK;
}

static int
ascending(const void *a, const void *b)
{
	CK_OBJECT_HANDLE x = *(const CK_OBJECT_HANDLE *)a, y = *(const CK_OBJECT_HANDLE *)b;

	return (x > y) - (x < y);
}

CK_RV
session_object_find(struct app *a, CK_SLOT_ID slot, const struct attrs *templ,
	CK_OBJECT_HANDLE **handles, size_t *n)
{
	CK_OBJECT_HANDLE *more;
	struct object **v = NULL;
	size_t n_v = 0, first = *n;
	CK_RV rv;

	rv = collect(a, slot, &v, &n_v);
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
	return e->slot == which->slot && (!which->session || e->session == which->session) &&
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
	for (e = list; e; e = e->next)
		handles_remove(&a->objects, e->object->handle);
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
