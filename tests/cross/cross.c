/*
 * cross - every mechanism that the token offers is proved against plain OpenSSL
 *
 * Usage: cross [-s SEED] [-n ROUNDS] [-m NUMBER] [-l] [-k] MODULE LABEL PIN [VECTORS...]
 *   -n   rounds of chance for each mechanism (2)
 *   -m   this mechanism only, as 0x1087
 *   -k   the vectors only
 *   -l   limits only: C_GetMechanismInfo
 * Prints a line for each mechanism and a summary; exit code 1 if anything was wrong, or a
 * mechanism has no row.
 */
#include <dlfcn.h>
#include <openssl/err.h>
#include <time.h>
#include <unistd.h>

#include "cross.h"

struct calls *f3;
CK_FUNCTION_LIST *f;
CK_SESSION_HANDLE session;
CK_SLOT_ID slot;
const char *proof_name = "start";

static const struct proofs *const tables[] = {
	&proofs_hash,
	&proofs_sha512_t,
	&proofs_cipher,
	&proofs_rsa,
	&proofs_ec,
	&proofs_make,
	&proofs_derive,
	&proofs_kdf,
	&proofs_sp800_108,
	&proofs_tls,
	&proofs_otp,
	&proofs_dsa,
	&proofs_pq,
	&proofs_message,
	&proofs_nonce,
	&proofs_seal,
	&proofs_kem,
};

const struct proof *
proof_find(CK_MECHANISM_TYPE type)
{
	for (size_t t = 0; t < NELEMS(tables); t++)
		for (size_t i = 0; i < tables[t]->n; i++)
			if (tables[t]->rows[i].type == type)
				return &tables[t]->rows[i];
	return NULL;
}

static void
need(const char *what, CK_RV rv)
{
	if (rv == CKR_OK)
		return;
	fprintf(stderr, "cross: %s gave 0x%lx\n", what, rv);
	exit(2);
}

static void
open_token(const char *path, const char *label, const char *pin)
{
	CK_C_INITIALIZE_ARGS args = {.flags = CKF_OS_LOCKING_OK};
	CK_RV (*get)(CK_UTF8CHAR *, CK_VERSION *, CK_INTERFACE **, CK_FLAGS);
	CK_VERSION version = {3, 2};
	CK_INTERFACE *interface;
	CK_SLOT_ID slots[64];
	CK_ULONG n = 64;
	CK_TOKEN_INFO info;
	void *module = dlopen(path, RTLD_NOW);

	if (module == NULL || (*(void **)&get = dlsym(module, "C_GetInterface")) == NULL) {
		fprintf(stderr, "cross: %s\n", dlerror());
		exit(2);
	}
	need("C_GetInterface", get((CK_UTF8CHAR *)"PKCS 11", &version, &interface, 0));
	f3 = interface->pFunctionList;
	f = &f3->base;
	need("C_Initialize", f->C_Initialize(&args));
	need("C_GetSlotList", f->C_GetSlotList(CK_TRUE, slots, &n));
	for (CK_ULONG i = 0; i < n; i++) {
		slot = slots[i];
		if (f->C_GetTokenInfo(slot, &info) != CKR_OK ||
			memcmp(info.label, label, strlen(label)) != 0)
			continue;
		need("C_OpenSession",
			f->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL,
				&session));
		need("C_Login", f->C_Login(session, CKU_USER, (CK_UTF8CHAR *)pin, strlen(pin)));
		return;
	}
	fprintf(stderr, "cross: no token %s\n", label);
	exit(2);
}

static CK_MECHANISM_INFO info;
unsigned round_now;

bool
claims(CK_FLAGS flag)
{
	return (info.flags & flag) != 0;
}

/* What the standard counts among the operations; the rest describes curves and hardware. */
#define OPERATIONS                                                                             \
	(CKF_ENCRYPT | CKF_DECRYPT | CKF_DIGEST | CKF_SIGN | CKF_SIGN_RECOVER | CKF_VERIFY |   \
		CKF_VERIFY_RECOVER | CKF_GENERATE | CKF_GENERATE_KEY_PAIR | CKF_WRAP |         \
		CKF_UNWRAP | CKF_DERIVE | CKF_MESSAGE_ENCRYPT | CKF_MESSAGE_DECRYPT |          \
		CKF_MESSAGE_SIGN | CKF_MESSAGE_VERIFY | CKF_MULTI_MESSAGE | CKF_ENCAPSULATE |  \
		CKF_DECAPSULATE)

/* A mechanism has a row in the table of each of its faces. */
static void
prove_rows(CK_MECHANISM_TYPE type)
{
	for (size_t t = 0; t < NELEMS(tables); t++)
		for (size_t i = 0; i < tables[t]->n; i++)
			if (tables[t]->rows[i].type == type)
				tables[t]->rows[i].prove(&tables[t]->rows[i]);
	destroy_all();
	arena_clear();
}

static bool
prove(CK_MECHANISM_TYPE type, unsigned rounds, bool limits_only)
{
	const struct proof *p = proof_find(type);
	unsigned before = failures;
	char name[32];

	snprintf(name, sizeof(name), "mechanism 0x%lx", type);
	proof_name = name;
	proved = 0;
	if (p == NULL) {
		fail("is offered, and nothing proves it");
		return false;
	}
	if (!is_ok("C_GetMechanismInfo", f->C_GetMechanismInfo(slot, type, &info)))
		return false;
	for (unsigned i = 0; !limits_only && i < rounds; i++) {
		round_now = i;
		prove_rows(type);
	}
	if (!limits_only && (info.flags & OPERATIONS & ~proved) != 0)
		fail("flags 0x%lx are set, and were not seen to work",
			info.flags & OPERATIONS & ~proved);
	if (!limits_only && (proved & ~info.flags) != 0)
		fail("flags 0x%lx work, and are not set", proved & ~info.flags);
	prove_limits(p, &info);
	destroy_all();
	arena_clear();
	if (ERR_peek_error() != 0)
		ERR_clear_error();
	return failures == before;
}

static void
prove_list(unsigned rounds, bool limits_only)
{
	CK_MECHANISM_TYPE list[512];
	CK_ULONG n = NELEMS(list);
	unsigned good = 0;

	need("C_GetMechanismList", f->C_GetMechanismList(slot, list, &n));
	for (CK_ULONG i = 0; i < n; i++) {
		bool ok = prove(list[i], rounds, limits_only);

		good += ok;
		printf("0x%08lx %s\n", list[i], ok ? "ok" : "FAILED");
	}
	printf("%u of %lu mechanisms are proved\n", good, n);
}

int
main(int argc, char **argv)
{
	unsigned rounds = 2;
	CK_MECHANISM_TYPE only = CK_UNAVAILABLE_INFORMATION;
	bool limits_only = false, known_only = false;
	int o;

	seed = (uint64_t)time(NULL) ^ (uint64_t)getpid() << 32;
	while ((o = getopt(argc, argv, "s:n:m:lk")) != -1) {
		if (o == 's')
			seed = strtoull(optarg, NULL, 0);
		else if (o == 'n')
			rounds = (unsigned)atoi(optarg);
		else if (o == 'm')
			only = strtoul(optarg, NULL, 0);
		else if (o == 'l')
			limits_only = true;
		else if (o == 'k')
			known_only = true;
		else
			return 2;
	}
	if (argc - optind < 3) {
		fprintf(stderr, "usage: cross [-s SEED] [-n ROUNDS] [-m MECHANISM] [-l] [-k] "
				"MODULE LABEL PIN [VECTORS...]\n");
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("seed 0x%llx\n", (unsigned long long)seed);
	open_token(argv[optind], argv[optind + 1], argv[optind + 2]);
	if (only != CK_UNAVAILABLE_INFORMATION)
		printf("%s\n", prove(only, rounds, limits_only) ? "ok" : "FAILED");
	else if (!known_only)
		prove_list(rounds, limits_only);
	for (int i = optind + 3; i < argc; i++)
		prove_known(argv[i]);
	if (known_only)
		known_summary();
	f->C_Finalize(NULL);
	printf("%u checks, %u failures\n", checks, failures);
	return failures > 0;
}
