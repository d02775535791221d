/* The calls that make objects: what is committed, in how many commits, and what is left when one fails.
 * The vault is replaced by a recorder that can refuse, so that every failure can be had. */
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "make_help.h"

static void
test_create_commits_token_objects_only(void)
{
	struct attrs t = {0};
	struct object *o;

	reset(&user);
	o = aes_key(&t, false);
	CHECK(vault.commits == 0 && o->handle == 0 && !o->token && o->private);
	object_put(o);
	o = aes_key(&t, true);
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
	o = aes_key(&t, false);
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
	o = aes_key(&t, true);
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
	o = aes_key(&t, true);
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

static CK_RV
rsa_of(CK_ULONG bits, struct object **pub, struct object **priv)
{
	CK_MECHANISM gen = {CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0};
	struct attrs pub_t = {0}, priv_t = {0};
	CK_RV rv;

	*pub = *priv = NULL;
	templ(&pub_t, CKA_MODULUS_BITS, bits, END);
	templ(&priv_t, CKA_EXTRACTABLE, YES, CKA_SENSITIVE, YES, END);
	rv = make_pair(&maker, &gen, &pub_t, &priv_t, pub, priv);
	attrs_free(&pub_t);
	attrs_free(&priv_t);
	return rv;
}

/* Short RSA keys are made under compat, or with legacy = yes; those that there are come in anywhere. */
static void
test_short_rsa_is_made_for_compat_only(void)
{
	CK_MECHANISM kwp = {CKM_AES_KEY_WRAP_KWP, NULL, 0};
	struct object *w, *pub, *priv, *back = NULL;
	struct attrs t = {0};
	uint8_t blob[1024];
	CK_ULONG len = sizeof(blob);

	reset(&user);
	w = wrapping_key(NULL);
	CHECK_RV(CKR_ATTRIBUTE_VALUE_INVALID, rsa_of(1024, &pub, &priv));
	CHECK_RV(CKR_ATTRIBUTE_VALUE_INVALID, rsa_of(2047, &pub, &priv));
	CHECK(mech_find_for(CKM_RSA_PKCS_KEY_PAIR_GEN, false)->min == 2048);
	CHECK(mech_find_for(CKM_RSA_PKCS_KEY_PAIR_GEN, true)->min == 1024);
	mech_set_legacy(true);
	CHECK(mech_find_for(CKM_RSA_PKCS_KEY_PAIR_GEN, false)->min == 1024);
	CHECK_RV(CKR_OK, rsa_of(1024, &pub, &priv));
	object_put(pub);
	object_put(priv);
	mech_set_legacy(false);
	CHECK_RV(CKR_ATTRIBUTE_VALUE_INVALID, rsa_of(1024, &pub, &priv));

	reset(&user_compat);
	CHECK_RV(CKR_ATTRIBUTE_VALUE_INVALID, rsa_of(1023, &pub, &priv));
	CHECK_RV(CKR_OK, rsa_of(1024, &pub, &priv));
	CHECK_RV(CKR_OK, make_wrap(&maker, &kwp, w, priv, blob, &len));
	reset(&user);
	templ(&t, CKA_CLASS, CKO_PRIVATE_KEY, CKA_KEY_TYPE, CKK_RSA, END);
	CHECK_RV(CKR_OK, make_unwrap(&maker, &kwp, w, blob, len, &t, &back));
	CHECK(attr_equal(attrs_get(&back->attrs, CKA_MODULUS), attrs_get(&pub->attrs, CKA_MODULUS)));
	object_put(back);
	object_put(w);
	object_put(pub);
	object_put(priv);
	attrs_free(&t);
}

/* ---- derivation ---- */

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
	test_short_rsa_is_made_for_compat_only();
	test_derive();
	return unit_done("test_make");
}
