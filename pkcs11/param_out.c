/* What comes out of a parameter: the fields that were filled, and the keys that it names. */
#include <string.h>

#include "param.h"
#include "param_layout.h"

/* A walk over the output fields, in the order of the layout. */
struct walk {
	struct buf *b;
	bool put;   /* into the buffer; else out of it */
	bool write; /* what comes out of the buffer is stored; else it is only looked at */
};

static bool walk_fields(const struct walk *w, const struct layout *l, uint8_t *s, const uint8_t *above);

static bool
walk_data(const struct walk *w, const struct field *f, const uint8_t *s, const uint8_t *above)
{
	uint8_t *data = load_pointer(s + f->first);
	size_t n = data != NULL ? field_bytes(f, field_length(f, s, above)) : 0, len;
	const uint8_t *got;

	if (w->put)
		return buf_put_bytes(w->b, data, n);
	if (!buf_get_bytes(w->b, &got, &len) || len != n || (got == NULL) != (data == NULL))
		return false;
	if (w->write && n > 0)
		memcpy(data, got, n);
	return true;
}

static bool
walk_handle(const struct walk *w, uint8_t *at)
{
	CK_ULONG v;

	if (w->put)
		return buf_put_ulong(w->b, load_ulong(at));
	if (!buf_get_ulong(w->b, &v))
		return false;
	if (w->write)
		store_ulong(at, v);
	return true;
}

static bool
walk_field(const struct walk *w, const struct field *f, uint8_t *s, const uint8_t *above)
{
	uint8_t *pointed;
	bool ok = true;

	switch (f->type) {
	case FIELD_DATA:
	case FIELD_BITS:
	case FIELD_NONCE:
	case FIELD_POINTED:
		return f->flow == FLOW_IN || walk_data(w, f, s, above);
	case FIELD_ROOM:
		return walk_data(w, f, s, above);
	case FIELD_RESULT:
		return walk_handle(w, s + f->first);
	case FIELD_RESULT_AT:
		return walk_handle(w, load_pointer(s + f->first));
	case FIELD_STRUCT:
		return !f->inner->outputs || walk_fields(w, f->inner, load_pointer(s + f->first), s);
	case FIELD_LIST:
		pointed = load_pointer(s + f->first);
		for (CK_ULONG i = 0; ok && f->inner->outputs && i < load_ulong(s + f->second); i++)
			ok = walk_fields(w, f->inner, pointed + i * f->inner->size, s);
		return ok;
	default:
		return true;
	}
}

static bool
walk_fields(const struct walk *w, const struct layout *l, uint8_t *s, const uint8_t *above)
{
	bool ok = true;

	for (const struct field *f = l->fields; ok && f->type != FIELD_END; f++)
		ok = walk_field(w, f, s, above);
	return ok;
}

bool
param_has_outputs(const CK_MECHANISM *m)
{
	return m->pParameter != NULL && m->ulParameterLen > 0 && param_layouts[param_kind_of(m)].outputs;
}

bool
param_put_outputs(struct buf *b, const struct param *p)
{
	const struct layout *l = &param_layouts[p->kind];
	struct walk w = {.b = b, .put = true};

	if (!l->outputs || p->mech.pParameter == NULL)
		return !buf_failed(b);
	return walk_fields(&w, l, p->mech.pParameter, NULL);
}

/* Once to see whether all of it fits, then again to store it. */
static CK_RV
take_outputs(struct buf *b, enum param_kind kind, const void *p)
{
	const struct layout *l = &param_layouts[kind];
	struct walk w = {.b = b};
	size_t start = b->pos;

	if (!l->outputs || p == NULL)
		return CKR_OK;
	if (!walk_fields(&w, l, (uint8_t *)p, NULL)) {
		b->failed = true;
		return CKR_GENERAL_ERROR;
	}
	b->pos = start;
	w.write = true;
	walk_fields(&w, l, (uint8_t *)p, NULL);
	return CKR_OK;
}

CK_RV
param_take_outputs(struct buf *b, const CK_MECHANISM *m)
{
	return m->ulParameterLen == 0 ? CKR_OK : take_outputs(b, param_kind_of(m), m->pParameter);
}

CK_RV
message_param_take_outputs(struct buf *b, const void *p, CK_ULONG len)
{
	return take_outputs(b, message_kind_of(len), p);
}

/* ---- handles ------------------------------------------------------------------------------- */

struct found {
	CK_OBJECT_HANDLE **at;
	size_t n, max;
};

static void
find_handles(struct found *found, const struct layout *l, uint8_t *s)
{
	const struct layout *inner;
	uint8_t *pointed;

	for (const struct field *f = l->fields; f->type != FIELD_END; f++) {
		switch (f->type) {
		case FIELD_HANDLE:
			if (load_ulong(s + f->first) == CK_INVALID_HANDLE)
				break;
			if (found->n < found->max)
				found->at[found->n] = (CK_OBJECT_HANDLE *)(void *)(s + f->first);
			found->n++;
			break;
		case FIELD_LIST:
			pointed = load_pointer(s + f->first);
			for (CK_ULONG i = 0; i < load_ulong(s + f->second); i++)
				find_handles(found, f->inner, pointed + i * f->inner->size);
			break;
		case FIELD_FORMED:
			inner = field_form(f, s);
			pointed = load_pointer(s + f->first);
			if (inner != NULL && pointed != NULL)
				find_handles(found, inner, pointed);
			break;
		default:
			break;
		}
	}
}

size_t
param_handles(const struct param *p, CK_OBJECT_HANDLE **at, size_t max)
{
	struct found found = {at, 0, max};

	if (p->mech.pParameter != NULL && param_layouts[p->kind].size > 0)
		find_handles(&found, &param_layouts[p->kind], p->mech.pParameter);
	return found.n;
}
