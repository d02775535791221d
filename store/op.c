#include "op.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <string.h>

#include "mech_family.h"
#include "rules.h"
#include "secret.h"
#include "why.h"

/* Finished operations that may wait in one key. */
#define READY_MAX 8
/* What a wiped operation may keep allocated. */
#define KEEP_MAX (16u << 10)

/* What the mechanism's row must say, and what the key must allow. */
static const struct {
	CK_FLAGS mech, key;
} uses[OP_KINDS] = {
	[OP_ENCRYPT] = {CKF_ENCRYPT, CKF_ENCRYPT},
	[OP_DECRYPT] = {CKF_DECRYPT, CKF_DECRYPT},
	[OP_DIGEST] = {CKF_DIGEST, 0},
	[OP_SIGN] = {CKF_SIGN, CKF_SIGN},
	[OP_VERIFY] = {CKF_VERIFY, CKF_VERIFY},
	[OP_SIGN_RECOVER] = {CKF_SIGN_RECOVER, CKF_SIGN_RECOVER},
	[OP_VERIFY_RECOVER] = {CKF_VERIFY_RECOVER, CKF_VERIFY_RECOVER},
	[OP_VERIFY_SIGNATURE] = {CKF_VERIFY, CKF_VERIFY},
	[OP_MESSAGE_ENCRYPT] = {CKF_MESSAGE_ENCRYPT, CKF_ENCRYPT},
	[OP_MESSAGE_DECRYPT] = {CKF_MESSAGE_DECRYPT, CKF_DECRYPT},
	[OP_MESSAGE_SIGN] = {CKF_MESSAGE_SIGN, CKF_SIGN},
	[OP_MESSAGE_VERIFY] = {CKF_MESSAGE_VERIFY, CKF_VERIFY},
};

/* ---- bytes ---- */

CK_RV
bytes_reserve(struct bytes *b, size_t cap)
{
	uint8_t *p;

	if (cap <= b->cap)
		return CKR_OK;
	if ((p = secret_realloc(b->data, cap)) == NULL)
		return CKR_HOST_MEMORY;
	b->data = p;
	b->cap = cap;
	return CKR_OK;
}

CK_RV
bytes_add(struct bytes *b, const void *data, size_t len)
{
	CK_RV rv;

	if (b->len + len > b->cap &&
		(rv = bytes_reserve(b, b->len + len < 2 * b->cap ? 2 * b->cap : b->len + len)) != CKR_OK)
		return rv;
	if (len > 0)
		memcpy(b->data + b->len, data, len);
	b->len += len;
	return CKR_OK;
}

void
bytes_free(struct bytes *b)
{
	secret_free(b->data);
	memset(b, 0, sizeof(*b));
}

void
bytes_clear(struct bytes *b)
{
	if (b->cap > KEEP_MAX) {
		bytes_free(b);
		return;
	}
	wipe(b->data, b->len);
	b->len = 0;
}

/* ---- begin and end ---- */

static void
op_free(struct op *op)
{
	EVP_PKEY_CTX_free(op->pctx);
	EVP_CIPHER_CTX_free(op->cctx);
	EVP_MD_CTX_free(op->mctx);
	EVP_MAC_CTX_free(op->actx);
	EVP_MD_CTX_free(op->sctx);
	bytes_free(&op->prefix);
	bytes_free(&op->state);
	bytes_free(&op->gathered);
	bytes_free(&op->result);
	bytes_free(&op->signature);
	param_free(&op->mechanism);
	op_end(op->inner);
	secret_free(op);
}

static void
op_release(struct key_ready *r)
{
	op_free((struct op *)r);
}

static struct op *
op_new(enum op_kind kind, const struct mech *row)
{
	struct op *op = secret_alloc(sizeof(*op));

	if (op == NULL)
		return NULL;
	memset(op, 0, sizeof(*op));
	op->ready.release = op_release;
	op->kind = kind;
	op->mech = row;
	return op;
}

/* An earlier operation of the same sort with this key, its contexts set up; or a new one. */
static struct op *
op_take(enum op_kind kind, const struct mech *row, struct key *k)
{
	struct key_ready **at;
	struct op *op = NULL;

	if (k != NULL) {
		pthread_mutex_lock(&k->lock);
		for (at = &k->ready; *at != NULL; at = &(*at)->next) {
			op = (struct op *)*at;
			if (op->mech == row && op->kind == kind) {
				*at = op->ready.next;
				k->n_ready--;
				break;
			}
			op = NULL;
		}
		pthread_mutex_unlock(&k->lock);
	}
	return op != NULL ? op : op_new(kind, row);
}

/* Takes the operation that has waited longest out of a full list. Called with the key's lock held. */
static struct op *
take_oldest(struct key *k)
{
	struct key_ready **at = &k->ready;
	struct op *op;

	if (k->n_ready <= READY_MAX)
		return NULL;
	while ((*at)->next != NULL)
		at = &(*at)->next;
	op = (struct op *)*at;
	*at = NULL;
	k->n_ready--;
	return op;
}

static void
op_give_back(struct op *op)
{
	struct key *k = op->key;

	if (k != NULL && !op->spoiled) {
		bytes_clear(&op->gathered);
		bytes_clear(&op->result);
		bytes_clear(&op->signature);
		op->object = NULL;
		op->has_result = false;
		pthread_mutex_lock(&k->lock);
		op->ready.next = k->ready;
		k->ready = &op->ready;
		k->n_ready++;
		op = take_oldest(k);
		pthread_mutex_unlock(&k->lock);
	}
	if (op != NULL)
		op_free(op);
}

/* Is the key of a type and size that the row works with? */
static CK_RV
check_key(const struct mech *row, const struct key *k)
{
	size_t size = row->family->bits ? k->bits : k->len;

	if (k->type != row->keys[0] && k->type != row->keys[1] && k->type != row->keys[2])
		return why(CKR_KEY_TYPE_INCONSISTENT, "mechanism 0x%lx does not work with this type of key",
			row->type);
	if (size < row->min || size > row->max)
		return why(CKR_KEY_SIZE_RANGE, "mechanism 0x%lx takes keys of %lu to %lu, this one has %zu",
			row->type, row->min, row->max, size);
	return CKR_OK;
}

static bool
needs_private(enum op_kind kind)
{
	return kind == OP_DECRYPT || kind == OP_SIGN || kind == OP_SIGN_RECOVER;
}

CK_RV
op_start(struct op **out, enum op_kind kind, const CK_MECHANISM *m, const struct mech *row, struct object *key)
{
	struct key *k = NULL;
	struct op *op;
	CK_RV rv;

	if (row->family->begin == NULL)
		return CKR_MECHANISM_INVALID;
	if (key != NULL) {
		if ((rv = key_get(key, &k)) != CKR_OK || (rv = check_key(row, k)) != CKR_OK)
			return rv;
		if (k->pkey != NULL && needs_private(kind) && !k->private)
			return CKR_KEY_TYPE_INCONSISTENT;
	}
	if ((op = op_take(kind, row, k)) == NULL)
		return CKR_HOST_MEMORY;
	op->key = k;
	op->object = key;
	op->stage = STAGE_FRESH;
	op->fed = op->given = 0;
	op->max_in = GATHER_MAX;
	op->encrypt = kind == OP_ENCRYPT || kind == OP_MESSAGE_ENCRYPT;
	op->keeper = NULL;
	op->spends = false;
	op->keeper = NULL;
	op->early = op->has_signature = op->in_message = op->nonces.set = false;
	if ((rv = row->family->begin(op, m)) != CKR_OK) {
		op_free(op);
		return rv;
	}
	if (op->input == INPUT_HASH && (rv = hash_start(&op->mctx, op->hash)) != CKR_OK) {
		op_free(op);
		return rv;
	}
	*out = op;
	return CKR_OK;
}

CK_RV
op_begin(struct op **op, enum op_kind kind, const CK_MECHANISM *m, struct object *key)
{
	const struct mech *row;
	CK_RV rv;

	*op = NULL;
	if (m == NULL || kind >= OP_KINDS)
		return CKR_ARGUMENTS_BAD;
	if ((row = mech_find(m->mechanism)) == NULL || (row->flags & uses[kind].mech) == 0)
		return why(CKR_MECHANISM_INVALID, "mechanism 0x%lx is not there for this use", m->mechanism);
	if ((key == NULL) != (kind == OP_DIGEST))
		return CKR_ARGUMENTS_BAD;
	if (key != NULL && (rv = rules_use(key, m->mechanism, uses[kind].key)) != CKR_OK)
		return rv;
	if (kind == OP_MESSAGE_SIGN || kind == OP_MESSAGE_VERIFY)
		rv = message_sign_begin(op, kind, m, row, key);
	else
		rv = op_start(op, kind == OP_VERIFY_SIGNATURE ? OP_VERIFY : kind, m, row, key);
	if (rv != CKR_OK)
		return rv;
	(*op)->early = kind == OP_VERIFY_SIGNATURE;
	if (key != NULL)
		object_ref(key);
	return CKR_OK;
}

void
op_end(struct op *op)
{
	struct object *object;

	if (op == NULL)
		return;
	object = op->object;
	op_give_back(op);
	object_put(object); /* last: the key, and with it what waits in it, may go now */
}

bool
op_active(const struct op *op)
{
	return op != NULL && op->stage != STAGE_OVER;
}

struct object *
op_key(const struct op *op)
{
	return op->object;
}

void
op_set_keeper(struct op *op, const struct op_keeper *k)
{
	op->keeper = k;
}

CK_RV
op_spend(struct op *op, const struct attrs *now, struct attrs *changes)
{
	return op->mech->family->spend(op, now, changes);
}

bool
op_answers_otp(const struct op *op)
{
	return op->mech->family->otp;
}

CK_MECHANISM_TYPE
op_mechanism(const struct op *op)
{
	return op->mech->type;
}

size_t
op_compares(const struct op *op)
{
	bool verifies = op->kind == OP_VERIFY || op->kind == OP_MESSAGE_VERIFY;

	return verifies && op->mech->family->verify == NULL && !op->mech->family->otp ? op->size : 0;
}

size_t
op_held(const struct op *op)
{
	if (op == NULL)
		return 0;
	return op->prefix.cap + op->state.cap + op->gathered.cap + op->result.cap + op->signature.cap + op_held(op->inner);
}

bool
op_needs_context_login(const struct op *op)
{
	return op->object != NULL && attrs_bool(&op->object->attrs, CKA_ALWAYS_AUTHENTICATE, false);
}

/* ---- for wrapping ---- */

CK_RV
op_run(enum op_kind kind, const CK_MECHANISM *m, struct object *key, const uint8_t *in, size_t n, uint8_t *out,
	size_t *out_len)
{
	const struct mech *row = mech_find(m->mechanism);
	CK_ULONG len = *out_len;
	struct op *op;
	CK_RV rv;

	if (row == NULL)
		return CKR_MECHANISM_INVALID;
	if ((rv = op_start(&op, kind, m, row, key)) != CKR_OK)
		return rv;
	object_ref(key);
	rv = op_once(op, in, n, out, &len);
	*out_len = len;
	op_end(op);
	return rv;
}

CK_RV
random_bytes(uint8_t *out, size_t len)
{
	size_t n;

	for (; len > 0; out += n, len -= n) {
		n = len < (1u << 20) ? len : 1u << 20;
		if (RAND_bytes(out, (int)n) != 1)
			return mech_failed(CKR_FUNCTION_FAILED, "random numbers");
	}
	return CKR_OK;
}

CK_RV
random_seed(const uint8_t *seed, size_t len)
{
	if (len > INT_MAX)
		return CKR_DATA_LEN_RANGE;
	RAND_add(seed, (int)len, 0.0);
	return CKR_OK;
}
