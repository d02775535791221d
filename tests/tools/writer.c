/*
 * writer.c - creates, changes and destroys objects without pause, and writes down what was acknowledged
 *
 * Usage: writer MODULE LABEL PIN PREFIX LEDGER SECONDS
 *
 * A line before each call, and "ok" after its CKR_OK, each by one write(2), so that the ledger survives a
 * kill -9 of this program and tells what the vault must hold:
 *     create NAME VALUE | change NAME VALUE | destroy NAME | pair NAME
 *     ok
 * Ends with 0 when its time is over, 3 when the daemon has gone, 1 after any other error.
 */
#include <fcntl.h>

#include "client.h"

#define KEPT_MAX  64 /* data objects at a time: a long campaign does not grow by what it checks */
#define PAIRS_MAX 50

struct kept {
	unsigned number;
	CK_OBJECT_HANDLE handle;
};

static struct kept kept[KEPT_MAX];
static unsigned n_kept, n_pairs, next_number = 1, rounds;
static const char *prefix;
static int ledger;

static void
note(const char *text)
{
	if (write(ledger, text, strlen(text)) != (ssize_t)strlen(text)) {
		perror("ledger");
		exit(1);
	}
}

static void
intend(const char *verb, unsigned number, unsigned value)
{
	char line[160];

	snprintf(line, sizeof(line), value ? "%s %s%u %s%u-%u\n" : "%s %s%u\n", verb, prefix, number, prefix, number,
		value);
	note(line);
}

/* Every other one is private. A data object's label may be changed, so it is the value; its CKA_APPLICATION may
 * not, and is the name. */
static CK_RV
create(void)
{
	CK_OBJECT_CLASS class = CKO_DATA;
	CK_BBOOL yes = CK_TRUE, private = next_number % 2 == 0;
	char name[64], value[96];
	CK_ATTRIBUTE templ[] = {ATTR_OF(CKA_CLASS, class), ATTR_OF(CKA_TOKEN, yes), ATTR_OF(CKA_PRIVATE, private),
		{CKA_APPLICATION, name, 0}, {CKA_LABEL, value, 0}};
	unsigned number = next_number++;
	CK_RV rv;

	templ[3].ulValueLen = (CK_ULONG)snprintf(name, sizeof(name), "%s%u", prefix, number);
	templ[4].ulValueLen = (CK_ULONG)snprintf(value, sizeof(value), "%s%u-%u", prefix, number, rounds);
	intend("create", number, rounds);
	rv = f->C_CreateObject(session, templ, 5, &kept[n_kept].handle);
	if (rv == CKR_OK)
		kept[n_kept++].number = number;
	return rv;
}

static CK_RV
change(struct kept *k)
{
	char value[96];
	CK_ATTRIBUTE templ = {CKA_LABEL, value, 0};

	templ.ulValueLen = (CK_ULONG)snprintf(value, sizeof(value), "%s%u-%u", prefix, k->number, rounds);
	intend("change", k->number, rounds);
	return f->C_SetAttributeValue(session, k->handle, &templ, 1);
}

static CK_RV
destroy(unsigned i)
{
	CK_RV rv;

	intend("destroy", kept[i].number, 0);
	rv = f->C_DestroyObject(session, kept[i].handle);
	if (rv == CKR_OK)
		kept[i] = kept[--n_kept];
	return rv;
}

/* Key pairs stay: neither half may ever be there without the other. */
static CK_RV
pair(void)
{
	CK_OBJECT_HANDLE pub, priv;
	char name[64];
	unsigned number = next_number++;

	n_pairs++;
	snprintf(name, sizeof(name), "%s%u", prefix, number);
	intend("pair", number, 0);
	return client_pair(name, &pub, &priv);
}

static CK_RV
one_round(void)
{
	unsigned dice = (unsigned)rand() % 16;

	rounds++;
	if (n_kept > 0 && dice < 4)
		return change(&kept[(unsigned)rand() % n_kept]);
	if (n_kept > 0 && (dice < 7 || n_kept == KEPT_MAX))
		return destroy((unsigned)rand() % n_kept);
	return dice < 9 && n_pairs < PAIRS_MAX ? pair() : create();
}

int
main(int argc, char **argv)
{
	double end;
	CK_RV rv;

	if (argc != 7) {
		fprintf(stderr, "usage: writer MODULE LABEL PIN PREFIX LEDGER SECONDS\n");
		return 2;
	}
	prefix = argv[4];
	srand((unsigned)getpid());
	ledger = open(argv[5], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	client_load(argv[1]);
	rv = client_begin(argv[2], argv[3]);
	end = client_now() + atof(argv[6]);
	while (rv == CKR_OK && client_now() < end) {
		rv = one_round();
		if (rv == CKR_OK)
			note("ok\n");
	}
	if (rv == CKR_OK)
		return 0;
	if (rv == CKR_DEVICE_REMOVED || rv == CKR_TOKEN_NOT_PRESENT)
		return 3;
	fprintf(stderr, "writer: 0x%lx\n", rv);
	return 1;
}
