/*
 * deepbind.c - a program with a malloc of its own (as with jemalloc) that loads the module with RTLD_DEEPBIND (as
 *              pkcs11-provider does)
 *
 * The module then allocates by libc, while libc allocates for itself by the program's malloc. Memory of the one that
 * is freed by the other ends the program.
 *
 * Usage: deepbind MODULE LABEL PIN   logs in, makes a key, signs; prints "signed" and how many blocks came from this malloc
 */
#include <errno.h>
#include <stdint.h>

#include "client.h"

/* ---- the malloc: blocks of one arena, never used again ---- */

#define ARENA_BYTES (64 * 1024 * 1024)
#define ALIGN 16
#define SEEN __attribute__((visibility("default"))) /* by libc */

static _Alignas(ALIGN) uint8_t arena[ARENA_BYTES];
static size_t used;
static size_t blocks;

/* Its size stands before each block. */
SEEN void *
malloc(size_t n)
{
	size_t need = (n + 2 * ALIGN - 1) / ALIGN * ALIGN;
	size_t at = __atomic_fetch_add(&used, need, __ATOMIC_SEQ_CST);

	if (n > ARENA_BYTES || at + need > ARENA_BYTES) {
		errno = ENOMEM;
		return NULL;
	}
	__atomic_fetch_add(&blocks, 1, __ATOMIC_SEQ_CST);
	memcpy(arena + at, &n, sizeof(n));
	return arena + at + ALIGN;
}

SEEN void
free(void *p)
{
	if (p != NULL && ((uint8_t *)p < arena || (uint8_t *)p >= arena + ARENA_BYTES)) {
		static const char text[] = "deepbind: freed what another malloc gave\n";

		if (write(2, text, sizeof(text) - 1) < 0)
			_exit(4);
		_exit(3);
	}
}

SEEN void *
calloc(size_t n, size_t size)
{
	if (size != 0 && n > ARENA_BYTES / size)
		return NULL;
	return malloc(n * size); /* the arena begins as zeros */
}

SEEN void *
realloc(void *p, size_t n)
{
	void *q = malloc(n);
	size_t old;

	if (p != NULL && q != NULL) {
		memcpy(&old, (uint8_t *)p - ALIGN, sizeof(old));
		memcpy(q, p, old < n ? old : n);
	}
	return q;
}

/* ---- the application ---- */

int
main(int argc, char **argv)
{
	CK_OBJECT_HANDLE pub, priv;
	CK_BYTE signature[64];
	size_t before = blocks;

	if (argc != 4) {
		fprintf(stderr, "usage: deepbind MODULE LABEL PIN\n");
		return 2;
	}
	client_load_as(argv[1], RTLD_NOW | RTLD_DEEPBIND);
	NEED(client_begin(argv[2], argv[3]));
	NEED(client_pair("deep", &pub, &priv));
	NEED(client_sign(priv, signature));
	NEED(client_verify(pub, signature));
	client_end();
	printf("signed, %zu blocks\n", blocks - before);
	return 0;
}
