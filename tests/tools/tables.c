/*
 * tables - the code's own tables as Markdown, for docs/PKCS11.md
 *
 * tables calls        name and number of every call of the wire, for scripts/pkcs11-tables to join
 * tables mechanisms   one row per mechanism, whatever this OpenSSL lacks and legacy or not
 * tables missing      the names of the mechanisms that nothing here does
 * tables attributes   a table per object class
 *
 * Exit code 1, with a word on stderr, if what OpenSSL has is not what the table below says.
 */
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../pkcs11/names.h"
#include "../../pkcs11/wire.h"
#include "../../store/mech.h"
#include "../../store/mech_family.h"
#include "../../store/rules_table.h"

static int failed;

/* Words with commas between them. */
static void
word(const char *text, bool *first)
{
	printf("%s%s", *first ? "" : ", ", text);
	*first = false;
}

/* ---- mechanisms ---- */

/* What OpenSSL got later than the oldest version we build with: a key type, or a digest. */
static const struct {
	CK_KEY_TYPE key;
	const char *digest;
	const char *version;
	unsigned long number;
} since[] = {
	{CKK_ML_KEM, NULL, "3.5", 0x30500000},
	{CKK_ML_DSA, NULL, "3.5", 0x30500000},
	{CKK_SLH_DSA, NULL, "3.5", 0x30500000},
	{NO_KEY, "BLAKE2B-160", "3.2", 0x30200000},
	{NO_KEY, "BLAKE2B-256", "3.2", 0x30200000},
	{NO_KEY, "BLAKE2B-384", "3.2", 0x30200000},
};

static const char *
needs(const struct mech *row)
{
	bool there = row->family->there == NULL || row->family->there(row), expected = true;
	const char *version = "";

	for (size_t i = 0; i < sizeof(since) / sizeof(since[0]); i++) {
		if (since[i].digest != NULL ? row->digest == NULL || strcmp(row->digest, since[i].digest) != 0 :
			row->keys[0] != since[i].key)
			continue;
		version = since[i].version;
		expected = OpenSSL_version_num() >= since[i].number;
	}
	if (there != expected) {
		fprintf(stderr, "tables: %s is %sthere, against the table of versions\n",
			ck_name(NAMES_MECH, row->type), there ? "" : "not ");
		failed = 1;
	}
	return version;
}

static const struct {
	CK_FLAGS both, one;
	const char *of_both, *of_one, *of_other;
} uses[] = {
	{CKF_ENCRYPT | CKF_DECRYPT, CKF_ENCRYPT, "encrypt", "encrypt only", "decrypt only"},
	{CKF_DIGEST, CKF_DIGEST, "digest", "", ""},
	{CKF_SIGN | CKF_VERIFY, CKF_SIGN, "sign", "sign only", "verify only"},
	{CKF_SIGN_RECOVER | CKF_VERIFY_RECOVER, CKF_SIGN_RECOVER, "recover", "sign-recover only", "verify-recover only"},
	{CKF_MESSAGE_ENCRYPT | CKF_MESSAGE_DECRYPT, CKF_MESSAGE_ENCRYPT, "messages", "messages, encrypt only",
		"messages, decrypt only"},
	{CKF_MESSAGE_SIGN | CKF_MESSAGE_VERIFY, CKF_MESSAGE_SIGN, "messages", "messages, sign only",
		"messages, verify only"},
	{CKF_GENERATE, CKF_GENERATE, "generate", "", ""},
	{CKF_GENERATE_KEY_PAIR, CKF_GENERATE_KEY_PAIR, "generate pair", "", ""},
	{CKF_WRAP | CKF_UNWRAP, CKF_WRAP, "wrap", "wrap only", "unwrap only"},
	{CKF_DERIVE, CKF_DERIVE, "derive", "", ""},
	{CKF_ENCAPSULATE | CKF_DECAPSULATE, CKF_ENCAPSULATE, "encapsulate", "encapsulate only", "decapsulate only"},
};

static void
print_uses(CK_FLAGS flags)
{
	bool first = true;

	for (size_t i = 0; i < sizeof(uses) / sizeof(uses[0]); i++) {
		CK_FLAGS has = flags & uses[i].both;

		if (has == uses[i].both)
			word(uses[i].of_both, &first);
		else if (has != 0)
			word(has == uses[i].one ? uses[i].of_one : uses[i].of_other, &first);
	}
}

static const char *const kinds[PARAM_KINDS] = {
	[PARAM_NONE] = "", [PARAM_RAW] = "bytes", [PARAM_ULONG] = "`CK_ULONG`", [PARAM_RSA_OAEP] = "`CK_RSA_PKCS_OAEP_PARAMS`",
	[PARAM_RSA_PSS] = "`CK_RSA_PKCS_PSS_PARAMS`", [PARAM_AES_CTR] = "`CK_AES_CTR_PARAMS`", [PARAM_GCM] = "`CK_GCM_PARAMS`",
	[PARAM_ECDH1] = "`CK_ECDH1_DERIVE_PARAMS`", [PARAM_EDDSA] = "`CK_EDDSA_PARAMS` or none",
	[PARAM_STRING] = "`CK_KEY_DERIVATION_STRING_DATA`", [PARAM_CBC_DATA] = "`CK_AES_CBC_ENCRYPT_DATA_PARAMS`",
	[PARAM_DES_CBC_DATA] = "`CK_DES_CBC_ENCRYPT_DATA_PARAMS`", [PARAM_HANDLE] = "`CK_OBJECT_HANDLE`",
	[PARAM_CCM] = "`CK_CCM_PARAMS`", [PARAM_CHACHA20] = "`CK_CHACHA20_PARAMS`",
	[PARAM_CHACHA20_POLY1305] = "`CK_SALSA20_CHACHA20_POLY1305_PARAMS`", [PARAM_HKDF] = "`CK_HKDF_PARAMS`",
	[PARAM_PBKD2] = "`CK_PKCS5_PBKD2_PARAMS2`", [PARAM_SP800_108] = "`CK_SP800_108_KDF_PARAMS`",
	[PARAM_SP800_108_FEEDBACK] = "`CK_SP800_108_FEEDBACK_KDF_PARAMS`",
	[PARAM_TLS12_MASTER] = "`CK_TLS12_MASTER_KEY_DERIVE_PARAMS`",
	[PARAM_TLS12_EXTENDED_MASTER] = "`CK_TLS12_EXTENDED_MASTER_KEY_DERIVE_PARAMS`",
	[PARAM_TLS12_KEY_MAT] = "`CK_TLS12_KEY_MAT_PARAMS`", [PARAM_TLS_KDF] = "`CK_TLS_KDF_PARAMS`",
	[PARAM_TLS_MAC] = "`CK_TLS_MAC_PARAMS`", [PARAM_RSA_AES_WRAP] = "`CK_RSA_AES_KEY_WRAP_PARAMS`",
	[PARAM_ECDH_AES_WRAP] = "`CK_ECDH_AES_KEY_WRAP_PARAMS`", [PARAM_SIGN_CONTEXT] = "`CK_SIGN_ADDITIONAL_CONTEXT` or none",
	[PARAM_HASH_SIGN_CONTEXT] = "`CK_HASH_SIGN_ADDITIONAL_CONTEXT`", [PARAM_OTP] = "`CK_OTP_PARAMS` or none",
};

static void
print_mechanism(const struct mech *row)
{
	static const char *const when[] = {[MECH_ALWAYS] = "", [MECH_COMPAT] = "compat", [MECH_LEGACY] = "legacy",
		[MECH_SHORT] = "compat or legacy"};
	const struct ck_name *name = ck_name_row(NAMES_MECH, row->type);
	bool first = true;

	if (name == NULL || kinds[name->param] == NULL) {
		fprintf(stderr, "tables: mechanism 0x%lx lacks a name or a word for its parameter\n", row->type);
		failed = 1;
		return;
	}
	printf("| 0x%lX | %s | ", row->type, name->name + 4);
	for (size_t i = 0; i < sizeof(row->keys) / sizeof(row->keys[0]) && row->keys[i] != NO_KEY; i++)
		word(ck_name(NAMES_KEY_TYPE, row->keys[i]) + 4, &first);
	printf(" | ");
	if (row->max > 0)
		printf(row->min == row->max ? "%lu" : "%lu-%lu", row->min, row->max);
	if (row->max > 0)
		printf(row->family->bits || row->type == CKM_GENERIC_SECRET_KEY_GEN ? " bits" : " bytes");
	printf(" | ");
	print_uses(row->flags);
	printf(" | %s | %s | %s |\n", kinds[name->param], when[row->when], needs(row));
}

static int
by_number(const void *a, const void *b)
{
	const struct mech *x = *(const struct mech *const *)a, *y = *(const struct mech *const *)b;

	return x->type != y->type ? (x->type > y->type) - (x->type < y->type) : (int)x->when - (int)y->when;
}

static void
mechanisms(void)
{
	const struct mech *rows[1024];
	size_t n = 0;

	while (n < sizeof(rows) / sizeof(rows[0]) && (rows[n] = mech_row(n)) != NULL)
		n++;
	qsort(rows, n, sizeof(rows[0]), by_number);
	puts("| number | CKM_ | keys CKK_ | sizes | does | parameter | when | OpenSSL |\n|---|---|---|---|---|---|---|---|");
	for (size_t i = 0; i < n; i++)
		print_mechanism(rows[i]);
}

/* Names of the standard that no family has a row for. */
static void
missing(void)
{
	const struct mech *row;
	bool first = true;

	for (CK_MECHANISM_TYPE type = 0; type < 0x10000; type++) {
		const char *name = ck_name(NAMES_MECH, type);
		bool here = name == NULL;

		for (size_t i = 0; !here && (row = mech_row(i)) != NULL; i++)
			here = row->type == type;
		if (!here)
			word(name + 4, &first);
	}
	puts(".");
}

/* ---- attributes ---- */

static const char *const defaults[] = {
	[NO_DEFAULT] = "", [IS_FALSE] = "false", [IS_TRUE] = "true", [IS_EMPTY] = "empty", [IS_ZERO] = "0", [IS_SIX] = "6",
	[IS_SIXTY] = "60", [IS_SHA_1] = "CKM_SHA_1", [IS_HIDDEN_UNLESS] = "true, unless CKA_EXTRACTABLE is given as true",
};

static void
print_how(unsigned how)
{
	static const struct {
		unsigned how;
		const char *name;
	} names[] = {
		{RULE_HOW(HOW_CREATE), "create"}, {RULE_HOW(HOW_GENERATE), "generate"}, {RULE_HOW(HOW_UNWRAP), "unwrap"},
		{RULE_HOW(HOW_DERIVE), "derive"},
	};
	const unsigned all = RULE_HOW(HOW_CREATE) | RULE_HOW(HOW_GENERATE) | RULE_HOW(HOW_UNWRAP) | RULE_HOW(HOW_DERIVE);
	bool first = true;

	if ((how & all) == all) {
		printf("always");
		return;
	}
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (how & names[i].how)
			word(names[i].name, &first);
}

static void
print_later(const struct rule *r)
{
	bool first = true;

	if (r->flags & RULE_USAGE)
		word("strict: to false only", &first);
	else if (r->flags & RULE_STAYS_TRUE)
		word("to true only", &first);
	else if (r->flags & RULE_STAYS_FALSE)
		word("to false only", &first);
	else if (r->flags & RULE_FIXED)
		word("repeated only", &first);
	else if (r->flags & RULE_CHANGE)
		word("yes", &first);
	else if (r->flags & RULE_COPY)
		word("by C_CopyObject", &first);
	if (r->flags & RULE_SO)
		word("true by the SO only", &first);
}

/* The types of a class: key types, certificate types, or the class alone. */
static bool
type_of_class(CK_OBJECT_CLASS class, CK_ULONG type, struct rule_kind *k)
{
	struct attrs a = {0};
	bool ok;

	attrs_set_ulong(&a, CKA_CLASS, class);
	attrs_set_ulong(&a, class == CKO_CERTIFICATE ? CKA_CERTIFICATE_TYPE : CKA_KEY_TYPE, type);
	ok = rule_kind(&a, k) == CKR_OK;
	attrs_free(&a);
	return ok;
}

#define TYPES_MAX 128

struct types {
	struct rule_kind kind[TYPES_MAX];
	size_t n;
};

static void
find_types(CK_OBJECT_CLASS class, struct types *t)
{
	enum name_table table = class == CKO_CERTIFICATE ? NAMES_CERT_TYPE : NAMES_KEY_TYPE;

	t->n = 0;
	for (CK_ULONG type = 0; type < 0x100 && t->n < TYPES_MAX; type++) {
		if (ck_name(table, type) == NULL || !type_of_class(class, type, &t->kind[t->n]))
			continue;
		t->n++;
		if (t->kind[0].subtype == CK_UNAVAILABLE_INFORMATION)
			return; /* a class without types */
	}
}

static bool
same_rule(const struct rule *a, const struct rule *b)
{
	return a != NULL && b != NULL && a->must == b->must && a->never == b->never && a->flags == b->flags &&
		a->otherwise == b->otherwise && (a->compute != NOT_COMPUTED) == (b->compute != NOT_COMPUTED);
}

static void
print_rule(const struct types *t, size_t from, const struct rule *r)
{
	bool first = true, all = true;

	for (size_t i = 0; i < t->n; i++)
		all = all && same_rule(rule_find(&t->kind[i], r->type), r);
	printf("| %s | ", attr_name_find(r->type)->name + 4);
	for (size_t i = from; !all && i < t->n; i++)
		if (same_rule(rule_find(&t->kind[i], r->type), r))
			word(ck_name(t->kind[i].class == CKO_CERTIFICATE ? NAMES_CERT_TYPE : NAMES_KEY_TYPE,
				t->kind[i].subtype) + 4, &first);
	printf(" | ");
	print_how(r->must);
	printf(" | ");
	print_how(r->never);
	printf(" | %s | ", defaults[r->otherwise]);
	print_later(r);
	printf(" | %s | %s |\n", r->compute != NOT_COMPUTED ? "yes" : "", r->flags & RULE_SENSITIVE ? "yes" : "");
}

/* Each attribute in the order of its number; a line for each rule that types of the class have for it. */
static void
print_attribute(const struct types *t, CK_ATTRIBUTE_TYPE type)
{
	for (size_t i = 0; i < t->n; i++) {
		const struct rule *r = rule_find(&t->kind[i], type);
		bool before = false;

		for (size_t j = 0; r != NULL && j < i; j++)
			before = before || same_rule(rule_find(&t->kind[j], type), r);
		if (r != NULL && !before)
			print_rule(t, i, r);
	}
}

static void
attributes(void)
{
	struct types t;

	for (CK_OBJECT_CLASS class = 0; class < 0x20; class++) {
		if (ck_name(NAMES_CLASS, class) == NULL)
			continue;
		find_types(class, &t);
		if (t.n == 0)
			continue;
		printf("### %s\n\n", ck_name(NAMES_CLASS, class));
		puts("| CKA_ | of the types | required | not taken | default | changed later | computed | sensitive |");
		puts("|---|---|---|---|---|---|---|---|");
		for (size_t i = 0; i < attr_name_count(); i++)
			if (!attr_internal(attr_name_at(i)->type))
				print_attribute(&t, attr_name_at(i)->type);
		puts("");
	}
}

static void
calls(void)
{
	for (uint32_t i = 0; i < 200; i++)
		if (wire_call(i) != NULL)
			printf("%s %u\n", wire_call(i)->name, i);
}

int
main(int argc, char **argv)
{
	const char *what = argc == 2 ? argv[1] : "";

	if (strcmp(what, "calls") == 0)
		calls();
	else if (strcmp(what, "mechanisms") == 0)
		mechanisms();
	else if (strcmp(what, "missing") == 0)
		missing();
	else if (strcmp(what, "attributes") == 0)
		attributes();
	else
		return fprintf(stderr, "usage: tables calls|mechanisms|missing|attributes\n"), 2;
	return failed;
}
