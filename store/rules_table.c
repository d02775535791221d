/* rules_table.c - the rows of every class and key type, and the walk over them */
#include "rules_table.h"

#define C RULE_HOW(HOW_CREATE)
#define G RULE_HOW(HOW_GENERATE)
#define U RULE_HOW(HOW_UNWRAP)
#define D (RULE_HOW(HOW_DERIVE) | RULE_HOW(HOW_ENCAPSULATE) | RULE_HOW(HOW_DECAPSULATE))
#define ALL (C | G | U | D)
#define ANY CK_UNAVAILABLE_INFORMATION

#define CHANGE RULE_CHANGE
#define COPY RULE_COPY
#define HIDDEN RULE_SENSITIVE
#define USAGE (RULE_USAGE | RULE_CHANGE)
#define TO_TRUE (RULE_CHANGE | RULE_STAYS_TRUE)
#define TO_FALSE (RULE_CHANGE | RULE_STAYS_FALSE)
#define BY_SO (RULE_CHANGE | RULE_SO)

/* clang-format off: columns */

/* ---- all classes: PKCS#11 3.1 4.2, 4.4 ---- */
static const struct rule storage[] = {
	/* type              must   never  flags     default   computed */
	{CKA_CLASS,          C | U, 0,     0,        NO_DEFAULT},
	{CKA_UNIQUE_ID,      0,     ALL,   0,        NO_DEFAULT}, /* by object_new */
	{CKA_TOKEN,          0,     0,     COPY,     IS_FALSE},
	{CKA_PRIVATE,        0,     0,     COPY,     IS_FALSE},
	{CKA_MODIFIABLE,     0,     0,     COPY,     IS_TRUE},
	{CKA_LABEL,          0,     0,     CHANGE,   IS_EMPTY},
	{CKA_COPYABLE,       0,     0,     TO_FALSE, IS_TRUE},
	{CKA_DESTROYABLE,    0,     0,     COPY,     IS_TRUE},
};

/* ---- data: 4.5. The standard gives these no note 8, but a data object is nothing else than them: applications
 * that keep records in one (and editors on the tree) replace the value, and to destroy and create anew instead
 * would not be one step. CKA_MODIFIABLE = false is there for who wants it otherwise. ---- */
static const struct rule data[] = {
	{CKA_APPLICATION,    0,     0,     CHANGE,   IS_EMPTY},
	{CKA_OBJECT_ID,      0,     0,     CHANGE,   IS_EMPTY},
	{CKA_VALUE,          0,     0,     CHANGE,   IS_EMPTY},
};

/* ---- certificates: 4.6 ---- */
static const struct rule certificate[] = {
	{CKA_CERTIFICATE_TYPE, C,   0,     0,        NO_DEFAULT},
	{CKA_TRUSTED,        0,     0,     BY_SO,    IS_FALSE},
	{CKA_CERTIFICATE_CATEGORY, 0, 0,   0,        IS_ZERO},
	{CKA_CHECK_VALUE,    0,     0,     0,        NO_DEFAULT, FIND_CHECK_VALUE},
	{CKA_START_DATE,     0,     0,     0,        IS_EMPTY},
	{CKA_END_DATE,       0,     0,     0,        IS_EMPTY},
	{CKA_PUBLIC_KEY_INFO, 0,    0,     0,        NO_DEFAULT, FIND_PUBLIC_KEY_INFO},
};

/* The standard demands CKA_SUBJECT; here it is read from CKA_VALUE when it is absent. */
static const struct rule x509[] = {
	{CKA_SUBJECT,        0,     0,     0,        NO_DEFAULT, FIND_CERT_SUBJECT},
	{CKA_ID,             0,     0,     CHANGE,   IS_EMPTY},
	{CKA_ISSUER,         0,     0,     CHANGE,   NO_DEFAULT, FIND_CERT_ISSUER},
	{CKA_SERIAL_NUMBER,  0,     0,     CHANGE,   NO_DEFAULT, FIND_CERT_SERIAL},
	{CKA_VALUE,          0,     0,     0,        IS_EMPTY},
	{CKA_URL,            0,     0,     0,        IS_EMPTY},
	{CKA_HASH_OF_SUBJECT_PUBLIC_KEY, 0, 0, 0,    IS_EMPTY},
	{CKA_HASH_OF_ISSUER_PUBLIC_KEY, 0, 0, 0,     IS_EMPTY},
	{CKA_JAVA_MIDP_SECURITY_DOMAIN, 0, 0, 0,     IS_ZERO},
	{CKA_NAME_HASH_ALGORITHM, 0, 0,    0,        IS_SHA_1},
};

static const struct rule attribute_certificate[] = {
	{CKA_OWNER,          C,     0,     0,        NO_DEFAULT},
	{CKA_AC_ISSUER,      0,     0,     CHANGE,   IS_EMPTY},
	{CKA_SERIAL_NUMBER,  0,     0,     CHANGE,   IS_EMPTY},
	{CKA_ATTR_TYPES,     0,     0,     CHANGE,   IS_EMPTY},
	{CKA_VALUE,          C,     0,     0,        NO_DEFAULT},
};

/* ---- what all keys have: 4.7. CKA_ALLOWED_MECHANISMS unset is absent: an empty list would
 * allow nothing. ---- */
static const struct rule key[] = {
	{CKA_KEY_TYPE,       C | U, 0,     0,        NO_DEFAULT},
	{CKA_ID,             0,     0,     CHANGE,   IS_EMPTY},
	{CKA_START_DATE,     0,     0,     CHANGE,   IS_EMPTY},
	{CKA_END_DATE,       0,     0,     CHANGE,   IS_EMPTY},
	{CKA_DERIVE,         0,     0,     USAGE,    IS_FALSE},
	{CKA_LOCAL,          0,     ALL,   0,        NO_DEFAULT, FIND_LOCAL},
	{CKA_KEY_GEN_MECHANISM, 0,  ALL,   0,        NO_DEFAULT, FIND_KEY_GEN_MECHANISM},
	{CKA_ALLOWED_MECHANISMS, 0, 0,     0,        NO_DEFAULT},
};

/* ---- public keys: 4.8 ---- */
static const struct rule public_key[] = {
	{CKA_SUBJECT,        0,     0,     CHANGE,   IS_EMPTY},
	{CKA_ENCRYPT,        0,     0,     USAGE,    IS_FALSE},
	{CKA_VERIFY,         0,     0,     USAGE,    IS_FALSE},
	{CKA_VERIFY_RECOVER, 0,     0,     USAGE,    IS_FALSE},
	{CKA_WRAP,           0,     0,     USAGE,    IS_FALSE},
	{CKA_TRUSTED,        0,     0,     BY_SO,    IS_FALSE},
	{CKA_WRAP_TEMPLATE,  0,     0,     0,        NO_DEFAULT},
	{CKA_ENCAPSULATE,    0,     0,     USAGE,    IS_FALSE},
	{CKA_ENCAPSULATE_TEMPLATE, 0, 0,   0,        NO_DEFAULT},
	{CKA_PUBLIC_KEY_INFO, 0,    G,     0,        NO_DEFAULT, FIND_PUBLIC_KEY_INFO},
};

static const struct rule rsa_public[] = {
	{CKA_MODULUS,        C,     G,     0,        NO_DEFAULT},
	{CKA_MODULUS_BITS,   G,     C,     0,        NO_DEFAULT, FIND_MODULUS_BITS},
	{CKA_PUBLIC_EXPONENT, C,    0,     0,        NO_DEFAULT},
	{CKA_ENCRYPT,        0,     0,     USAGE,    IS_TRUE},
	{CKA_VERIFY,         0,     0,     USAGE,    IS_TRUE},
};

/* EC, Edwards and Montgomery: 6.3.3, 6.3.5, 6.3.7 */
static const struct rule ec_public[] = {
	{CKA_EC_PARAMS,      C | G, 0,     0,        NO_DEFAULT},
	{CKA_EC_POINT,       C,     G,     0,        NO_DEFAULT},
};
/* ML-KEM, ML-DSA, SLH-DSA: PKCS#11 3.2 */
static const struct rule pq_public[] = {
	{CKA_PARAMETER_SET,  C | G, 0,     0,        NO_DEFAULT},
	{CKA_VALUE,          C,     G,     0,        NO_DEFAULT},
};
static const struct rule encapsulates[] = {
	{CKA_ENCAPSULATE,    0,     0,     USAGE,    IS_TRUE},
};
static const struct rule dh_public[] = {
	{CKA_PRIME,          C | G, 0,     0,        NO_DEFAULT},
	{CKA_BASE,           C | G, 0,     0,        NO_DEFAULT},
	{CKA_VALUE,          C,     G,     0,        NO_DEFAULT},
};
static const struct rule dsa_public[] = {
	{CKA_PRIME,          C | G, 0,     0,        NO_DEFAULT},
	{CKA_SUBPRIME,       C | G, 0,     0,        NO_DEFAULT},
	{CKA_BASE,           C | G, 0,     0,        NO_DEFAULT},
	{CKA_VALUE,          C,     G,     0,        NO_DEFAULT},
};
static const struct rule verifies[] = {
	{CKA_VERIFY,         0,     0,     USAGE,    IS_TRUE},
};

/* ---- private keys: 4.9 ---- */
static const struct rule private_key[] = {
	{CKA_PRIVATE,        0,     0,     COPY,     IS_TRUE},
	{CKA_SUBJECT,        0,     0,     CHANGE,   IS_EMPTY},
	{CKA_SENSITIVE,      0,     0,     TO_TRUE,  IS_HIDDEN_UNLESS},
	{CKA_DECRYPT,        0,     0,     USAGE,    IS_FALSE},
	{CKA_SIGN,           0,     0,     USAGE,    IS_FALSE},
	{CKA_SIGN_RECOVER,   0,     0,     USAGE,    IS_FALSE},
	{CKA_UNWRAP,         0,     0,     USAGE,    IS_FALSE},
	{CKA_EXTRACTABLE,    0,     0,     TO_FALSE, IS_FALSE},
	{CKA_ALWAYS_SENSITIVE, 0,   ALL,   0,        NO_DEFAULT, FIND_ALWAYS_SENSITIVE},
	{CKA_NEVER_EXTRACTABLE, 0,  ALL,   0,        NO_DEFAULT, FIND_NEVER_EXTRACTABLE},
	{CKA_WRAP_WITH_TRUSTED, 0,  0,     TO_TRUE,  IS_FALSE},
	{CKA_UNWRAP_TEMPLATE, 0,    0,     0,        NO_DEFAULT},
	{CKA_DERIVE_TEMPLATE, 0,    0,     0,        NO_DEFAULT},
	{CKA_DECAPSULATE,    0,     0,     USAGE,    IS_FALSE},
	{CKA_DECAPSULATE_TEMPLATE, 0, 0,   0,        NO_DEFAULT},
	{CKA_ALWAYS_AUTHENTICATE, 0, 0,    0,        IS_FALSE},
	{CKA_PUBLIC_KEY_INFO, 0,    G,     CHANGE | RULE_FIXED, NO_DEFAULT, FIND_PUBLIC_KEY_INFO},
};

static const struct rule rsa_private[] = {
	{CKA_MODULUS,        C,     G | U, 0,        NO_DEFAULT},
	{CKA_PUBLIC_EXPONENT, 0,    G | U, 0,        NO_DEFAULT},
	{CKA_PRIVATE_EXPONENT, C,   G | U, HIDDEN,   NO_DEFAULT},
	{CKA_PRIME_1,        0,     G | U, HIDDEN,   NO_DEFAULT},
	{CKA_PRIME_2,        0,     G | U, HIDDEN,   NO_DEFAULT},
	{CKA_EXPONENT_1,     0,     G | U, HIDDEN,   NO_DEFAULT},
	{CKA_EXPONENT_2,     0,     G | U, HIDDEN,   NO_DEFAULT},
	{CKA_COEFFICIENT,    0,     G | U, HIDDEN,   NO_DEFAULT},
	{CKA_DECRYPT,        0,     0,     USAGE,    IS_TRUE},
	{CKA_SIGN,           0,     0,     USAGE,    IS_TRUE},
};

static const struct rule ec_private[] = {
	{CKA_EC_PARAMS,      C,     G | U, 0,        NO_DEFAULT},
	{CKA_VALUE,          C,     G | U, HIDDEN,   NO_DEFAULT},
};
/* At least one of value and seed is given on creation: key_pq.c. The standard has the set of a pair in the public
 * template only; pkcs11-tool says it in both, so what agrees is taken: mech_pq_key.c. */
static const struct rule pq_private[] = {
	{CKA_PARAMETER_SET,  C,     U,     0,        NO_DEFAULT},
	{CKA_SEED,           0,     G | U, HIDDEN,   NO_DEFAULT},
	{CKA_VALUE,          0,     G | U, HIDDEN,   NO_DEFAULT},
};
static const struct rule decapsulates[] = {
	{CKA_DECAPSULATE,    0,     0,     USAGE,    IS_TRUE},
};
static const struct rule dh_private[] = {
	{CKA_PRIME,          C,     G | U, 0,        NO_DEFAULT},
	{CKA_BASE,           C,     G | U, 0,        NO_DEFAULT},
	{CKA_VALUE,          C,     G | U, HIDDEN,   NO_DEFAULT},
	{CKA_VALUE_BITS,     0,     C | U, 0,        NO_DEFAULT},
};
static const struct rule dsa_private[] = {
	{CKA_PRIME,          C,     G | U, 0,        NO_DEFAULT},
	{CKA_SUBPRIME,       C,     G | U, 0,        NO_DEFAULT},
	{CKA_BASE,           C,     G | U, 0,        NO_DEFAULT},
	{CKA_VALUE,          C,     G | U, HIDDEN,   NO_DEFAULT},
};
static const struct rule signs_derives[] = {
	{CKA_SIGN,           0,     0,     USAGE,    IS_TRUE},
	{CKA_DERIVE,         0,     0,     USAGE,    IS_TRUE},
};
static const struct rule signs[] = {
	{CKA_SIGN,           0,     0,     USAGE,    IS_TRUE},
};
static const struct rule derives[] = {
	{CKA_DERIVE,         0,     0,     USAGE,    IS_TRUE},
};

/* ---- secret keys: 4.10 ---- */
static const struct rule secret_key[] = {
	{CKA_PRIVATE,        0,     0,     COPY,     IS_TRUE},
	{CKA_SENSITIVE,      0,     0,     TO_TRUE,  IS_HIDDEN_UNLESS},
	{CKA_ENCRYPT,        0,     0,     USAGE,    IS_FALSE},
	{CKA_DECRYPT,        0,     0,     USAGE,    IS_FALSE},
	{CKA_SIGN,           0,     0,     USAGE,    IS_FALSE},
	{CKA_VERIFY,         0,     0,     USAGE,    IS_FALSE},
	{CKA_WRAP,           0,     0,     USAGE,    IS_FALSE},
	{CKA_UNWRAP,         0,     0,     USAGE,    IS_FALSE},
	{CKA_EXTRACTABLE,    0,     0,     TO_FALSE, IS_FALSE},
	{CKA_ALWAYS_SENSITIVE, 0,   ALL,   0,        NO_DEFAULT, FIND_ALWAYS_SENSITIVE},
	{CKA_NEVER_EXTRACTABLE, 0,  ALL,   0,        NO_DEFAULT, FIND_NEVER_EXTRACTABLE},
	{CKA_CHECK_VALUE,    0,     0,     0,        NO_DEFAULT, FIND_CHECK_VALUE},
	{CKA_WRAP_WITH_TRUSTED, 0,  0,     TO_TRUE,  IS_FALSE},
	{CKA_TRUSTED,        0,     0,     BY_SO,    IS_FALSE},
	{CKA_WRAP_TEMPLATE,  0,     0,     0,        NO_DEFAULT},
	{CKA_UNWRAP_TEMPLATE, 0,    0,     0,        NO_DEFAULT},
	{CKA_DERIVE_TEMPLATE, 0,    0,     0,        NO_DEFAULT},
	/* Note 6 forbids the length on unwrapping, but clients (NSS) give it; it must agree. */
	{CKA_VALUE,          C,     G | U | D, HIDDEN, NO_DEFAULT},
	{CKA_VALUE_LEN,      0,     C,     0,        NO_DEFAULT, FIND_VALUE_LEN},
};

/* Wrapping is never a default: a key that encrypts as well may not wrap sensitive keys, so a default
 * would only make a key unfit for both. */
static const struct rule aes[] = {
	{CKA_VALUE_LEN,      G,     C,     0,        NO_DEFAULT, FIND_VALUE_LEN},
	{CKA_ENCRYPT,        0,     0,     USAGE,    IS_TRUE},
	{CKA_DECRYPT,        0,     0,     USAGE,    IS_TRUE},
	{CKA_SIGN,           0,     0,     USAGE,    IS_TRUE},
	{CKA_VERIFY,         0,     0,     USAGE,    IS_TRUE},
};
static const struct rule generic_secret[] = {
	{CKA_VALUE_LEN,      G,     C,     0,        NO_DEFAULT, FIND_VALUE_LEN},
	{CKA_SIGN,           0,     0,     USAGE,    IS_TRUE},
	{CKA_VERIFY,         0,     0,     USAGE,    IS_TRUE},
	{CKA_DERIVE,         0,     0,     USAGE,    IS_TRUE},
};
static const struct rule hkdf[] = {
	{CKA_VALUE_LEN,      G,     C,     0,        NO_DEFAULT, FIND_VALUE_LEN},
	{CKA_DERIVE,         0,     0,     USAGE,    IS_TRUE},
};
/* XTS and ChaCha20 encrypt and nothing else; CKA_VALUE_LEN of ChaCha20 may be left out, there is but one. */
static const struct rule aes_xts[] = {
	{CKA_VALUE_LEN,      G,     C,     0,        NO_DEFAULT, FIND_VALUE_LEN},
	{CKA_ENCRYPT,        0,     0,     USAGE,    IS_TRUE},
	{CKA_DECRYPT,        0,     0,     USAGE,    IS_TRUE},
};
static const struct rule chacha20[] = {
	{CKA_ENCRYPT,        0,     0,     USAGE,    IS_TRUE},
	{CKA_DECRYPT,        0,     0,     USAGE,    IS_TRUE},
};
static const struct rule des[] = {
	{CKA_ENCRYPT,        0,     0,     USAGE,    IS_TRUE},
	{CKA_DECRYPT,        0,     0,     USAGE,    IS_TRUE},
	{CKA_SIGN,           0,     0,     USAGE,    IS_TRUE},
	{CKA_VERIFY,         0,     0,     USAGE,    IS_TRUE},
};
/* HMAC keys, and Poly1305's */
static const struct rule hmac[] = {
	{CKA_SIGN,           0,     0,     USAGE,    IS_TRUE},
	{CKA_VERIFY,         0,     0,     USAGE,    IS_TRUE},
};

/* ---- domain parameters: 4.11 ---- */
static const struct rule domain[] = {
	{CKA_KEY_TYPE,       C,     0,     0,        NO_DEFAULT},
	{CKA_LOCAL,          0,     ALL,   0,        NO_DEFAULT, FIND_LOCAL},
};
static const struct rule dsa_domain[] = {
	{CKA_PRIME,          C,     G,     0,        NO_DEFAULT},
	{CKA_SUBPRIME,       C,     G,     0,        NO_DEFAULT},
	{CKA_BASE,           C,     G,     0,        NO_DEFAULT},
	{CKA_PRIME_BITS,     G,     C,     0,        NO_DEFAULT},
	{CKA_SUBPRIME_BITS,  0,     C,     0,        NO_DEFAULT},
};
static const struct rule dh_domain[] = {
	{CKA_PRIME,          C,     G,     0,        NO_DEFAULT},
	{CKA_BASE,           C,     G,     0,        NO_DEFAULT},
	{CKA_PRIME_BITS,     G,     C,     0,        NO_DEFAULT},
};

/* ---- one-time password keys: 6.53. Secret keys of a class of their own; of their types only HOTP is computed with, the
 * others are kept. ---- */
static const struct rule otp_key[] = {
	{CKA_PRIVATE,        0,     0,     COPY,     IS_TRUE},
	{CKA_SENSITIVE,      0,     0,     TO_TRUE,  IS_HIDDEN_UNLESS},
	{CKA_EXTRACTABLE,    0,     0,     TO_FALSE, IS_FALSE},
	{CKA_ALWAYS_SENSITIVE, 0,   ALL,   0,        NO_DEFAULT, FIND_ALWAYS_SENSITIVE},
	{CKA_NEVER_EXTRACTABLE, 0,  ALL,   0,        NO_DEFAULT, FIND_NEVER_EXTRACTABLE},
	{CKA_SIGN,           0,     0,     USAGE,    IS_TRUE},
	{CKA_VERIFY,         0,     0,     USAGE,    IS_TRUE},
	{CKA_ENCRYPT,        0,     0,     USAGE,    IS_FALSE},
	{CKA_DECRYPT,        0,     0,     USAGE,    IS_FALSE},
	{CKA_WRAP,           0,     0,     USAGE,    IS_FALSE},
	{CKA_UNWRAP,         0,     0,     USAGE,    IS_FALSE},
	{CKA_WRAP_WITH_TRUSTED, 0,  0,     TO_TRUE,  IS_FALSE},
	{CKA_CHECK_VALUE,    0,     0,     0,        NO_DEFAULT, FIND_CHECK_VALUE},
	{CKA_OTP_FORMAT,     0,     0,     0,        IS_ZERO}, /* decimal */
	{CKA_OTP_LENGTH,     0,     0,     0,        IS_SIX},
	{CKA_OTP_USER_FRIENDLY_MODE, 0, 0, 0,        IS_FALSE},
	{CKA_OTP_CHALLENGE_REQUIREMENT, 0, 0, 0,     IS_ZERO}, /* ignored */
	{CKA_OTP_TIME_REQUIREMENT, 0, 0,   0,        IS_ZERO},
	{CKA_OTP_COUNTER_REQUIREMENT, 0, 0, 0,       IS_ZERO},
	{CKA_OTP_PIN_REQUIREMENT, 0, 0,    0,        IS_ZERO},
	{CKA_OTP_COUNTER,    0,     0,     CHANGE,   IS_EMPTY},
	{CKA_OTP_TIME,       0,     0,     CHANGE,   IS_EMPTY},
	{CKA_OTP_USER_IDENTIFIER, 0, 0,    CHANGE,   IS_EMPTY},
	{CKA_OTP_SERVICE_IDENTIFIER, 0, 0, CHANGE,   IS_EMPTY},
	{CKA_OTP_SERVICE_LOGO, 0,   0,     CHANGE,   IS_EMPTY},
	{CKA_OTP_SERVICE_LOGO_TYPE, 0, 0,  CHANGE,   IS_EMPTY},
	{CKA_VALUE,          C,     G | U | D, HIDDEN, NO_DEFAULT},
	{CKA_VALUE_LEN,      0,     C,     0,        NO_DEFAULT, FIND_VALUE_LEN},
};
static const struct rule securid[] = {
	{CKA_OTP_TIME_INTERVAL, 0,  0,     0,        IS_SIXTY},
};
/* HOTP has no attributes but those of all; the sheet says that the type is known. What values they can have: rules.c. */
static const struct rule hotp[] = {
	{CKA_OTP_COUNTER_REQUIREMENT, 0, 0, 0,       IS_ZERO},
};

/* ---- trust: 3.2 4.16. What is not given counts as unknown; check_trust asks for the hash. ---- */
static const struct rule trust[] = {
	{CKA_ISSUER,         C,     0,     0,        NO_DEFAULT},
	{CKA_SERIAL_NUMBER,  C,     0,     0,        NO_DEFAULT},
	{CKA_HASH_OF_CERTIFICATE, 0, 0,    0,        IS_EMPTY},
	{CKA_NAME_HASH_ALGORITHM, 0, 0,    0,        IS_SHA_1},
	{CKA_TRUST_SERVER_AUTH, 0,  0,     CHANGE,   NO_DEFAULT},
	{CKA_TRUST_CLIENT_AUTH, 0,  0,     CHANGE,   NO_DEFAULT},
	{CKA_TRUST_CODE_SIGNING, 0, 0,     CHANGE,   NO_DEFAULT},
	{CKA_TRUST_EMAIL_PROTECTION, 0, 0, CHANGE,   NO_DEFAULT},
	{CKA_TRUST_IPSEC_IKE, 0,    0,     CHANGE,   NO_DEFAULT},
	{CKA_TRUST_TIME_STAMPING, 0, 0,    CHANGE,   NO_DEFAULT},
	{CKA_TRUST_OCSP_SIGNING, 0, 0,     CHANGE,   NO_DEFAULT},
};

/* ---- profiles: 4.13. The token's own (builtin.c): the row forbids what it demands. ---- */
static const struct rule profile[] = {
	{CKA_PROFILE_ID,     ALL,   ALL,   0,        NO_DEFAULT},
};
/* ---- mechanisms: 4.12; likewise ---- */
static const struct rule mechanism[] = {
	{CKA_MECHANISM_TYPE, ALL,   ALL,   0,        NO_DEFAULT},
};

/* clang-format on */

/* ---- the sheets, the more special first ---- */
struct sheet {
	CK_OBJECT_CLASS class;
	CK_ULONG subtype; /* ANY: every one */
	const struct rule *rows;
	size_t n;
};

#define ROWS(rows) (rows), sizeof(rows) / sizeof((rows)[0])

static const struct sheet sheets[] = {
	{CKO_CERTIFICATE, CKC_X_509, ROWS(x509)},
	{CKO_CERTIFICATE, CKC_X_509_ATTR_CERT, ROWS(attribute_certificate)},
	{CKO_PUBLIC_KEY, CKK_RSA, ROWS(rsa_public)},
	{CKO_PUBLIC_KEY, CKK_EC, ROWS(ec_public)},
	{CKO_PUBLIC_KEY, CKK_EC, ROWS(verifies)},
	{CKO_PUBLIC_KEY, CKK_EC_EDWARDS, ROWS(ec_public)},
	{CKO_PUBLIC_KEY, CKK_EC_EDWARDS, ROWS(verifies)},
	{CKO_PUBLIC_KEY, CKK_EC_MONTGOMERY, ROWS(ec_public)},
	{CKO_PUBLIC_KEY, CKK_DH, ROWS(dh_public)},
	{CKO_PUBLIC_KEY, CKK_DSA, ROWS(dsa_public)},
	{CKO_PUBLIC_KEY, CKK_DSA, ROWS(verifies)},
	{CKO_PUBLIC_KEY, CKK_ML_KEM, ROWS(pq_public)},
	{CKO_PUBLIC_KEY, CKK_ML_KEM, ROWS(encapsulates)},
	{CKO_PUBLIC_KEY, CKK_ML_DSA, ROWS(pq_public)},
	{CKO_PUBLIC_KEY, CKK_ML_DSA, ROWS(verifies)},
	{CKO_PUBLIC_KEY, CKK_SLH_DSA, ROWS(pq_public)},
	{CKO_PUBLIC_KEY, CKK_SLH_DSA, ROWS(verifies)},
	{CKO_PRIVATE_KEY, CKK_RSA, ROWS(rsa_private)},
	{CKO_PRIVATE_KEY, CKK_EC, ROWS(ec_private)},
	{CKO_PRIVATE_KEY, CKK_EC, ROWS(signs_derives)},
	{CKO_PRIVATE_KEY, CKK_EC_EDWARDS, ROWS(ec_private)},
	{CKO_PRIVATE_KEY, CKK_EC_EDWARDS, ROWS(signs)},
	{CKO_PRIVATE_KEY, CKK_EC_MONTGOMERY, ROWS(ec_private)},
	{CKO_PRIVATE_KEY, CKK_EC_MONTGOMERY, ROWS(derives)},
	{CKO_PRIVATE_KEY, CKK_DH, ROWS(dh_private)},
	{CKO_PRIVATE_KEY, CKK_DH, ROWS(derives)},
	{CKO_PRIVATE_KEY, CKK_DSA, ROWS(dsa_private)},
	{CKO_PRIVATE_KEY, CKK_DSA, ROWS(signs)},
	{CKO_PRIVATE_KEY, CKK_ML_KEM, ROWS(pq_private)},
	{CKO_PRIVATE_KEY, CKK_ML_KEM, ROWS(decapsulates)},
	{CKO_PRIVATE_KEY, CKK_ML_DSA, ROWS(pq_private)},
	{CKO_PRIVATE_KEY, CKK_ML_DSA, ROWS(signs)},
	{CKO_PRIVATE_KEY, CKK_SLH_DSA, ROWS(pq_private)},
	{CKO_PRIVATE_KEY, CKK_SLH_DSA, ROWS(signs)},
	{CKO_SECRET_KEY, CKK_AES, ROWS(aes)},
	{CKO_SECRET_KEY, CKK_GENERIC_SECRET, ROWS(generic_secret)},
	{CKO_SECRET_KEY, CKK_HKDF, ROWS(hkdf)},
	{CKO_SECRET_KEY, CKK_SHA_1_HMAC, ROWS(hmac)},
	{CKO_SECRET_KEY, CKK_SHA224_HMAC, ROWS(hmac)},
	{CKO_SECRET_KEY, CKK_SHA256_HMAC, ROWS(hmac)},
	{CKO_SECRET_KEY, CKK_SHA384_HMAC, ROWS(hmac)},
	{CKO_SECRET_KEY, CKK_SHA512_HMAC, ROWS(hmac)},
	{CKO_SECRET_KEY, CKK_SHA512_224_HMAC, ROWS(hmac)},
	{CKO_SECRET_KEY, CKK_SHA512_256_HMAC, ROWS(hmac)},
	{CKO_SECRET_KEY, CKK_SHA512_T_HMAC, ROWS(hmac)},
	{CKO_SECRET_KEY, CKK_SHA3_224_HMAC, ROWS(hmac)},
	{CKO_SECRET_KEY, CKK_SHA3_256_HMAC, ROWS(hmac)},
	{CKO_SECRET_KEY, CKK_SHA3_384_HMAC, ROWS(hmac)},
	{CKO_SECRET_KEY, CKK_SHA3_512_HMAC, ROWS(hmac)},
	{CKO_SECRET_KEY, CKK_BLAKE2B_160_HMAC, ROWS(hmac)},
	{CKO_SECRET_KEY, CKK_BLAKE2B_256_HMAC, ROWS(hmac)},
	{CKO_SECRET_KEY, CKK_BLAKE2B_384_HMAC, ROWS(hmac)},
	{CKO_SECRET_KEY, CKK_BLAKE2B_512_HMAC, ROWS(hmac)},
	{CKO_SECRET_KEY, CKK_MD5_HMAC, ROWS(hmac)},
	{CKO_SECRET_KEY, CKK_POLY1305, ROWS(hmac)},
	{CKO_SECRET_KEY, CKK_AES_XTS, ROWS(aes_xts)},
	{CKO_SECRET_KEY, CKK_CHACHA20, ROWS(chacha20)},
	{CKO_SECRET_KEY, CKK_DES, ROWS(des)},
	{CKO_SECRET_KEY, CKK_DES2, ROWS(des)},
	{CKO_SECRET_KEY, CKK_DES3, ROWS(des)},
	{CKO_DOMAIN_PARAMETERS, CKK_DSA, ROWS(dsa_domain)},
	{CKO_DOMAIN_PARAMETERS, CKK_DH, ROWS(dh_domain)},
	{CKO_OTP_KEY, CKK_SECURID, ROWS(securid)},
	{CKO_OTP_KEY, CKK_HOTP, ROWS(hotp)},
	/* per class */
	{CKO_DATA, ANY, ROWS(data)},
	{CKO_CERTIFICATE, ANY, ROWS(certificate)},
	{CKO_PUBLIC_KEY, ANY, ROWS(public_key)},
	{CKO_PUBLIC_KEY, ANY, ROWS(key)},
	{CKO_PRIVATE_KEY, ANY, ROWS(private_key)},
	{CKO_PRIVATE_KEY, ANY, ROWS(key)},
	{CKO_SECRET_KEY, ANY, ROWS(secret_key)},
	{CKO_SECRET_KEY, ANY, ROWS(key)},
	{CKO_DOMAIN_PARAMETERS, ANY, ROWS(domain)},
	{CKO_OTP_KEY, ANY, ROWS(otp_key)},
	{CKO_OTP_KEY, ANY, ROWS(key)},
	{CKO_TRUST, ANY, ROWS(trust)},
	{CKO_PROFILE, ANY, ROWS(profile)},
	{CKO_MECHANISM, ANY, ROWS(mechanism)},
	/* of all */
	{ANY, ANY, ROWS(storage)},
};
#define N_SHEETS (sizeof(sheets) / sizeof(sheets[0]))

/* The classes, and which attribute tells their types apart. */
static const struct {
	CK_OBJECT_CLASS class;
	CK_ATTRIBUTE_TYPE subtype; /* ANY: none */
	bool key;
} classes[] = {
	{CKO_DATA, ANY, false},
	{CKO_CERTIFICATE, CKA_CERTIFICATE_TYPE, false},
	{CKO_PUBLIC_KEY, CKA_KEY_TYPE, true},
	{CKO_PRIVATE_KEY, CKA_KEY_TYPE, true},
	{CKO_SECRET_KEY, CKA_KEY_TYPE, true},
	{CKO_DOMAIN_PARAMETERS, CKA_KEY_TYPE, false},
	{CKO_OTP_KEY, CKA_KEY_TYPE, true},
	{CKO_TRUST, ANY, false},
	{CKO_PROFILE, ANY, false},
	{CKO_MECHANISM, ANY, false},
};
#define N_CLASSES (sizeof(classes) / sizeof(classes[0]))

static const struct {
	CK_ATTRIBUTE_TYPE type;
	CK_FLAGS flag;
} usages[] = {
	{CKA_ENCRYPT, CKF_ENCRYPT},
	{CKA_DECRYPT, CKF_DECRYPT},
	{CKA_SIGN, CKF_SIGN},
	{CKA_SIGN_RECOVER, CKF_SIGN_RECOVER},
	{CKA_VERIFY, CKF_VERIFY},
	{CKA_VERIFY_RECOVER, CKF_VERIFY_RECOVER},
	{CKA_WRAP, CKF_WRAP},
	{CKA_UNWRAP, CKF_UNWRAP},
	{CKA_DERIVE, CKF_DERIVE},
	{CKA_ENCAPSULATE, CKF_ENCAPSULATE},
	{CKA_DECAPSULATE, CKF_DECAPSULATE},
};
#define N_USAGES (sizeof(usages) / sizeof(usages[0]))

static bool
sheet_holds(const struct sheet *s, const struct rule_kind *k)
{
	return (s->class == ANY || s->class == k->class) &&
		(s->subtype == ANY || s->subtype == k->subtype);
}

static bool
subtype_has_sheet(const struct rule_kind *k)
{
	size_t i;

	for (i = 0; i < N_SHEETS; i++)
		if (sheets[i].class == k->class && sheets[i].subtype == k->subtype)
			return true;
	return false;
}

CK_RV
rule_kind(const struct attrs *a, struct rule_kind *k)
{
	const struct attr *class = attrs_get(a, CKA_CLASS);
	const struct attr *subtype;
	size_t i;

	k->class = attrs_ulong(a, CKA_CLASS, ANY);
	k->subtype = ANY;
	if (class == NULL)
		return CKR_TEMPLATE_INCOMPLETE;
	for (i = 0; i < N_CLASSES; i++) {
		if (classes[i].class != k->class)
			continue;
		if (classes[i].subtype == ANY)
			return CKR_OK;
		subtype = attrs_get(a, classes[i].subtype);
		if (subtype == NULL)
			return CKR_TEMPLATE_INCOMPLETE;
		k->subtype = attrs_ulong(a, classes[i].subtype, ANY);
		if (k->subtype == ANY || !subtype_has_sheet(k))
			return CKR_ATTRIBUTE_VALUE_INVALID;
		return CKR_OK;
	}
	return CKR_ATTRIBUTE_VALUE_INVALID;
}

bool
rule_class_is_key(CK_OBJECT_CLASS class)
{
	size_t i;

	for (i = 0; i < N_CLASSES; i++)
		if (classes[i].class == class)
			return classes[i].key;
	return false;
}

const struct rule *
rule_find(const struct rule_kind *k, CK_ATTRIBUTE_TYPE type)
{
	size_t i, j;

	for (i = 0; i < N_SHEETS; i++) {
		if (!sheet_holds(&sheets[i], k))
			continue;
		for (j = 0; j < sheets[i].n; j++)
			if (sheets[i].rows[j].type == type)
				return &sheets[i].rows[j];
	}
	return NULL;
}

const struct rule *
rule_next(const struct rule_kind *k, struct rule_walk *w)
{
	for (; w->sheet < N_SHEETS; w->sheet++, w->row = 0) {
		const struct sheet *s = &sheets[w->sheet];

		if (!sheet_holds(s, k))
			continue;
		while (w->row < s->n) {
			const struct rule *row = &s->rows[w->row++];

			if (rule_find(k, row->type) == row)
				return row;
		}
	}
	return NULL;
}

bool
rules_sensitive(CK_OBJECT_CLASS class, CK_ATTRIBUTE_TYPE type)
{
	size_t i, j;

	for (i = 0; i < N_SHEETS; i++) {
		if (sheets[i].class != class)
			continue;
		for (j = 0; j < sheets[i].n; j++)
			if (sheets[i].rows[j].type == type &&
				(sheets[i].rows[j].flags & RULE_SENSITIVE))
				return true;
	}
	return false;
}

CK_ATTRIBUTE_TYPE
rule_usage(CK_FLAGS flag)
{
	size_t i;

	for (i = 0; i < N_USAGES; i++)
		if (usages[i].flag == flag)
			return usages[i].type;
	return CK_UNAVAILABLE_INFORMATION;
}

CK_FLAGS
rule_roles(const struct attrs *a)
{
	CK_FLAGS roles = 0;
	size_t i;

	for (i = 0; i < N_USAGES; i++)
		if (attrs_bool(a, usages[i].type, false))
			roles |= usages[i].flag;
	return roles;
}
