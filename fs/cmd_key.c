/*
 * cmd_key.c - `tokenfs vault-key export` and `import`: the vault's key as text, to be kept elsewhere
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../pkcs11/buf.h"
#include "../store/secret.h"
#include "cmd.h"

#define TEXT_ROOM 128  /* what vault_key_export writes */
#define FILE_MAX  4096 /* an exported key, with blanks and line ends around it */

static bool
write_all(int fd, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		text += n;
		len -= (size_t)n;
	}
	return true;
}

/* A new file, never an old one, and nobody else may read it. */
static int
write_new_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0 && errno == EEXIST)
		return cmd_say(CMD_REFUSED, "%s exists; the key is written to a new file only", path);
	if (fd < 0)
		return cmd_say(CMD_FAILED, "cannot make %s: %s", path, strerror(errno));
	if (!write_all(fd, text, strlen(text)) || !write_all(fd, "\n", 1) || fsync(fd) < 0 || close(fd) < 0) {
		int e = errno;

		unlink(path);
		return cmd_say(CMD_FAILED, "cannot write %s: %s", path, strerror(e));
	}
	return CMD_OK;
}

int
cmd_vault_key_export(struct cmd *c)
{
	const char *path = c->opt[OPT_OUTPUT] ? c->opt[OPT_OUTPUT] : c->n_args ? c->args[0] : NULL;
	struct vault_config cfg;
	char *text = NULL;
	CK_RV rv;
	int code;

	if (!path || (c->opt[OPT_OUTPUT] && c->n_args))
		return cmd_say(CMD_USAGE, "the key is a secret: name one new FILE for it, or - for stdout");
	code = cmd_need_vault(c);
	if (code != CMD_OK)
		return code;
	cmd_vault_config(c, &cfg);
	text = secret_alloc(TEXT_ROOM);
	if (!text)
		return cmd_say(CMD_FAILED, "out of memory");
	rv = vault_key_export(&cfg, text);
	if (rv != CKR_OK)
		code = cmd_fail(rv, "cannot read the vault's key");
	else if (strcmp(path, "-") != 0)
		code = write_new_file(path, text);
	/* Not through stdio, whose buffer would keep a copy. */
	else if (!write_all(STDOUT_FILENO, text, strlen(text)) || !write_all(STDOUT_FILENO, "\n", 1))
		code = cmd_say(CMD_FAILED, "cannot write the key: %s", strerror(errno));
	secret_free(text);
	return code;
}

static int
read_text(const char *path, char *text)
{
	bool from_stdin = strcmp(path, "-") == 0;
	int fd = from_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	size_t len = 0;
	ssize_t n = 0;
	int e;

	if (fd < 0)
		return cmd_say(errno == ENOENT ? CMD_NOT_FOUND : CMD_FAILED, "cannot open %s: %s", path,
			strerror(errno));
	while (len < FILE_MAX && (n = read(fd, text + len, FILE_MAX - len)) > 0)
		len += (size_t)n;
	e = errno;
	if (!from_stdin)
		close(fd);
	if (n < 0)
		return cmd_say(CMD_FAILED, "cannot read %s: %s", path, strerror(e));
	while (len > 0 && strchr(" \t\r\n", text[len - 1]) && text[len - 1])
		len--;
	text[len] = '\0';
	if (len == 0 || len >= FILE_MAX || strlen(text) != len)
		return cmd_say(CMD_FAILED, "%s holds no exported vault key", path);
	return CMD_OK;
}

int
cmd_vault_key_import(struct cmd *c)
{
	struct vault_config cfg;
	char *text = NULL;
	CK_RV rv;
	int code = cmd_need_vault(c);

	if (code != CMD_OK)
		return code;
	text = secret_alloc(FILE_MAX + 1);
	if (!text)
		return cmd_say(CMD_FAILED, "out of memory");
	code = read_text(c->args[0], text);
	if (code != CMD_OK)
		goto out;
	cmd_vault_config(c, &cfg);
	rv = vault_key_import(&cfg, text);
	if (rv != CKR_OK)
		code = cmd_fail(rv, "cannot take the key from %s", c->args[0]);
out:
	secret_free(text);
	return code;
}
