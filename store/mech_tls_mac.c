/*
 * The MAC of TLS 1.2's finished message (RFC 5246 7.4.9, PKCS#11 3.1 6.40.3): CKM_TLS_MAC
 *
 * The data is what RFC 5246 calls the hash of the handshake messages. The pseudo-random function of TLS 1.0 and 1.1,
 * which is MD5's and SHA-1's, is not here.
 */
#include <string.h>

#include "mech_prf.h"

#define LEAST 12
#define DATA_MAX (64u << 10)

static const char *
label_of(CK_ULONG who)
{
	return who == 1 ? "server finished" : who == 2 ? "client finished" : NULL;
}

static CK_RV
tls_mac_begin(struct op *op, const CK_MECHANISM *m)
{
	const CK_TLS_MAC_PARAMS *p = mech_param(m, sizeof(*p));

	if (p == NULL || label_of(p->ulServerOrClient) == NULL)
		return mech_bad_param("CK_TLS_MAC_PARAMS is missing, or the side of the connection");
	if (p->ulMacLength < LEAST || p->ulMacLength > MAC_MAX)
		return mech_bad_param("the length of the MAC");
	op->hash = hash_of_digest(p->prfHashMechanism);
	if (hash_md(op->hash) == NULL)
		return mech_bad_param("the hash function is not supported");
	op->input = INPUT_GATHER;
	op->exact = true;
	op->size = p->ulMacLength;
	op->max_in = DATA_MAX;
	op->iv[0] = (uint8_t)p->ulServerOrClient;
	return CKR_OK;
}

static uint64_t
tls_mac_total(const struct op *op, uint64_t fed, bool final)
{
	(void)fed;
	return final ? op->size : 0;
}

static CK_RV
tls_mac_whole(struct op *op, const uint8_t *in, size_t n, uint8_t *out, size_t *out_len)
{
	const char *label = label_of(op->iv[0]);
	struct bytes seed = {0};
	struct prf f = {0};
	CK_RV rv;

	if ((rv = bytes_add(&seed, label, strlen(label))) == CKR_OK && (rv = bytes_add(&seed, in, n)) == CKR_OK &&
		(rv = prf_hmac(&f, op->hash, op->key->value, op->key->len)) == CKR_OK &&
		(rv = prf_tls12(&f, &seed, out, op->size)) == CKR_OK)
		*out_len = op->size;
	prf_free(&f);
	bytes_free(&seed);
	return rv;
}

static const struct mech_family family_tls_mac = {.begin = tls_mac_begin, .total = tls_mac_total, .whole = tls_mac_whole};

#define MAC(type) {type, SIGN, 1, SECRET_MAX, KEYS1(CKK_GENERIC_SECRET), NULL, 0, &family_tls_mac}
static const struct mech rows[] = {
	MAC(CKM_TLS_MAC),
	MAC(CKM_TLS12_MAC),
};
const struct mech_rows mech_tls_mac_rows = {MECH_ROWS(rows)};
