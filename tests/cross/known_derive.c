/*
 * known_derive.c - published answers of simple derivations
 *
 *   hashkey MECH key out [t:]                 encdata MECH key [iv] in out
 *   join MECH key other|data|first: out       public MECH <key> out
 *
 * hashkey and encdata are keys made by a hash of the key, and by encryption of data with it. In
 * public, out is the point, as CKA_EC_POINT has it inside of its OCTET STRING; the key's fields
 * are those of known_key.c.
 */
#include "known.h"

/* ---- a hash of the key; data encrypted with it ---- */
static void
known_hashkey(struct line *l)
{
	CK_OBJECT_HANDLE base;

	give_t(l);
	same("OpenSSL's answer", field(l, "out"), oracle_hash(known_hash(l), field(l, "key")));
	if (is_ok("a key", key_secret(CKK_GENERIC_SECRET, field(l, "key"), CKF_DERIVE, &base)))
		expect_derived("the hashed key", &l->m, base, field(l, "out"), false);
}

static void
known_encdata(struct line *l)
{
	struct blob iv = field(l, "iv"), data = field(l, "in");
	CK_KEY_DERIVATION_STRING_DATA string = {data.data, data.len};
	CK_AES_CBC_ENCRYPT_DATA_PARAMS aes = {.pData = data.data, .length = data.len};
	CK_DES_CBC_ENCRYPT_DATA_PARAMS des = {.pData = data.data, .length = data.len};
	CK_OBJECT_HANDLE base;

	if (iv.len == sizeof(aes.iv)) {
		memcpy(aes.iv, iv.data, iv.len);
		give(l, &aes, sizeof(aes));
	} else if (iv.len == sizeof(des.iv)) {
		memcpy(des.iv, iv.data, iv.len);
		give(l, &des, sizeof(des));
	} else {
		give(l, &string, sizeof(string));
	}
	if (is_ok("a key", key_secret(l->proof->key, field(l, "key"), CKF_DERIVE, &base)))
		expect_derived("the encrypted data", &l->m, base, field(l, "out"), true);
}

/* ---- joined with another, and cut out ---- */
static void
known_join(struct line *l)
{
	struct blob data = field(l, "data");
	CK_KEY_DERIVATION_STRING_DATA string = {data.data, data.len};
	CK_ULONG first = count(l, "first", 0);
	CK_OBJECT_HANDLE base, other;

	if (has(l, "data")) {
		give(l, &string, sizeof(string));
	} else if (has(l, "first")) {
		give(l, &first, sizeof(first));
	} else if (is_ok("a second key", key_secret(CKK_GENERIC_SECRET, field(l, "other"),
						 CKF_DERIVE, &other))) {
		give(l, &other, sizeof(other));
	}
	if (is_ok("a key", key_secret(CKK_GENERIC_SECRET, field(l, "key"), CKF_DERIVE, &base)))
		expect_derived("the key", &l->m, base, field(l, "out"), true);
}

/* ---- the public half ---- */
static void
known_public_of(struct line *l)
{
	CK_KEY_TYPE type = known_key_type(l);
	struct templ t = {.n = 0};
	struct blob point = {0};
	CK_OBJECT_HANDLE base, h;
	size_t head;

	templ_ulong(&t, CKA_CLASS, CKO_PUBLIC_KEY);
	templ_ulong(&t, CKA_KEY_TYPE, type);
	templ_bool(&t, CKA_TOKEN, false);
	if (!known_private(l, CKF_DERIVE | (type == CKK_EC_MONTGOMERY ? 0 : CKF_SIGN), &base) ||
		!is_ok("C_DeriveKey", use_derive(&l->m, base, &t, &h)) ||
		!get_blob(h, CKA_EC_POINT, &point))
		return;
	head = point.len > 1 && point.data[1] > 127 ? 3 : 2; /* of the OCTET STRING */
	if (point.len > head)
		same("the public key", field(l, "out"),
			blob_part(point, head, point.len - head));
}

static const struct known_kind rows[] = {
	{"hashkey", known_hashkey},
	{"encdata", known_encdata},
	{"join", known_join},
	{"public", known_public_of},
};
const struct known_kinds known_derive = {rows, NELEMS(rows)};
