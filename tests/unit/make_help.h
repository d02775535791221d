/*
 * make_help.h - words for the tests of the calls that make objects, with a recorder in place of the vault
 */
#ifndef TOKENFS_MAKE_HELP_H
#define TOKENFS_MAKE_HELP_H

#include "recorder.h"
#include "rules_help.h"
#include "store/secret.h"

static __attribute__((unused)) const uint8_t p256_oid[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};

static struct maker maker;

static inline void
reset(const struct actor *who)
{
	memset(&vault, 0, sizeof(vault));
	maker = (struct maker){.who = *who};
}

static inline struct object *
created(struct attrs *t)
{
	struct object *o = NULL;

	CHECK_RV(CKR_OK, make_create(&maker, t, &o));
	return o;
}

static inline void
aes(struct attrs *t, bool token)
{
	attrs_free(t);
	templ(t, CKA_CLASS, CKO_SECRET_KEY, CKA_KEY_TYPE, CKK_AES, CKA_TOKEN, token ? YES : NO, END);
	CHECK_RV(CKR_OK, attrs_set(t, CKA_VALUE, "0123456789abcdef", 16));
}

/* An AES key of such a template. */
static inline struct object *
aes_key(struct attrs *t, bool token)
{
	aes(t, token);
	return created(t);
}

/* An AES key made here that wraps and unwraps; unwrap_templ (may be NULL) is its CKA_UNWRAP_TEMPLATE. */
static inline struct object *
wrapping_key(struct attrs *unwrap_templ)
{
	CK_MECHANISM gen = {CKM_AES_KEY_GEN, NULL, 0};
	struct attrs t = {0};
	struct object *o = NULL;

	templ(&t, CKA_VALUE_LEN, 32UL, CKA_WRAP, YES, CKA_UNWRAP, YES, END);
	if (unwrap_templ != NULL)
		CHECK_RV(CKR_OK, attrs_set_template(&t, CKA_UNWRAP_TEMPLATE, unwrap_templ));
	CHECK_RV(CKR_OK, make_key(&maker, &gen, &t, &o));
	attrs_free(&t);
	return o;
}

#endif
