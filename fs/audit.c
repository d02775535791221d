#include "audit.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../store/why.h"

void
audit_exe(pid_t pid, char *exe, size_t size)
{
	char path[64];
	ssize_t n;
	FILE *f;

	exe[0] = '\0';
	if (pid <= 0)
		return;
	snprintf(path, sizeof(path), "/proc/%ld/exe", (long)pid);
	n = readlink(path, exe, size - 1);
	if (n > 0) {
		exe[n] = '\0';
		return;
	}
	snprintf(path, sizeof(path), "/proc/%ld/comm", (long)pid);
	f = fopen(path, "re");
	if (!f)
		return;
	if (fgets(exe, (int)size, f))
		exe[strcspn(exe, "\n")] = '\0';
	fclose(f);
}

static void
describe_object(const struct object *o, char *text, size_t size)
{
	const char *class = ck_name(NAMES_CLASS, object_class(o));
	size_t at = 0;

	for (size_t i = 0; i < UUID_LEN && at + 3 < size; i++)
		at += (size_t)snprintf(text + at, size - at, "%02x", o->uuid[i]);
	snprintf(text + at, size - at, " %s", class ? class : "object");
}

void
audit_note(struct daemon *d, const struct audit_who *w, struct token *t, const char *what,
	const struct object *o, CK_RV rv)
{
	struct audit_event e = {.rv = rv};
	char exe[AUDIT_EXE];

	if (t)
		snprintf(e.serial, sizeof(e.serial), "%.*s", SERIAL_LEN, token_serial(t));
	snprintf(e.what, sizeof(e.what), "%s", what);
	if (w->exe) {
		snprintf(e.who, sizeof(e.who), "uid %lu pid %ld %s", (unsigned long)w->uid,
			(long)w->pid, w->exe);
	} else {
		audit_exe(w->pid, exe, sizeof(exe));
		snprintf(e.who, sizeof(e.who), "uid %lu pid %ld tree %.40s", (unsigned long)w->uid,
			(long)w->pid, exe);
	}
	if (o)
		describe_object(o, e.object, sizeof(e.object));
	if (vault_audit(d->vault, &e) != CKR_OK)
		why_log(WHY_ERROR, "the audit cannot be written: %s by %s, token %s: %s", e.what, e.who,
			e.serial, why_text());
}

bool
audit_reveals(const struct object *o, CK_ATTRIBUTE_TYPE type)
{
	static const CK_ATTRIBUTE_TYPE parts[] = {CKA_VALUE, CKA_PRIVATE_EXPONENT, CKA_PRIME_1, CKA_PRIME_2,
		CKA_EXPONENT_1, CKA_EXPONENT_2, CKA_COEFFICIENT};
	CK_OBJECT_CLASS class = object_class(o);

	if (class != CKO_PRIVATE_KEY && class != CKO_SECRET_KEY && class != CKO_OTP_KEY)
		return false;
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (parts[i] == type)
			return true;
	return false;
}

bool
audit_refusal(CK_RV rv)
{
	static const CK_RV refusals[] = {CKR_ACTION_PROHIBITED, CKR_ATTRIBUTE_READ_ONLY,
		CKR_ATTRIBUTE_SENSITIVE, CKR_DEVICE_ERROR, CKR_DATA_INVALID, CKR_ENCRYPTED_DATA_INVALID,
		CKR_FUNCTION_REJECTED, CKR_KEY_FUNCTION_NOT_PERMITTED, CKR_KEY_NOT_WRAPPABLE,
		CKR_KEY_UNEXTRACTABLE, CKR_SESSION_READ_ONLY, CKR_TEMPLATE_INCONSISTENT,
		CKR_TOKEN_WRITE_PROTECTED, CKR_USER_NOT_LOGGED_IN, CKR_WRAPPED_KEY_INVALID,
		CKR_WRAPPED_KEY_LEN_RANGE, CKR_MECHANISM_INVALID, CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT,
		CKR_WRAPPING_KEY_TYPE_INCONSISTENT, CKR_KEY_TYPE_INCONSISTENT};

	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
		if (refusals[i] == rv)
			return true;
	return false;
}
