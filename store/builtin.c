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

/* What a search may find: the profiles if it asks for what they have, the mechanisms only by their class (PKCS#11 3.1
 * 4.12.2). */
static void
asked_for(const struct attrs *templ, size_t *first, size_t *end)
{
	bool has_class = attrs_has(templ, CKA_CLASS);
	CK_OBJECT_CLASS class = attrs_ulong(templ, CKA_CLASS, CKO_DATA);

	*first = *end = 0;
	if (has_class ? class == CKO_PROFILE : attrs_has(templ, CKA_PROFILE_ID) || attrs_has(templ, CKA_UNIQUE_ID)) {
		*end = N_PROFILES;
	} else if (has_class && class == CKO_MECHANISM) {
		*first = N_PROFILES;
		*end = N_PROFILES + mech_count();
	}
}

CK_RV
builtin_find(const struct attrs *templ, bool compat, CK_OBJECT_HANDLE **handles, size_t *n)
{
	CK_OBJECT_HANDLE *more;
	struct object *o;
	size_t i, end;
	bool match;
	CK_RV rv;

	for (asked_for(templ, &i, &end); i < end; i++) {
		rv = builtin_object(HANDLE_BUILTIN + i, compat, &o);
		if (rv == CKR_OBJECT_HANDLE_INVALID)
			continue; /* a mechanism that this policy does not offer */
		if (rv != CKR_OK)
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
