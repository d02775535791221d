/*
 * verifier.c - compares a token with the ledgers of writers
 *
 * Usage: verifier MODULE LABEL PIN LEDGER[:BYTES]...
 *
 * Every object must be as the last acknowledged line says, or as any line behind it intended: a call that was
 * under way may have had its effect or not. With BYTES, what stands in the ledger from there on was written after a
 * copy began: the copy may hold the object as it was then or as of any time since. Prints what is wrong, one
 * object a line, then the counts; ends with 1 if anything is, or if there is nothing to compare.
 */
#include "client.h"

#define ABSENT	   "(absent)"
#define PAIR	   "(pair)"
#define NAME_MAX_  64
#define STATES_MAX 64
#define BUCKETS	   65536

/* What an object may be; the first state is the settled one. */
struct entry {
	struct entry *next;
	char name[NAME_MAX_];
	char *states[STATES_MAX];
	unsigned n;
};

static struct entry *buckets[BUCKETS];
static unsigned compared, bad, in_doubt;

static struct entry *
entry_get(const char *name)
{
	unsigned h = 5381;
	struct entry *e;

	for (const char *c = name; *c; c++)
		h = h * 33 + (unsigned char)*c;
	for (e = buckets[h % BUCKETS]; e; e = e->next)
		if (strcmp(e->name, name) == 0)
			return e;
	e = calloc(1, sizeof(*e));
	snprintf(e->name, sizeof(e->name), "%s", name);
	e->states[e->n++] = strdup(ABSENT);
	e->next = buckets[h % BUCKETS];
	buckets[h % BUCKETS] = e;
	return e;
}

static void
may_be(struct entry *e, const char *state)
{
	if (e->n == STATES_MAX) {
		fprintf(stderr, "%s: too many possible states\n", e->name);
		exit(1);
	}
	e->states[e->n++] = strdup(state);
}

/* Only what it was intended to be last is possible now. */
static void
settle(struct entry *e)
{
	while (e->n > 1) {
		free(e->states[0]);
		memmove(e->states, e->states + 1, --e->n * sizeof(e->states[0]));
	}
}

static void
read_ledger(char *arg)
{
	char *colon = strrchr(arg, ':'), line[256], verb[16], name[NAME_MAX_], value[128];
	long bytes = colon ? atol(colon + 1) : -1;
	struct entry *last = NULL;
	FILE *in;

	if (colon)
		*colon = '\0';
	in = fopen(arg, "r");
	if (!in) {
		perror(arg);
		exit(1);
	}
	while (fgets(line, sizeof(line), in)) {
		bool settled = bytes < 0 || ftell(in) <= bytes;
		int n = sscanf(line, "%15s %63s %127s", verb, name, value);

		if (strchr(line, '\n') == NULL)
			break;
		if (n == 1 && strcmp(verb, "ok") == 0) {
			if (last && settled)
				settle(last);
			continue;
		}
		last = entry_get(name);
		may_be(last, n == 3 ? value : strcmp(verb, "pair") == 0 ? PAIR : ABSENT);
	}
	fclose(in);
}

static CK_RV
value_of(CK_OBJECT_HANDLE h, char out[128])
{
	CK_ATTRIBUTE a = {CKA_LABEL, out, 127};
	CK_RV rv = f->C_GetAttributeValue(session, h, &a, 1);

	out[rv == CKR_OK ? a.ulValueLen : 0] = '\0';
	return rv;
}

static CK_RV
pair_works(CK_OBJECT_HANDLE a, CK_OBJECT_HANDLE b)
{
	CK_OBJECT_CLASS class;
	CK_ATTRIBUTE templ = ATTR_OF(CKA_CLASS, class);
	CK_BYTE signature[64];
	CK_RV rv = f->C_GetAttributeValue(session, a, &templ, 1);

	if (rv == CKR_OK)
		rv = client_sign(class == CKO_PRIVATE_KEY ? a : b, signature);
	return rv == CKR_OK ? client_verify(class == CKO_PRIVATE_KEY ? b : a, signature) : rv;
}

/* Key pairs are found by label, data objects by CKA_APPLICATION. */
static void
found_state(const struct entry *e, char out[160])
{
	bool pair = strcmp(e->states[e->n - 1], PAIR) == 0;
	CK_ATTRIBUTE templ = {pair ? CKA_LABEL : CKA_APPLICATION, (void *)e->name, strlen(e->name)};
	CK_OBJECT_HANDLE found[4];
	CK_ULONG n = 0;
	char value[128];
	CK_RV rv = client_find(&templ, 1, found, 4, &n);

	if (rv == CKR_OK && n == 0)
		snprintf(out, 160, ABSENT);
	else if (rv == CKR_OK && n == 2 && (rv = pair_works(found[0], found[1])) == CKR_OK)
		snprintf(out, 160, PAIR);
	else if (rv == CKR_OK && n == 1 && (rv = value_of(found[0], value)) == CKR_OK)
		snprintf(out, 160, "%s", value);
	else
		snprintf(out, 160, "error 0x%lx, %lu found", rv, n);
}

static void
compare(struct entry *e)
{
	char state[160];

	found_state(e, state);
	compared++;
	in_doubt += e->n > 1;
	for (unsigned i = 0; i < e->n; i++)
		if (strcmp(state, e->states[i]) == 0)
			return;
	bad++;
	printf("%s is %s, not %s%s\n", e->name, state, e->states[0], e->n > 1 ? " nor what was under way" : "");
}

int
main(int argc, char **argv)
{
	if (argc < 5) {
		fprintf(stderr, "usage: verifier MODULE LABEL PIN LEDGER[:BYTES]...\n");
		return 2;
	}
	client_load(argv[1]);
	NEED(client_begin(argv[2], argv[3]));
	for (int i = 4; i < argc; i++)
		read_ledger(argv[i]);
	for (unsigned i = 0; i < BUCKETS; i++)
		for (struct entry *e = buckets[i]; e; e = e->next)
			compare(e);
	printf("%u compared, %u in doubt, %u wrong\n", compared, in_doubt, bad);
	client_end();
	return bad > 0 || compared == 0;
}
