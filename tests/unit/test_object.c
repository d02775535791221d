/* An object in memory: identity, reference counting, what it tells and what it hides. */
#include <string.h>

#include "store/object.h"
#include "unit.h"

static struct object *
secret_object(bool sensitive, bool extractable)
{
	struct attrs a = {0};
	struct object *o = NULL;

	CHECK_RV(CKR_OK, attrs_set_ulong(&a, CKA_CLASS, CKO_SECRET_KEY));
	CHECK_RV(CKR_OK, attrs_set_ulong(&a, CKA_KEY_TYPE, CKK_AES));
	CHECK_RV(CKR_OK, attrs_set_bool(&a, CKA_TOKEN, true));
	CHECK_RV(CKR_OK, attrs_set_bool(&a, CKA_SENSITIVE, sensitive));
	CHECK_RV(CKR_OK, attrs_set_bool(&a, CKA_EXTRACTABLE, extractable));
	CHECK_RV(CKR_OK, attrs_set(&a, CKA_VALUE, "0123456789abcdef", 16));
	CHECK_RV(CKR_OK, attrs_set(&a, CKA_LABEL, "k", 1));
	CHECK_RV(CKR_OK, attrs_set_ulong(&a, TKA_ROLES, 7));
	CHECK_RV(CKR_OK, object_new(&o, &a));
	CHECK(a.n == 0);
	return o;
}

static void
test_new_takes_over_and_gives_an_id(void)
{
	struct object *one = secret_object(true, false), *two = secret_object(true, false);
	const struct attr *id;
	char text[37];
	size_t i, at = 0;

	CHECK(one->token && !one->private && one->version == 1 && one->handle == 0);
	CHECK(memcmp(one->uuid, two->uuid, UUID_LEN) != 0);
	CHECK((one->uuid[6] & 0xf0) == 0x40 && (one->uuid[8] & 0xc0) == 0x80);
	CHECK_RV(CKR_OK, object_read(one, CKA_UNIQUE_ID, &id));
	for (i = 0; i < UUID_LEN; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			text[at++] = '-';
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%02x", one->uuid[i]);
	}
	CHECK(id != NULL && id->len == 36 && memcmp(id->value, text, 36) == 0);
	object_put(one);
	object_put(two);
}

static void
test_new_keeps_the_id_it_is_given(void)
{
	struct object *one = secret_object(true, false), *again = NULL;
	struct attrs a = {0};

	CHECK_RV(CKR_OK, attrs_copy(&a, &one->attrs));
	CHECK_RV(CKR_OK, object_new(&again, &a));
	CHECK(again != NULL && memcmp(one->uuid, again->uuid, UUID_LEN) == 0);
	object_put(again);

	CHECK_RV(CKR_OK, attrs_copy(&a, &one->attrs));
	CHECK_RV(CKR_OK, attrs_set(&a, CKA_UNIQUE_ID, "zz", 2));
	CHECK_RV(CKR_ATTRIBUTE_VALUE_INVALID, object_new(&again, &a));
	CHECK(again == NULL && a.n == one->attrs.n); /* still the caller's */
	attrs_free(&a);
	object_put(one);
}

static void
test_value_is_hidden_unless_plain_and_extractable(void)
{
	static const struct {
		bool sensitive, extractable;
		CK_RV rv;
	} cases[] = {
		{true, true, CKR_ATTRIBUTE_SENSITIVE},
		{true, false, CKR_ATTRIBUTE_SENSITIVE},
		{false, false, CKR_ATTRIBUTE_SENSITIVE},
		{false, true, CKR_OK},
	};
	const struct attr *a;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct object *o = secret_object(cases[i].sensitive, cases[i].extractable);

		CHECK_RV(cases[i].rv, object_read(o, CKA_VALUE, &a));
		CHECK((a != NULL) == (cases[i].rv == CKR_OK));
		CHECK_RV(CKR_OK, object_read(o, CKA_LABEL, &a));
		CHECK_RV(CKR_ATTRIBUTE_TYPE_INVALID, object_read(o, CKA_ID, &a));       /* absent */
		CHECK_RV(CKR_ATTRIBUTE_TYPE_INVALID, object_read(o, CKA_MODULUS, &a));  /* another's */
		CHECK_RV(CKR_ATTRIBUTE_TYPE_INVALID, object_read(o, TKA_ROLES, &a));    /* ours */
		CHECK_RV(CKR_ATTRIBUTE_TYPE_INVALID, object_read(o, 0x12345678, &a));
		object_put(o);
	}
}

static void
test_hidden_private_parts_are_sensitive_even_if_absent(void)
{
	struct attrs a = {0};
	const struct attr *got;
	struct object *o = NULL;

	CHECK_RV(CKR_OK, attrs_set_ulong(&a, CKA_CLASS, CKO_PRIVATE_KEY));
	CHECK_RV(CKR_OK, attrs_set_ulong(&a, CKA_KEY_TYPE, CKK_RSA));
	CHECK_RV(CKR_OK, attrs_set(&a, CKA_MODULUS, "m", 1));
	CHECK_RV(CKR_OK, object_new(&o, &a));
	CHECK_RV(CKR_ATTRIBUTE_SENSITIVE, object_read(o, CKA_PRIME_1, &got));
	CHECK_RV(CKR_OK, object_read(o, CKA_MODULUS, &got));
	CHECK_RV(CKR_ATTRIBUTE_TYPE_INVALID, object_read(o, CKA_VALUE, &got)); /* an EC key's */
	object_put(o);
}

static void
test_matching_never_confirms_a_hidden_value(void)
{
	struct object *hidden = secret_object(true, false), *plain = secret_object(false, true);
	struct attrs t = {0};

	CHECK(object_matches(hidden, &t));
	CHECK_RV(CKR_OK, attrs_set(&t, CKA_LABEL, "k", 1));
	CHECK(object_matches(hidden, &t) && object_matches(plain, &t));
	CHECK_RV(CKR_OK, attrs_set(&t, CKA_VALUE, "0123456789abcdef", 16));
	CHECK(!object_matches(hidden, &t));
	CHECK(object_matches(plain, &t));
	CHECK_RV(CKR_OK, attrs_set(&t, CKA_VALUE, "0123456789abcdeX", 16));
	CHECK(!object_matches(plain, &t));
	attrs_free(&t);
	CHECK_RV(CKR_OK, attrs_set_ulong(&t, TKA_ROLES, 7));
	CHECK(!object_matches(plain, &t));
	attrs_free(&t);
	object_put(hidden);
	object_put(plain);
}

static void
test_kinds_sizes_and_references(void)
{
	struct object *o = secret_object(true, false), *data = NULL;
	struct attrs a = {0};
	CK_ULONG before;

	CHECK(object_class(o) == CKO_SECRET_KEY && object_key_type(o) == CKK_AES);
	CHECK(object_is_key(o));
	before = object_size(o);
	CHECK(object_ref(o) == o);
	object_put(o);
	CHECK(object_class(o) == CKO_SECRET_KEY); /* still there */

	CHECK_RV(CKR_OK, attrs_copy(&a, &o->attrs));
	CHECK_RV(CKR_OK, attrs_set_ulong(&a, CKA_CLASS, CKO_DATA));
	CHECK_RV(CKR_OK, attrs_set(&a, CKA_LABEL, "a longer label", 14));
	CHECK_RV(CKR_OK, object_new(&data, &a));
	CHECK(object_size(data) == before + 13);
	CHECK(!object_is_key(data) && object_key_type(data) == CK_UNAVAILABLE_INFORMATION);
	CHECK(!object_hides(data, CKA_VALUE));
	object_put(data);
	object_put(o);
	object_put(NULL);
}

/* By what the ledger knows a key. */
static void
test_same_value(void)
{
	uint8_t id[VALUE_ID_LEN], other[VALUE_ID_LEN];
	struct attrs a = {0}, b = {0};
	struct object *o = NULL;

	CHECK_RV(CKR_OK, attrs_set_ulong(&a, CKA_CLASS, CKO_SECRET_KEY));
	CHECK_RV(CKR_ATTRIBUTE_TYPE_INVALID, object_value_id(&a, id)); /* no value yet */
	CHECK_RV(CKR_OK, attrs_set(&a, CKA_VALUE, "0123456789abcdef", 16));
	CHECK_RV(CKR_OK, attrs_copy(&b, &a));
	CHECK_RV(CKR_OK, object_value_id(&a, id));
	CHECK_RV(CKR_OK, object_new(&o, &a));
	CHECK(object_same_value(o, &b));
	CHECK_RV(CKR_OK, attrs_set(&b, CKA_VALUE, "0123456789abcdef\0\0\0\0", 20)); /* HMAC's padding */
	CHECK_RV(CKR_OK, object_value_id(&b, other));
	CHECK(object_same_value(o, &b) && memcmp(id, other, sizeof(id)) == 0);
	CHECK_RV(CKR_OK, attrs_set(&b, CKA_VALUE, "\0000123456789abcdef", 17));
	CHECK_RV(CKR_OK, object_value_id(&b, other));
	CHECK(!object_same_value(o, &b) && memcmp(id, other, sizeof(id)) != 0);
	CHECK_RV(CKR_OK, attrs_set(&b, CKA_VALUE, "\0\0", 2));
	CHECK_RV(CKR_OK, object_value_id(&b, other));
	/* a private key is known by its public half, and is no secret key */
	CHECK_RV(CKR_OK, attrs_set_ulong(&b, CKA_CLASS, CKO_PRIVATE_KEY));
	CHECK_RV(CKR_ATTRIBUTE_TYPE_INVALID, object_value_id(&b, other));
	CHECK_RV(CKR_OK, attrs_set(&b, CKA_PUBLIC_KEY_INFO, "0123456789abcdef", 16));
	CHECK_RV(CKR_OK, object_value_id(&b, other));
	CHECK(!object_same_value(o, &b));
	CHECK_RV(CKR_OK, attrs_set_ulong(&b, CKA_CLASS, CKO_DATA));
	CHECK_RV(CKR_ATTRIBUTE_TYPE_INVALID, object_value_id(&b, other));
	object_put(o);
	attrs_free(&b);
}

int
main(void)
{
	test_new_takes_over_and_gives_an_id();
	test_new_keeps_the_id_it_is_given();
	test_value_is_hidden_unless_plain_and_extractable();
	test_hidden_private_parts_are_sensitive_even_if_absent();
	test_matching_never_confirms_a_hidden_value();
	test_kinds_sizes_and_references();
	test_same_value();
	return unit_done("test_object");
}
