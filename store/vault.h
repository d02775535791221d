/*
 * vault.h - the vault's own files: VAULT, the key file; its list of tokens, for the files behind the door
 *
 * Format:     docs/FORMAT.md, Vault and Keys
 */
#ifndef TOKENFS_VAULT_H
#define TOKENFS_VAULT_H

#include "inside.h"

#define VAULT_FILE "VAULT"
#define FINGERPRINT_LEN 32 /* hex digits */

/* Opens the state directory (made if it is missing) under a key derived from the vault's. */
CK_RV vault_open_state(struct vault *v, bool read_only);
/* All with vault->lock held. */
void vault_insert(struct vault *v, struct token *t); /* by slot; takes over the reference */
void vault_remove(struct vault *v, struct token *t); /* gives it back */
/* The directory as it is now is known; whoever waits for a slot event is told. */
void vault_note(struct vault *v);

#endif
