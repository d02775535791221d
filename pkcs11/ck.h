/*
 * ck.h - the constants and types of PKCS#11
 *
 * p11-kit's header carries version 2.40 (Debian 12) or 3.0 (Debian 13). What either of them
 * lacks stands in ck3.h behind #ifndef, with the numbers of PKCS#11 3.1 and 3.2.
 */
#ifndef TOKENFS_CK_H
#define TOKENFS_CK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <p11-kit/pkcs11.h>

#ifndef CK_TRUE
#define CK_TRUE 1
#define CK_FALSE 0
#endif

#include "ck3.h"
#include "ck_params.h"

/* PKCS#11 3.0 3.1: an interface, what C_GetInterface gives out. */
#ifndef CKF_INTERFACE_FORK_SAFE
struct tokenfs_ck_interface {
	char *pInterfaceName;
	void *pFunctionList;
	CK_FLAGS flags;
};
#define CK_INTERFACE struct tokenfs_ck_interface
#define CK_INTERFACE_PTR struct tokenfs_ck_interface *
#define CK_INTERFACE_PTR_PTR struct tokenfs_ck_interface **
#define CKF_INTERFACE_FORK_SAFE 1UL
#endif

#endif
