/*
 * unit.h - the few words a unit test needs: CHECK counts, unit_done prints and gives the exit code
 */
#ifndef TOKENFS_UNIT_H
#define TOKENFS_UNIT_H

#include <stdio.h>

static unsigned unit_passed, unit_failed;

#define CHECK(cond)                                                                            \
	do {                                                                                   \
		if (cond) {                                                                    \
			unit_passed++;                                                         \
		} else {                                                                       \
			unit_failed++;                                                         \
			fprintf(stderr, "%s:%d: CHECK(%s)\n", __FILE__, __LINE__, #cond);      \
		}                                                                              \
	} while (0)

#define CHECK_RV(want, expr)                                                                   \
	do {                                                                                   \
		unsigned long unit_got = (unsigned long)(expr);                                \
		if (unit_got == (unsigned long)(want)) {                                       \
			unit_passed++;                                                         \
		} else {                                                                       \
			unit_failed++;                                                         \
			fprintf(stderr, "%s:%d: %s gave 0x%lx, not " #want "\n", __FILE__,     \
				__LINE__, #expr, unit_got);                                    \
		}                                                                              \
	} while (0)

static inline int
unit_done(const char *name)
{
	printf("%s: %u passed, %u failed\n", name, unit_passed, unit_failed);
	return unit_failed != 0;
}

#endif
