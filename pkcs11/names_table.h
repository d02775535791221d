/*
 * names_table.h - the tables that names.c walks; seen by names.c and its test alone
 */
#ifndef TOKENFS_NAMES_TABLE_H
#define TOKENFS_NAMES_TABLE_H

#include "names.h"

struct names_table {
	const struct ck_name *rows; /* ascending by value */
	size_t n;
};

extern const struct attr_name names_attr[]; /* ascending by type */
extern const size_t names_attr_count;
extern const struct names_table names_tables[NAMES_USER + 1];

#endif
