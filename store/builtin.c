/*
 * builtin.c - the objects that every token has of its own: what it conforms to (CKO_PROFILE)
 *
 * They lie in no vault, have fixed handles and ids, and cannot be changed, copied or destroyed. CKP_AUTHENTICATION_TOKEN is
 * not among them: whether it holds depends on the keys and certificates that the user has put in.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "token.h"

static const CK_ULONG profiles[] = {
	CKP_BASELINE_PROVIDER,
	CKP_EXTENDED_PROVIDER,
	CKP_PUBLIC_CERTIFICATES_TOKEN,
};
#define N_BUILTIN (sizeof(profiles) / sizeof(profiles[0]))

static struct object *builtin[N_BUILTIN]; /* NULL: there was no memory */
static pthread_once_t once = PTHREAD_ONCE_INIT;

static CK_RV
profile_attrs(struct attrs *a, CK_ULONG profile)
{
	static const CK_ATTRIBUTE_TYPE no[] = {CKA_PRIVATE, CKA_MODIFIABLE, CKA_COPYABLE, CKA_DESTROYABLE};
	char uuid[40];
	CK_RV rv = attrs_set_ulong(a, CKA_CLASS, CKO_PROFILE);

	snprintf(uuid, sizeof(uuid), "00000000-0000-4000-8000-%012lx", (unsigned long)profile);
	if (rv == CKR_OK)
		rv = attrs_set_bool(a, CKA_TOKEN, true);
	for (size_t i = 0; rv == CKR_OK && i < sizeof(no) / sizeof(no[0]); i++)
		rv = attrs_set_bool(a, no[i], false);
	if (rv == CKR_OK)
		rv = attrs_set(a, CKA_LABEL, NULL, 0);
	if (rv == CKR_OK)
		rv = attrs_set_ulong(a, CKA_PROFILE_ID, profile);
	if (rv == CKR_OK)
		rv = attrs_set(a, CKA_UNIQUE_ID, uuid, 36);
	return rv;
}

static void
make_all(void)
{
	for (size_t i = 0; i < N_BUILTIN; i++) {
		struct attrs a = {0};

		if (profile_attrs(&a, profiles[i]) == CKR_OK && object_new(&builtin[i], &a) == CKR_OK)
			builtin[i]->handle = HANDLE_BUILTIN + i;
		attrs_free(&a);
	}
}

CK_RV
builtin_object(CK_OBJECT_HANDLE h, struct object **o)
{
	pthread_once(&once, make_all);
	if (h < HANDLE_BUILTIN || h - HANDLE_BUILTIN >= N_BUILTIN || builtin[h - HANDLE_BUILTIN] == NULL)
		return CKR_OBJECT_HANDLE_INVALID;
	*o = object_ref(builtin[h - HANDLE_BUILTIN]);
	return CKR_OK;
}

CK_RV
builtin_find(const struct attrs *templ, CK_OBJECT_HANDLE **handles, size_t *n)
{
	CK_OBJECT_HANDLE *more;

	if (!attrs_has(templ, CKA_CLASS) && !attrs_has(templ, CKA_PROFILE_ID) && !attrs_has(templ, CKA_UNIQUE_ID))
		return CKR_OK;
	pthread_once(&once, make_all);
	for (size_t i = 0; i < N_BUILTIN; i++) {
		if (builtin[i] == NULL || !object_matches(builtin[i], templ))
			continue;
		more = realloc(*handles, (*n + 1) * sizeof(*more));
		if (more == NULL)
			return CKR_HOST_MEMORY;
		*handles = more;
		more[(*n)++] = builtin[i]->handle;
	}
	return CKR_OK;
}
