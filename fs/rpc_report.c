/*
 * rpc_report.c - what the tokenfs command is told, as JSON: T_Status, T_Check, T_Audit
 *
 * T_Status answers one JSON object:
 *   version, pid, started (seconds since 1970), uptime, mount, vault, state (folders), key_fingerprint,
 *   in_process, read_only, max_sessions, sessions,
 *   hardening {dumpable, core, no_new_privs, landlock, seccomp, memory},
 *   secret_memory {memfd_secret, locked, plain, used} in bytes,
 *   applications [{id, uid, pid, exe, sessions}],
 *   tokens [{slot, initialized, label, serial, state "ok|rolled-back|damaged", reason, read_only,
 *     user_pin_set, policy "strict|compat", open, unlocked, user_tries_left, user_tries, so_tries_left,
 *     so_tries, public_objects, private_objects, epoch, disk_bytes}]; the spare slot has slot and
 *     initialized alone
 * T_Check: bad [{file, reason}], notes [text], files, bytes, objects_opened, objects_sealed, problems.
 * T_Audit: a line of JSON for each event (seq, time, token, what, who, object, rv, result), and a last one
 *   {"intact": true|false, "last": seq}.
 */
#include "rpc_handler.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../store/secret.h"
#include "../store/why.h"
#include "unlock.h"

/* At most so many events in one answer; the client asks on. */
#define AUDIT_MAX 10000

static void
add_text(struct json_object *o, const char *key, const char *text)
{
	json_object_object_add(o, key, text ? json_object_new_string(text) : NULL);
}

static void
add_number(struct json_object *o, const char *key, uint64_t n)
{
	json_object_object_add(o, key, json_object_new_uint64(n));
}

static void
add_bool(struct json_object *o, const char *key, bool v)
{
	json_object_object_add(o, key, json_object_new_boolean(v));
}

/* Lives as long as o. */
static const char *
text_of(struct json_object *o, size_t *len)
{
	*len = 0;
	return json_object_to_json_string_length(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, len);
}

static void
put_json(struct codec *out, struct json_object *o)
{
	size_t len;
	const char *text = text_of(o, &len);

	codec_put_bytes(out, text, text ? len : 0);
}

/* ---- status ---- */

static struct json_object *
hardening(const struct harden_report *h)
{
	struct json_object *o = json_object_new_object();

	add_text(o, "dumpable", h->dumpable);
	add_text(o, "core", h->core);
	add_text(o, "no_new_privs", h->no_new_privs);
	add_text(o, "landlock", h->landlock);
	add_text(o, "seccomp", h->seccomp);
	add_text(o, "memory", h->memory);
	return o;
}

static struct json_object *
secret_memory(void)
{
	struct json_object *o = json_object_new_object();
	struct secret_report report = {0};

	secret_report(&report);
	add_number(o, "memfd_secret", report.memfd_secret);
	add_number(o, "locked", report.locked);
	add_number(o, "plain", report.plain);
	add_number(o, "used", report.used);
	return o;
}

static struct json_object *
applications(struct daemon *d)
{
	struct json_object *list = json_object_new_array(), *o;

	pthread_mutex_lock(&d->lock);
	for (struct app *a = d->apps; a; a = a->next) {
		o = json_object_new_object();
		add_number(o, "id", a->id);
		add_number(o, "uid", a->uid);
		add_number(o, "pid", (uint64_t)a->pid);
		add_text(o, "exe", a->exe);
		pthread_mutex_lock(&a->lock);
		add_number(o, "sessions", a->sessions.n);
		pthread_mutex_unlock(&a->lock);
		json_object_array_add(list, o);
	}
	pthread_mutex_unlock(&d->lock);
	return list;
}

static void
describe_token(struct json_object *o, const struct token_info *info)
{
	static const char *const states[] = {[TOKEN_OK] = "ok",
		[TOKEN_ROLLED_BACK] = "rolled-back",
		[TOKEN_DAMAGED] = "damaged"};

	add_text(o, "label", info->label);
	add_text(o, "serial", info->serial);
	add_text(o, "state", states[info->state]);
	add_text(o, "reason", info->reason);
	add_bool(o, "read_only", info->read_only);
	add_bool(o, "user_pin_set", info->user_pin_set);
	add_text(o, "policy", info->compat ? "compat" : "strict");
	add_bool(o, "open", info->open);
	add_number(o, "user_tries_left", info->user_tries_left);
	add_number(o, "user_tries", info->user_tries);
	add_number(o, "so_tries_left", info->so_tries_left);
	add_number(o, "so_tries", info->so_tries);
	add_number(o, "public_objects", info->public_objects);
	add_number(o, "private_objects", info->private_objects);
	add_number(o, "epoch", info->epoch);
	add_number(o, "disk_bytes", info->disk_bytes);
}

static struct json_object *
tokens(struct rpc *r)
{
	struct json_object *list = json_object_new_array(), *o;
	struct slot_info *slots = NULL;
	size_t n = 0;

	if (vault_slots(r->daemon->vault, &slots, &n) != CKR_OK)
		n = 0;
	for (size_t i = 0; i < n; i++) {
		struct token_info info = {0};
		struct token *t = NULL;

		o = json_object_new_object();
		add_number(o, "slot", slots[i].id);
		add_bool(o, "initialized", slots[i].initialized);
		if (token_get(r->daemon->vault, slots[i].id, &t) == CKR_OK) {
			if (token_info(t, &info) == CKR_OK)
				describe_token(o, &info);
			add_bool(o, "unlocked",
				unlock_active(r->daemon, t, r->app->uid, NULL));
			token_put(t);
		}
		json_object_array_add(list, o);
	}
	free(slots);
	return list;
}

CK_RV
rpc_t_status(struct rpc *r)
{
	struct daemon *d = r->daemon;
	struct json_object *o;
	struct vault_config cfg;
	char fingerprint[33] = "";
	time_t now = time(NULL);
	CK_RV rv = rpc_taken(r);

	if (rv != CKR_OK)
		return rv;
	daemon_vault_config(d->conf, vault_read_only(d->vault), &cfg);
	if (vault_fingerprint(&cfg, fingerprint) != CKR_OK)
		fingerprint[0] = '\0';
	o = json_object_new_object();
	add_text(o, "version", TOKENFS_VERSION);
	add_number(o, "pid", (uint64_t)getpid());
	add_number(o, "started", (uint64_t)d->started);
	add_number(o, "uptime", now > d->started ? (uint64_t)(now - d->started) : 0);
	add_text(o, "mount", d->in_process ? NULL : d->conf->mount);
	add_text(o, "vault", d->conf->vault);
	add_text(o, "state", d->conf->state);
	add_text(o, "key_fingerprint", fingerprint[0] ? fingerprint : NULL);
	add_bool(o, "in_process", d->in_process);
	add_bool(o, "read_only", vault_read_only(d->vault));
	add_number(o, "max_sessions", d->conf->max_sessions);
	pthread_mutex_lock(&d->lock);
	add_number(o, "sessions", d->sessions);
	pthread_mutex_unlock(&d->lock);
	json_object_object_add(o, "hardening", hardening(&d->hardening));
	json_object_object_add(o, "secret_memory", secret_memory());
	json_object_object_add(o, "applications", applications(d));
	json_object_object_add(o, "tokens", tokens(r));
	put_json(r->out, o);
	json_object_put(o);
	return CKR_OK;
}

/* ---- check ---- */

struct checking {
	struct json_object *bad, *notes;
	const char *serial; /* only findings of this token, or NULL */
	const struct cancel *cancel;
	struct check_report report;
};

static void
check_bad(void *arg, const char *file, const char *reason)
{
	struct checking *c = arg;
	struct json_object *o;

	if (c->serial && !strstr(file, c->serial))
		return;
	o = json_object_new_object();
	add_text(o, "file", file);
	add_text(o, "reason", reason);
	json_object_array_add(c->bad, o);
}

static void
check_note(void *arg, const char *text)
{
	struct checking *c = arg;

	json_object_array_add(c->notes, json_object_new_string(text));
}

static void
check_progress(void *arg, uint64_t done, uint64_t total)
{
	struct checking *c = arg;

	(void)done;
	(void)total;
	c->report.stop = atomic_load(&c->cancel->on);
}

static size_t
check_pin(void *arg, const char *label, const char *serial, uint8_t pin[PIN_MAX])
{
	(void)arg;
	(void)label;
	(void)serial;
	(void)pin;
	return 0;
}

static CK_RV
run_check(struct rpc *r, const char *serial)
{
	struct checking c = {json_object_new_array(), json_object_new_array(), serial,
		&r->app->cancel};
	const struct check_hooks hooks = {check_bad, check_note, check_progress, check_pin, &c};
	struct json_object *o = json_object_new_object();
	const struct check_report *report = &c.report;
	struct vault_config cfg;
	CK_RV rv;

	daemon_vault_config(r->daemon->conf, true, &cfg);
	rv = vault_check(&cfg, &hooks, &c.report);
	if (c.report.stop)
		rv = CKR_FUNCTION_CANCELED;
	json_object_object_add(o, "bad", c.bad);
	json_object_object_add(o, "notes", c.notes);
	add_number(o, "files", report->files);
	add_number(o, "bytes", report->bytes);
	add_number(o, "objects_opened", report->objects_opened);
	add_number(o, "objects_sealed", report->objects_sealed);
	add_number(o, "problems", report->problems);
	/* Damage that was found is an answer, not a failure of the check. */
	if (rv == CKR_OK || (rv != CKR_FUNCTION_CANCELED && report->problems > 0)) {
		put_json(r->out, o);
		rv = CKR_OK;
	}
	json_object_put(o);
	return rv;
}

CK_RV
rpc_t_check(struct rpc *r)
{
	struct token *t = NULL;
	char serial[SERIAL_LEN + 1] = "";
	CK_SLOT_ID slot;
	CK_RV rv;

	rv = rpc_taken_ulong(r, &slot);
	if (rv == CKR_OK && slot != CK_UNAVAILABLE_INFORMATION)
		rv = token_get(r->daemon->vault, slot, &t);
	if (rv != CKR_OK)
		return rv;
	if (t)
		memcpy(serial, token_serial(t), SERIAL_LEN);
	if (atomic_flag_test_and_set(&r->daemon->checking)) {
		rv = why(CKR_OPERATION_ACTIVE, "a check is running already");
	} else {
		rv = run_check(r, t ? serial : NULL);
		atomic_flag_clear(&r->daemon->checking);
	}
	token_put(t);
	return rv;
}

/* ---- audit ---- */

struct audit_lines {
	struct buf text;
	uint64_t last;
};

static void
put_line(struct buf *text, struct json_object *o)
{
	size_t len;
	const char *line = text_of(o, &len);

	buf_put(text, line, line ? len : 0);
	buf_put(text, "\n", 1);
}

static bool
audit_line(void *arg, const struct audit_event *e)
{
	struct json_object *o = json_object_new_object();
	struct audit_lines *lines = arg;

	add_number(o, "seq", e->seq);
	json_object_object_add(o, "time", json_object_new_int64(e->time));
	add_text(o, "token", e->serial);
	add_text(o, "what", e->what);
	add_text(o, "who", e->who);
	add_text(o, "object", e->object);
	add_number(o, "rv", e->rv);
	add_text(o, "result", ck_name(NAMES_RV, e->rv));
	put_line(&lines->text, o);
	json_object_put(o);
	lines->last = e->seq;
	return !buf_failed(&lines->text);
}

CK_RV
rpc_t_audit(struct rpc *r)
{
	struct audit_lines lines = {0};
	struct json_object *end;
	CK_ULONG after, max;
	bool intact = false;
	CK_RV rv;

	codec_get_ulong(&r->in, &after);
	codec_get_ulong(&r->in, &max);
	rv = rpc_taken(r);
	if (rv != CKR_OK)
		return rv;
	buf_init(&lines.text, RPC_MAX_OUTPUT);
	lines.last = after;
	rv = vault_audit_read(r->daemon->vault, after, max < AUDIT_MAX ? max : AUDIT_MAX,
		audit_line, &lines, &intact);
	end = json_object_new_object();
	add_bool(end, "intact", intact);
	add_number(end, "last", lines.last);
	put_line(&lines.text, end);
	json_object_put(end);
	if (rv == CKR_OK && buf_failed(&lines.text))
		rv = CKR_HOST_MEMORY;
	if (rv == CKR_OK)
		codec_put_bytes(r->out, lines.text.data, lines.text.len);
	buf_free(&lines.text);
	return rv;
}
