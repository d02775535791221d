/*
 * Key encapsulation (PKCS#11 3.2, C_EncapsulateKey and C_DecapsulateKey): the calls, and the mechanisms of other
 * purpose that serve as KEMs
 *
 * CKM_ECDH1_DERIVE: the ciphertext is the public point of a pair that lives for this one call. RSA: the secret is random,
 * as long as the template says, and encrypted.
 */
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#include "key_material.h"
#include "mech_family.h"
#include "secret.h"
#include "why.h"

CK_RV
mech_encapsulate(const CK_MECHANISM *m, struct object *pub, uint8_t *out, size_t *out_len, struct attrs *key)
{
	const struct mech *row;
	size_t need = 0;
	CK_RV rv = mech_row_with(m, CKF_ENCAPSULATE, &row);

	if (rv == CKR_OK && out != NULL) {
		rv = row->family->encapsulate(m, row, pub, NULL, &need, key);
		if (rv == CKR_OK && *out_len < need) {
			*out_len = need;
			rv = CKR_BUFFER_TOO_SMALL;
		}
	}
	return rv == CKR_OK ? row->family->encapsulate(m, row, pub, out, out_len, key) : rv;
}

CK_RV
mech_decapsulate(const CK_MECHANISM *m, struct object *priv, const uint8_t *in, size_t n, struct attrs *key)
{
	const struct mech *row;
	CK_RV rv = mech_row_with(m, CKF_DECAPSULATE, &row);

	return rv == CKR_OK ? row->family->decapsulate(m, row, priv, in, n, key) : rv;
}

/* ---- ECDH ---- */

/* The agreement of C_DeriveKey with this point; the key's set goes through it and comes back. */
static CK_RV
agree(const CK_MECHANISM *m, const struct mech *row, struct object *priv, const uint8_t *point, size_t n,
	struct attrs *key)
{
	const CK_ECDH1_DERIVE_PARAMS *given = mech_param(m, sizeof(*given));
	CK_ECDH1_DERIVE_PARAMS p;
	CK_MECHANISM with = {m->mechanism, &p, sizeof(p)};
	struct derivation *d;
	CK_RV rv;

	if ((d = calloc(1, sizeof(*d))) == NULL)
		return CKR_HOST_MEMORY;
	p = *given;
	p.pPublicData = (uint8_t *)point;
	p.ulPublicDataLen = n;
	d->mech = &with;
	d->row = row;
	d->base = priv;
	d->n = 1;
	d->keys[0].set = *key;
	rv = row->family->derive(d);
	*key = d->keys[0].set;
	free(d);
	return rv;
}

/* 3.2: the public data is the ciphertext's, not the parameter's. */
static CK_RV
check_param(const CK_MECHANISM *m)
{
	const CK_ECDH1_DERIVE_PARAMS *p = mech_param(m, sizeof(*p));

	if (p == NULL)
		return mech_bad_param("CK_ECDH1_DERIVE_PARAMS is missing");
	if (p->ulPublicDataLen != 0)
		return mech_bad_param("the public data must be empty");
	return CKR_OK;
}

/* A private key that is nobody's object. */
static CK_RV
lend(const struct curve *c, EVP_PKEY *pkey, struct object *o)
{
	CK_RV rv;

	memset(o, 0, sizeof(*o));
	atomic_init(&o->refs, 1);
	pthread_mutex_init(&o->key_lock, NULL);
	if ((rv = attrs_set_ulong(&o->attrs, CKA_CLASS, CKO_PRIVATE_KEY)) == CKR_OK &&
		(rv = attrs_set_ulong(&o->attrs, CKA_KEY_TYPE, c->type)) == CKR_OK)
		rv = key_ec_put(&o->attrs, pkey, true);
	return rv;
}

static void
take_back(struct object *o)
{
	key_free(o->key);
	pthread_mutex_destroy(&o->key_lock);
	attrs_free(&o->attrs);
}

CK_RV
ecdh_encapsulate(const CK_MECHANISM *m, const struct mech *row, struct object *pub, uint8_t *out, size_t *out_len,
	struct attrs *key)
{
	uint8_t theirs[POINT_MAX];
	size_t n = sizeof(theirs);
	EVP_PKEY *pkey = NULL;
	struct object once;
	struct key *k;
	CK_RV rv;

	if ((rv = check_param(m)) != CKR_OK || (rv = key_get(pub, &k)) != CKR_OK)
		return rv;
	if ((k->type != row->keys[0] && k->type != row->keys[1]) || k->private)
		return CKR_KEY_TYPE_INCONSISTENT;
	if (out == NULL) {
		*out_len = k->curve->point;
		return CKR_OK;
	}
	if ((rv = ec_make(k->curve, &pkey)) != CKR_OK)
		return rv;
	if ((rv = lend(k->curve, pkey, &once)) == CKR_OK &&
		(rv = key_ec_point(k->pkey, k->curve, theirs, &n)) == CKR_OK &&
		(rv = key_ec_point(pkey, k->curve, out, out_len)) == CKR_OK)
		rv = agree(m, row, &once, theirs, n, key);
	take_back(&once);
	EVP_PKEY_free(pkey);
	return rv;
}

CK_RV
ecdh_decapsulate(const CK_MECHANISM *m, const struct mech *row, struct object *priv, const uint8_t *in, size_t n,
	struct attrs *key)
{
	CK_RV rv = check_param(m);

	if (rv == CKR_OK)
		rv = agree(m, row, priv, in, n, key);
	if (rv == CKR_MECHANISM_PARAM_INVALID && mech_param(m, sizeof(CK_ECDH1_DERIVE_PARAMS)) != NULL)
		rv = ((const CK_ECDH1_DERIVE_PARAMS *)m->pParameter)->ulPublicDataLen != 0 ? rv :
			why(CKR_WRAPPED_KEY_INVALID, "the ciphertext is no point of the key's curve");
	return rv;
}

/* ---- RSA ---- */

CK_RV
rsa_encapsulate(const CK_MECHANISM *m, const struct mech *row, struct object *pub, uint8_t *out, size_t *out_len,
	struct attrs *key)
{
	struct bytes secret = {0};
	struct key *k;
	size_t len;
	CK_RV rv;

	(void)row;
	if ((rv = key_get(pub, &k)) != CKR_OK)
		return rv;
	if (out == NULL) {
		*out_len = k->size;
		return CKR_OK;
	}
	if ((rv = secret_length(key, &len)) != CKR_OK || (rv = bytes_reserve(&secret, len)) != CKR_OK)
		return rv;
	if (RAND_priv_bytes(secret.data, (int)len) != 1)
		rv = mech_failed(CKR_FUNCTION_FAILED, "random numbers");
	else if ((rv = op_run(OP_ENCRYPT, m, pub, secret.data, len, out, out_len)) == CKR_DATA_LEN_RANGE)
		rv = why(CKR_KEY_SIZE_RANGE, "the RSA key is too short for a secret of %zu bytes", len);
	if (rv == CKR_OK)
		rv = secret_put(key, secret.data, len);
	bytes_free(&secret);
	return rv;
}

CK_RV
rsa_decapsulate(const CK_MECHANISM *m, const struct mech *row, struct object *priv, const uint8_t *in, size_t n,
	struct attrs *key)
{
	struct bytes secret = {0};
	struct key *k;
	size_t len;
	CK_RV rv;

	(void)row;
	if ((rv = key_get(priv, &k)) != CKR_OK || (rv = bytes_reserve(&secret, k->size)) != CKR_OK)
		return rv;
	len = k->size;
	if ((rv = op_run(OP_DECRYPT, m, priv, in, n, secret.data, &len)) == CKR_OK)
		rv = secret_put(key, secret.data, len);
	bytes_free(&secret);
	return rv;
}
