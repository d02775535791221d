/* C_WrapKeyAuthenticated, and what else AES-GCM and AES-CCM may wrap: who makes the nonce, under which key, with how long
 * a tag. The vault is no part of it: all keys are session objects. */
#include "recorder.h"
#include "rules_help.h"
#include "store/mech.h"
#include "store/secret.h"

static struct maker maker;
static uint8_t iv[13], tag[16], blob[128];
static const uint8_t aad[7] = "invoice";

static const CK_MECHANISM_TYPE seals[] = {CKM_AES_GCM, CKM_AES_CCM};
static const CK_MECHANISM_TYPE seals_and_more[] = {CKM_AES_GCM, CKM_AES_CBC_PAD};

/* A key made here that wraps and unwraps and nothing else. */
static struct object *
wrapping_key(const CK_MECHANISM_TYPE *allowed, size_t n)
{
	CK_MECHANISM gen = {CKM_AES_KEY_GEN, NULL, 0};
	struct attrs t = {0};
	struct object *o = NULL;

	templ(&t, CKA_VALUE_LEN, 32UL, CKA_WRAP, YES, CKA_UNWRAP, YES, END);
	if (allowed != NULL)
		CHECK_RV(CKR_OK, attrs_set(&t, CKA_ALLOWED_MECHANISMS, allowed, n * sizeof(*allowed)));
	CHECK_RV(CKR_OK, make_key(&maker, &gen, &t, &o));
	attrs_free(&t);
	return o;
}

static struct object *
target_key(bool sensitive)
{
	struct attrs t = {0};
	struct object *o = NULL;

	aes_template(&t);
	templ(&t, CKA_EXTRACTABLE, YES, CKA_SENSITIVE, sensitive ? YES : NO, END);
	CHECK_RV(CKR_OK, make_create(&maker, &t, &o));
	attrs_free(&t);
	return o;
}

static CK_GCM_MESSAGE_PARAMS gcm;
static CK_GCM_WRAP_PARAMS gcm_wrap;
static CK_CCM_MESSAGE_PARAMS ccm;

static CK_MECHANISM
as_gcm(CK_ULONG generator, CK_ULONG fixed_bits, CK_ULONG tag_bits)
{
	gcm = (CK_GCM_MESSAGE_PARAMS){iv, 12, fixed_bits, generator, tag, tag_bits};
	return (CK_MECHANISM){CKM_AES_GCM, &gcm, sizeof(gcm)};
}

static CK_MECHANISM
as_plain_gcm(CK_ULONG generator, CK_ULONG tag_bits)
{
	gcm_wrap = (CK_GCM_WRAP_PARAMS){iv, 12, 0, generator, NULL, 0, tag_bits};
	return (CK_MECHANISM){CKM_AES_GCM, &gcm_wrap, sizeof(gcm_wrap)};
}

static CK_MECHANISM
as_ccm(CK_ULONG generator)
{
	ccm = (CK_CCM_MESSAGE_PARAMS){0, iv, 13, 0, generator, tag, 16};
	return (CK_MECHANISM){CKM_AES_CCM, &ccm, sizeof(ccm)};
}

static CK_RV
wrap(CK_MECHANISM m, struct object *wrapping, struct object *target, CK_ULONG *n)
{
	*n = sizeof(blob);
	return make_wrap_authenticated(&maker, &m, wrapping, target, aad, sizeof(aad), blob, n);
}

static CK_RV
wrap_plain(CK_MECHANISM m, struct object *wrapping, struct object *target, CK_ULONG *n)
{
	*n = sizeof(blob);
	return make_wrap(&maker, &m, wrapping, target, blob, n);
}

static CK_RV
unwrap(CK_MECHANISM m, struct object *key, CK_ULONG n, size_t aad_len, struct object **o)
{
	struct attrs t = {0};
	CK_RV rv;

	*o = NULL;
	templ(&t, CKA_CLASS, CKO_SECRET_KEY, CKA_KEY_TYPE, CKK_AES, CKA_EXTRACTABLE, YES, CKA_SENSITIVE, NO, END);
	rv = make_unwrap_authenticated(&maker, &m, key, aad, aad_len, blob, n, &t, o);
	attrs_free(&t);
	return rv;
}

static void
test_sensitive_keys_leave_by_a_nonce_of_the_tokens_alone(void)
{
	struct object *w = wrapping_key(seals, 2), *sensitive = target_key(true), *plain = target_key(false), *back;
	CK_ULONG n = 0;
	CK_MECHANISM m = as_gcm(CKG_GENERATE, 0, 128);

	CHECK_RV(CKR_OK, make_wrap_authenticated(&maker, &m, w, sensitive, aad, sizeof(aad), NULL, &n));
	CHECK(n == 16);
	CHECK_RV(CKR_OK, wrap(m, w, sensitive, &n));
	CHECK(n == 16 && memcmp(blob, attrs_get(&sensitive->attrs, CKA_VALUE)->value, 16) != 0);
	CHECK_RV(CKR_OK, unwrap(m, w, n, sizeof(aad), &back));
	CHECK(back != NULL && attr_equal(attrs_get(&back->attrs, CKA_VALUE), attrs_get(&sensitive->attrs, CKA_VALUE)));
	CHECK(attrs_bool(&back->attrs, CKA_SENSITIVE, false)); /* it may have been: it is again */
	object_put(back);
	CHECK_RV(CKR_WRAPPED_KEY_INVALID, unwrap(m, w, n, sizeof(aad) - 1, &back));
	tag[0] ^= 1;
	CHECK_RV(CKR_WRAPPED_KEY_INVALID, unwrap(m, w, n, sizeof(aad), &back));
	CHECK(back == NULL);
	CHECK_RV(CKR_OK, wrap(as_gcm(CKG_GENERATE_RANDOM, 0, 96), w, sensitive, &n));
	CHECK_RV(CKR_OK, wrap(as_ccm(CKG_GENERATE), w, sensitive, &n));
	CHECK_RV(CKR_OK, wrap_plain(as_plain_gcm(CKG_GENERATE, 128), w, sensitive, &n));

	/* the caller's, or partly so; a tag that can be guessed */
	CHECK_RV(CKR_KEY_NOT_WRAPPABLE, wrap(as_gcm(CKG_NO_GENERATE, 0, 128), w, sensitive, &n));
	CHECK_RV(CKR_KEY_NOT_WRAPPABLE, wrap(as_gcm(CKG_GENERATE, 1, 128), w, sensitive, &n));
	CHECK_RV(CKR_KEY_NOT_WRAPPABLE, wrap(as_gcm(CKG_GENERATE, 0, 88), w, sensitive, &n));
	CHECK_RV(CKR_KEY_NOT_WRAPPABLE, wrap(as_ccm(CKG_NO_GENERATE), w, sensitive, &n));
	CHECK_RV(CKR_KEY_NOT_WRAPPABLE, wrap_plain(as_plain_gcm(CKG_NO_GENERATE, 128), w, sensitive, &n));
	/* nor for a key that is known: under the same nonce it would give the sensitive one away */
	CHECK_RV(CKR_KEY_NOT_WRAPPABLE, wrap(as_gcm(CKG_NO_GENERATE, 0, 128), w, plain, &n));
	CHECK_RV(CKR_KEY_NOT_WRAPPABLE, wrap_plain(as_plain_gcm(CKG_NO_GENERATE, 128), w, plain, &n));
	CHECK_RV(CKR_OK, wrap(as_gcm(CKG_GENERATE, 0, 128), w, plain, &n));
	/* what comes in has a tag that could not be guessed either */
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, unwrap(as_gcm(CKG_NO_GENERATE, 0, 32), w, n, sizeof(aad), &back));

	maker.who = user_compat;
	CHECK_RV(CKR_OK, wrap(as_gcm(CKG_NO_GENERATE, 0, 32), w, sensitive, &n));
	CHECK_RV(CKR_OK, unwrap(as_gcm(CKG_NO_GENERATE, 0, 32), w, n, sizeof(aad), &back));
	object_put(back);
	maker.who = user;
	object_put(w);
	object_put(sensitive);
	object_put(plain);
}

static void
test_other_wrapping_keys_keep_to_what_is_not_sensitive(void)
{
	struct object *any = wrapping_key(NULL, 0), *more = wrapping_key(seals_and_more, 2);
	struct object *sensitive = target_key(true), *plain = target_key(false), *back;
	CK_ULONG n;

	/* one that CBC may use too could be made to encrypt the blocks that hide the sensitive key */
	CHECK_RV(CKR_KEY_NOT_WRAPPABLE, wrap(as_gcm(CKG_GENERATE, 0, 128), any, sensitive, &n));
	CHECK_RV(CKR_KEY_NOT_WRAPPABLE, wrap(as_gcm(CKG_GENERATE, 0, 128), more, sensitive, &n));
	CHECK_RV(CKR_KEY_NOT_WRAPPABLE, wrap_plain(as_plain_gcm(CKG_GENERATE, 128), any, sensitive, &n));
	CHECK_RV(CKR_OK, wrap(as_gcm(CKG_NO_GENERATE, 0, 32), any, plain, &n));
	CHECK_RV(CKR_OK, unwrap(as_gcm(CKG_NO_GENERATE, 0, 32), any, n, sizeof(aad), &back));
	object_put(back);
	CHECK_RV(CKR_KEY_FUNCTION_NOT_PERMITTED, wrap(as_gcm(CKG_GENERATE, 0, 128), plain, sensitive, &n));
	CHECK_RV(CKR_MECHANISM_INVALID, wrap(as_ccm(CKG_GENERATE), more, plain, &n)); /* not among its mechanisms */
	object_put(any);
	object_put(more);
	object_put(sensitive);
	object_put(plain);
}

static void
test_what_must_stay_refuses_the_length_too(void)
{
	struct object *w = wrapping_key(seals, 2), *o = NULL;
	CK_MECHANISM m = as_gcm(CKG_GENERATE, 0, 128), kw = {CKM_AES_KEY_WRAP, NULL, 0};
	struct attrs t = {0};
	CK_ULONG n = 0;

	aes_template(&t);
	CHECK_RV(CKR_OK, make_create(&maker, &t, &o));
	CHECK_RV(CKR_KEY_UNEXTRACTABLE, make_wrap_authenticated(&maker, &m, w, o, aad, sizeof(aad), NULL, &n));
	object_put(w);
	w = wrapping_key(NULL, 0);
	CHECK(make_wrap_authenticated(&maker, &kw, w, o, aad, sizeof(aad), NULL, &n) != CKR_OK);
	object_put(o);
	o = target_key(false);
	CHECK_RV(CKR_MECHANISM_INVALID, make_wrap_authenticated(&maker, &kw, w, o, aad, sizeof(aad), NULL, &n));
	object_put(o);
	object_put(w);
	attrs_free(&t);
}

int
main(void)
{
	CHECK_RV(CKR_OK, secret_start());
	maker.who = user;
	test_sensitive_keys_leave_by_a_nonce_of_the_tokens_alone();
	test_other_wrapping_keys_keep_to_what_is_not_sensitive();
	test_what_must_stay_refuses_the_length_too();
	return unit_done("wrap");
}
