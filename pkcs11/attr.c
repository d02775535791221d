#include "attr_inner.h"

#include <stdlib.h>
#include <string.h>

static void *
plain_alloc(size_t len)
{
	return malloc(len);
}

static void
plain_release(void *p, size_t len)
{
	wipe(p, len);
	free(p);
}

static void *(*value_alloc)(size_t) = plain_alloc;
static void (*value_release)(void *, size_t) = plain_release;

void
attrs_allocator(void *(*alloc)(size_t), void (*release)(void *, size_t))
{
	value_alloc = alloc;
	value_release = release;
}

uint8_t *
attr_value_alloc(size_t len)
{
	return value_alloc(len);
}

enum attr_kind
attr_kind_of(CK_ATTRIBUTE_TYPE type)
{
	const struct attr_name *row = attr_name_find(type);

	return row == NULL ? ATTR_BYTES : row->kind;
}

/* ---- one attribute ---------------------------------------------------------------------- */

void
attr_clear(struct attr *a)
{
	if (a->value != NULL)
		value_release(a->value, a->len);
	if (a->sub != NULL) {
		attrs_free(a->sub);
		free(a->sub);
	}
	memset(a, 0, sizeof(*a));
}

static CK_RV
check_size(enum attr_kind kind, const uint8_t *value, size_t len)
{
	bool good = false;

	switch (kind) {
	case ATTR_BYTES:
	case ATTR_TEXT:
		good = true;
		break;
	case ATTR_BOOL:
		good = len == 1 && value[0] <= CK_TRUE;
		break;
	case ATTR_ULONG:
		good = len == sizeof(CK_ULONG);
		break;
	case ATTR_DATE:
		good = len == 0 || len == sizeof(CK_DATE);
		break;
	case ATTR_ULONGS:
		good = len % sizeof(CK_ULONG) == 0;
		break;
	case ATTR_TEMPLATE:
		good = len == 0;
		break;
	}
	return good && len <= ATTRS_MAX_VALUE ? CKR_OK : CKR_ATTRIBUTE_VALUE_INVALID;
}

CK_RV
attr_make(struct attr *a, CK_ATTRIBUTE_TYPE type, const void *value, size_t len)
{
	enum attr_kind kind = attr_kind_of(type);
	struct attr made = {.type = type, .len = len};
	CK_RV rv;

	if (type > UINT32_MAX)
		return CKR_ATTRIBUTE_TYPE_INVALID;
	if (value == NULL && len > 0)
		return CKR_ARGUMENTS_BAD;
	rv = check_size(kind, value, len);
	if (rv != CKR_OK)
		return rv;
	if (kind == ATTR_TEMPLATE) {
		made.sub = calloc(1, sizeof(*made.sub));
		if (made.sub == NULL)
			return CKR_HOST_MEMORY;
	} else if (len > 0) {
		made.value = value_alloc(len);
		if (made.value == NULL)
			return CKR_HOST_MEMORY;
		memcpy(made.value, value, len);
	}
	*a = made;
	return CKR_OK;
}

static CK_RV
attr_copy(struct attr *to, const struct attr *from)
{
	struct attr made;
	CK_RV rv;

	rv = attr_make(&made, from->type, from->value, from->len);
	if (rv != CKR_OK)
		return rv;
	if (from->sub != NULL) {
		rv = attrs_copy(made.sub, from->sub);
		if (rv != CKR_OK) {
			attr_clear(&made);
			return rv;
		}
	}
	*to = made;
	return CKR_OK;
}

bool
attr_equal(const struct attr *a, const struct attr *b)
{
	if (a->type != b->type || a->len != b->len || (a->sub == NULL) != (b->sub == NULL))
		return false;
	if (a->sub != NULL)
		return a->sub->n == b->sub->n && attrs_match(a->sub, b->sub);
	return a->len == 0 || memcmp(a->value, b->value, a->len) == 0;
}

/* ---- sets ------------------------------------------------------------------------------- */

void
attrs_free(struct attrs *s)
{
	for (size_t i = 0; i < s->n; i++)
		attr_clear(&s->v[i]);
	free(s->v);
	s->v = NULL;
	s->n = 0;
}

static struct attr *
find(const struct attrs *s, CK_ATTRIBUTE_TYPE type)
{
	for (size_t i = 0; i < s->n; i++) {
		if (s->v[i].type == type)
			return &s->v[i];
	}
	return NULL;
}

CK_RV
attrs_place(struct attrs *s, struct attr *a)
{
	struct attr *there = find(s, a->type), *v;
	CK_RV rv = CKR_ARGUMENTS_BAD;

	if (there != NULL) {
		struct attr old = *there;

		*there = *a;
		attr_clear(&old);
		return CKR_OK;
	}
	if (s->n >= ATTRS_MAX_COUNT)
		goto fail;
	rv = CKR_HOST_MEMORY;
	v = realloc(s->v, (s->n + 1) * sizeof(*v));
	if (v == NULL)
		goto fail;
	s->v = v;
	s->v[s->n++] = *a;
	return CKR_OK;
fail:
	attr_clear(a);
	return rv;
}

CK_RV
attrs_set(struct attrs *s, CK_ATTRIBUTE_TYPE type, const void *value, size_t len)
{
	struct attr a;
	CK_RV rv = attr_make(&a, type, value, len);

	return rv == CKR_OK ? attrs_place(s, &a) : rv;
}

CK_RV
attrs_set_bool(struct attrs *s, CK_ATTRIBUTE_TYPE type, bool v)
{
	CK_BBOOL b = v ? CK_TRUE : CK_FALSE;

	return attrs_set(s, type, &b, sizeof(b));
}

CK_RV
attrs_set_ulong(struct attrs *s, CK_ATTRIBUTE_TYPE type, CK_ULONG v)
{
	return attrs_set(s, type, &v, sizeof(v));
}

/* Levels of nesting below a set: 0 when it holds no template. */
static unsigned
depth_of(const struct attrs *s)
{
	unsigned depth = 0;

	for (size_t i = 0; i < s->n; i++) {
		if (s->v[i].sub != NULL) {
			unsigned below = 1 + depth_of(s->v[i].sub);

			if (below > depth)
				depth = below;
		}
	}
	return depth;
}

CK_RV
attrs_set_template(struct attrs *s, CK_ATTRIBUTE_TYPE type, struct attrs *sub)
{
	struct attr a;
	CK_RV rv;

	if (attr_kind_of(type) != ATTR_TEMPLATE || depth_of(sub) + 1 > ATTRS_MAX_DEPTH)
		return CKR_ATTRIBUTE_VALUE_INVALID;
	rv = attr_make(&a, type, NULL, 0);
	if (rv != CKR_OK)
		return rv;
	*a.sub = *sub;
	memset(sub, 0, sizeof(*sub)); /* transferred */
	rv = attrs_place(s, &a);
	return rv;
}

CK_RV
attrs_set_attr(struct attrs *s, const struct attr *a)
{
	struct attr copy;
	CK_RV rv = attr_copy(&copy, a);

	return rv == CKR_OK ? attrs_place(s, &copy) : rv;
}

void
attrs_remove(struct attrs *s, CK_ATTRIBUTE_TYPE type)
{
	struct attr *a = find(s, type);
	size_t after;

	if (a == NULL)
		return;
	attr_clear(a);
	after = (size_t)(s->v + s->n - (a + 1));
	memmove(a, a + 1, after * sizeof(*a));
	s->n--;
}

CK_RV
attrs_copy(struct attrs *to, const struct attrs *from)
{
	for (size_t i = 0; i < from->n; i++) {
		CK_RV rv = attrs_set_attr(to, &from->v[i]);

		if (rv != CKR_OK) {
			attrs_free(to);
			return rv;
		}
	}
	return CKR_OK;
}

const struct attr *
attrs_get(const struct attrs *s, CK_ATTRIBUTE_TYPE type)
{
	return find(s, type);
}

bool
attrs_has(const struct attrs *s, CK_ATTRIBUTE_TYPE type)
{
	return find(s, type) != NULL;
}

bool
attrs_bool(const struct attrs *s, CK_ATTRIBUTE_TYPE type, bool otherwise)
{
	const struct attr *a = find(s, type);

	return a != NULL && a->len == sizeof(CK_BBOOL) ? a->value[0] != CK_FALSE : otherwise;
}

CK_ULONG
attrs_ulong(const struct attrs *s, CK_ATTRIBUTE_TYPE type, CK_ULONG otherwise)
{
	const struct attr *a = find(s, type);
	CK_ULONG v;

	if (a == NULL || a->len != sizeof(v))
		return otherwise;
	memcpy(&v, a->value, sizeof(v));
	return v;
}

bool
attrs_match(const struct attrs *s, const struct attrs *templ)
{
	for (size_t i = 0; i < templ->n; i++) {
		const struct attr *a = find(s, templ->v[i].type);

		if (a == NULL || !attr_equal(a, &templ->v[i]))
			return false;
	}
	return true;
}

bool
attrs_has_internal(const struct attrs *s)
{
	for (size_t i = 0; i < s->n; i++) {
		if (attr_internal(s->v[i].type))
			return true;
		if (s->v[i].sub != NULL && attrs_has_internal(s->v[i].sub))
			return true;
	}
	return false;
}

/* ---- the caller's array ----------------------------------------------------------------- */

static CK_RV array_read(struct attrs *s, const CK_ATTRIBUTE *a, CK_ULONG n, struct budget *left);

static CK_RV
array_read_one(struct attr *out, const CK_ATTRIBUTE *a, struct budget *left)
{
	CK_RV rv;

	if (a->pValue == NULL && a->ulValueLen > 0)
		return CKR_ARGUMENTS_BAD;
	if (a->type > UINT32_MAX || attr_kind_of(a->type) != ATTR_TEMPLATE)
		return attr_make(out, a->type, a->pValue, a->ulValueLen);

	if (a->ulValueLen % sizeof(CK_ATTRIBUTE) != 0 || left->depth == 0)
		return CKR_ATTRIBUTE_VALUE_INVALID;
	rv = attr_make(out, a->type, NULL, 0);
	if (rv != CKR_OK)
		return rv;
	left->depth--;
	rv = array_read(out->sub, a->pValue, a->ulValueLen / sizeof(CK_ATTRIBUTE), left);
	left->depth++;
	if (rv != CKR_OK)
		attr_clear(out);
	return rv;
}

static CK_RV
array_read(struct attrs *s, const CK_ATTRIBUTE *a, CK_ULONG n, struct budget *left)
{
	CK_RV rv = CKR_ARGUMENTS_BAD;

	if ((a == NULL && n > 0) || n > left->total)
		goto out;
	left->total -= (unsigned)n;
	for (CK_ULONG i = 0; i < n; i++) {
		const struct attr *before;
		struct attr one;

		rv = array_read_one(&one, &a[i], left);
		if (rv != CKR_OK)
			goto out;
		before = find(s, one.type);
		if (before != NULL) {
			bool same = attr_equal(before, &one);

			attr_clear(&one);
			rv = CKR_TEMPLATE_INCONSISTENT;
			if (!same)
				goto out;
			continue;
		}
		rv = attrs_place(s, &one);
		if (rv != CKR_OK)
			goto out;
	}
	rv = CKR_OK;
out:
	if (rv != CKR_OK)
		attrs_free(s);
	return rv;
}

CK_RV
attrs_from_array(struct attrs *s, const CK_ATTRIBUTE *a, CK_ULONG n)
{
	struct budget left = {.depth = ATTRS_MAX_DEPTH, .total = ATTRS_MAX_TOTAL};

	return array_read(s, a, n, &left);
}
