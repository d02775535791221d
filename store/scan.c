/*
 * The objects directory against the live table: what is missing, what is retired, what may go.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "inside.h"

struct scan {
	struct token *t;
	struct live *live;
	struct dir sub;
};

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool
object_name(const char *name, uint8_t uuid[UUID_LEN], uint64_t *version)
{
	char *end;

	for (size_t i = 0; i < UUID_LEN; i++) {
		int hi = hex_digit(name[2 * i]);
		int lo = hi < 0 ? -1 : hex_digit(name[2 * i + 1]);

		if (lo < 0)
			return false;
		uuid[i] = (uint8_t)(hi << 4 | lo);
	}
	if (name[32] != '.' || name[33] < '1' || name[33] > '9')
		return false;
	*version = strtoull(name + 33, &end, 10);
	return *end == '\0';
}

static void
queue_retired(struct token *t, const uint8_t *uuid, uint64_t version, int64_t since)
{
	struct retired *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return; /* the next start finds the file again */
	memcpy(r->uuid, uuid, UUID_LEN);
	r->version = version;
	r->since = since;
	lock_take(&t->lock);
	r->next = t->retired;
	t->retired = r;
	lock_give(&t->lock);
}

static CK_RV
scan_file(void *arg, const char *name)
{
	struct scan *s = arg;
	uint8_t uuid[UUID_LEN];
	uint64_t version;
	struct live_entry *e;
	struct stat st;

	if (strncmp(name, ".new-", 5) == 0) {
		if (!s->t->vault->cfg.read_only)
			file_remove(&s->sub, name);
		return CKR_OK;
	}
	if (!object_name(name, uuid, &version))
		return CKR_OK; /* not ours to touch; `tokenfs check` names it */
	e = live_find(s->live, uuid);
	if (e != NULL && e->version == version) {
		e->present = true;
		return CKR_OK;
	}
	/* A version above the live one was never committed, and its name will be needed. Else the time counts from
	 * when the file came here (ctime): a restore keeps older times of modification. */
	if (e != NULL && version > e->version)
		queue_retired(s->t, uuid, version, 0);
	else if (fstatat(s->sub.fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		queue_retired(s->t, uuid, version, st.st_ctime);
	return CKR_OK;
}

static CK_RV
scan_dir(void *arg, const char *name)
{
	struct scan *s = arg;
	CK_RV rv;

	if (hex_digit(name[0]) < 0 || hex_digit(name[1]) < 0 || name[2] != '\0')
		return CKR_OK;
	rv = dir_open_at(&s->sub, &s->t->objects, name, false);
	if (rv != CKR_OK)
		return rv;
	rv = dir_each(&s->sub, scan_file, s);
	dir_close(&s->sub);
	return rv;
}

CK_RV
scan_objects(struct token *t, struct live *live, struct scan_result *r)
{
	struct scan s = {.t = t, .live = live, .sub = {.fd = -1}};
	struct live_entry *e;
	size_t i = 0;
	CK_RV rv;

	memset(r, 0, sizeof(*r));
	while ((e = live_next(live, &i)) != NULL)
		e->present = false;
	retired_free(t);
	rv = dir_each(&t->objects, scan_dir, &s);
	if (rv != CKR_OK)
		return rv;
	i = 0;
	while ((e = live_next(live, &i)) != NULL) {
		char dir[3], name[64];

		if (e->present)
			continue;
		if (r->missing++ == 0 || e->epoch < r->first_missing) {
			r->entry = *e;
			object_path(dir, name, e->uuid, e->version);
			snprintf(r->example, sizeof(r->example), "objects/%s/%s", dir, name);
			r->first_missing = e->epoch;
			r->first_missing_time = e->time;
		}
	}
	return CKR_OK;
}

static void
remove_object_file(struct token *t, const uint8_t *uuid, uint64_t version)
{
	struct dir sub = {.fd = -1};
	char dir[3], name[64];

	object_path(dir, name, uuid, version);
	if (dir_open_at(&sub, &t->objects, dir, false) == CKR_OK &&
		file_remove(&sub, name) != CKR_OK)
		why_log(WHY_WARNING, "%s", why_text());
	dir_close(&sub);
}

void
retire(struct token *t, const uint8_t uuid[UUID_LEN], uint64_t version)
{
	char dir[3], name[64], path[80];

	if (t->vault->cfg.retire_grace == 0) {
		remove_object_file(t, uuid, version);
		return;
	}
	/* Its time from now on says when it was retired, also after a restart. */
	object_path(dir, name, uuid, version);
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	utimensat(t->objects.fd, path, NULL, AT_SYMLINK_NOFOLLOW);
	queue_retired(t, uuid, version, (int64_t)time(NULL));
}

void
retired_sweep(struct token *t, int64_t now)
{
	int64_t before = now - (int64_t)t->vault->cfg.retire_grace;
	struct retired **p, *r, *go = NULL;

	lock_take(&t->lock);
	for (p = &t->retired; (r = *p) != NULL;) {
		if (r->since <= before) {
			*p = r->next;
			r->next = go;
			go = r;
		} else {
			p = &r->next;
		}
	}
	lock_give(&t->lock);
	while ((r = go) != NULL) {
		go = r->next;
		remove_object_file(t, r->uuid, r->version);
		free(r);
	}
}

void
retired_free(struct token *t)
{
	struct retired *r;

	lock_take(&t->lock);
	while ((r = t->retired) != NULL) {
		t->retired = r->next;
		free(r);
	}
	lock_give(&t->lock);
}
