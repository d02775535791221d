/* known.c - published answers: reads the files, tries each line, counts; see known.h */
#include <openssl/err.h>

#include "known.h"

/* ---- fields ---- */
static size_t
at_field(const struct line *l, const char *name)
{
	size_t i = 0;

	while (i < l->n && strcmp(l->fields[i].name, name) != 0)
		i++;
	return i;
}

struct blob
field(const struct line *l, const char *name)
{
	size_t i = at_field(l, name);

	return i < l->n ? l->fields[i].value : (struct blob){0};
}

bool
has(const struct line *l, const char *name)
{
	return at_field(l, name) < l->n;
}

const char *
word(const struct line *l, const char *name)
{
	size_t i = at_field(l, name);

	return i < l->n ? l->fields[i].word : NULL;
}

CK_ULONG
count(const struct line *l, const char *name, CK_ULONG otherwise)
{
	const char *w = word(l, name);

	return w != NULL ? strtoul(w, NULL, 10) : otherwise;
}

CK_MECHANISM_TYPE
hash_field(const struct line *l, const char *name)
{
	static const CK_MECHANISM_TYPE hashes[] = {CKM_SHA_1, CKM_SHA224, CKM_SHA256,
		CKM_SHA384, CKM_SHA512, CKM_SHA512_224, CKM_SHA512_256, CKM_SHA3_224,
		CKM_SHA3_256, CKM_SHA3_384, CKM_SHA3_512};
	const char *w = word(l, name);

	for (size_t i = 0; w != NULL && i < NELEMS(hashes); i++)
		if (strcmp(hash_name(hashes[i]), w) == 0)
			return hashes[i];
	must_be(false, "a vector without the hash that its kind needs");
	return 0;
}

void
give(struct line *l, const void *param, size_t len)
{
	struct blob b = blob_of(param, len);

	l->m.pParameter = len > 0 ? b.data : NULL;
	l->m.ulParameterLen = len;
}

void
give_t(struct line *l)
{
	CK_ULONG t = count(l, "t", 0);

	if (t > 0)
		give(l, &t, sizeof(t));
}

const char *
known_hash(const struct line *l)
{
	switch (count(l, "t", 0)) {
	case 224:
		return "SHA2-512/224";
	case 256:
		return "SHA2-512/256";
	default:
		return l->proof->name;
	}
}

struct blob
changed(struct blob b)
{
	struct blob c = blob_of(b.data, b.len);

	must_be(c.len > 0, "nothing has no last bit");
	c.data[c.len - 1] ^= 1;
	return c;
}

void
expect_refused(const char *what, CK_RV rv)
{
	checks++;
	if (rv == CKR_OK || rv == CKR_GENERAL_ERROR || rv == CKR_DEVICE_ERROR)
		fail("%s gave 0x%lx", what, rv);
}

/* ---- reading ---- */
static struct blob
repeated(const char *text, const char *times)
{
	struct blob one = unhex(text, (size_t)(times - text)), all;
	size_t n = strtoul(times + 1, NULL, 10);

	all = blob_new(one.len * n);
	for (size_t i = 0; i < n; i++)
		memcpy(all.data + i * one.len, one.data, one.len);
	return all;
}

#define KEYS 64
static struct {
	char name[24];
	char *text;
} keys[KEYS];
static size_t n_keys;

static void read_fields(struct line *l, char *text);

/* The fields of a key that an earlier line gave a name. */
static bool
read_key(struct line *l, const char *name)
{
	for (size_t i = 0; i < n_keys; i++)
		if (strcmp(keys[i].name, name) == 0) {
			struct blob copy = blob_of(keys[i].text, strlen(keys[i].text) + 1);

			read_fields(l, (char *)copy.data);
			return true;
		}
	return false;
}

static bool
read_field(struct line *l, char *text)
{
	size_t n = strcspn(text, "=:");
	const char *value = text + n + 1, *times;

	if (text[n] == 0 || n >= sizeof(l->fields[0].name) || l->n == FIELDS)
		return false;
	if (strncmp(text, "key:", 4) == 0)
		return read_key(l, value);
	memcpy(l->fields[l->n].name, text, n);
	l->fields[l->n].name[n] = 0;
	if (text[n] == ':') {
		l->fields[l->n].word = value;
	} else {
		times = strchr(value, 'x');
		l->fields[l->n].value =
			times != NULL ? repeated(value, times) : unhex(value, strlen(value));
		if (l->fields[l->n].value.data == NULL)
			return false;
	}
	l->n++;
	return true;
}

static void
read_fields(struct line *l, char *text)
{
	char *save = NULL, *part;

	for (part = strtok_r(text, " \t", &save); part != NULL;
		part = strtok_r(NULL, " \t", &save))
		must_be(read_field(l, part), "a field of a vector");
}

static void
keep_key(const char *name, const char *text)
{
	must_be(n_keys < KEYS && strlen(name) < sizeof(keys[0].name), "a key's name");
	snprintf(keys[n_keys].name, sizeof(keys[0].name), "%s", name);
	must_be((keys[n_keys++].text = strdup(text)) != NULL, "memory");
}

static void
forget_keys(void)
{
	while (n_keys > 0)
		free(keys[--n_keys].text);
}

/* ---- proving ---- */
static const struct known_kinds *const tables[] = {
	&known_secret, &known_pair, &known_kdf, &known_derive};
static CK_MECHANISM_TYPE answered[512];
static size_t n_answered;

struct tally {
	unsigned lines, ran, absent, too_new;
	bool skip; /* by a line `openssl` */
};

static bool
is_answered(CK_MECHANISM_TYPE type)
{
	for (size_t i = 0; i < n_answered; i++)
		if (answered[i] == type)
			return true;
	return false;
}

static void
prove_line(struct line *l, struct tally *t)
{
	CK_MECHANISM_INFO info;

	if (f->C_GetMechanismInfo(slot, l->m.mechanism, &info) == CKR_MECHANISM_INVALID) {
		t->absent++; /* not with this policy, or not with this OpenSSL */
		return;
	}
	for (size_t i = 0; i < NELEMS(tables); i++)
		for (size_t k = 0; k < tables[i]->n; k++)
			if (strcmp(tables[i]->rows[k].kind, l->kind) == 0) {
				tables[i]->rows[k].prove(l);
				t->ran++;
				if (!is_answered(l->m.mechanism) &&
					n_answered < NELEMS(answered))
					answered[n_answered++] = l->m.mechanism;
				return;
			}
	must_be(false, "a vector of an unknown kind");
}

/* openssl 3.5: whether this one is older. */
static bool
is_too_new(const char *version)
{
	unsigned major = 0, minor = 0;

	must_be(sscanf(version, "%u.%u", &major, &minor) == 2, "a version of OpenSSL");
	return OPENSSL_version_major() < major ||
	       (OPENSSL_version_major() == major && OPENSSL_version_minor() < minor);
}

static void
take_line(char *text, struct tally *t)
{
	struct line l = {.n = 0};
	char *save = NULL, *kind, *name, *rest;

	text[strcspn(text, "#\n")] = 0;
	if ((kind = strtok_r(text, " \t", &save)) == NULL)
		return;
	must_be((name = strtok_r(NULL, " \t", &save)) != NULL, "a vector without a mechanism");
	rest = save != NULL ? save : name + strlen(name);
	if (strcmp(kind, "key") == 0) {
		keep_key(name, rest);
		return;
	}
	if (strcmp(kind, "openssl") == 0) {
		t->skip = is_too_new(name);
		return;
	}
	t->lines++;
	snprintf(l.kind, sizeof(l.kind), "%s", kind);
	snprintf(l.mech, sizeof(l.mech), "%s", name);
	l.m.mechanism = known_type(name);
	must_be((l.proof = proof_find(l.m.mechanism)) != NULL, name);
	if (t->skip) {
		t->too_new++;
		return;
	}
	read_fields(&l, rest);
	prove_line(&l, t);
}

void
prove_known(const char *path)
{
	FILE *file = fopen(path, "r");
	unsigned before = failures, at = 0;
	struct tally t = {.skip = false};
	char *text = NULL, name[200];
	size_t cap = 0;

	must_be(file != NULL, path);
	while (getline(&text, &cap, file) > 0) {
		snprintf(name, sizeof(name), "%s:%u", path, ++at);
		proof_name = name;
		take_line(text, &t);
		destroy_all();
		arena_clear();
		ERR_clear_error();
	}
	free(text);
	fclose(file);
	forget_keys();
	must_be(t.lines > 0, "a file of vectors without any");
	proof_name = path;
	if (t.ran == 0 && t.too_new < t.lines)
		fail("none of %u vectors ran", t.lines);
	printf("%s: %u vectors ran", path, t.ran);
	if (t.absent > 0)
		printf(", %u not offered", t.absent);
	if (t.too_new > 0)
		printf(", %u for a later OpenSSL", t.too_new);
	printf(" %s\n", failures == before ? "ok" : "FAILED");
}

void
known_summary(void)
{
	CK_MECHANISM_TYPE list[512];
	CK_ULONG n = NELEMS(list), with = 0;

	if (!is_ok("C_GetMechanismList", f->C_GetMechanismList(slot, list, &n)))
		return;
	for (CK_ULONG i = 0; i < n; i++)
		with += is_answered(list[i]);
	printf("%lu of %lu mechanisms have a published answer; without:", with, n);
	for (CK_ULONG i = 0; i < n; i++)
		if (!is_answered(list[i]))
			printf(" %s", known_name(list[i]) != NULL ? known_name(list[i]) : "?");
	printf("\n");
}
