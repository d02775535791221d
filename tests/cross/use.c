/* use.c - the standard's flows, each call in a way that chance chooses */
#include "cross.h"

CK_FLAGS proved;

/* The calls that take in and give out have one shape but for C_SignUpdate and C_DigestUpdate,
 * which give nothing. */
struct verbs {
	CK_FLAGS flag;
	CK_RV (*init)(CK_SESSION_HANDLE, CK_MECHANISM *, CK_OBJECT_HANDLE);
	CK_RV (*once)(CK_SESSION_HANDLE, CK_BYTE *, CK_ULONG, CK_BYTE *, CK_ULONG *);
	CK_RV (*update)(CK_SESSION_HANDLE, CK_BYTE *, CK_ULONG, CK_BYTE *, CK_ULONG *);
	CK_RV (*take)(CK_SESSION_HANDLE, CK_BYTE *, CK_ULONG);
	CK_RV (*final)(CK_SESSION_HANDLE, CK_BYTE *, CK_ULONG *);
};

static CK_RV
digest_init(CK_SESSION_HANDLE s, CK_MECHANISM *m, CK_OBJECT_HANDLE key)
{
	(void)key;
	return f->C_DigestInit(s, m);
}

static struct verbs
verbs_of(CK_FLAGS flag)
{
	struct verbs v = {.flag = flag};

	switch (flag) {
	case CKF_ENCRYPT:
		v.init = f->C_EncryptInit, v.once = f->C_Encrypt;
		v.update = f->C_EncryptUpdate, v.final = f->C_EncryptFinal;
		break;
	case CKF_DECRYPT:
		v.init = f->C_DecryptInit, v.once = f->C_Decrypt;
		v.update = f->C_DecryptUpdate, v.final = f->C_DecryptFinal;
		break;
	case CKF_DIGEST:
		v.init = digest_init, v.once = f->C_Digest, v.take = f->C_DigestUpdate,
		v.final = f->C_DigestFinal;
		break;
	case CKF_SIGN:
		v.init = f->C_SignInit, v.once = f->C_Sign, v.take = f->C_SignUpdate,
		v.final = f->C_SignFinal;
		break;
	case CKF_SIGN_RECOVER:
		v.init = f->C_SignRecoverInit, v.once = f->C_SignRecover;
		break;
	case CKF_VERIFY_RECOVER:
		v.init = f->C_VerifyRecoverInit, v.once = f->C_VerifyRecover;
		break;
	default:
		must_be(false, "a flag without verbs");
	}
	return v;
}

/* A piece of what is left: nothing, little, much. */
size_t
some_piece(size_t left)
{
	size_t n = chance(5) == 0   ? 0
		   : chance(3) != 0 ? 1 + chance(40)
				    : 1 + chance((uint32_t)left);

	return n < left ? n : left;
}

void
param_give(CK_MECHANISM *m, const void *param, size_t len)
{
	struct blob b = blob_of(param, len);

	m->pParameter = b.data;
	m->ulParameterLen = len;
}

/* Asks for the length now and then, and offers less than is needed: neither may end the
 * operation. */
static CK_RV
probe(CK_RV rv, CK_ULONG told, CK_RV too_small, CK_ULONG tried)
{
	if (rv != CKR_OK)
		return rv;
	if (told > 0 && too_small != CKR_BUFFER_TOO_SMALL && too_small != CKR_OK)
		return too_small;
	if (told > 0 && too_small == CKR_OK && tried == told)
		fail("a buffer that is shorter than %lu was enough", told);
	return CKR_OK;
}

/* *told: the length that the token asked for, or room. */
static CK_RV
ask_once(const struct verbs *v, struct blob in, struct blob *out, CK_ULONG *told, bool *done)
{
	CK_ULONG n = 0, less;
	CK_RV rv = v->once(session, in.data, in.len, NULL, &n), small;

	*done = false;
	if (rv != CKR_OK)
		return rv;
	if (n > out->len) {
		fail("the length asked for is %lu, more than %zu", n, out->len);
		return CKR_GENERAL_ERROR;
	}
	*told = n;
	if (n == 0 || chance(2) == 0)
		return CKR_OK;
	less = n - 1;
	small = v->once(session, in.data, in.len, out->data, &less);
	if (small == CKR_OK) { /* the query may tell more than it is */
		*done = true;
		out->len = less;
	} else if (small == CKR_BUFFER_TOO_SMALL && less <= out->len) {
		*told = less;
	}
	return probe(CKR_OK, n, small, less);
}

static CK_RV
run_once(const struct verbs *v, struct blob in, struct blob *out)
{
	CK_ULONG n = out->len;
	bool done = false;
	CK_RV rv = CKR_OK;

	if (chance(2) == 0)
		rv = ask_once(v, in, out, &n, &done);
	if (rv != CKR_OK || done)
		return rv;
	rv = v->once(session, in.data, in.len, out->data, &n);
	out->len = n;
	return rv;
}

static CK_RV
update(const struct verbs *v, struct blob piece, struct blob *out, size_t *at)
{
	CK_ULONG n = out->len - *at, asked = 0;
	CK_RV rv;

	if (v->take != NULL)
		return v->take(session, piece.data, piece.len);
	if (chance(4) == 0) {
		if ((rv = v->update(session, piece.data, piece.len, NULL, &asked)) != CKR_OK)
			return rv;
		n = asked < n ? asked : n;
	}
	rv = v->update(session, piece.data, piece.len, out->data + *at, &n);
	*at += rv == CKR_OK ? n : 0;
	return rv;
}

static CK_RV
run_parts(const struct verbs *v, struct blob in, struct blob *out)
{
	size_t at = 0, left = in.len, n;
	CK_ULONG last, asked = 0;
	CK_RV rv = CKR_OK;

	while (rv == CKR_OK && (left > 0 || chance(4) == 0)) {
		n = some_piece(left);
		rv = update(v, blob_part(in, in.len - left, n), out, &at);
		left -= n;
	}
	last = out->len - at;
	if (rv == CKR_OK && chance(2) == 0 &&
		(rv = v->final(session, NULL, &asked)) == CKR_OK && asked < last)
		last = asked;
	if (rv == CKR_OK)
		rv = v->final(session, out->data + at, &last);
	out->len = at + last;
	return rv;
}

CK_RV
use_key(CK_FLAGS flag, CK_MECHANISM *m, CK_OBJECT_HANDLE key, struct blob in, size_t room,
	enum ways ways, struct blob *out)
{
	struct verbs v = verbs_of(flag);
	CK_RV rv = v.init(session, m, key);

	*out = blob_new(room);
	if (rv != CKR_OK)
		return rv;
	if (ways == ANY_WAY && chance(2) == 0)
		rv = run_parts(&v, in, out);
	else
		rv = run_once(&v, in, out);
	if (rv == CKR_OK)
		proved |= flag;
	return rv;
}

CK_RV
use_wrap(CK_MECHANISM *m, CK_OBJECT_HANDLE wrapping, CK_OBJECT_HANDLE target, struct blob *out)
{
	CK_ULONG n = 0, told;
	CK_RV rv = f->C_WrapKey(session, m, wrapping, target, NULL, &n);

	if (rv != CKR_OK)
		return rv;
	*out = blob_new(n);
	told = n;
	if (n > 0 && chance(2) == 0) {
		n--;
		rv = f->C_WrapKey(session, m, wrapping, target, out->data, &n);
		if (rv != CKR_BUFFER_TOO_SMALL)
			fail("C_WrapKey with too small a buffer gave 0x%lx", rv);
		n = told;
	}
	rv = f->C_WrapKey(session, m, wrapping, target, out->data, &n);
	out->len = n;
	if (rv == CKR_OK)
		proved |= CKF_WRAP;
	return rv;
}

CK_RV
use_unwrap(CK_MECHANISM *m, CK_OBJECT_HANDLE unwrapping, struct blob in, struct templ *t,
	CK_OBJECT_HANDLE *h)
{
	CK_RV rv = f->C_UnwrapKey(session, m, unwrapping, in.data, in.len, t->a, t->n, h);

	if (rv == CKR_OK) {
		proved |= CKF_UNWRAP;
		keep_track(*h);
	}
	return rv;
}

CK_RV
use_derive(CK_MECHANISM *m, CK_OBJECT_HANDLE base, struct templ *t, CK_OBJECT_HANDLE *h)
{
	CK_RV rv = f->C_DeriveKey(session, m, base, t->a, t->n, h);

	if (rv == CKR_OK) {
		proved |= CKF_DERIVE;
		keep_track(*h);
	}
	return rv;
}

void
expect_derived(const char *what, CK_MECHANISM *m, CK_OBJECT_HANDLE base, struct blob wanted,
	bool say_length)
{
	struct templ t = {.n = 0};
	struct blob got = {0};
	CK_OBJECT_HANDLE h;

	templ_key(&t, CKO_SECRET_KEY, CKK_GENERIC_SECRET, CKF_SIGN);
	if (say_length)
		templ_ulong(&t, CKA_VALUE_LEN, wanted.len);
	if (is_ok(what, use_derive(m, base, &t, &h))) {
		get_blob(h, CKA_VALUE, &got);
		same(what, wanted, got);
	}
}

CK_RV
use_generate(CK_MECHANISM *m, struct templ *t, CK_OBJECT_HANDLE *h)
{
	CK_RV rv = f->C_GenerateKey(session, m, t->a, t->n, h);

	if (rv == CKR_OK) {
		proved |= CKF_GENERATE;
		keep_track(*h);
	}
	return rv;
}

CK_RV
use_generate_pair(CK_MECHANISM *m, struct templ *pub, struct templ *priv,
	CK_OBJECT_HANDLE *pub_h, CK_OBJECT_HANDLE *priv_h)
{
	CK_RV rv = f->C_GenerateKeyPair(
		session, m, pub->a, pub->n, priv->a, priv->n, pub_h, priv_h);

	if (rv == CKR_OK) {
		proved |= CKF_GENERATE_KEY_PAIR;
		keep_track(*pub_h);
		keep_track(*priv_h);
	}
	return rv;
}

/* PKCS#11 3.2: the secret, and what carries it to the peer. */
CK_RV
use_encapsulate(CK_MECHANISM *m, CK_OBJECT_HANDLE pub, struct templ *t, struct blob *text,
	CK_OBJECT_HANDLE *h)
{
	CK_ULONG n = 0, less;
	CK_RV rv = f3->C_EncapsulateKey(session, m, pub, t->a, t->n, NULL, &n, NULL);

	if (rv != CKR_OK)
		return rv;
	*text = blob_new(n);
	less = n - 1;
	rv = f3->C_EncapsulateKey(session, m, pub, t->a, t->n, text->data, &less, h);
	checks++;
	if (rv != CKR_BUFFER_TOO_SMALL)
		fail("C_EncapsulateKey with too small a buffer gave 0x%lx", rv);
	rv = f3->C_EncapsulateKey(session, m, pub, t->a, t->n, text->data, &n, h);
	text->len = n;
	if (rv == CKR_OK) {
		proved |= CKF_ENCAPSULATE;
		keep_track(*h);
	}
	return rv;
}

CK_RV
use_decapsulate(CK_MECHANISM *m, CK_OBJECT_HANDLE priv, struct blob text, struct templ *t,
	CK_OBJECT_HANDLE *h)
{
	CK_RV rv = f3->C_DecapsulateKey(session, m, priv, t->a, t->n, text.data, text.len, h);

	if (rv == CKR_OK) {
		proved |= CKF_DECAPSULATE;
		keep_track(*h);
	}
	return rv;
}

static CK_RV
init(CK_FLAGS flag, CK_MECHANISM *m, CK_OBJECT_HANDLE key)
{
	switch (flag) {
	case CKF_VERIFY:
		return f->C_VerifyInit(session, m, key);
	case CKF_MESSAGE_ENCRYPT:
		return f3->C_MessageEncryptInit(session, m, key);
	case CKF_MESSAGE_DECRYPT:
		return f3->C_MessageDecryptInit(session, m, key);
	case CKF_MESSAGE_SIGN:
		return f3->C_MessageSignInit(session, m, key);
	case CKF_MESSAGE_VERIFY:
		return f3->C_MessageVerifyInit(session, m, key);
	default:
		return verbs_of(flag).init(session, m, key);
	}
}

/* In a session of its own, whose end ends the operation. */
CK_RV
try_init(CK_FLAGS flag, CK_MECHANISM *m, CK_OBJECT_HANDLE key)
{
	CK_SESSION_HANDLE mine = session, other;
	CK_RV rv =
		f->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &other);

	if (rv != CKR_OK)
		return rv;
	session = other;
	rv = init(flag, m, key);
	session = mine;
	f->C_CloseSession(other);
	return rv;
}
