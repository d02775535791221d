/*
 * builtin.c - the objects that every token has of its own: what it conforms to (CKO_PROFILE), and its mechanisms (CKO_MECHANISM)
 *
 * They lie in no vault, have fixed handles and ids, and cannot be changed, copied or destroyed. CKP_AUTHENTICATION_TOKEN is
 * not among them: whether it holds depends on the keys and certificates that the user has put in.
 *
 * Each is made when somebody asks for it; their handles count the profiles, and behind them the rows of mechanisms.
 */
#include <stdio.h>
#include <stdlib.h>

#include "mech.h"
#include "token.h"

static const CK_ULONG profiles[] = {
	CKP_BASELINE_PROVIDER,
	CKP_EXTENDED_PROVIDER,
	CKP_PUBLIC_CERTIFICATES_TOKEN,
};
#define N_PROFILES (sizeof(profiles) / sizeof(profiles[0]))

/* The class of one, and the attribute that is all it tells. */
struct builtin {
	CK_OBJECT_CLASS class;
	CK_ATTRIBUTE_TYPE type;
	CK_ULONG value;
};

static size_t
count(void)
{
	return N_PROFILES + mech_count();
}

/* False: not on tokens with this policy. */
static bool
nth(size_t i, bool compat, struct builtin *b)
{
	const struct mech *row;

	if (i < N_PROFILES) {
		*b = (struct builtin){CKO_PROFILE, CKA_PROFILE_ID, profiles[i]};
		return true;
	}
	row = mech_at(i - N_PROFILES);
	if (row == NULL || !mech_offered(row, compat))
		return false;
	*b = (struct builtin){CKO_MECHANISM, CKA_MECHANISM_TYPE, row->type};
	return true;
}

static CK_RV
put_attrs(struct attrs *a, const struct builtin *b)
{
	static const CK_ATTRIBUTE_TYPE no[] = {CKA_PRIVATE, CKA_MODIFIABLE, CKA_COPYABLE, CKA_DESTROYABLE};
	char uuid[40];
	CK_RV rv = attrs_set_ulong(a, CKA_CLASS, b->class);

	snprintf(uuid, sizeof(uuid), "00000000-0000-4000-800%u-%012lx", b->class == CKO_PROFILE ? 0u : 1u,
		b->value & 0xffffffffffffUL);
	if (rv == CKR_OK)
		rv = attrs_set_bool(a, CKA_TOKEN, true);
	for (size_t i = 0; rv == CKR_OK && i < sizeof(no) / sizeof(no[0]); i++)
		rv = attrs_set_bool(a, no[i], false);
	if (rv == CKR_OK)
		rv = attrs_set(a, CKA_LABEL, NULL, 0);
	if (rv == CKR_OK)
		rv = attrs_set_ulong(a, b->type, b->value);
	if (rv == CKR_OK)
		rv = attrs_set(a, CKA_UNIQUE_ID, uuid, 36);
	return rv;
}

CK_RV
builtin_object(CK_OBJECT_HANDLE h, bool compat, struct object **o)
{
	struct attrs a = {0};
	struct builtin b;
	CK_RV rv;

	if (h < HANDLE_BUILTIN || !nth(h - HANDLE_BUILTIN, compat, &b))
		return CKR_OBJECT_HANDLE_INVALID;
	rv = put_attrs(&a, &b);
	if (rv == CKR_OK && (rv = object_new(o, &a)) == CKR_OK)
		(*o)->handle = h;
	attrs_free(&a);
	return rv;
}

/* PKCS#11 3.1 4.12.2: mechanism objects are found by those who ask for their class. */
static bool
asked_for(const struct attrs *templ, const struct builtin *b)
{
	if (attrs_has(templ, CKA_CLASS))
		return attrs_ulong(templ, CKA_CLASS, CKO_DATA) == b->class;
	return b->class == CKO_PROFILE && (attrs_has(templ, CKA_PROFILE_ID) || attrs_has(templ, CKA_UNIQUE_ID));
}

CK_RV
builtin_find(const struct attrs *templ, bool compat, CK_OBJECT_HANDLE **handles, size_t *n)
{
	CK_OBJECT_HANDLE *more;
	struct object *o;
	struct builtin b;
	bool match;
	CK_RV rv;

	for (size_t i = 0; i < count(); i++) {
		if (!nth(i, compat, &b) || !asked_for(templ, &b))
			continue;
		if ((rv = builtin_object(HANDLE_BUILTIN + i, compat, &o)) != CKR_OK)
			return rv;
		match = object_matches(o, templ);
		object_put(o);
		if (!match)
			continue;
		if ((more = realloc(*handles, (*n + 1) * sizeof(*more))) == NULL)
			return CKR_HOST_MEMORY;
		*handles = more;
		more[(*n)++] = HANDLE_BUILTIN + i;
	}
	return CKR_OK;
}
