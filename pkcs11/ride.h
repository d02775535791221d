/*
 * ride.h - an Init that need not be asked for: it waits here and rides along with the operation
 *
 * Most applications begin the same operation with the same key again and again: C_SignInit, C_Sign, C_SignInit,
 * C_Sign. When the daemon has taken an Init and the one-shot call after it, the next Init of the same shape is
 * kept here and answered CKR_OK; the one-shot call takes it along in one frame (WIRE_SIGN_NOW and the like).
 *
 * State of one kind of operation in one session:
 *
 *   NONE    -Init answered CKR_OK-> ACTIVE    the daemon holds the operation
 *   ACTIVE  -one-shot call ended it with CKR_OK-> READY
 *   READY   -Init of the same shape [ride_keep]-> PENDING    the daemon knows nothing of it yet
 *   PENDING -one-shot call [ride_take]-> as if ACTIVE, by one round trip
 *   PENDING -any other call that could tell the difference [ride_before]-> the Init is sent: ACTIVE or NONE
 *   any     -another call of its kind, an error, a call that may change what an Init answers-> NONE
 *
 * Invariants: 1. READY and PENDING: the daemon has no operation of that kind in that session, but for
 *                threads that use one session's operation without regard to each other; they get
 *                CKR_OPERATION_ACTIVE, never another's result.
 *             2. What is kept differs from what was taken before in the bytes of IV, AAD or counter
 *                block alone: mechanism, key, lengths and numbers are the same.
 *             3. An Init that was kept and then fails gives its error to the call that it was sent for; no
 *                operation is left. Only what other processes do can make it fail: this application's own
 *                logout, change or destruction sends what is pending first and forgets what is ready.
 *             4. Keys with CKA_ALWAYS_AUTHENTICATE never ride: the C_Login between Init and use forgets.
 *
 * Use:        the one who makes a round trip: ride_before(...); channel_call(...); ride_after(...)
 * Locking:    any thread. The lock is held while a pending Init is sent, so that nobody overtakes it; never
 *             during another round trip. Below it: the channel's locks.
 * Fork:       lives and dies with the channel: rides_forget in the child.
 */
#ifndef TOKENFS_RIDE_H
#define TOKENFS_RIDE_H

#include <stdbool.h>

#include "lock.h"
#include "wire.h"

struct channel;
struct rides;

/* The longest Init that is kept: all items after the session. */
#define RIDE_MAX 224

/* A round trip's place in the order of things, from ride_before to ride_after. */
struct ride_turn {
	uint32_t call;
	CK_SESSION_HANDLE session;
	uint64_t ticket; /* 0: a call that does not matter here */
	bool active;     /* what came before was ACTIVE */
};

/* args: for the application's mutexes, as C_Initialize got them. CKR_HOST_MEMORY, or what its CreateMutex said. */
CK_RV rides_new(struct rides **r, const CK_C_INITIALIZE_ARGS *args);
void rides_free(struct rides *r);
/* In the child of a fork: nothing is kept, no lock is held. */
void rides_forget(struct rides *r);

/* True: this Init (its items after the session) is kept; answer CKR_OK. */
bool ride_keep(struct rides *r, uint32_t call, CK_SESSION_HANDLE session, const uint8_t *init, size_t len);
/* Takes the Init that is pending for a one-shot call. Its length; 0: there is none. */
size_t ride_take(struct rides *r, uint32_t call, CK_SESSION_HANDLE session, uint8_t init[RIDE_MAX]);

/* Before a round trip with this frame: sends what must not be overtaken by it. Other than CKR_OK: the error of
 * the pending Init that the call relies on, which is the call's result. */
CK_RV ride_before(struct rides *r, struct channel *c, struct ride_turn *turn, CK_SESSION_HANDLE session,
	const uint8_t *frame, size_t len);
/* After it. length_only: the call asked for the length of its output. */
void ride_after(struct rides *r, const struct ride_turn *turn, CK_RV rv, bool length_only);

#endif
