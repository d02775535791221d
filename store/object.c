/* object.c - reference counting, and what of an object may be told */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include "key.h"
#include "object.h"
#include "rules_table.h"
#include "why.h"

#define UUID_TEXT 36 /* 8-4-4-4-12 hexadecimal digits */

/* Version 4, variant 1 (RFC 9562 5.4). */
static CK_RV
uuid_random(uint8_t uuid[UUID_LEN])
{
	if (RAND_bytes(uuid, UUID_LEN) != 1)
		return why(CKR_FUNCTION_FAILED, "no random bytes for an object's id");
	uuid[6] = (uint8_t)((uuid[6] & 0x0f) | 0x40);
	uuid[8] = (uint8_t)((uuid[8] & 0x3f) | 0x80);
	return CKR_OK;
}

static void
uuid_format(const uint8_t uuid[UUID_LEN], char text[UUID_TEXT + 1])
{
	char *p = text;
	size_t i;

	for (i = 0; i < UUID_LEN; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*p++ = '-';
		p += snprintf(p, 3, "%02x", uuid[i]);
	}
}

static int
hex_digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool
uuid_parse(uint8_t uuid[UUID_LEN], const uint8_t *text, size_t len)
{
	size_t i, at = 0;

	if (len != UUID_TEXT)
		return false;
	for (i = 0; i < UUID_LEN; i++) {
		int high, low;

		if ((i == 4 || i == 6 || i == 8 || i == 10) && text[at++] != '-')
			return false;
		high = hex_digit(text[at++]);
		low = hex_digit(text[at++]);
		if (high < 0 || low < 0)
			return false;
		uuid[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

static CK_RV
set_uuid(uint8_t uuid[UUID_LEN], struct attrs *attrs)
{
	const struct attr *id = attrs_get(attrs, CKA_UNIQUE_ID);
	char text[UUID_TEXT + 1];
	CK_RV rv;

	if (id != NULL) {
		if (!uuid_parse(uuid, id->value, id->len))
			return why(CKR_ATTRIBUTE_VALUE_INVALID, "CKA_UNIQUE_ID is not a uuid");
		return CKR_OK;
	}
	rv = uuid_random(uuid);
	if (rv != CKR_OK)
		return rv;
	uuid_format(uuid, text);
	return attrs_set(attrs, CKA_UNIQUE_ID, text, UUID_TEXT);
}

CK_RV
object_new(struct object **o, struct attrs *attrs)
{
	struct object *new;
	CK_RV rv;

	*o = NULL;
	new = calloc(1, sizeof(*new));
	if (new == NULL)
		return CKR_HOST_MEMORY;
	rv = set_uuid(new->uuid, attrs);
	if (rv != CKR_OK) {
		free(new);
		return rv;
	}
	atomic_init(&new->refs, 1);
	pthread_mutex_init(&new->key_lock, NULL);
	new->version = 1;
	new->token = attrs_bool(attrs, CKA_TOKEN, false);
	new->private = attrs_bool(attrs, CKA_PRIVATE, false);
	new->attrs = *attrs;
	*attrs = (struct attrs){0}; /* transferred */
	*o = new;
	return CKR_OK;
}

struct object *
object_ref(struct object *o)
{
	atomic_fetch_add(&o->refs, 1);
	return o;
}

void
object_put(struct object *o)
{
	if (o == NULL || atomic_fetch_sub(&o->refs, 1) != 1)
		return;
	key_free(o->key); /* points into attrs: goes first */
	attrs_free(&o->attrs);
	pthread_mutex_destroy(&o->key_lock);
	free(o);
}

CK_OBJECT_CLASS
object_class(const struct object *o)
{
	return attrs_ulong(&o->attrs, CKA_CLASS, CK_UNAVAILABLE_INFORMATION);
}

CK_KEY_TYPE
object_key_type(const struct object *o)
{
	if (!object_is_key(o))
		return CK_UNAVAILABLE_INFORMATION;
	return attrs_ulong(&o->attrs, CKA_KEY_TYPE, CK_UNAVAILABLE_INFORMATION);
}

bool
object_is_key(const struct object *o)
{
	return rule_class_is_key(object_class(o));
}

bool
object_hides(const struct object *o, CK_ATTRIBUTE_TYPE type)
{
	if (!rules_sensitive(object_class(o), type))
		return false;
	return attrs_bool(&o->attrs, CKA_SENSITIVE, true) ||
		!attrs_bool(&o->attrs, CKA_EXTRACTABLE, false);
}

/* What is secret of a key, *len bytes of it. A private key is known by its public half: its own numbers can be written
 * in several ways. Zeros at a secret key's end do not count: HMAC takes a key with and without them for the same. */
static const uint8_t *
secret_part(const struct attrs *a, size_t *len)
{
	CK_OBJECT_CLASS class = attrs_ulong(a, CKA_CLASS, CK_UNAVAILABLE_INFORMATION);
	const struct attr *v = NULL;

	if (class == CKO_SECRET_KEY)
		v = attrs_get(a, CKA_VALUE);
	else if (class == CKO_PRIVATE_KEY)
		v = attrs_get(a, CKA_PUBLIC_KEY_INFO);
	if (v == NULL || v->len == 0)
		return NULL;
	*len = v->len;
	while (class == CKO_SECRET_KEY && *len > 0 && v->value[*len - 1] == 0)
		--*len;
	return v->value;
}

CK_RV
object_value_id(const struct attrs *a, uint8_t id[VALUE_ID_LEN])
{
	size_t len = 0;
	const uint8_t *v = secret_part(a, &len);

	if (v == NULL)
		return CKR_ATTRIBUTE_TYPE_INVALID;
	if (EVP_Digest(v, len, id, NULL, EVP_sha256(), NULL) != 1)
		return why(CKR_FUNCTION_FAILED, "no digest of a key's value");
	return CKR_OK;
}

bool
object_same_value(const struct object *o, const struct attrs *a)
{
	size_t n = 0, m = 0;
	const uint8_t *one = secret_part(&o->attrs, &n), *other = secret_part(a, &m);

	return one != NULL && other != NULL && object_class(o) == attrs_ulong(a, CKA_CLASS, ~0UL) && n == m &&
		CRYPTO_memcmp(one, other, n) == 0;
}

/* The attributes of our own lie in one block of the vendor's space. */
static bool
is_internal(CK_ATTRIBUTE_TYPE type)
{
	return (type & ~0xFFFFUL) == TKA_BASE;
}

CK_RV
object_read(const struct object *o, CK_ATTRIBUTE_TYPE type, const struct attr **a)
{
	struct rule_kind k;

	*a = NULL;
	/* What has no row (of our own, of another type of key) is not there. */
	if (is_internal(type) || rule_kind(&o->attrs, &k) != CKR_OK || rule_find(&k, type) == NULL)
		return CKR_ATTRIBUTE_TYPE_INVALID;
	/* PKCS#11 3.1 5.7.5. Sensitive comes before absent, so that what a hidden key is made of
	 * (with its primes or not) is hidden too. */
	if (object_hides(o, type))
		return CKR_ATTRIBUTE_SENSITIVE;
	*a = attrs_get(&o->attrs, type);
	return *a != NULL ? CKR_OK : CKR_ATTRIBUTE_TYPE_INVALID;
}

bool
object_matches(const struct object *o, const struct attrs *templ)
{
	const struct attr *have;
	size_t i;

	for (i = 0; i < templ->n; i++) {
		if (object_read(o, templ->v[i].type, &have) != CKR_OK)
			return false;
		if (!attr_equal(have, &templ->v[i]))
			return false;
	}
	return true;
}

static CK_ULONG
attrs_size(const struct attrs *s)
{
	CK_ULONG size = s->n * sizeof(s->v[0]);
	size_t i;

	for (i = 0; i < s->n; i++) {
		size += s->v[i].len;
		if (s->v[i].sub != NULL)
			size += sizeof(*s->v[i].sub) + attrs_size(s->v[i].sub);
	}
	return size;
}

CK_ULONG
object_size(const struct object *o)
{
	return sizeof(*o) + attrs_size(&o->attrs);
}
