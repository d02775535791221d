#include "names_table.h"

#include <string.h>

bool
attr_internal(CK_ATTRIBUTE_TYPE type)
{
	return (type & ~(CK_ATTRIBUTE_TYPE)0xFFFF) == ATTR_INTERNAL_BASE;
}

const struct attr_name *
attr_name_find(CK_ATTRIBUTE_TYPE type)
{
	size_t lo = 0, hi = names_attr_count;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (names_attr[mid].type == type)
			return &names_attr[mid];
		if (names_attr[mid].type < type)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

/* By text the tables are scanned: names come from people and directory look-ups, numbers from calls. */
const struct attr_name *
attr_name_find_text(const char *name)
{
	for (size_t i = 0; i < names_attr_count; i++) {
		if (strcmp(names_attr[i].name, name) == 0)
			return &names_attr[i];
	}
	return NULL;
}

const struct attr_name *
attr_name_at(size_t i)
{
	return i < names_attr_count ? &names_attr[i] : NULL;
}

size_t
attr_name_count(void)
{
	return names_attr_count;
}

size_t
attr_name_index(const struct attr_name *row)
{
	return (size_t)(row - names_attr);
}

const struct ck_name *
ck_name_row(enum name_table t, CK_ULONG number)
{
	const struct names_table *table = &names_tables[t];
	size_t lo = 0, hi = table->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (table->rows[mid].value == number)
			return &table->rows[mid];
		if (table->rows[mid].value < number)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

const char *
ck_name(enum name_table t, CK_ULONG number)
{
	const struct ck_name *row = ck_name_row(t, number);

	return row != NULL ? row->name : NULL;
}

bool
ck_value(enum name_table t, const char *name, CK_ULONG *number)
{
	const struct names_table *table = &names_tables[t];

	for (size_t i = 0; i < table->n; i++) {
		if (strcmp(table->rows[i].name, name) == 0) {
			*number = table->rows[i].value;
			return true;
		}
	}
	return false;
}
