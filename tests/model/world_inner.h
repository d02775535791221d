/*
 * world_inner.h - what the parts of the world share: world.c (sessions, login, objects,
 * searches, the list) and world_op.c (operations)
 */
#ifndef TOKENFS_WORLD_INNER_H
#define TOKENFS_WORLD_INNER_H

#include "model.h"

enum who { NOBODY, USER, SO };
enum stage { NONE, FRESH, ONCE, MULTI };
enum op { ENCRYPT, DECRYPT, DIGEST, SIGN, VERIFY, OPS };
enum kind { DATA, AES, HMAC_KEY, KINDS };

#define SESSIONS 5
#define OBJECTS	 10
#define FED	 600

struct operation {
	enum stage stage;
	bool unsure;  /* somebody logged out since: it may have ended */
	bool private; /* its key is */
	size_t fed;
	uint8_t in[FED];
};

struct search {
	bool active, unsure;
	unsigned left; /* a bit for each object that is still to come */
	unsigned gone; /* destroyed, or out of sight, since it began: may come or not */
};

struct session {
	bool open, rw;
	CK_SESSION_HANDLE h;
	struct operation ops[OPS];
	struct search search;
};

struct thing {
	bool there, token, private;
	enum kind kind;
	unsigned owner; /* the session of a session object */
	CK_OBJECT_HANDLE h;
	uint8_t label;
};

extern struct session world_sessions[SESSIONS];
extern struct thing world_things[OBJECTS];

/* The value of every key. */
extern const uint8_t world_key[32];

/* Says why the present call is wrong; false. */
bool wrong(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Is the answer among the allowed ones? (CK_RV)-1 ends the list. */
bool allowed(const char *what, CK_RV rv, ...);
#define ALLOW(what, rv, ...) allowed(what, rv, __VA_ARGS__, (CK_RV)-1)
#define RV(x)		     ((CK_RV)(x))

/* May the present user see it? */
bool world_visible(const struct thing *t);
/* What a choice of chance means; the handles of what is not there are wrong ones. */
struct session *world_session(uint8_t choice);
CK_SESSION_HANDLE world_session_handle(const struct session *s);
CK_OBJECT_HANDLE world_thing_handle(const struct thing *t);

bool do_op_init(const struct call *c);
bool do_op_once(const struct call *c);
bool do_op_update(const struct call *c);
bool do_op_final(const struct call *c);

#endif
