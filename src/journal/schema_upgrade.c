// SPDX-License-Identifier: Apache-2.0
/*
 * schema_upgrade.c - add to an older journal what event.def has gained since
 *
 * Only what comes at an end can have been added: tables, columns behind a table's last, indexes.
 * Views hold no data and are made anew. ALTER TABLE ADD COLUMN appends to the text of CREATE TABLE
 * exactly what schema_create() would have written, so that the result is the same schema byte for
 * byte; the caller checks that it is, and takes all of it back if not.
 */
#include <sqlite3.h>

#include "journal/schema.h"

static int64_t count_columns(struct sqlite3 *db, const char *table)
{
	sqlite3_stmt *st = NULL;
	int64_t n = 0;

	if (sqlite3_prepare_v2(db, "SELECT count(*) FROM pragma_table_info(?1)", -1, &st, NULL) ==
	    SQLITE_OK) {
		sqlite3_bind_text(st, 1, table, -1, SQLITE_STATIC);
		if (sqlite3_step(st) == SQLITE_ROW)
			n = sqlite3_column_int64(st, 0);
	}
	sqlite3_finalize(st);
	return n;
}

static int add_columns(struct sqlite3 *db)
{
	int rc = SQLITE_OK;

	for (int k = 1; k < EVENT_KINDS && rc == SQLITE_OK; k++) {
		const struct kind_def *def = event_kind_def((enum event_kind)k);
		int64_t have = def ? count_columns(db, def->table) : 0;

		for (int64_t i = have - 4; have && i < def->nfields && rc == SQLITE_OK; i++) {
			const struct field_def *f = &def->field[i];
			cleanup_free char *sql =
				xasprintf("ALTER TABLE \"%s\" ADD COLUMN \"%s\" %s", def->table,
					  f->column, f->type == VAL_INT ? "INTEGER" : "TEXT");

			rc = sqlite3_exec(db, sql, NULL, NULL, NULL);
		}
	}
	return rc;
}

/* Runs the statements that @select gives as text. */
static int run_each(struct sqlite3 *from, struct sqlite3 *to, const char *select)
{
	struct buf all = { 0 };
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(from, select, -1, &st, NULL);

	/* gathered first: a schema that changes under the statement would end it */
	while (rc == SQLITE_OK && (rc = sqlite3_step(st)) == SQLITE_ROW) {
		buf_add(&all, sqlite3_column_text(st, 0), (size_t)sqlite3_column_bytes(st, 0));
		buf_puts(&all, ";\n");
		rc = SQLITE_OK;
	}
	sqlite3_finalize(st);
	if (rc == SQLITE_DONE)
		rc = sqlite3_exec(to, buf_z(&all), NULL, NULL, NULL);
	buf_free(&all);
	return rc;
}

int schema_upgrade(struct sqlite3 *db)
{
	sqlite3 *model = NULL;
	int rc = sqlite3_open_v2(":memory:", &model, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
				 NULL);

	if (rc == SQLITE_OK)
		rc = schema_create(model);
	if (rc == SQLITE_OK)
		rc = run_each(db, db,
			      "SELECT 'DROP VIEW \"'||name||'\"' FROM sqlite_schema "
			      "WHERE type='view'");
	if (rc == SQLITE_OK)
		rc = add_columns(db);
	if (rc == SQLITE_OK)
		rc = run_each(model, db,
			      "SELECT replace(replace(sql,'CREATE TABLE ','CREATE TABLE IF "
			      "NOT EXISTS '),'CREATE INDEX ','CREATE INDEX IF NOT EXISTS ') "
			      "FROM sqlite_schema WHERE type IN ('table','index') AND sql NOT NULL "
			      "ORDER BY type DESC");
	if (rc == SQLITE_OK)
		rc = run_each(model, db, "SELECT sql FROM sqlite_schema WHERE type='view'");
	sqlite3_close(model);
	return rc;
}
