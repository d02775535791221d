#include "rpc_handler.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <time.h>

#include "unlock.h"

#define MANUFACTURER "tokenfs"
#define MODEL	     "tokenfs"

/* The daemon's version as the standard's two bytes. */
static const CK_VERSION version = {0, 1};

static CK_RV
remember_slots(struct app *a, struct vault *v)
{
	struct slot_info *slots = NULL;
	uint64_t generation = vault_generation(v);
	size_t n = 0;
	CK_RV rv = vault_slots(v, &slots, &n);

	if (rv != CKR_OK)
		return rv;
	pthread_mutex_lock(&a->lock);
	free(a->seen_slots);
	a->seen_slots = slots;
	a->n_seen_slots = n;
	a->seen_generation = generation;
	pthread_mutex_unlock(&a->lock);
	return CKR_OK;
}

CK_RV
rpc_hello(struct rpc *r)
{
	CK_ULONG wire, flags;
	CK_RV rv;

	codec_get_ulong(&r->in, &wire);
	codec_get_ulong(&r->in, &flags);
	rv = rpc_taken(r);
	if (rv != CKR_OK)
		return rv;
	if (wire != WIRE_VERSION || flags != 0)
		return CKR_FUNCTION_NOT_SUPPORTED;
	rv = remember_slots(r->app, r->daemon->vault);
	if (rv != CKR_OK)
		return rv;
	atomic_store(&r->app->greeted, true);
	codec_put_ulong(r->out, WIRE_VERSION);
	codec_put_bytes(r->out, TOKENFS_VERSION, strlen(TOKENFS_VERSION));
	codec_put_ulong(r->out, r->daemon->conf->max_sessions);
	return CKR_OK;
}

/* Every slot has a token, the spare one an uninitialised one. */
CK_RV
rpc_get_slot_list(struct rpc *r)
{
	struct slot_info *slots = NULL;
	CK_ULONG *ids = NULL;
	uint8_t present;
	size_t n = 0;
	CK_RV rv;

	codec_get_byte(&r->in, &present);
	rv = rpc_taken(r);
	if (rv == CKR_OK)
		rv = vault_slots(r->daemon->vault, &slots, &n);
	if (rv != CKR_OK)
		return rv;
	ids = calloc(n + 1, sizeof(*ids));
	if (!ids) {
		rv = CKR_HOST_MEMORY;
		goto out;
	}
	for (size_t i = 0; i < n; i++)
		ids[i] = slots[i].id;
	codec_put_ulongs(r->out, ids, n);
out:
	free(ids);
	free(slots);
	return rv;
}

/* Text in a field of the standard's: blank padded, cut if too long. */
static void
put_padded(struct codec *out, const char *text, size_t width)
{
	char field[64];
	size_t len = strlen(text);

	memset(field, ' ', sizeof(field));
	memcpy(field, text, len < width ? len : width);
	codec_put_bytes(out, field, width);
}

static void
put_versions(struct codec *out)
{
	for (int i = 0; i < 2; i++) { /* hardware, firmware */
		codec_put_byte(out, version.major);
		codec_put_byte(out, version.minor);
	}
}

/* The token in a slot; *t stays NULL for the spare one. */
static CK_RV
slot_token(struct rpc *r, CK_SLOT_ID slot, struct token **t)
{
	CK_RV rv = token_get(r->daemon->vault, slot, t);

	if (rv != CKR_TOKEN_NOT_RECOGNIZED)
		return rv;
	*t = NULL;
	return CKR_OK;
}

CK_RV
rpc_get_slot_info(struct rpc *r)
{
	struct token *t = NULL;
	char text[65];
	CK_SLOT_ID slot;
	CK_RV rv;

	rv = rpc_taken_ulong(r, &slot);
	if (rv == CKR_OK)
		rv = slot_token(r, slot, &t);
	if (rv != CKR_OK)
		return rv;
	token_put(t);
	snprintf(text, sizeof(text), "tokenfs slot %lu", slot);
	put_padded(r->out, text, 64);
	put_padded(r->out, MANUFACTURER, 32);
	codec_put_ulong(r->out, CKF_TOKEN_PRESENT);
	put_versions(r->out);
	return CKR_OK;
}

/* ---- token info ---- */

static CK_FLAGS
try_flags(uint32_t left, uint32_t tries, CK_FLAGS low, CK_FLAGS final, CK_FLAGS locked)
{
	return (left < tries ? low : 0) | (left == 1 ? final : 0) | (left == 0 ? locked : 0);
}

static CK_FLAGS
token_flags(struct rpc *r, struct token *t, const struct token_info *info)
{
	CK_FLAGS f = CKF_TOKEN_INITIALIZED;

	if (info->user_pin_set)
		f |= CKF_USER_PIN_INITIALIZED |
		     try_flags(info->user_tries_left, info->user_tries, CKF_USER_PIN_COUNT_LOW,
			     CKF_USER_PIN_FINAL_TRY, CKF_USER_PIN_LOCKED);
	f |= try_flags(info->so_tries_left, info->so_tries, CKF_SO_PIN_COUNT_LOW,
		CKF_SO_PIN_FINAL_TRY, CKF_SO_PIN_LOCKED);
	if (info->read_only)
		f |= CKF_WRITE_PROTECTED;
	if (unlock_active(r->daemon, t, r->app->uid, NULL))
		f |= CKF_PROTECTED_AUTHENTICATION_PATH;
	return f;
}

/* Room is the file system's, shared by public and private objects. */
static void
memory_figures(const struct conf *conf, const struct token_info *info, CK_ULONG *total,
	CK_ULONG *available)
{
	struct statvfs fs;

	*total = *available = CK_UNAVAILABLE_INFORMATION;
	if (statvfs(conf->vault, &fs) != 0)
		return;
	*available = (CK_ULONG)fs.f_bavail * fs.f_frsize;
	*total = *available + info->disk_bytes;
}

/* The ten counts of CK_TOKEN_INFO, in its order. */
static void
put_counts(struct rpc *r, CK_SLOT_ID slot, const struct token_info *info)
{
	CK_ULONG max = session_limit(r->daemon), total, available;
	size_t all, rw;

	session_count(r->app, slot, &all, &rw);
	memory_figures(r->daemon->conf, info, &total, &available);
	codec_put_ulongs(r->out,
		(const CK_ULONG[]){max, all, max, rw, PIN_MAX, PIN_MIN, total, available, total,
			available},
		10);
}

static void
put_time(struct codec *out)
{
	time_t now = time(NULL);
	char text[32];
	struct tm tm;

	gmtime_r(&now, &tm);
	strftime(text, sizeof(text), "%Y%m%d%H%M%S00", &tm);
	put_padded(out, text, 16);
}

CK_RV
rpc_get_token_info(struct rpc *r)
{
	CK_FLAGS flags = CKF_RNG | CKF_LOGIN_REQUIRED | CKF_RESTORE_KEY_NOT_NEEDED |
			 CKF_DUAL_CRYPTO_OPERATIONS | CKF_CLOCK_ON_TOKEN;
	struct token_info info = {0};
	struct token *t = NULL;
	CK_SLOT_ID slot;
	CK_RV rv;

	rv = rpc_taken_ulong(r, &slot);
	if (rv == CKR_OK)
		rv = slot_token(r, slot, &t);
	if (rv == CKR_OK && t)
		rv = token_info(t, &info);
	if (rv != CKR_OK)
		goto out;
	if (t)
		flags |= token_flags(r, t, &info);
	else if (vault_read_only(r->daemon->vault))
		flags |= CKF_WRITE_PROTECTED;
	put_padded(r->out, info.label, LABEL_LEN);
	put_padded(r->out, MANUFACTURER, 32);
	put_padded(r->out, MODEL, 16);
	put_padded(r->out, info.serial, SERIAL_LEN);
	codec_put_ulong(r->out, flags);
	put_counts(r, slot, &info);
	put_versions(r->out);
	put_time(r->out);
out:
	token_put(t);
	return rv;
}

/* ---- mechanisms ---- */

/* The policy of the slot's token, which decides what mechanisms it has; strict where there is no token yet. */
static CK_RV
slot_policy(struct rpc *r, CK_SLOT_ID slot, bool *compat)
{
	struct token_info info = {0};
	struct token *t = NULL;
	CK_RV rv = slot_token(r, slot, &t);

	if (rv == CKR_OK && t != NULL)
		rv = token_info(t, &info);
	*compat = info.compat;
	token_put(t);
	return rv;
}

CK_RV
rpc_get_mechanism_list(struct rpc *r)
{
	size_t n = mech_count(), found = 0;
	CK_ULONG *types;
	CK_SLOT_ID slot;
	bool compat;
	CK_RV rv;

	rv = rpc_taken_ulong(r, &slot);
	if (rv == CKR_OK)
		rv = slot_policy(r, slot, &compat);
	if (rv != CKR_OK)
		return rv;
	types = calloc(n + 1, sizeof(*types));
	if (!types)
		return CKR_HOST_MEMORY;
	for (size_t i = 0; i < n; i++)
		if (mech_offered(mech_at(i), compat))
			types[found++] = mech_at(i)->type;
	codec_put_ulongs(r->out, types, found);
	free(types);
	return CKR_OK;
}

CK_RV
rpc_get_mechanism_info(struct rpc *r)
{
	const struct mech *m;
	CK_MECHANISM_TYPE type;
	CK_SLOT_ID slot;
	bool compat;
	CK_RV rv;

	codec_get_ulong(&r->in, &slot);
	codec_get_ulong(&r->in, &type);
	rv = rpc_taken(r);
	if (rv == CKR_OK)
		rv = slot_policy(r, slot, &compat);
	if (rv != CKR_OK)
		return rv;
	m = mech_find_for(type, compat);
	if (!m || !mech_offered(m, compat))
		return CKR_MECHANISM_INVALID;
	codec_put_ulong(r->out, m->min);
	codec_put_ulong(r->out, m->max);
	codec_put_ulong(r->out, mech_flags(m, compat));
	return CKR_OK;
}

/* ---- making a token ---- */

/* Blank padded as the standard wants it, also where a clumsy caller padded with NUL. */
static void
clean_label(uint8_t to[LABEL_LEN], const uint8_t *from)
{
	size_t len = strnlen((const char *)from, LABEL_LEN);

	memset(to, ' ', LABEL_LEN);
	memcpy(to, from, len);
}

CK_RV
rpc_init_token(struct rpc *r)
{
	const uint8_t *pin, *label;
	size_t pin_len, label_len;
	uint8_t clean[LABEL_LEN];
	struct token *t = NULL;
	CK_SLOT_ID slot;
	CK_RV rv;

	codec_get_ulong(&r->in, &slot);
	codec_get_bytes(&r->in, &pin, &pin_len);
	codec_get_bytes(&r->in, &label, &label_len);
	rv = rpc_taken(r);
	if (rv != CKR_OK)
		return rv;
	if (!pin || !label || label_len != LABEL_LEN)
		return CKR_ARGUMENTS_BAD;
	clean_label(clean, label);
	rv = daemon_slot_claim(r->daemon, slot);
	if (rv != CKR_OK)
		return rv;
	rv = token_init(r->daemon->vault, slot, pin, pin_len, clean);
	if (rv == CKR_OK)
		unlock_end_slot(r->daemon, slot);
	daemon_slot_release(r->daemon);
	if (token_get(r->daemon->vault, slot, &t) != CKR_OK)
		t = NULL;
	app_audit(r->app, t, "init-token", NULL, rv);
	token_put(t);
	return rv;
}

/* ---- slot events ---- */

/* With app->lock held: the first slot that is not as it was told last. */
static bool
slot_event(struct app *a, const struct slot_info *now, size_t n, CK_SLOT_ID *changed)
{
	size_t i = 0, k = 0;

	while (i < a->n_seen_slots || k < n) {
		const struct slot_info *was = i < a->n_seen_slots ? &a->seen_slots[i] : NULL;
		const struct slot_info *is = k < n ? &now[k] : NULL;

		if (was && is && was->id == is->id) {
			if (was->initialized != is->initialized) {
				*changed = is->id;
				return true;
			}
			i++, k++;
			continue;
		}
		*changed = !is || (was && was->id < is->id) ? was->id : is->id;
		return true;
	}
	return false;
}

/* With app->lock held: takes the slot as it is now into what was told; NULL: there is no memory. */
static struct slot_info *
learn(const struct app *a, const struct slot_info *now, size_t n, CK_SLOT_ID changed, size_t *n_told)
{
	struct slot_info *told = calloc(a->n_seen_slots + 1, sizeof(*told));
	size_t count = 0, i = 0;

	if (!told)
		return NULL;
	for (; i < a->n_seen_slots && a->seen_slots[i].id < changed; i++)
		told[count++] = a->seen_slots[i];
	for (size_t k = 0; k < n; k++) {
		if (now[k].id == changed)
			told[count++] = now[k];
	}
	for (; i < a->n_seen_slots; i++) {
		if (a->seen_slots[i].id != changed)
			told[count++] = a->seen_slots[i];
	}
	*n_told = count;
	return told;
}

/* With app->lock held: the next slot that changed, which counts as told then. Each is told once: as long as there are
 * more, the generation stays the old one. */
static CK_RV
next_event(struct app *a, const struct slot_info *now, size_t n, uint64_t generation, CK_SLOT_ID *changed)
{
	struct slot_info *told;
	CK_SLOT_ID more;
	size_t n_told;

	if (!slot_event(a, now, n, changed)) {
		a->seen_generation = generation;
		return CKR_NO_EVENT;
	}
	told = learn(a, now, n, *changed, &n_told);
	if (!told)
		return CKR_HOST_MEMORY;
	free(a->seen_slots);
	a->seen_slots = told; /* transferred */
	a->n_seen_slots = n_told;
	if (!slot_event(a, now, n, &more))
		a->seen_generation = generation;
	return CKR_OK;
}

/* PKCS#11 3.1 5.5.4, without blocking: a client that waits polls its connection and asks again. */
CK_RV
rpc_wait_for_slot_event(struct rpc *r)
{
	struct vault *v = r->daemon->vault;
	struct slot_info *slots = NULL;
	CK_SLOT_ID changed = 0;
	uint64_t generation;
	CK_FLAGS flags;
	size_t n = 0;
	CK_RV rv;

	rv = rpc_taken_ulong(r, &flags);
	if (rv != CKR_OK)
		return rv;
	generation = vault_generation(v);
	if (!app_has_slot_event(r->app))
		return CKR_NO_EVENT;
	rv = vault_slots(v, &slots, &n);
	if (rv != CKR_OK)
		return rv;
	pthread_mutex_lock(&r->app->lock);
	rv = next_event(r->app, slots, n, generation, &changed);
	pthread_mutex_unlock(&r->app->lock);
	free(slots);
	if (rv == CKR_OK)
		codec_put_ulong(r->out, changed);
	return rv;
}
