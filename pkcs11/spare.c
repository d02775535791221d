#include "spare.h"

#include <string.h>

#include "text.h"

#define TEXT(field, text) text_pad(field, sizeof(field), text, strlen(text))

void
spare_slot_info(CK_SLOT_INFO *info)
{
	memset(info, 0, sizeof(*info));
	TEXT(info->slotDescription, "tokenfs slot 0");
	TEXT(info->manufacturerID, "tokenfs");
	info->flags = CKF_TOKEN_PRESENT;
	info->firmwareVersion = text_version();
}

void
spare_token_info(CK_TOKEN_INFO *info)
{
	memset(info, 0, sizeof(*info));
	TEXT(info->label, "");
	TEXT(info->manufacturerID, "tokenfs");
	TEXT(info->model, "tokenfs");
	TEXT(info->serialNumber, "");
	TEXT(info->utcTime, "");
	info->flags = CKF_RNG | CKF_LOGIN_REQUIRED;
	info->ulMaxSessionCount = CK_EFFECTIVELY_INFINITE;
	info->ulMaxRwSessionCount = CK_EFFECTIVELY_INFINITE;
	info->ulMaxPinLen = 255;
	info->ulMinPinLen = 4;
	info->ulTotalPublicMemory = CK_UNAVAILABLE_INFORMATION;
	info->ulFreePublicMemory = CK_UNAVAILABLE_INFORMATION;
	info->ulTotalPrivateMemory = CK_UNAVAILABLE_INFORMATION;
	info->ulFreePrivateMemory = CK_UNAVAILABLE_INFORMATION;
	info->firmwareVersion = text_version();
}
