/* One-time passwords: RFC 4226's own values, the counter that moves on, what the parameter may say, hostile images. */
#include "crypto_help.h"

#include "pkcs11/otp.h"
#include "rules_help.h"

#define IMAGE 112 /* structure, three parameters, their values */

/* RFC 4226 appendix D: the secret, and the truncated codes of the counters 0 to 9; their last digits are passwords. */
static const char rfc_secret[] = "12345678901234567890";
static const char *const rfc_codes[] = {"1284755224", "1094287082", "0137359152", "1726969429", "1640338314",
	"0868254676", "1918287922", "0082162583", "0673399871", "0645520489"};

static const char *
rfc_password(size_t counter, size_t digits)
{
	return rfc_codes[counter] + 10 - digits;
}

static void
counter_bytes(uint8_t out[8], uint64_t c)
{
	for (int i = 7; i >= 0; i--, c >>= 8)
		out[i] = (uint8_t)c;
}

/* A key through the rules; *t has what is special of it, and is emptied. */
static CK_RV
try_key(struct attrs *t, struct object **o)
{
	struct attrs a = {0};
	CK_RV rv;

	templ(t, CKA_CLASS, CKO_OTP_KEY, CKA_KEY_TYPE, CKK_HOTP, END);
	CHECK_RV(CKR_OK, attrs_set(t, CKA_VALUE, rfc_secret, 20));
	rv = rules_begin(&a, t, NULL, HOW_CREATE, &user);
	if (rv == CKR_OK)
		rv = rules_finish(&a, HOW_CREATE, NULL, NULL);
	if (rv == CKR_OK)
		rv = object_new(o, &a);
	attrs_free(&a);
	attrs_free(t);
	return rv;
}

static struct object *
key_at(uint64_t counter, CK_ULONG requirement)
{
	struct object *o = NULL;
	struct attrs t = {0};
	uint8_t c[8];

	counter_bytes(c, counter);
	templ(&t, CKA_OTP_COUNTER_REQUIREMENT, requirement, END);
	CHECK_RV(CKR_OK, attrs_set(&t, CKA_OTP_COUNTER, c, sizeof(c)));
	CHECK_RV(CKR_OK, try_key(&t, &o));
	return o;
}

/* ---- a keeper that keeps in memory ---- */

struct shelf {
	struct attrs now;
	unsigned asked;
	CK_RV rv;
};

static CK_RV
shelf_keep(void *arg, struct op *op)
{
	struct attrs changes = {0};
	struct shelf *s = arg;
	CK_RV rv;

	s->asked++;
	if (s->rv != CKR_OK)
		return s->rv;
	rv = op_spend(op, &s->now, &changes);
	for (size_t i = 0; rv == CKR_OK && i < changes.n; i++)
		rv = attrs_set_attr(&s->now, &changes.v[i]);
	attrs_free(&changes);
	return rv;
}

static CK_OTP_PARAM *
find_param(CK_OTP_SIGNATURE_INFO *info, CK_ULONG type)
{
	for (CK_ULONG i = 0; i < info->ulCount; i++)
		if (info->pParams[i].type == type)
			return &info->pParams[i];
	return NULL;
}

/* Signs and opens the image; text gets the password, *counter its counter. */
static CK_RV
sign(struct object *key, const CK_MECHANISM *m, struct shelf *s, char text[16], uint64_t *counter)
{
	const struct op_keeper keeper = {shelf_keep, s};
	union {
		CK_OTP_SIGNATURE_INFO info;
		uint8_t bytes[256];
	} out;
	CK_ULONG len = 0;
	struct op *op;
	CK_RV rv = op_begin(&op, OP_SIGN, m, key);
	unsigned asked = s->asked;

	if (rv != CKR_OK)
		return rv;
	CHECK(op_answers_otp(op));
	op_set_keeper(op, &keeper);
	CHECK_RV(CKR_OK, op_once(op, NULL, 0, NULL, &len));
	CHECK(len == IMAGE && op_bound(op, 0) == IMAGE);
	len--;
	CHECK_RV(CKR_BUFFER_TOO_SMALL, op_once(op, NULL, 0, out.bytes, &len));
	CHECK(len == IMAGE && s->asked == asked); /* nothing was used up */
	rv = op_once(op, NULL, 0, out.bytes, &len);
	CHECK(!op_active(op));
	op_end(op);
	if (rv != CKR_OK)
		return rv;
	CHECK(len == IMAGE && otp_image_place(out.bytes, len) && out.info.ulCount == 3);
	CK_OTP_PARAM *value = find_param(&out.info, CK_OTP_VALUE), *at = find_param(&out.info, CK_OTP_COUNTER),
		     *format = find_param(&out.info, CK_OTP_OUTPUT_FORMAT);
	CHECK(value != NULL && value->ulValueLen <= 8 && at != NULL && at->ulValueLen == 8);
	CHECK(format != NULL && *(CK_ULONG *)format->pValue == CK_OTP_FORMAT_DECIMAL);
	memcpy(text, value->pValue, value->ulValueLen);
	text[value->ulValueLen] = 0;
	*counter = 0;
	for (int i = 0; i < 8; i++)
		*counter = *counter << 8 | ((uint8_t *)at->pValue)[i];
	return CKR_OK;
}

static const CK_MECHANISM plain = {CKM_HOTP, NULL, 0};

/* ---- signing ---- */

static void
test_passwords_are_those_of_the_rfc_and_the_counter_moves(void)
{
	struct object *key = key_at(0, CK_OTP_PARAM_IGNORED);
	struct shelf s = {0};
	uint64_t counter;
	char text[16];

	CHECK_RV(CKR_OK, attrs_copy(&s.now, &key->attrs));
	for (size_t i = 0; i < 10; i++) {
		CHECK_RV(CKR_OK, sign(key, &plain, &s, text, &counter));
		CHECK(strcmp(text, rfc_password(i, 6)) == 0 && counter == i);
	}
	CHECK(s.asked == 10);
	attrs_free(&s.now);
	object_put(key);
}

static void
test_a_key_without_counter_begins_at_zero(void)
{
	struct object *key = NULL;
	struct attrs t = {0};
	struct shelf s = {0};
	uint64_t counter;
	char text[16];

	CHECK_RV(CKR_OK, try_key(&t, &key));
	CHECK(attrs_get(&key->attrs, CKA_OTP_COUNTER)->len == 0);
	CHECK_RV(CKR_OK, attrs_copy(&s.now, &key->attrs));
	CHECK_RV(CKR_OK, sign(key, &plain, &s, text, &counter));
	CHECK(counter == 0 && attrs_get(&s.now, CKA_OTP_COUNTER)->len == 8);
	CHECK(attrs_get(&s.now, CKA_OTP_COUNTER)->value[7] == 1);
	attrs_free(&s.now);
	object_put(key);
}

static void
test_no_password_without_a_kept_counter(void)
{
	struct object *key = key_at(3, CK_OTP_PARAM_IGNORED), *last = key_at(UINT64_MAX, CK_OTP_PARAM_IGNORED);
	struct shelf s = {.rv = CKR_TOKEN_WRITE_PROTECTED};
	uint8_t out[IMAGE] = {0}, zeros[IMAGE] = {0};
	CK_ULONG len = sizeof(out);
	uint64_t counter;
	struct op *op;
	char text[16];

	CHECK_RV(CKR_TOKEN_WRITE_PROTECTED, sign(key, &plain, &s, text, &counter));
	CHECK_RV(CKR_OK, op_begin(&op, OP_SIGN, &plain, key));
	CHECK_RV(CKR_FUNCTION_FAILED, op_once(op, NULL, 0, out, &len));
	CHECK(!op_active(op) && memcmp(out, zeros, sizeof(out)) == 0);
	op_end(op);
	s = (struct shelf){0};
	CHECK_RV(CKR_OK, attrs_copy(&s.now, &last->attrs));
	CHECK_RV(CKR_TOKEN_RESOURCE_EXCEEDED, sign(last, &plain, &s, text, &counter));
	attrs_free(&s.now);
	object_put(key);
	object_put(last);
}

static void
test_data_is_refused_before_anything_is_used_up(void)
{
	struct object *key = key_at(0, CK_OTP_PARAM_IGNORED);
	struct shelf s = {0};
	const struct op_keeper keeper = {shelf_keep, &s};
	uint8_t out[IMAGE];
	CK_ULONG len = sizeof(out);
	struct op *op;

	CHECK_RV(CKR_OK, op_begin(&op, OP_SIGN, &plain, key));
	op_set_keeper(op, &keeper);
	CHECK_RV(CKR_DATA_LEN_RANGE, op_once(op, (const uint8_t *)"x", 1, out, &len));
	op_end(op);
	CHECK_RV(CKR_OK, op_begin(&op, OP_SIGN, &plain, key));
	CHECK_RV(CKR_DATA_LEN_RANGE, op_update(op, (const uint8_t *)"x", 1, NULL, NULL));
	op_end(op);
	CHECK_RV(CKR_MECHANISM_INVALID, op_begin(&op, OP_MESSAGE_SIGN, &plain, key));
	CHECK(s.asked == 0);
	object_put(key);
}

/* ---- the parameter ---- */

struct wishes {
	CK_OTP_PARAM v[4];
	CK_OTP_PARAMS all;
	CK_MECHANISM m;
};

static const CK_MECHANISM *
wish(struct wishes *w, size_t n)
{
	w->all = (CK_OTP_PARAMS){w->v, n};
	w->m = (CK_MECHANISM){CKM_HOTP, &w->all, sizeof(w->all)};
	return &w->m;
}

static void
test_a_counter_that_is_given(void)
{
	struct object *ignores = key_at(0, CK_OTP_PARAM_IGNORED), *takes = key_at(0, CK_OTP_PARAM_OPTIONAL),
		      *wants = key_at(0, CK_OTP_PARAM_MANDATORY);
	uint8_t seven[8] = {0, 0, 0, 0, 0, 0, 0, 7};
	struct wishes w = {.v = {{CK_OTP_COUNTER, seven, 8}}};
	struct shelf s = {0};
	uint64_t counter;
	char text[16];

	CHECK_RV(CKR_OK, attrs_copy(&s.now, &takes->attrs));
	CHECK_RV(CKR_OK, sign(takes, wish(&w, 1), &s, text, &counter));
	CHECK(counter == 7 && strcmp(text, rfc_password(7, 6)) == 0 && s.asked == 0);
	CHECK_RV(CKR_OK, sign(takes, &plain, &s, text, &counter));
	CHECK(counter == 0 && s.asked == 1);
	CHECK_RV(CKR_OK, sign(ignores, wish(&w, 1), &s, text, &counter));
	CHECK(counter == 1 && s.asked == 2);
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, sign(wants, &plain, &s, text, &counter));
	CHECK_RV(CKR_OK, sign(wants, wish(&w, 1), &s, text, &counter));
	CHECK(counter == 7 && s.asked == 2);
	attrs_free(&s.now);
	object_put(ignores);
	object_put(takes);
	object_put(wants);
}

static void
test_length_and_next(void)
{
	struct object *key = key_at(0, CK_OTP_PARAM_IGNORED);
	CK_ULONG flags = CKF_NEXT_OTP | CKF_EXCLUDE_PIN, digits = 8, decimal = CK_OTP_FORMAT_DECIMAL;
	struct wishes w = {.v = {{CK_OTP_FLAGS, &flags, sizeof(flags)}, {CK_OTP_OUTPUT_LENGTH, &digits, sizeof(digits)},
				   {CK_OTP_OUTPUT_FORMAT, &decimal, sizeof(decimal)}, {CK_OTP_PIN, (void *)"1", 1}}};
	struct shelf s = {0};
	uint64_t counter;
	char text[16];

	CHECK_RV(CKR_OK, attrs_copy(&s.now, &key->attrs));
	CHECK_RV(CKR_OK, sign(key, wish(&w, 4), &s, text, &counter));
	CHECK(counter == 1 && strcmp(text, rfc_password(1, 8)) == 0);
	CHECK_RV(CKR_OK, sign(key, &plain, &s, text, &counter));
	CHECK(counter == 2);
	digits = 7;
	CHECK_RV(CKR_OK, sign(key, wish(&w, 2), &s, text, &counter));
	CHECK(counter == 4 && strcmp(text, rfc_password(4, 7)) == 0);
	attrs_free(&s.now);
	object_put(key);
}

static void
test_parameters_that_are_refused(void)
{
	static CK_ULONG five = 5, nine = 9, hex = CK_OTP_FORMAT_HEXADECIMAL, no_counter = CKF_EXCLUDE_COUNTER, unknown = 0x40,
			friendly = CKF_USER_FRIENDLY_OTP, next = CKF_NEXT_OTP;
	static uint8_t most[8] = {255, 255, 255, 255, 255, 255, 255, 255};
	static const CK_OTP_PARAM bad[] = {
		{CK_OTP_OUTPUT_LENGTH, &five, sizeof(five)}, {CK_OTP_OUTPUT_LENGTH, &nine, sizeof(nine)},
		{CK_OTP_OUTPUT_LENGTH, NULL, 0}, {CK_OTP_OUTPUT_FORMAT, &hex, sizeof(hex)},
		{CK_OTP_FLAGS, &no_counter, sizeof(CK_ULONG)}, {CK_OTP_FLAGS, &unknown, sizeof(CK_ULONG)},
		{CK_OTP_FLAGS, &friendly, sizeof(CK_ULONG)}, {CK_OTP_COUNTER, most, 7}, {CK_OTP_COUNTER, NULL, 0},
		{CK_OTP_VALUE, most, 6}, {8, most, 8}, {~0UL, most, 8},
	};
	struct object *key = key_at(0, CK_OTP_PARAM_OPTIONAL);
	struct wishes w = {.v = {{0}}};
	struct op *op;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		w.v[0] = bad[i];
		CHECK_RV(CKR_MECHANISM_PARAM_INVALID, op_begin(&op, OP_SIGN, wish(&w, 1), key));
	}
	w.v[0] = w.v[1] = (CK_OTP_PARAM){CK_OTP_COUNTER, most, 8};
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, op_begin(&op, OP_SIGN, wish(&w, 2), key));
	w.v[1] = (CK_OTP_PARAM){CK_OTP_FLAGS, &next, sizeof(next)};
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, op_begin(&op, OP_SIGN, wish(&w, 2), key));
	w.m.ulParameterLen--;
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, op_begin(&op, OP_SIGN, &w.m, key));
	object_put(key);
}

/* ---- verification ---- */

static void
test_verification(void)
{
	struct object *key = key_at(0, CK_OTP_PARAM_IGNORED);
	uint8_t c[8];
	struct wishes w = {.v = {{CK_OTP_COUNTER, c, 8}}};
	const CK_MECHANISM *m = wish(&w, 1);
	struct op *op;

	for (size_t i = 0; i < 10; i++) {
		counter_bytes(c, i);
		CHECK_RV(CKR_OK, verify(m, key, NULL, 0, (const uint8_t *)rfc_password(i, 6), 6));
		CHECK_RV(CKR_SIGNATURE_INVALID, verify(m, key, NULL, 0, (const uint8_t *)rfc_password((i + 1) % 10, 6), 6));
		CHECK_RV(CKR_SIGNATURE_LEN_RANGE, verify(m, key, NULL, 0, (const uint8_t *)rfc_password(i, 8), 8));
		CHECK_RV(CKR_DATA_LEN_RANGE, verify(m, key, (const uint8_t *)"x", 1, (const uint8_t *)rfc_password(i, 6), 6));
	}
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, op_begin(&op, OP_VERIFY, &plain, key));
	CHECK_RV(CKR_OK, op_begin(&op, OP_VERIFY_SIGNATURE, m, key));
	CHECK_RV(CKR_OK, op_set_signature(op, (const uint8_t *)rfc_password(9, 6), 6));
	CHECK_RV(CKR_OK, op_verify_signature(op, NULL, 0));
	op_end(op);
	object_put(key);
}

/* ---- keys ---- */

static void
test_keys_that_hotp_cannot_have(void)
{
	static const struct {
		CK_ATTRIBUTE_TYPE type;
		CK_ULONG value;
	} bad[] = {{CKA_OTP_LENGTH, 5}, {CKA_OTP_LENGTH, 9}, {CKA_OTP_FORMAT, CK_OTP_FORMAT_BINARY},
		{CKA_OTP_TIME_REQUIREMENT, CK_OTP_PARAM_OPTIONAL}, {CKA_OTP_PIN_REQUIREMENT, CK_OTP_PARAM_MANDATORY},
		{CKA_OTP_CHALLENGE_REQUIREMENT, CK_OTP_PARAM_MANDATORY}, {CKA_OTP_COUNTER_REQUIREMENT, 3}};
	struct object *o = NULL;
	struct attrs t = {0};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		templ(&t, bad[i].type, bad[i].value, END);
		CHECK_RV(CKR_ATTRIBUTE_VALUE_INVALID, try_key(&t, &o));
	}
	CHECK_RV(CKR_OK, attrs_set(&t, CKA_OTP_COUNTER, "1234", 4));
	CHECK_RV(CKR_ATTRIBUTE_VALUE_INVALID, try_key(&t, &o));
}

static CK_RV
set_counter(struct object *o, const void *value, size_t len)
{
	struct attrs changes = {0}, a = {0};
	CK_RV rv;

	CHECK_RV(CKR_OK, attrs_set(&changes, CKA_OTP_COUNTER, value, len));
	rv = rules_set(&a, o, &changes, &user);
	attrs_free(&changes);
	attrs_free(&a);
	return rv;
}

static void
test_the_counter_only_goes_on(void)
{
	struct object *key = key_at(0x100, CK_OTP_PARAM_IGNORED);
	uint8_t c[8];

	counter_bytes(c, 0xff);
	CHECK_RV(CKR_ATTRIBUTE_VALUE_INVALID, set_counter(key, c, 8));
	CHECK_RV(CKR_ATTRIBUTE_VALUE_INVALID, set_counter(key, c, 4));
	CHECK_RV(CKR_ATTRIBUTE_VALUE_INVALID, set_counter(key, c, 0));
	counter_bytes(c, 0x100);
	CHECK_RV(CKR_OK, set_counter(key, c, 8));
	counter_bytes(c, 0x10000);
	CHECK_RV(CKR_OK, set_counter(key, c, 8));
	object_put(key);
}

static void
test_generation(void)
{
	CK_MECHANISM m = {CKM_HOTP_KEY_GEN, NULL, 0};
	struct attrs implied = {0}, t = {0}, a = {0};

	CHECK_RV(CKR_OK, mech_implies(&m, &t, &implied, NULL));
	CHECK_RV(CKR_OK, rules_begin(&a, &t, &implied, HOW_GENERATE, &user));
	CHECK_RV(CKR_OK, mech_generate_key(&m, &a, NULL));
	CHECK_RV(CKR_OK, rules_finish(&a, HOW_GENERATE, &m, NULL));
	CHECK(attrs_ulong(&a, CKA_CLASS, 0) == CKO_OTP_KEY && attrs_ulong(&a, CKA_KEY_TYPE, 0) == CKK_HOTP);
	CHECK(attrs_ulong(&a, CKA_VALUE_LEN, 0) == 20 && attrs_get(&a, CKA_VALUE)->len == 20);
	CHECK(attrs_get(&a, CKA_OTP_COUNTER)->len == 8 && attrs_get(&a, CKA_OTP_COUNTER)->value[7] == 0);
	CHECK(attrs_get(&a, CKA_CHECK_VALUE)->len == 3);
	CHECK(attrs_bool(&a, CKA_SENSITIVE, false) && attrs_bool(&a, CKA_ALWAYS_SENSITIVE, false));
	attrs_free(&a);
	templ(&t, CKA_VALUE_LEN, 15UL, END);
	CHECK_RV(CKR_OK, rules_begin(&a, &t, &implied, HOW_GENERATE, &user));
	CHECK_RV(CKR_ATTRIBUTE_VALUE_INVALID, mech_generate_key(&m, &a, NULL));
	attrs_free(&a);
	attrs_free(&t);
	attrs_free(&implied);
}

static void
test_the_secret_serves_passwords_alone(void)
{
	struct object *key = key_at(0, CK_OTP_PARAM_IGNORED),
		      *other = secret_object(CKK_GENERIC_SECRET, (const uint8_t *)rfc_secret, 20);
	CK_MECHANISM hmac = {CKM_SHA256_HMAC, NULL, 0};
	struct op *op;

	CHECK(op_begin(&op, OP_SIGN, &hmac, key) != CKR_OK);
	CHECK(op_begin(&op, OP_SIGN, &plain, other) != CKR_OK);
	CHECK(rules_use(key, CKM_CONCATENATE_BASE_AND_KEY, CKF_DERIVE) != CKR_OK);
	CHECK_RV(CKR_KEY_NOT_WRAPPABLE, rules_wrap(other, key, CKM_AES_KEY_WRAP_KWP, true));
	object_put(key);
	object_put(other);
}

/* ---- images ---- */

static void
test_images_with_one_wrong_byte(void)
{
	const struct otp_value v[] = {{CK_OTP_VALUE, "755224", 6}, {CK_OTP_COUNTER, "\0\0\0\0\0\0\0\1", 8},
		{CK_OTP_PIN, "", 0}};
	uint8_t good[16 + 3 * 24 + 16], *one;
	size_t len = otp_image_size(v, 3);

	CHECK(len == sizeof(good));
	otp_image_put(good, v, 3);
	for (size_t n = 0; n < len; n++) { /* cut short: each in its own memory, so that a look past its end shows */
		one = malloc(n > 0 ? n : 1);
		memcpy(one, good, n);
		CHECK(!otp_image_place(one, n));
		free(one);
	}
	for (size_t i = 0; i < len; i++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			one = malloc(len);
			memcpy(one, good, len);
			one[i] ^= (uint8_t)(1 << bit);
			if (otp_image_place(one, len)) {
				CK_OTP_SIGNATURE_INFO *info = (void *)one;

				CHECK((uint8_t *)info->pParams == one + 16 && info->ulCount == 3);
				for (CK_ULONG k = 0; k < info->ulCount; k++) {
					uint8_t *p = info->pParams[k].pValue;

					CHECK(p >= one + 88 && p <= one + len);
					CHECK(info->pParams[k].ulValueLen <= (size_t)(one + len - p));
				}
			} else {
				/* the head, an offset, or a length that moves the next */
				CHECK(i < 88 && (i < 16 || (i - 16) % 24 >= 8));
			}
			free(one);
		}
	}
}

int
main(void)
{
	CHECK_RV(CKR_OK, secret_start());
	test_passwords_are_those_of_the_rfc_and_the_counter_moves();
	test_a_key_without_counter_begins_at_zero();
	test_no_password_without_a_kept_counter();
	test_data_is_refused_before_anything_is_used_up();
	test_a_counter_that_is_given();
	test_length_and_next();
	test_parameters_that_are_refused();
	test_verification();
	test_keys_that_hotp_cannot_have();
	test_the_counter_only_goes_on();
	test_generation();
	test_the_secret_serves_passwords_alone();
	test_images_with_one_wrong_byte();
	return unit_done("test_otp");
}
