/*
 * limits.c - C_GetMechanismInfo tells the truth
 *
 * A flag that is not set is refused for a key that otherwise fits. Keys of the smallest and the
 * largest size work, those just outside do not come into being, or are refused at C_*Init.
 */
#include "cross.h"

static const CK_FLAGS inits[] = {CKF_ENCRYPT, CKF_DECRYPT, CKF_SIGN, CKF_VERIFY,
	CKF_SIGN_RECOVER, CKF_VERIFY_RECOVER, CKF_MESSAGE_ENCRYPT, CKF_MESSAGE_DECRYPT,
	CKF_MESSAGE_SIGN, CKF_MESSAGE_VERIFY};

static CK_RV
make_secret(const struct proof *p, CK_ULONG size, CK_OBJECT_HANDLE *pub, CK_OBJECT_HANDLE *priv)
{
	CK_KEY_TYPE type =
		p->key == CKK_DES3 && size == 16 ? CKK_DES2 : p->key; /* 3DES with two keys */
	CK_RV rv = key_secret(type, secret_value_of(type, size), USE_SECRET, pub);

	*priv = *pub;
	return rv;
}

CK_RV
make_none(const struct proof *p, CK_ULONG size, CK_OBJECT_HANDLE *pub, CK_OBJECT_HANDLE *priv)
{
	(void)pub, (void)priv;
	return (p->size > 0 ? size == p->size : size >= 1 && size <= 65536)
		       ? CKR_OK
		       : CKR_KEY_SIZE_RANGE;
}

static CK_RV
make(const struct proof *p, CK_ULONG size, CK_OBJECT_HANDLE *pub, CK_OBJECT_HANDLE *priv)
{
	*pub = *priv = 0;
	return (p->make != NULL ? p->make : make_secret)(p, size, pub, priv);
}

static CK_OBJECT_HANDLE
half(CK_FLAGS flag, CK_OBJECT_HANDLE pub, CK_OBJECT_HANDLE priv)
{
	return (flag & (USE_PUBLIC | CKF_MESSAGE_ENCRYPT | CKF_MESSAGE_VERIFY)) != 0 ? pub
										     : priv;
}

static bool
refused(CK_RV rv)
{
	return rv == CKR_MECHANISM_INVALID || rv == CKR_KEY_TYPE_INCONSISTENT ||
	       rv == CKR_KEY_FUNCTION_NOT_PERMITTED ||
	       rv == CKR_WRAPPING_KEY_TYPE_INCONSISTENT ||
	       rv == CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT;
}

static bool has_param; /* without one, a mechanism that needs it may say so first */

static void
must_refuse(const char *what, CK_RV rv)
{
	checks++;
	if (!refused(rv) && (has_param || rv != CKR_MECHANISM_PARAM_INVALID))
		fail("%s is no flag of it, and gave 0x%lx", what, rv);
}

/* Calls of 3.2 that no C_*Init comes before. */
static void
refuse_modern(CK_MECHANISM *m, CK_OBJECT_HANDLE pub, CK_OBJECT_HANDLE priv,
	CK_OBJECT_HANDLE target, struct templ *t)
{
	CK_BYTE text[256] = {0}, aad[1] = {0};
	CK_ULONG n = sizeof(text);
	CK_OBJECT_HANDLE made;
	bool seals = false;

	for (size_t i = 0; i < proofs_seal.n; i++)
		seals |= proofs_seal.rows[i].type == m->mechanism;
	if (!claims(CKF_VERIFY) && pub != 0)
		must_refuse("C_VerifySignatureInit",
			f3->C_VerifySignatureInit(session, m, pub, text, 64));
	if (!claims(CKF_ENCAPSULATE) && pub != 0)
		must_refuse("encapsulation",
			f3->C_EncapsulateKey(session, m, pub, t->a, t->n, text, &n, &made));
	if (!claims(CKF_DECAPSULATE) && priv != 0)
		must_refuse("decapsulation",
			f3->C_DecapsulateKey(session, m, priv, t->a, t->n, text, 64, &made));
	/* the parameter is the other calls': it must not be read as a message's that is as long
	 */
	n = sizeof(text);
	if (!seals && pub != 0)
		must_refuse("C_WrapKeyAuthenticated",
			f3->C_WrapKeyAuthenticated(session, m, pub, target, aad, 1, text, &n));
	if (!seals && priv != 0)
		must_refuse("C_UnwrapKeyAuthenticated",
			f3->C_UnwrapKeyAuthenticated(
				session, m, priv, text, 64, t->a, t->n, aad, 1, &made));
}

static void
refuse_key_flags(CK_MECHANISM *m, CK_OBJECT_HANDLE pub, CK_OBJECT_HANDLE priv)
{
	CK_OBJECT_HANDLE target = 0, made;
	CK_BYTE blob[256] = {0};
	CK_ULONG n = sizeof(blob);
	struct templ t = {.n = 0};

	for (size_t i = 0; i < NELEMS(inits); i++)
		if (!claims(inits[i]) && half(inits[i], pub, priv) != 0)
			must_refuse("a use", try_init(inits[i], m, half(inits[i], pub, priv)));
	if (key_secret(CKK_GENERIC_SECRET, blob_random(16), CKF_SIGN, &target) != CKR_OK)
		return;
	templ_key(&t, CKO_SECRET_KEY, CKK_GENERIC_SECRET, CKF_SIGN);
	if (!claims(CKF_WRAP) && pub != 0)
		must_refuse("wrapping", f->C_WrapKey(session, m, pub, target, blob, &n));
	if (!claims(CKF_UNWRAP) && priv != 0)
		must_refuse("unwrapping",
			f->C_UnwrapKey(session, m, priv, blob, 128, t.a, t.n, &made));
	templ_ulong(&t, CKA_VALUE_LEN, 16);
	if (!claims(CKF_DERIVE) && priv != 0)
		must_refuse("derivation", f->C_DeriveKey(session, m, priv, t.a, t.n, &made));
	refuse_modern(m, pub, priv, target, &t);
}

static void
refuse_keyless_flags(CK_MECHANISM *m)
{
	struct templ t = {.n = 0}, u = {.n = 0};
	CK_OBJECT_HANDLE a, b;

	templ_ulong(&t, CKA_VALUE_LEN, 16);
	if (!claims(CKF_DIGEST))
		must_refuse("digesting", try_init(CKF_DIGEST, m, 0));
	if (!claims(CKF_GENERATE))
		must_refuse("generation", f->C_GenerateKey(session, m, t.a, t.n, &a));
	t.n = 0;
	templ_ulong(&t, CKA_MODULUS_BITS, 2048);
	if (!claims(CKF_GENERATE_KEY_PAIR))
		must_refuse("generation of a pair",
			f->C_GenerateKeyPair(session, m, t.a, t.n, u.a, u.n, &a, &b));
}

/* The first use that the mechanism has, with the key that was made. */
static CK_RV
use_it(CK_MECHANISM *m, CK_OBJECT_HANDLE pub, CK_OBJECT_HANDLE priv)
{
	for (size_t i = 0; i < NELEMS(inits); i++)
		if (claims(inits[i]) && half(inits[i], pub, priv) != 0)
			return try_init(inits[i], m, half(inits[i], pub, priv));
	return CKR_OK;
}

static CK_RV
make_and_use(const struct proof *p, CK_ULONG size, CK_MECHANISM *m)
{
	CK_OBJECT_HANDLE pub, priv;
	CK_RV rv = make(p, size, &pub, &priv);

	if (rv == CKR_OK && !claims(CKF_GENERATE | CKF_GENERATE_KEY_PAIR))
		rv = use_it(m, pub, priv);
	return rv;
}

/* Sizes are exact: the keys at both ends work, those one step outside do not. */
static void
prove_sizes(const struct proof *p, const CK_MECHANISM_INFO *info, CK_MECHANISM *m)
{
	CK_RV rv;

	is_ok("a key of the smallest size", make_and_use(p, info->ulMinKeySize, m));
	is_ok("a key of the largest size", make_and_use(p, info->ulMaxKeySize, m));
	checks += 2;
	if (info->ulMinKeySize > 1 && make_and_use(p, info->ulMinKeySize - 1, m) == CKR_OK)
		fail("a key of size %lu, below the smallest, works", info->ulMinKeySize - 1);
	rv = make_and_use(p, info->ulMaxKeySize + 1, m);
	if (rv == CKR_OK)
		fail("a key of size %lu, above the largest, works", info->ulMaxKeySize + 1);
}

void
prove_limits(const struct proof *p, const CK_MECHANISM_INFO *info)
{
	CK_MECHANISM m = {p->type, NULL, 0};
	CK_OBJECT_HANDLE pub, priv;

	if (p->param != NULL)
		p->param(p, &m, 64);
	has_param = m.pParameter != NULL;
	checks++;
	if (info->ulMinKeySize > info->ulMaxKeySize)
		fail("the smallest key has %lu, the largest %lu", info->ulMinKeySize,
			info->ulMaxKeySize);
	refuse_keyless_flags(&m);
	if (claims(CKF_DIGEST)) {
		checks++;
		if (key_secret(CKK_GENERIC_SECRET, blob_random(16), USE_SECRET, &pub) == CKR_OK)
			refuse_key_flags(&m, pub, pub);
		return;
	}
	if (is_ok("a key for refusals", make(p, info->ulMinKeySize, &pub, &priv)))
		refuse_key_flags(&m, pub, priv);
	/* what only derives or wraps, by a parameter that says how, has shown above what it
	 * takes */
	if (info->ulMaxKeySize > 0 && claims(USE_CRYPT | USE_SIGN | USE_RECOVER | CKF_GENERATE |
					      CKF_GENERATE_KEY_PAIR))
		prove_sizes(p, info, &m);
}
