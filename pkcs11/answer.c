#include "answer.h"
#include "attr.h"

#include <string.h>

static CK_ULONG
native_length(const struct attr *a)
{
	return a->sub != NULL ? a->sub->n * sizeof(CK_ATTRIBUTE) : a->len;
}

/* PKCS#11 3.1 5.7.5: in an array attribute the application's entries get type and length, and the
 * values that fit. The caller has checked that `to` has room for all of `s`. */
static void
spread(CK_ATTRIBUTE *to, const struct attrs *s, bool *too_small)
{
	for (size_t i = 0; i < s->n; i++) {
		const struct attr *a = &s->v[i];
		CK_ULONG need = native_length(a);

		to[i].type = a->type;
		if (to[i].pValue != NULL && to[i].ulValueLen < need) {
			to[i].ulValueLen = CK_UNAVAILABLE_INFORMATION;
			*too_small = true;
			continue;
		}
		if (to[i].pValue != NULL && a->sub != NULL)
			spread(to[i].pValue, a->sub, too_small);
		else if (to[i].pValue != NULL && need > 0)
			memcpy(to[i].pValue, a->value, need);
		to[i].ulValueLen = need;
	}
}

static CK_RV
fill_template(CK_ATTRIBUTE *to, const uint8_t *data, size_t len, bool *too_small)
{
	struct attrs s = {0};
	struct buf b;
	CK_RV rv;

	buf_init_const(&b, data, len);
	rv = attrs_decode(&b, &s);
	if (rv != CKR_OK)
		return rv;
	rv = CKR_ARGUMENTS_BAD;
	if (!buf_at_end(&b) || s.n > to->ulValueLen / sizeof(CK_ATTRIBUTE))
		goto out;
	spread(to->pValue, &s, too_small);
	to->ulValueLen = s.n * sizeof(CK_ATTRIBUTE);
	rv = CKR_OK;
out:
	attrs_free(&s);
	return rv;
}

static CK_RV
fill_ulongs(CK_ATTRIBUTE *to, const uint8_t *data, size_t len, bool one)
{
	size_t n = len / 8;
	struct buf b;

	if (len % 8 != 0 || (one && n != 1) || n > to->ulValueLen / sizeof(CK_ULONG))
		return CKR_ARGUMENTS_BAD;
	buf_init_const(&b, data, len);
	for (size_t i = 0; i < n; i++) {
		CK_ULONG v;

		if (!buf_get_ulong(&b, &v))
			return CKR_ARGUMENTS_BAD;
		memcpy((uint8_t *)to->pValue + i * sizeof(v), &v, sizeof(v));
	}
	to->ulValueLen = n * sizeof(CK_ULONG);
	return CKR_OK;
}

CK_RV
answer_fill(CK_ATTRIBUTE *to, const uint8_t *data, size_t len, bool *too_small)
{
	const struct attr_name *row = attr_name_find(to->type);
	enum attr_kind kind = row == NULL ? ATTR_BYTES : row->kind;

	if (to->pValue == NULL)
		return CKR_ARGUMENTS_BAD;
	if (kind == ATTR_TEMPLATE)
		return fill_template(to, data, len, too_small);
	if (kind == ATTR_ULONG || kind == ATTR_ULONGS)
		return fill_ulongs(to, data, len, kind == ATTR_ULONG);
	if (len > to->ulValueLen || (kind == ATTR_BOOL && (len != 1 || data[0] > CK_TRUE)))
		return CKR_ARGUMENTS_BAD;
	if (len > 0)
		memcpy(to->pValue, data, len);
	to->ulValueLen = len;
	return CKR_OK;
}
