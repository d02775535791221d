/*
 * why.c - one text per thread, and the way to the log
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "why.h"

#define WHY_TEXT 512

static _Thread_local char text[WHY_TEXT];
static void (*logger)(enum why_level, const char *);

CK_RV
why(CK_RV rv, const char *fmt, ...)
{
	char fresh[WHY_TEXT]; /* the arguments may point into the old text */
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(fresh, sizeof(fresh), fmt, ap);
	va_end(ap);
	memcpy(text, fresh, strlen(fresh) + 1);
	return rv;
}

static CK_RV
rv_of_errno(int e)
{
	switch (e) {
	case ENOSPC:
	case EDQUOT:
		return CKR_DEVICE_MEMORY;
	case ENOMEM:
		return CKR_HOST_MEMORY;
	case EROFS:
		return CKR_TOKEN_WRITE_PROTECTED;
	default:
		return CKR_DEVICE_ERROR;
	}
}

CK_RV
why_errno(const char *fmt, ...)
{
	int e = errno;
	char fresh[WHY_TEXT], reason[128];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(fresh, sizeof(fresh), fmt, ap);
	va_end(ap);
	/* %.360s: a long path must not push the reason out of the text */
	return why(rv_of_errno(e), "%.360s: %s", fresh, strerror_r(e, reason, sizeof(reason)));
}

const char *
why_text(void)
{
	return text;
}

void
why_clear(void)
{
	text[0] = '\0';
}

void
why_logger(void (*log)(enum why_level, const char *text))
{
	logger = log;
}

void
why_log(enum why_level level, const char *fmt, ...)
{
	char line[WHY_TEXT];
	va_list ap;

	if (!logger)
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	logger(level, line);
}
