/*
 * derive_help.h - derivations through make_derive, with a recorder in place of the vault and a table of keys that a
 * mechanism's parameter can name
 */
#ifndef TOKENFS_DERIVE_HELP_H
#define TOKENFS_DERIVE_HELP_H

/* crypto_help.h's pair, which no rules have seen, has the name of the store's own call */
#define make_pair plain_pair
#include "crypto_help.h"
#undef make_pair
#include "recorder.h"
#include "rules_help.h"

#define NO_TYPE (~0UL)
#define FIRST_NAMED 100
static struct object *named[4];

static inline CK_RV
find_named(void *arg, CK_OBJECT_HANDLE h, struct object **o)
{
	(void)arg;
	if (h < FIRST_NAMED || h >= FIRST_NAMED + 4 || named[h - FIRST_NAMED] == NULL)
		return CKR_KEY_HANDLE_INVALID;
	*o = object_ref(named[h - FIRST_NAMED]);
	return CKR_OK;
}

static struct maker maker;

static inline void
be(const struct actor *who)
{
	memset(&vault, 0, sizeof(vault));
	maker = (struct maker){.who = *who, .find = find_named};
}

/* A base key of the application's own, whose value may be read. */
static inline struct object *
base_key(CK_KEY_TYPE type, const void *value, size_t len)
{
	return secret_object(type, value, len);
}

/* One that may not. */
static inline struct object *
hidden_key(CK_KEY_TYPE type, const void *value, size_t len)
{
	struct object *o = secret_object(type, value, len);

	attrs_set_bool(&o->attrs, CKA_SENSITIVE, true);
	attrs_set_bool(&o->attrs, CKA_EXTRACTABLE, false);
	return o;
}

static inline CK_RV
derive_all(CK_MECHANISM_TYPE type, void *param, size_t len, struct object *base, const struct attrs *t,
	struct derived_key keys[DERIVED_MAX], size_t *n)
{
	CK_MECHANISM m = {type, param, len};
	struct attrs none = {0};

	*n = 0;
	return make_derive(&maker, &m, base, t != NULL ? t : &none, keys, n);
}

/* One key; its value is compared with what it should be. len 0: whatever it is. */
static inline CK_RV
derive_one(CK_MECHANISM_TYPE type, void *param, size_t param_len, struct object *base, const struct attrs *t,
	struct object **o)
{
	struct derived_key keys[DERIVED_MAX];
	size_t n;
	CK_RV rv = derive_all(type, param, param_len, base, t, keys, &n);

	*o = NULL;
	if (rv == CKR_OK) {
		CHECK(n == 1 && keys[0].at == NULL);
		*o = keys[0].object;
	}
	return rv;
}

static inline bool
value_is(const struct object *o, const uint8_t *want, size_t n)
{
	const struct attr *a = o != NULL ? attrs_get(&o->attrs, CKA_VALUE) : NULL;

	return a != NULL && same(a->value, a->len, want, n);
}

/* Derives, compares and lets go. */
static inline void
expect(CK_MECHANISM_TYPE type, void *param, size_t param_len, struct object *base, const struct attrs *t,
	const uint8_t *want, size_t n)
{
	struct object *o;

	CHECK_RV(CKR_OK, derive_one(type, param, param_len, base, t, &o));
	CHECK(value_is(o, want, n));
	object_put(o);
}

static inline void
refuse_as(CK_RV want, CK_MECHANISM_TYPE type, void *param, size_t param_len, struct object *base, const struct attrs *t)
{
	struct object *o;
	unsigned long got = derive_one(type, param, param_len, base, t, &o);

	if (got != want)
		fprintf(stderr, "mechanism 0x%lx gave 0x%lx, not 0x%lx: %s\n", type, got, want, why_text());
	CHECK(got == want);
	object_put(o);
}

static inline void
ask(struct attrs *t, CK_ULONG key_type, CK_ULONG len)
{
	attrs_free(t);
	if (key_type != NO_TYPE)
		attrs_set_ulong(t, CKA_KEY_TYPE, key_type);
	if (len != 0)
		attrs_set_ulong(t, CKA_VALUE_LEN, len);
}

#endif
