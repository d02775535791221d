/*
 * spare.h - what the module answers where there is no vault and so no daemon: one uninitialised token
 *
 * An application sees slot 0 with a token that C_InitToken can make, as it would with an empty vault,
 * and nothing is started for looking at it.
 */
#ifndef TOKENFS_SPARE_H
#define TOKENFS_SPARE_H

#include "ck.h"

#define SPARE_SLOT 0

/* C_GetSlotInfo and C_GetTokenInfo of that slot. */
void spare_slot_info(CK_SLOT_INFO *info);
void spare_token_info(CK_TOKEN_INFO *info);

#endif
