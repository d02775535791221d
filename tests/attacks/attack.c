/*
 * attack.c - runs every attack in a process of its own and prints what came of it
 *
 * Usage: attack --module SO --label LABEL --pin PIN --so-pin PIN [--strict] [--json] [--only NAME] [--trace]
 *        attack --list
 *
 * --strict: exit code 1 if anything leaked, is weak, or could not be tried. The token must be one that may be
 * spoiled: the last attacks lock its PINs.
 */
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "client.h"

#define SECONDS 30 /* for one attack */

static const struct attack *const families[] = {attacks_separation, attacks_import, attacks_wrapping,
	attacks_unwrapping, attacks_derive, attacks_oracle, attacks_attribute, attacks_usage, attacks_nonce, attacks_kdf,
	attacks_schedule, attacks_v3, attacks_remains, attacks_groups, attacks_apart, attacks_combined,
	attacks_login};
#define N_FAMILIES (sizeof(families) / sizeof(families[0]))

static const char *const verdict_names[VERDICTS] = {"untried", "not offered", "safe", "weak", "LEAKED"};

/* ---- in the process of an attack ---- */

static struct finding {
	enum verdict verdict;
	char text[200];
	double seconds;
} worst;
static int report = -1;
static bool trace; /* --trace: every note to stderr, not the worst alone */

static void
note(enum verdict verdict, const char *format, va_list args)
{
	if (trace) {
		va_list again;

		va_copy(again, args);
		fprintf(stderr, "  %-11s ", verdict_names[verdict]);
		vfprintf(stderr, format, again);
		fputc('\n', stderr);
		va_end(again);
	}
	if (worst.text[0] != '\0' && verdict <= worst.verdict)
		return;
	worst.verdict = verdict;
	vsnprintf(worst.text, sizeof(worst.text), format, args);
}

/* Not exit: a module's own clean-up is no part of the attack. */
void
attack_end(void)
{
	_exit(write(report, &worst, sizeof(worst)) == (ssize_t)sizeof(worst) ? 0 : 1);
}

void
attack_leaked(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	note(LEAKED, format, args);
	va_end(args);
	attack_end();
}

void
attack_weak(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	note(WEAK, format, args);
	va_end(args);
}

void
attack_safe(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	note(SAFE, format, args);
	va_end(args);
}

static void
note_text(enum verdict verdict, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	note(verdict, format, args);
	va_end(args);
}

/* "f->C_WrapKey(session, ...)" is C_WrapKey */
static void
name_of_call(const char *call, char name[40])
{
	const char *p = strncmp(call, "f->", 3) == 0 ? call + 3 : call;

	snprintf(name, 40, "%.*s", (int)strcspn(p, "("), p);
}

static bool
is_absent(CK_RV rv)
{
	CK_MECHANISM_INFO info;

	if (rv == CKR_FUNCTION_NOT_SUPPORTED)
		return true;
	return rv == CKR_MECHANISM_INVALID && client_mechanism != CK_UNAVAILABLE_INFORMATION &&
		f->C_GetMechanismInfo(place.slot, client_mechanism, &info) != CKR_OK;
}

bool
attack_refused(CK_RV rv, const char *call)
{
	char name[40];

	name_of_call(call, name);
	if (rv == CKR_OK) {
		if (trace)
			fprintf(stderr, "  %-11s %s\n", "done", name);
		return false;
	}
	note_text(is_absent(rv) ? NOT_OFFERED : SAFE, "%s: %s", name, attack_rv_name(rv));
	return true;
}

void
attack_need(CK_RV rv, const char *call)
{
	if (rv == CKR_OK)
		return;
	worst = (struct finding){0};
	note_text(f != NULL && is_absent(rv) ? NOT_OFFERED : UNTRIED, "preparation: %.120s: %s", call, attack_rv_name(rv));
	attack_end();
}

const char *
attack_rv_name(CK_RV rv)
{
#define NAME(x) {x, #x}
	static const struct {
		CK_RV rv;
		const char *name;
	} names[] = {NAME(CKR_OK), NAME(CKR_HOST_MEMORY), NAME(CKR_SLOT_ID_INVALID), NAME(CKR_GENERAL_ERROR),
		NAME(CKR_FUNCTION_FAILED), NAME(CKR_ARGUMENTS_BAD), NAME(CKR_ATTRIBUTE_READ_ONLY),
		NAME(CKR_ATTRIBUTE_SENSITIVE), NAME(CKR_ATTRIBUTE_TYPE_INVALID), NAME(CKR_ATTRIBUTE_VALUE_INVALID),
		NAME(CKR_ACTION_PROHIBITED), NAME(CKR_DATA_INVALID), NAME(CKR_DATA_LEN_RANGE),
		NAME(CKR_DEVICE_ERROR), NAME(CKR_DEVICE_REMOVED), NAME(CKR_ENCRYPTED_DATA_INVALID),
		NAME(CKR_ENCRYPTED_DATA_LEN_RANGE), NAME(CKR_FUNCTION_NOT_SUPPORTED), NAME(CKR_KEY_HANDLE_INVALID),
		NAME(CKR_KEY_SIZE_RANGE), NAME(CKR_KEY_TYPE_INCONSISTENT), NAME(CKR_KEY_INDIGESTIBLE),
		NAME(CKR_KEY_FUNCTION_NOT_PERMITTED), NAME(CKR_KEY_NOT_WRAPPABLE), NAME(CKR_KEY_UNEXTRACTABLE),
		NAME(CKR_MECHANISM_INVALID), NAME(CKR_MECHANISM_PARAM_INVALID), NAME(CKR_OBJECT_HANDLE_INVALID),
		NAME(CKR_OPERATION_ACTIVE), NAME(CKR_OPERATION_NOT_INITIALIZED), NAME(CKR_PIN_INCORRECT),
		NAME(CKR_PIN_INVALID), NAME(CKR_PIN_LEN_RANGE), NAME(CKR_PIN_LOCKED), NAME(CKR_SESSION_HANDLE_INVALID),
		NAME(CKR_SESSION_READ_ONLY), NAME(CKR_SESSION_EXISTS), NAME(CKR_SIGNATURE_INVALID),
		NAME(CKR_TEMPLATE_INCOMPLETE), NAME(CKR_TEMPLATE_INCONSISTENT), NAME(CKR_TOKEN_NOT_PRESENT),
		NAME(CKR_UNWRAPPING_KEY_HANDLE_INVALID), NAME(CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT),
		NAME(CKR_USER_ALREADY_LOGGED_IN), NAME(CKR_USER_NOT_LOGGED_IN), NAME(CKR_USER_TYPE_INVALID),
		NAME(CKR_WRAPPED_KEY_INVALID), NAME(CKR_WRAPPED_KEY_LEN_RANGE), NAME(CKR_WRAPPING_KEY_HANDLE_INVALID),
		NAME(CKR_WRAPPING_KEY_TYPE_INCONSISTENT), NAME(CKR_STATE_UNSAVEABLE), NAME(CKR_DOMAIN_PARAMS_INVALID),
		NAME(CKR_CURVE_NOT_SUPPORTED), NAME(CKR_RANDOM_SEED_NOT_SUPPORTED), NAME(CKR_BUFFER_TOO_SMALL)};
#undef NAME
	static char number[32];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].rv == rv)
			return names[i].name;
	snprintf(number, sizeof(number), "CKR 0x%lx", (unsigned long)rv);
	return number;
}

/* ---- the runner ---- */

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static struct finding
try(const struct attack *a)
{
	struct finding found = {0};
	double from = now();
	int ends[2], status;
	pid_t pid;

	fflush(NULL);
	if (pipe(ends) != 0 || (pid = fork()) < 0) {
		perror("attack");
		exit(2);
	}
	if (pid == 0) {
		close(ends[0]);
		report = ends[1];
		alarm(SECONDS);
		a->run();
		attack_end();
	}
	close(ends[1]);
	if (read(ends[0], &found, sizeof(found)) != (ssize_t)sizeof(found))
		memset(&found, 0, sizeof(found));
	close(ends[0]);
	waitpid(pid, &status, 0);
	if (WIFSIGNALED(status)) {
		found.verdict = WEAK;
		snprintf(found.text, sizeof(found.text), "the module ended by signal %d", WTERMSIG(status));
	} else if (found.text[0] == '\0') {
		snprintf(found.text, sizeof(found.text), "said nothing");
	}
	found.seconds = now() - from;
	return found;
}

/* Quotes are all that JSON would mind in these texts. */
static void
print_json(const struct attack *a, const struct finding *found, bool first)
{
	printf("%s\n  {\"attack\": \"%s\", \"source\": \"%s\", \"verdict\": \"%s\", \"detail\": \"%s\", "
	       "\"seconds\": %.2f}", first ? "[" : ",", a->name, a->source, verdict_names[found->verdict], found->text,
		found->seconds);
}

static void
print_counts(const unsigned *count, unsigned total)
{
	printf("%u attacks: %u leaked, %u weak, %u safe, %u not offered, %u untried\n", total, count[LEAKED],
		count[WEAK], count[SAFE], count[NOT_OFFERED], count[UNTRIED]);
}

static int
run_all(const char *only, bool json, bool list, bool strict)
{
	unsigned count[VERDICTS] = {0}, total = 0;

	for (size_t i = 0; i < N_FAMILIES; i++)
		for (const struct attack *a = families[i]; a->name != NULL; a++) {
			struct finding found;

			if (only != NULL && strcmp(only, a->name) != 0)
				continue;
			if (list) {
				printf("%-36s %s\n", a->name, a->source);
				continue;
			}
			found = try(a);
			count[found.verdict]++;
			if (json)
				print_json(a, &found, total == 0);
			else
				printf("%-36s %-11s %-30s %s\n", a->name, verdict_names[found.verdict], a->source,
					found.text);
			total++;
		}
	if (list)
		return 0;
	if (json)
		printf("\n]\n");
	else
		print_counts(count, total);
	if (total == 0)
		return 2;
	return strict && (count[LEAKED] > 0 || count[WEAK] > 0 || count[UNTRIED] > 0);
}

/* An application that stays logged in for the whole run, so that the token is open and a login costs little. */
static pid_t
hold_open(void)
{
	int ready[2];
	char byte;
	pid_t pid;

	if (pipe(ready) != 0 || (pid = fork()) < 0)
		return -1;
	if (pid == 0) {
		close(ready[0]);
		report = ready[1];
		client_load();
		client_login();
		if (write(ready[1], "", 1) == 1)
			pause();
		_exit(0);
	}
	close(ready[1]);
	if (read(ready[0], &byte, 1) != 1)
		fprintf(stderr, "attack: no login to begin with\n");
	close(ready[0]);
	return pid;
}

static int
usage(void)
{
	fprintf(stderr, "usage: attack --module SO --label LABEL --pin PIN --so-pin PIN [--strict] [--json] [--only NAME] [--trace]\n"
			"       attack --list\n");
	return 2;
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {{"module", 1, NULL, 'm'}, {"label", 1, NULL, 'l'}, {"pin", 1, NULL, 'p'},
		{"so-pin", 1, NULL, 'o'}, {"only", 1, NULL, 'n'}, {"strict", 0, NULL, 's'}, {"json", 0, NULL, 'j'}, {"trace", 0, NULL, 'v'},
		{"list", 0, NULL, 't'}, {0}};
	bool strict = false, json = false, list = false;
	const char *only = NULL;
	pid_t holder = -1;
	int c, code;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1)
		switch (c) {
		case 'm':
			place.module = optarg;
			break;
		case 'l':
			place.label = optarg;
			break;
		case 'p':
			place.pin = optarg;
			break;
		case 'o':
			place.so_pin = optarg;
			break;
		case 'n':
			only = optarg;
			break;
		case 's':
			strict = true;
			break;
		case 'j':
			json = true;
			break;
		case 'v':
			trace = true;
			break;
		case 't':
			list = true;
			break;
		default:
			return usage();
		}
	if (!list && (!place.module || !place.label || !place.pin || !place.so_pin))
		return usage();
	if (!list)
		holder = hold_open();
	code = run_all(only, json, list, strict);
	if (holder > 0) {
		kill(holder, SIGKILL);
		waitpid(holder, NULL, 0);
	}
	return code;
}
