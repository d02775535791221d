#include "live.h"

#include <stdlib.h>
#include <string.h>

/* Open addressing with linear probing, at most half full; uuids are random, so they are their own
 * hash. Removal moves later entries of the run back, so that there are no tombstones. */

static size_t
home(const struct live *l, const uint8_t *uuid)
{
	uint64_t h;

	memcpy(&h, uuid, sizeof(h));
	return (size_t)h & (l->cap - 1);
}

static void
count(struct live *l, const struct live_entry *e, bool add)
{
	if (add) {
		l->n++;
		l->n_private += e->private ? 1 : 0;
		l->bytes += e->length;
	} else {
		l->n--;
		l->n_private -= e->private ? 1 : 0;
		l->bytes -= e->length;
	}
}

void
live_free(struct live *l)
{
	free(l->v);
	memset(l, 0, sizeof(*l));
}

struct live_entry *
live_find(const struct live *l, const uint8_t uuid[UUID_LEN])
{
	if (l->cap == 0)
		return NULL;
	for (size_t i = home(l, uuid); l->v[i].version != 0; i = (i + 1) & (l->cap - 1))
		if (memcmp(l->v[i].uuid, uuid, UUID_LEN) == 0)
			return &l->v[i];
	return NULL;
}

static void
place(struct live *l, const struct live_entry *e)
{
	size_t i = home(l, e->uuid);

	while (l->v[i].version != 0)
		i = (i + 1) & (l->cap - 1);
	l->v[i] = *e;
}

static bool
grow(struct live *l)
{
	struct live bigger = *l;

	bigger.cap = l->cap == 0 ? 64 : l->cap * 2;
	bigger.v = calloc(bigger.cap, sizeof(*bigger.v));
	if (bigger.v == NULL)
		return false;
	for (size_t i = 0; i < l->cap; i++)
		if (l->v[i].version != 0)
			place(&bigger, &l->v[i]);
	free(l->v);
	*l = bigger;
	return true;
}

bool
live_put(struct live *l, const struct live_entry *e)
{
	struct live_entry *old = live_find(l, e->uuid);

	if (old != NULL) {
		count(l, old, false);
		*old = *e;
		count(l, e, true);
		return true;
	}
	if ((l->n + 1) * 2 > l->cap && !grow(l))
		return false;
	place(l, e);
	count(l, e, true);
	return true;
}

void
live_remove(struct live *l, const uint8_t uuid[UUID_LEN])
{
	struct live_entry *e = live_find(l, uuid);
	size_t hole, i, mask = l->cap - 1;

	if (e == NULL)
		return;
	count(l, e, false);
	hole = (size_t)(e - l->v);
	l->v[hole].version = 0;
	for (i = (hole + 1) & mask; l->v[i].version != 0; i = (i + 1) & mask) {
		size_t want = home(l, l->v[i].uuid);

		/* may move back if its home does not lie between the hole and itself */
		if (((i - want) & mask) >= ((i - hole) & mask)) {
			l->v[hole] = l->v[i];
			l->v[i].version = 0;
			hole = i;
		}
	}
}

struct live_entry *
live_next(const struct live *l, size_t *i)
{
	while (*i < l->cap) {
		struct live_entry *e = &l->v[(*i)++];

		if (e->version != 0)
			return e;
	}
	return NULL;
}

bool
live_copy(struct live *to, const struct live *from)
{
	*to = *from;
	if (from->cap == 0)
		return true;
	to->v = malloc(from->cap * sizeof(*to->v));
	if (to->v == NULL) {
		memset(to, 0, sizeof(*to));
		return false;
	}
	memcpy(to->v, from->v, from->cap * sizeof(*to->v));
	return true;
}
