/*
 * model.h - random calls against a model of the standard's state machine
 *
 * A call is four small numbers: what to do, and three choices (which session, which object,
 * how). The same list of calls always does the same, whatever is left out of it before: choices
 * are taken modulo what there is room for, not what there is. So a list that fails can be made
 * shorter and be run again.
 */
#ifndef TOKENFS_MODEL_H
#define TOKENFS_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <p11-kit/pkcs11.h>

#define NELEMS(v) (sizeof(v) / sizeof((v)[0]))

extern CK_FUNCTION_LIST *f;
extern CK_SLOT_ID slot;
extern const char *user_pin, *so_pin;

enum what {
	OPEN,
	CLOSE,
	CLOSE_ALL,
	LOGIN,
	LOGOUT,
	SESSION_INFO,
	CREATE,
	COPY,
	DESTROY,
	GET,
	SET,
	FIND_INIT,
	FIND_NEXT,
	FIND_FINAL,
	OP_INIT,
	OP_ONCE,
	OP_UPDATE,
	OP_FINAL,
	WHATS
};

struct call {
	uint8_t what, a, b, c;
};

#define CALLS 80

/* Runs the list on a token without objects or sessions. Returns the index of the first call
 * that did what the model does not allow, with the reason in `why`; n if there is none. tell:
 * each call and its answer is printed. */
size_t world_run(const struct call *calls, size_t n, bool tell, char why[200]);
const char *world_name(enum what what);

/* Several threads at once for so many seconds; 0: nothing wrong. */
unsigned threads_run(unsigned seconds, unsigned n, uint64_t seed);

uint64_t next_random(uint64_t *seed);

#endif
