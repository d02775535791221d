/*
 * session.h - one session of an application: its token, its operations, its search
 *
 * Use:        session_enter(a, handle, &s) ... session_leave(s) around every call on a session
 * Ownership:  reference counted: the application's table holds one, every running call another. A session that
 *             is closed while a call runs ends when that call leaves it.
 * Locking:    session->lock is held from enter to leave and guards operations and search. `closed` and `logouts`
 *             are set by other threads.
 *             A logout cannot wait for every session's lock, nor may a key stay in memory until the
 *             session is next used: it counts `logouts` up and sweeps the sessions it can lock; a session that
 *             was busy sweeps itself when its call leaves.
 * Limits:     what operations gather and searches have found, SESSIONS_HELD bytes of one application, SESSIONS_ALL_HELD
 *             of all: else input without end, part by part in session after session, would take all memory.
 */
#ifndef TOKENFS_SESSION_H
#define TOKENFS_SESSION_H

#include "../store/op.h"
#include "app.h"

/* Session handles stay below this, session objects' above HANDLE_SESSION. */
#define SESSION_HANDLES 0x3FFFFFFFu
#define SESSIONS_HELD ((size_t)256 << 20)
#define SESSIONS_ALL_HELD ((size_t)1 << 30)

struct session {
	atomic_uint refs;
	struct app *app; /* outlives the session: whoever calls holds it */
	CK_SESSION_HANDLE handle;
	CK_SLOT_ID slot;
	struct token *token; /* referenced */
	bool rw;
	atomic_bool closed;
	atomic_uint logouts; /* of this application on this token */
	/* Stops the call that runs: set at its logout and its end, taken back when a call enters. */
	struct cancel cancel;

	pthread_mutex_t lock;
	atomic_uint swept; /* the value of logouts that was acted upon */
	struct op *ops[OP_KINDS];
	bool digests_private;  /* the running digest has taken in a private key */
	bool authenticated[OP_KINDS]; /* CKU_CONTEXT_SPECIFIC was given for the running operation */
	int awaiting;                 /* the operation that CKU_CONTEXT_SPECIFIC is for, or -1 */
	bool finding;
	CK_OBJECT_HANDLE *found; /* the search's snapshot; malloc'd */
	size_t n_found, next_found;
	CK_USER_TYPE found_by; /* who searched */
	uint64_t found_at;     /* daemon->destroyed at that time */
	size_t held;           /* bytes that count for this session in app and daemon */
};

/* CKR_SLOT_ID_INVALID, CKR_TOKEN_NOT_RECOGNIZED, CKR_SESSION_COUNT, CKR_TOKEN_WRITE_PROTECTED,
 * CKR_SESSION_READ_WRITE_SO_EXISTS. */
CK_RV session_open(struct app *a, CK_SLOT_ID slot, bool rw, CK_SESSION_HANDLE *handle);
/* How many one application may have: half of all, so that it cannot keep the others out. */
size_t session_limit(const struct daemon *d);
/* Its objects go with it; the last one on a token logs the application out. */
CK_RV session_close(struct app *a, CK_SESSION_HANDLE handle);
void session_close_all(struct app *a, CK_SLOT_ID slot);
/* Sessions of the application on the slot. */
void session_count(struct app *a, CK_SLOT_ID slot, size_t *all, size_t *rw);
/* The same with app->lock held. */
void session_count_locked(const struct app *a, CK_SLOT_ID slot, size_t *all, size_t *rw);

/* CKR_SESSION_HANDLE_INVALID. busy NULL: waits until no other call runs on the session. Else not for longer
 * than a few milliseconds: *busy is then true, and the session is not entered (CKR_OPERATION_ACTIVE). */
CK_RV session_enter(struct app *a, CK_SESSION_HANDLE handle, bool *busy, struct session **s);
void session_leave(struct session *s);
struct session *session_ref(struct session *s);
void session_put(struct session *s);
/* Ends what used private objects if a logout went by; skipped while a call runs (it will do it). */
void session_sweep(struct session *s);

/* Counts anew what operations and search hold. False: it is too much, and they have ended. The session is entered. */
bool session_weigh(struct session *s);

/* Ends one operation, if there is one. The session is entered. */
void session_op_end(struct session *s, enum op_kind kind);
void session_find_end(struct session *s);
struct actor session_actor(struct session *s);

#endif
