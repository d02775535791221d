/*
 * cmd_init.c - `tokenfs init`: vault, state and key file, and what their owner must know
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "../store/why.h"
#include "cmd.h"

/* Makes the missing folders above `path`, closed to others. A folder of /etc stays open to readers:
 * tokenfs.conf lies there for every user, and the key file guards itself. */
static bool
make_parents(const char *path)
{
	char *copy = strdup(path);
	bool ok = copy != NULL;

	for (char *slash = copy ? strchr(copy + 1, '/') : NULL; ok && slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(copy, 0700) == 0) {
			if (strncmp(copy, "/etc/", 5) == 0)
				ok = chmod(copy, 0755) == 0;
		} else {
			ok = errno == EEXIST;
		}
		if (!ok)
			why_errno("cannot make the folder %s", copy);
		*slash = '/';
	}
	free(copy);
	return ok;
}

/* The path with the links of its folder resolved; the last part need not exist. malloc'd or NULL. */
static char *
resolve(const char *path)
{
	const char *name = strrchr(path, '/') + 1;
	char *folder = strndup(path, (size_t)(name - path));
	char *real = folder ? realpath(folder, NULL) : NULL, *full = NULL;

	if (real && asprintf(&full, "%s/%s", strcmp(real, "/") ? real : "", name) < 0)
		full = NULL;
	free(folder);
	free(real);
	return full;
}

/* The vault is what backups hold; with its key or its PIN counters in it, they would protect nothing. */
static bool
apart(const char *vault, const char *what, const char *path)
{
	char *a = resolve(vault), *b = resolve(path);
	bool ok = a && b;
	size_t n;

	if (!ok) {
		why_errno("cannot look at %s", path);
		goto out;
	}
	n = strlen(a);
	ok = strncmp(a, b, n) != 0 || (b[n] != '\0' && b[n] != '/');
	if (!ok)
		why(CKR_FUNCTION_REJECTED, "the %s %s lies in the vault, whose backups would hold it; choose "
			"another place", what, path);
out:
	free(a);
	free(b);
	return ok;
}

static void
put_json(const struct cmd *c)
{
	struct json_object *o = json_object_new_object();
	bool with_key = !c->opt[OPT_NO_KEY_FILE];

	json_object_object_add(o, "vault", json_object_new_string(c->conf.vault));
	json_object_object_add(o, "state", json_object_new_string(c->conf.state));
	json_object_object_add(o, "key_file", with_key ? json_object_new_string(c->conf.key_file) : NULL);
	cmd_put_json(o);
	json_object_put(o);
}

static void
put_text(const struct cmd *c)
{
	if (c->opt[OPT_QUIET])
		return;
	printf("vault     %s\nstate     %s\n", c->conf.vault, c->conf.state);
	if (c->opt[OPT_NO_KEY_FILE]) {
		puts("key file  none\n\n"
		     "WITHOUT A KEY FILE, WHOEVER HAS A COPY OF THE VAULT CAN GUESS ITS PINS, as many as he likes.\n"
		     "Only the PINs protect the backups: they must have 10 or more characters.");
	} else {
		printf("key file  %s\n\n"
		       "KEEP A COPY OF THE KEY FILE ELSEWHERE, apart from the backups of the vault. Without it nobody\n"
		       "can open the vault or a backup of it, with any PIN. This writes it as text to be kept:\n"
		       "  tokenfs vault-key export FILE\n", c->conf.key_file);
	}
	puts("\nNext: tokenfs mount; tokenfs token init --label LABEL");
}

int
cmd_init(struct cmd *c)
{
	struct vault_config cfg;
	CK_RV rv;

	cmd_vault_config(c, &cfg);
	if (vault_exists(c->conf.vault))
		return cmd_say(CMD_REFUSED, "there is a vault in %s already; nothing was changed", c->conf.vault);
	why_clear();
	if (!make_parents(c->conf.vault) || !make_parents(c->conf.state) || !make_parents(c->conf.key_file))
		return cmd_fail(CKR_GENERAL_ERROR, "cannot make a vault");
	if (!apart(c->conf.vault, "state", c->conf.state) || !apart(c->conf.vault, "key file", c->conf.key_file))
		return cmd_fail(CKR_FUNCTION_REJECTED, "cannot make a vault");
	rv = vault_init(&cfg, c->opt[OPT_NO_KEY_FILE] != NULL);
	if (rv != CKR_OK)
		return cmd_fail(rv, "cannot make a vault");
	if (c->opt[OPT_JSON])
		put_json(c);
	else
		put_text(c);
	return CMD_OK;
}
