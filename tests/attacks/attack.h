/*
 * attack.h - attacks on a PKCS#11 token through its own API, and what they share
 *
 * Each attack is a function that plays an application which is logged in (or is not) and tries to get what the
 * token promised to keep: the bytes of a sensitive key, a usage that a key does not have, a word about a secret.
 * It runs in a process of its own, which loads the module, so that no attack sees what another left and a
 * module that crashes ends one attack only.
 *
 * Verdicts are facts. Leaked: the attack holds the plain bytes of a sensitive key and proof.h showed it with
 * OpenSSL. Weak: no key came out, but a property that was promised is broken. Safe: the token refused, or what
 * it gave is worth nothing. Not offered: the token lacks the mechanism or function. Untried: the attack could not
 * be prepared, so that nothing is known.
 *
 * Use:        an attack notes what it finds; the worst verdict counts, attack_leaked ends the process.
 *             NEED(call) is for preparation; REFUSED(call) for the steps a token may refuse.
 * Globals:    f, session, place belong to the process of one attack.
 */
#ifndef TOKENFS_ATTACK_H
#define TOKENFS_ATTACK_H

#include "../../pkcs11/ck.h"

struct attack {
	const char *name;
	const char *source; /* where it was published */
	void (*run)(void);
};

/* The families; each list ends with a NULL name. */
extern const struct attack attacks_separation[], attacks_import[], attacks_wrapping[], attacks_unwrapping[],
	attacks_derive[], attacks_oracle[], attacks_attribute[], attacks_usage[], attacks_nonce[], attacks_login[],
	attacks_v3[], attacks_kdf[], attacks_schedule[], attacks_remains[], attacks_groups[], attacks_apart[],
	attacks_combined[];

/* ---- the token under attack ---- */
struct place {
	const char *module, *label, *pin, *so_pin;
	CK_SLOT_ID slot;
};
extern struct place place;
extern CK_FUNCTION_LIST *f;
extern CK_SESSION_HANDLE session; /* read-write, the user logged in */

/* ---- verdicts ---- */
enum verdict { UNTRIED, NOT_OFFERED, SAFE, WEAK, LEAKED, VERDICTS };

_Noreturn void attack_leaked(const char *format, ...) __attribute__((format(printf, 1, 2)));
void attack_weak(const char *format, ...) __attribute__((format(printf, 1, 2)));
void attack_safe(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The attack ends with its worst verdict so far. */
_Noreturn void attack_end(void);
/* True if the call failed; noted as safe, or as not offered if the token lacks the mechanism used last. */
bool attack_refused(CK_RV rv, const char *call);
/* Ends the attack as untried (not offered if the mechanism is not there) unless rv is CKR_OK. */
void attack_need(CK_RV rv, const char *call);
const char *attack_rv_name(CK_RV rv);

#define REFUSED(call) attack_refused((call), #call)
#define NEED(call) attack_need((call), #call)

#endif
