/*
 * secret_arena.c - the arena: chunks, cut into blocks of fixed sizes, kept in free lists
 *
 * A chunk is a mapping of 1 MiB. Blocks are cut from it in classes of 2^k and 1.5 * 2^k bytes and
 * keep their class for ever. What is larger than the largest class has a mapping of its own.
 *
 *      0  u32  guard   live_guard or free_guard of address and class
 *      4  u32  class   own mapping: CLASS_OWN | sort << 8 | pages << 12
 *      8  u64  len     live: bytes asked for; free: the next block in the list
 *     16       bytes   free: all zero
 *
 * A thread takes from and gives to its own lists (struct cache); they are filled from and spill
 * over into the common lists in batches. Invariant: every byte of a free block but its header is
 * zero, so that nothing is cleared at allocation.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "secret.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_ASAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(WITH_ASAN)
#include <sanitizer/asan_interface.h>
#include <sanitizer/lsan_interface.h>
#define POISON(p, n) __asan_poison_memory_region(p, n)
#define UNPOISON(p, n) __asan_unpoison_memory_region(p, n)
/* Ordinary blocks may be referenced from the arena alone: the leak checker must look there. */
#define ROOT_ADD(p, n) __lsan_register_root_region(p, n)
#define ROOT_REMOVE(p, n) __lsan_unregister_root_region(p, n)
#else
#define POISON(p, n) ((void)(p), (void)(n))
#define UNPOISON(p, n) ((void)(p), (void)(n))
#define ROOT_ADD(p, n) ((void)(p), (void)(n))
#define ROOT_REMOVE(p, n) ((void)(p), (void)(n))
#endif

#ifndef SYS_memfd_secret
#define SYS_memfd_secret 447 /* the same on every architecture that has it */
#endif

#define CHUNK ((size_t)1 << 20)
#define HEADER 16u
#define CLASSES 23u /* 32, 48, 64, 96, ... 64 KiB */
#define CLASS_MIN_BITS 5u
#define CLASS_MAX ((size_t)1 << 16)
#define CLASS_OWN 0xFFu
#define PAGE 4096u
#define OWN_MAX_PAGES ((size_t)1 << 20)
/* Freed own mappings kept for the next one: a first touch of memfd_secret costs some 15 us a page. */
#define OWN_KEPT 8u
#define OWN_KEPT_MAX ((size_t)2 << 20)
/* Above this only scrypt asks (64 MiB): its working memory is wiped and gone in 0.2 s, and locking it would cost
 * more than the derivation (0.46 s in place of 0.15) and an ordinary user's whole limit. */
#define LOCK_MAX ((size_t)16 << 20)
/* Blocks above this are not kept by threads. */
#define CACHE_MAX 8192u

enum chunk_sort { CHUNK_SECRET, CHUNK_LOCKED, CHUNK_PLAIN, CHUNK_SORTS };

struct block {
	uint32_t guard;
	uint32_t class;
	union {
		uint64_t len;
		struct block *next;
	};
};
_Static_assert(sizeof(struct block) == HEADER, "the payload must be aligned to 16");

struct list {
	struct block *head;
	unsigned n;
};

/* Common to all threads. Lock order: a class, then the chunk. */
static struct {
	pthread_mutex_t lock;
	struct list list;
} common[CLASSES];
static pthread_mutex_t chunk_lock = PTHREAD_MUTEX_INITIALIZER;
static uint8_t *chunk_at, *chunk_end; /* the uncut rest of the newest chunk */
static atomic_size_t chunk_bytes[CHUNK_SORTS];
static atomic_size_t used_elsewhere; /* by threads without a cache; modulo 2^64 */
static uint64_t cookie;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t cache_key;

/* A thread's own. CACHE_DEAD: its destructor ran; OpenSSL's destructors may still free. */
enum cache_state { CACHE_NEW, CACHE_LIVE, CACHE_DEAD };
static _Thread_local struct cache {
	enum cache_state state;
	struct list lists[CLASSES];
	atomic_size_t used; /* written by its thread alone; modulo 2^64 */
	struct cache *next, **prev;
} cache;
static struct cache *caches;
static pthread_mutex_t caches_lock = PTHREAD_MUTEX_INITIALIZER;

/* ---- sizes ---- */

static size_t
class_size(unsigned c)
{
	size_t power = (size_t)1 << (CLASS_MIN_BITS + c / 2);

	return c & 1 ? power + power / 2 : power;
}

/* The smallest class that holds `total` bytes, 1 <= total <= CLASS_MAX. */
static unsigned
class_of(size_t total)
{
	unsigned bits, c;

	if (total <= 32)
		return 0;
	bits = 63u - (unsigned)__builtin_clzl(total - 1); /* 2^bits < total <= 2^(bits+1) */
	c = (bits - CLASS_MIN_BITS) * 2;
	return total <= class_size(c + 1) ? c + 1 : c + 2;
}

static unsigned
cache_limit(unsigned c)
{
	size_t size = class_size(c);

	return size <= 512 ? 32 : size <= 4096 ? 8 : size <= CACHE_MAX ? 2 : 0;
}

static uint32_t
guard_of(const struct block *b, bool live)
{
	uint64_t x = ((uint64_t)(uintptr_t)b ^ cookie) + b->class;

	x *= 0x9E3779B97F4A7C15u;
	return (uint32_t)(x >> 32) ^ (live ? 0x11111111u : 0);
}

static void
clear(void *p, size_t len)
{
	memset(p, 0, len);
	__asm__ volatile("" : : "r"(p) : "memory"); /* the memory counts as read: it is written */
}

/* ---- chunks ---- */

static void *
map_secret(size_t len)
{
	void *p = MAP_FAILED;
	int fd = (int)syscall(SYS_memfd_secret, O_CLOEXEC);

	if (fd < 0)
		return MAP_FAILED;
	if (ftruncate(fd, (off_t)len) == 0)
		p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	return p;
}

/* Zeroed memory of the best sort to be had, or NULL. A child of fork does not get it: shared, two
 * processes would cut blocks from one chunk; copied, the child would hold the keys. */
static void *
map_chunk(size_t len, enum chunk_sort *sort)
{
	void *p = len <= LOCK_MAX ? map_secret(len) : MAP_FAILED;

	*sort = CHUNK_SECRET;
	if (p == MAP_FAILED) {
		p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (p == MAP_FAILED)
			return NULL;
		*sort = len <= LOCK_MAX && mlock(p, len) == 0 ? CHUNK_LOCKED : CHUNK_PLAIN;
		madvise(p, len, MADV_DONTDUMP);
	}
	madvise(p, len, MADV_DONTFORK);
	ROOT_ADD(p, len);
	atomic_fetch_add(&chunk_bytes[*sort], len);
	return p;
}

static struct block *
block_make(void *at, unsigned c)
{
	struct block *b = at;

	b->class = c;
	b->guard = guard_of(b, false);
	b->next = NULL;
	return b;
}

static void
list_push(struct list *l, struct block *b)
{
	b->next = l->head;
	l->head = b;
	l->n++;
}

static struct block *
list_pop(struct list *l)
{
	struct block *b = l->head;

	if (b) {
		l->head = b->next;
		l->n--;
	}
	return b;
}

/* One fresh block of class c. What is left of a chunk that is too small stays unused: less than
 * one block of the class that was asked for. chunk_lock and the class's lock are held. */
static struct block *
chunk_cut(unsigned c)
{
	size_t size = class_size(c);
	enum chunk_sort sort;
	struct block *b;

	if ((size_t)(chunk_end - chunk_at) < size) {
		uint8_t *p = map_chunk(CHUNK, &sort);

		if (!p)
			return NULL;
		chunk_at = p;
		chunk_end = p + CHUNK;
	}
	b = block_make(chunk_at, c);
	chunk_at += size;
	POISON(b + 1, size - HEADER);
	return b;
}

/* ---- the common lists ---- */

/* Moves up to `want` blocks of class c into l; at least one unless memory is exhausted. */
static void
common_take(unsigned c, struct list *l, unsigned want)
{
	struct block *b;

	pthread_mutex_lock(&common[c].lock);
	while (l->n < want && (b = list_pop(&common[c].list)))
		list_push(l, b);
	if (l->n == 0) {
		pthread_mutex_lock(&chunk_lock);
		while (l->n < want && (b = chunk_cut(c)))
			list_push(l, b);
		pthread_mutex_unlock(&chunk_lock);
	}
	pthread_mutex_unlock(&common[c].lock);
}

static void
common_give(unsigned c, struct list *l, unsigned keep)
{
	pthread_mutex_lock(&common[c].lock);
	while (l->n > keep)
		list_push(&common[c].list, list_pop(l));
	pthread_mutex_unlock(&common[c].lock);
}

/* ---- the thread's lists ---- */

static void
cache_end(void *arg)
{
	struct cache *me = arg;

	me->state = CACHE_DEAD;
	for (unsigned c = 0; c < CLASSES; c++)
		if (me->lists[c].n)
			common_give(c, &me->lists[c], 0);
	pthread_mutex_lock(&caches_lock);
	atomic_fetch_add(&used_elsewhere, atomic_load(&me->used));
	*me->prev = me->next;
	if (me->next)
		me->next->prev = me->prev;
	pthread_mutex_unlock(&caches_lock);
}

static void
arena_init(void)
{
	for (unsigned c = 0; c < CLASSES; c++)
		pthread_mutex_init(&common[c].lock, NULL);
	if (getrandom(&cookie, sizeof(cookie), 0) != sizeof(cookie))
		cookie = (uint64_t)(uintptr_t)&cookie; /* guards against accidents, not attacks */
	if (pthread_key_create(&cache_key, cache_end) != 0)
		abort();
}

static void
cache_begin(void)
{
	pthread_once(&once, arena_init);
	if (cache.state != CACHE_NEW)
		return;
	if (pthread_setspecific(cache_key, &cache) != 0) {
		cache.state = CACHE_DEAD; /* works without lists of its own */
		return;
	}
	pthread_mutex_lock(&caches_lock);
	cache.next = caches;
	cache.prev = &caches;
	if (caches)
		caches->prev = &cache.next;
	caches = &cache;
	pthread_mutex_unlock(&caches_lock);
	cache.state = CACHE_LIVE;
}

static void
count(size_t bytes)
{
	if (cache.state == CACHE_LIVE)
		atomic_store_explicit(&cache.used,
			atomic_load_explicit(&cache.used, memory_order_relaxed) + bytes,
			memory_order_relaxed);
	else
		atomic_fetch_add(&used_elsewhere, bytes);
}

/* ---- blocks of the classes ---- */

static struct block *
block_take(unsigned c)
{
	unsigned limit = cache_limit(c);
	struct list one = {0};

	if (cache.state == CACHE_LIVE && limit) {
		if (!cache.lists[c].head)
			common_take(c, &cache.lists[c], limit / 2);
		return list_pop(&cache.lists[c]);
	}
	common_take(c, &one, 1);
	return one.head;
}

static void
block_give(struct block *b, unsigned c)
{
	unsigned limit = cache_limit(c);
	struct list one = {0};

	if (cache.state == CACHE_LIVE && limit) {
		list_push(&cache.lists[c], b);
		if (cache.lists[c].n > limit)
			common_give(c, &cache.lists[c], limit / 2);
		return;
	}
	list_push(&one, b);
	common_give(c, &one, 0);
}

/* ---- blocks with a mapping of their own ---- */

static struct block *own_kept[OWN_KEPT];
static size_t own_kept_bytes;
static pthread_mutex_t own_lock = PTHREAD_MUTEX_INITIALIZER;

static bool
is_own(const struct block *b)
{
	return (b->class & 0xFF) == CLASS_OWN;
}

static size_t
own_size(const struct block *b)
{
	return (size_t)(b->class >> 12) * PAGE;
}

/* A kept mapping of at least `size` bytes and at most twice that, or NULL. */
static struct block *
own_reuse(size_t size)
{
	struct block *b = NULL;

	pthread_mutex_lock(&own_lock);
	for (unsigned i = 0; i < OWN_KEPT && !b; i++) {
		struct block *kept = own_kept[i];

		if (kept && own_size(kept) >= size && own_size(kept) <= 2 * size) {
			b = kept;
			own_kept[i] = NULL;
			own_kept_bytes -= own_size(b);
		}
	}
	pthread_mutex_unlock(&own_lock);
	return b;
}

static struct block *
own_take(size_t len)
{
	size_t pages = (len + HEADER + PAGE - 1) / PAGE;
	enum chunk_sort sort;
	struct block *b;
	uint8_t *p;

	if (pages >= OWN_MAX_PAGES)
		return NULL;
	b = own_reuse(pages * PAGE);
	if (b)
		return b;
	p = map_chunk(pages * PAGE, &sort);
	return p ? block_make(p, CLASS_OWN | (unsigned)sort << 8 | (uint32_t)pages << 12) : NULL;
}

static void
own_give(struct block *b)
{
	size_t size = own_size(b);
	bool kept = false;

	pthread_mutex_lock(&own_lock);
	for (unsigned i = 0; i < OWN_KEPT && !kept && own_kept_bytes + size <= OWN_KEPT_MAX; i++)
		if (!own_kept[i]) {
			own_kept[i] = b;
			own_kept_bytes += size;
			kept = true;
		}
	pthread_mutex_unlock(&own_lock);
	if (kept)
		return;
	atomic_fetch_sub(&chunk_bytes[(b->class >> 8) & 0xF], size);
	ROOT_REMOVE(b, size);
	UNPOISON(b, size);
	munmap(b, size);
}

/* ---- blocks of all sorts ---- */

static struct block *
block_of(const void *p)
{
	struct block *b = (struct block *)(uintptr_t)p - 1;

	if (b->guard != guard_of(b, true))
		abort(); /* overwritten, or freed twice */
	return b;
}

static size_t
block_size(const struct block *b)
{
	return is_own(b) ? own_size(b) : class_size(b->class);
}

void *
secret_alloc(size_t len)
{
	struct block *b;

	if (len > SIZE_MAX / 2)
		return NULL;
	if (cache.state == CACHE_NEW)
		cache_begin();
	b = len + HEADER <= CLASS_MAX ? block_take(class_of(len + HEADER)) : own_take(len);
	if (!b)
		return NULL;
	if (b->guard != guard_of(b, false))
		abort();
	b->guard = guard_of(b, true);
	b->len = len;
	UNPOISON(b + 1, len);
	count(block_size(b));
	return b + 1;
}

void
secret_free(void *p)
{
	struct block *b;
	size_t size;

	if (!p)
		return;
	if (cache.state == CACHE_NEW)
		cache_begin();
	b = block_of(p);
	size = block_size(b);
	count(-size);
	UNPOISON(b + 1, size - HEADER);
	/* the rest of an own mapping was never touched: to clear it would be to fault it in */
	clear(b + 1, is_own(b) ? b->len : size - HEADER);
	POISON(b + 1, size - HEADER);
	b->guard = guard_of(b, false);
	if (is_own(b))
		own_give(b);
	else
		block_give(b, b->class);
}

void *
secret_realloc(void *p, size_t len)
{
	struct block *b;
	void *moved;

	if (!p)
		return secret_alloc(len);
	if (len == 0) {
		secret_free(p);
		return NULL;
	}
	b = block_of(p);
	if (len + HEADER <= CLASS_MAX && class_of(len + HEADER) == b->class) {
		if (len < b->len) {
			clear((uint8_t *)p + len, b->len - len);
			POISON(b + 1, class_size(b->class) - HEADER);
		}
		UNPOISON(p, len);
		b->len = len;
		return p;
	}
	moved = secret_alloc(len);
	if (!moved)
		return NULL;
	memcpy(moved, p, len < b->len ? len : b->len);
	secret_free(p);
	return moved;
}

size_t
secret_size(const void *p)
{
	return block_size(block_of(p)) - HEADER;
}

void
secret_report(struct secret_report *r)
{
	r->memfd_secret = atomic_load(&chunk_bytes[CHUNK_SECRET]);
	r->locked = atomic_load(&chunk_bytes[CHUNK_LOCKED]);
	r->plain = atomic_load(&chunk_bytes[CHUNK_PLAIN]);
	pthread_mutex_lock(&caches_lock);
	r->used = atomic_load(&used_elsewhere);
	for (const struct cache *c = caches; c; c = c->next)
		r->used += atomic_load_explicit(&c->used, memory_order_relaxed);
	pthread_mutex_unlock(&caches_lock);
}
