/* Mechanisms and their parameters as items of a frame. */
#include "codec_inner.h"

#include <string.h>

static bool
done(struct codec *m, CK_RV rv)
{
	return rv == CKR_OK ? true : codec_fail(m, rv);
}

/* ---- writing ---- */

bool
codec_put_mechanism(struct codec *m, const CK_MECHANISM *mech)
{
	if (!codec_expect(m, 'm'))
		return false;
	return done(m, mech == NULL ? CKR_ARGUMENTS_BAD : param_encode(&m->buf, mech));
}

bool
codec_put_message_param(struct codec *m, const void *param, CK_ULONG len, bool sealing)
{
	return codec_expect(m, 'p') && done(m, message_param_encode(&m->buf, param, len, sealing));
}

bool
codec_put_message_mechanism(struct codec *m, const CK_MECHANISM *mech, bool sealing)
{
	if (!codec_expect(m, 'M'))
		return false;
	if (mech == NULL)
		return codec_fail(m, CKR_ARGUMENTS_BAD);
	buf_put_ulong(&m->buf, mech->mechanism);
	return done(m, message_param_encode(&m->buf, mech->pParameter, mech->ulParameterLen, sealing)) &&
		codec_written(m);
}

bool
codec_put_outputs(struct codec *m, const struct param *p)
{
	if (!codec_expect(m, 'P'))
		return false;
	buf_put_u8(&m->buf, p != NULL);
	if (p != NULL)
		param_put_outputs(&m->buf, p);
	return codec_written(m);
}

/* ---- reading ---- */

bool
codec_get_mechanism(struct codec *m, struct param *p)
{
	memset(p, 0, sizeof(*p));
	return codec_expect(m, 'm') && done(m, param_decode(&m->buf, p));
}

bool
codec_get_message_param(struct codec *m, struct param *p)
{
	memset(p, 0, sizeof(*p));
	return codec_expect(m, 'p') && done(m, message_param_decode(&m->buf, p));
}

bool
codec_get_message_mechanism(struct codec *m, struct param *p)
{
	CK_MECHANISM_TYPE type = 0;

	memset(p, 0, sizeof(*p));
	if (!codec_expect(m, 'M'))
		return false;
	buf_get_ulong(&m->buf, &type);
	if (!codec_was_read(m) || !done(m, message_param_decode(&m->buf, p)))
		return false;
	p->mech.mechanism = type;
	return true;
}

/* Bytes that do not fit the application's parameter are malformed, whatever is wrong with them. */
static bool
taken(struct codec *m, CK_RV rv)
{
	return done(m, rv == CKR_GENERAL_ERROR ? CKR_ARGUMENTS_BAD : rv);
}

/* *present: outputs follow. */
static bool
get_present(struct codec *m, uint8_t *present)
{
	*present = 0;
	if (!codec_expect(m, 'P'))
		return false;
	buf_get_u8(&m->buf, present);
	return codec_was_read(m) && (*present <= 1 || codec_fail(m, CKR_ARGUMENTS_BAD));
}

bool
codec_get_outputs(struct codec *m, const CK_MECHANISM *mech)
{
	uint8_t present;

	if (!get_present(m, &present))
		return false;
	return !present || taken(m, mech == NULL ? CKR_ARGUMENTS_BAD : param_take_outputs(&m->buf, mech));
}

bool
codec_get_message_outputs(struct codec *m, const void *param, CK_ULONG len)
{
	uint8_t present;

	return get_present(m, &present) && (!present || taken(m, message_param_take_outputs(&m->buf, param, len)));
}
