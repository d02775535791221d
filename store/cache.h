/*
 * cache.h - opened objects of one token by handle, the least recently used go first
 *
 * Ownership:  the cache holds one reference per object; cache_get hands out another.
 * Locking:    the owner's (token->lock).
 * Secrets:    objects wipe themselves when the last reference goes.
 */
#ifndef TOKENFS_CACHE_H
#define TOKENFS_CACHE_H

#include "object.h"

#define CACHE_MAX 16384
#define CACHE_BUCKETS 8192

struct cache_item {
	struct object *o;
	struct cache_item *bucket, *newer, *older;
};

struct cache {
	struct cache_item **buckets; /* NULL until the first put */
	struct cache_item *newest, *oldest;
	size_t n;
};

struct object *cache_get(struct cache *c, CK_OBJECT_HANDLE h); /* a reference, or NULL */
void cache_put(struct cache *c, struct object *o);             /* replaces one of the same handle */
/* Objects that others hold stay; the cache forgets one, or all private ones. */
void cache_remove(struct cache *c, CK_OBJECT_HANDLE h);
void cache_drop_private(struct cache *c);
void cache_free(struct cache *c);

#endif
