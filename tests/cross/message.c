/* message.c - messages under an authenticated cipher */
#include "message.h"

/* After the text of the standard: 3.1 6.13.2, 6.13.3 and 6.61. */
struct x_gcm_message { /* CK_GCM_MESSAGE_PARAMS */
	CK_BYTE *iv;
	CK_ULONG iv_len, fixed_bits, generator;
	CK_BYTE *tag;
	CK_ULONG tag_bits;
};
struct x_ccm_message { /* CK_CCM_MESSAGE_PARAMS */
	CK_ULONG data_len;
	CK_BYTE *nonce;
	CK_ULONG nonce_len, fixed_bits, generator;
	CK_BYTE *mac;
	CK_ULONG mac_len;
};
struct x_chacha_message { /* CK_SALSA20_CHACHA20_POLY1305_MSG_PARAMS */
	CK_BYTE *nonce;
	CK_ULONG nonce_len;
	CK_BYTE *tag;
};

#define UNTOUCHED 0xA5 /* in memory that an answer may go to */

/* ---- parameters ---- */
struct parcel
parcel_make(const struct proof *p, struct blob nonce, CK_ULONG generator, CK_ULONG fixed_bits,
	size_t tag, size_t text, struct blob aad)
{
	struct parcel c = {p, NULL, 0, blob_of(nonce.data, nonce.len), aad, blob_new(tag)};
	struct x_gcm_message gcm = {
		c.nonce.data, nonce.len, fixed_bits, generator, c.tag.data, 8 * tag};
	struct x_ccm_message ccm = {
		text, c.nonce.data, nonce.len, fixed_bits, generator, c.tag.data, tag};
	struct x_chacha_message chacha = {c.nonce.data, 8 * nonce.len, c.tag.data};
	struct blob b;

	if (p->variant == GCM)
		b = blob_of(&gcm, sizeof(gcm));
	else if (p->variant == CCM)
		b = blob_of(&ccm, sizeof(ccm));
	else
		b = blob_of(&chacha, sizeof(chacha));
	c.param = b.data;
	c.param_len = b.len;
	return c;
}

struct blob
some_nonce(const struct proof *p, size_t text)
{
	if (p->variant == GCM)
		return blob_random(chance(2) == 0 ? 12 : 1 + chance(100));
	return blob_random(p->variant == CCM ? 7 + chance(text < 65536 ? 7 : 5) : 12);
}

size_t
tag_length(const struct proof *p, size_t i)
{
	/* 3.1 has 0 to 128 bits for GCM; SP 800-38D 5.2.1.2 the last five, and 32 and 64 bits
	 * for some uses */
	static const size_t gcm[] = {4, 8, 12, 13, 14, 15, 16},
			    ccm[] = {4, 6, 8, 10, 12, 14, 16};

	if (p->variant == CHACHA_POLY)
		return i == 0 ? 16 : 0;
	if (p->variant == GCM)
		return i < NELEMS(gcm) ? gcm[i] : 0;
	return i < NELEMS(ccm) ? ccm[i] : 0;
}

/* SP 800-38C A.2.2: from 65,280 bytes on CCM writes the length another way. */
struct blob
some_aad(void)
{
	static const size_t lengths[] = {0, 0, 1, 15, 16, 17, 300, 5000, 65279, 65280, 70000};

	return blob_random(lengths[chance(NELEMS(lengths))]);
}

struct blob
parcel_sealed(const struct parcel *c, struct blob key, struct blob text)
{
	return oracle_aead(cipher_name(c->p->name, 8 * key.len), key, c->nonce, c->aad,
		c->tag.len, text, true);
}

/* ---- flows ---- */
CK_RV
message_init(bool encrypt, const struct proof *p, CK_OBJECT_HANDLE key)
{
	CK_MECHANISM m = {p->type, NULL, 0}; /* the parameters come with the messages */

	return encrypt ? f3->C_MessageEncryptInit(session, &m, key)
		       : f3->C_MessageDecryptInit(session, &m, key);
}

void
message_final(bool encrypt)
{
	is_ok(encrypt ? "C_MessageEncryptFinal" : "C_MessageDecryptFinal",
		encrypt ? f3->C_MessageEncryptFinal(session)
			: f3->C_MessageDecryptFinal(session));
}

/* Asks for the length first, now and then, and offers too little room: neither may end the
 * message. */
static CK_RV
once(bool encrypt, struct parcel *c, struct blob in, struct blob *out, CK_ULONG *n)
{
	__typeof__(f3->C_EncryptMessage) call =
		encrypt ? f3->C_EncryptMessage : f3->C_DecryptMessage;
	CK_ULONG told = 0, less;
	CK_RV rv;

	if (in.len > 0 && chance(2) == 0) {
		rv = call(session, c->param, c->param_len, c->aad.data, c->aad.len, in.data,
			in.len, NULL, &told);
		if (rv != CKR_OK)
			return rv;
		checks += 2;
		if (told < in.len || told > *n)
			fail("a length query for %zu bytes gave %lu", in.len, told);
		less = in.len - 1;
		rv = call(session, c->param, c->param_len, c->aad.data, c->aad.len, in.data,
			in.len, out->data, &less);
		if (rv != CKR_BUFFER_TOO_SMALL)
			fail("room for %zu bytes of %zu gave 0x%lx", in.len - 1, in.len, rv);
	}
	return call(session, c->param, c->param_len, c->aad.data, c->aad.len, in.data, in.len,
		out->data, n);
}

static CK_RV
in_parts(bool encrypt, struct parcel *c, struct blob in, struct blob *out, CK_ULONG *n)
{
	__typeof__(f3->C_EncryptMessageNext) next =
		encrypt ? f3->C_EncryptMessageNext : f3->C_DecryptMessageNext;
	size_t at = 0, left = in.len, piece;
	bool last = false;
	CK_ULONG len;
	CK_RV rv;

	rv = encrypt ? f3->C_EncryptMessageBegin(
			       session, c->param, c->param_len, c->aad.data, c->aad.len)
		     : f3->C_DecryptMessageBegin(
			       session, c->param, c->param_len, c->aad.data, c->aad.len);
	while (rv == CKR_OK && !last) {
		piece = some_piece(left);
		last = piece == left && chance(2) == 0;
		len = out->len - at;
		rv = next(session, c->param, c->param_len, in.data + in.len - left, piece,
			out->data + at, &len, last ? CKF_END_OF_MESSAGE : 0);
		left -= piece;
		if (rv == CKR_OK)
			at += len;
		if (rv == CKR_OK && !last && !encrypt && len > 0)
			fail("%lu bytes of a message were given out before its tag was seen",
				len);
	}
	*n = at;
	return rv;
}

static void
must_be_untouched(struct blob out)
{
	checks++;
	for (size_t i = 0; i < out.len; i++)
		if (out.data[i] != UNTOUCHED) {
			fail("a message that was refused left something at byte %zu of the "
			     "answer",
				i);
			return;
		}
}

CK_RV
use_message(bool encrypt, struct parcel *c, struct blob in, bool parts, struct blob *out)
{
	CK_ULONG n = in.len + 64;
	CK_RV rv;

	*out = blob_new(n);
	memset(out->data, UNTOUCHED, n);
	rv = (parts ? in_parts : once)(encrypt, c, in, out, &n);
	if (rv != CKR_OK && !encrypt)
		must_be_untouched(*out);
	out->len = n;
	if (rv == CKR_OK)
		proved |= (encrypt ? CKF_MESSAGE_ENCRYPT : CKF_MESSAGE_DECRYPT) |
			  (parts ? CKF_MULTI_MESSAGE : 0);
	return rv;
}
