#include "text.h"

#include <stdlib.h>
#include <string.h>

void
text_pad(unsigned char *to, size_t size, const void *text, size_t len)
{
	if (len > size)
		len = size;
	if (len > 0)
		memcpy(to, text, len);
	memset(to + len, ' ', size - len);
}

CK_VERSION
text_version(void)
{
	char *dot;
	CK_VERSION v;

	v.major = (unsigned char)strtoul(TOKENFS_VERSION, &dot, 10);
	v.minor = *dot == '.' ? (unsigned char)strtoul(dot + 1, NULL, 10) : 0;
	return v;
}
