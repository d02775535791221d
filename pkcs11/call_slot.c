/*
 * Slots and tokens: PKCS#11 3.1 5.5. Beside the daemon's answers stand those for a machine that
 * has no vault yet (spare.h).
 */
#include "export.h"
#include "call.h"

#include <stdlib.h>
#include <string.h>

#include "spare.h"
#include "text.h"

#define MAX_LIST 65536      /* slots or mechanisms in one answer */

/* For want of a vault the application sees what there is without one, and remembers it. */
static void
show_spare(struct call *c)
{
	module_showed_spare(c->module);
	c->rv = CKR_OK;
}

/* True if the call failed for want of a vault and the slot is the one to show instead. */
static bool
is_spare(const struct call *c, CK_SLOT_ID slot)
{
	return c->unreachable && c->rv == CKR_TOKEN_NOT_PRESENT && slot == SPARE_SLOT &&
		module_conf(c->module)->spare_slot;
}

/* Without a vault there is no slot but the spare one. */
static CK_RV
slot_end(struct call *c)
{
	if (c->unreachable && c->rv == CKR_TOKEN_NOT_PRESENT)
		c->rv = CKR_SLOT_ID_INVALID;
	return call_end(c);
}

static void
list_spare(struct call *c, CK_SLOT_ID *list, CK_ULONG *count)
{
	CK_ULONG n = module_conf(c->module)->spare_slot ? 1 : 0;

	show_spare(c);
	if (list != NULL && *count < n)
		c->rv = CKR_BUFFER_TOO_SMALL;
	else if (list != NULL && n > 0)
		list[0] = SPARE_SLOT;
	*count = n;
}

CK_RV
C_GetSlotList(CK_BBOOL token_present, CK_SLOT_ID *list, CK_ULONG *count)
{
	struct call c;

	call_begin(&c, WIRE_GET_SLOT_LIST, REACH_START);
	call_need(&c, count != NULL);
	codec_put_byte(&c.codec, token_present ? CK_TRUE : CK_FALSE);
	if (call_send(&c, CALL_OUTPUT(16 * CALL_ULONG)))
		call_get_list(&c, list, count, MAX_LIST);
	else if (c.unreachable && c.rv == CKR_TOKEN_NOT_PRESENT)
		list_spare(&c, list, count);
	return call_end(&c);
}

static void
get_text(struct call *c, unsigned char *to, size_t size)
{
	const uint8_t *text;
	size_t len;

	codec_get_bytes(&c->codec, &text, &len);
	text_pad(to, size, text, len);
}

static void
get_version(struct call *c, CK_VERSION *v)
{
	codec_get_byte(&c->codec, &v->major);
	codec_get_byte(&c->codec, &v->minor);
}

CK_RV
C_GetSlotInfo(CK_SLOT_ID slot, CK_SLOT_INFO *info)
{
	struct call c;

	call_begin(&c, WIRE_GET_SLOT_INFO, REACH_START);
	call_need(&c, info != NULL);
	codec_put_ulong(&c.codec, slot);
	if (call_send(&c, 160)) {
		get_text(&c, info->slotDescription, sizeof(info->slotDescription));
		get_text(&c, info->manufacturerID, sizeof(info->manufacturerID));
		codec_get_ulong(&c.codec, &info->flags);
		get_version(&c, &info->hardwareVersion);
		get_version(&c, &info->firmwareVersion);
	} else if (is_spare(&c, slot)) {
		spare_slot_info(info);
		show_spare(&c);
	}
	return slot_end(&c);
}

static void
get_token_info(struct call *c, CK_TOKEN_INFO *info)
{
	CK_ULONG *const counts[] = {&info->ulMaxSessionCount, &info->ulSessionCount,
		&info->ulMaxRwSessionCount, &info->ulRwSessionCount, &info->ulMaxPinLen,
		&info->ulMinPinLen, &info->ulTotalPublicMemory, &info->ulFreePublicMemory,
		&info->ulTotalPrivateMemory, &info->ulFreePrivateMemory};
	const size_t n_counts = sizeof(counts) / sizeof(counts[0]);
	CK_ULONG got[sizeof(counts) / sizeof(counts[0])], n = n_counts;

	get_text(c, info->label, sizeof(info->label));
	get_text(c, info->manufacturerID, sizeof(info->manufacturerID));
	get_text(c, info->model, sizeof(info->model));
	get_text(c, info->serialNumber, sizeof(info->serialNumber));
	codec_get_ulong(&c->codec, &info->flags);
	memset(got, 0, sizeof(got));
	call_get_list(c, got, &n, n_counts);
	if (n != n_counts)
		call_fail(c, CKR_DEVICE_ERROR);
	for (size_t i = 0; i < n_counts; i++)
		*counts[i] = got[i];
	get_version(c, &info->hardwareVersion);
	get_version(c, &info->firmwareVersion);
	get_text(c, info->utcTime, sizeof(info->utcTime));
}

CK_RV
C_GetTokenInfo(CK_SLOT_ID slot, CK_TOKEN_INFO *info)
{
	struct call c;

	call_begin(&c, WIRE_GET_TOKEN_INFO, REACH_START);
	call_need(&c, info != NULL);
	codec_put_ulong(&c.codec, slot);
	if (call_send(&c, 512)) {
		get_token_info(&c, info);
	} else if (is_spare(&c, slot)) {
		spare_token_info(info);
		show_spare(&c);
	}
	return slot_end(&c);
}

/* Not what PKCS#11 3.1 and 3.2 added. */
static bool
is_of_3_0(CK_MECHANISM_TYPE type)
{
	static const struct {
		CK_MECHANISM_TYPE first, last;
	} added[] = {{0xF, 0xF}, {0x17, 0x17}, {0x1C, 0x1F}, {0x23, 0x2E}, {0x34, 0x34}, {0x36, 0x3F}, {0x56, 0x57},
		{0x210C, 0x210C}, {0x4032, 0x403C}};

	for (size_t i = 0; i < sizeof(added) / sizeof(added[0]); i++) {
		if (type >= added[i].first && type <= added[i].last)
			return false;
	}
	return true;
}

/* keep NULL: all of them. */
static CK_RV
mechanism_list(CK_SLOT_ID slot, CK_MECHANISM_TYPE *list, CK_ULONG *count, bool (*keep)(CK_MECHANISM_TYPE))
{
	CK_MECHANISM_TYPE *all = NULL;
	struct call c;
	size_t n = 0, kept = 0;

	call_begin(&c, WIRE_GET_MECHANISM_LIST, REACH_START);
	call_need(&c, count != NULL);
	codec_put_ulong(&c.codec, slot);
	if (call_send(&c, CALL_OUTPUT(512 * CALL_ULONG)) && codec_get_ulongs(&c.codec, &all, &n, MAX_LIST)) {
		for (size_t i = 0; i < n; i++) {
			if (keep == NULL || keep(all[i]))
				all[kept++] = all[i];
		}
		call_give_list(&c, all, kept, list, count);
		free(all);
	} else if (is_spare(&c, slot)) {
		*count = 0; /* which ones there are only the daemon knows */
		c.rv = CKR_OK;
	}
	return slot_end(&c);
}

CK_RV
C_GetMechanismList(CK_SLOT_ID slot, CK_MECHANISM_TYPE *list, CK_ULONG *count)
{
	return mechanism_list(slot, list, count, NULL);
}

CK_RV
call_mechanism_list_3_0(CK_SLOT_ID slot, CK_MECHANISM_TYPE *list, CK_ULONG *count)
{
	return mechanism_list(slot, list, count, is_of_3_0);
}

CK_RV
C_GetMechanismInfo(CK_SLOT_ID slot, CK_MECHANISM_TYPE type, CK_MECHANISM_INFO *info)
{
	struct call c;

	call_begin(&c, WIRE_GET_MECHANISM_INFO, REACH_START);
	call_need(&c, info != NULL);
	codec_put_ulong(&c.codec, slot);
	codec_put_ulong(&c.codec, type);
	if (call_send(&c, 3 * CALL_ULONG)) {
		codec_get_ulong(&c.codec, &info->ulMinKeySize);
		codec_get_ulong(&c.codec, &info->ulMaxKeySize);
		codec_get_ulong(&c.codec, &info->flags);
	} else if (is_spare(&c, slot)) {
		c.rv = CKR_MECHANISM_INVALID;
	}
	return slot_end(&c);
}

CK_RV
C_InitToken(CK_SLOT_ID slot, CK_UTF8CHAR *pin, CK_ULONG pin_len, CK_UTF8CHAR *label)
{
	struct call c;

	call_begin(&c, WIRE_INIT_TOKEN, REACH_MAKE);
	call_need(&c, label != NULL);
	codec_put_ulong(&c.codec, slot);
	call_put_pin(&c, pin, pin_len);
	if (c.rv == CKR_OK)
		codec_put_bytes(&c.codec, label, 32);
	return call_finish(&c);
}

CK_RV
C_InitPIN(CK_SESSION_HANDLE session, CK_UTF8CHAR *pin, CK_ULONG pin_len)
{
	struct call c;

	call_session(&c, WIRE_INIT_PIN, session);
	call_put_pin(&c, pin, pin_len);
	return call_finish(&c);
}

CK_RV
C_SetPIN(CK_SESSION_HANDLE session, CK_UTF8CHAR *old, CK_ULONG old_len, CK_UTF8CHAR *pin,
	CK_ULONG pin_len)
{
	struct call c;

	call_session(&c, WIRE_SET_PIN, session);
	call_put_pin(&c, old, old_len);
	call_put_pin(&c, pin, pin_len);
	return call_finish(&c);
}

/* ---- slot events ---- */

static bool
is_initialized(CK_SLOT_ID slot)
{
	CK_TOKEN_INFO info;

	return C_GetTokenInfo(slot, &info) == CKR_OK && (info.flags & CKF_TOKEN_INITIALIZED) != 0;
}

/* The first slot that is not as it was without a vault. */
static CK_RV
differs_from_spare(CK_SLOT_ID *slot, bool spare_slot)
{
	CK_RV rv = CKR_NO_EVENT;
	struct call c;
	CK_SLOT_ID *list = NULL;
	size_t n = 0;

	call_begin(&c, WIRE_GET_SLOT_LIST, REACH_RUNNING);
	codec_put_byte(&c.codec, CK_FALSE);
	if (call_send(&c, CALL_OUTPUT(16 * CALL_ULONG)))
		codec_get_ulongs(&c.codec, &list, &n, MAX_LIST);
	if (call_end(&c) != CKR_OK)
		rv = c.rv;
	for (size_t i = 0; rv == CKR_NO_EVENT && i < n; i++) {
		if (!spare_slot || list[i] != SPARE_SLOT || is_initialized(list[i])) {
			*slot = list[i];
			rv = CKR_OK;
		}
	}
	free(list);
	return rv;
}

/* One look. *instance: which C_Initialize it was under. */
static CK_RV
look_for_event(CK_SLOT_ID *slot, const void *reserved, CK_FLAGS flags, uint64_t *instance)
{
	bool was_spare = false, spare_slot = false;
	struct call c;

	call_begin(&c, WIRE_WAIT_FOR_SLOT_EVENT, REACH_RUNNING);
	if (c.module != NULL && *instance == 0)
		*instance = module_id(c.module);
	else if (c.module != NULL && *instance != module_id(c.module))
		call_fail(&c, CKR_CRYPTOKI_NOT_INITIALIZED);
	call_need(&c, slot != NULL && reserved == NULL && (flags & ~CKF_DONT_BLOCK) == 0);
	codec_put_ulong(&c.codec, CKF_DONT_BLOCK);
	if (call_send(&c, CALL_ULONG)) {
		codec_get_ulong(&c.codec, slot);
	} else if (c.unreachable && c.rv == CKR_TOKEN_NOT_PRESENT) {
		show_spare(&c);
		c.rv = CKR_NO_EVENT;
	} else if (c.rv == CKR_NO_EVENT) {
		/* The daemon tells what changed since it was first spoken to; what was there before is news, too, to
		 * one who had seen nothing. */
		was_spare = module_was_spare(c.module);
		spare_slot = module_conf(c.module)->spare_slot;
	}
	call_end(&c);
	return was_spare ? differs_from_spare(slot, spare_slot) : c.rv;
}

/* PKCS#11 3.1 5.5.4: a blocking wait ends with CKR_CRYPTOKI_NOT_INITIALIZED when another thread calls
 * C_Finalize. */
CK_RV
C_WaitForSlotEvent(CK_FLAGS flags, CK_SLOT_ID *slot, CK_VOID_PTR reserved)
{
	uint64_t instance = 0;
	CK_RV rv;

	do
		rv = look_for_event(slot, reserved, flags, &instance);
	while (rv == CKR_NO_EVENT && !(flags & CKF_DONT_BLOCK) && (rv = module_wait(instance)) == CKR_OK);
	return rv;
}
