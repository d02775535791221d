/*
 * The key derivations of TLS 1.2 (RFC 5246, RFC 5705, RFC 7627; PKCS#11 3.1 6.40)
 *
 * Pre-master secret -> master secret -> the keys of a connection. The IVs of a connection leave the token; they are cut
 * from the same stream as its keys, and whoever asks for shorter keys gets key bits as IVs. So under the strict policy
 * a master secret that cannot be read gives no IVs: CKM_TLS12_KEY_SAFE_DERIVE is for it.
 */
#include <openssl/rand.h>
#include <string.h>

#include "mech_prf.h"
#include "mech_variant.h"
#include "why.h"

#define MASTER_SIZE 48
/* More than any cipher suite has, of one key, one MAC key or one IV. */
#define PART_MAX 1024

static const struct hash *
prf_hash(CK_MECHANISM_TYPE type)
{
	const struct hash *h = hash_of_digest(type);

	return hash_md(h) != NULL ? h : NULL;
}

static bool
good_randoms(const CK_SSL3_RANDOM_DATA *r)
{
	return r->pClientRandom != NULL && r->ulClientRandomLen > 0 && r->pServerRandom != NULL &&
		r->ulServerRandomLen > 0;
}

static CK_RV
add_text(struct bytes *seed, const char *label)
{
	return bytes_add(seed, label, strlen(label));
}

/* len bytes of PRF(base key, seed); the seed begins with the label. */
static CK_RV
stream(const struct derivation *d, const struct hash *h, const struct bytes *seed, struct bytes *out, size_t len)
{
	const uint8_t *base;
	struct prf f = {0};
	size_t base_len;
	CK_RV rv;

	if ((uint64_t)(len / h->size + 1) * (seed->len + 2 * PRF_MAX) > PRF_WORK_MAX)
		return mech_bad_param("label, randoms or context are too long for so much output");
	if ((rv = derive_base(d, &base, &base_len)) == CKR_OK && (rv = prf_hmac(&f, h, base, base_len)) == CKR_OK &&
		(rv = bytes_reserve(out, len)) == CKR_OK && (rv = prf_tls12(&f, seed, out->data, len)) == CKR_OK)
		out->len = len;
	prf_free(&f);
	return rv;
}

/* ---- the pre-master secret of RSA key exchange (PKCS#11 3.1 6.39.4) ---- */

static CK_RV
pre_master_generate(const CK_MECHANISM *m, const struct mech *row, struct attrs *key, struct cancel *c)
{
	const CK_VERSION *v = mech_param(m, sizeof(*v));
	uint8_t secret[MASTER_SIZE];
	CK_RV rv;

	(void)row;
	(void)c;
	if (v == NULL)
		return mech_bad_param("CK_VERSION is missing");
	if (RAND_priv_bytes(secret, sizeof(secret)) != 1)
		return mech_failed(CKR_FUNCTION_FAILED, "random numbers");
	secret[0] = v->major;
	secret[1] = v->minor;
	rv = secret_put(key, secret, sizeof(secret));
	wipe(secret, sizeof(secret));
	return rv;
}

static CK_RV
pre_master_imply(const struct mech *row, const struct attrs *templ, struct attrs *key)
{
	CK_RV rv = attrs_set_ulong(key, CKA_CLASS, CKO_SECRET_KEY);

	(void)row;
	(void)templ;
	if (rv == CKR_OK)
		rv = attrs_set_ulong(key, CKA_KEY_TYPE, CKK_GENERIC_SECRET);
	return rv == CKR_OK ? attrs_set_ulong(key, CKA_VALUE_LEN, MASTER_SIZE) : rv;
}

static const struct mech_family family_tls_pre_master = {.generate = pre_master_generate, .imply = pre_master_imply};

/* ---- the master secret ---- */

static const CK_MECHANISM_TYPE of_master[] = {CKM_TLS12_KEY_AND_MAC_DERIVE, CKM_TLS12_KEY_SAFE_DERIVE, CKM_TLS_KDF,
	CKM_TLS_MAC, CKM_TLS12_KDF, CKM_TLS12_MAC};
/* What the template leaves out is as in the base key, so that what was not secret before gives usable keys. */
static const CK_ATTRIBUTE_TYPE secrecy[] = {CKA_SENSITIVE, CKA_EXTRACTABLE};

static CK_RV
master_plan(struct derivation *d)
{
	struct derived *key = &d->keys[0];
	CK_RV rv = derive_secret(key);

	if (rv == CKR_OK)
		rv = attrs_set_ulong(&key->implied, CKA_KEY_TYPE, CKK_GENERIC_SECRET);
	if (rv == CKR_OK)
		rv = attrs_set_ulong(&key->implied, CKA_VALUE_LEN, MASTER_SIZE);
	if (rv == CKR_OK)
		rv = attrs_set(&key->implied, CKA_ALLOWED_MECHANISMS, of_master, sizeof(of_master));
	return rv == CKR_OK ? derive_inherit(key, d->base, secrecy, 2) : rv;
}

/* TLS 1.x or DTLS 1.x */
static bool
is_version(const uint8_t *v)
{
	return (v[0] == 3 && v[1] <= 4) || (v[0] == 254 && v[1] >= 252);
}

/* The version in an RSA pre-master secret goes to the application; one of Diffie-Hellman has none. Of a secret that is
 * none of these it would be two bytes of a key. */
static CK_RV
tell_version(const struct derivation *d, CK_VERSION *v)
{
	bool dh = d->row->variant == TLS_MASTER_DH || d->row->variant == TLS_EXTENDED_MASTER_DH;
	const uint8_t *base;
	size_t len;
	CK_RV rv = derive_base(d, &base, &len);

	if (rv != CKR_OK)
		return rv;
	if (dh)
		return v == NULL ? CKR_OK : mech_bad_param("a Diffie-Hellman secret has no version");
	if (v != NULL && !d->compat && object_hides(d->base, CKA_VALUE) && !is_version(base))
		return why(CKR_KEY_TYPE_INCONSISTENT, "not a pre-master secret: it does not begin with a version");
	if (v != NULL) /* 48 bytes, says the row */
		*v = (CK_VERSION){base[0], base[1]};
	return CKR_OK;
}

/* Label and seed, the hash and the place for the version, from either structure. */
static CK_RV
master_seed(const struct derivation *d, struct bytes *seed, const struct hash **h, CK_VERSION **v)
{
	const CK_TLS12_EXTENDED_MASTER_KEY_DERIVE_PARAMS *e = mech_param(d->mech, sizeof(*e));
	const CK_TLS12_MASTER_KEY_DERIVE_PARAMS *p = mech_param(d->mech, sizeof(*p));
	bool extended = d->row->variant == TLS_EXTENDED_MASTER || d->row->variant == TLS_EXTENDED_MASTER_DH;
	CK_RV rv;

	if (extended ? e == NULL || e->pSessionHash == NULL || e->ulSessionHashLen == 0 :
		p == NULL || !good_randoms(&p->RandomInfo))
		return mech_bad_param("randoms, or the hash of the session");
	*h = prf_hash(extended ? e->prfHashMechanism : p->prfHashMechanism);
	*v = extended ? e->pVersion : p->pVersion;
	if (*h == NULL)
		return mech_bad_param("the hash function is not supported");
	if ((rv = add_text(seed, extended ? "extended master secret" : "master secret")) != CKR_OK)
		return rv;
	if (extended)
		return bytes_add(seed, e->pSessionHash, e->ulSessionHashLen);
	rv = bytes_add(seed, p->RandomInfo.pClientRandom, p->RandomInfo.ulClientRandomLen);
	return rv == CKR_OK ? bytes_add(seed, p->RandomInfo.pServerRandom, p->RandomInfo.ulServerRandomLen) : rv;
}

static CK_RV
master_derive(struct derivation *d)
{
	struct bytes seed = {0}, out = {0};
	const struct hash *h = NULL;
	CK_VERSION *v = NULL;
	CK_RV rv;

	if ((rv = master_seed(d, &seed, &h, &v)) == CKR_OK && (rv = tell_version(d, v)) == CKR_OK &&
		(rv = stream(d, h, &seed, &out, MASTER_SIZE)) == CKR_OK)
		rv = derive_put(&d->keys[0], out.data, out.len);
	bytes_free(&seed);
	bytes_free(&out);
	return rv;
}

static const struct mech_family family_tls_master = {.plan = master_plan, .derive = master_derive};

/* ---- the keys of a connection (RFC 5246 6.3) ---- */

static CK_RV
check_key_mat(const struct derivation *d, const CK_TLS12_KEY_MAT_PARAMS *p)
{
	bool ivs = d->row->variant == TLS_KEY_AND_MAC && p != NULL && p->ulIVSizeInBits > 0;

	if (p == NULL || p->pReturnedKeyMaterial == NULL || !good_randoms(&p->RandomInfo))
		return mech_bad_param("CK_TLS12_KEY_MAT_PARAMS, its randoms or the place for what comes out is missing");
	if (p->bIsExport || prf_hash(p->prfHashMechanism) == NULL)
		return mech_bad_param("export keys, or an unknown hash function");
	if (p->ulMacSizeInBits % 8 != 0 || p->ulKeySizeInBits % 8 != 0 || p->ulIVSizeInBits % 8 != 0 ||
		p->ulMacSizeInBits > 8 * PART_MAX || p->ulKeySizeInBits > 8 * PART_MAX ||
		(ivs && p->ulIVSizeInBits > 8 * PART_MAX) || p->ulMacSizeInBits + p->ulKeySizeInBits == 0)
		return mech_bad_param("the sizes of keys and IVs");
	if (ivs && (p->pReturnedKeyMaterial->pIVClient == NULL || p->pReturnedKeyMaterial->pIVServer == NULL))
		return mech_bad_param("no place for the IVs");
	if (ivs && !d->compat && object_hides(d->base, CKA_VALUE))
		return why(CKR_KEY_FUNCTION_NOT_PERMITTED,
			"IVs are not derived from a key whose value must not be read (strict policy)");
	return CKR_OK;
}

/* PKCS#11 3.1 6.40.7: all inherit these from the base key, and no template may say otherwise. */
static CK_RV
inherit_secrecy(struct derived *key, const struct object *base)
{
	CK_RV rv = attrs_set_bool(&key->implied, CKA_SENSITIVE, attrs_bool(&base->attrs, CKA_SENSITIVE, true));

	return rv == CKR_OK ? attrs_set_bool(&key->implied, CKA_EXTRACTABLE,
		attrs_bool(&base->attrs, CKA_EXTRACTABLE, false)) : rv;
}

static CK_RV
plan_mac_key(const struct derivation *d, struct derived *key, const struct attrs *templ, size_t len)
{
	static const CK_ATTRIBUTE_TYPE kept[] = {CKA_TOKEN, CKA_PRIVATE, CKA_MODIFIABLE, CKA_LABEL, CKA_DESTROYABLE,
		CKA_COPYABLE};
	const struct attr *a;
	CK_RV rv = CKR_OK;

	/* of the template only what says where the object belongs: the rest speaks of the ciphers' keys */
	for (size_t i = 0; rv == CKR_OK && i < sizeof(kept) / sizeof(kept[0]); i++)
		if ((a = attrs_get(templ, kept[i])) != NULL)
			rv = attrs_set_attr(&key->templ, a);
	if (rv == CKR_OK)
		rv = attrs_set_bool(&key->templ, CKA_SIGN, true);
	if (rv == CKR_OK)
		rv = attrs_set_bool(&key->templ, CKA_VERIFY, true);
	if (rv == CKR_OK)
		rv = derive_secret(key);
	if (rv == CKR_OK)
		rv = attrs_set_ulong(&key->implied, CKA_VALUE_LEN, len);
	return rv == CKR_OK ? inherit_secrecy(key, d->base) : rv;
}

static CK_RV
plan_cipher_key(const struct derivation *d, struct derived *key, const struct attrs *templ, size_t len)
{
	static const CK_ATTRIBUTE_TYPE uses[] = {CKA_ENCRYPT, CKA_DECRYPT, CKA_DERIVE};
	CK_RV rv = attrs_copy(&key->templ, templ);

	if (rv == CKR_OK)
		rv = derive_secret(key);
	if (rv == CKR_OK && secret_has_length(attrs_ulong(&key->templ, CKA_KEY_TYPE, CKK_GENERIC_SECRET)))
		rv = attrs_set_ulong(&key->implied, CKA_VALUE_LEN, len);
	for (size_t i = 0; rv == CKR_OK && i < sizeof(uses) / sizeof(uses[0]); i++)
		rv = attrs_set_bool(&key->defaults, uses[i], true);
	return rv == CKR_OK ? inherit_secrecy(key, d->base) : rv;
}

/* In the order in which they are cut from the stream: the MAC keys, then the ciphers' keys. */
static CK_RV
plan_keys(struct derivation *d, const CK_TLS12_KEY_MAT_PARAMS *p, const struct attrs *templ)
{
	CK_SSL3_KEY_MAT_OUT *out = p->pReturnedKeyMaterial;
	CK_OBJECT_HANDLE *places[] = {&out->hClientMacSecret, &out->hServerMacSecret, &out->hClientKey,
		&out->hServerKey};
	struct derived *key;
	CK_RV rv = CKR_OK;

	d->n = 0;
	for (size_t i = 0; rv == CKR_OK && i < 4; i++) {
		size_t len = (i < 2 ? p->ulMacSizeInBits : p->ulKeySizeInBits) / 8;

		*places[i] = CK_INVALID_HANDLE;
		if (len == 0)
			continue;
		if ((rv = derive_further(d, &key)) == CKR_OK)
			rv = i < 2 ? plan_mac_key(d, key, templ, len) : plan_cipher_key(d, key, templ, len);
		if (rv == CKR_OK)
			key->at = places[i];
	}
	return rv;
}

static CK_RV
key_mat_plan(struct derivation *d)
{
	const CK_TLS12_KEY_MAT_PARAMS *p = mech_param(d->mech, sizeof(*p));
	struct attrs templ = d->keys[0].templ;
	CK_RV rv = check_key_mat(d, p);

	if (rv != CKR_OK)
		return rv;
	d->keys[0].templ = (struct attrs){0}; /* transferred: each key gets its own */
	rv = plan_keys(d, p, &templ);
	attrs_free(&templ);
	return rv;
}

static CK_RV
key_mat_derive(struct derivation *d)
{
	const CK_TLS12_KEY_MAT_PARAMS *p = d->mech->pParameter;
	size_t mac = p->ulMacSizeInBits / 8, key = p->ulKeySizeInBits / 8;
	size_t iv = d->row->variant == TLS_KEY_AND_MAC ? p->ulIVSizeInBits / 8 : 0;
	struct bytes seed = {0}, block = {0};
	const uint8_t *at;
	CK_RV rv;

	if ((rv = add_text(&seed, "key expansion")) == CKR_OK &&
		(rv = bytes_add(&seed, p->RandomInfo.pServerRandom, p->RandomInfo.ulServerRandomLen)) == CKR_OK &&
		(rv = bytes_add(&seed, p->RandomInfo.pClientRandom, p->RandomInfo.ulClientRandomLen)) == CKR_OK)
		rv = stream(d, prf_hash(p->prfHashMechanism), &seed, &block, 2 * (mac + key + iv));
	at = block.data;
	for (size_t i = 0; rv == CKR_OK && i < d->n; i++) {
		size_t len = mac > 0 && i < 2 ? mac : key;

		rv = derive_put(&d->keys[i], at, len);
		at += len;
	}
	if (rv == CKR_OK && iv > 0) {
		memcpy(p->pReturnedKeyMaterial->pIVClient, at, iv);
		memcpy(p->pReturnedKeyMaterial->pIVServer, at + iv, iv);
	}
	bytes_free(&seed);
	bytes_free(&block);
	return rv;
}

static const struct mech_family family_tls_keys = {.plan = key_mat_plan, .derive = key_mat_derive};

/* ---- exported keying material (RFC 5705 4) ---- */

static CK_RV
kdf_plan(struct derivation *d)
{
	CK_RV rv = derive_secret(&d->keys[0]);

	return rv == CKR_OK ? derive_inherit(&d->keys[0], d->base, secrecy, 2) : rv;
}

/* RFC 5705 4: what TLS itself makes of the master secret is nothing to be exported; a key that is also the MAC of a finished
 * message would be told by C_Sign. The label is looked for in the whole seed: where a label ends, the stream does not
 * tell. */
static CK_RV
check_label(const struct bytes *seed)
{
	static const char *const reserved[] = {"client finished", "server finished", "master secret",
		"extended master secret", "key expansion"};

	for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++)
		if (seed->len >= strlen(reserved[i]) && memcmp(seed->data, reserved[i], strlen(reserved[i])) == 0)
			return mech_bad_param("the label is one of TLS's own");
	return CKR_OK;
}

static CK_RV
kdf_seed(const CK_TLS_KDF_PARAMS *p, struct bytes *seed)
{
	uint8_t len[2];
	CK_RV rv;

	if ((rv = bytes_add(seed, p->pLabel, p->ulLabelLength)) != CKR_OK ||
		(rv = bytes_add(seed, p->RandomInfo.pClientRandom, p->RandomInfo.ulClientRandomLen)) != CKR_OK ||
		(rv = bytes_add(seed, p->RandomInfo.pServerRandom, p->RandomInfo.ulServerRandomLen)) != CKR_OK ||
		p->pContextData == NULL)
		return rv;
	len[0] = (uint8_t)(p->ulContextDataLength >> 8);
	len[1] = (uint8_t)p->ulContextDataLength;
	rv = bytes_add(seed, len, sizeof(len));
	return rv == CKR_OK ? bytes_add(seed, p->pContextData, p->ulContextDataLength) : rv;
}

static CK_RV
kdf_derive(struct derivation *d)
{
	const CK_TLS_KDF_PARAMS *p = mech_param(d->mech, sizeof(*p));
	struct bytes seed = {0}, out = {0};
	size_t len;
	CK_RV rv;

	if (p == NULL || p->pLabel == NULL || p->ulLabelLength == 0 || !good_randoms(&p->RandomInfo) ||
		(p->pContextData == NULL && p->ulContextDataLength > 0) || p->ulContextDataLength > 0xFFFF)
		return mech_bad_param("CK_TLS_KDF_PARAMS, its label, randoms or context");
	if (prf_hash(p->prfMechanism) == NULL)
		return mech_bad_param("the hash function is not supported");
	if ((rv = derive_length(&d->keys[0], SECRET_MAX, &len)) == CKR_OK && (rv = kdf_seed(p, &seed)) == CKR_OK &&
		(rv = check_label(&seed)) == CKR_OK &&
		(rv = stream(d, prf_hash(p->prfMechanism), &seed, &out, len)) == CKR_OK)
		rv = derive_put(&d->keys[0], out.data, out.len);
	bytes_free(&seed);
	bytes_free(&out);
	return rv;
}

static const struct mech_family family_tls_kdf = {.plan = kdf_plan, .derive = kdf_derive};

#define GENERIC KEYS1(CKK_GENERIC_SECRET)
#define TLS(type, min, max, variant, family) {type, CKF_DERIVE, min, max, GENERIC, NULL, variant, family}
static const struct mech rows[] = {
	{CKM_TLS_PRE_MASTER_KEY_GEN, CKF_GENERATE, MASTER_SIZE, MASTER_SIZE, GENERIC, NULL, 0, &family_tls_pre_master},
	TLS(CKM_TLS12_MASTER_KEY_DERIVE, MASTER_SIZE, MASTER_SIZE, TLS_MASTER, &family_tls_master),
	TLS(CKM_TLS12_MASTER_KEY_DERIVE_DH, 1, SECRET_MAX, TLS_MASTER_DH, &family_tls_master),
	TLS(CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE, MASTER_SIZE, MASTER_SIZE, TLS_EXTENDED_MASTER, &family_tls_master),
	TLS(CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE_DH, 1, SECRET_MAX, TLS_EXTENDED_MASTER_DH, &family_tls_master),
	TLS(CKM_TLS12_KEY_AND_MAC_DERIVE, MASTER_SIZE, MASTER_SIZE, TLS_KEY_AND_MAC, &family_tls_keys),
	TLS(CKM_TLS12_KEY_SAFE_DERIVE, MASTER_SIZE, MASTER_SIZE, TLS_KEY_SAFE, &family_tls_keys),
	TLS(CKM_TLS_KDF, 1, SECRET_MAX, 0, &family_tls_kdf),
	TLS(CKM_TLS12_KDF, 1, SECRET_MAX, 0, &family_tls_kdf),
};
const struct mech_rows mech_tls_rows = {MECH_ROWS(rows)};
