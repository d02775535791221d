/* The table of mechanisms, gathered from their families, and the calls that make keys by it. */
#include "mech.h"

#include <openssl/err.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "mech_family.h"
#include "why.h"

/* ---- gathering ---- */

/* The rows of every family; a file with rows has its line here. */
static const struct mech_rows *const families[] = {
	&mech_hash_rows,
	&mech_mac_rows,
	&mech_otp_rows,
	&mech_secret_rows,
	&mech_rsa_key_rows,
	&mech_rsa_rows,
	&mech_ec_rows,
	&mech_dh_rows,
	&mech_dsa_rows,
	&mech_pq_key_rows,
	&mech_ml_kem_rows,
	&mech_ml_dsa_rows,
	&mech_ecdh_rows,
	&mech_kdf_hash_rows,
	&mech_hkdf_rows,
	&mech_pbkd2_rows,
	&mech_sp800_108_rows,
	&mech_tls_rows,
	&mech_tls_mac_rows,
	&mech_concat_rows,
	&mech_encrypt_data_rows,
	&mech_public_rows,
	&mech_rsa_aes_wrap_rows,
	&mech_ecdh_aes_wrap_rows,
	&mech_aes_rows,
	&mech_aead_rows,
	&mech_chacha_rows,
	&mech_des_rows,
	&mech_blake2_rows,
	&mech_sha512_t_rows,
	&mech_cbc_mac_rows,
	&mech_legacy_rows,
	&mech_aes_wrap_rows,
};

/* What is there, in the order of the numbers: mech_find halves. */
#define MECHS_MAX 512
static const struct mech *table[MECHS_MAX];
static size_t n_table;
/* The MECH_SHORT rows, while legacy is off. */
#define SHORT_MAX 8
static const struct mech *short_rows[SHORT_MAX];
static size_t n_short;
static bool legacy;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static bool
is_there(const struct mech *row)
{
	if (row->when == MECH_LEGACY && !legacy)
		return false;
	return row->family->there == NULL || row->family->there(row);
}

static void
insert(const struct mech *row)
{
	size_t at = n_table;

	if (row->when == MECH_SHORT && !legacy) {
		if (n_short == SHORT_MAX)
			abort();
		short_rows[n_short++] = row;
		return;
	}
	while (at > 0 && table[at - 1]->type > row->type)
		at--;
	if (at > 0 && table[at - 1]->type == row->type) {
		if (row->when == MECH_LEGACY || row->when == MECH_SHORT)
			table[at - 1] = row;
		return;
	}
	if (n_table == MECHS_MAX)
		abort(); /* more rows than the table was made for: seen at the first start after the change */
	memmove(&table[at + 1], &table[at], (n_table - at) * sizeof(table[0]));
	table[at] = row;
	n_table++;
}

static void
gather(void)
{
	n_table = n_short = 0;
	for (size_t f = 0; f < sizeof(families) / sizeof(families[0]); f++)
		for (size_t i = 0; i < families[f]->n; i++)
			if (is_there(&families[f]->rows[i]))
				insert(&families[f]->rows[i]);
}

const struct mech *
mech_row(size_t i)
{
	for (size_t f = 0; f < sizeof(families) / sizeof(families[0]); f++) {
		if (i < families[f]->n)
			return &families[f]->rows[i];
		i -= families[f]->n;
	}
	return NULL;
}

void
mech_set_legacy(bool on)
{
	pthread_once(&once, gather);
	if (legacy == on)
		return;
	legacy = on;
	gather();
}

bool
mech_offered(const struct mech *row, bool compat)
{
	return row->when != MECH_COMPAT || compat;
}

CK_FLAGS
mech_flags(const struct mech *row, bool compat)
{
	return row->type == CKM_RSA_PKCS && !compat ? row->flags & ~(CK_FLAGS)KEM : row->flags;
}

size_t
mech_count(void)
{
	pthread_once(&once, gather);
	return n_table;
}

const struct mech *
mech_at(size_t i)
{
	return i < mech_count() ? table[i] : NULL;
}

const struct mech *
mech_find(CK_MECHANISM_TYPE type)
{
	size_t low = 0, high = mech_count(), mid;

	while (low < high) {
		mid = (low + high) / 2;
		if (table[mid]->type == type)
			return table[mid];
		if (table[mid]->type < type)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

const struct mech *
mech_find_for(CK_MECHANISM_TYPE type, bool compat)
{
	const struct mech *row = mech_find(type);

	for (size_t i = 0; compat && i < n_short; i++)
		if (short_rows[i]->type == type)
			return short_rows[i];
	return row;
}

const void *
mech_param(const CK_MECHANISM *m, size_t size)
{
	return m->pParameter != NULL && m->ulParameterLen == size ? m->pParameter : NULL;
}

bool
mech_no_param(const CK_MECHANISM *m)
{
	return m->pParameter == NULL || m->ulParameterLen == 0;
}

CK_RV
mech_bad_param(const char *what)
{
	return why(CKR_MECHANISM_PARAM_INVALID, "mechanism parameter: %s", what);
}

CK_RV
mech_failed(CK_RV rv, const char *what)
{
	unsigned long e = ERR_peek_last_error();
	const char *reason = e != 0 ? ERR_reason_error_string(e) : NULL;

	ERR_clear_error();
	return why(rv, "%s: %s", what, reason != NULL ? reason : "refused by OpenSSL");
}

CK_RV
mech_row_with(const CK_MECHANISM *m, CK_FLAGS flag, const struct mech **row)
{
	if (m == NULL)
		return CKR_ARGUMENTS_BAD;
	if ((*row = mech_find(m->mechanism)) == NULL || ((*row)->flags & flag) == 0)
		return why(CKR_MECHANISM_INVALID, "mechanism 0x%lx is not there for this use", m->mechanism);
	return CKR_OK;
}

CK_RV
mech_generate_key(const CK_MECHANISM *m, struct attrs *key, struct cancel *c)
{
	const struct mech *row;
	CK_RV rv = mech_row_with(m, CKF_GENERATE, &row);

	return rv == CKR_OK ? row->family->generate(m, row, key, c) : rv;
}

CK_RV
mech_generate_pair(const CK_MECHANISM *m, bool compat, struct attrs *pub, struct attrs *priv, struct cancel *c)
{
	const struct mech *row;
	CK_RV rv = mech_row_with(m, CKF_GENERATE_KEY_PAIR, &row);

	if (rv != CKR_OK)
		return rv;
	row = mech_find_for(m->mechanism, compat);
	return row->family->generate_pair(m, row, pub, priv, c);
}

static CK_RV
imply(struct attrs *a, CK_OBJECT_CLASS class, CK_KEY_TYPE type)
{
	CK_RV rv = attrs_set_ulong(a, CKA_CLASS, class);

	return rv == CKR_OK ? attrs_set_ulong(a, CKA_KEY_TYPE, type) : rv;
}

CK_RV
mech_implies(const CK_MECHANISM *m, const struct attrs *templ, struct attrs *first, struct attrs *second)
{
	const struct mech *row;
	CK_KEY_TYPE type;
	CK_RV rv = mech_row_with(m, second != NULL ? CKF_GENERATE_KEY_PAIR : CKF_GENERATE, &row);

	if (rv != CKR_OK)
		return rv;
	type = row->keys[0];
	if (second != NULL) {
		rv = imply(first, CKO_PUBLIC_KEY, type);
		return rv == CKR_OK ? imply(second, CKO_PRIVATE_KEY, type) : rv;
	}
	if (row->family->imply != NULL)
		return row->family->imply(row, templ, first);
	return imply(first, CKO_SECRET_KEY, type);
}
