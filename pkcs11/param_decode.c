/* Rebuilding a parameter from flat bytes, which are not trusted. */
#include <stdlib.h>
#include <string.h>

#include "attr.h"
#include "param.h"
#include "param_layout.h"

struct param_piece {
	struct param_piece *next;
	size_t size;
	_Alignas(max_align_t) uint8_t data[];
};

struct decoder {
	struct buf *b;
	struct param *p;
	size_t total; /* bytes in all pieces */
	bool sealing;
};

static CK_RV decode_fields(struct decoder *d, const struct layout *l, uint8_t *s, uint8_t *above);

/* Zeroed memory that lives as long as the parameter. Empty data has an address too. */
static CK_RV
take(struct decoder *d, size_t size, void **at)
{
	struct param_piece *piece;

	size += size == 0;
	if (size > PARAM_MAX_TOTAL || d->total + size > PARAM_MAX_TOTAL)
		return CKR_ARGUMENTS_BAD;
	piece = calloc(1, sizeof(*piece) + size);
	if (piece == NULL)
		return CKR_HOST_MEMORY;
	piece->size = size;
	piece->next = d->p->pieces;
	d->p->pieces = piece;
	d->total += size;
	*at = piece->data;
	return CKR_OK;
}

/* A copy of the next bytes; *at NULL for NULL. */
static CK_RV
take_bytes(struct decoder *d, void **at, size_t *len)
{
	const uint8_t *data;
	CK_RV rv = CKR_OK;

	*at = NULL;
	if (!buf_get_bytes(d->b, &data, len) || *len > PARAM_MAX_BYTES)
		return CKR_ARGUMENTS_BAD;
	if (data != NULL)
		rv = take(d, *len, at);
	if (rv == CKR_OK && *len > 0)
		memcpy(*at, data, *len);
	return rv;
}

static CK_RV
decode_data(struct decoder *d, const struct field *f, uint8_t *s, const uint8_t *above)
{
	bool room = f->type == FIELD_ROOM || (f->flow == FLOW_TAG && d->sealing);
	bool travels = field_length_travels(f, room), may_be_null = f->type == FIELD_POINTED && f->flow != FLOW_TAG;
	CK_ULONG len = 0;
	uint8_t present = 1;
	size_t n = 0;
	void *data = NULL;
	CK_RV rv = CKR_OK;

	if (travels && !buf_get_ulong(d->b, &len))
		return CKR_ARGUMENTS_BAD;
	if (f->type == FIELD_ROOM) {
		len = field_length(f, s, above);
		if (!buf_get_u8(d->b, &present) || present > 1)
			return CKR_ARGUMENTS_BAD;
	}
	if (room) {
		n = field_bytes(f, len);
		if (n > PARAM_MAX_BYTES)
			return CKR_ARGUMENTS_BAD;
		if (present)
			rv = take(d, n, &data);
	} else {
		rv = take_bytes(d, &data, &n);
		if (rv == CKR_OK && (travels || f->type == FIELD_POINTED) && n != field_bytes(f, len) &&
			!(data == NULL && may_be_null))
			return CKR_ARGUMENTS_BAD;
	}
	if (rv != CKR_OK)
		return rv;
	store_pointer(s + f->first, data);
	if (f->type != FIELD_POINTED && f->type != FIELD_ROOM)
		store_ulong(s + f->second, travels ? len : n);
	return CKR_OK;
}

/* A template in the form that C functions take: nested ones are arrays in their value. */
static CK_RV
take_template(struct decoder *d, const struct attrs *set, CK_ATTRIBUTE **at)
{
	void *array, *value;
	CK_RV rv;

	*at = NULL;
	if (set->n == 0)
		return CKR_OK;
	rv = take(d, set->n * sizeof(CK_ATTRIBUTE), &array);
	if (rv != CKR_OK)
		return rv;
	*at = array;
	for (size_t i = 0; rv == CKR_OK && i < set->n; i++) {
		const struct attr *a = &set->v[i];
		CK_ATTRIBUTE *to = *at + i, *nested;

		to->type = a->type;
		if (a->sub != NULL) {
			to->ulValueLen = a->sub->n * sizeof(CK_ATTRIBUTE);
			rv = take_template(d, a->sub, &nested);
			to->pValue = nested;
			continue;
		}
		to->ulValueLen = a->len;
		rv = take(d, a->len, &value);
		if (rv != CKR_OK)
			break;
		if (a->len > 0)
			memcpy(value, a->value, a->len);
		to->pValue = value;
	}
	return rv;
}

static CK_RV
decode_template(struct decoder *d, const struct field *f, uint8_t *s)
{
	struct attrs set = {0};
	CK_ATTRIBUTE *array = NULL;
	CK_RV rv = attrs_decode(d->b, &set);

	if (rv == CKR_OK && attrs_has_internal(&set))
		rv = CKR_ATTRIBUTE_TYPE_INVALID;
	if (rv == CKR_OK)
		rv = take_template(d, &set, &array);
	if (rv == CKR_OK) {
		store_pointer(s + f->first, array);
		store_ulong(s + f->second, set.n);
	}
	attrs_free(&set);
	return rv;
}

static CK_RV
decode_list(struct decoder *d, const struct field *f, uint8_t *s)
{
	void *entries = NULL;
	uint32_t n;
	CK_RV rv = CKR_OK;

	if (!buf_get_u32(d->b, &n) || n > PARAM_MAX_LIST)
		return CKR_ARGUMENTS_BAD;
	if (n > 0)
		rv = take(d, n * f->inner->size, &entries);
	if (rv != CKR_OK)
		return rv;
	store_pointer(s + f->first, entries);
	store_ulong(s + f->second, n);
	for (uint32_t i = 0; rv == CKR_OK && i < n; i++)
		rv = decode_fields(d, f->inner, (uint8_t *)entries + i * f->inner->size, s);
	return rv;
}

static CK_RV
decode_formed(struct decoder *d, const struct field *f, uint8_t *s)
{
	const struct layout *form = field_form(f, s);
	uint8_t present;
	size_t n = 0;
	void *data = NULL;
	CK_RV rv = CKR_OK;

	if (form == NULL) {
		rv = take_bytes(d, &data, &n);
	} else {
		if (!buf_get_u8(d->b, &present) || present > 1)
			return CKR_ARGUMENTS_BAD;
		if (present) {
			n = form->size;
			rv = take(d, n, &data);
			if (rv == CKR_OK)
				rv = decode_fields(d, form, data, s);
		}
	}
	store_pointer(s + f->first, data);
	store_ulong(s + f->second, n);
	return rv;
}

/* A structure or an output that `s` points to. */
static CK_RV
decode_pointed(struct decoder *d, const struct field *f, uint8_t *s)
{
	void *pointed = NULL;
	CK_RV rv = take(d, f->inner != NULL ? f->inner->size : sizeof(CK_OBJECT_HANDLE), &pointed);

	if (rv == CKR_OK && f->inner != NULL)
		rv = decode_fields(d, f->inner, pointed, s);
	store_pointer(s + f->first, pointed);
	return rv;
}

static CK_RV
decode_field(struct decoder *d, const struct field *f, uint8_t *s, uint8_t *above)
{
	CK_ULONG v;

	switch (f->type) {
	case FIELD_END:
	case FIELD_RESULT:
		return CKR_OK;
	case FIELD_ULONG:
	case FIELD_HANDLE:
		if (!buf_get_ulong(d->b, &v))
			return CKR_ARGUMENTS_BAD;
		store_ulong(s + f->first, v);
		return CKR_OK;
	case FIELD_BOOL:
		return buf_get_u8(d->b, &s[f->first]) && s[f->first] <= CK_TRUE ? CKR_OK : CKR_ARGUMENTS_BAD;
	case FIELD_ARRAY:
		return buf_get(d->b, s + f->first, f->second) ? CKR_OK : CKR_ARGUMENTS_BAD;
	case FIELD_DATA:
	case FIELD_PASSWORD:
	case FIELD_BITS:
	case FIELD_NONCE:
	case FIELD_POINTED:
	case FIELD_ROOM:
		return decode_data(d, f, s, above);
	case FIELD_RESULT_AT:
	case FIELD_STRUCT:
		return decode_pointed(d, f, s);
	case FIELD_LIST:
		return decode_list(d, f, s);
	case FIELD_TEMPLATE:
		return decode_template(d, f, s);
	case FIELD_FORMED:
		return decode_formed(d, f, s);
	}
	return CKR_GENERAL_ERROR;
}

static CK_RV
decode_fields(struct decoder *d, const struct layout *l, uint8_t *s, uint8_t *above)
{
	CK_RV rv = CKR_OK;

	for (const struct field *f = l->fields; rv == CKR_OK && f->type != FIELD_END; f++)
		rv = decode_field(d, f, s, above);
	return rv;
}

static CK_RV
decode_struct(struct decoder *d)
{
	const struct layout *l = &param_layouts[d->p->kind];
	CK_RV rv = take(d, l->size, &d->p->mech.pParameter);

	if (rv == CKR_OK)
		rv = decode_fields(d, l, d->p->mech.pParameter, NULL);
	d->p->mech.ulParameterLen = l->size;
	return rv;
}

/* What stands behind the kind. */
static CK_RV
decode_kind(struct decoder *d)
{
	CK_MECHANISM *m = &d->p->mech;
	uint8_t present;
	CK_ULONG v;
	size_t n;
	CK_RV rv;

	switch (d->p->kind) {
	case PARAM_NONE:
		return CKR_OK;
	case PARAM_RAW:
		rv = take_bytes(d, &m->pParameter, &n);
		m->ulParameterLen = n;
		if (n == 0)
			m->pParameter = NULL;
		return rv;
	case PARAM_ULONG:
		if (!buf_get_ulong(d->b, &v))
			return CKR_ARGUMENTS_BAD;
		rv = take(d, sizeof(v), &m->pParameter);
		if (rv == CKR_OK)
			store_ulong(m->pParameter, v);
		m->ulParameterLen = sizeof(v);
		return rv;
	default:
		if (!buf_get_u8(d->b, &present) || present > 1)
			return CKR_ARGUMENTS_BAD;
		if (present)
			return decode_struct(d);
		return param_layouts[d->p->kind].optional ? CKR_OK : CKR_ARGUMENTS_BAD;
	}
}

static CK_RV
decoded(struct decoder *d, CK_RV rv)
{
	if (rv != CKR_OK) {
		d->b->failed = true;
		param_free(d->p);
	}
	return rv;
}

CK_RV
param_decode(struct buf *b, struct param *p)
{
	struct decoder d = {.b = b, .p = p};
	enum param_kind kind;
	uint8_t travelled;

	memset(p, 0, sizeof(*p));
	if (!buf_get_ulong(b, &p->mech.mechanism) || !buf_get_u8(b, &travelled))
		return decoded(&d, CKR_ARGUMENTS_BAD);
	kind = param_kind(p->mech.mechanism);
	if (travelled != (uint8_t)kind &&
		(travelled == PARAM_NONE || travelled != (uint8_t)param_kind_other(p->mech.mechanism)))
		return decoded(&d, CKR_ARGUMENTS_BAD);
	p->kind = (enum param_kind)travelled;
	return decoded(&d, decode_kind(&d));
}

CK_RV
message_param_decode(struct buf *b, struct param *p)
{
	struct decoder d = {.b = b, .p = p};
	uint8_t kind, sealing;

	memset(p, 0, sizeof(*p));
	if (!buf_get_u8(b, &kind))
		return decoded(&d, CKR_ARGUMENTS_BAD);
	if (kind == PARAM_NONE)
		return CKR_OK;
	if (kind >= PARAM_KINDS || param_layouts[kind].size == 0 ||
		message_kind_of(param_layouts[kind].size) != (enum param_kind)kind ||
		!buf_get_u8(b, &sealing) || sealing > 1)
		return decoded(&d, CKR_ARGUMENTS_BAD);
	p->kind = (enum param_kind)kind;
	d.sealing = sealing;
	return decoded(&d, decode_struct(&d));
}

CK_RV
param_copy(struct param *to, const CK_MECHANISM *m)
{
	struct buf b;
	CK_RV rv;

	memset(to, 0, sizeof(*to));
	buf_init(&b, 2 * PARAM_MAX_TOTAL);
	rv = param_encode(&b, m);
	if (rv == CKR_OK)
		rv = param_decode(&b, to);
	buf_free(&b);
	return rv;
}

void
param_free(struct param *p)
{
	struct param_piece *piece = p->pieces, *next;

	for (; piece != NULL; piece = next) {
		next = piece->next;
		wipe(piece->data, piece->size);
		free(piece);
	}
	memset(p, 0, sizeof(*p));
}
