#include "pkcs11/names_table.h"

#include <string.h>

#include "unit.h"

static void
tables_ascend(void)
{
	for (size_t i = 1; i < names_attr_count; i++)
		CHECK(names_attr[i - 1].type < names_attr[i].type);
	for (int t = 0; t <= NAMES_USER; t++) {
		CHECK(names_tables[t].n > 0);
		for (size_t i = 1; i < names_tables[t].n; i++)
			CHECK(names_tables[t].rows[i - 1].value < names_tables[t].rows[i].value);
	}
}

static void
every_row_is_found(void)
{
	for (size_t i = 0; i < attr_name_count(); i++) {
		const struct attr_name *row = attr_name_at(i);

		CHECK(attr_name_find(row->type) == row && attr_name_find_text(row->name) == row);
		CHECK(attr_name_index(row) == i);
	}
	CHECK(attr_name_at(attr_name_count()) == NULL);
	/* an inode has 8 bits for an attribute's index, 0 for none */
	CHECK(attr_name_count() < 255);
	for (int t = 0; t <= NAMES_USER; t++) {
		for (size_t i = 0; i < names_tables[t].n; i++) {
			const struct ck_name *row = &names_tables[t].rows[i];
			CK_ULONG v = 0;

			CHECK(ck_name(t, row->value) == row->name);
			CHECK(ck_value(t, row->name, &v) && v == row->value);
		}
	}
}

/* Numbers against the system's header, and some that it may lack against the standard. */
static void
numbers_are_right(void)
{
	static const struct {
		enum name_table t;
		CK_ULONG v;
		const char *name;
	} some[] = {
		{NAMES_CLASS, CKO_PRIVATE_KEY, "CKO_PRIVATE_KEY"},
		{NAMES_CLASS, 0x0b, "CKO_TRUST"},
		{NAMES_KEY_TYPE, CKK_EC, "CKK_EC"},
		{NAMES_KEY_TYPE, CKK_EC_EDWARDS, "CKK_EC_EDWARDS"},
		{NAMES_KEY_TYPE, 0x4b, "CKK_SLH_DSA"},
		{NAMES_CERT_TYPE, CKC_X_509, "CKC_X_509"},
		{NAMES_MECH, CKM_ECDSA, "CKM_ECDSA"},
		{NAMES_MECH, 0x1057, "CKM_EDDSA"},
		{NAMES_MECH, 0x210B, "CKM_AES_KEY_WRAP_KWP"},
		{NAMES_MECH, 0x1040, "CKM_EC_KEY_PAIR_GEN"},
		{NAMES_MECH, 0x402a, "CKM_HKDF_DERIVE"},
		{NAMES_MECH, 0x17, "CKM_ML_KEM"},
		{NAMES_RV, CKR_PIN_LOCKED, "CKR_PIN_LOCKED"},
		{NAMES_RV, 0x1b8, "CKR_PIN_TOO_WEAK"},
		{NAMES_RV, CKR_PIN_TOO_WEAK, "CKR_PIN_TOO_WEAK"},
		{NAMES_RV, 0x203, "CKR_KEY_EXHAUSTED"},
		{NAMES_USER, CKU_CONTEXT_SPECIFIC, "CKU_CONTEXT_SPECIFIC"},
	};
	CK_ULONG v = 42;

	for (size_t i = 0; i < sizeof(some) / sizeof(some[0]); i++) {
		const char *name = ck_name(some[i].t, some[i].v);

		CHECK(name != NULL && strcmp(name, some[i].name) == 0);
	}
	CHECK(ck_name(NAMES_MECH, 0x99999) == NULL && ck_name(NAMES_MECH, ~0ul) == NULL);
	CHECK(!ck_value(NAMES_MECH, "CKM_NOT", &v) && v == 42);
}

static void
kinds_are_right(void)
{
	static const struct {
		CK_ATTRIBUTE_TYPE type;
		enum attr_kind kind;
	} some[] = {
		{CKA_CLASS, ATTR_ULONG}, {CKA_TOKEN, ATTR_BOOL}, {CKA_LABEL, ATTR_TEXT},
		{CKA_ID, ATTR_BYTES}, {CKA_START_DATE, ATTR_DATE}, {CKA_MODULUS, ATTR_BYTES},
		{CKA_MODULUS_BITS, ATTR_ULONG}, {CKA_VALUE_LEN, ATTR_ULONG},
		{CKA_ALLOWED_MECHANISMS, ATTR_ULONGS}, {CKA_WRAP_TEMPLATE, ATTR_TEMPLATE},
		{CKA_DERIVE_TEMPLATE, ATTR_TEMPLATE}, {CKA_UNIQUE_ID, ATTR_TEXT},
		{CKA_ALWAYS_AUTHENTICATE, ATTR_BOOL}, {CKA_KEY_GEN_MECHANISM, ATTR_ULONG},
		{CKA_CHECK_VALUE, ATTR_BYTES}, {CKA_TRUSTED, ATTR_BOOL},
	};

	for (size_t i = 0; i < sizeof(some) / sizeof(some[0]); i++) {
		const struct attr_name *row = attr_name_find(some[i].type);

		CHECK(row != NULL && row->kind == some[i].kind);
	}
	CHECK(attr_name_find(0x999) == NULL && attr_name_find_text("CKA_NOT") == NULL);
	for (CK_ATTRIBUTE_TYPE t = 1; t <= 3; t++) {
		const struct attr_name *row = attr_name_find(ATTR_INTERNAL_BASE | t);

		CHECK(row != NULL && row->kind == ATTR_ULONG && strncmp(row->name, "TKA_", 4) == 0);
		CHECK(attr_internal(ATTR_INTERNAL_BASE | t));
	}
	CHECK(!attr_internal(CKA_VENDOR_DEFINED | 1) && !attr_internal(CKA_CLASS));
}

int
main(void)
{
	tables_ascend();
	every_row_is_found();
	numbers_are_right();
	kinds_are_right();
	return unit_done("test_names");
}
