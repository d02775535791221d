#include "search.h"

#include <stdlib.h>
#include <string.h>

#include "wire.h"

#define BUCKETS 64u

struct search {
	struct search *next;
	CK_SESSION_HANDLE session;
	uint64_t number;
	CK_OBJECT_HANDLE *list;
	size_t n, given;
	bool more, doubtful;
};

struct searches {
	struct lock lock;
	uint64_t begun;
	struct search *at[BUCKETS];
};

CK_RV
searches_new(struct searches **out, const CK_C_INITIALIZE_ARGS *args)
{
	struct searches *s = calloc(1, sizeof(*s));
	CK_RV rv;

	*out = NULL;
	if (s == NULL)
		return CKR_HOST_MEMORY;
	rv = lock_init(&s->lock, args);
	if (rv == CKR_OK)
		*out = s;
	else
		free(s);
	return rv;
}

/* ---- with the lock held ---- */

/* Where the pointer to the session's search stands, or would. */
static struct search **
place(struct searches *s, CK_SESSION_HANDLE session)
{
	struct search **at = &s->at[session % BUCKETS];

	while (*at != NULL && (*at)->session != session)
		at = &(*at)->next;
	return at;
}

static void
drop(struct search **at)
{
	struct search *gone = *at;

	if (gone == NULL)
		return;
	*at = gone->next;
	free(gone->list);
	free(gone);
}

static struct search_state
state_of(const struct search *f)
{
	return f == NULL ? (struct search_state){0}
			 : (struct search_state){.known = true, .more = f->more, .doubtful = f->doubtful};
}

static void
drop_all(struct searches *s)
{
	for (size_t i = 0; i < BUCKETS; i++) {
		while (s->at[i] != NULL)
			drop(&s->at[i]);
	}
}

static void
doubt_all(struct searches *s)
{
	for (size_t i = 0; i < BUCKETS; i++) {
		for (struct search *f = s->at[i]; f != NULL; f = f->next)
			f->doubtful = true;
	}
}

/* ---- life ---- */

void
searches_free(struct searches *s)
{
	if (s == NULL)
		return;
	drop_all(s);
	lock_free(&s->lock);
	free(s);
}

void
searches_forget(struct searches *s)
{
	if (s == NULL)
		return;
	lock_forget(&s->lock);
	drop_all(s);
}

CK_RV
search_begin(struct searches *s, CK_SESSION_HANDLE session, uint64_t *number)
{
	struct search *made = calloc(1, sizeof(*made)), **at;
	CK_RV rv = CKR_HOST_MEMORY;

	if (made == NULL)
		return rv;
	made->session = session;
	made->more = true;
	lock_take(&s->lock);
	at = place(s, session);
	rv = *at == NULL ? CKR_OK : CKR_OPERATION_ACTIVE;
	if (rv == CKR_OK) {
		*number = made->number = ++s->begun;
		*at = made;
		made = NULL; /* transferred */
	}
	lock_give(&s->lock);
	free(made);
	return rv;
}

void
search_started(struct searches *s, CK_SESSION_HANDLE session, uint64_t number, CK_RV rv, CK_OBJECT_HANDLE *list,
	size_t n, bool all)
{
	struct search **at;

	lock_take(&s->lock);
	at = place(s, session);
	if (*at == NULL || (*at)->number != number) {
		/* another thread has ended it meanwhile, and may have begun the next */
	} else if (rv != CKR_OK) {
		drop(at);
	} else {
		(*at)->list = list;
		(*at)->n = n;
		(*at)->more = !all;
		list = NULL; /* transferred */
	}
	lock_give(&s->lock);
	free(list);
}

struct search_state
search_next(struct searches *s, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE *out, CK_ULONG max, CK_ULONG *n)
{
	struct search_state state;
	struct search *f;

	*n = 0;
	lock_take(&s->lock);
	f = *place(s, session);
	state = state_of(f);
	if (f != NULL && f->given < f->n) {
		*n = f->n - f->given < max ? f->n - f->given : max;
		if (*n > 0)
			memcpy(out, f->list + f->given, *n * sizeof(*out));
		f->given += *n;
	}
	lock_give(&s->lock);
	return state;
}

struct search_state
search_end(struct searches *s, CK_SESSION_HANDLE session)
{
	struct search_state state;
	struct search **at;

	lock_take(&s->lock);
	at = place(s, session);
	state = state_of(*at);
	drop(at);
	lock_give(&s->lock);
	return state;
}

struct search_state
search_look(struct searches *s, CK_SESSION_HANDLE session)
{
	struct search_state state;

	lock_take(&s->lock);
	state = state_of(*place(s, session));
	lock_give(&s->lock);
	return state;
}

/* ---- what happens meanwhile ---- */

static void
remove_from(struct search *f, CK_OBJECT_HANDLE object)
{
	size_t kept = f->given;

	for (size_t i = f->given; i < f->n; i++) {
		if (f->list[i] != object)
			f->list[kept++] = f->list[i];
	}
	f->n = kept;
}

void
search_remove(struct searches *s, CK_OBJECT_HANDLE object)
{
	lock_take(&s->lock);
	for (size_t i = 0; i < BUCKETS; i++) {
		for (struct search *f = s->at[i]; f != NULL; f = f->next)
			remove_from(f, object);
	}
	lock_give(&s->lock);
}

void
search_after(struct searches *s, uint32_t call, CK_SESSION_HANDLE session, CK_RV rv)
{
	if (call != WIRE_CLOSE_SESSION && call != WIRE_CLOSE_ALL_SESSIONS && call != WIRE_LOGOUT &&
		call != WIRE_INIT_TOKEN)
		return;
	lock_take(&s->lock);
	if (call == WIRE_CLOSE_SESSION && (rv == CKR_OK || rv == CKR_SESSION_HANDLE_INVALID))
		drop(place(s, session));
	doubt_all(s);
	lock_give(&s->lock);
}
