/*
 * client.h - the module under attack as a process sees it: loading, sessions, other applications
 *
 * Errors:     the CK_RV of the call; what an attack cannot go on without ends it as untried.
 */
#ifndef TOKENFS_ATTACK_CLIENT_H
#define TOKENFS_ATTACK_CLIENT_H

#include "attack.h"

void client_load(void);          /* module and C_Initialize; finds the slot */
void client_login(void);         /* a session with the user's login */
CK_RV client_open(CK_FLAGS flags, CK_SESSION_HANDLE *s);
CK_RV client_user(CK_USER_TYPE user, const char *pin);
extern CK_MECHANISM_TYPE client_mechanism; /* the one used last, or CK_UNAVAILABLE_INFORMATION */
/* An exported function of PKCS#11 3.x by its name, or NULL (then noted as not offered). */
void *client_function(const char *name);
/* Another application: runs `act` in a process that loads the module for itself and then stays until the end of this
 * one; `told` is what it wrote there. To be called before client_load. */
struct told {
	CK_ULONG numbers[4];
};
void client_elsewhere(void (*act)(struct told *), struct told *told);

#endif
