/*
 * HOTP: one-time passwords from a counter (RFC 4226; PKCS#11 3.1 6.53)
 *
 * A password is signed with the key's counter, which moves on, or, where CKA_OTP_COUNTER_REQUIREMENT lets it, with
 * one that the application gives. Verification is told its counter, keeps nothing and looks at no other: how far to look
 * ahead is the application's to decide, which alone knows what was accepted before.
 * RFC 4226 5.3 defines decimal passwords; of other formats nobody defines what they would be.
 */
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "../pkcs11/otp.h"
#include "mech_family.h"
#include "why.h"

#define COUNTER_LEN 8
#define DIGITS_MIN 6 /* RFC 4226 5.3 */
#define DIGITS_MAX 8
#define MAC_LEN_SHA1 20
#define KEY_DEFAULT 20 /* RFC 4226 4, R6: at least 128 bits, better 160 */
#define KEY_SHORTEST 16
#define FLAGS_KNOWN \
	(CKF_NEXT_OTP | CKF_EXCLUDE_TIME | CKF_EXCLUDE_COUNTER | CKF_EXCLUDE_CHALLENGE | CKF_EXCLUDE_PIN | \
		CKF_USER_FRIENDLY_OTP)

static uint64_t
get_counter(const uint8_t *p)
{
	uint64_t c = 0;

	for (int i = 0; i < COUNTER_LEN; i++)
		c = c << 8 | p[i];
	return c;
}

static void
put_counter(uint8_t *p, uint64_t c)
{
	for (int i = COUNTER_LEN - 1; i >= 0; i--, c >>= 8)
		p[i] = (uint8_t)c;
}

/* ---- the parameter ---- */

struct wish {
	CK_ULONG digits, format, flags;
	bool given; /* a counter */
	uint64_t counter;
};

static bool
take_number(const CK_OTP_PARAM *p, CK_ULONG *v)
{
	if (p->pValue == NULL || p->ulValueLen != sizeof(*v))
		return false;
	memcpy(v, p->pValue, sizeof(*v));
	return true;
}

static CK_RV
take_one(const CK_OTP_PARAM *p, struct wish *w)
{
	switch (p->type) {
	case CK_OTP_PIN: /* HOTP computes with none of these three, and a key asks for none (CK_OTP_PARAM_IGNORED) */
	case CK_OTP_CHALLENGE:
	case CK_OTP_TIME:
		return CKR_OK;
	case CK_OTP_COUNTER:
		if (p->pValue == NULL || p->ulValueLen != COUNTER_LEN)
			return mech_bad_param("a counter has 8 bytes");
		w->given = true;
		w->counter = get_counter(p->pValue);
		return CKR_OK;
	case CK_OTP_FLAGS:
		return take_number(p, &w->flags) ? CKR_OK : mech_bad_param("CK_OTP_FLAGS is a number");
	case CK_OTP_OUTPUT_LENGTH:
		return take_number(p, &w->digits) ? CKR_OK : mech_bad_param("CK_OTP_OUTPUT_LENGTH is a number");
	case CK_OTP_OUTPUT_FORMAT:
		return take_number(p, &w->format) ? CKR_OK : mech_bad_param("CK_OTP_OUTPUT_FORMAT is a number");
	default:
		return mech_bad_param("not a value that makes a password");
	}
}

static CK_RV
take_all(const CK_OTP_PARAMS *p, struct wish *w)
{
	CK_ULONG seen = 0;
	CK_RV rv = CKR_OK;

	for (CK_ULONG i = 0; p != NULL && i < p->ulCount && rv == CKR_OK; i++) {
		rv = take_one(&p->pParams[i], w);
		if (rv == CKR_OK && (seen & 1UL << p->pParams[i].type) != 0)
			rv = mech_bad_param("a value stands there twice");
		else if (rv == CKR_OK)
			seen |= 1UL << p->pParams[i].type;
	}
	return rv;
}

static CK_RV
check_wish(const struct op *op, const struct wish *w)
{
	if (w->digits < DIGITS_MIN || w->digits > DIGITS_MAX)
		return mech_bad_param("a password has 6 to 8 digits");
	if (w->format != CK_OTP_FORMAT_DECIMAL)
		return mech_bad_param("passwords are decimal");
	if ((w->flags & ~FLAGS_KNOWN) != 0 || (w->flags & CKF_EXCLUDE_COUNTER) != 0)
		return mech_bad_param("a flag that HOTP has no meaning for");
	if ((w->flags & CKF_USER_FRIENDLY_OTP) != 0 && !attrs_bool(&op->object->attrs, CKA_OTP_USER_FRIENDLY_MODE, false))
		return mech_bad_param("CKA_OTP_USER_FRIENDLY_MODE is false");
	if (w->given && w->counter == UINT64_MAX && (w->flags & CKF_NEXT_OTP) != 0)
		return mech_bad_param("there is no next counter");
	return CKR_OK;
}

/* Which counter? PKCS#11 3.1 6.53: what the key ignores is ignored; verification is always told. */
static CK_RV
choose_counter(struct op *op, const struct wish *w)
{
	CK_ULONG asked = attrs_ulong(&op->object->attrs, CKA_OTP_COUNTER_REQUIREMENT, CK_OTP_PARAM_IGNORED);
	bool given = w->given && (op->kind != OP_SIGN || asked != CK_OTP_PARAM_IGNORED);

	if (!given && (op->kind != OP_SIGN || asked == CK_OTP_PARAM_MANDATORY))
		return mech_bad_param("CK_OTP_COUNTER is needed");
	op->next = (w->flags & CKF_NEXT_OTP) != 0;
	op->spends = !given;
	if (given)
		op->counter = w->counter + op->next;
	return CKR_OK;
}

static CK_RV
otp_begin(struct op *op, const CK_MECHANISM *m)
{
	struct wish w = {.digits = attrs_ulong(&op->object->attrs, CKA_OTP_LENGTH, DIGITS_MIN),
		.format = attrs_ulong(&op->object->attrs, CKA_OTP_FORMAT, CK_OTP_FORMAT_DECIMAL)};
	const CK_OTP_PARAMS *p = mech_param(m, sizeof(*p));
	CK_RV rv;

	if (p == NULL && !mech_no_param(m))
		return mech_bad_param("CK_OTP_PARAMS or nothing");
	op->input = INPUT_GATHER;
	op->exact = true;
	op->max_in = 0; /* the password depends on key and counter alone */
	rv = take_all(p, &w);
	if (rv == CKR_OK)
		rv = check_wish(op, &w);
	if (rv == CKR_OK)
		rv = choose_counter(op, &w);
	op->size = w.digits;
	return rv;
}

/* ---- the counter moves on ---- */

static CK_RV
otp_spend(struct op *op, const struct attrs *now, struct attrs *changes)
{
	const struct attr *kept = attrs_get(now, CKA_OTP_COUNTER);
	uint8_t after[COUNTER_LEN];
	uint64_t c = 0; /* where nothing was given */

	if (kept != NULL && kept->len == COUNTER_LEN)
		c = get_counter(kept->value);
	if (c >= UINT64_MAX - op->next)
		return why(CKR_TOKEN_RESOURCE_EXCEEDED, "the key's counter has come to its end");
	op->counter = c + op->next;
	put_counter(after, op->counter + 1);
	return attrs_set(changes, CKA_OTP_COUNTER, after, sizeof(after));
}

/* ---- the password ---- */

static CK_RV
otp_fits(const struct op *op, uint64_t fed)
{
	(void)op;
	return fed == 0 ? CKR_OK : why(CKR_DATA_LEN_RANGE, "one-time passwords are made of no data");
}

/* RFC 4226 5.3, 5.4; text has room for the digits and a NUL. */
static CK_RV
make_password(const struct op *op, char text[DIGITS_MAX + 1])
{
	static const uint32_t moduli[] = {1000000, 10000000, 100000000};
	uint8_t mac[EVP_MAX_MD_SIZE], counter[COUNTER_LEN];
	size_t n = 0, at;
	uint32_t code;
	CK_RV rv;

	put_counter(counter, op->counter);
	if (EVP_Q_mac(NULL, "HMAC", NULL, op->mech->digest, NULL, op->key->value, op->key->len, counter, sizeof(counter),
		    mac, sizeof(mac), &n) == NULL || n != MAC_LEN_SHA1) {
		rv = mech_failed(CKR_FUNCTION_FAILED, "HMAC");
		goto out;
	}
	at = mac[MAC_LEN_SHA1 - 1] & 15;
	code = (uint32_t)(mac[at] & 0x7f) << 24 | (uint32_t)mac[at + 1] << 16 | (uint32_t)mac[at + 2] << 8 | mac[at + 3];
	snprintf(text, DIGITS_MAX + 1, "%0*u", (int)op->size, code % moduli[op->size - DIGITS_MIN]);
	wipe(&code, sizeof(code));
	rv = CKR_OK;
out:
	wipe(mac, sizeof(mac));
	return rv;
}

/* What C_Sign tells besides the password: the counter, without which nobody can check it, and the format. */
#define VALUES 3
static void
values_of(const struct op *op, const char *text, const uint8_t *counter, const CK_ULONG *format,
	struct otp_value v[VALUES])
{
	v[0] = (struct otp_value){CK_OTP_VALUE, text, op->size};
	v[1] = (struct otp_value){CK_OTP_COUNTER, counter, COUNTER_LEN};
	v[2] = (struct otp_value){CK_OTP_OUTPUT_FORMAT, format, sizeof(*format)};
}

static uint64_t
otp_total(const struct op *op, uint64_t fed, bool final)
{
	struct otp_value v[VALUES];

	(void)fed;
	values_of(op, NULL, NULL, NULL, v);
	return final ? otp_image_size(v, VALUES) : 0;
}

static CK_RV
otp_whole(struct op *op, const uint8_t *in, size_t n, uint8_t *out, size_t *out_len)
{
	const CK_ULONG format = CK_OTP_FORMAT_DECIMAL;
	struct otp_value v[VALUES];
	uint8_t counter[COUNTER_LEN];
	char text[DIGITS_MAX + 1];
	CK_RV rv = make_password(op, text);

	(void)in, (void)n; /* none */
	if (rv == CKR_OK) {
		put_counter(counter, op->counter);
		values_of(op, text, counter, &format, v);
		otp_image_put(out, v, VALUES);
		*out_len = otp_image_size(v, VALUES);
	}
	wipe(text, sizeof(text));
	return rv;
}

static CK_RV
otp_verify(struct op *op, const uint8_t *in, size_t n, const uint8_t *sig, size_t sig_len)
{
	char text[DIGITS_MAX + 1];
	CK_RV rv;

	(void)in, (void)n;
	if (sig_len != op->size)
		return CKR_SIGNATURE_LEN_RANGE;
	rv = make_password(op, text);
	if (rv == CKR_OK && !equal_ct(text, sig, sig_len))
		rv = CKR_SIGNATURE_INVALID;
	wipe(text, sizeof(text));
	return rv;
}

/* ---- keys ---- */

static CK_RV
otp_imply(const struct mech *row, const struct attrs *templ, struct attrs *key)
{
	CK_RV rv = attrs_set_ulong(key, CKA_CLASS, CKO_OTP_KEY);

	(void)templ;
	return rv == CKR_OK ? attrs_set_ulong(key, CKA_KEY_TYPE, row->keys[0]) : rv;
}

/* PKCS#11 3.1 6.53: value, its length and a counter are the mechanism's to add. */
static CK_RV
otp_generate(const CK_MECHANISM *m, const struct mech *row, struct attrs *key, struct cancel *c)
{
	static const uint8_t zero[COUNTER_LEN];
	const struct attr *counter = attrs_get(key, CKA_OTP_COUNTER);
	CK_RV rv = CKR_OK;

	if (attrs_ulong(key, CKA_VALUE_LEN, KEY_DEFAULT) < row->min)
		return why(CKR_ATTRIBUTE_VALUE_INVALID, "a secret for passwords has at least %lu bytes", row->min);
	if (counter == NULL || counter->len == 0)
		rv = attrs_set(key, CKA_OTP_COUNTER, zero, sizeof(zero));
	if (rv == CKR_OK && !attrs_has(key, CKA_VALUE_LEN))
		rv = attrs_set_ulong(key, CKA_VALUE_LEN, KEY_DEFAULT);
	return rv == CKR_OK ? family_secret.generate(m, row, key, c) : rv;
}

static const struct mech_family family_otp = {
	.there = hash_there,
	.begin = otp_begin,
	.total = otp_total,
	.fits = otp_fits,
	.whole = otp_whole,
	.verify = otp_verify,
	.spend = otp_spend,
	.otp = true,
};
static const struct mech_family family_otp_key = {.generate = otp_generate, .imply = otp_imply};

static const struct mech rows[] = {
	{CKM_HOTP_KEY_GEN, CKF_GENERATE, KEY_SHORTEST, SECRET_MAX, KEYS1(CKK_HOTP), NULL, 0, &family_otp_key},
	/* shorter secrets were given out by others, so they can be used */
	{CKM_HOTP, SIGN_ALONE, 1, SECRET_MAX, KEYS1(CKK_HOTP), "SHA1", 0, &family_otp},
};
const struct mech_rows mech_otp_rows = {MECH_ROWS(rows)};
