/*
 * seal.h - one object's attributes as a sealed file, and back
 *
 * Use:        seal_object(&file, key, &id, &attrs); unseal_object(&attrs, key, &id, bytes, len)
 * Ownership:  file is a buf of the caller's; attrs must be empty and is the caller's to free.
 * Errors:     unsealing: CKR_DEVICE_ERROR with why() saying in which way the bytes are not the
 *             sealed object `id` under `key`; nothing is left in attrs.
 * Secrets:    the plaintext lies in secret memory and is wiped here.
 * Format:     docs/FORMAT.md, Object files
 */
#ifndef TOKENFS_SEAL_H
#define TOKENFS_SEAL_H

#include "../pkcs11/attr.h"
#include "kdf.h"
#include "state.h"

#define SEAL_HEADER 128
#define SEAL_TAG 16
#define SEAL_BUCKET 256
#define SEAL_MAX_PLAIN (4u << 20)
#define SEAL_MAX_FILE (SEAL_HEADER + SEAL_MAX_PLAIN + SEAL_TAG)
#define SEAL_PRIVATE 1u

/* What a sealed file claims to be, and must be where it was found. */
struct seal_id {
	char serial[SERIAL_LEN];
	uint8_t key_id[16]; /* of the token key's generation */
	uint8_t uuid[UUID_LEN];
	uint64_t version;
	bool private;
};

CK_RV seal_object(struct buf *file, const uint8_t key[KEY_LEN], const struct seal_id *id, const struct attrs *attrs);
CK_RV unseal_object(struct attrs *attrs, const uint8_t key[KEY_LEN], const struct seal_id *id, const uint8_t *file,
	size_t len);

#endif
