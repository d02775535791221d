#include "curve.h"

#include <string.h>
#include <strings.h>

#include "der.h"
#include "why.h"

#define OID(...) {DER_OID, sizeof((uint8_t[]){__VA_ARGS__}), __VA_ARGS__}, sizeof((uint8_t[]){__VA_ARGS__}) + 2
#define WEIERSTRASS(bits, bytes) bits, bytes, 1 + 2 * (bytes), 2 * (bytes)

static const struct curve curves[] = {
	{CKK_EC, "prime256v1", {"secp256r1", "prime256v1", "P-256"},
		OID(0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07), WEIERSTRASS(256, 32),
		"P-256", "nistp256"},
	{CKK_EC, "secp384r1", {"secp384r1", "P-384"},
		OID(0x2B, 0x81, 0x04, 0x00, 0x22), WEIERSTRASS(384, 48), "P-384", "nistp384"},
	{CKK_EC, "secp521r1", {"secp521r1", "P-521"},
		OID(0x2B, 0x81, 0x04, 0x00, 0x23), WEIERSTRASS(521, 66), "P-521", "nistp521"},
	{CKK_EC, "secp224r1", {"secp224r1", "P-224"},
		OID(0x2B, 0x81, 0x04, 0x00, 0x21), WEIERSTRASS(224, 28), NULL, NULL},
	{CKK_EC, "secp256k1", {"secp256k1"},
		OID(0x2B, 0x81, 0x04, 0x00, 0x0A), WEIERSTRASS(256, 32), "secp256k1", NULL},
	{CKK_EC, "brainpoolP256r1", {"brainpoolP256r1"},
		OID(0x2B, 0x24, 0x03, 0x03, 0x02, 0x08, 0x01, 0x01, 0x07), WEIERSTRASS(256, 32), NULL, NULL},
	{CKK_EC, "brainpoolP384r1", {"brainpoolP384r1"},
		OID(0x2B, 0x24, 0x03, 0x03, 0x02, 0x08, 0x01, 0x01, 0x0B), WEIERSTRASS(384, 48), NULL, NULL},
	{CKK_EC, "brainpoolP512r1", {"brainpoolP512r1"},
		OID(0x2B, 0x24, 0x03, 0x03, 0x02, 0x08, 0x01, 0x01, 0x0D), WEIERSTRASS(512, 64), NULL, NULL},
	{CKK_EC_EDWARDS, "ED25519", {"edwards25519", "Ed25519"},
		OID(0x2B, 0x65, 0x70), 255, 32, 32, 64, "Ed25519", "ssh-ed25519"},
	{CKK_EC_EDWARDS, "ED448", {"edwards448", "Ed448"},
		OID(0x2B, 0x65, 0x71), 448, 57, 57, 114, "Ed448", NULL},
	{CKK_EC_MONTGOMERY, "X25519", {"curve25519", "X25519"},
		OID(0x2B, 0x65, 0x6E), 255, 32, 32, 0, "X25519", NULL},
	{CKK_EC_MONTGOMERY, "X448", {"curve448", "X448"},
		OID(0x2B, 0x65, 0x6F), 448, 56, 56, 0, "X448", NULL},
};

const struct curve *
curve_at(size_t i)
{
	return i < sizeof(curves) / sizeof(curves[0]) ? &curves[i] : NULL;
}

static bool
is_named(const struct curve *c, const uint8_t *text, size_t len)
{
	for (size_t i = 0; i < 3 && c->name[i] != NULL; i++)
		if (strlen(c->name[i]) == len && memcmp(c->name[i], text, len) == 0)
			return true;
	return false;
}

CK_RV
curve_find(const uint8_t *params, size_t len, const struct curve **c)
{
	const uint8_t *v;
	size_t n;

	if (der_only(params, len, DER_OID, &v, &n)) {
		for (size_t i = 0; (*c = curve_at(i)) != NULL; i++)
			if (len == (*c)->oid_len && memcmp(params, (*c)->oid, len) == 0)
				return CKR_OK;
	} else if (der_only(params, len, DER_PRINTABLE_STRING, &v, &n)) {
		for (size_t i = 0; (*c = curve_at(i)) != NULL; i++)
			if (is_named(*c, v, n))
				return CKR_OK;
	} else { /* PKCS#11 3.1 6.3: representations that are not supported (ecParameters) or not allowed (NULL), too */
		*c = NULL;
		return why(CKR_DOMAIN_PARAMS_INVALID,
			"CKA_EC_PARAMS is neither an object identifier nor a PrintableString");
	}
	*c = NULL;
	return why(CKR_CURVE_NOT_SUPPORTED, "CKA_EC_PARAMS names a curve that is not supported");
}

const struct curve *
curve_of_group(const char *group)
{
	const struct curve *c;

	for (size_t i = 0; (c = curve_at(i)) != NULL; i++)
		if (strcasecmp(c->group, group) == 0)
			return c;
	return NULL;
}
