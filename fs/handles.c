#include "handles.h"

#include <stdlib.h>

/* Open addressing with linear probing; at most half full, so that a probe is short. */
#define FIRST_CAP 16

void
handles_init(struct handles *t, uint32_t base, uint32_t limit)
{
	*t = (struct handles){.base = base, .limit = limit};
}

static size_t
home(const struct handles *t, uint32_t handle)
{
	return (handle * 2654435769u) & (t->cap - 1);
}

/* The entry of the handle, or the free one where it would go. cap > n always. */
static struct handles_entry *
probe(const struct handles *t, uint32_t handle)
{
	size_t i = home(t, handle);

	while (t->v[i].handle != 0 && t->v[i].handle != handle)
		i = (i + 1) & (t->cap - 1);
	return &t->v[i];
}

static bool
grow(struct handles *t)
{
	struct handles bigger = *t;

	bigger.cap = t->cap ? t->cap * 2 : FIRST_CAP;
	bigger.v = calloc(bigger.cap, sizeof(*bigger.v));
	if (!bigger.v)
		return false;
	for (size_t i = 0; i < t->cap; i++) {
		if (t->v[i].handle)
			*probe(&bigger, t->v[i].handle) = t->v[i];
	}
	free(t->v);
	*t = bigger;
	return true;
}

uint32_t
handles_add(struct handles *t, void *thing)
{
	struct handles_entry *e;

	if (2 * (t->n + 1) > t->cap && !grow(t))
		return 0;
	do {
		t->last = t->last % t->limit + 1;
		e = probe(t, t->base + t->last);
	} while (e->handle);
	e->handle = t->base + t->last;
	e->thing = thing;
	t->n++;
	return e->handle;
}

static struct handles_entry *
find(const struct handles *t, CK_ULONG handle)
{
	struct handles_entry *e;

	if (t->n == 0 || handle == 0 || handle > UINT32_MAX)
		return NULL;
	e = probe(t, (uint32_t)handle);
	return e->handle ? e : NULL;
}

void *
handles_get(const struct handles *t, CK_ULONG handle)
{
	struct handles_entry *e = find(t, handle);

	return e ? e->thing : NULL;
}

bool
handles_replace(struct handles *t, CK_ULONG handle, void *thing)
{
	struct handles_entry *e = find(t, handle);

	if (e)
		e->thing = thing;
	return e != NULL;
}

void *
handles_remove(struct handles *t, CK_ULONG handle)
{
	struct handles_entry *e = find(t, handle);
	size_t hole, i, mask = t->cap - 1;
	void *thing;

	if (!e)
		return NULL;
	thing = e->thing;
	hole = (size_t)(e - t->v);
	/* Entries behind the hole move into it unless their home lies between it and them. */
	for (i = (hole + 1) & mask; t->v[i].handle; i = (i + 1) & mask) {
		if (((i - home(t, t->v[i].handle)) & mask) >= ((i - hole) & mask)) {
			t->v[hole] = t->v[i];
			hole = i;
		}
	}
	t->v[hole] = (struct handles_entry){0};
	t->n--;
	return thing;
}

void *
handles_next(const struct handles *t, size_t *at)
{
	while (*at < t->cap) {
		const struct handles_entry *e = &t->v[(*at)++];

		if (e->handle)
			return e->thing;
	}
	return NULL;
}

void
handles_free(struct handles *t)
{
	free(t->v);
	*t = (struct handles){.base = t->base, .limit = t->limit};
}
