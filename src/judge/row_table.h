// SPDX-License-Identifier: Apache-2.0
/*
 * row_table.h - a list of ours as a table that SQL rules read
 */
#ifndef BELLJAR_JUDGE_ROW_TABLE_H
#define BELLJAR_JUDGE_ROW_TABLE_H

#include <sqlite3.h>

#include "base/base.h"

/** struct row_table_def - what such a table is; static */
struct row_table_def {
	const char *schema; /* CREATE TABLE …, as sqlite3_declare_vtab() wants it */
	/* make the rows of @of, once, when they are first asked for: *ret_rows and how many.
	 * Return: 0 or -errno */
	int (*make)(void *of, void **ret_rows, size_t *ret_n);
	/* the value of a column in row @i, by one of sqlite3_result_…(); none: NULL */
	void (*column)(const void *rows, size_t i, sqlite3_context *ctx, int column);
	void (*free)(void *rows); /* NULL: they are not the table's */
};

/** row_table() - the table @name of @db, without arguments; @of: lent as long as @db is open.
 * Return: 0 or -EIO */
int row_table(struct sqlite3 *db, const char *name, const struct row_table_def *def, void *of);

/** row_table_text() - a text column; nothing when it is empty */
void row_table_text(sqlite3_context *ctx, struct str s);

#endif
