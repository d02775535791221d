/*
 * token.h - the door of the store: vault, tokens, login, objects
 *
 * fs/ includes this, op.h, mech.h, object.h, rules.h, key.h, secret.h and why.h; all else in store/ is
 * behind it.
 *
 * Use:        vault_open(&v, &cfg); token_get(v, slot, &t); token_login(t, CKU_USER, pin, len);
 *             token_find(...); token_logout(t, CKU_USER); token_put(t); vault_close(v)
 * Ownership:  tokens and objects are reference counted.
 * Locking:    any thread. Order: vault -> token -> commit -> state (asserted).
 * Errors:     CK_RV with why(). CKR_TOKEN_WRITE_PROTECTED: the token is read-only (rolled back, read-only
 *             mount); CKR_DEVICE_ERROR: a file of the vault is damaged, why() names it.
 * Secrets:    PINs are the caller's to wipe. Token keys live in secret memory from the first login to the
 *             last logout.
 * Format:     docs/FORMAT.md
 */
#ifndef TOKENFS_TOKEN_H
#define TOKENFS_TOKEN_H

#include "mech.h"
#include "object.h"
#include "rules.h"

struct vault;
struct token;

struct vault_config {
	const char *vault;    /* directory of the encrypted tree */
	const char *state;    /* directory of the local state */
	const char *key_file; /* file of the vault key */
	unsigned retire_grace;  /* seconds that retired files stay */
	unsigned pin_tries;     /* for the user; the SO has half of it, at least 1 */
	bool spare_slot;        /* show one uninitialised token */
	bool read_only;
};

#define LABEL_LEN 32
#define PIN_MIN 4
#define PIN_MAX 255
#define PIN_MIN_WITHOUT_KEY_FILE 10

/* Makes vault, state directory and key file; refuses a directory that is not empty. Parents must exist
 * and be safe. */
CK_RV vault_init(const struct vault_config *cfg, bool without_key_file);
/* Opens, takes the lock (CKR_CRYPTOKI_ALREADY_INITIALIZED with why() naming the holder's pid),
 * checks modes, replays. A damaged token does not keep the others from opening. */
CK_RV vault_open(struct vault **v, const struct vault_config *cfg);
void vault_close(struct vault *v);
/* Looks at the tree again: new, changed, restored, removed tokens. Called by T_Reload and when the vault
 * directory is seen to have changed. */
CK_RV vault_reload(struct vault *v);
/* To be called about once a second: removes retired files whose time has come, notices that the tree was changed
 * from outside (a restore by rsync) and looks at it again. */
void vault_tick(struct vault *v);
bool vault_read_only(const struct vault *v);
bool vault_exists(const char *dir);
/* The vault key: fingerprint as text (hex, 33 bytes with NUL), export and import of the key file. */
CK_RV vault_fingerprint(const struct vault_config *cfg, char out[33]);
CK_RV vault_key_export(const struct vault_config *cfg, char text[128]); /* printable, with check sum */
CK_RV vault_key_import(const struct vault_config *cfg, const char *text); /* must match VAULT's fingerprint */
/* Counts up whenever a token appears, vanishes or is initialised (C_WaitForSlotEvent). */
uint64_t vault_generation(struct vault *v);

/* Slots, ascending, the spare one included; *slots malloc'd. initialized false for the spare. */
struct slot_info {
	CK_SLOT_ID id;
	bool initialized;
};
CK_RV vault_slots(struct vault *v, struct slot_info **slots, size_t *n);

/* CKR_SLOT_ID_INVALID; CKR_TOKEN_NOT_RECOGNIZED for the spare slot. */
CK_RV token_get(struct vault *v, CK_SLOT_ID slot, struct token **t);
void token_put(struct token *t);

enum token_state {
	TOKEN_OK,
	TOKEN_ROLLED_BACK, /* older than this machine has seen: read-only until restore-accept */
	TOKEN_DAMAGED      /* header or log does not verify, or objects are missing: read-only; reason says what */
};
struct token_info {
	char serial[SERIAL_LEN + 1];
	char label[LABEL_LEN + 1]; /* trailing blanks cut */
	CK_SLOT_ID slot;
	enum token_state state;
	char reason[256];
	bool read_only;
	bool user_pin_set;
	bool compat; /* policy */
	bool open;   /* its key is in memory */
	uint32_t user_tries_left, so_tries_left, user_tries, so_tries; /* left, and configured */
	size_t public_objects, private_objects;
	uint64_t epoch;
	uint64_t disk_bytes;
};
/* A snapshot; always CKR_OK. Waits while the token is read again. */
CK_RV token_info(struct token *t, struct token_info *info);
/* Immutable after init; safe to read while a reference is held. */
const char *token_serial(const struct token *t);
CK_SLOT_ID token_slot(const struct token *t);

/* C_InitToken: new token in the spare slot, or re-initialises (serial and slot stay, all objects go); wrong SO
 * PIN of an existing one: CKR_PIN_INCORRECT, counted. The caller has checked for open sessions. */
CK_RV token_init(struct vault *v, CK_SLOT_ID slot, const uint8_t *so_pin, size_t len, const uint8_t label[LABEL_LEN]);
CK_RV token_delete(struct vault *v, CK_SLOT_ID slot, const uint8_t *so_pin, size_t len);

/* Verifies a PIN and takes one hold on the token's key; every success is paired with one token_logout. *hold names the
 * key that came into memory: whoever remembers a login remembers it, too, and asks token_held before relying on it,
 * since a reload may have brought another key, or another token into the slot.
 * CKR_PIN_INCORRECT, CKR_PIN_LOCKED, CKR_USER_PIN_NOT_INITIALIZED. May take 0.3 s (scrypt): a job. */
CK_RV token_login(struct token *t, CK_USER_TYPE user, const uint8_t *pin, size_t len, uint64_t *hold);
/* One more hold for a user who has unlocked already (C_Login with a NULL PIN); CKR_USER_NOT_LOGGED_IN unless the key that
 * `of` names is still in memory. */
CK_RV token_hold(struct token *t, uint64_t of);
/* Is the key that this hold was given for still in memory? Cheap; takes no lock that is held for long. */
bool token_held(struct token *t, uint64_t hold);
/* Gives one hold back, if it still counts; at the last one, keys, cached private objects and index key are wiped. */
void token_logout(struct token *t, uint64_t hold);
/* Checks a PIN without holding (CKU_CONTEXT_SPECIFIC, C_SetPIN's old PIN). */
CK_RV token_verify(struct token *t, CK_USER_TYPE user, const uint8_t *pin, size_t len);
/* The SO is logged in (hold taken): sets the user PIN, clears its counter; objects stay. CKR_PIN_LEN_RANGE. */
CK_RV token_init_pin(struct token *t, const uint8_t *pin, size_t len);
CK_RV token_set_pin(struct token *t, CK_USER_TYPE user, const uint8_t *old, size_t old_len, const uint8_t *pin,
	size_t len);
CK_RV token_restore_accept(struct token *t, CK_USER_TYPE user, const uint8_t *pin, size_t len);
/* The policy: strict or compat. Cheap; asked at every call, so that a change counts at once. */
bool token_compat(struct token *t);
/* The SO, by his PIN, sets it. What is there already needs no header written. */
CK_RV token_set_policy(struct token *t, const uint8_t *so_pin, size_t len, bool compat);

/* ---- objects ---- */
/* with_private: the actor may see private objects. Private objects also need the key in memory. */
CK_RV token_object(struct token *t, CK_OBJECT_HANDLE h, bool with_private, struct object **o);
/* Handles of token objects that match, ascending; a snapshot; *handles malloc'd. */
CK_RV token_find(struct token *t, const struct attrs *templ, bool with_private, CK_OBJECT_HANDLE **handles, size_t *n);
/* Keys by what is secret of them (object_value_id), for the ledger: handles of those whose index row says that they have
 * that value; the caller confirms it. *handles malloc'd. */
CK_RV token_find_value(struct token *t, const uint8_t id[VALUE_ID_LEN], bool with_private, CK_OBJECT_HANDLE **handles,
	size_t *n);
/* One commit, durable before it returns: puts (version 1, or replacing the object of the same uuid with
 * version + 1) and deletes. Gives handles to new objects. All or nothing. */
CK_RV token_commit(struct token *t, struct object **puts, size_t n_puts, struct object **deletes, size_t n_deletes);

/* The objects that every token has of its own, profiles and mechanisms: no application made them, nobody changes them, no
 * count and no tree shows them. compat: the token's policy. CKR_OBJECT_HANDLE_INVALID. */
CK_RV builtin_object(CK_OBJECT_HANDLE h, bool compat, struct object **o);
/* Appends the handles of those that match. Only templates that ask for a class, a profile or an id find profiles, only those
 * that ask for their class find mechanisms: programs that clear a token by destroying all that an empty template finds
 * must not meet what cannot be destroyed. */
CK_RV builtin_find(const struct attrs *templ, bool compat, CK_OBJECT_HANDLE **handles, size_t *n);

/* ---- the calls that make objects: rules, mechanism and commit in one ----
 * Objects with CKA_TOKEN are committed; session objects come back without a handle, for the caller to keep.
 * who is judged by rules.h. */
struct maker {
	struct token *token;
	struct actor who;
	struct cancel *cancel; /* may be NULL */
	/* For derivations: a key that the mechanism's parameter names, if the session may see it; else
	 * CKR_KEY_HANDLE_INVALID. NULL: there are none. */
	CK_RV (*find)(void *arg, CK_OBJECT_HANDLE h, struct object **o);
	void *find_arg;
	/* For the ledger: the session objects of the same value (object_same_value), referenced; *v malloc'd. NULL: there
	 * are none. */
	CK_RV (*twins)(void *arg, const struct attrs *a, struct object ***v, size_t *n);
	void *twins_arg;
};
/* C_CreateObject, C_CopyObject, C_GenerateKey, C_GenerateKeyPair (both in one commit), C_UnwrapKey: *o is the caller's
 * reference. CKR_ codes of those calls; on failure nothing is made. */
CK_RV make_create(const struct maker *m, const struct attrs *templ, struct object **o);
CK_RV make_copy(const struct maker *m, struct object *source, const struct attrs *changes, struct object **o);
CK_RV make_key(const struct maker *m, const CK_MECHANISM *mech, const struct attrs *templ, struct object **o);
CK_RV make_pair(const struct maker *m, const CK_MECHANISM *mech, const struct attrs *pub_templ,
	const struct attrs *priv_templ, struct object **pub, struct object **priv);
CK_RV make_unwrap(const struct maker *m, const CK_MECHANISM *mech, struct object *unwrapping, const uint8_t *in,
	size_t in_len, const struct attrs *templ, struct object **o);
/* All the keys of a derivation, or none. Some mechanisms write IVs and the like to their parameter. */
struct derived_key {
	struct object *object;
	CK_OBJECT_HANDLE *at; /* where in the parameter its handle belongs; NULL: it is the call's answer */
};
CK_RV make_derive(const struct maker *m, const CK_MECHANISM *mech, struct object *base, const struct attrs *templ,
	struct derived_key keys[DERIVED_MAX], size_t *n);
/* C_WrapKey. out NULL, CKR_BUFFER_TOO_SMALL: *out_len becomes the length. */
CK_RV make_wrap(const struct maker *m, const CK_MECHANISM *mech, struct object *wrapping, struct object *target,
	uint8_t *out, CK_ULONG *out_len);
/* PKCS#11 3.2: the parameter is the mechanism's message structure; tag and token-made nonce are written through
 * its pointers. One code, CKR_WRAPPED_KEY_INVALID, for every blob that is refused. */
CK_RV make_wrap_authenticated(const struct maker *m, const CK_MECHANISM *mech, struct object *wrapping,
	struct object *target, const uint8_t *aad, size_t aad_len, uint8_t *out, CK_ULONG *out_len);
CK_RV make_unwrap_authenticated(const struct maker *m, const CK_MECHANISM *mech, struct object *unwrapping,
	const uint8_t *aad, size_t aad_len, const uint8_t *in, size_t in_len, const struct attrs *templ,
	struct object **o);
/* PKCS#11 3.2. out NULL, CKR_BUFFER_TOO_SMALL: *out_len becomes the exact length, and nothing is made.
 * CKR_KEY_HANDLE_INVALID, CKR_TEMPLATE_INCONSISTENT: the template contradicts CKA_ENCAPSULATE_TEMPLATE,
 * CKA_DECAPSULATE_TEMPLATE. A ciphertext that gives no key: CKR_WRAPPED_KEY_INVALID, CKR_WRAPPED_KEY_LEN_RANGE. */
CK_RV make_encapsulate(const struct maker *m, const CK_MECHANISM *mech, struct object *pub, const struct attrs *templ,
	uint8_t *out, CK_ULONG *out_len, struct object **o);
CK_RV make_decapsulate(const struct maker *m, const CK_MECHANISM *mech, struct object *priv, const uint8_t *in,
	size_t in_len, const struct attrs *templ, struct object **o);
/* C_SetAttributeValue: a new version; token objects are committed. *o: the new version (same handle). */
CK_RV make_changed(const struct maker *m, struct object *old, const struct attrs *changes, struct object **o);
CK_RV make_destroyed(const struct maker *m, struct object *o);
/* A key is used up by one use: a new version with what `ask` says for the version that it replaces; the last one asked
 * about counts. No rule is asked, for it is the token's act: it happens in read-only sessions and to keys with
 * CKA_MODIFIABLE false, too. A token object is committed, from its newest version; of a session object `key` must be
 * the newest, and the caller keeps *o. CKR_KEY_HANDLE_INVALID: it was destroyed; CKR_TOKEN_WRITE_PROTECTED. */
typedef CK_RV make_asks(void *arg, const struct attrs *now, struct attrs *changes);
CK_RV make_spent(struct token *t, struct object *key, make_asks *ask, void *arg, struct object **o);

/* ---- checking a vault or a copy of one (tokenfs check) ---- */
struct check_report {
	uint64_t files, bytes, objects_opened, objects_sealed; /* sealed: only their MAC'd hash was verified */
	uint64_t problems;
	bool stop; /* set by the callback to end early */
};
/* Verifies every header, log and object without writing anything and without taking the lock. pin may be
 * NULL: private objects are verified by hash alone. bad(file, reason) once per problem; progress(done, total
 * objects) now and then; note(text) for what is no problem (a cut tail). state may be absent.
 * CKR_PIN_INCORRECT after everything else was verified if a PIN was wrong. */
struct check_hooks {
	void (*bad)(void *arg, const char *file, const char *reason);
	void (*note)(void *arg, const char *text);
	void (*progress)(void *arg, uint64_t done, uint64_t total);
	/* Asked per token with a user PIN: fills pin, returns its length, 0 for none. */
	size_t (*pin)(void *arg, const char *label, const char *serial, uint8_t pin[PIN_MAX]);
	void *arg;
};
CK_RV vault_check(const struct vault_config *cfg, const struct check_hooks *hooks, struct check_report *r);

/* ---- audit, behind state.h ---- */
/* state_audit_add and state_audit_read, for fs/. */
CK_RV vault_audit(struct vault *v, const struct audit_event *e);
CK_RV vault_audit_read(struct vault *v, uint64_t after, size_t max,
	bool (*each)(void *arg, const struct audit_event *e), void *arg, bool *intact);

#endif
