/* The rules of attributes: what templates may say, what is filled in, what changes, who may. */
#include "rules_help.h"
#include "store/secret.h"
#include "store/why.h"

/* ---- begin ---- */

static void
test_begin_refuses_what_is_missing_or_unknown(void)
{
	struct attrs t = {0}, out = {0};

	CHECK_RV(CKR_TEMPLATE_INCOMPLETE, begin(&out, &t, HOW_CREATE, &user));
	templ(&t, CKA_CLASS, 0x99UL, END);
	CHECK_RV(CKR_ATTRIBUTE_VALUE_INVALID, begin(&out, &t, HOW_CREATE, &user));
	templ(&t, CKA_CLASS, CKO_SECRET_KEY, END);
	CHECK_RV(CKR_TEMPLATE_INCOMPLETE, begin(&out, &t, HOW_CREATE, &user));
	templ(&t, CKA_KEY_TYPE, 0x99UL, END);
	CHECK_RV(CKR_ATTRIBUTE_VALUE_INVALID, begin(&out, &t, HOW_CREATE, &user));
	templ(&t, CKA_KEY_TYPE, CKK_AES, END);
	CHECK_RV(CKR_TEMPLATE_INCOMPLETE, begin(&out, &t, HOW_CREATE, &user));
	CHECK(strstr(why_text(), "CKA_VALUE") != NULL);
	CHECK(out.n == 0);
	CHECK_RV(CKR_OK, attrs_set(&t, CKA_VALUE, "0123456789abcdef", 16));
	CHECK_RV(CKR_OK, begin(&out, &t, HOW_CREATE, &user));

	CHECK_RV(CKR_OK, attrs_set(&t, CKA_MODULUS, "x", 1)); /* not an AES key's */
	CHECK_RV(CKR_ATTRIBUTE_TYPE_INVALID, begin(&out, &t, HOW_CREATE, &user));
	attrs_remove(&t, CKA_MODULUS);
	CHECK_RV(CKR_OK, attrs_set_ulong(&t, TKA_ROLES, 0)); /* nobody's but ours */
	CHECK_RV(CKR_ATTRIBUTE_TYPE_INVALID, begin(&out, &t, HOW_CREATE, &user));
	attrs_free(&t);
	attrs_free(&out);
}

static void
test_begin_refuses_what_the_token_computes(void)
{
	static const CK_ATTRIBUTE_TYPE computed[] = {CKA_LOCAL, CKA_ALWAYS_SENSITIVE,
		CKA_NEVER_EXTRACTABLE};
	struct attrs t = {0}, out = {0};
	size_t i;
	int how;

	for (how = HOW_CREATE; how <= HOW_DERIVE; how++)
		for (i = 0; i < sizeof(computed) / sizeof(computed[0]); i++) {
			aes_template(&t);
			if (how != HOW_CREATE)
				attrs_remove(&t, CKA_VALUE);
			templ(&t, computed[i], YES, END);
			CHECK_RV(CKR_ATTRIBUTE_READ_ONLY,
				begin(&out, &t, (enum rules_how)how, &user));
		}
	aes_template(&t);
	templ(&t, CKA_KEY_GEN_MECHANISM, CKM_AES_KEY_GEN, END);
	CHECK_RV(CKR_ATTRIBUTE_READ_ONLY, begin(&out, &t, HOW_CREATE, &user));
	aes_template(&t);
	CHECK_RV(CKR_OK, attrs_set(&t, CKA_UNIQUE_ID, "x", 1));
	CHECK_RV(CKR_ATTRIBUTE_READ_ONLY, begin(&out, &t, HOW_CREATE, &user));
	aes_template(&t); /* a value where the mechanism makes it */
	CHECK_RV(CKR_ATTRIBUTE_READ_ONLY, begin(&out, &t, HOW_UNWRAP, &user));
	CHECK_RV(CKR_ATTRIBUTE_READ_ONLY, begin(&out, &t, HOW_DERIVE, &user));
	templ(&t, CKA_VALUE_LEN, 16UL, END);
	CHECK_RV(CKR_ATTRIBUTE_READ_ONLY, begin(&out, &t, HOW_CREATE, &user));
	attrs_free(&t);
	attrs_free(&out);
}

static void
test_begin_checks_values(void)
{
	static const char *const bad[] = {"2024130", "20241301", "20240100", "20240132", "2024010x"};
	struct attrs t = {0}, out = {0};
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		aes_template(&t);
		CHECK_RV(CKR_OK, attrs_set(&t, CKA_START_DATE, bad[i], 8));
		CHECK_RV(CKR_ATTRIBUTE_VALUE_INVALID, begin(&out, &t, HOW_CREATE, &user));
	}
	CHECK_RV(CKR_OK, attrs_set(&t, CKA_START_DATE, "20240201", 8));
	CHECK_RV(CKR_OK, attrs_set(&t, CKA_END_DATE, "20240131", 8));
	CHECK_RV(CKR_TEMPLATE_INCONSISTENT, begin(&out, &t, HOW_CREATE, &user));
	CHECK_RV(CKR_OK, attrs_set(&t, CKA_END_DATE, "20240201", 8));
	CHECK_RV(CKR_OK, begin(&out, &t, HOW_CREATE, &user));
	attrs_free(&t);

	templ(&t, CKA_CLASS, CKO_PRIVATE_KEY, CKA_KEY_TYPE, CKK_EC, CKA_PRIVATE, NO,
		CKA_ALWAYS_AUTHENTICATE, YES, END);
	CHECK_RV(CKR_TEMPLATE_INCONSISTENT, begin(&out, &t, HOW_GENERATE, &user));
	attrs_free(&t);
	attrs_free(&out);
}

static void
test_begin_implied_values_must_agree(void)
{
	struct attrs t = {0}, implied = {0}, out = {0};

	templ(&implied, CKA_CLASS, CKO_SECRET_KEY, CKA_KEY_TYPE, CKK_AES, END);
	templ(&t, CKA_VALUE_LEN, 32UL, END);
	CHECK_RV(CKR_OK, rules_begin(&out, &t, &implied, HOW_GENERATE, &user));
	CHECK(attrs_ulong(&out, CKA_KEY_TYPE, 0) == CKK_AES);
	attrs_free(&out);
	templ(&t, CKA_KEY_TYPE, CKK_GENERIC_SECRET, END);
	CHECK_RV(CKR_TEMPLATE_INCONSISTENT, rules_begin(&out, &t, &implied, HOW_GENERATE, &user));
	CHECK(out.n == 0);
	attrs_free(&t);
	attrs_free(&implied);
}

static void
test_begin_session_and_login_limits(void)
{
	struct attrs t = {0}, out = {0};

	aes_template(&t);
	CHECK_RV(CKR_USER_NOT_LOGGED_IN, begin(&out, &t, HOW_CREATE, &nobody)); /* private by default */
	CHECK_RV(CKR_USER_NOT_LOGGED_IN, begin(&out, &t, HOW_CREATE, &so));
	CHECK_RV(CKR_OK, begin(&out, &t, HOW_CREATE, &user_ro)); /* a session object */
	templ(&t, CKA_TOKEN, YES, END);
	CHECK_RV(CKR_SESSION_READ_ONLY, begin(&out, &t, HOW_CREATE, &user_ro));
	templ(&t, CKA_PRIVATE, NO, END);
	CHECK_RV(CKR_OK, begin(&out, &t, HOW_CREATE, &nobody));
	CHECK_RV(CKR_OK, begin(&out, &t, HOW_CREATE, &so));
	templ(&t, CKA_TRUSTED, NO, END);
	CHECK_RV(CKR_OK, begin(&out, &t, HOW_CREATE, &user));
	templ(&t, CKA_TRUSTED, YES, END);
	CHECK_RV(CKR_ATTRIBUTE_READ_ONLY, begin(&out, &t, HOW_CREATE, &user));
	CHECK_RV(CKR_OK, begin(&out, &t, HOW_CREATE, &so));
	attrs_free(&t);
	attrs_free(&out);
}

/* ---- defaults ---- */

static void
test_defaults_of_storage_attributes(void)
{
	struct attrs t = {0}, out = {0};

	templ(&t, CKA_CLASS, CKO_DATA, END);
	CHECK_RV(CKR_OK, begin(&out, &t, HOW_CREATE, &nobody));
	CHECK(!attrs_bool(&out, CKA_TOKEN, true) && !attrs_bool(&out, CKA_PRIVATE, true));
	CHECK(attrs_bool(&out, CKA_MODIFIABLE, false) && attrs_bool(&out, CKA_COPYABLE, false));
	CHECK(attrs_bool(&out, CKA_DESTROYABLE, false));
	CHECK(attrs_has(&out, CKA_LABEL) && attrs_get(&out, CKA_LABEL)->len == 0);
	aes_template(&t);
	CHECK_RV(CKR_OK, begin(&out, &t, HOW_CREATE, &user));
	CHECK(attrs_bool(&out, CKA_PRIVATE, false));
	CHECK(!attrs_has(&out, CKA_ALLOWED_MECHANISMS) && !attrs_has(&out, CKA_WRAP_TEMPLATE));
	CHECK(attrs_has(&out, CKA_START_DATE) && attrs_has(&out, CKA_ID));
	attrs_free(&t);
	attrs_free(&out);
}

static void
test_sensitive_defaults_follow_extractable(void)
{
	struct attrs t = {0}, out = {0};

	aes_template(&t);
	CHECK_RV(CKR_OK, begin(&out, &t, HOW_CREATE, &user));
	CHECK(attrs_bool(&out, CKA_SENSITIVE, false) && !attrs_bool(&out, CKA_EXTRACTABLE, true));
	templ(&t, CKA_EXTRACTABLE, YES, END);
	CHECK_RV(CKR_OK, begin(&out, &t, HOW_CREATE, &user));
	CHECK(!attrs_bool(&out, CKA_SENSITIVE, true) && attrs_bool(&out, CKA_EXTRACTABLE, false));
	templ(&t, CKA_SENSITIVE, YES, END);
	CHECK_RV(CKR_OK, begin(&out, &t, HOW_CREATE, &user));
	CHECK(attrs_bool(&out, CKA_SENSITIVE, false) && attrs_bool(&out, CKA_EXTRACTABLE, false));
	attrs_free(&t);
	attrs_free(&out);
}

static CK_ULONG
usages(const struct attrs *a)
{
	static const CK_ATTRIBUTE_TYPE types[] = {CKA_ENCRYPT, CKA_DECRYPT, CKA_WRAP, CKA_UNWRAP,
		CKA_SIGN, CKA_SIGN_RECOVER, CKA_VERIFY, CKA_VERIFY_RECOVER, CKA_DERIVE};
	CK_ULONG bits = 0;
	size_t i;

	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (attrs_bool(a, types[i], false))
			bits |= 1UL << (types[i] - CKA_ENCRYPT);
	return bits;
}
#define BIT(type) (1UL << ((type) - CKA_ENCRYPT))

static void
test_usage_defaults_of_every_key_type(void)
{
	static const struct {
		CK_OBJECT_CLASS class;
		CK_KEY_TYPE type;
		CK_ULONG want;
	} cases[] = {
		{CKO_PUBLIC_KEY, CKK_RSA, BIT(CKA_ENCRYPT) | BIT(CKA_VERIFY)},
		{CKO_PRIVATE_KEY, CKK_RSA, BIT(CKA_DECRYPT) | BIT(CKA_SIGN)},
		{CKO_PUBLIC_KEY, CKK_EC, BIT(CKA_VERIFY)},
		{CKO_PRIVATE_KEY, CKK_EC, BIT(CKA_SIGN) | BIT(CKA_DERIVE)},
		{CKO_PUBLIC_KEY, CKK_EC_EDWARDS, BIT(CKA_VERIFY)},
		{CKO_PRIVATE_KEY, CKK_EC_EDWARDS, BIT(CKA_SIGN)},
		{CKO_PUBLIC_KEY, CKK_EC_MONTGOMERY, 0},
		{CKO_PRIVATE_KEY, CKK_EC_MONTGOMERY, BIT(CKA_DERIVE)},
		{CKO_SECRET_KEY, CKK_AES,
			BIT(CKA_ENCRYPT) | BIT(CKA_DECRYPT) | BIT(CKA_SIGN) | BIT(CKA_VERIFY)},
		{CKO_SECRET_KEY, CKK_GENERIC_SECRET,
			BIT(CKA_SIGN) | BIT(CKA_VERIFY) | BIT(CKA_DERIVE)},
		{CKO_SECRET_KEY, CKK_SHA256_HMAC, BIT(CKA_SIGN) | BIT(CKA_VERIFY)},
	};
	struct attrs t = {0}, out = {0};
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		attrs_free(&t);
		templ(&t, CKA_CLASS, cases[i].class, CKA_KEY_TYPE, cases[i].type, END);
		if (cases[i].class == CKO_SECRET_KEY)
			templ(&t, CKA_VALUE_LEN, 16UL, END);
		else if (cases[i].class == CKO_PUBLIC_KEY && cases[i].type == CKK_RSA)
			templ(&t, CKA_MODULUS_BITS, 2048UL, END);
		else if (cases[i].class == CKO_PUBLIC_KEY)
			CHECK_RV(CKR_OK, attrs_set(&t, CKA_EC_PARAMS, "x", 1));
		CHECK_RV(CKR_OK, begin(&out, &t, HOW_GENERATE, &user));
		CHECK(usages(&out) == cases[i].want);
		templ(&t, CKA_DERIVE, YES, END); /* one is named: the others are not wanted */
		CHECK_RV(CKR_OK, begin(&out, &t, HOW_GENERATE, &user));
		CHECK(usages(&out) == BIT(CKA_DERIVE));
		CHECK_RV(CKR_OK, begin(&out, &t, HOW_GENERATE, &user_compat)); /* as SoftHSM */
		CHECK(usages(&out) == (cases[i].want | BIT(CKA_DERIVE)));
	}
	/* A private half does not say its value; its parameter set it may. */
	attrs_free(&t);
	templ(&t, CKA_CLASS, CKO_PRIVATE_KEY, CKA_KEY_TYPE, CKK_ML_DSA, CKA_PARAMETER_SET, CKP_ML_DSA_44, END);
	CHECK_RV(CKR_OK, begin(&out, &t, HOW_GENERATE, &user));
	CHECK_RV(CKR_ATTRIBUTE_READ_ONLY, begin(&out, &t, HOW_UNWRAP, &user));
	CHECK_RV(CKR_OK, attrs_set(&t, CKA_VALUE, "x", 1));
	CHECK_RV(CKR_ATTRIBUTE_READ_ONLY, begin(&out, &t, HOW_GENERATE, &user));
	aes_template(&t); /* naming what is not wanted leaves the rest */
	templ(&t, CKA_DECRYPT, NO, END);
	CHECK_RV(CKR_OK, begin(&out, &t, HOW_CREATE, &user));
	CHECK(usages(&out) == (BIT(CKA_ENCRYPT) | BIT(CKA_SIGN) | BIT(CKA_VERIFY)));
	attrs_free(&t);
	attrs_free(&out);
}

/* ---- set, copy, destroy ---- */

static CK_RV
set_one(const struct object *o, CK_ATTRIBUTE_TYPE type, CK_ULONG value, const struct actor *who)
{
	struct attrs c = {0}, out = {0};
	CK_RV rv;

	templ(&c, type, value, END);
	rv = rules_set(&out, o, &c, who);
	CHECK((out.n == 0) == (rv != CKR_OK));
	attrs_free(&c);
	attrs_free(&out);
	return rv;
}

static CK_RV
copy_one(const struct object *o, CK_ATTRIBUTE_TYPE type, CK_ULONG value, const struct actor *who)
{
	struct attrs c = {0}, out = {0};
	CK_RV rv;

	templ(&c, type, value, END);
	rv = rules_copy(&out, o, &c, who);
	CHECK((out.n == 0) == (rv != CKR_OK));
	attrs_free(&c);
	attrs_free(&out);
	return rv;
}

static void
test_set_one_way_streets(void)
{
	struct attrs t = {0};
	struct object *loose, *tight;

	aes_template(&t);
	templ(&t, CKA_EXTRACTABLE, YES, CKA_SENSITIVE, NO, CKA_ENCRYPT, YES, END);
	loose = object_from(&t, HOW_CREATE, &user);
	aes_template(&t);
	templ(&t, CKA_COPYABLE, NO, CKA_WRAP_WITH_TRUSTED, YES, END);
	tight = object_from(&t, HOW_CREATE, &user);

	CHECK_RV(CKR_OK, set_one(loose, CKA_SENSITIVE, YES, &user));
	CHECK_RV(CKR_OK, set_one(loose, CKA_EXTRACTABLE, NO, &user));
	CHECK_RV(CKR_OK, set_one(loose, CKA_COPYABLE, NO, &user));
	CHECK_RV(CKR_OK, set_one(loose, CKA_WRAP_WITH_TRUSTED, YES, &user));
	CHECK_RV(CKR_ATTRIBUTE_READ_ONLY, set_one(tight, CKA_SENSITIVE, NO, &user));
	CHECK_RV(CKR_ATTRIBUTE_READ_ONLY, set_one(tight, CKA_EXTRACTABLE, YES, &user));
	CHECK_RV(CKR_ATTRIBUTE_READ_ONLY, set_one(tight, CKA_COPYABLE, YES, &user));
	CHECK_RV(CKR_ATTRIBUTE_READ_ONLY, set_one(tight, CKA_WRAP_WITH_TRUSTED, NO, &user));
	/* and not by way of compat either */
	CHECK_RV(CKR_ATTRIBUTE_READ_ONLY, set_one(tight, CKA_SENSITIVE, NO, &user_compat));
	CHECK_RV(CKR_ATTRIBUTE_READ_ONLY, copy_one(loose, CKA_TRUSTED, YES, &user));
	CHECK_RV(CKR_ACTION_PROHIBITED, copy_one(tight, CKA_TOKEN, YES, &user));
	/* usages fall, under compat they may rise */
	CHECK_RV(CKR_OK, set_one(loose, CKA_ENCRYPT, NO, &user));
	CHECK_RV(CKR_ATTRIBUTE_READ_ONLY, set_one(loose, CKA_DECRYPT, YES, &user));
	CHECK_RV(CKR_ATTRIBUTE_READ_ONLY, copy_one(loose, CKA_DECRYPT, YES, &user));
	CHECK_RV(CKR_OK, set_one(loose, CKA_DECRYPT, YES, &user_compat));
	CHECK_RV(CKR_OK, copy_one(loose, CKA_DECRYPT, YES, &user_compat));
	/* what never changes, and what is not there */
	CHECK_RV(CKR_ATTRIBUTE_READ_ONLY, set_one(loose, CKA_TOKEN, YES, &user));
	CHECK_RV(CKR_ATTRIBUTE_READ_ONLY, set_one(loose, CKA_PRIVATE, YES, &user));
	CHECK_RV(CKR_ATTRIBUTE_READ_ONLY, set_one(loose, CKA_LOCAL, YES, &user));
	CHECK_RV(CKR_ATTRIBUTE_READ_ONLY, set_one(loose, CKA_CLASS, CKO_SECRET_KEY, &user));
	CHECK_RV(CKR_ATTRIBUTE_TYPE_INVALID, set_one(loose, CKA_MODULUS_BITS, 1UL, &user));
	object_put(loose);
	object_put(tight);
	attrs_free(&t);
}

/* As in a vault that is older than the attribute: what is not there is no usage, and cannot be given. */
static void
test_set_usage_that_an_old_object_lacks(void)
{
	struct attrs t = {0};
	struct object *o;

	aes_template(&t);
	templ(&t, CKA_WRAP, YES, CKA_UNWRAP, YES, END);
	o = object_from(&t, HOW_GENERATE, &user);
	attrs_remove(&o->attrs, CKA_DECRYPT);
	CHECK_RV(CKR_ATTRIBUTE_READ_ONLY, set_one(o, CKA_DECRYPT, YES, &user));
	CHECK_RV(CKR_ATTRIBUTE_READ_ONLY, copy_one(o, CKA_DECRYPT, YES, &user));
	CHECK_RV(CKR_ATTRIBUTE_READ_ONLY, set_one(o, CKA_DECRYPT, YES, &user_compat)); /* it only wraps */
	CHECK_RV(CKR_OK, set_one(o, CKA_DECRYPT, NO, &user));
	object_put(o);
	attrs_free(&t);
}

static void
test_set_remembers_roles(void)
{
	struct attrs t = {0}, c = {0}, out = {0};
	struct object *o;

	aes_template(&t);
	templ(&t, CKA_WRAP, YES, CKA_ENCRYPT, YES, END);
	o = object_from(&t, HOW_GENERATE, &user);
	templ(&c, CKA_ENCRYPT, NO, END);
	CHECK_RV(CKR_OK, rules_set(&out, o, &c, &user));
	CHECK(!attrs_bool(&out, CKA_ENCRYPT, true));
	CHECK(attrs_ulong(&out, TKA_ROLES, 0) == (CKF_WRAP | CKF_ENCRYPT));
	attrs_free(&out);
	templ(&c, CKA_SIGN, YES, END);
	CHECK_RV(CKR_OK, rules_copy(&out, o, &c, &user_compat));
	CHECK(attrs_ulong(&out, TKA_ROLES, 0) == (CKF_WRAP | CKF_ENCRYPT | CKF_SIGN | ROLE_WIDENED));
	CHECK(attrs_ulong(&out, TKA_ORIGIN, 0) == ORIGIN_GENERATED);
	attrs_free(&out);
	attrs_free(&c);
	attrs_free(&t);
	object_put(o);
}

static void
test_set_who_may(void)
{
	struct attrs t = {0};
	struct object *o;

	aes_template(&t);
	templ(&t, CKA_TOKEN, YES, END);
	o = object_from(&t, HOW_CREATE, &user);
	CHECK_RV(CKR_SESSION_READ_ONLY, set_one(o, CKA_SENSITIVE, YES, &user_ro));
	CHECK_RV(CKR_USER_NOT_LOGGED_IN, set_one(o, CKA_SENSITIVE, YES, &nobody));
	CHECK_RV(CKR_USER_NOT_LOGGED_IN, set_one(o, CKA_TRUSTED, YES, &so));
	CHECK_RV(CKR_SESSION_READ_ONLY, rules_destroy(o, &user_ro));
	CHECK_RV(CKR_USER_NOT_LOGGED_IN, rules_destroy(o, &so));
	CHECK_RV(CKR_OK, rules_destroy(o, &user));
	CHECK_RV(CKR_SESSION_READ_ONLY, copy_one(o, CKA_SENSITIVE, YES, &user_ro));
	CHECK_RV(CKR_OK, copy_one(o, CKA_TOKEN, NO, &user_ro));
	object_put(o);

	templ(&t, CKA_PRIVATE, NO, CKA_MODIFIABLE, NO, CKA_DESTROYABLE, NO, END);
	o = object_from(&t, HOW_CREATE, &user);
	CHECK_RV(CKR_ACTION_PROHIBITED, set_one(o, CKA_SENSITIVE, YES, &user));
	CHECK_RV(CKR_ACTION_PROHIBITED, rules_destroy(o, &user));
	CHECK_RV(CKR_OK, copy_one(o, CKA_MODIFIABLE, YES, &user));
	object_put(o);

	templ(&t, CKA_MODIFIABLE, YES, END);
	o = object_from(&t, HOW_CREATE, &user);
	CHECK_RV(CKR_OK, set_one(o, CKA_TRUSTED, YES, &so));
	CHECK_RV(CKR_ATTRIBUTE_READ_ONLY, set_one(o, CKA_TRUSTED, YES, &user));
	object_put(o);
	attrs_free(&t);
}

static void
test_copy(void)
{
	struct attrs t = {0}, none = {0}, out = {0};
	struct object *o;

	aes_template(&t);
	templ(&t, CKA_TOKEN, YES, END);
	o = object_from(&t, HOW_GENERATE, &user);
	CHECK_RV(CKR_OK, rules_copy(&out, o, &none, &user));
	CHECK(!attrs_has(&out, CKA_UNIQUE_ID) && out.n == o->attrs.n - 1);
	CHECK(attrs_bool(&out, CKA_LOCAL, false) && attrs_bool(&out, CKA_ALWAYS_SENSITIVE, false));
	attrs_free(&out);
	CHECK_RV(CKR_ATTRIBUTE_READ_ONLY, copy_one(o, CKA_CLASS, CKO_DATA, &user));
	CHECK_RV(CKR_TEMPLATE_INCONSISTENT, copy_one(o, CKA_PRIVATE, NO, &user));
	CHECK_RV(CKR_ATTRIBUTE_READ_ONLY, copy_one(o, CKA_EXTRACTABLE, YES, &user));
	object_put(o);
	attrs_remove(&t, CKA_VALUE_LEN);
	CHECK_RV(CKR_OK, attrs_set(&t, CKA_VALUE, "0123456789abcdef", 16));
	templ(&t, CKA_PRIVATE, NO, END);
	o = object_from(&t, HOW_CREATE, &user);
	CHECK_RV(CKR_OK, copy_one(o, CKA_PRIVATE, YES, &user));
	CHECK_RV(CKR_USER_NOT_LOGGED_IN, copy_one(o, CKA_PRIVATE, YES, &so));
	object_put(o);
	attrs_free(&t);
}

/* ---- classes that are no keys ---- */

static void
test_data_can_be_rewritten(void)
{
	struct attrs t = {0}, a = {0}, c = {0}, out = {0};
	struct object *o = NULL;

	templ(&t, CKA_CLASS, CKO_DATA, END);
	CHECK_RV(CKR_OK, attrs_set(&t, CKA_VALUE, "one", 3));
	CHECK_RV(CKR_OK, begin(&a, &t, HOW_CREATE, &user));
	CHECK_RV(CKR_OK, rules_finish(&a, HOW_CREATE, NULL, NULL));
	CHECK_RV(CKR_OK, object_new(&o, &a));
	CHECK_RV(CKR_OK, attrs_set(&c, CKA_VALUE, "second", 6));
	CHECK_RV(CKR_OK, rules_set(&out, o, &c, &user));
	CHECK(attrs_get(&out, CKA_VALUE)->len == 6);
	attrs_free(&out);
	object_put(o);
	o = NULL;
	templ(&t, CKA_MODIFIABLE, NO, END);
	CHECK_RV(CKR_OK, begin(&a, &t, HOW_CREATE, &user));
	CHECK_RV(CKR_OK, object_new(&o, &a));
	CHECK_RV(CKR_ACTION_PROHIBITED, rules_set(&out, o, &c, &user));
	object_put(o);
	attrs_free(&t);
	attrs_free(&c);
}

static void
test_trust_says_whom_it_is_given_to(void)
{
	struct attrs t = {0}, a = {0}, c = {0}, out = {0};
	struct object *o = NULL;

	templ(&t, CKA_CLASS, CKO_TRUST, CKA_TRUST_SERVER_AUTH, CKT_TRUST_ANCHOR, END);
	CHECK_RV(CKR_TEMPLATE_INCOMPLETE, begin(&a, &t, HOW_CREATE, &user));
	CHECK_RV(CKR_OK, attrs_set(&t, CKA_ISSUER, "0", 1));
	CHECK_RV(CKR_OK, attrs_set(&t, CKA_SERIAL_NUMBER, "1", 1));
	CHECK_RV(CKR_TEMPLATE_INCOMPLETE, begin(&a, &t, HOW_CREATE, &user)); /* no hash */
	templ(&t, CKA_TRUST_SERVER_AUTH, CKT_NOT_TRUSTED, END);
	CHECK_RV(CKR_OK, begin(&a, &t, HOW_CREATE, &user));
	CHECK(attrs_ulong(&a, CKA_NAME_HASH_ALGORITHM, 0) == CKM_SHA_1 && !attrs_bool(&a, CKA_PRIVATE, true));
	CHECK_RV(CKR_OK, rules_finish(&a, HOW_CREATE, NULL, NULL));
	CHECK_RV(CKR_OK, object_new(&o, &a));
	templ(&c, CKA_TRUST_SERVER_AUTH, CKT_TRUST_ANCHOR, END);
	CHECK_RV(CKR_TEMPLATE_INCOMPLETE, rules_set(&out, o, &c, &user));
	templ(&c, CKA_TRUST_SERVER_AUTH, CKT_TRUST_UNKNOWN, END);
	CHECK_RV(CKR_OK, rules_set(&out, o, &c, &user));
	attrs_free(&out);
	object_put(o);
	CHECK_RV(CKR_OK, attrs_set(&t, CKA_HASH_OF_CERTIFICATE, "01234567890123456789", 20));
	templ(&t, CKA_TRUST_CODE_SIGNING, CKT_TRUSTED, END);
	CHECK_RV(CKR_OK, begin(&a, &t, HOW_CREATE, &user));
	templ(&t, CKA_TRUST_CODE_SIGNING, 5UL, END);
	CHECK_RV(CKR_ATTRIBUTE_VALUE_INVALID, begin(&a, &t, HOW_CREATE, &user));
	attrs_free(&t);
	attrs_free(&a);
	attrs_free(&c);
}

static void
test_certificate_elsewhere_is_known_by_its_hashes(void)
{
	struct attrs t = {0}, a = {0};

	templ(&t, CKA_CLASS, CKO_CERTIFICATE, CKA_CERTIFICATE_TYPE, CKC_X_509, END);
	CHECK_RV(CKR_OK, attrs_set(&t, CKA_SUBJECT, "0", 1));
	CHECK_RV(CKR_OK, attrs_set(&t, CKA_URL, "http://x", 8));
	CHECK_RV(CKR_TEMPLATE_INCOMPLETE, begin(&a, &t, HOW_CREATE, &user));
	CHECK_RV(CKR_OK, attrs_set(&t, CKA_HASH_OF_SUBJECT_PUBLIC_KEY, "01234567890123456789", 20));
	CHECK_RV(CKR_TEMPLATE_INCOMPLETE, begin(&a, &t, HOW_CREATE, &user));
	CHECK_RV(CKR_OK, attrs_set(&t, CKA_HASH_OF_ISSUER_PUBLIC_KEY, "01234567890123456789", 20));
	CHECK_RV(CKR_OK, begin(&a, &t, HOW_CREATE, &user));
	CHECK_RV(CKR_OK, rules_finish(&a, HOW_CREATE, NULL, NULL));
	CHECK(attrs_ulong(&a, CKA_NAME_HASH_ALGORITHM, 0) == CKM_SHA_1);
	templ(&t, CKA_CERTIFICATE_CATEGORY, 3UL, END);
	CHECK_RV(CKR_OK, begin(&a, &t, HOW_CREATE, &user));
	templ(&t, CKA_CERTIFICATE_CATEGORY, 4UL, END);
	CHECK_RV(CKR_ATTRIBUTE_VALUE_INVALID, begin(&a, &t, HOW_CREATE, &user));
	attrs_free(&t);
	templ(&t, CKA_CLASS, CKO_CERTIFICATE, CKA_CERTIFICATE_TYPE, CKC_WTLS, END);
	CHECK_RV(CKR_ATTRIBUTE_VALUE_INVALID, begin(&a, &t, HOW_CREATE, &user));
	attrs_free(&t);
	attrs_free(&a);
}

static void
test_profiles_are_the_tokens_own(void)
{
	struct attrs t = {0}, a = {0};

	templ(&t, CKA_CLASS, CKO_PROFILE, END);
	CHECK_RV(CKR_TEMPLATE_INCOMPLETE, begin(&a, &t, HOW_CREATE, &user));
	templ(&t, CKA_PROFILE_ID, CKP_BASELINE_PROVIDER, END);
	CHECK_RV(CKR_ATTRIBUTE_READ_ONLY, begin(&a, &t, HOW_CREATE, &user));
	attrs_free(&t);
	templ(&t, CKA_CLASS, CKO_MECHANISM, END);
	CHECK_RV(CKR_TEMPLATE_INCOMPLETE, begin(&a, &t, HOW_CREATE, &user));
	templ(&t, CKA_MECHANISM_TYPE, CKM_SHA256, END);
	CHECK_RV(CKR_ATTRIBUTE_READ_ONLY, begin(&a, &t, HOW_CREATE, &user));
	templ(&t, CKA_CLASS, CKO_VALIDATION, END);
	CHECK_RV(CKR_ATTRIBUTE_VALUE_INVALID, begin(&a, &t, HOW_CREATE, &user));
	templ(&t, CKA_CLASS, 0xce534353UL, END); /* NSS's trust */
	CHECK_RV(CKR_ATTRIBUTE_VALUE_INVALID, begin(&a, &t, HOW_CREATE, &user));
	attrs_free(&t);
	attrs_free(&a);
}

static void
test_otp_keys_are_kept_and_hidden(void)
{
	struct attrs t = {0}, a = {0};
	const struct attr *v;
	struct object *o = NULL;

	templ(&t, CKA_CLASS, CKO_OTP_KEY, CKA_KEY_TYPE, CKK_HOTP, END);
	CHECK_RV(CKR_TEMPLATE_INCOMPLETE, begin(&a, &t, HOW_CREATE, &user));
	CHECK_RV(CKR_OK, attrs_set(&t, CKA_VALUE, "12345678901234567890", 20));
	CHECK_RV(CKR_OK, begin(&a, &t, HOW_CREATE, &user));
	CHECK_RV(CKR_OK, rules_finish(&a, HOW_CREATE, NULL, NULL));
	CHECK(attrs_ulong(&a, CKA_OTP_LENGTH, 0) == 6 && attrs_ulong(&a, CKA_VALUE_LEN, 0) == 20);
	CHECK_RV(CKR_OK, object_new(&o, &a));
	CHECK_RV(CKR_ATTRIBUTE_SENSITIVE, object_read(o, CKA_VALUE, &v));
	CHECK_RV(CKR_ATTRIBUTE_TYPE_INVALID, object_read(o, CKA_OTP_TIME_INTERVAL, &v));
	object_put(o);
	o = NULL;
	templ(&t, CKA_KEY_TYPE, CKK_SECURID, END);
	CHECK_RV(CKR_OK, begin(&a, &t, HOW_CREATE, &user));
	CHECK(attrs_ulong(&a, CKA_OTP_TIME_INTERVAL, 0) == 60);
	templ(&t, CKA_KEY_TYPE, CKK_AES, END);
	CHECK_RV(CKR_ATTRIBUTE_VALUE_INVALID, begin(&a, &t, HOW_CREATE, &user));
	attrs_free(&t);
	attrs_free(&a);
}

int
main(void)
{
	CHECK_RV(CKR_OK, secret_start());
	test_begin_refuses_what_is_missing_or_unknown();
	test_begin_refuses_what_the_token_computes();
	test_begin_checks_values();
	test_begin_implied_values_must_agree();
	test_begin_session_and_login_limits();
	test_defaults_of_storage_attributes();
	test_sensitive_defaults_follow_extractable();
	test_usage_defaults_of_every_key_type();
	test_set_one_way_streets();
	test_set_usage_that_an_old_object_lacks();
	test_set_remembers_roles();
	test_set_who_may();
	test_copy();
	test_data_can_be_rewritten();
	test_trust_says_whom_it_is_given_to();
	test_certificate_elsewhere_is_known_by_its_hashes();
	test_profiles_are_the_tokens_own();
	test_otp_keys_are_kept_and_hidden();
	return unit_done("test_rules");
}
