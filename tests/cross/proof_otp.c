/* One-time passwords: HOTP, RFC 4226 5.3; PKCS#11 3.1 6.53. */
#include "oracle.h"

static CK_RV
make_hotp(const struct proof *p, CK_ULONG size, CK_OBJECT_HANDLE *pub, CK_OBJECT_HANDLE *priv)
{
	struct templ t = {.n = 0};
	uint8_t counter[8] = {0};
	CK_RV rv;

	(void)p;
	templ_ulong(&t, CKA_CLASS, CKO_OTP_KEY);
	templ_ulong(&t, CKA_KEY_TYPE, CKK_HOTP);
	templ_bool(&t, CKA_TOKEN, false);
	templ_bool(&t, CKA_SENSITIVE, false);
	templ_bool(&t, CKA_EXTRACTABLE, true);
	templ_uses(&t, USE_SIGN);
	templ_blob(&t, CKA_OTP_COUNTER, blob_of(counter, 8));
	templ_ulong(&t, CKA_OTP_LENGTH, 6);
	templ_blob(&t, CKA_VALUE, blob_random(size));
	rv = object_make(&t, pub);
	*priv = *pub;
	return rv;
}

/* The application says which counter; the signature is the password itself. */
static void
verify_hotp(const struct proof *p, CK_OBJECT_HANDLE key, uint8_t counter[8], char *password)
{
	CK_OTP_PARAM param = {CK_OTP_COUNTER, counter, 8};
	CK_OTP_PARAMS params = {&param, 1};
	CK_MECHANISM m = {p->type, &params, sizeof(params)};

	if (!is_ok("C_VerifyInit", f->C_VerifyInit(session, &m, key)) ||
		!is_ok("C_Verify", f->C_Verify(session, NULL, 0, (CK_BYTE *)password, 6)))
		return;
	proved |= CKF_VERIFY;
	password[5] = password[5] == '0' ? '1' : '0';
	checks++;
	if (!is_ok("C_VerifyInit", f->C_VerifyInit(session, &m, key)) ||
		f->C_Verify(session, NULL, 0, (CK_BYTE *)password, 6) != CKR_SIGNATURE_INVALID)
		fail("a wrong password passes");
}

static void
prove_hotp(const struct proof *p)
{
	CK_MECHANISM m = {p->type, NULL, 0};
	uint8_t counter[8] = {0};
	struct blob value = {0}, out = blob_new(512), mac;
	CK_OTP_SIGNATURE_INFO *info = (CK_OTP_SIGNATURE_INFO *)(void *)out.data;
	CK_OBJECT_HANDLE key, same_key;
	CK_ULONG n;
	char wanted[16];
	unsigned code;

	if (!is_ok("a key", make_hotp(p, 20, &key, &same_key)) ||
		!get_blob(key, CKA_VALUE, &value))
		return;
	for (unsigned i = 0; i < 5; i++) {
		counter[7] = (uint8_t)i;
		mac = oracle_hmac("SHA1", value, blob_of(counter, 8));
		code = (unsigned)(mac.data[mac.data[19] & 15] & 0x7f) << 24 |
		       (unsigned)mac.data[(mac.data[19] & 15) + 1] << 16 |
		       (unsigned)mac.data[(mac.data[19] & 15) + 2] << 8 |
		       mac.data[(mac.data[19] & 15) + 3];
		snprintf(wanted, sizeof(wanted), "%06u", code % 1000000);
		n = out.len;
		if (!is_ok("C_SignInit", f->C_SignInit(session, &m, key)) ||
			!is_ok("C_Sign", f->C_Sign(session, out.data, 0, out.data, &n)))
			return;
		proved |= CKF_SIGN;
		for (CK_ULONG k = 0; k < info->ulCount; k++)
			if (info->pParams[k].type == CK_OTP_VALUE)
				same("the password", blob_of(wanted, strlen(wanted)),
					blob_of(info->pParams[k].pValue,
						info->pParams[k].ulValueLen));
		verify_hotp(p, key, counter, wanted);
	}
}

static const struct proof rows[] = {
	{CKM_HOTP, prove_hotp, NULL, CKK_HOTP, .make = make_hotp},
};
const struct proofs proofs_otp = {rows, NELEMS(rows)};
