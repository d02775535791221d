/*
 * header.h - 0-head: what a token is called, where it sits, and its key wrapped for its two PINs
 *
 * Use:        header_read(&h, dir, keys); pin_unwrap(&T, &h.pin[PIN_USER], ...); header_write(&h, dir, keys, T)
 * Errors:     CKR_DEVICE_ERROR with why() for a header that does not verify; CKR_PIN_INCORRECT from
 *             pin_unwrap when PIN or vault key are wrong.
 * Secrets:    the token key T passes through pin_*; the caller holds it in a struct secret.
 * Format:     docs/FORMAT.md, Header and Keys
 */
#ifndef TOKENFS_HEADER_H
#define TOKENFS_HEADER_H

#include "file.h"
#include "kdf.h"
#include "state.h"

#define HEADER_NAME "0-head"
#define HEADER_LABEL_LEN 32
#define SLOT_MAX 65535u

/* scrypt parameters that are written, and the least and most that are accepted. */
#define SCRYPT_LOG_N 16
#define SCRYPT_R 8
#define SCRYPT_P 1
#define SCRYPT_LOG_N_MIN 14
#define SCRYPT_LOG_N_MAX 20
#define SCRYPT_R_MAX 16
#define SCRYPT_P_MAX 4

enum pin_role { PIN_USER, PIN_SO, PIN_ROLES };

struct pin_slot {
	bool set;
	uint32_t log_n, r, p;
	uint8_t salt[32];
	uint8_t wrapped[48]; /* T under AES-256-GCM, tag behind it */
};

#define HEADER_COMPAT 1u /* policy: compat instead of strict */

struct header {
	char serial[SERIAL_LEN];
	uint8_t key_id[16];  /* names T: also in the log and in every object */
	uint64_t generation; /* counts rewrites, and so orders headers */
	uint32_t slot;
	uint32_t flags;
	uint8_t label[HEADER_LABEL_LEN];
	struct pin_slot pin[PIN_ROLES];
	uint8_t inner_mac[32]; /* under T: verified at login */
	uint8_t mac[32];       /* under the vault key: verified at open */
};

/* Verifies the outer MAC and every field's range; serial must be the directory's name. */
CK_RV header_read(struct header *h, const struct dir *token_dir, const char serial[SERIAL_LEN], struct mac *key);
/* Raises generation, computes both MACs, replaces the file. On failure *h is as before. */
CK_RV header_write(struct header *h, const struct dir *token_dir, struct mac *key, const uint8_t token_key[KEY_LEN]);
/* At login: was the header written by somebody who knew T? */
CK_RV header_check_inner(const struct header *h, const uint8_t token_key[KEY_LEN]);

/* Wraps T for a PIN with a fresh salt. vault_key may be NULL-filled (32 zero bytes) without key file. */
CK_RV pin_wrap(struct pin_slot *s, enum pin_role role, const struct header *h, const uint8_t vault_key[KEY_LEN],
	const uint8_t *pin, size_t len, const uint8_t token_key[KEY_LEN]);
/* CKR_PIN_INCORRECT; takes about 0.2 s and 64 MiB. */
CK_RV pin_unwrap(uint8_t token_key[KEY_LEN], const struct pin_slot *s, enum pin_role role, const struct header *h,
	const uint8_t vault_key[KEY_LEN], const uint8_t *pin, size_t len);

#endif
