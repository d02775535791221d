/*
 * client.h - a PKCS#11 application that works with any module: opens it, logs in, makes the keys of the bench
 *
 * Use:        client_options.* set by main; client_open() ... client_session() ... client_close()
 * Errors:     false, after one line on stderr that names the call and its CKR_ code.
 */
#ifndef BENCH_CLIENT_H
#define BENCH_CLIENT_H

#include "../../pkcs11/ck.h"

#define CLIENT_LABEL "bench"
#define CLIENT_SO_PIN "0000-bench-so"

struct client_options {
	const char *module;
	const char *pin;       /* NULL: C_Login without a PIN, the token is already open */
	unsigned long objects; /* how many objects "fill-N" the token holds */
};

extern struct client_options client_options;
extern CK_FUNCTION_LIST *p11;

/* rv == CKR_OK; if not, says which call failed. */
bool client_ok(CK_RV rv, const char *call);

/* Loads the module, C_Initialize, finds the token by its label. */
bool client_load(void);
/* client_load, a session that keeps the login, C_Login. */
bool client_open(void);
bool client_login(CK_SESSION_HANDLE s);
void client_close(void);
bool client_session(CK_SESSION_HANDLE *s);

/* The first object with this CKA_ID and class; without one it fails and says so. */
bool client_find(CK_SESSION_HANDLE s, CK_OBJECT_CLASS class, const char *id, CK_OBJECT_HANDLE *h);

/* Commands: each in a process of its own. */
bool client_init_token(void);
bool client_make_keys(void);
/* Adds objects fill-0 ... until there are client_options.objects of them, or the time is over. */
bool client_fill(unsigned threads, double seconds, unsigned long *made);
/* P-256 key pair on the token; its handles in public, private. */
bool client_ec_pair(CK_SESSION_HANDLE s, const char *id, CK_OBJECT_HANDLE *public,
	CK_OBJECT_HANDLE *private);

#endif
