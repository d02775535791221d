/*
 * tamper.c - damages every byte of a file of a vault, one at a time, and wants each damage found and named
 *
 * Usage: tamper VAULT KEY_FILE FILE flip|cut       FILE is relative to VAULT
 * flip: one bit of each byte; cut: every length from 0 to one less. Runs the check that `tokenfs check` runs, without
 * PIN. Prints each damage that was not found, or was ascribed to nothing that belongs to the file; ends with 1 if
 * there is one. The file is whole again afterwards.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../store/secret.h"
#include "../../store/token.h"
#include "../../store/why.h"

#define FILE_MAX 65536

static struct vault_config cfg;
static const char *victim;
static bool named, noted;

/* The report names the file; of a header or log it may name the token's folder, and then says which. */
static void
on_bad(void *arg, const char *file, const char *reason)
{
	const char *base = strrchr(victim, '/');
	const char *token_part = strchr(victim, '/');

	(void)arg;
	base = base ? base + 1 : victim;
	token_part = token_part ? token_part + 1 : victim;
	if (strstr(file, base) || strstr(reason, base) || strstr(reason, token_part))
		named = true;
}

static void
on_note(void *arg, const char *text)
{
	(void)arg;
	(void)text;
	noted = true;
}

/* "" if the damage was found, or what is wrong. */
static const char *
judge(bool torn_tail_allowed)
{
	struct check_hooks hooks = {.bad = on_bad, .note = on_note};
	struct check_report report;
	CK_RV rv;

	named = noted = false;
	rv = vault_check(&cfg, &hooks, &report);
	if (rv != CKR_OK)
		return strstr(why_text(), strrchr(victim, '/') ? strrchr(victim, '/') + 1 : victim) ? ""
			: "the check failed without naming the file";
	if (report.problems > 0)
		return named ? "" : "found, but the file is not named";
	return torn_tail_allowed && noted ? "" : "not found";
}

static void
put(int fd, const char *data, size_t len)
{
	if (ftruncate(fd, (off_t)len) != 0 || pwrite(fd, data, len, 0) != (ssize_t)len) {
		perror(victim);
		exit(2);
	}
}

static unsigned
flip(int fd, char *data, size_t len)
{
	unsigned missed = 0;

	for (size_t i = 0; i < len; i++) {
		char damaged = (char)(data[i] ^ (1 << i % 8));
		const char *wrong;

		if (pwrite(fd, &damaged, 1, (off_t)i) != 1)
			exit(2);
		wrong = judge(false);
		if (*wrong) {
			printf("%s: bit %zu of byte %zu: %s\n", victim, i % 8, i, wrong);
			missed++;
		}
		if (pwrite(fd, data + i, 1, (off_t)i) != 1)
			exit(2);
	}
	return missed;
}

/* A log that ends in the middle of its last record looks like a commit that a crash cut off: that is
 * noted, not an error. Before that, a cut takes acknowledged records away, which nobody sees without the
 * state of the machine: a copy may be old. */
static unsigned
cut(int fd, char *data, size_t len)
{
	bool log = strstr(victim, "/1-log/") != NULL;
	unsigned missed = 0;

	for (size_t i = 0; i < len; i++) {
		const char *wrong;

		put(fd, data, i);
		wrong = judge(log);
		if (*wrong && !(log && strcmp(wrong, "not found") == 0)) {
			printf("%s: cut to %zu: %s\n", victim, i, wrong);
			missed++;
		}
	}
	put(fd, data, len);
	return missed;
}

int
main(int argc, char **argv)
{
	char path[4096], data[FILE_MAX];
	unsigned missed;
	ssize_t len;
	int fd;

	if (argc != 5)
		return 2;
	cfg = (struct vault_config){.vault = argv[1], .key_file = argv[2], .read_only = true, .pin_tries = 10};
	victim = argv[3];
	if (secret_start() != CKR_OK)
		return 2;
	snprintf(path, sizeof(path), "%s/%s", argv[1], argv[3]);
	fd = open(path, O_RDWR);
	len = fd >= 0 ? pread(fd, data, sizeof(data), 0) : -1;
	if (len <= 0 || len == FILE_MAX) {
		perror(path);
		return 2;
	}
	missed = strcmp(argv[4], "cut") == 0 ? cut(fd, data, (size_t)len) : flip(fd, data, (size_t)len);
	printf("%s: %zd bytes, %u missed\n", victim, len, missed);
	return missed != 0;
}
