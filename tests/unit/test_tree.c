/*
 * test_tree.c - the tree: names, listings, contents, sizes, and who may look
 *
 * The store behind it is played by a table of objects in this file.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fs/log.h"
#include "fs/node.h"
#include "fs/tree.h"
#include "fs/unlock.h"
#include "store/key.h"
#include "store/secret.h"
#include "store/why.h"
#include "unit.h"

/* ---- a store of one process ---- */

struct token {
	CK_SLOT_ID slot;
	const char *label, *serial;
};
static struct token tokens[] = {
	{0, "hydra", "00000000000000aa"},
	{3, "a/b%", "00000000000000bb"},
	{5, "twin", "00000000000000cc"},
	{6, "twin", "00000000000000dd"},
	{7, "", "00000000000000ee"},
	{8, "..", "00000000000000ff"},
};
#define N_TOKENS (sizeof(tokens) / sizeof(tokens[0]))
#define MAX_OBJECTS 10100
static struct object *objects[MAX_OBJECTS]; /* by handle; all in slot 0 */
static size_t n_objects = 1;
static bool unlocked;
static unsigned unlocks;
static struct daemon the_daemon = {.started = 1700000000};
static const struct viewer me = {.daemon = &the_daemon, .uid = 1000};

CK_RV
vault_slots(struct vault *v, struct slot_info **slots, size_t *n)
{
	(void)v;
	*n = N_TOKENS + 1;
	*slots = calloc(*n, sizeof(**slots));
	for (size_t i = 0; i < N_TOKENS; i++)
		(*slots)[i] = (struct slot_info){tokens[i].slot, true};
	(*slots)[N_TOKENS].id = 9; /* the spare one */
	return CKR_OK;
}

CK_RV
token_get(struct vault *v, CK_SLOT_ID slot, struct token **t)
{
	(void)v;
	for (size_t i = 0; i < N_TOKENS; i++)
		if (tokens[i].slot == slot) {
			*t = &tokens[i];
			return CKR_OK;
		}
	return CKR_SLOT_ID_INVALID;
}

void
token_put(struct token *t)
{
	(void)t;
}

const char *
token_serial(const struct token *t)
{
	return t->serial;
}

CK_RV
token_info(struct token *t, struct token_info *info)
{
	*info = (struct token_info){.slot = t->slot, .user_pin_set = true, .user_tries = 10,
		.user_tries_left = 9, .so_tries = 5, .so_tries_left = 5, .public_objects = 2};
	strcpy(info->label, t->label);
	strcpy(info->serial, t->serial);
	return CKR_OK;
}

CK_RV
token_find(struct token *t, const struct attrs *templ, bool with_private, CK_OBJECT_HANDLE **handles, size_t *n)
{
	*handles = calloc(n_objects, sizeof(**handles));
	*n = 0;
	for (size_t h = 1; h < n_objects && t->slot == 0; h++)
		if (objects[h] && (with_private || !objects[h]->private) &&
			object_matches(objects[h], templ))
			(*handles)[(*n)++] = h;
	return CKR_OK;
}

CK_RV
token_object(struct token *t, CK_OBJECT_HANDLE h, bool with_private, struct object **o)
{
	if (t->slot != 0 || h >= n_objects || !objects[h] || (objects[h]->private && !with_private))
		return CKR_OBJECT_HANDLE_INVALID;
	*o = object_ref(objects[h]);
	return CKR_OK;
}

CK_RV
make_destroyed(const struct maker *m, struct object *o)
{
	CHECK(m->who.user == CKU_USER && m->who.rw);
	if (!attrs_bool(&o->attrs, CKA_DESTROYABLE, true))
		return why(CKR_ACTION_PROHIBITED, "CKA_DESTROYABLE is false");
	object_put(objects[o->handle]);
	objects[o->handle] = NULL;
	return CKR_OK;
}

static struct audit_event audited;

CK_RV
vault_audit(struct vault *v, const struct audit_event *e)
{
	(void)v;
	audited = *e;
	return CKR_OK;
}

bool
unlock_active(struct daemon *d, struct token *t, uid_t uid, uint64_t *hold)
{
	(void)hold;
	return d == &the_daemon && t->slot == 0 && uid == 1000 && unlocked;
}

uint64_t
unlock_id(struct daemon *d, struct token *t, uid_t uid)
{
	return unlock_active(d, t, uid, NULL) ? unlocks : 0;
}

CK_RV
unlock_begin(struct daemon *d, CK_SLOT_ID slot, const struct audit_who *who, const uint8_t *pin, size_t len,
	unsigned seconds)
{
	(void)d;
	unlocks++;
	CHECK(slot == 0 && who->uid == 1000 && seconds == 0);
	if (len == 6 && memcmp(pin, "locked", 6) == 0)
		return why(CKR_PIN_LOCKED, "no tries are left");
	if (len != 4 || memcmp(pin, "1234", 4) != 0)
		return why(CKR_PIN_INCORRECT, "wrong PIN");
	unlocked = true;
	return CKR_OK;
}

CK_RV
unlock_end(struct daemon *d, CK_SLOT_ID slot, const struct audit_who *who)
{
	(void)d;
	(void)slot;
	(void)who;
	if (!unlocked)
		return CKR_USER_NOT_LOGGED_IN;
	unlocked = false;
	return CKR_OK;
}

static const struct mech mechs[] = {
	{CKM_RSA_PKCS, CKF_SIGN | CKF_VERIFY, 2048, 16384},
	{CKM_SHA256, CKF_DIGEST, 0, 0},
	{CKM_XOR_BASE_AND_DATA, CKF_DERIVE, 1, 64, .when = MECH_COMPAT},
};

size_t
mech_count(void)
{
	return 3;
}

bool
mech_offered(const struct mech *row, bool compat)
{
	return row->when != MECH_COMPAT || compat;
}

CK_FLAGS
mech_flags(const struct mech *row, bool compat)
{
	(void)compat;
	return row->flags;
}

bool
token_compat(struct token *t)
{
	(void)t;
	return false;
}

const struct mech *
mech_at(size_t i)
{
	return &mechs[i];
}

const struct mech *
mech_find_for(CK_MECHANISM_TYPE type, bool compat)
{
	size_t i = 0;

	(void)compat;
	while (mechs[i].type != type)
		i++;
	return &mechs[i];
}

CK_RV
key_export_public(struct object *o, enum key_format f, uint8_t **out, size_t *len)
{
	static const char *const texts[] = {"PEM\n", "DER", "ssh-x AAAA\n", "{}"};

	(void)o;
	if (f == KEY_SSH && attrs_ulong(&o->attrs, CKA_KEY_TYPE, CKK_RSA) == CKK_EC_MONTGOMERY)
		return CKR_KEY_TYPE_INCONSISTENT; /* ssh has no such key */
	*out = (uint8_t *)strdup(texts[f]);
	*len = strlen(texts[f]);
	return CKR_OK;
}

CK_RV
key_to_pkcs8(struct object *o, uint8_t **der, size_t *len)
{
	(void)o;
	*len = 50;
	*der = secret_alloc(50);
	return CKR_OK;
}

void
key_free(struct key *k)
{
	(void)k;
}

void
log_at(enum why_level level, const char *fmt, ...)
{
	(void)level;
	(void)fmt;
}

/* ---- objects ---- */

static CK_OBJECT_HANDLE
add(CK_OBJECT_CLASS class, const char *label, const char *id, bool private, bool open)
{
	struct attrs a = {0};
	struct object *o = NULL;
	bool key = class == CKO_PUBLIC_KEY || class == CKO_PRIVATE_KEY || class == CKO_SECRET_KEY;

	attrs_set_ulong(&a, CKA_CLASS, class);
	attrs_set_bool(&a, CKA_TOKEN, true);
	attrs_set_bool(&a, CKA_PRIVATE, private);
	attrs_set(&a, CKA_LABEL, label, strlen(label));
	attrs_set_ulong(&a, TKA_CREATED, 1600000000);
	if (class != CKO_DATA)
		attrs_set(&a, CKA_ID, id, strlen(id));
	if (key)
		attrs_set_ulong(&a, CKA_KEY_TYPE, class == CKO_SECRET_KEY ? CKK_AES : CKK_RSA);
	if (class == CKO_PRIVATE_KEY || class == CKO_SECRET_KEY) {
		attrs_set_bool(&a, CKA_SENSITIVE, !open);
		attrs_set_bool(&a, CKA_EXTRACTABLE, open);
	}
	if (class == CKO_PRIVATE_KEY)
		attrs_set(&a, CKA_PRIVATE_EXPONENT, "\x01\x02", 2);
	if (class == CKO_SECRET_KEY || class == CKO_DATA)
		attrs_set(&a, CKA_VALUE, "0123456789abcdef", 16);
	if (class == CKO_CERTIFICATE) {
		attrs_set_ulong(&a, CKA_CERTIFICATE_TYPE, CKC_X_509);
		attrs_set(&a, CKA_VALUE, "\x30\x03\x02\x01\x01", 5);
	}
	CHECK_RV(CKR_OK, object_new(&o, &a));
	o->handle = n_objects;
	objects[n_objects] = o;
	return n_objects++;
}

/* ---- walking ---- */

static int
walk(const char *path, struct node *n)
{
	char part[300];
	int rc;

	node_from_ino(1, n);
	while (*path) {
		size_t len = strcspn(path, "/");
		struct node dir = *n, again;

		snprintf(part, sizeof(part), "%.*s", (int)len, path);
		if ((rc = tree_lookup(&me, &dir, part, n)) != 0)
			return rc;
		CHECK(node_from_ino(node_ino(n), &again) && node_ino(&again) == node_ino(n) &&
			again.kind == n->kind && again.slot == n->slot && again.sub == n->sub);
		path += len + (path[len] == '/');
	}
	return 0;
}

static char listed[1 << 19];

static bool
list_one(void *arg, const char *name, const struct node *n)
{
	size_t *at = arg;

	(void)n;
	if (*at + strlen(name) + 2 < sizeof(listed))
		*at += (size_t)sprintf(listed + *at, "%s ", name);
	return true;
}

static const char *
list(const char *path)
{
	struct node n;
	size_t at = 0;
	int rc = walk(path, &n);

	listed[0] = '\0';
	if (rc == 0)
		rc = tree_list(&me, &n, list_one, &at);
	if (rc != 0)
		sprintf(listed, "errno %d", -rc);
	return listed;
}

static char content[8192];

/* The content; the size that stat tells must be its own. */
static const char *
cat(const char *path)
{
	struct node n;
	struct stat st;
	uint8_t *text = NULL;
	size_t len = 0;
	int rc = walk(path, &n);

	if (rc == 0)
		rc = tree_read(&me, &n, &text, &len);
	if (rc != 0) {
		sprintf(content, "errno %d", -rc);
		return content;
	}
	CHECK(tree_stat(&me, &n, &st) == 0 && (size_t)st.st_size == len && S_ISREG(st.st_mode));
	memcpy(content, text, len);
	content[len] = '\0';
	secret_free(text);
	return content;
}

static bool
same(const char *got, const char *want)
{
	if (strcmp(got, want) == 0)
		return true;
	fprintf(stderr, "got  %s\nwant %s\n", got, want);
	return false;
}

static void
test_root_names_tokens(void)
{
	struct node n, m;
	struct stat st;

	CHECK(same(list(""), ".p11 hydra a%2Fb%25 twin~00000000000000cc twin~00000000000000dd "
			     "~00000000000000ee %2E. "));
	CHECK(walk("hydra", &n) == 0 && n.slot == 0);
	CHECK(walk("hydra~00000000000000aa", &m) == 0 && node_ino(&m) == node_ino(&n));
	CHECK(walk("a%2Fb%25", &n) == 0 && n.slot == 3);
	CHECK(walk("twin", &n) == -ENOENT);
	CHECK(walk("twin~00000000000000dd", &n) == 0 && n.slot == 6);
	CHECK(walk("~00000000000000ee", &n) == 0 && n.slot == 7);
	CHECK(walk("..", &n) == -ENOENT);
	CHECK(walk("nothing", &n) == -ENOENT);
	CHECK(walk("hydra/token/x", &n) == -ENOTDIR);
	walk("hydra", &n);
	CHECK(tree_stat(&me, &n, &st) == 0 && st.st_mode == (S_IFDIR | 0500) && st.st_mtime == 1700000000);
	CHECK(st.st_uid == geteuid());
	walk("hydra/login", &n);
	CHECK(tree_stat(&me, &n, &st) == 0 && st.st_mode == (S_IFREG | 0600));
}

static void
test_token_texts(void)
{
	CHECK(same(list("hydra"), "token mechanisms login last-error public private "));
	CHECK(strstr(cat("hydra/token"), "label = \"hydra\"\nserial = 00000000000000aa\nslot = 0\n"
					 "state = ok\n") == content);
	CHECK(strstr(content, "user-pin-tries-left = 9 of 10\n"));
	CHECK(same(cat("hydra/mechanisms"), "CKM_RSA_PKCS 2048-16384 sign verify\nCKM_SHA256 - digest\n"));
	CHECK(same(cat("hydra/login"), "locked\n"));
	CHECK(same(cat("hydra/last-error"), ""));
}

static int
write_login(const char *data)
{
	struct node n;

	CHECK(walk("hydra/login", &n) == 0 && tree_is_slow(&n));
	return tree_write(&me, &n, (const uint8_t *)data, strlen(data));
}

static void
test_private_is_barred_until_login(void)
{
	struct node n, object = {.kind = NODE_OBJECT, .handle = 3 | NODE_BELOW_PRIVATE}, file = object;
	struct viewer other = {&the_daemon, 1001};
	struct stat st;
	uint8_t *text;
	size_t len;

	CHECK(same(list("hydra/private"), "errno 13"));
	CHECK(walk("hydra/private/jwt.key", &n) == -EACCES);
	CHECK(walk("hydra/private/none", &n) == -EACCES);
	CHECK(tree_stat(&me, &object, &st) == -EACCES);
	file.kind = NODE_ATTRIBUTES;
	CHECK(tree_read(&me, &file, &text, &len) == -EACCES);
	/* an inode number made up to look public */
	file.handle = 3;
	CHECK(tree_read(&me, &file, &text, &len) == -ENOENT);
	CHECK(walk("hydra/public/jwt.key", &n) == -ENOENT);

	CHECK(write_login("9999\n") == -EACCES);
	CHECK(strstr(cat("hydra/last-error"), " login: CKR_PIN_INCORRECT: wrong PIN\n"));
	CHECK(write_login("locked") == -EPERM);
	CHECK(write_login("") == -EINVAL);
	CHECK(write_login("\n") == -EINVAL);
	CHECK(!unlocked && unlocks == 2);
	CHECK(write_login("1234\n") == 0 && unlocked);
	CHECK(same(cat("hydra/login"), "unlocked\n"));
	CHECK(tree_stat(&me, &object, &st) == 0 && st.st_mode == (S_IFDIR | 0700));
	CHECK(st.st_mtime == 1600000000);
	file.handle = 3;
	CHECK(tree_read(&me, &file, &text, &len) == -ENOENT);
	file.handle = 1 | NODE_BELOW_PRIVATE; /* a public object, dressed up as a private one */
	CHECK(tree_read(&me, &file, &text, &len) == -ENOENT);
	CHECK(tree_stat(&other, &object, &st) == -EACCES);
	CHECK(write_login("lock\n") == 0 && !unlocked);
	CHECK(write_login("lock") == 0);
	CHECK(tree_stat(&me, &object, &st) == -EACCES);
	unlocked = true;
	walk("hydra/token", &n);
	CHECK(tree_write(&me, &n, (const uint8_t *)"1", 1) == -EACCES);
}

static void
test_object_names(void)
{
	struct node n;
	char name[600];

	CHECK(same(list("hydra/public"), "jwt.pub jwt~2.pub x%2Fy%7E.cert 6b6964.pub unnamed.data "
					 "6b6964~8.pub "));
	CHECK(walk("hydra/public/jwt.pub", &n) == 0 && n.handle == 1);
	CHECK(walk("hydra/public/jwt~1.pub", &n) == 0 && n.handle == 1);
	CHECK(walk("hydra/public/jwt~2.pub", &n) == 0 && n.handle == 2);
	CHECK(walk("hydra/public/jwt~3.key", &n) == -ENOENT);
	CHECK(walk("hydra/public/jwt~4.pub", &n) == -ENOENT);
	CHECK(walk("hydra/public/jwt~01.pub", &n) == -ENOENT);
	CHECK(walk("hydra/public/jwt~.pub", &n) == -ENOENT);
	CHECK(walk("hydra/public/jwt~99999999999999999999.pub", &n) == -ENOENT);
	CHECK(walk("hydra/public/jwt.cert", &n) == -ENOENT);
	CHECK(walk("hydra/public/jwt", &n) == -ENOENT);
	CHECK(walk("hydra/public/.pub", &n) == -ENOENT);
	CHECK(walk("hydra/public/x%2Fy%7E.cert", &n) == 0 && n.handle == 5);
	CHECK(walk("hydra/public/x%2fy%7E.cert", &n) == -ENOENT);
	CHECK(walk("hydra/public/6b6964.pub", &n) == 0 && n.handle == 6);
	CHECK(walk("hydra/public/unnamed.data", &n) == 0 && n.handle == 7);
	CHECK(same(list("hydra/private"), "jwt.key jwt.secret open.secret open.key "));
	CHECK(walk("hydra/private/jwt.key", &n) == 0 && n.handle == (3 | NODE_BELOW_PRIVATE));

	/* a label too long for a name is cut and has the handle always */
	memset(name, 'n', 500);
	name[500] = '\0';
	add(CKO_PUBLIC_KEY, name, "", false, false);
	list("hydra/public");
	CHECK(strstr(listed, "nnn~11.pub ") != NULL);
	strcpy(name, "hydra/public/");
	strcat(name, strstr(listed, "nnnn"));
	*strrchr(name, ' ') = '\0';
	CHECK(strlen(name) < 260 && walk(name, &n) == 0 && n.handle == 11);
	object_put(objects[--n_objects]);
	objects[n_objects] = NULL;
}

static void
test_object_files(void)
{
	CHECK(same(list("hydra/public/jwt.pub"), "attributes attr public.pem public.der public.ssh public.jwk "));
	CHECK(same(list("hydra/public/x%2Fy%7E.cert"), "attributes attr public.pem public.der public.ssh "
						       "public.jwk certificate.pem certificate.der "));
	CHECK(same(list("hydra/public/unnamed.data"), "attributes attr value "));
	CHECK(same(list("hydra/private/jwt.secret"), "attributes attr "));
	CHECK(same(list("hydra/private/open.secret"), "attributes attr value "));
	CHECK(same(list("hydra/private/jwt.key"), "attributes attr public.pem public.der public.ssh "
						  "public.jwk "));
	CHECK(same(cat("hydra/private/jwt.key/private.pem"), "errno 2"));
	CHECK(same(cat("hydra/private/jwt.secret/value"), "errno 2"));
	CHECK(same(cat("hydra/private/jwt.secret/attr/CKA_VALUE"), "errno 2"));
	CHECK(same(cat("hydra/private/open.secret/value"), "0123456789abcdef"));
	CHECK(same(cat("hydra/public/jwt.pub/public.ssh"), "ssh-x AAAA\n"));
	CHECK(same(cat("hydra/public/x%2Fy%7E.cert/certificate.pem"),
		"-----BEGIN CERTIFICATE-----\nMAMCAQE=\n-----END CERTIFICATE-----\n"));
	CHECK(same(cat("hydra/private/open.key/private.pem"), "-----BEGIN PRIVATE KEY-----\n"
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\nAAA=\n"
		"-----END PRIVATE KEY-----\n"));
	/* a key that a format cannot express has no file for it */
	attrs_set_ulong(&objects[1]->attrs, CKA_KEY_TYPE, CKK_EC_MONTGOMERY);
	CHECK(same(list("hydra/public/jwt.pub"), "attributes attr public.pem public.der public.jwk "));
	CHECK(same(cat("hydra/public/jwt.pub/public.ssh"), "errno 2"));
	attrs_set_ulong(&objects[1]->attrs, CKA_KEY_TYPE, CKK_RSA);
}

static void
test_attributes(void)
{
	struct node n, odd;
	CK_ULONG class = CKO_PRIVATE_KEY;
	uint8_t *text;
	size_t len;
	struct stat st;

	cat("hydra/private/jwt.key/attributes");
	CHECK(strstr(content, "CKA_CLASS = CKO_PRIVATE_KEY\nCKA_TOKEN = true\nCKA_PRIVATE = true\n"
			      "CKA_LABEL = \"jwt\"\nCKA_UNIQUE_ID = \"") == content);
	CHECK(strstr(content, "\nCKA_KEY_TYPE = CKK_RSA\nCKA_ID = 6b6964\nCKA_SENSITIVE = true\n"
			      "CKA_PRIVATE_EXPONENT = <sensitive>\nCKA_EXTRACTABLE = false\n"));
	CHECK(!strstr(content, "TKA_") && !strstr(content, "544b"));
	cat("hydra/public/x%2Fy%7E.cert/attributes");
	CHECK(strstr(content, "CKA_LABEL = \"x/y~\"\n") && strstr(content, "CKA_CERTIFICATE_TYPE = CKC_X_509\n"));
	CHECK(strstr(content, "CKA_VALUE = 3003020101\n"));
	CHECK(same(list("hydra/private/jwt.key/attr"), "CKA_CLASS CKA_TOKEN CKA_PRIVATE CKA_LABEL CKA_UNIQUE_ID "
		"CKA_KEY_TYPE CKA_ID CKA_SENSITIVE CKA_EXTRACTABLE "));
	CHECK(same(cat("hydra/private/jwt.key/attr/CKA_LABEL"), "jwt"));
	CHECK(walk("hydra/private/jwt.key/attr/CKA_CLASS", &n) == 0);
	CHECK(tree_read(&me, &n, &text, &len) == 0 && len == sizeof(class) && memcmp(text, &class, len) == 0);
	secret_free(text);
	CHECK(walk("hydra/private/jwt.key/attr/CKA_PRIVATE_EXPONENT", &n) == -ENOENT);
	CHECK(walk("hydra/private/jwt.key/attr/TKA_CREATED", &n) == -ENOENT);
	/* inode numbers that nobody gave out */
	walk("hydra/private/jwt.key/attr/CKA_CLASS", &n);
	for (unsigned sub = 0; sub < 256; sub++) {
		odd = n;
		odd.sub = (uint8_t)sub;
		if (!node_from_ino(node_ino(&odd), &odd) || tree_read(&me, &odd, &text, &len) != 0)
			continue;
		CHECK(strncmp(attr_name_at(sub - 1)->name, "CKA_", 4) == 0);
		CHECK(attr_name_at(sub - 1)->type != CKA_PRIVATE_EXPONENT);
		secret_free(text);
	}
	for (unsigned kind = 0; kind < 256; kind++) {
		CHECK(!node_from_ino((uint64_t)kind << 56 | 9ull << 40, &n) || tree_stat(&me, &n, &st) != 0);
		if (node_from_ino((uint64_t)kind << 56 | 0x3fffffff, &n))
			CHECK(tree_stat(&me, &n, &st) == -ENOENT);
	}
}

static void
test_quoting(void)
{
	static const uint8_t bad[] = "a\"\\\n\x01\xff\xc3\xa9\xed\xa0\x80";
	uint8_t back[64];
	char name[64];
	size_t len;
	struct text t = {0};

	text_quoted(&t, bad, sizeof(bad) - 1);
	text_put(&t, "", 1);
	CHECK(same((char *)t.data, "\"a\\\"\\\\\\n\\x01\\xff\xc3\xa9\\xed\\xa0\\x80\""));
	text_free(&t);
	CHECK(name_escape(name, sizeof(name), bad, sizeof(bad)));
	CHECK(same(name, "a\"\\%0A%01%FF\xc3\xa9%ED%A0%80%00"));
	CHECK(name_unescape(name, strlen(name), back, sizeof(back), &len));
	CHECK(len == sizeof(bad) && memcmp(back, bad, len) == 0);
	CHECK(!name_unescape("%4", 2, back, 64, &len) && !name_unescape("%GG", 3, back, 64, &len));
	CHECK(!name_escape(name, 4, (const uint8_t *)"ab\xc3\xa9", 4) && strcmp(name, "ab") == 0);
}

static int
remove_at(const char *dir, const char *name, bool is_dir)
{
	struct node n;

	CHECK(walk(dir, &n) == 0);
	return tree_remove(&me, &n, name, is_dir);
}

static void
test_remove(void)
{
	struct node n;

	/* rm -r: files go without a trace, the directory takes the object with it */
	CHECK(remove_at("hydra/private/jwt.secret", "attributes", false) == 0);
	CHECK(remove_at("hydra/private/jwt.secret/attr", "CKA_CLASS", false) == 0);
	CHECK(remove_at("hydra/private/jwt.secret", "attr", true) == 0);
	CHECK(remove_at("hydra/private/jwt.secret", "attr", false) == -EISDIR);
	CHECK(remove_at("hydra/private/jwt.secret", "none", false) == -ENOENT);
	CHECK(remove_at("hydra/private", "jwt.secret", false) == -EISDIR);
	CHECK(walk("hydra/private/jwt.secret/attributes", &n) == 0);
	CHECK(remove_at("hydra/private", "jwt.secret", true) == 0);
	CHECK(walk("hydra/private/jwt.secret", &n) == -ENOENT);
	CHECK(strcmp(audited.what, "destroy") == 0 && audited.rv == CKR_OK && 
		strlen(audited.object) > 33 && strstr(audited.object, " CKO_SECRET_KEY") != NULL &&
		strncmp(audited.who, "uid 1000 pid 0 tree", 19) == 0);
	attrs_set_bool(&objects[3]->attrs, CKA_DESTROYABLE, false);
	CHECK(remove_at("hydra/private", "jwt.key", true) == -EPERM);
	CHECK(strstr(cat("hydra/last-error"), "rmdir: CKR_ACTION_PROHIBITED: CKA_DESTROYABLE is false\n"));
	CHECK(remove_at("hydra", "token", false) == -EPERM);
	CHECK(remove_at("hydra", "public", true) == -EPERM);
	CHECK(remove_at("", "hydra", true) == -EPERM);
	/* public objects too want the user */
	unlocked = false;
	CHECK(remove_at("hydra/public", "jwt.pub", true) == -EACCES);
	CHECK(remove_at("hydra/public/jwt.pub", "attributes", false) == -EACCES);
	unlocked = true;
	CHECK(remove_at("hydra/public", "jwt.pub", true) == 0);
	CHECK(walk("hydra/public/jwt.pub", &n) == 0 && n.handle == 2);
}

static void
measure(void)
{
	struct timespec a, b;
	size_t n = 0;

	while (n_objects < MAX_OBJECTS)
		add(CKO_PUBLIC_KEY, "many", "id", false, false);
	clock_gettime(CLOCK_MONOTONIC, &a);
	list("hydra/public");
	clock_gettime(CLOCK_MONOTONIC, &b);
	for (const char *p = listed; *p; p++)
		n += *p == ' ';
	CHECK(n > 10000);
	printf("  %zu objects of one name listed in %.1f ms\n", n,
		(double)(b.tv_sec - a.tv_sec) * 1e3 + (double)(b.tv_nsec - a.tv_nsec) / 1e6);
}

int
main(void)
{
	CHECK_RV(CKR_OK, secret_start());
	add(CKO_PUBLIC_KEY, "jwt", "kid", false, false);
	add(CKO_PUBLIC_KEY, "jwt", "kid", false, false);
	add(CKO_PRIVATE_KEY, "jwt", "kid", true, false);
	add(CKO_SECRET_KEY, "jwt", "", true, false);
	add(CKO_CERTIFICATE, "x/y~", "", false, false);
	add(CKO_PUBLIC_KEY, "", "kid", false, false);
	add(CKO_DATA, "", "", false, false);
	add(CKO_PUBLIC_KEY, "6b6964", "", false, false);
	add(CKO_SECRET_KEY, "open", "", true, true);
	add(CKO_PRIVATE_KEY, "open", "", true, true);
	test_root_names_tokens();
	test_token_texts();
	test_private_is_barred_until_login();
	test_object_names();
	test_object_files();
	test_attributes();
	test_quoting();
	test_remove();
	measure();
	for (size_t h = 0; h < n_objects; h++)
		object_put(objects[h]);
	return unit_done("tree");
}
