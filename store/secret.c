/* secret.c - short secrets, and the arena handed to OpenSSL and to attribute values */
#include <openssl/crypto.h>
#include <string.h>

#include "../pkcs11/attr.h"
#include "secret.h"
#include "why.h"

/* ---- short secrets ---- */

CK_RV
secret_new(struct secret *s, size_t len)
{
	s->data = secret_alloc(len);
	s->len = s->data ? len : 0;
	return s->data ? CKR_OK : CKR_HOST_MEMORY;
}

CK_RV
secret_copy(struct secret *s, const void *data, size_t len)
{
	CK_RV rv = secret_new(s, len);

	if (rv == CKR_OK && len)
		memcpy(s->data, data, len);
	return rv;
}

void
secret_clear(struct secret *s)
{
	secret_free(s->data);
	s->data = NULL;
	s->len = 0;
}

/* ---- OpenSSL and attribute values ---- */

static void *
openssl_malloc(size_t len, const char *file, int line)
{
	(void)file;
	(void)line;
	return len ? secret_alloc(len) : NULL; /* as CRYPTO_malloc does */
}

static void *
openssl_realloc(void *p, size_t len, const char *file, int line)
{
	(void)file;
	(void)line;
	return secret_realloc(p, len);
}

static void
openssl_free(void *p, const char *file, int line)
{
	(void)file;
	(void)line;
	secret_free(p);
}

static void
attr_release(void *p, size_t len)
{
	(void)len;
	secret_free(p);
}

CK_RV
secret_start(void)
{
	static bool started;

	if (started)
		return CKR_OK;
	if (!CRYPTO_set_mem_functions(openssl_malloc, openssl_realloc, openssl_free))
		return why(CKR_GENERAL_ERROR, "OpenSSL was in use before its memory was set up");
	attrs_allocator(secret_alloc, attr_release);
	/* No configuration: it could load a provider that calls us. No atexit: other threads may
	 * still compute then, and the arena goes with the process. */
	if (!OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT, NULL))
		return why(CKR_GENERAL_ERROR, "OpenSSL does not start");
	started = true;
	return CKR_OK;
}
