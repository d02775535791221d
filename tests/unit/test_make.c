/* The calls that make objects: what is committed, in how many commits, and what is left when one fails.
 * The vault is replaced by a recorder that can refuse, so that every failure can be had. */
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "rules_help.h"
#include "store/secret.h"
#include "store/token.h"

static struct {
	unsigned commits;
	size_t puts, deletes;     /* of the last commit */
	uint64_t version;         /* of its first put */
	CK_RV answer;
	CK_OBJECT_HANDLE next;
} vault;

CK_RV
token_commit(struct token *t, struct object **puts, size_t n_puts, struct object **deletes,
	size_t n_deletes)
{
	size_t i;

	(void)t;
	(void)deletes;
	vault.commits++;
	vault.puts = n_puts;
	vault.deletes = n_deletes;
	vault.version = n_puts > 0 ? puts[0]->version : 0;
	if (vault.answer != CKR_OK)
		return vault.answer;
	for (i = 0; i < n_puts; i++)
		if (puts[i]->handle == 0)
			puts[i]->handle = ++vault.next;
	return CKR_OK;
}

/* The keys that the ledger finds by their value. */
static struct object *living[2];

/* Nobody else changes anything here. */
CK_RV
token_object(struct token *t, CK_OBJECT_HANDLE h, bool with_private, struct object **o)
{
	(void)t;
	(void)with_private;
	if (h < 1 || h > 2 || living[h - 1] == NULL)
		return CKR_OBJECT_HANDLE_INVALID;
	*o = object_ref(living[h - 1]);
	return CKR_OK;
}

CK_RV
token_find_value(struct token *t, const uint8_t id[VALUE_ID_LEN], bool with_private, CK_OBJECT_HANDLE **handles,
	size_t *n)
{
	(void)t;
	(void)id;
	(void)with_private;
	*handles = calloc(2, sizeof(**handles));
	for (*n = 0; *n < 2; (*n)++)
		(*handles)[*n] = *n + 1;
	return CKR_OK;
}

static struct maker maker; /* as the user, read-write, strict */

static void
reset(const struct actor *who)
{
	memset(&vault, 0, sizeof(vault));
	maker = (struct maker){.who = *who};
}

static struct object *
created(struct attrs *t)
{
	struct object *o = NULL;

	CHECK_RV(CKR_OK, make_create(&maker, t, &o));
	return o;
}

static void
aes(struct attrs *t, bool token)
{
	attrs_free(t);
	templ(t, CKA_CLASS, CKO_SECRET_KEY, CKA_KEY_TYPE, CKK_AES, CKA_TOKEN, token ? YES : NO, END);
	CHECK_RV(CKR_OK, attrs_set(t, CKA_VALUE, "0123456789abcdef", 16));
}

static void
test_create_commits_token_objects_only(void)
{
	struct attrs t = {0};
	struct object *o;

	reset(&user);
	aes(&t, false);
	o = created(&t);
	CHECK(vault.commits == 0 && o->handle == 0 && !o->token && o->private);
	object_put(o);
	aes(&t, true);
	o = created(&t);
	CHECK(vault.commits == 1 && vault.puts == 1 && vault.deletes == 0 && o->handle == 1);
	object_put(o);

	o = NULL;
	vault.answer = CKR_DEVICE_MEMORY;
	CHECK_RV(CKR_DEVICE_MEMORY, make_create(&maker, &t, &o));
	CHECK(o == NULL);
	CHECK_RV(CKR_OK, attrs_set(&t, CKA_VALUE, "short", 5));
	vault.commits = 0;
	CHECK_RV(CKR_ATTRIBUTE_VALUE_INVALID, make_create(&maker, &t, &o));
	CHECK(o == NULL && vault.commits == 0);
	attrs_free(&t);
}

static void
test_copy_is_another_object(void)
{
	struct attrs t = {0}, c = {0};
	struct object *o, *copy = NULL;

	reset(&user);
	aes(&t, false);
	o = created(&t);
	CHECK_RV(CKR_OK, make_copy(&maker, o, &c, &copy)); /* an empty template will do */
	CHECK(copy != NULL && memcmp(copy->uuid, o->uuid, UUID_LEN) != 0 && vault.commits == 0);
	object_put(copy);
	templ(&c, CKA_TOKEN, YES, END);
	CHECK_RV(CKR_OK, make_copy(&maker, o, &c, &copy));
	CHECK(copy->token && vault.commits == 1 && copy->version == 1);
	object_put(copy);
	object_put(o);
	attrs_free(&t);
	attrs_free(&c);
}

static void
test_changed_is_a_new_version(void)
{
	struct attrs t = {0}, c = {0};
	struct object *o, *new = NULL;

	reset(&user);
	aes(&t, true);
	o = created(&t);
	CHECK_RV(CKR_OK, attrs_set(&c, CKA_LABEL, "new", 3));
	CHECK_RV(CKR_OK, make_changed(&maker, o, &c, &new));
	CHECK(new != NULL && new != o && memcmp(new->uuid, o->uuid, UUID_LEN) == 0);
	CHECK(new->version == 2 && new->handle == o->handle && vault.version == 2);
	CHECK(attrs_get(&o->attrs, CKA_LABEL)->len == 0); /* the old one is as it was */
	CHECK(attrs_get(&new->attrs, CKA_LABEL)->len == 3);
	object_put(new);

	new = NULL;
	vault.answer = CKR_TOKEN_WRITE_PROTECTED;
	CHECK_RV(CKR_TOKEN_WRITE_PROTECTED, make_changed(&maker, o, &c, &new));
	CHECK(new == NULL);
	templ(&c, CKA_SENSITIVE, NO, END);
	vault.commits = 0;
	CHECK_RV(CKR_ATTRIBUTE_READ_ONLY, make_changed(&maker, o, &c, &new));
	CHECK(new == NULL && vault.commits == 0);
	object_put(o);
	attrs_free(&t);
	attrs_free(&c);
}

static void
test_destroyed(void)
{
	struct attrs t = {0};
	struct object *o;

	reset(&user);
	aes(&t, true);
	o = created(&t);
	CHECK_RV(CKR_OK, make_destroyed(&maker, o));
	CHECK(vault.commits == 2 && vault.puts == 0 && vault.deletes == 1);
	maker.who = user_ro;
	CHECK_RV(CKR_SESSION_READ_ONLY, make_destroyed(&maker, o));
	CHECK(vault.commits == 2);
	object_put(o);
	attrs_free(&t);
}

/* ---- generation ---- */

static void
test_key(void)
{
	CK_MECHANISM gen = {CKM_AES_KEY_GEN, NULL, 0};
	struct attrs t = {0};
	struct object *o = NULL;

	reset(&user);
	CHECK_RV(CKR_TEMPLATE_INCOMPLETE, make_key(&maker, &gen, &t, &o));
	templ(&t, CKA_VALUE_LEN, 32UL, CKA_TOKEN, YES, END);
	CHECK_RV(CKR_OK, make_key(&maker, &gen, &t, &o));
	CHECK(vault.commits == 1 && object_key_type(o) == CKK_AES);
	CHECK(attrs_get(&o->attrs, CKA_VALUE)->len == 32 && attrs_bool(&o->attrs, CKA_LOCAL, false));
	CHECK(attrs_get(&o->attrs, CKA_CHECK_VALUE)->len == 3);
	object_put(o);
	o = NULL;
	gen.mechanism = CKM_SHA256;
	CHECK_RV(CKR_MECHANISM_INVALID, make_key(&maker, &gen, &t, &o));
	CHECK(o == NULL && vault.commits == 1);
	attrs_free(&t);
}

static const uint8_t p256_oid[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};

static CK_RV
ec_pair(bool pub_token, bool priv_token, struct object **pub, struct object **priv)
{
	CK_MECHANISM gen = {CKM_EC_KEY_PAIR_GEN, NULL, 0};
	struct attrs pub_t = {0}, priv_t = {0};
	CK_RV rv;

	*pub = *priv = NULL;
	CHECK_RV(CKR_OK, attrs_set(&pub_t, CKA_EC_PARAMS, p256_oid, sizeof(p256_oid)));
	templ(&pub_t, CKA_TOKEN, pub_token ? YES : NO, END);
	templ(&priv_t, CKA_TOKEN, priv_token ? YES : NO, END);
	rv = make_pair(&maker, &gen, &pub_t, &priv_t, pub, priv);
	attrs_free(&pub_t);
	attrs_free(&priv_t);
	return rv;
}

static void
test_pair_is_one_commit(void)
{
	struct object *pub, *priv;
	const struct attr *info;
	const uint8_t *p;
	EVP_PKEY *pkey;

	reset(&user);
	CHECK_RV(CKR_OK, ec_pair(true, true, &pub, &priv));
	CHECK(vault.commits == 1 && vault.puts == 2);
	CHECK(!pub->private && priv->private && pub->token && priv->token);
	CHECK(attrs_bool(&priv->attrs, CKA_SIGN, false)); /* usable without being asked */
	CHECK(attrs_ulong(&pub->attrs, TKA_ROLES, 0) == attrs_ulong(&priv->attrs, TKA_ROLES, 1));
	info = attrs_get(&priv->attrs, CKA_PUBLIC_KEY_INFO);
	CHECK(info != NULL && attr_equal(info, attrs_get(&pub->attrs, CKA_PUBLIC_KEY_INFO)));
	p = info != NULL ? info->value : NULL;
	pkey = d2i_PUBKEY(NULL, &p, info != NULL ? (long)info->len : 0);
	CHECK(pkey != NULL && EVP_PKEY_get_bits(pkey) == 256);
	EVP_PKEY_free(pkey);
	CHECK(object_hides(priv, CKA_VALUE));
	object_put(pub);
	object_put(priv);

	CHECK_RV(CKR_OK, ec_pair(false, true, &pub, &priv));
	CHECK(vault.commits == 2 && vault.puts == 1 && pub->handle == 0 && priv->handle != 0);
	object_put(pub);
	object_put(priv);
	vault.answer = CKR_DEVICE_ERROR;
	CHECK_RV(CKR_DEVICE_ERROR, ec_pair(true, true, &pub, &priv));
	CHECK(pub == NULL && priv == NULL);
	vault.answer = CKR_OK;
	maker.who = user_ro;
	vault.commits = 0;
	CHECK_RV(CKR_SESSION_READ_ONLY, ec_pair(false, true, &pub, &priv));
	CHECK(pub == NULL && priv == NULL && vault.commits == 0);
	maker.who = nobody;
	CHECK_RV(CKR_USER_NOT_LOGGED_IN, ec_pair(true, true, &pub, &priv));
	CHECK(vault.commits == 0);
}

/* ---- keys out of keys ---- */

static struct object *
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

static void
test_wrap_refuses_what_must_stay_even_the_length(void)
{
	CK_MECHANISM kw = {CKM_AES_KEY_WRAP, NULL, 0};
	struct attrs t = {0};
	struct object *w, *o;
	CK_ULONG len = 0;

	reset(&user);
	w = wrapping_key(NULL);
	aes(&t, false);
	o = created(&t);
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
	aes(&t, false);
	templ(&t, CKA_EXTRACTABLE, YES, CKA_SENSITIVE, YES, END);
	o = created(&t);
	CHECK_RV(CKR_OK, make_wrap(&maker, &kw, w, o, blob, &len));
	CHECK(len == 24);

	attrs_free(&t);
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

/* What is wrapped under a public key is only as safe as its private half is narrow. */
static void
test_wrap_under_a_public_key_asks_the_private_half(void)
{
	CK_RSA_PKCS_OAEP_PARAMS param = {CKM_SHA256, CKG_MGF1_SHA256, CKZ_DATA_SPECIFIED, NULL, 0};
	CK_MECHANISM oaep = {CKM_RSA_PKCS_OAEP, &param, sizeof(param)};
	struct object *pub, *priv, *o, *back = NULL;
	struct attrs t = {0};
	uint8_t blob[256];
	CK_ULONG len = sizeof(blob);

	reset(&user);
	aes(&t, false);
	templ(&t, CKA_EXTRACTABLE, YES, CKA_SENSITIVE, YES, END);
	o = created(&t);
	rsa_pair(CKA_DECRYPT, &pub, &priv);
	CHECK_RV(CKR_KEY_NOT_WRAPPABLE, make_wrap(&maker, &oaep, pub, o, blob, &len));
	object_put(pub);
	object_put(priv);

	rsa_pair(CKA_UNWRAP, &pub, &priv);
	CHECK_RV(CKR_OK, make_wrap(&maker, &oaep, pub, o, blob, &len));
	attrs_free(&t);
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

/* A private half that could leave makes the public one useless for sensitive keys. */
static void
test_wrap_under_a_public_key_whose_private_half_could_leave(void)
{
	CK_RSA_PKCS_OAEP_PARAMS param = {CKM_SHA256, CKG_MGF1_SHA256, CKZ_DATA_SPECIFIED, NULL, 0};
	CK_MECHANISM oaep = {CKM_RSA_PKCS_OAEP, &param, sizeof(param)};
	struct object *pub, *priv, *o;
	struct attrs t = {0};
	uint8_t blob[256];
	CK_ULONG len = sizeof(blob);

	reset(&user);
	aes(&t, false);
	templ(&t, CKA_EXTRACTABLE, YES, CKA_SENSITIVE, YES, END);
	o = created(&t);
	rsa_pair(CKA_EXTRACTABLE, &pub, &priv);
	CHECK_RV(CKR_KEY_NOT_WRAPPABLE, make_wrap(&maker, &oaep, pub, o, blob, &len));
	object_put(pub);
	object_put(priv);
	object_put(o);
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
	aes(&t, false);
	templ(&t, CKA_EXTRACTABLE, YES, CKA_SENSITIVE, NO, END);
	o = created(&t);
	attrs_free(&t);
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

static CK_RV
derive(const CK_MECHANISM *mech, struct object *base, struct attrs *t, struct object **o)
{
	struct derived_key keys[DERIVED_MAX];
	size_t n = 0;
	CK_RV rv = make_derive(&maker, mech, base, t, keys, &n);

	if (rv == CKR_OK) {
		CHECK(n == 1 && keys[0].at == NULL);
		*o = keys[0].object;
	}
	return rv;
}

static void
test_derive(void)
{
	uint8_t point[65];
	CK_ECDH1_DERIVE_PARAMS param = {.kdf = CKD_NULL, .ulPublicDataLen = 65, .pPublicData = point};
	CK_MECHANISM ecdh = {CKM_ECDH1_DERIVE, &param, sizeof(param)};
	struct object *pub, *priv, *o = NULL;
	struct attrs t = {0};
	const struct attr *a;

	reset(&user);
	CHECK_RV(CKR_OK, ec_pair(false, false, &pub, &priv));
	a = attrs_get(&pub->attrs, CKA_EC_POINT);
	CHECK(a != NULL && a->len == 67);
	memcpy(point, a->value + 2, 65);
	templ(&t, CKA_EXTRACTABLE, YES, END); /* class and type are implied */
	CHECK_RV(CKR_OK, derive(&ecdh, priv, &t, &o));
	CHECK(object_class(o) == CKO_SECRET_KEY && object_key_type(o) == CKK_GENERIC_SECRET);
	CHECK(!object_hides(o, CKA_VALUE)); /* key agreement is the application's */
	CHECK(attrs_get(&o->attrs, CKA_VALUE)->len == 32);
	CHECK(attrs_ulong(&o->attrs, TKA_ORIGIN, 0) == ORIGIN_DERIVED);
	CHECK(!attrs_bool(&o->attrs, CKA_ALWAYS_SENSITIVE, true));
	object_put(o);
	o = NULL;
	attrs_free(&t);
	CHECK_RV(CKR_OK, derive(&ecdh, priv, &t, &o)); /* nothing said, a session's */
	CHECK(!object_hides(o, CKA_VALUE));
	object_put(o);
	o = NULL;
	templ(&t, CKA_EXTRACTABLE, NO, END);
	CHECK_RV(CKR_OK, derive(&ecdh, priv, &t, &o));
	CHECK(object_hides(o, CKA_VALUE));
	CHECK(attrs_bool(&o->attrs, CKA_ALWAYS_SENSITIVE, false)); /* as its base */
	CHECK(attrs_bool(&o->attrs, CKA_NEVER_EXTRACTABLE, false));
	object_put(o);
	o = NULL;
	CHECK_RV(CKR_KEY_TYPE_INCONSISTENT, derive(&ecdh, pub, &t, &o));
	attrs_free(&t);
	templ(&t, CKA_CLASS, CKO_PRIVATE_KEY, END);
	CHECK_RV(CKR_TEMPLATE_INCONSISTENT, derive(&ecdh, priv, &t, &o));
	CHECK(o == NULL && vault.commits == 0);
	object_put(pub);
	object_put(priv);
	attrs_free(&t);
}

int
main(void)
{
	CHECK_RV(CKR_OK, secret_start());
	test_create_commits_token_objects_only();
	test_copy_is_another_object();
	test_changed_is_a_new_version();
	test_destroyed();
	test_key();
	test_pair_is_one_commit();
	test_wrap_refuses_what_must_stay_even_the_length();
	test_wrap_and_unwrap();
	test_wrap_under_a_public_key_whose_private_half_could_leave();
	test_ledger();
	test_unwrap_with_cbc();
	test_wrap_under_a_public_key_asks_the_private_half();
	test_unwrap_with_pkcs1();
	test_wrap_and_unwrap_a_private_key();
	test_derive();
	return unit_done("test_make");
}
