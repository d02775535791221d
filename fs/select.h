/*
 * select.h - which token a person means: by label, by serial number or by slot:N
 *
 * Use:        struct token_row t; int code = select_token(client, "hydra", &t); slots: select_list
 * Errors:     exit codes of cmd.h, after telling; two tokens of one label are an error that lists them.
 */
#ifndef TOKENFS_SELECT_H
#define TOKENFS_SELECT_H

#include "client.h"

struct token_row {
	CK_SLOT_ID slot;
	char label[33];  /* trailing blanks cut */
	char serial[17];
	CK_FLAGS flags;
	bool initialized;
};

/* Every slot, ascending; *rows malloc'd. */
CK_RV select_list(struct client *c, struct token_row **rows, size_t *n);
int select_token(struct client *c, const char *text, struct token_row *t);

#endif
