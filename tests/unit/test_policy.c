/* What a key may be used for, which key may leave under which, what heirs inherit. */
#include <time.h>

#include "rules_help.h"
#include "store/mech.h"
#include "store/secret.h"

static void
test_use(void)
{
	CK_MECHANISM_TYPE only[] = {CKM_AES_CBC};
	struct attrs t = {0};
	struct object *o;

	aes_template(&t);
	templ(&t, CKA_ENCRYPT, YES, END);
	o = object_from(&t, HOW_CREATE, &user);
	CHECK_RV(CKR_OK, rules_use(o, CKM_AES_CBC, CKF_ENCRYPT));
	CHECK_RV(CKR_KEY_FUNCTION_NOT_PERMITTED, rules_use(o, CKM_AES_CBC, CKF_DECRYPT));
	CHECK_RV(CKR_MECHANISM_INVALID, rules_use(o, CKM_AES_CBC, CKF_SIGN));
	CHECK_RV(CKR_MECHANISM_INVALID, rules_use(o, 0x7fffffffUL, CKF_ENCRYPT));
	CHECK_RV(CKR_KEY_TYPE_INCONSISTENT, rules_use(o, CKM_RSA_PKCS, CKF_ENCRYPT));
	CHECK_RV(CKR_KEY_TYPE_INCONSISTENT, rules_use(o, CKM_SHA256_HMAC, CKF_SIGN));
	object_put(o);

	CHECK_RV(CKR_OK, attrs_set(&t, CKA_ALLOWED_MECHANISMS, only, sizeof(only)));
	o = object_from(&t, HOW_CREATE, &user);
	CHECK_RV(CKR_OK, rules_use(o, CKM_AES_CBC, CKF_ENCRYPT));
	CHECK_RV(CKR_MECHANISM_INVALID, rules_use(o, CKM_AES_CTR, CKF_ENCRYPT));
	object_put(o);
	attrs_free(&t);
}

static CK_RV
use_between(const char *start, const char *end)
{
	struct attrs t = {0};
	struct object *o;
	CK_RV rv;

	aes_template(&t);
	if (start != NULL)
		CHECK_RV(CKR_OK, attrs_set(&t, CKA_START_DATE, start, 8));
	if (end != NULL)
		CHECK_RV(CKR_OK, attrs_set(&t, CKA_END_DATE, end, 8));
	o = object_from(&t, HOW_CREATE, &user);
	rv = rules_use(o, CKM_AES_CBC, CKF_ENCRYPT);
	object_put(o);
	attrs_free(&t);
	return rv;
}

static void
test_use_dates(void)
{
	char today[9];
	time_t now = time(NULL);
	struct tm tm;

	gmtime_r(&now, &tm);
	strftime(today, sizeof(today), "%Y%m%d", &tm);
	CHECK_RV(CKR_OK, use_between("20000101", "29991231"));
	CHECK_RV(CKR_OK, use_between(today, today));
	CHECK_RV(CKR_KEY_FUNCTION_NOT_PERMITTED, use_between("29990101", NULL));
	CHECK_RV(CKR_KEY_FUNCTION_NOT_PERMITTED, use_between(NULL, "20001231"));
}

/* A key to wrap with, or to be wrapped; usage is the one CKA_ that is true beside CKA_WRAP. */
static struct object *
wrapper(enum rules_how how, CK_ATTRIBUTE_TYPE usage, bool trusted)
{
	struct attrs t = {0};
	struct object *o;

	aes_template(&t);
	templ(&t, CKA_WRAP, YES, CKA_UNWRAP, YES, usage, YES, CKA_PRIVATE, NO, CKA_TRUSTED,
		trusted ? YES : NO, END);
	o = object_from(&t, how, trusted ? &so : &user);
	attrs_free(&t);
	return o;
}

static struct object *
target(bool sensitive, bool extractable, bool with_trusted)
{
	struct attrs t = {0};
	struct object *o;

	aes_template(&t);
	templ(&t, CKA_SENSITIVE, sensitive ? YES : NO, CKA_EXTRACTABLE, extractable ? YES : NO,
		CKA_WRAP_WITH_TRUSTED, with_trusted ? YES : NO, END);
	o = object_from(&t, HOW_GENERATE, &user);
	attrs_free(&t);
	return o;
}

static void
test_wrap_rules_of_the_standard(void)
{
	struct object *w = wrapper(HOW_GENERATE, CKA_WRAP, false), *trusted, *o;

	trusted = wrapper(HOW_CREATE, CKA_WRAP, true);
	o = target(false, false, false);
	CHECK_RV(CKR_KEY_UNEXTRACTABLE, rules_wrap(w, o, CKM_AES_KEY_WRAP, true));
	object_put(o);
	o = target(false, true, true);
	CHECK_RV(CKR_KEY_NOT_WRAPPABLE, rules_wrap(w, o, CKM_AES_KEY_WRAP, true));
	CHECK_RV(CKR_OK, rules_wrap(trusted, o, CKM_AES_KEY_WRAP, true));
	object_put(o);
	object_put(w);
	object_put(trusted);
}

static void
test_wrap_template(void)
{
	struct attrs t = {0}, sub = {0};
	struct object *w, *o = target(false, true, false);

	aes_template(&t);
	templ(&sub, CKA_KEY_TYPE, CKK_GENERIC_SECRET, END);
	CHECK_RV(CKR_OK, attrs_set_template(&t, CKA_WRAP_TEMPLATE, &sub));
	templ(&t, CKA_WRAP, YES, END);
	w = object_from(&t, HOW_GENERATE, &user);
	CHECK_RV(CKR_KEY_HANDLE_INVALID, rules_wrap(w, o, CKM_AES_KEY_WRAP, true));
	object_put(w);
	templ(&sub, CKA_KEY_TYPE, CKK_AES, END);
	attrs_remove(&t, CKA_WRAP_TEMPLATE);
	CHECK_RV(CKR_OK, attrs_set_template(&t, CKA_WRAP_TEMPLATE, &sub));
	w = object_from(&t, HOW_GENERATE, &user);
	CHECK_RV(CKR_OK, rules_wrap(w, o, CKM_AES_KEY_WRAP, true));
	object_put(w);
	object_put(o);
	attrs_free(&t);
	attrs_free(&sub);
}

static void
test_wrap_strict_policy_for_sensitive_keys(void)
{
	static const CK_ATTRIBUTE_TYPE other[] = {CKA_DECRYPT, CKA_ENCRYPT, CKA_SIGN, CKA_VERIFY,
		CKA_DERIVE};
	struct object *sensitive = target(true, true, false), *plain = target(false, true, false), *w;
	size_t i;

	w = wrapper(HOW_GENERATE, CKA_WRAP, false);
	CHECK_RV(CKR_OK, rules_wrap(w, sensitive, CKM_AES_KEY_WRAP, false));
	CHECK_RV(CKR_OK, rules_wrap(w, sensitive, CKM_AES_KEY_WRAP_KWP, false));
	CHECK_RV(CKR_KEY_NOT_WRAPPABLE, rules_wrap(w, sensitive, CKM_AES_CBC_PAD, false));
	CHECK_RV(CKR_KEY_NOT_WRAPPABLE, rules_wrap(w, sensitive, CKM_AES_GCM, false));
	CHECK_RV(CKR_OK, rules_wrap(w, plain, CKM_AES_CBC_PAD, false));
	CHECK_RV(CKR_OK, rules_wrap(w, sensitive, CKM_AES_CBC_PAD, true));
	object_put(w);
	for (i = 0; i < sizeof(other) / sizeof(other[0]); i++) {
		w = wrapper(HOW_GENERATE, other[i], false);
		CHECK_RV(CKR_KEY_NOT_WRAPPABLE, rules_wrap(w, sensitive, CKM_AES_KEY_WRAP, false));
		CHECK_RV(CKR_OK, rules_wrap(w, plain, CKM_AES_KEY_WRAP, false));
		CHECK_RV(CKR_OK, rules_wrap(w, sensitive, CKM_AES_KEY_WRAP, true));
		object_put(w);
	}
	w = wrapper(HOW_CREATE, CKA_WRAP, false); /* known outside */
	CHECK_RV(CKR_KEY_NOT_WRAPPABLE, rules_wrap(w, sensitive, CKM_AES_KEY_WRAP, false));
	object_put(w);
	w = wrapper(HOW_CREATE, CKA_WRAP, true); /* but trusted */
	CHECK_RV(CKR_OK, rules_wrap(w, sensitive, CKM_AES_KEY_WRAP, false));
	object_put(w);
	object_put(sensitive);
	object_put(plain);
}

static void
test_wrap_strict_policy_never_forgets(void)
{
	struct object *sensitive = target(true, true, false), *w, *later = NULL;
	struct attrs c = {0}, out = {0};

	w = wrapper(HOW_GENERATE, CKA_DECRYPT, false);
	templ(&c, CKA_DECRYPT, NO, END);
	CHECK_RV(CKR_OK, rules_set(&out, w, &c, &user));
	CHECK_RV(CKR_OK, object_new(&later, &out));
	CHECK_RV(CKR_KEY_NOT_WRAPPABLE, rules_wrap(later, sensitive, CKM_AES_KEY_WRAP, false));
	object_put(later);
	object_put(w);
	object_put(sensitive);
	attrs_free(&c);
}

static void
test_wrap_strict_policy_weaker_key(void)
{
	struct object *w = wrapper(HOW_GENERATE, CKA_WRAP, false), *o = NULL;
	struct attrs t = {0}, a = {0};

	templ(&t, CKA_CLASS, CKO_SECRET_KEY, CKA_KEY_TYPE, CKK_GENERIC_SECRET, CKA_EXTRACTABLE, YES,
		CKA_SENSITIVE, YES, END);
	CHECK_RV(CKR_OK, attrs_set(&t, CKA_VALUE, "0123456789abcdef0", 17));
	CHECK_RV(CKR_OK, rules_begin(&a, &t, NULL, HOW_CREATE, &user));
	CHECK_RV(CKR_OK, rules_finish(&a, HOW_CREATE, NULL, NULL));
	CHECK_RV(CKR_OK, object_new(&o, &a));
	CHECK_RV(CKR_KEY_NOT_WRAPPABLE, rules_wrap(w, o, CKM_AES_KEY_WRAP_KWP, false));
	CHECK_RV(CKR_OK, rules_wrap(w, o, CKM_AES_KEY_WRAP_KWP, true));
	object_put(o);
	object_put(w);
	attrs_free(&t);
}

/* A wrapping key with more said in the template. */
static struct object *
wrapper_with(enum rules_how how, const struct actor *who, CK_ATTRIBUTE_TYPE type, bool value)
{
	struct attrs t = {0};
	struct object *o;

	aes_template(&t);
	templ(&t, CKA_WRAP, YES, CKA_UNWRAP, YES, CKA_PRIVATE, NO, type, value ? YES : NO, END);
	o = object_from(&t, how, who);
	attrs_free(&t);
	return o;
}

/* The object as C_SetAttributeValue or C_CopyObject leaves it. */
static struct object *
changed(const struct object *o, bool copy, CK_ATTRIBUTE_TYPE type, bool value, const struct actor *who, CK_RV expected)
{
	struct attrs c = {0}, out = {0};
	struct object *later = NULL;
	CK_RV rv;

	templ(&c, type, value ? YES : NO, END);
	rv = copy ? rules_copy(&out, o, &c, who) : rules_set(&out, o, &c, who);
	CHECK_RV(expected, rv);
	if (rv == CKR_OK)
		CHECK_RV(CKR_OK, object_new(&later, &out));
	attrs_free(&c);
	return later;
}

/* What left, or could be read, may be somewhere else: then whoever has it opens what is wrapped under it. */
static void
test_wrap_strict_policy_key_that_could_leave(void)
{
	struct object *sensitive = target(true, true, false), *w, *later;

	w = wrapper_with(HOW_GENERATE, &user, CKA_EXTRACTABLE, true);
	CHECK_RV(CKR_KEY_NOT_WRAPPABLE, rules_wrap(w, sensitive, CKM_AES_KEY_WRAP, false));
	CHECK_RV(CKR_OK, rules_wrap(w, sensitive, CKM_AES_KEY_WRAP, true));
	later = changed(w, false, CKA_EXTRACTABLE, false, &user, CKR_OK);
	CHECK_RV(CKR_KEY_NOT_WRAPPABLE, rules_wrap(later, sensitive, CKM_AES_KEY_WRAP, false));
	object_put(later);
	object_put(w);
	w = wrapper_with(HOW_CREATE, &so, CKA_EXTRACTABLE, true);
	later = changed(w, false, CKA_TRUSTED, true, &so, CKR_OK);
	CHECK_RV(CKR_KEY_NOT_WRAPPABLE, rules_wrap(later, sensitive, CKM_AES_KEY_WRAP, false));
	object_put(later);
	object_put(w);
	w = wrapper_with(HOW_GENERATE, &user, CKA_SENSITIVE, false); /* still cannot be read */
	CHECK_RV(CKR_OK, rules_wrap(w, sensitive, CKM_AES_KEY_WRAP, false));
	object_put(w);
	object_put(sensitive);
}

/* What the compat policy allowed counts when the token is strict again. */
static void
test_wrap_after_compat(void)
{
	struct object *sensitive = target(true, true, false), *w, *copy, *later, *bare;
	struct attrs t = {0};

	/* a key that only wraps gets no usage that opens, nor does its copy */
	w = wrapper(HOW_GENERATE, CKA_WRAP, false);
	changed(w, false, CKA_DECRYPT, true, &user_compat, CKR_ATTRIBUTE_READ_ONLY);
	changed(w, true, CKA_DECRYPT, true, &user_compat, CKR_ATTRIBUTE_READ_ONLY);
	changed(w, true, CKA_DERIVE, true, &user_compat, CKR_ATTRIBUTE_READ_ONLY);
	later = changed(w, false, CKA_UNWRAP, false, &user_compat, CKR_OK);
	copy = changed(later, true, CKA_UNWRAP, true, &user_compat, CKR_OK);
	CHECK_RV(CKR_OK, rules_wrap(copy, sensitive, CKM_AES_KEY_WRAP, false));
	object_put(copy);
	object_put(later);
	object_put(w);

	/* a key without any use whose copy wraps, while it learns to decrypt itself */
	aes_template(&t);
	templ(&t, CKA_ENCRYPT, NO, CKA_DECRYPT, NO, CKA_SIGN, NO, CKA_VERIFY, NO, END);
	bare = object_from(&t, HOW_GENERATE, &user);
	attrs_free(&t);
	CHECK((attrs_ulong(&bare->attrs, TKA_ROLES, 1) & ~(CK_ULONG)7) == 0);
	copy = changed(bare, true, CKA_WRAP, true, &user_compat, CKR_OK);
	later = changed(bare, false, CKA_DECRYPT, true, &user_compat, CKR_OK);
	CHECK_RV(CKR_KEY_NOT_WRAPPABLE, rules_wrap(copy, sensitive, CKM_AES_KEY_WRAP, false));
	object_put(copy);
	object_put(later);
	changed(bare, false, CKA_WRAP, true, &user, CKR_ATTRIBUTE_READ_ONLY); /* strict: never */
	object_put(bare);

	/* one that decrypted under compat never wraps */
	w = wrapper(HOW_GENERATE, CKA_DECRYPT, false);
	later = changed(w, false, CKA_DECRYPT, false, &user_compat, CKR_OK);
	CHECK_RV(CKR_KEY_NOT_WRAPPABLE, rules_wrap(later, sensitive, CKM_AES_KEY_WRAP, false));
	object_put(later);
	object_put(w);
	object_put(sensitive);
}

/* A key that is made of a password is generated, but its value is no secret of the token's. */
static void
test_wrap_key_from_a_password(void)
{
	CK_MECHANISM pbkd2 = {CKM_PKCS5_PBKD2, NULL, 0};
	struct object *sensitive = target(true, true, false), *o = NULL;
	struct attrs t = {0}, a = {0};

	templ(&t, CKA_CLASS, CKO_SECRET_KEY, CKA_KEY_TYPE, CKK_AES, CKA_VALUE_LEN, 16UL, CKA_WRAP, YES, END);
	CHECK_RV(CKR_OK, rules_begin(&a, &t, NULL, HOW_GENERATE, &user));
	CHECK_RV(CKR_OK, attrs_set(&a, CKA_VALUE, "0123456789abcdef", 16));
	CHECK_RV(CKR_OK, rules_finish(&a, HOW_GENERATE, &pbkd2, NULL));
	CHECK_RV(CKR_OK, object_new(&o, &a));
	CHECK(!attrs_bool(&o->attrs, CKA_NEVER_EXTRACTABLE, true));
	CHECK(!attrs_bool(&o->attrs, CKA_ALWAYS_SENSITIVE, true));
	CHECK_RV(CKR_KEY_NOT_WRAPPABLE, rules_wrap(o, sensitive, CKM_AES_KEY_WRAP, false));
	object_put(o);
	object_put(sensitive);
	attrs_free(&t);
}

static void
test_mechanism_of_the_other_policy(void)
{
	size_t i, n = 0;

	for (i = 0; i < mech_count(); i++) {
		CHECK_RV(CKR_OK, rules_mechanism(mech_at(i)->type, NULL, true));
		n += rules_mechanism(mech_at(i)->type, NULL, false) != CKR_OK;
		CHECK((rules_mechanism(mech_at(i)->type, NULL, false) == CKR_OK) == mech_offered(mech_at(i), false));
	}
	CHECK(n > 0);
	CHECK_RV(CKR_OK, rules_mechanism(0x7fffffffUL, NULL, false)); /* for others to refuse */
}

/* Raw RSA signs and decrypts by one function: it takes a key that may do both. */
static void
test_raw_rsa_needs_both_usages(void)
{
	struct attrs a = {0};
	struct object *o = NULL;

	templ(&a, CKA_CLASS, CKO_PRIVATE_KEY, CKA_KEY_TYPE, CKK_RSA, CKA_SIGN, YES, CKA_DECRYPT, NO, END);
	CHECK_RV(CKR_OK, object_new(&o, &a));
	CHECK_RV(CKR_KEY_FUNCTION_NOT_PERMITTED, rules_mechanism(CKM_RSA_X_509, o, false));
	CHECK_RV(CKR_OK, rules_mechanism(CKM_RSA_X_509, o, true));
	CHECK_RV(CKR_OK, rules_mechanism(CKM_RSA_PKCS, o, false));
	object_put(o);
	templ(&a, CKA_CLASS, CKO_PRIVATE_KEY, CKA_KEY_TYPE, CKK_RSA, CKA_SIGN, YES, CKA_DECRYPT, YES, END);
	CHECK_RV(CKR_OK, object_new(&o, &a));
	CHECK_RV(CKR_OK, rules_mechanism(CKM_RSA_X_509, o, false));
	object_put(o);
	templ(&a, CKA_CLASS, CKO_PUBLIC_KEY, CKA_KEY_TYPE, CKK_RSA, CKA_VERIFY, YES, END);
	CHECK_RV(CKR_OK, object_new(&o, &a));
	CHECK_RV(CKR_OK, rules_mechanism(CKM_RSA_X_509, o, false));
	object_put(o);
}

/* What C_Verify tells of a short MAC is as good as a signature, for a key that may not make any. */
static void
test_short_macs_want_a_key_that_signs(void)
{
	struct attrs a = {0};
	struct object *o = NULL;

	templ(&a, CKA_CLASS, CKO_SECRET_KEY, CKA_KEY_TYPE, CKK_GENERIC_SECRET, CKA_SIGN, NO, CKA_VERIFY, YES, END);
	CHECK_RV(CKR_OK, object_new(&o, &a));
	CHECK_RV(CKR_KEY_FUNCTION_NOT_PERMITTED, rules_mac(o, 1, false));
	CHECK_RV(CKR_KEY_FUNCTION_NOT_PERMITTED, rules_mac(o, 7, false));
	CHECK_RV(CKR_OK, rules_mac(o, 8, false));
	CHECK_RV(CKR_OK, rules_mac(o, 1, true));
	CHECK_RV(CKR_OK, rules_mac(o, 0, false));
	CHECK_RV(CKR_OK, rules_mac(NULL, 0, false));
	object_put(o);
	templ(&a, CKA_CLASS, CKO_SECRET_KEY, CKA_KEY_TYPE, CKK_GENERIC_SECRET, CKA_SIGN, YES, CKA_VERIFY, YES, END);
	CHECK_RV(CKR_OK, object_new(&o, &a));
	CHECK_RV(CKR_OK, rules_mac(o, 1, false));
	object_put(o);
}

static bool
inherits(const struct object *parent, enum rules_how how, bool compat, CK_ATTRIBUTE_TYPE type,
	bool value)
{
	struct attrs forced = {0};
	bool same;

	CHECK_RV(CKR_OK, rules_heritage(&forced, parent, how, compat));
	same = attrs_has(&forced, type) && attrs_bool(&forced, type, !value) == value;
	attrs_free(&forced);
	return same;
}

static void
test_heritage(void)
{
	struct object *pure = wrapper(HOW_GENERATE, CKA_WRAP, false);
	struct object *mixed = wrapper(HOW_GENERATE, CKA_DECRYPT, false);
	struct object *sensitive = target(true, false, false), *plain = target(false, true, false);

	struct object *leaves = wrapper_with(HOW_GENERATE, &user, CKA_EXTRACTABLE, true);
	struct object *trusted = wrapper(HOW_CREATE, CKA_WRAP, true);
	struct object *dropped = changed(trusted, false, CKA_TRUSTED, false, &so, CKR_OK);
	struct object *imported = wrapper(HOW_CREATE, CKA_WRAP, false);

	CHECK(inherits(leaves, HOW_UNWRAP, false, CKA_SENSITIVE, true));
	CHECK(inherits(trusted, HOW_UNWRAP, false, CKA_SENSITIVE, true));
	CHECK(inherits(dropped, HOW_UNWRAP, false, CKA_SENSITIVE, true)); /* it held them before */
	CHECK(!inherits(imported, HOW_UNWRAP, false, CKA_SENSITIVE, true));
	object_put(leaves);
	object_put(trusted);
	object_put(dropped);
	object_put(imported);
	CHECK(inherits(pure, HOW_UNWRAP, false, CKA_SENSITIVE, true));
	CHECK(!inherits(pure, HOW_UNWRAP, true, CKA_SENSITIVE, true));
	CHECK(!inherits(mixed, HOW_UNWRAP, false, CKA_SENSITIVE, true));
	CHECK(inherits(sensitive, HOW_DERIVE, false, CKA_SENSITIVE, true));
	CHECK(inherits(sensitive, HOW_DERIVE, false, CKA_EXTRACTABLE, false));
	CHECK(!inherits(sensitive, HOW_DERIVE, true, CKA_SENSITIVE, true));
	CHECK(!inherits(plain, HOW_DERIVE, false, CKA_SENSITIVE, true));
	object_put(pure);
	object_put(mixed);
	object_put(sensitive);
	object_put(plain);
}

int
main(void)
{
	CHECK_RV(CKR_OK, secret_start());
	test_use();
	test_use_dates();
	test_wrap_rules_of_the_standard();
	test_wrap_template();
	test_wrap_strict_policy_for_sensitive_keys();
	test_wrap_strict_policy_never_forgets();
	test_wrap_strict_policy_weaker_key();
	test_wrap_strict_policy_key_that_could_leave();
	test_wrap_after_compat();
	test_wrap_key_from_a_password();
	test_mechanism_of_the_other_policy();
	test_raw_rsa_needs_both_usages();
	test_short_macs_want_a_key_that_signs();
	test_heritage();
	return unit_done("test_policy");
}
