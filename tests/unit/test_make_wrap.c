/* Wrapping and unwrapping through make_wrap and make_unwrap: what may be under which key, what comes back, and what the
 * ledger remembers of it. */
#include "make_help.h"

/* An AES key that may be wrapped. */
static struct object *
traveller(CK_ULONG sensitive)
{
	struct attrs t = {0};
	struct object *o;

	aes(&t, false);
	templ(&t, CKA_EXTRACTABLE, YES, CKA_SENSITIVE, sensitive, END);
	o = created(&t);
	attrs_free(&t);
	return o;
}

static void
test_wrap_refuses_what_must_stay_even_the_length(void)
{
	CK_MECHANISM kw = {CKM_AES_KEY_WRAP, NULL, 0};
	struct attrs t = {0};
	struct object *w, *o;
	CK_ULONG len = 0;

	reset(&user);
	w = wrapping_key(NULL);
	o = aes_key(&t, false);
	CHECK_RV(CKR_KEY_UNEXTRACTABLE, make_wrap(&maker, &kw, w, o, NULL, &len));
	CHECK_RV(CKR_KEY_FUNCTION_NOT_PERMITTED, make_wrap(&maker, &kw, o, w, NULL, &len));
	kw.mechanism = CKM_RSA_PKCS_OAEP;
	CHECK_RV(CKR_WRAPPING_KEY_TYPE_INCONSISTENT, make_wrap(&maker, &kw, w, o, NULL, &len));
	object_put(w);
	object_put(o);
	attrs_free(&t);
}

static CK_RV
unwrapped(struct object *w, const uint8_t *blob, size_t n, struct attrs *t, struct object **o)
{
	CK_MECHANISM kw = {CKM_AES_KEY_WRAP, NULL, 0};

	*o = NULL;
	return make_unwrap(&maker, &kw, w, blob, n, t, o);
}

static void
test_wrap_and_unwrap(void)
{
	CK_MECHANISM kw = {CKM_AES_KEY_WRAP, NULL, 0}, pkcs1 = {CKM_RSA_PKCS, NULL, 0};
	struct attrs t = {0}, sub = {0};
	struct object *w, *o, *back;
	uint8_t blob[64];
	CK_ULONG len = sizeof(blob);

	reset(&user);
	templ(&sub, CKA_MODIFIABLE, NO, END);
	w = wrapping_key(&sub);
	o = traveller(YES);
	CHECK_RV(CKR_OK, make_wrap(&maker, &kw, w, o, blob, &len));
	CHECK(len == 24);

	templ(&t, CKA_CLASS, CKO_SECRET_KEY, CKA_KEY_TYPE, CKK_AES, CKA_TOKEN, YES, CKA_EXTRACTABLE, YES,
		END);
	CHECK_RV(CKR_OK, unwrapped(w, blob, len, &t, &back));
	CHECK(back != NULL && vault.commits == 1 && !attrs_bool(&back->attrs, CKA_MODIFIABLE, true));
	CHECK(attr_equal(attrs_get(&back->attrs, CKA_VALUE), attrs_get(&o->attrs, CKA_VALUE)));
	CHECK(attrs_bool(&back->attrs, CKA_SENSITIVE, false)); /* it may have been: it is again */
	CHECK(!attrs_bool(&back->attrs, CKA_LOCAL, true));
	CHECK(!attrs_bool(&back->attrs, CKA_ALWAYS_SENSITIVE, true));
	CHECK(attrs_ulong(&back->attrs, TKA_ORIGIN, 0) == ORIGIN_UNWRAPPED);
	object_put(back);

	templ(&t, CKA_SENSITIVE, NO, CKA_TOKEN, NO, END);
	CHECK_RV(CKR_OK, unwrapped(w, blob, len, &t, &back)); /* pkcs11-tool asks so */
	CHECK(attrs_bool(&back->attrs, CKA_SENSITIVE, false));
	object_put(back);
	templ(&t, CKA_SENSITIVE, YES, CKA_TOKEN, YES, CKA_MODIFIABLE, YES, END);
	CHECK_RV(CKR_TEMPLATE_INCONSISTENT, unwrapped(w, blob, len, &t, &back));
	attrs_remove(&t, CKA_MODIFIABLE);
	blob[3] ^= 1;
	CHECK_RV(CKR_WRAPPED_KEY_INVALID, unwrapped(w, blob, len, &t, &back));
	blob[3] ^= 1;
	templ(&t, CKA_VALUE_LEN, 32UL, END); /* what does not agree is a bad blob too */
	CHECK_RV(CKR_WRAPPED_KEY_INVALID, unwrapped(w, blob, len, &t, &back));
	templ(&t, CKA_KEY_TYPE, CKK_GENERIC_SECRET, CKA_VALUE_LEN, 16UL, END);
	CHECK_RV(CKR_OK, unwrapped(w, blob, len, &t, &back));
	object_put(back);
	attrs_remove(&t, CKA_KEY_TYPE);
	CHECK_RV(CKR_TEMPLATE_INCOMPLETE, unwrapped(w, blob, len, &t, &back));
	CHECK_RV(CKR_MECHANISM_INVALID, make_unwrap(&maker, &pkcs1, w, blob, len, &t, &back));
	CHECK_RV(CKR_KEY_FUNCTION_NOT_PERMITTED, unwrapped(o, blob, len, &t, &back));
	CHECK(vault.commits == 2);
	object_put(w);
	object_put(o);
	attrs_free(&t);
	attrs_free(&sub);
}

/* An RSA pair whose public half wraps; usage is what else the private half may do. */
static void
rsa_pair(CK_ATTRIBUTE_TYPE usage, struct object **pub, struct object **priv)
{
	CK_MECHANISM gen = {CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0};
	struct attrs pub_t = {0}, priv_t = {0};

	*pub = *priv = NULL;
	templ(&pub_t, CKA_MODULUS_BITS, 2048UL, CKA_WRAP, YES, CKA_ENCRYPT, YES, END);
	templ(&priv_t, CKA_UNWRAP, YES, usage, YES, END);
	CHECK_RV(CKR_OK, make_pair(&maker, &gen, &pub_t, &priv_t, pub, priv));
	attrs_free(&pub_t);
	attrs_free(&priv_t);
}

/* What is wrapped under a public key is only as safe as its private half is narrow: one that decrypts as well, or could
 * leave, makes it useless for sensitive keys. */
static void
test_wrap_under_a_public_key_asks_the_private_half(void)
{
	static const CK_ATTRIBUTE_TYPE wider[] = {CKA_DECRYPT, CKA_EXTRACTABLE};
	CK_RSA_PKCS_OAEP_PARAMS param = {CKM_SHA256, CKG_MGF1_SHA256, CKZ_DATA_SPECIFIED, NULL, 0};
	CK_MECHANISM oaep = {CKM_RSA_PKCS_OAEP, &param, sizeof(param)};
	struct object *pub, *priv, *o, *back = NULL;
	struct attrs t = {0};
	uint8_t blob[256];
	CK_ULONG len = sizeof(blob);

	reset(&user);
	o = traveller(YES);
	for (size_t i = 0; i < 2; i++) {
		rsa_pair(wider[i], &pub, &priv);
		CHECK_RV(CKR_KEY_NOT_WRAPPABLE, make_wrap(&maker, &oaep, pub, o, blob, &len));
		object_put(pub);
		object_put(priv);
	}

	rsa_pair(CKA_UNWRAP, &pub, &priv);
	CHECK_RV(CKR_OK, make_wrap(&maker, &oaep, pub, o, blob, &len));
	templ(&t, CKA_CLASS, CKO_SECRET_KEY, CKA_KEY_TYPE, CKK_AES, CKA_SENSITIVE, NO, END);
	CHECK_RV(CKR_OK, make_unwrap(&maker, &oaep, priv, blob, len, &t, &back));
	CHECK(attrs_bool(&back->attrs, CKA_SENSITIVE, false));
	CHECK(attr_equal(attrs_get(&back->attrs, CKA_VALUE), attrs_get(&o->attrs, CKA_VALUE)));
	object_put(back);
	object_put(o);
	object_put(pub);
	object_put(priv);
	attrs_free(&t);
}

/* ---- the ledger ---- */

/* The key `o`, wrapped, comes back with the usages of the template. */
static struct object *
again(struct object *w, struct object *o, CK_ATTRIBUTE_TYPE usage)
{
	CK_MECHANISM kw = {CKM_AES_KEY_WRAP, NULL, 0};
	struct object *back = NULL;
	struct attrs t = {0};
	uint8_t blob[64];
	CK_ULONG len = sizeof(blob);

	CHECK_RV(CKR_OK, make_wrap(&maker, &kw, w, o, blob, &len));
	templ(&t, CKA_CLASS, CKO_SECRET_KEY, CKA_KEY_TYPE, CKK_AES, CKA_EXTRACTABLE, YES, usage, YES, END);
	CHECK_RV(CKR_OK, unwrapped(w, blob, len, &t, &back));
	attrs_free(&t);
	return back;
}

static void
test_ledger(void)
{
	struct object *w, *mixed, *o, *back;
	struct attrs t = {0}, c = {0};

	reset(&user);
	w = wrapping_key(NULL);
	/* a wrapping key that is trusted from outside: its twin must not decrypt */
	aes(&t, false);
	templ(&t, CKA_EXTRACTABLE, YES, CKA_SENSITIVE, YES, CKA_WRAP, YES, CKA_UNWRAP, YES, END);
	o = created(&t);
	back = again(w, o, CKA_DECRYPT);
	CHECK(attrs_bool(&back->attrs, CKA_DECRYPT, false)); /* nobody knows of the first */
	object_put(back);
	living[0] = o;
	back = again(w, o, CKA_DECRYPT);
	CHECK(!attrs_bool(&back->attrs, CKA_DECRYPT, true));
	CHECK(attrs_bool(&back->attrs, CKA_SENSITIVE, false));
	CHECK(rules_only_wraps(&back->attrs));
	object_put(back);
	maker.who.compat = true;
	back = again(w, o, CKA_DECRYPT);
	CHECK(!attrs_bool(&back->attrs, CKA_DECRYPT, true)); /* whatever the policy */
	object_put(back);
	maker.who.compat = false;
	living[0] = NULL;
	object_put(o);

	/* the other way round: one that decrypts lives, one that wraps comes */
	aes(&t, false);
	templ(&t, CKA_EXTRACTABLE, YES, CKA_SENSITIVE, YES, CKA_DECRYPT, YES, END);
	o = created(&t);
	living[1] = o;
	back = again(w, o, CKA_WRAP);
	CHECK(!attrs_bool(&back->attrs, CKA_WRAP, true) && !rules_only_wraps(&back->attrs));
	CHECK(!attrs_bool(&back->attrs, CKA_DECRYPT, true)); /* was not asked for */
	object_put(back);
	maker.who.compat = true;
	back = again(w, o, CKA_WRAP); /* the history is kept all the same */
	CHECK(attrs_bool(&back->attrs, CKA_WRAP, false) && !rules_only_wraps(&back->attrs));
	object_put(back);
	maker.who.compat = false;
	/* created by who knows the value: its history is joined, its template stands */
	aes(&c, false);
	templ(&c, CKA_SENSITIVE, NO, CKA_EXTRACTABLE, YES, CKA_WRAP, YES, END);
	back = created(&c);
	CHECK(!attrs_bool(&back->attrs, CKA_SENSITIVE, true) && !rules_only_wraps(&back->attrs));
	object_put(back);

	/* sensitive and kept in: so is what comes out of a key under which anything may lie */
	aes(&t, false);
	templ(&t, CKA_WRAP, YES, CKA_UNWRAP, YES, CKA_DECRYPT, YES, END);
	mixed = created(&t);
	aes(&t, false);
	templ(&t, CKA_EXTRACTABLE, YES, CKA_SENSITIVE, NO, END);
	living[1] = NULL;
	object_put(o);
	o = created(&t);
	back = again(mixed, o, CKA_SIGN);
	CHECK(attrs_bool(&back->attrs, CKA_EXTRACTABLE, false));
	object_put(back);
	aes(&t, false); /* the same value, sensitive and unextractable */
	living[0] = created(&t);
	back = again(mixed, o, CKA_SIGN);
	CHECK(attrs_bool(&back->attrs, CKA_SENSITIVE, false) && !attrs_bool(&back->attrs, CKA_EXTRACTABLE, true));
	object_put(back);
	object_put(living[0]);
	living[0] = NULL;
	object_put(mixed);
	object_put(o);
	object_put(w);
	attrs_free(&t);
	attrs_free(&c);
}

/* What only padding says of a blob is for keys that decrypt as well. */
static void
test_unwrap_with_cbc(void)
{
	uint8_t iv[16] = {0}, blob[64] = {0};
	CK_MECHANISM cbc = {CKM_AES_CBC_PAD, iv, 16};
	struct object *w, *mixed, *back = NULL;
	struct attrs t = {0}, k = {0};

	reset(&user);
	w = wrapping_key(NULL);
	aes(&k, false);
	templ(&k, CKA_UNWRAP, YES, CKA_DECRYPT, YES, END);
	mixed = created(&k);
	templ(&t, CKA_CLASS, CKO_SECRET_KEY, CKA_KEY_TYPE, CKK_GENERIC_SECRET, END);
	CHECK_RV(CKR_MECHANISM_INVALID, make_unwrap(&maker, &cbc, w, blob, 32, &t, &back));
	CHECK_RV(CKR_WRAPPED_KEY_INVALID, make_unwrap(&maker, &cbc, mixed, blob, 32, &t, &back));
	maker.who.compat = true;
	CHECK_RV(CKR_WRAPPED_KEY_INVALID, make_unwrap(&maker, &cbc, w, blob, 32, &t, &back));
	object_put(w);
	object_put(mixed);
	attrs_free(&t);
	attrs_free(&k);
}

/* With PKCS#1 v1.5 only what decrypts as well. */
static void
test_unwrap_with_pkcs1(void)
{
	CK_MECHANISM pkcs1 = {CKM_RSA_PKCS, NULL, 0};
	struct object *pub, *priv, *o, *back = NULL;
	struct attrs t = {0};
	uint8_t blob[256];
	CK_ULONG len = sizeof(blob);

	reset(&user);
	o = traveller(NO);
	templ(&t, CKA_CLASS, CKO_SECRET_KEY, CKA_KEY_TYPE, CKK_AES, END);
	rsa_pair(CKA_UNWRAP, &pub, &priv);
	CHECK_RV(CKR_OK, make_wrap(&maker, &pkcs1, pub, o, blob, &len));
	CHECK_RV(CKR_MECHANISM_INVALID, make_unwrap(&maker, &pkcs1, priv, blob, len, &t, &back));
	object_put(pub);
	object_put(priv);

	rsa_pair(CKA_DECRYPT, &pub, &priv);
	CHECK_RV(CKR_OK, make_wrap(&maker, &pkcs1, pub, o, blob, &len));
	CHECK_RV(CKR_OK, make_unwrap(&maker, &pkcs1, priv, blob, len, &t, &back));
	CHECK(attr_equal(attrs_get(&back->attrs, CKA_VALUE), attrs_get(&o->attrs, CKA_VALUE)));
	object_put(back);
	object_put(o);
	object_put(pub);
	object_put(priv);
	attrs_free(&t);
}

static void
test_wrap_and_unwrap_a_private_key(void)
{
	CK_MECHANISM gen = {CKM_EC_KEY_PAIR_GEN, NULL, 0}, kwp = {CKM_AES_KEY_WRAP_KWP, NULL, 0};
	struct object *w, *pub = NULL, *priv = NULL, *back = NULL;
	struct attrs pub_t = {0}, t = {0};
	uint8_t blob[512];
	CK_ULONG len = sizeof(blob);

	reset(&user);
	w = wrapping_key(NULL);
	CHECK_RV(CKR_OK, attrs_set(&pub_t, CKA_EC_PARAMS, p256_oid, sizeof(p256_oid)));
	templ(&t, CKA_EXTRACTABLE, YES, CKA_SENSITIVE, YES, END);
	CHECK_RV(CKR_OK, make_pair(&maker, &gen, &pub_t, &t, &pub, &priv));
	CHECK_RV(CKR_OK, make_wrap(&maker, &kwp, w, priv, blob, &len));
	templ(&t, CKA_CLASS, CKO_PRIVATE_KEY, CKA_KEY_TYPE, CKK_EC, END);
	CHECK_RV(CKR_OK, make_unwrap(&maker, &kwp, w, blob, len, &t, &back));
	CHECK(attr_equal(attrs_get(&back->attrs, CKA_VALUE), attrs_get(&priv->attrs, CKA_VALUE)));
	CHECK(attr_equal(attrs_get(&back->attrs, CKA_PUBLIC_KEY_INFO),
		attrs_get(&pub->attrs, CKA_PUBLIC_KEY_INFO)));
	object_put(back);
	back = NULL;
	templ(&t, CKA_KEY_TYPE, CKK_RSA, END); /* it is not */
	CHECK_RV(CKR_WRAPPED_KEY_INVALID, make_unwrap(&maker, &kwp, w, blob, len, &t, &back));
	CHECK(back == NULL);
	object_put(w);
	object_put(pub);
	object_put(priv);
	attrs_free(&pub_t);
	attrs_free(&t);
}

int
main(void)
{
	CHECK_RV(CKR_OK, secret_start());
	test_wrap_refuses_what_must_stay_even_the_length();
	test_wrap_and_unwrap();
	test_ledger();
	test_unwrap_with_cbc();
	test_wrap_under_a_public_key_asks_the_private_half();
	test_unwrap_with_pkcs1();
	test_wrap_and_unwrap_a_private_key();
	return unit_done("test_make_wrap");
}
