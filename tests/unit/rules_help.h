/*
 * rules_help.h - short words to write templates down in tests
 */
#ifndef TOKENFS_TESTS_RULES_HELP_H
#define TOKENFS_TESTS_RULES_HELP_H

#include <stdarg.h>
#include <string.h>

#include "store/rules.h"
#include "unit.h"

#define END_OF_TEMPLATE ((CK_ATTRIBUTE_TYPE)-2)
/* templ(&a, CKA_CLASS, CKO_DATA, CKA_TOKEN, true, ..., END): booleans and numbers by the kind of
 * the type; adds to what is there. */
#define END END_OF_TEMPLATE, 0UL

static inline void
templ(struct attrs *a, ...)
{
	va_list ap;

	va_start(ap, a);
	for (;;) {
		CK_ATTRIBUTE_TYPE type = va_arg(ap, CK_ATTRIBUTE_TYPE);
		CK_ULONG value = va_arg(ap, CK_ULONG);
		const struct attr_name *name = attr_name_find(type);

		if (type == END_OF_TEMPLATE)
			break;
		if (name != NULL && name->kind == ATTR_BOOL)
			CHECK_RV(CKR_OK, attrs_set_bool(a, type, value != 0));
		else
			CHECK_RV(CKR_OK, attrs_set_ulong(a, type, value));
	}
	va_end(ap);
}

#define YES 1UL
#define NO 0UL

static const struct actor user = {.user = CKU_USER, .rw = true};
static const struct actor user_ro = {.user = CKU_USER, .rw = false};
static const struct actor user_compat = {.user = CKU_USER, .rw = true, .compat = true};
static const struct actor so = {.user = CKU_SO, .rw = true};
static const struct actor nobody = {.user = NOBODY, .rw = true};

/* rules_begin into a set that may hold something. */
static inline CK_RV
begin(struct attrs *out, struct attrs *t, enum rules_how how, const struct actor *who)
{
	attrs_free(out);
	return rules_begin(out, t, NULL, how, who);
}

static inline void
aes_template(struct attrs *t)
{
	attrs_free(t);
	templ(t, CKA_CLASS, CKO_SECRET_KEY, CKA_KEY_TYPE, CKK_AES, END);
	CHECK_RV(CKR_OK, attrs_set(t, CKA_VALUE, "0123456789abcdef", 16));
}

/* An object through the rules, as make.c does it. */
static inline struct object *
object_from(struct attrs *t, enum rules_how how, const struct actor *who)
{
	CK_MECHANISM mech = {CKM_AES_KEY_GEN, NULL, 0};
	struct object *o = NULL;
	struct attrs a = {0};

	if (how == HOW_CREATE) {
		CHECK_RV(CKR_OK, rules_begin(&a, t, NULL, how, who));
	} else {
		attrs_remove(t, CKA_VALUE);
		templ(t, CKA_VALUE_LEN, 16UL, END);
		CHECK_RV(CKR_OK, rules_begin(&a, t, NULL, how, who));
		CHECK_RV(CKR_OK, attrs_set(&a, CKA_VALUE, "0123456789abcdef", 16));
	}
	CHECK_RV(CKR_OK, rules_finish(&a, how, &mech, NULL));
	CHECK_RV(CKR_OK, object_new(&o, &a));
	return o;
}

#endif
