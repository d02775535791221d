#include "cache.h"

#include <stdlib.h>
#include <string.h>

static struct cache_item **
bucket_of(struct cache *c, CK_OBJECT_HANDLE h)
{
	return &c->buckets[h % CACHE_BUCKETS];
}

static struct cache_item *
find(struct cache *c, CK_OBJECT_HANDLE h)
{
	struct cache_item *i;

	if (c->buckets == NULL)
		return NULL;
	for (i = *bucket_of(c, h); i != NULL && i->o->handle != h; i = i->bucket)
		;
	return i;
}

static void
unlink_age(struct cache *c, struct cache_item *i)
{
	*(i->newer != NULL ? &i->newer->older : &c->newest) = i->older;
	*(i->older != NULL ? &i->older->newer : &c->oldest) = i->newer;
}

static void
link_newest(struct cache *c, struct cache_item *i)
{
	i->newer = NULL;
	i->older = c->newest;
	*(c->newest != NULL ? &c->newest->newer : &c->oldest) = i;
	c->newest = i;
}

static void
drop(struct cache *c, struct cache_item *i)
{
	struct cache_item **p = bucket_of(c, i->o->handle);

	while (*p != i)
		p = &(*p)->bucket;
	*p = i->bucket;
	unlink_age(c, i);
	object_put(i->o);
	free(i);
	c->n--;
}

struct object *
cache_get(struct cache *c, CK_OBJECT_HANDLE h)
{
	struct cache_item *i = find(c, h);

	if (i == NULL)
		return NULL;
	if (c->newest != i) {
		unlink_age(c, i);
		link_newest(c, i);
	}
	return object_ref(i->o);
}

void
cache_put(struct cache *c, struct object *o)
{
	struct cache_item *i;

	if (c->buckets == NULL)
		c->buckets = calloc(CACHE_BUCKETS, sizeof(*c->buckets));
	if (c->buckets == NULL)
		return;
	cache_remove(c, o->handle);
	i = calloc(1, sizeof(*i));
	if (i == NULL)
		return;
	i->o = object_ref(o);
	i->bucket = *bucket_of(c, o->handle);
	*bucket_of(c, o->handle) = i;
	link_newest(c, i);
	if (++c->n > CACHE_MAX)
		drop(c, c->oldest);
}

void
cache_remove(struct cache *c, CK_OBJECT_HANDLE h)
{
	struct cache_item *i = find(c, h);

	if (i != NULL)
		drop(c, i);
}

void
cache_drop_private(struct cache *c)
{
	struct cache_item *i, *older;

	for (i = c->newest; i != NULL; i = older) {
		older = i->older;
		if (i->o->private)
			drop(c, i);
	}
}

void
cache_free(struct cache *c)
{
	while (c->newest != NULL)
		drop(c, c->newest);
	free(c->buckets);
	memset(c, 0, sizeof(*c));
}
