/*
 * The live table against a model that is nothing but an array, on uuids that collide.
 */
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "../../store/live.h"

#define ROUNDS 200000
#define KINDS 300

struct model {
	bool there[KINDS];
	struct live_entry e[KINDS];
};

/* Only 16 first words, and those next to each other: long runs that wrap round. */
static void
make_uuid(uint8_t uuid[UUID_LEN], unsigned kind)
{
	uint64_t home = 0xFFFFFFFFFFFFFFF0ull + kind % 16 + (kind % 3 == 0 ? 8 : 0);

	memset(uuid, 0, UUID_LEN);
	memcpy(uuid, &home, sizeof(home));
	memcpy(uuid + 8, &kind, sizeof(kind));
}

static void
compare(const struct live *l, const struct model *m)
{
	size_t n = 0, n_private = 0, walked = 0, i = 0;
	uint64_t bytes = 0;
	const struct live_entry *e;
	bool same = true;

	for (unsigned k = 0; k < KINDS; k++) {
		uint8_t uuid[UUID_LEN];

		make_uuid(uuid, k);
		e = live_find(l, uuid);
		same = same && (e != NULL) == m->there[k] &&
			(e == NULL || (e->version == m->e[k].version && e->length == m->e[k].length));
		if (!m->there[k])
			continue;
		n++;
		n_private += m->e[k].private ? 1 : 0;
		bytes += m->e[k].length;
	}
	CHECK(same);
	CHECK(l->n == n && l->n_private == n_private && l->bytes == bytes);
	while (live_next(l, &i) != NULL)
		walked++;
	CHECK(walked == n);
}

static void
test_against_a_model(void)
{
	static struct model m;
	struct live l = {0}, copy;

	srand(7);
	for (unsigned r = 0; r < ROUNDS; r++) {
		unsigned k = (unsigned)rand() % KINDS;
		struct live_entry e = {.version = r + 1, .length = (uint32_t)rand() % 5000, .private = rand() % 2};

		make_uuid(e.uuid, k);
		if (rand() % (r / 20000 % 2 == 0 ? 3 : 2) != 0) {
			CHECK(live_put(&l, &e));
			m.there[k] = true;
			m.e[k] = e;
		} else {
			live_remove(&l, e.uuid);
			m.there[k] = false;
		}
		if (r % 500 == 0)
			compare(&l, &m);
	}
	compare(&l, &m);
	CHECK(live_copy(&copy, &l));
	compare(&copy, &m);
	live_free(&l);
	compare(&copy, &m);
	live_free(&copy);
}

static void
test_empty(void)
{
	struct live l = {0}, copy;
	uint8_t uuid[UUID_LEN] = {0};
	size_t i = 0;

	CHECK(live_find(&l, uuid) == NULL);
	CHECK(live_next(&l, &i) == NULL);
	live_remove(&l, uuid);
	CHECK(l.n == 0);
	CHECK(live_copy(&copy, &l));
	CHECK(copy.v == NULL && copy.n == 0);
	live_free(&l);
	live_free(&l);
}

int
main(void)
{
	test_empty();
	test_against_a_model();
	return unit_done("test_live");
}
