/* What the store offers, the module must have words for: a name and the right structure for its parameter. */
#include "pkcs11/names.h"
#include "store/mech.h"
#include "store/mech_family.h"

#include <string.h>

#include "unit.h"

/* Mechanisms whose parameter is bytes by the standard: an IV, a public value, a version of TLS. */
static bool
takes_bytes(const char *name)
{
	static const char *const parts[] = {
		"_CBC", "_OFB", "_CFB", "_CTS", "_XTS", "_GMAC", "AES_KEY_WRAP", "CKM_DH_PKCS_DERIVE", "PRE_MASTER_KEY_GEN",
	};

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (strstr(name, parts[i]) != NULL)
			return true;
	return false;
}

static void
every_row_has_its_word(void)
{
	const struct mech *row;
	const struct ck_name *word;

	for (size_t i = 0; (row = mech_row(i)) != NULL; i++) {
		word = ck_name_row(NAMES_MECH, row->type);
		CHECK(word != NULL);
		if (word == NULL) {
			fprintf(stderr, "mechanism 0x%lx has no name\n", row->type);
			continue;
		}
		CHECK(word->param != PARAM_RAW || takes_bytes(word->name));
		if (word->param == PARAM_RAW && !takes_bytes(word->name))
			fprintf(stderr, "%s has no kind of parameter\n", word->name);
		CHECK(!strstr(word->name, "_GENERAL") || word->param == PARAM_ULONG);
		CHECK(!strstr(word->name, "_PSS") || word->param == PARAM_RSA_PSS);
	}
	CHECK(mech_row(100000) == NULL);
}

static bool
is_second(const struct mech *row)
{
	return row->when == MECH_LEGACY || row->when == MECH_SHORT;
}

/* Each row is found where it is offered; no row is written twice for one kind of token. */
static void
rows_are_reached(void)
{
	const struct mech *row, *other;

	for (size_t i = 0; (row = mech_row(i)) != NULL; i++) {
		bool there = row->family->there == NULL || row->family->there(row);

		for (size_t j = 0; j < i && (other = mech_row(j)) != NULL; j++) {
			CHECK(other->type != row->type || is_second(other) != is_second(row));
			if (other->type == row->type && is_second(other) == is_second(row))
				fprintf(stderr, "%s stands twice\n", ck_name(NAMES_MECH, row->type));
		}
		if (there && !is_second(row))
			CHECK(mech_find(row->type) == row && mech_find_for(row->type, false) == row);
		if (there && row->when == MECH_SHORT)
			CHECK(mech_find(row->type) != row && mech_find_for(row->type, true) == row);
	}
	mech_set_legacy(true);
	for (size_t i = 0; (row = mech_row(i)) != NULL; i++)
		if (is_second(row) && (row->family->there == NULL || row->family->there(row)))
			CHECK(mech_find(row->type) == row);
	mech_set_legacy(false);
}

int
main(void)
{
	every_row_has_its_word();
	rows_are_reached();
	return unit_done("test_vocabulary");
}
