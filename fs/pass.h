/*
 * pass.h - PINs from where the caller keeps them: the sources of OpenSSL's pass phrase arguments
 *
 * One row per source: prompt, stdin, file:PATH, fd:N, env:NAME, cred:NAME, pass:TEXT.
 *
 * Use:        struct pass_word p = {0}; if (!pass_read(&p, "file:/run/pin", "user PIN", false, err, n)) ...;
 *             pass_clear(&p)
 * Errors:     false, with a sentence in err; *p is empty then.
 * Secrets:    the word lies in secret memory; what it was read from is wiped where that is ours: the
 *             argument of pass:, the variable of env:, every buffer on the way.
 */
#ifndef TOKENFS_PASS_H
#define TOKENFS_PASS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pass_word {
	uint8_t *bytes; /* secret_alloc'd, PIN_MAX + 2 bytes; NULL: none */
	size_t len;
};

/* source NULL: prompt. what names the PIN in the question and in errors. twice: a prompt asks again and
 * compares (new PINs). The word is 4 to 255 bytes long and holds no NUL byte, else it is refused. */
bool pass_read(struct pass_word *p, char *source, const char *what, bool twice, char *err, size_t err_len);
/* "stdin"? Those are read in the order in which the options were given. */
bool pass_is_stdin(const char *source);
void pass_clear(struct pass_word *p);
/* A line for the help texts: the sources there are. */
const char *pass_sources(void);

#endif
