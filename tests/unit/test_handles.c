/* The table of handles against a plain array that says what must be in it. */
#include "../../fs/handles.h"
#include "unit.h"

#include <stdlib.h>

#define THINGS 500

static uint32_t given[THINGS];
static char things[THINGS];

static void
test_random_use_agrees_with_an_array(void)
{
	struct handles t;
	unsigned wrong = 0;
	size_t at = 0, n = 0;
	void *thing;

	handles_init(&t, 0x40000000u, 1000); /* a small circle: handles come round many times */
	srandom(7);
	for (int i = 0; i < 100000; i++) {
		size_t k = (size_t)random() % THINGS;

		if (given[k]) {
			wrong += handles_get(&t, given[k]) != &things[k];
			wrong += handles_remove(&t, given[k]) != &things[k];
			wrong += handles_get(&t, given[k]) != NULL;
			given[k] = 0;
		} else {
			given[k] = handles_add(&t, &things[k]);
			wrong += given[k] <= 0x40000000u || given[k] > 0x40000000u + 1000;
		}
	}
	for (size_t k = 0; k < THINGS; k++) {
		n += given[k] != 0;
		wrong += given[k] && handles_get(&t, given[k]) != &things[k];
	}
	CHECK(wrong == 0);
	CHECK(t.n == n);
	while ((thing = handles_next(&t, &at)))
		n--;
	CHECK(n == 0);
	handles_free(&t);
}

static void
test_strange_numbers_are_no_handles(void)
{
	struct handles t;
	uint32_t a, b;

	handles_init(&t, 0, 0x3FFFFFFF);
	CHECK(handles_get(&t, 1) == NULL);
	CHECK(handles_remove(&t, 1) == NULL);
	a = handles_add(&t, &things[0]);
	CHECK(handles_get(&t, 0) == NULL);
	CHECK(handles_get(&t, ~0UL) == NULL);
	CHECK(handles_get(&t, (CK_ULONG)a | 1UL << 32) == NULL);
	CHECK(handles_remove(&t, a) == &things[0]);
	b = handles_add(&t, &things[1]);
	CHECK(b != a); /* not given again at once */
	CHECK(!handles_replace(&t, a, &things[2]));
	CHECK(handles_replace(&t, b, &things[2]) && handles_get(&t, b) == &things[2]);
	handles_free(&t);
}

int
main(void)
{
	test_random_use_agrees_with_an_array();
	test_strange_numbers_are_no_handles();
	return unit_done("handles");
}
