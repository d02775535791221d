/*
 * bench_p11.c - times one thing with one PKCS#11 module, whichever it is, and prints a number
 */
#include "works.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char usage[] =
	"Usage: bench_p11 [OPTION]... MODULE COMMAND\n"
	"  init         make a token with the label " CLIENT_LABEL " in a free slot\n"
	"  keys         make one key of each kind on it\n"
	"  fill         add secret keys until there are -o, or -s seconds are over; print how many\n"
	"  rate WORK    print how often a second: call rsa p256 ed25519 hmac gcm-1k find pair login;\n"
	"               for gcm-1m megabytes a second\n"
	"  cold         print the milliseconds from loading the module to a P-256 signature\n"
	"  memory       print the KiB that are resident after every key was used once; wait for stdin to end\n"
	"Options: -p PIN (without: the token is open already)  -s SECONDS  -t THREADS  -n PROCESSES\n"
	"         -o OBJECTS  how many objects to add, or are on the token\n";

static struct lane_plan plan = {.processes = 1, .threads = 1, .seconds = 1};

static int
command_rate(const char *name)
{
	double rate;

	plan.work = name == NULL ? NULL : works_find(name);
	if (plan.work == NULL) {
		fputs(usage, stderr);
		return 2;
	}
	plan.open = works_open;
	plan.close = client_close;
	if (!lane_rate(&plan, &rate))
		return 1;
	printf("%.3f\n", rate);
	return 0;
}

static int
command_fill(void)
{
	unsigned long made;
	bool ok = client_fill(plan.threads, plan.seconds, &made);

	printf("%lu\n", made);
	return !ok;
}

/* What a short-lived program does: open, log in, find its key, sign once. */
static int
command_cold(void)
{
	const struct lane_work *w = works_find("p256");
	double start = lane_now();
	struct lane l = {0};

	if (!client_open() || !w->begin(&l) || !w->step(&l))
		return 1;
	printf("%.3f\n", (lane_now() - start) * 1e3);
	w->end(&l);
	client_close();
	return 0;
}

static long
resident_kib(void)
{
	long kib = -1;
	char line[128];
	FILE *f = fopen("/proc/self/status", "r");

	if (f == NULL)
		return -1;
	while (fgets(line, sizeof(line), f) != NULL) {
		if (sscanf(line, "VmRSS: %ld", &kib) == 1)
			break;
	}
	fclose(f);
	return kib;
}

static int
command_memory(void)
{
	static const char *const used[] = {"rsa", "p256", "ed25519", "hmac", "gcm-1k", "find"};

	if (!client_open())
		return 1;
	for (size_t i = 0; i < sizeof(used) / sizeof(used[0]); i++) {
		const struct lane_work *w = works_find(used[i]);
		struct lane l = {0};

		if (!w->begin(&l) || !w->step(&l))
			return 1;
		w->end(&l);
	}
	printf("%ld\n", resident_kib());
	fflush(stdout);
	while (getchar() != EOF)
		;
	client_close();
	return 0;
}

static int
command(const char *name, const char *arg)
{
	if (strcmp(name, "init") == 0 && client_options.pin != NULL)
		return !client_init_token();
	if (strcmp(name, "keys") == 0)
		return !client_make_keys();
	if (strcmp(name, "fill") == 0)
		return command_fill();
	if (strcmp(name, "rate") == 0)
		return command_rate(arg);
	if (strcmp(name, "cold") == 0)
		return command_cold();
	if (strcmp(name, "memory") == 0)
		return command_memory();
	fputs(usage, stderr);
	return 2;
}

int
main(int argc, char **argv)
{
	int c;

	client_options.objects = 1;
	while ((c = getopt(argc, argv, "p:s:t:n:o:")) != -1) {
		switch (c) {
		case 'p':
			client_options.pin = optarg;
			break;
		case 's':
			plan.seconds = atof(optarg);
			break;
		case 't':
			plan.threads = (unsigned)atoi(optarg);
			break;
		case 'n':
			plan.processes = (unsigned)atoi(optarg);
			break;
		case 'o':
			client_options.objects = strtoul(optarg, NULL, 10);
			break;
		default:
			fputs(usage, stderr);
			return 2;
		}
	}
	if (argc - optind < 2 || client_options.objects == 0) {
		fputs(usage, stderr);
		return 2;
	}
	client_options.module = argv[optind];
	return command(argv[optind + 1], argv[optind + 2]);
}
