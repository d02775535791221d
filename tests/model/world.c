/*
 * world.c - what the standard says that a list of calls does (PKCS#11 3.1 4.1, 5.6 to 5.16),
 * and whether it did
 *
 * Known of every session: its kind, one operation of each kind and the search; of every object:
 * whose it is and who may see it. Where the standard leaves a choice, a set of answers is
 * allowed. The bytes are checked with plain OpenSSL.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "world_inner.h"

struct session world_sessions[SESSIONS];
struct thing world_things[OBJECTS];
static enum who who;
static char *reason;
static bool telling;

const uint8_t world_key[32] = "a key of thirty-two bytes, known";

/* ---- judgement ---- */
bool
wrong(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(reason, 200, format, ap);
	va_end(ap);
	return false;
}

bool
allowed(const char *what, CK_RV rv, ...)
{
	char text[120] = "";
	va_list ap;
	CK_RV one;
	bool ok = false;

	va_start(ap, rv);
	while ((one = va_arg(ap, CK_RV)) != (CK_RV)-1) {
		ok = ok || one == rv;
		snprintf(text + strlen(text), sizeof(text) - strlen(text), " 0x%lx", one);
	}
	va_end(ap);
	if (telling)
		printf("  %s -> 0x%lx\n", what, rv);
	return ok || wrong("%s gave 0x%lx, and should give%s", what, rv, text);
}

/* ---- what there is ---- */
bool
world_visible(const struct thing *t)
{
	return t->there && (!t->private || who == USER);
}

static bool
any_session(bool read_only)
{
	for (size_t i = 0; i < SESSIONS; i++)
		if (world_sessions[i].open && (!read_only || !world_sessions[i].rw))
			return true;
	return false;
}

/* A session that chance chose; now and then one that is not there. */
struct session *
world_session(uint8_t choice)
{
	return &world_sessions[choice % SESSIONS];
}

CK_SESSION_HANDLE
world_session_handle(const struct session *s)
{
	return s->open ? s->h : 0xdead;
}

CK_OBJECT_HANDLE
world_thing_handle(const struct thing *t)
{
	return t->there ? t->h : 0xdeadbeef;
}

static void
thing_goes(size_t i)
{
	world_things[i].there = false;
	for (size_t s = 0; s < SESSIONS; s++)
		if (world_sessions[s].search.left & 1u << i)
			world_sessions[s].search.gone |= 1u << i;
}

static void
end_operations(struct session *s)
{
	memset(s->ops, 0, sizeof(s->ops));
}

static void
session_goes(struct session *s)
{
	s->open = false;
	end_operations(s);
	memset(&s->search, 0, sizeof(s->search));
	for (size_t i = 0; i < OBJECTS; i++)
		if (world_things[i].there && !world_things[i].token &&
			world_things[i].owner == (unsigned)(s - world_sessions))
			thing_goes(i);
	if (!any_session(false))
		who = NOBODY;
}

/* 3.1 5.6.7: private session objects go, the handles of private token objects mean nothing any
 * more. Operations may or may end; here those with a private key do, so that nothing is signed
 * for somebody who has logged out. */
static void
logged_out(void)
{
	who = NOBODY;
	for (size_t i = 0; i < OBJECTS; i++)
		if (world_things[i].there && world_things[i].private) {
			if (!world_things[i].token)
				thing_goes(i);
			else
				thing_goes(i), world_things[i].there = true,
					       world_things[i].h = 0;
		}
	for (size_t i = 0; i < SESSIONS; i++) {
		for (size_t k = 0; k < OPS; k++) {
			world_sessions[i].ops[k].unsure = true;
			if (world_sessions[i].ops[k].private)
				memset(&world_sessions[i].ops[k], 0,
					sizeof(world_sessions[i].ops[k]));
		}
		world_sessions[i].search.gone = world_sessions[i].search.left;
		world_sessions[i].search.unsure = true;
	}
}

/* Private token objects have new handles, maybe: they are looked for by their labels. */
static bool
find_again(CK_SESSION_HANDLE s)
{
	for (size_t i = 0; i < OBJECTS; i++) {
		CK_ATTRIBUTE label = {CKA_LABEL, &world_things[i].label, 1};
		CK_ULONG n = 0;

		if (!world_things[i].there || world_things[i].h != 0)
			continue;
		if (f->C_FindObjectsInit(s, &label, 1) != CKR_OK ||
			f->C_FindObjects(s, &world_things[i].h, 1, &n) != CKR_OK || n != 1 ||
			f->C_FindObjectsFinal(s) != CKR_OK)
			return wrong("the private token object %d is not found after login",
				world_things[i].label);
	}
	return true;
}

static void
resolve_search(struct search *search, CK_RV rv, bool init)
{
	if (search->active && search->unsure &&
		rv == (init ? CKR_OK : CKR_OPERATION_NOT_INITIALIZED))
		search->active = false;
	search->unsure = false;
}

/* ---- sessions and login ---- */
static bool
do_open(const struct call *c)
{
	struct session *s = world_session(c->a);
	bool rw = c->b % 3 != 0;
	CK_SESSION_HANDLE h = 0;
	CK_RV rv;

	if (s->open)
		return true;
	rv = f->C_OpenSession(
		slot, CKF_SERIAL_SESSION | (rw ? CKF_RW_SESSION : 0), NULL, NULL, &h);
	if (!rw && who == SO)
		return ALLOW("C_OpenSession, read-only, under the SO", rv,
			RV(CKR_SESSION_READ_WRITE_SO_EXISTS));
	if (!ALLOW("C_OpenSession", rv, RV(CKR_OK)))
		return false;
	memset(s, 0, sizeof(*s));
	s->open = true;
	s->rw = rw;
	s->h = h;
	return true;
}

static bool
do_close(const struct call *c)
{
	struct session *s = world_session(c->a);
	CK_RV rv = f->C_CloseSession(world_session_handle(s));

	if (!s->open)
		return ALLOW("C_CloseSession of none", rv, RV(CKR_SESSION_HANDLE_INVALID));
	session_goes(s);
	return ALLOW("C_CloseSession", rv, RV(CKR_OK));
}

static bool
do_close_all(const struct call *c)
{
	(void)c;
	for (size_t i = 0; i < SESSIONS; i++)
		if (world_sessions[i].open)
			session_goes(&world_sessions[i]);
	who = NOBODY;
	return ALLOW("C_CloseAllSessions", f->C_CloseAllSessions(slot), RV(CKR_OK));
}

static bool
do_login(const struct call *c)
{
	struct session *s = world_session(c->a);
	enum who as = c->b % 16 == 0 ? SO : USER;
	const char *pin = as == SO ? so_pin : user_pin;
	CK_RV rv = f->C_Login(world_session_handle(s), as == SO ? CKU_SO : CKU_USER,
		(CK_UTF8CHAR *)pin, strlen(pin));

	if (!s->open)
		return ALLOW("C_Login without a session", rv, RV(CKR_SESSION_HANDLE_INVALID));
	if (who == as)
		return ALLOW("C_Login again", rv, RV(CKR_USER_ALREADY_LOGGED_IN));
	if (who != NOBODY)
		return ALLOW("C_Login of another", rv, RV(CKR_USER_ANOTHER_ALREADY_LOGGED_IN));
	if (as == SO && any_session(true))
		return ALLOW("C_Login of the SO beside a read-only session", rv,
			RV(CKR_SESSION_READ_ONLY_EXISTS));
	if (!ALLOW("C_Login", rv, RV(CKR_OK)))
		return false;
	who = as;
	if (as == USER && !s->search.active) /* its own search must stay */
		return find_again(s->h);
	if (as == USER) { /* another session looks */
		CK_SESSION_HANDLE other;
		bool ok;

		if (f->C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL, &other) != CKR_OK)
			return wrong("no session to look with");
		ok = find_again(other);
		f->C_CloseSession(other);
		return ok;
	}
	return true;
}

static bool
do_logout(const struct call *c)
{
	struct session *s = world_session(c->a);
	CK_RV rv = f->C_Logout(world_session_handle(s));

	if (!s->open)
		return ALLOW("C_Logout without a session", rv, RV(CKR_SESSION_HANDLE_INVALID));
	if (who == NOBODY)
		return ALLOW("C_Logout of nobody", rv, RV(CKR_USER_NOT_LOGGED_IN));
	logged_out();
	return ALLOW("C_Logout", rv, RV(CKR_OK));
}

static bool
do_session_info(const struct call *c)
{
	static const CK_STATE states[2][3] = {
		{CKS_RO_PUBLIC_SESSION, CKS_RO_USER_FUNCTIONS, ~0UL},
		{CKS_RW_PUBLIC_SESSION, CKS_RW_USER_FUNCTIONS, CKS_RW_SO_FUNCTIONS}};
	struct session *s = world_session(c->a);
	CK_SESSION_INFO info;
	CK_RV rv = f->C_GetSessionInfo(world_session_handle(s), &info);

	if (!s->open)
		return ALLOW("C_GetSessionInfo of none", rv, RV(CKR_SESSION_HANDLE_INVALID));
	if (!ALLOW("C_GetSessionInfo", rv, RV(CKR_OK)))
		return false;
	if (info.state != states[s->rw][who] ||
		info.flags != (CKF_SERIAL_SESSION | (s->rw ? CKF_RW_SESSION : 0u)))
		return wrong("state %lu and flags 0x%lx of a session; state %lu was expected",
			info.state, info.flags, states[s->rw][who]);
	return true;
}

/* ---- objects ---- */
static CK_ULONG
fill_template(CK_ATTRIBUTE *t, const struct thing *new, CK_OBJECT_CLASS *class,
	CK_KEY_TYPE *type, CK_BBOOL flags[3])
{
	CK_ULONG n = 0;

	*class = new->kind == DATA ? CKO_DATA : CKO_SECRET_KEY;
	*type = new->kind == AES ? CKK_AES : CKK_GENERIC_SECRET;
	flags[0] = new->token;
	flags[1] = new->private;
	flags[2] = CK_TRUE;
	t[n++] = (CK_ATTRIBUTE){CKA_CLASS, class, sizeof(*class)};
	t[n++] = (CK_ATTRIBUTE){CKA_TOKEN, &flags[0], 1};
	t[n++] = (CK_ATTRIBUTE){CKA_PRIVATE, &flags[1], 1};
	t[n++] = (CK_ATTRIBUTE){CKA_LABEL, (void *)&new->label, 1};
	t[n++] = (CK_ATTRIBUTE){CKA_VALUE, (void *)world_key, 32};
	if (new->kind == DATA)
		return n;
	t[n++] = (CK_ATTRIBUTE){CKA_KEY_TYPE, type, sizeof(*type)};
	t[n++] = (CK_ATTRIBUTE){new->kind == AES ? CKA_ENCRYPT : CKA_SIGN, &flags[2], 1};
	t[n++] = (CK_ATTRIBUTE){new->kind == AES ? CKA_DECRYPT : CKA_VERIFY, &flags[2], 1};
	return n;
}

/* What stands in the way of a new object, or of a change. */
static bool
judge_new(const char *what, CK_RV rv, const struct session *s, const struct thing *new,
	bool *made)
{
	bool read_only = new->token && !s->rw, hidden = new->private &&who != USER;

	*made = false;
	if (read_only && hidden)
		return ALLOW(what, rv, RV(CKR_SESSION_READ_ONLY), RV(CKR_USER_NOT_LOGGED_IN));
	if (read_only)
		return ALLOW(what, rv, RV(CKR_SESSION_READ_ONLY));
	if (hidden)
		return ALLOW(what, rv, RV(CKR_USER_NOT_LOGGED_IN));
	*made = true;
	return ALLOW(what, rv, RV(CKR_OK));
}

static bool
do_create(const struct call *c)
{
	struct session *s = world_session(c->a);
	struct thing *t = &world_things[c->b % OBJECTS],
		     new = {.token = c->c & 1,
			     .private = c->c >> 1 & 1,
			     .kind = (c->c >> 2) % KINDS,
			     .label = (uint8_t)('A' + c->b % OBJECTS),
			     .owner = (unsigned)(s - world_sessions)};
	CK_ATTRIBUTE templ[12];
	CK_OBJECT_CLASS class;
	CK_KEY_TYPE type;
	CK_BBOOL flags[3];
	CK_ULONG n = fill_template(templ, &new, &class, &type, flags);
	bool made;
	CK_RV rv;

	if (t->there)
		return true;
	rv = f->C_CreateObject(world_session_handle(s), templ, n, &new.h);
	if (!s->open)
		return ALLOW(
			"C_CreateObject without a session", rv, RV(CKR_SESSION_HANDLE_INVALID));
	if (!judge_new("C_CreateObject", rv, s, &new, &made))
		return false;
	if (made) {
		*t = new;
		t->there = true;
	}
	return true;
}

static bool
do_copy(const struct call *c)
{
	struct session *s = world_session(c->a);
	struct thing *from = &world_things[c->b % OBJECTS],
		     *to = &world_things[(c->b / OBJECTS + c->c) % OBJECTS], new = *from;
	CK_BBOOL token = c->c & 1;
	CK_ATTRIBUTE templ[] = {{CKA_TOKEN, &token, 1}, {CKA_LABEL, &new.label, 1}};
	bool made;
	CK_RV rv;

	if (to->there)
		return true;
	new.label = (uint8_t)('A' + (to - world_things));
	new.token = token;
	new.owner = (unsigned)(s - world_sessions);
	rv = f->C_CopyObject(
		world_session_handle(s), world_thing_handle(from), templ, 2, &new.h);
	if (!s->open)
		return ALLOW(
			"C_CopyObject without a session", rv, RV(CKR_SESSION_HANDLE_INVALID));
	if (!world_visible(from))
		return ALLOW("C_CopyObject of none", rv, RV(CKR_OBJECT_HANDLE_INVALID));
	if (!judge_new("C_CopyObject", rv, s, &new, &made))
		return false;
	if (made)
		*to = new;
	return true;
}

static bool
do_destroy(const struct call *c)
{
	struct session *s = world_session(c->a);
	struct thing *t = &world_things[c->b % OBJECTS];
	CK_RV rv = f->C_DestroyObject(world_session_handle(s), world_thing_handle(t));

	if (!s->open)
		return ALLOW("C_DestroyObject without a session", rv,
			RV(CKR_SESSION_HANDLE_INVALID));
	if (!world_visible(t))
		return ALLOW("C_DestroyObject of none", rv, RV(CKR_OBJECT_HANDLE_INVALID));
	if (t->token && !s->rw)
		return ALLOW("C_DestroyObject in a read-only session", rv,
			RV(CKR_SESSION_READ_ONLY));
	thing_goes((size_t)(t - world_things));
	return ALLOW("C_DestroyObject", rv, RV(CKR_OK));
}

static bool
do_get(const struct call *c)
{
	struct session *s = world_session(c->a);
	struct thing *t = &world_things[c->b % OBJECTS];
	uint8_t label = 0;
	CK_BBOOL token = 2;
	CK_ATTRIBUTE templ[] = {{CKA_LABEL, &label, 1}, {CKA_TOKEN, &token, 1}};
	CK_RV rv = f->C_GetAttributeValue(
		world_session_handle(s), world_thing_handle(t), templ, 2);

	if (!s->open)
		return ALLOW("C_GetAttributeValue without a session", rv,
			RV(CKR_SESSION_HANDLE_INVALID));
	if (!world_visible(t))
		return ALLOW("C_GetAttributeValue of none", rv, RV(CKR_OBJECT_HANDLE_INVALID));
	if (!ALLOW("C_GetAttributeValue", rv, RV(CKR_OK)))
		return false;
	return (label == t->label && token == t->token) ||
	       wrong("the label is %d, CKA_TOKEN %d", label, token);
}

/* The label is set to what it is: the searches below live on it. */
static bool
do_set(const struct call *c)
{
	struct session *s = world_session(c->a);
	struct thing *t = &world_things[c->b % OBJECTS];
	CK_ATTRIBUTE templ = {CKA_LABEL, &t->label, 1};
	CK_RV rv = f->C_SetAttributeValue(
		world_session_handle(s), world_thing_handle(t), &templ, 1);

	if (!s->open)
		return ALLOW("C_SetAttributeValue without a session", rv,
			RV(CKR_SESSION_HANDLE_INVALID));
	if (!world_visible(t))
		return ALLOW("C_SetAttributeValue of none", rv, RV(CKR_OBJECT_HANDLE_INVALID));
	if (t->token && !s->rw)
		return ALLOW("C_SetAttributeValue in a read-only session", rv,
			RV(CKR_SESSION_READ_ONLY));
	return ALLOW("C_SetAttributeValue", rv, RV(CKR_OK));
}

/* ---- searches ---- */
static bool
do_find_init(const struct call *c)
{
	struct session *s = world_session(c->a);
	CK_BBOOL token = c->b & 1;
	CK_ATTRIBUTE templ = {CKA_TOKEN, &token, 1};
	bool all = c->b % 4 < 2;
	CK_RV rv = f->C_FindObjectsInit(world_session_handle(s), &templ, all ? 0 : 1);

	if (!s->open)
		return ALLOW("C_FindObjectsInit without a session", rv,
			RV(CKR_SESSION_HANDLE_INVALID));
	resolve_search(&s->search, rv, true);
	if (s->search.active)
		return ALLOW("C_FindObjectsInit again", rv, RV(CKR_OPERATION_ACTIVE));
	if (!ALLOW("C_FindObjectsInit", rv, RV(CKR_OK)))
		return false;
	s->search = (struct search){.active = true};
	for (size_t i = 0; i < OBJECTS; i++)
		if (world_visible(&world_things[i]) && (all || world_things[i].token == token))
			s->search.left |= 1u << i;
	return true;
}

static bool
take_found(struct search *search, CK_OBJECT_HANDLE h)
{
	for (size_t i = 0; i < OBJECTS; i++)
		if ((search->left & 1u << i) && world_things[i].h == h) {
			search->left &= ~(1u << i);
			return true;
		}
	/* of what went away in the meantime only the bit is known */
	for (size_t i = 0; i < OBJECTS; i++)
		if (search->left & search->gone & 1u << i) {
			search->left &= ~(1u << i);
			return true;
		}
	return wrong("object 0x%lx is found, and should not be", h);
}

static bool
do_find_next(const struct call *c)
{
	struct session *s = world_session(c->a);
	CK_OBJECT_HANDLE found[OBJECTS + 4];
	CK_ULONG n = 0, max = c->b % NELEMS(found) + 1;
	CK_RV rv = f->C_FindObjects(world_session_handle(s), found, max, &n);

	if (!s->open)
		return ALLOW(
			"C_FindObjects without a session", rv, RV(CKR_SESSION_HANDLE_INVALID));
	resolve_search(&s->search, rv, false);
	if (!s->search.active)
		return ALLOW("C_FindObjects without a search", rv,
			RV(CKR_OPERATION_NOT_INITIALIZED));
	if (!ALLOW("C_FindObjects", rv, RV(CKR_OK)))
		return false;
	for (CK_ULONG i = 0; i < n; i++)
		if (!take_found(&s->search, found[i]))
			return false;
	if (n < max && (s->search.left & ~s->search.gone) != 0)
		return wrong("the search ended, and objects 0x%x were not found",
			s->search.left & ~s->search.gone);
	return true;
}

static bool
do_find_final(const struct call *c)
{
	struct session *s = world_session(c->a);
	CK_RV rv = f->C_FindObjectsFinal(world_session_handle(s));

	if (!s->open)
		return ALLOW("C_FindObjectsFinal without a session", rv,
			RV(CKR_SESSION_HANDLE_INVALID));
	resolve_search(&s->search, rv, false);
	if (!s->search.active)
		return ALLOW("C_FindObjectsFinal without a search", rv,
			RV(CKR_OPERATION_NOT_INITIALIZED));
	s->search.active = false;
	return ALLOW("C_FindObjectsFinal", rv, RV(CKR_OK));
}

/* ---- the list ---- */
static const struct {
	const char *name;
	bool (*run)(const struct call *c);
} acts[WHATS] = {
	[OPEN] = {"open", do_open},
	[CLOSE] = {"close", do_close},
	[CLOSE_ALL] = {"close_all", do_close_all},
	[LOGIN] = {"login", do_login},
	[LOGOUT] = {"logout", do_logout},
	[SESSION_INFO] = {"session_info", do_session_info},
	[CREATE] = {"create", do_create},
	[COPY] = {"copy", do_copy},
	[DESTROY] = {"destroy", do_destroy},
	[GET] = {"get", do_get},
	[SET] = {"set", do_set},
	[FIND_INIT] = {"find_init", do_find_init},
	[FIND_NEXT] = {"find_next", do_find_next},
	[FIND_FINAL] = {"find_final", do_find_final},
	[OP_INIT] = {"op_init", do_op_init},
	[OP_ONCE] = {"op_once", do_op_once},
	[OP_UPDATE] = {"op_update", do_op_update},
	[OP_FINAL] = {"op_final", do_op_final},
};

const char *
world_name(enum what what)
{
	return acts[what].name;
}

/* No session, no object. */
static bool
begin(void)
{
	CK_SESSION_HANDLE s;
	CK_OBJECT_HANDLE found[64];
	CK_ULONG n = 0;

	f->C_CloseAllSessions(slot);
	if (f->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &s) !=
			CKR_OK ||
		f->C_Login(s, CKU_USER, (CK_UTF8CHAR *)user_pin, strlen(user_pin)) != CKR_OK ||
		f->C_FindObjectsInit(s, NULL, 0) != CKR_OK ||
		f->C_FindObjects(s, found, NELEMS(found), &n) != CKR_OK)
		return false;
	f->C_FindObjectsFinal(s);
	for (CK_ULONG i = 0; i < n; i++)
		f->C_DestroyObject(s, found[i]);
	memset(world_sessions, 0, sizeof(world_sessions));
	memset(world_things, 0, sizeof(world_things));
	who = NOBODY;
	return f->C_CloseAllSessions(slot) == CKR_OK;
}

size_t
world_run(const struct call *calls, size_t n, bool tell, char why[200])
{
	reason = why;
	telling = tell;
	if (!begin()) {
		wrong("the token cannot be emptied");
		return 0;
	}
	for (size_t i = 0; i < n; i++) {
		if (tell)
			printf("%s %d %d %d\n", acts[calls[i].what].name, calls[i].a,
				calls[i].b, calls[i].c);
		if (!acts[calls[i].what].run(&calls[i]))
			return i;
	}
	return n;
}
