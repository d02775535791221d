/*
 * inside.h - what the files behind the door (token.h) share: struct vault and struct token
 *
 * Lock order, outermost first; assert_held() checks what a function relies on:
 *
 *   vault->lock     the list of tokens
 *   token->login    one PIN check at a time: counters, scrypt, the token key's coming and going
 *   token->commit   the log's end: append, compaction, reload
 *   token->sync     who calls fdatasync, who waits; publication order
 *   token->files    read: uses the directories' descriptors; written: they are being replaced (reload)
 *   token->lock     everything else in the token; held for moments, never over I/O but a stat
 *   state's own     inside state.c
 *
 * States of a token: TOKEN_OK -> TOKEN_ROLLED_BACK [token_load, older than seen] -> TOKEN_OK
 * [token_restore_accept]; any -> TOKEN_DAMAGED [token_load, a failed fdatasync or index] -> any [token_load].
 */
#ifndef TOKENFS_INSIDE_H
#define TOKENFS_INSIDE_H

#include <assert.h>
#include <time.h>

#include "cache.h"
#include "header.h"
#include "journal.h"
#include "secret.h"
#include "token.h"
#include "why.h"

/* A mutex that knows its holder, so that the rules above run as asserts. */
struct lock {
	pthread_mutex_t m;
	_Atomic(pthread_t) holder;
	atomic_bool held;
};

static inline void
lock_init(struct lock *l)
{
	pthread_mutex_init(&l->m, NULL);
	atomic_store(&l->held, false);
}

static inline void
lock_take(struct lock *l)
{
	pthread_mutex_lock(&l->m);
	atomic_store_explicit(&l->holder, pthread_self(), memory_order_relaxed);
	atomic_store_explicit(&l->held, true, memory_order_relaxed);
}

static inline void
lock_give(struct lock *l)
{
	atomic_store_explicit(&l->held, false, memory_order_relaxed);
	pthread_mutex_unlock(&l->m);
}

/* Waits on a condition that `l` guards. */
static inline void
lock_wait(struct lock *l, pthread_cond_t *c)
{
	atomic_store_explicit(&l->held, false, memory_order_relaxed);
	pthread_cond_wait(c, &l->m);
	atomic_store_explicit(&l->holder, pthread_self(), memory_order_relaxed);
	atomic_store_explicit(&l->held, true, memory_order_relaxed);
}

static inline bool
lock_held(struct lock *l)
{
	return atomic_load_explicit(&l->held, memory_order_relaxed) &&
		pthread_equal(atomic_load_explicit(&l->holder, memory_order_relaxed), pthread_self());
}

#define assert_held(l) assert(lock_held(l))

/* A retired file: gone from the log, still on disk for copies that began before. */
struct retired {
	uint8_t uuid[UUID_LEN];
	uint64_t version;
	int64_t since;
	struct retired *next;
};

#define VERIFIERS PIN_ROLES

struct token {
	atomic_uint refs;
	struct vault *vault;
	struct token *next; /* vault->lock */
	char serial[SERIAL_LEN + 1];
	CK_SLOT_ID slot;
	struct mac mac; /* header and log, from the vault key */

	struct lock login;

	struct lock commit;
	struct journal log;

	struct lock sync;
	pthread_cond_t synced_cond;
	bool syncing;
	uint64_t synced, published; /* epochs */

	pthread_rwlock_t files;
	unsigned loads; /* how often it was loaded; changes only with commit, sync and `files` written */

	struct lock lock;
	struct dir dir, objects;
	struct header header;
	struct stat head_stat; /* to notice that another one was put in its place */
	enum token_state state;
	char reason[256];
	uint64_t damage; /* what the files looked like when they were found damaged */
	bool failed; /* a write failed: what disk and index hold is to be found out by loading it again */
	bool gone;
	struct live live;
	struct state_epoch appended; /* where the log's end stood when `live` was last changed */
	struct retired *retired;
	struct cache cache;
	struct secret public_key; /* seals public objects */
	struct mac index_public, index_private;
	struct secret key; /* T, while somebody holds it */
	unsigned holds;
	atomic_uint_least64_t generation; /* of the key in memory; 0: none. Counts up, never comes back */
	uint64_t generations; /* how many there were */
	struct mac verifier_key;
	bool verifier_set[VERIFIERS];
	uint8_t verifier[VERIFIERS][MAC_LEN];
	uint64_t index_losses; /* state_index_losses() when the index was brought up to date */
	bool cut;              /* the live table ends before the log does, see token_load */
	bool accept_cut;       /* told to take a copy that lacks everything */
	struct live_entry lacking; /* one whose file was missing */
};

struct vault {
	struct vault_config cfg; /* strings copied */
	char *strings[3];
	struct dir dir;
	int lock_fd;
	struct secret key; /* V; 32 zero bytes without key file */
	bool without_key_file;
	char id[33];
	struct state *state;
	struct lock lock;
	struct token *tokens; /* by slot */
	struct stat seen;     /* of the directory, to notice changes */
	atomic_uint_least64_t generation;
};

/* ---- vault.c ---- */
/* VAULT and the key file; fills id, key, without_key_file. */
CK_RV vault_load_key(struct vault *v);
void vault_strings_free(struct vault *v);
CK_RV vault_config_copy(struct vault *v, const struct vault_config *cfg);

/* ---- token.c: a token in memory ---- */
/* 16 lower-case hex digits: the name of a token's directory. */
bool is_serial(const char *name);
/* With one reference, nothing read yet; its keys are derived from the vault's. CKR_HOST_MEMORY. */
CK_RV token_new(struct vault *v, const char *serial, struct token **t);
/* Closes and frees all that token_load brought; the token key stays. */
void token_unload(struct token *t);
/* With token->lock held: CKR_OK, or why nothing can be committed. CKR_TOKEN_WRITE_PROTECTED, CKR_DEVICE_REMOVED,
 * CKR_DEVICE_ERROR. */
CK_RV token_writable(struct token *t);

/* ---- token_load.c: a token from disk ---- */
/* What token_examine found: what there is of the log, and whether it all is what this machine has seen last. */
struct finding {
	struct journal_replay log;
	enum token_state state; /* TOKEN_OK, or TOKEN_ROLLED_BACK with its reason; damage is token_examine's error */
	char reason[256];
};
/* The reading half of token_load, for `tokenfs check` too: opens, verifies, fills *live (must be empty) and *f; writes
 * nothing. CKR_DEVICE_ERROR with why(). vault->state may be NULL. */
CK_RV token_examine(struct token *t, struct live *live, struct finding *f);
/* Reads header and log, compares with the directory and with what was seen; sets state and reason, and remembers a token
 * that is as it should be. Never fails for what is wrong with the token itself. The token is new, or commit, sync and
 * `files` (for writing) are held. */
void token_load(struct token *t);
/* Is what lies on disk still what was loaded? */
bool token_in_place(struct token *t);
/* The row under which state.h keeps the header's generation. */
void header_row(const struct token *t, char row[SERIAL_LEN + 1]);
/* This log (whose end must be durable), this header are what the machine has seen. */
CK_RV remember_log(struct token *t);
CK_RV remember_header(struct token *t);
/* All that state.h keeps of it goes. */
CK_RV token_forget(struct token *t);

/* ---- vault.c, again: what concerns one token and the list ---- */
/* Looks again: nobody commits meanwhile; the key stays in memory if it still fits. */
CK_RV token_reload(struct token *t);
/* Writes the header, raising its generation, and remembers it as seen; the token keeps it. key is the token's. Takes
 * `commit` and `lock`. If it cannot be written, the token has the header that it had. */
CK_RV header_install(struct token *t, const struct header *h, const uint8_t key[KEY_LEN]);

/* ---- commit.c ---- */
/* With token->sync held: waits until nobody is between append and publication. */
void token_settle(struct token *t);

/* ---- login.c ---- */
void token_key_drop(struct token *t);  /* whoever holds it */
void token_key_wiped(struct token *t); /* the same with token->login held */
/* CKR_PIN_LEN_RANGE, with why(): a vault without key file asks for longer ones. */
CK_RV pin_acceptable(const struct vault *v, size_t len);
/* How many wrong tries lock the PIN; the SO's is half of the user's. */
uint32_t token_pin_limit(const struct token *t, CK_USER_TYPE user);

/* ---- scan.c: the objects directory against the live table ---- */
struct scan_result {
	size_t missing;            /* live objects without their file */
	uint64_t first_missing;    /* the earliest epoch of one, and its time */
	int64_t first_missing_time;
	char example[96];          /* "objects/ab/....1" of one missing */
	struct live_entry entry;   /* the same */
};
/* Compares the objects directory with *live, whose `present` it sets; queues the files of versions that are gone for
 * retired_sweep. What is missing is told in *r, and is no error. */
CK_RV scan_objects(struct token *t, struct live *live, struct scan_result *r);
/* objects/<dir>/<name> of one version: "ab", "ab....1". */
void object_path(char dir[3], char name[64], const uint8_t uuid[UUID_LEN], uint64_t version);
/* The other way: "<32 hex>.<version>"; false if the name is nothing like that. */
bool object_name(const char *name, uint8_t uuid[UUID_LEN], uint64_t *version);
void retire(struct token *t, const uint8_t uuid[UUID_LEN], uint64_t version);
void retired_sweep(struct token *t, int64_t now);
void retired_free(struct token *t);

/* ---- sealed.c: objects to files and back ---- */
/* Seals the object into a new, durable file and fills *e, but for epoch and time. CKR_USER_NOT_LOGGED_IN: it is private and
 * the key is not in memory. */
CK_RV sealed_write(struct token *t, struct object *o, struct live_entry *e);
/* Reads, compares with the entry, unseals. key is the token's for private objects. */
CK_RV sealed_read(struct token *t, const struct live_entry *e, struct attrs *attrs);
/* Length and hash alone: what can be told of a private object without its key. */
CK_RV sealed_verify(struct token *t, const struct live_entry *e);

/* ---- find.c: the blind index ---- */
/* Blind terms of all that an application may read of the object, and of a key's value; *terms malloc'd. */
CK_RV index_terms(struct token *t, const struct object *o, struct index_term **terms, size_t *n);
/* Brings the index to the live table; private objects without key are entered without terms. */
CK_RV index_catch_up(struct token *t);
/* The key has come: terms for private rows that lack them. */
CK_RV index_private_rows(struct token *t);

#endif
